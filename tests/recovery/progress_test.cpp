// How opening tells how far it has come.
#include "recovery/files_fixture.hpp"

namespace recovery_progress_test {

using namespace recovery_test;
using ecsdb::SimulatedFileSystem;

namespace {

struct Seen {
    std::uint64_t calls = 0;
    std::uint64_t done = 0;
    std::uint64_t total = 0;

    [[nodiscard]] ecsdb::Progress teller() {
        return {[](void* context, std::uint64_t read, std::uint64_t of) {
                    auto& seen = *static_cast<Seen*>(context);
                    CHECK(read >= seen.done);
                    CHECK(read <= of);
                    ++seen.calls;
                    seen.done = read;
                    seen.total = of;
                },
                this};
    }
};

} // namespace

TEST_CASE("opening a database tells how far it has come", "[recovery]") {
    SimulatedFileSystem files;
    Workload workload;
    {
        World world = open_or_fail(on(files));
        for (std::uint32_t i = 0; i < 20; ++i) {
            REQUIRE(workload.round(world, i));
            if (i == 10) {
                require(world.snapshot());
            }
        }
    }
    Seen seen;
    auto options = on(files);
    options.progress = seen.teller();
    const World world = open_or_fail(options);
    CHECK(seen.calls > 3);
    CHECK(seen.done == seen.total);
    const auto& report = world.recovery_report();
    CHECK(seen.total >= report.snapshot_bytes + report.log_bytes);
    CHECK(report.snapshot_bytes > 100);
    CHECK(report.segments >= 1);
    CHECK(report.last_segment >= report.first_segment);
    CHECK(report.end_segment == report.last_segment);
    CHECK(report.end_offset > 4096);
    CHECK(report.cut.empty());
}

} // namespace recovery_progress_test
