/// @file
/// Reads the whole log back: follows the segments, hands out transactions in order, and tells a torn end from damage.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/frame.hpp"
#include "ecsdb/wal/segment_chain.hpp"
#include "ecsdb/wal/segment_reader.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::wal {

/// Takes what the log holds, in order. An error ends the reading and is passed on.
class LogVisitor {
public:
    LogVisitor() = default;
    LogVisitor(const LogVisitor&) = delete;
    LogVisitor& operator=(const LogVisitor&) = delete;

    /// Transaction `lsn`, one more than the one before; where it takes several versions, the last of them. The delta lives until the call
    /// returns.
    virtual Result<void> transaction(std::uint64_t lsn, std::uint64_t time, std::span<const std::byte> delta) = 0;

    /// Transactions `lsn` and following, at most `most_at_once`, committed together. By default they are taken one by one.
    virtual Result<void> transactions(std::uint64_t lsn, std::uint64_t time, std::span<const std::span<const std::byte>> deltas) {
        for (const std::span<const std::byte> delta : deltas) {
            if (auto used = transaction(lsn++, time, delta); !used) {
                return used;
            }
        }
        return {};
    }
    static constexpr std::size_t most_at_once = 16;

    /// The schema in force after transaction `lsn`. May repeat the one that is in force already.
    virtual Result<void> schema(std::uint64_t lsn, std::span<const std::byte> encoded) {
        static_cast<void>(lsn);
        static_cast<void>(encoded);
        return {};
    }

protected:
    ~LogVisitor() = default;
};

/// What reading the log found.
struct LogScan {
    LogPosition end;             ///< Of the last complete transaction or note; its `lsn` is the last transaction.
    std::uint64_t last_time = 0; ///< The latest in any frame.
    std::uint64_t transactions = 0;
    bool clean_close = false;

    std::uint64_t torn_tail_bytes = 0; ///< Bytes behind the end that a crash left there.
    std::uint64_t unproven_from = 0; ///< From here to `end` the last segment may be in the page cache alone: a sync of it may have failed.
    LsnRange unsynced_lost;          ///< Transactions that survived behind a hole, never known to be synced, and are dropped.

    std::string damage; ///< Salvage only: what was damaged and where; empty if nothing was.
    LsnRange lost;      ///< Salvage only: transactions lost with it; `to` is the highest that anything still bears witness to.

    std::uint64_t reserve_mark = 0;      ///< Entity indices below it may have been handed out.
    std::uint64_t snapshot_lsn = 0;      ///< Of the newest snapshot the log speaks of.
    std::uint64_t schema_lsn = 0;        ///< Of the newest schema in the log,
    std::vector<std::byte> schema;       ///< and its bytes; empty if the log holds none.
    std::uint32_t max_epoch = 0;         ///< The highest seen; the next one must be higher.
    std::uint64_t next_segment = 1;      ///< Higher than any number seen.
    std::vector<std::uint64_t> segments; ///< The ones that were read, in order.

    /// Where a writer goes on, in a new epoch, after `sync_segments`.
    [[nodiscard]] LogStart start() const noexcept { return {end, next_segment, last_time}; }
};

/// Reads the log in `directory`. Changes no file, holds at most one frame and one transaction in memory.
///
/// Errors: `Corrupt` where transactions that were durable are damaged or missing, naming segment, offset and the lost LSNs;
/// `Unsupported` where a newer release wrote it; `Io` where a read failed, which says nothing about the log; `OutOfMemory`; whatever the
/// visitor returns. After an error, what the visitor was given is not to be used.
class LogReader {
public:
    LogReader(FileSystem& files, std::string directory, const LogReadOptions& options, Allocator& allocator)
        : files_{&files}, directory_{std::move(directory)}, options_{options}, allocator_{&allocator}, parts_{allocator} {}

