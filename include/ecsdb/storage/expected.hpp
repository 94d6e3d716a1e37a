/// @file
/// How much memory the rows that a schema tells to expect (`Table::capacity`) will take.
#pragma once

#include "ecsdb/schema/schema.hpp"
#include "ecsdb/storage/page.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace ecsdb::storage {

/// More than this is not reserved on a schema's word; beyond it a database grows as it would without.
inline constexpr std::size_t most_expected_bytes = std::size_t{1} << 30U;

/// Bytes in pages for the rows of every table's `capacity`, and for as many entities as the largest of them; 0 where no table has one. At
/// most `most_expected_bytes`, and half of `memory_limit`: a hint must not keep anything else out.
[[nodiscard]] inline std::size_t expected_bytes(const Schema& schema, std::size_t memory_limit) noexcept {
    constexpr std::uint64_t most_rows = std::uint64_t{1} << 32U;
    constexpr std::uint64_t bytes_per_entity = 24; // record, count of changes, and index in its archetype
    std::uint64_t bytes = 0;
    std::uint64_t entities = 0;
    for (const Table& table : schema.tables()) {
        const std::uint64_t rows = table.dropped ? 0 : std::min(table.capacity, most_rows);
        const PageGeometry geometry{table.size};
        const std::uint64_t pages = table.is_tag() || rows == 0 ? 0 : 1 + (rows - 1) / geometry.rows();
        bytes += std::min<std::uint64_t>(pages * geometry.page_bytes(), most_expected_bytes); // so that no sum runs over
        entities = std::max(entities, rows);
    }
    return static_cast<std::size_t>(std::min<std::uint64_t>({bytes + entities * bytes_per_entity, most_expected_bytes, memory_limit / 2}));
}

} // namespace ecsdb::storage
