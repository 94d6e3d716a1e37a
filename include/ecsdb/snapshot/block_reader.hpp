/// @file
/// Reads a snapshot file from front to back and hands out its blocks, each checked before it is looked at.
#pragma once

#include "ecsdb/core/compression.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/snapshot/format.hpp"
#include "ecsdb/snapshot/shuffle.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::snapshot {

/// A file's blocks, in order. Trusts nothing: no length is used before it was compared with what the file holds and a reader takes, and no
/// content is handed out before its checksum agreed.
///
/// `Corrupt` where it is damaged or cut short, `Unsupported` where a newer release wrote it. Holds about 1.5 MiB,
/// compressed files up to 2 MiB more. For one thread; the allocator and the file system must outlive it.
class BlockReader {
public:
    /// A block whose checksum agreed.
    struct Block {
        BlockHeader header;
        std::uint64_t number = 0; ///< Counted from 0.
        std::uint64_t offset = 0;
        std::span<const std::byte> content; ///< Unpacked; until the next call.
    };

    /// Reads and checks header, schema and the presence of a footer.
    [[nodiscard]] static Result<BlockReader> open(FileSystem& files, const std::string& path, Allocator& allocator,
                                                  bool from_disk = false) {
        auto file = files.open(path, FileMode::Read);
        if (!file) {
            return std::move(file).error();
        }
        if (from_disk) {
            (*file)->forget_cached();
        }
        BlockReader reader{std::move(*file), path, allocator};
        if (auto ready = reader.read_frame(); !ready) {
            return std::move(ready).error().in(path);
        }
        return reader;
    }
    /// The same for a snapshot in memory, which must outlive the reader and stay as it is. Nothing of it is copied but the schema.
    [[nodiscard]] static Result<BlockReader> open(std::span<const std::byte> bytes, Allocator& allocator) {
        BlockReader reader{nullptr, "snapshot in memory", allocator};
        reader.memory_ = bytes;
        if (auto ready = reader.read_frame(); !ready) {
            return std::move(ready).error().in(reader.path_);
        }
        return reader;
    }

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] const FileHeader& header() const noexcept { return header_; }
    /// The encoded schema; checked like a block.
    [[nodiscard]] std::span<const std::byte> schema() const noexcept { return schema_.view(); }
    /// Not to be trusted before `next` has returned false.
    [[nodiscard]] const Footer& footer() const noexcept { return footer_; }
    [[nodiscard]] std::uint64_t file_size() const noexcept { return footer_offset_ + footer_size; }
    /// CRC32C of the file as far as it was read: of the whole file once `next` has returned false.
    [[nodiscard]] std::uint32_t crc() const noexcept { return crc_; }

    /// The next block; errors name it, and not the file. False after the last one, when index, footer and the checksum of the whole file
    /// have agreed.
    [[nodiscard]] Result<bool> next(Block& block) {
        block = {{}, number_, position_, {}};
        const std::uint64_t left = footer_offset_ - position_;
        if (left == 0) {
            auto whole = check_end();
            return whole ? Result<bool>{false} : Result<bool>{std::move(whole).error()};
        }
        if (left < block_header_size + checksum_size) {
            return corrupt(block, "reaches into the footer");
        }
        if (auto fetched = fetch(block_header_size); !fetched) {
            return std::move(fetched).error();
        }
        const BlockHeader header = load_block_header(fetched_bytes());
        if (header.stored_size > max_block_size || header.raw_size > max_block_size ||
            header.stored_size > left - block_header_size - checksum_size) {
            return corrupt(block, "claims more bytes than a block, or the file, can have");
        }
        const std::size_t checked = block_header_size + header.stored_size;
        if (auto fetched = fetch(checked + checksum_size); !fetched) {
            return std::move(fetched).error();
        }
        const std::byte* const bytes = fetched_bytes();
        const std::uint32_t crc = crc32c({bytes, checked}, crc_);
        if (load_le<std::uint32_t>(bytes + checked) != mask_crc(crc)) {
            return corrupt(block, "its checksum differs");
        }
        crc_ = crc32c({bytes + checked, checksum_size}, crc);
        block.header = header;
        if (auto unpacked = unpack(block, {bytes + block_header_size, header.stored_size}); !unpacked) {
            return std::move(unpacked).error();
        }
        if (auto noted = note_in_index(block); !noted) {
            return std::move(noted).error();
        }
        consume(checked + checksum_size);
        ++number_;
        return true;
    }

    /// What is wrong with a block, in words that name it.
    [[nodiscard]] static Error corrupt(const Block& block, const std::string& what, ErrorCode code = ErrorCode::Corrupt) {
        return Error{code, "block " + std::to_string(block.number) + " at byte " + std::to_string(block.offset) + ": " + what};
    }

