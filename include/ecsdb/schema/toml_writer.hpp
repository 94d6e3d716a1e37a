/// @file
/// Writes a schema as the TOML that reads back as the same schema.
#pragma once

#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ecsdb::detail {

/// Builds the text. Needs no TOML library: a schema uses little of the language.
class TomlSchemaWriter {
public:
    explicit TomlSchemaWriter(const Schema& schema) : schema_{schema} {}

    [[nodiscard]] std::string write() && {
        begin("[database]");
        text("name", schema_.name());
        if (!schema_.database_version().empty()) {
            text("version", schema_.database_version());
        }
        for (const EnumType& type : schema_.enums()) {
            begin("[enums." + type.name + "]");
            text("type", name_of(type.underlying));
            begin("[enums." + type.name + ".values]");
            for (const EnumValue& value : type.values) {
                line(value.name, std::to_string(value.value));
            }
        }
        for (const StructType& type : schema_.structs()) {
            begin("[structs." + type.name + "]");
            for (const Field& field : type.fields) {
                write_field("structs." + type.name, field);
            }
        }
        write_entities();
        for (const Table& table : schema_.tables()) {
            write_table(table);
        }
        return std::move(out_);
    }

private:
    void begin(const std::string& heading) { out_ += (out_.empty() ? "" : "\n") + heading + "\n"; }
    void line(std::string_view key, std::string_view value) { (((out_ += key) += " = ") += value) += '\n'; }
    void text(std::string_view key, std::string_view words) { line(key, spell_value(std::string{words})); }
    void flag(std::string_view key, bool set) {
        if (set) {
            line(key, "true");
        }
    }
    void value(std::string_view key, const SchemaValue& value) {
        if (const auto* const number = std::get_if<std::uint64_t>(&value);
            number != nullptr && *number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            text(key, std::to_string(*number)); // Beyond TOML's integers: the reader takes digits in quotes for a u64.
        } else if (!std::holds_alternative<std::monostate>(value)) {
            line(key, spell_value(value));
        }
    }

    void write_entities() {
        begin("[tables.entities]");
        text("primary_key", schema_.entity_names().key);
        begin("[[tables.entities.fields]]");
        text("name", schema_.entity_names().key);
        text("type", "u64");
        text("constraint", "unique");
        begin("[[tables.entities.fields]]");
        text("name", schema_.entity_names().version);
        text("type", "u32");
        flag("auto_increment", true);
    }

    /// A dropped table's name may have been given to another since, and TOML knows a name only once.
    [[nodiscard]] std::string unique_name(const Table& table) const {
        std::string name = table.name;
        const auto is_taken = [&] {
            for (const Table& other : schema_.tables()) {
                if (&other != &table && other.name == name) {
                    return true;
                }
            }
            return false;
        };
        while (table.dropped && is_taken()) {
            name = "dropped_" + std::to_string(table.id) + (name == table.name ? "" : "_");
        }
        return name;
    }

    void write_table(const Table& table) {
        const std::string path = "tables." + unique_name(table);
        begin("[" + path + "]");
        if (table.key_name != "entity_id") {
            text("primary_key", table.key_name);
        }
        text("parent_table", table.parent_name.empty() ? std::string_view{"entities"} : std::string_view{table.parent_name});
        if (table.storage == Storage::Sparse) {
            text("storage", "sparse");
        }
        if (table.persist != Persist::Wal) {
            text("persist", table.persist == Persist::Snapshot ? "snapshot" : "transient");
        }
        if (table.capacity != 0) {
            line("capacity", std::to_string(table.capacity));
        }
        if (table.version != 1) {
            line("version", std::to_string(table.version));
        }
        flag("deprecated", table.deprecated);
        flag("dropped", table.dropped);
        begin("[[" + path + ".fields]]");
        text("name", table.key_name);
        text("type", "u64");
        text("foreign_key", "entities." + schema_.entity_names().key);
        for (const Field& field : table.fields) {
            write_field(path, field);
        }
    }

    void write_field(const std::string& path, const Field& field) {
        begin("[[" + path + ".fields]]");
        text("name", field.name);
        text("type", spell_type(schema_, field));
        flag("nullable", field.nullable);
        flag("indexed", field.indexed);
        flag("deprecated", field.deprecated);
        if (field.unique || field.not_null) {
            line("constraint", field.unique && field.not_null ? "[\"unique\", \"not_null\"]"
                               : field.unique                 ? "\"unique\""
                                                              : "\"not_null\"");
        }
        if (is_content(field.type) && field.capacity != 0) {
            line("max_length", std::to_string(field.capacity));
        }
        value("default", field.default_value);
        value("min", field.min);
        value("max", field.max);
        if (field.foreign_key) {
            text("foreign_key", field.foreign_key->table + "." + field.foreign_key->field);
            if (field.foreign_key->on_delete != OnDelete::Restrict) {
                text("on_delete", field.foreign_key->on_delete == OnDelete::Cascade ? "cascade" : "set_null");
            }
        }
    }

    const Schema& schema_;
    std::string out_;
};

} // namespace ecsdb::detail

namespace ecsdb {

/// A finished schema as TOML. `parse_schema` makes of it a schema with the same hash. Cost: one pass, one growing string.
[[nodiscard]] inline std::string to_toml(const Schema& schema) {
    return detail::TomlSchemaWriter{schema}.write();
}

} // namespace ecsdb
