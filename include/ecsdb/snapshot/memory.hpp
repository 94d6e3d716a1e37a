/// @file
/// Saves one version of a database into memory, as the bytes a snapshot file would have.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/snapshot/writer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

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

} // namespace detail

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
