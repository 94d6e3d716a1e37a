#include "support/temporary_directory.hpp"
#include "support/world.hpp"

#include "ecsdb/io/posix_file_system.hpp"

#include <benchmark/benchmark.h>
#include <thread>

namespace bench::log_bench {
namespace {

ecsdb::Options logged_in(const TemporaryDirectory& directory, ecsdb::Durability durability) {
    ecsdb::Options options;
    options.directory = directory.path();
    options.durability = durability;
    return options;
}

/// One-row transactions on random rows, each waited for until it is on the disk, from one thread or from several at once.
void synced_commit_ecsdb(benchmark::State& state) {
    constexpr std::size_t each = 500;
    const TemporaryDirectory directory;
    World world{10'000, logged_in(directory, ecsdb::Durability::Synced)};
    const auto threads = static_cast<std::size_t>(state.range(0));
    const auto commit_all = [&](std::size_t which) {
        for (std::size_t i = 0; i < each; ++i) {
            must(world.database().update(world.random_order()[which * each + i], Position{1, 2, static_cast<float>(i)}).wait());
        }
    };
    commit_all(0);
    for (auto _ : state) {
        const Stopwatch watch;
        {
            std::vector<std::jthread> others;
            for (std::size_t which = 1; which < threads; ++which) {
                others.emplace_back(commit_all, which);
            }
            commit_all(0);
        }
        state.SetIterationTime(watch.seconds());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(each * threads));
}
BENCHMARK(synced_commit_ecsdb)->Name("synced_commit/ecsdb")->Arg(1)->Arg(8)->UseManualTime()->Iterations(5)->Unit(benchmark::kMillisecond);

/// The bytes such a commit takes in the log, written over an existing file and synced.
void synced_commit_floor(benchmark::State& state) {
    constexpr std::size_t commits = 500;
    constexpr std::size_t bytes_each = 112;
    const TemporaryDirectory directory;
    ecsdb::PosixFileSystem files;
    must(files.create_directory(directory.path()));
    const auto file = must(files.open(directory.path() + "/floor", ecsdb::FileMode::CreateNew));
    must(file->pwrite(std::vector<std::byte>(std::size_t{16} << 20U), 0));
    must(file->sync());
    const std::vector<std::byte> bytes(bytes_each, std::byte{1});
    std::uint64_t offset = 0;
    for (auto _ : state) {
        for (std::size_t i = 0; i < commits; ++i, offset += bytes_each) {
            must(file->pwrite(bytes, offset));
            must(file->sync());
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(commits));
}
BENCHMARK(synced_commit_floor)->Name("synced_commit/floor")->UseRealTime()->Iterations(5)->Unit(benchmark::kMillisecond);

/// One-row transactions on random rows of a million, sustained, until the last of them is with the operating system.
void logged_commit_ecsdb(benchmark::State& state) {
    constexpr int burst = 1 << 18;
    const TemporaryDirectory directory;
    World world{million, logged_in(directory, ecsdb::Durability::Logged)};
    std::size_t next = 0;
    const auto commit_burst = [&] {
        for (int i = 0; i < burst; ++i, next = next + 1 == million ? 0 : next + 1) {
            static_cast<void>(world.database().update(world.random_order()[next], Position{1, 2, static_cast<float>(i)}));
        }
        must(world.database().begin().commit()); // behind all the others
        must(world.database().flush(ecsdb::Durability::Logged));
    };
    commit_burst();
    for (auto _ : state) {
        commit_burst();
    }
    state.SetItemsProcessed(state.iterations() * burst);
}
BENCHMARK(logged_commit_ecsdb)->Name("logged_commit/ecsdb")->UseRealTime()->Iterations(10)->Unit(benchmark::kMillisecond);

/// New entities with a position, 1,000 per transaction, until the last of them is with the operating system. They are destroyed again
/// outside the time.
void logged_batch_1000_ecsdb(benchmark::State& state) {
    constexpr std::size_t rows_each = 1'000;
    constexpr std::size_t transactions = 200;
    const TemporaryDirectory directory;
    World world{million, logged_in(directory, ecsdb::Durability::Logged)};
    Game& database = world.database();
    std::vector<ecsdb::Entity> created(rows_each * transactions);
    const auto round = [&] {
        const Stopwatch watch;
        ecsdb::Ticket last;
        for (std::size_t i = 0; i < transactions; ++i) {
            auto tx = database.begin();
            tx.create_many(std::span{created}.subspan(i * rows_each, rows_each), Position{1, 2, static_cast<float>(i)});
            last = tx.submit();
        }
        must(last.wait());
        must(database.flush(ecsdb::Durability::Logged));
        const double seconds = watch.seconds();
        for (std::size_t i = 0; i < transactions; ++i) {
            auto tx = database.begin();
            tx.destroy_many(std::span{created}.subspan(i * rows_each, rows_each));
            last = tx.submit();
        }
        must(last.wait());
        must(database.flush(ecsdb::Durability::Logged));
        return seconds;
    };
    round();
    for (auto _ : state) {
        state.SetIterationTime(round());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows_each * transactions));
}
BENCHMARK(logged_batch_1000_ecsdb)->Name("logged_batch_1000/ecsdb")->UseManualTime()->Iterations(10)->Unit(benchmark::kMillisecond);

/// A database reopened from its log alone: a million rows created and a million random ones updated, 1,000 or one per transaction.
void replay_ecsdb(benchmark::State& state) {
    const auto rows_each = static_cast<std::size_t>(state.range(0));
    const TemporaryDirectory directory;
    const ecsdb::Options options = logged_in(directory, ecsdb::Durability::Logged);
    {
        Game database = must(Game::open(options));
        std::vector<ecsdb::Entity> entities(million);
        ecsdb::Ticket last;
        for (std::size_t i = 0; i < million; i += rows_each) {
            auto tx = database.begin();
            tx.create_many(std::span{entities}.subspan(i, rows_each), Position{1, 2, static_cast<float>(i)});
            last = tx.submit();
        }
        must(last.wait());
        entities = shuffled(std::move(entities));
        const std::vector<Position> rows(rows_each, Position{4, 5, 6});
        for (std::size_t i = 0; i < million; i += rows_each) {
            auto tx = database.begin();
            tx.update_many<Position>(std::span{entities}.subspan(i, rows_each), rows);
            last = tx.submit();
        }
        must(last.wait());
        must(database.close());
    }
    for (auto _ : state) {
        const Stopwatch watch;
        Game database = must(Game::open(options));
        state.SetIterationTime(watch.seconds());
        if (database.recovery_report().replayed < 2 * million / rows_each) {
            std::abort();
        }
    }
    state.SetItemsProcessed(state.iterations() * 2 * million);
}
BENCHMARK(replay_ecsdb)->Name("replay/ecsdb")->Arg(1'000)->Arg(1)->UseManualTime()->Iterations(4)->Unit(benchmark::kMillisecond);

} // namespace
} // namespace bench::log_bench
