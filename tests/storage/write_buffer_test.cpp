#include "ecsdb/storage/write_buffer.hpp"

#include "support/random_writer.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::write_buffer_test {
namespace {

using storage::Outcome;
using storage::PoolOptions;
using storage::Root;
using storage::Store;
using storage::WriteBuffer;

/// So small that nearly every step asks the allocator for something.
PoolOptions tiny_blocks() {
    PoolOptions options;
    options.first_block_bytes = 4096;
    options.max_block_bytes = 16384;
    return options;
}

constexpr TableId position = 0;
constexpr TableId visible = 1;
constexpr TableId target = 3;
constexpr TableId burning = 4;

} // namespace

TEST_CASE("operations on what is dead, absent, present or foreign say so", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds(), {}, 5};
    const Entity entity{3, 2, 5};
    const RowBytes row = row_from(12, 1);
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.create(entity) == Outcome::Done); });

    REQUIRE(world.buffer().begin_batch());
    world.buffer().begin_transaction();
    WriteBuffer& writer = world.buffer();
    SECTION("entities") {
        CHECK(writer.create(entity) == Outcome::AlreadyExists);
        CHECK(writer.create(Entity{3, 1, 5}) == Outcome::AlreadyExists);
        CHECK(writer.create(Entity{4, 0, 5}) == Outcome::AlreadyExists);
        CHECK(writer.create(Entity{4, 1, 6}) == Outcome::WrongShard);
        CHECK(writer.destroy(Entity{3, 2, 6}) == Outcome::WrongShard);
        CHECK(writer.destroy(Entity{3, 1, 5}) == Outcome::Absent);
        CHECK(writer.destroy(Entity{9, 1, 5}) == Outcome::Absent);
        CHECK(writer.destroy(Entity{4000000000U, 1, 5}) == Outcome::Absent);
        CHECK(writer.destroy(entity) == Outcome::Done);
        CHECK(writer.destroy(entity) == Outcome::Absent);
        CHECK(writer.create(entity) == Outcome::AlreadyExists); // a spent generation never comes back
        CHECK(writer.create(Entity{3, 3, 5}) == Outcome::Done);
    }
    SECTION("rows") {
        for (const TableId table : {position, target}) {
            CAPTURE(table);
            CHECK(writer.update(entity, table, bytes_of(row)) == Outcome::NotFound);
            CHECK(writer.update_part(entity, table, 0, 4, bytes_of(row)) == Outcome::NotFound);
            CHECK(writer.remove(entity, table) == Outcome::Absent);
            CHECK(writer.insert(entity, table, bytes_of(row)) == Outcome::Done);
            CHECK(writer.insert(entity, table, bytes_of(row)) == Outcome::AlreadyExists);
        }
        for (const TableId tag : {visible, burning}) {
            CAPTURE(tag);
            CHECK(writer.update(entity, tag, nullptr) == Outcome::NotFound);
            CHECK(writer.remove(entity, tag) == Outcome::Absent);
            CHECK(writer.set(entity, tag, nullptr) == Outcome::Done);
            CHECK(writer.set(entity, tag, nullptr) == Outcome::Done);
            CHECK(writer.update(entity, tag, nullptr) == Outcome::Done);
            CHECK(writer.insert(entity, tag, nullptr) == Outcome::AlreadyExists);
        }
        for (const Entity nobody : {Entity{3, 1, 5}, Entity{3, 3, 5}, Entity{100, 1, 5}}) {
            CHECK(writer.insert(nobody, position, bytes_of(row)) == Outcome::NotFound);
            CHECK(writer.update(nobody, position, bytes_of(row)) == Outcome::NotFound);
            CHECK(writer.set(nobody, position, bytes_of(row)) == Outcome::NotFound);
            CHECK(writer.update_part(nobody, position, 0, 4, bytes_of(row)) == Outcome::NotFound);
            CHECK(writer.remove(nobody, position) == Outcome::Absent);
            CHECK(writer.find_row(nobody, position) == nullptr);
        }
        CHECK(writer.set(Entity{3, 2, 0}, position, bytes_of(row)) == Outcome::WrongShard);
        CHECK(writer.update_part(Entity{3, 2, 0}, position, 0, 4, bytes_of(row)) == Outcome::WrongShard);
        CHECK(writer.remove(Entity{3, 2, 0}, position) == Outcome::WrongShard);
    }
    writer.undo_transaction();
    Model model;
    model.generations[3] = 2;
    model.living[3] = {2, {}};
    CHECK(difference(writer.root(), world.store().schema(), model) == "");
}

