#include "ecsdb/recovery/log_holders.hpp"

#include "ecsdb/recovery/archive.hpp"
#include "ecsdb/recovery/backup.hpp"
#include "ecsdb/recovery/saved_delta.hpp"
#include "recovery/world.hpp"

#include <algorithm>
#include <optional>

namespace log_holders_test {

using namespace recovery_test;
using ecsdb::HeldThing;
using ecsdb::Holder;
using ecsdb::SimulatedFileSystem;
using ecsdb::wal::SegmentHolds;

std::optional<Holder> holder_of_log(World& world, const std::string& name) {
    const auto holders = world.holders();
    REQUIRE(holders);
    for (const Holder& holder : *holders) {
        if (holder.held == HeldThing::Log && holder.name == name) {
            return holder;
        }
    }
    return std::nullopt;
}

TEST_CASE("a database tells who holds which part of its log, since when, and how much", "[recovery][holders]") {
    SimulatedFileSystem files;
    ecsdb::SimulatedClock clock;
    auto options = on(files);
    options.clock = &clock;
    options.archive_directory = "archive";
    World world = open_or_fail(options);
    const auto view = world.read();
    Workload workload;
    for (std::uint32_t i = 0; i < 40; ++i) {
        REQUIRE(workload.round(world, i));
        clock.advance(1'000'000);
        if (i % 8 == 7) {
            require(world.snapshot());
        }
    }
    clock.advance(5'000'000);
    const auto snapshots = holder_of_log(world, "snapshots");
    REQUIRE(snapshots);
    CHECK(snapshots->version > 0);
    CHECK(snapshots->age_ns == 5'000'000); // it got on with the last one
    CHECK(snapshots->retained_bytes >= options.segment_bytes);
    CHECK(snapshots->limit_bytes == ~std::uint64_t{0});
    const auto archive = holder_of_log(world, "archive");
    REQUIRE(archive);
    CHECK(archive->version > snapshots->version); // all but what is being written is in the archive
    CHECK_FALSE(holder_of_log(world, "backup"));
    // Both kinds come in one list, the oldest version first.
    const auto holders = *world.holders();
    CHECK(holders.size() == 3);
    CHECK(holders.front().held == HeldThing::Pages);
    CHECK(std::is_sorted(holders.begin(), holders.end(), [](const Holder& a, const Holder& b) { return a.version < b.version; }));
    // A database in memory has no log to hold.
    auto in_memory = World::open({});
    REQUIRE(in_memory);
    CHECK(in_memory->holders()->empty());
}

TEST_CASE("an archive that does not get on is seen to hold the log, and lets go once it does", "[recovery][holders][fault]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    ecsdb::SimulatedClock clock;
    auto options = on(files);
    options.clock = &clock;
    options.archive_directory = "archive";
    World world = open_or_fail(options);
    files.inject({.operation = ecsdb::FileOperation::Write, .sticky = true, .path_part = "archive/"});
    const std::uint64_t stuck_at = holder_of_log(world, "archive")->version;
    Workload workload;
    for (std::uint32_t i = 0; i < 40; ++i) {
        REQUIRE(workload.round(world, i));
        clock.advance(1'000'000'000);
        if (i % 8 == 7) {
            require(world.snapshot());
        }
    }
    const auto stuck = holder_of_log(world, "archive");
    CHECK(stuck->version == stuck_at);
    CHECK(stuck->age_ns >= 40'000'000'000);
    CHECK(stuck->retained_bytes > holder_of_log(world, "snapshots")->retained_bytes);
    CHECK(*files.exists("world/log/0000000001.seg"));
    files.clear_faults();
    require(ecsdb::archive_now(world.engine()));
    require(world.snapshot());
    const auto gone_on = holder_of_log(world, "archive");
    CHECK(gone_on->version > stuck_at);
    CHECK(gone_on->age_ns < 1'000'000'000);
    CHECK_FALSE(*files.exists("world/log/0000000001.seg"));
}

TEST_CASE("a backup and a delta being saved hold the log while they last", "[recovery][holders]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    World world = open_or_fail(on(files));
    Workload workload;
    for (std::uint32_t i = 0; i < 10; ++i) {
        REQUIRE(workload.round(world, i));
    }
    struct Look {
        World* world;
        std::vector<std::string> seen;
    } look{&world, {}};
    files.set_hook(
        [](void* context, const ecsdb::FileCall&) {
            auto& [database, seen] = *static_cast<Look*>(context);
            for (const auto& listed : database->engine().durable()->segment_holds().list()) {
                if (std::find(seen.begin(), seen.end(), listed.name) == seen.end()) {
                    seen.push_back(listed.name);
                }
            }
        },
        &look);
    REQUIRE(ecsdb::backup(world, "copy"));
    CHECK(look.seen == std::vector<std::string>{"snapshots", "backup"});
    look.seen.clear();
    ecsdb::SystemAllocator memory;
    ecsdb::ByteBuffer out{memory};
    REQUIRE(ecsdb::recovery::save_delta(world.engine(), 3, out));
    CHECK(look.seen == std::vector<std::string>{"snapshots", "saving a delta"});
    files.set_hook(nullptr, nullptr);
    CHECK(world.engine().durable()->segment_holds().list().size() == 1);
}

TEST_CASE("beyond the limit of what may be held, writes fail with the holder's name, until it lets go", "[recovery][holders]") {
    for (const auto durability : {ecsdb::Durability::Synced, ecsdb::Durability::Logged}) {
        for (const bool own_thread : {false, true}) {
            CAPTURE(int(durability), own_thread);
            SimulatedFileSystem files;
            auto options = on(files, durability);
            options.own_thread = own_thread;
            options.held_log_limit = 4 * options.segment_bytes;
            auto opened = World::open(options);
            REQUIRE(opened);
            std::optional<World> open{std::move(*opened)};
            World& world = *open;
            const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
            std::uint64_t gold = 0;
            ecsdb::Result<void> refused;
            {
                const SegmentHolds::Hold hold{world.engine().durable()->segment_holds(), "replica", 2};
                while (refused && gold < 1000) {
                    refused = world.update(entity, Purse{gold + 1}).wait();
                    gold += refused ? 1 : 0;
                    if (refused) {
                        require(world.snapshot());
                    }
                }
                REQUIRE_FALSE(refused);
                CHECK(gold > 4);
                CHECK(refused.error().code() == ecsdb::ErrorCode::NoSpace);
                CHECK(refused.error().message().find("`replica` has held segment 2 of the log") != std::string::npos);
                CHECK(holder_of_log(world, "replica")->limit_bytes == options.held_log_limit);
                CHECK(world.get<Purse>(entity)->gold == gold); // nothing was applied, and reads go on
                CHECK(world.log_state().writes);               // the log itself is well
                CHECK_FALSE(world.update(entity, Purse{0}).wait());
            }
            require(world.update(entity, Purse{7}).wait());
            CHECK(world.get<Purse>(entity)->gold == 7);
            open.reset();
            CHECK(open_or_fail(options).get<Purse>(entity)->gold == 7);
        }
    }
}

TEST_CASE("what cannot be listed holds nobody up", "[recovery][holders][fault]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    World world = open_or_fail(on(files));
    files.inject({.operation = ecsdb::FileOperation::List, .sticky = true});
    const auto holders = world.holders();
    REQUIRE_FALSE(holders);
    CHECK(holders.error().code() == ecsdb::ErrorCode::Io);
    ecsdb::SystemClock clock;
    SegmentHolds holds{clock};
    const SegmentHolds::Hold own{holds, ecsdb::Snapshots::own_hold, 9};
    const SegmentHolds::Hold other{holds, "replica", 1};
    CHECK(ecsdb::recovery::check_held_log(files, "world/log", holds, clock.wall_ns(), 0));
}

} // namespace log_holders_test
