/// @file
/// Keeps unique fields and foreign keys: knows who holds and who names which key, acts when a target goes, and checks what was written.
#pragma once

#include "ecsdb/constraint/key_index.hpp"
#include "ecsdb/constraint/rules.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ecsdb::constraint {

/// The row of whoever has `index` now, or null.
[[nodiscard]] inline const std::byte* row_of(const storage::Root& root, std::uint32_t index, TableId table) noexcept {
    if (root.schema->table(table).storage == Storage::Sparse) {
        return root.find_sparse_row(index, table); // who is dead has none
    }
    const storage::EntityRecord* const record = root.entities.find(index);
    return record == nullptr || record->archetype == storage::no_archetype ? nullptr : root.find_row(*record, index, table);
}

/// The keys of one database, during one transaction after the other: `note` every row written, then `release` every row changed or gone
/// (which may change more), then `verify`, `settle`; at last `keep` or `forget`.
///
/// The index holds the keys as they were before the transaction, and beside them, marked as new, those it wrote. Every entry is only a
/// hint: it counts if the row has that key now. So a swap within one transaction needs no order. Writer only.
class Keys {
public:
    Keys(const Rules& rules, Allocator& allocator) noexcept
        : rules_{&rules}, index_{rules.slot_count(), allocator}, written_{allocator}, stale_{allocator}, blocked_{allocator} {}

    /// Reads every key of `root` anew. False when memory is refused. Cost: O(rows of tables with keys).
    [[nodiscard]] bool rebuild(const storage::Root& root) {
        index_.clear();
        written_.clear();
        stale_.clear();
        blocked_.clear();
        bool complete = true;
        for (TableId table = 0; table < rules_->table_count(); ++table) {
            if (!rules_->table(table).slots.empty()) {
                storage::for_each_row(root, std::array{table}, [&](std::uint32_t source, const std::byte* const* rows) {
                    for (const std::uint32_t slot : rules_->table(table).slots) {
                        if (complete && !place(slot).is_null(rows[0])) {
                            complete = index_.add(key_of(slot, rows[0]), source, slot, 0) != KeyIndex::none;
                        }
                    }
                });
            }
        }
        return complete;
    }

    /// Hints that `change` will be noted, in three steps that each need what the one before has hinted at.
    void prefetch_source(const storage::Change& change) const noexcept {
        for (const std::uint32_t slot : rules_->table(change.table).slots) {
            index_.prefetch_source(change.index, slot);
        }
    }
    /// `ahead` changes will be noted before this one.
    void prefetch_entry(const storage::WriteBuffer& state, const storage::Change& change, std::size_t ahead) const noexcept {
        const std::vector<std::uint32_t>& slots = rules_->table(change.table).slots;
        const std::byte* const row = slots.empty() ? nullptr : row_of(state.root(), change.index, change.table);
        if (row != nullptr) {
            for (const std::uint32_t slot : slots) {
                index_.prefetch_entry(change.index, slot);
                index_.prefetch_key(key_of(slot, row));
            }
            index_.prefetch_room(ahead);
        }
    }
    void prefetch_group(const storage::Change& change) const noexcept {
        for (const std::uint32_t slot : rules_->table(change.table).slots) {
            index_.prefetch_group(change.index, slot);
        }
    }

    /// A row was added or changed by the transaction's own operations, all of which are done. False when memory is refused.
    [[nodiscard]] bool note(const storage::WriteBuffer& state, const storage::Change& change) noexcept {
        const std::vector<std::uint32_t>& slots = rules_->table(change.table).slots;
        const std::byte* const row = slots.empty() ? nullptr : row_of(state.root(), change.index, change.table);
        if (row == nullptr) {
            return true;
        }
        for (const std::uint32_t slot : slots) {
            if (untouched(state, change, slot, row) || place(slot).is_null(row)) {
                continue;
            }
            const std::uint64_t key = key_of(slot, row);
            bool known = false;
            for (Id id = index_.first_of_source(change.index, slot); id != none && !known; id = index_[id].next_of_source) {
                known = index_[id].key == key;
            }
            if (!known && (!written_.reserve_more(1) || !push_new(key, change.index, slot, row))) {
                return false;
            }
        }
        return true;
    }

