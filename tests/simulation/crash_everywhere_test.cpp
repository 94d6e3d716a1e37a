// A crash after every change a database makes to its disk. A thinned number of them, or ECSDB_TEST_SCALE times as many; prints its seed,
// ECSDB_TEST_SEED repeats one.
#include "simulation/simulation.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

namespace ecsdb::test::crash_everywhere_test {

using namespace simulation;

TEST_CASE("wherever a crash hits, a database opens as one of its versions, twice the same, and goes on", "[simulation][crash]") {
    const std::uint64_t seed = test_seed("simulation/crash_everywhere");
    const std::uint64_t scale = test_scale();
    Simulation::Images images;
    images.each = scale == 1 ? 0 : std::min<std::uint64_t>(scale, 40);
    for (std::uint64_t run = 0; run < 4 * std::max<std::uint64_t>(scale / 40, 1); ++run) {
        CAPTURE(seed, run);
        Simulation simulation{seed + run};
        const std::string wrong = simulation.crash_everywhere(images);
        REQUIRE(wrong == "");
    }
    std::printf("simulation/crash_everywhere: %zu images of %zu changes, %zu with a second crash while opening\n", images.opened,
                images.changes, images.opened_again);
    CHECK(images.opened >= images.changes / 2);
}

} // namespace ecsdb::test::crash_everywhere_test
