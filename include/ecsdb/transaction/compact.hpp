/// @file
/// Has the writer compact the state, a step at a time between other transactions, and waits for the end.
#pragma once

#include "ecsdb/transaction/pipeline.hpp"

#include <cstddef>
#include <cstdint>

namespace ecsdb {

/// What a compaction did.
struct Compaction {
    std::uint64_t steps = 0;          ///< The writer's, between which others had their turn.
    std::uint64_t moved_bytes = 0;    ///< Copied to elsewhere, so that where they were could be given back.
    std::size_t allocated_before = 0; ///< Held from the allocator …
    std::size_t allocated_after = 0;  ///< … and after it.
};

namespace transaction {

namespace detail {

/// One step: done when the batch it came in has been published, so that there is nothing in it to be discarded.
class CompactStep final : public Task {
public:
    CompactStep(Writer& writer, bool first) noexcept : writer_{&writer}, first_{first} {}

    [[nodiscard]] bool is_transaction() const noexcept override { return false; }
    [[nodiscard]] Result<void> run(storage::WriteBuffer&) noexcept override {
        if (first_) {
            writer_->compactor().begin();
        }
        return {};
    }
    void finished() noexcept override {
        writer_->compact_some();
        is_last = !writer_->compactor().is_under_way();
        moved_bytes = writer_->compactor().moved_bytes();
    }

    bool is_last = false;
    std::uint64_t moved_bytes = 0;

private:
    Writer* writer_;
    bool first_;
};

} // namespace detail

/// See `AnyDatabase::compact`. Any thread but the writer's.
[[nodiscard]] inline Result<Compaction> compact(Pipeline& pipeline) noexcept {
    if (pipeline.writer().is_this_thread()) {
        return Error{ErrorCode::WouldDeadlock, "compact: waiting for the writer on its own thread would wait for ever"};
    }
    ProducerState* const producer = pipeline.this_thread_producer();
    if (producer == nullptr) {
        return pipeline.no_producer();
    }
    Compaction done;
    const storage::PagePool& pool = pipeline.store().pool();
    done.allocated_before = pool.allocated_bytes();
    std::uint64_t moved_before = 0;
    for (bool is_last = false; !is_last; ++done.steps) {
        detail::CompactStep step{pipeline.writer(), done.steps == 0};
        Result<std::uint64_t> sequence = pipeline.submit_task(*producer, step, CommandHeader::wants_error);
        if (!sequence) {
            return std::move(sequence).error();
        }
        if (Result<void> waited = pipeline.wait_done(*producer, *sequence, no_timeout); !waited) {
            return std::move(waited).error();
        }
        is_last = step.is_last;
        moved_before = done.steps == 0 ? step.moved_bytes : moved_before; // the first step only looks
        done.moved_bytes = step.moved_bytes - moved_before;
    }
    done.allocated_after = pool.allocated_bytes();
    return done;
}

} // namespace transaction
} // namespace ecsdb
