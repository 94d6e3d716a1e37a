/// @file
/// How rows come, go and move inside the version under construction: the mechanics below `WriteBuffer`.
#pragma once

#include "ecsdb/storage/store.hpp"
#include "ecsdb/storage/workspace.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace ecsdb::storage {

/// Rows of archetypes and sparse tables in the root under construction. Every function that returns a bool or a pointer says false or null
/// when memory is refused; the transaction must then be undone. Writer only.
class RowWriter {
public:
    explicit RowWriter(Store& store) noexcept : store_{&store}, workspace_{store.allocator(), store.pool(), store.reclaimer()} {}
    RowWriter(const RowWriter&) = delete;
    RowWriter& operator=(const RowWriter&) = delete;

    [[nodiscard]] Store& store() noexcept { return *store_; }
    [[nodiscard]] Workspace& workspace() noexcept { return workspace_; }
    /// The state as the running transaction sees it.
    [[nodiscard]] const Root& root() const noexcept { return *root_; }
    [[nodiscard]] Root& writable_root() noexcept { return *root_; }

    /// The place of a row just appended, to be filled at once.
    [[nodiscard]] static std::byte* fresh_row(Archetype& home, std::uint16_t column, std::uint32_t row) noexcept {
        return const_cast<std::byte*>(home.row(column, row));
    }

    /// Makes room for row number `row`, the next one, in one column; the place of its bytes.
    /// `more` rows are about to follow it there: a small first page becomes large enough at once.
    std::byte* append_place(NodeTree& column, const PageGeometry& geometry, std::uint32_t row, std::uint32_t more = 1) noexcept {
        const std::uint32_t page_number = geometry.page_of(row);
        Node** const place = column.writable_place(workspace_, page_number);
        if (place == nullptr) {
            return nullptr;
        }
        const std::uint32_t row_in_page = geometry.row_in_page(row);
        if (*place == nullptr) {
            const std::uint32_t rows =
                page_number == 0 ? std::min(geometry.rows(), std::max(PageGeometry::first_page_rows, more)) : geometry.rows();
            *place = workspace_.allocate(geometry.bytes_for(rows));
            if (*place == nullptr) {
                return nullptr;
            }
        } else if (workspace_.own(*place) == nullptr) {
            return nullptr;
        }
        if (row_in_page >= geometry.capacity_of(*place)) {
            Node* const larger =
                workspace_.allocate(geometry.bytes_for(std::min(geometry.rows(), std::max(row_in_page * 2, row_in_page + more))));
            if (larger == nullptr) {
                return nullptr;
            }
            std::memcpy(page_rows(larger), page_rows(*place), static_cast<std::size_t>(row_in_page) * geometry.stride);
            if (!workspace_.replace(*place, larger)) {
                return nullptr;
            }
        }
        return page_rows(*place) + static_cast<std::size_t>(row_in_page) * geometry.stride;
    }

    /// Notes the row count of an archetype whose count is about to change.
    bool note_rows(Archetype& home) noexcept {
        ArchetypeShape& shape = *home.shape;
        if (shape.transaction_ != transaction_) {
            if (!workspace_.undo().note(&home.rows, sizeof(home.rows))) {
                return false;
            }
            shape.transaction_ = transaction_;
            shape.rows_before_ = home.rows;
            shape.next_counted_ = counted_;
            counted_ = &shape;
        }
        return true;
    }

    /// The row count before the running transaction: rows below it must be noted before they are overwritten. After `note_rows`.
    [[nodiscard]] static std::uint32_t rows_before(const Archetype& home) noexcept { return home.shape->rows_before_; }

protected:
    // The archetype `id` as this batch's own node.
    Archetype* archetype(ArchetypeId id, ArchetypeShape& shape) noexcept {
        Node** const place = root_->archetypes.writable_place(workspace_, id);
        if (place == nullptr) {
            return nullptr;
        }
        if (*place == nullptr) {
            auto* const fresh = static_cast<Archetype*>(workspace_.allocate_zeroed(Archetype::bytes_for(shape.columns().size())));
            if (fresh == nullptr) {
                return nullptr;
            }
            fresh->shape = &shape;
            fresh->lookup = shape.lookup();
            *place = fresh;
            root_->archetype_end = std::max(root_->archetype_end, id + 1);
            return fresh;
        }
        return static_cast<Archetype*>(workspace_.own(*place));
    }

