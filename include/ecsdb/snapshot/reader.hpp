/// @file
/// Opens a snapshot, says what it is of, and fills an empty store from it.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/snapshot/block_reader.hpp"
#include "ecsdb/snapshot/chain_reader.hpp"
#include "ecsdb/snapshot/later_counts.hpp"
#include "ecsdb/snapshot/numbers.hpp"
#include "ecsdb/snapshot/saved_state.hpp"
#include "ecsdb/storage/bulk_load.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::snapshot {

/// Of which version the entity versions of consecutive indices are.
struct CountsAsOf {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint64_t version = 0; ///< 0: not known; of the snapshot's version at the earliest.
};

/// What a snapshot held.
struct LoadedSnapshot {
    SnapshotInfo info;
    std::uint64_t entities = 0;
    std::uint64_t freed = 0;
    std::uint64_t rows = 0;
    List<CountsAsOf> counts; ///< Ascending; about one per 32,768 indices.
    LaterCounts later;       ///< Those of them that are of a later version, and not set yet: for whoever replays a log.
};

namespace detail {

/// Puts one block after another into an empty store. What a block says is checked against the schema and what came before.
class ContentLoader {
public:
    using Block = BlockReader::Block;

    /// `saved`: to be told what the snapshot holds; may be null.
    ContentLoader(storage::WriteBuffer& buffer, const FileHeader& header, Allocator& allocator, SavedState* saved) noexcept
        : loader_{buffer}, schema_{&buffer.store().schema()}, header_{&header}, saved_{saved}, numbers_{allocator},
          more_numbers_{allocator}, encoded_{allocator}, content_{allocator} {}

    Result<void> begin() {
        return loader_.begin(header_->lsn) && numbers_.reserve(max_block_rows) && more_numbers_.reserve(max_block_rows) ? Result<void>{}
                                                                                                                        : no_memory();
    }

    /// `archetype` is the number in its file of one that begins with this block.
    Result<void> add(const Block& block, std::uint32_t archetype) {
        const bool has_rows_within = block.header.kind != BlockKind::Archetype && block.header.kind != BlockKind::Index &&
                                     (static_cast<std::uint8_t>(block.header.kind) & skippable_kind) == 0;
        if (has_rows_within && (block.header.rows == 0 || block.header.rows > max_block_rows)) {
            return corrupt(block, "has no rows, or too many for a block");
        }
        if (!content_.empty() && block.header.kind != BlockKind::ContentPart && block.header.kind != BlockKind::Index) {
            return corrupt(block, "the text or blob before it is not complete");
        }
        switch (block.header.kind) {
        case BlockKind::Archetype:
            return begin_archetype(block, archetype);
        case BlockKind::Entities:
            return add_entities(block);
        case BlockKind::Rows:
            return add_rows(block);
        case BlockKind::SparseRows:
            return add_sparse(block);
        case BlockKind::Freed:
            return add_freed(block);
        case BlockKind::Counts:
            return add_counts(block);
        case BlockKind::Contents:
            return add_contents(block);
        case BlockKind::ContentPart:
            return add_content_part(block);
        case BlockKind::ChangedCounts:
            return add_changed_counts(block);
        case BlockKind::Index:
            return {};
        case BlockKind::ChangedEntities:
        case BlockKind::ChangedRows:
        case BlockKind::Replaced:
            return corrupt(block, "has no place in a full snapshot");
        }
        if ((static_cast<std::uint8_t>(block.header.kind) & skippable_kind) != 0) {
            return {};
        }
        return BlockReader::corrupt(block, "is of a kind this build does not know", ErrorCode::Unsupported);
    }

    Result<LoadedSnapshot> finish(const Footer& footer, SnapshotInfo info) {
        if (!is_complete()) {
            return Error{ErrorCode::Corrupt, "the last archetype is not complete"};
        }
        if (!content_.empty()) {
            return Error{ErrorCode::Corrupt, "the last text or blob is not complete"};
        }
        if (footer.entities != loaded_.entities || footer.freed != loaded_.freed || footer.rows != loaded_.rows) {
            return Error{ErrorCode::Corrupt, "the footer counts other entities and rows than there are"};
        }
        loader_.finish(header_->time_ns);
        if (saved_ != nullptr) {
            saved_->newest = {info.lsn, info.bytes, info.crc};
            saved_->born = header_->lsn; // as everything that was loaded
            saved_->usable = lies_as_saved_;
        }
        loaded_.info = std::move(info);
        return std::move(loaded_);
    }

private:
    using Outcome = storage::Outcome;

