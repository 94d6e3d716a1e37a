/// @file
/// The database: opens, and hands out views, transactions, updates.
#pragma once

#include "ecsdb/options.hpp"
#include "ecsdb/query/view.hpp"
#include "ecsdb/recovery/open.hpp"
#include "ecsdb/transaction/function.hpp"
#include "ecsdb/transaction/typed.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// What every database can do, whatever its component types.
///
/// All calls are safe from any thread. Writes go through one queue to one writer; readers pin versions and never wait.
class AnyDatabase {
public:
    AnyDatabase(AnyDatabase&&) noexcept = default;
    AnyDatabase& operator=(AnyDatabase&&) noexcept = default;

    [[nodiscard]] const Schema& schema() const noexcept { return engine_->store().schema(); }
    /// The newest version every new view sees.
    [[nodiscard]] std::uint64_t version() const noexcept { return engine_->store().published_version(); }

    /// Waits until version `version` is visible. `Timeout` after `timeout_ns`.
    [[nodiscard]] Result<void> wait_for_version(std::uint64_t version, std::uint64_t timeout_ns = no_timeout) noexcept {
        return engine_->wait_for_version(version, timeout_ns);
    }
    /// Waits until everything visible now is as durable as asked. Cost: a sync of the log for `Synced`.
    [[nodiscard]] Result<void> flush(Durability level) noexcept { return engine_->flush(level); }
    /// Writes a snapshot of the newest version and lets go of the log before it. Reads and writes go on meanwhile.
    [[nodiscard]] Result<void> snapshot() noexcept { return engine_->snapshot(); }
    /// What opening found and did.
    [[nodiscard]] const RecoveryReport& recovery_report() const noexcept { return engine_->recovery_report(); }
    /// Ends the database in order: runs what is queued, flushes, closes the files. Done by the destructor too, without a word.
    [[nodiscard]] Result<void> close() noexcept { return engine_->close(); }

    /// Sizes and totals. Any thread; each figure by itself is exact at some moment.
    [[nodiscard]] Statistics statistics() const noexcept { return engine_->statistics(); }

    /// Runs the writer's work on the calling thread, when the database was opened without a thread of its own. False when there was none.
    bool step() noexcept { return engine_->pipeline().step(); }

    /// The engine's rooms, for tools, tests and later parts.
    [[nodiscard]] Engine& engine() noexcept { return *engine_; }

protected:
    explicit AnyDatabase(std::unique_ptr<Engine> engine) noexcept : engine_{std::move(engine)} {}

