/// @file
/// Copies closed log segments and snapshots into an archive, in the background, and lets go of what is older than asked for.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/core/messages.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/core/wake_up.hpp"
#include "ecsdb/recovery/archive_contents.hpp"
#include "ecsdb/recovery/manifest_keeper.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/snapshot/writer.hpp"
#include "ecsdb/storage/store.hpp"
#include "ecsdb/storage/write_buffer.hpp"
#include "ecsdb/wal/segment_holds.hpp"
#include "ecsdb/wal/segment_reader.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb {

/// How far a database's archive has come.
struct ArchiveState {
    Result<void> working;          ///< Why the last attempt failed; it is repeated with the next segment or snapshot.
    std::uint64_t version = 0;     ///< Everything up to this version is in the archive, but for what is in `lost`.
    std::uint64_t bytes = 0;       ///< Of the archive's files.
    std::vector<std::string> lost; ///< Segments that were damaged in the log, or gone, and which versions cannot be had for that.
};

namespace recovery {

/// What an archive keeps; 0: everything. The newest snapshot and what follows it is always kept.
struct ArchiveLimits {
    std::uint64_t bytes = 0;
    std::uint64_t seconds = 0;
};

/// Keeps the archive of one database that is open for writing in step with its log.
///
/// A failure is kept in mind and tried again later; until then the segments concerned stay in the log. `begin`, `start`, `stop`: whoever
/// opens and closes the database. The rest: any thread. File system, clock and manifest must outlive it.
class Archiver {
public:
    Archiver(FileSystem& files, Allocator& allocator, Clock& clock, ManifestKeeper& manifest, std::string log, std::string directory,
             const ArchiveLimits& limits, Messages messages = {})
        : files_{&files}, allocator_{&allocator}, clock_{&clock}, manifest_{&manifest}, log_{std::move(log)},
          directory_{std::move(directory)}, limits_{limits}, messages_{messages} {}
    Archiver(const Archiver&) = delete;
    Archiver& operator=(const Archiver&) = delete;
    ~Archiver() { stop(); }

    /// Reads what the archive holds, or creates it. `InvalidArgument` where it is another database's, or holds a history that this database
    /// does not come from: its numbers would be given to other segments. `newest` is the newest segment there is before this opening; it is
    /// never in the archive yet.
    [[nodiscard]] Result<void> begin(std::uint64_t newest) {
        const auto exists = files_->exists(directory_);
        if (!exists) {
            return exists.error().clone();
        }
        if (!*exists) {
            if (auto made = files_->create_directory(directory_); !made) {
                return made;
            }
            if (auto synced = files_->sync_directory(parent_directory(directory_)); !synced) {
                return synced;
            }
        }
        auto contents = list_archive(*files_, directory_, *allocator_);
        if (!contents) {
            return std::move(contents).error();
        }
        contents_ = std::move(*contents);
        const bool foreign = !contents_.empty() && contents_.database != manifest_->manifest().database;
        if (foreign || (!contents_.segments.empty() && contents_.segments.back().header.end.segment >= newest)) {
            return Error{ErrorCode::InvalidArgument,
                         directory_ + (foreign ? ": is the archive of another database"
                                               : ": holds segments that are not of this database's past; give what was restored or "
                                                 "copied an archive of its own")};
        }
        if (!contents_.segments.empty()) {
            note_archived(contents_.segments.back().header.end);
        }
        note_contents();
        lost_ = contents_.lost();
        return {};
    }

    /// Holds what is not in the archive yet from now on. After `begin`; `holds` must outlive this.
    void hold_in(wal::SegmentHolds& holds) { hold_.reset(new wal::SegmentHolds::Hold{holds, "archive", first_unarchived()}); }

