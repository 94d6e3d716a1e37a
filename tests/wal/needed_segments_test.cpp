#include "ecsdb/wal/needed_segments.hpp"

#include "wal/log_fixture.hpp"

namespace ecsdb::test::needed_segments_test {

namespace {

/// Five segments of ten transactions each.
void write_log(SimulatedFileSystem& files) {
    wal::LogOptions options;
    options.database = database_id();
    options.segment.bytes = 1 << 16;
    auto writer = wal::LogWriter::open(files, "log", options, {});
    REQUIRE(writer);
    for (std::uint64_t lsn = 1; lsn <= 50; ++lsn) {
        auto frames = group_of(lsn, lsn);
        REQUIRE(writer->append(all_of(frames)));
        if (lsn % 10 == 0) {
            REQUIRE(writer->rotate());
        }
    }
    REQUIRE(writer->sync());
}

std::uint64_t needed(FileSystem& files, std::uint64_t from, std::uint64_t lsn) {
    const auto found = wal::first_needed_segment(files, "log", from, lsn, system_allocator());
    REQUIRE(found);
    return *found;
}

} // namespace

TEST_CASE("an older state needs the log from the segment that begins no later", "[wal]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory("log"));
    write_log(files);
    CHECK(needed(files, 6, 50) == 6);
    CHECK(needed(files, 6, 49) == 5);
    CHECK(needed(files, 6, 20) == 3);
    CHECK(needed(files, 6, 19) == 2);
    CHECK(needed(files, 6, 0) == 1);
    CHECK(needed(files, 3, 45) == 3);
    CHECK(needed(files, 0, 7) == 0);
}

TEST_CASE("a segment that is missing or damaged is where reading will fail; one that cannot be read is an error", "[wal][fault]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory("log"));
    write_log(files);
    REQUIRE(files.remove("log/0000000003.seg"));
    CHECK(needed(files, 6, 0) == 3);
    CHECK(needed(files, 6, 40) == 5);
    CHECK(needed(files, 9, 40) == 9);
}

} // namespace ecsdb::test::needed_segments_test
