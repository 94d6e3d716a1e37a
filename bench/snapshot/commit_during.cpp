#include "snapshot/saved_world.hpp"

#include <atomic>
#include <benchmark/benchmark.h>
#include <thread>

namespace bench::commit_during_bench {
namespace {

/// The 99th percentile, in nanoseconds.
double p99(std::vector<double>& seconds) {
    if (seconds.empty()) {
        return 0;
    }
    const auto place = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() * 99 / 100);
    std::nth_element(seconds.begin(), place, seconds.end());
    return *place * 1e9;
}

/// Commits one row at a time until `enough` says so, and waits for each; how long each took.
template <typename Enough>
std::vector<double> commit_until(SavedGame& database, std::uint32_t first, Enough&& enough) {
    std::vector<double> seconds;
    std::mt19937 random{7};
    while (!enough(seconds.size())) {
        const ecsdb::Entity entity{first + static_cast<std::uint32_t>(random() % million), 1, 0};
        const Stopwatch watch;
        must(database.update(entity, Position{1, 2, 3}).wait());
        seconds.push_back(watch.seconds());
    }
    return seconds;
}

/// How long a commit takes that is waited for, alone and beside snapshots that follow each other. An item is such a commit.
void commit_during_snapshot_ecsdb(benchmark::State& state) {
    const TemporaryDirectory directory;
    SavedGame database = must(SavedGame::open(saved_options(directory)));
    const std::uint32_t first = fill(database, million).index();
    must(database.snapshot());
    commit_until(database, first, [](std::size_t done) { return done == 100'000; });
    std::vector<double> idle;
    std::vector<double> busy;
    std::size_t snapshots = 0;
    for (auto _ : state) {
        const auto alone = commit_until(database, first, [](std::size_t done) { return done == 100'000; });
        idle.insert(idle.end(), alone.begin(), alone.end());
        constexpr int wanted = 5;
        std::atomic<bool> ended{false};
        std::thread saver{[&] {
            for (int i = 0; i < wanted; ++i) {
                must(database.snapshot());
            }
            ended.store(true);
        }};
        const Stopwatch watch;
        const auto beside = commit_until(database, first, [&](std::size_t) { return ended.load(); });
        state.SetIterationTime(watch.seconds());
        saver.join();
        snapshots += wanted;
        busy.insert(busy.end(), beside.begin(), beside.end());
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(busy.size()));
    const double longest = busy.empty() ? 0 : *std::max_element(busy.begin(), busy.end()) * 1e9;
    const double idle_longest = idle.empty() ? 0 : *std::max_element(idle.begin(), idle.end()) * 1e9;
    state.counters["p99_idle_ns"] = p99(idle);
    state.counters["p99_ns"] = p99(busy);
    state.counters["max_idle_ns"] = idle_longest;
    state.counters["max_ns"] = longest;
    state.counters["snapshots"] = static_cast<double>(snapshots);
}
BENCHMARK(commit_during_snapshot_ecsdb)
    ->Name("commit_during_snapshot/ecsdb")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(4);

} // namespace
} // namespace bench::commit_during_bench
