/// @file
/// Opens a database: finds or creates its files, loads the newest snapshot, replays the log behind it, and starts a new epoch.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/io/reading_progress.hpp"
#include "ecsdb/recovery/engine.hpp"
#include "ecsdb/recovery/option_table.hpp"
#include "ecsdb/recovery/replay.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/snapshot/reader.hpp"
#include "ecsdb/storage/expected.hpp"
#include "ecsdb/wal/log_reader.hpp"
#include "ecsdb/wal/needed_segments.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// What a stored schema must have in common with the one the program brings.
enum class StoredSchema : std::uint8_t {
    MustBeSame,
    AnyWillDo, ///< Each component type is checked by its own binding afterwards.
};

/// Does the work of `open_engine`, one step after the other. Nothing on disk is changed before everything there has been read and
/// understood.
class EngineOpener {
public:
    EngineOpener(const Options& options, std::optional<Schema> schema, StoredSchema stored)
        : options_{options}, schema_{std::move(schema)}, stored_{stored}, engine_{new Engine{options}},
          files_{options.file_system != nullptr ? options.file_system : &posix_files()}, reading_{*files_, options.progress} {}

    [[nodiscard]] Result<Owner<Engine>> open() {
        if (auto sane = check_options(options_); !sane) {
            return std::move(sane).error();
        }
        const std::uint64_t begun = engine_->clock_->monotonic_ns();
        Result<void> opened = options_.directory.empty() ? open_in_memory() : open_directory();
        if (!opened) {
            Error error = std::move(opened).error();
            return options_.directory.empty() ? std::move(error) : std::move(error).in("open " + options_.directory);
        }
        const storage::Root& root = state().root();
        engine_->store_->publish(&root);
        engine_->report_.version = root.version;
        engine_->report_.duration_ns = engine_->clock_->monotonic_ns() - begun;
        if (options_.mode == OpenMode::ReadWrite) {
            engine_->pipeline_->start();
        }
        if (engine_->durable_ != nullptr) {
            engine_->durable_->start_snapshots(*engine_->pipeline_, log_bytes_);
        }
        say_opened();
        return std::move(engine_);
    }

private:
    void say_opened() const {
        const Messages& say = options_.messages;
        const RecoveryReport& found = engine_->report_;
        if (!found.remarks.empty()) {
            say(Severity::Warning, [&] { return options_.directory + ": " + found.remarks.substr(0, found.remarks.size() - 2); });
        }
        if (!found.cut.empty()) {
            say(Severity::Warning, [&] { return found.cut; });
        }
        say(Severity::Info, [&] {
            std::string text = options_.directory.empty() ? std::string{"in memory"} : options_.directory;
            text += found.created ? ": created" : ": opened at version " + std::to_string(found.version);
            if (found.replayed != 0 || found.snapshot_version != 0) {
                text += ", from the snapshot of version " + std::to_string(found.snapshot_version) + " and " +
                        std::to_string(found.replayed) + " transactions of the log, in " + std::to_string(found.duration_ns / 1'000'000) +
                        " ms";
            }
            return text;
        });
    }
    // As a static member it would be part of the code of whoever includes this, with all it can do.
    [[nodiscard]] static FileSystem& posix_files() noexcept {
        static PosixFileSystem files; // stateless
        return files;
    }
    [[nodiscard]] storage::WriteBuffer& state() noexcept { return engine_->pipeline_->writer().state(); }
    [[nodiscard]] RecoveryReport& report() noexcept { return engine_->report_; }
    [[nodiscard]] bool writes() const noexcept { return options_.mode == OpenMode::ReadWrite; }

    Result<void> open_in_memory() {
        if (!schema_) {
            return Error{ErrorCode::InvalidArgument, "a database in memory needs component types or a schema to begin with"};
        }
        Result<void> made = make_store(std::make_shared<const Schema>(*std::move(schema_)), options_.shard, new_database_id());
        if (made) {
            join_constraints();
        }
        return made;
    }

