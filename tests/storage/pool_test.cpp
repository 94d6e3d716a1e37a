#include "ecsdb/storage/pool.hpp"

#include "ecsdb/storage/trimmer.hpp"
#include "support/storage_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace ecsdb::test::pool_test {
namespace {

using storage::Node;
using storage::PagePool;
using storage::PoolOptions;

PoolOptions blocks_of(std::size_t first, std::size_t most) {
    PoolOptions options;
    options.first_block_bytes = first;
    options.max_block_bytes = most;
    return options;
}

/// Writes all of the node that is the owner's.
void fill(Node* node, int byte) {
    std::memset(reinterpret_cast<std::byte*>(node) + sizeof(Node), byte, node->bytes - sizeof(Node));
}
bool holds(const Node* node, int byte) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(node);
    return std::all_of(bytes + sizeof(Node), bytes + node->bytes, [&](unsigned char found) { return found == byte; });
}

} // namespace

TEST_CASE("a pool that gets no memory says so and works once there is some", "[storage][memory]") {
    CountingAllocator allocator;
    PagePool pool{allocator, {}};
    allocator.refuse_from = 0;
    CHECK(pool.take(100) == nullptr);
    CHECK(pool.take(10U << 20U) == nullptr);
    CHECK_FALSE(pool.reserve(1));
    {
        PagePool::Cache cache{pool, 100};
        CHECK(cache.take() == nullptr);
    }
    CHECK(pool.used_bytes() == 0);
    CHECK(pool.allocated_bytes() == 0);
    allocator.refuse_from = CountingAllocator::never;
    Node* const node = pool.take(100);
    REQUIRE(node != nullptr);
    fill(node, 1);
    CHECK(pool.used_bytes() == node->bytes);
    pool.give(node);
    CHECK(pool.used_bytes() == 0);
}

TEST_CASE("a pool keeps to its memory limit", "[storage][memory]") {
    CountingAllocator allocator;
    PoolOptions options = blocks_of(4096, 4096);
    options.memory_limit = 10000;
    PagePool pool{allocator, options};
    std::vector<Node*> nodes;
    while (Node* const node = pool.take(512)) {
        nodes.push_back(node);
    }
    CHECK(pool.allocated_bytes() == 8192);
    CHECK(nodes.size() == 14);
    CHECK(pool.take(4096) == nullptr);
    pool.give(nodes.back());
    CHECK(pool.take(512) == nodes.back());
}

TEST_CASE("nodes of every size are large enough, aligned and apart", "[storage]") {
    CountingAllocator allocator;
    const auto options = GENERATE(blocks_of(4096, 16384), blocks_of(256U << 10U, 4U << 20U), blocks_of(65536, 65536));
    PagePool pool{allocator, options};
    std::vector<Node*> nodes;
    std::vector<std::uint32_t> sizes;
    for (std::uint32_t bytes = sizeof(Node); bytes < (3U << 20U); bytes += bytes < 5000 ? 31 : bytes / 3) {
        sizes.push_back(bytes);
    }
    for (const std::uint32_t limit : {4607U, 4608U, 4609U, 5120U, 5121U, 8192U, 8193U, 1U << 20U, (1U << 20U) + 1}) {
        sizes.push_back(limit);
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        Node* const node = pool.take(sizes[i]);
        REQUIRE(node != nullptr);
        CAPTURE(sizes[i]);
        REQUIRE(node->bytes >= sizes[i]);
        REQUIRE(node->bytes <= std::max(sizes[i] + 63, sizes[i] + sizes[i] / 4));
        REQUIRE(reinterpret_cast<std::uintptr_t>(node) % 64 == 0);
        fill(node, static_cast<int>(i % 251));
        nodes.push_back(node);
    }
    std::size_t used = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        REQUIRE(holds(nodes[i], static_cast<int>(i % 251)));
        used += nodes[i]->bytes;
    }
    CHECK(pool.used_bytes() == used);
    for (Node* const node : nodes) {
        pool.give(node);
    }
    CHECK(pool.used_bytes() == 0);
}