    static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory for what the snapshot holds"}; }
    static Error corrupt(const Block& block, const std::string& what) { return BlockReader::corrupt(block, what); }

    Result<void> judge(const Block& block, Outcome outcome) const {
        switch (outcome) {
        case Outcome::Done:
            return {};
        case Outcome::AlreadyExists:
            return corrupt(block, "names an entity or a row a second time");
        case Outcome::NotFound:
            return corrupt(block, "has a row of an entity that does not live");
        default:
            return no_memory();
        }
    }

    /// Whether every column of the current archetype has the rows it should.
    [[nodiscard]] bool is_complete() const noexcept { return entities_ == archetype_rows_ && column_ == tables_.size(); }

    Result<void> begin_archetype(const Block& block, std::uint32_t number) {
        if (!is_complete()) {
            return corrupt(block, "the archetype before it is not complete");
        }
        if (block.header.archetype != archetype_ + 1 || block.header.rows == 0 || block.content.size() % sizeof(TableId) != 0) {
            return corrupt(block, "is no archetype that could stand here");
        }
        tables_.clear();
        columns_.clear();
        for (std::size_t offset = 0; offset < block.content.size(); offset += sizeof(TableId)) {
            const auto table = load_le<TableId>(block.content.data() + offset);
            if (!has(table, Storage::Table) || (!columns_.empty() && table <= columns_.back())) {
                return corrupt(block, "names table " + std::to_string(table) + ", which cannot be part of an archetype, or not here");
            }
            columns_.push_back(table);
            if (!schema_->table(table).is_tag()) {
                tables_.push_back(table);
            }
        }
        ++archetype_;
        archetype_rows_ = block.header.rows;
        entities_ = 0;
        column_ = 0;
        rows_ = 0;
        auto begun = judge(block, loader_.begin_archetype(columns_, archetype_rows_));
        if (begun && saved_ != nullptr) {
            saved_->set_number(loader_.archetype(), number);
            lies_as_saved_ = lies_as_saved_ && loader_.began_empty();
        }
        return begun;
    }

    [[nodiscard]] bool has(TableId table, Storage storage) const noexcept {
        return table < schema_->tables().size() && schema_->table(table).storage == storage && is_saved(schema_->table(table));
    }

    Result<void> add_entities(const Block& block) {
        if (block.header.archetype != archetype_ || block.header.first != entities_ || block.header.rows > archetype_rows_ - entities_) {
            return corrupt(block, "has entities that do not follow the last ones");
        }
        if (auto read = read_ids(block); !read) {
            return read;
        }
        entities_ += block.header.rows;
        loaded_.entities += block.header.rows;
        return judge(block, loader_.append_entities(numbers_.view(), more_numbers_.view()));
    }

    Result<void> add_freed(const Block& block) {
        if (auto read = read_ids(block); !read) {
            return read;
        }
        loaded_.freed += block.header.rows;
        return judge(block, loader_.append_freed(numbers_.view(), more_numbers_.view()));
    }

    /// Reads indices and generations, and nothing else.
    Result<void> read_ids(const Block& block) {
        ByteReader in{block.content};
        if (!read_indices(in, block) || !more_numbers_.resize_for_overwrite(block.header.rows) || !read_numbers(in, more_numbers_.view()) ||
            in.remaining() != 0) {
            return corrupt(block, "is no list of entities");
        }
        const auto [least, most] = std::minmax_element(more_numbers_.view().begin(), more_numbers_.view().end());
        if (*least == 0 || *most > Entity::max_generation) {
            return corrupt(block, "has a generation that cannot be");
        }
        return {};
    }

    [[nodiscard]] bool read_indices(ByteReader& in, const Block& block) {
        return numbers_.resize_for_overwrite(block.header.rows) && read_numbers(in, numbers_.view()) &&
               *std::max_element(numbers_.view().begin(), numbers_.view().end()) < header_->identity.next_fresh;
    }

