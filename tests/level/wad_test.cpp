#include "level/wad.hpp"

#include "ecsdb/io/posix_file_system.hpp"
#include "level/built_in_level.hpp"
#include "level/sources.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wad_test {

namespace {

using level::MapData;

/// One map of four rooms: small enough to damage at every byte.
std::vector<std::byte> small_wad() {
    return level::build_level({.maps = 1, .rooms_per_side = 2, .things_per_room = 1});
}

/// A WAD to be damaged in places named by lump and record.
class Damaged {
public:
    std::vector<std::byte> bytes = small_wad();

    void put(std::size_t at, std::uint64_t value, unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            bytes.at(at + i) = static_cast<std::byte>(value >> (8 * i) & 0xFFU);
        }
    }
    [[nodiscard]] std::size_t lump(std::string_view name) const { return whole_.lumps().at(entry(name)).offset; }
    void set_offset(std::string_view name, std::uint32_t value) { put(directory_entry(name), value, 4); }
    void set_size(std::string_view name, std::uint32_t value) { put(directory_entry(name) + 4, value, 4); }
    void rename(std::string_view name, std::string_view to) {
        for (std::size_t i = 0; i < 8; ++i) {
            bytes.at(directory_entry(name) + 8 + i) = i < to.size() ? static_cast<std::byte>(to[i]) : std::byte{0};
        }
    }

private:
    [[nodiscard]] std::size_t entry(std::string_view name) const {
        std::size_t at = 0;
        while (whole_.lumps().at(at).name.view() != name) {
            ++at;
        }
        return at;
    }
    [[nodiscard]] std::size_t directory_entry(std::string_view name) const {
        return bytes.size() - 16 * (whole_.lumps().size() - entry(name));
    }

    std::vector<std::byte> original_ = small_wad();
    level::WadFile whole_ = *level::read_wad(original_, "small.wad");
};

/// What reading everything in `bytes` ends with: the first error, or the maps. The copy is exactly as long as the bytes, so that a
/// sanitizer sees the first one read too far.
ecsdb::Result<std::vector<MapData>> read_all_maps(std::span<const std::byte> bytes, std::string_view name = "small.wad") {
    const auto copy = std::make_unique<std::byte[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), copy.get());
    auto wad = level::read_wad({copy.get(), bytes.size()}, name);
    if (!wad) {
        return std::move(wad).error();
    }
    std::vector<MapData> maps;
    for (const level::MapMarker& marker : wad->maps()) {
        auto map = level::read_map(*wad, marker);
        if (!map) {
            return std::move(map).error();
        }
        maps.push_back(*std::move(map));
    }
    return maps;
}

bool every_reference_holds(const MapData& map) {
    const auto side_holds = [&](std::uint16_t side) { return side == level::no_sidedef || side < map.sidedefs.size(); };
    for (const level::LinedefRecord& line : map.linedefs) {
        if (line.start >= map.vertices.size() || line.end >= map.vertices.size() || !side_holds(line.front) || !side_holds(line.back)) {
            return false;
        }
    }
    for (const level::SidedefRecord& side : map.sidedefs) {
        if (side.sector >= map.sectors.size()) {
            return false;
        }
    }
    return true;
}

/// A value whose references hold, or an error that names the file.
bool ends_well(const ecsdb::Result<std::vector<MapData>>& maps) {
    if (maps) {
        for (const MapData& map : *maps) {
            if (!every_reference_holds(map)) {
                return false;
            }
        }
        return true;
    }
    const ecsdb::ErrorCode code = maps.error().code();
    return (code == ecsdb::ErrorCode::Corrupt || code == ecsdb::ErrorCode::Unsupported) &&
           maps.error().message().starts_with("small.wad: ");
}

std::string failure(const Damaged& wad) {
    const auto maps = read_all_maps(wad.bytes);
    return maps ? "none" : maps.error().to_string();
}

/// The same WAD with its directory before the lumps, as some editors write it.
std::vector<std::byte> with_directory_first(const std::vector<std::byte>& wad) {
    constexpr std::uint32_t header = 12;
    constexpr std::uint32_t entry_size = 16;
    const auto read = *level::read_wad(wad, "small.wad");
    const auto directory = static_cast<std::uint32_t>(entry_size * read.lumps().size());
    std::vector<std::byte> moved{wad.begin(), wad.begin() + header};
    moved.insert(moved.end(), wad.end() - directory, wad.end());
    moved.insert(moved.end(), wad.begin() + header, wad.end() - directory);
    const auto put = [&](std::size_t at, std::uint32_t value) {
        for (unsigned i = 0; i < 4; ++i) {
            moved[at + i] = static_cast<std::byte>(value >> (8 * i) & 0xFFU);
        }
    };
    put(8, header);
    for (std::size_t entry = 0; entry < read.lumps().size(); ++entry) {
        put(header + entry_size * entry, read.lumps()[entry].offset + directory);
    }
    return moved;
}

} // namespace

