// Faults while a database is being recovered, and disks that lie: reads that fail, crashes on the way, syncs that did nothing, writes that
// went elsewhere.
#include "ecsdb/recovery/salvage.hpp"
#include "ecsdb/recovery/verify.hpp"
#include "recovery/files_fixture.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace faults_test {

using namespace recovery_test;
using ecsdb::CrashPlan;
using ecsdb::ErrorCode;
using ecsdb::FileOperation;
using ecsdb::KeepPending;
using ecsdb::SimulatedFileSystem;

namespace {

ecsdb::Options small_segments(ecsdb::FileSystem& files) {
    auto options = on(files);
    options.segment_bytes = 4096 + 768;
    return options;
}

/// Every file with its contents, but for the lock.
std::map<std::string, std::vector<std::byte>> all_files(ecsdb::FileSystem& files) {
    std::map<std::string, std::vector<std::byte>> found;
    for (const std::string& path : files_below(files, "world")) {
        if (path != "world/LOCK") {
            found[path] = contents_of(files, path);
        }
    }
    return found;
}

void fill(SimulatedFileSystem& files, Workload& workload, std::uint32_t rounds) {
    World world = open_or_fail(small_segments(files));
    for (std::uint32_t i = 0; i < rounds; ++i) {
        REQUIRE(workload.round(world, i));
        if (i % 5 == 4) {
            require(world.snapshot());
        }
    }
}

} // namespace

TEST_CASE("one read that fails during recovery fails the opening, changes no file, and is no damage", "[recovery][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    fill(files, workload, 13);
    const auto before = all_files(*files.after_crash({}));
    std::uint64_t failed = 0;
    for (const FileOperation operation : {FileOperation::Read, FileOperation::Open, FileOperation::List, FileOperation::Size}) {
        for (std::uint64_t call = 1;; ++call) {
            CAPTURE(int(operation), call);
            auto image = files.after_crash({});
            ecsdb::FaultFileSystem faulty{*image};
            faulty.inject({.operation = operation, .call = call});
            auto opened = World::open(small_segments(faulty));
            if (faulty.failures() == 0) {
                REQUIRE(opened);
                break;
            }
            if (!opened) {
                CHECK(opened.error().code() == ErrorCode::Io);
                // Until everything has been read nothing is written; what comes then begins with a new segment.
                if (operation == FileOperation::Read && !*image->exists("world/log/spare.tmp") &&
                    all_files(*image).size() == before.size()) {
                    ++failed;
                    CHECK(all_files(*image) == before);
                }
            } else {
                CHECK(opened->recovery_report().remarks.empty()); // nothing was passed over because of it
            }
            opened = ecsdb::Error{ErrorCode::Closed, ""};
            faulty.clear_faults();
            World world = open_or_fail(small_segments(faulty));
            CHECK(world.version() == workload.acknowledged);
            CHECK(world.read().hash() == workload.hashes[world.version()]);
        }
    }
    CHECK(failed > 5);
}

TEST_CASE("crashes during recovery, and during the recovery after that, lose nothing", "[recovery][crash]") {
    SimulatedFileSystem files;
    Workload workload;
    fill(files, workload, 7);
    std::mt19937_64 random{11};
    const bool all = ecsdb::test::test_scale() > 1;
    std::size_t images = 0;
    const auto crash = [&](SimulatedFileSystem& disk, std::size_t change) {
        CrashPlan plan;
        plan.keep = change % 2 == 0 ? KeepPending::Subset : KeepPending::None;
        plan.tear = change % 3 == 0 ? 512 : 1;
        plan.seed = change + 1;
        return disk.after_crash_at(change, plan);
    };
    auto first = files.after_crash({.seed = 3, .keep = KeepPending::Subset, .tear = 512});
    first->record_history();
    { World world = open_or_fail(small_segments(*first)); }
    for (std::size_t one = 0; one <= first->changes(); one += all ? 1 : 1 + random() % 3) {
        auto second = crash(*first, one);
        second->record_history();
        { World world = open_or_fail(small_segments(*second)); }
        for (std::size_t two = 0; two <= second->changes(); two += all ? 1 : 1 + random() % 6) {
            CAPTURE(one, two);
            auto third = crash(*second, two);
            World world = open_or_fail(small_segments(*third));
            ++images;
            CHECK(world.version() == workload.acknowledged);
            CHECK(world.read().hash() == workload.hashes[world.version()]);
            REQUIRE(world.update(ecsdb::Entity{}, Purse{1}).wait().error().code() == ErrorCode::NotFound);
            auto tx = world.begin();
            tx.create(Purse{1});
            require(tx.commit());
        }
    }
    CHECK(images > 30);
}

