#include "snapshot/saved_world.hpp"

#include <benchmark/benchmark.h>
#include <filesystem>

namespace bench::save_bench {
namespace {

/// How large the newest snapshot in a directory is.
std::uintmax_t snapshot_bytes(const std::filesystem::path& directory) {
    std::uintmax_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator{directory}) {
        bytes = entry.path().filename().string().starts_with("snapshot-") ? std::max(bytes, entry.file_size()) : bytes;
    }
    return bytes;
}

/// `db.snapshot()`: file, log switch and manifest, all on the disk when it returns. An item is an entity.
void save_snapshots(benchmark::State& state, bool compressed) {
    const TemporaryDirectory directory;
    ecsdb::Options options = saved_options(directory);
    options.compress_snapshots = compressed;
    SavedGame database = must(SavedGame::open(options));
    const ecsdb::Entity first = fill(database, million);
    must(database.flush(ecsdb::Durability::Synced)); // the log of the filling is not the snapshot's to write
    std::uint32_t number = 0;
    for (auto _ : state) {
        must(database.update(first, Position{1, 2, static_cast<float>(++number)}).wait()); // each snapshot is of another version
        const Stopwatch watch;
        must(database.snapshot());
        state.SetIterationTime(watch.seconds());
    }
    state.SetItemsProcessed(state.iterations() * million);
    state.counters["bytes"] = static_cast<double>(snapshot_bytes(directory.path()));
}
void snapshot_ecsdb(benchmark::State& state) {
    save_snapshots(state, false);
}
BENCHMARK(snapshot_ecsdb)->Name("snapshot/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(10);

/// The same, compressed: values that look like noise, so that it is the time that counts here.
void snapshot_compressed_ecsdb(benchmark::State& state) {
    save_snapshots(state, true);
}
BENCHMARK(snapshot_compressed_ecsdb)->Name("snapshot_compressed/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(10);

/// Writing and syncing as many bytes to a new file, with or without the page cache.
void snapshot_floor(benchmark::State& state) {
    constexpr std::size_t bytes = 36'700'160; // as large as the snapshot of this world, in whole MiB
    write_and_sync(state, bytes, state.range(0) != 0);
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(snapshot_floor)
    ->Name("snapshot/floor")
    ->ArgName("direct")
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(10);

} // namespace
} // namespace bench::save_bench
