/// @file
/// What a snapshot file is made of: its constants, and its header, block headers and footer as bytes. docs/format/snapshot.md.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/schema.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace ecsdb::snapshot {

// On-disk constants. Changing one breaks every existing snapshot: add a block kind or raise the format version instead.
inline constexpr std::uint64_t file_magic = 0x504E534244534345;   // "ECSDBSNP"
inline constexpr std::uint64_t footer_magic = 0x444E454244534345; // "ECSDBEND"
inline constexpr std::uint16_t format_version = 1;                ///< Of a snapshot that holds a whole version.
inline constexpr std::uint16_t incremental_format_version = 2;    ///< Of one that holds what has changed since another.
inline constexpr std::size_t file_header_size = 128;
inline constexpr std::size_t block_header_size = 24;
inline constexpr std::size_t checksum_size = 4; ///< After the bytes of each block.
inline constexpr std::size_t index_entry_size = 24;
inline constexpr std::size_t footer_size = 64;
/// 64 MiB: what a reader will hold of a schema, whatever the header says.
inline constexpr std::uint32_t max_schema_size = 64U << 20U;
/// What a reader will hold of one block: the widest row (1 MiB) and the number of its entity.
inline constexpr std::uint32_t max_block_size = (1U << 20U) + (64U << 10U);
inline constexpr std::uint32_t max_block_rows = 1U << 16U;
/// Blocks end near this size: large enough that a block costs nothing, small enough that it stays in the cache while it is worked on.
inline constexpr std::uint32_t target_block_size = 256U << 10U;

/// A database's own random name.
using DatabaseId = std::array<std::byte, 16>;

/// Which database a snapshot is of, and what of its state lies outside of any version.
struct SnapshotIdentity {
    DatabaseId database{};
    std::uint32_t epoch = 0;
    std::uint32_t shard = 0;
    std::uint64_t next_fresh = 0; ///< Entity indices below it may have been handed out; no index at or above it is in the snapshot.

    friend bool operator==(const SnapshotIdentity&, const SnapshotIdentity&) = default;
};

/// The snapshot an incremental one builds on.
struct BaseSnapshot {
    std::uint64_t lsn = 0;
    std::uint64_t size = 0; ///< Of its file; 0: there is none.
    std::uint32_t crc = 0;  ///< CRC32C of its whole file.

    friend bool operator==(const BaseSnapshot&, const BaseSnapshot&) = default;
};

/// The first bytes of a file.
struct FileHeader {
    SnapshotIdentity identity;
    std::uint64_t lsn = 0;     ///< The last transaction in it: the version it was taken of.
    std::uint64_t time_ns = 0; ///< When that was committed.
    std::uint64_t schema_hash = 0;
    std::uint32_t schema_size = 0; ///< The encoded schema follows the header.
    std::uint32_t schema_crc = 0;
    BaseSnapshot base{}; ///< Without a size: the snapshot is a full one.

    [[nodiscard]] bool is_incremental() const noexcept { return base.size != 0; }
    friend bool operator==(const FileHeader&, const FileHeader&) = default;
};

/// What a block holds. Bit 7 marks kinds that a reader which does not know them may skip.
enum class BlockKind : std::uint8_t {
    Archetype = 1,   ///< A set of tables; the entities and rows of it follow.
    Entities = 2,    ///< Ids of consecutive rows.
    Rows = 3,        ///< Consecutive rows of one table.
    SparseRows = 4,  ///< Entity indices and their rows of one sparse table.
    Freed = 5,       ///< Indices where nothing lives, with the last generation that did.
    Counts = 6,      ///< How often the entities of consecutive indices were changed.
    Index = 7,       ///< Where the blocks before it are.
    Contents = 8,    ///< What one text or blob field of some entities holds.
    ContentPart = 9, ///< A part of what one such field of one entity holds, where that is large.
    // In incremental snapshots only.
    ChangedEntities = 10, ///< Ids of runs of rows.
    ChangedRows = 11,     ///< Runs of rows of one table.
    Replaced = 12,        ///< Ranges of indices of which older snapshots say nothing any more.
    ChangedCounts = 13,   ///< How often some entities were changed.
};
inline constexpr std::uint8_t skippable_kind = 0x80;

enum class Codec : std::uint8_t {
    Raw = 0,
    Zstd = 1,
    ShuffledZstd = 2, ///< The first bytes of all rows come first, then all second ones, and so on: see `shuffle_rows`.
};

