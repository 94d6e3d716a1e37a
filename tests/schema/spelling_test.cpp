#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/spelling.hpp"

#include <limits>

namespace spelling_test {

TEST_CASE("only letters, digits and underscores make an identifier", "[schema][spelling]") {
    for (const char* const bad : {"", "1st", "a-b", "a b", "a.b", "é", "a\n"}) {
        CAPTURE(bad);
        CHECK_FALSE(ecsdb::is_identifier(bad));
    }
    CHECK_FALSE(ecsdb::is_identifier(std::string(ecsdb::max_name_length + 1, 'a')));
    CHECK(ecsdb::is_identifier(std::string(ecsdb::max_name_length, 'a')));
    CHECK(ecsdb::is_identifier("_Position2d"));
}

TEST_CASE("words of C++ are known", "[schema][spelling]") {
    for (const char* const word : {"alignas", "class", "xor_eq", "reinterpret_cast", "char8_t", "while"}) {
        CAPTURE(word);
        CHECK(ecsdb::is_cpp_keyword(word));
    }
    CHECK_FALSE(ecsdb::is_cpp_keyword("Class"));
    CHECK_FALSE(ecsdb::is_cpp_keyword("final")); // Only special in places where no schema puts it.
}

TEST_CASE("the edit distance counts insertions, removals and replacements", "[schema][spelling]") {
    CHECK(ecsdb::edit_distance("", "") == 0);
    CHECK(ecsdb::edit_distance("", "abc") == 3);
    CHECK(ecsdb::edit_distance("abc", "") == 3);
    CHECK(ecsdb::edit_distance("kitten", "sitting") == 3);
    CHECK(ecsdb::edit_distance("defualt", "default") == 2);
}

TEST_CASE("a suggestion is made only for a close word", "[schema][spelling]") {
    const std::vector<std::string_view> words{"storage", "persist", "capacity"};
    CHECK(ecsdb::did_you_mean("storge", words) == " (did you mean `storage`?)");
    CHECK(ecsdb::did_you_mean("zzz", words).empty());
    CHECK(ecsdb::did_you_mean(std::string(1000, 's'), words).empty());
    CHECK(ecsdb::did_you_mean("storge", std::vector<std::string_view>{}).empty());
}

TEST_CASE("values are spelled so that they read back", "[schema][spelling]") {
    using ecsdb::SchemaValue;
    using ecsdb::spell_value;
    CHECK(spell_value(SchemaValue{}) == "nothing");
    CHECK(spell_value(SchemaValue{true}) == "true");
    CHECK(spell_value(SchemaValue{std::int64_t{-5}}) == "-5");
    CHECK(spell_value(SchemaValue{std::numeric_limits<std::uint64_t>::max()}) == "18446744073709551615");
    CHECK(spell_value(SchemaValue{1.0}) == "1.0");
    CHECK(spell_value(SchemaValue{-0.0}) == "-0.0");
    CHECK(spell_value(SchemaValue{0.1}) == "0.1");
    CHECK(spell_value(SchemaValue{1e300}) == "1e+300");
    CHECK(spell_value(SchemaValue{-std::numeric_limits<double>::infinity()}) == "-inf");
    CHECK(spell_value(SchemaValue{std::string{"a\"b\\\n\x7F"}}) == R"("a\"b\\\u000A\u007F")");
}

TEST_CASE("types are spelled as a schema file writes them", "[schema][spelling]") {
    const auto schema = ecsdb::schema_of<sample::Everything>("types");
    REQUIRE(schema);
    const auto spelled = [&](const char* name) { return ecsdb::spell_type(*schema, *schema->tables()[0].find_field(name)); };
    CHECK(spelled("a") == "u8");
    CHECK(spelled("owner") == "entity");
    CHECK(spelled("names") == "string[3][2]");
    CHECK(spelled("team") == "Team");
    CHECK(spelled("segments") == "Segment[2][3]");
    CHECK(spelled("maybe_bytes") == "u8[3]");
}

TEST_CASE("the words of types name them, and nothing else does", "[schema][spelling]") {
    using ecsdb::FieldType;
    CHECK(ecsdb::type_named("u8", FieldType::Struct) == FieldType::U8);
    CHECK(ecsdb::type_named("string", FieldType::Struct) == FieldType::String);
    CHECK(ecsdb::type_named("enum", FieldType::Struct) == FieldType::Struct);
    CHECK(ecsdb::type_named("", FieldType::Struct) == FieldType::Struct);
}

} // namespace spelling_test
