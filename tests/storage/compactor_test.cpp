#include "ecsdb/storage/compactor.hpp"

#include "ecsdb/storage/figures.hpp"
#include "ecsdb/storage/rows.hpp"
#include "support/random_writer.hpp"

#include <optional>
#include <string>
#include <vector>

namespace ecsdb::test::compactor_test {
namespace {

using namespace ecsdb::storage;

PoolOptions blocks_of(std::size_t bytes) {
    PoolOptions options;
    options.first_block_bytes = bytes;
    options.max_block_bytes = bytes;
    return options;
}

/// A world, and what the writer has to compact it with.
struct Scene {
    explicit Scene(std::shared_ptr<const Schema> schema = schema_of_all_kinds(), const PoolOptions& options = blocks_of(65536))
        : world{allocator, std::move(schema), options} {}

    /// One step, as the writer takes it; false when there is nothing under way.
    bool step() {
        if (!compactor.is_under_way()) {
            return false;
        }
        if (!compactor.walks()) {
            compactor.look();
        } else if (world.buffer().begin_batch()) {
            compactor.walk();
            world.store().publish(world.buffer().finish_batch());
        }
        world.reclaim();
        return true;
    }
    std::size_t compact() {
        std::size_t steps = 0;
        for (compactor.begin(); step(); ++steps) {
        }
        return steps;
    }
    [[nodiscard]] PagePool& pool() { return world.store().pool(); }

    CountingAllocator allocator;
    World world;
    Trimmer trimmer{allocator, world.store().pool()};
    Compactor compactor{world.buffer(), trimmer};
};

/// `difference`, and the counts of those that live.
std::string check(World& world, const Root& root, const Model& model, bool newest) {
    for (const auto& [index, living] : model.living) {
        const auto counted = model.counts.find(index);
        if (newest && world.store().entity_versions().count(index) != (counted == model.counts.end() ? 0 : counted->second)) {
            return "the change count of index " + std::to_string(index) + " is wrong";
        }
    }
    return difference(root, world.store().schema(), model);
}

/// `count` entities with a row of table 0 each.
void fill(World& world, std::uint32_t count) {
    const RowBytes row = row_from(world.store().schema().table(0).size, 1);
    for (std::uint32_t first = 0; first < count; first += 1000) {
        world.commit([&](WriteBuffer& writer) {
            for (std::uint32_t index = first; index < std::min(count, first + 1000); ++index) {
                REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
                REQUIRE(writer.insert(Entity{index, 1, 0}, 0, bytes_of(row)) == Outcome::Done);
            }
        });
    }
}
/// Destroys those for which `goes(index)`.
template <typename Goes>
void thin(World& world, std::uint32_t count, Goes&& goes) {
    for (std::uint32_t first = 0; first < count; first += 1000) {
        world.commit([&](WriteBuffer& writer) {
            for (std::uint32_t index = first; index < std::min(count, first + 1000); ++index) {
                REQUIRE((!goes(index) || writer.destroy(Entity{index, 1, 0}) == Outcome::Done));
            }
        });
        world.buffer().forget_destroyed();
    }
}

} // namespace

TEST_CASE("compacted between random transactions, the state is what the model says, and pinned versions never change",
          "[storage][compaction]") {
    const auto seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U);
    CAPTURE(seed);
    Scene scene{schema_of_all_kinds(), blocks_of(16384)};
    World& world = scene.world;
    RandomWriter writer{world, seed};
    struct Kept {
        Store::Pins::Pin pin;
        Model model;
    };
    std::vector<Kept> kept;
    std::string wrong;
    for (int batch = 0; batch < 400 && wrong.empty(); ++batch) {
        REQUIRE(world.buffer().begin_batch());
        for (std::uint64_t left = 1 + writer.below(6); left != 0 && wrong.empty(); --left) {
            static_cast<void>(writer.transaction(batch % 16 == 15 ? 150 : 12));
            wrong = check(world, world.buffer().root(), writer.model(), true);
        }
        world.publish();
        if (writer.below(8) == 0) {
            scene.compactor.begin();
        }
        for (std::uint64_t steps = writer.below(6); steps != 0 && wrong.empty(); --steps) {
            const std::uint64_t hash = hash_of(world.published());
            const std::uint64_t version = world.published().version;
            scene.step();
            REQUIRE(hash_of(world.published()) == hash);
            REQUIRE(world.published().version == version);
            wrong = check(world, world.published(), writer.model(), true);
        }
        if (writer.below(4) == 0) {
            kept.push_back({world.store().pin(), writer.model()});
        }
        while (!kept.empty() && wrong.empty() && (kept.size() > 12 || writer.below(5) == 0)) {
            const auto old = kept.begin() + static_cast<std::ptrdiff_t>(writer.below(kept.size()));
            wrong = check(world, *old->pin.root, old->model, false);
            Store::Pins::unpin(*old->pin.slot);
            kept.erase(old);
        }
        if (batch % 60 == 59) {
            writer.destroy_all();
            world.buffer().forget_destroyed();
        }
    }
    REQUIRE(wrong == "");
    for (const Kept& old : kept) {
        REQUIRE(check(world, *old.pin.root, old.model, false) == "");
        Store::Pins::unpin(*old.pin.slot);
    }
    CHECK(scene.compactor.moved_bytes() > 0);
    writer.destroy_all();
    scene.compact();
    CHECK(check(world, world.published(), writer.model(), true) == "");
    CHECK_FALSE(world.store().reclaimer().holds_anything());
    CHECK(scene.allocator.mismatches == 0);
}

