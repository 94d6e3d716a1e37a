/// @file
/// The parent's side of the simulation: starts this very program as a child, follows its reports, and kills it.
#pragma once

#include "08_demo/replay.hpp"
#include "08_demo/report.hpp"
#include "08_demo/settings.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace demo {

inline constexpr int child_pipe = 3;

/// Everything the child told.
struct Told {
    std::uint64_t maps = 0;
    std::uint64_t entities = 0;
    std::uint64_t rows = 0;
    double import_seconds = 0;
    std::uint64_t acknowledged = 0; ///< The newest version that was promised to survive.
    std::uint64_t acknowledgements = 0;
    Hashes hashes;
    std::uint64_t snapshots = 0;
    bool in_snapshot = false;
    double seconds = 0; ///< Of simulation, up to the last count,
    std::uint64_t commits = 0;
    std::uint64_t rows_read = 0;
};

class Victim {
public:
    using Clock = std::chrono::steady_clock;

    /// Null descriptor and process where the system refuses; `follow_and_kill` then fails.
    explicit Victim(const Settings& settings) : reports_{start(settings)} {}
    Victim(const Victim&) = delete;
    Victim& operator=(const Victim&) = delete;
    ~Victim() { static_cast<void>(kill()); }

    /// Follows the child through the import and `settings.seconds()` of simulation, then kills it while it saves a snapshot.
    [[nodiscard]] ecsdb::Result<Told> follow_and_kill(const Settings& settings) {
        const Clock::time_point started = Clock::now();
        Clock::time_point simulating = Clock::time_point::max();
        Clock::time_point snapshot_begun{};
        Clock::duration snapshot_took = std::chrono::milliseconds{10};
        bool simulates = false;
        bool killed = false;
        for (;;) {
            const std::optional<Report> report = reports_.next(10'000);
            if (!report) {
                break; // the pipe is empty and its other end closed, or nothing was heard for too long
            }
            take(*report);
            const Clock::time_point now = Clock::now();
            switch (report->news) {
            case News::ImportDone:
                told_.import_seconds = std::chrono::duration<double>{now - started}.count();
                break;
            case News::Started:
                simulating = now;
                simulates = true;
                break;
            case News::SnapshotBegun:
                snapshot_begun = now;
                // Two finished snapshots are the least that make the log's beginning move.
                if (!killed && simulates && told_.snapshots >= 2 && now - simulating >= std::chrono::seconds{settings.seconds()}) {
                    std::this_thread::sleep_for(snapshot_took / 2);
                    killed = true;
                    if (!kill()) {
                        return ecsdb::Error{ecsdb::ErrorCode::Aborted, "the simulation ended before it was killed"};
                    }
                }
                break;
            case News::SnapshotDone:
                snapshot_took = now - snapshot_begun;
                break;
            default:
                break;
            }
        }
        if (!killed) {
            return ecsdb::Error{ecsdb::ErrorCode::Aborted, "the simulation ended or fell silent before it was to be killed"};
        }
        return std::move(told_);
    }

private:
    int start(const Settings& settings) {
        std::array<int, 2> ends{-1, -1};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            return -1;
        }
        std::string program{"/proc/self/exe"};
        std::string role{"--simulate"};
        std::string directory = settings.directory;
        std::string wads_option{"--wads"};
        std::string wads = settings.wads;
        std::string quick{"--quick"};
        const std::array<char*, 7> arguments{
            program.data(), role.data(), directory.data(), wads_option.data(), wads.data(), settings.quick ? quick.data() : nullptr,
            nullptr};
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], child_pipe);
        if (::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0) {
            process_ = 0;
        }
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        return ends[0];
    }

    /// True when it was the signal that ended the child.
    bool kill() {
        if (process_ == 0) {
            return false;
        }
        int status = 0;
        ::kill(process_, SIGKILL);
        ::waitpid(std::exchange(process_, 0), &status, 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }

    void take(const Report& report) {
        switch (report.news) {
        case News::MapImported:
            told_.maps = report.second;
            break;
        case News::ImportDone:
            told_.entities = report.second;
            told_.rows = report.third;
            break;
        case News::Started:
            break;
        case News::Hashed:
            told_.hashes[report.first] = report.second;
            [[fallthrough]];
        case News::Acknowledged:
            told_.acknowledged = std::max(told_.acknowledged, report.first);
            ++told_.acknowledgements;
            break;
        case News::SnapshotBegun:
            told_.in_snapshot = true;
            break;
        case News::SnapshotDone:
            told_.in_snapshot = false;
            ++told_.snapshots;
            break;
        case News::Counted:
            told_.seconds = static_cast<double>(report.first) / 1e9;
            told_.commits = report.second;
            told_.rows_read = report.third;
            break;
        }
        show_progress(report.news);
    }

    /// One line a second, and one for each ten maps.
    void show_progress(News news) {
        if (news == News::MapImported && told_.maps % 10 == 0) {
            std::printf("  %llu maps imported\n", static_cast<unsigned long long>(told_.maps));
        } else if (news == News::Counted && told_.seconds >= shown_seconds_ + 2) {
            shown_seconds_ += 2;
            std::printf("  %.0f s: %llu commits, %llu snapshots, version %llu acknowledged\n", told_.seconds,
                        static_cast<unsigned long long>(told_.commits), static_cast<unsigned long long>(told_.snapshots),
                        static_cast<unsigned long long>(told_.acknowledged));
        }
        std::fflush(stdout);
    }

    Told told_;
    double shown_seconds_ = 0;
    pid_t process_ = 0;
    ReportReader reports_;
};

} // namespace demo
