#include "support/plain.hpp"
#include "support/world.hpp"

#include <benchmark/benchmark.h>
#include <cstring>

namespace bench::bulk_create_bench {
namespace {

constexpr std::size_t reserved_bytes = std::size_t{80} << 20U;

/// A million entities from two arrays in one transaction, into an empty database whose memory was reserved (and so touched) at opening.
void bulk_create_ecsdb(benchmark::State& state) {
    static const std::vector<Position> positions = make_positions(million);
    static const std::vector<Velocity> velocities = make_velocities(million);
    for (auto _ : state) {
        ecsdb::Options options;
        options.initial_bytes = reserved_bytes;
        Game database = must(Game::open(options));
        must(database.execute([](auto&) { return ecsdb::Result<void>{}; })); // the caller's side of the queue exists, the writer is awake
        const Stopwatch watch;
        must(database.execute([&](auto& writable) {
            return writable.create_many(million, std::span<const Position>{positions}, std::span<const Velocity>{velocities});
        }));
        state.SetIterationTime(watch.seconds());
    }
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(bulk_create_ecsdb)->Name("bulk_create/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond);

/// The same bytes into plain arrays touched before: both components, the row's entity, the entity's record, its version.
void bulk_create_floor(benchmark::State& state) {
    static const std::vector<Position> from_positions = make_positions(million);
    static const std::vector<Velocity> from_velocities = make_velocities(million);
    static PlainArray<Position> positions{million};
    static PlainArray<Velocity> velocities{million};
    static PlainArray<std::uint32_t> entities{million};
    static PlainArray<PlainRecord> records{million};
    static PlainArray<std::uint32_t> versions{million};
    for (auto _ : state) {
        const Stopwatch watch;
        std::memcpy(positions.data(), from_positions.data(), million * sizeof(Position));
        std::memcpy(velocities.data(), from_velocities.data(), million * sizeof(Velocity));
        for (std::uint32_t i = 0; i < million; ++i) {
            entities[i] = i;
        }
        for (std::uint32_t i = 0; i < million; ++i) {
            records[i] = {i, 1, 1};
        }
        std::fill_n(versions.data(), million, 1U);
        benchmark::ClobberMemory();
        state.SetIterationTime(watch.seconds());
    }
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(bulk_create_floor)->Name("bulk_create/floor")->UseManualTime()->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::bulk_create_bench
