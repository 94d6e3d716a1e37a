/// @file
/// The snapshots of a database that is open for writing: takes them, makes them the ones to recover from, removes what nobody needs.
#pragma once

#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/recovery/archiver.hpp"
#include "ecsdb/recovery/manifest_keeper.hpp"
#include "ecsdb/recovery/on_writer.hpp"
#include "ecsdb/recovery/snapshot_policy.hpp"
#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/transaction/pipeline.hpp"
#include "ecsdb/wal/log_participant.hpp"
#include "ecsdb/wal/segment_holds.hpp"
#include "ecsdb/wal/spare_segments.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb {

namespace detail {

inline constexpr const char* log_directory_name = "log";

[[nodiscard]] inline std::string snapshot_file_name(std::uint64_t version) {
    return "snapshot-" + std::to_string(version) + ".ecsdb";
}
[[nodiscard]] inline std::string incremental_file_name(std::uint64_t version, std::uint64_t base) {
    return "snapshot-" + std::to_string(version) + "-after-" + std::to_string(base) + ".ecsdb";
}
/// The version a snapshot file is called after, whatever follows in its name.
[[nodiscard]] inline std::optional<std::uint64_t> version_in_snapshot_name(std::string_view name) {
    constexpr std::string_view prefix = "snapshot-";
    std::uint64_t version = 0;
    if (!name.starts_with(prefix) || std::from_chars(name.data() + prefix.size(), name.data() + name.size(), version).ec != std::errc{}) {
        return std::nullopt;
    }
    return version;
}

} // namespace detail

/// The snapshots of an open database.
struct SnapshotState {
    Result<void> working;      ///< Why the last one failed, or could not be read back. What there was before is kept then.
    std::uint64_t version = 0; ///< Of the newest one; 0 where there is none.
    std::uint64_t bytes = 0;   ///< Of its file.
    std::size_t builds_on = 0; ///< How many files it builds on; 0: it is a full one.
    std::uint64_t taken = 0;   ///< Since opening.
    std::uint64_t failed = 0;  ///< Since opening, those included that could not be read back.
};

/// Takes snapshots of one database, one at a time, beside its writer and its readers, neither of which waits. Made by opening it.
class Snapshots {
public:
    /// `saved` is what the snapshot that was loaded holds, if that is known.
    Snapshots(FileSystem& files, Allocator& allocator, Clock& clock, recovery::ManifestKeeper& manifest, const Options& options,
              std::optional<snapshot::SavedState> saved) noexcept
        : files_{&files}, allocator_{&allocator}, clock_{&clock}, manifest_{&manifest}, messages_{options.messages}, policy_{options},
          saved_{std::move(saved)}, older_needed_segment_{manifest.manifest().first_needed_segment} {
        if (!saved_ && policy_.has_incremental()) {
            saved_.emplace(allocator);
        }
    }

    /// Who is to be told of new snapshots. Null: there is none. Before the first one.
    void set_archiver(recovery::Archiver* archiver) noexcept { archiver_ = archiver; }

    /// As in `snapshot::SnapshotOptions`. Before the first snapshot.
    void set_compression(int level) noexcept { compression_level_ = level; }

    /// What holds segments of the log, and where those go that nobody needs. Before the first snapshot.
    void set_segments(wal::SegmentHolds& holds, wal::SpareSegments& spares) noexcept {
        holds_ = &holds;
        hold_.reset(new wal::SegmentHolds::Hold{holds, own_hold, 0}); // what the older snapshots need is not known
        spares_ = &spares;
    }
    /// The log begins, `log_bytes` behind the newest snapshot. Before the first snapshot.
    void begin(std::uint64_t log_bytes) noexcept {
        log_bytes_before_ = log_bytes;
        taken_ns_ = clock_->monotonic_ns();
    }

    /// By what name the snapshots themselves hold segments.
    static constexpr const char* own_hold = "snapshots";

    [[nodiscard]] const recovery::SnapshotPolicy& policy() const noexcept { return policy_; }

