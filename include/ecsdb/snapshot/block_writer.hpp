/// @file
/// Writes a snapshot file from front to back: blocks with their checksums, compressed or not, the index of them, the footer.
#pragma once

#include "ecsdb/core/compression.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/snapshot/file_stream.hpp"
#include "ecsdb/snapshot/format.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::snapshot {

/// Streams blocks into a new, empty file. Holds a few blocks' worth of memory, and 40 bytes for each block written, for the index.
///
/// The first failure is kept: every later call does nothing, and `finish` says what went wrong. For one thread.
class BlockWriter {
public:
    /// `compression_level` as in `compress`; 0 leaves every block as it is. With `own_thread`, another thread writes the file meanwhile.
    BlockWriter(File& file, Allocator& allocator, int compression_level, bool own_thread = false)
        : level_{compression_level}, stream_{file, allocator, max_block_size + block_header_size + checksum_size, own_thread},
          packed_{allocator}, index_{allocator} {}

    /// Writes the file header and the schema that belongs to it.
    void start(const FileHeader& header, std::span<const std::byte> schema) {
        if (!stream_.begin()) {
            fail(no_memory());
            return;
        }
        ByteBuffer& out = stream_.buffer();
        out.append(encode_file_header(header));
        out.append(schema);
        crc_ = crc32c(out.view());
        pass_on();
    }

    /// Opens a block: its content is to be appended to what this returns, then `close` called. Sizes and codec in `header` are not used.
    [[nodiscard]] ByteBuffer& open(const BlockHeader& header) noexcept {
        header_ = header;
        block_start_ = stream_.buffer().size();
        static_cast<void>(stream_.buffer().extend(block_header_size));
        return stream_.buffer();
    }

    /// How many rows the open block has, where that was not known when it was opened.
    void set_rows(std::uint32_t rows) noexcept { header_.rows = rows; }

    /// Ends the open block. False when something has failed.
    bool close() { return close(level_); }

    [[nodiscard]] bool failed() const noexcept { return !status_; }
    /// What is to be written could not be had: `finish` says so, if nothing else went wrong before.
    void fail(Error error) {
        if (status_) {
            status_ = std::move(error);
        }
    }

    /// Writes index and footer. The footer's number of blocks and offset of the index are filled in here.
    Result<void> finish(Footer footer) {
        footer.index_offset = offset();
        write_index();
        footer.blocks = blocks_;
        auto bytes = encode_footer(footer);
        crc_ = crc32c(std::span{bytes}.first<footer_size - checksum_size>(), crc_);
        store_le<std::uint32_t>(bytes.data() + footer_size - checksum_size, mask_crc(crc_));
        crc_ = crc32c(std::span{bytes}.last<checksum_size>(), crc_);
        stream_.buffer().append(bytes);
        if (!failed()) {
            status_ = stream_.finish();
        }
        return std::move(status_);
    }

    /// Bytes of the file so far.
    [[nodiscard]] std::uint64_t offset() const noexcept { return stream_.offset(); }
    /// CRC32C of the file so far.
    [[nodiscard]] std::uint32_t crc() const noexcept { return crc_; }

private:
    /// Entries per index block.
    static constexpr std::size_t max_index_rows = target_block_size / index_entry_size;

    struct IndexEntry {
        std::uint64_t offset;
        BlockHeader header;
    };

    static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory for a snapshot's buffers"}; }

    bool close(int level) {
        ByteBuffer& out = stream_.buffer();
        if (failed() || out.failed()) {
            fail(no_memory());
            return false;
        }
        const std::uint64_t block_offset = offset() - (out.size() - block_start_);
        const std::size_t content = block_start_ + block_header_size;
        header_.raw_size = static_cast<std::uint32_t>(out.size() - content);
        ECSDB_ASSERT(out.size() - content <= max_block_size, "a block is larger than a reader will take");
        header_.codec = Codec::Raw;
        if (level != 0 && header_.raw_size >= worth_compressing) {
            packed_.clear();
            if (auto packed = compress(out.view().subspan(content), packed_, level); !packed) {
                fail(std::move(packed).error());
                return false;
            }
            if (packed_.size() < header_.raw_size) {
                header_.codec = Codec::Zstd;
                out.resize_down(content);
                out.append(packed_.view());
            }
        }
        header_.stored_size = static_cast<std::uint32_t>(out.size() - content);
        store_block_header(out.data() + block_start_, header_);
        // The checksum goes on from block to block: one out of place, or of another file, is found like a damaged one.
        crc_ = crc32c(out.view().subspan(block_start_), crc_);
        out.append_le<std::uint32_t>(mask_crc(crc_));
        crc_ = crc32c(out.view().last(checksum_size), crc_);
        ++blocks_;
        if (header_.kind != BlockKind::Index && !index_.push({block_offset, header_})) {
            fail(no_memory());
        }
        pass_on();
        return !failed();
    }

    void write_index() {
        for (std::size_t first = 0; first < index_.size(); first += max_index_rows) {
            const std::size_t rows = std::min(max_index_rows, index_.size() - first);
            ByteBuffer& out =
                open({BlockKind::Index, Codec::Raw, 0, 0, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(rows)});
            for (std::size_t i = first; i < first + rows; ++i) {
                out.append(encode_index_entry(index_[i].header, index_[i].offset));
            }
            close(0);
        }
    }

    void pass_on() {
        if (!failed()) {
            if (auto passed = stream_.pass_on(); !passed) {
                fail(std::move(passed).error());
            }
        }
    }

    static constexpr std::uint32_t worth_compressing = 128;

    int level_;
    FileStream stream_;
    ByteBuffer packed_;
    GrowArray<IndexEntry> index_;
    Result<void> status_;
    BlockHeader header_;
    std::size_t block_start_ = 0;
    std::uint64_t blocks_ = 0;
    std::uint32_t crc_ = 0;
};

} // namespace ecsdb::snapshot
