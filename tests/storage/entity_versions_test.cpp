#include "ecsdb/storage/entity_versions.hpp"

#include "support/storage_fixture.hpp"

#include <vector>

namespace ecsdb::test::entity_versions_test {

using storage::EntityVersions;

TEST_CASE("counters that get no memory say so, and what was never covered counts nothing", "[storage][memory]") {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    EntityVersions versions{pool};
    CHECK(versions.count(0) == 0);
    CHECK(versions.count(0xFFFFFFFFU) == 0);
    versions.prefetch(0xFFFFFFFFU);
    allocator.refuse_from = 0;
    CHECK_FALSE(versions.cover(0));
    CHECK_FALSE(versions.cover(1000000));
    CHECK(versions.bytes() == 0);
    allocator.refuse_from = CountingAllocator::never;
    CHECK(versions.cover(0));
    CHECK(versions.bytes() == pool.used_bytes());
}

TEST_CASE("each index has a counter of its own that starts at zero", "[storage]") {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    EntityVersions versions{pool};
    std::vector<std::uint32_t> indices;
    for (std::uint32_t bit = 1; bit <= (1U << 22U); bit *= 2) {
        for (const std::uint32_t index : {bit - 1, bit, bit + 1}) {
            indices.push_back(index);
        }
    }
    for (const std::uint32_t index : indices) {
        REQUIRE(versions.cover(index));
        REQUIRE(versions.count(index) == 0);
    }
    for (const std::uint32_t index : indices) {
        versions.set(index, index + 1);
    }
    for (const std::uint32_t index : indices) {
        REQUIRE(versions.count(index) == index + 1);
    }
}

TEST_CASE("a transaction counts an index once, and not at all when it fails", "[storage]") {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    EntityVersions versions{pool};
    REQUIRE(versions.cover(7));
    CHECK(versions.touch(7));
    CHECK_FALSE(versions.touch(7));
    CHECK(versions.count(7) == 1);
    versions.settle(7);
    CHECK(versions.count(7) == 1);
    CHECK(versions.touch(7));
    CHECK(versions.count(7) == 2);
    versions.uncount(7);
    CHECK(versions.count(7) == 1);
    CHECK(versions.touch(7));
    versions.settle(7);
    versions.uncount(7); // a kept transaction whose batch was discarded
    CHECK(versions.count(7) == 1);
}

TEST_CASE("a count that has run full starts again and can still be taken back", "[storage]") {
    CountingAllocator allocator;
    storage::PagePool pool{allocator, {}};
    EntityVersions versions{pool};
    REQUIRE(versions.cover(0));
    versions.set(0, 0x7FFFFFFFU);
    CHECK(versions.touch(0));
    CHECK(versions.count(0) == 0);
    CHECK_FALSE(versions.touch(0));
    versions.uncount(0);
    CHECK(versions.count(0) == 0x7FFFFFFFU);
}

} // namespace ecsdb::test::entity_versions_test
