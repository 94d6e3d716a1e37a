/// @file
/// Moves many entities of one archetype to another at a time: column by column, in runs of rows that lie together.
#pragma once

#include "ecsdb/core/hints.hpp"
#include "ecsdb/storage/row_writer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::storage {

/// The rows of up to 64 entities that move together. Whoever takes one entity after the other looks up every page of every column for each
/// of them; here each is looked up once per run. Every function that returns a bool says false when memory is refused; the transaction must
/// then be undone. Writer only.
class RowMover : public RowWriter {
public:
    using RowWriter::RowWriter;

    static constexpr std::uint32_t most_at_once = 64;

    /// Entities of one archetype, in the order of their operations.
    struct Group {
        std::uint32_t count = 0;
        std::array<std::uint32_t, most_at_once> indices;    // NOLINT: filled up to `count`
        std::array<std::uint32_t, most_at_once> rows;       ///< Where they are in the archetype they leave.
        std::array<const std::byte*, most_at_once> payload; ///< The rows of the table they get, if they get one.
    };

protected:
    /// Hints at the rows of `group`, which are about to be read and overwritten: first at the heads of their pages, which tell whether
    /// these will be copied, then at the rows or the pages. Rows that follow each other need no hint.
    void prefetch_group(const Archetype& home, const Group& group) const noexcept {
        if (group.rows[group.count - 1] - group.rows[0] == group.count - 1) {
            return;
        }
        for_each_row(home, group, [](const Node* page, std::size_t) { prefetch_for_write(page); });
        for_each_row(home, group, [&](const Node* page, std::size_t offset) {
            prefetch_for_write(page_rows(page) + offset);
            if (!workspace_.owns(page)) {
                for (std::size_t line = 0; line < 256; line += 64) { // the hardware goes on from there
                    prefetch_for_read(page_rows(page) + line);
                }
            }
        });
    }

    /// Appends the rows of `group` to `to`: what `from` has of them, and their payload for the one column it does not have. The caller
    /// gives each record its place, from `to.rows` as it was on.
    bool append_group(Archetype& to, const Archetype& from, const Group& group) noexcept {
        if (!note_rows(to)) {
            return false;
        }
        const auto copy_indices = [&](std::byte* place, std::uint32_t first, std::uint32_t count) {
            std::memcpy(place, group.indices.data() + first, std::size_t{count} * sizeof(std::uint32_t));
        };
        if (!append_column(to, to.indices, Archetype::index_geometry, group.count, copy_indices)) {
            return false;
        }
        const auto columns = to.shape->columns();
        for (std::uint16_t i = 0; i < columns.size(); ++i) {
            const PageGeometry& geometry = columns[i].geometry;
            if (geometry.stride == 0) {
                continue;
            }
            const std::uint16_t source = from.shape->column_of(columns[i].table);
            const auto copy_rows = [&](std::byte* place, std::uint32_t first, std::uint32_t count) {
                if (source == ArchetypeShape::no_column) {
                    for (std::uint32_t k = 0; k < count; ++k) {
                        copy_row(place + std::size_t{k} * geometry.stride, group.payload[first + k], geometry.stride);
                    }
                    return;
                }
                for (std::uint32_t k = 0; k < count;) {
                    const std::uint32_t run = run_length(group.rows, first + k, first + count, geometry);
                    copy_row(place + std::size_t{k} * geometry.stride, from.row(source, group.rows[first + k]),
                             std::size_t{run} * geometry.stride);
                    k += run;
                }
            };
            if (!append_column(to, to.column(i), geometry, group.count, copy_rows)) {
                return false;
            }
        }
        to.rows += group.count;
        return true;
    }

    /// Takes the rows of `group` out of `home`, and fills their places from the tail (design D6). The records of those that fill them are
    /// set; those of the group are the caller's to change.
    bool remove_group(Archetype& home, const Group& group) noexcept {
        if (!note_rows(home)) {
            return false;
        }
        const std::uint32_t kept = home.rows - group.count;
        std::uint64_t holes_in_tail = 0;
        for (std::uint32_t i = 0; i < group.count; ++i) {
            holes_in_tail |= group.rows[i] >= kept ? std::uint64_t{1} << (group.rows[i] - kept) : 0U;
        }
        Rows to;   // NOLINT: filled up to `moves`
        Rows from; // NOLINT: the same
        std::uint32_t moves = 0;
        std::uint32_t next = kept;
        for (std::uint32_t i = 0; i < group.count; ++i) {
            if (group.rows[i] < kept) {
                while ((holes_in_tail >> (next - kept) & 1U) != 0) {
                    ++next;
                }
                to[moves] = group.rows[i];
                from[moves++] = next++;
            }
        }
        if (!settle_records(home, to, from, moves) || !fill_holes(home.indices, Archetype::index_geometry, to, from, moves)) {
            return false;
        }
        const auto columns = home.shape->columns();
        for (std::uint16_t i = 0; i < columns.size(); ++i) {
            if (columns[i].geometry.stride != 0 && !fill_holes(home.column(i), columns[i].geometry, to, from, moves)) {
                return false;
            }
        }
        home.rows = kept;
        trim_later(*home.shape);
        return true;
    }

private:
    using Rows = std::array<std::uint32_t, most_at_once>;

