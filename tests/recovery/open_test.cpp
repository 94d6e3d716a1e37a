#include "ecsdb/recovery/open.hpp"

#include "recovery/world.hpp"

#include <chrono>
#include <set>

namespace open_test {

using namespace recovery_test;
using ecsdb::CrashPlan;
using ecsdb::Durability;
using ecsdb::ErrorCode;
using ecsdb::KeepPending;
using ecsdb::OpenMode;
using ecsdb::SimulatedFileSystem;

namespace {

ErrorCode code_of(const ecsdb::Options& options) {
    auto opened = World::open(options);
    REQUIRE_FALSE(opened);
    INFO(opened.error().message());
    CHECK(opened.error().message().size() > 10);
    return opened.error().code();
}

/// Opens what a crash left and holds it against the workload: exactly one version, no acknowledged commit missing, idempotent, usable.
void check_survives(SimulatedFileSystem& files, const Workload& workload, std::uint64_t acknowledged) {
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(on(files));
        version = world.version();
        hash = world.read().hash();
        CHECK(version >= acknowledged);
        const auto known = workload.hashes.find(version);
        const std::uint64_t empty = version == 0 ? hash : 0;
        CHECK(hash == (known == workload.hashes.end() ? empty : known->second));
    }
    World again = open_or_fail(on(files));
    CHECK(again.version() == version);
    CHECK(again.read().hash() == hash);
    auto tx = again.begin();
    tx.create(Purse{1});
    require(tx.commit());
    CHECK(again.version() == version + 1);
}

} // namespace

TEST_CASE("what cannot be opened says why, and nothing is written", "[recovery]") {
    SimulatedFileSystem files;
    SECTION("read-only, where there is nothing") {
        auto options = on(files);
        options.mode = OpenMode::ReadOnly;
        CHECK(code_of(options) == ErrorCode::NotFound);
        CHECK_FALSE(*files.exists("world"));
    }
    SECTION("a directory without a durability") {
        CHECK(code_of(on(files, Durability::Memory)) == ErrorCode::InvalidArgument);
    }
    SECTION("a durability without a directory") {
        auto options = on(files);
        options.directory.clear();
        CHECK(code_of(options) == ErrorCode::InvalidArgument);
    }
    SECTION("no database, and no types to make one with") {
        auto opened = ecsdb::Database<>::open(on(files));
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code() == ErrorCode::NotFound);
    }
    SECTION("a database already open for writing") {
        World world = open_or_fail(on(files));
        CHECK(code_of(on(files)) == ErrorCode::Locked);
    }
    SECTION("another shard") {
        { World world = open_or_fail(on(files)); }
        auto options = on(files);
        options.shard = 3;
        CHECK(code_of(options) == ErrorCode::WrongShard);
    }
    SECTION("types the stored schema does not have") {
        {
            auto purses = ecsdb::Database<Purse>::open(on(files));
            REQUIRE(purses);
        }
        CHECK(code_of(on(files)) == ErrorCode::SchemaMismatch);
    }
    SECTION("a manifest that has gone missing from beside its log") {
        { World world = open_or_fail(on(files)); }
        REQUIRE(files.remove("world/MANIFEST"));
        REQUIRE(files.remove("world/MANIFEST.previous"));
        CHECK(code_of(on(files)) == ErrorCode::Corrupt);
    }
    SECTION("a log that has gone missing from beside its manifest") {
        {
            World world = open_or_fail(on(files));
            Workload workload;
            REQUIRE(workload.round(world, 0));
        }
        const auto segments = files.list("world/log");
        REQUIRE(segments);
        for (const std::string& name : *segments) {
            REQUIRE(files.remove("world/log/" + name));
        }
        CHECK(code_of(on(files)) == ErrorCode::Corrupt);
    }
}

TEST_CASE("a database closed in order opens as it was", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    for (std::uint32_t opening = 0; opening < 3; ++opening) {
        World world = open_or_fail(on(files));
        CHECK(world.recovery_report().created == (opening == 0));
        CHECK(world.recovery_report().clean == (opening != 0));
        CHECK(world.recovery_report().epoch == opening + 1);
        CHECK(world.version() == workload.acknowledged);
        if (opening != 0) {
            CHECK(world.read().hash() == workload.hashes[world.version()]);
        }
        for (std::uint32_t i = 0; i < 10; ++i) {
            REQUIRE(workload.round(world, opening * 10 + i));
        }
        require(world.close());
    }
}

