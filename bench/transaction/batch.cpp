#include "support/world.hpp"

#include <benchmark/benchmark.h>

namespace bench::batch_bench {
namespace {

constexpr std::size_t rows_each = 1'000;
constexpr std::size_t transactions = 200;

/// New entities with a position, 1,000 per transaction, through the queue. They are destroyed again outside the time, so that the world
/// stays as large as it is.
void batch_insert_1000_ecsdb(benchmark::State& state) {
    static World world{million};
    Game& database = world.database();
    std::vector<ecsdb::Entity> created(rows_each * transactions);
    for (auto _ : state) {
        const Stopwatch watch;
        ecsdb::Ticket last;
        for (std::size_t i = 0; i < transactions; ++i) {
            auto tx = database.begin();
            tx.create_many(std::span{created}.subspan(i * rows_each, rows_each), Position{1, 2, static_cast<float>(i)});
            last = tx.submit();
        }
        must(last.wait());
        state.SetIterationTime(watch.seconds());
        for (std::size_t i = 0; i < transactions; ++i) {
            auto tx = database.begin();
            tx.destroy_many(std::span{created}.subspan(i * rows_each, rows_each));
            last = tx.submit();
        }
        must(last.wait());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows_each * transactions));
}
BENCHMARK(batch_insert_1000_ecsdb)->Name("batch_insert_1000/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond);

/// Random rows of a million overwritten, 1,000 per transaction, through the queue.
void batch_update_1000_ecsdb(benchmark::State& state) {
    static World world{million};
    const std::vector<Position> rows(rows_each, Position{1, 2, 3});
    std::size_t next = 0;
    for (auto _ : state) {
        ecsdb::Ticket last;
        for (std::size_t i = 0; i < transactions; ++i, next = (next + rows_each) % million) {
            auto tx = world.database().begin();
            tx.update_many<Position>(world.random_order().subspan(next, rows_each), rows);
            last = tx.submit();
        }
        must(last.wait());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows_each * transactions));
}
BENCHMARK(batch_update_1000_ecsdb)->Name("batch_update_1000/ecsdb")->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::batch_bench
