/// @file
/// What the recovered database has to look like, computed without it: from the WADs, the rules, and how far each writer has come.
#pragma once

#include "08_demo/herd.hpp"
#include "08_demo/settings.hpp"
#include "level/checks.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace demo {

/// The state of the simulation in plain memory.
class Expectation {
public:
    explicit Expectation(const std::vector<level::Game>& games) : records_{things_of(games)} {
        for (const level::Game& game : games) {
            maps_ += game.maps.size();
            for (const level::MapData& map : game.maps) {
                fixed_rows_ += 1 + map.sectors.size() + map.vertices.size() + map.sidedefs.size() + map.linedefs.size();
            }
        }
    }

    [[nodiscard]] std::uint64_t maps() const noexcept { return maps_; }
    [[nodiscard]] std::size_t things() const noexcept { return records_.size(); }

    /// Whether the view is exactly the state that its number of steps and of each writer's transactions lead to, and whether those are as
    /// many as its version says.
    [[nodiscard]] ecsdb::Result<void> compare_with(const level::World::View& view) const {
        std::vector<level::ThingStart> starts;
        std::vector<Member> members;
        for (const level::ThingRecord& record : records_) {
            const auto number = static_cast<std::uint32_t>(starts.size());
            starts.push_back(level::start_of(record, number));
            members.push_back({number, number, starts.back().health, {}});
        }
        auto totals = level::total_things(view);
        if (!totals) {
            return std::move(totals).error();
        }
        for (level::ThingStart& start : starts) {
            for (std::uint32_t step = 0; step < totals->step; ++step) {
                move_thing(start.position, start.velocity);
            }
        }
        // One transaction for each map and one to set up the writers; then one for each step and each deed.
        std::uint64_t version = maps_ + 1 + totals->step;
        std::vector<Member> expected;
        const std::array<std::uint64_t, writers> deeds = deeds_in(view);
        for (std::uint32_t writer = 0; writer < writers; ++writer) {
            Herd herd{writer, writers, members};
            while (herd.deeds() < deeds[writer]) {
                herd.next();
            }
            version += deeds[writer];
            expected.insert(expected.end(), herd.members().begin(), herd.members().end());
        }
        if (view.version() != version) {
            return different("version " + std::to_string(view.version()) + " holds the work of " + std::to_string(version) +
                             " transactions");
        }
        return compare_things(view, starts, expected);
    }

private:
    [[nodiscard]] static ecsdb::Error different(std::string what) { return {ecsdb::ErrorCode::Corrupt, std::move(what)}; }

    [[nodiscard]] static std::array<std::uint64_t, writers> deeds_in(const level::World::View& view) {
        std::array<std::uint64_t, writers> deeds{};
        view.each<level::Progress>([&](const level::Progress& progress) { deeds.at(progress.writer) = progress.transactions; });
        return deeds;
    }

    [[nodiscard]] ecsdb::Result<void> compare_things(const level::World::View& view, const std::vector<level::ThingStart>& paths,
                                                     const std::vector<Member>& expected) const {
        const std::uint64_t entities = fixed_rows_ + writers + expected.size();
        if (view.entity_count() != entities || view.count<level::Thing>() != expected.size()) {
            return different(std::to_string(view.entity_count()) + " entities where there should be " + std::to_string(entities));
        }
        std::uint32_t numbers = 0;
        for (const Member& member : expected) {
            numbers = std::max(numbers, member.number + 1);
        }
        std::vector<const Member*> by_number(numbers);
        for (const Member& member : expected) {
            by_number[member.number] = &member;
        }
        std::string problem;
        view.each<level::Thing, level::Position, level::Velocity, level::Health>(
            [&](const level::Thing& thing, const level::Position& position, const level::Velocity& velocity, const level::Health& health) {
                // Whoever comes twice finds nobody the second time.
                const Member* const member = thing.number < numbers ? std::exchange(by_number[thing.number], nullptr) : nullptr;
                if (member == nullptr || !is_same(thing, position, velocity, health, *member, paths[member->ancestor])) {
                    problem = "thing " + std::to_string(thing.number) + " is not where, or not what, it should be";
                }
            });
        return problem.empty() ? ecsdb::Result<void>{} : ecsdb::Result<void>{different(std::move(problem))};
    }

    [[nodiscard]] bool is_same(const level::Thing& thing, const level::Position& position, const level::Velocity& velocity,
                               const level::Health& health, const Member& member, const level::ThingStart& path) const noexcept {
        const level::ThingRecord& record = records_[member.ancestor];
        const bool same_thing = thing.start_x == record.x && thing.start_y == record.y && thing.angle == record.angle &&
                                thing.type == record.type && thing.flags == record.flags;
        const bool same_place = position.x == path.position.x && position.y == path.position.y && velocity.x == path.velocity.x &&
                                velocity.y == path.velocity.y;
        return same_thing && same_place && health.hp == member.health.hp && health.max_hp == member.health.max_hp;
    }

    std::vector<level::ThingRecord> records_;
    std::uint64_t maps_ = 0;
    std::uint64_t fixed_rows_ = 0;
};

} // namespace demo
