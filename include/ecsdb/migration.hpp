/// @file
/// Opens a stored database in the schema of the program, migrating it first where that is needed.
#pragma once

#include "ecsdb/database.hpp"
#include "ecsdb/migration/migrate.hpp"

#include <utility>

namespace ecsdb {

namespace detail {

/// The schema that a database type's components make.
template <typename Db>
struct ComponentsOf;
template <Component... Ts>
struct ComponentsOf<Database<Ts...>> {
    [[nodiscard]] static Result<Schema> schema() { return schema_of<Ts...>("ecsdb"); }
};

} // namespace detail

/// `Db::open(options)` for a database of component types that may be stored as older ones: `Db` is `Database<Position, …>`. What the
/// structs do not say (constraints, other tables) stays as it is stored. Errors: those of `migrate` and of opening.
template <typename Db>
[[nodiscard]] Result<Db> open_migrating(const Options& options, const Migrations& migrations = {}) {
    const Result<Schema> wanted = detail::ComponentsOf<Db>::schema();
    if (!wanted) {
        return wanted.error().clone();
    }
    if (auto migrated = migrate(options, *wanted, migrations, SchemaScope::Components); !migrated) {
        return std::move(migrated).error();
    }
    return Db::open(options);
}

/// `Db::open(options, schema)` for a database that may be stored in an older schema. The schema it has then is `Db::schema()`: that given
/// and the tables it does not have, each table with the number it was given first.
template <typename Db = Database<>>
[[nodiscard]] Result<Db> open_migrating(const Options& options, const Schema& schema, const Migrations& migrations = {}) {
    auto migrated = migrate(options, schema, migrations);
    if (!migrated) {
        return std::move(migrated).error();
    }
    return Db::open(options, std::move(migrated->schema));
}

} // namespace ecsdb
