#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/toml_reader.hpp"

#include <cstdio>
#include <string>

namespace toml_reader_test {

using ecsdb::FieldType;
using ecsdb::SchemaValue;
using sample::complaint;

namespace {

/// A table `t` with one field `x`, and `keys` in it.
ecsdb::Result<ecsdb::Schema> with_field(const std::string& type, const std::string& keys) {
    return ecsdb::parse_schema(
        "[[tables.t.fields]]\nname = \"x\"\ntype = \"" + type + "\"\n" + keys +
            "\n[[tables.other.fields]]\nname = \"code\"\ntype = \"u32\"\nconstraint = \"unique\"\n[enums.Color]\nvalues = "
            "[\"red\", \"blue\"]\n[structs.Vec]\nfields = [{ name = \"x\", type = \"f32\" }]\n",
        "t.toml");
}

ecsdb::Field field_with(const std::string& type, const std::string& keys) {
    const auto schema = with_field(type, keys);
    INFO(complaint(schema));
    REQUIRE(schema);
    return *schema->find_table("t")->find_field("x");
}

ecsdb::Table table_with(const std::string& keys) {
    const auto schema = ecsdb::parse_schema("[tables.parent]\npersist = \"wal\"\n[tables.t]\n" + keys, "t.toml");
    INFO(complaint(schema));
    REQUIRE(schema);
    return schema->table(1);
}

/// The schema of the requirements, word for word.
constexpr std::string_view game = R"([database]
name = "game_db"
version = "1.0.0"

[tables.entities]
primary_key = "id"
[[tables.entities.fields]]
name = "id"
type = "u64"
constraint = "unique"

[[tables.entities.fields]]
name = "version"
type = "u32"
auto_increment = true

[tables.transform]
parent_table = "entities"
[[tables.transform.fields]]
name = "entity_id"
type = "u64"
foreign_key = "entities.id"

[[tables.transform.fields]]
name = "position_x"
type = "f32"

[[tables.transform.fields]]
name = "position_y"
type = "f32"

[[tables.transform.fields]]
name = "position_z"
type = "f32"

[tables.health]
parent_table = "entities"
[[tables.health.fields]]
name = "entity_id"
type = "u64"
foreign_key = "entities.id"

[[tables.health.fields]]
name = "hp"
type = "u32"

[[tables.health.fields]]
name = "max_hp"
type = "u32"
)";

} // namespace

TEST_CASE("a file that cannot be read is an error of its own kind", "[schema][toml_reader]") {
    const auto missing = ecsdb::load_schema_file("/nonexistent/game.toml");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code() == ecsdb::ErrorCode::Io);
    CHECK_THAT(missing.error().message(), Catch::Matchers::StartsWith("/nonexistent/game.toml: "));
    const auto directory = ecsdb::load_schema_file("/");
    REQUIRE_FALSE(directory);
    CHECK(directory.error().code() == ecsdb::ErrorCode::Io);
}

TEST_CASE("text that is not UTF-8, or nothing but noise, is refused", "[schema][toml_reader]") {
    CHECK_FALSE(ecsdb::parse_schema("[database]\nname = \"\xFF\"", "t.toml"));
    CHECK_FALSE(ecsdb::parse_schema(std::string(100000, '['), "t.toml"));
    CHECK_FALSE(ecsdb::parse_schema(std::string("\0\0\0", 3), "t.toml"));
}

TEST_CASE("a table header without a name is refused where it stands", "[schema][toml_reader]") {
    for (const char* const header : {"[", "[[", "[[[", "[ ", "[\n]", "[!a]", "[[ ]]", "[]", "\xEF\xBB\xBF[.a]"}) {
        CAPTURE(header);
        const auto schema = ecsdb::parse_schema("[database]\n  " + std::string{header}, "t.toml");
        REQUIRE_FALSE(schema);
        CHECK_THAT(schema.error().message(), Catch::Matchers::StartsWith("t.toml:2:"));
    }
    CHECK(ecsdb::parse_schema("[ \"database\" ]\n[['tables'.a.\"fields\"]]\nname = \"x\"\ntype = \"u8\"", "t.toml"));
}

