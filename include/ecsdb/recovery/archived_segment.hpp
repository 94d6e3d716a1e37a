/// @file
/// A closed log segment in an archive: packed block by block behind a header that tells its place in the log. docs/format/archive.md.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/compression.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/io/read_only_file.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/segment_reader.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb::recovery {

// On-disk constants, laid out in docs/format/archive.md.
inline constexpr std::uint64_t archive_magic = 0x4352414244534345; // "ECSDBARC"
inline constexpr std::uint16_t archive_version = 1;
inline constexpr std::size_t archive_header_size = 128;
inline constexpr std::uint32_t archive_block_size = 1U << 20U;
inline constexpr std::string_view archived_segment_suffix = ".arc";
/// What was a segment of the log, damaged: stands for the gap that it leaves.
inline constexpr std::string_view damaged_segment_suffix = ".damaged";

/// What an archived segment's header says.
struct ArchivedHeader {
    wal::DatabaseId database{};
    wal::LogPosition end; ///< Of the segment: where its successor says it ended.
    std::uint64_t first_lsn = 0;
    std::uint64_t previous_segment = 0;
    std::uint64_t created = 0;   ///< No transaction in it was committed earlier, microseconds since 1970 UTC,
    std::uint64_t last_time = 0; ///< and none later.
    std::uint64_t schema_hash = 0;
};

/// `0000000007.arc` for 7, and `0000000007.damaged`.
[[nodiscard]] inline std::string archived_segment_name(std::uint64_t number, std::string_view suffix = archived_segment_suffix) {
    std::string name = wal::segment_file_name(number);
    name.resize(name.size() - wal::segment_suffix.size());
    return name.append(suffix);
}
/// The number in an archived segment's file name; nothing for any other name.
[[nodiscard]] inline std::optional<std::uint64_t> parse_archived_segment_name(std::string_view name,
                                                                              std::string_view suffix = archived_segment_suffix) {
    if (!name.ends_with(suffix)) {
        return std::nullopt;
    }
    name.remove_suffix(suffix.size());
    return wal::parse_segment_file_name(std::string{name}.append(wal::segment_suffix));
}

namespace detail {

[[nodiscard]] inline std::array<std::byte, archive_header_size> encode_archived_header(const ArchivedHeader& header) noexcept {
    std::array<std::byte, archive_header_size> bytes{};
    std::byte* const at = bytes.data();
    store_le<std::uint64_t>(at, archive_magic);
    store_le<std::uint16_t>(at + 12, archive_version);
    std::memcpy(at + 16, header.database.data(), header.database.size());
    store_le<std::uint32_t>(at + 32, header.end.epoch);
    store_le<std::uint32_t>(at + 36, header.end.running_crc);
    store_le<std::uint64_t>(at + 40, header.end.segment);
    store_le<std::uint64_t>(at + 48, header.end.offset);
    store_le<std::uint64_t>(at + 56, header.first_lsn);
    store_le<std::uint64_t>(at + 64, header.end.lsn);
    store_le<std::uint64_t>(at + 72, header.previous_segment);
    store_le<std::uint64_t>(at + 80, header.created);
    store_le<std::uint64_t>(at + 88, header.last_time);
    store_le<std::uint64_t>(at + 96, header.schema_hash);
    store_le<std::uint32_t>(at + 8, mask_crc(crc32c(std::span{bytes}.subspan(12))));
    return bytes;
}

[[nodiscard]] inline Result<ArchivedHeader> decode_archived_header(std::span<const std::byte, archive_header_size> bytes) {
    const std::byte* const at = bytes.data();
    if (load_le<std::uint64_t>(at) != archive_magic) {
        return Error{ErrorCode::Corrupt, "not an archived segment: the magic number differs"};
    }
    if (load_le<std::uint32_t>(at + 8) != mask_crc(crc32c(bytes.subspan<12>()))) {
        return Error{ErrorCode::Corrupt, "the header's checksum differs"};
    }
    if (const auto version = load_le<std::uint16_t>(at + 12); version != archive_version) {
        return Error{ErrorCode::Unsupported,
                     "archive format version " + std::to_string(version) + "; this build reads version " + std::to_string(archive_version)};
    }
    ArchivedHeader header;
    std::memcpy(header.database.data(), at + 16, header.database.size());
    header.end.epoch = load_le<std::uint32_t>(at + 32);
    header.end.running_crc = load_le<std::uint32_t>(at + 36);
    header.end.segment = load_le<std::uint64_t>(at + 40);
    header.end.offset = load_le<std::uint64_t>(at + 48);
    header.first_lsn = load_le<std::uint64_t>(at + 56);
    header.end.lsn = load_le<std::uint64_t>(at + 64);
    header.previous_segment = load_le<std::uint64_t>(at + 72);
    header.created = load_le<std::uint64_t>(at + 80);
    header.last_time = load_le<std::uint64_t>(at + 88);
    header.schema_hash = load_le<std::uint64_t>(at + 96);
    if (header.end.segment == 0 || header.previous_segment >= header.end.segment || header.end.offset < wal::segment_header_size ||
        header.first_lsn == 0 || header.end.lsn + 1 < header.first_lsn) {
        return Error{ErrorCode::Corrupt, "the header contradicts itself"};
    }
    return header;
}

} // namespace detail

