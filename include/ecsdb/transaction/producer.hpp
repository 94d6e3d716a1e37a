/// @file
/// A producer's side of the queue: the ring its commands lie in, the ids it may use, and how far the writer has got with them.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/error.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/wake_up.hpp"
#include "ecsdb/detail/vendor_concurrentqueue.hpp"
#include "ecsdb/transaction/command.hpp"
#include "ecsdb/transaction/entity_ids.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace ecsdb::transaction {

/// The one queue to the one writer (design D12), and how its consumer sleeps.
class CommandQueue {
public:
    using Items = moodycamel::ConcurrentQueue<CommandHeader*>;

    CommandQueue() : consumer_{items_} {}

    [[nodiscard]] Items& items() noexcept { return items_; }

    /// Producer side: wakes the writer if it sleeps. Call after enqueueing.
    void poke() noexcept { bell_.ring(); }
    /// For others who may have something for the writer.
    [[nodiscard]] Doorbell& bell() noexcept { return bell_; }

    /// Writer side: up to `most` commands.
    [[nodiscard]] std::size_t take(CommandHeader** commands, std::size_t most) noexcept {
        return items_.try_dequeue_bulk(consumer_, commands, most);
    }

    /// Any thread; may be stale by the time it is read.
    [[nodiscard]] bool is_empty() const noexcept { return items_.size_approx() == 0; }

    /// Writer side: sleeps until poked, at most `timeout_ns`, unless a command has come meanwhile or `stop()` says not to.
    template <typename Stop>
    void sleep(std::uint64_t timeout_ns, Stop&& stop) noexcept {
        bell_.sleep(timeout_ns, [&] { return items_.size_approx() != 0 || stop(); });
    }

private:
    Items items_;
    moodycamel::ConsumerToken consumer_;
    alignas(64) Doorbell bell_;
};

class Continuation;

/// What one producer owns. One thread at a time uses the producer's side; the writer uses its own; tickets may be waited for by any thread.
class ProducerState {
public:
    static constexpr std::uint32_t ring_bytes = 1U << 18U;
    static constexpr std::uint32_t largest_in_ring = 1U << 12U;

    /// `ring` is `ring_bytes` of 8-byte aligned memory that outlives the producer.
    ProducerState(CommandQueue& queue, Allocator& allocator, EntityIds& ids, std::byte* ring, std::uint64_t queue_limit)
        : queue_{&queue}, allocator_{&allocator}, ids_source_{&ids}, ring_{ring}, queue_limit_{queue_limit}, token_{queue.items()} {}
    ProducerState(const ProducerState&) = delete;
    ProducerState& operator=(const ProducerState&) = delete;
    ~ProducerState() {
        collect_returned();
        while (free_buffers_ != nullptr) {
            CommandBuffer* const buffer = std::exchange(free_buffers_, free_buffers_->next);
            buffer->~CommandBuffer();
            allocator_->deallocate(buffer, sizeof(CommandBuffer), alignof(CommandBuffer));
        }
    }

    // The producer's thread
    // -----------------------------------------------------------------------------------------------------------------

    /// Room for a command whose operations take `bytes` (at most `largest_in_ring`), or null when the ring or the queue is full.
    [[nodiscard]] CommandHeader* start_command(std::uint32_t bytes) noexcept {
        const std::uint32_t whole = static_cast<std::uint32_t>(sizeof(CommandHeader)) + bytes;
        std::uint64_t start = head_;
        if ((start & (ring_bytes - 1U)) + whole > ring_bytes) {
            start = (start + ring_bytes) & ~std::uint64_t{ring_bytes - 1U}; // never split: go on at the ring's beginning
        }
        if (start + whole - consumed_seen_ > ring_bytes || submitted_ - done_seen_ >= queue_limit_) [[unlikely]] {
            // Acquire: the writer's last reads of the ring happen before we write there again.
            consumed_seen_ =
                head_ - static_cast<std::uint32_t>(static_cast<std::uint32_t>(head_) - consumed_.load(std::memory_order_acquire));
            done_seen_ = done_.load(std::memory_order_acquire);
            if (start + whole - consumed_seen_ > ring_bytes || submitted_ - done_seen_ >= queue_limit_) {
                return nullptr;
            }
        }
        auto* const header = reinterpret_cast<CommandHeader*>(ring_ + (start & (ring_bytes - 1U)));
        header->producer = this;
        header->bytes = static_cast<std::uint16_t>(bytes);
        header->flags = 0;
        head_ = start + whole;
        header->ring_end = static_cast<std::uint32_t>(head_);
        return header;
    }

