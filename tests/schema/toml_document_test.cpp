#include "support/catch.hpp"

#include "ecsdb/schema/toml_document.hpp"

#include <array>

namespace toml_document_test {

using ecsdb::detail::TomlReading;

namespace {

ecsdb::detail::TomlDocument document(std::string_view text) {
    auto parsed = ecsdb::detail::parse_toml(text);
    REQUIRE(parsed.complaint.empty());
    return parsed;
}

} // namespace

TEST_CASE("values of another kind are refused where they stand, and only the first is told", "[schema][toml_document]") {
    const auto parsed = document("text = 1\nflag = 2\ncount = \"three\"\nword = \"four\"\nvalue = [5]\n");
    constexpr std::array<std::string_view, 2> words{"one", "two"};
    const auto complaint_of = [&](auto read) {
        TomlReading in{"f.toml"};
        CHECK_FALSE(read(in));
        CHECK(in.failed());
        return in.take_error().message();
    };
    std::string text;
    bool flag = false;
    std::uint32_t count = 0;
    int word = 0;
    ecsdb::SchemaValue value;
    CHECK(complaint_of([&](TomlReading& in) { return in.read(parsed.root, "text", "part", text); }) ==
          "f.toml:1:8: part: `text` must be text in quotes");
    CHECK(complaint_of([&](TomlReading& in) { return in.read(parsed.root, "flag", "part", flag); }) ==
          "f.toml:2:8: part: `flag` must be true or false");
    CHECK(complaint_of([&](TomlReading& in) { return in.read_count<std::uint32_t>(parsed.root, "count", "part", 1, 9, count); }) ==
          "f.toml:3:9: part: `count` must be a whole number from 1 to 9");
    CHECK(complaint_of([&](TomlReading& in) { return in.read_word(parsed.root, "word", "part", words, word); }) ==
          "f.toml:4:8: part: `word` cannot be `four`; it is one of `one`, `two`");
    CHECK(complaint_of([&](TomlReading& in) { return in.read_value(parsed.root, "value", "part", ecsdb::FieldType::U8, value); }) ==
          "f.toml:5:9: part: `value` must be a single number, text, true or false");
    CHECK(complaint_of([&](TomlReading& in) {
              in.refuse(parsed.root, "first");
              return in.refuse(parsed.root, "second");
          }) == "f.toml:1:1: first");
}

TEST_CASE("absent keys leave their values alone", "[schema][toml_document]") {
    const auto parsed = document("");
    TomlReading in{"f.toml"};
    std::string text = "kept";
    bool flag = true;
    CHECK(in.read(parsed.root, "text", "part", text));
    CHECK(in.read(parsed.root, "flag", "part", flag));
    CHECK(text == "kept");
    CHECK(flag);
    CHECK_FALSE(in.failed());
}

TEST_CASE("entries come in the order of the file", "[schema][toml_document]") {
    const auto parsed = document("z = 1\na = 2\n[m]\n[b]\n");
    const auto entries = TomlReading::in_file_order(parsed.root);
    REQUIRE(entries.size() == 4);
    CHECK(entries[0].name == "z");
    CHECK(entries[1].name == "a");
    CHECK(entries[2].name == "m");
    CHECK(entries[3].name == "b");
}

TEST_CASE("a number beyond TOML's integers is read from digits, for a u64 only", "[schema][toml_document]") {
    const auto parsed = document("value = \"18446744073709551615\"\nwords = \"12 apples\"");
    TomlReading in{"f.toml"};
    ecsdb::SchemaValue value;
    CHECK(in.read_value(parsed.root, "value", "part", ecsdb::FieldType::U64, value));
    CHECK(value == ecsdb::SchemaValue{~std::uint64_t{0}});
    CHECK(in.read_value(parsed.root, "value", "part", ecsdb::FieldType::String, value));
    CHECK(value == ecsdb::SchemaValue{std::string{"18446744073709551615"}});
    CHECK(in.read_value(parsed.root, "words", "part", ecsdb::FieldType::U64, value));
    CHECK(value == ecsdb::SchemaValue{std::string{"12 apples"}});
}

} // namespace toml_document_test
