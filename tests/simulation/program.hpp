/// @file
/// A world of every kind of component, a plain model of it, and random transactions of every form whose outcome the model foretells.
#pragma once

#include "ecsdb/database.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::simulation {

struct Spot {
    std::int32_t x, y;
};
ECSDB_COMPONENT(Spot, x, y);

/// No two purses have the same number.
struct Purse {
    std::uint64_t number;
    std::uint64_t gold;
};
ECSDB_COMPONENT(Purse, number, gold);

/// Names the purse somebody carries, and goes with it.
struct Carries {
    Entity purse;
};
ECSDB_COMPONENT(Carries, purse);

struct Story {
    std::uint32_t stars = 0;
    Text words;
};
ECSDB_COMPONENT(Story, stars, words);

struct Asleep {};
ECSDB_COMPONENT(Asleep);

/// Kept by snapshots only.
struct Pose {
    std::int32_t angle;
};
ECSDB_COMPONENT(Pose, angle);

} // namespace ecsdb::test::simulation

template <>
struct ecsdb::ComponentOptions<ecsdb::test::simulation::Purse> {
    static void constrain(TableEditor& table) { table.field("number").unique(); }
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::simulation::Carries> {
    static constexpr Storage storage = Storage::Sparse;
    static void constrain(TableEditor& table) { table.field("purse").references("Purse", "entity_id", OnDelete::Cascade); }
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::simulation::Asleep> {
    static constexpr Storage storage = Storage::Sparse;
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::simulation::Pose> {
    static constexpr Persist persist = Persist::Snapshot;
};

namespace ecsdb::test::simulation {

using World = Database<Spot, Purse, Carries, Story, Asleep, Pose>;

/// One entity, as it should be.
struct Thing {
    std::optional<std::pair<std::int32_t, std::int32_t>> spot;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> purse;
    std::optional<std::uint64_t> carries;
    std::optional<std::pair<std::uint32_t, std::string>> story;
    bool asleep = false;
    std::optional<std::int32_t> pose;
    std::uint32_t count = 0;    ///< Transactions that changed it since the one that created it.
    std::uint32_t unlogged = 0; ///< Of those, the ones the log says nothing of.
    /// The version that last came as a whole (`restore`, `apply_delta`) and made it what it is. What an older snapshot and the log make of
    /// its pose and count is one of several things.
    std::uint64_t whole_at = 0;
    /// Which creation it comes from: going back to a saved state gives ids back, and one of them may be given again.
    std::uint64_t born = 0;

    friend bool operator==(const Thing&, const Thing&) = default;
};
/// All living entities, by the bits of their ids.
using State = std::map<std::uint64_t, Thing>;

[[nodiscard]] inline State state_of(const World::View& view) {
    State state;
    view.for_each_entity([&](Entity entity) {
        Thing& thing = state[entity.to_bits()];
        const auto [spot, purse, carries, story, asleep, pose] = view.get<Spot, Purse, Carries, Story, Asleep, Pose>(entity);
        if (spot != nullptr) {
            thing.spot = {spot->x, spot->y};
        }
        if (purse != nullptr) {
            thing.purse = {purse->number, purse->gold};
        }
        if (carries != nullptr) {
            thing.carries = carries->purse.to_bits();
        }
        if (story != nullptr) {
            thing.story = {story->stars, std::string{view.text(story->words)}};
        }
        thing.asleep = asleep != nullptr;
        if (pose != nullptr) {
            thing.pose = pose->angle;
        }
        thing.count = view.entity_version(entity).value_or(0);
    });
    return state;
}

/// What distinguishes two states, or nothing.
[[nodiscard]] inline std::string difference(const State& found, const State& wanted) {
    if (found.size() != wanted.size()) {
        return std::to_string(found.size()) + " entities, not " + std::to_string(wanted.size());
    }
    for (auto one = found.begin(), other = wanted.begin(); one != found.end(); ++one, ++other) {
        const std::string name = "entity " + std::to_string(Entity::from_bits(other->first).index());
        if (one->first != other->first) {
            return name + " is missing";
        }
        Thing should = other->second;
        should.unlogged = 0;
        should.whole_at = 0;
        should.born = 0;
        if (const Thing& is = one->second; is != should) {
            return name + " differs in its" + (is.spot != should.spot ? " spot" : "") + (is.purse != should.purse ? " purse" : "") +
                   (is.carries != should.carries ? " reference" : "") + (is.story != should.story ? " story" : "") +
                   (is.asleep != should.asleep ? " tag" : "") + (is.pose != should.pose ? " pose" : "") +
                   (is.count != should.count ? " count, " + std::to_string(is.count) + " for " + std::to_string(should.count) : "");
        }
    }
    return {};
}

/// What recovery makes of `state` from a snapshot of `saved` at version `snapshot` and the log behind it: poses as they were saved, and
/// changes of them counted as far, or further where `found` says so.
[[nodiscard]] inline State recovered(State state, std::uint64_t snapshot, const State& saved, const State& found) {
    for (auto& [bits, thing] : state) {
        const auto old = saved.find(bits);
        const auto there = found.find(bits);
        if (thing.whole_at > snapshot) {
            if (there != found.end()) {
                const std::optional<std::int32_t> pose = there->second.pose;
                thing.pose = pose == thing.pose || (old != saved.end() && pose == old->second.pose) ? pose : std::nullopt;
                const std::uint32_t counted =
                    std::clamp(there->second.count, thing.count - std::min(thing.count, thing.unlogged), thing.count);
                thing.unlogged -= std::min(thing.unlogged, thing.count - counted);
                thing.count = counted;
            }
            continue;
        }
        const bool same = old != saved.end() && old->second.born == thing.born;
        thing.pose = same ? old->second.pose : std::nullopt;
        const std::uint32_t unlogged = same ? old->second.unlogged : 0;
        const std::uint32_t least = thing.count - (thing.unlogged - unlogged);
        const std::uint32_t counted = there == found.end() ? least : std::clamp(there->second.count, least, thing.count);
        thing.unlogged = unlogged + (counted - least);
        thing.count = counted;
    }
    return state;
}

/// Transactions to come, with what becomes of the state.
class Program {
public:
    explicit Program(std::uint64_t seed) : random_{seed} {}

    [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random_() % end; }
    [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }

    /// Adds up to `most` operations to `tx` and makes `state` what it will be after it. False where it must fail for a constraint; then
    /// `state` is to be thrown away.
    template <typename Tx>
    [[nodiscard]] bool fill(Tx& tx, State& state, std::size_t most) {
        touched_.clear();
        kept_purses_.clear();
        const State before = state;
        for (std::uint64_t left = 1 + below(most); left != 0; --left) {
            operate(tx, state);
        }
        const bool violates = one_in(12) && violate(tx, state);
        finish(before, state);
        return !violates;
    }

    /// Whether rows come and go that only snapshots keep.
    void set_poses(bool poses) noexcept { poses_ = poses; }

    /// What a column update of all spots does.
    static void turn(Spot& spot) noexcept {
        spot.x = static_cast<std::int32_t>(static_cast<std::uint32_t>(spot.x) * 3U + 1U);
        spot.y ^= spot.x;
    }
    /// The same to the model; whether there was anything to do.
    static bool turn(State& state) {
        bool any = false;
        for (auto& [bits, thing] : state) {
            if (thing.spot) {
                Spot spot{thing.spot->first, thing.spot->second};
                turn(spot);
                any = true;
                thing.spot = {spot.x, spot.y};
            }
        }
        return any;
    }

private:
    [[nodiscard]] std::uint64_t somebody(const State& state) {
        auto chosen = state.begin();
        std::advance(chosen, static_cast<std::ptrdiff_t>(below(state.size())));
        return chosen->first;
    }
    [[nodiscard]] std::string words() {
        std::string text(one_in(25) ? 3000 + below(3000) : below(40), '\0');
        for (char& letter : text) {
            letter = static_cast<char>('a' + below(26));
        }
        return text;
    }
    /// Small numbers, so that freed ones are used again.
    [[nodiscard]] std::uint64_t free_number(const State& state) {
        for (;;) {
            const std::uint64_t number = below(200);
            const bool taken = std::any_of(state.begin(), state.end(),
                                           [&](const auto& each) { return each.second.purse && each.second.purse->first == number; });
            if (!taken) {
                return number;
            }
        }
    }

    template <typename Tx>
    void operate(Tx& tx, State& state) {
        if (state.empty() || below(40) > state.size() || one_in(8)) {
            const Entity entity = tx.create();
            state[entity.to_bits()] = {};
            state[entity.to_bits()].born = ++births_;
            touched_[entity.to_bits()] = created;
            for (std::uint64_t rows = below(4); rows != 0; --rows) {
                put(tx, state, entity.to_bits());
            }
            return;
        }
        const std::uint64_t bits = somebody(state);
        if (one_in(10) && !kept_purses_.contains(bits)) {
            tx.destroy(Entity::from_bits(bits));
            state.erase(bits);
            return;
        }
        if (one_in(3)) {
            take(tx, state, bits);
        } else {
            put(tx, state, bits);
        }
    }

    template <typename Tx>
    void put(Tx& tx, State& state, std::uint64_t bits) {
        Thing& thing = state[bits];
        const Entity entity = Entity::from_bits(bits);
        const std::uint64_t component = below(poses_ ? 6 : 5);
        switch (component) {
        case 0:
            thing.spot = {static_cast<std::int32_t>(below(1000)), 7};
            tx.set(entity, Spot{thing.spot->first, 7});
            break;
        case 1:
            thing.purse = {thing.purse && !one_in(3) ? thing.purse->first : free_number(state), below(100)};
            tx.set(entity, Purse{thing.purse->first, thing.purse->second});
            break;
        case 2: {
            const std::uint64_t target = somebody(state);
            if (!state[target].purse) {
                return;
            }
            kept_purses_.insert(target);
            thing.carries = target;
            tx.set(entity, Carries{Entity::from_bits(target)});
            break;
        }
        case 3:
            thing.story = {static_cast<std::uint32_t>(below(6)), words()};
            tx.set(entity, Story{thing.story->first, tx.text(thing.story->second)});
            break;
        case 4:
            thing.asleep = true;
            tx.set(entity, Asleep{});
            break;
        default:
            thing.pose = static_cast<std::int32_t>(below(360));
            tx.set(entity, Pose{*thing.pose});
            break;
        }
        touched_[bits] |= 1U << component;
    }

    template <typename Tx>
    void take(Tx& tx, State& state, std::uint64_t bits) {
        Thing& thing = state[bits];
        const Entity entity = Entity::from_bits(bits);
        bool had = false;
        const std::uint64_t component = below(poses_ ? 6 : 5);
        switch (component) {
        case 0:
            had = std::exchange(thing.spot, {}).has_value();
            tx.template remove<Spot>(entity);
            break;
        case 1:
            if (kept_purses_.contains(bits)) {
                return;
            }
            had = std::exchange(thing.purse, {}).has_value();
            tx.template remove<Purse>(entity);
            break;
        case 2:
            had = std::exchange(thing.carries, {}).has_value();
            tx.template remove<Carries>(entity);
            break;
        case 3:
            had = std::exchange(thing.story, {}).has_value();
            tx.template remove<Story>(entity);
            break;
        case 4:
            had = std::exchange(thing.asleep, false);
            tx.template remove<Asleep>(entity);
            break;
        default:
            had = std::exchange(thing.pose, {}).has_value();
            tx.template remove<Pose>(entity);
            break;
        }
        if (had) {
            touched_[bits] |= 1U << component;
        }
    }

    /// A number that somebody has already, or a purse that is none.
    template <typename Tx>
    bool violate(Tx& tx, State& state) {
        for (const auto& [bits, thing] : state) {
            const Entity other = Entity::from_bits(bits);
            if (thing.purse && !one_in(3)) {
                const Entity entity = tx.create();
                tx.set(entity, Purse{thing.purse->first, 1});
                return true;
            }
            if (!thing.purse && thing.carries != bits) {
                tx.set(other, Carries{other});
                return true;
            }
        }
        return false;
    }

    /// What follows from the operations: references that go with what they name, and counts.
    void finish(const State& before, State& state) {
        for (auto& [bits, thing] : state) {
            if (thing.carries) {
                const auto target = state.find(*thing.carries);
                const auto old = before.find(*thing.carries);
                if ((target == state.end() || !target->second.purse) && old != before.end() && old->second.purse) {
                    thing.carries.reset();
                    touched_[bits] |= 1U << 2U;
                }
            }
        }
        for (const auto& [bits, components] : touched_) {
            if (const auto found = state.find(bits); found != state.end()) {
                const auto old = before.find(bits);
                const unsigned there = logged_in(found->second) | (old == before.end() ? created : logged_in(old->second));
                ++found->second.count;
                found->second.unlogged += (components & there) != 0 ? 0U : 1U;
            }
        }
    }
    /// The components the log keeps, by the numbers that `put` and `take` give them. One that was added and removed in the same transaction
    /// leaves nothing in the log.
    [[nodiscard]] static unsigned logged_in(const Thing& thing) noexcept {
        return (thing.spot ? 1U : 0U) | (thing.purse ? 2U : 0U) | (thing.carries ? 4U : 0U) | (thing.story ? 8U : 0U) |
               (thing.asleep ? 16U : 0U);
    }

    static constexpr unsigned created = 64;

    std::mt19937_64 random_;
    bool poses_ = true;
    std::uint64_t births_ = 0;
    std::map<std::uint64_t, unsigned> touched_; ///< And in which components.
    std::set<std::uint64_t> kept_purses_;       ///< Named by this transaction.
};

/// A function's state with a transaction's words. What fails is kept for the function to return.
class InFunction {
public:
    explicit InFunction(World::WriteState& state) noexcept : state_{&state} {}

    Entity create() { return take(state_->create()); }
    Text text(std::string_view words) { return take(state_->text(words)); }
    template <typename T>
    void set(Entity entity, const T& row) {
        note(state_->set(entity, row));
    }
    template <typename T>
    void remove(Entity entity) {
        note(state_->remove<T>(entity));
    }
    void destroy(Entity entity) { note(state_->destroy(entity)); }

    [[nodiscard]] Result<void> done() { return std::move(first_failure_); }

private:
    template <typename T>
    T take(Result<T> result) {
        if (result) {
            return std::move(*result);
        }
        note(std::move(result).error());
        return {};
    }
    void note(Result<void> result) {
        if (!result && first_failure_) {
            first_failure_ = std::move(result);
        }
    }

    World::WriteState* state_;
    Result<void> first_failure_;
};

} // namespace ecsdb::test::simulation
