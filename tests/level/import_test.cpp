#include "level/import.hpp"

#include "ecsdb/schema/toml_reader.hpp"
#include "level/built_in_level.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace import_test {

namespace {

using level::World;

World open_world() {
    auto schema = ecsdb::load_schema_file(ecsdb::test::source_file("schemas/level.toml"));
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    auto db = World::open({}, std::move(*schema));
    if (!db) {
        FAIL(db.error().to_string());
    }
    return std::move(*db);
}

level::LevelSource two_maps() {
    return {"small.wad", level::build_level({.maps = 2, .rooms_per_side = 3, .things_per_room = 2}), false};
}

void require(const ecsdb::Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}

} // namespace

TEST_CASE("a WAD cut short anywhere changes nothing and says where it is from", "[level][import]") {
    World db = open_world();
    require(level::import_game(db, two_maps(), 0));
    const std::uint64_t version = db.version();
    const std::uint64_t hash = db.read().hash();
    const level::LevelSource whole = two_maps();
    for (std::size_t kept = 0; kept < whole.bytes.size(); kept += 97) {
        CAPTURE(kept);
        level::LevelSource cut = two_maps();
        cut.bytes.resize(kept);
        const auto imported = level::import_game(db, cut, 0);
        REQUIRE_FALSE(imported);
        CHECK(imported.error().message().find("small.wad: ") == 0);
    }
    CHECK(db.version() == version);
    CHECK(db.read().hash() == hash);
}

TEST_CASE("every map is one transaction, and every record of it an entity", "[level][import]") {
    World db = open_world();
    const auto game = level::read_game(two_maps());
    REQUIRE(game);
    require(level::import_game(db, two_maps(), 0));
    CHECK(db.version() == 2);
    const auto view = db.read();
    CHECK(view.count<level::Map>() == 2);
    CHECK(view.count<level::Sector>() == 2 * 9);
    CHECK(view.count<level::Vertex>() == 2 * 16);
    CHECK(view.count<level::Linedef>() == 2 * 24);
    CHECK(view.count<level::Sidedef>() == 2 * 36);
    CHECK(view.count<level::Thing>() == 2 * 18);
    CHECK(view.count<level::Position>() == 2 * 18);
    CHECK(view.count<level::Velocity>() == 2 * 18);
    CHECK(view.count<level::Health>() == 2 * 18);
    CHECK(view.entity_count() == 2 * (1 + 9 + 16 + 24 + 36 + 18));
    view.each<level::Map>([&](const level::Map& map) { CHECK(map.source.view() == "small.wad"); });
}

TEST_CASE("imported records refer to the records they named in the WAD", "[level][import]") {
    World db = open_world();
    const auto game = level::read_game(two_maps());
    REQUIRE(game);
    const level::MapData& map = game->maps.front();
    require(level::import_map(db, map, game->name, 0));
    const auto view = db.read();
    // Rows come in the order they were created in: nothing has been destroyed.
    std::size_t number = 0;
    view.each<level::Linedef>([&](const level::Linedef& line) {
        const level::LinedefRecord& record = map.linedefs[number++];
        const level::Vertex* const start = view.get<level::Vertex>(line.start);
        const level::Vertex* const end = view.get<level::Vertex>(line.end);
        REQUIRE(start != nullptr);
        REQUIRE(end != nullptr);
        CHECK(start->x == map.vertices[record.start].x);
        CHECK(start->y == map.vertices[record.start].y);
        CHECK(end->x == map.vertices[record.end].x);
        CHECK(end->y == map.vertices[record.end].y);
        CHECK(line.back.is_null() == (record.back == level::no_sidedef));
        const level::Sidedef* const front = view.get<level::Sidedef>(line.front);
        REQUIRE(front != nullptr);
        const level::SidedefRecord& side = map.sidedefs[record.front];
        CHECK(front->middle_texture == side.middle);
        const level::Sector* const sector = view.get<level::Sector>(front->sector);
        REQUIRE(sector != nullptr);
        CHECK(sector->floor_height == map.sectors[side.sector].floor_height);
        CHECK(view.has<level::Map>(sector->map));
    });
    CHECK(number == map.linedefs.size());
}

TEST_CASE("things are numbered through all maps and start where the map has them", "[level][import]") {
    World db = open_world();
    require(level::import_game(db, two_maps(), 100));
    const auto game = level::read_game(two_maps());
    REQUIRE(game);
    CHECK(game->thing_count() == 36);
    const auto view = db.read();
    std::uint32_t next = 100;
    view.each<level::Thing, level::Position, level::Health>(
        [&](const level::Thing& thing, const level::Position& position, const level::Health& health) {
            CHECK(thing.number == next++);
            CHECK(position.x == static_cast<float>(thing.start_x));
            CHECK(position.y == static_cast<float>(thing.start_y));
            CHECK(position.step == 0);
            CHECK(health.hp > 0);
            CHECK(health.hp == health.max_hp);
        });
    CHECK(next == 136);
}

} // namespace import_test
