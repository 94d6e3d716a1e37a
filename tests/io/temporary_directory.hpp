/// @file
/// A directory of its own for a test, gone afterwards with everything in it.
#pragma once

#include "ecsdb/io/posix_file_system.hpp"

#include <cstdlib>
#include <string>

namespace ecsdb::test {

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        if (::mkdtemp(path_.data()) == nullptr) {
            std::abort(); // tests are built without exceptions, too
        }
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { clear(path_); }

    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    static void clear(const std::string& path) {
        PosixFileSystem files;
        if (const auto names = files.list(path)) {
            for (const std::string& name : *names) {
                clear(path + "/" + name);
            }
        }
        static_cast<void>(files.remove(path));
    }

    std::string path_ = "/tmp/ecsdb_test_XXXXXX";
};

/// Short texts as file contents, and back.
[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span{text});
}
[[nodiscard]] inline std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
/// A file's contents, or the error's code in angle brackets.
[[nodiscard]] inline std::string text_in(FileSystem& files, const std::string& path) {
    const auto bytes = read_all(files, path, 1U << 20U);
    return bytes ? text_of(*bytes) : "<" + std::string{name_of(bytes.error().code())} + ">";
}

} // namespace ecsdb::test
