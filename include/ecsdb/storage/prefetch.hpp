/// @file
/// Hints at the memory that operations will need, so that the cache misses of many overlap.
#pragma once

#include "ecsdb/core/hints.hpp"
#include "ecsdb/storage/entity_versions.hpp"
#include "ecsdb/storage/root.hpp"

#include <cstddef>
#include <cstdint>

namespace ecsdb::storage {

/// Called for a group of operations one step after the other: first `path` for each of them, then `record`, at last `row` or `filler`.
/// Changes nothing; entities that do not live and rows that are not there are passed over. Writer only, between operations.
class Prefetcher {
public:
    Prefetcher(const Root& root, const EntityVersions& versions) noexcept : root_{&root}, versions_{&versions} {}

    /// What leads to the entity's record.
    void path(Entity entity) const noexcept { root_->entities.prefetch_path(entity.index()); }

    void record(Entity entity) const noexcept {
        root_->entities.prefetch_record(entity.index());
        versions_->prefetch(entity.index());
    }

    /// The entity's row of `table`, or the place of one in a sparse table.
    void row(Entity entity, TableId table) const noexcept {
        const EntityRecord* const record = root_->find_living(entity);
        if (record == nullptr) {
            return;
        }
        const Archetype& home = root_->archetype(record->archetype);
        if (const std::uint16_t column = home.shape->column_of(table); column != ArchetypeShape::no_column) {
            row_of(home.column(column), home.shape->columns()[column].geometry, record->row);
        } else if (const SparseTable* const rows = root_->sparse(table); rows != nullptr) {
            if (const SparseBlock* const block = rows->block_of(entity.index()); block != nullptr) {
                prefetch_for_write(block);
                prefetch_for_write(page_rows(block));                     // of few rows: its slots …
                prefetch_for_write(page_rows(block) + SparseBlock::size); // … and rows
            }
        }
    }

    /// For an entity that will leave its archetype, `ahead` moves from now: the record of the one that will then fill its place.
    void filler(Entity entity, std::uint32_t ahead) const noexcept {
        const EntityRecord* const record = root_->find_living(entity);
        if (record == nullptr) {
            return;
        }
        const Archetype& home = root_->archetype(record->archetype);
        if (home.rows > ahead) {
            root_->entities.prefetch_record(home.index_at(home.rows - 1 - ahead));
        }
    }

private:
    void row_of(const NodeTree& column, const PageGeometry& geometry, std::uint32_t row) const noexcept {
        if (geometry.stride == 0) {
            return;
        }
        // The head tells whether the page will be copied; looking at it here would wait for it.
        const Node* const page = column.at(geometry.page_of(row));
        prefetch_for_read(page);
        prefetch_for_read(page_rows(page) + static_cast<std::size_t>(geometry.row_in_page(row)) * geometry.stride);
    }

    const Root* root_;
    const EntityVersions* versions_;
};

} // namespace ecsdb::storage