    /// Calls `visit(page, offset)` for every column's page of every row, and where in it the row is.
    template <typename Visit>
    static void for_each_row(const Archetype& home, const Group& group, Visit&& visit) noexcept {
        const auto visit_column = [&](const NodeTree& column, const PageGeometry& geometry) {
            for (std::uint32_t i = 0; i < group.count; ++i) {
                visit(column.at(geometry.page_of(group.rows[i])), std::size_t{geometry.row_in_page(group.rows[i])} * geometry.stride);
            }
        };
        visit_column(home.indices, Archetype::index_geometry);
        const auto columns = home.shape->columns();
        for (std::uint16_t i = 0; i < columns.size(); ++i) {
            if (columns[i].geometry.stride != 0) {
                visit_column(home.column(i), columns[i].geometry);
            }
        }
    }

    /// How many of `rows[first, end)` follow each other in one page.
    static std::uint32_t run_length(const Rows& rows, std::uint32_t first, std::uint32_t end, const PageGeometry& geometry) noexcept {
        const std::uint32_t most = std::min(end - first, geometry.rows() - geometry.row_in_page(rows[first]));
        std::uint32_t run = 1;
        while (run < most && rows[first + run] == rows[first] + run) {
            ++run;
        }
        return run;
    }

    /// Makes room for `count` rows at the end of a column, and has each page's part of them written: `write(place, first, count)`.
    template <typename Write>
    bool append_column(const Archetype& home, NodeTree& column, const PageGeometry& geometry, std::uint32_t count, Write&& write) noexcept {
        for (std::uint32_t done = 0; done < count;) {
            const std::uint32_t row = home.rows + done;
            std::byte* const place = append_place(column, geometry, row, count - done);
            if (place == nullptr) {
                return false;
            }
            // A small first page is full before the next one begins.
            const std::uint32_t room = geometry.capacity_of(column.at(geometry.page_of(row))) - geometry.row_in_page(row);
            const std::uint32_t some = std::min(count - done, room);
            const std::uint32_t known = rows_before(home) > row ? std::min(some, rows_before(home) - row) : 0;
            if (known != 0 && !workspace_.undo().note(place, std::size_t{known} * geometry.stride)) {
                return false;
            }
            write(place, done, some);
            done += some;
        }
        return true;
    }

    /// Tells the entities at rows `from` that they will be at rows `to`.
    bool settle_records(const Archetype& home, const Rows& to, const Rows& from, std::uint32_t moves) noexcept {
        for (std::uint32_t i = 0; i < moves; ++i) {
            EntityRecord* const record = root_->entities.writable(workspace_, home.index_at(from[i]));
            if (record == nullptr || !workspace_.undo().note(&record->row, sizeof(record->row))) {
                return false;
            }
            record->row = to[i];
        }
        return true;
    }

    bool fill_holes(NodeTree& column, const PageGeometry& geometry, const Rows& to, const Rows& from, std::uint32_t moves) noexcept {
        for (std::uint32_t i = 0; i < moves;) {
            const std::uint32_t run = std::min(run_length(to, i, moves, geometry), run_length(from, i, moves, geometry));
            const std::size_t bytes = std::size_t{run} * geometry.stride;
            Node* const page = column.writable(workspace_, geometry.page_of(to[i]));
            if (page == nullptr) {
                return false;
            }
            std::byte* const place = page_rows(page) + std::size_t{geometry.row_in_page(to[i])} * geometry.stride;
            if (!workspace_.undo().note(place, bytes)) {
                return false;
            }
            copy_row(place, page_rows(column.at(geometry.page_of(from[i]))) + std::size_t{geometry.row_in_page(from[i])} * geometry.stride,
                     bytes);
            i += run;
        }
        return true;
    }
};

} // namespace ecsdb::storage
