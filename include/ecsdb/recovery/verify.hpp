/// @file
/// Checks every byte of a database's files that means something, and whether they make a database together. Changes nothing.
#pragma once

#include "ecsdb/io/reading_progress.hpp"
#include "ecsdb/recovery/check_constraints.hpp"
#include "ecsdb/recovery/manifest.hpp"
#include "ecsdb/recovery/rebuilt_state.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/snapshot/reader.hpp"
#include "ecsdb/wal/log_reader.hpp"
#include "ecsdb/wal/needed_segments.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// Something in a database's files that is not as it should be.
struct VerifyFault {
    std::string file;         ///< Relative to the database's directory.
    std::uint64_t offset = 0; ///< Of the first byte that cannot be believed; 0 where it is the file as a whole.
    std::uint64_t lsn = 0;    ///< The first transaction concerned; 0 where it is not known or not about transactions.
    std::string what;
};

/// What `verify` looked at and what it found.
struct VerifyReport {
    std::vector<std::string> checked; ///< File by file, then what was checked of the whole.
    std::vector<VerifyFault> faults;
    /// What is no fault but worth knowing: a tail torn by a crash, files that belong to nothing.
    std::vector<std::string> remarks;

    std::uint64_t version = 0; ///< At which the database opens; meaningful without faults.
    std::uint64_t hash = 0;    ///< `view.hash()` at that version.
    std::uint64_t entities = 0;
    std::uint64_t snapshots = 0;
    std::uint64_t segments = 0;
    std::uint64_t frames = 0;
    std::uint64_t transactions = 0; ///< In all segments that are part of the log.
    std::uint64_t bytes = 0;        ///< Of all files looked at.

    [[nodiscard]] bool sound() const noexcept { return faults.empty(); }
};

namespace recovery {

/// Does the work of `verify`, one kind of file after the other.
class Verifier {
public:
    Verifier(std::string directory, const ToolOptions& options)
        : surroundings_{options}, files_{surroundings_.files(), options.progress}, allocator_{&surroundings_.allocator()},
          directory_{std::move(directory)}, log_{directory_ + "/log"} {}

    [[nodiscard]] Result<VerifyReport> verify() {
        if (auto manifests = check_manifests(); !manifests) {
            return std::move(manifests).error();
        }
        if (!manifest_) {
            return std::move(report_);
        }
        check_snapshots();
        check_segments();
        if (auto replayed = check_replay(); !replayed) {
            return std::move(replayed).error();
        }
        files_.finish();
        return std::move(report_);
    }

private:
    void fault(std::string file, std::uint64_t offset, std::uint64_t lsn, std::string what) {
        report_.faults.push_back({std::move(file), offset, lsn, std::move(what)});
    }
    void note_file(const std::string& name) {
        report_.checked.push_back(name);
        if (const auto size = files_.file_size(directory_ + '/' + name)) {
            report_.bytes += *size;
        }
    }

    Result<void> check_manifests() {
        std::optional<Manifest> manifests[2];
        const std::string_view names[2] = {manifest_name, previous_manifest_name};
        std::optional<Error> problems[2];
        for (int i = 0; i < 2; ++i) {
            note_file(std::string{names[i]});
            auto loaded = detail::load_one_manifest(files_, detail::manifest_path(directory_, names[i]));
            if (loaded) {
                manifests[i].emplace(std::move(*loaded));
            } else {
                problems[i].emplace(std::move(loaded).error());
            }
        }
        // Neither there: whoever asks is told that this is no database, rather than that one is damaged.
        if (problems[0] && problems[1] && problems[0]->code() == ErrorCode::NotFound && problems[1]->code() == ErrorCode::NotFound) {
            return Error{ErrorCode::NotFound, directory_ + ": there is no database"};
        }
        // The first manifest of a database has none before it.
        const bool first = manifests[0] && manifests[0]->newest_segment == 0;
        for (int i = 0; i < 2; ++i) {
            if (problems[i] && !(i == 1 && first && problems[1]->code() == ErrorCode::NotFound)) {
                fault(std::string{names[i]}, 0, 0, problems[i]->message());
            }
        }
        if (manifests[0] && manifests[1] && manifests[0]->database != manifests[1]->database) {
            fault(std::string{names[1]}, 0, 0, "is of another database than MANIFEST");
        }
        manifest_ = manifests[0] ? std::move(manifests[0]) : std::move(manifests[1]);
        if (!manifest_) {
            return {};
        }
        auto schema = decode_schema(manifest_->schema);
        if (!schema) {
            fault(std::string{manifest_name}, 0, 0, "the stored schema: " + schema.error().message());
            return {};
        }
        if (schema->hash() != manifest_->schema_hash) {
            fault(std::string{manifest_name}, 0, 0, "the stored schema is not the one whose hash is given");
        }
        schema_ = std::make_shared<const Schema>(std::move(*schema));
        return {};
    }