    Result<void> open_directory() {
        if (auto exists = files_->exists(options_.directory); !exists) {
            return std::move(exists).error();
        } else if (!*exists) {
            if (!writes()) {
                return Error{ErrorCode::NotFound, "there is no database"};
            }
            if (auto made = files_->create_directory(options_.directory); !made) {
                return made;
            }
        }
        std::unique_ptr<FileLock> lock;
        if (writes()) {
            auto locked = files_->lock(options_.directory + '/' + detail::lock_file_name);
            if (!locked) {
                return std::move(locked).error();
            }
            lock = std::move(*locked);
        }
        Result<recovery::LoadedManifest> manifest = recovery::load_manifest(*files_, options_.directory);
        if (!manifest && manifest.error().code() == ErrorCode::NotFound) {
            return writes() ? create(std::move(lock)) : Result<void>{Error{ErrorCode::NotFound, "there is no database"}};
        }
        if (!manifest) {
            return std::move(manifest).error();
        }
        if (manifest->previous) {
            report().remarks += "MANIFEST could not be used (" + manifest->problem + "), the one before it was; ";
        }
        return writes() ? recover(std::move(lock), std::move(manifest->manifest)) : recover_beside_writer(std::move(manifest->manifest));
    }

    /// A writer in another process may let go of files, and use them again, while they are read here: then there is a newer manifest.
    Result<void> recover_beside_writer(recovery::Manifest manifest) {
        constexpr int most_attempts = 8;
        for (int attempt = 1;; ++attempt) {
            const std::uint64_t first_needed = manifest.first_needed_segment;
            Result<void> recovered = recover(nullptr, std::move(manifest));
            if (recovered || attempt == most_attempts) {
                return recovered;
            }
            auto newer = recovery::load_manifest(*files_, options_.directory);
            if (!newer || newer->manifest.first_needed_segment == first_needed) {
                return recovered;
            }
            drop_store();
            report() = {};
            manifest = std::move(newer->manifest);
        }
    }
    /// What was loaded half-way is thrown away with its store.
    void drop_store() noexcept {
        engine_->pipeline_.reset();
        if (engine_->store_ != nullptr) {
            std::exchange(engine_->store_, nullptr)->drop_owner();
        }
    }

    /// A directory without a manifest becomes a database, unless something of one is already there.
    Result<void> create(std::unique_ptr<FileLock> lock) {
        // Also where the directory was there: whoever made it may have come no further.
        if (auto synced = files_->sync_directory(parent_directory(options_.directory)); !synced) {
            return synced;
        }
        auto names = files_->list(options_.directory);
        if (!names) {
            return std::move(names).error();
        }
        for (const std::string& name : *names) {
            if (name.starts_with("snapshot-")) {
                return Error{ErrorCode::Corrupt, "MANIFEST is missing, but " + name + " is there: this was a database"};
            }
        }
        const std::string log = options_.directory + '/' + detail::log_directory_name;
        if (auto segments = files_->list(log); segments) {
            for (const std::string& name : *segments) {
                if (wal::parse_segment_file_name(name)) {
                    return Error{ErrorCode::Corrupt, "MANIFEST is missing, but log/" + name + " is there: this was a database"};
                }
            }
        }
        if (!schema_) {
            return Error{ErrorCode::NotFound, "there is no database, and no component types or schema to create one with"};
        }
        recovery::Manifest manifest;
        manifest.database = new_database_id();
        manifest.epoch = 1;
        manifest.shard = options_.shard;
        manifest.boot = files_->boot_id();
        manifest.schema_hash = schema_->hash();
        manifest.schema = encoded(*schema_);
        report().created = true;
        report().epoch = 1;
        if (auto made = make_store(std::make_shared<const Schema>(*std::move(schema_)), options_.shard, manifest.database); !made) {
            return made;
        }
        // The manifest comes first: whatever else is found without one belonged to a database.
        if (auto stored = recovery::store_manifest(*files_, options_.directory, manifest, *engine_->allocator_); !stored) {
            return stored;
        }
        return start_log(std::move(lock), std::move(manifest), {});
    }

