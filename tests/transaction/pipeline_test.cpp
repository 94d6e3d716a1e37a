#include "ecsdb/transaction/pipeline.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace ecsdb::test::pipeline_test {
namespace {

/// The thread sanitizer ends a child that starts a thread.
#if defined(__SANITIZE_THREAD__)
constexpr bool threads_after_fork = false;
#elif defined(__has_feature)
constexpr bool threads_after_fork = !__has_feature(thread_sanitizer);
#else
constexpr bool threads_after_fork = true;
#endif

/// What `claim` says in a forked child.
template <typename Claim>
int in_child(const Claim& claim) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::alarm(20); // a child that hangs is ended
        ::_exit(claim());
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

} // namespace

TEST_CASE("after the end everything is refused with Closed, and what was queued before has run", "[transaction][pipeline]") {
    Options options;
    options.own_thread = GENERATE(false, true);
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{1}); });
    REQUIRE(entity);
    Ticket queued = db.update(*entity, Account{2});
    auto begun = db.begin();
    begun.update(*entity, Account{3});
    CHECK(db.close());
    CHECK(db.close());
    CHECK(queued.wait());
    CHECK(db.get<Account>(*entity)->balance == 2);
    CHECK(code_of(begun.commit()) == ErrorCode::Closed);
    CHECK(code_of(db.update(*entity, Account{4}).wait()) == ErrorCode::Closed);
    CHECK(code_of(db.execute([](auto&) {})) == ErrorCode::Closed);
    CHECK(code_of(db.update<Account>([](Account& account) { account.balance = 5; })) == ErrorCode::Closed);
    CHECK_FALSE(db.step());
    CHECK(db.get<Account>(*entity)->balance == 2);
}

TEST_CASE("a database that closes while others write tells each of them how it ended", "[transaction][pipeline][threads]") {
    for (int round = 0; round < 20; ++round) {
        World8 db = open_db();
        const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
        REQUIRE(entity);
        std::atomic<std::uint64_t> committed{1};
        std::atomic<int> wrong{0};
        std::atomic<int> running{0};
        {
            std::vector<std::jthread> threads;
            for (int t = 0; t < 3; ++t) {
                threads.emplace_back([&, t] {
                    ++running;
                    for (;;) {
                        const Result<void> result = t == 0 ? db.execute([&](auto& state) { return state.update(*entity, Account{1}); })
                                                           : db.update(*entity, Account{t}).wait();
                        if (!result) {
                            wrong += result.error().code() != ErrorCode::Closed;
                            return;
                        }
                        ++committed;
                    }
                });
            }
            while (running < 3 || committed < 50) {
                std::this_thread::yield();
            }
            CHECK(db.close());
        }
        CHECK(wrong == 0);
        CHECK(db.version() == committed);
    }
}

TEST_CASE("large transactions that wait are bounded in bytes: try_submit fails with the figures, submit waits", "[transaction][pipeline]") {
    constexpr std::size_t row = sizeof(transaction::Operation) + sizeof(Wide);
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    options.queue_bytes = 3 * row;
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Wide{}); });
    REQUIRE(entity);
    const auto transaction_of = [&](int rows) {
        auto tx = db.begin();
        for (int i = 0; i < rows; ++i) {
            tx.update(*entity, Wide{});
        }
        return tx;
    };
    Ticket one = transaction_of(1).try_submit();
    Ticket two = transaction_of(2).try_submit();
    REQUIRE(one.is_submitted());
    REQUIRE(two.is_submitted());
    auto refused = transaction_of(1);
    Ticket none = refused.try_submit();
    CHECK_FALSE(none.is_submitted());
    const Result<void> why = none.wait();
    REQUIRE(code_of(why) == ErrorCode::QueueFull);
    CAPTURE(why.error().message());
    CHECK(why.error().message().find("2 transactions are waiting") != std::string::npos);
    CHECK(why.error().message().find("with " + std::to_string(3 * row) + " bytes") != std::string::npos);
    CHECK(why.error().message().find("limit of " + std::to_string(3 * row)) != std::string::npos);
    // Single rows of that size count, too; small transactions have the ring to themselves.
    CHECK_FALSE(refused.is_spent());
    CHECK(db.set(*entity, Position{}).is_submitted());
    CHECK_FALSE(one.is_done());
    // Submitting waits, and where it waits it does the writer's work.
    CHECK(refused.submit().is_submitted());
    CHECK(one.is_done());
    CHECK(two.is_done());
    step_all(db);
    // Larger than the limit, but alone.
    Ticket large = transaction_of(10).try_submit();
    REQUIRE(large.is_submitted());
    CHECK_FALSE(transaction_of(1).try_submit().is_submitted());
    CHECK(large.wait());
    CHECK(db.version() == 6);
}

