/// @file
/// Writes a delta: the header, the entities created and destroyed, the rows of each table, the version increments.
#pragma once

#include "ecsdb/core/slice.hpp"
#include "ecsdb/delta/contents.hpp"
#include "ecsdb/delta/runs.hpp"

namespace ecsdb::delta {

namespace detail {

/// `RowChange`s as `RunWriter` wants them: the mask is what really differs.
class ChangedRows {
public:
    ChangedRows(const Table& table, Slice<const RowChange> changes) noexcept : comparison_{table}, changes_{changes} {}
    [[nodiscard]] std::size_t size() const noexcept { return changes_.size(); }
    [[nodiscard]] std::uint32_t index(std::uint32_t i) const noexcept { return changes_[i].index; }
    [[nodiscard]] RowChangeKind kind(std::uint32_t i) const noexcept { return changes_[i].kind; }
    [[nodiscard]] const std::byte* after(std::uint32_t i) const noexcept { return changes_[i].after; }
    void mask(std::uint32_t i, std::uint64_t* words) const noexcept { comparison_(changes_[i].before, changes_[i].after, words); }

private:
    RowComparison comparison_;
    Slice<const RowChange> changes_;
};

/// Calls `visit(first index, count, generation)` for the ranges of entities sorted by index.
template <typename Visit>
void for_each_entity_range(std::span<const Entity> entities, Visit&& visit) noexcept {
    for (std::size_t i = 0; i < entities.size();) {
        std::size_t end = i + 1;
        // Sorted, so a range is entities whose ids grow by exactly one.
        while (end < entities.size() && entities[end].to_bits() == entities[end - 1].to_bits() + 1) {
            ++end;
        }
        visit(entities[i].index(), static_cast<std::uint32_t>(end - i), entities[i].generation());
        i = end;
    }
}

/// Calls `visit(start as written, count, generation)`.
template <typename Visit>
void for_each_written_range(std::span<const Entity> entities, Visit&& visit) noexcept {
    std::uint32_t expected = 0;
    for_each_entity_range(entities, [&](std::uint32_t first, std::uint32_t count, std::uint32_t generation) {
        visit(first - expected, count, generation);
        expected = first + count;
    });
}

} // namespace detail

/// Writes one delta at a time, in one pass, straight into the caller's buffer.
///
/// Call `begin`, then at most once each and in this order: `entities`; `table` for each table in ascending order of id; `columns`,
/// likewise; `versions`; `contents`, as `table`; then `end`. The bytes follow from the changes alone, not from the order of the operations
/// that made them. Where memory runs out, the buffer says so (`ByteBuffer::failed`).
///
/// For one thread at a time. The allocator must outlive it; its scratch memory stays for the next delta.
class Encoder {
public:
    explicit Encoder(Allocator& allocator) noexcept : runs_{allocator}, sorted_versions_{allocator} {}

    /// Starts a delta at the end of `out`, which must live and be left alone until `end`.
    void begin(ByteBuffer& out, const Header& header) noexcept {
        ECSDB_ASSERT(header.to > header.from, "a delta must end after its start");
        out_ = &out;
        last_section_ = 0;
        const std::size_t start = out.size();
        std::byte* const bytes = out.extend(2 + 8 + 6 * max_varint_size + 2);
        if (bytes == nullptr) {
            return;
        }
        const bool has_origin = !header.origin.is_empty();
        bytes[0] = std::byte{format_version};
        bytes[1] = static_cast<std::byte>((header.counted ? flag_counted : 0) | (header.merged ? flag_merged : 0) |
                                          (header.absolute ? flag_absolute : 0) | (header.time != 0 ? flag_time : 0) |
                                          (header.tick != 0 ? flag_tick : 0) | (has_origin ? flag_origin : 0) |
                                          (header.clock.empty() ? 0 : flag_clock));
        std::byte* next = store_varint(bytes + 2, header.from);
        next = store_varint(next, header.to - header.from);
        if (header.time != 0) {
            store_le<std::uint64_t>(next, header.time);
            next += sizeof(std::uint64_t);
        }
        if (header.tick != 0) {
            next = store_varint(next, header.tick);
        }
        if (has_origin) {
            next = store_varint(store_varint(store_varint(next, header.origin.shard), header.origin.session), header.origin.intent);
        }
        out.resize_down(start + static_cast<std::size_t>(next - bytes));
        if (!header.clock.empty()) {
            out.append_varint(header.clock.size());
            out.append(header.clock);
        }
    }

