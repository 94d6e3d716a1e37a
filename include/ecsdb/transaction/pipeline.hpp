/// @file
/// The commit path as a whole: producers, queue, ids, the thread that drives the writer, and the one that tells of outcomes.
#pragma once

#include "ecsdb/core/process.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/transaction/notifier.hpp"
#include "ecsdb/transaction/participant.hpp"
#include "ecsdb/transaction/producers.hpp"
#include "ecsdb/transaction/shared_work.hpp"
#include "ecsdb/transaction/update_scratch.hpp"
#include "ecsdb/transaction/writer.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

namespace ecsdb::transaction {

/// What bounds the queue.
struct PipelineOptions {
    std::uint64_t queue_transactions = 65536;            ///< Not yet applied, per producer; beyond it, submitting fails or waits.
    std::uint64_t submit_timeout_ns = 10'000'000'000ULL; ///< How long `submit` waits for room.
    bool read_only = false;                              ///< Nothing may be submitted.
    bool own_thread = true;                              ///< False: the caller steps the writer (tests, tools, single-threaded hosts).
    std::size_t queue_bytes = std::size_t{256} << 20U;   ///< In large transactions not yet applied, per producer.
    WriterOptions writer = {};
};

/// Joins producers to the writer. `submit_*` and `wait` may be called from any thread; everything else says so.
class Pipeline {
public:
    Pipeline(storage::Store& store, Clock& clock, std::uint32_t shard, const PipelineOptions& options)
        : store_{&store}, clock_{&clock}, options_{options}, ids_{shard}, writer_{store, queue_, ids_, clock, options.writer},
          notifier_{store, options.own_thread},
          producers_{store.allocator(), queue_, ids_, notifier_, fork_guard_, options.queue_transactions}, scratches_{store.allocator()} {
        if (options.read_only) {
            state_.store(State::Refusing, std::memory_order_relaxed);
        }
    }
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;
    /// Runs what is queued, then stops. In a forked child it touches nothing.
    ~Pipeline() {
        if (fork_guard_.in_child()) {
            static_cast<void>(thread_.release()); // NOLINT: the thread exists in the parent only
            notifier_.abandon();
            return;
        }
        ECSDB_ASSERT(!notifier_.is_this_thread() && !writer_.is_this_thread(),
                     "a database was destroyed from inside one of its own callbacks, functions, or what such a function had captured");
        stop();
    }

    [[nodiscard]] storage::Store& store() noexcept { return *store_; }
    [[nodiscard]] Clock& clock() noexcept { return *clock_; }
    [[nodiscard]] EntityIds& ids() noexcept { return ids_; }
    [[nodiscard]] Writer& writer() noexcept { return writer_; }
    /// Where a caller with much to compute finds the help of a writer that has nothing else to do.
    [[nodiscard]] HelpDesk& help_desk() noexcept { return help_desk_; }
    [[nodiscard]] const ForkGuard& fork_guard() const noexcept { return fork_guard_; }
    [[nodiscard]] const PipelineOptions& options() const noexcept { return options_; }

    /// Starts the writer's thread. Once, before the first submission is waited for.
    void start() {
        if (options_.own_thread) {
            thread_.reset(new Thread{[this](const Thread::Stop& stop) { drive(stop); }});
        }
    }
    /// Runs everything queued so far, tells whoever awaits an outcome, and ends the threads; whatever is submitted afterwards is refused.
    /// Idempotent. Does nothing on the writer's own thread and in callbacks, which cannot wait for themselves.
    void stop() {
        if (writer_.is_this_thread() || notifier_.is_this_thread() || state_.load(std::memory_order_relaxed) == State::Stopped) {
            return;
        }
        state_.store(State::Refusing, std::memory_order_relaxed);
        if (thread_) {
            thread_->request_stop();
            queue_.poke();
            thread_.reset();
        }
        while (!writer_.start_driving()) {
            std::this_thread::yield(); // another thread steps the writer
        }
        while (writer_.step() || writer_.close_batch()) {
        }
        writer_.idle();
        // Release pairs with the acquire in `wait`: what was run has been announced.
        state_.store(State::Stopped, std::memory_order_release);
        writer_.stop_driving();
        producers_.for_each([](ProducerState& producer) { producer.wake(); });
        notifier_.stop(closed());
    }

