/// @file
/// The log's constants, file names and segment header, as docs/format/log.md lays them out.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ecsdb::wal {

// On-disk constants. Changing one breaks every existing log: add a frame type instead.
inline constexpr std::uint64_t segment_magic = 0x474F4C4244534345; // "ECSDBLOG"
inline constexpr std::uint16_t format_version = 1;
/// The header has a block of its own, so that no write of frames ever touches it.
inline constexpr std::size_t segment_header_size = 4096;
inline constexpr std::size_t frame_header_size = 40;
inline constexpr std::size_t frame_alignment = 8;
/// 16 MiB with header and padding: what a reader will hold on the word of a frame it has not checked yet.
inline constexpr std::size_t max_frame_size = std::size_t{16} << 20U;
inline constexpr std::size_t max_payload_size = max_frame_size - frame_header_size;
/// What every part of a split transaction spends on saying which one it is.
inline constexpr std::size_t part_header_size = 8;
/// The same where the transaction takes several versions, with how many.
inline constexpr std::size_t leap_header_size = 16;
/// Versions one transaction may take.
inline constexpr std::uint64_t max_versions = std::uint64_t{1} << 20U;

/// A segment being made; it gets its number as a name once its header is durable.
inline constexpr std::string_view spare_file_name = "spare.tmp";
inline constexpr std::string_view segment_suffix = ".seg";

/// What a frame holds. Readers refuse a type they do not know, unless it has `skippable_type`.
enum class FrameType : std::uint16_t {
    Group = 1,           ///< Whole transactions, each with its length.
    TransactionPart = 2, ///< A piece of one that is too long for a frame.
    Schema = 3,          ///< The encoded schema in force from here on.
    Reserve = 4,         ///< Entity indices below a mark may have been handed out.
    CleanClose = 5,      ///< Nothing follows: the database was closed in good order.
    LeapPart = 6,        ///< A piece, or all, of one that takes several versions at once.
    Prepare = 7,         ///< Reserved for transactions over several databases.
    Decide = 8,          ///< Likewise.
    SnapshotTaken = 0x86 ///< A snapshot has become durable.
};
inline constexpr std::uint16_t skippable_type = 0x80;

/// Everything before the frame in its segment had been synced when the frame was written.
inline constexpr std::uint16_t flag_after_sync = 1;
/// The transaction in parts is complete.
inline constexpr std::uint16_t flag_last_part = 2;

/// The segment's file held something else before: what lies behind its frames means nothing.
inline constexpr std::uint16_t segment_flag_reused = 1;

/// Names one database for ever, wherever its files are copied.
using DatabaseId = std::array<std::byte, 16>;

/// A place in the log where a transaction or a note ends, and what everything before it amounts to.
struct LogPosition {
    std::uint64_t segment = 0; ///< 0: before the first.
    std::uint64_t offset = 0;
    std::uint64_t lsn = 0;         ///< Of the last complete transaction.
    std::uint32_t running_crc = 0; ///< Over the checksums of the segment's header and of its frames up to here.
    std::uint32_t epoch = 0;       ///< Of the segment.

    friend constexpr bool operator==(const LogPosition&, const LogPosition&) noexcept = default;
};

/// A run of transactions, both ends included; LSNs start at 1, so `from == 0` says there is none.
struct LsnRange {
    std::uint64_t from = 0;
    std::uint64_t to = 0;

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return from != 0; }
    friend constexpr bool operator==(const LsnRange&, const LsnRange&) noexcept = default;
};

/// Where the log goes on: `LogScan::start()` of the reader, or the default for a new database.
struct LogStart {
    LogPosition previous;           ///< Its `lsn` is the last transaction there is, in the log or in a snapshot.
    std::uint64_t next_segment = 1; ///< Higher than any number in the directory.
    std::uint64_t last_time = 0;    ///< No frame gets an earlier time.
};

/// What the first block of a segment says.
struct SegmentHeader {
    DatabaseId database{};
    BootId boot{};
    std::uint64_t number = 0;
    std::uint64_t first_lsn = 0; ///< What the next transaction to complete is called.
    std::uint64_t salt = 0;      ///< Tells this segment's frames from anything else in the file.
    LogPosition previous;        ///< Where the log ended before this segment.
    std::uint64_t durable_lsn = 0;
    std::uint64_t schema_hash = 0;
    std::uint64_t created = 0; ///< Microseconds since 1970 UTC.
    std::uint32_t epoch = 0;
    std::uint16_t flags = 0;
};

/// How the running checksum goes on over a header's or a frame's stored checksum.
[[nodiscard]] inline std::uint32_t extend_running_crc(std::uint32_t running, std::uint32_t stored_crc) noexcept {
    std::array<std::byte, sizeof stored_crc> bytes;
    store_le<std::uint32_t>(bytes.data(), stored_crc);
    return crc32c(bytes, running);
}

/// The masked checksum at its place in an encoded segment header: where the segment's running checksum starts.
[[nodiscard]] inline std::uint32_t stored_header_crc(std::span<const std::byte, segment_header_size> block) noexcept {
    return load_le<std::uint32_t>(block.subspan<8, 4>());
}

