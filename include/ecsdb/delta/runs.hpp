/// @file
/// Writes the Rows section of one table in canonical order, whatever the number of rows and of different masks among them.
#pragma once

#include "ecsdb/delta/fields.hpp"
#include "ecsdb/delta/ids.hpp"

namespace ecsdb::delta::detail {

/// How a head says what its run holds.
[[nodiscard]] constexpr std::uint64_t run_head(RowChangeKind kind, IdForm form, bool tail, std::uint32_t count) noexcept {
    return std::uint64_t{count - 1} << head_count_shift | (tail ? head_tail : 0U) | static_cast<unsigned>(form) << head_form_shift |
           static_cast<unsigned>(kind);
}

/// Bytes of a mask, which has `words` words.
[[nodiscard]] inline std::size_t mask_size(const std::uint64_t* mask, std::size_t words) noexcept {
    while (words > 1 && mask[words - 1] == 0) {
        --words;
    }
    const std::size_t bits = (words - 1) * 64 + static_cast<std::size_t>(std::bit_width(mask[words - 1]));
    return bits == 0 ? 1 : (bits + 6) / 7;
}

inline std::byte* store_mask(std::byte* out, const std::uint64_t* mask, std::size_t words) noexcept {
    const std::size_t size = mask_size(mask, words);
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t bit = i * 7;
        std::uint64_t fields = mask[bit / 64] >> bit % 64;
        if (bit % 64 > 57 && bit / 64 + 1 < words) {
            fields |= mask[bit / 64 + 1] << (64 - bit % 64);
        }
        *out++ = static_cast<std::byte>((fields & 0x7FU) | (i + 1 < size ? 0x80U : 0U));
    }
    return out;
}

/// Bytes of one row's values of the masked fields.
[[nodiscard]] inline std::size_t masked_size(const Table& table, const FieldBits& mask) noexcept {
    std::size_t size = 0;
    for (const Field& field : table.fields) {
        size += mask.test(field.id) ? field.packed_size : 0;
    }
    return size;
}

/// Room for `count` values in a scratch buffer whose old content is not needed; null when there is no memory.
template <typename T>
[[nodiscard]] T* scratch_array(ByteBuffer& buffer, std::size_t count) noexcept {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= ByteBuffer::alignment);
    buffer.clear();
    return reinterpret_cast<T*>(buffer.extend(count * sizeof(T)));
}

/// Makes the buffer say that what was to be written is not all there.
inline void fail_buffer(ByteBuffer& buffer) noexcept {
    // Nobody has this much, so the buffer refuses and remembers.
    static_cast<void>(buffer.reserve(static_cast<std::size_t>(PTRDIFF_MAX)));
}

/// Sorts rows into runs and writes them. Keeps its scratch memory for the next table.
///
/// `Rows` is what knows the rows, in ascending order of their index: `size()`, `index(i)`, `kind(i)`, `after(i)` (in memory layout) and
/// `mask(i, words)`, which fills `mask_words(table)` words for a changed row.
///
/// Cost: linear in the rows, n log n in the number of different masks.
class RunWriter {
public:
    explicit RunWriter(Allocator& allocator) noexcept
        : run_of_row_{allocator}, rows_by_run_{allocator}, runs_{allocator}, masks_{allocator}, slots_{allocator}, order_{allocator} {}

    /// Appends the body of the section's content to `out`, after calling `head(body size)`. At least one row.
    template <typename Rows, typename Head>
    void write(const Table& table, const Rows& rows, ByteBuffer& out, Head&& head) noexcept {
        const auto count = static_cast<std::uint32_t>(rows.size());
        words_ = mask_words(table);
        runs_.clear();
        masks_.clear();
        slot_count_ = 0;
        if (!collect(rows, count) || !arrange(count)) {
            fail_buffer(out);
            return;
        }
        const std::uint32_t* const order = reinterpret_cast<const std::uint32_t*>(order_.data());
        std::size_t total = 0;
        for (std::uint32_t i = 0; i < run_count(); ++i) {
            Run& run = runs()[order[i]];
            const bool tail = i + 1 == run_count() && run.kind != RowChangeKind::Removed;
            const IdPlan plan = run.meter.plan();
            total += varint_size(run_head(run.kind, plan.form, tail, run.meter.count())) + plan.bytes;
            if (run.kind == RowChangeKind::Removed) {
                continue;
            }
            run.stride = run.kind == RowChangeKind::Added ? table.packed_size : masked_size(table, bits_of(run));
            total += (run.kind == RowChangeKind::Changed ? mask_size(bits_of(run).words, words_) : 0) +
                     (tail ? 0 : varint_size(run.stride)) + run.stride * run.meter.count();
        }
        head(total);
        std::byte* next = out.extend(total);
        if (next == nullptr) {
            return;
        }
        for (std::uint32_t i = 0; i < run_count(); ++i) {
            next = store_run(table, rows, runs()[order[i]], i + 1 == run_count(), next);
        }
    }

private:
    struct Run {
        RowChangeKind kind = RowChangeKind::Removed;
        std::uint32_t mask = 0;  // which of masks_
        std::uint32_t first = 0; // in rows_by_run_
        std::size_t stride = 0;
        IdMeter meter;
    };
    static constexpr std::uint32_t none = 0xFFFFFFFFU;

