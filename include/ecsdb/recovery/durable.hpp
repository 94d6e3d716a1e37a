/// @file
/// The files behind an open database: its lock, log, snapshots and manifest, and what keeps them in step.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/core/wake_up.hpp"
#include "ecsdb/io/file_system.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/recovery/archiver.hpp"
#include "ecsdb/recovery/log_holders.hpp"
#include "ecsdb/recovery/log_state_feed.hpp"
#include "ecsdb/recovery/manifest_keeper.hpp"
#include "ecsdb/recovery/on_writer.hpp"
#include "ecsdb/recovery/snapshots.hpp"
#include "ecsdb/transaction/pipeline.hpp"
#include "ecsdb/wal/log_participant.hpp"
#include "ecsdb/wal/segment_holds.hpp"
#include "ecsdb/wal/spare_segments.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

namespace detail {

inline constexpr const char* lock_file_name = "LOCK";

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
class Durable final : public wal::LogObserver, public LogStateSource {
public:
    /// `saved` as in `Snapshots`.
    Durable(FileSystem& files, Allocator& allocator, Clock& clock, const Options& options, std::unique_ptr<FileLock> lock,
            recovery::Manifest manifest, std::optional<snapshot::SavedState> saved) noexcept
        : files_{&files}, allocator_{&allocator}, clock_{&clock}, lock_{std::move(lock)}, manifest_{files, allocator, options.directory,
                                                                                                    std::move(manifest)},
          holds_{clock}, held_limit_{options.held_log_limit}, messages_{options.messages}, snapshots_{files,   allocator,
                                                                                                      clock,   manifest_,
                                                                                                      options, std::move(saved)} {}

    /// Begins a new segment of the log behind `start`, in the manifest's epoch, and records it in the manifest. Once. The schema must
    /// outlive this.
    [[nodiscard]] Result<void> start_log(const wal::LogStart& start, const Options& options, const Schema& schema) {
        const recovery::Manifest manifest = manifest_.manifest();
        wal::LogOptions log;
        log.database = manifest.database;
        log.epoch = manifest.epoch;
        log.schema_hash = manifest.schema_hash;
        log.salt_seed = mix64(clock_->wall_ns() ^ mix64(clock_->monotonic_ns()));
        log.segment.bytes = options.segment_bytes;
        if (!options.archive_directory.empty()) {
            archiver_.reset(new recovery::Archiver{*files_, *allocator_, *clock_, manifest_, log_directory(), options.archive_directory,
                                                   recovery::ArchiveLimits{options.archive_keep_bytes, options.archive_keep_seconds},
                                                   options.messages});
            if (auto begun = archiver_->begin(start.next_segment - 1); !begun) {
                return std::move(begun).error().in("archive");
            }
            archiver_->hold_in(holds_);
            snapshots_.set_archiver(archiver_.get());
        }
        log.segment_us = std::uint64_t{options.segment_seconds} * 1'000'000;
        if (options.durability == Durability::Logged) {
            // Syncs are few and large: what counts is that the disk does not lie idle between them.
            log.segment.zero_ahead = 0;
            log.segment.write_back = std::uint64_t{4} << 20U;
        }
        spares_.reset(new wal::SpareSegments{*files_, log_directory(), options.segment_bytes, options.spare_segments});
        log.spares = spares_.get();
        snapshots_.set_segments(holds_, *spares_);
        snapshots_.set_compression(options.compress_snapshots ? snapshot::fast_compression : 0);
        auto writer = wal::LogWriter::open(*files_, log_directory(), log, start);
        if (!writer) {
            return std::move(writer).error().in("log");
        }
        ECSDB_KILL_POINT("open: segment begun, manifest not yet stored");
        if (auto stored = manifest_.change([&](recovery::Manifest& next) { note_position(next, *writer); }); !stored) {
            return stored;
        }
        const wal::Syncing syncing = options.durability == Durability::Logged ? wal::Syncing::InTime
                                     : options.publish_before_sync            ? wal::Syncing::AtOnce
                                                                              : wal::Syncing::BeforePublishing;
        participant_.reset(
            new wal::LogParticipant{std::move(*writer), schema, *clock_, *allocator_, syncing, options.own_thread, *this, spares_.get()});
        if (archiver_ != nullptr) {
            if (options.own_thread) {
                archiver_->start();
            }
            archiver_->wake();
        }
        return {};
    }

