#include "ecsdb/schema/same_rows.hpp"

#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"

#include <string>

namespace ecsdb::test::same_rows_test {
namespace {

Schema schema_with(const std::string& parts, const std::string& fields) {
    auto schema = parse_schema(parts + "[tables.thing]\n" + fields, "thing.toml");
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    return std::move(*schema);
}
std::string field(const std::string& name, const std::string& type, const std::string& more = {}) {
    return "[[tables.thing.fields]]\nname = \"" + name + "\"\ntype = \"" + type + "\"\n" + more + "\n";
}

/// Why rows of the one table are none of the other; empty when they are.
std::string difference(const Schema& one, const Schema& other) {
    const auto matched = match_rows(one, one.table(0), other, other.table(0));
    if (matched) {
        return {};
    }
    CHECK(matched.error().code() == ErrorCode::SchemaMismatch);
    CHECK(matched.error().message().find("table `thing`") == 0);
    return matched.error().message();
}
std::string difference(const std::string& fields, const std::string& other_fields) {
    return difference(schema_with({}, fields), schema_with({}, other_fields));
}

} // namespace

TEST_CASE("tables whose rows differ are told apart by field", "[schema][same_rows]") {
    const std::string x = field("x", "f32");
    CHECK(difference(x, field("x", "u32")).find("field `x` is f32 in the one and u32") != std::string::npos);
    CHECK(difference(x, field("y", "f32")).find("field `x` is not at the same place") != std::string::npos);
    CHECK(difference(x, x + field("y", "f32")).find("field `y` is not at the same place") != std::string::npos);
    CHECK(difference(x + field("y", "f32"), x).find("field `y` is not at the same place") != std::string::npos);
    CHECK(difference(x, field("x", "f32[2]")).find("f32[2]") != std::string::npos);
    CHECK(difference(x, field("x", "f32", "nullable = true")).find("nullable f32") != std::string::npos);
    CHECK(difference(field("x", "string[4]"), field("x", "string[5]")).find("string[5]") != std::string::npos);
    CHECK(difference(x, "").find("field `x`") != std::string::npos);
}

TEST_CASE("an enum matches where every value has the same number, and there may be more", "[schema][same_rows]") {
    const auto with = [](const std::string& values, const std::string& type = "u8") {
        return schema_with("[enums.Team]\ntype = \"" + type + "\"\nvalues = " + values + "\n", field("team", "Team"));
    };
    const Schema two = with("[\"red\", \"blue\"]");
    CHECK(difference(two, with("[\"red\", \"blue\", \"green\"]")).empty());
    CHECK(difference(with("[\"red\", \"blue\", \"green\"]"), two).find("enum `Team` has other values") != std::string::npos);
    CHECK(difference(two, with("[\"blue\", \"red\"]")).find("enum `Team` has other values") != std::string::npos);
    CHECK(difference(two, with("[\"red\", \"blue\"]", "u16")).find("enum `Team`") != std::string::npos);
}

TEST_CASE("structs are compared down to their fields", "[schema][same_rows]") {
    const auto with = [](const std::string& type) {
        return schema_with("[structs.Vec]\n[[structs.Vec.fields]]\nname = \"x\"\ntype = \"" + type + "\"\n", field("at", "Vec[2]"));
    };
    CHECK(difference(with("f32"), with("f32")).empty());
    CHECK(difference(with("f32"), with("u32")).find("field `at`: field `x` is f32") != std::string::npos);
}

TEST_CASE("promises and storage do not make rows different", "[schema][same_rows]") {
    CHECK(difference(field("x", "u32"), "storage = \"sparse\"\n" + field("x", "u32", "min = 1\nconstraint = \"unique\"")).empty());
    CHECK(difference(field("e", "entity"), field("e", "entity", "nullable = true\nforeign_key = \"entities.id\"")).empty());
}

} // namespace ecsdb::test::same_rows_test
