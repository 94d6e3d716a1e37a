/// @file
/// One row on its way from an old version of its table to a new one: values by name, which steps read, change, rename and remove.
#pragma once

#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/default_row.hpp"
#include "ecsdb/schema/describe.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/widening.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// A row in memory layout, and what its `text` and `blob` fields hold.
struct FittedRow {
    struct Content {
        FieldId field = 0;
        std::string bytes;
    };
    std::vector<std::byte> row;
    std::vector<Content> contents; ///< Those that are not empty.
};

namespace detail {

/// The field that holds a `T`: a number, bool, `Entity`, `FixedString` or an array of these.
template <typename T>
[[nodiscard]] const Field& field_of() {
    static const Field field = [] {
        const MemberDescription member = describe_member<T>("value", 0);
        Field made;
        made.name = "value";
        made.type = member.type;
        made.extents.assign(member.extents.begin(), member.extents.begin() + member.dimensions);
        made.capacity = member.capacity;
        made.size = member.size;
        made.alignment = member.alignment;
        return made;
    }();
    return field;
}

template <typename T>
[[nodiscard]] consteval bool is_plain_value() {
    constexpr MemberDescription member = describe_member<T>("value", 0);
    return !member.nullable && member.type != FieldType::Struct && member.type != FieldType::Enum && !is_content(member.type);
}

} // namespace detail

/// What a step works on. It begins with the stored values and must end with those of the new table: a field the new table does not have
/// must have been removed or renamed, one that is missing gets its default, and every other is widened where its type is another.
///
/// For one thread; lives for one row.
class MigratingRow {
public:
    explicit MigratingRow(Entity entity) noexcept : entity_{entity} {}
    MigratingRow(const MigratingRow&) = delete;
    MigratingRow& operator=(const MigratingRow&) = delete;

    /// Whose row it is.
    [[nodiscard]] Entity entity() const noexcept { return entity_; }
    [[nodiscard]] bool has(std::string_view field) const noexcept { return find(field) != nullptr; }
    /// True also where there is no such field.
    [[nodiscard]] bool is_null(std::string_view field) const noexcept {
        const Value* const value = find(field);
        return value == nullptr || value->is_null();
    }

    /// A value as a `T`, which must hold every value of the field's type; an enum's as its number. Errors: `NotFound` where there is no
    /// such field, or it is null; `WrongType`.
    template <typename T>
    [[nodiscard]] Result<T> get(std::string_view field) const {
        static_assert(detail::is_plain_value<T>(), "numbers, bool, Entity, FixedString and arrays of these have a type; others have words");
        const Value* const value = find(field);
        if (value == nullptr || value->is_null()) {
            return missing(field, value);
        }
        const Field& wanted = detail::field_of<T>();
        std::string why = value->kind == Kind::Typed ? std::string{} : "is text or bytes, and was asked for as a number";
        Field number;
        if (why.empty() && value->field->type == FieldType::Enum && value->field->extents.empty()) {
            number.type = value->schema->enums()[value->field->type_index].underlying;
            number.offset = value->field->offset;
            number.size = value->field->size;
        }
        const Field& from = number.size != 0 ? number : *value->field;
        why = why.empty() ? detail::why_value_not_wider(*value->schema, from, no_schema(), wanted) : why;
        if (!why.empty()) {
            return Error{ErrorCode::WrongType, "field `" + std::string{field} + "` " + why};
        }
        T result{};
        widen(*value->schema, from, value->base, no_schema(), wanted, reinterpret_cast<std::byte*>(&result));
        return result;
    }
    /// Gives a field a value, and with it another type; adds it where it is missing.
    template <typename T>
    void set(std::string_view field, const T& value) {
        static_assert(detail::is_plain_value<T>(), "numbers, bool, Entity, FixedString and arrays of these have a type; others have words");
        Value& set = place(field);
        set = Value{std::string{field},
                    Kind::Typed,
                    &no_schema(),
                    &detail::field_of<T>(),
                    keep({reinterpret_cast<const std::byte*>(&value), sizeof(T)}),
                    {}};
    }

