/// @file
/// Makes a damaged database usable again with everything that can be kept, and says what is lost. Never done unless asked for.
#pragma once

#include "ecsdb/core/owner.hpp"
#include "ecsdb/recovery/open.hpp"
#include "ecsdb/recovery/rebuilt_state.hpp"
#include "ecsdb/snapshot/writer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// What `salvage` kept and what is lost.
struct SalvageReport {
    bool changed = false;        ///< False: the database opens as it is, and nothing was done.
    std::uint64_t version = 0;   ///< At which the database now stands: all transactions up to this one are kept, whole.
    std::uint64_t hash = 0;      ///< `view.hash()` at that version.
    std::uint64_t lost_from = 0; ///< Transactions that something still bears witness to, and that are gone; both 0 when there are none.
    std::uint64_t lost_to = 0;
    std::uint64_t lost_bytes = 0; ///< Of the log, behind the cut: damaged, or useless without what is.
    std::string cut_file;         ///< Where the log was cut, relative to the directory; empty where all of it was useless,
    std::uint64_t cut_offset = 0; ///< and at which offset.
    std::string damage;           ///< Why the database could not be opened, and why the log was cut.
    std::string snapshot;         ///< The one the rest was built on; empty where there was none.
    std::uint32_t epoch = 0;      ///< The new one: what was lost can never be taken for a part of what follows.
};

namespace recovery {

/// Does the work of `salvage`, one step after the other. The manifest is replaced last: before that, nothing on the disk has changed but
/// for a snapshot file that nobody names.
class Salvager {
public:
    Salvager(std::string directory, const ToolOptions& options)
        : surroundings_{options}, files_{&surroundings_.files()}, allocator_{&surroundings_.allocator()},
          directory_{std::move(directory)}, log_{directory_ + '/' + ecsdb::detail::log_directory_name} {}

    [[nodiscard]] Result<SalvageReport> salvage() {
        if (const auto exists = files_->exists(directory_); !exists || !*exists) {
            return exists ? Error{ErrorCode::NotFound, "there is no database"} : exists.error().clone();
        }
        auto lock = files_->lock(directory_ + '/' + ecsdb::detail::lock_file_name);
        if (!lock) {
            return std::move(lock).error();
        }
        auto snapshots = find_snapshots();
        if (!snapshots) {
            return std::move(snapshots).error();
        }
        if (auto known = find_identity(*snapshots); !known) {
            return std::move(known).error();
        }
        if (auto opens = try_to_open(); !opens || *opens) {
            return opens ? Result<SalvageReport>{std::move(report_)} : Result<SalvageReport>{std::move(opens).error()};
        }
        if (auto kept = keep_what_is_whole(*snapshots); !kept) {
            return std::move(kept).error();
        }
        if (auto stored = store(); !stored) {
            return std::move(stored).error();
        }
        report_.changed = true;
        return std::move(report_);
    }

private:
    /// A snapshot all of whose checksums are right.
    struct WholeSnapshot {
        std::string name;
        std::uint64_t lsn = 0;
        std::uint64_t size = 0;
        std::uint32_t crc = 0;
        snapshot::SnapshotIdentity identity;
        snapshot::BaseSnapshot base; ///< What it builds on, if anything.
        std::vector<std::byte> schema;
    };

    /// The whole ones, newest first.
    [[nodiscard]] Result<std::vector<WholeSnapshot>> find_snapshots() {
        const auto names = files_->list(directory_);
        if (!names) {
            return names.error().clone();
        }
        std::vector<WholeSnapshot> found;
        for (const std::string& name : *names) {
            if (!name.starts_with("snapshot-") || name.ends_with(".tmp")) {
                continue;
            }
            const std::string path = directory_ + '/' + name;
            const auto whole = snapshot::check_snapshot(*files_, path, *allocator_);
            if (!whole && !detail::is_unusable(whole.error())) {
                return whole.error().clone();
            }
            auto reader = whole ? snapshot::BlockReader::open(*files_, path, *allocator_) : whole.error().clone();
            if (reader) {
                const auto schema = reader->schema();
                found.push_back({name,
                                 whole->lsn,
                                 whole->bytes,
                                 whole->crc,
                                 reader->header().identity,
                                 reader->header().base,
                                 {schema.begin(), schema.end()}});
            }
        }
        std::sort(found.begin(), found.end(), [](const WholeSnapshot& a, const WholeSnapshot& b) { return a.lsn > b.lsn; });
        return found;
    }

