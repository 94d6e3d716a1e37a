/// @file
/// Turns a schema file into a C++ header: `generate_components <schema.toml> <out.hpp> <namespace>`. Run by ecsdb_generate_components().
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/schema/toml_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

using ecsdb::Error;
using ecsdb::ErrorCode;
using ecsdb::Field;
using ecsdb::FieldType;
using ecsdb::Result;
using ecsdb::Schema;
using ecsdb::Table;

/// What `ECSDB_COMPONENT` can list.
constexpr std::size_t max_listed = 64;

std::string hexadecimal(unsigned value) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    return std::string{"0x"} + digits[value >> 4U & 0xFU] + digits[value & 0xFU];
}

/// `text` as a C++ string literal; octal escapes, because a hexadecimal one would swallow digits that follow it.
std::string literal(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\' || c == '?') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte > 0x7E) {
            out += '\\';
            for (const unsigned shift : {6U, 3U, 0U}) {
                out += static_cast<char>('0' + (byte >> shift & 7U));
            }
        } else {
            out += c;
        }
    }
    return out + '"';
}

template <typename Real>
std::string real_literal(Real value) {
    std::array<char, 32> buffer{};
    const char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    std::string text{buffer.data(), static_cast<std::size_t>(end - buffer.data())};
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string integer_literal(std::int64_t value) {
    return value == std::numeric_limits<std::int64_t>::min() ? "std::numeric_limits<std::int64_t>::min()" : std::to_string(value);
}

/// A constant of the schema as the argument of a `FieldEditor`.
std::string constant(const ecsdb::SchemaValue& value) {
    if (const auto* const flag = std::get_if<bool>(&value)) {
        return *flag ? "true" : "false";
    }
    if (const auto* const number = std::get_if<std::int64_t>(&value)) {
        return "std::int64_t{" + integer_literal(*number) + "}";
    }
    if (const auto* const number = std::get_if<std::uint64_t>(&value)) {
        return "std::uint64_t{" + std::to_string(*number) + "U}";
    }
    if (const auto* const real = std::get_if<double>(&value)) {
        return real_literal(*real);
    }
    const auto& text = std::get<std::string>(value);
    return "std::string_view{" + literal(text) + ", " + std::to_string(text.size()) + "}";
}

/// Writes the header.
class Generator {
public:
    Generator(const Schema& schema, std::string_view scope, std::string_view source) : schema_{schema}, scope_{scope}, source_{source} {}

    Result<std::string> generate() {
        if (auto fits = check(); !fits) {
            return std::move(fits).error();
        }
        out_ = "/// @file\n/// Generated from the schema " + literal(schema_.name()) +
               " by ecsdb_generate_components(); changed there, not here.\n" +
               "#pragma once\n\n#include \"ecsdb/schema/generated.hpp\"\n\n#include <array>\n#include <cstddef>\n#include <cstdint>\n" +
               "#include <limits>\n#include <string_view>\n" + std::string{has_deprecated() ? silence : ""} + "\nnamespace " +
               std::string{scope_} + " {\n";
        for (const ecsdb::EnumType& type : schema_.enums()) {
            write_enum(type);
        }
        written_.resize(schema_.structs().size());
        for (std::size_t i = 0; i < schema_.structs().size(); ++i) {
            write_struct(i);
        }
        for (const Table& table : schema_.tables()) {
            if (!table.dropped) {
                write_table(table);
            }
        }
        write_embedded();
        out_ += "\n} // namespace " + std::string{scope_} + "\n";
        for (const Table& table : schema_.tables()) {
            if (!table.dropped) {
                write_options(table);
            }
        }
        out_ += has_deprecated() ? "\n#if defined(__GNUC__)\n#pragma GCC diagnostic pop\n#endif\n" : "";
        return std::move(out_);
    }

private:
    /// The header itself names what is deprecated: only whoever uses it is to be told.
    static constexpr const char* silence = "\n#if defined(__GNUC__)\n#pragma GCC diagnostic push\n"
                                           "#pragma GCC diagnostic ignored \"-Wdeprecated-declarations\"\n#endif\n";
    [[nodiscard]] bool has_deprecated() const {
        const auto is_deprecated = [](const auto& part) { return part.deprecated; };
        return std::any_of(schema_.tables().begin(), schema_.tables().end(),
                           [&](const Table& table) {
                               return table.deprecated || std::any_of(table.fields.begin(), table.fields.end(), is_deprecated);
                           }) ||
               std::any_of(schema_.structs().begin(), schema_.structs().end(), [&](const ecsdb::StructType& type) {
                   return std::any_of(type.fields.begin(), type.fields.end(), is_deprecated);
               });
    }

    /// What is fine in a database but not in one C++ namespace.
    Result<void> check() const {
        std::vector<std::string_view> names{"schema_toml", "schema_bytes", "load_schema", "components", "std", "ecsdb"};
        const auto add = [&](std::string_view name) -> Result<void> {
            for (const std::string_view taken : names) {
                if (taken == name) {
                    return Error{ErrorCode::InvalidSchema, "`" + std::string{name} + "` would name two things in the generated header"};
                }
            }
            names.push_back(name);
            return {};
        };
        const auto add_with_fields = [&](const auto& part) -> Result<void> {
            if (part.fields.size() > max_listed) {
                return Error{ErrorCode::InvalidSchema, "`" + part.name + "` has more than " + std::to_string(max_listed) +
                                                           " fields, too many for a C++ component; group them in structs"};
            }
            return add(part.name);
        };
        for (const ecsdb::EnumType& type : schema_.enums()) {
            if (type.values.size() > max_listed) {
                return Error{ErrorCode::InvalidSchema, "`" + type.name + "` has more than " + std::to_string(max_listed) + " values"};
            }
            if (auto added = add(type.name); !added) {
                return added;
            }
        }
        for (const ecsdb::StructType& type : schema_.structs()) {
            if (auto added = add_with_fields(type); !added) {
                return added;
            }
        }
        for (const Table& table : schema_.tables()) {
            if (table.dropped) {
                continue;
            }
            if (auto added = add_with_fields(table); !added) {
                return added;
            }
        }
        return {};
    }

    /// Qualified from the global namespace: a field may be called as its type is.
    std::string qualified(std::string_view name) const { return "::" + std::string{scope_} + "::" + std::string{name}; }

    std::string element_type(const Field& field) const {
        switch (field.type) {
        case FieldType::F32:
            return "float";
        case FieldType::F64:
            return "double";
        case FieldType::Bool:
            return "bool";
        case FieldType::Entity:
            return "::ecsdb::Entity";
        case FieldType::String:
            return "::ecsdb::FixedString<" + std::to_string(field.capacity) + ">";
        case FieldType::Text:
            return "::ecsdb::Text";
        case FieldType::Blob:
            return "::ecsdb::Blob";
        case FieldType::Enum:
            return qualified(schema_.enums()[field.type_index].name);
        case FieldType::Struct:
            return qualified(schema_.structs()[field.type_index].name);
        default:
            return integer_type(field.type);
        }
    }

    static std::string integer_type(FieldType type) {
        const std::string_view word = ecsdb::name_of(type);
        return (word.front() == 'u' ? "std::uint" : "std::int") + std::string{word.substr(1)} + "_t";
    }

    std::string value_type(const Field& field) const {
        std::string type = element_type(field);
        for (auto extent = field.extents.rbegin(); extent != field.extents.rend(); ++extent) {
            type = "std::array<" + type + ", " + std::to_string(*extent) + ">";
        }
        return type;
    }

    std::string element_default(const Field& field) const {
        const ecsdb::SchemaValue& value = field.default_value;
        if (field.type == FieldType::Enum) {
            return element_type(field) + "::" + std::get<std::string>(value);
        }
        if (field.type == FieldType::Text) {
            return "::ecsdb::Text::by_default()";
        }
        if (field.type == FieldType::F32) {
            return real_literal(static_cast<float>(std::get<double>(value))) + "F";
        }
        if (const auto* const number = std::get_if<std::int64_t>(&value)) {
            return integer_literal(*number);
        }
        if (const auto* const number = std::get_if<std::uint64_t>(&value)) {
            return std::to_string(*number) + "U";
        }
        return constant(value);
    }

    static std::string deprecation(bool deprecated) { return deprecated ? "[[deprecated(\"by the schema\")]] " : ""; }

    void write_member(const Field& field) {
        const std::string type = value_type(field);
        std::string initial;
        if (!std::holds_alternative<std::monostate>(field.default_value)) {
            initial = field.extents.empty()
                          ? element_default(field)
                          : "::ecsdb::detail::filled<" + type + ">(" + element_type(field) + "{" + element_default(field) + "})";
        }
        const bool nullable = field.has_presence_byte();
        const std::string held = nullable && !initial.empty() ? type + "{" + initial + "}" : initial;
        out_ += "    " + deprecation(field.deprecated) + (nullable ? "::ecsdb::Nullable<" + type + ">" : type) + " " + field.name + "{" +
                held + "};\n";
    }

    template <typename Part>
    void write_members(const Part& part, const char* macro, bool deprecated = false) {
        out_ += "\nstruct " + deprecation(deprecated) + part.name + " {\n";
        for (const Field& field : part.fields) {
            write_member(field);
        }
        out_ += "};\n" + std::string{macro} + "(" + part.name;
        for (const Field& field : part.fields) {
            out_ += ", " + field.name;
        }
        out_ += ");\n";
        if (part.fields.empty()) {
            return;
        }
        out_ += "static_assert(sizeof(" + part.name + ") == " + std::to_string(part.size) + " && alignof(" + part.name +
                ") == " + std::to_string(part.alignment) + ");\n";
    }

    void write_enum(const ecsdb::EnumType& type) {
        out_ += "\nenum class " + type.name + " : " + integer_type(type.underlying) + " {\n";
        std::string names;
        for (const ecsdb::EnumValue& value : type.values) {
            out_ += "    " + value.name + " = " + integer_literal(value.value) + ",\n";
            names += ", " + value.name;
        }
        out_ += "};\nECSDB_ENUM(" + type.name + names + ");\n";
    }

    /// Inner structs first, whatever the order of the schema.
    void write_struct(std::size_t index) {
        if (written_[index]) {
            return;
        }
        written_[index] = true;
        for (const Field& field : schema_.structs()[index].fields) {
            if (field.type == FieldType::Struct) {
                write_struct(field.type_index);
            }
        }
        const ecsdb::StructType& type = schema_.structs()[index];
        write_members(type, "ECSDB_STRUCT");
        // At once: a component below may be the first to use it.
        if (const std::string constraints = write_constraints(type.fields); !constraints.empty()) {
            out_ += "} // namespace " + std::string{scope_} + "\n\ntemplate <>\nstruct ecsdb::StructOptions<" + qualified(type.name) +
                    "> {\n" + constraints + "};\n\nnamespace " + std::string{scope_} + " {\n";
        }
    }

    void write_table(const Table& table) { write_members(table, "ECSDB_COMPONENT", table.deprecated); }

    void write_embedded() {
        std::string list;
        for (const Table& table : schema_.tables()) {
            if (!table.dropped) {
                list += (list.empty() ? "" : ", ") + qualified(table.name);
            }
        }
        out_ += "\n/// `Of` every component of the schema, in its order: `components<ecsdb::Database>`.\n"
                "template <template <typename...> typename Of>\nusing components = Of<" +
                list + ">;\n";
        out_ += "\n/// The schema as it was written.\ninline constexpr std::string_view schema_toml =";
        for (std::size_t begin = 0; begin < source_.size() || begin == 0;) {
            const std::size_t end = source_.find('\n', begin);
            const std::size_t size = end == std::string_view::npos ? source_.size() - begin : end - begin + 1;
            std::string line = literal(source_.substr(begin, size));
            out_ += "\n    " + line;
            begin += size == 0 ? 1 : size;
        }
        out_ += ";\n\n/// The schema as it is stored, for `ecsdb::decode_schema`.\n"
                "inline constexpr auto schema_bytes = ::ecsdb::detail::as_byte_array({";
        ecsdb::SystemAllocator memory;
        ecsdb::ByteBuffer bytes{memory};
        ecsdb::encode_schema(schema_, bytes);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            out_ += (i % 16 == 0 ? "\n    " : " ") + hexadecimal(static_cast<unsigned>(bytes.data()[i])) + ",";
        }
        out_ += "\n});\n\n/// The finished schema; needs no TOML reader.\n"
                "[[nodiscard]] inline ::ecsdb::Result<::ecsdb::Schema> load_schema() { return ::ecsdb::decode_schema(schema_bytes); }\n";
    }

    /// The calls on a `FieldEditor` that say what the struct cannot.
    std::string promises(const Field& field) const {
        std::string calls;
        const auto call = [&](const char* name, const ecsdb::SchemaValue& value) {
            if (!std::holds_alternative<std::monostate>(value)) {
                calls += std::string{"."} + name + "(" + constant(value) + ")";
            }
        };
        if (field.type == FieldType::Enum && !std::holds_alternative<std::monostate>(field.default_value)) {
            calls += ".default_value(" + element_default(field) + ")";
        } else {
            call("default_value", field.default_value);
        }
        call("min", field.min);
        call("max", field.max);
        const std::pair<const char*, bool> flags[] = {{".unique()", field.unique},
                                                      {".not_null()", field.not_null},
                                                      {".indexed()", field.indexed},
                                                      {".deprecated()", field.deprecated},
                                                      {".nullable()", field.nullable && !field.has_presence_byte()}};
        for (const auto& [text, set] : flags) {
            calls += set ? text : "";
        }
        if (ecsdb::is_content(field.type) && field.capacity != 0) {
            calls += ".max_length(" + std::to_string(field.capacity) + ")";
        }
        if (field.foreign_key) {
            constexpr std::array<const char*, 3> words{"Restrict", "Cascade", "SetNull"};
            const std::string action = std::string{"::ecsdb::OnDelete::"} + words[static_cast<std::size_t>(field.foreign_key->on_delete)];
            calls += field.foreign_key->table_id == ecsdb::no_table ? ".references_entity(" + action + ")"
                                                                    : ".references(" + literal(field.foreign_key->table) + ", " +
                                                                          literal(field.foreign_key->field) + ", " + action + ")";
        }
        return calls;
    }

    std::string write_constraints(const std::vector<Field>& fields) const {
        std::string constraints;
        for (const Field& field : fields) {
            if (const std::string calls = promises(field); !calls.empty()) {
                constraints += "        table.field(" + literal(field.name) + ")" + calls + ";\n";
            }
        }
        return constraints.empty() ? constraints : "    static void constrain(TableEditor& table) {\n" + constraints + "    }\n";
    }

    void write_options(const Table& table) {
        std::string body;
        const auto option = [&](const std::string& type, const std::string& name, const std::string& value) {
            body += "    static constexpr " + type + " " + name + " = " + value + ";\n";
        };
        if (table.storage == ecsdb::Storage::Sparse) {
            option("Storage", "storage", "Storage::Sparse");
        }
        if (table.persist != ecsdb::Persist::Wal) {
            option("Persist", "persist", table.persist == ecsdb::Persist::Snapshot ? "Persist::Snapshot" : "Persist::Transient");
        }
        if (table.capacity != 0) {
            option("std::uint64_t", "capacity", std::to_string(table.capacity) + "U");
        }
        if (table.version != 1) {
            option("std::uint32_t", "version", std::to_string(table.version) + "U");
        }
        if (table.deprecated) {
            option("bool", "deprecated", "true");
        }
        if (table.parent != ecsdb::no_table) {
            option("std::string_view", "parent", literal(table.parent_name));
        }
        if (table.key_name != "entity_id") {
            option("std::string_view", "key", literal(table.key_name));
        }
        body += write_constraints(table.fields);
        if (!body.empty()) {
            out_ += "\ntemplate <>\nstruct ecsdb::ComponentOptions<" + qualified(table.name) + "> {\n" + body + "};\n";
        }
    }

    const Schema& schema_;
    std::string_view scope_;
    std::string_view source_;
    std::vector<bool> written_;
    std::string out_;
};

