/// @file
/// Hands out entity ids before their transactions commit: blocks for each producer, freed indices again in the order they were freed.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/detail/vendor_concurrentqueue.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

namespace ecsdb::transaction {

/// Consecutive indices that nobody has had.
struct UnusedIndices {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
};

/// The source of new ids. Reserving is not database state (design D9): an id that never commits names nothing, ever.
///
/// Indices of destroyed entities come back, first freed first, with the next generation; then those come that were handed out before the
/// database was opened and never used; then fresh ones, from a counter that never passes the mark which the log knows. Any thread.
class EntityIds {
public:
    static constexpr std::uint32_t block_size = 64; ///< As many as records in a page: producers do not share record pages.

    explicit EntityIds(std::uint32_t shard) noexcept : shard_{shard} {}

    /// Fills `ids` from freed indices, then unused ones, then fresh ones; returns how many there were (0 only when indices have run out, or
    /// while the mark is being raised: see `wanted_mark`).
    [[nodiscard]] std::uint32_t take_block(std::array<Entity, block_size>& ids) noexcept {
        const std::size_t recycled = freed_.try_dequeue_bulk(ids.begin(), block_size);
        if (recycled != 0) {
            return static_cast<std::uint32_t>(recycled);
        }
        if (const std::uint32_t unused = has_unused_.load(std::memory_order_relaxed) ? take_unused(ids) : 0; unused != 0) {
            return unused;
        }
        const std::uint64_t first = take_fresh(block_size);
        if (first == none) {
            return 0;
        }
        for (std::uint32_t i = 0; i < block_size; ++i) {
            ids[i] = Entity{static_cast<std::uint32_t>(first) + i, 1, shard_};
        }
        return block_size;
    }

    static constexpr std::uint64_t none = ~std::uint64_t{0};

    /// The first of `count` consecutive fresh indices, or `none`.
    [[nodiscard]] std::uint64_t take_fresh(std::uint32_t count) noexcept {
        const std::uint64_t whole_blocks = (static_cast<std::uint64_t>(count) + block_size - 1) / block_size * block_size;
        std::uint64_t first = next_fresh_.load(std::memory_order_relaxed);
        do {
            if (first + whole_blocks > mark_.load(std::memory_order_acquire)) {
                return none;
            }
        } while (!next_fresh_.compare_exchange_weak(first, first + whole_blocks, std::memory_order_relaxed));
        return first;
    }

    /// The mark that `take_fresh(count)` would need. Beyond 2^32 indices there is none.
    [[nodiscard]] std::uint64_t wanted_mark(std::uint32_t count) const noexcept {
        return next_fresh_.load(std::memory_order_relaxed) + count + block_size;
    }

    /// Whether reserving soon needs a higher mark.
    [[nodiscard]] std::uint64_t mark() const noexcept { return mark_.load(std::memory_order_acquire); }
    /// Allows indices below `mark`; once the log knows it. Release pairs with the acquire in `take_fresh`.
    void raise_mark(std::uint64_t mark) noexcept {
        if (mark > mark_.load(std::memory_order_relaxed)) {
            mark_.store(mark, std::memory_order_release);
        }
    }

    /// Allows nothing above `mark` until it is raised again. Before the first reservation only.
    void lower_mark(std::uint64_t mark) noexcept { mark_.store(mark, std::memory_order_release); }

