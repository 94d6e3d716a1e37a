#include "ecsdb/recovery/new_directory.hpp"

#include "recovery/files_fixture.hpp"

namespace new_directory_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::SimulatedFileSystem;

TEST_CASE("a directory is made, or taken where it is empty, and never where there is something", "[recovery][backup]") {
    SimulatedFileSystem files;
    require(ecsdb::recovery::make_empty_directory(files, "new"));
    CHECK(*files.exists("new"));
    require(ecsdb::recovery::make_empty_directory(files, "new"));
    write_file(files, "new/something", {});
    const auto refused = ecsdb::recovery::make_empty_directory(files, "new");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::AlreadyExists);
    CHECK(refused.error().message().find("something") != std::string::npos);
}

} // namespace new_directory_test
