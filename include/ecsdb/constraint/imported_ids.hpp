/// @file
/// Keeps imported stable ids apart from derived ones, which no row holds and no unique field can see.
#pragma once

#include "ecsdb/constraint/keys.hpp"
#include "ecsdb/storage/store.hpp"

#include <string>

namespace ecsdb::constraint {

/// Fails (`ConstraintViolation`) when the running transaction gave an entity an id that is the derived one of another: of one that lives
/// and has no id of its own, or of one to come. That no two imported ids are alike, `Keys` sees to, which has noted
/// the transaction. An id of this database's own whose
/// entity is dead may come back: nobody derives it again. Cost: nothing without imported ids, else O(1) per change.
[[nodiscard]] inline Result<void> verify_imported_ids(storage::WriteBuffer& state, const Keys& keys) {
    const storage::Root& root = state.root();
    const storage::StableIds& ids = state.store().stable_ids();
    const TableId table = ids.imported_table();
    if (table == no_table) {
        return {};
    }
    const auto violation = [&](Entity holder, const StableId& id, const std::string& what) {
        return Error{ErrorCode::ConstraintViolation, "table `" + root.schema->table(table).name + "`, field `id`, " + describe(holder) +
                                                         ": the stable id " + id.to_string() + ' ' + what};
    };
    for (const storage::Change& change : state.changes().list()) {
        const bool is_row = change.kind != storage::ChangeKind::Created && change.kind != storage::ChangeKind::Destroyed;
        const storage::EntityRecord* const record = is_row && change.table == table ? root.entities.find(change.index) : nullptr;
        if (record == nullptr || record->archetype == storage::no_archetype) {
            continue;
        }
        const Entity entity = root.entity_at(change.index);
        if (const std::byte* const row = root.find_row(*record, change.index, table); row != nullptr) {
            const StableId id = storage::StableIds::id_in(row);
            const Entity own = id.derived_from(ids.identity());
            const storage::EntityRecord* const past = own ? root.entities.find(own.index()) : nullptr;
            if (id.is_null()) {
                return violation(entity, id, "names nothing");
            }
            if (const Entity other = ids.find_derived(root, id)) {
                return violation(entity, id, "is already that of " + describe(other));
            }
            if (own && (own.shard() != root.shard || past == nullptr || past->generation < own.generation())) {
                return violation(entity, id, "belongs to an entity of this database that has not been yet");
            }
        } else {
            // What it is called from now on may have been given away meanwhile.
            const StableId id = StableId::derive(ids.identity(), entity);
            const ImportedId wanted{id};
            const auto holder = keys.find_unique(state, table, 0, reinterpret_cast<const std::byte*>(&wanted), true);
            if (holder && *holder) {
                return violation(*holder, id, "is that of " + describe(entity) + ", which has lost its own");
            }
        }
    }
    return {};
}

} // namespace ecsdb::constraint
