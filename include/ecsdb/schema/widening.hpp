/// @file
/// Says which values of one field are values of another field too, and turns them into those: what a schema may change without asking.
#pragma once

#include "ecsdb/schema/default_row.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"
#include "ecsdb/schema/values.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace ecsdb {

/// Why a value of `from` may be none of `to`, in words; empty when every value is. Wider numbers of the same kind, longer strings, enums
/// that have the same numbers and more, structs that have the same fields and more, in any order, and nullable fields widen.
[[nodiscard]] inline std::string why_not_wider(const Schema& from_schema, const Field& from, const Schema& to_schema, const Field& to);

/// Puts the value of `from`, in the row or struct at `from_base`, into field `to` of the row or struct at `to_base`, which has its
/// defaults. `why_not_wider` must have no objection. Of `text` and `blob` fields only whether they are null: what they hold is the caller's
/// to bring.
inline void widen(const Schema& from_schema, const Field& from, const std::byte* from_base, const Schema& to_schema, const Field& to,
                  std::byte* to_base);

namespace detail {

/// The same, of a value that is there.
[[nodiscard]] inline std::string why_value_not_wider(const Schema& from_schema, const Field& from, const Schema& to_schema,
                                                     const Field& to);

[[nodiscard]] inline const Field* find_field_named(const std::vector<Field>& fields, std::string_view name) noexcept {
    const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
    return found == fields.end() ? nullptr : &*found;
}

[[nodiscard]] constexpr bool holds_all_of(FieldType wide, FieldType narrow) noexcept {
    const IntegerRange of_wide = range_of(wide);
    const IntegerRange of_narrow = range_of(narrow);
    return of_wide.min <= of_narrow.min && of_wide.max >= of_narrow.max;
}

[[nodiscard]] inline std::string why_enum_not_wider(const EnumType& from, const EnumType& to) {
    if (!holds_all_of(to.underlying, from.underlying)) {
        return "enum `" + from.name + "` is " + std::string{name_of(from.underlying)} + " and would be " +
               std::string{name_of(to.underlying)};
    }
    for (const EnumValue& value : from.values) {
        const auto same = std::find_if(to.values.begin(), to.values.end(), [&](const EnumValue& v) { return v.name == value.name; });
        if (same == to.values.end()) {
            return "enum `" + from.name + "` would lose its value `" + value.name + "`";
        }
        if (same->value != value.value) {
            return "enum `" + from.name + "`: the number of `" + value.name + "` is " + std::to_string(value.value) + " for ever, not " +
                   std::to_string(same->value) + "; new values get new numbers";
        }
    }
    return {};
}

[[nodiscard]] inline std::string why_struct_not_wider(const Schema& from_schema, const StructType& from, const Schema& to_schema,
                                                      const StructType& to) {
    for (const Field& field : from.fields) {
        const Field* const same = find_field_named(to.fields, field.name);
        std::string why = same == nullptr ? "would be gone" : why_not_wider(from_schema, field, to_schema, *same);
        if (!why.empty()) {
            return "field `" + field.name + "` of struct `" + from.name + "` " + why;
        }
    }
    return {};
}

[[nodiscard]] inline std::uint64_t load_integer(FieldType type, const std::byte* place) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, place, scalar_size(type)); // little-endian: the low bytes
    const unsigned unused = 64U - scalar_size(type) * 8U;
    return is_signed_integer(type) ? static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused) : bits;
}

