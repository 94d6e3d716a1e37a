/// @file
/// Saves one version of a database as a file, while the next ones are being made.
#pragma once

#include "ecsdb/schema/encode.hpp"
#include "ecsdb/snapshot/block_reader.hpp"
#include "ecsdb/snapshot/block_writer.hpp"
#include "ecsdb/snapshot/numbers.hpp"
#include "ecsdb/storage/entity_versions.hpp"
#include "ecsdb/storage/root.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::snapshot {

/// Where a snapshot takes entity versions from. They are not part of any version of the database (design D6), so while writing goes on,
/// only the writer can say at which one they were read.
class CountSource {
public:
    CountSource() = default;
    CountSource(const CountSource&) = delete;
    CountSource& operator=(const CountSource&) = delete;
    virtual ~CountSource() = default;

    /// Fills `counts` with those of the indices from `first` on, all as of one version, and returns that version; 0 where it is not known.
    [[nodiscard]] virtual Result<std::uint64_t> read(std::uint32_t first, std::span<std::uint32_t> counts) noexcept = 0;
};

/// Reads the current counts from any thread. Exact where nobody writes; otherwise each may be that of a later version, or count a
/// transaction that is undone in the end.
class CurrentCounts final : public CountSource {
public:
    explicit CurrentCounts(const storage::EntityVersions& versions) noexcept : versions_{&versions} {}

    [[nodiscard]] Result<std::uint64_t> read(std::uint32_t first, std::span<std::uint32_t> counts) noexcept override {
        versions_->copy_to(first, counts);
        return std::uint64_t{0};
    }

private:
    const storage::EntityVersions* versions_;
};

struct SnapshotOptions {
    Allocator& allocator;      ///< For buffers of a few blocks; must be safe to call from the calling thread.
    int compression_level = 0; ///< 0: none; otherwise as in `compress`, block by block.
    bool own_thread = false;   ///< Whether another thread writes the file while its content is being made.
    bool read_back = false;    ///< Whether the file is read and checked before it gets its name. (From the page cache, where there is one.)
    CountSource* counts = nullptr; ///< Null: `CurrentCounts` of the entity versions given.
};

namespace detail {

/// Turns one version into blocks.
class ContentWriter {
public:
    ContentWriter(BlockWriter& blocks, const storage::Root& root, CountSource& counts, Allocator& allocator, std::uint64_t next_fresh)
        : blocks_{&blocks}, root_{&root}, counts_{&counts}, numbers_{allocator}, more_numbers_{allocator}, living_{allocator},
          next_fresh_{next_fresh} {}

    /// `InvalidArgument` where the version has an index that may not have been handed out. Failures to write are the block writer's.
    Result<Footer> write() {
        const auto pages = static_cast<std::size_t>(root_->entities.index_end() / page_rows);
        if (!numbers_.resize_for_overwrite(max_block_rows) || !more_numbers_.resize_for_overwrite(batch) ||
            !living_.resize_for_overwrite(pages)) {
            return Error{ErrorCode::OutOfMemory, "no memory for a snapshot's buffers"};
        }
        std::fill(living_.begin(), living_.end(), std::uint8_t{0});
        footer_.lsn = root_->version;
        root_->for_each_archetype([&](const storage::Archetype& archetype) {
            if (!blocks_->failed()) {
                write_archetype(archetype);
            }
        });
        root_->sparse_tables.for_each([&](std::uint32_t table, const storage::Node& node) {
            const Table& description = root_->schema->table(static_cast<TableId>(table));
            if (is_saved(description)) {
                write_sparse(description, static_cast<const storage::SparseTable&>(node));
            }
        });
        for (const Table& table : root_->schema->tables()) {
            for (std::size_t i = 0; is_saved(table) && i < table.contents.size(); ++i) {
                write_contents(table, table.contents[i]);
            }
        }
        write_freed();
        write_counts();
        if (largest_index_ >= next_fresh_ && footer_.entities + footer_.freed != 0) {
            return Error{ErrorCode::InvalidArgument, "index " + std::to_string(largest_index_) + " is in use, and only those below " +
                                                         std::to_string(next_fresh_) + " were handed out"};
        }
        return footer_;
    }

private:
    /// Ids per block: two lists of them, at their longest, are a block of the usual size.
    static constexpr std::uint32_t batch = target_block_size / 8;
    static constexpr std::uint32_t page_rows = storage::EntityTable::records_per_page;

