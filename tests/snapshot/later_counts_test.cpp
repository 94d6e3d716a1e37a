#include "ecsdb/snapshot/later_counts.hpp"

#include "snapshot/snapshot_fixture.hpp"

namespace ecsdb::test::later_counts_test {

using snapshot::LaterCounts;

TEST_CASE("counts come into force when their version is reached, in whatever order they were added", "[snapshot]") {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    storage::EntityVersions versions{pool};
    REQUIRE(versions.cover(0));
    versions.set(0, 50);
    versions.set(9, 3); // counted during the replay, and not by the time the counts are of
    LaterCounts later;
    CHECK(later.next() > 1'000'000);
    later.add(12, 8, std::vector<std::uint32_t>{1, 0, 2});
    later.add(11, 0, std::vector<std::uint32_t>{4, 5});
    later.add(13, 20, std::vector<std::uint32_t>{6});
    CHECK(later.next() == 11);
    REQUIRE(later.impose(versions, 10));
    CHECK(versions.count(0) == 50);
    REQUIRE(later.impose(versions, 11));
    CHECK(versions.count(0) == 4);
    CHECK(versions.count(1) == 5);
    CHECK(versions.count(9) == 3);
    CHECK(later.next() == 12);
    versions.set(0, 60); // counts go on from there
    REQUIRE(later.impose(versions, 12));
    CHECK(versions.count(0) == 60);
    CHECK(versions.count(8) == 1);
    CHECK(versions.count(9) == 0);
    CHECK(versions.count(20) == 0);
    REQUIRE(later.impose_all(versions));
    CHECK(versions.count(20) == 6);
    CHECK(later.next() > 1'000'000);
}

TEST_CASE("counts that find no memory say so", "[snapshot][memory]") {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    storage::EntityVersions versions{pool};
    LaterCounts later;
    later.add(1, 100'000, std::vector<std::uint32_t>{0});
    REQUIRE(later.impose_all(versions));
    later.add(1, 100'000, std::vector<std::uint32_t>{1});
    allocator.refuse_from = 0;
    CHECK_FALSE(later.impose_all(versions));
}

} // namespace ecsdb::test::later_counts_test