    /// Every snapshot file, named by the manifest or not: all blocks, the index, the checksum of the whole.
    void check_snapshots() {
        for (const SnapshotChain& chain : chains_of(*manifest_)) {
            check_snapshot(chain.back().name, &chain.back());
        }
        const auto names = files_.list(directory_);
        if (!names) {
            fault(".", 0, 0, names.error().message());
            return;
        }
        for (const std::string& name : *names) {
            if (!name.starts_with("snapshot-") || names_snapshot(*manifest_, name)) {
                continue;
            }
            if (name.ends_with(".tmp")) {
                report_.remarks.push_back(name + ": a file that a crash left half made");
            } else {
                report_.remarks.push_back(name + ": a snapshot that the manifest does not name");
                check_snapshot(name, nullptr);
            }
        }
    }

    void check_snapshot(const std::string& name, const SnapshotFile* expected) {
        note_file(name);
        auto reader = snapshot::BlockReader::open(files_, directory_ + '/' + name, *allocator_);
        if (!reader) {
            fault(name, 0, expected != nullptr ? expected->lsn : 0, reader.error().message());
            return;
        }
        ++report_.snapshots;
        snapshot::BlockReader::Block block;
        auto more = reader->next(block);
        while (more && *more) {
            more = reader->next(block);
        }
        if (!more) {
            fault(name, block.offset, reader->header().lsn, more.error().message());
            return;
        }
        if (reader->header().identity.database != manifest_->database) {
            fault(name, 0, 0, "is of another database");
        } else if (expected != nullptr &&
                   (reader->header().lsn != expected->lsn || reader->file_size() != expected->size || reader->crc() != expected->crc)) {
            fault(name, 0, expected->lsn, "is not the snapshot that the manifest names: version, size or checksum differ");
        }
    }

    struct FoundSegment {
        std::uint64_t number = 0;
        std::optional<wal::SegmentHeader> header;
    };

    /// Every segment: its header, all frames up to its end, and that it ends as its successor says.
    void check_segments() {
        const auto names = files_.list(log_);
        if (!names) {
            if (manifest_->newest_segment != 0 || names.error().code() != ErrorCode::NotFound) {
                fault("log", 0, 0, names.error().message());
            }
            return;
        }
        std::vector<FoundSegment> found;
        for (const std::string& name : *names) {
            const auto number = wal::parse_segment_file_name(name);
            if (!number) {
                report_.remarks.push_back("log/" + name + ": no segment");
                continue;
            }
            note_file("log/" + name);
            ++report_.segments;
            auto reader = wal::SegmentReader::open(files_, log_ + '/' + name, *allocator_);
            found.push_back({*number, std::nullopt});
            if (!reader) {
                fault("log/" + name, 0, 0, reader.error().message());
            } else if (reader->header().database != manifest_->database) {
                fault("log/" + name, 0, 0, "the segment belongs to another database");
            } else if (reader->header().number != *number) {
                fault("log/" + name, 0, 0, "the file holds segment " + std::to_string(reader->header().number));
            } else {
                found.back().header = reader->header();
            }
        }
        std::sort(found.begin(), found.end(), [](const FoundSegment& a, const FoundSegment& b) { return a.number < b.number; });
        if (manifest_->newest_segment != 0 && (found.empty() || found.back().number < manifest_->newest_segment)) {
            fault("log/" + wal::segment_file_name(manifest_->newest_segment), 0, 0, "the segment is missing");
        }
        // From the newest back along the chain, so that each segment's successor is known when it is read.
        const wal::SegmentHeader* successor = nullptr;
        for (std::size_t i = found.size(); i-- > 0;) {
            if (!found[i].header) {
                successor = nullptr;
                continue;
            }
            if (successor != nullptr && successor->previous.segment != found[i].number) {
                if (successor->previous.segment < found[i].number) {
                    report_.remarks.push_back("log/" + wal::segment_file_name(found[i].number) +
                                              ": remains of a history that was given up");
                    continue;
                }
                missing(*successor);
            }
            check_frames(*found[i].header, successor, i + 1 == found.size());
            successor = &*found[i].header;
        }
    }

