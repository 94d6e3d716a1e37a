#include "support/world.hpp"

#include <benchmark/benchmark.h>

namespace bench::function_bench {
namespace {

World& world() {
    static World world{10'000};
    return world;
}

constexpr int burst = 1 << 16;

/// What a function transaction costs beyond what the function does: queued, run, published, one after the other.
void function_transaction_ecsdb(benchmark::State& state) {
    for (auto _ : state) {
        ecsdb::Ticket last;
        for (int i = 0; i < burst; ++i) {
            last = world().database().submit([](auto&) {});
        }
        must(last.wait());
    }
    state.SetItemsProcessed(state.iterations() * burst);
}
BENCHMARK(function_transaction_ecsdb)->Name("function_transaction/ecsdb")->UseRealTime()->Unit(benchmark::kMillisecond);

/// One that reads a row and changes it.
void function_update_ecsdb(benchmark::State& state) {
    const std::span<const ecsdb::Entity> order = world().random_order();
    std::size_t next = 0;
    for (auto _ : state) {
        ecsdb::Ticket last;
        for (int i = 0; i < burst; ++i) {
            last = world().database().submit([entity = order[next]](auto& transaction) {
                Position position = *transaction.template get<Position>(entity);
                position.x += 1;
                return transaction.update(entity, position);
            });
            next = next + 1 == order.size() ? 0 : next + 1;
        }
        must(last.wait());
    }
    state.SetItemsProcessed(state.iterations() * burst);
}
BENCHMARK(function_update_ecsdb)->Name("function_update/ecsdb")->UseRealTime()->Unit(benchmark::kMillisecond);

/// One that its caller waits for each time.
void function_waited_for_ecsdb(benchmark::State& state) {
    for (auto _ : state) {
        must(world().database().execute([](auto&) {}));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(function_waited_for_ecsdb)->Name("function_waited_for/ecsdb")->UseRealTime();

/// One-row transactions without and with a check that the row is as it was read.
void optimistic_update_ecsdb(benchmark::State& state) {
    const bool checked = state.range(0) != 0;
    const std::span<const ecsdb::Entity> order = world().random_order();
    std::size_t next = 0;
    for (auto _ : state) {
        ecsdb::Ticket last;
        const auto view = world().database().read();
        for (int i = 0; i < 10'000; ++i) {
            const ecsdb::Entity entity = order[next];
            next = next + 1 == order.size() ? 0 : next + 1;
            const Position seen = *view.get<Position>(entity);
            auto tx = world().database().begin();
            if (checked) {
                tx.expect(entity, seen);
            }
            tx.update(entity, Position{seen.x + 1, seen.y, seen.z});
            last = tx.submit();
        }
        must(last.wait());
    }
    state.SetItemsProcessed(state.iterations() * 10'000);
}
BENCHMARK(optimistic_update_ecsdb)->Name("optimistic_update/ecsdb")->Arg(0)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::function_bench
