#include "support/allocations.hpp"
#include "support/world.hpp"

#include <benchmark/benchmark.h>

namespace bench::single_row_bench {
namespace {

World& world_of(std::int64_t entities) {
    static World small{10'000};
    static World large{million};
    return entities == million ? large : small;
}

/// Walks the entities in random order, for ever.
class Walk {
public:
    explicit Walk(const World& world) : entities_{world.random_order()} {}
    ecsdb::Entity next() {
        next_ = next_ == entities_.size() ? 0 : next_;
        return entities_[next_++];
    }

private:
    std::span<const ecsdb::Entity> entities_;
    std::size_t next_ = 0;
};

/// Transactions of one operation on random rows, sustained: the queue is kept full, and the time ends when the last one is visible.
void single_row_commit_ecsdb(benchmark::State& state) {
    constexpr int burst = 1 << 18;
    World& world = world_of(state.range(0));
    Walk walk{world};
    const auto commit_burst = [&] {
        ecsdb::Ticket last;
        for (int i = 0; i < burst; ++i) {
            last = world.database().update(walk.next(), Position{1, 2, static_cast<float>(i)});
        }
        must(last.wait());
    };
    commit_burst();
    const std::uint64_t before = allocations();
    for (auto _ : state) {
        commit_burst();
    }
    state.counters["allocs_per_commit"] = static_cast<double>(allocations() - before) / static_cast<double>(state.iterations() * burst);
    state.SetItemsProcessed(state.iterations() * burst);
}
BENCHMARK(single_row_commit_ecsdb)
    ->Name("single_row_commit/ecsdb")
    ->Arg(10'000)
    ->Arg(million)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// What such a transaction costs its caller: bursts the queue has room for, waited for outside the time.
void submit_ecsdb(benchmark::State& state) {
    constexpr int burst = 1'000;
    World& world = world_of(million);
    Walk walk{world};
    for (auto _ : state) {
        ecsdb::Ticket last;
        const Stopwatch watch;
        for (int i = 0; i < burst; ++i) {
            last = world.database().update(walk.next(), Position{1, 2, static_cast<float>(i)});
        }
        state.SetIterationTime(watch.seconds());
        must(last.wait());
    }
    state.SetItemsProcessed(state.iterations() * burst);
}
BENCHMARK(submit_ecsdb)->Name("submit/ecsdb")->UseManualTime();

/// From submitting one row until the waiting caller knows that every new view sees it, the writer being awake.
void visible_ecsdb(benchmark::State& state) {
    World& world = world_of(million);
    Walk walk{world};
    std::vector<double> latencies;
    latencies.reserve(static_cast<std::size_t>(state.max_iterations));
    for (auto _ : state) {
        const ecsdb::Entity entity = walk.next();
        const Stopwatch watch;
        must(world.database().update(entity, Position{1, 2, 3}).wait());
        latencies.push_back(watch.seconds());
    }
    const auto percentile = [&](std::size_t percent) {
        const auto place = latencies.begin() + static_cast<std::ptrdiff_t>((latencies.size() - 1) * percent / 100);
        std::nth_element(latencies.begin(), place, latencies.end());
        return *place * 1e9;
    };
    state.counters["p50_ns"] = percentile(50);
    state.counters["p99_ns"] = percentile(99);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(visible_ecsdb)->Name("visible/ecsdb")->UseRealTime();

} // namespace
} // namespace bench::single_row_bench
