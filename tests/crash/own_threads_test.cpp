// A database with all its threads (writer, log, snapshots by themselves, archiver) on a simulated disk, and a crash after any change to
// that. What the threads do differs from run to run; what every version is does not, so the rule can be held against all of it. Prints its
// seed, ECSDB_TEST_SEED repeats its choices.
#include "crash/killed_process.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/recovery/archive.hpp"
#include "simulation/oracle.hpp"
#include "support/environment.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <thread>

namespace ecsdb::test::own_threads_test {
namespace {

Options options_on(SimulatedFileSystem& disk, bool synced) {
    Options options = step_options("world", synced);
    options.file_system = &disk;
    options.archive_directory = "archive";
    options.compress_snapshots = true;
    options.snapshot_transactions = 60;
    options.incremental_snapshots = 2;
    options.incremental_percent = 1000;
    return options;
}

/// Writes, and lets the oracle know when what was tried and promised. States are known by their version.
void live(SimulatedFileSystem& disk, bool synced, NumberedSteps& steps, Oracle<std::uint64_t>& oracle) {
    StepDatabase db = open_steps(options_on(disk, synced));
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> failed{0};
    std::thread beside{[&] {
        while (!done) {
            failed += !db.compact();
            failed += !archive_now(db.engine());
            failed += !db.snapshot_if_due(); // the database's own look comes every 50 ms
            static_cast<void>(db.wait_for_version(db.version() + 30, 20'000'000));
        }
    }};
    std::string problem;
    for (std::uint64_t window = 0; window < 40 && problem.empty(); ++window) {
        const std::uint64_t count = 1 + window % 23;
        const std::size_t moment = disk.changes();
        for (std::uint64_t next = 1; next <= count; ++next) {
            oracle.attempt(moment, steps.version() + next, steps.version() + next);
        }
        const bool flushes = !synced && window % 4 == 0;
        Result<void> written = steps.run(db, count);
        if (written && !synced) {
            written = db.flush(flushes ? Durability::Synced : Durability::Logged);
        }
        if (written && window == 15) {
            written = db.snapshot(); // however little time the others were given
        }
        if (!written) {
            problem = written.error().to_string();
            break;
        }
        oracle.confirm(Crash::Process, disk.changes(), steps.version());
        if (synced || flushes) {
            oracle.confirm(Crash::Power, disk.changes(), steps.version());
        }
    }
    done = true;
    beside.join();
    CHECK(problem == "");
    CHECK(failed == 0);
    CHECK(db.snapshot_state().taken > 0);
    REQUIRE(db.close());
    oracle.confirm(Crash::Power, disk.changes(), steps.version());
}

} // namespace

TEST_CASE("wherever a crash hits a database with threads of its own, it opens as a version that was tried, with all that was promised",
          "[crash][recovery][threads]") {
    const std::uint64_t seed = test_seed("crash/own_threads");
    const std::uint64_t lives = test_size(2, 8) * test_scale();
    std::mt19937_64 random{seed};
    std::size_t beyond_promised = 0;
    std::size_t snapshots_loaded = 0;
    std::size_t images = 0;
    for (std::uint64_t life = 0; life < lives; ++life) {
        const bool synced = life % 2 == 1;
        CAPTURE(life, synced);
        SimulatedFileSystem disk;
        disk.record_history();
        NumberedSteps steps{seed + life};
        Oracle<std::uint64_t> oracle{0, 0};
        live(disk, synced, steps, oracle);
        for (int image_number = 0; image_number < 25; ++image_number, ++images) {
            constexpr std::array kept{KeepPending::None, KeepPending::All, KeepPending::Subset, KeepPending::Subset, KeepPending::Cached};
            CrashPlan plan;
            plan.seed = random();
            plan.keep = kept[random() % kept.size()];
            plan.tear = random() % 2 == 0 ? 512 : 1;
            plan.garbage = random() % 2 == 0;
            const std::size_t moment = random() % (disk.changes() + 1);
            CAPTURE(image_number, moment);
            const auto image = disk.after_crash_at(moment, plan);
            if (const auto archive = verify_archive("archive", {.file_system = image.get()})) {
                INFO((archive->faults.empty() ? std::string{} : archive->faults.front()));
                CHECK(archive->sound());
            } else {
                CHECK(archive.error().code() == ErrorCode::NotFound);
            }
            StepDatabase db = open_steps(options_on(*image, synced));
            const Crash crash = plan.keep == KeepPending::Cached ? Crash::Process : Crash::Power;
            REQUIRE(oracle.judge(crash, moment, db.version()) == "");
            NumberedSteps found{seed + life};
            found.advance_to(db.version());
            REQUIRE(found.compare_with(db.read()) == "");
            beyond_promised += db.version() > oracle.kept_by(crash, moment) ? 1U : 0U;
            snapshots_loaded += db.recovery_report().snapshot_version != 0 ? 1U : 0U;
            REQUIRE(found.run(db, 5));
            REQUIRE(found.compare_with(db.read()) == "");
        }
    }
    std::printf("crash/own_threads: %zu images, %zu beyond what was promised, %zu from a snapshot\n", images, beyond_promised,
                snapshots_loaded);
    CHECK(beyond_promised > 0);
    CHECK(snapshots_loaded > 0);
}

} // namespace ecsdb::test::own_threads_test
