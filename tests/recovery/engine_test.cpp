#include "ecsdb/recovery/engine.hpp"

#include "recovery/world.hpp"

namespace engine_test {

using namespace recovery_test;
using ecsdb::Durability;
using ecsdb::ErrorCode;

TEST_CASE("a database in memory has nothing to flush or to save", "[recovery]") {
    World world = open_or_fail({});
    require(world.flush(Durability::Memory));
    auto flushed = world.flush(Durability::Synced);
    REQUIRE_FALSE(flushed);
    CHECK(flushed.error().code() == ErrorCode::InvalidArgument);
    auto saved = world.snapshot();
    REQUIRE_FALSE(saved);
    CHECK(saved.error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("a version that does not come is not waited for beyond the time given", "[recovery]") {
    World world = open_or_fail({});
    require(world.wait_for_version(0));
    auto waited = world.wait_for_version(7, 1000);
    REQUIRE_FALSE(waited);
    CHECK(waited.error().code() == ErrorCode::Timeout);
}

TEST_CASE("statistics count what happened", "[recovery]") {
    World world = open_or_fail({});
    auto tx = world.begin();
    const ecsdb::Entity entity = tx.create(Purse{1});
    require(tx.commit());
    CHECK_FALSE(world.insert(entity, Purse{2}).wait());
    const ecsdb::Statistics statistics = world.statistics();
    CHECK(statistics.version == 1);
    CHECK(statistics.entities == 1);
    CHECK(statistics.committed == 1);
    CHECK(statistics.failed == 1);
    CHECK(statistics.used_bytes > 0);
    CHECK(statistics.used_bytes <= statistics.allocated_bytes);
}

TEST_CASE("closing twice is harmless, and a closed database can still be read", "[recovery]") {
    World world = open_or_fail({});
    auto tx = world.begin();
    tx.create(Purse{1});
    require(tx.commit());
    require(world.close());
    require(world.close());
    CHECK(world.read().entity_count() == 1);
}

TEST_CASE("a database is not closed from inside its own writer", "[recovery]") {
    World world = open_or_fail({});
    auto closed = world.execute([&](auto&) { return world.close(); });
    REQUIRE_FALSE(closed);
    CHECK(closed.error().code() == ErrorCode::WouldDeadlock);
    auto tx = world.begin();
    tx.create(Purse{1});
    require(tx.commit());
}

TEST_CASE("waiting for a version does the writer's work where it has no thread of its own", "[recovery]") {
    ecsdb::Options options;
    options.own_thread = false;
    World world = open_or_fail(options);
    auto tx = world.begin();
    tx.create(Purse{1});
    require(tx.post());
    CHECK(world.version() == 0);
    require(world.wait_for_version(1));
    CHECK(world.version() == 1);
}

} // namespace engine_test
