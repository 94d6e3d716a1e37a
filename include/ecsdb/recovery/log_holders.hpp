/// @file
/// Says who keeps which part of the log, what that costs, and when it is too much.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/recovery/snapshots.hpp"
#include "ecsdb/storage/holders.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/segment_holds.hpp"
#include "ecsdb/wal/segment_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::recovery {

/// A segment of the log as a file.
struct SegmentFile {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0; ///< On disk, with what is laid out ahead.
};

/// Every segment in the log directory `log`, the oldest first. One that goes meanwhile may be missing.
[[nodiscard]] inline Result<std::vector<SegmentFile>> list_segments(FileSystem& files, const std::string& log) {
    const auto names = files.list(log);
    if (!names) {
        return names.error().clone();
    }
    std::vector<SegmentFile> segments;
    for (const std::string& name : *names) {
        if (const std::optional<std::uint64_t> number = wal::parse_segment_file_name(name)) {
            if (const auto bytes = files.file_size(log + '/' + name)) {
                segments.push_back({*number, *bytes});
            }
        }
    }
    std::sort(segments.begin(), segments.end(), [](const SegmentFile& a, const SegmentFile& b) { return a.number < b.number; });
    return segments;
}

/// What lies in segments `from` to `before`, without the last.
[[nodiscard]] inline std::uint64_t bytes_in(const std::vector<SegmentFile>& segments, std::uint64_t from, std::uint64_t before) noexcept {
    std::uint64_t bytes = 0;
    for (const SegmentFile& segment : segments) {
        bytes += segment.number >= from && segment.number < before ? segment.bytes : 0;
    }
    return bytes;
}

/// Everybody who holds segments in `holds`, of the log in `log`. Cost: a listing, and reading one header for each. A holder of segments
/// that are gone counts from the first there is.
[[nodiscard]] inline Result<std::vector<Holder>> list_log_holders(FileSystem& files, const std::string& log, const wal::SegmentHolds& holds,
                                                                  Allocator& allocator, std::uint64_t wall_ns, std::uint64_t limit) {
    const auto segments = list_segments(files, log);
    if (!segments) {
        return segments.error().clone();
    }
    std::vector<Holder> holders;
    for (const wal::SegmentHolds::Listed& listed : holds.list()) {
        Holder holder;
        holder.name = listed.name;
        holder.held = HeldThing::Log;
        holder.age_ns = wall_ns - std::min(wall_ns, listed.since_ns);
        holder.retained_bytes = static_cast<std::size_t>(bytes_in(*segments, listed.first_needed, ~std::uint64_t{0}));
        holder.limit_bytes = limit;
        const auto first = std::find_if(segments->begin(), segments->end(),
                                        [&](const SegmentFile& segment) { return segment.number >= listed.first_needed; });
        if (first != segments->end()) {
            if (const auto reader = wal::SegmentReader::open(files, wal::segment_path(log, first->number), allocator)) {
                holder.version = reader->header().previous.lsn;
            }
        }
        holders.push_back(std::move(holder));
    }
    return holders;
}

/// Whether more may be written while holders other than the snapshots keep as much of the log as they do: `NoSpace` beyond `limit`, naming
/// the one that keeps most. What the snapshots need themselves does not count. Success where the files cannot be listed.
[[nodiscard]] inline Result<void> check_held_log(FileSystem& files, const std::string& log, const wal::SegmentHolds& holds,
                                                 std::uint64_t wall_ns, std::uint64_t limit) {
    std::uint64_t needed = 0;
    std::optional<wal::SegmentHolds::Listed> oldest;
    for (const wal::SegmentHolds::Listed& listed : holds.list()) {
        if (listed.name == Snapshots::own_hold) {
            needed = listed.first_needed;
        } else if (!oldest || listed.first_needed < oldest->first_needed) {
            oldest = listed;
        }
    }
    if (!oldest || oldest->first_needed >= needed) {
        return {};
    }
    const auto segments = list_segments(files, log);
    const std::uint64_t held = segments ? bytes_in(*segments, oldest->first_needed, needed) : 0;
    if (held <= limit) {
        return {};
    }
    return Error{ErrorCode::NoSpace,
                 "`" + oldest->name + "` has held segment " + std::to_string(oldest->first_needed) + " of the log and what follows for " +
                     std::to_string((wall_ns - std::min(wall_ns, oldest->since_ns)) / 1'000'000) + " ms: " + std::to_string(held) +
                     " bytes that nothing else needs, more than held_log_limit, which is " + std::to_string(limit) +
                     "; nothing was applied"};
}

} // namespace ecsdb::recovery
