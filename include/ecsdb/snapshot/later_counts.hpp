/// @file
/// Entity versions that a snapshot saved as of a later version than its own, until a replayed log has come that far.
#pragma once

#include "ecsdb/core/list.hpp"
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
/// a run is of, `impose` puts the saved counts in the place of that. Not for several threads.
class LaterCounts {
public:
    void add(std::uint64_t version, std::uint32_t first, std::span<const std::uint32_t> counts) {
        runs_.push_back({version, first, {counts.begin(), counts.end()}});
        next_ = std::min(next_, version);
    }

    /// The earliest version that counts are held for; the largest number where none are.
    [[nodiscard]] std::uint64_t next() const noexcept { return next_; }

    /// The state is that of `version`: sets the counts that are of it, or of one before, and forgets them. False when memory is refused.
    [[nodiscard]] bool impose(storage::EntityVersions& versions, std::uint64_t version) {
        next_ = none;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < runs_.size(); ++i) {
            if (runs_[i].version > version) {
                next_ = std::min(next_, runs_[i].version);
                if (kept != i) {
                    runs_[kept] = std::move(runs_[i]);
                }
                ++kept;
            } else if (!set(versions, runs_[i].first, runs_[i].counts)) {
                return false;
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
        std::vector<std::uint32_t> counts;
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