    [[nodiscard]] wal::LogParticipant& participant() noexcept { return *participant_; }
    [[nodiscard]] std::string log_directory() const { return manifest_.directory() + '/' + detail::log_directory_name; }

    /// What the manifest says now. Any thread.
    [[nodiscard]] recovery::Manifest manifest() const { return manifest_.manifest(); }
    [[nodiscard]] FileSystem& files() const noexcept { return *files_; }

    /// Who keeps segments of the log: the snapshots, the archive, a backup and a delta being saved hold them here.
    [[nodiscard]] wal::SegmentHolds& segment_holds() noexcept { return holds_; }

    /// Who holds which part of the log. Any thread.
    [[nodiscard]] Result<std::vector<Holder>> log_holders() const {
        return recovery::list_log_holders(*files_, log_directory(), holds_, *allocator_, clock_->wall_ns(), held_limit_);
    }

    /// Waits until versions up to `version` are written (`Logged`) or on disk (`Synced`). Any thread.
    [[nodiscard]] Result<void> flush(std::uint64_t version, Durability level) noexcept {
        return participant_->wait_for(version, level == Durability::Synced);
    }

    /// See `Snapshots`.
    [[nodiscard]] Result<void> snapshot(transaction::Pipeline& pipeline) noexcept { return snapshots_.take(pipeline, *participant_); }
    [[nodiscard]] Result<bool> snapshot_if_due(transaction::Pipeline& pipeline) noexcept {
        auto taken = snapshots_.take_if_due(pipeline, *participant_);
        if (!taken || *taken) {
            state_feed_.announce(*this);
        }
        return taken;
    }
    [[nodiscard]] SnapshotState snapshot_state() const { return snapshots_.state(); }

    /// Takes snapshots in the background from now on, if the options want any: `log_bytes` of log lie behind the newest one.
    void start_snapshots(transaction::Pipeline& pipeline, std::uint64_t log_bytes) {
        snapshots_.begin(log_bytes);
        if (pipeline.options().own_thread && snapshots_.policy().is_automatic()) {
            automatic_.reset(new Thread{[this, &pipeline](const Thread::Stop& stop) {
                constexpr std::uint64_t interval_ns = 50'000'000; // a look costs nothing beside a snapshot
                while (!stop.requested()) {
                    static_cast<void>(snapshot_if_due(pipeline)); // a failure is in the state
                    bell_.sleep(interval_ns, [&] { return stop.requested(); });
                }
            }});
        }
    }
    /// Ends that, after the snapshot that may be being taken. Before the pipeline stops.
    void stop_snapshots() noexcept {
        if (automatic_ != nullptr) {
            automatic_->request_stop();
            bell_.ring();
            automatic_.reset();
        }
    }

    /// Ends the segment being written and archives everything up to now. `InvalidArgument` where there is no archive. Any thread.
    [[nodiscard]] Result<void> archive() noexcept {
        if (archiver_ == nullptr) {
            return Error{ErrorCode::InvalidArgument, "archive: the database was opened without `archive_directory`"};
        }
        if (auto rotated = participant_->rotate(); !rotated) {
            return std::move(rotated).error().in("archive: log switch");
        }
        return archiver_->step();
    }
    /// Null where there is no archive.
    [[nodiscard]] recovery::Archiver* archiver() const noexcept { return archiver_.get(); }

