/// @file
/// Finds the levels to import: the WAD files Debian's package freedoom installs, else the built-in level.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "level/built_in_level.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace level {

/// The bytes of one WAD and where they are from.
struct LevelSource {
    std::string name; ///< The file's name without its directory, or `built-in`.
    std::vector<std::byte> bytes;
    bool built_in = false;
};

/// Where Debian's games keep their WADs.
inline constexpr std::string_view debian_wad_directory = "/usr/share/games/doom";
/// More than this a WAD's signed 32-bit offsets cannot name.
inline constexpr std::uint64_t max_wad_size = std::uint64_t{1} << 31U;

/// Reads one WAD file whole; `read_wad` makes sense of it. Errors are those of `ecsdb::read_all`.
[[nodiscard]] inline ecsdb::Result<LevelSource> load_level(ecsdb::FileSystem& files, const std::string& path) {
    auto bytes = ecsdb::read_all(files, path, max_wad_size);
    if (!bytes) {
        return std::move(bytes).error();
    }
    return LevelSource{path.substr(path.find_last_of('/') + 1), *std::move(bytes), false};
}

/// The levels of freedoom's two WADs in `directory`, as many as there are; the built-in level where there is none. A WAD that is there
/// but cannot be read is an error.
[[nodiscard]] inline ecsdb::Result<std::vector<LevelSource>>
find_levels(ecsdb::FileSystem& files, std::string_view directory = debian_wad_directory, const BuiltInLevel& otherwise = {}) {
    constexpr std::array<std::string_view, 2> names{"freedoom1.wad", "freedoom2.wad"};
    std::vector<LevelSource> found;
    for (const std::string_view name : names) {
        auto source = load_level(files, std::string{directory} + "/" + std::string{name});
        if (source) {
            found.push_back(*std::move(source));
        } else if (source.error().code() != ecsdb::ErrorCode::NotFound) {
            return std::move(source).error();
        }
    }
    if (found.empty()) {
        found.push_back({"built-in", build_level(otherwise), true});
    }
    return found;
}

} // namespace level
