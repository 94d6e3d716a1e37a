/// @file
/// The database: opens, and hands out views, transactions, updates.
#pragma once

#include "ecsdb/core/owner.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/producer.hpp"
#include "ecsdb/query/view.hpp"
#include "ecsdb/recovery/open.hpp"
#include "ecsdb/table.hpp"
#include "ecsdb/writes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

struct SavedDelta;

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
    /// Writes a snapshot of the newest version, unless the newest snapshot is of that, and lets go of the log before it. Reads and writes
    /// go on meanwhile.
    [[nodiscard]] Result<void> snapshot() noexcept { return engine_->snapshot(); }
    /// Takes a snapshot if the options say that it is time (`Options::snapshot_transactions` and what follows it); whether one was taken.
    /// The database's own thread does so by itself; where there is none (`Options::own_thread`), the program calls this now and then. An
    /// error is also in `snapshot_state` and told to `on_log_state`; after one, nothing is done for a second, then two, up to five minutes.
    [[nodiscard]] Result<bool> snapshot_if_due() noexcept { return engine_->snapshot_if_due(); }
    /// The newest snapshot, and whether the last one succeeded. Any thread. Never waits.
    [[nodiscard]] SnapshotState snapshot_state() const { return engine_->snapshot_state(); }
    // Saving to bytes: declared here, defined in saves.hpp, which costs what the rest of a program need not pay.

    /// Writes the newest version into `out`, which is emptied first and whose memory is used again: the bytes a snapshot file would have
    /// (docs/format/snapshot.md), with ids, generations, free indices and counts, without transient tables. Returns that version. Reads
    /// and writes go on meanwhile; also where the database is in memory or read-only. `OutOfMemory`, `WouldDeadlock` inside a function
    /// transaction. Cost: O(rows), a pass over them.
    [[nodiscard]] inline Result<std::uint64_t> snapshot(ByteBuffer& out);
    /// Makes the state what it was when `bytes` were saved by `snapshot(out)`, and `deltas` (`save_delta`) had been applied to it:
    /// entities, ids, generations, free indices, rows and counts; afterwards `view.hash()` is what it was. It is one transaction, the next
    /// version: all of it or nothing, and as durable as any; views go on seeing theirs. Transient rows go. The bytes may come from
    /// anywhere, also from another database of the same schema and shard.
    ///
    /// An id of an entity that came later than the snapshot names nothing from then on, as long as the database stays open; transactions
    /// that are being built meanwhile may find the ids they have reserved taken (`AlreadyExists`).
    ///
    /// Errors, and nothing has changed: `Corrupt` (naming what is damaged where), `Unsupported`, `SchemaMismatch`, `WrongShard`, `Gap`
    /// where a delta does not follow, `InvalidArgument` where it is of another database than `bytes`, `ConstraintViolation`, `ReadOnly`,
    /// `OutOfMemory`, `WouldDeadlock`. Not more than 1 MiB is allocated before the checksums have agreed. Cost: O(rows of both states), and
    /// memory for the state a second time; the writer waits for the comparison and the changes, readers do not.
    [[nodiscard]] inline Result<void> restore(std::span<const std::byte> bytes, std::span<const std::span<const std::byte>> deltas = {});
    /// Writes what has changed since version `since` into `out`, which is emptied first, as one delta (docs/format/delta.md): for
    /// `apply_delta` on a database at that version, or for `restore`. Where nothing has, `from` is `to` and `out` is empty. It comes from
    /// the log: rows of tables that are not logged are not in it.
    ///
    /// `NotFound` where the log does not reach back so far any more, or `since` is yet to come; `Unsupported` where a `restore` lies
    /// between; `InvalidArgument` where there is no log; `WouldDeadlock`, `Io`, `OutOfMemory`. Any thread but the writer's. Cost: reading
    /// the log since, and holding it in memory.
    [[nodiscard]] inline Result<SavedDelta> save_delta(std::uint64_t since, ByteBuffer& out);
    /// The same since the last version committed at `time`, in microseconds since 1970 UTC, or before.
    [[nodiscard]] inline Result<SavedDelta> save_delta_since_time(std::uint64_t time, ByteBuffer& out);
    /// The same since the version `since` sees, a view of this database: by comparing it with the newest one, so also where there is no
    /// log, or a `restore` lies between. Tables that are not logged are in it, transient ones are not. How often entities
    /// have been changed is told as of now: while transactions go on, some of those it does not hold may be counted. Cost: O(rows of both
    /// versions).
    [[nodiscard]] inline Result<SavedDelta> save_delta(const ecsdb::View& since, ByteBuffer& out);
    /// Applies a delta (docs/format/delta.md, `save_delta`) as one transaction: the state goes on to the version it ends at. False where
    /// it is there already. What was written here must not be mixed with what others write: ids and versions are theirs.
    ///
    /// Errors, and nothing has changed: `SchemaMismatch`, `WrongShard`, `InvalidArgument` where the delta is of another database (one that
    /// begins empty in memory follows whichever it is given first), `Gap` unless this one stands at the version it begins at, `Corrupt`
    /// (checksums are compared first; also where it
    /// brings entity indices more than 2^24 beyond all used ones), `Unsupported` (also where a log is kept and it is of more than 2^20
    /// versions: each takes a few bytes there), `ConstraintViolation`, `ReadOnly`, `OutOfMemory`, `WouldDeadlock`. Cost: as for a
    /// transaction that does the same. A few bytes may bring billions of entities: where `memory_limit` cannot hold those, none is made.
    [[nodiscard]] inline Result<bool> apply_delta(std::span<const std::byte> delta);

    /// Whether writes are accepted, why not, and how much of what is visible the disk does not have yet. Never waits.
    [[nodiscard]] LogState log_state() const noexcept { return engine_->log_state(); }
    /// Has `fn(const LogState&)` called whenever the log has failed and writes are no longer accepted, and whenever they are again, with
    /// the state by then; also after every automatic snapshot, taken or failed. Changes that follow each other closely may be told as one,
    /// twice. Replaces the callback before it; with `nullptr` nothing is called any more. When this returns, the callback before it has
    /// ended, unless a callback calls. Runs where tickets' callbacks do, and by their rules: see `Ticket::then`. Nothing is ever told where
    /// there is no log.
    template <typename Fn>
    void on_log_state(Fn&& fn) {
        std::shared_ptr<LogStateListener> listener;
        if constexpr (!std::is_null_pointer_v<std::decay_t<Fn>>) {
            listener = std::make_shared<CallOnLogState<std::decay_t<Fn>>>(std::forward<Fn>(fn));
        }
        engine_->listen_to_log(std::move(listener));
    }
    /// Accepts writes again after the log failed (a write or a sync, a full disk): call it when the cause is gone. What was visible without
    /// being durable has been kept in memory; it is written into a new file and synced. What was not visible stays out, whatever of it
    /// the old file holds. On success everything visible is on the disk.
    ///
    /// Nothing to do where there was no failure. On failure (`NoSpace`, `Io`, …) the database stays as it is, and it may be called again;
    /// `OutOfMemory` where memory had been too short to keep everything: then only opening it again helps. `InvalidArgument` where there
    /// is no log, `WouldDeadlock` inside a function transaction. Cost: writing and syncing at most about 64 MiB; the writer waits,
    /// readers do not.
    [[nodiscard]] Result<void> resume() noexcept { return engine_->resume(); }
    /// What opening found and did.
    [[nodiscard]] const RecoveryReport& recovery_report() const noexcept { return engine_->recovery_report(); }
    /// Ends the database in order: runs what is queued, flushes, closes the files. Done by the destructor too, without a word.
    [[nodiscard]] Result<void> close() noexcept { return engine_->close(); }

    /// Has `fn(std::uint64_t version)` called after every batch that is published from now on, with the newest version there is by then:
    /// each call names a newer version than the one before, and several batches may share one. Replaces the callback before it; with
    /// `nullptr` nothing is called any more. When this returns, the callback before it has ended, unless it is that one which calls.
    ///
    /// `fn` runs where tickets' callbacks do, and by their rules: see `Ticket::then`. The last version is told before `close` returns.
    template <typename Fn>
    void on_commit(Fn&& fn) {
        if constexpr (std::is_null_pointer_v<std::decay_t<Fn>>) {
            engine_->pipeline().listen(nullptr);
        } else {
            engine_->pipeline().listen(std::make_shared<transaction::CallOnCommit<std::decay_t<Fn>>>(std::forward<Fn>(fn)));
        }
    }

    /// Sizes and totals. Any thread; each figure by itself is exact at some moment.
    [[nodiscard]] Statistics statistics() const noexcept { return engine_->statistics(); }

    /// What a table takes in the newest version, and what views of older ones keep of it (`retired_bytes`). A view tells the former of its
    /// own version, without asking anybody (`View::table_figures`). Errors: `NotFound`, those of queueing; `WouldDeadlock` in a function
    /// transaction, `ReadOnly`, `Closed`. Cost: the writer looks at every page and content of the table, in each version that is held.
    [[nodiscard]] Result<TableFigures> table_figures(TableId table) noexcept { return engine_->table_figures(table); }

    /// Makes the database take less memory, and changes nothing else (docs/guide/memory.md): rows keep their order, entities their ids, the
    /// newest version its number, and views what they see. Lets go of what holds nothing any more, moves what lies scattered, and gives
    /// the blocks that are free then back to the allocator; what views of older versions keep stays until they go.
    ///
    /// Waits for the end, but reads go on, and so do other threads' writes: the writer works in steps of some 0.2 ms, of which each waits
    /// its turn in the queue. Cost: a look at every node, and a copy of at most all that is in use; while it runs, up to half as much
    /// memory again. Where that is refused, it ends early, without an error. Errors: those of queueing; `WouldDeadlock` in a function
    /// transaction, `ReadOnly`, `Closed`.
    [[nodiscard]] Result<Compaction> compact() noexcept { return engine_->compact(); }

    /// Who keeps what is old, and what that costs, the oldest version first: pages (every open view, and snapshots and column updates while
    /// they run), and segments of the log (the snapshots, an archive, a backup or a delta being saved while it runs). The writer answers
    /// in its turn, after what this thread has submitted. `Forked` in a child; `OutOfMemory`; `Io` where the log cannot be listed.
    [[nodiscard]] Result<std::vector<Holder>> holders() noexcept { return engine_->holders(); }

    /// Runs the writer's work on the calling thread, when the database was opened without a thread of its own; with nothing to run, what an
    /// idle writer does. False when there was nothing to do.
    bool step() noexcept { return engine_->pipeline().step(); }

    /// The engine's rooms, for tools, tests and later parts.
    [[nodiscard]] Engine& engine() noexcept { return *engine_; }