    /// A segment named as predecessor is not there: damage where a snapshot still needs it.
    void missing(const wal::SegmentHeader& successor) {
        const std::uint64_t base = manifest_->previous_snapshot.name.empty() ? manifest_->snapshot.lsn : manifest_->previous_snapshot.lsn;
        if (successor.previous.lsn > base) {
            fault("log/" + wal::segment_file_name(successor.previous.segment), 0, 0,
                  "the segment is missing, but segment " + std::to_string(successor.number) + " continues it");
        }
    }

    [[nodiscard]] static std::string segment_name(std::uint64_t number) {
        return number == 0 ? std::string{"log"} : "log/" + wal::segment_file_name(number);
    }

    void check_frames(const wal::SegmentHeader& header, const wal::SegmentHeader* successor, bool newest) {
        const std::string name = segment_name(header.number);
        auto reader = wal::SegmentReader::open(files_, wal::segment_path(log_, header.number), *allocator_);
        if (!reader) {
            fault(name, 0, header.first_lsn, reader.error().message());
            return;
        }
        const bool stated = successor != nullptr && successor->previous.segment == header.number;
        const std::uint64_t limit = stated ? successor->previous.offset : reader->size();
        std::uint64_t offset = wal::segment_header_size;
        std::uint64_t last = header.previous.lsn;
        std::uint32_t running = reader->header_crc();
        while (offset < limit) {
            const auto frame = reader->frame_at(offset, limit);
            if (!frame) {
                fault(name, offset, last + 1, frame.error().message());
                return;
            }
            if (!*frame) {
                break;
            }
            const wal::FrameHeader& of = (*frame)->header;
            const std::uint64_t due = wal::holds_transactions(of.type) ? last + 1 : last;
            if (of.lsn != due) {
                fault(name, offset, due, "the frame is numbered " + std::to_string(of.lsn) + " where " + std::to_string(due) + " is due");
                return;
            }
            const std::uint64_t held = wal::versions_completed(of, (*frame)->payload);
            last += held;
            ++report_.frames;
            report_.transactions += held;
            running = wal::extend_running_crc(running, of.stored_crc);
            offset += (*frame)->size;
        }
        if (!stated) {
            // Where the newest may end is for the replay to judge. Of another, whose successor cannot be read, what follows a hole tells.
            const auto rest = newest ? Result<wal::RestOfSegment>{wal::RestOfSegment{}} : reader->look_behind(offset, last);
            if (!rest || rest->valid_frames) {
                fault(name, offset, last + 1, rest ? "there is no valid frame, and valid ones follow" : rest.error().message());
            }
            return;
        }
        if (offset < limit) {
            fault(name, offset, last + 1,
                  "there is no valid frame, but the log goes on to offset " + std::to_string(limit) + " and transaction " +
                      std::to_string(successor->previous.lsn));
        } else if (last != successor->previous.lsn || running != successor->previous.running_crc ||
                   header.epoch != successor->previous.epoch) {
            fault(name, offset, 0, "the segment does not end as segment " + std::to_string(successor->number) + " says it does");
        }
    }

    /// Replays the log onto every snapshot there is: each must lead to the same state.
    Result<void> check_replay() {
        if (schema_ == nullptr) {
            return {};
        }
        std::optional<std::uint64_t> hash;
        std::vector<SnapshotChain> bases{chain_of(manifest_->snapshot_bases, manifest_->snapshot)};
        if (!manifest_->snapshot_bases.empty()) {
            bases.push_back({manifest_->snapshot_bases.front()}); // without what builds on it
        }
        if (!manifest_->previous_snapshot.name.empty()) {
            bases.push_back(chain_of(manifest_->previous_bases, manifest_->previous_snapshot));
        }
        for (const SnapshotChain& base : bases) {
            const std::string onto = base.empty() ? std::string{"the empty database"} : base.back().name;
            auto rebuilt = RebuiltState::create(schema_, manifest_->shard, *allocator_);
            if (!rebuilt) {
                return std::move(rebuilt).error();
            }
            auto replayed = replay(**rebuilt, base);
            if (!replayed) {
                return std::move(replayed).error();
            }
            if (!*replayed) {
                continue; // it has been reported
            }
            if (auto finished = (*rebuilt)->finish(); !finished) {
                return finished;
            }
            const storage::Root& root = (*rebuilt)->root();
            const std::uint64_t found = storage::hash_of(root);
            report_.checked.push_back("the log from " + onto + " to version " + std::to_string(root.version));
            if (!hash) {
                hash = report_.hash = found;
                report_.version = root.version;
                report_.entities = root.entity_count;
                check_constraints(root, [&](std::string what) { fault("", 0, root.version, std::move(what)); });
                report_.checked.emplace_back("the schema's constraints");
            } else if (found != *hash || root.version != report_.version) {
                fault(onto, 0, base.empty() ? 0 : base.back().lsn,
                      "leads to another state than the newest snapshot: version " + std::to_string(root.version) + " instead of " +
                          std::to_string(report_.version));
            }
        }
        return {};
    }

