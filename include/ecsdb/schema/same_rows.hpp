/// @file
/// Compares tables of two schemas: whether the bytes of a row mean the same in both.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

namespace detail {

/// What the fields of a table or struct of one schema differ in from those of another; empty when in nothing that matters to their bytes.
[[nodiscard]] inline std::string difference(const Schema& schema, const std::vector<Field>& fields, const Schema& other,
                                            const std::vector<Field>& other_fields) {
    for (std::size_t i = 0; i < std::max(fields.size(), other_fields.size()); ++i) {
        if (i >= fields.size() || i >= other_fields.size() || fields[i].name != other_fields[i].name) {
            return "field `" + (i < fields.size() ? fields : other_fields)[i].name + "` is not at the same place in both";
        }
        const Field& field = fields[i];
        const Field& other_field = other_fields[i];
        const auto spelled = [](const Schema& of, const Field& one) {
            return (one.has_presence_byte() ? "nullable " : "") + spell_type(of, one);
        };
        if (const std::string here = spelled(schema, field), there = spelled(other, other_field); here != there) {
            return "field `" + field.name + "` is " + here + " in the one and " + there + " in the other";
        }
        if (field.type == FieldType::Enum) {
            const EnumType& type = schema.enums()[field.type_index];
            const EnumType& other_type = other.enums()[other_field.type_index];
            const bool same_numbers =
                type.underlying == other_type.underlying &&
                std::all_of(type.values.begin(), type.values.end(), [&](const EnumValue& value) {
                    return std::any_of(other_type.values.begin(), other_type.values.end(),
                                       [&](const EnumValue& same) { return same.name == value.name && same.value == value.value; });
                });
            if (!same_numbers) {
                return "field `" + field.name + "`: enum `" + type.name + "` has other values in the other";
            }
        } else if (field.type == FieldType::Struct) {
            std::string inner =
                difference(schema, schema.structs()[field.type_index].fields, other, other.structs()[other_field.type_index].fields);
            if (!inner.empty()) {
                return "field `" + field.name + "`: " + std::move(inner);
            }
        }
    }
    return {};
}

} // namespace detail

/// Whether a row of `table` is, byte for byte, a row of `other_table` of another schema: the same fields in the same order, and every enum
/// value with the same number there. Both schemas must be finished. Promises and storage are not compared. `SchemaMismatch` names table
/// and field.
[[nodiscard]] inline Result<void> match_rows(const Schema& schema, const Table& table, const Schema& other, const Table& other_table) {
    if (std::string differs = detail::difference(schema, table.fields, other, other_table.fields); !differs.empty()) {
        return Error{ErrorCode::SchemaMismatch, "table `" + table.name + "`: " + std::move(differs)};
    }
    return {};
}

} // namespace ecsdb
