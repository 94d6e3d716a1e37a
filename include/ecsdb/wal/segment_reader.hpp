/// @file
/// Reads one segment of the log: its header, the frame at an offset, and what valid frames lie behind a hole.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/frame.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::wal {

/// What lies behind the first invalid frame of a segment.
struct RestOfSegment {
    bool valid_frames = false;      ///< There are frames of this segment that are whole.
    std::uint64_t last_lsn = 0;     ///< The highest they hold.
    std::uint64_t prev_durable = 0; ///< The highest they bear witness to.
    bool after_sync = false;        ///< One of them was written after a sync of everything before it.
    bool undecided = false;         ///< Too much of it looks like frames to be looked at in sensible time.
    std::uint64_t end = 0;          ///< Behind the last byte that is not zero.
};

/// One segment being read, through a window of at most one frame.
///
/// Errors are what the file system reports and `OutOfMemory`; that a frame is damaged is an answer, not an error. Changes nothing.
/// For one thread at a time; file system and allocator must outlive it.
class SegmentReader {
public:
    /// Opens the segment and checks its header: `Corrupt`, or `Unsupported` where a newer release wrote it.
    [[nodiscard]] static Result<SegmentReader> open(FileSystem& files, const std::string& path, Allocator& allocator) {
        auto file = files.open(path, FileMode::Read);
        if (!file) {
            return std::move(file).error();
        }
        SegmentReader reader{std::move(*file), path, allocator};
        const auto size = reader.file_->size();
        if (!size) {
            return size.error().clone();
        }
        reader.size_ = *size;
        std::array<std::byte, segment_header_size> block;
        const auto read = reader.file_->pread(block, 0);
        if (!read) {
            return read.error().clone();
        }
        if (*read != block.size()) {
            return Error{ErrorCode::Corrupt, path + ": the segment header is cut short"};
        }
        auto header = decode_segment_header(block);
        if (!header) {
            return std::move(header).error().in(path);
        }
        reader.header_ = *header;
        reader.header_crc_ = stored_header_crc(block);
        return reader;
    }

    /// The frame at `offset`, a multiple of 8, if all of it lies before `limit`, it carries the segment's epoch and its checksum is
    /// right. Valid until the next call.
    [[nodiscard]] Result<std::optional<FrameView>> frame_at(std::uint64_t offset, std::uint64_t limit) {
        limit = std::min(limit, size_);
        if (offset > limit || limit - offset < frame_header_size) {
            return std::optional<FrameView>{};
        }
        auto bytes = window(offset, frame_header_size);
        if (!bytes) {
            return std::move(bytes).error();
        }
        // Before a frame's length is trusted with memory, the rest of its header must make sense.
        const FrameHeader header = decode_frame_header(bytes->data());
        if (header.epoch != header_.epoch || header.length > max_payload_size || frame_size(header.length) > limit - offset) {
            return std::optional<FrameView>{};
        }
        bytes = window(offset, frame_size(header.length));
        if (!bytes) {
            return std::move(bytes).error();
        }
        auto frame = read_frame(*bytes, header_.salt);
        return frame ? std::optional{*frame} : std::nullopt;
    }

    /// Looks through everything from `offset`, where no valid frame is, for frames of this segment with an LSN of at least `lowest`.
    [[nodiscard]] Result<RestOfSegment> look_behind(std::uint64_t offset, std::uint64_t lowest) {
        RestOfSegment rest;
        rest.end = offset;
        std::uint64_t budget = 4 * size_ + (std::uint64_t{64} << 20U);
        for (std::uint64_t at = offset; at < size_;) {
            if (auto loaded = window(at, std::min<std::uint64_t>(frame_header_size, size_ - at)); !loaded) {
                return std::move(loaded).error();
            }
            const auto held = buffer_.view().subspan(static_cast<std::size_t>(at - start_));
            std::size_t walked = 0;
            for (; walked + frame_header_size <= held.size() && !may_be_frame(held.data() + walked, size_ - at - walked, lowest);
                 walked += frame_alignment) {
                rest.end = load_le<std::uint64_t>(held.data() + walked) != 0 ? at + walked + frame_alignment : rest.end;
            }
            at += walked;
            if (walked + frame_header_size > held.size()) {
                const bool file_ends_here = at - walked + held.size() == size_;
                for (std::size_t byte = walked; file_ends_here && byte < held.size(); ++byte) {
                    rest.end = held[byte] != std::byte{0} ? at - walked + byte + 1 : rest.end;
                }
                at = file_ends_here ? size_ : at;
                continue;
            }
            const std::size_t claimed = frame_size(load_le<std::uint32_t>(held.data() + walked));
            if (claimed > budget) {
                rest.undecided = true;
                return rest;
            }
            budget -= claimed;
            const auto frame = frame_at(at, size_);
            if (!frame) {
                return frame.error().clone();
            }
            if (*frame) {
                note_frame(rest, **frame);
            }
            at += *frame ? claimed : frame_alignment;
            rest.end = at;
        }
        return rest;
    }