TEST_CASE("a node larger than the next small block still fits in the block it gets", "[storage]") {
    CountingAllocator allocator;
    PagePool pool{allocator, {}}; // blocks begin at 256 KiB; nodes up to 1 MiB share blocks
    for (int i = 0; i < 3; ++i) {
        Node* const node = pool.take((900U << 10U));
        REQUIRE(node != nullptr);
        fill(node, i);
        CHECK(holds(node, i));
    }
}

TEST_CASE("what was given last is taken first", "[storage]") {
    CountingAllocator allocator;
    PagePool pool{allocator, {}};
    Node* const a = pool.take(2000);
    Node* const b = pool.take(2000);
    REQUIRE(a != b);
    pool.give(a);
    pool.give(b);
    CHECK(pool.take(2000) == b);
    CHECK(pool.take(1990) == a); // the same class of sizes
    CHECK(pool.take(2000) != a);
}

TEST_CASE("hundreds of thousands of nodes given back are taken again without new blocks", "[storage]") {
    CountingAllocator allocator;
    PagePool pool{allocator, {}};
    std::vector<Node*> nodes(300000);
    for (int round = 0; round < 3; ++round) {
        for (Node*& node : nodes) {
            node = pool.take(64);
        }
        CHECK(std::set<Node*>(nodes.begin(), nodes.end()).size() == nodes.size());
        for (Node* const node : nodes) {
            pool.give(node);
        }
        CHECK(pool.used_bytes() == 0);
    }
    CHECK(pool.allocated_bytes() < nodes.size() * 64 + (8U << 20U));
}

TEST_CASE("reserved memory is used before more is asked for", "[storage][memory]") {
    CountingAllocator allocator;
    PagePool pool{allocator, blocks_of(4096, 65536)};
    REQUIRE(pool.reserve(200000));
    CHECK(pool.allocated_bytes() >= 200000);
    CHECK(pool.used_bytes() == 0);
    const std::uint64_t calls = allocator.calls;
    for (int i = 0; i < 90; ++i) {
        Node* const node = pool.take(2048);
        REQUIRE(node != nullptr);
        fill(node, i);
    }
    CHECK(allocator.calls == calls);
}

TEST_CASE("another thread's stock comes from the pool and goes back to it", "[storage]") {
    CountingAllocator allocator;
    PagePool pool{allocator, blocks_of(4096, 65536)};
    std::set<Node*> seen;
    {
        PagePool::Cache cache{pool, 2000};
        for (int i = 0; i < 200; ++i) {
            Node* const node = cache.take();
            REQUIRE(node != nullptr);
            REQUIRE(node->bytes >= 2000);
            REQUIRE(seen.insert(node).second);
            fill(node, 7);
        }
        CHECK(pool.used_bytes() == 0); // until they are adopted
        PagePool::Cache moved{std::move(cache)};
        for (Node* const node : seen) {
            moved.give(node);
        }
    }
    const std::size_t allocated = pool.allocated_bytes();
    for (std::size_t i = 0; i < seen.size(); ++i) {
        REQUIRE(pool.take(2000) != nullptr);
    }
    CHECK(pool.allocated_bytes() == allocated);
    Node* const foreign = [&] {
        PagePool::Cache cache{pool, 100};
        return cache.take();
    }();
    const std::size_t before = pool.used_bytes();
    pool.adopt(foreign->bytes);
    CHECK(pool.used_bytes() == before + foreign->bytes);
    pool.give(foreign);
    CHECK(pool.used_bytes() == before);
}

TEST_CASE("a stock whose nodes find no magazine loses them to the pool's end, not to a crash", "[storage][memory]") {
    CountingAllocator allocator;
    PagePool pool{allocator, blocks_of(4096, 65536)};
    PagePool::Cache cache{pool, 2000};
    Node* const node = cache.take();
    REQUIRE(node != nullptr);
    allocator.refuse_from = allocator.calls;
    cache.give(node);
    cache.release();
    CHECK(allocator.refused != 0);
    CHECK(cache.take() == nullptr);
}

