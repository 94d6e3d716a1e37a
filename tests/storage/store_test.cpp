#include "ecsdb/storage/store.hpp"

#include "support/storage_fixture.hpp"

#include <atomic>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::store_test {

using storage::Outcome;
using storage::Store;
using storage::WriteBuffer;

TEST_CASE("a store that gets no memory is not made", "[storage][memory]") {
    CountingAllocator allocator;
    allocator.refuse_from = 0;
    CHECK(Store::create(allocator, {}, schema_of({{"Position", 12}})) == nullptr);
    for (std::uint64_t call = 1; call < 4; ++call) {
        CountingAllocator scarce;
        scarce.refuse_from = call;
        World world{scarce, schema_of({{"Position", 12}})};
        CHECK(world.is_open() == (scarce.refused == 0));
    }
}

TEST_CASE("the store and what a view reads outlive the database", "[storage]") {
    CountingAllocator allocator;
    std::weak_ptr<const Schema> schema;
    Store* store = nullptr;
    Store::Pins::Pin pin;
    {
        auto owned = schema_of({{"Position", 12}});
        schema = owned;
        World world{allocator, std::move(owned)};
        world.commit([](WriteBuffer& writer) {
            REQUIRE(writer.create(Entity{1, 1, 0}) == Outcome::Done);
            REQUIRE(writer.insert(Entity{1, 1, 0}, 0, bytes_of(row_from(12, 9))) == Outcome::Done);
        });
        store = &world.store();
        pin = store->pin();
        world.commit([](WriteBuffer& writer) { REQUIRE(writer.destroy(Entity{1, 1, 0}) == Outcome::Done); });
    }
    CHECK_FALSE(schema.expired());
    CHECK(store->published_version() == 2);
    CHECK(store->published()->version == 2);
    CHECK(pin.root->version == 1);
    CHECK(std::memcmp(pin.root->find_row(*pin.root->find_living(Entity{1, 1, 0}), 1, 0), row_from(12, 9)->data(), 12) == 0);
    store->unpin(*pin.slot);
    CHECK(schema.expired());
    CHECK(allocator.live_bytes == 0);
}

TEST_CASE("a pin holds the version that was published when it was taken", "[storage]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Position", 12}})};
    std::vector<Store::Pins::Pin> pins;
    for (std::uint32_t i = 0; i < 40; ++i) { // more than the first slots
        pins.push_back(world.store().pin());
        REQUIRE(pins.back().slot != nullptr);
        world.commit([&](WriteBuffer& writer) { REQUIRE(writer.create(Entity{i, 1, 0}) == Outcome::Done); });
    }
    for (std::uint32_t i = 0; i < 40; ++i) {
        REQUIRE(pins[i].root->version == i);
        REQUIRE(pins[i].root->entity_count == i);
        REQUIRE((i == 0 || pins[i].root->find_living(Entity{i - 1, 1, 0}) != nullptr));
        REQUIRE(pins[i].root->find_living(Entity{i, 1, 0}) == nullptr);
    }
    for (const Store::Pins::Pin& pin : pins) {
        Store::Pins::unpin(*pin.slot);
    }
    world.reclaim();
    CHECK_FALSE(world.store().reclaimer().holds_anything());
}

TEST_CASE("a pin that finds no memory for its slot is refused", "[storage][memory]") {
    CountingAllocator allocator;
    World world{allocator, schema_of({{"Position", 12}})};
    std::vector<Store::Pins::Pin> pins(16);
    for (Store::Pins::Pin& pin : pins) {
        pin = world.store().pin();
    }
    allocator.refuse_from = allocator.calls;
    CHECK(world.store().pin().slot == nullptr);
    CHECK(world.store().pins().slot_count() == 16);
    Store::Pins::unpin(*pins[5].slot);
    const Store::Pins::Pin again = world.store().pin();
    CHECK(again.slot == pins[5].slot);
    CHECK(world.store().pins().any());
    allocator.refuse_from = CountingAllocator::never;
    const Store::Pins::Pin more = world.store().pin();
    REQUIRE(more.slot != nullptr);
    CHECK(world.store().pins().slot_count() == 32);
    Store::Pins::unpin(*more.slot);
    for (const Store::Pins::Pin& pin : pins) {
        Store::Pins::unpin(*pin.slot);
    }
    CHECK_FALSE(world.store().pins().any());
}

TEST_CASE("views let go on other threads while the database does: the last of them frees the store, once", "[storage][threads]") {
    for (int round = 0; round < 200; ++round) {
        CountingAllocator allocator;
        Store* const store = Store::create(allocator, {}, schema_of({{"Position", 12}}));
        REQUIRE(store != nullptr);
        {
            WriteBuffer writer{*store};
            REQUIRE(writer.create_first_root(0));
            store->publish(&writer.root());
        }
        std::vector<storage::PinnedRoot> views;
        for (int i = 0; i < 24; ++i) { // more than the first slots
            views.emplace_back(*store);
        }
        std::atomic<int> ready{0};
        const auto let_go = [&](std::size_t first) {
            ready.fetch_add(1);
            while (ready.load() != 3) {
            }
            for (std::size_t i = first; i < views.size(); i += 2) {
                storage::PinnedRoot{std::move(views[i])};
            }
        };
        std::thread even{let_go, 0};
        std::thread odd{let_go, 1};
        ready.fetch_add(1);
        while (ready.load() != 3) {
        }
        store->drop_owner();
        even.join();
        odd.join();
        REQUIRE(allocator.live_bytes == 0);
    }
}

} // namespace ecsdb::test::store_test
