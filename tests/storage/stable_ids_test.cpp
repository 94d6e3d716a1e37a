#include "ecsdb/storage/stable_ids.hpp"

#include "ecsdb/database.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "transaction/transaction_fixture.hpp"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace ecsdb::test::stable_ids_test {

struct Thing {
    std::uint32_t number;
};
ECSDB_COMPONENT(Thing, number);

namespace {

using World = Database<Thing, ImportedId>;

template <typename... Cs>
Entity make(World& db, const Cs&... components) {
    auto tx = db.begin();
    const Entity entity = tx.create(components...);
    REQUIRE(tx.commit());
    return entity;
}

constexpr StableId foreign{0xF0F0, 7};

} // namespace

TEST_CASE("nobody has a stable id who is not alive, and nobody has the null one", "[storage][stable_id]") {
    World db = open_db<World>(stepped());
    const Entity dead = make(db, Thing{1}, ImportedId{foreign});
    const StableId derived = StableId::derive(db.read().stable_ids().identity(), dead);
    REQUIRE(db.destroy(dead).wait());
    const auto view = db.read();
    CHECK(view.stable_id(dead).is_null());
    CHECK(view.stable_id(Entity{}).is_null());
    CHECK(view.stable_id(Entity{99, 1, 0}).is_null());
    CHECK(view.stable_id(Entity{dead.index(), dead.generation() + 1, 0}).is_null());
    CHECK(view.find(foreign).is_null());
    CHECK(view.find(derived).is_null());
    CHECK(view.find(StableId{}).is_null());
    CHECK(view.find(StableId{1, 1}).is_null());
}

TEST_CASE("every entity has a derived id of its own that leads back to it", "[storage][stable_id]") {
    const auto db = open_db<Database<Thing>>(stepped());
    auto writable = open_db<Database<Thing>>(stepped());
    auto tx = writable.begin();
    const std::vector<Entity> all = tx.create_many(500, Thing{1});
    REQUIRE(tx.commit());
    const auto view = writable.read();
    std::set<StableId> ids;
    for (const Entity entity : all) {
        const StableId id = view.stable_id(entity);
        CHECK(id);
        ids.insert(id);
        CHECK(view.find(id) == entity);
        CHECK(db.read().find(id).is_null()); // another database's
    }
    CHECK(ids.size() == all.size());
}

TEST_CASE("two databases derive different ids for the same entity", "[storage][stable_id]") {
    World one = open_db<World>(stepped());
    World two = open_db<World>(stepped());
    const Entity in_one = make(one, Thing{1});
    REQUIRE(make(two, Thing{1}) == in_one);
    CHECK(one.read().stable_id(in_one) != two.read().stable_id(in_one));
}

TEST_CASE("an imported id stands in for the derived one until it is removed", "[storage][stable_id]") {
    World db = open_db<World>(stepped());
    const Entity entity = make(db, Thing{1});
    const auto before = db.read();
    const StableId derived = before.stable_id(entity);
    REQUIRE(db.insert(entity, ImportedId{foreign}).wait());
    const auto during = db.read();
    CHECK(during.stable_id(entity) == foreign);
    CHECK(during.find(foreign) == entity);
    CHECK(during.find(derived).is_null());
    REQUIRE(db.remove<ImportedId>(entity).wait());
    const auto after = db.read();
    CHECK(after.stable_id(entity) == derived);
    CHECK(after.find(foreign).is_null());
    CHECK(after.find(derived) == entity);
    // Each view sees its own version.
    CHECK(before.find(foreign).is_null());
    CHECK(during.find(foreign) == entity);
}

