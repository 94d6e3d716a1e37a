#include "ecsdb/storage/archetype.hpp"

#include "support/storage_fixture.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace ecsdb::test::archetype_test {
namespace {

using storage::ArchetypeCatalog;
using storage::ArchetypeShape;

std::vector<TableId> tables_of(const ArchetypeShape& shape) {
    std::vector<TableId> tables;
    for (const storage::ColumnShape& column : shape.columns()) {
        tables.push_back(column.table);
    }
    return tables;
}

std::shared_ptr<const Schema> many_tables(std::uint32_t count) {
    std::vector<TableSpec> specs;
    for (std::uint32_t i = 0; i < count; ++i) {
        specs.push_back({"Table" + std::to_string(i), i % 50});
    }
    return schema_of(specs);
}

} // namespace

TEST_CASE("a catalog that gets no memory says so and loses nothing", "[storage][memory]") {
    const auto schema = many_tables(30);
    std::uint64_t refused = 1;
    for (std::uint64_t call = 0; refused != 0; ++call) {
        CountingAllocator allocator;
        allocator.refuse_call = call;
        ArchetypeCatalog catalog{allocator};
        ArchetypeShape* shape = catalog.find_or_add(*schema, {});
        shape = shape == nullptr ? catalog.find_or_add(*schema, {}) : shape;
        REQUIRE(shape != nullptr);
        std::vector<TableId> expected;
        for (TableId i = 0; i < 8; ++i) {
            const auto table = static_cast<TableId>(i * 7 % 30);
            ArchetypeShape* next = catalog.neighbour(*schema, *shape, table);
            next = next == nullptr ? catalog.neighbour(*schema, *shape, table) : next;
            REQUIRE(next != nullptr);
            shape = next;
            expected.push_back(table);
            std::sort(expected.begin(), expected.end());
            REQUIRE(tables_of(*shape) == expected);
        }
        CHECK(catalog.count() == 9);
        refused = allocator.refused;
    }
}

TEST_CASE("one set of tables is one shape, whatever way leads to it", "[storage]") {
    CountingAllocator allocator;
    ArchetypeCatalog catalog{allocator};
    const auto schema = many_tables(300);
    std::mt19937 random{4};
    ArchetypeShape* const empty = catalog.find_or_add(*schema, {});
    CHECK(empty->columns().empty());
    CHECK_FALSE(empty->has(0));
    CHECK(empty->column_of(299) == ArchetypeShape::no_column);
    std::set<std::pair<std::vector<TableId>, storage::ArchetypeId>> seen;
    for (int i = 0; i < 200; ++i) {
        std::set<TableId> chosen;
        ArchetypeShape* shape = empty;
        for (int k = 0; k < 12; ++k) {
            const auto table = static_cast<TableId>(random() % 300);
            shape = catalog.neighbour(*schema, *shape, table);
            if (!chosen.insert(table).second) {
                chosen.erase(table);
            }
        }
        const std::vector<TableId> tables(chosen.begin(), chosen.end());
        REQUIRE(tables_of(*shape) == tables);
        REQUIRE(catalog.find_or_add(*schema, tables) == shape);
        seen.insert({tables, shape->id()});
        for (TableId table = 0; table < 300; ++table) {
            REQUIRE(shape->has(table) == (chosen.count(table) != 0));
            if (shape->has(table)) {
                const storage::ColumnShape& column = shape->columns()[shape->column_of(table)];
                REQUIRE(column.table == table);
                REQUIRE(column.geometry.stride == schema->table(table).size);
            }
        }
    }
    std::set<std::vector<TableId>> sets;
    std::set<storage::ArchetypeId> ids;
    for (const auto& [tables, id] : seen) {
        sets.insert(tables);
        ids.insert(id);
    }
    CHECK(sets.size() == seen.size());
    CHECK(ids.size() == seen.size());
    CHECK(ids.count(storage::no_archetype) == 0);
    CHECK(*ids.rbegin() <= catalog.count());
}

TEST_CASE("there and back again is the same shape, and going again asks for no memory", "[storage][memory]") {
    CountingAllocator allocator;
    ArchetypeCatalog catalog{allocator};
    const auto schema = many_tables(10);
    const TableId tables[] = {2, 5};
    ArchetypeShape* const shape = catalog.find_or_add(*schema, tables);
    ArchetypeShape* const more = catalog.neighbour(*schema, *shape, 3);
    ArchetypeShape* const fewer = catalog.neighbour(*schema, *shape, 2);
    CHECK(tables_of(*more) == std::vector<TableId>{2, 3, 5});
    CHECK(tables_of(*fewer) == std::vector<TableId>{5});
    CHECK(catalog.neighbour(*schema, *more, 3) == shape);
    CHECK(catalog.neighbour(*schema, *fewer, 2) == shape);
    const std::uint64_t calls = allocator.calls;
    CHECK(catalog.neighbour(*schema, *shape, 3) == more);
    CHECK(catalog.neighbour(*schema, *more, 3) == shape);
    CHECK(allocator.calls == calls);
}

} // namespace ecsdb::test::archetype_test
