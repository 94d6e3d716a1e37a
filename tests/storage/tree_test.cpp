#include "ecsdb/storage/tree.hpp"

#include "support/environment.hpp"
#include "support/storage_fixture.hpp"

#include <cstring>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace ecsdb::test::tree_test {
namespace {

using storage::Node;
using storage::NodeTree;
using storage::PagePool;
using storage::PoolOptions;
using storage::Reclaimer;
using storage::Stamp;
using storage::Workspace;

struct Bench {
    explicit Bench(const PoolOptions& options = {}) : pool{allocator, options} {}
    CountingAllocator allocator;
    PagePool pool;
    Reclaimer reclaimer{allocator, pool};
    Workspace workspace{allocator, pool, reclaimer};

    /// Puts a page with this value at a position of the tree; false when memory is refused.
    bool put(NodeTree& tree, std::uint32_t position, std::uint64_t value) {
        Node** const place = tree.writable_place(workspace, position);
        if (place == nullptr) {
            return false;
        }
        Node* const page = *place == nullptr ? * place = workspace.allocate(64) : workspace.own(*place);
        if (page == nullptr) {
            return false;
        }
        std::memcpy(page + 1, &value, sizeof(value));
        return true;
    }
};

std::uint64_t value_of(const Node* page) {
    std::uint64_t value = 0;
    std::memcpy(&value, page + 1, sizeof(value));
    return value;
}

using Values = std::map<std::uint32_t, std::uint64_t>;

Values values_of(const NodeTree& tree) {
    Values values;
    tree.for_each([&](std::uint32_t position, const Node& page) { values[position] = value_of(&page); });
    return values;
}

} // namespace

TEST_CASE("an empty tree has nothing anywhere", "[storage]") {
    const NodeTree tree;
    CHECK(tree.capacity() == 0);
    CHECK(tree.find(0) == nullptr);
    CHECK(tree.find(0xFFFFFFFFU) == nullptr);
    CHECK(tree.identity() == nullptr);
    tree.prefetch(17);
    CHECK(values_of(tree).empty());
}

TEST_CASE("a tree that gets no memory still holds what it held", "[storage][memory]") {
    std::uint64_t refused = 1;
    for (std::uint64_t call = 0; refused != 0; ++call) {
        PoolOptions options;
        options.first_block_bytes = options.max_block_bytes = 1024;
        Bench bench{options};
        bench.allocator.refuse_call = call;
        NodeTree tree;
        Values expected;
        for (std::uint32_t i = 0; i < 60; ++i) {
            bench.workspace.set_stamp(1 + i / 7);
            const std::uint32_t position = i * 37 % 600;
            if (bench.put(tree, position, i)) {
                expected[position] = i;
            }
            REQUIRE(values_of(tree) == expected);
        }
        bench.workspace.set_stamp(100);
        if (tree.truncate(bench.workspace, 50)) {
            expected.erase(expected.lower_bound(50), expected.end());
            REQUIRE(values_of(tree) == expected);
        }
        refused = bench.allocator.refused;
    }
}

TEST_CASE("every version of a tree stays what it was while later ones change", "[storage]") {
    const auto seed = GENERATE(1U, 2U, 3U);
    Bench bench;
    std::mt19937 random{seed};
    NodeTree tree;
    Values values;
    struct Version {
        NodeTree tree;
        Values values;
    };
    std::vector<Version> versions;
    const std::uint32_t reach = seed == 3 ? 20000 : 1500;
    for (Stamp stamp = 1; stamp < 200; ++stamp) {
        bench.workspace.set_stamp(stamp);
        for (std::uint32_t i = 0; i < 20; ++i) {
            const auto position = static_cast<std::uint32_t>(random() % reach);
            const std::uint64_t value = random();
            REQUIRE(bench.put(tree, position, value));
            values[position] = value;
        }
        if (random() % 8 == 0) {
            const auto first = static_cast<std::uint32_t>(random() % reach);
            REQUIRE(tree.truncate(bench.workspace, first));
            values.erase(values.lower_bound(first), values.end());
        }
        if (random() % 40 == 0) {
            tree.clear(bench.workspace);
            CHECK(tree.capacity() == 0);
            values.clear();
        }
        versions.push_back({tree, values});
        REQUIRE(values_of(tree) == values);
    }
    for (const Version& version : versions) {
        REQUIRE(values_of(version.tree) == version.values);
        for (const auto& [position, value] : version.values) {
            REQUIRE(value_of(version.tree.find(position)) == value);
            REQUIRE(value_of(version.tree.at(position)) == value);
        }
        REQUIRE(version.tree.find(static_cast<std::uint32_t>(version.tree.capacity())) == nullptr);
    }
}

