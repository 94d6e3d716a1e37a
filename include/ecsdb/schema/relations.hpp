/// @file
/// Resolves what tables say about each other (parents, foreign keys) and refuses what could never be kept.
#pragma once

#include "ecsdb/core/list.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/draft.hpp"
#include "ecsdb/schema/spelling.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::detail {

/// Finds parts by name. Refers to the names of the parts it was made from. Cost: making O(n log n), finding O(log n).
class NameIndex {
public:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    /// Of words, or of parts with a `name`; dropped tables are left out.
    template <typename Parts>
    explicit NameIndex(const Parts& parts) {
        entries_.reserve(parts.size());
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if constexpr (requires { parts[i].dropped; }) {
                if (parts[i].dropped) {
                    continue;
                }
            }
            if constexpr (requires { parts[i].name; }) {
                entries_.push_back({parts[i].name, i});
            } else {
                entries_.push_back({parts[i], i});
            }
        }
        sort();
    }

    /// The position of the part called `name`, or `none`.
    [[nodiscard]] std::size_t find(std::string_view name) const {
        std::size_t first = 0;
        for (std::size_t end = entries_.size(); first < end;) {
            const std::size_t middle = first + (end - first) / 2;
            if (entries_[middle].name < name) {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        return first < entries_.size() && entries_[first].name == name ? entries_[first].position : none;
    }

    /// The position of the first part whose name an earlier one has already, or `none`.
    [[nodiscard]] std::size_t first_duplicate() const {
        std::size_t first = none;
        for (std::size_t i = 1; i < entries_.size(); ++i) {
            if (entries_[i].name == entries_[i - 1].name && entries_[i].position < first) {
                first = entries_[i].position;
            }
        }
        return first;
    }

    [[nodiscard]] std::vector<std::string_view> names() const {
        std::vector<std::string_view> names;
        for (const Entry& entry : entries_) {
            names.push_back(entry.name);
        }
        return names;
    }

private:
    struct Entry {
        std::string_view name;
        std::size_t position;
    };

    void sort() {
        std::sort(entries_.data(), entries_.data() + entries_.size(), [](const Entry& a, const Entry& b) {
            const int order = a.name.compare(b.name);
            return order < 0 || (order == 0 && a.position < b.position);
        });
    }

    List<Entry> entries_;
};

/// Whether rows kept as `target` may be gone after a restart that brings back rows kept as `source`.
[[nodiscard]] constexpr bool outlives(Persist source, Persist target) noexcept {
    return source < target;
}

[[nodiscard]] constexpr std::string_view word_of(Persist persist) noexcept {
    return persist == Persist::Wal ? "wal" : persist == Persist::Snapshot ? "snapshot" : "transient";
}

[[nodiscard]] inline Result<void> resolve_parent(SchemaDraft& draft, const NameIndex& index, std::size_t i) {
    Table& table = draft.tables[i];
    table.parent = no_table;
    if (table.parent_name.empty() || table.parent_name == "entities") {
        return {};
    }
    const SchemaPlace place = in_table(i, SchemaPlace::whole, "parent_table");
    const std::size_t parent = index.find(table.parent_name);
    if (parent == NameIndex::none) {
        return draft.error(place, "parent table `" + table.parent_name + "` is not in the schema" +
                                      did_you_mean(table.parent_name, index.names()));
    }
    if (outlives(table.persist, draft.tables[parent].persist)) {
        return draft.error(place, "rows kept as `" + std::string{word_of(table.persist)} + "` would outlive their parent `" +
                                      table.parent_name + "`, kept as `" + std::string{word_of(draft.tables[parent].persist)} + "`");
    }
    table.parent = static_cast<TableId>(parent);
    return {};
}

[[nodiscard]] inline Result<void> check_parent_cycles(const SchemaDraft& draft) {
    // Each walk marks what it meets with its own number: meeting that number again closes a cycle, meeting another ends the walk.
    std::vector<std::size_t> walks(draft.tables.size(), NameIndex::none);
    for (std::size_t start = 0; start < draft.tables.size(); ++start) {
        for (std::size_t at = start; walks[at] == NameIndex::none;) {
            walks[at] = start;
            const TableId parent = draft.tables[at].parent;
            if (parent == no_table) {
                break;
            }
            if (walks[parent] == start) {
                return draft.error(in_table(at, SchemaPlace::whole, "parent_table"),
                                   "parent `" + draft.tables[parent].name + "` is also its child, so neither could ever be added");
            }
            at = parent;
        }
    }
    return {};
}

/// Whether a field can hold an entity: a reference, or a `u64` that becomes one by being a foreign key to an entity.
[[nodiscard]] inline bool can_name_entity(const Field& field) noexcept {
    return field.type == FieldType::Entity || field.type == FieldType::U64;
}

[[nodiscard]] inline Result<void> resolve_key_target(SchemaDraft& draft, const NameIndex& index, SchemaPlace place, Field& field) {
    ForeignKey& key = *field.foreign_key;
    const std::string target = "`" + key.table + "." + key.field + "`";
    key.table_id = no_table;
    key.to_key = true;
    key.field_id = 0;
    const Field* referred = nullptr;
    if (key.table == "entities") {
        if (key.field != draft.entity_names.key) {
            return draft.error(place, "only `entities." + draft.entity_names.key + "` can be the target of a foreign key, not " + target);
        }
    } else {
        const std::size_t found = index.find(key.table);
        if (found == NameIndex::none) {
            auto names = index.names();
            names.emplace_back("entities");
            return draft.error(place, "foreign key to " + target + ": table `" + key.table + "` is not in the schema" +
                                          did_you_mean(key.table, names));
        }
        key.table_id = static_cast<TableId>(found);
        const Table& table = draft.tables[found];
        if (key.field != table.key_name) {
            referred = table.find_field(key.field);
            if (referred == nullptr) {
                std::vector<std::string_view> names{table.key_name};
                for (const Field& candidate : table.fields) {
                    names.emplace_back(candidate.name);
                }
                return draft.error(place, "foreign key to " + target + ": the table has no such field" + did_you_mean(key.field, names));
            }
            key.to_key = false;
            key.field_id = referred->id;
        }
    }
    if (referred == nullptr) {
        if (!can_name_entity(field)) {
            return draft.error(place, "foreign key to " + target + ": the target is an entity, and the field is " +
                                          spell_type(draft.enums, draft.structs, field) + " (write `entity` or `u64`)");
        }
        field.type = FieldType::Entity;
        return {};
    }
    if (!referred->unique) {
        return draft.error(place, "foreign key to " + target + ": the target is not unique, so it names no single row");
    }
    const bool same = referred->type == field.type && referred->capacity == field.capacity && referred->extents == field.extents &&
                      referred->type_index == field.type_index;
    if (!same) {
        return draft.error(place, "foreign key to " + target + ": the field is " + spell_type(draft.enums, draft.structs, field) +
                                      ", and the target is " + spell_type(draft.enums, draft.structs, *referred));
    }
    return {};
}

[[nodiscard]] inline Result<void> resolve_foreign_key(SchemaDraft& draft, const NameIndex& index, std::size_t i, std::size_t k) {
    const Table& table = draft.tables[i];
    Field& field = draft.tables[i].fields[k];
    const SchemaPlace place = in_table(i, k, "foreign_key");
    if (!field.extents.empty()) {
        return draft.error(place, "a foreign key is a single value, and the field is " + spell_type(draft.enums, draft.structs, field));
    }
    if (auto resolved = resolve_key_target(draft, index, place, field); !resolved) {
        return resolved;
    }
    const ForeignKey& key = *field.foreign_key;
    if (key.on_delete == OnDelete::SetNull && field.not_null) {
        return draft.error(in_table(i, k, "on_delete"), "`set_null` cannot clear a field that is not_null");
    }
    if (key.on_delete == OnDelete::SetNull && !field.nullable && field.type != FieldType::Entity) {
        return draft.error(in_table(i, k, "on_delete"), "`set_null` needs a field that is nullable");
    }
    if (key.table_id != no_table && outlives(table.persist, draft.tables[key.table_id].persist)) {
        return draft.error(place, "rows kept as `" + std::string{word_of(table.persist)} + "` cannot refer to `" + key.table +
                                      "`, kept as `" + std::string{word_of(draft.tables[key.table_id].persist)} +
                                      "`: after a restart the target would be missing");
    }
    return {};
}

/// What is gone keeps its layout, for the rows old logs hold, and promises nothing.
inline void cut_relations(Table& table) {
    table.parent = no_table;
    table.parent_name.clear();
    for (Field& field : table.fields) {
        field.foreign_key.reset();
    }
}

/// Resolves every parent and foreign key by name.
[[nodiscard]] inline Result<void> resolve_relations(SchemaDraft& draft) {
    const NameIndex index{draft.tables};
    if (const auto twice = index.first_duplicate(); twice != NameIndex::none) {
        return draft.error(in_table(twice), "a table of this name is already there");
    }
    for (std::size_t i = 0; i < draft.tables.size(); ++i) {
        if (draft.tables[i].dropped) {
            cut_relations(draft.tables[i]);
            continue;
        }
        if (auto resolved = resolve_parent(draft, index, i); !resolved) {
            return resolved;
        }
        for (std::size_t k = 0; k < draft.tables[i].fields.size(); ++k) {
            if (!draft.tables[i].fields[k].foreign_key) {
                continue;
            }
            if (auto resolved = resolve_foreign_key(draft, index, i, k); !resolved) {
                return resolved;
            }
        }
    }
    return check_parent_cycles(draft);
}

/// Groups tables that refer to each other in a circle, by the rows that removing one row can reach.
class RelationCycles {
public:
    explicit RelationCycles(const SchemaDraft& draft) : groups_(draft.tables.size(), none) {
        Edges forward{{}, {}, groups_};
        Edges backward{{}, {}, groups_};
        const auto connect = [&](std::size_t from, TableId to) {
            if (to != no_table) {
                forward.add(from, to);
                backward.add(to, from);
            }
        };
        for (std::size_t i = 0; i < draft.tables.size(); ++i) {
            const Table& table = draft.tables[i];
            connect(i, table.parent);
            for (const Field& field : table.fields) {
                if (field.foreign_key && field.foreign_key->on_delete != OnDelete::SetNull) {
                    connect(i, field.foreign_key->table_id);
                }
            }
        }
        find_groups(forward, backward);
    }

    [[nodiscard]] bool in_one_cycle(std::size_t a, std::size_t b) const { return groups_[a] == groups_[b]; }
    [[nodiscard]] std::size_t group_of(std::size_t table) const { return groups_[table]; }

private:
    static constexpr std::size_t none = NameIndex::none;
    static constexpr std::size_t seen = none - 1;

    /// Where each table leads to: a list through `to` and `next`, for each table from `first` on.
    struct Edges {
        std::vector<std::size_t> to;
        std::vector<std::size_t> next;
        std::vector<std::size_t> first;

        void add(std::size_t from, std::size_t target) {
            to.push_back(target);
            next.push_back(first[from]);
            first[from] = to.size() - 1;
        }
    };

    /// Appends every table reachable from `start` and not met yet to `left`, each after all it leads to; without recursion, as a schema may
    /// be hostile. Uses the lists up. `met` says which tables were met.
    static void walk(Edges& edges, std::size_t start, std::vector<std::size_t>& met, std::vector<std::size_t>& left) {
        std::vector<std::size_t> path;
        for (std::size_t to = start;;) {
            if (met[to] == none) {
                met[to] = seen;
                path.push_back(to);
            }
            while (!path.empty() && edges.first[path.back()] == none) {
                left.push_back(path.back());
                path.pop_back();
            }
            if (path.empty()) {
                return;
            }
            std::size_t& edge = edges.first[path.back()];
            to = edges.to[edge];
            edge = edges.next[edge];
        }
    }

    void find_groups(Edges& forward, Edges& backward) {
        const std::size_t tables = groups_.size();
        std::vector<std::size_t> order;
        std::vector<std::size_t> met(tables, none);
        for (std::size_t i = 0; i < tables; ++i) {
            walk(forward, i, met, order);
        }
        std::vector<std::size_t> members;
        met.assign(tables, none);
        for (std::size_t i = tables; i-- > 0;) {
            walk(backward, order[i], met, members);
            for (const std::size_t member : members) {
                groups_[member] = order[i];
            }
            members.clear();
        }
    }

    std::vector<std::size_t> groups_; ///< `none` until they are found.
};

/// Refuses circles of foreign keys in which one removes what another protects: no order of removal could be right.
[[nodiscard]] inline Result<void> check_cycles(const SchemaDraft& draft) {
    const RelationCycles cycles{draft};
    std::vector<std::string> cascades(draft.tables.size()); // By group: who cascades in it.
    for (std::size_t i = 0; i < draft.tables.size(); ++i) {
        const Table& table = draft.tables[i];
        if (table.parent != no_table && cycles.in_one_cycle(i, table.parent)) {
            cascades[cycles.group_of(i)] = "`" + table.name + "` goes with its parent `" + table.parent_name + "`";
        }
        for (const Field& field : table.fields) {
            if (field.foreign_key && field.foreign_key->on_delete == OnDelete::Cascade && field.foreign_key->table_id != no_table &&
                cycles.in_one_cycle(i, field.foreign_key->table_id)) {
                cascades[cycles.group_of(i)] = "`" + table.name + "." + field.name + "` cascades";
            }
        }
    }
    for (std::size_t i = 0; i < draft.tables.size(); ++i) {
        for (std::size_t k = 0; k < draft.tables[i].fields.size(); ++k) {
            const auto& key = draft.tables[i].fields[k].foreign_key;
            if (key && key->on_delete == OnDelete::Restrict && key->table_id != no_table && cycles.in_one_cycle(i, key->table_id) &&
                !cascades[cycles.group_of(i)].empty()) {
                return draft.error(in_table(i, k, "on_delete"), "`restrict` closes a circle in which " + cascades[cycles.group_of(i)] +
                                                                    ": a removal would both be required and forbidden");
            }
        }
    }
    return {};
}

} // namespace ecsdb::detail