TEST_CASE("a crash at any point of a synced database loses nothing acknowledged and leaves one version", "[recovery][crash]") {
    SimulatedFileSystem files;
    Workload workload;
    std::vector<std::pair<std::size_t, std::uint64_t>> acknowledged_at; // changes → newest acknowledged version by then
    files.record_history();
    {
        World world = open_or_fail(on(files));
        for (std::uint32_t i = 0; i < 12; ++i) {
            REQUIRE(workload.round(world, i));
            acknowledged_at.emplace_back(files.changes(), workload.acknowledged);
            if (i % 5 == 4) {
                require(world.snapshot());
                acknowledged_at.emplace_back(files.changes(), workload.acknowledged);
            }
        }
    }
    const std::size_t changes = files.changes();
    for (std::size_t change = 0; change <= changes; ++change) {
        std::uint64_t acknowledged = 0;
        for (const auto& [at, version] : acknowledged_at) {
            acknowledged = at <= change ? version : acknowledged;
        }
        for (const KeepPending keep : {KeepPending::None, KeepPending::All, KeepPending::Subset}) {
            CAPTURE(change, changes, int(keep));
            CrashPlan plan;
            plan.keep = keep;
            plan.seed = change;
            plan.tear = change % 3 == 0 ? 1 : 512;
            auto image = files.after_crash_at(change, plan);
            check_survives(*image, workload, acknowledged);
        }
    }
}

TEST_CASE("a damaged snapshot is passed over for the one before it", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    std::string newest;
    {
        World world = open_or_fail(on(files));
        for (std::uint32_t i = 0; i < 9; ++i) {
            REQUIRE(workload.round(world, i));
            if (i % 3 == 2) {
                require(world.snapshot());
                newest = "world/snapshot-" + std::to_string(world.version()) + ".ecsdb";
            }
        }
    }
    auto file = files.open(newest, ecsdb::FileMode::ReadWrite);
    REQUIRE(file);
    std::array<std::byte, 1> byte{};
    REQUIRE((*file)->pread(byte, 300));
    byte[0] ^= std::byte{4};
    REQUIRE((*file)->pwrite(byte, 300));
    World world = open_or_fail(on(files));
    CHECK(world.version() == workload.acknowledged);
    CHECK(world.read().hash() == workload.hashes[world.version()]);
    CHECK(world.recovery_report().remarks.find("snapshot") != std::string::npos);
}

TEST_CASE("an id that was handed out but never committed names nothing, also after a restart", "[recovery]") {
    SimulatedFileSystem files;
    std::set<std::uint64_t> seen;
    for (int opening = 0; opening < 6; ++opening) {
        World world = open_or_fail(on(files));
        for (int i = 0; i < 20; ++i) {
            auto dropped = world.begin();
            CHECK(seen.insert(dropped.create().to_bits()).second);
            auto kept = world.begin();
            const ecsdb::Entity entity = kept.create(Purse{1});
            CHECK(seen.insert(entity.to_bits()).second);
            require(kept.commit());
            if (i % 2 == 0) {
                require(world.destroy(entity).wait());
            }
        }
        if (opening % 2 == 0) {
            files.crash({}); // the next opening must cope without a clean end
        }
    }
}

