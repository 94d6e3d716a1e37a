#include "ecsdb/storage/bulk_load.hpp"

#include "support/random_writer.hpp"

#include <numeric>

namespace ecsdb::test::bulk_load_test {

using namespace storage;

namespace {

using Numbers = std::vector<std::uint32_t>;

Numbers range(std::uint32_t first, std::size_t count) {
    Numbers numbers(count);
    std::iota(numbers.begin(), numbers.end(), first);
    return numbers;
}

/// Packed rows of a table without padding, and the same in the model.
std::vector<std::byte> rows_for(Model& model, const Table& table, const Numbers& indices, std::uint64_t seed) {
    std::vector<std::byte> packed;
    for (const std::uint32_t index : indices) {
        const RowBytes row = row_from(table.size, seed + index);
        model.living.at(index).rows[table.id] = row;
        packed.insert(packed.end(), bytes_of(row), bytes_of(row) + row->size());
    }
    return packed;
}

void enliven(Model& model, const Numbers& indices, std::uint32_t generation) {
    for (const std::uint32_t index : indices) {
        model.generations[index] = generation;
        model.living[index].generation = generation;
    }
}

/// One archetype with all its rows, `step` of them at a time; what the loader said first that was not `Done`.
Outcome load_archetype(BulkLoader& loader, const Schema& schema, Model& model, const std::vector<TableId>& tables, const Numbers& indices,
                       std::uint32_t generation, std::size_t step) {
    enliven(model, indices, generation);
    Outcome outcome = loader.begin_archetype(tables, static_cast<std::uint32_t>(indices.size()));
    const Numbers generations(step, generation);
    for (std::size_t first = 0; first < indices.size() && outcome == Outcome::Done; first += step) {
        const auto part = std::span{indices}.subspan(first, std::min(step, indices.size() - first));
        outcome = loader.append_entities(part, std::span{generations}.first(part.size()));
    }
    for (const TableId table : tables) {
        if (outcome != Outcome::Done) {
            return outcome;
        }
        const auto packed = rows_for(model, schema.table(table), indices, table);
        const std::size_t row_bytes = schema.table(table).size;
        for (std::size_t first = 0; first < indices.size() && row_bytes != 0; first += step) {
            const std::size_t count = std::min(step, indices.size() - first);
            if (!loader.fill_rows(table, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count),
                                  std::span{packed}.subspan(first * row_bytes, count * row_bytes))) {
                return Outcome::OutOfMemory;
            }
        }
    }
    return outcome;
}

/// A state with everything in it, loaded in steps of `step` rows. `Done`, or `OutOfMemory`.
Outcome load_everything(World& world, Model& model, std::size_t step) {
    const Schema& schema = world.store().schema();
    BulkLoader loader{world.buffer()};
    if (!loader.begin(41)) {
        return Outcome::OutOfMemory;
    }
    Numbers shuffled = range(5000, 700);
    for (std::size_t i = 0; i < shuffled.size(); ++i) {
        std::swap(shuffled[i], shuffled[i * 7919 % shuffled.size()]);
    }
    Outcome outcome = load_archetype(loader, schema, model, {0, 1, 6}, range(10, 1000), 1, step);
    const auto then = [&](auto next) { outcome = outcome == Outcome::Done ? next() : outcome; };
    then([&] { return load_archetype(loader, schema, model, {0, 2}, range(2000, 9), 3, step); });
    then([&] { return load_archetype(loader, schema, model, {}, range(3000, 300), 1, step); });
    // The same set again, as when two sets differed by a table that was not saved: the rows go on in the middle of a page.
    then([&] { return load_archetype(loader, schema, model, {0, 1, 6}, shuffled, 2, step); });
    then([&] { return load_archetype(loader, schema, model, {0, 2}, range(2100, 5), 1, step); });
    for (const TableId table : {TableId{3}, TableId{4}, TableId{5}}) {
        const Numbers indices = table == 5 ? range(2000, 9) : range(500, 400);
        then([&] { return loader.append_sparse(table, indices, rows_for(model, schema.table(table), indices, table)); });
    }
    then([&] { return loader.append_freed(range(6000, 100), Numbers(100, 17)); });
    for (const std::uint32_t index : range(6000, 100)) {
        model.generations[index] = 17;
    }
    Numbers counts = range(0, 6100);
    then([&] { return loader.set_counts(0, counts) ? Outcome::Done : Outcome::OutOfMemory; });
    if (outcome == Outcome::Done) {
        loader.finish(77);
        world.publish();
    }
    return outcome;
}

} // namespace

