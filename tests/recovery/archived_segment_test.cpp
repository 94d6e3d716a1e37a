#include "ecsdb/recovery/archived_segment.hpp"

#include "ecsdb/recovery/archive_contents.hpp"
#include "recovery/files_fixture.hpp"

#include <random>

namespace archived_segment_test {

using namespace recovery_test;
using ecsdb::ErrorCode;
using ecsdb::SimulatedFileSystem;
using ecsdb::recovery::ArchivedSegment;

namespace {

ecsdb::SystemAllocator allocator;

/// A log of two segments, the first of them with transactions of 3 MiB, half of which packs well.
struct Log {
    Log() {
        ecsdb::wal::LogOptions options;
        options.segment.bytes = 8 << 20;
        auto writer = ecsdb::wal::LogWriter::open(files, "log", options, {});
        REQUIRE(writer);
        std::mt19937_64 random{1};
        for (std::uint64_t lsn = 1; lsn <= 12; ++lsn) {
            std::vector<std::byte> delta(std::size_t{256} << 10U);
            for (std::size_t i = 0; lsn % 2 == 0 && i < delta.size(); ++i) {
                delta[i] = static_cast<std::byte>(random());
            }
            ecsdb::ByteBuffer frames{allocator};
            const auto frame = ecsdb::wal::begin_frame(frames);
            ecsdb::wal::append_record(frames, delta);
            ecsdb::wal::FrameHeader header;
            header.lsn = lsn;
            header.time = 1000 + lsn;
            ecsdb::wal::finish_frame(frames, frame, header);
            REQUIRE(writer->append({frames.data(), frames.size()}));
        }
        REQUIRE(writer->rotate());
        auto second = ecsdb::wal::SegmentReader::open(files, "log/0000000002.seg", allocator);
        REQUIRE(second);
        end = second->header().previous;
    }
    SimulatedFileSystem files;
    ecsdb::wal::LogPosition end;
};

} // namespace

TEST_CASE("names of archived segments are those of segments with another ending", "[recovery][archive]") {
    CHECK(ecsdb::recovery::archived_segment_name(7) == "0000000007.arc");
    CHECK(ecsdb::recovery::parse_archived_segment_name("0000000007.arc") == 7);
    for (const char* const wrong : {"0000000007.seg", "7.arc", "0000000007.arc.tmp", "0000000000.arc", ".arc", "snapshot-7-1.ecsdb"}) {
        CAPTURE(wrong);
        CHECK_FALSE(ecsdb::recovery::parse_archived_segment_name(wrong));
    }
}

TEST_CASE("an archived segment reads as the segment it was, from any offset", "[recovery][archive]") {
    Log log;
    const auto written = ecsdb::recovery::archive_segment(log.files, "log", log.end, log.files, "seven.arc", allocator);
    REQUIRE(written);
    CHECK(written->first_lsn == 1);
    CHECK(written->end == log.end);
    CHECK(written->last_time == 1012);
    CHECK(*log.files.file_size("seven.arc") < log.end.offset * 2 / 3);
    CHECK_FALSE(*log.files.exists("seven.arc.tmp"));
    auto archived = ArchivedSegment::open(log.files, "seven.arc", allocator);
    REQUIRE(archived);
    REQUIRE((*archived)->check());
    CHECK(*(*archived)->size() == log.end.offset);
    const auto bytes = contents_of(log.files, "log/0000000001.seg");
    std::mt19937_64 random{2};
    for (int i = 0; i < 40; ++i) {
        const std::uint64_t at = random() % (log.end.offset + 100);
        std::vector<std::byte> part(1 + random() % 2'000'000);
        const auto read = (*archived)->pread(part, at);
        REQUIRE(read);
        REQUIRE(*read == (at >= log.end.offset ? 0 : std::min<std::uint64_t>(part.size(), log.end.offset - at)));
        REQUIRE(
            std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(*read), bytes.begin() + static_cast<std::ptrdiff_t>(at)));
    }
    CHECK_FALSE((*archived)->pwrite({}, 0));
    CHECK_FALSE((*archived)->sync());
    CHECK_FALSE((*archived)->truncate(0));
    CHECK_FALSE((*archived)->preallocate(0));
}

