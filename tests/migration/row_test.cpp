#include "ecsdb/migration/row.hpp"

#include "migration/migration_fixture.hpp"

#include <array>
#include <string>

namespace migrating_row_test {

using namespace migration_test;
using ecsdb::FittedRow;

namespace {

const char* const everything = R"(
[enums.Team]
values = { red = 1, blue = 7 }
[tables.t]
fields = [
    { name = "a", type = "u8", default = 5 },
    { name = "list", type = "u16[2]" },
    { name = "name", type = "string[8]", default = "orc" },
    { name = "team", type = "Team", default = "blue" },
    { name = "maybe", type = "f32", nullable = true },
    { name = "of", type = "entity", nullable = true },
    { name = "story", type = "text", default = "once" },
    { name = "data", type = "blob" },
]
)";

struct Stored {
    ecsdb::Schema schema = migration_test::schema(everything);
    std::vector<std::byte> bytes = ecsdb::default_row(schema, schema.table(0));
    void load(MigratingRow& row) const {
        row.assign(schema, schema.table(0), bytes.data(), [](const ecsdb::Field& field) { return "content of " + field.name; });
    }
};

} // namespace

TEST_CASE("a step reads values by name, in any type that holds them", "[migration]") {
    const Stored stored;
    MigratingRow row{Entity{3, 1, 0}};
    stored.load(row);
    CHECK(row.entity().index() == 3);
    CHECK(required(row.get<std::uint8_t>("a")) == 5);
    CHECK(required(row.get<std::int64_t>("a")) == 5);
    CHECK(row.get<std::int8_t>("a").error().code() == ErrorCode::WrongType);
    CHECK(row.get<float>("name").error().code() == ErrorCode::WrongType);
    CHECK(row.get<float>("nothing").error().code() == ErrorCode::NotFound);
    CHECK(row.get<float>("maybe").error().code() == ErrorCode::NotFound);
    CHECK(required(row.get<std::array<std::uint32_t, 2>>("list")) == std::array<std::uint32_t, 2>{});
    CHECK(required(row.get<ecsdb::FixedString<8>>("name")).view() == "orc");
    CHECK(required(row.get<std::uint8_t>("team")) == 7);
    CHECK(required(row.text("team")) == "blue");
    CHECK(required(row.text("name")) == "orc");
    CHECK(required(row.text("story")) == "content of story");
    CHECK(row.text("a").error().code() == ErrorCode::WrongType);
    CHECK(required(row.blob("data")) == "content of data");
    CHECK(row.blob("story").error().code() == ErrorCode::WrongType);
    CHECK(row.is_null("maybe"));
    CHECK(row.is_null("nothing"));
    CHECK_FALSE(row.is_null("a"));
}

TEST_CASE("what a step leaves becomes a row of the new table, defaults for what is missing", "[migration]") {
    const Stored stored;
    MigratingRow row{Entity{}};
    const ecsdb::Table& table = stored.schema.table(0);
    FittedRow fitted;
    SECTION("nothing at all") {
        require(row.fit(stored.schema, table, fitted));
        CHECK(fitted.row == stored.bytes);
        REQUIRE(fitted.contents.size() == 1);
        CHECK(fitted.contents[0].bytes == "once");
    }
    SECTION("all that was there") {
        stored.load(row);
        require(row.fit(stored.schema, table, fitted));
        CHECK(fitted.row == stored.bytes);
        CHECK(fitted.contents.size() == 2);
    }
    SECTION("values set") {
        stored.load(row);
        row.set("a", std::uint8_t{9});
        row.set("maybe", 2.5F);
        row.set_text("name", "elf");
        row.set_text("team", "red");
        row.set_text("story", "");
        row.set_blob("data", {});
        row.set_null("of");
        require(row.rename("a", "b"));
        require(row.rename("b", "a"));
        CHECK(row.rename("gone", "b").error().code() == ErrorCode::NotFound);
        CHECK(row.rename("a", "name").error().code() == ErrorCode::AlreadyExists);
        require(row.fit(stored.schema, table, fitted));
        CHECK(fitted.contents.empty());
        MigratingRow again{Entity{}};
        again.assign(stored.schema, table, fitted.row.data(), [](const ecsdb::Field&) { return std::string{}; });
        CHECK(required(again.get<std::uint8_t>("a")) == 9);
        CHECK(required(again.get<float>("maybe")) == 2.5F);
        CHECK(required(again.text("name")) == "elf");
        CHECK(required(again.text("team")) == "red");
    }
}

TEST_CASE("what does not fit the new table is named", "[migration]") {
    const Stored stored;
    MigratingRow row{Entity{}};
    stored.load(row);
    FittedRow fitted;
    const auto complaint = [&] {
        const auto fits = row.fit(stored.schema, stored.schema.table(0), fitted);
        REQUIRE_FALSE(fits);
        CHECK(fits.error().code() == ErrorCode::SchemaMismatch);
        return fits.error().message();
    };
    SECTION("a field too many") {
        row.set("more", 1.0F);
        CHECK(complaint().find("field `more` is left over") == 0);
    }
    SECTION("a wider number") {
        row.set("a", std::uint16_t{1});
        CHECK(complaint() == "field `a` is u16 and would be u8");
    }
    SECTION("text too long") {
        row.set_text("name", "hobgoblins");
        CHECK(complaint() == "field `name` has text of 10 bytes, and the field holds 8");
    }
    SECTION("no value of the enum") {
        row.set_text("team", "green");
        CHECK(complaint() == "field `team` is `green`, and enum `Team` has no such value");
    }
    SECTION("null where there is none") {
        row.set_null("a");
        CHECK(complaint() == "field `a` is null, and the field cannot be");
    }
    SECTION("text for a number, bytes for text") {
        row.set_text("a", "1");
        CHECK(complaint() == "field `a` is text and would be u8");
        row.erase("a");
        row.set_blob("story", {});
        CHECK(complaint() == "field `story` is bytes and would be text");
    }
}

} // namespace migrating_row_test
