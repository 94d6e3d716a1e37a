#include "ecsdb/recovery/archive.hpp"

#include "ecsdb/recovery/restore.hpp"
#include "ecsdb/recovery/salvage.hpp"
#include "recovery/files_fixture.hpp"
#include "support/environment.hpp"

#include <random>

namespace archive_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::FileOperation;
using ecsdb::SimulatedClock;
using ecsdb::SimulatedFileSystem;

namespace {

ecsdb::Options archived(ecsdb::FileSystem& files, ecsdb::Clock* clock = nullptr) {
    auto options = on(files);
    options.segment_bytes = 4096 + 768;
    options.archive_directory = "archive";
    options.clock = clock;
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

void run(World& world, Workload& workload, std::uint32_t from, std::uint32_t to, std::uint32_t snapshot_every = 6) {
    for (std::uint32_t i = from; i < to; ++i) {
        REQUIRE(workload.round(world, i));
        if (i % snapshot_every == snapshot_every - 1) {
            require(world.snapshot());
        }
    }
}

/// Every version from the oldest that the archive proves to the newest restores to what it was.
void check_restorable(ecsdb::FileSystem& files, Workload& workload, const ecsdb::ArchiveReport& report, std::uint64_t step = 7) {
    for (const auto& range : report.versions) {
        for (std::uint64_t version = range.from; version <= range.to; version += step) {
            CAPTURE(version);
            const std::string directory = "restored" + std::to_string(version);
            auto done = ecsdb::restore("archive", directory, ecsdb::RestoreTarget::at_version(version), {.file_system = &files});
            if (!done) {
                FAIL(done.error().to_string());
            }
            if (const auto known = workload.hashes.find(version); known != workload.hashes.end()) {
                CHECK(done->hash == known->second);
            }
        }
    }
}

} // namespace

TEST_CASE("what the log lets go of has been archived, and the manifest says how far", "[recovery][archive]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(archived(files));
        run(world, workload, 0, 30);
        const auto state = ecsdb::archive_state(world.engine());
        REQUIRE(state);
        CHECK(state->working);
        CHECK(state->version > 50);
        CHECK(state->bytes > 1000);
        require(ecsdb::archive_now(world.engine()));
        CHECK(ecsdb::archive_state(world.engine())->version == world.version());
    }
    CHECK_FALSE(*files.exists("world/log/0000000001.seg"));
    CHECK(*files.exists("archive/0000000001.arc"));
    CHECK(ecsdb::recovery::load_manifest(files, "world")->manifest.archive_lsn > 50);
    const auto report = proven(files);
    INFO(told(report));
    CHECK(report.sound());
    CHECK(report.remarks.empty());
    CHECK(report.snapshots == 6);
    CHECK(report.transactions == workload.acknowledged);
    check_restorable(files, workload, report);
}

TEST_CASE("an archive begun late begins with what there still is", "[recovery][archive]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        auto options = archived(files);
        options.archive_directory.clear();
        World world = open_or_fail(options);
        run(world, workload, 0, 30);
        CHECK(ecsdb::archive_now(world.engine()).error().code() == ErrorCode::InvalidArgument);
        CHECK(ecsdb::archive_state(world.engine()).error().code() == ErrorCode::InvalidArgument);
    }
    {
        World world = open_or_fail(archived(files));
        run(world, workload, 30, 36);
        require(ecsdb::archive_now(world.engine()));
    }
    const auto report = proven(files);
    INFO(told(report));
    CHECK(report.sound());
    CHECK(report.versions.at(0).from > 10);
    CHECK(report.versions.at(0).to == workload.acknowledged);
    check_restorable(files, workload, report, 3);
}

TEST_CASE("an archive that fails keeps the log, does not stop the database, and catches up", "[recovery][archive][fault]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    Workload workload;
    World world = open_or_fail(archived(files));
    run(world, workload, 0, 4);
    const auto before = ecsdb::archive_state(world.engine())->version;
    files.inject({.operation = FileOperation::Write, .code = ErrorCode::NoSpace, .sticky = true, .path_part = "archive/"});
    run(world, workload, 4, 24);
    CHECK(ecsdb::archive_state(world.engine())->working.error().code() == ErrorCode::NoSpace);
    CHECK(ecsdb::archive_state(world.engine())->version == before);
    files.clear_faults();
    require(ecsdb::archive_now(world.engine()));
    CHECK(ecsdb::archive_state(world.engine())->working);
    const auto report = proven(disk);
    INFO(told(report));
    CHECK(report.sound());
    CHECK(report.versions.at(0).from == 0);
    CHECK(report.versions.at(0).to == world.version());
}