    /// Hands the started command to the writer; its sequence number, for a ticket. False in `queued` when the queue's own memory was
    /// refused.
    std::uint64_t submit(CommandHeader* header, bool& queued) noexcept {
        queued = queue_->items().enqueue(token_, header);
        if (!queued) {
            cancel_command(header);
            return submitted_;
        }
        queue_->poke();
        return ++submitted_;
    }
    /// Takes back the started command.
    void cancel_command(const CommandHeader* header) noexcept { head_ -= sizeof(CommandHeader) + header->bytes; }

    /// A reserved id, or null when the ids of this block are used up and no more may be had right now.
    [[nodiscard]] Entity reserve() noexcept {
        if (id_next_ == id_end_ || id_era_ != ids_source_->era()) [[unlikely]] {
            id_era_ = ids_source_->era();
            id_end_ = ids_source_->take_block(ids_);
            id_next_ = 0;
            if (id_end_ == 0) {
                return {};
            }
        }
        return ids_[id_next_++];
    }
    void give_back_ids() noexcept {
        if (id_era_ == ids_source_->era()) {
            ids_source_->give_back(ids_.data() + id_next_, id_end_ - id_next_);
        }
        id_next_ = id_end_ = 0;
    }

    /// An empty buffer to build a transaction in; null when memory is refused.
    [[nodiscard]] CommandBuffer* take_buffer() noexcept {
        if (free_buffers_ == nullptr) {
            collect_returned();
        }
        if (free_buffers_ != nullptr) {
            return std::exchange(free_buffers_, free_buffers_->next);
        }
        void* const memory = allocator_->allocate(sizeof(CommandBuffer), alignof(CommandBuffer));
        return memory == nullptr ? nullptr : ::new (memory) CommandBuffer{*allocator_};
    }
    void give_buffer(CommandBuffer* buffer) noexcept {
        buffer->clear();
        buffer->next = std::exchange(free_buffers_, buffer);
    }

    /// Whether a buffer of `bytes` may be queued when at most `limit` bytes in buffers are to wait. One alone always may: a limit bounds
    /// what piles up, not how large a transaction can be.
    [[nodiscard]] bool has_room_for_buffer(std::size_t bytes, std::size_t limit) const noexcept {
        const std::uint64_t waiting = waiting_buffer_bytes();
        return waiting == 0 || (bytes <= limit && waiting <= limit - bytes);
    }
    /// Says so in figures.
    [[nodiscard]] Error buffers_full(std::size_t bytes, std::size_t limit) const {
        return Error{ErrorCode::QueueFull, "the queue to the writer is full: " + std::to_string(waiting()) +
                                               " transactions are waiting, with " + std::to_string(waiting_buffer_bytes()) +
                                               " bytes in large ones; " + std::to_string(bytes) + " more would pass the limit of " +
                                               std::to_string(limit)};
    }
    /// Counts a buffer that was submitted.
    void note_buffer(std::size_t bytes) noexcept { buffer_bytes_submitted_ += bytes; }
    /// Bytes in submitted buffers that the writer has not given back. Acquire pairs with the release in `return_buffer`.
    [[nodiscard]] std::uint64_t waiting_buffer_bytes() const noexcept {
        return buffer_bytes_submitted_ - buffer_bytes_run_.load(std::memory_order_acquire);
    }

    [[nodiscard]] CommandQueue& queue() noexcept { return *queue_; }
    [[nodiscard]] std::uint64_t submitted() const noexcept { return submitted_; }
    /// Commands submitted and not yet announced.
    [[nodiscard]] std::uint64_t waiting() const noexcept { return submitted_ - done_.load(std::memory_order_acquire); }

    // The writer
    // ----------------------------------------------------------------------------------------------------------------------------