    /// Reads everything, once.
    [[nodiscard]] Result<LogScan> read(LogVisitor& visitor) {
        scan_.end.lsn = options_.after_lsn;
        boot_ = files_->boot_id();
        auto chain = find_segments(*files_, directory_, options_, *allocator_);
        if (!chain) {
            return std::move(chain).error();
        }
        chain_ = std::move(chain->segments);
        broken_ = std::move(chain->broken);
        known_lsn_ = chain->known_lsn;
        scan_.max_epoch = chain->max_epoch;
        scan_.next_segment = chain->next_segment;
        for (std::size_t index = 0; index < chain_.size() && !stopped_; ++index) {
            if (auto done = read_segment(index, visitor); !done) {
                return std::move(done).error();
            }
        }
        if (!stopped_ && !broken_.empty()) {
            if (auto refused = damaged(broken_); !refused) {
                return std::move(refused).error();
            }
        }
        const std::uint64_t due = std::max(options_.durable_lsn, options_.after_lsn);
        if (!stopped_ && scan_.end.lsn < due) {
            auto refused = damaged(directory_ + ": the log ends with transaction " + std::to_string(scan_.end.lsn) + ", but " +
                                   std::to_string(due) + " was durable");
            if (!refused) {
                return std::move(refused).error();
            }
        }
        // After salvage a snapshot may know more than the log still does.
        scan_.end.lsn = std::max(scan_.end.lsn, options_.after_lsn);
        return std::move(scan_);
    }

private:
    [[nodiscard]] Result<void> read_segment(std::size_t index, LogVisitor& visitor) {
        const SegmentHeader& header = chain_[index];
        const SegmentHeader* const next = index + 1 < chain_.size() ? &chain_[index + 1] : nullptr;
        auto opened = SegmentReader::open(*files_, segment_path(directory_, header.number), *allocator_);
        if (!opened) {
            return std::move(opened).error();
        }
        SegmentReader& reader = *opened;
        if (index == 0) {
            if (header.previous.lsn > options_.after_lsn) {
                return damaged(!broken_.empty()
                                   ? broken_
                                   : reader.path() + ": the segment starts after transaction " + std::to_string(header.previous.lsn) +
                                         ", but the state to replay onto ends with " + std::to_string(options_.after_lsn));
            }
            scan_.end.lsn = header.previous.lsn;
        }
        scan_.segments.push_back(header.number);
        scan_.clean_close = false;
        running_crc_ = reader.header_crc();
        std::uint64_t offset = segment_header_size;
        scan_.unproven_from = offset;
        const bool cache_is_lost = header.boot != BootId{} && boot_ != BootId{} && header.boot != boot_;
        if (next_part_ == 0) {
            scan_.end = {header.number, offset, scan_.end.lsn, running_crc_, header.epoch};
        }
        const std::uint64_t limit = next != nullptr ? next->previous.offset : reader.size();
        while (offset < limit && !scan_.clean_close) {
            const auto frame = reader.frame_at(offset, limit);
            if (!frame) {
                return frame.error().clone();
            }
            if (!*frame && next == nullptr) {
                const auto ended = classify_end(reader, offset);
                if (!ended) {
                    return ended.error().clone();
                }
                if (*ended) {
                    return {};
                }
                continue;
            }
            if (!*frame) {
                break;
            }
            running_crc_ = extend_running_crc(running_crc_, (*frame)->header.stored_crc);
            if (((*frame)->header.flags & flag_after_sync) != 0) {
                scan_.unproven_from = offset;
            }
            auto taken = take(**frame, visitor);
            if (!taken) {
                return std::move(taken).error().in("offset " + std::to_string(offset)).in(reader.path());
            }
            if (!taken->empty()) {
                return damaged(place(reader, offset) + *taken);
            }
            offset += (*frame)->size;
            if (cache_is_lost) {
                scan_.unproven_from = offset;
            }
            if (next_part_ == 0) {
                scan_.end = {header.number, offset, scan_.end.lsn, running_crc_, header.epoch};
                parts_bytes_ = 0;
            } else {
                parts_bytes_ += (*frame)->size;
            }
        }
        scan_.torn_tail_bytes = parts_bytes_;
        return next != nullptr ? check_end(reader, offset, *next) : Result<void>{};
    }

    /// A segment that has a successor must end exactly where and how the successor says.
    [[nodiscard]] Result<void> check_end(const SegmentReader& reader, std::uint64_t offset, const SegmentHeader& next) {
        const LogPosition stated = next.previous;
        if (offset < stated.offset) {
            return damaged(place(reader, offset) + "there is no valid frame, but the log goes on to offset " +
                           std::to_string(stated.offset) + " and segment " + std::to_string(next.number));
        }
        const LogPosition actual{reader.header().number, offset, scan_.end.lsn, running_crc_, reader.header().epoch};
        if (actual != stated) {
            return damaged(segment_path(directory_, next.number) + ": the segment does not continue segment " +
                           std::to_string(reader.header().number) + " as it is: one of them was exchanged");
        }
        return {};
    }