TEST_CASE("opening costs nothing for indices that were handed out and never used, be it all of them", "[recovery][hostile]") {
    constexpr std::uint64_t all = std::uint64_t{1} << 32U;
    for (const bool in_manifest : {true, false}) {
        CAPTURE(in_manifest);
        SimulatedFileSystem files;
        std::set<std::uint64_t> seen;
        std::uint64_t hash = 0;
        {
            World world = open_or_fail(on(files));
            for (int i = 0; i < 3; ++i) {
                auto tx = world.begin();
                const ecsdb::Entity entity = tx.create(Purse{1});
                seen.insert(entity.to_bits());
                require(tx.commit());
                if (i == 1) {
                    require(world.destroy(entity).wait());
                }
            }
            hash = world.read().hash();
            if (!in_manifest) {
                require(world.engine().pipeline().writer().raise_index_mark(all)); // as if all had been reserved
                files.crash({});
            } else {
                require(world.close());
            }
        }
        if (in_manifest) {
            ecsdb::SystemAllocator allocator;
            auto manifest = ecsdb::recovery::load_manifest(files, "world");
            REQUIRE(manifest);
            manifest->manifest.reserved_index_mark = all;
            require(ecsdb::recovery::store_manifest(files, "world", manifest->manifest, allocator));
        }
        for (int opening = 0; opening < 3; ++opening) {
            const auto begun = std::chrono::steady_clock::now();
            World world = open_or_fail(on(files));
            CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds{5}); // and not minutes
            CHECK(world.read().hash() == hash);
            for (int i = 0; i < 200; ++i) {
                auto tx = world.begin();
                CHECK(seen.insert(tx.create(Purse{2}).to_bits()).second);
                if (i % 2 == 0) {
                    require(tx.commit());
                }
            }
            require(world.snapshot());
            hash = world.read().hash();
        }
    }
}

TEST_CASE("read-only sees what was committed, takes no lock, and accepts no write", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    World writing = open_or_fail(on(files));
    REQUIRE(workload.round(writing, 0));
    auto options = on(files);
    options.mode = OpenMode::ReadOnly;
    const std::size_t changes_before = files.changes();
    World reading = open_or_fail(options);
    CHECK(reading.version() == workload.acknowledged);
    CHECK(reading.read().hash() == workload.hashes[reading.version()]);
    auto refused = reading.update(ecsdb::Entity{0, 1, 0}, Purse{1}).wait();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::ReadOnly);
    CHECK_FALSE(reading.snapshot());
    CHECK(files.changes() == changes_before);
    REQUIRE(workload.round(writing, 1));
}

TEST_CASE("a reader whose files a writer takes away and uses again begins anew", "[recovery]") {
    SimulatedFileSystem files;
    ecsdb::FaultFileSystem watched{files};
    Workload workload;
    auto options = on(files);
    options.segment_bytes = 8192;
    World world = open_or_fail(options);
    struct Meanwhile {
        World* world;
        Workload* workload;
        std::uint32_t round = 0;
        bool done = false;
        static void act(void* self, const ecsdb::FileCall& call) {
            auto& meanwhile = *static_cast<Meanwhile*>(self);
            // The reader has its manifest and turns to the log.
            if (!meanwhile.done && call.operation == ecsdb::FileOperation::List) {
                meanwhile.done = true;
                for (const std::uint32_t end = meanwhile.round + 8; meanwhile.round < end; ++meanwhile.round) {
                    REQUIRE(meanwhile.workload->round(*meanwhile.world, meanwhile.round));
                    require(meanwhile.world->snapshot());
                }
            }
        }
    };
    Meanwhile meanwhile{&world, &workload};
    for (; meanwhile.round < 3; ++meanwhile.round) {
        REQUIRE(workload.round(world, meanwhile.round));
    }
    watched.set_hook(&Meanwhile::act, &meanwhile);
    auto reading = on(watched);
    reading.mode = ecsdb::OpenMode::ReadOnly;
    const World reader = open_or_fail(reading);
    CHECK(meanwhile.done);
    CHECK(reader.version() == world.version());
    CHECK(reader.read().hash() == world.read().hash());
}

TEST_CASE("a read that fails while opening changes no file, and the next opening succeeds", "[recovery][fault]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(on(files));
        for (std::uint32_t i = 0; i < 4; ++i) {
            REQUIRE(workload.round(world, i));
        }
    }
    for (std::uint64_t call = 1;; ++call) {
        CAPTURE(call);
        auto image = files.after_crash({.keep = KeepPending::Cached});
        ecsdb::FaultFileSystem faulty{*image};
        faulty.inject({.operation = ecsdb::FileOperation::Read, .call = call, .sticky = true});
        auto opened = World::open(on(faulty));
        if (opened) {
            CHECK(call > 1);
            break;
        }
        faulty.clear_faults();
        World world = open_or_fail(on(faulty));
        CHECK(world.version() == workload.acknowledged);
    }
}

} // namespace open_test
