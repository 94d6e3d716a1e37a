/// @file
/// Checks one row by itself: bounds, enum values, text, bools, references that must not be null.
#pragma once

#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"
#include "ecsdb/schema/utf8.hpp"
#include "ecsdb/schema/values.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ecsdb::constraint {

/// What is wrong with a row: the field (of the table), and why in words.
struct Fault {
    const Field* field = nullptr;
    std::string what;

    [[nodiscard]] explicit operator bool() const noexcept { return field != nullptr; }
};

/// Which fields of a table have something to check in the row alone. Fixed once made; any thread may check.
class RowCheck {
public:
    /// `schema` must outlive the check, and be finished.
    RowCheck(const Schema& schema, const Table& table) : schema_{&schema} {
        for (const Field& field : table.fields) {
            if (needs_check(schema, field)) {
                fields_.push_back(&field);
            }
        }
    }

    /// Whether any bytes at all make a good row.
    [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }

    /// The first fault of a row in memory layout, if any. Absent values (of nullable fields) are not looked at. Cost: O(fields to check).
    [[nodiscard]] Fault operator()(const std::byte* row) const {
        for (const Field* const field : fields_) {
            if (std::string what = check(*field, row); !what.empty()) {
                return {field, std::move(what)};
            }
        }
        return {};
    }

    /// Whether some bytes of `field`, or of a struct in it, would be a fault.
    [[nodiscard]] static bool needs_check(const Schema& schema, const Field& field) {
        return field.has_presence_byte() || field.type == FieldType::Bool || can_be_wrong(schema, field) ||
               (field.type == FieldType::Struct && any_field(schema, field, needs_check));
    }

    /// Whether a value of the field's own C++ type can be a fault: bools and presence are right by their type there.
    [[nodiscard]] static bool can_be_wrong(const Schema& schema, const Field& field) {
        const auto given = [](const SchemaValue& value) { return !std::holds_alternative<std::monostate>(value); };
        return field.type == FieldType::Enum || field.type == FieldType::String || given(field.min) || given(field.max) ||
               (field.not_null && field.type == FieldType::Entity) ||
               (field.type == FieldType::Struct && any_field(schema, field, can_be_wrong));
    }

private:
    /// Whether something holds of any field of a struct field's struct.
    [[nodiscard]] static bool any_field(const Schema& schema, const Field& field, bool (*holds)(const Schema&, const Field&)) {
        const std::vector<Field>& fields = schema.structs()[field.type_index].fields;
        return std::any_of(fields.begin(), fields.end(), [&](const Field& inner) { return holds(schema, inner); });
    }

    template <typename T>
    static T load(const std::byte* place) noexcept {
        T value;
        std::memcpy(&value, place, sizeof(T));
        return value;
    }

    /// Calls `visit` with the number at `place`, as its own type.
    template <typename Visit>
    static std::string with_number(FieldType type, const std::byte* place, Visit&& visit) {
        switch (type) {
        case FieldType::U8:
            return visit(load<std::uint8_t>(place));
        case FieldType::U16:
            return visit(load<std::uint16_t>(place));
        case FieldType::U32:
            return visit(load<std::uint32_t>(place));
        case FieldType::U64:
            return visit(load<std::uint64_t>(place));
        case FieldType::I8:
            return visit(load<std::int8_t>(place));
        case FieldType::I16:
            return visit(load<std::int16_t>(place));
        case FieldType::I32:
            return visit(load<std::int32_t>(place));
        case FieldType::I64:
            return visit(load<std::int64_t>(place));
        case FieldType::F32:
            return visit(load<float>(place));
        case FieldType::F64:
            return visit(load<double>(place));
        default:
            return {};
        }
    }

