#include "ecsdb/wal/log_participant.hpp"

#include "ecsdb/wal/log_reader.hpp"
#include "recovery/world.hpp"

using namespace recovery_test;
using ecsdb::Durability;
using ecsdb::ErrorCode;
using ecsdb::SimulatedFileSystem;

TEST_CASE("a failed write in the background refuses every later transaction", "[wal][fault]") {
    SimulatedFileSystem files;
    ecsdb::FaultFileSystem faulty{files};
    auto options = on(faulty, Durability::Logged);
    options.own_thread = true;
    World world = open_or_fail(options);
    auto first = world.begin();
    const ecsdb::Entity entity = first.create(Purse{0});
    require(first.commit());
    require(world.flush(Durability::Logged));
    faulty.inject({.operation = ecsdb::FileOperation::Write, .sticky = true});
    require(world.update(entity, Purse{1}).wait()); // logged commits are visible before they are written …
    auto flushed = world.flush(Durability::Logged);
    REQUIRE_FALSE(flushed); // … and whoever asks for more is told
    CHECK(flushed.error().code() == ErrorCode::ReadOnly);
    auto refused = world.update(entity, Purse{2}).wait();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::ReadOnly);
    CHECK(world.get<Purse>(entity)->gold == 1);
}

TEST_CASE("a transaction larger than a frame is split and found again whole", "[wal]") {
    SimulatedFileSystem files;
    const std::vector<Purse> purses(3'000'000, Purse{0x0123456789ABCDEF});
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(on(files));
        auto created = world.execute(
            [&](auto& state) { return state.create_many(static_cast<std::uint32_t>(purses.size()), std::span<const Purse>{purses}); });
        REQUIRE(created);
        hash = world.read().hash();
    }
    const World world = open_or_fail(on(files));
    CHECK(world.version() == 1);
    CHECK(world.read().entity_count() == purses.size());
    CHECK(world.read().hash() == hash);
}

TEST_CASE("commits of several threads reach the log in the order of their versions", "[wal][threads]") {
    SimulatedFileSystem files;
    for (const Durability durability : {Durability::Logged, Durability::Synced}) {
        auto options = on(files, durability);
        options.own_thread = true;
        options.directory = durability == Durability::Logged ? "logged" : "synced";
        std::uint64_t version = 0;
        std::uint64_t hash = 0;
        {
            World world = open_or_fail(options);
            std::vector<std::jthread> threads;
            for (std::uint64_t thread = 0; thread < 3; ++thread) {
                threads.emplace_back([&world, thread] {
                    for (std::uint64_t i = 0; i < 300; ++i) {
                        auto tx = world.begin();
                        const ecsdb::Entity entity = tx.create(Purse{thread * 1000 + i});
                        static_cast<void>(tx.post());
                        static_cast<void>(world.update(entity, Purse{i}));
                    }
                });
            }
            threads.clear();
            require(world.wait_for_version(3 * 300 * 2));
            require(world.flush(durability));
            version = world.version();
            hash = world.read().hash();
        }
        const World world = open_or_fail(options);
        CHECK(world.version() == version);
        CHECK(world.read().hash() == hash);
    }
}
