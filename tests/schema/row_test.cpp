#include "ecsdb/schema/row.hpp"

#include "ecsdb/schema/layout.hpp"
#include "support/catch.hpp"

namespace row_test {

using ecsdb::ErrorCode;
using ecsdb::Field;
using ecsdb::FieldType;
using ecsdb::Row;
using ecsdb::Schema;
using ecsdb::Table;

namespace {

Schema guests() {
    Table guest;
    guest.name = "guest";
    Field name;
    name.name = "name";
    name.type = FieldType::String;
    name.capacity = 6;
    Field coins;
    coins.name = "coins";
    coins.type = FieldType::U32;
    coins.default_value = std::uint64_t{5};
    Field debt;
    debt.name = "debt";
    debt.type = FieldType::U32;
    debt.nullable = true;
    guest.fields = {name, coins, debt};
    auto schema = ecsdb::finish_schema(Schema{"tavern", "1", {guest}, {}, {}});
    REQUIRE(schema);
    return std::move(*schema);
}

} // namespace

TEST_CASE("what does not fit a row is refused and named", "[schema]") {
    const Schema schema = guests();
    CHECK_FALSE(Row::of(schema, "stranger"));
    auto row = Row::of(schema, "guest");
    REQUIRE(row);
    const auto wrong = row->set("coins", 1.5F);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code() == ErrorCode::WrongType);
    const auto long_text = row->set_text("name", "Adalbert");
    REQUIRE_FALSE(long_text);
    CHECK(long_text.error().code() == ErrorCode::InvalidArgument);
    CHECK(long_text.error().message().find("guest.name") != std::string::npos);
    CHECK(row->set_text("coins", "five").error().code() == ErrorCode::WrongType);
    CHECK(row->set_text("nickname", "Al").error().code() == ErrorCode::NotFound);
}

TEST_CASE("a row starts from the schema's defaults and takes values by name", "[schema]") {
    const Schema schema = guests();
    auto row = Row::of(schema, "guest");
    REQUIRE(row);
    const auto coins = ecsdb::find_field<std::uint32_t>(schema, "guest", "coins");
    const auto debt = ecsdb::find_field<std::uint32_t>(schema, "guest", "debt");
    REQUIRE((coins && debt));
    const std::uint32_t presence = schema.table(0).fields[2].presence_offset;
    CHECK(coins->in(row->bytes().data()) == 5);
    CHECK(row->bytes()[presence] == std::byte{0});
    REQUIRE(row->set("debt", std::uint32_t{3}));
    CHECK(debt->in(row->bytes().data()) == 3);
    CHECK(row->bytes()[presence] == std::byte{1});
    REQUIRE(row->set_text("name", "Ada"));
    REQUIRE(row->set_text("name", "Al"));
    const auto* const text = reinterpret_cast<const ecsdb::FixedString<6>*>(row->bytes().data());
    CHECK(text->view() == "Al");
    CHECK(text->bytes[2] == '\0');
}

} // namespace row_test
