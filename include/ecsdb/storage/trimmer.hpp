/// @file
/// Gives blocks in which everything is free back to the allocator, a little at a time, while the writer has nothing else to do.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/storage/pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ecsdb::storage {

/// Trims a pool after a peak (requirement R16).
///
/// Which block a node lies in is looked up here and nowhere else, so that taking and giving nodes costs nothing for it: free nodes are
/// gathered by block; a block whose nodes have all been gathered goes, the others get theirs back. A pool in need puts gathered nodes back
/// by itself. Only whole blocks go: what is left of a world that was changed at random lies scattered, and stays until it is used again, or
/// until a compaction has its blocks emptied (`begin_emptying`).
///
/// Writer only.
class Trimmer {
public:
    Trimmer(Allocator& allocator, PagePool& pool) noexcept : pool_{&pool}, allocator_{&allocator}, blocks_{allocator} {}

    /// Does a piece of the work, at most about 100 µs; begins anew where enough memory is free. False when there is nothing to do; then
    /// there will not be, either, until `cancel`, or until views that go set a block's worth free.
    bool piece() noexcept {
        switch (phase_) {
        case Phase::Resting:
            return begin();
        case Phase::Gathering:
            return gather_some();
        case Phase::Choosing:
            return choose_one();
        case Phase::Sweeping:
            return sweep_some();
        }
        return false;
    }

    /// The pool is in use again: what has been begun ends without giving any more back. After looking in vain it takes more and more of
    /// these calls, up to 64, before the next look, so that scattered memory is not looked through all the time. Cost: O(1).
    void cancel() noexcept {
        if (thorough_) {
            return;
        }
        waits_ -= waits_ != 0 && phase_ == Phase::Resting ? 1U : 0U;
        may_give_ = false;
        if (phase_ == Phase::Gathering) {
            phase_ = Phase::Choosing;
        }
        tried_ = false;
    }

    /// Whether `piece` would do something.
    [[nodiscard]] bool has_work() const noexcept {
        const bool may_begin = (!tried_ && waits_ == 0) || pool_->used_bytes() + pool_->options_.max_block_bytes <= tried_at_;
        return phase_ != Phase::Resting || (may_begin && pool_->is_worth_trimming());
    }

    /// Begins a look that also sets sparsely used blocks aside, for what is in use there to be moved elsewhere (`PagePool::is_emptying`).
    /// Pieces do the work until `is_looking` says no, which it must have said before. False when memory for the notes is refused.
    [[nodiscard]] bool begin_emptying() noexcept { return begin_thorough_look(true); }
    /// Begins a look after that, which gives every block back that is free by then, but for what was asked to be kept.
    [[nodiscard]] bool begin_emptied() noexcept {
        pool_->stop_emptying();
        return begin_thorough_look(false);
    }
    [[nodiscard]] bool is_looking() const noexcept { return phase_ != Phase::Resting; }

private:
    enum class Phase : std::uint8_t { Resting, Gathering, Choosing, Sweeping };
    using Block = PagePool::Block;

    static constexpr std::uint32_t nodes_per_piece = 1024;
    static constexpr std::uint32_t blocks_per_piece = 2;
    /// A block is sparsely used if one part in so many is free: for each block that goes, three are copied at most.
    static constexpr std::size_t sparse_share = 4;
    /// In place of a count of gathered bytes: the block is about to go.
    static constexpr std::size_t leaving = ~std::size_t{0};

    bool begin_thorough_look(bool empties) noexcept {
        ECSDB_ASSERT(phase_ == Phase::Resting, "what has been begun ends first");
        if (!list_blocks() || (empties && !pool_->emptying_.reserve(blocks_.size()))) {
            return false;
        }
        thorough_ = true;
        empties_ = empties;
        return true;
    }
    bool begin() noexcept { return has_work() && list_blocks(); }
    bool list_blocks() noexcept {
        tried_ = true;
        tried_at_ = pool_->used_bytes();
        gave_ = false;
        std::size_t count = 0;
        for_each_block([&](Block&) { ++count; });
        if (!blocks_.reserve(count)) {
            return false;
        }
        for_each_block([&](Block& block) {
            if (blocks_.size() < count) { // others may have come meanwhile
                static_cast<void>(blocks_.push(&block));
            }
        });
        std::sort(blocks_.begin(), blocks_.end(), [](const Block* a, const Block* b) { return address(a) < address(b); });
        may_give_ = true;
        class_ = 0;
        phase_ = Phase::Gathering;
        return true;
    }
    template <typename Visit>
    void for_each_block(Visit&& visit) const noexcept {
        // Acquire pairs with the release in `PagePool::new_block`.
        for (Block* block = pool_->blocks_.load(std::memory_order_acquire); block != nullptr; block = block->next) {
            visit(*block);
        }
    }

    bool gather_some() noexcept {
        for (std::uint32_t left = nodes_per_piece; left != 0;) {
            PagePool::FreeList& list = pool_->free_[class_];
            if (class_ == PagePool::stable_class) {
                ++class_;
            } else if (Magazine* const magazine = pool_->depot_[class_].pop(pool_->magazines_); magazine != nullptr) {
                for (std::uint32_t i = 0; i < magazine->count; ++i) {
                    gather(magazine->nodes[i]);
                }
                left -= std::min(left, magazine->count);
                pool_->put_away(*magazine);
            } else if (list.first != nullptr) {
                --left;
                --list.count;
                gather(std::exchange(list.first, list.first->next));
            } else if (++class_ == PagePool::class_count) {
                phase_ = Phase::Choosing;
                return true;
            }
        }
        return true;
    }

