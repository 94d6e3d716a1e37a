/// @file
/// The transactions programs write: a list of commands built on the caller's thread, and a function run on the writer.
#pragma once

#include "ecsdb/transaction/changes.hpp"
#include "ecsdb/transaction/ticket.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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

    /// Not begun by then (a `Clock::monotonic_ns` time), the transaction fails with `Timeout` and is never applied.
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

/// The state inside a function transaction (design D13.3): reads see what the function has written so far. Only within the function.
class WriteState {
public:
    WriteState(transaction::Pipeline& pipeline, storage::WriteBuffer& state, std::uint64_t deadline_ns = 0) noexcept
        : pipeline_{&pipeline}, state_{&state}, deadline_{&pipeline.clock(), deadline_ns} {}

    /// Whether the deadline has passed: whatever the function does now will be rolled back, and it may as well return. Cost: reading the
    /// clock.
    [[nodiscard]] bool expired() const noexcept { return deadline_.has_passed(); }

    /// A new entity, alive at once in here.
    [[nodiscard]] Result<Entity> create() noexcept {
        transaction::ProducerState* const producer = pipeline_->this_thread_producer();
        if (producer == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to reserve an entity id"};
        }
        Result<Entity> entity = pipeline_->reserve(*producer);
        if (entity) {
            if (const auto outcome = state_->create(*entity); transaction::failed(outcome)) {
                return describe(transaction::OperationKind::Create, *entity, 0, outcome);
            }
        }
        return entity;
    }
    Result<void> destroy(Entity entity) noexcept { return told(transaction::OperationKind::Destroy, entity, 0, state_->destroy(entity)); }
    // By table id and bytes: `InvalidArgument` for a table that is not in the schema, or a row of another size than its rows have.

    Result<void> insert_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return put_checked(transaction::OperationKind::Insert, entity, table, row);
    }
    Result<void> update_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return put_checked(transaction::OperationKind::Update, entity, table, row);
    }
    Result<void> set_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return put_checked(transaction::OperationKind::Set, entity, table, row);
    }
    Result<void> remove_row(Entity entity, TableId table) noexcept {
        if (!schema().has_table(table)) [[unlikely]] {
            return Edits::no_such_row(table, 0);
        }
        return put(transaction::OperationKind::Remove, entity, table, nullptr);
    }
    [[nodiscard]] const Schema& schema() const noexcept { return state_->store().schema(); }
    [[nodiscard]] bool is_alive(Entity entity) const noexcept { return state_->root().find_living(entity) != nullptr; }
    /// The entity's name beyond this database; null when it is not alive. Cost: O(1).
    [[nodiscard]] StableId stable_id(Entity entity) const noexcept { return state_->store().stable_ids().of(state_->root(), entity); }
    /// The entity that has this stable id; null when there is none. Cost: O(1), for an imported id also O(changes this transaction has
    /// made so far).
    [[nodiscard]] Entity find(const StableId& id) const noexcept {
        const storage::StableIds& ids = state_->store().stable_ids();
        const Entity derived = ids.find_derived(state_->root(), id);
        if (derived || !ids.may_be_imported(state_->root())) {
            return derived;
        }
        const ImportedId row{id};
        const std::optional<Entity> known =
            pipeline_->writer().find_unique(ids.imported_table(), 0, reinterpret_cast<const std::byte*>(&row));
        return known ? *known : ids.find_imported(state_->root(), id);
    }
    /// Null where absent, also for a table that is not in the schema; valid until the next write.
    [[nodiscard]] const std::byte* find_row(Entity entity, TableId table) const noexcept {
        return schema().has_table(table) ? state_->find_row(entity, table) : nullptr;
    }

    /// A handle of `content`, to be put into rows this function writes. `OutOfMemory`, or `InvalidArgument` for more than
    /// `max_content_size` bytes. That text is UTF-8, and not too long for its field, is checked at the end.
    [[nodiscard]] Result<Text> text(std::string_view content) noexcept {
        return as<Text>(bring(std::as_bytes(std::span{content.data(), content.size()})));
    }
    [[nodiscard]] Result<Blob> blob(std::span<const std::byte> content) noexcept { return as<Blob>(bring(content)); }
    /// What a handle of a row, or one made in here, names; empty for any other. Valid until the next write.
    [[nodiscard]] std::string_view text(const Text& handle) const noexcept {
        const std::span<const std::byte> bytes = bytes_of(handle);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    [[nodiscard]] std::span<const std::byte> blob(const Blob& handle) const noexcept { return bytes_of(handle); }

    [[nodiscard]] storage::WriteBuffer& buffer() noexcept { return *state_; }
    [[nodiscard]] transaction::Pipeline& pipeline() noexcept { return *pipeline_; }

protected:
    /// Does one operation, whose table and row are right.
    Result<void> put(transaction::OperationKind kind, Entity entity, TableId table, const std::byte* row) noexcept {
        using transaction::OperationKind;
        return told(kind, entity, table,
                    kind == OperationKind::Insert   ? state_->insert(entity, table, row)
                    : kind == OperationKind::Update ? state_->update(entity, table, row)
                    : kind == OperationKind::Set    ? state_->set(entity, table, row)
                                                    : state_->remove(entity, table));
    }
    Result<void> told(transaction::OperationKind kind, Entity entity, TableId table, storage::Outcome outcome) noexcept {
        if (transaction::failed(outcome)) [[unlikely]] {
            return describe(kind, entity, table, outcome);
        }
        return {};
    }

private:
    Result<void> put_checked(transaction::OperationKind kind, Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        if (!schema().has_row_of(table, row.size())) [[unlikely]] {
            return Edits::no_such_row(table, row.size());
        }
        return put(kind, entity, table, row.data());
    }
    template <typename Handle>
    [[nodiscard]] static Result<Handle> as(Result<ContentHandle> content) noexcept {
        if (!content) {
            return std::move(content).error();
        }
        Handle handle;
        static_cast<ContentHandle&>(handle) = *content;
        return handle;
    }
    [[nodiscard]] Error describe(transaction::OperationKind kind, Entity entity, TableId table, storage::Outcome outcome) const {
        if (outcome == storage::Outcome::OutOfMemory) {
            state_->mark_broken();
        }
        return transaction::describe_failure(state_->store().schema(), kind, entity, table, outcome, state_->refused_field());
    }
    [[nodiscard]] Result<ContentHandle> bring(std::span<const std::byte> content) noexcept {
        if (content.size() > max_content_size) {
            return Error{ErrorCode::InvalidArgument,
                         "a text or blob of " + std::to_string(content.size()) + " bytes; the most is " + std::to_string(max_content_size)};
        }
        if (content.empty()) {
            return ContentHandle{};
        }
        token_ = token_ == 0 ? state_->store().content_tokens().next() : token_;
        if (!state_->contents().stage(token_, contents_, content)) {
            state_->mark_broken();
            return Error{ErrorCode::OutOfMemory, "no memory for a text or blob"};
        }
        return ContentHandle{token_ | ContentHandle::staged, contents_++, 0, 0};
    }
    [[nodiscard]] std::span<const std::byte> bytes_of(const ContentHandle& handle) const noexcept {
        return (handle.number & ContentHandle::staged) != 0 ? state_->contents().staged_bytes(handle)
                                                            : state_->root().contents.bytes_of(handle);
    }

    transaction::Pipeline* pipeline_;
    storage::WriteBuffer* state_;
    Deadline deadline_;
    std::uint64_t token_ = 0;    ///< Drawn with the first content.
    std::uint32_t contents_ = 0; ///< Brought under it.
};

} // namespace ecsdb
