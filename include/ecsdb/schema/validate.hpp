/// @file
/// Refuses schemas that contradict themselves, part by part: names, enums, fields, and what one field alone can promise.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/draft.hpp"
#include "ecsdb/schema/relations.hpp"
#include "ecsdb/schema/spelling.hpp"
#include "ecsdb/schema/utf8.hpp"
#include "ecsdb/schema/values.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::detail {

[[nodiscard]] inline Result<void> check_name(const SchemaDraft& draft, SchemaPlace place, std::string_view name) {
    place.key = "name";
    if (!is_identifier(name)) {
        return draft.error(place, "a name is 1 to " + std::to_string(max_name_length) +
                                      " letters, digits and underscores, and starts with no digit");
    }
    if (is_cpp_keyword(name)) {
        return draft.error(place, "the name is a word of C++, so no struct could be generated for it");
    }
    if (name.substr(0, 2) == "__") {
        return draft.error(place, "names that start with two underscores are reserved");
    }
    return {};
}

[[nodiscard]] inline Result<void> check_fields_named(const SchemaDraft& draft, SchemaPlace place, const std::vector<Field>& fields) {
    if (fields.size() > max_members) {
        return draft.error(place, "has more than " + std::to_string(max_members) + " fields");
    }
    for (place.member = 0; place.member < fields.size(); ++place.member) {
        if (auto named = check_name(draft, place, fields[place.member].name); !named) {
            return named;
        }
    }
    if (const auto twice = NameIndex{fields}.first_duplicate(); twice != NameIndex::none) {
        place.member = twice;
        place.key = "name";
        return draft.error(place, "a field of this name is already there");
    }
    return {};
}

/// What a field is, without what it promises: its type, extents and capacity.
[[nodiscard]] inline Result<void> check_type(const SchemaDraft& draft, SchemaPlace place, Field& field) {
    place.key = "type";
    const auto types = field.type == FieldType::Enum ? draft.enums.size() : draft.structs.size();
    if ((field.type == FieldType::Enum || field.type == FieldType::Struct) && field.type_index >= types) {
        return draft.error(place, "the field's " + std::string{name_of(field.type)} + " is not in the schema");
    }
    if (field.type == FieldType::String) {
        if (field.capacity == 0 || field.capacity > max_string_capacity) {
            return draft.error(place, "a string holds 1 to " + std::to_string(max_string_capacity) + " bytes, not " +
                                          std::to_string(field.capacity));
        }
    } else if (is_content(field.type)) {
        if (field.capacity > max_content_size) {
            place.key = "max_length";
            return draft.error(place, "a text or blob holds at most " + std::to_string(max_content_size) + " bytes");
        }
        if (!field.extents.empty()) {
            return draft.error(place,
                               "there are no arrays of " + std::string{name_of(field.type)} + ": give each its own field, or its own row");
        }
    } else {
        field.capacity = 0;
    }
    if (field.extents.size() > max_dimensions) {
        return draft.error(place, "an array has at most " + std::to_string(max_dimensions) + " dimensions");
    }
    if (std::find(field.extents.begin(), field.extents.end(), 0U) != field.extents.end()) {
        return draft.error(place, "an array of no elements holds nothing");
    }
    return {};
}