TEST_CASE("damage in the log is not archived", "[recovery][archive][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    World world = open_or_fail(archived(files));
    const auto first = files_below(files, "world/log").front();
    REQUIRE(workload.round(world, 0));
    flip(files, first, 4096 + 60, 2);
    auto refused = ecsdb::archive_now(world.engine());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::Corrupt);
    CHECK_FALSE(*files.exists("archive/0000000001.arc"));
    flip(files, first, 4096 + 60, 2);
    require(ecsdb::archive_now(world.engine()));
}

TEST_CASE("a damaged segment that nothing needs any more leaves a gap that is named, and the rest is archived",
          "[recovery][archive][fault]") {
    const std::uint64_t at = GENERATE(40U, 4096U + 60U); // in the header, which says where the segment before ended, and in a frame
    const std::size_t which = GENERATE(0U, 3U);
    CAPTURE(at, which);
    SimulatedFileSystem files;
    Workload workload;
    auto options = archived(files);
    options.spare_segments = 0;
    auto without = options;
    without.archive_directory.clear();
    std::string hit;
    {
        World world = open_or_fail(without);
        run(world, workload, 0, 24, 100);
        const auto logs = files_below(files, "world/log");
        REQUIRE(logs.size() > 5);
        hit = logs[which];
        require(world.snapshot()); // the one before it is the beginning: all of the log is still there
        run(world, workload, 24, 26, 100);
    }
    flip(files, hit, at, 2);
    {
        World world = open_or_fail(options);
        require(ecsdb::archive_now(world.engine()));
        CHECK_FALSE(ecsdb::archive_state(world.engine())->lost.empty());
        CHECK(ecsdb::archive_state(world.engine())->version == world.version());
    }
    std::optional<World> again{open_or_fail(options)}; // and says so again
    World& world = *again;
    CHECK_FALSE(ecsdb::archive_state(world.engine())->lost.empty());
    run(world, workload, 26, 50);
    require(ecsdb::archive_now(world.engine()));
    CHECK(ecsdb::archive_state(world.engine())->version == world.version());
    CHECK(ecsdb::archive_state(world.engine())->working);
    CHECK_FALSE(*files.exists(hit)); // the log lets go of it
    const auto report = proven(files);
    INFO(told(report));
    CHECK_FALSE(report.sound());
    CHECK(told(report).find(".damaged: was damaged in the log: of versions ") != std::string::npos);
    CHECK(report.versions.at(0).to == world.version());
    check_restorable(files, workload, report);
    const std::uint64_t in_gap = report.versions.at(0).from - 1;
    auto refused = ecsdb::restore("archive", "gap", ecsdb::RestoreTarget::at_version(in_gap), {.file_system = &files});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::NotFound);

    // With what lies before it, the gap goes, too.
    again.reset();
    options.archive_keep_bytes = 4'000;
    World last = open_or_fail(options);
    run(last, workload, 50, 74);
    require(ecsdb::archive_now(last.engine()));
    CHECK(ecsdb::archive_state(last.engine())->lost.empty());
    const auto kept = proven(files);
    INFO(told(kept));
    CHECK(kept.sound());
    for (const std::string& name : files_below(files, "archive")) {
        CHECK(name.find(".damaged") == std::string::npos);
    }
}

TEST_CASE("behind a gap the next snapshot is full, so that the archive has one to go on from", "[recovery][archive][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    auto options = archived(files);
    options.incremental_snapshots = 100;
    options.incremental_percent = 1000;
    std::string hit;
    {
        auto without = options;
        without.archive_directory.clear();
        World world = open_or_fail(without);
        run(world, workload, 0, 30);
        REQUIRE(world.snapshot_state().builds_on != 0);
        const auto logs = files_below(files, "world/log");
        hit = logs[logs.size() - 3];
    }
    flip(files, hit, 4096 + 60, 2);
    World world = open_or_fail(options);
    require(ecsdb::archive_now(world.engine()));
    REQUIRE_FALSE(ecsdb::archive_state(world.engine())->lost.empty());
    run(world, workload, 30, 36);
    CHECK(world.snapshot_state().builds_on == 0);
    const std::uint64_t full = world.version();
    run(world, workload, 36, 42);
    CHECK(world.snapshot_state().builds_on == 1);
    require(ecsdb::archive_now(world.engine()));
    const auto report = proven(files);
    INFO(told(report));
    REQUIRE_FALSE(report.versions.empty());
    CHECK(report.versions.at(0).from == full);
    CHECK(report.versions.at(0).to == world.version());
    check_restorable(files, workload, report, 3);
}

