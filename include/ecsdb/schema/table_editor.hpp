/// @file
/// Adds in code what a C++ struct cannot say about its table: constraints, defaults, foreign keys.
#pragma once

#include "ecsdb/schema/schema.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// A constant of a schema from a C++ value: a number, a bool, text, or an enumerator (as its number).
template <typename T>
requires(std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_convertible_v<T, std::string_view>) [[nodiscard]] SchemaValue
    schema_value(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        return SchemaValue{value};
    } else if constexpr (std::is_floating_point_v<T>) {
        return SchemaValue{static_cast<double>(value)};
    } else if constexpr (std::is_enum_v<T> || std::is_signed_v<T>) {
        return SchemaValue{static_cast<std::int64_t>(value)};
    } else if constexpr (std::is_unsigned_v<T>) {
        return SchemaValue{static_cast<std::uint64_t>(value)};
    } else {
        return SchemaValue{std::string{std::string_view{value}}};
    }
}

/// Adds promises to one field. Lives only within `ComponentOptions::constrain`.
class FieldEditor {
public:
    explicit FieldEditor(Field& field) noexcept : field_{&field} {}

    /// The least and the most a number may be; for arrays, each element.
    template <typename T>
    FieldEditor& min(const T& value) {
        field_->min = schema_value(value);
        return *this;
    }
    template <typename T>
    FieldEditor& max(const T& value) {
        field_->max = schema_value(value);
        return *this;
    }
    /// The value of a field nobody has set; for arrays, of each element.
    template <typename T>
    FieldEditor& default_value(const T& value) {
        field_->default_value = schema_value(value);
        return *this;
    }
    /// The most bytes of a text or blob.
    FieldEditor& max_length(std::uint32_t bytes) noexcept {
        field_->capacity = bytes;
        return *this;
    }
    FieldEditor& unique() noexcept { return set(field_->unique); }
    FieldEditor& not_null() noexcept { return set(field_->not_null); }
    FieldEditor& indexed() noexcept { return set(field_->indexed); }
    FieldEditor& deprecated() noexcept { return set(field_->deprecated); }
    /// Says that a reference may be null. Any other field is nullable by its type, `Nullable<T>`.
    FieldEditor& nullable() noexcept { return set(field_->nullable); }
    /// The field names a living entity.
    FieldEditor& references_entity(OnDelete on_delete = OnDelete::Restrict) { return references("entities", "id", on_delete); }
    /// The field names a row of `table`, by the row's entity (`entity_id`) or by a unique field of it.
    FieldEditor& references(std::string_view table, std::string_view field, OnDelete on_delete = OnDelete::Restrict) {
        ForeignKey key;
        key.table = table;
        key.field = field;
        key.on_delete = on_delete;
        field_->foreign_key = std::move(key);
        return *this;
    }

private:
    FieldEditor& set(bool& flag) noexcept {
        flag = true;
        return *this;
    }

    Field* field_;
};

/// What `ComponentOptions::constrain` is given: the table made from a struct, before it is finished.
class TableEditor {
public:
    explicit TableEditor(Table& table) noexcept : table_{&table} {}

    /// The field called `name`. If there is none, `schema_of` fails and says so.
    [[nodiscard]] FieldEditor field(std::string_view name) {
        for (Field& field : table_->fields) {
            if (field.name == name) {
                return FieldEditor{field};
            }
        }
        if (unknown_.empty()) {
            unknown_ = name;
        }
        return FieldEditor{nowhere_};
    }
    /// Everything else.
    [[nodiscard]] Table& table() noexcept { return *table_; }
    /// The first name asked for that no field has; empty when all was well.
    [[nodiscard]] const std::string& unknown_field() const noexcept { return unknown_; }

private:
    Table* table_;
    Field nowhere_;
    std::string unknown_;
};

} // namespace ecsdb
