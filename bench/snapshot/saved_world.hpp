/// @file
/// The world that is saved and loaded: a million entities with three components of 12 bytes, in a directory.
#pragma once

#include "support/plain.hpp"
#include "support/temporary_directory.hpp"
#include "support/world.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace bench {

struct Spin {
    float x, y, z;
};
ECSDB_COMPONENT(Spin, x, y, z);

using SavedGame = ecsdb::Database<Position, Velocity, Spin>;

/// Values as a game has them: no two alike, none of them round.
template <typename Component>
std::vector<Component> make_moving(std::uint32_t count, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    std::normal_distribution<float> value{0, 100};
    std::vector<Component> rows(count);
    for (Component& row : rows) {
        row = {value(random), value(random), value(random)};
    }
    return rows;
}

inline ecsdb::Options saved_options(const TemporaryDirectory& directory) {
    ecsdb::Options options;
    options.directory = directory.path();
    options.durability = ecsdb::Durability::Logged;
    return options;
}

/// Fills an empty database; returns the first of its entities, whose indices follow each other.
inline ecsdb::Entity fill(SavedGame& database, std::uint32_t count) {
    const auto positions = make_moving<Position>(count, 1);
    const auto velocities = make_moving<Velocity>(count, 2);
    const auto spins = make_moving<Spin>(count, 3);
    return must(database.execute([&](auto& state) {
        return state.create_many(count, std::span<const Position>{positions}, std::span<const Velocity>{velocities},
                                 std::span<const Spin>{spins});
    }));
}

/// Keeps what is given back for whoever wants as much again, so that what one database has touched the next one finds warm.
class KeepingAllocator final : public ecsdb::Allocator {
public:
    KeepingAllocator() = default;
    KeepingAllocator(const KeepingAllocator&) = delete;
    KeepingAllocator& operator=(const KeepingAllocator&) = delete;
    ~KeepingAllocator() {
        for (const auto& [size, kept] : kept_) {
            for (void* const memory : kept) {
                system_.deallocate(memory, size.first, size.second);
            }
        }
    }

    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        const std::lock_guard lock{mutex_};
        std::vector<void*>& kept = kept_[{bytes, alignment}];
        if (kept.empty()) {
            return system_.allocate(bytes, alignment);
        }
        void* const memory = kept.back();
        kept.pop_back();
        return memory;
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        const std::lock_guard lock{mutex_};
        kept_[{bytes, alignment}].push_back(memory);
    }

private:
    ecsdb::SystemAllocator system_;
    std::mutex mutex_;
    std::map<std::pair<std::size_t, std::size_t>, std::vector<void*>> kept_;
};

/// Times the writing and syncing of `bytes` (whole pages where `direct`: past the page cache) to a new file, 1 MiB at a time.
inline void write_and_sync(benchmark::State& state, std::size_t bytes, bool direct) {
    constexpr std::size_t piece = std::size_t{1} << 20U;
    const TemporaryDirectory directory;
    std::filesystem::create_directory(directory.path());
    const std::string path = directory.path() + "/floor";
    PlainArray<std::uint64_t> words{bytes / sizeof(std::uint64_t)};
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = i * 0x9E3779B97F4A7C15U;
    }
    const auto* const data = reinterpret_cast<const char*>(words.data());
    for (auto _ : state) {
        std::filesystem::remove(path);
        const Stopwatch watch;
        const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | (direct ? O_DIRECT : 0), 0666);
        for (std::size_t offset = 0; offset < bytes; offset += piece) {
            if (::pwrite(file, data + offset, std::min(piece, bytes - offset), static_cast<off_t>(offset)) < 0) {
                state.SkipWithError("cannot write");
                break;
            }
        }
        if (::fdatasync(file) != 0) {
            state.SkipWithError("cannot sync");
        }
        ::close(file);
        state.SetIterationTime(watch.seconds());
    }
}

} // namespace bench
