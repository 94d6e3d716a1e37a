/// @file
/// Migrates a stored database: as a whole into its new schema, or not at all.
#pragma once

#include "ecsdb/constraint/whole_state.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/migration/rebuild.hpp"
#include "ecsdb/migration/steps.hpp"
#include "ecsdb/recovery/open.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/schema/evolution.hpp"
#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/transaction/function.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// What migrating found and did.
struct MigrationReport {
    bool migrated = false;             ///< False: there was nothing to do, or no database yet.
    Schema schema;                     ///< What the database is to be opened with.
    std::vector<SchemaChange> changes; ///< Now at the end of the schema's history.
    std::uint64_t version = 0;         ///< Of the database, the first in the new schema.
    std::uint64_t rows = 0;            ///< Built anew.
};

namespace detail {

/// Does the work of `migrate`, one step after the other.
class Migration {
public:
    Migration(const Options& options, const Schema& wanted, const Migrations& migrations, SchemaScope scope)
        : options_{options}, wanted_{wanted}, migrations_{migrations}, scope_{scope}, files_{options.file_system != nullptr
                                                                                                 ? options.file_system
                                                                                                 : &posix_files()},
          allocator_{options.allocator != nullptr ? options.allocator : &system_allocator()} {}

    [[nodiscard]] Result<MigrationReport> run() {
        report_.schema = wanted_;
        if (options_.directory.empty()) {
            return std::move(report_);
        }
        Result<void> done = migrate_directory();
        if (!done) {
            return std::move(done).error().in("migrate " + options_.directory);
        }
        return std::move(report_);
    }

private:
    [[nodiscard]] static FileSystem& posix_files() noexcept {
        static PosixFileSystem files; // stateless
        return files;
    }
    [[nodiscard]] static Allocator& system_allocator() noexcept {
        static SystemAllocator allocator; // stateless
        return allocator;
    }

    Result<void> migrate_directory() {
        if (auto sound = migrations_.check(); !sound) {
            return sound;
        }
        const Result<recovery::LoadedManifest> loaded = recovery::load_manifest(*files_, options_.directory);
        if (!loaded) {
            return loaded.error().code() == ErrorCode::NotFound ? Result<void>{} : Result<void>{loaded.error().clone()};
        }
        Result<Schema> stored = decode_schema(loaded->manifest.schema);
        if (!stored) {
            return std::move(stored).error().in("stored schema");
        }
        Result<Evolution> plan = plan_evolution(*stored, wanted_, migrations_.steps(), migrations_.database_steps(), scope_);
        if (!plan) {
            return std::move(plan).error();
        }
        plan_ = *std::move(plan);
        if (!plan_.changes) {
            report_.schema = std::move(plan_.schema);
            return {};
        }
        if (options_.mode == OpenMode::ReadOnly) {
            return Error{ErrorCode::SchemaMismatch, "the stored schema `" + stored->name() +
                                                        "` is not the program's, and a database opened read-only cannot be migrated"};
        }
        return migrate_from(*stored);
    }

    Result<void> migrate_from(const Schema& stored) {
        Options alone = options_;
        alone.own_thread = false;
        Result<Owner<Engine>> opened = open_engine(alone, std::nullopt, StoredSchema::AnyWillDo);
        if (!opened) {
            return std::move(opened).error();
        }
        Engine& before = **opened;
        if (before.store().schema().hash() != stored.hash()) {
            return Error{ErrorCode::Conflict, "the stored schema was changed by another process meanwhile"};
        }
        Options in_memory;
        in_memory.shard = options_.shard;
        in_memory.memory_limit = options_.memory_limit;
        in_memory.own_thread = false;
        in_memory.allocator = options_.allocator;
        in_memory.clock = options_.clock;
        Result<Owner<Engine>> made = open_engine(in_memory, plan_.schema, StoredSchema::MustBeSame);
        if (!made) {
            return std::move(made).error();
        }
        Engine& after = **made;
        if (auto built = build(before, after); !built) {
            return built;
        }
        // From here on nothing is refused any more: only files can fail.
        return store(before, after);
    }

