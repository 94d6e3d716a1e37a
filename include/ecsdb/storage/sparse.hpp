/// @file
/// Components kept by entity index instead of by archetype: blocks of 64 indices, one presence bit each, and the rows there are.
#pragma once

#include "ecsdb/storage/tree.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ecsdb::storage {

/// 64 consecutive indices of a sparse table: which of them have a row, and the rows.
///
/// With room for all 64, rows lie at the place of their index. A block of few rows is smaller: they lie in slots, and one byte an index
/// says in which (ADR 27). Adding a row moves no other; where there is no slot left, the rows are copied into a larger block.
struct SparseBlock : Node {
    std::uint64_t present;
    std::uint64_t taken; ///< Which slots hold a row.
    std::uint32_t slots; ///< 0: each row lies at the place of its index.

    static constexpr std::uint32_t shift = 6;
    static constexpr std::uint32_t size = 1U << shift;

    [[nodiscard]] static constexpr std::uint64_t bit(std::uint32_t index) noexcept { return std::uint64_t{1} << place_of(index); }
    [[nodiscard]] bool has(std::uint32_t index) const noexcept { return (present & bit(index)) != 0; }
    [[nodiscard]] std::uint32_t rows() const noexcept { return static_cast<std::uint32_t>(std::popcount(present)); }
    /// Whether one more row can be added as the block is.
    [[nodiscard]] bool has_room() const noexcept { return slots == 0 || static_cast<std::uint32_t>(std::countr_one(taken)) < slots; }
    /// Whether twice as many rows would fit in a smaller block.
    [[nodiscard]] bool is_too_large(std::uint32_t stride) const noexcept {
        return room_for(2 * rows(), stride) < (slots == 0 ? size : slots);
    }

    /// The row of an index that has one.
    [[nodiscard]] std::byte* row(std::uint32_t index, std::uint32_t stride) noexcept {
        return slots == 0 ? page_rows(this) + std::size_t{place_of(index)} * stride
                          : page_rows(this) + size + std::size_t{slot(index)} * stride;
    }
    [[nodiscard]] const std::byte* row(std::uint32_t index, std::uint32_t stride) const noexcept {
        return const_cast<SparseBlock*>(this)->row(index, stride);
    }
    /// Where rows lie in slots: in which one that of `index` does.
    [[nodiscard]] std::uint8_t& slot(std::uint32_t index) noexcept {
        return *reinterpret_cast<std::uint8_t*>(page_rows(this) + place_of(index)); // a byte may stand for any other
    }

    /// Gives an index that has no row the place of one, which the caller fills. There must be room.
    std::byte* add(std::uint32_t index, std::uint32_t stride) noexcept {
        present |= bit(index);
        if (slots != 0) {
            const auto free = static_cast<std::uint8_t>(std::countr_one(taken));
            taken |= bit(free);
            slot(index) = free;
        }
        return row(index, stride);
    }
    /// The row's bytes stay until another row takes their place.
    void erase(std::uint32_t index) noexcept {
        present &= ~bit(index);
        if (slots != 0) {
            taken &= ~bit(slot(index));
        }
    }

    /// A block without rows that has room for `rows`; null when memory is refused.
    [[nodiscard]] static SparseBlock* make(Workspace& workspace, std::uint32_t stride, std::uint32_t rows = 1) noexcept {
        const std::uint32_t room = room_for(rows, stride);
        const std::uint32_t slots = room == size ? 0 : room;
        auto* const fresh =
            static_cast<SparseBlock*>(workspace.allocate(page_header_bytes + (slots == 0 ? size * stride : size + slots * stride)));
        if (fresh != nullptr) {
            fresh->present = fresh->taken = 0;
            fresh->slots = slots;
        }
        return fresh;
    }
    /// A block of the same rows that has room for `room`; null when memory is refused.
    [[nodiscard]] SparseBlock* resized(Workspace& workspace, std::uint32_t stride, std::uint32_t room) const noexcept {
        SparseBlock* const fresh = make(workspace, stride, room);
        for (std::uint64_t left = fresh == nullptr ? 0 : present; left != 0; left &= left - 1) {
            const auto index = static_cast<std::uint32_t>(std::countr_zero(left));
            copy_row(fresh->add(index, stride), row(index, stride), stride);
        }
        return fresh;
    }

private:
    /// Rows up to this long fill a page of about 2 KiB (design D3) when all are there: for them there are two sizes.
    static constexpr std::uint32_t small_stride = 32;
    static constexpr std::uint32_t few = 8;

    [[nodiscard]] static constexpr std::uint32_t place_of(std::uint32_t index) noexcept { return index & (size - 1U); }
    /// How many rows a block that holds `rows` has room for.
    [[nodiscard]] static constexpr std::uint32_t room_for(std::uint32_t rows, std::uint32_t stride) noexcept {
        if (stride <= small_stride) {
            return rows <= few && stride >= few ? few : size;
        }
        return std::min(std::bit_ceil(rows), size);
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
