/// @file
/// Writes what a whole-column update changed, page by page, so that several threads can share the work and pages can be redone.
#pragma once

#include "ecsdb/delta/runs.hpp"

namespace ecsdb::delta {

/// Builds the body of one Columns section, or a part of it, for rows of one table.
///
/// The bytes of a page depend on nothing outside of the page. So several threads may each use an encoder and their bodies be put one
/// behind the other; and whoever notes `body().size()` after each page can leave pages out.
///
/// For one thread at a time. The allocator and the table must outlive it.
class ColumnEncoder {
public:
    ColumnEncoder(Allocator& allocator, const Table& table) noexcept
        : table_{&table}, comparison_{table}, words_{detail::mask_words(table)}, lane_{lane_of(table)}, body_{allocator}, all_{allocator},
          masks_{allocator} {
        if (auto* const all = detail::scratch_array<std::uint64_t>(all_, words_)) {
            std::fill_n(all, words_, 0);
            for (const Field& field : table.fields) {
                all[field.id / 64U] |= std::uint64_t{1} << (field.id % 64U);
            }
        }
    }

    /// Adds the rows of a page that differ between `before` and `after` (`rows.size()` rows in memory layout each). `rows` names the
    /// entity of each row, by index or by id.
    ///
    /// Cost: one comparison and one copy where every field of every row changed and neither table nor page has holes.
    void page(std::span<const std::uint32_t> rows, const std::byte* before, const std::byte* after) noexcept {
        add_page(rows, before, after);
    }
    void page(std::span<const Entity> rows, const std::byte* before, const std::byte* after) noexcept { add_page(rows, before, after); }

    /// The runs of the pages so far, until the next call. Where memory ran out, they are not complete: see `failed()`.
    [[nodiscard]] std::span<const std::byte> body() const noexcept { return body_.view(); }
    [[nodiscard]] bool failed() const noexcept { return body_.failed() || all_.failed(); }

    /// Forgets the pages; keeps the memory.
    void clear() noexcept { body_.clear(); }

private:
    /// Rows looked at together where not everything changed; masks and marks of that many lie on the stack.
    static constexpr std::size_t chunk_rows = 256;
    /// A step between two indices has at most 33 bits with its sign. Ranges take two shorter numbers for two indices or more.
    static constexpr std::size_t longest_id = 5;

    [[nodiscard]] static std::uint32_t index_of(std::uint32_t index) noexcept { return index; }
    [[nodiscard]] static std::uint32_t index_of(Entity entity) noexcept { return entity.index(); }

    /// 4 or 8 where rows have no padding and every field is one scalar of that size; 0 otherwise.
    [[nodiscard]] static std::uint32_t lane_of(const Table& table) noexcept {
        const std::uint32_t lane = table.fields.empty() ? 0 : table.fields[0].packed_size;
        const bool uniform = std::all_of(table.fields.begin(), table.fields.end(), [lane](const Field& field) {
            return field.packed_size == lane && field.size == lane && detail::is_contiguous(field);
        });
        return uniform && is_dense(table) && (lane == 4 || lane == 8) ? lane : 0;
    }
    /// A row in memory is its packed form.
    [[nodiscard]] static bool is_dense(const Table& table) noexcept {
        return table.packed_size == table.size && table.runs.size() == 1 && table.runs[0].offset == 0;
    }

    template <typename Lane>
    [[nodiscard]] static bool all_lanes_differ(const std::byte* before, const std::byte* after, std::size_t bytes) noexcept {
        constexpr std::size_t block = 32;
        std::size_t at = 0;
        // A block of fixed length becomes vector code at any optimisation level; leaving early keeps mixed pages cheap.
        for (; at + block * sizeof(Lane) <= bytes; at += block * sizeof(Lane)) {
            Lane equal = 0;
            for (std::size_t i = 0; i < block; ++i) {
                equal |= static_cast<Lane>(load_le<Lane>(before + at + i * sizeof(Lane)) == load_le<Lane>(after + at + i * sizeof(Lane)));
            }
            if (equal != 0) {
                return false;
            }
        }
        for (; at < bytes; at += sizeof(Lane)) {
            if (load_le<Lane>(before + at) == load_le<Lane>(after + at)) {
                return false;
            }
        }
        return true;
    }

