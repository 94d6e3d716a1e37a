#include "ecsdb/storage/trimmer.hpp"

#include "support/storage_fixture.hpp"

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace ecsdb::test::trimmer_test {
namespace {

using storage::Node;
using storage::PagePool;
using storage::PoolOptions;
using storage::Trimmer;

PoolOptions blocks_of(std::size_t bytes) {
    PoolOptions options;
    options.first_block_bytes = bytes;
    options.max_block_bytes = bytes;
    return options;
}

struct Scene {
    explicit Scene(const PoolOptions& options = blocks_of(65536)) : pool{allocator, options} {}

    std::vector<Node*> take(std::size_t count, std::uint32_t bytes) {
        std::vector<Node*> nodes;
        for (std::size_t i = 0; i < count; ++i) {
            nodes.push_back(pool.take(bytes));
            REQUIRE(nodes.back() != nullptr);
            fill(nodes.back());
        }
        return nodes;
    }
    void give(std::vector<Node*>& nodes) {
        for (Node* const node : nodes) {
            pool.give(node);
        }
        nodes.clear();
    }
    /// The number of pieces it took.
    std::size_t trim() {
        std::size_t pieces = 0;
        while (trimmer.piece()) {
            ++pieces;
        }
        return pieces;
    }
    /// Each node's bytes follow from its address: what is handed out twice shows.
    static void fill(Node* node) {
        std::memset(reinterpret_cast<std::byte*>(node) + sizeof(Node), mark_of(node), node->bytes - sizeof(Node));
    }
    static bool is_whole(const Node* node) {
        const auto* const bytes = reinterpret_cast<const unsigned char*>(node);
        return std::all_of(bytes + sizeof(Node), bytes + node->bytes, [&](unsigned char found) { return found == mark_of(node); });
    }
    static unsigned char mark_of(const Node* node) { return static_cast<unsigned char>(reinterpret_cast<std::uintptr_t>(node) / 64 % 251); }

    CountingAllocator allocator;
    PagePool pool;
    Trimmer trimmer{allocator, pool};
};

} // namespace

TEST_CASE("after a peak the pool's blocks go back, piece by piece, and a later peak gets new ones", "[storage][memory]") {
    Scene scene;
    for (int peak = 0; peak < 3; ++peak) {
        std::vector<Node*> nodes = scene.take(5000, 2000);
        const std::size_t before = scene.pool.allocated_bytes();
        CHECK(before > 5000 * 2000);
        CHECK(scene.allocator.live_bytes >= before);
        scene.give(nodes);
        CHECK(scene.trim() > 5);
        CHECK(scene.pool.allocated_bytes() <= 2 * 65536);
        CHECK(scene.pool.used_bytes() == 0);
        CHECK(scene.allocator.live_bytes < before / 5);
        CHECK_FALSE(scene.trimmer.piece());
        scene.trimmer.cancel();
    }
    CHECK(scene.pool.returned_bytes() > 3 * 5000 * 1900);
    CHECK(scene.allocator.mismatches == 0);
}

TEST_CASE("a block with one node in use stays, and its free nodes are taken again", "[storage][memory]") {
    Scene scene;
    std::vector<Node*> nodes = scene.take(3100, 2000); // 31 of these lie in a block
    std::vector<Node*> kept;
    std::vector<Node*> freed;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        (i < 1550 && i % 31 == 7 ? kept : freed).push_back(nodes[i]);
    }
    scene.give(freed);
    scene.trim();
    const std::size_t allocated = scene.pool.allocated_bytes();
    CHECK(allocated >= 50 * 65536);
    CHECK(allocated <= 52 * 65536);
    for (const Node* const node : kept) {
        REQUIRE(Scene::is_whole(node));
    }
    std::vector<Node*> again = scene.take(50 * 30, 2000);
    CHECK(scene.pool.allocated_bytes() <= allocated + 65536);
    for (const Node* const node : kept) {
        REQUIRE(Scene::is_whole(node));
    }
}