    /// Decides, at the first invalid frame of the last segment, whether a crash tore the log there or something damaged it. False if the
    /// frame is valid after all: a writer in another process was just writing it.
    [[nodiscard]] Result<bool> classify_end(SegmentReader& reader, std::uint64_t offset) {
        const std::uint64_t next_lsn = scan_.end.lsn + 1;
        const auto rest = reader.look_behind(offset, next_lsn - 1);
        if (!rest) {
            return rest.error().clone();
        }
        if (rest->valid_frames) {
            reader.forget();
            const auto again = reader.frame_at(offset, reader.size());
            if (!again || *again) {
                return again ? Result<bool>{false} : Result<bool>{again.error().clone()};
            }
        }
        known_lsn_ = std::max({known_lsn_, rest->last_lsn, rest->prev_durable});
        const bool same_boot = reader.header().boot != BootId{} && reader.header().boot == boot_;
        if (rest->prev_durable >= next_lsn || rest->after_sync || rest->undecided || options_.durable_lsn >= next_lsn) {
            return ended(damaged(place(reader, offset) + "there is no valid frame, but what stood there had been synced"));
        }
        if (rest->valid_frames && same_boot) {
            return ended(
                damaged(place(reader, offset) + "there is no valid frame, but later ones are whole and the machine has not restarted"));
        }
        scan_.torn_tail_bytes = parts_bytes_;
        if (rest->valid_frames || (reader.header().flags & segment_flag_reused) == 0) {
            scan_.torn_tail_bytes += rest->end - offset;
        }
        if (rest->last_lsn >= next_lsn) {
            scan_.unsynced_lost = {next_lsn, rest->last_lsn};
        }
        return true;
    }

    /// Takes a frame whose checksum is right. A text says what is wrong with it nevertheless; an error is not about the log's bytes.
    [[nodiscard]] Result<std::string> take(const FrameView& frame, LogVisitor& visitor) {
        const FrameHeader& header = frame.header;
        const std::uint64_t last = scan_.end.lsn;
        const std::uint64_t due = holds_transactions(header.type) ? last + 1 : last;
        if (header.lsn != due) {
            return "the frame is numbered " + std::to_string(header.lsn) + " where " + std::to_string(due) + " is due";
        }
        scan_.last_time = std::max(scan_.last_time, header.time);
        if (is_part(header.type)) {
            return take_part(frame, visitor);
        }
        if (next_part_ != 0) {
            return std::string{"the transaction in parts is not continued"};
        }
        switch (header.type) {
        case FrameType::Group:
            return take_group(frame, visitor);
        case FrameType::Schema:
            scan_.schema.assign(frame.payload.begin(), frame.payload.end());
            scan_.schema_lsn = last;
            if (last >= options_.after_lsn) {
                if (auto used = visitor.schema(last, frame.payload); !used) {
                    return std::move(used).error();
                }
            }
            return std::string{};
        case FrameType::Reserve:
        case FrameType::SnapshotTaken: {
            if (frame.payload.size() != sizeof(std::uint64_t)) {
                return std::string{"the note does not hold one number"};
            }
            const auto number = load_le<std::uint64_t>(frame.payload.data());
            if (header.type == FrameType::Reserve && number > std::uint64_t{1} << Entity::index_bits) {
                return "the note's index mark is " + std::to_string(number) + ", and there are 2^32 indices";
            }
            std::uint64_t& mark = header.type == FrameType::Reserve ? scan_.reserve_mark : scan_.snapshot_lsn;
            mark = std::max(mark, number);
            return std::string{};
        }
        case FrameType::CleanClose:
            scan_.clean_close = true;
            return std::string{};
        default:
            if ((static_cast<std::uint16_t>(header.type) & skippable_type) == 0) {
                return Error{ErrorCode::Unsupported,
                             "frames of type " + std::to_string(static_cast<std::uint16_t>(header.type)) + " are not known to this build"};
            }
            return std::string{};
        }
    }

    [[nodiscard]] Result<std::string> take_group(const FrameView& frame, LogVisitor& visitor) {
        if (count_records(frame.payload) == 0) {
            return std::string{"the lengths of the frame's transactions do not add up"};
        }
        std::array<std::span<const std::byte>, LogVisitor::most_at_once> deltas;
        std::size_t held = 0;
        const auto hand_out_held = [&]() -> Result<void> {
            const std::uint64_t first = scan_.end.lsn + 1 - held;
            return held == 0 ? Result<void>{}
                             : visitor.transactions(first, frame.header.time, std::span{deltas}.first(std::exchange(held, 0)));
        };
        auto used = for_each_record(frame.payload, [&](std::span<const std::byte> delta) -> Result<void> {
            if (++scan_.end.lsn <= options_.after_lsn) {
                return {};
            }
            ++scan_.transactions;
            deltas[held++] = delta;
            return held == deltas.size() ? hand_out_held() : Result<void>{};
        });
        used = used ? hand_out_held() : std::move(used);
        return used ? Result<std::string>{std::string{}} : std::move(used).error();
    }