TEST_CASE("random transactions leave what a plain model says, and pinned versions never change", "[storage]") {
    const auto seed = GENERATE(1U, 2U, 3U, 4U);
    const bool recording = seed % 2 == 0;
    CAPTURE(seed);
    CountingAllocator allocator;
    {
        World world{allocator, schema_of_all_kinds()};
        world.buffer().changes().set_recording(recording);
        RandomWriter writer{world, seed};
        struct Kept {
            Store::Pins::Pin pin;
            Model model;
        };
        std::vector<Kept> kept;
        std::string wrong;
        for (int batch = 0; batch < 250 && wrong.empty(); ++batch) {
            REQUIRE(world.buffer().begin_batch());
            for (std::uint64_t left = 1 + writer.below(6); left != 0 && wrong.empty(); --left) {
                wrong = writer.transaction(batch % 16 == 15 ? 150 : 12);
            }
            world.publish();
            if (wrong.empty()) {
                wrong = writer.check(world.published());
            }
            if (writer.below(4) == 0) {
                kept.push_back({world.store().pin(), writer.model()});
            }
            while (!kept.empty() && wrong.empty() && (kept.size() > 12 || writer.below(5) == 0)) {
                const auto old = kept.begin() + static_cast<std::ptrdiff_t>(writer.below(kept.size()));
                wrong = difference(*old->pin.root, world.store().schema(), old->model);
                Store::Pins::unpin(*old->pin.slot);
                kept.erase(old);
            }
            if (batch % 60 == 59) {
                writer.destroy_all();
            }
        }
        REQUIRE(wrong == "");
        for (const Kept& old : kept) {
            REQUIRE(difference(*old.pin.root, world.store().schema(), old.model) == "");
            Store::Pins::unpin(*old.pin.slot);
        }
        writer.destroy_all();
        world.reclaim();
        CHECK_FALSE(world.store().reclaimer().holds_anything());
    }
    CHECK(allocator.mismatches == 0);
}

TEST_CASE("memory refused once, at whatever call, undoes one transaction and nothing else", "[storage][memory]") {
    const auto schema = schema_of_all_kinds();
    const bool recording = GENERATE(false, true);
    const bool for_good = GENERATE(false, true); // until the transaction has been undone, that is
    std::uint64_t refused_in_transactions = 0;
    bool refused = true;
    for (std::uint64_t call = 0; refused; ++call) {
        CAPTURE(call, for_good);
        CountingAllocator allocator;
        (for_good ? allocator.refuse_from : allocator.refuse_call) = call;
        {
            World world{allocator, schema, tiny_blocks()};
            if (world.is_open()) {
                world.buffer().changes().set_recording(recording);
                RandomWriter writer{world, 99, 60};
                std::string wrong;
                for (int batch = 0; batch < 12 && wrong.empty(); ++batch) {
                    if (!world.buffer().begin_batch()) {
                        allocator.refuse_from = CountingAllocator::never;
                        REQUIRE(writer.check(world.published()) == "");
                        REQUIRE(world.buffer().begin_batch());
                    }
                    for (int transaction = 0; transaction < 3 && wrong.empty(); ++transaction) {
                        wrong = writer.transaction(10);
                        if (writer.refusals() != 0) {
                            allocator.refuse_from = CountingAllocator::never;
                        }
                    }
                    world.publish();
                    wrong = wrong.empty() ? writer.check(world.published()) : wrong;
                }
                REQUIRE(wrong == "");
                refused_in_transactions += writer.refusals();
            }
        }
        refused = allocator.refused != 0;
        REQUIRE(allocator.mismatches == 0);
        REQUIRE(allocator.live_bytes == 0);
    }
    CHECK(refused_in_transactions > 20);
}

