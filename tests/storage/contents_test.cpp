#include "ecsdb/storage/contents.hpp"

#include "support/catch.hpp"
#include "support/storage_fixture.hpp"

#include <set>

namespace ecsdb::test::storage_contents_test {

using namespace ecsdb::storage;

TEST_CASE("a tree without contents finds nothing, whatever it is asked for", "[storage][contents]") {
    const ContentTree tree;
    CHECK(tree.column(0, 0) == nullptr);
    CHECK(tree.column(0xFFFF, 0xFFFF) == nullptr);
    CHECK(tree.find(3, 4, 0xFFFFFFFFU) == nullptr);
    CHECK(tree.bytes_of({~std::uint64_t{0}, 5, 6, 7}).empty());
    CHECK(tree.bytes_of({}).empty());
}

TEST_CASE("handles lie in rows at any alignment of the row's bytes", "[storage][contents]") {
    Field field;
    field.offset = 3;
    std::byte row[32] = {};
    const ContentHandle handle{9, 8, 7, 6};
    put_handle(row, field, handle);
    CHECK(handle_in(row, field) == handle);
    CHECK(row[2] == std::byte{0});
    CHECK(row[19] == std::byte{0});
}

TEST_CASE("no two transactions get the same token, nor do two databases", "[storage][contents]") {
    ContentTokens one;
    ContentTokens other;
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        for (const std::uint64_t token : {one.next(), other.next()}) {
            CHECK(token != 0);
            CHECK((token & ContentHandle::staged) == 0);
            seen.insert(token);
        }
    }
    CHECK(seen.size() == 2000);
}

} // namespace ecsdb::test::storage_contents_test
