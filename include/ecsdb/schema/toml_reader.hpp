/// @file
/// Reads a schema from TOML. Every key means something: an unknown one is an error, and every error says where it stands.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/draft.hpp"
#include "ecsdb/schema/layout.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/toml_document.hpp"
#include "ecsdb/schema/toml_fields.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::detail {

/// Builds the draft of a schema from a document, and remembers where each part stands.
class TomlSchemaReader final : public SchemaSource {
public:
    /// Both must outlive the reader.
    TomlSchemaReader(const toml::table& root, std::string_view file_name) noexcept : root_{&root}, in_{file_name} {}
    TomlSchemaReader(const TomlSchemaReader&) = delete;
    TomlSchemaReader& operator=(const TomlSchemaReader&) = delete;
    ~TomlSchemaReader() = default;

    [[nodiscard]] Result<Schema> read() {
        if (!read_document()) {
            return in_.take_error();
        }
        return finish_schema(Schema{std::move(name_), std::move(version_), std::move(tables_), std::move(enums_), std::move(structs_),
                                    std::move(entity_names_)},
                             this);
    }

    [[nodiscard]] std::string position_of(const SchemaPlace& place) const override {
        const toml::node* at = root_->get("database");
        const auto part = [&](const std::vector<TomlPart>& parts) {
            const TomlPart& found = parts[place.index];
            at = place.member < found.members.size() ? found.members[place.member] : found.node;
        };
        if (place.kind == SchemaPlace::Kind::Table) {
            part(table_parts_);
        } else if (place.kind == SchemaPlace::Kind::Enum) {
            part(enum_parts_);
        } else if (place.kind == SchemaPlace::Kind::Struct) {
            part(struct_parts_);
        }
        if (const auto* const table = at == nullptr ? nullptr : at->as_table()) {
            if (const toml::node* const value = table->get(place.key)) {
                at = value;
            }
        }
        return in_.position(at == nullptr ? root_->source().begin : at->source().begin);
    }

private:
    bool read_document() {
        if (!fields_.known_keys(*root_, "schema", {"database", "tables", "enums", "structs"})) {
            return false;
        }
        const toml::table* const enums = section("enums");
        const toml::table* const structs = section("structs");
        const toml::table* const tables = section("tables");
        const toml::table* const database = section("database");
        if (in_.failed()) {
            return false;
        }
        if (database != nullptr &&
            !(fields_.known_keys(*database, "[database]", {"name", "version"}) && in_.read(*database, "name", "[database]", name_) &&
              in_.read(*database, "version", "[database]", version_))) {
            return false;
        }
        const auto entries_of = [](const toml::table* from) {
            return from == nullptr ? std::vector<TomlEntry>{} : TomlReading::in_file_order(*from);
        };
        const auto enum_entries = entries_of(enums);
        const auto struct_entries = entries_of(structs);
        const auto table_entries = entries_of(tables);
        if (enum_entries.size() > max_members || struct_entries.size() > max_members) {
            return in_.refuse(*root_, "schema: has more than " + std::to_string(max_members) + " enums or structs");
        }
        for (const TomlEntry& entry : enum_entries) {
            fields_.names().enums.push_back(entry.name);
        }
        for (const TomlEntry& entry : struct_entries) {
            fields_.names().structs.push_back(entry.name);
        }
        return each(enum_entries, &TomlSchemaReader::read_enum) && each(struct_entries, &TomlSchemaReader::read_struct) &&
               read_entities(tables) && each(table_entries, &TomlSchemaReader::read_table);
    }

    bool each(const std::vector<TomlEntry>& entries, bool (TomlSchemaReader::*read_one)(const TomlEntry&, const toml::table&)) {
        for (const TomlEntry& entry : entries) {
            const auto* const table = entry.node->as_table();
            if (table == nullptr) {
                return in_.refuse(entry.position, "schema: `" + std::string{entry.name} + "` must be a table");
            }
            if (!(this->*read_one)(entry, *table)) {
                return false;
            }
        }
        return true;
    }

    const toml::table* section(std::string_view key) {
        const toml::node* const node = root_->get(key);
        if (node != nullptr && !node->is_table()) {
            in_.refuse(*node, "schema: `" + std::string{key} + "` must be a table");
        }
        return node == nullptr ? nullptr : node->as_table();
    }

