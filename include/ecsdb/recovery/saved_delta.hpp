/// @file
/// What has changed in an open database since a version or a time, as one delta: from its log, or against a version somebody still holds.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/delta/envelope.hpp"
#include "ecsdb/delta/merge.hpp"
#include "ecsdb/recovery/engine.hpp"
#include "ecsdb/transaction/difference.hpp"
#include "ecsdb/wal/log_reader.hpp"
#include "ecsdb/wal/needed_segments.hpp"
#include "ecsdb/wal/segment_holds.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// Which step a saved delta is. Where both are the same nothing has changed, and there is no delta: its bytes are empty.
struct SavedDelta {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
};

namespace recovery {

/// Says what the delta behind the envelope at `at` is of.
inline void seal_delta(Engine& engine, ByteBuffer& out, std::size_t at) noexcept {
    delta::seal_envelope(out, at, {engine.lineage().current(), engine.pipeline().ids().shard(), engine.store().schema().hash()});
}

/// Reads a running log from a version or a time on, and merges what it says. For one delta.
class DeltaFromLog final : public wal::LogVisitor {
public:
    explicit DeltaFromLog(Engine& engine) : engine_{&engine} {}

    /// The log from transaction `version` on, without that.
    [[nodiscard]] Result<SavedDelta> since_version(std::uint64_t version, ByteBuffer& out) {
        if (version > engine_->store().published_version()) {
            return Error{ErrorCode::NotFound, "version " + std::to_string(version) + " is yet to come; the newest is " +
                                                  std::to_string(engine_->store().published_version())};
        }
        from_ = version;
        return save(out);
    }
    /// The same from the last transaction committed at `time` (microseconds since 1970 UTC) or before.
    [[nodiscard]] Result<SavedDelta> since_time(std::uint64_t time, ByteBuffer& out) {
        time_ = time;
        return save(out);
    }

    Result<void> transaction(std::uint64_t lsn, std::uint64_t time, std::span<const std::byte> delta) override {
        if (lsn > to_) {
            return {};
        }
        if (time_ && time <= *time_) {
            from_ = lsn; // commit times never go back
        } else if (lsn > *from_) {
            deltas_.emplace_back(delta.begin(), delta.end());
        }
        return {};
    }

private:
    [[nodiscard]] Result<SavedDelta> save(ByteBuffer& out) {
        out.clear();
        Durable& durable = *engine_->durable();
        // Nothing of the log goes while it is looked at, however many snapshots are taken meanwhile.
        const wal::SegmentHolds::Hold hold{durable.segment_holds(), "saving a delta", 0};
        to_ = engine_->store().published_version();
        if (auto written = durable.flush(to_, Durability::Logged); !written) {
            return std::move(written).error();
        }
        const Manifest manifest = durable.manifest();
        auto first = first_segment(durable, manifest);
        if (!first) {
            return std::move(first).error();
        }
        wal::LogReadOptions options;
        options.database = manifest.database;
        options.after_lsn = *from_;
        options.first_needed_segment = *first;
        options.durable_lsn = to_; // written, and this process is still running: it must be there
        options.newest_segment = manifest.newest_segment;
        options.newest_epoch = manifest.epoch;
        wal::LogReader reader{durable.files(), durable.log_directory(), options, engine_->store().allocator()};
        if (auto scan = reader.read(*this); !scan) {
            return std::move(scan).error();
        }
        if (auto merged = merge(out); !merged) {
            return std::move(merged).error();
        }
        return SavedDelta{*from_, to_};
    }

    /// The last segment that begins no later than what is asked for. Of a time, `from_` becomes the version that segment begins at.
    [[nodiscard]] Result<std::uint64_t> first_segment(Durable& durable, const Manifest& manifest) {
        for (std::uint64_t number = manifest.newest_segment, newer = 0;; newer = number) {
            auto segment =
                wal::SegmentReader::open(durable.files(), wal::segment_path(durable.log_directory(), number), engine_->store().allocator());
            if (!segment && segment.error().code() == ErrorCode::NotFound && newer != 0) {
                return too_old(begins_after_);
            }
            if (!segment) {
                return std::move(segment).error();
            }
            const wal::SegmentHeader& header = segment->header();
            if (header.number != number || header.schema_hash != engine_->store().schema().hash()) {
                return too_old(begins_after_); // used again for a newer one, or of the time before a migration
            }
            begins_after_ = header.previous.lsn;
            const bool is_first = header.previous.segment == 0;
            // A transaction committed at a segment's beginning may be older than the segment by its clock, never younger.
            if (from_ ? begins_after_ <= *from_ : header.created <= *time_ || (is_first && begins_after_ == 0)) {
                from_ = from_.value_or(begins_after_);
                return number;
            }
            if (is_first) {
                return too_old(begins_after_);
            }
            number = header.previous.segment;
        }
    }
    [[nodiscard]] Error too_old(std::uint64_t begins_after) const {
        return Error{ErrorCode::NotFound, (from_ ? "version " + std::to_string(*from_) : "time " + std::to_string(*time_)) +
                                              ": the log does not reach back so far any more, only to version " +
                                              std::to_string(begins_after)};
    }

