/// @file
/// Takes out of a snapshot's blocks what a newer snapshot has replaced, where that goes by entity index.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/snapshot/block_reader.hpp"
#include "ecsdb/snapshot/numbers.hpp"
#include "ecsdb/snapshot/runs.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ecsdb::snapshot {

/// The indices of which newer snapshots speak, in one table (and field) or among the freed. Not for several threads.
class Replaced {
public:
    using Block = BlockReader::Block;

    explicit Replaced(Allocator& allocator) noexcept : made_{allocator}, indices_{allocator}, generations_{allocator} {}

    void clear() noexcept { covered_.clear(); }
    void add(std::span<const Run> runs) { covered_.add(runs); }

    /// Leaves in a block of kind `SparseRows`, `Contents`, `ContentPart` or `Freed` what is not replaced; false where nothing is left. Its
    /// content is then valid until the next call. `Corrupt`, `OutOfMemory`.
    [[nodiscard]] Result<bool> keep_uncovered(Block& block) {
        if (covered_.empty()) {
            return true;
        }
        ByteReader in{block.content};
        if (block.header.kind == BlockKind::ContentPart) {
            return !covered_.contains(in.read_varint());
        }
        made_.clear();
        auto kept = block.header.kind == BlockKind::Contents ? keep_contents(in, block) : keep_indices(in, block);
        if (!kept) {
            return std::move(kept).error();
        }
        if (made_.failed()) {
            return no_memory();
        }
        block.content = made_.view();
        return block.header.rows != 0;
    }

private:
    [[nodiscard]] static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory to read a chain of snapshots"}; }

    [[nodiscard]] Result<void> keep_indices(ByteReader& in, Block& block) {
        const std::uint32_t rows = block.header.rows;
        const bool freed = block.header.kind == BlockKind::Freed;
        if (!indices_.resize_for_overwrite(rows) || !generations_.resize_for_overwrite(freed ? rows : 0)) {
            return no_memory();
        }
        if (!read_numbers(in, indices_.view()) || !read_numbers_if(freed, in) ||
            (freed ? in.remaining() != 0 : in.remaining() % rows != 0)) {
            return BlockReader::corrupt(block, "is no list of entities");
        }
        const std::size_t each = in.remaining() / rows;
        const std::span<const std::byte> packed = in.read_bytes(in.remaining());
        kept_.clear();
        for (std::uint32_t row = 0; row < rows; ++row) {
            if (!covered_.contains(indices_[row])) {
                indices_[kept_.size()] = indices_[row];
                if (freed) {
                    generations_[kept_.size()] = generations_[row];
                }
                kept_.push_back(row);
            }
        }
        append_numbers(made_, indices_.view().first(kept_.size()));
        if (freed) {
            append_numbers(made_, generations_.view().first(kept_.size()));
        }
        for (const std::uint32_t row : kept_) {
            made_.append(packed.subspan(row * each, each));
        }
        block.header.rows = static_cast<std::uint32_t>(kept_.size());
        return {};
    }
    [[nodiscard]] bool read_numbers_if(bool wanted, ByteReader& in) noexcept { return !wanted || read_numbers(in, generations_.view()); }

    [[nodiscard]] Result<void> keep_contents(ByteReader& in, Block& block) {
        std::uint64_t index = 0;
        std::uint64_t previous = 0;
        std::uint32_t rows = 0;
        for (std::uint32_t row = 0; row < block.header.rows; ++row) {
            const std::uint64_t step = in.read_varint();
            const std::uint64_t length = in.read_varint();
            if (in.failed() || length > in.remaining() || step >= max_run_end - index) {
                return BlockReader::corrupt(block, "is no list of contents");
            }
            index += step;
            const std::span<const std::byte> bytes = in.read_bytes(static_cast<std::size_t>(length));
            if (!covered_.contains(index)) {
                made_.append_varint(index - previous);
                made_.append_varint(length);
                made_.append(bytes);
                previous = index;
                ++rows;
            }
        }
        block.header.rows = rows;
        return in.remaining() == 0 ? Result<void>{} : Result<void>{BlockReader::corrupt(block, "is no list of contents")};
    }

    RunSet covered_;
    ByteBuffer made_;
    GrowArray<std::uint32_t> indices_;
    GrowArray<std::uint32_t> generations_;
    std::vector<std::uint32_t> kept_; ///< Which rows.
};

} // namespace ecsdb::snapshot
