/// @file
/// Reads an archive: which versions can be restored from it, proven without restoring any.
#pragma once

#include "ecsdb/io/reading_progress.hpp"
#include "ecsdb/recovery/archiver.hpp"
#include "ecsdb/recovery/engine.hpp"
#include "ecsdb/recovery/rebuilt_state.hpp"
#include "ecsdb/wal/log_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb {

/// Versions that can be restored, both ends included; times in microseconds since 1970 UTC.
struct RestorableVersions {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t from_time = 0;
    std::uint64_t to_time = 0;
};

/// What an archive holds and whether it holds together.
struct ArchiveReport {
    std::vector<RestorableVersions> versions; ///< The newest history first; more than one where there is a gap.
    std::vector<std::string> faults;          ///< Each names the file or the versions concerned.
    std::vector<std::string> remarks;         ///< Files that belong to nothing that can be restored.
    std::uint64_t segments = 0;
    std::uint64_t snapshots = 0;
    std::uint64_t transactions = 0;
    std::uint64_t bytes = 0;

    /// Everything from the oldest version to the newest can be restored.
    [[nodiscard]] bool sound() const noexcept { return faults.empty(); }
};

namespace recovery {

/// Segments of an archive that continue each other, and the snapshots taken along them.
struct ArchivedRun {
    std::vector<ArchivedHeader> segments; ///< Ascending; each ends where the next one begins, whatever it holds beyond that.
    std::vector<ArchivedSnapshot> snapshots;

    [[nodiscard]] std::uint64_t first_lsn() const noexcept { return segments.empty() ? 0 : segments.front().first_lsn; }
    [[nodiscard]] std::uint64_t last_lsn() const noexcept { return segments.empty() ? 0 : segments.back().end.lsn; }
    /// The last transaction of a segment that counts.
    [[nodiscard]] std::uint64_t last_lsn_of(std::size_t segment) const noexcept {
        return segment + 1 < segments.size() ? segments[segment + 1].first_lsn - 1 : segments[segment].end.lsn;
    }
    /// Whether the snapshot is of this history: taken in the epoch of a segment, and not behind where that was given up.
    [[nodiscard]] bool contains(const ArchivedSnapshot& snapshot, bool newest_run) const noexcept {
        for (std::size_t i = 0; i < segments.size(); ++i) {
            if (segments[i].end.epoch == snapshot.epoch && snapshot.lsn + 1 >= segments[i].first_lsn && snapshot.lsn <= last_lsn_of(i)) {
                return true;
            }
        }
        // The oldest segment may begin on a snapshot of an earlier epoch: after a restart, a restore, or salvage.
        if (!segments.empty() && snapshot.lsn + 1 == segments.front().first_lsn && snapshot.epoch <= segments.front().end.epoch) {
            return true;
        }
        // The segment it was taken in may not be closed yet.
        return newest_run && (segments.empty() || (snapshot.lsn >= last_lsn() && snapshot.epoch >= segments.back().end.epoch));
    }
};

/// Sorts an archive into histories, the newest first: from the newest segment back, each naming its predecessor. Segments that a history
/// passes by were given up, and are in none.
[[nodiscard]] inline std::vector<ArchivedRun> find_runs(const ArchiveContents& contents) {
    std::vector<ArchivedRun> runs;
    for (std::size_t i = contents.segments.size(); i-- > 0;) {
        const ArchivedHeader& header = contents.segments[i].header;
        if (!runs.empty()) {
            const ArchivedHeader& oldest = runs.back().segments.back();
            if (oldest.previous_segment < header.end.segment && oldest.previous_segment != 0 &&
                std::any_of(contents.segments.begin(), contents.segments.end(),
                            [&](const ArchivedFile& file) { return file.header.end.segment == oldest.previous_segment; })) {
                continue; // passed by
            }
            if (oldest.previous_segment == header.end.segment) {
                runs.back().segments.push_back(header);
                continue;
            }
        }
        runs.emplace_back();
        runs.back().segments.push_back(header);
    }
    if (runs.empty()) {
        runs.emplace_back();
    }
    for (ArchivedRun& run : runs) {
        std::reverse(run.segments.begin(), run.segments.end());
        for (const ArchivedSnapshot& snapshot : contents.snapshots) {
            if (run.contains(snapshot, &run == runs.data())) {
                run.snapshots.push_back(snapshot);
            }
        }
    }
    return runs;
}

/// Shows segments of an archive as the log they were, for a `LogReader`. Reading only.
class ArchivedLog final : public FileSystem {
public:
    ArchivedLog(FileSystem& files, std::string directory, Allocator& allocator, std::vector<ArchivedHeader> segments)
        : files_{&files}, directory_{std::move(directory)}, allocator_{&allocator}, segments_{std::move(segments)} {}

    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path, FileMode) noexcept override {
        const auto number = wal::parse_segment_file_name(std::string_view{path}.substr(path.rfind('/') + 1));
        if (!number) {
            return Error{ErrorCode::NotFound, path + ": not in the archive"};
        }
        auto opened = ArchivedSegment::open(*files_, directory_ + '/' + archived_segment_name(*number), *allocator_);
        if (!opened) {
            return std::move(opened).error();
        }
        return std::unique_ptr<File>{opened->release()};
    }
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string&) noexcept override {
        std::vector<std::string> names;
        for (const ArchivedHeader& segment : segments_) {
            names.push_back(wal::segment_file_name(segment.end.segment));
        }
        return names;
    }
    [[nodiscard]] Result<bool> exists(const std::string&) noexcept override { return true; }
    [[nodiscard]] Result<std::uint64_t> file_size(const std::string& path) noexcept override { return read_only(path); }
    Result<void> create_directory(const std::string& path) noexcept override { return read_only(path); }
    Result<void> rename(const std::string& from, const std::string&) noexcept override { return read_only(from); }
    Result<void> remove(const std::string& path) noexcept override { return read_only(path); }
    Result<void> sync_directory(const std::string& path) noexcept override { return read_only(path); }
    [[nodiscard]] Result<std::unique_ptr<FileLock>> lock(const std::string& path) noexcept override { return read_only(path); }
    /// Of no machine: what is in an archive was whole when it came there.
    [[nodiscard]] BootId boot_id() noexcept override { return {}; }

