/// @file
/// What a PECS file is made of: its fixed numbers and sizes (docs/format/pecs.md).
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/stable_id.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ecsdb::formats::pecs {

// On-disk constants. Changing one breaks every file there is: raise the version instead.

inline constexpr std::string_view magic = "PECS";
inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t flags = 0;

/// Magic, version, flags, entity count (u64), type count.
inline constexpr std::size_t header_size = 24;
inline constexpr std::size_t entity_count_offset = 12;
/// Type id, length of the name, version, for a name without letters.
inline constexpr std::size_t least_type_size = 24;
/// Stable id, component count.
inline constexpr std::size_t entity_header_size = 20;
/// Type id, length.
inline constexpr std::size_t component_header_size = 20;
inline constexpr std::size_t footer_size = 8;

/// The most types that no table of the database has: what a reader keeps of a file it does not trust yet stays under 1 MiB.
inline constexpr std::size_t max_unknown_types = 4096;

/// The component that says which entities the references in an entity's other components mean. No table can have this name.
inline constexpr std::string_view references_name = "ecsdb.references";
inline constexpr std::uint32_t references_version = 1;
/// A reference as it stands in the component (u64), and the stable id of the entity it means.
inline constexpr std::size_t reference_size = 24;

inline constexpr std::size_t id_size = 16;

/// 128 bits, the lower half first.
inline void store_id(std::byte* bytes, std::uint64_t high, std::uint64_t low) noexcept {
    store_le<std::uint64_t>(bytes, low);
    store_le<std::uint64_t>(bytes + 8, high);
}
[[nodiscard]] inline StableId load_id(const std::byte* bytes) noexcept {
    return {load_le<std::uint64_t>(bytes + 8), load_le<std::uint64_t>(bytes)};
}
[[nodiscard]] inline Hash128 load_type(const std::byte* bytes) noexcept {
    return {load_le<std::uint64_t>(bytes + 8), load_le<std::uint64_t>(bytes)};
}

} // namespace ecsdb::formats::pecs
