/// @file
/// The world the benchmarks run on: entities with a position and a velocity, and the same entities in random order.
#pragma once

#include "ecsdb/engine.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace bench {

struct Position {
    float x, y, z;
};
ECSDB_COMPONENT(Position, x, y, z);
struct Velocity {
    float x, y, z;
};
ECSDB_COMPONENT(Velocity, x, y, z);

using Game = ecsdb::Database<Position, Velocity>;

inline constexpr std::uint32_t million = 1'000'000;
inline constexpr float time_step = 1.0F / 64.0F;

/// The value of a call that must not fail; a benchmark of something broken would mean nothing.
template <typename T>
T must(ecsdb::Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "benchmark: %s\n", result.error().message().c_str());
        std::abort();
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

/// Seconds since it was made.
class Stopwatch {
public:
    [[nodiscard]] double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

inline std::vector<Position> make_positions(std::uint32_t count) {
    std::vector<Position> rows(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto at = static_cast<float>(i % 1024);
        rows[i] = {at, at + 1, at + 2};
    }
    return rows;
}
inline std::vector<Velocity> make_velocities(std::uint32_t count) {
    return std::vector<Velocity>(count, Velocity{1, 2, 3});
}

/// The same random order in every run.
template <typename T>
std::vector<T> shuffled(std::vector<T> values) {
    std::shuffle(values.begin(), values.end(), std::mt19937_64{20240229});
    return values;
}

/// A database of `count` entities. A benchmark keeps one of its own, so that no other has scattered its pages.
class World {
public:
    explicit World(std::uint32_t count, const ecsdb::Options& options = {}) : database_{must(Game::open(options))} {
        const std::vector<Position> positions = make_positions(count);
        const std::vector<Velocity> velocities = make_velocities(count);
        const ecsdb::Entity first = must(database_.execute([&](auto& state) {
            return state.create_many(count, std::span<const Position>{positions}, std::span<const Velocity>{velocities});
        }));
        for (std::uint32_t i = 0; i < count; ++i) {
            entities_.emplace_back(first.index() + i, first.generation(), first.shard());
        }
        random_order_ = shuffled(entities_);
    }

    [[nodiscard]] Game& database() { return database_; }
    [[nodiscard]] std::span<const ecsdb::Entity> entities() const { return entities_; }
    [[nodiscard]] std::span<const ecsdb::Entity> random_order() const { return random_order_; }

private:
    Game database_;
    std::vector<ecsdb::Entity> entities_;
    std::vector<ecsdb::Entity> random_order_;
};

} // namespace bench
