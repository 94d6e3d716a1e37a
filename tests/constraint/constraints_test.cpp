#include "ecsdb/constraint/constraints.hpp"

#include "constraint/constraint_fixture.hpp"

#include <vector>

namespace ecsdb::test::constraints_test {
namespace {

constexpr std::string_view ships = R"(
[tables.ship]
fields = [ { name = "hull", type = "u32", min = 1, max = 100, default = 50 } ]
[tables.cargo]
parent_table = "ship"
fields = [ { name = "tons", type = "u32" } ]
[tables.crate]
parent_table = "cargo"
storage = "sparse"
[tables.captain]
fields = [ { name = "ship", type = "entity", foreign_key = "ship.entity_id", constraint = "not_null" } ]
[tables.wake]
fields = [ { name = "ship", type = "entity", foreign_key = "ship.entity_id", on_delete = "cascade" } ]
[tables.memory]
fields = [ { name = "ship", type = "entity", foreign_key = "ship.entity_id", on_delete = "set_null" } ]
[tables.follower]
fields = [ { name = "of", type = "entity", foreign_key = "follower.entity_id", on_delete = "cascade" } ]
)";

} // namespace

TEST_CASE("a row that breaks its bounds fails its transaction with everything else in it", "[constraint]") {
    Scene scene{ships};
    scene.refuse({"table `ship`", "field `hull`", "entity 0 (generation 1)", "101 is above max 100"}, [&](auto& tx) {
        tx.insert(tx.create(), scene.row("ship", "hull", 101U));
        tx.insert(tx.create(), scene.row("ship"));
    });
    const Entity ship = scene.add(scene.row("ship"));
    const auto hull = *find_field<std::uint32_t>(scene.schema(), "ship", "hull");
    scene.refuse({"`hull`", "0 is below min 1"}, [&](auto& tx) { tx.update(ship, hull, 0U); });
    scene.accept([&](auto& tx) {
        tx.update(ship, hull, 0U); // only the end counts
        tx.update(ship, hull, 7U);
    });
    CHECK(scene.get<std::uint32_t>(ship, "ship", "hull") == 7);
    CHECK(scene.db().statistics().failed == 2);
}

TEST_CASE("a bad row that is gone again by the end is nobody's business", "[constraint]") {
    Scene scene{ships};
    scene.accept([&](auto& tx) {
        const Entity a = tx.create();
        tx.insert(a, scene.row("ship", "hull", 500U));
        tx.remove_row(a, scene.table("ship"));
        const Entity b = tx.create();
        tx.insert(b, scene.row("ship", "hull", 500U));
        tx.destroy(b);
    });
}

TEST_CASE("function transactions are checked like any other, and see nothing of it before", "[constraint]") {
    Scene scene{ships};
    const std::uint64_t hash = scene.db().read().hash();
    const Result<Entity> created = scene.db().execute([&](auto& state) -> Result<Entity> {
        Result<Entity> entity = state.create();
        if (!entity || !state.insert_row(*entity, scene.table("cargo"), scene.row("cargo").bytes())) {
            return Error{ErrorCode::Aborted, "unexpected"};
        }
        return entity;
    });
    REQUIRE_FALSE(created);
    CHECK(created.error().code() == ErrorCode::ConstraintViolation);
    CHECK(created.error().message().find("`cargo`") != std::string::npos);
    CHECK(created.error().message().find("parent table `ship`") != std::string::npos);
    CHECK(scene.db().read().hash() == hash);
}

