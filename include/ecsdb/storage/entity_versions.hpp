/// @file
/// How often each entity has been changed: counters beside the tree, always current.
#pragma once

#include "ecsdb/core/hints.hpp"
#include "ecsdb/storage/pool.hpp"
#include "ecsdb/storage/reclaim.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

namespace ecsdb::storage {

/// Counts the transactions that changed each entity: the one exception to "everything hangs off the root", because in a versioned column it
/// cost 30 % of the write rate (design D6). The writer counts; any thread may read the current count, through whatever view.
class EntityVersions {
public:
    /// The counters take their memory from `pool`.
    explicit EntityVersions(PagePool& pool) noexcept : pool_{&pool} {}
    EntityVersions(const EntityVersions&) = delete;
    EntityVersions& operator=(const EntityVersions&) = delete;

    /// Indices whose counters lie together.
    static constexpr std::uint32_t chunk_bits = 10;
    static constexpr std::uint32_t chunk_size = 1U << chunk_bits;

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
    [[nodiscard]] bool cover(std::uint32_t index) noexcept { return find(index) != nullptr || add_chunk(index >> chunk_bits); }

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
        for (std::uint64_t chunk = first >> chunk_bits; chunk <= (std::uint64_t{first} + count - 1) >> chunk_bits; ++chunk) {
            if (!cover(static_cast<std::uint32_t>(chunk << chunk_bits))) {
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

    /// Writer only: from here on, what is covered can be taken back.
    void begin_transaction() noexcept { fresh_ = nullptr; }
    /// Writer only: gives back the counters that were added since `begin_transaction`: nobody lives at their indices in any version, so
    /// nobody reads them.
    void take_back_cover() noexcept {
        while (fresh_ != nullptr) {
            Chunk* const chunk = std::exchange(fresh_, static_cast<Chunk*>(fresh_->next));
            place_of(chunk->number)->store(nullptr, std::memory_order_relaxed);
            bytes_.store(bytes() - chunk->bytes, std::memory_order_relaxed);
            pool_->give(chunk);
        }
    }

    /// Writer only, between batches: lets go of the counters of chunk number `chunk`. Nobody of its indices may live in the version
    /// published with `stamp`, nor in any that a view is of: then nobody reads them, until somebody lives there again.
    void drop_chunk(std::uint32_t chunk, Reclaimer& reclaimer, Stamp stamp) noexcept {
        if (std::atomic<Chunk*>* const place = place_of(chunk); place != nullptr) {
            if (Chunk* const dropped = place->exchange(nullptr, std::memory_order_relaxed); dropped != nullptr) {
                bytes_.store(bytes() - dropped->bytes, std::memory_order_relaxed);
                reclaimer.retire(dropped, stamp);
            }
        }
    }
    /// Writer only, between batches: puts the counters of chunk number `chunk` elsewhere if `is_unwanted(node)`. Whoever is reading them in
    /// their old place reads what they were. False when memory is refused.
    template <typename Unwanted>
    [[nodiscard]] bool move_chunk(std::uint32_t chunk, Reclaimer& reclaimer, Stamp stamp, Unwanted&& is_unwanted) noexcept {
        std::atomic<Chunk*>* const place = place_of(chunk);
        Chunk* const before = place == nullptr ? nullptr : place->load(std::memory_order_relaxed);
        if (before == nullptr || !is_unwanted(static_cast<const Node&>(*before))) {
            return true;
        }
        Chunk* const moved = make<Chunk>();
        if (moved == nullptr) {
            return false;
        }
        moved->number = chunk;
        for (std::uint32_t i = 0; i < chunk_size; ++i) {
            moved->counters()[i].store(before->counters()[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
        }
        place->store(moved, std::memory_order_release); // as in `add_chunk`
        reclaimer.retire(before, stamp);
        return true;
    }
    /// One past the number of the last chunk there can be among those of the indices below `index_end`.
    [[nodiscard]] static constexpr std::uint32_t chunk_end(std::uint64_t index_end) noexcept {
        return static_cast<std::uint32_t>((index_end + chunk_size - 1) >> chunk_bits);
    }

    /// Bytes held, which the pool counts too. Any thread.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

private:
    using Counter = std::atomic<std::uint32_t>;
    static_assert(Counter::is_always_lock_free && sizeof(Counter) == 4);
    static constexpr std::uint32_t touched_bit = 0x80000000U;

    /// The counters of 1,024 indices. Versions do not own them, so to the reclaimer they have always been there.
    struct Chunk : Node {
        std::uint32_t number;
        static constexpr std::uint32_t whole_bytes = page_header_bytes + chunk_size * std::uint32_t{sizeof(Counter)};
        [[nodiscard]] Counter* counters() noexcept { return reinterpret_cast<Counter*>(page_rows(this)); }
        void make_zero() noexcept {
            for (std::uint32_t i = 0; i < chunk_size; ++i) {
                ::new (page_rows(this) + i * sizeof(Counter)) Counter{0};
            }
        }
    };
    /// The way to 1,024 chunks. Stays until the pool goes.
    struct Group : Node {
        static constexpr std::uint32_t bits = 10;
        static constexpr std::uint32_t size = 1U << bits;
        using Place = std::atomic<Chunk*>;
        static constexpr std::uint32_t whole_bytes = page_header_bytes + size * std::uint32_t{sizeof(Place)};
        [[nodiscard]] Place* chunks() noexcept { return reinterpret_cast<Place*>(page_rows(this)); }
        void make_zero() noexcept {
            for (std::uint32_t i = 0; i < size; ++i) {
                ::new (page_rows(this) + i * sizeof(Place)) Place{nullptr};
            }
        }
    };

    /// How many counters lie together from `index` on.
    static constexpr std::size_t run_from(std::uint32_t index) noexcept { return chunk_size - (index & (chunk_size - 1U)); }
    // Acquire pairs with the releases in `add_chunk` and `move_chunk`: what is pointed to is there before the pointer is.
    [[nodiscard]] std::atomic<Chunk*>* place_of(std::uint32_t chunk) const noexcept {
        Group* const group = groups_[chunk >> Group::bits].load(std::memory_order_acquire);
        return group == nullptr ? nullptr : group->chunks() + (chunk & (Group::size - 1U));
    }
    [[nodiscard]] Counter* find(std::uint32_t index) const noexcept {
        std::atomic<Chunk*>* const place = place_of(index >> chunk_bits);
        Chunk* const chunk = place == nullptr ? nullptr : place->load(std::memory_order_acquire);
        return chunk == nullptr ? nullptr : chunk->counters() + (index & (chunk_size - 1U));
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
    template <typename T>
    [[nodiscard]] T* make() noexcept {
        Node* const node = pool_->take(T::whole_bytes);
        if (node == nullptr) {
            return nullptr;
        }
        node->born = 0;
        node->timeline = 0;
        auto* const made = static_cast<T*>(node);
        made->make_zero();
        return made;
    }
    ECSDB_NOINLINE bool add_chunk(std::uint32_t chunk) noexcept {
        std::atomic<Group*>& group = groups_[chunk >> Group::bits];
        if (group.load(std::memory_order_relaxed) == nullptr) {
            Group* const made = make<Group>();
            if (made == nullptr) {
                return false;
            }
            bytes_.store(bytes() + made->bytes, std::memory_order_relaxed);
            group.store(made, std::memory_order_release);
        }
        Chunk* const made = make<Chunk>();
        if (made == nullptr) {
            return false;
        }
        made->number = chunk;
        made->next = std::exchange(fresh_, made);
        bytes_.store(bytes() + made->bytes, std::memory_order_relaxed);
        place_of(chunk)->store(made, std::memory_order_release);
        return true;
    }

    PagePool* pool_;
    std::array<std::atomic<Group*>, std::size_t{1} << (32U - chunk_bits - Group::bits)> groups_{};
    std::atomic<std::size_t> bytes_{0};
    Chunk* fresh_ = nullptr; ///< Added since the transaction began.
};

} // namespace ecsdb::storage
