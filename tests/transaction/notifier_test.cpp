#include "ecsdb/transaction/notifier.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace ecsdb::test::notifier_test {
namespace {

void wait_until(std::atomic<std::uint64_t>& value, std::uint64_t wanted) {
    for (std::uint64_t seen = value; seen < wanted; seen = value) {
        value.wait(seen);
    }
}

} // namespace

TEST_CASE("closing tells every callback how it ended, and none is called afterwards or twice", "[transaction][notifier][threads]") {
    for (int round = 0; round < 30; ++round) {
        World8 db = open_db();
        std::atomic<int> asked{0};
        std::atomic<int> told{0};
        std::atomic<int> wrong{0};
        std::atomic<bool> stop{false};
        std::vector<std::jthread> threads;
        for (int t = 0; t < 2; ++t) {
            threads.emplace_back([&] {
                while (!stop) {
                    ++asked;
                    db.destroy({}).then([&](Result<void> outcome) {
                        ++told;
                        wrong += !outcome && outcome.error().code() != ErrorCode::Closed;
                    });
                }
            });
        }
        while (asked < 50) {
            std::this_thread::yield();
        }
        CHECK(db.close());
        stop = true;
        threads.clear();
        CHECK(told == asked);
        CHECK(wrong == 0);
    }
}

TEST_CASE("what was never run is told Closed", "[transaction][notifier]") {
    std::optional<World8> db{open_db(stepped())};
    std::vector<ErrorCode> told;
    const auto tell = [&](const Result<void>& outcome) { told.push_back(code_of(outcome)); };
    Ticket kept = db->destroy({});
    db->destroy({}).then(tell);
    REQUIRE(db->close()); // runs what is queued
    CHECK(told == std::vector{success});
    std::move(kept).then(tell); // after the end: right here
    CHECK(told == std::vector{success, success});
    db->destroy({}).then(tell);
    CHECK(told == std::vector{success, success, ErrorCode::Closed});
    db.reset();
    CHECK(told.size() == 3);
}

TEST_CASE("a database cannot be closed from its own callback, and says so", "[transaction][notifier]") {
    const bool own_thread = GENERATE(false, true);
    Options options;
    options.own_thread = own_thread;
    World8 db = open_db(options);
    std::atomic<std::uint64_t> told{0};
    ErrorCode closing{};
    db.destroy({}).then([&](const Result<void>&) {
        closing = code_of(db.close());
        ++told;
        told.notify_all();
    });
    step_all(db);
    wait_until(told, 1);
    CHECK(closing == ErrorCode::WouldDeadlock);
    CHECK(db.destroy({}).wait());
    CHECK(db.close());
}

TEST_CASE("a callback that waits for room or for an outcome while the database closes does not hold it up",
          "[transaction][notifier][threads]") {
    Options options;
    options.queue_transactions = 2;
    for (int round = 0; round < 30; ++round) {
        World8 db = open_db(options);
        std::atomic<std::uint64_t> begun{0};
        int wrong = 0;
        db.destroy({}).then([&](const Result<void>&) {
            begun = 1;
            begun.notify_all();
            for (;;) {
                const Result<void> outcome = db.destroy({}).wait();
                if (!outcome) {
                    wrong += outcome.error().code() != ErrorCode::Closed;
                    return;
                }
            }
        });
        wait_until(begun, 1);
        CHECK(db.close());
        CHECK(wrong == 0);
    }
}

TEST_CASE("callbacks of many threads all come, each thread's in its order", "[transaction][notifier][threads]") {
    World8 db = open_db();
    constexpr std::uint64_t each = 3000;
    constexpr std::size_t threads = 3;
    std::atomic<std::uint64_t> told{0};
    std::array<std::uint64_t, threads> next{};
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> all;
        for (std::size_t t = 0; t < threads; ++t) {
            all.emplace_back([&, t] {
                for (std::uint64_t i = 0; i < each; ++i) {
                    Ticket ticket = i % 7 == 0 ? db.set(Entity{5, 1, 0}, Account{}) : db.destroy({});
                    std::move(ticket).then([&, t, i](const Result<void>& outcome) {
                        wrong += outcome.has_value() != (i % 7 != 0);
                        wrong += next[t]++ != i; // one at a time: no lock is needed
                        if (++told == each * threads) {
                            told.notify_all();
                        }
                    });
                    if (i % 64 == 0) {
                        std::this_thread::yield();
                    }
                }
            });
        }
    }
    wait_until(told, each * threads);
    CHECK(wrong == 0);
}

