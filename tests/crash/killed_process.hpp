/// @file
/// A process that writes numbered steps into a database until it is killed, or kills itself: as its parent sees it.
#pragma once

#include "crash/numbered_steps.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ecsdb::test {

/// Opens, or fails the test.
inline StepDatabase open_steps(const Options& options) {
    auto db = StepDatabase::open(options);
    if (!db) {
        FAIL(db.error().to_string());
    }
    return std::move(*db);
}

/// A process that writes until it is killed.
class KilledWriter {
public:
    /// With a kill point it kills itself, when it comes there for the `time`-th time.
    KilledWriter(const std::string& directory, bool synced, std::uint64_t seed, const std::string& kill_point = {}, unsigned time = 1) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        reading_ = ends[0];
        std::string program{ECSDB_KILLED_WRITER};
        std::string path = directory;
        std::string level = synced ? "synced" : "logged";
        std::string number = std::to_string(seed);
        std::string point = kill_point;
        std::string times = std::to_string(time);
        std::array<char*, 7> arguments{program.data(), path.data(), level.data(), number.data(), nullptr, nullptr, nullptr};
        if (!point.empty()) {
            arguments[4] = point.data();
            arguments[5] = times.data();
        }
        posix_spawn_file_actions_t actions;
        REQUIRE(::posix_spawn_file_actions_init(&actions) == 0);
        REQUIRE(::posix_spawn_file_actions_adddup2(&actions, ends[1], acknowledgements_there) == 0);
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
        ::kill(process_, SIGKILL);
        return ended_by_signal();
    }
    /// Waits until the process has killed itself; false when it ended otherwise.
    bool ended_by_signal() {
        int status = 0;
        ::waitpid(std::exchange(process_, 0), &status, 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }

    [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    static constexpr int acknowledgements_there = 3; ///< The descriptor the process writes them to.

    int reading_ = -1;
    pid_t process_ = 0;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t count_ = 0;
};

} // namespace ecsdb::test
