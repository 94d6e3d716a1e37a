#include "support/world.hpp"

#include <benchmark/benchmark.h>
#include <memory>
#include <tuple>

namespace bench {

template <int Number>
struct Tag {};
#define BENCH_TAG(number) ECSDB_COMPONENT_NAMED(Tag<number>, "Tag" #number)
BENCH_TAG(0);
BENCH_TAG(1);
BENCH_TAG(2);
BENCH_TAG(3);
BENCH_TAG(4);
BENCH_TAG(5);
BENCH_TAG(6);
BENCH_TAG(7);
BENCH_TAG(8);
BENCH_TAG(9);
#undef BENCH_TAG

} // namespace bench

namespace bench::commit_cost_bench {
namespace {

constexpr std::uint32_t touched_rows = 1'000;

/// One transaction that updates `rows` per iteration. Timed from the prepared transaction until it is visible.
template <typename Database>
void commit_rows(benchmark::State& state, Database& database, std::span<const ecsdb::Entity> rows) {
    float value = 0;
    for (auto _ : state) {
        auto transaction = database.begin();
        value += 1;
        for (const ecsdb::Entity entity : rows) {
            transaction.update(entity, Position{value, value, value});
        }
        const Stopwatch watch;
        must(transaction.commit());
        state.SetIterationTime(watch.seconds());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows.size()));
}

/// The same 1,000 rows in a small world and in a large one: a commit costs what it touches.
void commit_cost_by_world(benchmark::State& state) {
    static World small{touched_rows};
    static World large{million};
    World& world = state.range(0) == million ? large : small;
    commit_rows(state, world.database(), world.entities().first(touched_rows));
}
BENCHMARK(commit_cost_by_world)->Name("commit_cost_by_world/ecsdb")->Arg(touched_rows)->Arg(million)->UseManualTime();

using Tagged = ecsdb::Database<Position, Velocity, Tag<0>, Tag<1>, Tag<2>, Tag<3>, Tag<4>, Tag<5>, Tag<6>, Tag<7>, Tag<8>, Tag<9>>;

/// 1,024,000 entities, 1,000 to each set of tags; or all without tags.
class TaggedWorld {
public:
    explicit TaggedWorld(std::uint32_t archetypes) : database_{must(Tagged::open({}))} {
        for (std::uint32_t group = 0; group < 1024; ++group) {
            auto transaction = database_.begin();
            for (std::uint32_t i = 0; i < touched_rows; ++i) {
                const ecsdb::Entity entity = transaction.create(Position{1, 2, 3}, Velocity{1, 2, 3});
                add_tags(transaction, entity, group % archetypes, std::make_integer_sequence<int, 10>{});
                if (group == 0) {
                    first_.push_back(entity);
                }
            }
            must(transaction.commit());
        }
    }

    [[nodiscard]] Tagged& database() { return database_; }
    /// Those without tags, or the first of them.
    [[nodiscard]] std::span<const ecsdb::Entity> first() const { return first_; }

private:
    template <int... Numbers>
    static void add_tags(Tagged::Transaction& transaction, ecsdb::Entity entity, std::uint32_t set,
                         std::integer_sequence<int, Numbers...>) {
        ((static_cast<void>((set >> Numbers & 1U) != 0 && (transaction.insert(entity, Tag<Numbers>{}), true))), ...);
    }

    Tagged database_;
    std::vector<ecsdb::Entity> first_;
};

/// The same 1,000 rows beside one archetype (their own) and beside 1,024: what exists costs nothing.
void commit_cost_by_archetypes(benchmark::State& state) {
    static TaggedWorld one{1};
    static TaggedWorld many{1024};
    TaggedWorld& world = state.range(0) == 1 ? one : many;
    commit_rows(state, world.database(), world.first());
}
BENCHMARK(commit_cost_by_archetypes)->Name("commit_cost_by_archetypes/ecsdb")->Arg(1)->Arg(1024)->UseManualTime();

/// Single-row commits over a working set of 10,000 random rows, without (0) and with (1) a view held open from before the first of them.
void commit_with_old_pin(benchmark::State& state) {
    constexpr std::size_t working_set = 10'000;
    static World world{million};
    const auto rows = world.random_order().first(working_set);
    const Game::View held = state.range(0) == 1 ? world.database().read() : Game::View{};
    for (auto _ : state) {
        ecsdb::Ticket last;
        for (const ecsdb::Entity entity : rows) {
            last = world.database().update(entity, Position{1, 2, 3});
        }
        must(last.wait());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(working_set));
}
BENCHMARK(commit_with_old_pin)->Name("commit_with_old_pin/ecsdb")->Arg(0)->Arg(1)->UseRealTime();

} // namespace
} // namespace bench::commit_cost_bench
