/// @file
/// The manifest of a database that is open for writing: changed by several threads, stored as a whole.
#pragma once

#include "ecsdb/recovery/manifest.hpp"

#include <mutex>
#include <string>
#include <utility>

namespace ecsdb::recovery {

/// Holds what the manifest says and stores it when that changes. Any thread: the log's at a switch of segments, whoever takes a snapshot,
/// whoever closes the database. File system and allocator must outlive it.
class ManifestKeeper {
public:
    ManifestKeeper(FileSystem& files, Allocator& allocator, std::string directory, Manifest manifest) noexcept
        : files_{&files}, allocator_{&allocator}, directory_{std::move(directory)}, manifest_{std::move(manifest)} {}

    /// Has `change(Manifest&)` change a copy and stores it (`store_manifest`). On failure everything stays as it was, but which of the two
    /// is then on the disk is open: what either needs must stay.
    template <typename Change>
    [[nodiscard]] Result<void> change(Change&& change) {
        const std::lock_guard lock{mutex_};
        Manifest next = manifest_;
        change(next);
        if (auto stored = store_manifest(*files_, directory_, next, *allocator_); !stored) {
            return stored;
        }
        manifest_ = std::move(next);
        return {};
    }

    /// As it was stored last.
    [[nodiscard]] Manifest manifest() const {
        const std::lock_guard lock{mutex_};
        return manifest_;
    }

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

private:
    FileSystem* files_;
    Allocator* allocator_;
    std::string directory_;
    mutable std::mutex mutex_;
    Manifest manifest_;
};

} // namespace ecsdb::recovery
