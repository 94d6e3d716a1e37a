/// @file
/// Where nodes come from and go back to: blocks from the allocator, cut into size classes, reused last-in-first-out.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/storage/page.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace ecsdb::storage {

/// How a pool grows.
struct PoolOptions {
    std::size_t first_block_bytes = std::size_t{256} << 10U; ///< The first block taken from the allocator.
    std::size_t max_block_bytes = std::size_t{2} << 20U;     ///< Blocks double until they are this large.
    std::size_t memory_limit = ~std::size_t{0};              ///< Never hold more than this from the allocator.
};

/// The nodes of one database.
///
/// One thread, the writer, takes and gives; what it gave last it takes next, while that is still in its cache (design D8). Other threads
/// that fill fresh pages go through a `Cache` of their own: whole magazines of nodes pass between them and the writer over a depot, one
/// atomic exchange each.
class PagePool {
    struct Block {
        Block* next;
        std::size_t bytes;
    };

    static constexpr std::uint32_t magazine_nodes = 64;
    /// A handful of free nodes on their way from one thread to another.
    struct Magazine {
        Magazine* next = nullptr;
        Magazine* next_made = nullptr;
        std::uint32_t count = 0;
        std::array<Node*, magazine_nodes> nodes{};
    };

public:
    PagePool(Allocator& allocator, const PoolOptions& options) noexcept
        : allocator_{&allocator}, options_{options}, next_block_bytes_{options.first_block_bytes} {}
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
        Magazine* magazine = magazines_.load(std::memory_order_acquire);
        while (magazine != nullptr) {
            Magazine* const next = magazine->next_made;
            allocator_->deallocate(magazine, sizeof(Magazine), alignof(Magazine));
            magazine = next;
        }
    }

    /// A node of at least `bytes` (header included); its contents are stale, but for `bytes`. Null when memory is refused. Writer only.
    [[nodiscard]] Node* take(std::uint32_t bytes) noexcept {
        const std::uint32_t size_class = class_of(bytes);
        FreeList& list = free_[size_class];
        Node* node = list.first;
        if (node == nullptr) [[unlikely]] {
            node = refill(size_class);
            if (node == nullptr) {
                return nullptr;
            }
        }
        list.first = node->next;
        --list.count;
        used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) + node->bytes, std::memory_order_relaxed);
        return node;
    }

    /// Takes back a node no version needs. Writer only.
    void give(Node* node) noexcept {
        used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) - node->bytes, std::memory_order_relaxed);
        FreeList& list = free_[class_of(node->bytes)];
        node->next = list.first;
        list.first = node;
        if (++list.count >= overflow_count) [[unlikely]] {
            spill(list, class_of(node->bytes));
        }
    }

    /// Counts a node another thread took as in use from now on. Writer only.
    void adopt(const Node* node) noexcept {
        used_bytes_.store(used_bytes_.load(std::memory_order_relaxed) + node->bytes, std::memory_order_relaxed);
    }

    /// Bytes in nodes that some version holds. Any thread.
    [[nodiscard]] std::size_t used_bytes() const noexcept { return used_bytes_.load(std::memory_order_relaxed); }
    /// Bytes held from the allocator. Any thread.
    [[nodiscard]] std::size_t allocated_bytes() const noexcept { return allocated_bytes_.load(std::memory_order_relaxed); }

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
            keep_spare(block);
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
              rest_{std::exchange(other.rest_, nullptr)}, cursor_{std::exchange(other.cursor_, nullptr)}, end_{std::exchange(other.end_,
                                                                                                                             nullptr)} {}
        Cache& operator=(Cache&&) = delete;
        ~Cache() { release(); }

        /// Null when memory is refused.
        [[nodiscard]] Node* take() noexcept {
            if (current_ != nullptr && current_->count != 0) [[likely]] {
                return current_->nodes[--current_->count];
            }
            return take_slowly();
        }
        /// Takes back a node that was not needed after all.
        void give(Node* node) noexcept {
            if (current_ == nullptr || current_->count == magazine_nodes) {
                Magazine* const empty = pool_->empty_magazine();
                if (empty == nullptr) {
                    return; // stays unused until the pool itself goes
                }
                if (current_ != nullptr) {
                    current_->next = rest_;
                    rest_ = current_;
                }
                current_ = empty;
            }
            current_->nodes[current_->count++] = node;
        }
        /// Hands everything left to the depot.
        void release() noexcept {
            const std::uint32_t bytes = class_bytes(size_class_);
            while (static_cast<std::size_t>(end_ - cursor_) >= bytes) {
                give(make_node(std::exchange(cursor_, cursor_ + bytes), bytes));
            }
            if (current_ != nullptr && current_->count == 0) {
                // In the depot it would be buried under full ones, and never serve again.
                current_->next = nullptr;
                push(pool_->empties_, std::exchange(current_, nullptr));
            } else if (current_ != nullptr) {
                current_->next = std::exchange(rest_, nullptr);
                rest_ = std::exchange(current_, nullptr);
            }
            if (rest_ != nullptr) {
                push(pool_->depot_[size_class_], std::exchange(rest_, nullptr));
            }
        }

    private:
        ECSDB_NOINLINE Node* take_slowly() noexcept {
            const std::uint32_t bytes = class_bytes(size_class_);
            if (current_ != nullptr) {
                current_->next = nullptr;
                push(pool_->empties_, std::exchange(current_, nullptr));
            }
            if (rest_ == nullptr && end_ - cursor_ < static_cast<std::ptrdiff_t>(bytes)) {
                // First given, first taken: pages keep their order in memory, which the hardware's prefetcher rewards.
                for (Magazine* chain = pool_->depot_[size_class_].exchange(nullptr, std::memory_order_acquire); chain != nullptr;) {
                    Magazine* const next = std::exchange(chain->next, rest_);
                    rest_ = std::exchange(chain, next);
                }
            }
            if (rest_ != nullptr) {
                current_ = rest_;
                rest_ = std::exchange(current_->next, nullptr);
                return take(); // an empty magazine is followed by another try; the chain is finite
            }
            if (end_ - cursor_ < static_cast<std::ptrdiff_t>(bytes)) {
                Block* const block = pool_->new_block(std::max<std::size_t>(pool_->options_.max_block_bytes, 2 * std::size_t{bytes}));
                if (block == nullptr) {
                    return nullptr;
                }
                cursor_ = reinterpret_cast<std::byte*>(block) + block_header_bytes;
                end_ = reinterpret_cast<std::byte*>(block) + block->bytes;
            }
            return make_node(std::exchange(cursor_, cursor_ + bytes), bytes);
        }

        PagePool* pool_;
        std::uint32_t size_class_;
        Magazine* current_ = nullptr;
        Magazine* rest_ = nullptr;
        std::byte* cursor_ = nullptr;
        std::byte* end_ = nullptr;
    };

