#include "support/plain.hpp"
#include "support/world.hpp"

#include <algorithm>
#include <array>
#include <benchmark/benchmark.h>
#include <span>

namespace bench::random_get_bench {
namespace {

World& world_of(std::int64_t entities) {
    static World small{10'000};
    static World large{million};
    return entities == million ? large : small;
}

/// One component by entity id, every entity once in random order, each id checked to be alive.
void random_get_ecsdb(benchmark::State& state) {
    World& world = world_of(state.range(0));
    for (auto _ : state) {
        float sum = 0;
        const auto view = world.database().read();
        for (const ecsdb::Entity entity : world.random_order()) {
            if (const Position* const position = view.get<Position>(entity); position != nullptr) {
                sum += position->x;
            }
        }
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(random_get_ecsdb)->Name("random_get/ecsdb")->Arg(10'000)->Arg(million);

/// The same, 256 ids at a time through `get_many`, which lets cache misses overlap.
void random_get_many_ecsdb(benchmark::State& state) {
    constexpr std::size_t at_once = 256;
    World& world = world_of(state.range(0));
    std::array<const Position*, at_once> rows{};
    for (auto _ : state) {
        float sum = 0;
        const auto view = world.database().read();
        for (std::span<const ecsdb::Entity> left = world.random_order(); !left.empty();) {
            const std::size_t count = std::min(at_once, left.size());
            view.get_many<Position>(left.first(count), std::span{rows}.first(count));
            for (std::size_t i = 0; i < count; ++i) {
                sum += rows[i] == nullptr ? 0 : rows[i]->x;
            }
            left = left.subspan(count);
        }
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(random_get_many_ecsdb)->Name("random_get_many/ecsdb")->Arg(10'000)->Arg(million);

/// The least a store with checked ids can do: compare the generation, take the row number from the record, read the row.
void random_get_floor(benchmark::State& state) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    PlainArray<Position> positions{make_positions(count)};
    PlainArray<PlainRecord> records{count};
    for (std::uint32_t i = 0; i < count; ++i) {
        records[i] = {i, 1, 1};
    }
    World& world = world_of(count); // for the ids, in the same order
    const std::uint32_t first = world.entities().front().index();
    for (auto _ : state) {
        float sum = 0;
        for (const ecsdb::Entity entity : world.random_order()) {
            const std::uint32_t slot = entity.index() - first;
            if (slot < count && records[slot].generation == entity.generation()) {
                sum += positions[records[slot].row].x;
            }
        }
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(random_get_floor)->Name("random_get/floor")->Arg(10'000)->Arg(million);

} // namespace
} // namespace bench::random_get_bench