    Result<void> add_rows(const Block& block) {
        if (block.header.archetype != archetype_ || entities_ != archetype_rows_ || column_ == tables_.size() ||
            block.header.table != tables_[column_] || block.header.first != rows_ || block.header.rows > archetype_rows_ - rows_) {
            return corrupt(block, "has rows that do not follow the last ones");
        }
        if (block.content.size() != std::uint64_t{block.header.rows} * schema_->table(block.header.table).packed_size) {
            return corrupt(block, "has rows of another size than its table");
        }
        if (!loader_.fill_rows(block.header.table, rows_, block.header.rows, block.content)) {
            return no_memory();
        }
        loaded_.rows += block.header.rows;
        rows_ += block.header.rows;
        if (rows_ == archetype_rows_) {
            ++column_;
            rows_ = 0;
        }
        return {};
    }

    Result<void> add_sparse(const Block& block) {
        if (!has(block.header.table, Storage::Sparse) || !is_complete()) {
            return corrupt(block, "has rows of a table that is not there, or not here");
        }
        ByteReader in{block.content};
        if (!read_indices(in, block) ||
            in.remaining() != std::uint64_t{block.header.rows} * schema_->table(block.header.table).packed_size) {
            return corrupt(block, "is no list of entities with rows of its table");
        }
        loaded_.rows += block.header.rows;
        return judge(block, loader_.append_sparse(block.header.table, numbers_.view(), in.read_bytes(in.remaining())));
    }

    /// The field a block of contents is for; null where it cannot be.
    [[nodiscard]] const Field* content_field(const Block& block) const noexcept {
        const TableId table = block.header.table;
        const bool saved = table < schema_->tables().size() && is_saved(schema_->table(table));
        if (!saved || !is_complete() || block.header.first >= schema_->table(table).fields.size()) {
            return nullptr;
        }
        const Field& field = schema_->table(table).fields[block.header.first];
        return is_content(field.type) ? &field : nullptr;
    }

    Result<void> add_contents(const Block& block) {
        const Field* const field = content_field(block);
        if (field == nullptr) {
            return corrupt(block, "holds contents of a field that has none, or not here");
        }
        ByteReader in{block.content};
        std::uint64_t index = 0;
        for (std::uint32_t row = 0; row < block.header.rows; ++row) {
            const std::uint64_t step = in.read_varint();
            const std::uint64_t length = in.read_varint();
            if (in.failed() || length == 0 || length > in.remaining() || step >= header_->identity.next_fresh - index) {
                return corrupt(block, "is no list of contents");
            }
            index += step;
            const std::span<const std::byte> bytes = in.read_bytes(static_cast<std::size_t>(length));
            if (auto set = judge(block, loader_.set_content(block.header.table, field->id, static_cast<std::uint32_t>(index), bytes));
                !set) {
                return set;
            }
        }
        return in.remaining() == 0 ? Result<void>{} : corrupt(block, "is no list of contents");
    }

    /// Collects the parts as they come: no length is believed before its bytes are there.
    Result<void> add_content_part(const Block& block) {
        const Field* const field = content_field(block);
        ByteReader in{block.content};
        const std::uint64_t index = in.read_varint();
        const std::uint64_t length = in.read_varint();
        const std::uint64_t offset = in.read_varint();
        const std::span<const std::byte> bytes = in.read_bytes(in.remaining());
        const bool first = content_.empty();
        const Content content{block.header.table, block.header.first, index, length};
        if (field == nullptr || in.failed() || bytes.empty() || index >= header_->identity.next_fresh || length > max_content_size ||
            offset != content_.size() || bytes.size() > length - offset || (!first && !(content == part_of_))) {
            return corrupt(block, "is no part of a text or blob that could stand here");
        }
        part_of_ = content;
        if (!content_.reserve_more(bytes.size())) {
            return no_memory();
        }
        static_cast<void>(content_.resize_for_overwrite(content_.size() + bytes.size()));
        std::copy(bytes.begin(), bytes.end(), content_.begin() + offset);
        if (content_.size() < length) {
            return {};
        }
        const Outcome set = loader_.set_content(block.header.table, field->id, static_cast<std::uint32_t>(index), content_.view());
        content_.clear();
        return judge(block, set);
    }

