#include "ecsdb/core/grow_array.hpp"

#include "support/storage_fixture.hpp"

#include <array>
#include <cstdint>
#include <utility>

namespace ecsdb::test::grow_array_test {

TEST_CASE("an array that gets no memory stays as it is", "[core][memory]") {
    CountingAllocator allocator;
    GrowArray<std::uint64_t> array{allocator};
    allocator.refuse_from = 0;
    CHECK_FALSE(array.push(1));
    CHECK_FALSE(array.reserve(1));
    CHECK_FALSE(array.reserve_more(1));
    CHECK_FALSE(array.resize_for_overwrite(1));
    CHECK(array.resize_for_overwrite(0));
    CHECK(array.empty());
    CHECK(array.view().empty());
    allocator.refuse_from = CountingAllocator::never;
    std::uint64_t pushed = 0;
    while (allocator.calls < 8) {
        REQUIRE(array.push(pushed++));
    }
    allocator.refuse_from = allocator.calls;
    while (array.push(pushed)) {
        ++pushed;
    }
    REQUIRE(array.size() == pushed);
    for (std::uint64_t i = 0; i < pushed; ++i) {
        REQUIRE(array[i] == i);
    }
}

TEST_CASE("values stay what they were while the array grows", "[core]") {
    CountingAllocator allocator;
    GrowArray<std::array<std::uint32_t, 3>> array{allocator};
    for (std::uint32_t i = 0; i < 10000; ++i) {
        REQUIRE(array.push({i, i + 1, i + 2}));
        REQUIRE(array.back()[0] == i);
    }
    CHECK(array.size() == 10000);
    for (std::uint32_t i = 0; i < 10000; ++i) {
        REQUIRE(std::as_const(array)[i][2] == i + 2);
    }
    CHECK(allocator.calls < 12); // doubling
}

TEST_CASE("an array can be given one of its own values when it is full", "[core]") {
    CountingAllocator allocator;
    GrowArray<std::uint64_t> array{allocator};
    REQUIRE(array.push(42));
    for (int i = 0; i < 5000; ++i) {
        REQUIRE(array.push(array[0]));
    }
    for (const std::uint64_t value : array.view()) {
        REQUIRE(value == 42);
    }
}

TEST_CASE("an array keeps its room, and keeps what is below a new size", "[core][memory]") {
    CountingAllocator allocator;
    GrowArray<int> array{allocator};
    REQUIRE(array.reserve(5000));
    const std::uint64_t calls = allocator.calls;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 5000; ++i) {
            REQUIRE(array.push(i));
        }
        array.shrink_to(9000);
        CHECK(array.size() == 5000);
        array.shrink_to(10);
        REQUIRE(array.resize_for_overwrite(20));
        CHECK(array[9] == 9);
        CHECK(array.size() == 20);
        array.clear();
        CHECK(array.empty());
    }
    CHECK(allocator.calls == calls);
    REQUIRE(array.push(7));
    REQUIRE(array.resize_for_overwrite(20000)); // grows
    CHECK(array[0] == 7);
}

TEST_CASE("a moved array takes its memory along", "[core]") {
    CountingAllocator allocator;
    CountingAllocator other_allocator;
    GrowArray<int> array{allocator};
    REQUIRE(array.push(1));
    GrowArray<int> moved{std::move(array)};
    REQUIRE(moved.size() == 1);
    CHECK(moved[0] == 1);
    GrowArray<int> other{other_allocator};
    REQUIRE(other.push(2));
    other = std::move(moved);
    REQUIRE(other.size() == 1);
    CHECK(other[0] == 1);
    REQUIRE(other.push(3));
    CHECK(other.back() == 3);
}

TEST_CASE("values larger than a first block, or strictly aligned, fit", "[core]") {
    struct Large {
        std::array<char, 6000> bytes;
    };
    struct alignas(128) Aligned {
        std::uint64_t value;
    };
    CountingAllocator allocator;
    GrowArray<Large> large{allocator};
    GrowArray<Aligned> aligned{allocator};
    for (std::uint64_t i = 0; i < 100; ++i) {
        Large value{};
        value.bytes.back() = static_cast<char>(i);
        REQUIRE(large.push(value));
        REQUIRE(aligned.push({i}));
        REQUIRE(reinterpret_cast<std::uintptr_t>(&aligned.back()) % 128 == 0);
    }
    CHECK(large[99].bytes.back() == 99);
    CHECK(aligned[99].value == 99);
}

TEST_CASE("an array that is trimmed is empty, gives back more than it may keep, and grows again", "[core]") {
    CountingAllocator allocator;
    GrowArray<std::uint64_t> array{allocator};
    array.clear_and_trim(0);
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        REQUIRE(array.push(i));
    }
    const std::size_t held = allocator.live_bytes;
    array.clear_and_trim(held);
    CHECK(array.empty());
    CHECK(allocator.live_bytes == held);
    array.clear_and_trim(held - 1);
    CHECK(allocator.live_bytes == 0);
    REQUIRE(array.push(7));
    CHECK(array.back() == 7);
    CHECK(allocator.mismatches == 0);
}

} // namespace ecsdb::test::grow_array_test
