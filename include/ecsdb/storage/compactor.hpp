/// @file
/// Makes a state take less memory without changing it: closes the holes that removals leave, and empties blocks that are mostly free.
#pragma once

#include "ecsdb/storage/trimmer.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ecsdb::storage {

/// Compacts the published state (requirement R18), one bounded step at a time.
///
/// First a walk over all trees lets go of what holds nothing: room beyond an archetype's last row, leaves that lead nowhere, and records
/// and counts of indices that nobody lives at. Then the pool looks which blocks are sparsely used, a second walk copies what is in use
/// there, node by node as a transaction would, and the blocks go back to the allocator once the pinned versions let go of the originals.
///
/// Rows keep their places, entities their ids, and the state its version: a step changes where things lie, and nothing else. So whoever
/// reads, whatever version, is not disturbed, and there is nothing to log. Writer only.
class Compactor {
public:
    Compactor(WriteBuffer& state, Trimmer& trimmer) noexcept : state_{&state}, trimmer_{&trimmer} {}

    /// Begins, unless a compaction is under way.
    void begin() noexcept {
        if (phase_ == Phase::Resting) {
            phase_ = Phase::Tidying;
            start_walk();
        }
    }
    [[nodiscard]] bool is_under_way() const noexcept { return phase_ != Phase::Resting; }
    /// Whether the next step is `walk`, in a batch of its own that holds nothing else and is published at once; else it is `look`, between
    /// batches.
    [[nodiscard]] bool walks() const noexcept { return phase_ == Phase::Tidying || phase_ == Phase::Moving; }
    /// Bytes copied to elsewhere so far.
    [[nodiscard]] std::uint64_t moved_bytes() const noexcept { return moved_bytes_; }

    /// Goes on with the walk: visits some 4,000 nodes at most, and copies about 128 KiB of them, or one larger one.
    void walk() noexcept {
        std::uint32_t visits = 0;
        std::size_t moved = 0;
        bool refused = false;
        while (part_ != Part::End && !refused && visits < most_visits && moved < most_bytes) {
            refused = !(phase_ == Phase::Tidying ? tidy_some(visits) : move_some(visits, moved));
        }
        moved_bytes_ += moved;
        if (part_ != Part::End && !refused) {
            return;
        }
        // Without memory for copies there is nothing more to be done, but for what was emptied until then.
        if (phase_ == Phase::Tidying) {
            forget_dead_pages();
        }
        phase_ = phase_ == Phase::Tidying ? Phase::Looking : Phase::Emptied;
        looks_ = false;
    }

    /// Goes on with what the pool has to do.
    void look() noexcept {
        if (trimmer_->is_looking()) {
            trimmer_->piece();
            return;
        }
        if (!std::exchange(looks_, true)) {
            if (!(phase_ == Phase::Looking ? trimmer_->begin_emptying() : trimmer_->begin_emptied())) {
                phase_ = Phase::Resting;
            }
            return;
        }
        if (phase_ == Phase::Looking && pool().is_emptying()) {
            phase_ = Phase::Moving;
            start_walk();
        } else {
            phase_ = Phase::Resting;
        }
    }

private:
    enum class Phase : std::uint8_t { Resting, Tidying, Looking, Moving, Emptied };
    /// The trees of a version, in the order of the walk.
    enum class Part : std::uint8_t {
        Records,
        Counts,
        Archetypes,
        Rows,
        SparseTables,
        Blocks,
        ContentTables,
        ContentColumns,
        Contents,
        End
    };

    static constexpr std::uint32_t most_visits = 64; ///< Leaves of 64 nodes, or what takes as long.
    static constexpr std::size_t most_bytes = std::size_t{128} << 10U;
    static constexpr std::uint32_t pages_per_chunk = EntityVersions::chunk_size / EntityTable::records_per_page;

    [[nodiscard]] PagePool& pool() noexcept { return state_->workspace().pool(); }
    [[nodiscard]] Workspace& workspace() noexcept { return state_->workspace(); }
    [[nodiscard]] const Root& root() const noexcept { return state_->root(); }
    [[nodiscard]] Root& writable_root() noexcept { return state_->writable_root(); }

    void start_walk() noexcept {
        part_ = Part::Records;
        outer_ = inner_ = 0;
        position_ = 0;
    }

    // The place of the walk: a tree, by what leads to it, and a position in it. Trees come and go between steps.