private:
    // Classes: every 64 bytes up to 4.5 KiB, then four per doubling, up to 4 GiB.
    static constexpr std::uint32_t small_step = 64;
    static constexpr std::uint32_t small_classes = 73;
    static constexpr std::uint32_t small_limit = (small_classes - 1) * small_step;
    static constexpr std::uint32_t class_count = small_classes + 4 * 20 + 4;
    static constexpr std::size_t block_alignment = 64;
    static constexpr std::size_t block_header_bytes = 64;
    static constexpr std::uint32_t overflow_count = 5 * magazine_nodes;

    struct FreeList {
        Node* first = nullptr;
        std::uint32_t count = 0;
    };

    [[nodiscard]] static constexpr std::uint32_t class_of(std::uint32_t bytes) noexcept {
        if (bytes <= small_limit) [[likely]] {
            return (bytes + small_step - 1) / small_step;
        }
        const auto above = static_cast<std::uint32_t>(std::bit_width(bytes - 1)); // 2^(above-1) < bytes <= 2^above
        const std::uint32_t quarter = 1U << (above - 3);
        const std::uint32_t steps = (bytes - (1U << (above - 1)) + quarter - 1) / quarter; // 1 to 4
        return small_classes + (above - 13) * 4 + steps - 1;
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

    /// Puts a chain of magazines on top of a stack. Stacks are only ever emptied whole, so there is no ABA. Release pairs with the acquire
    /// of whoever takes the chain: what was done with the nodes before happens before what is done next.
    static void push(std::atomic<Magazine*>& stack, Magazine* chain) noexcept {
        // What is left of a chain just taken mostly meets an empty stack; walking it each time would make emptying a long one quadratic.
        Magazine* none = nullptr;
        if (stack.compare_exchange_strong(none, chain, std::memory_order_release, std::memory_order_relaxed)) {
            return;
        }
        Magazine* last = chain;
        while (last->next != nullptr) {
            last = last->next;
        }
        Magazine* expected = stack.load(std::memory_order_relaxed);
        do {
            last->next = expected;
        } while (!stack.compare_exchange_weak(expected, chain, std::memory_order_release, std::memory_order_relaxed));
    }

    /// An empty magazine; null when memory is refused. Any thread.
    Magazine* empty_magazine() noexcept {
        if (Magazine* const magazine = empties_.exchange(nullptr, std::memory_order_acquire); magazine != nullptr) {
            if (Magazine* const rest = std::exchange(magazine->next, nullptr); rest != nullptr) {
                push(empties_, rest);
            }
            return magazine;
        }
        void* const memory = allocator_->allocate(sizeof(Magazine), alignof(Magazine));
        if (memory == nullptr) {
            return nullptr;
        }
        auto* const magazine = ::new (memory) Magazine;
        Magazine* expected = magazines_.load(std::memory_order_relaxed);
        do {
            magazine->next_made = expected;
        } while (!magazines_.compare_exchange_weak(expected, magazine, std::memory_order_release, std::memory_order_relaxed));
        return magazine;
    }

    ECSDB_NOINLINE void spill(FreeList& list, std::uint32_t size_class) noexcept {
        Magazine* const magazine = empty_magazine();
        if (magazine == nullptr) {
            return; // the list just stays long
        }
        while (magazine->count < magazine_nodes) {
            magazine->nodes[magazine->count++] = std::exchange(list.first, list.first->next);
        }
        list.count -= magazine_nodes;
        push(depot_[size_class], magazine);
    }

    ECSDB_NOINLINE Node* refill(std::uint32_t size_class) noexcept {
        FreeList& list = free_[size_class];
        if (Magazine* magazine = depot_[size_class].exchange(nullptr, std::memory_order_acquire); magazine != nullptr) {
            if (Magazine* const rest = std::exchange(magazine->next, nullptr); rest != nullptr) {
                push(depot_[size_class], rest);
            }
            while (magazine->count != 0) {
                Node* const node = magazine->nodes[--magazine->count];
                node->next = list.first;
                list.first = node;
                ++list.count;
            }
            push(empties_, magazine);
            return list.first != nullptr ? list.first : refill(size_class);
        }
        const std::uint32_t bytes = class_bytes(size_class);
        Node* node = nullptr;
        if (bytes > options_.max_block_bytes / 4) {
            // So large a node gets a block to itself.
            Block* const block = new_block(block_header_bytes + bytes);
            if (block == nullptr) {
                return nullptr;
            }
            node = make_node(reinterpret_cast<std::byte*>(block) + block_header_bytes, bytes);
        } else {
            if (static_cast<std::size_t>(end_ - cursor_) < bytes && !next_block(bytes)) {
                return nullptr;
            }
            node = make_node(cursor_, bytes);
            cursor_ += bytes;
        }
        list.first = node;
        list.count = 1;
        return node;
    }

    /// A block with room for a node of `node_bytes`, which the first, small blocks may not have.
    bool next_block(std::size_t node_bytes) noexcept {
        Block* block = spare_;
        if (block != nullptr) {
            spare_ = *spare_link(block);
        } else {
            block = new_block(std::max(next_block_bytes_, block_header_bytes + node_bytes));
            if (block == nullptr) {
                return false;
            }
            next_block_bytes_ = std::min(options_.max_block_bytes, next_block_bytes_ * 2);
        }
        cursor_ = reinterpret_cast<std::byte*>(block) + block_header_bytes;
        end_ = reinterpret_cast<std::byte*>(block) + block->bytes;
        return true;
    }
    static Block** spare_link(Block* block) noexcept {
        return reinterpret_cast<Block**>(reinterpret_cast<std::byte*>(block) + sizeof(Block));
    }
    void keep_spare(Block* block) noexcept { *spare_link(block) = std::exchange(spare_, block); }

    /// Any thread.
    Block* new_block(std::size_t bytes) noexcept {
        const std::size_t before = allocated_bytes_.fetch_add(bytes, std::memory_order_relaxed);
        void* const memory = bytes > options_.memory_limit - std::min(before, options_.memory_limit)
                                 ? nullptr
                                 : allocator_->allocate(bytes, block_alignment);
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
    std::size_t next_block_bytes_;
    std::byte* cursor_ = nullptr;
    std::byte* end_ = nullptr;
    Block* spare_ = nullptr; ///< Reserved blocks, linked through the word after their header.
    std::array<FreeList, class_count> free_{};
    std::array<std::atomic<Magazine*>, class_count> depot_{};
    std::atomic<Magazine*> empties_{nullptr};
    std::atomic<Magazine*> magazines_{nullptr}; ///< Every magazine ever made.
    std::atomic<Block*> blocks_{nullptr};
    std::atomic<std::size_t> allocated_bytes_{0};
    std::atomic<std::size_t> used_bytes_{0};
};

} // namespace ecsdb::storage
