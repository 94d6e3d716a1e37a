/// @file
/// Counts events for whoever watches, at the price of an ordinary increment.
#pragma once

#include <atomic>
#include <cstdint>

namespace ecsdb {

/// A 64-bit event count with one writer at a time and any number of readers.
///
/// The writer loads and stores instead of adding atomically: an `inc` on memory costs under a nanosecond, a locked one five to twenty.
/// So two threads that add at the same time lose counts: each thread has its own counter, and readers add them up. Relaxed: a
/// reader sees every count sooner or later, but learns nothing from it about other memory.
class Counter {
public:
    /// Writer only.
    void add(std::uint64_t count = 1) noexcept { count_.store(count_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed); }

    /// Writer only: for values that are measured rather than counted.
    void set(std::uint64_t value) noexcept { count_.store(value, std::memory_order_relaxed); }

    /// Writer only: keeps the larger one.
    void raise_to(std::uint64_t value) noexcept {
        if (value > get()) {
            set(value);
        }
    }

    /// Any thread.
    [[nodiscard]] std::uint64_t get() const noexcept { return count_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> count_{0};
};

} // namespace ecsdb