    /// The files that `newest` is made of, the full one first; empty where one of them is not among those that are whole.
    [[nodiscard]] std::vector<std::string> chain_to(const WholeSnapshot& newest, const std::vector<WholeSnapshot>& snapshots) const {
        std::vector<std::string> paths;
        for (const WholeSnapshot* next = &newest; next != nullptr;) {
            paths.insert(paths.begin(), directory_ + '/' + next->name);
            if (next->base.size == 0) {
                return paths;
            }
            const auto found = std::find_if(snapshots.begin(), snapshots.end(), [&](const WholeSnapshot& other) {
                return other.lsn == next->base.lsn && other.size == next->base.size && other.crc == next->base.crc;
            });
            next = found == snapshots.end() ? nullptr : &*found;
        }
        return {};
    }

    /// Which database this is: from a manifest, or where neither is left, from a snapshot.
    [[nodiscard]] Result<void> find_identity(const std::vector<WholeSnapshot>& snapshots) {
        auto loaded = load_manifest(*files_, directory_);
        if (loaded) {
            manifest_ = std::move(loaded->manifest);
            return {};
        }
        if (!detail::is_unusable(loaded.error())) {
            return std::move(loaded).error();
        }
        if (snapshots.empty()) {
            return std::move(loaded).error().in("neither a manifest nor a snapshot is whole, so there is nothing to tell the schema");
        }
        const WholeSnapshot& newest = snapshots.front();
        const auto schema = decode_schema(newest.schema);
        if (!schema) {
            return schema.error().clone().in(newest.name);
        }
        manifest_.database = newest.identity.database;
        manifest_.epoch = newest.identity.epoch;
        manifest_.shard = newest.identity.shard;
        manifest_.schema = newest.schema;
        manifest_.schema_hash = schema->hash();
        report_.damage = loaded.error().message() + "; ";
        return {};
    }

    /// True where it opens as it is. Only damage is a reason to go on.
    [[nodiscard]] Result<bool> try_to_open() {
        Options options;
        options.directory = directory_;
        options.mode = OpenMode::ReadOnly;
        options.shard = manifest_.shard;
        options.allocator = allocator_;
        options.file_system = files_;
        auto opened = open_engine(options, std::nullopt, StoredSchema::AnyWillDo);
        if (opened) {
            const storage::PinnedRoot pinned{(*opened)->store()};
            report_.version = (*opened)->recovery_report().version;
            report_.epoch = (*opened)->recovery_report().epoch;
            report_.hash = pinned.get() == nullptr ? 0 : storage::hash_of(*pinned.get());
            return true;
        }
        const ErrorCode code = opened.error().code();
        if (code != ErrorCode::Corrupt && code != ErrorCode::NotFound && code != ErrorCode::Gap) {
            return std::move(opened).error();
        }
        report_.damage += opened.error().message();
        return false;
    }

    /// Rebuilds the newest state that can be reached: from the newest snapshot that loads, along the log up to its first damage.
    [[nodiscard]] Result<void> keep_what_is_whole(const std::vector<WholeSnapshot>& snapshots) {
        if (auto swept = sweep_log(); !swept) {
            return swept;
        }
        for (std::size_t i = 0; i <= snapshots.size(); ++i) {
            const WholeSnapshot* const base = i < snapshots.size() ? &snapshots[i] : nullptr;
            const std::vector<std::string> chain = base != nullptr ? chain_to(*base, snapshots) : std::vector<std::string>{};
            if (base != nullptr && (base->identity.database != manifest_.database || chain.empty())) {
                continue;
            }
            const auto schema = decode_schema(base != nullptr ? base->schema : manifest_.schema);
            if (!schema) {
                return schema.error().clone().in("stored schema");
            }
            auto state = RebuiltState::create(std::make_shared<const Schema>(*schema), manifest_.shard, *allocator_);
            if (!state) {
                return std::move(state).error();
            }
            if (base != nullptr) {
                auto opened = snapshot::open_snapshot(*files_, chain, *allocator_);
                const auto loaded = opened ? (*state)->load(*opened) : Result<void>{std::move(opened).error()};
                if (!loaded && loaded.error().code() != ErrorCode::Corrupt) {
                    return loaded.error().clone();
                }
                if (!loaded) {
                    continue; // whole, and yet no state: the one before it may be
                }
            }
            state_ = std::move(*state);
            base_ = base;
            if (base != nullptr) {
                manifest_.schema = base->schema;
            }
            manifest_.schema_hash = schema->hash();
            break;
        }
        return replay();
    }

