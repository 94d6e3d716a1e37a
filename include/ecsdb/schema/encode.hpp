/// @file
/// Stores a schema as bytes beside the data it describes, and reads it back from bytes nobody vouches for. docs/format/schema.md.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/canonical.hpp"
#include "ecsdb/schema/draft.hpp"
#include "ecsdb/schema/layout.hpp"
#include "ecsdb/schema/schema.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// Appends a finished schema to `out`. A failure for want of memory is the buffer's, to be asked once at the end.
inline void encode_schema(const Schema& schema, ByteBuffer& out) {
    out.append_le<std::uint32_t>(schema_magic);
    const bool has_contents = std::any_of(schema.tables().begin(), schema.tables().end(), [](const Table& t) { return t.has_contents(); });
    out.append_le<std::uint32_t>(!schema.history().empty() ? schema_format_with_history
                                 : has_contents            ? schema_format_with_contents
                                                           : schema_format);
    out.append_le<std::uint64_t>(schema.hash());
    detail::SchemaEncoder{out, detail::SchemaEncoder::Part::Whole}.schema(schema);
}

} // namespace ecsdb

namespace ecsdb::detail {

/// Reads what `SchemaEncoder` wrote. The first thing wrong is kept, and everything after it reads as nothing.
class SchemaDecoder {
public:
    explicit SchemaDecoder(std::span<const std::byte> bytes) noexcept : in_{bytes} {}

    [[nodiscard]] Result<Schema> schema() {
        if (in_.read_le<std::uint32_t>() != schema_magic) {
            return Error{ErrorCode::Corrupt, "stored schema: the bytes do not begin as one"};
        }
        const auto format = in_.read_le<std::uint32_t>();
        if (!in_.failed() && (format < schema_format || format > schema_format_with_history)) {
            return Error{ErrorCode::Unsupported, "stored schema: has format " + std::to_string(format) + ", and this program reads " +
                                                     std::to_string(schema_format) + " to " + std::to_string(schema_format_with_history)};
        }
        last_type_ = format == schema_format ? FieldType::Struct : FieldType::Blob;
        const auto hash = in_.read_le<std::uint64_t>();
        std::string name = text();
        std::string version = text();
        EntityNames entity_names{text(), text()};
        std::vector<EnumType> enums = list<EnumType>(max_members, [this] { return enum_type(); });
        std::vector<StructType> structs = list<StructType>(max_members, [this] { return struct_type(); });
        std::vector<Table> tables = list<Table>(max_tables, [this] { return table(); });
        std::vector<SchemaChange> history;
        if (format == schema_format_with_history) {
            history = list<SchemaChange>(max_history, [this] { return change(); });
        }
        if (!failed() && in_.remaining() != 0) {
            fail("has bytes after its end");
        }
        if (failed()) {
            return Error{ErrorCode::Corrupt, "stored schema: " + std::string{failure_ == nullptr ? "is cut short" : failure_} +
                                                 " at byte " + std::to_string(in_.offset())};
        }
        auto schema = finish_schema(
            Schema{std::move(name), std::move(version), std::move(tables), std::move(enums), std::move(structs), std::move(entity_names)});
        if (!schema) {
            return Error{ErrorCode::Corrupt, "stored schema: " + schema.error().message()};
        }
        if (schema->hash() != hash) {
            return Error{ErrorCode::Corrupt, "stored schema: its hash differs from the one stored with it"};
        }
        schema->set_history(std::move(history));
        return schema;
    }

private:
    [[nodiscard]] bool failed() const noexcept { return failure_ != nullptr || in_.failed(); }
    void fail(const char* why) noexcept {
        if (!failed()) {
            failure_ = why;
        }
    }

    /// A number no larger than `max`; 0 after a failure.
    std::uint64_t number(std::uint64_t max, const char* complaint) {
        const std::uint64_t value = in_.read_varint();
        if (value > max) {
            fail(complaint);
        }
        return failed() ? 0 : value;
    }

    /// A list whose length is believed only as far as bytes follow: every element takes at least one.
    template <typename T, typename Read>
    std::vector<T> list(std::size_t max, Read read) {
        const std::uint64_t count = number(max, "claims more parts than a schema can have");
        std::vector<T> items;
        for (std::uint64_t i = 0; i < count && !failed(); ++i) {
            items.push_back(read());
        }
        return items;
    }

