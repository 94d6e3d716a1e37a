#include "ecsdb/storage/sparse.hpp"

#include "support/storage_fixture.hpp"

namespace ecsdb::test::sparse_test {
namespace {

using storage::Outcome;
using storage::SparseBlock;
using storage::SparseTable;
using storage::WriteBuffer;

constexpr TableId target = 0;
constexpr TableId tag = 1;

} // namespace

TEST_CASE("a sparse table nobody has written to has no rows", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Target", 24, Storage::Sparse}, {"Tag", 0, Storage::Sparse}})};
    CHECK(world.published().sparse(target) == nullptr);
    CHECK(world.published().sparse(999) == nullptr);
    world.undo([&](WriteBuffer& writer) {
        REQUIRE(writer.create(Entity{0, 1, 0}) == Outcome::Done);
        REQUIRE(writer.insert(Entity{0, 1, 0}, tag, nullptr) == Outcome::Done);
    });
    const SparseTable* const table = world.buffer().root().sparse(tag);
    REQUIRE(table != nullptr);
    CHECK(table->rows == 0);
    CHECK(table->find(0) == nullptr);
    CHECK(table->block_of(0) == nullptr);
}

TEST_CASE("rows lie at their own place, next to where others are missing", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Target", 24, Storage::Sparse}, {"Tag", 0, Storage::Sparse}})};
    const std::vector<std::uint32_t> indices = {0, 1, 62, 63, 64, 127, 128, 5000, 100000};
    world.commit([&](WriteBuffer& writer) {
        for (const std::uint32_t index : indices) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            REQUIRE(writer.insert(Entity{index, 1, 0}, target, bytes_of(row_from(24, index))) == Outcome::Done);
            REQUIRE(writer.insert(Entity{index, 1, 0}, tag, nullptr) == Outcome::Done);
        }
    });
    const SparseTable& rows = *world.published().sparse(target);
    const SparseTable& tags = *world.published().sparse(tag);
    CHECK(rows.rows == indices.size());
    CHECK(rows.stride == 24);
    CHECK(rows.table == target);
    for (const std::uint32_t index : indices) {
        CAPTURE(index);
        REQUIRE(rows.find(index) != nullptr);
        CHECK(std::memcmp(rows.find(index), row_from(24, index)->data(), 24) == 0);
        CHECK(reinterpret_cast<std::uintptr_t>(rows.find(index)) % 8 == 0);
        CHECK(tags.find(index) != nullptr);
        CHECK((rows.block_of(index)->present & SparseBlock::bit(index)) != 0);
    }
    for (const std::uint32_t index : {2U, 61U, 65U, 4999U, 99999U, 0xFFFFFFFFU}) {
        CHECK(rows.find(index) == nullptr);
        CHECK(tags.find(index) == nullptr);
    }
}

TEST_CASE("adding and removing a sparse row moves no other component", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Target", 24, Storage::Sparse}, {"Tag", 0, Storage::Sparse}, {"Position", 12}})};
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 200; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            REQUIRE(writer.insert(Entity{index, 1, 0}, 2, bytes_of(row_from(12, index))) == Outcome::Done);
        }
    });
    const storage::Archetype* const home = &world.published().archetype(world.published().entities.at(5).archetype);
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.insert(Entity{5, 1, 0}, tag, nullptr) == Outcome::Done); });
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.remove(Entity{5, 1, 0}, tag) == Outcome::Done); });
    CHECK(&world.published().archetype(world.published().entities.at(5).archetype) == home);
    CHECK(world.published().sparse(tag)->rows == 0);
    CHECK(world.published().sparse(tag)->block_of(5) == nullptr); // an empty block goes
}

} // namespace ecsdb::test::sparse_test
