/// @file
/// Plans how a stored schema becomes the one a program wants: what can be done by itself, what steps do, and what cannot be.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/layout.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/widening.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// A way from one version of a table to a later one that the program knows.
struct TableStep {
    std::string table;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
};
/// A way from one version of the database to another.
struct DatabaseStep {
    std::string from;
    std::string to;
};

/// How much the schema wanted says.
enum class SchemaScope : std::uint8_t {
    Whole,      ///< Everything about the tables it has.
    Components, ///< What C++ structs say: rows, and little else. The rest of a table stays as it is stored.
};

/// What becomes of one table. Tables that stay as they are have none.
struct TableEvolution {
    TableId table = 0;              ///< In the new schema, and, unless it is added, in the stored one.
    bool added = false;             ///< There are no rows yet …
    bool dropped = false;           ///< … or will be none.
    std::vector<std::size_t> steps; ///< To run on every row, in order: positions in what the plan was given. Empty: rows are widened.
    std::string from;               ///< The version before; empty for a table added.
    std::string to;
    std::string what; ///< In words.
};

/// How a stored schema becomes the one wanted.
struct Evolution {
    Schema schema; ///< What is stored afterwards: the tables of both. A table keeps the number it has in the stored schema.
    std::vector<TableEvolution> tables;
    std::vector<std::size_t> database_steps; ///< To run once the rows are there, in order.
    bool changes = false;                    ///< False: the stored schema will do, and is `schema`.
};

} // namespace ecsdb

namespace ecsdb::detail {

/// The schema of a database that was stored as one and is wanted as another.
class SchemaMerger {
public:
    SchemaMerger(const Schema& stored, const Schema& wanted, SchemaScope scope)
        : stored_{stored}, wanted_{wanted}, components_{scope == SchemaScope::Components}, enums_{wanted.enums()}, structs_{
                                                                                                                       wanted.structs()} {}

    [[nodiscard]] Result<Schema> merge() {
        for (const Table& table : stored_.tables()) {
            const Table* const wanted = table.dropped ? nullptr : find_wanted(table.name);
            if (wanted == nullptr) {
                tables_.push_back(kept(table));
            } else if (!components_) {
                tables_.push_back(*wanted);
            } else {
                tables_.push_back(of_struct(table, *wanted));
            }
        }
        for (const Table& table : wanted_.tables()) {
            if (stored_.find_table(table.name) == nullptr && !is_spent(table)) {
                tables_.push_back(table);
            }
        }
        const bool versioned = !wanted_.database_version().empty();
        return finish_schema(Schema{components_ ? stored_.name() : wanted_.name(),
                                    versioned ? wanted_.database_version() : stored_.database_version(), std::move(tables_),
                                    std::move(enums_), std::move(structs_), components_ ? stored_.entity_names() : wanted_.entity_names()});
    }

private:
    /// Dropped or not: a table that is to go is named as such.
    [[nodiscard]] const Table* find_wanted(std::string_view name) const noexcept {
        const Table* const living = wanted_.find_table(name);
        if (living != nullptr) {
            return living;
        }
        const auto& tables = wanted_.tables();
        const auto found = std::find_if(tables.begin(), tables.end(), [&](const Table& table) { return table.name == name; });
        return found == tables.end() ? nullptr : &*found;
    }
    /// Dropped in both.
    [[nodiscard]] bool is_spent(const Table& table) const noexcept {
        return table.dropped && std::any_of(stored_.tables().begin(), stored_.tables().end(),
                                            [&](const Table& other) { return other.name == table.name && other.dropped; });
    }

    /// A table the program says nothing about.
    [[nodiscard]] Table kept(const Table& table) {
        Table same = table;
        adopt(same.fields);
        return same;
    }

