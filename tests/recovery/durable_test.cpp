#include "ecsdb/recovery/durable.hpp"

#include "recovery/world.hpp"

namespace durable_test {

using namespace recovery_test;
using ecsdb::CrashPlan;
using ecsdb::Durability;
using ecsdb::ErrorCode;
using ecsdb::FileOperation;
using ecsdb::KeepPending;
using ecsdb::SimulatedFileSystem;

TEST_CASE("when a sync fails the commit is not visible, nothing more is accepted, and reading goes on", "[recovery][fault]") {
    SimulatedFileSystem files;
    ecsdb::FaultFileSystem faulty{files};
    Workload workload;
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(on(faulty));
        REQUIRE(workload.round(world, 0));
        version = world.version();
        hash = world.read().hash();
        faulty.inject({.operation = FileOperation::Sync});
        auto tx = world.begin();
        const ecsdb::Entity lost = tx.create(Purse{5});
        auto failed = tx.commit();
        REQUIRE_FALSE(failed);
        CHECK(failed.error().code() == ErrorCode::OutcomeUnknown);
        CHECK(world.version() == version);
        CHECK(world.read().hash() == hash);
        CHECK_FALSE(world.read().is_alive(lost));

        auto later = world.begin();
        later.create(Purse{6});
        auto refused = later.commit();
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code() == ErrorCode::ReadOnly);
        CHECK(world.read().hash() == hash);
        CHECK_FALSE(world.close());
    }
    files.crash({});
    World world = open_or_fail(on(files));
    CHECK(world.version() >= version);
    if (world.version() == version) {
        CHECK(world.read().hash() == hash);
    }
}

TEST_CASE("a full disk refuses commits and loses none that were acknowledged", "[recovery][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(on(files));
        REQUIRE(workload.round(world, 0));
        files.set_quota(files.bytes_in_use() + 1000);
        std::uint32_t number = 1;
        while (number < 2000 && workload.round(world, number)) {
            ++number;
        }
        CHECK(number < 2000);
        CHECK(world.read().hash() == workload.hashes[workload.acknowledged]);
    }
    files.set_quota(std::uint64_t{1} << 40U);
    World world = open_or_fail(on(files));
    CHECK(world.version() >= workload.acknowledged);
    CHECK(workload.hashes.contains(world.version()));
}

TEST_CASE("a snapshot that fails leaves the one before it in use", "[recovery][fault]") {
    SimulatedFileSystem files;
    ecsdb::FaultFileSystem faulty{files};
    Workload workload;
    {
        World world = open_or_fail(on(faulty));
        REQUIRE(workload.round(world, 0));
        require(world.snapshot());
        REQUIRE(workload.round(world, 1));
        faulty.inject({.operation = FileOperation::Write, .sticky = true, .path_part = "snapshot"});
        auto failed = world.snapshot();
        REQUIRE_FALSE(failed);
        CHECK(failed.error().code() == ErrorCode::Io);
        faulty.clear_faults();
        REQUIRE(workload.round(world, 2));
    }
    World world = open_or_fail(on(files));
    CHECK(world.version() == workload.acknowledged);
    CHECK(world.read().hash() == workload.hashes[world.version()]);
}

TEST_CASE("snapshots let go of the log only older ones need", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    World world = open_or_fail(on(files));
    for (std::uint32_t i = 0; i < 40; ++i) {
        REQUIRE(workload.round(world, i));
        if (i % 4 == 3) {
            require(world.snapshot());
        }
    }
    const auto segments = files.list("world/log");
    REQUIRE(segments);
    CHECK(segments->size() <= 4);
    const auto names = files.list("world");
    REQUIRE(names);
    CHECK(std::count_if(names->begin(), names->end(), [](const std::string& name) { return name.starts_with("snapshot-"); }) == 2);
}

