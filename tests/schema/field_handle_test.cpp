#include "ecsdb/schema/field_handle.hpp"

#include "ecsdb/schema/layout.hpp"
#include "support/catch.hpp"

#include <array>

namespace field_handle_test {

using ecsdb::ErrorCode;
using ecsdb::Field;
using ecsdb::FieldType;
using ecsdb::Schema;
using ecsdb::Table;

namespace {

Schema guests() {
    Table guest;
    guest.name = "guest";
    Field coins;
    coins.name = "coins";
    coins.type = FieldType::U32;
    Field mood;
    mood.name = "mood";
    mood.type = FieldType::F32;
    guest.fields = {coins, mood};
    auto schema = ecsdb::finish_schema(Schema{"tavern", "1", {guest}, {}, {}});
    REQUIRE(schema);
    return std::move(*schema);
}

} // namespace

TEST_CASE("what is not in the schema is told by name", "[schema]") {
    const Schema schema = guests();
    const auto table = ecsdb::find_field<float>(schema, "gast", "mood");
    REQUIRE_FALSE(table);
    CHECK(table.error().code() == ErrorCode::NotFound);
    CHECK(table.error().message().find("gast") != std::string::npos);
    const auto field = ecsdb::find_field<float>(schema, "guest", "temper");
    REQUIRE_FALSE(field);
    CHECK(field.error().message().find("guest.temper") != std::string::npos);
}

TEST_CASE("a field asked for as another type is refused, not reinterpreted", "[schema]") {
    const auto wrong = ecsdb::find_field<float>(guests(), "guest", "coins");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code() == ErrorCode::WrongType);
    CHECK(wrong.error().message().find("u32") != std::string::npos);
}

TEST_CASE("a handle that no row of the schema has room for does not fit it", "[schema]") {
    const Schema schema = guests();
    CHECK(ecsdb::FieldHandle<float>{0, 1, 4}.fits(schema));
    CHECK_FALSE(ecsdb::FieldHandle<float>{}.fits(schema));
    CHECK_FALSE(ecsdb::FieldHandle<float>{1, 1, 4}.fits(schema));
    CHECK_FALSE(ecsdb::FieldHandle<float>{0, 2, 4}.fits(schema));
    CHECK_FALSE(ecsdb::FieldHandle<float>{0, 1, 5}.fits(schema));
    CHECK_FALSE(ecsdb::FieldHandle<float>{0, 1, 0xFFFFFFFF}.fits(schema));
    CHECK_FALSE(ecsdb::FieldHandle<std::array<char, 9>>{0, 1, 0}.fits(schema));
    CHECK(schema.has_row_of(0, 8));
    CHECK_FALSE(schema.has_row_of(0, 4));
    CHECK_FALSE(schema.has_row_of(1, 8));
}

TEST_CASE("a handle reads the field in a row", "[schema]") {
    const Schema schema = guests();
    const auto mood = ecsdb::find_field<float>(schema, "guest", "mood");
    REQUIRE(mood);
    CHECK(mood->offset == 4);
    alignas(8) std::array<std::byte, 8> row{};
    const float value = 2.5F;
    std::memcpy(row.data() + mood->offset, &value, sizeof(value));
    CHECK(mood->in(row.data()) == 2.5F);
    CHECK(ecsdb::FieldHandle<float>::bytes_of(value).size() == 4);
}

} // namespace field_handle_test
