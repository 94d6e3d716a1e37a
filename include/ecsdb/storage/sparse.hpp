/// @file
/// Components kept by entity index instead of by archetype: blocks of 64 indices, one presence bit each, and the rows there are.
#pragma once

#include "ecsdb/storage/tree.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ecsdb::storage {

/// 64 consecutive indices of a sparse table: which of them have a row, and the rows.
///
/// Rows of up to 32 bytes lie at the place of their index, so that a block is a page of about 2 KiB (design D3). Larger ones would make a
/// block of one row as large as one of 64: they lie in slots, of which there are as many as needed, and one byte an index says in which.
/// Adding a row moves no other; where there is no slot left, the block is copied into one with twice as many (ADR 27).
struct SparseBlock : Node {
    std::uint64_t present;
    std::uint64_t taken; ///< Where rows lie in slots: which slots hold one.

    static constexpr std::uint32_t shift = 6;
    static constexpr std::uint32_t size = 1U << shift;
    static constexpr std::uint32_t largest_in_place = 32;

    [[nodiscard]] static constexpr bool has_slots(std::uint32_t stride) noexcept { return stride > largest_in_place; }
    [[nodiscard]] static constexpr std::uint64_t bit(std::uint32_t index) noexcept { return std::uint64_t{1} << place_of(index); }
    [[nodiscard]] bool has(std::uint32_t index) const noexcept { return (present & bit(index)) != 0; }

    /// The row of an index that has one.
    [[nodiscard]] std::byte* row(std::uint32_t index, std::uint32_t stride) noexcept {
        return has_slots(stride) ? page_rows(this) + size + std::size_t{slot(index)} * stride
                                 : page_rows(this) + std::size_t{place_of(index)} * stride;
    }
    [[nodiscard]] const std::byte* row(std::uint32_t index, std::uint32_t stride) const noexcept {
        return const_cast<SparseBlock*>(this)->row(index, stride);
    }

    /// A block without rows that has room for `rows`; null when memory is refused.
    [[nodiscard]] static SparseBlock* make(Workspace& workspace, std::uint32_t stride, std::uint32_t rows = 1) noexcept {
        const std::uint32_t bytes = has_slots(stride) ? size + std::bit_ceil(rows) * stride : size * stride;
        auto* const fresh = static_cast<SparseBlock*>(workspace.allocate(page_header_bytes + bytes));
        if (fresh != nullptr) {
            fresh->present = fresh->taken = 0;
        }
        return fresh;
    }
    /// A block of the same rows that has room for `rows`; null when memory is refused.
    [[nodiscard]] SparseBlock* resized(Workspace& workspace, std::uint32_t stride, std::uint32_t rows) const noexcept {
        SparseBlock* const fresh = make(workspace, stride, rows);
        for (std::uint64_t left = fresh == nullptr ? 0 : present; left != 0; left &= left - 1) {
            const auto index = static_cast<std::uint32_t>(std::countr_zero(left));
            std::memcpy(fresh->add(index, stride), row(index, stride), stride);
        }
        return fresh;
    }

    [[nodiscard]] std::uint32_t rows() const noexcept { return static_cast<std::uint32_t>(std::popcount(present)); }
    /// Whether one more row can be added as the block is.
    [[nodiscard]] bool has_room(std::uint32_t stride) const noexcept {
        return !has_slots(stride) || static_cast<std::uint32_t>(std::countr_one(taken)) < slots(stride);
    }
    /// Whether so few slots are taken that the block should be a smaller one.
    [[nodiscard]] bool is_too_large(std::uint32_t stride) const noexcept { return has_slots(stride) && rows() * 4 <= slots(stride); }

    /// Gives an index that has no row the place of one, which the caller fills. There must be room.
    std::byte* add(std::uint32_t index, std::uint32_t stride) noexcept {
        present |= bit(index);
        if (has_slots(stride)) {
            const auto free = static_cast<std::uint8_t>(std::countr_one(taken));
            taken |= bit(free);
            slot(index) = free;
        }
        return row(index, stride);
    }
    /// The row stays where it was until another takes its place.
    void erase(std::uint32_t index, std::uint32_t stride) noexcept {
        present &= ~bit(index);
        if (has_slots(stride)) {
            taken &= ~bit(slot(index));
        }
    }
    /// Of a block with slots: in which one the row of `index` lies.
    [[nodiscard]] std::uint8_t& slot(std::uint32_t index) noexcept {
        return *reinterpret_cast<std::uint8_t*>(page_rows(this) + place_of(index)); // a byte may stand for any other
    }

private:
    [[nodiscard]] static constexpr std::uint32_t place_of(std::uint32_t index) noexcept { return index & (size - 1U); }
    [[nodiscard]] std::uint32_t slots(std::uint32_t stride) const noexcept {
        return std::min(size, (bytes - page_header_bytes - size) / stride);
    }
};
static_assert(sizeof(SparseBlock) <= page_header_bytes);
static_assert(SparseBlock::size % max_row_alignment == 0, "rows in slots are aligned, too");

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
        return block != nullptr && block->has(index) ? block->row(index, stride) : nullptr;
    }
};

} // namespace ecsdb::storage
