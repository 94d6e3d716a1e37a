/// @file
/// The root of one version: everything a reader can reach, and everything the writer knows about the state.
#pragma once

#include "ecsdb/storage/archetype.hpp"
#include "ecsdb/storage/contents.hpp"
#include "ecsdb/storage/entity_table.hpp"
#include "ecsdb/storage/sparse.hpp"
#include "ecsdb/storage/tree.hpp"

#include <array>
#include <cstdint>
#include <type_traits>

namespace ecsdb::storage {

/// One version. Published by swapping one pointer to it; immutable from then on.
struct Root : Node {
    static constexpr std::size_t extension_slots = 8;

    std::uint64_t version; ///< The last transaction in it (= its LSN).
    std::uint64_t time_ns; ///< When that was committed: wall clock, never going back.
    const Schema* schema;
    EntityTable entities;
    NodeTree archetypes;         ///< ArchetypeId → Archetype.
    NodeTree sparse_tables;      ///< TableId → SparseTable.
    ContentTree contents;        ///< Of `text` and `blob` fields.
    std::uint64_t entity_count;  ///< Living entities.
    std::uint32_t archetype_end; ///< One past the highest ArchetypeId in use.
    std::uint32_t shard;
    std::array<Node*, extension_slots> extensions; ///< Subtrees of participants (indices, constraints).

    [[nodiscard]] const Archetype& archetype(ArchetypeId id) const noexcept { return *static_cast<const Archetype*>(archetypes.at(id)); }
    [[nodiscard]] const SparseTable* sparse(TableId table) const noexcept {
        return static_cast<const SparseTable*>(sparse_tables.find(table));
    }

    [[nodiscard]] const EntityRecord* find_living(Entity entity) const noexcept { return entities.find_living(entity, shard); }
    /// The full id of a living entity's index.
    [[nodiscard]] Entity entity_at(std::uint32_t index) const noexcept { return Entity{index, entities.at(index).generation, shard}; }

    /// The row of `table` for a living entity's record, or null. Cost: O(1).
    [[nodiscard]] const std::byte* find_row(const EntityRecord& record, std::uint32_t index, TableId table) const noexcept {
        const Archetype& home = archetype(record.archetype);
        const std::uint16_t column = home.shape->column_of(table);
        if (column != ArchetypeShape::no_column) [[likely]] {
            return home.shape->columns()[column].geometry.stride == 0 ? reinterpret_cast<const std::byte*>(&home)
                                                                      : home.row(column, record.row);
        }
        const SparseTable* const sparse_table = sparse(table);
        return sparse_table == nullptr ? nullptr : sparse_table->find(index);
    }
    /// The same for a component type bound to `table`.
    template <typename T>
    [[nodiscard]] const T* find_row_as(const EntityRecord& record, std::uint32_t index, TableId table) const noexcept {
        const Archetype& home = archetype(record.archetype);
        const std::uint16_t column = home.lookup[table];
        if (column != ArchetypeShape::no_column) [[likely]] {
            if constexpr (std::is_empty_v<T>) {
                return reinterpret_cast<const T*>(&home);
            } else {
                return home.template row_as<T>(column, record.row);
            }
        }
        return reinterpret_cast<const T*>(find_sparse_row(index, table));
    }
    /// Out of line: inlined beside every look-up, it takes the registers away from the common way.
    [[nodiscard]] ECSDB_NOINLINE const std::byte* find_sparse_row(std::uint32_t index, TableId table) const noexcept {
        const SparseTable* const sparse_table = sparse(table);
        return sparse_table == nullptr ? nullptr : sparse_table->find(index);
    }
    /// Calls `visit(const Archetype&)` for every archetype that has rows, in order of their ids.
    template <typename Visit>
    void for_each_archetype(Visit&& visit) const {
        for (ArchetypeId id = 1; id < archetype_end; ++id) {
            const auto* const found = static_cast<const Archetype*>(archetypes.find(id));
            if (found != nullptr && found->rows != 0) {
                visit(*found);
            }
        }
    }
};

} // namespace ecsdb::storage