[[nodiscard]] inline Result<void> check_enums(SchemaDraft& draft) {
    for (std::size_t i = 0; i < draft.enums.size(); ++i) {
        const EnumType& type = draft.enums[i];
        if (auto named = check_name(draft, in_enum(i), type.name); !named) {
            return named;
        }
        if (!is_integer(type.underlying)) {
            return draft.error(in_enum(i, SchemaPlace::whole, "type"),
                               "an enum is stored as an integer, not as " + std::string{name_of(type.underlying)});
        }
        if (type.values.empty() || type.values.size() > max_members) {
            return draft.error(in_enum(i), "an enum has 1 to " + std::to_string(max_members) + " values");
        }
        const IntegerRange range = range_of(type.underlying);
        std::vector<std::string> numbers;
        for (std::size_t k = 0; k < type.values.size(); ++k) {
            if (auto named = check_name(draft, in_enum(i, k), type.values[k].name); !named) {
                return named;
            }
            if (!range.contains(type.values[k].value)) {
                return draft.error(in_enum(i, k),
                                   std::to_string(type.values[k].value) + " does not fit in " + std::string{name_of(type.underlying)});
            }
            numbers.push_back(std::to_string(type.values[k].value));
        }
        if (const auto twice = NameIndex{type.values}.first_duplicate(); twice != NameIndex::none) {
            return draft.error(in_enum(i, twice), "a value of this name is already there");
        }
        const NameIndex by_number{numbers};
        if (const auto twice = by_number.first_duplicate(); twice != NameIndex::none) {
            return draft.error(in_enum(i, twice), "the number " + numbers[twice] + " is already that of `" +
                                                      type.values[by_number.find(numbers[twice])].name + "`");
        }
    }
    return {};
}

/// What a field of a struct may say: its type, whether it is nullable, its default. Promises are made by fields of tables.
[[nodiscard]] inline Result<void> check_structs(SchemaDraft& draft) {
    for (std::size_t i = 0; i < draft.structs.size(); ++i) {
        StructType& type = draft.structs[i];
        if (auto named = check_name(draft, in_struct(i), type.name); !named) {
            return named;
        }
        if (type.fields.empty()) {
            return draft.error(in_struct(i), "a struct without fields holds nothing");
        }
        if (auto named = check_fields_named(draft, in_struct(i), type.fields); !named) {
            return named;
        }
        for (std::size_t k = 0; k < type.fields.size(); ++k) {
            Field& field = type.fields[k];
            field.id = static_cast<FieldId>(k);
            if (auto checked = check_type(draft, in_struct(i, k), field); !checked) {
                return checked;
            }
            if (is_content(field.type)) {
                return draft.error(in_struct(i, k, "type"),
                                   std::string{name_of(field.type)} + " can only be a field of a table, not of a struct");
            }
            const char* const promise = field.unique          ? "constraint"
                                        : field.not_null      ? "constraint"
                                        : field.indexed       ? "indexed"
                                        : field.foreign_key   ? "foreign_key"
                                        : is_given(field.min) ? "min"
                                        : is_given(field.max) ? "max"
                                                              : nullptr;
            if (promise != nullptr) {
                return draft.error(in_struct(i, k, promise),
                                   "`" + std::string{promise} + "` belongs to a field of a table, not of a struct");
            }
            if (auto checked = check_values(draft, field, in_struct(i, k)); !checked) {
                return checked;
            }
        }
    }
    return {};
}

/// Enums and structs share one set of names with the built-in types.
[[nodiscard]] inline Result<void> check_type_names(SchemaDraft& draft) {
    std::vector<std::string_view> names;
    const auto place_of = [&](std::size_t i) { return i < draft.enums.size() ? in_enum(i) : in_struct(i - draft.enums.size()); };
    if (draft.enums.size() > max_members || draft.structs.size() > max_members) {
        return draft.error({}, "has more than " + std::to_string(max_members) + " enums or structs");
    }
    for (const EnumType& type : draft.enums) {
        names.emplace_back(type.name);
    }
    for (const StructType& type : draft.structs) {
        names.emplace_back(type.name);
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (type_named(names[i], FieldType::Struct) != FieldType::Struct || names[i] == "enum" || names[i] == "struct") {
            return draft.error(place_of(i), "the name is that of a built-in type");
        }
    }
    if (const auto twice = NameIndex{names}.first_duplicate(); twice != NameIndex::none) {
        return draft.error(place_of(twice), "an enum or struct of this name is already there");
    }
    return {};
}