    /// Indices below the first fresh one that were never used, ascending: to be handed out with `generation`. Takes no memory for each,
    /// however many there are. Before the first reservation only.
    void set_unused(List<UnusedIndices> ranges, std::uint32_t generation) noexcept {
        unused_ = std::move(ranges);
        unused_generation_ = generation;
        note_generation(generation);
        has_unused_.store(!unused_.empty(), std::memory_order_relaxed);
    }
    /// Starts fresh indices at `first` (opening a database).
    void start_at(std::uint64_t first) noexcept {
        next_fresh_.store((first + block_size - 1) / block_size * block_size, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t next_fresh() const noexcept { return next_fresh_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint32_t shard() const noexcept { return shard_; }

    /// `entity` was destroyed in a published version: its index may be used again. False when memory was refused: the index is then lost
    /// until the database is opened again.
    bool recycle(Entity entity) noexcept {
        if (entity.generation() == Entity::max_generation) {
            return true; // the last generation is spent
        }
        return make_free(entity.index(), entity.generation() + 1);
    }

    // Where ids come to life that were not handed out here (a state comes back, a delta is imposed). Writer only -----------------------

    /// Indices below `end` are not fresh any more; returns up to where they had not been before.
    std::uint64_t advance_fresh(std::uint64_t end) noexcept {
        const std::uint64_t wanted = (end + block_size - 1) / block_size * block_size;
        std::uint64_t first = next_fresh_.load(std::memory_order_relaxed);
        while (first < wanted && !next_fresh_.compare_exchange_weak(first, wanted, std::memory_order_relaxed)) {
        }
        return first;
    }
    /// Generations may go back: none that may have been handed out is from now on, at any index. `highest` is that of all there are, who
    /// may have come from elsewhere, or from before the database was opened.
    void raise_generations(std::uint32_t highest) noexcept {
        const std::lock_guard lock{unused_mutex_};
        note_generation(highest);
        least_generation_.store(std::min(highest_generation_.load(std::memory_order_relaxed) + 1, Entity::max_generation),
                                std::memory_order_relaxed);
    }
    /// Keeps of the freed and unused indices those for which `generation_of(index)` says which generation was the last there, and not
    /// `living`. `next_used(index)` is the first from there on where it says anything but 0. What producers hold is forgotten: see `era`.
    /// Ids taken meanwhile may fail to come to life. Where memory is refused, some are lost until the database is opened again: never are
    /// any handed out that somebody has.
    template <typename GenerationOf, typename NextUsed>
    void keep_free(GenerationOf&& generation_of, NextUsed&& next_used) noexcept {
        // All are taken out before the first is put back: the queue keeps no order between threads, and would give it again.
        moodycamel::ConcurrentQueue<Entity> taken;
        Entity entity;
        while (freed_.try_dequeue(entity)) {
            static_cast<void>(taken.enqueue(entity)); // refused memory loses it until the database is opened again
        }
        while (taken.try_dequeue(entity)) {
            if (const std::uint32_t last = generation_of(entity.index()); last != living && last < Entity::max_generation) {
                make_free(entity.index(), std::max(entity.generation(), last + 1));
            }
        }
        keep_unused(generation_of, next_used);
        // Release pairs with the acquire in `era`.
        era_.store(era_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    /// What `keep_free` is told of an index where somebody lives.
    static constexpr std::uint32_t living = ~std::uint32_t{0};
    /// An index where nobody lives, and which is not among the freed ones, may be used from this generation on.
    bool make_free(std::uint32_t index, std::uint32_t generation) noexcept {
        const std::uint32_t next = std::max(generation, least_generation_.load(std::memory_order_relaxed));
        note_generation(next);
        return freed_.enqueue(Entity{index, next, shard_});
    }

    /// Grows whenever ids that were taken before, and not given to anybody, are not to be used any more. Any thread.
    [[nodiscard]] std::uint32_t era() const noexcept { return era_.load(std::memory_order_acquire); }

    /// Ids that were taken, but shown to nobody.
    void give_back(const Entity* ids, std::size_t count) noexcept { static_cast<void>(freed_.enqueue_bulk(ids, count)); }

private:
    /// The next ones of the first range that has any left; 0 where there are none.
    std::uint32_t take_unused(std::array<Entity, block_size>& ids) noexcept {
        const std::lock_guard lock{unused_mutex_};
        if (unused_at_ == unused_.size()) {
            return 0;
        }
        UnusedIndices& range = unused_[unused_at_];
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(range.end - range.first, block_size));
        const std::uint32_t generation = std::max(unused_generation_, least_generation_.load(std::memory_order_relaxed));
        note_generation(generation);
        for (std::uint32_t i = 0; i < count; ++i) {
            ids[i] = Entity{static_cast<std::uint32_t>(range.first) + i, generation, shard_};
        }
        range.first += count;
        if (range.first == range.end && ++unused_at_ == unused_.size()) {
            has_unused_.store(false, std::memory_order_relaxed);
        }
        return count;
    }
    /// Indices that have been used by now are none of the unused any more. See `keep_free`.
    template <typename GenerationOf, typename NextUsed>
    void keep_unused(GenerationOf&& generation_of, NextUsed&& next_used) noexcept {
        const std::lock_guard lock{unused_mutex_};
        List<UnusedIndices> kept;
        for (; unused_at_ < unused_.size(); ++unused_at_) {
            UnusedIndices rest = unused_[unused_at_];
            for (std::uint64_t used = next_used(rest.first); used < rest.end; used = next_used(rest.first)) {
                const auto index = static_cast<std::uint32_t>(used);
                if (const std::uint32_t last = generation_of(index); last != living && last < Entity::max_generation) {
                    make_free(index, std::max(unused_generation_, last + 1));
                }
                if (rest.first != used) {
                    static_cast<void>(kept.try_push_back({rest.first, used})); // refused memory loses them, as above
                }
                rest.first = used + 1;
            }
            if (rest.first < rest.end) {
                static_cast<void>(kept.try_push_back(rest));
            }
        }
        unused_ = std::move(kept);
        unused_at_ = 0;
        has_unused_.store(!unused_.empty(), std::memory_order_relaxed);
    }

    void note_generation(std::uint32_t generation) noexcept {
        std::uint32_t highest = highest_generation_.load(std::memory_order_relaxed);
        while (highest < generation && !highest_generation_.compare_exchange_weak(highest, generation, std::memory_order_relaxed)) {
        }
    }

    std::uint32_t shard_;
    std::atomic<std::uint32_t> highest_generation_{1}; ///< Of those that may have been handed out.
    std::atomic<std::uint32_t> least_generation_{1};   ///< To be handed out from now on.
    std::atomic<std::uint32_t> era_{0};
    std::atomic<std::uint64_t> next_fresh_{0};
    std::atomic<std::uint64_t> mark_{std::uint64_t{1} << 32U};
    moodycamel::ConcurrentQueue<Entity> freed_;
    // Beside the queue, which takes 8 bytes for each id: there may be as many of these as there are indices.
    std::atomic<bool> has_unused_{false};
    std::mutex unused_mutex_;    ///< For what follows.
    List<UnusedIndices> unused_; ///< Ascending; from `unused_at_` on there are some left in each.
    std::size_t unused_at_ = 0;
    std::uint32_t unused_generation_ = 1;
};

} // namespace ecsdb::transaction
