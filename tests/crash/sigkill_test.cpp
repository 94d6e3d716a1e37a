// Kills a writing process again and again, and looks at what it leaves: exactly one version, with everything it was promised.
// 20 rounds, a thousand at full size (support/environment.hpp); prints the seed of its choices, ECSDB_TEST_SEED repeats them.
#include "crash/killed_process.hpp"
#include "io/temporary_directory.hpp"
#include "support/environment.hpp"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include <ctime>

namespace sigkill_test {

namespace {

using ecsdb::mix64;
using ecsdb::OpenMode;
using ecsdb::Options;
using ecsdb::test::KilledWriter;
using ecsdb::test::NumberedSteps;
using ecsdb::test::open_steps;
using ecsdb::test::step_options;
using ecsdb::test::StepDatabase;
using ecsdb::test::TemporaryDirectory;

void check(const ecsdb::Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}

/// What the rounds met; printed, so that a run shows that the kills came at interesting moments.
struct Tally {
    std::uint64_t acknowledgements = 0;
    std::uint64_t steps = 0;
    std::uint64_t beyond_acknowledged = 0;
    std::uint64_t unfinished_snapshots = 0;
    std::uint64_t from_snapshots = 0;
    std::uint64_t torn_tails = 0;
};

bool has_unfinished_snapshot(const std::string& directory) {
    ecsdb::PosixFileSystem files;
    const auto names = files.list(directory);
    REQUIRE(names);
    for (const std::string& name : *names) {
        if (name.starts_with("snapshot-") && name.ends_with(".tmp")) {
            return true;
        }
    }
    return false;
}

/// One life of the writer, and what is found afterwards. `steps` is where the database was before, and is now.
void run_round(const std::string& directory, bool synced, std::uint64_t seed, std::uint64_t milliseconds, NumberedSteps& steps,
               Tally& tally) {
    const std::uint64_t before = steps.version();
    KilledWriter writer{directory, synced, seed};
    REQUIRE(writer.read_acknowledgement());
    const timespec pause{0, static_cast<long>(milliseconds * 1'000'000)};
    ::nanosleep(&pause, nullptr);
    REQUIRE(writer.kill());
    while (writer.read_acknowledgement()) {
    }
    tally.unfinished_snapshots += has_unfinished_snapshot(directory) ? 1U : 0U;

    // Looking changes nothing: first as a reader that may not write.
    Options options = step_options(directory, synced);
    options.mode = OpenMode::ReadOnly;
    std::uint64_t hash = 0;
    {
        const StepDatabase db = open_steps(options);
        const auto view = db.read();
        REQUIRE(view.version() >= writer.acknowledged());
        REQUIRE(view.version() >= before);
        steps.advance_to(view.version());
        REQUIRE(steps.compare_with(view) == "");
        hash = view.hash();
    }
    options.mode = OpenMode::ReadWrite;
    {
        StepDatabase db = open_steps(options);
        const ecsdb::RecoveryReport& report = db.recovery_report();
        CHECK_FALSE(report.clean);
        CHECK_FALSE(report.created);
        CHECK(report.remarks == "");
        CHECK(report.unsynced_lost_from == 0);
        CHECK(report.version == steps.version());
        REQUIRE(db.version() == steps.version());
        REQUIRE(db.read().hash() == hash);
        tally.torn_tails += report.torn_tail_bytes == 0 ? 0U : 1U;
        tally.from_snapshots += report.snapshot_version == 0 ? 0U : 1U;
        check(db.close());
    }
    tally.acknowledgements += writer.count();
    tally.steps += steps.version() - before;
    tally.beyond_acknowledged += steps.version() - writer.acknowledged();
    if (milliseconds % 4 != 0) {
        return; // what follows costs more than the kill
    }
    StepDatabase db = open_steps(options);
    CHECK(db.recovery_report().clean);
    REQUIRE(db.read().hash() == hash);
    REQUIRE(steps.compare_with(db.read()) == "");

    // Life goes on with the very next number, column update included.
    check(steps.run(db, 1 + NumberedSteps::steps_per_column_update));
    REQUIRE(steps.compare_with(db.read()) == "");
    check(db.close());
}

} // namespace

TEST_CASE("a killed writer leaves exactly one version, with every commit that was acknowledged", "[crash][recovery]") {
    const std::uint64_t rounds = ecsdb::test::test_size(20, 1000) * ecsdb::test::test_scale();
    const std::uint64_t run_seed = ecsdb::test::test_seed("crash/sigkill");
    constexpr std::uint64_t rounds_per_database = 10;
    std::unique_ptr<TemporaryDirectory> directory;
    std::unique_ptr<NumberedSteps> steps;
    std::uint64_t seed = 0;
    Tally tally;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        if (round % rounds_per_database == 0) {
            seed = mix64(run_seed + round);
            directory = std::make_unique<TemporaryDirectory>();
            steps = std::make_unique<NumberedSteps>(seed);
        }
        const bool synced = round % 2 == 1;
        const std::uint64_t milliseconds = 1 + mix64(seed ^ round) % 50;
        CAPTURE(round, seed, synced, milliseconds);
        run_round(*directory / "db", synced, seed, milliseconds, *steps, tally);
    }
    std::printf("%llu kills: %llu acknowledgements, %llu steps, %llu of them found beyond what was acknowledged; %llu unfinished "
                "snapshots, %llu recoveries from a snapshot, %llu torn tails\n",
                static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(tally.acknowledgements),
                static_cast<unsigned long long>(tally.steps), static_cast<unsigned long long>(tally.beyond_acknowledged),
                static_cast<unsigned long long>(tally.unfinished_snapshots), static_cast<unsigned long long>(tally.from_snapshots),
                static_cast<unsigned long long>(tally.torn_tails));
    CHECK(tally.acknowledgements >= rounds);
}

} // namespace sigkill_test
