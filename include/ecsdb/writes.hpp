/// @file
/// Every way to write, as one sequence of transactions: single operations, transactions, changes, whole columns, functions.
#pragma once

#include "ecsdb/recovery/engine.hpp"
#include "ecsdb/transaction/column_update.hpp"
#include "ecsdb/transaction/function.hpp"
#include "ecsdb/transaction/ticket_of.hpp"
#include "ecsdb/transaction/typed.hpp"
#include "ecsdb/where.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// A sequence of transactions: those of one producer run in the order in which they were submitted. A plain pair of pointers; `producer` is
/// null when there can be none.
struct WriteSequence {
    Engine* engine;
    transaction::ProducerState* producer;

    [[nodiscard]] transaction::Pipeline& pipeline() const noexcept { return engine->pipeline(); }

    /// Queues a transaction of one operation, whose table and row are right.
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

    /// The same by table id and bytes from outside.
    [[nodiscard]] Ticket submit_checked(transaction::OperationKind kind, Entity entity, TableId table,
                                        std::span<const std::byte> row) const noexcept {
        const std::vector<Table>& tables = engine->store().schema().tables();
        const bool removes = kind == transaction::OperationKind::Remove;
        if (table >= tables.size() || (!removes && row.size() != tables[table].size)) {
            return Ticket{pipeline(), Edits::no_such_row(table, row.size())};
        }
        return submit(kind, entity, table, row);
    }

