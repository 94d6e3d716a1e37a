/// @file
/// Which entity has which stable id in one version, and back.
#pragma once

#include "ecsdb/schema/imported_id.hpp"
#include "ecsdb/storage/rows.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ecsdb::storage {

/// How one database names its entities: by its identity, unless they were imported. Settled when it is opened; any thread may read.
class StableIds {
public:
    StableIds() noexcept = default;
    /// `identity` is not 0; `imported` is the table of `ImportedId`, or `no_table`.
    StableIds(std::uint64_t identity, TableId imported) noexcept : identity_{identity}, imported_{imported} {}

    /// What tells this database's derived ids from those of others.
    [[nodiscard]] std::uint64_t identity() const noexcept { return identity_; }
    [[nodiscard]] TableId imported_table() const noexcept { return imported_; }

    /// The id of an entity; null when it is not alive. Cost: O(1).
    [[nodiscard]] StableId of(const Root& root, Entity entity) const noexcept {
        const EntityRecord* const record = root.find_living(entity);
        if (record == nullptr) {
            return {};
        }
        const StableId imported = imported_id(root, *record, entity.index());
        return imported ? imported : StableId::derive(identity_, entity);
    }

    /// The living entity whose derived id this is, if it has no other; null otherwise. Cost: O(1).
    [[nodiscard]] Entity find_derived(const Root& root, const StableId& id) const noexcept {
        const Entity entity = id.derived_from(identity_);
        const EntityRecord* const record = entity.is_null() ? nullptr : root.find_living(entity);
        return record == nullptr || imported_id(root, *record, entity.index()) ? Entity{} : entity;
    }
    /// The entity that was imported under this id; null when there is none. Cost: O(imported entities).
    [[nodiscard]] Entity find_imported(const Root& root, const StableId& id) const {
        Entity found;
        if (imported_ != no_table && id) {
            for_each_row(root, std::array{imported_}, [&](std::uint32_t index, const std::byte* const* rows) {
                found = id_in(rows[0]) == id ? root.entity_at(index) : found;
            });
        }
        return found;
    }

    /// Whether any entity may have an id it came with. Cost: O(1).
    [[nodiscard]] bool may_be_imported(const Root& root) const noexcept {
        if (imported_ == no_table || root.schema->table(imported_).storage != Storage::Sparse) {
            return imported_ != no_table;
        }
        const SparseTable* const rows = root.sparse(imported_);
        return rows != nullptr && rows->rows != 0;
    }

    /// The id in a row of the table of imported ids.
    [[nodiscard]] static StableId id_in(const std::byte* row) noexcept {
        ImportedId imported;
        std::memcpy(&imported, row, sizeof(imported));
        return imported.stable();
    }

private:
    [[nodiscard]] StableId imported_id(const Root& root, const EntityRecord& record, std::uint32_t index) const noexcept {
        const std::byte* const row = imported_ == no_table ? nullptr : root.find_row(record, index, imported_);
        return row == nullptr ? StableId{} : id_in(row);
    }

    std::uint64_t identity_ = 0;
    TableId imported_ = no_table;
};

} // namespace ecsdb::storage
