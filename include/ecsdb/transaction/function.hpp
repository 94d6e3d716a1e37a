/// @file
/// A function run on the writer as one transaction: it reads what it writes, and its result comes back to the caller.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/transaction/task.hpp"
#include "ecsdb/transaction/thrown.hpp"

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace ecsdb::transaction {

/// `Result<T>` for a function that returns `T`, `Result<T>` or nothing.
template <typename T>
struct ResultOf {
    using type = Result<T>;
};
template <typename T>
struct ResultOf<Result<T>> {
    using type = Result<T>;
};

/// What a function `fn(storage::WriteBuffer&)` ends with.
template <typename Fn>
using OutcomeOf = typename ResultOf<std::invoke_result_t<Fn&, storage::WriteBuffer&>>::type;

/// Calls `fn(state)` and keeps what it returned in `outcome`; an error where it must be rolled back.
template <typename Fn>
[[nodiscard]] Result<void> run_function(Fn& fn, storage::WriteBuffer& state, const Deadline& deadline,
                                        std::optional<OutcomeOf<Fn>>& outcome) noexcept {
    if (deadline.has_passed()) {
        return begun_too_late();
    }
    const auto call = [&] {
        if constexpr (std::is_void_v<std::invoke_result_t<Fn&, storage::WriteBuffer&>>) {
            fn(state);
            outcome.emplace();
        } else {
            outcome.emplace(fn(state));
        }
    };
    if (std::optional<Error> thrown = thrown_by("the function transaction", call)) {
        return *std::move(thrown);
    }
    if (!*outcome) {
        return outcome->error().clone();
    }
    if (state.is_broken()) {
        return Error{ErrorCode::OutOfMemory, "the function transaction went on after an operation had run out of memory"};
    }
    if (deadline.has_passed()) {
        return Error{ErrorCode::Timeout, "the function transaction ended after its deadline and was rolled back"};
    }
    return {};
}

/// Runs `fn(storage::WriteBuffer&)` on the writer (design D13.3). An error it returns, or an exception it throws, rolls everything back.
/// Lives on the stack of whoever waits for it.
template <typename Fn>
class FunctionTask final : public Task {
public:
    FunctionTask(Fn& fn, const Deadline& deadline, bool only_removes = false) noexcept
        : fn_{&fn}, deadline_{deadline}, only_removes_{only_removes} {}

    [[nodiscard]] bool only_removes() const noexcept override { return only_removes_; }

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override { return run_function(*fn_, state, deadline_, outcome_); }

    /// What the function returned; once the transaction has succeeded.
    [[nodiscard]] OutcomeOf<Fn> take_outcome() noexcept { return std::move(*outcome_); }

private:
    Fn* fn_;
    Deadline deadline_;
    bool only_removes_;
    std::optional<OutcomeOf<Fn>> outcome_;
};

/// Where what a queued function returned waits for whoever holds its ticket.
template <typename Outcome>
using OutcomeSlot = std::shared_ptr<std::optional<Outcome>>;

/// The same for a function that nobody stands by for: it lives in the queue, with `fn`, until it has run. `slot` takes its outcome; null
/// when nobody asks.
template <typename Fn>
class QueuedFunction : public Task {
public:
    QueuedFunction(Fn&& fn, const Deadline& deadline, OutcomeSlot<OutcomeOf<Fn>> slot) noexcept
        : fn_{std::move(fn)}, deadline_{deadline}, slot_{std::move(slot)} {}

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        std::optional<OutcomeOf<Fn>> outcome;
        Result<void> result = run_function(fn_, state, deadline_, outcome);
        if (result && slot_ != nullptr) {
            *slot_ = std::move(outcome);
        }
        return result;
    }

private:
    Fn fn_;
    Deadline deadline_;
    OutcomeSlot<OutcomeOf<Fn>> slot_;
};

} // namespace ecsdb::transaction