/// An archived segment as the file it was made of: unpacked where it is read, a block at a time. Each block's checksum is compared, and
/// `Corrupt` names the block. For one thread at a time.
class ArchivedSegment final : public ReadOnlyFile {
public:
    /// Reads the header and finds the blocks. `Corrupt`, `Unsupported` where a newer release wrote it, `Io`. Allocator and file system must
    /// outlive it.
    [[nodiscard]] static Result<Owner<ArchivedSegment>> open(FileSystem& files, const std::string& path, Allocator& allocator) {
        auto file = files.open(path, FileMode::Read);
        if (!file) {
            return std::move(file).error();
        }
        Owner<ArchivedSegment> segment{new ArchivedSegment{std::move(*file), path, allocator}};
        if (auto found = segment->find_blocks(); !found) {
            return std::move(found).error().in(path);
        }
        return segment;
    }

    [[nodiscard]] const ArchivedHeader& header() const noexcept { return header_; }

    /// Compares the checksums of all blocks, unpacking each.
    [[nodiscard]] Result<void> check() {
        for (std::size_t block = 0; block < blocks_.size(); ++block) {
            if (auto fetched = fetch(block); !fetched) {
                return fetched;
            }
        }
        return {};
    }

    [[nodiscard]] Result<std::uint64_t> size() noexcept override { return header_.end.offset; }

protected:
    [[nodiscard]] Result<std::size_t> fill(std::span<std::byte> out, std::uint64_t offset) noexcept override {
        std::size_t filled = 0;
        while (filled < out.size() && offset + filled < header_.end.offset) {
            const std::uint64_t at = offset + filled;
            const auto block = static_cast<std::size_t>(at / archive_block_size);
            if (auto fetched = fetch(block); !fetched) {
                return std::move(fetched).error();
            }
            const auto within = static_cast<std::size_t>(at % archive_block_size);
            const std::size_t part = std::min(out.size() - filled, unpacked_.size() - within);
            std::memcpy(out.data() + filled, unpacked_.data() + within, part);
            filled += part;
        }
        return filled;
    }

private:
    struct Block {
        std::uint64_t offset = 0; ///< Of its bytes in the file.
        std::uint32_t raw = 0;
        std::uint32_t stored = 0;
    };
    static constexpr std::size_t none = ~std::size_t{0};

    ArchivedSegment(std::unique_ptr<File> file, std::string path, Allocator& allocator)
        : file_{std::move(file)}, path_{std::move(path)}, stored_{allocator}, unpacked_{allocator} {}

    [[nodiscard]] Result<void> read_at(std::span<std::byte> out, std::uint64_t offset) {
        const auto read = file_->pread(out, offset);
        if (!read) {
            return read.error().clone();
        }
        return *read == out.size() ? Result<void>{}
                                   : Result<void>{Error{ErrorCode::Corrupt, "cut short at byte " + std::to_string(offset)}};
    }

    [[nodiscard]] Result<void> find_blocks() {
        std::array<std::byte, archive_header_size> bytes;
        if (auto read = read_at(bytes, 0); !read) {
            return read;
        }
        auto header = detail::decode_archived_header(bytes);
        const auto size = file_->size();
        if (!header || !size) {
            return header ? size.error().clone() : std::move(header).error();
        }
        header_ = *header;
        header_crc_ = crc32c(bytes);
        std::uint64_t at = archive_header_size;
        for (std::uint64_t left = header_.end.offset; left != 0;) {
            std::array<std::byte, 8> sizes;
            if (auto read = read_at(sizes, at); !read) {
                return read;
            }
            const Block block{at, load_le<std::uint32_t>(sizes.data()), load_le<std::uint32_t>(sizes.data() + 4)};
            if (block.raw != std::min<std::uint64_t>(left, archive_block_size) || block.stored > block.raw || *size - at < 12 ||
                block.stored > *size - at - 12) {
                return Error{ErrorCode::Corrupt, "the lengths of the block at byte " + std::to_string(at) + " cannot be"};
            }
            blocks_.push_back(block);
            left -= block.raw;
            at += 12 + std::uint64_t{block.stored};
        }
        return at == *size ? Result<void>{} : Result<void>{Error{ErrorCode::Corrupt, "there is something behind its last block"}};
    }

