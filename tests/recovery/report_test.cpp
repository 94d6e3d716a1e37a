#include "ecsdb/recovery/report.hpp"

#include "recovery/world.hpp"

namespace report_test {

using namespace recovery_test;

TEST_CASE("the report tells how much was replayed onto which snapshot", "[recovery]") {
    ecsdb::SimulatedFileSystem files;
    std::uint64_t saved = 0;
    std::uint64_t last = 0;
    {
        World world = open_or_fail(on(files));
        Workload workload;
        REQUIRE(workload.round(world, 0));
        require(world.snapshot());
        saved = world.version();
        REQUIRE(workload.round(world, 1));
        last = world.version();
    }
    const World world = open_or_fail(on(files));
    const ecsdb::RecoveryReport& report = world.recovery_report();
    CHECK_FALSE(report.created);
    CHECK(report.clean);
    CHECK(report.snapshot_version == saved);
    CHECK(report.replayed == last - saved);
    CHECK(report.version == last);
    CHECK(report.torn_tail_bytes == 0);
    CHECK(report.unsynced_lost_to == 0);
    CHECK(report.remarks.empty());
}

} // namespace report_test
