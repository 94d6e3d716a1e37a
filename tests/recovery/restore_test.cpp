#include "ecsdb/recovery/restore.hpp"

#include "ecsdb/recovery/verify.hpp"
#include "recovery/files_fixture.hpp"

namespace restore_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::RestoreTarget;
using ecsdb::SimulatedClock;
using ecsdb::SimulatedFileSystem;

namespace {

ecsdb::Options archived(ecsdb::FileSystem& files, SimulatedClock& clock) {
    auto options = on(files);
    options.segment_bytes = 4096 + 768;
    options.archive_directory = "archive";
    options.clock = &clock;
    return options;
}

ecsdb::RestoreReport restored(ecsdb::FileSystem& files, const std::string& directory, const RestoreTarget& target) {
    auto report = ecsdb::restore("archive", directory, target, {.file_system = &files});
    if (!report) {
        FAIL(report.error().to_string());
    }
    return std::move(*report);
}

ecsdb::Options at(ecsdb::FileSystem& files, const std::string& directory) {
    auto options = on(files);
    options.directory = directory;
    return options;
}

ecsdb::ArchiveReport proven(ecsdb::FileSystem& files) {
    auto report = ecsdb::verify_archive("archive", {.file_system = &files});
    if (!report) {
        FAIL(report.error().to_string());
    }
    return std::move(*report);
}

std::string told(const ecsdb::ArchiveReport& report) {
    std::string text;
    for (const auto& fault : report.faults) {
        text += fault + '\n';
    }
    for (const auto& remark : report.remarks) {
        text += "(" + remark + ")\n";
    }
    return text;
}

/// A database that has been opened three times, with snapshots, all of it archived.
struct Archived {
    Archived() {
        for (std::uint32_t opening = 0; opening < 3; ++opening) {
            World world = open_or_fail(archived(files, clock));
            for (std::uint32_t i = 0; i < 8; ++i) {
                REQUIRE(workload.round(world, opening * 8 + i));
                times[world.version()] = clock.wall_ns() / 1000;
                clock.advance(1'000'000'000);
                if (opening != 0 && i == 4) {
                    require(world.snapshot());
                }
            }
            if (opening == 2) {
                require(ecsdb::archive_now(world.engine()));
            }
            require(world.close());
        }
    }
    SimulatedFileSystem files;
    SimulatedClock clock;
    Workload workload;
    std::map<std::uint64_t, std::uint64_t> times; ///< Version → when it was the newest.
};

} // namespace

TEST_CASE("every archived version is restored as it was", "[recovery][archive][restore]") {
    Archived world;
    const auto report = proven(world.files);
    INFO(told(report));
    CHECK(report.sound());
    REQUIRE(report.versions.size() == 1);
    CHECK(report.versions[0].from == 0);
    CHECK(report.versions[0].to == world.workload.acknowledged);
    CHECK(report.snapshots == 3);
    for (std::uint64_t version = 0; version <= world.workload.acknowledged; ++version) {
        CAPTURE(version);
        const std::string directory = "at" + std::to_string(version);
        const auto done = restored(world.files, directory, RestoreTarget::at_version(version));
        CHECK(done.version == version);
        if (const auto known = world.workload.hashes.find(version); known != world.workload.hashes.end()) {
            CHECK(done.hash == known->second);
        }
        if (version % 5 == 0) {
            World opened = open_or_fail(at(world.files, directory));
            CHECK(opened.version() == version);
            CHECK(opened.read().hash() == done.hash);
            CHECK(opened.recovery_report().epoch > done.epoch);
            CHECK(done.epoch > 3);
            auto tx = opened.begin();
            tx.create(Purse{1});
            require(tx.commit());
            require(opened.close());
            CHECK(ecsdb::verify(directory, {.file_system = &world.files})->sound());
        }
    }
    const auto newest = restored(world.files, "newest", RestoreTarget::newest());
    CHECK(newest.version == world.workload.acknowledged);
    CHECK(newest.end_of_archive);
}

TEST_CASE("an archive of a database whose snapshots build on each other reaches every version, too", "[recovery][archive][restore]") {
    SimulatedFileSystem files;
    SimulatedClock clock;
    Workload workload;
    std::size_t longest = 0;
    for (std::uint32_t opening = 0; opening < 3; ++opening) {
        auto options = archived(files, clock);
        options.incremental_snapshots = 2;
        options.incremental_percent = 1000;
        World world = open_or_fail(options);
        for (std::uint32_t i = 0; i < 8; ++i) {
            REQUIRE(workload.round(world, opening * 8 + i));
            clock.advance(1'000'000'000);
            require(world.snapshot());
            longest = std::max(longest, world.snapshot_state().builds_on);
        }
        require(ecsdb::archive_now(world.engine()));
        if (opening != 1) {
            require(world.close());
        }
    }
    CHECK(longest == 2);
    const auto report = proven(files);
    INFO(told(report));
    CHECK(report.sound());
    for (std::uint64_t version = 0; version <= workload.acknowledged; ++version) {
        CAPTURE(version);
        const std::string directory = "at" + std::to_string(version);
        const auto done = restored(files, directory, RestoreTarget::at_version(version));
        CHECK(done.version == version);
        if (const auto known = workload.hashes.find(version); known != workload.hashes.end()) {
            CHECK(done.hash == known->second);
        }
    }
    // What was restored goes on with chains of its own.
    auto options = at(files, "at" + std::to_string(workload.acknowledged));
    options.incremental_snapshots = 2;
    options.incremental_percent = 1000;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(options);
        for (const std::size_t links : {1U, 2U, 0U}) {
            auto tx = world.begin();
            tx.create(Purse{1});
            require(tx.commit());
            require(world.snapshot());
            CHECK(world.snapshot_state().builds_on == links);
        }
        hash = world.read().hash();
    }
    CHECK(open_or_fail(options).read().hash() == hash);
}

TEST_CASE("what the archive does not reach is refused, and so is a directory in use", "[recovery][archive][restore]") {
    Archived world;
    const auto code = [&](const std::string& directory, const RestoreTarget& target) {
        auto report = ecsdb::restore("archive", directory, target, {.file_system = &world.files});
        REQUIRE_FALSE(report);
        return report.error().code();
    };
    CHECK(code("new", RestoreTarget::at_version(world.workload.acknowledged + 1)) == ErrorCode::NotFound);
    CHECK(code("world", RestoreTarget::newest()) == ErrorCode::AlreadyExists);
    CHECK_FALSE(*world.files.exists("new"));
    CHECK(ecsdb::restore("nowhere", "new", {}, {.file_system = &world.files}).error().code() == ErrorCode::NotFound);
}

TEST_CASE("a time is restored by commit times, which never go back, whatever the clock does", "[recovery][archive][restore]") {
    SimulatedFileSystem files;
    SimulatedClock clock;
    Workload workload;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> seen; // wall time in µs, version by then
    {
        World world = open_or_fail(archived(files, clock));
        for (std::uint32_t i = 0; i < 20; ++i) {
            clock.advance(1'000'000'000);
            if (i == 8) {
                clock.set_wall(clock.wall_ns() - 3'600'000'000'000ULL); // an hour back
            }
            REQUIRE(workload.round(world, i));
            seen.emplace_back(clock.wall_ns() / 1000, world.version());
            if (i == 5 || i == 12) {
                require(world.snapshot());
            }
        }
        require(ecsdb::archive_now(world.engine()));
    }
    std::uint64_t before = 0;
    for (std::uint32_t i = 0; i < 7; ++i) {
        const auto done = restored(files, "time" + std::to_string(i), RestoreTarget::at_time(seen[i].first));
        CHECK(done.version == seen[i].second);
        CHECK(done.hash == workload.hashes[done.version]);
        CHECK(done.time >= before);
        before = done.time;
    }
    // Behind the jump commits carry the last time before it, until the clock has caught up: they come with it, in order.
    const auto after = restored(files, "after", RestoreTarget::at_time(seen[7].first));
    CHECK(after.version == seen.back().second);
    CHECK(after.end_of_archive);
    CHECK(restored(files, "just before", RestoreTarget::at_time(seen[7].first - 1)).version == seen[6].second);
    const auto early = ecsdb::restore("archive", "early", RestoreTarget::at_time(1), {.file_system = &files});
    if (early) {
        CHECK(early->version == 0);
    }
}

TEST_CASE("two futures of one past do not share an archive", "[recovery][archive][restore]") {
    Archived world;
    restored(world.files, "other", RestoreTarget::at_version(9));
    auto options = archived(world.files, world.clock);
    options.directory = "other";
    auto refused = World::open(options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    options.archive_directory = "other-archive";
    {
        World other = open_or_fail(options);
        auto tx = other.begin();
        tx.create(Purse{1});
        require(tx.commit());
        require(ecsdb::archive_now(other.engine()));
    }
    auto report = ecsdb::verify_archive("other-archive", {.file_system = &world.files});
    REQUIRE(report);
    INFO(told(*report));
    CHECK(report->sound());
    CHECK(report->versions.at(0).from == 9);
    CHECK(report->versions.at(0).to == 10);
}

TEST_CASE("a restore that crashes or fails anywhere leaves no database or the whole one", "[recovery][archive][restore][crash]") {
    Archived world;
    auto start = copy_of(world.files);
    start->record_history();
    const auto done = restored(*start, "new", RestoreTarget::at_version(20));
    for (std::size_t change = 0; change <= start->changes(); ++change) {
        CAPTURE(change);
        ecsdb::CrashPlan plan;
        plan.keep = ecsdb::KeepPending::Subset;
        plan.seed = change;
        auto image = start->after_crash_at(change, plan);
        auto opened = World::open(at(*image, "new"));
        if (opened && !opened->recovery_report().created) {
            CHECK(opened->version() == 20);
            CHECK(opened->read().hash() == done.hash);
        } else if (!opened) {
            CHECK(opened.error().code() == ErrorCode::Corrupt);
        }
    }
}

} // namespace restore_test
