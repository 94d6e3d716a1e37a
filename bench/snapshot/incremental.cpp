#include "snapshot/saved_world.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>

namespace bench::incremental_bench {
namespace {

constexpr std::uint32_t changed = 100'000; // of a million entities, side by side
constexpr std::size_t changed_bytes = std::size_t{changed} * 3 * 12;

/// `db.snapshot()` of a world of a million entities of which a tenth has changed in all of its components: file, log switch and manifest,
/// all on the disk when it returns. An item is a changed entity. `overhead` is what the file has beyond the changed bytes, in percent. They
/// follow each other without a pause, so the reading back of the one before may still go on.
void snapshot_incremental_ecsdb(benchmark::State& state) {
    const TemporaryDirectory directory;
    ecsdb::Options options = saved_options(directory);
    options.incremental_snapshots = 1000;
    options.incremental_percent = 1000;
    SavedGame database = must(SavedGame::open(options));
    const std::uint32_t first = fill(database, million).index();
    must(database.snapshot());
    must(database.flush(ecsdb::Durability::Synced));
    std::uint32_t number = 0;
    std::uint64_t bytes = 0;
    for (auto _ : state) {
        const auto value = static_cast<float>(++number);
        must(database.execute([&](auto& writes) {
            for (std::uint32_t i = 0; i < changed; ++i) {
                const ecsdb::Entity entity{first + i, 1, 0};
                static_cast<void>(writes.update(entity, Position{value, 1, 2}));
                static_cast<void>(writes.update(entity, Velocity{value, 3, 4}));
                static_cast<void>(writes.update(entity, Spin{value, 5, 6}));
            }
        }));
        must(database.flush(ecsdb::Durability::Synced)); // the log is not the snapshot's to write
        const Stopwatch watch;
        must(database.snapshot());
        state.SetIterationTime(watch.seconds());
        bytes = std::max(bytes, database.snapshot_state().bytes);
        if (database.snapshot_state().builds_on != number) {
            state.SkipWithError("not an incremental snapshot");
        }
    }
    state.SetItemsProcessed(state.iterations() * changed);
    state.counters["bytes"] = static_cast<double>(bytes);
    state.counters["overhead"] = (static_cast<double>(bytes) / changed_bytes - 1) * 100;
}
BENCHMARK(snapshot_incremental_ecsdb)->Name("snapshot_incremental/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(20);

/// Writing and syncing the changed bytes to a new file, with or without the page cache.
void snapshot_incremental_floor(benchmark::State& state) {
    write_and_sync(state, (changed_bytes + 4095) / 4096 * 4096, state.range(0) != 0);
    state.SetItemsProcessed(state.iterations() * changed);
}
BENCHMARK(snapshot_incremental_floor)
    ->Name("snapshot_incremental/floor")
    ->ArgName("direct")
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(20);

} // namespace
} // namespace bench::incremental_bench