TEST_CASE("a child needs its parent by the end, and goes with it", "[constraint]") {
    Scene scene{ships};
    scene.refuse({"table `cargo`", "entity 0", "parent table `ship`"}, [&](auto& tx) { tx.insert(tx.create(), scene.row("cargo")); });
    Entity e;
    scene.accept([&](auto& tx) {
        e = tx.create();
        tx.insert(e, scene.row("crate")); // the order does not matter
        tx.insert(e, scene.row("cargo"));
        tx.insert(e, scene.row("ship"));
    });
    scene.refuse({"table `cargo`", "parent table `ship`"}, [&](auto& tx) {
        tx.remove_row(e, scene.table("cargo"));
        tx.remove_row(e, scene.table("ship"));
        tx.insert(e, scene.row("cargo")); // written by the transaction itself
    });
    scene.accept([&](auto& tx) {
        tx.remove_row(e, scene.table("ship"));
        tx.insert(e, scene.row("ship")); // there at the end
    });
    CHECK(scene.has(e, "cargo"));
    scene.accept([&](auto& tx) { tx.remove_row(e, scene.table("ship")); });
    CHECK(scene.is_alive(e));
    CHECK_FALSE(scene.has(e, "ship"));
    CHECK_FALSE(scene.has(e, "cargo"));
    CHECK_FALSE(scene.has(e, "crate"));
    // Counted once, however much of it went.
    CHECK(scene.db().read().entity_version(e) == 3);
}

TEST_CASE("a foreign key names a living entity with the table it asks for", "[constraint]") {
    Scene scene{ships};
    const Entity bare = scene.add();
    const Entity ship = scene.add(scene.row("ship"));
    const Entity gone = scene.add(scene.row("ship"));
    scene.accept([&](auto& tx) { tx.destroy(gone); });
    const auto refused = [&](Entity target, std::string_view why) {
        scene.refuse({"table `captain`", "field `ship`", "names", why},
                     [&](auto& tx) { tx.insert(tx.create(), scene.row("captain", "ship", target)); });
    };
    refused(bare, "with a row in `ship`, which has none");
    refused(gone, "is not alive");
    refused(Entity{ship.index(), ship.generation() + 1, 0}, "is not alive");
    refused(Entity{ship.index(), ship.generation(), 3}, "is of shard 3");
    refused(Entity{9999, 1, 0}, "is not alive");
    scene.refuse({"`captain`", "is null"}, [&](auto& tx) { tx.insert(tx.create(), scene.row("captain")); });
    scene.add(scene.row("memory")); // null where that is allowed
    scene.add(scene.row("captain", "ship", ship));
    // A target that comes later in the same transaction.
    scene.accept([&](auto& tx) {
        const Entity captain = tx.create();
        const Entity target = tx.create();
        tx.insert(captain, scene.row("captain", "ship", target));
        tx.insert(target, scene.row("ship"));
    });
}

TEST_CASE("restrict keeps a target, by destroying and by removing, unless who names it goes as well", "[constraint]") {
    Scene scene{ships};
    const Entity ship = scene.add(scene.row("ship"));
    const Entity captain = scene.add(scene.row("captain", "ship", ship));
    const std::string entity = "entity " + std::to_string(ship.index()) + " (generation 1)";
    const std::string by = "entity " + std::to_string(captain.index()) + " (generation 1)";
    scene.refuse({"table `captain`", "field `ship`", entity, by, "restrict"}, [&](auto& tx) { tx.destroy(ship); });
    scene.refuse({"`captain`", entity, by, "restrict"}, [&](auto& tx) { tx.remove_row(ship, scene.table("ship")); });
    const Entity other = scene.add(scene.row("ship"));
    const auto key = *find_field<Entity>(scene.schema(), "captain", "ship");
    scene.accept([&](auto& tx) {
        tx.destroy(ship);
        tx.update(captain, key, other);
    });
    scene.accept([&](auto& tx) {
        tx.destroy(other);
        tx.destroy(captain);
    });
    CHECK(scene.key_count() == 0);
}

