#include "ecsdb/recovery/backup.hpp"

#include "ecsdb/recovery/verify.hpp"
#include "recovery/files_fixture.hpp"

#include <atomic>
#include <thread>

namespace backup_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::SimulatedFileSystem;

namespace {

ecsdb::Options at(ecsdb::FileSystem& files, const std::string& directory) {
    auto options = on(files);
    options.directory = directory;
    return options;
}

} // namespace

TEST_CASE("a backup opens as the version it was made of, and goes its own way", "[recovery][backup]") {
    SimulatedFileSystem files;
    Workload workload;
    World world = open_or_fail(on(files));
    for (std::uint32_t i = 0; i < 9; ++i) {
        REQUIRE(workload.round(world, i));
    }
    const auto made = ecsdb::backup(world, "copy");
    REQUIRE(made);
    CHECK(made->version == world.version());
    CHECK(made->hash == world.read().hash());
    REQUIRE(workload.round(world, 9)); // the original goes on
    for (int opening = 0; opening < 2; ++opening) {
        CHECK(ecsdb::verify("copy", {.file_system = &files})->sound());
        World copy = open_or_fail(at(files, "copy"));
        if (opening == 0) {
            CHECK(copy.version() == made->version);
            CHECK(copy.read().hash() == made->hash);
            CHECK(copy.read().entity_count() > 5);
        }
        auto tx = copy.begin();
        tx.create(Purse{1});
        require(tx.commit());
        CHECK(copy.version() == made->version + 1 + static_cast<std::uint64_t>(opening));
        require(copy.close());
    }
    CHECK(ecsdb::backup(world, "copy").error().code() == ErrorCode::AlreadyExists);
    auto memory = World::open({});
    REQUIRE(memory);
    CHECK(ecsdb::backup(*memory, "other").error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("a backup made while several threads write is one whole version", "[recovery][backup]") {
    SimulatedFileSystem files;
    auto options = on(files, ecsdb::Durability::Logged);
    options.own_thread = true;
    World world = open_or_fail(options);
    std::atomic<bool> done{false};
    std::thread writer{[&] {
        // Two purses that always hold the same: a torn version would tell.
        auto first = world.begin();
        const ecsdb::Entity pair[2] = {first.create(Purse{0}), first.create(Purse{0})};
        static_cast<void>(first.commit());
        for (std::uint64_t i = 1; !done.load(); ++i) {
            auto tx = world.begin();
            tx.update(pair[0], Purse{i});
            tx.update(pair[1], Purse{i});
            static_cast<void>(tx.commit());
        }
    }};
    std::vector<ecsdb::BackupReport> made;
    for (int i = 0; i < 3; ++i) {
        auto backup = ecsdb::backup(world, "copy" + std::to_string(i));
        REQUIRE(backup);
        made.push_back(*backup);
    }
    done.store(true);
    writer.join();
    for (std::size_t i = 0; i < made.size(); ++i) {
        World copy = open_or_fail(at(files, "copy" + std::to_string(i)));
        CHECK(copy.version() == made[i].version);
        CHECK(copy.read().hash() == made[i].hash);
    }
}

TEST_CASE("backups made while a chain of snapshots grows and gives way are whole versions", "[recovery][backup][threads]") {
    SimulatedFileSystem files;
    auto options = on(files, ecsdb::Durability::Logged);
    options.own_thread = true;
    options.snapshot_transactions = 40;
    options.incremental_snapshots = 3;
    options.incremental_percent = 1000;
    std::vector<ecsdb::BackupReport> made;
    {
        World world = open_or_fail(options);
        std::atomic<bool> done{false};
        std::atomic<std::uint64_t> failed{0};
        std::thread writer{[&] {
            Workload workload;
            for (std::uint32_t i = 0; !done.load(); ++i) {
                failed += workload.round(world, i) ? 0U : 1U;
            }
        }};
        // Until a full snapshot has followed a whole chain, and the chain's files were removed.
        while (world.snapshot_state().taken < 9 || made.size() < 4) {
            auto backup = ecsdb::backup(world, "copy" + std::to_string(made.size()));
            if (!backup) {
                done.store(true);
                writer.join();
                FAIL(backup.error().to_string());
            }
            made.push_back(*backup);
        }
        done.store(true);
        writer.join();
        CHECK(failed == 0);
        CHECK(world.snapshot_state().working);
    }
    for (std::size_t i = 0; i < made.size(); ++i) {
        const std::string directory = "copy" + std::to_string(i);
        CHECK(ecsdb::verify(directory, {.file_system = &files})->sound());
        World copy = open_or_fail(at(files, directory));
        CHECK(copy.version() == made[i].version);
        CHECK(copy.read().hash() == made[i].hash);
    }
    CHECK(ecsdb::verify("world", {.file_system = &files})->sound());
}

TEST_CASE("a backup that crashes or fails anywhere is no database, and harms nothing", "[recovery][backup][crash][fault]") {
    SimulatedFileSystem disk;
    Workload workload;
    World world = open_or_fail(on(disk));
    REQUIRE(workload.round(world, 0));
    disk.record_history();
    const auto made = ecsdb::backup(world, "copy");
    REQUIRE(made);
    for (std::size_t change = 0; change <= disk.changes(); ++change) {
        CAPTURE(change);
        auto image = disk.after_crash_at(change, {.seed = change, .keep = ecsdb::KeepPending::Subset});
        auto opened = World::open(at(*image, "copy"));
        if (opened && !opened->recovery_report().created) {
            CHECK(opened->version() == made->version);
            CHECK(opened->read().hash() == made->hash);
        }
    }
    for (std::uint64_t call = 1;; ++call) {
        CAPTURE(call);
        SimulatedFileSystem elsewhere;
        ecsdb::FaultFileSystem faulty{elsewhere};
        faulty.inject({.call = call});
        const auto failed = ecsdb::backup(world.engine(), "copy", faulty);
        if (faulty.failures() == 0) {
            REQUIRE(failed);
            break;
        }
        if (!failed) {
            CHECK(failed.error().code() == ErrorCode::Io);
        }
        REQUIRE(workload.round(world, static_cast<std::uint32_t>(call)));
    }
}

} // namespace backup_test
