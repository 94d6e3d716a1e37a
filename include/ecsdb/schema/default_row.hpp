/// @file
/// The row of a table before anybody has set a field: what a program starts from that knows the table by its schema only.
#pragma once

#include "ecsdb/schema/schema.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <variant>
#include <vector>

namespace ecsdb {

namespace detail {

/// Writes one element of a field at `place`, which is all zero.
inline void write_default(const Schema& schema, const Field& field, std::byte* place);

/// Writes the defaults of `fields` into the row or struct that begins at `base`, which is all zero.
inline void write_defaults(const Schema& schema, const std::vector<Field>& fields, std::byte* base) {
    for (const Field& field : fields) {
        const bool given = !std::holds_alternative<std::monostate>(field.default_value);
        if (field.has_presence_byte()) {
            base[field.presence_offset] = std::byte{given};
        }
        const std::uint32_t count = given || field.type == FieldType::Struct ? field.element_count() : 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            write_default(schema, field, base + field.offset + std::size_t{i} * (field.size / count));
        }
    }
}

inline void write_default(const Schema& schema, const Field& field, std::byte* place) {
    if (field.type == FieldType::Struct) {
        write_defaults(schema, schema.structs()[field.type_index].fields, place);
        return;
    }
    const auto write_integer = [&](FieldType type, std::uint64_t bits) { std::memcpy(place, &bits, scalar_size(type)); };
    if (const auto* const text = std::get_if<std::string>(&field.default_value)) {
        if (field.type == FieldType::Enum) {
            const EnumType& type = schema.enums()[field.type_index];
            const auto value = std::find_if(type.values.begin(), type.values.end(), [&](const EnumValue& v) { return v.name == *text; });
            write_integer(type.underlying, static_cast<std::uint64_t>(value->value));
            return;
        }
        if (field.type == FieldType::Text) {
            const Text standing_in = Text::by_default();
            std::memcpy(place, &standing_in, sizeof(standing_in));
            return;
        }
        const auto length = static_cast<std::uint16_t>(text->size());
        std::memcpy(place, &length, sizeof(length));
        std::memcpy(place + sizeof(length), text->data(), length);
    } else if (const auto* const real = std::get_if<double>(&field.default_value)) {
        const auto single = static_cast<float>(*real);
        field.type == FieldType::F32 ? std::memcpy(place, &single, sizeof(single)) : std::memcpy(place, real, sizeof(*real));
    } else if (const auto* const flag = std::get_if<bool>(&field.default_value)) {
        write_integer(FieldType::Bool, *flag ? 1 : 0);
    } else if (const auto* const number = std::get_if<std::int64_t>(&field.default_value)) {
        write_integer(field.type, static_cast<std::uint64_t>(*number));
    } else if (const auto* const natural = std::get_if<std::uint64_t>(&field.default_value)) {
        write_integer(field.type, *natural);
    }
}

} // namespace detail

/// A row of `table` in memory layout, every field at its default; without one it is zero, empty, null or absent. The same bytes as those
/// of a value-initialised struct generated from the schema.
///
/// Inserts bring whole rows, so this is where the `default` of a field counts for a program without structs: a `Row` (schema/row.hpp)
/// begins with these bytes. `table` must be one of the finished `schema`. Cost: O(row).
[[nodiscard]] inline std::vector<std::byte> default_row(const Schema& schema, const Table& table) {
    std::vector<std::byte> row(table.size);
    detail::write_defaults(schema, table.fields, row.data());
    return row;
}

} // namespace ecsdb
