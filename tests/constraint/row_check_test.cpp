#include "ecsdb/constraint/row_check.hpp"

#include "ecsdb/schema/row.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::test::row_check_test {
namespace {

using constraint::Fault;
using constraint::RowCheck;

/// One table `t` whose row the tests write byte by byte.
struct Checked {
    Schema schema;
    std::vector<std::byte> row;

    explicit Checked(const std::string& fields, const std::string& types = {})
        : schema{parsed(types + "\n[tables.t]\nfields = [" + fields + "]\n")} {
        row = default_row(schema, table());
    }
    static Schema parsed(const std::string& text) {
        auto schema = parse_schema(text, "test.toml");
        if (!schema) {
            FAIL(schema.error().to_string());
        }
        return std::move(*schema);
    }
    const Table& table() const { return schema.table(0); }
    template <typename T>
    Checked& put(std::size_t offset, const T& value) {
        REQUIRE(offset + sizeof(T) <= row.size());
        std::memcpy(row.data() + offset, &value, sizeof(T));
        return *this;
    }
    /// What is wrong; empty when nothing is.
    std::string fault() const {
        const Fault found = RowCheck{schema, table()}(row.data());
        return found ? found.field->name + ": " + found.what : std::string{};
    }
};

template <typename T>
void check_bounds(const std::string& type, const std::string& min, const std::string& max, T below, T least, T most, T above) {
    CAPTURE(type);
    Checked t{"{ name = \"x\", type = \"" + type + "\", min = " + min + ", max = " + max + " }"};
    CHECK(t.put(0, below).fault().find("below min") != std::string::npos);
    CHECK(t.put(0, above).fault().find("above max") != std::string::npos);
    CHECK(t.put(0, least).fault().empty());
    CHECK(t.put(0, most).fault().empty());
}

} // namespace

TEST_CASE("numbers of every type keep to their bounds", "[constraint][row_check]") {
    check_bounds<std::uint8_t>("u8", "3", "200", 2, 3, 200, 201);
    check_bounds<std::uint16_t>("u16", "3", "40000", 2, 3, 40000, 40001);
    check_bounds<std::uint32_t>("u32", "3", "4000000000", 2, 3, 4000000000U, 4000000001U);
    check_bounds<std::uint64_t>("u64", "3", "\"18446744073709551614\"", 2, 3, ~std::uint64_t{1}, ~std::uint64_t{0});
    check_bounds<std::int8_t>("i8", "-3", "3", -4, -3, 3, 4);
    check_bounds<std::int16_t>("i16", "-300", "300", -301, -300, 300, 301);
    check_bounds<std::int32_t>("i32", "-70000", "-1", -70001, -70000, -1, 0);
    check_bounds<std::int64_t>("i64", "-5000000000", "5", -5000000001, -5000000000, 5, 6);
    check_bounds<float>("f32", "-0.1", "0.1", std::nextafterf(-0.1F, -1.0F), -0.1F, 0.1F, std::nextafterf(0.1F, 1.0F));
    check_bounds<double>("f64", "-0.1", "0.1", std::nextafter(-0.1, -1.0), -0.1, 0.1, std::nextafter(0.1, 1.0));
}

TEST_CASE("what is not a number keeps to no bound, and is well without one", "[constraint][row_check]") {
    Checked bounded{R"({ name = "x", type = "f32", max = 1.0 })"};
    CHECK(bounded.put(0, std::numeric_limits<float>::quiet_NaN()).fault() == "x: nan is above max 1.0");
    CHECK(bounded.put(0, -std::numeric_limits<float>::infinity()).fault().empty());
    Checked unbounded{R"({ name = "x", type = "f32" })"};
    CHECK(unbounded.put(0, std::numeric_limits<float>::quiet_NaN()).fault().empty());
    CHECK(RowCheck{unbounded.schema, unbounded.table()}.empty());
}

TEST_CASE("elements of arrays are checked one by one", "[constraint][row_check]") {
    Checked t{R"({ name = "x", type = "u8[2][3]", max = 9 })"};
    CHECK(t.fault().empty());
    CHECK(t.put(4, std::uint8_t{10}).fault() == "x: element 4: 10 is above max 9");
}

