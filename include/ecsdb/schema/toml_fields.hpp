/// @file
/// Reads the fields of a table or struct from a schema file: types such as `f32[3]`, and every other key of a field.
#pragma once

#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"
#include "ecsdb/schema/toml_document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::detail {

/// The names a schema file gives to its own types, in the order of the file.
struct TypeNames {
    std::vector<std::string_view> enums;
    std::vector<std::string_view> structs;

    /// Every word that can be a type.
    [[nodiscard]] std::vector<std::string_view> all() const {
        std::vector<std::string_view> words;
        for (auto number = static_cast<unsigned>(FieldType::U8); number <= static_cast<unsigned>(FieldType::String); ++number) {
            words.push_back(name_of(static_cast<FieldType>(number)));
        }
        words.push_back(name_of(FieldType::Text));
        words.push_back(name_of(FieldType::Blob));
        words.insert(words.end(), enums.begin(), enums.end());
        words.insert(words.end(), structs.begin(), structs.end());
        return words;
    }
};

/// Sets what `text` says about `field`'s type. Returns what is wrong with it, or nothing.
[[nodiscard]] inline std::string parse_type(std::string_view text, const TypeNames& names, Field& field) {
    const auto quoted = [text] { return "type `" + std::string{text} + "`"; };
    const std::string_view word = text.substr(0, text.find('['));
    std::vector<std::uint32_t> extents;
    for (std::string_view rest = text.substr(word.size()); !rest.empty();) {
        const std::size_t close = rest.find(']');
        if (rest.front() != '[' || close == std::string_view::npos) {
            return quoted() + " must be a word and numbers in brackets, as in `f32[4]`";
        }
        const std::string_view digits = rest.substr(1, close - 1);
        std::uint32_t extent = 0;
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), extent);
        if (parsed.ec == std::errc::result_out_of_range) {
            return quoted() + " has more elements than a row can have";
        }
        if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) {
            return quoted() + " must have a number in its brackets, as in `f32[4]`";
        }
        extents.push_back(extent);
        rest.remove_prefix(close + 1);
    }
    const auto find = [word](const std::vector<std::string_view>& known) {
        return static_cast<std::size_t>(std::find(known.begin(), known.end(), word) - known.begin());
    };
    if (const std::size_t index = find(names.enums); index < names.enums.size()) {
        field.type = FieldType::Enum;
        field.type_index = static_cast<std::uint16_t>(index);
    } else if (const std::size_t at = find(names.structs); at < names.structs.size()) {
        field.type = FieldType::Struct;
        field.type_index = static_cast<std::uint16_t>(at);
    } else if (field.type = type_named(word, FieldType::Struct); field.type == FieldType::Struct) {
        return quoted() + " is not known" + did_you_mean(word, names.all());
    }
    if (field.type == FieldType::String) {
        if (extents.empty()) {
            return quoted() + " needs the most bytes it holds, as in `string[32]`";
        }
        field.capacity = extents.front();
        extents.erase(extents.begin());
    }
    field.extents = std::move(extents);
    return {};
}

/// Where a table, enum or struct stands, and its fields or values.
struct TomlPart {
    const toml::node* node = nullptr;
    std::vector<const toml::node*> members;
};

/// Reads fields. Every function says whether to go on, as `TomlReading`'s do.
class TomlFieldReader {
public:
    explicit TomlFieldReader(TomlReading& in) noexcept : in_{&in} {}

    /// The types a field can name beside the built-in ones: to be filled in before the first field is read.
    [[nodiscard]] TypeNames& names() noexcept { return names_; }

    bool known_keys(const toml::table& table, const TomlContext& context, std::span<const std::string_view> keys) {
        return in_->only_keys(table, context, keys);
    }
    template <std::size_t Count>
    bool known_keys(const toml::table& table, const TomlContext& context, const std::string_view (&keys)[Count]) {
        return in_->only_keys(table, context, keys);
    }

    /// Calls `read` with every element of `fields`.
    template <typename Read>
    bool each_field(const toml::table& table, const TomlContext& context, Read read) {
        const toml::node* const fields = table.get("fields");
        if (fields == nullptr) {
            return true;
        }
        const auto* const list = fields->as_array();
        if (list == nullptr) {
            return in_->refuse(*fields, context + ": `fields` must be a list of tables, each begun with two brackets");
        }
        for (const toml::node& node : *list) {
            if (!node.is_table()) {
                return in_->refuse(node, context + ": a field must be a table with a `name` and a `type`");
            }
            if (!read(*node.as_table())) {
                return false;
            }
        }
        return true;
    }

    bool read_name(const toml::table& node, const TomlContext& context, std::string& name) {
        if (node.get("name") == nullptr) {
            return in_->refuse(node, context + ": a field needs a `name`");
        }
        return in_->read(node, "name", context + ", a field", name);
    }

