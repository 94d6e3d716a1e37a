/// @file
/// Writes a snapshot file from front to back: blocks with their checksums, compressed or not, the index of them, the footer.
#pragma once

#include "ecsdb/core/compression.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/io/file_system.hpp"
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
    /// `compression_level` as in `compress`; 0 leaves every block as it is.
    BlockWriter(File& file, Allocator& allocator, int compression_level) noexcept
        : file_{&file}, level_{compression_level}, out_{allocator}, packed_{allocator}, index_{allocator} {}

    /// Writes the file header and the schema that belongs to it.
    void start(const FileHeader& header, std::span<const std::byte> schema) {
        // As much as is ever held, so that nothing is copied while growing; a schema may exceed it.
        if (!out_.reserve(flush_size + max_block_size + block_header_size + checksum_size)) {
            fail(no_memory());
            return;
        }
        out_.append(encode_file_header(header));
        out_.append(schema);
        crc_ = crc32c(out_.view());
        flush();
    }

    /// Opens a block: its content is to be appended to what this returns, then `close` called. Sizes and codec in `header` are not used.
    [[nodiscard]] ByteBuffer& open(const BlockHeader& header) noexcept {
        header_ = header;
        block_start_ = out_.size();
        static_cast<void>(out_.extend(block_header_size));
        return out_;
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
        out_.append(bytes);
        flush();
        return std::move(status_);
    }

    /// Bytes of the file so far.
    [[nodiscard]] std::uint64_t offset() const noexcept { return flushed_ + out_.size(); }
    /// CRC32C of the file so far.
    [[nodiscard]] std::uint32_t crc() const noexcept { return crc_; }

private:
    static constexpr std::size_t flush_size = target_block_size;
    /// Entries per index block.
    static constexpr std::size_t max_index_rows = target_block_size / index_entry_size;

    struct IndexEntry {
        std::uint64_t offset;
        BlockHeader header;
    };

    static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory for a snapshot's buffers"}; }

    bool close(int level) {
        if (failed() || out_.failed()) {
            fail(no_memory());
            return false;
        }
        const std::size_t content = block_start_ + block_header_size;
        header_.raw_size = static_cast<std::uint32_t>(out_.size() - content);
        ECSDB_ASSERT(out_.size() - content <= max_block_size, "a block is larger than a reader will take");
        header_.codec = Codec::Raw;
        if (level != 0 && header_.raw_size >= worth_compressing) {
            packed_.clear();
            if (auto packed = compress(out_.view().subspan(content), packed_, level); !packed) {
                fail(std::move(packed).error());
                return false;
            }
            if (packed_.size() < header_.raw_size) {
                header_.codec = Codec::Zstd;
                out_.resize_down(content);
                out_.append(packed_.view());
            }
        }
        header_.stored_size = static_cast<std::uint32_t>(out_.size() - content);
        store_block_header(out_.data() + block_start_, header_);
        // The checksum goes on from block to block: one out of place, or of another file, is found like a damaged one.
        crc_ = crc32c(out_.view().subspan(block_start_), crc_);
        out_.append_le<std::uint32_t>(mask_crc(crc_));
        crc_ = crc32c(out_.view().last(checksum_size), crc_);
        ++blocks_;
        if (header_.kind != BlockKind::Index && !index_.push({flushed_ + block_start_, header_})) {
            fail(no_memory());
        }
        if (out_.size() >= flush_size) {
            flush();
        }
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

    void flush() {
        if (out_.failed()) {
            fail(no_memory());
        }
        if (failed()) {
            return;
        }
        if (auto written = file_->pwrite(out_.view(), flushed_); !written) {
            fail(std::move(written).error());
            return;
        }
        flushed_ += out_.size();
        out_.clear();
    }

    static constexpr std::uint32_t worth_compressing = 128;

    File* file_;
    int level_;
    ByteBuffer out_;
    ByteBuffer packed_;
    GrowArray<IndexEntry> index_;
    Result<void> status_;
    BlockHeader header_;
    std::size_t block_start_ = 0;
    std::uint64_t flushed_ = 0;
    std::uint64_t blocks_ = 0;
    std::uint32_t crc_ = 0;
};

} // namespace ecsdb::snapshot
