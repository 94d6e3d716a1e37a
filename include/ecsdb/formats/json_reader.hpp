/// @file
/// Reads JSON nobody vouches for, and hands its entities to a loader.
#pragma once

#include "ecsdb/detail/vendor_json.hpp"
#include "ecsdb/formats/json_writer.hpp"
#include "ecsdb/formats/loader.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::formats::json {

/// How deep a document may be nested: a row is at most its schema's structs and arrays deep, far less than this.
inline constexpr std::size_t max_depth = 256;

/// One load. Must outlive the loader's run: contents are taken from it. Every error says which entity, component and field.
class Reader {
public:
    Reader(const Schema& schema, TableId imported_ids, const LoadOptions& options)
        : schema_{&schema}, imported_ids_{imported_ids}, options_{&options} {}

    [[nodiscard]] Result<void> gather(std::span<const std::byte> bytes, EntityLoader& loader) {
        loader_ = &loader;
        const std::string_view letters{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        if (Result<void> flat = check_depth(letters); !flat) {
            return flat;
        }
        document_ = Json::parse(letters, nullptr, false);
        if (document_.is_discarded()) {
            return corrupt("is not JSON, or cut short");
        }
        const Json* const found_version = member(document_, "version");
        const Json* const types = member(document_, "types");
        const Json* const entities = member(document_, "entities");
        const Json* const count = member(document_, "entity_count");
        if (found_version == nullptr || !found_version->is_number_unsigned() || types == nullptr || !types->is_array() ||
            entities == nullptr || !entities->is_array() || count == nullptr || !count->is_number_unsigned()) {
            return corrupt("`version`, `entity_count`, `types` or `entities` is missing, or not of its kind");
        }
        if (const auto number = *found_version->get_ptr<const std::uint64_t*>(); number != version) {
            return Error{ErrorCode::Unsupported, "version " + std::to_string(number) + "; this program reads version 1"};
        }
        if (*count->get_ptr<const std::uint64_t*>() != entities->size()) {
            return corrupt("`entity_count` is " + std::to_string(*count->get_ptr<const std::uint64_t*>()) + ", and there are " +
                           std::to_string(entities->size()) + " entities");
        }
        types_.resize(schema_->tables().size());
        if (Result<void> read = read_types(*types); !read) {
            return read;
        }
        loader.expect(entities->size());
        std::size_t number = 0;
        for (const Json& entity : *entities) {
            if (Result<void> read = read_entity(entity); !read) {
                return std::move(read).error().in("entity " + std::to_string(++number) + " of " + std::to_string(entities->size()));
            }
            ++number;
        }
        return {};
    }

private:
    using Json = nlohmann::json;
    struct Type {
        std::uint32_t version = 0; ///< 0: the file does not list it.
        const Codec* codec = nullptr;
    };

    [[nodiscard]] static Error corrupt(const std::string& what) { return Error{ErrorCode::Corrupt, what}; }
    [[nodiscard]] static const Json* member(const Json& object, const char* name) {
        if (!object.is_object()) {
            return nullptr;
        }
        const auto found = object.find(name);
        return found == object.end() ? nullptr : &*found;
    }
    [[nodiscard]] static const std::string* text_of(const Json* value) {
        return value == nullptr ? nullptr : value->get_ptr<const std::string*>();
    }

    [[nodiscard]] static Result<void> check_depth(std::string_view letters) {
        std::size_t depth = 0;
        bool in_text = false;
        for (std::size_t i = 0; i < letters.size(); ++i) {
            const char letter = letters[i];
            if (in_text) {
                i += letter == '\\' ? 1 : 0;
                in_text = letter != '"';
            } else if (letter == '"') {
                in_text = true;
            } else if (letter == '[' || letter == '{') {
                if (++depth > max_depth) {
                    return corrupt("byte " + std::to_string(i) + ": nested more than " + std::to_string(max_depth) + " deep");
                }
            } else if ((letter == ']' || letter == '}') && depth != 0) {
                --depth;
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> read_types(const Json& types) {
        std::vector<TableId> saved;
        for (const Json& type : types) {
            const std::string* const name = text_of(member(type, "name"));
            const std::string* const id = text_of(member(type, "id"));
            const Json* const found_version = member(type, "version");
            if (name == nullptr || id == nullptr || found_version == nullptr || !found_version->is_number_unsigned()) {
                return corrupt("type " + std::to_string(saved.size() + 1) + ": `id`, `name` or `version` is missing, or not of its kind");
            }
            const auto number = *found_version->get_ptr<const std::uint64_t*>();
            const std::string called = "table `" + name->substr(0, 64) + "`";
            const Table* const table = schema_->find_table(*name);
            const Hash128 hash = fnv1a_128(*name);
            if (*id != StableId{hash.hi, hash.lo}.to_string()) {
                return corrupt(called + ": its id is not that of its name");
            }
            if (table == nullptr) {
                if (options_->unknown_tables == UnknownTable::Refuse) {
                    return Error{ErrorCode::SchemaMismatch, called + " is not in schema `" + schema_->name() + "`"};
                }
                continue;
            }
            Type& known = types_[table->id];
            if (known.version != 0 || table->id == imported_ids_ || number == 0 || number > std::numeric_limits<std::uint32_t>::max()) {
                return corrupt(called + " is listed twice, keeps stable ids, or has no possible version");
            }
            known.version = static_cast<std::uint32_t>(number);
            known.codec = options_->codecs == nullptr ? nullptr : options_->codecs->find(*name);
            if (known.codec != nullptr && table->has_contents()) {
                return Error{ErrorCode::Unsupported, called + " has text or blob fields, and so can have no codec"};
            }
            if (known.codec == nullptr && number != table->version) {
                return Error{ErrorCode::SchemaMismatch, called + " was saved with version " + std::to_string(number) +
                                                            ", and here it has version " + std::to_string(table->version)};
            }
            saved.push_back(table->id);
        }
        loader_->set_saved_tables(std::move(saved));
        return {};
    }

    [[nodiscard]] Result<void> read_entity(const Json& entity) {
        const std::string* const id_text = text_of(member(entity, "id"));
        const Json* const components = member(entity, "components");
        if (id_text == nullptr || components == nullptr || !components->is_object()) {
            return corrupt("`id` or `components` is missing, or not of its kind");
        }
        const Result<StableId> id = StableId::parse(*id_text);
        if (!id) {
            return corrupt(id.error().message());
        }
        std::vector<TableId> tables;
        std::vector<const Json*> values;
        for (auto component = components->begin(); component != components->end(); ++component) {
            const Table* const table = schema_->find_table(component.key());
            if (table == nullptr && options_->unknown_tables == UnknownTable::Skip) {
                continue;
            }
            if (table == nullptr || types_[table->id].version == 0) {
                return corrupt("component `" + component.key().substr(0, 64) + "` is not among the types");
            }
            tables.push_back(table->id);
            values.push_back(&*component);
        }
        if (Result<void> begun = loader_->begin(*id, tables); !begun) {
            return begun;
        }
        for (position_ = 0; position_ < tables.size(); ++position_) {
            const Table& table = schema_->table(tables[position_]);
            std::byte* const row = loader_->row(position_);
            Result<void> read = types_[table.id].codec != nullptr ? read_codec(types_[table.id], *values[position_], row)
                                                                  : read_fields(table.fields, *values[position_], row);
            if (!read) {
                return std::move(read).error().in("component `" + table.name + "`");
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> read_codec(const Type& type, const Json& value, std::byte* row) {
        std::string bytes;
        if (!read_bytes(value, bytes)) {
            return corrupt("is not {\"bytes\": \"hexadecimal digits\"}");
        }
        return type.codec->deserialise(std::as_bytes(std::span{bytes.data(), bytes.size()}), type.version, row);
    }

    [[nodiscard]] Result<void> read_fields(const std::vector<Field>& fields, const Json& value, std::byte* row) {
        if (!value.is_object() || value.size() != fields.size()) {
            return corrupt("is not an object of " + std::to_string(fields.size()) + " fields");
        }
        for (const Field& field : fields) {
            const Json* found = member(value, field.name.c_str());
            if (found == nullptr) {
                return corrupt("field `" + field.name + "` is missing");
            }
            if (field.has_presence_byte()) {
                if (found->is_null()) {
                    continue;
                }
                const Json* const absent = found->size() == 1 ? member(*found, "absent") : nullptr;
                row[field.presence_offset] = absent == nullptr ? std::byte{1} : std::byte{};
                found = absent == nullptr ? found : absent;
            }
            if (Result<void> read = read_values(field, *found, row + field.offset, 0, field.size); !read) {
                return std::move(read).error().in("field `" + field.name + "`");
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> read_values(const Field& field, const Json& value, std::byte* place, std::size_t depth, std::size_t size) {
        if (depth == field.extents.size()) {
            return read_value(field, value, place, size);
        }
        if (!value.is_array() || value.size() != field.extents[depth]) {
            return corrupt("is not a list of " + std::to_string(field.extents[depth]));
        }
        const std::size_t step = size / field.extents[depth];
        std::size_t at = 0;
        for (const Json& element : value) {
            if (Result<void> read = read_values(field, element, place + at, depth + 1, step); !read) {
                return read;
            }
            at += step;
        }
        return {};
    }

    [[nodiscard]] Result<void> read_value(const Field& field, const Json& value, std::byte* place, std::size_t size) {
        const auto done = [&](bool good) {
            return good ? Result<void>{} : corrupt("is no " + std::string{name_of(field.type)} + " that fits");
        };
        switch (field.type) {
        case FieldType::U8:
            return done(read_integer<std::uint8_t>(value, place));
        case FieldType::U16:
            return done(read_integer<std::uint16_t>(value, place));
        case FieldType::U32:
            return done(read_integer<std::uint32_t>(value, place));
        case FieldType::U64:
            return done(read_integer<std::uint64_t>(value, place));
        case FieldType::I8:
            return done(read_integer<std::int8_t>(value, place));
        case FieldType::I16:
            return done(read_integer<std::int16_t>(value, place));
        case FieldType::I32:
            return done(read_integer<std::int32_t>(value, place));
        case FieldType::I64:
            return done(read_integer<std::int64_t>(value, place));
        case FieldType::F32:
            return done(read_real<float>(value, place));
        case FieldType::F64:
            return done(read_real<double>(value, place));
        case FieldType::Bool:
            *place = value.is_boolean() && *value.get_ptr<const bool*>() ? std::byte{1} : std::byte{};
            return done(value.is_boolean());
        case FieldType::Entity:
            return done(read_reference(value, place));
        case FieldType::Enum:
            return done(read_enum(schema_->enums()[field.type_index], value, place));
        case FieldType::Struct:
            return read_fields(schema_->structs()[field.type_index].fields, value, place);
        case FieldType::String: {
            std::string bytes;
            const bool good = read_text(value, bytes) && bytes.size() <= field.capacity && sizeof(std::uint16_t) + bytes.size() <= size;
            if (good) {
                store_le<std::uint16_t>(place, static_cast<std::uint16_t>(bytes.size()));
                std::memcpy(place + sizeof(std::uint16_t), bytes.data(), bytes.size());
            }
            return done(good);
        }
        case FieldType::Text:
        case FieldType::Blob: {
            std::string& bytes = contents_.emplace_back();
            const bool good = field.type == FieldType::Text ? read_text(value, bytes) : read_bytes(value, bytes);
            if (good) {
                loader_->set_content(position_, field.id, std::as_bytes(std::span{bytes.data(), bytes.size()}));
            }
            return done(good);
        }
        }
        return done(false);
    }

    template <typename T>
    [[nodiscard]] static bool read_integer(const Json& value, std::byte* place) {
        bool fits = false;
        T number{};
        if (value.is_number_unsigned()) {
            const auto given = *value.get_ptr<const std::uint64_t*>();
            number = static_cast<T>(given);
            fits = given <= static_cast<std::uint64_t>(std::numeric_limits<T>::max());
        } else if (value.is_number_integer() && std::numeric_limits<T>::is_signed) {
            const auto given = *value.get_ptr<const std::int64_t*>();
            number = static_cast<T>(given);
            fits = static_cast<std::int64_t>(number) == given;
        }
        store_le<T>(place, number);
        return fits;
    }
    template <typename T>
    [[nodiscard]] static bool read_real(const Json& value, std::byte* place) {
        if (std::string bytes; read_bytes(value, bytes)) {
            std::memcpy(place, bytes.data(), std::min(bytes.size(), sizeof(T)));
            return bytes.size() == sizeof(T);
        }
        if (!value.is_number()) {
            return false;
        }
        const double given = value.is_number_float()      ? *value.get_ptr<const double*>()
                             : value.is_number_unsigned() ? static_cast<double>(*value.get_ptr<const std::uint64_t*>())
                                                          : static_cast<double>(*value.get_ptr<const std::int64_t*>());
        const bool fits =
            given >= -static_cast<double>(std::numeric_limits<T>::max()) && given <= static_cast<double>(std::numeric_limits<T>::max());
        store_le<T>(place, fits ? static_cast<T>(given) : T{});
        return fits;
    }
    /// A reference gets a number of its own in the row, which the loader gives its meaning.
    [[nodiscard]] bool read_reference(const Json& value, std::byte* place) {
        if (value.is_null()) {
            return true;
        }
        const std::string* const name = text_of(&value);
        if (name == nullptr) {
            return false;
        }
        store_le<std::uint64_t>(place, ++references_);
        if (*name == "gone") {
            return true;
        }
        const Result<StableId> id = StableId::parse(*name);
        return id && *id && loader_->name(references_, *id);
    }
    [[nodiscard]] static bool read_enum(const EnumType& type, const Json& value, std::byte* place) {
        const std::string* const name = text_of(&value);
        std::int64_t number = 0;
        bool found = false;
        for (const EnumValue& known : type.values) {
            if (name != nullptr && known.name == *name) {
                number = known.value;
                found = true;
            }
        }
        if (name == nullptr) { // one that has no name; whether the database allows it, it says itself
            std::byte whole[sizeof(std::int64_t)];
            found = read_integer<std::int64_t>(value, whole);
            number = load_le<std::int64_t>(whole);
        }
        std::memcpy(place, &number, scalar_size(type.underlying));
        return found;
    }
    [[nodiscard]] static bool read_text(const Json& value, std::string& text) {
        if (const std::string* const given = text_of(&value); given != nullptr) {
            text = *given;
            return true;
        }
        return read_bytes(value, text);
    }
    [[nodiscard]] static bool read_bytes(const Json& value, std::string& bytes) {
        const std::string* const digits = value.is_object() && value.size() == 1 ? text_of(member(value, "bytes")) : nullptr;
        if (digits == nullptr || digits->size() % 2 != 0) {
            return false;
        }
        const auto digit = [](char letter) {
            return letter >= '0' && letter <= '9' ? letter - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
        };
        for (std::size_t i = 0; i < digits->size(); i += 2) {
            const int high = digit((*digits)[i]);
            const int low = digit((*digits)[i + 1]);
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
    Json document_;
    std::vector<Type> types_;  ///< By table.
    std::size_t position_ = 0; ///< Of the component that is read, within its entity.
    std::uint64_t references_ = 0;
    std::deque<std::string> contents_; ///< Do not move while more are added.
};

} // namespace ecsdb::formats::json
