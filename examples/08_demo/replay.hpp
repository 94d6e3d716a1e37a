/// @file
/// Goes through the log version by version, as recovery does in one go, and compares states with hashes that were taken by their writer.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/recovery/manifest.hpp"
#include "ecsdb/snapshot/reader.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/transaction/apply_delta.hpp"
#include "ecsdb/wal/log_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace demo {

/// The hash of the state at some versions.
using Hashes = std::map<std::uint64_t, std::uint64_t>;

/// What a replay came by.
struct ReplayResult {
    std::uint64_t version = 0; ///< At its end,
    std::uint64_t hash = 0;    ///< and the state's hash there.
    std::uint64_t compared = 0;
};

/// Applies the log to a state that starts at a snapshot; fails at the first version whose hash is not the one expected.
class Replay final : public ecsdb::wal::LogVisitor {
public:
    Replay(ecsdb::storage::WriteBuffer& state, const Hashes& expected) noexcept : state_{&state}, applier_{state}, expected_{&expected} {}

    ecsdb::Result<void> transaction(std::uint64_t lsn, std::uint64_t time, std::span<const std::byte> delta) override {
        if (auto applied = applier_.apply(delta, time * 1000); !applied) {
            return std::move(applied).error().in("transaction " + std::to_string(lsn));
        }
        return compare();
    }

    ecsdb::Result<void> compare() {
        const auto expected = expected_->find(state_->root().version);
        if (expected == expected_->end()) {
            return {};
        }
        ++compared_;
        if (ecsdb::storage::hash_of(state_->root()) != expected->second) {
            return ecsdb::Error{ecsdb::ErrorCode::Corrupt, "version " + std::to_string(expected->first) + " is not what was committed"};
        }
        return {};
    }
    [[nodiscard]] std::uint64_t compared() const noexcept { return compared_; }

private:
    ecsdb::storage::WriteBuffer* state_;
    ecsdb::transaction::DeltaApplier applier_;
    const Hashes* expected_;
    std::uint64_t compared_ = 0;
};

namespace detail {

/// The log is kept as far back as the older snapshot needs it: from here without a gap.
[[nodiscard]] inline std::uint64_t oldest_segment(ecsdb::FileSystem& files, const std::string& directory, std::uint64_t needed) {
    while (needed > 1) {
        const auto exists = files.exists(ecsdb::wal::segment_path(directory, needed - 1));
        if (!exists || !*exists) {
            break;
        }
        --needed;
    }
    return needed;
}

[[nodiscard]] inline ecsdb::Result<ReplayResult> replay_into(ecsdb::storage::WriteBuffer& state, ecsdb::FileSystem& files,
                                                             const std::string& directory, const ecsdb::recovery::Manifest& manifest,
                                                             const Hashes& expected, ecsdb::Allocator& allocator) {
    // From the older of the two snapshots that are kept: more of the log is to be gone through.
    const std::string& snapshot = manifest.previous_snapshot.name.empty() ? manifest.snapshot.name : manifest.previous_snapshot.name;
    if (!state.create_first_root(manifest.shard)) {
        return ecsdb::Error{ecsdb::ErrorCode::OutOfMemory, "no memory for a second copy of the state"};
    }
    if (!snapshot.empty()) {
        auto file = ecsdb::snapshot::open_snapshot(files, directory + '/' + snapshot, allocator);
        if (!file) {
            return std::move(file).error();
        }
        if (auto loaded = file->load_into(state); !loaded) {
            return std::move(loaded).error();
        }
    }
    const std::string log_directory = directory + "/log";
    ecsdb::wal::LogReadOptions options;
    options.database = manifest.database;
    options.after_lsn = state.root().version;
    options.first_needed_segment = oldest_segment(files, log_directory, manifest.first_needed_segment);
    options.durable_lsn = manifest.durable_lsn;
    options.newest_segment = manifest.newest_segment;
    options.newest_epoch = manifest.epoch;
    if (!state.begin_batch()) {
        return ecsdb::Error{ecsdb::ErrorCode::OutOfMemory, "no memory for a second copy of the state"};
    }
    Replay replay{state, expected};
    if (auto same = replay.compare(); !same) {
        return std::move(same).error();
    }
    ecsdb::wal::LogReader log{files, log_directory, options, allocator};
    if (auto read = log.read(replay); !read) {
        return std::move(read).error();
    }
    state.finish_batch();
    return ReplayResult{state.root().version, ecsdb::storage::hash_of(state.root()), replay.compared()};
}

} // namespace detail

/// Builds the state of the database in `directory` anew, beside the engine's own recovery, and compares every version in `expected` that
/// the files still lead through. Changes no file.
[[nodiscard]] inline ecsdb::Result<ReplayResult> replay_and_compare(const std::string& directory,
                                                                    std::shared_ptr<const ecsdb::Schema> schema, const Hashes& expected) {
    ecsdb::PosixFileSystem files;
    ecsdb::SystemAllocator allocator;
    auto manifest = ecsdb::recovery::load_manifest(files, directory);
    if (!manifest) {
        return std::move(manifest).error();
    }
    ecsdb::storage::Store* const store = ecsdb::storage::Store::create(allocator, {}, std::move(schema));
    if (store == nullptr) {
        return ecsdb::Error{ecsdb::ErrorCode::OutOfMemory, "no memory for a second copy of the state"};
    }
    auto result = [&] {
        ecsdb::storage::WriteBuffer state{*store};
        return detail::replay_into(state, files, directory, manifest->manifest, expected, allocator);
    }();
    store->drop_owner();
    return result;
}

} // namespace demo