TEST_CASE("a tag that is there stays there when memory is refused", "[storage][memory]") {
    CountingAllocator allocator;
    PoolOptions options;
    options.first_block_bytes = 4096;
    options.max_block_bytes = 4096;
    World world{allocator, schema_of({{"Visible", 0}}), options};
    const Entity entity{0, 1, 0};
    world.commit([&](WriteBuffer& writer) {
        REQUIRE(writer.create(entity) == Outcome::Done);
        REQUIRE(writer.insert(entity, 0, nullptr) == Outcome::Done);
    });
    // Whichever node the pool has to ask a new block for: the refusal must show, and change nothing.
    for (int step = 0; step < 200; ++step) {
        REQUIRE(world.buffer().begin_batch());
        static_cast<void>(world.store().pool().take(64));
        for (const auto operation : {&WriteBuffer::set, &WriteBuffer::update}) {
            world.buffer().begin_transaction();
            allocator.refuse_call = allocator.calls;
            const Outcome outcome = (world.buffer().*operation)(entity, 0, nullptr);
            const bool refused = allocator.refused != 0;
            allocator.refused = 0;
            allocator.refuse_call = CountingAllocator::never;
            REQUIRE(outcome == (refused ? Outcome::OutOfMemory : Outcome::Done));
            if (refused) {
                world.buffer().undo_transaction();
            } else {
                world.buffer().keep_transaction(1);
            }
            REQUIRE(world.buffer().find_row(entity, 0) != nullptr);
        }
        world.publish();
    }
}

TEST_CASE("updates and cycles of create and destroy allocate nothing once warm", "[storage][memory]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    world.buffer().changes().set_recording(true);
    const RowBytes rows[] = {row_from(5000, 1), row_from(5000, 2)};
    std::uint32_t generation = 0;
    const auto cycle = [&](int i) {
        world.commit([&](WriteBuffer& writer) {
            ++generation;
            for (std::uint32_t index = 0; index < 300; ++index) {
                REQUIRE(writer.create(Entity{index, generation, 0}) == Outcome::Done);
                for (TableId table = 0; table < 7; ++table) {
                    if ((index + table) % 3 == 0) {
                        REQUIRE(writer.insert(Entity{index, generation, 0}, table, bytes_of(rows[i % 2])) == Outcome::Done);
                    }
                }
            }
        });
        for (int round = 0; round < 5; ++round) {
            world.commit([&](WriteBuffer& writer) {
                for (std::uint32_t index = 0; index < 300; index += 3) {
                    REQUIRE(writer.update(Entity{index, generation, 0}, position, bytes_of(rows[round % 2])) == Outcome::Done);
                    REQUIRE(writer.update(Entity{index, generation, 0}, target, bytes_of(rows[round % 2])) == Outcome::Done);
                }
            });
        }
        world.commit([&](WriteBuffer& writer) {
            for (std::uint32_t index = 0; index < 300; ++index) {
                REQUIRE(writer.destroy(Entity{index, generation, 0}) == Outcome::Done);
            }
        });
        world.buffer().forget_destroyed();
        world.reclaim();
    };
    for (int i = 0; i < 8; ++i) {
        cycle(i);
    }
    const std::uint64_t calls = allocator.calls;
    const std::size_t used = world.store().pool().used_bytes();
    for (int i = 0; i < 30; ++i) {
        cycle(i);
        REQUIRE(allocator.calls == calls);
        REQUIRE(world.store().pool().used_bytes() == used);
    }
}