    /// Counts a command as run; its sequence number.
    std::uint64_t next_run() noexcept { return ++run_; }
    void note_ring_end(std::uint32_t ring_end) noexcept { run_ring_end_ = ring_end; }
    /// A large transaction's buffer goes home. Release pairs with the acquire in `collect_returned`.
    void return_buffer(CommandBuffer* buffer) noexcept {
        buffer_bytes_run_.store(buffer_bytes_run_.load(std::memory_order_relaxed) + buffer->bytes().size(), std::memory_order_release);
        CommandBuffer* expected = returned_.load(std::memory_order_relaxed);
        do {
            buffer->next = expected;
        } while (!returned_.compare_exchange_weak(expected, buffer, std::memory_order_release, std::memory_order_relaxed));
    }
    /// Keeps the reason command `sequence` failed for whoever holds its ticket.
    void note_failure(std::uint64_t sequence, Error error) noexcept { note_failures(sequence, sequence, std::move(error)); }
    /// Every command run since the last announcement fails for `reason`: their batch could not be published.
    void fail_batch(const Error& reason) noexcept { note_failures(done_.load(std::memory_order_relaxed) + 1, run_, reason.clone()); }
    /// Everything run so far is published (or has failed): tells the waiting. Seq_cst: see `WakeUp::notify`.
    void announce() noexcept {
        consumed_.store(run_ring_end_, std::memory_order_release);
        done_.store(run_, std::memory_order_seq_cst);
        wake_up_.notify();
        if (run_ >= room_at_.load(std::memory_order_seq_cst)) [[unlikely]] {
            room_.notify();
        }
        if (run_ >= watched_.load(std::memory_order_seq_cst)) [[unlikely]] {
            watcher_.load(std::memory_order_relaxed)->ring();
        }
    }
    ProducerState* next_in_batch = nullptr;
    bool in_batch = false;

    // The notifier, under its lock
    // ----------------------------------------------------------------------------------------------------------------------------

    /// Has the writer ring `bell` with every announcement that finds command `sequence` done. Look at `is_done` afterwards: the
    /// announcement may have been made already. Seq_cst: pairs with `announce`, one of the two sees the other.
    void watch(std::uint64_t sequence, Doorbell& bell) noexcept {
        watcher_.store(&bell, std::memory_order_relaxed);
        watched_.store(sequence, std::memory_order_seq_cst);
    }
    void unwatch() noexcept { watched_.store(nobody_watches, std::memory_order_relaxed); }

    /// Those who go on once a command is done, by ascending sequence, and the next producer that has any.
    struct Awaited {
        Continuation* first = nullptr;
        Continuation* last = nullptr;
        ProducerState* next = nullptr;
    };
    Awaited awaited;

    // Any thread
    // ----------------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] bool is_done(std::uint64_t sequence) const noexcept { return done_.load(std::memory_order_seq_cst) >= sequence; }
    /// True once command `sequence` is done or `given_up()` holds, false after `timeout_ns`.
    template <typename GivenUp>
    bool wait_done(Clock& clock, std::uint64_t sequence, std::uint64_t timeout_ns, GivenUp&& given_up) noexcept {
        return wake_up_.wait(clock, timeout_ns, [&] { return done_.load(std::memory_order_seq_cst) >= sequence || given_up(); });
    }
    /// Wakes whoever waits, to look at what they wait for again.
    void wake() noexcept {
        wake_up_.notify_now();
        room_.notify_now();
    }
    /// Waits until a buffer of `bytes` may be queued; false after `wait_ns`, from which it subtracts what it has waited. `help()` does the
    /// writer's work where nobody else does, and `given_up()` ends the wait early.
    template <typename Help, typename GivenUp>
    bool wait_room_for_buffer(Clock& clock, std::size_t bytes, std::size_t limit, std::uint64_t& wait_ns, Help&& help,
                              GivenUp&& given_up) noexcept {
        const std::uint64_t begun = clock.monotonic_ns();
        for (std::uint64_t waited = 0; !has_room_for_buffer(bytes, limit) && !given_up();) {
            if (waited >= wait_ns) {
                return false;
            }
            if (!help()) {
                wait_done_after(clock, 1, wait_ns - waited, given_up);
            }
            waited = clock.monotonic_ns() - begun;
        }
        wait_ns -= std::min(wait_ns, clock.monotonic_ns() - begun);
        return true;
    }
    /// Waits until half of what waits now is done, so that producer and writer do not take turns by the batch: a producer that goes on
    /// with every batch has as many switches between threads as there are batches. `given_up()` ends the wait early.
    template <typename GivenUp>
    void wait_room(Clock& clock, std::uint64_t timeout_ns, GivenUp&& given_up) noexcept {
        wait_done_after(clock, std::max<std::uint64_t>(waiting() / 2, 1), timeout_ns, given_up);
    }
    /// Why a finished command failed, or success. Each failure is told once.
    [[nodiscard]] std::optional<Error> take_failure(std::uint64_t sequence) noexcept {
        if (failure_count_.load(std::memory_order_relaxed) == 0) {
            return std::nullopt;
        }
        const std::lock_guard lock{failures_mutex_};
        // In ascending order of `last`: a batch that fails as a whole is noted after those of its commands that failed on their own.
        auto failure = std::lower_bound(failures_.begin(), failures_.end(), sequence,
                                        [](const Failure& f, std::uint64_t wanted) { return f.last < wanted; });
        for (; failure != failures_.end(); ++failure) {
            if (failure->first <= sequence && sequence <= failure->last) {
                std::optional<Error> error{failure->error.clone()};
                if (failure->first == failure->last) {
                    failures_.erase(failure);
                    failure_count_.fetch_sub(1, std::memory_order_relaxed);
                }
                return error;
            }
        }
        if (sequence <= forgotten_) {
            return Error{ErrorCode::OutcomeUnknown, "the outcome of this transaction was kept through 65536 later failures and is gone"};
        }
        return std::nullopt;
    }

private:
    static constexpr std::size_t most_failures = 65536;
    static constexpr std::uint64_t nobody_watches = ~std::uint64_t{0};
    static constexpr std::uint64_t nobody_waits = ~std::uint64_t{0};

