/// @file
/// Entities with the same set of table components, their rows side by side: what a set is made of, and its rows in one version.
#pragma once

#include "ecsdb/core/slice.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/storage/entity_table.hpp"
#include "ecsdb/storage/tree.hpp"

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

namespace ecsdb::storage {

/// One column of an archetype: which table's rows, and how they are cut into pages.
struct ColumnShape {
    TableId table = 0;
    PageGeometry geometry;
};

/// What never changes about an archetype. One allocation, made once, shared by all versions; lives as long as the store.
class ArchetypeShape {
public:
    static constexpr std::uint16_t no_column = 0xFFFF;

    [[nodiscard]] ArchetypeId id() const noexcept { return id_; }
    /// Sorted by table.
    [[nodiscard]] Slice<const ColumnShape> columns() const noexcept { return {columns_, column_count_}; }
    /// The position of a table's column, or `no_column`. Cost: O(1), one load.
    [[nodiscard]] std::uint16_t column_of(TableId table) const noexcept { return lookup_[table]; }
    /// `column_of` for every table of the schema.
    [[nodiscard]] const std::uint16_t* lookup() const noexcept { return lookup_; }
    [[nodiscard]] bool has(TableId table) const noexcept { return column_of(table) != no_column; }

private:
    friend class ArchetypeCatalog;
    friend class RowWriter;
    friend class WriteBuffer;
    struct Edge {
        Edge* next;
        ArchetypeShape* target;
        TableId table;
    };

    ArchetypeId id_ = 0;
    std::uint16_t column_count_ = 0;
    const ColumnShape* columns_ = nullptr;
    const std::uint16_t* lookup_ = nullptr;
    std::size_t allocation_bytes_ = 0;
    // From here on: the writer's notes.
    ArchetypeShape* next_in_bucket_ = nullptr;
    ArchetypeShape* next_in_order_ = nullptr;
    Edge* edges_ = nullptr;         ///< Adding an absent table and removing a present one are told apart by presence.
    std::uint64_t transaction_ = 0; ///< The last transaction that changed the row count …
    std::uint32_t rows_before_ = 0; ///< … and the count before it: rows below it must be noted before they are overwritten.
    ArchetypeShape* next_counted_ = nullptr;
    ArchetypeShape* next_shrunk_ = nullptr;
    bool shrunk_ = false;
};

/// An archetype's rows in one version.
///
/// Row r of column c lies in page `r >> shift` of that column's tree; the column of entity indices is always there. Rows are dense in every
/// published version (design D6).
struct Archetype : Node {
    static constexpr PageGeometry index_geometry{sizeof(std::uint32_t), 256};

    ArchetypeShape* shape;
    const std::uint16_t* lookup; ///< The shape's, at hand: a look-up by table needs one load less.
    std::uint32_t rows;
    std::uint32_t reserved;
    NodeTree indices; ///< Row → entity index (u32).

    [[nodiscard]] NodeTree& column(std::uint16_t position) noexcept { return reinterpret_cast<NodeTree*>(this + 1)[position]; }
    [[nodiscard]] const NodeTree& column(std::uint16_t position) const noexcept {
        return reinterpret_cast<const NodeTree*>(this + 1)[position];
    }

    [[nodiscard]] const std::byte* row(std::uint16_t position, std::uint32_t row_number) const noexcept {
        const PageGeometry& geometry = shape->columns()[position].geometry;
        return page_rows(column(position).at(geometry.page_of(row_number))) +
               static_cast<std::size_t>(geometry.row_in_page(row_number)) * geometry.stride;
    }
    /// The same for a component type: geometry and stride are known when compiling.
    template <typename T>
    [[nodiscard]] const T* row_as(std::uint16_t position, std::uint32_t row_number) const noexcept {
        constexpr PageGeometry geometry{sizeof(T)};
        return reinterpret_cast<const T*>(page_rows(column(position).at(geometry.page_of(row_number)))) + geometry.row_in_page(row_number);
    }
    [[nodiscard]] const std::uint32_t* index_page(std::uint32_t page) const noexcept {
        return reinterpret_cast<const std::uint32_t*>(page_rows(indices.at(page)));
    }
    [[nodiscard]] std::uint32_t index_at(std::uint32_t row_number) const noexcept {
        return index_page(index_geometry.page_of(row_number))[index_geometry.row_in_page(row_number)];
    }

    [[nodiscard]] static std::uint32_t bytes_for(std::size_t columns) noexcept {
        return static_cast<std::uint32_t>(sizeof(Archetype) + columns * sizeof(NodeTree));
    }
};

/// Every set of components that has been seen, with the ways between them. Writer only; shapes it has handed out may be read by any thread.
class ArchetypeCatalog {
public:
    explicit ArchetypeCatalog(Allocator& allocator) noexcept : allocator_{&allocator} {}
    ArchetypeCatalog(const ArchetypeCatalog&) = delete;
    ArchetypeCatalog& operator=(const ArchetypeCatalog&) = delete;
    ~ArchetypeCatalog() {
        for (ArchetypeShape* shape = first_; shape != nullptr;) {
            for (ArchetypeShape::Edge* edge = shape->edges_; edge != nullptr;) {
                ArchetypeShape::Edge* const next_edge = edge->next;
                allocator_->deallocate(edge, sizeof(ArchetypeShape::Edge), alignof(ArchetypeShape::Edge));
                edge = next_edge;
            }
            ArchetypeShape* const next = shape->next_in_order_;
            allocator_->deallocate(shape, shape->allocation_bytes_, alignof(ArchetypeShape));
            shape = next;
        }
    }