TEST_CASE("while an archive fails snapshots stay incremental", "[recovery][archive][fault]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    Workload workload;
    auto options = archived(files);
    options.incremental_snapshots = 100;
    options.incremental_percent = 1000;
    World world = open_or_fail(options);
    run(world, workload, 0, 6);
    require(ecsdb::archive_now(world.engine()));
    files.inject({.operation = FileOperation::Write, .code = ErrorCode::NoSpace, .sticky = true, .path_part = "archive/"});
    run(world, workload, 6, 24);
    REQUIRE_FALSE(ecsdb::archive_state(world.engine())->working);
    CHECK(world.snapshot_state().builds_on == 3);
    files.clear_faults();
    require(ecsdb::archive_now(world.engine()));
    CHECK(proven(disk).sound());
}

TEST_CASE("a log file that holds the segment after it does not lead archiving in a circle", "[recovery][archive][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    const auto options = archived(files);
    auto without = options;
    without.archive_directory.clear();
    {
        World world = open_or_fail(without);
        run(world, workload, 0, 24, 100);
        const auto logs = files_below(files, "world/log");
        REQUIRE(logs.size() > 5);
        require(world.snapshot());
        run(world, workload, 24, 26, 100);
        write_file(files, logs[2], contents_of(files, logs[3]));
    }
    World world = open_or_fail(options);
    require(ecsdb::archive_now(world.engine()));
    CHECK_FALSE(ecsdb::archive_state(world.engine())->lost.empty());
    CHECK(ecsdb::archive_state(world.engine())->version == world.version());
}

TEST_CASE("a log file that is gone before it was archived is told at once", "[recovery][archive][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    auto options = archived(files);
    std::vector<std::string> errors;
    options.messages = {[](void* context, const ecsdb::Message& message) {
                            if (message.severity == ecsdb::Severity::Error) {
                                static_cast<std::vector<std::string>*>(context)->emplace_back(message.text);
                            }
                        },
                        &errors};
    std::string hit;
    {
        World world = open_or_fail(options);
        run(world, workload, 0, 12);
        require(ecsdb::archive_now(world.engine()));
    }
    auto without = options;
    without.archive_directory.clear();
    {
        World world = open_or_fail(without);
        run(world, workload, 12, 24, 100);
        const auto logs = files_below(files, "world/log");
        hit = logs[logs.size() - 3];
        require(world.snapshot());
    }
    if (*files.exists(hit)) {
        REQUIRE(files.remove(hit));
    }
    World world = open_or_fail(options);
    run(world, workload, 24, 30);
    require(ecsdb::archive_now(world.engine()));
    REQUIRE(ecsdb::archive_state(world.engine())->lost.size() == 1);
    CHECK(ecsdb::archive_state(world.engine())->lost[0].find(".arc: is not there: of versions ") != std::string::npos);
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].find(hit + ": gone before it was archived") != std::string::npos);
    CHECK_FALSE(proven(files).sound());
}

TEST_CASE("a damaged segment that recovery needs is not passed by", "[recovery][archive][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    auto without = archived(files);
    without.archive_directory.clear();
    {
        World world = open_or_fail(without);
        run(world, workload, 0, 6, 100);
    }
    World world = open_or_fail(archived(files));
    const auto logs = files_below(files, "world/log");
    require(ecsdb::archive_now(world.engine()));
    REQUIRE(workload.round(world, 6));
    const std::string newest = files_below(files, "world/log").back();
    flip(files, newest, 4096 + 60, 2);
    auto refused = ecsdb::archive_now(world.engine());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::Corrupt);
    CHECK(ecsdb::archive_state(world.engine())->lost.empty());
}

