/// @file
/// What the fuzzers share: a way to say that a property does not hold, one file in memory, and checksums made right.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/io/file_system.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::fuzz {

/// Ends the program where a property does not hold: a finding.
inline void require(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "property violated: %s\n", what);
        std::abort();
    }
}

/// Whether this is how bytes from outside may be refused.
[[nodiscard]] inline bool is_refusal(const Error& error) {
    return error.code() == ErrorCode::Corrupt || error.code() == ErrorCode::Unsupported || error.code() == ErrorCode::SchemaMismatch ||
           error.code() == ErrorCode::WrongShard || error.code() == ErrorCode::OutOfMemory || error.code() == ErrorCode::Gap;
}

/// The system's memory, but never much at once. The way to a text is an array as long as an eighth of its entity's index: what names a high
/// one is refused here for want of memory, while anything else that takes so much on the word of a few bytes is found by libFuzzer.
class Memory final : public Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        return bytes > most ? nullptr : system_.allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        system_.deallocate(memory, bytes, alignment);
    }

private:
    static constexpr std::size_t most = std::size_t{32} << 20U;
    SystemAllocator system_;
};

/// Files in memory with nothing between them and their bytes. Only what a reader needs, and new files.
class MemoryFiles final : public FileSystem {
public:
    std::map<std::string, std::vector<std::byte>> contents;

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, FileMode mode) noexcept override {
        if (mode == FileMode::CreateNew) {
            contents[path].clear();
        }
        const auto found = contents.find(path);
        if (found == contents.end()) {
            return Error{ErrorCode::NotFound, path};
        }
        return std::unique_ptr<File>{std::make_unique<OpenFile>(found->second)};
    }
    Result<void> create_directory(const std::string&) noexcept override { return {}; }
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) noexcept override {
        std::vector<std::string> names;
        for (const auto& [name, bytes] : contents) {
            if (name.starts_with(path + '/')) {
                names.push_back(name.substr(path.size() + 1));
            }
        }
        return names;
    }
    Result<void> rename(const std::string& from, const std::string& to) noexcept override {
        contents[to] = std::move(contents[from]);
        contents.erase(from);
        return {};
    }
    Result<void> remove(const std::string& path) noexcept override {
        contents.erase(path);
        return {};
    }
    [[nodiscard]] Result<bool> exists(const std::string& path) noexcept override { return contents.contains(path); }
    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& path) noexcept override {
        return std::uint64_t{contents[path].size()};
    }
    Result<void> sync_directory(const std::string&) noexcept override { return {}; }
    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept override {
        return Error{ErrorCode::Locked, path};
    }
    [[nodiscard]] BootId boot_id() noexcept override { return {}; }

private:
    class OpenFile final : public File {
    public:
        explicit OpenFile(std::vector<std::byte>& bytes) noexcept : bytes_{&bytes} {}
        [[nodiscard]] Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept override {
            const std::size_t begin = static_cast<std::size_t>(std::min<std::uint64_t>(offset, bytes_->size()));
            const std::size_t count = std::min(out.size(), bytes_->size() - begin);
            std::copy_n(bytes_->data() + begin, count, out.data());
            return count;
        }
        Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
            const auto begin = static_cast<std::size_t>(offset);
            bytes_->resize(std::max(bytes_->size(), begin + bytes.size()));
            std::copy(bytes.begin(), bytes.end(), bytes_->data() + begin);
            return {};
        }
        Result<void> sync() noexcept override { return {}; }
        Result<void> truncate(std::uint64_t size) noexcept override {
            bytes_->resize(static_cast<std::size_t>(size));
            return {};
        }
        [[nodiscard]] Result<std::uint64_t> size() noexcept override { return std::uint64_t{bytes_->size()}; }
        Result<void> preallocate(std::uint64_t size) noexcept override { return truncate(std::max<std::uint64_t>(size, bytes_->size())); }

    private:
        std::vector<std::byte>* bytes_;
    };
};

} // namespace ecsdb::fuzz