    struct Failure {
        std::uint64_t first;
        std::uint64_t last;
        Error error;
    };

    /// Waits until `count` of the commands that wait now are done, or none is left. Seq_cst: pairs with `announce`, one of the two sees the
    /// other.
    template <typename GivenUp>
    void wait_done_after(Clock& clock, std::uint64_t count, std::uint64_t timeout_ns, GivenUp&& given_up) noexcept {
        const std::uint64_t target = std::min(done_.load(std::memory_order_seq_cst) + count, submitted_);
        room_at_.store(target, std::memory_order_seq_cst);
        room_.wait(clock, timeout_ns, [&] { return done_.load(std::memory_order_seq_cst) >= target || given_up(); });
        room_at_.store(nobody_waits, std::memory_order_relaxed);
    }

    void note_failures(std::uint64_t first, std::uint64_t last, Error error) noexcept {
        const std::lock_guard lock{failures_mutex_};
        if (failures_.size() == most_failures) {
            const auto middle = failures_.begin() + most_failures / 2;
            forgotten_ = (middle - 1)->last;
            failures_.erase(failures_.begin(), middle);
        }
        failures_.push_back({first, last, std::move(error)});
        failure_count_.fetch_add(1, std::memory_order_relaxed);
    }

    void collect_returned() noexcept {
        CommandBuffer* buffer = returned_.exchange(nullptr, std::memory_order_acquire);
        while (buffer != nullptr) {
            CommandBuffer* const next = buffer->next;
            give_buffer(buffer);
            buffer = next;
        }
    }

    CommandQueue* queue_;
    Allocator* allocator_;
    EntityIds* ids_source_;
    std::byte* ring_;
    std::uint64_t queue_limit_;
    moodycamel::ProducerToken token_;
    std::uint64_t head_ = 0; ///< Ring positions only grow; the place is the position modulo the ring's size.
    std::uint64_t consumed_seen_ = 0;
    std::uint64_t done_seen_ = 0;
    std::uint64_t submitted_ = 0;
    std::uint64_t buffer_bytes_submitted_ = 0;
    CommandBuffer* free_buffers_ = nullptr;
    std::uint32_t id_era_ = 0; ///< Of the block of ids.
    std::uint32_t id_next_ = 0;
    std::uint32_t id_end_ = 0;
    std::array<Entity, EntityIds::block_size> ids_;

    alignas(64) std::uint64_t run_ = 0; // the writer's
    std::uint32_t run_ring_end_ = 0;

    alignas(64) std::atomic<std::uint64_t> done_{0}; // written by the writer once per batch, read by waiters
    std::atomic<std::uint32_t> consumed_{0};
    std::atomic<std::uint32_t> failure_count_{0};
    std::atomic<CommandBuffer*> returned_{nullptr};
    std::atomic<std::uint64_t> buffer_bytes_run_{0};
    std::atomic<std::uint64_t> watched_{nobody_watches};
    std::atomic<Doorbell*> watcher_{nullptr};
    WakeUp wake_up_;                                   // for those who wait for a command
    WakeUp room_;                                      // for whoever submits …
    std::atomic<std::uint64_t> room_at_{nobody_waits}; // … until this command is done
    std::mutex failures_mutex_;                        // only ever taken when a transaction with a ticket fails
    List<Failure> failures_;
    std::uint64_t forgotten_ = 0;
};

} // namespace ecsdb::transaction
