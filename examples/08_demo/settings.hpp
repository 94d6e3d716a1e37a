/// @file
/// What parent and child of the demo must agree on: which levels, how many writers, how the database is opened.
#pragma once

#include "ecsdb/ecsdb.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "level/import.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demo {

struct Settings {
    std::string directory; ///< Of the database.
    std::string wads{level::debian_wad_directory};
    bool quick = false; ///< A small level and a short run, for tests.

    [[nodiscard]] std::uint32_t seconds() const noexcept { return quick ? 1 : 12; }
};

inline constexpr std::uint32_t writers = 2;
inline constexpr std::uint32_t readers = 3;

[[nodiscard]] inline ecsdb::Result<std::vector<level::LevelSource>> sources_of(const Settings& settings) {
    ecsdb::PosixFileSystem files;
    if (settings.quick) {
        const level::BuiltInLevel small{.maps = 4, .rooms_per_side = 8, .things_per_room = 3};
        std::vector<level::LevelSource> sources;
        sources.push_back({"built-in", level::build_level(small), true});
        return sources;
    }
    return level::find_levels(files, settings.wads);
}

[[nodiscard]] inline ecsdb::Result<level::World> open_world(const Settings& settings, ecsdb::OpenMode mode) {
    auto schema = ecsdb::load_schema_file(std::string{ECSDB_SOURCE_DIRECTORY} + "/schemas/level.toml");
    if (!schema) {
        return std::move(schema).error();
    }
    ecsdb::Options options;
    options.directory = settings.directory;
    options.durability = ecsdb::Durability::Logged;
    options.mode = mode;
    // Small, so that the log is being switched most of the time.
    options.segment_bytes = std::size_t{1} << 20U;
    return level::World::open(options, std::move(*schema));
}

/// The things of all levels as they are imported, in the order of their numbers.
[[nodiscard]] inline std::vector<level::ThingRecord> things_of(const std::vector<level::Game>& games) {
    std::vector<level::ThingRecord> things;
    for (const level::Game& game : games) {
        for (const level::MapData& map : game.maps) {
            things.insert(things.end(), map.things.begin(), map.things.end());
        }
    }
    return things;
}

} // namespace demo