TEST_CASE("a committed version is told once, in order, and the newest always", "[transaction][notifier][commit]") {
    World8 db = open_db(stepped());
    std::vector<std::uint64_t> versions;
    CHECK(db.destroy({}).wait()); // before anybody listened
    db.on_commit([&](std::uint64_t version) { versions.push_back(version); });
    step_all(db);
    CHECK(versions.empty());
    std::vector<Ticket> batch;
    for (int i = 0; i < 3; ++i) {
        batch.push_back(db.destroy({}));
    }
    CHECK(versions.empty());
    step_all(db);
    CHECK(versions == std::vector<std::uint64_t>{4}); // one batch, one call
    CHECK(code_of(db.set(Entity{5, 1, 0}, Account{}).wait()) == ErrorCode::NotFound);
    CHECK(versions.size() == 1); // nothing was published
    CHECK(db.destroy({}).wait());
    CHECK(versions == std::vector<std::uint64_t>{4, 5});

    SECTION("another takes its place") {
        std::vector<std::uint64_t> second;
        db.on_commit([&](std::uint64_t version) { second.push_back(version); });
        CHECK(db.destroy({}).wait());
        CHECK(versions.size() == 2);
        CHECK(second == std::vector<std::uint64_t>{6});
    }
    SECTION("nobody does") {
        db.on_commit(nullptr);
        CHECK(db.destroy({}).wait());
        CHECK(versions.size() == 2);
    }
    SECTION("it takes itself away, from within, and is destroyed only afterwards") {
        auto alive = std::make_shared<int>(0);
        db.on_commit([&db, alive](std::uint64_t) {
            db.on_commit(nullptr);
            ++*alive;
        });
        CHECK(alive.use_count() == 2);
        CHECK(db.destroy({}).wait());
        CHECK(db.destroy({}).wait());
        CHECK(*alive == 1);
        CHECK(alive.use_count() == 1);
    }
    SECTION("a callback commits: that is a version like any other") {
        int more = 3;
        db.on_commit([&](std::uint64_t version) {
            versions.push_back(version);
            if (more-- > 0) {
                CHECK(db.destroy({}).wait());
            }
        });
        CHECK(db.destroy({}).wait());
        step_all(db);
        CHECK(versions == std::vector<std::uint64_t>{4, 5, 6, 7, 8, 9});
    }
    SECTION("closing tells the last") {
        Ticket last = db.destroy({});
        CHECK(db.close());
        CHECK(versions.back() == 6);
        CHECK(last.wait());
    }
}

TEST_CASE("a listener hears of what any thread commits, and no more once it has been taken away",
          "[transaction][notifier][commit][threads]") {
    World8 db = open_db();
    for (int round = 0; round < 20; ++round) {
        std::atomic<std::uint64_t> newest{db.version()};
        int wrong = 0;
        int failed = 0;
        db.on_commit([&](std::uint64_t version) {
            wrong += version <= newest || version > db.version();
            newest = version;
            newest.notify_all();
        });
        {
            // Producers that are made while somebody listens count as well.
            std::jthread other{[&] {
                for (int i = 0; i < 50; ++i) {
                    failed += !db.destroy({}).wait();
                }
            }};
            for (int i = 0; i < 50; ++i) {
                CHECK(db.destroy({}).wait());
            }
        }
        CHECK(failed == 0);
        wait_until(newest, db.version());
        Ticket unheard = db.destroy({});
        db.on_commit(nullptr); // what it refers to may go now
        CHECK(unheard.wait());
        CHECK(wrong == 0);
    }
}

TEST_CASE("a forked child calls back at once with Forked, whatever its parent's notifier was doing", "[transaction][notifier][fork]") {
    World8 db = open_db();
    std::atomic<std::uint64_t> told{0};
    std::atomic<bool> stop{false};
    std::jthread busy{[&] {
        while (!stop) {
            db.destroy({}).then([&](const Result<void>&) { ++told; });
            std::this_thread::yield();
        }
    }};
    for (int i = 0; i < 10; ++i) {
        Ticket ticket = db.destroy({});
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::alarm(20);
            std::optional<World8> mine{std::move(db)};
            int codes = 0;
            std::move(ticket).then([&](const Result<void>& outcome) { codes += code_of(outcome) == ErrorCode::Forked; });
            mine->destroy({}).then([&](const Result<void>& outcome) { codes += code_of(outcome) == ErrorCode::Forked; });
            mine->on_commit([&](std::uint64_t) { codes = -1; });
            mine.reset();
            ::_exit(codes == 2 ? 0 : 1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        CHECK(ticket.wait());
    }
    stop = true;
    busy.join();
    CHECK(db.close());
}

} // namespace ecsdb::test::notifier_test
