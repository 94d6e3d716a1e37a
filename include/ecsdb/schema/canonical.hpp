/// @file
/// Writes a schema as bytes, always the same bytes for the same schema: what is stored beside data, and what the schema's hash covers.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/schema/schema.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ecsdb {

// On-disk constants, see docs/format/schema.md. Changing one breaks every stored schema: raise the format's number instead.

/// "ECSS", the first four bytes of a stored schema.
inline constexpr std::uint32_t schema_magic = 0x53534345;
inline constexpr std::uint32_t schema_format = 1;
/// The format of a schema that has `text` or `blob` fields: the same, but for these types. Programs that know them only refuse it by this.
inline constexpr std::uint32_t schema_format_with_contents = 2;
/// The format of a schema that has a history: what migrations have done follows the tables.
inline constexpr std::uint32_t schema_format_with_history = 3;
/// Migrations remembered: when there are more, the oldest are forgotten.
inline constexpr std::size_t max_history = 4096;

/// The kind of a stored constant.
enum class StoredValue : std::uint8_t { Nothing = 0, Bool = 1, Signed = 2, Unsigned = 3, Real = 4, Text = 5 };

/// Bits of a stored field's flags.
namespace field_flags {
inline constexpr std::uint8_t nullable = 1U << 0U;
inline constexpr std::uint8_t not_null = 1U << 1U;
inline constexpr std::uint8_t unique = 1U << 2U;
inline constexpr std::uint8_t indexed = 1U << 3U;
inline constexpr std::uint8_t deprecated = 1U << 4U;
inline constexpr std::uint8_t foreign_key = 1U << 5U;
inline constexpr std::uint8_t all = (1U << 6U) - 1U;
} // namespace field_flags

/// Bits of a stored table's flags.
namespace table_flags {
inline constexpr std::uint8_t deprecated = 1U << 0U;
inline constexpr std::uint8_t dropped = 1U << 1U;
inline constexpr std::uint8_t all = (1U << 2U) - 1U;
} // namespace table_flags

} // namespace ecsdb

namespace ecsdb::detail {

/// Appends schemas to a buffer, whole (to be stored) or reduced to what gives stored bytes their meaning (to be hashed).
class SchemaEncoder {
public:
    enum class Part : std::uint8_t { Whole, Meaning };

    SchemaEncoder(ByteBuffer& out, Part part) noexcept : out_{&out}, whole_{part == Part::Whole} {}

    void schema(const Schema& schema) {
        schema_ = &schema;
        if (whole_) {
            text(schema.name());
            text(schema.database_version());
            text(schema.entity_names().key);
            text(schema.entity_names().version);
            out_->append_varint(schema.enums().size());
            for (const EnumType& type : schema.enums()) {
                enum_type(type);
            }
            out_->append_varint(schema.structs().size());
            for (const StructType& type : schema.structs()) {
                struct_type(type);
            }
        }
        out_->append_varint(schema.tables().size());
        for (const Table& table : schema.tables()) {
            this->table(table);
        }
        if (whole_ && !schema.history().empty()) {
            history(schema.history());
        }
    }

private:
    void text(std::string_view words) {
        out_->append_varint(words.size());
        out_->append(words.data(), words.size());
    }

    template <typename T>
    void byte(T value) {
        out_->append_le<std::uint8_t>(static_cast<std::uint8_t>(value));
    }

    void history(const std::vector<SchemaChange>& changes) {
        out_->append_varint(changes.size());
        for (const SchemaChange& change : changes) {
            out_->append_varint(change.version);
            out_->append_varint(change.time_ns);
            text(change.table);
            text(change.from);
            text(change.to);
            text(change.what);
        }
    }

    void enum_type(const EnumType& type) {
        text(type.name);
        byte(type.underlying);
        out_->append_varint(type.values.size());
        for (const EnumValue& value : type.values) {
            text(value.name);
            out_->append_zigzag(value.value);
        }
    }

    void struct_type(const StructType& type) {
        text(type.name);
        fields(type.fields);
    }

