/// @file
/// The component an entity keeps the stable id in that it came with.
#pragma once

#include "ecsdb/core/stable_id.hpp"
#include "ecsdb/schema/component.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace ecsdb {

/// The stable id of an entity that has one of its own instead of the derived one: `Database<Position, ecsdb::ImportedId>`, or the table of
/// this name in a schema file (docs/guide/stable_ids.md). A component like any other: insert it to give an entity an id, remove it to have
/// the derived one back. Who does not name it pays nothing.
///
/// No two living entities of a database have the same stable id, derived ones included: a transaction after which they would fails with
/// `ErrorCode::ConstraintViolation`. A null id counts as none.
struct ImportedId {
    std::array<std::uint64_t, 2> id{}; ///< Upper half first.

    constexpr ImportedId() noexcept = default;
    constexpr explicit ImportedId(const StableId& stable) noexcept : id{stable.high, stable.low} {}

    [[nodiscard]] constexpr StableId stable() const noexcept { return {id[0], id[1]}; }
};
ECSDB_COMPONENT(ImportedId, id);

template <>
struct ComponentOptions<ImportedId> {
    static constexpr Storage storage = Storage::Sparse;
    static void constrain(TableEditor& table) { table.field("id").unique(); }
};

/// The table of imported ids, or `no_table` where the schema has none. `SchemaMismatch` for a table of that name that could not keep them:
/// it needs one field, `id`, that is `u64[2]` and unique, and `persist = "wal"`. Cost: O(tables).
[[nodiscard]] inline Result<TableId> find_imported_ids(const Schema& schema) {
    const Table* const table = schema.find_table(ComponentTraits<ImportedId>::name);
    if (table == nullptr) {
        return no_table;
    }
    Result<TableId> bound = bind_component<ImportedId>(schema);
    if (bound && !table->fields.front().unique) {
        return Error{ErrorCode::SchemaMismatch, "table `" + table->name + "`, field `id`: holds stable ids and must be unique"};
    }
    if (bound && table->persist != Persist::Wal) {
        return Error{ErrorCode::SchemaMismatch, "table `" + table->name + "`: holds stable ids and must be logged"};
    }
    return bound;
}

} // namespace ecsdb
