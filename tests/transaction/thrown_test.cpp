#include "ecsdb/transaction/thrown.hpp"

#include "support/catch.hpp"

#include <stdexcept>

namespace ecsdb::test::thrown_test {

#if ECSDB_EXCEPTIONS
TEST_CASE("what a function throws becomes an error that says so", "[transaction]") {
    const auto exception = transaction::thrown_by("the test", [] { throw std::runtime_error{"no dragons"}; });
    REQUIRE(exception);
    CHECK(exception->code() == ErrorCode::Aborted);
    CHECK(exception->message() == "the test threw: no dragons");
    const auto number = transaction::thrown_by("the test", [] { throw 5; });
    REQUIRE(number);
    CHECK(number->code() == ErrorCode::Aborted);
    CHECK(number->message() == "the test threw something that is not a std::exception");
}
#endif

TEST_CASE("a function that throws nothing is no error", "[transaction]") {
    bool called = false;
    CHECK_FALSE(transaction::thrown_by("the test", [&] { called = true; }));
    CHECK(called);
}

} // namespace ecsdb::test::thrown_test
