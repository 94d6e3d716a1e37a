/// @file
/// Puts the maps of a WAD into a database: each map one transaction, every reference between its records an entity reference.
#pragma once

#include "ecsdb/database.hpp"
#include "level/components.hpp"
#include "level/sources.hpp"
#include "level/wad.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace level {

/// A database of schemas/level.toml.
using World = ecsdb::Database<Map, Sector, Vertex, Sidedef, Linedef, Thing, Position, Velocity, Health, Progress>;

/// Every map of one WAD.
struct Game {
    std::string name;
    std::vector<MapData> maps;

    [[nodiscard]] std::uint32_t thing_count() const noexcept {
        std::size_t count = 0;
        for (const MapData& map : maps) {
            count += map.things.size();
        }
        return static_cast<std::uint32_t>(count);
    }
};

/// Reads all maps of a WAD, or none: errors are those of `read_wad` and `read_map`.
[[nodiscard]] inline ecsdb::Result<Game> read_game(const LevelSource& source) {
    auto wad = read_wad(source.bytes, source.name);
    if (!wad) {
        return std::move(wad).error();
    }
    Game game;
    game.name = source.name;
    for (const MapMarker& marker : wad->maps()) {
        auto map = read_map(*wad, marker);
        if (!map) {
            return std::move(map).error();
        }
        game.maps.push_back(std::move(*map));
    }
    return game;
}

/// What the simulation adds to a thing: where it starts, where it is heading, how much it can take.
struct ThingStart {
    Position position;
    Velocity velocity;
    Health health;
};

/// Whole numbers throughout, so that the simulation's sums are exact.
[[nodiscard]] inline ThingStart start_of(const ThingRecord& thing, std::uint32_t number) noexcept {
    constexpr std::array<float, 8> cosine{1, 1, 0, -1, -1, -1, 0, 1}; // signs are enough: it has eight directions
    const std::size_t direction = thing.angle / 45U % 8U;
    const auto speed = static_cast<float>(1 + number % 7U);
    const std::uint32_t hp = 50 + number % 151U;
    return {{static_cast<float>(thing.x), static_cast<float>(thing.y), 0, 0},
            {speed * cosine[direction], speed * cosine[(direction + 6U) % 8U], 0},
            {hp, hp}};
}

/// Imports one map as one transaction, visible when it returns. Its things are numbered from `first_thing`.
inline ecsdb::Result<void> import_map(World& db, const MapData& map, const std::string& source, std::uint32_t first_thing) {
    World::Transaction transaction = db.begin();
    const ecsdb::Entity owner = transaction.create(Map{map.name, ecsdb::FixedString<64>{source}});
    std::vector<ecsdb::Entity> sectors;
    for (const SectorRecord& from : map.sectors) {
        sectors.push_back(transaction.create(Sector{owner, from.floor_height, from.ceiling_height, from.light, from.special, from.tag,
                                                    from.floor_texture, from.ceiling_texture}));
    }
    std::vector<ecsdb::Entity> vertices;
    for (const VertexRecord& from : map.vertices) {
        vertices.push_back(transaction.create(Vertex{owner, from.x, from.y}));
    }
    std::vector<ecsdb::Entity> sidedefs;
    for (const SidedefRecord& from : map.sidedefs) {
        sidedefs.push_back(
            transaction.create(Sidedef{sectors[from.sector], from.offset_x, from.offset_y, from.upper, from.lower, from.middle}));
    }
    const auto side = [&](std::uint16_t number) { return number == no_sidedef ? ecsdb::Entity{} : sidedefs[number]; };
    for (const LinedefRecord& from : map.linedefs) {
        transaction.create(
            Linedef{vertices[from.start], vertices[from.end], side(from.front), side(from.back), from.flags, from.special, from.tag});
    }
    std::uint32_t number = first_thing;
    for (const ThingRecord& from : map.things) {
        const ThingStart start = start_of(from, number);
        transaction.create(Thing{owner, from.x, from.y, from.angle, from.type, from.flags, number}, start.position, start.velocity,
                           start.health);
        ++number;
    }
    auto committed = transaction.commit();
    if (!committed) {
        return std::move(committed).error().in(map.name.view()).in(source);
    }
    return {};
}

/// Imports every map of a WAD. A WAD that cannot be read whole leaves the database as it was.
inline ecsdb::Result<void> import_game(World& db, const LevelSource& source, std::uint32_t first_thing) {
    auto game = read_game(source);
    if (!game) {
        return std::move(game).error();
    }
    for (const MapData& map : game->maps) {
        if (auto imported = import_map(db, map, game->name, first_thing); !imported) {
            return imported;
        }
        first_thing += static_cast<std::uint32_t>(map.things.size());
    }
    return {};
}

} // namespace level