TEST_CASE("an archived segment that is damaged or cut short is refused", "[recovery][archive][fault]") {
    Log log;
    REQUIRE(ecsdb::recovery::archive_segment(log.files, "log", log.end, log.files, "a.arc", allocator));
    const auto whole = contents_of(log.files, "a.arc");
    std::mt19937_64 random{3};
    const auto problem = [&]() -> std::optional<ErrorCode> {
        auto opened = ArchivedSegment::open(log.files, "a.arc", allocator);
        if (!opened) {
            return opened.error().code();
        }
        auto checked = (*opened)->check();
        return checked ? std::nullopt : std::optional{checked.error().code()};
    };
    for (int i = 0; i < 150; ++i) {
        const std::size_t at = i < 128 ? static_cast<std::size_t>(i) : random() % whole.size();
        CAPTURE(at);
        flip(log.files, "a.arc", at, static_cast<unsigned>(random() % 8));
        CHECK(problem() == ErrorCode::Corrupt);
        write_file(log.files, "a.arc", whole);
    }
    for (int i = 0; i < 20; ++i) {
        write_file(log.files, "a.arc", std::span{whole}.first(random() % whole.size()));
        CHECK(problem() == ErrorCode::Corrupt);
    }
    auto longer = whole;
    longer.push_back(std::byte{1});
    write_file(log.files, "a.arc", longer);
    CHECK(problem() == ErrorCode::Corrupt);
}

TEST_CASE("an archived segment of a later format is refused by its number, and an archive with one in it", "[recovery][archive]") {
    Log log;
    const std::string path = "archive/" + ecsdb::recovery::archived_segment_name(log.end.segment);
    REQUIRE(log.files.create_directory("archive"));
    REQUIRE(ecsdb::recovery::archive_segment(log.files, "log", log.end, log.files, path, allocator));
    auto later = contents_of(log.files, path);
    ecsdb::store_le<std::uint16_t>(later.data() + 12, ecsdb::recovery::archive_version + 1);
    const auto header = std::span<const std::byte>{later}.first(ecsdb::recovery::archive_header_size);
    ecsdb::store_le<std::uint32_t>(later.data() + 8, ecsdb::mask_crc(ecsdb::crc32c(header.subspan(12))));
    write_file(log.files, path, later);

    auto opened = ArchivedSegment::open(log.files, path, allocator);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == ErrorCode::Unsupported);
    CHECK(opened.error().message().find(path) != std::string::npos);
    CHECK(opened.error().message().find("archive format version 2; this build reads version 1") != std::string::npos);
    const auto listed = ecsdb::recovery::list_archive(log.files, "archive", allocator);
    REQUIRE_FALSE(listed);
    CHECK(listed.error().code() == ErrorCode::Unsupported);
}

TEST_CASE("a segment that is damaged or ends otherwise than said is not archived", "[recovery][archive][fault]") {
    Log log;
    const auto code = [&](const ecsdb::wal::LogPosition& end) {
        auto archived = ecsdb::recovery::archive_segment(log.files, "log", end, log.files, "a.arc", allocator);
        REQUIRE_FALSE(archived);
        CHECK_FALSE(*log.files.exists("a.arc"));
        return archived.error().code();
    };
    auto other = log.end;
    other.running_crc ^= 1U;
    CHECK(code(other) == ErrorCode::Corrupt);
    other = log.end;
    other.offset += 8;
    CHECK(code(other) == ErrorCode::Corrupt);
    flip(log.files, "log/0000000001.seg", 5000, 1);
    CHECK(code(log.end) == ErrorCode::Corrupt);
}

} // namespace archived_segment_test
