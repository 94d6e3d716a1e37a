/// @file
/// Every way to write, as one sequence of transactions: single operations, transactions, changes, whole columns, functions.
#pragma once

#include "ecsdb/transaction/column_function.hpp"
#include "ecsdb/transaction/typed.hpp"
#include "ecsdb/where.hpp"
#include "ecsdb/write_sequence.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// Single operations (`RowOperations`), each a transaction of its own. `Self::sequence()` tells where they go.
template <typename Self>
class SingleOperations : public RowOperations<SingleOperations<Self>> {
    friend class RowOperations<SingleOperations<Self>>;

public:
    SingleOperations() noexcept = default;

    [[nodiscard]] const Schema& schema() noexcept { return sequence().engine->store().schema(); }

protected:
    using Kind = transaction::OperationKind;

    [[nodiscard]] WriteSequence sequence() noexcept { return static_cast<Self&>(*this).sequence(); }

    // What `RowOperations` asks for.
    Ticket do_one(Kind kind, Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        const WriteSequence to = sequence();
        return to.deadline_ns == 0 ? to.submit(kind, entity, table, row) : do_many(kind, {&entity, 1}, table, row);
    }
    Ticket do_many(Kind kind, std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        Transaction transaction = begin_list();
        transaction.do_many(kind, entities, table, rows);
        return transaction.submit();
    }
    Ticket do_parts(Entity entity, TableId table, std::span<const detail::RowPart> parts) noexcept {
        Transaction transaction = begin_list();
        transaction.do_parts(entity, table, parts);
        return transaction.submit();
    }
    Ticket refuse(Error error) noexcept { return Ticket{sequence().pipeline(), std::move(error)}; }

private:
    [[nodiscard]] Transaction begin_list() noexcept {
        const WriteSequence to = sequence();
        Transaction transaction{to.pipeline(), to.producer};
        transaction.set_deadline(to.deadline_ns);
        return transaction;
    }
};

template <Component... Ts>
class DeadlineWrites;

/// Every way to write, mixed into `Database`, where each thread's transactions are a sequence of their own, and `Producer`, which is one
/// sequence. `Self::sequence()` tells which.
template <typename Self, Component... Ts>
class Writes : public TypedOperations<Self, BoundTo<SingleOperations<Self>, Ts...>, Ts...> {
    using Base = TypedOperations<Self, BoundTo<SingleOperations<Self>, Ts...>, Ts...>;

public:
    using Transaction = TypedTransaction<Ts...>;
    using Changes = TypedChanges<Ts...>;
    using WriteState = TypedWriteState<Ts...>;
    using TableIds = std::array<TableId, sizeof...(Ts)>;

    /// All the ways to write once more, with a time by which a transaction must have been begun: what is not begun by `monotonic_ns` (a
    /// `Clock::monotonic_ns` time, on Linux `std::chrono::steady_clock`'s) is never applied, and fails with `Timeout`. A function must also
    /// have ended by then (`WriteState::expired` tells), and is rolled back otherwise. In the same sequence as what is written without;
    /// 0 takes the time away. `db.with_deadline(t).insert(…)`, `.apply(changes)`, `.where<T>().destroy()`, `.update<T>(fn)`, ….
    [[nodiscard]] DeadlineWrites<Ts...> with_deadline(std::uint64_t monotonic_ns) noexcept {
        WriteSequence to = sequence();
        to.deadline_ns = monotonic_ns;
        return DeadlineWrites<Ts...>{to, tables_};
    }

    /// Begins a command transaction.
    [[nodiscard]] Transaction begin() noexcept {
        const WriteSequence to = sequence();
        Transaction transaction{tables_, to.pipeline(), to.producer};
        transaction.set_deadline(to.deadline_ns);
        return transaction;
    }

    /// An empty list of changes, to be gathered anywhere and handed to `apply`.
    [[nodiscard]] Changes changes() {
        storage::Store& store = sequence().engine->store();
        return Changes{tables_, store};
    }
    /// Does all of `changes`, or nothing, as one transaction, and waits until it is visible. Returns the ids of the entities it created, in
    /// the order of their `create`. `changes` may be applied again.
    ///
    /// Several lists, each gathered apart, are done as if they were one, in the order given:
    /// `db.apply(updates, inserts, removes, destroys, spawns)`.
    template <std::derived_from<ecsdb::Changes>... More>
    [[nodiscard]] Result<std::vector<Entity>> apply(const ecsdb::Changes& changes, const More&... more) noexcept {
        Transaction transaction = begin();
        std::vector<Entity> created = transaction.add(changes);
        [[maybe_unused]] const auto add = [&](const ecsdb::Changes& others) {
            const std::vector<Entity> theirs = transaction.add(others);
            created.insert(created.end(), theirs.begin(), theirs.end());
        };
        (add(more), ...);
        if (Result<void> committed = transaction.commit(); !committed) {
            return std::move(committed).error();
        }
        return created;
    }

