/// @file
/// Ranges of rows or of entity indices: as bytes in an incremental snapshot, and as sets that tell what a newer one has replaced.
#pragma once

#include "ecsdb/core/bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ecsdb::snapshot {

/// `count` numbers from `first` on.
struct Run {
    std::uint64_t first = 0;
    std::uint64_t count = 0;

    [[nodiscard]] std::uint64_t end() const noexcept { return first + count; }
    friend bool operator==(const Run&, const Run&) = default;
};

/// Runs end here at the latest: one past the largest index.
inline constexpr std::uint64_t max_run_end = std::uint64_t{1} << 32U;

/// Appends `run` to `runs`, which are ascending: to the last of them where it follows directly.
inline void add_run(std::vector<Run>& runs, const Run& run) {
    if (!runs.empty() && runs.back().end() == run.first) {
        runs.back().count += run.count;
    } else if (run.count != 0) {
        runs.push_back(run);
    }
}

/// Appends ascending runs that do not touch each other: for each, varint distance from the end of the one before, varint length - 1.
inline void append_runs(ByteBuffer& out, std::span<const Run> runs) noexcept {
    std::uint64_t end = 0;
    for (const Run& run : runs) {
        out.append_varint(run.first - end);
        out.append_varint(run.count - 1);
        end = run.end();
    }
}

/// Reads `count` runs into `runs`. False where the bytes are no such runs; `runs` then holds anything. Takes memory only for runs whose
/// bytes are there.
[[nodiscard]] inline bool read_runs(ByteReader& in, std::uint64_t count, std::vector<Run>& runs) {
    runs.clear();
    for (std::uint64_t end = 0; count != 0; --count) {
        const std::uint64_t distance = in.read_varint();
        const std::uint64_t further = in.read_varint();
        if (in.failed() || distance > max_run_end - end || further >= max_run_end - end - distance) {
            return false;
        }
        runs.push_back({end + distance, further + 1});
        end += distance + further + 1;
    }
    return true;
}

/// A set of indices, as ascending runs.
class RunSet {
public:
    [[nodiscard]] bool empty() const noexcept { return runs_.empty(); }
    void clear() noexcept { runs_.clear(); }
    [[nodiscard]] std::span<const Run> runs() const noexcept { return runs_; }

    /// Cost: O(log runs).
    [[nodiscard]] bool contains(std::uint64_t index) const noexcept {
        const auto after =
            std::upper_bound(runs_.begin(), runs_.end(), index, [](std::uint64_t value, const Run& run) { return value < run.first; });
        return after != runs_.begin() && index < std::prev(after)->end();
    }

    /// Adds ascending runs. Cost: O(both).
    void add(std::span<const Run> runs) {
        std::vector<Run> both;
        both.reserve(runs_.size() + runs.size());
        std::merge(runs_.begin(), runs_.end(), runs.begin(), runs.end(), std::back_inserter(both),
                   [](const Run& a, const Run& b) { return a.first < b.first; });
        runs_.clear();
        for (const Run& run : both) {
            if (!runs_.empty() && run.first <= runs_.back().end()) {
                runs_.back().count = std::max(runs_.back().end(), run.end()) - runs_.back().first;
            } else {
                runs_.push_back(run);
            }
        }
    }

private:
    std::vector<Run> runs_;
};

} // namespace ecsdb::snapshot