    /// The entity whose row of `table` has now, in unique field `field`, the value that lies there in `row`: null for none, nothing where
    /// the field is no key. Cost: O(1), and O(changes) while those of the running transaction are not `noted`.
    [[nodiscard]] std::optional<Entity> find_unique(const storage::WriteBuffer& state, TableId table, FieldId field, const std::byte* row,
                                                    bool noted) const noexcept {
        for (const std::uint32_t id : rules_->table(table).slots) {
            const KeySlot& slot = rules_->slot(id);
            if (!slot.unique || slot.field->id != field) {
                continue;
            }
            const storage::Root& root = state.root();
            if (const Id holder = find_holder(root, id, key_of_value(id, slot.place, row), slot.place, row, nobody); holder != none) {
                return root.entity_at(index_[holder].source);
            }
            for (const storage::Change& change : noted ? Slice<const storage::Change>{} : state.changes().list()) {
                const bool written = change.kind == storage::ChangeKind::Added || change.kind == storage::ChangeKind::Changed;
                const std::byte* const other = written && change.table == table ? row_of(root, change.index, table) : nullptr;
                if (other != nullptr && !slot.place.is_null(other) && slot.place.equals(other, slot.place, row)) {
                    return root.entity_at(change.index);
                }
            }
            return Entity{};
        }
        return std::nullopt;
    }

    /// An entity, a row or a key is gone: what named it goes too, is cleared, or is kept in mind for `verify`. Changes it makes are noted
    /// in `state` and must be released in their turn. False when memory is refused. Cost: O(keys that name it).
    [[nodiscard]] bool release(storage::WriteBuffer& state, const storage::Change& change) noexcept {
        const bool whole_entity = change.kind == storage::ChangeKind::Destroyed;
        if (!whole_entity && !rules_->table(change.table).named_by_entity && !rules_->table(change.table).named_by_value) {
            return true;
        }
        const std::byte* const row = whole_entity ? nullptr : row_of(state.root(), change.index, change.table);
        const bool released = for_each_slot(change, [&](std::uint32_t slot) {
            if (!rules_->slot(slot).referred || untouched(state, change, slot, row)) {
                return true;
            }
            for (Id id = index_.first_of_source(change.index, slot); id != none; id = index_[id].next_of_source) {
                if (!is_current(state.root(), id) && !release_value(state, id)) {
                    return false;
                }
            }
            return true;
        });
        if (!released) {
            return false;
        }
        const bool entity_named = whole_entity || (row == nullptr && rules_->table(change.table).named_by_entity);
        return !entity_named || release_entity(state, entity_of(state.root(), change));
    }

    /// The transaction is complete: every key it wrote must name something and be nobody else's, and nothing may be left that names what
    /// has gone. `as_noted`: nothing has been changed since the last `note`.
    [[nodiscard]] Result<void> verify(const storage::Root& root, bool as_noted = false) {
        for (const auto& [id, noted] : written_) {
            const KeyIndex::Entry& entry = index_[id];
            const KeySlot& slot = rules_->slot(entry.slot);
            const std::byte* const row = as_noted ? noted : current_row(root, id);
            if (row == nullptr) {
                continue;
            }
            index_[id].marks |= current_mark;
            if (slot.unique) {
                const Id other = index_.is_alone(id) ? none : find_holder(root, entry.slot, entry.key, slot.place, row, entry.source);
                if (other != none) {
                    return violation(root, id, "is unique, and " + describe(root.entity_at(index_[other].source)) + " has the same value");
                }
            } else if (!target_exists(root, slot, row)) {
                return violation(root, id, "names " + describe_target(slot, row) + ", which " + why_missing(root, slot, row));
            }
        }
        for (const Id id : blocked_) {
            const KeySlot& slot = rules_->slot(index_[id].slot);
            const std::byte* const row = current_row(root, id);
            if (row != nullptr && !target_exists(root, slot, row)) {
                return violation(root, id,
                                 "still names " + describe_target(slot, row) + ", which the transaction takes away" +
                                     (slot.on_delete == OnDelete::Restrict ? " (on_delete: restrict)" : ""));
            }
        }
        return {};
    }

