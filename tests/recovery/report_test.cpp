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

TEST_CASE("the report tells where the log was cut, and why", "[recovery]") {
    ecsdb::SimulatedFileSystem files;
    Workload workload;
    std::unique_ptr<ecsdb::SimulatedFileSystem> image;
    {
        World world = open_or_fail(on(files));
        REQUIRE(workload.round(world, 0));
        image = files.after_crash({});
    }
    std::uint64_t end = 0;
    std::uint64_t segment = 0;
    {
        auto options = on(*image);
        options.mode = ecsdb::OpenMode::ReadOnly;
        const World world = open_or_fail(options);
        CHECK(world.recovery_report().cut.empty());
        end = world.recovery_report().end_offset;
        segment = world.recovery_report().end_segment;
    }
    // What a crash in the middle of a write leaves.
    auto file = image->open(ecsdb::wal::segment_path("world/log", segment), ecsdb::FileMode::ReadWrite);
    REQUIRE(file);
    REQUIRE((*file)->pwrite(std::vector<std::byte>(24, std::byte{0x5A}), end));
    const World world = open_or_fail(on(*image));
    const ecsdb::RecoveryReport& report = world.recovery_report();
    CHECK(world.version() == workload.acknowledged);
    CHECK(report.end_segment == segment);
    CHECK(report.torn_tail_bytes == 24);
    CHECK(report.cut.find("offset " + std::to_string(end)) != std::string::npos);
    CHECK(report.cut.find("24 bytes") != std::string::npos);
}

} // namespace report_test
