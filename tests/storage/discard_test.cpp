#include "ecsdb/storage/discard.hpp"

#include "ecsdb/storage/rows.hpp"
#include "support/random_writer.hpp"

#include <string>

namespace ecsdb::test::discard_test {

TEST_CASE("a discarded batch gives back every node it has taken, whatever it did", "[storage][memory]") {
    const auto seed = GENERATE(1U, 2U, 3U);
    CAPTURE(seed);
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    storage::WriteBuffer& buffer = world.buffer();
    buffer.counts().set_discardable(true);
    RandomWriter first{world, seed};
    for (int batch = 0; batch < 20; ++batch) {
        REQUIRE(buffer.begin_batch());
        REQUIRE(first.transaction(100) == "");
        world.publish();
    }
    buffer.forget_destroyed();
    for (int round = 0; round < 40; ++round) {
        world.reclaim();
        const std::uint64_t hash = storage::hash_of(world.published());
        const storage::PagePool& pool = world.store().pool();
        // The counters of indices that a batch was the first to use stay: another batch will want them.
        const std::size_t used = pool.used_bytes() - world.store().entity_versions().bytes();
        // A batch that kept nothing has left its nodes to this one, which gives them back, too.
        const bool is_first = &buffer.root() == &world.published();
        RandomWriter writer = first; // what it does is to be forgotten
        REQUIRE(buffer.begin_batch());
        for (std::uint64_t left = 1 + first.below(5); left != 0; --left) {
            REQUIRE(writer.transaction(60) == "");
        }
        static_cast<void>(buffer.finish_batch());
        buffer.discard_batch(&world.published());
        const std::size_t left = pool.used_bytes() - world.store().entity_versions().bytes();
        REQUIRE((is_first ? left == used : left < used));
        REQUIRE(storage::hash_of(world.published()) == hash);
        REQUIRE(first.check(buffer.root()) == "");
        REQUIRE(buffer.begin_batch());
        REQUIRE(first.transaction(30) == "");
        world.publish();
        buffer.forget_destroyed();
    }
    CHECK(allocator.mismatches == 0);
}

} // namespace ecsdb::test::discard_test
