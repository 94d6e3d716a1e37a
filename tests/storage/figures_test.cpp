#include "ecsdb/storage/figures.hpp"

#include "support/random_writer.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace ecsdb::test::figures_test {

TEST_CASE("an empty version has no rows, and next to no pages", "[storage][figures]") {
    CountingAllocator allocator;
    const auto schema = schema_of_all_kinds();
    World world{allocator, schema};
    for (const Table& table : schema->tables()) {
        const TableFigures figures = storage::table_figures(world.published(), table.id);
        CHECK(figures.rows == 0);
        CHECK(figures.used_bytes == 0);
        CHECK(figures.allocated_bytes == 0);
        CHECK(figures.pages == 0);
    }
    CHECK(storage::entity_figures(world.published()).rows == 0);
}

TEST_CASE("the figures of all tables and of the entities add up to what the pool has given out", "[storage][figures]") {
    CountingAllocator allocator;
    const auto schema = schema_of_all_kinds();
    World world{allocator, schema};
    RandomWriter writer{world, 11};
    for (int batch = 0; batch < 60; ++batch) {
        REQUIRE(world.buffer().begin_batch());
        REQUIRE(writer.transaction(12).empty());
        world.publish();
    }
    world.commit([](storage::WriteBuffer&) {}); // what an undone transaction retired is retired by a version that is published
    world.reclaim();
    const storage::Root& root = world.published();
    TableFigures sum = storage::entity_figures(root);
    CHECK(sum.rows == writer.model().living.size());
    CHECK(sum.used_bytes == sum.rows * 16);
    for (const Table& table : schema->tables()) {
        const TableFigures figures = storage::table_figures(root, table.id);
        std::uint64_t rows = 0;
        for (const auto& [index, living] : writer.model().living) {
            rows += living.rows.count(table.id);
        }
        CHECK(figures.rows == rows);
        CHECK(figures.used_bytes == rows * table.size + figures.content_bytes);
        CHECK(figures.retired_bytes == 0);
        CHECK(figures.allocated_bytes >= figures.used_bytes);
        sum.allocated_bytes += figures.allocated_bytes;
    }
    CHECK(world.store().reclaimer().retired_bytes() == 0);
    CHECK(sum.allocated_bytes + world.store().entity_versions().bytes() == world.store().pool().used_bytes());
}

TEST_CASE("pages are counted one by one, and a tag has none", "[storage][figures]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Position", 12}, {"Visible", 0}})};
    constexpr std::uint32_t count = 1000; // 128 rows to a page
    const std::vector<std::byte> rows(12 * count);
    const std::vector<TableId> tables{0, 1};
    const std::vector<const std::byte*> columns{rows.data(), nullptr};
    world.commit([&](storage::WriteBuffer& writer) {
        REQUIRE(storage::create_many(writer, Entity{0, 1, 0}, count, tables, columns) == storage::Outcome::Done);
    });
    const TableFigures position = storage::table_figures(world.published(), 0);
    CHECK(position.rows == count);
    CHECK(position.used_bytes == 12 * count);
    CHECK(position.pages == 8);
    CHECK(position.allocated_bytes >= 8 * 1600);
    const TableFigures visible = storage::table_figures(world.published(), 1);
    CHECK(visible.rows == count);
    CHECK(visible.pages == 0);
    CHECK(visible.allocated_bytes == 0);
    CHECK(storage::entity_figures(world.published()).pages == 16 + 4); // 64 records, or 256 entities of a column, to a page
}

} // namespace ecsdb::test::figures_test