    Result<void> add_counts(const Block& block) {
        ByteReader in{block.content};
        const auto version = in.read_le<std::uint64_t>();
        const std::size_t begin = in.offset();
        if (!numbers_.resize_for_overwrite(block.header.rows) || !read_numbers(in, numbers_.view()) || in.remaining() != 0 ||
            std::uint64_t{block.header.first} + block.header.rows > header_->identity.next_fresh) {
            return corrupt(block, "is no list of counts");
        }
        if (saved_ != nullptr && !saved_->set_counts(block.header.first, numbers_.view())) {
            return no_memory();
        }
        loaded_.counts.push_back({block.header.first, block.header.rows, version});
        if (version > header_->lsn) {
            loaded_.later.add(version, block.header.first, block.header.rows, block.content.subspan(begin));
            return {};
        }
        return loader_.set_counts(block.header.first, numbers_.view()) ? Result<void>{} : no_memory();
    }

    /// Counts that overrule what has come before.
    Result<void> add_changed_counts(const Block& block) {
        ByteReader in{block.content};
        const auto version = in.read_le<std::uint64_t>();
        if (!read_indices(in, block) || !more_numbers_.resize_for_overwrite(block.header.rows) || !read_numbers(in, more_numbers_.view()) ||
            in.remaining() != 0) {
            return corrupt(block, "is no list of counts");
        }
        const std::uint32_t first = numbers_[0];
        std::uint32_t end = first;
        for (std::size_t i = 0; i < numbers_.size(); ++i) {
            if (numbers_[i] < end || numbers_[i] - first >= max_block_rows) {
                return corrupt(block, "has counts that are not in order, or too far from each other");
            }
            end = numbers_[i] + 1;
            if (saved_ != nullptr && !saved_->set_counts(numbers_[i], more_numbers_.view().subspan(i, 1))) {
                return no_memory();
            }
        }
        loaded_.counts.push_back({first, end - first, version});
        if (version > header_->lsn) {
            // Those between have not changed up to that version: they are of it, too.
            std::vector<std::uint32_t> counts(end - first);
            for (std::uint32_t index = first; index < end; ++index) {
                counts[index - first] = loader_.count(index);
            }
            for (std::size_t i = 0; i < numbers_.size(); ++i) {
                counts[numbers_[i] - first] = more_numbers_[i];
            }
            encoded_.clear();
            append_numbers(encoded_, counts);
            if (encoded_.failed()) {
                return no_memory();
            }
            loaded_.later.add(version, first, end - first, encoded_.view());
            return {};
        }
        for (std::size_t i = 0; i < numbers_.size(); ++i) {
            if (!loader_.set_count(numbers_[i], more_numbers_[i])) {
                return no_memory();
            }
        }
        return {};
    }

    storage::BulkLoader loader_;
    const Schema* schema_;
    const FileHeader* header_;
    SavedState* saved_;
    bool lies_as_saved_ = true; ///< No two archetypes of the file have become one.
    GrowArray<std::uint32_t> numbers_;
    GrowArray<std::uint32_t> more_numbers_;
    ByteBuffer encoded_;           ///< Counts that no block has as they are.
    std::vector<TableId> columns_; ///< Of the current archetype …
    std::vector<TableId> tables_;  ///< … and those of them that have rows.
    std::uint32_t archetype_ = 0;
    std::uint32_t archetype_rows_ = 0;
    std::uint32_t entities_ = 0; ///< So many of the archetype's entities have come …
    std::size_t column_ = 0;     ///< … and all rows of so many of its tables …
    std::uint32_t rows_ = 0;     ///< … and so many of the next one's.
    /// A content that comes in parts.
    struct Content {
        TableId table = 0;
        std::uint32_t field = 0;
        std::uint64_t index = 0;
        std::uint64_t length = 0;

        friend bool operator==(const Content&, const Content&) = default;
    };
    Content part_of_;
    GrowArray<std::byte> content_; ///< What has come of it; empty between contents.
    LoadedSnapshot loaded_;
};

} // namespace detail

