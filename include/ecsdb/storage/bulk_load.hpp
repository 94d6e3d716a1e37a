/// @file
/// Fills an empty version from rows that come in order: pages and records directly, without ways back or lookups per row.
#pragma once

#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace ecsdb::storage {

/// Builds the state a snapshot holds, as one batch without transactions: `begin`; any number of archetypes (`begin_archetype`, then its
/// entities, then the rows of each column) and sparse rows after the entities they belong to; freed indices and counts; `finish`.
///
/// The write buffer must be at its first, empty root, and nobody may read the store yet. After a failure the store holds half a state and
/// must be discarded. Writer only.
///
/// Cost: about 3 ns per entity in order of indices and the copying of its rows.
class BulkLoader {
public:
    explicit BulkLoader(WriteBuffer& buffer) noexcept : buffer_{&buffer} {}

    /// Opens the batch that will be version `version`. False when memory is refused.
    [[nodiscard]] bool begin(std::uint64_t version) noexcept {
        ECSDB_ASSERT(buffer_->root().version == 0 && buffer_->root().entity_count == 0, "only an empty version can be filled in bulk");
        if (!buffer_->begin_batch()) {
            return false;
        }
        // Everything in it was born with the version it belongs to, so that "changed since" has an answer.
        version_ = version;
        workspace().set_stamp(version);
        root().born = version;
        return true;
    }

    /// The next entities have the components of `tables` (sorted, stored in tables). `rows` is how many are expected: room is made for them
    /// page by page, as they come. `OutOfMemory` also where an archetype would have more rows than it can number.
    [[nodiscard]] Outcome begin_archetype(std::span<const TableId> tables, std::uint32_t rows) noexcept {
        home_ = buffer_->archetype_for(tables);
        if (home_ == nullptr || rows > ~std::uint32_t{0} - home_->rows) {
            return Outcome::OutOfMemory;
        }
        first_row_ = home_->rows;
        end_row_ = home_->rows + rows;
        return Outcome::Done;
    }

    /// The archetype begun last, and whether it was empty then: other archetypes of the file may have had the same tables.
    [[nodiscard]] ArchetypeId archetype() const noexcept { return home_->shape->id(); }
    [[nodiscard]] bool began_empty() const noexcept { return first_row_ == 0; }

    /// Appends living entities to the archetype. `AlreadyExists` where an index has been used before. Generations are from 1 to
    /// `Entity::max_generation`; there are no more of them than `begin_archetype` was told.
    [[nodiscard]] Outcome append_entities(std::span<const std::uint32_t> indices, std::span<const std::uint32_t> generations) noexcept {
        ECSDB_ASSERT(indices.size() == generations.size() && indices.size() <= end_row_ - home_->rows, "more entities than expected");
        const ArchetypeId id = home_->shape->id();
        for (std::size_t done = 0; done < indices.size();) {
            const std::uint32_t row = home_->rows;
            std::byte* const numbers = room_for(home_->indices, Archetype::index_geometry, row);
            if (numbers == nullptr) {
                return Outcome::OutOfMemory;
            }
            const auto count =
                std::min<std::size_t>(Archetype::index_geometry.rows() - Archetype::index_geometry.row_in_page(row), indices.size() - done);
            for (std::size_t i = 0; i < count; ++i) {
                EntityRecord* const record = record_of(indices[done + i]);
                if (record == nullptr) [[unlikely]] {
                    return Outcome::OutOfMemory;
                }
                if (record->generation != 0) [[unlikely]] {
                    return Outcome::AlreadyExists;
                }
                *record = {row + static_cast<std::uint32_t>(i), id, generations[done + i]};
            }
            std::memcpy(numbers, indices.data() + done, count * sizeof(std::uint32_t));
            home_->rows += static_cast<std::uint32_t>(count);
            done += count;
        }
        root().entity_count += indices.size();
        return Outcome::Done;
    }

    /// Fills `count` of `table`'s rows of the archetype from packed ones. `first` counts from the first entity appended since
    /// `begin_archetype`; the entities must have been appended. False when memory is refused.
    [[nodiscard]] bool fill_rows(TableId table, std::uint32_t first, std::uint32_t count, std::span<const std::byte> packed) noexcept {
        const Table& description = schema().table(table);
        const std::uint16_t column = home_->shape->column_of(table);
        const PageGeometry& geometry = home_->shape->columns()[column].geometry;
        std::uint32_t row = first_row_ + first;
        if (description.packed_size == 0) {
            return fill_with_nothing(home_->column(column), geometry, row, count);
        }
        ECSDB_ASSERT(row + count <= home_->rows && packed.size() == std::size_t{count} * description.packed_size, "rows without entities");
        while (!packed.empty()) {
            std::byte* const place = room_for(home_->column(column), geometry, row);
            if (place == nullptr) {
                return false;
            }
            const std::size_t step =
                std::min<std::size_t>(geometry.rows() - geometry.row_in_page(row), packed.size() / description.packed_size);
            unpack(description, packed.data(), place, step);
            packed = packed.subspan(step * description.packed_size);
            row += static_cast<std::uint32_t>(step);
        }
        return true;
    }