    static std::uint32_t rows_per_block(std::uint32_t row_bytes) noexcept {
        return std::clamp(target_block_size / std::max(row_bytes, 1U), 1U, batch);
    }

    void write_archetype(const storage::Archetype& archetype) {
        ++archetypes_;
        ByteBuffer& tables = blocks_->open({BlockKind::Archetype, Codec::Raw, 0, archetypes_, 0, archetype.rows});
        for (const storage::ColumnShape& column : archetype.shape->columns()) {
            if (is_saved(root_->schema->table(column.table))) {
                tables.append_le<TableId>(column.table);
            }
        }
        bool going_on = blocks_->close();
        for (std::uint32_t first = 0; first < archetype.rows && going_on; first += batch) {
            going_on = write_entities(archetype, first, std::min(batch, archetype.rows - first));
        }
        for (std::uint16_t column = 0; column < archetype.shape->columns().size() && going_on; ++column) {
            const Table& table = root_->schema->table(archetype.shape->columns()[column].table);
            if (is_saved(table) && !table.is_tag()) {
                going_on = write_column(archetype, column, table);
            }
        }
        footer_.entities += archetype.rows;
    }

    bool write_entities(const storage::Archetype& archetype, std::uint32_t first, std::uint32_t count) {
        for (std::uint32_t done = 0; done < count;) {
            constexpr storage::PageGeometry geometry = storage::Archetype::index_geometry;
            const std::uint32_t row = first + done;
            const std::uint32_t step = std::min(geometry.rows() - geometry.row_in_page(row), count - done);
            std::copy_n(archetype.index_page(geometry.page_of(row)) + geometry.row_in_page(row), step, &numbers_[done]);
            done += step;
        }
        // Indices mostly come in order: a page of records is looked up once.
        for (std::uint32_t i = 0; i < count;) {
            const std::uint32_t page = numbers_[i] / page_rows;
            const storage::EntityRecord* const records = &root_->entities.at(page * page_rows);
            const std::uint32_t first_of_page = i;
            for (; i < count && numbers_[i] / page_rows == page; ++i) {
                more_numbers_[i] = records[numbers_[i] % page_rows].generation;
            }
            living_[page] = static_cast<std::uint8_t>(living_[page] + (i - first_of_page));
        }
        return write_ids({BlockKind::Entities, Codec::Raw, 0, archetypes_, first, count});
    }

    /// A block of the first `header.rows` indices and generations collected.
    bool write_ids(const BlockHeader& header) {
        const std::span<const std::uint32_t> indices = numbers_.view().first(header.rows);
        largest_index_ = std::max(largest_index_, *std::max_element(indices.begin(), indices.end()));
        ByteBuffer& out = blocks_->open(header);
        append_numbers(out, indices);
        append_numbers(out, more_numbers_.view().first(header.rows));
        return blocks_->close();
    }

