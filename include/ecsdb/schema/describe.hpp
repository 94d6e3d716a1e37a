/// @file
/// Describes C++ structs and enums at compile time: which fields they have, of which types, and where.
#pragma once

#include "ecsdb/schema/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>

/// Asks for the description of `T`. In the global namespace, so that a description is found both beside its type and there.
template <typename T>
struct ecsdb_described {};

namespace ecsdb {

struct StructDescription;
struct EnumDescription;
class TableEditor;

/// What a struct inside components cannot say itself: the defaults of its fields. Specialise it right after `ECSDB_STRUCT`, before the
/// first component that holds the struct, with `static void constrain(TableEditor&)`; see `ComponentOptions`.
template <typename T>
struct StructOptions {};

/// One field of a C++ struct.
struct MemberDescription {
    std::string_view name;
    FieldType type = FieldType::U8;
    bool nullable = false;
    std::uint8_t dimensions = 0;
    std::array<std::uint32_t, 8> extents{}; ///< The first `dimensions`, outermost first.
    std::uint32_t capacity = 0;             ///< `String`: the most bytes it holds.
    std::uint32_t offset = 0;
    std::uint32_t size = 0; ///< All elements, without the presence byte.
    std::uint32_t alignment = 1;
    std::uint32_t extent_in_memory = 0; ///< The member's sizeof.
    StructDescription (*struct_type)() noexcept = nullptr;
    EnumDescription (*enum_type)() noexcept = nullptr;
};

/// A C++ struct, as `ECSDB_COMPONENT` or `ECSDB_STRUCT` described it.
struct StructDescription {
    std::string_view name;
    std::span<const MemberDescription> members;
    std::uint32_t size = 0;
    std::uint32_t alignment = 1;
    void (*constrain)(TableEditor&) = nullptr; ///< `StructOptions::constrain`, if there is one.
};

struct EnumeratorDescription {
    std::string_view name;
    std::int64_t value = 0;
};

/// A C++ enum, as `ECSDB_ENUM` described it.
struct EnumDescription {
    std::string_view name;
    FieldType underlying = FieldType::U8;
    std::span<const EnumeratorDescription> values;
};

/// A type that `ECSDB_COMPONENT`, `ECSDB_STRUCT` or `ECSDB_ENUM` has described.
template <typename T>
concept Described = requires {
    ecsdb_describe(::ecsdb_described<T>{});
};

} // namespace ecsdb