    Result<void> recover(std::unique_ptr<FileLock> lock, recovery::Manifest manifest) {
        if (options_.shard != manifest.shard) {
            return Error{ErrorCode::WrongShard, "the database is of shard " + std::to_string(manifest.shard) + ", opened as shard " +
                                                    std::to_string(options_.shard)};
        }
        Result<Schema> stored = decode_schema(manifest.schema);
        if (!stored) {
            return std::move(stored).error().in("stored schema");
        }
        if (stored_ == StoredSchema::MustBeSame && schema_ && schema_->hash() != stored->hash()) {
            return Error{ErrorCode::SchemaMismatch, "the stored schema `" + stored->name() + "` differs from the program's schema `" +
                                                        schema_->name() +
                                                        "`; `open_migrating` (ecsdb/migration.hpp) opens a database in a newer schema"};
        }
        const auto schema = std::make_shared<const Schema>(*std::move(stored));
        if (auto made = make_store(schema, manifest.shard, manifest.database); !made) {
            return made;
        }
        expect_to_read(manifest);
        if (auto loaded = load_newest_snapshot(manifest, schema); !loaded) {
            return loaded;
        }
        auto scan = replay(manifest);
        if (!scan) {
            return std::move(scan).error().in("log");
        }
        reading_.finish();
        report().clean = manifest.clean && scan->clean_close;
        report().epoch = manifest.epoch;
        tell_of(*scan);
        if (!writes()) {
            return {};
        }
        if (!scan->segments.empty()) {
            if (auto synced = wal::sync_segments(*files_, options_.directory + '/' + detail::log_directory_name, *scan); !synced) {
                return synced;
            }
        }
        const std::uint64_t mark = std::max(manifest.reserved_index_mark, scan->reserve_mark);
        manifest.epoch = std::max(manifest.epoch, scan->max_epoch) + 1;
        manifest.boot = files_->boot_id();
        manifest.clean = false;
        manifest.reserved_index_mark = mark;
        report().epoch = manifest.epoch;
        if (auto prepared = prepare_ids(mark, manifest.epoch); !prepared) {
            return prepared;
        }
        wal::LogStart start = scan->start();
        // Segments before the first needed one were not looked at, and may still be there.
        start.next_segment = std::max(start.next_segment, manifest.first_needed_segment);
        return start_log(std::move(lock), std::move(manifest), start);
    }

    /// What progress is measured against: the newest snapshot and the log from the first segment needed.
    void expect_to_read(const recovery::Manifest& manifest) {
        if (!options_.progress) {
            return;
        }
        for (const recovery::SnapshotFile& file : recovery::chain_of(manifest.snapshot_bases, manifest.snapshot)) {
            reading_.expect(file.size);
        }
        const std::string log = log_directory();
        const auto names = files_->list(log);
        for (const std::string& name : names ? *names : std::vector<std::string>{}) {
            const auto number = wal::parse_segment_file_name(name);
            const auto size = number && *number >= manifest.first_needed_segment ? files_->file_size(log + '/' + name) : std::uint64_t{0};
            reading_.expect(size ? *size : 0);
        }
    }

    void tell_of(const wal::LogScan& scan) {
        RecoveryReport& told = report();
        told.torn_tail_bytes = scan.torn_tail_bytes;
        told.unsynced_lost_from = scan.unsynced_lost.from;
        told.unsynced_lost_to = scan.unsynced_lost.to;
        told.segments = scan.segments.size();
        if (scan.segments.empty()) {
            return;
        }
        told.first_segment = scan.segments.front();
        told.last_segment = scan.segments.back();
        for (const std::uint64_t number : scan.segments) {
            const auto size = files_->file_size(wal::segment_path(log_directory(), number));
            told.log_bytes += size ? *size : 0;
            log_bytes_ += number == scan.end.segment ? scan.end.offset : (size ? *size : 0);
        }
        told.end_segment = scan.end.segment;
        told.end_offset = scan.end.offset;
        if (scan.torn_tail_bytes != 0 || scan.unsynced_lost) {
            told.cut = wal::segment_path(log_directory(), scan.end.segment) + ": offset " + std::to_string(scan.end.offset) +
                       ": the log ends here, after transaction " + std::to_string(scan.end.lsn) + "; " +
                       std::to_string(scan.torn_tail_bytes) +
                       " bytes of writes behind it were not finished when the machine or the process stopped";
            if (scan.unsynced_lost) {
                told.cut += ", and transactions " + std::to_string(scan.unsynced_lost.from) + " to " +
                            std::to_string(scan.unsynced_lost.to) + ", never synced, are lost with them";
            }
        }
    }

    [[nodiscard]] std::string log_directory() const { return options_.directory + '/' + detail::log_directory_name; }

