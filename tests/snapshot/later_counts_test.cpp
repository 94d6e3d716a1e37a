#include "ecsdb/snapshot/later_counts.hpp"

#include "snapshot/snapshot_fixture.hpp"

namespace ecsdb::test::later_counts_test {

using snapshot::LaterCounts;

namespace {

void add(LaterCounts& later, std::uint64_t version, std::uint32_t first, const std::vector<std::uint32_t>& counts) {
    SystemAllocator memory;
    ByteBuffer numbers{memory};
    snapshot::append_numbers(numbers, counts);
    later.add(version, first, static_cast<std::uint32_t>(counts.size()), numbers.view());
}

} // namespace

TEST_CASE("counts come into force when their version is reached, in whatever order they were added", "[snapshot]") {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    storage::EntityVersions versions{pool};
    REQUIRE(versions.cover(0));
    versions.set(0, 50);
    versions.set(9, 3); // counted during the replay, and not by the time the counts are of
    LaterCounts later;
    CHECK(later.next() > 1'000'000);
    add(later, 12, 8, {1, 0, 2});
    add(later, 11, 0, {4, 5});
    add(later, 13, 20, {6});
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
    add(later, 1, 100'000, {0});
    REQUIRE(later.impose_all(versions));
    add(later, 1, 100'000, {1});
    allocator.refuse_from = 0;
    CHECK_FALSE(later.impose_all(versions));
}

} // namespace ecsdb::test::later_counts_test