    /// Saves the newest version and lets go of what only older snapshots need. Any thread but the writer's.
    [[nodiscard]] Result<void> take(transaction::Pipeline& pipeline, wal::LogParticipant& log) noexcept {
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a snapshot waits for the writer and so cannot be taken on its thread"};
        }
        const std::lock_guard lock{mutex_};
        return take_now(pipeline, log);
    }

    /// The same, if the options say that it is time. Whether one was taken. After a failure nothing is done for a while.
    [[nodiscard]] Result<bool> take_if_due(transaction::Pipeline& pipeline, wal::LogParticipant& log) noexcept {
        if (pipeline.writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "a snapshot waits for the writer and so cannot be taken on its thread"};
        }
        const std::lock_guard lock{mutex_};
        const std::uint64_t now = clock_->monotonic_ns();
        const bool is_bad = policy_.is_automatic() && !newest_is_good_.load() && back_off_from_bad_.may_try(now);
        if (!back_off_.may_try(now) || !(is_bad || policy_.is_due(since_newest(pipeline, log)))) {
            return false;
        }
        auto taken = take_now(pipeline, log);
        return taken ? Result<bool>{true} : Result<bool>{std::move(taken).error()};
    }

    /// Any thread.
    [[nodiscard]] SnapshotState state() const {
        const recovery::Manifest manifest = manifest_->manifest();
        SnapshotState state;
        state.version = manifest.snapshot.lsn;
        state.bytes = manifest.snapshot.size;
        state.builds_on = manifest.snapshot_bases.size();
        const std::lock_guard lock{state_mutex_};
        state.taken = taken_;
        state.failed = failed_;
        if (failure_) {
            state.working = failure_->clone();
        }
        return state;
    }

    /// Waits until files nobody needs any more are gone. No snapshot is being taken, nor will be.
    void stop() noexcept { cleaning_.reset(); }
    /// Leaves the thread to the parent process it belongs to.
    void abandon() noexcept { static_cast<void>(cleaning_.release()); } // NOLINT: in a forked child

