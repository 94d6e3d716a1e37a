#include "ecsdb/snapshot/count_source.hpp"

#include "support/catch.hpp"
#include "support/storage_fixture.hpp"

namespace ecsdb::test::count_source_test {

TEST_CASE("current counts are read as of no version", "[snapshot]") {
    SystemAllocator allocator;
    storage::PagePool pool{allocator, {}};
    storage::EntityVersions versions{pool};
    REQUIRE(versions.cover(3));
    versions.set(3, 9);
    snapshot::CurrentCounts counts{versions};
    std::array<std::uint32_t, 3> read{};
    const auto version = counts.read(2, read);
    REQUIRE(version);
    CHECK(*version == 0);
    CHECK(read == std::array<std::uint32_t, 3>{0, 9, 0});
}

} // namespace ecsdb::test::count_source_test