namespace ecsdb::detail {

enum class DescribedAs : std::uint8_t { Struct, Component };

template <std::size_t Count>
struct StructData {
    std::string_view name;
    DescribedAs as = DescribedAs::Struct;
    std::array<MemberDescription, Count> members{};
};

template <std::size_t Count>
struct EnumData {
    std::string_view name;
    FieldType underlying = FieldType::U8;
    std::array<EnumeratorDescription, Count> values{};
};

/// The description of `T`, kept for the life of the program so that spans can point into it.
template <Described T>
inline constexpr auto description_of = ecsdb_describe(::ecsdb_described<T>{});

template <typename T>
[[nodiscard]] constexpr StructDescription describe_struct() noexcept {
    StructDescription description{description_of<T>.name, description_of<T>.members, sizeof(T), alignof(T)};
    if constexpr (requires(TableEditor & table) { StructOptions<T>::constrain(table); }) {
        description.constrain = [](TableEditor& table) { StructOptions<T>::constrain(table); };
    }
    return description;
}

template <typename T>
[[nodiscard]] constexpr EnumDescription describe_enum() noexcept {
    return {description_of<T>.name, description_of<T>.underlying, description_of<T>.values};
}

template <typename T>
inline constexpr bool is_fixed_string = false;
template <std::uint16_t Capacity>
inline constexpr bool is_fixed_string<FixedString<Capacity>> = true;

template <typename T>
inline constexpr bool is_nullable = false;
template <typename T>
inline constexpr bool is_nullable<Nullable<T>> = true;

template <typename T>
struct ArrayElement {
    static constexpr std::size_t extent = 0;
};
template <typename T, std::size_t Extent>
struct ArrayElement<T[Extent]> {
    using Type = T;
    static constexpr std::size_t extent = Extent;
};
template <typename T, std::size_t Extent>
struct ArrayElement<std::array<T, Extent>> : ArrayElement<T[Extent]> {};
template <typename T>
struct ArrayElement<std::array<T, 0>> : ArrayElement<T> {};

template <typename T>
inline constexpr bool is_character = std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t> ||
                                     std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;

/// The type of a number. `T` must be an integer of at most 64 bits, or float or double.
template <typename T>
[[nodiscard]] constexpr FieldType number_type() noexcept {
    if constexpr (std::is_floating_point_v<T>) {
        return sizeof(T) == 4 ? FieldType::F32 : FieldType::F64;
    } else {
        constexpr unsigned width = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
        return static_cast<FieldType>(static_cast<unsigned>(std::is_signed_v<T> ? FieldType::I8 : FieldType::U8) + width);
    }
}

/// Fills in what the element type `T` (after its arrays are taken off) decides.
template <typename T>
constexpr void describe_element(MemberDescription& member) noexcept {
    if constexpr (ArrayElement<T>::extent != 0) {
        static_assert(ArrayElement<T>::extent <= std::numeric_limits<std::uint32_t>::max());
        member.extents[member.dimensions++] = static_cast<std::uint32_t>(ArrayElement<T>::extent);
        describe_element<typename ArrayElement<T>::Type>(member);
    } else if constexpr (std::is_same_v<T, bool>) {
        member.type = FieldType::Bool;
    } else if constexpr (std::is_same_v<T, Entity>) {
        member.type = FieldType::Entity;
    } else if constexpr (std::is_same_v<T, Text>) {
        member.type = FieldType::Text;
    } else if constexpr (std::is_same_v<T, Blob>) {
        member.type = FieldType::Blob;
    } else if constexpr (std::is_arithmetic_v<T>) {
        static_assert(!is_character<T>, "a character is not a number of a fixed type: use std::int8_t, or FixedString<N> for text");
        static_assert(sizeof(T) <= 8 && !std::is_same_v<T, long double>, "a database holds numbers of at most 64 bits");
        member.type = number_type<T>();
    } else if constexpr (is_fixed_string<T>) {
        member.type = FieldType::String;
        member.capacity = static_cast<std::uint32_t>(sizeof(T::bytes));
    } else if constexpr (std::is_enum_v<T>) {
        static_assert(Described<T>, "an enum in a component needs ECSDB_ENUM(Type, values...) before it");
        member.type = FieldType::Enum;
        member.enum_type = &describe_enum<T>;
    } else {
        static_assert(!is_nullable<T>, "only a whole field can be Nullable, not the elements of an array");
        static_assert(Described<T>,
                      "a field must be a number, bool, Entity, FixedString, Text, Blob, Nullable, an array of these, or a type "
                      "described by ECSDB_ENUM or ECSDB_STRUCT");
        member.type = FieldType::Struct;
        member.struct_type = &describe_struct<T>;
    }
}

template <typename T>
[[nodiscard]] constexpr MemberDescription describe_member(std::string_view name, std::size_t offset) noexcept {
    static_assert(!std::is_const_v<T> && !std::is_volatile_v<T> && !std::is_reference_v<T> && !std::is_pointer_v<T>,
                  "a field is a plain value: no const, no reference, no pointer");
    MemberDescription member;
    member.name = name;
    member.offset = static_cast<std::uint32_t>(offset);
    member.alignment = alignof(T);
    member.extent_in_memory = sizeof(T);
    if constexpr (is_nullable<T>) {
        using Value = decltype(T::value);
        static_assert(!std::is_same_v<Value, Entity>, "an Entity is nullable by itself: its null is the null Entity");
        member.nullable = true;
        member.size = sizeof(Value);
        describe_element<Value>(member);
    } else {
        member.size = sizeof(T);
        describe_element<T>(member);
    }
    return member;
}

/// Whether `members` are all there is in a struct of `size` bytes, in order: nothing forgotten between, before or after them.
[[nodiscard]] constexpr bool lists_every_field(std::span<const MemberDescription> members, std::size_t size,
                                               std::size_t alignment) noexcept {
    const auto round_up = [](std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; };
    std::size_t end = 0;
    for (const MemberDescription& member : members) {
        if (member.offset != round_up(end, member.alignment)) {
            return false;
        }
        end = member.offset + member.extent_in_memory;
    }
    return members.empty() ? size == 1 : round_up(end, alignment) == size;
}

/// `name` without the namespaces before it.
[[nodiscard]] constexpr std::string_view last_name(std::string_view name) noexcept {
    const std::size_t colon = name.rfind(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

template <typename T, typename... Members>
[[nodiscard]] constexpr auto make_struct_data(std::string_view name, DescribedAs as, const Members&... members) noexcept {
    static_assert(std::is_trivially_copyable_v<T>, "rows are copied as bytes: the struct must be trivially copyable");
    static_assert(std::is_standard_layout_v<T>, "rows are addressed by offset: the struct must have standard layout");
    return StructData<sizeof...(Members)>{name, as, {members...}};
}

template <typename T, typename... Values>
[[nodiscard]] constexpr auto make_enum_data(std::string_view name, const Values&... values) noexcept {
    static_assert(std::is_enum_v<T>, "ECSDB_ENUM describes enums");
    return EnumData<sizeof...(Values)>{name, number_type<std::underlying_type_t<T>>(), {values...}};
}

} // namespace ecsdb::detail

// Expands `macro(head, item)` for each item: the deferred macro re-enters itself once per rescan, and the nested rescans allow 256.
#define ECSDB_DETAIL_PARENS ()
#define ECSDB_DETAIL_RESCAN(...) ECSDB_DETAIL_RESCAN_3(ECSDB_DETAIL_RESCAN_3(ECSDB_DETAIL_RESCAN_3(ECSDB_DETAIL_RESCAN_3(__VA_ARGS__))))
#define ECSDB_DETAIL_RESCAN_3(...) ECSDB_DETAIL_RESCAN_2(ECSDB_DETAIL_RESCAN_2(ECSDB_DETAIL_RESCAN_2(ECSDB_DETAIL_RESCAN_2(__VA_ARGS__))))
#define ECSDB_DETAIL_RESCAN_2(...) ECSDB_DETAIL_RESCAN_1(ECSDB_DETAIL_RESCAN_1(ECSDB_DETAIL_RESCAN_1(ECSDB_DETAIL_RESCAN_1(__VA_ARGS__))))
#define ECSDB_DETAIL_RESCAN_1(...) __VA_ARGS__
#define ECSDB_DETAIL_EACH(macro, ...) __VA_OPT__(ECSDB_DETAIL_RESCAN(ECSDB_DETAIL_STEP(macro, __VA_ARGS__)))
#define ECSDB_DETAIL_STEP(macro, item, ...) macro(item) __VA_OPT__(ECSDB_DETAIL_AGAIN ECSDB_DETAIL_PARENS(macro, __VA_ARGS__))
#define ECSDB_DETAIL_AGAIN() ECSDB_DETAIL_STEP

#define ECSDB_DETAIL_MEMBER(member) , ::ecsdb::detail::describe_member<decltype(ecsdb_type::member)>(#member, offsetof(ecsdb_type, member))
#define ECSDB_DETAIL_ENUMERATOR(value)                                                                                                     \
    , ::ecsdb::EnumeratorDescription {                                                                                                     \
#value, static_cast < std::int64_t>(ecsdb_type::value)                                                                             \
    }
#define ECSDB_DETAIL_DESCRIBE(Type, name, as, ...)                                                                                         \
    [[maybe_unused]] constexpr auto ecsdb_describe(::ecsdb_described<Type>) noexcept {                                                     \
        using ecsdb_type = Type;                                                                                                           \
        return ::ecsdb::detail::make_struct_data<ecsdb_type>(                                                                              \
            ::ecsdb::detail::last_name(name), ::ecsdb::detail::DescribedAs::as ECSDB_DETAIL_EACH(ECSDB_DETAIL_MEMBER, __VA_ARGS__));       \
    }                                                                                                                                      \
    static_assert(::ecsdb::detail::lists_every_field(::ecsdb::detail::description_of<Type>.members, sizeof(Type), alignof(Type)),          \
                  "list every field of the struct, in the order of its declaration")

/// Makes `Type` a component with these fields (up to 64, all of them, in order; none for a tag), called as the type is. Write it after
/// the struct, in the struct's namespace or the global one, and end it with a semicolon.
#define ECSDB_COMPONENT(Type, ...) ECSDB_DETAIL_DESCRIBE(Type, #Type, Component __VA_OPT__(, ) __VA_ARGS__)
/// The same, for a table called `table_name`.
#define ECSDB_COMPONENT_NAMED(Type, table_name, ...) ECSDB_DETAIL_DESCRIBE(Type, table_name, Component __VA_OPT__(, ) __VA_ARGS__)
/// Describes a struct that is a field of components.
#define ECSDB_STRUCT(Type, ...) ECSDB_DETAIL_DESCRIBE(Type, #Type, Struct __VA_OPT__(, ) __VA_ARGS__)
/// Describes an enum: every enumerator a row may hold. The enum's underlying type should be fixed.
#define ECSDB_ENUM(Type, ...)                                                                                                              \
    [[maybe_unused]] constexpr auto ecsdb_describe(::ecsdb_described<Type>) noexcept {                                                     \
        using ecsdb_type = Type;                                                                                                           \
        return ::ecsdb::detail::make_enum_data<ecsdb_type>(::ecsdb::detail::last_name(#Type)                                               \
                                                               ECSDB_DETAIL_EACH(ECSDB_DETAIL_ENUMERATOR, __VA_ARGS__));                   \
    }                                                                                                                                      \
    static_assert(::ecsdb::Described<Type>)