    /// Works on a thread of its own from now on; without, `wake` does the work itself.
    void start() {
        thread_.reset(new Thread{[this](const Thread::Stop& stop) {
            while (!stop.requested()) {
                if (due_.exchange(false, std::memory_order_seq_cst)) {
                    static_cast<void>(step());
                    continue;
                }
                bell_.sleep(no_timeout, [&] { return due_.load(std::memory_order_seq_cst) || stop.requested(); });
            }
        }});
    }
    /// Ends the thread, after the segment it may be at.
    void stop() {
        if (thread_) {
            thread_->request_stop();
            bell_.ring();
            thread_.reset();
        }
    }
    /// Leaves the thread to the parent process it belongs to.
    void abandon() noexcept { static_cast<void>(thread_.release()); } // NOLINT: in a forked child

    /// There is something to archive.
    void wake() {
        if (!thread_) {
            static_cast<void>(step());
            return;
        }
        due_.store(true, std::memory_order_seq_cst);
        bell_.ring();
    }

    /// Archives every segment that has a successor, and the newest snapshot; then removes what is beyond the limits.
    Result<void> step() {
        const std::lock_guard lock{mutex_};
        ECSDB_TRACE_SCOPE("ecsdb archive");
        Result<void> done = archive_segments();
        if (done) {
            done = archive_snapshot();
        }
        if (done) {
            done = retain();
        }
        note_contents();
        const std::lock_guard state_lock{state_mutex_};
        lost_ = contents_.lost();
        if (done) {
            failure_.reset();
        } else {
            if (!failure_ || failure_->message() != done.error().message()) { // tried again and again, told once
                messages_(Severity::Warning, done.error());
            }
            failure_.emplace(done.error().clone());
        }
        return done;
    }

    /// Segments below it are in the archive. Acquire pairs with the release in `note_archived`.
    [[nodiscard]] std::uint64_t first_unarchived() const noexcept { return archived_segment_.load(std::memory_order_acquire) + 1; }
    [[nodiscard]] std::uint64_t archived_lsn() const noexcept { return archived_lsn_.load(std::memory_order_acquire); }

    /// Whether the archive has all of the log from version `lsn` on, or will have it: a full snapshot of that version can be gone on from.
    /// Behind a gap, or where archiving began behind it, only a later one can.
    [[nodiscard]] bool leads_on_from(std::uint64_t lsn) const noexcept { return lsn + 1 >= unbroken_from_.load(std::memory_order_relaxed); }

