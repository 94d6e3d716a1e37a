#include "ecsdb/snapshot/chain_reader.hpp"

#include "snapshot/snapshot_fixture.hpp"

#include <random>

namespace ecsdb::test::chain_reader_test {

using namespace snapshot;

namespace {

/// Saves what is published as the next file of a chain.
Result<SnapshotInfo> save_next(World& world, FileSystem& files, const std::string& path, SavedState& saved, bool incremental,
                               int level = 0) {
    return write_snapshot(files, path, world.published(), world.store().entity_versions(), identity_of(world.published()),
                          {.allocator = world.store().allocator(),
                           .compression_level = level,
                           .read_back = true,
                           .saved = &saved,
                           .incremental = incremental});
}

Result<LoadedSnapshot> load_chain(World& world, FileSystem& files, const std::vector<std::string>& chain, SavedState* saved = nullptr) {
    auto file = open_snapshot(files, chain, world.store().allocator());
    if (!file) {
        return std::move(file).error();
    }
    auto loaded = file->load_into(world.buffer(), saved);
    if (loaded) {
        world.publish();
    }
    return loaded;
}

} // namespace

TEST_CASE("a chain of snapshots is the state it was taken of, whatever happened between them", "[snapshot]") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        CountingAllocator allocator;
        World world{allocator, schema_to_save()};
        RandomWriter writer{world, seed, seed % 2 == 0 ? 60U : 3000U};
        SimulatedFileSystem files;
        SavedState saved{allocator};
        std::vector<std::string> chain;
        for (int step = 0; step < 12; ++step) {
            CAPTURE(step);
            const auto before = world.published().version;
            run_batches(world, writer, 1 + static_cast<int>(writer.below(step == 0 ? 40 : 4)), 1 + writer.below(30));
            if (step == 5 && seed % 5 == 0) {
                writer.destroy_all();
            }
            if (world.published().version == before) {
                continue;
            }
            const bool incremental = saved.usable && writer.below(6) != 0;
            if (!incremental) {
                chain.clear();
            }
            chain.push_back("saved-" + std::to_string(step));
            const auto written = save_next(world, files, chain.back(), saved, incremental, seed % 3 == 0 ? 1 : 0);
            REQUIRE(written);
            CountingAllocator other;
            World copy{other, schema_to_save()};
            SavedState seen{other};
            const auto loaded = load_chain(copy, files, chain, &seen);
            REQUIRE((loaded ? "" : loaded.error().message()) == std::string{});
            const Model model = saved_part(writer.model(), world.store().schema());
            REQUIRE(difference(copy.published(), copy.store().schema(), model) == "");
            REQUIRE(difference_of_counts(copy.store().entity_versions(), model) == "");
            CHECK(seen.newest == saved.newest);
            CHECK(seen.archetype_end == saved.archetype_end);
        }
    }
}

} // namespace ecsdb::test::chain_reader_test
