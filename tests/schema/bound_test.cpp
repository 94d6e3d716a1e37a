#include "ecsdb/schema/bound.hpp"

#include "schema/sample.hpp"
#include "support/catch.hpp"

#include <cstring>

namespace bound_test {

using ecsdb::OneOf;
using ecsdb::detail::position_of;
using ecsdb::detail::row_bytes;

static_assert(!OneOf<int>);
static_assert(!OneOf<int, float, unsigned>);
static_assert(OneOf<int, float, int>);
static_assert(OneOf<const int, float, int>);
static_assert(!OneOf<int&, float, int>);
static_assert(!OneOf<int, const int>); // lists name components, and those are not const

static_assert(position_of<int, int, float>() == 0);
static_assert(position_of<float, int, float>() == 1);
static_assert(position_of<char, int, float>() == 2); // absent: one past the end

TEST_CASE("a row's bytes are the struct's, and a tag has none", "[schema]") {
    const sample::Position position{1, 2, 3};
    const auto bytes = row_bytes(position);
    CHECK(bytes.size() == sizeof(position));
    CHECK(std::memcmp(bytes.data(), &position, sizeof(position)) == 0);
    CHECK(row_bytes(sample::Tag{}).empty());
}

} // namespace bound_test
