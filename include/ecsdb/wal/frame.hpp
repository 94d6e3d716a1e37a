/// @file
/// Builds and checks the log's frames: a header, whole transactions or a note behind it, and a checksum over both.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/wal/format.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace ecsdb::wal {

/// What stands before a frame's payload. `finish_frame` fills in the length, `seal_frame` the checksum.
struct FrameHeader {
    FrameType type = FrameType::Group;
    std::uint16_t flags = 0;
    std::uint32_t epoch = 0;
    std::uint64_t lsn = 0; ///< Of the first transaction; of the last complete one where the frame holds a note.
    std::uint64_t prev_durable = 0;
    std::uint64_t time = 0; ///< Microseconds since 1970 UTC.
    std::uint32_t length = 0;
    std::uint32_t stored_crc = 0;
};

/// A frame that was read and checked. The payload points into the bytes it was read from.
struct FrameView {
    FrameHeader header;
    std::span<const std::byte> payload;
    std::size_t size = 0; ///< On disk, with header and padding.
};

/// The longest transaction that fits a group frame (lengths below 2^28 take four bytes); longer ones go through `append_parts`.
inline constexpr std::size_t max_record_size = max_payload_size - 4;

/// The bytes a payload takes on disk, with header and padding.
[[nodiscard]] constexpr std::size_t frame_size(std::size_t payload) noexcept {
    return (frame_header_size + payload + frame_alignment - 1) / frame_alignment * frame_alignment;
}

/// Whether the type stands for something that counts: transactions, whole or in part.
[[nodiscard]] constexpr bool holds_transactions(FrameType type) noexcept {
    return type == FrameType::Group || type == FrameType::TransactionPart || type == FrameType::LeapPart;
}

/// The header at `bytes`, of which `frame_header_size` must be readable. Nothing in it has been checked.
[[nodiscard]] inline FrameHeader decode_frame_header(const std::byte* bytes) noexcept {
    FrameHeader header;
    header.length = load_le<std::uint32_t>(bytes);
    header.stored_crc = load_le<std::uint32_t>(bytes + 4);
    header.lsn = load_le<std::uint64_t>(bytes + 8);
    header.prev_durable = load_le<std::uint64_t>(bytes + 16);
    header.time = load_le<std::uint64_t>(bytes + 24);
    header.epoch = load_le<std::uint32_t>(bytes + 32);
    header.type = static_cast<FrameType>(load_le<std::uint16_t>(bytes + 36));
    header.flags = load_le<std::uint16_t>(bytes + 38);
    return header;
}

/// The masked checksum of a whole frame in a segment with `salt`. Covers the length too, and the padding.
[[nodiscard]] inline std::uint32_t frame_crc(std::span<const std::byte> frame, std::uint64_t salt) noexcept {
    std::array<std::byte, 12> seed;
    store_le<std::uint64_t>(seed.data(), salt);
    std::memcpy(seed.data() + 8, frame.data(), 4);
    return mask_crc(crc32c(frame.subspan(8), crc32c(seed)));
}

/// Writes everything but the checksum, `frame_header_size` bytes in all.
inline void store_frame_header(std::byte* at, const FrameHeader& header) noexcept {
    store_le<std::uint32_t>(at, header.length);
    store_le<std::uint32_t>(at + 4, 0);
    store_le<std::uint64_t>(at + 8, header.lsn);
    store_le<std::uint64_t>(at + 16, header.prev_durable);
    store_le<std::uint64_t>(at + 24, header.time);
    store_le<std::uint32_t>(at + 32, header.epoch);
    store_le<std::uint16_t>(at + 36, static_cast<std::uint16_t>(header.type));
    store_le<std::uint16_t>(at + 38, header.flags);
}

/// Writes `header` with its length before the payload that `frame` already holds, padding included, and the checksum for `salt`, which
/// is returned. Needed again wherever the frame goes into another segment.
inline std::uint32_t seal_frame(std::span<std::byte> frame, const FrameHeader& header, std::uint64_t salt) noexcept {
    store_frame_header(frame.data(), header);
    const std::uint32_t crc = frame_crc(frame, salt);
    store_le<std::uint32_t>(frame.data() + 4, crc);
    return crc;
}

/// Leaves room for a frame's header at the end of `buffer`, whose size must be a multiple of 8, and returns where the frame starts. The
/// payload is appended next, then `finish_frame` called. A buffer out of memory is `failed()`, which the caller checks once, at the end.
[[nodiscard]] inline std::size_t begin_frame(ByteBuffer& buffer) noexcept {
    ECSDB_ASSERT(buffer.size() % frame_alignment == 0 || buffer.failed(), "frames start at multiples of 8");
    const std::size_t offset = buffer.size();
    static_cast<void>(buffer.extend(frame_header_size));
    return offset;
}

