/// @file
/// The snapshots of a database that is open for writing: takes them, makes them the ones to recover from, removes what nobody needs.
#pragma once

#include "ecsdb/recovery/archiver.hpp"
#include "ecsdb/recovery/manifest_keeper.hpp"
#include "ecsdb/recovery/on_writer.hpp"
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
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb {

namespace detail {

inline constexpr const char* log_directory_name = "log";

[[nodiscard]] inline std::string snapshot_file_name(std::uint64_t version) {
    return "snapshot-" + std::to_string(version) + ".ecsdb";
}

} // namespace detail

/// Takes snapshots of one database, one at a time, beside its writer and its readers, neither of which waits. Made by opening it.
class Snapshots {
public:
    Snapshots(FileSystem& files, Allocator& allocator, recovery::ManifestKeeper& manifest) noexcept
        : files_{&files}, allocator_{&allocator}, manifest_{&manifest}, older_needed_segment_{manifest.manifest().first_needed_segment} {}

    /// Nothing is let go of from now on that is not in the archive. Null: there is none. Before the first snapshot.
    void set_archiver(recovery::Archiver* archiver) noexcept { archiver_ = archiver; }

    /// As in `snapshot::SnapshotOptions`. Before the first snapshot.
    void set_compression(int level) noexcept { compression_level_ = level; }

    /// What holds segments of the log, and where those go that nobody needs. Before the first snapshot.
    void set_segments(wal::SegmentHolds& holds, wal::SpareSegments& spares) noexcept {
        holds_ = &holds;
        spares_ = &spares;
    }

    /// Saves the newest version and lets go of what only older snapshots need. Any thread but the writer's.
    [[nodiscard]] Result<void> take(transaction::Pipeline& pipeline, wal::LogParticipant& log) noexcept {
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a snapshot waits for the writer and so cannot be taken on its thread"};
        }
        const std::lock_guard lock{mutex_};
        cleaning_.reset();
        auto taken = take_full(pipeline, log);
        return taken ? Result<void>{} : Result<void>{std::move(taken).error().in("snapshot")};
    }

    /// Waits until files nobody needs any more are gone. No snapshot is being taken, nor will be.
    void stop() noexcept { cleaning_.reset(); }
    /// Leaves the thread to the parent process it belongs to.
    void abandon() noexcept { static_cast<void>(cleaning_.release()); } // NOLINT: in a forked child

private:
    [[nodiscard]] Result<void> take_full(transaction::Pipeline& pipeline, wal::LogParticipant& log) {
        // The log goes on in a new segment first, so that what the snapshot covers ends with whole segments.
        const Result<std::uint64_t> first_needed = log.rotate();
        if (!first_needed) {
            return first_needed.error().clone().in("log switch");
        }
        ECSDB_KILL_POINT("snapshot: log switched");
        storage::PinnedRoot pinned{pipeline.store()};
        if (pinned.get() == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to pin the version"};
        }
        pinned.set_name("snapshot");
        const storage::Root& root = *pinned.get();
        const std::string name = detail::snapshot_file_name(root.version);
        detail::CountsFromWriter counts{pipeline};
        snapshot::SnapshotOptions options{.allocator = *allocator_};
        options.counts = &counts;
        options.compression_level = compression_level_;
        options.own_thread = pipeline.options().own_thread;
        auto written = snapshot::write_snapshot(*files_, manifest_->directory() + '/' + name, root, pipeline.store().entity_versions(),
                                                identity_of(root, pipeline.ids().next_fresh()), options);
        if (!written) {
            return std::move(written).error();
        }
        // The log must reach what the snapshot knows of, or a crash would leave a gap behind the log's end.
        if (auto synced = log.wait_for(std::max(root.version, counts.newest()), true); !synced) {
            return synced;
        }
        ECSDB_KILL_POINT("snapshot: file written, manifest not yet stored");
        return adopt({.name = name, .lsn = written->lsn, .size = written->bytes, .crc = written->crc}, *first_needed, log,
                     options.own_thread);
    }

    [[nodiscard]] snapshot::SnapshotIdentity identity_of(const storage::Root& root, std::uint64_t next_fresh) const {
        const recovery::Manifest manifest = manifest_->manifest();
        return {.database = manifest.database, .epoch = manifest.epoch, .shard = root.shard, .next_fresh = next_fresh};
    }

    /// Makes a finished snapshot file the one to recover from, then removes what neither it nor its predecessor needs: with `own_thread`
    /// on a thread of its own, since a file system may take as long to let go of a file as to write it.
    [[nodiscard]] Result<void> adopt(recovery::SnapshotFile snapshot, std::uint64_t first_needed, const wal::LogParticipant& log,
                                     bool own_thread) {
        std::uint64_t needed_before = 0;
        const auto adopted = manifest_->change([&](recovery::Manifest& next) {
            if (next.snapshot.name != snapshot.name) {
                next.previous_snapshot = std::move(next.snapshot);
            }
            next.snapshot = std::move(snapshot);
            needed_before = std::exchange(next.first_needed_segment, first_needed);
            next.durable_lsn = std::max(next.durable_lsn, log.durable_version());
            next.reserved_index_mark = std::max(next.reserved_index_mark, log.reserve_mark());
        });
        if (!adopted) {
            return adopted.error().clone();
        }
        ECSDB_KILL_POINT("snapshot: manifest stored, old files not yet removed");
        std::uint64_t removable_below = std::exchange(older_needed_segment_, needed_before);
        if (archiver_ != nullptr) {
            archiver_->wake();
            // What is not in the archive yet stays until it is.
            removable_below = std::min(removable_below, archiver_->first_unarchived());
        }
        if (own_thread) {
            cleaning_ = std::make_unique<std::jthread>([this, removable_below] { remove_unneeded(removable_below); });
        } else {
            remove_unneeded(removable_below);
        }
        return {};
    }

    /// Files left over cost space, nothing else: a failure to remove them is tried again after the next snapshot.
    void remove_unneeded(std::uint64_t segments_below) {
        const recovery::Manifest manifest = manifest_->manifest();
        const std::string& directory = manifest_->directory();
        if (auto names = files_->list(directory)) {
            for (const std::string& name : *names) {
                const bool snapshot_like = name.starts_with("snapshot-");
                if (snapshot_like && name != manifest.snapshot.name && name != manifest.previous_snapshot.name) {
                    static_cast<void>(files_->remove(directory + '/' + name));
                }
            }
        }
        // What others hold stays; the rest is kept for new segments to be written into, or removed.
        const std::uint64_t below = holds_->lowest(segments_below);
        std::vector<std::uint64_t> unneeded;
        if (auto names = files_->list(directory + '/' + detail::log_directory_name)) {
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
    recovery::ManifestKeeper* manifest_;
    recovery::Archiver* archiver_ = nullptr;
    wal::SegmentHolds* holds_ = nullptr;
    wal::SpareSegments* spares_ = nullptr;
    int compression_level_ = 0;
    std::mutex mutex_;
    std::uint64_t older_needed_segment_; ///< What the previous snapshot needs; below it segments may go after the next one.
    std::unique_ptr<std::jthread> cleaning_;
};

} // namespace ecsdb
