#include "ecsdb/io/reading_progress.hpp"

#include "ecsdb/io/simulated_file_system.hpp"
#include "support/catch.hpp"

namespace reading_progress_test {

TEST_CASE("bytes read are counted, whatever reads them, and the end is the total", "[io]") {
    ecsdb::SimulatedFileSystem files;
    {
        auto file = files.open("file", ecsdb::FileMode::CreateNew);
        REQUIRE(file);
        REQUIRE((*file)->pwrite(std::vector<std::byte>(1000), 0));
    }
    std::uint64_t seen[2] = {};
    const ecsdb::Progress progress{[](void* context, std::uint64_t done, std::uint64_t total) {
                                       static_cast<std::uint64_t*>(context)[0] = done;
                                       static_cast<std::uint64_t*>(context)[1] = total;
                                   },
                                   seen};
    ecsdb::ReadingProgress counted{files, progress, 500};
    auto file = counted.open("file", ecsdb::FileMode::Read);
    REQUIRE(file);
    std::vector<std::byte> bytes(400);
    CHECK(*(*file)->pread(bytes, 0) == 400);
    CHECK(seen[0] == 400);
    CHECK(seen[1] == 500);
    CHECK(*(*file)->pread(bytes, 800) == 200);
    CHECK(counted.bytes_read() == 600);
    CHECK(seen[1] == 600); // it was more than expected
    counted.expect(2000);
    counted.finish();
    CHECK(seen[0] == seen[1]);
    CHECK(*(*file)->size() == 1000);
    REQUIRE(counted.rename("file", "other"));
    CHECK(*counted.exists("other"));
    CHECK(*counted.file_size("other") == 1000);
    CHECK(counted.list("")->size() == 1);
    REQUIRE(counted.remove("other"));
    REQUIRE(counted.create_directory("directory"));
    REQUIRE(counted.sync_directory("directory"));
    CHECK(counted.lock("lock"));
    CHECK(counted.boot_id() == files.boot_id());
    auto made = counted.open("made", ecsdb::FileMode::CreateNew);
    REQUIRE(made);
    REQUIRE((*made)->pwrite(bytes, 0));
    CHECK(counted.bytes_read() == 600); // only what is opened for reading counts
}

} // namespace reading_progress_test
