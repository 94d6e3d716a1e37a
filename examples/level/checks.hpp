/// @file
/// What must hold in every version of a level: every foreign key names a row that is there, and nobody's health is lost.
#pragma once

#include "level/import.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace level {

/// Follows every foreign key of every row, as the schema has them; an error names table, field and entity. Cost: O(rows).
[[nodiscard]] inline ecsdb::Result<std::uint64_t> check_foreign_keys(const ecsdb::View& view) {
    std::uint64_t followed = 0;
    std::string broken;
    const auto follow = [&](const ecsdb::Table& table, const ecsdb::Field& field, ecsdb::Entity entity, const std::byte* row) {
        ecsdb::Entity target;
        std::memcpy(&target, row + field.offset, sizeof(target));
        ++followed;
        const ecsdb::TableId wanted = field.foreign_key->table_id;
        const bool holds = target.is_null()            ? field.nullable
                           : wanted == ecsdb::no_table ? view.is_alive(target)
                                                       : view.find_row(target, wanted) != nullptr;
        if (!holds && broken.empty()) {
            broken = table.name + "." + field.name + " of entity " + std::to_string(entity.index()) + " names entity " +
                     std::to_string(target.index()) + ", which is no " + field.foreign_key->table;
        }
    };
    for (const ecsdb::Table& table : view.schema().tables()) {
        for (const ecsdb::Field& field : table.fields) {
            if (field.type == ecsdb::FieldType::Entity && field.foreign_key) {
                view.for_each_row(std::array{table.id},
                                  [&](ecsdb::Entity entity, const std::byte* const* rows) { follow(table, field, entity, rows[0]); });
            }
        }
    }
    if (!broken.empty()) {
        return ecsdb::Error{ecsdb::ErrorCode::ConstraintViolation, "version " + std::to_string(view.version()) + ": " + broken};
    }
    return followed;
}

/// Sums over all things of one version.
struct ThingTotals {
    std::uint64_t things = 0;
    std::uint64_t health = 0;
    std::uint32_t step = 0;
};

/// Fails where things of one version are at different steps of the simulation. Cost: O(things).
[[nodiscard]] inline ecsdb::Result<ThingTotals> total_things(const World::View& view) {
    ThingTotals totals;
    std::optional<std::uint32_t> other_step;
    view.each<Thing, Position, Velocity, Health>(
        [&](const Thing& thing, const Position& position, const Velocity& velocity, const Health& health) {
            static_cast<void>(thing);
            static_cast<void>(velocity);
            if (totals.things++ == 0) {
                totals.step = position.step;
            } else if (position.step != totals.step) {
                other_step = position.step;
            }
            totals.health += health.hp;
        });
    if (other_step) {
        return ecsdb::Error{ecsdb::ErrorCode::ConstraintViolation, "version " + std::to_string(view.version()) + ": shows step " +
                                                                       std::to_string(totals.step) + " and step " +
                                                                       std::to_string(*other_step)};
    }
    return totals;
}

} // namespace level