TEST_CASE("a cleared world gives its pages back", "[storage][memory]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    RandomWriter writer{world, 5};
    const auto fill = [&] {
        REQUIRE(world.buffer().begin_batch());
        for (int i = 0; i < 200; ++i) {
            REQUIRE(writer.transaction(12) == "");
        }
        world.publish();
    };
    fill();
    writer.destroy_all();
    world.reclaim();
    world.published().for_each_archetype([](const storage::Archetype&) { FAIL("rows are left"); });
    const std::size_t used = world.store().pool().used_bytes();
    fill();
    CHECK(world.store().pool().used_bytes() > used + 100000);
    writer.destroy_all();
    world.reclaim();
    // What remains are the tops of trees and the entity table, which remembers generations.
    CHECK(world.store().pool().used_bytes() < used + 50000);
    CHECK_FALSE(world.store().reclaimer().holds_anything());
}

TEST_CASE("what an undone transaction had grown does not stay in later versions", "[storage][memory]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.create(Entity{0, 1, 0}) == Outcome::Done); });
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{0, 1, 0}) == Outcome::Done); });
    world.reclaim();
    REQUIRE(world.buffer().begin_batch());
    world.buffer().begin_transaction();
    REQUIRE(world.buffer().create(Entity{1, 1, 0}) == Outcome::Done);
    world.buffer().keep_transaction(1);
    world.buffer().begin_transaction();
    storage::ArchetypeShape* const shape = world.buffer().shape_with(world.buffer().empty_shape(), position);
    for (std::uint32_t index = 2; index < 20000; ++index) {
        REQUIRE(world.buffer().create(Entity{index, 1, 0}, *shape) == Outcome::Done);
    }
    const std::size_t grown = world.store().pool().used_bytes();
    world.buffer().undo_transaction();
    world.publish();
    world.reclaim();
    // 20,000 rows of 12 bytes and as many indices; the records' pages may stay.
    CHECK(grown - world.store().pool().used_bytes() > 20000 * (12 + 4));
}

TEST_CASE("a sparse row wider than a block of the pool is safe", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Map", 12000, Storage::Sparse}, {"Huge", 1U << 20U, Storage::Sparse}, {"Big", 1U << 20U}})};
    Model model;
    world.commit([&](WriteBuffer& writer) {
        // A block whole, so that what is written past its end cannot be missed.
        for (std::uint32_t index = 0; index < 66; ++index) {
            model.generations[index] = 1;
            model.living[index].generation = 1;
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            for (TableId table = 0; table < (index == 0 || index == 65 ? 3 : 1); ++table) {
                const RowBytes row = row_from(world.store().schema().table(table).size, index + table);
                model.living[index].rows[table] = row;
                REQUIRE(writer.insert(Entity{index, 1, 0}, table, bytes_of(row)) == Outcome::Done);
            }
        }
    });
    CHECK(difference(world.published(), world.store().schema(), model) == "");
}

TEST_CASE("an entity can have three hundred components", "[storage]") {
    CountingAllocator allocator;
    std::vector<TableSpec> specs;
    for (std::uint32_t i = 0; i < 300; ++i) {
        specs.push_back({"Component" + std::to_string(i), i % 7 == 0 ? 0 : 4 * (i % 40), i % 5 == 0 ? Storage::Sparse : Storage::Table});
    }
    World world{allocator, schema_of(specs)};
    const Schema& schema = world.store().schema();
    Model model;
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 3; ++index) {
            model.generations[index] = 1;
            model.living[index].generation = 1;
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            for (std::uint32_t i = 0; i < 300; ++i) {
                const auto table = static_cast<TableId>((i * 7 + index) % 300);
                const RowBytes row = row_from(schema.table(table).size, i);
                REQUIRE(writer.insert(Entity{index, 1, 0}, table, bytes_of(row)) == Outcome::Done);
                model.living[index].rows[table] = row;
            }
        }
    });
    REQUIRE(difference(world.published(), schema, model) == "");
    world.undo([&](WriteBuffer& writer) {
        for (TableId table = 0; table < 300; ++table) {
            REQUIRE(writer.remove(Entity{1, 1, 0}, table) == Outcome::Done);
        }
    });
    REQUIRE(difference(world.buffer().root(), schema, model) == "");
    world.commit([&](WriteBuffer& writer) {
        for (TableId table = 0; table < 300; table += 2) {
            REQUIRE(writer.remove(Entity{1, 1, 0}, table) == Outcome::Done);
            model.living[1].rows.erase(table);
        }
        REQUIRE(writer.destroy(Entity{2, 1, 0}) == Outcome::Done);
        model.living.erase(2);
    });
    CHECK(difference(world.published(), schema, model) == "");
}