[[nodiscard]] inline Result<void> check_tables(SchemaDraft& draft) {
    if (draft.tables.size() > max_tables) {
        return draft.error({}, "has more than " + std::to_string(max_tables) + " tables");
    }
    for (std::size_t i = 0; i < draft.tables.size(); ++i) {
        Table& table = draft.tables[i];
        table.id = static_cast<TableId>(i);
        if (auto named = check_name(draft, in_table(i), table.name); !named) {
            return named;
        }
        if (table.name == "entities") {
            return draft.error(in_table(i), "the name is reserved for the registry of entities");
        }
        if (table.version == 0) {
            return draft.error(in_table(i, SchemaPlace::whole, "version"), "versions are counted from 1");
        }
        if (table.key_name.empty()) {
            table.key_name = "entity_id";
        }
        if (auto named = check_fields_named(draft, in_table(i), table.fields); !named) {
            return named;
        }
        for (std::size_t k = 0; k < table.fields.size(); ++k) {
            Field& field = table.fields[k];
            field.id = static_cast<FieldId>(k);
            if (field.name == table.key_name) {
                return draft.error(in_table(i, k, "name"), "the name is that of the row's own entity");
            }
            if (auto checked = check_type(draft, in_table(i, k), field); !checked) {
                return checked;
            }
        }
    }
    return {};
}

/// What a field of a table promises: whether its type can keep it, and whether its promises agree.
[[nodiscard]] inline Result<void> check_promises(const SchemaDraft& draft, std::size_t table, std::size_t index) {
    Field& field = draft.tables[table].fields[index];
    if (field.nullable && field.not_null) {
        return draft.error(in_table(table, index, "nullable"), "a field is either nullable or not_null");
    }
    if (is_content(field.type) && (field.unique || field.indexed)) {
        return draft.error(in_table(table, index, field.unique ? "constraint" : "indexed"),
                           std::string{field.unique ? "`unique`" : "an index"} + " needs a type of fixed size, as `string[N]` is, and " +
                               std::string{name_of(field.type)} + " is not one");
    }
    const bool hashable = !is_floating(field.type) && field.type != FieldType::Struct;
    if (field.unique && !hashable) {
        return draft.error(in_table(table, index, "constraint"), "`unique` needs a type whose equal values are equal bytes, and " +
                                                                     spell_type(draft.enums, draft.structs, field) + " is not one");
    }
    if (field.indexed && (field.type == FieldType::Struct || !field.extents.empty())) {
        return draft.error(in_table(table, index, "indexed"),
                           "an index needs a single value, and the field is " + spell_type(draft.enums, draft.structs, field));
    }
    return check_values(draft, field, in_table(table, index));
}

/// Everything about single parts and their references, before any layout. Numbers tables and fields.
[[nodiscard]] inline Result<void> check_parts(SchemaDraft& draft) {
    const std::pair<std::string_view, const std::string*> own_names[] = {{"id", &draft.entity_names.key},
                                                                         {"version", &draft.entity_names.version}};
    for (const auto& [what, name] : own_names) {
        if (!is_identifier(*name) || is_cpp_keyword(*name)) {
            return draft.error({}, "`" + *name + "` cannot be the name of an entity's " + std::string{what});
        }
    }
    if (!is_utf8(draft.name) || !is_utf8(draft.database_version)) {
        return draft.error({}, "the database's name and version must be UTF-8");
    }
    if (draft.entity_names.key == draft.entity_names.version) {
        return draft.error({}, "an entity's id and version are both called `" + draft.entity_names.key + "`");
    }
    for (const auto step : {&check_type_names, &check_enums, &check_structs, &check_tables, &resolve_relations}) {
        if (auto checked = step(draft); !checked) {
            return checked;
        }
    }
    for (std::size_t i = 0; i < draft.tables.size(); ++i) {
        for (std::size_t k = 0; k < draft.tables[i].fields.size(); ++k) {
            if (auto checked = check_promises(draft, i, k); !checked) {
                return checked;
            }
        }
    }
    return check_cycles(draft);
}

} // namespace ecsdb::detail
