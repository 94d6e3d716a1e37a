/// @file
/// Writes the log: a sequence of segments, each naming where the one before it ended, and how far all of it is durable.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/frame.hpp"
#include "ecsdb/wal/segment_writer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::wal {

/// Who writes the log, and how.
struct LogOptions {
    DatabaseId database{};
    std::uint32_t epoch = 1;       ///< Higher than any in the log so far.
    std::uint64_t schema_hash = 0; ///< Goes into segment headers.
    /// Segments' salts follow from it: random at every opening, or fixed where runs must be repeatable.
    std::uint64_t salt_seed = 0;
    /// A single batch of frames larger than a segment gets a segment of its own size.
    SegmentOptions segment;
    /// Microseconds after which a segment with anything in it is to be followed by another, as the frames' times tell; 0: never.
    std::uint64_t segment_us = 0;
    SpareSegments* spares = nullptr; ///< Where files for new segments come from, if anywhere. Must outlive the log.
};

/// What one `append` did.
struct Appended {
    std::uint64_t last_lsn = 0; ///< Of the last complete transaction written.
    bool new_segment = false;   ///< The manifest should now be stored with `segment_number()` and `durable_lsn()`.
};

/// Writes frames in order, and only in order.
///
/// After a failed write or sync every call fails with the first error until `resume` has put everything after `durable_lsn()` into a new
/// segment.
///
/// For one thread at a time, the log thread's. The file system must outlive it.
class LogWriter {
public:
    /// Starts a new segment behind `start`, in a directory that is created if need be. Everything before `start` must be durable:
    /// `sync_segments`.
    [[nodiscard]] static Result<LogWriter> open(FileSystem& files, std::string directory, const LogOptions& options,
                                                const LogStart& start) {
        const auto exists = files.exists(directory);
        if (!exists) {
            return exists.error().clone();
        }
        if (!*exists) {
            if (auto created = files.create_directory(directory); !created) {
                return std::move(created).error();
            }
            if (auto synced = files.sync_directory(parent_directory(directory)); !synced) {
                return std::move(synced).error();
            }
        }
        if (options.spares != nullptr) {
            if (auto found = options.spares->find(); !found) {
                return std::move(found).error();
            }
        }
        Tail tail;
        tail.boundary = start.previous;
        tail.time = start.last_time;
        std::uint64_t next_segment = start.next_segment;
        auto segment = make_segment(files, directory, options, next_segment++, start.previous, start.previous.lsn, tail.time, 0);
        if (!segment) {
            return std::move(segment).error();
        }
        if (auto published = segment->writer.publish(); !published) {
            return std::move(published).error();
        }
        return LogWriter{files, std::move(directory), options, std::move(*segment), tail, next_segment};
    }

    /// Writes whole frames, as `finish_frame`, `append_parts` and `append_note` build them, in one piece: into a new segment where they
    /// do not fit, after syncing the full one. Fills in epoch, prev_durable, the notes' LSNs and the checksums; raises times that would
    /// go backwards. Transactions must carry the next LSNs: `InvalidArgument` otherwise, with nothing written.
    Result<Appended> append(std::span<std::byte> frames) {
        if (!state_) {
            return state_.error().clone();
        }
        Appended done;
        if (frames.size() >= frame_header_size && is_over_age(decode_frame_header(frames.data()).time)) {
            // Where there is no room for another segment, this one still has some.
            done.new_segment = rotate(frames.size()).has_value();
            if (!state_) {
                return state_.error().clone();
            }
        }
        if (frames.size() > segment_.writer.remaining()) {
            if (auto rotated = rotate(frames.size()); !rotated) {
                return fail(std::move(rotated).error());
            }
            done.new_segment = true;
        }
        auto tail = seal(frames, segment_, tail_, durable_.lsn, synced_offset_);
        if (!tail) {
            return std::move(tail).error();
        }
        if (auto written = segment_.writer.write(frames); !written) {
            return fail(std::move(written).error());
        }
        tail_ = *tail;
        begun_ = begun_ == 0 ? tail_.time : begun_;
        done.last_lsn = tail_.boundary.lsn;
        return done;
    }