TEST_CASE("a world grows past a million entities", "[storage]") {
    SystemAllocator allocator;
    World world{allocator, schema_of({{"Position", 12}, {"Target", 8, Storage::Sparse}})};
    constexpr std::uint32_t count = (1U << 20U) + 5000;
    const auto expected = [](std::uint32_t index) { return std::array{index, ~index, index * 3}; };
    for (std::uint32_t first = 0; first < count; first += 65536) {
        world.commit([&](WriteBuffer& writer) {
            storage::ArchetypeShape* const shape = writer.shape_with(writer.empty_shape(), 0);
            for (std::uint32_t index = first; index < std::min(count, first + 65536); ++index) {
                const auto row = expected(index);
                if (writer.create(Entity{index, 1, 0}, *shape) != Outcome::Done ||
                    writer.update(Entity{index, 1, 0}, 0, reinterpret_cast<const std::byte*>(row.data())) != Outcome::Done) {
                    FAIL("index " << index);
                }
            }
        });
    }
    const auto old = world.store().pin();
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < count; index += 2) {
            if (writer.destroy(Entity{index, 1, 0}) != Outcome::Done) {
                FAIL("index " << index);
            }
        }
    });
    std::uint64_t wrong = 0;
    for (std::uint32_t index = 0; index < count; ++index) {
        const auto row = expected(index);
        const storage::EntityRecord* const before = old.root->find_living(Entity{index, 1, 0});
        const storage::EntityRecord* const now = world.published().find_living(Entity{index, 1, 0});
        wrong += before == nullptr || std::memcmp(old.root->find_row(*before, index, 0), row.data(), 12) != 0 ? 1U : 0U;
        wrong += (now != nullptr) != (index % 2 == 1) ? 1U : 0U;
        wrong += now != nullptr && std::memcmp(world.published().find_row(*now, index, 0), row.data(), 12) != 0 ? 1U : 0U;
    }
    CHECK(wrong == 0);
    CHECK(world.published().entity_count == count / 2);
    Store::Pins::unpin(*old.slot);
    world.reclaim();
    CHECK_FALSE(world.store().reclaimer().holds_anything());
}

TEST_CASE("a discarded batch never was, and the next one goes on from what is published", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    world.buffer().counts().set_discardable(true);
    RandomWriter writer{world, 17};
    for (int round = 0; round < 60; ++round) {
        REQUIRE(world.buffer().begin_batch());
        for (int i = 0; i < 4; ++i) {
            REQUIRE(writer.transaction(12) == "");
        }
        world.publish();
        const auto pin = world.store().pin();
        const RandomWriter before = writer;
        REQUIRE(world.buffer().begin_batch());
        for (int i = 0; i < 4; ++i) {
            REQUIRE(writer.transaction(12) == "");
        }
        world.buffer().finish_batch();
        world.buffer().discard_batch(&world.published());
        writer = before;
        REQUIRE(world.buffer().destroyed().empty());
        REQUIRE(&world.published() == pin.root);
        REQUIRE(writer.check(world.published()) == "");
        REQUIRE(writer.check(world.buffer().root()) == "");
        Store::Pins::unpin(*pin.slot);
    }
}

TEST_CASE("the entities a batch has destroyed are known until they are forgotten", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 4; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
        }
    });
    world.undo([&](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{0, 1, 0}) == Outcome::Done); });
    CHECK(world.buffer().destroyed().empty());
    world.commit([&](WriteBuffer& writer) {
        REQUIRE(writer.destroy(Entity{1, 1, 0}) == Outcome::Done);
        REQUIRE(writer.destroy(Entity{3, 1, 0}) == Outcome::Done);
        REQUIRE(writer.destroy(Entity{3, 1, 0}) == Outcome::Absent);
    });
    REQUIRE(world.buffer().destroyed().size() == 2);
    CHECK(world.buffer().destroyed()[0] == Entity{1, 1, 0});
    CHECK(world.buffer().destroyed()[1] == Entity{3, 1, 0});
    world.buffer().forget_destroyed();
    CHECK(world.buffer().destroyed().empty());
}

