/// @file
/// The one writer: takes commands from the queue, runs them in batches, and publishes each batch as one version.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/hints.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/storage/compactor.hpp"
#include "ecsdb/storage/holders.hpp"
#include "ecsdb/storage/trimmer.hpp"
#include "ecsdb/transaction/apply.hpp"
#include "ecsdb/transaction/delta_recorder.hpp"
#include "ecsdb/transaction/participant.hpp"
#include "ecsdb/transaction/producer.hpp"
#include "ecsdb/transaction/task.hpp"
#include "ecsdb/transaction/writer_options.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace ecsdb::transaction {

/// Totals since the database was opened. Any thread may read them; the writer counts.
struct WriterCounters {
    std::atomic<std::uint64_t> committed{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> batches{0};
    std::atomic<std::uint64_t> no_ops{0};
};

/// The writer as an object that can be stepped: a thread is only its driver, so tests can drive it themselves (design D12).
///
/// Batches are small, so that freed pages are still in cache when the next batch takes them.
class Writer {
public:
    Writer(storage::Store& store, CommandQueue& queue, EntityIds& ids, Clock& clock, const WriterOptions& options = {})
        : store_{&store}, queue_{&queue}, ids_{&ids}, clock_{&clock}, options_{options}, state_{store}, recorder_{store.allocator()},
          trimmer_{store.allocator(), store.pool()}, compactor_{state_, trimmer_} {
        finished_tasks_.reserve(WriterOptions::most_in_batch);
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    [[nodiscard]] storage::WriteBuffer& state() noexcept { return state_; }
    [[nodiscard]] const WriterCounters& counters() const noexcept { return counters_; }

    /// Before the first step only. The participant must outlive the writer.
    void join(Participant& participant) {
        participants_.push_back(&participant);
        records_ = records_ || participant.wants_delta();
        large_batches_ = large_batches_ || participant.prefers_large_batches();
        notes_changes_ = notes_changes_ || records_ || participant.wants_changes();
        state_.changes().set_recording(notes_changes_);
        state_.counts().set_discardable(true);
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

    /// Runs what is waiting, up to the end of a batch; false when there was nothing to do. A batch that may be held open for more is: later
    /// steps go on with it, and end it once its time is up. The driver only.
    bool step() noexcept {
        std::array<CommandHeader*, commands_at_once> commands; // NOLINT: filled by the queue
        // Whoever pays per batch (a sync) has it go on while commands keep coming; else one look has to do.
        const std::size_t most = large_batches_ ? WriterOptions::most_in_batch : options_.batch_transactions;
        const bool looks_again = large_batches_ || options_.batch_ns != 0;
        bool ran = false;
        while (in_batch_ < most) {
            const std::size_t wanted = std::min(commands.size(), most - in_batch_);
            const std::size_t taken = queue_->take(commands.data(), wanted);
            if (taken != 0) {
                ran = true;
                open_batch();
                in_batch_ += taken;
                run_all({commands.data(), taken}, ready_);
            }
            if (taken == 0 || (taken < wanted && !looks_again)) {
                break;
            }
        }
        return in_batch_ < most && holds_batch() && clock_->monotonic_ns() < close_at_ ? ran : close_batch();
    }

    /// Whether transactions have been run that wait for their batch to end. The driver only.
    [[nodiscard]] bool holds_batch() const noexcept { return options_.batch_ns != 0 && batch_committed_ != 0 && !in_a_hurry_; }

    /// Ends the batch that has been begun, and publishes it; false when there is none. The driver only.
    bool close_batch() noexcept {
        if (in_batch_ == 0) {
            return false;
        }
        if (ready_) {
            end_batch();
        }
        if (short_of_memory_) [[unlikely]] {
            short_of_memory_ = false;
            make_room();
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
        in_batch_ = 0;
        in_a_hurry_ = false;
        announce_all();
        return true;
    }

    /// Tells the participants that nothing is waiting to be run.
    void idle() noexcept {
        for (Participant* const participant : participants_) {
            participant->idle();
        }
    }
    /// Whether they would have something to do if they were told again.
    [[nodiscard]] bool wants_idle() const noexcept {
        return std::any_of(participants_.begin(), participants_.end(), [](const Participant* each) { return each->wants_idle(); });
    }

    /// For a writer that has nothing to run: frees what the views that have gone no longer need, and, after a while, gives free memory
    /// back, one bounded piece per call. Returns how long it may sleep then; 0 when there is more to do. The driver only.
    [[nodiscard]] std::uint64_t rest(std::uint64_t now_ns) noexcept {
        if (holds_batch()) {
            return close_at_ - std::min(close_at_, now_ns);
        }
        if (std::exchange(worked_, false)) {
            resting_since_ = now_ns;
            trimmed_ = false;
            compacted_ = rests_ != 0;
            rests_ -= rests_ != 0 ? 1U : 0U;
            trimmer_.cancel();
        }
        // Views may go while nothing is written: look again now and then until nothing is held for them.
        std::uint64_t pause = reclaim() ? 10'000'000 : 1'000'000'000;
        if (const std::uint64_t rested = now_ns - resting_since_; rested < options_.trim_after_ns) {
            pause = trimmer_.has_work() ? std::min(pause, options_.trim_after_ns - rested) : pause;
        } else {
            if (!std::exchange(trimmed_, true)) {
                state_.trim_working_memory();
            }
            if (compact_some() || trimmer_.piece() || begin_compaction()) {
                return 0;
            }
        }
        return pause;
    }

    /// Compacts the state: see `Compactor`. What is begun goes on by itself once the writer rests, and faster with `compact_some`. The
    /// driver only.
    [[nodiscard]] storage::Compactor& compactor() noexcept { return compactor_; }
    /// Does a piece of the compaction that is under way, at most some 200 µs; false when there is none. The driver only, between batches.
    bool compact_some() noexcept {
        if (!compactor_.is_under_way()) {
            return false;
        }
        if (!compactor_.walks()) {
            compactor_.look();
        } else if (state_.begin_batch()) {
            compactor_.walk();
            store_->publish(state_.finish_batch()); // the same version, elsewhere
        } else {
            make_room();
        }
        reclaim();
        return true;
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

    /// What the first participant says that knows (`Participant::find_unique`); on the writer only.
    [[nodiscard]] std::optional<Entity> find_unique(TableId table, FieldId field, const std::byte* row) noexcept {
        for (Participant* const participant : participants_) {
            if (std::optional<Entity> found = participant->find_unique(state_, table, field, row)) {
                return found;
            }
        }
        return std::nullopt;
    }

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
    /// Begins a compaction if the pool holds too much that is free; not again and again where that is in vain.
    bool begin_compaction() noexcept {
        const storage::PagePool& pool = store_->pool();
        const std::size_t held = pool.allocated_bytes();
        const std::size_t free = held - std::min(held, pool.used_bytes());
        if (options_.compact_percent == 0 || !pool.is_worth_trimming() || free / 100 * 100 < held / 100 * options_.compact_percent ||
            std::exchange(compacted_, true)) {
            return false;
        }
        const bool in_vain = pool.returned_bytes() == std::exchange(returned_before_, pool.returned_bytes());
        most_rests_ = in_vain ? std::min(64U, 2 * most_rests_ + 1) : 0;
        rests_ = most_rests_;
        compactor_.begin();
        return true;
    }

    static constexpr std::size_t commands_at_once = 32;

    static const void* this_thread() noexcept {
        static thread_local char own = 0;
        return &own;
    }

    void open_batch() noexcept {
        if (in_batch_ != 0) {
            return;
        }
        // Whole microseconds: that is what the log keeps.
        time_ns_ = std::max(time_ns_, clock_->wall_ns() / 1000 * 1000);
        if (options_.batch_ns != 0) {
            close_at_ = clock_->monotonic_ns() + options_.batch_ns;
        }
        worked_ = true;
        ready_ = begin_batch();
    }
    bool begin_batch() noexcept {
        counters_.batches.store(counters_.batches.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        published_ = store_->published();
        return state_.begin_batch();
    }

    void run_all(Slice<CommandHeader* const> commands, bool ready) noexcept {
        ECSDB_TRACE_SCOPE("ecsdb apply");
        if (ready) {
            prefetch(commands);
        }
        for (CommandHeader* const header : commands) {
            run(*header, ready);
        }
    }

    /// Touches what the batch will need in three passes, so that its cache misses overlap.
    void prefetch(Slice<CommandHeader* const> commands) noexcept {
        constexpr std::size_t group = 16;
        const storage::Prefetcher prefetcher = state_.prefetcher();
        for (const CommandHeader* const header : commands) {
            prefetch_for_read(header);
        }
        for (std::size_t first = 0; first < commands.size(); first += group) {
            const auto part = commands.subspan(first, std::min(group, commands.size() - first));
            for_each_first_operation(part, [&](const Operation& operation) { prefetcher.path(operation.entity); });
            for_each_first_operation(part, [&](const Operation& operation) { prefetcher.record(operation.entity); });
            for_each_first_operation(part, [&](const Operation& operation) { prefetcher.row(operation.entity, operation.table); });
        }
    }
    template <typename Visit>
    static void for_each_first_operation(Slice<CommandHeader* const> commands, Visit&& visit) noexcept {
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
        fail(header, sequence, begun_too_late);
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

    /// Frees what can be freed, for whoever has been refused memory. Between transactions.
    ECSDB_NOINLINE void make_room() noexcept {
        state_.trim_emptied();
        reclaim(); // what waited to be worth the look is worth it now
        while (trimmer_.piece()) {
            // free memory of one size is no use to another: whole blocks of it go, and come back as whatever is wanted
        }
        store_->pool().share();
    }

    void run_operations(CommandHeader& header, std::uint64_t sequence, std::span<const std::byte> bytes, bool ready) noexcept {
        if (!ready) {
            fail(header, sequence, no_memory);
            return;
        }
        state_.begin_transaction();
        OperationFailure failure = apply_operations(state_, bytes);
        if (failure.outcome == storage::Outcome::OutOfMemory) [[unlikely]] {
            state_.undo_transaction();
            make_room();
            state_.begin_transaction();
            failure = apply_operations(state_, bytes);
        }
        const bool opens = failure.outcome == storage::Outcome::OutOfMemory && only_removes(bytes);
        if (opens) [[unlikely]] {
            state_.undo_transaction();
            store_->pool().open_reserve(true);
            state_.begin_transaction();
            failure = apply_operations(state_, bytes);
        }
        finish_operations(header, sequence, failure);
        if (opens) [[unlikely]] {
            store_->pool().open_reserve(false);
        }
    }
    void finish_operations(CommandHeader& header, std::uint64_t sequence, const OperationFailure& failure) noexcept {
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
        } else {
            in_a_hurry_ = true; // somebody waits for a chore of the engine
        }
        store_->pool().open_reserve(task.only_removes());
        Result<void> result = task.run(state_);
        if (!result) {
            if (task.is_transaction()) {
                state_.undo_transaction();
            }
            fail(header, sequence, [&] { return std::move(result).error(); });
        } else if (task.is_transaction()) {
            accept(
                header, sequence, task.counts_entities(),
                [&](DeltaRecorder& recorder) {
                    return task.notes_changes() ? recorder.record(state_) : task.encode(state_, recorder.encoder());
                },
                task.is_absolute(), task.versions());
        }
        store_->pool().open_reserve(false);
    }

    /// The operations are done: participants may veto, then the transaction gets its version, or as many as it takes at once, and its
    /// delta.
    template <typename Encode>
    void accept(CommandHeader& header, std::uint64_t sequence, bool counted, Encode&& encode, bool absolute = false,
                std::uint64_t versions = 1) noexcept {
        for (Participant* const participant : participants_) {
            if (Result<void> prepared = participant->prepare(state_); !prepared) [[unlikely]] {
                state_.undo_transaction();
                fail(header, sequence, [&] { return std::move(prepared).error(); });
                return;
            }
        }
        std::span<const std::byte> delta;
        if (records_) {
            recorder_.begin(state_.root().version, counted, absolute, versions);
            const bool encoded = encode(recorder_);
            delta = recorder_.end();
            if (!encoded || delta.empty()) [[unlikely]] {
                state_.undo_transaction();
                fail(header, sequence, no_memory);
                return;
            }
        }
        state_.keep_transaction(time_ns_);
        if (versions != 1) [[unlikely]] {
            state_.writable_root().version += versions - 1;
        }
        for (Participant* const participant : participants_) {
            participant->accepted({state_.root().version, time_ns_, delta, versions});
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
        const bool explains = (header.flags & CommandHeader::wants_error) != 0;
        if (error.code() == ErrorCode::OutOfMemory) [[unlikely]] {
            error = note_shortage(std::move(error), explains);
        }
        if (explains) {
            header.producer->note_failure(sequence, std::move(error));
        }
    }
    /// Names the holder of the oldest version in `error`, if it `explains`.
    ECSDB_NOINLINE Error note_shortage(Error error, bool explains) noexcept {
        const bool is_first = !std::exchange(short_of_memory_, true);
        if (is_first) {
            reclaim(); // so that what is held is filed under who holds it
        }
        // Every batch may be short: once a second is enough.
        const bool tells = is_first && options_.messages && clock_->monotonic_ns() >= tell_shortage_at_;
        const std::string holder = explains || tells ? storage::blame_oldest_holder(*store_, clock_->wall_ns()) : std::string{};
        if (tells) {
            tell_shortage_at_ = clock_->monotonic_ns() + 1'000'000'000;
            options_.messages(Severity::Warning, Error{ErrorCode::OutOfMemory, error.message() + holder});
        }
        return holder.empty() ? std::move(error) : Error{ErrorCode::OutOfMemory, error.message() + holder};
    }

    void end_batch() noexcept {
        if (batch_committed_ == 0) {
            state_.trim_emptied();
            return; // nothing to publish: the root under construction goes on into the next batch
        }
        ECSDB_TRACE_SCOPE("ecsdb publish");
        const storage::Root* const next = state_.finish_batch();
        for (Participant* const participant : participants_) {
            if (Result<void> sealed = participant->seal(*published_, state_.writable_root()); !sealed) [[unlikely]] {
                discard(sealed.error());
                return;
            }
        }
        store_->publish(next);
        counters_.committed.store(counters_.committed.load(std::memory_order_relaxed) + batch_committed_, std::memory_order_relaxed);
        counters_.no_ops.store(counters_.no_ops.load(std::memory_order_relaxed) + state_.take_no_ops(), std::memory_order_relaxed);
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
    WriterOptions options_;
    storage::WriteBuffer state_;
    DeltaRecorder recorder_;
    storage::Trimmer trimmer_;
    storage::Compactor compactor_;
    List<Participant*> participants_;
    List<Task*> finished_tasks_;
    bool records_ = false;
    bool notes_changes_ = false;
    bool large_batches_ = false;
    bool short_of_memory_ = false;
    std::uint64_t tell_shortage_at_ = 0; ///< Not before, in messages.
    std::uint64_t time_ns_ = 0;
    const storage::Root* published_ = nullptr;
    std::size_t in_batch_ = 0; ///< Commands run in the batch that is open; 0 when there is none.
    bool ready_ = false;       ///< Memory was had to begin it.
    bool in_a_hurry_ = false;  ///< It is not to be held open.
    std::uint64_t close_at_ = 0;
    bool worked_ = true;                ///< Since the last rest.
    bool trimmed_ = true;               ///< Nothing has been left behind since by transactions.
    bool compacted_ = false;            ///< Since anything was written, or not to be done.
    std::uint64_t returned_before_ = 0; ///< By the pool, when the last compaction of this kind began.
    std::uint32_t rests_ = 0;           ///< To pass before the next one …
    std::uint32_t most_rests_ = 0;      ///< … as many of them after the last one.
    std::uint64_t resting_since_ = 0;
    std::uint64_t batch_committed_ = 0;
    ProducerState* batch_producers_ = nullptr;
    WriterCounters counters_;
    std::atomic<const void*> driver_{nullptr};
};

} // namespace ecsdb::transaction
