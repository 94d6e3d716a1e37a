/// @file
/// Packs bytes with zstd. Brings in zstd's header, so only what really packs includes it.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/detail/vendor_zstd.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace ecsdb {

/// Packs one piece of bytes after the other, and keeps zstd's working memory between them (about 0.5 MiB at level 1, taken with the first).
/// Touching that anew costs more than packing 64 KiB. Move-only, for one thread at a time.
class Compressor {
public:
    /// Appends the packed form of `bytes` to `out`: one zstd frame with no checksum of its own. `level` as in zstd: 1 is fast, 19 is small,
    /// negative ones are faster still. `bytes` must not lie in `out`.
    ///
    /// `OutOfMemory` where `out` has failed or zstd finds no working memory; `out` then holds what it held before.
    Result<void> compress(std::span<const std::byte> bytes, ByteBuffer& out, int level) {
        const std::size_t before = out.size();
        const std::size_t bound = ZSTD_compressBound(bytes.size());
        std::byte* const room = ZSTD_isError(bound) != 0 ? nullptr : out.extend(bound);
        if (room == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no room to compress " + std::to_string(bytes.size()) + " bytes"};
        }
        if (context_ == nullptr) {
            context_.reset(ZSTD_createCCtx());
        }
        if (context_ == nullptr) {
            out.resize_down(before);
            return Error{ErrorCode::OutOfMemory, "no memory for zstd to work in"};
        }
        const std::size_t packed = ZSTD_compressCCtx(context_.get(), room, bound, bytes.data(), bytes.size(), level);
        if (ZSTD_isError(packed) != 0) {
            out.resize_down(before);
            return Error{ErrorCode::OutOfMemory,
                         "compress " + std::to_string(bytes.size()) + " bytes with zstd: " + ZSTD_getErrorName(packed)};
        }
        out.resize_down(before + packed);
        return {};
    }

private:
    struct Free {
        void operator()(ZSTD_CCtx* context) const noexcept { static_cast<void>(ZSTD_freeCCtx(context)); }
    };
    std::unique_ptr<ZSTD_CCtx, Free> context_;
};

/// The same for one piece alone.
inline Result<void> compress(std::span<const std::byte> bytes, ByteBuffer& out, int level) {
    return Compressor{}.compress(bytes, out, level);
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