TEST_CASE("limits by size and by age let the oldest go, and never leave a gap", "[recovery][archive]") {
    SimulatedFileSystem files;
    SimulatedClock clock;
    Workload workload;
    auto options = archived(files, &clock);
    const bool by_age = GENERATE(true, false);
    if (by_age) {
        options.archive_keep_seconds = 100;
    } else {
        options.archive_keep_bytes = 12'000;
    }
    World world = open_or_fail(options);
    std::map<std::uint64_t, std::uint64_t> when;
    for (std::uint32_t i = 0; i < 60; ++i) {
        run(world, workload, i, i + 1);
        when[world.version()] = clock.wall_ns();
        clock.advance(10'000'000'000);
    }
    require(ecsdb::archive_now(world.engine()));
    const auto report = proven(files);
    INFO(told(report));
    CHECK(report.sound());
    CHECK(report.remarks.empty());
    CHECK(report.versions.at(0).from > 20);
    CHECK(report.versions.at(0).to == world.version());
    if (by_age) {
        CHECK(report.versions.at(0).from_time <= clock.wall_ns() / 1000 - 100'000'000);
        CHECK(report.versions.at(0).from_time >= clock.wall_ns() / 1000 - 300'000'000);
    } else {
        CHECK(report.bytes < 20'000);
    }
    check_restorable(files, workload, report);
}

TEST_CASE("a crash at any point of archiving and letting go leaves an archive without a gap", "[recovery][archive][crash]") {
    SimulatedFileSystem files;
    Workload workload;
    auto options = archived(files);
    options.archive_keep_bytes = 4'000;
    files.record_history();
    {
        World world = open_or_fail(options);
        run(world, workload, 0, 16, 4);
        require(ecsdb::archive_now(world.engine()));
    }
    std::mt19937_64 random{5};
    const std::size_t step = ecsdb::test::test_scale() > 1 ? 1 : 15;
    std::uint64_t let_go = 0;
    for (std::size_t change = 0; change <= files.changes(); change += 1 + random() % step) {
        for (const ecsdb::KeepPending keep : {ecsdb::KeepPending::None, ecsdb::KeepPending::Subset, ecsdb::KeepPending::All}) {
            CAPTURE(change, int(keep));
            ecsdb::CrashPlan plan;
            plan.keep = keep;
            plan.seed = change;
            auto image = files.after_crash_at(change, plan);
            if (!*image->exists("world/MANIFEST") || !*image->exists("archive")) {
                continue;
            }
            const auto crashed = proven(*image);
            INFO(told(crashed));
            CHECK(crashed.sound());
            // The database opens, and the archive goes on without a gap.
            options.file_system = image.get();
            World world = open_or_fail(options);
            require(ecsdb::archive_now(world.engine()));
            const auto report = proven(*image);
            INFO(told(report));
            CHECK(report.sound());
            REQUIRE(report.versions.size() == 1);
            CHECK(report.versions[0].to == world.version());
            let_go = std::max(let_go, report.versions[0].from);
            check_restorable(*image, workload, report, 20);
        }
    }
    CHECK(let_go > 0);
}

TEST_CASE("every bit of an archive counts, and so does every file", "[recovery][archive][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(archived(files));
        run(world, workload, 0, 12);
        require(ecsdb::archive_now(world.engine()));
    }
    REQUIRE(proven(files).sound());
    std::mt19937_64 random{9};
    for (const std::string& path : files_below(files, "archive")) {
        const auto bytes = contents_of(files, path);
        for (std::size_t at = 0; at < bytes.size(); at += 1 + random() % (ecsdb::test::test_full() ? 1 : 12)) {
            CAPTURE(path, at);
            const auto bit = static_cast<unsigned>(random() % 8);
            flip(files, path, at, bit);
            auto report = ecsdb::verify_archive("archive", {.file_system = &files});
            CHECK((!report || !report->sound()));
            flip(files, path, at, bit);
        }
        auto copy = copy_of(files);
        REQUIRE(copy->remove(path));
        const auto report = proven(*copy);
        INFO(told(report));
        // Of the snapshots only the first is needed, the last of the log may never have been there; all else leaves a gap.
        const bool last = path == files_below(files, "archive").at(report.segments);
        const bool spare = path.find("snapshot-") != std::string::npos || last;
        CHECK((spare || !report.sound()));
        check_restorable(*copy, workload, report, 9);
    }
}

TEST_CASE("after salvage the archive goes on with the new history", "[recovery][archive][salvage]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(archived(files));
        run(world, workload, 0, 15);
        require(world.close());
    }
    const auto segments = files_below(files, "world/log");
    flip(files, segments[segments.size() - 1], 4096 + 100, 3);
    auto salvaged = ecsdb::salvage("world", {.file_system = &files});
    REQUIRE(salvaged);
    REQUIRE(salvaged->changed);
    const std::uint64_t kept = salvaged->version;
    World world = open_or_fail(archived(files));
    auto tx = world.begin();
    tx.create(Purse{77});
    require(tx.commit());
    const std::uint64_t hash = world.read().hash();
    require(ecsdb::archive_now(world.engine()));
    const auto report = proven(files);
    INFO(told(report));
    CHECK(report.sound());
    auto newest = ecsdb::restore("archive", "newest", {}, {.file_system = &files});
    REQUIRE(newest);
    CHECK(newest->version == kept + 1);
    CHECK(newest->hash == hash);
    auto older = ecsdb::restore("archive", "older", ecsdb::RestoreTarget::at_version(9), {.file_system = &files});
    REQUIRE(older);
}

} // namespace archive_test
