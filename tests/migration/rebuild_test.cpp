#include "ecsdb/migration/rebuild.hpp"

#include "migration/migration_fixture.hpp"

#include <array>

namespace rebuild_test {

using namespace migration_test;

namespace {

ecsdb::Options in_memory() {
    ecsdb::Options options;
    options.own_thread = false;
    return options;
}

} // namespace

TEST_CASE("a state of the same schema is built anew as the same state", "[migration]") {
    const std::string toml = R"(
[tables.a]
fields = [ { name = "x", type = "u32" }, { name = "note", type = "text" } ]
[tables.b]
storage = "sparse"
fields = [ { name = "y", type = "u8" }, { name = "z", type = "f64", nullable = true } ]
[tables.only_text]
fields = [ { name = "note", type = "text" } ]
[tables.tag]
)";
    const ecsdb::Schema described = schema(toml);
    Db before = required(Db::open(in_memory(), described));
    std::vector<Entity> entities;
    for (std::uint32_t i = 0; i < 2500; ++i) {
        auto tx = before.begin();
        entities.push_back(tx.create());
        const auto put = [&](const char* table, auto fill) {
            ecsdb::Row row = required(ecsdb::Row::of(before.schema(), table));
            fill(row);
            tx.insert_row(entities.back(), row.table(), row.bytes());
        };
        put("a", [&](ecsdb::Row& row) {
            require(row.set("x", i));
            require(row.set("note", tx.text(std::string(i % 40, 'n'))));
        });
        if (i % 2 == 0) {
            put("b", [&](ecsdb::Row& row) { require(row.set("y", static_cast<std::uint8_t>(i))); });
        }
        if (i % 3 == 0) {
            put("only_text", [&](ecsdb::Row& row) { require(row.set("note", tx.text("short"))); });
        }
        if (i % 5 == 0) {
            put("tag", [](ecsdb::Row&) {});
        }
        require(tx.commit());
    }
    require(before.destroy(entities[7]).wait());

    const ecsdb::Evolution plan = required(ecsdb::plan_evolution(described, described));
    Db after = required(Db::open(in_memory(), described));
    ecsdb::storage::WriteBuffer& state = after.engine().pipeline().writer().state();
    const Migrations none;
    const ecsdb::View view = before.read();
    ecsdb::detail::StateRebuild rebuild{view.root(), before.engine().store().entity_versions(), state, plan, none};
    require(rebuild.run(view.version(), 17));
    after.engine().store().publish(&state.root());
    CHECK(after.version() == before.version());
    CHECK(after.read().hash() == view.hash());
    CHECK(rebuild.rows() == 2499 + 1250 + 834); // tags have none
    for (const Entity entity : entities) {
        CHECK(after.read().entity_version(entity) == view.entity_version(entity));
    }
}

} // namespace rebuild_test
