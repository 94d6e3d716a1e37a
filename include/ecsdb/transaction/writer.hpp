/// @file
/// The one writer: takes commands from the queue, runs them in batches, and publishes each batch as one version.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/transaction/apply.hpp"
#include "ecsdb/transaction/delta_recorder.hpp"
#include "ecsdb/transaction/participant.hpp"
#include "ecsdb/transaction/producer.hpp"
#include "ecsdb/transaction/task.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ecsdb::transaction {

/// Totals since the database was opened. Any thread may read them; the writer counts.
struct WriterCounters {
    std::atomic<std::uint64_t> committed{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> batches{0};
};

/// The writer as an object that can be stepped: a thread is only its driver, so tests can drive it themselves (design D12).
///
/// Batches are small, so that freed pages are still in cache when the next batch takes them.
class Writer {
public:
    static constexpr std::size_t batch_commands = 32;
    /// When a participant pays per batch (a sync), a batch goes on while commands keep coming.
    static constexpr std::size_t large_batch_commands = 8192;

    Writer(storage::Store& store, CommandQueue& queue, EntityIds& ids, Clock& clock)
        : store_{&store}, queue_{&queue}, ids_{&ids}, clock_{&clock}, state_{store}, recorder_{store.allocator()} {
        finished_tasks_.reserve(large_batch_commands + batch_commands);
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    [[nodiscard]] storage::WriteBuffer& state() noexcept { return state_; }
    [[nodiscard]] const WriterCounters& counters() const noexcept { return counters_; }

    /// Before the first step only. The participant must outlive the writer.
    void join(Participant& participant) {
        participants_.push_back(&participant);
        records_ = records_ || participant.wants_changes();
        large_batches_ = large_batches_ || participant.prefers_large_batches();
        state_.changes().set_recording(records_);
        state_.set_discardable(true);
    }

    /// Whether anybody consumes deltas. Settled once the participants have joined; any thread.
    [[nodiscard]] bool records() const noexcept { return records_; }

    /// Whether the calling thread is the one that drives this writer.
    [[nodiscard]] bool is_this_thread() const noexcept { return driver_.load(std::memory_order_relaxed) == this_thread(); }
    /// Names the calling thread as the driver, unless there is one. Acquire pairs with the release in `stop_driving`.
    [[nodiscard]] bool start_driving() noexcept {
        const void* none = nullptr;
        return driver_.compare_exchange_strong(none, this_thread(), std::memory_order_acquire, std::memory_order_relaxed);
    }
    void stop_driving() noexcept { driver_.store(nullptr, std::memory_order_release); }

    /// Runs one batch, if there is anything to run; the number of commands taken. The driver only.
    std::size_t step() noexcept {
        std::array<CommandHeader*, batch_commands> commands; // NOLINT: filled by the queue
        std::size_t taken = queue_->take(commands.data(), batch_commands);
        if (taken == 0) {
            return 0;
        }
        // Whole microseconds: that is what the log keeps.
        time_ns_ = std::max(time_ns_, clock_->wall_ns() / 1000 * 1000);
        const bool ready = begin_batch();
        std::size_t total = 0;
        while (taken != 0) {
            total += taken;
            run_all({commands.data(), taken}, ready);
            taken = large_batches_ && total < large_batch_commands ? queue_->take(commands.data(), batch_commands) : 0;
        }
        if (ready) {
            end_batch();
        }
        if (short_of_memory_) [[unlikely]] {
            short_of_memory_ = false;
            reclaim(); // what waited to be worth the look is worth it now
            store_->pool().share();
        }
        // Tasks first: once the producer is told, a waiting submitter may take its task away.
        for (Task* const task : finished_tasks_) {
            task->finished();
        }
        finished_tasks_.clear();
        storage::Reclaimer& reclaimer = store_->reclaimer();
        if (reclaimer.due(store_->pins().slot_count())) {
            reclaimer.collect(store_->pins(), store_->published()->born);
        }
        announce_all();
        return total;
    }

    /// Tells the participants that nothing is waiting to be run.
    void idle() noexcept {
        for (Participant* const participant : participants_) {
            participant->idle();
        }
    }

    /// Frees what the views that have gone no longer need; when nothing else is to be done. True when something is still held.
    bool reclaim() noexcept {
        storage::Reclaimer& reclaimer = store_->reclaimer();
        if (reclaimer.holds_anything()) {
            reclaimer.collect(store_->pins(), store_->published()->born);
        }
        return reclaimer.holds_anything();
    }

    /// The wall clock of the newest commit; it never goes back. For opening a database.
    void set_time(std::uint64_t time_ns) noexcept { time_ns_ = time_ns; }

    /// Lets the log know that indices below `mark` may be handed out; on the writer only.
    Result<void> raise_index_mark(std::uint64_t mark) noexcept {
        for (Participant* const participant : participants_) {
            if (auto raised = participant->raise_index_mark(mark); !raised) {
                return raised;
            }
        }
        ids_->raise_mark(mark);
        return {};
    }

private:
    static const void* this_thread() noexcept {
        static thread_local char own = 0;
        return &own;
    }

    bool begin_batch() noexcept {
        counters_.batches.store(counters_.batches.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        published_ = store_->published();
        return state_.begin_batch();
    }

    void run_all(std::span<CommandHeader* const> commands, bool ready) noexcept {
        if (ready) {
            prefetch(commands);
        }
        for (CommandHeader* const header : commands) {
            run(*header, ready);
        }
    }

    /// Touches what the batch will need in three passes, so that its cache misses overlap.
    void prefetch(std::span<CommandHeader* const> commands) noexcept {
        constexpr std::size_t group = 16;
        for (const CommandHeader* const header : commands) {
            __builtin_prefetch(header);
        }
        for (std::size_t first = 0; first < commands.size(); first += group) {
            const auto part = commands.subspan(first, std::min(group, commands.size() - first));
            for_each_first_operation(part, [&](const Operation& operation) { state_.prefetch_path(operation.entity); });
            for_each_first_operation(part, [&](const Operation& operation) { state_.prefetch_record(operation.entity); });
            for_each_first_operation(part, [&](const Operation& operation) { state_.prefetch_row(operation.entity, operation.table); });
        }
    }
    template <typename Visit>
    static void for_each_first_operation(std::span<CommandHeader* const> commands, Visit&& visit) noexcept {
        for (const CommandHeader* const header : commands) {
            if (header->form == Form::Operations && header->bytes >= sizeof(Operation) &&
                (header->flags & CommandHeader::has_deadline) == 0) {
                const auto& operation = *reinterpret_cast<const Operation*>(header + 1);
                if (operation.kind >= OperationKind::Insert && operation.kind != OperationKind::Content) {
                    visit(operation);
                }
            }
        }
    }

    void run(CommandHeader& header, bool ready) noexcept {
        ProducerState& producer = *header.producer;
        const std::uint64_t sequence = producer.next_run();
        producer.note_ring_end(header.ring_end);
        if (!producer.in_batch) {
            producer.in_batch = true;
            producer.next_in_batch = batch_producers_;
            batch_producers_ = &producer;
        }
        const std::byte* body = reinterpret_cast<const std::byte*>(&header + 1);
        std::size_t bytes = header.bytes;
        if ((header.flags & CommandHeader::has_deadline) != 0) {
            std::uint64_t deadline = 0;
            std::memcpy(&deadline, body, sizeof(deadline));
            body += sizeof(deadline);
            bytes -= sizeof(deadline);
            if (clock_->monotonic_ns() > deadline) {
                late(header, sequence, body);
                return;
            }
        }
        switch (header.form) {
        case Form::Operations:
            run_operations(header, sequence, {body, bytes}, ready);
            return;
        case Form::Buffer: {
            CommandBuffer* buffer = nullptr;
            std::memcpy(&buffer, body, sizeof(buffer));
            run_operations(header, sequence, buffer->bytes(), ready);
            producer.return_buffer(buffer);
            return;
        }
        case Form::Task: {
            Task* task = nullptr;
            std::memcpy(&task, body, sizeof(task));
            run_task(header, sequence, *task, ready);
            return;
        }
        }
    }

    ECSDB_NOINLINE void late(CommandHeader& header, std::uint64_t sequence, const std::byte* body) noexcept {
        fail(header, sequence, [] {
            return Error{ErrorCode::Timeout, "the transaction's deadline passed before it was begun; nothing was applied"};
        });
        if (header.form == Form::Buffer) {
            CommandBuffer* buffer = nullptr;
            std::memcpy(&buffer, body, sizeof(buffer));
            header.producer->return_buffer(buffer);
        } else if (header.form == Form::Task) {
            Task* task = nullptr;
            std::memcpy(&task, body, sizeof(task));
            finished_tasks_.push_back(task);
        }
    }

    void run_operations(CommandHeader& header, std::uint64_t sequence, std::span<const std::byte> bytes, bool ready) noexcept {
        if (!ready) {
            fail(header, sequence, no_memory);
            return;
        }
        state_.begin_transaction();
        const OperationFailure failure = apply_operations(state_, bytes);
        if (failure.operation != nullptr) [[unlikely]] {
            state_.undo_transaction();
            fail(header, sequence, [&] {
                const Operation& operation = *failure.operation;
                return describe_failure(store_->schema(), operation.kind, operation.entity, operation.table, failure.outcome,
                                        state_.refused_field());
            });
            return;
        }
        accept(header, sequence, true, [&](DeltaRecorder& recorder) { return recorder.record(state_); });
    }

    void run_task(CommandHeader& header, std::uint64_t sequence, Task& task, bool ready) noexcept {
        finished_tasks_.push_back(&task);
        if (!ready) {
            fail(header, sequence, no_memory);
            return;
        }
        if (task.is_transaction()) {
            state_.begin_transaction();
        }
        Result<void> result = task.run(state_);
        if (!result) {
            if (task.is_transaction()) {
                state_.undo_transaction();
            }
            fail(header, sequence, [&] { return std::move(result).error(); });
            return;
        }
        if (task.is_transaction()) {
            accept(header, sequence, task.counts_entities(), [&](DeltaRecorder& recorder) {
                return task.notes_changes() ? recorder.record(state_) : task.encode(state_, recorder.encoder());
            });
        }
    }

    /// The operations are done: participants may veto, then the transaction gets its version and its delta.
    template <typename Encode>
    void accept(CommandHeader& header, std::uint64_t sequence, bool counted, Encode&& encode) noexcept {
        for (Participant* const participant : participants_) {
            if (Result<void> prepared = participant->prepare(state_); !prepared) [[unlikely]] {
                state_.undo_transaction();
                fail(header, sequence, [&] { return std::move(prepared).error(); });
                return;
            }
        }
        if (records_) {
            recorder_.begin(state_.root().version, counted);
            const bool encoded = encode(recorder_);
            const std::span<const std::byte> delta = recorder_.end();
            if (!encoded || delta.empty()) [[unlikely]] {
                state_.undo_transaction();
                fail(header, sequence, no_memory);
                return;
            }
            state_.keep_transaction(time_ns_);
            for (Participant* const participant : participants_) {
                participant->accepted({state_.root().version, time_ns_, delta});
            }
        } else {
            state_.keep_transaction(time_ns_);
        }
        ++batch_committed_;
    }

    static Error no_memory() {
        return Error{ErrorCode::OutOfMemory, "no memory to begin or to record the transaction; nothing was applied"};
    }

    template <typename MakeError>
    void fail(CommandHeader& header, std::uint64_t sequence, MakeError&& make_error) noexcept {
        counters_.failed.store(counters_.failed.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        Error error = make_error();
        short_of_memory_ = short_of_memory_ || error.code() == ErrorCode::OutOfMemory;
        if ((header.flags & CommandHeader::wants_error) != 0) {
            header.producer->note_failure(sequence, std::move(error));
        }
    }

    void end_batch() noexcept {
        if (batch_committed_ == 0) {
            return; // nothing to publish: the root under construction goes on into the next batch
        }
        const storage::Root* const next = state_.finish_batch();
        for (Participant* const participant : participants_) {
            if (Result<void> sealed = participant->seal(*published_, state_.writable_root()); !sealed) [[unlikely]] {
                discard(sealed.error());
                return;
            }
        }
        store_->publish(next);
        counters_.committed.store(counters_.committed.load(std::memory_order_relaxed) + batch_committed_, std::memory_order_relaxed);
        batch_committed_ = 0;
        for (Participant* const participant : participants_) {
            participant->published(*next);
        }
        for (const Entity entity : state_.destroyed()) {
            ids_->recycle(entity);
        }
        state_.forget_destroyed();
    }

    /// A participant could not make the batch durable: every transaction in it fails, as if it had never been.
    ECSDB_NOINLINE void discard(const Error& reason) noexcept {
        state_.discard_batch(published_);
        batch_committed_ = 0;
        for (ProducerState* producer = batch_producers_; producer != nullptr; producer = producer->next_in_batch) {
            producer->fail_batch(reason);
        }
        for (Participant* const participant : participants_) {
            participant->discarded();
        }
    }

    void announce_all() noexcept {
        while (batch_producers_ != nullptr) {
            ProducerState& producer = *batch_producers_;
            batch_producers_ = producer.next_in_batch;
            producer.in_batch = false;
            producer.announce();
        }
    }

    storage::Store* store_;
    CommandQueue* queue_;
    EntityIds* ids_;
    Clock* clock_;
    storage::WriteBuffer state_;
    DeltaRecorder recorder_;
    std::vector<Participant*> participants_;
    std::vector<Task*> finished_tasks_;
    bool records_ = false;
    bool large_batches_ = false;
    bool short_of_memory_ = false;
    std::uint64_t time_ns_ = 0;
    const storage::Root* published_ = nullptr;
    std::uint64_t batch_committed_ = 0;
    ProducerState* batch_producers_ = nullptr;
    WriterCounters counters_;
    std::atomic<const void*> driver_{nullptr};
};

} // namespace ecsdb::transaction
