#include "snapshot/saved_world.hpp"

#include <benchmark/benchmark.h>
#include <optional>

namespace bench::load_bench {
namespace {

/// Opening a database from a snapshot of a million entities, into memory that was touched before. An item is an entity.
void load_ecsdb(benchmark::State& state) {
    const TemporaryDirectory directory;
    KeepingAllocator allocator;
    ecsdb::Options options = saved_options(directory);
    options.allocator = &allocator;
    {
        SavedGame database = must(SavedGame::open(options));
        fill(database, million);
        must(database.snapshot());
        must(database.close());
    }
    for (int i = 0; i < 2; ++i) {
        must(must(SavedGame::open(options)).close()); // touches the memory
    }
    for (auto _ : state) {
        const Stopwatch watch;
        std::optional<SavedGame> database{must(SavedGame::open(options))};
        state.SetIterationTime(watch.seconds());
        if (database->read().entity_count() != million || database->recovery_report().replayed != 0) {
            state.SkipWithError("not what was saved");
        }
        must(database->close());
        database.reset();
    }
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(load_ecsdb)->Name("load/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(10);

} // namespace
} // namespace bench::load_bench
