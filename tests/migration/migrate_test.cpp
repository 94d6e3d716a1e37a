#include "ecsdb/migration/migrate.hpp"

#include "migration/migration_fixture.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

namespace migrate_test {

using namespace migration_test;
using ecsdb::CrashPlan;
using ecsdb::KeepPending;

namespace {

const std::string health_1 = R"(
[database]
name = "game"
[tables.health]
fields = [
    { name = "hp", type = "u8" },
    { name = "regeneration", type = "f32", default = 1.5 },
]
)";

Entity wounded(Db& db, std::uint8_t hp, float regeneration) {
    return add(db, "health", [&](ecsdb::Row& row, auto&) {
        require(row.set("hp", hp));
        require(row.set("regeneration", regeneration));
    });
}

/// Everything a database holds, but for the schema.
struct Seen {
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
    std::uint64_t schema = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
};
Seen look_at(ecsdb::FileSystem& files) {
    Db db = required(Db::open(on(files)));
    return {db.version(), db.read().hash(), db.schema().hash()};
}

} // namespace

TEST_CASE("where there is nothing to migrate nothing happens", "[migration]") {
    SimulatedFileSystem files;
    const ecsdb::Schema wanted = schema(health_1);
    const auto none = required(ecsdb::migrate(on(files), wanted));
    CHECK_FALSE(none.migrated);
    CHECK_FALSE(*files.exists("world"));
    { Db db = open(files, health_1); }
    const std::size_t changes = files.changes();
    const auto same = required(ecsdb::migrate(on(files), wanted));
    CHECK_FALSE(same.migrated);
    CHECK(same.schema.hash() == wanted.hash());
    CHECK(same.schema.history().empty());
    CHECK(files.changes() == changes);
}

