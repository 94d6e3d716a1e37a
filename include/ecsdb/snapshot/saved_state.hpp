/// @file
/// What of a database's state is in its snapshots already, so that the next one can be written without it.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/snapshot/format.hpp"
#include "ecsdb/storage/entity_table.hpp"
#include "ecsdb/storage/page.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace ecsdb::snapshot {

/// A chain of snapshots (a full one, and incremental ones on it) as seen from the state in memory: filled while one is written or loaded,
/// given to the writer of the next. Holds 4 bytes per entity. Not for several threads.
struct SavedState {
    explicit SavedState(Allocator& allocator) noexcept : counts{allocator} {}

    BaseSnapshot newest;                   ///< The last file of the chain; without a size there is none.
    storage::Stamp born = 0;               ///< What was born with this stamp or before is in the chain.
    std::vector<std::uint32_t> archetypes; ///< The number of each archetype in the chain's files, by its id in memory; 0: it has none.
    std::uint32_t archetype_end = 1;       ///< No archetype of the chain has this number or a higher one.
    GrowArray<std::uint32_t> counts;       ///< Entity versions as the chain has them, by index; 0 for those beyond the end.
    bool usable = false; ///< Whether rows lie in memory where the chain has them: only then can the next snapshot be incremental.

    [[nodiscard]] std::uint32_t number_of(storage::ArchetypeId id) const noexcept { return id < archetypes.size() ? archetypes[id] : 0; }
    void set_number(storage::ArchetypeId id, std::uint32_t number) {
        archetypes.resize(std::max<std::size_t>(archetypes.size(), std::size_t{id} + 1));
        archetypes[id] = number;
        archetype_end = std::max(archetype_end, number + 1);
    }

    [[nodiscard]] std::uint32_t count_of(std::uint32_t index) const noexcept { return index < counts.size() ? counts[index] : 0; }
    /// False when memory is refused.
    [[nodiscard]] bool set_counts(std::uint32_t first, std::span<const std::uint32_t> values) noexcept {
        const std::size_t before = counts.size();
        const std::size_t end = std::size_t{first} + values.size();
        if (end > before) {
            if (!counts.resize_for_overwrite(end)) {
                return false;
            }
            std::fill(counts.begin() + before, counts.end(), 0U);
        }
        std::copy(values.begin(), values.end(), counts.begin() + first);
        return true;
    }
};

} // namespace ecsdb::snapshot
