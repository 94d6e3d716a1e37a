#include "ecsdb/storage/sparse.hpp"

#include "support/storage_fixture.hpp"

#include <random>

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

TEST_CASE("a block of large rows is as large as its rows need", "[storage]") {
    constexpr std::uint32_t stride = 4000;
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Map", stride, Storage::Sparse}})};
    const auto block = [&] { return world.buffer().root().sparse(target)->block_of(0); };
    const auto change = [&](std::uint32_t index, bool add) {
        world.commit([&](WriteBuffer& writer) {
            REQUIRE((add ? writer.insert(Entity{index, 1, 0}, target, bytes_of(row_from(stride, index)))
                         : writer.remove(Entity{index, 1, 0}, target)) == Outcome::Done);
        });
    };
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < SparseBlock::size; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
        }
    });
    for (std::uint32_t i = 0; i < SparseBlock::size; ++i) {
        change(i * 37 % SparseBlock::size, true);
        CHECK(block()->rows() == i + 1);
        CHECK(block()->bytes <= 2 * (i + 1) * stride + 1024);
    }
    for (std::uint32_t i = 0; i < SparseBlock::size - 1; ++i) {
        change(i * 29 % SparseBlock::size, false);
        const std::uint32_t left = SparseBlock::size - 1 - i;
        CHECK(block()->rows() == left);
        CHECK(block()->bytes <= 4 * (left + 1) * stride + 1024);
        for (std::uint32_t j = i + 1; j < SparseBlock::size; ++j) {
            const std::uint32_t index = j * 29 % SparseBlock::size;
            const std::byte* const row = world.published().sparse(target)->find(index);
            REQUIRE(row != nullptr);
            REQUIRE(std::memcmp(row, row_from(stride, index)->data(), stride) == 0);
        }
    }
}

TEST_CASE("a block of few small rows takes less than one of many", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Burning", 12, Storage::Sparse}})};
    const auto bytes = [&] { return world.buffer().root().sparse(target)->block_of(0)->bytes; };
    const auto each = [&](std::uint32_t from, std::uint32_t to, auto&& change) {
        world.commit([&](WriteBuffer& writer) {
            for (std::uint32_t index = from; index < to; ++index) {
                REQUIRE(change(writer, index) == Outcome::Done);
            }
        });
    };
    const auto add = [](WriteBuffer& writer, std::uint32_t index) {
        return writer.insert(Entity{index, 1, 0}, target, bytes_of(row_from(12, index)));
    };
    each(0, 64, [](WriteBuffer& writer, std::uint32_t index) { return writer.create(Entity{index, 1, 0}); });
    each(20, 28, add);
    CHECK(bytes() <= 256);
    each(28, 29, add);
    CHECK(bytes() >= 64 * 12);
    each(24, 29, [](WriteBuffer& writer, std::uint32_t index) { return writer.remove(Entity{index, 1, 0}, target); });
    each(20, 21, [](WriteBuffer& writer, std::uint32_t index) { return writer.remove(Entity{index, 1, 0}, target); });
    CHECK(bytes() <= 256); // the next change copied it into a smaller one
    for (std::uint32_t index = 21; index < 24; ++index) {
        const std::byte* const row = world.published().sparse(target)->find(index);
        REQUIRE(row != nullptr);
        CHECK(std::memcmp(row, row_from(12, index)->data(), 12) == 0);
    }
}

TEST_CASE("sparse rows that go, come and change places are as they were when the transaction fails", "[storage]") {
    const std::uint32_t stride = GENERATE(1U, 12U, 32U, 33U, 300U);
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Map", stride, Storage::Sparse}})};
    Model model;
    std::mt19937 random{stride};
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 130; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            model.generations[index] = model.living[index].generation = 1;
        }
    });
    for (int round = 0; round < 200; ++round) {
        Model after = model;
        const auto step = [&](WriteBuffer& writer) {
            after = model;
            const std::size_t operations = random() % 80;
            for (std::size_t i = 0; i < operations; ++i) {
                const auto index = static_cast<std::uint32_t>(random() % 130);
                auto& rows = after.living[index].rows;
                const RowBytes row = row_from(stride, static_cast<std::uint32_t>(random()));
                const bool there = rows.count(target) != 0;
                // Rounds differ in how full they leave the blocks.
                if (there && random() % 8 < static_cast<unsigned>(round % 8)) {
                    REQUIRE(writer.remove(Entity{index, 1, 0}, target) == Outcome::Done);
                    rows.erase(target);
                } else {
                    REQUIRE((there ? writer.update(Entity{index, 1, 0}, target, bytes_of(row))
                                   : writer.insert(Entity{index, 1, 0}, target, bytes_of(row))) == Outcome::Done);
                    rows[target] = row;
                }
            }
        };
        if (round % 3 == 0) {
            world.undo(step);
            REQUIRE(difference(world.buffer().root(), world.store().schema(), model) == "");
        } else {
            world.commit(step);
            model = after;
        }
        REQUIRE(difference(world.published(), world.store().schema(), model) == "");
    }
}

} // namespace ecsdb::test::sparse_test
