/// @file
/// The promise of a function transaction that was queued: a ticket that brings what the function returned.
#pragma once

#include "ecsdb/transaction/await.hpp"
#include "ecsdb/transaction/function.hpp"

#include <concepts>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// A `Ticket` whose outcome is a `Result<T>`: what the function returned, or why it was rolled back. The rules are those of `Ticket`; the
/// value is handed over once.
template <typename T>
class TicketOf {
public:
    TicketOf() noexcept = default;
    TicketOf(Ticket ticket, transaction::OutcomeSlot<Result<T>> slot) noexcept : ticket_{std::move(ticket)}, slot_{std::move(slot)} {}

    /// See `Ticket::through`.
    [[nodiscard]] TicketOf through(Durability level) && noexcept { return {std::move(ticket_).through(level), std::move(slot_)}; }

    /// Waits until every view opened from now on sees the transaction and it is acknowledged, or it has failed.
    [[nodiscard]] Result<T> wait() noexcept { return wait_for(no_timeout); }
    /// Waits until it has gone through `level`. The value is handed over with success: after an error of the log it still can be.
    [[nodiscard]] Result<T> wait(Durability level) noexcept { return wait_for(level, no_timeout); }
    /// The same, for at most `timeout_ns` nanoseconds: then `Timeout`, and the outcome is still open.
    [[nodiscard]] Result<T> wait_for(std::uint64_t timeout_ns) noexcept { return value_after(ticket_.wait_for(timeout_ns), slot_); }
    [[nodiscard]] Result<T> wait_for(Durability level, std::uint64_t timeout_ns) noexcept {
        return value_after(ticket_.wait_for(level, timeout_ns), slot_);
    }

    [[nodiscard]] bool is_done() const noexcept { return ticket_.is_done(); }
    [[nodiscard]] bool is_done(Durability level) const noexcept { return ticket_.is_done(level); }
    [[nodiscard]] bool is_submitted() const noexcept { return ticket_.is_submitted(); }

    /// Calls `fn(Result<T>)` once the outcome is known: see `Ticket::then`.
    template <std::invocable<Result<T>> Fn>
    void then(Fn&& fn) && noexcept {
        std::move(ticket_).then(handing_over(std::forward<Fn>(fn)));
    }
    /// The same, but where `executor(task)` runs what it is given.
    template <typename Executor, std::invocable<Result<T>> Fn>
    void then(Executor&& executor, Fn&& fn) && noexcept {
        std::move(ticket_).then(std::forward<Executor>(executor), handing_over(std::forward<Fn>(fn)));
    }

    /// `Result<T> outcome = co_await std::move(ticket);`: see the `co_await` of `Ticket`.
    [[nodiscard]] friend auto operator co_await(TicketOf&& ticket) noexcept {
        return Awaiter<detail::NotifierAwaiter>{std::move(ticket.slot_), std::move(ticket.ticket_)};
    }
    /// `co_await resume_on(executor, std::move(ticket))`.
    template <typename Executor>
    [[nodiscard]] friend auto resume_on(Executor&& executor, TicketOf&& ticket) noexcept {
        return Awaiter<detail::ExecutorAwaiter<std::decay_t<Executor>>>{std::move(ticket.slot_), std::forward<Executor>(executor),
                                                                        std::move(ticket.ticket_)};
    }

private:
    using Slot = transaction::OutcomeSlot<Result<T>>;

    template <typename Base>
    struct Awaiter final : Base {
        template <typename... Args>
        explicit Awaiter(Slot&& own, Args&&... args) noexcept : Base{std::forward<Args>(args)...}, slot{std::move(own)} {}
        [[nodiscard]] Result<T> await_resume() noexcept { return value_after(Base::await_resume(), slot); }
        Slot slot;
    };

    /// The writer filled the slot before it told that the transaction was done.
    static Result<T> value_after(Result<void> outcome, const Slot& slot) noexcept {
        if (!outcome) {
            return std::move(outcome).error();
        }
        if (!slot->has_value()) {
            return Error{ErrorCode::InvalidArgument, "the value of this transaction has been handed over already"};
        }
        Result<T> value = *std::move(*slot);
        slot->reset();
        return value;
    }

    template <typename Fn>
    auto handing_over(Fn&& fn) noexcept {
        return [fn = std::decay_t<Fn>{std::forward<Fn>(fn)}, slot = std::move(slot_)](Result<void> outcome) mutable {
            fn(value_after(std::move(outcome), slot));
        };
    }

    Ticket ticket_;
    Slot slot_;
};

} // namespace ecsdb