TEST_CASE("cascade takes the row and not its entity; set_null clears the key and keeps the row", "[constraint]") {
    Scene scene{ships};
    for (const bool destroys : {true, false}) {
        const Entity ship = scene.add(scene.row("ship"));
        const Entity wake = scene.add(scene.row("wake", "ship", ship), scene.row("ship"));
        const Entity memory = scene.add(scene.row("memory", "ship", ship));
        const Entity elsewhere = scene.add(scene.row("wake", "ship", wake));
        scene.accept([&](auto& tx) {
            if (destroys) {
                tx.destroy(ship);
            } else {
                tx.remove_row(ship, scene.table("ship"));
            }
        });
        CHECK(scene.is_alive(wake));
        CHECK(scene.has(wake, "ship"));
        CHECK_FALSE(scene.has(wake, "wake"));
        CHECK(scene.get<Entity>(memory, "memory", "ship").is_null());
        CHECK(scene.has(elsewhere, "wake"));
    }
}

TEST_CASE("what a transaction writes itself must hold: no cascade undoes it", "[constraint]") {
    Scene scene{ships};
    const Entity ship = scene.add(scene.row("ship"));
    const Entity memory = scene.add(scene.row("memory"));
    scene.refuse({"`wake`", "names", "not alive"}, [&](auto& tx) {
        tx.insert(tx.create(), scene.row("wake", "ship", ship));
        tx.destroy(ship);
    });
    scene.refuse({"`memory`", "names"}, [&](auto& tx) {
        tx.destroy(ship);
        tx.update(memory, *find_field<Entity>(scene.schema(), "memory", "ship"), ship);
    });
}

TEST_CASE("cascades run along chains and round circles, and end", "[constraint]") {
    Scene scene{ships};
    std::vector<Entity> ring;
    scene.accept([&](auto& tx) {
        for (int i = 0; i < 1000; ++i) {
            ring.push_back(tx.create());
        }
        for (std::size_t i = 0; i < ring.size(); ++i) {
            tx.insert(ring[i], scene.row("follower", "of", ring[(i + 1) % ring.size()]));
        }
    });
    const Entity self = scene.add();
    scene.accept([&](auto& tx) { tx.insert(self, scene.row("follower", "of", self)); });
    scene.accept([&](auto& tx) { tx.destroy(ring[500]); });
    const auto view = scene.db().read();
    CHECK(view.count_rows(scene.table("follower")) == 1);
    CHECK(view.entity_count() == 1000);
    scene.accept([&](auto& tx) { tx.remove_row(self, scene.table("follower")); });
    CHECK(scene.key_count() == 0);
}

TEST_CASE("a cascade that ends at a restrict is taken back as a whole", "[constraint]") {
    Scene scene{R"(
[tables.a]
[tables.b]
fields = [ { name = "a", type = "entity", foreign_key = "a.entity_id", on_delete = "cascade" } ]
[tables.c]
fields = [ { name = "b", type = "entity", foreign_key = "b.entity_id" } ]
)"};
    const Entity a = scene.add(scene.row("a"));
    const Entity b = scene.add(scene.row("b", "a", a));
    const Entity c = scene.add(scene.row("c", "b", b));
    scene.refuse({"table `c`", "field `b`", "entity 1", "entity 2", "restrict"}, [&](auto& tx) { tx.destroy(a); });
    CHECK(scene.has(b, "b"));
    scene.accept([&](auto& tx) {
        tx.destroy(a);
        tx.destroy(c);
    });
    CHECK_FALSE(scene.has(b, "b"));
}

TEST_CASE("a vetoed transaction leaves its neighbours in the batch alone", "[constraint]") {
    Scene scene{ships};
    const Entity ship = scene.add(scene.row("ship"));
    std::vector<Ticket> tickets;
    for (int i = 0; i < 20; ++i) {
        auto tx = scene.db().begin();
        const Entity e = tx.create();
        tx.insert(e, scene.row("captain", "ship", i % 2 == 0 ? ship : e));
        tickets.push_back(tx.submit());
    }
    for (std::size_t i = 0; i < tickets.size(); ++i) {
        CHECK(tickets[i].wait().has_value() == (i % 2 == 0));
    }
    CHECK(scene.db().read().count_rows(scene.table("captain")) == 10);
    CHECK(scene.key_count() == 10);
}