TEST_CASE("a character beyond ASCII is refused where it stands, unless quoted or in a comment", "[schema][toml_reader]") {
    for (const char* const text : {"\n\u00E9", "[database\u038D]", "[database]\nname\u2000= \"a\"", "# 'a\n\u00E9", "a = 'b\\'\n\u00E9",
                                   "a = \"\"\"\n\"\"\"\u00E9", "a = \"\\\"\" \u00E9"}) {
        CAPTURE(text);
        const auto schema = ecsdb::parse_schema(text, "t.toml");
        REQUIRE_FALSE(schema);
        CHECK(schema.error().message().find("beyond ASCII") != std::string::npos);
    }
    for (const char* const text : {"\xEF\xBB\xBF# \u00E9\n", "a = \"\\\"\u00E9\"", "a = '\u00E9' # \u00E9 \"",
                                   "a = \"\"\"\n\" \u00E9\n\"\"\"", "a = '''\n\\' \u00E9\n'''"}) {
        CAPTURE(text);
        const auto schema = ecsdb::parse_schema(text, "t.toml");
        CHECK((schema || schema.error().message().find("beyond ASCII") == std::string::npos));
    }
}

TEST_CASE("a schema damaged anywhere is read or refused, and never crashes", "[schema][toml_reader]") {
    const std::string text{game};
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (const char replacement : {'[', ']', '"', '=', '.', '\n', '{', '\x80', '0'}) {
            std::string damaged = text;
            damaged[at] = replacement;
            const auto schema = ecsdb::parse_schema(damaged, "t.toml");
            CHECK((schema || schema.error().code() == ecsdb::ErrorCode::InvalidSchema));
        }
    }
}

TEST_CASE("a schema cut short anywhere is read or refused, and never crashes", "[schema][toml_reader]") {
    for (std::size_t kept = 0; kept <= game.size(); ++kept) {
        const auto schema = ecsdb::parse_schema(game.substr(0, kept), "t.toml");
        CHECK((schema || schema.error().code() == ecsdb::ErrorCode::InvalidSchema));
    }
}

TEST_CASE("the schema of the requirements means two tables", "[schema][toml_reader]") {
    const auto schema = ecsdb::parse_schema(game, "game.toml");
    INFO(complaint(schema));
    REQUIRE(schema);
    CHECK(schema->name() == "game_db");
    CHECK(schema->database_version() == "1.0.0");
    REQUIRE(schema->tables().size() == 2);
    const ecsdb::Table& transform = schema->table(0);
    CHECK(transform.name == "transform");
    REQUIRE(transform.fields.size() == 3);
    CHECK(transform.fields[0].name == "position_x");
    CHECK(transform.fields[2].type == FieldType::F32);
    CHECK(transform.size == 12);
    CHECK(transform.key_name == "entity_id");
    CHECK(transform.parent == ecsdb::no_table);
    const ecsdb::Table& health = schema->table(1);
    CHECK(health.name == "health");
    REQUIRE(health.fields.size() == 2);
    CHECK(health.fields[1].name == "max_hp");
    CHECK(health.fields[1].type == FieldType::U32);
    CHECK(health.size == 8);
}

TEST_CASE("tables are numbered by their place in the file, not by their name", "[schema][toml_reader]") {
    const auto schema = ecsdb::parse_schema("[tables.z]\n[tables.a]\n[[tables.m.fields]]\nname = \"x\"\ntype = \"u8\"\n", "t.toml");
    REQUIRE(schema);
    CHECK(schema->table(0).name == "z");
    CHECK(schema->table(1).name == "a");
    CHECK(schema->table(2).name == "m");
}

// One case per key: each fails if the key is ignored.

TEST_CASE("key `type` decides a field's type, with capacity and extents", "[schema][toml_reader]") {
    CHECK(field_with("i16", "").type == FieldType::I16);
    CHECK(field_with("bool", "").type == FieldType::Bool);
    CHECK(field_with("entity", "").type == FieldType::Entity);
    CHECK(field_with("string[32]", "").capacity == 32);
    CHECK(field_with("string[32][2][3]", "").extents == std::vector<std::uint32_t>{2, 3});
    CHECK(field_with("f32[4][4]", "").extents == std::vector<std::uint32_t>{4, 4});
    CHECK(field_with("Color", "").type == FieldType::Enum);
    CHECK(field_with("Vec[2]", "").type == FieldType::Struct);
}

