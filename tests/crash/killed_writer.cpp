// Writes numbered steps into a database until it is killed, and says on descriptor 3 how far the database has promised to remember them:
//   ecsdb_killed_writer DIRECTORY logged|synced SEED [KILL_POINT TIME]
// A snapshot thread works beside it all the time. Ends by itself only when something goes wrong; with the name of a kill point it archives,
// too, and kills itself when it comes there for the so many-th time.
#include <atomic>
#include <csignal>
#include <string_view>

#include <unistd.h>

namespace {

std::string_view point_to_die_at;
std::atomic<long> passes_left{0};

void pass_kill_point(std::string_view name) {
    if (name == point_to_die_at && passes_left.fetch_sub(1) == 1) {
        ::kill(::getpid(), SIGKILL);
    }
}

} // namespace

#define ECSDB_KILL_POINT(name) ::pass_kill_point(name)

#include "crash/numbered_steps.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

using ecsdb::Durability;
using ecsdb::test::NumberedSteps;
using ecsdb::test::StepDatabase;

constexpr int acknowledgements = 3;

[[noreturn]] void give_up(std::string_view what, std::string_view why) {
    std::fprintf(stderr, "killed_writer: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(), static_cast<int>(why.size()),
                 why.data());
    std::_Exit(1);
}

template <typename T>
void expect(const ecsdb::Result<T>& result, std::string_view what) {
    if (!result) {
        give_up(what, result.error().to_string());
    }
}

void take_snapshots(StepDatabase& db) {
    for (;;) {
        expect(db.snapshot(), "snapshot");
        expect(db.wait_for_version(db.version() + 20), "waiting for the next snapshot");
    }
}

void write_steps(StepDatabase& db, NumberedSteps& steps, bool synced) {
    for (std::uint64_t window = 0;; ++window) {
        expect(steps.run(db, 1 + window % 23), "writing");
        // A synced database has promised by now; a logged one promises when asked.
        if (!synced) {
            expect(db.flush(Durability::Logged), "flush");
        }
        const std::uint64_t version = steps.version();
        if (::write(acknowledgements, &version, sizeof(version)) != static_cast<ssize_t>(sizeof(version))) {
            give_up("acknowledging", "nobody listens");
        }
    }
}

} // namespace

int main(int count, char** arguments) {
    if (count != 4 && count != 6) {
        give_up("usage", "ecsdb_killed_writer DIRECTORY logged|synced SEED [KILL_POINT TIME]");
    }
    const bool synced = std::string_view{arguments[2]} == "synced";
    ecsdb::Options options = ecsdb::test::step_options(arguments[1], synced);
    if (count == 6) {
        point_to_die_at = arguments[4];
        passes_left = std::strtol(arguments[5], nullptr, 10);
        options.archive_directory = options.directory + ".archive";
        options.archive_keep_bytes = 1; // the newest snapshot, and what follows it
    }
    auto db = StepDatabase::open(options);
    expect(db, "open");
    NumberedSteps steps{std::strtoull(arguments[3], nullptr, 10)};
    steps.advance_to(db->version());
    if (const std::string problem = steps.compare_with(db->read()); !problem.empty()) {
        give_up("recovered state", problem);
    }
    const std::thread snapshots{[&] { take_snapshots(*db); }};
    write_steps(*db, steps, synced);
}