TEST_CASE("a disk that lies about syncs loses commits, but never shows a wrong one", "[recovery][fault]") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        SimulatedFileSystem files;
        Workload workload;
        {
            World world = open_or_fail(small_segments(files));
            for (std::uint32_t i = 0; i < 10; ++i) {
                files.ignore_sync(i >= 1 + seed % 8);
                REQUIRE(workload.round(world, i));
                if (i == 4) {
                    require(world.snapshot());
                }
            }
        }
        files.ignore_sync(false);
        CrashPlan plan;
        plan.keep = KeepPending::Subset;
        plan.tear = 512;
        plan.seed = seed;
        auto image = files.after_crash(plan);
        auto opened = World::open(small_segments(*image));
        if (!opened) {
            CHECK((opened.error().code() == ErrorCode::Corrupt || opened.error().code() == ErrorCode::NotFound));
            continue;
        }
        if (opened->recovery_report().created) {
            continue; // nothing of it had reached the disk
        }
        const auto known = workload.hashes.find(opened->version());
        CHECK((opened->version() == 0 || known != workload.hashes.end()));
        if (known != workload.hashes.end()) {
            CHECK(opened->read().hash() == known->second);
        }
    }
}

TEST_CASE("a write that went elsewhere is found where it is missing and where it does not belong", "[recovery][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    fill(files, workload, 13);
    std::mt19937_64 random{12};
    int detected = 0;
    const auto paths = files_below(files, "world");
    for (int i = 0; i < 300; ++i) {
        auto copy = copy_of(files);
        const std::string& from = paths[random() % paths.size()];
        const std::string& to = paths[random() % paths.size()];
        auto source = contents_of(*copy, from);
        auto target = contents_of(*copy, to);
        const std::size_t size = std::min({std::size_t{64}, source.size(), target.size()});
        if (size == 0 || to == "world/LOCK") {
            continue;
        }
        const std::size_t at = random() % (target.size() - size + 1);
        const std::size_t of = random() % (source.size() - size + 1);
        CAPTURE(from, to, at, of);
        std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(of), size, target.begin() + static_cast<std::ptrdiff_t>(at));
        write_file(*copy, to, target);
        auto options = small_segments(*copy);
        options.mode = ecsdb::OpenMode::ReadOnly;
        auto opened = World::open(options);
        if (!opened) {
            CHECK(opened.error().code() == ErrorCode::Corrupt);
            ++detected;
            continue;
        }
        const auto& report = opened->recovery_report();
        REQUIRE(workload.hashes.contains(opened->version()));
        CHECK(opened->read().hash() == workload.hashes[opened->version()]);
        CHECK((opened->version() == workload.acknowledged || report.torn_tail_bytes != 0 || !report.remarks.empty()));
    }
    CHECK(detected > 10);
}

TEST_CASE("a file of another database, or of an earlier life of this one, is refused", "[recovery][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    fill(files, workload, 13);
    SimulatedFileSystem others;
    Workload other_workload;
    fill(others, other_workload, 13);
    for (const std::string& path : files_below(files, "world")) {
        if (path == "world/LOCK" || !*others.exists(path)) {
            continue;
        }
        CAPTURE(path);
        auto copy = copy_of(files);
        write_file(*copy, path, contents_of(others, path));
        auto verified = ecsdb::verify("world", {.file_system = copy.get()});
        REQUIRE(verified);
        CHECK_FALSE(verified->sound());
        auto opened = World::open(small_segments(*copy));
        if (opened) {
            CHECK(opened->version() == workload.acknowledged);
            CHECK(opened->read().hash() == workload.hashes[opened->version()]);
        } else {
            CHECK(opened.error().code() == ErrorCode::Corrupt);
        }
    }
}