TEST_CASE("key `default` becomes the field's default", "[schema][toml_reader]") {
    CHECK(field_with("u8", "default = 7").default_value == SchemaValue{std::uint64_t{7}});
    CHECK(field_with("i8", "default = -7").default_value == SchemaValue{std::int64_t{-7}});
    CHECK(field_with("f32", "default = 7").default_value == SchemaValue{7.0});
    CHECK(field_with("bool", "default = true").default_value == SchemaValue{true});
    CHECK(field_with("string[4]", "default = \"é\"").default_value == SchemaValue{std::string{"é"}});
    CHECK(field_with("Color", "default = \"blue\"").default_value == SchemaValue{std::string{"blue"}});
    CHECK(field_with("Color", "default = 1").default_value == SchemaValue{std::string{"blue"}});
    CHECK(field_with("u64", "default = \"18446744073709551615\"").default_value == SchemaValue{~std::uint64_t{0}});
    CHECK(field_with("f32[3]", "default = 0.5").default_value == SchemaValue{0.5});
}

TEST_CASE("keys `min` and `max` become the field's bounds", "[schema][toml_reader]") {
    CHECK(field_with("u8", "min = 7").min == SchemaValue{std::uint64_t{7}});
    CHECK(field_with("f64", "max = -1.5").max == SchemaValue{-1.5});
    CHECK(field_with("i64", "max = 3").max == SchemaValue{std::int64_t{3}});
}

TEST_CASE("keys `nullable`, `indexed` and `deprecated` mark a field", "[schema][toml_reader]") {
    CHECK(field_with("u8", "nullable = true").nullable);
    CHECK(field_with("u8", "nullable = true").packed_size == 2);
    CHECK_FALSE(field_with("u8", "nullable = false").nullable);
    CHECK(field_with("u8", "indexed = true").indexed);
    CHECK(field_with("u8", "deprecated = true").deprecated);
}

TEST_CASE("key `constraint` takes one word or several", "[schema][toml_reader]") {
    CHECK(field_with("u8", "constraint = \"unique\"").unique);
    CHECK(field_with("u8", "constraint = \"not_null\"").not_null);
    const ecsdb::Field both = field_with("u8", "constraint = [\"not_null\", \"unique\"]");
    CHECK(both.unique);
    CHECK(both.not_null);
}

TEST_CASE("key `foreign_key` names an entity, a row, or a unique field", "[schema][toml_reader]") {
    const ecsdb::Field any = field_with("u64", "foreign_key = \"entities.id\"");
    REQUIRE(any.foreign_key);
    CHECK(any.type == FieldType::Entity);
    CHECK(any.foreign_key->table_id == ecsdb::no_table);
    CHECK(any.foreign_key->to_key);
    const ecsdb::Field row = field_with("entity", "foreign_key = \"other.entity_id\"");
    REQUIRE(row.foreign_key);
    CHECK(row.foreign_key->table_id == 1);
    CHECK(row.foreign_key->to_key);
    const ecsdb::Field code = field_with("u32", "foreign_key = \"other.code\"");
    REQUIRE(code.foreign_key);
    CHECK(code.type == FieldType::U32);
    CHECK_FALSE(code.foreign_key->to_key);
    CHECK(code.foreign_key->field_id == 0);
}

TEST_CASE("key `on_delete` decides what becomes of the row", "[schema][toml_reader]") {
    const auto on_delete = [](const std::string& keys) {
        return field_with("u64", "foreign_key = \"entities.id\"\n" + keys).foreign_key->on_delete;
    };
    CHECK(on_delete("") == ecsdb::OnDelete::Restrict);
    CHECK(on_delete("on_delete = \"restrict\"") == ecsdb::OnDelete::Restrict);
    CHECK(on_delete("on_delete = \"cascade\"") == ecsdb::OnDelete::Cascade);
    CHECK(on_delete("on_delete = \"set_null\"") == ecsdb::OnDelete::SetNull);
}

TEST_CASE("a table's keys land in the table", "[schema][toml_reader]") {
    CHECK(table_with("").storage == ecsdb::Storage::Table);
    CHECK(table_with("storage = \"sparse\"").storage == ecsdb::Storage::Sparse);
    CHECK(table_with("storage = \"table\"").storage == ecsdb::Storage::Table);
    CHECK(table_with("persist = \"snapshot\"").persist == ecsdb::Persist::Snapshot);
    CHECK(table_with("persist = \"transient\"").persist == ecsdb::Persist::Transient);
    CHECK(table_with("capacity = 5000").capacity == 5000);
    CHECK(table_with("version = 3").version == 3);
    CHECK(table_with("deprecated = true").deprecated);
    CHECK(table_with("dropped = true").dropped);
    CHECK(table_with("parent_table = \"parent\"").parent == 0);
    CHECK(table_with("parent_table = \"entities\"").parent == ecsdb::no_table);
}

