#include "ecsdb/snapshot/numbers.hpp"

#include "support/storage_fixture.hpp"

#include <random>

namespace ecsdb::test::numbers_test {

using namespace snapshot;

namespace {

std::vector<std::byte> encoded(const std::vector<std::uint32_t>& numbers) {
    CountingAllocator allocator;
    ByteBuffer buffer{allocator};
    append_numbers(buffer, numbers);
    return {buffer.view().begin(), buffer.view().end()};
}

/// Nothing where the bytes are refused or not all read.
std::optional<std::vector<std::uint32_t>> decoded(std::span<const std::byte> bytes, std::size_t count) {
    std::vector<std::uint32_t> numbers(count);
    ByteReader in{bytes};
    if (!read_numbers(in, numbers) || in.remaining() != 0) {
        return std::nullopt;
    }
    return numbers;
}

std::vector<std::uint32_t> range(std::uint32_t first, std::size_t count, std::uint32_t step = 1) {
    std::vector<std::uint32_t> numbers(count);
    for (std::uint32_t& number : numbers) {
        number = std::exchange(first, first + step);
    }
    return numbers;
}

} // namespace

TEST_CASE("a list of numbers cut short anywhere is refused", "[snapshot]") {
    for (const auto& numbers : {range(5, 1000), range(7, 1000, 0), range(3, 50, 3), range(70000, 50, 999), range(~0U, 1)}) {
        const auto bytes = encoded(numbers);
        for (std::size_t kept = 0; kept < bytes.size(); ++kept) {
            CHECK_FALSE(decoded(std::span{bytes}.first(kept), numbers.size()));
        }
        CHECK_FALSE(decoded(bytes, numbers.size() - 1));
        CHECK_FALSE(decoded(bytes, numbers.size() + 1));
    }
}

TEST_CASE("numbers that do not fit and forms that do not exist are refused", "[snapshot]") {
    const auto list = [](std::uint8_t form, std::initializer_list<std::uint64_t> varints) {
        CountingAllocator allocator;
        ByteBuffer buffer{allocator};
        buffer.append_le<std::uint8_t>(form);
        for (const std::uint64_t varint : varints) {
            buffer.append_varint(varint);
        }
        return std::vector<std::byte>{buffer.view().begin(), buffer.view().end()};
    };
    CHECK_FALSE(decoded(list(4, {1, 0}), 1));
    CHECK_FALSE(decoded(list(2, {std::uint64_t{1} << 32U, 0}), 1));
    CHECK_FALSE(decoded(list(2, {~std::uint64_t{0}, 0}), 1));
    CHECK_FALSE(decoded(list(2, {1, ~std::uint64_t{0}}), 2));
    CHECK_FALSE(decoded(list(1, {zigzag_encode(-1), 0}), 1));
    CHECK_FALSE(decoded(list(1, {zigzag_encode(0xFFFFFFFF), 1}), 2));
    CHECK_FALSE(decoded(list(1, {zigzag_encode(INT64_MAX), 0}), 1));
    CHECK_FALSE(decoded(list(1, {zigzag_encode(INT64_MIN), 0}), 1));
    CHECK(decoded(list(1, {zigzag_encode(0xFFFFFFFE), 1}), 2) == range(0xFFFFFFFE, 2));
}

TEST_CASE("numbers come back as they went, in the shortest form", "[snapshot]") {
    CHECK(encoded(range(1000000, 60000)).size() < 10);
    CHECK(encoded(range(1, 60000, 0)).size() < 10);
    CHECK(encoded(range(0, 200, 255)).size() == 1 + 200 * 4);
    CHECK(encoded({0, 255, 3, 17, 200, 9, 4, 5, 6, 7}).size() == 1 + 10);
    CHECK(decoded(encoded({}), 0) == std::vector<std::uint32_t>{});
    CHECK(decoded(encoded({0xFFFFFFFF, 0, 1, 0xFFFFFFFE, 0xFFFFFFFF, 0}), 6) ==
          std::vector<std::uint32_t>{0xFFFFFFFF, 0, 1, 0xFFFFFFFE, 0xFFFFFFFF, 0});
    std::mt19937 engine{7};
    const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::uint32_t> numbers;
        const std::uint32_t spread = 1U << random() % 32;
        for (std::size_t runs = random() % 40; runs != 0; --runs) {
            const auto run = range(random() % spread, 1 + random() % 30, random() % 3);
            numbers.insert(numbers.end(), run.begin(), run.end());
        }
        const auto bytes = encoded(numbers);
        REQUIRE(bytes.size() <= 1 + 4 * numbers.size());
        REQUIRE(decoded(bytes, numbers.size()) == numbers);
    }
}

} // namespace ecsdb::test::numbers_test
