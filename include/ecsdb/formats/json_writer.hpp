/// @file
/// Writes a view as JSON (docs/format/json.md).
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/formats/selection.hpp"
#include "ecsdb/schema/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace ecsdb::formats::json {

inline constexpr std::uint32_t version = 1;

/// One save. `out` is empty at first.
class Writer {
public:
    Writer(Selection& selection, ByteBuffer& out) : selection_{&selection}, out_{&out} {}

    [[nodiscard]] Result<void> run() {
        // The count comes before what is counted, so the entities are counted first.
        std::uint64_t entities = 0;
        Result<void> walked = selection_->for_each([&](const SelectedEntity&) -> Result<void> {
            ++entities;
            return {};
        });
        if (!walked) {
            return walked;
        }
        raw("{\"version\":");
        number(version);
        raw(",\"timestamp\":");
        number(selection_->view().time_ns());
        raw(",\"entity_count\":");
        number(entities);
        raw(",\"types\":[");
        for (const SelectedTable& selected : selection_->tables()) {
            const Hash128 id = fnv1a_128(selected.table->name);
            raw(&selected == selection_->tables().data() ? "\n{\"id\":\"" : ",\n{\"id\":\"");
            raw(StableId{id.hi, id.lo}.to_string());
            raw("\",\"name\":");
            text(selected.table->name);
            raw(",\"version\":");
            number(selected.table->version);
            raw("}");
        }
        raw("],\"entities\":[");
        bool first = true;
        walked = selection_->for_each([&](const SelectedEntity& entity) {
            raw(first ? "\n" : ",\n");
            first = false;
            return write(entity);
        });
        raw("]}\n");
        return walked;
    }

private:
    [[nodiscard]] Result<void> write(const SelectedEntity& entity) {
        raw("{\"id\":\"");
        raw(entity.id.to_string());
        raw("\",\"components\":{");
        for (const SelectedRow& selected : entity.rows) {
            const SelectedTable& type = selection_->tables()[selected.place];
            raw(&selected == entity.rows.data() ? "" : ",");
            text(type.table->name);
            raw(":");
            if (type.codec != nullptr) {
                ByteBuffer bytes{out_->allocator()};
                type.codec->serialise(selected.row, bytes);
                if (bytes.failed()) {
                    out_->fail();
                }
                bytes_as_text(bytes.view());
            } else {
                fields(type.table->fields, selected.row);
            }
        }
        raw("}}");
        return out_->failed() ? Result<void>{Error{ErrorCode::OutOfMemory, "no memory for what is saved"}} : Result<void>{};
    }

    void fields(const std::vector<Field>& fields, const std::byte* row) {
        raw("{");
        for (const Field& field : fields) {
            raw(&field == fields.data() ? "" : ",");
            text(field.name);
            raw(":");
            const std::byte* const place = row + field.offset;
            if (!field.has_presence_byte() || row[field.presence_offset] != std::byte{}) {
                values(field, place, 0, field.size);
            } else if (std::all_of(place, place + field.size, [](std::byte byte) { return byte == std::byte{}; })) {
                raw("null");
            } else {
                raw("{\"absent\":"); // no value, but bytes all the same
                values(field, place, 0, field.size);
                raw("}");
            }
        }
        raw("}");
    }

    /// `size` bytes of a field: its elements from array extent `depth` inwards.
    void values(const Field& field, const std::byte* place, std::size_t depth, std::size_t size) {
        if (depth == field.extents.size()) {
            value(field, place, size);
            return;
        }
        const std::size_t step = size / field.extents[depth];
        raw("[");
        for (std::uint32_t i = 0; i < field.extents[depth]; ++i) {
            raw(i == 0 ? "" : ",");
            values(field, place + i * step, depth + 1, step);
        }
        raw("]");
    }

