/// @file
/// The promises of a schema, sorted by who has to keep them: row checks, keys, parents.
#pragma once

#include "ecsdb/constraint/content_check.hpp"
#include "ecsdb/constraint/row_check.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/storage/changes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace ecsdb::constraint {

/// Where a key lies in a row, and which of its bytes mean something: text of odd length is padded.
class KeyPlace {
public:
    explicit KeyPlace(const Field& field)
        : offset_{field.offset}, count_{field.element_count()}, stride_{field.size / count_},
          bytes_{field.type == FieldType::String ? static_cast<std::uint32_t>(sizeof(std::uint16_t)) + field.capacity : stride_},
          presence_offset_{field.presence_offset}, is_entity_{field.type == FieldType::Entity && field.extents.empty()},
          has_presence_{field.has_presence_byte()}, bytes_in_all_{field.size + (has_presence_ ? 1U : 0U)} {}

    /// Absent, or the null entity: names nothing and equals nothing.
    [[nodiscard]] bool is_null(const std::byte* row) const noexcept {
        return has_presence_ ? row[presence_offset_] == std::byte{} : is_entity_ && entity(row).is_null();
    }
    /// The key of a field that holds one entity.
    [[nodiscard]] Entity entity(const std::byte* row) const noexcept {
        std::uint64_t bits = 0;
        std::memcpy(&bits, row + offset_, sizeof(bits));
        return Entity::from_bits(bits);
    }
    [[nodiscard]] std::uint64_t hash(const std::byte* row, std::uint64_t seed) const noexcept {
        for (std::uint32_t i = 0; i < count_; ++i) {
            seed = hash64({row + offset_ + std::size_t{i} * stride_, bytes_}, seed);
        }
        return seed;
    }
    /// Whether this key of `row` is that key of `other_row`. Both fields are of one type, and neither is null.
    [[nodiscard]] bool equals(const std::byte* row, const KeyPlace& other, const std::byte* other_row) const noexcept {
        for (std::uint32_t i = 0; i < count_; ++i) {
            const std::size_t at = std::size_t{i} * stride_;
            if (std::memcmp(row + offset_ + at, other_row + other.offset_ + at, bytes_) != 0) {
                return false;
            }
        }
        return true;
    }
    /// Whether two rows have the very same bytes here; presence included.
    [[nodiscard]] bool untouched(const std::byte* before, const std::byte* after) const noexcept {
        return std::memcmp(before + offset_, after + offset_, bytes_in_all_) == 0;
    }
    void set_null(std::byte* row) const noexcept { std::memset(row + offset_, 0, bytes_in_all_); }

private:
    std::uint32_t offset_;
    std::uint32_t count_;
    std::uint32_t stride_;
    std::uint32_t bytes_; ///< Of each element, without padding.
    std::uint32_t presence_offset_;
    bool is_entity_;
    bool has_presence_;
    std::uint32_t bytes_in_all_; ///< The presence byte follows the value.
};

/// One key: a unique field, or a foreign key. A field that is both has two.
struct KeySlot {
    static constexpr std::uint32_t no_slot = 0xFFFFFFFFU;

    const Table* table;
    const Field* field;
    KeyPlace place;
    bool unique = false;                 ///< Otherwise a foreign key.
    bool referred = false;               ///< Unique: a foreign key names its values.
    std::uint32_t target_slot = no_slot; ///< Foreign key: the unique slot it names, or `no_slot` for an entity.
    TableId target_table = no_table;     ///< … which must have this table, if any.
    OnDelete on_delete = OnDelete::Restrict;
};

/// What one table promises.
struct TableRules {
    RowCheck check;
    ContentCheck contents;
    std::vector<std::uint32_t> slots; ///< Its keys, in the order of `Rules::slots`.
    std::vector<TableId> children;    ///< Tables whose rows go with its rows.
    TableId parent = no_table;
    bool named_by_entity = false; ///< Foreign keys name its rows by their entity …
    bool named_by_value = false;  ///< … or by a unique field of it.

    /// Nothing is promised of its rows, nor of others that depend on them: any change of them will do.
    [[nodiscard]] bool empty() const noexcept {
        return check.empty() && contents.empty() && slots.empty() && children.empty() && parent == no_table && !named_by_entity &&
               !named_by_value;
    }
};