    /// Makes everything appended so far durable. Costs nothing where it is already.
    Result<void> sync() {
        if (!state_) {
            return state_.error().clone();
        }
        if (synced_offset_ == segment_.writer.offset()) {
            return {};
        }
        if (auto synced = segment_.writer.sync(); !synced) {
            return fail(std::move(synced).error());
        }
        synced_offset_ = segment_.writer.offset();
        durable_ = tail_.boundary;
        return {};
    }

    /// Ends the segment and starts the next one, with room for `room` bytes of frames at least; what was appended is durable then. The
    /// manifest should now be stored. Where the next one could not be made (no space), the log goes on in this one: `failed()` tells.
    Result<void> rotate(std::size_t room = 0) {
        // The next header states where this segment ends; that must be true after a power loss too.
        if (auto synced = sync(); !synced) {
            return synced;
        }
        const LogPosition end{segment_.writer.number(), segment_.writer.offset(), tail_.boundary.lsn, tail_.running_crc, options_.epoch};
        auto fresh = make_segment(*files_, directory_, options_, next_segment_++, end, durable_.lsn, tail_.time, room);
        if (!fresh) {
            return std::move(fresh).error();
        }
        if (auto published = fresh->writer.publish(); !published) {
            // It may have its name already, and says that this segment has ended.
            return fail(std::move(published).error());
        }
        segment_ = std::move(*fresh);
        begun_ = 0;
        synced_offset_ = segment_header_size;
        tail_.running_crc = segment_.writer.header_crc();
        if (tail_.next_part == 0) {
            tail_.boundary = durable_ = start_of(segment_, tail_.boundary.lsn);
        }
        return {};
    }

    /// Leaves the failed state: writes `batches`, frames since the last good `sync` in order (transactions after `durable_lsn()`, and
    /// notes), into a new segment that continues at the last durable position, syncs it and gives it its name. On success all of them are
    /// durable, and what else was appended since is no part of the log any more, wherever it lies on the disk; the manifest should be
    /// stored. On failure nothing has changed and it may be called again.
    Result<void> resume(std::span<const std::span<std::byte>> batches) {
        std::size_t total = 0;
        for (const auto batch : batches) {
            total += batch.size();
        }
        auto fresh = make_segment(*files_, directory_, options_, next_segment_++, durable_, durable_.lsn, tail_.time, total);
        if (!fresh) {
            return std::move(fresh).error();
        }
        const auto tail = fill(*fresh, batches);
        if (!tail) {
            fresh->writer.give_up();
            return tail.error().clone();
        }
        if (auto published = fresh->writer.publish(); !published) {
            return published;
        }
        segment_ = std::move(*fresh);
        begun_ = batches.empty() ? 0 : tail->time;
        tail_ = *tail;
        durable_ = tail->boundary;
        synced_offset_ = segment_.writer.offset();
        state_ = {};
        return {};
    }

    /// Ends the log in good order: a clean-close frame, synced. Every later call fails with `Closed`.
    Result<void> close(std::uint64_t time) {
        std::array<std::byte, frame_header_size> frame{};
        FrameHeader header;
        header.type = FrameType::CleanClose;
        header.time = time;
        seal_frame(frame, header, 0);
        if (auto appended = append(frame); !appended) {
            return std::move(appended).error();
        }
        if (auto synced = sync(); !synced) {
            return synced;
        }
        state_ = Result<void>{Error{ErrorCode::Closed, directory_ + ": the log was closed"}};
        return {};
    }

    [[nodiscard]] bool ends_segments_in_time() const noexcept { return options_.segment_us != 0; }
    /// Whether it is longer ago, at `time`, than is wanted that the segment got its first frame.
    [[nodiscard]] bool is_over_age(std::uint64_t time) const noexcept {
        return options_.segment_us != 0 && begun_ != 0 && tail_.next_part == 0 && time > begun_ && time - begun_ >= options_.segment_us;
    }
    /// Whether a spare should be made ready for the segment to come.
    [[nodiscard]] bool wants_spare() const noexcept {
        return options_.spares != nullptr && options_.segment.zero_ahead != 0 && segment_.writer.offset() > segment_.writer.remaining() &&
               options_.spares->is_empty();
    }

