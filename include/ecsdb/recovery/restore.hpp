/// @file
/// Restores a database from its archive: as it was at any version or at any time since.
#pragma once

#include "ecsdb/core/owner.hpp"
#include "ecsdb/recovery/archive.hpp"
#include "ecsdb/recovery/new_directory.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// What to restore.
class RestoreTarget {
public:
    /// Everything that is in the archive.
    RestoreTarget() = default;
    [[nodiscard]] static RestoreTarget newest() noexcept { return {}; }
    /// The state right after transaction `version`.
    [[nodiscard]] static RestoreTarget at_version(std::uint64_t version) noexcept { return RestoreTarget{version, any}; }
    /// The state at a time, in microseconds since 1970 UTC: with the last transaction committed then or before. Commit times never go back,
    /// whatever the clock did.
    [[nodiscard]] static RestoreTarget at_time(std::uint64_t microseconds) noexcept { return RestoreTarget{any, microseconds}; }

    [[nodiscard]] std::optional<std::uint64_t> version() const noexcept { return version_ == any ? std::nullopt : std::optional{version_}; }
    [[nodiscard]] std::optional<std::uint64_t> time() const noexcept { return time_ == any ? std::nullopt : std::optional{time_}; }
    /// Whether a state of that version and time lies at or before the target.
    [[nodiscard]] bool reaches(std::uint64_t version, std::uint64_t time) const noexcept { return version <= version_ && time <= time_; }

private:
    static constexpr std::uint64_t any = ~std::uint64_t{0};
    RestoreTarget(std::uint64_t version, std::uint64_t time) noexcept : version_{version}, time_{time} {}

    std::uint64_t version_ = any;
    std::uint64_t time_ = any;
};

/// What was restored.
struct RestoreReport {
    std::uint64_t version = 0;
    std::uint64_t time = 0; ///< Of its last transaction, microseconds since 1970 UTC.
    std::uint64_t hash = 0; ///< `view.hash()` at that version.
    std::uint32_t epoch = 0;
    std::string snapshot;           ///< The archived one it was built on.
    std::uint64_t transactions = 0; ///< Applied to that.
    /// The archive ends there: for a time that lies later, nobody can say from the archive what was committed between.
    bool end_of_archive = false;
};

namespace recovery {

/// Does the work of `restore`.
class Restorer {
public:
    Restorer(std::string archive, std::string target, const ToolOptions& options)
        : surroundings_{options}, files_{surroundings_.files(), options.progress},
          allocator_{&surroundings_.allocator()}, archive_{std::move(archive)}, target_{std::move(target)} {}

    [[nodiscard]] Result<RestoreReport> restore(const RestoreTarget& target) {
        auto contents = list_archive(files_, archive_, *allocator_);
        if (!contents) {
            return std::move(contents).error();
        }
        if (contents->empty()) {
            return Error{ErrorCode::NotFound, archive_ + ": there is nothing in the archive"};
        }
        const std::vector<ArchivedRun> runs = find_runs(*contents);
        Result<void> rebuilt = Error{ErrorCode::NotFound, ""};
        for (std::size_t i = 0; i < runs.size() && !rebuilt; ++i) {
            rebuilt = rebuild(runs[i], target, i == 0);
            if (!rebuilt && rebuilt.error().code() != ErrorCode::NotFound) {
                return std::move(rebuilt).error();
            }
        }
        if (!rebuilt) {
            return Error{ErrorCode::NotFound, archive_ + ": " + outside(target, runs)};
        }
        std::uint32_t epoch = 0;
        for (const ArchivedFile& segment : contents->segments) {
            epoch = std::max(epoch, segment.header.end.epoch);
        }
        for (const ArchivedSnapshot& snapshot : contents->snapshots) {
            epoch = std::max(epoch, snapshot.epoch);
        }
        report_.epoch = epoch + 1;
        if (auto stored = store(contents->database); !stored) {
            return std::move(stored).error();
        }
        files_.finish();
        return std::move(report_);
    }

private:
    [[nodiscard]] static std::string outside(const RestoreTarget& target, const std::vector<ArchivedRun>& runs) {
        const std::string wanted = target.version() ? "version " + std::to_string(*target.version())
                                   : target.time()  ? "time " + std::to_string(*target.time())
                                                    : std::string{"any version"};
        return wanted + " cannot be restored: the archive reaches to version " + std::to_string(runs.front().last_lsn()) +
               ", and there is no snapshot with the log that leads from it to there";
    }

