/// @file
/// Packs bytes with zstd. Brings in zstd's header, so only what really packs includes it.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/detail/vendor_zstd.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace ecsdb {

/// Appends the packed form of `bytes` to `out`: one zstd frame with no checksum of its own. `level` as in zstd: 1 is fast, 19 is
/// small, negative ones are faster still. `bytes` must not lie in `out`.
///
/// `OutOfMemory` where `out` has failed or zstd finds no working memory; `out` then holds what it held before. Takes that memory anew each
/// time (about 0.5 MiB at level 1): meant for blocks of 64 KiB and more.
inline Result<void> compress(std::span<const std::byte> bytes, ByteBuffer& out, int level) {
    const std::size_t before = out.size();
    const std::size_t bound = ZSTD_compressBound(bytes.size());
    std::byte* const room = ZSTD_isError(bound) != 0 ? nullptr : out.extend(bound);
    if (room == nullptr) {
        return Error{ErrorCode::OutOfMemory, "no room to compress " + std::to_string(bytes.size()) + " bytes"};
    }
    const std::size_t packed = ZSTD_compress(room, bound, bytes.data(), bytes.size(), level);
    if (ZSTD_isError(packed) != 0) {
        out.resize_down(before);
        return Error{ErrorCode::OutOfMemory, "compress " + std::to_string(bytes.size()) + " bytes with zstd: " + ZSTD_getErrorName(packed)};
    }
    out.resize_down(before + packed);
    return {};
}

/// Unpacks what `compress` packed into exactly `out`, whose size the caller knows. `Corrupt` where the bytes are not such a frame
/// or hold any other number of bytes; `out` then holds anything. Never writes outside `out`, whatever `packed` claims.
inline Result<void> decompress(std::span<const std::byte> packed, std::span<std::byte> out) {
    const std::size_t unpacked = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
    if (ZSTD_isError(unpacked) != 0) {
        return Error{ErrorCode::Corrupt, "packed block of " + std::to_string(packed.size()) + " bytes does not unpack to " +
                                             std::to_string(out.size()) + ": " + ZSTD_getErrorName(unpacked)};
    }
    if (unpacked != out.size()) {
        return Error{ErrorCode::Corrupt,
                     "packed block holds " + std::to_string(unpacked) + " bytes where " + std::to_string(out.size()) + " were expected"};
    }
    return {};
}

} // namespace ecsdb
