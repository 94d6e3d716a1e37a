#include "ecsdb/schema/imported_id.hpp"

#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"

#include <string>

namespace ecsdb::test::imported_id_test {
namespace {

struct Plain {
    std::uint32_t number;
};
ECSDB_COMPONENT(Plain, number);

Result<TableId> in_file(const std::string& table) {
    const auto schema = parse_schema("[tables.first]\n[tables.ImportedId]\n" + table, "ids.toml");
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    return find_imported_ids(*schema);
}
std::string field(const std::string& type, const std::string& more = "constraint = \"unique\"") {
    return "[[tables.ImportedId.fields]]\nname = \"id\"\ntype = \"" + type + "\"\n" + more + "\n";
}

} // namespace

TEST_CASE("a table that could not keep stable ids is refused by what is wrong with it", "[schema][imported_id]") {
    const auto refusal = [](const std::string& table) {
        const auto found = in_file(table);
        REQUIRE_FALSE(found);
        CHECK(found.error().code() == ErrorCode::SchemaMismatch);
        return found.error().message();
    };
    CHECK(refusal(field("u64[2]", "")).find("must be unique") != std::string::npos);
    CHECK(refusal("persist = \"transient\"\n" + field("u64[2]")).find("must be logged") != std::string::npos);
    CHECK(refusal("persist = \"snapshot\"\n" + field("u64[2]")).find("must be logged") != std::string::npos);
    CHECK(refusal(field("u64")).find("field `id`") != std::string::npos);
    CHECK(refusal(field("u32[4]")).find("field `id`") != std::string::npos);
    CHECK(refusal("").find("field `id`") != std::string::npos);
}

TEST_CASE("the table of imported ids is found by its name, from a file and from the component", "[schema][imported_id]") {
    CHECK(*in_file("storage = \"sparse\"\n" + field("u64[2]")) == 1);
    CHECK(*in_file(field("u64[2]")) == 1); // kept in a table: slower to add, and as good
    const auto schema = schema_of<Plain, ImportedId>("typed");
    REQUIRE(schema);
    CHECK(*find_imported_ids(*schema) == 1);
    CHECK(schema->table(1).storage == Storage::Sparse);
}

TEST_CASE("a schema without the component has no imported ids", "[schema][imported_id]") {
    const auto schema = schema_of<Plain>("plain");
    REQUIRE(schema);
    CHECK(*find_imported_ids(*schema) == no_table);
}

TEST_CASE("an imported id holds a stable id, upper half first", "[schema][imported_id]") {
    const StableId id{1, 2};
    CHECK(ImportedId{id}.stable() == id);
    CHECK(ImportedId{id}.id[0] == 1);
    CHECK(ImportedId{}.stable().is_null());
}

} // namespace ecsdb::test::imported_id_test
