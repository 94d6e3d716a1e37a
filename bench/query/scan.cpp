#include "support/plain.hpp"
#include "support/world.hpp"

#include <benchmark/benchmark.h>

namespace bench::scan_bench {
namespace {

void add(Position& sum, const Position& row) {
    sum.x += row.x;
    sum.y += row.y;
    sum.z += row.z;
}

/// Reading one column of a pinned version, row by row: pin, walk and release are all in it.
void scan_ecsdb(benchmark::State& state) {
    static World world{million};
    for (auto _ : state) {
        Position sum{};
        const auto view = world.database().read();
        view.each<Position>([&](const Position& row) { add(sum, row); });
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(scan_ecsdb)->Name("scan/ecsdb");

/// The same sum over one contiguous array.
void scan_floor(benchmark::State& state) {
    static PlainArray<Position> positions{make_positions(million)};
    for (auto _ : state) {
        Position sum{};
        const Position* const rows = positions.data();
        for (std::uint32_t i = 0; i < million; ++i) {
            add(sum, rows[i]);
        }
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(scan_floor)->Name("scan/floor");

} // namespace
} // namespace bench::scan_bench
