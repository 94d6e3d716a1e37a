/// @file
/// The engine behind a database handle: store, commit path and, where asked for, the files; opened, recovered and closed as one.
#pragma once

#include "ecsdb/constraint/constraints.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/process.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/recovery/durable.hpp"
#include "ecsdb/recovery/lineage.hpp"
#include "ecsdb/recovery/report.hpp"
#include "ecsdb/recovery/table_figures.hpp"
#include "ecsdb/storage/figures.hpp"
#include "ecsdb/transaction/compact.hpp"
#include "ecsdb/transaction/holders.hpp"
#include "ecsdb/transaction/pipeline.hpp"
#include "ecsdb/wal/shared_log.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// Sizes and totals of a database.
struct Statistics {
    std::uint64_t version = 0;
    std::uint64_t entities = 0;
    std::uint64_t archetypes = 0; ///< Sets of components seen so far.
    std::uint64_t committed = 0;  ///< Transactions since opening.
    std::uint64_t failed = 0;     ///< Transactions rolled back since opening.
    std::uint64_t batches = 0;
    std::uint64_t no_ops = 0;         ///< Removals and destructions of what was not there, in committed transactions since opening.
    std::size_t used_bytes = 0;       ///< In pages and tree nodes some version holds, with the entity version counters.
    std::size_t retired_bytes = 0;    ///< Of those, held for older versions only. A glance at the writer's own figure: approximate.
    std::size_t retained_bytes = 0;   ///< Of those, known to be needed by a view (`holders` tells which).
    std::size_t allocated_bytes = 0;  ///< Taken from the allocator.
    std::uint64_t returned_bytes = 0; ///< Given back to it since opening: when idle, or to make room.

    // Of a database with files; else 0. Why something failed is in `log_state` and `snapshot_state`.
    bool accepts_writes = true;        ///< Neither read-only, nor closed, nor stopped by a failure of the log.
    LogTotals log;                     ///< Since opening.
    std::uint64_t written_version = 0; ///< Given to the operating system,
    std::uint64_t durable_version = 0; ///< and on the disk.
    std::size_t log_kept_bytes = 0;    ///< Memory taken for what is not durable yet.
    std::uint64_t snapshots = 0;       ///< Taken since opening.
    std::uint64_t snapshot_failures = 0;
    std::uint64_t snapshot_version = 0; ///< Of the newest one, also from before.
    std::uint64_t snapshot_bytes = 0;   ///< Of its file.
    std::uint64_t archived_version = 0; ///< Everything up to it is in the archive; 0 where there is none.

    /// The part of what is held from the allocator that nothing uses: 0 to 1. What the used part wastes, tables tell (`TableFigures`).
    [[nodiscard]] double fragmentation() const noexcept { return TableFigures::unused_share(used_bytes, allocated_bytes); }
};

/// A database without component types, opened by `open_engine` (recovery/open.hpp). `Database` is its typed face.
class Engine {
public:
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    /// Closes in order. In a forked child nothing is joined or written; what the parent owns stays as it is.
    ~Engine() {
        if (pipeline_ != nullptr && pipeline_->fork_guard().in_child()) {
            static_cast<void>(pipeline_.release());    // NOLINT: its thread exists in the parent only
            static_cast<void>(constraints_.release()); // NOLINT: the parent's writer may have been in the middle of it
            if (durable_ != nullptr) {
                durable_->abandon();
                static_cast<void>(durable_.release()); // NOLINT: its files are the parent's to write
            }
            return;
        }
        static_cast<void>(close());
        pipeline_.reset();
        durable_.reset();
        if (store_ != nullptr) {
            store_->drop_owner();
        }
    }

    [[nodiscard]] storage::Store& store() const noexcept { return *store_; }
    [[nodiscard]] transaction::Pipeline& pipeline() const noexcept { return *pipeline_; }
    [[nodiscard]] const RecoveryReport& recovery_report() const noexcept { return report_; }
    /// What keeps the schema's promises; null when it makes none.
    [[nodiscard]] const constraint::Constraints* constraints() const noexcept { return constraints_.get(); }
    /// The files behind this database; null for one in memory or opened read-only.
    [[nodiscard]] Durable* durable() const noexcept { return durable_.get(); }
    /// Whose versions these are. Any thread.
    [[nodiscard]] recovery::Lineage& lineage() noexcept { return lineage_; }