private:
    /// How much is read ahead: small enough to be still in the cache when it is looked at.
    static constexpr std::size_t read_ahead = 512U << 10U;

    BlockReader(std::unique_ptr<File> file, std::string path, Allocator& allocator) noexcept
        : file_{std::move(file)}, path_{std::move(path)}, schema_{allocator}, buffer_{allocator}, unpacked_{allocator}, unshuffled_{
                                                                                                                            allocator} {}

    static Error cut_short(std::uint64_t offset) {
        return Error{ErrorCode::Corrupt, "cut short: the file ends before byte " + std::to_string(offset)};
    }

    Result<void> read_at(std::span<std::byte> out, std::uint64_t offset) {
        if (file_ == nullptr) {
            if (out.size() > memory_.size() - offset) {
                return cut_short(offset + out.size());
            }
            std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
            return {};
        }
        auto read = file_->pread(out, offset);
        if (!read) {
            return std::move(read).error();
        }
        return *read == out.size() ? Result<void>{} : cut_short(offset + out.size());
    }

    /// Everything around the blocks.
    Result<void> read_frame() {
        const auto size = file_ == nullptr ? Result<std::uint64_t>{memory_.size()} : file_->size();
        if (!size) {
            return size.error().clone();
        }
        if (*size < file_header_size + footer_size) {
            return Error{ErrorCode::Corrupt, "cut short: " + std::to_string(*size) + " bytes are no snapshot"};
        }
        footer_offset_ = *size - footer_size;
        std::array<std::byte, file_header_size> header;
        if (auto read = read_at(header, 0); !read) {
            return read;
        }
        auto decoded = decode_file_header(header);
        if (!decoded) {
            return std::move(decoded).error();
        }
        header_ = *decoded;
        if (header_.schema_size > footer_offset_ - file_header_size) {
            return cut_short(file_header_size + std::uint64_t{header_.schema_size} + footer_size);
        }
        std::byte* const schema = schema_.extend(header_.schema_size);
        if (schema == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory for a schema of " + std::to_string(header_.schema_size) + " bytes"};
        }
        if (auto read = read_at({schema, header_.schema_size}, file_header_size); !read) {
            return read;
        }
        if (crc32c(schema_.view()) != header_.schema_crc) {
            return Error{ErrorCode::Corrupt, "the schema's checksum differs"};
        }
        crc_ = crc32c(schema_.view(), crc32c(header));
        position_ = file_header_size + header_.schema_size;
        if (auto read = read_at(footer_bytes_, footer_offset_); !read) {
            return read;
        }
        auto footer = decode_footer(footer_bytes_);
        if (!footer) {
            return std::move(footer).error();
        }
        footer_ = *footer;
        return {};
    }

    /// Sees to it that the `bytes` from `position_` on can be had from `fetched_bytes`. They must end before the footer.
    Result<void> fetch(std::size_t bytes) {
        if (buffered_ >= bytes || file_ == nullptr) {
            return {};
        }
        constexpr std::size_t most = max_block_size + block_header_size + checksum_size + read_ahead;
        if (buffer_.empty() && buffer_.extend(static_cast<std::size_t>(std::min<std::uint64_t>(most, footer_offset_))) == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory for a snapshot's buffer"};
        }
        std::memmove(buffer_.data(), buffer_.data() + begin_, buffered_);
        begin_ = 0;
        const std::uint64_t left = footer_offset_ - position_ - buffered_;
        const auto more = static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(bytes - buffered_, read_ahead)));
        if (auto read = read_at({buffer_.data() + buffered_, more}, position_ + buffered_); !read) {
            return read;
        }
        buffered_ += more;
        return {};
    }

    [[nodiscard]] const std::byte* fetched_bytes() const noexcept {
        return file_ == nullptr ? memory_.data() + position_ : buffer_.data() + begin_;
    }
    void consume(std::size_t bytes) noexcept {
        position_ += bytes;
        if (file_ != nullptr) {
            begin_ += bytes;
            buffered_ -= bytes;
        }
    }

    Result<void> unpack(Block& block, std::span<const std::byte> stored) {
        block.content = stored;
        if (block.header.codec == Codec::Raw) {
            return block.header.raw_size == stored.size() ? Result<void>{} : corrupt(block, "its two sizes contradict each other");
        }
        const bool shuffled = block.header.codec == Codec::ShuffledZstd;
        if (block.header.codec != Codec::Zstd && !shuffled) {
            return corrupt(block, "is compressed in a way this build does not know", ErrorCode::Unsupported);
        }
        unpacked_.clear();
        std::byte* const room = unpacked_.extend(block.header.raw_size);
        if (room == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to unpack a block"};
        }
        if (auto done = decompress(stored, {room, block.header.raw_size}); !done) {
            return corrupt(block, done.error().message(), done.error().code());
        }
        block.content = unpacked_.view();
        return shuffled ? unshuffle(block) : Result<void>{};
    }
    /// Puts the bytes of rows side by side again.
    Result<void> unshuffle(Block& block) {
        const std::size_t size = block.header.raw_size;
        if (block.header.rows == 0 || size % block.header.rows != 0) {
            return corrupt(block, "its bytes were put in another order than rows can have");
        }
        unshuffled_.clear();
        std::byte* const room = unshuffled_.extend(size);
        if (room == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to unpack a block"};
        }
        unshuffle_rows(unpacked_.data(), room, block.header.rows, size / block.header.rows);
        block.content = unshuffled_.view();
        return {};
    }

    /// Compares the index with the blocks without keeping either: by their checksums.
    Result<void> note_in_index(const Block& block) {
        if (block.header.kind == BlockKind::Index) {
            if (index_offset_ == 0) {
                index_offset_ = block.offset;
            }
            stored_index_crc_ = crc32c(block.content, stored_index_crc_);
            return {};
        }
        if (index_offset_ != 0) {
            return corrupt(block, "stands behind the index");
        }
        index_crc_ = crc32c(encode_index_entry(block.header, block.offset), index_crc_);
        return {};
    }

    Result<void> check_end() {
        const std::span<const std::byte, footer_size> footer{footer_bytes_};
        if (!ended_) {
            crc_ = crc32c(footer.first<footer_size - checksum_size>(), crc_);
            if (load_le<std::uint32_t>(footer.last<checksum_size>()) != mask_crc(crc_)) {
                return Error{ErrorCode::Corrupt, "the footer: the checksum of the whole file differs"};
            }
            crc_ = crc32c(footer.last<checksum_size>(), crc_);
            ended_ = true;
        }
        const std::uint64_t index_offset = index_offset_ == 0 ? footer_offset_ : index_offset_;
        if (footer_.blocks != number_ || footer_.lsn != header_.lsn || footer_.index_offset != index_offset ||
            stored_index_crc_ != index_crc_) {
            return Error{ErrorCode::Corrupt, "the footer or the index contradicts the blocks"};
        }
        return {};
    }

    std::unique_ptr<File> file_; ///< Null: it is in memory.
    std::span<const std::byte> memory_;
    std::string path_;
    FileHeader header_;
    Footer footer_;
    std::array<std::byte, footer_size> footer_bytes_{};
    std::uint64_t footer_offset_ = 0;
    ByteBuffer schema_;
    ByteBuffer buffer_;        ///< What was read ahead …
    std::size_t begin_ = 0;    ///< … from here on
    std::size_t buffered_ = 0; ///< … and so many bytes of it, which start at `position_` of the file.
    std::uint64_t position_ = 0;
    ByteBuffer unpacked_;
    ByteBuffer unshuffled_;
    std::uint64_t number_ = 0;
    std::uint64_t index_offset_ = 0;
    std::uint32_t index_crc_ = 0;
    std::uint32_t stored_index_crc_ = 0;
    std::uint32_t crc_ = 0;
    bool ended_ = false;
};