    // Single operations are transactions of their own: `insert`, `update`, `set`, `remove`, `destroy` and all others of `TypedOperations`
    // and `RowOperations`. Each returns a ticket, or waits with `.wait()`.

    /// A new entity with the given components, or rows by name. The ticket brings its id. Cost: an allocation besides that of a command.
    template <RowOrOneOf<Ts...>... As>
    TicketOf<Entity> create(const As&... components) noexcept {
        Transaction transaction = begin();
        const Entity entity = transaction.create(components...);
        return submit_with(transaction, entity);
    }
    /// `count` new entities, each with a copy of the given components or rows. The ticket brings their ids.
    template <RowOrOneOf<Ts...>... As>
    TicketOf<std::vector<Entity>> create_many(std::size_t count, const As&... components) {
        Transaction transaction = begin();
        std::vector<Entity> entities = transaction.create_many(count, components...);
        return submit_with(transaction, std::move(entities));
    }
    /// `count` new entities with the rows in `columns`, which each hold `count` rows of a table.
    TicketOf<std::vector<Entity>> create_many(std::size_t count, std::span<const Rows> columns) {
        Transaction transaction = begin();
        std::vector<Entity> entities = transaction.create_many(count, columns);
        return submit_with(transaction, std::move(entities));
    }

    /// Every entity that has all of these components, to be written to in one transaction: see `Where`. Without names: every entity there
    /// is.
    template <OneOf<Ts...>... As>
    [[nodiscard]] auto where() noexcept {
        using Tables = detail::BoundTables<Ts...>;
        return Where<WriteSequence, Tables, AcceptAll, std::remove_const_t<As>...>{
            sequence(), transaction::EntityQuery{std::array<TableId, sizeof...(As)>{this->template table_of<As>()...}}, Tables{tables_}};
    }
    /// The same by table id: every entity with a row in all of `tables`.
    [[nodiscard]] auto where_rows(std::span<const TableId> tables) noexcept {
        return WhereRows<WriteSequence>{sequence(), transaction::EntityQuery{tables}};
    }

    using Base::update;

    /// Computes whole columns anew: `fn(A&, const B&, …)` for every entity that has all of them. Types without `const` are written.
    ///
    /// `fn` sees one row, has no other effects, and may run more than once per row, and for different rows on two threads at once: the
    /// caller's, and the writer's while that has nothing else to do. Isolated and atomic like any transaction. Returns once visible. Cost:
    /// one pass over the columns and one copy of those written. All components must be kept in tables (`Storage::Table`), and those written
    /// must have no text or blob, and no field with a constraint (bounds, enums, strings, not_null, unique, foreign keys): they are checked
    /// row by row, and a whole column is not. `InvalidArgument` otherwise. An exception that `fn` throws, on whichever thread, ends it:
    /// nothing changes, and the error is `Aborted`.
    template <typename A, typename... More, typename Fn>
    requires(OneOf<A, Ts...> && (OneOf<More, Ts...> && ...)) Result<void> update(Fn&& fn)
    noexcept {
        if constexpr (std::is_function_v<std::remove_reference_t<Fn>>) {
            auto* pointer = &fn; // no void* can hold a function's own address
            return update_all<A, More...>(pointer);
        } else {
            return update_all<A, More...>(fn);
        }
    }

    /// The same for tables known by id: `fn(std::byte* const* written, const std::byte* const* read)` for every entity with a row in all of
    /// them. `written[i]` is its row in `written_tables[i]`, to be changed in place; `read[i]` that in `read_tables[i]`. `InvalidArgument`
    /// also for a table named twice, for one without fields among those written, and for more than 8 written or 32 in all. `Aborted` also
    /// where a bool, or the presence byte of a nullable field, is left neither 0 nor 1.
    template <typename Fn>
    Result<void> update_columns(std::span<const TableId> written_tables, std::span<const TableId> read_tables, Fn&& fn) noexcept {
        const Schema& schema = sequence().engine->store().schema();
        transaction::UpdateTables tables;
        tables.written = written_tables.size();
        tables.count = written_tables.size() + read_tables.size();
        tables.untyped = true;
        if (written_tables.empty() || tables.written > transaction::max_written_tables || tables.count > tables.ids.size()) {
            return Error{ErrorCode::InvalidArgument, "column update: " + std::to_string(tables.written) + " tables to write and " +
                                                         std::to_string(read_tables.size()) + " to read; it takes 1 to " +
                                                         std::to_string(transaction::max_written_tables) + ", and " +
                                                         std::to_string(tables.ids.size()) + " in all"};
        }
        std::copy(read_tables.begin(), read_tables.end(), std::copy(written_tables.begin(), written_tables.end(), tables.ids.begin()));
        for (std::size_t i = 0; i < tables.count; ++i) {
            const TableId id = tables.ids[i];
            const auto same = std::span{tables.ids}.first(i);
            if (id >= schema.tables().size() || std::find(same.begin(), same.end(), id) != same.end() ||
                (i < tables.written && schema.table(id).size == 0)) {
                return Error{ErrorCode::InvalidArgument, "column update: table " + std::to_string(id) +
                                                             " is not in the schema, is named twice, or has no fields to write"};
            }
        }
        transaction::RowFunction<std::remove_reference_t<Fn>> rows{fn, schema, tables};
        return sequence().run_update(tables, &decltype(rows)::compute, &rows);
    }