TEST_CASE("an enum holds one of its values", "[constraint][row_check]") {
    Checked t{R"({ name = "e", type = "Team" })", "[enums.Team]\ntype = \"i16\"\nvalues = { red = -3, blue = 7 }"};
    CHECK(t.fault() == "e: 0 is no value of enum `Team`");
    CHECK(t.put(0, std::int16_t{-3}).fault().empty());
    CHECK(t.put(0, std::int16_t{7}).fault().empty());
    CHECK_FALSE(t.put(0, std::int16_t{8}).fault().empty());
    Checked wide{R"({ name = "e", type = "Wide" })", "[enums.Wide]\ntype = \"u64\"\nvalues = { zero = 0 }"};
    CHECK(wide.put(0, std::numeric_limits<std::uint64_t>::max()).fault() == "e: 18446744073709551615 is no value of enum `Wide`");
}

TEST_CASE("bools are 0 or 1, and so is the presence of a nullable", "[constraint][row_check]") {
    Checked t{R"({ name = "b", type = "bool" }, { name = "n", type = "u32", nullable = true, max = 5 })"};
    CHECK(t.fault().empty());
    CHECK(t.put(0, std::uint8_t{1}).fault().empty());
    CHECK(t.put(0, std::uint8_t{2}).fault() == "b: the byte 2 is neither false (0) nor true (1)");
    t.put(0, std::uint8_t{0});
    const Field& n = *t.table().find_field("n");
    t.put(n.offset, 6U);
    CHECK(t.fault().empty()); // absent: its bytes mean nothing
    CHECK(t.put(n.presence_offset, std::uint8_t{1}).fault() == "n: 6 is above max 5");
    CHECK(t.put(n.offset, 5U).fault().empty());
    CHECK(t.put(n.presence_offset, std::uint8_t{2}).fault() == "n: its presence byte is 2, neither 0 nor 1");
}

TEST_CASE("text fits, is followed by zeros, and is UTF-8", "[constraint][row_check]") {
    Checked t{R"({ name = "s", type = "string[5]" })"};
    CHECK(t.put(0, FixedString<5>{"abcde"}).fault().empty());
    CHECK(t.put(0, FixedString<5>{"h\xC3\xA9"}).fault().empty());
    CHECK(t.put(0, FixedString<5>{"h\xC3"}).fault() == "s: is not UTF-8");
    t.put(0, FixedString<5>{"abc"}).put(2 + 4, std::uint8_t{'e'});
    CHECK(t.fault() == "s: has bytes other than zero after its text");
    CHECK(t.put(0, std::uint16_t{6}).fault() == "s: says it is 6 bytes of text, and holds 5");
    CHECK_FALSE(t.put(0, std::uint16_t{0xFFFF}).fault().empty());
    // The byte that pads an odd length is nobody's.
    CHECK(t.put(0, FixedString<5>{"abcde"}).put(7, std::uint8_t{0xEE}).fault().empty());
}

TEST_CASE("a reference may be null unless it is not_null", "[constraint][row_check]") {
    Checked strict{R"({ name = "r", type = "entity", constraint = "not_null" })"};
    CHECK(strict.fault() == "r: is null, and the field is not_null");
    CHECK(strict.put(0, Entity{0, 1, 0}).fault().empty());
    Checked loose{R"({ name = "r", type = "entity" })"};
    CHECK(RowCheck{loose.schema, loose.table()}.empty());
}

TEST_CASE("structs are looked into, however deep", "[constraint][row_check]") {
    Checked t{R"({ name = "pad", type = "u8" }, { name = "s", type = "Outer[2]" })", R"(
[structs.Inner]
fields = [ { name = "x", type = "f32" }, { name = "b", type = "bool" } ]
[structs.Outer]
fields = [ { name = "n", type = "u8" }, { name = "in", type = "Inner", nullable = true } ]
)"};
    CHECK(t.fault().empty());
    const Field& outer = *t.table().find_field("s");
    const StructType& type = t.schema.structs()[outer.type_index];
    const Field& inner = type.fields[1];
    const Field& flag = t.schema.structs()[inner.type_index].fields[1];
    const std::size_t second = outer.offset + type.size;
    t.put(second + inner.offset + flag.offset, std::uint8_t{3});
    CHECK(t.fault().empty());
    t.put(second + inner.presence_offset, std::uint8_t{1});
    CHECK(t.fault() == "s: element 1: `in`: `b`: the byte 3 is neither false (0) nor true (1)");
}

} // namespace ecsdb::test::row_check_test