    /// The shape of the set `tables` (sorted, all of them stored in tables). Null when memory is refused.
    [[nodiscard]] ArchetypeShape* find_or_add(const Schema& schema, std::span<const TableId> tables) noexcept {
        std::uint64_t hash = 0xCBF29CE484222325ULL; // FNV-1a
        for (const TableId table : tables) {
            hash = (hash ^ table) * 0x100000001B3ULL;
        }
        ArchetypeShape*& bucket = buckets_[(hash >> 32U) % bucket_count];
        for (ArchetypeShape* shape = bucket; shape != nullptr; shape = shape->next_in_bucket_) {
            if (std::equal(tables.begin(), tables.end(), shape->columns().begin(), shape->columns().end(),
                           [](TableId table, const ColumnShape& column) { return table == column.table; })) {
                return shape;
            }
        }
        const std::size_t lookup_size = schema.tables().size();
        const std::size_t bytes = sizeof(ArchetypeShape) + tables.size() * sizeof(ColumnShape) + lookup_size * sizeof(std::uint16_t);
        void* const memory = allocator_->allocate(bytes, alignof(ArchetypeShape));
        if (memory == nullptr) {
            return nullptr;
        }
        auto* const shape = ::new (memory) ArchetypeShape;
        auto* const columns = reinterpret_cast<ColumnShape*>(shape + 1);
        auto* const lookup = reinterpret_cast<std::uint16_t*>(columns + tables.size());
        std::fill_n(lookup, lookup_size, ArchetypeShape::no_column);
        for (std::size_t i = 0; i < tables.size(); ++i) {
            ::new (columns + i) ColumnShape{tables[i], PageGeometry{schema.table(tables[i]).size}};
            lookup[tables[i]] = static_cast<std::uint16_t>(i);
        }
        shape->id_ = ++count_;
        shape->column_count_ = static_cast<std::uint16_t>(tables.size());
        shape->columns_ = columns;
        shape->lookup_ = lookup;
        shape->allocation_bytes_ = bytes;
        shape->next_in_bucket_ = bucket;
        bucket = shape;
        (last_ == nullptr ? first_ : last_->next_in_order_) = shape;
        last_ = shape;
        return shape;
    }

    /// The set that differs from `from` by `table`: with it where it is absent, without it where it is present. Cost: O(ways used so far).
    [[nodiscard]] ArchetypeShape* neighbour(const Schema& schema, ArchetypeShape& from, TableId table) noexcept {
        for (ArchetypeShape::Edge* edge = from.edges_; edge != nullptr; edge = edge->next) {
            if (edge->table == table) {
                return edge->target;
            }
        }
        return add_edge(schema, from, table);
    }

    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

private:
    static constexpr std::size_t bucket_count = 1024;

    ECSDB_NOINLINE ArchetypeShape* add_edge(const Schema& schema, ArchetypeShape& from, TableId table) noexcept {
        const std::size_t most = from.columns().size() + 1;
        auto* const tables = static_cast<TableId*>(allocator_->allocate(most * sizeof(TableId), alignof(TableId)));
        void* const memory = allocator_->allocate(sizeof(ArchetypeShape::Edge), alignof(ArchetypeShape::Edge));
        ArchetypeShape* target = nullptr;
        if (tables != nullptr && memory != nullptr) {
            std::size_t count = 0;
            for (const ColumnShape& column : from.columns()) {
                if (column.table != table) {
                    tables[count++] = column.table;
                }
            }
            if (count == from.columns().size()) {
                TableId* const place = std::lower_bound(tables, tables + count, table);
                std::move_backward(place, tables + count, tables + count + 1);
                *place = table;
                ++count;
            }
            target = find_or_add(schema, {tables, count});
        }
        if (target != nullptr) {
            from.edges_ = ::new (memory) ArchetypeShape::Edge{from.edges_, target, table};
        } else if (memory != nullptr) {
            allocator_->deallocate(memory, sizeof(ArchetypeShape::Edge), alignof(ArchetypeShape::Edge));
        }
        if (tables != nullptr) {
            allocator_->deallocate(tables, most * sizeof(TableId), alignof(TableId));
        }
        return target;
    }

    Allocator* allocator_;
    std::array<ArchetypeShape*, bucket_count> buckets_{};
    ArchetypeShape* first_ = nullptr;
    ArchetypeShape* last_ = nullptr;
    std::uint32_t count_ = 0;
};

} // namespace ecsdb::storage
