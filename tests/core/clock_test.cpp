#include "ecsdb/core/clock.hpp"

#include "support/catch.hpp"

#include <thread>

namespace clock_test {

TEST_CASE("waiting for a word that has changed already does not sleep", "[core][clock]") {
    std::atomic<std::uint32_t> word{1};
    CHECK(ecsdb::futex_wait(word, 0));
    CHECK(ecsdb::futex_wait(word, 0, 3'600'000'000'000ULL));
}

TEST_CASE("a wait nobody ends says that its time was up, and not before", "[core][clock]") {
    std::atomic<std::uint32_t> word{0};
    ecsdb::SystemClock clock;
    const std::uint64_t begin = clock.monotonic_ns();
    while (ecsdb::futex_wait(word, 0, 2'000'000)) {
        // Woken for no reason: allowed, and rare.
    }
    CHECK(clock.monotonic_ns() - begin >= 2'000'000);
    CHECK_FALSE(ecsdb::futex_wait(word, 0, 0));
}

TEST_CASE("threads hand a word back and forth", "[core][clock]") {
    std::atomic<std::uint32_t> turn{0};
    constexpr std::uint32_t rounds = 2000;
    const auto play = [&](std::uint32_t parity) {
        for (std::uint32_t expected = parity; expected < rounds; expected += 2) {
            for (std::uint32_t now = turn.load(std::memory_order_acquire); now != expected; now = turn.load(std::memory_order_acquire)) {
                ecsdb::cpu_pause();
                ecsdb::futex_wait(turn, now);
            }
            turn.store(expected + 1, std::memory_order_release);
            ecsdb::futex_wake(turn, 1);
        }
    };
    std::thread other{play, 1U};
    play(0);
    other.join();
    CHECK(turn.load() == rounds);
}

TEST_CASE("the system's clocks run and know the century", "[core][clock]") {
    ecsdb::SystemClock system;
    ecsdb::Clock& clock = system;
    const std::uint64_t before = clock.monotonic_ns();
    CHECK(clock.monotonic_ns() >= before);
    CHECK(clock.wall_ns() > 1'600'000'000'000'000'000ULL);
}

TEST_CASE("a simulated clock stands still until moved, and its wall can go back", "[core][clock]") {
    ecsdb::SimulatedClock clock{5'000};
    CHECK(clock.monotonic_ns() == 0);
    CHECK(clock.wall_ns() == 5'000);
    clock.advance(100);
    clock.set_wall(40);
    CHECK(clock.monotonic_ns() == 100);
    CHECK(clock.wall_ns() == 40);
    clock.advance(1);
    CHECK(clock.monotonic_ns() == 101);
    CHECK(clock.wall_ns() == 41);
}

TEST_CASE("a simulated clock moved from two threads loses nothing", "[core][clock]") {
    ecsdb::SimulatedClock clock{0};
    const auto run = [&] {
        for (int i = 0; i < 10'000; ++i) {
            clock.advance(1);
        }
    };
    std::thread other{run};
    run();
    other.join();
    CHECK(clock.monotonic_ns() == 20'000);
    CHECK(clock.wall_ns() == 20'000);
}

} // namespace clock_test
