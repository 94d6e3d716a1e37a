/// @file
/// Tells those who do not wait: callbacks and coroutines go on, on a thread of their own, once a transaction's outcome is known.
#pragma once

#include "ecsdb/core/durability.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/core/wake_up.hpp"
#include "ecsdb/storage/store.hpp"
#include "ecsdb/transaction/participant.hpp"
#include "ecsdb/transaction/producer.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#if ECSDB_EXCEPTIONS
#include <system_error>
#endif

namespace ecsdb::transaction {

/// What goes on once the outcome of one transaction is known. Whoever makes it keeps it alive until `resume` is called, which is once.
class Continuation {
public:
    Continuation() = default;
    Continuation(const Continuation&) = delete;
    Continuation& operator=(const Continuation&) = delete;
    /// Must not throw. May destroy the continuation.
    virtual void resume(Result<void> outcome) noexcept = 0;

protected:
    virtual ~Continuation() = default;

private:
    friend class Notifier;
    ProducerState* producer_ = nullptr;
    std::uint64_t sequence_ = 0;
    Durability level_ = Durability::Memory;
    std::uint64_t version_ = 0; ///< One that has the transaction, where more than that is waited for; 0 while none has.
    Continuation* next_ = nullptr;
    std::optional<Error> refused_;
};

/// A continuation that calls `fn(Result<void>)` and is gone.
template <typename Fn>
class CallOnce final : public Continuation {
public:
    explicit CallOnce(Fn fn) : fn_{std::move(fn)} {}
    void resume(Result<void> outcome) noexcept override {
        const Owner<CallOnce> gone_afterwards{this};
        fn_(std::move(outcome));
    }

private:
    Fn fn_;
};

/// Hears of published versions.
class CommitListener {
public:
    virtual ~CommitListener() = default;
    virtual void committed(std::uint64_t version) noexcept = 0;
};

template <typename Fn>
class CallOnCommit final : public CommitListener {
public:
    explicit CallOnCommit(Fn fn) : fn_{std::move(fn)} {}
    void committed(std::uint64_t version) noexcept override { fn_(version); }

private:
    Fn fn_;
};

/// Runs continuations and the commit listener, never on the writer: on a thread of its own that is started when first needed, or, where
/// the database has no threads, within `Pipeline::step`. One at a time; those of one producer in the order of its transactions.
///
/// It sleeps until the writer announces what is waited for; the writer pays one load per producer and batch to see whether anything is.
class Notifier {
public:
    Notifier(const storage::Store& store, bool own_thread) noexcept : store_{&store}, own_thread_{own_thread} {}
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;

    /// Names the log, for those who await more than being visible. Before anybody awaits anything.
    void set_keeper(VersionKeeper& keeper) noexcept {
        keeper_ = &keeper;
        keeper.ring_when_settled(bell_);
    }

    /// Any thread: `continuation` is resumed once command `sequence` of `producer` is done and has gone through `level`, or with `refused`,
    /// if given. Once the writer has ended it is resumed right here: so the notifier comes to an end, however many still come.
    void await(Continuation& continuation, ProducerState* producer, std::uint64_t sequence, Durability level,
               std::optional<Error> refused) noexcept {
        continuation.producer_ = producer;
        continuation.sequence_ = sequence;
        continuation.level_ = level;
        continuation.version_ = 0;
        continuation.refused_ = std::move(refused);
        std::unique_lock lock{mutex_};
        if (closed_) {
            lock.unlock();
            resume(continuation);
            return;
        }
        begin();
        const bool refused_already = continuation.refused_.has_value();
        refused_already ? append(continuation) : insert(continuation);
        const bool ready = refused_already || can_go_on(continuation);
        lock.unlock(); // from here on the continuation may be gone
        if (ready) {
            bell_.ring();
        }
    }

    /// Any thread: `listener` hears of every version published from now on, or of a newer one instead; null for nobody. When this returns,
    /// the listener before it has heard its last, unless it is that one who calls. `adopt` every producer afterwards.
    void listen(std::shared_ptr<CommitListener> listener) noexcept {
        {
            const std::lock_guard lock{mutex_};
            if (listener != nullptr) {
                begin();
            }
            told_ = store_->published_version();
            listener_.swap(listener);
        }
        // Acquire pairs with the release in `deliver_one`.
        while (listener != nullptr && !is_this_thread() && telling_.load(std::memory_order_acquire) == listener.get()) {
            std::this_thread::yield();
        }
    }