    /// False where something stood in the way, which has been reported.
    Result<bool> replay(RebuiltState& state, const SnapshotChain& base) {
        if (!base.empty()) {
            auto opened = snapshot::open_snapshot(files_, paths_of(directory_, base), *allocator_);
            auto loaded = opened ? state.load(*opened) : Result<void>{std::move(opened).error()};
            if (!loaded) {
                // Damage in the file has been reported; that its blocks contradict each other or the schema has not.
                note_once(base.back().name, 0, base.back().lsn, loaded.error().message());
                return loaded.error().code() == ErrorCode::OutOfMemory ? Result<bool>{std::move(loaded).error()} : Result<bool>{false};
            }
        }
        wal::LogReadOptions options;
        options.database = manifest_->database;
        options.after_lsn = state.version();
        options.durable_lsn = manifest_->durable_lsn;
        options.newest_segment = manifest_->newest_segment;
        options.newest_epoch = manifest_->epoch;
        options.salvage = true; // damage is reported, with where it is, instead of ending the check
        if (manifest_->newest_segment == 0) {
            if (const auto exists = files_.exists(log_); exists && !*exists) {
                return true;
            }
        }
        const auto first =
            wal::first_needed_segment(files_, log_, manifest_->first_needed_segment, base.empty() ? 0 : base.back().lsn, *allocator_);
        if (!first) {
            fault("log", 0, 0, first.error().message());
            return false;
        }
        options.first_needed_segment = *first;
        wal::LogReader reader{files_, log_, options, *allocator_};
        const auto scan = reader.read(state);
        if (!scan) {
            if (scan.error().code() == ErrorCode::OutOfMemory) {
                return scan.error().clone();
            }
            fault("log", 0, state.version() + 1, scan.error().message());
            return false;
        }
        if (!scan->damage.empty()) {
            note_once(segment_name(scan->end.segment), scan->end.offset, scan->lost.from, scan->damage);
            return false;
        }
        if (scan->torn_tail_bytes != 0 || scan->unsynced_lost) {
            std::string torn = "log/" + wal::segment_file_name(scan->end.segment) + ": torn at offset " + std::to_string(scan->end.offset) +
                               ": " + std::to_string(scan->torn_tail_bytes) + " bytes of unfinished writes";
            if (scan->unsynced_lost) {
                torn += ", transactions " + std::to_string(scan->unsynced_lost.from) + " to " + std::to_string(scan->unsynced_lost.to) +
                        " written but never synced";
            }
            if (std::find(report_.remarks.begin(), report_.remarks.end(), torn) == report_.remarks.end()) {
                report_.remarks.push_back(std::move(torn));
            }
        }
        if (manifest_->clean && !scan->clean_close) {
            note_once(segment_name(scan->end.segment), scan->end.offset, 0,
                      "the manifest says that the database was closed in good order, and the log does not end so");
        }
        return true;
    }

    /// The same damage is met on several ways.
    void note_once(const std::string& file, std::uint64_t offset, std::uint64_t lsn, const std::string& what) {
        const bool known = std::any_of(report_.faults.begin(), report_.faults.end(), [&](const VerifyFault& known_fault) {
            return known_fault.file == file && (known_fault.offset == offset || known_fault.what == what);
        });
        if (!known) {
            fault(file, offset, lsn, what);
        }
    }

    Surroundings surroundings_;
    ReadingProgress files_;
    Allocator* allocator_;
    std::string directory_;
    std::string log_;
    std::optional<Manifest> manifest_;
    std::shared_ptr<const Schema> schema_;
    VerifyReport report_;
};

} // namespace recovery

/// Checks the database in `directory`, which nobody should have open for writing: what is being written would be reported as a fault.
/// Changes nothing and takes no lock.
///
/// Checked are both manifests; of every snapshot all blocks, the index, and the checksum of the whole; of every segment the header, all
/// frames, and that it ends as its successor says; that the log leads from each snapshot to the same state; the witnesses of what was once
/// durable; and the schema's constraints. What is wrong is in the report, and so is a file that could not be read.
///
/// Errors: `NotFound` (no database), `OutOfMemory`. Cost: reading everything, some of it three times, and the memory of the database.
[[nodiscard]] inline Result<VerifyReport> verify(const std::string& directory, const ToolOptions& options = {}) {
    return recovery::Verifier{directory, options}.verify();
}

} // namespace ecsdb
