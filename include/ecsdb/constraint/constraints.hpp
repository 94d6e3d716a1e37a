/// @file
/// What the schema promises, kept: checks every transaction at its end, and takes along what goes with what it removed.
#pragma once

#include "ecsdb/constraint/imported_ids.hpp"
#include "ecsdb/constraint/keys.hpp"
#include "ecsdb/constraint/rules.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/storage/store.hpp"
#include "ecsdb/transaction/participant.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ecsdb::constraint {

/// Row checks, unique fields, foreign keys and parents, as one participant (docs/adr/0004-constraints-as-participant.md).
///
/// The state at the transaction's end is what counts, so rows may refer to each other in circles and values may change places. Keys and
/// children that stood before the transaction follow what they depend on (`on_delete`, `parent_table`); what the transaction itself wrote
/// must hold. A violation fails the transaction with `ErrorCode::ConstraintViolation`. All calls come from the writer. Cost: O(1) per row
/// and key changed, O(keys that name it) per target that goes; the first transaction after opening also reads all keys there are.
class Constraints final : public transaction::Participant {
public:
    /// `schema` must outlive the participant, and be finished.
    Constraints(const Schema& schema, Allocator& allocator)
        : rules_{schema}, keys_{rules_, allocator}, added_{allocator}, concerned_{allocator} {}

    /// Whether the schema promises nothing: then nobody needs this participant.
    [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }
    [[nodiscard]] const Keys& keys() const noexcept { return keys_; }

    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    [[nodiscard]] bool wants_delta() const noexcept override { return false; }

    [[nodiscard]] Result<void> prepare(storage::WriteBuffer& state) noexcept override {
        ECSDB_TRACE_SCOPE("ecsdb constraints");
        keys_.forget(); // the transaction before may have been stopped by somebody else
        if (!know_keys(state)) {
            return no_memory();
        }
        Result<void> checked = check(state);
        if (!checked) {
            keys_.forget();
        }
        return checked;
    }
    void accepted(const transaction::Accepted&) noexcept override { keys_.keep(); }
    void discarded() noexcept override { known_ = false; }
    [[nodiscard]] std::optional<Entity> find_unique(storage::WriteBuffer& state, TableId table, FieldId field,
                                                    const std::byte* row) noexcept override {
        return know_keys(state) ? keys_.find_unique(state, table, field, row, false) : std::nullopt;
    }

private:
    using Change = storage::Change;
    using ChangeKind = storage::ChangeKind;
    /// So many keys (60 bytes each) a second-level cache holds: hints would only cost.
    static constexpr std::size_t most_near_keys = 8192;

    /// Every transaction that changes a key comes by here, so before the first one the keys are those of the published version. False when
    /// memory is refused.
    [[nodiscard]] bool know_keys(storage::WriteBuffer& state) {
        known_ = known_ || rules_.slot_count() == 0 || keys_.rebuild(*state.store().published());
        return known_;
    }

    Result<void> check(storage::WriteBuffer& state) noexcept {
        added_.clear();
        concerned_.clear();
        seen_ = 0;
        const std::span<const Change> list = state.changes().list();
        if (!find_concerned(state)) {
            return no_memory();
        }
        const auto is_written = [](const Change& change) { return change.kind == ChangeKind::Added || change.kind == ChangeKind::Changed; };
        constexpr std::size_t step = 8;
        const auto hint = [&](std::size_t at, auto&& prefetch) {
            if (at < concerned_.size() && is_written(list[concerned_[at]])) {
                prefetch(list[concerned_[at]]);
            }
        };
        const bool far_apart = keys_.size() > most_near_keys;
        for (std::size_t i = 0; i < concerned_.size(); ++i) {
            if (far_apart) {
                hint(i + 3 * step, [&](const Change& change) { keys_.prefetch_source(change); });
                hint(i + 2 * step, [&](const Change& change) { keys_.prefetch_entry(state, change, 2 * step); });
                hint(i + step, [&](const Change& change) { keys_.prefetch_group(change); });
            }
            const Change& change = list[concerned_[i]];
            const bool written = is_written(change);
            if ((written && !keys_.note(state, change)) || (change.kind == ChangeKind::Added && !note_child(change))) {
                return no_memory();
            }
        }
        const std::size_t noted = seen_;
        std::sort(added_.begin(), added_.end());
        // The list grows at its end by what is taken along, and may move meanwhile.
        for (std::size_t i = 0; i < concerned_.size(); ++i) {
            const Change change = concerned(state, i);
            if (change.kind == ChangeKind::Added) {
                continue;
            }
            if (!keys_.release(state, change) || (change.kind == ChangeKind::Removed && !release_children(state, change)) ||
                !find_concerned(state)) {
                return no_memory();
            }
        }
        for (std::size_t i = 0; i < concerned_.size(); ++i) {
            if (const Change& change = concerned(state, i); is_written(change)) {
                if (Result<void> checked = check_row(state, change); !checked) {
                    return checked;
                }
            }
        }
        if (Result<void> verified = keys_.verify(state.root(), seen_ == noted); !verified) {
            return verified;
        }
        const TableId imported = state.store().stable_ids().imported_table();
        for (std::size_t i = 0; i < concerned_.size(); ++i) {
            const Change& change = concerned(state, i);
            if (change.kind != ChangeKind::Destroyed && change.table == imported) {
                if (Result<void> verified = verify_imported_id(state, keys_, change.index); !verified) {
                    return verified;
                }
            }
            if (!keys_.settle(state, change)) {
                return no_memory();
            }
        }
        return {};
    }

