/// @file
/// Whole columns changed at memory speed: the caller fills fresh pages from a pinned version, the writer swaps them in where nothing has
/// changed.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/delta/column_encoder.hpp"
#include "ecsdb/delta/values.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/transaction/shared_work.hpp"
#include "ecsdb/transaction/task.hpp"
#include "ecsdb/transaction/thrown.hpp"
#include "ecsdb/transaction/update_scratch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::transaction {

/// What a column update touches: the tables written, then those only read.
struct UpdateTables {
    std::array<TableId, storage::max_query_tables> ids{};
    std::size_t written = 0;
    std::size_t count = 0;
    bool untyped = false; ///< What is written are bytes, perhaps no values: they are checked.

    [[nodiscard]] std::span<const TableId> all() const noexcept { return {ids.data(), count}; }
};

/// One whole-column update (design D13.2).
///
/// The caller's thread computes every row from the version it pinned, into fresh pages; a writer with nothing else to do computes some of
/// them meanwhile. Then the writer compares, page by page, the pointers of every column read or written and of the row → entity column: an
/// equal pointer is an unchanged page, because the pin keeps its address from being reused. Where they are equal it swaps the fresh page
/// in; where not, and for rows that appeared meanwhile, it computes again from the present rows. So the update is serialisable at the place
/// of its commit. Where the computation throws, or leaves bytes that are no value of their field, the update is `Aborted`: nothing has
/// changed, and the fresh pages go back.
class ColumnUpdate : public Task, public SharedWork {
public:
    /// Computes `rows` rows. `in[i]` are the present rows of table i (written ones first), `out[i]` the new ones of written table i; they
    /// do not overlap.
    using Compute = void (*)(void* context, const std::byte* const* in, std::byte* const* out, std::uint32_t rows);

    ColumnUpdate(storage::PinnedRoot pinned, const UpdateTables& tables, Compute compute_rows, void* context, UpdateScratch& scratch,
                 const Deadline& deadline = {}) noexcept
        : pinned_{std::move(pinned)}, tables_{tables}, compute_{compute_rows}, context_{context}, scratch_{&scratch}, deadline_{deadline} {
        pinned_.set_name("column update");
        scratch_->fresh.clear();
        scratch_->parts.clear();
        scratch_->swaps.clear();
        for (std::size_t i = 0; i < tables_.count; ++i) {
            geometry_[i] = PageGeometry{pinned_.get()->schema->table(tables_.ids[i]).size};
            unit_rows_ = std::max(unit_rows_, geometry_[i].rows());
        }
        for (std::size_t i = 0; tables_.untyped && i < tables_.written; ++i) {
            const Schema& schema = *pinned_.get()->schema;
            checks_.emplace_back(schema, schema.table(tables_.ids[i]));
            unchecked_ = unchecked_ && checks_.back().empty();
        }
    }
    ~ColumnUpdate() override { let_go(); }

    /// The pin has done its work: gone before the writer looks at the pins, it keeps none of the pages this update has replaced.
    void finished() noexcept override { let_go(); }

    void let_go() noexcept {
        if (pinned_.get() == nullptr) {
            return;
        }
        for (std::size_t i = 0; placed_ != scratch_->fresh.size() && i < tables_.written; ++i) {
            storage::PagePool::Cache unused = cache_of(i);
            for (std::size_t slot = 0; slot < scratch_->fresh.size(); ++slot) {
                if (scratch_->fresh[slot] != nullptr && written_of(slot) == i) {
                    unused.give(scratch_->fresh[slot]);
                }
            }
        }
        pinned_ = storage::PinnedRoot{};
    }

    /// The caller's part: fills fresh pages for every row of the pinned version, and encodes their delta if `with_delta`. The desk may send
    /// help. `OutOfMemory` or `Aborted` when it failed: then so will `run`.
    [[nodiscard]] Result<void> compute(bool with_delta, HelpDesk& desk) noexcept {
        ECSDB_TRACE_SCOPE("ecsdb column update");
        with_delta_ = with_delta;
        if (with_delta && !prepare_encoders()) {
            fail(std::nullopt);
            return outcome();
        }
        const std::uint32_t pieces = plan();
        if (pieces == 0) {
            return outcome();
        }
        set_pieces(pieces);
        const bool offered = pieces >= least_pieces_to_share && desk.offer(*this);
        {
            Caches caches = all_caches(std::make_index_sequence<max_written_tables>{});
            std::uint32_t piece = 0;
            while (!has_failed() && (piece = claim_front()) != no_piece) {
                compute_piece(piece, caches, scratch_->workers[0]);
            }
        }
        if (offered) {
            desk.withdraw(*this);
        }
        return outcome();
    }