    [[nodiscard]] Table of_struct(const Table& table, const Table& wanted) {
        Table merged = wanted;
        for (Field& field : merged.fields) {
            if (const Field* const before = table.find_field(field.name)) {
                keep_promises(*before, field);
            }
        }
        if (merged.version <= table.version && are_same_rows(stored_, table, wanted_, merged)) {
            return kept(table);
        }
        const Table defaults;
        merged.storage = merged.storage == defaults.storage ? table.storage : merged.storage;
        merged.persist = merged.persist == defaults.persist ? table.persist : merged.persist;
        merged.capacity = merged.capacity == 0 ? table.capacity : merged.capacity;
        merged.parent_name = merged.parent_name.empty() ? table.parent_name : merged.parent_name;
        merged.key_name = merged.key_name == "entity_id" ? table.key_name : merged.key_name;
        return merged;
    }

    static void keep_promises(const Field& before, Field& field) {
        // A key to an entity is a plain number to a struct that does not say otherwise.
        field.type = before.type == FieldType::Entity && field.type == FieldType::U64 ? FieldType::Entity : field.type;
        field.nullable = field.nullable || (before.nullable && before.type == FieldType::Entity);
        field.not_null = field.not_null || (before.not_null && !field.nullable);
        field.unique = field.unique || before.unique;
        field.indexed = field.indexed || before.indexed;
        field.deprecated = field.deprecated || before.deprecated;
        const auto keep = [](const SchemaValue& old, SchemaValue& value) {
            value = std::holds_alternative<std::monostate>(value) ? old : value;
        };
        keep(before.default_value, field.default_value);
        keep(before.min, field.min);
        keep(before.max, field.max);
        if (!field.foreign_key) {
            field.foreign_key = before.foreign_key;
        }
        field.capacity = is_content(field.type) && field.capacity == 0 ? before.capacity : field.capacity;
    }

    /// Types are known by their names: those the program does not have are taken over.
    void adopt(std::vector<Field>& fields) {
        for (Field& field : fields) {
            if (field.type == FieldType::Enum) {
                field.type_index = adopt(enums_, stored_.enums()[field.type_index]);
            } else if (field.type == FieldType::Struct) {
                StructType type = stored_.structs()[field.type_index];
                const auto known = position_of(structs_, type.name);
                if (known == structs_.size()) {
                    adopt(type.fields); // inner ones first; no struct contains itself
                }
                field.type_index = adopt(structs_, type);
            }
        }
    }
    template <typename Type>
    [[nodiscard]] static std::size_t position_of(const std::vector<Type>& types, const std::string& name) noexcept {
        return static_cast<std::size_t>(std::find_if(types.begin(), types.end(), [&](const Type& t) { return t.name == name; }) -
                                        types.begin());
    }
    template <typename Type>
    [[nodiscard]] static std::uint16_t adopt(std::vector<Type>& types, const Type& type) {
        const std::size_t position = position_of(types, type.name);
        if (position == types.size()) {
            types.push_back(type);
        }
        return static_cast<std::uint16_t>(position);
    }

    const Schema& stored_;
    const Schema& wanted_;
    bool components_;
    std::vector<Table> tables_;
    std::vector<EnumType> enums_;
    std::vector<StructType> structs_;
};

/// Compares what is stored with what is to be, table by table.
class EvolutionPlanner {
public:
    EvolutionPlanner(const Schema& stored, std::span<const TableStep> steps, Evolution& plan)
        : stored_{stored}, steps_{steps}, plan_{plan} {}

