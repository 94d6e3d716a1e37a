#include "support/world.hpp"

#include <benchmark/benchmark.h>
#include <string_view>

namespace bench::add_remove {

/// On some entities, for a while: beside the others of the entity …
struct Burning {
    float since, until, heat;
};
ECSDB_COMPONENT(Burning, since, until, heat);

/// … or in its table, so that the entity moves to other neighbours.
struct Stunned {
    float since, until, force;
};
ECSDB_COMPONENT(Stunned, since, until, force);

} // namespace bench::add_remove

template <>
struct ecsdb::ComponentOptions<bench::add_remove::Burning> {
    static constexpr Storage storage = Storage::Sparse;
};

namespace bench::add_remove_bench {
namespace {

using bench::add_remove::Burning;
using bench::add_remove::Stunned;
using Arena = ecsdb::Database<Position, Velocity, Burning, Stunned>;

/// A million entities with a position and a velocity, in order and shuffled.
struct Entities {
    Entities() : database{must(Arena::open({}))} {
        const std::vector<Position> positions = make_positions(million);
        const std::vector<Velocity> velocities = make_velocities(million);
        const ecsdb::Entity first = must(database.execute([&](auto& state) {
            return state.create_many(million, std::span<const Position>{positions}, std::span<const Velocity>{velocities});
        }));
        for (std::uint32_t i = 0; i < million; ++i) {
            ordered.emplace_back(first.index() + i, first.generation(), first.shard());
        }
        random = shuffled(ordered);
    }
    Arena database;
    std::vector<ecsdb::Entity> ordered;
    std::vector<ecsdb::Entity> random;
};

/// Adds the component to 1,000 entities per transaction, and takes it away from the 1,000 that have had it for longest, so that 50,000 have
/// it at any time. An item is one entity that got it and lost it again.
template <typename T, bool in_order>
void add_remove(benchmark::State& state) {
    constexpr std::size_t each = 1'000;
    constexpr std::size_t holding = 50'000;
    constexpr std::size_t per_round = 100'000;
    static Entities entities; // its own: what moves in another order scatters the rows
    const std::span<const ecsdb::Entity> order = in_order ? entities.ordered : entities.random;
    const std::vector<T> rows(each, T{1, 2, 3});
    const auto change = [&](std::size_t at, bool adds) {
        auto tx = entities.database.begin();
        const auto some = order.subspan(at % order.size(), each);
        adds ? tx.template insert_many<T>(some, rows) : tx.template remove_many<T>(some);
        return tx.submit();
    };
    std::size_t next = 0;
    for (; next < holding; next += each) {
        must(change(next, true).wait());
    }
    for (auto _ : state) {
        ecsdb::Ticket last;
        for (const std::size_t end = next + per_round; next < end; next += each) {
            last = change(next, true);
            last = change(next - holding, false);
        }
        must(last.wait());
    }
    for (std::size_t left = next - holding; left < next; left += each) {
        must(change(left, false).wait());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(per_round));
}

void sparse_ordered(benchmark::State& state) {
    add_remove<Burning, true>(state);
}
void sparse_shuffled(benchmark::State& state) {
    add_remove<Burning, false>(state);
}
void table_ordered(benchmark::State& state) {
    add_remove<Stunned, true>(state);
}
void table_shuffled(benchmark::State& state) {
    add_remove<Stunned, false>(state);
}
BENCHMARK(sparse_ordered)->Name("sparse_add_remove/ecsdb/ordered")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(sparse_shuffled)->Name("sparse_add_remove/ecsdb/shuffled")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(table_ordered)->Name("table_add_remove/ecsdb/ordered")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(table_shuffled)->Name("table_add_remove/ecsdb/shuffled")->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::add_remove_bench
