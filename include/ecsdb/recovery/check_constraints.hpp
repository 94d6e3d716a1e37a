/// @file
/// Holds every row of a version against what its schema promises.
#pragma once

#include "ecsdb/constraint/keys.hpp"
#include "ecsdb/constraint/rules.hpp"
#include "ecsdb/storage/rows.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ecsdb::recovery {

/// Calls `found(std::string)` for each broken promise of `root`, naming table, field and entity. Cost: O(rows), and memory for every unique
/// value, taken from the heap.
template <typename Found>
void check_constraints(const storage::Root& root, Found&& found) {
    const Schema& schema = *root.schema;
    const constraint::Rules rules{schema};
    // For each unique field: the values there are, by hash, with who has them.
    std::vector<std::multimap<std::uint64_t, std::uint32_t>> holders(rules.slot_count());
    const auto place = [&](const Table& table, const Field* field, std::uint32_t index) {
        return "table `" + table.name + "`, " + (field == nullptr ? "" : "field `" + field->name + "`, ") +
               constraint::describe(root.entity_at(index)) + ": ";
    };
    const auto holder_of = [&](std::uint32_t slot, const constraint::KeyPlace& value, const std::byte* row) {
        const constraint::KeySlot& unique = rules.slot(slot);
        const auto [from, to] = holders[slot].equal_range(value.hash(row, slot));
        for (auto at = from; at != to; ++at) {
            const std::byte* const other = constraint::row_of(root, at->second, unique.table->id);
            if (other != nullptr && unique.place.equals(other, value, row)) {
                return true;
            }
        }
        return false;
    };
    for (const Table& table : schema.tables()) {
        if (table.dropped) {
            continue;
        }
        const constraint::TableRules& promised = rules.table(table.id);
        storage::for_each_row(root, std::array{table.id}, [&](std::uint32_t index, const std::byte* const* rows) {
            if (promised.parent != no_table && constraint::row_of(root, index, promised.parent) == nullptr) {
                found(place(table, nullptr, index) + "has no row in its parent table `" + schema.table(promised.parent).name + "`");
            }
            if (const auto fault = promised.check(rows[0]); fault) {
                found(place(table, fault.field, index) + fault.what);
            }
            if (const auto fault = promised.contents(root.contents, rows[0], nullptr); fault) {
                found(place(table, fault.field, index) + fault.what);
            }
            for (const std::uint32_t id : promised.slots) {
                const constraint::KeySlot& slot = rules.slot(id);
                if (!slot.unique || slot.place.is_null(rows[0])) {
                    continue;
                }
                if (holder_of(id, slot.place, rows[0])) {
                    found(place(table, slot.field, index) + "is unique, and another entity has the same value");
                }
                holders[id].emplace(slot.place.hash(rows[0], id), index);
            }
        });
    }
    for (std::uint32_t id = 0; id < rules.slot_count(); ++id) {
        const constraint::KeySlot& slot = rules.slot(id);
        if (slot.unique) {
            continue;
        }
        storage::for_each_row(root, std::array{slot.table->id}, [&](std::uint32_t index, const std::byte* const* rows) {
            if (slot.place.is_null(rows[0])) {
                return;
            }
            bool exists = false;
            if (slot.target_slot != constraint::KeySlot::no_slot) {
                exists = holder_of(slot.target_slot, slot.place, rows[0]);
            } else {
                const Entity target = slot.place.entity(rows[0]);
                const storage::EntityRecord* const record = root.find_living(target);
                exists = record != nullptr &&
                         (slot.target_table == no_table || root.find_row(*record, target.index(), slot.target_table) != nullptr);
            }
            if (!exists) {
                found(place(*slot.table, slot.field, index) + "names something that is not there");
            }
        });
    }
}

} // namespace ecsdb::recovery
