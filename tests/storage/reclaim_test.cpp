#include "ecsdb/storage/reclaim.hpp"

#include "support/storage_fixture.hpp"

#include <algorithm>
#include <vector>

namespace ecsdb::test::reclaim_test {
namespace {

using storage::Magazine;
using storage::Node;
using storage::PagePool;
using storage::Reclaimer;
using storage::Stamp;

/// Pins by the stamp of the version each holds.
struct FakePins {
    std::vector<Stamp> stamps;
    bool everything = false;
    std::size_t slots = 16;

    [[nodiscard]] std::size_t slot_count() const noexcept { return slots; }
    template <typename Visit>
    [[nodiscard]] bool scan(Visit&& visit) const {
        for (const Stamp stamp : stamps) {
            visit(Node{stamp, 0, nullptr, 0, 0});
        }
        return !everything;
    }
    void unpin(Stamp stamp) { stamps.erase(std::find(stamps.begin(), stamps.end(), stamp)); }
};

struct Retired {
    CountingAllocator allocator;
    PagePool pool{allocator, {}};
    Reclaimer reclaimer{allocator, pool};
    FakePins pins;

    /// A node that the versions in [born, retired) contain.
    Node* retire(Stamp born, Stamp retired) {
        Node* const node = pool.take(1024);
        node->born = born;
        reclaimer.retire(node, retired);
        return node;
    }
    /// The same for nodes that go together, one for each stamp of birth.
    void retire_together(const std::vector<Stamp>& born, Stamp retired) {
        Magazine* const magazine = pool.take_magazine();
        magazine->oldest_born = *std::min_element(born.begin(), born.end());
        for (const Stamp stamp : born) {
            Node* const node = pool.take(1024);
            node->born = stamp;
            magazine->node_bytes = node->bytes;
            magazine->put(node);
        }
        reclaimer.retire_all(*magazine, retired);
    }
    /// Nodes not yet free, whatever buckets cost.
    [[nodiscard]] std::size_t held() const { return reclaimer.retired_bytes() / 1024; }
};

} // namespace

TEST_CASE("nothing is freed while a reader may need every version, or memory for looking is refused", "[storage]") {
    Retired world;
    world.retire(0, 1);
    world.pins.everything = true;
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 1);
    world.pins.everything = false;
    world.pins.slots = 64;
    world.allocator.refuse_from = world.allocator.calls;
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 1);
    world.allocator.refuse_from = CountingAllocator::never;
    world.pins.stamps.assign(65, 7); // slots added between counting and looking
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 1);
    world.pins.slots = 80;
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 0);
    CHECK_FALSE(world.reclaimer.holds_anything());
}

TEST_CASE("what no memory can be had to file is looked at again", "[storage][memory]") {
    Retired world;
    world.retire(0, 5);
    world.pins.stamps = {3};
    world.reclaimer.collect(world.pins, 0); // makes its own list of pins
    world.allocator.refuse_from = world.allocator.calls;
    while (world.pool.take(64) != nullptr) {
        // until a bucket would need a new block
    }
    world.reclaimer.collect(world.pins, 9);
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 1);
    CHECK(world.reclaimer.holds_anything());
    world.pins.stamps.clear();
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 0);
    CHECK_FALSE(world.reclaimer.holds_anything());
}

TEST_CASE("a node is needed by the versions from its birth until its retirement, and by no other", "[storage]") {
    for (Stamp born = 0; born < 6; ++born) {
        for (Stamp retired = born + 1; retired < 8; ++retired) {
            for (Stamp pin = 0; pin < 9; ++pin) {
                CAPTURE(born, retired, pin);
                Retired world;
                world.retire(born, retired);
                world.pins.stamps = {pin};
                world.reclaimer.collect(world.pins, 9);
                CHECK(world.held() == (born <= pin && pin < retired ? 1 : 0));
            }
        }
    }
}

TEST_CASE("what an unpublished version has retired stays until that is published", "[storage]") {
    Retired world;
    world.retire(0, 4);
    world.retire(0, 5);
    world.reclaimer.collect(world.pins, 4);
    CHECK(world.held() == 1);
    world.reclaimer.collect(world.pins, 5);
    CHECK(world.held() == 0);
}

TEST_CASE("an old pin keeps its own pages, not everything retired since", "[storage]") {
    Retired world;
    world.pins.stamps = {10};
    for (Stamp stamp = 11; stamp < 500; ++stamp) {
        world.retire(stamp - 1, stamp); // only the first of them was there in version 10
        if (stamp % 50 == 0) {
            world.retire(3, stamp); // there all along
        }
        if (world.reclaimer.due(world.pins.slot_count())) {
            world.reclaimer.collect(world.pins, stamp);
        }
    }
    world.reclaimer.collect(world.pins, 500);
    CHECK(world.held() == 1 + 9);
    world.pins.stamps.clear();
    world.reclaimer.collect(world.pins, 500);
    CHECK(world.held() == 0);
    CHECK_FALSE(world.reclaimer.holds_anything());
}