    template <typename Id>
    void add_page(std::span<const Id> rows, const std::byte* before, const std::byte* after) noexcept {
        if (rows.empty() || failed()) {
            return;
        }
        const std::size_t bytes = rows.size() * table_->size;
        const bool all_changed = (lane_ == 4 && all_lanes_differ<std::uint32_t>(before, after, bytes)) ||
                                 (lane_ == 8 && all_lanes_differ<std::uint64_t>(before, after, bytes));
        if (all_changed) {
            add_run(
                all_bits(), static_cast<std::uint32_t>(rows.size()), [rows](std::uint32_t i) { return index_of(rows[i]); },
                [after, bytes](std::byte* values) { std::memcpy(values, after, bytes); });
            return;
        }
        for (std::size_t first = 0; first < rows.size(); first += chunk_rows) {
            const std::size_t count = std::min(chunk_rows, rows.size() - first);
            add_chunk(rows.subspan(first, count), before + first * table_->size, after + first * table_->size);
        }
    }

    template <typename Id>
    void add_chunk(std::span<const Id> rows, const std::byte* before, const std::byte* after) noexcept {
        auto* const masks = detail::scratch_array<std::uint64_t>(masks_, rows.size() * words_);
        if (masks == nullptr) {
            detail::fail_buffer(body_);
            return;
        }
        std::array<std::uint16_t, chunk_rows> pending;
        std::size_t pending_count = 0;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            std::uint64_t* const mask = masks + i * words_;
            comparison_(before + i * table_->size, after + i * table_->size, mask);
            pending[pending_count] = static_cast<std::uint16_t>(i);
            pending_count += *mask != 0 || std::any_of(mask + 1, mask + words_, [](std::uint64_t word) { return word != 0; }) ? 1U : 0U;
        }
        std::array<std::uint16_t, chunk_rows> members;
        while (pending_count != 0) {
            // A round per mask: with few masks in a page, and 256 rows at most, this is cheaper than sorting them.
            const std::uint64_t* const mask = masks + pending[0] * words_;
            std::size_t member_count = 0;
            std::size_t left = 0;
            for (std::size_t i = 0; i < pending_count; ++i) {
                const std::uint16_t row = pending[i];
                const bool same = detail::same_mask(mask, masks + row * words_, words_);
                (same ? members[member_count++] : pending[left++]) = row;
            }
            pending_count = left;
            const detail::FieldBits bits{mask};
            add_run(
                bits, static_cast<std::uint32_t>(member_count), [&](std::uint32_t i) { return index_of(rows[members[i]]); },
                [&](std::byte* values) {
                    const FieldCopy copy{*table_, bits};
                    for (std::size_t i = 0; i < member_count; ++i) {
                        values = copy.pack(after + members[i] * table_->size, values);
                    }
                });
        }
    }

    [[nodiscard]] detail::FieldBits all_bits() const noexcept { return {reinterpret_cast<const std::uint64_t*>(all_.data())}; }

    /// Appends a run, whose values `store_values(std::byte*)` writes.
    template <typename IndexOf, typename StoreValues>
    void add_run(const detail::FieldBits& mask, std::uint32_t count, IndexOf&& index_of_row, StoreValues&& store_values) noexcept {
        const std::size_t stride = detail::masked_size(*table_, mask);
        const IdForm form = form_of(count, index_of_row);
        const std::size_t start = body_.size();
        const std::size_t mask_bytes = detail::mask_size(mask.words, words_);
        // Room for the longest ids, given back: cheaper than measuring them.
        const std::size_t most = 2 * max_varint_size + mask_bytes + (form == IdForm::Range ? 1 : count) * longest_id + stride * count;
        std::byte* const room = body_.extend(most);
        if (room == nullptr) {
            return;
        }
        std::byte* next = store_varint(room, detail::run_head(RowChangeKind::Changed, form, false, count));
        next = store_varint(detail::store_mask(next, mask.words, words_), stride);
        next = detail::store_ids(next, form, count, index_of_row);
        store_values(next);
        body_.resize_down(start + static_cast<std::size_t>(next - room) + stride * count);
    }

    template <typename IndexOf>
    [[nodiscard]] static IdForm form_of(std::uint32_t count, IndexOf&& index_of_row) noexcept {
        const std::uint32_t first = index_of_row(0U);
        std::uint32_t out_of_line = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            out_of_line |= index_of_row(i) ^ (first + i);
        }
        if (out_of_line == 0 && first <= 0xFFFFFFFFU - (count - 1)) {
            return IdForm::Range;
        }
        detail::IdMeter meter;
        meter.add(first);
        for (std::uint32_t i = 1, previous = first; i < count; ++i) {
            const std::uint32_t index = index_of_row(i);
            if (index <= previous) {
                return IdForm::PageOrder;
            }
            meter.add(index);
            previous = index;
        }
        return meter.plan().form;
    }

    const Table* table_;
    detail::RowComparison comparison_;
    std::size_t words_;
    std::uint32_t lane_;
    ByteBuffer body_;
    ByteBuffer all_;
    ByteBuffer masks_;
};

} // namespace ecsdb::delta