/// The first bytes of a block. What `archetype`, `first` and `rows` count depends on the kind.
struct BlockHeader {
    BlockKind kind{};
    Codec codec = Codec::Raw;
    TableId table = 0;
    std::uint32_t archetype = 0; ///< Counted from 1 in the order of the file.
    std::uint32_t first = 0;
    std::uint32_t rows = 0;
    std::uint32_t raw_size = 0;
    std::uint32_t stored_size = 0;
};

/// The last bytes of a file.
struct Footer {
    std::uint64_t lsn = 0;
    std::uint64_t entities = 0;     ///< Living ones.
    std::uint64_t freed = 0;        ///< Indices where nothing lives any more.
    std::uint64_t rows = 0;         ///< Of all tables together, tags not counted where they are part of an archetype.
    std::uint64_t blocks = 0;       ///< Of all kinds.
    std::uint64_t index_offset = 0; ///< Of the first index block.

    friend bool operator==(const Footer&, const Footer&) = default;
};

/// Whether rows of this table are part of a snapshot.
[[nodiscard]] inline bool is_saved(const Table& table) noexcept {
    return table.persist != Persist::Transient && !table.dropped;
}

/// The header's `file_header_size` bytes, checksum included.
[[nodiscard]] inline std::array<std::byte, file_header_size> encode_file_header(const FileHeader& header) noexcept {
    std::array<std::byte, file_header_size> bytes{};
    store_le<std::uint64_t>(bytes.data(), file_magic);
    store_le<std::uint16_t>(bytes.data() + 12, header.is_incremental() ? incremental_format_version : format_version);
    std::memcpy(bytes.data() + 16, header.identity.database.data(), header.identity.database.size());
    store_le<std::uint32_t>(bytes.data() + 32, header.identity.epoch);
    store_le<std::uint32_t>(bytes.data() + 36, header.identity.shard);
    store_le<std::uint64_t>(bytes.data() + 40, header.lsn);
    store_le<std::uint64_t>(bytes.data() + 48, header.time_ns);
    store_le<std::uint64_t>(bytes.data() + 56, header.identity.next_fresh);
    store_le<std::uint64_t>(bytes.data() + 64, header.schema_hash);
    store_le<std::uint32_t>(bytes.data() + 72, header.schema_size);
    store_le<std::uint32_t>(bytes.data() + 76, mask_crc(header.schema_crc));
    store_le<std::uint64_t>(bytes.data() + 80, header.base.lsn);
    store_le<std::uint64_t>(bytes.data() + 88, header.base.size);
    store_le<std::uint32_t>(bytes.data() + 96, header.base.crc);
    store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12))));
    return bytes;
}

/// The header in `bytes`: `Corrupt`, or `Unsupported` where a newer release wrote it.
[[nodiscard]] inline Result<FileHeader> decode_file_header(std::span<const std::byte, file_header_size> bytes) {
    if (load_le<std::uint64_t>(bytes.data()) != file_magic) {
        return Error{ErrorCode::Corrupt, "not a snapshot: the magic number differs"};
    }
    if (load_le<std::uint32_t>(bytes.data() + 8) != mask_crc(crc32c(bytes.subspan(12)))) {
        return Error{ErrorCode::Corrupt, "the header's checksum differs"};
    }
    const auto version = load_le<std::uint16_t>(bytes.data() + 12);
    if (version != format_version && version != incremental_format_version) {
        return Error{ErrorCode::Unsupported, "snapshot format version " + std::to_string(version) + "; this build reads versions " +
                                                 std::to_string(format_version) + " and " + std::to_string(incremental_format_version)};
    }
    FileHeader header;
    std::memcpy(header.identity.database.data(), bytes.data() + 16, header.identity.database.size());
    header.identity.epoch = load_le<std::uint32_t>(bytes.data() + 32);
    header.identity.shard = load_le<std::uint32_t>(bytes.data() + 36);
    header.lsn = load_le<std::uint64_t>(bytes.data() + 40);
    header.time_ns = load_le<std::uint64_t>(bytes.data() + 48);
    header.identity.next_fresh = load_le<std::uint64_t>(bytes.data() + 56);
    header.schema_hash = load_le<std::uint64_t>(bytes.data() + 64);
    header.schema_size = load_le<std::uint32_t>(bytes.data() + 72);
    header.schema_crc = unmask_crc(load_le<std::uint32_t>(bytes.data() + 76));
    if (version == incremental_format_version) {
        header.base = {load_le<std::uint64_t>(bytes.data() + 80), load_le<std::uint64_t>(bytes.data() + 88),
                       load_le<std::uint32_t>(bytes.data() + 96)};
        if (header.base.size < file_header_size + footer_size || header.base.lsn >= header.lsn) {
            return Error{ErrorCode::Corrupt, "the header names a base that cannot be"};
        }
    }
    if (header.identity.shard > Entity::max_shard || header.identity.next_fresh > std::uint64_t{1} << Entity::index_bits ||
        header.schema_size > max_schema_size) {
        return Error{ErrorCode::Corrupt, "the header names a shard, an index or a schema that cannot be"};
    }
    return header;
}

