#include "ecsdb/core/checksum.hpp"
#include "ecsdb/formats/pecs.hpp"
#if __has_include(<nlohmann/json.hpp>)
#include "ecsdb/formats/json.hpp"
#endif
#include "support/plain.hpp"
#include "support/world.hpp"

#include <array>
#include <benchmark/benchmark.h>
#include <cstring>

namespace bench::formats_bench {
namespace {

struct Acceleration {
    float x, y, z;
};
ECSDB_COMPONENT(Acceleration, x, y, z);

using Saved = ecsdb::Database<Position, Velocity, Acceleration, ecsdb::ImportedId>;

constexpr std::uint32_t entities = 1000;
constexpr std::size_t reserved_bytes = std::size_t{16} << 20U;

Saved open_world() {
    ecsdb::Options options;
    options.initial_bytes = reserved_bytes;
    return must(Saved::open(options));
}
Saved& world() {
    static Saved database = [] {
        Saved made = open_world();
        const std::vector<Position> positions = make_positions(entities);
        const std::vector<Velocity> velocities = make_velocities(entities);
        const std::vector<Acceleration> accelerations(entities, Acceleration{4, 5, 6});
        must(made.execute([&](auto& state) {
            return state.create_many(entities, std::span<const Position>{positions}, std::span<const Velocity>{velocities},
                                     std::span<const Acceleration>{accelerations});
        }));
        return made;
    }();
    return database;
}

/// A thousand entities of three components to bytes, into a buffer that has been used before. An item is an entity.
void save(benchmark::State& state, const ecsdb::formats::Format& format) {
    ecsdb::SystemAllocator memory;
    ecsdb::ByteBuffer out{memory};
    const auto view = world().read();
    for (auto _ : state) {
        must(ecsdb::formats::save(view, format, out));
        benchmark::DoNotOptimize(out.data());
    }
    state.SetItemsProcessed(state.iterations() * entities);
    state.counters["bytes"] = static_cast<double>(out.size()) / entities;
}

/// Into an open, empty database that has been used before: until it is committed and visible, with the stable ids (argument 1) or as new
/// entities (0).
void load(benchmark::State& state, const ecsdb::formats::Format& format) {
    ecsdb::SystemAllocator memory;
    ecsdb::ByteBuffer saved{memory};
    must(ecsdb::formats::save(world().read(), format, saved));
    Saved database = open_world();
    ecsdb::formats::LoadOptions options;
    options.keep_stable_ids = state.range(0) != 0;
    for (auto _ : state) {
        const Stopwatch watch;
        const ecsdb::formats::LoadReport report = must(ecsdb::formats::load(database, format, saved.view(), options));
        state.SetIterationTime(watch.seconds());
        must(database.execute([&](auto& writable) -> ecsdb::Result<void> {
            for (const ecsdb::Entity entity : report.entities) {
                if (ecsdb::Result<void> gone = writable.destroy(entity); !gone) {
                    return gone;
                }
            }
            return {};
        }));
    }
    state.SetItemsProcessed(state.iterations() * entities);
}

void pecs_save_ecsdb(benchmark::State& state) {
    save(state, ecsdb::formats::PecsFormat{});
}
BENCHMARK(pecs_save_ecsdb)->Name("pecs_save/ecsdb")->Unit(benchmark::kMicrosecond);

/// The same bytes from plain arrays: copied to their places, and the checksum.
void pecs_save_floor(benchmark::State& state) {
    constexpr std::size_t entity_size = 116;
    const std::vector<Position> rows = make_positions(entities);
    std::vector<std::byte> out(entities * entity_size);
    std::array<std::byte, entity_size> frame{};
    for (auto _ : state) {
        for (std::uint32_t i = 0; i < entities; ++i) {
            std::byte* const place = out.data() + i * entity_size;
            std::memcpy(place, frame.data(), entity_size);
            for (std::size_t component = 0; component < 3; ++component) {
                std::memcpy(place + 40 + component * 32, &rows[i], sizeof(Position));
            }
        }
        benchmark::DoNotOptimize(ecsdb::crc64_xz(out));
    }
    state.SetItemsProcessed(state.iterations() * entities);
}
BENCHMARK(pecs_save_floor)->Name("pecs_save/floor")->Unit(benchmark::kMicrosecond);

void pecs_load_ecsdb(benchmark::State& state) {
    load(state, ecsdb::formats::PecsFormat{});
}
BENCHMARK(pecs_load_ecsdb)->Name("pecs_load/ecsdb")->Arg(1)->Arg(0)->UseManualTime()->Unit(benchmark::kMicrosecond);

#if __has_include(<nlohmann/json.hpp>)

void json_save_ecsdb(benchmark::State& state) {
    save(state, ecsdb::formats::JsonFormat{});
}
BENCHMARK(json_save_ecsdb)->Name("json_save/ecsdb")->Unit(benchmark::kMicrosecond);

void json_load_ecsdb(benchmark::State& state) {
    load(state, ecsdb::formats::JsonFormat{});
}
BENCHMARK(json_load_ecsdb)->Name("json_load/ecsdb")->Arg(1)->Arg(0)->UseManualTime()->Unit(benchmark::kMicrosecond);

#endif

} // namespace
} // namespace bench::formats_bench
