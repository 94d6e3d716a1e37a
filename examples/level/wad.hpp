/// @file
/// Reads the maps of a Doom-format WAD file: its directory, and the things, vertices, lines, sides and sectors of each map.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace level {

/// A name as WADs hold them: at most eight printable ASCII characters.
using Name = ecsdb::FixedString<8>;

/// A linedef's word for "there is no sidedef here".
inline constexpr std::uint16_t no_sidedef = 0xFFFF;

/// One entry of a WAD's directory.
struct Lump {
    Name name; ///< Bytes outside printable ASCII read as '?': the directory may hold lumps that are none of our business.
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
};

/// Where a map begins in the directory.
struct MapMarker {
    Name name; ///< `ExMy` or `MAPxx`.
    std::size_t entry = 0;
};

/// A monster, an item, a lamp, a place to start.
struct ThingRecord {
    std::int16_t x = 0;
    std::int16_t y = 0;
    std::uint16_t angle = 0; ///< Degrees, 0 is east, counter-clockwise.
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
};

struct VertexRecord {
    std::int16_t x = 0;
    std::int16_t y = 0;
};

/// A line between two vertices, with a side facing a sector to the right and perhaps one to the left.
struct LinedefRecord {
    std::uint16_t start = 0; ///< Position in `MapData::vertices`.
    std::uint16_t end = 0;   ///< Position in `MapData::vertices`.
    std::uint16_t flags = 0;
    std::uint16_t special = 0;
    std::uint16_t tag = 0;
    std::uint16_t front = no_sidedef; ///< Position in `MapData::sidedefs`, or `no_sidedef`.
    std::uint16_t back = no_sidedef;  ///< Position in `MapData::sidedefs`, or `no_sidedef`.
};

struct SidedefRecord {
    std::int16_t offset_x = 0;
    std::int16_t offset_y = 0;
    Name upper;
    Name lower;
    Name middle;
    std::uint16_t sector = 0; ///< Position in `MapData::sectors`.
};

struct SectorRecord {
    std::int16_t floor_height = 0;
    std::int16_t ceiling_height = 0;
    Name floor_texture;
    Name ceiling_texture;
    std::int16_t light = 0;
    std::uint16_t special = 0;
    std::uint16_t tag = 0;
};

/// One map. Every reference in it names a record that exists.
struct MapData {
    Name name;
    std::vector<ThingRecord> things;
    std::vector<VertexRecord> vertices;
    std::vector<LinedefRecord> linedefs;
    std::vector<SidedefRecord> sidedefs;
    std::vector<SectorRecord> sectors;
};

/// The directory of a WAD whose every lump lies within the file. It refers to the bytes it was read from, which must outlive it.
class WadFile {
public:
    /// The name given to `read_wad`; errors begin with it.
    [[nodiscard]] const std::string& file_name() const noexcept { return file_name_; }
    /// A PWAD patches a game, an IWAD is one.
    [[nodiscard]] bool is_patch() const noexcept { return is_patch_; }
    [[nodiscard]] const std::vector<Lump>& lumps() const noexcept { return lumps_; }
    /// In the order of the directory. Where a name occurs twice the later map replaces the earlier, as in the game.
    [[nodiscard]] const std::vector<MapMarker>& maps() const noexcept { return maps_; }
    [[nodiscard]] std::span<const std::byte> contents(const Lump& lump) const noexcept { return bytes_.subspan(lump.offset, lump.size); }

private:
    friend ecsdb::Result<WadFile> read_wad(std::span<const std::byte> bytes, std::string_view file_name);

    std::span<const std::byte> bytes_;
    std::string file_name_;
    bool is_patch_ = false;
    std::vector<Lump> lumps_;
    std::vector<MapMarker> maps_;
};

