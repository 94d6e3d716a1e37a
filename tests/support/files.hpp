/// @file
/// Real files for tests: a directory of one's own that vanishes with its owner, and the way to the files of the source tree.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace ecsdb::test {

/// An empty directory under the system's place for temporary files, removed with everything in it at the end of the scope.
class ScratchDirectory {
public:
    ScratchDirectory() {
        const std::string pattern = (std::filesystem::temp_directory_path() / "ecsdb_test_XXXXXX").string();
        path_ = pattern;
        if (::mkdtemp(path_.data()) == nullptr) {
            std::perror(pattern.c_str());
            std::abort();
        }
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// The path of `name` inside it.
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// The path of a file of the source tree, named from its root, as in `schemas/game.toml`.
[[nodiscard]] inline std::string source_file(const std::string& name) {
    return std::string{ECSDB_SOURCE_DIRECTORY} + "/" + name;
}

} // namespace ecsdb::test