    /// Goes on to the end of the changes there are by now. False when memory is refused.
    [[nodiscard]] bool find_concerned(const storage::WriteBuffer& state) noexcept {
        const std::span<const Change> list = state.changes().list();
        for (; seen_ < list.size(); ++seen_) {
            if (rules_.concerns(list[seen_]) && !concerned_.push(seen_)) {
                return false;
            }
        }
        return true;
    }
    [[nodiscard]] const Change& concerned(const storage::WriteBuffer& state, std::size_t i) const noexcept {
        return state.changes().list()[concerned_[i]];
    }

    // A child row added by the transaction must have its parent; one that was there before goes with it.
    [[nodiscard]] static std::uint64_t name_of_row(std::uint32_t index, TableId table) noexcept {
        return std::uint64_t{index} << 16U | table;
    }
    [[nodiscard]] bool note_child(const Change& change) noexcept {
        return rules_.table(change.table).parent == no_table || added_.push(name_of_row(change.index, change.table));
    }
    [[nodiscard]] bool release_children(storage::WriteBuffer& state, const Change& change) noexcept {
        for (const TableId child : rules_.table(change.table).children) {
            const storage::Root& root = state.root();
            if (row_of(root, change.index, child) != nullptr && row_of(root, change.index, change.table) == nullptr &&
                !std::binary_search(added_.begin(), added_.end(), name_of_row(change.index, child)) &&
                state.remove(root.entity_at(change.index), child) != storage::Outcome::Done) {
                return false;
            }
        }
        return true;
    }

    [[nodiscard]] Result<void> check_row(const storage::WriteBuffer& state, const Change& change) const {
        const storage::Root& root = state.root();
        const TableRules& rules = rules_.table(change.table);
        const bool needs_parent = change.kind == ChangeKind::Added && rules.parent != no_table;
        const std::byte* const row =
            rules.check.empty() && rules.contents.empty() && !needs_parent ? nullptr : row_of(root, change.index, change.table);
        if (row == nullptr) {
            return {};
        }
        const auto where = [&](const Field* field) {
            return "table `" + rules_.schema().table(change.table).name + "`, " +
                   (field == nullptr ? "" : "field `" + field->name + "`, ") + describe(root.entity_at(change.index)) + ": ";
        };
        if (needs_parent && row_of(root, change.index, rules.parent) == nullptr) {
            return Error{ErrorCode::ConstraintViolation,
                         where(nullptr) + "needs a row in its parent table `" + rules_.schema().table(rules.parent).name + "`"};
        }
        if (const Fault fault = rules.check(row); fault) {
            return Error{ErrorCode::ConstraintViolation, where(fault.field) + fault.what};
        }
        const std::byte* const before = change.kind == ChangeKind::Changed ? state.changes().before(change) : nullptr;
        if (const Fault fault = rules.contents.empty() ? Fault{} : rules.contents(root.contents, row, before); fault) {
            return Error{ErrorCode::ConstraintViolation, where(fault.field) + fault.what};
        }
        return {};
    }

    [[nodiscard]] static Error no_memory() {
        return Error{ErrorCode::OutOfMemory, "no memory to check the constraints of the transaction; nothing was applied"};
    }

    Rules rules_;
    Keys keys_;
    GrowArray<std::uint64_t> added_;   ///< Child rows the transaction added, sorted.
    GrowArray<std::size_t> concerned_; ///< Which of the transaction's changes matter here …
    std::size_t seen_ = 0;             ///< … of so many.
    bool known_ = false;
};

} // namespace ecsdb::constraint