    /// Whether nothing can be appended before `resume`, or ever again after `close`.
    [[nodiscard]] bool failed() const noexcept { return !state_; }
    /// What the headers of segments made from now on say.
    void set_schema_hash(std::uint64_t hash) noexcept { options_.schema_hash = hash; }

    /// The last transaction given to the operating system.
    [[nodiscard]] std::uint64_t written_lsn() const noexcept { return tail_.boundary.lsn; }
    /// The last transaction known to be on the disk.
    [[nodiscard]] std::uint64_t durable_lsn() const noexcept { return durable_.lsn; }
    /// Where the last of what is known to be on the disk ends. Differs from before exactly when everything appended before a sync became
    /// durable with it.
    [[nodiscard]] const LogPosition& durable_position() const noexcept { return durable_; }
    /// The segment being written.
    [[nodiscard]] std::uint64_t segment_number() const noexcept { return segment_.writer.number(); }
    [[nodiscard]] std::uint32_t epoch() const noexcept { return options_.epoch; }
    [[nodiscard]] std::uint64_t last_time() const noexcept { return tail_.time; }
    /// Bytes appended and not yet synced.
    [[nodiscard]] std::uint64_t unsynced_bytes() const noexcept { return segment_.writer.offset() - synced_offset_; }

private:
    struct Segment {
        SegmentWriter writer;
        std::uint64_t salt;
        std::uint32_t epoch;
    };
    /// What follows from the frames so far, for the next one.
    struct Tail {
        LogPosition boundary;          // the last complete transaction or note
        std::uint32_t running_crc = 0; // at the end of the frames, which is behind the boundary between parts
        std::uint32_t next_part = 0;   // 0: no transaction in parts is open
        Part part;                     // the last one, without its bytes
        std::uint64_t time = 0;
    };

    LogWriter(FileSystem& files, std::string directory, const LogOptions& options, Segment segment, const Tail& tail,
              std::uint64_t next_segment)
        : files_{&files}, directory_{std::move(directory)}, options_{options}, segment_{std::move(segment)}, tail_{tail},
          durable_{start_of(segment_, tail.boundary.lsn)}, next_segment_{next_segment} {
        tail_.boundary = durable_;
        tail_.running_crc = segment_.writer.header_crc();
    }

    [[nodiscard]] static LogPosition start_of(const Segment& segment, std::uint64_t lsn) noexcept {
        return {segment.writer.number(), segment_header_size, lsn, segment.writer.header_crc(), segment.epoch};
    }

    [[nodiscard]] static Result<Segment> make_segment(FileSystem& files, const std::string& directory, const LogOptions& options,
                                                      std::uint64_t number, const LogPosition& previous, std::uint64_t durable_lsn,
                                                      std::uint64_t time, std::size_t room) {
        SegmentHeader header;
        header.database = options.database;
        header.boot = files.boot_id();
        header.number = number;
        header.first_lsn = previous.lsn + 1;
        header.salt = mix64(options.salt_seed + number * 0x9E3779B97F4A7C15ULL);
        header.previous = previous;
        header.durable_lsn = durable_lsn;
        header.schema_hash = options.schema_hash;
        header.created = time;
        header.epoch = options.epoch;
        SegmentOptions segment = options.segment;
        segment.bytes = std::max<std::uint64_t>(segment.bytes, segment_header_size + room);
        auto writer = SegmentWriter::create(files, directory, header, segment, options.spares);
        if (!writer) {
            return std::move(writer).error();
        }
        return Segment{std::move(*writer), header.salt, header.epoch};
    }