    SparseTable* sparse(TableId table) noexcept {
        Node** const place = root_->sparse_tables.writable_place(workspace_, table);
        if (place == nullptr) {
            return nullptr;
        }
        if (*place == nullptr) {
            auto* const fresh = static_cast<SparseTable*>(workspace_.allocate_zeroed(sizeof(SparseTable)));
            if (fresh == nullptr) {
                return nullptr;
            }
            fresh->stride = store_->schema().table(table).size;
            fresh->table = table;
            *place = fresh;
            return fresh;
        }
        return static_cast<SparseTable*>(workspace_.own(*place));
    }

    // Rows of archetypes

    /// Adds a row for `index` to every column. Component bytes are zero, or, if they are all filled at once, whatever lay there.
    template <bool Zeroed = true>
    bool append_row(Archetype& home, std::uint32_t index) noexcept {
        if (!note_rows(home)) {
            return false;
        }
        const std::uint32_t row = home.rows;
        const bool note = row < home.shape->rows_before_;
        std::byte* const index_place = append_place(home.indices, Archetype::index_geometry, row);
        if (index_place == nullptr || (note && !workspace_.undo().note(index_place, sizeof(index)))) {
            return false;
        }
        std::memcpy(index_place, &index, sizeof(index));
        const auto columns = home.shape->columns();
        for (std::uint16_t i = 0; i < columns.size(); ++i) {
            const PageGeometry& geometry = columns[i].geometry;
            if (geometry.stride == 0) {
                continue;
            }
            std::byte* const place = append_place(home.column(i), geometry, row);
            if (place == nullptr || (note && !workspace_.undo().note(place, geometry.stride))) {
                return false;
            }
            if constexpr (Zeroed) {
                std::memset(place, 0, geometry.stride);
            }
        }
        ++home.rows;
        return true;
    }

    /// Takes a row out and fills its place from the tail (design D6: one move each). The removed entity's record is the caller's to change.
    bool remove_row(Archetype& home, std::uint32_t row) noexcept {
        if (!note_rows(home)) {
            return false;
        }
        const std::uint32_t last = home.rows - 1;
        if (row != last) {
            const std::uint32_t moved = home.index_at(last);
            if (!overwrite_from(home.indices, Archetype::index_geometry, row, last)) {
                return false;
            }
            const auto columns = home.shape->columns();
            for (std::uint16_t i = 0; i < columns.size(); ++i) {
                if (columns[i].geometry.stride != 0 && !overwrite_from(home.column(i), columns[i].geometry, row, last)) {
                    return false;
                }
            }
            EntityRecord* const record = root_->entities.writable(workspace_, moved);
            if (record == nullptr || !workspace_.undo().note(&record->row, sizeof(record->row))) {
                return false;
            }
            record->row = row;
        }
        --home.rows;
        trim_later(*home.shape);
        return true;
    }

    /// Notes that the archetype may have pages to let go of when the batch ends.
    void trim_later(ArchetypeShape& shape) noexcept {
        if (!shape.shrunk_) {
            shape.shrunk_ = true;
            shape.next_shrunk_ = shrunk_;
            shrunk_ = &shape;
        }
    }

    bool overwrite_from(NodeTree& column, const PageGeometry& geometry, std::uint32_t to, std::uint32_t from) noexcept {
        Node* const page = column.writable(workspace_, geometry.page_of(to));
        if (page == nullptr) {
            return false;
        }
        std::byte* const place = page_rows(page) + static_cast<std::size_t>(geometry.row_in_page(to)) * geometry.stride;
        if (!workspace_.undo().note(place, geometry.stride)) {
            return false;
        }
        const std::byte* const source =
            page_rows(column.at(geometry.page_of(from))) + static_cast<std::size_t>(geometry.row_in_page(from)) * geometry.stride;
        std::memcpy(place, source, geometry.stride);
        return true;
    }