    [[nodiscard]] ArchiveState state() {
        ArchiveState state;
        state.version = archived_lsn();
        state.bytes = bytes_.load(std::memory_order_relaxed);
        const std::lock_guard lock{state_mutex_};
        state.lost = lost_;
        if (failure_) {
            state.working = failure_->clone();
        }
        return state;
    }

private:
    void note_archived(const wal::LogPosition& end) noexcept {
        archived_lsn_.store(std::max(archived_lsn(), end.lsn), std::memory_order_release);
        archived_segment_.store(end.segment, std::memory_order_release);
        if (hold_) {
            hold_->advance(first_unarchived());
        }
    }
    void note_contents() noexcept {
        bytes_.store(contents_.bytes(), std::memory_order_relaxed);
        const List<ArchivedFile>& segments = contents_.segments;
        std::size_t first = segments.empty() ? 0 : segments.size() - 1;
        while (first != 0 && segments[first].header.previous_segment == segments[first - 1].header.end.segment) {
            --first;
        }
        unbroken_from_.store(segments.empty() ? 0 : segments[first].header.first_lsn, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t newest_archived() const noexcept {
        return contents_.segments.empty() ? 0 : contents_.segments.back().header.end.segment;
    }

    /// A segment that has a successor.
    struct Closed {
        wal::LogPosition end;
        bool damaged = false; ///< Or nobody can say any more where it ended.
    };

    /// From the newest segment back along the chain to the first that is archived already, or gone; then forward.
    [[nodiscard]] Result<void> archive_segments() {
        const std::uint64_t needed = manifest_->manifest().first_needed_segment; // what lies before is in the snapshot
        const std::uint64_t done = first_unarchived() - 1;
        List<Closed> closed;
        std::uint64_t gone = 0;
        for (std::uint64_t number = manifest_->manifest().newest_segment; number > done;) {
            const auto reader = open_segment(*files_, log_, number, *allocator_);
            const bool known = !closed.empty() && closed.back().end.segment == number;
            if (!reader && reader.error().code() == ErrorCode::NotFound) {
                // Dropped before there was an archive, or lost: that begins, or goes on, with its successor.
                if (known) {
                    closed.pop_back();
                }
                gone = done == 0 ? 0 : number;
                break;
            }
            if (!reader && reader.error().code() == ErrorCode::Corrupt && number < needed && known) {
                // Only it could say where the one before it ended: what that holds beyond may be of a history given up.
                closed.back().damaged = true;
                const auto before = segment_before(number);
                if (!before) {
                    return before.error().clone().in("archive");
                }
                number = *before;
                if (number > done) {
                    closed.push_back({{number, 0, 0, 0, 0}, true});
                }
                continue;
            }
            if (!reader) {
                return reader.error().clone().in("archive");
            }
            if (const wal::LogPosition& previous = reader->header().previous; previous.segment > done) {
                closed.push_back({previous, false});
            }
            number = reader->header().previous.segment;
        }
        for (std::size_t i = closed.size(); i-- > 0;) {
            const wal::LogPosition& end = closed[i].end;
            Result<void> archived = closed[i].damaged ? set_aside(end.segment) : archive_one(end);
            // What is damaged may also be the archive's own copy: that is tried again.
            if (!archived && archived.error().code() == ErrorCode::Corrupt && end.segment < needed && is_damaged(end)) {
                archived = set_aside(end.segment);
            }
            if (!archived) {
                return std::move(archived).error().in("archive");
            }
            note_archived(end);
            if (gone != 0) {
                messages_(Severity::Error,
                          [&] { return wal::segment_path(log_, gone) + ": gone before it was archived; what it held cannot be restored"; });
                gone = 0;
            }
        }
        return {};
    }
    [[nodiscard]] Result<void> archive_one(const wal::LogPosition& end) {
        // Before the log's first segment, so that there is never a segment and nothing to replay it onto.
        if (contents_.segments.empty() && contents_.snapshots.empty()) {
            if (auto written = archive_beginning(end); !written) {
                return written;
            }
        }
        const std::string path = directory_ + '/' + archived_segment_name(end.segment);
        auto archived = archive_segment(*files_, log_, end, *files_, path, *allocator_);
        if (!archived) {
            return std::move(archived).error();
        }
        ECSDB_KILL_POINT("archive: segment archived");
        const auto size = files_->file_size(path);
        contents_.database = archived->database;
        contents_.segments.push_back({*archived, size ? *size : 0});
        messages_(Severity::Debug, [&] { return path + ": archived, up to version " + std::to_string(end.lsn); });
        return {};
    }
    [[nodiscard]] bool is_damaged(const wal::LogPosition& end) {
        const auto checked = check_segment(*files_, log_, end, *allocator_);
        return !checked && checked.error().code() == ErrorCode::Corrupt;
    }
    /// The highest number below `number` in the log; 0 where there is none.
    [[nodiscard]] Result<std::uint64_t> segment_before(std::uint64_t number) {
        const auto names = files_->list(log_);
        if (!names) {
            return names.error().clone();
        }
        std::uint64_t before = 0;
        for (const std::string& name : *names) {
            const std::uint64_t found = wal::parse_segment_file_name(name).value_or(0);
            before = found < number ? std::max(before, found) : before;
        }
        return before;
    }
    /// A damaged segment of which nothing is needed any more: it goes into the archive as it is, where it stands for a gap. Waiting for it
    /// to become whole would keep the log from ever being let go.
    [[nodiscard]] Result<void> set_aside(std::uint64_t number) {
        const std::string path = directory_ + '/' + archived_segment_name(number, damaged_segment_suffix);
        const auto fill = [&](File& out) { return copy_bytes(wal::segment_path(log_, number), out); };
        auto copied = detail::write_checked(*files_, path, fill, [](const std::string&) { return Result<void>{}; });
        const bool known = std::find(contents_.damaged.begin(), contents_.damaged.end(), number) != contents_.damaged.end();
        if (copied && !known) {
            contents_.damaged.push_back(number);
            messages_(Severity::Error, [&] { return path + ": a damaged segment of the log; what it held cannot be restored"; });
        }
        return copied;
    }

    /// The empty database as a snapshot, where this is the log's beginning: it, too, has to have something to be replayed onto.
    [[nodiscard]] Result<void> archive_beginning(const wal::LogPosition& first) {
        const auto reader = open_segment(*files_, log_, first.segment, *allocator_);
        if (!reader || reader->header().first_lsn != 1) {
            return reader ? Result<void>{} : Result<void>{reader.error().clone()};
        }
        const Manifest manifest = manifest_->manifest();
        auto schema = decode_schema(manifest.schema);
        if (!schema) {
            return std::move(schema).error();
        }
        struct OwnStore {
            ~OwnStore() {
                if (store != nullptr) {
                    store->drop_owner();
                }
            }
            storage::Store* store;
        };
        const OwnStore own{storage::Store::create(*allocator_, {}, std::make_shared<const Schema>(*std::move(schema)))};
        storage::Store* const store = own.store;
        std::optional<storage::WriteBuffer> empty;
        if (store == nullptr || !empty.emplace(*store).create_first_root(manifest.shard)) {
            return Error{ErrorCode::OutOfMemory, "no memory for an empty database"};
        }
        const std::string name = archived_snapshot_name(0, first.epoch);
        snapshot::SnapshotOptions options{.allocator = *allocator_};
        options.read_back = true;
        const auto written = snapshot::write_snapshot(*files_, directory_ + '/' + name, empty->root(), store->entity_versions(),
                                                      {manifest.database, first.epoch, manifest.shard, 0}, options);
        if (!written) {
            return written.error().clone();
        }
        contents_.snapshots.insert(contents_.snapshots.begin(), {name, 0, first.epoch, 0, store->schema().hash(), written->bytes});
        return {};
    }

    [[nodiscard]] Result<void> archive_snapshot() {
        const Manifest manifest = manifest_->manifest();
        if (manifest.snapshot.name.empty()) {
            return {};
        }
        // Incremental ones are not archived: all of the log is, and stands for them.
        const SnapshotFile full = chain_of(manifest.snapshot_bases, manifest.snapshot).front();
        const std::string source = manifest_->directory() + '/' + full.name;
        const auto reader = snapshot::BlockReader::open(*files_, source, *allocator_);
        if (!reader) {
            // The next one may have come while we looked.
            return reader.error().code() == ErrorCode::NotFound ? Result<void>{} : Result<void>{reader.error().clone().in("archive")};
        }
        const snapshot::FileHeader& header = reader->header();
        const std::string name = archived_snapshot_name(header.lsn, header.identity.epoch);
        const bool known = std::any_of(contents_.snapshots.begin(), contents_.snapshots.end(),
                                       [&](const ArchivedSnapshot& snapshot) { return snapshot.name == name; });
        if (known) {
            return {};
        }
        if (auto copied = copy_checked(source, directory_ + '/' + name, full); !copied) {
            return std::move(copied).error().in("archive");
        }
        ECSDB_KILL_POINT("archive: snapshot archived");
        contents_.database = header.identity.database;
        contents_.snapshots.push_back({name, header.lsn, header.identity.epoch, header.time_ns / 1000, header.schema_hash, full.size});
        return {};
    }

    [[nodiscard]] Result<void> copy_bytes(const std::string& from, File& out) {
        const auto file = files_->open(from, FileMode::Read);
        if (!file) {
            return file.error().clone();
        }
        ByteBuffer buffer{*allocator_};
        std::byte* const room = buffer.extend(std::size_t{256} << 10U);
        for (std::uint64_t offset = 0; room != nullptr;) {
            const auto read = (*file)->pread({room, buffer.size()}, offset);
            if (!read || *read == 0) {
                return read ? Result<void>{} : Result<void>{read.error().clone()};
            }
            if (auto written = out.pwrite({room, *read}, offset); !written) {
                return written;
            }
            offset += *read;
        }
        return Error{ErrorCode::OutOfMemory, "no memory to copy a file"};
    }
    [[nodiscard]] Result<void> copy_checked(const std::string& from, const std::string& to, const SnapshotFile& expected) {
        const auto fill = [&](File& out) { return copy_bytes(from, out); };
        const auto check = [&](const std::string& staged) -> Result<void> {
            const auto found = snapshot::check_snapshot(*files_, staged, *allocator_);
            if (!found) {
                return found.error().clone();
            }
            return found->crc == expected.crc && found->bytes == expected.size
                       ? Result<void>{}
                       : Result<void>{Error{ErrorCode::Corrupt, from + ": is not the snapshot that the manifest names"}};
        };
        return detail::write_checked(*files_, to, fill, check);
    }

    /// Takes the oldest snapshot away, then what nothing newer needs: so at every moment everything from the oldest snapshot on is there.
    [[nodiscard]] Result<void> retain() {
        for (;;) {
            const List<ArchivedSnapshot>& snapshots = contents_.snapshots;
            if (snapshots.size() < 2 || snapshots[1].lsn > archived_lsn()) {
                return {};
            }
            const ArchivedSnapshot& kept = snapshots[1];
            const std::uint64_t now = clock_->wall_ns() / 1'000'000'000;
            const bool too_old = limits_.seconds != 0 && kept.time / 1'000'000 + limits_.seconds <= now;
            const bool too_large = limits_.bytes != 0 && contents_.bytes() > limits_.bytes;
            if (!too_old && !too_large) {
                return {};
            }
            const std::uint64_t below = kept.lsn;
            // Nobody may find the snapshot, and not what follows it.
            if (auto removed = remove(snapshots.front().name); !removed) {
                return removed;
            }
            contents_.snapshots.erase(contents_.snapshots.begin());
            if (auto synced = files_->sync_directory(directory_); !synced) {
                return synced;
            }
            ECSDB_KILL_POINT("archive: oldest snapshot removed");
            while (contents_.segments.size() > 1 && contents_.segments.front().header.end.lsn <= below) {
                if (auto removed = remove(archived_segment_name(contents_.segments.front().header.end.segment)); !removed) {
                    return removed;
                }
                contents_.segments.erase(contents_.segments.begin());
            }
            while (!contents_.damaged.empty() && !contents_.segments.empty() &&
                   contents_.damaged.front() < contents_.segments.front().header.end.segment) {
                if (auto removed = remove(archived_segment_name(contents_.damaged.front(), damaged_segment_suffix)); !removed) {
                    return removed;
                }
                contents_.damaged.erase(contents_.damaged.begin());
            }
            if (auto synced = files_->sync_directory(directory_); !synced) {
                return synced;
            }
        }
    }
    [[nodiscard]] Result<void> remove(const std::string& name) {
        auto removed = files_->remove(directory_ + '/' + name);
        return removed || removed.error().code() == ErrorCode::NotFound ? Result<void>{} : std::move(removed);
    }

    FileSystem* files_;
    Allocator* allocator_;
    Clock* clock_;
    ManifestKeeper* manifest_;
    std::string log_;
    std::string directory_;
    ArchiveLimits limits_;
    Messages messages_;
    std::mutex mutex_; // one step at a time
    ArchiveContents contents_;
    std::atomic<std::uint64_t> archived_segment_{0};
    std::atomic<std::uint64_t> archived_lsn_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> unbroken_from_{0}; ///< The first version of the newest segments that follow each other.
    Owner<wal::SegmentHolds::Hold> hold_;         ///< On what is not in the archive.
    std::mutex state_mutex_;
    std::optional<Error> failure_;
    std::vector<std::string> lost_;
    std::atomic<bool> due_{false};
    Doorbell bell_;
    Owner<Thread> thread_; // goes first
};

} // namespace recovery

} // namespace ecsdb
