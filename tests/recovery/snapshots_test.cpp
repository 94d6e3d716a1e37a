#include "ecsdb/recovery/snapshots.hpp"

#include "recovery/world.hpp"

#include <algorithm>

namespace snapshots_test {

using namespace recovery_test;
using ecsdb::SimulatedFileSystem;

TEST_CASE("counts saved while writing went on are right again after replaying the log", "[recovery]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    struct Busy {
        World world;
        std::vector<ecsdb::Entity> living;
        std::uint32_t step = 0;
        bool writing = false;
    } busy{open_or_fail(on(files)), {}};
    auto tx = busy.world.begin();
    for (std::uint64_t i = 0; i < 100; ++i) {
        busy.living.push_back(tx.create(Purse{i}));
    }
    require(tx.commit());
    // Whatever the snapshot does to the disk, some transactions go before it.
    files.set_hook(
        [](void* context, const ecsdb::FileCall& call) {
            auto& [world, living, step, writing] = *static_cast<Busy*>(context);
            if (call.path.find("snapshot-") == std::string::npos || std::exchange(writing, true)) {
                return;
            }
            ++step;
            require(world.update(living[step % living.size()], Purse{step}).wait());
            require(world.destroy(living[(step * 7) % living.size()]).wait());
            auto next = world.begin();
            living[(step * 7) % living.size()] = next.create(Purse{step});
            require(next.commit());
            writing = false;
        },
        &busy);
    require(busy.world.snapshot());
    const std::uint32_t during = busy.step;
    CHECK(during >= 3);
    require(busy.world.snapshot());
    files.set_hook(nullptr, nullptr);
    const auto check = [&](const World& world) {
        REQUIRE(world.version() == busy.world.version());
        REQUIRE(world.read().hash() == busy.world.read().hash());
        for (const ecsdb::Entity entity : busy.living) {
            CAPTURE(entity.index());
            REQUIRE(world.read().entity_version(entity) == busy.world.read().entity_version(entity));
        }
    };
    const auto image = disk.after_crash({});
    {
        const World world = open_or_fail(on(*image));
        CHECK(world.recovery_report().snapshot_version != 0);
        check(world);
    }
    // The one before it, with a longer log.
    const auto manifest = ecsdb::recovery::load_manifest(*image, "world");
    REQUIRE(manifest);
    auto file = image->open("world/" + manifest->manifest.snapshot.name, ecsdb::FileMode::ReadWrite);
    REQUIRE(file);
    REQUIRE((*file)->truncate(100));
    const World world = open_or_fail(on(*image));
    CHECK(world.recovery_report().remarks.find("the newest snapshot could not be used") != std::string::npos);
    check(world);
}

TEST_CASE("what nobody needs is gone when a database with threads has closed", "[recovery]") {
    SimulatedFileSystem files;
    auto options = on(files);
    options.own_thread = true;
    options.spare_segments = 0; // or else some are kept to be written again
    Workload workload;
    {
        World world = open_or_fail(options);
        for (std::uint32_t i = 0; i < 5; ++i) {
            REQUIRE(workload.round(world, i));
            require(world.snapshot());
        }
        require(world.close());
    }
    const auto names = files.list("world");
    REQUIRE(names);
    CHECK(std::count_if(names->begin(), names->end(), [](const std::string& name) { return name.starts_with("snapshot-"); }) == 2);
    CHECK(files.list("world/log")->size() <= 3);
    World world = open_or_fail(options);
    CHECK(world.read().hash() == workload.hashes[world.version()]);
}

} // namespace snapshots_test
