/// @file
/// Work for the writer that is more than a list of operations: functions, column updates, applied deltas, chores of the engine.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/delta/encoder.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <utility>

namespace ecsdb::transaction {

/// Why a transaction whose deadline has passed is not begun.
[[nodiscard]] inline Error begun_too_late() {
    return Error{ErrorCode::Timeout, "the transaction's deadline passed before it was begun; nothing was applied"};
}

/// One queue item that brings its own code. The submitter keeps it alive until `finished` has been called.
class Task {
public:
    virtual ~Task() = default;

    /// Runs on the writer, inside a transaction of its own. An error rolls it back.
    [[nodiscard]] virtual Result<void> run(storage::WriteBuffer& state) noexcept = 0;

    /// False for a chore that changes no state: it gets no version.
    [[nodiscard]] virtual bool is_transaction() const noexcept { return true; }

    /// Whether the changes were noted in `WriteBuffer::changes`. If not, `encode` writes them.
    [[nodiscard]] virtual bool notes_changes() const noexcept { return true; }
    /// Encodes the body of the delta (sections, after the header). Called after `run` if a participant wants changes. False when memory is
    /// refused.
    [[nodiscard]] virtual bool encode(const storage::WriteBuffer& state, delta::Encoder& encoder) noexcept {
        static_cast<void>(state);
        static_cast<void>(encoder);
        return true;
    }
    /// Whether it only removes: then it may use the pool's reserve.
    [[nodiscard]] virtual bool only_removes() const noexcept { return false; }

    /// The entity counts grow with this transaction.
    [[nodiscard]] virtual bool counts_entities() const noexcept { return true; }

    /// The delta is absolute: see `delta::Header`.
    [[nodiscard]] virtual bool is_absolute() const noexcept { return false; }
    /// How many versions it is in one: the state goes on by so many at once, and is at none of those between.
    [[nodiscard]] virtual std::uint64_t versions() const noexcept { return 1; }

    /// The transaction is published, or has failed; runs on the writer, the last call it makes. May destroy the task.
    virtual void finished() noexcept {}
};

/// A task of its own: made where the queue keeps it, it ends itself once it has run.
template <typename Base>
class OwnTask final : public Base {
public:
    /// `allocator` is where its memory goes afterwards; null when it lies in the queue itself.
    OwnTask(Base&& task, Allocator* allocator) noexcept : Base{std::move(task)}, allocator_{allocator} {}

    void finished() noexcept override {
        Allocator* const allocator = allocator_;
        this->~OwnTask();
        if (allocator != nullptr) {
            allocator->deallocate(this, sizeof(OwnTask), alignof(OwnTask));
        }
    }

private:
    Allocator* allocator_;
};

} // namespace ecsdb::transaction