    /// Moves an entity to the archetype with `table` added (its row from `row`) or taken away (`row` null).
    bool move_entity(std::uint32_t index, TableId table, const std::byte* row) noexcept {
        EntityRecord* const record = root_->entities.writable(workspace_, index);
        if (record == nullptr) {
            return false;
        }
        ArchetypeShape& from_shape = *root_->archetype(record->archetype).shape;
        ArchetypeShape* const to_shape = store_->catalog().neighbour(store_->schema(), from_shape, table);
        if (to_shape == nullptr) {
            return false;
        }
        Archetype* const to = archetype(to_shape->id(), *to_shape);
        Archetype* const from = archetype(from_shape.id(), from_shape);
        if (to == nullptr || from == nullptr || !append_row<false>(*to, index)) {
            return false;
        }
        const std::uint32_t new_row = to->rows - 1;
        const auto columns = to_shape->columns();
        for (std::uint16_t i = 0; i < columns.size(); ++i) {
            if (columns[i].geometry.stride == 0) {
                continue;
            }
            const std::uint16_t source = from_shape.column_of(columns[i].table);
            const std::byte* const bytes = source == ArchetypeShape::no_column ? row : from->row(source, record->row);
            std::memcpy(fresh_row(*to, i, new_row), bytes, columns[i].geometry.stride);
        }
        if (!remove_row(*from, record->row) || !workspace_.undo().note(record, sizeof(EntityRecord))) {
            return false;
        }
        record->archetype = to_shape->id();
        record->row = new_row;
        return true;
    }

