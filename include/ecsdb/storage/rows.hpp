/// @file
/// Walks the rows of a version: runs of rows that lie together, single rows across storages, and a hash over all of them.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/storage/root.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ecsdb::storage {

/// The most tables one query can name.
inline constexpr std::size_t max_query_tables = 32;

/// A run of rows of one archetype that lie together in every column asked for.
struct Chunk {
    const Archetype* archetype;
    std::uint32_t first_row;
    std::uint32_t count;
    const std::uint32_t* indices;                        ///< Entity index of each row.
    std::array<const std::byte*, max_query_tables> rows; ///< Per table asked for: its first row here.
};

/// Whether `tables` can be walked together: they are in the schema, and neither none nor too many.
[[nodiscard]] inline bool can_walk(const Schema& schema, std::span<const TableId> tables) noexcept {
    return !tables.empty() && tables.size() <= max_query_tables &&
           std::all_of(tables.begin(), tables.end(), [&](TableId table) { return schema.has_table(table); });
}

[[nodiscard]] inline bool any_sparse(const Schema& schema, std::span<const TableId> tables) noexcept {
    return std::any_of(tables.begin(), tables.end(), [&](TableId table) { return schema.table(table).storage == Storage::Sparse; });
}

/// Calls `visit(const Chunk&)` for the rows of one archetype from `first_row` up to `end_row`, cut at the smallest page among the columns.
/// `first_row` begins a page of every column; the archetype has all `tables`.
template <typename Visit>
void for_each_chunk(const Archetype& archetype, std::span<const TableId> tables, std::uint32_t first_row, std::uint32_t end_row,
                    Visit&& visit) {
    std::array<std::uint16_t, max_query_tables> columns; // NOLINT: filled below
    std::uint32_t shift = Archetype::index_geometry.shift;
    for (std::size_t i = 0; i < tables.size(); ++i) {
        columns[i] = archetype.shape->column_of(tables[i]);
        const PageGeometry& geometry = archetype.shape->columns()[columns[i]].geometry;
        if (geometry.stride != 0) {
            shift = std::min(shift, geometry.shift);
        }
    }
    Chunk chunk;
    chunk.archetype = &archetype;
    const std::uint32_t step = 1U << shift;
    for (std::uint32_t row = first_row; row < end_row; row += step) {
        chunk.first_row = row;
        chunk.count = std::min(step, end_row - row);
        chunk.indices = archetype.index_page(Archetype::index_geometry.page_of(row)) + Archetype::index_geometry.row_in_page(row);
        for (std::size_t i = 0; i < tables.size(); ++i) {
            const bool tag = archetype.shape->columns()[columns[i]].geometry.stride == 0;
            chunk.rows[i] = tag ? reinterpret_cast<const std::byte*>(&archetype) : archetype.row(columns[i], row);
        }
        visit(static_cast<const Chunk&>(chunk));
    }
}

/// The same for every archetype that has all `tables`, which must all be stored in tables.
template <typename Visit>
void for_each_chunk(const Root& root, std::span<const TableId> tables, Visit&& visit) {
    ECSDB_ASSERT(tables.size() <= max_query_tables, "a query names at most 32 tables");
    root.for_each_archetype([&](const Archetype& archetype) {
        if (std::all_of(tables.begin(), tables.end(), [&](TableId table) { return archetype.shape->has(table); })) {
            for_each_chunk(archetype, tables, 0, archetype.rows, visit);
        }
    });
}

/// Calls `visit(index, rows)` for every entity that has all `tables`, however they are stored; `rows[i]` is its row in `tables[i]`.
template <typename Visit>
void for_each_row(const Root& root, std::span<const TableId> tables, Visit&& visit) {
    ECSDB_ASSERT(!tables.empty() && tables.size() <= max_query_tables, "a query names 1 to 32 tables");
    // The sparse table with the fewest rows leads if all are sparse; otherwise the archetypes do.
    std::array<TableId, max_query_tables> in_tables; // NOLINT: filled below
    std::size_t in_tables_count = 0;
    const SparseTable* leader = nullptr;
    for (const TableId table : tables) {
        if (root.schema->table(table).storage == Storage::Table) {
            in_tables[in_tables_count++] = table;
            continue;
        }
        const SparseTable* const sparse = root.sparse(table);
        if (sparse == nullptr || sparse->rows == 0) {
            return;
        }
        leader = leader == nullptr || sparse->rows < leader->rows ? sparse : leader;
    }
    std::array<const std::byte*, max_query_tables> rows; // NOLINT: filled below
    const auto visit_index = [&](std::uint32_t index) {
        const EntityRecord& record = root.entities.at(index);
        for (std::size_t i = 0; i < tables.size(); ++i) {
            rows[i] = root.find_row(record, index, tables[i]);
            if (rows[i] == nullptr) {
                return;
            }
        }
        visit(index, static_cast<const std::byte* const*>(rows.data()));
    };
    if (leader != nullptr) {
        leader->blocks.for_each([&](std::uint32_t block_number, const Node& node) {
            for (std::uint64_t left = static_cast<const SparseBlock&>(node).present; left != 0; left &= left - 1) {
                visit_index((block_number << SparseBlock::shift) + static_cast<std::uint32_t>(std::countr_zero(left)));
            }
        });
        return;
    }
    for_each_chunk(root, std::span{in_tables.data(), in_tables_count}, [&](const Chunk& chunk) {
        for (std::uint32_t i = 0; i < chunk.count; ++i) {
            visit_index(chunk.indices[i]);
        }
    });
}

/// An order-independent hash over (entity), (entity, table, packed row) and freed ids (design D22). Cost: O(everything).
[[nodiscard]] inline std::uint64_t hash_of(const Root& root) {
    std::uint64_t sum = 0;
    std::vector<std::byte> packed;
    root.entities.for_each([&](std::uint32_t index, const EntityRecord& record) {
        const std::uint64_t id = Entity{index, record.generation, root.shard}.to_bits();
        if (record.archetype == no_archetype) {
            sum += record.generation == 0 ? 0 : mix64(id ^ 0xF4EEULL);
            return;
        }
        sum += mix64(id ^ 0xA11FEULL);
        for (const Table& table : root.schema->tables()) {
            if (const std::byte* const row = root.find_row(record, index, table.id); row != nullptr) {
                packed.resize(table.packed_size);
                pack_row(table.runs, row, packed.data());
                for (const FieldId field : table.contents) {
                    const Content* const content = root.contents.find(table.id, field, index);
                    const std::span<const std::byte> bytes = content == nullptr ? std::span<const std::byte>{} : content->bytes();
                    const std::uint64_t digest = hash64(bytes, bytes.size());
                    const auto* const words = reinterpret_cast<const std::byte*>(&digest);
                    packed.insert(packed.end(), words, words + sizeof(digest));
                }
                sum += hash64(packed, mix64(id) + table.id);
            }
        }
    });
    return mix64(sum);
}

} // namespace ecsdb::storage
