/// @file
/// Fits the constants of a schema (defaults, bounds) to the type of their field.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/draft.hpp"
#include "ecsdb/schema/spelling.hpp"
#include "ecsdb/schema/types.hpp"
#include "ecsdb/schema/utf8.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ecsdb {

/// The numbers an integer type holds.
struct IntegerRange {
    std::int64_t min = 0;
    std::uint64_t max = 0;

    [[nodiscard]] constexpr bool contains(std::int64_t number) const noexcept {
        return number >= min && (number < 0 || static_cast<std::uint64_t>(number) <= max);
    }
};

[[nodiscard]] constexpr bool is_unsigned_integer(FieldType type) noexcept {
    return type >= FieldType::U8 && type <= FieldType::U64;
}
[[nodiscard]] constexpr bool is_signed_integer(FieldType type) noexcept {
    return type >= FieldType::I8 && type <= FieldType::I64;
}
[[nodiscard]] constexpr bool is_integer(FieldType type) noexcept {
    return is_unsigned_integer(type) || is_signed_integer(type);
}
[[nodiscard]] constexpr bool is_floating(FieldType type) noexcept {
    return type == FieldType::F32 || type == FieldType::F64;
}

/// What an integer type holds. `type` must be one.
[[nodiscard]] constexpr IntegerRange range_of(FieldType type) noexcept {
    const unsigned bits = scalar_size(type) * 8U;
    if (is_unsigned_integer(type)) {
        return {0, std::numeric_limits<std::uint64_t>::max() >> (64U - bits)};
    }
    const std::uint64_t max = std::numeric_limits<std::uint64_t>::max() >> (65U - bits);
    return {-static_cast<std::int64_t>(max) - 1, max};
}

} // namespace ecsdb