    std::string text() {
        const auto bytes = in_.read_bytes(in_.read_varint());
        return failed() ? std::string{} : std::string{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    /// A byte that must be at least `first` and at most `last`; `first` after a failure.
    template <typename T>
    T byte(T first, T last, const char* complaint) {
        const auto value = in_.read_le<std::uint8_t>();
        if (value < static_cast<std::uint8_t>(first) || value > static_cast<std::uint8_t>(last)) {
            fail(complaint);
        }
        return failed() ? first : static_cast<T>(value);
    }

    FieldType type() { return byte(FieldType::U8, last_type_, "names a type that does not exist"); }

    SchemaChange change() {
        SchemaChange change;
        change.version = in_.read_varint();
        change.time_ns = in_.read_varint();
        change.table = text();
        change.from = text();
        change.to = text();
        change.what = text();
        return change;
    }

    EnumType enum_type() {
        EnumType type;
        type.name = text();
        type.underlying = this->type();
        type.values = list<EnumValue>(max_members, [this] {
            EnumValue value;
            value.name = text();
            value.value = in_.read_zigzag();
            return value;
        });
        return type;
    }

    StructType struct_type() {
        StructType type;
        type.name = text();
        type.fields = fields();
        return type;
    }

    Table table() {
        Table table;
        table.name = text();
        table.version =
            static_cast<std::uint32_t>(number(std::numeric_limits<std::uint32_t>::max(), "has a table of an impossible version"));
        const auto flags = byte<std::uint8_t>(0, table_flags::all, "has a table with flags that do not exist");
        table.deprecated = (flags & table_flags::deprecated) != 0;
        table.dropped = (flags & table_flags::dropped) != 0;
        table.storage = byte(Storage::Table, Storage::Sparse, "names a storage that does not exist");
        table.persist = byte(Persist::Wal, Persist::Transient, "names a persistence that does not exist");
        table.capacity = in_.read_varint();
        table.key_name = text();
        table.parent_name = text();
        table.fields = fields();
        return table;
    }

    std::vector<Field> fields() {
        return list<Field>(max_members, [this] { return field(); });
    }

    Field field() {
        Field field;
        field.name = text();
        field.type = type();
        const auto flags = byte<std::uint8_t>(0, field_flags::all, "has a field with flags that do not exist");
        field.nullable = (flags & field_flags::nullable) != 0;
        field.not_null = (flags & field_flags::not_null) != 0;
        field.unique = (flags & field_flags::unique) != 0;
        field.indexed = (flags & field_flags::indexed) != 0;
        field.deprecated = (flags & field_flags::deprecated) != 0;
        field.extents = list<std::uint32_t>(
            max_dimensions, [this] { return static_cast<std::uint32_t>(number(max_row_size, "has an array that fits in no row")); });
        if (field.type == FieldType::String) {
            field.capacity = static_cast<std::uint32_t>(number(max_string_capacity, "has a string that is too long"));
        } else if (is_content(field.type)) {
            field.capacity = static_cast<std::uint32_t>(number(max_content_size, "has a text or blob that is too long"));
        } else if (field.type == FieldType::Enum || field.type == FieldType::Struct) {
            field.type_index = static_cast<std::uint16_t>(number(max_members, "names an enum or struct that does not exist"));
        }
        field.default_value = value();
        field.min = value();
        field.max = value();
        if ((flags & field_flags::foreign_key) != 0) {
            ForeignKey key;
            key.table = text();
            key.field = text();
            key.on_delete = byte(OnDelete::Restrict, OnDelete::SetNull, "names an on_delete that does not exist");
            field.foreign_key = std::move(key);
        }
        return field;
    }

    SchemaValue value() {
        switch (byte(StoredValue::Nothing, StoredValue::Text, "has a constant of a kind that does not exist")) {
        case StoredValue::Bool:
            return SchemaValue{byte<std::uint8_t>(0, 1, "has a bool that is neither true nor false") != 0};
        case StoredValue::Signed:
            return SchemaValue{in_.read_zigzag()};
        case StoredValue::Unsigned:
            return SchemaValue{in_.read_varint()};
        case StoredValue::Real:
            return SchemaValue{in_.read_le<double>()};
        case StoredValue::Text:
            return SchemaValue{text()};
        case StoredValue::Nothing:
            break;
        }
        return {};
    }

    ByteReader in_;
    FieldType last_type_ = FieldType::Struct;
    const char* failure_ = nullptr;
};

} // namespace ecsdb::detail

namespace ecsdb {

/// The finished schema `bytes` hold, all of them.
///
/// `ErrorCode::Corrupt` where they are not what `encode_schema` wrote, `ErrorCode::Unsupported` for a newer format. Memory taken is in
/// proportion to the bytes given, apart from the layouts, which `finish_schema` limits.
[[nodiscard]] inline Result<Schema> decode_schema(std::span<const std::byte> bytes) {
    return detail::SchemaDecoder{bytes}.schema();
}

} // namespace ecsdb
