#include "ecsdb/recovery/saved_state.hpp"

#include "recovery/world.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace recovery_test::saved_state_test {
namespace {

using ecsdb::ByteBuffer;
using ecsdb::Entity;
using ecsdb::ErrorCode;
using Bytes = std::vector<std::byte>;

ecsdb::Options in_memory() {
    ecsdb::Options options;
    options.own_thread = false;
    return options;
}

Bytes saved(World& world) {
    ecsdb::SystemAllocator memory;
    ByteBuffer out{memory};
    auto version = world.snapshot(out);
    if (!version) {
        FAIL(version.error().to_string());
    }
    CHECK(*version == world.version());
    return {out.view().begin(), out.view().end()};
}

/// Random operations on a few entities, so that indices are used again and again.
class Churn {
public:
    Churn(World& world, std::uint64_t seed) : world_{&world}, random_{seed} { find_living(); }

    void find_living() {
        living_.clear();
        const auto view = world_->read();
        view.root().entities.for_each([&](std::uint32_t index, const ecsdb::storage::EntityRecord& record) {
            if (record.archetype != ecsdb::storage::no_archetype) {
                living_.push_back(view.root().entity_at(index));
            }
        });
    }
    void run(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            const auto number = static_cast<std::uint32_t>(random_() % 1000);
            switch (living_.empty() ? 0 : random_() % 5) {
            case 0: {
                auto tx = world_->begin();
                living_.push_back(tx.create(Spot{float(number), 1}));
                if (number % 2 == 0) {
                    living_.push_back(tx.create(Purse{number}, Spot{2, float(number)}));
                }
                require(tx.commit());
                break;
            }
            case 1:
            case 2: {
                const std::size_t victim = random_() % living_.size();
                require(world_->destroy(living_[victim]).wait());
                living_.erase(living_.begin() + static_cast<std::ptrdiff_t>(victim));
                break;
            }
            case 3:
                require(world_->set(living_[random_() % living_.size()], Purse{number}).wait());
                break;
            default:
                require(world_->remove<Purse>(living_[random_() % living_.size()]).wait());
                break;
            }
        }
    }

private:
    World* world_;
    std::mt19937_64 random_;
    std::vector<Entity> living_;
};

Entity create(World& world, Purse purse) {
    auto tx = world.begin();
    const Entity entity = tx.create(purse);
    require(tx.commit());
    return entity;
}

} // namespace

TEST_CASE("what was saved in memory comes back with ids, generations, free indices and counts", "[recovery][snapshot]") {
    const std::uint64_t seed = GENERATE(1, 2, 3, 4, 5, 6, 7, 8);
    CAPTURE(seed);
    World world = open_or_fail(in_memory());
    Churn churn{world, seed};
    churn.run(40);
    std::vector<Bytes> kept;
    std::vector<std::uint64_t> hashes;
    std::vector<std::vector<std::uint32_t>> counts;
    for (int stage = 0; stage < 4; ++stage) {
        kept.push_back(saved(world));
        hashes.push_back(world.read().hash());
        std::vector<std::uint32_t> now(300);
        world.engine().store().entity_versions().copy_to(0, now);
        const auto view = world.read();
        for (std::uint32_t i = 0; i < now.size(); ++i) {
            const auto* const record = view.root().entities.find(i);
            now[i] = record != nullptr && record->archetype != ecsdb::storage::no_archetype ? now[i] : 0;
        }
        counts.push_back(now);
        churn.run(30);
    }
    for (const std::size_t stage : {2U, 0U, 3U, 1U, 1U, 0U}) {
        CAPTURE(stage);
        const auto before = world.read();
        const std::uint64_t before_hash = before.hash();
        require(world.restore(kept[stage]));
        CHECK(world.version() == before.version() + 1);
        const auto after = world.read();
        CHECK(after.hash() == hashes[stage]);
        CHECK(before.hash() == before_hash);
        for (std::uint32_t i = 0; i < counts[stage].size(); ++i) {
            const auto* const record = after.root().entities.find(i);
            if (record != nullptr && record->archetype != ecsdb::storage::no_archetype) {
                CHECK(world.engine().store().entity_versions().count(i) == counts[stage][i]);
            }
        }
        churn.find_living();
        churn.run(25); // ids that are handed out now are nobody's
    }
    // Another database of the same schema takes it too.
    World other = open_or_fail(in_memory());
    require(other.restore(kept[3]));
    CHECK(other.read().hash() == hashes[3]);
    Churn{other, seed}.run(100);
}

TEST_CASE("an id that a restore has given up never names anybody again", "[recovery][snapshot]") {
    World world = open_or_fail(in_memory());
    const Entity first = create(world, Purse{1});
    const Bytes kept = saved(world);
    std::vector<Entity> given_up;
    for (int i = 0; i < 50; ++i) {
        require(world.destroy(given_up.empty() ? first : given_up.back()).wait());
        given_up.push_back(create(world, Purse{2}));
    }
    require(world.restore(kept));
    CHECK(world.get<Purse>(first)->gold == 1);
    require(world.destroy(first).wait());
    for (int i = 0; i < 300; ++i) {
        const Entity now = create(world, Purse{3});
        CHECK(std::find(given_up.begin(), given_up.end(), now) == given_up.end());
        CHECK(now != first);
        if (i % 2 == 0) {
            require(world.destroy(now).wait());
        }
    }
}

} // namespace recovery_test::saved_state_test
