#include "ecsdb/transaction/entity_ids.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <new>
#include <set>
#include <span>
#include <thread>
#include <vector>

// Sanitizers have operators of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ECSDB_TEST_REFUSES_LISTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ECSDB_TEST_REFUSES_LISTS 0
#endif
#endif
#if !defined(ECSDB_TEST_REFUSES_LISTS)
#define ECSDB_TEST_REFUSES_LISTS 1
#endif

#if ECSDB_TEST_REFUSES_LISTS
namespace entity_ids_test {
namespace {
thread_local bool memory_is_refused = false;
}
} // namespace entity_ids_test

// What a `List` asks for where it may be refused.
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return entity_ids_test::memory_is_refused ? nullptr : ::operator new(bytes, alignment);
}
#endif

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
    ids.keep_free([](std::uint32_t index) -> std::uint32_t { return index == 3   ? EntityIds::living
                                                                    : index == 5 ? 30
                                                                                 : 0; },
                  [](std::uint64_t index) { return index <= 3   ? 3
                                                   : index <= 5 ? 5
                                                                : std::uint64_t{1} << 32U; });
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

namespace {

constexpr std::uint64_t all_indices = std::uint64_t{1} << 32U;

List<transaction::UnusedIndices> ranges(std::initializer_list<transaction::UnusedIndices> wanted) {
    List<transaction::UnusedIndices> made;
    for (const transaction::UnusedIndices& range : wanted) {
        made.push_back(range);
    }
    return made;
}

} // namespace

TEST_CASE("indices that were never used come after freed ones and before fresh ones, however many there are", "[transaction]") {
    EntityIds ids{2};
    ids.set_unused(ranges({{5, 8}, {100, 170}}), 4);
    ids.start_at(200);
    CHECK(ids.recycle(Entity{50, 1, 2}));
    Block block;
    REQUIRE(ids.take_block(block) == 1);
    CHECK(block[0] == Entity{50, 2, 2});
    REQUIRE(ids.take_block(block) == 3);
    CHECK(block[0] == Entity{5, 4, 2});
    CHECK(block[2] == Entity{7, 4, 2});
    REQUIRE(ids.take_block(block) == 64);
    CHECK(block[0] == Entity{100, 4, 2});
    REQUIRE(ids.take_block(block) == 6);
    CHECK(block[5] == Entity{169, 4, 2});
    REQUIRE(ids.take_block(block) == 64);
    CHECK(block[0] == Entity{256, 1, 2});

    EntityIds all{2};
    all.set_unused(ranges({{0, all_indices}}), 9);
    all.start_at(all_indices);
    REQUIRE(all.take_block(block) == 64);
    CHECK(block[63] == Entity{63, 9, 2});
    CHECK(all.take_fresh(1) == EntityIds::none);
}

#if ECSDB_TEST_REFUSES_LISTS
TEST_CASE("where memory is refused, unused ids are lost, and none is handed out that somebody has", "[transaction][fault]") {
    EntityIds ids{0};
    ids.set_unused(ranges({{100, 200}}), 2);
    ids.start_at(2048);
    entity_ids_test::memory_is_refused = true;
    ids.keep_free([](std::uint32_t index) { return index == 150 ? EntityIds::living : 0U; },
                  [](std::uint64_t index) { return index <= 150 ? std::uint64_t{150} : all_indices; });
    entity_ids_test::memory_is_refused = false;
    Block block;
    REQUIRE(ids.take_block(block) == EntityIds::block_size);
    CHECK(block[0] == Entity{2048, 1, 0});
}
#endif

TEST_CASE("unused indices that somebody has had meanwhile are none any more", "[transaction]") {
    EntityIds ids{0};
    ids.set_unused(ranges({{10, 20}, {1000, all_indices}}), 4);
    ids.start_at(all_indices);
    // Somebody lives at 10, 15 and 1000; at 19, 2000 and 2001 somebody has, at 2002 for the last time.
    const std::map<std::uint64_t, std::uint32_t> used{
        {10, EntityIds::living},       {15, EntityIds::living}, {19, 2U}, {500, 3U}, {1000, EntityIds::living}, {2000, 30U}, {2001, 3U},
        {2002, Entity::max_generation}};
    const auto generation_of = [&](std::uint32_t index) {
        const auto found = used.find(index);
        return found == used.end() ? 0U : found->second;
    };
    const auto next_used = [&](std::uint64_t index) {
        const auto found = used.lower_bound(index);
        return found == used.end() ? all_indices : found->first;
    };
    ids.keep_free(generation_of, next_used);
    Block block;
    REQUIRE(ids.take_block(block) == 3); // they have been freed
    CHECK(block[0] == Entity{19, 4, 0}); // an earlier epoch may have handed out 3
    CHECK(block[1] == Entity{2000, 31, 0});
    CHECK(block[2] == Entity{2001, 4, 0});
    REQUIRE(ids.take_block(block) == 4);
    CHECK(block[0] == Entity{11, 4, 0});
    CHECK(block[3] == Entity{14, 4, 0});
    REQUIRE(ids.take_block(block) == 3);
    CHECK(block[2] == Entity{18, 4, 0});
    REQUIRE(ids.take_block(block) == 64);
    CHECK(block[0] == Entity{1001, 4, 0});
    // What was handed out does not come again.
    ids.raise_generations(40);
    ids.keep_free([](std::uint32_t) { return 0U; }, [](std::uint64_t) { return all_indices; });
    REQUIRE(ids.take_block(block) == 64);
    CHECK(block[0] == Entity{1065, 41, 0});
}

TEST_CASE("no unused index is handed out twice, whoever asks", "[transaction][threads]") {
    EntityIds ids{0};
    ids.set_unused(ranges({{1, 1000}, {1001, 1002}, {1003, 30'000}}), 2);
    ids.start_at(30'000);
    std::array<std::vector<std::uint32_t>, 4> taken;
    {
        std::vector<std::jthread> threads;
        for (std::vector<std::uint32_t>& mine : taken) {
            threads.emplace_back([&ids, &mine] {
                Block block;
                for (int i = 0; i < 200; ++i) {
                    const std::uint32_t count = ids.take_block(block);
                    for (std::uint32_t k = 0; k < count; ++k) {
                        mine.push_back(block[k].index());
                    }
                }
            });
        }
    }
    std::set<std::uint32_t> all;
    std::size_t count = 0;
    for (const std::vector<std::uint32_t>& mine : taken) {
        all.insert(mine.begin(), mine.end());
        count += mine.size();
    }
    CHECK(all.size() == count);
    CHECK((!all.contains(0) && !all.contains(1000) && !all.contains(1002)));
    CHECK((all.contains(1) && all.contains(1001) && all.contains(29'999)));
}

} // namespace ecsdb
