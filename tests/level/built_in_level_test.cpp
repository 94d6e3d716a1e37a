#include "level/built_in_level.hpp"

#include "level/wad.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace built_in_level_test {

namespace {

std::vector<level::MapData> maps_of(const std::vector<std::byte>& bytes) {
    const auto wad = level::read_wad(bytes, "built-in");
    REQUIRE(wad);
    std::vector<level::MapData> maps;
    for (const level::MapMarker& marker : wad->maps()) {
        auto map = level::read_map(*wad, marker);
        if (!map) {
            FAIL(map.error().to_string());
        }
        maps.push_back(*std::move(map));
    }
    return maps;
}

} // namespace

TEST_CASE("the built-in level has the maps, rooms and things that were asked for", "[level][built_in]") {
    for (const std::uint32_t side : {1U, 2U, 5U, 64U}) {
        const auto maps = maps_of(level::build_level({.maps = 3, .rooms_per_side = side, .things_per_room = 15}));
        CAPTURE(side);
        REQUIRE(maps.size() == 3);
        CHECK(maps[2].name.view() == "MAP03");
        for (const level::MapData& map : maps) {
            CHECK(map.sectors.size() == side * side);
            CHECK(map.vertices.size() == (side + 1) * (side + 1));
            CHECK(map.linedefs.size() == 2 * side * (side + 1));
            CHECK(map.sidedefs.size() == 4 * side * side);
            CHECK(map.things.size() == 15 * side * side);
        }
    }
    CHECK(maps_of(level::build_level({.maps = 99, .rooms_per_side = 1, .things_per_room = 1})).back().name.view() == "MAP99");
}

TEST_CASE("every line of the built-in level faces the room on its right and turns its back on the one on its left", "[level][built_in]") {
    constexpr int side = 5;
    constexpr int room_size = 256;
    const auto maps = maps_of(level::build_level({.maps = 1, .rooms_per_side = side, .things_per_room = 2}));
    const level::MapData& map = maps.front();
    const auto room_at = [&](int x, int y) {
        const bool inside = x >= 0 && y >= 0 && x < side * room_size && y < side * room_size;
        return inside ? y / room_size * side + x / room_size : -1;
    };
    const auto room_of = [&](std::uint16_t sidedef) { return sidedef == level::no_sidedef ? -1 : int{map.sidedefs[sidedef].sector}; };
    for (const level::LinedefRecord& line : map.linedefs) {
        const level::VertexRecord& start = map.vertices[line.start];
        const level::VertexRecord& end = map.vertices[line.end];
        const int x = (start.x + end.x) / 2;
        const int y = (start.y + end.y) / 2;
        const int right_x = (end.y - start.y) / room_size;
        const int right_y = (start.x - end.x) / room_size;
        CHECK(std::abs(right_x) + std::abs(right_y) == 1);
        CHECK(room_of(line.front) == room_at(x + right_x, y + right_y));
        CHECK(room_of(line.back) == room_at(x - right_x, y - right_y));
        CHECK(room_of(line.front) != -1);
        CHECK(((line.flags & 4U) != 0) == (line.back != level::no_sidedef));
    }
    for (std::size_t number = 0; number < map.things.size(); ++number) {
        CHECK(room_at(map.things[number].x, map.things[number].y) == static_cast<int>(number / 2));
        CHECK((map.things[number].type == 1) == (number == 0));
    }
    for (const level::SectorRecord& sector : map.sectors) {
        CHECK(sector.ceiling_height >= sector.floor_height + 128);
    }
}

TEST_CASE("the built-in level is the same on every machine", "[level][built_in]") {
    const level::BuiltInLevel small{.maps = 2, .rooms_per_side = 3, .things_per_room = 2};
    level::BuiltInLevel other = small;
    other.seed = small.seed + 1;
    const auto bytes = level::build_level(small);
    std::uint64_t fnv = 0xCBF29CE484222325ULL;
    for (const std::byte byte : bytes) {
        fnv = (fnv ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001B3ULL;
    }
    CHECK(bytes == level::build_level(small));
    CHECK(bytes != level::build_level(other));
    CHECK(fnv == 0x85C23663E414BDB3ULL);
}

} // namespace built_in_level_test
