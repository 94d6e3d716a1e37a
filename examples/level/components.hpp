/// @file
/// The components of schemas/level.toml as C++ structs: the level as the WAD tells it, and what the simulation adds to its things.
#pragma once

#include "ecsdb/core/entity.hpp"
#include "ecsdb/schema/component.hpp"
#include "ecsdb/schema/types.hpp"

#include <cstdint>

namespace level {

struct Map {
    ecsdb::FixedString<8> name;
    ecsdb::FixedString<64> source; ///< The WAD it was read from.
};

struct Sector {
    ecsdb::Entity map;
    std::int16_t floor_height = 0;
    std::int16_t ceiling_height = 0;
    std::int16_t light = 0;
    std::uint16_t special = 0;
    std::uint16_t tag = 0;
    ecsdb::FixedString<8> floor_texture;
    ecsdb::FixedString<8> ceiling_texture;
};

struct Vertex {
    ecsdb::Entity map;
    std::int16_t x = 0;
    std::int16_t y = 0;
};

struct Sidedef {
    ecsdb::Entity sector;
    std::int16_t offset_x = 0;
    std::int16_t offset_y = 0;
    ecsdb::FixedString<8> upper_texture;
    ecsdb::FixedString<8> lower_texture;
    ecsdb::FixedString<8> middle_texture;
};

struct Linedef {
    ecsdb::Entity start; ///< A vertex.
    ecsdb::Entity end;   ///< A vertex.
    ecsdb::Entity front; ///< The sidedef to its right; null where there is none.
    ecsdb::Entity back;  ///< The sidedef to its left; null where there is none.
    std::uint16_t flags = 0;
    std::uint16_t special = 0;
    std::uint16_t tag = 0;
};

struct Thing {
    ecsdb::Entity map;
    std::int16_t start_x = 0;
    std::int16_t start_y = 0;
    std::uint16_t angle = 0; ///< Degrees, 0 is east, counter-clockwise.
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    std::uint32_t number = 0; ///< Counted through all maps in the order of their import; what is born later goes on counting.
};

/// Where a thing is now, in map units.
struct Position {
    float x = 0;
    float y = 0;
    float z = 0;
    std::uint32_t step = 0; ///< Of the simulation: every step moves all things, so all have the same.
};

/// Map units per step.
struct Velocity {
    float x = 0;
    float y = 0;
    float z = 0;
};

struct Health {
    std::uint32_t hp = 0;
    std::uint32_t max_hp = 0;
};

/// How far one writer of the simulation has come.
struct Progress {
    std::uint32_t writer = 0;
    std::uint64_t transactions = 0;
};

ECSDB_COMPONENT_NAMED(Map, "map", name, source);
ECSDB_COMPONENT_NAMED(Sector, "sector", map, floor_height, ceiling_height, light, special, tag, floor_texture, ceiling_texture);
ECSDB_COMPONENT_NAMED(Vertex, "vertex", map, x, y);
ECSDB_COMPONENT_NAMED(Sidedef, "sidedef", sector, offset_x, offset_y, upper_texture, lower_texture, middle_texture);
ECSDB_COMPONENT_NAMED(Linedef, "linedef", start, end, front, back, flags, special, tag);
ECSDB_COMPONENT_NAMED(Thing, "thing", map, start_x, start_y, angle, type, flags, number);
ECSDB_COMPONENT_NAMED(Position, "position", x, y, z, step);
ECSDB_COMPONENT_NAMED(Velocity, "velocity", x, y, z);
ECSDB_COMPONENT_NAMED(Health, "health", hp, max_hp);
ECSDB_COMPONENT_NAMED(Progress, "progress", writer, transactions);

} // namespace level
