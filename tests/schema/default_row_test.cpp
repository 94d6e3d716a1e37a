#include "ecsdb/schema/default_row.hpp"

#include "ecsdb/schema/field_handle.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace default_row_test {

namespace {

using namespace ecsdb;

template <typename T>
T value_at(const std::vector<std::byte>& row, std::size_t offset) {
    T value{};
    std::memcpy(&value, row.data() + offset, sizeof(T));
    return value;
}

constexpr std::string_view schema_text = R"(
[enums.Team]
type = "i16"
values = { red = 3, blue = -7 }
[structs.Vec]
fields = [ { name = "x", type = "f32", default = 0.5 }, { name = "y", type = "u8", default = 9, nullable = true } ]
[tables.bare]
fields = [ { name = "a", type = "u64" }, { name = "b", type = "u32", nullable = true }, { name = "c", type = "string[5]" },
           { name = "team", type = "Team" }, { name = "who", type = "entity" } ]
[tables.full]
fields = [ { name = "flag", type = "bool", default = true }, { name = "minus", type = "i64", default = -2 },
           { name = "real", type = "f64", default = 0.1 }, { name = "single", type = "f32[2]", default = 0.1 },
           { name = "big", type = "u64", default = "18446744073709551615" }, { name = "text", type = "string[5]", default = "hé" },
           { name = "teams", type = "Team[2][2]", default = "blue" }, { name = "maybe", type = "u16", nullable = true, default = 700 },
           { name = "texts", type = "string[3][2]", default = "ab" }, { name = "points", type = "Vec[2]" } ]
[tables.tag]
)";

} // namespace

TEST_CASE("without defaults a row is zero, empty, null and absent", "[schema][default_row]") {
    auto schema = parse_schema(schema_text, "test.toml");
    REQUIRE(schema);
    const std::vector<std::byte> row = default_row(*schema, *schema->find_table("bare"));
    CHECK(row.size() == schema->find_table("bare")->size);
    CHECK(std::all_of(row.begin(), row.end(), [](std::byte byte) { return byte == std::byte{}; }));
    CHECK(default_row(*schema, *schema->find_table("tag")).empty());
}

TEST_CASE("every kind of field starts at its default, elements and structs within too", "[schema][default_row]") {
    auto schema = parse_schema(schema_text, "test.toml");
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    const Table& table = *schema->find_table("full");
    const std::vector<std::byte> row = default_row(*schema, table);
    const auto offset = [&](std::string_view name) { return table.find_field(name)->offset; };
    CHECK(value_at<std::uint8_t>(row, offset("flag")) == 1);
    CHECK(value_at<std::int64_t>(row, offset("minus")) == -2);
    CHECK(value_at<double>(row, offset("real")) == 0.1);
    CHECK(value_at<std::array<float, 2>>(row, offset("single")) == std::array{0.1F, 0.1F});
    CHECK(value_at<std::uint64_t>(row, offset("big")) == ~std::uint64_t{0});
    CHECK(value_at<FixedString<5>>(row, offset("text")) == FixedString<5>{"hé"});
    CHECK(value_at<std::array<std::int16_t, 4>>(row, offset("teams")) == std::array<std::int16_t, 4>{-7, -7, -7, -7});
    const auto maybe = value_at<Nullable<std::uint16_t>>(row, offset("maybe"));
    CHECK(maybe);
    CHECK(*maybe == 700);
    const auto texts = value_at<std::array<FixedString<3>, 2>>(row, offset("texts"));
    CHECK(texts[0] == FixedString<3>{"ab"});
    CHECK(texts[1] == FixedString<3>{"ab"});
    struct Vec {
        float x;
        Nullable<std::uint8_t> y;
    };
    for (const Vec& point : value_at<std::array<Vec, 2>>(row, offset("points"))) {
        CHECK(point.x == 0.5F);
        CHECK(point.y);
        CHECK(*point.y == 9);
    }
}

} // namespace default_row_test
