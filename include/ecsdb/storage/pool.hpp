/// @file
/// Where nodes come from and go back to: blocks from the allocator, cut into size classes, reused last-in-first-out.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/counters.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/hints.hpp"
#include "ecsdb/storage/magazine.hpp"
#include "ecsdb/storage/pool_options.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <utility>

namespace ecsdb::storage {

/// The nodes of one database.
///
/// One thread, the writer, takes and gives; what it gave last it takes next, while that is still in its cache (design D8). Other threads
/// that fill fresh pages go through a `Cache` of their own: whole magazines of nodes pass between them and the writer over a depot.
///
/// Blocks stay until the pool goes, unless a `Trimmer` finds one in which everything is free. So that it finds some, small nodes, most of
/// which live long, are cut from other blocks than pages.
class PagePool {
    /// Heads each block. `next` and `bytes` belong to the list of all blocks; the rest to whoever cuts, keeps or trims the block.
    struct Block {
        Block* next;
        std::size_t bytes;
        std::atomic<std::size_t> cut_bytes{0}; ///< In all nodes of the block, once no more will be cut from it; 0 before that.
        Block* next_of_kind = nullptr;         ///< Among the reserved ones, or those with gathered nodes.
        std::size_t gathered_bytes = 0;        ///< In free nodes a trimmer has taken off the lists …
        Node* gathered = nullptr;              ///< … and these nodes.

        void gather(Node* node) noexcept {
            node->next = std::exchange(gathered, node);
            gathered_bytes += node->bytes;
        }
    };

public:
    /// The size of stable nodes, and of no others: their memory never becomes anything else, nor goes back to the allocator before the pool
    /// does. The writer may look at the head of a root that was freed long ago (see `PinTable::scan`).
    static constexpr std::uint32_t stable_bytes = 176;

    PagePool(Allocator& allocator, const PoolOptions& options) noexcept
        : allocator_{&allocator}, options_{options}, small_{options.first_block_bytes}, pages_{options.first_block_bytes},
          stable_{std::min(options.first_block_bytes, first_stable_block_bytes)}, emptying_{allocator}, magazines_{allocator} {}
    PagePool(const PagePool&) = delete;
    PagePool& operator=(const PagePool&) = delete;
    /// Returns every block; no node may be in use.
    ~PagePool() {
        Block* block = blocks_.load(std::memory_order_acquire);
        while (block != nullptr) {
            Block* const next = block->next;
            allocator_->deallocate(block, block->bytes, block_alignment);
            block = next;
        }
    }

    /// A node of at least `bytes` (header included); its contents are stale, but for `bytes`. Null when memory is refused. Writer only.
    [[nodiscard]] Node* take(std::uint32_t bytes) noexcept { return take_of(class_of(bytes)); }
    /// A stable node. Null when memory is refused. Writer only.
    [[nodiscard]] Node* take_stable() noexcept { return take_of(stable_class); }

private:
    [[nodiscard]] ECSDB_ALWAYS_INLINE Node* take_of(std::uint32_t size_class) noexcept {
        FreeList& list = free_[size_class];
        Node* node = list.first;
        if (node == nullptr) [[unlikely]] {
            node = refill(size_class);
            if (node == nullptr) {
                return nullptr;
            }
        }
        list.first = node->next;
        prefetch_for_write(list.first); // the one to be taken next
        --list.count;
        used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) + node->bytes, std::memory_order_relaxed);
        return node;
    }