protected:
    explicit AnyDatabase(Owner<Engine> engine) noexcept : engine_{std::move(engine)} {}

    Owner<Engine> engine_;
};

/// A database of the component types `Ts`, each bound to the table of its name. `Database<>` opens any schema and speaks table ids, field
/// handles and bytes. How to write is in `Writes`.
///
/// ```cpp
/// auto db = ecsdb::Database<Position, Velocity>::open({}).value_or(…);
/// const ecsdb::Entity e = …;
/// ```
template <Component... Ts>
class Database : public AnyDatabase, public Writes<Database<Ts...>, Ts...> {
    using Base = Writes<Database<Ts...>, Ts...>;

public:
    using View = TypedView<Ts...>;
    using AnyDatabase::schema;
    using Producer = ecsdb::Producer<Ts...>;
    using typename Base::TableIds;

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
        return engine_->pipeline().fork_guard().in_child() ? View{} : View{this->tables_, engine_->store()};
    }

    /// A copy of one component, from the newest version; nothing where absent.
    template <OneOf<Ts...> T>
    [[nodiscard]] std::optional<T> get(Entity entity) const noexcept {
        const View view = read();
        const T* const row = view ? view.template get<T>(entity) : nullptr;
        return row == nullptr ? std::nullopt : std::optional<T>{*row};
    }
    /// A copy of one field, from the newest version; nothing where the row, or the value of a nullable field, is absent.
    template <typename T>
    [[nodiscard]] std::optional<T> get(Entity entity, FieldHandle<T> field) const noexcept {
        const View view = read();
        const std::byte* const row = view && field.fits(schema()) ? view.find_row(entity, field.table) : nullptr;
        if (row == nullptr) {
            return std::nullopt;
        }
        const Field& description = schema().table(field.table).fields[field.field];
        const bool absent = description.has_presence_byte() && row[description.presence_offset] == std::byte{};
        return absent ? std::nullopt : std::optional<T>{field.in(row)};
    }
    /// A copy of a row's bytes, from the newest version; nothing where absent.
    [[nodiscard]] std::optional<std::vector<std::byte>> get_row(Entity entity, TableId table) const {
        const View view = read();
        const std::byte* const row = view ? view.find_row(entity, table) : nullptr;
        return row == nullptr ? std::nullopt : std::optional{std::vector<std::byte>(row, row + schema().table(table).size)};
    }

    /// The table of one component as a thing of its own.
    template <OneOf<Ts...> T>
    [[nodiscard]] TableOf<T, Database> table() noexcept {
        return TableOf<T, Database>{*this};
    }

    /// A sequence of transactions that belongs to a job instead of a thread.
    [[nodiscard]] Producer producer() noexcept { return Producer{*engine_, this->tables_}; }

    /// For `Writes`: the calling thread's own sequence. Cost: one comparison after the first call.
    [[nodiscard]] WriteSequence sequence() noexcept { return {engine_.get(), engine_->pipeline().this_thread_producer()}; }

private:
    Database(Owner<Engine> engine, const TableIds& tables) noexcept : AnyDatabase{std::move(engine)}, Base{tables} {}

    static Result<Database> open(const Options& options, Schema schema, StoredSchema stored) {
        return finish(open_engine(options, std::move(schema), stored));
    }
    static Result<Database> finish(Result<Owner<Engine>> engine) {
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
};

} // namespace ecsdb
