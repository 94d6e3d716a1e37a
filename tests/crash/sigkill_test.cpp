// Kills a writing process again and again, and looks at what it leaves: exactly one version, with everything it was promised.
// 20 rounds, or as many as ECSDB_SIGKILL_ROUNDS says; ECSDB_SIGKILL_SEED repeats a run's choices.
#include "crash/numbered_steps.hpp"
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sigkill_test {

namespace {

using ecsdb::Durability;
using ecsdb::mix64;
using ecsdb::OpenMode;
using ecsdb::Options;
using ecsdb::test::NumberedSteps;
using ecsdb::test::step_options;
using ecsdb::test::StepDatabase;
using ecsdb::test::TemporaryDirectory;

constexpr int acknowledgements = 3;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A process that writes until it is killed.
class KilledWriter {
public:
    KilledWriter(const std::string& directory, bool synced, std::uint64_t seed) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        reading_ = ends[0];
        std::string program{ECSDB_KILLED_WRITER};
        std::string path = directory;
        std::string level = synced ? "synced" : "logged";
        std::string number = std::to_string(seed);
        const std::array<char*, 5> arguments{program.data(), path.data(), level.data(), number.data(), nullptr};
        posix_spawn_file_actions_t actions;
        REQUIRE(::posix_spawn_file_actions_init(&actions) == 0);
        REQUIRE(::posix_spawn_file_actions_adddup2(&actions, ends[1], acknowledgements) == 0);
        const int failed = ::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        REQUIRE(failed == 0);
    }
    KilledWriter(const KilledWriter&) = delete;
    KilledWriter& operator=(const KilledWriter&) = delete;
    ~KilledWriter() {
        kill();
        ::close(reading_);
    }

    /// Waits for the next acknowledged version; false at the end of the pipe.
    bool read_acknowledgement() {
        std::uint64_t version = 0;
        const bool whole = ::read(reading_, &version, sizeof(version)) == static_cast<ssize_t>(sizeof(version));
        if (whole) {
            acknowledged_ = version;
            ++count_;
        }
        return whole;
    }
    /// True when it was the signal that ended the process.
    bool kill() {
        if (process_ == 0) {
            return true;
        }
        int status = 0;
        ::kill(process_, SIGKILL);
        ::waitpid(std::exchange(process_, 0), &status, 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }

    [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    int reading_ = -1;
    pid_t process_ = 0;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t count_ = 0;
};

StepDatabase open(const Options& options) {
    auto db = StepDatabase::open(options);
    if (!db) {
        FAIL(db.error().to_string());
    }
    return std::move(*db);
}

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
        const StepDatabase db = open(options);
        const auto view = db.read();
        REQUIRE(view.version() >= writer.acknowledged());
        REQUIRE(view.version() >= before);
        steps.advance_to(view.version());
        REQUIRE(steps.compare_with(view) == "");
        hash = view.hash();
    }
    options.mode = OpenMode::ReadWrite;
    {
        StepDatabase db = open(options);
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
    StepDatabase db = open(options);
    CHECK(db.recovery_report().clean);
    REQUIRE(db.read().hash() == hash);
    REQUIRE(steps.compare_with(db.read()) == "");
    tally.acknowledgements += writer.count();
    tally.steps += steps.version() - before;
    tally.beyond_acknowledged += steps.version() - writer.acknowledged();

    // Life goes on with the very next number, column update included.
    check(steps.run(db, 1 + NumberedSteps::steps_per_column_update));
    REQUIRE(steps.compare_with(db.read()) == "");
    check(db.close());
}

} // namespace

TEST_CASE("a killed writer leaves exactly one version, with every commit that was acknowledged", "[crash][recovery]") {
    const std::uint64_t rounds = number_from("ECSDB_SIGKILL_ROUNDS", 20);
    const std::uint64_t run_seed = number_from("ECSDB_SIGKILL_SEED", 20260);
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