private:
    [[nodiscard]] static Error read_only(const std::string& path) { return Error{ErrorCode::Io, path + ": an archive is only read"}; }

    FileSystem* files_;
    std::string directory_;
    Allocator* allocator_;
    std::vector<ArchivedHeader> segments_;
};

/// Reads the segments [from, to) of a run and hands out what comes after transaction `after`. Everything is checked that reading a log
/// checks: frames, order, and that each segment continues the one before.
[[nodiscard]] inline Result<wal::LogScan> read_run(FileSystem& files, const std::string& directory, const ArchivedRun& run,
                                                   std::size_t from, std::size_t to, std::uint64_t after, wal::LogVisitor& visitor,
                                                   Allocator& allocator) {
    std::vector<ArchivedHeader> segments{run.segments.begin() + static_cast<std::ptrdiff_t>(from),
                                         run.segments.begin() + static_cast<std::ptrdiff_t>(to)};
    if (segments.empty()) {
        return wal::LogScan{};
    }
    wal::LogReadOptions options;
    options.database = segments.front().database;
    options.after_lsn = after;
    options.first_needed_segment = segments.front().end.segment;
    options.newest_segment = segments.back().end.segment;
    options.newest_epoch = segments.back().end.epoch;
    options.durable_lsn = segments.back().end.lsn;
    ArchivedLog log{files, directory, allocator, std::move(segments)};
    wal::LogReader reader{log, directory, options, allocator};
    return reader.read(visitor);
}

} // namespace recovery

