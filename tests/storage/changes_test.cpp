#include "ecsdb/storage/changes.hpp"

#include "support/storage_fixture.hpp"

#include <cstring>
#include <string>

namespace ecsdb::test::changes_test {

using storage::Change;
using storage::ChangeKind;
using storage::Changes;

TEST_CASE("a change that finds no memory says so", "[storage][memory]") {
    CountingAllocator allocator;
    Changes changes{allocator};
    changes.set_recording(true);
    allocator.refuse_from = 0;
    const RowBytes row = row_from(12, 1);
    CHECK_FALSE(changes.created(Entity{1, 1, 0}));
    CHECK_FALSE(changes.destroyed(Entity{1, 1, 0}));
    CHECK_FALSE(changes.added(1, 2));
    CHECK_FALSE(changes.removed(1, 2, bytes_of(row), 12));
    CHECK_FALSE(changes.changed(1, 2, bytes_of(row), 12));
    CHECK(changes.list().empty());
}

TEST_CASE("nothing is noted, and nothing can fail, while nobody wants to know", "[storage][memory]") {
    CountingAllocator allocator;
    Changes changes{allocator};
    allocator.refuse_from = 0;
    CHECK_FALSE(changes.recording());
    CHECK(changes.created(Entity{1, 1, 0}));
    CHECK(changes.destroyed(Entity{1, 1, 0}));
    CHECK(changes.added(1, 2));
    CHECK(changes.removed(1, 2, nullptr, 12));
    CHECK(changes.changed(1, 2, nullptr, 12));
    CHECK(changes.list().empty());
    CHECK(allocator.calls == 0);
}

TEST_CASE("changes come in order, with the bytes rows had before", "[storage]") {
    CountingAllocator allocator;
    Changes changes{allocator};
    changes.set_recording(true);
    for (int round = 0; round < 3; ++round) {
        REQUIRE(changes.created(Entity{7, 3, 1}));
        REQUIRE(changes.added(7, 2));
        REQUIRE(changes.changed(7, 1, nullptr, 0)); // a tag
        for (std::uint32_t i = 0; i < 3000; ++i) {
            const RowBytes row = row_from(i % 40, i);
            REQUIRE((i % 2 == 0 ? changes.changed(i, 5, bytes_of(row), i % 40) : changes.removed(i, 6, bytes_of(row), i % 40)));
        }
        REQUIRE(changes.destroyed(Entity{7, 3, 1}));
        const auto list = changes.list();
        REQUIRE(list.size() == 3004);
        CHECK(list[0].kind == ChangeKind::Created);
        CHECK(list[0].index == 7);
        CHECK(list[1].kind == ChangeKind::Added);
        CHECK(list[1].table == 2);
        CHECK(list[2].kind == ChangeKind::Changed);
        for (std::uint32_t i = 0; i < 3000; ++i) {
            const Change& change = list[3 + i];
            REQUIRE(change.index == i);
            REQUIRE(change.kind == (i % 2 == 0 ? ChangeKind::Changed : ChangeKind::Removed));
            REQUIRE(change.table == (i % 2 == 0 ? 5 : 6));
            const RowBytes row = row_from(i % 40, i);
            REQUIRE((row->empty() || std::memcmp(changes.before(change), row->data(), row->size()) == 0));
        }
        CHECK(list[3003].kind == ChangeKind::Destroyed);
        changes.clear();
        CHECK(changes.list().empty());
    }
}

TEST_CASE("changes that are trimmed are forgotten, with their memory", "[storage]") {
    CountingAllocator allocator;
    Changes changes{allocator};
    changes.set_recording(true);
    const RowBytes row = row_from(600, 1);
    for (std::uint32_t i = 0; i < 3000; ++i) {
        REQUIRE(changes.changed(i, 5, bytes_of(row), 600));
    }
    REQUIRE(allocator.live_bytes > 3000 * 600);
    changes.clear_and_trim(1000);
    CHECK(changes.list().empty());
    CHECK(allocator.live_bytes == 0);
    REQUIRE(changes.changed(1, 5, bytes_of(row), 600));
    CHECK(std::memcmp(changes.before(changes.list()[0]), bytes_of(row), 600) == 0);
}

} // namespace ecsdb::test::changes_test
