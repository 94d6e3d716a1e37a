#include "ecsdb/recovery/replay.hpp"

#include "ecsdb/recovery/manifest.hpp"
#include "ecsdb/schema/encode.hpp"
#include "recovery/world.hpp"
#include "support/storage_fixture.hpp"

namespace replay_test {

using namespace recovery_test;
using ecsdb::SimulatedFileSystem;
using ecsdb::recovery::Replay;

/// A database's log, and an empty state of its schema.
struct Log {
    explicit Log(SimulatedFileSystem& disk)
        : files{&disk}, manifest{ecsdb::recovery::load_manifest(disk, "world")->manifest}, schema{std::make_shared<const ecsdb::Schema>(
                                                                                               *ecsdb::decode_schema(manifest.schema))} {}

    ecsdb::Result<ecsdb::wal::LogScan> read(ecsdb::wal::LogVisitor& visitor) {
        ecsdb::SystemAllocator allocator;
        ecsdb::wal::LogReadOptions options;
        options.database = manifest.database;
        options.first_needed_segment = manifest.first_needed_segment;
        ecsdb::wal::LogReader reader{*files, "world/log", options, allocator};
        return reader.read(visitor);
    }

    SimulatedFileSystem* files;
    ecsdb::recovery::Manifest manifest;
    std::shared_ptr<const ecsdb::Schema> schema;
};

TEST_CASE("a replayed log leads to the state it was written from, whether it comes singly or in groups", "[recovery][replay]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(on(files));
        for (std::uint32_t i = 0; i < 9; ++i) {
            REQUIRE(workload.round(world, i));
        }
    }
    const auto [version, hash] = *workload.hashes.rbegin();
    Log log{files};
    ecsdb::SystemAllocator allocator;
    for (const bool singly : {false, true}) {
        CAPTURE(singly);
        ecsdb::test::World world{allocator, log.schema};
        ecsdb::snapshot::LaterCounts counts;
        Replay replay{world.buffer(), counts};
        struct Singly final : ecsdb::wal::LogVisitor {
            explicit Singly(Replay& replay) : to{&replay} {}
            ecsdb::Result<void> transaction(std::uint64_t lsn, std::uint64_t time, std::span<const std::byte> delta) override {
                return to->transaction(lsn, time, delta);
            }
            Replay* to;
        } one_by_one{replay};
        const auto scan = singly ? log.read(one_by_one) : log.read(replay);
        REQUIRE(scan);
        require(replay.finish());
        CHECK(replay.taken() == version);
        CHECK(world.buffer().root().version == version);
        CHECK(ecsdb::storage::hash_of(world.buffer().root()) == hash);
    }
}

TEST_CASE("a transaction that is no delta, or does not follow, is named, and the ones before it stand", "[recovery][replay]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(on(files));
        REQUIRE(workload.round(world, 0));
        REQUIRE(workload.round(world, 1));
    }
    Log log{files};
    struct Deltas final : ecsdb::wal::LogVisitor {
        ecsdb::Result<void> transaction(std::uint64_t, std::uint64_t time, std::span<const std::byte> delta) override {
            all.emplace_back(delta.begin(), delta.end());
            times.push_back(time);
            return {};
        }
        std::vector<std::vector<std::byte>> all;
        std::vector<std::uint64_t> times;
    } deltas;
    REQUIRE(log.read(deltas));
    REQUIRE(deltas.all.size() > 3);

    ecsdb::SystemAllocator allocator;
    ecsdb::test::World world{allocator, log.schema};
    ecsdb::snapshot::LaterCounts counts;
    Replay replay{world.buffer(), counts};
    require(replay.transaction(1, deltas.times[0], deltas.all[0]));

    const auto gap = replay.transaction(3, deltas.times[2], deltas.all[2]);
    REQUIRE(!gap);
    CHECK(gap.error().message().find("transaction 3") != std::string::npos);

    std::vector<std::byte> cut = deltas.all[1];
    cut.resize(cut.size() / 2);
    const auto broken = replay.transaction(2, deltas.times[1], cut);
    REQUIRE(!broken);
    CHECK(broken.error().code() == ecsdb::ErrorCode::Corrupt);
    CHECK(broken.error().message().find("transaction 2") != std::string::npos);

    // One that follows, but does not lead where the log says it does: the log would go on from another version than the state.
    const auto elsewhere = replay.transaction(7, deltas.times[1], deltas.all[1]);
    REQUIRE(!elsewhere);
    CHECK(elsewhere.error().code() == ecsdb::ErrorCode::Corrupt);
    CHECK(elsewhere.error().message().find("transaction 7: its delta leads to version 2") != std::string::npos);

    require(replay.transaction(2, deltas.times[1], deltas.all[1]));
    require(replay.transaction(2, deltas.times[1], deltas.all[1])); // known by now
    require(replay.finish());
    CHECK(replay.taken() == 2);
    CHECK(world.buffer().root().version == 2);
}

} // namespace replay_test
