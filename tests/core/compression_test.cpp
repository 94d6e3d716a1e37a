#include "ecsdb/core/compression.hpp"

#include "ecsdb/core/checksum.hpp"
#include "support/catch.hpp"

#include <vector>

namespace compression_test {

namespace {

class NoMemory final : public ecsdb::Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
    void deallocate(void*, std::size_t, std::size_t) noexcept override {}
};

/// Compressible, as columns are.
std::vector<std::byte> column(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t at = 0; at < size; ++at) {
        bytes[at] = static_cast<std::byte>(at % 16 < 12 ? at / 4096 : ecsdb::mix64(at) % 4);
    }
    return bytes;
}

} // namespace

TEST_CASE("packed bytes that were cut or flipped never unpack to something else unnoticed", "[core][compression]") {
    ecsdb::SystemAllocator allocator;
    ecsdb::ByteBuffer packed{allocator};
    const auto original = column(3000);
    REQUIRE(ecsdb::compress(original, packed, 1));

    for (std::size_t kept = 0; kept < packed.size(); ++kept) {
        CAPTURE(kept);
        std::vector<std::byte> out(original.size());
        const auto unpacked = ecsdb::decompress(packed.view().first(kept), out);
        REQUIRE_FALSE(unpacked);
        CHECK(unpacked.error().code() == ecsdb::ErrorCode::Corrupt);
    }
    // Flips may go unnoticed here (the frame's checksum is the caller's), but never leave `out`: the sanitizers watch.
    std::vector<std::byte> flipped{packed.view().begin(), packed.view().end()};
    std::size_t refused = 0;
    for (std::byte& byte : flipped) {
        byte ^= std::byte{0x55};
        std::vector<std::byte> out(original.size());
        const auto unpacked = ecsdb::decompress(flipped, out);
        refused += unpacked ? 0U : 1U;
        CHECK((unpacked || unpacked.error().code() == ecsdb::ErrorCode::Corrupt));
        byte ^= std::byte{0x55};
    }
    CHECK(refused > 0);
}

TEST_CASE("unpacking into the wrong size is corruption", "[core][compression]") {
    ecsdb::SystemAllocator allocator;
    ecsdb::ByteBuffer packed{allocator};
    REQUIRE(ecsdb::compress(column(1000), packed, 1));
    for (const std::size_t size : {0U, 1U, 999U, 1001U, 100'000U}) {
        CAPTURE(size);
        std::vector<std::byte> out(size);
        const auto unpacked = ecsdb::decompress(packed.view(), out);
        REQUIRE_FALSE(unpacked);
        CHECK(unpacked.error().code() == ecsdb::ErrorCode::Corrupt);
        CHECK(unpacked.error().message().find(std::to_string(size)) != std::string::npos);
    }
}

TEST_CASE("compressing without memory says so and leaves the buffer as it was", "[core][compression]") {
    NoMemory none;
    ecsdb::ByteBuffer packed{none};
    const auto compressed = ecsdb::compress(column(1000), packed, 1);
    REQUIRE_FALSE(compressed);
    CHECK(compressed.error().code() == ecsdb::ErrorCode::OutOfMemory);
    CHECK(packed.size() == 0);
}

TEST_CASE("packed bytes come back whole, appended to what was there", "[core][compression]") {
    ecsdb::SystemAllocator allocator;
    for (const std::size_t size : {0U, 1U, 100U, 65'536U, 300'000U}) {
        for (const int level : {-1, 1, 3}) {
            CAPTURE(size, level);
            const auto original = column(size);
            ecsdb::ByteBuffer packed{allocator};
            packed.append("head", 4);
            REQUIRE(ecsdb::compress(original, packed, level));
            CHECK(packed.data()[0] == std::byte{'h'});
            if (size >= 65'536) {
                CHECK(packed.size() < size / 2);
            }
            std::vector<std::byte> out(size);
            REQUIRE(ecsdb::decompress(packed.view().subspan(4), out));
            CHECK(out == original);
        }
    }
}

} // namespace compression_test
