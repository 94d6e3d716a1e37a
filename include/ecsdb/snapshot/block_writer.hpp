/// @file
/// Writes a snapshot file from front to back: blocks with their checksums, compressed or not, the index of them, the footer.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/snapshot/file_stream.hpp"
#include "ecsdb/snapshot/format.hpp"
#include "ecsdb/snapshot/packing.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::snapshot {

/// Streams blocks into a new, empty file. Holds a few blocks' worth of memory, and 40 bytes for each block written, for the index.
///
/// The first failure is kept: every later call does nothing, and `finish` says what went wrong. For one thread.
class BlockWriter {
public:
    /// `compression_level` as in `compress`; 0 leaves every block as it is. With `own_thread`, another thread writes the file meanwhile,
    /// and where blocks are compressed, one more does that.
    BlockWriter(File& file, Allocator& allocator, int compression_level, bool own_thread = false)
        : stream_{file, allocator, max_block_size + block_header_size + checksum_size, own_thread}, packer_{allocator, compression_level},
          compresses_{compression_level != 0}, index_{allocator} {
        if (compresses_ && own_thread) {
            packing_.emplace(allocator, compression_level, Append{this});
        } else if (compresses_) {
            content_.emplace(allocator);
        }
    }

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
        if (compresses_ && header.kind != BlockKind::Index) {
            ByteBuffer& out = packing_ ? packing_->buffer() : *content_;
            out.clear();
            return out;
        }
        block_start_ = stream_.buffer().size();
        static_cast<void>(stream_.buffer().extend(block_header_size));
        return stream_.buffer();
    }

    /// How many rows the open block has, where that was not known when it was opened.
    void set_rows(std::uint32_t rows) noexcept { header_.rows = rows; }

    /// Ends the open block. False when something has failed.
    bool close() {
        if (!compresses_ || header_.kind == BlockKind::Index) {
            finish_block(header_);
            return !failed();
        }
        const ByteBuffer& content = packing_ ? packing_->buffer() : *content_;
        if (content.failed()) {
            fail(no_memory());
        }
        if (failed()) {
            return false;
        }
        if (packing_) {
            packing_->hand_over(header_);
        } else {
            auto stored = packer_.pack(header_, content.view());
            append_packed(header_, std::move(stored));
        }
        return !failed();
    }

    [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
    /// What is to be written could not be had: `finish` says so, if nothing else went wrong before.
    void fail(Error error) {
        const std::lock_guard lock{mutex_};
        if (status_) {
            status_ = std::move(error);
            failed_.store(true, std::memory_order_release); // pairs with the acquire in `failed`
        }
    }

    /// Writes index and footer. The footer's number of blocks and offset of the index are filled in here.
    Result<void> finish(Footer footer) {
        if (packing_) {
            packing_->stop(); // from here on this thread is alone again
        }
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

    /// Bytes of the file: once it is finished.
    [[nodiscard]] std::uint64_t offset() const noexcept { return stream_.offset(); }
    /// CRC32C of the file: once it is finished.
    [[nodiscard]] std::uint32_t crc() const noexcept { return crc_; }

private:
    /// Entries per index block.
    static constexpr std::size_t max_index_rows = target_block_size / index_entry_size;

    struct IndexEntry {
        std::uint64_t offset;
        BlockHeader header;
    };

    static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory for a snapshot's buffers"}; }

    /// What the packing thread calls.
    struct Append {
        BlockWriter* writer;
        void operator()(const BlockHeader& header, Result<std::span<const std::byte>> stored) const {
            writer->append_packed(header, std::move(stored));
        }
    };

    void append_packed(const BlockHeader& header, Result<std::span<const std::byte>> stored) {
        if (!stored) {
            fail(std::move(stored).error());
        }
        if (failed()) {
            return;
        }
        block_start_ = stream_.buffer().size();
        static_cast<void>(stream_.buffer().extend(block_header_size));
        stream_.buffer().append(*stored);
        end_block(header);
    }
    /// Ends a block whose content lies in the stream as it is.
    void finish_block(BlockHeader header) {
        const ByteBuffer& out = stream_.buffer();
        header.codec = Codec::Raw;
        header.raw_size = out.failed() ? 0 : static_cast<std::uint32_t>(out.size() - block_start_ - block_header_size);
        end_block(header);
    }
    void end_block(BlockHeader header) {
        ByteBuffer& out = stream_.buffer();
        if (failed() || out.failed()) {
            fail(no_memory());
            return;
        }
        ECSDB_ASSERT(header.raw_size <= max_block_size, "a block is larger than a reader will take");
        const std::uint64_t block_offset = offset() - (out.size() - block_start_);
        header.stored_size = static_cast<std::uint32_t>(out.size() - block_start_ - block_header_size);
        store_block_header(out.data() + block_start_, header);
        // The checksum goes on from block to block: one out of place, or of another file, is found like a damaged one.
        crc_ = crc32c(out.view().subspan(block_start_), crc_);
        out.append_le<std::uint32_t>(mask_crc(crc_));
        crc_ = crc32c(out.view().last(checksum_size), crc_);
        ++blocks_;
        if (header.kind != BlockKind::Index && !index_.push({block_offset, header})) {
            fail(no_memory());
        }
        pass_on();
    }

    void write_index() {
        for (std::size_t first = 0; first < index_.size(); first += max_index_rows) {
            const std::size_t rows = std::min(max_index_rows, index_.size() - first);
            ByteBuffer& out =
                open({BlockKind::Index, Codec::Raw, 0, 0, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(rows)});
            for (std::size_t i = first; i < first + rows; ++i) {
                out.append(encode_index_entry(index_[i].header, index_[i].offset));
            }
            close();
        }
    }

    void pass_on() {
        if (!failed()) {
            if (auto passed = stream_.pass_on(); !passed) {
                fail(std::move(passed).error());
            }
        }
    }

    FileStream stream_;
    BlockPacker packer_;
    bool compresses_;
    GrowArray<IndexEntry> index_;
    BlockHeader header_; ///< Of the open block.
    std::size_t block_start_ = 0;
    std::uint64_t blocks_ = 0;
    std::uint32_t crc_ = 0;
    std::optional<ByteBuffer> content_; ///< Of a block that is to be compressed here …
    std::mutex mutex_;
    Result<void> status_; ///< Guarded by the mutex; `failed_` says whether there is an error.
    std::atomic<bool> failed_{false};
    std::optional<PackingThread<Append>> packing_; ///< … or elsewhere. Uses the above.
};

} // namespace ecsdb::snapshot
