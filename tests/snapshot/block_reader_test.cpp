#include "ecsdb/snapshot/block_reader.hpp"

#include "snapshot/snapshot_fixture.hpp"

namespace ecsdb::test::block_reader_test {

using namespace snapshot;

namespace {

/// Small and large blocks, so that some lie across the ends of what is read ahead.
std::vector<std::byte> file_of_blocks(Allocator& allocator, int level, std::size_t blocks, std::size_t largest) {
    SimulatedFileSystem files;
    auto file = files.open("file", FileMode::CreateNew);
    REQUIRE(file);
    BlockWriter writer{**file, allocator, level};
    const std::string schema = "not looked at";
    const auto schema_bytes = std::as_bytes(std::span{schema});
    FileHeader header;
    header.lsn = 5;
    header.schema_size = static_cast<std::uint32_t>(schema.size());
    header.schema_crc = crc32c(schema_bytes);
    writer.start(header, schema_bytes);
    for (std::size_t number = 0; number < blocks; ++number) {
        ByteBuffer& out = writer.open({BlockKind::Rows, Codec::Raw, 1, 2, static_cast<std::uint32_t>(number), 4});
        const auto row = row_from(static_cast<std::uint32_t>(number * 7919 % (largest + 1)), number);
        out.append(row->data(), row->size());
        REQUIRE(writer.close());
    }
    REQUIRE(writer.finish({.lsn = 5}));
    return bytes_in(files, "file");
}

/// The error of reading it all, if any.
std::optional<Error> problem_with(std::span<const std::byte> bytes, Allocator& allocator) {
    SimulatedFileSystem files;
    put_file(files, "file", bytes);
    auto checked = check_snapshot(files, "file", allocator);
    return checked ? std::nullopt : std::optional{std::move(checked).error()};
}

} // namespace

TEST_CASE("a file of blocks cut short anywhere is corrupt", "[snapshot]") {
    CountingAllocator allocator;
    const auto whole = file_of_blocks(allocator, 0, 10, 100);
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
        const auto problem = problem_with(std::span{whole}.first(kept), allocator);
        CAPTURE(kept);
        REQUIRE(problem);
        REQUIRE(problem->code() == ErrorCode::Corrupt);
        REQUIRE(problem->message().find("file: ") == 0);
    }
}

TEST_CASE("a file of blocks with any bit flipped is corrupt", "[snapshot]") {
    CountingAllocator allocator;
    for (const int level : {0, 1}) {
        const auto whole = file_of_blocks(allocator, level, 8, 300);
        CHECK_FALSE(problem_with(whole, allocator));
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            auto damaged = whole;
            damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
            const auto problem = problem_with(damaged, allocator);
            CAPTURE(bit);
            REQUIRE(problem);
            REQUIRE(problem->code() == ErrorCode::Corrupt);
        }
    }
}

TEST_CASE("a block in another's place, or missing, is corrupt", "[snapshot]") {
    CountingAllocator allocator;
    const auto whole = file_of_blocks(allocator, 0, 4, 0);
    const std::size_t first = file_header_size + std::string{"not looked at"}.size();
    constexpr std::size_t size = block_header_size + checksum_size;
    auto swapped = whole;
    std::swap_ranges(swapped.data() + first, swapped.data() + first + size, swapped.data() + first + size);
    CHECK(problem_with(swapped, allocator)->message().find("block 0 at byte 141: its checksum differs") != std::string::npos);
    auto missing = whole;
    const auto second = missing.begin() + static_cast<std::ptrdiff_t>(first + size);
    missing.erase(second, second + static_cast<std::ptrdiff_t>(size));
    CHECK(problem_with(missing, allocator)->message().find("block 1 at byte 169: its checksum differs") != std::string::npos);
    // With all checksums made right again, the index still knows.
    reseal(missing);
    CHECK(problem_with(missing, allocator)->code() == ErrorCode::Corrupt);
    reseal(swapped);
    CHECK(problem_with(swapped, allocator)->code() == ErrorCode::Corrupt);
}

