#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/table_editor.hpp"

namespace table_editor_test {

using ecsdb::FieldType;
using ecsdb::SchemaValue;
using namespace sample;

TEST_CASE("a field that is not there is remembered, and nothing else is touched", "[schema][table_editor]") {
    ecsdb::Table made = table("t", {field("x", FieldType::U8)});
    ecsdb::TableEditor editor{made};
    editor.field("y").min(1).unique();
    editor.field("z").max(1);
    CHECK(editor.unknown_field() == "y");
    CHECK_FALSE(made.fields[0].unique);
    CHECK(made.fields[0].min == SchemaValue{});
}

TEST_CASE("constants of a schema are made from what C++ calls them", "[schema][table_editor]") {
    CHECK(ecsdb::schema_value(true) == SchemaValue{true});
    CHECK(ecsdb::schema_value(5) == SchemaValue{std::int64_t{5}});
    CHECK(ecsdb::schema_value(5U) == SchemaValue{std::uint64_t{5}});
    CHECK(ecsdb::schema_value(0.5F) == SchemaValue{0.5});
    CHECK(ecsdb::schema_value("text") == SchemaValue{std::string{"text"}});
    CHECK(ecsdb::schema_value(std::string_view{"te\0xt", 5}) == SchemaValue{std::string{"te\0xt", 5}});
    CHECK(ecsdb::schema_value(Team::blue) == SchemaValue{std::int64_t{7}});
}

TEST_CASE("promises land in the field they were made for", "[schema][table_editor]") {
    ecsdb::Table made = table("t", {field("x", FieldType::U8), field("y", FieldType::Entity)});
    ecsdb::TableEditor editor{made};
    editor.field("x").min(1).max(9).default_value(5).unique().not_null().indexed().deprecated();
    editor.field("y").nullable().references_entity(ecsdb::OnDelete::SetNull);
    editor.table().capacity = 9;
    CHECK(made.fields[0].min == SchemaValue{std::int64_t{1}});
    CHECK(made.fields[0].max == SchemaValue{std::int64_t{9}});
    CHECK(made.fields[0].default_value == SchemaValue{std::int64_t{5}});
    CHECK((made.fields[0].unique && made.fields[0].not_null && made.fields[0].indexed && made.fields[0].deprecated));
    CHECK(made.fields[1].nullable);
    REQUIRE(made.fields[1].foreign_key);
    CHECK(made.fields[1].foreign_key->table == "entities");
    CHECK(made.fields[1].foreign_key->on_delete == ecsdb::OnDelete::SetNull);
    editor.field("y").references("t", "x");
    CHECK(made.fields[1].foreign_key->table == "t");
    CHECK(made.fields[1].foreign_key->field == "x");
    CHECK(made.capacity == 9);
    CHECK(editor.unknown_field().empty());
}

} // namespace table_editor_test