    [[nodiscard]] Result<void> plan_tables() {
        for (const Table& table : plan_.schema.tables()) {
            const bool is_stored = table.id < stored_.tables().size();
            if (!is_stored) {
                plan_.tables.push_back({table.id, true, table.dropped, {}, {}, std::to_string(table.version), "added"});
            } else if (!stored_.table(table.id).dropped) {
                if (auto planned = plan_table(stored_.table(table.id), table); !planned) {
                    return planned;
                }
            }
        }
        return {};
    }

private:
    Result<void> plan_table(const Table& before, const Table& table) {
        if (table.dropped) {
            plan_.tables.push_back({table.id, false, true, {}, std::to_string(before.version), std::to_string(table.version), "dropped"});
            return {};
        }
        if (table.version < before.version) {
            return refuse(table, "is stored in version " + std::to_string(before.version) + ", and the program brings version " +
                                     std::to_string(table.version) + ": a newer program wrote it, and migrations lead forward only");
        }
        TableEvolution evolution{table.id, false, false, {}, std::to_string(before.version), std::to_string(table.version), {}};
        if (auto chained = chain(before.version, table, evolution.steps); !chained) {
            return chained;
        }
        if (evolution.steps.empty()) {
            if (auto widened = check_fields(before, table); !widened) {
                return widened;
            }
        }
        evolution.what = describe(before, table, evolution.steps);
        if (!evolution.what.empty()) {
            plan_.tables.push_back(std::move(evolution));
        }
        return {};
    }

    /// The steps from version `at` to the table's: all of them, or none where none is meant for what lies between.
    Result<void> chain(std::uint32_t at, const Table& table, std::vector<std::size_t>& chosen) const {
        const auto concerned = [&](const TableStep& step) {
            return step.table == table.name && step.from >= at && step.to <= table.version;
        };
        std::string known;
        for (const TableStep& step : steps_) {
            if (concerned(step)) {
                known += (known.empty() ? "" : ", ") + std::to_string(step.from) + " to " + std::to_string(step.to);
            }
        }
        if (known.empty()) {
            return {};
        }
        while (at < table.version) {
            std::size_t next = steps_.size();
            for (std::size_t i = 0; i < steps_.size(); ++i) {
                if (concerned(steps_[i]) && steps_[i].from == at) {
                    if (next != steps_.size()) {
                        return refuse(table, "two steps lead on from version " + std::to_string(at));
                    }
                    next = i;
                }
            }
            if (next == steps_.size()) {
                return refuse(table, "no step leads on from version " + std::to_string(at) + " towards version " +
                                         std::to_string(table.version) + "; there are those from " + known);
            }
            chosen.push_back(next);
            at = steps_[next].to;
        }
        return {};
    }

    Result<void> check_fields(const Table& before, const Table& table) const {
        if (before.persist == Persist::Transient) {
            return {}; // no row of it was ever stored
        }
        for (const Field& field : before.fields) {
            const Field* const now = table.find_field(field.name);
            std::string why = now == nullptr ? "would be gone" : why_not_wider(stored_, field, plan_.schema, *now);
            if (!why.empty()) {
                const std::uint32_t to = std::max(before.version + 1, table.version);
                return refuse(table, "field `" + field.name + "` " + why + ": that needs a step from version " +
                                         std::to_string(before.version) + " to " + std::to_string(to) + " and the program has none" +
                                         (to == table.version ? "" : ", nor has the table's version been raised"));
            }
        }
        return {};
    }

    /// What is new about `table`; empty for nothing.
    [[nodiscard]] std::string describe(const Table& before, const Table& table, const std::vector<std::size_t>& steps) const {
        std::string text;
        const auto add = [&](const std::string& words) { text += (text.empty() ? "" : "; ") + words; };
        for (const std::size_t step : steps) {
            add("step from version " + std::to_string(steps_[step].from) + " to " + std::to_string(steps_[step].to));
        }
        for (const Field& field : table.fields) {
            const Field* const old = before.find_field(field.name);
            const std::string name = "field `" + field.name + "` ";
            if (old == nullptr) {
                add(name + "added");
                continue;
            }
            const std::string was = (old->has_presence_byte() ? "nullable " : "") + spell_type(stored_, *old);
            const std::string is = (field.has_presence_byte() ? "nullable " : "") + spell_type(plan_.schema, field);
            if (was != is) {
                add(name + "is " + is + " instead of " + was);
            }
            if (field.deprecated && !old->deprecated) {
                add(name + "deprecated");
            }
        }
        for (const Field& field : before.fields) {
            if (table.find_field(field.name) == nullptr) {
                add("field `" + field.name + "` removed");
            }
        }
        if (table.deprecated && !before.deprecated) {
            add("deprecated");
        }
        if (text.empty() && (before.version != table.version || meaning(before, stored_) != meaning(table, plan_.schema))) {
            add("order, types, storage or promises changed");
        }
        return text;
    }

