#include "ecsdb/storage/root.hpp"

#include "support/random_writer.hpp"

#include <set>

namespace ecsdb::test::root_test {

using storage::Archetype;
using storage::Outcome;
using storage::WriteBuffer;

TEST_CASE("the first version is empty and answers every question", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds(), {}, 3};
    const storage::Root& root = world.published();
    CHECK(root.version == 0);
    CHECK(root.entity_count == 0);
    CHECK(root.shard == 3);
    CHECK(root.schema == &world.store().schema());
    CHECK(root.find_living(Entity{}) == nullptr);
    CHECK(root.find_living(Entity{0, 1, 3}) == nullptr);
    CHECK(root.sparse(3) == nullptr);
    root.for_each_archetype([](const Archetype&) { FAIL("there is none"); });
    CHECK(difference(root, world.store().schema(), Model{}) == "");
}

TEST_CASE("an entity of another shard is not found, whatever its index", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds(), {}, 3};
    world.commit([](WriteBuffer& writer) { REQUIRE(writer.create(Entity{7, 1, 3}) == Outcome::Done); });
    CHECK(world.published().find_living(Entity{7, 1, 3}) != nullptr);
    CHECK(world.published().find_living(Entity{7, 1, 0}) == nullptr);
    CHECK(world.published().entity_at(7) == Entity{7, 1, 3});
    CHECK(world.published().version == 1);
    CHECK(world.published().time_ns == 1);
}

TEST_CASE("rows are found in tables, tags and sparse tables alike", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const Schema& schema = world.store().schema();
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 14; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            for (const Table& table : schema.tables()) {
                if ((index >> table.id % 3 & 1U) != 0) {
                    REQUIRE(writer.insert(Entity{index, 1, 0}, table.id, bytes_of(row_from(5000, index))) == Outcome::Done);
                }
            }
        }
    });
    const storage::Root& root = world.published();
    for (std::uint32_t index = 0; index < 14; ++index) {
        for (const Table& table : schema.tables()) {
            CAPTURE(index, table.name);
            const std::byte* const row = root.find_row(*root.find_living(Entity{index, 1, 0}), index, table.id);
            REQUIRE((row != nullptr) == ((index >> table.id % 3 & 1U) != 0));
            CHECK((row == nullptr || std::memcmp(row, row_from(5000, index)->data(), table.size) == 0));
        }
    }
    std::uint64_t rows = 0;
    std::set<storage::ArchetypeId> ids;
    root.for_each_archetype([&](const Archetype& archetype) {
        rows += archetype.rows;
        CHECK(ids.insert(archetype.shape->id()).second);
        CHECK(archetype.shape->id() < root.archetype_end);
        for (std::uint32_t row = 0; row < archetype.rows; ++row) {
            CHECK(root.entities.at(archetype.index_at(row)).row == row);
            CHECK(root.entities.at(archetype.index_at(row)).archetype == archetype.shape->id());
        }
    });
    CHECK(rows == 14);
}

} // namespace ecsdb::test::root_test
