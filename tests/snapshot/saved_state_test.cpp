#include "ecsdb/snapshot/saved_state.hpp"

#include "support/catch.hpp"
#include "support/storage_fixture.hpp"

namespace ecsdb::test::saved_state_test {

TEST_CASE("what nothing was said of has no number and no count", "[snapshot]") {
    CountingAllocator allocator;
    snapshot::SavedState saved{allocator};
    CHECK_FALSE(saved.usable);
    CHECK(saved.number_of(7) == 0);
    CHECK(saved.count_of(7) == 0);
    CHECK(saved.archetype_end == 1);
    saved.set_number(7, 3);
    CHECK(saved.number_of(7) == 3);
    CHECK(saved.number_of(6) == 0);
    CHECK(saved.archetype_end == 4);
    const std::uint32_t counts[] = {5, 6};
    REQUIRE(saved.set_counts(10, counts));
    CHECK(saved.count_of(9) == 0);
    CHECK(saved.count_of(10) == 5);
    CHECK(saved.count_of(11) == 6);
    CHECK(saved.count_of(12) == 0);
}

TEST_CASE("what is saved takes memory where there is something, and not up to the highest index", "[snapshot][hostile]") {
    CountingAllocator allocator;
    snapshot::SavedState saved{allocator};
    const std::uint32_t counts[] = {5, 0, 6};
    REQUIRE(saved.set_counts(0xFFFFFFF0U, counts));
    CHECK(saved.count_of(0xFFFFFFF2U) == 6);
    CHECK(allocator.live_bytes < 1U << 20U);
    const std::uint32_t none[] = {0, 0, 0};
    const std::uint64_t calls = allocator.calls;
    for (std::uint32_t first = 0; first < 0xFF000000U; first += 1U << 20U) {
        REQUIRE(saved.set_counts(first, none));
    }
    CHECK(allocator.calls == calls);
    REQUIRE(saved.set_counts(0xFFFFFFF0U, none));
    CHECK(saved.count_of(0xFFFFFFF2U) == 0);
    REQUIRE(saved.set_counts(7, counts));
    saved.clear_counts();
    CHECK(saved.count_of(7) == 0);
    allocator.refuse_from = 0;
    CHECK_FALSE(saved.set_counts(7, counts));
}

} // namespace ecsdb::test::saved_state_test
