/// @file
/// Bytes in memory where the engine expects a file.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/io/file_system.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// A file that is written from front to back into a buffer, and never read.
class BufferFile final : public File {
public:
    explicit BufferFile(ByteBuffer& bytes) noexcept : bytes_{&bytes} {}

    [[nodiscard]] Result<std::size_t> pread(std::span<std::byte>, std::uint64_t) noexcept override { return not_that("read"); }
    Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
        if (offset != bytes_->size()) {
            return not_that("written out of order");
        }
        bytes_->append(bytes);
        return bytes_->failed() ? Result<void>{Error{ErrorCode::OutOfMemory, "no memory for what is written"}} : Result<void>{};
    }
    Result<void> sync() noexcept override { return {}; }
    Result<void> truncate(std::uint64_t) noexcept override { return not_that("cut"); }
    [[nodiscard]] Result<std::uint64_t> size() noexcept override { return std::uint64_t{bytes_->size()}; }
    Result<void> preallocate(std::uint64_t) noexcept override { return {}; }

private:
    static Error not_that(const char* what) { return Error{ErrorCode::InvalidArgument, std::string{"a buffer cannot be "} + what}; }

    ByteBuffer* bytes_;
};

/// Bytes as a file that is only read.
class BytesFile final : public File {
public:
    explicit BytesFile(std::span<const std::byte> bytes) noexcept : bytes_{bytes} {}

    [[nodiscard]] Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept override {
        const auto begin = static_cast<std::size_t>(std::min<std::uint64_t>(offset, bytes_.size()));
        const std::size_t size = std::min(out.size(), bytes_.size() - begin);
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(begin), size, out.begin());
        return size;
    }
    Result<void> pwrite(std::span<const std::byte>, std::uint64_t) noexcept override { return read_only(); }
    Result<void> sync() noexcept override { return {}; }
    Result<void> truncate(std::uint64_t) noexcept override { return read_only(); }
    [[nodiscard]] Result<std::uint64_t> size() noexcept override { return std::uint64_t{bytes_.size()}; }
    Result<void> preallocate(std::uint64_t) noexcept override { return read_only(); }

private:
    static Error read_only() { return Error{ErrorCode::ReadOnly, "a file of bytes in memory is only read"}; }

    std::span<const std::byte> bytes_;
};

/// One file in memory as all the files there are. The bytes must outlive it, and stay as they are.
class OneFileInMemory final : public FileSystem {
public:
    OneFileInMemory(std::string path, std::span<const std::byte> bytes) : path_{std::move(path)}, bytes_{bytes} {}

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, FileMode mode) noexcept override {
        if (path != path_ || mode != FileMode::Read) {
            return missing(path);
        }
        return std::unique_ptr<File>{std::make_unique<BytesFile>(bytes_)};
    }
    Result<void> create_directory(const std::string& path) noexcept override { return missing(path); }
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) noexcept override { return missing(path); }
    Result<void> rename(const std::string& from, const std::string&) noexcept override { return missing(from); }
    Result<void> remove(const std::string& path) noexcept override { return missing(path); }
    [[nodiscard]] Result<bool> exists(const std::string& path) noexcept override { return path == path_; }
    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& path) noexcept override {
        return path == path_ ? Result<std::uint64_t>{std::uint64_t{bytes_.size()}} : Result<std::uint64_t>{missing(path)};
    }
    Result<void> sync_directory(const std::string& path) noexcept override { return missing(path); }
    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept override { return missing(path); }
    [[nodiscard]] BootId boot_id() noexcept override { return {}; }

private:
    [[nodiscard]] Error missing(const std::string& path) const {
        return Error{ErrorCode::NotFound, path + ": in memory there is nothing but " + path_};
    }

    std::string path_;
    std::span<const std::byte> bytes_;
};

} // namespace ecsdb