    /// Runs `fn(storage::WriteBuffer&)` as a function transaction and waits for it.
    template <typename Fn>
    transaction::OutcomeOf<Fn> run_function(Fn& fn, std::uint64_t deadline_ns, bool only_removes = false) const noexcept {
        transaction::Pipeline& pipeline = engine->pipeline();
        if (producer == nullptr) {
            return pipeline.no_producer();
        }
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a function transaction was started from inside another one"};
        }
        transaction::FunctionTask<Fn> task{fn, {&pipeline.clock(), deadline_ns}, only_removes};
        Result<std::uint64_t> sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error);
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
    [[nodiscard]] Ticket submit_function(Fn&& fn, std::uint64_t deadline_ns, transaction::OutcomeSlot<transaction::OutcomeOf<Fn>> slot,
                                         std::uint8_t flags) const noexcept {
        static_assert(!std::is_reference_v<Fn> && std::is_nothrow_move_constructible_v<Fn>,
                      "a queued function is moved, and must not throw then");
        if (producer == nullptr) {
            return Ticket{pipeline(), pipeline().no_producer()};
        }
        Result<std::uint64_t> sequence = pipeline().submit_own_task(
            *producer, transaction::QueuedFunction<Fn>{std::move(fn), {&pipeline().clock(), deadline_ns}, std::move(slot)}, flags);
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
            transaction::ColumnUpdate task{std::move(pinned), tables, compute, context, *scratch};
            // One that got no memory goes to the writer all the same: there it fails, and the writer looks for what it can free.
            if (Result<void> computed = task.compute(pipeline.writer().records(), pipeline.help_desk());
                !computed && computed.error().code() != ErrorCode::OutOfMemory) {
                result = std::move(computed);
            } else if (Result<std::uint64_t> sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error);
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

namespace detail {

/// What a column update runs for `fn(As&...)`: written columns first, then those only read, whatever the order of the types.
template <typename... As>
class ColumnFunction {
public:
    /// A tag has nothing to write.
    template <typename A>
    static constexpr bool is_written = !std::is_const_v<A> && !std::is_empty_v<A>;
    static constexpr std::size_t written = (std::size_t{is_written<As>} + ...);
    static_assert(written > 0, "update: at least one component with fields must be named without const");
    static_assert(written <= transaction::max_written_tables && sizeof...(As) <= storage::max_query_tables);

    /// `ids` are the tables of `As`, in their order.
    [[nodiscard]] static transaction::UpdateTables tables(const std::array<TableId, sizeof...(As)>& ids) noexcept {
        transaction::UpdateTables tables;
        tables.written = written;
        tables.count = sizeof...(As);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            tables.ids[places[i]] = ids[i];
        }
        return tables;
    }
    /// A `ColumnUpdate::Compute` whose context is the function.
    template <typename Fn>
    static void compute(void* fn, const std::byte* const* in, std::byte* const* out, std::uint32_t rows) {
        compute_all(*static_cast<Fn*>(fn), in, out, rows, std::index_sequence_for<As...>{});
    }

private:
    static constexpr std::array<std::size_t, sizeof...(As)> find_places() {
        constexpr std::array<bool, sizeof...(As)> read_only{!is_written<As>...};
        std::array<std::size_t, sizeof...(As)> found{};
        std::size_t next = 0;
        for (const bool pass : {false, true}) {
            for (std::size_t i = 0; i < read_only.size(); ++i) {
                if (read_only[i] == pass) {
                    found[i] = next++;
                }
            }
        }
        return found;
    }
    static constexpr std::array<std::size_t, sizeof...(As)> places = find_places();

    template <typename Fn, std::size_t... I>
    static void compute_all(Fn& fn, const std::byte* const* in, std::byte* const* out, std::uint32_t rows, std::index_sequence<I...>) {
        compute_rows(fn, rows, row_source<As>(in, out, places[I])...);
    }

    /// Where one argument of the function comes from, and goes to if it is written.
    template <typename A>
    struct RowSource {
        const std::remove_const_t<A>* __restrict in;
        std::remove_const_t<A>* __restrict out;
    };
    template <typename A>
    static RowSource<A> row_source(const std::byte* const* in, std::byte* const* out, std::size_t place) noexcept {
        using T = std::remove_const_t<A>;
        if constexpr (!is_written<A>) {
            return {reinterpret_cast<const T*>(in[place]), nullptr};
        } else {
            return {reinterpret_cast<const T*>(in[place]), reinterpret_cast<T*>(out[place])};
        }
    }
    template <typename Fn>
    static void compute_rows(Fn& fn, std::uint32_t rows, RowSource<As>... sources) {
        // Blocks of a fixed size become straight vector code over whole cache lines: 15 % faster than one long loop.
        constexpr std::uint32_t block = 16;
        std::uint32_t row = 0;
        for (; row + block <= rows; row += block) {
            for (std::uint32_t i = 0; i < block; ++i) {
                compute_row(fn, row + i, sources...);
            }
        }
        for (; row < rows; ++row) {
            compute_row(fn, row, sources...);
        }
    }
    template <typename Fn>
    static ECSDB_ALWAYS_INLINE void compute_row(Fn& fn, std::uint32_t i, RowSource<As>... sources) {
        std::tuple<std::remove_const_t<As>...> row{sources.in[i]...};
        std::apply([&](auto&... values) { fn(static_cast<As&>(values)...); }, row);
        std::apply([&](auto&... values) { (store<As>(sources, i, values), ...); }, row);
    }
    template <typename A>
    static ECSDB_ALWAYS_INLINE void store(RowSource<A> source, std::uint32_t i, const std::remove_const_t<A>& value) {
        if constexpr (is_written<A>) {
            source.out[i] = value;
        }
    }
};

/// What a column update runs for `fn(written rows, read rows)` of tables known by id.
template <typename Fn>
class RowFunction {
public:
    RowFunction(Fn& fn, const Schema& schema, const transaction::UpdateTables& tables) noexcept : fn_{&fn}, tables_{&tables} {
        for (std::size_t i = 0; i < tables.count; ++i) {
            bytes_[i] = schema.table(tables.ids[i]).size;
        }
    }

    /// A `ColumnUpdate::Compute` whose context is this.
    static void compute(void* context, const std::byte* const* in, std::byte* const* out, std::uint32_t rows) {
        const auto& self = *static_cast<const RowFunction*>(context);
        const transaction::UpdateTables& tables = *self.tables_;
        std::array<std::byte*, transaction::max_written_tables> written{};
        std::array<const std::byte*, storage::max_query_tables> read{};
        for (std::size_t row = 0; row < rows; ++row) {
            for (std::size_t i = 0; i < tables.written; ++i) {
                written[i] = out[i] + row * self.bytes_[i];
                std::memcpy(written[i], in[i] + row * self.bytes_[i], self.bytes_[i]);
            }
            for (std::size_t i = tables.written; i < tables.count; ++i) {
                read[i - tables.written] = in[i] + row * self.bytes_[i];
            }
            (*self.fn_)(static_cast<std::byte* const*>(written.data()), static_cast<const std::byte* const*>(read.data()));
        }
    }

private:
    Fn* fn_;
    const transaction::UpdateTables* tables_;
    std::array<std::size_t, storage::max_query_tables> bytes_{};
};

} // namespace detail