    [[nodiscard]] Run* runs() noexcept { return reinterpret_cast<Run*>(runs_.data()); }
    [[nodiscard]] std::uint32_t run_count() const noexcept { return static_cast<std::uint32_t>(runs_.size() / sizeof(Run)); }
    [[nodiscard]] const std::uint64_t* mask_at(std::uint32_t mask) const noexcept {
        return reinterpret_cast<const std::uint64_t*>(masks_.data()) + mask * words_;
    }
    [[nodiscard]] FieldBits bits_of(const Run& run) const noexcept { return {mask_at(run.mask)}; }

    /// The number of the new run, or `none`.
    [[nodiscard]] std::uint32_t add_run(RowChangeKind kind, std::uint32_t mask) noexcept {
        std::byte* const room = runs_.extend(sizeof(Run));
        if (room == nullptr) {
            return none;
        }
        Run* const run = new (room) Run;
        run->kind = kind;
        run->mask = mask;
        return run_count() - 1;
    }

    /// Says for each row which run it belongs to.
    template <typename Rows>
    [[nodiscard]] bool collect(const Rows& rows, std::uint32_t count) noexcept {
        auto* const run_of_row = scratch_array<std::uint32_t>(run_of_row_, count);
        // Where a row's mask is found out, behind the masks already known.
        if (run_of_row == nullptr || masks_.extend(words_ * sizeof(std::uint64_t)) == nullptr) {
            return false;
        }
        std::uint32_t removed = none;
        std::uint32_t added = none;
        std::uint32_t changed = none;
        for (std::uint32_t i = 0; i < count; ++i) {
            const RowChangeKind kind = rows.kind(i);
            std::uint32_t& run = kind == RowChangeKind::Removed ? removed : kind == RowChangeKind::Added ? added : changed;
            if (kind == RowChangeKind::Changed) {
                auto* const mask = const_cast<std::uint64_t*>(mask_at(mask_count()));
                rows.mask(i, mask);
                if (run == none || !same_mask(mask, mask_at(runs()[run].mask), words_)) {
                    run = run_with_mask(mask);
                }
            } else if (run == none) {
                run = add_run(kind, 0);
            }
            if (run == none) {
                return false;
            }
            run_of_row[i] = run;
            runs()[run].meter.add(rows.index(i));
        }
        return true;
    }

    /// Masks known, without the one being found out behind them.
    [[nodiscard]] std::uint32_t mask_count() const noexcept {
        return static_cast<std::uint32_t>(masks_.size() / (words_ * sizeof(std::uint64_t)) - 1);
    }

    [[nodiscard]] std::uint32_t run_with_mask(const std::uint64_t* mask) noexcept {
        if (slot_count_ < 2 * (mask_count() + 1) && !grow_slots()) {
            return none;
        }
        auto* const slots = reinterpret_cast<std::uint32_t*>(slots_.data());
        std::uint32_t slot = slot_of(mask);
        for (; slots[slot] != none; slot = (slot + 1) & (slot_count_ - 1)) {
            if (same_mask(mask, mask_at(runs()[slots[slot]].mask), words_)) {
                return slots[slot];
            }
        }
        const std::uint32_t run = add_run(RowChangeKind::Changed, mask_count());
        if (run == none || masks_.extend(words_ * sizeof(std::uint64_t)) == nullptr) {
            return none;
        }
        slots[slot] = run;
        return run;
    }