    Result<void> make_store(std::shared_ptr<const Schema> schema, std::uint32_t shard, const wal::DatabaseId& database) {
        const Result<TableId> imported_ids = find_imported_ids(*schema);
        if (!imported_ids) {
            return imported_ids.error().clone();
        }
        // What the first block holds anyway need not be reserved. Pages and smaller nodes lie in blocks of their own, so beyond one block
        // there is one that is used in part.
        const std::size_t hinted = writes() ? storage::expected_bytes(*schema, options_.memory_limit) : 0;
        const std::size_t expected = hinted <= options_.first_block_bytes ? 0
                                     : hinted <= options_.max_block_bytes ? hinted
                                                                          : hinted + options_.max_block_bytes;
        const storage::PoolOptions pool{options_.first_block_bytes,
                                        options_.max_block_bytes,
                                        options_.memory_limit,
                                        std::max(options_.initial_bytes, expected),
                                        storage::removal_reserve(options_.memory_limit),
                                        options_.block_growth_percent};
        engine_->store_ = storage::Store::create(*engine_->allocator_, pool, std::move(schema));
        if (engine_->store_ == nullptr) {
            return no_memory();
        }
        engine_->store_->set_stable_ids({identity_of(database), *imported_ids});
        engine_->lineage_.begin(database);
        const transaction::PipelineOptions pipeline{
            options_.queue_transactions,
            options_.submit_timeout_ns,
            !writes(),
            options_.own_thread && writes(),
            options_.queue_bytes,
            {options_.batch_transactions, options_.batch_ns, options_.trim_after_ns, options_.compact_percent, options_.messages}};
        engine_->pipeline_.reset(new transaction::Pipeline{*engine_->store_, *engine_->clock_, shard, pipeline});
        storage::PagePool& memory = engine_->store_->pool();
        if (!memory.reserve(options_.initial_bytes) || !state().create_first_root(shard)) {
            return no_memory();
        }
        if (expected > options_.initial_bytes) {
            static_cast<void>(memory.reserve(expected - options_.initial_bytes)); // a hint: refused, the database grows as it must
        }
        return {};
    }

    /// The newest snapshot, or where a file of that is damaged, the newest that does without it.
    Result<void> load_newest_snapshot(recovery::Manifest& manifest, const std::shared_ptr<const Schema>& schema) {
        if (manifest.snapshot.name.empty()) {
            return {};
        }
        std::vector<recovery::SnapshotChain> chains = recovery::chains_of(manifest);
        if (manifest.previous_snapshot.name.empty()) {
            chains.emplace_back(); // no snapshot at all: there may be the whole log
        }
        Result<void> loaded = load_chain(manifest, chains.front());
        for (std::size_t i = 1; !loaded && i < chains.size(); ++i) {
            // A failing read says nothing about the file, and the next one may succeed.
            if (!recovery::detail::is_unusable(loaded.error())) {
                return loaded;
            }
            report().remarks +=
                (i == 1 ? "the newest snapshot could not be used (" : "nor could one before it (") + loaded.error().message() + "); ";
            drop_store();
            if (auto made = make_store(schema, manifest.shard, manifest.database); !made) {
                return made;
            }
            // What an older snapshot needs has been kept, or else the log's beginning; reading the log tells whether it is there.
            const std::uint64_t version = chains[i].empty() ? 0 : chains[i].back().lsn;
            auto first = wal::first_needed_segment(*files_, log_directory(), manifest.first_needed_segment, version, *engine_->allocator_);
            if (!first) {
                return std::move(first).error();
            }
            // Without any snapshot the log must begin with this schema: after a migration what lies before is of another one.
            if (chains[i].empty() && *first != 0) {
                auto segment = wal::SegmentReader::open(*files_, wal::segment_path(log_directory(), *first), *engine_->allocator_);
                if (!segment || segment->header().schema_hash != manifest.schema_hash) {
                    return loaded;
                }
            }
            loaded = load_chain(manifest, chains[i]);
            if (loaded) {
                manifest.first_needed_segment = *first;
                keep_only(manifest, std::move(chains[i]));
            }
        }
        return loaded;
    }

    /// What comes after `chain` is damaged, and out of force.
    static void keep_only(recovery::Manifest& manifest, recovery::SnapshotChain chain) {
        const bool of_previous =
            chain.empty() || chain.front().name != recovery::chain_of(manifest.snapshot_bases, manifest.snapshot).front().name;
        manifest.snapshot = {};
        if (!chain.empty()) {
            manifest.snapshot = std::move(chain.back());
            chain.pop_back();
        }
        manifest.snapshot_bases = std::move(chain);
        if (of_previous) {
            manifest.previous_snapshot = {};
            manifest.previous_bases.clear();
        }
    }

