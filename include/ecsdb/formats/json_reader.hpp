/// @file
/// Reads JSON nobody vouches for, and hands its entities to a loader.
#pragma once

#include "ecsdb/formats/json_events.hpp"
#include "ecsdb/formats/json_writer.hpp"
#include "ecsdb/formats/loader.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::formats::json {

/// One load. Must outlive the loader's run: contents are taken from it. Every error says where, and which entity, component and field.
///
/// Entities are read as they come, and kept by nobody but the loader. What must be known before, the version and the types, may come later
/// in the document: then another pass reads what had to wait.
class Reader {
public:
    Reader(const Schema& schema, TableId imported_ids, const LoadOptions& options)
        : schema_{&schema}, imported_ids_{imported_ids}, options_{&options}, types_(schema.tables().size()) {
        for (const Table& table : schema.tables()) {
            most_values_ += values_of(table.fields);
        }
    }

    [[nodiscard]] Result<void> gather(std::span<const std::byte> bytes, EntityLoader& loader) {
        loader_ = &loader;
        const std::string_view document{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        do {
            in_this_pass_ = {};
            waits_ = false;
            if (Result<void> read = Events<Reader>{*this}.run(document); !read) {
                return read;
            }
            for (std::size_t part = 0; part < known_.size(); ++part) {
                known_[part] = known_[part] || in_this_pass_[part];
            }
        } while (waits_ && std::find(in_this_pass_.begin(), in_this_pass_.end(), true) != in_this_pass_.end());
        if (std::find(known_.begin(), known_.end(), false) != known_.end()) {
            return corrupt({}, "`version`, `entity_count`, `types` or `entities` is missing, or not of its kind");
        }
        if (entity_count_ != entities_) {
            return corrupt({}, "`entity_count` is " + std::to_string(entity_count_) + ", and there are " + std::to_string(entities_) +
                                   " entities");
        }
        loader.set_saved_tables(std::move(saved_));
        return {};
    }

    // What `Events` asks for.
    [[nodiscard]] Result<bool> wants(Part part) {
        if (part == Part::Other || known_[index_of(part)]) {
            return false;
        }
        const bool version_known = known(Part::Version);
        if ((part == Part::Types && !version_known) || (part == Part::Entities && !(version_known && known(Part::Types)))) {
            waits_ = true;
            return false;
        }
        if (std::exchange(in_this_pass_[index_of(part)], true)) {
            return corrupt({}, "`version`, `entity_count`, `types` or `entities` comes twice");
        }
        return true;
    }
    [[nodiscard]] Result<bool> wants_component(std::string_view name) {
        // Entities mostly have what the one before had.
        const Table* const expected = tables_.size() < last_tables_.size() ? &schema_->table(last_tables_[tables_.size()]) : nullptr;
        const Table* const table = expected != nullptr && expected->name == name ? expected : schema_->find_table(name);
        if (table == nullptr && options_->unknown_tables == UnknownTable::Skip) {
            return false;
        }
        if (table == nullptr || types_[table->id].version == 0) {
            return in_entity(corrupt({}, "component `" + std::string{name.substr(0, 64)} + "` is not among the types"));
        }
        tables_.push_back(table->id);
        return true;
    }
    [[nodiscard]] Result<void> take(Part part, const Value& value) {
        switch (part) {
        case Part::Version:
            if (value.is(Kind::Unsigned) && value.bits() != version) {
                return Error{ErrorCode::Unsupported, "version " + std::to_string(value.bits()) + "; this program reads version 1"};
            }
            break;
        case Part::EntityCount:
            entity_count_ = value.is(Kind::Unsigned) ? value.bits() : 0;
            loader_->expect(std::min<std::uint64_t>(entity_count_, most_expected));
            break;
        case Part::Types:
            return read_type(value);
        case Part::Entities: {
            Result<void> read = read_entity(value);
            if (!read) {
                return in_entity(std::move(read).error());
            }
            ++entities_;
            last_tables_.swap(tables_);
            tables_.clear();
            return {};
        }
        case Part::Other:
            break;
        }
        return value.is(Kind::Unsigned) ? Result<void>{}
                                        : corrupt(value, "`version`, `entity_count`, `types` or `entities` is missing, or not of its kind");
    }
    [[nodiscard]] std::size_t most_values() const noexcept { return most_values_; }
    [[nodiscard]] std::optional<std::size_t> fault_offset() const noexcept { return fault_offset_; }

private:
    struct Type {
        std::uint32_t version = 0; ///< 0: the file does not list it.
        const Codec* codec = nullptr;
    };
    /// A document's word is not enough to make room for more entities.
    static constexpr std::uint64_t most_expected = 4096;
    static constexpr std::size_t parts = static_cast<std::size_t>(Part::Other); ///< Those that are read.

    [[nodiscard]] Error corrupt(const Value& value, const std::string& what) {
        if (value) {
            fault_offset_ = value.offset();
        }
        return Error{ErrorCode::Corrupt, what};
    }
    [[nodiscard]] Error in_entity(Error error) const {
        return std::move(error).in("entity " + std::to_string(entities_ + 1) +
                                   (in_this_pass_[index_of(Part::EntityCount)] || known_[index_of(Part::EntityCount)]
                                        ? " of " + std::to_string(entity_count_)
                                        : std::string{}));
    }
    [[nodiscard]] static std::size_t index_of(Part part) noexcept { return static_cast<std::size_t>(part); }
    [[nodiscard]] bool known(Part part) const noexcept { return known_[index_of(part)] || in_this_pass_[index_of(part)]; }

    /// The most values that an object of `fields` can be made of.
    [[nodiscard]] std::size_t values_of(const std::vector<Field>& fields) const {
        std::size_t count = 1;
        for (const Field& field : fields) {
            const std::size_t inner = field.type == FieldType::Struct ? values_of(schema_->structs()[field.type_index].fields) : 2;
            count += 1 + field.element_count() * (field.extents.size() + inner);
        }
        return count;
    }

    [[nodiscard]] Result<void> read_type(const Value& type) {
        const Value name = type.member("name");
        const Value id = type.member("id");
        const Value found_version = type.member("version");
        if (!name.is(Kind::Text) || !id.is(Kind::Text) || !found_version.is(Kind::Unsigned)) {
            return corrupt(type,
                           "type " + std::to_string(saved_.size() + 1) + ": `id`, `name` or `version` is missing, or not of its kind");
        }
        const std::uint64_t number = found_version.bits();
        const std::string called = "table `" + std::string{name.text().substr(0, 64)} + "`";
        const Table* const table = schema_->find_table(name.text());
        const Hash128 hash = fnv1a_128(name.text());
        if (id.text() != StableId{hash.hi, hash.lo}.to_string()) {
            return corrupt(id, called + ": its id is not that of its name");
        }
        if (table == nullptr) {
            return options_->unknown_tables == UnknownTable::Refuse
                       ? Error{ErrorCode::SchemaMismatch, called + " is not in schema `" + schema_->name() + "`"}
                       : Result<void>{};
        }
        Type& known = types_[table->id];
        if (known.version != 0 || table->id == imported_ids_ || number == 0 || number > std::numeric_limits<std::uint32_t>::max()) {
            return corrupt(type, called + " is listed twice, keeps stable ids, or has no possible version");
        }
        known.version = static_cast<std::uint32_t>(number);
        known.codec = options_->codecs == nullptr ? nullptr : options_->codecs->find(name.text());
        if (known.codec != nullptr && table->has_contents()) {
            return Error{ErrorCode::Unsupported, called + " has text or blob fields, and so can have no codec"};
        }
        if (known.codec == nullptr && number != table->version) {
            return Error{ErrorCode::SchemaMismatch, called + " was saved with version " + std::to_string(number) +
                                                        ", and here it has version " + std::to_string(table->version)};
        }
        saved_.push_back(table->id);
        return {};
    }

    [[nodiscard]] Result<void> read_entity(const Value& entity) {
        const Value name = entity.member("id");
        const Value components = entity.member("components");
        if (!name.is(Kind::Text) || !components.is(Kind::Object) || components.size() != tables_.size()) {
            return corrupt(entity, "`id` or `components` is missing, comes twice, or is not of its kind");
        }
        const Result<StableId> id = StableId::parse(name.text());
        if (!id) {
            return corrupt(name, id.error().message());
        }
        if (Result<void> begun = loader_->begin(*id, tables_); !begun) {
            return begun;
        }
        position_ = 0;
        for (const Value& component : components) {
            const Table& table = schema_->table(tables_[position_]);
            std::byte* const row = loader_->row(position_);
            Result<void> read = types_[table.id].codec != nullptr ? read_codec(types_[table.id], component, row)
                                                                  : read_fields(table.fields, component, row);
            if (!read) {
                return std::move(read).error().in("component `" + table.name + "`");
            }
            ++position_;
        }
        return {};
    }

    [[nodiscard]] Result<void> read_codec(const Type& type, const Value& value, std::byte* row) {
        std::string bytes;
        if (!read_bytes(value, bytes)) {
            return corrupt(value, "is not {\"bytes\": \"hexadecimal digits\"}");
        }
        return type.codec->deserialise(std::as_bytes(std::span{bytes.data(), bytes.size()}), type.version, row);
    }

    [[nodiscard]] Result<void> read_fields(const std::vector<Field>& fields, const Value& value, std::byte* row) {
        if (!value.is(Kind::Object) || value.size() != fields.size()) {
            return corrupt(value, "is not an object of " + std::to_string(fields.size()) + " fields");
        }
        Value::Iterator next = value.begin(); // mostly they come in order
        for (const Field& field : fields) {
            Value found = next->key() == field.name ? *next : value.member(field.name);
            ++next;
            if (!found) {
                return corrupt(value, "field `" + field.name + "` is missing");
            }
            if (field.has_presence_byte()) {
                if (found.is(Kind::Null)) {
                    continue;
                }
                const Value absent = found.size() == 1 ? found.member("absent") : Value{};
                row[field.presence_offset] = absent ? std::byte{} : std::byte{1};
                found = absent ? absent : found;
            }
            if (Result<void> read = read_values(field, found, row + field.offset, 0, field.size); !read) {
                return std::move(read).error().in("field `" + field.name + "`");
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> read_values(const Field& field, const Value& value, std::byte* place, std::size_t depth, std::size_t size) {
        if (depth == field.extents.size()) {
            return read_value(field, value, place, size);
        }
        if (!value.is(Kind::List) || value.size() != field.extents[depth]) {
            return corrupt(value, "is not a list of " + std::to_string(field.extents[depth]));
        }
        const std::size_t step = size / field.extents[depth];
        std::size_t at = 0;
        for (const Value& element : value) {
            if (Result<void> read = read_values(field, element, place + at, depth + 1, step); !read) {
                return read;
            }
            at += step;
        }
        return {};
    }

    [[nodiscard]] Result<void> read_value(const Field& field, const Value& value, std::byte* place, std::size_t size) {
        if (field.type == FieldType::Struct) {
            return read_fields(schema_->structs()[field.type_index].fields, value, place);
        }
        return read_scalar(field, value, place, size) ? Result<void>{}
                                                      : corrupt(value, "is no " + std::string{name_of(field.type)} + " that fits");
    }

    [[nodiscard]] bool read_scalar(const Field& field, const Value& value, std::byte* place, std::size_t size) {
        switch (field.type) {
        case FieldType::U8:
            return read_integer<std::uint8_t>(value, place);
        case FieldType::U16:
            return read_integer<std::uint16_t>(value, place);
        case FieldType::U32:
            return read_integer<std::uint32_t>(value, place);
        case FieldType::U64:
            return read_integer<std::uint64_t>(value, place);
        case FieldType::I8:
            return read_integer<std::int8_t>(value, place);
        case FieldType::I16:
            return read_integer<std::int16_t>(value, place);
        case FieldType::I32:
            return read_integer<std::int32_t>(value, place);
        case FieldType::I64:
            return read_integer<std::int64_t>(value, place);
        case FieldType::F32:
            return read_real<float>(value, place);
        case FieldType::F64:
            return read_real<double>(value, place);
        case FieldType::Bool:
            *place = value.is(Kind::Bool) && value.bits() != 0 ? std::byte{1} : std::byte{};
            return value.is(Kind::Bool);
        case FieldType::Entity:
            return read_reference(value, place);
        case FieldType::Enum:
            return read_enum(schema_->enums()[field.type_index], value, place);
        case FieldType::Struct:
            return false; // is no scalar
        case FieldType::String: {
            std::string bytes;
            const bool good = read_text(value, bytes) && bytes.size() <= field.capacity && sizeof(std::uint16_t) + bytes.size() <= size;
            if (good) {
                store_le<std::uint16_t>(place, static_cast<std::uint16_t>(bytes.size()));
                std::memcpy(place + sizeof(std::uint16_t), bytes.data(), bytes.size());
            }
            return good;
        }
        case FieldType::Text:
        case FieldType::Blob: {
            std::string& bytes = contents_.emplace_back();
            const bool good = field.type == FieldType::Text ? read_text(value, bytes) : read_bytes(value, bytes);
            if (good) {
                loader_->set_content(position_, field.id, std::as_bytes(std::span{bytes.data(), bytes.size()}));
            }
            return good;
        }
        }
        return false;
    }

    template <typename T>
    [[nodiscard]] static bool read_integer(const Value& value, std::byte* place) {
        bool fits = false;
        T number{};
        if (value.is(Kind::Unsigned)) {
            const std::uint64_t given = value.bits();
            number = static_cast<T>(given);
            fits = given <= static_cast<std::uint64_t>(std::numeric_limits<T>::max());
        } else if (value.is(Kind::Signed) && std::numeric_limits<T>::is_signed) {
            const auto given = static_cast<std::int64_t>(value.bits());
            number = static_cast<T>(given);
            fits = static_cast<std::int64_t>(number) == given;
        }
        store_le<T>(place, number);
        return fits;
    }
    template <typename T>
    [[nodiscard]] static bool read_real(const Value& value, std::byte* place) {
        double given = 0;
        switch (value.kind()) {
        case Kind::Real:
            given = std::bit_cast<double>(value.bits());
            break;
        case Kind::Unsigned:
            given = static_cast<double>(value.bits());
            break;
        case Kind::Signed:
            given = static_cast<double>(static_cast<std::int64_t>(value.bits()));
            break;
        default: {
            std::string bytes;
            const bool good = read_bytes(value, bytes) && bytes.size() == sizeof(T);
            if (good) {
                std::memcpy(place, bytes.data(), sizeof(T));
            }
            return good;
        }
        }
        const bool fits =
            given >= -static_cast<double>(std::numeric_limits<T>::max()) && given <= static_cast<double>(std::numeric_limits<T>::max());
        store_le<T>(place, fits ? static_cast<T>(given) : T{});
        return fits;
    }
    /// A reference gets a number of its own in the row, which the loader gives its meaning.
    [[nodiscard]] bool read_reference(const Value& value, std::byte* place) {
        if (!value.is(Kind::Text)) {
            return value.is(Kind::Null);
        }
        store_le<std::uint64_t>(place, ++references_);
        if (value.text() == "gone") {
            return true;
        }
        const Result<StableId> id = StableId::parse(value.text());
        return id && *id && loader_->name(references_, *id);
    }
    [[nodiscard]] bool read_enum(const EnumType& type, const Value& value, std::byte* place) {
        if (!value.is(Kind::Text)) { // one that has no name; whether the database allows it, it says itself
            Field number;
            number.type = type.underlying;
            return read_scalar(number, value, place, scalar_size(type.underlying));
        }
        for (const EnumValue& known : type.values) {
            if (known.name == value.text()) {
                std::memcpy(place, &known.value, scalar_size(type.underlying));
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] static bool read_text(const Value& value, std::string& text) {
        if (value.is(Kind::Text)) {
            text = value.text();
            return true;
        }
        return read_bytes(value, text);
    }
    [[nodiscard]] static bool read_bytes(const Value& value, std::string& bytes) {
        const Value found = value.size() == 1 ? value.member("bytes") : Value{};
        if (!found.is(Kind::Text) || found.text().size() % 2 != 0) {
            return false;
        }
        const std::string_view digits = found.text();
        const auto digit = [](char letter) {
            return letter >= '0' && letter <= '9' ? letter - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
        };
        for (std::size_t i = 0; i < digits.size(); i += 2) {
            const int high = digit(digits[i]);
            const int low = digit(digits[i + 1]);
            if (high < 0 || low < 0) {
                return false;
            }
            bytes += static_cast<char>(high * 16 + low);
        }
        return true;
    }

    const Schema* schema_;
    TableId imported_ids_;
    const LoadOptions* options_;
    EntityLoader* loader_ = nullptr;
    std::vector<Type> types_; ///< By table.
    std::vector<TableId> saved_;
    std::size_t most_values_ = 8; ///< Of an entity, besides those in its rows; or of a type.

    std::array<bool, parts> known_{};        ///< What earlier passes have read, by part …
    std::array<bool, parts> in_this_pass_{}; ///< … and what this one has.
    bool waits_ = false;                     ///< Something came before what it needs.
    std::uint64_t entity_count_ = 0;         ///< As the document says.
    std::uint64_t entities_ = 0;

    std::vector<TableId> tables_;      ///< Of the entity that is read, in its order.
    std::vector<TableId> last_tables_; ///< Of the one before.
    std::size_t position_ = 0;         ///< Of the component that is read, within its entity.
    std::optional<std::size_t> fault_offset_;
    std::uint64_t references_ = 0;
    std::deque<std::string> contents_; ///< Do not move while more are added.
};

} // namespace ecsdb::formats::json
