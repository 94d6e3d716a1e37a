#include "ecsdb/wal/segment_writer.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "wal/log_fixture.hpp"

namespace segment_writer_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;

namespace {

SegmentHeader first_header() {
    SegmentHeader header;
    header.number = 1;
    header.first_lsn = 1;
    header.epoch = 1;
    header.salt = 99;
    return header;
}

SegmentOptions small() {
    return {8192, 0};
}

} // namespace

TEST_CASE("a segment has no name before its header is durable", "[wal]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory("log"));
    REQUIRE(files.sync_directory("."));
    files.record_history();
    auto writer = SegmentWriter::create(files, "log", first_header(), small());
    REQUIRE(writer);
    REQUIRE(writer->publish());
    for (std::size_t change = 0; change <= files.changes(); ++change) {
        for (const KeepPending keep : {KeepPending::None, KeepPending::All, KeepPending::Subset}) {
            for (std::uint64_t seed = 0; seed < 8; ++seed) {
                CrashPlan plan;
                plan.keep = keep;
                plan.seed = seed;
                plan.tear = 512;
                plan.garbage = true;
                const auto image = files.after_crash_at(change, plan);
                if (*image->exists(log_file(1))) {
                    const auto reader = SegmentReader::open(*image, log_file(1), system_allocator());
                    CAPTURE(change, seed);
                    REQUIRE(reader);
                    CHECK(reader->size() == 8192);
                }
            }
        }
    }
}

TEST_CASE("a segment that cannot be made reports why and leaves nothing in the way", "[wal]") {
    SimulatedFileSystem disk;
    REQUIRE(disk.create_directory("log"));
    disk.set_quota(6000);
    const auto refused = SegmentWriter::create(disk, "log", first_header(), small());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::NoSpace);
    CHECK_FALSE(*disk.exists("log/spare.tmp"));
    disk.set_quota(1 << 20);
    for (std::uint64_t call = 1; call <= 6; ++call) {
        FaultFileSystem files{disk};
        files.inject({std::nullopt, call, ErrorCode::Io, false, 100, false, {}});
        const auto writer = SegmentWriter::create(files, "log", first_header(), small());
        CHECK(writer.has_value() == (files.failures() == 0));
    }
    CHECK(SegmentWriter::create(disk, "log", first_header(), small()));
}

TEST_CASE("after a failed write a segment is never written or synced again", "[wal]") {
    SimulatedFileSystem disk;
    REQUIRE(disk.create_directory("log"));
    FaultFileSystem files{disk};
    auto writer = SegmentWriter::create(files, "log", first_header(), small());
    REQUIRE(writer);
    REQUIRE(writer->publish());
    files.inject({FileOperation::Write, 1, ErrorCode::Io, false, 17, false, {}});
    const Bytes frame(64, std::byte{1});
    const auto failed = writer->write(frame);
    REQUIRE_FALSE(failed);
    const auto writes = files.calls(FileOperation::Write);
    const auto syncs = files.calls(FileOperation::Sync);
    const auto again = writer->write(frame);
    REQUIRE_FALSE(again);
    CHECK(again.error().message() == failed.error().message());
    CHECK_FALSE(writer->sync());
    CHECK(files.calls(FileOperation::Write) == writes);
    CHECK(files.calls(FileOperation::Sync) == syncs);
    CHECK(writer->offset() == segment_header_size);
}

TEST_CASE("a failed sync is not tried again", "[wal]") {
    SimulatedFileSystem disk;
    REQUIRE(disk.create_directory("log"));
    FaultFileSystem files{disk};
    auto writer = SegmentWriter::create(files, "log", first_header(), small());
    REQUIRE(writer);
    REQUIRE(writer->publish());
    REQUIRE(writer->write(Bytes(64)));
    files.inject({FileOperation::Sync, 1, ErrorCode::Io, false, 0, false, {}});
    REQUIRE_FALSE(writer->sync());
    const auto syncs = files.calls(FileOperation::Sync);
    CHECK_FALSE(writer->sync());
    CHECK_FALSE(writer->write(Bytes(64)));
    CHECK(files.calls(FileOperation::Sync) == syncs);
}

TEST_CASE("an old segment's file is used again, and says so", "[wal]") {
    SimulatedFileSystem files;
    REQUIRE(files.create_directory("log"));
    replace(files, "log/spare.tmp", Bytes(8192, std::byte{0xAB}));
    auto writer = SegmentWriter::create(files, "log", first_header(), small());
    REQUIRE(writer);
    REQUIRE(writer->publish());
    CHECK_FALSE(*files.exists("log/spare.tmp"));
    const auto reader = SegmentReader::open(files, log_file(1), system_allocator());
    REQUIRE(reader);
    CHECK(reader->header().flags == segment_flag_reused);
    CHECK(contents(files, log_file(1))[5000] == std::byte{0xAB});
}

TEST_CASE("zeros are written ahead of the frames, up to the segment's end", "[wal]") {
    SimulatedFileSystem disk;
    REQUIRE(disk.create_directory("log"));
    FaultFileSystem files{disk};
    auto writer = SegmentWriter::create(files, "log", first_header(), {std::uint64_t{64} << 10U, std::uint64_t{40} << 10U});
    REQUIRE(writer);
    files.record_trace(true);
    const Bytes frame(1000, std::byte{7});
    for (int count = 0; count < 61; ++count) {
        REQUIRE(writer->write(frame));
    }
    std::uint64_t zeroed = 0;
    std::uint64_t end = 0;
    for (const FileCall& call : files.trace()) {
        const bool zeros = call.bytes.front() == std::byte{0};
        zeroed += zeros ? call.bytes.size() : 0;
        end = std::max(end, call.offset + call.bytes.size());
        if (!zeros) {
            CHECK(call.bytes == frame);
        }
    }
    CHECK(end == std::uint64_t{64} << 10U);
    CHECK(zeroed <= std::uint64_t{61} << 10U);
    CHECK(files.trace().size() < 70);
    CHECK(writer->remaining() == (std::uint64_t{64} << 10U) - segment_header_size - 61000);
}

} // namespace segment_writer_test
