#include "ecsdb/constraint/rules.hpp"

#include "ecsdb/schema/row.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::test::rules_test {
namespace {

using constraint::KeyPlace;
using constraint::Rules;

Schema parsed(std::string_view text) {
    auto schema = parse_schema(text, "test.toml");
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    return std::move(*schema);
}

/// The first constrained field of a table with these fields; empty for none.
std::string constrained(const std::string& fields) {
    const Schema schema =
        parsed("[enums.E]\nvalues = [\"a\"]\n[structs.S]\nfields = [ { name = \"s\", type = \"string[3]\" } ]\n[structs.P]\n"
               "fields = [ { name = \"b\", type = \"bool\" } ]\n[tables.t]\nfields = [ " +
               fields + " ]\n");
    const Field* const field = constraint::first_constrained_field(schema, schema.table(0));
    return field == nullptr ? std::string{} : field->name;
}

} // namespace

TEST_CASE("a schema without a promise has no rules", "[constraint][rules]") {
    const Schema schema = parsed(R"(
[tables.position]
fields = [ { name = "x", type = "f32[3]" }, { name = "target", type = "entity" }, { name = "old", type = "u8", default = 3, indexed = true } ]
[tables.tag]
parent_table = "entities"
storage = "sparse"
)");
    CHECK(Rules{schema}.empty());
    for (const char* const promise : {R"(, max = 3)", R"(, min = 3)", R"(, constraint = "unique")", R"(, nullable = true)"}) {
        CAPTURE(promise);
        const Schema bound = parsed("[tables.t]\nfields = [ { name = \"x\", type = \"u8\"" + std::string{promise} + " } ]\n");
        CHECK_FALSE(Rules{bound}.empty());
    }
    CHECK_FALSE(Rules{parsed("[tables.a]\n[tables.b]\nparent_table = \"a\"\n")}.empty());
    CHECK_FALSE(Rules{parsed("[tables.a]\nfields = [ { name = \"b\", type = \"bool\" } ]\n")}.empty());
}

TEST_CASE("a dropped table promises nothing", "[constraint][rules]") {
    CHECK(Rules{parsed("[tables.a]\ndropped = true\nfields = [ { name = \"x\", type = \"u8\", max = 3, constraint = \"unique\" } ]\n")}
              .empty());
}

TEST_CASE("a column update may write only what no constraint speaks of", "[constraint][rules]") {
    CHECK(constrained(R"({ name = "x", type = "f32" }, { name = "b", type = "bool" }, { name = "n", type = "u8", nullable = true },
                         { name = "p", type = "P" }, { name = "e", type = "entity" })")
              .empty());
    for (const char* const field : {R"(type = "u8", max = 3)", R"(type = "f32[2]", min = 3.0)", R"(type = "u8", constraint = "unique")",
                                    R"(type = "E")", R"(type = "string[3]")", R"(type = "S[2]")",
                                    R"(type = "entity", constraint = "not_null")", R"(type = "entity", foreign_key = "entities.id")"}) {
        CAPTURE(field);
        CHECK(constrained(R"({ name = "free", type = "u8" }, { name = "x", )" + std::string{field} + " }") == "x");
    }
}

TEST_CASE("a key is its meaningful bytes, and null is not one", "[constraint][rules]") {
    const Schema schema = parsed(R"(
[tables.t]
fields = [ { name = "texts", type = "string[3][2]", constraint = "unique" },
           { name = "who", type = "entity", constraint = "unique" },
           { name = "code", type = "u32", nullable = true, constraint = "unique" } ]
)");
    const Table& table = schema.table(0);
    std::vector<std::byte> a = default_row(schema, table);
    std::vector<std::byte> b = a;
    const KeyPlace texts{table.fields[0]};
    CHECK_FALSE(texts.is_null(a.data()));
    // Each text of three bytes is followed by one that pads it.
    a[table.fields[0].offset + 5] = std::byte{1};
    CHECK(texts.equals(a.data(), texts, b.data()));
    CHECK(texts.hash(a.data(), 1) == texts.hash(b.data(), 1));
    CHECK(texts.hash(a.data(), 1) != texts.hash(a.data(), 2));
    a[table.fields[0].offset + 6 + 4] = std::byte{1};
    CHECK_FALSE(texts.equals(a.data(), texts, b.data()));
    CHECK(texts.hash(a.data(), 1) != texts.hash(b.data(), 1));

    const KeyPlace who{table.fields[1]};
    CHECK(who.is_null(a.data()));
    const std::uint64_t bits = Entity{3, 1, 0}.to_bits();
    std::memcpy(a.data() + table.fields[1].offset, &bits, sizeof(bits));
    CHECK_FALSE(who.is_null(a.data()));
    CHECK(who.entity(a.data()) == Entity{3, 1, 0});
    CHECK_FALSE(who.untouched(a.data(), b.data()));
    who.set_null(a.data());
    CHECK(who.is_null(a.data()));
    CHECK(who.untouched(a.data(), b.data()));

    const KeyPlace code{table.fields[2]};
    CHECK(code.is_null(a.data()));
    a[table.fields[2].presence_offset] = std::byte{1};
    CHECK_FALSE(code.is_null(a.data())); // zero is a value
    CHECK_FALSE(code.untouched(a.data(), b.data()));
}

} // namespace ecsdb::test::rules_test
