#include "ecsdb/transaction/delta_recorder.hpp"

#include "transaction/random_program.hpp"

#include <string>
#include <vector>

namespace ecsdb::test::delta_recorder_test {
namespace {

/// A database with one entity, whose next transaction's delta is looked at.
struct Scene {
    Recorder recorder;
    World8 db = open_db(stepped());
    Replica replica{db.schema()};
    Entity hero;

    Scene() {
        db.engine().pipeline().writer().join(recorder);
        auto tx = db.begin();
        hero = tx.create(Account{1});
        REQUIRE(tx.commit());
    }

    /// Commits, and applies every delta so far to the replica, which must then be equal.
    delta::DeltaView commit(World8::Transaction& tx) {
        REQUIRE(tx.commit());
        for (const Recorder::Step& step : recorder.steps) {
            const Result<bool> applied = replica.apply(step.delta);
            if (!applied) {
                FAIL(applied.error().to_string());
            }
        }
        CHECK(replica.hash() == recorder.steps.back().hash);
        CHECK(replica.counts() == recorder.steps.back().counts);
        Result<delta::DeltaView> view = delta::DeltaView::parse(recorder.steps.back().delta);
        REQUIRE(view);
        return *view;
    }
    std::size_t sections(const delta::DeltaView& view) {
        std::size_t count = 0;
        view.for_each_section([&](const delta::Section&) { ++count; });
        return count;
    }
};

} // namespace

TEST_CASE("the removal of a tag is a removal, although a tag has no bytes", "[transaction][delta]") {
    Scene scene;
    auto add = scene.db.begin();
    add.insert(scene.hero, Visible{}).insert(scene.hero, Burning{});
    static_cast<void>(scene.commit(add));
    auto remove_one = scene.db.begin();
    remove_one.remove<Visible>(scene.hero);
    static_cast<void>(scene.commit(remove_one));
    auto remove_other = scene.db.begin();
    remove_other.remove<Burning>(scene.hero);
    static_cast<void>(scene.commit(remove_other));
    const storage::Root& root = scene.replica.world().published();
    CHECK(root.find_row(*root.find_living(scene.hero), scene.hero.index(), 4) == nullptr);
    CHECK(root.find_row(*root.find_living(scene.hero), scene.hero.index(), 7) == nullptr);
}

TEST_CASE("a row written with what it held already is counted, in the replica too", "[transaction][delta]") {
    Scene scene;
    auto same = scene.db.begin();
    same.update(scene.hero, Account{1});
    CHECK(scene.commit(same).header().counted);
    auto tag = scene.db.begin();
    tag.insert(scene.hero, Visible{});
    static_cast<void>(scene.commit(tag));
    auto again = scene.db.begin();
    again.set(scene.hero, Visible{});
    static_cast<void>(scene.commit(again));
    CHECK(scene.db.read().entity_version(scene.hero) == 4U);
}

TEST_CASE("a row that came and went leaves nothing but its entity's count", "[transaction][delta]") {
    Scene scene;
    SECTION("alone") {
        auto tx = scene.db.begin();
        tx.insert(scene.hero, Position{}).remove<Position>(scene.hero);
        const delta::DeltaView view = scene.commit(tx);
        CHECK_FALSE(view.header().counted);
        CHECK(scene.sections(view) == 1);
    }
    SECTION("beside a change of another entity") {
        auto tx = scene.db.begin();
        tx.insert(scene.hero, Position{}).remove<Position>(scene.hero).create(Level{1});
        const delta::DeltaView view = scene.commit(tx);
        CHECK_FALSE(view.header().counted);
        CHECK(scene.sections(view) == 3);
    }
    SECTION("beside a change of the same entity") {
        auto tx = scene.db.begin();
        tx.insert(scene.hero, Position{}).update(scene.hero, Account{2}).remove<Position>(scene.hero);
        const delta::DeltaView view = scene.commit(tx);
        CHECK(view.header().counted);
        CHECK(scene.sections(view) == 1);
    }
    SECTION("with the entity") {
        auto tx = scene.db.begin();
        tx.insert(scene.hero, Position{}).remove<Position>(scene.hero).destroy(scene.hero);
        const delta::DeltaView view = scene.commit(tx);
        CHECK(view.header().counted);
        CHECK(scene.sections(view) == 1);
    }
    CHECK(scene.db.read().entity_version(scene.hero).value_or(2) == 2);
}

TEST_CASE("an entity that came and went leaves its spent generation", "[transaction][delta]") {
    Scene scene;
    auto tx = scene.db.begin();
    const Entity ghost = tx.create(Position{}, Wide{});
    tx.insert(ghost, Target{}).destroy(ghost);
    const delta::DeltaView view = scene.commit(tx);
    CHECK(scene.sections(view) == 1);
    const storage::EntityRecord* const record = scene.replica.world().published().entities.find(ghost.index());
    REQUIRE(record != nullptr);
    CHECK(record->generation == ghost.generation());
    CHECK(record->archetype == storage::no_archetype);
}

TEST_CASE("a transaction without an effect is a header, and a version", "[transaction][delta]") {
    Scene scene;
    auto tx = scene.db.begin();
    tx.remove<Position>(scene.hero).destroy(Entity{700, 1, 0});
    const delta::DeltaView view = scene.commit(tx);
    CHECK(scene.sections(view) == 0);
    CHECK(view.header().from == 1);
    CHECK(view.header().to == 2);
}

TEST_CASE("the delta of one changed field is a few bytes", "[transaction][delta]") {
    Scene scene;
    auto add = scene.db.begin();
    add.insert(scene.hero, Position{1, 2, 3});
    static_cast<void>(scene.commit(add));
    auto tx = scene.db.begin();
    tx.update(scene.hero, &Position::y, 9.0F);
    static_cast<void>(scene.commit(tx));
    CHECK(scene.recorder.steps.back().delta.size() <= 16);
}

TEST_CASE("the same changes in another order are the same delta", "[transaction][delta]") {
    std::vector<std::vector<std::byte>> deltas;
    for (const bool reversed : {false, true}) {
        Recorder recorder;
        World8 db = open_db(stepped());
        db.engine().pipeline().writer().join(recorder);
        auto tx = db.begin();
        std::vector<Entity> entities;
        for (int i = 0; i < 50; ++i) {
            entities.push_back(tx.create());
        }
        REQUIRE(tx.commit());
        auto change = db.begin();
        for (std::size_t i = 0; i < entities.size(); ++i) {
            const std::size_t k = reversed ? entities.size() - 1 - i : i;
            change.insert(entities[k], Target{k}).insert(entities[k], Account{std::int64_t(k)});
        }
        REQUIRE(change.commit());
        deltas.push_back(recorder.steps.back().delta);
    }
    CHECK(deltas[0] == deltas[1]);
}

} // namespace ecsdb::test::delta_recorder_test