    /// Both sorted by index, each index at most once in each; all of one shard. An index in both is destroyed first, then created anew.
    void entities(std::span<const Entity> created, std::span<const Entity> destroyed) noexcept {
        if (created.empty() && destroyed.empty()) {
            return;
        }
        std::size_t size = 0;
        std::uint64_t destroyed_ranges = 0;
        const auto measure = [&size](std::uint32_t start, std::uint32_t count, std::uint32_t generation) {
            size += varint_size(start) + varint_size(count - 1) + varint_size(generation);
        };
        detail::for_each_written_range(created, measure);
        detail::for_each_written_range(destroyed, [&](std::uint32_t start, std::uint32_t count, std::uint32_t generation) {
            measure(start, count, generation);
            ++destroyed_ranges;
        });
        size += varint_size(destroyed_ranges);
        const std::uint32_t shard = (created.empty() ? destroyed : created).front().shard();
        std::byte* next = section(SectionKind::Entities, shard, size);
        if (next == nullptr) {
            return;
        }
        next = store_varint(next, destroyed_ranges);
        const auto store = [&next](std::uint32_t start, std::uint32_t count, std::uint32_t generation) {
            next = store_varint(store_varint(store_varint(next, start), count - 1), generation);
        };
        detail::for_each_written_range(destroyed, store);
        detail::for_each_written_range(created, store);
    }

    /// The rows of `table` that were added, removed or written, sorted by index, each at most once. Of a written row only the fields whose
    /// bytes differ are kept; if none does, that it was written. Rows of destroyed entities are not listed.
    void table(const Table& table, Slice<const RowChange> changes) noexcept {
        if (changes.size() == 1 && table.fields.size() < 64) [[likely]] {
            one_row(table, changes[0]);
        } else if (!changes.empty()) {
            rows(table, detail::ChangedRows{table, changes});
        }
    }

    /// What `ColumnEncoder`s wrote for `table`, or parts of it, one behind the other.
    void columns(const Table& table, std::span<const std::span<const std::byte>> bodies) noexcept {
        std::size_t size = 0;
        for (const std::span<const std::byte> body : bodies) {
            size += body.size();
        }
        if (size == 0) {
            return;
        }
        std::byte* next = section(SectionKind::Columns, table.id, size);
        for (const std::span<const std::byte> body : bodies) {
            if (next != nullptr && !body.empty()) {
                std::memcpy(next, body.data(), body.size());
                next += body.size();
            }
        }
    }

    /// For deltas that are not counted: sorted by index, each at most once, no increment 0.
    void versions(Slice<const VersionIncrement> increments) noexcept {
        if (increments.empty()) {
            return;
        }
        const VersionIncrement* sorted = increments.data();
        if (!std::all_of(increments.begin(), increments.end(),
                         [&](const VersionIncrement& version) { return version.increment == increments[0].increment; })) {
            auto* const copy = detail::scratch_array<VersionIncrement>(sorted_versions_, increments.size());
            if (copy == nullptr) {
                detail::fail_buffer(*out_);
                return;
            }
            std::copy(increments.begin(), increments.end(), copy);
            std::sort(copy, copy + increments.size(), [](const VersionIncrement& a, const VersionIncrement& b) {
                return a.increment != b.increment ? a.increment < b.increment : a.index < b.index;
            });
            sorted = copy;
        }
        std::size_t size = 0;
        for_each_version_group({sorted, increments.size()}, [&](Slice<const VersionIncrement> group, const detail::IdPlan& plan) {
            size += varint_size(version_head(group, plan)) + varint_size(group[0].increment) + plan.bytes;
        });
        std::byte* next = section(SectionKind::Versions, 0, size);
        if (next == nullptr) {
            return;
        }
        for_each_version_group({sorted, increments.size()}, [&](Slice<const VersionIncrement> group, const detail::IdPlan& plan) {
            next = store_varint(store_varint(next, version_head(group, plan)), group[0].increment);
            next = detail::store_ids(next, plan.form, static_cast<std::uint32_t>(group.size()),
                                     [group](std::uint32_t i) { return group[i].index; });
        });
    }

