#include "ecsdb/core/bytes.hpp"

#include "support/catch.hpp"

#include <array>
#include <limits>
#include <string_view>
#include <vector>

namespace bytes_test {

namespace {

/// Gives memory until `left` blocks have been given.
class LimitedAllocator final : public ecsdb::Allocator {
public:
    explicit LimitedAllocator(std::size_t blocks) noexcept : left{blocks} {}
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        if (left == 0) {
            return nullptr;
        }
        --left;
        held += bytes;
        return system_.allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        held -= bytes;
        system_.deallocate(memory, bytes, alignment);
    }

    std::size_t left;
    std::size_t held = 0;

private:
    ecsdb::SystemAllocator system_;
};

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
    std::vector<std::byte> bytes;
    for (const int value : values) {
        bytes.push_back(static_cast<std::byte>(value));
    }
    return bytes;
}

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) {
    return {bytes.begin(), bytes.end()};
}

template <typename T>
concept Loadable = requires(const std::byte* bytes) {
    ecsdb::load_le<T>(bytes);
};
enum class Color : std::uint16_t { Red = 0x1234 };
static_assert(Loadable<int> && Loadable<double> && Loadable<Color>);
static_assert(!Loadable<bool> && !Loadable<int*> && !Loadable<long double>);

} // namespace

TEST_CASE("a buffer whose allocator refuses keeps what it has and ignores the rest until cleared", "[core][bytes]") {
    LimitedAllocator allocator{1};
    ecsdb::ByteBuffer buffer{allocator};
    while (!buffer.failed()) {
        buffer.append_le<std::uint64_t>(0x1122334455667788ULL);
    }
    const std::size_t kept = buffer.size();
    CHECK(kept == buffer.capacity());

    buffer.resize_down(kept - 16);
    buffer.append("x", 1);
    buffer.append_le<std::uint8_t>(1);
    buffer.append_varint(1);
    CHECK(buffer.extend(1) == nullptr);
    CHECK(buffer.extend(0) == nullptr);
    CHECK_FALSE(buffer.reserve(kept));
    CHECK(buffer.size() == kept - 16);
    CHECK(buffer.failed());
    buffer.patch_le<std::uint64_t>(kept, 7);
    CHECK(buffer.size() == kept - 16);

    buffer.clear();
    CHECK_FALSE(buffer.failed());
    CHECK(buffer.empty());
    CHECK(buffer.capacity() == kept);
    buffer.append_varint(300);
    CHECK(copy_of(buffer.view()) == bytes_of({0xAC, 0x02}));
}

TEST_CASE("a buffer refuses a length no memory can have", "[core][bytes]") {
    LimitedAllocator allocator{8};
    ecsdb::ByteBuffer buffer{allocator};
    buffer.append("abc", 3);
    CHECK(buffer.extend(std::numeric_limits<std::size_t>::max()) == nullptr);
    CHECK(buffer.failed());
    CHECK(buffer.size() == 3);
    CHECK(allocator.left == 7);
}

TEST_CASE("a buffer that never gets memory fails without being touched", "[core][bytes]") {
    LimitedAllocator allocator{0};
    ecsdb::ByteBuffer buffer{allocator};
    buffer.append(nullptr, 0);
    CHECK_FALSE(buffer.failed());
    CHECK(buffer.view().empty());
    CHECK(buffer.extend(0) == nullptr);
    CHECK(buffer.failed());
}

TEST_CASE("a buffer grows, keeps its bytes, moves, and gives all memory back", "[core][bytes]") {
    LimitedAllocator allocator{100};
    {
        ecsdb::ByteBuffer buffer{allocator};
        for (std::uint32_t value = 0; value < 10'000; ++value) {
            buffer.append_le<std::uint32_t>(value);
        }
        REQUIRE_FALSE(buffer.failed());
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % ecsdb::ByteBuffer::alignment == 0);
        CHECK(allocator.left > 80);

        ecsdb::ByteBuffer moved{std::move(buffer)};
        ecsdb::ByteBuffer target{allocator};
        target.append("gone", 4);
        target = std::move(moved);
        REQUIRE(target.size() == 40'000);
        std::uint32_t expected = 0;
        for (std::size_t at = 0; at < target.size(); at += 4, ++expected) {
            REQUIRE(ecsdb::load_le<std::uint32_t>(target.data() + at) == expected);
        }
        CHECK(&target.allocator() == &allocator);
    }
    CHECK(allocator.held == 0);
}

