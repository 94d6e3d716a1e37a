#include "ecsdb/recovery/lineage.hpp"

#include "support/catch.hpp"

#include <cstddef>

namespace recovery_test::lineage_test {

using ecsdb::recovery::Lineage;
using Answer = Lineage::Answer;

namespace {

constexpr ecsdb::wal::DatabaseId one{std::byte{1}};
constexpr ecsdb::wal::DatabaseId two{std::byte{2}};
constexpr ecsdb::wal::DatabaseId three{std::byte{3}};

} // namespace

TEST_CASE("a database with a history takes only what is of its own", "[recovery]") {
    Lineage lineage{one};
    CHECK(lineage.current() == one);
    CHECK(lineage.admit(one, false) == Answer::Belongs);
    CHECK(lineage.admit(two, false) == Answer::Refused);
    CHECK(lineage.current() == one);
}

TEST_CASE("what has no history yet takes up the first it is given, and can give it up again", "[recovery]") {
    Lineage lineage;
    lineage.begin(one);
    CHECK(lineage.admit(two, true) == Answer::Followed);
    CHECK(lineage.current() == two);
    CHECK(lineage.admit(two, false) == Answer::Belongs);
    CHECK(lineage.admit(three, false) == Answer::Refused);
    CHECK(lineage.admit(one, false) == Answer::Refused);
    lineage.give_up(three);
    CHECK(lineage.current() == two);
    lineage.give_up(two);
    CHECK(lineage.current() == one);
}

} // namespace recovery_test::lineage_test
