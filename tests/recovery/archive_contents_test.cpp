#include "ecsdb/recovery/archive_contents.hpp"

#include "ecsdb/io/simulated_file_system.hpp"

#include "support/catch.hpp"

namespace archive_contents_test {

using ecsdb::recovery::ArchiveContents;

namespace {

ecsdb::SystemAllocator allocator;

/// Segments 1 to `newest` of ten versions each, without those named.
ArchiveContents with_gaps(std::uint64_t newest, std::initializer_list<std::uint64_t> damaged) {
    ArchiveContents contents;
    for (std::uint64_t number = 1; number <= newest; ++number) {
        if (std::find(damaged.begin(), damaged.end(), number) != damaged.end()) {
            contents.damaged.push_back(number);
            continue;
        }
        ecsdb::recovery::ArchivedFile segment;
        segment.header.end.segment = number;
        segment.header.end.lsn = number * 10;
        segment.header.first_lsn = number * 10 - 9;
        segment.header.previous_segment = number - 1;
        segment.bytes = 100;
        contents.segments.push_back(segment);
    }
    return contents;
}

bool tells(const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
}

} // namespace

TEST_CASE("an archive's gaps are told with the versions that cannot be had", "[recovery][archive]") {
    CHECK(with_gaps(5, {}).lost().empty());
    CHECK(with_gaps(5, {}).bytes() == 500);

    const auto middle = with_gaps(5, {3}).lost();
    REQUIRE(middle.size() == 1);
    CHECK(tells(middle[0], "0000000003.damaged: was damaged in the log: of versions 21 to 30 "));

    const auto ends = with_gaps(5, {1, 5}).lost();
    REQUIRE(ends.size() == 2);
    CHECK(tells(ends[0], "0000000001.damaged: was damaged in the log: of versions 1 to 10 "));
    CHECK(tells(ends[1], "0000000005.damaged: was damaged in the log: of versions 41 and following "));

    const auto together = with_gaps(6, {3, 4}).lost(); // nobody can say where the first ended
    REQUIRE(together.size() == 2);
    CHECK(tells(together[0], "of versions 21 to 40 "));
    CHECK(tells(together[1], "of versions 21 to 40 "));
}

TEST_CASE("segments that are gone are told, but not those a history passed by", "[recovery][archive]") {
    ArchiveContents contents = with_gaps(5, {3});
    contents.damaged.clear();
    CHECK(contents.lost_to_damage().empty());
    const auto lost = contents.lost();
    REQUIRE(lost.size() == 1);
    CHECK(tells(lost[0], "0000000003.arc: is not there: of versions 21 to 30 "));
    contents.segments[2].header.previous_segment = 1; // 2 was given up, and 3 never had anything
    CHECK(contents.lost().empty());
}

TEST_CASE("names of archived snapshots say version and epoch", "[recovery][archive]") {
    CHECK(ecsdb::recovery::archived_snapshot_name(41, 3) == "snapshot-41-3.ecsdb");
}

TEST_CASE("files that are none of an archive's are left alone, and damaged ones are problems", "[recovery][archive][fault]") {
    ecsdb::SimulatedFileSystem files;
    REQUIRE(files.create_directory("archive"));
    for (const char* const name : {"notes.txt", "0000000007.damaged", "0000000004.damaged", "0000000002.arc", "snapshot-1-1.ecsdb"}) {
        REQUIRE(files.open(std::string{"archive/"} + name, ecsdb::FileMode::CreateNew));
    }
    const auto contents = ecsdb::recovery::list_archive(files, "archive", allocator);
    REQUIRE(contents);
    CHECK(contents->empty());
    REQUIRE(contents->damaged.size() == 2);
    CHECK(contents->damaged[0] == 4);
    CHECK(contents->damaged[1] == 7);
    REQUIRE(contents->problems.size() == 2);
    CHECK((tells(contents->problems[0], "0000000002.arc") || tells(contents->problems[1], "0000000002.arc")));

    CHECK(ecsdb::recovery::list_archive(files, "nowhere", allocator).error().code() == ecsdb::ErrorCode::NotFound);
}

} // namespace archive_contents_test
