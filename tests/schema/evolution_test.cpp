#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/evolution.hpp"
#include "ecsdb/schema/toml_reader.hpp"

#include <string>
#include <vector>

namespace evolution_test {

using ecsdb::ErrorCode;

namespace {

ecsdb::Schema of(const std::string& toml) {
    auto parsed = ecsdb::parse_schema(toml, "test.toml");
    if (!parsed) {
        FAIL(parsed.error().to_string());
    }
    return std::move(*parsed);
}
ecsdb::Evolution plan(const ecsdb::Schema& stored, const ecsdb::Schema& wanted, const std::vector<ecsdb::TableStep>& steps = {},
                      ecsdb::SchemaScope scope = ecsdb::SchemaScope::Whole) {
    auto made = ecsdb::plan_evolution(stored, wanted, steps, {}, scope);
    if (!made) {
        FAIL(made.error().to_string());
    }
    return std::move(*made);
}
std::string refusal(const ecsdb::Schema& stored, const ecsdb::Schema& wanted, const std::vector<ecsdb::TableStep>& steps = {}) {
    auto made = ecsdb::plan_evolution(stored, wanted, steps);
    REQUIRE_FALSE(made);
    return made.error().to_string();
}

const std::string two_tables = R"(
[enums.Team]
values = ["red", "blue"]
[structs.Inner]
fields = [ { name = "team", type = "Team" } ]
[structs.Outer]
fields = [ { name = "inner", type = "Inner[2]" } ]
[tables.first]
fields = [ { name = "x", type = "u8", max = 9, constraint = "unique" } ]
[tables.second]
parent_table = "first"
fields = [ { name = "outer", type = "Outer" }, { name = "team", type = "Team" } ]
)";

} // namespace

TEST_CASE("an equal schema is no change, whatever the order of its tables", "[schema][migration]") {
    const ecsdb::Schema stored = of(two_tables);
    CHECK_FALSE(plan(stored, stored).changes);
    const ecsdb::Schema turned = of(R"(
[tables.second]
parent_table = "first"
fields = [ { name = "outer", type = "Outer" }, { name = "team", type = "Team" } ]
[tables.first]
fields = [ { name = "x", type = "u8", max = 9, constraint = "unique" } ]
[enums.Team]
values = ["red", "blue"]
[structs.Outer]
fields = [ { name = "inner", type = "Inner[2]" } ]
[structs.Inner]
fields = [ { name = "team", type = "Team" } ]
)");
    REQUIRE(turned.hash() != stored.hash());
    const ecsdb::Evolution none = plan(stored, turned);
    CHECK_FALSE(none.changes);
    CHECK(none.tables.empty());
    CHECK(none.schema.hash() == stored.hash());
}

TEST_CASE("tables keep their numbers, and those the program does not know stay", "[schema][migration]") {
    const ecsdb::Schema stored = of(two_tables);
    const ecsdb::Schema wanted = of("[tables.zero]\n[tables.first]\nfields = [ { name = \"y\", type = \"u8\", default = 3 }, "
                                    "{ name = \"x\", type = \"u8\", max = 9, constraint = \"unique\" } ]\n");
    const ecsdb::Evolution evolution = plan(stored, wanted);
    REQUIRE(evolution.changes);
    const ecsdb::Schema& schema = evolution.schema;
    REQUIRE(schema.tables().size() == 3);
    CHECK(schema.find_table("first")->id == 0);
    CHECK(schema.find_table("second")->id == 1);
    CHECK(schema.find_table("zero")->id == 2);
    CHECK(schema.table(1).parent == 0);
    CHECK(ecsdb::are_same_rows(stored, stored.table(1), schema, schema.table(1)));
    REQUIRE(evolution.tables.size() == 2);
    CHECK(evolution.tables[0].what == "field `y` added");
    CHECK(evolution.tables[1].added);
    CHECK_FALSE(plan(schema, wanted).changes);
}

TEST_CASE("a table dropped leaves a number that is never used again", "[schema][migration]") {
    const ecsdb::Schema stored = of(two_tables);
    const ecsdb::Schema without = of("[tables.second]\ndropped = true\n");
    const ecsdb::Evolution evolution = plan(stored, without);
    REQUIRE(evolution.tables.size() == 1);
    CHECK(evolution.tables[0].dropped);
    CHECK(evolution.tables[0].table == 1);
    CHECK_FALSE(plan(evolution.schema, without).changes);
    const ecsdb::Evolution again = plan(evolution.schema, of("[tables.second]\nfields = [ { name = \"a\", type = \"f32\" } ]\n"));
    CHECK(again.schema.find_table("second")->id == 2);
    CHECK(again.schema.table(1).dropped);
    REQUIRE(again.tables.size() == 1);
    CHECK(again.tables[0].added);
    CHECK(refusal(stored, of("[tables.first]\ndropped = true\n")).find("second") != std::string::npos);
}

