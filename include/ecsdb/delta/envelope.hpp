/// @file
/// The envelope of a saved delta: what it is of, and checksums over all of it. docs/format/delta.md, *Saved deltas*.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace ecsdb::delta {

// Constants of the format. Changing one breaks every delta that was saved: raise the version instead.
inline constexpr std::uint64_t envelope_magic = 0x544C444244534345; // "ECSDBDLT"
inline constexpr std::uint16_t envelope_version = 1;
inline constexpr std::size_t envelope_size = 64;

/// What a saved delta is of.
struct Envelope {
    std::array<std::byte, 16> database{}; ///< Whose versions it leads from and to.
    std::uint32_t shard = 0;
    std::uint64_t schema_hash = 0;

    friend bool operator==(const Envelope&, const Envelope&) = default;
};

/// A saved delta taken out of its envelope.
struct OpenedEnvelope {
    Envelope envelope;
    std::span<const std::byte> delta; ///< In the bytes that were opened. Whole as it was written; not validated.
};

/// Leaves room for an envelope at the end of `out`; the delta is to follow. Returns where it begins, for `seal_envelope`.
inline std::size_t begin_envelope(ByteBuffer& out) noexcept {
    const std::size_t at = out.size();
    if (std::byte* const room = out.extend(envelope_size)) {
        std::memset(room, 0, envelope_size);
    }
    return at;
}

/// Fills the envelope at `at`; everything behind it is the delta. Nothing happens where memory for it was refused.
inline void seal_envelope(ByteBuffer& out, std::size_t at, const Envelope& envelope) noexcept {
    if (out.failed()) {
        return;
    }
    const std::span<const std::byte> delta = out.view().subspan(at + envelope_size);
    std::byte* const header = out.data() + at;
    store_le<std::uint64_t>(header, envelope_magic);
    store_le<std::uint16_t>(header + 12, envelope_version);
    std::memcpy(header + 16, envelope.database.data(), envelope.database.size());
    store_le<std::uint32_t>(header + 32, envelope.shard);
    store_le<std::uint32_t>(header + 36, mask_crc(crc32c(delta)));
    store_le<std::uint64_t>(header + 40, envelope.schema_hash);
    store_le<std::uint64_t>(header + 48, delta.size());
    store_le<std::uint32_t>(header + 8, mask_crc(crc32c(std::span<const std::byte>{header, envelope_size}.subspan(12))));
}

/// Checks that `bytes` are one saved delta, as it was written. `Corrupt`, or `Unsupported` where a newer release wrote it. Allocates
/// nothing. Cost: a pass over the bytes.
[[nodiscard]] inline Result<OpenedEnvelope> open_envelope(std::span<const std::byte> bytes) {
    if (bytes.size() < envelope_size || load_le<std::uint64_t>(bytes.data()) != envelope_magic) {
        return Error{ErrorCode::Corrupt, "not a saved delta: it is cut short, or the magic number differs"};
    }
    const std::byte* const header = bytes.data();
    if (load_le<std::uint32_t>(header + 8) != mask_crc(crc32c(bytes.subspan(12, envelope_size - 12)))) {
        return Error{ErrorCode::Corrupt, "the checksum of the saved delta's header differs"};
    }
    if (const auto version = load_le<std::uint16_t>(header + 12); version != envelope_version) {
        return Error{ErrorCode::Unsupported, "saved delta of format version " + std::to_string(version) + "; this build reads version " +
                                                 std::to_string(envelope_version)};
    }
    OpenedEnvelope opened{{}, bytes.subspan(envelope_size)};
    std::memcpy(opened.envelope.database.data(), header + 16, opened.envelope.database.size());
    opened.envelope.shard = load_le<std::uint32_t>(header + 32);
    opened.envelope.schema_hash = load_le<std::uint64_t>(header + 40);
    if (load_le<std::uint16_t>(header + 14) != 0 || load_le<std::uint64_t>(header + 56) != 0 || opened.envelope.shard > Entity::max_shard) {
        return Error{ErrorCode::Corrupt, "the saved delta's header names what cannot be"};
    }
    if (load_le<std::uint64_t>(header + 48) != opened.delta.size()) {
        return Error{ErrorCode::Corrupt, "the saved delta is " + std::to_string(opened.delta.size()) + " bytes and says that it is " +
                                             std::to_string(load_le<std::uint64_t>(header + 48))};
    }
    if (load_le<std::uint32_t>(header + 36) != mask_crc(crc32c(opened.delta))) {
        return Error{ErrorCode::Corrupt, "the saved delta's checksum differs"};
    }
    return opened;
}

} // namespace ecsdb::delta
