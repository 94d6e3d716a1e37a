#include "ecsdb/transaction/ticket_of.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::ticket_of_test {
namespace {

using State = World8::WriteState;

/// A coroutine nobody waits for.
struct Detached {
    struct promise_type { // NOLINT: the language's name
        static Detached get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        static void unhandled_exception() noexcept { std::abort(); }
    };
};

struct Told {
    std::atomic<int> value{0};
    std::atomic<bool> here{false};
    void wait() const {
        while (!here.load()) {
            std::this_thread::yield();
        }
    }
};

Detached await_value(TicketOf<int> ticket, Told& told) {
    Result<int> value = co_await std::move(ticket);
    told.value = value ? *value : -1;
    told.here = true;
}

template <typename Executor>
Detached await_value_on(Executor executor, TicketOf<int> ticket, Told& told) {
    Result<int> value = co_await resume_on(executor, std::move(ticket));
    told.value = value ? *value : -1;
    told.here = true;
}

} // namespace

TEST_CASE("a queued function brings its value once it is visible", "[transaction][ticket_of]") {
    World8 db = open_db();
    TicketOf<Entity> ticket = db.submit([](State& state) { return state.create(Account{7}); });
    CHECK(ticket.is_submitted());
    Result<Entity> entity = ticket.wait();
    REQUIRE(entity);
    CHECK(ticket.is_done());
    CHECK(db.get<Account>(*entity)->balance == 7);
    CHECK(code_of(ticket.wait()) == ErrorCode::InvalidArgument); // handed over already
}

TEST_CASE("a queued function without a value has an ordinary ticket", "[transaction][ticket_of]") {
    World8 db = open_db();
    const Entity entity = *db.execute([](State& state) { return state.create(Account{1}); });
    Ticket ticket = db.submit([entity](State& state) { return state.update(entity, Account{2}); });
    CHECK(ticket.wait());
    CHECK(db.get<Account>(entity)->balance == 2);
    CHECK(db.post([entity](State& state) { static_cast<void>(state.update(entity, Account{3})); }));
    CHECK(db.execute([](State&) {}));
    CHECK(db.get<Account>(entity)->balance == 3);
}

TEST_CASE("a queued function that fails rolls back and says why", "[transaction][ticket_of]") {
    World8 db = open_db();
    const Entity entity = *db.execute([](State& state) { return state.create(Account{1}); });
    const std::uint64_t before = db.read().hash();
    TicketOf<int> ticket = db.submit([entity](State& state) -> Result<int> {
        CHECK(state.update(entity, Account{2}));
        return Error{ErrorCode::Aborted, "not today"};
    });
    const Result<int> outcome = ticket.wait();
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().message() == "not today");
    CHECK(db.read().hash() == before);
}