    /// Adds rows of a sparse table, one packed row per index. `NotFound` where no entity lives, `AlreadyExists` where one has two.
    [[nodiscard]] Outcome append_sparse(TableId table, std::span<const std::uint32_t> indices, std::span<const std::byte> packed) noexcept {
        const Table& description = schema().table(table);
        ECSDB_ASSERT(packed.size() == indices.size() * description.packed_size, "one packed row per index");
        SparseTable* const rows = sparse_table(description);
        if (rows == nullptr) {
            return Outcome::OutOfMemory;
        }
        const std::byte* next = packed.data();
        for (const std::uint32_t index : indices) {
            const EntityRecord* const record = root().entities.find(index);
            if (record == nullptr || record->archetype == no_archetype) {
                return Outcome::NotFound;
            }
            SparseBlock* const block = sparse_block(*rows, index);
            if (block == nullptr) {
                return Outcome::OutOfMemory;
            }
            if (block->has(index)) {
                return Outcome::AlreadyExists;
            }
            std::byte* const place = block->add(index, rows->stride);
            if (rows->stride != 0) {
                unpack(description, next, place, 1);
                next += description.packed_size;
            }
        }
        rows->rows += indices.size();
        return Outcome::Done;
    }

    /// Gives a `text` or `blob` field of a row that has come its content, which is not empty. `NotFound` where there is no such row,
    /// `AlreadyExists` where the field has its content already.
    [[nodiscard]] Outcome set_content(TableId table, FieldId field, std::uint32_t index, std::span<const std::byte> bytes) noexcept {
        const EntityRecord* const record = root().entities.find(index);
        const std::byte* const row =
            record == nullptr || record->archetype == no_archetype ? nullptr : root().find_row(*record, index, table);
        if (row == nullptr) {
            return Outcome::NotFound;
        }
        if (root().contents.find(table, field, index) != nullptr) {
            return Outcome::AlreadyExists;
        }
        const Content* const content = buffer_->contents().load(root().contents, table, field, index, bytes);
        if (content == nullptr) {
            return Outcome::OutOfMemory;
        }
        // Every page of this version was made by this loader, and nobody reads it yet.
        put_handle(const_cast<std::byte*>(row), schema().table(table).fields[field], {content->number, index, table, field});
        return Outcome::Done;
    }

    /// Notes indices where nothing lives any more, with the last generation that did. `AlreadyExists` where an index has been used before.
    [[nodiscard]] Outcome append_freed(std::span<const std::uint32_t> indices, std::span<const std::uint32_t> generations) noexcept {
        for (std::size_t i = 0; i < indices.size(); ++i) {
            EntityRecord* const record = record_of(indices[i]);
            if (record == nullptr) {
                return Outcome::OutOfMemory;
            }
            if (record->generation != 0) {
                return Outcome::AlreadyExists;
            }
            record->generation = generations[i];
        }
        return Outcome::Done;
    }

    /// Sets how often the entities of consecutive indices from `first` on were changed. False when memory is refused.
    [[nodiscard]] bool set_counts(std::uint32_t first, std::span<const std::uint32_t> counts) noexcept {
        EntityVersions& versions = buffer_->store().entity_versions();
        for (std::size_t i = 0; i < counts.size(); ++i) {
            if (counts[i] != 0) {
                const std::uint32_t index = first + static_cast<std::uint32_t>(i);
                if (!versions.cover(index)) {
                    return false;
                }
                versions.set(index, counts[i]);
            }
        }
        return true;
    }

    /// Sets one such count, whatever it was before. False when memory is refused.
    [[nodiscard]] bool set_count(std::uint32_t index, std::uint32_t count) noexcept {
        EntityVersions& versions = buffer_->store().entity_versions();
        if (!versions.cover(index)) {
            return false;
        }
        versions.set(index, count);
        return true;
    }
    [[nodiscard]] std::uint32_t count(std::uint32_t index) const noexcept { return buffer_->store().entity_versions().count(index); }

    /// Closes the batch: the root, for the caller to publish.
    const Root* finish(std::uint64_t time_ns) noexcept {
        root().version = version_;
        root().time_ns = time_ns;
        return buffer_->finish_batch();
    }

private:
    [[nodiscard]] Workspace& workspace() noexcept { return buffer_->workspace(); }
    [[nodiscard]] Root& root() noexcept { return buffer_->writable_root(); }
    [[nodiscard]] const Schema& schema() noexcept { return buffer_->store().schema(); }

