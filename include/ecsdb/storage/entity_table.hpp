/// @file
/// Where every entity lives: one record per index, in pages, so that each version has its own answer.
#pragma once

#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/hints.hpp"
#include "ecsdb/storage/tree.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace ecsdb::storage {

/// Position in a version's archetype directory; 0 is nowhere.
using ArchetypeId = std::uint32_t;
inline constexpr ArchetypeId no_archetype = 0;

/// One index: where its entity's row is, or that none lives there. All zero for an index never used.
struct EntityRecord {
    std::uint32_t row;
    ArchetypeId archetype;    ///< `no_archetype` when no entity lives here.
    std::uint32_t generation; ///< Of the living entity, or of the last one that lived here.
};
static_assert(sizeof(EntityRecord) == 12);

/// The records of one version. Any thread may read a pinned version's; the writer changes the one under construction.
class EntityTable {
public:
    /// Smaller pages than a column's: records are touched at random, and a touched page is copied.
    static constexpr std::uint32_t records_per_page = 64;

    /// Null for an index whose page was never needed. Cost: O(1), three dependent loads.
    [[nodiscard]] const EntityRecord* find(std::uint32_t index) const noexcept {
        const Node* const page = pages_.find(geometry.page_of(index));
        return page == nullptr ? nullptr : records(page) + geometry.row_in_page(index);
    }

    /// The record of `entity` if that very id, made by `shard`, lives; else null.
    [[nodiscard]] const EntityRecord* find_living(Entity entity, std::uint32_t shard) const noexcept {
        const EntityRecord* const record = find(entity.index());
        // Generation and shard lie side by side in an id: one comparison tells both.
        const auto above_index = static_cast<std::uint32_t>(entity.to_bits() >> Entity::index_bits);
        const bool lives = record != nullptr && record->generation == above_index - (shard << Entity::generation_bits) &&
                           record->archetype != no_archetype;
        return lives ? record : nullptr;
    }

    /// The record of `index`, which has been living in this version: no checks.
    [[nodiscard]] const EntityRecord& at(std::uint32_t index) const noexcept {
        return records(pages_.at(geometry.page_of(index)))[geometry.row_in_page(index)];
    }

    /// A record the batch may change. Null when memory is refused. A page made for it goes again if the transaction fails: the ids of one
    /// that does are burnt, so nobody else would ever need it.
    [[nodiscard]] EntityRecord* writable(Workspace& workspace, std::uint32_t index) noexcept {
        Node** const place = pages_.writable_place(workspace, geometry.page_of(index));
        if (place == nullptr) {
            return nullptr;
        }
        if (*place == nullptr) [[unlikely]] {
            Node* const fresh = workspace.allocate_zeroed(geometry.page_bytes());
            if (fresh == nullptr || !workspace.replace(*place, fresh)) {
                return nullptr;
            }
        } else if (workspace.own(*place) == nullptr) {
            return nullptr;
        }
        return records(*place) + geometry.row_in_page(index);
    }

    /// Records that lie together, all of which the batch may change.
    struct Run {
        EntityRecord* records = nullptr; ///< Null when memory is refused.
        std::uint32_t count = 0;
    };
    /// The records from `index` on, at most `most`, as far as they lie together.
    [[nodiscard]] Run writable_run(Workspace& workspace, std::uint32_t index, std::uint32_t most) noexcept {
        return {writable(workspace, index), std::min(most, geometry.rows() - geometry.row_in_page(index))};
    }

    /// One past the highest index with a page.
    [[nodiscard]] std::uint64_t index_end() const noexcept {
        return std::min(pages_.capacity() << geometry.shift, std::uint64_t{1} << Entity::index_bits);
    }

    /// The first index from `index` on where somebody lives or has lived; 2^32 where nobody does. Cost: O(pages passed).
    [[nodiscard]] std::uint64_t next_used(std::uint64_t index) const noexcept {
        while (index < index_end()) {
            const EntityRecord* const record = find(static_cast<std::uint32_t>(index));
            if (record != nullptr && (record->archetype != no_archetype || record->generation != 0)) {
                return index;
            }
            index = record == nullptr ? (index | (geometry.rows() - 1U)) + 1U : index + 1;
        }
        return std::uint64_t{1} << Entity::index_bits;
    }

    /// Calls `visit(index, const EntityRecord&)` for every index with a page, dead or alive, ascending.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        pages_.for_each([&](std::uint32_t page_number, const Node& page) {
            for (std::uint32_t i = 0; i < geometry.rows(); ++i) {
                visit((page_number << geometry.shift) + i, records(&page)[i]);
            }
        });
    }

    /// The pages the records lie in.
    [[nodiscard]] const NodeTree& pages() const noexcept { return pages_; }
    [[nodiscard]] NodeTree& pages() noexcept { return pages_; }

    /// Whether no entity lives in any of a page's records.
    [[nodiscard]] static bool is_dead(const Node& page) noexcept {
        return std::all_of(records(&page), records(&page) + geometry.rows(),
                           [](const EntityRecord& record) { return record.archetype == no_archetype; });
    }
    /// Whether two dead pages say the same.
    [[nodiscard]] static bool are_same(const Node& a, const Node& b) noexcept {
        return std::memcmp(page_rows(&a), page_rows(&b), geometry.page_bytes() - page_header_bytes) == 0;
    }

    void prefetch_path(std::uint32_t index) const noexcept { pages_.prefetch(geometry.page_of(index)); }
    void prefetch_record(std::uint32_t index) const noexcept {
        if (const EntityRecord* const record = find(index); record != nullptr) {
            prefetch_for_read(record);
        }
    }

private:
    static constexpr PageGeometry geometry{sizeof(EntityRecord), records_per_page};

    static EntityRecord* records(Node* page) noexcept { return reinterpret_cast<EntityRecord*>(page_rows(page)); }
    static const EntityRecord* records(const Node* page) noexcept { return reinterpret_cast<const EntityRecord*>(page_rows(page)); }

    NodeTree pages_;
};

} // namespace ecsdb::storage