    Result<void> load_chain(const recovery::Manifest& manifest, const recovery::SnapshotChain& chain) {
        if (chain.empty()) {
            saved_.reset();
            return {};
        }
        ECSDB_TRACE_SCOPE("ecsdb load snapshot");
        const recovery::SnapshotFile& newest = chain.back();
        auto opened = snapshot::open_snapshot(reading_, recovery::paths_of(options_.directory, chain), *engine_->allocator_);
        if (!opened && opened.error().code() == ErrorCode::NotFound) {
            return Error{ErrorCode::Corrupt, newest.name + ": the manifest names this snapshot" +
                                                 (chain.size() == 1 ? ", but there is no such file"
                                                                    : " and those it builds on, but they are not all there (" +
                                                                          opened.error().message() + ')')};
        }
        if (!opened) {
            return std::move(opened).error();
        }
        if (opened->identity().database != manifest.database || opened->lsn() != newest.lsn || opened->file_size() != newest.size) {
            return Error{ErrorCode::Corrupt,
                         newest.name + ": is not the snapshot that the manifest names (another database, version or size)"};
        }
        auto loaded = opened->load_into(state(), keeps_saved_state() ? &saved_.emplace(*engine_->allocator_) : nullptr);
        if (!loaded) {
            return std::move(loaded).error();
        }
        if (loaded->info.crc != newest.crc) {
            return Error{ErrorCode::Corrupt, newest.name + ": is not the snapshot that the manifest names (its checksum differs)"};
        }
        report().snapshot_version = newest.lsn;
        report().snapshot_bytes = 0;
        for (const recovery::SnapshotFile& file : chain) {
            report().snapshot_bytes += file.size;
        }
        later_counts_ = std::move(loaded->later);
        return {};
    }
    [[nodiscard]] bool keeps_saved_state() const noexcept { return writes() && options_.incremental_snapshots != 0; }

    Result<wal::LogScan> replay(const recovery::Manifest& manifest) {
        ECSDB_TRACE_SCOPE("ecsdb replay");
        wal::LogReadOptions options;
        options.database = manifest.database;
        options.after_lsn = state().root().version;
        options.first_needed_segment = manifest.first_needed_segment;
        options.durable_lsn = manifest.durable_lsn;
        options.newest_segment = manifest.newest_segment;
        options.newest_epoch = manifest.epoch;
        const std::string log = log_directory();
        if (manifest.newest_segment == 0) {
            // A database being created, when it crashed, or one that was restored or copied: its manifest was there before its log.
            auto exists = files_->exists(log);
            if (!exists) {
                return std::move(exists).error();
            }
            if (!*exists) {
                wal::LogScan none;
                none.end.lsn = options.after_lsn;
                return none;
            }
        }
        wal::LogReader reader{reading_, log, options, *engine_->allocator_};
        recovery::Replay visitor{state(), later_counts_};
        auto scan = reader.read(visitor);
        report().replayed += visitor.taken();
        if (auto finished = visitor.finish(); !finished) {
            return std::move(finished).error();
        }
        if (scan) {
            engine_->pipeline_->writer().set_time(std::max(state().root().time_ns, scan->last_time * 1000));
        }
        return scan;
    }