    /// Runs one batch on the calling thread, where the writer has none of its own, then the callbacks that are due; with nothing to run,
    /// what a writer does that rests. False when there was nothing to do, or somebody is doing it: another thread, or this very one
    /// further up the stack.
    bool step() noexcept {
        return drive_once([&] { return writer_.step() || writer_.rest(clock_->monotonic_ns()) == 0; });
    }
    /// The same for a caller who waits: a batch that is held open for more is ended.
    bool step_for_outcome() noexcept {
        return drive_once([&] { return writer_.step() || writer_.close_batch(); });
    }

    /// The calling thread's own producer; null when there can be none: `no_producer` says why. Cost: one comparison after the first call.
    [[nodiscard]] ProducerState* this_thread_producer() noexcept { return producers_.of_this_thread(); }
    /// A producer that travels with a job instead of a thread; give it back with `release_producer`. Null when there can be none:
    /// `no_producer` says why.
    [[nodiscard]] ProducerState* make_producer() noexcept { return producers_.take(); }
    void release_producer(ProducerState* producer) noexcept { producers_.give_back(producer); }

    /// Queues a task, waiting for room if need be, but not beyond `deadline_ns` (0: there is none). On failure the task was not taken.
    [[nodiscard]] Result<std::uint64_t> submit_task(ProducerState& producer, Task& task, std::uint8_t flags,
                                                    std::uint64_t deadline_ns = 0) noexcept {
        auto header = begin(producer, sizeof(Task*), until(deadline_ns, options_.submit_timeout_ns));
        if (!header) {
            return no_room(std::move(header).error(), deadline_ns);
        }
        return enqueue_task(producer, *header, task, flags);
    }

    /// The same for a task that nobody keeps: it moves into the queue and ends there once it has run. Takes memory only where it is larger
    /// than `ProducerState::largest_in_ring`.
    template <typename TaskType>
    [[nodiscard]] Result<std::uint64_t> submit_own_task(ProducerState& producer, TaskType&& task, std::uint8_t flags,
                                                        std::uint64_t deadline_ns = 0) noexcept {
        using Own = OwnTask<std::decay_t<TaskType>>;
        constexpr bool in_ring = sizeof(Task*) + sizeof(Own) <= ProducerState::largest_in_ring && alignof(Own) <= alignof(Task*);
        auto header = begin(producer, sizeof(Task*) + (in_ring ? sizeof(Own) : 0), until(deadline_ns, options_.submit_timeout_ns));
        if (!header) {
            return no_room(std::move(header).error(), deadline_ns);
        }
        Allocator* const allocator = in_ring ? nullptr : &store_->allocator();
        void* place = reinterpret_cast<std::byte*>(*header + 1) + sizeof(Task*);
        if constexpr (!in_ring) {
            place = allocator->allocate(sizeof(Own), alignof(Own));
            if (place == nullptr) {
                producer.cancel_command(*header);
                return Error{ErrorCode::OutOfMemory, "no memory to queue the function transaction"};
            }
        }
        Own* const own = ::new (place) Own{std::forward<TaskType>(task), allocator};
        auto sequence = enqueue_task(producer, *header, *own, flags);
        if (!sequence) {
            own->finished();
        }
        return sequence;
    }

    /// Queues the operations in `buffer` and takes the buffer. `deadline_ns` is a monotonic time, 0 for none; it and `wait_ns` bound the
    /// wait for room in the queue. On failure nothing was queued, and the buffer is still the caller's.
    [[nodiscard]] Result<std::uint64_t> submit_buffer(ProducerState& producer, CommandBuffer* buffer, std::uint64_t deadline_ns,
                                                      std::uint64_t wait_ns, std::uint8_t flags) noexcept {
        const std::size_t prefix = deadline_ns == 0 ? 0 : sizeof(deadline_ns);
        const bool in_ring = buffer->bytes().size() + prefix <= ProducerState::largest_in_ring;
        const std::size_t body = in_ring ? buffer->bytes().size() : sizeof(buffer);
        wait_ns = until(deadline_ns, wait_ns);
        if (!in_ring && !has_room_for(producer, *buffer, wait_ns)) {
            return no_room(producer.buffers_full(buffer->bytes().size(), options_.queue_bytes), deadline_ns);
        }
        const std::size_t buffer_bytes = in_ring ? 0 : buffer->bytes().size(); // it may be gone as soon as it is queued
        auto header = begin(producer, static_cast<std::uint32_t>(prefix + body), wait_ns);
        if (!header) {
            return no_room(std::move(header).error(), deadline_ns);
        }
        auto* place = reinterpret_cast<std::byte*>(*header + 1);
        if (prefix != 0) {
            std::memcpy(place, &deadline_ns, sizeof(deadline_ns));
            place += prefix;
            flags |= CommandHeader::has_deadline;
        }
        (*header)->form = in_ring ? Form::Operations : Form::Buffer;
        (*header)->flags = flags;
        if (in_ring) {
            if (body != 0) {
                std::memcpy(place, buffer->bytes().data(), body);
            }
        } else {
            std::memcpy(place, &buffer, sizeof(buffer));
        }
        auto sequence = enqueue(producer, *header);
        if (sequence && in_ring) [[likely]] {
            producer.give_buffer(buffer);
        } else if (sequence) {
            producer.note_buffer(buffer_bytes);
        }
        return sequence;
    }

