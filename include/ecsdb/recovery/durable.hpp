/// @file
/// The files behind an open database: its lock, log, snapshots and manifest, and what keeps them in step.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/recovery/log_state_feed.hpp"
#include "ecsdb/recovery/manifest.hpp"
#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/transaction/pipeline.hpp"
#include "ecsdb/wal/log_participant.hpp"
#include "ecsdb/wal/segment_holds.hpp"
#include "ecsdb/wal/spare_segments.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

namespace detail {

inline constexpr const char* log_directory_name = "log";
inline constexpr const char* lock_file_name = "LOCK";

[[nodiscard]] inline std::string snapshot_file_name(std::uint64_t version) {
    return "snapshot-" + std::to_string(version) + ".ecsdb";
}

/// Pins a version on the writer, together with the entity counts as of that very version: they lie outside the tree and go on counting.
class PinWithCounts final : public transaction::Task, public snapshot::CountSource {
public:
    explicit PinWithCounts(Allocator& allocator) noexcept : counts_{allocator} {}

    [[nodiscard]] bool is_transaction() const noexcept override { return false; }
    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        // Earlier transactions of this batch are not published yet: the pin is taken when the batch is (`finished`), the counts with it.
        state_ = &state;
        return {};
    }
    void finished() noexcept override {
        if (state_ == nullptr) {
            return;
        }
        pinned_ = storage::PinnedRoot{state_->store()};
        pinned_.set_name("snapshot");
        if (pinned_.get() == nullptr) {
            return;
        }
        const std::uint64_t end = pinned_.get()->entities.index_end();
        complete_ = counts_.resize_for_overwrite(end);
        for (std::uint64_t i = 0; complete_ && i < end; ++i) {
            counts_[i] = state_->store().entity_versions().count(static_cast<std::uint32_t>(i));
        }
    }

    [[nodiscard]] bool complete() const noexcept { return complete_; }
    [[nodiscard]] const storage::Root& root() const noexcept { return *pinned_.get(); }
    [[nodiscard]] std::uint64_t read(std::uint32_t first, std::span<std::uint32_t> counts) noexcept override {
        for (std::size_t i = 0; i < counts.size(); ++i) {
            counts[i] = first + i < counts_.size() ? counts_[first + i] : 0;
        }
        return root().version;
    }

private:
    storage::WriteBuffer* state_ = nullptr;
    storage::PinnedRoot pinned_;
    GrowArray<std::uint32_t> counts_;
    bool complete_ = false;
};

/// Has the log resumed on the writer, where no batch comes between.
class ResumeLog final : public transaction::Task {
public:
    explicit ResumeLog(wal::LogParticipant& log) noexcept : log_{&log} {}
    [[nodiscard]] bool is_transaction() const noexcept override { return false; }
    [[nodiscard]] Result<void> run(storage::WriteBuffer&) noexcept override { return log_->resume(); }

private:
    wal::LogParticipant* log_;
};

} // namespace detail

/// Keeps the files of one database that is open for writing. Made by opening it; used by the engine.
class Durable final : public wal::LogObserver {
public:
    Durable(FileSystem& files, Allocator& allocator, Clock& clock, std::string directory, std::unique_ptr<FileLock> lock,
            recovery::Manifest manifest) noexcept
        : files_{&files}, allocator_{&allocator}, clock_{&clock}, directory_{std::move(directory)}, lock_{std::move(lock)},
          manifest_{std::move(manifest)}, older_needed_segment_{manifest_.first_needed_segment} {}

    /// Begins a new segment of the log behind `start`, in the manifest's epoch, and records it in the manifest. Once. The schema must
    /// outlive this.
    [[nodiscard]] Result<void> start_log(const wal::LogStart& start, const Options& options, const Schema& schema) {
        wal::LogOptions log;
        log.database = manifest_.database;
        log.epoch = manifest_.epoch;
        log.schema_hash = manifest_.schema_hash;
        log.salt_seed = mix64(clock_->wall_ns() ^ mix64(clock_->monotonic_ns()));
        log.segment.bytes = options.segment_bytes;
        log.segment_us = std::uint64_t{options.segment_seconds} * 1'000'000;
        if (options.durability == Durability::Logged) {
            // Syncs are few and large: what counts is that the disk does not lie idle between them.
            log.segment.zero_ahead = 0;
            log.segment.write_back = std::uint64_t{4} << 20U;
        }
        spares_ = std::make_unique<wal::SpareSegments>(*files_, log_directory(), options.segment_bytes, options.spare_segments);
        log.spares = spares_.get();
        auto writer = wal::LogWriter::open(*files_, log_directory(), log, start);
        if (!writer) {
            return std::move(writer).error().in("log");
        }
        ECSDB_KILL_POINT("open: segment begun, manifest not yet stored");
        manifest_.newest_segment = writer->segment_number();
        manifest_.durable_lsn = writer->durable_lsn();
        if (auto stored = recovery::store_manifest(*files_, directory_, manifest_, *allocator_); !stored) {
            return stored;
        }
        participant_ =
            std::make_unique<wal::LogParticipant>(std::move(*writer), schema, *clock_, *allocator_,
                                                  options.durability == Durability::Synced, options.own_thread, *this, spares_.get());
        return {};
    }

