#include "ecsdb/storage/holders.hpp"

#include "support/storage_fixture.hpp"

#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::holders_test {
namespace {

using storage::PinnedRoot;

/// A world of one table whose rows take a page each.
struct Held {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Wide", 5000}})};
    const std::string row = std::string(5000, 'x');

    void create(std::uint32_t index) {
        world.commit([&](storage::WriteBuffer& writer) {
            REQUIRE(writer.create(Entity{index, 1, 0}) == storage::Outcome::Done);
            REQUIRE(writer.set(Entity{index, 1, 0}, 0, reinterpret_cast<const std::byte*>(row.data())) == storage::Outcome::Done);
        });
    }
    void update(std::uint32_t index) {
        world.commit([&](storage::WriteBuffer& writer) {
            REQUIRE(writer.update(Entity{index, 1, 0}, 0, reinterpret_cast<const std::byte*>(row.data())) == storage::Outcome::Done);
        });
        world.reclaim();
    }
    [[nodiscard]] std::vector<Holder> holders(std::uint64_t now = 0) { return storage::list_holders(world.store(), now); }
};

} // namespace

TEST_CASE("nobody holds anything where nothing is pinned, and the newest version costs nothing", "[storage][holders]") {
    Held held;
    held.create(1);
    CHECK(held.holders().empty());
    CHECK_FALSE(storage::oldest_holder(held.world.store(), 0));
    CHECK(storage::blame_oldest_holder(held.world.store(), 0).empty());
    const PinnedRoot newest{held.world.store()};
    REQUIRE(held.holders().size() == 1);
    CHECK(held.holders()[0].version == 1);
    CHECK(held.holders()[0].retained_bytes == 0);
    CHECK_FALSE(storage::oldest_holder(held.world.store(), 0));
    CHECK(held.world.store().reclaimer().retained_bytes() == 0);
}

TEST_CASE("each holder is told with its version, its age and what it keeps", "[storage][holders]") {
    Held held;
    for (std::uint32_t index = 0; index < 4; ++index) {
        held.create(index);
    }
    PinnedRoot first{held.world.store()}; // version 4, committed at 4 ns
    first.set_name("backup");
    held.update(0);
    held.update(1);
    PinnedRoot second{held.world.store()}; // version 6
    const PinnedRoot also_second{held.world.store()};
    held.update(2);
    std::vector<Holder> holders = held.holders(1000);
    REQUIRE(holders.size() == 3);
    CHECK(holders[0].version == 4);
    CHECK(holders[0].age_ns == 996);
    CHECK(holders[0].name == "backup");
    CHECK(holders[0].retained_bytes >= 2 * 5000);
    CHECK(holders[1].version == 6);
    CHECK(holders[1].age_ns == 994);
    CHECK(holders[1].name.empty());
    CHECK(holders[1].retained_bytes >= 5000);
    CHECK(holders[1].retained_bytes < holders[0].retained_bytes);
    CHECK(holders[2].retained_bytes == holders[1].retained_bytes);
    const std::size_t in_all = held.world.store().reclaimer().retained_bytes();
    CHECK(in_all == holders[0].retained_bytes + holders[1].retained_bytes);
    CHECK(in_all <= held.world.store().reclaimer().retired_bytes());

    const std::string blame = storage::blame_oldest_holder(held.world.store(), 5'000'004);
    CHECK(blame == "; the oldest view held, `backup`, is of version 4, 5 ms old, and keeps " + std::to_string(holders[0].retained_bytes) +
                       " bytes; " + std::to_string(in_all) + " are kept for old versions in all");
    // What the older one needs as well is filed anew under it.
    second = PinnedRoot{};
    CHECK(held.holders().size() == 2);
    first = PinnedRoot{};
    held.world.reclaim();
    REQUIRE(held.holders(3).size() == 1);
    CHECK(held.holders(3)[0].age_ns == 0); // a wall clock set back
    CHECK(held.world.store().reclaimer().retained_bytes() == holders[1].retained_bytes);
}

TEST_CASE("a name goes with its pin, not with the slot", "[storage][holders]") {
    Held held;
    {
        PinnedRoot named{held.world.store()};
        named.set_name("export");
        CHECK(held.holders().at(0).name == "export");
        CHECK(held.holders().at(0).age_ns == 0); // of version 0 nobody knows when
        PinnedRoot moved{std::move(named)};
        CHECK(held.holders().at(0).name == "export");
        moved.set_name(nullptr);
        CHECK(held.holders().at(0).name.empty());
        moved.set_name("export");
    }
    const PinnedRoot next{held.world.store()};
    CHECK(held.holders().at(0).name.empty());
    PinnedRoot none;
    none.set_name("nothing to name");
}

} // namespace ecsdb::test::holders_test