    void help(const IsNeeded& is_needed) noexcept override {
        Caches caches = all_caches(std::make_index_sequence<max_written_tables>{});
        std::uint32_t piece = 0;
        while (!is_needed() && !has_failed() && (piece = claim_back()) != no_piece) {
            compute_piece(piece, caches, scratch_->workers[1]);
        }
    }

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        if (has_failed()) {
            return outcome();
        }
        if (deadline_.has_passed()) {
            return begun_too_late();
        }
        const storage::Root& root = state.root();
        bool complete = true;
        for (storage::ArchetypeId id = 1; complete && id < root.archetype_end; ++id) {
            const auto* const current = static_cast<const storage::Archetype*>(root.archetypes.find(id));
            if (current != nullptr && current->rows != 0 && has_all(*current)) {
                complete = swap_archetype(state, *current);
            }
        }
        if (!complete) {
            return aborted_ ? aborted_->clone() : no_memory("to put the new pages in place");
        }
        // Rows may have gone without another row changing: what the caller encoded then speaks of dead ones.
        recomputed_ = recomputed_ || placed_ != scratch_->fresh.size();
        return {};
    }

    [[nodiscard]] bool notes_changes() const noexcept override { return false; }
    [[nodiscard]] bool counts_entities() const noexcept override { return false; }

    [[nodiscard]] bool encode(const storage::WriteBuffer& state, delta::Encoder& encoder) noexcept override {
        for (std::uint32_t i = 0; recomputed_ && i < tables_.written; ++i) {
            delta::ColumnEncoder& pages = *scratch_->workers[0].encoders[i];
            pages.clear();
            scratch_->workers[1].encoders[i]->clear();
            for (const UpdateScratch::Swap& swap : scratch_->swaps) {
                if (swap.written == i) {
                    pages.page(std::span{swap.indices, swap.rows}, storage::page_rows(swap.before), storage::page_rows(swap.after));
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
            std::array<std::span<const std::byte>, 2> bodies;
            for (std::size_t worker = 0; worker < bodies.size(); ++worker) {
                const delta::ColumnEncoder& pages = *scratch_->workers[worker].encoders[order[i]];
                if (pages.failed()) {
                    return false;
                }
                bodies[worker] = pages.body();
            }
            encoder.columns(state.root().schema->table(tables_.ids[order[i]]), bodies);
        }
        return true;
    }

private:
    using Archetype = storage::Archetype;
    using PageGeometry = storage::PageGeometry;
    using Caches = std::array<storage::PagePool::Cache, max_written_tables>;

    [[nodiscard]] storage::PagePool::Cache cache_of(std::size_t written) const noexcept {
        return storage::PagePool::Cache{pinned_.store().pool(),
                                        written < tables_.written ? geometry_[written].page_bytes() : storage::page_header_bytes};
    }
    template <std::size_t... I>
    [[nodiscard]] Caches all_caches(std::index_sequence<I...>) const noexcept {
        return {cache_of(I)...};
    }
    [[nodiscard]] bool has_all(const Archetype& archetype) const noexcept {
        const auto all = tables_.all();
        return std::all_of(all.begin(), all.end(), [&](TableId table) { return archetype.shape->has(table); });
    }
    /// Where the fresh pages of a written table start within an archetype's part; for `tables_.written`, how many there are in all.
    [[nodiscard]] std::size_t offset_of(std::size_t written, std::uint32_t rows) const noexcept {
        std::size_t offset = 0;
        for (std::size_t i = 0; i < written; ++i) {
            offset += geometry_[i].pages_for(rows);
        }
        return offset;
    }
    [[nodiscard]] std::size_t written_of(std::size_t slot) const noexcept {
        const auto parts = scratch_->parts.slice();
        auto part =
            std::upper_bound(parts.begin(), parts.end(), slot, [](std::size_t s, const UpdateScratch::Part& p) { return s < p.first; });
        --part;
        std::size_t written = tables_.written - 1;
        while (written > 0 && slot - part->first < offset_of(written, part->archetype->rows)) {
            --written;
        }
        return written;
    }
    [[nodiscard]] const UpdateScratch::Part* find_part(storage::ArchetypeId id) const noexcept {
        const auto parts = scratch_->parts.slice();
        const auto part = std::lower_bound(parts.begin(), parts.end(), id, [](const UpdateScratch::Part& p, storage::ArchetypeId i) {
            return p.archetype->shape->id() < i;
        });
        return part != parts.end() && part->archetype->shape->id() == id ? &*part : nullptr;
    }

    [[nodiscard]] bool prepare_encoders() noexcept {
        for (std::size_t i = 0; i < tables_.written; ++i) {
            const Table& table = pinned_.get()->schema->table(tables_.ids[i]);
            for (UpdateScratch::Worker& worker : scratch_->workers) {
                Owner<delta::ColumnEncoder>& encoder = worker.encoders[i];
                // One table's encoder serves the next update of the same table.
                if (encoder == nullptr || encoder->failed() || scratch_->encoder_tables[i] != &table) {
                    encoder.reset(new delta::ColumnEncoder{*scratch_->allocator, table});
                }
                encoder->clear();
            }
            scratch_->encoder_tables[i] = &table;
        }
        return true;
    }

    /// Rows of one piece: whole pages of every column, and a magazine of pages of the first one written. Few enough that a helper soon
    /// looks up from its work.
    [[nodiscard]] std::uint32_t piece_rows() const noexcept {
        return std::max(unit_rows_, storage::Magazine::capacity * geometry_[0].rows());
    }

    /// Lists the archetypes and their pieces. The number of pieces; 0, and failed, when memory is refused.
    [[nodiscard]] std::uint32_t plan() noexcept {
        std::uint32_t pieces = 0;
        pinned_.get()->for_each_archetype([&](const Archetype& archetype) {
            if (has_failed() || !has_all(archetype)) {
                return;
            }
            const std::size_t first = scratch_->fresh.size();
            const std::size_t pages = offset_of(tables_.written, archetype.rows);
            if (!scratch_->fresh.resize_for_overwrite(first + pages)) {
                fail(std::nullopt);
                return;
            }
            std::fill_n(scratch_->fresh.data() + first, pages, nullptr);
            if (!scratch_->parts.push({&archetype, first, pieces})) {
                scratch_->fresh.shrink_to(first);
                fail(std::nullopt);
                return;
            }
            pieces += (archetype.rows + piece_rows() - 1) / piece_rows();
        });
        return has_failed() ? 0 : pieces;
    }

    /// From now on there is nothing to compute: no memory, or what went wrong in words. Caller and helper; the first one counts.
    void fail(std::optional<Error> aborted) noexcept {
        if (!failed_.exchange(true, std::memory_order_relaxed)) {
            aborted_ = std::move(aborted); // read once the helper has left
        }
    }
    [[nodiscard]] bool has_failed() const noexcept { return failed_.load(std::memory_order_relaxed); }
    /// Once the helper has left.
    [[nodiscard]] Result<void> outcome() noexcept {
        if (!has_failed()) {
            return {};
        }
        return aborted_ ? aborted_->clone() : no_memory("for the new pages");
    }
    [[nodiscard]] static Error no_memory(const char* what_for) {
        return Error{ErrorCode::OutOfMemory, std::string{"column update: no memory "} + what_for};
    }

    /// Runs `rows` rows of the caller's function; what went wrong, if anything.
    [[nodiscard]] std::optional<Error> run_rows(const std::byte* const* in, std::byte* const* out, std::uint32_t rows) noexcept {
        if (std::optional<Error> thrown = thrown_by("the column update", [&] { compute_(context_, in, out, rows); })) [[unlikely]] {
            return thrown;
        }
        return unchecked_ ? std::nullopt : check_rows(out, rows);
    }
    [[nodiscard]] std::optional<Error> check_rows(std::byte* const* out, std::uint32_t rows) const noexcept {
        for (std::size_t i = 0; i < checks_.size(); ++i) {
            for (std::uint32_t row = 0; !checks_[i].empty() && row < rows; ++row) {
                if (const delta::ValueFault fault = checks_[i].row(out[i] + std::size_t{row} * geometry_[i].stride)) {
                    return Error{ErrorCode::Aborted,
                                 "column update: table `" + pinned_.get()->schema->table(tables_.ids[i]).name + "`, " + fault.describe()};
                }
            }
        }
        return std::nullopt;
    }

    /// Fills the pages of one piece, and encodes their delta. Caller and helper, each with what is its own.
    void compute_piece(std::uint32_t piece, Caches& caches, UpdateScratch::Worker& worker) noexcept {
        const auto parts = scratch_->parts.slice();
        auto part = std::upper_bound(parts.begin(), parts.end(), piece,
                                     [](std::uint32_t p, const UpdateScratch::Part& candidate) { return p < candidate.first_piece; });
        --part;
        const Archetype& archetype = *part->archetype;
        const std::uint32_t first_row = (piece - part->first_piece) * piece_rows();
        const std::uint32_t end_row = std::min(archetype.rows, first_row + piece_rows());
        std::array<storage::Node**, max_written_tables> next{};
        std::array<std::byte*, max_written_tables> out{};
        for (std::size_t i = 0; i < tables_.written; ++i) {
            next[i] = scratch_->fresh.data() + part->first + offset_of(i, archetype.rows) + geometry_[i].page_of(first_row);
            caches[i].begin_run();
        }
        bool complete = true;
        const auto compute_chunk = [&](const storage::Chunk& chunk) {
            for (std::size_t i = 0; complete && i < tables_.written; ++i) {
                const std::uint32_t row_in_page = geometry_[i].row_in_page(chunk.first_row);
                if (row_in_page == 0) {
                    *next[i] = caches[i].take();
                    complete = *next[i] != nullptr;
                    out[i] = complete ? storage::page_rows(*next[i]++) : nullptr;
                } else {
                    out[i] = storage::page_rows(next[i][-1]) + static_cast<std::size_t>(row_in_page) * geometry_[i].stride;
                }
            }
            if (!complete) {
                return;
            }
            compute_(context_, chunk.rows.data(), out.data(), chunk.count);
            if (!unchecked_) [[unlikely]] {
                if (std::optional<Error> wrong = check_rows(out.data(), chunk.count)) {
                    complete = false;
                    fail(std::move(wrong));
                    return;
                }
            }
            for (std::size_t i = 0; with_delta_ && i < tables_.written; ++i) {
                worker.encoders[i]->page(std::span{chunk.indices, chunk.count}, chunk.rows[i], out[i]);
            }
        };
        // Around the piece, not each page: what is tried costs nothing, but what catches takes registers from the loop.
        if (std::optional<Error> thrown = thrown_by("the column update", [&] {
                storage::for_each_chunk(archetype, tables_.all(), first_row, end_row, compute_chunk);
            })) [[unlikely]] {
            fail(std::move(thrown));
            return;
        }
        if (!complete) {
            fail(std::nullopt);
        }
    }

    /// Puts the new pages of one archetype in place, those of unchanged pages as the caller made them.
    bool swap_archetype(storage::WriteBuffer& state, const Archetype& current) noexcept {
        const UpdateScratch::Part* const part = find_part(current.shape->id());
        const auto* const pinned =
            part == nullptr ? nullptr : static_cast<const Archetype*>(pinned_.get()->archetypes.find(current.shape->id()));
        const bool untouched = pinned == &current;
        Archetype* const home = state.own_archetype(current.shape->id());
        if (home == nullptr) {
            return false;
        }
        if (untouched) {
            return swap_rows(state, *home, *part, 0, home->rows);
        }
        for (std::uint32_t row = 0; row < home->rows; row += unit_rows_) {
            const std::uint32_t rows = std::min(unit_rows_, home->rows - row);
            const bool unchanged = pinned != nullptr && unit_unchanged(*pinned, *home, row);
            if (unchanged ? !swap_rows(state, *home, *part, row, rows) : !recompute_unit(state, *home, row, rows)) {
                return false;
            }
        }
        return true;
    }

    /// A unit is whole pages of every column.
    [[nodiscard]] bool unit_unchanged(const Archetype& pinned, const Archetype& current, std::uint32_t row) const noexcept {
        const std::uint32_t pinned_rows = pinned.rows > row ? std::min(unit_rows_, pinned.rows - row) : 0;
        const std::uint32_t current_rows = std::min(unit_rows_, current.rows - row);
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
        for (std::size_t i = 0; i < tables_.count; ++i) {
            const std::uint16_t column = current.shape->column_of(tables_.ids[i]);
            if (geometry_[i].stride != 0 && !same_pages(pinned.column(column), current.column(column), geometry_[i])) {
                return false;
            }
        }
        return true;
    }

    /// Puts the caller's pages for `rows` rows in place; `row` begins a page of every column.
    bool swap_rows(storage::WriteBuffer& state, Archetype& home, const UpdateScratch::Part& part, std::uint32_t row,
                   std::uint32_t rows) noexcept {
        for (std::uint32_t i = 0; i < tables_.written; ++i) {
            const PageGeometry& geometry = geometry_[i];
            storage::NodeTree& column = home.column(home.shape->column_of(tables_.ids[i]));
            storage::Node** const fresh = scratch_->fresh.data() + part.first + offset_of(i, part.archetype->rows);
            const std::uint32_t end = geometry.page_of(row + rows - 1) + 1;
            for (std::uint32_t page = geometry.page_of(row); page < end;) {
                const Slice<storage::Node*> places = column.writable_places(state.workspace(), page, end - page);
                if (places.empty() || !note_swaps(home, i, page, places, fresh + page) ||
                    !state.workspace().replace_pages(places, {fresh + page, places.size()})) {
                    return false;
                }
                std::fill_n(fresh + page, places.size(), nullptr); // the tree's now
                placed_ += places.size();
                page += static_cast<std::uint32_t>(places.size());
            }
        }
        return true;
    }

    /// What a delta needs to know of pages about to be swapped. Kept even while nothing is recomputed: a later page may be, and then the
    /// whole delta is written anew.
    bool note_swaps(const Archetype& home, std::uint32_t written, std::uint32_t first_page, Slice<storage::Node* const> before,
                    storage::Node* const* after) noexcept {
        for (std::uint32_t i = 0; with_delta_ && i < before.size(); ++i) {
            if (!scratch_->swaps.push({before[i], after[i], indices_of(home, written, first_page + i),
                                       rows_in_page(home, geometry_[written], first_page + i), written})) {
                return false;
            }
        }
        return true;
    }
    [[nodiscard]] const std::uint32_t* indices_of(const Archetype& home, std::uint32_t written, std::uint32_t page) const noexcept {
        const std::uint32_t first_row = page << geometry_[written].shift;
        return home.index_page(Archetype::index_geometry.page_of(first_row)) + Archetype::index_geometry.row_in_page(first_row);
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
            if (geometry_[i].stride != 0) {
                step = std::min(step, geometry_[i].rows());
            }
        }
        std::array<const std::byte*, storage::max_query_tables> in; // NOLINT: filled below
        std::array<std::byte*, max_written_tables> out{};
        for (std::uint32_t at = row; at < row + rows; at += step) {
            const std::uint32_t count = std::min(step, row + rows - at);
            for (std::size_t i = 0; i < tables_.written; ++i) {
                const PageGeometry geometry = geometry_[i];
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
            if (std::optional<Error> wrong = run_rows(in.data(), out.data(), count)) [[unlikely]] {
                aborted_ = std::move(wrong);
                return false;
            }
            for (std::uint32_t i = 0; i < tables_.written; ++i) {
                const PageGeometry geometry = geometry_[i];
                const bool page_complete = geometry.row_in_page(at + count) == 0 || at + count == row + rows;
                if (page_complete && !place_fresh(state, home, home.shape->column_of(tables_.ids[i]), geometry.page_of(at),
                                                  std::exchange(fresh[i], nullptr), i)) {
                    return false;
                }
            }
        }
        return true;
    }

    static std::uint32_t rows_in_page(const Archetype& home, const PageGeometry& geometry, std::uint32_t page) noexcept {
        return std::min(geometry.rows(), home.rows - (page << geometry.shift));
    }

    bool place_fresh(storage::WriteBuffer& state, Archetype& home, std::uint16_t column, std::uint32_t page, storage::Node* fresh,
                     std::uint32_t written) noexcept {
        storage::Node** const place = home.column(column).writable_place(state.workspace(), page);
        if (place == nullptr || !note_swaps(home, written, page, {place, 1}, &fresh)) {
            state.workspace().pool().give(fresh);
            return false;
        }
        return state.workspace().replace(*place, fresh);
    }

    /// Below this, two threads would spend more on meeting than they save.
    static constexpr std::uint32_t least_pieces_to_share = 4;

    storage::PinnedRoot pinned_;
    UpdateTables tables_;
    std::array<PageGeometry, storage::max_query_tables> geometry_; ///< Of each table's pages.
    std::uint32_t unit_rows_ = Archetype::index_geometry.rows();   ///< Rows of the largest page of any column.
    Compute compute_;
    void* context_;
    UpdateScratch* scratch_;
    Deadline deadline_;
    std::size_t placed_ = 0;         ///< Of the fresh pages, how many are in the tree.
    List<delta::ValueCheck> checks_; ///< Of the tables written, where bytes are.
    bool unchecked_ = true;          ///< No table among them has anything to check.
    std::atomic<bool> failed_{false};
    std::optional<Error> aborted_; ///< What the caller's function did, if that is why it failed.
    bool with_delta_ = false;
    bool recomputed_ = false;
};

} // namespace ecsdb::transaction