TEST_CASE("fields are added, widened, reordered and deprecated without a step", "[migration]") {
    SimulatedFileSystem files;
    Entity entity;
    {
        Db db = open(files, R"(
[enums.Team]
values = ["red", "blue"]
[structs.Place]
fields = [ { name = "x", type = "f32" }, { name = "y", type = "f32" } ]
[tables.unit]
fields = [
    { name = "a", type = "u8" },
    { name = "b", type = "i16" },
    { name = "c", type = "f32" },
    { name = "name", type = "string[8]" },
    { name = "team", type = "Team" },
    { name = "places", type = "Place[2]" },
    { name = "story", type = "text" },
    { name = "maybe", type = "u32", nullable = true },
    { name = "surely", type = "u32" },
]
)");
        entity = add(db, "unit", [&](ecsdb::Row& row, auto& tx) {
            require(row.set("a", std::uint8_t{200}));
            require(row.set("b", std::int16_t{-300}));
            require(row.set("c", 0.25F));
            require(row.set_text("name", "goblin"));
            require(row.set("team", std::uint8_t{1}));
            require(row.set("surely", std::uint32_t{9}));
            require(row.set("story", tx.text("once upon a time")));
            const auto& table = db.schema().table(row.table());
            const std::array<float, 4> places{1, 2, 3, 4};
            std::memcpy(const_cast<std::byte*>(row.bytes().data()) + table.find_field("places")->offset, places.data(), sizeof(places));
        });
    }
    const std::string wider = R"(
[enums.Team]
type = "u16"
values = ["red", "blue", "green"]
[structs.Place]
fields = [ { name = "z", type = "f32", default = -1.0 }, { name = "y", type = "f64" }, { name = "x", type = "f32" } ]
[tables.flag]
[tables.unit]
version = 2
fields = [
    { name = "story", type = "text" },
    { name = "c", type = "f64" },
    { name = "b", type = "i64" },
    { name = "a", type = "i32", deprecated = true },
    { name = "name", type = "string[32]" },
    { name = "team", type = "Team" },
    { name = "places", type = "Place[2]" },
    { name = "maybe", type = "u64", nullable = true },
    { name = "surely", type = "u32", nullable = true },
    { name = "mana", type = "u16", default = 77 },
    { name = "title", type = "text", default = "none" },
]
)";
    for (int opening = 0; opening < 2; ++opening) {
        CAPTURE(opening);
        Db db = open(files, wider);
        CHECK(value<std::int32_t>(db, entity, "unit", "a") == 200);
        CHECK(value<std::int64_t>(db, entity, "unit", "b") == -300);
        CHECK(value<double>(db, entity, "unit", "c") == 0.25);
        CHECK(value<std::uint16_t>(db, entity, "unit", "team") == 1);
        CHECK(value<std::uint32_t>(db, entity, "unit", "surely") == 9);
        CHECK(value<std::uint16_t>(db, entity, "unit", "mana") == 77);
        CHECK_FALSE(db.get(entity, required(ecsdb::find_field<std::uint64_t>(db.schema(), "unit", "maybe"))));
        const ecsdb::View view = db.read();
        const ecsdb::Table& unit = *db.schema().find_table("unit");
        CHECK(unit.id == 0); // its number is for ever
        CHECK(db.schema().find_table("flag")->id == 1);
        const std::byte* const row = view.find_row(entity, unit.id);
        REQUIRE(row != nullptr);
        const auto story = required(ecsdb::find_field<ecsdb::Text>(db.schema(), "unit", "story"));
        CHECK(view.text(story.in(row)) == "once upon a time");
        const auto title = required(ecsdb::find_field<ecsdb::Text>(db.schema(), "unit", "title"));
        CHECK(view.text(title.in(row)) == "none");
        CHECK(std::string(reinterpret_cast<const char*>(row + unit.find_field("name")->offset + 2), 6) == "goblin");
        struct Place {
            float z;
            double y;
            float x;
        };
        std::array<Place, 2> places{};
        REQUIRE(unit.find_field("places")->size == sizeof(places));
        std::memcpy(static_cast<void*>(places.data()), row + unit.find_field("places")->offset, sizeof(places));
        CHECK(places[1].x == 3);
        CHECK(places[1].y == 4);
        CHECK(places[1].z == -1);
        CHECK(unit.find_field("a")->deprecated);
        REQUIRE(db.schema().history().size() == 2);
        const ecsdb::SchemaChange& change = db.schema().history()[0].table == "unit" ? db.schema().history()[0] : db.schema().history()[1];
        CHECK(change.from == "1");
        CHECK(change.to == "2");
        CHECK(change.version == 2);
        CHECK(change.what.find("field `mana` added") != std::string::npos);
        CHECK(change.what.find("field `c` is f64 instead of f32") != std::string::npos);
        // It is written to as ever, and recovered in the new schema.
        add(db, "unit", [&](ecsdb::Row& fresh, auto&) { require(fresh.set("mana", std::uint16_t{1})); });
    }
}

TEST_CASE("steps lead from one version to the next, in order, by names and between structs", "[migration]") {
    SimulatedFileSystem files;
    Entity entity;
    {
        Db db = open(files, health_1);
        entity = wounded(db, 40, 0.5F);
        wounded(db, 41, 0.5F);
    }
    std::string order;
    Migrations migrations;
    migrations
        .step("health", 2, 3,
              [&](MigratingRow& row) {
                  order += "b";
                  row.set("most", static_cast<std::uint16_t>(required(row.get<std::uint16_t>("points")) * 2));
                  CHECK(row.erase("regeneration"));
              })
        .step("health", 1, 2,
              [&](MigratingRow& row) -> ecsdb::Result<void> {
                  order += "a";
                  return row.rename("hp", "points");
              })
        .automatic("health", 3, 4)
        .step("health", 7, 8, [&](MigratingRow&) { order += "never"; });
    Db db = open(files, R"(
[tables.health]
version = 4
fields = [
    { name = "most", type = "u16" },
    { name = "points", type = "u32" },
]
)",
                 migrations);
    CHECK(order == "abab");
    CHECK(value<std::uint32_t>(db, entity, "health", "points") == 40);
    CHECK(value<std::uint16_t>(db, entity, "health", "most") == 80);
    REQUIRE(db.schema().history().size() == 1);
    CHECK(db.schema().history()[0].what.find("step from version 2 to 3") != std::string::npos);
}

