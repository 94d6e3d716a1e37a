/// @file
/// Where what is written goes: a sequence of transactions, each queued as what it is.
#pragma once

#include "ecsdb/recovery/engine.hpp"
#include "ecsdb/transaction/column_update.hpp"
#include "ecsdb/transaction/function.hpp"
#include "ecsdb/transaction/ticket_of.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// A sequence of transactions: those of one producer run in the order in which they were submitted. `producer` is null when there
/// can be none.
struct WriteSequence {
    Engine* engine;
    transaction::ProducerState* producer;
    std::uint64_t deadline_ns = 0; ///< What is not begun by then (a `Clock::monotonic_ns` time) is never applied; 0: no such time.

    [[nodiscard]] transaction::Pipeline& pipeline() const noexcept { return engine->pipeline(); }

    [[nodiscard]] Deadline deadline() const noexcept { return {&pipeline().clock(), deadline_ns}; }

    /// Queues a transaction of one operation, whose table and row are right. Without a deadline.
    [[nodiscard]] Ticket submit(transaction::OperationKind kind, Entity entity, TableId table,
                                std::span<const std::byte> row) const noexcept {
        if (producer == nullptr) [[unlikely]] {
            return Ticket{pipeline(), pipeline().no_producer()};
        }
        Result<std::uint64_t> sequence =
            pipeline().submit_one(*producer, kind, entity, table, row.data(), static_cast<std::uint32_t>(row.size()),
                                  pipeline().options().submit_timeout_ns, transaction::CommandHeader::wants_error);
        if (!sequence) [[unlikely]] {
            return Ticket{pipeline(), std::move(sequence).error()};
        }
        return Ticket{pipeline(), *producer, *sequence};
    }

    /// Runs `fn(storage::WriteBuffer&)` as a function transaction and waits for it.
    template <typename Fn>
    transaction::OutcomeOf<Fn> run_function(Fn& fn, bool only_removes = false) const noexcept {
        transaction::Pipeline& pipeline = engine->pipeline();
        if (producer == nullptr) {
            return pipeline.no_producer();
        }
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a function transaction was started from inside another one"};
        }
        transaction::FunctionTask<Fn> task{fn, deadline(), only_removes};
        Result<std::uint64_t> sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error, deadline_ns);
        if (!sequence) {
            return std::move(sequence).error();
        }
        if (Result<void> waited = pipeline.wait(*producer, *sequence, no_timeout); !waited) {
            return std::move(waited).error();
        }
        return task.take_outcome();
    }

    /// Queues `fn(storage::WriteBuffer&)`, which moves into the queue; `slot` takes what it returns, if somebody asks.
    template <typename Fn>
    [[nodiscard]] Ticket submit_function(Fn&& fn, transaction::OutcomeSlot<transaction::OutcomeOf<Fn>> slot,
                                         std::uint8_t flags) const noexcept {
        static_assert(!std::is_reference_v<Fn> && std::is_nothrow_move_constructible_v<Fn>,
                      "a queued function is moved, and must not throw then");
        if (producer == nullptr) {
            return Ticket{pipeline(), pipeline().no_producer()};
        }
        Result<std::uint64_t> sequence = pipeline().submit_own_task(
            *producer, transaction::QueuedFunction<Fn>{std::move(fn), deadline(), std::move(slot)}, flags, deadline_ns);
        if (!sequence) {
            return Ticket{pipeline(), std::move(sequence).error()};
        }
        return Ticket{pipeline(), *producer, *sequence};
    }

    /// Runs a column update of tables kept in archetypes and waits until it is visible.
    [[nodiscard]] Result<void> run_update(const transaction::UpdateTables& tables, transaction::ColumnUpdate::Compute compute,
                                          void* context) const noexcept {
        Result<void> result = try_update(tables, compute, context);
        // That it failed has made the writer free what it can.
        return !result && result.error().code() == ErrorCode::OutOfMemory ? try_update(tables, compute, context) : std::move(result);
    }

private:
    [[nodiscard]] Result<void> try_update(const transaction::UpdateTables& tables, transaction::ColumnUpdate::Compute compute,
                                          void* context) const noexcept {
        transaction::Pipeline& pipeline = engine->pipeline();
        const Schema& schema = engine->store().schema();
        if (producer == nullptr) {
            return pipeline.no_producer();
        }
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a column update was started from inside a function transaction"};
        }
        if (storage::any_sparse(schema, tables.all())) {
            return Error{ErrorCode::InvalidArgument, "column update: a sparse component has no column; use a function transaction"};
        }
        for (std::size_t i = 0; i < tables.written; ++i) {
            if (const Table& table = schema.table(tables.ids[i]); table.has_contents()) {
                return Error{ErrorCode::InvalidArgument, "column update: table `" + table.name + "`, field `" +
                                                             table.fields[table.contents[0]].name +
                                                             "` is a text or blob; such a table can be read, but not written as a column"};
            }
        }
        for (std::size_t i = 0; engine->constraints() != nullptr && i < tables.written; ++i) {
            const Table& table = schema.table(tables.ids[i]);
            if (const Field* const field = constraint::first_constrained_field(schema, table); field != nullptr) {
                return Error{ErrorCode::InvalidArgument, "column update: table `" + table.name + "`, field `" + field->name +
                                                             "` has a constraint, which is checked row by row; use a function transaction"};
            }
        }
        storage::PinnedRoot pinned{pipeline.store()};
        transaction::UpdateScratch* const scratch = pinned.get() == nullptr ? nullptr : pipeline.take_scratch();
        if (scratch == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to begin a column update"};
        }
        Result<void> result;
        {
            transaction::ColumnUpdate task{std::move(pinned), tables, compute, context, *scratch, deadline()};
            // One that got no memory goes to the writer all the same: there it fails, and the writer looks for what it can free.
            if (Result<void> computed = task.compute(pipeline.writer().records(), pipeline.help_desk());
                !computed && computed.error().code() != ErrorCode::OutOfMemory) {
                result = std::move(computed);
            } else if (Result<std::uint64_t> sequence =
                           pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error, deadline_ns);
                       !sequence) {
                result = std::move(sequence).error();
            } else {
                result = pipeline.wait(*producer, *sequence, no_timeout);
            }
        }
        pipeline.give_scratch(scratch);
        return result;
    }
};

} // namespace ecsdb
