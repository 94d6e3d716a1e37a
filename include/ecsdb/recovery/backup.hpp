/// @file
/// Copies an open database into another directory while it goes on being read and written.
#pragma once

#include "ecsdb/recovery/engine.hpp"
#include "ecsdb/recovery/new_directory.hpp"
#include "ecsdb/recovery/on_writer.hpp"
#include "ecsdb/wal/segment_holds.hpp"

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

namespace ecsdb {

/// What a backup holds.
struct BackupReport {
    std::uint64_t version = 0;
    std::uint64_t hash = 0; ///< `view.hash()` at that version.
};

/// Writes the newest version of an open database into `directory` (new, or empty) as a database of its own: a snapshot of the pinned
/// version, read back, and the manifest last. Opening it, at any later time and anywhere, gives that version; it begins an epoch of its
/// own. Readers and writer go on; where the log stops, the copy still is whole.
///
/// Any thread but the writer's. Errors: `AlreadyExists` where `directory` is not empty, `InvalidArgument` where the database has no
/// directory itself, `NoSpace`, `Io`, `OutOfMemory`, `Corrupt` where what was written reads back differently. A directory that a crash or
/// an error left half made holds no database, and has to be removed. Cost: writing and reading a snapshot.
[[nodiscard]] inline Result<BackupReport> backup(Engine& engine, const std::string& directory, FileSystem& files) {
    if (engine.pipeline().fork_guard().in_child()) {
        return transaction::Pipeline::forked();
    }
    if (engine.durable() == nullptr) {
        return Error{ErrorCode::InvalidArgument, "backup: this database has no directory, or is open read-only"};
    }
    if (engine.pipeline().writer().is_this_thread()) {
        return Error{ErrorCode::WouldDeadlock, "backup: it waits for the writer and so cannot be made on its thread"};
    }
    // What follows the copied version stays in the log meanwhile, so that a delta can bring the copy up to date.
    const wal::SegmentHolds::Hold hold{engine.durable()->segment_holds(), "backup", engine.durable()->manifest().newest_segment};
    storage::PinnedRoot pinned{engine.store()};
    if (pinned.get() == nullptr) {
        return Error{ErrorCode::OutOfMemory, "backup: no memory to pin the version"};
    }
    pinned.set_name("backup");
    const storage::Root& root = *pinned.get();
    recovery::Manifest manifest = engine.durable()->manifest();
    ++manifest.epoch;
    manifest.last_time = root.time_ns / 1000;
    manifest.reserved_index_mark = engine.pipeline().ids().next_fresh();
    detail::CountsFromWriter counts{engine.pipeline()};
    auto written = recovery::fill_new_directory(files, directory, root, engine.store().entity_versions(), &counts, std::move(manifest),
                                                engine.store().allocator());
    if (!written) {
        return std::move(written).error().in("backup " + directory);
    }
    return BackupReport{root.version, storage::hash_of(root)};
}

/// The same through the database's own file system.
[[nodiscard]] inline Result<BackupReport> backup(Engine& engine, const std::string& directory) {
    return engine.durable() == nullptr
               ? Result<BackupReport>{Error{ErrorCode::InvalidArgument, "backup: this database has no directory, or is open read-only"}}
               : backup(engine, directory, engine.durable()->files());
}

/// The same for a `Database`.
template <typename Database>
[[nodiscard]] Result<BackupReport> backup(Database& database, const std::string& directory) requires requires {
    { database.engine() } -> std::same_as<Engine&>;
}
{ return backup(database.engine(), directory); }

} // namespace ecsdb
