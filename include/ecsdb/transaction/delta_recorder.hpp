/// @file
/// Turns the changes noted during a transaction into its canonical delta.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/delta/encoder.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace ecsdb::transaction {

/// Encodes what a transaction did, once, for everybody who consumes it (design D16). Writer only; reuses its memory.
class DeltaRecorder {
public:
    explicit DeltaRecorder(Allocator& allocator) noexcept
        : encoder_{allocator}, bytes_{allocator}, order_{allocator}, gathered_{allocator}, rows_{allocator}, created_{allocator},
          destroyed_{allocator}, touched_{allocator}, versions_{allocator}, contents_{allocator}, content_tables_{allocator} {}

    [[nodiscard]] delta::Encoder& encoder() noexcept { return encoder_; }

    /// Starts the delta of the transaction about to become version `from + versions`. Its time is left to whoever stores or sends it:
    /// transactions of one batch share it.
    void begin(std::uint64_t from, bool counted, bool absolute = false, std::uint64_t versions = 1) noexcept {
        bytes_.clear();
        from_ = from;
        encoder_.begin(
            bytes_,
            delta::Header{.from = from, .to = from + versions, .origin = {}, .clock = {}, .counted = counted, .absolute = absolute});
    }

    /// Writes the sections for the changes noted in `state`. False when memory is refused.
    [[nodiscard]] bool record(storage::WriteBuffer& state) noexcept {
        const Slice<const storage::Change> changes = state.changes().list();
        if (changes.size() == 1 && changes[0].kind >= storage::ChangeKind::Added) [[likely]] {
            const delta::RowChange row = row_change(state, changes[0], changes[0]);
            const Table& table = state.store().schema().table(changes[0].table);
            encoder_.table(table, {&row, 1});
            if (table.has_contents()) [[unlikely]] {
                forget_contents();
                return note_contents(state, table, {&row, 1}) && write_contents(state.store().schema());
            }
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
        // The operations decide, not the bytes: a tag has none.
        row.kind = first.kind == ChangeKind::Added    ? delta::RowChangeKind::Added
                   : last.kind == ChangeKind::Removed ? delta::RowChangeKind::Removed
                                                      : delta::RowChangeKind::Changed;
        if (row.kind != delta::RowChangeKind::Added) {
            row.before = state.changes().before(first);
        }
        if (row.kind != delta::RowChangeKind::Removed) {
            const storage::Root& root = state.root();
            row.after = root.find_row(root.entities.at(first.index), first.index, first.table);
        }
        return row;
    }

    bool record_many(storage::WriteBuffer& state, Slice<const Change> changes) noexcept {
        if (!order_.resize_for_overwrite(changes.size())) {
            return false;
        }
        for (std::size_t i = 0; i < changes.size(); ++i) {
            order_[i] = {key_of(changes[i]), static_cast<std::uint32_t>(i)};
        }
        GrowArray<Place>& order = order_;
        if (!std::is_sorted(order.begin(), order.end()) && !(gather_sections() && std::is_sorted(order.begin(), order.end()))) {
            std::sort(order.begin(), order.end());
        }
        bool unsaid = false;
        return write_sections(state, changes, unsaid) && (!unsaid || count_apart(state, changes)) && write_contents(state.store().schema());
    }

    /// Puts the changes of each table together, in the order in which they come: often they are sorted then, as where many entities were
    /// created one after the other. False, and nothing has changed, where it does not pay or memory is refused.
    [[nodiscard]] bool gather_sections() noexcept {
        constexpr std::size_t most = 64;
        constexpr std::size_t few = 32;
        if (order_.size() < few || !gathered_.resize_for_overwrite(order_.size())) {
            return false;
        }
        std::array<std::uint32_t, most + 1> ends{};
        for (const Place& place : order_) {
            const std::uint64_t section = place.key >> 32U;
            if (section >= most) {
                return false;
            }
            ++ends[section + 1];
        }
        for (std::size_t section = 1; section <= most; ++section) {
            ends[section] += ends[section - 1];
        }
        for (const Place& place : order_) {
            gathered_[ends[place.key >> 32U]++] = place;
        }
        std::swap(order_, gathered_);
        return true;
    }

    /// Writes what the sorted changes amount to. `unsaid` becomes true where a row came and went, so that nothing is said of it although
    /// its entity was counted.
    bool write_sections(storage::WriteBuffer& state, Slice<const Change> changes, bool& unsaid) noexcept {
        GrowArray<Place>& order = order_;
        const storage::Root& root = state.root();
        created_.clear();
        destroyed_.clear();
        forget_contents();
        std::size_t i = 0;
        for (; i < order.size() && changes[order[i].change].kind <= ChangeKind::Destroyed;) {
            const std::size_t group = group_end(order, i);
            const Change& last = changes[order[group - 1].change];
            const Change* destroyed = nullptr;
            for (; i < group; ++i) {
                const Change& change = changes[order[i].change];
                destroyed = change.kind == ChangeKind::Destroyed ? &change : destroyed;
            }
            // One created and destroyed again is destroyed: its generation is spent, and everybody has to know.
            if ((destroyed != nullptr && !destroyed_.push(entity_of(*destroyed, root.shard))) ||
                (last.kind == ChangeKind::Created && !created_.push(entity_of(last, root.shard)))) {
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
                if (is_gone(root, first)) {
                    continue; // a destroyed entity's rows go with it
                }
                if (came_and_went(first, last)) {
                    unsaid = true;
                    continue;
                }
                if (!rows_.push(row_change(state, first, last))) {
                    return false;
                }
            }
            if (!rows_.empty()) {
                const Table& description = state.store().schema().table(table);
                encoder_.table(description, rows_.slice());
                if (description.has_contents() && !note_contents(state, description, rows_.slice())) {
                    return false;
                }
            }
        }
        return true;
    }

    /// Writes the delta anew with every entity's count in it, unless the sections name every entity that was counted anyway.
    bool count_apart(storage::WriteBuffer& state, Slice<const Change> changes) noexcept {
        GrowArray<Place>& order = order_;
        const storage::Root& root = state.root();
        touched_.clear();
        versions_.clear();
        for (std::size_t i = 0; i < order.size();) {
            const Change& first = changes[order[i].change];
            const std::size_t group = group_end(order, i);
            const Change& last = changes[order[group - 1].change];
            i = group;
            if (!is_gone(root, first) && !touched_.push(std::uint64_t{first.index} << 1U | (came_and_went(first, last) ? 1U : 0U))) {
                return false;
            }
        }
        GrowArray<std::uint64_t>& touched = touched_;
        std::sort(touched.begin(), touched.end());
        bool unsaid = false;
        for (std::size_t i = 0; i < touched.size(); ++i) {
            if (i == 0 || touched[i] >> 1U != touched[i - 1] >> 1U) {
                unsaid = unsaid || (touched[i] & 1U) != 0; // what names the entity sorts first
                if (!versions_.push({static_cast<std::uint32_t>(touched[i] >> 1U), 1})) {
                    return false;
                }
            }
        }
        if (!unsaid) {
            return true;
        }
        begin(from_, false);
        if (!write_sections(state, changes, unsaid)) {
            return false;
        }
        encoder_.versions(versions_.slice());
        return true;
    }

    void forget_contents() noexcept {
        contents_.clear();
        content_tables_.clear();
    }
    /// Contents come last in a delta: those of a table's rows are collected until then. A field's content has changed when its number has.
    bool note_contents(const storage::WriteBuffer& state, const Table& table, Slice<const delta::RowChange> rows) noexcept {
        const std::size_t first = contents_.size();
        for (const delta::RowChange& row : rows) {
            for (std::size_t i = 0; row.after != nullptr && i < table.contents.size(); ++i) {
                const Field& field = table.fields[table.contents[i]];
                const ContentHandle before = row.before == nullptr ? ContentHandle{} : storage::handle_in(row.before, field);
                const ContentHandle after = storage::handle_in(row.after, field);
                if (before.number != after.number && !contents_.push({row.index, field.id, state.root().contents.bytes_of(after)})) {
                    return false;
                }
            }
        }
        return contents_.size() == first || content_tables_.push({table.id, first});
    }
    bool write_contents(const Schema& schema) noexcept {
        for (std::size_t i = 0; i < content_tables_.size(); ++i) {
            const std::size_t end = i + 1 == content_tables_.size() ? contents_.size() : content_tables_[i + 1].first;
            encoder_.contents(schema.table(content_tables_[i].table),
                              contents_.slice().subspan(content_tables_[i].first, end - content_tables_[i].first));
        }
        return true;
    }

    static Entity entity_of(const Change& change, std::uint32_t shard) noexcept {
        return Entity{change.index, static_cast<std::uint32_t>(change.before), shard};
    }
    static bool is_gone(const storage::Root& root, const Change& change) noexcept {
        return root.entities.at(change.index).archetype == storage::no_archetype;
    }
    static bool came_and_went(const Change& first, const Change& last) noexcept {
        return first.kind == ChangeKind::Added && last.kind == ChangeKind::Removed;
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
    static std::size_t group_end(const GrowArray<Place>& order, std::size_t i) noexcept {
        const std::uint64_t key = order[i].key;
        while (i < order.size() && order[i].key == key) {
            ++i;
        }
        return i;
    }

    delta::Encoder encoder_;
    ByteBuffer bytes_;
    GrowArray<Place> order_;
    GrowArray<Place> gathered_;
    GrowArray<delta::RowChange> rows_;
    GrowArray<Entity> created_;
    GrowArray<Entity> destroyed_;
    GrowArray<std::uint64_t> touched_; ///< Entity index, and a bit that says that no section names it.
    GrowArray<delta::VersionIncrement> versions_;
    GrowArray<delta::ContentEntry> contents_; ///< Of all tables, one after the other …
    struct TableContents {
        TableId table;
        std::size_t first;
    };
    GrowArray<TableContents> content_tables_; ///< … and where those of each begin.
    std::uint64_t from_ = 0;
};

} // namespace ecsdb::transaction
