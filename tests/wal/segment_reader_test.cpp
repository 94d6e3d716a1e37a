#include "ecsdb/wal/segment_reader.hpp"

#include "ecsdb/io/fault_file_system.hpp"
#include "wal/log_fixture.hpp"

namespace segment_reader_test {

using namespace ecsdb;
using namespace ecsdb::test;
using namespace ecsdb::wal;

namespace {

Result<SegmentReader> open_first(FileSystem& files) {
    return SegmentReader::open(files, log_file(1), system_allocator());
}

/// Remembers the largest piece it was asked for.
struct CountingAllocator final : Allocator {
    std::size_t largest = 0;
    bool refuse = false;
    void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        largest = std::max(largest, bytes);
        return refuse ? nullptr : system_allocator().allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        system_allocator().deallocate(memory, bytes, alignment);
    }
};

} // namespace

TEST_CASE("a segment shorter than its header is corrupt", "[wal]") {
    SimulatedFileSystem files;
    write_log(files, 1);
    const Bytes whole = contents(files, log_file(1));
    for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, segment_header_size - 1}) {
        replace(files, log_file(1), std::span{whole}.first(kept));
        const auto reader = open_first(files);
        REQUIRE_FALSE(reader);
        CHECK(reader.error().code() == ErrorCode::Corrupt);
        CHECK(reader.error().message().find("0000000001.seg") != std::string::npos);
    }
    REQUIRE(files.remove(log_file(1)));
    const auto missing = open_first(files);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code() == ErrorCode::NotFound);
}

TEST_CASE("a failed read is an error, not a missing frame", "[wal]") {
    SimulatedFileSystem disk;
    write_log(disk, 3);
    for (std::uint64_t call = 1; call <= 2; ++call) {
        FaultFileSystem files{disk};
        files.inject({FileOperation::Read, call, ErrorCode::Io, true, 0, false, {}});
        auto reader = open_first(files);
        const Error error = reader ? reader->frame_at(segment_header_size, reader->size()).error().clone() : std::move(reader).error();
        CHECK(error.code() == ErrorCode::Io);
    }
}

TEST_CASE("a frame is found only where all of it lies before the limit", "[wal]") {
    SimulatedFileSystem files;
    write_log(files, 2);
    const auto offsets = frame_offsets(files, 1);
    REQUIRE(offsets.size() == 3);
    auto reader = open_first(files);
    REQUIRE(reader);
    CHECK_FALSE(reader->frame_at(offsets[0], offsets[1] - 1).value_or(std::nullopt));
    CHECK_FALSE(reader->frame_at(offsets[0] + 8, reader->size()).value_or(std::nullopt));
    CHECK_FALSE(reader->frame_at(reader->size() + 8, ~std::uint64_t{0}).value_or(std::nullopt));
    const auto frame = reader->frame_at(offsets[0], offsets[1]);
    REQUIRE(frame);
    REQUIRE(*frame);
    CHECK((*frame)->header.lsn == 1);
    CHECK((*frame)->size == offsets[1] - offsets[0]);
}

TEST_CASE("a length nobody vouches for takes no memory", "[wal]") {
    SimulatedFileSystem files;
    write_log(files, 1);
    Bytes bytes = contents(files, log_file(1));
    bytes.resize(std::size_t{20} << 20U);
    const auto try_length = [&](std::uint32_t length, std::uint32_t epoch) {
        store_le<std::uint32_t>(bytes.data() + segment_header_size, length);
        store_le<std::uint32_t>(bytes.data() + segment_header_size + 32, epoch);
        replace(files, log_file(1), bytes);
        CountingAllocator allocator;
        auto reader = SegmentReader::open(files, log_file(1), allocator);
        REQUIRE(reader);
        const auto frame = reader->frame_at(segment_header_size, reader->size());
        REQUIRE(frame);
        CHECK_FALSE(*frame);
        return allocator.largest;
    };
    CHECK(try_length(~0U, 1) < 1U << 20U);
    CHECK(try_length(max_payload_size + 1, 1) < 1U << 20U);
    CHECK(try_length(max_payload_size, 2) < 1U << 20U);
    CHECK(try_length(max_payload_size, 1) <= max_frame_size);
}

