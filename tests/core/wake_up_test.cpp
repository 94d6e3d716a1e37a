#include "ecsdb/core/wake_up.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <thread>
#include <vector>

namespace ecsdb {

TEST_CASE("a condition that never holds is waited for no longer than asked", "[core][wake_up]") {
    WakeUp wake_up;
    SystemClock clock;
    int looked = 0;
    CHECK_FALSE(wake_up.wait(clock, 0, [&] { return ++looked < 0; }));
    CHECK(looked > 0);
    const std::uint64_t begun = clock.monotonic_ns();
    CHECK_FALSE(wake_up.wait(clock, 3'000'000, [] { return false; }));
    CHECK(clock.monotonic_ns() - begun >= 3'000'000);
}

TEST_CASE("a condition that holds is not waited for at all", "[core][wake_up]") {
    WakeUp wake_up;
    SimulatedClock clock;
    int looked = 0;
    CHECK(wake_up.wait(clock, 0, [&] { return ++looked == 1; }));
    CHECK(looked == 1);
}

TEST_CASE("simulated time that is up ends a wait, also of a sleeper", "[core][wake_up]") {
    WakeUp wake_up;
    SimulatedClock clock;
    std::atomic<bool> waiting{false};
    std::atomic<bool> ended{false};
    bool result = true;
    std::jthread waiter{[&] {
        result = wake_up.wait(clock, 1'000'000, [&] {
            waiting = true;
            return false;
        });
        ended = true;
    }};
    while (!waiting) {
        std::this_thread::yield();
    }
    // Past spinning and yielding it is asleep. When it looked at the clock for the first time nobody knows: time goes on until it is up.
    while (!ended) {
        clock.advance(40'000);
        std::this_thread::yield();
    }
    waiter.join();
    CHECK_FALSE(result);
}

TEST_CASE("every sleeper wakes when told, none is missed", "[core][wake_up][threads]") {
    WakeUp wake_up;
    SystemClock clock;
    std::atomic<int> turn{0};
    std::atomic<int> failed{0};
    constexpr int rounds = 300;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&, t] {
                for (int i = t; i < 3 * rounds; i += 3) {
                    failed += !wake_up.wait(clock, 60'000'000'000, [&] { return turn.load(std::memory_order_seq_cst) == i; });
                    turn.store(i + 1, std::memory_order_seq_cst);
                    wake_up.notify();
                }
            });
        }
    }
    CHECK(failed == 0);
    CHECK(turn == 3 * rounds);
}

TEST_CASE("a wake-up for nobody in particular makes sleepers look again", "[core][wake_up][threads]") {
    WakeUp wake_up;
    SystemClock clock;
    std::atomic<bool> ready{false};
    std::jthread waiter{[&] { static_cast<void>(wake_up.wait(clock, no_timeout, [&] { return ready.load(); })); }};
    ready = true;
    wake_up.notify_now();
    waiter.join();
    CHECK(ready);
}

TEST_CASE("a sleeper does not sleep over work, and is woken by the bell", "[core][wake_up][threads]") {
    Doorbell bell;
    bell.sleep(no_timeout, [] { return true; });
    bell.sleep(1'000'000, [] { return false; }); // nobody rings: the time is up
    std::atomic<int> work{0};
    std::atomic<int> done{0};
    constexpr int all = 20'000;
    std::jthread sleeper{[&] {
        while (done < all) {
            bell.sleep(no_timeout, [&] { return work > done; }); // a lost ring would sleep for ever
            done = work.load();
        }
    }};
    for (int i = 0; i < all; ++i) {
        ++work;
        bell.ring();
        if (i % 64 == 0) {
            std::this_thread::yield();
        }
    }
    sleeper.join();
    CHECK(done == all);
}

} // namespace ecsdb
