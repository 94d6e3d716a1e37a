/// @file
/// The promise that a submitted transaction will be told apart: published, or failed and why; to wait for, or to be called back with.
#pragma once

#include "ecsdb/transaction/pipeline.hpp"

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// What `Ticket::then` calls.
template <typename Fn>
concept OutcomeCallback = std::invocable < std::decay_t<Fn>
&, Result < void >> ;

/// Names one submitted transaction. Move-only; dropping it means not caring.
///
/// Its outcome is known once the transaction is acknowledged: that is when it is visible, and in a `Synced` database on disk, also where
/// readers saw it before (`Options::publish_before_sync`).
///
/// May be waited for from any thread, by one at a time. Must not outlive its database. `co_await` is in transaction/await.hpp.
class Ticket {
public:
    Ticket() noexcept = default;
    Ticket(transaction::Pipeline& pipeline, transaction::ProducerState& producer, std::uint64_t sequence) noexcept
        : pipeline_{&pipeline}, producer_{&producer}, sequence_{sequence} {}
    /// A transaction that could not even be submitted.
    Ticket(transaction::Pipeline& pipeline, Error error) noexcept : pipeline_{&pipeline}, refused_{std::move(error)} {}
    Ticket(Ticket&&) noexcept = default;
    Ticket& operator=(Ticket&&) noexcept = default;

    /// The same ticket, but its outcome is known only once the transaction has gone through `level`: for `wait`, `then` and `co_await` that
    /// name none. See `wait(level)` for what that means and the errors it brings.
    [[nodiscard]] Ticket through(Durability level) && noexcept {
        level_ = level;
        return std::move(*this);
    }

    /// Waits until every view opened from now on sees the transaction and it is acknowledged, or it has failed: the error then names the
    /// operation, table and entity. `WouldDeadlock` on the writer's thread. A failure is told once.
    [[nodiscard]] Result<void> wait() noexcept { return wait_for(no_timeout); }
    /// Waits until the transaction has gone through `level`, whatever the database's own: `Memory`, it is visible; `Logged`, it is written;
    /// `Synced`, it is on disk, for which a sync is asked for at once. May be called again, with a higher level.
    ///
    /// Errors: those of `wait`; of a transaction that is visible, `OutcomeUnknown` where the log failed before it had gone through `level`
    /// (`resume` writes it), and `InvalidArgument` where there is no log.
    [[nodiscard]] Result<void> wait(Durability level) noexcept { return wait_for(level, no_timeout); }

    /// The same, for at most `timeout_ns` nanoseconds: then `Timeout`, and the outcome is still open. A database without threads of its own
    /// (`Options::own_thread`) may take longer: the work is done in here.
    [[nodiscard]] Result<void> wait_for(std::uint64_t timeout_ns) noexcept { return wait_for(level(), timeout_ns); }
    [[nodiscard]] Result<void> wait_for(Durability level, std::uint64_t timeout_ns) noexcept {
        if (refused_) {
            return refused_->clone();
        }
        ECSDB_ASSERT(producer_ != nullptr, "an empty ticket was waited for");
        return pipeline_->wait(*producer_, sequence_, level, timeout_ns, version_);
    }

    /// Whether the outcome is known: `wait` would return at once.
    [[nodiscard]] bool is_done() const noexcept { return is_done(level()); }
    /// Whether `wait(level)` would. Asks for nothing: a level above the database's own is reached when it is.
    [[nodiscard]] bool is_done(Durability level) const noexcept {
        if (refused_.has_value() || producer_ == nullptr) {
            return true;
        }
        if (!producer_->is_done(sequence_)) {
            return false;
        }
        version_ = version_ == 0 && level != Durability::Memory ? pipeline_->store().published_version() : version_;
        return pipeline_->is_settled(version_, level);
    }

    /// Whether the transaction reached the queue at all; if not, `wait` says why not.
    [[nodiscard]] bool is_submitted() const noexcept { return producer_ != nullptr; }

    /// Calls `fn(Result<void>)` once the outcome is known, with what `wait` would return; uses the ticket up.
    ///
    /// `fn` runs on the database's notifier thread, never on the writer: one callback at a time, those of one thread's (or `Producer`'s)
    /// transactions in their order, also where one of them has a longer way to go (`through`). It may read, write and wait, but holds the
    /// others up meanwhile; it must neither throw nor close the database. What is not done when the database is closed gets `Closed` then;
    /// closing waits until what is done has gone through its level. A database without threads of its own (`Options::own_thread`) calls
    /// `fn` in `step` and in waits; one that is being closed, and one made by the parent process, right here. Cost: one allocation here,
    /// none on the writer.
    template <OutcomeCallback Fn>
    void then(Fn&& fn) && noexcept {
        std::move(*this).await(*new transaction::CallOnce<std::decay_t<Fn>>{std::forward<Fn>(fn)});
    }

    /// The same, but hands `fn` with its outcome to `executor(task)`, which may run it wherever it likes: `task` is called without
    /// arguments, once, and may be copied before. A task that is dropped never calls `fn`. The executor is copied, or moved, into the
    /// callback and called on the notifier thread.
    template <typename Executor, OutcomeCallback Fn>
    void then(Executor&& executor, Fn&& fn) && noexcept {
        std::move(*this).then([executor = std::decay_t<Executor>{std::forward<Executor>(executor)},
                               fn = std::decay_t<Fn>{std::forward<Fn>(fn)}](Result<void> outcome) mutable {
            struct Call {
                std::decay_t<Fn> fn;
                Result<void> outcome;
            };
            executor([call = std::make_shared<Call>(Call{std::move(fn), std::move(outcome)})] { call->fn(std::move(call->outcome)); });
        });
    }

    /// The same for a continuation that brings its own memory, as a coroutine does.
    void await(transaction::Continuation& continuation) && noexcept {
        ECSDB_ASSERT(pipeline_ != nullptr, "an empty ticket was waited for");
        const Durability through = level();
        std::exchange(pipeline_, nullptr)->await(continuation, std::exchange(producer_, nullptr), sequence_, through, std::move(refused_));
    }

private:
    [[nodiscard]] Durability level() const noexcept {
        return level_.value_or(pipeline_ == nullptr ? Durability::Memory : pipeline_->acknowledged());
    }

    transaction::Pipeline* pipeline_ = nullptr;
    transaction::ProducerState* producer_ = nullptr;
    std::uint64_t sequence_ = 0;
    mutable std::uint64_t version_ = 0; ///< One that has the transaction, noted when a level was first asked for; 0 before.
    std::optional<Durability> level_;   ///< The database's own where there is none.
    std::optional<Error> refused_;
};

} // namespace ecsdb
