/// @file
/// What tests of damaged files share: copies of a database's files, single bits flipped, files taken away.
#pragma once

#include "recovery/world.hpp"

#include <memory>
#include <random>

namespace recovery_test {

/// Every file below `directory`, as paths, without lock files and what is half made.
inline std::vector<std::string> files_below(ecsdb::FileSystem& files, const std::string& directory) {
    std::vector<std::string> found;
    auto names = files.list(directory);
    REQUIRE(names);
    for (const std::string& name : *names) {
        const std::string path = directory + '/' + name;
        if (files.list(path)) {
            const auto inner = files_below(files, path);
            found.insert(found.end(), inner.begin(), inner.end());
        } else {
            found.push_back(path);
        }
    }
    return found;
}

/// Inverts one bit; the same again undoes it.
inline void flip(ecsdb::FileSystem& files, const std::string& path, std::uint64_t offset, unsigned bit) {
    auto file = files.open(path, ecsdb::FileMode::ReadWrite);
    REQUIRE(file);
    std::byte byte[1];
    REQUIRE((*file)->pread(byte, offset));
    byte[0] ^= static_cast<std::byte>(1U << bit);
    REQUIRE((*file)->pwrite(byte, offset));
}

inline std::vector<std::byte> contents_of(ecsdb::FileSystem& files, const std::string& path) {
    auto file = files.open(path, ecsdb::FileMode::Read);
    REQUIRE(file);
    std::vector<std::byte> bytes(static_cast<std::size_t>(*(*file)->size()));
    REQUIRE((*file)->pread(bytes, 0));
    return bytes;
}

inline void write_file(ecsdb::FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
    if (*files.exists(path)) {
        REQUIRE(files.remove(path));
    }
    auto file = files.open(path, ecsdb::FileMode::CreateNew);
    REQUIRE(file);
    REQUIRE((*file)->pwrite(bytes, 0));
    REQUIRE((*file)->sync());
}

/// A copy that goes its own way, as if the machine had been shut down in order.
inline std::unique_ptr<ecsdb::SimulatedFileSystem> copy_of(const ecsdb::SimulatedFileSystem& files) {
    ecsdb::CrashPlan plan;
    plan.keep = ecsdb::KeepPending::All;
    return files.after_crash(plan);
}

} // namespace recovery_test