    void value(const Field& field, const std::byte* place, std::size_t size) {
        switch (field.type) {
        case FieldType::U8:
            return number(load_le<std::uint8_t>(place));
        case FieldType::U16:
            return number(load_le<std::uint16_t>(place));
        case FieldType::U32:
            return number(load_le<std::uint32_t>(place));
        case FieldType::U64:
            return number(load_le<std::uint64_t>(place));
        case FieldType::I8:
            return number(load_le<std::int8_t>(place));
        case FieldType::I16:
            return number(load_le<std::int16_t>(place));
        case FieldType::I32:
            return number(load_le<std::int32_t>(place));
        case FieldType::I64:
            return number(load_le<std::int64_t>(place));
        case FieldType::F32:
            return real(load_le<float>(place), {place, size});
        case FieldType::F64:
            return real(load_le<double>(place), {place, size});
        case FieldType::Bool:
            return raw(*place == std::byte{} ? "false" : "true");
        case FieldType::Entity:
            return reference(Entity::from_bits(load_le<std::uint64_t>(place)));
        case FieldType::String:
            return fixed_text(place, field.capacity);
        case FieldType::Enum:
            return enumerator(selection_->view().schema().enums()[field.type_index], place);
        case FieldType::Struct:
            return fields(selection_->view().schema().structs()[field.type_index].fields, place);
        case FieldType::Text:
        case FieldType::Blob: {
            ContentHandle handle;
            std::memcpy(&handle, place, sizeof(handle));
            const std::span<const std::byte> content = selection_->view().root().contents.bytes_of(handle);
            const std::string_view letters{reinterpret_cast<const char*>(content.data()), content.size()};
            return field.type == FieldType::Text && is_utf8(letters) ? text(letters) : bytes_as_text(content);
        }
        }
    }

    void reference(Entity entity) {
        if (entity.is_null()) {
            return raw("null");
        }
        const StableId id = selection_->view().stable_id(entity);
        raw(id ? "\"" + id.to_string() + "\"" : "\"gone\"");
    }
    void fixed_text(const std::byte* place, std::uint32_t capacity) {
        const std::string_view letters{reinterpret_cast<const char*>(place) + sizeof(std::uint16_t),
                                       std::min<std::size_t>(load_le<std::uint16_t>(place), capacity)};
        is_utf8(letters) ? text(letters) : bytes_as_text(std::as_bytes(std::span{letters.data(), letters.size()}));
    }
    void enumerator(const EnumType& type, const std::byte* place) {
        std::int64_t wanted = 0;
        std::memcpy(&wanted, place, scalar_size(type.underlying));
        const auto is_signed = type.underlying == FieldType::I8 || type.underlying == FieldType::I16 || type.underlying == FieldType::I32;
        if (is_signed) {
            const unsigned unused = 64 - 8 * scalar_size(type.underlying);
            wanted = static_cast<std::int64_t>(static_cast<std::uint64_t>(wanted) << unused) >> unused;
        }
        for (const EnumValue& value : type.values) {
            if (value.value == wanted) {
                return text(value.name);
            }
        }
        type.underlying == FieldType::U64 ? number(static_cast<std::uint64_t>(wanted)) : number(wanted);
    }

    /// A number that reads as the same bits; what JSON has no number for, as its bytes.
    template <typename T>
    void real(T value, std::span<const std::byte> bytes) {
        if (!std::isfinite(value)) {
            return bytes_as_text(bytes);
        }
        if (value == T{} && std::signbit(value)) {
            return raw("-0.0");
        }
        // A float as the double it is: read as a double, its digits round to the very same.
        number(static_cast<double>(value));
    }
    template <typename T>
    void number(T value) {
        char digits[32];
        const auto written = std::to_chars(digits, digits + sizeof(digits), value);
        raw({digits, static_cast<std::size_t>(written.ptr - digits)});
    }
    /// {"bytes": "00ff"}
    void bytes_as_text(std::span<const std::byte> bytes) {
        constexpr std::string_view digits = "0123456789abcdef";
        raw("{\"bytes\":\"");
        if (std::byte* place = out_->extend(2 * bytes.size()); place != nullptr) {
            for (const std::byte byte : bytes) {
                *place++ = static_cast<std::byte>(digits[static_cast<unsigned>(byte) >> 4U]);
                *place++ = static_cast<std::byte>(digits[static_cast<unsigned>(byte) & 15U]);
            }
        }
        raw("\"}");
    }
    void text(std::string_view letters) {
        raw("\"");
        std::size_t done = 0;
        for (std::size_t i = 0; i < letters.size(); ++i) {
            const auto letter = static_cast<unsigned char>(letters[i]);
            if (letter >= 0x20 && letter != '"' && letter != '\\') {
                continue;
            }
            constexpr std::string_view digits = "0123456789abcdef";
            const char escaped[] = {'\\', 'u', '0', '0', digits[letter >> 4U], digits[letter & 15U]};
            raw(letters.substr(done, i - done));
            raw({escaped, sizeof(escaped)});
            done = i + 1;
        }
        raw(letters.substr(done));
        raw("\"");
    }
    void raw(std::string_view letters) { out_->append(letters.data(), letters.size()); }

    Selection* selection_;
    ByteBuffer* out_;
};

} // namespace ecsdb::formats::json