TEST_CASE("a row taken away and put back in one transaction is the old one when it fails", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const Schema& schema = world.store().schema();
    const std::uint32_t neighbours = GENERATE(0U, 1U, 9U);
    Model model;
    world.commit([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index <= neighbours; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            model.generations[index] = model.living[index].generation = 1;
            for (const Table& table : schema.tables()) {
                const RowBytes row = model.living[index].rows[table.id] = row_from(table.size, index + table.id);
                REQUIRE(writer.insert(Entity{index, 1, 0}, table.id, bytes_of(row)) == Outcome::Done);
            }
        }
    });
    for (const Table& table : schema.tables()) {
        CAPTURE(table.name);
        const RowBytes other = row_from(table.size, 99);
        world.undo([&](WriteBuffer& writer) {
            for (int i = 0; i < 3; ++i) {
                REQUIRE(writer.remove(Entity{0, 1, 0}, table.id) == Outcome::Done);
                REQUIRE(writer.insert(Entity{0, 1, 0}, table.id, bytes_of(other)) == Outcome::Done);
            }
        });
        REQUIRE(difference(world.buffer().root(), schema, model) == "");
    }
}

TEST_CASE("a row can be edited in place, once it is this batch's own", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const RowBytes row = row_from(12, 1);
    const RowBytes other = row_from(12, 2);
    for (const TableId table : {position, target}) {
        CAPTURE(table);
        const Entity entity{table, 1, 0};
        bool refused = false;
        world.commit([&](WriteBuffer& writer) {
            REQUIRE(writer.create(entity) == Outcome::Done);
            CHECK(writer.edit_row(table, table, refused) == nullptr);
            CHECK_FALSE(refused);
            REQUIRE(writer.insert(entity, table, bytes_of(row)) == Outcome::Done);
        });
        const auto pin = world.store().pin();
        const auto edit = [&](WriteBuffer& writer) {
            std::byte* const place = writer.edit_row(table, table, refused);
            REQUIRE(place != nullptr);
            std::memcpy(place, bytes_of(other), 8);
        };
        world.undo(edit);
        CHECK(std::memcmp(world.buffer().find_row(entity, table), bytes_of(row), 8) == 0);
        world.commit(edit);
        CHECK(std::memcmp(world.buffer().find_row(entity, table), bytes_of(other), 8) == 0);
        CHECK(std::memcmp(pin.root->find_row(pin.root->entities.at(table), table, table), bytes_of(row), 8) == 0);
        CHECK(world.store().entity_versions().count(table) == 2);
        Store::Pins::unpin(*pin.slot);
    }
}

TEST_CASE("a new entity's count starts afresh, and the old one comes back when it fails", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const auto set = [](std::uint32_t generation) {
        return [generation](WriteBuffer& writer) { REQUIRE(writer.set(Entity{0, generation, 0}, burning, nullptr) == Outcome::Done); };
    };
    world.commit([](WriteBuffer& writer) { REQUIRE(writer.create(Entity{0, 1, 0}) == Outcome::Done); });
    world.commit(set(1));
    world.commit(set(1));
    CHECK(world.store().entity_versions().count(0) == 3);
    const auto again = [](WriteBuffer& writer) {
        REQUIRE(writer.destroy(Entity{0, 1, 0}) == Outcome::Done);
        REQUIRE(writer.create(Entity{0, 2, 0}) == Outcome::Done);
        REQUIRE(writer.destroy(Entity{0, 2, 0}) == Outcome::Done);
        REQUIRE(storage::create_many(writer, Entity{0, 3, 0}, 1, {}, {}) == Outcome::Done);
    };
    world.undo(again);
    CHECK(world.store().entity_versions().count(0) == 3);
    world.commit(again);
    CHECK(world.store().entity_versions().count(0) == 1);
    world.commit(set(3));
    CHECK(world.store().entity_versions().count(0) == 2);
    world.commit([](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{0, 3, 0}) == Outcome::Done); });
    world.commit([](WriteBuffer& writer) { REQUIRE(storage::create_many(writer, Entity{0, 4, 0}, 1, {}, {}) == Outcome::Done); });
    CHECK(world.store().entity_versions().count(0) == 1);
}

