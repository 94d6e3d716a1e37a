#include "ecsdb/recovery/verify.hpp"
#include "recovery/world.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

namespace automatic_snapshots_test {

using namespace recovery_test;
using ecsdb::SimulatedFileSystem;

namespace {

constexpr std::uint64_t second = 1'000'000'000;

/// A world whose clock is the test's, on a disk that can fail.
struct Scene {
    explicit Scene(void (*configure)(ecsdb::Options&)) {
        options = on(files, ecsdb::Durability::Logged);
        options.clock = &clock;
        configure(options);
        world.emplace(open_or_fail(options));
    }

    void commit(std::uint32_t transactions = 1) {
        for (; transactions != 0; --transactions) {
            auto tx = world->begin();
            static_cast<void>(tx.create(Purse{++number}));
            require(tx.commit());
        }
    }
    /// Whether a snapshot was due, and taken.
    bool step() {
        const auto taken = world->snapshot_if_due();
        REQUIRE(taken);
        if (*taken) {
            CHECK(world->snapshot_state().version == world->version());
        }
        return *taken;
    }

    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    ecsdb::SimulatedClock clock;
    ecsdb::Options options;
    std::optional<World> world;
    std::uint64_t number = 0;
};

} // namespace

TEST_CASE("a snapshot is taken after so many transactions, and not before", "[recovery]") {
    Scene scene{[](ecsdb::Options& options) { options.snapshot_transactions = 10; }};
    CHECK_FALSE(scene.step());
    for (int round = 1; round <= 3; ++round) {
        scene.commit(9);
        CHECK_FALSE(scene.step());
        scene.commit();
        CHECK(scene.step());
        CHECK_FALSE(scene.step());
        CHECK(scene.world->snapshot_state().taken == std::uint64_t(round));
    }
}

TEST_CASE("a snapshot is taken after so many seconds, if there is anything new", "[recovery]") {
    Scene scene{[](ecsdb::Options& options) { options.snapshot_seconds = 60; }};
    scene.clock.advance(100 * second);
    CHECK_FALSE(scene.step());
    scene.commit();
    CHECK(scene.step());
    scene.commit();
    scene.clock.advance(60 * second - 1);
    CHECK_FALSE(scene.step());
    scene.clock.advance(1);
    CHECK(scene.step());
}

TEST_CASE("a snapshot is taken after so many bytes of log, also those of the process before", "[recovery]") {
    Scene scene{[](ecsdb::Options& options) { options.snapshot_log_bytes = 20'000; }};
    std::uint32_t needed = 0;
    while (!scene.step()) {
        scene.commit();
        ++needed;
    }
    CHECK(needed > 100);
    CHECK(needed < 400);
    std::uint32_t again = 0;
    for (; again < needed / 2; ++again) {
        scene.commit();
        REQUIRE_FALSE(scene.step());
    }
    require(scene.world->close());
    scene.world.reset();
    scene.world.emplace(open_or_fail(scene.options));
    CHECK_FALSE(scene.step());
    while (!scene.step()) {
        scene.commit();
        ++again;
    }
    // The header of a segment is among what has to be read.
    CHECK(again <= needed);
    CHECK(again > needed / 2);
}

TEST_CASE("a snapshot is taken when replaying the log would take so long", "[recovery]") {
    Scene scene{[](ecsdb::Options& options) { options.snapshot_replay_ns = 100'000; }};
    scene.commit(50);
    CHECK_FALSE(scene.step());
    scene.commit(300);
    CHECK(scene.step());
    CHECK_FALSE(scene.step());
}

TEST_CASE("a snapshot taken by hand counts", "[recovery]") {
    Scene scene{[](ecsdb::Options& options) { options.snapshot_transactions = 10; }};
    scene.commit(10);
    require(scene.world->snapshot());
    CHECK_FALSE(scene.step());
}

TEST_CASE("a failing automatic snapshot is reported, tried again after growing pauses, and harms nothing", "[recovery]") {
    Scene scene{[](ecsdb::Options& options) { options.snapshot_transactions = 5; }};
    std::vector<std::pair<bool, std::uint64_t>> told;
    scene.world->on_log_state(
        [&](const ecsdb::LogState& state) { told.emplace_back(state.snapshots.has_value(), state.snapshot_version); });
    scene.commit(5);
    CHECK(scene.step());
    const std::uint64_t good = scene.world->snapshot_state().version;
    scene.commit(5);
    scene.files.inject(
        {.operation = ecsdb::FileOperation::Open, .code = ecsdb::ErrorCode::NoSpace, .sticky = true, .path_part = "snapshot-"});
    std::uint64_t tries = 0;
    for (std::uint64_t pause = 1; pause <= 8; pause *= 2) {
        const auto failed = scene.world->snapshot_if_due();
        REQUIRE_FALSE(failed);
        CHECK(failed.error().code() == ecsdb::ErrorCode::NoSpace);
        ++tries;
        for (int i = 0; i < 20; ++i) { // no hot loop
            CHECK_FALSE(scene.step());
        }
        CHECK_FALSE(scene.world->snapshot_state().working);
        CHECK(scene.world->snapshot_state().version == good);
        const ecsdb::LogState state = scene.world->log_state();
        CHECK(state.condition() == ecsdb::LogCondition::Ok);
        REQUIRE_FALSE(state.snapshots);
        CHECK(state.snapshots.error().code() == ecsdb::ErrorCode::NoSpace);
        scene.commit(); // writes go on
        scene.clock.advance(pause * second - 1);
        CHECK_FALSE(scene.step());
        scene.clock.advance(1);
    }
    CHECK(scene.files.failures() == tries);
    scene.files.clear_faults();
    CHECK(scene.step());
    CHECK(scene.world->snapshot_state().working);
    CHECK(scene.world->log_state().snapshots);
    scene.commit(); // callbacks run on the thread that waits
    scene.world->on_log_state(nullptr);
    REQUIRE_FALSE(told.empty());
    CHECK(told.front() == std::pair{true, good});
    CHECK(std::count_if(told.begin(), told.end(), [](const auto& state) { return !state.first; }) >= 1);
    CHECK(told.back().first);
}

TEST_CASE("a snapshot that cannot be read back is reported, and takes nobody's place", "[recovery]") {
    Scene scene{[](ecsdb::Options& options) {
        options.snapshot_transactions = 5;
        options.incremental_snapshots = 4;
        options.incremental_percent = 1000;
    }};
    const auto snapshots = [&] {
        auto names = scene.files.list("world");
        REQUIRE(names);
        std::erase_if(*names, [](const std::string& name) { return !name.starts_with("snapshot-"); });
        return names->size();
    };
    scene.commit(5);
    CHECK(scene.step());
    scene.commit(5);
    scene.files.inject({.operation = ecsdb::FileOperation::Read, .code = ecsdb::ErrorCode::Io, .sticky = true, .path_part = "snapshot-"});
    CHECK(scene.step());
    CHECK_FALSE(scene.world->snapshot_state().working);
    // Again at once, and then after a while.
    CHECK(scene.step());
    CHECK_FALSE(scene.step());
    scene.files.clear_faults();
    scene.clock.advance(second);
    CHECK(scene.step()); // a full one
    CHECK(scene.world->snapshot_state().working);
    CHECK(scene.world->snapshot_state().builds_on == 0);
    scene.commit(5);
    CHECK(scene.step());
    CHECK(scene.world->snapshot_state().builds_on == 1);
    CHECK(snapshots() == 3); // both, and the first one: what could not be read has gone
    const std::uint64_t hash = scene.world->read().hash();
    require(scene.world->flush(ecsdb::Durability::Synced));
    const auto image = scene.disk.after_crash({});
    CHECK(open_or_fail(on(*image)).read().hash() == hash);
}

TEST_CASE("a database with threads takes its snapshots by itself, beside a writer that goes on", "[recovery]") {
    SimulatedFileSystem files;
    auto options = on(files, ecsdb::Durability::Logged);
    options.own_thread = true;
    options.snapshot_transactions = 200;
    options.incremental_snapshots = 5;
    options.incremental_percent = 1000;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(options);
        std::atomic<std::uint64_t> told{0};
        world.on_log_state([&](const ecsdb::LogState& state) { told.store(state.snapshot_version); });
        Workload workload;
        for (std::uint32_t i = 0; world.snapshot_state().taken < 4 || told.load() == 0; ++i) {
            REQUIRE(workload.round(world, i));
        }
        CHECK(world.snapshot_state().working);
        CHECK(world.snapshot_state().builds_on > 0);
        hash = world.read().hash();
        require(world.close());
    }
    const World world = open_or_fail(options);
    CHECK(world.read().hash() == hash);
    CHECK(world.recovery_report().snapshot_version != 0);
}

} // namespace automatic_snapshots_test
