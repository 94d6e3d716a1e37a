#include "ecsdb/storage/bulk_load.hpp"

#include "ecsdb/storage/rows.hpp"
#include "support/random_writer.hpp"

#include <map>
#include <string>
#include <vector>

namespace ecsdb::test {
namespace {

using storage::BulkLoader;
using storage::Outcome;
using storage::PoolOptions;
using storage::WriteBuffer;

std::span<const std::byte> bytes(const std::string& text) {
    return std::as_bytes(std::span{text});
}

/// Loads what `model` says, in pieces of at most `piece` entities. Rows of these schemas are packed as they lie in memory.
Outcome load(World& world, const Model& model, std::size_t piece) {
    BulkLoader loader{world.buffer()};
    if (!loader.begin(77)) {
        return Outcome::OutOfMemory;
    }
    const Schema& schema = world.store().schema();
    std::map<std::vector<TableId>, std::vector<std::uint32_t>> archetypes;
    for (const auto& [index, living] : model.living) {
        std::vector<TableId> tables;
        for (const auto& [table, row] : living.rows) {
            if (schema.table(table).storage == Storage::Table) {
                tables.push_back(table);
            }
        }
        archetypes[tables].push_back(index);
    }
    for (const auto& [tables, indices] : archetypes) {
        Outcome outcome = loader.begin_archetype(tables, static_cast<std::uint32_t>(indices.size()));
        for (std::size_t first = 0; first < indices.size() && outcome == Outcome::Done; first += piece) {
            const auto part = std::span{indices}.subspan(first, std::min(piece, indices.size() - first));
            std::vector<std::uint32_t> generations;
            for (const std::uint32_t index : part) {
                generations.push_back(model.generations.at(index));
            }
            outcome = loader.append_entities(part, generations);
            for (std::size_t k = 0; k < tables.size() && outcome == Outcome::Done; ++k) {
                std::string packed;
                for (const std::uint32_t index : part) {
                    packed += *model.living.at(index).rows.at(tables[k]);
                }
                outcome =
                    loader.fill_rows(tables[k], static_cast<std::uint32_t>(first), bytes(packed)) ? Outcome::Done : Outcome::OutOfMemory;
            }
        }
        if (outcome != Outcome::Done) {
            return outcome;
        }
    }
    for (const Table& table : schema.tables()) {
        std::vector<std::uint32_t> indices;
        std::string packed;
        for (const auto& [index, living] : model.living) {
            if (table.storage == Storage::Sparse && living.rows.count(table.id) != 0) {
                indices.push_back(index);
                packed += *living.rows.at(table.id);
            }
        }
        if (const Outcome outcome = loader.append_sparse(table.id, indices, bytes(packed)); outcome != Outcome::Done) {
            return outcome;
        }
    }
    for (const auto& [index, generation] : model.generations) {
        const std::uint32_t count = model.counts.count(index) == 0 ? 0 : model.counts.at(index);
        if (model.living.count(index) == 0) {
            if (const Outcome outcome = loader.append_freed(std::span{&index, 1}, std::span{&generation, 1}); outcome != Outcome::Done) {
                return outcome;
            }
        }
        if (!loader.set_counts(index, std::span{&count, 1})) {
            return Outcome::OutOfMemory;
        }
    }
    world.store().publish(loader.finish(123));
    return Outcome::Done;
}

std::shared_ptr<const Schema> loadable_schema() {
    return schema_of({{"Position", 12}, {"Wide", 5000}, {"Target", 8, Storage::Sparse}, {"Notes", 600, Storage::Sparse}, {"Level", 1}});
}

} // namespace

TEST_CASE("indices that appear twice, and sparse rows of nobody, are refused", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, loadable_schema()};
    BulkLoader loader{world.buffer()};
    REQUIRE(loader.begin(5));
    REQUIRE(loader.begin_archetype({}, 10) == Outcome::Done);
    const std::uint32_t indices[] = {3, 200};
    const std::uint32_t generations[] = {1, 1};
    REQUIRE(loader.append_entities(indices, generations) == Outcome::Done);
    const std::uint32_t again[] = {4, 3};
    CHECK(loader.append_entities(again, generations) == Outcome::AlreadyExists);
    CHECK(loader.append_freed(std::span{indices}.first(1), std::span{generations}.first(1)) == Outcome::AlreadyExists);
    const std::string rows(16, 'x');
    const std::uint32_t nobody[] = {7};
    CHECK(loader.append_sparse(2, nobody, bytes(rows).first(8)) == Outcome::NotFound);
    const std::uint32_t twice[] = {3, 3};
    CHECK(loader.append_sparse(2, twice, bytes(rows)) == Outcome::AlreadyExists);
}

TEST_CASE("a loaded version holds what was saved, and goes on from there", "[storage]") {
    CountingAllocator allocator;
    const auto schema = loadable_schema();
    World source{allocator, schema};
    RandomWriter writer{source, 8, 600};
    REQUIRE(source.buffer().begin_batch());
    for (int i = 0; i < 400; ++i) {
        REQUIRE(writer.transaction(12) == "");
    }
    source.publish();
    for (const std::size_t piece : {1U, 3U, 64U, 1000U}) {
        CAPTURE(piece);
        World loaded{allocator, schema};
        REQUIRE(load(loaded, writer.model(), piece) == Outcome::Done);
        const storage::Root& root = loaded.published();
        CHECK(root.version == 77);
        CHECK(root.time_ns == 123);
        REQUIRE(difference(root, *schema, writer.model()) == "");
        CHECK(storage::hash_of(root) == storage::hash_of(source.published()));
        for (const auto& [index, count] : writer.model().counts) {
            REQUIRE(loaded.store().entity_versions().count(index) == count);
        }
        loaded.commit([&](WriteBuffer& buffer) {
            for (const auto& [index, living] : writer.model().living) {
                REQUIRE(buffer.destroy(Entity{index, living.generation, 0}) == Outcome::Done);
            }
        });
        CHECK(loaded.published().version == 78);
        CHECK(loaded.published().entity_count == 0);
        loaded.reclaim();
        CHECK_FALSE(loaded.store().reclaimer().holds_anything());
    }
}

TEST_CASE("a load that finds no memory says so", "[storage][memory]") {
    const auto schema = loadable_schema();
    SystemAllocator plenty;
    World source{plenty, schema};
    RandomWriter writer{source, 9, 100};
    REQUIRE(source.buffer().begin_batch());
    for (int i = 0; i < 60; ++i) {
        REQUIRE(writer.transaction(12) == "");
    }
    source.publish();
    PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 16384;
    std::uint64_t refused = 1;
    for (std::uint64_t call = 0; refused != 0; ++call) {
        CountingAllocator allocator;
        World loaded{allocator, schema, options};
        allocator.refuse_call = allocator.calls + call;
        const Outcome outcome = load(loaded, writer.model(), 64);
        refused = allocator.refused;
        REQUIRE(outcome == (refused == 0 ? Outcome::Done : Outcome::OutOfMemory));
    }
}

} // namespace ecsdb::test
