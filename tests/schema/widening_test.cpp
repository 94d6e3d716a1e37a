#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/toml_reader.hpp"
#include "ecsdb/schema/widening.hpp"

#include <cstring>
#include <string>
#include <vector>

namespace widening_test {

namespace {

/// A schema of one table with one field `f` of this type.
ecsdb::Schema of(const std::string& type, const std::string& types = {}) {
    auto parsed = ecsdb::parse_schema(types + "\n[tables.t]\nfields = [ { name = \"f\", " + type + " } ]\n", "test.toml");
    if (!parsed) {
        FAIL(parsed.error().to_string());
    }
    return std::move(*parsed);
}
std::string why(const ecsdb::Schema& from, const ecsdb::Schema& to) {
    return ecsdb::why_not_wider(from, from.table(0).fields[0], to, to.table(0).fields[0]);
}
std::string why(const std::string& from, const std::string& to) {
    return why(of("type = \"" + from + "\""), of("type = \"" + to + "\""));
}

/// The bytes of `value` as they are in the wider field.
template <typename To, typename From>
To widened(const ecsdb::Schema& from, const ecsdb::Schema& to, const From& value) {
    REQUIRE(why(from, to).empty());
    std::vector<std::byte> source(from.table(0).size);
    REQUIRE(source.size() == sizeof(From));
    std::memcpy(source.data(), &value, sizeof(From));
    std::vector<std::byte> place = ecsdb::default_row(to, to.table(0));
    ecsdb::widen(from, from.table(0).fields[0], source.data(), to, to.table(0).fields[0], place.data());
    REQUIRE(place.size() == sizeof(To));
    To result;
    std::memcpy(&result, place.data(), sizeof(To));
    return result;
}
template <typename To, typename From>
To widened(const std::string& from, const std::string& to, const From& value) {
    return widened<To>(of("type = \"" + from + "\""), of("type = \"" + to + "\""), value);
}

} // namespace

TEST_CASE("what would lose a value is not wider, and says why", "[schema][migration]") {
    CHECK(why("u16", "u8") == "is u16 and would be u8");
    CHECK(why("u16", "i16") == "is u16 and would be i16");
    CHECK(why("i8", "u64") == "is i8 and would be u64");
    CHECK(why("f64", "f32") == "is f64 and would be f32");
    CHECK(why("u8", "f64") == "is u8 and would be f64");
    CHECK(why("bool", "u8") == "is bool and would be u8");
    CHECK(why("u64", "entity") == "is u64 and would be entity");
    CHECK(why("string[9]", "string[8]") == "is string[9] and would be string[8]");
    CHECK(why("u8[3]", "u8[4]") == "is u8[3] and would be u8[4]");
    CHECK(why("text", "blob") == "is text and would be blob");
    CHECK(why(of("type = \"u8\", nullable = true"), of("type = \"u8\"")) == "is nullable and would not be");
}

TEST_CASE("enums and structs only grow", "[schema][migration]") {
    const auto team = [](const std::string& enumeration) { return of("type = \"Team\"", "[enums.Team]\n" + enumeration); };
    const ecsdb::Schema two = team("values = [\"red\", \"blue\"]");
    CHECK(why(two, team("values = [\"red\", \"blue\", \"green\"]")).empty());
    CHECK(why(two, team("type = \"u32\"\nvalues = { blue = 1, none = 70000, red = 0 }")).empty());
    CHECK(why(two, team("values = [\"red\"]")) == "enum `Team` would lose its value `blue`");
    CHECK(why(two, team("values = [\"blue\", \"red\"]")).find("the number of `red` is 0 for ever, not 1") != std::string::npos);
    CHECK(why(two, team("type = \"i8\"\nvalues = [\"red\", \"blue\"]")) == "enum `Team` is u8 and would be i8");
    const auto place = [](const std::string& fields) { return of("type = \"Place\"", "[structs.Place]\nfields = [ " + fields + " ]"); };
    const ecsdb::Schema flat = place(R"({ name = "x", type = "u8" })");
    CHECK(why(flat, place(R"({ name = "y", type = "u8" }, { name = "x", type = "u16" })")).empty());
    CHECK(why(flat, place(R"({ name = "y", type = "u8" })")) == "field `x` of struct `Place` would be gone");
    CHECK(why(flat, place(R"({ name = "x", type = "i8" })")) == "field `x` of struct `Place` is u8 and would be i8");
}

TEST_CASE("values stay what they are when they widen", "[schema][migration]") {
    CHECK(widened<std::uint64_t>("u8", "u64", std::uint8_t{255}) == 255);
    CHECK(widened<std::int64_t>("i8", "i64", std::int8_t{-128}) == -128);
    CHECK(widened<std::int16_t>("u8", "i16", std::uint8_t{255}) == 255);
    CHECK(widened<std::uint64_t>("u64", "u64", ~std::uint64_t{0}) == ~std::uint64_t{0});
    CHECK(widened<double>("f32", "f64", 0.1F) == double{0.1F});
    const ecsdb::FixedString<6> text{"orc"};
    CHECK(
        widened<ecsdb::FixedString<12>>(of("type = \"string[6]\""), of("type = \"string[12]\", default = \"a longer one\""), text).view() ==
        "orc");
    CHECK(widened<std::array<std::int32_t, 3>>("i16[3]", "i32[3]", std::array<std::int16_t, 3>{1, -2, 3}) ==
          std::array<std::int32_t, 3>{1, -2, 3});
    const auto present =
        widened<ecsdb::Nullable<std::uint32_t>>(of("type = \"u32\""), of("type = \"u32\", nullable = true"), std::uint32_t{7});
    CHECK(present.present);
    CHECK(*present == 7);
    const ecsdb::Nullable<std::uint8_t> nothing;
    const auto still = widened<ecsdb::Nullable<std::uint32_t>>(of("type = \"u8\", nullable = true"),
                                                               of("type = \"u32\", nullable = true, default = 4"), nothing);
    CHECK_FALSE(still.present);
}

TEST_CASE("rows are the same when neither side has anything the other has not", "[schema][migration]") {
    const ecsdb::Schema one = of("type = \"u8\"");
    const ecsdb::Schema bounded = of("type = \"u8\", max = 9");
    const ecsdb::Schema wide = of("type = \"u16\"");
    CHECK(ecsdb::are_same_rows(one, one.table(0), bounded, bounded.table(0)));
    CHECK_FALSE(ecsdb::are_same_rows(one, one.table(0), wide, wide.table(0)));
    CHECK_FALSE(ecsdb::are_same_rows(wide, wide.table(0), one, one.table(0)));
}

} // namespace widening_test