TEST_CASE("an index can be used once in a bulk load", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    BulkLoader loader{world.buffer()};
    REQUIRE(loader.begin(1));
    REQUIRE(loader.begin_archetype({}, 10) == Outcome::Done);
    CHECK(loader.append_entities(range(5, 2), Numbers{1, 1}) == Outcome::Done);
    CHECK(loader.append_entities(range(6, 1), Numbers{2}) == Outcome::AlreadyExists);
    CHECK(loader.append_entities(range(8, 1), Numbers{1}) == Outcome::Done);
    CHECK(loader.append_freed(range(5, 1), Numbers{1}) == Outcome::AlreadyExists);
    CHECK(loader.append_freed(range(9, 1), Numbers{1}) == Outcome::Done);
    CHECK(loader.append_freed(range(9, 1), Numbers{2}) == Outcome::AlreadyExists);
    CHECK(loader.append_entities(range(9, 1), Numbers{2}) == Outcome::AlreadyExists);
}

TEST_CASE("sparse rows belong to living entities, one each", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    BulkLoader loader{world.buffer()};
    REQUIRE(loader.begin(1));
    REQUIRE(loader.begin_archetype({}, 2) == Outcome::Done);
    REQUIRE(loader.append_entities(range(5, 2), Numbers{1, 1}) == Outcome::Done);
    REQUIRE(loader.append_freed(range(7, 1), Numbers{1}) == Outcome::Done);
    const std::vector<std::byte> row(8);
    CHECK(loader.append_sparse(3, range(7, 1), row) == Outcome::NotFound);
    CHECK(loader.append_sparse(3, range(70000, 1), row) == Outcome::NotFound);
    CHECK(loader.append_sparse(3, range(6, 1), row) == Outcome::Done);
    CHECK(loader.append_sparse(3, range(6, 1), row) == Outcome::AlreadyExists);
    CHECK(loader.append_sparse(4, range(6, 1), {}) == Outcome::Done);
    CHECK(loader.append_sparse(4, range(6, 1), {}) == Outcome::AlreadyExists);
}

TEST_CASE("an archetype cannot have more rows than it can number", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    BulkLoader loader{world.buffer()};
    REQUIRE(loader.begin(1));
    REQUIRE(loader.begin_archetype({}, ~0U) == Outcome::Done);
    REQUIRE(loader.append_entities(range(0, 1), Numbers{1}) == Outcome::Done);
    CHECK(loader.begin_archetype({}, ~0U) == Outcome::OutOfMemory);
    CHECK(loader.begin_archetype({}, ~0U - 1) == Outcome::Done);
}

TEST_CASE("refused memory fails a bulk load, whenever it comes, or is made up for", "[storage]") {
    int failures = 0;
    for (std::uint64_t call = 0;; ++call) {
        CountingAllocator allocator;
        allocator.refuse_call = call;
        World world{allocator, schema_of_all_kinds(), {4096, 32768}};
        if (!world.is_open()) {
            continue;
        }
        Model model;
        const Outcome outcome = load_everything(world, model, 192);
        if (outcome == Outcome::Done) {
            // Perhaps a block was refused, and what is left of another was enough.
            REQUIRE(difference(world.published(), world.store().schema(), model).empty());
        } else {
            REQUIRE(outcome == Outcome::OutOfMemory);
            REQUIRE(allocator.refused != 0);
            ++failures;
        }
        if (allocator.refused == 0) {
            break;
        }
    }
    CHECK(failures > 5);
}

TEST_CASE("what was loaded in bulk is what a reader finds, however it came in pieces", "[storage]") {
    for (const std::size_t step : {1U, 7U, 128U, 4096U}) {
        CAPTURE(step);
        CountingAllocator allocator;
        World world{allocator, schema_of_all_kinds()};
        Model model;
        REQUIRE(load_everything(world, model, step) == Outcome::Done);
        CHECK(difference(world.published(), world.store().schema(), model).empty());
        CHECK(world.published().version == 41);
        CHECK(world.published().time_ns == 77);
        CHECK(world.published().born == 41);
        for (const std::uint32_t index : {0U, 1U, 500U, 6099U}) {
            CHECK(world.store().entity_versions().count(index) == index);
        }
    }
}

