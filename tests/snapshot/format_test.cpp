#include "ecsdb/snapshot/format.hpp"

#include "support/catch.hpp"

namespace ecsdb::test::format_test {

using namespace snapshot;

namespace {

FileHeader some_header() {
    FileHeader header;
    header.identity.database.fill(std::byte{0xAB});
    header.identity.epoch = 7;
    header.identity.shard = Entity::max_shard;
    header.identity.next_fresh = std::uint64_t{1} << 32U;
    header.lsn = 0x0102030405060708;
    header.time_ns = 42;
    header.schema_hash = 99;
    header.schema_size = max_schema_size;
    header.schema_crc = 0xCAFEF00D;
    return header;
}

} // namespace

TEST_CASE("a file header with any bit flipped is refused", "[snapshot]") {
    const auto bytes = encode_file_header(some_header());
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto damaged = bytes;
        damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        const auto decoded = decode_file_header(damaged);
        CAPTURE(bit);
        REQUIRE_FALSE(decoded);
        REQUIRE(decoded.error().code() == ErrorCode::Corrupt);
    }
}

TEST_CASE("a file header of a newer release is told from a damaged one", "[snapshot]") {
    auto bytes = encode_file_header(some_header());
    store_le<std::uint16_t>(bytes.data() + 12, incremental_format_version + 1);
    store_le<std::uint32_t>(bytes.data() + 8, mask_crc(crc32c(std::span{bytes}.subspan(12))));
    const auto decoded = decode_file_header(bytes);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code() == ErrorCode::Unsupported);
}

TEST_CASE("a file header that names what cannot be is refused", "[snapshot]") {
    for (int wrong = 0; wrong < 3; ++wrong) {
        FileHeader header = some_header();
        header.identity.shard += wrong == 0 ? 1U : 0U;
        header.identity.next_fresh += wrong == 1 ? 1U : 0U;
        header.schema_size += wrong == 2 ? 1U : 0U;
        const auto decoded = decode_file_header(encode_file_header(header));
        REQUIRE_FALSE(decoded);
        CHECK(decoded.error().code() == ErrorCode::Corrupt);
    }
}

TEST_CASE("headers and footers come back as they went", "[snapshot]") {
    const auto header = decode_file_header(encode_file_header(some_header()));
    REQUIRE(header);
    CHECK(*header == some_header());

    std::array<std::byte, block_header_size> bytes{};
    store_block_header(bytes.data(), {BlockKind::Rows, Codec::Zstd, 3, 5, 7, 11, 13, 17});
    const BlockHeader block = load_block_header(bytes.data());
    CHECK(block.kind == BlockKind::Rows);
    CHECK(block.codec == Codec::Zstd);
    CHECK(std::vector<std::uint32_t>{block.table, block.archetype, block.first, block.rows, block.raw_size, block.stored_size} ==
          std::vector<std::uint32_t>{3, 5, 7, 11, 13, 17});

    const Footer footer{1, 2, 3, 4, 5, 6};
    const auto decoded = decode_footer(encode_footer(footer));
    REQUIRE(decoded);
    CHECK(*decoded == footer);
    CHECK_FALSE(decode_footer(std::array<std::byte, footer_size>{}));
}

TEST_CASE("transient and dropped tables are not saved", "[snapshot]") {
    Table table;
    CHECK(is_saved(table));
    table.persist = Persist::Snapshot;
    CHECK(is_saved(table));
    table.persist = Persist::Transient;
    CHECK_FALSE(is_saved(table));
    table.persist = Persist::Wal;
    table.dropped = true;
    CHECK_FALSE(is_saved(table));
}

} // namespace ecsdb::test::format_test
