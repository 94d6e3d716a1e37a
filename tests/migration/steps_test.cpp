#include "ecsdb/migration/steps.hpp"

#include "migration/migration_fixture.hpp"

#include <string>

namespace migration_steps_test {

struct NoteV1 {
    std::uint8_t size;
    ecsdb::Text text;
};
struct NoteV2 {
    ecsdb::Text title;
    ecsdb::Text body;
    std::uint64_t owner;
};
struct Empty {};

} // namespace migration_steps_test

ECSDB_COMPONENT(migration_steps_test::NoteV1, size, text);
ECSDB_COMPONENT(migration_steps_test::NoteV2, title, body, owner);
ECSDB_COMPONENT(migration_steps_test::Empty);

namespace migration_steps_test {

using namespace migration_test;

namespace {

const char* const stored_text = "[tables.note]\nfields = [ { name = \"text\", type = \"text\" }, { name = \"size\", type = \"u8\" } ]\n";

} // namespace

TEST_CASE("a step between structs moves texts, and gets the entity where it asks for it", "[migration]") {
    const ecsdb::Schema stored = schema(stored_text);
    std::vector<std::byte> bytes(stored.table(0).size);
    bytes[stored.table(0).find_field("size")->offset] = std::byte{9};
    Migrations migrations;
    migrations
        .step<NoteV1, NoteV2>("note", 1, 2,
                              [](Entity entity, const NoteV1& old) {
                                  NoteV2 fresh{};
                                  fresh.title = old.text;
                                  fresh.body = old.text;
                                  fresh.owner = entity.index() + old.size;
                                  return fresh;
                              })
        .step<NoteV2, Empty>("note", 2, 3, [](const NoteV2&) { return Empty{}; });
    require(migrations.check());
    REQUIRE(migrations.steps().size() == 2);
    MigratingRow row{Entity{30, 1, 0}};
    row.assign(stored, stored.table(0), bytes.data(), [](const ecsdb::Field&) { return std::string{"dear diary"}; });
    require(migrations.function(0)(row));
    CHECK(required(row.text("title")) == "dear diary");
    CHECK(required(row.text("body")) == "dear diary");
    CHECK(required(row.get<std::uint64_t>("owner")) == 39);
    CHECK_FALSE(row.has("size"));
    require(migrations.function(1)(row));
    CHECK_FALSE(row.has("title"));
}

TEST_CASE("a struct that is not the row's is refused by name", "[migration]") {
    const ecsdb::Schema stored =
        schema("[tables.note]\nfields = [ { name = \"text\", type = \"text\" }, { name = \"more\", type = \"u8\" } ]\n");
    const std::vector<std::byte> bytes(stored.table(0).size);
    Migrations migrations;
    migrations.step<NoteV1, NoteV1>("note", 1, 2, [](const NoteV1& old) { return old; });
    MigratingRow row{Entity{}};
    row.assign(stored, stored.table(0), bytes.data(), [](const ecsdb::Field&) { return std::string{}; });
    const auto refused = migrations.function(0)(row);
    REQUIRE_FALSE(refused);
    CHECK(mentions(refused.error(), "struct `NoteV1` of the step: field `more` is left over"));
}

TEST_CASE("a handle that no row gave is refused", "[migration]") {
    const ecsdb::Schema stored = schema(stored_text);
    const std::vector<std::byte> bytes(stored.table(0).size);
    Migrations migrations;
    migrations.step<NoteV1, NoteV1>("note", 1, 2, [](const NoteV1& old) {
        NoteV1 fresh = old;
        fresh.text.number = 77;
        return fresh;
    });
    MigratingRow row{Entity{}};
    row.assign(stored, stored.table(0), bytes.data(), [](const ecsdb::Field&) { return std::string{}; });
    CHECK(migrations.function(0)(row).error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("steps that lead nowhere are remembered as a mistake", "[migration]") {
    Migrations migrations;
    require(migrations.check());
    SECTION("down") {
        migrations.automatic("note", 3, 2);
    }
    SECTION("from before the first version") {
        migrations.automatic("note", 0, 2);
    }
    SECTION("of the database to itself") {
        migrations.database("a", "a", [](const ecsdb::View&, ecsdb::WriteState&) {});
    }
    const auto mistake = migrations.check();
    REQUIRE_FALSE(mistake);
    CHECK(mistake.error().code() == ErrorCode::InvalidArgument);
}

} // namespace migration_steps_test
