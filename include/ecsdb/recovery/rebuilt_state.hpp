/// @file
/// Builds the state of a database from a snapshot and the log behind it, without opening the database: to check, to salvage, to restore.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/progress.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/recovery/replay.hpp"
#include "ecsdb/snapshot/reader.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/storage/store.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace ecsdb {

/// What the tools that work on a database's files may use; null means the system's own.
struct ToolOptions {
    Allocator* allocator = nullptr;
    FileSystem* file_system = nullptr;
    Progress progress{}; ///< In bytes read.
};

namespace recovery {

/// The tools' surroundings, with the system's own where none were given. Must outlive what was made with it.
class Surroundings {
public:
    explicit Surroundings(const ToolOptions& options) noexcept : options_{options} {}
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;

    [[nodiscard]] Allocator& allocator() noexcept { return options_.allocator != nullptr ? *options_.allocator : allocator_; }
    [[nodiscard]] FileSystem& files() noexcept { return options_.file_system != nullptr ? *options_.file_system : files_; }
    [[nodiscard]] const Progress& progress() const noexcept { return options_.progress; }

private:
    ToolOptions options_;
    SystemAllocator allocator_;
    PosixFileSystem files_;
};

/// A store of its own, filled from a snapshot and from transactions. For one thread; the allocator must outlive it.
class RebuiltState final : public wal::LogVisitor {
public:
    /// An empty state at version 0. `OutOfMemory`.
    [[nodiscard]] static Result<Owner<RebuiltState>> create(std::shared_ptr<const Schema> schema, std::uint32_t shard,
                                                            Allocator& allocator) {
        storage::Store* const store = storage::Store::create(allocator, {}, std::move(schema));
        if (store == nullptr) {
            return no_memory();
        }
        Owner<RebuiltState> state{new RebuiltState{*store}};
        if (!state->buffer_.create_first_root(shard)) {
            return no_memory();
        }
        return state;
    }
    RebuiltState(const RebuiltState&) = delete;
    RebuiltState& operator=(const RebuiltState&) = delete;
    ~RebuiltState() = default;

    /// Takes what a snapshot (with those it builds on) holds. Once, and first. See `SnapshotFile::load_into`.
    [[nodiscard]] Result<void> load(snapshot::SnapshotFile& file) {
        auto loaded = file.load_into(buffer_);
        if (!loaded) {
            return std::move(loaded).error();
        }
        later_counts_ = std::move(loaded->later);
        index_mark_ = file.identity().next_fresh;
        return {};
    }

    /// Transactions with a higher number or committed later (microseconds since 1970 UTC) are ignored from now on.
    void stop_after(std::uint64_t lsn, std::uint64_t time = ~std::uint64_t{0}) noexcept {
        last_lsn_ = lsn;
        latest_ = time;
    }

    /// Takes the next transaction of the log.
    Result<void> transaction(std::uint64_t lsn, std::uint64_t time, std::span<const std::byte> delta) override {
        if (lsn > last_lsn_ || time > latest_) {
            last_lsn_ = std::min(last_lsn_, lsn - 1); // also where a later one should name an earlier time
            return {};
        }
        if (auto applied = replay_.transaction(lsn, time, delta); !applied) {
            return applied;
        }
        last_time_ = std::max(last_time_, time);
        return {};
    }

    /// Ends the batch of transactions: the state is whole and may be pinned. `OutOfMemory`.
    [[nodiscard]] Result<void> finish() {
        Result<void> finished = replay_.finish();
        owner_->publish(&buffer_.root());
        return finished;
    }

    [[nodiscard]] std::uint64_t version() const noexcept { return buffer_.root().version; }
    [[nodiscard]] const storage::Root& root() const noexcept { return buffer_.root(); }
    [[nodiscard]] storage::Store& store() noexcept { return *owner_; }
    /// Entity indices below it may have been handed out, as far as the snapshot knew.
    [[nodiscard]] std::uint64_t index_mark() const noexcept { return index_mark_; }
    /// Of the last transaction taken, microseconds since 1970 UTC; of the snapshot's where none was.
    [[nodiscard]] std::uint64_t last_time() const noexcept { return std::max(last_time_, buffer_.root().time_ns / 1000); }
    /// Transactions of the log that it has taken.
    [[nodiscard]] std::uint64_t taken() const noexcept { return replay_.taken(); }
    /// One more than the highest index in use or freed. Cost: O(entities).
    [[nodiscard]] std::uint64_t index_end() const {
        std::uint64_t end = 0;
        buffer_.root().entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
            if (record.archetype != storage::no_archetype || record.generation != 0) {
                end = std::max(end, std::uint64_t{index} + 1);
            }
        });
        return end;
    }

private:
    struct DropOwner {
        void operator()(storage::Store* store) const noexcept { store->drop_owner(); }
    };

    explicit RebuiltState(storage::Store& store) noexcept : owner_{&store}, buffer_{store}, replay_{buffer_, later_counts_} {}

    [[nodiscard]] static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory to rebuild the database's state"}; }

    std::unique_ptr<storage::Store, DropOwner> owner_; // goes last
    storage::WriteBuffer buffer_;
    snapshot::LaterCounts later_counts_;
    Replay replay_; // uses the two above
    std::uint64_t index_mark_ = 0;
    std::uint64_t last_lsn_ = ~std::uint64_t{0};
    std::uint64_t latest_ = ~std::uint64_t{0};
    std::uint64_t last_time_ = 0;
};

} // namespace recovery

} // namespace ecsdb
