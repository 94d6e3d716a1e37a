// Writes numbered steps into a database until it is killed, and says on descriptor 3 how far the database has promised to remember them:
//   ecsdb_killed_writer DIRECTORY logged|synced SEED
// A snapshot thread works beside it all the time. Ends by itself only when something goes wrong.
#include "crash/numbered_steps.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include <unistd.h>

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
    if (count != 4) {
        give_up("usage", "ecsdb_killed_writer DIRECTORY logged|synced SEED");
    }
    const bool synced = std::string_view{arguments[2]} == "synced";
    auto db = StepDatabase::open(ecsdb::test::step_options(arguments[1], synced));
    expect(db, "open");
    NumberedSteps steps{std::strtoull(arguments[3], nullptr, 10)};
    steps.advance_to(db->version());
    if (const std::string problem = steps.compare_with(db->read()); !problem.empty()) {
        give_up("recovered state", problem);
    }
    const std::thread snapshots{[&] { take_snapshots(*db); }};
    write_steps(*db, steps, synced);
}
