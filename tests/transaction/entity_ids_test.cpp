#include "ecsdb/transaction/entity_ids.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <thread>
#include <vector>

namespace ecsdb {

using transaction::EntityIds;
using Block = std::array<Entity, EntityIds::block_size>;

TEST_CASE("nothing is handed out beyond the mark until it is raised", "[transaction]") {
    EntityIds ids{3};
    ids.lower_mark(0);
    Block block;
    CHECK(ids.take_block(block) == 0);
    CHECK(ids.take_fresh(1) == EntityIds::none);
    ids.raise_mark(EntityIds::block_size - 1);
    CHECK(ids.take_block(block) == 0);
    ids.raise_mark(EntityIds::block_size);
    REQUIRE(ids.take_block(block) == EntityIds::block_size);
    CHECK(block[0] == Entity{0, 1, 3});
    CHECK(block[63] == Entity{63, 1, 3});
    CHECK(ids.take_block(block) == 0);
    ids.raise_mark(10); // never lowered
    CHECK(ids.mark() == EntityIds::block_size);
    ids.raise_mark(ids.wanted_mark(1000));
    CHECK(ids.take_fresh(1000) == 64);
    CHECK(ids.next_fresh() == 64 + 1024); // whole blocks, so that producers do not share record pages
}

TEST_CASE("indices run out at 2^32", "[transaction]") {
    EntityIds ids{0};
    ids.start_at((std::uint64_t{1} << 32U) - 100);
    Block block;
    CHECK(ids.take_fresh(200) == EntityIds::none);
    REQUIRE(ids.take_block(block) == EntityIds::block_size);
    CHECK(block.back().index() == 0xFFFFFFFFU);
    CHECK(ids.take_block(block) == 0);
    CHECK(ids.take_fresh(1) == EntityIds::none);
    // What was freed may still be had.
    CHECK(ids.recycle(Entity{17, 4, 0}));
    REQUIRE(ids.take_block(block) == 1);
    CHECK(block[0] == Entity{17, 5, 0});
}

TEST_CASE("a spent index is lost without a word", "[transaction]") {
    EntityIds ids{0};
    CHECK(ids.recycle(Entity{5, Entity::max_generation, 0}));
    CHECK(ids.recycle(Entity{6, Entity::max_generation - 1, 0}));
    Block block;
    REQUIRE(ids.take_block(block) == 1);
    CHECK(block[0] == Entity{6, Entity::max_generation, 0});
    REQUIRE(ids.take_block(block) == EntityIds::block_size);
    CHECK(block[0] == Entity{0, 1, 0});
}

TEST_CASE("freed indices come first, in the order they were freed", "[transaction]") {
    EntityIds ids{1};
    for (const std::uint32_t index : {9U, 2U, 5U}) {
        REQUIRE(ids.recycle(Entity{index, 1, 1}));
    }
    Block block;
    REQUIRE(ids.take_block(block) == 3);
    CHECK(block[0] == Entity{9, 2, 1});
    CHECK(block[1] == Entity{2, 2, 1});
    CHECK(block[2] == Entity{5, 2, 1});
    ids.give_back(block.data() + 1, 2); // shown to nobody: the same generation again
    REQUIRE(ids.take_block(block) == 2);
    CHECK(block[0] == Entity{2, 2, 1});
}

TEST_CASE("an opened database goes on behind the last index, with a block of its own", "[transaction]") {
    EntityIds ids{0};
    ids.start_at(65);
    CHECK(ids.take_fresh(1) == 128);
}

TEST_CASE("no id is handed out twice, whoever asks", "[transaction][threads]") {
    EntityIds ids{0};
    constexpr int rounds = 200;
    std::array<std::vector<Entity>, 4> taken;
    {
        std::vector<std::jthread> threads;
        for (std::vector<Entity>& mine : taken) {
            threads.emplace_back([&ids, &mine] {
                Block block;
                for (int i = 0; i < rounds; ++i) {
                    const std::uint32_t count = ids.take_block(block);
                    mine.insert(mine.end(), block.begin(), block.begin() + count);
                    for (std::uint32_t k = 0; k < count; k += 2) {
                        ids.recycle(block[k]);
                    }
                    const std::uint64_t first = ids.take_fresh(3);
                    mine.emplace_back(static_cast<std::uint32_t>(first), 1, 0);
                }
            });
        }
    }
    std::set<Entity> all;
    std::size_t count = 0;
    for (const std::vector<Entity>& mine : taken) {
        all.insert(mine.begin(), mine.end());
        count += mine.size();
    }
    CHECK(all.size() == count);
}

TEST_CASE("indices that somebody lives at are taken out of the free ones, and generations do not come again", "[transaction]") {
    EntityIds ids{0};
    CHECK(ids.advance_fresh(100) == 0);
    CHECK(ids.advance_fresh(50) == 128); // whole blocks; it never goes back
    CHECK(ids.take_fresh(1) == 128);
    for (std::uint32_t index = 0; index < 10; ++index) {
        CHECK(ids.recycle(Entity{index, index + 1, 0}));
    }
    const std::uint32_t era = ids.era();
    // Somebody lives at 3; at 5 the last generation is a higher one than the list knew of.
    ids.raise_generations(20);
    ids.keep_free([](std::uint32_t index) -> std::uint32_t { return index == 3 ? EntityIds::living : index == 5 ? 30 : 0; });
    CHECK(ids.era() == era + 1);
    Block block;
    REQUIRE(ids.take_block(block) == 9);
    for (const Entity entity : std::span{block}.first(9)) {
        CHECK(entity.index() != 3);
        CHECK(entity.generation() == (entity.index() == 5 ? 31 : 21));
    }
    CHECK(ids.recycle(Entity{3, 1, 0}));
    REQUIRE(ids.take_block(block) == 1);
    CHECK(block[0] == Entity{3, 21, 0});
}

} // namespace ecsdb
