/// @file
/// Whole columns changed at memory speed: the caller fills fresh pages from a pinned version, the writer swaps them in where nothing has
/// changed.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/delta/column_encoder.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/transaction/task.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace ecsdb::transaction {

/// The most tables one update can write, and read or write in all.
inline constexpr std::size_t max_written_tables = 8;

/// What a column update touches: the tables written, then those only read.
struct UpdateTables {
    std::array<TableId, storage::max_query_tables> ids{};
    std::size_t written = 0;
    std::size_t count = 0;

    [[nodiscard]] std::span<const TableId> all() const noexcept { return {ids.data(), count}; }
};

/// Memory an update works with, kept by the pipeline for the next one.
struct UpdateScratch {
    explicit UpdateScratch(Allocator& memory) noexcept : fresh{memory}, parts{memory}, swaps{memory}, allocator{&memory} {}

    /// One archetype of the pinned version: where its fresh pages start in `fresh`.
    struct Part {
        storage::ArchetypeId archetype;
        std::uint32_t rows;
        std::size_t first;
    };
    /// A page the writer swapped in, with what a delta needs to know of it.
    struct Swap {
        const storage::Node* before;
        const storage::Node* after;
        const std::uint32_t* indices;
        std::uint32_t rows;
        std::uint32_t written;
    };

    GrowArray<storage::Node*> fresh;
    GrowArray<Part> parts;
    GrowArray<Swap> swaps;
    std::array<std::unique_ptr<delta::ColumnEncoder>, max_written_tables> encoders;
    std::array<const Table*, max_written_tables> encoder_tables{};
    Allocator* allocator;
    UpdateScratch* next = nullptr;
};

/// One whole-column update (design D13.2).
///
/// The caller's thread computes every row from the version it pinned, into fresh pages. The writer compares, page by page, the pointers of
/// every column read or written and of the row → entity column: an equal pointer is an unchanged page, because the pin keeps its address
/// from being reused. Where they are equal it swaps the fresh page in; where not, and for rows that appeared meanwhile, it computes again
/// from the present rows. So the update is serialisable at the place of its commit.
class ColumnUpdate : public Task {
public:
    /// Computes `rows` rows. `in[i]` are the present rows of table i (written ones first), `out[i]` the new ones of written table i; they
    /// do not overlap.
    using Compute = void (*)(void* context, const std::byte* const* in, std::byte* const* out, std::uint32_t rows);

    ColumnUpdate(storage::PinnedRoot pinned, const UpdateTables& tables, Compute compute_rows, void* context,
                 UpdateScratch& scratch) noexcept
        : pinned_{std::move(pinned)}, tables_{tables}, compute_{compute_rows}, context_{context}, scratch_{&scratch} {
        scratch_->fresh.clear();
        scratch_->parts.clear();
        scratch_->swaps.clear();
    }
    ~ColumnUpdate() override { let_go(); }

    /// The pin has done its work: gone before the writer looks at the pins, it keeps none of the pages this update has replaced.
    void finished() noexcept override { let_go(); }

    void let_go() noexcept {
        if (pinned_.get() == nullptr) {
            return;
        }
        for (std::size_t i = 0; i < tables_.written; ++i) {
            storage::PagePool::Cache unused = cache_of(i);
            for (std::size_t slot = 0; slot < scratch_->fresh.size(); ++slot) {
                if (scratch_->fresh[slot] != nullptr && written_of(slot) == i) {
                    unused.give(scratch_->fresh[slot]);
                }
            }
        }
        pinned_ = storage::PinnedRoot{};
    }