TEST_CASE("what a pin keeps is not looked at again until that pin goes, then goes to the next older one", "[storage]") {
    Retired world;
    world.pins.stamps = {10, 20, 20, 30};
    std::vector<Node*> nodes;
    for (int i = 0; i < 40; ++i) {
        nodes.push_back(world.retire(5, 25));
    }
    world.reclaimer.collect(world.pins, 40);
    REQUIRE(world.held() == 40);
    // Whoever looked at the nodes now would take them for nobody's.
    for (Node* const node : nodes) {
        node->born = 24;
    }
    for (int i = 0; i < 5; ++i) {
        world.reclaimer.collect(world.pins, 40);
    }
    world.pins.unpin(30);
    world.pins.unpin(20); // one of two
    world.reclaimer.collect(world.pins, 40);
    CHECK(world.held() == 40);
    for (Node* const node : nodes) {
        node->born = 5;
    }
    world.pins.unpin(20);
    world.reclaimer.collect(world.pins, 40);
    CHECK(world.held() == 40); // version 10 had them, too
    world.pins.unpin(10);
    world.reclaimer.collect(world.pins, 40);
    CHECK(world.held() == 0);
    CHECK_FALSE(world.reclaimer.holds_anything());
    CHECK(world.pool.used_bytes() == 0);
}

TEST_CASE("discarding versions takes back what they had retired, and nothing else", "[storage]") {
    Retired world;
    world.retire(0, 4);
    Node* const kept = world.retire(0, 5);
    Node* const also_kept = world.retire(2, 6);
    CHECK(world.held() == 3);
    world.reclaimer.unretire_since(5);
    CHECK(world.held() == 1);
    world.retire(3, 5); // the next try at that version
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 0);
    CHECK(world.pool.used_bytes() == std::size_t{kept->bytes} + also_kept->bytes);
    world.reclaimer.unretire_since(0);
    CHECK_FALSE(world.reclaimer.holds_anything());
}

TEST_CASE("looking at the pins is due once per sixteen nodes, or twice the slots", "[storage]") {
    Retired world;
    for (int i = 0; i < 15; ++i) {
        world.retire(0, 1);
    }
    CHECK_FALSE(world.reclaimer.due(1));
    world.retire(0, 1);
    CHECK(world.reclaimer.due(1));
    CHECK(world.reclaimer.due(8));
    CHECK_FALSE(world.reclaimer.due(9));
    CHECK(world.reclaimer.retired_bytes() == 16 * 1024);
    world.reclaimer.collect(world.pins, 1);
    CHECK_FALSE(world.reclaimer.due(0));
}

TEST_CASE("random pins and retirements: a node goes exactly when its last reader has gone", "[storage]") {
    Retired world;
    std::uint32_t random = 7;
    const auto below = [&](std::uint32_t limit) { return (random = random * 1664525U + 1013904223U) / 65536U % limit; };
    struct Life {
        Stamp born;
        Stamp retired;
    };
    std::vector<Life> lives;
    for (Stamp now = 1; now < 3000; ++now) {
        for (std::uint32_t i = below(4); i != 0; --i) {
            const Stamp born = now - 1 - below(static_cast<std::uint32_t>(std::min<Stamp>(now, 40)));
            world.retire(born, now);
            lives.push_back({born, now});
        }
        if (below(3) == 0 && world.pins.stamps.size() < 10) {
            world.pins.stamps.push_back(now);
        }
        if (below(4) == 0 && !world.pins.stamps.empty()) {
            world.pins.stamps.erase(world.pins.stamps.begin() + below(static_cast<std::uint32_t>(world.pins.stamps.size())));
        }
        world.reclaimer.collect(world.pins, now);
        lives.erase(std::remove_if(lives.begin(), lives.end(),
                                   [&](const Life& life) {
                                       return std::none_of(world.pins.stamps.begin(), world.pins.stamps.end(),
                                                           [&](Stamp pin) { return life.born <= pin && pin < life.retired; });
                                   }),
                    lives.end());
        REQUIRE(world.held() == lives.size());
    }
}

TEST_CASE("nodes retired together are needed one by one", "[storage]") {
    for (Stamp pin = 0; pin < 9; ++pin) {
        CAPTURE(pin);
        Retired world;
        world.retire_together({2, 4, 5}, 6);
        world.pins.stamps = {pin};
        world.reclaimer.collect(world.pins, 5);
        CHECK(world.held() == 3); // not published yet
        world.reclaimer.collect(world.pins, 6);
        const std::size_t needed = pin >= 6 ? 0 : (pin >= 2) + (pin >= 4) + (pin >= 5);
        CHECK(world.held() == needed);
        world.pins.stamps.clear();
        world.reclaimer.collect(world.pins, 9);
        CHECK(world.held() == 0);
        CHECK_FALSE(world.reclaimer.holds_anything());
    }
}

TEST_CASE("nodes retired together stay in use when the version that retired them is discarded", "[storage]") {
    Retired world;
    world.retire_together({1, 2}, 4);
    world.retire_together({1, 3}, 6);
    const std::size_t used = world.pool.used_bytes();
    world.reclaimer.unretire_since(5);
    CHECK(world.held() == 2);
    world.reclaimer.collect(world.pins, 9);
    CHECK(world.held() == 0);
    CHECK(world.pool.used_bytes() == used - 2 * 1024);
    CHECK_FALSE(world.reclaimer.holds_anything());
}

} // namespace ecsdb::test::reclaim_test