    /// Makes the next call read the file afresh.
    void forget() noexcept { buffer_.clear(); }

    [[nodiscard]] const SegmentHeader& header() const noexcept { return header_; }
    /// Where the segment's running checksum starts.
    [[nodiscard]] std::uint32_t header_crc() const noexcept { return header_crc_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    /// Few large reads, and less than 1 MiB held before anything was checked.
    static constexpr std::uint64_t read_ahead = std::uint64_t{256} << 10U;

    SegmentReader(std::unique_ptr<File> file, std::string path, Allocator& allocator)
        : file_{std::move(file)}, path_{std::move(path)}, buffer_{allocator} {}

    /// `bytes` bytes at `offset`, which the file must hold. Valid until the next call.
    [[nodiscard]] Result<std::span<const std::byte>> window(std::uint64_t offset, std::uint64_t bytes) {
        if (offset < start_ || offset + bytes > start_ + buffer_.size()) {
            const std::uint64_t wanted = std::max(bytes, std::min(read_ahead, size_ - offset));
            buffer_.clear();
            start_ = offset;
            std::byte* const room = buffer_.extend(static_cast<std::size_t>(wanted));
            if (room == nullptr) {
                return Error{ErrorCode::OutOfMemory, path_ + ": no memory to read " + std::to_string(wanted) + " bytes"};
            }
            const auto read = file_->pread({room, static_cast<std::size_t>(wanted)}, offset);
            if (!read || *read != wanted) {
                buffer_.clear();
                return read ? Error{ErrorCode::Io, path_ + ": the file became shorter while it was read"} : read.error().clone();
            }
        }
        return buffer_.view().subspan(static_cast<std::size_t>(offset - start_), static_cast<std::size_t>(bytes));
    }

    /// Whether it is worth checking for a frame at `bytes`, with `left` bytes up to the end of the file.
    [[nodiscard]] bool may_be_frame(const std::byte* bytes, std::uint64_t left, std::uint64_t lowest) const noexcept {
        // The epoch first: it alone turns away nearly everything, and the walk over a fresh segment's zeros is its cost.
        if (load_le<std::uint32_t>(bytes + 32) != header_.epoch) {
            return false;
        }
        // No segment holds more transactions than bytes, each of so many versions.
        const FrameHeader header = decode_frame_header(bytes);
        return static_cast<std::uint16_t>(header.type) != 0 && header.lsn >= lowest && (header.lsn - lowest) / max_versions <= size_ &&
               header.length <= max_payload_size && frame_size(header.length) <= left;
    }

    static void note_frame(RestOfSegment& rest, const FrameView& frame) noexcept {
        rest.valid_frames = true;
        rest.last_lsn = std::max(rest.last_lsn, last_lsn_named(frame.header, frame.payload));
        rest.prev_durable = std::max(rest.prev_durable, frame.header.prev_durable);
        rest.after_sync = rest.after_sync || (frame.header.flags & flag_after_sync) != 0;
    }

    std::unique_ptr<File> file_;
    std::string path_;
    ByteBuffer buffer_; // holds the file's bytes from start_ on
    SegmentHeader header_;
    std::uint64_t start_ = 0;
    std::uint64_t size_ = 0;
    std::uint32_t header_crc_ = 0;
};

} // namespace ecsdb::wal
