/// @file
/// Tells bytes that are a value of their field from bytes that are not: a bool of 2, an enum's unnamed number, text that is not UTF-8.
#pragma once

#include "ecsdb/core/list.hpp"
#include "ecsdb/delta/view.hpp"
#include "ecsdb/schema/utf8.hpp"

#include <string>

namespace ecsdb::delta {

/// What is wrong with a value, if anything.
struct ValueFault {
    const Field* field = nullptr; ///< Of the table; null when nothing is wrong.
    const Field* part = nullptr;  ///< The field itself, or the one of a struct in it.
    const char* what = nullptr;

    [[nodiscard]] explicit operator bool() const noexcept { return field != nullptr; }
    /// As in "field `mood` is no value of its enum".
    [[nodiscard]] std::string describe() const {
        return "field `" + field->name + (part == field ? "` " : "`, `" + part->name + "` ") + what;
    }
};

/// Checks the values of one table. In some fields any bytes are a value (numbers, references: NaN and dead entities, too), in others they
/// would be undefined behaviour to whoever reads the row: bools, enums, text, presence. Constraints are not its business. An absent value
/// is not looked at. Fixed once made; any thread may check. Cost of a check: O(fields of the second kind, and bytes of text).
class ValueCheck {
public:
    /// Both must outlive the check; the schema must be finished.
    ValueCheck(const Schema& schema, const Table& table) : schema_{&schema}, table_{&table} {
        for (const Field& field : table.fields) {
            if (!table.dropped && can_be_wrong(schema, field)) {
                fields_.push_back(&field);
            }
        }
    }

    /// Any bytes at all make a good row.
    [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }

    /// The first fault of a row in memory.
    [[nodiscard]] ValueFault row(const std::byte* row) const noexcept {
        for (const Field* const field : fields_) {
            if (const ValueFault fault = check<InMemory>(*field, row + field->offset)) {
                return {field, fault.part, fault.what};
            }
        }
        return {};
    }

    /// The first fault of a run's rows, and in `place` which row it is. The run's size must be right.
    [[nodiscard]] ValueFault run(const Run& run, std::uint32_t& place) const noexcept {
        if (run.values.empty()) {
            return {};
        }
        std::size_t offset = 0; // of field `counted` among the values of a row
        FieldId counted = 0;
        for (const Field* const field : fields_) {
            if (!run.mask.test(field->id)) {
                continue;
            }
            for (; counted < field->id; ++counted) {
                offset += run.mask.test(counted) ? table_->fields[counted].packed_size : 0;
            }
            const std::byte* value = run.values.data() + offset;
            for (place = 0; place < run.count; ++place, value += run.stride) {
                if (const ValueFault fault = check<Packed>(*field, value)) [[unlikely]] {
                    return {field, fault.part, fault.what};
                }
            }
        }
        return {};
    }

private:
    /// Where the parts of a field lie, counted from its own start.
    struct InMemory {
        static std::uint32_t presence(const Field& field) noexcept { return field.size; }
        static std::uint32_t stride(const Field& field, std::uint32_t count) noexcept { return field.size / count; }
        static std::uint32_t offset(const Field& field) noexcept { return field.offset; }
    };
    struct Packed {
        static std::uint32_t presence(const Field& field) noexcept { return field.packed_size - 1; }
        static std::uint32_t stride(const Field& field, std::uint32_t count) noexcept {
            return (field.packed_size - (field.has_presence_byte() ? 1U : 0U)) / count;
        }
        static std::uint32_t offset(const Field& field) noexcept { return field.packed_offset; }
    };

    [[nodiscard]] static bool can_be_wrong(const Schema& schema, const Field& field) noexcept {
        if (field.has_presence_byte() || field.type == FieldType::Bool || field.type == FieldType::Enum ||
            field.type == FieldType::String) {
            return true;
        }
        if (field.type == FieldType::Struct) {
            for (const Field& inner : schema.structs()[field.type_index].fields) {
                if (can_be_wrong(schema, inner)) {
                    return true;
                }
            }
        }
        return false;
    }

    template <typename T>
    static T load(const std::byte* place) noexcept {
        T value;
        std::memcpy(&value, place, sizeof value);
        return value;
    }

