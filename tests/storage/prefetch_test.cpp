#include "ecsdb/storage/prefetch.hpp"

#include "ecsdb/storage/rows.hpp"
#include "support/storage_fixture.hpp"

#include <cstdint>

namespace ecsdb::test::prefetch_test {

TEST_CASE("hints change nothing, whatever they are about", "[storage][prefetch]") {
    SystemAllocator allocator;
    World world{allocator, schema_of({{"Position", 12}, {"Badge", 8, Storage::Sparse}, {"Tag", 0}, {"Unused", 4, Storage::Sparse}})};
    constexpr std::uint32_t count = 300;
    world.commit([](storage::WriteBuffer& state) {
        for (std::uint32_t i = 1; i <= count; ++i) {
            const RowBytes row = row_from(12, i);
            const Entity entity{i, 1, 0};
            REQUIRE(state.create(entity, state.empty_shape()) == storage::Outcome::Done);
            REQUIRE((i % 2 != 0 || state.insert(entity, 0, bytes_of(row)) == storage::Outcome::Done));
            REQUIRE((i % 3 != 0 || state.insert(entity, 1, bytes_of(row)) == storage::Outcome::Done));
            REQUIRE((i % 5 != 0 || state.insert(entity, 2, nullptr) == storage::Outcome::Done));
        }
    });
    const std::uint64_t before = storage::hash_of(world.published());
    REQUIRE(world.buffer().begin_batch());
    world.buffer().begin_transaction();
    const storage::Prefetcher prefetcher = world.buffer().prefetcher();
    for (const Entity entity : {Entity{}, Entity{1, 1, 0}, Entity{2, 1, 0}, Entity{30, 1, 0}, Entity{count, 1, 0}, Entity{2, 7, 0},
                                Entity{2, 1, 9}, Entity{4'000'000'000U, 1, 0}}) {
        prefetcher.path(entity);
        prefetcher.record(entity);
        for (TableId table = 0; table < 4; ++table) {
            prefetcher.row(entity, table);
        }
        for (const std::uint32_t ahead : {0U, 15U, count, 1'000'000U}) {
            prefetcher.filler(entity, ahead);
        }
    }
    CHECK(storage::hash_of(world.buffer().root()) == before);
    world.buffer().undo_transaction();
    world.publish();
    CHECK(storage::hash_of(world.published()) == before);
}

} // namespace ecsdb::test::prefetch_test