TEST_CASE("producers are bounded in bytes one by one, and all they submit is run", "[transaction][pipeline][threads]") {
    Options options;
    options.queue_bytes = 20'000;
    World8 db = open_db(options);
    constexpr int producers = 3;
    constexpr int transactions = 400;
    const Entity first = create_zeroed<Wide>(db, producers);
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (std::uint32_t t = 0; t < producers; ++t) {
            threads.emplace_back([&, t] {
                const Entity mine{first.index() + t, first.generation(), 0};
                for (std::uint32_t i = 0; i < transactions; ++i) {
                    auto tx = db.begin();
                    for (std::uint32_t k = 0; k <= i % 7; ++k) {
                        tx.update(mine, Wide{{i}});
                    }
                    failed += !tx.submit().is_submitted();
                }
                failed += !db.update(mine, Wide{{transactions}}).wait();
            });
        }
    }
    CHECK(failed == 0);
    CHECK(db.version() == 1 + producers * (transactions + 1));
    CHECK(db.statistics().failed == 0);
}

TEST_CASE("a database at the address of an earlier one has producers of its own", "[transaction][pipeline]") {
    // A clock that stands still must not make two of them look the same.
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    alignas(transaction::Pipeline) static std::array<std::byte, sizeof(transaction::Pipeline)> place;
    SystemAllocator allocator;
    Result<Schema> schema = ecsdb::schema_of<Account>("x");
    REQUIRE(schema);
    const auto shared = std::make_shared<const Schema>(std::move(*schema));
    for (int round = 0; round < 5; ++round) {
        storage::Store* const store = storage::Store::create(allocator, {}, shared);
        auto* const pipeline = ::new (place.data()) transaction::Pipeline{*store, clock, 0, {16, 0, false, false}};
        REQUIRE(pipeline->writer().state().create_first_root(0));
        store->publish(&pipeline->writer().state().root());
        transaction::ProducerState* const producer = pipeline->this_thread_producer();
        REQUIRE(producer != nullptr);
        CHECK(producer->submitted() == 0);
        CHECK(pipeline->this_thread_producer() == producer);
        auto sequence = pipeline->submit_one(*producer, transaction::OperationKind::Destroy, Entity{1, 1, 0}, 0, nullptr, 0, 0, 0);
        REQUIRE(sequence);
        CHECK(pipeline->wait(*producer, *sequence, no_timeout));
        pipeline->~Pipeline();
        store->drop_owner();
    }
}

TEST_CASE("databases side by side do not mix up their producers", "[transaction][pipeline]") {
    std::vector<World8> databases;
    std::vector<Entity> entities;
    for (int i = 0; i < 10; ++i) {
        databases.push_back(open_db(stepped()));
        for (int k = 0; k <= i; ++k) {
            const Result<Entity> entity = databases.back().execute([&](auto& state) { return state.create(Account{i}); });
            REQUIRE(entity);
            if (k == 0) {
                entities.push_back(*entity);
            }
        }
    }
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < databases.size(); ++i) {
            CHECK(databases[i].update(entities[i], Account{round}).wait());
        }
    }
    for (std::size_t i = 0; i < databases.size(); ++i) {
        CHECK(databases[i].version() == i + 4);
    }
}

TEST_CASE("a producer that was given back serves the next job, with ids nobody has seen", "[transaction][pipeline]") {
    World8 db = open_db(stepped());
    transaction::Pipeline& pipeline = db.engine().pipeline();
    transaction::ProducerState* const producer = pipeline.make_producer();
    REQUIRE(producer != nullptr);
    CHECK(producer != pipeline.this_thread_producer());
    const Result<Entity> one = pipeline.reserve(*producer);
    pipeline.release_producer(producer);
    CHECK(pipeline.make_producer() == producer);
    const Result<Entity> two = pipeline.reserve(*producer);
    REQUIRE(one);
    REQUIRE(two);
    CHECK(*one != *two);
}