    /// The record of `index`. Looked up once per page of records: indices mostly come in order.
    EntityRecord* record_of(std::uint32_t index) noexcept {
        const std::uint32_t page = index / EntityTable::records_per_page;
        if (records_ == nullptr || page != records_page_) [[unlikely]] {
            records_page_ = page;
            records_ = root().entities.writable(workspace(), page * EntityTable::records_per_page);
            workspace().keep(); // a load is no transaction: nothing takes it back
            // A living entity can be touched. A page of records never spans two chunks of counts.
            if (!buffer_->store().entity_versions().cover(index)) {
                records_ = nullptr;
            }
        }
        return records_ == nullptr ? nullptr : records_ + index % EntityTable::records_per_page;
    }

    /// The place of `row` in a page that has room for all expected rows that belong in it. Null when memory is refused.
    std::byte* room_for(NodeTree& column, const PageGeometry& geometry, std::uint32_t row) noexcept {
        const std::uint32_t page_number = geometry.page_of(row);
        Node** const place = column.writable_place(workspace(), page_number);
        if (place == nullptr) {
            return nullptr;
        }
        const std::uint32_t needed = std::min(geometry.rows(), end_row_ - (page_number << geometry.shift));
        if (*place == nullptr || geometry.capacity_of(*place) < needed) {
            // A first page starts small, as the write buffer would have made it.
            const std::uint32_t rows = page_number != 0
                                           ? geometry.rows()
                                           : std::min(geometry.rows(), std::max(std::bit_ceil(needed), PageGeometry::first_page_rows));
            Node* const page = workspace().allocate(geometry.bytes_for(rows));
            if (page == nullptr) {
                return nullptr;
            }
            if (*place != nullptr) {
                const auto held = static_cast<std::size_t>(geometry.capacity_of(*place)) * geometry.stride;
                std::memcpy(page_rows(page), page_rows(*place), held);
                workspace().release(*place);
            }
            *place = page;
        }
        return page_rows(*place) + static_cast<std::size_t>(geometry.row_in_page(row)) * geometry.stride;
    }

    /// Rows whose fields have no packed bytes.
    bool fill_with_nothing(NodeTree& column, const PageGeometry& geometry, std::uint32_t row, std::uint32_t count) noexcept {
        for (std::uint32_t done = 0, step = 0; done < count; done += step) {
            std::byte* const place = room_for(column, geometry, row + done);
            if (place == nullptr) {
                return false;
            }
            step = std::min(geometry.rows() - geometry.row_in_page(row + done), count - done);
            std::memset(place, 0, std::size_t{step} * geometry.stride);
        }
        return true;
    }

    static void unpack(const Table& table, const std::byte* packed, std::byte* rows, std::size_t count) noexcept {
        if (table.packed_size == table.size) {
            std::memcpy(rows, packed, count * table.size);
            return;
        }
        std::memset(rows, 0, count * table.size); // padding has no stale bytes in it
        for (; count != 0; --count, packed += table.packed_size, rows += table.size) {
            unpack_row(table.runs, packed, rows);
        }
    }

    SparseTable* sparse_table(const Table& table) noexcept {
        Node** const place = root().sparse_tables.writable_place(workspace(), table.id);
        if (place != nullptr && *place == nullptr) {
            auto* const fresh = static_cast<SparseTable*>(workspace().allocate_zeroed(sizeof(SparseTable)));
            if (fresh == nullptr) {
                return nullptr;
            }
            fresh->stride = table.size;
            fresh->table = table.id;
            *place = fresh;
        }
        return place == nullptr ? nullptr : static_cast<SparseTable*>(*place);
    }

    /// The block of `index`, with room for one more row.
    SparseBlock* sparse_block(SparseTable& rows, std::uint32_t index) noexcept {
        Node** const place = rows.blocks.writable_place(workspace(), index >> SparseBlock::shift);
        if (place == nullptr) {
            return nullptr;
        }
        auto* block = static_cast<SparseBlock*>(*place);
        if (block == nullptr) {
            *place = block = SparseBlock::make(workspace(), rows.stride);
        } else if (!block->has_room()) {
            block = block->resized(workspace(), rows.stride, block->rows() + 1);
            if (block != nullptr) {
                workspace().release(std::exchange(*place, block));
            }
        }
        return block;
    }

    WriteBuffer* buffer_;
    std::uint64_t version_ = 0;
    Archetype* home_ = nullptr;
    std::uint32_t first_row_ = 0;
    std::uint32_t end_row_ = 0;
    EntityRecord* records_ = nullptr;
    std::uint32_t records_page_ = 0;
};

} // namespace ecsdb::storage
