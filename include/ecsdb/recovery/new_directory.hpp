/// @file
/// Makes a directory that holds one version of a database: a snapshot, and last a manifest, each read back.
#pragma once

#include "ecsdb/recovery/manifest.hpp"
#include "ecsdb/recovery/snapshots.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/snapshot/writer.hpp"

#include <string>
#include <utility>

namespace ecsdb::recovery {

/// `AlreadyExists` where there is anything in `directory`, which is created if need be.
[[nodiscard]] inline Result<void> make_empty_directory(FileSystem& files, const std::string& directory) {
    const auto exists = files.exists(directory);
    if (!exists) {
        return exists.error().clone();
    }
    if (*exists) {
        const auto names = files.list(directory);
        if (!names) {
            return names.error().clone();
        }
        return names->empty() ? Result<void>{}
                              : Result<void>{Error{ErrorCode::AlreadyExists, directory + ": is not empty, there is " + names->front()}};
    }
    if (auto made = files.create_directory(directory); !made) {
        return made;
    }
    return files.sync_directory(parent_directory(directory));
}

/// Stores the version `root`, which the caller keeps pinned, as a database in `directory`. Of `manifest` are taken: the database's id,
/// epoch, shard, index mark and last time; what else it says follows from the version. Until the manifest, which comes last, is durable,
/// there is no database. `counts` as in `SnapshotOptions`.
[[nodiscard]] inline Result<void> fill_new_directory(FileSystem& files, const std::string& directory, const storage::Root& root,
                                                     const storage::EntityVersions& versions, snapshot::CountSource* counts,
                                                     Manifest manifest, Allocator& allocator) {
    if (auto made = make_empty_directory(files, directory); !made) {
        return made;
    }
    const std::string name = ecsdb::detail::snapshot_file_name(root.version);
    snapshot::SnapshotOptions options{.allocator = allocator};
    options.read_back = true;
    options.counts = counts;
    const snapshot::SnapshotIdentity identity{manifest.database, manifest.epoch, manifest.shard, manifest.reserved_index_mark};
    auto written = snapshot::write_snapshot(files, directory + '/' + name, root, versions, identity, options);
    if (!written) {
        return std::move(written).error();
    }
    ByteBuffer schema{allocator};
    encode_schema(*root.schema, schema);
    if (schema.failed()) {
        return Error{ErrorCode::OutOfMemory, "no memory to encode the schema"};
    }
    manifest.boot = files.boot_id();
    manifest.clean = false;
    manifest.durable_lsn = root.version;
    manifest.first_needed_segment = 1;
    manifest.newest_segment = 0;
    manifest.archive_lsn = 0;
    manifest.schema.assign(schema.view().begin(), schema.view().end());
    manifest.schema_hash = root.schema->hash();
    manifest.snapshot = {name, written->lsn, written->bytes, written->crc};
    manifest.previous_snapshot = {};
    manifest.snapshot_bases.clear();
    manifest.previous_bases.clear();
    return store_manifest(files, directory, manifest, allocator);
}

} // namespace ecsdb::recovery