/// Pads the payload appended since `begin_frame`, which is at most `max_payload_size` bytes, and writes the header before it, without a
/// checksum: that depends on the segment, and so do epoch and prev_durable, which `LogWriter::append` fills in.
inline void finish_frame(ByteBuffer& buffer, std::size_t offset, FrameHeader header) noexcept {
    const std::size_t payload = buffer.failed() ? 0 : buffer.size() - offset - frame_header_size;
    ECSDB_ASSERT(payload <= max_payload_size, "a frame holds at most 16 MiB");
    constexpr std::array<std::byte, frame_alignment> zeros{};
    buffer.append(zeros.data(), frame_size(payload) - frame_header_size - payload);
    if (!buffer.failed()) {
        header.length = static_cast<std::uint32_t>(payload);
        store_frame_header(buffer.data() + offset, header);
    }
}

/// Adds one whole transaction to the group frame begun last. Copies the delta once; `begin_record` avoids that.
inline void append_record(ByteBuffer& buffer, std::span<const std::byte> delta) noexcept {
    buffer.append_varint(delta.size());
    buffer.append(delta);
}

/// Leaves room for the length of a transaction that is then encoded straight into `buffer`; ends with `finish_record`.
[[nodiscard]] inline std::size_t begin_record(ByteBuffer& buffer) noexcept {
    static_cast<void>(buffer.extend(4));
    return buffer.size();
}

/// Writes the length of the transaction appended since `begin_record` gave `start`: as a varint padded to four bytes.
inline void finish_record(ByteBuffer& buffer, std::size_t start) noexcept {
    if (buffer.failed()) {
        return;
    }
    const std::size_t length = buffer.size() - start;
    ECSDB_ASSERT(length <= max_record_size, "a transaction this long goes through append_parts");
    const auto seven_bits = [length](unsigned shift) { return static_cast<std::uint32_t>(length >> shift) & 0x7FU; };
    buffer.patch_le<std::uint32_t>(start - 4, (seven_bits(0) | 0x80U) | (seven_bits(7) | 0x80U) << 8U | (seven_bits(14) | 0x80U) << 16U |
                                                  seven_bits(21) << 24U);
}

/// Appends transaction `lsn` as a run of part frames. `part_bytes` is what each may hold of it; smaller ones serve tests. Of a transaction
/// that takes several `versions`, `lsn` is the first.
inline void append_parts(ByteBuffer& buffer, std::span<const std::byte> delta, std::uint64_t lsn, std::uint64_t time,
                         std::uint64_t versions = 1, std::size_t part_bytes = max_payload_size - leap_header_size) noexcept {
    ECSDB_ASSERT(versions != 0 && versions <= max_versions, "a transaction takes one version, or some, never so many");
    const std::size_t parts = std::max<std::size_t>((delta.size() + part_bytes - 1) / part_bytes, 1);
    for (std::size_t part = 0; part < parts && !buffer.failed(); ++part) {
        const std::size_t frame = begin_frame(buffer);
        buffer.append_le<std::uint32_t>(static_cast<std::uint32_t>(part));
        buffer.append_le<std::uint32_t>(static_cast<std::uint32_t>(parts));
        if (versions != 1) {
            buffer.append_le<std::uint64_t>(versions);
        }
        buffer.append(delta.subspan(part * part_bytes, std::min(part_bytes, delta.size() - part * part_bytes)));
        FrameHeader header;
        header.type = versions == 1 ? FrameType::TransactionPart : FrameType::LeapPart;
        header.flags = part + 1 == parts ? flag_last_part : std::uint16_t{0};
        header.lsn = lsn;
        header.time = time;
        finish_frame(buffer, frame, header);
    }
}

/// Appends a note: any frame but transactions. `LogWriter::append` gives it its LSN.
inline void append_note(ByteBuffer& buffer, FrameType type, std::uint64_t time, std::span<const std::byte> payload) noexcept {
    const std::size_t frame = begin_frame(buffer);
    buffer.append(payload);
    FrameHeader header;
    header.type = type;
    header.time = time;
    finish_frame(buffer, frame, header);
}

/// Appends a note of one number: `Reserve` with the mark, `SnapshotTaken` with the snapshot's LSN.
inline void append_note(ByteBuffer& buffer, FrameType type, std::uint64_t time, std::uint64_t value) noexcept {
    std::array<std::byte, sizeof value> payload;
    store_le<std::uint64_t>(payload.data(), value);
    append_note(buffer, type, time, payload);
}