TEST_CASE("pages go back although the small nodes between them stay", "[storage][memory]") {
    Scene scene;
    std::vector<Node*> records;
    std::vector<Node*> pages;
    for (int i = 0; i < 2000; ++i) {
        records.push_back(scene.pool.take(832));
        pages.push_back(scene.pool.take(1600));
    }
    scene.give(pages);
    scene.trim();
    CHECK(scene.pool.allocated_bytes() < 2000 * 832 * 3 / 2);
    CHECK(scene.pool.used_bytes() == 2000 * 832);
}

TEST_CASE("nodes the size of a root never lose the memory under them", "[storage][memory]") {
    Scene scene;
    std::vector<Node*> roots = [&] {
        std::vector<Node*> taken;
        for (int i = 0; i < 4000; ++i) {
            taken.push_back(scene.pool.take_stable());
        }
        return taken;
    }();
    Node* const stale = roots[2000];
    scene.give(roots);
    const std::size_t allocated = scene.pool.allocated_bytes();
    scene.trim();
    CHECK(scene.pool.allocated_bytes() == allocated);
    CHECK(stale->bytes == PagePool::stable_bytes);
}

TEST_CASE("what is worth holding stays: a share of what is in use, and what was asked for", "[storage][memory]") {
    PoolOptions options = blocks_of(65536);
    options.kept_bytes = 40 * 65536;
    Scene scene{options};
    std::vector<Node*> nodes = scene.take(3100, 2000);
    scene.give(nodes);
    scene.trim();
    CHECK(scene.pool.allocated_bytes() >= 40 * 65536);
    CHECK(scene.pool.allocated_bytes() <= 42 * 65536);
    std::vector<Node*> many = scene.take(31 * 200, 2000);
    std::vector<Node*> few{many.end() - 31 * 30, many.end()};
    many.resize(many.size() - few.size());
    scene.give(few);
    const std::size_t before = scene.pool.allocated_bytes();
    scene.trim();
    CHECK(scene.pool.allocated_bytes() == before);
}

TEST_CASE("a large node's own block goes too", "[storage][memory]") {
    Scene scene;
    std::vector<Node*> nodes = scene.take(10, 1U << 20U);
    scene.give(nodes);
    scene.trim();
    CHECK(scene.pool.allocated_bytes() == 0);
}

TEST_CASE("cancelled at any point, a trim loses no node and gives nothing more back", "[storage][memory]") {
    for (std::size_t stop = 0; stop < 40; ++stop) {
        CAPTURE(stop);
        Scene scene;
        std::vector<Node*> nodes = scene.take(3100, 2000);
        scene.give(nodes);
        for (std::size_t i = 0; i < stop; ++i) {
            scene.trimmer.piece();
        }
        scene.trimmer.cancel();
        const std::size_t allocated = scene.pool.allocated_bytes();
        const std::uint64_t calls = scene.allocator.calls;
        // Right away: a pool in need takes back what was gathered.
        nodes = scene.take(allocated / 65536 >= 12 ? 310 : 0, 2000);
        CHECK(scene.allocator.calls == calls);
        for (const Node* const node : nodes) {
            REQUIRE(Scene::is_whole(node));
        }
        scene.give(nodes);
        scene.trim();
        CHECK(scene.pool.allocated_bytes() <= 2 * 65536);
    }
}

TEST_CASE("when memory is short, what a trim has gathered is there for other threads", "[storage][memory]") {
    PoolOptions options = blocks_of(65536);
    options.memory_limit = 20 * 65536;
    Scene scene{options};
    std::vector<Node*> nodes = scene.take(20 * 31, 2000);
    scene.give(nodes);
    scene.trimmer.piece();
    scene.trimmer.piece();
    scene.trimmer.cancel();
    scene.pool.share();
    PagePool::Cache cache{scene.pool, 2000};
    std::size_t taken = 0;
    while (Node* const node = cache.take()) {
        nodes.push_back(node);
        ++taken;
    }
    CHECK(taken == 20 * 31);
    for (Node* const node : nodes) {
        cache.give(node);
    }
}

TEST_CASE("without memory for its notes a trim does not begin", "[storage][memory]") {
    Scene scene;
    std::vector<Node*> nodes = scene.take(3100, 2000);
    scene.give(nodes);
    const std::size_t allocated = scene.pool.allocated_bytes();
    scene.allocator.refuse_from = scene.allocator.calls;
    CHECK(scene.trim() == 0);
    CHECK(scene.pool.allocated_bytes() == allocated);
    scene.allocator.refuse_from = CountingAllocator::never;
    scene.trimmer.cancel();
    scene.trim();
    CHECK(scene.pool.allocated_bytes() < allocated / 10);
}