    /// The state in its new schema, with everything it promises kept.
    Result<void> build(Engine& before, Engine& after) {
        const View view{before.store()};
        if (!view) {
            return Error{ErrorCode::OutOfMemory, "no memory to pin the version to migrate"};
        }
        storage::WriteBuffer& state = after.pipeline().writer().state();
        const Result<TableId> imported = find_imported_ids(plan_.schema);
        if (!imported) {
            return imported.error().clone();
        }
        after.store().set_stable_ids({before.store().stable_ids().identity(), *imported});
        StateRebuild rebuild{view.root(), before.store().entity_versions(), state, plan_, migrations_};
        const std::uint64_t now = std::max(view.root().time_ns, clock_or_system().wall_ns());
        if (auto built = rebuild.run(view.version() + 1, now); !built) {
            return built;
        }
        after.store().publish(&state.root());
        after.pipeline().writer().set_time(now);
        after.pipeline().ids().start_at(before.pipeline().ids().next_fresh());
        if (auto checked = constraint::check_whole_state(state, *allocator_); !checked) {
            return std::move(checked).error().in("in the new schema");
        }
        for (const std::size_t step : plan_.database_steps) {
            const DatabaseStep& of = migrations_.database_steps()[step];
            auto call = [&](storage::WriteBuffer& buffer) -> Result<void> {
                WriteState write{after.pipeline(), buffer};
                return migrations_.database_function(step)(view, write);
            };
            if (auto done = run_on(after, call); !done) {
                return std::move(done).error().in("step of the database from version `" + of.from + "` to `" + of.to + "`");
            }
        }
        report_.version = view.version() + 1;
        report_.rows = rebuild.rows();
        note_changes(view.schema(), now);
        return {};
    }

    void note_changes(const Schema& before, std::uint64_t now) {
        const auto note = [&](std::string table, std::string from, std::string to, std::string what) {
            report_.changes.push_back({report_.version, now, std::move(table), std::move(from), std::move(to), std::move(what)});
        };
        for (TableEvolution& table : plan_.tables) {
            note(plan_.schema.table(table.table).name, std::move(table.from), std::move(table.to), std::move(table.what));
        }
        if (before.database_version() != plan_.schema.database_version()) {
            std::string what = "version raised";
            for (const std::size_t step : plan_.database_steps) {
                const DatabaseStep& of = migrations_.database_steps()[step];
                what += "; step from version `" + of.from + "` to `" + of.to + "`";
            }
            note({}, before.database_version(), plan_.schema.database_version(), std::move(what));
        }
        std::vector<SchemaChange> history = plan_.schema.history();
        history.insert(history.end(), report_.changes.begin(), report_.changes.end());
        if (history.size() > max_history) {
            history.erase(history.begin(), history.end() - max_history);
        }
        plan_.schema.set_history(std::move(history));
        report_.schema = plan_.schema;
    }