    /// Makes sure that what `producer` commits is heard of, or no longer. Call for every producer, also for those to come.
    void adopt(ProducerState& producer) noexcept {
        const std::lock_guard lock{mutex_};
        watch(producer);
    }

    /// Resumes what can be resumed, on the calling thread. False where there was nothing, or somebody is at it: another thread, or this
    /// very one further up the stack.
    bool deliver() noexcept {
        if (!in_use_.load(std::memory_order_acquire)) {
            return false;
        }
        bool any = false;
        std::unique_lock lock{mutex_};
        while (resumer_.load(std::memory_order_relaxed) == nullptr && deliver_one(lock)) {
            any = true;
        }
        return any;
    }

    /// The writer has ended: resumes whatever still waits, with its outcome, or with `closed` where it has none, and ends the thread. Not
    /// from within a continuation.
    void stop(Error closed) noexcept {
        {
            const std::lock_guard lock{mutex_};
            closed_.emplace(std::move(closed));
        }
        bell_.ring();
        if (thread_) {
            thread_->join();
            thread_.reset();
        }
        while (!end()) {
            deliver();
        }
    }

    /// In a forked child: the thread exists in the parent only.
    void abandon() noexcept { static_cast<void>(thread_.release()); } // NOLINT

    /// Whether the calling thread is inside a continuation or the listener.
    [[nodiscard]] bool is_this_thread() const noexcept { return resumer_.load(std::memory_order_relaxed) == this_thread(); }

private:
    static const void* this_thread() noexcept {
        static thread_local char own = 0;
        return &own;
    }

    /// Under the lock: starts the thread, if there is to be one. Where it cannot be started, the next call tries again, and `stop`
    /// delivers what is left.
    void begin() noexcept {
        in_use_.store(true, std::memory_order_release);
        if (!own_thread_ || thread_ || closed_) {
            return;
        }
#if ECSDB_EXCEPTIONS
        try {
            thread_.reset(new Thread{[this](const Thread::Stop&) { drive(); }});
        } catch (const std::system_error&) {
        }
#else
        thread_.reset(new Thread{[this](const Thread::Stop&) { drive(); }});
#endif
    }

    void drive() noexcept {
        while (!end()) {
            deliver();
            // Outcomes come in runs: giving way once in a while costs less than a wake-up each.
            for (int i = 0; i < 16 && !has_work(); ++i) {
                std::this_thread::yield();
            }
            bell_.sleep(no_timeout, [this] { return has_work(); });
        }
    }

    /// True once everything has been resumed that ever will be.
    bool end() noexcept {
        const std::lock_guard lock{mutex_};
        return closed_ && resumer_.load(std::memory_order_relaxed) == nullptr && !version_to_tell() && ready_.first == nullptr &&
               watched_ == nullptr;
    }

    [[nodiscard]] bool has_work() noexcept {
        const std::lock_guard lock{mutex_};
        bool any = closed_ || version_to_tell() || ready_.first != nullptr;
        for (ProducerState* producer = watched_; !any && producer != nullptr; producer = producer->awaited.next) {
            any = can_go_on(*producer->awaited.first);
        }
        return any;
    }

    // Under the lock
    // ----------------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] std::optional<std::uint64_t> version_to_tell() const noexcept {
        const std::uint64_t version = store_->published_version();
        return listener_ != nullptr && version > told_ ? std::optional{version} : std::nullopt;
    }
    [[nodiscard]] bool can_go_on(Continuation& continuation) const noexcept {
        if (closed_ || !continuation.producer_->is_done(continuation.sequence_)) {
            return closed_.has_value();
        }
        if (keeper_ == nullptr || continuation.level_ == Durability::Memory) {
            return true;
        }
        if (continuation.version_ == 0) {
            continuation.version_ = store_->published_version();
            keeper_->ask_for_level(continuation.version_, continuation.level_);
        }
        return keeper_->is_settled(continuation.version_, continuation.level_);
    }

