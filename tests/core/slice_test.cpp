#include "ecsdb/core/slice.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

namespace slice_test {

namespace {

using ecsdb::Slice;

} // namespace

TEST_CASE("a slice of nothing is empty", "[core]") {
    const Slice<const int> none;
    CHECK(none.empty());
    CHECK(none.begin() == none.end());
    CHECK(none.first(0).empty());
    CHECK(none.subspan(0).empty());
}

TEST_CASE("a slice names values where they are, all or a part of them", "[core]") {
    std::array<int, 6> values{1, 2, 3, 4, 5, 6};
    const Slice<int> all{values.data(), values.size()};
    all[2] = 30;
    CHECK(values[2] == 30);
    CHECK(all.size() == 6);
    CHECK(all.front() == 1);
    CHECK(all.back() == 6);
    for (std::size_t offset = 0; offset <= all.size(); ++offset) {
        CHECK(all.first(offset).end() == all.subspan(offset).begin());
        CHECK(all.subspan(offset).size() == all.size() - offset);
        for (std::size_t count = 0; count <= all.size() - offset; ++count) {
            const Slice<int> part = all.subspan(offset, count);
            CHECK(std::equal(part.begin(), part.end(), values.begin() + offset, values.begin() + offset + count));
        }
    }
}

TEST_CASE("a slice may become one whose values are not to be changed, never the other way", "[core]") {
    int value = 1;
    const Slice<const int> kept = Slice<int>{&value, 1};
    CHECK(kept.data() == &value);
    STATIC_REQUIRE(std::is_convertible_v<Slice<int>, Slice<const int>>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<Slice<const int>, Slice<int>>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<Slice<int>, Slice<long>>);
}

} // namespace slice_test
