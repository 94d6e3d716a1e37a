#include "ecsdb/wal/segment_chain.hpp"

#include "wal/log_fixture.hpp"

namespace segment_chain_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;
using Catch::Contains;

namespace {

SegmentChain chain_of(FileSystem& files, const LogReadOptions& options = read_options()) {
    auto chain = find_segments(files, log_directory, options, system_allocator());
    INFO((chain ? "" : chain.error().to_string()));
    REQUIRE(chain);
    return std::move(*chain);
}

std::vector<std::uint64_t> numbers(const SegmentChain& chain) {
    std::vector<std::uint64_t> found;
    for (const SegmentHeader& segment : chain.segments) {
        found.push_back(segment.number);
    }
    return found;
}

using Numbers = std::vector<std::uint64_t>;

/// Segments 1 to 5 of one transaction each.
void write_five(FileSystem& files) {
    LogWriter log = open_log(files);
    for (std::uint64_t lsn = 1; lsn <= 5; ++lsn) {
        append(log, lsn, lsn);
        if (lsn < 5) {
            REQUIRE(log.rotate());
        }
    }
}

} // namespace

TEST_CASE("a missing directory is an error, an empty one an empty log", "[wal]") {
    SimulatedFileSystem files;
    const auto missing = find_segments(files, log_directory, read_options(), system_allocator());
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code() == ErrorCode::NotFound);
    REQUIRE(files.create_directory(log_directory));
    const SegmentChain chain = chain_of(files);
    CHECK(chain.segments.empty());
    CHECK(chain.broken.empty());
    CHECK(chain.next_segment == 1);
}

TEST_CASE("a segment of a newer release stops everything", "[wal]") {
    SimulatedFileSystem files;
    write_five(files);
    Bytes bytes = contents(files, log_file(2));
    store_le<std::uint16_t>(bytes.data() + 12, format_version + 1);
    store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12, segment_header_size - 12))));
    replace(files, log_file(2), bytes);
    const auto chain = find_segments(files, log_directory, read_options(), system_allocator());
    REQUIRE_FALSE(chain);
    CHECK(chain.error().code() == ErrorCode::Unsupported);
}

TEST_CASE("a chain broken anywhere gives what lies before the break and knows what lay behind it", "[wal]") {
    SimulatedFileSystem original;
    write_five(original);
    for (std::uint64_t number = 1; number <= 5; ++number) {
        for (const bool damaged : {true, false}) {
            CAPTURE(number, damaged);
            const auto files = rebooted(original);
            if (damaged) {
                flip_bit(*files, log_file(number), 800);
            } else {
                REQUIRE(files->remove(log_file(number)));
            }
            LogReadOptions options = read_options();
            options.newest_segment = 5;
            options.newest_epoch = 1;
            const SegmentChain chain = chain_of(*files, options);
            CHECK_THAT(chain.broken, Contains(segment_file_name(number)));
            CHECK(chain.next_segment == 6);
            Numbers before;
            for (std::uint64_t earlier = 1; earlier < number; ++earlier) {
                before.push_back(earlier);
            }
            if (number > 1) {
                CHECK(numbers(chain) == before);
            }
            CHECK(chain.known_lsn == (number < 5 ? 4 : 3));
        }
    }
}

TEST_CASE("segments older than the first needed are not asked for", "[wal]") {
    SimulatedFileSystem files;
    write_five(files);
    LogReadOptions options = read_options();
    options.first_needed_segment = 3;
    flip_bit(files, log_file(1), 800);
    REQUIRE(files.remove(log_file(2)));
    const SegmentChain chain = chain_of(files, options);
    CHECK(chain.broken.empty());
    CHECK(numbers(chain) == Numbers{3, 4, 5});
}

TEST_CASE("remains of a history that was given up are left out", "[wal]") {
    SimulatedFileSystem files;
    write_five(files);
    LogStart start;
    start.previous = chain_of(files).segments[2].previous; // behind segment 2
    start.next_segment = 6;
    { LogWriter log = open_log(files, log_options(16384, 2), start); }
    flip_bit(files, log_file(4), 800); // nobody needs it any more
    const SegmentChain chain = chain_of(files);
    CHECK(chain.broken.empty());
    CHECK(numbers(chain) == Numbers{1, 2, 6});
    CHECK(chain.max_epoch == 2);
    CHECK(chain.next_segment == 7);
}

} // namespace segment_chain_test