TEST_CASE("gaps, downgrades and changes that need a step are refused before anything changes", "[migration]") {
    SimulatedFileSystem files;
    Entity entity;
    {
        Db db = open(files, R"(
[tables.health]
version = 3
fields = [ { name = "hp", type = "u16" } ]
)");
        entity = add(db, "health", [&](ecsdb::Row& row, auto&) { require(row.set("hp", std::uint16_t{5})); });
    }
    const std::size_t changes = files.changes();
    const auto of = [](int version, const std::string& fields) {
        return "[tables.health]\nversion = " + std::to_string(version) + "\nfields = [ " + fields + " ]\n";
    };
    const std::string same = R"({ name = "hp", type = "u16" })";
    SECTION("a gap") {
        Migrations migrations;
        migrations.automatic("health", 3, 4).automatic("health", 5, 6);
        const auto error = refusal(files, of(6, same), migrations);
        CHECK(error.code() == ErrorCode::SchemaMismatch);
        CHECK(mentions(error, "table `health`: no step leads on from version 4 towards version 6"));
    }
    SECTION("a beginning that is missing") {
        Migrations migrations;
        migrations.automatic("health", 4, 5);
        CHECK(mentions(refusal(files, of(5, same), migrations), "no step leads on from version 3"));
    }
    SECTION("two ways") {
        Migrations migrations;
        migrations.automatic("health", 3, 4).automatic("health", 3, 5);
        CHECK(mentions(refusal(files, of(5, same), migrations), "two steps lead on from version 3"));
    }
    SECTION("a downgrade") {
        const auto error = refusal(files, of(2, same));
        CHECK(error.code() == ErrorCode::SchemaMismatch);
        CHECK(mentions(error, "table `health`: is stored in version 3, and the program brings version 2"));
    }
    SECTION("a field that would be gone") {
        const auto error = refusal(files, of(4, R"({ name = "mana", type = "u16" })"));
        CHECK(mentions(error, "table `health`: field `hp` would be gone: that needs a step from version 3 to 4"));
    }
    SECTION("a narrower field, in a version that was not raised") {
        const auto error = refusal(files, of(3, R"({ name = "hp", type = "u8" })"));
        CHECK(mentions(error, "field `hp` is u16 and would be u8"));
        CHECK(mentions(error, "nor has the table's version been raised"));
    }
    SECTION("another sign") {
        CHECK(mentions(refusal(files, of(4, R"({ name = "hp", type = "i16" })")), "field `hp` is u16 and would be i16"));
    }
    SECTION("read-only") {
        auto options = on(files);
        options.mode = ecsdb::OpenMode::ReadOnly;
        auto opened = ecsdb::open_migrating(options, schema(of(4, R"({ name = "hp", type = "u32" })")));
        REQUIRE_FALSE(opened);
        CHECK(mentions(opened.error(), "read-only cannot be migrated"));
    }
    SECTION("a step that leads nowhere") {
        Migrations migrations;
        migrations.automatic("health", 4, 4);
        CHECK(refusal(files, of(4, same), migrations).code() == ErrorCode::InvalidArgument);
    }
    SECTION("without asking for a migration") {
        auto opened = Db::open(on(files), schema(of(4, R"({ name = "hp", type = "u32" })")));
        REQUIRE_FALSE(opened);
        CHECK(mentions(opened.error(), "open_migrating"));
        files.crash({.keep = KeepPending::All});
        Db db = required(Db::open(on(files)));
        CHECK(value<std::uint16_t>(db, entity, "health", "hp") == 5);
        return;
    }
    CHECK(files.changes() == changes);
    Db db = required(Db::open(on(files)));
    CHECK(value<std::uint16_t>(db, entity, "health", "hp") == 5);
}