    /// Lets go of pages beyond the last row, but for one that the next insert would want back.
    void trim(ArchetypeShape& shape) noexcept {
        Archetype* const home = archetype(shape.id(), shape);
        if (home == nullptr) {
            return; // trimmed by a later batch that shrinks it
        }
        const auto first_spare = [&](const PageGeometry& geometry) { return home->rows == 0 ? 0U : geometry.pages_for(home->rows) + 1U; };
        home->indices.truncate(workspace_, first_spare(Archetype::index_geometry));
        const auto columns = shape.columns();
        for (std::uint16_t i = 0; i < columns.size(); ++i) {
            if (columns[i].geometry.stride != 0) {
                home->column(i).truncate(workspace_, first_spare(columns[i].geometry));
            }
        }
    }

public:
    /// Lets go of all room beyond the last row, and of a small archetype's that is far more than its rows need. Outside transactions only.
    /// False when memory is refused.
    [[nodiscard]] bool trim_closely(ArchetypeShape& shape) noexcept {
        const Archetype& now = root_->archetype(shape.id());
        const auto is_loose = [&](const NodeTree& column, const PageGeometry& geometry) {
            return now.rows == 0 ? column.capacity() != 0
                                 : column.find(geometry.pages_for(now.rows)) != nullptr || shrunk_bytes(column, geometry, now.rows) != 0;
        };
        const auto columns = shape.columns();
        bool loose = is_loose(now.indices, Archetype::index_geometry);
        for (std::uint16_t i = 0; i < columns.size(); ++i) {
            loose = loose || (columns[i].geometry.stride != 0 && is_loose(now.column(i), columns[i].geometry));
        }
        if (!loose) {
            return true;
        }
        Archetype* const home = archetype(shape.id(), shape);
        bool done = home != nullptr && trim_column(home->indices, Archetype::index_geometry, home->rows);
        for (std::uint16_t i = 0; done && i < columns.size(); ++i) {
            done = columns[i].geometry.stride == 0 || trim_column(home->column(i), columns[i].geometry, home->rows);
        }
        return done;
    }

private:
    /// The size the only page of a column would have if it were made anew, if that is at most half of what it has; 0 where it is not.
    [[nodiscard]] static std::uint32_t shrunk_bytes(const NodeTree& column, const PageGeometry& geometry, std::uint32_t rows) noexcept {
        if (rows > geometry.rows() / 2) {
            return 0;
        }
        const std::uint32_t bytes =
            geometry.bytes_for(std::min(geometry.rows(), std::max(std::bit_ceil(rows), PageGeometry::first_page_rows)));
        return column.at(0)->bytes / 2 < bytes ? 0 : bytes;
    }
    bool trim_column(NodeTree& column, const PageGeometry& geometry, std::uint32_t rows) noexcept {
        if (rows == 0) {
            column.clear(workspace_);
            return true;
        }
        if (!column.truncate(workspace_, geometry.pages_for(rows))) {
            return false;
        }
        const std::uint32_t bytes = shrunk_bytes(column, geometry, rows);
        Node** const place = bytes == 0 ? nullptr : column.writable_place(workspace_, 0);
        Node* const page = place == nullptr ? nullptr : workspace_.allocate(bytes);
        if (page != nullptr) {
            std::memcpy(page_rows(page), page_rows(*place), std::size_t{rows} * geometry.stride);
            workspace_.release(std::exchange(*place, page));
        }
        return bytes == 0 || page != nullptr;
    }

protected:
    // Sparse tables
    // -------------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] bool has_sparse_row(TableId table, std::uint32_t index) const noexcept {
        if (is_own_block(table, index)) {
            return own_.block->has(index);
        }
        const SparseTable* const rows = root_->sparse(table);
        return rows != nullptr && rows->find(index) != nullptr;
    }

    bool add_sparse(TableId table, std::uint32_t index, const std::byte* row) noexcept {
        if (!own_block(table, index)) {
            return false;
        }
        const std::uint32_t stride = own_.rows->stride;
        if (!own_.block->has_room() && !enlarge_own_block()) {
            return false;
        }
        if (own_.block->slots != 0 && !workspace_.undo().note(&own_.block->slot(index), sizeof(std::uint8_t))) {
            return false;
        }
        // Nobody sees an absent row's bytes; those of a row that this transaction took away have been noted.
        std::byte* const place = own_.block->add(index, stride);
        ++own_.rows->rows;
        if (stride != 0) {
            copy_row(place, row, stride);
        }
        return true;
    }

    bool erase_sparse(TableId table, std::uint32_t index) noexcept {
        if (!own_block(table, index)) {
            return false;
        }
        const std::uint32_t stride = own_.rows->stride;
        if (stride != 0 && !workspace_.undo().note(own_.block->row(index, stride), stride)) {
            return false;
        }
        own_.block->erase(index);
        --own_.rows->rows;
        return own_.block->present != 0 || workspace_.replace(*std::exchange(own_, {}).place, nullptr);
    }

    /// The sparse block that the running transaction changed last: a node of this batch, its presence bits noted.
    struct OwnBlock {
        SparseTable* rows = nullptr;
        Node** place = nullptr;
        SparseBlock* block = nullptr;
        std::uint32_t number = 0;
    };

    [[nodiscard]] bool is_own_block(TableId table, std::uint32_t index) const noexcept {
        return own_.block != nullptr && own_.rows->table == table && own_.number == index >> SparseBlock::shift;
    }

    /// Makes `own_` the block of `index`, which it stays while one index after the other of that block is changed.
    bool own_block(TableId table, std::uint32_t index) noexcept {
        if (is_own_block(table, index)) [[likely]] {
            return true;
        }
        const std::uint32_t number = index >> SparseBlock::shift;
        own_ = {};
        SparseTable* const rows = sparse(table);
        Node** const place = rows == nullptr ? nullptr : rows->blocks.writable_place(workspace_, number);
        if (place == nullptr) {
            return false;
        }
        if (*place == nullptr) {
            SparseBlock* const fresh = SparseBlock::make(workspace_, rows->stride);
            if (fresh == nullptr || !workspace_.replace(*place, fresh)) {
                return false;
            }
        } else if (!own_sparse(*place, rows->stride)) {
            return false;
        }
        auto* const block = static_cast<SparseBlock*>(*place);
        UndoLog& undo = workspace_.undo();
        if (!undo.note(&block->present, sizeof(block->present)) || !undo.note(&rows->rows, sizeof(rows->rows)) ||
            (block->slots != 0 && !undo.note(&block->taken, sizeof(block->taken)))) {
            return false;
        }
        own_ = {rows, place, block, number};
        return true;
    }
    /// Makes the block at `place` one of this batch, as `Workspace::own` does; the copy is smaller where few rows are left.
    bool own_sparse(Node*& place, std::uint32_t stride) noexcept {
        auto* const block = static_cast<SparseBlock*>(place);
        if (workspace_.owns(block) || !block->is_too_large(stride)) {
            return workspace_.own(place) != nullptr;
        }
        SparseBlock* const smaller = block->resized(workspace_, stride, 2 * block->rows());
        if (smaller != nullptr) {
            workspace_.release(std::exchange(place, smaller));
        }
        return smaller != nullptr;
    }
    /// Puts its rows into a block that has room for one more. False when memory is refused: it is as it was then.
    bool enlarge_own_block() noexcept {
        SparseBlock* const larger = own_.block->resized(workspace_, own_.rows->stride, own_.block->rows() + 1);
        if (larger == nullptr || !workspace_.replace(*own_.place, larger)) {
            return false;
        }
        own_.block = larger;
        return true;
    }

    Store* store_;
    Workspace workspace_;
    OwnBlock own_; ///< Forgotten with every new transaction.
    Root* root_ = nullptr;
    ArchetypeShape* shrunk_ = nullptr;
    ArchetypeShape* counted_ = nullptr; ///< Whose row counts the running transaction has changed.
    std::uint64_t transaction_ = 0;
};

} // namespace ecsdb::storage
