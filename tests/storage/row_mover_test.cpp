#include "ecsdb/storage/row_mover.hpp"

#include "support/random_writer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace ecsdb::test::row_mover_test {
namespace {

using storage::Outcome;
using storage::WriteBuffer;
using RowOf = WriteBuffer::RowOf;

constexpr TableId position = 0;
constexpr TableId name = 1; // of odd size, so that pages of its column end elsewhere
constexpr TableId extra = 2;
constexpr TableId tag = 3;
constexpr TableId burning = 4;
constexpr std::uint32_t population = 700;

std::shared_ptr<const Schema> mixed_schema() {
    return schema_of({{"Position", 12}, {"Name", 37}, {"Extra", 8}, {"Tag", 0}, {"Burning", 20, Storage::Sparse}});
}

/// A world whose entities 1 to `population` have a position; every other one a name, too.
void populate(World& world) {
    world.commit([](WriteBuffer& state) {
        for (std::uint32_t i = 1; i <= population; ++i) {
            const Entity entity{i, 1, 0};
            REQUIRE(state.create(entity) == Outcome::Done);
            REQUIRE(state.insert(entity, position, bytes_of(row_from(12, i))) == Outcome::Done);
            REQUIRE((i % 2 != 0 || state.insert(entity, name, bytes_of(row_from(37, i))) == Outcome::Done));
        }
    });
}

std::uint32_t size_of(TableId table) {
    return std::array{12U, 37U, 8U, 0U, 20U}[table];
}

/// Many at once, and whatever sets itself apart by itself, as a transaction does; what it says of each.
std::vector<Outcome> in_groups(WriteBuffer& state, TableId table, bool adds, const std::vector<RowOf>& rows) {
    std::vector<Outcome> outcomes;
    while (outcomes.size() < rows.size()) {
        const std::size_t most = std::min<std::size_t>(WriteBuffer::most_at_once, rows.size() - outcomes.size());
        const std::span<const RowOf> some{rows.data() + outcomes.size(), most};
        const auto done = adds ? state.insert_many(table, some) : state.remove_many(table, some);
        REQUIRE_FALSE(done.refused);
        REQUIRE(done.done <= most);
        outcomes.insert(outcomes.end(), done.done, Outcome::Done);
        if (done.done == 0) {
            const RowOf& row = some.front();
            outcomes.push_back(adds ? state.insert(row.entity, table, row.row) : state.remove(row.entity, table));
        }
    }
    return outcomes;
}
std::vector<Outcome> one_by_one(WriteBuffer& state, TableId table, bool adds, const std::vector<RowOf>& rows) {
    std::vector<Outcome> outcomes;
    for (const RowOf& row : rows) {
        outcomes.push_back(adds ? state.insert(row.entity, table, row.row) : state.remove(row.entity, table));
    }
    return outcomes;
}

} // namespace

TEST_CASE("many rows at once leave what the same rows one by one leave", "[storage][row_mover]") {
    const auto seed = GENERATE(1U, 2U, 3U);
    CAPTURE(seed);
    CountingAllocator allocator;
    World together{allocator, mixed_schema()};
    World apart{allocator, mixed_schema()};
    populate(together);
    populate(apart);
    std::mt19937 random{seed};
    const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
    for (int transaction = 0; transaction < 60; ++transaction) {
        const TableId table = static_cast<TableId>(1 + below(4));
        const bool adds = below(2) == 0;
        const bool in_order = below(2) == 0;
        const bool kept = below(3) != 0;
        std::vector<RowBytes> bytes;
        std::vector<RowOf> rows;
        const std::uint32_t count = 1 + below(300);
        const std::uint32_t first = below(population);
        for (std::uint32_t i = 0; i < count; ++i) {
            // Some twice, some dead, some of another generation.
            const std::uint32_t index = in_order ? (first + i) % (population + 5) : below(population + 5);
            bytes.push_back(row_from(std::max(size_of(table), 1U), random()));
            rows.push_back({Entity{index, below(50) == 0 ? 2U : 1U, 0}, nullptr});
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            rows[i].row = adds && size_of(table) != 0 ? bytes_of(bytes[i]) : nullptr;
        }
        CAPTURE(transaction, table, adds, in_order, count, kept);
        for (World* const world : {&together, &apart}) {
            REQUIRE(world->buffer().begin_batch());
            world->buffer().begin_transaction();
        }
        REQUIRE(in_groups(together.buffer(), table, adds, rows) == one_by_one(apart.buffer(), table, adds, rows));
        REQUIRE(storage::hash_of(together.buffer().root()) == storage::hash_of(apart.buffer().root()));
        for (World* const world : {&together, &apart}) {
            kept ? world->buffer().keep_transaction(1) : world->buffer().undo_transaction();
            world->publish();
        }
        REQUIRE(storage::hash_of(together.published()) == storage::hash_of(apart.published()));
        for (std::uint32_t i = 1; i <= population; ++i) {
            REQUIRE(together.store().entity_versions().count(i) == apart.store().entity_versions().count(i));
        }
    }
}