TEST_CASE("queued functions run in their order, between other transactions", "[transaction][ticket_of]") {
    World8 db = open_db();
    const Entity entity = *db.execute([](State& state) { return state.create(Account{0}); });
    for (int i = 0; i < 10'000; ++i) {
        REQUIRE(
            db.post([entity](State& state) { CHECK(state.update(entity, Account{state.get<Account>(entity)->balance * 2 % 1009 + 1})); }));
        REQUIRE(db.update(entity, Account{5 + i}).is_submitted());
    }
    Ticket last = db.submit([entity](State& state) { CHECK(state.update(entity, Account{state.get<Account>(entity)->balance + 1})); });
    CHECK(last.wait());
    CHECK(db.get<Account>(entity)->balance == 5 + 9'999 + 1);
}

TEST_CASE("what a queued function has captured ends once, before the outcome is told", "[transaction][ticket_of]") {
    struct alignas(64) Strict {
        int value = 5;
    };
    const int kind = GENERATE(0, 1, 2);
    World8 db = open_db();
    const auto captured = std::make_shared<int>(1);
    bool aligned = true;
    Ticket ticket;
    if (kind == 0) {
        ticket = db.submit([captured](State&) {});
    } else if (kind == 1) { // does not fit into the queue …
        ticket = db.submit([captured, ballast = std::array<std::byte, 5000>{}](State&) { static_cast<void>(ballast); });
    } else { // … nor is that aligned so strictly
        ticket = db.submit([captured, strict = Strict{}, &aligned](State&) {
            aligned = reinterpret_cast<std::uintptr_t>(&strict) % alignof(Strict) == 0 && strict.value == 5;
        });
    }
    CHECK(ticket.wait());
    CHECK(aligned);
    CHECK(captured.use_count() == 1);
}

TEST_CASE("a queued function that is refused ends without having run", "[transaction][ticket_of]") {
    Options options = stepped();
    options.queue_transactions = 2;
    options.submit_timeout_ns = 0;
    const auto captured = std::make_shared<int>(0);
    const auto count = [captured](State&) { ++*captured; };
    {
        World8 db = open_db(options);
        // Inside a function nobody makes room.
        REQUIRE(db.execute([&](State&) {
            int queued = 0;
            while (db.post(count)) {
                ++queued;
            }
            CHECK(queued <= 2);
            CHECK(captured.use_count() == 2 + queued);
            TicketOf<int> refused = db.submit([captured](State&) { return 1; });
            CHECK_FALSE(refused.is_submitted());
            CHECK(code_of(refused.wait()) == ErrorCode::QueueFull);
            CHECK(captured.use_count() == 2 + queued);
        }));
    }
    CHECK(captured.use_count() == 2);
    CHECK(*captured >= 1);
}

TEST_CASE("what was queued when the database closes has run; what comes later is refused", "[transaction][ticket_of]") {
    const auto captured = std::make_shared<int>(1);
    World8 db = open_db();
    for (int i = 0; i < 100; ++i) {
        REQUIRE(db.post([captured](State& state) { CHECK(state.create(Account{++*captured})); }));
    }
    REQUIRE(db.close());
    CHECK(captured.use_count() == 1);
    CHECK(*captured == 101);
    TicketOf<int> late = db.submit([captured](State&) { return 1; });
    CHECK_FALSE(late.is_submitted());
    CHECK(code_of(late.wait()) == ErrorCode::Closed);
    CHECK(captured.use_count() == 1);
}

TEST_CASE("a queued function past its deadline is not begun, or is rolled back", "[transaction][ticket_of]") {
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    World8 db = open_db(options);
    clock.advance(1000);
    bool begun = false;
    TicketOf<int> late = db.with_deadline(500).submit([&](State&) { return begun = true, 1; });
    CHECK(code_of(late.wait()) == ErrorCode::Timeout);
    CHECK_FALSE(begun);
    const std::uint64_t before = db.read().hash();
    bool expired_before = true;
    bool expired_after = false;
    Ticket slow = db.with_deadline(1500).submit([&](State& state) {
        expired_before = state.expired();
        CHECK(state.create(Account{1}));
        clock.advance(1000);
        expired_after = state.expired();
    });
    CHECK(code_of(slow.wait()) == ErrorCode::Timeout);
    CHECK_FALSE(expired_before);
    CHECK(expired_after);
    CHECK(db.read().hash() == before);
}

TEST_CASE("then and co_await bring the value of a queued function", "[transaction][ticket_of]") {
    World8 db = open_db();
    std::atomic<int> got{0};
    db.submit([](State&) { return 41; }).then([&](Result<int> value) { got = value ? *value : -1; });
    while (got == 0) {
        std::this_thread::yield();
    }
    CHECK(got == 41);
    Told told;
    await_value(db.submit([](State&) { return 42; }), told);
    told.wait();
    CHECK(told.value == 42);
    Told failed;
    await_value(db.submit([](State&) -> Result<int> { return Error{ErrorCode::Aborted, "no"}; }), failed);
    failed.wait();
    CHECK(failed.value == -1);
    Told elsewhere;
    std::atomic<int> tasks{0};
    const auto executor = [&](auto task) {
        ++tasks;
        task();
    };
    await_value_on(executor, db.submit([](State&) { return 43; }), elsewhere);
    elsewhere.wait();
    CHECK(elsewhere.value == 43);
    CHECK(tasks == 1);
}

TEST_CASE("queued functions of several threads are counted exactly", "[transaction][ticket_of]") {
    World8 db = open_db();
    const Entity entity = *db.execute([](State& state) { return state.create(Account{0}); });
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            Ticket last;
            for (int i = 0; i < 2000; ++i) {
                last = db.submit([entity](State& state) { return state.update(entity, Account{state.get<Account>(entity)->balance + 1}); });
            }
            static_cast<void>(last.wait());
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(db.get<Account>(entity)->balance == 8000);
}

} // namespace ecsdb::test::ticket_of_test