    bool write_column(const storage::Archetype& archetype, std::uint16_t column, const Table& table) {
        const storage::PageGeometry& geometry = archetype.shape->columns()[column].geometry;
        const std::uint32_t per_block = rows_per_block(table.packed_size);
        bool going_on = true;
        for (std::uint32_t first = 0; first < archetype.rows && going_on; first += std::min(per_block, archetype.rows - first)) {
            const std::uint32_t count = std::min(per_block, archetype.rows - first);
            ByteBuffer& out = blocks_->open({BlockKind::Rows, Codec::Raw, table.id, archetypes_, first, count});
            if (std::byte* place = table.packed_size == 0 ? nullptr : out.extend(std::size_t{count} * table.packed_size)) {
                for (std::uint32_t done = 0; done < count;) {
                    const std::uint32_t step = std::min(geometry.rows() - geometry.row_in_page(first + done), count - done);
                    place = pack(table, archetype.row(column, first + done), step, place);
                    done += step;
                }
            }
            footer_.rows += count;
            going_on = blocks_->close();
        }
        return going_on;
    }

    /// Packs rows that lie side by side; returns the end of what it wrote.
    static std::byte* pack(const Table& table, const std::byte* rows, std::size_t count, std::byte* packed) noexcept {
        if (table.packed_size == table.size) {
            std::memcpy(packed, rows, count * table.size);
            return packed + count * table.size;
        }
        for (; count != 0; --count, rows += table.size, packed += table.packed_size) {
            pack_row(table.runs, rows, packed);
        }
        return packed;
    }

    void write_sparse(const Table& table, const storage::SparseTable& rows) {
        const std::uint32_t per_block = rows_per_block(table.packed_size + 4);
        std::uint32_t first = 0;
        std::uint32_t collected = 0;
        const auto write = [&] {
            if (collected != 0 && !blocks_->failed()) {
                ByteBuffer& out = blocks_->open({BlockKind::SparseRows, Codec::Raw, table.id, 0, first, collected});
                const std::span<const std::uint32_t> indices = numbers_.view().first(collected);
                append_numbers(out, indices);
                if (std::byte* place = table.packed_size == 0 ? nullptr : out.extend(std::size_t{collected} * table.packed_size)) {
                    for (const std::uint32_t index : indices) {
                        place = pack(table, rows.find(index), 1, place);
                    }
                }
                blocks_->close();
            }
            first += std::exchange(collected, 0);
        };
        rows.blocks.for_each([&](std::uint32_t block_number, const storage::Node& node) {
            for (std::uint64_t left = static_cast<const storage::SparseBlock&>(node).present; left != 0; left &= left - 1) {
                numbers_[collected++] = (block_number << storage::SparseBlock::shift) + static_cast<std::uint32_t>(std::countr_zero(left));
                if (collected == per_block) {
                    write();
                }
            }
        });
        write();
        footer_.rows += first;
    }

    /// One field of all entities, in order of their indices.
    void write_contents(const Table& table, FieldId field) {
        const storage::ContentColumn* const column = root_->contents.column(table.id, field);
        if (column == nullptr) {
            return;
        }
        const BlockHeader header{BlockKind::Contents, Codec::Raw, table.id, 0, field, 0};
        ByteBuffer* out = nullptr; // of the open block
        std::uint32_t collected = 0;
        std::uint32_t previous = 0;
        std::size_t held = 0;
        const auto close = [&] {
            if (out != nullptr) {
                blocks_->set_rows(collected);
                blocks_->close();
            }
            out = nullptr;
        };
        column->contents.for_each([&](std::uint32_t index, const storage::Node& node) {
            const std::span<const std::byte> bytes = static_cast<const storage::Content&>(node).bytes();
            if (blocks_->failed()) {
                return;
            }
            if (bytes.size() > target_block_size) {
                close();
                write_parts(header, index, bytes);
                return;
            }
            if (out != nullptr && (collected == batch || held + bytes.size() > target_block_size)) {
                close();
            }
            if (out == nullptr) {
                out = &blocks_->open(header);
                collected = 0;
                previous = 0;
                held = 0;
            }
            out->append_varint(index - previous);
            out->append_varint(bytes.size());
            out->append(bytes);
            previous = index;
            held += bytes.size() + 2 * max_varint_size;
            ++collected;
        });
        if (!blocks_->failed()) {
            close();
        }
    }

