/// @file
/// How a pool of nodes takes memory: block by block, each larger than the one before.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace ecsdb::storage {

/// How a pool grows.
struct PoolOptions {
    std::size_t first_block_bytes = std::size_t{256} << 10U; ///< The first block taken from the allocator.
    std::size_t max_block_bytes = std::size_t{2} << 20U;     ///< Blocks grow until they are this large.
    std::size_t memory_limit = ~std::size_t{0};              ///< Never hold more than this from the allocator.
    std::size_t kept_bytes = 0;                              ///< What a `Trimmer` leaves here in any case.
    std::size_t reserve_bytes = 0;      ///< Below the limit, so much is for those only who are about to set memory free (`open_reserve`).
    std::uint32_t growth_percent = 200; ///< Of a block, the next one has so much; at least 100.

    /// How large the block after one of `bytes` is: whole cache lines, at most `max_block_bytes`.
    [[nodiscard]] constexpr std::size_t block_after(std::size_t bytes) const noexcept {
        constexpr std::size_t line = 64;
        if (bytes / 100 >= max_block_bytes / growth_percent + 1) { // nor may the product pass what a size can be
            return max_block_bytes;
        }
        const std::size_t grown = (bytes / 100 * growth_percent + bytes % 100 * growth_percent / 100 + line - 1) / line * line;
        return std::min(max_block_bytes, std::max(bytes, growth_percent == 100 ? bytes : grown));
    }
};

} // namespace ecsdb::storage