namespace detail {

inline constexpr std::size_t header_size = 12;
inline constexpr std::size_t directory_entry_size = 16;

[[nodiscard]] inline ecsdb::Error corrupt(std::string message) {
    return {ecsdb::ErrorCode::Corrupt, std::move(message)};
}

/// "names vertex 70000, but the map has 512".
[[nodiscard]] inline ecsdb::Error missing_target(std::string_view role, std::size_t named, std::size_t present) {
    return corrupt("names " + std::string{role} + " " + std::to_string(named) + ", but the map has " + std::to_string(present));
}

[[nodiscard]] inline std::string record_number(std::size_t number) {
    return "record " + std::to_string(number);
}

/// Takes a record's values off the front of its bytes, whose length the caller has checked.
class RecordCursor {
public:
    explicit RecordCursor(std::span<const std::byte> bytes) noexcept : reader_{bytes} {}

    [[nodiscard]] std::uint32_t u32() noexcept { return reader_.read_le<std::uint32_t>(); }
    [[nodiscard]] std::uint16_t u16() noexcept { return reader_.read_le<std::uint16_t>(); }
    [[nodiscard]] std::int16_t i16() noexcept { return reader_.read_le<std::int16_t>(); }
    /// Eight bytes up to the first zero; what follows it is often left-over memory of the editor.
    [[nodiscard]] Name name() noexcept {
        std::array<char, 8> text{};
        std::size_t length = 0;
        for (const std::byte stored : reader_.read_bytes(text.size())) {
            const auto byte = std::to_integer<unsigned char>(stored);
            if (byte == 0) {
                break;
            }
            const bool printable = byte >= 0x20 && byte < 0x7F;
            names_printable_ = names_printable_ && printable;
            text[length++] = printable ? static_cast<char>(byte) : '?';
        }
        return Name{std::string_view{text.data(), length}};
    }
    /// Every name so far was as it should be.
    [[nodiscard]] bool names_printable() const noexcept { return names_printable_; }

private:
    ecsdb::ByteReader reader_;
    bool names_printable_ = true;
};

/// One kind of record: the lump it lies in, its bytes there, and how to read it.
template <typename Record>
struct RecordFormat;

template <>
struct RecordFormat<ThingRecord> {
    static constexpr std::string_view lump = "THINGS";
    static constexpr std::size_t size = 10;
    static ThingRecord read(RecordCursor& from) noexcept { return {from.i16(), from.i16(), from.u16(), from.u16(), from.u16()}; }
};

template <>
struct RecordFormat<VertexRecord> {
    static constexpr std::string_view lump = "VERTEXES";
    static constexpr std::size_t size = 4;
    static VertexRecord read(RecordCursor& from) noexcept { return {from.i16(), from.i16()}; }
};

template <>
struct RecordFormat<LinedefRecord> {
    static constexpr std::string_view lump = "LINEDEFS";
    static constexpr std::size_t size = 14;
    static LinedefRecord read(RecordCursor& from) noexcept {
        return {from.u16(), from.u16(), from.u16(), from.u16(), from.u16(), from.u16(), from.u16()};
    }
};

template <>
struct RecordFormat<SidedefRecord> {
    static constexpr std::string_view lump = "SIDEDEFS";
    static constexpr std::size_t size = 30;
    static SidedefRecord read(RecordCursor& from) noexcept {
        return {from.i16(), from.i16(), from.name(), from.name(), from.name(), from.u16()};
    }
};

template <>
struct RecordFormat<SectorRecord> {
    static constexpr std::string_view lump = "SECTORS";
    static constexpr std::size_t size = 26;
    static SectorRecord read(RecordCursor& from) noexcept {
        return {from.i16(), from.i16(), from.name(), from.name(), from.i16(), from.u16(), from.u16()};
    }
};

/// The lumps that may follow a map's marker; the first other name ends the map.
[[nodiscard]] inline bool belongs_to_map(std::string_view lump) noexcept {
    constexpr std::array<std::string_view, 13> known{"THINGS",  "LINEDEFS", "SIDEDEFS", "VERTEXES", "SEGS",    "SSECTORS", "NODES",
                                                     "SECTORS", "REJECT",   "BLOCKMAP", "BEHAVIOR", "SCRIPTS", "TEXTMAP"};
    for (const std::string_view name : known) {
        if (name == lump) {
            return true;
        }
    }
    return false;
}

[[nodiscard]] inline bool is_map_name(std::string_view name) noexcept {
    const auto digit = [name](std::size_t at) { return name[at] >= '0' && name[at] <= '9'; };
    return (name.size() == 4 && name[0] == 'E' && digit(1) && name[2] == 'M' && digit(3)) ||
           (name.size() == 5 && name.substr(0, 3) == "MAP" && digit(3) && digit(4));
}

/// The lumps of one map, from its marker to the next lump that is not a map's.
[[nodiscard]] inline std::span<const Lump> lumps_of(const WadFile& wad, const MapMarker& map) noexcept {
    const std::span<const Lump> rest = std::span{wad.lumps()}.subspan(map.entry + 1);
    std::size_t count = 0;
    while (count < rest.size() && belongs_to_map(rest[count].name.view())) {
        ++count;
    }
    return rest.first(count);
}

/// All records of one kind. Cost: O(records); memory is taken only for what the lump really holds.
template <typename Record>
[[nodiscard]] ecsdb::Result<std::vector<Record>> read_records(const WadFile& wad, std::span<const Lump> lumps) {
    using Format = RecordFormat<Record>;
    const Lump* found = nullptr;
    for (const Lump& lump : lumps) {
        if (lump.name.view() == Format::lump) {
            if (found != nullptr) {
                return corrupt("the lump is there twice").in(Format::lump);
            }
            found = &lump;
        }
    }
    if (found == nullptr) {
        return corrupt("the lump is missing").in(Format::lump);
    }
    if (found->size % Format::size != 0) {
        return corrupt("its " + std::to_string(found->size) + " bytes are not a multiple of a record's " + std::to_string(Format::size))
            .in(Format::lump);
    }
    const std::span<const std::byte> bytes = wad.contents(*found);
    std::vector<Record> records;
    records.reserve(bytes.size() / Format::size);
    for (std::size_t at = 0; at < bytes.size(); at += Format::size) {
        RecordCursor cursor{bytes.subspan(at, Format::size)};
        records.push_back(Format::read(cursor));
        if (!cursor.names_printable()) {
            return corrupt("a texture's name is not printable ASCII").in(record_number(at / Format::size)).in(Format::lump);
        }
    }
    return records;
}

[[nodiscard]] inline ecsdb::Result<void> check_linedef(const LinedefRecord& line, const MapData& map) {
    for (const std::uint16_t vertex : {line.start, line.end}) {
        if (vertex >= map.vertices.size()) {
            return missing_target("vertex", vertex, map.vertices.size());
        }
    }
    for (const std::uint16_t sidedef : {line.front, line.back}) {
        if (sidedef != no_sidedef && sidedef >= map.sidedefs.size()) {
            return missing_target("sidedef", sidedef, map.sidedefs.size());
        }
    }
    return {};
}

/// Every reference names a record that is there.
[[nodiscard]] inline ecsdb::Result<void> check_references(const MapData& map) {
    for (std::size_t number = 0; number < map.linedefs.size(); ++number) {
        if (auto checked = check_linedef(map.linedefs[number], map); !checked) {
            return std::move(checked).error().in(record_number(number)).in(RecordFormat<LinedefRecord>::lump);
        }
    }
    for (std::size_t number = 0; number < map.sidedefs.size(); ++number) {
        const std::size_t sector = map.sidedefs[number].sector;
        if (sector >= map.sectors.size()) {
            return missing_target("sector", sector, map.sectors.size()).in(record_number(number)).in(RecordFormat<SidedefRecord>::lump);
        }
    }
    return {};
}

template <typename Record>
[[nodiscard]] ecsdb::Result<void> read_into(std::vector<Record>& records, const WadFile& wad, std::span<const Lump> lumps) {
    auto read = read_records<Record>(wad, lumps);
    if (!read) {
        return std::move(read).error();
    }
    records = *std::move(read);
    return {};
}

[[nodiscard]] inline ecsdb::Result<MapData> read_map_lumps(const WadFile& wad, const MapMarker& marker) {
    const std::span<const Lump> lumps = lumps_of(wad, marker);
    for (const Lump& lump : lumps) {
        if (lump.name.view() == "BEHAVIOR" || lump.name.view() == "TEXTMAP") {
            return ecsdb::Error{ecsdb::ErrorCode::Unsupported, lump.name.view() == "BEHAVIOR"
                                                                   ? "the map is in Hexen's format; only Doom's is read"
                                                                   : "the map is in the text format (UDMF); only Doom's is read"}
                .in(lump.name.view());
        }
    }
    MapData map;
    map.name = marker.name;
    ecsdb::Result<void> done;
    const auto read = [&](auto& records) { return (done = read_into(records, wad, lumps)).has_value(); };
    if (!read(map.things) || !read(map.linedefs) || !read(map.sidedefs) || !read(map.vertices) || !read(map.sectors)) {
        return std::move(done).error();
    }
    if (auto checked = check_references(map); !checked) {
        return std::move(checked).error();
    }
    return map;
}

} // namespace detail

