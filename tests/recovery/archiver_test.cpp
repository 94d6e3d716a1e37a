#include "ecsdb/recovery/archiver.hpp"

#include "ecsdb/recovery/archive.hpp"
#include "recovery/files_fixture.hpp"

#include <thread>

namespace archiver_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::SimulatedFileSystem;

TEST_CASE("an archive of another database is refused before anything is written", "[recovery][archive]") {
    SimulatedFileSystem files;
    auto options = on(files);
    options.archive_directory = "archive";
    {
        World world = open_or_fail(options);
        Workload workload;
        REQUIRE(workload.round(world, 0));
        require(ecsdb::archive_now(world.engine()));
    }
    const auto before = files_below(files, "archive");
    options.directory = "other";
    auto refused = World::open(options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    CHECK(refused.error().message().find("another database") != std::string::npos);
    CHECK(files_below(files, "archive") == before);
}

TEST_CASE("in the background, too, everything is archived before it goes", "[recovery][archive]") {
    SimulatedFileSystem files;
    auto options = on(files, ecsdb::Durability::Logged);
    options.own_thread = true;
    options.archive_directory = "archive";
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(options);
        for (std::uint64_t i = 0; i < 2000; ++i) {
            auto tx = world.begin();
            tx.create(Purse{i});
            require(tx.commit());
            if (i % 300 == 299) {
                require(world.snapshot());
            }
        }
        require(ecsdb::archive_now(world.engine()));
        version = world.version();
        hash = world.read().hash();
        CHECK(ecsdb::archive_state(world.engine())->version == version);
    }
    const auto report = ecsdb::verify_archive("archive", {.file_system = &files});
    REQUIRE(report);
    CHECK(report->sound());
    REQUIRE(report->versions.size() == 1);
    CHECK(report->versions[0].from == 0);
    CHECK(report->versions[0].to == version);
    CHECK(report->transactions == version);
    CHECK(hash != 0);
}

} // namespace archiver_test