    void append(Continuation& continuation) noexcept {
        continuation.next_ = nullptr;
        (ready_.last == nullptr ? ready_.first : ready_.last->next_) = &continuation;
        ready_.last = &continuation;
    }
    /// Keeps each producer's list in the order of its transactions; they nearly always come in that order.
    void insert(Continuation& continuation) noexcept {
        ProducerState& producer = *continuation.producer_;
        ProducerState::Awaited& awaited = producer.awaited;
        if (awaited.first == nullptr) {
            awaited.next = std::exchange(watched_, &producer);
        }
        Continuation** place = &awaited.first;
        if (awaited.last != nullptr && awaited.last->sequence_ <= continuation.sequence_) {
            place = &awaited.last->next_;
        }
        while (*place != nullptr && (*place)->sequence_ <= continuation.sequence_) {
            place = &(*place)->next_;
        }
        continuation.next_ = std::exchange(*place, &continuation);
        if (continuation.next_ == nullptr) {
            awaited.last = &continuation;
        }
        watch(producer);
    }
    void watch(ProducerState& producer) noexcept {
        if (listener_ != nullptr) {
            producer.watch(0, bell_);
        } else if (producer.awaited.first != nullptr) {
            producer.watch(producer.awaited.first->sequence_, bell_);
        } else {
            producer.unwatch();
        }
    }

    /// Moves all that can go on to the list of those that do.
    void collect() noexcept {
        for (ProducerState** link = &watched_; *link != nullptr;) {
            ProducerState& producer = **link;
            ProducerState::Awaited& awaited = producer.awaited;
            while (awaited.first != nullptr && can_go_on(*awaited.first)) {
                append(*std::exchange(awaited.first, awaited.first->next_));
            }
            watch(producer);
            if (awaited.first == nullptr) {
                awaited.last = nullptr;
                *link = std::exchange(awaited.next, nullptr);
            } else {
                link = &awaited.next;
            }
        }
    }

    /// Leaves the lock meanwhile. False when there is nothing.
    bool deliver_one(std::unique_lock<std::mutex>& lock) noexcept {
        if (const std::optional<std::uint64_t> version = version_to_tell()) {
            told_ = *version;
            std::shared_ptr<CommitListener> listener = listener_; // it may take itself away
            telling_.store(listener.get(), std::memory_order_relaxed);
            resumer_.store(this_thread(), std::memory_order_relaxed);
            lock.unlock();
            listener->committed(*version);
            listener.reset();
            telling_.store(nullptr, std::memory_order_release); // pairs with the acquire in `listen`
        } else {
            if (ready_.first == nullptr) {
                collect();
            }
            if (ready_.first == nullptr) {
                return false;
            }
            Continuation& continuation = *std::exchange(ready_.first, ready_.first->next_);
            if (ready_.first == nullptr) {
                ready_.last = nullptr;
            }
            resumer_.store(this_thread(), std::memory_order_relaxed);
            lock.unlock();
            resume(continuation);
        }
        lock.lock();
        resumer_.store(nullptr, std::memory_order_relaxed);
        return true;
    }

    void resume(Continuation& continuation) noexcept {
        Result<void> outcome;
        if (continuation.refused_) {
            outcome = std::move(*continuation.refused_);
        } else if (!continuation.producer_->is_done(continuation.sequence_)) {
            outcome = closed_->clone();
        } else if (std::optional<Error> error = continuation.producer_->take_failure(continuation.sequence_)) {
            outcome = std::move(*error);
        } else if (continuation.level_ != Durability::Memory) {
            // Waits only where nobody else sees to it, or at the end.
            const std::uint64_t version = continuation.version_ == 0 ? store_->published_version() : continuation.version_;
            outcome =
                keeper_ == nullptr ? Result<void>{no_log_to_wait_for()} : keeper_->wait_for_level(version, continuation.level_, no_timeout);
        }
        continuation.resume(std::move(outcome));
    }

    const storage::Store* store_;
    VersionKeeper* keeper_ = nullptr; ///< The log, if there is one.
    bool own_thread_;
    std::atomic<bool> in_use_{false};
    std::mutex mutex_; // of everything below, and of `ProducerState::awaited`; held for a few instructions
    struct {
        Continuation* first = nullptr;
        Continuation* last = nullptr;
    } ready_;
    ProducerState* watched_ = nullptr; ///< Producers that somebody awaits a command of.
    std::shared_ptr<CommitListener> listener_;
    std::uint64_t told_ = 0;
    std::optional<Error> closed_;
    Owner<Thread> thread_;
    std::atomic<const void*> resumer_{nullptr};           ///< The thread that runs a continuation.
    std::atomic<const CommitListener*> telling_{nullptr}; ///< The listener that is running.
    Doorbell bell_;
};

} // namespace ecsdb::transaction