    /// Ids handed out before may have been shown to somebody without ever being committed, in this or any earlier epoch: an index not in
    /// use now gets a generation that no earlier epoch can have handed out. An index is handed out at most once per epoch without being
    /// committed, so the epoch number itself is far enough ahead.
    Result<void> prepare_ids(std::uint64_t mark, std::uint32_t epoch) {
        transaction::EntityIds& ids = engine_->pipeline_->ids();
        List<transaction::UnusedIndices> unused; // the mark alone may say that there are billions
        std::uint64_t next = 0;                  // indices below it have been looked at
        bool complete = true;
        state().root().entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
            if (record.archetype == storage::no_archetype && record.generation == 0) {
                return;
            }
            if (next < index) {
                unused.push_back({next, index});
            }
            next = std::uint64_t{index} + 1;
            if (const std::uint64_t generation = std::uint64_t{record.generation} + epoch;
                record.archetype == storage::no_archetype && generation <= Entity::max_generation) {
                complete = ids.make_free(index, static_cast<std::uint32_t>(generation)) && complete;
            }
        });
        if (next < mark) {
            unused.push_back({next, mark});
        }
        ids.start_at(std::max(next, mark));
        if (epoch <= Entity::max_generation) {
            ids.set_unused(std::move(unused), epoch);
        }
        return complete ? Result<void>{} : Result<void>{no_memory()};
    }

    Result<void> start_log(std::unique_ptr<FileLock> lock, recovery::Manifest manifest, const wal::LogStart& start) {
        Owner<Durable> durable{new Durable{*files_, *engine_->allocator_, *engine_->clock_, options_, std::move(lock), std::move(manifest),
                                           std::move(saved_)}};
        if (auto started = durable->start_log(start, options_, engine_->store().schema()); !started) {
            return started;
        }
        // Fresh indices are handed out once the log knows the mark above them.
        engine_->pipeline_->ids().lower_mark(engine_->pipeline_->ids().next_fresh());
        join_constraints();
        engine_->pipeline_->writer().join(durable->participant());
        engine_->pipeline_->set_keeper(durable->participant(), options_.publish_before_sync ? Durability::Synced : Durability::Memory);
        durable->participant().start();
        engine_->durable_ = std::move(durable);
        return {};
    }

    /// A schema without constraints costs nothing. Before the log joins: it is to see what they change.
    void join_constraints() {
        Owner<constraint::Constraints> constraints{new constraint::Constraints{engine_->store_->schema(), *engine_->allocator_}};
        if (!constraints->empty()) {
            engine_->pipeline_->writer().join(*constraints);
            engine_->constraints_ = std::move(constraints);
        }
    }

    [[nodiscard]] wal::DatabaseId new_database_id() noexcept {
        const std::uint64_t low = mix64(engine_->clock_->wall_ns() ^ reinterpret_cast<std::uintptr_t>(this));
        const std::uint64_t high = mix64(low ^ mix64(engine_->clock_->monotonic_ns()) ^ reinterpret_cast<std::uintptr_t>(engine_.get()));
        wal::DatabaseId id;
        store_le<std::uint64_t>(id.data(), low);
        store_le<std::uint64_t>(id.data() + 8, high);
        return id;
    }
    /// The half of a stable id that tells the database. Fixed for ever (docs/adr/0008-derived-stable-ids.md); 0 would be nobody's.
    [[nodiscard]] static std::uint64_t identity_of(const wal::DatabaseId& id) noexcept {
        const std::uint64_t identity = mix64(load_le<std::uint64_t>(id.data()) ^ mix64(load_le<std::uint64_t>(id.data() + 8)));
        return identity == 0 ? 1 : identity;
    }
    [[nodiscard]] std::vector<std::byte> encoded(const Schema& schema) {
        ByteBuffer bytes{*engine_->allocator_};
        encode_schema(schema, bytes);
        return {bytes.view().begin(), bytes.view().end()};
    }
    [[nodiscard]] static Error no_memory() {
        return Error{ErrorCode::OutOfMemory, "the allocator refused the memory the database needs to open"};
    }

    Options options_;
    std::optional<Schema> schema_;
    StoredSchema stored_;
    Owner<Engine> engine_;
    FileSystem* files_;
    ReadingProgress reading_;                   ///< The same, for what is read at length.
    snapshot::LaterCounts later_counts_;        ///< Of the snapshot that was loaded.
    std::uint64_t log_bytes_ = 0;               ///< Of the log behind it.
    std::optional<snapshot::SavedState> saved_; ///< What of the state it holds; where incremental snapshots are wanted.
};

/// Opens or creates the database `options` describe. `schema` is what a new database gets; nothing means that only a stored one will do.
///
/// Errors: `NotFound` (no database), `Locked` (naming the process), `SchemaMismatch`, `WrongShard`, `Corrupt` (committed data is damaged:
/// files are left as they are), `Unsupported`, `NoSpace`, `Io`, `OutOfMemory`. Not to be called for one directory from two threads at once.
[[nodiscard]] inline Result<Owner<Engine>> open_engine(const Options& options, std::optional<Schema> schema, StoredSchema stored) {
    return EngineOpener{options, std::move(schema), stored}.open();
}

} // namespace ecsdb