/// `a::b` is a namespace, `a:b` and `class` are not.
bool is_namespace(std::string_view name) {
    for (;;) {
        const std::size_t colons = name.find("::");
        const std::string_view part = name.substr(0, colons);
        if (!ecsdb::is_identifier(part) || ecsdb::is_cpp_keyword(part)) {
            return false;
        }
        if (colons == std::string_view::npos) {
            return true;
        }
        name.remove_prefix(colons + 2);
    }
}

/// Whole, so that the header can show it.
Result<std::string> read_file(const std::string& path) {
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    std::string text;
    std::array<char, 16384> chunk{};
    for (std::size_t count = 1; file != nullptr && count != 0;) {
        count = std::fread(chunk.data(), 1, chunk.size(), file);
        text.append(chunk.data(), count);
    }
    const bool read = file != nullptr && std::ferror(file) == 0;
    const int number = errno;
    if (file != nullptr) {
        std::fclose(file);
    }
    if (!read) {
        return Error{ErrorCode::Io, path + ": cannot read the schema: " + std::strerror(number)};
    }
    return text;
}

Result<void> write_file(const std::string& path, const std::string& text) {
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    const bool written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const bool closed = file != nullptr && std::fclose(file) == 0;
    if (!written || !closed) {
        return Error{ErrorCode::Io, path + ": cannot write the header: " + std::strerror(errno)};
    }
    return {};
}

Result<void> run(const std::string& schema_path, const std::string& header_path, std::string_view scope) {
    if (!is_namespace(scope)) {
        return Error{ErrorCode::InvalidArgument, "`" + std::string{scope} + "` cannot be a namespace"};
    }
    const auto text = read_file(schema_path);
    if (!text) {
        return text.error().clone();
    }
    const auto schema = ecsdb::parse_schema(*text, schema_path);
    if (!schema) {
        return schema.error().clone();
    }
    const auto header = Generator{*schema, scope, *text}.generate();
    if (!header) {
        return header.error().clone().in(schema_path + ":1:1");
    }
    return write_file(header_path, *header);
}

} // namespace

int main(int count, char** arguments) {
    if (count != 4) {
        std::fputs("usage: generate_components <schema.toml> <out.hpp> <namespace>\n", stderr);
        return 2;
    }
    if (const auto done = run(arguments[1], arguments[2], arguments[3]); !done) {
        std::fprintf(stderr, "%s\n", done.error().message().c_str());
        return 1;
    }
    return 0;
}
