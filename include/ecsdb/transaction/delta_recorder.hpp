/// @file
/// Turns the changes noted during a transaction into its canonical delta.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/delta/encoder.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ecsdb::transaction {

/// Encodes what a transaction did, once, for everybody who consumes it (design D16). Writer only; reuses its memory.
class DeltaRecorder {
public:
    explicit DeltaRecorder(Allocator& allocator) noexcept
        : encoder_{allocator}, bytes_{allocator}, order_{allocator}, rows_{allocator}, created_{allocator}, destroyed_{allocator} {}

    [[nodiscard]] delta::Encoder& encoder() noexcept { return encoder_; }

    /// Starts the delta of the transaction about to become version `from + 1`.
    void begin(std::uint64_t from, std::uint64_t time_ns, bool counted) noexcept {
        bytes_.clear();
        encoder_.begin(bytes_, delta::Header{.from = from, .to = from + 1, .time = time_ns, .origin = {}, .clock = {}, .counted = counted});
    }

    /// Writes the sections for the changes noted in `state`. False when memory is refused.
    [[nodiscard]] bool record(storage::WriteBuffer& state) noexcept {
        const std::span<const storage::Change> changes = state.changes().list();
        if (changes.size() == 1 && changes[0].kind >= storage::ChangeKind::Added) [[likely]] {
            const delta::RowChange row = row_change(state, changes[0], changes[0]);
            encoder_.table(state.store().schema().table(changes[0].table), {&row, 1});
            return true;
        }
        return record_many(state, changes);
    }

    /// The finished delta, until the next `begin`. Empty when memory was refused.
    [[nodiscard]] std::span<const std::byte> end() noexcept {
        encoder_.end();
        return bytes_.failed() ? std::span<const std::byte>{} : bytes_.view();
    }

private:
    using Change = storage::Change;
    using ChangeKind = storage::ChangeKind;

    /// What the operations from `first` to `last` on one row amount to; `before` and `after` decide between added, removed and changed.
    static delta::RowChange row_change(const storage::WriteBuffer& state, const Change& first, const Change& last) noexcept {
        delta::RowChange row;
        row.index = first.index;
        if (first.kind != ChangeKind::Added) {
            row.before = const_cast<storage::WriteBuffer&>(state).changes().before(first);
        }
        if (last.kind != ChangeKind::Removed) {
            const storage::Root& root = state.root();
            row.after = root.find_row(root.entities.at(first.index), first.index, first.table);
        }
        row.kind = row.before == nullptr  ? delta::RowChangeKind::Added
                   : row.after == nullptr ? delta::RowChangeKind::Removed
                                          : delta::RowChangeKind::Changed;
        return row;
    }

    bool record_many(storage::WriteBuffer& state, std::span<const Change> changes) noexcept {
        if (!order_.resize_for_overwrite(changes.size())) {
            return false;
        }
        created_.clear();
        destroyed_.clear();
        for (std::size_t i = 0; i < changes.size(); ++i) {
            order_[i] = {key_of(changes[i]), static_cast<std::uint32_t>(i)};
        }
        const std::span<Place> order = order_.view();
        if (!std::is_sorted(order.begin(), order.end())) {
            std::sort(order.begin(), order.end());
        }
        const storage::Root& root = state.root();
        std::size_t i = 0;
        for (; i < order.size() && changes[order[i].change].kind <= ChangeKind::Destroyed;) {
            const Change& first = changes[order[i].change];
            const std::size_t group = group_end(order, i);
            const Change& last = changes[order[group - 1].change];
            const Entity entity{first.index, root.entities.at(first.index).generation, root.shard};
            i = group;
            if (first.kind != last.kind) {
                continue; // created and destroyed again: no trace
            }
            if (!(first.kind == ChangeKind::Created ? created_ : destroyed_).push(entity)) {
                return false;
            }
        }
        if (!created_.empty() || !destroyed_.empty()) {
            encoder_.entities(created_.view(), destroyed_.view());
        }
        while (i < order.size()) {
            const TableId table = changes[order[i].change].table;
            rows_.clear();
            while (i < order.size() && changes[order[i].change].table == table) {
                const std::size_t group = group_end(order, i);
                const Change& first = changes[order[i].change];
                const Change& last = changes[order[group - 1].change];
                i = group;
                // A destroyed entity's rows go with it, unsaid; a row added and removed again was never there.
                const bool gone = root.entities.at(first.index).archetype == storage::no_archetype;
                if (gone || (first.kind == ChangeKind::Added && last.kind == ChangeKind::Removed)) {
                    continue;
                }
                if (!rows_.push(row_change(state, first, last))) {
                    return false;
                }
            }
            if (!rows_.empty()) {
                encoder_.table(state.store().schema().table(table), rows_.view());
            }
        }
        return true;
    }

    /// Orders by table (entities first), then by index; the operations' own order decides the rest.
    struct Place {
        std::uint64_t key;
        std::uint32_t change;
        friend bool operator<(const Place& a, const Place& b) noexcept { return a.key != b.key ? a.key < b.key : a.change < b.change; }
    };
    static std::uint64_t key_of(const Change& change) noexcept {
        const std::uint64_t section = change.kind <= ChangeKind::Destroyed ? 0 : std::uint64_t{change.table} + 1;
        return section << 32U | change.index;
    }
    static std::size_t group_end(std::span<const Place> order, std::size_t i) noexcept {
        const std::uint64_t key = order[i].key;
        while (i < order.size() && order[i].key == key) {
            ++i;
        }
        return i;
    }

    delta::Encoder encoder_;
    ByteBuffer bytes_;
    GrowArray<Place> order_;
    GrowArray<delta::RowChange> rows_;
    GrowArray<Entity> created_;
    GrowArray<Entity> destroyed_;
};

} // namespace ecsdb::transaction