TEST_CASE("nodes pass between the writer and other threads without being seen twice", "[storage]") {
    SystemAllocator allocator;
    PagePool pool{allocator, blocks_of(65536, 65536)};
    constexpr int threads = 3;
    constexpr int rounds = 60;
    std::atomic<std::uint64_t> wrong{0};
    std::array<std::atomic<Node*>, threads> handed{};
    std::atomic<int> running{threads};
    std::array<std::thread, threads> others;
    for (int number = 0; number < threads; ++number) {
        others[static_cast<std::size_t>(number)] = std::thread{[&, number] {
            for (int round = 0; round < rounds; ++round) {
                PagePool::Cache cache{pool, 256};
                std::vector<Node*> nodes;
                for (int i = 0; i < 150; ++i) {
                    nodes.push_back(cache.take());
                    std::memset(reinterpret_cast<std::byte*>(nodes.back()) + sizeof(Node), number + 1, 256 - sizeof(Node));
                }
                for (Node* const node : nodes) {
                    const auto* const bytes = reinterpret_cast<const unsigned char*>(node) + sizeof(Node);
                    wrong += std::count(bytes, bytes + 256 - sizeof(Node), number + 1) != 256 - sizeof(Node) ? 1U : 0U;
                }
                // One goes to the writer, the others back.
                Node* const gift = nodes.back();
                nodes.pop_back();
                Node* none = nullptr;
                if (!handed[static_cast<std::size_t>(number)].compare_exchange_strong(none, gift)) {
                    cache.give(gift);
                }
                for (Node* const node : nodes) {
                    cache.give(node);
                }
            }
            --running;
        }};
    }
    std::vector<Node*> mine;
    while (running != 0) {
        for (auto& gift : handed) {
            if (Node* const node = gift.exchange(nullptr); node != nullptr) {
                pool.adopt(node->bytes);
                pool.give(node);
            }
        }
        for (int i = 0; i < 400; ++i) {
            mine.push_back(pool.take(256));
            fill(mine.back(), 99);
        }
        while (!mine.empty()) {
            wrong += holds(mine.back(), 99) ? 0U : 1U;
            pool.give(mine.back());
            mine.pop_back();
        }
    }
    for (std::thread& thread : others) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(pool.used_bytes() == 0);
}

TEST_CASE("nodes given back together are taken by one run in the order they were put in", "[storage]") {
    CountingAllocator allocator;
    PagePool pool{allocator, blocks_of(4096, 65536)};
    std::vector<Node*> nodes;
    for (int i = 0; i < 128; ++i) {
        nodes.push_back(pool.take(640));
    }
    for (std::size_t first : {std::size_t{64}, std::size_t{0}}) { // the last given is taken first
        storage::Magazine* const magazine = pool.take_magazine();
        REQUIRE(magazine != nullptr);
        magazine->node_bytes = nodes[0]->bytes;
        for (std::size_t i = 0; i < 64; ++i) {
            magazine->put(nodes[first + i]);
        }
        pool.give_all(*magazine);
    }
    CHECK(pool.used_bytes() == 0);
    PagePool::Cache cache{pool, 640};
    cache.begin_run();
    std::vector<Node*> taken;
    for (int i = 0; i < 10; ++i) {
        taken.push_back(cache.take());
    }
    CHECK(std::equal(taken.begin(), taken.end(), nodes.begin()));
    cache.begin_run(); // what is left of the first magazine is set aside
    taken.clear();
    for (int i = 0; i < 64; ++i) {
        taken.push_back(cache.take());
    }
    CHECK(std::equal(taken.begin(), taken.end(), nodes.begin() + 64));
    CHECK(cache.take() == nodes[10]);     // now it serves
    pool.give_all(*pool.take_magazine()); // an empty one is nothing to give
    CHECK(pool.used_bytes() == 0);
}

TEST_CASE("two threads that fill pages at once share what is free instead of taking new memory", "[storage]") {
    SystemAllocator allocator;
    PagePool pool{allocator, blocks_of(65536, 65536)};
    const auto fill_pages = [&] {
        PagePool::Cache cache{pool, 1600};
        std::vector<Node*> nodes;
        for (int i = 0; i < 1000; ++i) {
            nodes.push_back(cache.take());
        }
        for (Node* const node : nodes) {
            cache.give(node);
        }
    };
    for (int round = 0; round < 50; ++round) {
        std::thread other{fill_pages};
        fill_pages();
        other.join();
    }
    CHECK(pool.allocated_bytes() < 4 * 1000 * 1600);
}