    /// Remembers what of the index will be outdated once the transaction stands. False when memory is refused.
    [[nodiscard]] bool settle(const storage::WriteBuffer& state, const storage::Change& change) noexcept {
        const bool whole_entity = change.kind == storage::ChangeKind::Destroyed;
        if (!whole_entity && rules_->table(change.table).slots.empty()) {
            return true;
        }
        const std::byte* const row = whole_entity ? nullptr : row_of(state.root(), change.index, change.table);
        return for_each_slot(change, [&](std::uint32_t slot) {
            if (untouched(state, change, slot, row)) {
                return true;
            }
            const std::byte* const now = whole_entity ? row_of(state.root(), change.index, rules_->slot(slot).table->id) : row;
            for (Id id = index_.first_of_source(change.index, slot); id != none; id = index_[id].next_of_source) {
                if ((index_[id].marks & (stale_mark | current_mark)) == 0 && !has_key(id, now)) {
                    if (!stale_.push(id)) {
                        return false;
                    }
                    index_[id].marks |= stale_mark;
                }
            }
            return true;
        });
    }

    /// The transaction stands.
    void keep() noexcept {
        for (const auto& [id, row] : written_) {
            index_[id].marks &= ~(new_mark | current_mark);
        }
        for (const Id id : stale_) {
            index_.remove(id);
        }
        clear_lists();
    }
    /// The transaction never was.
    void forget() noexcept {
        for (const Id id : stale_) {
            index_[id].marks &= ~stale_mark;
        }
        for (const auto& [id, row] : written_) {
            index_.remove(id);
        }
        clear_lists();
    }

    /// How many keys are known.
    [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }

private:
    using Id = KeyIndex::Id;
    static constexpr Id none = KeyIndex::none;
    static constexpr std::uint32_t new_mark = 1;     ///< Written by the transaction at hand.
    static constexpr std::uint32_t stale_mark = 2;   ///< Outdated by it.
    static constexpr std::uint32_t current_mark = 4; ///< Written by it, and what the row has now, at its end.

    [[nodiscard]] const KeyPlace& place(std::uint32_t slot) const noexcept { return rules_->slot(slot).place; }

    // A value's key is that of its unique slot; who names it is filed under a key that follows from it, so that holders are found
    // without passing the crowd that may name them.
    [[nodiscard]] static std::uint64_t key_of_value(std::uint32_t unique_slot, const KeyPlace& place, const std::byte* row) noexcept {
        return place.hash(row, unique_slot);
    }
    [[nodiscard]] static std::uint64_t key_of_reference(std::uint64_t value_key) noexcept { return mix64(value_key + 1); }
    [[nodiscard]] static std::uint64_t key_of_entity(Entity entity) noexcept { return mix64(entity.to_bits()); }

    [[nodiscard]] std::uint64_t key_of(std::uint32_t id, const std::byte* row) const noexcept {
        const KeySlot& slot = rules_->slot(id);
        if (slot.unique) {
            return key_of_value(id, slot.place, row);
        }
        return slot.target_slot == KeySlot::no_slot ? key_of_entity(slot.place.entity(row))
                                                    : key_of_reference(key_of_value(slot.target_slot, slot.place, row));
    }

    [[nodiscard]] bool push_new(std::uint64_t key, std::uint32_t source, std::uint32_t slot, const std::byte* row) noexcept {
        const Id id = index_.add(key, source, slot, new_mark);
        return id != none && written_.push({id, row}); // which has room
    }