    /// The text of a `string` or `text` field, or the name of an enum's value. Errors: `NotFound`; `WrongType`.
    [[nodiscard]] Result<std::string> text(std::string_view field) const {
        const Value* const value = find(field);
        if (value == nullptr || value->is_null()) {
            return missing(field, value);
        }
        if (value->kind == Kind::Words || (value->kind == Kind::Typed && value->field->type == FieldType::Text)) {
            return value->content;
        }
        if (value->kind == Kind::Typed && value->field->extents.empty()) {
            const std::byte* const place = value->base + value->field->offset;
            if (value->field->type == FieldType::String) {
                const auto length = std::min(detail::load_integer(FieldType::U16, place), std::uint64_t{value->field->capacity});
                return std::string{reinterpret_cast<const char*>(place + sizeof(std::uint16_t)), static_cast<std::size_t>(length)};
            }
            if (value->field->type == FieldType::Enum) {
                const EnumType& type = value->schema->enums()[value->field->type_index];
                const auto number = static_cast<std::int64_t>(detail::load_integer(type.underlying, place));
                for (const EnumValue& named : type.values) {
                    if (named.value == number) {
                        return named.name;
                    }
                }
            }
        }
        return Error{ErrorCode::WrongType, "field `" + std::string{field} + "` is no text"};
    }
    /// Gives a field text: for a `string`, a `text`, or the name of an enum's value.
    void set_text(std::string_view field, std::string_view words) {
        place(field) = Value{std::string{field}, Kind::Words, nullptr, nullptr, nullptr, std::string{words}};
    }