public:
    /// Takes back a node no version needs. Writer only.
    void give(Node* node) noexcept {
        used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) - node->bytes, std::memory_order_relaxed);
        put_back(node);
    }

    /// Takes back every node of a magazine, and the magazine; they will be taken in the order they were put in. Writer only.
    void give_all(Magazine& magazine) noexcept {
        if (magazine.count == 0) {
            put_away(magazine);
            return;
        }
        used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) - std::size_t{magazine.count} * magazine.node_bytes,
                          std::memory_order_relaxed);
        std::reverse(magazine.nodes.begin(), magazine.nodes.begin() + magazine.count); // the last is taken first
        depot_[class_of(magazine.node_bytes)].push(magazine);
    }

    /// Puts the nodes the writer keeps for itself where other threads find them, for when memory is short. Writer only.
    void share() noexcept {
        stop_emptying();
        while (put_back_gathered()) {
        }
        for (std::uint32_t size_class = 0; size_class < class_count; ++size_class) {
            FreeList& list = free_[size_class];
            for (std::uint32_t before = 0; list.first != nullptr && list.count != before;) {
                before = list.count;
                spill(list, size_class);
            }
        }
    }

    /// An empty magazine; null when memory is refused. Any thread.
    [[nodiscard]] Magazine* take_magazine() noexcept {
        Magazine* const magazine = empties_.pop(magazines_);
        return magazine != nullptr ? magazine : magazines_.make();
    }
    /// Takes back a magazine whose nodes, if any, belong to somebody else. Any thread.
    void put_away(Magazine& magazine) noexcept {
        magazine.count = 0;
        empties_.push(magazine);
    }

    /// Counts `bytes` in nodes another thread took as in use from now on. Writer only.
    void adopt(std::size_t bytes) noexcept {
        used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    }

    /// Bytes in nodes that some version holds. Any thread.
    [[nodiscard]] std::size_t used_bytes() const noexcept { return used_bytes_.load(std::memory_order_relaxed); }
    /// Bytes held from the allocator. Any thread.
    [[nodiscard]] std::size_t allocated_bytes() const noexcept { return allocated_bytes_.load(std::memory_order_relaxed); }
    /// Bytes given back to the allocator so far, by trimming. Any thread.
    [[nodiscard]] std::uint64_t returned_bytes() const noexcept { return returned_bytes_.get(); }
    /// Bytes worth holding even while nothing is done: what trimming does not go below. Any thread.
    [[nodiscard]] std::size_t worth_holding() const noexcept { return std::max(options_.kept_bytes, used_bytes() / 4 * 5); }
    /// Bytes that the memory limit leaves for more nodes, at most. Writer only.
    [[nodiscard]] std::size_t most_room() const noexcept { return room_beside(used_bytes(), reserve_is_open_); }
    /// As given in the options. Any thread.
    [[nodiscard]] std::size_t memory_limit() const noexcept { return options_.memory_limit; }
    /// Whether what is taken from now on may come from the reserve below the memory limit. Writer only.
    void open_reserve(bool open) noexcept { reserve_is_open_ = open; }

    /// Whether `node` lies in a block that is being emptied (see `Trimmer::begin_emptying`): nodes that are in use there are to move.
    /// Writer only. Cost: O(log blocks being emptied).
    [[nodiscard]] bool is_emptying(const Node* node) const noexcept { return block_in(emptying_, node) != nullptr; }
    /// Whether any block is. Memory that is refused ends it. Writer only.
    [[nodiscard]] bool is_emptying() const noexcept { return !emptying_.empty(); }
    /// The free nodes of blocks being emptied are to be had again. Writer only.
    void stop_emptying() noexcept {
        for (Block* const block : emptying_) {
            block->next_of_kind = std::exchange(gathered_, block);
        }
        emptying_.clear();
    }

    /// Whether there is enough beyond that for a look at it to be worthwhile. Any thread.
    [[nodiscard]] bool is_worth_trimming() const noexcept { return allocated_bytes() > worth_holding() + options_.max_block_bytes; }

    /// Takes blocks until `bytes` more are at hand, and touches them, so that growing later pays no page faults. Writer only; false when
    /// refused.
    [[nodiscard]] bool reserve(std::size_t bytes) noexcept {
        for (std::size_t reserved = 0; reserved < bytes;) {
            Block* const block = new_block(options_.max_block_bytes);
            if (block == nullptr) {
                return false;
            }
            auto* const memory = reinterpret_cast<std::byte*>(block);
            for (std::size_t offset = sizeof(Block); offset < block->bytes; offset += 4096) {
                memory[offset] = std::byte{0};
            }
            block->next_of_kind = std::exchange(spare_, block);
            reserved += block->bytes;
        }
        return true;
    }

    /// Another thread's stock of nodes of one size, while it fills fresh pages. Reads no node's header: those lines are the writer's.
    class Cache {
    public:
        Cache(PagePool& pool, std::uint32_t bytes) noexcept : pool_{&pool}, size_class_{class_of(bytes)} {}
        Cache(Cache&& other) noexcept
            : pool_{other.pool_}, size_class_{other.size_class_}, current_{std::exchange(other.current_, nullptr)},
              aside_{std::exchange(other.aside_, nullptr)}, block_{std::exchange(other.block_, nullptr)},
              cursor_{std::exchange(other.cursor_, nullptr)}, end_{std::exchange(other.end_, nullptr)} {}
        Cache& operator=(Cache&&) = delete;
        ~Cache() { release(); }

        /// Null when memory is refused.
        [[nodiscard]] Node* take() noexcept {
            if (current_ != nullptr && current_->count != 0) [[likely]] {
                return current_->nodes[--current_->count];
            }
            return take_slowly();
        }
        /// The next 64 nodes come from one magazine where there are full ones: nodes that were retired together stay together, in their
        /// order, which the hardware's prefetcher rewards.
        void begin_run() noexcept {
            while (current_ == nullptr || !current_->is_full()) {
                if (current_ != nullptr) {
                    set_aside();
                }
                current_ = pool_->depot_[size_class_].pop(pool_->magazines_);
                if (current_ == nullptr) {
                    return;
                }
            }
        }
        /// Takes back a node that was not needed after all.
        void give(Node* node) noexcept {
            if (current_ == nullptr || current_->is_full()) {
                Magazine* const empty = pool_->take_magazine();
                if (empty == nullptr) {
                    return; // stays unused until the pool itself goes
                }
                if (current_ != nullptr) {
                    pool_->depot_[size_class_].push(*current_);
                }
                current_ = empty;
            }
            current_->put(node);
        }
        /// Hands everything left to the depot.
        void release() noexcept {
            const std::uint32_t bytes = class_bytes(size_class_);
            while (static_cast<std::size_t>(end_ - cursor_) >= bytes) {
                give(make_node(std::exchange(cursor_, cursor_ + bytes), bytes));
            }
            finish_block();
            put_back();
            while (aside_ != nullptr) {
                current_ = std::exchange(aside_, aside_->next);
                put_back();
            }
        }

    private:
        void set_aside() noexcept {
            if (current_->count == 0) {
                pool_->put_away(*current_);
            } else {
                current_->next = std::exchange(aside_, current_);
            }
            current_ = nullptr;
        }
        void put_back() noexcept {
            if (current_ == nullptr) {
                return;
            }
            if (current_->count == 0) {
                pool_->put_away(*current_);
            } else {
                pool_->depot_[size_class_].push(*current_);
            }
            current_ = nullptr;
        }

        void finish_block() noexcept {
            if (block_ != nullptr) {
                finish_cutting(*block_, cursor_);
            }
            block_ = nullptr;
            cursor_ = end_ = nullptr;
        }

        ECSDB_NOINLINE Node* take_slowly() noexcept {
            const std::uint32_t bytes = class_bytes(size_class_);
            if (end_ - cursor_ < static_cast<std::ptrdiff_t>(bytes)) {
                put_back();
                current_ = aside_ != nullptr ? std::exchange(aside_, aside_->next) : pool_->depot_[size_class_].pop(pool_->magazines_);
                if (current_ != nullptr) {
                    return take();
                }
                Block* const block = pool_->new_block(std::max<std::size_t>(pool_->options_.max_block_bytes, 2 * std::size_t{bytes}));
                if (block == nullptr) {
                    return nullptr;
                }
                finish_block();
                block_ = block;
                cursor_ = first_place(*block);
                end_ = place_after(*block);
            }
            return make_node(std::exchange(cursor_, cursor_ + bytes), bytes);
        }

        PagePool* pool_;
        std::uint32_t size_class_;
        Magazine* current_ = nullptr;
        Magazine* aside_ = nullptr; ///< Magazines no longer full.
        Block* block_ = nullptr;    ///< The one being cut.
        std::byte* cursor_ = nullptr;
        std::byte* end_ = nullptr;
    };

