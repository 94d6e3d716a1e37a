/// @file
/// A function run on the writer as one transaction: it reads what it writes, and its result comes back to the caller.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/transaction/task.hpp"
#include "ecsdb/transaction/thrown.hpp"

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

/// Runs `fn(storage::WriteBuffer&)` on the writer (design D13.3). An error it returns, or an exception it throws, rolls everything back.
/// Lives on the stack of whoever waits for it.
template <typename Fn>
class FunctionTask final : public Task {
public:
    using Outcome = typename ResultOf<std::invoke_result_t<Fn&, storage::WriteBuffer&>>::type;

    /// `deadline_ns` is a `Clock::monotonic_ns` time by which the function must have ended, 0 for none.
    FunctionTask(Fn& fn, Clock& clock, std::uint64_t deadline_ns) noexcept : fn_{&fn}, clock_{&clock}, deadline_ns_{deadline_ns} {}

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        if (std::optional<Error> thrown = thrown_by("the function transaction", [&] { call(state); })) {
            return *std::move(thrown);
        }
        if (!*outcome_) {
            return outcome_->error().clone();
        }
        if (state.is_broken()) {
            return Error{ErrorCode::OutOfMemory, "the function transaction went on after an operation had run out of memory"};
        }
        if (deadline_ns_ != 0 && clock_->monotonic_ns() > deadline_ns_) {
            return Error{ErrorCode::Timeout, "the function transaction ended after its deadline and was rolled back"};
        }
        return {};
    }

    /// What the function returned; once the transaction has succeeded.
    [[nodiscard]] Outcome take_outcome() noexcept { return std::move(*outcome_); }

private:
    void call(storage::WriteBuffer& state) {
        if constexpr (std::is_void_v<std::invoke_result_t<Fn&, storage::WriteBuffer&>>) {
            (*fn_)(state);
            outcome_.emplace();
        } else {
            outcome_.emplace((*fn_)(state));
        }
    }

    Fn* fn_;
    Clock* clock_;
    std::uint64_t deadline_ns_;
    std::optional<Outcome> outcome_;
};

} // namespace ecsdb::transaction
