#include "ecsdb/storage/entity_table.hpp"

#include "support/storage_fixture.hpp"

#include <map>
#include <random>
#include <vector>

namespace ecsdb::test::entity_table_test {
namespace {

using storage::EntityRecord;
using storage::EntityTable;
using storage::PagePool;
using storage::PoolOptions;
using storage::Reclaimer;
using storage::Workspace;

struct Bench {
    explicit Bench(const PoolOptions& options = {}) : pool{allocator, options} {}
    CountingAllocator allocator;
    PagePool pool;
    Reclaimer reclaimer{allocator, pool};
    Workspace workspace{allocator, pool, reclaimer};
};

} // namespace

TEST_CASE("an index never used has no record, or one of zeros", "[storage]") {
    Bench bench;
    EntityTable table;
    CHECK(table.find(0) == nullptr);
    CHECK(table.find(0xFFFFFFFFU) == nullptr);
    CHECK(table.find_living(Entity{0, 1, 3}, 3) == nullptr);
    CHECK(table.index_end() == 0);
    table.prefetch_path(5);
    table.prefetch_record(5);
    REQUIRE(table.writable(bench.workspace, 100) != nullptr);
    const EntityRecord* const neighbour = table.find(101);
    REQUIRE(neighbour != nullptr);
    CHECK((neighbour->row == 0 && neighbour->archetype == 0 && neighbour->generation == 0));
    CHECK(table.find_living(Entity{101, 0, 3}, 3) == nullptr);
    CHECK(table.index_end() > 100);
}

TEST_CASE("a table that gets no memory says so", "[storage][memory]") {
    PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 4096;
    Bench bench{options};
    EntityTable table;
    bench.allocator.refuse_from = 0;
    CHECK(table.writable(bench.workspace, 0) == nullptr);
    CHECK(table.writable_run(bench.workspace, 0, 10).records == nullptr);
    CHECK(table.find(0) == nullptr);
    bench.allocator.refuse_from = 2;
    bench.allocator.calls = 0;
    std::uint32_t index = 0;
    while (EntityRecord* const record = table.writable(bench.workspace, index)) {
        *record = {index, 1, 1};
        ++index;
    }
    REQUIRE(index > 64);
    for (std::uint32_t i = 0; i < index; ++i) {
        REQUIRE(table.at(i).row == i);
    }
}

TEST_CASE("a page of records goes again with the transaction that needed it first", "[storage]") {
    Bench bench;
    EntityTable table;
    *table.writable(bench.workspace, 5) = {1, 1, 1};
    bench.workspace.keep();
    const std::size_t used = bench.pool.used_bytes();
    for (std::uint32_t index = 64; index < 64 * 60; ++index) {
        REQUIRE(table.writable(bench.workspace, index) != nullptr);
    }
    REQUIRE(bench.pool.used_bytes() > used);
    bench.workspace.undo_all();
    CHECK(bench.pool.used_bytes() == used);
    CHECK(table.find(64) == nullptr);
    CHECK(table.at(5).row == 1);
    REQUIRE(table.writable(bench.workspace, 64) != nullptr);
    CHECK(table.at(64).generation == 0);
}

TEST_CASE("only the living generation is found", "[storage]") {
    Bench bench;
    EntityTable table;
    *table.writable(bench.workspace, 70) = {5, 2, 9};
    REQUIRE(table.find_living(Entity{70, 9, 3}, 3) != nullptr);
    CHECK(table.find_living(Entity{70, 9, 3}, 3)->row == 5);
    CHECK(table.find_living(Entity{70, 8, 3}, 3) == nullptr);
    CHECK(table.find_living(Entity{70, 10, 3}, 3) == nullptr);
    CHECK(table.find_living(Entity{71, 9, 3}, 3) == nullptr);
    CHECK(table.find_living(Entity{70, 9, 3}, 2) == nullptr);
    CHECK(table.find_living(Entity{70, 9, 2}, 3) == nullptr);
    *table.writable(bench.workspace, 6) = {1, 2, Entity::max_generation};
    CHECK(table.find_living(Entity{6, Entity::max_generation, Entity::max_shard}, Entity::max_shard) != nullptr);
    CHECK(table.find_living(Entity{6, Entity::max_generation, Entity::max_shard}, Entity::max_shard - 1) == nullptr);
    table.writable(bench.workspace, 70)->archetype = storage::no_archetype;
    CHECK(table.find_living(Entity{70, 9, 3}, 3) == nullptr);
    CHECK(table.find(70)->generation == 9);
}

TEST_CASE("records of a run lie together, up to the end of their page", "[storage]") {
    Bench bench;
    EntityTable table;
    for (std::uint32_t index = 0; index < 1000;) {
        const EntityTable::Run run = table.writable_run(bench.workspace, index, 1000 - index);
        REQUIRE(run.records != nullptr);
        REQUIRE(run.count > 0);
        for (std::uint32_t i = 0; i < run.count; ++i) {
            run.records[i] = {index + i, 1, 1};
        }
        index += run.count;
    }
    for (std::uint32_t index = 0; index < 1000; ++index) {
        REQUIRE(table.at(index).row == index);
    }
    CHECK(table.writable_run(bench.workspace, 3, 2).count == 2);
}

TEST_CASE("indices somebody has had are found without a look at each of the others", "[storage]") {
    constexpr std::uint64_t none = std::uint64_t{1} << 32U;
    Bench bench;
    EntityTable table;
    CHECK(table.next_used(0) == none);
    const std::uint32_t last = 0xFFFFFFFFU;
    for (const std::uint32_t index : {0U, 70U, 71U, last}) {
        *table.writable(bench.workspace, index) = {0, index == 70 ? 0U : 1U, 1}; // nobody lives at 70 any more
    }
    CHECK(table.index_end() == none);
    CHECK(table.next_used(0) == 0);
    CHECK(table.next_used(1) == 70);
    CHECK(table.next_used(71) == 71);
    CHECK(table.next_used(last) == last);
    CHECK(table.next_used(none) == none);
    CHECK(table.next_used(72) == last);
}

TEST_CASE("older versions keep their records, and all are visited in order", "[storage]") {
    Bench bench;
    std::mt19937 random{1};
    EntityTable table;
    std::map<std::uint32_t, std::uint32_t> rows;
    struct Version {
        EntityTable table;
        std::map<std::uint32_t, std::uint32_t> rows;
    };
    std::vector<Version> versions;
    for (storage::Stamp stamp = 1; stamp < 60; ++stamp) {
        bench.workspace.set_stamp(stamp);
        for (int i = 0; i < 30; ++i) {
            const auto index = static_cast<std::uint32_t>(random() % 2 == 0 ? random() % 300 : random() % 3000000);
            const auto row = static_cast<std::uint32_t>(1 + random() % 1000000);
            *table.writable(bench.workspace, index) = {row, 1, 1};
            rows[index] = row;
        }
        versions.push_back({table, rows});
    }
    for (const Version& version : versions) {
        std::map<std::uint32_t, std::uint32_t> found;
        std::int64_t last = -1;
        version.table.for_each([&](std::uint32_t index, const EntityRecord& record) {
            REQUIRE(std::int64_t{index} > last);
            last = index;
            if (record.row != 0) {
                found[index] = record.row;
            }
        });
        REQUIRE(found == version.rows);
        REQUIRE(version.table.index_end() > version.rows.rbegin()->first);
    }
}

} // namespace ecsdb::test::entity_table_test
