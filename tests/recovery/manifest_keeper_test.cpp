#include "ecsdb/recovery/manifest_keeper.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "support/catch.hpp"

namespace manifest_keeper_test {

using namespace ecsdb;
using recovery::Manifest;
using recovery::ManifestKeeper;

TEST_CASE("a change that cannot be stored never was; one that can is there for the next", "[recovery][fault]") {
    SystemAllocator allocator;
    SimulatedFileSystem below;
    FaultFileSystem files{below};
    REQUIRE(files.create_directory("db"));
    ManifestKeeper keeper{files, allocator, "db", {}};
    REQUIRE(keeper.change([](Manifest& next) { next.durable_lsn = 1; }));
    files.inject({.operation = FileOperation::Write});
    CHECK_FALSE(keeper.change([](Manifest& next) { next.durable_lsn = 2; }));
    CHECK(keeper.manifest().durable_lsn == 1);
    REQUIRE(keeper.change([](Manifest& next) {
        CHECK(next.durable_lsn == 1);
        next.epoch = 7;
    }));
    CHECK(keeper.manifest().epoch == 7);
    CHECK(recovery::load_manifest(files, keeper.directory())->manifest == keeper.manifest());
}

} // namespace manifest_keeper_test