TEST_CASE("a promise the rows do not keep, or a step that refuses, leaves the data as they were", "[migration]") {
    SimulatedFileSystem files;
    {
        Db db = open(files, health_1);
        wounded(db, 40, 0.5F);
        wounded(db, 40, 1.0F);
        wounded(db, 90, 2.0F);
    }
    const Seen before = look_at(files);
    const auto with = [](const std::string& hp) {
        return "[tables.health]\nversion = 2\nfields = [ { name = \"hp\", type = \"u16\", " + hp +
               " }, { name = \"regeneration\", type = \"f32\", default = 1.5 } ]\n";
    };
    SECTION("unique") {
        const auto error = refusal(files, with("constraint = \"unique\""));
        CHECK(error.code() == ErrorCode::ConstraintViolation);
        CHECK(mentions(error, "table `health`, field `hp`, entity"));
        CHECK(mentions(error, "is unique"));
    }
    SECTION("bounds") {
        const auto error = refusal(files, with("max = 80"));
        CHECK(error.code() == ErrorCode::ConstraintViolation);
        CHECK(mentions(error, "table `health`, field `hp`, entity 2"));
    }
    SECTION("a step that refuses") {
        Migrations migrations;
        migrations.step("health", 1, 2, [](MigratingRow& row) -> ecsdb::Result<void> {
            return required(row.get<std::uint8_t>("hp")) == 90
                       ? ecsdb::Result<void>{ecsdb::Error{ErrorCode::InvalidArgument, "nobody is that healthy"}}
                       : ecsdb::Result<void>{};
        });
        const auto error = refusal(files, with("max = 255"), migrations);
        CHECK(mentions(error, "table `health`, entity 2 (generation 1): step from version 1 to 2: nobody is that healthy"));
    }
    SECTION("a step that leaves a field over") {
        Migrations migrations;
        migrations.step("health", 1, 2, [](MigratingRow& row) { row.set("more", std::uint8_t{1}); });
        CHECK(mentions(refusal(files, with("max = 255"), migrations), "field `more` is left over"));
    }
    SECTION("a step that leaves another type") {
        Migrations migrations;
        migrations.step("health", 1, 2, [](MigratingRow& row) { row.set("hp", 1.0); });
        CHECK(mentions(refusal(files, with("max = 255"), migrations), "field `hp` is f64 and would be u16"));
    }
    const Seen after = look_at(files);
    CHECK(after == before);
}

TEST_CASE("a database that is open is not migrated", "[migration]") {
    SimulatedFileSystem files;
    Db db = open(files, health_1);
    CHECK(refusal(files, "[tables.more]\n").code() == ErrorCode::Locked);
    wounded(db, 1, 0.5F);
}

#ifdef __cpp_exceptions
TEST_CASE("an exception thrown by a step passes through, and nothing has changed", "[migration]") {
    SimulatedFileSystem files;
    {
        Db db = open(files, health_1);
        wounded(db, 1, 0.5F);
    }
    const Seen before = look_at(files);
    Migrations migrations;
    migrations.step("health", 1, 2, [](MigratingRow&) { throw std::runtime_error{"no"}; });
    auto wanted = schema("[tables.health]\nversion = 2\nfields = [ { name = \"hp\", type = \"u8\" } ]\n");
    CHECK_THROWS_AS(ecsdb::migrate(on(files), wanted, migrations), std::runtime_error);
    CHECK(look_at(files) == before);
}
#endif

TEST_CASE("storage changes, tables go, keys and dead entities stay what they are", "[migration]") {
    SimulatedFileSystem files;
    std::vector<Entity> entities;
    Entity dead;
    const std::string first = R"(
[tables.a]
fields = [ { name = "x", type = "u32" } ]
[tables.b]
storage = "sparse"
fields = [ { name = "x", type = "u32" }, { name = "note", type = "text" } ]
[tables.c]
fields = [ { name = "to", type = "entity", nullable = true } ]
[tables.tag]
storage = "sparse"
)";
    const std::string second = R"(
