#include "ecsdb/recovery/salvage.hpp"

#include "ecsdb/recovery/verify.hpp"
#include "recovery/files_fixture.hpp"
#include "support/environment.hpp"

#include <random>

namespace salvage_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::SimulatedFileSystem;

namespace {

ecsdb::Options small_segments(ecsdb::FileSystem& files) {
    auto options = on(files);
    options.segment_bytes = 4096 + 768;
    return options;
}

struct Small {
    Small() {
        World world = open_or_fail(small_segments(files));
        for (std::uint32_t i = 0; i < 16; ++i) {
            REQUIRE(workload.round(world, i));
            if (i == 4 || i == 9) {
                require(world.snapshot());
            }
        }
        require(world.close());
    }
    SimulatedFileSystem files;
    Workload workload;
};

ecsdb::SalvageReport salvaged(ecsdb::FileSystem& files) {
    auto report = ecsdb::salvage("world", {.file_system = &files});
    if (!report) {
        FAIL(report.error().to_string());
    }
    return std::move(*report);
}

/// What salvage left must open at a version of the workload, be sound, accept writes, and open again.
void check_usable(ecsdb::FileSystem& files, Workload& workload, const ecsdb::SalvageReport& report) {
    REQUIRE(workload.hashes.contains(report.version));
    CHECK(report.hash == workload.hashes[report.version]);
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(small_segments(files));
        CHECK(world.version() == report.version);
        CHECK(world.read().hash() == report.hash);
        CHECK(world.recovery_report().epoch > report.epoch);
        for (int i = 0; i < 8; ++i) {
            auto tx = world.begin();
            tx.create(Spot{1, 2}, Purse{3});
            require(tx.commit());
        }
        require(world.snapshot());
        auto tx = world.begin();
        tx.create(Purse{4});
        require(tx.commit());
        version = world.version();
        hash = world.read().hash();
        require(world.close());
    }
    CHECK(version == report.version + 9);
    World world = open_or_fail(small_segments(files));
    CHECK(world.version() == version);
    CHECK(world.read().hash() == hash);
    auto verified = ecsdb::verify("world", {.file_system = &files});
    REQUIRE(verified);
    INFO((verified->faults.empty() ? "" : verified->faults.front().file + ": " + verified->faults.front().what));
    CHECK(verified->hash == hash);
}

} // namespace

TEST_CASE("a database that opens is left as it is", "[recovery][salvage]") {
    Small small;
    const auto changes = small.files.changes();
    const auto report = salvaged(small.files);
    CHECK_FALSE(report.changed);
    CHECK(report.version == small.workload.acknowledged);
    CHECK(report.hash == small.workload.hashes[report.version]);
    CHECK(report.lost_to == 0);
    CHECK(small.files.changes() <= changes + 2); // the lock file
    SimulatedFileSystem empty;
    CHECK(ecsdb::salvage("world", {.file_system = &empty}).error().code() == ErrorCode::NotFound);
    World open = open_or_fail(small_segments(small.files));
    CHECK(ecsdb::salvage("world", {.file_system = &small.files}).error().code() == ErrorCode::Locked);
}

TEST_CASE("whatever bit of the log is damaged, salvage keeps all before it and names the rest", "[recovery][salvage][fault]") {
    Small small;
    std::mt19937_64 random{3};
    int cut = 0;
    for (const std::string& path : files_below(small.files, "world/log")) {
        const auto bytes = contents_of(small.files, path);
        for (std::size_t at = 0; at < bytes.size(); at += 1 + random() % (ecsdb::test::test_scale() > 1 ? 8 : at < 4096 ? 1500 : 150)) {
            CAPTURE(path, at);
            auto copy = copy_of(small.files);
            flip(*copy, path, at, static_cast<unsigned>(random() % 8));
            if (World::open(small_segments(*copy))) {
                continue;
            }
            auto fresh = copy_of(small.files); // opening for writing may have begun something
            flip(*fresh, path, at, static_cast<unsigned>(random() % 8));
            const auto report = salvaged(*fresh);
            if (!report.changed) {
                continue;
            }
            ++cut;
            INFO(report.damage);
            if (report.version != small.workload.acknowledged) {
                CHECK(report.lost_from == report.version + 1);
                CHECK(report.lost_to == small.workload.acknowledged);
                CHECK(report.lost_bytes > 0);
            }
            check_usable(*fresh, small.workload, report);
        }
    }
    CHECK(cut > 10);
}