TEST_CASE("a segment that somebody holds is neither removed nor used again", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    World world = open_or_fail(on(files));
    const auto run = [&](std::uint32_t from) {
        for (std::uint32_t i = from; i < from + 20; ++i) {
            REQUIRE(workload.round(world, i));
            if (i % 4 == 3) {
                require(world.snapshot());
            }
        }
    };
    {
        const ecsdb::wal::SegmentHolds::Hold archive{world.engine().durable()->segment_holds(), "archive", 2};
        run(0);
        CHECK(*files.exists("world/log/0000000002.seg"));
        CHECK_FALSE(*files.exists("world/log/0000000001.seg"));
    }
    run(20);
    CHECK_FALSE(*files.exists("world/log/0000000002.seg"));
}

TEST_CASE("a crash at any point of a database that uses its log's files again loses nothing acknowledged", "[recovery][crash]") {
    SimulatedFileSystem disk;
    Workload workload;
    std::vector<std::uint64_t> acknowledged;
    auto options = on(disk);
    options.segment_bytes = 8192;
    options.spare_segments = 2;
    std::size_t begun = 0;
    {
        World world = open_or_fail(options);
        for (std::uint32_t i = 0; i < 9; ++i) {
            REQUIRE(workload.round(world, i));
            require(world.snapshot());
        }
        const auto names = disk.list("world/log");
        REQUIRE(names);
        REQUIRE(std::any_of(names->begin(), names->end(), [](const std::string& name) { return name.ends_with(".spare"); }));
        disk.record_history();
        begun = disk.changes();
        const auto note = [&] {
            acknowledged.resize(disk.changes() + 1, acknowledged.empty() ? workload.acknowledged : acknowledged.back());
            acknowledged.back() = workload.acknowledged;
        };
        note();
        for (std::uint32_t i = 9; i < 11; ++i) {
            REQUIRE(workload.round(world, i));
            note();
            require(world.snapshot());
        }
        acknowledged.resize(disk.changes() + 1, acknowledged.back());
    }
    for (std::size_t change = begun; change < acknowledged.size(); ++change) {
        CrashPlan plan;
        plan.keep = change % 3 == 0 ? KeepPending::None : change % 3 == 1 ? KeepPending::Subset : KeepPending::All;
        plan.seed = change;
        plan.tear = 512;
        const auto image = disk.after_crash_at(change, plan);
        CAPTURE(change);
        auto after = on(*image);
        after.segment_bytes = options.segment_bytes;
        World world = open_or_fail(after);
        CHECK(world.version() >= acknowledged[change]);
        CHECK(world.read().hash() == workload.hashes[world.version()]);
    }
}

TEST_CASE("flush waits for what is visible", "[recovery]") {
    SimulatedFileSystem files;
    auto options = on(files, Durability::Logged);
    options.own_thread = true;
    Workload workload;
    std::uint64_t flushed = 0;
    {
        World world = open_or_fail(options);
        for (std::uint32_t i = 0; i < 50; ++i) {
            REQUIRE(workload.round(world, i));
        }
        require(world.flush(Durability::Synced));
        flushed = world.version();
        REQUIRE(workload.round(world, 50));
        files.crash({});
    }
    World world = open_or_fail(on(files));
    CHECK(world.version() >= flushed);
    CHECK(world.read().hash() == workload.hashes[world.version()]);
}

TEST_CASE("entity versions survive a snapshot and a log", "[recovery]") {
    SimulatedFileSystem files;
    ecsdb::Entity entity;
    {
        World world = open_or_fail(on(files));
        auto tx = world.begin();
        entity = tx.create(Purse{1});
        require(tx.commit());
        for (std::uint64_t i = 0; i < 5; ++i) {
            require(world.update(entity, Purse{i}).wait());
            if (i == 2) {
                require(world.snapshot());
            }
        }
        CHECK(world.read().entity_version(entity) == 6);
    }
    World world = open_or_fail(on(files));
    CHECK(world.read().entity_version(entity) == 6);
}

} // namespace durable_test