    void write_parts(BlockHeader header, std::uint32_t index, std::span<const std::byte> bytes) {
        header.kind = BlockKind::ContentPart;
        header.rows = 1;
        for (std::size_t offset = 0; offset < bytes.size() && !blocks_->failed(); offset += target_block_size) {
            ByteBuffer& out = blocks_->open(header);
            out.append_varint(index);
            out.append_varint(bytes.size());
            out.append_varint(offset);
            out.append(bytes.subspan(offset, std::min<std::size_t>(target_block_size, bytes.size() - offset)));
            blocks_->close();
        }
    }

    void write_freed() {
        std::uint32_t collected = 0;
        const auto write = [&] {
            if (collected != 0 && !blocks_->failed()) {
                write_ids({BlockKind::Freed, Codec::Raw, 0, 0, static_cast<std::uint32_t>(footer_.freed), collected});
            }
            footer_.freed += std::exchange(collected, 0);
        };
        root_->entities.pages().for_each([&](std::uint32_t page, const storage::Node&) {
            if (living_[page] == page_rows) {
                return; // most pages of most worlds
            }
            for (std::uint32_t index = page * page_rows; index < (page + 1) * page_rows; ++index) {
                const storage::EntityRecord& record = root_->entities.at(index);
                if (record.archetype == storage::no_archetype && record.generation != 0) {
                    numbers_[collected] = index;
                    more_numbers_[collected] = record.generation;
                    if (++collected == batch) {
                        write();
                    }
                }
            }
        });
        write();
    }

    /// Counts of runs of indices, whole pages of records at a time.
    void write_counts() {
        std::uint32_t first = 0;
        std::uint32_t collected = 0;
        const auto write = [&] {
            const std::span<std::uint32_t> counts = numbers_.view().first(collected);
            if (collected != 0 && !blocks_->failed()) {
                const Result<std::uint64_t> version = counts_->read(first, counts);
                if (!version) {
                    blocks_->fail(version.error().clone());
                } else if (std::any_of(counts.begin(), counts.end(), [](std::uint32_t count) { return count != 0; })) {
                    ByteBuffer& out = blocks_->open({BlockKind::Counts, Codec::Raw, 0, 0, first, collected});
                    out.append_le<std::uint64_t>(*version);
                    append_numbers(out, counts);
                    blocks_->close();
                }
            }
            collected = 0;
        };
        const std::uint64_t end = std::min(root_->entities.index_end(), next_fresh_);
        for (std::uint64_t index = 0; index < end; index += page_rows) {
            const auto page_first = static_cast<std::uint32_t>(index);
            const bool used = root_->entities.find(page_first) != nullptr;
            if (!used || collected + page_rows > max_block_rows) {
                write();
            }
            if (used) {
                first = collected == 0 ? page_first : first;
                collected += static_cast<std::uint32_t>(std::min<std::uint64_t>(page_rows, end - index));
            }
        }
        write();
    }

