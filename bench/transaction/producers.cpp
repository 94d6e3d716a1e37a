#include "support/world.hpp"

#include <atomic>
#include <benchmark/benchmark.h>
#include <thread>

namespace bench::producers_bench {
namespace {

/// The same number of one-row transactions on random rows from one thread, or from several at once, until all of them are visible.
void producers_ecsdb(benchmark::State& state) {
    constexpr std::size_t transactions = 1 << 19;
    static World world{million};
    const auto threads = static_cast<std::size_t>(state.range(0));
    const auto produce = [&](std::size_t which) {
        const std::span<const ecsdb::Entity> order = world.random_order();
        std::size_t next = which * (order.size() / threads);
        ecsdb::Ticket last;
        for (std::size_t i = 0; i < transactions / threads; ++i) {
            last = world.database().update(order[next], Position{1, 2, static_cast<float>(i)});
            next = next + 1 == order.size() ? 0 : next + 1;
        }
        must(last.wait());
    };
    // The threads stay, as a program's do: what is measured is the queue.
    std::atomic<int> round{0};
    std::atomic<std::size_t> done{0};
    std::atomic<bool> stop{false};
    std::vector<std::jthread> others;
    for (std::size_t which = 1; which < threads; ++which) {
        others.emplace_back([&, which] {
            for (int seen = 0;; ++seen) {
                round.wait(seen);
                if (stop) {
                    return;
                }
                produce(which);
                ++done;
                done.notify_one();
            }
        });
    }
    for (auto _ : state) {
        done = 0;
        ++round;
        round.notify_all();
        produce(0);
        for (std::size_t seen = done; seen != threads - 1; seen = done) {
            done.wait(seen);
        }
    }
    stop = true;
    ++round;
    round.notify_all();
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(transactions));
}
BENCHMARK(producers_ecsdb)->Name("producers/ecsdb")->Arg(1)->Arg(8)->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::producers_bench
