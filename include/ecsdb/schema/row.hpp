/// @file
/// One row built by name, starting from the schema's defaults: how programs without C++ types write.
#pragma once

#include "ecsdb/schema/default_row.hpp"
#include "ecsdb/schema/field_handle.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ecsdb {

/// A row of one table in memory layout. Fields start at their defaults, else at zero (nullable ones absent).
///
/// Must not outlive the schema. Not thread-safe.
class Row {
public:
    Row(const Schema& schema, TableId table) : schema_{&schema}, table_{&schema.table(table)}, bytes_{default_row(schema, *table_)} {}
    /// A row of the table called `name`. Errors: `NotFound`.
    [[nodiscard]] static Result<Row> of(const Schema& schema, std::string_view name) {
        Result<TableId> table = find_table(schema, name);
        if (!table) {
            return std::move(table).error();
        }
        return Row{schema, *table};
    }

    [[nodiscard]] TableId table() const noexcept { return table_->id; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

    /// Gives a field its value. Errors: `NotFound`; `WrongType`.
    template <typename T>
    Result<void> set(std::string_view field, const T& value) {
        Result<FieldHandle<T>> handle = find_field<T>(*schema_, table_->name, field);
        if (!handle) {
            return std::move(handle).error();
        }
        set(*handle, value);
        return {};
    }
    /// The same with a handle, which must be of this row's table.
    template <typename T>
    void set(FieldHandle<T> field, const T& value) noexcept {
        ECSDB_ASSERT(field.table == table_->id, "a field handle of another table was used");
        std::memcpy(bytes_.data() + field.offset, &value, sizeof(T));
        const Field& description = table_->fields[field.field];
        if (description.has_presence_byte()) {
            bytes_[description.presence_offset] = std::byte{1};
        }
    }
    /// Gives a `string[n]` field its text. Errors: `NotFound`; `WrongType`; `InvalidArgument` for text longer than n bytes.
    Result<void> set_text(std::string_view field, std::string_view text) {
        const Field* const found = table_->find_field(field);
        if (found == nullptr) {
            return Error{ErrorCode::NotFound, "there is no field `" + table_->name + "." + std::string{field} + "`"};
        }
        if (found->type != FieldType::String || !found->extents.empty()) {
            return Error{ErrorCode::WrongType, "field `" + table_->name + "." + std::string{field} + "` is not a string" +
                                                   (is_content(found->type) ? "; set it to what the transaction's `text` returns" : "")};
        }
        if (text.size() > found->capacity) {
            return Error{ErrorCode::InvalidArgument, "text of " + std::to_string(text.size()) + " bytes for field `" + table_->name + "." +
                                                         std::string{field} + "`, which holds " + std::to_string(found->capacity)};
        }
        const auto length = static_cast<std::uint16_t>(text.size());
        std::memset(bytes_.data() + found->offset, 0, found->size);
        std::memcpy(bytes_.data() + found->offset, &length, sizeof(length));
        std::memcpy(bytes_.data() + found->offset + sizeof(length), text.data(), text.size());
        if (found->has_presence_byte()) {
            bytes_[found->presence_offset] = std::byte{1};
        }
        return {};
    }

private:
    const Schema* schema_;
    const Table* table_;
    std::vector<std::byte> bytes_;
};

} // namespace ecsdb
