/// @file
/// The manifest: which snapshot and which log segments make up a database, and how far it is known to be durable.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::recovery {

// On-disk constants, laid out in docs/format/manifest.md.
inline constexpr std::uint64_t manifest_magic = 0x4E414D4244534345; // "ECSDBMAN"
inline constexpr std::uint32_t manifest_version = 1;
inline constexpr std::uint32_t manifest_version_with_chains = 2; ///< Only where a snapshot builds on others.
/// 64 MiB: what a reader will hold on the word of a file it has not checked yet. Nearly all of a manifest is its schema.
inline constexpr std::uint64_t max_manifest_size = std::uint64_t{64} << 20U;

inline constexpr std::string_view manifest_name = "MANIFEST";
inline constexpr std::string_view previous_manifest_name = "MANIFEST.previous";

/// A snapshot's file and what is needed to trust it.
struct SnapshotFile {
    std::string name; ///< Relative to the database's directory; empty where there is no snapshot.
    std::uint64_t lsn = 0;
    std::uint64_t size = 0;
    std::uint32_t crc = 0; ///< CRC32C of the whole file.

    friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

/// What the manifest says.
struct Manifest {
    wal::DatabaseId database{};
    BootId boot{};
    std::uint32_t epoch = 0; ///< Of the newest segment.
    std::uint32_t shard = 0;
    bool clean = false;                     ///< The database was closed in good order.
    std::uint64_t durable_lsn = 0;          ///< Transactions up to here had been synced.
    std::uint64_t first_needed_segment = 0; ///< To replay the log onto the snapshot; 0: the log's first.
    std::uint64_t newest_segment = 0;       ///< 0: there is none.
    std::uint64_t archive_lsn = 0;          ///< Reserved: the log is archived up to here.
    std::uint64_t schema_hash = 0;
    std::uint64_t reserved_index_mark = 0; ///< Entity indices below it may have been handed out.
    std::uint64_t last_time = 0;           ///< Of the last commit known, microseconds since 1970 UTC.
    SnapshotFile snapshot;
    SnapshotFile previous_snapshot; ///< Kept until its successor has proven readable.
    std::vector<std::byte> schema;  ///< Encoded.
    /// What `snapshot` and `previous_snapshot` build on, the full snapshot first; empty where they are full themselves.
    std::vector<SnapshotFile> snapshot_bases;
    std::vector<SnapshotFile> previous_bases;

    friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// Snapshots to be loaded one onto the other, the full one first.
using SnapshotChain = std::vector<SnapshotFile>;

/// The chain that ends with `snapshot`; empty where there is none.
[[nodiscard]] inline SnapshotChain chain_of(const std::vector<SnapshotFile>& bases, const SnapshotFile& snapshot) {
    if (snapshot.name.empty()) {
        return {};
    }
    SnapshotChain chain = bases;
    chain.push_back(snapshot);
    return chain;
}

/// All chains that a manifest has files for, the newest version first: without its last links, too, a chain leads to a state that the log
/// goes on from.
[[nodiscard]] inline std::vector<SnapshotChain> chains_of(const Manifest& manifest) {
    std::vector<SnapshotChain> chains;
    for (SnapshotChain chain :
         {chain_of(manifest.snapshot_bases, manifest.snapshot), chain_of(manifest.previous_bases, manifest.previous_snapshot)}) {
        for (; !chain.empty(); chain.pop_back()) {
            chains.push_back(chain);
        }
    }
    return chains;
}

/// Whether a file is one of those the manifest names as snapshots.
[[nodiscard]] inline bool names_snapshot(const Manifest& manifest, std::string_view name) {
    const auto chains = chains_of(manifest);
    return std::any_of(chains.begin(), chains.end(), [&](const SnapshotChain& chain) { return chain.back().name == name; });
}

/// A manifest that was found, and what stood in the way.
struct LoadedManifest {
    Manifest manifest;
    bool previous = false; ///< It is the one before the last.
    std::string problem;   ///< Then: why the last one could not be used.
};

namespace detail {

inline void append_snapshot_file(ByteBuffer& buffer, const SnapshotFile& snapshot) {
    buffer.append_le<std::uint64_t>(snapshot.lsn);
    buffer.append_le<std::uint64_t>(snapshot.size);
    buffer.append_le<std::uint32_t>(snapshot.crc);
    buffer.append_le<std::uint32_t>(static_cast<std::uint32_t>(snapshot.name.size()));
    buffer.append(snapshot.name.data(), snapshot.name.size());
}

[[nodiscard]] inline SnapshotFile read_snapshot_file(ByteReader& reader) {
    SnapshotFile snapshot;
    snapshot.lsn = reader.read_le<std::uint64_t>();
    snapshot.size = reader.read_le<std::uint64_t>();
    snapshot.crc = reader.read_le<std::uint32_t>();
    const auto name = reader.read_bytes(reader.read_le<std::uint32_t>());
    snapshot.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    return snapshot;
}

inline void append_snapshot_files(ByteBuffer& buffer, const std::vector<SnapshotFile>& snapshots) {
    buffer.append_le<std::uint32_t>(static_cast<std::uint32_t>(snapshots.size()));
    for (const SnapshotFile& snapshot : snapshots) {
        append_snapshot_file(buffer, snapshot);
    }
}

[[nodiscard]] inline std::vector<SnapshotFile> read_snapshot_files(ByteReader& reader) {
    std::vector<SnapshotFile> snapshots;
    for (auto left = reader.read_le<std::uint32_t>(); left != 0 && !reader.failed(); --left) {
        snapshots.push_back(read_snapshot_file(reader));
    }
    return snapshots;
}

/// Left as it is where the reader has failed.
inline void read_id(ByteReader& reader, std::array<std::byte, 16>& id) noexcept {
    if (const auto bytes = reader.read_bytes(id.size()); !bytes.empty()) {
        std::memcpy(id.data(), bytes.data(), id.size());
    }
}

/// A path into the database's own directory: nothing a damaged or hostile file could use to reach beyond it.
[[nodiscard]] inline bool is_inner_path(std::string_view name) noexcept {
    return !name.starts_with('/') && name.find("..") == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

} // namespace detail

/// Appends the manifest's bytes to `buffer`, which is `failed()` where there was no memory.
inline void encode_manifest(const Manifest& manifest, ByteBuffer& buffer) {
    const std::size_t start = buffer.size();
    buffer.append_le<std::uint64_t>(manifest_magic);
    buffer.append_le<std::uint32_t>(0);
    const bool has_chains = !manifest.snapshot_bases.empty() || !manifest.previous_bases.empty();
    buffer.append_le<std::uint32_t>(has_chains ? manifest_version_with_chains : manifest_version);
    buffer.append_le<std::uint64_t>(0);
    buffer.append(manifest.database);
    buffer.append_le<std::uint32_t>(manifest.epoch);
    buffer.append_le<std::uint32_t>(manifest.shard);
    buffer.append(manifest.boot);
    buffer.append_le<std::uint64_t>(manifest.clean ? 1 : 0);
    buffer.append_le<std::uint64_t>(manifest.durable_lsn);
    buffer.append_le<std::uint64_t>(manifest.first_needed_segment);
    buffer.append_le<std::uint64_t>(manifest.newest_segment);
    buffer.append_le<std::uint64_t>(manifest.archive_lsn);
    buffer.append_le<std::uint64_t>(manifest.schema_hash);
    buffer.append_le<std::uint64_t>(manifest.reserved_index_mark);
    buffer.append_le<std::uint64_t>(manifest.last_time);
    detail::append_snapshot_file(buffer, manifest.snapshot);
    detail::append_snapshot_file(buffer, manifest.previous_snapshot);
    buffer.append_le<std::uint32_t>(static_cast<std::uint32_t>(manifest.schema.size()));
    buffer.append(manifest.schema);
    if (has_chains) {
        detail::append_snapshot_files(buffer, manifest.snapshot_bases);
        detail::append_snapshot_files(buffer, manifest.previous_bases);
    }
    if (!buffer.failed()) {
        buffer.patch_le<std::uint64_t>(start + 16, buffer.size() - start);
        buffer.patch_le<std::uint32_t>(start + 8, mask_crc(crc32c(buffer.view().subspan(start + 12))));
    }
}

/// The manifest in `bytes`: `Corrupt`, or `Unsupported` where a newer release wrote it.
[[nodiscard]] inline Result<Manifest> decode_manifest(std::span<const std::byte> bytes) {
    ByteReader reader{bytes};
    if (reader.read_le<std::uint64_t>() != manifest_magic) {
        return Error{ErrorCode::Corrupt, "not a manifest: the magic number differs"};
    }
    const auto stored_crc = reader.read_le<std::uint32_t>();
    const auto version = reader.read_le<std::uint32_t>();
    const auto size = reader.read_le<std::uint64_t>();
    if (reader.failed() || size != bytes.size()) {
        return Error{ErrorCode::Corrupt,
                     "the manifest has " + std::to_string(bytes.size()) + " bytes instead of the " + std::to_string(size) + " it claims"};
    }
    if (stored_crc != mask_crc(crc32c(bytes.subspan(12)))) {
        return Error{ErrorCode::Corrupt, "the manifest's checksum differs"};
    }
    if (version != manifest_version && version != manifest_version_with_chains) {
        return Error{ErrorCode::Unsupported, "manifest format version " + std::to_string(version) + "; this build reads versions " +
                                                 std::to_string(manifest_version) + " and " + std::to_string(manifest_version_with_chains)};
    }
    Manifest manifest;
    detail::read_id(reader, manifest.database);
    manifest.epoch = reader.read_le<std::uint32_t>();
    manifest.shard = reader.read_le<std::uint32_t>();
    detail::read_id(reader, manifest.boot);
    manifest.clean = (reader.read_le<std::uint64_t>() & 1U) != 0;
    manifest.durable_lsn = reader.read_le<std::uint64_t>();
    manifest.first_needed_segment = reader.read_le<std::uint64_t>();
    manifest.newest_segment = reader.read_le<std::uint64_t>();
    manifest.archive_lsn = reader.read_le<std::uint64_t>();
    manifest.schema_hash = reader.read_le<std::uint64_t>();
    manifest.reserved_index_mark = reader.read_le<std::uint64_t>();
    manifest.last_time = reader.read_le<std::uint64_t>();
    manifest.snapshot = detail::read_snapshot_file(reader);
    manifest.previous_snapshot = detail::read_snapshot_file(reader);
    const auto schema = reader.read_bytes(reader.read_le<std::uint32_t>());
    manifest.schema.assign(schema.begin(), schema.end());
    if (version == manifest_version_with_chains) {
        manifest.snapshot_bases = detail::read_snapshot_files(reader);
        manifest.previous_bases = detail::read_snapshot_files(reader);
    }
    if (reader.failed() || reader.remaining() != 0) {
        return Error{ErrorCode::Corrupt, "the manifest's lengths do not add up"};
    }
    if (manifest.reserved_index_mark > std::uint64_t{1} << Entity::index_bits) {
        return Error{ErrorCode::Corrupt,
                     "the manifest's index mark is " + std::to_string(manifest.reserved_index_mark) + ", and there are 2^32 indices"};
    }
    bool sane = manifest.shard <= Entity::max_shard && detail::is_inner_path(manifest.snapshot.name) &&
                detail::is_inner_path(manifest.previous_snapshot.name);
    for (const auto* const bases : {&manifest.snapshot_bases, &manifest.previous_bases}) {
        for (const SnapshotFile& base : *bases) {
            sane = sane && !base.name.empty() && detail::is_inner_path(base.name);
        }
    }
    sane = sane && (manifest.snapshot_bases.empty() || !manifest.snapshot.name.empty()) &&
           (manifest.previous_bases.empty() || !manifest.previous_snapshot.name.empty());
    if (!sane) {
        return Error{ErrorCode::Corrupt, "the manifest names a shard or a snapshot that cannot be"};
    }
    return manifest;
}

/// Where the files of a chain lie.
[[nodiscard]] inline std::vector<std::string> paths_of(const std::string& directory, const SnapshotChain& chain) {
    std::vector<std::string> paths;
    for (const SnapshotFile& file : chain) {
        paths.push_back(directory + '/' + file.name);
    }
    return paths;
}

namespace detail {

[[nodiscard]] inline std::string manifest_path(const std::string& directory, std::string_view name) {
    return (directory + '/').append(name);
}

[[nodiscard]] inline Result<Manifest> load_one_manifest(FileSystem& files, const std::string& path) {
    const auto bytes = read_all(files, path, max_manifest_size);
    if (!bytes) {
        return bytes.error().clone();
    }
    auto manifest = decode_manifest(*bytes);
    return manifest ? std::move(manifest) : Result<Manifest>{std::move(manifest).error().in(path)};
}

[[nodiscard]] inline bool is_unusable(const Error& error) noexcept {
    return error.code() == ErrorCode::NotFound || error.code() == ErrorCode::Corrupt;
}

} // namespace detail

/// The manifest of the database in `directory`; where it is missing or damaged, the one before it, saying so. `NotFound` where there
/// is neither (no database), `Corrupt` where both are unusable, `Unsupported` where a newer release wrote it, and `Io` where reading
/// failed, which says nothing about the file. Changes nothing.
[[nodiscard]] inline Result<LoadedManifest> load_manifest(FileSystem& files, const std::string& directory) {
    auto current = detail::load_one_manifest(files, detail::manifest_path(directory, manifest_name));
    if (current) {
        return LoadedManifest{std::move(*current), false, {}};
    }
    if (!detail::is_unusable(current.error())) {
        return std::move(current).error();
    }
    auto previous = detail::load_one_manifest(files, detail::manifest_path(directory, previous_manifest_name));
    if (previous) {
        return LoadedManifest{std::move(*previous), true, current.error().message()};
    }
    // Of two errors, the one that says more: anything but "not found", and of those the first.
    const bool missing = current.error().code() == ErrorCode::NotFound;
    return missing || !detail::is_unusable(previous.error()) ? std::move(previous).error() : std::move(current).error();
}

/// Replaces the manifest as a whole and durably, keeps the one before it, and reads the new one back. After a crash at any point the
/// old one or the new one is found. After a failure, too: which of them is then open, so the caller keeps what either needs.
/// One caller per directory at a time.
inline Result<void> store_manifest(FileSystem& files, const std::string& directory, const Manifest& manifest, Allocator& allocator) {
    ByteBuffer encoded{allocator};
    encode_manifest(manifest, encoded);
    if (encoded.failed()) {
        return Error{ErrorCode::OutOfMemory, "no memory to encode the manifest"};
    }
    if (encoded.size() > max_manifest_size || !decode_manifest(encoded.view())) {
        return Error{ErrorCode::InvalidArgument,
                     "the manifest to store could not be read back: too large, or a name or number out of range"};
    }
    const std::string path = detail::manifest_path(directory, manifest_name);
    const auto old = read_all(files, path, max_manifest_size);
    if (!old && !detail::is_unusable(old.error())) {
        return old.error().clone();
    }
    // A damaged manifest must not take the place of the good one before it.
    if (old && decode_manifest(*old)) {
        if (auto kept = write_atomically(files, detail::manifest_path(directory, previous_manifest_name), *old); !kept) {
            return kept;
        }
    }
    if (auto written = write_atomically(files, path, encoded.view()); !written) {
        return written;
    }
    const auto stored = read_all(files, path, max_manifest_size);
    if (!stored) {
        return stored.error().clone();
    }
    if (stored->size() != encoded.size() || std::memcmp(stored->data(), encoded.data(), encoded.size()) != 0) {
        return Error{ErrorCode::Corrupt, path + ": what was written cannot be read back"};
    }
    return {};
}

} // namespace ecsdb::recovery