inline void widen_element(const Schema& from_schema, const Field& from, const std::byte* source, const Schema& to_schema, const Field& to,
                          std::byte* place) {
    const auto widen_integer = [&](FieldType narrow, FieldType wide) {
        const std::uint64_t bits = load_integer(narrow, source);
        std::memcpy(place, &bits, scalar_size(wide));
    };
    if (from.type == FieldType::Struct) {
        const StructType& type = from_schema.structs()[from.type_index];
        for (const Field& field : type.fields) {
            const Field* const same = find_field_named(to_schema.structs()[to.type_index].fields, field.name);
            widen(from_schema, field, source, to_schema, *same, place);
        }
    } else if (from.type == FieldType::Enum) {
        widen_integer(from_schema.enums()[from.type_index].underlying, to_schema.enums()[to.type_index].underlying);
    } else if (from.type == FieldType::String) {
        // Past the text both are zero; the target may hold a default.
        std::memset(place, 0, to.size / to.element_count());
        std::memcpy(place, source, sizeof(std::uint16_t) + from.capacity);
    } else if (is_integer(from.type)) {
        widen_integer(from.type, to.type);
    } else if (from.type == FieldType::F32 && to.type == FieldType::F64) {
        float number = 0;
        std::memcpy(&number, source, sizeof(number));
        const double wide = number;
        std::memcpy(place, &wide, sizeof(wide));
    } else if (!is_content(from.type)) {
        std::memcpy(place, source, scalar_size(from.type));
    }
}

} // namespace detail

inline std::string why_not_wider(const Schema& from_schema, const Field& from, const Schema& to_schema, const Field& to) {
    return from.has_presence_byte() && !to.has_presence_byte() ? "is nullable and would not be"
                                                               : detail::why_value_not_wider(from_schema, from, to_schema, to);
}

inline std::string detail::why_value_not_wider(const Schema& from_schema, const Field& from, const Schema& to_schema, const Field& to) {
    const auto other_type = [&] { return "is " + spell_type(from_schema, from) + " and would be " + spell_type(to_schema, to); };
    if (from.extents != to.extents) {
        return other_type();
    }
    if (from.type == FieldType::Enum && to.type == FieldType::Enum) {
        return detail::why_enum_not_wider(from_schema.enums()[from.type_index], to_schema.enums()[to.type_index]);
    }
    if (from.type == FieldType::Struct && to.type == FieldType::Struct) {
        return detail::why_struct_not_wider(from_schema, from_schema.structs()[from.type_index], to_schema,
                                            to_schema.structs()[to.type_index]);
    }
    bool wider = from.type == to.type;
    if (from.type == FieldType::String) {
        wider = wider && to.capacity >= from.capacity;
    } else if (is_integer(from.type)) {
        wider = is_integer(to.type) && detail::holds_all_of(to.type, from.type);
    } else if (from.type == FieldType::F32) {
        wider = is_floating(to.type);
    }
    return wider ? std::string{} : other_type();
}

inline void widen(const Schema& from_schema, const Field& from, const std::byte* from_base, const Schema& to_schema, const Field& to,
                  std::byte* to_base) {
    if (to.has_presence_byte()) {
        to_base[to.presence_offset] = from.has_presence_byte() ? from_base[from.presence_offset] : std::byte{1};
    }
    const std::uint32_t count = from.element_count();
    for (std::uint32_t i = 0; i < count; ++i) {
        detail::widen_element(from_schema, from, from_base + from.offset + std::size_t{i} * (from.size / count), to_schema, to,
                              to_base + to.offset + std::size_t{i} * (to.size / count));
    }
}

/// Whether rows of `table` are, byte for byte and value for value, rows of `other_table` of another schema.
[[nodiscard]] inline bool are_same_rows(const Schema& schema, const Table& table, const Schema& other, const Table& other_table) {
    const auto same = [](const Schema& a, const Table& of_a, const Schema& b, const Table& of_b) {
        return std::equal(of_a.fields.begin(), of_a.fields.end(), of_b.fields.begin(), of_b.fields.end(),
                          [&](const Field& x, const Field& y) {
                              return x.name == y.name && x.size == y.size && x.offset == y.offset &&
                                     x.has_presence_byte() == y.has_presence_byte() && why_not_wider(a, x, b, y).empty();
                          });
    };
    return same(schema, table, other, other_table) && same(other, other_table, schema, table);
}

} // namespace ecsdb