    [[nodiscard]] std::uint32_t slot_of(const std::uint64_t* mask) const noexcept {
        std::uint64_t hash = 0;
        for (std::size_t i = 0; i < words_; ++i) {
            hash = (hash ^ mask[i]) * 0x9E3779B97F4A7C15ULL;
            hash ^= hash >> 32U;
        }
        return static_cast<std::uint32_t>(hash) & (slot_count_ - 1);
    }

    [[nodiscard]] bool grow_slots() noexcept {
        slot_count_ = slot_count_ == 0 ? 16 : slot_count_ * 2;
        auto* const slots = scratch_array<std::uint32_t>(slots_, slot_count_);
        if (slots == nullptr) {
            return false;
        }
        std::fill_n(slots, slot_count_, none);
        for (std::uint32_t run = 0; run < run_count(); ++run) {
            if (runs()[run].kind == RowChangeKind::Changed) {
                std::uint32_t slot = slot_of(mask_at(runs()[run].mask));
                while (slots[slot] != none) {
                    slot = (slot + 1) & (slot_count_ - 1);
                }
                slots[slot] = run;
            }
        }
        return true;
    }

    /// Puts the runs in order, and the rows of each behind one another.
    [[nodiscard]] bool arrange(std::uint32_t count) noexcept {
        auto* const order = scratch_array<std::uint32_t>(order_, run_count());
        auto* const rows_by_run = scratch_array<std::uint32_t>(rows_by_run_, run_count() == 1 ? 0 : count);
        if (order == nullptr || rows_by_run == nullptr) {
            return false;
        }
        for (std::uint32_t i = 0; i < run_count(); ++i) {
            order[i] = i;
        }
        std::sort(order, order + run_count(), [this](std::uint32_t left, std::uint32_t right) {
            const Run& a = runs()[left];
            const Run& b = runs()[right];
            if (a.kind != b.kind || a.kind != RowChangeKind::Changed) {
                return a.kind < b.kind;
            }
            const std::uint64_t* const x = mask_at(a.mask);
            const std::uint64_t* const y = mask_at(b.mask);
            for (std::size_t word = words_; word-- > 0;) {
                if (x[word] != y[word]) {
                    return x[word] < y[word];
                }
            }
            return false;
        });
        if (run_count() == 1) {
            return true;
        }
        std::uint32_t first = 0;
        for (std::uint32_t i = 0; i < run_count(); ++i) {
            runs()[order[i]].first = first;
            first += runs()[order[i]].meter.count();
        }
        const auto* const run_of_row = reinterpret_cast<const std::uint32_t*>(run_of_row_.data());
        for (std::uint32_t i = 0; i < count; ++i) {
            rows_by_run[runs()[run_of_row[i]].first++] = i;
        }
        return true;
    }

    template <typename Rows>
    std::byte* store_run(const Table& table, const Rows& rows, const Run& run, bool last, std::byte* next) noexcept {
        const std::uint32_t count = run.meter.count();
        const bool tail = last && run.kind != RowChangeKind::Removed;
        const IdForm form = run.meter.plan().form;
        next = store_varint(next, run_head(run.kind, form, tail, count));
        if (run.kind == RowChangeKind::Changed) {
            next = store_mask(next, mask_at(run.mask), words_);
        }
        if (run.kind != RowChangeKind::Removed && !tail) {
            next = store_varint(next, run.stride);
        }
        const bool only = run_count() == 1;
        // Placing the rows moved `first` to the run's end.
        const auto* const members = reinterpret_cast<const std::uint32_t*>(rows_by_run_.data()) + (only ? 0 : run.first - count);
        const auto row_of = [only, members](std::uint32_t i) { return only ? i : members[i]; };
        next = store_ids(next, form, count, [&](std::uint32_t i) { return rows.index(row_of(i)); });
        const auto store_values = [&](const auto& copy) {
            for (std::uint32_t i = 0; i < count; ++i) {
                next = copy.pack(rows.after(row_of(i)), next);
            }
        };
        if (run.kind == RowChangeKind::Added) {
            store_values(FieldCopy{table, FieldMask::all()});
        } else if (run.kind == RowChangeKind::Changed) {
            store_values(FieldCopy{table, bits_of(run)});
        }
        return next;
    }

    std::size_t words_ = 1;
    std::uint32_t slot_count_ = 0; // a power of two
    ByteBuffer run_of_row_;
    ByteBuffer rows_by_run_;
    ByteBuffer runs_;
    ByteBuffer masks_;
    ByteBuffer slots_;
    ByteBuffer order_;
};

} // namespace ecsdb::delta::detail
