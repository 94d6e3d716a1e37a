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
    std::size_t used_bytes = 0;      ///< In rows, and in the texts and blobs they have.
    std::size_t allocated_bytes = 0; ///< In the pages the rows lie in, in the nodes of texts and blobs, and in what leads to them.
    std::uint64_t pages = 0;         ///< Of rows.
    std::uint64_t contents = 0;      ///< Texts and blobs that are not empty.
    std::size_t content_bytes = 0;   ///< In them; part of the used bytes.
    /// In pages and contents that the newest version does without, and views of older ones keep. `AnyDatabase::table_figures` only.
    std::size_t retired_bytes = 0;

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

/// Adds the texts and blobs of a table, and what leads to them.
inline void add_contents(TableFigures& figures, const Root& root, TableId table) noexcept {
    const auto* const contents = static_cast<const ContentTable*>(root.contents.tables.find(table));
    if (contents == nullptr) {
        return;
    }
    figures.allocated_bytes += contents->bytes + contents->columns.own_bytes();
    contents->columns.for_each([&](std::uint32_t, const Node& node) {
        const auto& column = static_cast<const ContentColumn&>(node);
        figures.allocated_bytes += column.bytes + column.contents.own_bytes();
        column.contents.for_each([&](std::uint32_t, const Node& content) {
            figures.allocated_bytes += content.bytes;
            figures.content_bytes += static_cast<const Content&>(content).length;
            ++figures.contents;
        });
    });
}

/// The figures of one table. Any thread, on a pinned version. Cost: O(archetypes + pages and contents of the table).
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
    add_contents(figures, root, table);
    figures.used_bytes = figures.rows * root.schema->table(table).size + figures.content_bytes;
    return figures;
}

/// Bytes in the pages of `older` that `newer` does not have in the same place; null: it has none.
[[nodiscard]] inline std::size_t bytes_gone(const NodeTree& older, const NodeTree* newer) noexcept {
    std::size_t bytes = 0;
    const Node* last_shared = nullptr;
    older.for_each([&](std::uint32_t position, const Node& page) {
        const bool again = page.is_shared() && std::exchange(last_shared, &page) == &page;
        bytes += again || (newer != nullptr && newer->find(position) == &page) ? 0 : page.bytes;
    });
    return bytes;
}

/// Bytes in pages and contents of a table that version `older` has and the later version `newer` does without. Both must be pinned, or
/// known to stay. Cost: O(archetypes + pages and contents of the table that lie in parts of the tree that differ).
[[nodiscard]] inline std::size_t retired_bytes_between(const Root& older, const Root& newer, TableId table) noexcept {
    std::size_t bytes = 0;
    older.archetypes.for_each([&](std::uint32_t position, const Node& node) {
        const auto& archetype = static_cast<const Archetype&>(node);
        const auto* const later = static_cast<const Archetype*>(newer.archetypes.find(position));
        const std::uint16_t column = archetype.shape->column_of(table);
        if (later != &archetype && column != ArchetypeShape::no_column) {
            bytes += bytes_gone(archetype.column(column), later == nullptr ? nullptr : &later->column(column));
        }
    });
    const SparseTable* const sparse = older.sparse(table);
    const SparseTable* const later_sparse = newer.sparse(table);
    if (sparse != nullptr && sparse != later_sparse) {
        bytes += bytes_gone(sparse->blocks, later_sparse == nullptr ? nullptr : &later_sparse->blocks);
    }
    const auto* const contents = static_cast<const ContentTable*>(older.contents.tables.find(table));
    if (contents != nullptr && contents != newer.contents.tables.find(table)) {
        contents->columns.for_each([&](std::uint32_t field, const Node& node) {
            const auto& column = static_cast<const ContentColumn&>(node);
            const ContentColumn* const later = newer.contents.column(table, static_cast<FieldId>(field));
            bytes += later == &column ? 0 : bytes_gone(column.contents, later == nullptr ? nullptr : &later->contents);
        });
    }
    return bytes;
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
    figures.allocated_bytes += root.archetypes.own_bytes() + root.sparse_tables.own_bytes() + root.contents.tables.own_bytes() + root.bytes;
    return figures;
}

} // namespace storage
} // namespace ecsdb
