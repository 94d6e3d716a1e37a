#include "ecsdb/recovery/check_constraints.hpp"

#include "constraint/constraint_fixture.hpp"

#include <memory>
#include <vector>

namespace check_constraints_test {

using ecsdb::Entity;

namespace {

constexpr std::string_view things = R"(
[tables.item]
fields = [ { name = "code", type = "string[7]", constraint = "unique" }, { name = "grams", type = "u32", max = 100 } ]
[tables.price]
fields = [ { name = "code", type = "string[7]", foreign_key = "item.code" } ]
[tables.holder]
fields = [ { name = "of", type = "entity", foreign_key = "item.entity_id" } ]
)";

/// Rows put where no transaction checks them.
struct Unchecked {
    Unchecked() {
        auto made = std::make_shared<const ecsdb::Schema>(ecsdb::test::schema_from(things));
        schema = made.get();
        store = ecsdb::storage::Store::create(allocator, {}, std::move(made));
        REQUIRE(store != nullptr);
        buffer = std::make_unique<ecsdb::storage::WriteBuffer>(*store);
        REQUIRE(buffer->create_first_root(0));
        REQUIRE(buffer->begin_batch());
        buffer->begin_transaction();
    }
    Unchecked(const Unchecked&) = delete;
    Unchecked& operator=(const Unchecked&) = delete;
    ~Unchecked() {
        buffer.reset();
        store->drop_owner();
    }

    template <typename T>
    Entity add(std::string_view table, std::string_view field, const T& value) {
        const ecsdb::TableId id = schema->find_table(table)->id;
        ecsdb::Row row{*schema, id};
        ecsdb::test::Scene::put(row, field, value);
        const Entity entity{next++, 1, 0};
        REQUIRE(buffer->create(entity) == ecsdb::storage::Outcome::Done);
        REQUIRE(buffer->insert(entity, id, row.bytes().data()) == ecsdb::storage::Outcome::Done);
        return entity;
    }
    [[nodiscard]] std::vector<std::string> found() const {
        std::vector<std::string> faults;
        ecsdb::recovery::check_constraints(buffer->root(), [&](std::string what) { faults.push_back(std::move(what)); });
        return faults;
    }

    ecsdb::SystemAllocator allocator;
    const ecsdb::Schema* schema = nullptr;
    ecsdb::storage::Store* store = nullptr;
    std::unique_ptr<ecsdb::storage::WriteBuffer> buffer;
    std::uint32_t next = 0;
};

} // namespace

TEST_CASE("a state that keeps its promises has no faults", "[recovery][verify]") {
    Unchecked state;
    CHECK(state.found().empty());
    const Entity apple = state.add("item", "code", "apple");
    state.add("item", "code", "pear");
    state.add("price", "code", "pear");
    state.add("price", "code", "pear");
    state.add("holder", "of", apple);
    CHECK(state.found().empty());
}

TEST_CASE("every broken promise is found and named, not only the first", "[recovery][verify]") {
    Unchecked state;
    state.add("item", "code", "apple");
    state.add("item", "code", "apple");
    state.add("item", "grams", std::uint32_t{101});
    state.add("price", "code", "plum");
    state.add("holder", "of", Entity{77, 1, 0});
    const auto faults = state.found();
    REQUIRE(faults.size() == 4);
    CHECK(faults[0].find("table `item`, field `code`, entity 1") == 0);
    CHECK(faults[1].find("table `item`, field `grams`, entity 2") == 0);
    CHECK(faults[2].find("table `price`, field `code`, entity 3") == 0);
    CHECK(faults[3].find("table `holder`, field `of`, entity 4") == 0);
}

} // namespace check_constraints_test
