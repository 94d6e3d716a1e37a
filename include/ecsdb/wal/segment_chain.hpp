/// @file
/// Finds the segments that form the log: from the newest one back, each naming its predecessor, so that none can be missing unnoticed.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/wal/format.hpp"
#include "ecsdb/wal/segment_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace ecsdb::wal {

/// What is known about the log before it is read, mostly from the manifest: enough to notice that some of it is missing.
struct LogReadOptions {
    DatabaseId database{};
    /// The state that is replayed onto: its transactions are checked but not handed out.
    std::uint64_t after_lsn = 0;
    std::uint64_t first_needed_segment = 0; ///< 0: from the log's first.
    std::uint64_t durable_lsn = 0;          ///< Transactions up to here were synced once.
    std::uint64_t newest_segment = 0;       ///< The newest known to exist, 0 if unknown,
    std::uint32_t newest_epoch = 0;         ///< and its epoch.
    /// Take what is there up to the first damage instead of refusing.
    bool salvage = false;
};

/// The log's segments, as far as they could be linked.
struct SegmentChain {
    List<SegmentHeader> segments;   ///< Oldest first. Without those that hold remains of a history given up.
    std::string broken;             ///< Why the log cannot go on behind them; empty if they are all there are.
    std::uint64_t known_lsn = 0;    ///< The highest that a header or the manifest bears witness to.
    std::uint64_t next_segment = 1; ///< Higher than any number seen.
    std::uint32_t max_epoch = 0;
};

namespace detail {

/// A file with a segment's name.
struct FoundSegment {
    std::uint64_t number = 0;
    SegmentHeader header;
    std::string problem; ///< Why the header is not to be believed; empty if it is.
};

[[nodiscard]] inline Result<FoundSegment> find_segment(FileSystem& files, const std::string& directory, std::uint64_t number,
                                                       const LogReadOptions& options, Allocator& allocator) {
    FoundSegment found;
    found.number = number;
    const std::string path = segment_path(directory, number);
    auto reader = SegmentReader::open(files, path, allocator);
    if (!reader) {
        if (reader.error().code() != ErrorCode::Corrupt) {
            return std::move(reader).error();
        }
        found.problem = reader.error().message();
        return found;
    }
    const SegmentHeader& header = reader->header();
    if (header.database != options.database) {
        found.problem = path + ": the segment belongs to another database";
    } else if (header.number != number) {
        found.problem = path + ": the file holds segment " + std::to_string(header.number);
    } else if (number == options.newest_segment && header.epoch != options.newest_epoch) {
        found.problem =
            path + ": the segment is of epoch " + std::to_string(header.epoch) + " instead of " + std::to_string(options.newest_epoch);
    } else {
        found.header = header;
    }
    return found;
}

/// From the newest segment down. Says what is wrong with the first that is missing or not to be believed; nothing if all are there.
[[nodiscard]] inline std::string link_backwards(const List<FoundSegment>& found, const std::string& directory, std::uint64_t first_needed,
                                                List<SegmentHeader>& chain) {
    const FoundSegment* segment = &found.back();
    for (std::uint64_t number = segment->number;;) {
        while (segment->number > number && segment != found.data()) {
            --segment;
        }
        if (segment->number != number) {
            return segment_path(directory, number) + ": the segment is missing, but segment " + std::to_string(chain.back().number) +
                   " continues it";
        }
        if (!segment->problem.empty()) {
            return segment->problem;
        }
        chain.push_back(segment->header);
        number = segment->header.previous.segment;
        if (number == 0 || number < first_needed) {
            for (std::size_t i = 0; i < chain.size() / 2; ++i) {
                std::swap(chain[i], chain[chain.size() - 1 - i]);
            }
            return {};
        }
    }
}

/// From the oldest segment up, as far as there is a successor. Where several claim to be, the newest is: it was made last.
inline void link_forwards(const List<FoundSegment>& found, List<SegmentHeader>& chain) {
    std::size_t oldest = 0;
    while (oldest < found.size() && !found[oldest].problem.empty()) {
        ++oldest;
    }
    if (oldest == found.size() || (oldest != 0 && found[oldest].header.previous.segment != 0)) {
        return;
    }
    chain.push_back(found[oldest].header);
    for (std::size_t index = found.size(); index-- > 0;) {
        const FoundSegment& segment = found[index];
        if (segment.problem.empty() && segment.number > chain.back().number && segment.header.previous.segment == chain.back().number) {
            chain.push_back(segment.header);
            index = found.size();
        }
    }
}

} // namespace detail

/// The log in `directory`. What is wrong with it is reported in `broken`, together with the segments before that, so that the
/// transactions lost can be named and those before them saved. Fails with `Unsupported` where a newer release wrote a segment, and
/// with what the file system reports. Reads one header from each segment from the first needed on; changes nothing.
[[nodiscard]] inline Result<SegmentChain> find_segments(FileSystem& files, const std::string& directory, const LogReadOptions& options,
                                                        Allocator& allocator) {
    const auto names = files.list(directory);
    if (!names) {
        return names.error().clone();
    }
    SegmentChain chain;
    chain.known_lsn = options.durable_lsn;
    chain.next_segment = options.newest_segment + 1;
    chain.max_epoch = options.newest_epoch;
    List<detail::FoundSegment> found;
    for (const std::string& name : *names) {
        const auto number = parse_segment_file_name(name);
        if (!number || *number < options.first_needed_segment) {
            continue;
        }
        auto segment = detail::find_segment(files, directory, *number, options, allocator);
        if (!segment) {
            return std::move(segment).error();
        }
        chain.next_segment = std::max(chain.next_segment, *number + 1);
        chain.max_epoch = std::max(chain.max_epoch, segment->header.epoch);
        // Names come in order, and that of their numbers is the same below eleven digits: there is nothing to move as a rule.
        found.push_back(std::move(*segment));
        for (std::size_t i = found.size() - 1; i > 0 && found[i].number < found[i - 1].number; --i) {
            std::swap(found[i], found[i - 1]);
        }
    }
    if (options.newest_segment != 0 && (found.empty() || found.back().number < options.newest_segment)) {
        chain.broken = segment_path(directory, options.newest_segment) + ": the segment is missing";
    } else if (!found.empty()) {
        chain.broken = detail::link_backwards(found, directory, options.first_needed_segment, chain.segments);
    }
    const auto hear_witnesses = [&chain] {
        for (const SegmentHeader& segment : chain.segments) {
            chain.known_lsn = std::max(chain.known_lsn, segment.previous.lsn);
        }
    };
    hear_witnesses();
    if (!chain.broken.empty()) {
        chain.segments.clear();
        detail::link_forwards(found, chain.segments);
        hear_witnesses();
    }
    return chain;
}

} // namespace ecsdb::wal
