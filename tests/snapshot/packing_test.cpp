#include "ecsdb/snapshot/packing.hpp"

#include "support/catch.hpp"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace ecsdb::test::packing_test {

using namespace snapshot;

namespace {

std::vector<std::byte> whole_floats(std::size_t rows) {
    std::mt19937 random{1};
    std::normal_distribution<float> value{0, 100};
    std::vector<std::byte> bytes(rows * 12);
    for (std::size_t i = 0; i < rows * 3; ++i) {
        const float number = std::round(value(random));
        std::memcpy(bytes.data() + i * 4, &number, 4);
    }
    return bytes;
}

} // namespace

TEST_CASE("rows are packed in the order of their bytes, other blocks as they are", "[snapshot]") {
    SystemAllocator memory;
    BlockPacker packer{memory, fast_compression};
    const std::vector<std::byte> rows = whole_floats(4096);
    BlockHeader header{BlockKind::Rows, Codec::Raw, 1, 1, 0, 4096};
    auto packed = packer.pack(header, rows);
    REQUIRE(packed);
    CHECK(header.codec == Codec::ShuffledZstd);
    CHECK(packed->size() < rows.size() * 3 / 4);
    std::vector<std::byte> shuffled(rows.size());
    REQUIRE(decompress(*packed, shuffled));
    std::vector<std::byte> back(rows.size());
    unshuffle_rows(shuffled.data(), back.data(), 4096, 12);
    CHECK(back == rows);

    const std::vector<std::byte> zeros(5000);
    BlockHeader counts{BlockKind::Counts, Codec::Raw, 0, 0, 0, 4096};
    packed = packer.pack(counts, zeros);
    REQUIRE(packed);
    CHECK(counts.codec == Codec::Zstd);
    std::vector<std::byte> unpacked(5000);
    REQUIRE(decompress(*packed, unpacked));
    CHECK(unpacked == zeros);
}

TEST_CASE("what packing would not make smaller stays as it is", "[snapshot]") {
    SystemAllocator memory;
    std::mt19937_64 random{1};
    std::vector<std::byte> noise(4096);
    for (std::byte& byte : noise) {
        byte = static_cast<std::byte>(random());
    }
    BlockPacker packer{memory, fast_compression};
    BlockHeader header{BlockKind::Rows, Codec::Raw, 1, 1, 0, 512};
    CHECK(packer.pack(header, noise)->data() == noise.data());
    CHECK(header.codec == Codec::Raw);
    const std::vector<std::byte> few(100);
    CHECK(packer.pack(header, few)->data() == few.data());
    BlockPacker none{memory, 0};
    const std::vector<std::byte> zeros(5000);
    CHECK(none.pack(header, zeros)->data() == zeros.data());
}

TEST_CASE("blocks arrive on the other thread in their order, each whole", "[snapshot]") {
    SystemAllocator memory;
    std::vector<std::size_t> seen;
    bool whole = true;
    const auto take = [&](const BlockHeader& header, Result<std::span<const std::byte>> stored) {
        seen.push_back(header.first);
        std::vector<std::byte> content(header.raw_size);
        whole = whole && stored && content.size() == header.first + 1 && (header.first < 400 || header.codec == Codec::Zstd);
        if (header.codec == Codec::Raw) {
            content.assign(stored->begin(), stored->end());
        } else {
            whole = whole && decompress(*stored, content);
        }
        for (const std::byte byte : content) {
            whole = whole && byte == static_cast<std::byte>(header.first);
        }
    };
    {
        PackingThread packing{memory, fast_compression, take};
        for (std::uint32_t number = 0; number < 500; ++number) {
            ByteBuffer& out = packing.buffer();
            CHECK(out.empty());
            for (std::uint32_t i = 0; i <= number; ++i) {
                out.append_le<std::uint8_t>(static_cast<std::uint8_t>(number));
            }
            packing.hand_over({BlockKind::Counts, Codec::Raw, 0, 0, number, 1});
        }
    }
    REQUIRE(seen.size() == 500);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        CHECK(seen[i] == i);
    }
    CHECK(whole);
}

} // namespace ecsdb::test::packing_test
