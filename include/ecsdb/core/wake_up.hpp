/// @file
/// Waiting for another thread: for a condition, spinning briefly, then giving way, then asleep; or for work, asleep at once.
#pragma once

#include "ecsdb/core/clock.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

namespace ecsdb {

/// Waits for something another thread will make true: spinning briefly, then giving way, then asleep (design D8: without the middle phase,
/// waiter and writer fight for one core). `changed` is bumped and woken by the other side when `waiters` says that somebody sleeps.
class WakeUp {
public:
    /// Any thread: returns true as soon as `condition()` holds, false after `timeout_ns`.
    template <typename Condition>
    bool wait(Clock& clock, std::uint64_t timeout_ns, Condition&& condition) noexcept {
        for (int i = 0; i < 16; ++i) {
            if (condition()) {
                return true;
            }
            cpu_pause();
        }
        const std::uint64_t start = clock.monotonic_ns();
        for (;;) {
            if (condition()) {
                return true;
            }
            const std::uint64_t waited = clock.monotonic_ns() - start;
            if (waited >= timeout_ns) {
                return false;
            }
            if (waited < spin_ns) {
                cpu_pause();
            } else if (waited < spin_ns + yield_ns) {
                std::this_thread::yield();
            } else {
                waiters_.fetch_add(1, std::memory_order_seq_cst);
                const std::uint32_t seen = changed_.load(std::memory_order_acquire);
                if (!condition()) {
                    // A simulated clock does not tick while we sleep, so look at it now and then.
                    futex_wait(changed_, seen, std::min<std::uint64_t>(timeout_ns - waited, 50'000'000));
                }
                waiters_.fetch_sub(1, std::memory_order_relaxed);
            }
        }
    }

    /// Wakes every sleeper without looking whether there is one.
    void notify_now() noexcept {
        changed_.fetch_add(1, std::memory_order_release);
        futex_wake(changed_, 0x7FFFFFFF);
    }

    /// The other side, after making the condition true with a seq_cst store: wakes whoever sleeps. Cost: one load when nobody does.
    void notify() noexcept {
        if (waiters_.load(std::memory_order_seq_cst) != 0) {
            notify_now();
        }
    }

private:
    static constexpr std::uint64_t spin_ns = 1'000;
    static constexpr std::uint64_t yield_ns = 30'000;
    std::atomic<std::uint32_t> changed_{0};
    std::atomic<std::uint32_t> waiters_{0};
};

/// Lets one thread sleep until another has something for it. Unlike a `WakeUp`, the sleeper waits for no single condition but for work.
class Doorbell {
public:
    /// Any thread, after there is work: wakes the sleeper, if it sleeps. Cost: a fence and a load when it does not.
    void ring() noexcept {
        // Orders the work before the look at `sleeping_`; pairs with the fence in `sleep`: one of the two sees the other.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (sleeping_.load(std::memory_order_relaxed) != 0) [[unlikely]] {
            sleeping_.store(0, std::memory_order_relaxed);
            futex_wake(sleeping_, 1);
        }
    }

    /// One thread at a time: sleeps until the bell rings, at most `timeout_ns`; not at all where `has_work()` says so.
    template <typename HasWork>
    void sleep(std::uint64_t timeout_ns, HasWork&& has_work) noexcept {
        sleeping_.store(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!has_work()) {
            futex_wait(sleeping_, 1, timeout_ns);
        }
        sleeping_.store(0, std::memory_order_relaxed);
    }

private:
    std::atomic<std::uint32_t> sleeping_{0};
};

} // namespace ecsdb
