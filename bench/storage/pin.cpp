#include "support/world.hpp"

#include <benchmark/benchmark.h>

namespace bench::pin_bench {
namespace {

/// Opening a view of the newest version and letting it go again.
void pin_ecsdb(benchmark::State& state) {
    static World world{million};
    for (auto _ : state) {
        const auto view = world.database().read();
        benchmark::DoNotOptimize(&view.root());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(pin_ecsdb)->Name("pin/ecsdb");

} // namespace
} // namespace bench::pin_bench