    /// `base` is where the row or struct that the field belongs to begins.
    std::string check(const Field& field, const std::byte* base) const {
        if (field.has_presence_byte()) {
            const auto presence = load<std::uint8_t>(base + field.presence_offset);
            if (presence > 1) {
                return "its presence byte is " + std::to_string(presence) + ", neither 0 nor 1";
            }
            if (presence == 0) {
                return {};
            }
        }
        const std::uint32_t count = field.element_count();
        const std::uint32_t stride = field.size / count;
        for (std::uint32_t i = 0; i < count; ++i) {
            if (std::string what = check_element(field, base + field.offset + std::size_t{i} * stride); !what.empty()) {
                return field.extents.empty() ? what : "element " + std::to_string(i) + ": " + what;
            }
        }
        return {};
    }

    std::string check_element(const Field& field, const std::byte* place) const {
        switch (field.type) {
        case FieldType::Bool:
            return load<std::uint8_t>(place) <= 1
                       ? std::string{}
                       : "the byte " + std::to_string(load<std::uint8_t>(place)) + " is neither false (0) nor true (1)";
        case FieldType::Entity:
            return field.not_null && load<std::uint64_t>(place) == 0 ? "is null, and the field is not_null" : std::string{};
        case FieldType::String:
            return check_text(field, place);
        case FieldType::Enum:
            return check_enum(schema_->enums()[field.type_index], place);
        case FieldType::Struct:
            for (const Field& inner : schema_->structs()[field.type_index].fields) {
                if (std::string what = check(inner, place); !what.empty()) {
                    return "`" + inner.name + "`: " + what;
                }
            }
            return {};
        default:
            return with_number(field.type, place, [&](auto number) { return check_bounds(field, number); });
        }
    }

    static std::string check_text(const Field& field, const std::byte* place) {
        const auto length = load<std::uint16_t>(place);
        if (length > field.capacity) {
            return "says it is " + std::to_string(length) + " bytes of text, and holds " + std::to_string(field.capacity);
        }
        const std::byte* const text = place + sizeof(length);
        if (std::any_of(text + length, text + field.capacity, [](std::byte byte) { return byte != std::byte{}; })) {
            return "has bytes other than zero after its text";
        }
        return is_utf8({reinterpret_cast<const char*>(text), length}) ? std::string{} : "is not UTF-8";
    }

    static std::string check_enum(const EnumType& type, const std::byte* place) {
        return with_number(type.underlying, place, [&](auto number) {
            if constexpr (std::is_integral_v<decltype(number)>) {
                const bool known = std::any_of(type.values.begin(), type.values.end(), [&](const EnumValue& value) {
                    return static_cast<decltype(number)>(value.value) == number;
                });
                return known ? std::string{} : std::to_string(number) + " is no value of enum `" + type.name + "`";
            } else {
                return std::string{};
            }
        });
    }

    /// A bound in the field's own type: 0.1 as a double is not 0.1 as a float, and a row holding the latter keeps to it.
    template <typename T>
    static bool bound(const SchemaValue& value, T& out) noexcept {
        using Kept =
            std::conditional_t<std::is_floating_point_v<T>, double, std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;
        const auto* const kept = std::get_if<Kept>(&value);
        out = kept == nullptr ? T{} : static_cast<T>(*kept);
        return kept != nullptr;
    }
    template <typename T>
    static std::string check_bounds(const Field& field, T number) {
        T limit{};
        // Written so that a NaN keeps to no bound.
        if (bound(field.min, limit) && !(number >= limit)) {
            return spell(number) + " is below min " + spell_value(field.min);
        }
        if (bound(field.max, limit) && !(number <= limit)) {
            return spell(number) + " is above max " + spell_value(field.max);
        }
        return {};
    }
    template <typename T>
    static std::string spell(T number) {
        if constexpr (std::is_floating_point_v<T>) {
            return spell_value(SchemaValue{static_cast<double>(number)});
        } else {
            return std::to_string(number);
        }
    }

    const Schema* schema_;
    std::vector<const Field*> fields_;
};

} // namespace ecsdb::constraint
