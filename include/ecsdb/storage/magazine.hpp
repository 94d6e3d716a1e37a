/// @file
/// Nodes by the handful, and the stacks over which threads hand them to each other.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/storage/page.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

namespace ecsdb::storage {

/// Up to 64 nodes of one size on their way from one owner to another without a look at each. Whoever holds it may change it.
struct Magazine {
    static constexpr std::uint32_t capacity = 64;

    std::uint32_t number = 0;            ///< Its name on stacks, from 1; never changes.
    std::atomic<std::uint32_t> below{0}; ///< On a stack: the next one's number, 0 for none.
    Magazine* next = nullptr;            ///< In a list of its holder.
    Stamp oldest_born = 0;               ///< While retired together: the least of the nodes' birth stamps …
    Stamp retired = 0;                   ///< … and the stamp they were all retired with.
    std::uint32_t node_bytes = 0;        ///< Of each node, as far as its holder keeps it.
    std::uint32_t count = 0;
    std::array<Node*, capacity> nodes{};

    [[nodiscard]] bool is_full() const noexcept { return count == capacity; }
    void put(Node* node) noexcept { nodes[count++] = node; }
};

/// Every magazine of a pool. They are made as they are needed and stay until the pool goes.
class Magazines {
public:
    explicit Magazines(Allocator& allocator) noexcept : allocator_{&allocator} {}
    Magazines(const Magazines&) = delete;
    Magazines& operator=(const Magazines&) = delete;
    ~Magazines() {
        for (std::size_t i = 0; i < chunks_.size(); ++i) {
            if (Magazine* const chunk = chunks_[i].load(std::memory_order_acquire); chunk != nullptr) {
                allocator_->deallocate(chunk, chunk_size(i) * sizeof(Magazine), alignof(Magazine));
            }
        }
    }

    /// A new magazine; null when memory is refused. Any thread.
    [[nodiscard]] Magazine* make() noexcept {
        const std::uint32_t number = made_.fetch_add(1, std::memory_order_relaxed) + 1;
        const std::size_t chunk = chunk_of(number);
        if (chunks_[chunk].load(std::memory_order_acquire) == nullptr && !make_chunk(chunk)) {
            return nullptr; // the number is lost: there are enough of them
        }
        Magazine& magazine = at(number);
        magazine.number = number;
        return &magazine;
    }

    [[nodiscard]] Magazine& at(std::uint32_t number) const noexcept {
        const std::size_t chunk = chunk_of(number);
        return chunks_[chunk].load(std::memory_order_acquire)[number - 1 - (chunk_size(chunk) - first_chunk)];
    }

private:
    static constexpr std::uint32_t first_chunk = 32;
    // Each chunk is twice the one before, so that numbers map to places without a table that grows.
    static constexpr std::size_t chunk_size(std::size_t chunk) noexcept { return std::size_t{first_chunk} << chunk; }
    static std::size_t chunk_of(std::uint32_t number) noexcept {
        return static_cast<std::size_t>(std::bit_width((number - 1) / first_chunk + 1)) - 1;
    }

    ECSDB_NOINLINE bool make_chunk(std::size_t chunk) noexcept {
        const std::size_t count = chunk_size(chunk);
        void* const memory = allocator_->allocate(count * sizeof(Magazine), alignof(Magazine));
        if (memory == nullptr) {
            return chunks_[chunk].load(std::memory_order_acquire) != nullptr;
        }
        auto* const magazines = static_cast<Magazine*>(memory);
        for (std::size_t i = 0; i < count; ++i) {
            ::new (magazines + i) Magazine;
        }
        Magazine* expected = nullptr;
        if (!chunks_[chunk].compare_exchange_strong(expected, magazines, std::memory_order_acq_rel, std::memory_order_acquire)) {
            allocator_->deallocate(memory, count * sizeof(Magazine), alignof(Magazine)); // another thread was faster
        }
        return true;
    }

    Allocator* allocator_;
    std::atomic<std::uint32_t> made_{0};
    std::array<std::atomic<Magazine*>, 27> chunks_{};
};

/// A lock-free stack (Treiber). The head names a magazine by number beside a count of changes: a head seen twice is the same head, so a
/// magazine taken and put back meanwhile does no harm. Looking at a magazine another thread has just taken is harmless: they are never
/// freed, and `below` is atomic.
class MagazineStack {
public:
    /// Any thread. Release pairs with the acquire in `pop`: what was done with the nodes before happens before what is done next.
    void push(Magazine& magazine) noexcept {
        std::uint64_t head = head_.load(std::memory_order_relaxed);
        do {
            magazine.below.store(number_in(head), std::memory_order_relaxed);
        } while (!head_.compare_exchange_weak(head, with(head, magazine.number), std::memory_order_release, std::memory_order_relaxed));
    }

    /// The magazine put there last, or null. Any thread.
    [[nodiscard]] Magazine* pop(const Magazines& all) noexcept {
        std::uint64_t head = head_.load(std::memory_order_acquire);
        while (number_in(head) != 0) {
            Magazine& magazine = all.at(number_in(head));
            const std::uint32_t below = magazine.below.load(std::memory_order_relaxed);
            if (head_.compare_exchange_weak(head, with(head, below), std::memory_order_acquire, std::memory_order_acquire)) {
                return &magazine;
            }
        }
        return nullptr;
    }

private:
    static std::uint32_t number_in(std::uint64_t head) noexcept { return static_cast<std::uint32_t>(head); }
    static std::uint64_t with(std::uint64_t head, std::uint32_t number) noexcept { return ((head >> 32U) + 1) << 32U | number; }

    std::atomic<std::uint64_t> head_{0};
};

} // namespace ecsdb::storage
