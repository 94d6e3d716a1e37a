#include "ecsdb/wal/segment_holds.hpp"

#include "support/catch.hpp"

namespace segment_holds_test {

using ecsdb::wal::SegmentHolds;

TEST_CASE("what anybody holds is the lowest of all that is held, until they let go", "[wal]") {
    ecsdb::SimulatedClock clock;
    SegmentHolds holds{clock};
    CHECK(holds.lowest(9) == 9);
    SegmentHolds::Hold archive{holds, "archive", 5};
    {
        const SegmentHolds::Hold backup{holds, "backup", 3};
        CHECK(holds.lowest(9) == 3);
        CHECK(holds.lowest(2) == 2);
        REQUIRE(holds.list().size() == 2);
        CHECK(holds.list()[1].name == "backup");
        CHECK(holds.list()[1].first_needed == 3);
        CHECK(holds.list()[1].since_ns == clock.wall_ns());
    }
    CHECK(holds.lowest(9) == 5);
    const std::uint64_t begun = clock.wall_ns();
    clock.advance(1'000'000);
    CHECK(holds.list()[0].since_ns == begun);
    archive.advance(7);
    CHECK(holds.list()[0].since_ns == begun + 1'000'000); // it has got on
    CHECK(holds.lowest(9) == 7);
    archive.advance(6); // what was let go may be gone
    CHECK(holds.lowest(9) == 7);
}

} // namespace segment_holds_test