[tables.fresh]
[tables.b]
fields = [ { name = "x", type = "u64" }, { name = "note", type = "text" } ]
[tables.a]
storage = "sparse"
fields = [ { name = "x", type = "u32" } ]
[tables.c]
dropped = true
fields = [ { name = "to", type = "entity", nullable = true } ]
)";
    std::vector<std::uint32_t> versions;
    {
        Db db = open(files, first);
        const ecsdb::TableId a = db.schema().find_table("a")->id;
        const ecsdb::TableId b = db.schema().find_table("b")->id;
        const ecsdb::TableId c = db.schema().find_table("c")->id;
        const ecsdb::TableId tag = db.schema().find_table("tag")->id;
        for (std::uint32_t i = 0; i < 3000; ++i) {
            auto tx = db.begin();
            const Entity entity = tx.create();
            entities.push_back(entity);
            ecsdb::Row row{db.schema(), a};
            require(row.set("x", i));
            tx.insert_row(entity, a, row.bytes());
            if (i % 3 == 0) {
                ecsdb::Row of_b{db.schema(), b};
                require(of_b.set("x", i * 2));
                require(of_b.set("note", tx.text("note " + std::to_string(i))));
                tx.insert_row(entity, b, of_b.bytes());
            }
            if (i % 5 == 0) {
                ecsdb::Row of_c{db.schema(), c};
                require(of_c.set("to", entities[i / 2]));
                tx.insert_row(entity, c, of_c.bytes());
            }
            if (i % 7 == 0) {
                tx.insert_row(entity, tag, {});
            }
            REQUIRE(tx.submit().wait());
            if (i == 1500) {
                require(db.snapshot());
            }
        }
        dead = entities[9];
        require(db.destroy(dead).wait());
        for (const Entity entity : entities) {
            versions.push_back(db.read().entity_version(entity).value_or(0));
        }
    }
    Db db = open(files, second);
    const ecsdb::View view = db.read();
    CHECK(view.entity_count() == entities.size() - 1);
    CHECK_FALSE(view.is_alive(dead));
    const ecsdb::Schema& now = db.schema();
    CHECK(now.find_table("a")->id == 0);
    CHECK(now.find_table("b")->id == 1);
    CHECK(now.find_table("c") == nullptr);
    CHECK(now.find_table("tag")->id == 3);
    CHECK(now.find_table("fresh")->id == 4);
    const auto note = required(ecsdb::find_field<ecsdb::Text>(now, "b", "note"));
    bool right = true;
    for (std::uint32_t i = 0; i < entities.size(); ++i) {
        if (i == 9) {
            continue;
        }
        const Entity entity = entities[i];
        right = right && view.entity_version(entity) == versions[i];
        right = right && *view.get(entity, required(ecsdb::find_field<std::uint32_t>(now, "a", "x"))) == i;
        const std::byte* const b = view.find_row(entity, 1);
        right = right && (b != nullptr) == (i % 3 == 0);
        right = right && (b == nullptr || view.text(note.in(b)) == "note " + std::to_string(i));
        right = right && (b == nullptr || *view.get(entity, required(ecsdb::find_field<std::uint64_t>(now, "b", "x"))) == i * 2);
        right = right && view.find_row(entity, 2) == nullptr;
        right = right && (view.find_row(entity, 3) != nullptr) == (i % 7 == 0);
        if (!right) {
            FAIL("entity " << i);
        }
    }
    // An index that was freed comes back with a generation nobody has seen.
    for (int i = 0; i < 200; ++i) {
        const Entity fresh = add(db, "a", [](ecsdb::Row&, auto&) {});
        CHECK(std::find(entities.begin(), entities.end(), fresh) == entities.end());
    }
}

