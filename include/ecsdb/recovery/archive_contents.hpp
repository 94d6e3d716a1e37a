/// @file
/// What lies in an archive: segments of the log, snapshots, and the gaps between them.
#pragma once

#include "ecsdb/core/list.hpp"
#include "ecsdb/recovery/archived_segment.hpp"
#include "ecsdb/snapshot/reader.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace ecsdb::recovery {

/// `snapshot-41-3.ecsdb` for version 41, taken in epoch 3.
[[nodiscard]] inline std::string archived_snapshot_name(std::uint64_t lsn, std::uint32_t epoch) {
    return "snapshot-" + std::to_string(lsn) + '-' + std::to_string(epoch) + ".ecsdb";
}

/// A segment in an archive.
struct ArchivedFile {
    ArchivedHeader header;
    std::uint64_t bytes = 0;
};
/// A snapshot in an archive: a snapshot file as it was.
struct ArchivedSnapshot {
    std::string name;
    std::uint64_t lsn = 0;
    std::uint32_t epoch = 0;
    std::uint64_t time = 0; ///< Of its last transaction, microseconds since 1970 UTC.
    std::uint64_t schema_hash = 0;
    std::uint64_t bytes = 0;
};

/// What lies in an archive, by the headers of its files.
struct ArchiveContents {
    wal::DatabaseId database{};
    List<ArchivedFile> segments;       ///< By number.
    List<ArchivedSnapshot> snapshots;  ///< By version, then epoch.
    List<std::uint64_t> damaged;       ///< Segments that were damaged in the log, by number.
    std::vector<std::string> problems; ///< Files whose headers are damaged, or of another database.

    [[nodiscard]] bool empty() const noexcept { return segments.empty() && snapshots.empty(); }
    [[nodiscard]] std::uint64_t bytes() const noexcept {
        std::uint64_t sum = 0;
        for (const ArchivedFile& segment : segments) {
            sum += segment.bytes;
        }
        for (const ArchivedSnapshot& snapshot : snapshots) {
            sum += snapshot.bytes;
        }
        return sum;
    }
    /// What cannot be had for each damaged segment.
    [[nodiscard]] std::vector<std::string> lost_to_damage() const {
        std::vector<std::string> lost;
        for (const std::uint64_t number : damaged) {
            std::uint64_t from = 1;
            std::uint64_t to = 0;
            for (const ArchivedFile& segment : segments) {
                if (segment.header.end.segment < number) {
                    from = segment.header.end.lsn + 1;
                } else if (to == 0) {
                    to = segment.header.first_lsn - 1;
                }
            }
            lost.push_back(archived_segment_name(number, damaged_segment_suffix) + ": was damaged in the log: " + only_snapshots(from, to));
        }
        return lost;
    }
    /// The same, and for each hole between segments.
    [[nodiscard]] std::vector<std::string> lost() const {
        std::vector<std::string> lost = lost_to_damage();
        for (std::size_t i = 1; i < segments.size(); ++i) {
            const ArchivedHeader& before = segments[i - 1].header;
            const ArchivedHeader& after = segments[i].header;
            const bool told = std::any_of(damaged.begin(), damaged.end(),
                                          [&](std::uint64_t number) { return number > before.end.segment && number < after.end.segment; });
            if (after.previous_segment > before.end.segment && !told) {
                lost.push_back(archived_segment_name(after.previous_segment) +
                               ": is not there: " + only_snapshots(before.end.lsn + 1, after.first_lsn - 1));
            }
        }
        return lost;
    }

private:
    [[nodiscard]] static std::string only_snapshots(std::uint64_t from, std::uint64_t to) {
        return "of versions " + std::to_string(from) + (to == 0 ? std::string{" and following"} : " to " + std::to_string(to)) +
               " there is no more than in snapshots";
    }
};

/// Reads the header of every file in the archive `directory`. Fails with what the file system reports, and with `Unsupported`. Changes
/// nothing.
[[nodiscard]] inline Result<ArchiveContents> list_archive(FileSystem& files, const std::string& directory, Allocator& allocator) {
    const auto names = files.list(directory);
    if (!names) {
        return names.error().clone();
    }
    ArchiveContents contents;
    const auto belongs = [&](const wal::DatabaseId& database, const std::string& name) {
        if (contents.empty()) {
            contents.database = database;
        }
        if (contents.database != database) {
            contents.problems.push_back(name + ": is of another database");
        }
        return contents.database == database;
    };
    const auto is_damage = [](const Error& error) { return error.code() == ErrorCode::Corrupt; };
    for (const std::string& name : *names) {
        const std::string path = directory + '/' + name;
        const auto size = files.file_size(path);
        if (const auto number = parse_archived_segment_name(name)) {
            const auto opened = ArchivedSegment::open(files, path, allocator);
            if (!opened && !is_damage(opened.error())) {
                return opened.error().clone();
            }
            if (!opened || (*opened)->header().end.segment != *number) {
                contents.problems.push_back(opened ? path + ": holds another segment" : opened.error().message());
            } else if (belongs((*opened)->header().database, path)) {
                contents.segments.push_back({(*opened)->header(), size ? *size : 0});
            }
        } else if (const auto damaged = parse_archived_segment_name(name, damaged_segment_suffix)) {
            contents.damaged.push_back(*damaged);
        } else if (name.starts_with("snapshot-") && name.ends_with(".ecsdb")) {
            const auto opened = snapshot::BlockReader::open(files, path, allocator);
            if (!opened && !is_damage(opened.error())) {
                return opened.error().clone();
            }
            const auto* const header = opened && !opened->header().is_incremental() ? &opened->header() : nullptr;
            if (header == nullptr || name != archived_snapshot_name(header->lsn, header->identity.epoch)) {
                contents.problems.push_back(opened ? path + ": holds another snapshot" : opened.error().message());
            } else if (belongs(header->identity.database, path)) {
                contents.snapshots.push_back(
                    {name, header->lsn, header->identity.epoch, header->time_ns / 1000, header->schema_hash, size ? *size : 0});
            }
        }
    }
    std::sort(contents.segments.begin(), contents.segments.end(),
              [](const ArchivedFile& a, const ArchivedFile& b) { return a.header.end.segment < b.header.end.segment; });
    std::sort(contents.damaged.begin(), contents.damaged.end());
    std::sort(contents.snapshots.begin(), contents.snapshots.end(),
              [](const ArchivedSnapshot& a, const ArchivedSnapshot& b) { return a.lsn != b.lsn ? a.lsn < b.lsn : a.epoch < b.epoch; });
    return contents;
}

} // namespace ecsdb::recovery
