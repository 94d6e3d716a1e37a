/// @file
/// Builds levels of its own, as the bytes of a valid PWAD: for machines without a WAD file, and for tests.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/core/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace level {

/// What to build. Each map is a square grid of rooms that share walls and corners: for a side of n rooms it has n² sectors, (n+1)²
/// vertices, 2n(n+1) linedefs, 4n² sidedefs and n² × `things_per_room` things. The defaults have as many things as a whole game.
struct BuiltInLevel {
    std::uint32_t maps = 32;           ///< 1 to 99; named MAP01 and up.
    std::uint32_t rooms_per_side = 16; ///< 1 to 64: more would overflow a WAD's 16-bit coordinates and counts.
    std::uint32_t things_per_room = 2; ///< 1 to 15; the first thing of a map is where the player starts.
    std::uint64_t seed = 1993;         ///< Equal seeds give equal bytes on every machine.
};

namespace detail {

/// SplitMix64: small, and the same everywhere, which the standard's distributions are not.
class Dice {
public:
    explicit Dice(std::uint64_t seed) noexcept : state_{seed} {}

    /// 0 to `bound` - 1. Never call it twice in one argument list: compilers differ in the order.
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) noexcept {
        state_ += 0x9E3779B97F4A7C15ULL;
        std::uint64_t mixed = (state_ ^ state_ >> 30U) * 0xBF58476D1CE4E5B9ULL;
        mixed = (mixed ^ mixed >> 27U) * 0x94D049BB133111EBULL;
        return static_cast<std::uint32_t>((mixed ^ mixed >> 31U) % bound);
    }
    template <std::size_t Count>
    [[nodiscard]] auto pick(const std::array<std::string_view, Count>& from) noexcept {
        return from[below(Count)];
    }

private:
    std::uint64_t state_;
};

/// The bytes of a WAD as it grows: lumps first, the directory when all are there.
class WadBuilder {
public:
    void begin_lump(std::string_view name) { directory_.push_back({std::string{name}, bytes_.size(), 0}); }
    void end_lump() { directory_.back().size = bytes_.size() - directory_.back().offset; }
    void empty_lump(std::string_view name) { directory_.push_back({std::string{name}, 0, 0}); }

    /// The low 16 bits of each value.
    template <typename... Integers>
    void put(Integers... values) {
        (append<std::uint16_t>(static_cast<std::uint16_t>(values)), ...);
    }
    void put_name(std::string_view name) {
        ECSDB_ASSERT(name.size() <= 8, "a WAD's names have at most eight characters");
        for (std::size_t i = 0; i < 8; ++i) {
            bytes_.push_back(i < name.size() ? static_cast<std::byte>(name[i]) : std::byte{0});
        }
    }

    [[nodiscard]] std::vector<std::byte> finish() && {
        constexpr std::uint32_t pwad = 0x44415750; // "PWAD"
        ecsdb::store_le<std::uint32_t>(bytes_.data(), pwad);
        ecsdb::store_le<std::uint32_t>(bytes_.data() + 4, static_cast<std::uint32_t>(directory_.size()));
        ecsdb::store_le<std::uint32_t>(bytes_.data() + 8, static_cast<std::uint32_t>(bytes_.size()));
        for (const Entry& entry : directory_) {
            append<std::uint32_t>(static_cast<std::uint32_t>(entry.offset));
            append<std::uint32_t>(static_cast<std::uint32_t>(entry.size));
            put_name(entry.name);
        }
        return std::move(bytes_);
    }

private:
    struct Entry {
        std::string name;
        std::size_t offset = 0;
        std::size_t size = 0;
    };

    template <typename T>
    void append(T value) {
        bytes_.resize(bytes_.size() + sizeof value);
        ecsdb::store_le<T>(bytes_.data() + bytes_.size() - sizeof value, value);
    }

    std::vector<std::byte> bytes_ = std::vector<std::byte>(12); // the header's place
    std::vector<Entry> directory_;
};

/// One map on its grid: writes its lumps in the order the game expects them.
class GridMap {
public:
    GridMap(WadBuilder& wad, Dice& dice, const BuiltInLevel& options) noexcept : wad_{wad}, dice_{dice}, options_{options} {}

    void write(std::string_view name) {
        wad_.empty_lump(name);
        write_things();
        write_linedefs();
        write_sidedefs();
        write_vertices();
        // What node builders add: a game computes them when they are empty.
        wad_.empty_lump("SEGS");
        wad_.empty_lump("SSECTORS");
        wad_.empty_lump("NODES");
        write_sectors();
        wad_.empty_lump("REJECT");
        wad_.empty_lump("BLOCKMAP");
    }

private:
    static constexpr std::uint32_t room_size = 256; // map units
    static constexpr std::uint32_t player_start = 1;
    static constexpr std::array<std::uint32_t, 8> thing_types{3004, 9, 3001, 3002, 2011, 2012, 2035, 2001};

    void write_things() {
        wad_.begin_lump("THINGS");
        for (std::uint32_t room = 0; room < side() * side(); ++room) {
            for (std::uint32_t number = 0; number < options_.things_per_room; ++number) {
                const bool first = room == 0 && number == 0;
                const std::uint32_t x = room % side() * room_size + 32 + dice_.below(room_size - 64);
                const std::uint32_t y = room / side() * room_size + 32 + dice_.below(room_size - 64);
                const std::uint32_t angle = dice_.below(8) * 45;
                const std::uint32_t type = thing_types[dice_.below(thing_types.size())];
                const std::uint32_t all_skills = 7;
                wad_.put(x, y, angle, first ? player_start : type, all_skills);
            }
        }
        wad_.end_lump();
    }