    /// Whether this very change has left the slot's bytes as they are now. What it did earlier or later is another change's business.
    [[nodiscard]] bool untouched(const storage::WriteBuffer& state, const storage::Change& change, std::uint32_t slot,
                                 const std::byte* row) const noexcept {
        return change.kind == storage::ChangeKind::Changed && row != nullptr && place(slot).untouched(state.changes().before(change), row);
    }

    /// The row that has this key now; null if it has another, or is gone.
    [[nodiscard]] const std::byte* current_row(const storage::Root& root, Id id) const noexcept {
        const std::byte* const row = row_of(root, index_[id].source, rules_->slot(index_[id].slot).table->id);
        return has_key(id, row) ? row : nullptr;
    }
    [[nodiscard]] bool is_current(const storage::Root& root, Id id) const noexcept { return current_row(root, id) != nullptr; }
    /// Whether `row`, that of the entry's source or null, has the entry's key.
    [[nodiscard]] bool has_key(Id id, const std::byte* row) const noexcept {
        const KeyIndex::Entry& entry = index_[id];
        return row != nullptr && !place(entry.slot).is_null(row) && key_of(entry.slot, row) == entry.key;
    }
    /// Calls `visit(slot)` for every slot that `change` may have emptied or changed, until one says false; whether none did.
    template <typename Visit>
    [[nodiscard]] bool for_each_slot(const storage::Change& change, Visit&& visit) const noexcept {
        if (change.kind != storage::ChangeKind::Destroyed) {
            const auto& slots = rules_->table(change.table).slots;
            return std::all_of(slots.begin(), slots.end(), visit);
        }
        bool going_on = true;
        for (std::uint32_t slot = 0; slot < rules_->slot_count() && going_on; ++slot) {
            going_on = visit(slot);
        }
        return going_on;
    }

    [[nodiscard]] static Entity entity_of(const storage::Root& root, const storage::Change& change) noexcept {
        return change.kind == storage::ChangeKind::Destroyed ? Entity{change.index, static_cast<std::uint32_t>(change.before), root.shard}
                                                             : root.entity_at(change.index);
    }

    /// A row other than `except`'s that has, in unique slot `slot`, the value that lies at `value` in `row`, and whose key is `key`.
    [[nodiscard]] Id find_holder(const storage::Root& root, std::uint32_t slot, std::uint64_t key, const KeyPlace& value,
                                 const std::byte* row, std::uint64_t except) const noexcept {
        for (Id id = index_.first_of_key(key); id != none; id = index_[id].next) {
            if (index_[id].slot != slot || index_[id].source == except) {
                continue;
            }
            const std::byte* const other = row_of(root, index_[id].source, rules_->slot(slot).table->id);
            if (other != nullptr && !place(slot).is_null(other) && place(slot).equals(other, value, row)) {
                return id;
            }
        }
        return none;
    }

    [[nodiscard]] bool target_exists(const storage::Root& root, const KeySlot& slot, const std::byte* row) const noexcept {
        if (slot.target_slot != KeySlot::no_slot) {
            return find_holder(root, slot.target_slot, key_of_value(slot.target_slot, slot.place, row), slot.place, row, nobody) != none;
        }
        const Entity target = slot.place.entity(row);
        const storage::EntityRecord* const record = root.find_living(target);
        return record != nullptr && (slot.target_table == no_table || root.find_row(*record, target.index(), slot.target_table) != nullptr);
    }

