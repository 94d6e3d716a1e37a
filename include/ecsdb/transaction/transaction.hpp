/// @file
/// The transactions programs write: a list of commands built on the caller's thread, and a function run on the writer.
#pragma once

#include "ecsdb/schema/row.hpp"
#include "ecsdb/transaction/ticket.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// A command transaction under construction (design D13.1): nothing happens before `submit`, `commit` or `post`, and then everything or
/// nothing.
///
/// Built and submitted on one thread. Ids of created entities are valid at once, to be stored and referred to. Dropping an unfinished
/// transaction discards it. Must not outlive its database. Rows are bytes in memory layout; `TypedTransaction` speaks components.
class Transaction {
public:
    Transaction(transaction::Pipeline& pipeline, transaction::ProducerState* producer) noexcept
        : pipeline_{&pipeline}, producer_{producer}, buffer_{producer == nullptr ? nullptr : producer->take_buffer()} {
        if (buffer_ == nullptr) {
            fail(pipeline.fork_guard().in_child() ? transaction::Pipeline::forked()
                                                  : Error{ErrorCode::OutOfMemory, "no memory to build a transaction"});
        }
    }
    Transaction(Transaction&& other) noexcept
        : pipeline_{other.pipeline_}, producer_{other.producer_}, buffer_{std::exchange(other.buffer_, nullptr)},
          error_{std::move(other.error_)}, deadline_ns_{other.deadline_ns_} {}
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
    /// Ends an entity and all it has; destroying what is not alive is a no-op.
    void destroy(Entity entity) noexcept { append(transaction::OperationKind::Destroy, entity, 0, nullptr, 0); }

    /// Adds a row; fails the transaction with `AlreadyExists` where there is one. `row` has the table's `size` bytes.
    void insert_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        put(transaction::OperationKind::Insert, entity, table, row);
    }
    /// Replaces a row; `NotFound` where there is none.
    void update_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        put(transaction::OperationKind::Update, entity, table, row);
    }
    /// Inserts or replaces.
    void set_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        put(transaction::OperationKind::Set, entity, table, row);
    }
    /// Takes a row away; a no-op where there is none.
    void remove_row(Entity entity, TableId table) noexcept { put(transaction::OperationKind::Remove, entity, table, {}); }
    /// Overwrites part of a row, from `offset` on; `NotFound` where there is no row.
    void update_part(Entity entity, TableId table, std::uint32_t offset, std::span<const std::byte> bytes) noexcept {
        const Schema& schema = pipeline_->store().schema();
        if (table >= schema.tables().size() || offset + bytes.size() > schema.table(table).size) {
            fail(Error{ErrorCode::InvalidArgument, "update of part of a row: table " + std::to_string(table) + " has no bytes " +
                                                       std::to_string(offset) + " to " + std::to_string(offset + bytes.size())});
            return;
        }
        if (!error_ && !buffer_->append_part(entity, table, offset, bytes.data(), static_cast<std::uint32_t>(bytes.size()))) {
            fail(Error{ErrorCode::OutOfMemory, "no memory to build a transaction"});
        }
    }

    // The same by name: rows built with `Row`, fields found with `find_field`.
    void insert(Entity entity, const Row& row) noexcept { insert_row(entity, row.table(), row.bytes()); }
    void set(Entity entity, const Row& row) noexcept { set_row(entity, row.table(), row.bytes()); }
    template <typename T>
    void update(Entity entity, FieldHandle<T> field, const std::type_identity_t<T>& value) noexcept {
        update_part(entity, field.table, field.offset, FieldHandle<T>::bytes_of(value));
    }

    /// Not begun by then (a `Clock::monotonic_ns` time), the transaction fails with `Timeout` and is never applied.
    void set_deadline(std::uint64_t monotonic_ns) noexcept { deadline_ns_ = monotonic_ns; }

    /// Queues the transaction, waiting for room if need be, and returns a ticket to wait with. The transaction is spent.
    [[nodiscard]] Ticket submit() noexcept { return send(transaction::CommandHeader::wants_error, pipeline_->options().submit_timeout_ns); }
    /// The same, but fails with `QueueFull` instead of waiting for room.
    [[nodiscard]] Ticket try_submit() noexcept { return send(transaction::CommandHeader::wants_error, 0); }
    /// Queues it and waits until it is visible to every new view, or has failed.
    [[nodiscard]] Result<void> commit() noexcept { return submit().wait(); }
    /// Queues it and forgets it: if it fails, only the counters tell. The result says whether it was queued.
    Result<void> post() noexcept {
        Ticket ticket = send(0, pipeline_->options().submit_timeout_ns);
        if (ticket.is_submitted()) {
            return {};
        }
        return ticket.wait();
    }