    /// Queues a transaction of one operation, straight into the ring.
    [[nodiscard]] Result<std::uint64_t> submit_one(ProducerState& producer, OperationKind kind, Entity entity, TableId table,
                                                   const std::byte* payload, std::uint32_t bytes, std::uint64_t wait_ns,
                                                   std::uint8_t flags) noexcept {
        if (refuses()) [[unlikely]] {
            return refused();
        }
        const std::size_t body = sizeof(Operation) + Operation::padded(bytes);
        if (body > ProducerState::largest_in_ring) {
            CommandBuffer* const buffer = producer.take_buffer();
            if (buffer == nullptr || !buffer->append(kind, entity, table, payload, bytes)) {
                if (buffer != nullptr) {
                    producer.give_buffer(buffer);
                }
                return Error{ErrorCode::OutOfMemory, "no memory to build the transaction"};
            }
            auto sequence = submit_buffer(producer, buffer, 0, wait_ns, flags);
            if (!sequence) {
                producer.give_buffer(buffer);
            }
            return sequence;
        }
        CommandHeader* header = producer.start_command(static_cast<std::uint32_t>(body));
        if (header == nullptr) [[unlikely]] {
            auto waited = wait_for_room(producer, static_cast<std::uint32_t>(body), wait_ns);
            if (!waited) {
                return std::move(waited).error();
            }
            header = *waited;
        }
        header->form = Form::Operations;
        header->flags = flags;
        write_operation(reinterpret_cast<std::byte*>(header + 1), kind, entity, table, payload, bytes);
        return enqueue(producer, header);
    }

    /// Reserves one id on behalf of `producer`. Errors: `OutOfMemory` when all 2^32 indices are in use; whatever the log says when the mark
    /// of reserved indices cannot be raised.
    [[nodiscard]] Result<Entity> reserve(ProducerState& producer) noexcept {
        if (const Entity entity = producer.reserve(); !entity.is_null()) [[likely]] {
            return entity;
        }
        return reserve_slowly(producer);
    }

    /// Reserves `count` ids with consecutive indices.
    [[nodiscard]] Result<Entity> reserve_consecutive(ProducerState& producer, std::uint32_t count) noexcept {
        for (;;) {
            if (const std::uint64_t first = ids_.take_fresh(count); first != EntityIds::none) {
                return Entity{static_cast<std::uint32_t>(first), 1, ids_.shard()};
            }
            if (auto raised = raise_mark(producer, count); !raised) {
                return std::move(raised).error();
            }
        }
    }

    /// Names the log, and what a commit has gone through when its submitter is told of it, if that is more than becoming visible. Before
    /// `start`. The keeper must stay until `stop`.
    void set_keeper(VersionKeeper& keeper, Durability acknowledged) noexcept {
        keeper_ = &keeper;
        keeper.ring_when_idle_is_wanted(queue_.bell());
        acknowledged_ = acknowledged;
        notifier_.set_keeper(keeper);
    }
    /// What `wait` waits for.
    [[nodiscard]] Durability acknowledged() const noexcept { return acknowledged_; }

