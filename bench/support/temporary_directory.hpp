/// @file
/// A directory of a benchmark's own, on the disk the temporary files lie on.
#pragma once

#include <filesystem>
#include <string>

#include <unistd.h>

namespace bench {

/// Goes with its owner, and what is in it.
class TemporaryDirectory {
public:
    explicit TemporaryDirectory(const char* name = "database")
        : path_{std::filesystem::temp_directory_path() /
                (std::string{"ecsdb_bench_"} + name + '_' + std::to_string(static_cast<long>(::getpid())))} {
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