TEST_CASE("any file lost, salvage makes a usable database of the rest", "[recovery][salvage][fault]") {
    Small small;
    for (const std::string& path : files_below(small.files, "world")) {
        CAPTURE(path);
        auto copy = copy_of(small.files);
        REQUIRE(copy->remove(path));
        check_usable(*copy, small.workload, salvaged(*copy));
    }
    SECTION("both manifests") {
        REQUIRE(small.files.remove("world/MANIFEST"));
        REQUIRE(small.files.remove("world/MANIFEST.previous"));
        const auto report = salvaged(small.files);
        CHECK(report.changed);
        CHECK(report.version == small.workload.acknowledged);
        check_usable(small.files, small.workload, report);
    }
    SECTION("the whole log") {
        for (const std::string& path : files_below(small.files, "world/log")) {
            REQUIRE(small.files.remove(path));
        }
        const auto report = salvaged(small.files);
        CHECK(report.lost_to == small.workload.acknowledged);
        CHECK(report.lost_from == report.version + 1);
        check_usable(small.files, small.workload, report);
    }
    SECTION("both manifests and all snapshots: nothing tells the schema") {
        for (const std::string& path : files_below(small.files, "world")) {
            if (path.find("log/") == std::string::npos && path.find("LOCK") == std::string::npos) {
                REQUIRE(small.files.remove(path));
            }
        }
        CHECK_FALSE(ecsdb::salvage("world", {.file_system = &small.files}));
    }
}

TEST_CASE("a crash at any point of a salvage leaves the damaged database or the salvaged one", "[recovery][salvage][crash]") {
    Small small;
    const auto segments = files_below(small.files, "world/log");
    flip(small.files, segments[segments.size() - 2], 4096 + 100, 3);
    auto damaged = copy_of(small.files);
    damaged->record_history();
    const auto report = salvaged(*damaged);
    REQUIRE(report.changed);
    for (std::size_t change = 0; change <= damaged->changes(); ++change) {
        CAPTURE(change);
        ecsdb::CrashPlan plan;
        plan.keep = ecsdb::KeepPending::Subset;
        plan.seed = change;
        auto image = damaged->after_crash_at(change, plan);
        auto again = salvaged(*image);
        CHECK(again.version == report.version);
        check_usable(*image, small.workload, again);
    }
}

TEST_CASE("a read that fails is no damage: salvage changes nothing", "[recovery][salvage][fault]") {
    Small small;
    const auto segments = files_below(small.files, "world/log");
    flip(small.files, segments[segments.size() - 2], 4096 + 100, 3);
    const auto expected = salvaged(*copy_of(small.files));
    for (std::uint64_t call = 1;; ++call) {
        CAPTURE(call);
        auto copy = copy_of(small.files);
        ecsdb::FaultFileSystem faulty{*copy};
        faulty.inject({.operation = ecsdb::FileOperation::Read, .call = call, .sticky = true});
        auto report = ecsdb::salvage("world", {.file_system = &faulty});
        if (report) {
            CHECK(call > 5);
            break;
        }
        CHECK(report.error().code() == ErrorCode::Io);
        const bool untouched = contents_of(*copy, "world/MANIFEST") == contents_of(small.files, "world/MANIFEST");
        CHECK((untouched || report.error().message().find("MANIFEST") != std::string::npos));
        auto again = salvaged(*copy);
        CHECK(again.version == expected.version);
        CHECK(again.changed == untouched);
    }
}

} // namespace salvage_test