TEST_CASE("a function transaction finds entities by stable id, those of its own making included", "[transaction][stable_id]") {
    World db = open_db<World>(stepped());
    const Entity old = make(db, Thing{1});
    const Entity imported = make(db, Thing{2}, ImportedId{foreign});
    const auto done = db.execute([&](auto& state) -> Result<void> {
        CHECK(state.find(state.stable_id(old)) == old);
        CHECK(state.find(foreign) == imported);
        CHECK(state.stable_id(imported) == foreign);
        CHECK(state.find(StableId{1, 2}).is_null());
        CHECK(state.find(StableId{}).is_null());

        const auto made = state.create(ImportedId{StableId{1, 2}});
        REQUIRE(made);
        CHECK(state.find(StableId{1, 2}) == *made);
        REQUIRE(state.update(*made, ImportedId{StableId{1, 3}}));
        CHECK(state.find(StableId{1, 2}).is_null());
        CHECK(state.find(StableId{1, 3}) == *made);
        REQUIRE(state.destroy(*made));
        CHECK(state.find(StableId{1, 3}).is_null());
        REQUIRE(state.template remove<ImportedId>(imported));
        CHECK(state.find(foreign).is_null());
        return Error{ErrorCode::Aborted, "that will do"};
    });
    CHECK_FALSE(done);
    // Rolled back: as it was.
    CHECK(db.execute([&](auto& state) { return state.find(foreign) == imported && state.find(StableId{1, 2}).is_null(); }).value_or(false));
}

TEST_CASE("a function transaction finds what earlier transactions of its batch imported", "[transaction][stable_id]") {
    World db = open_db<World>(stepped());
    auto tx = db.begin();
    const Entity imported = tx.create(ImportedId{foreign});
    Ticket ticket = tx.submit(); // waits in the queue, to be run in one batch with the function
    const auto found = db.execute([&](auto& state) { return state.find(foreign); });
    REQUIRE(found);
    CHECK(*found == imported);
    CHECK(ticket.wait());
    CHECK(db.statistics().batches == 1);
}

TEST_CASE("a schema without imported ids still finds derived ones in a function transaction", "[transaction][stable_id]") {
    auto db = open_db<Database<Thing>>(stepped());
    const auto done = db.execute([&](auto& state) -> Result<void> {
        const auto made = state.create(Thing{1});
        REQUIRE(made);
        CHECK(state.find(state.stable_id(*made)) == *made);
        CHECK(state.find(foreign).is_null());
        return {};
    });
    CHECK(done);
}

TEST_CASE("stable ids are the same after reopening, from the log and from a snapshot", "[recovery][stable_id]") {
    SimulatedFileSystem files;
    Options options = stepped();
    options.directory = "world";
    options.durability = Durability::Synced;
    options.file_system = &files;
    const bool saved = GENERATE(false, true);
    Entity plain;
    Entity imported;
    StableId derived;
    {
        World db = open_db<World>(options);
        plain = make(db, Thing{1});
        imported = make(db, Thing{2}, ImportedId{foreign});
        derived = db.read().stable_id(plain);
        if (saved) {
            REQUIRE(db.snapshot());
        }
    }
    for (const OpenMode mode : {OpenMode::ReadOnly, OpenMode::ReadWrite}) {
        options.mode = mode;
        World db = open_db<World>(options);
        const auto view = db.read();
        CHECK(view.stable_id(plain) == derived);
        CHECK(view.find(derived) == plain);
        CHECK(view.stable_id(imported) == foreign);
        CHECK(view.find(foreign) == imported);
        if (mode == OpenMode::ReadWrite) {
            CHECK_FALSE(db.insert(plain, ImportedId{foreign}).wait());
            CHECK(db.execute([&](auto& state) { return state.find(foreign) == imported; }).value_or(false));
        }
    }
}

TEST_CASE("a crash while a snapshot is damaged changes no stable id", "[recovery][stable_id]") {
    SimulatedFileSystem files;
    Options options = stepped();
    options.directory = "world";
    options.durability = Durability::Synced;
    options.file_system = &files;
    Entity entity;
    StableId id;
    {
        World db = open_db<World>(options);
        entity = make(db, Thing{1});
        id = db.read().stable_id(entity);
        REQUIRE(db.snapshot());
        make(db, Thing{2});
        REQUIRE(db.snapshot());
    }
    REQUIRE(files.remove("world/snapshot-2.ecsdb")); // the one before it is used, in a store made anew
    World db = open_db<World>(options);
    CHECK(db.recovery_report().snapshot_version == 1);
    CHECK(db.read().stable_id(entity) == id);
}

} // namespace ecsdb::test::stable_ids_test