    [[nodiscard]] Result<void> wait_for_version(std::uint64_t version, std::uint64_t timeout_ns) noexcept {
        if (pipeline_->fork_guard().in_child()) {
            return transaction::Pipeline::forked();
        }
        if (store_->published_version() < version && pipeline_->writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "waiting for a version on the writer's own thread would wait for ever"};
        }
        WakeUp poll; // versions come by the thousand: waiting in small steps costs less than waking every waiter
        const bool reached = poll.wait(*clock_, timeout_ns, [&] {
            // Where the writer has no thread of its own, whoever waits does its work.
            while (store_->published_version() < version && pipeline_->step_for_outcome()) {
            }
            return store_->published_version() >= version;
        });
        if (!reached) {
            return Error{ErrorCode::Timeout, "version " + std::to_string(version) + " was not reached in time; the newest is " +
                                                 std::to_string(store_->published_version())};
        }
        return {};
    }

    [[nodiscard]] Result<void> flush(Durability level) noexcept {
        if (pipeline_->fork_guard().in_child()) {
            return transaction::Pipeline::forked();
        }
        if (level != Durability::Memory && pipeline_->writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "flush: it waits for the log and so cannot be called on the writer's thread"};
        }
        if (level == Durability::Memory || durable_ == nullptr) {
            return level == Durability::Memory ? Result<void>{}
                                               : Result<void>{Error{ErrorCode::InvalidArgument, "flush: this database keeps no log"}};
        }
        return durable_->flush(store_->published_version(), level);
    }

    [[nodiscard]] Result<void> snapshot() noexcept {
        if (pipeline_->fork_guard().in_child()) {
            return transaction::Pipeline::forked();
        }
        if (durable_ == nullptr) {
            return Error{ErrorCode::InvalidArgument, "snapshot: this database has no directory, or is open read-only"};
        }
        return durable_->snapshot(*pipeline_);
    }

    /// See `AnyDatabase::snapshot_if_due`.
    [[nodiscard]] Result<bool> snapshot_if_due() noexcept {
        if (pipeline_->fork_guard().in_child()) {
            return transaction::Pipeline::forked();
        }
        return durable_ == nullptr ? Result<bool>{false} : durable_->snapshot_if_due(*pipeline_);
    }
    [[nodiscard]] SnapshotState snapshot_state() const {
        return durable_ == nullptr || pipeline_->fork_guard().in_child() ? SnapshotState{} : durable_->snapshot_state();
    }

    [[nodiscard]] Result<void> resume() noexcept {
        if (pipeline_->fork_guard().in_child()) {
            return transaction::Pipeline::forked();
        }
        if (durable_ == nullptr) {
            return Error{ErrorCode::InvalidArgument, "resume: this database has no directory, or is open read-only"};
        }
        return durable_->resume(*pipeline_);
    }

    [[nodiscard]] LogState log_state() const noexcept {
        if (pipeline_->fork_guard().in_child()) {
            LogState state;
            state.writes = transaction::Pipeline::forked();
            return state;
        }
        if (durable_ != nullptr) {
            return durable_->log_state();
        }
        LogState state;
        if (pipeline_->options().read_only) {
            state.writes = Error{ErrorCode::ReadOnly, "the database was opened read-only"};
        }
        return state;
    }

    /// See `AnyDatabase::on_log_state`.
    void listen_to_log(std::shared_ptr<LogStateListener> listener) noexcept {
        if (durable_ != nullptr && !pipeline_->fork_guard().in_child()) {
            durable_->listen(std::move(listener), *pipeline_);
        }
    }

    [[nodiscard]] Result<void> close() noexcept {
        if (pipeline_ == nullptr || closed_) {
            return {};
        }
        if (pipeline_->fork_guard().in_child()) {
            return transaction::Pipeline::forked();
        }
        if (pipeline_->writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock,
                         "a database cannot be closed on its writer's own thread, from inside a function transaction"};
        }
        if (pipeline_->is_notifying()) {
            return Error{ErrorCode::WouldDeadlock, "a database cannot be closed from inside one of its own callbacks"};
        }
        closed_ = true;
        if (durable_ != nullptr) {
            durable_->stop_snapshots(); // one being taken needs the writer
        }
        pipeline_->stop();
        Result<void> closed = durable_ == nullptr ? Result<void>{} : durable_->close(pipeline_->ids().next_fresh());
        closed ? messages_(Severity::Info, [&] { return "closed at version " + std::to_string(store_->published_version()); })
               : messages_(Severity::Error, closed.error());
        return closed;
    }

    [[nodiscard]] Result<std::vector<Holder>> holders() noexcept {
        Result<std::vector<Holder>> holders = transaction::list_holders(*pipeline_);
        if (!holders || durable_ == nullptr) {
            return holders;
        }
        Result<std::vector<Holder>> of_log = durable_->log_holders();
        if (!of_log) {
            return std::move(of_log).error().in("holders");
        }
        std::move(of_log->begin(), of_log->end(), std::back_inserter(*holders));
        std::stable_sort(holders->begin(), holders->end(), [](const Holder& a, const Holder& b) { return a.version < b.version; });
        return holders;
    }

    [[nodiscard]] Result<TableFigures> table_figures(TableId table) noexcept { return ecsdb::table_figures(*pipeline_, table); }

    [[nodiscard]] Result<Compaction> compact() noexcept {
        Result<Compaction> done = transaction::compact(*pipeline_);
        if (done) {
            messages_(Severity::Info, [&] {
                return "compacted: " + std::to_string(done->allocated_before) + " bytes of memory before, " +
                       std::to_string(done->allocated_after) + " after";
            });
        }
        return done;
    }

    [[nodiscard]] Statistics statistics() const noexcept {
        const storage::PinnedRoot pinned{*store_};
        const transaction::WriterCounters& counters = pipeline_->writer().counters();
        Statistics statistics;
        if (pinned.get() != nullptr) {
            statistics.version = pinned.get()->version;
            statistics.entities = pinned.get()->entity_count;
            statistics.archetypes = pinned.get()->archetype_end - 1;
        }
        statistics.committed = counters.committed.load(std::memory_order_relaxed);
        statistics.failed = counters.failed.load(std::memory_order_relaxed);
        statistics.batches = counters.batches.load(std::memory_order_relaxed);
        statistics.no_ops = counters.no_ops.load(std::memory_order_relaxed);
        statistics.used_bytes = store_->pool().used_bytes();
        statistics.retired_bytes = store_->reclaimer().retired_bytes();
        statistics.retained_bytes = store_->reclaimer().retained_bytes();
        statistics.returned_bytes = store_->pool().returned_bytes();
        statistics.allocated_bytes = store_->pool().allocated_bytes();
        const LogState log = log_state();
        statistics.accepts_writes = log.writes && !closed_;
        statistics.written_version = log.written_version;
        statistics.durable_version = log.durable_version;
        statistics.log_kept_bytes = log.kept_bytes;
        if (durable_ != nullptr && !pipeline_->fork_guard().in_child()) {
            const SnapshotState snapshots = durable_->snapshot_state();
            statistics.log = durable_->participant().totals();
            statistics.snapshots = snapshots.taken;
            statistics.snapshot_failures = snapshots.failed;
            statistics.snapshot_version = snapshots.version;
            statistics.snapshot_bytes = snapshots.bytes;
            statistics.archived_version = durable_->archiver() == nullptr ? 0 : durable_->archiver()->archived_lsn();
        }
        return statistics;
    }

private:
    friend class EngineOpener;

    explicit Engine(const Options& options) noexcept
        : allocator_{options.allocator != nullptr ? options.allocator : &system_allocator_},
          clock_{options.clock != nullptr ? options.clock : &system_clock_}, messages_{options.messages} {}

    SystemClock system_clock_;
    Allocator* allocator_;
    Clock* clock_;
    Messages messages_;
    storage::Store* store_ = nullptr;
    Owner<Durable> durable_;
    Owner<transaction::Pipeline> pipeline_;
    Owner<constraint::Constraints> constraints_;
    RecoveryReport report_;
    recovery::Lineage lineage_;
    bool closed_ = false;

    /// Stateless, and shared by all engines: views may outlive the engine that gave them.
    inline static SystemAllocator system_allocator_{};
};

} // namespace ecsdb