    /// The caller's part: fills fresh pages for every row of the pinned version, and encodes their delta if `with_delta`. False when memory
    /// is refused.
    [[nodiscard]] bool compute(bool with_delta) noexcept {
        const storage::Root& root = *pinned_.get();
        std::array<storage::PagePool::Cache, max_written_tables> caches = all_caches(std::make_index_sequence<max_written_tables>{});
        with_delta_ = with_delta;
        for (std::size_t i = 0; with_delta && i < tables_.written; ++i) {
            const Table& table = root.schema->table(tables_.ids[i]);
            std::unique_ptr<delta::ColumnEncoder>& encoder = scratch_->encoders[i];
            // One table's encoder serves the next update of the same table.
            if (encoder == nullptr || encoder->failed() || scratch_->encoder_tables[i] != &table) {
                encoder = std::make_unique<delta::ColumnEncoder>(*scratch_->allocator, table);
                scratch_->encoder_tables[i] = &table;
            }
            encoder->clear();
        }
        bool complete = true;
        root.for_each_archetype([&](const storage::Archetype& archetype) { complete = complete && compute_archetype(archetype, caches); });
        return complete;
    }

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        const storage::Root& root = state.root();
        bool complete = true;
        for (storage::ArchetypeId id = 1; complete && id < root.archetype_end; ++id) {
            const auto* const current = static_cast<const storage::Archetype*>(root.archetypes.find(id));
            if (current != nullptr && current->rows != 0 && has_all(*current)) {
                complete = swap_archetype(state, *current);
            }
        }
        if (!complete) {
            return Error{ErrorCode::OutOfMemory, "column update: no memory to put the new pages in place"};
        }
        // Rows may have gone without another row changing: what the caller encoded then speaks of dead ones.
        recomputed_ = recomputed_ || swapped_rows_ != computed_rows_;
        return {};
    }

    [[nodiscard]] bool notes_changes() const noexcept override { return false; }
    [[nodiscard]] bool counts_entities() const noexcept override { return false; }

    [[nodiscard]] bool encode(const storage::WriteBuffer& state, delta::Encoder& encoder) noexcept override {
        for (std::uint32_t i = 0; i < tables_.written; ++i) {
            if (recomputed_) {
                delta::ColumnEncoder& pages = *scratch_->encoders[i];
                pages.clear();
                for (const UpdateScratch::Swap& swap : scratch_->swaps.view()) {
                    if (swap.written == i) {
                        pages.page(std::span{swap.indices, swap.rows}, storage::page_rows(swap.before), storage::page_rows(swap.after));
                    }
                }
            }
        }
        // Sections go by ascending table, whatever the order in which the caller named them.
        std::array<std::size_t, max_written_tables> order; // NOLINT: filled below
        for (std::size_t i = 0; i < tables_.written; ++i) {
            order[i] = i;
        }
        std::sort(order.begin(), order.begin() + tables_.written,
                  [&](std::size_t a, std::size_t b) { return tables_.ids[a] < tables_.ids[b]; });
        for (std::size_t i = 0; i < tables_.written; ++i) {
            const delta::ColumnEncoder& pages = *scratch_->encoders[order[i]];
            if (pages.failed()) {
                return false;
            }
            const std::span<const std::byte> body = pages.body();
            if (!body.empty()) {
                encoder.columns(state.root().schema->table(tables_.ids[order[i]]), {&body, 1});
            }
        }
        return true;
    }

