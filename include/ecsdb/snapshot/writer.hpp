/// @file
/// Saves one version of a database as a file, while the next ones are being made.
#pragma once

#include "ecsdb/schema/encode.hpp"
#include "ecsdb/snapshot/block_reader.hpp"
#include "ecsdb/snapshot/content_writer.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace ecsdb::snapshot {

struct SnapshotOptions {
    Allocator& allocator;      ///< For buffers of a few blocks; must be safe to call from the calling thread.
    int compression_level = 0; ///< 0: none; otherwise as in `compress`, block by block.
    bool own_thread = false;   ///< Whether another thread writes the file while its content is being made.
    bool read_back = false;    ///< Whether the file is read and checked before it gets its name. (From the page cache, where there is one.)
    CountSource* counts = nullptr; ///< Null: `CurrentCounts` of the entity versions given.
    /// What the snapshots so far hold; brought up to date. Null: the next one will be a full one in any case.
    SavedState* saved = nullptr;
    /// Whether to write only what `saved`, which must be usable, does not hold: pages with what was born since, whole. Otherwise a full
    /// one.
    bool incremental = false;
};

namespace detail {

/// Fills a new file with a snapshot and syncs it.
[[nodiscard]] inline Result<SnapshotInfo> write_file(File& file, const storage::Root& root, const SnapshotIdentity& identity,
                                                     CountSource& counts, const SnapshotOptions& options) {
    ByteBuffer schema{options.allocator};
    encode_schema(*root.schema, schema);
    if (schema.failed()) {
        return Error{ErrorCode::OutOfMemory, "no memory to encode the schema"};
    }
    if (schema.size() > max_schema_size) {
        return Error{ErrorCode::InvalidArgument, "the schema is larger than a snapshot can hold"};
    }
    BlockWriter blocks{file, options.allocator, options.compression_level, options.own_thread};
    FileHeader header{identity, root.version, root.time_ns, root.schema->hash(), static_cast<std::uint32_t>(schema.size()), 0, {}};
    header.schema_crc = crc32c(schema.view());
    if (options.incremental) {
        header.base = options.saved->newest;
    }
    blocks.start(header, schema.view());
    ContentWriter content{blocks, root, counts, options.allocator, identity.next_fresh, options.saved, options.incremental};
    auto footer = content.write();
    if (!footer) {
        return std::move(footer).error();
    }
    if (auto finished = blocks.finish(*footer); !finished) {
        return std::move(finished).error();
    }
    if (auto synced = file.sync(); !synced) {
        return std::move(synced).error();
    }
    if (!content.note_saved({root.version, blocks.offset(), blocks.crc()})) {
        return Error{ErrorCode::OutOfMemory, "no memory to note what is saved"};
    }
    return SnapshotInfo{{}, root.version, blocks.offset(), blocks.crc()};
}

/// Opens `path` as a new file, in the place of what an earlier attempt may have left there.
[[nodiscard]] inline Result<std::unique_ptr<File>> open_anew(FileSystem& files, const std::string& path) {
    auto file = files.open(path, FileMode::CreateNew);
    if (!file && file.error().code() == ErrorCode::AlreadyExists) {
        if (auto removed = files.remove(path); !removed) {
            return std::move(removed).error();
        }
        file = files.open(path, FileMode::CreateNew);
    }
    return file;
}

} // namespace detail

/// Saves the version `root`, which the caller keeps pinned, as `path`, durably and as a whole: after a crash at any point there is what was
/// there before, or the complete snapshot. Tables that are transient are left out. With `options.incremental` the file holds only what the
/// snapshots that `options.saved` tells of do not, and is of no use without them.
///
/// Reads pages only: writer and readers go on, and neither waits. Goes through `path.tmp`, which a crash may leave behind and the next call
/// replaces. Any thread, one caller per path at a time. Holds about 2 MiB of buffers (compressing: 3), whatever the size.
///
/// Errors: `NoSpace` and `Io` from the file system, `OutOfMemory`, `Corrupt` where what was written reads back differently,
/// `InvalidArgument` where `identity` contradicts the version. Nothing is left behind then, and what was at `path` is still there. Only
/// where the very last step failed, making the name durable, the new file may be at `path` already.
[[nodiscard]] inline Result<SnapshotInfo> write_snapshot(FileSystem& files, const std::string& path, const storage::Root& root,
                                                         const storage::EntityVersions& versions, const SnapshotIdentity& identity,
                                                         const SnapshotOptions& options) {
    if (identity.shard != root.shard || identity.shard > Entity::max_shard ||
        identity.next_fresh > std::uint64_t{1} << Entity::index_bits) {
        return Error{ErrorCode::InvalidArgument, path + ": the snapshot's identity is not that of the version, or no database's"};
    }
    const std::string staged = path + ".tmp";
    auto file = detail::open_anew(files, staged);
    if (!file) {
        return std::move(file).error();
    }
    CurrentCounts current{versions};
    auto info = detail::write_file(**file, root, identity, options.counts == nullptr ? current : *options.counts, options);
    file->reset();
    if (info && options.read_back) {
        auto found = check_snapshot(files, staged, options.allocator);
        if (!found) {
            info = std::move(found).error();
        } else if (found->crc != info->crc || found->bytes != info->bytes) {
            info = Error{ErrorCode::Corrupt, staged + ": what was written cannot be read back"};
        }
    }
    if (info) {
        if (auto renamed = files.rename(staged, path); !renamed) {
            info = std::move(renamed).error();
        }
    }
    if (!info) {
        if (options.saved != nullptr && options.saved->newest.lsn == root.version) {
            options.saved->usable = false; // it counts on a file that is not there
        }
        // What went wrong first is what the caller needs to know; a file left behind does no harm.
        static_cast<void>(files.remove(staged));
        return std::move(info).error().in("snapshot of version " + std::to_string(root.version));
    }
    if (auto synced = files.sync_directory(parent_directory(path)); !synced) {
        if (options.saved != nullptr) {
            options.saved->usable = false;
        }
        return std::move(synced).error();
    }
    info->path = path;
    return info;
}

} // namespace ecsdb::snapshot
