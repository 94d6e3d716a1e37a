// A whole database in one thread, under every fault there is. Runs by the clock (support/environment.hpp), and on until everything was met
// that there is to meet; prints its seed, ECSDB_TEST_SEED repeats one.
#include "simulation/simulation.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

namespace ecsdb::test::simulation_test {

using namespace simulation;

TEST_CASE("whatever the disk does, a database is after a crash what it had been at some version it must have reached", "[simulation]") {
    std::uint64_t seed = test_seed("simulation/simulation");
    SystemClock clock;
    const std::uint64_t end = clock.monotonic_ns() + test_seconds(2, 20) * 1'000'000'000;
    constexpr std::uint64_t enough_lives = 20'000; // whatever was not met by then is not met at all
    Met met;
    do {
        CAPTURE(seed);
        Simulation simulation{seed++};
        for (int life = 0; life < 12; ++life) {
            CAPTURE(life);
            const std::string wrong = simulation.live();
            REQUIRE(wrong == "");
        }
        met += simulation.met();
    } while (clock.monotonic_ns() < end || (!met.missed().empty() && met[Event::Lives] < enough_lives));
    INFO(met.to_string());
    std::printf("simulation/simulation: %s\n", met.to_string().c_str());
    CHECK(met.missed() == "");
}

TEST_CASE("a seed does again what it did", "[simulation]") {
    const std::uint64_t seed = test_seed("simulation/simulation");
    std::uint64_t traces[2] = {};
    for (std::uint64_t& trace : traces) {
        Simulation simulation{seed};
        for (int life = 0; life < 6; ++life) {
            CAPTURE(life);
            const std::string wrong = simulation.live();
            REQUIRE(wrong == "");
        }
        trace = simulation.trace();
    }
    CHECK(traces[0] == traces[1]);
}

} // namespace ecsdb::test::simulation_test