    /// Runs `fn(storage::WriteBuffer&)` as a function transaction and waits for it.
    template <typename Fn>
    auto run_function(Fn& fn, std::uint64_t deadline_ns) noexcept -> typename transaction::FunctionTask<Fn>::Outcome {
        transaction::Pipeline& pipeline = engine_->pipeline();
        transaction::ProducerState* const producer = pipeline.this_thread_producer();
        if (producer == nullptr) {
            return pipeline.no_producer();
        }
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a function transaction was started from inside another one"};
        }
        transaction::FunctionTask<Fn> task{fn, pipeline.clock(), deadline_ns};
        Result<std::uint64_t> sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error);
        if (!sequence) {
            return std::move(sequence).error();
        }
        if (Result<void> waited = pipeline.wait(*producer, *sequence, no_timeout); !waited) {
            return std::move(waited).error();
        }
        return task.take_outcome();
    }

    /// Runs a column update and waits until it is visible.
    Result<void> run_update(const transaction::UpdateTables& tables, transaction::ColumnUpdate::Compute compute, void* context) noexcept {
        transaction::Pipeline& pipeline = engine_->pipeline();
        transaction::ProducerState* const producer = pipeline.this_thread_producer();
        if (producer == nullptr) {
            return pipeline.no_producer();
        }
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a column update was started from inside a function transaction"};
        }
        for (std::size_t i = 0; engine_->constraints() != nullptr && i < tables.written; ++i) {
            const Table& table = schema().table(tables.ids[i]);
            if (const Field* const field = constraint::first_constrained_field(schema(), table); field != nullptr) {
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
            if (!task.compute(pipeline.writer().records())) {
                result = Error{ErrorCode::OutOfMemory, "column update: no memory for the new pages"};
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

    std::unique_ptr<Engine> engine_;
};

/// A database of the component types `Ts`, each bound to the table of its name. `Database<>` opens any schema and speaks table ids, field
/// handles and bytes.
///
/// ```cpp
/// auto db = ecsdb::Database<Position, Velocity>::open({}).value_or(…);
/// const ecsdb::Entity e = …;
/// ```
template <Component... Ts>
class Database : public AnyDatabase {
public:
    using View = TypedView<Ts...>;
    using Transaction = TypedTransaction<Ts...>;
    using WriteState = TypedWriteState<Ts...>;
    using TableIds = std::array<TableId, sizeof...(Ts)>;

    /// Opens (or creates) the database `options` describe. The schema is that of the stored database, or, for a new one, made from `Ts` in
    /// the order given; each type is checked against its table. Errors: `SchemaMismatch` naming table and field, `Locked`, `Corrupt`, `Io`,
    /// ….
    [[nodiscard]] static Result<Database> open(const Options& options) requires(sizeof...(Ts) > 0) {
        Result<Schema> schema = schema_of<Ts...>("ecsdb");
        if (!schema) {
            return std::move(schema).error();
        }
        return open(options, std::move(*schema), StoredSchema::AnyWillDo);
    }

    /// Opens (or creates) the database with a schema of its own, from a file or from code. A stored database must have the same schema.
    [[nodiscard]] static Result<Database> open(const Options& options, Schema schema) {
        return open(options, std::move(schema), StoredSchema::MustBeSame);
    }

    /// Opens a stored database with whatever schema it has.
    [[nodiscard]] static Result<Database> open(const Options& options) requires(sizeof...(Ts) == 0) {
        return finish(open_engine(options, std::nullopt, StoredSchema::AnyWillDo));
    }

    /// Pins the newest version. Wait-free, about 15 ns with its release. The view is false when the handle is a forked child's or memory
    /// was refused.
    [[nodiscard]] View read() const noexcept {
        return engine_->pipeline().fork_guard().in_child() ? View{} : View{engine_->store(), tables_};
    }

    /// Begins a command transaction on this thread.
    [[nodiscard]] Transaction begin() noexcept {
        return Transaction{engine_->pipeline(), engine_->pipeline().this_thread_producer(), tables_};
    }

    /// A copy of one component, from the newest version; nothing where absent.
    template <OneOf<Ts...> T>
    [[nodiscard]] std::optional<T> get(Entity entity) const noexcept {
        const View view = read();
        const T* const row = view.template get<T>(entity);
        return row == nullptr ? std::nullopt : std::optional<T>{*row};
    }

    // Single operations are transactions of their own; each returns a ticket, or waits with `.wait()`.

    template <OneOf<Ts...> T>
    Ticket insert(Entity entity, const T& component) noexcept {
        return one(transaction::OperationKind::Insert, entity, table_of<T>(), detail::row_bytes(component));
    }
    template <OneOf<Ts...> T>
    Ticket update(Entity entity, const T& component) noexcept {
        return one(transaction::OperationKind::Update, entity, table_of<T>(), detail::row_bytes(component));
    }
    template <OneOf<Ts...> T>
    Ticket set(Entity entity, const T& component) noexcept {
        return one(transaction::OperationKind::Set, entity, table_of<T>(), detail::row_bytes(component));
    }
    template <OneOf<Ts...> T>
    Ticket remove(Entity entity) noexcept {
        return one(transaction::OperationKind::Remove, entity, table_of<T>(), {});
    }
    Ticket destroy(Entity entity) noexcept { return one(transaction::OperationKind::Destroy, entity, 0, {}); }

    /// Computes whole columns anew: `fn(A&, const B&, …)` for every entity that has all of them. Types without `const` are written.
    ///
    /// `fn` sees one row, has no other effects, and may run more than once per row, also on the writer's thread. Isolated and atomic like
    /// any transaction. Returns once visible. Cost: one pass over the columns and one copy of those written; the caller's thread does the
    /// work. All components must be kept in tables (`Storage::Table`), and those written must have no field with a constraint (bounds,
    /// enums, text, not_null, unique, foreign keys): they are checked row by row, and a whole column is not. `InvalidArgument` otherwise.
    template <typename A, typename... More, typename Fn>
    requires(OneOf<A, Ts...> && (OneOf<More, Ts...> && ...)) Result<void> update(Fn&& fn)
    noexcept {
        if constexpr (std::is_function_v<std::remove_reference_t<Fn>>) {
            auto* pointer = &fn; // no void* can hold a function's own address
            return update_columns<A, More...>(pointer, std::index_sequence_for<A, More...>{});
        } else {
            return update_columns<A, More...>(fn, std::index_sequence_for<A, More...>{});
        }
    }

    /// Runs `fn(WriteState&)` on the writer as one transaction and returns what it returned (as a `Result`). An error it returns, or an
    /// exception it throws, rolls everything back. `fn` must not wait for anything. `deadline_ns`: a monotonic time by which it must have
    /// ended.
    template <typename Fn>
    auto execute(Fn&& fn, std::uint64_t deadline_ns = 0) noexcept {
        auto on_writer = [&](storage::WriteBuffer& buffer) {
            WriteState state{engine_->pipeline(), buffer, tables_};
            return fn(state);
        };
        return run_function(on_writer, deadline_ns);
    }

private:
    Database(std::unique_ptr<Engine> engine, const TableIds& tables) noexcept : AnyDatabase{std::move(engine)}, tables_{tables} {}

    static Result<Database> open(const Options& options, Schema schema, StoredSchema stored) {
        return finish(open_engine(options, std::move(schema), stored));
    }
    static Result<Database> finish(Result<std::unique_ptr<Engine>> engine) {
        if (!engine) {
            return std::move(engine).error();
        }
        TableIds tables{};
        [[maybe_unused]] std::size_t next = 0;
        Result<void> bound;
        static_cast<void>((bind_next<Ts>((*engine)->store().schema(), tables, next, bound) && ...));
        if (!bound) {
            return std::move(bound).error();
        }
        return Database{std::move(*engine), tables};
    }
    template <typename T>
    static bool bind_next(const Schema& schema, TableIds& tables, std::size_t& next, Result<void>& bound) {
        Result<TableId> table = bind_component<T>(schema);
        if (!table) {
            bound = std::move(table).error();
            return false;
        }
        tables[next++] = *table;
        return true;
    }

    template <typename T>
    [[nodiscard]] TableId table_of() const noexcept {
        return tables_[detail::position_of<std::remove_const_t<T>, Ts...>()];
    }

    Ticket one(transaction::OperationKind kind, Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        transaction::Pipeline& pipeline = engine_->pipeline();
        transaction::ProducerState* const producer = pipeline.this_thread_producer();
        if (producer == nullptr) [[unlikely]] {
            return Ticket{pipeline.no_producer()};
        }
        Result<std::uint64_t> sequence =
            pipeline.submit_one(*producer, kind, entity, table, row.data(), static_cast<std::uint32_t>(row.size()),
                                pipeline.options().submit_timeout_ns, transaction::CommandHeader::wants_error);
        if (!sequence) [[unlikely]] {
            return Ticket{std::move(sequence).error()};
        }
        return Ticket{pipeline, *producer, *sequence};
    }

    /// Written columns first, then those only read, whatever the order of the types.
    template <typename... As, typename Fn, std::size_t... I>
    Result<void> update_columns(Fn& fn, std::index_sequence<I...>) noexcept {
        constexpr std::size_t written = (std::size_t{is_written<As>} + ...);
        static_assert(written > 0, "update: at least one component with fields must be named without const");
        static_assert(written <= transaction::max_written_tables && sizeof...(As) <= storage::max_query_tables);
        static constexpr std::array<std::size_t, sizeof...(As)> places = places_of<As...>();
        transaction::UpdateTables tables;
        tables.written = written;
        tables.count = sizeof...(As);
        ((tables.ids[places[I]] = table_of<As>()), ...);
        if (storage::any_sparse(schema(), tables.all())) {
            return Error{ErrorCode::InvalidArgument, "column update: a sparse component has no column; use a function transaction"};
        }
        const auto compute = [](void* context, const std::byte* const* in, std::byte* const* out, std::uint32_t rows) {
            compute_rows<As...>(*static_cast<Fn*>(context), rows, row_source<As>(in, out, places[I])...);
        };
        return run_update(tables, compute, const_cast<void*>(static_cast<const void*>(std::addressof(fn))));
    }

    /// A tag has nothing to write.
    template <typename A>
    static constexpr bool is_written = !std::is_const_v<A> && !std::is_empty_v<A>;

    template <typename... As>
    static constexpr std::array<std::size_t, sizeof...(As)> places_of() {
        constexpr std::array<bool, sizeof...(As)> read_only{!is_written<As>...};
        std::array<std::size_t, sizeof...(As)> places{};
        std::size_t next = 0;
        for (const bool pass : {false, true}) {
            for (std::size_t i = 0; i < read_only.size(); ++i) {
                if (read_only[i] == pass) {
                    places[i] = next++;
                }
            }
        }
        return places;
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
    template <typename... As, typename Fn>
    static void compute_rows(Fn& fn, std::uint32_t rows, RowSource<As>... sources) {
        for (std::uint32_t i = 0; i < rows; ++i) {
            compute_row<As...>(fn, i, sources...);
        }
    }
    template <typename... As, typename Fn>
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

    TableIds tables_;
};

} // namespace ecsdb