/// All promises of a schema. Fixed once made; any thread may read.
class Rules {
public:
    /// `schema` must outlive the rules, and be finished. Cost: O(fields).
    explicit Rules(const Schema& schema) : schema_{&schema} {
        tables_.reserve(schema.tables().size());
        for (const Table& table : schema.tables()) {
            tables_.push_back({table.dropped ? RowCheck{schema, Table{}} : RowCheck{schema, table},
                               table.dropped ? ContentCheck{} : ContentCheck{table},
                               {},
                               {},
                               table.parent});
            for (std::size_t i = 0; !table.dropped && i < table.fields.size(); ++i) {
                add_slots(table, table.fields[i]);
            }
        }
        for (KeySlot& slot : slots_) {
            if (!slot.unique) {
                resolve(slot);
            }
        }
        for (const Table& table : schema.tables()) {
            if (table.parent != no_table) {
                tables_[table.parent].children.push_back(table.id);
            }
        }
        for (const TableRules& table : tables_) {
            concerns_.push_back(table.empty() ? 0 : 1);
        }
    }

    [[nodiscard]] const Schema& schema() const noexcept { return *schema_; }
    [[nodiscard]] const TableRules& table(TableId id) const noexcept { return tables_[id]; }
    [[nodiscard]] std::size_t table_count() const noexcept { return tables_.size(); }
    [[nodiscard]] const KeySlot& slot(std::uint32_t id) const noexcept { return slots_[id]; }
    [[nodiscard]] std::size_t slot_count() const noexcept { return slots_.size(); }

    /// Nothing to keep: any rows will do.
    [[nodiscard]] bool empty() const noexcept {
        return std::all_of(tables_.begin(), tables_.end(), [](const TableRules& table) { return table.empty(); });
    }
    /// Whether a change may break a promise, or have others follow it.
    [[nodiscard]] bool concerns(const storage::Change& change) const noexcept {
        return change.kind == storage::ChangeKind::Destroyed ? !slots_.empty()
                                                             : change.kind != storage::ChangeKind::Created && concerns_[change.table] != 0;
    }

private:
    void add_slots(const Table& table, const Field& field) {
        const auto add = [&](bool unique) {
            tables_[table.id].slots.push_back(static_cast<std::uint32_t>(slots_.size()));
            KeySlot slot{&table, &field, KeyPlace{field}};
            slot.unique = unique;
            slots_.push_back(slot);
        };
        if (field.unique) {
            add(true);
        }
        if (field.foreign_key) {
            add(false);
        }
    }

    void resolve(KeySlot& key) {
        const ForeignKey& target = *key.field->foreign_key;
        key.on_delete = target.on_delete;
        if (target.to_key) {
            key.target_table = target.table_id;
            if (target.table_id != no_table) {
                tables_[target.table_id].named_by_entity = true;
            }
            return;
        }
        for (const std::uint32_t id : tables_[target.table_id].slots) {
            if (slots_[id].unique && slots_[id].field->id == target.field_id) {
                slots_[id].referred = true;
                tables_[target.table_id].named_by_value = true;
                key.target_slot = id;
            }
        }
    }

    const Schema* schema_;
    List<TableRules> tables_;
    List<KeySlot> slots_;
    List<std::uint8_t> concerns_; ///< By table: its rules are not empty.
};

/// The first field of `table` that a whole-column update could break without anybody noticing, or null: one that is bounded, an enum, text,
/// not_null, unique or a foreign key. Cost: O(fields).
[[nodiscard]] inline const Field* first_constrained_field(const Schema& schema, const Table& table) {
    const auto found = std::find_if(table.fields.begin(), table.fields.end(), [&](const Field& field) {
        return field.unique || field.foreign_key || RowCheck::can_be_wrong(schema, field);
    });
    return found == table.fields.end() ? nullptr : &*found;
}

/// How messages call an entity.
[[nodiscard]] inline std::string describe(Entity entity) {
    return "entity " + std::to_string(entity.index()) + " (generation " + std::to_string(entity.generation()) + ")";
}

} // namespace ecsdb::constraint
