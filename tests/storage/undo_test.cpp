#include "ecsdb/storage/undo.hpp"

#include "support/storage_fixture.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace ecsdb::test::undo_test {

using storage::UndoLog;

TEST_CASE("a note that finds no memory says so, and what was noted before still comes back", "[storage][memory]") {
    CountingAllocator allocator;
    UndoLog log{allocator};
    std::string text = "before";
    allocator.refuse_from = 0;
    CHECK_FALSE(log.note(text.data(), text.size()));
    log.roll_back_to(0);
    CHECK(text == "before");
    allocator.refuse_from = allocator.calls + 1;
    REQUIRE(log.note(text.data(), text.size()));
    text = "after!";
    std::vector<char> large(1U << 20U, 'x');
    CHECK_FALSE(log.note(large.data(), large.size()));
    log.roll_back_to(0);
    CHECK(text == "before");
}

TEST_CASE("overwritten bytes come back newest first, also where they overlap", "[storage]") {
    CountingAllocator allocator;
    UndoLog log{allocator};
    std::mt19937 random{3};
    std::string bytes(5000, 'a');
    std::vector<std::pair<std::size_t, std::string>> history;
    for (int i = 0; i < 2000; ++i) {
        history.emplace_back(log.mark(), bytes);
        const std::size_t from = random() % bytes.size();
        const std::size_t count = random() % std::min<std::size_t>(bytes.size() - from + 1, i % 50 == 0 ? 5000 : 40);
        REQUIRE(log.note(bytes.data() + from, count));
        std::memset(bytes.data() + from, static_cast<int>('b' + i % 20), count);
    }
    while (!history.empty()) {
        log.roll_back_to(history.back().first);
        REQUIRE(bytes == history.back().second);
        history.resize(history.size() > 37 ? history.size() - 37 : 0);
    }
    log.roll_back_to(0);
    CHECK(bytes == std::string(5000, 'a'));
}

TEST_CASE("a cleared log puts nothing back and keeps its memory", "[storage][memory]") {
    CountingAllocator allocator;
    UndoLog log{allocator};
    std::string bytes(1000, 'a');
    std::uint64_t calls = 0;
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 1000; ++i) {
            REQUIRE(log.note(bytes.data(), bytes.size()));
        }
        bytes.assign(1000, static_cast<char>('b' + round));
        log.clear();
        CHECK(log.mark() == 0);
        log.roll_back_to(0);
        CHECK(bytes[0] == static_cast<char>('b' + round));
        calls = round == 0 ? allocator.calls : calls;
    }
    CHECK(allocator.calls == calls);
}

TEST_CASE("zeros are noted without their bytes and put back in their turn", "[storage]") {
    CountingAllocator allocator;
    storage::UndoLog log{allocator};
    std::vector<unsigned char> bytes(1U << 20U);
    REQUIRE(log.note_zeros(bytes.data(), bytes.size()));
    std::fill(bytes.begin(), bytes.end(), static_cast<unsigned char>(1));
    REQUIRE(log.note(bytes.data() + 5, 3));
    bytes[5] = 2;
    CHECK(log.mark() < 100);
    const std::size_t live = allocator.live_bytes;
    CHECK(live < bytes.size());
    log.roll_back_to(0);
    CHECK(std::count(bytes.begin(), bytes.end(), 0) == static_cast<std::ptrdiff_t>(bytes.size()));
    allocator.refuse_from = allocator.calls;
    std::size_t noted = 0;
    while (log.note_zeros(bytes.data(), 1)) {
        ++noted;
    }
    CHECK(noted != 0); // refused, at last, without harm
    log.clear();
}

TEST_CASE("a log that is trimmed gives back more than it may keep, and notes again", "[storage]") {
    CountingAllocator allocator;
    UndoLog log{allocator};
    log.clear_and_trim(0);
    std::vector<unsigned char> bytes(1U << 20U, 5);
    REQUIRE(log.note(bytes.data(), bytes.size()));
    log.clear_and_trim(std::size_t{16} << 20U);
    CHECK(log.mark() == 0);
    CHECK(allocator.live_bytes >= bytes.size());
    log.clear_and_trim(1000);
    CHECK(allocator.live_bytes == 0);
    REQUIRE(log.note(bytes.data(), 10));
    bytes[3] = 6;
    log.roll_back_to(0);
    CHECK(bytes[3] == 5);
    CHECK(allocator.mismatches == 0);
}

} // namespace ecsdb::test::undo_test
