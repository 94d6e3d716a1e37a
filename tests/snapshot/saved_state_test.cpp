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

} // namespace ecsdb::test::saved_state_test