TEST_CASE("what the writer keeps for itself is shared when memory is short", "[storage][memory]") {
    CountingAllocator allocator;
    PoolOptions options = blocks_of(16384, 16384);
    options.memory_limit = 16384;
    PagePool pool{allocator, options};
    std::vector<Node*> nodes;
    for (Node* node = pool.take(200); node != nullptr; node = pool.take(200)) {
        nodes.push_back(node);
    }
    REQUIRE(nodes.size() > 2);
    for (Node* const node : nodes) {
        pool.give(node);
    }
    {
        PagePool::Cache cache{pool, 200};
        CHECK(cache.take() == nullptr);
    }
    pool.share();
    std::set<Node*> taken;
    {
        PagePool::Cache cache{pool, 200};
        for (Node* node = cache.take(); node != nullptr; node = cache.take()) {
            taken.insert(node);
        }
        CHECK(taken.size() == nodes.size());
        for (Node* const node : taken) {
            cache.give(node);
        }
    }
    CHECK(pool.take(200) != nullptr);
    SECTION("but not where no magazine can be had") {
        PagePool other{allocator, {}};
        Node* const node = other.take(200);
        other.give(node);
        allocator.refuse_from = allocator.calls;
        other.share();
        CHECK(other.take(200) == node);
    }
}

TEST_CASE("where no block is to be had, larger free nodes are cut up, and their blocks can go afterwards", "[storage][memory]") {
    CountingAllocator allocator;
    PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 65536;
    options.memory_limit = 10 * 65536;
    PagePool pool{allocator, options};
    std::vector<Node*> large;
    while (Node* const node = pool.take(7000)) {
        large.push_back(node);
    }
    REQUIRE(large.size() >= 80);
    CHECK(pool.take(1600) == nullptr);
    for (std::size_t i = 0; i < 40; ++i) {
        pool.give(large[i]);
    }
    const std::uint64_t calls = allocator.calls;
    std::vector<Node*> small;
    for (const std::uint32_t bytes : {1600U, 64U, 832U, 3000U}) {
        for (int i = 0; i < 20; ++i) {
            small.push_back(pool.take(bytes));
            REQUIRE(small.back() != nullptr);
            REQUIRE(small.back()->bytes >= bytes);
            std::memset(reinterpret_cast<std::byte*>(small.back()) + sizeof(Node), 0x5A, small.back()->bytes - sizeof(Node));
        }
    }
    CHECK(pool.take(60'000) == nullptr);
    CHECK(allocator.refused == 0);
    CHECK(allocator.calls <= calls + 4); // magazines
    for (Node* const node : small) {
        pool.give(node);
    }
    for (std::size_t i = 40; i < large.size(); ++i) {
        pool.give(large[i]);
    }
    CHECK(pool.used_bytes() == 0);
    storage::Trimmer trimmer{allocator, pool};
    while (trimmer.piece()) {
    }
    CHECK(pool.allocated_bytes() <= 2 * 65536);
}

TEST_CASE("the reserve below the limit is for whoever opens it, and roots", "[storage][memory]") {
    CountingAllocator allocator;
    PoolOptions options;
    options.first_block_bytes = options.max_block_bytes = 65536;
    options.memory_limit = 10 * 65536;
    options.reserve_bytes = 3 * 65536;
    PagePool pool{allocator, options};
    std::size_t taken = 0;
    while (pool.take(4000) != nullptr) {
        ++taken;
    }
    CHECK(pool.allocated_bytes() <= 7 * 65536);
    CHECK(taken >= 7 * 15);
    CHECK(pool.take_stable() != nullptr);
    PagePool::Cache cache{pool, 4000};
    CHECK(cache.take() == nullptr);
    pool.open_reserve(true);
    std::size_t more = 0;
    while (pool.take(4000) != nullptr) {
        ++more;
    }
    CHECK(more >= 40); // the last block is as small as what is left
    CHECK(pool.allocated_bytes() <= options.memory_limit);
    pool.open_reserve(false);
    CHECK(pool.take(4000) == nullptr);
}

} // namespace ecsdb::test::pool_test