    /// What `text` and `blob` fields of rows that the other sections name hold now, sorted by index, then by field, each at most once. Of
    /// an added row the empty ones are left out.
    void contents(const Table& table, Slice<const ContentEntry> entries) noexcept {
        if (entries.empty()) {
            return;
        }
        if (std::byte* const body = section(SectionKind::Contents, table.id, detail::contents_size(entries))) {
            detail::store_contents(body, entries);
        }
    }

    /// All sections at once, as they lie in another delta (`DeltaView::section_bytes`): instead of the calls above.
    void sections(std::span<const std::byte> bytes) noexcept { out_->append(bytes); }

    /// The delta is complete, if its buffer has not failed.
    void end() noexcept { out_ = nullptr; }

private:
    friend class DeltaMerger;

    /// Appends a section's head and room for its body, which it returns; null when there is no memory.
    [[nodiscard]] std::byte* section(SectionKind kind, std::uint64_t id, std::size_t size) noexcept {
        note_section(kind, id);
        std::byte* const head = out_->extend(1 + varint_size(id) + varint_size(size) + size);
        if (head == nullptr) {
            return nullptr;
        }
        *head = static_cast<std::byte>(kind);
        return store_varint(store_varint(head + 1, id), size);
    }

    void note_section(SectionKind kind, std::uint64_t id) noexcept {
        const std::uint64_t section = static_cast<std::uint64_t>(kind) << 32U | id;
        ECSDB_ASSERT(section > last_section_, "the sections of a delta must be written in order");
        last_section_ = section;
    }

    /// Any number of rows; see `RunWriter` for what `Rows` is.
    template <typename Rows>
    void rows(const Table& table, const Rows& rows) noexcept {
        note_section(SectionKind::Rows, table.id);
        runs_.write(table, rows, *out_, [&](std::size_t size) {
            out_->append_le<std::uint8_t>(static_cast<std::uint8_t>(SectionKind::Rows));
            out_->append_varint(table.id);
            out_->append_varint(size);
        });
    }

    /// The same bytes as `rows`, for the commonest delta of all.
    void one_row(const Table& table, const RowChange& change) noexcept {
        std::uint64_t mask = 0;
        std::size_t mask_bytes = 0;
        std::size_t values = 0;
        if (change.kind == RowChangeKind::Changed) {
            for (const Field& field : table.fields) {
                if (detail::field_differs(table, field, change.before, change.after)) {
                    mask |= std::uint64_t{1} << field.id;
                    values += field.packed_size;
                }
            }
            mask_bytes = varint_size(mask);
        } else if (change.kind == RowChangeKind::Added) {
            values = table.packed_size;
        }
        std::byte* next = section(SectionKind::Rows, table.id, 1 + mask_bytes + varint_size(change.index) + values);
        if (next == nullptr) {
            return;
        }
        const bool tail = change.kind != RowChangeKind::Removed;
        *next++ = static_cast<std::byte>(detail::run_head(change.kind, IdForm::Range, tail, 1));
        if (change.kind == RowChangeKind::Changed) {
            next = store_varint(next, mask);
        }
        next = store_varint(next, change.index);
        if (change.kind == RowChangeKind::Added) {
            pack_row(table.runs, change.after, next);
            return;
        }
        std::size_t run = 0;
        for (; mask != 0; mask &= mask - 1) {
            const Field& field = table.fields[static_cast<std::size_t>(std::countr_zero(mask))];
            detail::for_each_piece(table, field, run, [&](std::uint32_t offset, std::uint32_t size) {
                detail::copy_field(next, change.after + offset, size);
                next += size;
            });
        }
    }

    template <typename Visit>
    static void for_each_version_group(Slice<const VersionIncrement> sorted, Visit&& visit) noexcept {
        for (std::size_t i = 0; i < sorted.size();) {
            detail::IdMeter meter;
            std::size_t end = i;
            for (; end < sorted.size() && sorted[end].increment == sorted[i].increment; ++end) {
                meter.add(sorted[end].index);
            }
            visit(sorted.subspan(i, end - i), meter.plan());
            i = end;
        }
    }
    [[nodiscard]] static std::uint64_t version_head(Slice<const VersionIncrement> group, const detail::IdPlan& plan) noexcept {
        return std::uint64_t{group.size() - 1} << 2U | static_cast<unsigned>(plan.form);
    }

    detail::RunWriter runs_;
    ByteBuffer sorted_versions_;
    ByteBuffer* out_ = nullptr;
    std::uint64_t last_section_ = 0;
};

} // namespace ecsdb::delta