namespace ecsdb::detail {

/// Whether the schema says anything here.
[[nodiscard]] inline bool is_given(const SchemaValue& value) noexcept {
    return value.index() != 0;
}

/// Brings an integer or a real to the form a field of the numeric `type` keeps; says what is wrong with it otherwise.
[[nodiscard]] inline Result<SchemaValue> fit_number(FieldType type, const SchemaValue& value) {
    const auto* const signed_number = std::get_if<std::int64_t>(&value);
    const auto* const unsigned_number = std::get_if<std::uint64_t>(&value);
    const auto* const real = std::get_if<double>(&value);
    const auto refuse = [&](const char* why) {
        return Error{ErrorCode::InvalidSchema, spell_value(value) + why + std::string{name_of(type)}};
    };
    if (is_floating(type)) {
        if (real == nullptr && signed_number == nullptr && unsigned_number == nullptr) {
            return refuse(" is not a number, and the field is ");
        }
        const double number = real != nullptr            ? *real
                              : signed_number != nullptr ? static_cast<double>(*signed_number)
                                                         : static_cast<double>(*unsigned_number);
        const double limit =
            type == FieldType::F32 ? static_cast<double>(std::numeric_limits<float>::max()) : std::numeric_limits<double>::max();
        if (!(number >= -limit && number <= limit)) {
            return refuse(" is not a number within ");
        }
        return SchemaValue{number};
    }
    if (signed_number == nullptr && unsigned_number == nullptr) {
        return refuse(" is not an integer, and the field is ");
    }
    const IntegerRange range = range_of(type);
    if (signed_number != nullptr ? !range.contains(*signed_number) : *unsigned_number > range.max) {
        return refuse(" does not fit in ");
    }
    const std::uint64_t bits = signed_number != nullptr ? static_cast<std::uint64_t>(*signed_number) : *unsigned_number;
    return is_unsigned_integer(type) ? SchemaValue{bits} : SchemaValue{static_cast<std::int64_t>(bits)};
}

/// Brings a default to the form its field keeps: an enum's to the value's name, a number to the field's own sign.
[[nodiscard]] inline Result<SchemaValue> fit_default(const SchemaDraft& draft, const Field& field) {
    const SchemaValue& value = field.default_value;
    const auto refuse = [&](const std::string& why) { return Error{ErrorCode::InvalidSchema, spell_value(value) + why}; };
    switch (field.type) {
    case FieldType::Bool:
        if (const auto* const flag = std::get_if<bool>(&value)) {
            return SchemaValue{*flag};
        }
        return refuse(" is neither true nor false, and the field is bool");
    case FieldType::Entity:
        return refuse(" cannot be the default of an entity reference: it is null until it is set");
    case FieldType::Struct:
        return refuse(" cannot be the default of a struct: give its fields defaults instead");
    case FieldType::Blob:
        return refuse(" cannot be the default of a blob: it is empty until it is set");
    case FieldType::String:
    case FieldType::Text: {
        const auto* const text = std::get_if<std::string>(&value);
        if (text == nullptr) {
            return refuse(" is not text, and the field is a " + std::string{name_of(field.type)});
        }
        if (text->size() > field.capacity && !(field.type == FieldType::Text && field.capacity == 0)) {
            return refuse(" has " + std::to_string(text->size()) + " bytes, and the field holds " + std::to_string(field.capacity));
        }
        if (!is_utf8(*text)) {
            return Error{ErrorCode::InvalidSchema, "is not UTF-8"};
        }
        return SchemaValue{*text};
    }
    case FieldType::Enum: {
        const EnumType& type = draft.enums[field.type_index];
        const auto* const name = std::get_if<std::string>(&value);
        const auto* const number = std::get_if<std::int64_t>(&value);
        std::vector<std::string_view> names;
        for (const EnumValue& candidate : type.values) {
            if ((name != nullptr && candidate.name == *name) || (number != nullptr && candidate.value == *number)) {
                return SchemaValue{candidate.name};
            }
            names.emplace_back(candidate.name);
        }
        return refuse(" is no value of enum `" + type.name + "`" + (name == nullptr ? std::string{} : did_you_mean(*name, names)));
    }
    default:
        return fit_number(field.type, value);
    }
}

/// Whether `a` < `b`, where both are numbers as `fit_number` returned them for one type.
[[nodiscard]] inline bool is_less(const SchemaValue& a, const SchemaValue& b) noexcept {
    if (const auto* const left = std::get_if<std::int64_t>(&a), * const right = std::get_if<std::int64_t>(&b); left && right) {
        return *left < *right;
    }
    if (const auto* const left = std::get_if<std::uint64_t>(&a), * const right = std::get_if<std::uint64_t>(&b); left && right) {
        return *left < *right;
    }
    const auto *const left = std::get_if<double>(&a), *const right = std::get_if<double>(&b);
    return left != nullptr && right != nullptr && *left < *right;
}

/// Checks and fits a field's default and bounds. `place` names the field.
[[nodiscard]] inline Result<void> check_values(const SchemaDraft& draft, Field& field, SchemaPlace place) {
    const auto at_key = [&](std::string_view key) {
        place.key = key;
        return place;
    };
    const std::pair<std::string_view, SchemaValue*> bounds[] = {{"min", &field.min}, {"max", &field.max}};
    for (const auto& [key, bound] : bounds) {
        if (!is_given(*bound)) {
            continue;
        }
        if (!is_integer(field.type) && !is_floating(field.type)) {
            return draft.error(at_key(key), "`" + std::string{key} + "` bounds numbers, and the field is " +
                                                spell_type(draft.enums, draft.structs, field));
        }
        auto fitted = fit_number(field.type, *bound);
        if (!fitted) {
            return draft.error(at_key(key), std::string{key} + " " + fitted.error().message());
        }
        *bound = *std::move(fitted);
    }
    if (is_given(field.min) && is_given(field.max) && is_less(field.max, field.min)) {
        return draft.error(at_key("min"), "min " + spell_value(field.min) + " is above max " + spell_value(field.max));
    }
    if (!is_given(field.default_value)) {
        return {};
    }
    auto fitted = fit_default(draft, field);
    if (!fitted) {
        return draft.error(at_key("default"), "default " + fitted.error().message());
    }
    field.default_value = *std::move(fitted);
    if (is_less(field.default_value, field.min)) {
        return draft.error(at_key("default"), "default " + spell_value(field.default_value) + " is below min " + spell_value(field.min));
    }
    if (is_less(field.max, field.default_value)) {
        return draft.error(at_key("default"), "default " + spell_value(field.default_value) + " is above max " + spell_value(field.max));
    }
    return {};
}

} // namespace ecsdb::detail