    BlockWriter* blocks_;
    const storage::Root* root_;
    CountSource* counts_;
    GrowArray<std::uint32_t> numbers_;
    GrowArray<std::uint32_t> more_numbers_;
    GrowArray<std::uint8_t> living_; ///< How many of the entities of each page of records were met so far.
    std::uint64_t next_fresh_;
    std::uint32_t largest_index_ = 0;
    std::uint32_t archetypes_ = 0;
    Footer footer_;
};

/// Fills a new file with a snapshot and syncs it.
[[nodiscard]] inline Result<SnapshotInfo> write_file(File& file, const storage::Root& root, const SnapshotIdentity& identity,
                                                     CountSource& counts, const SnapshotOptions& options) {
    ByteBuffer schema{options.allocator};
    encode_schema(*root.schema, schema);
    if (schema.failed()) {
        return Error{ErrorCode::OutOfMemory, "no memory to encode the schema"};
    }
    if (schema.size() > max_schema_size) {
        return Error{ErrorCode::InvalidArgument, "the schema is larger than a snapshot can hold"};
    }
    BlockWriter blocks{file, options.allocator, options.compression_level, options.own_thread};
    FileHeader header{identity, root.version, root.time_ns, root.schema->hash(), static_cast<std::uint32_t>(schema.size()), 0};
    header.schema_crc = crc32c(schema.view());
    blocks.start(header, schema.view());
    auto footer = ContentWriter{blocks, root, counts, options.allocator, identity.next_fresh}.write();
    if (!footer) {
        return std::move(footer).error();
    }
    if (auto finished = blocks.finish(*footer); !finished) {
        return std::move(finished).error();
    }
    if (auto synced = file.sync(); !synced) {
        return std::move(synced).error();
    }
    return SnapshotInfo{{}, root.version, blocks.offset(), blocks.crc()};
}

/// Opens `path` as a new file, in the place of what an earlier attempt may have left there.
[[nodiscard]] inline Result<std::unique_ptr<File>> open_anew(FileSystem& files, const std::string& path) {
    auto file = files.open(path, FileMode::CreateNew);
    if (!file && file.error().code() == ErrorCode::AlreadyExists) {
        if (auto removed = files.remove(path); !removed) {
            return std::move(removed).error();
        }
        file = files.open(path, FileMode::CreateNew);
    }
    return file;
}

} // namespace detail

/// Saves the version `root`, which the caller keeps pinned, as `path`, durably and as a whole: after a crash at any point there is what was
/// there before, or the complete snapshot. Tables that are transient are left out.
///
/// Reads pages only: writer and readers go on, and neither waits. Goes through `path.tmp`, which a crash may leave behind and the next call
/// replaces. Any thread, one caller per path at a time. Holds about 2 MiB of buffers (compressing: 3), whatever the size.
///
/// Errors: `NoSpace` and `Io` from the file system, `OutOfMemory`, `Corrupt` where what was written reads back differently,
/// `InvalidArgument` where `identity` contradicts the version. Nothing is left behind then, and what was at `path` is still there. Only
/// where the very last step failed, making the name durable, the new file may be at `path` already.
[[nodiscard]] inline Result<SnapshotInfo> write_snapshot(FileSystem& files, const std::string& path, const storage::Root& root,
                                                         const storage::EntityVersions& versions, const SnapshotIdentity& identity,
                                                         const SnapshotOptions& options) {
    if (identity.shard != root.shard || identity.shard > Entity::max_shard ||
        identity.next_fresh > std::uint64_t{1} << Entity::index_bits) {
        return Error{ErrorCode::InvalidArgument, path + ": the snapshot's identity is not that of the version, or no database's"};
    }
    const std::string staged = path + ".tmp";
    auto file = detail::open_anew(files, staged);
    if (!file) {
        return std::move(file).error();
    }
    CurrentCounts current{versions};
    auto info = detail::write_file(**file, root, identity, options.counts == nullptr ? current : *options.counts, options);
    file->reset();
    if (info && options.read_back) {
        auto found = check_snapshot(files, staged, options.allocator);
        if (!found) {
            info = std::move(found).error();
        } else if (found->crc != info->crc || found->bytes != info->bytes) {
            info = Error{ErrorCode::Corrupt, staged + ": what was written cannot be read back"};
        }
    }
    if (info) {
        if (auto renamed = files.rename(staged, path); !renamed) {
            info = std::move(renamed).error();
        }
    }
    if (!info) {
        // What went wrong first is what the caller needs to know; a file left behind does no harm.
        static_cast<void>(files.remove(staged));
        return std::move(info).error().in("snapshot of version " + std::to_string(root.version));
    }
    if (auto synced = files.sync_directory(parent_directory(path)); !synced) {
        return std::move(synced).error();
    }
    info->path = path;
    return info;
}

} // namespace ecsdb::snapshot
