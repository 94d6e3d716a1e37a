/// @file
/// The producers of a database: one for each thread that writes, and those that travel with a job.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/hints.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/process.hpp"
#include "ecsdb/transaction/notifier.hpp"
#include "ecsdb/transaction/producer.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

namespace ecsdb::transaction {

/// Makes producers and keeps them until it goes, since tickets name them. Any thread. In a forked child there are none to be had: the lock
/// may be held for ever by a thread that exists in the parent only.
class Producers {
public:
    /// What is given must outlive this. `queue_limit` is each producer's.
    Producers(Allocator& allocator, CommandQueue& queue, EntityIds& ids, Notifier& notifier, const ForkGuard& fork_guard,
              std::uint64_t queue_limit) noexcept
        : allocator_{&allocator}, queue_{&queue}, ids_{&ids}, notifier_{&notifier}, fork_guard_{&fork_guard},
          queue_limit_{queue_limit}, serial_{1 + serials_.fetch_add(1, std::memory_order_relaxed)} {}
    Producers(const Producers&) = delete;
    Producers& operator=(const Producers&) = delete;
    ~Producers() {
        if (fork_guard_->in_child()) {
            return;
        }
        for (const Ring& ring : rings_) {
            allocator_->deallocate(ring.memory, ProducerState::ring_bytes, 64);
        }
    }

    /// The calling thread's own; null when there can be none. Cost: one comparison after the first call.
    [[nodiscard]] ProducerState* of_this_thread() noexcept {
        struct Known {
            std::uint64_t serial;
            ProducerState* producer;
        };
        static thread_local std::array<Known, 4> known{};
        Known& entry = known[serial_ % known.size()];
        if (entry.serial != serial_) [[unlikely]] {
            ProducerState* const producer = of_thread(&known);
            if (producer == nullptr) {
                return nullptr;
            }
            entry = {serial_, producer};
        }
        return entry.producer;
    }

    /// One that belongs to whoever took it until it is given back; null when there can be none.
    [[nodiscard]] ProducerState* take() noexcept {
        if (fork_guard_->in_child()) {
            return nullptr;
        }
        const std::lock_guard lock{mutex_};
        if (!idle_.empty()) {
            ProducerState* const producer = idle_.back();
            idle_.pop_back();
            return producer;
        }
        return add();
    }
    void give_back(ProducerState* producer) noexcept {
        if (fork_guard_->in_child()) {
            return;
        }
        producer->give_back_ids();
        const std::lock_guard lock{mutex_};
        idle_.push_back(producer);
    }

    /// Calls `visit(ProducerState&)` for every one there is, under the lock.
    template <typename Visit>
    void for_each(Visit&& visit) noexcept {
        const std::lock_guard lock{mutex_};
        for (const Ring& ring : rings_) {
            visit(*ring.producer);
        }
    }

private:
    struct Ring {
        std::byte* memory;
        Owner<ProducerState> producer;
    };

    ECSDB_NOINLINE ProducerState* of_thread(const void* thread) noexcept {
        if (fork_guard_->in_child()) {
            return nullptr;
        }
        const std::lock_guard lock{mutex_};
        for (const auto& [known, producer] : by_thread_) {
            if (known == thread) {
                return producer;
            }
        }
        ProducerState* const producer = add();
        if (producer != nullptr) {
            by_thread_.emplace_back(thread, producer);
        }
        return producer;
    }

    ProducerState* add() noexcept {
        auto* const memory = static_cast<std::byte*>(allocator_->allocate(ProducerState::ring_bytes, 64));
        if (memory == nullptr) {
            return nullptr;
        }
        Owner<ProducerState> producer{new ProducerState{*queue_, *allocator_, *ids_, memory, queue_limit_}};
        notifier_->adopt(*producer);
        rings_.push_back({memory, std::move(producer)});
        return rings_.back().producer.get();
    }

    Allocator* allocator_;
    CommandQueue* queue_;
    EntityIds* ids_;
    Notifier* notifier_;
    const ForkGuard* fork_guard_;
    std::uint64_t queue_limit_;
    inline static std::atomic<std::uint64_t> serials_{0};
    std::uint64_t serial_; ///< Tells databases apart, also those that had the same address one after the other.
    std::mutex mutex_;     // producers come and go rarely
    List<Ring> rings_;
    List<ProducerState*> idle_;
    List<std::pair<const void*, ProducerState*>> by_thread_;
};

} // namespace ecsdb::transaction