    /// A hash over all that matters about one table. Parents and keys are numbers, and those stay.
    [[nodiscard]] static std::uint64_t meaning(const Table& table, const Schema& schema) {
        const Schema alone{{}, {}, {table}, schema.enums(), schema.structs()};
        return schema_hash(alone);
    }

    [[nodiscard]] static Error refuse(const Table& table, const std::string& why) {
        return Error{ErrorCode::SchemaMismatch, "table `" + table.name + "`: " + why};
    }

    const Schema& stored_;
    std::span<const TableStep> steps_;
    Evolution& plan_;
};

/// The database's own steps, by its versions, which are words: none where the program has none that begin at the stored one.
[[nodiscard]] inline Result<std::vector<std::size_t>> chain_of_database(const std::string& stored, const std::string& wanted,
                                                                        std::span<const DatabaseStep> steps) {
    std::vector<std::size_t> chosen;
    std::string at = stored;
    while (at != wanted && chosen.size() <= steps.size()) {
        const auto leads_on = [&](const DatabaseStep& step) { return step.from == at; };
        const auto next = std::find_if(steps.begin(), steps.end(), leads_on);
        if (next == steps.end()) {
            break;
        }
        chosen.push_back(static_cast<std::size_t>(next - steps.begin()));
        at = next->to;
    }
    const bool leads_there =
        std::any_of(steps.begin(), steps.end(), [&](const DatabaseStep& step) { return step.to == wanted && stored != wanted; });
    if (at != wanted && (leads_there || !chosen.empty())) {
        return Error{ErrorCode::SchemaMismatch, "database: no step leads on from version `" + at + "`; it is stored in version `" + stored +
                                                    "`, and the program brings version `" + wanted + "`"};
    }
    return chosen;
}

} // namespace ecsdb::detail

namespace ecsdb {

/// How `stored` becomes what `wanted` says, both finished. A table is known by its name; one that `wanted` does not have stays as it is,
/// one it marks as dropped goes. Rows that need no step are widened (`why_not_wider`), and fields they do not have get their defaults.
/// Where steps of a table lie between its two versions, they must lead all the way.
///
/// `SchemaMismatch` names table, field and versions for a downgrade, a gap between steps, or a change that needs a step and has none;
/// `InvalidSchema` where what the two say together contradicts itself. Looks at no data: whether rows keep new promises is seen when they
/// are there. Cost: O(fields of both).
[[nodiscard]] inline Result<Evolution> plan_evolution(const Schema& stored, const Schema& wanted, std::span<const TableStep> steps = {},
                                                      std::span<const DatabaseStep> database_steps = {},
                                                      SchemaScope scope = SchemaScope::Whole) {
    Result<Schema> merged = detail::SchemaMerger{stored, wanted, scope}.merge();
    if (!merged) {
        return std::move(merged).error();
    }
    Evolution plan;
    plan.schema = *std::move(merged);
    plan.schema.set_history(stored.history());
    if (auto planned = detail::EvolutionPlanner{stored, steps, plan}.plan_tables(); !planned) {
        return std::move(planned).error();
    }
    auto chain = detail::chain_of_database(stored.database_version(), plan.schema.database_version(), database_steps);
    if (!chain) {
        return std::move(chain).error();
    }
    plan.database_steps = *std::move(chain);
    plan.changes = plan.schema.hash() != stored.hash() || plan.schema.database_version() != stored.database_version();
    if (!plan.changes) {
        plan.schema = stored;
        plan.tables.clear();
    }
    return plan;
}

} // namespace ecsdb
