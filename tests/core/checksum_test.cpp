#include "ecsdb/core/checksum.hpp"

#include "support/catch.hpp"

#include <set>
#include <string_view>
#include <vector>

namespace checksum_test {

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span{text});
}

std::vector<std::byte> noise(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t at = 0; at < size; ++at) {
        bytes[at] = static_cast<std::byte>(ecsdb::mix64(at));
    }
    return bytes;
}

/// CRC32C one bit at a time, straight from its definition.
std::uint32_t crc32c_by_bits(std::span<const std::byte> bytes) {
    std::uint32_t crc = ~0U;
    for (const std::byte byte : bytes) {
        crc ^= static_cast<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
        }
    }
    return ~crc;
}

} // namespace

TEST_CASE("CRC32C gives the published values", "[core][checksum]") {
    CHECK(ecsdb::crc32c({}) == 0);
    CHECK(ecsdb::crc32c(bytes_of("123456789")) == 0xE3069283U);
    // RFC 3720, B.4
    std::vector<std::byte> block(32);
    CHECK(ecsdb::crc32c(block) == 0x8A9136AAU);
    block.assign(32, std::byte{0xFF});
    CHECK(ecsdb::crc32c(block) == 0x62A8AB43U);
    for (std::size_t at = 0; at < 32; ++at) {
        block[at] = static_cast<std::byte>(at);
    }
    CHECK(ecsdb::crc32c(block) == 0x46DD794EU);
}

TEST_CASE("CRC32C is the same by instruction, by tables and by bits, at every length and alignment", "[core][checksum]") {
    const auto bytes = noise(3 * 3 * 2048 + 64);
    for (std::size_t start = 0; start < 9; ++start) {
        for (std::size_t size = 0; size + start < bytes.size(); size += size < 900 ? 1 : 331) {
            const auto part = std::span{bytes}.subspan(start, size);
            const std::uint32_t by_tables = ~ecsdb::detail::crc_by_tables(ecsdb::detail::crc32c_tables, ~0U, part.data(), part.size());
            if (by_tables != ecsdb::crc32c(part) || (start == 0 && by_tables != crc32c_by_bits(part))) {
                CAPTURE(start, size);
                FAIL("the ways to compute it differ");
            }
        }
    }
    const auto block = std::span{bytes}.first(3 * 2048);
    CHECK(ecsdb::crc32c(block) == crc32c_by_bits(block));
}

TEST_CASE("CRC-64 is the same by multiplication and by tables, at every length and alignment", "[core][checksum]") {
    const auto bytes = noise(2000);
    for (std::size_t start = 0; start < 17; ++start) {
        for (std::size_t size = 0; size + start < bytes.size(); size += size < 300 ? 1 : 97) {
            const auto part = std::span{bytes}.subspan(start, size);
            const std::uint64_t by_tables =
                ~ecsdb::detail::crc_by_tables(ecsdb::detail::crc64_tables, ~std::uint64_t{0}, part.data(), size);
            if (by_tables != ecsdb::crc64_xz(part)) {
                CAPTURE(start, size);
                FAIL("the ways to compute it differ");
            }
        }
    }
}

TEST_CASE("checksums continue where another stopped", "[core][checksum]") {
    const auto bytes = noise(7000);
    const auto all = std::span{bytes};
    for (std::size_t cut = 0; cut <= all.size(); cut += 97) {
        CAPTURE(cut);
        CHECK(ecsdb::crc32c(all.subspan(cut), ecsdb::crc32c(all.first(cut))) == ecsdb::crc32c(all));
        CHECK(ecsdb::crc64_xz(all.subspan(cut), ecsdb::crc64_xz(all.first(cut))) == ecsdb::crc64_xz(all));
    }
    CHECK(ecsdb::crc32c(all, 1) != ecsdb::crc32c(all, 2));
}

TEST_CASE("every flipped bit changes the checksum", "[core][checksum]") {
    auto bytes = noise(100);
    const std::uint32_t whole = ecsdb::crc32c(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
        CHECK(ecsdb::crc32c(bytes) != whole);
        bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    }
}

