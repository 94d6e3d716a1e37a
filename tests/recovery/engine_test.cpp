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

TEST_CASE("statistics of a database with files say what its log and snapshots have done", "[recovery][fault]") {
    ecsdb::SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    auto options = on(files);
    options.archive_directory = "archive";
    World world = open_or_fail(options);
    const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
    const ecsdb::Statistics first = world.statistics();
    for (std::uint64_t gold = 1; gold <= 10; ++gold) {
        require(world.update(entity, Purse{gold}).wait());
    }
    ecsdb::Statistics now = world.statistics();
    CHECK(now.accepts_writes);
    CHECK(now.durable_version == 11);
    CHECK(now.written_version == 11);
    CHECK(now.log.written_bytes > first.log.written_bytes);
    CHECK(now.log.writes == first.log.writes + 10);
    CHECK(now.log.syncs == first.log.syncs + 10); // nobody shared one
    CHECK(now.log.segments == 0);
    CHECK(now.snapshots == 0);
    CHECK(now.snapshot_version == 0);
    require(world.snapshot());
    now = world.statistics();
    CHECK(now.log.segments == 1);
    CHECK(now.snapshots == 1);
    CHECK(now.snapshot_version == 11);
    CHECK(now.snapshot_bytes > 0);
    CHECK(now.archived_version == 11);
    // A failure, and the end of it.
    require(world.update(entity, Purse{11}).wait()); // something to save
    files.inject({.operation = ecsdb::FileOperation::Sync, .sticky = true});
    CHECK_FALSE(world.update(entity, Purse{0}).wait());
    CHECK_FALSE(world.snapshot());
    now = world.statistics();
    CHECK_FALSE(now.accepts_writes);
    CHECK(now.log.failures == 1);
    CHECK(now.snapshot_failures == 1);
    files.clear_faults();
    require(world.resume());
    now = world.statistics();
    CHECK(now.accepts_writes);
    CHECK(now.log.resumed == 1);
    CHECK(now.log.segments == 2);
    require(world.close());
    CHECK_FALSE(world.statistics().accepts_writes);
    // Without files there is nothing to say.
    World in_memory = open_or_fail({});
    CHECK(in_memory.statistics().accepts_writes);
    CHECK(in_memory.statistics().log.segments == 0);
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
