/// @file
/// How a schema is spelled: names, types and values as a schema file writes them, and the word a misspelt one was probably meant to be.
#pragma once

#include "ecsdb/schema/schema.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb {

/// The longest name a table, field, enum or struct can have.
inline constexpr std::size_t max_name_length = 128;

/// Whether `name` is letters, digits and underscores, starts with no digit, and is at most `max_name_length` long.
[[nodiscard]] constexpr bool is_identifier(std::string_view name) noexcept {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    for (const char c : name) {
        if (!is_letter(c) && !is_digit(c)) {
            return false;
        }
    }
    return !name.empty() && name.size() <= max_name_length && is_letter(name.front());
}

/// Whether `name` is a word of C++: a struct generated from the schema could not use it.
[[nodiscard]] constexpr bool is_cpp_keyword(std::string_view name) noexcept {
    constexpr const char* keywords[] = {
        "alignas",   "alignof",  "and",      "and_eq",       "asm",       "auto",       "bitand",        "bitor",       "bool",
        "break",     "case",     "catch",    "char",         "char16_t",  "char32_t",   "char8_t",       "class",       "co_await",
        "co_return", "co_yield", "compl",    "concept",      "const",     "const_cast", "consteval",     "constexpr",   "constinit",
        "continue",  "decltype", "default",  "delete",       "do",        "double",     "dynamic_cast",  "else",        "enum",
        "explicit",  "export",   "extern",   "false",        "float",     "for",        "friend",        "goto",        "if",
        "inline",    "int",      "long",     "mutable",      "namespace", "new",        "noexcept",      "not",         "not_eq",
        "nullptr",   "operator", "or",       "or_eq",        "private",   "protected",  "public",        "register",    "reinterpret_cast",
        "requires",  "return",   "short",    "signed",       "sizeof",    "static",     "static_assert", "static_cast", "struct",
        "switch",    "template", "this",     "thread_local", "throw",     "true",       "try",           "typedef",     "typeid",
        "typename",  "union",    "unsigned", "using",        "virtual",   "void",       "volatile",      "wchar_t",     "while",
        "xor",       "xor_eq",
    };
    for (const char* const keyword : keywords) {
        if (name == keyword) {
            return true;
        }
    }
    return false;
}

/// The type a word of a schema file names (`u32`, `entity`, `string`), enums and structs excepted; `otherwise` for any other word.
[[nodiscard]] constexpr FieldType type_named(std::string_view word, FieldType otherwise) noexcept {
    for (const FieldType type : {FieldType::Text, FieldType::Blob}) {
        if (name_of(type) == word) {
            return type;
        }
    }
    for (auto number = static_cast<unsigned>(FieldType::U8); number <= static_cast<unsigned>(FieldType::String); ++number) {
        if (name_of(static_cast<FieldType>(number)) == word) {
            return static_cast<FieldType>(number);
        }
    }
    return otherwise;
}

/// A field's type as a schema file writes it: `f32[3]`, `string[32]`, `Team`. The field's `type_index` must be one of the schema's.
[[nodiscard]] inline std::string spell_type(const std::vector<EnumType>& enums, const std::vector<StructType>& structs,
                                            const Field& field) {
    std::string text;
    if (field.type == FieldType::Enum) {
        text = enums[field.type_index].name;
    } else if (field.type == FieldType::Struct) {
        text = structs[field.type_index].name;
    } else {
        text = name_of(field.type);
    }
    if (field.type == FieldType::String) {
        text += '[' + std::to_string(field.capacity) + ']';
    }
    for (const std::uint32_t extent : field.extents) {
        text += '[' + std::to_string(extent) + ']';
    }
    return text;
}

/// The same, for a field of a finished schema.
[[nodiscard]] inline std::string spell_type(const Schema& schema, const Field& field) {
    return spell_type(schema.enums(), schema.structs(), field);
}

/// A number as a schema file writes it: reads back as the same number, and as no integer.
[[nodiscard]] inline std::string spell_real(double number) {
    if (number != number) {
        return "nan";
    }
    if (number - number != 0) {
        return number < 0 ? "-inf" : "inf";
    }
    char buffer[32];
    const char* const end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
    std::string text{buffer, static_cast<std::size_t>(end - buffer)};
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

/// Text as a schema file writes it: in double quotes, with escapes.
[[nodiscard]] inline std::string spell_text(std::string_view words) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text = "\"";
    for (const char c : words) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            text += '\\';
            text += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            text += "\\u00";
            text += digits[byte >> 4U];
            text += digits[byte & 0xFU];
        } else {
            text += c;
        }
    }
    return text + '"';
}

/// A value as a schema file writes it; text in double quotes with escapes. A number reads back as the same number.
[[nodiscard]] inline std::string spell_value(const SchemaValue& value) {
    // Not std::visit, which makes a table of functions for every visitor and costs whoever includes this.
    if (const auto* const flag = std::get_if<bool>(&value)) {
        return *flag ? "true" : "false";
    }
    if (const auto* const number = std::get_if<std::int64_t>(&value)) {
        return std::to_string(*number);
    }
    if (const auto* const number = std::get_if<std::uint64_t>(&value)) {
        return std::to_string(*number);
    }
    if (const auto* const number = std::get_if<double>(&value)) {
        return spell_real(*number);
    }
    const auto* const words = std::get_if<std::string>(&value);
    return words == nullptr ? "nothing" : spell_text(*words);
}

/// The fewest letters to insert, remove or replace that turn one word into the other. Cost: O(length × length).
[[nodiscard]] inline std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t j = 0; j <= to.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < to.size(); ++j) {
            const std::size_t replaced = diagonal + (from[i] == to[j] ? 0U : 1U);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row[to.size()];
}

/// `" (did you mean `x`?)"` when one of `words` is close to `word`, otherwise nothing: the tail of an error message.
template <typename Words>
[[nodiscard]] std::string did_you_mean(std::string_view word, const Words& words) {
    if (word.size() > max_name_length) {
        return {};
    }
    std::string_view best;
    std::size_t best_distance = word.size() / 2;
    for (const auto& candidate : words) {
        const std::string_view known{candidate};
        if (const std::size_t distance = edit_distance(word, known);
            distance <= best_distance && (best.empty() || distance < best_distance)) {
            best = known;
            best_distance = distance;
        }
    }
    return best.empty() ? std::string{} : " (did you mean `" + std::string{best} + "`?)";
}

} // namespace ecsdb
