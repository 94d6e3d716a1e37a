#include "ecsdb/storage/bulk_create.hpp"

#include "support/random_writer.hpp"

#include <string>
#include <vector>

namespace ecsdb::test::bulk_create_test {
namespace {

using storage::ChangeKind;
using storage::create_many;
using storage::Outcome;
using storage::PoolOptions;
using storage::WriteBuffer;

const std::vector<TableId> tables{0, 1, 2, 6};

/// Rows for `count` entities in `tables`, and the model that has them.
struct Rows {
    Rows(const Schema& schema, std::uint32_t count) {
        for (const TableId table : tables) {
            bytes.push_back(row_from(schema.table(table).size * count, table));
            columns.push_back(bytes_of(bytes.back()));
        }
    }
    void add_to(Model& model, const Schema& schema, std::uint32_t first, std::uint32_t count, std::uint32_t generation) const {
        for (std::uint32_t i = 0; i < count; ++i) {
            Model::Living& living = model.living[first + i];
            living.generation = model.generations[first + i] = generation;
            for (std::size_t k = 0; k < tables.size(); ++k) {
                const std::uint32_t size = schema.table(tables[k]).size;
                living.rows[tables[k]] = std::make_shared<std::string>(bytes[k]->substr(std::size_t{i} * size, size));
            }
        }
    }
    std::vector<RowBytes> bytes;
    std::vector<const std::byte*> columns;
};

} // namespace

TEST_CASE("ids in use, spent or foreign fail the whole transaction", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const Schema& schema = world.store().schema();
    const Rows rows{schema, 200};
    Model model;
    world.commit([&](WriteBuffer& writer) { REQUIRE(create_many(writer, Entity{0, 1, 0}, 100, tables, rows.columns) == Outcome::Done); });
    rows.add_to(model, schema, 0, 100, 1);
    world.undo([&](WriteBuffer& writer) {
        CHECK(create_many(writer, Entity{90, 1, 0}, 200, tables, rows.columns) == Outcome::AlreadyExists);
    });
    world.undo([&](WriteBuffer& writer) {
        CHECK(create_many(writer, Entity{99, 2, 0}, 1, tables, rows.columns) == Outcome::AlreadyExists);
    });
    world.undo([&](WriteBuffer& writer) { CHECK(create_many(writer, Entity{500, 1, 1}, 1, tables, rows.columns) == Outcome::WrongShard); });
    world.commit([&](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{50, 1, 0}) == Outcome::Done); });
    model.living.erase(50);
    world.undo([&](WriteBuffer& writer) {
        CHECK(create_many(writer, Entity{50, 1, 0}, 1, tables, rows.columns) == Outcome::AlreadyExists);
    });
    CHECK(difference(world.buffer().root(), schema, model) == "");
    world.commit([&](WriteBuffer& writer) { CHECK(create_many(writer, Entity{50, 2, 0}, 1, tables, rows.columns) == Outcome::Done); });
    rows.add_to(model, schema, 50, 1, 2);
    CHECK(difference(world.published(), schema, model) == "");
}

TEST_CASE("many at once are the same as one by one, at every size", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const Schema& schema = world.store().schema();
    Model model;
    std::uint32_t first = 0;
    for (const std::uint32_t count : {0U, 1U, 7U, 8U, 9U, 55U, 64U, 127U, 128U, 129U, 256U, 300U}) {
        CAPTURE(count);
        const Rows rows{schema, count};
        world.undo([&](WriteBuffer& writer) {
            REQUIRE(create_many(writer, Entity{first, 1, 0}, count, tables, rows.columns) == Outcome::Done);
        });
        REQUIRE(difference(world.buffer().root(), schema, model) == "");
        world.commit([&](WriteBuffer& writer) {
            REQUIRE(create_many(writer, Entity{first, 2, 0}, count, tables, rows.columns) == Outcome::Done);
        });
        rows.add_to(model, schema, first, count, 2);
        REQUIRE(difference(world.published(), schema, model) == "");
        for (std::uint32_t i = 0; i < count; ++i) {
            REQUIRE(world.store().entity_versions().count(first + i) == 1);
        }
        first += count + 5;
    }
}

TEST_CASE("rows destroyed and many created in one transaction come back when it fails", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    const Schema& schema = world.store().schema();
    const Rows rows{schema, 300};
    Model model;
    world.commit([&](WriteBuffer& writer) { REQUIRE(create_many(writer, Entity{0, 1, 0}, 300, tables, rows.columns) == Outcome::Done); });
    rows.add_to(model, schema, 0, 300, 1);
    world.undo([&](WriteBuffer& writer) {
        for (std::uint32_t index = 0; index < 300; index += 2) {
            REQUIRE(writer.destroy(Entity{index, 1, 0}) == Outcome::Done);
        }
        REQUIRE(create_many(writer, Entity{1000, 1, 0}, 300, tables, rows.columns) == Outcome::Done);
        REQUIRE(writer.destroy(Entity{1003, 1, 0}) == Outcome::Done);
    });
    CHECK(difference(world.buffer().root(), schema, model) == "");
    CHECK(world.store().entity_versions().count(0) == 1);
    CHECK(world.store().entity_versions().count(1000) == 0);
}

TEST_CASE("whoever consumes changes hears of every entity and row", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    world.buffer().changes().set_recording(true);
    const Rows rows{world.store().schema(), 3};
    world.commit([&](WriteBuffer& writer) {
        REQUIRE(create_many(writer, Entity{10, 1, 0}, 3, tables, rows.columns) == Outcome::Done);
        const auto list = writer.changes().list();
        REQUIRE(list.size() == 3 * (1 + tables.size()));
        for (std::size_t i = 0; i < list.size(); ++i) {
            const std::size_t part = i % (1 + tables.size());
            CHECK(list[i].index == 10 + i / (1 + tables.size()));
            CHECK(list[i].kind == (part == 0 ? ChangeKind::Created : ChangeKind::Added));
            CHECK((part == 0 || list[i].table == tables[part - 1]));
        }
    });
}

TEST_CASE("memory refused at any call leaves nothing of the many", "[storage][memory]") {
    const auto schema = schema_of_all_kinds();
    const Rows rows{*schema, 300};
    PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 65536;
    std::uint64_t refused = 1;
    int failures = 0;
    for (std::uint64_t call = 0; refused != 0; ++call) {
        CountingAllocator allocator;
        World world{allocator, schema, options};
        world.buffer().changes().set_recording(true);
        Model model;
        world.commit([&](WriteBuffer& writer) { REQUIRE(create_many(writer, Entity{0, 1, 0}, 9, tables, rows.columns) == Outcome::Done); });
        rows.add_to(model, *schema, 0, 9, 1);
        REQUIRE(world.buffer().begin_batch());
        world.buffer().begin_transaction();
        allocator.refuse_call = allocator.calls + call;
        const Outcome outcome = create_many(world.buffer(), Entity{9, 1, 0}, 300, tables, rows.columns);
        refused = allocator.refused;
        failures += outcome == Outcome::OutOfMemory ? 1 : 0;
        // One block refused may be made up for by what is left of another.
        REQUIRE((outcome == Outcome::Done || (outcome == Outcome::OutOfMemory && refused != 0)));
        if (outcome == Outcome::Done) {
            world.buffer().keep_transaction(2);
            rows.add_to(model, *schema, 9, 300, 1);
        } else {
            world.buffer().undo_transaction();
        }
        REQUIRE(difference(world.buffer().root(), *schema, model) == "");
        world.publish();
    }
    CHECK(failures > 2);
}

} // namespace ecsdb::test::bulk_create_test