    /// What a `blob` field holds. Errors: `NotFound`; `WrongType`.
    [[nodiscard]] Result<std::string> blob(std::string_view field) const {
        const Value* const value = find(field);
        if (value == nullptr || value->is_null()) {
            return missing(field, value);
        }
        if (value->kind != Kind::Bytes && !(value->kind == Kind::Typed && value->field->type == FieldType::Blob)) {
            return Error{ErrorCode::WrongType, "field `" + std::string{field} + "` is no blob"};
        }
        return value->content;
    }
    void set_blob(std::string_view field, std::span<const std::byte> bytes) {
        place(field) = Value{std::string{field},
                             Kind::Bytes,
                             nullptr,
                             nullptr,
                             nullptr,
                             std::string{reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
    }

    void set_null(std::string_view field) { place(field) = Value{std::string{field}, Kind::Null, nullptr, nullptr, nullptr, {}}; }

    /// Calls a value by another name. `NotFound` where there is none; `AlreadyExists` where the other name is taken.
    Result<void> rename(std::string_view from, std::string_view to) {
        Value* const value = find(from);
        if (value == nullptr) {
            return missing(from, nullptr);
        }
        if (has(to)) {
            return Error{ErrorCode::AlreadyExists, "there is a field `" + std::string{to} + "` already"};
        }
        value->name = to;
        return {};
    }
    /// Removes a value; false where there is none.
    bool erase(std::string_view field) {
        return std::erase_if(values_, [&](const Value& value) { return value.name == field; }) != 0;
    }

    // For whoever runs the steps -------------------------------------------------------------------------------------------------------

    /// Replaces all values by those of a row of `table`; `content(field)` is what a `text` or `blob` field holds, as a `std::string`.
    /// Schema and row must outlive this.
    template <typename ContentOf>
    void assign(const Schema& schema, const Table& table, const std::byte* row, ContentOf content) {
        values_.clear();
        for (const Field& field : table.fields) {
            values_.push_back(
                {field.name, Kind::Typed, &schema, &field, row, is_content(field.type) ? std::string{content(field)} : std::string{}});
        }
    }
    /// Keeps bytes for as long as this row lives.
    [[nodiscard]] const std::byte* keep(std::span<const std::byte> bytes) {
        kept_.emplace_back(bytes.begin(), bytes.end());
        return kept_.back().data();
    }

    /// The values as a row of `table`, which `fitted` becomes. `SchemaMismatch` names the field that is left over or does not fit.
    [[nodiscard]] Result<void> fit(const Schema& schema, const Table& table, FittedRow& fitted) const {
        fitted.row.assign(table.size, std::byte{});
        detail::write_defaults(schema, table.fields, fitted.row.data());
        fitted.contents.clear();
        for (const Field& field : table.fields) {
            const auto* const standing_in = is_content(field.type) ? std::get_if<std::string>(&field.default_value) : nullptr;
            if (standing_in != nullptr && find(field.name) == nullptr) {
                fitted.contents.push_back({field.id, *standing_in});
            }
        }
        for (const Value& value : values_) {
            const Field* const field = table.find_field(value.name);
            std::string why = field == nullptr ? "is left over: the table does not have it any more, so a step has to remove or rename it"
                                               : put(schema, *field, value, fitted);
            if (!why.empty()) {
                return Error{ErrorCode::SchemaMismatch, "field `" + value.name + "` " + why};
            }
        }
        return {};
    }

private:
    enum class Kind : std::uint8_t { Typed, Words, Bytes, Null };
    struct Value {
        std::string name;
        Kind kind = Kind::Null;
        const Schema* schema = nullptr; ///< `Typed`: of the field …
        const Field* field = nullptr;
        const std::byte* base = nullptr; ///< … which lies in this row.
        std::string content;

        [[nodiscard]] bool is_null() const noexcept {
            return kind == Kind::Null ||
                   (kind == Kind::Typed && field->has_presence_byte() && base[field->presence_offset] == std::byte{0});
        }
    };

    [[nodiscard]] static const Schema& no_schema() {
        static const Schema empty;
        return empty;
    }
    [[nodiscard]] static Error missing(std::string_view field, const void* value) {
        return Error{ErrorCode::NotFound, value == nullptr ? "the row has no field `" + std::string{field} + "` at this point"
                                                           : "field `" + std::string{field} + "` is null"};
    }

    [[nodiscard]] const Value* find(std::string_view name) const noexcept {
        for (const Value& value : values_) {
            if (value.name == name) {
                return &value;
            }
        }
        return nullptr;
    }
    [[nodiscard]] Value* find(std::string_view name) noexcept { return const_cast<Value*>(std::as_const(*this).find(name)); }
    [[nodiscard]] Value& place(std::string_view name) {
        Value* const found = find(name);
        return found != nullptr ? *found : values_.emplace_back();
    }

    /// Puts a value into a field; what is in the way otherwise.
    [[nodiscard]] static std::string put(const Schema& schema, const Field& field, const Value& value, FittedRow& fitted) {
        std::byte* const row = fitted.row.data();
        const auto has_value = [&] {
            if (field.has_presence_byte()) {
                row[field.presence_offset] = std::byte{1};
            }
        };
        const auto hold = [&](const std::string& bytes) {
            if (!bytes.empty()) {
                fitted.contents.push_back({field.id, bytes});
            }
        };
        if (value.kind == Kind::Null) {
            if (!field.nullable) {
                return "is null, and the field cannot be";
            }
            std::memset(row + field.offset, 0, field.size);
            if (field.has_presence_byte()) {
                row[field.presence_offset] = std::byte{0};
            }
            return {};
        }
        if (value.kind == Kind::Typed) {
            // A field that was nullable may have a value for every row by now.
            std::string why = value.is_null() ? why_not_wider(*value.schema, *value.field, schema, field)
                                              : detail::why_value_not_wider(*value.schema, *value.field, schema, field);
            if (why.empty()) {
                widen(*value.schema, *value.field, value.base, schema, field, row);
                hold(value.content);
            }
            return why;
        }
        const bool fits = is_content(field.type) ? (value.kind == Kind::Bytes) == (field.type == FieldType::Blob)
                                                 : value.kind == Kind::Words && field.extents.empty();
        if (fits && is_content(field.type)) {
            has_value();
            hold(value.content);
            return {};
        }
        if (fits && field.type == FieldType::String) {
            if (value.content.size() > field.capacity) {
                return "has text of " + std::to_string(value.content.size()) + " bytes, and the field holds " +
                       std::to_string(field.capacity);
            }
            const auto length = static_cast<std::uint16_t>(value.content.size());
            std::memset(row + field.offset, 0, field.size);
            std::memcpy(row + field.offset, &length, sizeof(length));
            std::memcpy(row + field.offset + sizeof(length), value.content.data(), length);
            has_value();
            return {};
        }
        if (fits && field.type == FieldType::Enum) {
            const EnumType& type = schema.enums()[field.type_index];
            for (const EnumValue& named : type.values) {
                if (named.name == value.content) {
                    std::memcpy(row + field.offset, &named.value, scalar_size(type.underlying));
                    has_value();
                    return {};
                }
            }
            return "is `" + value.content + "`, and enum `" + type.name + "` has no such value";
        }
        return std::string{"is "} + (value.kind == Kind::Words ? "text" : "bytes") + " and would be " + spell_type(schema, field);
    }

    Entity entity_;
    std::vector<Value> values_;
    std::deque<std::vector<std::byte>> kept_;
};

} // namespace ecsdb
