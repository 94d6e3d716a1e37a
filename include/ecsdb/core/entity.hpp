/// @file
/// Names one entity: a slot in the entity table, and the generation that tells a reused slot apart.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view> // std::hash

namespace ecsdb {

/// Names an entity for as long as the entity lives.
///
/// A plain 64-bit value: copy it, hash it, store it in a component. Destroying an entity raises its slot's
/// generation, so an id kept past that point names nothing, and every lookup with it reports
/// `ErrorCode::NotFound`. Generations survive a restart.
///
/// Safe to use from any thread.
class Entity {
public:
    static constexpr unsigned index_bits = 32;
    static constexpr unsigned generation_bits = 22;
    static constexpr unsigned shard_bits = 10;
    static constexpr std::uint32_t max_generation = (1U << generation_bits) - 1U;
    static constexpr std::uint32_t max_shard = (1U << shard_bits) - 1U;

    /// Names no entity.
    constexpr Entity() noexcept = default;

    /// The id of slot `index` in its `generation` (1 or more for a living entity), made by the database of `shard`.
    constexpr Entity(std::uint32_t index, std::uint32_t generation, std::uint32_t shard) noexcept
        : bits_{static_cast<std::uint64_t>(shard & max_shard) << (index_bits + generation_bits) |
                static_cast<std::uint64_t>(generation & max_generation) << index_bits | index} {}

    [[nodiscard]] static constexpr Entity from_bits(std::uint64_t bits) noexcept {
        Entity entity;
        entity.bits_ = bits;
        return entity;
    }

    /// The id as it is written to disk and wire: shard above, generation, index below.
    [[nodiscard]] constexpr std::uint64_t to_bits() const noexcept { return bits_; }
    [[nodiscard]] constexpr std::uint32_t index() const noexcept { return static_cast<std::uint32_t>(bits_); }
    [[nodiscard]] constexpr std::uint32_t generation() const noexcept {
        return static_cast<std::uint32_t>(bits_ >> index_bits) & max_generation;
    }
    [[nodiscard]] constexpr std::uint32_t shard() const noexcept {
        return static_cast<std::uint32_t>(bits_ >> (index_bits + generation_bits));
    }
    [[nodiscard]] constexpr bool is_null() const noexcept { return bits_ == 0; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return bits_ != 0; }

    friend constexpr auto operator<=>(const Entity&, const Entity&) noexcept = default;

private:
    std::uint64_t bits_ = 0;
};

static_assert(sizeof(Entity) == 8 && alignof(Entity) == 8);

} // namespace ecsdb

template <>
struct std::hash<ecsdb::Entity> {
    [[nodiscard]] std::size_t operator()(ecsdb::Entity entity) const noexcept {
        // Fibonacci hashing: indices are dense, so their low bits alone would fill a table in one run.
        return static_cast<std::size_t>(entity.to_bits() * 0x9E3779B97F4A7C15ULL);
    }
};
