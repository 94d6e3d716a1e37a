#include "constraint/constraint_fixture.hpp"

#include "ecsdb/constraint/whole_state.hpp"

#include <string>

namespace whole_state_test {

using namespace ecsdb;
using test::Scene;

namespace {

/// What a state that was built without promises is told when `toml` makes them. Tables and fields must be the same in both.
template <typename Build>
std::string complaint(const std::string& without, const std::string& toml, Build build) {
    Scene scene{without};
    build(scene);
    // The state of the one database, with the schema of the other.
    const Schema strict = test::schema_from(toml);
    storage::WriteBuffer& state = scene.db().engine().pipeline().writer().state();
    storage::Root& root = state.writable_root();
    const Schema* const own = std::exchange(root.schema, &strict);
    SystemAllocator memory;
    const Result<void> checked = constraint::check_whole_state(state, memory);
    root.schema = own;
    if (!checked) {
        CHECK(checked.error().code() == ErrorCode::ConstraintViolation);
    }
    return checked ? std::string{} : checked.error().message();
}

Entity put(Scene& scene, const Row& row) {
    auto tx = scene.db().begin();
    const Entity entity = tx.create();
    tx.insert_row(entity, row.table(), row.bytes());
    REQUIRE(tx.commit());
    return entity;
}

} // namespace

TEST_CASE("rows that no transaction has checked are checked against every kind of promise", "[constraint]") {
    const std::string plain = "[tables.a]\nfields = [ { name = \"x\", type = \"u8\" }, { name = \"t\", type = \"text\" } ]\n"
                              "[tables.b]\nstorage = \"sparse\"\nfields = [ { name = \"to\", type = \"entity\", nullable = true } ]\n";
    const auto with = [](const std::string& x, const std::string& text, const std::string& to, const std::string& b = {}) {
        return "[tables.a]\nfields = [ { name = \"x\", type = \"u8\"" + x + " }, { name = \"t\", type = \"text\"" + text +
               " } ]\n[tables.b]\nstorage = \"sparse\"\n" + b + "fields = [ { name = \"to\", type = \"entity\"" + to + " } ]\n";
    };
    const std::string nullable = ", nullable = true";
    const auto build = [](Scene& scene) {
        const Entity first = put(scene, scene.row("a", "x", std::uint8_t{4}));
        put(scene, scene.row("a", "x", std::uint8_t{4}));
        put(scene, scene.row("b", "to", first));
        put(scene, scene.row("b", "to", Entity{}));
        auto tx = scene.db().begin();
        const Entity entity = tx.create();
        Row row = scene.row("a", "x", std::uint8_t{9});
        REQUIRE(row.set("t", tx.text("twelve bytes")));
        tx.insert_row(entity, row.table(), row.bytes());
        REQUIRE(tx.commit());
    };
    CHECK(complaint(plain, with("", "", nullable), build).empty());
    CHECK(complaint(plain, with(", max = 9", ", max_length = 12", nullable + ", foreign_key = \"a.entity_id\""), build).empty());
    CHECK(complaint(plain, with(", max = 8", "", nullable), build).find("table `a`, field `x`, entity 4") == 0);
    CHECK(complaint(plain, with(", constraint = \"unique\"", "", nullable), build).find("is unique, and entity") != std::string::npos);
    CHECK(complaint(plain, with("", ", max_length = 11", nullable), build).find("table `a`, field `t`, entity 4") == 0);
    CHECK(complaint(plain, with("", "", nullable + ", foreign_key = \"b.entity_id\""), build).find("which has none") != std::string::npos);
    CHECK(complaint(plain, with("", "", ", constraint = \"not_null\""), build).find("table `b`, field `to`, entity 3") == 0);
    CHECK(complaint(plain, with("", "", nullable, "parent_table = \"a\"\n"), build).find("needs a row in its parent table `a`") !=
          std::string::npos);
}

} // namespace whole_state_test