TEST_CASE("reserved room is used without asking again", "[core][bytes]") {
    LimitedAllocator allocator{1};
    ecsdb::ByteBuffer buffer{allocator};
    REQUIRE(buffer.reserve(100'000));
    std::byte* const first = buffer.data();
    for (int i = 0; i < 100'000; ++i) {
        buffer.append_le<std::uint8_t>(static_cast<std::uint8_t>(i));
    }
    CHECK_FALSE(buffer.failed());
    CHECK(buffer.data() == first);
    CHECK(buffer.reserve(0));
}

TEST_CASE("fixed-width values are little-endian and can be patched", "[core][bytes]") {
    ecsdb::SystemAllocator allocator;
    ecsdb::ByteBuffer buffer{allocator};
    buffer.append_le<std::uint8_t>(0xFE);
    buffer.append_le<std::uint32_t>(0);
    buffer.append_le<Color>(Color::Red);
    buffer.append_le<float>(1.0F);
    buffer.append(bytes_of({9, 8}));
    buffer.patch_le<std::uint32_t>(1, 0x01020304);
    CHECK(copy_of(buffer.view()) == bytes_of({0xFE, 4, 3, 2, 1, 0x34, 0x12, 0, 0, 0x80, 0x3F, 9, 8}));

    const auto fixed = buffer.view().subspan<1, 4>();
    CHECK(ecsdb::load_le<std::uint32_t>(fixed) == 0x01020304);
    std::array<std::byte, 9> unaligned{};
    ecsdb::store_le<double>(unaligned.data() + 1, -2.5);
    CHECK(ecsdb::load_le<double>(unaligned.data() + 1) == -2.5);
}

TEST_CASE("a reader never runs off the end and stays failed", "[core][bytes]") {
    const auto bytes = bytes_of({1, 2, 3, 4, 5});
    for (std::size_t kept = 0; kept < 4; ++kept) {
        CAPTURE(kept);
        ecsdb::ByteReader reader{std::span{bytes}.first(kept)};
        CHECK(reader.read_le<std::uint32_t>() == 0);
        CHECK(reader.failed());
        CHECK(reader.remaining() == 0);
        CHECK(reader.read_le<std::uint8_t>() == 0);
        CHECK(reader.read_varint() == 0);
        CHECK(reader.read_zigzag() == 0);
        CHECK(reader.read_bytes(0).empty());
    }
    ecsdb::ByteReader reader{bytes};
    CHECK(reader.read_bytes(std::numeric_limits<std::size_t>::max()).empty());
    CHECK(reader.failed());
    CHECK(reader.offset() == 0);
}

TEST_CASE("a varint that is too long or too large is refused", "[core][bytes]") {
    const auto largest = bytes_of({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01});
    ecsdb::ByteReader whole{largest};
    CHECK(whole.read_varint() == ~std::uint64_t{0});
    CHECK_FALSE(whole.failed());
    for (std::size_t kept = 0; kept < largest.size(); ++kept) {
        CAPTURE(kept);
        ecsdb::ByteReader cut{std::span{largest}.first(kept)};
        CHECK(cut.read_varint() == 0);
        CHECK(cut.failed());
    }
    for (const int last : {0x02, 0x7F, 0x80, 0x81}) {
        CAPTURE(last);
        auto bytes = largest;
        bytes.back() = static_cast<std::byte>(last);
        bytes.push_back(std::byte{0});
        ecsdb::ByteReader reader{bytes};
        CHECK(reader.read_varint() == 0);
        CHECK(reader.failed());
        CHECK(reader.offset() == 0);
    }
}

TEST_CASE("varints of every length come back, and take the bytes they announce", "[core][bytes]") {
    ecsdb::SystemAllocator allocator;
    ecsdb::ByteBuffer buffer{allocator};
    std::vector<std::uint64_t> values{0};
    for (unsigned bit = 0; bit < 64; ++bit) {
        values.push_back((std::uint64_t{1} << bit) - 1);
        values.push_back(std::uint64_t{1} << bit);
        values.push_back((std::uint64_t{1} << bit) + 1);
    }
    for (const std::uint64_t value : values) {
        const std::size_t before = buffer.size();
        buffer.append_varint(value);
        CHECK(buffer.size() - before == ecsdb::varint_size(value));
    }
    ecsdb::ByteReader reader{buffer.view()};
    for (const std::uint64_t value : values) {
        CHECK(reader.read_varint() == value);
    }
    CHECK(reader.remaining() == 0);
    CHECK_FALSE(reader.failed());
    CHECK(reader.offset() == buffer.size());
}

TEST_CASE("signed numbers near zero make short varints", "[core][bytes]") {
    static_assert(ecsdb::zigzag_encode(-1) == 1 && ecsdb::zigzag_encode(1) == 2);
    ecsdb::SystemAllocator allocator;
    ecsdb::ByteBuffer buffer{allocator};
    const std::int64_t values[] = {0, -1, 1, -64, 63, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
    for (const std::int64_t value : values) {
        buffer.append_zigzag(value);
    }
    CHECK(buffer.size() == 5 + 10 + 10);
    ecsdb::ByteReader reader{buffer.view()};
    for (const std::int64_t value : values) {
        CHECK(reader.read_zigzag() == value);
    }
    CHECK_FALSE(reader.failed());
}

} // namespace bytes_test