TEST_CASE("masking a checksum can be undone and moves it", "[core][checksum]") {
    static_assert(ecsdb::unmask_crc(ecsdb::mask_crc(0xE3069283U)) == 0xE3069283U);
    for (const std::uint32_t crc : {0U, 1U, 0xFFFFFFFFU, 0xE3069283U, 0x80000000U}) {
        CAPTURE(crc);
        CHECK(ecsdb::mask_crc(crc) != crc);
        CHECK(ecsdb::mask_crc(ecsdb::mask_crc(crc)) != crc);
        CHECK(ecsdb::unmask_crc(ecsdb::mask_crc(crc)) == crc);
    }
    CHECK(ecsdb::mask_crc(0) == 0xA282EAD8U);
}

TEST_CASE("CRC-64/XZ gives the published value", "[core][checksum]") {
    CHECK(ecsdb::crc64_xz({}) == 0);
    CHECK(ecsdb::crc64_xz(bytes_of("123456789")) == 0x995DC9BBDF1939FAULL);
}

TEST_CASE("128-bit FNV-1a gives the published values", "[core][checksum]") {
    CHECK(ecsdb::fnv1a_128("") == ecsdb::Hash128{0x6C62272E07BB0142ULL, 0x62B821756295C58DULL});
    CHECK(ecsdb::fnv1a_128("a") == ecsdb::Hash128{0xD228CB696F1A8CAFULL, 0x78912B704E4A8964ULL});
    CHECK(ecsdb::fnv1a_128("foobar") == ecsdb::Hash128{0x343E1662793C64BFULL, 0x6F0D3597BA446F18ULL});
    static_assert(ecsdb::fnv1a_128("ab") != ecsdb::fnv1a_128("ba"));
}

TEST_CASE("the fast hash gives the published values", "[core][checksum]") {
    const std::pair<std::string_view, std::uint64_t> published[] = {
        {"", 0x93228A4DE0EEC5A2ULL},
        {"a", 0xC5BAC3DB178713C4ULL},
        {"abc", 0xA97F2F7B1D9B3314ULL},
        {"message digest", 0x786D1F1DF3801DF4ULL},
        {"abcdefghijklmnopqrstuvwxyz", 0xDCA5A8138AD37C87ULL},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0xB9E734F117CFAF70ULL},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890", 0x6CC5EAB49A92D617ULL},
    };
    std::uint64_t seed = 0;
    for (const auto& [text, hash] : published) {
        CAPTURE(text);
        CHECK(ecsdb::hash64(bytes_of(text), seed++) == hash);
    }
}

TEST_CASE("the fast hash tells lengths, seeds and single bits apart", "[core][checksum]") {
    auto bytes = noise(200);
    std::set<std::uint64_t> seen;
    std::size_t inserted = 0;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        seen.insert(ecsdb::hash64(std::span{bytes}.first(size)));
        seen.insert(ecsdb::hash64(std::span{bytes}.first(size), 1));
        inserted += 2;
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit, ++inserted) {
        bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
        seen.insert(ecsdb::hash64(bytes));
        bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    }
    CHECK(seen.size() == inserted);
}

TEST_CASE("mixing a number spreads every bit of it", "[core][checksum]") {
    static_assert(ecsdb::mix64(0) == 0);
    // The first output of SplitMix64 seeded with 0.
    CHECK(ecsdb::mix64(0x9E3779B97F4A7C15ULL) == 0xE220A8397B1DCDAFULL);
    for (unsigned bit = 0; bit < 64; ++bit) {
        int changed = 0;
        for (std::uint64_t value = 1; value <= 64; ++value) {
            changed += std::popcount(ecsdb::mix64(value) ^ ecsdb::mix64(value ^ (std::uint64_t{1} << bit)));
        }
        CAPTURE(bit, changed);
        CHECK(changed > 64 * 28);
        CHECK(changed < 64 * 36);
    }
}

} // namespace checksum_test