private:
    using Archetype = storage::Archetype;
    using PageGeometry = storage::PageGeometry;
    using Caches = std::array<storage::PagePool::Cache, max_written_tables>;

    [[nodiscard]] PageGeometry geometry_of(std::size_t table) const noexcept {
        return PageGeometry{pinned_.get()->schema->table(tables_.ids[table]).size};
    }
    [[nodiscard]] storage::PagePool::Cache cache_of(std::size_t written) const noexcept {
        return storage::PagePool::Cache{pinned_.store().pool(),
                                        written < tables_.written ? geometry_of(written).page_bytes() : storage::page_header_bytes};
    }
    template <std::size_t... I>
    [[nodiscard]] Caches all_caches(std::index_sequence<I...>) const noexcept {
        return {cache_of(I)...};
    }
    [[nodiscard]] bool has_all(const Archetype& archetype) const noexcept {
        const auto all = tables_.all();
        return std::all_of(all.begin(), all.end(), [&](TableId table) { return archetype.shape->has(table); });
    }
    [[nodiscard]] std::size_t pages_of(std::size_t written, std::uint32_t rows) const noexcept {
        return geometry_of(written).pages_for(rows);
    }
    /// Where the fresh pages of a written table start within an archetype's part.
    [[nodiscard]] std::size_t offset_of(std::size_t written, std::uint32_t rows) const noexcept {
        std::size_t offset = 0;
        for (std::size_t i = 0; i < written; ++i) {
            offset += pages_of(i, rows);
        }
        return offset;
    }
    [[nodiscard]] std::size_t written_of(std::size_t slot) const noexcept {
        const auto parts = scratch_->parts.view();
        auto part =
            std::upper_bound(parts.begin(), parts.end(), slot, [](std::size_t s, const UpdateScratch::Part& p) { return s < p.first; });
        --part;
        std::size_t written = tables_.written - 1;
        while (written > 0 && slot - part->first < offset_of(written, part->rows)) {
            --written;
        }
        return written;
    }
    [[nodiscard]] const UpdateScratch::Part* find_part(storage::ArchetypeId id) const noexcept {
        const auto parts = scratch_->parts.view();
        const auto part = std::lower_bound(parts.begin(), parts.end(), id,
                                           [](const UpdateScratch::Part& p, storage::ArchetypeId i) { return p.archetype < i; });
        return part != parts.end() && part->archetype == id ? &*part : nullptr;
    }

    bool compute_archetype(const Archetype& archetype, Caches& caches) noexcept {
        if (!has_all(archetype)) {
            return true;
        }
        const std::size_t first = scratch_->fresh.size();
        const std::size_t pages = offset_of(tables_.written, archetype.rows);
        if (!scratch_->fresh.resize_for_overwrite(first + pages)) {
            return false;
        }
        const std::span<storage::Node*> fresh = scratch_->fresh.view().subspan(first);
        std::fill(fresh.begin(), fresh.end(), nullptr);
        if (!scratch_->parts.push({archetype.shape->id(), archetype.rows, first})) {
            scratch_->fresh.shrink_to(first);
            return false;
        }
        computed_rows_ += archetype.rows;
        std::array<PageGeometry, max_written_tables> geometry;
        std::array<storage::Node**, max_written_tables> next{};
        std::array<std::byte*, max_written_tables> out{};
        for (std::size_t i = 0; i < tables_.written; ++i) {
            geometry[i] = geometry_of(i);
            next[i] = fresh.data() + offset_of(i, archetype.rows);
        }
        bool complete = true;
        storage::for_each_chunk(archetype, tables_.all(), [&](const storage::Chunk& chunk) {
            for (std::size_t i = 0; complete && i < tables_.written; ++i) {
                const std::uint32_t row_in_page = geometry[i].row_in_page(chunk.first_row);
                if (row_in_page == 0) {
                    *next[i] = caches[i].take();
                    complete = *next[i] != nullptr;
                    out[i] = complete ? storage::page_rows(*next[i]++) : nullptr;
                } else {
                    out[i] += static_cast<std::size_t>(chunk.count) * geometry[i].stride;
                }
            }
            if (!complete) {
                return;
            }
            compute_(context_, chunk.rows.data(), out.data(), chunk.count);
            for (std::size_t i = 0; with_delta_ && i < tables_.written; ++i) {
                scratch_->encoders[i]->page(std::span{chunk.indices, chunk.count}, chunk.rows[i], out[i]);
            }
        });
        return complete;
    }

    /// Puts the new pages of one archetype in place, those of unchanged pages as the caller made them.
    bool swap_archetype(storage::WriteBuffer& state, const Archetype& current) noexcept {
        const UpdateScratch::Part* const part = find_part(current.shape->id());
        const auto* const pinned =
            part == nullptr ? nullptr : static_cast<const Archetype*>(pinned_.get()->archetypes.find(part->archetype));
        const bool untouched = pinned == &current;
        Archetype* const home = state.own_archetype(current.shape->id());
        if (home == nullptr) {
            return false;
        }
        std::uint32_t unit_rows = Archetype::index_geometry.rows(); // the largest page: a unit is whole pages of every column
        for (std::size_t i = 0; i < tables_.count; ++i) {
            unit_rows = std::max(unit_rows, geometry_of(i).rows());
        }
        for (std::uint32_t row = 0; row < home->rows; row += unit_rows) {
            const std::uint32_t rows = std::min(unit_rows, home->rows - row);
            const bool unchanged = untouched || (pinned != nullptr && unit_unchanged(*pinned, *home, row, unit_rows));
            if (unchanged ? !swap_unit(state, *home, *part, row, rows) : !recompute_unit(state, *home, row, rows)) {
                return false;
            }
        }
        return true;
    }

    [[nodiscard]] bool unit_unchanged(const Archetype& pinned, const Archetype& current, std::uint32_t row,
                                      std::uint32_t unit_rows) const noexcept {
        const std::uint32_t pinned_rows = pinned.rows > row ? std::min(unit_rows, pinned.rows - row) : 0;
        const std::uint32_t current_rows = std::min(unit_rows, current.rows - row);
        if (pinned_rows != current_rows) {
            return false;
        }
        const auto same_pages = [&](const storage::NodeTree& a, const storage::NodeTree& b, const PageGeometry& geometry) {
            for (std::uint32_t page = geometry.page_of(row); page <= geometry.page_of(row + current_rows - 1); ++page) {
                if (a.at(page) != b.at(page)) {
                    return false;
                }
            }
            return true;
        };
        if (!same_pages(pinned.indices, current.indices, Archetype::index_geometry)) {
            return false;
        }
        for (const TableId table : tables_.all()) {
            const std::uint16_t column = current.shape->column_of(table);
            const PageGeometry& geometry = current.shape->columns()[column].geometry;
            if (geometry.stride != 0 && !same_pages(pinned.column(column), current.column(column), geometry)) {
                return false;
            }
        }
        return true;
    }

    bool swap_unit(storage::WriteBuffer& state, Archetype& home, const UpdateScratch::Part& part, std::uint32_t row,
                   std::uint32_t rows) noexcept {
        swapped_rows_ += rows;
        for (std::uint32_t i = 0; i < tables_.written; ++i) {
            const PageGeometry geometry = geometry_of(i);
            const std::uint32_t pages = geometry.pages_for(std::min(home.rows, part.rows));
            const std::span<storage::Node*> fresh =
                scratch_->fresh.view().subspan(part.first + offset_of(i, part.rows), pages_of(i, part.rows));
            const std::uint16_t column = home.shape->column_of(tables_.ids[i]);
            for (std::uint32_t page = geometry.page_of(row); page <= geometry.page_of(row + rows - 1); ++page) {
                if (page + prefetch_pages < pages) {
                    __builtin_prefetch(fresh[page + prefetch_pages], 1);
                    __builtin_prefetch(home.column(column).at(page + prefetch_pages), 1);
                }
                if (!swap_page(state, home, column, page, std::exchange(fresh[page], nullptr), i, rows_in_page(home, geometry, page))) {
                    return false;
                }
            }
        }
        return true;
    }

    bool recompute_unit(storage::WriteBuffer& state, Archetype& home, std::uint32_t row, std::uint32_t rows) noexcept {
        recomputed_ = true;
        std::array<storage::Node*, max_written_tables> fresh{};
        const bool complete = recompute_rows(state, home, row, rows, fresh);
        for (storage::Node* const unplaced : fresh) {
            if (unplaced != nullptr) {
                state.workspace().pool().give(unplaced);
            }
        }
        return complete;
    }

    bool recompute_rows(storage::WriteBuffer& state, Archetype& home, std::uint32_t row, std::uint32_t rows,
                        std::array<storage::Node*, max_written_tables>& fresh) noexcept {
        std::uint32_t step = Archetype::index_geometry.rows();
        for (std::size_t i = 0; i < tables_.count; ++i) {
            if (geometry_of(i).stride != 0) {
                step = std::min(step, geometry_of(i).rows());
            }
        }
        std::array<const std::byte*, storage::max_query_tables> in; // NOLINT: filled below
        std::array<std::byte*, max_written_tables> out{};
        for (std::uint32_t at = row; at < row + rows; at += step) {
            const std::uint32_t count = std::min(step, row + rows - at);
            for (std::size_t i = 0; i < tables_.written; ++i) {
                const PageGeometry geometry = geometry_of(i);
                if (geometry.row_in_page(at) == 0) {
                    fresh[i] = state.workspace().allocate(geometry.page_bytes());
                    if (fresh[i] == nullptr) {
                        return false;
                    }
                }
                out[i] = storage::page_rows(fresh[i]) + static_cast<std::size_t>(geometry.row_in_page(at)) * geometry.stride;
            }
            for (std::size_t i = 0; i < tables_.count; ++i) {
                const std::uint16_t column = home.shape->column_of(tables_.ids[i]);
                in[i] =
                    home.shape->columns()[column].geometry.stride == 0 ? reinterpret_cast<const std::byte*>(&home) : home.row(column, at);
            }
            compute_(context_, in.data(), out.data(), count);
            for (std::uint32_t i = 0; i < tables_.written; ++i) {
                const PageGeometry geometry = geometry_of(i);
                const bool page_complete = geometry.row_in_page(at + count) == 0 || at + count == row + rows;
                if (page_complete &&
                    !place_fresh(state, home, home.shape->column_of(tables_.ids[i]), geometry.page_of(at), std::exchange(fresh[i], nullptr),
                                 i, rows_in_page(home, geometry, geometry.page_of(at)))) {
                    return false;
                }
            }
        }
        return true;
    }

    static std::uint32_t rows_in_page(const Archetype& home, const PageGeometry& geometry, std::uint32_t page) noexcept {
        return std::min(geometry.rows(), home.rows - (page << geometry.shift));
    }

    bool swap_page(storage::WriteBuffer& state, Archetype& home, std::uint16_t column, std::uint32_t page, storage::Node* fresh,
                   std::uint32_t written, std::uint32_t rows) noexcept {
        fresh->born = state.workspace().stamp();
        fresh->timeline = 0;
        state.workspace().pool().adopt(fresh);
        return place_fresh(state, home, column, page, fresh, written, rows);
    }

    bool place_fresh(storage::WriteBuffer& state, Archetype& home, std::uint16_t column, std::uint32_t page, storage::Node* fresh,
                     std::uint32_t written, std::uint32_t rows) noexcept {
        storage::Node** const place = home.column(column).writable_place(state.workspace(), page);
        if (place == nullptr) {
            state.workspace().pool().give(fresh);
            return false;
        }
        if (with_delta_) {
            // Kept even while nothing is recomputed: a later page may be, and then the whole delta is written anew.
            const std::uint32_t first_row = page << geometry_of(written).shift;
            const std::uint32_t* const indices =
                home.index_page(Archetype::index_geometry.page_of(first_row)) + Archetype::index_geometry.row_in_page(first_row);
            if (!scratch_->swaps.push({*place, fresh, indices, rows, written})) {
                state.workspace().pool().give(fresh);
                return false;
            }
        }
        return state.workspace().replace(*place, fresh);
    }

    static constexpr std::size_t prefetch_pages = 12;

    storage::PinnedRoot pinned_;
    UpdateTables tables_;
    Compute compute_;
    void* context_;
    UpdateScratch* scratch_;
    std::uint64_t computed_rows_ = 0; ///< By the caller …
    std::uint64_t swapped_rows_ = 0;  ///< … and of those, put in place.
    bool with_delta_ = false;
    bool recomputed_ = false;
};

} // namespace ecsdb::transaction