/// A snapshot that was opened, with those it builds on: what it is of is checked, what it holds is not yet read. Move-only, for one thread.
class SnapshotFile {
public:
    /// Which database it is of. Whether that is the one expected is the caller's to compare.
    [[nodiscard]] const SnapshotIdentity& identity() const noexcept { return header().identity; }
    /// The schema of the version saved: what a store to load it into is to be created with.
    [[nodiscard]] const Schema& schema() const noexcept { return schema_; }
    [[nodiscard]] std::uint64_t lsn() const noexcept { return header().lsn; }
    [[nodiscard]] std::uint64_t time_ns() const noexcept { return header().time_ns; }
    [[nodiscard]] std::uint64_t file_size() const noexcept { return chain_.newest().file_size(); }

    /// Fills the store of `buffer`, which must be at its first, empty root. On success `buffer.root()` is the version saved, ready to be
    /// published; on failure the store is to be discarded. To be called once. `saved` learns what the next snapshot need not hold.
    ///
    /// `Corrupt` names file, block and what is wrong; `SchemaMismatch` and `WrongShard` where the store was created for something else;
    /// `OutOfMemory`; what the file system says. Values are taken as they are. Beyond the state itself this holds about 2 MiB, and as much
    /// for every snapshot it builds on.
    [[nodiscard]] Result<LoadedSnapshot> load_into(storage::WriteBuffer& buffer, SavedState* saved = nullptr) {
        auto loaded = load(buffer, saved);
        if (!loaded) {
            return std::move(loaded).error().in(chain_.path());
        }
        return loaded;
    }

private:
    friend Result<SnapshotFile> open_snapshot(FileSystem& files, std::span<const std::string> paths, Allocator& allocator);
    SnapshotFile(ChainReader chain, Schema schema, Allocator& allocator)
        : chain_{std::move(chain)}, schema_{std::move(schema)}, allocator_{&allocator} {}

    [[nodiscard]] const FileHeader& header() const noexcept { return chain_.newest().header(); }

    Result<LoadedSnapshot> load(storage::WriteBuffer& buffer, SavedState* saved) {
        if (buffer.store().schema().hash() != schema_.hash()) {
            return Error{ErrorCode::SchemaMismatch, "the store was created with another schema"};
        }
        if (buffer.root().shard != identity().shard) {
            return Error{ErrorCode::WrongShard, "it is of shard " + std::to_string(identity().shard) + ", the store of shard " +
                                                    std::to_string(buffer.root().shard)};
        }
        detail::ContentLoader content{buffer, header(), *allocator_, saved};
        if (auto begun = content.begin(); !begun) {
            return std::move(begun).error();
        }
        BlockReader::Block block;
        for (;;) {
            auto more = chain_.next(block);
            if (!more) {
                return std::move(more).error();
            }
            if (!*more) {
                break;
            }
            if (auto added = content.add(block, chain_.archetype()); !added) {
                return std::move(added).error();
            }
        }
        if (saved != nullptr) {
            saved->archetype_end = chain_.archetype_end();
        }
        return content.finish(chain_.footer(), {chain_.newest().path(), lsn(), file_size(), chain_.newest().crc()});
    }

    ChainReader chain_;
    Schema schema_;
    Allocator* allocator_;
};

/// Opens the snapshot at the last of `paths`, which builds on those before it, the full one first, and reads what it is of. `NotFound`,
/// `Corrupt` (also where they do not build on each other), `Unsupported` where a newer release wrote it, `Io`. Changes nothing. File system
/// and allocator must outlive the result.
[[nodiscard]] inline Result<SnapshotFile> open_snapshot(FileSystem& files, std::span<const std::string> paths, Allocator& allocator) {
    auto chain = ChainReader::open(files, paths, allocator);
    if (!chain) {
        return std::move(chain).error();
    }
    const BlockReader& newest = chain->newest();
    auto schema = decode_schema(newest.schema());
    if (!schema) {
        return std::move(schema).error().in(newest.path());
    }
    if (schema->hash() != newest.header().schema_hash) {
        return Error{ErrorCode::Corrupt, newest.path() + ": the schema is not the one the header names"};
    }
    return SnapshotFile{*std::move(chain), *std::move(schema), allocator};
}
/// The same for a full one.
[[nodiscard]] inline Result<SnapshotFile> open_snapshot(FileSystem& files, const std::string& path, Allocator& allocator) {
    return open_snapshot(files, std::span{&path, 1}, allocator);
}

} // namespace ecsdb::snapshot