    bool read_enum(const TomlEntry& entry, const toml::table& table) {
        const TomlContext context = "enum `" + std::string{entry.name} + "`";
        EnumType type;
        type.name = entry.name;
        TomlPart part{&table, {}};
        std::string underlying = "u8";
        if (!fields_.known_keys(table, context, {"type", "values"}) || !in_.read(table, "type", context, underlying)) {
            return false;
        }
        type.underlying = type_named(underlying, FieldType::Struct);
        if (type.underlying == FieldType::Struct) {
            return in_.refuse(*table.get("type"),
                              context + ": type `" + underlying + "` is not an integer type" + did_you_mean(underlying, integer_words));
        }
        const toml::node* const values = table.get("values");
        if (values == nullptr) {
            return in_.refuse(table, context + ": needs `values`, as in `values = [\"red\", \"blue\"]`");
        }
        if (const auto* const names = values->as_array()) {
            for (const toml::node& node : *names) {
                const auto* const text = node.as_string();
                if (text == nullptr) {
                    return in_.refuse(node, context + ": a list of values holds names in quotes");
                }
                type.values.push_back({text->get(), static_cast<std::int64_t>(type.values.size())});
                part.members.push_back(&node);
            }
        } else if (const auto* const numbered = values->as_table()) {
            for (const TomlEntry& value : TomlReading::in_file_order(*numbered)) {
                const auto* const number = value.node->as_integer();
                if (number == nullptr) {
                    return in_.refuse(*value.node, context + ", value `" + std::string{value.name} + "`: must be an integer");
                }
                type.values.push_back({std::string{value.name}, number->get()});
                part.members.push_back(value.node);
            }
        } else {
            return in_.refuse(*values, context + ": `values` must be a list of names, or a table of names and numbers");
        }
        enums_.push_back(std::move(type));
        enum_parts_.push_back(std::move(part));
        return true;
    }

    bool read_struct(const TomlEntry& entry, const toml::table& table) {
        const TomlContext context = "struct `" + std::string{entry.name} + "`";
        StructType type;
        type.name = entry.name;
        TomlPart part{&table, {}};
        if (!fields_.known_keys(table, context, {"fields"}) || !fields_.each_field(table, context, [&](const toml::table& node) {
                return fields_.read_field(node, context, type.fields, part);
            })) {
            return false;
        }
        structs_.push_back(std::move(type));
        struct_parts_.push_back(std::move(part));
        return true;
    }

    /// `[tables.entities]` describes what the engine keeps itself: it can rename the two columns, and have no others.
    bool read_entities(const toml::table* tables) {
        const toml::node* const node = tables == nullptr ? nullptr : tables->get("entities");
        if (node == nullptr) {
            return true;
        }
        if (!node->is_table()) {
            return in_.refuse(*node, "schema: `entities` must be a table");
        }
        const toml::table& table = *node->as_table();
        const TomlContext context = "table `entities`";
        if (!fields_.known_keys(table, context, {"primary_key", "fields"}) || !in_.read(table, "primary_key", context, entity_names_.key)) {
            return false;
        }
        bool has_key = false;
        bool has_version = false;
        if (!fields_.each_field(table, context,
                                [&](const toml::table& field) { return read_entities_field(field, context, has_key, has_version); })) {
            return false;
        }
        const toml::node* const key = table.get("primary_key");
        return has_key || key == nullptr ||
               in_.refuse(*key, context + ": `primary_key` names no field `" + entity_names_.key + "` of the table");
    }

    bool read_entities_field(const toml::table& node, const TomlContext& of, bool& has_key, bool& has_version) {
        std::string name;
        if (!fields_.read_name(node, of, name)) {
            return false;
        }
        const TomlContext context = of + ", field `" + name + "`";
        const bool is_key = name == entity_names_.key;
        const bool known = is_key ? fields_.known_keys(node, context, {"name", "type", "constraint"})
                                  : fields_.known_keys(node, context, {"name", "type", "auto_increment"});
        if (!known) {
            return false;
        }
        bool counts = false;
        if (!in_.read(node, "auto_increment", context, counts)) {
            return false;
        }
        if (!is_key && !counts) {
            return in_.refuse(node, context + ": the registry of entities keeps only their id and a version with `auto_increment = true`; "
                                              "anything else belongs in a table of its own");
        }
        bool& there = is_key ? has_key : has_version;
        if (there) {
            return in_.refuse(node, context + ": an entity has only one " + (is_key ? "id" : "version"));
        }
        there = true;
        std::string type;
        if (!in_.read(node, "type", context, type)) {
            return false;
        }
        const bool right = is_key ? type == "u64" || type == "entity" : type == "u32";
        if (!right) {
            const toml::node* const at = node.get("type");
            return in_.refuse(at == nullptr ? node : *at,
                              context + ": " + (is_key ? "an entity's id is `u64`" : "an entity's version is `u32`"));
        }
        if (!is_key) {
            entity_names_.version = name;
        }
        Field ignored;
        return fields_.read_constraint(node, context, ignored);
    }