TEST_CASE("a step of the database sees all that was and changes all that will be", "[migration]") {
    SimulatedFileSystem files;
    const auto of = [](const std::string& version, const std::string& tables) {
        return "[database]\nname = \"game\"\nversion = \"" + version + "\"\n" + tables;
    };
    const std::string before = "[tables.purse]\nfields = [ { name = \"gold\", type = \"u32\" } ]\n";
    const std::string after = "[tables.coin]\nfields = [ { name = \"owner\", type = \"entity\", foreign_key = \"entities.id\" } ]\n"
                              "[tables.purse]\ndropped = true\nfields = [ { name = \"gold\", type = \"u32\" } ]\n";
    Entity owner;
    {
        Db db = open(files, of("1.0", before));
        owner = add(db, "purse", [](ecsdb::Row& row, auto&) { require(row.set("gold", std::uint32_t{3})); });
    }
    int called = 0;
    const auto make_coins = [&](const ecsdb::View& old, ecsdb::WriteState& state) {
        ++called;
        const auto gold = required(ecsdb::find_field<std::uint32_t>(old.schema(), "purse", "gold"));
        const ecsdb::Schema& now = state.buffer().store().schema();
        const ecsdb::TableId purse = old.schema().find_table("purse")->id;
        old.for_each_row(std::array{purse}, [&](Entity entity, const std::byte* const* rows) {
            for (std::uint32_t i = 0; i < gold.in(rows[0]); ++i) {
                ecsdb::Row row = required(ecsdb::Row::of(now, "coin"));
                require(row.set("owner", entity));
                require(state.insert_row(required(state.create()), row.table(), row.bytes()));
            }
        });
    };
    Migrations migrations;
    SECTION("in a chain") {
        migrations.database("1.5", "2.0", [&](const ecsdb::View&, ecsdb::WriteState&) { ++called; }).database("1.0", "1.5", make_coins);
        for (int opening = 0; opening < 2; ++opening) {
            Db db = open(files, of("2.0", after), migrations);
            CHECK(called == 2);
            CHECK(db.read().entity_count() == 4);
            CHECK(db.read().count_rows(db.schema().find_table("coin")->id) == 3);
            db.read().for_each_row(std::array{db.schema().find_table("coin")->id}, [&](Entity entity, const std::byte* const*) {
                CHECK(value<Entity>(db, entity, "coin", "owner") == owner);
            });
            CHECK(db.schema().database_version() == "2.0");
            CHECK(db.schema().history().back().table.empty());
            CHECK(db.schema().history().back().to == "2.0");
        }
    }
    SECTION("with a gap") {
        migrations.database("1.5", "2.0", make_coins);
        const std::size_t changes = files.changes();
        CHECK(mentions(refusal(files, of("2.0", after), migrations), "database: no step leads on from version `1.0`"));
        CHECK(files.changes() == changes);
        CHECK(called == 0);
    }
    SECTION("that breaks a promise") {
        migrations.database("1.0", "2.0", [&](const ecsdb::View&, ecsdb::WriteState& state) {
            const ecsdb::Schema& now = state.buffer().store().schema();
            ecsdb::Row row = required(ecsdb::Row::of(now, "coin"));
            require(row.set("owner", Entity{77, 1, 0}));
            require(state.insert_row(owner, row.table(), row.bytes()));
        });
        const auto error = refusal(files, of("2.0", after), migrations);
        CHECK(error.code() == ErrorCode::ConstraintViolation);
        CHECK(mentions(error, "step of the database from version `1.0` to `2.0`"));
        Db db = open(files, of("1.0", before));
        CHECK(value<std::uint32_t>(db, owner, "purse", "gold") == 3);
    }
    SECTION("that nobody needs") {
        Db db = open(files, of("3.0", before));
        CHECK(db.schema().database_version() == "3.0");
        CHECK(value<std::uint32_t>(db, owner, "purse", "gold") == 3);
    }
}

