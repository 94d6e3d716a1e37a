/// @file
/// Asks the writer who keeps old versions.
#pragma once

#include "ecsdb/storage/holders.hpp"
#include "ecsdb/transaction/pipeline.hpp"

#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::transaction {

namespace detail {

/// Lists them on the writer, which alone may look at every pinned root.
class ListHolders final : public Task {
public:
    explicit ListHolders(Clock& clock) noexcept : clock_{&clock} {}

    [[nodiscard]] bool is_transaction() const noexcept override { return false; }
    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        holders = storage::list_holders(state.store(), clock_->wall_ns());
        return {};
    }

    std::vector<Holder> holders;

private:
    Clock* clock_;
};

} // namespace detail

/// Every reader there is, the one of the oldest version first. Any thread, also inside a function transaction; where the writer has a
/// thread, it answers in its turn. Errors: `Forked`; `OutOfMemory`; `QueueFull`.
[[nodiscard]] inline Result<std::vector<Holder>> list_holders(Pipeline& pipeline) noexcept {
    if (pipeline.fork_guard().in_child()) {
        return Pipeline::forked();
    }
    Writer& writer = pipeline.writer();
    const auto list = [&] { return storage::list_holders(pipeline.store(), pipeline.clock().wall_ns()); };
    if (writer.is_this_thread()) {
        return list();
    }
    if (pipeline.options().own_thread) {
        ProducerState* const producer = pipeline.this_thread_producer();
        if (producer == nullptr) {
            return pipeline.no_producer();
        }
        detail::ListHolders task{pipeline.clock()};
        Result<std::uint64_t> sequence = pipeline.submit_task(*producer, task, CommandHeader::wants_error);
        if (sequence) {
            Result<void> waited = pipeline.wait_done(*producer, *sequence, no_timeout);
            return waited ? Result<std::vector<Holder>>{std::move(task.holders)} : std::move(waited).error();
        }
        if (sequence.error().code() != ErrorCode::Closed) {
            return std::move(sequence).error();
        }
    }
    // Nobody drives the writer but callers, or it has ended: so it is this thread's turn.
    while (!writer.start_driving()) {
        std::this_thread::yield();
    }
    std::vector<Holder> holders = list();
    writer.stop_driving();
    return holders;
}

} // namespace ecsdb::transaction
