/// @file
/// Reaches a field by name: looked up and type-checked once, then an offset.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace ecsdb {

namespace detail {

/// Whether a C++ type may stand for a scalar field of `type`. An enum field is reached as its underlying integer.
template <typename T>
[[nodiscard]] constexpr bool stands_for(FieldType type) noexcept {
    switch (type) {
    case FieldType::U8:
        return std::is_same_v<T, std::uint8_t>;
    case FieldType::U16:
        return std::is_same_v<T, std::uint16_t>;
    case FieldType::U32:
        return std::is_same_v<T, std::uint32_t>;
    case FieldType::U64:
        return std::is_same_v<T, std::uint64_t>;
    case FieldType::I8:
        return std::is_same_v<T, std::int8_t>;
    case FieldType::I16:
        return std::is_same_v<T, std::int16_t>;
    case FieldType::I32:
        return std::is_same_v<T, std::int32_t>;
    case FieldType::I64:
        return std::is_same_v<T, std::int64_t>;
    case FieldType::F32:
        return std::is_same_v<T, float>;
    case FieldType::F64:
        return std::is_same_v<T, double>;
    case FieldType::Bool:
        return std::is_same_v<T, bool>;
    case FieldType::Entity:
        return std::is_same_v<T, Entity>;
    case FieldType::Text:
        return std::is_same_v<T, Text>;
    case FieldType::Blob:
        return std::is_same_v<T, Blob>;
    case FieldType::String:
    case FieldType::Enum:
    case FieldType::Struct:
        return false;
    }
    return false;
}

} // namespace detail

/// A field of a table, as a `T` (an array field: its first element). A plain value; valid for every database with the same schema.
template <typename T>
struct FieldHandle {
    TableId table = no_table;
    FieldId field = 0;
    std::uint32_t offset = 0;

    /// Whether this names a field of `schema`, whose rows hold all of it: else it is of another schema.
    [[nodiscard]] bool fits(const Schema& schema) const noexcept {
        return schema.has_table(table) && field < schema.table(table).fields.size() && schema.table(table).size >= sizeof(T) &&
               offset <= schema.table(table).size - sizeof(T);
    }
    /// The field in a row of its table, as `View::find_row` returns it.
    [[nodiscard]] const T& in(const std::byte* row) const noexcept { return *reinterpret_cast<const T*>(row + offset); }
    /// The bytes of a value, to be written at `offset`.
    [[nodiscard]] static std::span<const std::byte> bytes_of(const T& value) noexcept {
        return {reinterpret_cast<const std::byte*>(&value), sizeof(T)};
    }
};

/// The table called `name`. Errors: `NotFound`.
[[nodiscard]] inline Result<TableId> find_table(const Schema& schema, std::string_view name) {
    if (const Table* const table = schema.find_table(name); table != nullptr) {
        return table->id;
    }
    return Error{ErrorCode::NotFound, "schema `" + schema.name() + "` has no table `" + std::string{name} + "`"};
}

/// The field `field` of `table` as a `T`. Errors: `NotFound`; `WrongType` naming what the field is. Cost: O(tables + fields), once.
template <typename T>
[[nodiscard]] Result<FieldHandle<T>> find_field(const Schema& schema, std::string_view table, std::string_view field) {
    Result<TableId> id = find_table(schema, table);
    if (!id) {
        return std::move(id).error();
    }
    const Field* const found = schema.table(*id).find_field(field);
    const std::string name = std::string{table} + "." + std::string{field};
    if (found == nullptr) {
        return Error{ErrorCode::NotFound, "there is no field `" + name + "`"};
    }
    const FieldType type = found->type == FieldType::Enum ? schema.enums()[found->type_index].underlying : found->type;
    if (!detail::stands_for<T>(type)) {
        return Error{ErrorCode::WrongType, "field `" + name + "` is a " + spell_type(schema, *found) +
                                               ", and was asked for as another type of " + std::to_string(sizeof(T)) + " bytes"};
    }
    return FieldHandle<T>{*id, found->id, found->offset};
}

} // namespace ecsdb
