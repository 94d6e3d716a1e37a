#include "support/catch.hpp"

#include "ecsdb/schema/toml_fields.hpp"

namespace toml_fields_test {

using ecsdb::FieldType;
using ecsdb::detail::parse_type;

TEST_CASE("types that are not types are refused, each for its reason", "[schema][toml_fields]") {
    ecsdb::detail::TypeNames names;
    names.enums = {"Team"};
    const auto complaint_of = [&](std::string_view text) {
        ecsdb::Field field;
        return parse_type(text, names, field);
    };
    CHECK(complaint_of("") == "type `` is not known");
    CHECK(complaint_of("quaternion") == "type `quaternion` is not known");
    CHECK(complaint_of("Taem") == "type `Taem` is not known (did you mean `Team`?)");
    CHECK(complaint_of("blob[").find("must be a word and numbers in brackets") != std::string::npos);
    for (const char* const text : {"u8[", "u8]", "u8[3", "u8[3]x", "u8[3]]", "[3]u8["}) {
        CAPTURE(text);
        CHECK_FALSE(complaint_of(text).empty());
    }
    for (const char* const text : {"u8[]", "u8[x]", "u8[3 ]", "u8[+3]", "u8[0x3]", "u8[[3]]"}) {
        CAPTURE(text);
        CHECK_THAT(complaint_of(text), Catch::Matchers::Contains("in its brackets"));
    }
    CHECK_THAT(complaint_of("u8[4294967296]"), Catch::Matchers::Contains("more elements"));
    CHECK_THAT(complaint_of("string"), Catch::Matchers::Contains("needs the most bytes"));
}

TEST_CASE("a type is a word, a capacity for strings, and extents", "[schema][toml_fields]") {
    ecsdb::detail::TypeNames names;
    names.enums = {"Other", "Team"};
    names.structs = {"Vec"};
    ecsdb::Field field;
    CHECK(parse_type("string[32][4]", names, field).empty());
    CHECK(field.type == FieldType::String);
    CHECK(field.capacity == 32);
    CHECK(field.extents == std::vector<std::uint32_t>{4});
    CHECK(parse_type("Team[2]", names, field).empty());
    CHECK(field.type == FieldType::Enum);
    CHECK(field.type_index == 1);
    CHECK(parse_type("Vec", names, field).empty());
    CHECK(field.type == FieldType::Struct);
    CHECK(field.type_index == 0);
    CHECK(field.extents.empty());
    CHECK(parse_type("f64[4][3][2]", names, field).empty());
    CHECK(field.extents == std::vector<std::uint32_t>{4, 3, 2});
}

} // namespace toml_fields_test