TEST_CASE("key `primary_key` renames a row's own entity, and what refers to it follows", "[schema][toml_reader]") {
    const auto schema = ecsdb::parse_schema(
        "[tables.a]\nprimary_key = \"me\"\nfields = [{ name = \"me\", type = \"u64\", foreign_key = \"entities.id\" }]\n"
        "[tables.b]\nparent_table = \"a\"\nfields = [{ name = \"entity_id\", type = \"u64\", foreign_key = \"a.me\" }, "
        "{ name = \"mate\", type = \"u64\", foreign_key = \"a.me\" }]",
        "t.toml");
    INFO(complaint(schema));
    REQUIRE(schema);
    CHECK(schema->table(0).key_name == "me");
    CHECK(schema->table(0).is_tag());
    CHECK(schema->table(1).fields.size() == 1);
    CHECK(schema->table(1).fields[0].foreign_key->to_key);
}

TEST_CASE("the registry's own table renames the id and the version of entities", "[schema][toml_reader]") {
    const auto schema =
        ecsdb::parse_schema("[tables.entities]\nprimary_key = \"uid\"\nfields = [{ name = \"uid\", type = \"u64\", constraint = "
                            "\"unique\" }, { name = \"revision\", type = \"u32\", auto_increment = true }]\n"
                            "[tables.a]\nfields = [{ name = \"x\", type = \"u64\", foreign_key = \"entities.uid\" }]",
                            "t.toml");
    INFO(complaint(schema));
    REQUIRE(schema);
    CHECK(schema->entity_names().key == "uid");
    CHECK(schema->entity_names().version == "revision");
    CHECK(schema->tables().size() == 1);
    CHECK(schema->table(0).fields[0].foreign_key->table_id == ecsdb::no_table);
}

TEST_CASE("key `auto_increment` is what makes a field the entity's version", "[schema][toml_reader]") {
    const std::string head = "[tables.entities]\nfields = [{ name = \"v\", type = \"u32\"";
    CHECK(ecsdb::parse_schema(head + ", auto_increment = true }]", "t.toml"));
    CHECK_FALSE(ecsdb::parse_schema(head + ", auto_increment = false }]", "t.toml"));
    CHECK_FALSE(ecsdb::parse_schema(head + " }]", "t.toml"));
}

TEST_CASE("enums list names, or name and number them", "[schema][toml_reader]") {
    const auto schema =
        ecsdb::parse_schema("[enums.Color]\nvalues = [\"red\", \"blue\"]\n[enums.Level]\ntype = \"i16\"\n[enums.Level.values]\nlow = "
                            "-5\nhigh = 100\nbeta = 7\n",
                            "t.toml");
    INFO(complaint(schema));
    REQUIRE(schema);
    CHECK(schema->enums()[0].underlying == FieldType::U8);
    CHECK(schema->enums()[0].values[1].value == 1);
    CHECK(schema->enums()[1].underlying == FieldType::I16);
    REQUIRE(schema->enums()[1].values.size() == 3);
    CHECK(schema->enums()[1].values[0].name == "low");
    CHECK(schema->enums()[1].values[0].value == -5);
    CHECK(schema->enums()[1].values[2].name == "beta");
}

TEST_CASE("structs may be used before they are declared, and hold each other", "[schema][toml_reader]") {
    const auto schema =
        ecsdb::parse_schema("[tables.t]\nfields = [{ name = \"box\", type = \"Box\" }]\n"
                            "[structs.Box]\nfields = [{ name = \"from\", type = \"Vec\" }, { name = \"to\", type = \"Vec\" }]\n"
                            "[structs.Vec]\nfields = [{ name = \"x\", type = \"f32\", default = 1 }, { name = \"on\", type = "
                            "\"bool\", nullable = true }]",
                            "t.toml");
    INFO(complaint(schema));
    REQUIRE(schema);
    CHECK(schema->structs()[0].name == "Box");
    CHECK(schema->table(0).size == 16);
    CHECK(schema->table(0).packed_size == 12);
    CHECK(schema->structs()[1].fields[0].default_value == SchemaValue{1.0});
}

} // namespace toml_reader_test
