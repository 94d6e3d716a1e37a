/// @file
/// The unit a version is made of: an immutable node with its birth stamp, and how many rows of which size one page holds.
#pragma once

#include "ecsdb/config.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ecsdb::storage {

/// A point in the life of the versions: every batch of transactions has one stamp, and stamps only grow.
///
/// A node born with stamp b and retired with stamp r belongs to the version published with stamp p exactly when b <= p < r.
using Stamp = std::uint64_t;

/// The head of everything a version is made of: pages, the tree nodes above them, roots.
///
/// Readers never look at it. `born` decides whether the batch under construction may change the node in place (born in this batch: no
/// reader can have it) or must copy it first; the other fields belong to the writer's lists.
struct Node {
    Stamp born;
    Stamp retired;
    Node* next;
    std::uint32_t bytes;    ///< What was taken from the pool, header included.
    std::uint32_t timeline; ///< Whose stamps these are; 0 until a database is forked. Or `shared`.

    /// In place of a timeline: several places of a version lead here, so a copy that takes one of them does not retire the original.
    static constexpr std::uint32_t shared = 0xFFFFFFFFU;
    [[nodiscard]] bool is_shared() const noexcept { return timeline == shared; }
};
static_assert(sizeof(Node) == 32);

/// Rows start on a cache line of their own: the header is the writer's, the rows are the readers'.
inline constexpr std::uint32_t page_header_bytes = 64;
/// The strictest alignment a component may ask for: that of a page's first row.
inline constexpr std::uint32_t max_row_alignment = 64;

[[nodiscard]] inline std::byte* page_rows(Node* page) noexcept {
    return reinterpret_cast<std::byte*>(page) + page_header_bytes;
}
[[nodiscard]] inline const std::byte* page_rows(const Node* page) noexcept {
    return reinterpret_cast<const std::byte*>(page) + page_header_bytes;
}

/// Copies the bytes of a row, of which there are few: without a call where 32 or less. The two must not overlap.
ECSDB_ALWAYS_INLINE void copy_row(void* to, const void* from, std::size_t bytes) noexcept {
    auto* const target = static_cast<std::byte*>(to);
    const auto* const source = static_cast<const std::byte*>(from);
    // The first and the last bytes, which meet or overlap in between.
    const auto both_ends = [&]<std::size_t Half>(std::array<std::byte, Half> first) {
        std::array<std::byte, Half> last;
        std::memcpy(first.data(), source, Half);
        std::memcpy(last.data(), source + bytes - Half, Half);
        std::memcpy(target, first.data(), Half);
        std::memcpy(target + bytes - Half, last.data(), Half);
    };
    if (bytes > 32) [[unlikely]] {
        std::memcpy(target, source, bytes);
    } else if (bytes >= 16) {
        both_ends(std::array<std::byte, 16>{});
    } else if (bytes >= 8) {
        both_ends(std::array<std::byte, 8>{});
    } else if (bytes >= 4) {
        both_ends(std::array<std::byte, 4>{});
    } else {
        for (std::size_t i = 0; i < bytes; ++i) {
            target[i] = source[i];
        }
    }
}

/// How the rows of one column are cut into pages. Rows per page are a power of two, so that a row number splits with a shift.
struct PageGeometry {
    std::uint32_t stride = 0; ///< Bytes per row; 0 for a tag, which has no pages.
    std::uint32_t shift = 0;  ///< log2 of the rows per page.

    /// About 2 KiB: the bytes copied per touched page decide what a small commit costs (design D3).
    static constexpr std::uint32_t target_bytes = 2048;
    static constexpr std::uint32_t max_rows = 256;
    /// A column's first page starts this small and doubles, so that a thousand small archetypes stay small.
    static constexpr std::uint32_t first_page_rows = 8;

    constexpr PageGeometry() noexcept = default;
    constexpr explicit PageGeometry(std::uint32_t row_bytes) noexcept
        : stride{row_bytes}, shift{row_bytes == 0 ? 8U
                                                  : static_cast<std::uint32_t>(std::countr_zero(
                                                        std::bit_floor(std::clamp(target_bytes / row_bytes, 1U, max_rows))))} {}
    constexpr PageGeometry(std::uint32_t row_bytes, std::uint32_t rows_per_page) noexcept
        : stride{row_bytes}, shift{static_cast<std::uint32_t>(std::countr_zero(rows_per_page))} {}

    [[nodiscard]] constexpr std::uint32_t rows() const noexcept { return 1U << shift; }
    [[nodiscard]] constexpr std::uint32_t page_of(std::uint32_t row) const noexcept { return row >> shift; }
    [[nodiscard]] constexpr std::uint32_t row_in_page(std::uint32_t row) const noexcept { return row & (rows() - 1U); }
    [[nodiscard]] constexpr std::uint32_t bytes_for(std::uint32_t row_count) const noexcept {
        return page_header_bytes + row_count * stride;
    }
    [[nodiscard]] constexpr std::uint32_t page_bytes() const noexcept { return bytes_for(rows()); }
    [[nodiscard]] constexpr std::uint32_t pages_for(std::uint32_t row_count) const noexcept {
        return static_cast<std::uint32_t>((static_cast<std::uint64_t>(row_count) + rows() - 1U) >> shift);
    }
    /// Rows a page of `bytes` has room for; a first page may be smaller than the others.
    [[nodiscard]] std::uint32_t capacity_of(const Node* page) const noexcept {
        return std::min(rows(), (page->bytes - page_header_bytes) / stride);
    }
};

} // namespace ecsdb::storage