    bool read_table(const TomlEntry& entry, const toml::table& node) {
        if (entry.name == "entities") {
            return true;
        }
        const TomlContext context = "table `" + std::string{entry.name} + "`";
        Table table;
        table.name = entry.name;
        TomlPart part{&node, {}};
        const bool well =
            fields_.known_keys(node, context, table_keys) && in_.read(node, "primary_key", context, table.key_name) &&
            in_.read(node, "parent_table", context, table.parent_name) &&
            in_.read_word(node, "storage", context, storage_words, table.storage) &&
            in_.read_word(node, "persist", context, persist_words, table.persist) &&
            in_.read_count<std::uint64_t>(node, "capacity", context, 0, std::numeric_limits<std::int64_t>::max(), table.capacity) &&
            in_.read_count<std::uint32_t>(node, "version", context, 1, std::numeric_limits<std::uint32_t>::max(), table.version) &&
            in_.read(node, "deprecated", context, table.deprecated) && in_.read(node, "dropped", context, table.dropped);
        if (!well) {
            return false;
        }
        table.key_name = key_name_of(node);
        bool has_key = false;
        const auto read_one = [&](const toml::table& field) {
            const auto* const name = field.get("name") == nullptr ? nullptr : field.get("name")->as_string();
            if (name == nullptr || name->get() != table.key_name || has_key) {
                return fields_.read_field(field, context, table.fields, part);
            }
            has_key = true;
            return read_key(field, context + ", field `" + name->get() + "`", table);
        };
        if (!fields_.each_field(node, context, read_one)) {
            return false;
        }
        if (!has_key && node.get("primary_key") != nullptr) {
            return in_.refuse(*node.get("primary_key"), context + ": `primary_key` names no field `" + table.key_name + "` of the table");
        }
        tables_.push_back(std::move(table));
        table_parts_.push_back(std::move(part));
        return true;
    }

    /// How a table calls the row's own entity.
    static std::string key_name_of(const toml::table& table) {
        const toml::node* const key = table.get("primary_key");
        return key != nullptr && key->is_string() ? key->as_string()->get() : std::string{"entity_id"};
    }

    /// The field that is the row's own entity: it must say so, and has nothing else to say.
    bool read_key(const toml::table& node, const TomlContext& context, const Table& table) {
        if (!fields_.known_keys(node, context, {"name", "type", "constraint", "foreign_key", "on_delete"})) {
            return false;
        }
        Field field;
        std::string type;
        if (!in_.read(node, "type", context, type) || !fields_.read_constraint(node, context, field) ||
            !fields_.read_foreign_key(node, context, field)) {
            return false;
        }
        if (type != "u64" && type != "entity") {
            const toml::node* const at = node.get("type");
            return in_.refuse(at == nullptr ? node : *at, context + ": the row's own entity is `u64`");
        }
        const toml::node* const parent = root_->get("tables")->as_table()->get(table.parent_name);
        const std::string own = "entities." + entity_names_.key;
        const std::string target = field.foreign_key ? field.foreign_key->table + "." + field.foreign_key->field : std::string{};
        const bool names_parent = parent != nullptr && parent->is_table() && table.parent_name != "entities" &&
                                  target == table.parent_name + "." + key_name_of(*parent->as_table());
        if (target != own && !names_parent) {
            const toml::node* const at = node.get("foreign_key");
            return in_.refuse(at == nullptr ? node : *at, context + ": the row's own entity needs `foreign_key = \"" + own + "\"`");
        }
        if (node.get("on_delete") != nullptr && field.foreign_key->on_delete != OnDelete::Cascade) {
            return in_.refuse(*node.get("on_delete"), context + ": a row always goes with its own entity, so only `cascade` is true");
        }
        return true;
    }

    static constexpr std::array<std::string_view, 2> storage_words{"table", "sparse"};              // In the order of `Storage`.
    static constexpr std::array<std::string_view, 3> persist_words{"wal", "snapshot", "transient"}; // In the order of `Persist`.
    static constexpr std::array<std::string_view, 8> integer_words{"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"};
    static constexpr std::array<std::string_view, 9> table_keys{"primary_key", "parent_table", "storage", "persist", "capacity",
                                                                "version",     "deprecated",   "dropped", "fields"};

    const toml::table* root_;
    TomlReading in_;
    TomlFieldReader fields_{in_};
    std::string name_;
    std::string version_;
    EntityNames entity_names_;
    std::vector<Table> tables_;
    std::vector<EnumType> enums_;
    std::vector<StructType> structs_;
    std::vector<TomlPart> table_parts_;
    std::vector<TomlPart> enum_parts_;
    std::vector<TomlPart> struct_parts_;
};

[[nodiscard]] inline Result<Schema> read_document(const TomlDocument& document, std::string_view file_name) {
    if (document.complaint.empty()) {
        return TomlSchemaReader{document.root, file_name}.read();
    }
    if (document.line == 0) {
        return Error{ErrorCode::Io, std::string{file_name} + ": " + document.complaint};
    }
    return Error{ErrorCode::InvalidSchema, std::string{file_name} + ":" + std::to_string(document.line) + ":" +
                                               std::to_string(document.column) + ": " + document.complaint};
}

} // namespace ecsdb::detail

namespace ecsdb {

/// The finished schema that `text` describes (docs/guide/schema.md). `file_name` is only for messages.
///
/// `ErrorCode::InvalidSchema` names the first thing wrong as `file:line:column: table, field: what`.
[[nodiscard]] inline Result<Schema> parse_schema(std::string_view text, std::string_view file_name) {
    return detail::read_document(detail::parse_toml(text), file_name);
}

/// The same, of a file. `ErrorCode::Io` if it cannot be read.
[[nodiscard]] inline Result<Schema> load_schema_file(const std::string& path) {
    return detail::read_document(detail::parse_toml_file(path), path);
}

} // namespace ecsdb
