/// @file
/// Files as Linux has them. The only header, beside core/clock.hpp, that calls the operating system.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/io/file_system.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ecsdb {

namespace detail {

// strerror_r comes in two forms, and which one is a matter of macros: overloads take whichever it is.
inline const char* strerror_text(const char* text, const char*) noexcept {
    return text;
}
inline const char* strerror_text(int failed, const char* buffer) noexcept {
    return failed == 0 ? buffer : "unknown error";
}

/// What `errno` became, told as "operation path: reason".
[[nodiscard]] inline Error errno_error(const char* operation, const std::string& path, int number) {
    char buffer[128] = {};
    const ErrorCode code = number == ENOSPC || number == EDQUOT ? ErrorCode::NoSpace
                           : number == ENOENT                   ? ErrorCode::NotFound
                           : number == EEXIST                   ? ErrorCode::AlreadyExists
                                                                : ErrorCode::Io;
    return Error{code, std::string{operation} + " " + path + ": " + strerror_text(::strerror_r(number, buffer, sizeof buffer), buffer)};
}

/// An open file descriptor; closed when destroyed.
class FileDescriptor {
public:
    explicit FileDescriptor(int number) noexcept : number_{number} {}
    FileDescriptor(FileDescriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~FileDescriptor() {
        if (number_ >= 0) {
            ::close(number_); // never again after EINTR: the number may already be somebody else's
        }
    }
    [[nodiscard]] int number() const noexcept { return number_; }
    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }

private:
    int number_;
};

[[nodiscard]] inline FileDescriptor open_descriptor(const std::string& path, int flags) noexcept {
    int number = -1;
    do {
        number = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    } while (number < 0 && errno == EINTR);
    return FileDescriptor{number};
}

/// Calls `transfer(done)` for what is left until nothing is, or it says 0; resumes after signals and short counts.
template <typename Transfer>
[[nodiscard]] inline bool transfer_all(std::size_t size, std::size_t& done, Transfer transfer) noexcept {
    for (done = 0; done < size;) {
        const ssize_t count = transfer(done);
        if (count < 0 && errno != EINTR) {
            return false;
        }
        if (count == 0) {
            break;
        }
        done += count > 0 ? static_cast<std::size_t>(count) : 0U;
    }
    return true;
}

class PosixFile final : public File {
public:
    PosixFile(FileDescriptor descriptor, std::string path) noexcept : descriptor_{std::move(descriptor)}, path_{std::move(path)} {}

    [[nodiscard]] Result<std::size_t> pread(std::span<std::byte> out, std::uint64_t offset) noexcept override {
        std::size_t done = 0;
        const bool read = transfer_all(out.size(), done, [&](std::size_t from) {
            return ::pread(descriptor_.number(), out.data() + from, out.size() - from, static_cast<off_t>(offset + from));
        });
        if (!read) {
            return errno_error("read", path_, errno);
        }
        return done;
    }

    Result<void> pwrite(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
        std::size_t done = 0;
        const bool written = transfer_all(bytes.size(), done, [&](std::size_t from) {
            return ::pwrite(descriptor_.number(), bytes.data() + from, bytes.size() - from, static_cast<off_t>(offset + from));
        });
        if (!written || done != bytes.size()) {
            return errno_error("write", path_, written ? EIO : errno);
        }
        return {};
    }

    Result<void> pwrite_uncached(std::span<const std::byte> bytes, std::uint64_t offset) noexcept override {
        // Whole blocks only, from memory that is aligned as they are; what lies before and behind goes through the cache, page by page.
        const std::size_t head = std::min<std::size_t>((block_bytes - offset % block_bytes) % block_bytes, bytes.size());
        const std::size_t body = (bytes.size() - head) / block_bytes * block_bytes;
        if (body < piece_bytes / 4 || !open_uncached()) {
            return pwrite(bytes, offset);
        }
        std::size_t done = head;
        for (std::size_t size = 0; done < head + body; done += size) {
            size = std::min(head + body - done, piece_bytes);
            const std::byte* piece = bytes.data() + done;
            if (reinterpret_cast<std::uintptr_t>(piece) % block_bytes != 0) {
                std::memcpy(piece_.bytes, piece, size);
                piece = piece_.bytes;
            }
            std::size_t written = 0;
            const bool transferred = transfer_all(size, written, [&](std::size_t from) {
                return ::pwrite(uncached_.number(), piece + from, size - from, static_cast<off_t>(offset + done + from));
            });
            if (!transferred && errno != EINVAL) {
                return errno_error("write", path_, errno);
            }
            if (written != size) {
                break; // not here after all: the rest as usual
            }
        }
        Result<void> rest = pwrite(bytes.subspan(done), offset + done);
        return rest && head != 0 ? pwrite(bytes.first(head), offset) : std::move(rest);
    }

    void begin_write_back(std::uint64_t offset, std::uint64_t bytes) noexcept override {
        static_cast<void>(
            ::sync_file_range(descriptor_.number(), static_cast<off_t>(offset), static_cast<off_t>(bytes), SYNC_FILE_RANGE_WRITE));
    }