TEST_CASE("changing one position copies its page, its leaf and the top, and nothing else", "[storage]") {
    Bench bench;
    NodeTree tree;
    for (std::uint32_t position = 0; position < 5000; ++position) {
        REQUIRE(bench.put(tree, position, position));
    }
    bench.workspace.set_stamp(2);
    const NodeTree before = tree;
    const std::size_t retired = bench.reclaimer.retired_bytes();
    REQUIRE(tree.writable(bench.workspace, 3000) != nullptr);
    std::size_t copied = 0;
    for (std::uint32_t position = 0; position < 5000; ++position) {
        copied += tree.at(position) != before.at(position) ? 1U : 0U;
    }
    CHECK(copied == 1);
    CHECK(bench.reclaimer.retired_bytes() - retired < 2048);
    CHECK(tree.identity() != before.identity());
    const std::size_t after = bench.reclaimer.retired_bytes();
    REQUIRE(tree.writable(bench.workspace, 3000) != nullptr);
    REQUIRE(tree.writable(bench.workspace, 3001) != nullptr); // the same leaf: only its page
    CHECK(bench.reclaimer.retired_bytes() - after == 64);
}

TEST_CASE("a tree may have a node at every position there is", "[storage]") {
    if (!test_full()) {
        return; // the top alone takes half a gigabyte
    }
    Bench bench;
    bench.workspace.set_stamp(1);
    NodeTree tree;
    constexpr std::uint32_t last = 0xFFFFFFFFU;
    REQUIRE(bench.put(tree, last, 7));
    const void* const top = tree.identity();
    REQUIRE(bench.put(tree, 0, 8));
    CHECK(tree.identity() == top);
    CHECK(tree.capacity() == std::uint64_t{1} << 32U);
    REQUIRE(tree.find(last) != nullptr);
    CHECK(value_of(tree.find(last)) == 7);
    CHECK(values_of(tree) == Values{{0, 8}, {last, 7}});
    bench.workspace.set_stamp(2);
    std::uint64_t next = last - 5;
    std::size_t moved = 0;
    REQUIRE(tree.move_unwanted(bench.workspace, next, moved, ~std::size_t{0}, [](const Node& node) { return node.bytes < 1024; }));
    CHECK(next == tree.capacity());
    REQUIRE(tree.truncate(bench.workspace, 1));
    CHECK(values_of(tree) == Values{{0, 8}});
}

TEST_CASE("a cleared tree gives everything back", "[storage][memory]") {
    Bench bench;
    NodeTree tree;
    for (const std::uint32_t position : {0U, 63U, 64U, 65U, 4000U, 100000U}) {
        REQUIRE(bench.put(tree, position, 1));
    }
    SECTION("of this batch") {
        tree.clear(bench.workspace);
        CHECK(bench.pool.used_bytes() == 0);
    }
    SECTION("of an earlier one") {
        bench.workspace.set_stamp(2);
        tree.clear(bench.workspace);
        CHECK(bench.pool.used_bytes() == bench.reclaimer.retired_bytes());
    }
    SECTION("leaf by leaf") {
        REQUIRE(tree.truncate(bench.workspace, 65));
        CHECK(values_of(tree).size() == 3);
        REQUIRE(tree.truncate(bench.workspace, 64));
        REQUIRE(tree.truncate(bench.workspace, 1));
        CHECK(values_of(tree).size() == 1);
        tree.clear(bench.workspace);
        CHECK(bench.pool.used_bytes() == 0);
    }
}

TEST_CASE("a tree cut short that gets no memory goes on later where it stopped", "[storage][memory]") {
    std::uint64_t refusals = 0;
    for (std::uint64_t allowed = 0;; ++allowed) {
        PoolOptions options;
        options.first_block_bytes = options.max_block_bytes = 1024;
        Bench bench{options};
        NodeTree tree;
        for (std::uint32_t position = 0; position < 600; ++position) {
            REQUIRE(bench.put(tree, position, position));
        }
        bench.workspace.set_stamp(2);
        bench.allocator.refuse_from = bench.allocator.calls + allowed;
        const bool done = tree.truncate(bench.workspace, 100);
        bench.allocator.refuse_from = CountingAllocator::never;
        const Values left = values_of(tree);
        REQUIRE(left.size() >= 100);
        const std::size_t after = left.size() - 100; // of those to go
        REQUIRE((after == 0 || left.rbegin()->first == 599));
        REQUIRE((after == 0 || left.upper_bound(99)->first == 600 - after));
        REQUIRE(done == (after == 0));
        REQUIRE(tree.truncate(bench.workspace, 100));
        REQUIRE(values_of(tree).size() == 100);
        if (done) {
            break;
        }
        ++refusals;
    }
    CHECK(refusals > 1);
}

TEST_CASE("a tree is cleared without any memory", "[storage][memory]") {
    Bench bench;
    NodeTree tree;
    for (const std::uint32_t position : {0U, 63U, 64U, 65U, 4000U, 100000U}) {
        REQUIRE(bench.put(tree, position, 1));
    }
    bench.workspace.set_stamp(2);
    bench.allocator.refuse_from = bench.allocator.calls;
    const std::size_t allocated = bench.pool.allocated_bytes();
    const std::size_t used = bench.pool.used_bytes();
    tree.clear(bench.workspace);
    CHECK(tree.capacity() == 0);
    CHECK(bench.pool.allocated_bytes() == allocated);
    CHECK(bench.pool.used_bytes() == used); // no copies on the way
    CHECK(bench.reclaimer.retired_bytes() == used);
}

} // namespace ecsdb::test::tree_test