TEST_CASE("each producer's transactions run in the order it submitted them", "[transaction][pipeline][threads]") {
    World8 db = open_db();
    constexpr int producers = 4;
    constexpr int transactions = 3000;
    std::vector<Entity> own;
    for (int i = 0; i < producers; ++i) {
        const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}, Target{0}); });
        REQUIRE(entity);
        own.push_back(*entity);
    }
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < producers; ++t) {
            threads.emplace_back([&, t] {
                const Entity mine = own[static_cast<std::size_t>(t)];
                for (int i = 1; i <= transactions; ++i) {
                    // Only in order does each find what the one before has left.
                    auto tx = db.begin();
                    if (i % 2 == 1) {
                        tx.remove<Target>(mine).insert(mine, Burning{});
                    } else {
                        tx.insert(mine, Target{static_cast<std::uint64_t>(i)}).remove<Burning>(mine).update(mine, Account{i});
                    }
                    failed += !tx.submit().is_submitted();
                }
                failed += !db.update(mine, Account{-1}).wait();
            });
        }
        // Meanwhile no reader sees half a transaction.
        for (int i = 0; i < 2000; ++i) {
            const auto view = db.read();
            for (const Entity entity : own) {
                failed += view.has<Target>(entity) == view.has<Burning>(entity);
            }
        }
    }
    CHECK(failed == 0);
    CHECK(db.statistics().failed == 0);
    CHECK(db.version() == producers * (transactions + 2));
    for (const Entity entity : own) {
        CHECK(db.get<Account>(entity)->balance == -1);
        CHECK(db.read().entity_version(entity) == std::uint32_t(transactions + 2));
    }
}

TEST_CASE("each producer's transactions run in order whatever their form, and no view shows a row go back",
          "[transaction][pipeline][threads]") {
    // Each producer counts in a row of its own; a column update writes the rows of all.
    constexpr std::size_t producers = 4;
    constexpr std::int64_t transactions = 400;
    World8 db = open_db();
    std::vector<Entity> own;
    {
        auto tx = db.begin();
        for (std::size_t t = 0; t < producers; ++t) {
            own.push_back(tx.create(Account{0}, Level{static_cast<std::uint8_t>(t)}));
        }
        REQUIRE(tx.commit());
    }
    std::atomic<int> failed{0};
    std::atomic<std::size_t> running{producers};
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < producers; ++t) {
            threads.emplace_back([&, t] {
                const Entity mine = own[t];
                World8::Producer producer = db.producer();
                for (std::int64_t i = 1; i <= transactions; ++i) {
                    // None waits for the one before, unless its form does.
                    switch (i % 5) {
                    case 0:
                        failed += !producer.execute([&](World8::WriteState& state) -> Result<void> {
                            return state.get<Account>(mine)->balance == i - 1 ? state.update(mine, Account{i})
                                                                              : Result<void>{Error{ErrorCode::Aborted, "out of order"}};
                        });
                        break;
                    case 1:
                        failed += !producer.update<Account, const Level>([t, i](Account& account, const Level& level) {
                            // Only after the one before does it count on.
                            account.balance = level.number == t && account.balance == i - 1 ? i : account.balance;
                        });
                        break;
                    case 2: {
                        auto tx = producer.begin();
                        tx.set(mine, Visible{}).update(mine, Account{i});
                        failed += !tx.submit().is_submitted();
                        break;
                    }
                    case 3: {
                        auto changes = producer.changes();
                        changes.remove<Visible>(mine).update(mine, Account{i});
                        failed += !producer.apply(changes);
                        break;
                    }
                    default:
                        failed += !producer.update(mine, Account{i}).is_submitted();
                    }
                }
                failed += !producer.set(mine, Visible{}).wait();
                --running;
            });
        }
        std::array<std::int64_t, producers> last{};
        while (running != 0) {
            const auto view = db.read();
            for (std::size_t t = 0; t < producers; ++t) {
                const std::int64_t now = view.get<Account>(own[t])->balance;
                failed += now < last[t];
                last[t] = now;
            }
        }
    }
    CHECK(failed == 0);
    for (const Entity entity : own) {
        CHECK(db.get<Account>(entity) == Account{transactions});
    }
    CHECK(db.statistics().failed == 0);
}

TEST_CASE("several threads may wait where nobody drives the writer but they", "[transaction][pipeline][threads]") {
    World8 db = open_db(stepped());
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 300; ++i) {
                    failed += !db.execute(
                        [&](auto& state) { return state.update(*entity, Account{state.template get<Account>(*entity)->balance + 1}); });
                    failed += !db.set(*entity, Level{1}).wait();
                }
            });
        }
    }
    CHECK(failed == 0);
    CHECK(db.get<Account>(*entity)->balance == 1200);
}

