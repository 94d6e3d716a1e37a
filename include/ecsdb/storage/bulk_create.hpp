/// @file
/// Many entities of one kind at once: whole pages are filled instead of rows.
#pragma once

#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::storage {

namespace detail {

/// Appends `count` rows to a column, page by page; `fill(place, first, rows)` writes each run. The rows lie beyond the archetype's present
/// end.
template <typename Fill>
bool append_run(WriteBuffer& state, NodeTree& column, const PageGeometry& geometry, std::uint32_t first_row, std::uint32_t count,
                std::uint32_t rows_before, Fill&& fill) noexcept {
    for (std::uint32_t done = 0; done < count;) {
        const std::uint32_t row = first_row + done;
        // A first page that would have to grow is made as large as these rows need at once.
        std::byte* const place = state.append_place(column, geometry, row, count - done);
        if (place == nullptr) {
            return false;
        }
        const std::uint32_t room = geometry.capacity_of(column.at(geometry.page_of(row))) - geometry.row_in_page(row);
        const std::uint32_t rows = std::min(room, count - done);
        if (row < rows_before && !state.workspace().undo().note(place, static_cast<std::size_t>(rows) * geometry.stride)) {
            return false;
        }
        fill(place, done, rows);
        done += rows;
    }
    return true;
}

} // namespace detail

/// Brings `count` entities with consecutive indices from `first` on to life, each with the components in `tables` (sorted, stored in
/// tables). `columns[i]` points to `count` rows of `tables[i]` in memory layout. All ids must be fresh. Cost: one copy of the rows.
[[nodiscard]] inline Outcome create_many(WriteBuffer& state, Entity first, std::uint32_t count, std::span<const TableId> tables,
                                         std::span<const std::byte* const> columns) noexcept {
    if (first.shard() != state.root().shard) {
        return Outcome::WrongShard;
    }
    Archetype* const home = state.archetype_for(tables);
    if (home == nullptr || !state.note_rows(*home)) {
        return Outcome::OutOfMemory;
    }
    const std::uint32_t first_row = home->rows;
    const std::uint32_t rows_before = state.rows_before(*home);
    for (std::uint32_t done = 0; done < count;) {
        const EntityTable::Run run = state.writable_root().entities.writable_run(state.workspace(), first.index() + done, count - done);
        if (run.records == nullptr) {
            return Outcome::OutOfMemory;
        }
        std::uint32_t used_before = 0;
        for (std::uint32_t i = 0; i < run.count; ++i) {
            if (run.records[i].archetype != no_archetype || run.records[i].generation >= first.generation()) {
                return Outcome::AlreadyExists;
            }
            used_before |= run.records[i].generation | run.records[i].row;
        }
        UndoLog& undo = state.workspace().undo();
        const std::size_t bytes = run.count * sizeof(EntityRecord);
        if (!(used_before == 0 ? undo.note_zeros(run.records, bytes) : undo.note(run.records, bytes))) {
            return Outcome::OutOfMemory;
        }
        for (std::uint32_t i = 0; i < run.count; ++i) {
            run.records[i] = {first_row + done + i, home->shape->id(), first.generation()};
        }
        done += run.count;
    }
    const bool filled = detail::append_run(state, home->indices, Archetype::index_geometry, first_row, count, rows_before,
                                           [&](std::byte* place, std::uint32_t from, std::uint32_t rows) {
                                               auto* const indices = reinterpret_cast<std::uint32_t*>(place);
                                               for (std::uint32_t i = 0; i < rows; ++i) {
                                                   indices[i] = first.index() + from + i;
                                               }
                                           });
    if (!filled) {
        return Outcome::OutOfMemory;
    }
    for (std::uint16_t column = 0; column < tables.size(); ++column) {
        const PageGeometry& geometry = home->shape->columns()[column].geometry;
        if (geometry.stride != 0 && !detail::append_run(state, home->column(column), geometry, first_row, count, rows_before,
                                                        [&](std::byte* place, std::uint32_t from, std::uint32_t rows) {
                                                            std::memcpy(place,
                                                                        columns[column] + static_cast<std::size_t>(from) * geometry.stride,
                                                                        static_cast<std::size_t>(rows) * geometry.stride);
                                                        })) {
            return Outcome::OutOfMemory;
        }
    }
    home->rows += count;
    state.writable_root().entity_count += count;
    for (std::uint16_t column = 0; column < tables.size(); ++column) {
        const Table& table = state.store().schema().table(tables[column]);
        for (std::uint32_t i = 0; table.has_contents() && i < count; ++i) {
            const Outcome settled = state.settle_fresh(first.index() + i, table, state.fresh_row(*home, column, first_row + i));
            if (settled != Outcome::Done) {
                return settled;
            }
        }
    }
    if (!state.counts().start_all(first.index(), count)) {
        return Outcome::OutOfMemory;
    }
    for (std::uint32_t i = 0; state.changes().recording() && i < count; ++i) {
        const Entity entity{first.index() + i, first.generation(), first.shard()};
        bool noted = state.changes().created(entity);
        for (const TableId table : tables) {
            noted = noted && state.changes().added(entity.index(), table);
        }
        if (!noted) {
            return Outcome::OutOfMemory;
        }
    }
    return Outcome::Done;
}

} // namespace ecsdb::storage
