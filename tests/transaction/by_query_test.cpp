#include "ecsdb/transaction/by_query.hpp"

#include "support/random_writer.hpp"

#include <array>
#include <vector>

namespace ecsdb::test::by_query_test {
namespace {

using transaction::EntityQuery;
using transaction::OperationKind;
using transaction::update_all;

constexpr TableId position = 0;
constexpr TableId target = 3;
constexpr auto all = [](Entity, const std::byte* const*) { return true; };

/// 200 entities with a position; every third has a target.
void populate(World& world) {
    world.commit([](storage::WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 200; ++index) {
            const Entity entity{index, 1, 0};
            REQUIRE(writer.create(entity) == storage::Outcome::Done);
            REQUIRE(writer.insert(entity, position, bytes_of(row_from(12, index))) == storage::Outcome::Done);
            REQUIRE((index % 3 != 0 || writer.insert(entity, target, bytes_of(row_from(8, index))) == storage::Outcome::Done));
        }
    });
}

} // namespace

TEST_CASE("a query of tables that are not there, or too many, is refused", "[transaction][query]") {
    const auto schema = schema_of_all_kinds();
    CHECK(EntityQuery{}.check(*schema));
    CHECK(EntityQuery{std::array{position, target}}.check(*schema));
    CHECK_FALSE(EntityQuery{std::array{TableId{7}}}.check(*schema));
    CHECK_FALSE(EntityQuery{std::vector<TableId>(33, position)}.check(*schema));
    EntityQuery query{std::array{position}};
    query.add_without(std::vector<TableId>(32, target));
    CHECK(query.check(*schema));
    query.add_without(std::array{target});
    CHECK_FALSE(query.check(*schema));
}

TEST_CASE("entities are found by what they have, what they lack, and what is asked of them", "[transaction][query]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    populate(world);
    const auto count = [&](const EntityQuery& query, auto accepts) {
        GrowArray<Entity> found{allocator};
        REQUIRE(transaction::collect(world.published(), query, accepts, found));
        return found.size();
    };
    CHECK(count(EntityQuery{}, all) == 200);
    CHECK(count(EntityQuery{std::array{target, position}}, all) == 67);
    EntityQuery without{std::array{position}};
    without.add_without(std::array{target});
    CHECK(count(without, all) == 133);
    CHECK(count(EntityQuery{std::array{position}}, [](Entity entity, const std::byte* const* rows) {
              return entity.index() < 10 && std::memcmp(rows[0], row_from(12, 7)->data(), 12) == 0;
          }) == 1);
    GrowArray<Entity> found{allocator};
    allocator.refuse_from = allocator.calls;
    auto accepts = all;
    const Result<void> refused = transaction::collect(world.published(), EntityQuery{}, accepts, found);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::OutOfMemory);
}

TEST_CASE("one operation for many goes on past those it changes nothing of, and ends at the first it cannot be done to",
          "[transaction][query]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    populate(world);
    std::vector<Entity> entities;
    for (std::uint32_t index = 0; index < 200; ++index) {
        entities.push_back(Entity{index, 1, 0});
    }
    const RowBytes row = row_from(8, 5);
    world.undo([&](storage::WriteBuffer& writer) {
        const auto inserted = apply_to_all(writer, OperationKind::Insert, entities, target, bytes_of(row));
        REQUIRE_FALSE(inserted);
        CHECK(inserted.error().code() == ErrorCode::AlreadyExists);
    });
    world.commit([&](storage::WriteBuffer& writer) {
        CHECK(*apply_to_all(writer, OperationKind::Remove, entities, target, nullptr) == 67);
        CHECK(*apply_to_all(writer, OperationKind::Insert, entities, target, bytes_of(row)) == 200);
        CHECK(*apply_to_all(writer, OperationKind::Set, entities, position, bytes_of(row_from(12, 3))) == 200);
        auto change = [](std::byte* place) { place[0] = std::byte{9}; };
        CHECK(*update_all(writer, entities, position, change) == 200);
        CHECK(writer.find_row(entities[77], position)[0] == std::byte{9});
        CHECK(*apply_to_all(writer, OperationKind::Destroy, entities, 0, nullptr) == 200);
        CHECK(*apply_to_all(writer, OperationKind::Destroy, entities, 0, nullptr) == 0);
        CHECK(*update_all(writer, entities, position, change) == 0);
    });
    CHECK(world.published().entity_count == 0);
}

} // namespace ecsdb::test::by_query_test
