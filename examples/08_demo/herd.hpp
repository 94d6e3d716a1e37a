/// @file
/// The rules of the simulation, without a database: what a step does to a thing, and what each writer's next transaction is.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "level/import.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace demo {

/// One step of the simulation: on by the velocity, and back from the walls of a box. Whole numbers: exact, in whatever order.
inline void move_thing(level::Position& position, level::Velocity& velocity) noexcept {
    constexpr float wall = 4096;
    position.x += velocity.x;
    position.y += velocity.y;
    ++position.step;
    if (position.x * velocity.x > 0 && (position.x > wall || position.x < -wall)) {
        velocity.x = -velocity.x;
    }
    if (position.y * velocity.y > 0 && (position.y > wall || position.y < -wall)) {
        velocity.y = -velocity.y;
    }
}

/// One of a writer's things.
struct Member {
    std::uint32_t number = 0;
    std::uint32_t ancestor = 0; ///< The imported thing whose path this one shares.
    level::Health health;
    ecsdb::Entity entity; ///< Known where there is a database.
};

/// A writer's transaction: `giver` gives health to `taker`, and perhaps one of them begins or ends with it. Health is as afterwards.
struct Deed {
    enum class Kind : std::uint8_t { Damage, Birth, Death } kind;
    Member giver; ///< `Death`: it gave everything, and is destroyed.
    Member taker; ///< `Birth`: it is new; its entity is unknown until `Herd::born`.
};

/// The things one writer looks after, and the endless list of what it does to them. Deed n follows from the members at the start and n
/// alone, so that whoever knows a writer's count of transactions knows the state of its things.
class Herd {
public:
    /// Of `writers` herds, the one of number `writer`; it takes its share of `things`, which are in the order of their numbers.
    Herd(std::uint32_t writer, std::uint32_t writers, const std::vector<Member>& things)
        : writer_{writer}, writers_{writers}, next_number_{static_cast<std::uint32_t>(things.size())} {
        for (std::size_t number = writer; number < things.size(); number += writers) {
            members_.push_back(things[number]);
        }
        next_number_ += (writer + writers - next_number_ % writers) % writers;
    }

    [[nodiscard]] std::uint32_t writer() const noexcept { return writer_; }
    /// Deeds so far.
    [[nodiscard]] std::uint64_t deeds() const noexcept { return deeds_; }
    /// In no particular order.
    [[nodiscard]] const std::vector<Member>& members() const noexcept { return members_; }

    /// There must be two members at least.
    Deed next() {
        ++deeds_;
        const std::size_t giver = dice(1, members_.size());
        const std::size_t taker = (giver + 1 + dice(2, members_.size() - 1)) % members_.size();
        const std::uint32_t gift = static_cast<std::uint32_t>(dice(3, std::size_t{members_[giver].health.hp} + 1));
        if (deeds_ % 512 == 256) {
            return give_birth(giver, gift);
        }
        if (deeds_ % 512 == 0 && members_.size() > 2) {
            return die(giver, taker);
        }
        move_health(members_[giver], members_[taker], gift);
        return {Deed::Kind::Damage, members_[giver], members_[taker]};
    }
    /// The newest member has become `entity`.
    void born(ecsdb::Entity entity) noexcept { members_.back().entity = entity; }

private:
    static void move_health(Member& from, Member& to, std::uint32_t hp) noexcept {
        from.health.hp -= hp;
        to.health.hp += hp;
        to.health.max_hp = std::max(to.health.max_hp, to.health.hp);
    }

    [[nodiscard]] std::size_t dice(std::uint64_t salt, std::size_t below) const noexcept {
        return static_cast<std::size_t>(ecsdb::mix64(ecsdb::mix64(deeds_) + writer_ * 16U + salt) % below);
    }

    Deed give_birth(std::size_t giver, std::uint32_t gift) {
        Member young;
        young.number = std::exchange(next_number_, next_number_ + writers_);
        young.ancestor = members_[giver].ancestor;
        move_health(members_[giver], young, gift);
        members_.push_back(young);
        return {Deed::Kind::Birth, members_[giver], young};
    }

    Deed die(std::size_t giver, std::size_t taker) {
        move_health(members_[giver], members_[taker], members_[giver].health.hp);
        const Deed deed{Deed::Kind::Death, members_[giver], members_[taker]};
        members_[giver] = members_.back();
        members_.pop_back();
        return deed;
    }

    std::uint32_t writer_;
    std::uint32_t writers_;
    std::uint32_t next_number_;
    std::uint64_t deeds_ = 0;
    std::vector<Member> members_;
};

} // namespace demo
