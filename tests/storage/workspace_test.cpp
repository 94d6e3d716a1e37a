#include "ecsdb/storage/workspace.hpp"

#include "support/storage_fixture.hpp"

#include <cstring>
#include <vector>

namespace ecsdb::test::workspace_test {
namespace {

using storage::Node;
using storage::PagePool;
using storage::PoolOptions;
using storage::Reclaimer;
using storage::Workspace;

struct Bench {
    explicit Bench(const PoolOptions& options = {}) : pool{allocator, options} {}
    CountingAllocator allocator;
    PagePool pool;
    Reclaimer reclaimer{allocator, pool};
    Workspace workspace{allocator, pool, reclaimer};
};

char& content(Node* node) {
    return *reinterpret_cast<char*>(node + 1);
}

} // namespace

TEST_CASE("refused memory leaves the place as it was", "[storage][memory]") {
    PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 128;
    Bench bench{options};
    Node* place = bench.workspace.allocate(64);
    REQUIRE(place != nullptr);
    Node* const before = place;
    bench.workspace.set_stamp(2);
    bench.allocator.refuse_from = bench.allocator.calls;
    CHECK(bench.workspace.allocate(64) == nullptr);
    CHECK(bench.workspace.allocate_zeroed(64) == nullptr);
    CHECK(bench.workspace.own(place) == nullptr);
    CHECK(place == before);
    CHECK_FALSE(bench.reclaimer.holds_anything());
    CHECK_FALSE(bench.workspace.replace(place, nullptr));
    CHECK(place == before);
}

TEST_CASE("a node of this batch is changed in place, any other is copied and retired", "[storage]") {
    Bench bench;
    bench.workspace.set_stamp(5);
    Node* place = bench.workspace.allocate_zeroed(640);
    Node* const first = place;
    CHECK(first->born == 5);
    CHECK(content(first) == 0);
    content(first) = 'a';
    CHECK(bench.workspace.owns(first));
    CHECK(bench.workspace.own(place) == first);
    CHECK_FALSE(bench.reclaimer.holds_anything());
    bench.workspace.set_stamp(6);
    CHECK_FALSE(bench.workspace.owns(first));
    Node* const second = bench.workspace.own(place);
    REQUIRE(second != nullptr);
    CHECK(place == second);
    CHECK(second != first);
    CHECK(second->born == 6);
    CHECK(second->bytes == first->bytes);
    CHECK(content(second) == 'a');
    CHECK(first->born == 5);
    CHECK(first->retired == 6);
    CHECK(bench.reclaimer.retired_bytes() == first->bytes);
}

TEST_CASE("a released node goes at once if no reader can have it, and retires otherwise", "[storage]") {
    Bench bench;
    Node* const node = bench.workspace.allocate(640);
    bench.workspace.set_stamp(2);
    Node* const own = bench.workspace.allocate(640);
    bench.workspace.release(own);
    CHECK(bench.workspace.allocate(640) == own);
    bench.workspace.release(node);
    CHECK(bench.reclaimer.retired_bytes() == node->bytes);
}

TEST_CASE("a replaced node comes back when the transaction fails, and goes when it stands", "[storage]") {
    Bench bench;
    Node* place = bench.workspace.allocate(640);
    Node* const old = place;
    const bool published = GENERATE(false, true);
    if (published) {
        bench.workspace.set_stamp(bench.workspace.stamp() + 1);
    }
    const std::size_t used = bench.pool.used_bytes();
    content(old) = 'o';
    // Replaced three times over: the nodes in between are both created and replaced.
    for (int i = 0; i < 3; ++i) {
        REQUIRE(bench.workspace.undo().note(&content(place), 1));
        if (!published || i != 0) {
            content(place) = 'x';
        }
        REQUIRE(bench.workspace.replace(place, bench.workspace.allocate(640)));
        content(place) = 'n';
    }
    SECTION("undone") {
        bench.workspace.undo_all();
        CHECK(place == old);
        CHECK(content(place) == 'o');
        CHECK(bench.pool.used_bytes() == used);
        CHECK_FALSE(bench.reclaimer.holds_anything());
    }
    SECTION("kept") {
        bench.workspace.keep();
        CHECK(place != old);
        CHECK(content(place) == 'n');
        CHECK(bench.reclaimer.retired_bytes() == (published ? old->bytes : 0));
        CHECK(bench.pool.used_bytes() == used + bench.reclaimer.retired_bytes());
        bench.workspace.undo_all(); // nothing is left to undo
        CHECK(content(place) == 'n');
    }
    SECTION("taken away and undone") {
        REQUIRE(bench.workspace.replace(place, nullptr));
        CHECK(place == nullptr);
        REQUIRE(bench.workspace.replace(place, bench.workspace.allocate(640)));
        bench.workspace.undo_all();
        CHECK(place == old);
        CHECK(bench.pool.used_bytes() == used);
    }
    SECTION("taken away and kept") {
        REQUIRE(bench.workspace.replace(place, nullptr));
        bench.workspace.keep();
        CHECK(place == nullptr);
        CHECK(bench.pool.used_bytes() == (published ? used : used - old->bytes));
    }
}

TEST_CASE("pages replaced together come back when the transaction fails, and go together when it stands", "[storage]") {
    Bench bench;
    constexpr std::size_t count = 100; // more than a magazine
    std::vector<Node*> places(count);
    for (std::size_t i = 0; i < count; ++i) {
        // Every tenth is of this batch: no reader can have it.
        bench.workspace.set_stamp(i % 10 == 0 ? 7 : 1 + i % 3);
        places[i] = bench.workspace.allocate(640);
    }
    bench.workspace.set_stamp(7);
    const std::vector<Node*> old = places;
    const std::size_t used = bench.pool.used_bytes();
    std::vector<Node*> fresh(count);
    {
        PagePool::Cache cache{bench.pool, 640};
        for (Node*& node : fresh) {
            node = cache.take();
        }
    }
    SECTION("refused memory changes nothing") {
        bench.allocator.refuse_from = bench.allocator.calls;
        CHECK_FALSE(bench.workspace.replace_pages(places, fresh));
        CHECK(places == old);
        CHECK(bench.pool.used_bytes() == used);
        bench.allocator.refuse_from = CountingAllocator::never;
        PagePool::Cache cache{bench.pool, 640};
        for (Node* const node : fresh) {
            cache.give(node);
        }
    }
    SECTION("undone") {
        REQUIRE(bench.workspace.replace_pages(places, fresh));
        CHECK(places == fresh);
        bench.workspace.undo_all();
        CHECK(places == old);
        CHECK(bench.pool.used_bytes() == used);
        CHECK_FALSE(bench.reclaimer.holds_anything());
    }
    SECTION("kept") {
        REQUIRE(bench.workspace.replace_pages(places, fresh));
        bench.workspace.keep();
        CHECK(places == fresh);
        CHECK(bench.workspace.owns(fresh[0]));
        CHECK(bench.reclaimer.retired_bytes() == 90 * std::size_t{old[0]->bytes});
        CHECK(bench.pool.used_bytes() == (count + 90) * std::size_t{old[0]->bytes});
        bench.workspace.undo_all(); // nothing is left to undo
        CHECK(places == fresh);
    }
}

} // namespace ecsdb::test::workspace_test