TEST_CASE("one process writes: a second is refused, a dead one's lock is taken over, a forked child holds nothing", "[recovery][process]") {
    ecsdb::test::ScratchDirectory scratch;
    ecsdb::Options options;
    options.directory = scratch.file("world");
    options.durability = ecsdb::Durability::Synced;
    options.own_thread = false;
    const auto exit_code_of = [](auto&& work) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::_exit(work());
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    };
    const auto try_to_open = [&options] {
        auto opened = World::open(options);
        return opened ? 0 : opened.error().code() == ErrorCode::Locked ? 1 : 2;
    };
    {
        World world = open_or_fail(options);
        auto tx = world.begin();
        tx.create(Purse{1});
        require(tx.commit());
        CHECK(exit_code_of(try_to_open) == 1);
        CHECK(exit_code_of([&world] { // the child's handle is dead, and its end takes nothing from us
                  auto refused = world.update(ecsdb::Entity{}, Purse{}).wait();
                  const bool dead = !refused && refused.error().code() == ErrorCode::Forked;
                  return dead && !world.flush(ecsdb::Durability::Synced) ? 0 : 1;
              }) == 0);
        CHECK(exit_code_of(try_to_open) == 1); // still locked
        auto again = world.begin();
        again.create(Purse{2});
        require(again.commit());
    }
    // A holder that is killed leaves the file, not the lock.
    const pid_t holder = ::fork();
    if (holder == 0) {
        auto opened = World::open(options);
        ::raise(SIGKILL);
        ::_exit(opened ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(holder, &status, 0) == holder);
    REQUIRE(WIFSIGNALED(status));
    World world = open_or_fail(options);
    CHECK(world.version() == 2);
    CHECK_FALSE(world.recovery_report().clean);
}

TEST_CASE("a process forks while snapshots are being taken: the child is refused at once, and the parent's go on", "[recovery][process]") {
    ecsdb::test::ScratchDirectory scratch;
    ecsdb::Options options;
    options.directory = scratch.file("world");
    options.durability = ecsdb::Durability::Logged;
    options.snapshot_transactions = 20;
    options.incremental_snapshots = 3;
    options.incremental_percent = 1000;
    options.compress_snapshots = true;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(options);
        std::atomic<bool> done{false};
        std::atomic<std::uint64_t> failed{0};
        std::thread writer{[&] {
            Workload workload;
            for (std::uint32_t i = 0; !done.load(); ++i) {
                failed += workload.round(world, i) ? 0U : 1U;
            }
        }};
        std::vector<int> outcomes;
        for (int round = 0; round < 40 || world.snapshot_state().taken < 6; ++round) {
            const pid_t child = ::fork();
            if (child == 0) {
                ::alarm(30); // should it wait for a thread that is not there
                const auto forked = [](const auto& result) { return !result && result.error().code() == ErrorCode::Forked; };
                int wrong = forked(world.snapshot()) ? 0 : 1;
                wrong |= forked(world.snapshot_if_due()) ? 0 : 2;
                wrong |= forked(world.update(ecsdb::Entity{}, Purse{}).wait()) ? 0 : 4;
                {
                    const World ended = std::move(world); // takes nothing from the parent
                }
                ::_exit(wrong);
            }
            int status = 0;
            static_cast<void>(::waitpid(child, &status, 0));
            outcomes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
        }
        done.store(true);
        writer.join();
        CHECK(failed == 0);
        CHECK(outcomes == std::vector<int>(outcomes.size(), 0));
        CHECK(world.snapshot_state().working);
        hash = world.read().hash();
        require(world.close());
    }
    CHECK(ecsdb::verify(options.directory, {})->sound());
    CHECK(open_or_fail(options).read().hash() == hash);
}

} // namespace faults_test
