// What simulations have found, each as a story of its own.
#include "recovery/world.hpp"

namespace ecsdb::test::found_test {

using namespace recovery_test;
using ecsdb::FaultFileSystem;
using ecsdb::FileOperation;
using ecsdb::KeepPending;
using ecsdb::SimulatedFileSystem;

TEST_CASE("what a failed sync left in the page cache is written again before anyone builds on it", "[simulation][recovery]") {
    SimulatedFileSystem disk;
    {
        World world = open_or_fail(on(disk, Durability::Logged));
        for (std::uint64_t i = 1; i <= 3; ++i) {
            auto tx = world.begin();
            tx.create(Purse{i});
            require(tx.commit());
        }
        disk.fail_sync_once_dropping_pages();
        CHECK_FALSE(world.flush(Durability::Synced));
        disk.crash({.keep = KeepPending::Cached}); // the process dies; all that was written can still be read
    }
    {
        World world = open_or_fail(on(disk));
        CHECK(world.version() == 3);
        auto tx = world.begin();
        tx.create(Purse{4});
        require(tx.commit()); // synced, and so is what it follows upon
        disk.crash({});
    }
    CHECK(open_or_fail(on(disk)).version() == 4);
}

TEST_CASE("a directory whose own name may be lost is not taken for durable", "[simulation][recovery]") {
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    files.inject({.operation = FileOperation::SyncDirectory});
    CHECK_FALSE(World::open(on(files)));
    World world = open_or_fail(on(files));
    auto tx = world.begin();
    tx.create(Purse{1});
    require(tx.commit());
    disk.crash({});
    CHECK(open_or_fail(on(disk)).version() == 1);
}

TEST_CASE("a snapshot that could not be read is not passed over, and one that is missing only for the log", "[simulation][recovery]") {
    SimulatedFileSystem disk;
    {
        World world = open_or_fail(on(disk));
        auto tx = world.begin();
        tx.create(Purse{1});
        require(tx.commit());
        require(world.snapshot());
    }
    FaultFileSystem files{disk};
    files.inject({.operation = FileOperation::Open, .path_part = "snapshot-"});
    const auto unread = World::open(on(files));
    REQUIRE_FALSE(unread);
    CHECK(unread.error().code() == ErrorCode::Io);
    CHECK(open_or_fail(on(disk)).recovery_report().snapshot_version == 1);

    // One that is missing is passed over only where the log has all of it, which is said.
    require(disk.remove("world/snapshot-1.ecsdb"));
    {
        auto options = on(disk);
        options.mode = OpenMode::ReadOnly;
        const auto from_log = World::open(options);
        REQUIRE(from_log);
        CHECK(from_log->version() == 1);
        CHECK(from_log->recovery_report().remarks.find("snapshot-1.ecsdb") != std::string::npos);
    }
    const auto segments = disk.list("world/log");
    REQUIRE(segments);
    for (const std::string& segment : *segments) {
        require(disk.remove("world/log/" + segment));
    }
    const auto missing = World::open(on(disk));
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code() == ErrorCode::Corrupt);
}

} // namespace ecsdb::test::found_test