    bool read_field(const toml::table& node, const TomlContext& of, std::vector<Field>& fields, TomlPart& part) {
        Field field;
        if (!read_name(node, of, field.name)) {
            return false;
        }
        const TomlContext context = of + ", field `" + field.name + "`";
        std::string type;
        if (!known_keys(node, context, field_keys) || !in_->read(node, "type", context, type)) {
            return false;
        }
        if (node.get("type") == nullptr) {
            return in_->refuse(node, context + ": needs a `type`");
        }
        if (const std::string complaint = parse_type(type, names_, field); !complaint.empty()) {
            return in_->refuse(*node.get("type"), context + ": " + complaint);
        }
        if (const toml::node* const counter = node.get("auto_increment")) {
            return in_->refuse(*counter, context + ": only the version of an entity, in [tables.entities], counts by itself");
        }
        const bool well = in_->read(node, "nullable", context, field.nullable) && in_->read(node, "indexed", context, field.indexed) &&
                          in_->read(node, "deprecated", context, field.deprecated) && read_constraint(node, context, field) &&
                          read_foreign_key(node, context, field) && read_max_length(node, context, field) &&
                          in_->read_value(node, "default", context, field.type, field.default_value) &&
                          in_->read_value(node, "min", context, field.type, field.min) &&
                          in_->read_value(node, "max", context, field.type, field.max);
        fields.push_back(std::move(field));
        part.members.push_back(&node);
        return well;
    }

    /// `constraint` is one word or a list of them.
    bool read_constraint(const toml::table& node, const TomlContext& context, Field& field) {
        const toml::node* const constraint = node.get("constraint");
        if (constraint == nullptr) {
            return true;
        }
        const auto add = [&](const toml::node& word) {
            const auto* const text = word.as_string();
            if (text != nullptr && text->get() == "unique") {
                field.unique = true;
            } else if (text != nullptr && text->get() == "not_null") {
                field.not_null = true;
            } else {
                return in_->refuse(word, context + ": a `constraint` is one of " + TomlReading::list(constraint_words) +
                                             (text == nullptr ? std::string{} : did_you_mean(text->get(), constraint_words)));
            }
            return true;
        };
        const auto* const list = constraint->as_array();
        if (list == nullptr) {
            return add(*constraint);
        }
        for (const toml::node& word : *list) {
            if (!add(word)) {
                return false;
            }
        }
        return true;
    }

    /// The most bytes of a text or blob; a `string[N]` has its own in its brackets.
    bool read_max_length(const toml::table& node, const TomlContext& context, Field& field) {
        const toml::node* const length = node.get("max_length");
        if (length == nullptr) {
            return true;
        }
        if (!is_content(field.type)) {
            return in_->refuse(*length, context + ": `max_length` is for `text` and `blob`");
        }
        const auto* const number = length->as_integer();
        if (number == nullptr || number->get() < 1 || number->get() > std::int64_t{max_content_size}) {
            return in_->refuse(*length, context + ": `max_length` must be 1 to " + std::to_string(max_content_size) + " bytes");
        }
        field.capacity = static_cast<std::uint32_t>(number->get());
        return true;
    }

    bool read_foreign_key(const toml::table& node, const TomlContext& context, Field& field) {
        if (node.get("foreign_key") == nullptr) {
            return node.get("on_delete") == nullptr ||
                   in_->refuse(*node.get("on_delete"), context + ": `on_delete` says what becomes of a `foreign_key`, and there is none");
        }
        std::string target;
        if (!in_->read(node, "foreign_key", context, target)) {
            return false;
        }
        const std::size_t dot = target.find('.');
        if (dot == std::string::npos || dot == 0 || dot + 1 == target.size() || target.find('.', dot + 1) != std::string::npos) {
            return in_->refuse(*node.get("foreign_key"),
                               context + ": `foreign_key` must be a table and a field, as in `entities.id`, not `" + target + "`");
        }
        ForeignKey key;
        key.table = target.substr(0, dot);
        key.field = target.substr(dot + 1);
        if (!in_->read_word(node, "on_delete", context, on_delete_words, key.on_delete)) {
            return false;
        }
        field.foreign_key = std::move(key);
        return true;
    }

private:
    static constexpr std::array<std::string_view, 2> constraint_words{"unique", "not_null"};
    static constexpr std::array<std::string_view, 3> on_delete_words{"restrict", "cascade", "set_null"}; // In the order of `OnDelete`.
    static constexpr std::array<std::string_view, 13> field_keys{"name",      "type",           "default",    "min",        "max",
                                                                 "nullable",  "indexed",        "deprecated", "constraint", "foreign_key",
                                                                 "on_delete", "auto_increment", "max_length"};

    TomlReading* in_;
    TypeNames names_;
};

} // namespace ecsdb::detail