    void gather(Node* node) noexcept {
        Block* const block = block_of(node);
        if (block == nullptr) {
            // Of a block that has come since the beginning.
            node->next = std::exchange(strays_, node);
            return;
        }
        if (block->gathered == nullptr) {
            block->next_of_kind = std::exchange(pool_->gathered_, block);
        }
        block->gather(node);
    }
    /// Cost: O(log blocks); nodes that follow each other mostly lie together.
    [[nodiscard]] Block* block_of(Node* node) noexcept {
        if (last_ == nullptr || !PagePool::lies_in(reinterpret_cast<std::byte*>(node), *last_)) {
            Block* const found = PagePool::block_in(blocks_, node);
            last_ = found == nullptr ? last_ : found;
            return found;
        }
        return last_;
    }
    /// By which places in different allocations have an order.
    [[nodiscard]] static std::uintptr_t address(const void* place) noexcept { return reinterpret_cast<std::uintptr_t>(place); }

    bool choose_one() noexcept {
        for (std::uint32_t left = nodes_per_piece; strays_ != nullptr; --left) {
            if (left == 0) {
                return true;
            }
            pool_->put_back(std::exchange(strays_, strays_->next));
        }
        Block* const block = pool_->gathered_;
        if (block == nullptr) {
            phase_ = Phase::Sweeping;
            return true;
        }
        // Acquire pairs with the release in `PagePool::finish_cutting`: who cut it has let go of it.
        const std::size_t cut_bytes = block->cut_bytes.load(std::memory_order_acquire);
        const bool is_free = block->gathered_bytes == cut_bytes;
        const std::size_t held = thorough_ ? pool_->options_.kept_bytes : pool_->worth_holding();
        if (may_give_ && is_free && pool_->allocated_bytes() >= held + leaving_bytes_ + block->bytes) {
            pool_->gathered_ = block->next_of_kind;
            block->gathered = nullptr;
            block->gathered_bytes = leaving;
            leaving_bytes_ += block->bytes;
        } else if (empties_ && cut_bytes != 0 && block->gathered_bytes >= cut_bytes / sparse_share) {
            pool_->gathered_ = block->next_of_kind;
            empty(*block);
        } else {
            pool_->put_back_gathered();
        }
        return true;
    }
    /// In its place by address, for which there is room.
    void empty(Block& block) noexcept {
        GrowArray<Block*>& blocks = pool_->emptying_;
        if (!blocks.push(&block)) {
            return;
        }
        std::rotate(std::upper_bound(blocks.begin(), blocks.end() - 1, &block, std::less<>{}), blocks.end() - 1, blocks.end());
    }

    /// Takes the leaving blocks out of the list of all. Only here is anything taken out; other threads may add to its head meanwhile, so
    /// that the place reached stays good between pieces.
    bool sweep_some() noexcept {
        std::uint32_t freed = 0;
        for (std::uint32_t left = nodes_per_piece; leaving_bytes_ != 0 && left != 0 && freed < blocks_per_piece; --left) {
            Block* block = before_ == nullptr ? pool_->blocks_.load(std::memory_order_acquire) : before_->next;
            if (block->gathered_bytes != leaving) {
                before_ = block;
                continue;
            }
            if (before_ != nullptr) {
                before_->next = block->next;
            } else if (!pool_->blocks_.compare_exchange_strong(block, block->next, std::memory_order_acq_rel, std::memory_order_acquire)) {
                continue; // somebody has put a new one before it
            }
            give_back(*block);
            ++freed;
        }
        if (leaving_bytes_ != 0) {
            return true;
        }
        const bool in_vain = may_give_ && !gave_;
        most_waits_ = in_vain ? std::min(64U, 2 * most_waits_ + 1) : 0;
        waits_ = most_waits_;
        before_ = nullptr;
        last_ = nullptr;
        blocks_ = GrowArray<Block*>{*allocator_};
        phase_ = Phase::Resting;
        thorough_ = empties_ = false;
        return has_work();
    }
    void give_back(Block& block) noexcept {
        const std::size_t bytes = block.bytes;
        leaving_bytes_ -= bytes;
        gave_ = true;
        allocator_->deallocate(&block, bytes, PagePool::block_alignment);
        pool_->allocated_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
        pool_->returned_bytes_.add(bytes);
    }

    PagePool* pool_;
    Allocator* allocator_;
    GrowArray<Block*> blocks_; ///< All there were at the beginning, by address.
    Phase phase_ = Phase::Resting;
    bool thorough_ = false; ///< For a compaction.
    bool empties_ = false;  ///< Sparsely used blocks are set aside.
    bool may_give_ = false;
    bool gave_ = false;
    bool tried_ = false;           ///< And `cancel` has not been called since.
    std::size_t tried_at_ = 0;     ///< Bytes in use then.
    std::uint32_t waits_ = 0;      ///< Calls of `cancel` before the next look.
    std::uint32_t most_waits_ = 0; ///< As many of them after the last look.
    std::uint32_t class_ = 0;      ///< The size of nodes being gathered.
    Node* strays_ = nullptr;
    Block* last_ = nullptr;         ///< Of the node last gathered.
    Block* before_ = nullptr;       ///< The sweep has got as far as this.
    std::size_t leaving_bytes_ = 0; ///< In blocks chosen to go and not gone yet.
};

} // namespace ecsdb::storage
