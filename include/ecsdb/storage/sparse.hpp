/// @file
/// Components kept by entity index instead of by archetype: blocks of 64 indices, one presence bit and one place each.
#pragma once

#include "ecsdb/storage/tree.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ecsdb::storage {

/// 64 consecutive indices of a sparse table: which of them have a row, and the rows, each at its own place.
struct SparseBlock : Node {
    std::uint64_t present;

    static constexpr std::uint32_t shift = 6;
    static constexpr std::uint32_t size = 1U << shift;

    [[nodiscard]] std::byte* row(std::uint32_t index, std::uint32_t stride) noexcept {
        return page_rows(this) + static_cast<std::size_t>(index & (size - 1U)) * stride;
    }
    [[nodiscard]] const std::byte* row(std::uint32_t index, std::uint32_t stride) const noexcept {
        return const_cast<SparseBlock*>(this)->row(index, stride);
    }
    [[nodiscard]] static constexpr std::uint64_t bit(std::uint32_t index) noexcept { return std::uint64_t{1} << (index & (size - 1U)); }
};
static_assert(sizeof(SparseBlock) <= page_header_bytes);

/// The rows of one sparse table in one version (design D7). Adding a row moves nothing; presence is a bit test.
struct SparseTable : Node {
    NodeTree blocks;
    std::uint64_t rows;
    std::uint32_t stride;
    std::uint32_t table;

    /// Null when `index` has no block. Any thread, on a pinned version.
    [[nodiscard]] const SparseBlock* block_of(std::uint32_t index) const noexcept {
        return static_cast<const SparseBlock*>(blocks.find(index >> SparseBlock::shift));
    }
    /// The row of `index`, or null; for a tag, any non-null pointer means present. Cost: O(1).
    [[nodiscard]] const std::byte* find(std::uint32_t index) const noexcept {
        const SparseBlock* const block = block_of(index);
        return block != nullptr && (block->present & SparseBlock::bit(index)) != 0 ? block->row(index, stride) : nullptr;
    }
};

} // namespace ecsdb::storage