TEST_CASE("a transaction that fails after a bulk load takes nothing of it back", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    Model model;
    REQUIRE(load_everything(world, model, 100) == Outcome::Done);
    world.undo([](WriteBuffer& writer) { REQUIRE(writer.create(Entity{7000, 1, 0}) == Outcome::Done); });
    CHECK(difference(world.published(), world.store().schema(), model).empty());
    world.commit([](WriteBuffer& writer) { REQUIRE(writer.create(Entity{7000, 1, 0}) == Outcome::Done); });
    enliven(model, {7000}, 1);
    CHECK(difference(world.published(), world.store().schema(), model).empty());
}

TEST_CASE("writing goes on after a bulk load as after any batch", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of_all_kinds()};
    Model model;
    REQUIRE(load_everything(world, model, 100) == Outcome::Done);
    const Model loaded = model;
    const PinnedRoot pin{world.store()};
    // Everything at once: rows that move, pages that grow from a partly filled one, archetypes that shrink to nothing.
    for (std::uint32_t round = 0; round < 3; ++round) {
        world.commit([&](WriteBuffer& writer) {
            const auto row = row_from(12, round);
            std::uint32_t number = 0;
            for (auto entry = model.living.begin(); entry != model.living.end();) {
                const auto here = entry++;
                const Entity entity = model.entity(here->first);
                switch (++number % (5 - round)) {
                case 0:
                    REQUIRE(writer.destroy(entity) == Outcome::Done);
                    model.living.erase(here);
                    break;
                case 1:
                    REQUIRE(writer.set(entity, 0, bytes_of(row)) == Outcome::Done);
                    here->second.rows[0] = row;
                    break;
                default:
                    REQUIRE(writer.remove(entity, 1) != Outcome::OutOfMemory);
                    here->second.rows.erase(1);
                }
            }
            for (const std::uint32_t index : range(6000 + round * 30, 30)) {
                const Entity entity{index, 18, 0};
                REQUIRE(writer.create(Entity{index, 17, 0}) == Outcome::AlreadyExists);
                REQUIRE(writer.create(entity) == Outcome::Done);
                REQUIRE(writer.insert(entity, 0, bytes_of(row)) == Outcome::Done);
                model.generations[index] = 18;
                model.living[index] = {18, {{0, row}}};
            }
        });
        CHECK(world.published().version == 42 + round);
        CHECK(difference(world.published(), world.store().schema(), model).empty());
        CHECK(difference(*pin.get(), world.store().schema(), loaded).empty());
    }
}

TEST_CASE("padding is zero after a bulk load, wherever the bytes came from", "[storage]") {
    Table table;
    table.name = "Padded";
    for (const FieldType type : {FieldType::U8, FieldType::U32, FieldType::U16}) {
        Field field;
        field.name = "field" + std::to_string(table.fields.size());
        field.type = type;
        table.fields.push_back(field);
    }
    auto schema = finish_schema(Schema{"padded", "1", {table}, {}, {}});
    REQUIRE(schema);
    REQUIRE(schema->table(0).packed_size == 7);
    REQUIRE(schema->table(0).size == 12);
    CountingAllocator allocator; // fills what it gives with 0xA5
    World world{allocator, std::make_shared<const Schema>(*schema)};
    BulkLoader loader{world.buffer()};
    REQUIRE(loader.begin(1));
    REQUIRE(loader.begin_archetype(std::vector<TableId>{0}, 400) == Outcome::Done);
    REQUIRE(loader.append_entities(range(0, 400), Numbers(400, 1)) == Outcome::Done);
    std::vector<std::byte> packed(400 * 7);
    for (std::size_t i = 0; i < packed.size(); ++i) {
        packed[i] = static_cast<std::byte>(i);
    }
    REQUIRE(loader.fill_rows(0, 0, 400, packed));
    loader.finish(1);
    world.publish();
    for (std::uint32_t index = 0; index < 400; ++index) {
        std::array<std::byte, 12> expected{};
        expected[0] = packed[index * 7];
        std::copy_n(packed.begin() + index * 7 + 1, 6, expected.begin() + 4);
        const auto* const row = world.published().find_row(world.published().entities.at(index), index, 0);
        REQUIRE(std::memcmp(row, expected.data(), 12) == 0);
    }
}

} // namespace ecsdb::test::bulk_load_test
