/// @file
/// The kinds of value a field can hold, their sizes and names, and the C++ types that stand for the special ones.
#pragma once

#include "ecsdb/core/entity.hpp"
#include "ecsdb/schema/content_handle.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ecsdb {

/// The kind of a field's (element's) value. The numbers are stored: never changed, never reused.
enum class FieldType : std::uint8_t {
    U8 = 1,
    U16 = 2,
    U32 = 3,
    U64 = 4,
    I8 = 5,
    I16 = 6,
    I32 = 7,
    I64 = 8,
    F32 = 9,
    F64 = 10,
    Bool = 11,
    Entity = 12, ///< A reference to an entity; may name another shard.
    String = 13, ///< `string[n]`: at most n bytes of UTF-8, stored in place (`FixedString<n>`).
    Enum = 14,   ///< One of the named values of an `[enums.NAME]`.
    Struct = 15, ///< The fields of a `[structs.NAME]`, in place.
    Text = 16,   ///< UTF-8 of any length, kept beside the rows (`Text`).
    Blob = 17,   ///< Bytes of any length, kept beside the rows (`Blob`).
};

/// Whether a field of `type` holds a handle, and its content lies beside the rows.
[[nodiscard]] constexpr bool is_content(FieldType type) noexcept {
    return type == FieldType::Text || type == FieldType::Blob;
}

/// Text of at most `Capacity` bytes, stored in place: what a `string[Capacity]` field is in C++.
///
/// The bytes past `size()` are always zero, so equal texts are equal bytes.
template <std::uint16_t Capacity>
struct FixedString {
    std::uint16_t length = 0;
    std::array<char, Capacity> bytes{};

    constexpr FixedString() noexcept = default;
    /// Takes `text`, cut after `Capacity` bytes. Whether it is UTF-8 is checked when it is written to a database.
    constexpr FixedString(std::string_view text) noexcept
        : length{static_cast<std::uint16_t>(text.size() < Capacity ? text.size() : Capacity)} {
        for (std::size_t i = 0; i < length; ++i) {
            bytes[i] = text[i];
        }
    }
    constexpr FixedString(const char* text) noexcept : FixedString{std::string_view{text}} {}

    [[nodiscard]] constexpr std::string_view view() const noexcept { return {bytes.data(), length}; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return length; }
    friend constexpr bool operator==(const FixedString& a, const FixedString& b) noexcept { return a.view() == b.view(); }
};

/// A value that may be absent: what a `nullable` field is in C++ (a nullable entity reference is simply a null `Entity`).
template <typename T>
struct Nullable {
    T value{};
    bool present = false;

    constexpr Nullable() noexcept = default;
    constexpr Nullable(const T& initial) noexcept : value{initial}, present{true} {}
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return present; }
    [[nodiscard]] constexpr const T& operator*() const noexcept { return value; }
};

/// Bytes of one scalar in memory and on disk (contents: of the handle, in memory only); 0 for the kinds whose size the schema decides.
[[nodiscard]] constexpr std::uint32_t scalar_size(FieldType type) noexcept {
    switch (type) {
    case FieldType::U8:
    case FieldType::I8:
    case FieldType::Bool:
        return 1;
    case FieldType::U16:
    case FieldType::I16:
        return 2;
    case FieldType::U32:
    case FieldType::I32:
    case FieldType::F32:
        return 4;
    case FieldType::U64:
    case FieldType::I64:
    case FieldType::F64:
    case FieldType::Entity:
        return 8;
    case FieldType::Text:
    case FieldType::Blob:
        return sizeof(ContentHandle); // packed, it takes no bytes: what it names travels on its own
    case FieldType::String:
    case FieldType::Enum:
    case FieldType::Struct:
        return 0;
    }
    return 0;
}

/// The type's word in a schema file (`u32`, `f32`, …).
[[nodiscard]] constexpr std::string_view name_of(FieldType type) noexcept {
    switch (type) {
    case FieldType::U8:
        return "u8";
    case FieldType::U16:
        return "u16";
    case FieldType::U32:
        return "u32";
    case FieldType::U64:
        return "u64";
    case FieldType::I8:
        return "i8";
    case FieldType::I16:
        return "i16";
    case FieldType::I32:
        return "i32";
    case FieldType::I64:
        return "i64";
    case FieldType::F32:
        return "f32";
    case FieldType::F64:
        return "f64";
    case FieldType::Bool:
        return "bool";
    case FieldType::Entity:
        return "entity";
    case FieldType::String:
        return "string";
    case FieldType::Enum:
        return "enum";
    case FieldType::Struct:
        return "struct";
    case FieldType::Text:
        return "text";
    case FieldType::Blob:
        return "blob";
    }
    return "unknown";
}

} // namespace ecsdb
