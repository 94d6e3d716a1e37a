/// @file
/// Saves one version of a database into memory, as the bytes a snapshot file would have.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/io/memory_file.hpp"
#include "ecsdb/snapshot/writer.hpp"

#include <string>
#include <utility>

namespace ecsdb::snapshot {

/// Saves the version `root`, which the caller keeps pinned, into `out`, which is emptied first and whose memory is used again: the bytes
/// `write_snapshot` writes into a file. Transient tables are left out. Of the options, those about files mean nothing here.
///
/// Reads pages only; any thread. `OutOfMemory`, `InvalidArgument` as there; `out` then holds anything.
[[nodiscard]] inline Result<SnapshotInfo> write_snapshot(ByteBuffer& out, const storage::Root& root,
                                                         const storage::EntityVersions& versions, const SnapshotIdentity& identity,
                                                         const SnapshotOptions& options) {
    out.clear();
    BufferFile file{out};
    CurrentCounts current{versions};
    auto info = detail::write_file(file, root, identity, options.counts == nullptr ? current : *options.counts, options);
    return info ? std::move(info) : std::move(info).error().in("snapshot of version " + std::to_string(root.version));
}

} // namespace ecsdb::snapshot