    [[nodiscard]] const ContentTable* content_table() const noexcept {
        return static_cast<const ContentTable*>(root().contents.tables.find(outer_));
    }
    [[nodiscard]] const NodeTree* tree() const noexcept {
        switch (part_) {
        case Part::Records:
            return &root().entities.pages();
        case Part::Archetypes:
            return &root().archetypes;
        case Part::Rows: {
            const auto& archetype = root().archetype(outer_);
            return inner_ == 0 ? &archetype.indices : &archetype.column(static_cast<std::uint16_t>(inner_ - 1));
        }
        case Part::SparseTables:
            return &root().sparse_tables;
        case Part::Blocks: {
            const SparseTable* const sparse = root().sparse(static_cast<TableId>(outer_));
            return sparse == nullptr ? nullptr : &sparse->blocks;
        }
        case Part::ContentTables:
            return &root().contents.tables;
        case Part::ContentColumns:
            return content_table() == nullptr ? nullptr : &content_table()->columns;
        case Part::Contents: {
            const ContentColumn* const column = root().contents.column(static_cast<TableId>(outer_), static_cast<FieldId>(inner_));
            return column == nullptr ? nullptr : &column->contents;
        }
        case Part::Counts:
        case Part::End:
            break;
        }
        return nullptr;
    }
    /// The same tree, to be changed; null when memory is refused.
    [[nodiscard]] NodeTree* writable_tree() noexcept {
        Root& root = writable_root();
        switch (part_) {
        case Part::Records:
            return &root.entities.pages();
        case Part::Archetypes:
            return &root.archetypes;
        case Part::Rows: {
            auto* const archetype = static_cast<Archetype*>(root.archetypes.writable(workspace(), outer_));
            return archetype == nullptr ? nullptr
                   : inner_ == 0        ? &archetype->indices
                                        : &archetype->column(static_cast<std::uint16_t>(inner_ - 1));
        }
        case Part::SparseTables:
            return &root.sparse_tables;
        case Part::Blocks: {
            auto* const sparse = static_cast<SparseTable*>(root.sparse_tables.writable(workspace(), outer_));
            return sparse == nullptr ? nullptr : &sparse->blocks;
        }
        case Part::ContentTables:
            return &root.contents.tables;
        case Part::ContentColumns:
        case Part::Contents: {
            auto* const table = static_cast<ContentTable*>(root.contents.tables.writable(workspace(), outer_));
            if (table == nullptr || part_ == Part::ContentColumns) {
                return table == nullptr ? nullptr : &table->columns;
            }
            auto* const column = static_cast<ContentColumn*>(table->columns.writable(workspace(), inner_));
            return column == nullptr ? nullptr : &column->contents;
        }
        case Part::Counts:
        case Part::End:
            break;
        }
        return nullptr;
    }

    [[nodiscard]] std::uint32_t outer_end() const noexcept {
        switch (part_) {
        case Part::Rows:
            return root().archetype_end;
        case Part::Blocks:
            return static_cast<std::uint32_t>(root().sparse_tables.capacity());
        case Part::ContentColumns:
        case Part::Contents:
            return static_cast<std::uint32_t>(root().contents.tables.capacity());
        default:
            return 1;
        }
    }
    [[nodiscard]] std::uint32_t inner_end() const noexcept {
        switch (part_) {
        case Part::Rows: {
            const auto* const archetype = static_cast<const Archetype*>(root().archetypes.find(outer_));
            return archetype == nullptr ? 0 : 1 + static_cast<std::uint32_t>(archetype->shape->columns().size());
        }
        case Part::Contents:
            return content_table() == nullptr ? 0 : static_cast<std::uint32_t>(content_table()->columns.capacity());
        default:
            return 1;
        }
    }
    void next_tree() noexcept {
        position_ = 0;
        ++inner_;
        settle();
    }
    /// Goes on from an end to where a tree can be.
    void settle() noexcept {
        while (part_ != Part::End && (outer_ >= outer_end() || inner_ >= inner_end())) {
            inner_ = 0;
            if (outer_ < outer_end()) {
                ++outer_;
            } else {
                outer_ = 0;
                part_ = static_cast<Part>(static_cast<std::uint8_t>(part_) + 1);
            }
        }
    }
    /// Where there is something.
    [[nodiscard]] std::uint32_t position() const noexcept { return static_cast<std::uint32_t>(position_); }
    /// The tree the walk is in, with something at its position; null, and gone on, where there is none.
    [[nodiscard]] const NodeTree* current_tree() noexcept {
        settle();
        const NodeTree* const found = tree();
        if (found == nullptr || position_ >= found->capacity()) {
            next_tree();
            return nullptr;
        }
        return found;
    }

    // Tidying -----------------------------------------------------------------------------------------------------------------------------

    bool tidy_some(std::uint32_t& visits) noexcept {
        ++visits;
        if (part_ == Part::Rows && inner_ == 0 && position_ == 0) {
            settle();
            if (part_ == Part::Rows && !state_->trim_closely(*root().archetype(outer_).shape)) {
                return false;
            }
        }
        const NodeTree* const found = current_tree();
        if (found == nullptr) {
            return true;
        }
        if (part_ == Part::Records) {
            return tidy_records(*found);
        }
        if (found->has_empty_leaf(position())) {
            NodeTree* const writable = writable_tree();
            if (writable == nullptr || !writable->drop_leaf(workspace(), position())) {
                return false;
            }
        }
        position_ = NodeTree::leaf_end(position_);
        return true;
    }

