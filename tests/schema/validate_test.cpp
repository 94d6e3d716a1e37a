#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/validate.hpp"

namespace validate_test {

using ecsdb::Field;
using ecsdb::FieldType;
using namespace sample;

// What a schema file can get wrong is in bad_schemas_test.cpp; here is what only code, or damaged bytes, can.

TEST_CASE("types that name no enum or struct of the schema are refused", "[schema][validate]") {
    Field stray = field("stray", FieldType::Enum);
    CHECK(complaint(finish({table("t", {stray})})) == "table `t`, field `stray`: the field's enum is not in the schema");
    stray.type = FieldType::Struct;
    stray.type_index = 7;
    CHECK(complaint(finish({table("t", {stray})})) == "table `t`, field `stray`: the field's struct is not in the schema");
}

TEST_CASE("the engine's own names are refused for tables and fields", "[schema][validate]") {
    CHECK(complaint(finish({table("entities")})) == "table `entities`: the name is reserved for the registry of entities");
    CHECK(complaint(finish({table("t", {field("entity_id", FieldType::U64)})})) ==
          "table `t`, field `entity_id`: the name is that of the row's own entity");
    auto renamed = table("t", {field("entity_id", FieldType::U64)});
    renamed.key_name = "me";
    CHECK(finish({renamed}));
}

TEST_CASE("a schema has at most so many parts", "[schema][validate]") {
    std::vector<Field> fields;
    for (std::size_t i = 0; i <= ecsdb::max_members; ++i) {
        fields.push_back(field("f" + std::to_string(i), FieldType::U8));
    }
    CHECK(complaint(finish({table("t", fields)})) == "table `t`: has more than 4096 fields");
    fields.pop_back();
    CHECK(finish({table("t", fields)}));
    CHECK(complaint(finish(std::vector<ecsdb::Table>(ecsdb::max_tables + 1))) == "schema: has more than 65534 tables");
    CHECK(complaint(finish({}, std::vector<ecsdb::EnumType>(ecsdb::max_members + 1))) == "schema: has more than 4096 enums or structs");
}

TEST_CASE("a database's own words are checked", "[schema][validate]") {
    const auto with_names = [](std::string name, ecsdb::EntityNames names) {
        return complaint(ecsdb::finish_schema(ecsdb::Schema{std::move(name), "", {}, {}, {}, std::move(names)}));
    };
    CHECK(with_names("\xFF", {}) == "schema: the database's name and version must be UTF-8");
    CHECK(with_names("x", {"a b", "version"}) == "schema: `a b` cannot be the name of an entity's id");
    CHECK(with_names("x", {"id", "class"}) == "schema: `class` cannot be the name of an entity's version");
    CHECK(with_names("x", {"id", "id"}) == "schema: an entity's id and version are both called `id`");
}

TEST_CASE("a version of zero is refused", "[schema][validate]") {
    auto made = table("t");
    made.version = 0;
    CHECK(complaint(finish({made})) == "table `t`: versions are counted from 1");
}

TEST_CASE("whatever has equal bytes when it is equal can be unique", "[schema][validate]") {
    for (const FieldType type : {FieldType::U8, FieldType::I64, FieldType::Bool, FieldType::Entity}) {
        Field one = field("one", type);
        one.unique = true;
        CHECK(finish({table("t", {one})}));
        one.extents = {16};
        CHECK(finish({table("t", {one})}));
    }
    for (const FieldType type : {FieldType::F32, FieldType::F64}) {
        Field one = field("one", type);
        one.unique = true;
        CHECK_FALSE(finish({table("t", {one})}));
    }
}

TEST_CASE("tables and fields are numbered by position", "[schema][validate]") {
    const auto schema = finish({table("a", {field("x", FieldType::U8), field("y", FieldType::U8)}), table("b")});
    REQUIRE(schema);
    CHECK(schema->tables()[1].id == 1);
    CHECK(schema->tables()[0].fields[1].id == 1);
    CHECK(schema->tables()[0].key_name == "entity_id");
}

} // namespace validate_test