    /// Waits until command `sequence` of `producer` is to be acknowledged, or has failed: then says why.
    [[nodiscard]] Result<void> wait(ProducerState& producer, std::uint64_t sequence, std::uint64_t timeout_ns) noexcept {
        std::uint64_t version = 0;
        return wait(producer, sequence, acknowledged_, timeout_ns, version);
    }
    /// The same, until it has gone through `level`. `version` is one that has it, or 0 until that is known: it is set then. Errors of its
    /// own: those of `wait_for_level`.
    [[nodiscard]] Result<void> wait(ProducerState& producer, std::uint64_t sequence, Durability level, std::uint64_t timeout_ns,
                                    std::uint64_t& version) noexcept {
        if (level == Durability::Memory) [[likely]] {
            return wait_done(producer, sequence, timeout_ns);
        }
        const std::uint64_t begun = clock_->monotonic_ns();
        Result<void> done = wait_done(producer, sequence, timeout_ns);
        if (!done) {
            return done;
        }
        const std::uint64_t waited = timeout_ns == no_timeout ? 0 : std::min(clock_->monotonic_ns() - begun, timeout_ns);
        version = version == 0 ? store_->published_version() : version;
        return wait_for_level(version, level, timeout_ns - waited);
    }
    /// Waits until versions up to `version`, which is visible, have gone through `level`. Errors: those of `VersionKeeper::wait_for_level`;
    /// `InvalidArgument` where there is no log, `WouldDeadlock`, `Forked`.
    [[nodiscard]] Result<void> wait_for_level(std::uint64_t version, Durability level, std::uint64_t timeout_ns) noexcept {
        if (fork_guard_.in_child()) {
            return forked();
        }
        if (level == Durability::Memory) {
            return {};
        }
        if (keeper_ == nullptr) {
            return no_log_to_wait_for();
        }
        if (writer_.is_this_thread() && !keeper_->is_settled(version, level)) {
            return Error{ErrorCode::WouldDeadlock, "waiting for the log on the writer's own thread would wait for ever"};
        }
        return keeper_->wait_for_level(version, level, timeout_ns);
    }
    /// Whether it would return at once.
    [[nodiscard]] bool is_settled(std::uint64_t version, Durability level) const noexcept {
        return level == Durability::Memory || keeper_ == nullptr || keeper_->is_settled(version, level);
    }

    /// Waits until command `sequence` of `producer` is published, or has failed: then says why.
    [[nodiscard]] Result<void> wait_done(ProducerState& producer, std::uint64_t sequence, std::uint64_t timeout_ns) noexcept {
        if (!producer.is_done(sequence)) {
            if (writer_.is_this_thread()) {
                return Error{ErrorCode::WouldDeadlock, "waiting for a transaction on the writer's own thread would wait for ever"};
            }
            if (fork_guard_.in_child()) {
                return forked();
            }
            const auto given_up = [&] {
                // Where the writer has no thread of its own, whoever waits does its work.
                while (!producer.is_done(sequence) && step_for_outcome()) {
                }
                return state_.load(std::memory_order_acquire) == State::Stopped;
            };
            if (!producer.wait_done(*clock_, sequence, timeout_ns, given_up)) {
                return Error{ErrorCode::Timeout, "the transaction was not applied within the time given to wait; it may still be"};
            }
            if (!producer.is_done(sequence)) {
                return closed();
            }
        }
        if (std::optional<Error> error = producer.take_failure(sequence)) {
            return std::move(*error);
        }
        return {};
    }

    /// Resumes `continuation` off the writer once command `sequence` of `producer` is done and has gone through `level`, or with `refused`,
    /// if given. In a forked child and after the end it is resumed right here.
    void await(Continuation& continuation, ProducerState* producer, std::uint64_t sequence, Durability level,
               std::optional<Error> refused) noexcept {
        if (fork_guard_.in_child()) {
            continuation.resume(forked());
            return;
        }
        notifier_.await(continuation, producer, sequence, level, std::move(refused));
    }
    /// Whether the calling thread is inside a callback, which must not wait for the end.
    [[nodiscard]] bool is_notifying() const noexcept { return notifier_.is_this_thread(); }
    /// Sets who hears of published versions; null for nobody. See `Notifier::listen`.
    void listen(std::shared_ptr<CommitListener> listener) noexcept {
        if (fork_guard_.in_child()) {
            return;
        }
        notifier_.listen(std::move(listener));
        producers_.for_each([this](ProducerState& producer) { notifier_.adopt(producer); });
    }

    /// Working memory for a column update; null when memory is refused. Give it back. Any thread.
    [[nodiscard]] UpdateScratch* take_scratch() noexcept { return scratches_.take(); }
    void give_scratch(UpdateScratch* scratch) noexcept { scratches_.give(scratch); }