/// Reads header and directory, and finds the maps. `file_name` is only for messages.
///
/// Fails with `Corrupt` where the file is not a WAD, is cut short, or its directory points outside of it.
/// Cost: O(directory entries). The result refers to `bytes`.
[[nodiscard]] inline ecsdb::Result<WadFile> read_wad(std::span<const std::byte> bytes, std::string_view file_name) {
    using detail::corrupt;
    if (bytes.size() < detail::header_size) {
        return corrupt("the header is cut short: " + std::to_string(bytes.size()) + " of " + std::to_string(detail::header_size) + " bytes")
            .in(file_name);
    }
    constexpr std::uint32_t iwad = 0x44415749; // "IWAD"
    constexpr std::uint32_t pwad = 0x44415750; // "PWAD"
    detail::RecordCursor header{bytes};
    const std::uint32_t kind = header.u32();
    if (kind != iwad && kind != pwad) {
        return corrupt("not a WAD file: it begins with neither IWAD nor PWAD").in(file_name);
    }
    const std::uint64_t count = header.u32();
    const std::uint64_t offset = header.u32();
    if (offset > bytes.size() || count > (bytes.size() - offset) / detail::directory_entry_size) {
        return corrupt("the directory (" + std::to_string(count) + " entries at byte " + std::to_string(offset) +
                       ") reaches past the end of the file (" + std::to_string(bytes.size()) + " bytes)")
            .in(file_name);
    }

    WadFile wad;
    wad.bytes_ = bytes;
    wad.file_name_ = file_name;
    wad.is_patch_ = kind == pwad;
    wad.lumps_.reserve(count);
    detail::RecordCursor directory{bytes.subspan(offset, count * detail::directory_entry_size)};
    for (std::size_t entry = 0; entry < count; ++entry) {
        Lump lump;
        lump.offset = directory.u32();
        lump.size = directory.u32();
        lump.name = directory.name();
        if (lump.size == 0) {
            lump.offset = 0; // markers are free to point anywhere
        } else if (lump.offset > bytes.size() || lump.size > bytes.size() - lump.offset) {
            return corrupt("the lump (" + std::to_string(lump.size) + " bytes at byte " + std::to_string(lump.offset) +
                           ") reaches past the end of the file (" + std::to_string(bytes.size()) + " bytes)")
                .in(lump.name.view())
                .in("directory entry " + std::to_string(entry))
                .in(file_name);
        }
        if (detail::is_map_name(lump.name.view())) {
            std::erase_if(wad.maps_, [&](const MapMarker& earlier) { return earlier.name == lump.name; });
            wad.maps_.push_back({lump.name, entry});
        }
        wad.lumps_.push_back(lump);
    }
    return wad;
}

/// Reads one of `wad.maps()`.
///
/// Fails with `Corrupt`, naming file, map, lump and record, where a lump is missing or doubled, is not a whole number of records, or a
/// record names another that is not there; with `Unsupported` where the map is in a later format than Doom's. Cost: O(the map's bytes).
[[nodiscard]] inline ecsdb::Result<MapData> read_map(const WadFile& wad, const MapMarker& marker) {
    ECSDB_ASSERT(marker.entry < wad.lumps().size(), "the marker is of another WAD");
    auto map = detail::read_map_lumps(wad, marker);
    if (!map) {
        return std::move(map).error().in(marker.name.view()).in(wad.file_name());
    }
    return map;
}

} // namespace level