TEST_CASE("steps are chosen that lead all the way", "[schema][migration]") {
    const auto version = [](int number, const std::string& type) {
        return of("[tables.t]\nversion = " + std::to_string(number) + "\nfields = [ { name = \"x\", type = \"" + type + "\" } ]\n");
    };
    const std::vector<ecsdb::TableStep> steps{{"t", 3, 5}, {"t", 1, 3}, {"u", 1, 2}, {"t", 5, 6}};
    const ecsdb::Evolution whole = plan(version(1, "f32"), version(5, "u8"), steps);
    REQUIRE(whole.tables.size() == 1);
    CHECK(whole.tables[0].steps == std::vector<std::size_t>{1, 0});
    CHECK(plan(version(3, "f32"), version(6, "u8"), steps).tables[0].steps == std::vector<std::size_t>{0, 3});
    CHECK(refusal(version(2, "f32"), version(5, "u8"), steps).find("no step leads on from version 2 towards version 5") !=
          std::string::npos);
    CHECK(refusal(version(1, "f32"), version(4, "u8"), steps).find("no step leads on from version 3 towards version 4") !=
          std::string::npos);
    CHECK(refusal(version(2, "f32"), version(3, "u8")).find("needs a step from version 2 to 3") != std::string::npos);
    CHECK(refusal(version(2, "f32"), version(1, "f32")).find("stored in version 2, and the program brings version 1") != std::string::npos);
    // Nothing but the version: that is kept too.
    CHECK(plan(version(1, "f32"), version(2, "f32")).changes);
}

TEST_CASE("a transient table may become anything: none of its rows was ever stored", "[schema][migration]") {
    const ecsdb::Schema stored = of("[tables.t]\npersist = \"transient\"\nfields = [ { name = \"x\", type = \"u16\" } ]\n");
    CHECK(plan(stored, of("[tables.t]\npersist = \"transient\"\nfields = [ { name = \"y\", type = \"u8\" } ]\n")).changes);
}

TEST_CASE("structs change rows, and nothing else that is stored", "[schema][migration]") {
    const ecsdb::Schema stored = of(two_tables);
    const auto scope = ecsdb::SchemaScope::Components;
    CHECK_FALSE(plan(stored, of("[tables.first]\nfields = [ { name = \"x\", type = \"u8\" } ]\n"), {}, scope).changes);
    const ecsdb::Evolution grown =
        plan(stored, of("[tables.first]\nfields = [ { name = \"x\", type = \"u16\" }, { name = \"y\", type = \"u8\" } ]\n"), {}, scope);
    REQUIRE(grown.changes);
    const ecsdb::Field& x = *grown.schema.table(0).find_field("x");
    CHECK(x.unique);
    CHECK(std::get<std::uint64_t>(x.max) == 9);
    CHECK(x.type == ecsdb::FieldType::U16);
    // Which version a struct is of counts only where its rows are others.
    const ecsdb::Schema newer = of("[tables.t]\nversion = 7\nfields = [ { name = \"x\", type = \"u8\" } ]\n");
    CHECK_FALSE(plan(newer, of("[tables.t]\nfields = [ { name = \"x\", type = \"u8\" } ]\n"), {}, scope).changes);
    const auto refused = ecsdb::plan_evolution(newer, of("[tables.t]\nfields = [ { name = \"x\", type = \"u16\" } ]\n"), {}, {}, scope);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::SchemaMismatch);
}

TEST_CASE("the database's own steps are chosen by its versions", "[schema][migration]") {
    const auto named = [](const std::string& version) { return of("[database]\nname = \"d\"\nversion = \"" + version + "\"\n"); };
    const std::vector<ecsdb::DatabaseStep> steps{{"b", "c"}, {"a", "b"}};
    const auto chosen = [&](const std::string& from, const std::string& to) {
        auto made = ecsdb::plan_evolution(named(from), named(to), {}, steps);
        return made ? std::to_string(made->database_steps.size()) : made.error().to_string();
    };
    CHECK(chosen("a", "c") == "2");
    CHECK(chosen("b", "c") == "1");
    CHECK(chosen("c", "c") == "0");
    CHECK(chosen("c", "d") == "0"); // none of the steps has to do with either
    CHECK(chosen("a", "d").find("no step leads on from version `c`") != std::string::npos);
    CHECK(chosen("x", "c").find("no step leads on from version `x`") != std::string::npos);
}

} // namespace evolution_test