    [[nodiscard]] static Error forked() {
        return Error{ErrorCode::Forked, "this database handle was made by the parent process; open the database anew after fork()"};
    }
    /// Why `this_thread_producer` gave none.
    [[nodiscard]] Error no_producer() const {
        return fork_guard_.in_child() ? forked() : Error{ErrorCode::OutOfMemory, "no memory for this thread's side of the queue"};
    }

private:
    enum class State : std::uint8_t { Open, Refusing, Stopped };

    template <typename Work>
    bool drive_once(Work&& work) noexcept {
        if (options_.own_thread || !writer_.start_driving()) {
            return false;
        }
        // What slipped in behind the end has been told that it was refused.
        const bool ran = state_.load(std::memory_order_relaxed) != State::Stopped && work();
        writer_.stop_driving();
        return notifier_.deliver() || ran;
    }

    [[nodiscard]] bool refuses() const noexcept { return fork_guard_.in_child() || state_.load(std::memory_order_relaxed) != State::Open; }
    [[nodiscard]] Error refused() const {
        if (fork_guard_.in_child()) {
            return forked();
        }
        return options_.read_only ? Error{ErrorCode::ReadOnly, "the database was opened read-only"} : closed();
    }
    [[nodiscard]] static Error closed() { return Error{ErrorCode::Closed, "the database was closed before the transaction was begun"}; }

    [[nodiscard]] Result<std::uint64_t> enqueue(ProducerState& producer, CommandHeader* header) noexcept {
        bool queued = false;
        const std::uint64_t sequence = producer.submit(header, queued);
        if (!queued) [[unlikely]] {
            return Error{ErrorCode::OutOfMemory, "no memory for another item in the queue"};
        }
        return sequence;
    }

    [[nodiscard]] Result<std::uint64_t> enqueue_task(ProducerState& producer, CommandHeader* header, Task& task,
                                                     std::uint8_t flags) noexcept {
        Task* const pointer = &task;
        std::memcpy(header + 1, &pointer, sizeof(pointer));
        header->form = Form::Task;
        header->flags = flags;
        return enqueue(producer, header);
    }

    /// `wait_ns`, or what is left until the deadline where that is less.
    [[nodiscard]] std::uint64_t until(std::uint64_t deadline_ns, std::uint64_t wait_ns) const noexcept {
        if (deadline_ns == 0) {
            return wait_ns;
        }
        const std::uint64_t now = clock_->monotonic_ns();
        return std::min(wait_ns, deadline_ns > now ? deadline_ns - now : 0);
    }
    /// `error`, or that it is too late by now.
    [[nodiscard]] Error no_room(Error error, std::uint64_t deadline_ns) const {
        const bool too_late = deadline_ns != 0 && error.code() == ErrorCode::QueueFull && clock_->monotonic_ns() >= deadline_ns;
        return too_late ? begun_too_late() : std::move(error);
    }

    /// A command of `bytes`, once the ring and the queue have room for it.
    [[nodiscard]] Result<CommandHeader*> begin(ProducerState& producer, std::size_t bytes, std::uint64_t wait_ns) noexcept {
        if (!refuses()) [[likely]] {
            if (CommandHeader* const header = producer.start_command(static_cast<std::uint32_t>(bytes)); header != nullptr) [[likely]] {
                return header;
            }
        }
        return wait_for_room(producer, static_cast<std::uint32_t>(bytes), wait_ns);
    }
    ECSDB_NOINLINE Result<CommandHeader*> wait_for_room(ProducerState& producer, std::uint32_t bytes, std::uint64_t wait_ns) noexcept {
        const std::uint64_t begun = clock_->monotonic_ns();
        for (;;) {
            if (refuses()) {
                return refused();
            }
            if (CommandHeader* const header = producer.start_command(bytes); header != nullptr) {
                return header;
            }
            const std::uint64_t waited = clock_->monotonic_ns() - begun;
            if (waited >= wait_ns || writer_.is_this_thread()) {
                return Error{ErrorCode::QueueFull, "the queue to the writer is full: " + std::to_string(options_.queue_transactions) +
                                                       " transactions or " + std::to_string(ProducerState::ring_bytes) +
                                                       " bytes are waiting"};
            }
            if (!step_for_outcome()) {
                producer.wait_room(*clock_, wait_ns - waited, [&] { return refuses(); });
            }
        }
    }