    /// The records of one chunk of counts: pages in which nobody lives become one, and if that is all of them, the counts go.
    bool tidy_records(const NodeTree& pages) noexcept {
        bool all_dead = true;
        for (std::uint32_t i = 0; i < pages_per_chunk; ++i) {
            const Node* const page = pages.find(position() + i);
            if (page == nullptr) {
                continue;
            }
            const bool dead = page->is_shared() || EntityTable::is_dead(*page);
            all_dead = all_dead && dead;
            if (dead && !share_dead_page(*page, position() + i)) {
                return false;
            }
        }
        if (all_dead && nobody_reads_what_was()) {
            state_->store().entity_versions().drop_chunk(position() / pages_per_chunk, state_->store().reclaimer(), workspace().stamp());
        }
        position_ += pages_per_chunk;
        return true;
    }

    /// Whether no view is of an earlier version than the published one: only those may ask for the counts of who has died since.
    [[nodiscard]] bool nobody_reads_what_was() const noexcept {
        const std::uint64_t newest = state_->store().published_version();
        bool earlier = false;
        const bool seen_all = state_->store().pins().scan([&](const Root& root) { earlier = earlier || root.version < newest; });
        return seen_all && !earlier;
    }

    /// A page of records in which nobody lives, which stands for all that are the same.
    struct DeadPage {
        Node* page;
        bool found; ///< By this walk, in some place.
    };

    bool share_dead_page(const Node& page, std::uint32_t position) noexcept {
        DeadPage* const end = dead_.data() + dead_count_;
        DeadPage* same = std::find_if(dead_.data(), end, [&](const DeadPage& dead) {
            // Not an older one: "changed since" goes by when a page was born.
            return dead.page == &page || (!page.is_shared() && dead.page->born >= page.born && EntityTable::are_same(*dead.page, page));
        });
        if (same == end) {
            if (dead_count_ == dead_.size()) {
                return true;
            }
            Node* const shared = workspace().allocate(page.bytes);
            if (shared == nullptr) {
                return false;
            }
            std::memcpy(page_rows(shared), page_rows(&page), page.bytes - page_header_bytes);
            shared->timeline = Node::shared;
            *same = {shared, false};
            ++dead_count_;
        }
        same->found = true;
        if (same->page != &page) {
            Node** const place = writable_root().entities.pages().writable_place(workspace(), position);
            if (place == nullptr) {
                return false;
            }
            workspace().release(std::exchange(*place, same->page));
        }
        return true;
    }
    /// Lets go of those that stand for nothing any more.
    void forget_dead_pages() noexcept {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < dead_count_; ++i) {
            if (part_ != Part::End || std::exchange(dead_[i].found, false)) { // a walk cut short has not seen all places
                dead_[kept++] = dead_[i];
            } else {
                state_->store().reclaimer().retire(dead_[i].page, workspace().stamp());
            }
        }
        dead_count_ = kept;
    }

    // Moving ------------------------------------------------------------------------------------------------------------------------------

    bool move_some(std::uint32_t& visits, std::size_t& moved) noexcept {
        ++visits;
        if (!pool().is_emptying()) {
            return false;
        }
        const auto is_unwanted = [&](const Node& node) { return pool().is_emptying(&node) && !node.is_shared(); };
        if (part_ == Part::Counts) {
            return move_counts(moved, is_unwanted);
        }
        const NodeTree* const found = current_tree();
        if (found == nullptr) {
            return true;
        }
        if (!found->has_unwanted(position(), is_unwanted)) {
            position_ = NodeTree::leaf_end(position_);
            return true;
        }
        NodeTree* const writable = writable_tree();
        return writable != nullptr && writable->move_unwanted(workspace(), position_, moved, most_bytes, is_unwanted);
    }
    template <typename Unwanted>
    bool move_counts(std::size_t& moved, const Unwanted& is_unwanted) noexcept {
        if (position_ >= EntityVersions::chunk_end(root().entities.index_end())) {
            next_tree();
            return true;
        }
        return state_->store().entity_versions().move_chunk(static_cast<std::uint32_t>(position_++), state_->store().reclaimer(),
                                                            workspace().stamp(), [&](const Node& chunk) {
                                                                const bool unwanted = is_unwanted(chunk);
                                                                moved += unwanted ? chunk.bytes : 0;
                                                                return unwanted;
                                                            });
    }

    WriteBuffer* state_;
    Trimmer* trimmer_;
    Phase phase_ = Phase::Resting;
    bool looks_ = false; ///< The pool has been told to.
    Part part_ = Part::End;
    std::uint32_t outer_ = 0;
    std::uint32_t inner_ = 0;
    std::uint64_t position_ = 0; ///< One past the last one, too.
    std::uint64_t moved_bytes_ = 0;
    std::array<DeadPage, 16> dead_{};
    std::size_t dead_count_ = 0;
};

} // namespace ecsdb::storage