TEST_CASE("a crash at any point of a migration leaves the old database or the new one", "[migration][crash]") {
    SimulatedFileSystem files;
    files.record_history();
    const std::string second = "[tables.health]\nversion = 2\nfields = [ { name = \"hp\", type = \"u32\" }, "
                               "{ name = \"regeneration\", type = \"f32\", default = 1.5 }, { name = \"mana\", type = \"u8\" } ]\n";
    {
        Db db = open(files, health_1);
        for (std::uint8_t i = 0; i < 20; ++i) {
            wounded(db, i, 0.5F);
            if (i == 7 || i == 13) {
                require(db.snapshot());
            }
        }
        // The log has a tail behind the last snapshot, and no clean end.
    }
    const std::size_t first = files.changes();
    const Seen old = [&] {
        auto image = files.after_crash_at(first, {.keep = KeepPending::All});
        return look_at(*image);
    }();
    const auto report = required(ecsdb::migrate(on(files), schema(second)));
    CHECK(report.migrated);
    CHECK(report.rows == 20);
    CHECK(report.version == old.version + 1);
    const std::size_t last = files.changes();
    const Seen fresh = [&] {
        auto image = files.after_crash_at(last, {.keep = KeepPending::None});
        return look_at(*image);
    }();
    CHECK(fresh.schema == schema(second).hash());
    CHECK(fresh.version == report.version);
    std::size_t olds = 0;
    std::size_t news = 0;
    for (std::size_t change = first; change <= last; ++change) {
        for (const KeepPending keep : {KeepPending::None, KeepPending::All, KeepPending::Subset}) {
            CAPTURE(change, first, last, int(keep));
            CrashPlan plan;
            plan.keep = keep;
            plan.seed = change;
            plan.tear = change % 3 == 0 ? 1 : 512;
            auto image = files.after_crash_at(change, plan);
            const Seen seen = look_at(*image);
            if (seen.schema == old.schema) {
                ++olds;
                // Where the transaction that changes nothing was logged already, it is there.
                CHECK(seen.version >= old.version);
                CHECK(seen.version <= fresh.version);
                CHECK(seen.hash == old.hash);
            } else {
                ++news;
                CHECK(seen == fresh);
            }
            Db again = open(*image, second);
            CHECK(again.read().hash() == fresh.hash);
            CHECK(again.schema().history().size() == 1);
            add(again, "health", [](ecsdb::Row& row, auto&) { require(row.set("mana", std::uint8_t{1})); });
        }
    }
    CHECK(olds > 0);
    CHECK(news > 0);
}

TEST_CASE("a database whose snapshots build on each other is migrated whole, or not at all", "[migration][crash]") {
    SimulatedFileSystem files;
    const auto incremental = [](ecsdb::FileSystem& on_files) {
        auto options = on(on_files);
        options.incremental_snapshots = 3;
        options.incremental_percent = 1000;
        return options;
    };
    files.record_history();
    const std::string second = "[tables.health]\nversion = 2\nfields = [ { name = \"hp\", type = \"u32\" }, "
                               "{ name = \"regeneration\", type = \"f32\", default = 1.5 }, { name = \"mana\", type = \"u8\" } ]\n";
    {
        Db db = required(ecsdb::open_migrating(incremental(files), schema(health_1)));
        for (std::uint8_t i = 0; i < 30; ++i) {
            wounded(db, i, 0.5F);
            if (i % 4 == 3) {
                require(db.snapshot()); // a whole chain, and one of two links
            }
        }
        REQUIRE(db.snapshot_state().builds_on == 2);
    }
    const std::size_t first = files.changes();
    const Seen old = [&] {
        auto image = files.after_crash_at(first, {.keep = KeepPending::All});
        return look_at(*image);
    }();
    const auto report = required(ecsdb::migrate(incremental(files), schema(second)));
    CHECK(report.migrated);
    CHECK(report.rows == 30);
    const std::size_t last = files.changes();
    const Seen fresh = [&] {
        auto image = files.after_crash_at(last, {.keep = KeepPending::None});
        return look_at(*image);
    }();
    CHECK(fresh.schema == schema(second).hash());
    for (std::size_t change = first; change <= last; ++change) {
        for (const KeepPending keep : {KeepPending::None, KeepPending::All, KeepPending::Subset}) {
            CAPTURE(change, first, last, int(keep));
            CrashPlan plan;
            plan.keep = keep;
            plan.seed = change;
            plan.tear = change % 3 == 0 ? 1 : 512;
            auto image = files.after_crash_at(change, plan);
            const Seen seen = look_at(*image);
            CHECK(seen.hash == (seen.schema == old.schema ? old.hash : fresh.hash));
            std::uint64_t hash = 0;
            {
                Db db = required(ecsdb::open_migrating(incremental(*image), schema(second)));
                CHECK(db.read().hash() == fresh.hash);
                CHECK(db.snapshot_state().builds_on == 0); // nothing of the old schema is built on
                for (std::size_t link = 0; link < 3; ++link) {
                    add(db, "health", [](ecsdb::Row& row, auto&) { require(row.set("mana", std::uint8_t{1})); });
                    require(db.snapshot());
                    CHECK(db.snapshot_state().builds_on == link + 1);
                }
                hash = db.read().hash();
            }
            CHECK(look_at(*image).hash == hash);
        }
    }
}

