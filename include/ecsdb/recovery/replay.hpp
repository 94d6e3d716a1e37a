/// @file
/// Does again what a log says was committed, one transaction after the other.
#pragma once

#include "ecsdb/core/list.hpp"
#include "ecsdb/snapshot/later_counts.hpp"
#include "ecsdb/storage/write_buffer.hpp"
#include "ecsdb/transaction/apply_delta.hpp"
#include "ecsdb/wal/log_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::recovery {

/// Takes the transactions that a `LogReader` hands out into a state that nobody reads yet: all of them are one batch, begun by the first.
/// For one thread.
class Replay final : public wal::LogVisitor {
public:
    /// `counts` are those the state's snapshot saved as of later versions. Both must outlive this.
    Replay(storage::WriteBuffer& state, snapshot::LaterCounts& counts) noexcept : state_{&state}, applier_{state}, counts_{&counts} {}

    /// Applies one transaction; one the state has already is passed over. `Corrupt` where it cannot follow the state, `OutOfMemory`.
    Result<void> transaction(std::uint64_t lsn, std::uint64_t time, std::span<const std::byte> delta) override {
        return transactions(lsn, time, {&delta, 1});
    }
    Result<void> transactions(std::uint64_t lsn, std::uint64_t time, std::span<const std::span<const std::byte>> deltas) override {
        if (!begun_ && !state_->begin_batch()) {
            return no_memory();
        }
        begun_ = true;
        Result<void> done;
        views_.clear();
        for (std::size_t i = 0; done && i < deltas.size(); ++i) {
            auto view = delta::DeltaView::parse(deltas[i]);
            if (view && view->header().to != lsn + i) {
                view = Error{ErrorCode::Corrupt, "its delta leads to version " + std::to_string(view->header().to)};
            }
            if (view) {
                views_.push_back(*view);
            } else {
                done = std::move(view).error().in("transaction " + std::to_string(lsn + i));
            }
        }
        applier_.prefetch({views_.data(), views_.size()});
        for (std::size_t i = 0; done && i < views_.size(); ++i) {
            if (lsn + i > counts_->next() && !counts_->impose(state_->store().entity_versions(), lsn + i - 1)) {
                return no_memory();
            }
            if (auto applied = applier_.apply(views_[i], time * 1000)) {
                taken_ += *applied ? 1U : 0U;
            } else {
                done = std::move(applied).error().in("transaction " + std::to_string(lsn + i));
            }
        }
        return done;
    }

    /// Ends the batch, and imposes the counts that are left. `OutOfMemory`.
    [[nodiscard]] Result<void> finish() {
        if (std::exchange(begun_, false)) {
            state_->finish_batch();
            state_->forget_destroyed();
        }
        return counts_->impose_all(state_->store().entity_versions()) ? Result<void>{} : Result<void>{no_memory()};
    }

    /// Transactions that were applied.
    [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

private:
    [[nodiscard]] static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory to rebuild the database's state"}; }

    storage::WriteBuffer* state_;
    transaction::DeltaApplier applier_;
    snapshot::LaterCounts* counts_;
    List<delta::DeltaView> views_;
    std::uint64_t taken_ = 0;
    bool begun_ = false;
};

} // namespace ecsdb::recovery
