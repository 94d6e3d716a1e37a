#include "ecsdb/core/entity.hpp"

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <unordered_set>

namespace entity_test {

using ecsdb::Entity;

TEST_CASE("an entity nobody made names nothing", "[core][entity]") {
    CHECK(Entity{}.is_null());
    CHECK_FALSE(Entity{});
    CHECK(Entity{}.to_bits() == 0);
}

TEST_CASE("the first entity of the first shard is not the null entity", "[core][entity]") {
    const Entity first{0, 1, 0};
    CHECK_FALSE(first.is_null());
    CHECK(first != Entity{});
}

TEST_CASE("an id keeps its three parts at their limits", "[core][entity]") {
    const auto index = GENERATE(0U, 1U, std::numeric_limits<std::uint32_t>::max());
    const auto generation = GENERATE(0U, 1U, Entity::max_generation);
    const auto shard = GENERATE(0U, 1U, Entity::max_shard);
    CAPTURE(index, generation, shard);
    const Entity entity{index, generation, shard};
    CHECK(entity.index() == index);
    CHECK(entity.generation() == generation);
    CHECK(entity.shard() == shard);
    CHECK(Entity::from_bits(entity.to_bits()) == entity);
}

TEST_CASE("a part that is too large does not spill into its neighbour", "[core][entity]") {
    const Entity entity{7, Entity::max_generation + 1 + 5, Entity::max_shard + 1 + 3};
    CHECK(entity.index() == 7);
    CHECK(entity.generation() == 5);
    CHECK(entity.shard() == 3);
}

TEST_CASE("the layout of an id is the one that is stored", "[core][entity]") {
    static_assert(Entity{0xAABBCCDD, 1, 0}.to_bits() == 0x00000001'AABBCCDDULL);
    static_assert(Entity{0, 0, 1}.to_bits() == 1ULL << 54U);
    CHECK(Entity{1, 2, 3}.to_bits() == ((3ULL << 54U) | (2ULL << 32U) | 1ULL));
}

TEST_CASE("dense indices do not collide when hashed", "[core][entity]") {
    std::unordered_set<std::size_t> hashes;
    for (std::uint32_t index = 0; index < 10'000; ++index) {
        hashes.insert(std::hash<Entity>{}(Entity{index, 1, 0}));
    }
    CHECK(hashes.size() == 10'000);
}

} // namespace entity_test