    /// Until the manifest is replaced, which happens as a whole, the database is the old one.
    Result<void> store(Engine& before, Engine& after) {
        const std::uint64_t version = after.store().published_version();
        // The log stays without a gap: the versions that the migration makes are transactions there that change nothing.
        while (before.store().published_version() < version) {
            auto nothing = [](storage::WriteBuffer&) {};
            if (auto done = run_on(before, nothing); !done) {
                return done;
            }
        }
        // Nothing of the old schema is in the part of the log that is needed from now on.
        const Result<wal::SegmentStart> first_needed = before.durable()->participant().rotate();
        if (!first_needed) {
            return first_needed.error().clone();
        }
        if (auto closed = before.close(); !closed) {
            return closed;
        }
        Result<recovery::LoadedManifest> loaded = recovery::load_manifest(*files_, options_.directory);
        if (!loaded) {
            return std::move(loaded).error();
        }
        recovery::Manifest& manifest = loaded->manifest;
        const std::uint64_t next_fresh = std::max(manifest.reserved_index_mark, after.pipeline().ids().next_fresh());
        const View view{after.store()};
        if (!view) {
            return Error{ErrorCode::OutOfMemory, "no memory to pin the version in its new schema"};
        }
        const std::string name = snapshot_file_name(version);
        snapshot::SnapshotOptions options{.allocator = *allocator_};
        options.read_back = true; // the state before goes out of force with this: there is nothing to fall back on
        const snapshot::SnapshotIdentity identity{
            .database = manifest.database, .epoch = manifest.epoch, .shard = manifest.shard, .next_fresh = next_fresh};
        auto written = snapshot::write_snapshot(*files_, options_.directory + '/' + name, view.root(), after.store().entity_versions(),
                                                identity, options);
        if (!written) {
            return std::move(written).error();
        }
        ByteBuffer schema{*allocator_};
        encode_schema(plan_.schema, schema);
        if (schema.failed()) {
            return Error{ErrorCode::OutOfMemory, "no memory to encode the new schema"};
        }
        manifest.schema.assign(schema.view().begin(), schema.view().end());
        manifest.schema_hash = plan_.schema.hash();
        manifest.snapshot = {.name = name, .lsn = written->lsn, .size = written->bytes, .crc = written->crc};
        manifest.previous_snapshot = {}; // of another schema
        manifest.snapshot_bases.clear();
        manifest.previous_bases.clear();
        manifest.first_needed_segment = first_needed->number;
        manifest.durable_lsn = std::max(manifest.durable_lsn, version);
        manifest.reserved_index_mark = next_fresh;
        if (auto stored = recovery::store_manifest(*files_, options_.directory, manifest, *allocator_); !stored) {
            return stored;
        }
        report_.version = version;
        report_.migrated = true;
        return {};
    }

    template <typename Fn>
    [[nodiscard]] static Result<void> run_on(Engine& engine, Fn& fn) {
        transaction::Pipeline& pipeline = engine.pipeline();
        transaction::ProducerState* const producer = pipeline.this_thread_producer();
        if (producer == nullptr) {
            return pipeline.no_producer();
        }
        transaction::FunctionTask<Fn> task{fn, {&pipeline.clock(), 0}};
        auto sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error);
        if (!sequence) {
            return std::move(sequence).error();
        }
        return pipeline.wait(*producer, *sequence, no_timeout);
    }

    [[nodiscard]] Clock& clock_or_system() noexcept { return options_.clock != nullptr ? *options_.clock : system_clock_; }

    const Options& options_;
    const Schema& wanted_;
    const Migrations& migrations_;
    SchemaScope scope_;
    FileSystem* files_;
    Allocator* allocator_;
    SystemClock system_clock_;
    Evolution plan_;
    MigrationReport report_;
};

} // namespace detail

/// Brings the database in `options.directory` into the schema `wanted` (finished), with the steps the program knows: see `plan_evolution`
/// for what happens by itself and what needs a step, docs/guide/migration.md for the whole. Where there is no database, or its schema will
/// do already, nothing happens. Not for a database that is open.
///
/// All or nothing, also under crashes: until the manifest is replaced by its last step the database is the old one. What no step leads to
/// is refused before anything is changed (`SchemaMismatch`, naming table, field and versions); a row that a step refuses or that breaks a
/// promise of the new schema (`ConstraintViolation`) leaves the data as they were. An exception thrown by a step passes through, with the
/// same effect. Otherwise as opening: `Locked`, `Corrupt`, `NoSpace`, `Io`, `OutOfMemory`.
///
/// Cost: opening the database, building every row anew, and a snapshot; both states are in memory at once.
[[nodiscard]] inline Result<MigrationReport> migrate(const Options& options, const Schema& wanted, const Migrations& migrations = {},
                                                     SchemaScope scope = SchemaScope::Whole) {
    return detail::Migration{options, wanted, migrations, scope}.run();
}

} // namespace ecsdb