/// The frame at the start of `bytes`, in a segment with `salt`. Fails with `Corrupt` unless all of it is there and unharmed; whether it
/// is the right one in its place (epoch, LSN) is the caller's to check. Reads nothing beyond `bytes`, allocates nothing on success.
[[nodiscard]] inline Result<FrameView> read_frame(std::span<const std::byte> bytes, std::uint64_t salt) {
    if (bytes.size() < frame_header_size) {
        return Error{ErrorCode::Corrupt, "the frame's header is cut short"};
    }
    FrameView frame;
    frame.header = decode_frame_header(bytes.data());
    const std::size_t length = frame.header.length;
    if (length > max_payload_size || frame_size(length) > bytes.size()) {
        return Error{ErrorCode::Corrupt, "the frame claims " + std::to_string(length) + " bytes, more than there are"};
    }
    frame.size = frame_size(length);
    if (static_cast<std::uint16_t>(frame.header.type) == 0) {
        return Error{ErrorCode::Corrupt, "there is no frame"};
    }
    if (frame_crc(bytes.first(frame.size), salt) != frame.header.stored_crc) {
        return Error{ErrorCode::Corrupt, "the frame's checksum differs"};
    }
    frame.payload = bytes.subspan(frame_header_size, length);
    return frame;
}

/// Calls `use(delta)` for each transaction of a group frame's payload, in order, until one fails. `Corrupt` where the lengths do not add
/// up to the payload or there is no transaction.
template <typename Use>
[[nodiscard]] Result<void> for_each_record(std::span<const std::byte> payload, Use&& use) requires
    requires(std::span<const std::byte> delta) {
    { use(delta) } -> std::same_as<Result<void>>;
}
{
    ByteReader reader{payload};
    do {
        const std::uint64_t length = reader.read_varint();
        const auto delta = reader.read_bytes(static_cast<std::size_t>(length));
        if (reader.failed()) {
            return Error{ErrorCode::Corrupt, "a transaction's length exceeds its frame"};
        }
        if (auto used = use(delta); !used) {
            return used;
        }
    } while (reader.remaining() != 0);
    return {};
}

/// How many transactions a group frame's payload holds: 0 where `for_each_record` would find it malformed.
[[nodiscard]] inline std::uint64_t count_records(std::span<const std::byte> payload) noexcept {
    ByteReader reader{payload};
    std::uint64_t count = 0;
    do {
        const std::uint64_t length = reader.read_varint();
        static_cast<void>(reader.read_bytes(static_cast<std::size_t>(length)));
        ++count;
    } while (reader.remaining() != 0);
    return reader.failed() ? 0 : count;
}

/// A piece of a transaction.
struct Part {
    std::uint32_t number = 0;
    std::uint32_t count = 0;    ///< Of all pieces; 0 where this is none.
    std::uint64_t versions = 0; ///< That the transaction takes.
    std::span<const std::byte> bytes;

    [[nodiscard]] bool is_last() const noexcept { return number + 1 == count; }
    /// Whether it may follow the piece before; `expected` is the number due.
    [[nodiscard]] bool follows(const Part& before, std::uint32_t expected) const noexcept {
        return number == expected && number < count && (number == 0 || (count == before.count && versions == before.versions));
    }
};

[[nodiscard]] constexpr bool is_part(FrameType type) noexcept {
    return type == FrameType::TransactionPart || type == FrameType::LeapPart;
}

/// What a part frame holds. Its count is 0 where that makes no sense.
[[nodiscard]] inline Part decode_part(const FrameHeader& header, std::span<const std::byte> payload) noexcept {
    const bool leap = header.type == FrameType::LeapPart;
    const std::size_t size = leap ? leap_header_size : part_header_size;
    if (!is_part(header.type) || payload.size() < size) {
        return {};
    }
    Part part{load_le<std::uint32_t>(payload.data()), load_le<std::uint32_t>(payload.data() + 4),
              leap ? load_le<std::uint64_t>(payload.data() + 8) : 1, payload.subspan(size)};
    const bool last = (header.flags & flag_last_part) != 0;
    if (part.versions == 0 || part.versions > max_versions || (leap && part.versions == 1) || last != part.is_last()) {
        part.count = 0;
    }
    return part;
}

/// How many versions are complete with a frame: those of its transactions, or of the one whose last part it is.
[[nodiscard]] inline std::uint64_t versions_completed(const FrameHeader& header, std::span<const std::byte> payload) noexcept {
    if (header.type == FrameType::Group) {
        return count_records(payload);
    }
    const Part part = decode_part(header, payload);
    return part.count != 0 && part.is_last() ? part.versions : 0;
}

/// The last transaction that a frame bears witness to.
[[nodiscard]] inline std::uint64_t last_lsn_named(const FrameHeader& header, std::span<const std::byte> payload) noexcept {
    const std::uint64_t held = header.type == FrameType::Group ? count_records(payload) : decode_part(header, payload).versions;
    return header.lsn + (held == 0 ? 0 : held - 1);
}

} // namespace ecsdb::wal