TEST_CASE("lengths are not believed, whatever the checksums say", "[snapshot]") {
    CountingAllocator allocator;
    const auto whole = file_of_blocks(allocator, 0, 3, 100);
    const std::size_t first = file_header_size + std::string{"not looked at"}.size();
    for (const std::size_t field : {16U, 20U}) { // raw size, stored size
        for (const std::uint32_t claim : {1U, 0xFFFFFFFFU, max_block_size, max_block_size + 1, 100000U}) {
            auto lying = whole;
            store_le<std::uint32_t>(lying.data() + first + field, claim);
            reseal(lying);
            const auto problem = problem_with(lying, allocator);
            CAPTURE(field, claim);
            REQUIRE(problem);
            CHECK(problem->code() == ErrorCode::Corrupt);
        }
    }
    // A compressed block that unpacks to something else, and a codec nobody knows.
    for (const unsigned codec : {1U, 2U, 3U}) {
        auto lying = whole;
        lying[first + block_header_size + checksum_size + 1] = static_cast<std::byte>(codec);
        reseal(lying);
        const auto problem = problem_with(lying, allocator);
        REQUIRE(problem);
        CHECK(problem->code() == (codec != 3 ? ErrorCode::Corrupt : ErrorCode::Unsupported));
    }
    auto schema = whole;
    store_le<std::uint32_t>(schema.data() + 72, 60U << 20U);
    store_le<std::uint32_t>(schema.data() + 8, mask_crc(crc32c(std::span{schema}.subspan(12, file_header_size - 12))));
    CHECK(problem_with(schema, allocator)->message().find("cut short") != std::string::npos);
}

TEST_CASE("blocks come back as they went, whatever lies across what is read ahead", "[snapshot]") {
    CountingAllocator allocator;
    for (const int level : {0, 1}) {
        const auto whole = file_of_blocks(allocator, level, 40, max_block_size);
        SimulatedFileSystem files;
        put_file(files, "file", whole);
        auto reader = BlockReader::open(files, "file", allocator);
        REQUIRE(reader);
        CHECK(reader->header().lsn == 5);
        CHECK(reader->path() == "file");
        CHECK(reader->file_size() == whole.size());
        CHECK(std::string{reinterpret_cast<const char*>(reader->schema().data()), reader->schema().size()} == "not looked at");
        BlockReader::Block block;
        for (std::uint32_t number = 0; number < 40; ++number) {
            const auto more = reader->next(block);
            REQUIRE(more);
            REQUIRE(*more);
            const auto row = row_from(number * 7919 % (max_block_size + 1), number);
            REQUIRE(block.number == number);
            REQUIRE(block.header.first == number);
            REQUIRE(std::string_view{reinterpret_cast<const char*>(block.content.data()), block.content.size()} == *row);
        }
        REQUIRE(*reader->next(block));
        CHECK(block.header.kind == BlockKind::Index);
        CHECK_FALSE(*reader->next(block));
        CHECK_FALSE(*reader->next(block));
        CHECK(reader->crc() == crc32c(whole));
        CHECK(reader->footer().blocks == 41);
    }
}

TEST_CASE("a read that fails is reported as such", "[snapshot]") {
    CountingAllocator allocator;
    SimulatedFileSystem below;
    put_file(below, "file", file_of_blocks(allocator, 0, 20, 100000));
    FaultFileSystem counter{below};
    REQUIRE(check_snapshot(counter, "file", allocator));
    for (std::uint64_t call = 1; call <= counter.calls(); ++call) {
        FaultFileSystem files{below};
        files.inject({.call = call});
        const auto checked = check_snapshot(files, "file", allocator);
        CAPTURE(call);
        REQUIRE_FALSE(checked);
        CHECK(checked.error().code() == ErrorCode::Io);
    }
    CHECK(check_snapshot(below, "absent", allocator).error().code() == ErrorCode::NotFound);
}

} // namespace ecsdb::test::block_reader_test
