/// @file
/// Where time comes from, and how a thread waits: a clock that tests can move, and the futex below tickets and the sleeping writer.
#pragma once

#include "ecsdb/config.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <sys/syscall.h>
#include <unistd.h>

namespace ecsdb {

/// Tells the time. Every call may come from any thread; the clock must outlive the database that was given it.
class Clock {
public:
    /// Nanoseconds since some fixed moment: never goes back, says nothing about the date.
    [[nodiscard]] virtual std::uint64_t monotonic_ns() noexcept = 0;

    /// Nanoseconds since 1970-01-01 UTC, as the machine believes: may jump either way.
    [[nodiscard]] virtual std::uint64_t wall_ns() noexcept = 0;

protected:
    Clock() = default;
    Clock(const Clock&) = default;
    Clock& operator=(const Clock&) = default;
    ~Clock() = default;
};

/// A time by which something must have ended.
struct Deadline {
    Clock* clock = nullptr;
    std::uint64_t monotonic_ns = 0; ///< 0 for none.

    [[nodiscard]] bool has_passed() const noexcept { return monotonic_ns != 0 && clock->monotonic_ns() > monotonic_ns; }
};

/// The machine's clocks. Stateless; about 20 ns a call.
class SystemClock final : public Clock {
public:
    [[nodiscard]] std::uint64_t monotonic_ns() noexcept override { return now(CLOCK_MONOTONIC); }
    [[nodiscard]] std::uint64_t wall_ns() noexcept override { return now(CLOCK_REALTIME); }

private:
    static std::uint64_t now(clockid_t id) noexcept {
        timespec time{};
        ::clock_gettime(id, &time);
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
    }
};

/// A clock that stands still until it is moved, for tests and simulations. Safe to move and read from any threads.
class SimulatedClock final : public Clock {
public:
    explicit SimulatedClock(std::uint64_t wall_ns = 1'700'000'000'000'000'000ULL) noexcept : wall_ns_{wall_ns} {}

    [[nodiscard]] std::uint64_t monotonic_ns() noexcept override { return monotonic_ns_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t wall_ns() noexcept override { return wall_ns_.load(std::memory_order_relaxed); }

    /// Lets both clocks run on.
    void advance(std::uint64_t ns) noexcept {
        monotonic_ns_.fetch_add(ns, std::memory_order_relaxed);
        wall_ns_.fetch_add(ns, std::memory_order_relaxed);
    }
    /// Sets the wall clock alone, forward or back, as an operator or NTP would.
    void set_wall(std::uint64_t ns) noexcept { wall_ns_.store(ns, std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> monotonic_ns_{0};
    std::atomic<std::uint64_t> wall_ns_;
};

/// As a timeout: wait for ever.
inline constexpr std::uint64_t no_timeout = ~std::uint64_t{0};

/// Sleeps while `word` holds `expected`, until `futex_wake` on the same word or for `timeout_ns` of real time. False only where the time
/// was up. May return early for no reason: look at the word again. Within one process; costs about 2 µs with the wake.
inline bool futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::uint64_t timeout_ns = no_timeout) noexcept {
    static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);
    constexpr int wait_private = 0 | 128; // FUTEX_WAIT | FUTEX_PRIVATE_FLAG
    timespec timeout{};
    timeout.tv_sec = static_cast<std::time_t>(timeout_ns / 1'000'000'000U);
    timeout.tv_nsec = static_cast<long>(timeout_ns % 1'000'000'000U);
    return ::syscall(SYS_futex, &word, wait_private, expected, timeout_ns == no_timeout ? nullptr : &timeout, nullptr, 0) == 0 ||
           errno != ETIMEDOUT;
}

/// Wakes up to `count` threads that sleep on `word`, which must have been changed before. A system call whether or not anyone sleeps.
inline void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
    constexpr int wake_private = 1 | 128; // FUTEX_WAKE | FUTEX_PRIVATE_FLAG
    ::syscall(SYS_futex, &word, wake_private, count, nullptr, nullptr, 0);
}

/// Tells the processor that this is a spin loop, which gives the other hyper-thread the core.
inline void cpu_pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

} // namespace ecsdb