/// What can be said of a snapshot file without loading it.
struct SnapshotInfo {
    std::string path;
    std::uint64_t lsn = 0;
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0; ///< CRC32C of the whole file.
};

namespace detail {

[[nodiscard]] inline Result<SnapshotInfo> check_all(Result<BlockReader> reader) {
    if (!reader) {
        return std::move(reader).error();
    }
    BlockReader::Block block;
    auto more = reader->next(block);
    while (more && *more) {
        more = reader->next(block);
    }
    if (!more) {
        return std::move(more).error().in(reader->path());
    }
    return SnapshotInfo{reader->path(), reader->header().lsn, reader->file_size(), reader->crc()};
}

} // namespace detail

/// Reads the whole file, from the disk where the system lets it, and compares every checksum. The content of the blocks is not looked at.
/// Cost: reading the file.
[[nodiscard]] inline Result<SnapshotInfo> check_snapshot(FileSystem& files, const std::string& path, Allocator& allocator) {
    return detail::check_all(BlockReader::open(files, path, allocator, true));
}
/// The same for a snapshot in memory. Takes memory for its schema, and for one block where blocks are compressed.
[[nodiscard]] inline Result<SnapshotInfo> check_snapshot(std::span<const std::byte> bytes, Allocator& allocator) {
    return detail::check_all(BlockReader::open(bytes, allocator));
}

} // namespace ecsdb::snapshot