    /// The unique value of entry `holder` is not in its row any more.
    bool release_value(storage::WriteBuffer& state, Id holder) noexcept {
        const std::uint64_t key = index_[holder].key;
        const std::uint32_t slot = index_[holder].slot;
        // Who had it before the transaction decides: a row that is still there was renamed, and nothing follows its names.
        bool row_gone = false;
        for (Id id = index_.first_of_key(key); id != none; id = index_[id].next) {
            row_gone = row_gone || (index_[id].slot == slot && (index_[id].marks & new_mark) == 0 &&
                                    row_of(state.root(), index_[id].source, rules_->slot(slot).table->id) == nullptr);
        }
        bool done = true;
        for (Id id = index_.first_of_key(key_of_reference(key)); id != none && done; id = index_[id].next) {
            done = rules_->slot(index_[id].slot).target_slot != slot || follow(state, id, row_gone);
        }
        return done;
    }
    /// `target` is dead, or has lost a row that keys name.
    bool release_entity(storage::WriteBuffer& state, Entity target) noexcept {
        bool done = true;
        for (Id id = index_.first_of_key(key_of_entity(target)); id != none && done; id = index_[id].next) {
            const KeySlot& slot = rules_->slot(index_[id].slot);
            done = slot.unique || slot.target_slot != KeySlot::no_slot || follow(state, id, true);
        }
        return done;
    }

    /// Does to a row that names what may be gone as its key says. Keys the transaction wrote itself must hold: `verify` sees to them.
    bool follow(storage::WriteBuffer& state, Id id, bool target_removed) noexcept {
        const KeyIndex::Entry entry = index_[id];
        const KeySlot& slot = rules_->slot(entry.slot);
        if ((entry.marks & new_mark) != 0 || !is_current(state.root(), id) ||
            target_exists(state.root(), slot, row_of(state.root(), entry.source, slot.table->id))) {
            return true;
        }
        if (!target_removed || slot.on_delete == OnDelete::Restrict) {
            return blocked_.push(id);
        }
        if (slot.on_delete == OnDelete::Cascade) {
            return state.remove(state.root().entity_at(entry.source), slot.table->id) == storage::Outcome::Done;
        }
        bool refused = false;
        std::byte* const row = state.edit_row(entry.source, slot.table->id, refused);
        if (row == nullptr) {
            return false;
        }
        slot.place.set_null(row);
        return true;
    }

    [[nodiscard]] ECSDB_NOINLINE Error violation(const storage::Root& root, Id id, const std::string& what) const {
        const KeySlot& slot = rules_->slot(index_[id].slot);
        return Error{ErrorCode::ConstraintViolation, "table `" + slot.table->name + "`, field `" + slot.field->name + "`, " +
                                                         describe(root.entity_at(index_[id].source)) + ": " + what};
    }
    [[nodiscard]] std::string describe_target(const KeySlot& slot, const std::byte* row) const {
        const ForeignKey& key = *slot.field->foreign_key;
        if (slot.target_slot != KeySlot::no_slot) {
            return "a value of `" + key.table + "." + key.field + "`";
        }
        return describe(slot.place.entity(row)) + (slot.target_table == no_table ? "" : " with a row in `" + key.table + "`");
    }
    [[nodiscard]] static std::string why_missing(const storage::Root& root, const KeySlot& slot, const std::byte* row) {
        if (slot.target_slot != KeySlot::no_slot) {
            return "no row has";
        }
        const Entity target = slot.place.entity(row);
        return target.shard() != root.shard          ? "is of shard " + std::to_string(target.shard())
               : root.find_living(target) == nullptr ? "is not alive"
                                                     : "has none";
    }

    void clear_lists() noexcept {
        written_.clear();
        stale_.clear();
        blocked_.clear();
    }

    static constexpr std::uint64_t nobody = ~std::uint64_t{0}; ///< No entity's index.

    const Rules* rules_;
    KeyIndex index_;
    /// New in the index, and the row it is of as long as nothing is changed.
    struct Written {
        Id id;
        const std::byte* row;
    };
    GrowArray<Written> written_;
    GrowArray<Id> stale_;   ///< To leave it.
    GrowArray<Id> blocked_; ///< Name something that was gone when they were looked at.
};

} // namespace ecsdb::constraint
