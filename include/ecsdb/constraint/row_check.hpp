/// @file
/// Checks one row by itself: bounds, enum values, text, bools, references that must not be null.
#pragma once

#include "ecsdb/core/list.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"
#include "ecsdb/schema/utf8.hpp"
#include "ecsdb/schema/values.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

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
        return field.type == FieldType::Enum || field.type == FieldType::String || detail::is_given(field.min) ||
               detail::is_given(field.max) || (field.not_null && field.type == FieldType::Entity) ||
               (field.type == FieldType::Struct && any_field(schema, field, can_be_wrong));
    }

private:
    /// Whether something holds of any field of a struct field's struct.
    [[nodiscard]] static bool any_field(const Schema& schema, const Field& field, bool (*holds)(const Schema&, const Field&)) {
        for (const Field& inner : schema.structs()[field.type_index].fields) {
            if (holds(schema, inner)) {
                return true;
            }
        }
        return false;
    }

    template <typename T>
    static T load(const std::byte* place) noexcept {
        T value;
        std::memcpy(&value, place, sizeof(T));
        return value;
    }

    /// The number at `place`, in the widest type of its kind: what a schema's own constants are kept in.
    static SchemaValue number_at(FieldType type, const std::byte* place) noexcept {
        switch (type) {
        case FieldType::U8:
            return std::uint64_t{load<std::uint8_t>(place)};
        case FieldType::U16:
            return std::uint64_t{load<std::uint16_t>(place)};
        case FieldType::U32:
            return std::uint64_t{load<std::uint32_t>(place)};
        case FieldType::U64:
            return load<std::uint64_t>(place);
        case FieldType::I8:
            return std::int64_t{load<std::int8_t>(place)};
        case FieldType::I16:
            return std::int64_t{load<std::int16_t>(place)};
        case FieldType::I32:
            return std::int64_t{load<std::int32_t>(place)};
        case FieldType::I64:
            return load<std::int64_t>(place);
        case FieldType::F32:
            return double{load<float>(place)};
        default:
            return load<double>(place);
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
            return check_bounds(field, number_at(field.type, place));
        }
    }

    static std::string check_text(const Field& field, const std::byte* place) {
        const auto length = load<std::uint16_t>(place);
        if (length > field.capacity) {
            return "says it is " + std::to_string(length) + " bytes of text, and holds " + std::to_string(field.capacity);
        }
        const std::byte* const text = place + sizeof(length);
        for (std::size_t i = length; i < field.capacity; ++i) {
            if (text[i] != std::byte{}) {
                return "has bytes other than zero after its text";
            }
        }
        return is_utf8({reinterpret_cast<const char*>(text), length}) ? std::string{} : "is not UTF-8";
    }

    static std::string check_enum(const EnumType& type, const std::byte* place) {
        const SchemaValue number = number_at(type.underlying, place);
        const auto* const positive = std::get_if<std::uint64_t>(&number);
        const std::int64_t wanted = positive != nullptr ? static_cast<std::int64_t>(*positive) : *std::get_if<std::int64_t>(&number);
        for (const EnumValue& value : type.values) {
            if (value.value == wanted) {
                return {};
            }
        }
        return spell_value(number) + " is no value of enum `" + type.name + "`";
    }

    /// Whether `number`, of the field's type, keeps to `bound`, of the same kind, or there is none. A NaN keeps to no bound.
    static bool keeps_to(const Field& field, const SchemaValue& number, const SchemaValue& bound, bool below) noexcept {
        if (const auto* const real = std::get_if<double>(&number)) {
            const auto* const limit = std::get_if<double>(&bound);
            // 0.1 as a double is not 0.1 as a float, and a row holding the latter keeps to it.
            const double fitted = limit == nullptr ? 0 : field.type == FieldType::F32 ? double{static_cast<float>(*limit)} : *limit;
            return limit == nullptr || (below ? *real <= fitted : *real >= fitted);
        }
        if (const auto* const integer = std::get_if<std::int64_t>(&number)) {
            const auto* const limit = std::get_if<std::int64_t>(&bound);
            return limit == nullptr || (below ? *integer <= *limit : *integer >= *limit);
        }
        const auto* const integer = std::get_if<std::uint64_t>(&number);
        const auto* const limit = std::get_if<std::uint64_t>(&bound);
        return limit == nullptr || (below ? *integer <= *limit : *integer >= *limit);
    }
    static std::string check_bounds(const Field& field, const SchemaValue& number) {
        if (!keeps_to(field, number, field.min, false)) {
            return spell_value(number) + " is below min " + spell_value(field.min);
        }
        if (!keeps_to(field, number, field.max, true)) {
            return spell_value(number) + " is above max " + spell_value(field.max);
        }
        return {};
    }

    const Schema* schema_;
    List<const Field*> fields_;
};

} // namespace ecsdb::constraint
