#include "ecsdb/transaction/ticket.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::ticket_test {

TEST_CASE("a wait that times out leaves the outcome open", "[transaction][ticket]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{1}); });
    REQUIRE(entity);
    Gate gate{db};
    Ticket good = db.update(*entity, Account{2});
    Ticket bad = db.insert(*entity, Account{2});
    CHECK(good.is_submitted());
    CHECK_FALSE(good.is_done());
    CHECK(code_of(good.wait_for(0)) == ErrorCode::Timeout);
    CHECK(code_of(good.wait_for(200'000)) == ErrorCode::Timeout);
    CHECK(code_of(bad.wait_for(200'000)) == ErrorCode::Timeout);
    gate.open();
    CHECK(good.wait());
    CHECK(code_of(bad.wait()) == ErrorCode::AlreadyExists);
    CHECK(good.is_done());
    CHECK(db.get<Account>(*entity)->balance == 2);
}

TEST_CASE("a failure is told once; success as often as one likes", "[transaction][ticket]") {
    World8 db = open_db(stepped());
    Ticket good = db.destroy(Entity{5, 1, 0});
    Ticket bad = db.set(Entity{5, 1, 0}, Account{});
    CHECK(code_of(bad.wait()) == ErrorCode::NotFound);
    CHECK(code_of(bad.wait()) == success);
    CHECK(good.wait());
    CHECK(good.wait());
}

TEST_CASE("where there is no log, only being visible can be waited for", "[transaction][ticket]") {
    World8 db = open_db();
    const Entity entity = *db.execute([](auto& state) { return state.create(Account{1}); });
    Ticket ticket = db.update(entity, Account{2});
    CHECK(ticket.wait(Durability::Memory));
    CHECK(code_of(ticket.wait(Durability::Logged)) == ErrorCode::InvalidArgument);
    CHECK(code_of(ticket.wait_for(Durability::Synced, 1)) == ErrorCode::InvalidArgument);
    CHECK(ticket.is_done(Durability::Synced));
    Ticket failing = db.insert(entity, Account{2});
    CHECK(code_of(failing.wait(Durability::Synced)) == ErrorCode::AlreadyExists);
    CHECK(code_of(db.update(entity, Account{3}).through(Durability::Logged).wait()) == ErrorCode::InvalidArgument);
    std::atomic<int> told{0};
    const auto tell = [&](const Result<void>& outcome) { told = static_cast<int>(code_of(outcome)); };
    db.update(entity, Account{2}).through(Durability::Logged).then(tell);
    while (told.load() == 0) {
        std::this_thread::yield();
    }
    CHECK(told.load() == static_cast<int>(ErrorCode::InvalidArgument));
    CHECK(db.get<Account>(entity)->balance == 2);
}

TEST_CASE("a full queue refuses at once where that is asked for, and names its limits", "[transaction][ticket]") {
    Options options = stepped();
    options.queue_transactions = 3;
    World8 db = open_db(options);
    auto first = db.begin();
    const Entity entity = first.create(Account{0});
    REQUIRE(first.commit());
    std::vector<Ticket> tickets;
    for (int i = 1; i <= 3; ++i) {
        auto tx = db.begin();
        tx.update(entity, Account{i});
        tickets.push_back(tx.try_submit());
        CHECK(tickets.back().is_submitted());
    }
    auto tx = db.begin();
    tx.update(entity, Account{99});
    Ticket refused = tx.try_submit();
    CHECK_FALSE(refused.is_submitted());
    CHECK(refused.is_done());
    const Result<void> reason = refused.wait();
    REQUIRE_FALSE(reason);
    CHECK(reason.error().code() == ErrorCode::QueueFull);
    CHECK(reason.error().message().find("3 transactions") != std::string::npos);
    CHECK(db.version() == 1);
    step_all(db);
    for (Ticket& ticket : tickets) {
        CHECK(ticket.wait());
    }
    CHECK(db.get<Account>(entity)->balance == 3);
    // There is room again.
    auto again = db.begin();
    again.update(entity, Account{100});
    CHECK(again.try_submit().wait());
}

TEST_CASE("bytes bound the queue as well", "[transaction][ticket]") {
    World8 db = open_db(stepped());
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    int queued = 0;
    for (;; ++queued) {
        auto tx = db.begin();
        for (int i = 0; i < 100; ++i) {
            tx.update(*entity, Account{i});
        }
        Ticket ticket = tx.try_submit();
        if (!ticket.is_submitted()) {
            CHECK(code_of(ticket.wait()) == ErrorCode::QueueFull);
            break;
        }
        REQUIRE(queued < 1000);
    }
    CHECK(queued > 50);
    step_all(db);
    CHECK(db.version() == std::uint64_t(queued) + 1);
}

TEST_CASE("nobody waits for room beyond the transaction's deadline", "[transaction][ticket]") {
    Options options;
    options.queue_transactions = 2;
    options.submit_timeout_ns = 60'000'000'000;
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    SystemClock clock;
    const std::uint64_t begun = clock.monotonic_ns();
    {
        Gate gate{db};
        Ticket one = db.update(*entity, Account{1});
        Ticket two = db.update(*entity, Account{2});
        REQUIRE(two.is_submitted());
        const auto soon = [&] { return clock.monotonic_ns() + 20'000'000; };
        Ticket late = db.with_deadline(soon()).update(*entity, Account{3});
        CHECK_FALSE(late.is_submitted());
        CHECK(code_of(late.wait()) == ErrorCode::Timeout);
        auto tx = db.with_deadline(soon()).begin();
        for (int i = 0; i < 1000; ++i) {
            tx.update(*entity, Account{4});
        }
        CHECK(code_of(tx.commit()) == ErrorCode::Timeout);
        CHECK_FALSE(tx.is_spent());
        CHECK(code_of(db.with_deadline(soon()).execute([&](auto& state) { return state.update(*entity, Account{5}); })) ==
              ErrorCode::Timeout);
        CHECK(code_of(db.with_deadline(soon()).submit([&](auto& state) { return state.update(*entity, Account{6}); }).wait()) ==
              ErrorCode::Timeout);
        CHECK(code_of(db.with_deadline(soon()).update<Account>([](Account& account) { account.balance = 7; })) == ErrorCode::Timeout);
    }
    CHECK(clock.monotonic_ns() - begun < 50'000'000'000);
    REQUIRE(db.set(*entity, Target{5}).wait());
    CHECK(db.get<Account>(*entity)->balance == 2);
}

TEST_CASE("submitting waits for room, and no longer than it was told to", "[transaction][ticket]") {
    Options options;
    options.queue_transactions = 2;
    options.submit_timeout_ns = 500'000'000; // generous: the machine may be busy
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    {
        Gate gate{db};
        Ticket one = db.update(*entity, Account{1});
        Ticket two = db.update(*entity, Account{2});
        Ticket three = db.update(*entity, Account{3});
        CHECK(two.is_submitted());
        CHECK_FALSE(three.is_submitted());
        CHECK(code_of(three.wait()) == ErrorCode::QueueFull);
        auto tx = db.begin();
        tx.update(*entity, Account{4});
        CHECK(code_of(tx.post()) == ErrorCode::QueueFull);
    }
    // With nobody in the way ten thousand fit through a queue of two.
    for (int i = 0; i < 10'000; ++i) {
        REQUIRE(db.update(*entity, Account{i}).is_submitted());
    }
    CHECK(db.set(*entity, Account{-1}).wait());
    CHECK(db.get<Account>(*entity)->balance == -1);
}

TEST_CASE("what the oldest of very many failures was is forgotten, never made up", "[transaction][ticket]") {
    World8 db = open_db(stepped());
    Ticket first = db.set(Entity{5, 1, 0}, Account{});
    Ticket second = db.set(Entity{5, 1, 0}, Account{});
    std::vector<Ticket> last;
    for (int i = 0; i < 65536; ++i) {
        Ticket ticket = db.set(Entity{5, 1, 0}, Account{});
        if (i >= 65530) {
            last.push_back(std::move(ticket));
        }
        if (i % 1000 == 0) {
            step_all(db);
        }
    }
    step_all(db);
    CHECK(code_of(first.wait()) == ErrorCode::OutcomeUnknown);
    CHECK(code_of(second.wait()) == ErrorCode::OutcomeUnknown);
    for (Ticket& ticket : last) {
        CHECK(code_of(ticket.wait()) == ErrorCode::NotFound);
    }
    CHECK(db.destroy(Entity{5, 1, 0}).wait());
}

TEST_CASE("any thread may wait for a ticket", "[transaction][ticket][threads]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    std::atomic<int> failed{0};
    for (int i = 0; i < 200; ++i) {
        Ticket good = db.update(*entity, Account{i});
        Ticket bad = db.insert(*entity, Account{i});
        std::jthread waiter{[&, ticket = std::move(good)]() mutable { failed += !ticket.wait() || db.get<Account>(*entity)->balance < i; }};
        failed += code_of(bad.wait()) != ErrorCode::AlreadyExists;
    }
    CHECK(failed == 0);
}

TEST_CASE("a callback gets what a waiter would get, off the caller's and the writer's thread", "[transaction][ticket][then][threads]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    struct Told {
        ErrorCode code = ErrorCode::Gap;
        std::thread::id thread;
        ErrorCode waiting = ErrorCode::Gap;
        std::int64_t balance = 0;
    };
    std::array<Told, 4> told;
    std::atomic<std::size_t> count{0};
    const auto tell = [&](std::size_t i) {
        return [&, i](Result<void> outcome) {
            told[i] = {code_of(outcome), std::this_thread::get_id(), code_of(db.update(*entity, Account{std::int64_t(i) + 10}).wait()),
                       db.get<Account>(*entity)->balance};
            ++count;
            count.notify_all();
        };
    };
    const auto wait_for = [&](std::size_t wanted) {
        for (std::size_t seen = count; seen < wanted; seen = count) {
            count.wait(seen);
        }
    };
    auto refused = db.begin();
    refused.insert_row(*entity, 99, {});
    refused.submit().then(tell(0)); // never queued
    wait_for(1);
    Ticket done = db.update(*entity, Account{1});
    REQUIRE(done.wait());
    std::move(done).then(tell(1)); // known already
    wait_for(2);
    {
        Gate gate{db};
        db.insert(*entity, Account{}).then(tell(2));  // fails, later
        db.update(*entity, Account{3}).then(tell(3)); // succeeds, later
        CHECK(count == 2);
    }
    wait_for(4);
    CHECK(told[0].code == ErrorCode::InvalidArgument);
    CHECK(told[1].code == success);
    CHECK(told[2].code == ErrorCode::AlreadyExists);
    CHECK(told[3].code == success);
    for (std::size_t i = 0; i < told.size(); ++i) {
        CHECK(told[i].thread == told[0].thread);
        CHECK(told[i].thread != std::this_thread::get_id());
        CHECK(told[i].waiting == success); // a callback may wait: it is not on the writer
        CHECK(told[i].balance == std::int64_t(i) + 10);
    }
}

TEST_CASE("without threads of its own a database calls back in steps and waits, never inside a transaction",
          "[transaction][ticket][then]") {
    World8 db = open_db(stepped());
    std::vector<int> told;
    const auto tell = [&](int number) { return [&, number](Result<void> outcome) { told.push_back(outcome ? number : -number); }; };
    db.destroy({}).then(tell(1));
    db.set(Entity{5, 1, 0}, Account{}).then(tell(2));
    CHECK(told.empty());
    CHECK(db.step());
    CHECK(told == std::vector{1, -2});
    CHECK_FALSE(db.step());

    Ticket late = db.destroy({});
    REQUIRE(late.wait());
    std::move(late).then(tell(3));
    CHECK(told.size() == 2);
    CHECK(db.step());
    CHECK(told.back() == 3);

    // Inside a function the writer is busy: what it makes known is told after it.
    bool inside_told = true;
    db.destroy({}).then(tell(4));
    REQUIRE(db.execute([&](auto&) {
        Ticket refused = db.insert(Entity{}, Wide{});
        std::move(refused).then(tell(5));
        CHECK_FALSE(db.step());
        inside_told = told.size() != 3;
    }));
    CHECK_FALSE(inside_told);
    step_all(db);
    CHECK(told == std::vector{1, -2, 3, 4, -5});

    // A callback that steps or waits holds the next one up until it has returned.
    db.destroy({}).then([&](const Result<void>&) {
        db.destroy({}).then(tell(7));
        CHECK(db.destroy({}).wait());
        told.push_back(6);
    });
    step_all(db);
    CHECK(told == std::vector{1, -2, 3, 4, -5, 6, 7});
}

TEST_CASE("callbacks of one thread's transactions come in their order, whatever the order of asking", "[transaction][ticket][then]") {
    World8 db = open_db(stepped());
    std::vector<std::size_t> told;
    std::vector<Ticket> tickets;
    for (std::size_t i = 0; i < 6; ++i) {
        tickets.push_back(db.destroy({}));
    }
    for (const std::size_t i : {3U, 1U, 5U, 0U, 4U, 2U}) {
        std::move(tickets[i]).then([&told, i](const Result<void>&) { told.push_back(i); });
    }
    step_all(db);
    CHECK(told == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("an executor is given a task that it may copy, keep, and run where it likes", "[transaction][ticket][then][threads]") {
    World8 db = open_db();
    std::vector<std::function<void()>> queue; // copyable tasks: what job systems keep
    std::mutex mutex;
    std::atomic<int> queued{0};
    const auto executor = [&](std::function<void()> task) {
        const std::lock_guard lock{mutex};
        queue.push_back(std::move(task));
        ++queued;
        queued.notify_all();
    };
    std::vector<ErrorCode> told;
    std::thread::id thread;
    auto movable_only = std::make_unique<int>(7);
    db.destroy({}).then(executor, [&, number = std::move(movable_only)](Result<void> outcome) {
        CHECK(*number == 7);
        thread = std::this_thread::get_id();
        told.push_back(code_of(outcome));
    });
    db.set(Entity{5, 1, 0}, Account{}).then(executor, [&](Result<void> outcome) { told.push_back(code_of(outcome)); });
    db.destroy({}).then(executor, [&](Result<void>) { told.push_back(ErrorCode::Gap); });
    for (int seen = queued; seen < 3; seen = queued) {
        queued.wait(seen);
    }
    CHECK(told.empty());
    const std::lock_guard lock{mutex};
    queue.pop_back(); // dropped: nobody is told
    for (const auto& task : queue) {
        task();
    }
    CHECK(told == std::vector{success, ErrorCode::NotFound});
    CHECK(thread == std::this_thread::get_id());
}

TEST_CASE("a transaction that found no room is kept, to be submitted again as it is", "[transaction][ticket]") {
    Options options = stepped();
    options.queue_transactions = 2;
    options.submit_timeout_ns = 0;
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    const bool large = GENERATE(false, true); // in the ring, and by reference
    CAPTURE(large);
    std::vector<Ticket> ahead;
    ahead.push_back(db.update(*entity, Account{1}));
    ahead.push_back(db.update(*entity, Account{2}));
    auto tx = db.begin();
    const Entity created = tx.create(Account{3});
    for (int i = 0; i < (large ? 500 : 3); ++i) {
        tx.update(*entity, Account{i});
    }
    const auto refused = [&](Ticket ticket) {
        CHECK_FALSE(ticket.is_submitted());
        CHECK(code_of(ticket.wait()) == ErrorCode::QueueFull);
        CHECK_FALSE(tx.is_spent());
    };
    refused(tx.try_submit());
    refused(tx.try_submit());
    CHECK(code_of(tx.post()) == ErrorCode::QueueFull);
    CHECK_FALSE(tx.is_spent());
    std::jthread{[&] { // its own room is used up, too: `submit` gives up after its time
        ahead.push_back(db.destroy({}));
    }}
        .join();
    {
        // On the writer nobody can make room meanwhile: waiting for it is given up at once.
        REQUIRE(db.step());
        ahead.push_back(db.update(*entity, Account{1}));
        ahead.push_back(db.update(*entity, Account{2}));
    }
    tx.update(*entity, Account{1000}); // it may go on being built
    step_all(db);
    Ticket queued = tx.try_submit();
    CHECK(queued.is_submitted());
    CHECK(tx.is_spent());
    CHECK(queued.wait());
    CHECK(db.get<Account>(created)->balance == 3);
    CHECK(db.get<Account>(*entity)->balance == 1000);
    for (Ticket& ticket : ahead) {
        CHECK(ticket.wait());
    }
}

TEST_CASE("a transaction that a closed database refused is dropped without a trace", "[transaction][ticket]") {
    World8 db = open_db();
    auto tx = db.begin();
    const Entity entity = tx.create(Account{1});
    REQUIRE(db.close());
    CHECK(code_of(tx.commit()) == ErrorCode::Closed);
    CHECK_FALSE(tx.is_spent());
    CHECK_FALSE(db.read().is_alive(entity));
}

} // namespace ecsdb::test::ticket_test
