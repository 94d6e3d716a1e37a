/// @file
/// What whoever runs the tests may choose: how long, how much, and from which seed.
///
/// `ECSDB_TEST_FULL` set to 1, as the `dev` preset's test run does, asks for the sizes that are promised: every byte, a minute by the
/// clock, a thousand kills. Without it a test takes seconds. `ECSDB_TEST_SECONDS` is how long each test runs that runs by the clock,
/// `ECSDB_TEST_SCALE` multiplies the work of those that count it, `ECSDB_TEST_SEED` repeats a random one.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace ecsdb::test {

/// The number in an environment variable, or `otherwise`.
[[nodiscard]] inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

[[nodiscard]] inline bool test_full() {
    return number_from("ECSDB_TEST_FULL", 0) != 0;
}
/// One of two sizes, by `ECSDB_TEST_FULL`.
[[nodiscard]] inline std::uint64_t test_size(std::uint64_t quick, std::uint64_t full) {
    return test_full() ? full : quick;
}
[[nodiscard]] inline std::uint64_t test_seconds(std::uint64_t quick, std::uint64_t full) {
    return number_from("ECSDB_TEST_SECONDS", test_size(quick, full));
}
[[nodiscard]] inline std::uint64_t test_scale() {
    return number_from("ECSDB_TEST_SCALE", 1);
}
/// A seed, printed: another one each time, unless one was chosen.
[[nodiscard]] inline std::uint64_t test_seed(const char* test) {
    const std::uint64_t seed = number_from("ECSDB_TEST_SEED", std::random_device{}());
    std::printf("%s: ECSDB_TEST_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    return seed;
}

} // namespace ecsdb::test