TEST_CASE("rows that move together are noted one by one", "[storage][row_mover]") {
    CountingAllocator allocator;
    World world{allocator, mixed_schema()};
    world.buffer().changes().set_recording(true);
    populate(world);
    REQUIRE(world.buffer().begin_batch());
    world.buffer().begin_transaction();
    for (const TableId table : {position, burning}) {
        std::vector<RowOf> rows;
        std::vector<RowBytes> bytes;
        for (std::uint32_t i = 1; i <= 9; i += 2) {
            bytes.push_back(row_from(20, i + 100));
        }
        for (std::uint32_t i = 1; i <= 9; i += 2) {
            rows.push_back({Entity{i, 1, 0}, bytes_of(bytes[i / 2])});
        }
        if (table == burning) {
            REQUIRE(world.buffer().insert_many(table, rows).done == 5);
        }
        REQUIRE(world.buffer().remove_many(table, rows).done == 5);
        const auto list = world.buffer().changes().list();
        REQUIRE(list.size() >= 5);
        for (std::uint32_t i = 0; i < 5; ++i) {
            const storage::Change& change = list[list.size() - 5 + i];
            CHECK(change.index == 2 * i + 1);
            CHECK(change.table == table);
            CHECK(change.kind == storage::ChangeKind::Removed);
            const RowBytes before = table == position ? row_from(12, 2 * i + 1) : bytes[i];
            CHECK(std::equal(bytes_of(before), bytes_of(before) + size_of(table), world.buffer().changes().before(change)));
        }
    }
    world.buffer().undo_transaction();
    world.publish();
}

TEST_CASE("a group that is refused memory anywhere is undone without a trace", "[storage][row_mover][memory]") {
    storage::PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 4096;
    std::uint64_t refused = 1;
    for (std::uint64_t call = 0; refused != 0; ++call) {
        CountingAllocator allocator;
        World world{allocator, mixed_schema(), options};
        populate(world);
        const std::uint64_t before = storage::hash_of(world.published());
        REQUIRE(world.buffer().begin_batch());
        world.buffer().begin_transaction();
        const std::uint64_t refused_before = allocator.refused;
        allocator.refuse_call = allocator.calls + call;
        const RowBytes row = row_from(20, 5);
        std::vector<RowOf> rows;
        for (std::uint32_t i = 0; i < WriteBuffer::most_at_once; ++i) {
            rows.push_back({Entity{1 + 10 * i, 1, 0}, bytes_of(row)});
        }
        const bool done = !world.buffer().insert_many(extra, rows).refused && !world.buffer().insert_many(burning, rows).refused &&
                          !world.buffer().remove_many(position, rows).refused;
        refused = allocator.refused - refused_before;
        CHECK(done == (refused == 0));
        world.buffer().undo_transaction();
        CHECK(storage::hash_of(world.buffer().root()) == before);
        world.publish();
    }
}

} // namespace ecsdb::test::row_mover_test
