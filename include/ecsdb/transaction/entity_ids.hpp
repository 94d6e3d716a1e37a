/// @file
/// Hands out entity ids before their transactions commit: blocks for each producer, freed indices again in the order they were freed.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/detail/vendor_concurrentqueue.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ecsdb::transaction {

/// The source of new ids. Reserving is not database state (design D9): an id that never commits names nothing, ever.
///
/// Fresh indices come from a counter that never passes the mark which the log knows; indices of destroyed entities come back, first freed
/// first, with the next generation. Any thread.
class EntityIds {
public:
    static constexpr std::uint32_t block_size = 64; ///< As many as records in a page: producers do not share record pages.

    explicit EntityIds(std::uint32_t shard) noexcept : shard_{shard} {}

    /// Fills `ids` from freed indices, then fresh ones; returns how many there were (0 only when indices have run out, or while the mark is
    /// being raised: see `needs_mark`).
    [[nodiscard]] std::uint32_t take_block(std::array<Entity, block_size>& ids) noexcept {
        const std::size_t recycled = freed_.try_dequeue_bulk(ids.begin(), block_size);
        if (recycled != 0) {
            return static_cast<std::uint32_t>(recycled);
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
        return freed_.enqueue(Entity{entity.index(), entity.generation() + 1, shard_});
    }
    /// Ids that were taken, but shown to nobody.
    void give_back(const Entity* ids, std::size_t count) noexcept { static_cast<void>(freed_.enqueue_bulk(ids, count)); }

private:
    std::uint32_t shard_;
    std::atomic<std::uint64_t> next_fresh_{0};
    std::atomic<std::uint64_t> mark_{std::uint64_t{1} << 32U};
    moodycamel::ConcurrentQueue<Entity> freed_;
};

} // namespace ecsdb::transaction