    /// Writes and syncs what `resume` puts into its new segment.
    [[nodiscard]] Result<Tail> fill(Segment& fresh, std::span<const std::span<std::byte>> batches) const {
        Tail tail;
        tail.boundary = start_of(fresh, durable_.lsn);
        tail.running_crc = fresh.writer.header_crc();
        tail.time = tail_.time;
        for (const auto batch : batches) {
            auto sealed = seal(batch, fresh, tail, durable_.lsn, segment_header_size);
            if (!sealed) {
                return sealed;
            }
            tail = *sealed;
            if (auto written = fresh.writer.write(batch); !written) {
                return std::move(written).error();
            }
        }
        if (auto synced = fresh.writer.sync(); !synced) {
            return std::move(synced).error();
        }
        return tail;
    }

    /// Completes the frames for `segment`, where they will follow `tail`, and returns what follows from them.
    [[nodiscard]] static Result<Tail> seal(std::span<std::byte> frames, const Segment& segment, Tail tail, std::uint64_t durable_lsn,
                                           std::uint64_t synced_offset) {
        std::uint64_t offset = segment.writer.offset();
        while (!frames.empty()) {
            if (frames.size() < frame_header_size) {
                return Error{ErrorCode::InvalidArgument, "the frames to append end in the middle of one"};
            }
            FrameHeader header = decode_frame_header(frames.data());
            const std::size_t size = frame_size(header.length);
            if (header.length > max_payload_size || size > frames.size()) {
                return Error{ErrorCode::InvalidArgument, "the frames to append end in the middle of one"};
            }
            if (auto next = advance(header, frames.subspan(frame_header_size, header.length), tail); !next) {
                return std::move(next).error();
            }
            header.epoch = segment.epoch;
            header.prev_durable = durable_lsn;
            header.time = tail.time = std::max(header.time, tail.time);
            header.flags = static_cast<std::uint16_t>((header.flags & flag_last_part) | (offset == synced_offset ? flag_after_sync : 0));
            const std::uint32_t crc = seal_frame(frames.first(size), header, segment.salt);
            tail.running_crc = extend_running_crc(tail.running_crc, crc);
            offset += size;
            if (tail.next_part == 0) {
                tail.boundary = {segment.writer.number(), offset, tail.boundary.lsn, tail.running_crc, segment.epoch};
            }
            frames = frames.subspan(size);
        }
        return tail;
    }

    /// Checks that the frame may come next, counts its transactions into `tail`, and gives a note its LSN.
    [[nodiscard]] static Result<void> advance(FrameHeader& header, std::span<const std::byte> payload, Tail& tail) {
        const std::uint64_t next = tail.boundary.lsn + 1;
        if (holds_transactions(header.type) && header.lsn != next) {
            return Error{ErrorCode::InvalidArgument,
                         "transaction " + std::to_string(header.lsn) + " was appended where " + std::to_string(next) + " is due"};
        }
        if (is_part(header.type)) {
            const Part part = decode_part(header, payload);
            if (!part.follows(tail.part, tail.next_part)) {
                return Error{ErrorCode::InvalidArgument, "the parts of transaction " + std::to_string(next) + " are out of order"};
            }
            tail.part = {part.number, part.count, part.versions, {}};
            tail.next_part = part.is_last() ? 0 : part.number + 1;
            tail.boundary.lsn += part.is_last() ? part.versions : 0;
            return {};
        }
        if (tail.next_part != 0) {
            return Error{ErrorCode::InvalidArgument, "a frame was appended between the parts of transaction " + std::to_string(next)};
        }
        header.flags = 0;
        if (header.type != FrameType::Group) {
            header.lsn = tail.boundary.lsn;
            return {};
        }
        const std::uint64_t count = count_records(payload);
        if (count == 0) {
            return Error{ErrorCode::InvalidArgument, "the group of transaction " + std::to_string(next) + " is malformed"};
        }
        tail.boundary.lsn += count;
        return {};
    }

    [[nodiscard]] Error fail(Error error) {
        state_ = Result<void>{error.clone()};
        return error;
    }

    FileSystem* files_;
    std::string directory_;
    LogOptions options_;
    Segment segment_;
    Tail tail_;
    LogPosition durable_;
    std::uint64_t synced_offset_ = segment_header_size;
    std::uint64_t begun_ = 0; // when the segment got its first frame; 0: it has none
    std::uint64_t next_segment_;
    Result<void> state_;
};

} // namespace ecsdb::wal