private:
    [[nodiscard]] recovery::SinceSnapshot since_newest(transaction::Pipeline& pipeline, const wal::LogParticipant& log) const {
        const std::uint64_t version = pipeline.store().published_version();
        const std::uint64_t saved = manifest_->manifest().snapshot.lsn;
        return {version > saved ? version - saved : 0, log_bytes_before_ + log.written_bytes(), clock_->monotonic_ns() - taken_ns_};
    }

    [[nodiscard]] Result<void> take_now(transaction::Pipeline& pipeline, wal::LogParticipant& log) {
        ECSDB_TRACE_SCOPE("ecsdb snapshot");
        const std::uint64_t written = log.written_bytes();
        const std::uint64_t begun = clock_->monotonic_ns();
        const std::uint64_t before = manifest_->manifest().snapshot.lsn;
        auto taken = write_and_adopt(pipeline, log);
        if (!taken) {
            Error error = std::move(taken).error().in("snapshot");
            back_off_.failed(clock_->monotonic_ns());
            note(error.clone());
            return error;
        }
        log_bytes_before_ = 0 - written; // counted from here
        taken_ns_ = clock_->monotonic_ns();
        back_off_.succeeded();
        messages_(Severity::Info, [&] { return describe_newest(before, taken_ns_ - begun); });
        return {};
    }
    [[nodiscard]] std::string describe_newest(std::uint64_t before, std::uint64_t duration_ns) const {
        const recovery::SnapshotFile newest = manifest_->manifest().snapshot;
        return newest.lsn == before ? "version " + std::to_string(before) + " is saved already, by " + newest.name
                                    : newest.name + ": version " + std::to_string(newest.lsn) + " is saved, " +
                                          std::to_string(newest.size) + " bytes in " + std::to_string(duration_ns / 1'000'000) + " ms";
    }
    void note(std::optional<Error> failure) {
        if (failure) {
            messages_(Severity::Error, *failure);
        }
        const std::lock_guard lock{state_mutex_};
        taken_ += failure ? 0U : 1U;
        failed_ += failure ? 1U : 0U;
        failure_ = std::move(failure);
    }

    /// Whether the next snapshot is to hold only what has changed since the newest one.
    [[nodiscard]] bool is_to_be_incremental(const recovery::Manifest& manifest) const {
        if (!saved_ || !saved_->usable || !newest_is_good_.load() || saved_->newest.lsn != manifest.snapshot.lsn ||
            saved_->newest.crc != manifest.snapshot.crc) {
            return false;
        }
        const auto chain = recovery::chain_of(manifest.snapshot_bases, manifest.snapshot);
        // Of a chain the archive has only the full one, and the log.
        return policy_.may_follow(chain) && (archiver_ == nullptr || archiver_->leads_on_from(chain.front().lsn));
    }

    [[nodiscard]] Result<void> write_and_adopt(transaction::Pipeline& pipeline, wal::LogParticipant& log) {
        const recovery::Manifest manifest = manifest_->manifest();
        // A second file of the same version would have other bytes (of another epoch, with other ids handed out) and the same name: until
        // the manifest is stored, recovery would not know it, and it would push out of the log what only the snapshot before it needs.
        if (!manifest.snapshot.name.empty() && pipeline.store().published_version() == manifest.snapshot.lsn) {
            cleaning_.reset(); // by now it is known whether it is good
            if (newest_is_good_.load()) {
                remove_unneeded(); // somebody may have let go of the log since
                return {};
            }
        }
        const bool incremental = is_to_be_incremental(manifest);
        // The log goes on in a new segment first, so that what the snapshot covers ends with whole segments.
        const Result<wal::SegmentStart> first_needed = log.rotate();
        if (!first_needed) {
            return first_needed.error().clone().in("log switch");
        }
        // A batch is written before it is published: the snapshot must have all that the new segment does not.
        if (!log.wait_until_published(pipeline.store(), first_needed->after_lsn)) {
            return Error{ErrorCode::ReadOnly, "the log has failed meanwhile"};
        }
        ECSDB_KILL_POINT("snapshot: log switched");
        storage::PinnedRoot pinned{pipeline.store()};
        if (pinned.get() == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to pin the version"};
        }
        pinned.set_name("snapshot");
        const storage::Root& root = *pinned.get();
        const std::string name =
            incremental ? detail::incremental_file_name(root.version, manifest.snapshot.lsn) : detail::snapshot_file_name(root.version);
        detail::CountsFromWriter counts{pipeline};
        snapshot::SnapshotOptions options{.allocator = *allocator_};
        options.counts = &counts;
        options.compression_level = compression_level_;
        options.own_thread = pipeline.options().own_thread;
        options.saved = saved_ ? &*saved_ : nullptr;
        options.incremental = incremental;
        auto written = snapshot::write_snapshot(*files_, manifest_->directory() + '/' + name, root, pipeline.store().entity_versions(),
                                                identity_of(root, pipeline.ids().next_fresh()), options);
        if (!written) {
            return std::move(written).error();
        }
        // The log must reach what the snapshot knows of, or a crash would leave a gap behind the log's end.
        Result<void> adopted = log.wait_for(std::max(root.version, counts.newest()), true);
        cleaning_.reset(); // by now it is known whether the one before is good
        if (adopted && incremental && !newest_is_good_.load()) {
            adopted = Error{ErrorCode::Corrupt, manifest.snapshot.name + ", which this one would build on, cannot be read back"};
        }
        // One in the place of another that could not be read back may share its fate: that must not become a loop.
        newest_is_good_.load() ? back_off_from_bad_.succeeded() : back_off_from_bad_.failed(clock_->monotonic_ns());
        if (adopted) {
            ECSDB_KILL_POINT("snapshot: file written, manifest not yet stored");
            adopted = adopt({.name = name, .lsn = written->lsn, .size = written->bytes, .crc = written->crc}, incremental,
                            first_needed->number, log, options.own_thread);
        }
        if (!adopted && saved_) {
            saved_->usable = false; // whether anybody will ever find the file is open
        }
        return adopted;
    }

    [[nodiscard]] snapshot::SnapshotIdentity identity_of(const storage::Root& root, std::uint64_t next_fresh) const {
        const recovery::Manifest manifest = manifest_->manifest();
        return {.database = manifest.database, .epoch = manifest.epoch, .shard = root.shard, .next_fresh = next_fresh};
    }

    /// Makes a finished snapshot file the one to recover from, then reads it back, and removes what neither it nor its predecessor needs:
    /// with `own_thread` on a thread of its own, since a file system may take as long to let go of a file as to write it.
    [[nodiscard]] Result<void> adopt(recovery::SnapshotFile snapshot, bool incremental, std::uint64_t first_needed,
                                     const wal::LogParticipant& log, bool own_thread) {
        std::uint64_t needed_before = 0;
        // What could not be read back takes nobody's place: the one before it stays the one to fall back on.
        const bool replaces = !incremental && newest_is_good_.load();
        const auto adopted = manifest_->change([&](recovery::Manifest& next) {
            if (incremental) {
                next.snapshot_bases.push_back(std::move(next.snapshot));
            } else if (next.snapshot.name != snapshot.name) {
                give_way(next, replaces);
            }
            next.snapshot = std::move(snapshot);
            needed_before = std::exchange(next.first_needed_segment, first_needed);
            next.durable_lsn = std::max(next.durable_lsn, log.durable_version());
            next.reserved_index_mark = std::max(next.reserved_index_mark, log.reserve_mark());
        });
        if (!adopted) {
            return adopted.error().clone();
        }
        note(std::nullopt);
        ECSDB_KILL_POINT("snapshot: manifest stored, old files not yet removed");
        // From an incremental one the way back, past any one file, is the snapshot before its full one, and the log since.
        if (replaces) {
            hold_->advance(std::exchange(older_needed_segment_, needed_before));
        }
        if (archiver_ != nullptr) {
            archiver_->wake();
        }
        if (own_thread) {
            cleaning_.reset(new Thread{[this](const Thread::Stop&) { clean_up(); }});
        } else {
            clean_up();
        }
        return {};
    }

    /// The newest snapshot becomes the one before it. Where that could not be read back, what it builds on does, or else nothing.
    static void give_way(recovery::Manifest& manifest, bool newest_is_good) {
        std::vector<recovery::SnapshotFile> chain = recovery::chain_of(manifest.snapshot_bases, manifest.snapshot);
        manifest.snapshot_bases.clear();
        if (!newest_is_good && !chain.empty()) {
            chain.pop_back();
        }
        if (!chain.empty()) {
            manifest.previous_snapshot = std::move(chain.back());
            chain.pop_back();
            manifest.previous_bases = std::move(chain);
        }
    }

    /// Nothing older goes before the new file was read back (rule 10 of docs/reliability.md).
    void clean_up() {
        ECSDB_TRACE_SCOPE("ecsdb snapshot read back");
        const recovery::SnapshotFile newest = manifest_->manifest().snapshot;
        const auto found = snapshot::check_snapshot(*files_, manifest_->directory() + '/' + newest.name, *allocator_);
        const bool good = found && found->crc == newest.crc && found->bytes == newest.size;
        newest_is_good_.store(good);
        if (good) {
            remove_unneeded();
            return;
        }
        note(found ? Error{ErrorCode::Corrupt, "snapshot: " + newest.name + ": what was written cannot be read back"}
                   : found.error().clone().in("snapshot: reading it back"));
    }

    /// Files left over cost space, nothing else: a failure to remove them is tried again after the next snapshot.
    void remove_unneeded() {
        const recovery::Manifest manifest = manifest_->manifest();
        const std::string& directory = manifest_->directory();
        if (auto names = files_->list(directory)) {
            for (const std::string& name : *names) {
                // The next one may be being written meanwhile: it is of a later version, or named.
                const std::optional<std::uint64_t> version = detail::version_in_snapshot_name(name);
                if (version && *version < manifest.snapshot.lsn && !recovery::names_snapshot(manifest, name)) {
                    static_cast<void>(files_->remove(directory + '/' + name));
                }
            }
        }
        // What anybody holds stays; the rest is kept for new segments to be written into, or removed.
        const std::uint64_t below = holds_->lowest(manifest.first_needed_segment);
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
    Clock* clock_;
    recovery::ManifestKeeper* manifest_;
    Messages messages_;
    recovery::SnapshotPolicy policy_;
    std::optional<snapshot::SavedState> saved_; ///< Where there are incremental ones.
    recovery::Archiver* archiver_ = nullptr;
    wal::SegmentHolds* holds_ = nullptr;
    Owner<wal::SegmentHolds::Hold> hold_; ///< On what the last but one needs.
    wal::SpareSegments* spares_ = nullptr;
    int compression_level_ = 0;
    std::mutex mutex_;
    std::uint64_t older_needed_segment_;     ///< What the previous snapshot needs; it is let go of what is below after the next full one.
    std::atomic<bool> newest_is_good_{true}; ///< It was read back, or the database was opened with it.
    std::uint64_t log_bytes_before_ = 0;     ///< To be added to what the log has written since opening.
    std::uint64_t taken_ns_ = 0;
    recovery::BackOff back_off_;
    recovery::BackOff back_off_from_bad_; ///< From replacing ones that cannot be read back.
    mutable std::mutex state_mutex_;
    std::uint64_t taken_ = 0;
    std::uint64_t failed_ = 0;
    std::optional<Error> failure_;
    Owner<Thread> cleaning_;
};

} // namespace ecsdb
