#include "ecsdb/storage/rows.hpp"

#include "support/random_writer.hpp"

#include <map>
#include <string>
#include <vector>

namespace ecsdb::test::rows_test {
namespace {

using storage::Chunk;
using storage::Outcome;
using storage::WriteBuffer;

/// Index → the bytes of its rows in `tables`, as the model has them.
using Rows = std::map<std::uint32_t, std::vector<std::string>>;

Rows rows_of(const Model& model, const std::vector<TableId>& tables) {
    Rows rows;
    for (const auto& [index, living] : model.living) {
        std::vector<std::string> values;
        for (const TableId table : tables) {
            const auto found = living.rows.find(table);
            if (found != living.rows.end()) {
                values.push_back(*found->second);
            }
        }
        if (values.size() == tables.size()) {
            rows[index] = std::move(values);
        }
    }
    return rows;
}

std::string text(const std::byte* row, std::uint32_t bytes) {
    return {reinterpret_cast<const char*>(row), bytes};
}

} // namespace

TEST_CASE("a version without rows has none to walk", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const TableId in_table[] = {0};
    const TableId sparse[] = {3};
    const TableId both[] = {0, 3};
    storage::for_each_chunk(world.published(), in_table, [](const Chunk&) { FAIL("a chunk of nothing"); });
    for (const std::span<const TableId> tables :
         {std::span<const TableId>{in_table}, std::span<const TableId>{sparse}, std::span<const TableId>{both}}) {
        storage::for_each_row(world.published(), tables, [](std::uint32_t, const std::byte* const*) { FAIL("a row of nothing"); });
    }
    CHECK_FALSE(storage::any_sparse(world.store().schema(), in_table));
    CHECK(storage::any_sparse(world.store().schema(), both));
}

TEST_CASE("walking finds exactly the rows of the model, each once", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const Schema& schema = world.store().schema();
    RandomWriter writer{world, 31, 400};
    for (int batch = 0; batch < 25; ++batch) {
        REQUIRE(world.buffer().begin_batch());
        for (int i = 0; i < 12; ++i) {
            REQUIRE(writer.transaction(12) == "");
        }
        world.publish();
        for (const std::vector<TableId>& tables :
             std::vector<std::vector<TableId>>{{0}, {1}, {2}, {6, 0}, {0, 1, 2}, {3}, {4}, {5}, {3, 4}, {4, 0}, {0, 5, 1}, {6, 5, 4, 3}}) {
            CAPTURE(batch, tables);
            Rows found;
            storage::for_each_row(world.published(), tables, [&](std::uint32_t index, const std::byte* const* rows) {
                std::vector<std::string>& values = found[index];
                REQUIRE(values.empty());
                for (std::size_t i = 0; i < tables.size(); ++i) {
                    values.push_back(text(rows[i], schema.table(tables[i]).size));
                }
            });
            REQUIRE(found == rows_of(writer.model(), tables));
            if (storage::any_sparse(schema, tables)) {
                continue;
            }
            found.clear();
            storage::for_each_chunk(world.published(), tables, [&](const Chunk& chunk) {
                REQUIRE(chunk.count > 0);
                for (std::uint32_t i = 0; i < chunk.count; ++i) {
                    REQUIRE(chunk.archetype->index_at(chunk.first_row + i) == chunk.indices[i]);
                    std::vector<std::string>& values = found[chunk.indices[i]];
                    REQUIRE(values.empty());
                    for (std::size_t k = 0; k < tables.size(); ++k) {
                        const std::uint32_t bytes = schema.table(tables[k]).size;
                        values.push_back(text(chunk.rows[k] + std::size_t{i} * bytes, bytes));
                    }
                }
            });
            REQUIRE(found == rows_of(writer.model(), tables));
        }
    }
}

TEST_CASE("chunks are cut at the smallest page among the columns", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Byte", 1}, {"Position", 12}, {"Wide", 1000}, {"Tag", 0}})};
    world.commit([](WriteBuffer& writer) {
        const TableId tables[] = {0, 1, 2, 3};
        const RowBytes rows = row_from(1000 * 300, 1);
        const std::byte* const columns[] = {bytes_of(rows), bytes_of(rows), bytes_of(rows), nullptr};
        REQUIRE(storage::create_many(writer, Entity{0, 1, 0}, 300, tables, columns) == Outcome::Done);
    });
    const auto chunks = [&](std::vector<TableId> tables) {
        std::vector<std::uint32_t> counts;
        storage::for_each_chunk(world.published(), tables, [&](const Chunk& chunk) { counts.push_back(chunk.count); });
        return counts;
    };
    CHECK(chunks({0}) == std::vector<std::uint32_t>{256, 44});
    CHECK(chunks({3}) == std::vector<std::uint32_t>{256, 44});
    CHECK(chunks({0, 1}) == std::vector<std::uint32_t>{128, 128, 44});
    CHECK(chunks({2, 3}) == std::vector<std::uint32_t>(150, 2));
}

TEST_CASE("the hash depends on the state, not on how it came about", "[storage]") {
    CountingAllocator allocator;
    const auto schema = schema_of_all_kinds();
    World one{allocator, schema};
    World other{allocator, schema};
    const auto row = [](std::uint32_t index) { return row_from(5000, index); };
    CHECK(storage::hash_of(one.published()) == storage::hash_of(other.published()));
    one.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 50; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            for (TableId table = 0; table < 7; ++table) {
                REQUIRE(writer.insert(Entity{index, 1, 0}, table, bytes_of(row(index))) == Outcome::Done);
            }
        }
    });
    for (std::uint32_t i = 0; i < 50; ++i) {
        other.commit([&](WriteBuffer& writer) {
            const std::uint32_t index = 49 - i;
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            for (TableId table = 7; table-- > 0;) {
                REQUIRE(writer.set(Entity{index, 1, 0}, table, bytes_of(row(i))) == Outcome::Done);
                REQUIRE(writer.set(Entity{index, 1, 0}, table, bytes_of(row(index))) == Outcome::Done);
            }
        });
    }
    const std::uint64_t same = storage::hash_of(one.published());
    CHECK(storage::hash_of(other.published()) == same);
    other.undo([](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{4, 1, 0}) == Outcome::Done); });
    CHECK(storage::hash_of(other.buffer().root()) == same);
    std::vector<std::uint64_t> hashes{same};
    const auto changed = [&](auto&& work) {
        one.commit(work);
        hashes.push_back(storage::hash_of(one.published()));
    };
    changed([](WriteBuffer& writer) { REQUIRE(writer.remove(Entity{4, 1, 0}, 4) == Outcome::Done); });
    changed([](WriteBuffer& writer) { REQUIRE(writer.remove(Entity{4, 1, 0}, 1) == Outcome::Done); });
    changed([](WriteBuffer& writer) {
        const std::byte value{0x55};
        REQUIRE(writer.update_part(Entity{4, 1, 0}, 2, 4999, 1, &value) == Outcome::Done);
    });
    changed([](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{4, 1, 0}) == Outcome::Done); });
    changed([](WriteBuffer& writer) { REQUIRE(writer.create(Entity{4, 2, 0}) == Outcome::Done); });
    changed([](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{4, 2, 0}) == Outcome::Done); }); // the id is spent
    std::sort(hashes.begin(), hashes.end());
    CHECK(std::unique(hashes.begin(), hashes.end()) == hashes.end());
}

} // namespace ecsdb::test::rows_test