private:
    friend class Trimmer;

    // Classes: every 64 bytes up to 4.5 KiB, then four per doubling, up to 4 GiB.
    static constexpr std::uint32_t small_step = 64;
    static constexpr std::uint32_t small_classes = 73;
    static constexpr std::uint32_t small_limit = (small_classes - 1) * small_step;
    static constexpr std::uint32_t class_count = small_classes + 4 * 20 + 4;
    static constexpr std::size_t block_alignment = 64;
    static constexpr std::size_t block_header_bytes = 64;
    static_assert(sizeof(Block) <= block_header_bytes);
    static constexpr std::uint32_t overflow_count = 5 * Magazine::capacity;
    /// Above these are the pages of all but the narrowest columns; up to here entity records, inner tree nodes, roots.
    static constexpr std::uint32_t largest_small_bytes = 1024;
    /// Nothing else is as small as class 0, and all other nodes are multiples of 64 bytes.
    static constexpr std::uint32_t stable_class = 0;
    static_assert(stable_bytes % small_step != 0);
    /// Few nodes are stable: one for each version that is read, and some on their way.
    static constexpr std::size_t first_stable_block_bytes = 4096;

    struct FreeList {
        Node* first = nullptr;
        std::uint32_t count = 0;
    };

    /// A block of the writer's that is being cut into nodes, and how large the next one will be.
    struct Cutting {
        std::size_t next_block_bytes;
        Block* block = nullptr;
        std::byte* cursor = nullptr;
        std::byte* end = nullptr;

        [[nodiscard]] Node* cut(std::uint32_t bytes) noexcept {
            return static_cast<std::size_t>(end - cursor) < bytes ? nullptr : make_node(std::exchange(cursor, cursor + bytes), bytes);
        }
    };

    [[nodiscard]] static std::byte* first_place(Block& block) noexcept { return reinterpret_cast<std::byte*>(&block) + block_header_bytes; }
    [[nodiscard]] static std::byte* place_after(Block& block) noexcept { return reinterpret_cast<std::byte*>(&block) + block.bytes; }
    /// No more nodes will be cut from `block`. Release pairs with the acquire in `Trimmer`.
    static void finish_cutting(Block& block, const std::byte* end) noexcept {
        block.cut_bytes.store(static_cast<std::size_t>(end - first_place(block)), std::memory_order_release);
    }

    [[nodiscard]] static constexpr std::uint32_t class_of(std::uint32_t bytes) noexcept {
        if (bytes <= small_limit) [[likely]] {
            return (bytes + small_step - 1) / small_step;
        }
        const auto above = static_cast<std::uint32_t>(std::bit_width(bytes - 1)); // 2^(above-1) < bytes <= 2^above
        const std::uint32_t quarter = 1U << (above - 3);
        const std::uint32_t steps = (bytes - (1U << (above - 1)) + quarter - 1) / quarter; // 1 to 4
        return small_classes + (above - 13) * 4 + steps - 1;
    }
    [[nodiscard]] static std::uint32_t class_of(const Node* node) noexcept {
        return node->bytes % small_step != 0 ? stable_class : class_of(node->bytes);
    }
    [[nodiscard]] static constexpr std::uint32_t class_bytes(std::uint32_t size_class) noexcept {
        if (size_class < small_classes) {
            return size_class * small_step;
        }
        const std::uint32_t above = (size_class - small_classes) / 4 + 13;
        const std::uint32_t steps = (size_class - small_classes) % 4 + 1;
        return (1U << (above - 1)) + steps * (1U << (above - 3));
    }

    static Node* make_node(std::byte* memory, std::uint32_t bytes) noexcept {
        return ::new (static_cast<void*>(memory)) Node{0, 0, nullptr, bytes, 0};
    }

    ECSDB_NOINLINE void spill(FreeList& list, std::uint32_t size_class) noexcept {
        Magazine* const magazine = take_magazine();
        if (magazine == nullptr) {
            return; // the list just stays long
        }
        while (!magazine->is_full() && list.first != nullptr) {
            magazine->put(std::exchange(list.first, list.first->next));
        }
        list.count -= magazine->count;
        depot_[size_class].push(*magazine);
    }

    ECSDB_NOINLINE Node* refill(std::uint32_t size_class) noexcept {
        FreeList& list = free_[size_class];
        if (Magazine* const magazine = depot_[size_class].pop(magazines_); magazine != nullptr) {
            for (std::uint32_t i = 0; i < magazine->count; ++i) {
                magazine->nodes[i]->next = list.first;
                list.first = magazine->nodes[i];
            }
            list.count += magazine->count; // at least 1: empty ones never get there
            put_away(*magazine);
            return list.first;
        }
        if (put_back_gathered() && list.first != nullptr) {
            return list.first;
        }
        Node* const node = fresh_node(size_class);
        if (node != nullptr) {
            node->next = list.first;
            list.first = node;
            ++list.count;
        } else if (is_emptying()) {
            stop_emptying();
            return refill(size_class);
        } else if (size_class != stable_class && room_below_limit() < options_.max_block_bytes) {
            cut_larger(size_class);
        }
        return list.first;
    }

    /// Where the limit lets no block be had: makes nodes of a free one that is larger, if there is any. All of it stays accounted for, so
    /// that its block can go as before. Cost: O(classes + nodes made).
    ECSDB_NOINLINE void cut_larger(std::uint32_t wanted) noexcept {
        for (std::uint32_t size_class = wanted + 1; size_class < class_count; ++size_class) {
            FreeList& list = free_[size_class];
            Node* node = list.first;
            if (node != nullptr) {
                list.first = node->next;
                --list.count;
            } else if (Magazine* const magazine = depot_[size_class].pop(magazines_); magazine != nullptr) {
                node = magazine->nodes[--magazine->count];
                if (magazine->count != 0) {
                    depot_[size_class].push(*magazine);
                } else {
                    put_away(*magazine);
                }
            } else {
                continue;
            }
            auto* place = reinterpret_cast<std::byte*>(node);
            for (std::uint32_t left = node->bytes; left != 0;) {
                std::uint32_t piece = std::min(wanted, class_of(left));
                piece -= class_bytes(piece) > left ? 1U : 0U;
                put_back(make_node(place, class_bytes(piece)));
                place += class_bytes(piece);
                left -= class_bytes(piece);
            }
            return;
        }
    }

    Node* fresh_node(std::uint32_t size_class) noexcept {
        if (size_class == stable_class) {
            Node* const node = cut_fresh(stable_, (stable_bytes / small_step + 1) * small_step);
            if (node != nullptr) {
                node->bytes = stable_bytes;
            }
            return node;
        }
        const std::uint32_t bytes = class_bytes(size_class);
        if (bytes > options_.max_block_bytes / 4) {
            // So large a node gets a block to itself.
            Block* const block = new_block(block_header_bytes + bytes, reserve_is_open_);
            if (block == nullptr) {
                return nullptr;
            }
            finish_cutting(*block, first_place(*block) + bytes);
            return make_node(first_place(*block), bytes);
        }
        return cut_fresh(bytes <= largest_small_bytes ? small_ : pages_, bytes);
    }
    Node* cut_fresh(Cutting& own, std::uint32_t bytes) noexcept {
        Node* node = own.cut(bytes);
        if (node == nullptr && next_block(own, bytes)) {
            node = own.cut(bytes);
        }
        // Where memory is refused, another kind's block is better than none.
        for (Cutting* const other : {&small_, &pages_}) {
            node = node != nullptr ? node : other->cut(bytes);
        }
        return node;
    }

    /// Goes on with a block that has room for a node of `node_bytes`, which the first, small blocks may not have.
    bool next_block(Cutting& cutting, std::size_t node_bytes) noexcept {
        Block* block = spare_;
        if (block != nullptr) {
            spare_ = block->next_of_kind;
        } else {
            const std::size_t least = block_header_bytes + node_bytes;
            const bool open = reserve_is_open_ || &cutting == &stable_; // whoever sets memory free needs a root, too
            block = new_block(std::max(cutting.next_block_bytes, least), open);
            if (block == nullptr && open) {
                // The rest below the limit is better than nothing.
                const std::size_t rest = room_below_limit(open) / small_step * small_step;
                block = rest < least || rest >= cutting.next_block_bytes ? nullptr : new_block(rest, open);
            }
            if (block == nullptr) {
                return false;
            }
            cutting.next_block_bytes = options_.block_after(cutting.next_block_bytes);
        }
        if (cutting.block != nullptr) {
            finish_cutting(*cutting.block, cutting.cursor);
        }
        cutting.block = block;
        cutting.cursor = first_place(*block);
        cutting.end = place_after(*block);
        return true;
    }

    /// Makes the nodes that a trimmer has gathered from one block available again; false when there is none. Cost: O(nodes of a block).
    bool put_back_gathered() noexcept {
        Block* const block = gathered_;
        if (block == nullptr) {
            return false;
        }
        gathered_ = block->next_of_kind;
        block->gathered_bytes = 0;
        while (block->gathered != nullptr) {
            Node* const node = std::exchange(block->gathered, block->gathered->next);
            put_back(node);
        }
        return true;
    }
    /// A free node back on its list, or to the block that is being emptied.
    void put_back(Node* node) noexcept {
        if (is_emptying()) [[unlikely]] {
            if (Block* const block = block_in(emptying_, node); block != nullptr) {
                block->gather(node);
                return;
            }
        }
        const std::uint32_t size_class = class_of(node);
        FreeList& list = free_[size_class];
        node->next = list.first;
        list.first = node;
        if (++list.count >= overflow_count) [[unlikely]] {
            spill(list, size_class);
        }
    }

    [[nodiscard]] static bool lies_in(const std::byte* place, const Block& block) noexcept {
        const auto* const first = reinterpret_cast<const std::byte*>(&block);
        return !std::less<>{}(place, first) && std::less<>{}(place, first + block.bytes);
    }
    /// The one of `blocks`, which are sorted by address, that `node` lies in; null when there is none.
    [[nodiscard]] static Block* block_in(const GrowArray<Block*>& blocks, const Node* node) noexcept {
        const auto* const place = reinterpret_cast<const std::byte*>(node);
        Block* const* const above = std::upper_bound(blocks.begin(), blocks.end(), place, [](const std::byte* wanted, const Block* block) {
            return std::less<>{}(wanted, reinterpret_cast<const std::byte*>(block));
        });
        return above == blocks.begin() || !lies_in(place, **(above - 1)) ? nullptr : *(above - 1);
    }

    [[nodiscard]] std::size_t limit_of(bool with_reserve) const noexcept {
        return options_.memory_limit - (with_reserve ? 0 : std::min(options_.reserve_bytes, options_.memory_limit));
    }
    [[nodiscard]] std::size_t room_beside(std::size_t bytes, bool with_reserve) const noexcept {
        return limit_of(with_reserve) - std::min(limit_of(with_reserve), bytes);
    }
    [[nodiscard]] std::size_t room_below_limit(bool open = false) const noexcept { return room_beside(allocated_bytes(), open); }
    /// Any thread.
    Block* new_block(std::size_t bytes, bool with_reserve = false) noexcept {
        const std::size_t before = allocated_bytes_.fetch_add(bytes, std::memory_order_relaxed);
        const std::size_t limit = limit_of(with_reserve);
        void* const memory = bytes > limit - std::min(before, limit) ? nullptr : allocator_->allocate(bytes, block_alignment);
        if (memory == nullptr) {
            allocated_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
            return nullptr;
        }
        auto* const block = ::new (memory) Block{nullptr, bytes};
        Block* expected = blocks_.load(std::memory_order_relaxed);
        do {
            block->next = expected;
        } while (!blocks_.compare_exchange_weak(expected, block, std::memory_order_release, std::memory_order_relaxed));
        return block;
    }

    Allocator* allocator_;
    PoolOptions options_;
    Cutting small_;
    Cutting pages_;
    Cutting stable_;
    Block* spare_ = nullptr;     ///< Reserved blocks.
    Block* gathered_ = nullptr;  ///< Blocks whose free nodes a trimmer has gathered. They are put back before a new block is taken.
    GrowArray<Block*> emptying_; ///< Blocks whose nodes in use are to move, by address; their free nodes are not to be had.
    std::array<FreeList, class_count> free_{};
    Magazines magazines_;
    MagazineStack empties_;
    std::array<MagazineStack, class_count> depot_{};
    std::atomic<Block*> blocks_{nullptr};
    std::atomic<std::size_t> allocated_bytes_{0};
    std::atomic<std::size_t> used_bytes_{0};
    Counter returned_bytes_;
    bool reserve_is_open_ = false;
};

} // namespace ecsdb::storage
