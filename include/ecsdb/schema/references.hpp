/// @file
/// Finds the references to entities in a row, however deep in arrays and structs they are.
#pragma once

#include "ecsdb/schema/schema.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace ecsdb {

/// Whether rows of these fields can hold references to entities. Cost: O(fields), those of structs included.
[[nodiscard]] inline bool has_references(const Schema& schema, const std::vector<Field>& fields) noexcept {
    return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
        return field.type == FieldType::Entity ||
               (field.type == FieldType::Struct && has_references(schema, schema.structs()[field.type_index].fields));
    });
}

/// Calls `change(Entity&)` for every reference in the row (or struct) of `fields` that begins at `row`, null ones and absent values
/// excepted. Stops where that returns false, and returns the field there; null when it went through. Cost: O(fields and their elements).
template <typename Change>
const Field* change_references(const Schema& schema, const std::vector<Field>& fields, std::byte* row, Change&& change) {
    for (const Field& field : fields) {
        const bool is_struct = field.type == FieldType::Struct;
        if ((field.type != FieldType::Entity && !is_struct) || (field.has_presence_byte() && row[field.presence_offset] == std::byte{})) {
            continue;
        }
        const std::uint32_t count = field.element_count();
        const std::size_t stride = field.size / count;
        for (std::uint32_t i = 0; i < count; ++i) {
            std::byte* const place = row + field.offset + i * stride;
            if (is_struct) {
                if (change_references(schema, schema.structs()[field.type_index].fields, place, change) != nullptr) {
                    return &field;
                }
                continue;
            }
            Entity entity;
            std::memcpy(&entity, place, sizeof(entity));
            if (entity.is_null()) {
                continue;
            }
            if (!change(entity)) {
                return &field;
            }
            std::memcpy(place, &entity, sizeof(entity));
        }
    }
    return nullptr;
}

} // namespace ecsdb