    /// Waits for room among the large transactions, for at most `wait_ns`, which becomes what is left of it.
    [[nodiscard]] bool has_room_for(ProducerState& producer, const CommandBuffer& buffer, std::uint64_t& wait_ns) noexcept {
        const std::size_t bytes = buffer.bytes().size();
        return producer.has_room_for_buffer(bytes, options_.queue_bytes) ||
               (!writer_.is_this_thread() &&
                producer.wait_room_for_buffer(
                    *clock_, bytes, options_.queue_bytes, wait_ns, [&] { return step_for_outcome(); }, [&] { return refuses(); }));
    }

    /// Asks the writer to raise the mark of indices that may be handed out.
    class RaiseMark final : public Task {
    public:
        RaiseMark(Writer& writer, std::uint64_t mark) noexcept : writer_{&writer}, mark_{mark} {}
        [[nodiscard]] Result<void> run(storage::WriteBuffer&) noexcept override { return writer_->raise_index_mark(mark_); }
        [[nodiscard]] bool is_transaction() const noexcept override { return false; }

    private:
        Writer* writer_;
        std::uint64_t mark_;
    };

    ECSDB_NOINLINE Result<Entity> reserve_slowly(ProducerState& producer) noexcept {
        for (;;) {
            if (auto raised = raise_mark(producer, EntityIds::block_size); !raised) {
                return std::move(raised).error();
            }
            if (const Entity entity = producer.reserve(); !entity.is_null()) {
                return entity;
            }
        }
    }

    Result<void> raise_mark(ProducerState& producer, std::uint32_t count) noexcept {
        constexpr std::uint64_t all_indices = std::uint64_t{1} << 32U;
        constexpr std::uint64_t stride = 65536;
        const std::uint64_t wanted = ids_.wanted_mark(count);
        if (wanted > all_indices) {
            return Error{ErrorCode::OutOfMemory, "all 2^32 entity indices are in use"};
        }
        const std::uint64_t mark = std::min(all_indices, wanted + stride);
        if (writer_.is_this_thread()) {
            return writer_.raise_index_mark(mark);
        }
        RaiseMark task{writer_, mark};
        auto sequence = submit_task(producer, task, CommandHeader::wants_error);
        if (!sequence) {
            return std::move(sequence).error();
        }
        return wait_done(producer, *sequence, no_timeout);
    }

    /// The writer's thread: runs batches; idle, it spins, then gives way, then reclaims and sleeps.
    void drive(const Thread::Stop& stop) noexcept {
        static_cast<void>(writer_.start_driving());
        std::uint64_t idle_since = 0;
        int spins = 0;
        for (;;) {
            if (writer_.step()) {
                spins = 0;
                idle_since = 0;
                continue;
            }
            if (stop.requested()) {
                break;
            }
            if (help_desk_.help({[](const void* queue) { return !static_cast<const CommandQueue*>(queue)->is_empty(); }, &queue_})) {
                spins = 0;
                idle_since = 0;
                continue;
            }
            if (++spins == 1 && !writer_.holds_batch()) {
                writer_.idle();
            }
            if (spins < 24) {
                cpu_pause();
                continue;
            }
            const std::uint64_t now = clock_->monotonic_ns();
            idle_since = idle_since == 0 ? now : idle_since;
            if (now - idle_since < awake_ns) {
                std::this_thread::yield();
                continue;
            }
            if (const std::uint64_t pause = writer_.rest(now); pause != 0) {
                queue_.sleep(pause, [&] { return stop.requested() || writer_.wants_idle(); });
                spins = 0;
                idle_since = 0;
            }
        }
        writer_.stop_driving();
    }

    static constexpr std::uint64_t awake_ns = 200'000;

    storage::Store* store_;
    Clock* clock_;
    PipelineOptions options_;
    ForkGuard fork_guard_;
    CommandQueue queue_;
    EntityIds ids_;
    Writer writer_;
    HelpDesk help_desk_;
    Notifier notifier_;
    Producers producers_;
    ScratchPool scratches_;
    VersionKeeper* keeper_ = nullptr; ///< The log, if there is one.
    Durability acknowledged_ = Durability::Memory;
    std::atomic<State> state_{State::Open};
    Owner<Thread> thread_;
};

} // namespace ecsdb::transaction
