/// @file
/// Which entities the running transaction has counted as changed, so that their counts can be taken back with it.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/storage/entity_versions.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ecsdb::storage {

/// The way back for `EntityVersions`: counts lie outside the tree, so neither a failed transaction nor a discarded batch takes them along.
/// Functions that return a bool say false when memory is refused; the transaction must then be undone. Writer only.
class ChangeCounts {
public:
    ChangeCounts(Allocator& allocator, EntityVersions& versions) noexcept
        : versions_{&versions}, touched_{allocator}, batch_touched_{allocator} {}

    /// Whether changed entities are counted: not by applied deltas that bring no counts. Until the transaction ends.
    void set_counting(bool on) noexcept { counting_ = on; }
    /// Whether `discard_batch` may be needed: then every batch remembers which entities it counted. Outside batches only.
    void set_discardable(bool on) noexcept { discardable_ = on; }
    [[nodiscard]] bool discardable() const noexcept { return discardable_; }

    void begin_batch() noexcept { batch_touched_.clear(); }
    void begin_transaction() noexcept {
        counting_ = true;
        versions_->begin_transaction();
    }

    /// Counts `index`, which has a count, as changed by the running transaction.
    [[nodiscard]] bool touch(std::uint32_t index) noexcept { return touch_all({&index, 1}); }
    /// The same for many.
    [[nodiscard]] bool touch_all(std::span<const std::uint32_t> indices) noexcept {
        if (!counting_) {
            return true;
        }
        if (!make_room(indices.size())) {
            return false;
        }
        for (const std::uint32_t index : indices) {
            if (versions_->touch(index)) {
                static_cast<void>(touched_.push({index, counted_once, 1}));
            }
        }
        return true;
    }

    /// A new entity's count starts at 0, whoever had the index before.
    [[nodiscard]] bool start(std::uint32_t index) noexcept {
        if (!versions_->cover(index)) {
            return false;
        }
        const std::uint32_t before = versions_->count(index);
        return before == 0 || set(index, before, 0);
    }

    /// Starts the counts of `count` new entities with consecutive indices, and counts them as changed.
    [[nodiscard]] bool start_all(std::uint32_t first, std::uint32_t count) noexcept {
        bool all_zero = false;
        if (count == 0 || !versions_->cover_range(first, count, all_zero)) {
            return count == 0;
        }
        if (count == 1 || !all_zero || !counting_) {
            for (std::uint32_t i = 0; i < count; ++i) {
                if (!start(first + i) || !touch(first + i)) {
                    return false;
                }
            }
            return true;
        }
        if (!make_room(1)) {
            return false;
        }
        static_cast<void>(touched_.push({first, counted_once, count}));
        versions_->set_range(first, count, 1, true);
        return true;
    }

    /// Lets the count of a living entity grow by `increment`: for changes that `touch` does not count.
    [[nodiscard]] bool add(std::uint32_t index, std::uint32_t increment) noexcept {
        const std::uint32_t before = versions_->count(index);
        return set(index, before, before + increment);
    }

    /// Makes the count of a living entity what it is to be, whatever it was.
    [[nodiscard]] bool impose(std::uint32_t index, std::uint32_t count) noexcept {
        const std::uint32_t before = versions_->count(index);
        return before == count || set(index, before, count);
    }

    /// The running transaction stands.
    void keep() noexcept {
        for (const Count& count : touched_) {
            if (count.indices == 1) {
                versions_->settle(count.index);
            } else {
                versions_->set_range(count.index, count.indices, 1, false);
            }
        }
        if (discardable_) {
            const std::size_t before = batch_touched_.size();
            if (batch_touched_.resize_for_overwrite(before + touched_.size())) { // `make_room` has reserved it
                std::copy(touched_.begin(), touched_.end(), batch_touched_.begin() + before);
            }
        }
        touched_.clear();
    }
    /// The running transaction never was.
    void undo() noexcept {
        take_back(touched_);
        versions_->take_back_cover();
    }
    /// None of the batch's transactions ever was.
    void discard_batch() noexcept { take_back(batch_touched_); }

    /// Gives memory back that it keeps beyond `most_bytes`. Between batches.
    void trim(std::size_t most_bytes) noexcept {
        touched_.clear_and_trim(most_bytes);
        batch_touched_.clear_and_trim(most_bytes);
    }

private:
    /// A change to an entity's count that may have to be taken back.
    struct Count {
        std::uint32_t index;
        std::uint32_t before;      ///< `counted_once`, or the count before it was set.
        std::uint32_t indices = 1; ///< More: so many new entities from `index` on, counted once each, on indices that had no count.
    };
    static constexpr std::uint32_t counted_once = 0xFFFFFFFFU;

    [[nodiscard]] ECSDB_ALWAYS_INLINE bool make_room(std::size_t counts) noexcept {
        return touched_.reserve_more(counts) && (!discardable_ || batch_touched_.reserve_more(touched_.size() + counts));
    }
    bool set(std::uint32_t index, std::uint32_t before, std::uint32_t count) noexcept {
        if (!make_room(1)) {
            return false;
        }
        static_cast<void>(touched_.push({index, before, 1}));
        versions_->set(index, count);
        return true;
    }
    void take_back(GrowArray<Count>& counts) noexcept {
        for (std::size_t i = counts.size(); i-- > 0;) {
            if (counts[i].indices != 1) {
                versions_->set_range(counts[i].index, counts[i].indices, 0, false);
            } else if (counts[i].before == counted_once) {
                versions_->uncount(counts[i].index);
            } else {
                versions_->set(counts[i].index, counts[i].before);
            }
        }
        counts.clear();
    }

    EntityVersions* versions_;
    GrowArray<Count> touched_;
    GrowArray<Count> batch_touched_;
    bool discardable_ = false;
    bool counting_ = true;
};

} // namespace ecsdb::storage
