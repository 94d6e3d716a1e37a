#include "ecsdb/core/error.hpp"

#include "support/catch.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

namespace error_test {

using ecsdb::Error;
using ecsdb::ErrorCode;

TEST_CASE("an error reads from the outside in", "[core][error]") {
    Error error{ErrorCode::Corrupt, "checksum differs"};
    error = std::move(error).in("frame 12").in("world.wal");
    CHECK(error.message() == "world.wal: frame 12: checksum differs");
    CHECK(error.to_string() == "Corrupt: world.wal: frame 12: checksum differs");
    CHECK(error.code() == ErrorCode::Corrupt);
}

TEST_CASE("a clone says the same, and goes its own way", "[core][error]") {
    const Error error{ErrorCode::NoSpace, "disk full"};
    const Error copy = error.clone().in("snapshot");
    CHECK(copy.code() == ErrorCode::NoSpace);
    CHECK(copy.message() == "snapshot: disk full");
    CHECK(error.message() == "disk full");
}

TEST_CASE("an error costs one word, and is moved, not copied", "[core][error]") {
    static_assert(sizeof(Error) == sizeof(void*));
    static_assert(!std::is_copy_constructible_v<Error> && std::is_nothrow_move_constructible_v<Error>);
    Error error{ErrorCode::Io, "read failed"};
    const Error moved = std::move(error);
    CHECK(moved.message() == "read failed");
}

TEST_CASE("every code has a name of its own, and a number without one is unknown", "[core][error]") {
    std::set<std::string> names;
    std::uint16_t number = 1;
    for (; ecsdb::name_of(ErrorCode{number}) != "unknown"; ++number) {
        CHECK(names.insert(std::string{ecsdb::name_of(ErrorCode{number})}).second);
    }
    CHECK(number > static_cast<std::uint16_t>(ErrorCode::Aborted));
    CHECK(ecsdb::name_of(ErrorCode{0}) == "unknown");
    CHECK(ecsdb::name_of(ErrorCode{0xFFFF}) == "unknown");
}

TEST_CASE("the numbers of codes are the ones that travel in logs", "[core][error]") {
    CHECK(static_cast<int>(ErrorCode::Io) == 1);
    CHECK(static_cast<int>(ErrorCode::NotFound) == 5);
    CHECK(static_cast<int>(ErrorCode::Timeout) == 11);
    CHECK(static_cast<int>(ErrorCode::WrongShard) == 16);
    CHECK(static_cast<int>(ErrorCode::Aborted) == 24);
}

} // namespace error_test