TEST_CASE("a file that is no WAD says so", "[level][wad]") {
    Damaged wad;
    wad.bytes[0] = std::byte{'Q'};
    CHECK(failure(wad) == "Corrupt: small.wad: not a WAD file: it begins with neither IWAD nor PWAD");
    wad.bytes.resize(11);
    CHECK(failure(wad) == "Corrupt: small.wad: the header is cut short: 11 of 12 bytes");
    wad.bytes.clear();
    CHECK(failure(wad) == "Corrupt: small.wad: the header is cut short: 0 of 12 bytes");
}

TEST_CASE("a directory outside of the file is found before memory is taken for it", "[level][wad]") {
    Damaged wad;
    const std::string size = std::to_string(wad.bytes.size());
    SECTION("too many entries") {
        wad.put(4, 0xFFFFFFFF, 4);
        CHECK_THAT(failure(wad), Catch::Contains("the directory (4294967295 entries at byte ") &&
                                     Catch::Contains("reaches past the end of the file (" + size + " bytes)"));
    }
    SECTION("one entry too many") {
        wad.put(4, 12, 4);
        CHECK_THAT(failure(wad), Catch::Contains("the directory (12 entries at byte "));
    }
    SECTION("an offset past the end") {
        wad.put(8, wad.bytes.size() + 1, 4);
        CHECK_THAT(failure(wad), Catch::Contains("the directory (11 entries at byte " + std::to_string(wad.bytes.size() + 1)));
    }
}

TEST_CASE("a lump outside of the file is named with its directory entry", "[level][wad]") {
    Damaged wad;
    SECTION("by its size") {
        wad.set_size("SIDEDEFS", 0xFFFFFFFF);
        CHECK_THAT(failure(wad),
                   Catch::StartsWith("Corrupt: small.wad: directory entry 3: SIDEDEFS: the lump (4294967295 bytes at byte ") &&
                       Catch::Contains("reaches past the end of the file"));
    }
    SECTION("by its offset") {
        wad.set_offset("SECTORS", 0xFFFFFFF0);
        CHECK_THAT(failure(wad),
                   Catch::StartsWith("Corrupt: small.wad: directory entry 8: SECTORS: the lump (104 bytes at byte 4294967280)"));
    }
    SECTION("but an empty one may point anywhere") {
        wad.set_offset("MAP01", 0xFFFFFFF0);
        CHECK(failure(wad) == "none");
    }
}

TEST_CASE("damage inside a map names the file, the map, the lump and the record", "[level][wad]") {
    Damaged wad;
    SECTION("a missing lump") {
        const std::string name = GENERATE("THINGS", "LINEDEFS", "SIDEDEFS", "VERTEXES", "SECTORS");
        wad.rename(name, "REJECT");
        CHECK(failure(wad) == "Corrupt: small.wad: MAP01: " + name + ": the lump is missing");
    }
    SECTION("a lump that is there twice") {
        wad.rename("SEGS", "THINGS");
        CHECK(failure(wad) == "Corrupt: small.wad: MAP01: THINGS: the lump is there twice");
    }
    SECTION("a lump that is no whole number of records") {
        wad.set_size("THINGS", 39);
        CHECK(failure(wad) == "Corrupt: small.wad: MAP01: THINGS: its 39 bytes are not a multiple of a record's 10");
    }
    SECTION("a missing vertex") {
        wad.put(wad.lump("LINEDEFS") + 14 * 5 + 2, 9, 2);
        CHECK(failure(wad) == "Corrupt: small.wad: MAP01: LINEDEFS: record 5: names vertex 9, but the map has 9");
    }
    SECTION("a missing sidedef") {
        wad.put(wad.lump("LINEDEFS") + 14 * 7 + 10, 0xFFFE, 2);
        CHECK(failure(wad) == "Corrupt: small.wad: MAP01: LINEDEFS: record 7: names sidedef 65534, but the map has 16");
    }
    SECTION("a missing sector") {
        wad.put(wad.lump("SIDEDEFS") + 30 * 15 + 28, 0xFFFF, 2);
        CHECK(failure(wad) == "Corrupt: small.wad: MAP01: SIDEDEFS: record 15: names sector 65535, but the map has 4");
    }
    SECTION("a texture's name that is not text") {
        wad.put(wad.lump("SECTORS") + 26 * 2 + 4, 0xC3, 1);
        CHECK(failure(wad) == "Corrupt: small.wad: MAP01: SECTORS: record 2: a texture's name is not printable ASCII");
    }
}

