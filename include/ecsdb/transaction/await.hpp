/// @file
/// Tickets in coroutines: `Result<void> outcome = co_await std::move(ticket);`.
#pragma once

#include "ecsdb/transaction/ticket.hpp"

#include <coroutine>
#include <type_traits>
#include <utility>

namespace ecsdb {

namespace detail {

/// Lives in the frame of the coroutine that waits: waiting takes no memory.
class TicketAwaiter : public transaction::Continuation {
public:
    explicit TicketAwaiter(Ticket&& ticket) noexcept : ticket_{std::move(ticket)} {}

    [[nodiscard]] bool await_ready() noexcept {
        if (!ticket_.is_done()) {
            return false;
        }
        outcome_ = ticket_.wait();
        return true;
    }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept {
        coroutine_ = coroutine;
        std::move(ticket_).await(*this);
    }
    [[nodiscard]] Result<void> await_resume() noexcept { return std::move(outcome_); }

    void resume(Result<void> outcome) noexcept override {
        outcome_ = std::move(outcome);
        coroutine_.resume();
    }

protected:
    ~TicketAwaiter() override = default;

    Ticket ticket_;
    std::coroutine_handle<> coroutine_;
    Result<void> outcome_;
};

/// Resumes on the notifier thread.
class NotifierAwaiter : public TicketAwaiter {
public:
    using TicketAwaiter::TicketAwaiter;
};

/// Resumes wherever the executor runs what it is given.
template <typename Executor>
class ExecutorAwaiter : public TicketAwaiter {
public:
    ExecutorAwaiter(Executor executor, Ticket&& ticket) noexcept : TicketAwaiter{std::move(ticket)}, executor_{std::move(executor)} {}

    /// Goes on with the executor in any case, also where the outcome is known.
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    void resume(Result<void> outcome) noexcept override {
        outcome_ = std::move(outcome);
        Executor executor = std::move(executor_); // the coroutine, and this with it, may end before the call returns
        executor([coroutine = coroutine_] { coroutine.resume(); });
    }

private:
    Executor executor_;
};

} // namespace detail

/// `co_await std::move(ticket)`: goes on once the outcome is known, with what `wait` would return. At once where it is known already,
/// else on the database's notifier thread, to which the rules of `Ticket::then` apply. Takes no memory.
///
/// The coroutine must not be destroyed while it waits; when the database is closed, it goes on with `Closed`.
[[nodiscard]] inline detail::NotifierAwaiter operator co_await(Ticket&& ticket) noexcept {
    return detail::NotifierAwaiter{std::move(ticket)};
}

/// `co_await resume_on(executor, std::move(ticket))`: the same, but always goes on where `executor(task)` runs the task, which is called
/// without arguments, once, and may be copied.
template <typename Executor>
[[nodiscard]] detail::ExecutorAwaiter<std::decay_t<Executor>> resume_on(Executor&& executor, Ticket&& ticket) noexcept {
    return {std::forward<Executor>(executor), std::move(ticket)};
}

} // namespace ecsdb
