#include "ecsdb/core/result.hpp"

#include "support/catch.hpp"

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace result_test {

using ecsdb::Error;
using ecsdb::ErrorCode;
using ecsdb::Result;

namespace {

/// Counts how many of its kind live, so that a value destroyed twice, or never, shows.
struct Counted {
    explicit Counted(int& living) : living_{&living} { ++*living_; }
    Counted(Counted&& other) noexcept : living_{other.living_} { ++*living_; }
    Counted& operator=(Counted&&) = delete;
    ~Counted() { --*living_; }

private:
    int* living_;
};

Result<int> refuse() {
    return Error{ErrorCode::NotFound, "no such row"};
}
Result<void> refuse_too() {
    return Error{ErrorCode::ReadOnly, "opened so"};
}

} // namespace

TEST_CASE("a failed result holds the error and no value", "[core][result]") {
    const Result<int> result = refuse();
    CHECK_FALSE(result);
    CHECK_FALSE(result.has_value());
    CHECK(result.error().code() == ErrorCode::NotFound);
    CHECK(refuse().value_or(7) == 7);
}

TEST_CASE("an error is taken out of a result to be told further up", "[core][result]") {
    auto result = refuse();
    const Error error = std::move(result).error().in("get");
    CHECK(error.message() == "get: no such row");
}

TEST_CASE("success without a value is told from failure", "[core][result]") {
    CHECK(Result<void>{});
    const auto failed = refuse_too();
    CHECK_FALSE(failed);
    CHECK(failed.error().code() == ErrorCode::ReadOnly);
}

TEST_CASE("a value is reached, changed and moved out", "[core][result]") {
    Result<std::string> result{"dragon"};
    REQUIRE(result);
    result->append("s");
    CHECK(*result == "dragons");
    CHECK(std::as_const(result)->size() == 7);
    const std::string out = *std::move(result);
    CHECK(out == "dragons");
    CHECK(Result<int>{3}.value_or(7) == 3);
}

TEST_CASE("a result carries what can only be moved", "[core][result]") {
    static_assert(!std::is_copy_constructible_v<Result<int>>);
    Result<std::unique_ptr<int>> result{std::make_unique<int>(5)};
    Result<std::unique_ptr<int>> moved{std::move(result)};
    REQUIRE(moved);
    CHECK(**moved == 5);
}

TEST_CASE("a value lives exactly as long as its result", "[core][result]") {
    int living = 0;
    {
        Result<Counted> result{Counted{living}};
        CHECK(living == 1);
        Result<Counted> moved{std::move(result)};
        CHECK(living == 2);
        moved = Result<Counted>{Error{ErrorCode::Aborted, "changed its mind"}};
        CHECK(living == 1);
        CHECK_FALSE(moved);
        moved = std::move(result);
        CHECK(living == 2);
        CHECK(moved);
    }
    CHECK(living == 0);
}

TEST_CASE("a result whose error was taken is still a failure", "[core][result]") {
    auto result = refuse();
    static_cast<void>(std::move(result).error());
    CHECK_FALSE(result);
}

TEST_CASE("success without a value costs one word", "[core][result]") {
    CHECK(sizeof(Result<void>) == sizeof(void*));
}

} // namespace result_test