    void forget_cached() noexcept override { static_cast<void>(::posix_fadvise(descriptor_.number(), 0, 0, POSIX_FADV_DONTNEED)); }

    Result<void> sync() noexcept override {
        if (::fdatasync(descriptor_.number()) != 0) {
            return errno_error("sync", path_, errno);
        }
        return {};
    }

    Result<void> truncate(std::uint64_t size) noexcept override {
        int result = 0;
        do {
            result = ::ftruncate(descriptor_.number(), static_cast<off_t>(size));
        } while (result != 0 && errno == EINTR);
        if (result != 0) {
            return errno_error("truncate", path_, errno);
        }
        return {};
    }

    [[nodiscard]] Result<std::uint64_t> size() noexcept override {
        struct stat status {};
        if (::fstat(descriptor_.number(), &status) != 0) {
            return errno_error("size of", path_, errno);
        }
        return static_cast<std::uint64_t>(status.st_size);
    }

    Result<void> preallocate(std::uint64_t size) noexcept override {
        if (size == 0) {
            return {};
        }
        int result = 0;
        do {
            result = ::fallocate(descriptor_.number(), 0, 0, static_cast<off_t>(size));
        } while (result != 0 && errno == EINTR);
        if (result == 0) {
            return {};
        }
        if (errno != EOPNOTSUPP && errno != ENOSYS) {
            return errno_error("preallocate", path_, errno);
        }
        const auto present = this->size();
        if (!present) {
            return present.error().clone();
        }
        return *present >= size ? Result<void>{} : truncate(size);
    }

private:
    static constexpr std::size_t block_bytes = 4096;
    static constexpr std::size_t piece_bytes = std::size_t{1} << 20U;

    struct Piece {
        Piece() noexcept = default;
        Piece(const Piece&) = delete;
        Piece& operator=(const Piece&) = delete;
        ~Piece() { std::free(bytes); } // NOLINT: from aligned_alloc
        std::byte* bytes = nullptr;
    };

    /// A second descriptor of this very file, whatever its name is by now. False where there is none to be had; not tried again.
    [[nodiscard]] bool open_uncached() noexcept {
        if (!std::exchange(tried_uncached_, true)) {
            piece_.bytes = static_cast<std::byte*>(std::aligned_alloc(block_bytes, piece_bytes));
            if (piece_.bytes != nullptr) {
                char name[32] = {};
                std::snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor_.number());
                uncached_ = open_descriptor(name, O_WRONLY | O_DIRECT);
            }
        }
        return uncached_.is_open();
    }

    FileDescriptor descriptor_;
    std::string path_;
    FileDescriptor uncached_{-1};
    Piece piece_; // what is written past the cache on its way
    bool tried_uncached_ = false;
};

/// An OFD lock: it belongs to the open file, not to the process, so closing some other descriptor of the file does not lose it.
class PosixFileLock final : public FileLock {
public:
    explicit PosixFileLock(FileDescriptor descriptor) noexcept : descriptor_{std::move(descriptor)}, owner_{::getpid()} {}
    ~PosixFileLock() override {
        // A forked child shares the open file: closing its descriptor releases nothing, but unlocking would. The parent, in turn, must
        // unlock, since a child that still has the descriptor would keep the lock alive.
        if (::getpid() == owner_) {
            struct flock whole {};
            whole.l_type = F_UNLCK;
            whole.l_whence = SEEK_SET;
            static_cast<void>(::fcntl(descriptor_.number(), F_OFD_SETLK, &whole));
        }
    }

    /// Replaces the lock file's contents: for whoever finds it locked, never for deciding whether it is.
    [[nodiscard]] Result<void> name_holder(const std::string& path, std::string_view text) noexcept {
        std::size_t done = 0;
        const bool written = ::ftruncate(descriptor_.number(), 0) == 0 && transfer_all(text.size(), done, [&](std::size_t from) {
                                 return ::pwrite(descriptor_.number(), text.data() + from, text.size() - from, static_cast<off_t>(from));
                             });
        if (!written || done != text.size()) {
            return errno_error("lock", path, written ? EIO : errno);
        }
        return {};
    }

private:
    FileDescriptor descriptor_;
    pid_t owner_;
};

/// The first `size` bytes of a small text file, or less; empty where it cannot be read.
[[nodiscard]] inline std::string read_small(int descriptor, std::size_t size) {
    std::string text(size, '\0');
    std::size_t done = 0;
    const bool read = transfer_all(
        size, done, [&](std::size_t from) { return ::pread(descriptor, text.data() + from, size - from, static_cast<off_t>(from)); });
    text.resize(read ? done : 0);
    return text;
}