    [[nodiscard]] Result<std::string> take_part(const FrameView& frame, LogVisitor& visitor) {
        const Part part = decode_part(frame.header, frame.payload);
        if (!part.follows(part_, next_part_)) {
            return std::string{"the parts of the transaction are out of order"};
        }
        parts_.append(part.bytes);
        if (parts_.failed()) {
            return Error{ErrorCode::OutOfMemory, "no memory to put transaction " + std::to_string(frame.header.lsn) + " together"};
        }
        part_ = {part.number, part.count, part.versions, {}};
        next_part_ = part.is_last() ? 0 : part.number + 1;
        if (!part.is_last()) {
            return std::string{};
        }
        scan_.end.lsn += part.versions;
        auto used = hand_out(frame.header.time, parts_.view(), visitor);
        parts_.clear();
        return used ? Result<std::string>{std::string{}} : std::move(used).error();
    }

    [[nodiscard]] Result<void> hand_out(std::uint64_t time, std::span<const std::byte> delta, LogVisitor& visitor) {
        if (scan_.end.lsn <= options_.after_lsn) {
            return {};
        }
        ++scan_.transactions;
        return visitor.transaction(scan_.end.lsn, time, delta);
    }

    [[nodiscard]] static std::string place(const SegmentReader& reader, std::uint64_t offset) {
        return reader.path() + ": offset " + std::to_string(offset) + ": ";
    }

    [[nodiscard]] static Result<bool> ended(Result<void> refused) {
        return refused ? Result<bool>{true} : Result<bool>{std::move(refused).error()};
    }

    /// Refuses the log; in salvage, ends it at the last complete transaction instead.
    [[nodiscard]] Result<void> damaged(std::string what) {
        stopped_ = true;
        const LsnRange lost{scan_.end.lsn + 1, std::max(known_lsn_, scan_.end.lsn + 1)};
        what += "; transactions " + std::to_string(lost.from) + " to " + std::to_string(lost.to) + " and whatever follows are lost";
        if (!options_.salvage) {
            return Error{ErrorCode::Corrupt, std::move(what)};
        }
        scan_.clean_close = false;
        scan_.lost = lost;
        scan_.damage = std::move(what);
        return {};
    }

    FileSystem* files_;
    std::string directory_;
    LogReadOptions options_;
    Allocator* allocator_;
    ByteBuffer parts_; // of the transaction in parts that is open
    LogScan scan_;
    List<SegmentHeader> chain_;
    std::string broken_; // why the chain ends too early
    BootId boot_{};
    std::uint64_t known_lsn_ = 0; // the highest that anything bears witness to
    std::uint64_t parts_bytes_ = 0;
    std::uint32_t running_crc_ = 0;
    std::uint32_t next_part_ = 0; // 0: no transaction in parts is open
    Part part_;                   // the last one, without its bytes
    bool stopped_ = false;
};

namespace detail {

/// Writes a part of a file over itself.
[[nodiscard]] inline Result<void> write_again(File& file, std::uint64_t from, std::uint64_t to) {
    std::array<std::byte, 16384> bytes; // NOLINT: read into
    while (from < to) {
        const auto read =
            file.pread(std::span{bytes}.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), to - from))), from);
        if (!read || *read == 0) {
            return read ? Result<void>{Error{ErrorCode::Io, "the log was cut short while it was being opened"}}
                        : Result<void>{read.error().clone()};
        }
        if (auto written = file.pwrite(std::span{bytes}.first(*read), from); !written) {
            return written;
        }
        from += *read;
    }
    return {};
}

} // namespace detail

/// Makes durable what `scan` was read from: it may have come from a page cache that never reached the disk, and the next segment will
/// state where it ends. Call before `LogWriter::open`.
///
/// After a failed sync the system takes pages it could not write for written: they can be read, and syncing them again succeeds and does
/// nothing. So what nothing proves to have been synced is written once more, as it is. The file's bytes do not change.
inline Result<void> sync_segments(FileSystem& files, const std::string& directory, const LogScan& scan) {
    for (const std::uint64_t number : scan.segments) {
        const bool rewrite = number == scan.end.segment && scan.unproven_from < scan.end.offset && number == scan.segments.back();
        const auto file = files.open(segment_path(directory, number), rewrite ? FileMode::ReadWrite : FileMode::Read);
        if (!file) {
            return file.error().clone();
        }
        if (rewrite) {
            if (auto again = detail::write_again(**file, scan.unproven_from, scan.end.offset); !again) {
                return again;
            }
        }
        if (auto synced = (*file)->sync(); !synced) {
            return synced;
        }
    }
    return files.sync_directory(directory);
}

} // namespace ecsdb::wal