    /// Ends a failure of the log: see `AnyDatabase::resume`. Any thread but the writer's.
    [[nodiscard]] Result<void> resume(transaction::Pipeline& pipeline) noexcept {
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "resume waits for the writer and so cannot be called on its thread"};
        }
        if (!participant_->failed()) {
            return {};
        }
        detail::ResumeLog task{*participant_};
        if (auto resumed = detail::run_on_writer(pipeline, task); !resumed) {
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
        snapshots_.stop();
        participant_->stop();
        if (archiver_ != nullptr) {
            archiver_->stop();
        }
        if (participant_->failed()) {
            return Error{ErrorCode::ReadOnly, "close: the log had failed; on disk for certain is what was visible up to version " +
                                                  std::to_string(participant_->durable_version()) +
                                                  ", and the database will be recovered when it is opened again"};
        }
        if (auto closed = participant_->close(); !closed) {
            return std::move(closed).error().in("close");
        }
        return participant_->with_writer([&](const wal::LogWriter& log) -> Result<void> {
            return manifest_.change([&](recovery::Manifest& next) {
                note_position(next, log);
                next.clean = true;
                next.reserved_index_mark = next_fresh;
            });
        });
    }

    /// The handle is a forked child's: leave the parent's thread and lock alone.
    void abandon() noexcept {
        static_cast<void>(automatic_.release()); // NOLINT: likewise
        participant_->abandon();
        snapshots_.abandon();
        if (archiver_ != nullptr) {
            archiver_->abandon();
        }
        static_cast<void>(lock_.release()); // NOLINT: the lock belongs to the parent
    }

    /// See `AnyDatabase::on_log_state`.
    void listen(std::shared_ptr<LogStateListener> listener, transaction::Pipeline& pipeline) noexcept {
        state_feed_.listen(std::move(listener), pipeline);
    }
    void state_changed() noexcept override {
        if (messages_) {
            const LogState state = participant_->state();
            if (state.writes) {
                messages_(Severity::Info, [] { return std::string{"the log accepts writes again"}; });
            } else {
                messages_(Severity::Error, state.writes.error().clone().in("no more writes until `resume`"));
            }
        }
        state_feed_.announce(*this);
    }
    [[nodiscard]] LogState log_state() noexcept override {
        LogState state = participant_->state();
        SnapshotState snapshots = snapshots_.state();
        state.snapshots = std::move(snapshots.working);
        state.snapshot_version = snapshots.version;
        return state;
    }

    Result<void> segment_begun(const wal::LogWriter& log) override {
        ECSDB_KILL_POINT("log: segment begun, manifest not yet stored");
        Result<void> stored = manifest_.change([&](recovery::Manifest& next) {
            note_position(next, log);
            next.reserved_index_mark = std::max(next.reserved_index_mark, participant_ == nullptr ? 0 : participant_->reserve_mark());
        });
        messages_(Severity::Debug, [&] { return "the log goes on in segment " + std::to_string(log.segment_number()); });
        if (stored && archiver_ != nullptr) {
            archiver_->wake();
        }
        if (participant_ != nullptr && held_limit_ != ~std::uint64_t{0}) {
            participant_->look_for_room();
        }
        return stored;
    }
    Result<void> may_grow() override {
        Result<void> may = recovery::check_held_log(*files_, log_directory(), holds_, clock_->wall_ns(), held_limit_);
        if (may.has_value() == std::exchange(holders_refuse_, !may)) { // asked before each batch, told once
            may ? messages_(Severity::Info, [] { return std::string{"`held_log_limit` is kept to again, writes are accepted"}; })
                : messages_(Severity::Error, may.error());
        }
        return may;
    }

private:
    void note_position(recovery::Manifest& manifest, const wal::LogWriter& log) const noexcept {
        manifest.newest_segment = log.segment_number();
        manifest.durable_lsn = log.durable_lsn();
        manifest.archive_lsn = archiver_ == nullptr ? manifest.archive_lsn : archiver_->archived_lsn();
    }

    FileSystem* files_;
    Allocator* allocator_;
    Clock* clock_;
    std::unique_ptr<FileLock> lock_;
    recovery::ManifestKeeper manifest_;
    wal::SegmentHolds holds_;
    std::uint64_t held_limit_;
    bool holders_refuse_ = false; ///< The writer's.
    Messages messages_;
    Snapshots snapshots_;
    Owner<recovery::Archiver> archiver_; ///< Null without an archive.
    LogStateFeed state_feed_;
    Owner<wal::SpareSegments> spares_;
    Owner<wal::LogParticipant> participant_; // uses the above
    Doorbell bell_;
    Owner<Thread> automatic_; ///< Null where no snapshots are taken by themselves. Goes first.
};

} // namespace ecsdb