    [[nodiscard]] Result<void> merge(ByteBuffer& out) const {
        if (deltas_.empty()) {
            return {};
        }
        if (const auto first = delta::DeltaView::parse(deltas_.front()); first && first->header().from < *from_) {
            return Error{ErrorCode::NotFound, "version " + std::to_string(*from_) + ": a delta led past it in one step, from version " +
                                                  std::to_string(first->header().from)};
        }
        const std::size_t envelope = delta::begin_envelope(out);
        if (deltas_.size() == 1) {
            out.append(deltas_.front());
        } else {
            delta::DeltaMerger merger{engine_->store().schema()};
            for (const std::vector<std::byte>& delta : deltas_) {
                if (auto added = merger.add(delta); !added) {
                    return added;
                }
            }
            if (auto written = merger.write(out, engine_->store().allocator()); !written) {
                return written;
            }
        }
        seal_delta(*engine_, out, envelope);
        return out.failed() ? Result<void>{Error{ErrorCode::OutOfMemory, "no memory for the delta"}} : Result<void>{};
    }

    Engine* engine_;
    std::optional<std::uint64_t> from_;
    std::optional<std::uint64_t> time_;
    std::uint64_t to_ = 0;
    std::uint64_t begins_after_ = 0;
    std::vector<std::vector<std::byte>> deltas_;
};

/// Whether a delta can be had from the log: else why not.
[[nodiscard]] inline Result<void> has_log(Engine& engine) {
    if (engine.pipeline().fork_guard().in_child()) {
        return transaction::Pipeline::forked();
    }
    if (engine.pipeline().writer().is_this_thread()) {
        return Error{ErrorCode::WouldDeadlock, "it waits for the log and so cannot be called on the writer's thread"};
    }
    return engine.durable() != nullptr
               ? Result<void>{}
               : Result<void>{Error{ErrorCode::InvalidArgument,
                                    "this database keeps no log; what has changed since a version can be told from a view of it"}};
}

/// See `AnyDatabase::save_delta`.
[[nodiscard]] inline Result<SavedDelta> save_delta(Engine& engine, std::uint64_t since_version, ByteBuffer& out) {
    auto saved = has_log(engine);
    auto delta = saved ? DeltaFromLog{engine}.since_version(since_version, out) : Result<SavedDelta>{std::move(saved).error()};
    return delta ? std::move(delta) : Result<SavedDelta>{std::move(delta).error().in("save delta")};
}
/// See `AnyDatabase::save_delta_since_time`.
[[nodiscard]] inline Result<SavedDelta> save_delta_since_time(Engine& engine, std::uint64_t time, ByteBuffer& out) {
    auto saved = has_log(engine);
    auto delta = saved ? DeltaFromLog{engine}.since_time(time, out) : Result<SavedDelta>{std::move(saved).error()};
    return delta ? std::move(delta) : Result<SavedDelta>{std::move(delta).error().in("save delta")};
}
/// See `AnyDatabase::save_delta`. The version `since` is pinned by the caller.
[[nodiscard]] inline Result<SavedDelta> save_delta(Engine& engine, const storage::Root& since, ByteBuffer& out) {
    if (since.schema != &engine.store().schema()) {
        return Error{ErrorCode::InvalidArgument, "save delta: the view is of another database"};
    }
    storage::PinnedRoot pinned{engine.store()};
    if (pinned.get() == nullptr) {
        return Error{ErrorCode::OutOfMemory, "save delta: no memory to pin the version"};
    }
    out.clear();
    const storage::Root& now = *pinned.get();
    if (now.version == since.version) {
        return SavedDelta{since.version, now.version};
    }
    const std::size_t envelope = delta::begin_envelope(out);
    transaction::Difference difference{since, nullptr, now, engine.store().entity_versions(), engine.store().allocator()};
    auto written = difference.write(since.version, now.version, now.time_ns, transaction::TransientRows::AreLeftOut, out);
    seal_delta(engine, out, envelope);
    return written ? Result<SavedDelta>{SavedDelta{since.version, now.version}}
                   : Result<SavedDelta>{std::move(written).error().in("save delta")};
}

} // namespace recovery

} // namespace ecsdb
