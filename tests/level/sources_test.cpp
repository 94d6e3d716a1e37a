#include "level/sources.hpp"

#include "ecsdb/io/posix_file_system.hpp"
#include "level/wad.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace sources_test {

namespace {

const level::BuiltInLevel small{.maps = 2, .rooms_per_side = 2, .things_per_room = 1};

} // namespace

TEST_CASE("a level's file that cannot be read is named", "[level][sources]") {
    const ecsdb::test::ScratchDirectory directory;
    ecsdb::PosixFileSystem files;
    const auto missing = level::load_level(files, directory.file("missing.wad"));
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code() == ecsdb::ErrorCode::NotFound);
    CHECK_THAT(missing.error().message(), Catch::Contains(directory.file("missing.wad")));

    REQUIRE(files.create_directory(directory.file("freedoom1.wad")));
    const auto found = level::find_levels(files, directory.path(), small);
    REQUIRE_FALSE(found);
    CHECK(found.error().code() == ecsdb::ErrorCode::Io);
    CHECK_THAT(found.error().message(), Catch::Contains(directory.file("freedoom1.wad")));
}

TEST_CASE("without a WAD the built-in level is used", "[level][sources]") {
    const ecsdb::test::ScratchDirectory directory;
    ecsdb::PosixFileSystem files;
    for (const std::string& place : {directory.path(), directory.file("no_such_directory")}) {
        const auto found = level::find_levels(files, place, small);
        REQUIRE(found);
        REQUIRE(found->size() == 1);
        CHECK(found->front().built_in);
        CHECK(found->front().name == "built-in");
        CHECK(found->front().bytes == level::build_level(small));
    }
}

TEST_CASE("the WADs that are there are used, damaged or not", "[level][sources]") {
    const ecsdb::test::ScratchDirectory directory;
    ecsdb::PosixFileSystem files;
    const std::vector<std::byte> damaged(5);
    const std::vector<std::byte> whole = level::build_level(small);
    REQUIRE(ecsdb::write_atomically(files, directory.file("freedoom2.wad"), damaged));
    const auto one = level::find_levels(files, directory.path(), small);
    REQUIRE(one);
    REQUIRE(one->size() == 1);
    CHECK(one->front().name == "freedoom2.wad");
    CHECK_FALSE(one->front().built_in);
    CHECK(one->front().bytes == damaged);
    CHECK_FALSE(level::read_wad(one->front().bytes, one->front().name));

    REQUIRE(ecsdb::write_atomically(files, directory.file("freedoom1.wad"), whole));
    const auto both = level::find_levels(files, directory.path());
    REQUIRE(both);
    REQUIRE(both->size() == 2);
    CHECK(both->front().name == "freedoom1.wad");
    CHECK(both->front().bytes == whole);
}

} // namespace sources_test
