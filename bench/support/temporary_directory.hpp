/// @file
/// A directory for a benchmark's files.
#pragma once

#include <filesystem>
#include <string>
#include <unistd.h>

namespace bench {

/// A directory that goes with its owner, below the system's temporary one.
class TemporaryDirectory {
public:
    TemporaryDirectory()
        : path_{std::filesystem::temp_directory_path() / ("ecsdb_bench_" + std::to_string(static_cast<long>(::getpid())))} {
        std::filesystem::remove_all(path_);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

} // namespace bench
