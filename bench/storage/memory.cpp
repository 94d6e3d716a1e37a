#include "support/allocations.hpp"
#include "support/world.hpp"

#include <atomic>
#include <benchmark/benchmark.h>

namespace bench {

struct Acceleration {
    float x, y, z;
};
ECSDB_COMPONENT(Acceleration, x, y, z);

} // namespace bench

namespace bench::memory_bench {
namespace {

/// Knows how many bytes are out.
class MeasuringAllocator final : public ecsdb::Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        void* const memory = system_.allocate(bytes, alignment);
        bytes_.fetch_add(memory == nullptr ? 0 : bytes, std::memory_order_relaxed);
        return memory;
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        bytes_.fetch_sub(bytes, std::memory_order_relaxed);
        system_.deallocate(memory, bytes, alignment);
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

private:
    ecsdb::SystemAllocator system_;
    std::atomic<std::size_t> bytes_{0};
};

/// A million entities with three components, created in transactions of 1,000; then single-row commits, for their allocations.
///
/// `bytes_per_entity` is everything the database holds from its allocator: pages, free pages, tree, versions, queue, scratch.
/// `used_bytes_per_entity` is what the newest version is made of. `overhead_percent` compares the former with the component bytes and the
/// 20 bytes any such store needs (record, row → entity, version).
void memory_ecsdb(benchmark::State& state) {
    constexpr double needed_bytes = sizeof(Position) + sizeof(Velocity) + sizeof(Acceleration) + 20;
    constexpr std::uint32_t per_transaction = 1'000;
    MeasuringAllocator allocator;
    ecsdb::Options options;
    options.allocator = &allocator;
    auto database = must(ecsdb::Database<Position, Velocity, Acceleration>::open(options));
    std::vector<ecsdb::Entity> entities;
    while (entities.size() < million) {
        auto transaction = database.begin();
        for (std::uint32_t i = 0; i < per_transaction; ++i) {
            entities.push_back(transaction.create(Position{1, 2, 3}, Velocity{1, 2, 3}, Acceleration{0, 0, 1}));
        }
        must(transaction.commit());
    }
    const double held = static_cast<double>(allocator.bytes()) / million;
    state.counters["bytes_per_entity"] = held;
    state.counters["used_bytes_per_entity"] = static_cast<double>(database.statistics().used_bytes) / million;
    state.counters["overhead_percent"] = (held - needed_bytes) / needed_bytes * 100;

    entities = shuffled(std::move(entities));
    const auto update_all = [&] {
        ecsdb::Ticket last;
        for (const ecsdb::Entity entity : entities) {
            last = database.update(entity, Position{3, 2, 1});
        }
        must(last.wait());
    };
    update_all();
    const std::uint64_t before = allocations();
    for (auto _ : state) {
        update_all();
    }
    state.counters["allocs_per_commit"] = static_cast<double>(allocations() - before) / static_cast<double>(state.iterations() * million);
    state.SetItemsProcessed(state.iterations() * million);
}
BENCHMARK(memory_ecsdb)->Name("memory/ecsdb")->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::memory_bench
