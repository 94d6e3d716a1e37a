#include "support/world.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <type_traits>

namespace bench::keys {

/// Who an entity belongs to, promised to live and to have a position …
struct Owned {
    ecsdb::Entity by;
};
ECSDB_COMPONENT(Owned, by);

/// … and the same without the promise.
struct Liked {
    ecsdb::Entity by;
};
ECSDB_COMPONENT(Liked, by);

/// A number no two entities share …
struct Badge {
    std::uint64_t number;
};
ECSDB_COMPONENT(Badge, number);

/// … and one they may.
struct Mark {
    std::uint64_t number;
};
ECSDB_COMPONENT(Mark, number);

} // namespace bench::keys

template <>
struct ecsdb::ComponentOptions<bench::keys::Owned> {
    static void constrain(TableEditor& table) { table.field("by").references("Position", "entity_id", OnDelete::Cascade); }
};
template <>
struct ecsdb::ComponentOptions<bench::keys::Badge> {
    static void constrain(TableEditor& table) { table.field("number").unique(); }
};

namespace bench::keys_bench {
namespace {

using namespace bench::keys;
using Town = ecsdb::Database<Position, Owned, Liked, Badge, Mark>;

struct Citizens {
    static constexpr std::uint32_t count = 100'000;

    Citizens() : database{must(Town::open({}))} {
        std::vector<ecsdb::Entity> ordered(count);
        for (std::uint32_t done = 0; done < count; done += 1'000) {
            auto tx = database.begin();
            for (std::uint32_t i = done; i < done + 1'000; ++i) {
                ordered[i] = tx.create(Position{1, 2, 3}, Badge{i}, Mark{i});
                tx.insert(ordered[i], Owned{ordered[i]}).insert(ordered[i], Liked{ordered[i]});
            }
            must(tx.commit());
        }
        random = shuffled(ordered);
        next_number = count;
    }
    Town database;
    std::vector<ecsdb::Entity> random;
    std::uint64_t next_number;
};

Citizens& citizens() {
    static Citizens citizens;
    return citizens;
}

/// Transactions that change one key in each of 1,000 random rows, with a constraint on the key and without; the time is the difference: the
/// check and the upkeep of the structures it needs. Both sides are counted too.
template <typename With, typename Without, typename MakeKey>
void difference(benchmark::State& state, MakeKey&& make_key) {
    constexpr std::size_t each = 1'000;
    constexpr std::size_t transactions = 50;
    Citizens& town = citizens();
    double with_seconds = 0;
    double without_seconds = 0;
    std::size_t start = 0;
    const auto run = [&]<typename T>(std::type_identity<T>) {
        std::vector<std::vector<T>> rows(transactions);
        std::size_t at = start;
        for (std::vector<T>& some : rows) {
            for (std::size_t i = 0; i < each; ++i) {
                some.push_back(T{make_key(town, at + i)});
            }
            at = (at + each) % town.count;
        }
        const Stopwatch watch;
        ecsdb::Ticket last;
        at = start;
        for (const std::vector<T>& some : rows) {
            auto tx = town.database.begin();
            tx.template update_many<T>(std::span<const ecsdb::Entity>{town.random}.subspan(at, each), some);
            last = tx.submit();
            at = (at + each) % town.count;
        }
        must(last.wait());
        return watch.seconds();
    };
    for (auto _ : state) {
        const double with = run(std::type_identity<With>{});
        const double without = run(std::type_identity<Without>{});
        start = (start + each * transactions) % town.count;
        with_seconds += with;
        without_seconds += without;
        state.SetIterationTime(std::max(0.0, with - without));
    }
    const auto items = static_cast<double>(state.iterations()) * static_cast<double>(each * transactions);
    state.counters["with_ns"] = with_seconds * 1e9 / items;
    state.counters["without_ns"] = without_seconds * 1e9 / items;
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(each * transactions));
}

void foreign_key_check_ecsdb(benchmark::State& state) {
    difference<Owned, Liked>(state, [](Citizens& town, std::size_t at) { return town.random[(at * 7 + town.next_number++) % town.count]; });
}
BENCHMARK(foreign_key_check_ecsdb)->Name("foreign_key_check/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond);

void unique_check_ecsdb(benchmark::State& state) {
    difference<Badge, Mark>(state, [](Citizens& town, std::size_t) { return town.next_number++; });
}
BENCHMARK(unique_check_ecsdb)->Name("unique_check/ecsdb")->UseManualTime()->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::keys_bench
