/// @file
/// The transaction programs write as a list of commands, built on the caller's thread.
#pragma once

#include "ecsdb/transaction/changes.hpp"
#include "ecsdb/transaction/ticket.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace ecsdb {

/// A command transaction under construction (design D13.1): nothing happens before `submit`, `commit` or `post`, and then everything or
/// nothing.
///
/// Built and submitted on one thread. Ids of created entities are valid at once, to be stored and referred to. Dropping an unfinished
/// transaction discards it. Must not outlive its database, nor the `Producer` it was begun with.
class Transaction : public Edits {
public:
    Transaction(transaction::Pipeline& pipeline, transaction::ProducerState* producer) noexcept
        : Edits{pipeline.store().schema(), producer == nullptr ? nullptr : producer->take_buffer(), pipeline.store().content_tokens()},
          pipeline_{&pipeline}, producer_{producer} {
        if (buffer_ == nullptr) {
            producer == nullptr ? fail(pipeline.no_producer()) : fail_for_memory();
        }
    }
    Transaction(Transaction&&) noexcept = default;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction() {
        if (buffer_ != nullptr) {
            producer_->give_buffer(buffer_);
        }
    }

    /// A new entity, alive once the transaction commits; null (and the transaction refused at submission) when ids have run out.
    Entity create() noexcept {
        if (error_) {
            return {};
        }
        Result<Entity> entity = pipeline_->reserve(*producer_);
        if (!entity) {
            fail(std::move(entity).error());
            return {};
        }
        append(transaction::OperationKind::Create, *entity, 0, nullptr, 0);
        return *entity;
    }

    /// Adds all of `changes`, which must be of the same database; the ids of the entities it creates, in its order. Fewer where the
    /// transaction is refused at submission.
    std::vector<Entity> add(const Changes& changes) noexcept {
        std::vector<Entity> created;
        created.reserve(changes.created());
        if (changes.error() != nullptr) {
            fail(changes.error()->clone());
        }
        for (transaction::OperationRange edits{changes.operations()}; !error_ && !edits.done(); edits.advance()) {
            const transaction::Operation& edit = edits.current();
            if (edit.kind == transaction::OperationKind::Create) {
                created.push_back(create());
            } else if (edit.kind == transaction::OperationKind::Content) {
                copy(edit, edit.entity);
            } else if (!Changes::is_placeholder(edit.entity)) {
                copy(edit, edit.entity);
            } else if (edit.entity.index() <= created.size()) {
                copy(edit, created[edit.entity.index() - 1]);
            } else {
                fail(Error{ErrorCode::InvalidArgument, "changes edit a created entity that is not one of theirs"});
            }
        }
        return created;
    }

    /// Not begun by then (a `Clock::monotonic_ns` time), the transaction fails with `Timeout` and is never applied. Nor does submitting
    /// wait for room beyond it: then nothing was queued, and the transaction is not spent.
    void set_deadline(std::uint64_t monotonic_ns) noexcept { deadline_ns_ = monotonic_ns; }

    /// Queues the transaction, waiting for room if need be, and returns a ticket to wait with. The transaction is spent then, unless it
    /// could not be queued (`Ticket::is_submitted`): it is as it was, and may be submitted again or dropped.
    [[nodiscard]] Ticket submit() noexcept { return send(transaction::CommandHeader::wants_error, pipeline_->options().submit_timeout_ns); }
    /// The same, but fails with `QueueFull` instead of waiting for room.
    [[nodiscard]] Ticket try_submit() noexcept { return send(transaction::CommandHeader::wants_error, 0); }
    /// Queues it and waits until it is visible to every new view, or has failed. Whether it is spent, `is_spent` says.
    [[nodiscard]] Result<void> commit() noexcept { return submit().wait(); }
    /// Whether it has been queued, and can be neither added to nor submitted any more.
    [[nodiscard]] bool is_spent() const noexcept { return buffer_ == nullptr && !error_; }
    /// Queues it and forgets it: if it fails, only the counters tell. The result says whether it was queued.
    Result<void> post() noexcept {
        Ticket ticket = send(0, pipeline_->options().submit_timeout_ns);
        if (ticket.is_submitted()) {
            return {};
        }
        return ticket.wait();
    }

private:
    void copy(const transaction::Operation& edit, Entity entity) noexcept {
        if (!buffer_->append_copy(edit, entity)) {
            fail_for_memory();
        }
    }
    Ticket send(std::uint8_t flags, std::uint64_t wait_ns) noexcept {
        if (error_) {
            return Ticket{*pipeline_, error_->clone()};
        }
        ECSDB_ASSERT(buffer_ != nullptr, "a transaction was submitted twice");
        Result<std::uint64_t> sequence = pipeline_->submit_buffer(*producer_, buffer_, deadline_ns_, wait_ns, flags);
        if (!sequence) {
            return Ticket{*pipeline_, std::move(sequence).error()};
        }
        buffer_ = nullptr;
        return Ticket{*pipeline_, *producer_, *sequence};
    }

    transaction::Pipeline* pipeline_;
    transaction::ProducerState* producer_;
    std::uint64_t deadline_ns_ = 0;
};

} // namespace ecsdb