    /// Each block's checksum continues from that of the one before it, as stored: they can be read in any order, and none exchanged.
    [[nodiscard]] Result<void> fetch(std::size_t number) {
        if (number == held_) {
            return {};
        }
        held_ = none;
        const Block& block = blocks_[number];
        std::uint32_t seed = header_crc_;
        if (number != 0) {
            std::array<std::byte, 4> before;
            if (auto read = read_at(before, block.offset - 4); !read) {
                return std::move(read).error().in(path_);
            }
            seed = unmask_crc(load_le<std::uint32_t>(before.data()));
        }
        stored_.clear();
        unpacked_.clear();
        std::byte* const stored = stored_.extend(std::size_t{block.stored} + 12);
        std::byte* const unpacked = unpacked_.extend(block.raw);
        if (stored == nullptr || unpacked == nullptr) {
            return Error{ErrorCode::OutOfMemory, path_ + ": no memory for a block"};
        }
        if (auto read = read_at({stored, std::size_t{block.stored} + 12}, block.offset); !read) {
            return std::move(read).error().in(path_);
        }
        const std::span<const std::byte> bytes{stored, std::size_t{block.stored} + 8};
        const std::string place = path_ + ": block " + std::to_string(number) + " at byte " + std::to_string(block.offset);
        if (load_le<std::uint32_t>(stored + bytes.size()) != mask_crc(crc32c(bytes, seed))) {
            return Error{ErrorCode::Corrupt, place + ": its checksum differs"};
        }
        if (block.stored == block.raw) {
            std::memcpy(unpacked, stored + 8, block.raw);
        } else if (auto done = decompress(bytes.subspan(8), {unpacked, block.raw}); !done) {
            return std::move(done).error().in(place);
        }
        held_ = number;
        return {};
    }

    std::unique_ptr<File> file_;
    std::string path_;
    ArchivedHeader header_;
    std::uint32_t header_crc_ = 0;
    List<Block> blocks_;
    ByteBuffer stored_;
    ByteBuffer unpacked_; ///< The block `held_`.
    std::size_t held_ = none;
};

namespace detail {

/// Creates `path`, in the place of what an earlier attempt may have left there.
[[nodiscard]] inline Result<std::unique_ptr<File>> create_anew(FileSystem& files, const std::string& path) {
    auto file = files.open(path, FileMode::CreateNew);
    if (!file && file.error().code() == ErrorCode::AlreadyExists) {
        if (auto removed = files.remove(path); !removed) {
            return std::move(removed).error();
        }
        file = files.open(path, FileMode::CreateNew);
    }
    return file;
}

/// Writes a file as `path.tmp` by `fill(File&)`, has `check(staged path)` read it back, and gives it its name, durably. What was at `path`
/// before stays where any of it fails.
template <typename Fill, typename Check>
[[nodiscard]] Result<void> write_checked(FileSystem& files, const std::string& path, Fill&& fill, Check&& check) {
    const std::string staged = path + ".tmp";
    auto file = create_anew(files, staged);
    if (!file) {
        return std::move(file).error();
    }
    Result<void> done = fill(**file);
    if (done) {
        done = (*file)->sync();
    }
    file->reset();
    if (done) {
        done = check(staged);
    }
    if (done) {
        done = files.rename(staged, path);
    }
    if (!done) {
        static_cast<void>(files.remove(staged));
        return done;
    }
    return files.sync_directory(parent_directory(path));
}

} // namespace detail

/// Opens segment `number` of the log in `log`. `Corrupt` where its file holds another one: a header names only lower numbers than its own
/// as what it follows, so that whoever goes back along the chain arrives.
[[nodiscard]] inline Result<wal::SegmentReader> open_segment(FileSystem& files, const std::string& log, std::uint64_t number,
                                                             Allocator& allocator) {
    const std::string path = wal::segment_path(log, number);
    auto reader = wal::SegmentReader::open(files, path, allocator);
    if (reader && reader->header().number != number) {
        return Error{ErrorCode::Corrupt, path + ": holds segment " + std::to_string(reader->header().number)};
    }
    return reader;
}

