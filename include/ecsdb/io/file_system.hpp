/// @file
/// The seam through which every file is reached: an interface small enough to be real, failing or simulated.
#pragma once

#include "ecsdb/core/error.hpp"
#include "ecsdb/core/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// What a file is opened for.
enum class FileMode : std::uint8_t {
    Read,      ///< An existing file; writing to it fails.
    ReadWrite, ///< An existing file.
    CreateNew, ///< A file that must not exist yet, for reading and writing.
};

/// An open file; closed when destroyed, which neither syncs nor reports anything.
///
/// Reads and writes name their offset, so any threads may make them at once; the order of writes that overlap in time is open.
/// Errors: `NoSpace` where the disk or the quota is full, `Io` for everything else. The message names operation, path and reason.
class File {
public:
    File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    virtual ~File() = default;

    /// Fills `out` from `offset` and returns how many bytes that were: fewer than asked only where the file ends.
    [[nodiscard]] virtual Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept = 0;

    /// Writes all of `bytes` at `offset`; a gap before it reads as zeros. After a failure some of them may be there.
    virtual Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept = 0;

    /// The same for many bytes that nobody is going to read soon: past the page cache where the file system can, which spares a copy and
    /// leaves the cache to others. One thread at a time; other calls on the file may come meanwhile, but for the same 4 KiB.
    virtual Result<void> pwrite_uncached(std::span<const std::byte> bytes, std::uint64_t offset) noexcept { return pwrite(bytes, offset); }

    /// Has the system begin to write a range to the disk, so that the next `sync` finds less to do. A hint: it promises nothing.
    virtual void begin_write_back(std::uint64_t offset, std::uint64_t bytes) noexcept {
        static_cast<void>(offset);
        static_cast<void>(bytes);
    }
    /// Has the system forget what it keeps of the file besides the disk and has synced, so that the next read shows what the disk has. A
    /// hint as well.
    virtual void forget_cached() noexcept {}

    /// Makes contents and size durable. After a failure nobody knows what is durable: repeating the call proves nothing, since the
    /// system may have dropped what it could not write. A new file's name becomes durable only by `FileSystem::sync_directory`.
    virtual Result<void> sync() noexcept = 0;

    /// Cuts or zero-extends the file to `size` bytes.
    virtual Result<void> truncate(std::uint64_t size) noexcept = 0;

    [[nodiscard]] virtual Result<std::uint64_t> size() noexcept = 0;

    /// Extends the file with zeros to `size` bytes and, where the file system can, takes the space now, so that later writes below
    /// `size` do not run out of it. Never shortens.
    virtual Result<void> preallocate(std::uint64_t size) noexcept = 0;
};

/// A lock on a path, held until destroyed. A forked child's copy holds nothing and releases nothing.
class FileLock {
public:
    FileLock() = default;
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;
    virtual ~FileLock() = default;
};

/// Names one run of the operating system: as long as it is the same, the page cache has not been lost. All zeros where it is not
/// known, which proves nothing.
using BootId = std::array<std::byte, 16>;

/// Files and directories by path.
///
/// Every call may come from any thread. It must outlive the files and locks it gave. Nothing that changes a directory (a new file, a
/// rename, a removal) outlives a crash for certain until `sync_directory`. Errors: `NotFound` where the path does not exist,
/// `AlreadyExists` where it should not, `NoSpace`, otherwise `Io`. The message names operation, path and reason.
class FileSystem {
public:
    FileSystem() = default;
    FileSystem(const FileSystem&) = delete;
    FileSystem& operator=(const FileSystem&) = delete;
    virtual ~FileSystem() = default;

    [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, FileMode mode) noexcept = 0;

    /// Creates one directory; its parent must exist.
    virtual Result<void> create_directory(const std::string& path) noexcept = 0;

    /// The names in a directory, sorted, without `.` and `..`.
    [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& path) noexcept = 0;

    /// Puts `from` in the place of `to`, which may exist: whoever looks sees the one or the other.
    virtual Result<void> rename(const std::string& from, const std::string& to) noexcept = 0;

    /// Removes a file or an empty directory. A file that is open stays readable through its handle.
    virtual Result<void> remove(const std::string& path) noexcept = 0;

    [[nodiscard]] virtual Result<bool> exists(const std::string& path) noexcept = 0;
    [[nodiscard]] virtual Result<std::uint64_t> file_size(const std::string& path) noexcept = 0;

    /// Makes the names in a directory durable: everything created, renamed and removed in it so far.
    virtual Result<void> sync_directory(const std::string& path) noexcept = 0;

    /// Takes the lock file at `path`, creating it if need be, and writes into it who holds it. Never waits: `Locked`, naming the
    /// holder's process id, when anyone has it, this process included. A holder that died holds nothing. The file stays behind.
    [[nodiscard]] virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept = 0;

    [[nodiscard]] virtual BootId boot_id() noexcept = 0;
};

/// The directory a path lies in: `.` for a bare name.
[[nodiscard]] inline std::string parent_directory(const std::string& path) {
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// A whole file. `Corrupt` where it is larger than `max_bytes`: found out before anything is allocated.
[[nodiscard]] inline Result<std::vector<std::byte>> read_all(FileSystem& files, const std::string& path, std::uint64_t max_bytes) {
    auto file = files.open(path, FileMode::Read);
    if (!file) {
        return std::move(file).error();
    }
    const auto size = (*file)->size();
    if (!size) {
        return size.error().clone();
    }
    if (*size > max_bytes) {
        return Error{ErrorCode::Corrupt,
                     path + ": holds " + std::to_string(*size) + " bytes where at most " + std::to_string(max_bytes) + " make sense"};
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(*size));
    const auto read = (*file)->pread(bytes, 0);
    if (!read) {
        return read.error().clone();
    }
    bytes.resize(*read);
    return bytes;
}

/// Replaces `path` as a whole and durably: after a crash at any point it holds what it held before, or `bytes`. Goes through
/// `path.tmp`, which a crash may leave behind and the next call replaces. One caller per path at a time.
inline Result<void> write_atomically(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
    const std::string staged = path + ".tmp";
    auto file = files.open(staged, FileMode::CreateNew);
    if (!file && file.error().code() == ErrorCode::AlreadyExists) {
        if (auto removed = files.remove(staged); !removed) {
            return removed;
        }
        file = files.open(staged, FileMode::CreateNew);
    }
    if (!file) {
        return std::move(file).error();
    }
    auto done = (*file)->pwrite(bytes, 0);
    if (done) {
        done = (*file)->sync();
    }
    file->reset();
    if (done) {
        done = files.rename(staged, path);
    }
    if (!done) {
        // What went wrong first is what the caller needs to know; a file left behind does no harm.
        static_cast<void>(files.remove(staged));
        return done;
    }
    return files.sync_directory(parent_directory(path));
}

} // namespace ecsdb
