// Memory refused at each call for it while a database is opened, saved or written to: an error, nothing changed, nothing leaked, and the
// next try works.
#include "ecsdb/where.hpp"
#include "recovery/world.hpp"
#include "simulation/program.hpp"
#include "support/storage_fixture.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace ecsdb::test::refused_memory_test {

using namespace recovery_test;
using ecsdb::SimulatedFileSystem;
using recovery_test::World;

namespace {

/// A world with a snapshot and a log behind it.
void make_world(SimulatedFileSystem& disk) {
    World world = open_or_fail(on(disk));
    Workload workload;
    for (std::uint32_t i = 0; i < 8; ++i) {
        REQUIRE(workload.round(world, i));
        if (i == 4) {
            require(world.snapshot());
        }
    }
}

/// Calls `work` with memory refused at the first call, the second, …, until it succeeds without a refusal. How many calls there were.
template <typename Work, typename Mend>
std::uint64_t refuse_each(CountingAllocator& allocator, bool sticky, Work work, Mend mend) {
    for (std::uint64_t call = 0;; ++call) {
        CAPTURE(call, sticky);
        allocator.calls = 0;
        allocator.refused = 0;
        (sticky ? allocator.refuse_from : allocator.refuse_call) = call;
        const Result<void> done = work();
        allocator.refuse_call = allocator.refuse_from = CountingAllocator::never;
        if (!done) {
            INFO(done.error().to_string());
            // In doubt where the frame had been written, and its new segment could not be recorded: the log has failed then.
            CHECK((done.error().code() == ErrorCode::OutOfMemory || done.error().code() == ErrorCode::OutcomeUnknown));
            CHECK(allocator.refused != 0);
            mend();
        }
        if (allocator.refused == 0) {
            REQUIRE(done);
            return call;
        }
    }
}

} // namespace

TEST_CASE("memory refused at any call while opening is an error, and the next opening finds everything", "[simulation][memory]") {
    const bool sticky = GENERATE(false, true);
    SimulatedFileSystem disk;
    make_world(disk);
    const std::uint64_t hash = open_or_fail(on(disk)).read().hash();
    CountingAllocator allocator;
    auto options = on(disk);
    options.allocator = &allocator;
    const std::uint64_t calls = refuse_each(
        allocator, sticky,
        [&]() -> Result<void> {
            const auto copy = disk.after_crash({.keep = ecsdb::KeepPending::Cached}); // or else the log grew from try to try
            options.file_system = copy.get();
            auto world = World::open(options);
            if (!world) {
                CHECK(open_or_fail(on(*copy)).read().hash() == hash);
                return std::move(world).error();
            }
            CHECK(world->read().hash() == hash);
            return {};
        },
        [] {});
    CHECK(calls > 10);
    CHECK(allocator.live_bytes == 0);
    CHECK(open_or_fail(on(disk)).read().hash() == hash);
}

TEST_CASE("memory refused at any call while saving leaves the database as it is, and the next snapshot is taken", "[simulation][memory]") {
    const bool sticky = GENERATE(false, true);
    SimulatedFileSystem disk;
    make_world(disk);
    CountingAllocator allocator;
    auto options = on(disk);
    options.allocator = &allocator;
    {
        World world = open_or_fail(options);
        const std::uint64_t hash = world.read().hash();
        const std::uint64_t calls = refuse_each(
            allocator, sticky, [&] { return world.snapshot(); },
            [&] { require(world.resume()); }); // a new segment the manifest does not name stops the log
        CHECK(calls > 3);
        CHECK(world.read().hash() == hash);
        CHECK(world.log_state().writes);
        auto tx = world.begin();
        tx.create(Purse{1});
        require(tx.commit());
        require(world.snapshot());
    }
    CHECK(allocator.live_bytes == 0);
}