/// Checks every frame of a segment of the log in `log`, which ended at `end`: what its header in an archive is to say. `Corrupt` where it
/// is damaged.
[[nodiscard]] inline Result<ArchivedHeader> check_segment(FileSystem& files, const std::string& log, const wal::LogPosition& end,
                                                          Allocator& allocator) {
    const std::string source = wal::segment_path(log, end.segment);
    auto reader = open_segment(files, log, end.segment, allocator);
    if (!reader) {
        return std::move(reader).error();
    }
    const wal::SegmentHeader& of = reader->header();
    ArchivedHeader header{of.database, end, of.first_lsn, of.previous.segment, of.created, of.created, of.schema_hash};
    std::uint64_t offset = wal::segment_header_size;
    std::uint32_t running = reader->header_crc();
    while (offset < end.offset) {
        const auto frame = reader->frame_at(offset, end.offset);
        if (!frame) {
            return frame.error().clone();
        }
        if (!*frame) {
            break;
        }
        running = wal::extend_running_crc(running, (*frame)->header.stored_crc);
        header.last_time = std::max(header.last_time, (*frame)->header.time);
        offset += (*frame)->size;
    }
    if (of.number != end.segment || of.epoch != end.epoch || offset != end.offset || running != end.running_crc) {
        return Error{ErrorCode::Corrupt, source + ": damaged at offset " + std::to_string(offset) +
                                             ": it does not end as its successor says, and is not archived"};
    }
    return header;
}

/// Archives segment `end.segment` of the log in `log`, which ended at `end`, as `path`: durably, as a whole, and read back. Every frame is
/// checked on the way, so that damage is never archived: `Corrupt`. Otherwise `NoSpace`, `Io`, `OutOfMemory`. What is at `path` already is
/// replaced. Returns the header written.
[[nodiscard]] inline Result<ArchivedHeader> archive_segment(FileSystem& files, const std::string& log, const wal::LogPosition& end,
                                                            FileSystem& archive, const std::string& path, Allocator& allocator) {
    const auto checked = check_segment(files, log, end, allocator);
    if (!checked) {
        return checked.error().clone();
    }
    const ArchivedHeader& header = *checked;
    const std::string source = wal::segment_path(log, end.segment);
    const auto file = files.open(source, FileMode::Read);
    if (!file) {
        return file.error().clone();
    }
    const auto fill = [&](File& out) -> Result<void> {
        const auto head = detail::encode_archived_header(header);
        Result<void> done = out.pwrite(head, 0);
        std::uint32_t crc = crc32c(head);
        std::uint64_t at = head.size();
        ByteBuffer raw{allocator};
        ByteBuffer packed{allocator};
        for (std::uint64_t from = 0; from < end.offset && done; from += archive_block_size) {
            const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(archive_block_size, end.offset - from));
            raw.clear();
            packed.clear();
            std::byte* const room = raw.extend(size);
            packed.append_le<std::uint64_t>(0);
            if (room == nullptr || packed.failed()) {
                return Error{ErrorCode::OutOfMemory, "no memory to archive a segment"};
            }
            const auto read = (*file)->pread({room, size}, from);
            if (!read || *read != size) {
                return read ? Error{ErrorCode::Io, source + ": became shorter while it was read"} : read.error().clone();
            }
            if (auto compressed = compress(raw.view(), packed, 1); !compressed) {
                return compressed;
            }
            if (packed.size() - 8 >= size) {
                packed.resize_down(8);
                packed.append(raw.view());
            }
            packed.patch_le<std::uint32_t>(0, static_cast<std::uint32_t>(size));
            packed.patch_le<std::uint32_t>(4, static_cast<std::uint32_t>(packed.size() - 8));
            crc = crc32c(packed.view(), crc);
            packed.append_le<std::uint32_t>(mask_crc(crc));
            if (packed.failed()) {
                return Error{ErrorCode::OutOfMemory, "no memory to archive a segment"};
            }
            done = out.pwrite(packed.view(), at);
            at += packed.size();
        }
        return done;
    };
    const auto check = [&](const std::string& staged) -> Result<void> {
        auto written = ArchivedSegment::open(archive, staged, allocator);
        return written ? (*written)->check() : Result<void>{std::move(written).error()};
    };
    if (auto written = detail::write_checked(archive, path, fill, check); !written) {
        return std::move(written).error();
    }
    return header;
}

} // namespace ecsdb::recovery