    /// `NotFound` where the target is not in this history.
    [[nodiscard]] Result<void> rebuild(const ArchivedRun& run, const RestoreTarget& target, bool newest_run) {
        const ArchivedSnapshot* base = nullptr;
        for (const ArchivedSnapshot& snapshot : run.snapshots) {
            base = target.reaches(snapshot.lsn, snapshot.time) ? &snapshot : base;
        }
        if (base == nullptr || (target.version() && *target.version() > std::max(run.last_lsn(), base->lsn))) {
            return Error{ErrorCode::NotFound, "not in this history"};
        }
        // In an older history only what is surely before its end: what came behind it is in none.
        if (!newest_run && (!target.version() && (!target.time() || *target.time() > run.segments.back().last_time))) {
            return Error{ErrorCode::NotFound, "not in this history"};
        }
        if (auto loaded = load(*base); !loaded) {
            return loaded;
        }
        // The first segment that goes beyond the snapshot, up to the first that reaches the target.
        std::size_t from = 0;
        while (from < run.segments.size() && run.last_lsn_of(from) <= state_->version()) {
            ++from;
        }
        std::size_t to = from;
        for (bool reached = false; to < run.segments.size() && !reached; ++to) {
            if (run.segments[to].schema_hash != state_->root().schema->hash()) {
                return Error{ErrorCode::SchemaMismatch, archived_segment_name(run.segments[to].end.segment) +
                                                            ": is of another schema than the snapshot before it: the one taken when the "
                                                            "database was migrated is missing"};
            }
            reached = (target.version() && run.last_lsn_of(to) >= *target.version()) ||
                      (target.time() && run.segments[to].last_time > *target.time());
        }
        state_->stop_after(target.version().value_or(~std::uint64_t{0}), target.time().value_or(~std::uint64_t{0}));
        auto scan = read_run(files_, archive_, run, from, to, state_->version(), *state_, *allocator_);
        if (!scan) {
            return std::move(scan).error();
        }
        if (auto finished = state_->finish(); !finished) {
            return finished;
        }
        if (target.version() && state_->version() != *target.version()) {
            return Error{ErrorCode::InvalidArgument, "the database never was at version " + std::to_string(*target.version()) +
                                                         ": a delta of several versions led past it, from version " +
                                                         std::to_string(state_->version())};
        }
        mark_ = std::max({state_->index_mark(), scan->reserve_mark, state_->index_end()});
        report_.snapshot = base->name;
        report_.version = state_->version();
        report_.time = state_->last_time();
        report_.transactions = state_->taken();
        report_.hash = storage::hash_of(state_->root());
        report_.end_of_archive = newest_run && report_.version >= std::max(run.last_lsn(), base->lsn) && !target.version();
        return {};
    }

    [[nodiscard]] Result<void> load(const ArchivedSnapshot& base) {
        auto opened = snapshot::open_snapshot(files_, archive_ + '/' + base.name, *allocator_);
        if (!opened) {
            return std::move(opened).error();
        }
        auto state = RebuiltState::create(std::make_shared<const Schema>(opened->schema()), opened->identity().shard, *allocator_);
        if (!state) {
            return std::move(state).error();
        }
        state_ = std::move(*state);
        return state_->load(*opened);
    }

    [[nodiscard]] Result<void> store(const wal::DatabaseId& database) {
        Manifest manifest;
        manifest.database = database;
        manifest.epoch = report_.epoch;
        manifest.shard = state_->root().shard;
        manifest.last_time = report_.time;
        manifest.reserved_index_mark = mark_;
        return fill_new_directory(files_, target_, state_->root(), state_->store().entity_versions(), nullptr, std::move(manifest),
                                  *allocator_);
    }

    Surroundings surroundings_;
    ReadingProgress files_;
    Allocator* allocator_;
    std::string archive_;
    std::string target_;
    Owner<RebuiltState> state_;
    std::uint64_t mark_ = 0;
    RestoreReport report_;
};

} // namespace recovery

/// Makes, in `directory` (new, or empty), the database as it was at `target`, from the archive `archive`: from the newest snapshot at or
/// before it, along the log. What is used is checked as when a database is opened. The result is a database of its own: it begins a new
/// epoch, goes on from there, and needs an archive of its own.
///
/// Errors: `NotFound` where the archive does not reach the target, `InvalidArgument` where a delta of several versions led past that
/// version in one step, `AlreadyExists` where `directory` is not empty, `Corrupt`, `SchemaMismatch` where a migration lies on the way whose
/// snapshot is missing, `Unsupported`, `NoSpace`, `Io`, `OutOfMemory`. A directory that a crash left half made holds no database, and has
/// to be removed. Cost: the snapshot, the log up to the target, and the memory of the database.
[[nodiscard]] inline Result<RestoreReport> restore(const std::string& archive, const std::string& directory,
                                                   const RestoreTarget& target = {}, const ToolOptions& options = {}) {
    auto report = recovery::Restorer{archive, directory, options}.restore(target);
    return report ? std::move(report) : Result<RestoreReport>{std::move(report).error().in("restore " + archive)};
}

} // namespace ecsdb