    [[nodiscard]] wal::LogParticipant& participant() noexcept { return *participant_; }
    [[nodiscard]] std::string log_directory() const { return directory_ + '/' + detail::log_directory_name; }

    /// What keeps segments of the log that snapshots no longer need: archives and backups hold them here.
    [[nodiscard]] wal::SegmentHolds& segment_holds() noexcept { return holds_; }

    /// Waits until versions up to `version` are written (`Logged`) or on disk (`Synced`). Any thread.
    [[nodiscard]] Result<void> flush(std::uint64_t version, Durability level) noexcept {
        return participant_->wait_for(version, level == Durability::Synced);
    }

    /// Saves the newest version and lets go of what only older snapshots need. One at a time; any thread but the writer's.
    [[nodiscard]] Result<void> snapshot(transaction::Pipeline& pipeline) noexcept {
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a snapshot waits for the writer and so cannot be taken on its thread"};
        }
        const std::lock_guard lock{snapshot_mutex_};
        // The log goes on in a new segment first, so that what the snapshot covers ends with whole segments.
        const Result<std::uint64_t> first_needed = participant_->rotate();
        if (!first_needed) {
            return first_needed.error().clone().in("snapshot: log switch");
        }
        ECSDB_KILL_POINT("snapshot: log switched");
        detail::PinWithCounts pin{*allocator_};
        if (auto pinned = run_on_writer(pipeline, pin); !pinned) {
            return std::move(pinned).error().in("snapshot");
        }
        if (!pin.complete()) {
            return Error{ErrorCode::OutOfMemory, "snapshot: no memory to pin the version and copy the entity counts"};
        }
        // The log must reach the snapshot, or a crash would leave a gap behind the log's end.
        if (auto synced = participant_->wait_for(pin.root().version, true); !synced) {
            return std::move(synced).error().in("snapshot");
        }
        const std::string name = detail::snapshot_file_name(pin.root().version);
        const snapshot::SnapshotIdentity identity = identity_of(pipeline.ids().next_fresh());
        snapshot::SnapshotOptions options{.allocator = *allocator_};
        options.counts = &pin;
        auto written =
            snapshot::write_snapshot(*files_, directory_ + '/' + name, pin.root(), pipeline.store().entity_versions(), identity, options);
        if (!written) {
            return std::move(written).error().in("snapshot");
        }
        ECSDB_KILL_POINT("snapshot: file written, manifest not yet stored");
        return adopt({.name = name, .lsn = written->lsn, .size = written->bytes, .crc = written->crc}, *first_needed);
    }

    /// Ends a failure of the log: see `AnyDatabase::resume`. Any thread but the writer's.
    [[nodiscard]] Result<void> resume(transaction::Pipeline& pipeline) noexcept {
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "resume waits for the writer and so cannot be called on its thread"};
        }
        if (!participant_->failed()) {
            return {};
        }
        detail::ResumeLog task{*participant_};
        if (auto resumed = run_on_writer(pipeline, task); !resumed) {
            return std::move(resumed).error().in("resume");
        }
        // What the writer had in hand meanwhile came behind the rest.
        if (auto synced = participant_->wait_for(pipeline.store().published_version(), true); !synced) {
            return std::move(synced).error().in("resume");
        }
        return {};
    }

    /// Ends the log in good order and says so in the manifest. The pipeline must have stopped.
    [[nodiscard]] Result<void> close(std::uint64_t next_fresh) noexcept {
        participant_->stop();
        if (participant_->failed()) {
            return Error{ErrorCode::ReadOnly, "close: the log had failed; on disk for certain is what was visible up to version " +
                                                  std::to_string(participant_->durable_version()) +
                                                  ", and the database will be recovered when it is opened again"};
        }
        if (auto closed = participant_->close(); !closed) {
            return std::move(closed).error().in("close");
        }
        return participant_->with_writer([&](const wal::LogWriter& log) -> Result<void> {
            const std::lock_guard lock{manifest_mutex_};
            manifest_.clean = true;
            manifest_.durable_lsn = log.durable_lsn();
            manifest_.newest_segment = log.segment_number();
            manifest_.reserved_index_mark = next_fresh;
            return recovery::store_manifest(*files_, directory_, manifest_, *allocator_);
        });
    }

    /// The handle is a forked child's: leave the parent's thread and lock alone.
    void abandon() noexcept {
        participant_->abandon();
        static_cast<void>(lock_.release()); // NOLINT: the lock belongs to the parent
    }

    /// See `AnyDatabase::on_log_state`.
    void listen(std::shared_ptr<LogStateListener> listener, transaction::Pipeline& pipeline) noexcept {
        state_feed_.listen(std::move(listener), pipeline);
    }
    void state_changed() noexcept override { state_feed_.announce(*participant_); }

    Result<void> segment_begun(const wal::LogWriter& log) override {
        ECSDB_KILL_POINT("log: segment begun, manifest not yet stored");
        const std::lock_guard lock{manifest_mutex_};
        manifest_.newest_segment = log.segment_number();
        manifest_.durable_lsn = log.durable_lsn();
        manifest_.reserved_index_mark = std::max(manifest_.reserved_index_mark, participant_ == nullptr ? 0 : participant_->reserve_mark());
        return recovery::store_manifest(*files_, directory_, manifest_, *allocator_);
    }