TEST_CASE("memory that is looked through in vain is looked through less and less, until enough is set free", "[storage][memory]") {
    Scene scene;
    std::vector<Node*> nodes = scene.take(3100, 2000);
    std::vector<Node*> kept;
    std::vector<Node*> freed;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        (i % 31 == 7 ? kept : freed).push_back(nodes[i]);
    }
    scene.give(freed);
    int looks = 0;
    for (int bursts = 0; bursts < 1000; ++bursts) {
        looks += scene.trim() != 0 ? 1 : 0;
        scene.trimmer.cancel();
    }
    CHECK(looks > 10);
    CHECK(looks < 30);
    CHECK(scene.pool.returned_bytes() == 0);
    scene.give(kept);
    CHECK(scene.trim() != 0);
    CHECK(scene.pool.returned_bytes() > 90 * 65536);
}

TEST_CASE("trimmed at random times, with nodes of all sizes, the pool hands no node out twice", "[storage][memory]") {
    Scene scene{blocks_of(16384)};
    std::mt19937_64 random{5};
    const auto below = [&](std::uint64_t limit) { return random() % limit; };
    std::vector<Node*> nodes;
    for (int round = 0; round < 500; ++round) {
        const std::uint64_t wanted = below(10) == 0 ? below(40) : below(1200);
        const auto bytes = static_cast<std::uint32_t>(64 + below(below(4) == 0 ? 9000 : 2000));
        while (nodes.size() < wanted) {
            nodes.push_back(scene.pool.take(bytes));
            Scene::fill(nodes.back());
        }
        while (nodes.size() > wanted) {
            std::swap(nodes[below(nodes.size())], nodes.back());
            REQUIRE(Scene::is_whole(nodes.back()));
            scene.pool.give(nodes.back());
            nodes.pop_back();
        }
        for (std::uint64_t pieces = below(30); pieces != 0; --pieces) {
            scene.trimmer.piece();
        }
        if (below(3) == 0) {
            scene.trimmer.cancel();
        }
    }
    CHECK(scene.pool.returned_bytes() > 0);
    std::size_t used = 0;
    for (const Node* const node : nodes) {
        used += node->bytes;
    }
    CHECK(scene.pool.used_bytes() == used);
}

TEST_CASE("a pool is trimmed while other threads fill pages", "[storage][memory][threads]") {
    SystemAllocator allocator;
    PagePool pool{allocator, blocks_of(65536)};
    Trimmer trimmer{allocator, pool};
    std::atomic<int> running{2};
    std::atomic<int> wrong{0};
    std::vector<std::jthread> threads;
    for (int number = 0; number < 2; ++number) {
        threads.emplace_back([&] {
            for (int round = 0; round < 100; ++round) {
                PagePool::Cache cache{pool, 1600};
                std::vector<Node*> nodes;
                for (int i = 0; i < 500; ++i) {
                    nodes.push_back(cache.take());
                    // Not the head: that is the writer's.
                    std::memset(storage::page_rows(nodes.back()), Scene::mark_of(nodes.back()), 1600 - storage::page_header_bytes);
                }
                for (Node* const node : nodes) {
                    const auto* const rows = reinterpret_cast<const unsigned char*>(storage::page_rows(node));
                    wrong += !std::all_of(rows, rows + 1600 - storage::page_header_bytes,
                                          [&](unsigned char found) { return found == Scene::mark_of(node); });
                    cache.give(node);
                }
            }
            --running;
        });
    }
    std::size_t pieces = 0;
    while (running != 0) {
        pieces += trimmer.piece() ? 1U : 0U;
        if (pieces % 64 == 63) {
            trimmer.cancel();
        }
    }
    threads.clear();
    CHECK(wrong == 0);
    trimmer.cancel();
    while (trimmer.piece()) {
    }
    CHECK(pool.returned_bytes() > 0);
    CHECK(pool.allocated_bytes() <= 2 * 65536);
}

} // namespace ecsdb::test::trimmer_test