    /// Stored schemas name an enum or struct by its position. The order in which they were declared means nothing, though, nor does one
    /// that nobody uses: for the meaning they are numbered, and written out, as fields first use them.
    void type_of(const Field& field) {
        if (whole_) {
            out_->append_varint(field.type_index);
            return;
        }
        std::vector<std::uint16_t>& used = field.type == FieldType::Enum ? used_enums_ : used_structs_;
        const auto known = std::find(used.begin(), used.end(), field.type_index);
        out_->append_varint(static_cast<std::uint64_t>(known - used.begin()));
        if (known != used.end()) {
            return;
        }
        used.push_back(field.type_index);
        if (field.type == FieldType::Enum) {
            enum_type(schema_->enums()[field.type_index]);
        } else {
            struct_type(schema_->structs()[field.type_index]);
        }
    }

    void table(const Table& table) {
        // The name of what is gone means nothing, and may have been given to another.
        text(whole_ || !table.dropped ? std::string_view{table.name} : std::string_view{});
        out_->append_varint(table.version);
        byte((table.deprecated ? table_flags::deprecated : 0U) | (table.dropped ? table_flags::dropped : 0U));
        byte(table.storage);
        byte(table.persist);
        if (whole_) {
            out_->append_varint(table.capacity);
            text(table.key_name);
            text(table.parent_name);
        } else {
            out_->append_varint(table.parent);
        }
        fields(table.fields);
    }

    void fields(const std::vector<Field>& fields) {
        out_->append_varint(fields.size());
        for (const Field& field : fields) {
            text(field.name);
            byte(field.type);
            byte((field.nullable ? field_flags::nullable : 0U) | (field.not_null ? field_flags::not_null : 0U) |
                 (field.unique ? field_flags::unique : 0U) | (field.indexed ? field_flags::indexed : 0U) |
                 (field.deprecated ? field_flags::deprecated : 0U) | (field.foreign_key ? field_flags::foreign_key : 0U));
            out_->append_varint(field.extents.size());
            for (const std::uint32_t extent : field.extents) {
                out_->append_varint(extent);
            }
            if (field.type == FieldType::String || is_content(field.type)) {
                out_->append_varint(field.capacity);
            } else if (field.type == FieldType::Enum || field.type == FieldType::Struct) {
                type_of(field);
            }
            value(field.default_value);
            value(field.min);
            value(field.max);
            if (field.foreign_key) {
                foreign_key(*field.foreign_key);
            }
        }
    }

    void foreign_key(const ForeignKey& key) {
        if (whole_) {
            text(key.table);
            text(key.field);
        } else {
            out_->append_varint(key.table_id);
            out_->append_varint(key.to_key ? 0U : key.field_id + 1U);
        }
        byte(key.on_delete);
    }

    void value(const SchemaValue& value) {
        if (const auto* const flag = std::get_if<bool>(&value)) {
            byte(StoredValue::Bool);
            byte(*flag ? 1U : 0U);
        } else if (const auto* const signed_number = std::get_if<std::int64_t>(&value)) {
            byte(StoredValue::Signed);
            out_->append_zigzag(*signed_number);
        } else if (const auto* const unsigned_number = std::get_if<std::uint64_t>(&value)) {
            byte(StoredValue::Unsigned);
            out_->append_varint(*unsigned_number);
        } else if (const auto* const real = std::get_if<double>(&value)) {
            byte(StoredValue::Real);
            out_->append_le<double>(*real);
        } else if (const auto* const words = std::get_if<std::string>(&value)) {
            byte(StoredValue::Text);
            text(*words);
        } else {
            byte(StoredValue::Nothing);
        }
    }

    ByteBuffer* out_;
    bool whole_;
    const Schema* schema_ = nullptr;
    std::vector<std::uint16_t> used_enums_;
    std::vector<std::uint16_t> used_structs_;
};

/// Of everything that decides what stored bytes mean and which rows are allowed; not of the database's name, hints, or the engine's own
/// columns' names. Its parents and foreign keys must be resolved. Zero when there is no memory for it: no schema hashes to zero.
[[nodiscard]] inline std::uint64_t schema_hash(const Schema& schema) {
    SystemAllocator memory;
    ByteBuffer meaning{memory};
    SchemaEncoder{meaning, SchemaEncoder::Part::Meaning}.schema(schema);
    const std::uint64_t hash = hash64(meaning.view(), schema_format);
    return meaning.failed() ? 0 : hash == 0 ? 1 : hash;
}

} // namespace ecsdb::detail
