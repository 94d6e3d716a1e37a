#include "ecsdb/wal/format.hpp"

#include "support/catch.hpp"

#include <array>
#include <vector>

namespace format_test {

using namespace ecsdb;
using namespace ecsdb::wal;

namespace {

using Block = std::array<std::byte, segment_header_size>;

SegmentHeader some_header() {
    SegmentHeader header;
    header.database[3] = std::byte{7};
    header.boot[5] = std::byte{9};
    header.number = 12;
    header.first_lsn = 101;
    header.salt = 0x0123456789ABCDEF;
    header.previous = {11, 8192, 100, 0xDEADBEEF, 3};
    header.durable_lsn = 100;
    header.schema_hash = 42;
    header.created = 1'700'000'000'000'000;
    header.epoch = 4;
    return header;
}

Block encoded(const SegmentHeader& header) {
    Block block;
    encode_segment_header(header, block);
    return block;
}

} // namespace

TEST_CASE("a segment header with any bit flipped is refused", "[wal]") {
    const Block whole = encoded(some_header());
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        Block block = whole;
        block[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        const auto header = decode_segment_header(block);
        if (header || header.error().code() != ErrorCode::Corrupt) {
            FAIL("bit " << bit << " was not noticed");
        }
    }
    CHECK(decode_segment_header(whole));
}

TEST_CASE("a segment header that contradicts itself is refused although its checksum is right", "[wal]") {
    const auto broken = [](auto change) {
        SegmentHeader header = some_header();
        change(header);
        const auto decoded = decode_segment_header(encoded(header));
        return !decoded && decoded.error().code() == ErrorCode::Corrupt;
    };
    CHECK(broken([](SegmentHeader& header) { header.number = 0; }));
    CHECK(broken([](SegmentHeader& header) { header.previous.segment = 12; }));
    CHECK(broken([](SegmentHeader& header) { header.previous.epoch = 5; }));
    CHECK(broken([](SegmentHeader& header) { header.first_lsn = 102; }));
    CHECK(broken([](SegmentHeader& header) { header.previous.offset = 8; }));
    CHECK(broken([](SegmentHeader& header) { header.previous.offset = 8193; }));
    CHECK(broken([](SegmentHeader& header) { header.durable_lsn = 101; }));
    CHECK(broken([](SegmentHeader& header) {
        header.first_lsn = 0;
        header.previous.lsn = ~std::uint64_t{0};
    }));
}

TEST_CASE("a segment of a newer format is unsupported, not corrupt", "[wal]") {
    Block block = encoded(some_header());
    store_le<std::uint16_t>(block.data() + 12, format_version + 1);
    store_le<std::uint32_t>(block.data() + 8, mask_crc(crc32c(std::span{block}.subspan<12>())));
    const auto header = decode_segment_header(block);
    REQUIRE_FALSE(header);
    CHECK(header.error().code() == ErrorCode::Unsupported);
}

TEST_CASE("a segment header comes back as it was written", "[wal]") {
    const auto header = decode_segment_header(encoded(some_header()));
    REQUIRE(header);
    CHECK(encoded(*header) == encoded(some_header()));
    CHECK(header->previous == some_header().previous);
    CHECK(header->salt == some_header().salt);
    CHECK(header->created == some_header().created);
}

TEST_CASE("a segment header lies on disk as the format document says", "[wal]") {
    const Block block = encoded(some_header());
    CHECK(std::string(reinterpret_cast<const char*>(block.data()), 8) == "ECSDBLOG");
    CHECK(load_le<std::uint16_t>(block.data() + 12) == 1);
    CHECK(block[16 + 3] == std::byte{7});
    CHECK(load_le<std::uint32_t>(block.data() + 32) == 4);
    CHECK(load_le<std::uint64_t>(block.data() + 40) == 12);
    CHECK(load_le<std::uint64_t>(block.data() + 48) == 101);
    CHECK(load_le<std::uint64_t>(block.data() + 56) == 0x0123456789ABCDEF);
    CHECK(load_le<std::uint64_t>(block.data() + 64) == 11);
    CHECK(load_le<std::uint64_t>(block.data() + 72) == 8192);
    CHECK(load_le<std::uint64_t>(block.data() + 80) == 100);
    CHECK(load_le<std::uint32_t>(block.data() + 88) == 0xDEADBEEF);
    CHECK(load_le<std::uint32_t>(block.data() + 92) == 3);
    CHECK(load_le<std::uint64_t>(block.data() + 96) == 100);
    CHECK(block[104 + 5] == std::byte{9});
    CHECK(load_le<std::uint64_t>(block.data() + 120) == 42);
    CHECK(load_le<std::uint64_t>(block.data() + 128) == 1'700'000'000'000'000);
}

TEST_CASE("only a segment's own name is taken for one", "[wal]") {
    for (const char* name : {"", ".seg", "1.seg", "0000000000.seg", "00000000001.seg", "000000001.seg", "0000000001.SEG", "000000000a.seg",
                             "0000000001.seg.tmp", "spare.tmp", "99999999999999999999.seg", "-000000001.seg"}) {
        CAPTURE(name);
        CHECK_FALSE(parse_segment_file_name(name));
    }
    CHECK(segment_file_name(7) == "0000000007.seg");
    for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{9'999'999'999}, std::uint64_t{10'000'000'000}}) {
        CHECK(parse_segment_file_name(segment_file_name(number)) == number);
    }
}

} // namespace format_test
