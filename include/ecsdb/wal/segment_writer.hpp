/// @file
/// Writes one segment of the log: makes the file durable before it has a name, then takes frames until the first failure.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/spare_segments.hpp"

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

/// How much room a segment has and how it is made ready.
struct SegmentOptions {
    /// The file's size, taken from the disk at once, so that frames do not run out of space half-way.
    std::uint64_t bytes = std::uint64_t{64} << 20U;
    /// So much is overwritten with zeros ahead of the frames: a sync then has no file-system metadata to write, which measured 1.5
    /// times cheaper than appending. Ahead only, since zeroing 64 MiB at once would stall the log for 0.2 s; in a file used before too, so
    /// that whole pages are written and none has to be read first. 0 turns it off.
    std::uint64_t zero_ahead = std::uint64_t{256} << 10U;
    /// Has the system begin to write to the disk whenever so much has gathered, so that the next sync finds little left. 0 leaves it alone.
    std::uint64_t write_back = 0;
};

/// One segment being written.
///
/// After the first failed write or sync every later call fails with the same error, and the file is not touched again: what the system
/// could not write it may have dropped, so a sync that works the second time proves nothing.
///
/// For one thread at a time; the file system must outlive it.
class SegmentWriter {
public:
    /// Makes the segment's file, its header written and synced: from a spare, where there is one in `spares`, else as `spare.tmp` in
    /// `directory`, where one already there is used again. `publish()` gives it its name. Fails with `NoSpace` or `Io`.
    [[nodiscard]] static Result<SegmentWriter> create(FileSystem& files, const std::string& directory, SegmentHeader header,
                                                      const SegmentOptions& options, SpareSegments* spares = nullptr) {
        SegmentWriter writer{files, directory, header.number};
        bool reused = true;
        if (auto spare = spares == nullptr ? std::nullopt : spares->take(options.bytes)) {
            writer.file_name_ = std::move(spare->name);
            writer.file_ = std::move(spare->file);
        } else {
            auto file = files.open(writer.path(writer.file_name_), FileMode::ReadWrite);
            reused = file.has_value();
            if (!file && file.error().code() == ErrorCode::NotFound) {
                file = files.open(writer.path(writer.file_name_), FileMode::CreateNew);
            }
            if (!file) {
                return std::move(file).error();
            }
            writer.file_ = std::move(*file);
        }
        if (auto prepared = writer.prepare(header, options, reused); !prepared) {
            // The half-made file may hold the very space that is missing. It does no harm where it cannot be removed.
            writer.give_up();
            return std::move(prepared).error();
        }
        return writer;
    }

    /// Removes a file that has no segment's name yet: nobody may build on one whose sync failed.
    void give_up() noexcept {
        file_.reset();
        static_cast<void>(files_->remove(path(file_name_)));
    }

    /// Gives the file its name, durably. Frames written and synced before appear together with it.
    Result<void> publish() {
        if (auto renamed = files_->rename(path(file_name_), path(segment_file_name(number_))); !renamed) {
            return poison(std::move(renamed));
        }
        return poison(files_->sync_directory(directory_));
    }

    /// Writes whole, sealed frames behind the last ones. Precondition: they fit `remaining()`.
    Result<void> write(std::span<const std::byte> frames) {
        if (!state_) {
            return state_.error().clone();
        }
        ECSDB_ASSERT(frames.size() <= remaining(), "the frames do not fit the segment");
        auto written = frames.size() < large_bytes ? file_->pwrite(frames, offset_) : file_->pwrite_uncached(frames, offset_);
        if (!written) {
            return poison(std::move(written));
        }
        offset_ += frames.size();
        if (write_back_ != 0 && offset_ - written_back_ >= write_back_) {
            file_->begin_write_back(written_back_, offset_ - written_back_);
            written_back_ = offset_;
        }
        return offset_ > ready_ ? poison(make_ready()) : Result<void>{};
    }

    /// Makes everything written so far durable.
    Result<void> sync() { return state_ ? poison(file_->sync()) : Result<void>{state_.error().clone()}; }

    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    /// Where the next frame goes.
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::uint64_t remaining() const noexcept { return capacity_ - offset_; }
    /// Where the segment's running checksum starts.
    [[nodiscard]] std::uint32_t header_crc() const noexcept { return header_crc_; }

private:
    SegmentWriter(FileSystem& files, std::string directory, std::uint64_t number)
        : files_{&files}, directory_{std::move(directory)}, number_{number} {}

    [[nodiscard]] std::string path(std::string_view name) const { return (directory_ + '/').append(name); }

    Result<void> prepare(SegmentHeader header, const SegmentOptions& options, bool reused) {
        header.flags = reused ? segment_flag_reused : std::uint16_t{0};
        capacity_ = std::max<std::uint64_t>(options.bytes, segment_header_size) / frame_alignment * frame_alignment;
        zero_ahead_ = options.zero_ahead;
        write_back_ = options.write_back;
        ready_ = zero_ahead_ == 0 ? capacity_ : offset_;
        if (auto taken = file_->preallocate(capacity_); !taken) {
            return taken;
        }
        std::array<std::byte, segment_header_size> block;
        encode_segment_header(header, block);
        header_crc_ = stored_header_crc(block);
        if (auto written = file_->pwrite(block, 0); !written) {
            return written;
        }
        return file_->sync();
    }

    Result<void> make_ready() {
        static constexpr std::array<std::byte, 16384> zeros{};
        const std::uint64_t goal = std::min(capacity_, offset_ + zero_ahead_);
        for (ready_ = offset_; ready_ < goal;) {
            const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size() - ready_ % zeros.size(), goal - ready_));
            if (auto written = file_->pwrite(std::span{zeros}.first(bytes), ready_); !written) {
                return written;
            }
            ready_ += bytes;
        }
        return {};
    }

    Result<void> poison(Result<void> outcome) {
        if (!outcome) {
            state_ = Result<void>{outcome.error().clone()};
        }
        return outcome;
    }

    /// From here on what the page cache costs is more than what it saves.
    static constexpr std::size_t large_bytes = std::size_t{256} << 10U;

    FileSystem* files_;
    std::unique_ptr<File> file_;
    Result<void> state_;
    std::string directory_;
    std::string file_name_{spare_file_name}; // until it has the segment's
    std::uint64_t number_;
    std::uint64_t offset_ = segment_header_size;
    std::uint64_t capacity_ = 0;
    std::uint64_t zero_ahead_ = 0;
    std::uint64_t write_back_ = 0;
    std::uint64_t written_back_ = 0;
    std::uint64_t ready_ = 0; // below it the file is written already, so that overwriting it moves no metadata
    std::uint32_t header_crc_ = 0;
};

} // namespace ecsdb::wal
