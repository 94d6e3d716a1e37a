#include "ecsdb/storage/outcome.hpp"

#include "support/catch.hpp"

namespace ecsdb::test::outcome_test {

TEST_CASE("only what was done, or was nothing to do, does not fail a transaction", "[storage]") {
    using storage::Outcome;
    CHECK_FALSE(storage::failed(Outcome::Done));
    CHECK_FALSE(storage::failed(Outcome::Absent));
    for (const Outcome outcome : {Outcome::NotFound, Outcome::AlreadyExists, Outcome::WrongShard, Outcome::Changed, Outcome::OutOfMemory,
                                  Outcome::ForeignContent}) {
        CHECK(storage::failed(outcome));
    }
}

} // namespace ecsdb::test::outcome_test
