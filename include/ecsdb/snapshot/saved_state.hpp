/// @file
/// What of a database's state is in its snapshots already, so that the next one can be written without it.
#pragma once

#include "ecsdb/core/owner.hpp"
#include "ecsdb/snapshot/format.hpp"
#include "ecsdb/storage/entity_table.hpp"
#include "ecsdb/storage/entity_versions.hpp"
#include "ecsdb/storage/page.hpp"
#include "ecsdb/storage/pool.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace ecsdb::snapshot {

/// A chain of snapshots (a full one, and incremental ones on it) as seen from the state in memory: filled while one is written or loaded,
/// given to the writer of the next. Holds 4 bytes per entity. Not for several threads.
class SavedState {
public:
    explicit SavedState(Allocator& allocator) : allocator_{&allocator}, counts_{new Counts{allocator}} {}

    BaseSnapshot newest;                   ///< The last file of the chain; without a size there is none.
    storage::Stamp born = 0;               ///< What was born with this stamp or before is in the chain.
    std::vector<std::uint32_t> archetypes; ///< The number of each archetype in the chain's files, by its id in memory; 0: it has none.
    std::uint32_t archetype_end = 1;       ///< No archetype of the chain has this number or a higher one.
    bool usable = false; ///< Whether rows lie in memory where the chain has them: only then can the next snapshot be incremental.

    [[nodiscard]] std::uint32_t number_of(storage::ArchetypeId id) const noexcept { return id < archetypes.size() ? archetypes[id] : 0; }
    void set_number(storage::ArchetypeId id, std::uint32_t number) {
        archetypes.resize(std::max<std::size_t>(archetypes.size(), std::size_t{id} + 1));
        archetypes[id] = number;
        archetype_end = std::max(archetype_end, number + 1);
    }

    // Entity versions as the chain has them, by index; 0 for those nothing was said of. Memory is taken where there are any, and not up to
    // the highest index.
    [[nodiscard]] std::uint32_t count_of(std::uint32_t index) const noexcept { return counts_->versions.count(index); }
    /// False when memory is refused.
    [[nodiscard]] bool set_counts(std::uint32_t first, std::span<const std::uint32_t> values) noexcept {
        storage::EntityVersions& versions = counts_->versions;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::uint32_t index = first + static_cast<std::uint32_t>(i);
            if (values[i] != 0 && !versions.cover(index)) {
                return false;
            }
            if (values[i] != 0 || versions.count(index) != 0) {
                versions.set(index, values[i]);
            }
        }
        return true;
    }
    void clear_counts() { counts_.reset(new Counts{*allocator_}); }

private:
    struct Counts {
        explicit Counts(Allocator& allocator) noexcept : pool{allocator, {}} {}
        storage::PagePool pool;
        storage::EntityVersions versions{pool};
    };

    Allocator* allocator_;
    Owner<Counts> counts_;
};

} // namespace ecsdb::snapshot
