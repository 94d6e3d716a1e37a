/// @file
/// Checks a whole state against what its schema promises: for one that no transaction has built.
#pragma once

#include "ecsdb/constraint/keys.hpp"
#include "ecsdb/constraint/rules.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

namespace ecsdb::constraint {

/// Checks rows, contents and parents of one table; keys apart.
[[nodiscard]] inline Result<void> check_rows_alone(const storage::Root& root, const Rules& rules, TableId id) {
    const TableRules& of_table = rules.table(id);
    if (of_table.check.empty() && of_table.contents.empty() && of_table.parent == no_table) {
        return {};
    }
    Result<void> checked;
    storage::for_each_row(root, std::array{id}, [&](std::uint32_t index, const std::byte* const* rows) {
        if (!checked) {
            return;
        }
        const auto where = [&](const Field* field) {
            return "table `" + rules.schema().table(id).name + "`, " + (field == nullptr ? "" : "field `" + field->name + "`, ") +
                   describe(root.entity_at(index)) + ": ";
        };
        if (of_table.parent != no_table && row_of(root, index, of_table.parent) == nullptr) {
            checked = Error{ErrorCode::ConstraintViolation,
                            where(nullptr) + "needs a row in its parent table `" + rules.schema().table(of_table.parent).name + "`"};
            return;
        }
        Fault fault = of_table.check(rows[0]);
        if (!fault && !of_table.contents.empty()) {
            fault = of_table.contents(root.contents, rows[0], nullptr);
        }
        if (fault) {
            checked = Error{ErrorCode::ConstraintViolation, where(fault.field) + fault.what};
        }
    });
    return checked;
}

/// Whether every row of the state under construction keeps every promise of its schema. `ConstraintViolation` names table, field, entity
/// and what is wrong with the first that does not; `OutOfMemory`. Changes nothing. Cost: O(rows of tables that promise something).
[[nodiscard]] inline Result<void> check_whole_state(const storage::WriteBuffer& state, Allocator& allocator) {
    const storage::Root& root = state.root();
    const Rules rules{*root.schema};
    Keys keys{rules, allocator};
    for (TableId id = 0; id < rules.table_count(); ++id) {
        if (root.schema->table(id).dropped) {
            continue;
        }
        if (auto checked = check_rows_alone(root, rules, id); !checked) {
            return checked;
        }
        if (rules.table(id).slots.empty()) {
            continue;
        }
        // To the keys it is as if one transaction had brought every row there is.
        bool noted = true;
        storage::for_each_row(root, std::array{id}, [&](std::uint32_t index, const std::byte* const*) {
            storage::Change change{};
            change.kind = storage::ChangeKind::Added;
            change.index = index;
            change.table = id;
            noted = noted && keys.note(state, change);
        });
        if (!noted) {
            return Error{ErrorCode::OutOfMemory, "no memory to check the keys of table `" + root.schema->table(id).name + "`"};
        }
    }
    return keys.verify(root);
}

} // namespace ecsdb::constraint
