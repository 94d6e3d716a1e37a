/// @file
/// Counts what each table takes in one version: rows, bytes, pages.
#pragma once

#include "ecsdb/storage/root.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace ecsdb {

/// What a table takes in one version. Pages that several versions share count in each of them.
struct TableFigures {
    std::uint64_t rows = 0;
    std::size_t used_bytes = 0;      ///< In rows.
    std::size_t allocated_bytes = 0; ///< In the pages the rows lie in, and in what leads to them.
    std::uint64_t pages = 0;

    /// The part of the allocated bytes that no row uses: 0 to 1. What a compaction can do about it is in docs/guide/memory.md.
    [[nodiscard]] double fragmentation() const noexcept { return unused_share(used_bytes, allocated_bytes); }
    [[nodiscard]] static double unused_share(std::size_t used, std::size_t allocated) noexcept {
        return used >= allocated ? 0 : 1 - static_cast<double>(used) / static_cast<double>(allocated);
    }
};

namespace storage {

/// Adds the pages of `tree`, and the tree. A page that several places share counts once, as far as these follow each other.
inline void add_pages(TableFigures& figures, const NodeTree& tree) noexcept {
    figures.allocated_bytes += tree.own_bytes();
    const Node* last_shared = nullptr;
    tree.for_each([&](std::uint32_t, const Node& page) {
        if (page.is_shared() && std::exchange(last_shared, &page) == &page) {
            return;
        }
        figures.allocated_bytes += page.bytes;
        ++figures.pages;
    });
}

/// The figures of one table. Any thread, on a pinned version. Cost: O(archetypes + pages of the table).
[[nodiscard]] inline TableFigures table_figures(const Root& root, TableId table) noexcept {
    TableFigures figures;
    root.archetypes.for_each([&](std::uint32_t, const Node& node) {
        const auto& archetype = static_cast<const Archetype&>(node);
        if (const std::uint16_t column = archetype.shape->column_of(table); column != ArchetypeShape::no_column) {
            figures.rows += archetype.rows;
            add_pages(figures, archetype.column(column));
        }
    });
    if (const SparseTable* const sparse = root.sparse(table); sparse != nullptr) {
        figures.rows += sparse->rows;
        figures.allocated_bytes += sparse->bytes;
        add_pages(figures, sparse->blocks);
    }
    figures.used_bytes = figures.rows * root.schema->table(table).size;
    return figures;
}

/// What the entities themselves take, whatever they have: where each lives, and which of them lies in which row; a row is one entity. The
/// counts of changes, 4 bytes an index, are not among it: they belong to no version. Cost: O(archetypes + pages of this).
[[nodiscard]] inline TableFigures entity_figures(const Root& root) noexcept {
    TableFigures figures;
    figures.rows = root.entity_count;
    figures.used_bytes = figures.rows * (sizeof(EntityRecord) + sizeof(std::uint32_t));
    add_pages(figures, root.entities.pages());
    root.archetypes.for_each([&](std::uint32_t, const Node& node) {
        figures.allocated_bytes += node.bytes;
        add_pages(figures, static_cast<const Archetype&>(node).indices);
    });
    figures.allocated_bytes += root.archetypes.own_bytes() + root.sparse_tables.own_bytes() + root.bytes;
    return figures;
}

} // namespace storage
} // namespace ecsdb
