#include "ecsdb/transaction/difference.hpp"

#include "ecsdb/storage/rows.hpp"
#include "ecsdb/transaction/apply_delta.hpp"
#include "support/random_writer.hpp"

#include <memory>
#include <vector>

namespace ecsdb::test::difference_test {

TEST_CASE("the difference of two versions leads from each to the other, forward and back", "[transaction][delta]") {
    const std::uint64_t seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U);
    CAPTURE(seed);
    SystemAllocator memory;
    World world{memory, schema_of_all_kinds()};
    RandomWriter writer{world, seed, 80};
    const auto run = [&](int batches) {
        for (; batches > 0; --batches) {
            REQUIRE(world.buffer().begin_batch());
            REQUIRE(writer.transaction(15).empty());
            world.publish();
        }
    };
    std::vector<storage::PinnedRoot> versions;
    versions.emplace_back(world.store()); // nothing at all
    for (int i = 0; i < 4; ++i) {
        run(12);
        versions.emplace_back(world.store());
    }
    // A state of its own goes from version to version, in any order.
    World follower{memory, schema_of_all_kinds()};
    std::uint64_t version = 0;
    for (const std::size_t to : {2U, 4U, 1U, 3U, 0U, 4U, 4U}) {
        CAPTURE(to);
        const storage::Root& wanted = *versions[to].get();
        ByteBuffer bytes{memory};
        transaction::Difference difference{follower.published(), &follower.store().entity_versions(), wanted,
                                           world.store().entity_versions(), memory};
        REQUIRE(difference.write(version, version + 1, 0, transaction::TransientRows::Go, bytes));
        REQUIRE(follower.buffer().begin_batch());
        transaction::DeltaApplier applier{follower.buffer()};
        const auto applied = applier.apply(bytes.view(), 1);
        if (!applied) {
            FAIL(applied.error().to_string());
        }
        ++version;
        follower.buffer().forget_destroyed();
        follower.publish();
        CHECK(storage::hash_of(follower.published()) == storage::hash_of(wanted));
        wanted.entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
            const std::uint32_t count = world.store().entity_versions().count(index);
            if (record.archetype != storage::no_archetype && count != 0) {
                CHECK(follower.store().entity_versions().count(index) == count);
            }
        });
    }
    // Between equal ones there is nothing to say but the step itself.
    ByteBuffer nothing{memory};
    transaction::Difference same{follower.published(), &follower.store().entity_versions(), *versions[4].get(),
                                 world.store().entity_versions(), memory};
    REQUIRE(same.write(5, 6, 0, transaction::TransientRows::Go, nothing));
    const auto view = delta::DeltaView::parse(nothing.view());
    REQUIRE(view);
    CHECK(view->section_bytes().empty());
    CHECK(view->header().absolute);
}

TEST_CASE("a comparison without memory says so", "[transaction][delta]") {
    for (std::uint64_t call = 0;; ++call) {
        SystemAllocator memory;
        World world{memory, schema_of_all_kinds()};
        RandomWriter writer{world, 9, 30};
        storage::PinnedRoot empty{world.store()};
        REQUIRE(world.buffer().begin_batch());
        while (world.buffer().root().entity_count == 0) {
            REQUIRE(writer.transaction(20).empty());
        }
        world.publish();
        CountingAllocator refusing;
        refusing.refuse_call = call;
        ByteBuffer bytes{memory};
        transaction::Difference difference{*empty.get(), nullptr, world.published(), world.store().entity_versions(), refusing};
        const auto written = difference.write(0, 1, 0, transaction::TransientRows::Go, bytes);
        if (written) {
            REQUIRE(call > 2);
            break;
        }
        CHECK(written.error().code() == ErrorCode::OutOfMemory);
    }
}

} // namespace ecsdb::test::difference_test