TEST_CASE("ids reserved by many threads are all different, and all come to life", "[transaction][pipeline][threads]") {
    World8 db = open_db();
    std::array<std::vector<Entity>, 4> created;
    {
        std::vector<std::jthread> threads;
        for (std::vector<Entity>& mine : created) {
            threads.emplace_back([&db, &mine] {
                for (int i = 0; i < 100; ++i) {
                    auto tx = db.begin();
                    for (int k = 0; k < 10; ++k) {
                        mine.push_back(tx.create(Account{k}));
                    }
                    static_cast<void>(tx.submit());
                    if (i % 3 == 0) {
                        static_cast<void>(db.destroy(mine.back()));
                        mine.pop_back();
                    }
                }
                static_cast<void>(db.destroy({}).wait());
            });
        }
    }
    std::vector<Entity> all;
    for (const std::vector<Entity>& mine : created) {
        all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
    const auto view = db.read();
    CHECK(view.entity_count() == all.size());
    CHECK(std::all_of(all.begin(), all.end(), [&](Entity entity) { return view.is_alive(entity); }));
}

TEST_CASE("in a forked child every call says Forked, and the child ends without hanging", "[transaction][pipeline][fork]") {
    World8 db = open_db();
    auto first = db.begin();
    const Entity entity = first.create(Account{1});
    REQUIRE(first.commit());
    auto begun = db.begin(); // lived through the fork
    begun.update(entity, Account{9});
    const auto view = db.read();
    Ticket waiting = db.update(entity, Account{2});
    REQUIRE(waiting.wait());
    const auto checks = [&] {
        // The database moves into the child, so that its destructor runs there.
        std::optional<World8> mine{std::move(db)};
        int failed = 0;
        auto expect = [&failed, bit = 1](bool holds) mutable {
            failed = failed == 0 && !holds ? bit : failed;
            ++bit;
        };
        expect(code_of(begun.commit()) == ErrorCode::Forked);
        expect(code_of(mine->update(entity, Account{3}).wait()) == ErrorCode::Forked);
        expect(code_of(mine->execute([](auto&) {})) == ErrorCode::Forked);
        expect(code_of(mine->update<Account>([](Account& account) { account.balance = 5; })) == ErrorCode::Forked);
        auto tx = mine->begin();
        tx.create(Account{3});
        expect(code_of(tx.commit()) == ErrorCode::Forked);
        expect(!mine->read());
        expect(code_of(mine->wait_for_version(1'000'000)) == ErrorCode::Forked);
        expect(code_of(mine->flush(Durability::Memory)) == ErrorCode::Forked);
        expect(code_of(mine->close()) == ErrorCode::Forked);
        expect(view.get<Account>(entity)->balance == 1); // an old view is plain memory
        if (threads_after_fork) {
            // A thread the parent never saw does not wait for locks that only the parent could open.
            std::thread{[&] { expect(code_of(mine->update(entity, Account{3}).wait()) == ErrorCode::Forked); }}.join();
        }
        mine.reset();
        return failed;
    };
    CHECK(in_child(checks) == 0);
    // The parent goes on.
    CHECK(db.get<Account>(entity)->balance == 2);
    CHECK(begun.commit());
    CHECK(db.get<Account>(entity)->balance == 9);
    CHECK(db.close());
}

TEST_CASE("a child forked while others write ends, too", "[transaction][pipeline][fork]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{1}); });
    REQUIRE(entity);
    std::atomic<bool> stop{false};
    std::atomic<int> failed{0};
    std::jthread busy{[&] {
        while (!stop) {
            failed += !db.update(*entity, Account{2}).wait();
        }
    }};
    for (int i = 0; i < 10; ++i) {
        Ticket open = db.update(*entity, Account{3});
        CHECK(in_child([&] {
                  const Result<void> waited = open.wait();
                  return waited || waited.error().code() == ErrorCode::Forked ? 0 : 1;
              }) == 0);
        CHECK(open.wait());
    }
    stop = true;
    busy.join();
    CHECK(failed == 0);
}

TEST_CASE("a child does not wait for a lock that a thread of its parent held", "[transaction][pipeline][fork]") {
    World8 db = open_db();
    transaction::Pipeline& pipeline = db.engine().pipeline();
    std::atomic<bool> stop{false};
    std::jthread busy{[&] {
        while (!stop) {
            pipeline.release_producer(pipeline.make_producer());
        }
    }};
    int wrong = 0;
    for (int i = 0; i < 10; ++i) {
        // A thread the database has not seen before has to be made known first.
        std::jthread{[&] { wrong += in_child([&] { return code_of(db.destroy({}).wait()) == ErrorCode::Forked ? 0 : 1; }) != 0; }}.join();
    }
    stop = true;
    busy.join();
    CHECK(wrong == 0);
    CHECK(db.destroy({}).wait());
}

TEST_CASE("an idle database closes at once", "[transaction][pipeline]") {
    // The writer sleeps by then; a lost wake-up would cost a second each time.
    SystemClock clock;
    const std::uint64_t begun = clock.monotonic_ns();
    for (int i = 0; i < 40; ++i) {
        World8 db = open_db();
        const std::uint64_t opened = clock.monotonic_ns();
        while (clock.monotonic_ns() - opened < 190'000 + static_cast<std::uint64_t>(i) * 1000) {
        }
    }
    CHECK(clock.monotonic_ns() - begun < 20'000'000'000);
}

} // namespace ecsdb::test::pipeline_test
