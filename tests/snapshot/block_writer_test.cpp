#include "ecsdb/snapshot/block_writer.hpp"

#include "ecsdb/snapshot/block_reader.hpp"
#include "snapshot/snapshot_fixture.hpp"

namespace ecsdb::test::block_writer_test {

using namespace snapshot;

namespace {

/// A file of `blocks` blocks of `bytes` bytes each; what it says it wrote.
Result<SnapshotInfo> write_blocks(FileSystem& files, Allocator& allocator, int level, std::size_t blocks, std::size_t bytes) {
    auto file = files.open("file", FileMode::CreateNew);
    if (!file) {
        return std::move(file).error();
    }
    BlockWriter writer{**file, allocator, level};
    writer.start({.identity = {}, .lsn = 9}, {});
    for (std::size_t number = 0; number < blocks; ++number) {
        ByteBuffer& out = writer.open({BlockKind::Rows, Codec::Raw, 1, 2, static_cast<std::uint32_t>(number), 4});
        if (std::byte* const room = out.extend(bytes)) {
            std::memset(room, static_cast<int>(number), bytes);
        }
        if (!writer.close()) {
            break;
        }
    }
    if (auto finished = writer.finish({.lsn = 9}); !finished) {
        return std::move(finished).error();
    }
    return SnapshotInfo{"file", 9, writer.offset(), writer.crc()};
}

} // namespace

TEST_CASE("the first failed write of blocks is what is reported, and nothing is written after it", "[snapshot]") {
    CountingAllocator allocator;
    SimulatedFileSystem below;
    FaultFileSystem files{below};
    files.inject({.operation = FileOperation::Write, .call = 2, .code = ErrorCode::NoSpace});
    const auto done = write_blocks(files, allocator, 0, 100, 100000);
    REQUIRE_FALSE(done);
    CHECK(done.error().code() == ErrorCode::NoSpace);
    CHECK(files.calls(FileOperation::Write) == 2);
}

TEST_CASE("refused memory fails the writing of blocks, whenever it comes", "[snapshot]") {
    for (std::uint64_t call = 0;; ++call) {
        CountingAllocator allocator;
        allocator.refuse_call = call;
        SimulatedFileSystem files;
        const auto done = write_blocks(files, allocator, 1, 5, 300000);
        if (done) {
            REQUIRE(call > 2);
            break;
        }
        CHECK(done.error().code() == ErrorCode::OutOfMemory);
    }
}

TEST_CASE("offset and checksum are those of the file", "[snapshot]") {
    CountingAllocator allocator;
    for (const int level : {0, 1}) {
        for (const std::size_t blocks : {0U, 1U, 3U, 12000U}) {
            SimulatedFileSystem files;
            const auto done = write_blocks(files, allocator, level, blocks, 150);
            REQUIRE(done);
            const auto bytes = bytes_in(files, "file");
            CHECK(bytes.size() == done->bytes);
            CHECK(crc32c(bytes) == done->crc);
            const auto checked = check_snapshot(files, "file", allocator);
            REQUIRE(checked);
            CHECK(checked->crc == done->crc);
            CHECK(checked->bytes == done->bytes);
            CHECK(checked->lsn == 9);
        }
    }
}

TEST_CASE("blocks that compress take less room", "[snapshot]") {
    CountingAllocator allocator;
    SimulatedFileSystem plain;
    SimulatedFileSystem packed;
    const auto large = write_blocks(plain, allocator, 0, 10, 50000);
    const auto small = write_blocks(packed, allocator, 3, 10, 50000);
    REQUIRE(large);
    REQUIRE(small);
    CHECK(large->bytes > 500000);
    CHECK(small->bytes < 5000);
}

} // namespace ecsdb::test::block_writer_test
