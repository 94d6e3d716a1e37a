/// @file
/// Snapshots in memory: the bytes of a file without the file, written and read.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/snapshot/writer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::snapshot {

namespace detail {

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
        return bytes_->failed() ? Result<void>{Error{ErrorCode::OutOfMemory, "no memory for a snapshot"}} : Result<void>{};
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
    static Error read_only() { return Error{ErrorCode::ReadOnly, "a snapshot in memory is only read"}; }

    std::span<const std::byte> bytes_;
};

} // namespace detail

/// One snapshot in memory as all the files there are. The bytes must outlive it, and stay as they are.
class SnapshotInMemory final : public FileSystem {
public:
    /// What the file is called, in errors too.
    static constexpr const char* path = "snapshot in memory";

    explicit SnapshotInMemory(std::span<const std::byte> bytes) noexcept : bytes_{bytes} {}

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& name, FileMode mode) noexcept override {
        if (name != path || mode != FileMode::Read) {
            return missing(name);
        }
        return std::unique_ptr<File>{std::make_unique<detail::BytesFile>(bytes_)};
    }
    Result<void> create_directory(const std::string& name) noexcept override { return missing(name); }
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& name) noexcept override { return missing(name); }
    Result<void> rename(const std::string& from, const std::string&) noexcept override { return missing(from); }
    Result<void> remove(const std::string& name) noexcept override { return missing(name); }
    [[nodiscard]] Result<bool> exists(const std::string& name) noexcept override { return name == path; }
    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& name) noexcept override {
        return name == path ? Result<std::uint64_t>{std::uint64_t{bytes_.size()}} : Result<std::uint64_t>{missing(name)};
    }
    Result<void> sync_directory(const std::string& name) noexcept override { return missing(name); }
    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& name) noexcept override { return missing(name); }
    [[nodiscard]] BootId boot_id() noexcept override { return {}; }

private:
    static Error missing(const std::string& name) { return Error{ErrorCode::NotFound, name + ": in memory there is but one snapshot"}; }

    std::span<const std::byte> bytes_;
};

/// Saves the version `root`, which the caller keeps pinned, into `out`, which is emptied first and whose memory is used again: the bytes
/// `write_snapshot` writes into a file. Transient tables are left out. Of the options, those about files mean nothing here.
///
/// Reads pages only; any thread. `OutOfMemory`, `InvalidArgument` as there; `out` then holds anything.
[[nodiscard]] inline Result<SnapshotInfo> write_snapshot(ByteBuffer& out, const storage::Root& root,
                                                         const storage::EntityVersions& versions, const SnapshotIdentity& identity,
                                                         const SnapshotOptions& options) {
    out.clear();
    detail::BufferFile file{out};
    CurrentCounts current{versions};
    auto info = detail::write_file(file, root, identity, options.counts == nullptr ? current : *options.counts, options);
    return info ? std::move(info) : std::move(info).error().in("snapshot of version " + std::to_string(root.version));
}

} // namespace ecsdb::snapshot