/// Proves, without restoring, what can be restored from the archive in `directory`: reads every snapshot and every segment, compares all
/// checksums, and follows the log from frame to frame and from segment to segment. Changes nothing. A fault is anything that keeps a
/// version between the oldest snapshot and the end of the archive from being restored.
///
/// Errors: `NotFound`, `Io`, `OutOfMemory`, `Unsupported`. Cost: reading and unpacking everything; holds one block and one transaction.
[[nodiscard]] inline Result<ArchiveReport> verify_archive(const std::string& directory, const ToolOptions& options = {}) {
    recovery::Surroundings surroundings{options};
    ReadingProgress files{surroundings.files(), options.progress};
    auto contents = recovery::list_archive(files, directory, surroundings.allocator());
    if (!contents) {
        return std::move(contents).error().in("verify archive");
    }
    ArchiveReport report;
    report.faults = std::move(contents->problems);
    for (std::string& lost : contents->lost_to_damage()) {
        report.faults.push_back(directory + '/' + std::move(lost));
    }
    report.segments = contents->segments.size();
    report.snapshots = contents->snapshots.size();
    report.bytes = contents->bytes();
    files.expect(report.bytes);
    for (const recovery::ArchivedSnapshot& snapshot : contents->snapshots) {
        const auto checked = snapshot::check_snapshot(files, directory + '/' + snapshot.name, surroundings.allocator());
        if (!checked && checked.error().code() == ErrorCode::OutOfMemory) {
            return checked.error().clone();
        }
        if (!checked) {
            report.faults.push_back(checked.error().message());
        }
    }
    class Nothing final : public wal::LogVisitor {
    public:
        Result<void> transaction(std::uint64_t, std::uint64_t, std::span<const std::byte>) override { return {}; }
    };
    const std::vector<recovery::ArchivedRun> runs = recovery::find_runs(*contents);
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const recovery::ArchivedRun& run = runs[i];
        Nothing visitor;
        const auto scan = recovery::read_run(files, directory, run, 0, run.segments.size(), run.segments.empty() ? 0 : run.first_lsn() - 1,
                                             visitor, surroundings.allocator());
        if (!scan && scan.error().code() != ErrorCode::Corrupt) {
            return scan.error().clone().in("verify archive");
        }
        if (!scan) {
            report.faults.push_back(scan.error().message());
        } else {
            report.transactions += scan->transactions;
        }
        if (run.snapshots.empty()) {
            const std::string what =
                "no snapshot for versions " + std::to_string(run.first_lsn()) + " to " + std::to_string(run.last_lsn());
            (i == 0 && !run.segments.empty() ? report.faults : report.remarks).push_back(directory + ": " + what);
            continue;
        }
        // A snapshot may have been taken further on than where the log before it ends.
        const std::uint64_t reached = std::max(run.last_lsn(), run.snapshots.back().lsn);
        if (const std::uint64_t next = i == 0 || report.versions.empty() ? 0 : report.versions.back().from; next > reached + 1) {
            report.faults.push_back(directory + ": versions " + std::to_string(reached + 1) + " to " + std::to_string(next - 1) +
                                    " are missing: the segments that held them are not there");
        }
        // Where a database was migrated, a snapshot in the new schema must take up where the log in the old one ends.
        for (std::size_t segment = 1; segment < run.segments.size(); ++segment) {
            const recovery::ArchivedHeader& header = run.segments[segment];
            const bool migrated =
                header.schema_hash != run.segments[segment - 1].schema_hash && header.first_lsn > run.snapshots.front().lsn + 1;
            const bool taken_up = std::any_of(run.snapshots.begin(), run.snapshots.end(), [&](const auto& snapshot) {
                return snapshot.schema_hash == header.schema_hash && snapshot.lsn + 1 == header.first_lsn;
            });
            if (migrated && !taken_up) {
                report.faults.push_back(directory + ": there is no snapshot in the schema that version " +
                                        std::to_string(header.first_lsn) + " was committed in");
            }
        }
        RestorableVersions versions;
        versions.from = run.snapshots.front().lsn;
        versions.from_time = run.snapshots.front().time;
        versions.to = run.last_lsn();
        versions.to_time = run.segments.empty() ? 0 : run.segments.back().last_time;
        if (run.snapshots.back().lsn > versions.to) {
            versions.to = run.snapshots.back().lsn;
            versions.to_time = run.snapshots.back().time;
        }
        report.versions.push_back(versions);
    }
    for (const recovery::ArchivedSnapshot& snapshot : contents->snapshots) {
        const bool used = std::any_of(runs.begin(), runs.end(), [&](const recovery::ArchivedRun& run) {
            return std::any_of(run.snapshots.begin(), run.snapshots.end(), [&](const auto& of) { return of.name == snapshot.name; });
        });
        if (!used) {
            const bool missing = snapshot.lsn + 1 < runs.front().first_lsn();
            (missing ? report.faults : report.remarks).push_back(directory + '/' + snapshot.name + ": the log does not lead on from it");
        }
    }
    files.finish();
    return report;
}

/// Ends the segment being written and archives everything visible now. Any thread but the writer's. `InvalidArgument` where the database
/// has no archive; what the log or the file system reports.
[[nodiscard]] inline Result<void> archive_now(Engine& engine) {
    if (engine.durable() == nullptr) {
        return Error{ErrorCode::InvalidArgument, "archive: this database has no directory, or is open read-only"};
    }
    if (auto flushed = engine.flush(Durability::Synced); !flushed) {
        return flushed;
    }
    return engine.durable()->archive();
}

/// How far the archive of an open database has come, and whether it is in trouble. Any thread.
[[nodiscard]] inline Result<ArchiveState> archive_state(const Engine& engine) {
    if (engine.durable() == nullptr || engine.durable()->archiver() == nullptr) {
        return Error{ErrorCode::InvalidArgument, "archive: this database has none"};
    }
    return engine.durable()->archiver()->state();
}

} // namespace ecsdb
