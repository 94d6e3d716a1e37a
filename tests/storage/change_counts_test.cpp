#include "ecsdb/storage/change_counts.hpp"

#include "support/storage_fixture.hpp"

#include <array>
#include <cstdint>

namespace ecsdb::test::change_counts_test {
namespace {

struct Counted {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    storage::EntityVersions versions{pool};
    storage::ChangeCounts counts{allocator, versions};

    std::array<std::uint32_t, 4> now() const { return {versions.count(1), versions.count(2), versions.count(3), versions.count(9'000)}; }
};
using Counts = std::array<std::uint32_t, 4>;

} // namespace

TEST_CASE("an entity counts once per transaction, however often it is changed", "[storage][counts]") {
    Counted counted;
    REQUIRE(counted.counts.start_all(1, 9'000));
    counted.counts.keep();
    REQUIRE(counted.now() == Counts{1, 1, 1, 1});
    counted.counts.begin_transaction();
    CHECK(counted.counts.touch(2));
    CHECK(counted.counts.touch_all(std::array{2U, 3U, 2U, 3U}));
    CHECK(counted.counts.add(9'000, 5));
    counted.counts.keep();
    CHECK(counted.now() == Counts{1, 2, 2, 6});
}

TEST_CASE("counts go back with a transaction, and with a batch", "[storage][counts]") {
    Counted counted;
    counted.counts.set_discardable(true);
    CHECK(counted.counts.discardable());
    counted.counts.begin_batch();
    REQUIRE(counted.counts.start_all(1, 3));
    counted.counts.keep();
    counted.counts.begin_batch();
    counted.counts.begin_transaction();
    REQUIRE(counted.counts.touch_all(std::array{1U, 2U}));
    REQUIRE(counted.counts.start(9'000));
    REQUIRE(counted.counts.touch(9'000));
    counted.counts.undo();
    CHECK(counted.now() == Counts{1, 1, 1, 0});
    counted.counts.begin_transaction();
    REQUIRE(counted.counts.touch_all(std::array{2U, 3U}));
    REQUIRE(counted.counts.start(1)); // a new entity on an index that had one
    REQUIRE(counted.counts.touch(1));
    counted.counts.keep();
    REQUIRE(counted.counts.start_all(5'000, 2));
    counted.counts.keep();
    CHECK(counted.now() == Counts{1, 2, 2, 0});
    CHECK(counted.versions.count(5'001) == 1);
    counted.counts.discard_batch();
    CHECK(counted.now() == Counts{1, 1, 1, 0});
    CHECK(counted.versions.count(5'001) == 0);
}

TEST_CASE("what brings its own counts is not counted", "[storage][counts]") {
    Counted counted;
    REQUIRE(counted.counts.start_all(1, 3));
    counted.counts.keep();
    counted.counts.begin_transaction();
    counted.counts.set_counting(false);
    CHECK(counted.counts.touch(1));
    CHECK(counted.counts.touch_all(std::array{2U}));
    counted.counts.keep();
    CHECK(counted.now() == Counts{1, 1, 1, 0});
    counted.counts.begin_transaction(); // only until the transaction ends
    CHECK(counted.counts.touch(1));
    counted.counts.keep();
    CHECK(counted.now() == Counts{2, 1, 1, 0});
}

TEST_CASE("counters that only a transaction undone needed go with it", "[storage][counts][memory]") {
    Counted counted;
    counted.counts.begin_transaction();
    REQUIRE(counted.counts.start(1));
    counted.counts.keep();
    const std::size_t used = counted.pool.used_bytes();
    counted.counts.begin_transaction();
    REQUIRE(counted.counts.start_all(2, 20'000));
    CHECK(counted.pool.used_bytes() > used + 70'000);
    counted.counts.undo();
    CHECK(counted.pool.used_bytes() == used);
    CHECK(counted.versions.count(9'000) == 0);
    counted.counts.begin_transaction();
    REQUIRE(counted.counts.start_all(2, 20'000));
    counted.counts.keep();
    CHECK(counted.now() == Counts{0, 1, 1, 1});
}

TEST_CASE("where memory for the way back is refused, nothing is counted", "[storage][counts][memory]") {
    Counted counted;
    REQUIRE(counted.versions.cover(1));
    REQUIRE(counted.versions.cover(9'000));
    counted.counts.begin_transaction();
    counted.allocator.refuse_from = counted.allocator.calls;
    CHECK_FALSE(counted.counts.touch(1));
    CHECK_FALSE(counted.counts.add(2, 7));
    CHECK(counted.now() == Counts{0, 0, 0, 0});
    counted.counts.undo();
    counted.allocator.refuse_from = CountingAllocator::never;
    CHECK(counted.counts.touch(1));
    counted.counts.undo();
    CHECK(counted.now() == Counts{0, 0, 0, 0});
}

} // namespace ecsdb::test::change_counts_test
