/// @file
/// Keeps imported stable ids apart from derived ones, which no row holds and no unique field can see.
#pragma once

#include "ecsdb/constraint/keys.hpp"
#include "ecsdb/storage/store.hpp"

#include <cstdint>
#include <string>

namespace ecsdb::constraint {

/// Fails (`ConstraintViolation`) when the running transaction, which added, changed or removed the row of `index` in the table of imported
/// ids, gave that entity an id that is the derived one of another: of one that lives and has no id of its own, or of one to come; or when
/// the derived id it has again is another's by now. That no two imported ids are alike, `Keys` sees to, which has noted the transaction. An
/// id of this database's own whose entity is dead may come back: nobody derives it again. Cost: O(1).
[[nodiscard]] inline Result<void> verify_imported_id(storage::WriteBuffer& state, const Keys& keys, std::uint32_t index) noexcept {
    const storage::Root& root = state.root();
    const storage::StableIds& ids = state.store().stable_ids();
    const TableId table = ids.imported_table();
    const auto violation = [&](Entity holder, const StableId& id, const std::string& what) {
        return Error{ErrorCode::ConstraintViolation, "table `" + root.schema->table(table).name + "`, field `id`, " + describe(holder) +
                                                         ": the stable id " + id.to_string() + ' ' + what};
    };
    const storage::EntityRecord* const record = root.entities.find(index);
    if (record == nullptr || record->archetype == storage::no_archetype) {
        return {};
    }
    const Entity entity = root.entity_at(index);
    if (const std::byte* const row = root.find_row(*record, index, table); row != nullptr) {
        const StableId id = storage::StableIds::id_in(row);
        if (id.is_null()) {
            return violation(entity, id, "names nothing");
        }
        const Entity own = id.derived_from(ids.identity());
        if (own.is_null()) {
            return {}; // it is of another database
        }
        if (const Entity other = ids.find_derived(root, id)) {
            return violation(entity, id, "is already that of " + describe(other));
        }
        const storage::EntityRecord* const past = root.entities.find(own.index());
        if (own.shard() != root.shard || past == nullptr || past->generation < own.generation()) {
            return violation(entity, id, "belongs to an entity of this database that has not been yet");
        }
        return {};
    }
    // What it is called from now on may have been given away meanwhile.
    const StableId id = StableId::derive(ids.identity(), entity);
    const ImportedId wanted{id};
    const auto holder = keys.find_unique(state, table, 0, reinterpret_cast<const std::byte*>(&wanted), true);
    return holder && *holder ? violation(*holder, id, "is that of " + describe(entity) + ", which has lost its own") : Result<void>{};
}

} // namespace ecsdb::constraint
