/// @file
/// What the process that will be killed tells its parent while it can: small records of one size through a pipe.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <poll.h>
#include <unistd.h>

namespace demo {

enum class News : std::uint32_t {
    MapImported,   ///< version, maps so far.
    ImportDone,    ///< version, living entities, rows of all tables.
    Started,       ///< version the simulation starts from.
    Acknowledged,  ///< version that is promised to survive.
    Hashed,        ///< version (promised, too), the hash of its state.
    SnapshotBegun, ///< version.
    SnapshotDone,  ///< version.
    Counted,       ///< nanoseconds since the start, transactions, rows read beside them.
};

/// Smaller than a pipe's atomic unit, so that threads may write at the same time.
struct Report {
    News news;
    std::uint32_t reserved = 0;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::uint64_t third = 0;
};

/// The child's end. Any thread.
class Reporter {
public:
    explicit Reporter(int descriptor) noexcept : descriptor_{descriptor} {}

    /// Ends the process when nobody listens any more.
    void tell(News news, std::uint64_t first, std::uint64_t second = 0, std::uint64_t third = 0) const noexcept {
        const Report report{news, 0, first, second, third};
        if (::write(descriptor_, &report, sizeof(report)) != static_cast<ssize_t>(sizeof(report))) {
            ::_exit(1);
        }
    }

private:
    int descriptor_;
};

/// The parent's end.
class ReportReader {
public:
    explicit ReportReader(int descriptor) noexcept : descriptor_{descriptor} {}
    ReportReader(const ReportReader&) = delete;
    ReportReader& operator=(const ReportReader&) = delete;
    ~ReportReader() { ::close(descriptor_); }

    /// The next report; nothing when none came within the time, or the child is gone: then `ended()`.
    [[nodiscard]] std::optional<Report> next(int timeout_ms) noexcept {
        pollfd waiting{descriptor_, POLLIN, 0};
        if (ended_ || ::poll(&waiting, 1, timeout_ms) <= 0) {
            return std::nullopt;
        }
        Report report{};
        const ssize_t count = ::read(descriptor_, &report, sizeof(report));
        if (count == static_cast<ssize_t>(sizeof(report))) {
            return report;
        }
        ended_ = count == 0 || errno != EINTR;
        return std::nullopt;
    }
    [[nodiscard]] bool ended() const noexcept { return ended_; }

private:
    int descriptor_;
    bool ended_ = false;
};

} // namespace demo
