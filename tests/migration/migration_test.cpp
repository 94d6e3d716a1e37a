#include "ecsdb/migration.hpp"

#include "migration/migration_fixture.hpp"

namespace old_program {
struct Position {
    float x, y;
};
struct Bag {
    std::uint16_t gold;
};
} // namespace old_program
ECSDB_COMPONENT(old_program::Position, x, y);
ECSDB_COMPONENT(old_program::Bag, gold);

namespace new_program {
struct Position {
    float x, y, z;
};
struct Bag {
    std::uint32_t silver;
};
struct Speed {
    float v;
};
} // namespace new_program
ECSDB_COMPONENT(new_program::Position, x, y, z);
ECSDB_COMPONENT(new_program::Bag, silver);
ECSDB_COMPONENT(new_program::Speed, v);
template <>
struct ecsdb::ComponentOptions<new_program::Bag> {
    static constexpr std::uint32_t version = 2;
};

namespace migration_open_test {

using namespace migration_test;
using OldDb = ecsdb::Database<old_program::Position, old_program::Bag>;
using NewDb = ecsdb::Database<new_program::Speed, new_program::Position, new_program::Bag>;

TEST_CASE("a program whose structs have grown opens what it wrote before", "[migration]") {
    SimulatedFileSystem files;
    Entity entity;
    {
        OldDb db = required(OldDb::open(on(files)));
        auto tx = db.begin();
        entity = tx.create(old_program::Position{1, 2}, old_program::Bag{7});
        require(tx.commit());
    }
    Migrations migrations;
    SECTION("with the steps it needs") {
        migrations.step<old_program::Bag, new_program::Bag>("Bag", 1, 2,
                                                            [](const old_program::Bag& old) { return new_program::Bag{old.gold * 10U}; });
        for (int opening = 0; opening < 2; ++opening) {
            NewDb db = required(ecsdb::open_migrating<NewDb>(on(files), migrations));
            const auto position = db.get<new_program::Position>(entity);
            REQUIRE(position);
            CHECK(position->y == 2);
            CHECK(position->z == 0);
            CHECK(db.get<new_program::Bag>(entity)->silver == 70);
            CHECK(db.read().count<new_program::Speed>() == static_cast<std::uint64_t>(opening));
            auto tx = db.begin();
            tx.create(new_program::Speed{3});
            require(tx.commit());
        }
        auto old = OldDb::open(on(files));
        REQUIRE_FALSE(old);
        CHECK(old.error().code() == ErrorCode::SchemaMismatch);
        auto older = ecsdb::open_migrating<OldDb>(on(files));
        REQUIRE_FALSE(older);
        CHECK(mentions(older.error(), "field `z` would be gone"));
    }
    SECTION("without them") {
        auto refused = ecsdb::open_migrating<NewDb>(on(files), migrations);
        REQUIRE_FALSE(refused);
        CHECK(mentions(refused.error(), "table `Bag`: field `gold` would be gone: that needs a step from version 1 to 2"));
        OldDb db = required(OldDb::open(on(files)));
        CHECK(db.get<old_program::Bag>(entity)->gold == 7);
    }
}

TEST_CASE("a database in memory, and one that is not there yet, are simply opened", "[migration]") {
    ecsdb::Options options;
    options.own_thread = false;
    CHECK(ecsdb::open_migrating<NewDb>(options));
    SimulatedFileSystem files;
    CHECK(ecsdb::open_migrating<NewDb>(on(files)));
    SimulatedFileSystem other;
    CHECK(ecsdb::open_migrating(on(other), schema("[tables.t]\n")));
}

TEST_CASE("the other tables of a database stay as they are, with what they promise", "[migration]") {
    SimulatedFileSystem files;
    Entity entity;
    {
        Db db = open(files, R"(
[tables.Position]
fields = [ { name = "x", type = "f32", max = 100.0 }, { name = "y", type = "f32" } ]
[tables.owner]
fields = [ { name = "of", type = "entity", foreign_key = "Position.entity_id" } ]
)");
        entity = add(db, "Position", [](ecsdb::Row&, auto&) {});
        add(db, "owner", [&](ecsdb::Row& row, auto&) { require(row.set("of", entity)); });
    }
    using OnePosition = ecsdb::Database<new_program::Position>;
    OnePosition db = required(ecsdb::open_migrating<OnePosition>(on(files)));
    const auto beyond = db.update(entity, new_program::Position{101, 0, 0}).wait();
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error().code() == ErrorCode::ConstraintViolation);
    CHECK(db.read().count_rows(db.schema().find_table("owner")->id) == 1);
    CHECK_FALSE(db.destroy(entity).wait());
}

} // namespace migration_open_test