    /// Runs `fn(WriteState&)` on the writer as one transaction and returns what it returned (as a `Result`). An error it returns, or an
    /// exception it throws, rolls everything back. `fn` must not wait for anything.
    template <typename Fn>
    auto execute(Fn&& fn) noexcept {
        const WriteSequence to = sequence();
        auto on_writer = [&](storage::WriteBuffer& buffer) {
            WriteState state{tables_, to.pipeline(), buffer, to.deadline_ns};
            return fn(state);
        };
        return to.run_function(on_writer);
    }

    /// The same without waiting: `fn` moves into the queue and runs in its turn. Returns a `Ticket`, or a `TicketOf<T>` where `fn` returns
    /// a `T` or a `Result<T>`. `fn` must not refer to anything that may be gone by then, nor throw when moved; it ends, and what it has
    /// captured, before the outcome is told. Cost: as a command's; one allocation where there is a `T` to bring back, or for an `fn` of
    /// more than about 4000 bytes.
    template <typename Fn>
    auto submit(Fn fn) noexcept {
        const WriteSequence to = sequence();
        auto on_writer = queued(to, std::move(fn));
        using Outcome = transaction::OutcomeOf<decltype(on_writer)>;
        constexpr std::uint8_t flags = transaction::CommandHeader::wants_error;
        if constexpr (std::is_void_v<typename Outcome::value_type>) {
            return to.submit_function(std::move(on_writer), nullptr, flags);
        } else {
            auto slot = std::make_shared<std::optional<Outcome>>();
            Ticket ticket = to.submit_function(std::move(on_writer), slot, flags);
            return TicketOf<typename Outcome::value_type>{std::move(ticket), std::move(slot)};
        }
    }
    /// Queues `fn(WriteState&)` and forgets it: if it fails, only the counters tell. The result says whether it was queued.
    template <typename Fn>
    Result<void> post(Fn fn) noexcept {
        const WriteSequence to = sequence();
        Ticket ticket = to.submit_function(queued(to, std::move(fn)), nullptr, 0);
        return ticket.is_submitted() ? Result<void>{} : ticket.wait();
    }

protected:
    explicit Writes(const TableIds& tables) noexcept : Base{tables} {}

    using Base::tables_;

private:
    using Base::sequence;

    /// Queues `transaction`; the ticket brings `value`.
    template <typename T>
    [[nodiscard]] static TicketOf<T> submit_with(Transaction& transaction, T value) noexcept {
        auto slot = std::make_shared<std::optional<Result<T>>>(Result<T>{std::move(value)});
        return {transaction.submit(), std::move(slot)};
    }

    /// `fn(WriteState&)` as the writer will call it, by itself.
    template <typename Fn>
    [[nodiscard]] auto queued(const WriteSequence& to, Fn&& fn) const noexcept {
        return [fn = std::move(fn), pipeline = &to.pipeline(), tables = tables_,
                deadline_ns = to.deadline_ns](storage::WriteBuffer& buffer) mutable {
            WriteState state{tables, *pipeline, buffer, deadline_ns};
            return fn(state);
        };
    }

    template <typename... As, typename Fn>
    Result<void> update_all(Fn& fn) noexcept {
        using Columns = transaction::ColumnFunction<As...>;
        return sequence().run_update(Columns::tables({this->template table_of<As>()...}), &Columns::template compute<Fn>,
                                     const_cast<void*>(static_cast<const void*>(std::addressof(fn))));
    }
};

/// What `Writes::with_deadline` returns. Belongs to the thread, or to the `Producer`, it was made by; must not outlive it.
template <Component... Ts>
class DeadlineWrites : public Writes<DeadlineWrites<Ts...>, Ts...> {
    using Base = Writes<DeadlineWrites<Ts...>, Ts...>;

public:
    DeadlineWrites(const WriteSequence& to, const typename Base::TableIds& tables) noexcept : Base{tables}, to_{to} {}

    /// For `Writes`.
    [[nodiscard]] WriteSequence sequence() noexcept { return to_; }

private:
    WriteSequence to_;
};

} // namespace ecsdb