TEST_CASE("a file system that fails anywhere in a migration leaves the old database or the new one", "[migration][fault]") {
    SimulatedFileSystem files;
    const std::string second = "[tables.health]\nversion = 2\nfields = [ { name = \"hp\", type = \"u32\" }, "
                               "{ name = \"regeneration\", type = \"f32\", default = 1.5 } ]\n";
    {
        Db db = open(files, health_1);
        for (std::uint8_t i = 0; i < 5; ++i) {
            wounded(db, i, 0.5F);
        }
    }
    const Seen old = [&] {
        auto image = files.after_crash({.keep = KeepPending::All});
        return look_at(*image);
    }();
    for (const auto operation : {ecsdb::FileOperation::Read, ecsdb::FileOperation::Write, ecsdb::FileOperation::Sync,
                                 ecsdb::FileOperation::Rename, ecsdb::FileOperation::SyncDirectory}) {
        for (std::uint64_t call = 1;; ++call) {
            CAPTURE(int(operation), call);
            auto image = files.after_crash({.keep = KeepPending::All});
            ecsdb::FaultFileSystem faulty{*image};
            faulty.inject({.operation = operation, .call = call, .sticky = true});
            const auto migrated = ecsdb::migrate(on(faulty), schema(second));
            faulty.clear_faults();
            const Seen seen = look_at(*image);
            const bool is_new = seen.schema != old.schema;
            CHECK((seen.hash == old.hash) == !is_new);
            if (migrated) {
                CHECK(is_new);
                break;
            }
        }
    }
}

TEST_CASE("memory that is refused anywhere in a migration leaves the old database or the new one", "[migration][memory]") {
    /// Refuses everything from one allocation on.
    class Failing final : public ecsdb::Allocator {
    public:
        explicit Failing(std::size_t good) : left_{good} {}
        void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
            if (left_ == 0) {
                return nullptr;
            }
            --left_;
            return system_.allocate(bytes, alignment);
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
            system_.deallocate(memory, bytes, alignment);
        }

    private:
        ecsdb::SystemAllocator system_;
        std::size_t left_;
    };
    SimulatedFileSystem files;
    const std::string second =
        "[tables.health]\nversion = 2\nfields = [ { name = \"hp\", type = \"u32\", constraint = \"unique\" }, "
        "{ name = \"regeneration\", type = \"f32\", default = 1.5 }, { name = \"note\", type = \"text\", default = \"x\" } ]\n";
    {
        Db db = open(files, health_1);
        for (std::uint8_t i = 0; i < 5; ++i) {
            wounded(db, i, 0.5F);
        }
    }
    const Seen old = [&] {
        auto image = files.after_crash({.keep = KeepPending::All});
        return look_at(*image);
    }();
    std::size_t refused = 0;
    for (std::size_t good = 0;; ++good) {
        CAPTURE(good);
        auto image = files.after_crash({.keep = KeepPending::All});
        Failing allocator{good};
        auto options = on(*image);
        options.allocator = &allocator;
        const auto migrated = ecsdb::migrate(options, schema(second));
        const Seen seen = look_at(*image);
        if (migrated) {
            CHECK(seen.schema != old.schema);
            break;
        }
        ++refused;
        CHECK(migrated.error().code() == ErrorCode::OutOfMemory);
        CHECK((seen.hash == old.hash) == (seen.schema == old.schema));
    }
    CHECK(refused > 20);
}

} // namespace migrate_test