TEST_CASE("without memory a segment cannot be read, which is no damage", "[wal]") {
    SimulatedFileSystem files;
    write_log(files, 1);
    CountingAllocator allocator;
    auto reader = SegmentReader::open(files, log_file(1), allocator);
    REQUIRE(reader);
    allocator.refuse = true;
    const auto frame = reader->frame_at(segment_header_size, reader->size());
    REQUIRE_FALSE(frame);
    CHECK(frame.error().code() == ErrorCode::OutOfMemory);
}

TEST_CASE("behind a hole, whole frames are found and what they bear witness to", "[wal]") {
    SimulatedFileSystem files;
    {
        LogWriter log = open_log(files);
        append(log, 1, 3);
        REQUIRE(log.sync());
        append(log, 4, 4);
        append(log, 5, 9);
    }
    const auto offsets = frame_offsets(files, 1);
    auto reader = open_first(files);
    REQUIRE(reader);
    const auto after_first = reader->look_behind(offsets[1] + 8, 3);
    REQUIRE(after_first);
    CHECK(after_first->valid_frames);
    CHECK(after_first->last_lsn == 9);
    CHECK(after_first->prev_durable == 3);
    CHECK_FALSE(after_first->after_sync);
    CHECK(after_first->end == offsets[3]);
    const auto from_second = reader->look_behind(offsets[0] + 8, 0);
    REQUIRE(from_second);
    CHECK(from_second->after_sync);
    const auto after_last = reader->look_behind(offsets[3], 9);
    REQUIRE(after_last);
    CHECK_FALSE(after_last->valid_frames);
    CHECK(after_last->end == offsets[3]);
    const auto too_old = reader->look_behind(offsets[0] + 8, 10);
    REQUIRE(too_old);
    CHECK_FALSE(too_old->valid_frames);
}

TEST_CASE("the search behind a hole sees the last byte of a file of any size", "[wal]") {
    SimulatedFileSystem files;
    write_log(files, 1);
    const Bytes whole = contents(files, log_file(1));
    const std::uint64_t end = frame_offsets(files, 1).back();
    for (std::size_t size = static_cast<std::size_t>(end); size < end + 60; ++size) {
        Bytes bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(end));
        bytes.resize(size);
        replace(files, log_file(1), bytes);
        auto reader = open_first(files);
        REQUIRE(reader);
        CHECK(reader->look_behind(end, 1)->end == end);
        if (size > end) {
            bytes.back() = std::byte{1};
            replace(files, log_file(1), bytes);
            auto changed = open_first(files);
            REQUIRE(changed);
            const std::uint64_t found = changed->look_behind(end, 1)->end;
            CHECK((found == size || found == (size + 7) / 8 * 8));
        }
    }
}

TEST_CASE("bytes made to look like frames do not hold the search up for ever", "[wal]") {
    SimulatedFileSystem files;
    write_log(files, 1);
    Bytes bytes = contents(files, log_file(1));
    const std::uint64_t end = frame_offsets(files, 1).back();
    bytes.resize(std::size_t{8} << 20U);
    // Every 40 bytes a header that claims half the file: 200,000 checksums over 4 MiB each, were they all tried.
    for (std::size_t at = static_cast<std::size_t>(end); at + 40 <= bytes.size(); at += 40) {
        store_le<std::uint32_t>(bytes.data() + at, 4U << 20U);
        store_le<std::uint64_t>(bytes.data() + at + 8, 2);
        store_le<std::uint32_t>(bytes.data() + at + 32, 1);
        store_le<std::uint16_t>(bytes.data() + at + 36, 1);
    }
    replace(files, log_file(1), bytes);
    auto reader = open_first(files);
    REQUIRE(reader);
    const auto rest = reader->look_behind(end, 1);
    REQUIRE(rest);
    CHECK(rest->undecided);
}

} // namespace segment_reader_test
