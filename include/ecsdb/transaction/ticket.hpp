/// @file
/// The promise that a submitted transaction will be told apart: published, or failed and why.
#pragma once

#include "ecsdb/transaction/pipeline.hpp"

#include <cstdint>
#include <optional>
#include <utility>

namespace ecsdb {

/// Names one submitted transaction. Move-only; dropping it means not caring.
///
/// May be waited for from any thread, by one at a time. Must not outlive its database.
class Ticket {
public:
    Ticket() noexcept = default;
    Ticket(transaction::Pipeline& pipeline, transaction::ProducerState& producer, std::uint64_t sequence) noexcept
        : pipeline_{&pipeline}, producer_{&producer}, sequence_{sequence} {}
    /// A transaction that could not even be submitted.
    explicit Ticket(Error error) noexcept : refused_{std::move(error)} {}
    Ticket(Ticket&&) noexcept = default;
    Ticket& operator=(Ticket&&) noexcept = default;

    /// Waits until every view opened from now on sees the transaction, or it has failed: the error then names the operation, table and
    /// entity. `WouldDeadlock` on the writer's thread. A failure is told once.
    [[nodiscard]] Result<void> wait() noexcept { return wait_for(no_timeout); }

    /// The same, for at most `timeout_ns` nanoseconds: then `Timeout`, and the outcome is still open.
    [[nodiscard]] Result<void> wait_for(std::uint64_t timeout_ns) noexcept {
        if (refused_) {
            return refused_->clone();
        }
        ECSDB_ASSERT(producer_ != nullptr, "an empty ticket was waited for");
        return pipeline_->wait(*producer_, sequence_, timeout_ns);
    }

    /// Whether the outcome is known: `wait` would return at once.
    [[nodiscard]] bool is_done() const noexcept { return refused_.has_value() || producer_ == nullptr || producer_->is_done(sequence_); }

    /// Whether the transaction reached the queue at all; if not, `wait` says why not.
    [[nodiscard]] bool is_submitted() const noexcept { return producer_ != nullptr; }

private:
    transaction::Pipeline* pipeline_ = nullptr;
    transaction::ProducerState* producer_ = nullptr;
    std::uint64_t sequence_ = 0;
    std::optional<Error> refused_;
};

} // namespace ecsdb
