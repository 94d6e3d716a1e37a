#include "support/plain.hpp"
#include "support/temporary_directory.hpp"
#include "support/world.hpp"

#include <benchmark/benchmark.h>

namespace bench::column_update_bench {
namespace {

void move(Position& position, const Velocity& velocity) {
    position.x += velocity.x * time_step;
    position.y += velocity.y * time_step;
    position.z += velocity.z * time_step;
}

void update_all(Game& database) {
    must(database.update<Position, const Velocity>([](Position& position, const Velocity& velocity) { move(position, velocity); }));
}

/// One isolated, atomic `p += v * dt` over the whole column, from the call until it is visible.
void column_update_ecsdb(benchmark::State& state) {
    static World world{million};
    for (auto _ : state) {
        update_all(world.database());
    }
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(column_update_ecsdb)->Name("column_update/ecsdb")->UseRealTime();

/// The same arithmetic in place, neither isolated nor atomic.
void column_update_floor(benchmark::State& state) {
    static PlainArray<Position> positions{make_positions(million)};
    static PlainArray<Velocity> velocities{make_velocities(million)};
    for (auto _ : state) {
        Position* const rows = positions.data();
        const Velocity* const speeds = velocities.data();
        for (std::uint32_t i = 0; i < million; ++i) {
            move(rows[i], speeds[i]);
        }
        benchmark::DoNotOptimize(rows);
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(column_update_floor)->Name("column_update/floor")->UseRealTime();

/// The same with a log. The log's own thread works meanwhile; it has handed everything to the operating system before the time is taken.
void column_update_logged_ecsdb(benchmark::State& state) {
    constexpr int updates = 8;
    const TemporaryDirectory directory;
    ecsdb::Options options;
    options.directory = directory.path();
    options.durability = ecsdb::Durability::Logged;
    World world{million, options};
    update_all(world.database());
    must(world.database().flush(ecsdb::Durability::Logged));
    for (auto _ : state) {
        for (int i = 0; i < updates; ++i) {
            update_all(world.database());
        }
        must(world.database().flush(ecsdb::Durability::Logged));
    }
    state.SetItemsProcessed(state.iterations() * updates * million);
}
// Few iterations: each writes some 100 MB.
BENCHMARK(column_update_logged_ecsdb)->Name("column_update_logged/ecsdb")->UseRealTime()->Iterations(4)->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::column_update_bench