    // The front of a line is to its right, so it runs north between a room and its western neighbour, east between a room and its
    // northern neighbour, and along the border so that the only room is on the right.
    void write_linedefs() {
        wad_.begin_lump("LINEDEFS");
        for (std::uint32_t y = 0; y < side(); ++y) {
            write_line(vertex(0, y), vertex(0, y + 1), no_room, room(0, y));
            for (std::uint32_t x = 1; x < side(); ++x) {
                write_line(vertex(x, y), vertex(x, y + 1), room(x - 1, y), room(x, y));
            }
            write_line(vertex(side(), y + 1), vertex(side(), y), no_room, room(side() - 1, y));
        }
        for (std::uint32_t x = 0; x < side(); ++x) {
            write_line(vertex(x + 1, 0), vertex(x, 0), no_room, room(x, 0));
            for (std::uint32_t y = 1; y < side(); ++y) {
                write_line(vertex(x, y), vertex(x + 1, y), room(x, y), room(x, y - 1));
            }
            write_line(vertex(x, side()), vertex(x + 1, side()), no_room, room(x, side() - 1));
        }
        wad_.end_lump();
    }

    void write_line(std::uint32_t start, std::uint32_t end, std::uint32_t back_room, std::uint32_t front_room) {
        constexpr std::uint32_t blocks = 1;
        constexpr std::uint32_t two_sided = 4;
        constexpr std::uint32_t no_side = 0xFFFF;
        const std::uint32_t special = 0;
        const std::uint32_t tag = 0;
        const std::uint32_t front = add_side(front_room);
        if (back_room == no_room) {
            wad_.put(start, end, blocks, special, tag, front, no_side);
        } else {
            wad_.put(start, end, two_sided | (dice_.below(4) == 0 ? blocks : 0U), special, tag, front, add_side(back_room));
        }
    }

    [[nodiscard]] std::uint32_t add_side(std::uint32_t of_room) {
        rooms_of_sides_.push_back(of_room);
        return static_cast<std::uint32_t>(rooms_of_sides_.size() - 1);
    }

    void write_sidedefs() {
        constexpr std::array<std::string_view, 5> walls{"STARTAN3", "BROWN1", "STONE2", "METAL1", "-"};
        wad_.begin_lump("SIDEDEFS");
        for (const std::uint32_t of_room : rooms_of_sides_) {
            wad_.put(dice_.below(64));
            wad_.put(dice_.below(64));
            wad_.put_name(dice_.pick(walls));
            wad_.put_name(dice_.pick(walls));
            wad_.put_name(dice_.pick(walls));
            wad_.put(of_room);
        }
        wad_.end_lump();
    }

    void write_vertices() {
        wad_.begin_lump("VERTEXES");
        for (std::uint32_t y = 0; y <= side(); ++y) {
            for (std::uint32_t x = 0; x <= side(); ++x) {
                wad_.put(x * room_size, y * room_size);
            }
        }
        wad_.end_lump();
    }

    void write_sectors() {
        constexpr std::array<std::string_view, 4> flats{"FLOOR4_8", "CEIL3_5", "FLAT14", "NUKAGE1"};
        wad_.begin_lump("SECTORS");
        for (std::uint32_t number = 0; number < side() * side(); ++number) {
            const std::uint32_t floor = dice_.below(9) * 8;
            wad_.put(floor, floor + 128 + dice_.below(9) * 8);
            wad_.put_name(dice_.pick(flats));
            wad_.put_name(dice_.pick(flats));
            const std::uint32_t special = dice_.below(8) == 0 ? 9U : 0U; // 9 is a secret
            wad_.put(96 + dice_.below(10) * 16, special, 0);
        }
        wad_.end_lump();
    }

    static constexpr std::uint32_t no_room = 0xFFFFFFFF;
    [[nodiscard]] std::uint32_t side() const noexcept { return options_.rooms_per_side; }
    [[nodiscard]] std::uint32_t room(std::uint32_t x, std::uint32_t y) const noexcept { return y * side() + x; }
    [[nodiscard]] std::uint32_t vertex(std::uint32_t x, std::uint32_t y) const noexcept { return y * (side() + 1) + x; }

    WadBuilder& wad_;
    Dice& dice_;
    const BuiltInLevel& options_;
    std::vector<std::uint32_t> rooms_of_sides_;
};

} // namespace detail

/// The bytes of a PWAD with the maps `options` asks for. Cost: O(bytes), about 20 KiB per 100 rooms.
[[nodiscard]] inline std::vector<std::byte> build_level(const BuiltInLevel& options = {}) {
    ECSDB_ASSERT(options.maps >= 1 && options.maps <= 99, "a built-in level has 1 to 99 maps");
    ECSDB_ASSERT(options.rooms_per_side >= 1 && options.rooms_per_side <= 64, "a built-in map has 1 to 64 rooms a side");
    ECSDB_ASSERT(options.things_per_room >= 1 && options.things_per_room <= 15, "a built-in room has 1 to 15 things");
    detail::Dice dice{options.seed};
    detail::WadBuilder wad;
    for (std::uint32_t number = 1; number <= options.maps; ++number) {
        std::string name{"MAP"};
        name += static_cast<char>('0' + number / 10);
        name += static_cast<char>('0' + number % 10);
        detail::GridMap{wad, dice, options}.write(name);
    }
    return std::move(wad).finish();
}

} // namespace level