/// Every way to write, mixed into `Database`, where each thread's transactions are a sequence of their own, and `Producer`, which is one
/// sequence. `Self::sequence()` tells which.
template <typename Self, Component... Ts>
class Writes {
public:
    using Transaction = TypedTransaction<Ts...>;
    using Changes = TypedChanges<Ts...>;
    using WriteState = TypedWriteState<Ts...>;
    using TableIds = std::array<TableId, sizeof...(Ts)>;

    /// Begins a command transaction.
    [[nodiscard]] Transaction begin() noexcept {
        const WriteSequence to = sequence();
        return Transaction{tables_, to.pipeline(), to.producer};
    }

    /// An empty list of changes, to be gathered anywhere and handed to `apply`.
    [[nodiscard]] Changes changes() {
        storage::Store& store = sequence().engine->store();
        return Changes{tables_, store};
    }
    /// Does all of `changes`, or nothing, as one transaction, and waits until it is visible. Returns the ids of the entities it created, in
    /// the order of their `create`. `changes` may be applied again.
    [[nodiscard]] Result<std::vector<Entity>> apply(const ecsdb::Changes& changes) noexcept {
        Transaction transaction = begin();
        std::vector<Entity> created = transaction.add(changes);
        if (Result<void> committed = transaction.commit(); !committed) {
            return std::move(committed).error();
        }
        return created;
    }

    // Single operations are transactions of their own; each returns a ticket, or waits with `.wait()`.

    template <OneOf<Ts...> T>
    Ticket insert(Entity entity, const T& component) noexcept {
        return sequence().submit(transaction::OperationKind::Insert, entity, table_of<T>(), detail::row_bytes(component));
    }
    template <OneOf<Ts...> T>
    Ticket update(Entity entity, const T& component) noexcept {
        return sequence().submit(transaction::OperationKind::Update, entity, table_of<T>(), detail::row_bytes(component));
    }
    template <OneOf<Ts...> T>
    Ticket set(Entity entity, const T& component) noexcept {
        return sequence().submit(transaction::OperationKind::Set, entity, table_of<T>(), detail::row_bytes(component));
    }
    template <OneOf<Ts...> T>
    Ticket remove(Entity entity) noexcept {
        return sequence().submit(transaction::OperationKind::Remove, entity, table_of<T>(), {});
    }
    Ticket destroy(Entity entity) noexcept { return sequence().submit(transaction::OperationKind::Destroy, entity, 0, {}); }

    // The same by table id, field handle and bytes. `InvalidArgument` for a table that is not there, or rows of another size.