protected:
    [[nodiscard]] transaction::Pipeline& pipeline() noexcept { return *pipeline_; }
    void append(transaction::OperationKind kind, Entity entity, TableId table, const std::byte* payload, std::uint32_t bytes) noexcept {
        if (!error_ && !buffer_->append(kind, entity, table, payload, bytes)) {
            fail(Error{ErrorCode::OutOfMemory, "no memory to build a transaction"});
        }
    }

private:
    void put(transaction::OperationKind kind, Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        const Schema& schema = pipeline_->store().schema();
        const bool removes = kind == transaction::OperationKind::Remove;
        if (table >= schema.tables().size() || (!removes && row.size() != schema.table(table).size)) {
            fail(Error{ErrorCode::InvalidArgument, "row of " + std::to_string(row.size()) + " bytes for table " + std::to_string(table) +
                                                       ", which is not in the schema or has rows of another size"});
            return;
        }
        append(kind, entity, table, row.data(), static_cast<std::uint32_t>(row.size()));
    }
    void fail(Error error) noexcept {
        if (!error_) {
            error_.emplace(std::move(error));
        }
    }
    Ticket send(std::uint8_t flags, std::uint64_t wait_ns) noexcept {
        if (error_) {
            return Ticket{error_->clone()};
        }
        ECSDB_ASSERT(buffer_ != nullptr, "a transaction was submitted twice");
        Result<std::uint64_t> sequence =
            pipeline_->submit_buffer(*producer_, std::exchange(buffer_, nullptr), deadline_ns_, wait_ns, flags);
        if (!sequence) {
            return Ticket{std::move(sequence).error()};
        }
        return Ticket{*pipeline_, *producer_, *sequence};
    }

    transaction::Pipeline* pipeline_;
    transaction::ProducerState* producer_;
    transaction::CommandBuffer* buffer_;
    std::optional<Error> error_;
    std::uint64_t deadline_ns_ = 0;
};

/// The state inside a function transaction (design D13.3): reads see what the function has written so far. Only within the function.
class WriteState {
public:
    WriteState(transaction::Pipeline& pipeline, storage::WriteBuffer& state) noexcept : pipeline_{&pipeline}, state_{&state} {}

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
    Result<void> insert_row(Entity entity, TableId table, const std::byte* row) noexcept {
        return told(transaction::OperationKind::Insert, entity, table, state_->insert(entity, table, row));
    }
    Result<void> update_row(Entity entity, TableId table, const std::byte* row) noexcept {
        return told(transaction::OperationKind::Update, entity, table, state_->update(entity, table, row));
    }
    Result<void> set_row(Entity entity, TableId table, const std::byte* row) noexcept {
        return told(transaction::OperationKind::Set, entity, table, state_->set(entity, table, row));
    }
    Result<void> remove_row(Entity entity, TableId table) noexcept {
        return told(transaction::OperationKind::Remove, entity, table, state_->remove(entity, table));
    }
    [[nodiscard]] bool is_alive(Entity entity) const noexcept { return state_->root().find_living(entity) != nullptr; }
    /// Null where absent; valid until the next write.
    [[nodiscard]] const std::byte* find_row(Entity entity, TableId table) const noexcept { return state_->find_row(entity, table); }

    [[nodiscard]] storage::WriteBuffer& buffer() noexcept { return *state_; }
    [[nodiscard]] transaction::Pipeline& pipeline() noexcept { return *pipeline_; }

protected:
    Result<void> told(transaction::OperationKind kind, Entity entity, TableId table, storage::Outcome outcome) noexcept {
        if (transaction::failed(outcome)) [[unlikely]] {
            return describe(kind, entity, table, outcome);
        }
        return {};
    }

private:
    [[nodiscard]] Error describe(transaction::OperationKind kind, Entity entity, TableId table, storage::Outcome outcome) const {
        if (outcome == storage::Outcome::OutOfMemory) {
            state_->mark_broken();
        }
        return transaction::describe_failure(state_->store().schema(), kind, entity, table, outcome);
    }

    transaction::Pipeline* pipeline_;
    storage::WriteBuffer* state_;
};

} // namespace ecsdb