TEST_CASE("a batch of undone transactions changes nothing, and the next one goes on from it", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.create(Entity{1, 1, 0}) == Outcome::Done); });
    const auto pin = world.store().pin();
    for (int i = 0; i < 3; ++i) {
        world.undo([&](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{1, 1, 0}) == Outcome::Done); });
        CHECK(&world.published() == pin.root);
    }
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{1, 1, 0}) == Outcome::Done); });
    CHECK(pin.root->find_living(Entity{1, 1, 0}) != nullptr);
    CHECK(pin.root->version == 1);
    CHECK(world.published().version == 2);
    CHECK(world.published().find_living(Entity{1, 1, 0}) == nullptr);
    CHECK(world.store().published_version() == 2);
    Store::Pins::unpin(*pin.slot);
}

TEST_CASE("a sparse row taken away and put back among others is as it was when the transaction fails", "[storage]") {
    SystemAllocator allocator;
    World world{allocator, schema_of({{"Target", 8, Storage::Sparse}, {"Badge", 8, Storage::Sparse}})};
    const Entity here{5, 1, 0};
    const Entity alone{70, 1, 0}; // the only one of its block
    const Entity late{200, 1, 0}; // of a block that does not exist yet
    const RowBytes before = row_from(8, 1);
    const RowBytes after = row_from(8, 2);
    world.commit([&](storage::WriteBuffer& state) {
        for (const Entity entity : {here, alone, late}) {
            REQUIRE(state.create(entity, state.empty_shape()) == storage::Outcome::Done);
        }
        REQUIRE(state.insert(here, 0, bytes_of(before)) == storage::Outcome::Done);
        REQUIRE(state.insert(alone, 0, bytes_of(before)) == storage::Outcome::Done);
        REQUIRE(state.insert(alone, 1, bytes_of(before)) == storage::Outcome::Done);
    });
    const std::uint64_t hash = storage::hash_of(world.published());
    const auto change = [&](storage::WriteBuffer& state) {
        for (int round = 0; round < 2; ++round) {
            for (const Entity entity : {here, alone}) {
                REQUIRE(state.remove(entity, 0) == storage::Outcome::Done);
                REQUIRE((round != 0 || state.insert(late, 0, bytes_of(after)) == storage::Outcome::Done || entity == alone));
                REQUIRE(state.insert(entity, 0, bytes_of(after)) == storage::Outcome::Done);
                REQUIRE(state.insert(entity, 0, bytes_of(after)) == storage::Outcome::AlreadyExists);
                REQUIRE(state.update(entity, 0, bytes_of(before)) == storage::Outcome::Done);
                REQUIRE(state.update(entity, 0, bytes_of(after)) == storage::Outcome::Done);
            }
            REQUIRE(state.remove(alone, 1) == storage::Outcome::Done);
            REQUIRE(state.insert(alone, 1, bytes_of(after)) == storage::Outcome::Done);
        }
    };
    world.undo(change);
    CHECK(storage::hash_of(world.buffer().root()) == hash);
    CHECK(storage::hash_of(world.published()) == hash);
    world.commit(change);
    CHECK(std::memcmp(world.published().find_row(*world.published().find_living(here), here.index(), 0), after->data(), 8) == 0);
    CHECK(world.published().sparse(0)->rows == 3);
    CHECK(world.published().sparse(1)->rows == 1);
    world.undo([&](storage::WriteBuffer& state) { REQUIRE(state.destroy(alone) == storage::Outcome::Done); });
    CHECK(world.buffer().root().sparse(0)->rows == 3);
}

} // namespace ecsdb::test::write_buffer_test
