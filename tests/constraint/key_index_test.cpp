#include "ecsdb/constraint/key_index.hpp"

#include "ecsdb/core/checksum.hpp"
#include "support/storage_fixture.hpp"

#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace ecsdb::test::key_index_test {
namespace {

using constraint::KeyIndex;

std::multiset<std::uint32_t> sources_of(const KeyIndex& index, std::uint64_t key) {
    std::multiset<std::uint32_t> sources;
    for (KeyIndex::Id id = index.first_of_key(key); id != KeyIndex::none; id = index[id].next) {
        CHECK(index[id].key == key);
        sources.insert(index[id].source);
    }
    return sources;
}
std::multiset<std::uint64_t> keys_of(const KeyIndex& index, std::uint32_t source, std::uint32_t slot) {
    std::multiset<std::uint64_t> keys;
    for (KeyIndex::Id id = index.first_of_source(source, slot); id != KeyIndex::none; id = index[id].next_of_source) {
        CHECK(index[id].source == source);
        CHECK(index[id].slot == slot);
        keys.insert(index[id].key);
    }
    return keys;
}

} // namespace

TEST_CASE("an empty key index knows nobody", "[constraint][key_index]") {
    SystemAllocator allocator;
    const KeyIndex index{2, allocator};
    CHECK(index.first_of_key(7) == KeyIndex::none);
    CHECK(index.first_of_source(7, 1) == KeyIndex::none);
    CHECK(index.size() == 0);
}

TEST_CASE("a key index refused memory at any point is as it was", "[constraint][key_index]") {
    for (std::uint64_t refuse = 0;; ++refuse) {
        CountingAllocator allocator;
        allocator.refuse_call = refuse;
        std::map<std::uint64_t, std::multiset<std::uint32_t>> model;
        {
            KeyIndex index{1, allocator};
            for (std::uint32_t i = 0; i < 2000; ++i) {
                const std::uint64_t key = mix64(i);
                if (index.add(key, i, 0, 0) != KeyIndex::none) {
                    model[key].insert(i);
                }
            }
            std::size_t wrong = 0;
            for (std::uint32_t i = 0; i < 2000; ++i) {
                wrong += sources_of(index, mix64(i)) != model[mix64(i)] ? 1U : 0U;
            }
            CHECK(wrong == 0);
            CHECK(index.size() == 2000 - allocator.refused);
        }
        if (allocator.refused == 0) {
            CHECK(refuse > 3);
            break;
        }
    }
}

TEST_CASE("a key index agrees with a plain multimap whatever is added and removed, crowded keys and colliding places included",
          "[constraint][key_index]") {
    constexpr std::uint32_t slots = 3;
    SystemAllocator allocator;
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        std::mt19937_64 random{seed};
        KeyIndex index{slots, allocator};
        std::map<std::uint64_t, std::multiset<std::uint32_t>> by_key;
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::multiset<std::uint64_t>> by_source;
        std::vector<KeyIndex::Id> ids;
        for (int step = 0; step < 20000; ++step) {
            // Keys that want the same few places, at the end of the table too, and one that everybody has.
            const std::uint64_t low = std::vector<std::uint64_t>{0, 1, 0xFFF, 0xFFE}[random() % 4];
            const std::uint64_t key = random() % 4 == 0 ? 42 : low | (random() % 32) << 32U;
            const auto source = static_cast<std::uint32_t>(random() % 50) * 97;
            const auto slot = static_cast<std::uint32_t>(random() % slots);
            if (ids.empty() || random() % 100 < (step % 8000 < 5000 ? 55U : 35U)) {
                ids.push_back(index.add(key, source, slot, 0));
                REQUIRE(ids.back() != KeyIndex::none);
                by_key[key].insert(source);
                by_source[{source, slot}].insert(key);
            } else {
                std::swap(ids[random() % ids.size()], ids.back());
                const KeyIndex::Entry entry = index[ids.back()];
                by_key[entry.key].erase(by_key[entry.key].find(entry.source));
                std::multiset<std::uint64_t>& keys = by_source[{entry.source, entry.slot}];
                keys.erase(keys.find(entry.key));
                index.remove(ids.back());
                ids.pop_back();
            }
            if (step % 97 == 0) {
                for (const auto& [known, sources] : by_key) {
                    REQUIRE(sources_of(index, known) == sources);
                }
                for (const auto& [known, keys] : by_source) {
                    REQUIRE(keys_of(index, known.first, known.second) == keys);
                }
                REQUIRE(index.size() == ids.size());
            }
        }
        index.clear();
        CHECK(index.size() == 0);
        CHECK(sources_of(index, 42).empty());
        CHECK(keys_of(index, 3 * 97, 1).empty());
        CHECK(index.add(42, 3, 0, 0) != KeyIndex::none);
        CHECK(keys_of(index, 3, 0).size() == 1);
    }
}

} // namespace ecsdb::test::key_index_test