private:
    /// Has the writer run `task`, and waits for it.
    [[nodiscard]] static Result<void> run_on_writer(transaction::Pipeline& pipeline, transaction::Task& task) noexcept {
        transaction::ProducerState* const producer = pipeline.this_thread_producer();
        if (producer == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory for this thread's side of the queue"};
        }
        auto sequence = pipeline.submit_task(*producer, task, transaction::CommandHeader::wants_error);
        if (!sequence) {
            return std::move(sequence).error();
        }
        return pipeline.wait(*producer, *sequence, no_timeout);
    }

    [[nodiscard]] snapshot::SnapshotIdentity identity_of(std::uint64_t next_fresh) const noexcept {
        return {.database = manifest_.database, .epoch = manifest_.epoch, .shard = manifest_.shard, .next_fresh = next_fresh};
    }

    /// Makes a finished snapshot file the one to recover from, then removes what neither it nor its predecessor needs.
    Result<void> adopt(recovery::SnapshotFile snapshot, std::uint64_t first_needed) noexcept {
        std::uint64_t removable_below = 0;
        {
            const std::lock_guard lock{manifest_mutex_};
            recovery::Manifest next = manifest_;
            if (next.snapshot.name != snapshot.name) {
                next.previous_snapshot = std::move(next.snapshot);
            }
            next.snapshot = std::move(snapshot);
            removable_below = older_needed_segment_;
            older_needed_segment_ = next.first_needed_segment;
            next.first_needed_segment = first_needed;
            next.reserved_index_mark = std::max(next.reserved_index_mark, participant_->reserve_mark());
            if (auto stored = recovery::store_manifest(*files_, directory_, next, *allocator_); !stored) {
                return std::move(stored).error().in("snapshot");
            }
            manifest_ = std::move(next);
        }
        ECSDB_KILL_POINT("snapshot: manifest stored, old files not yet removed");
        remove_unneeded(removable_below);
        return {};
    }

    /// Files left over cost space, nothing else: a failure to remove them is tried again after the next snapshot.
    void remove_unneeded(std::uint64_t segments_below) noexcept {
        if (auto names = files_->list(directory_)) {
            for (const std::string& name : *names) {
                const bool snapshot_like = name.starts_with("snapshot-");
                if (snapshot_like && name != manifest_.snapshot.name && name != manifest_.previous_snapshot.name) {
                    static_cast<void>(files_->remove(directory_ + '/' + name));
                }
            }
        }
        const std::uint64_t below = holds_.lowest(segments_below);
        std::vector<std::uint64_t> unneeded;
        if (auto names = files_->list(log_directory())) {
            for (const std::string& name : *names) {
                const std::optional<std::uint64_t> number = wal::parse_segment_file_name(name);
                if (number && *number < below) {
                    unneeded.push_back(*number);
                }
            }
        }
        if (!unneeded.empty()) {
            static_cast<void>(spares_->retire(unneeded));
        }
    }

    FileSystem* files_;
    Allocator* allocator_;
    Clock* clock_;
    std::string directory_;
    std::unique_ptr<FileLock> lock_;
    std::mutex manifest_mutex_; // the log's thread at a rotation, a snapshot, the close
    recovery::Manifest manifest_;
    std::uint64_t older_needed_segment_; ///< What the previous snapshot needs; below it segments may go after the next one.
    std::mutex snapshot_mutex_;
    LogStateFeed state_feed_;
    wal::SegmentHolds holds_;
    std::unique_ptr<wal::SpareSegments> spares_;
    std::unique_ptr<wal::LogParticipant> participant_; // uses the above
};

} // namespace ecsdb
