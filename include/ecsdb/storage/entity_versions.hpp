/// @file
/// How often each entity has been changed: a flat array beside the tree, always current.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/hints.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

namespace ecsdb::storage {

/// Counts the transactions that changed each entity: the one exception to "everything hangs off the root", because in a versioned column it
/// cost 30 % of the write rate (design D6). The writer counts; any thread may read the current count, through whatever view.
class EntityVersions {
public:
    explicit EntityVersions(Allocator& allocator) noexcept : allocator_{&allocator} {}
    EntityVersions(const EntityVersions&) = delete;
    EntityVersions& operator=(const EntityVersions&) = delete;
    ~EntityVersions() {
        for (std::size_t i = 0; i < segments_.size(); ++i) {
            if (Counter* const segment = segments_[i].load(std::memory_order_acquire); segment != nullptr) {
                allocator_->deallocate(segment, segment_size(i) * sizeof(Counter), alignof(Counter));
            }
        }
    }

    /// The current count; 0 for an index that never lived. Any thread.
    [[nodiscard]] std::uint32_t count(std::uint32_t index) const noexcept {
        const Counter* const counter = find(index);
        return counter == nullptr ? 0 : counter->load(std::memory_order_relaxed) & ~touched_bit;
    }

    /// The current counts of the indices from `first` on. Any thread. Cost: about 0.5 ns each.
    void copy_to(std::uint32_t first, std::span<std::uint32_t> counts) const noexcept {
        for (std::size_t done = 0; done < counts.size();) {
            const auto index = static_cast<std::uint32_t>(first + done);
            const std::size_t run = std::min(counts.size() - done, run_from(index));
            const Counter* const counters = find(index);
            for (std::size_t i = 0; i < run; ++i) {
                counts[done + i] = counters == nullptr ? 0 : counters[i].load(std::memory_order_relaxed) & ~touched_bit;
            }
            done += run;
        }
    }

    /// Writer only: makes room for `index`. False when memory is refused.
    [[nodiscard]] bool cover(std::uint32_t index) noexcept { return find(index) != nullptr || add_segment(segment_of(index)); }

    /// Writer only: counts `index`, unless the running transaction has already done so; true when it counted. The caller must `settle` or
    /// `uncount` the index when the transaction ends. `index` must be covered.
    bool touch(std::uint32_t index) noexcept {
        Counter& counter = *find(index);
        const std::uint32_t value = counter.load(std::memory_order_relaxed);
        if ((value & touched_bit) != 0) {
            return false;
        }
        counter.store(((value + 1U) & ~touched_bit) | touched_bit, std::memory_order_relaxed);
        return true;
    }

    /// Writer only: sets the counts of `count` indices from `first` on to `value`, marked as touched or not. All must be covered.
    void set_range(std::uint32_t first, std::uint32_t count, std::uint32_t value, bool touched) noexcept {
        const std::uint32_t stored = touched ? value | touched_bit : value & ~touched_bit;
        for_each_run(first, count, [&](Counter* counters, std::uint32_t run) {
            for (std::uint32_t i = 0; i < run; ++i) {
                counters[i].store(stored, std::memory_order_relaxed);
            }
        });
    }
    /// Writer only: covers all of these indices, and says in `all_zero` whether each count is 0. False when memory is refused.
    [[nodiscard]] bool cover_range(std::uint32_t first, std::uint32_t count, bool& all_zero) noexcept {
        all_zero = true;
        for (std::size_t segment = segment_of(first); segment <= segment_of(first + count - 1); ++segment) {
            if (segments_[segment].load(std::memory_order_relaxed) == nullptr && !add_segment(segment)) {
                return false;
            }
        }
        for_each_run(first, count, [&](const Counter* counters, std::uint32_t run) {
            std::uint32_t any = 0;
            for (std::uint32_t i = 0; i < run; ++i) {
                any |= counters[i].load(std::memory_order_relaxed);
            }
            all_zero = all_zero && any == 0;
        });
        return true;
    }

    /// Writer only: the transaction that touched `index` stands.
    void settle(std::uint32_t index) noexcept {
        Counter& counter = *find(index);
        counter.store(counter.load(std::memory_order_relaxed) & ~touched_bit, std::memory_order_relaxed);
    }

    /// Writer only: the transaction that touched `index` failed.
    void uncount(std::uint32_t index) noexcept {
        Counter& counter = *find(index);
        counter.store((counter.load(std::memory_order_relaxed) - 1U) & ~touched_bit, std::memory_order_relaxed);
    }

    /// Writer only: imposes a count (recovery, applied deltas). `index` must be covered.
    void set(std::uint32_t index, std::uint32_t count) noexcept { find(index)->store(count & ~touched_bit, std::memory_order_relaxed); }

    void prefetch(std::uint32_t index) const noexcept {
        if (const Counter* const counter = find(index); counter != nullptr) {
            prefetch_for_read(counter);
        }
    }

    /// Bytes held. Any thread.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

private:
    using Counter = std::atomic<std::uint32_t>;
    static_assert(Counter::is_always_lock_free && sizeof(Counter) == 4);
    static constexpr std::uint32_t touched_bit = 0x80000000U;
    // Segment 0 holds the first 2^12 counters; segment k the 2^(11+k) after those before it. Nothing ever moves.
    static constexpr unsigned first_bits = 12;

    static constexpr std::size_t segment_of(std::uint32_t index) noexcept {
        return static_cast<std::size_t>(std::bit_width(index >> first_bits));
    }
    static constexpr std::size_t segment_size(std::size_t segment) noexcept {
        return std::size_t{1} << (segment == 0 ? first_bits : first_bits + segment - 1);
    }
    /// How many counters lie together from `index` on.
    static constexpr std::size_t run_from(std::uint32_t index) noexcept {
        const std::size_t segment = segment_of(index);
        return (segment == 0 ? segment_size(0) : 2 * segment_size(segment)) - index;
    }
    [[nodiscard]] Counter* find(std::uint32_t index) const noexcept {
        const std::size_t segment = segment_of(index);
        // Acquire pairs with the release in `add_segment`: the counters are there before the pointer is.
        Counter* const counters = segments_[segment].load(std::memory_order_acquire);
        return counters == nullptr ? nullptr : counters + (segment == 0 ? index : index - segment_size(segment));
    }
    /// Calls `use(counters, count)` for the runs of covered counters that lie together.
    template <typename Use>
    void for_each_run(std::uint32_t first, std::uint32_t count, Use&& use) noexcept {
        while (count != 0) {
            const auto run = static_cast<std::uint32_t>(std::min<std::size_t>(count, run_from(first)));
            use(find(first), run);
            first += run;
            count -= run;
        }
    }
    ECSDB_NOINLINE bool add_segment(std::size_t segment) noexcept {
        const std::size_t size = segment_size(segment);
        void* const memory = allocator_->allocate(size * sizeof(Counter), alignof(Counter));
        if (memory == nullptr) {
            return false;
        }
        auto* const counters = static_cast<Counter*>(memory);
        for (std::size_t i = 0; i < size; ++i) {
            ::new (counters + i) Counter{0};
        }
        bytes_.fetch_add(size * sizeof(Counter), std::memory_order_relaxed);
        segments_[segment].store(counters, std::memory_order_release);
        return true;
    }

    Allocator* allocator_;
    std::array<std::atomic<Counter*>, 33 - first_bits> segments_{};
    std::atomic<std::size_t> bytes_{0};
};

} // namespace ecsdb::storage
