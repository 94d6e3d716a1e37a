/// @file
/// The constants and the header of a delta: the bytes that say what a transaction changed. The layout is in docs/format/delta.md.
#pragma once

#include "ecsdb/config.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::delta {

// On-disk constants. Changing one breaks every log: add a new section kind or flag instead.
inline constexpr std::uint8_t format_version = 1;

/// Bits of the header's flags byte. The first two and `absolute` mean something by themselves; the others say which parts of the header
/// follow.
enum HeaderFlag : std::uint8_t {
    flag_counted = 1,
    flag_merged = 2,
    flag_time = 4,
    flag_tick = 8,
    flag_origin = 16,
    flag_clock = 32,
    flag_absolute = 64,
    flags_known = 127,
};

enum class SectionKind : std::uint8_t {
    Entities = 1,
    Rows = 2,
    Columns = 3,
    Versions = 4,
    Contents = 5,
};
/// A section kind with this bit may be skipped by a reader that does not know it.
inline constexpr std::uint8_t skippable_section = 0x80;

/// What happened to the rows of a run.
enum class RowChangeKind : std::uint8_t {
    Removed = 0,
    Added = 1,
    Changed = 2,
};

/// How a run's entity indices are written.
enum class IdForm : std::uint8_t {
    Range = 0,
    Gaps = 1,
    Ranges = 2,
    PageOrder = 3,
};

inline constexpr std::uint8_t head_kind_mask = 3;
inline constexpr unsigned head_form_shift = 2;
inline constexpr std::uint8_t head_tail = 16;
inline constexpr unsigned head_count_shift = 5;

/// Who asked for a transaction.
struct Origin {
    std::uint64_t shard = 0;
    std::uint64_t session = 0;
    std::uint64_t intent = 0;

    [[nodiscard]] constexpr bool is_empty() const noexcept { return (shard | session | intent) == 0; }
    friend constexpr bool operator==(const Origin&, const Origin&) noexcept = default;
};

/// Which step between two versions a delta is, and where it came from. What is zero or empty costs no bytes.
struct Header {
    std::uint64_t from = 0;
    std::uint64_t to = 1;   ///< Above `from`.
    std::uint64_t time = 0; ///< Of the commit: nanoseconds since 1970, UTC.
    std::uint64_t tick = 0; ///< The application's own count.
    Origin origin;
    std::span<const std::byte> clock; ///< A vector clock, not interpreted here.
    bool counted = false;             ///< The version of every entity touched grows by 1.
    bool merged = false;              ///< The joint effect of several transactions.
    /// Generations and versions are what they are to be, whatever they were: they may go back.
    bool absolute = false;
};

/// One entity's share of a Versions section.
struct VersionIncrement {
    std::uint32_t index = 0;
    std::uint32_t increment = 0;

    friend constexpr bool operator==(const VersionIncrement&, const VersionIncrement&) noexcept = default;
};

/// One row of a table that a transaction added, removed, or wrote. The rows are in memory layout (`Table::size` bytes).
struct RowChange {
    std::uint32_t index = 0; ///< Of the entity.
    RowChangeKind kind = RowChangeKind::Changed;
    const std::byte* before = nullptr; ///< Null for `Added`.
    const std::byte* after = nullptr;  ///< Null for `Removed`.
};

} // namespace ecsdb::delta