TEST_CASE("memory refused at any call while saving what has changed leaves the chain as it is, and the next snapshot is taken",
          "[simulation][memory]") {
    const bool sticky = GENERATE(false, true);
    const bool compressed = GENERATE(false, true);
    const auto incremental = [compressed](FileSystem& files) {
        auto options = on(files);
        options.incremental_snapshots = 8;
        options.incremental_percent = 1000;
        options.compress_snapshots = compressed;
        return options;
    };
    SimulatedFileSystem disk;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(incremental(disk));
        Workload workload;
        for (std::uint32_t i = 0; i < 12; ++i) {
            REQUIRE(workload.round(world, i));
            if (i % 4 == 2) {
                require(world.snapshot()); // a full one, two links, and some log behind them
            }
        }
        hash = world.read().hash();
        REQUIRE(world.snapshot_state().builds_on == 2);
    }
    CountingAllocator allocator;
    std::unique_ptr<SimulatedFileSystem> copy;
    std::optional<World> world;
    const std::uint64_t calls = refuse_each(
        allocator, sticky,
        [&]() -> Result<void> {
            const std::uint64_t call = std::exchange(sticky ? allocator.refuse_from : allocator.refuse_call, CountingAllocator::never);
            world.reset();
            copy = disk.after_crash({.keep = ecsdb::KeepPending::Cached});
            auto options = incremental(*copy);
            options.allocator = &allocator;
            world.emplace(open_or_fail(options));
            REQUIRE(world->snapshot_state().builds_on == 2);
            allocator.calls = allocator.refused = 0;
            (sticky ? allocator.refuse_from : allocator.refuse_call) = call;
            Result<void> done = world->snapshot();
            if (done) {
                allocator.refuse_call = allocator.refuse_from = CountingAllocator::never;
                CHECK(world->snapshot_state().builds_on == 3);
                const auto crashed = copy->after_crash({});
                CHECK(open_or_fail(incremental(*crashed)).read().hash() == hash);
            }
            return done;
        },
        [&] {
            // The chain is as it was, for whoever comes after a crash, and the same process goes on with it.
            const auto crashed = copy->after_crash({});
            CHECK(open_or_fail(incremental(*crashed)).read().hash() == hash);
            require(world->resume()); // a new segment the manifest does not name stops the log
            for (int i = 0; i < 2; ++i) {
                auto tx = world->begin();
                tx.create(Purse{1});
                require(tx.commit());
                require(world->snapshot());
            }
            const std::uint64_t now = world->read().hash();
            const auto later = copy->after_crash({});
            CHECK(open_or_fail(incremental(*later)).read().hash() == now);
        });
    CHECK(calls > 3);
    world.reset();
    CHECK(allocator.live_bytes == 0);
}

TEST_CASE("memory refused at any call while a commit is checked, logged and kept in texts is an error without a trace",
          "[simulation][memory]") {
    namespace sim = simulation;
    const bool sticky = GENERATE(false, true);
    const int form = GENERATE(0, 1, 2, 3);
    CAPTURE(form);
    SimulatedFileSystem disk;
    CountingAllocator allocator;
    std::uint64_t hash = 0;
    {
        auto options = on(disk);
        options.allocator = &allocator;
        options.first_block_bytes = 4096;
        options.max_block_bytes = 16384;
        auto opened = sim::World::open(options);
        REQUIRE(opened);
        sim::World& world = *opened;
        std::vector<ecsdb::Entity> owners;
        auto tx = world.begin();
        for (std::uint64_t i = 0; i < 200; ++i) {
            owners.push_back(tx.create(sim::Purse{i, 1}, sim::Spot{1, 2}));
            tx.set(tx.create(), sim::Carries{owners.back()}).set(owners.back(), sim::Story{1, tx.text(std::string(i * 20, 'x'))});
        }
        require(tx.commit());
        std::uint64_t number = 1000;
        const std::uint64_t calls = refuse_each(
            allocator, sticky,
            [&]() -> Result<void> {
                const std::uint64_t before = world.read().hash();
                const std::uint64_t version = world.version();
                auto producer = world.producer(); // what it takes counts, too
                const std::string words(5000, 'y');
                Result<void> done;
                number += 300;
                if (form == 0) {
                    const auto view = world.read();
                    auto commands = producer.begin();
                    for (std::uint64_t i = 0; i < 100; ++i) {
                        const ecsdb::Entity purse = commands.create(sim::Purse{number + i, 2});
                        commands.set(commands.create(), sim::Carries{purse}).set(purse, sim::Story{2, commands.text(words)});
                        commands.expect_unchanged<sim::Purse>(view, owners[i]);
                    }
                    done = commands.commit();
                } else if (form == 1) {
                    done = producer.execute([&](sim::World::WriteState& state) -> Result<void> {
                        sim::InFunction function{state};
                        for (std::uint64_t i = 0; i < 100; ++i) {
                            const ecsdb::Entity purse = function.create();
                            function.set(purse, sim::Purse{number + i, 3});
                            function.set(purse, sim::Story{3, function.text(words)});
                            function.set(function.create(), sim::Carries{purse});
                        }
                        return function.done();
                    });
                } else if (form == 2) {
                    const auto changed = world.where<sim::Spot>().set(sim::Asleep{});
                    done = changed ? Result<void>{} : Result<void>{changed.error().clone()};
                } else {
                    // Takes a reference along with each.
                    auto commands = producer.begin();
                    while (!world.read().is_alive(owners.back())) {
                        owners.pop_back();
                    }
                    commands.destroy(owners.back());
                    done = commands.commit();
                }
                if (!done) {
                    CHECK(world.read().hash() == before);
                    CHECK(world.version() == version);
                }
                return done;
            },
            [&] { require(world.resume()); });
        CHECK(calls > 0);
        auto last = world.begin();
        last.create(sim::Purse{900, 1});
        require(last.commit());
        hash = world.read().hash();
    }
    CHECK(allocator.live_bytes == 0);
    auto options = on(disk);
    auto again = sim::World::open(options);
    REQUIRE(again);
    CHECK(again->read().hash() == hash);
}

} // namespace ecsdb::test::refused_memory_test
