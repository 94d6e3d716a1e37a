/// @file
/// Turns the state of one version into the blocks of a snapshot: all of it, or what was born since the one before.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/snapshot/block_writer.hpp"
#include "ecsdb/snapshot/count_source.hpp"
#include "ecsdb/snapshot/numbers.hpp"
#include "ecsdb/snapshot/runs.hpp"
#include "ecsdb/snapshot/saved_state.hpp"
#include "ecsdb/storage/root.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::snapshot::detail {

/// Turns one version into blocks: all of it, or what was born since the snapshots there are.
class ContentWriter {
public:
    /// `saved`: what the snapshots so far hold, to be brought up to date; may be null. `incremental`: only what it does not hold.
    ContentWriter(BlockWriter& blocks, const storage::Root& root, CountSource& counts, Allocator& allocator, std::uint64_t next_fresh,
                  SavedState* saved = nullptr, bool incremental = false)
        : blocks_{&blocks}, root_{&root}, counts_{&counts}, saved_{saved}, since_{incremental ? saved : nullptr}, numbers_{allocator},
          more_numbers_{allocator}, living_{allocator}, changed_indices_{allocator}, changed_counts_{allocator}, next_fresh_{next_fresh} {}

    /// `InvalidArgument` where the version has an index that may not have been handed out. Failures to write are the block writer's.
    Result<Footer> write() {
        const auto pages = static_cast<std::size_t>(root_->entities.index_end() / page_rows);
        if (!numbers_.resize_for_overwrite(max_block_rows) || !more_numbers_.resize_for_overwrite(batch) ||
            !living_.resize_for_overwrite(pages)) {
            return Error{ErrorCode::OutOfMemory, "no memory for a snapshot's buffers"};
        }
        std::fill(living_.begin(), living_.end(), std::uint8_t{0});
        footer_.lsn = root_->version;
        if (since_ == nullptr && saved_ != nullptr) {
            saved_->usable = false;
            saved_->archetypes.clear();
            saved_->archetype_end = 1;
            saved_->clear_counts();
        }
        write_archetypes();
        for (const Table& table : root_->schema->tables()) {
            if (is_saved(table) && table.storage == Storage::Sparse && !blocks_->failed()) {
                write_sparse(table, root_->sparse(table.id));
            }
        }
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

    /// The file is complete: what it holds is saved. False when memory is refused.
    [[nodiscard]] bool note_saved(const BaseSnapshot& file) {
        if (saved_ == nullptr) {
            return true;
        }
        for (std::size_t i = 0; i < changed_indices_.size(); ++i) {
            if (!saved_->set_counts(changed_indices_[i], {&changed_counts_[i], 1})) {
                saved_->usable = false;
                return false;
            }
        }
        for (const Numbered& archetype : archetypes_) {
            saved_->set_number(archetype.id, archetype.number);
        }
        saved_->newest = file;
        saved_->born = root_->born;
        saved_->usable = true;
        return true;
    }

private:
    /// An archetype to be written, and its number in the file.
    struct Numbered {
        std::uint32_t number;
        storage::ArchetypeId id;
    };

    /// Ids per block: two lists of them, at their longest, are a block of the usual size.
    static constexpr std::uint32_t batch = target_block_size / 8;
    static constexpr std::uint32_t page_rows = storage::EntityTable::records_per_page;

    static std::uint32_t rows_per_block(std::uint32_t row_bytes) noexcept {
        return std::clamp(target_block_size / std::max(row_bytes, 1U), 1U, batch);
    }

    /// Of an archetype that has lost all its rows nothing but that is written.
    void write_archetypes() {
        std::uint32_t end = since_ == nullptr ? 1 : since_->archetype_end;
        const std::size_t known = since_ == nullptr ? 0 : since_->archetypes.size();
        for (storage::ArchetypeId id = 1; id < std::max<std::size_t>(root_->archetype_end, known); ++id) {
            const auto* const archetype = static_cast<const storage::Archetype*>(root_->archetypes.find(id));
            const bool has_rows = archetype != nullptr && archetype->rows != 0;
            const std::uint32_t number = since_ == nullptr ? 0 : since_->number_of(id);
            if (number == 0 ? has_rows : archetype == nullptr || archetype->born > since_->born) {
                archetypes_.push_back({number == 0 ? end++ : number, id});
            }
            if (has_rows) {
                footer_.entities += archetype->rows;
                footer_.rows += std::uint64_t{archetype->rows} * saved_columns(*archetype);
            }
        }
        std::sort(archetypes_.begin(), archetypes_.end(), [](const Numbered& a, const Numbered& b) { return a.number < b.number; });
        for (std::size_t i = 0; i < archetypes_.size() && !blocks_->failed(); ++i) {
            write_archetype(archetypes_[i].number, static_cast<const storage::Archetype*>(root_->archetypes.find(archetypes_[i].id)));
        }
    }

    [[nodiscard]] std::uint32_t saved_columns(const storage::Archetype& archetype) const noexcept {
        std::uint32_t columns = 0;
        for (const storage::ColumnShape& column : archetype.shape->columns()) {
            const Table& table = root_->schema->table(column.table);
            columns += is_saved(table) && !table.is_tag() ? 1U : 0U;
        }
        return columns;
    }

    void write_archetype(std::uint32_t number, const storage::Archetype* archetype) {
        const std::uint32_t rows = archetype == nullptr ? 0 : archetype->rows;
        ByteBuffer& tables = blocks_->open({BlockKind::Archetype, Codec::Raw, 0, number, 0, rows});
        const Slice<const storage::ColumnShape> columns = rows == 0 ? Slice<const storage::ColumnShape>{} : archetype->shape->columns();
        for (const storage::ColumnShape& column : columns) {
            if (is_saved(root_->schema->table(column.table))) {
                tables.append_le<TableId>(column.table);
            }
        }
        if (!blocks_->close() || rows == 0) {
            return;
        }
        bool going_on = for_each_piece(archetype->indices, storage::Archetype::index_geometry, rows, batch,
                                       [&](std::uint32_t count) { return write_entities(*archetype, number, count); });
        for (std::uint16_t column = 0; column < columns.size() && going_on; ++column) {
            const Table& table = root_->schema->table(columns[column].table);
            if (is_saved(table) && !table.is_tag()) {
                going_on = for_each_piece(archetype->column(column), columns[column].geometry, rows, rows_per_block(table.packed_size),
                                          [&](std::uint32_t count) { return write_rows(*archetype, number, column, table, count); });
            }
        }
    }

    /// Cuts the rows to be written of a column into pieces for one block each: `write(count)` finds the runs they are in `runs_`.
    template <typename Write>
    bool for_each_piece(const storage::NodeTree& pages, const storage::PageGeometry& geometry, std::uint32_t rows, std::uint32_t per_block,
                        Write&& write) {
        bool going_on = true;
        std::uint32_t held = 0;
        const auto write_held = [&] {
            going_on = going_on && (held == 0 || write(held));
            held = 0;
            runs_.clear();
        };
        const auto add = [&](std::uint64_t first, std::uint64_t end) {
            while (first < end && going_on) {
                const std::uint64_t count = std::min<std::uint64_t>(end - first, per_block - held);
                add_run(runs_, {first, count});
                first += count;
                held += static_cast<std::uint32_t>(count);
                if (held == per_block) {
                    write_held();
                }
            }
        };
        if (since_ == nullptr) {
            add(0, rows);
        } else {
            pages.for_each_since(
                since_->born,
                [&](std::uint32_t page, const storage::Node&) {
                    const std::uint64_t first = std::uint64_t{page} << geometry.shift;
                    add(first, std::min<std::uint64_t>(rows, first + geometry.rows()));
                },
                [](std::uint64_t, std::uint64_t) {});
        }
        write_held();
        return going_on;
    }

    /// Calls `visit(first, count)` for the pieces of `runs_` that lie in one page each.
    template <typename Visit>
    void for_each_stretch(const storage::PageGeometry& geometry, Visit&& visit) const {
        for (const Run& run : runs_) {
            for (std::uint64_t row = run.first; row < run.end();) {
                const auto first = static_cast<std::uint32_t>(row);
                const auto count =
                    static_cast<std::uint32_t>(std::min<std::uint64_t>(geometry.rows() - geometry.row_in_page(first), run.end() - row));
                visit(first, count);
                row += count;
            }
        }
    }

    /// Opens a block for the rows in `runs_`, which is as good as it was before any incremental snapshot where all are written.
    ByteBuffer& open_rows(BlockKind whole, BlockKind changed, TableId table, std::uint32_t number, std::uint32_t count) {
        const auto first = static_cast<std::uint32_t>(runs_.front().first);
        ByteBuffer& out = blocks_->open({since_ == nullptr ? whole : changed, Codec::Raw, table, number, first, count});
        if (since_ != nullptr) {
            out.append_varint(runs_.size());
            append_runs(out, runs_);
        }
        return out;
    }

    bool write_entities(const storage::Archetype& archetype, std::uint32_t number, std::uint32_t count) {
        std::uint32_t done = 0;
        for_each_stretch(storage::Archetype::index_geometry, [&](std::uint32_t first, std::uint32_t step) {
            constexpr storage::PageGeometry geometry = storage::Archetype::index_geometry;
            std::copy_n(archetype.index_page(geometry.page_of(first)) + geometry.row_in_page(first), step, &numbers_[done]);
            done += step;
        });
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
        return write_ids(open_rows(BlockKind::Entities, BlockKind::ChangedEntities, 0, number, count), count);
    }

    /// Ends a block with the first `count` indices and generations collected.
    bool write_ids(ByteBuffer& out, std::uint32_t count) {
        const std::span<const std::uint32_t> indices = numbers_.view().first(count);
        largest_index_ = std::max(largest_index_, *std::max_element(indices.begin(), indices.end()));
        append_numbers(out, indices);
        append_numbers(out, more_numbers_.view().first(count));
        return blocks_->close();
    }

    bool write_rows(const storage::Archetype& archetype, std::uint32_t number, std::uint16_t column, const Table& table,
                    std::uint32_t count) {
        ByteBuffer& out = open_rows(BlockKind::Rows, BlockKind::ChangedRows, table.id, number, count);
        if (std::byte* place = table.packed_size == 0 ? nullptr : out.extend(std::size_t{count} * table.packed_size)) {
            for_each_stretch(archetype.shape->columns()[column].geometry, [&](std::uint32_t first, std::uint32_t step) {
                place = pack(table, archetype.row(column, first), step, place);
            });
        }
        return blocks_->close();
    }

    /// Ends what older snapshots say of the indices in `runs_`, in as many blocks as need be.
    void write_replaced(BlockKind of, TableId table, std::uint32_t field) {
        for (std::size_t first = 0; first < runs_.size() && !blocks_->failed(); first += batch) {
            const std::size_t count = std::min<std::size_t>(batch, runs_.size() - first);
            ByteBuffer& out = blocks_->open(
                {BlockKind::Replaced, Codec::Raw, table, static_cast<std::uint32_t>(of), field, static_cast<std::uint32_t>(count)});
            append_runs(out, std::span{runs_}.subspan(first, count));
            blocks_->close();
        }
        runs_.clear();
    }

    /// Calls `visit(position, const Node&)` for the nodes to be written of a tree of which each leads to `1 << shift` indices, after it has
    /// ended what older snapshots say of them and of those that are gone.
    template <typename Visit>
    void for_each_node(const storage::NodeTree& tree, std::uint32_t shift, const BlockHeader& of, Visit&& visit) {
        if (since_ == nullptr) {
            tree.for_each(visit);
            return;
        }
        const auto replace = [&](std::uint64_t first, std::uint64_t count) {
            add_run(runs_, {first << shift, std::min(count << shift, max_run_end - (first << shift))});
        };
        runs_.clear();
        tree.for_each_since(
            since_->born, [&](std::uint32_t position, const storage::Node&) { replace(position, 1); },
            [&](std::uint64_t first, std::uint64_t count) {
                if (first << shift < max_run_end) {
                    replace(first, std::min(count, (max_run_end >> shift) - first));
                }
            });
        write_replaced(of.kind, of.table, of.first);
        tree.for_each_since(since_->born, visit, [](std::uint64_t, std::uint64_t) {});
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

    void write_sparse(const Table& table, const storage::SparseTable* rows) {
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
                        place = pack(table, rows->find(index), 1, place);
                    }
                }
                blocks_->close();
            }
            first += std::exchange(collected, 0);
        };
        const storage::NodeTree none;
        const BlockHeader header{BlockKind::SparseRows, Codec::Raw, table.id, 0, 0, 0};
        const storage::NodeTree& tree = rows == nullptr ? none : rows->blocks;
        for_each_node(tree, storage::SparseBlock::shift, header, [&](std::uint32_t block_number, const storage::Node& node) {
            for (std::uint64_t left = static_cast<const storage::SparseBlock&>(node).present; left != 0; left &= left - 1) {
                numbers_[collected++] = (block_number << storage::SparseBlock::shift) + static_cast<std::uint32_t>(std::countr_zero(left));
                if (collected == per_block) {
                    write();
                }
            }
        });
        write();
        footer_.rows += rows == nullptr ? 0 : rows->rows;
    }

    /// One field of all entities, in order of their indices.
    void write_contents(const Table& table, FieldId field) {
        const storage::ContentColumn* const column = root_->contents.column(table.id, field);
        const storage::NodeTree none;
        const storage::NodeTree& tree = column == nullptr ? none : column->contents;
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
        for_each_node(tree, 0, header, [&](std::uint32_t index, const storage::Node& node) {
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
                write_ids(blocks_->open({BlockKind::Freed, Codec::Raw, 0, 0, static_cast<std::uint32_t>(footer_.freed), collected}),
                          collected);
            }
            footer_.freed += std::exchange(collected, 0);
        };
        constexpr std::uint32_t page_shift = std::countr_zero(page_rows);
        for_each_node(root_->entities.pages(), page_shift, {BlockKind::Freed}, [&](std::uint32_t page, const storage::Node&) {
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
                } else if (since_ != nullptr) {
                    write_changed_counts(*version, first, counts);
                } else if (saved_ != nullptr && !saved_->set_counts(first, counts)) {
                    blocks_->fail(Error{ErrorCode::OutOfMemory, "no memory to note what is saved"});
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

    /// Those that are not what the snapshots so far say.
    void write_changed_counts(std::uint64_t version, std::uint32_t first, std::span<const std::uint32_t> counts) {
        const std::size_t before = changed_indices_.size();
        for (std::size_t i = 0; i < counts.size(); ++i) {
            const auto index = first + static_cast<std::uint32_t>(i);
            if (counts[i] != since_->count_of(index) && (!changed_indices_.push(index) || !changed_counts_.push(counts[i]))) {
                blocks_->fail(Error{ErrorCode::OutOfMemory, "no memory to note what is saved"});
                return;
            }
        }
        const std::size_t count = changed_indices_.size() - before;
        if (count != 0) {
            ByteBuffer& out =
                blocks_->open({BlockKind::ChangedCounts, Codec::Raw, 0, 0, changed_indices_[before], static_cast<std::uint32_t>(count)});
            out.append_le<std::uint64_t>(version);
            append_numbers(out, changed_indices_.view().subspan(before));
            append_numbers(out, changed_counts_.view().subspan(before));
            blocks_->close();
        }
    }

    BlockWriter* blocks_;
    const storage::Root* root_;
    CountSource* counts_;
    SavedState* saved_;
    const SavedState* since_; ///< Null: everything is written.
    GrowArray<std::uint32_t> numbers_;
    GrowArray<std::uint32_t> more_numbers_;
    GrowArray<std::uint8_t> living_; ///< How many of the entities of each page of records were met so far.
    List<Numbered> archetypes_;
    std::vector<Run> runs_;                    ///< What the next block is of.
    GrowArray<std::uint32_t> changed_indices_; ///< Of entities whose counts were written anew …
    GrowArray<std::uint32_t> changed_counts_;  ///< … and these.
    std::uint64_t next_fresh_;
    std::uint32_t largest_index_ = 0;
    Footer footer_;
};

} // namespace ecsdb::snapshot::detail
