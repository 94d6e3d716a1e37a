/// @file
/// What a file of the native format is made of: its fixed numbers and sizes (docs/format/native.md).
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/stable_id.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ecsdb::formats::native {

// On-disk constants. Changing one breaks every file there is: raise the version instead.

inline constexpr std::string_view magic = "ECSDBNAT";
inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t flags = 0;

/// Magic, version, flags, entity count (u64), reference count (u64), table count, group count.
inline constexpr std::size_t header_size = 40;
inline constexpr std::size_t entity_count_offset = 16;
inline constexpr std::size_t reference_count_offset = 24;
inline constexpr std::size_t table_count_offset = 32;
inline constexpr std::size_t group_count_offset = 36;
/// Length of the name, version, row size, for a name without letters.
inline constexpr std::size_t least_table_size = 12;
/// Entity count, column count.
inline constexpr std::size_t group_header_size = 8;
/// A reference as it stands in rows (u64), and the stable id of the entity it means.
inline constexpr std::size_t reference_size = 24;
inline constexpr std::size_t footer_size = 8;
inline constexpr std::size_t id_size = 16;

/// As the row size of a table: each row has a length of its own.
inline constexpr std::uint32_t varying = 0xFFFFFFFF;

/// The most tables that the database does not have: what a reader keeps of a file it does not trust yet stays under 1 MiB.
inline constexpr std::size_t max_unknown_tables = 4096;

/// 128 bits, the lower half first.
inline void store_id(std::byte* bytes, const StableId& id) noexcept {
    store_le<std::uint64_t>(bytes, id.low);
    store_le<std::uint64_t>(bytes + 8, id.high);
}
[[nodiscard]] inline StableId load_id(const std::byte* bytes) noexcept {
    return {load_le<std::uint64_t>(bytes + 8), load_le<std::uint64_t>(bytes)};
}

} // namespace ecsdb::formats::native