TEST_CASE("what a database on disk holds is known again after it was opened, and bound by it", "[constraint]") {
    SimulatedFileSystem files;
    Options options;
    options.directory = "/db";
    options.durability = Durability::Logged;
    options.file_system = &files;
    Entity ship;
    Entity wake;
    {
        Scene scene{ships, options};
        ship = scene.add(scene.row("ship"));
        wake = scene.add(scene.row("wake", "ship", ship));
        scene.add(scene.row("captain", "ship", ship));
        REQUIRE(scene.db().close());
    }
    Scene scene{ships, options};
    CHECK(scene.key_count() == 0); // not before it is needed
    const std::uint64_t hash = scene.db().read().hash();
    const Result<void> refused = scene.commit([&](auto& tx) { tx.destroy(ship); });
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::ConstraintViolation);
    CHECK(scene.db().read().hash() == hash);
    CHECK(scene.key_count() == 2);
    CHECK(scene.has(wake, "wake"));
}

TEST_CASE("cascades are in the log: replaying it needs no constraints", "[constraint]") {
    SimulatedFileSystem files;
    Options options;
    options.directory = "/db";
    options.durability = Durability::Logged;
    options.file_system = &files;
    std::uint64_t hash = 0;
    {
        Scene scene{ships, options};
        const Entity ship = scene.add(scene.row("ship"));
        scene.add(scene.row("wake", "ship", ship));
        scene.add(scene.row("memory", "ship", ship));
        scene.accept([&](auto& tx) { tx.destroy(ship); });
        hash = scene.db().read().hash();
        REQUIRE(scene.db().close());
    }
    Scene scene{ships, options};
    CHECK(scene.db().read().hash() == hash);
    CHECK(scene.db().recovery_report().replayed == 4);
}

TEST_CASE("a schema without promises has no participant, and records nothing", "[constraint]") {
    Scene plain{"[tables.position]\nfields = [ { name = \"x\", type = \"f32\" } ]\n[tables.tag]\n"};
    CHECK(plain.db().engine().constraints() == nullptr);
    CHECK_FALSE(plain.db().engine().pipeline().writer().records());
    Scene bound{ships};
    CHECK(bound.db().engine().constraints() != nullptr);
}

namespace {

/// Fails the batches or transactions it is told to, as a log that cannot write would.
class Saboteur final : public transaction::Participant {
public:
    [[nodiscard]] bool wants_changes() const noexcept override { return false; }
    [[nodiscard]] Result<void> prepare(storage::WriteBuffer&) noexcept override { return result(vetoes); }
    [[nodiscard]] Result<void> seal(const storage::Root&, storage::Root&) noexcept override { return result(discards); }

    bool vetoes = false;
    bool discards = false;

private:
    static Result<void> result(bool fails) { return fails ? Result<void>{Error{ErrorCode::Io, "sabotage"}} : Result<void>{}; }
};

} // namespace

TEST_CASE("what others veto or discard was never known", "[constraint]") {
    Saboteur saboteur; // outlives the writer
    Scene scene{R"(
[tables.name]
fields = [ { name = "text", type = "string[8]", constraint = "unique" } ]
)"};
    scene.db().engine().pipeline().writer().join(saboteur);
    const Entity first = scene.add(scene.row("name", "text", "ada"));
    for (bool Saboteur::*const way : {&Saboteur::vetoes, &Saboteur::discards}) {
        saboteur.*way = true;
        CHECK_FALSE(scene.commit([&](auto& tx) { tx.insert(tx.create(), scene.row("name", "text", "bob")); }));
        CHECK_FALSE(scene.commit([&](auto& tx) { tx.destroy(first); }));
        saboteur.*way = false;
        scene.refuse({"unique"}, [&](auto& tx) { tx.insert(tx.create(), scene.row("name", "text", "ada")); });
        const Entity bob = scene.add(scene.row("name", "text", "bob"));
        CHECK(scene.key_count() == 2);
        scene.accept([&](auto& tx) { tx.destroy(bob); });
    }
    CHECK(scene.key_count() == 1);
}

} // namespace ecsdb::test::constraints_test