TEST_CASE("maps of later formats are refused by name", "[level][wad]") {
    Damaged wad;
    wad.rename("BLOCKMAP", "BEHAVIOR");
    CHECK(failure(wad) == "Unsupported: small.wad: MAP01: BEHAVIOR: the map is in Hexen's format; only Doom's is read");
    wad.rename("THINGS", "TEXTMAP");
    CHECK(failure(wad) == "Unsupported: small.wad: MAP01: TEXTMAP: the map is in the text format (UDMF); only Doom's is read");
}

TEST_CASE("a WAD cut short at any byte is an error", "[level][wad]") {
    for (const auto& whole : {small_wad(), with_directory_first(small_wad())}) {
        REQUIRE(read_all_maps(whole));
        for (std::size_t kept = 0; kept < whole.size(); ++kept) {
            const auto maps = read_all_maps(std::span{whole}.first(kept));
            CAPTURE(kept);
            REQUIRE_FALSE(maps);
            REQUIRE(maps.error().code() == ecsdb::ErrorCode::Corrupt);
        }
    }
}

TEST_CASE("a WAD changed at any byte gives sound maps or an error that names the file", "[level][wad]") {
    auto wad = small_wad();
    std::size_t refused = 0;
    for (std::size_t at = 0; at < wad.size(); ++at) {
        const std::byte original = wad[at];
        for (const unsigned flip : {0x01U, 0x02U, 0x04U, 0x08U, 0x10U, 0x20U, 0x40U, 0x80U, 0xFFU}) {
            wad[at] = original ^ static_cast<std::byte>(flip);
            const auto maps = read_all_maps(wad);
            refused += maps ? 0 : 1;
            if (!ends_well(maps)) {
                CAPTURE(at, flip);
                FAIL((maps ? "a reference does not hold" : maps.error().to_string()));
            }
        }
        wad[at] = original;
    }
    CHECK(refused > 0);
    CHECK(ends_well(read_all_maps(wad)));
}

TEST_CASE("of two maps with one name the later counts", "[level][wad]") {
    const auto bytes = level::build_level({.maps = 2, .rooms_per_side = 2, .things_per_room = 1});
    auto renamed = bytes;
    renamed[bytes.size() - 11 * 16 + 8 + 4] = std::byte{'1'}; // MAP02 → MAP01
    const auto both = read_all_maps(bytes);
    const auto one = read_all_maps(renamed);
    REQUIRE(both);
    REQUIRE(one);
    REQUIRE(both->size() == 2);
    REQUIRE(one->size() == 1);
    CHECK(one->front().name.view() == "MAP01");
    CHECK(one->front().things.at(1).x == both->at(1).things.at(1).x);
    CHECK(one->front().things.at(1).x != both->at(0).things.at(1).x);
}

TEST_CASE("only ExMy and MAPxx name maps", "[level][wad]") {
    Damaged wad;
    const auto [name, is_map] = GENERATE(table<std::string, bool>({{"E1M1", true},
                                                                   {"E4M9", true},
                                                                   {"MAP32", true},
                                                                   {"MAP1", false},
                                                                   {"MAP011", false},
                                                                   {"E1M", false},
                                                                   {"ExMy", false},
                                                                   {"MAPxx", false},
                                                                   {"E1M10", false},
                                                                   {"DEMO1", false},
                                                                   {"", false}}));
    wad.rename("MAP01", name);
    const auto maps = read_all_maps(wad.bytes);
    CAPTURE(name);
    REQUIRE(maps);
    CHECK(maps->size() == (is_map ? 1 : 0));
}

TEST_CASE("a name ends at its first zero, whatever follows", "[level][wad]") {
    Damaged wad;
    wad.put(wad.lump("SECTORS") + 4, 0xFFFF'FFFF'0000'2D41, 8); // "A-", zeros, left-over memory
    const auto maps = read_all_maps(wad.bytes);
    REQUIRE(maps);
    CHECK(maps->front().sectors.front().floor_texture.view() == "A-");
}

TEST_CASE("every map of the installed WADs can be read", "[level][wad]") {
    ecsdb::PosixFileSystem files;
    const auto sources = level::find_levels(files);
    REQUIRE(sources);
    for (const level::LevelSource& source : *sources) {
        CAPTURE(source.name);
        const auto maps = read_all_maps(source.bytes, source.name);
        if (!maps) {
            FAIL(maps.error().to_string());
        }
        CHECK(maps->size() == (source.name == "freedoom1.wad" ? 36 : 32));
        for (const MapData& map : *maps) {
            CAPTURE(map.name.view());
            CHECK(every_reference_holds(map));
            CHECK_FALSE(map.things.empty());
            CHECK(map.vertices.size() >= 3);
            CHECK(map.linedefs.size() >= 3);
            CHECK(map.sidedefs.size() >= 3);
            CHECK_FALSE(map.sectors.empty());
        }
    }
}

} // namespace wad_test
