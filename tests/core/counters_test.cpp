#include "ecsdb/core/counters.hpp"

#include "support/catch.hpp"

#include <thread>

namespace counters_test {

TEST_CASE("a counter counts, and keeps what it is told to", "[core][counters]") {
    ecsdb::Counter counter;
    CHECK(counter.get() == 0);
    counter.add();
    counter.add(41);
    CHECK(counter.get() == 42);
    counter.raise_to(7);
    CHECK(counter.get() == 42);
    counter.raise_to(43);
    CHECK(counter.get() == 43);
    counter.set(1);
    CHECK(counter.get() == 1);
}

TEST_CASE("a reader sees a counter only grow, and in the end all of it", "[core][counters]") {
    ecsdb::Counter counter;
    constexpr std::uint64_t rounds = 100'000;
    std::thread writer{[&] {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            counter.add();
        }
    }};
    std::uint64_t last = 0;
    bool grew = true;
    while (last < rounds) {
        const std::uint64_t now = counter.get();
        grew = grew && now >= last;
        last = now;
    }
    writer.join();
    CHECK(grew);
    CHECK(counter.get() == rounds);
}

} // namespace counters_test