/// Fills `block` with the header and its checksum.
inline void encode_segment_header(const SegmentHeader& header, std::span<std::byte, segment_header_size> block) noexcept {
    std::byte* const at = block.data();
    std::memset(at, 0, block.size());
    store_le<std::uint64_t>(at, segment_magic);
    store_le<std::uint16_t>(at + 12, format_version);
    store_le<std::uint16_t>(at + 14, header.flags);
    std::memcpy(at + 16, header.database.data(), header.database.size());
    store_le<std::uint32_t>(at + 32, header.epoch);
    store_le<std::uint64_t>(at + 40, header.number);
    store_le<std::uint64_t>(at + 48, header.first_lsn);
    store_le<std::uint64_t>(at + 56, header.salt);
    store_le<std::uint64_t>(at + 64, header.previous.segment);
    store_le<std::uint64_t>(at + 72, header.previous.offset);
    store_le<std::uint64_t>(at + 80, header.previous.lsn);
    store_le<std::uint32_t>(at + 88, header.previous.running_crc);
    store_le<std::uint32_t>(at + 92, header.previous.epoch);
    store_le<std::uint64_t>(at + 96, header.durable_lsn);
    std::memcpy(at + 104, header.boot.data(), header.boot.size());
    store_le<std::uint64_t>(at + 120, header.schema_hash);
    store_le<std::uint64_t>(at + 128, header.created);
    store_le<std::uint32_t>(at + 8, mask_crc(crc32c(block.subspan<12>())));
}

/// The header in `block`. Fails with `Corrupt`, or with `Unsupported` where a newer release wrote it.
[[nodiscard]] inline Result<SegmentHeader> decode_segment_header(std::span<const std::byte, segment_header_size> block) {
    const std::byte* const at = block.data();
    if (load_le<std::uint64_t>(at) != segment_magic) {
        return Error{ErrorCode::Corrupt, "not a log segment: the magic number differs"};
    }
    if (stored_header_crc(block) != mask_crc(crc32c(block.subspan<12>()))) {
        return Error{ErrorCode::Corrupt, "the segment header's checksum differs"};
    }
    const auto version = load_le<std::uint16_t>(at + 12);
    if (version != format_version) {
        return Error{ErrorCode::Unsupported,
                     "log format version " + std::to_string(version) + "; this build reads version " + std::to_string(format_version)};
    }
    SegmentHeader header;
    header.flags = load_le<std::uint16_t>(at + 14);
    std::memcpy(header.database.data(), at + 16, header.database.size());
    header.epoch = load_le<std::uint32_t>(at + 32);
    header.number = load_le<std::uint64_t>(at + 40);
    header.first_lsn = load_le<std::uint64_t>(at + 48);
    header.salt = load_le<std::uint64_t>(at + 56);
    header.previous.segment = load_le<std::uint64_t>(at + 64);
    header.previous.offset = load_le<std::uint64_t>(at + 72);
    header.previous.lsn = load_le<std::uint64_t>(at + 80);
    header.previous.running_crc = load_le<std::uint32_t>(at + 88);
    header.previous.epoch = load_le<std::uint32_t>(at + 92);
    header.durable_lsn = load_le<std::uint64_t>(at + 96);
    std::memcpy(header.boot.data(), at + 104, header.boot.size());
    header.schema_hash = load_le<std::uint64_t>(at + 120);
    header.created = load_le<std::uint64_t>(at + 128);
    // A checksum says the bytes are as they were written; that they make sense is another matter, and later sums rely on it.
    const LogPosition& previous = header.previous;
    if (header.number == 0 || previous.segment >= header.number || previous.epoch > header.epoch || header.first_lsn == 0 ||
        header.first_lsn != previous.lsn + 1 || (previous.segment != 0 && previous.offset < segment_header_size) ||
        previous.offset % frame_alignment != 0 || header.durable_lsn > previous.lsn) {
        return Error{ErrorCode::Corrupt, "the segment header contradicts itself"};
    }
    return header;
}

/// `0000000007.seg` for 7.
[[nodiscard]] inline std::string segment_file_name(std::uint64_t number) {
    std::string name = std::to_string(number);
    name.insert(0, name.size() < 10 ? 10 - name.size() : 0, '0');
    return name.append(segment_suffix);
}

[[nodiscard]] inline std::string segment_path(const std::string& directory, std::uint64_t number) {
    return (directory + '/').append(segment_file_name(number));
}

/// The number in a segment's file name; nothing for any other name.
[[nodiscard]] inline std::optional<std::uint64_t> parse_segment_file_name(std::string_view name) {
    if (!name.ends_with(segment_suffix) || name.size() > 19 + segment_suffix.size()) {
        return std::nullopt;
    }
    std::uint64_t number = 0;
    for (const char digit : name.substr(0, name.size() - segment_suffix.size())) {
        if (digit < '0' || digit > '9') {
            return std::nullopt;
        }
        number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return number != 0 && segment_file_name(number) == name ? std::optional{number} : std::nullopt;
}

} // namespace ecsdb::wal
