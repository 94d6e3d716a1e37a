/// @file
/// Entity versions that a snapshot saved as of a later version than its own, until a replayed log has come that far.
#pragma once

#include "ecsdb/core/list.hpp"
#include "ecsdb/snapshot/numbers.hpp"
#include "ecsdb/storage/entity_versions.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace ecsdb::snapshot {

/// Counts of runs of indices, each as of one version. While a log is replayed, it counts on what is there; when it has come to the version
/// a run is of, `impose` puts the saved counts in the place of that. Holds them as the file has them: a few bytes may be many counts. Not
/// for several threads.
class LaterCounts {
public:
    /// `numbers` is a list of `count` numbers (`append_numbers`) that has been read before.
    void add(std::uint64_t version, std::uint32_t first, std::uint32_t count, std::span<const std::byte> numbers) {
        runs_.push_back({version, first, count, {numbers.begin(), numbers.end()}});
        next_ = std::min(next_, version);
    }

    /// The earliest version that counts are held for; the largest number where none are.
    [[nodiscard]] std::uint64_t next() const noexcept { return next_; }

    /// Of numbers as they were added.
    [[nodiscard]] std::size_t held_bytes() const noexcept {
        std::size_t bytes = 0;
        for (const Run& run : runs_) {
            bytes += run.numbers.size();
        }
        return bytes;
    }

    /// The state is that of `version`: sets the counts that are of it, or of one before, and forgets them. False when memory is refused.
    [[nodiscard]] bool impose(storage::EntityVersions& versions, std::uint64_t version) {
        next_ = none;
        std::vector<std::uint32_t> counts;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < runs_.size(); ++i) {
            if (runs_[i].version > version) {
                next_ = std::min(next_, runs_[i].version);
                if (kept != i) {
                    runs_[kept] = std::move(runs_[i]);
                }
                ++kept;
            } else {
                counts.resize(runs_[i].count);
                ByteReader in{runs_[i].numbers};
                const bool read = read_numbers(in, counts);
                ECSDB_ASSERT(read, "counts that nobody has read before");
                if (!read || !set(versions, runs_[i].first, counts)) {
                    return false;
                }
            }
        }
        runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(kept), runs_.end());
        return true;
    }
    /// The same for all: where the log ends before the versions they are of. Counts may then be of transactions that are not there; they
    /// only have to grow.
    [[nodiscard]] bool impose_all(storage::EntityVersions& versions) { return impose(versions, none); }

private:
    static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

    struct Run {
        std::uint64_t version;
        std::uint32_t first;
        std::uint32_t count;
        std::vector<std::byte> numbers;
    };

    static bool set(storage::EntityVersions& versions, std::uint32_t first, std::span<const std::uint32_t> counts) noexcept {
        for (std::size_t i = 0; i < counts.size(); ++i) {
            const auto index = first + static_cast<std::uint32_t>(i);
            if (counts[i] != 0 && !versions.cover(index)) {
                return false;
            }
            if (counts[i] != 0 || versions.count(index) != 0) {
                versions.set(index, counts[i]);
            }
        }
        return true;
    }

    List<Run> runs_;
    std::uint64_t next_ = none;
};

} // namespace ecsdb::snapshot