/// `0d6e0f2e-…`, as Linux prints it, to 16 bytes; all zeros where it is anything else.
[[nodiscard]] inline BootId parse_boot_id(std::string_view text) noexcept {
    BootId id{};
    std::size_t digits = 0;
    for (const char character : text) {
        const unsigned value = character >= '0' && character <= '9'   ? static_cast<unsigned>(character - '0')
                               : character >= 'a' && character <= 'f' ? static_cast<unsigned>(character - 'a') + 10U
                                                                      : 16U;
        if (value < 16 && digits < 32) {
            id[digits / 2] |= static_cast<std::byte>(digits % 2 == 0 ? value << 4U : value);
            ++digits;
        } else if (character != '-' && character != '\n') {
            return {};
        }
    }
    return digits == 32 ? id : BootId{};
}

} // namespace detail

/// The machine's own files. Stateless: instances are interchangeable. Paths relative to the working directory work, as long as that stays.
class PosixFileSystem final : public FileSystem {
public:
    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, FileMode mode) noexcept override {
        const int flags = mode == FileMode::Read ? O_RDONLY : mode == FileMode::ReadWrite ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
        auto descriptor = detail::open_descriptor(path, flags);
        if (!descriptor.is_open()) {
            return detail::errno_error(mode == FileMode::CreateNew ? "create" : "open", path, errno);
        }
        return std::unique_ptr<File>{new detail::PosixFile{std::move(descriptor), path}};
    }

    Result<void> create_directory(const std::string& path) noexcept override {
        if (::mkdir(path.c_str(), 0777) != 0) {
            return detail::errno_error("create directory", path, errno);
        }
        return {};
    }

    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) noexcept override {
        DIR* const directory = ::opendir(path.c_str());
        if (directory == nullptr) {
            return detail::errno_error("list", path, errno);
        }
        std::vector<std::string> names;
        errno = 0;
        while (const dirent* const entry = ::readdir(directory)) {
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") {
                names.emplace_back(name);
            }
            errno = 0;
        }
        const int failure = errno;
        ::closedir(directory);
        if (failure != 0) {
            return detail::errno_error("list", path, failure);
        }
        std::sort(names.data(), names.data() + names.size());
        return names;
    }

    Result<void> rename(const std::string& from, const std::string& to) noexcept override {
        if (::rename(from.c_str(), to.c_str()) != 0) {
            const int failure = errno; // before the message takes memory, which may change it
            return detail::errno_error("rename", from + " to " + to, failure);
        }
        return {};
    }

    Result<void> remove(const std::string& path) noexcept override {
        if (std::remove(path.c_str()) != 0) {
            return detail::errno_error("remove", path, errno);
        }
        return {};
    }

    [[nodiscard]] Result<bool> exists(const std::string& path) noexcept override {
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0) {
            return true;
        }
        if (errno == ENOENT || errno == ENOTDIR) {
            return false;
        }
        return detail::errno_error("look for", path, errno);
    }

    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& path) noexcept override {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) {
            return detail::errno_error("size of", path, errno);
        }
        return static_cast<std::uint64_t>(status.st_size);
    }

    Result<void> sync_directory(const std::string& path) noexcept override {
        const auto descriptor = detail::open_descriptor(path, O_RDONLY | O_DIRECTORY);
        if (!descriptor.is_open() || ::fsync(descriptor.number()) != 0) {
            return detail::errno_error("sync directory", path, errno);
        }
        return {};
    }

    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept override {
        auto descriptor = detail::open_descriptor(path, O_RDWR | O_CREAT);
        if (!descriptor.is_open()) {
            return detail::errno_error("lock", path, errno);
        }
        struct flock whole {};
        whole.l_type = F_WRLCK;
        whole.l_whence = SEEK_SET;
        if (::fcntl(descriptor.number(), F_OFD_SETLK, &whole) != 0) {
            if (errno == EAGAIN || errno == EACCES) {
                return Error{ErrorCode::Locked, "lock " + path + ": held by " + holder_of(descriptor.number())};
            }
            return detail::errno_error("lock", path, errno);
        }
        auto* const held = new detail::PosixFileLock{std::move(descriptor)};
        std::unique_ptr<FileLock> lock{held};
        if (auto named = held->name_holder(path, "pid " + std::to_string(::getpid()) + "\nboot " + boot_text() + "\n"); !named) {
            return std::move(named).error();
        }
        return lock;
    }

    [[nodiscard]] BootId boot_id() noexcept override { return detail::parse_boot_id(boot_text()); }

private:
    static std::string boot_text() {
        const auto descriptor = detail::open_descriptor("/proc/sys/kernel/random/boot_id", O_RDONLY);
        std::string text = descriptor.is_open() ? detail::read_small(descriptor.number(), 64) : std::string{};
        while (!text.empty() && text.back() == '\n') {
            text.pop_back();
        }
        return text;
    }

    // The holder writes its id after it has the lock, so a reader may come in between and find nothing.
    static std::string holder_of(int descriptor) {
        const std::string text = detail::read_small(descriptor, 128);
        const std::size_t end = text.find('\n');
        const bool whole = text.rfind("pid ", 0) == 0 && end != std::string::npos && text.find_first_not_of("0123456789", 4) == end;
        return whole ? "process " + text.substr(4, end - 4) : "another process";
    }
};

} // namespace ecsdb