    /// The fault of one field, whose value lies at `value`; `field` of the fault says only that there is one.
    template <typename Layout>
    [[nodiscard]] ValueFault check(const Field& field, const std::byte* value) const noexcept {
        if (field.has_presence_byte()) {
            const auto presence = load<std::uint8_t>(value + Layout::presence(field));
            if (presence > 1) {
                return {&field, &field, "has a presence byte that is neither 0 nor 1"};
            }
            if (presence == 0) {
                return {};
            }
        }
        if (field.type < FieldType::Bool || field.type == FieldType::Entity) {
            return {};
        }
        const std::uint32_t count = field.element_count();
        const std::uint32_t stride = Layout::stride(field, count);
        for (std::uint32_t i = 0; i < count; ++i, value += stride) {
            if (field.type == FieldType::Struct) {
                for (const Field& inner : schema_->structs()[field.type_index].fields) {
                    if (const ValueFault fault = check<Layout>(inner, value + Layout::offset(inner))) {
                        return fault;
                    }
                }
            } else if (const char* const what = check_element(field, value)) {
                return {&field, &field, what};
            }
        }
        return {};
    }

    [[nodiscard]] const char* check_element(const Field& field, const std::byte* value) const noexcept {
        switch (field.type) {
        case FieldType::Bool:
            return load<std::uint8_t>(value) <= 1 ? nullptr : "is neither false (0) nor true (1)";
        case FieldType::Enum:
            return is_named(schema_->enums()[field.type_index], value) ? nullptr : "is no value of its enum";
        case FieldType::String:
            return check_text(value, field.capacity);
        default:
            return nullptr;
        }
    }

    [[nodiscard]] static bool is_named(const EnumType& type, const std::byte* value) noexcept {
        const std::int64_t number = load_number(type.underlying, value);
        // Most enums count up from their first value.
        const std::uint64_t guess = static_cast<std::uint64_t>(number) - static_cast<std::uint64_t>(type.values.front().value);
        if (guess < type.values.size() && type.values[guess].value == number) {
            return true;
        }
        return std::any_of(type.values.begin(), type.values.end(), [number](const EnumValue& named) { return named.value == number; });
    }
    [[nodiscard]] static std::int64_t load_number(FieldType type, const std::byte* value) noexcept {
        switch (type) {
        case FieldType::U8:
            return load<std::uint8_t>(value);
        case FieldType::U16:
            return load<std::uint16_t>(value);
        case FieldType::U32:
            return load<std::uint32_t>(value);
        case FieldType::I8:
            return load<std::int8_t>(value);
        case FieldType::I16:
            return load<std::int16_t>(value);
        case FieldType::I32:
            return load<std::int32_t>(value);
        default:
            return load<std::int64_t>(value);
        }
    }

    [[nodiscard]] static const char* check_text(const std::byte* value, std::uint32_t capacity) noexcept {
        const auto length = load<std::uint16_t>(value);
        if (length > capacity) {
            return "says it is longer than the text it holds";
        }
        const std::byte* const text = value + sizeof(length);
        // Most text is plain ASCII: eight bytes at a time.
        if (any_bit(text, length, 0x80) && !is_utf8({reinterpret_cast<const char*>(text), length})) {
            return "is not UTF-8";
        }
        return any_bit(text + length, capacity - length, 0xFF) ? "has bytes other than zero after its text" : nullptr;
    }
    [[nodiscard]] static bool any_bit(const std::byte* bytes, std::size_t size, std::uint8_t bits) noexcept {
        std::uint64_t found = 0;
        std::size_t i = 0;
        for (; i + 8 <= size; i += 8) {
            found |= load<std::uint64_t>(bytes + i);
        }
        for (; i < size; ++i) {
            found |= load<std::uint8_t>(bytes + i);
        }
        return (found & bits * 0x0101010101010101U) != 0;
    }

    const Schema* schema_;
    const Table* table_;
    List<const Field*> fields_;
};

/// A `ValueCheck` for every table of a schema, which must outlive it: made once, for many deltas.
class ValueChecks {
public:
    explicit ValueChecks(const Schema& schema) : schema_{&schema} {
        checks_.reserve(schema.tables().size());
        for (const Table& table : schema.tables()) {
            checks_.emplace_back(schema, table);
        }
    }

    [[nodiscard]] const Schema& schema() const noexcept { return *schema_; }
    [[nodiscard]] const ValueCheck& of(TableId table) const noexcept { return checks_[table]; }

private:
    const Schema* schema_;
    List<ValueCheck> checks_;
};

} // namespace ecsdb::delta