    /// Applies what can be applied of the log.
    [[nodiscard]] Result<void> replay() {
        const std::uint64_t after = state_->version();
        const auto first = wal::first_needed_segment(*files_, log_, newest_readable_, after, *allocator_);
        if (!first) {
            return first.error().clone();
        }
        // Behind a migration the log speaks of another schema; the snapshot that led there is lost.
        for (const Swept& segment : swept_) {
            if (segment.number >= *first && segment.first_lsn != 0 && segment.schema_hash != manifest_.schema_hash) {
                state_->stop_after(std::max(after, segment.first_lsn - 1));
                break;
            }
        }
        wal::LogReadOptions options;
        options.database = manifest_.database;
        options.after_lsn = after;
        options.first_needed_segment = *first;
        options.durable_lsn = manifest_.durable_lsn;
        options.newest_segment = manifest_.newest_segment;
        options.newest_epoch = manifest_.epoch;
        options.salvage = true;
        wal::LogScan scan;
        if (const auto exists = files_->exists(log_); !exists || *exists) {
            wal::LogReader reader{*files_, log_, options, *allocator_};
            auto read = reader.read(*state_);
            if (!read && read.error().code() != ErrorCode::Corrupt && read.error().code() != ErrorCode::Gap) {
                return std::move(read).error();
            }
            if (read) {
                scan = std::move(*read);
            } else {
                report_.damage += "; " + read.error().message(); // a whole frame that says nonsense
            }
        }
        if (!scan.damage.empty() && report_.damage.find(scan.damage) == std::string::npos) {
            report_.damage += "; " + scan.damage;
        }
        if (auto finished = state_->finish(); !finished) {
            return finished;
        }
        const storage::Root& root = state_->root();
        report_.version = root.version;
        report_.hash = storage::hash_of(root);
        report_.snapshot = base_ == nullptr ? std::string{} : base_->name;
        if (scan.end.segment != 0) {
            report_.cut_file = std::string{ecsdb::detail::log_directory_name} + '/' + wal::segment_file_name(scan.end.segment);
            report_.cut_offset = scan.end.offset;
        }
        const std::uint64_t known = std::max(manifest_.durable_lsn, known_lsn_);
        if (known > root.version) {
            report_.lost_from = root.version + 1;
            report_.lost_to = known;
        }
        for (const Swept& segment : swept_) {
            const std::uint64_t kept = segment.number < scan.end.segment    ? segment.end
                                       : segment.number == scan.end.segment ? scan.end.offset
                                                                            : wal::segment_header_size;
            report_.lost_bytes += segment.number >= options.first_needed_segment && segment.end > kept ? segment.end - kept : 0;
        }
        manifest_.epoch = std::max(manifest_.epoch, scan.max_epoch);
        manifest_.last_time = std::max({manifest_.last_time, scan.last_time, state_->last_time()});
        return {};
    }

    struct Swept {
        std::uint64_t number = 0;
        std::uint64_t end = 0;       ///< Behind its last whole frame, or its last byte where the header is damaged.
        std::uint64_t first_lsn = 0; ///< 0 where the header is damaged.
        std::uint64_t schema_hash = 0;
    };

    /// Looks at everything in every segment, whole or not, for what it bears witness to.
    [[nodiscard]] Result<void> sweep_log() {
        const auto names = files_->list(log_);
        if (!names) {
            return names.error().code() == ErrorCode::NotFound ? Result<void>{} : Result<void>{names.error().clone()};
        }
        for (const std::string& name : *names) {
            const auto number = wal::parse_segment_file_name(name);
            if (!number) {
                continue;
            }
            next_segment_ = std::max(next_segment_, *number + 1);
            auto reader = wal::SegmentReader::open(*files_, log_ + '/' + name, *allocator_);
            if (!reader && !detail::is_unusable(reader.error())) {
                return std::move(reader).error();
            }
            if (!reader || reader->header().database != manifest_.database || reader->header().number != *number) {
                if (auto counted = count_useless(*number); !counted) {
                    return counted;
                }
                continue;
            }
            newest_readable_ = std::max(newest_readable_, *number);
            manifest_.epoch = std::max(manifest_.epoch, reader->header().epoch);
            known_lsn_ = std::max({known_lsn_, reader->header().previous.lsn, reader->header().durable_lsn});
            swept_.push_back({*number, wal::segment_header_size, reader->header().first_lsn, reader->header().schema_hash});
            for (std::uint64_t offset = wal::segment_header_size; offset < reader->size();) {
                const auto frame = reader->frame_at(offset, reader->size());
                if (!frame) {
                    return frame.error().clone();
                }
                if (*frame) {
                    note(**frame);
                    swept_.back().end = offset + (*frame)->size;
                }
                offset += *frame ? (*frame)->size : wal::frame_alignment;
            }
        }
        return {};
    }

