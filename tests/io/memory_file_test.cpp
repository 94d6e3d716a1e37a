#include "ecsdb/io/memory_file.hpp"

#include "support/catch.hpp"

#include <vector>

namespace ecsdb::test::memory_file_test {

TEST_CASE("a buffer is written as a file from front to back", "[io]") {
    SystemAllocator memory;
    ByteBuffer bytes{memory};
    BufferFile file{bytes};
    const std::vector<std::byte> some(10, std::byte{3});
    REQUIRE(file.pwrite(some, 0));
    REQUIRE(file.pwrite_uncached(some, 10));
    REQUIRE(file.sync());
    CHECK(*file.size() == 20);
    CHECK(bytes.size() == 20);
    CHECK(file.pwrite(some, 10).error().code() == ErrorCode::InvalidArgument);
    CHECK_FALSE(file.truncate(5));
    std::vector<std::byte> out(4);
    CHECK_FALSE(file.pread(out, 0));
    CHECK(bytes.size() == 20);
}

TEST_CASE("beside the one file in memory there is nothing", "[io]") {
    const std::vector<std::byte> bytes(10);
    OneFileInMemory one{"file", bytes};
    CHECK(*one.exists("file"));
    CHECK_FALSE(*one.exists("other"));
    CHECK(*one.file_size("file") == 10);
    CHECK_FALSE(one.file_size("other"));
    CHECK(one.open("other", FileMode::Read).error().code() == ErrorCode::NotFound);
    CHECK_FALSE(one.open("file", FileMode::ReadWrite));
    CHECK_FALSE(one.remove("file"));
    CHECK_FALSE(one.lock("file"));
    auto file = one.open("file", FileMode::Read);
    REQUIRE(file);
    CHECK(*(*file)->size() == 10);
    std::vector<std::byte> out(20);
    CHECK(*(*file)->pread(out, 4) == 6);
    CHECK(*(*file)->pread(out, 40) == 0);
    CHECK((*file)->pwrite(bytes, 0).error().code() == ErrorCode::ReadOnly);
}

} // namespace ecsdb::test::memory_file_test