/// Writes `block_header_size` bytes.
inline void store_block_header(std::byte* bytes, const BlockHeader& header) noexcept {
    store_le<BlockKind>(bytes, header.kind);
    store_le<Codec>(bytes + 1, header.codec);
    store_le<TableId>(bytes + 2, header.table);
    store_le<std::uint32_t>(bytes + 4, header.archetype);
    store_le<std::uint32_t>(bytes + 8, header.first);
    store_le<std::uint32_t>(bytes + 12, header.rows);
    store_le<std::uint32_t>(bytes + 16, header.raw_size);
    store_le<std::uint32_t>(bytes + 20, header.stored_size);
}

/// Reads `block_header_size` bytes, checking nothing.
[[nodiscard]] inline BlockHeader load_block_header(const std::byte* bytes) noexcept {
    return {load_le<BlockKind>(bytes),          load_le<Codec>(bytes + 1),         load_le<TableId>(bytes + 2),
            load_le<std::uint32_t>(bytes + 4),  load_le<std::uint32_t>(bytes + 8), load_le<std::uint32_t>(bytes + 12),
            load_le<std::uint32_t>(bytes + 16), load_le<std::uint32_t>(bytes + 20)};
}

/// A block's line in the index.
[[nodiscard]] inline std::array<std::byte, index_entry_size> encode_index_entry(const BlockHeader& header, std::uint64_t offset) noexcept {
    std::array<std::byte, index_entry_size> bytes{};
    store_le<std::uint64_t>(bytes.data(), offset);
    store_le<BlockKind>(bytes.data() + 8, header.kind);
    store_le<TableId>(bytes.data() + 10, header.table);
    store_le<std::uint32_t>(bytes.data() + 12, header.archetype);
    store_le<std::uint32_t>(bytes.data() + 16, header.first);
    store_le<std::uint32_t>(bytes.data() + 20, header.rows);
    return bytes;
}

/// The footer's `footer_size` bytes; the last `checksum_size` of them are left zero for the whole file's checksum.
[[nodiscard]] inline std::array<std::byte, footer_size> encode_footer(const Footer& footer) noexcept {
    std::array<std::byte, footer_size> bytes{};
    store_le<std::uint64_t>(bytes.data(), footer.lsn);
    store_le<std::uint64_t>(bytes.data() + 8, footer.entities);
    store_le<std::uint64_t>(bytes.data() + 16, footer.freed);
    store_le<std::uint64_t>(bytes.data() + 24, footer.rows);
    store_le<std::uint64_t>(bytes.data() + 32, footer.blocks);
    store_le<std::uint64_t>(bytes.data() + 40, footer.index_offset);
    store_le<std::uint64_t>(bytes.data() + 48, footer_magic);
    return bytes;
}

/// The footer in `bytes`. Its checksum covers the whole file and is the caller's to compare.
[[nodiscard]] inline Result<Footer> decode_footer(std::span<const std::byte, footer_size> bytes) {
    if (load_le<std::uint64_t>(bytes.data() + 48) != footer_magic) {
        return Error{ErrorCode::Corrupt, "cut short, or damaged at its end: there is no footer"};
    }
    return Footer{load_le<std::uint64_t>(bytes.data()),      load_le<std::uint64_t>(bytes.data() + 8),
                  load_le<std::uint64_t>(bytes.data() + 16), load_le<std::uint64_t>(bytes.data() + 24),
                  load_le<std::uint64_t>(bytes.data() + 32), load_le<std::uint64_t>(bytes.data() + 40)};
}

} // namespace ecsdb::snapshot