    /// Without its header nothing in a segment can be told from what lay there before: everything up to the last byte that is not zero.
    [[nodiscard]] Result<void> count_useless(std::uint64_t number) {
        const auto file = files_->open(wal::segment_path(log_, number), FileMode::Read);
        if (!file) {
            return file.error().clone();
        }
        swept_.push_back({number, wal::segment_header_size, 0, 0});
        std::array<std::byte, 4096> block;
        for (std::uint64_t offset = wal::segment_header_size;; offset += block.size()) {
            const auto read = (*file)->pread(block, offset);
            if (!read || *read == 0) {
                return read ? Result<void>{} : Result<void>{read.error().clone()};
            }
            for (std::size_t i = 0; i < *read; ++i) {
                swept_.back().end = block[i] != std::byte{} ? offset + i + 1 : swept_.back().end;
            }
        }
    }

    void note(const wal::FrameView& frame) {
        known_lsn_ = std::max({known_lsn_, frame.header.prev_durable, wal::last_lsn_named(frame.header, frame.payload)});
        if (frame.header.type == wal::FrameType::Reserve && frame.payload.size() == sizeof(std::uint64_t)) {
            index_mark_ = std::max(index_mark_, load_le<std::uint64_t>(frame.payload.data()));
        }
    }

    /// Writes the state as a snapshot, and then the manifest that begins a new epoch on it.
    [[nodiscard]] Result<void> store() {
        ++manifest_.epoch;
        // Ids that lost transactions have given away must not name others: so much may have been reserved since the last mark seen.
        constexpr std::uint64_t margin = std::uint64_t{1} << 17U;
        constexpr std::uint64_t all = std::uint64_t{1} << Entity::index_bits;
        const std::uint64_t mark = std::max({manifest_.reserved_index_mark, index_mark_, state_->index_mark(), state_->index_end()});
        manifest_.reserved_index_mark = std::min(all, report_.lost_to == 0 ? mark : mark + margin);
        SnapshotFile file;
        if (base_ != nullptr && base_->lsn == report_.version && base_->base.size == 0) {
            file = {base_->name, base_->lsn, base_->size, base_->crc};
        } else {
            const std::string name = ecsdb::detail::snapshot_file_name(report_.version);
            const snapshot::SnapshotIdentity identity{manifest_.database, manifest_.epoch, manifest_.shard, manifest_.reserved_index_mark};
            snapshot::SnapshotOptions options{.allocator = *allocator_};
            options.read_back = true;
            auto written = snapshot::write_snapshot(*files_, directory_ + '/' + name, state_->root(), state_->store().entity_versions(),
                                                    identity, options);
            if (!written) {
                return std::move(written).error();
            }
            file = {name, written->lsn, written->bytes, written->crc};
        }
        manifest_.snapshot = std::move(file);
        manifest_.previous_snapshot = {};
        manifest_.snapshot_bases.clear();
        manifest_.previous_bases.clear();
        manifest_.boot = files_->boot_id();
        manifest_.clean = false;
        manifest_.durable_lsn = report_.version;
        manifest_.first_needed_segment = std::max(next_segment_, manifest_.newest_segment + 1);
        manifest_.newest_segment = 0;
        report_.epoch = manifest_.epoch;
        return store_manifest(*files_, directory_, manifest_, *allocator_);
    }

    Surroundings surroundings_;
    FileSystem* files_;
    Allocator* allocator_;
    std::string directory_;
    std::string log_;
    Manifest manifest_;
    SalvageReport report_;
    Owner<RebuiltState> state_;
    const WholeSnapshot* base_ = nullptr;
    std::vector<Swept> swept_;
    std::uint64_t known_lsn_ = 0;
    std::uint64_t index_mark_ = 0;
    std::uint64_t newest_readable_ = 0;
    std::uint64_t next_segment_ = 1;
};

} // namespace recovery

/// Makes the database in `directory`, which cannot be opened because it is damaged, one that can: at the newest version all of whose
/// transactions can still be had, from the newest whole snapshot along the log up to its first damage. What lies behind that is lost, and
/// reported. Begins a new epoch. A database that opens is left alone.
///
/// Old files are not removed, but snapshots taken later will do so: copy the directory first if the damage is to be looked into.
///
/// Errors: `Locked` (it is open for writing), `NotFound` (there is no database), `Corrupt` (nothing can be saved: there is neither a whole
/// manifest nor a whole snapshot), `Unsupported`, `NoSpace`, `OutOfMemory`, and `Io` where a read failed: that is no damage, and may not
/// fail next time. After an error the database is as it was. Cost: reading all files, and the memory of the database.
[[nodiscard]] inline Result<SalvageReport> salvage(const std::string& directory, const ToolOptions& options = {}) {
    auto report = recovery::Salvager{directory, options}.salvage();
    return report ? std::move(report) : Result<SalvageReport>{std::move(report).error().in("salvage " + directory)};
}

} // namespace ecsdb