TEST_CASE("after most entities have gone at random, compaction brings memory down to what the rest needs", "[storage][compaction]") {
    constexpr std::uint32_t count = 60'000;
    Scene scene{schema_of({{"Position", 12}})};
    World& world = scene.world;
    const auto stays = [](std::uint32_t index) { return index < 40'000 ? mix64(index) % 10 == 0 : false; };
    std::size_t alone = 0;
    {
        Scene other{schema_of({{"Position", 12}})};
        fill(other.world, 4'000);
        other.world.reclaim();
        alone = other.pool().used_bytes();
    }
    fill(world, count);
    world.reclaim();
    const std::size_t full = scene.pool().allocated_bytes();
    thin(world, count, [&](std::uint32_t index) { return !stays(index); });
    world.reclaim();
    while (scene.trimmer.piece()) {
    }
    const std::size_t trimmed = scene.pool().allocated_bytes();
    const std::uint64_t hash = hash_of(world.published());
    const TableFigures before = entity_figures(world.published());
    CHECK(scene.compact() > 5);
    CHECK(hash_of(world.published()) == hash);
    // Records are told apart by their index: those of 40,000 indices are needed, one in ten of which is in use.
    CHECK(scene.pool().allocated_bytes() < full / 2);
    CHECK(scene.pool().allocated_bytes() < trimmed);
    CHECK(scene.pool().used_bytes() < alone + 36'000 * 18);
    CHECK(scene.pool().allocated_bytes() < scene.pool().used_bytes() * 3 / 2 + 4 * 65536);
    CHECK(scene.allocator.live_bytes < full);
    const TableFigures after = entity_figures(world.published());
    CHECK(after.allocated_bytes < before.allocated_bytes - 18'000 * 12);
    CHECK(after.fragmentation() < before.fragmentation());
    CHECK(before.fragmentation() < 1);
    // And once nobody is left, next to nothing is.
    thin(world, count, stays);
    scene.compact();
    CHECK(scene.pool().allocated_bytes() < 6 * 65536);
    CHECK(world.store().entity_versions().bytes() < 12'000);
    fill(scene.world, 0);
    // Whoever comes then finds the generations as they were.
    world.commit([&](WriteBuffer& writer) {
        CHECK(writer.create(Entity{100, 1, 0}) == Outcome::AlreadyExists);
        CHECK(writer.create(Entity{100, 2, 0}) == Outcome::Done);
        CHECK(writer.create(Entity{50'000, 2, 0}) == Outcome::Done);
    });
    CHECK(world.store().entity_versions().count(100) == 1);
    CHECK(world.published().entities.at(101).generation == 1);
    CHECK(world.published().entities.at(50'001).generation == 1);
    CHECK(scene.allocator.mismatches == 0);
}

TEST_CASE("the counts of those who have died stay as long as a view sees them live", "[storage][compaction]") {
    Scene scene{schema_of({{"Position", 12}})};
    World& world = scene.world;
    fill(world, 20'000);
    const std::uint32_t counted = world.store().entity_versions().count(5'000);
    CHECK(counted != 0);
    const std::size_t full = world.store().entity_versions().bytes();
    const Store::Pins::Pin pin = world.store().pin();
    thin(world, 20'000, [](std::uint32_t index) { return index >= 1'000; });
    const std::uint32_t at_death = world.store().entity_versions().count(5'000);
    scene.compact();
    CHECK(world.store().entity_versions().count(5'000) == at_death);
    // A transaction there that fails must not take away what the view may be reading.
    world.undo([&](WriteBuffer& writer) { CHECK(writer.create(Entity{5'000, 2, 0}) == Outcome::Done); });
    CHECK(world.store().entity_versions().count(5'000) == at_death);
    Store::Pins::unpin(*pin.slot);
    scene.compact();
    CHECK(world.store().entity_versions().count(5'000) == 0);
    CHECK(world.store().entity_versions().bytes() < full / 4); // those of the 1,000 who live
}

TEST_CASE("an old view stays as it was through a compaction, and what only it needs goes with it", "[storage][compaction]") {
    Scene scene{schema_of({{"Position", 12}})};
    World& world = scene.world;
    fill(world, 20'000);
    const Store::Pins::Pin pin = world.store().pin();
    const std::uint64_t old_hash = hash_of(*pin.root);
    thin(world, 20'000, [](std::uint32_t index) { return index % 16 != 3; });
    scene.compact();
    CHECK(hash_of(*pin.root) == old_hash);
    CHECK(world.store().entity_versions().count(5) == 2); // the counts a view of it may ask for
    const std::size_t held = scene.pool().allocated_bytes();
    Store::Pins::unpin(*pin.slot);
    scene.compact();
    CHECK(scene.pool().allocated_bytes() < held / 2);
    CHECK_FALSE(world.store().reclaimer().holds_anything());
}

TEST_CASE("each step of a compaction is bounded", "[storage][compaction]") {
    Scene scene{schema_of({{"Position", 12}, {"Note", 40, Storage::Sparse}}), blocks_of(1U << 20U)};
    fill(scene.world, 100'000);
    thin(scene.world, 100'000, [](std::uint32_t index) { return mix64(index) % 3 != 0; });
    scene.compactor.begin();
    std::uint64_t moved = 0;
    do {
        CHECK(scene.compactor.moved_bytes() - moved <= (std::size_t{128} << 10U) + 8192);
        moved = scene.compactor.moved_bytes();
    } while (scene.step());
    CHECK(moved > 0);
}

TEST_CASE("room beyond the last row goes, and a small archetype's page shrinks", "[storage][compaction]") {
    Scene scene{schema_of({{"Wide", 400}, {"Tag", 0}})};
    World& world = scene.world;
    fill(world, 40);
    thin(world, 40, [](std::uint32_t index) { return index >= 1; });
    const TableFigures loose = table_figures(world.published(), 0);
    scene.compact();
    const TableFigures close = table_figures(world.published(), 0);
    CHECK(close.rows == 1);
    CHECK(close.pages == 1);
    CHECK(loose.pages == 2);
    CHECK(close.allocated_bytes < loose.allocated_bytes);
    CHECK(std::memcmp(world.published().find_row(world.published().entities.at(0), 0, 0), row_from(400, 1)->data(), 400) == 0);
    thin(world, 1, [](std::uint32_t) { return true; });
    scene.compact();
    CHECK(table_figures(world.published(), 0).allocated_bytes == 0);
    fill(world, 0);
    world.commit([](WriteBuffer& writer) {
        for (std::uint32_t index = 100; index < 200; ++index) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == Outcome::Done);
            REQUIRE(writer.insert(Entity{index, 1, 0}, 0, bytes_of(row_from(400, index))) == Outcome::Done);
        }
    });
    CHECK(table_figures(world.published(), 0).rows == 100);
}

TEST_CASE("memory refused at any call of a compaction leaves the state as it was, and a later one ends the work",
          "[storage][compaction][memory]") {
    const bool for_good = GENERATE(false, true);
    bool refused = true;
    for (std::uint64_t call = 0; refused; ++call) {
        CAPTURE(call, for_good);
        Scene scene{schema_of({{"Position", 12}}), blocks_of(16384)};
        fill(scene.world, 3'000);
        thin(scene.world, 3'000, [](std::uint32_t index) { return mix64(index) % 4 != 0; });
        const std::uint64_t hash = hash_of(scene.world.published());
        (for_good ? scene.allocator.refuse_from : scene.allocator.refuse_call) = scene.allocator.calls + call;
        scene.compactor.begin();
        for (int steps = 0; steps < 10'000 && scene.step(); ++steps) {
        }
        scene.allocator.refuse_from = scene.allocator.refuse_call = CountingAllocator::never;
        refused = scene.allocator.refused != 0;
        REQUIRE(hash_of(scene.world.published()) == hash);
        scene.compact();
        REQUIRE_FALSE(scene.compactor.is_under_way());
        REQUIRE(hash_of(scene.world.published()) == hash);
        scene.world.commit([](WriteBuffer& writer) { REQUIRE(writer.create(Entity{5'000, 1, 0}) == Outcome::Done); });
    }
}

} // namespace ecsdb::test::compactor_test
