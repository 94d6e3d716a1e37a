/// @file
/// Databases of small schemas written as TOML, on a simulated disk, for the migration tests.
#pragma once

#include "ecsdb/ecsdb.hpp"
#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/migration.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace migration_test {

using ecsdb::Entity;
using ecsdb::ErrorCode;
using ecsdb::MigratingRow;
using ecsdb::Migrations;
using ecsdb::SimulatedFileSystem;
using Db = ecsdb::Database<>;

inline ecsdb::Schema schema(const std::string& toml) {
    auto parsed = ecsdb::parse_schema(toml, "test.toml");
    if (!parsed) {
        FAIL(parsed.error().to_string());
    }
    return std::move(*parsed);
}

inline ecsdb::Options on(ecsdb::FileSystem& files) {
    ecsdb::Options options;
    options.directory = "world";
    options.durability = ecsdb::Durability::Synced;
    options.file_system = &files;
    options.own_thread = false;
    options.segment_bytes = 64 << 10;
    return options;
}

inline void require(const ecsdb::Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}
template <typename T>
T required(ecsdb::Result<T> result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
    return std::move(*result);
}

/// Opens a database of `toml`, migrating.
inline Db open(ecsdb::FileSystem& files, const std::string& toml, const Migrations& migrations = {}) {
    return required(ecsdb::open_migrating(on(files), schema(toml), migrations));
}
/// Why it does not open.
inline ecsdb::Error refusal(ecsdb::FileSystem& files, const std::string& toml, const Migrations& migrations = {}) {
    auto opened = ecsdb::open_migrating(on(files), schema(toml), migrations);
    REQUIRE_FALSE(opened);
    INFO(opened.error().to_string());
    return std::move(opened).error();
}
inline bool mentions(const ecsdb::Error& error, const std::string& words) {
    const bool found = error.to_string().find(words) != std::string::npos;
    if (!found) {
        UNSCOPED_INFO(error.to_string() << " does not say: " << words);
    }
    return found;
}

/// A field of an entity's row in the newest version.
template <typename T>
T value(Db& db, Entity entity, const std::string& table, const std::string& field) {
    const auto handle = required(ecsdb::find_field<T>(db.schema(), table, field));
    const auto found = db.get(entity, handle);
    REQUIRE(found);
    return *found;
}

/// Inserts a row of `table` for a new entity; `fill(Row&, transaction)` sets its fields.
template <typename Fill>
Entity add(Db& db, const std::string& table, Fill fill) {
    auto tx = db.begin();
    const Entity entity = tx.create();
    auto row = required(ecsdb::Row::of(db.schema(), table));
    fill(row, tx);
    tx.insert_row(entity, row.table(), row.bytes());
    require(tx.commit());
    return entity;
}

} // namespace migration_test