    Ticket insert_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return sequence().submit_checked(transaction::OperationKind::Insert, entity, table, row);
    }
    Ticket update_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return sequence().submit_checked(transaction::OperationKind::Update, entity, table, row);
    }
    Ticket set_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return sequence().submit_checked(transaction::OperationKind::Set, entity, table, row);
    }
    Ticket remove_row(Entity entity, TableId table) noexcept {
        return sequence().submit_checked(transaction::OperationKind::Remove, entity, table, {});
    }
    Ticket insert(Entity entity, const Row& row) noexcept { return insert_row(entity, row.table(), row.bytes()); }
    Ticket update(Entity entity, const Row& row) noexcept { return update_row(entity, row.table(), row.bytes()); }
    Ticket set(Entity entity, const Row& row) noexcept { return set_row(entity, row.table(), row.bytes()); }
    /// Gives one field its value, and makes it present.
    template <typename T>
    Ticket update(Entity entity, FieldHandle<T> field, const std::type_identity_t<T>& value) noexcept {
        Transaction transaction = begin();
        transaction.update(entity, field, value);
        return transaction.submit();
    }
    /// Makes a nullable field absent, or a reference null.
    template <typename T>
    Ticket update_to_null(Entity entity, FieldHandle<T> field) noexcept {
        Transaction transaction = begin();
        transaction.update_to_null(entity, field);
        return transaction.submit();
    }

    /// Every entity that has all of these components, to be written to in one transaction: see `Where`. Without names: every entity there
    /// is.
    template <OneOf<Ts...>... As>
    [[nodiscard]] auto where() noexcept {
        using Tables = detail::BoundTables<Ts...>;
        return Where<WriteSequence, Tables, AcceptAll, std::remove_const_t<As>...>{
            sequence(), transaction::EntityQuery{std::array<TableId, sizeof...(As)>{table_of<As>()...}}, Tables{tables_}};
    }
    /// The same by table id: every entity with a row in all of `tables`.
    [[nodiscard]] auto where_rows(std::span<const TableId> tables) noexcept {
        return WhereRows<WriteSequence>{sequence(), transaction::EntityQuery{tables}};
    }

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
        detail::RowFunction<std::remove_reference_t<Fn>> rows{fn, schema, tables};
        return sequence().run_update(tables, &decltype(rows)::compute, &rows);
    }

    /// Runs `fn(WriteState&)` on the writer as one transaction and returns what it returned (as a `Result`). An error it returns, or an
    /// exception it throws, rolls everything back. `fn` must not wait for anything. `deadline_ns`: a monotonic time by which it must have
    /// ended, which `WriteState::expired` tells of; past it nothing is applied, and the error is `Timeout`.
    template <typename Fn>
    auto execute(Fn&& fn, std::uint64_t deadline_ns = 0) noexcept {
        const WriteSequence to = sequence();
        auto on_writer = [&](storage::WriteBuffer& buffer) {
            WriteState state{to.pipeline(), buffer, tables_, deadline_ns};
            return fn(state);
        };
        return to.run_function(on_writer, deadline_ns);
    }

    /// The same without waiting: `fn` moves into the queue and runs in its turn. Returns a `Ticket`, or a `TicketOf<T>` where `fn` returns
    /// a `T` or a `Result<T>`. `fn` must not refer to anything that may be gone by then, nor throw when moved; it ends, and what it has
    /// captured, before the outcome is told. Cost: as a command's; one allocation where there is a `T` to bring back, or for an `fn` of
    /// more than about 4000 bytes.
    template <typename Fn>
    auto submit(Fn fn, std::uint64_t deadline_ns = 0) noexcept {
        const WriteSequence to = sequence();
        auto on_writer = queued(to, std::move(fn), deadline_ns);
        using Outcome = transaction::OutcomeOf<decltype(on_writer)>;
        constexpr std::uint8_t flags = transaction::CommandHeader::wants_error;
        if constexpr (std::is_void_v<typename Outcome::value_type>) {
            return to.submit_function(std::move(on_writer), deadline_ns, nullptr, flags);
        } else {
            auto slot = std::make_shared<std::optional<Outcome>>();
            Ticket ticket = to.submit_function(std::move(on_writer), deadline_ns, slot, flags);
            return TicketOf<typename Outcome::value_type>{std::move(ticket), std::move(slot)};
        }
    }
    /// Queues `fn(WriteState&)` and forgets it: if it fails, only the counters tell. The result says whether it was queued.
    template <typename Fn>
    Result<void> post(Fn fn, std::uint64_t deadline_ns = 0) noexcept {
        const WriteSequence to = sequence();
        Ticket ticket = to.submit_function(queued(to, std::move(fn), deadline_ns), deadline_ns, nullptr, 0);
        return ticket.is_submitted() ? Result<void>{} : ticket.wait();
    }

protected:
    explicit Writes(const TableIds& tables) noexcept : tables_{tables} {}

    template <typename T>
    [[nodiscard]] TableId table_of() const noexcept {
        return tables_[detail::position_of<std::remove_const_t<T>, Ts...>()];
    }

    TableIds tables_;

private:
    [[nodiscard]] WriteSequence sequence() noexcept { return static_cast<Self&>(*this).sequence(); }

    /// `fn(WriteState&)` as the writer will call it, by itself.
    template <typename Fn>
    [[nodiscard]] auto queued(const WriteSequence& to, Fn&& fn, std::uint64_t deadline_ns) const noexcept {
        return [fn = std::move(fn), pipeline = &to.pipeline(), tables = tables_, deadline_ns](storage::WriteBuffer& buffer) mutable {
            WriteState state{*pipeline, buffer, tables, deadline_ns};
            return fn(state);
        };
    }

    template <typename... As, typename Fn>
    Result<void> update_all(Fn& fn) noexcept {
        using Columns = detail::ColumnFunction<As...>;
        return sequence().run_update(Columns::tables({table_of<As>()...}), &Columns::template compute<Fn>,
                                     const_cast<void*>(static_cast<const void*>(std::addressof(fn))));
    }
};

} // namespace ecsdb
