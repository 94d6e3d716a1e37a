/// @file
/// The log as several threads share it: until its first failure, and again once what was visible by then has been written elsewhere.
#pragma once

#include "ecsdb/core/counters.hpp"
#include "ecsdb/wal/kept_frames.hpp"
#include "ecsdb/wal/log_writer.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace ecsdb {

/// In what state a database's log is (reliability rule 15).
enum class LogCondition : std::uint8_t {
    Ok,         ///< Writes are accepted.
    NoSpace,    ///< The disk or a quota is full: `resume` once there is room.
    SyncFailed, ///< A write or a sync failed: `resume` once the cause is gone.
    NoMemory,   ///< There was none to write with: `resume` once there is.
    Corruption, ///< What is on the disk contradicts itself: only opening the database again helps.
    ReadOnly,   ///< Opened so, or in a forked child.
    Closed,
};

/// Whether a database accepts writes, and how far its files are behind what is visible.
struct LogState {
    /// Success while writes are accepted. Otherwise why not: `NoSpace`, `Io` or `OutOfMemory` after a failure of the log, which `resume`
    /// ends once its cause is gone; `ReadOnly` where the database was opened so; `Closed`.
    Result<void> writes;
    std::uint64_t written_version = 0; ///< Given to the operating system: outlives the process,
    std::uint64_t durable_version = 0; ///< and on the disk: outlives a power cut. Both 0 where there is no log.
    std::size_t kept_bytes = 0;        ///< Memory taken for what is not durable yet, which `resume` would write.
    /// Success, or why the last snapshot could not be taken; automatic ones are tried again. Writes do not suffer.
    Result<void> snapshots;
    std::uint64_t snapshot_version = 0; ///< Of the newest snapshot; 0 where there is none.

    /// `writes` as a word.
    [[nodiscard]] LogCondition condition() const noexcept {
        if (writes) {
            return LogCondition::Ok;
        }
        switch (writes.error().code()) {
        case ErrorCode::NoSpace:
            return LogCondition::NoSpace;
        case ErrorCode::OutOfMemory:
            return LogCondition::NoMemory;
        case ErrorCode::Corrupt:
            return LogCondition::Corruption;
        case ErrorCode::ReadOnly:
        case ErrorCode::Forked:
            return LogCondition::ReadOnly;
        case ErrorCode::Closed:
            return LogCondition::Closed;
        default:
            return LogCondition::SyncFailed;
        }
    }
};

/// What a log has done since it was opened.
struct LogTotals {
    std::uint64_t written_bytes = 0; ///< In frames, without what `resume` wrote again.
    std::uint64_t writes = 0;        ///< Runs of frames given to the operating system.
    std::uint64_t syncs = 0;         ///< That succeeded, those on the way to a new segment not counted.
    std::uint64_t segments = 0;      ///< Begun.
    std::uint64_t failures = 0;      ///< Times it stopped accepting writes, …
    std::uint64_t resumed = 0;       ///< … and times it accepted them again.
};

} // namespace ecsdb

namespace ecsdb::wal {

/// Told by the log when the manifest should be stored anew. Called on the thread that writes the log.
class LogObserver {
public:
    /// A new segment was begun. An error counts as a failure of the log.
    virtual Result<void> segment_begun(const LogWriter& log) = 0;
    /// Whether the log may take more: asked after `LogParticipant::look_for_room`, before each batch until it may. On the writer.
    virtual Result<void> may_grow() = 0;
    /// The log has failed, or accepts frames again. On the thread that found out; the log can be used.
    virtual void state_changed() noexcept = 0;

protected:
    ~LogObserver() = default;
};

/// Whether readers know of what is to be written.
enum class Visibility : std::uint8_t {
    Pending, ///< Not before it is written: if that fails, it never was.
    Visible, ///< They do: it is kept for `resume`, whatever happens.
};

/// Where a segment begins in the log.
struct SegmentStart {
    std::uint64_t number;    ///< The segment's.
    std::uint64_t after_lsn; ///< The last transaction before it: it may be one that is written and not published yet.
};

/// Guards a `LogWriter`: one thread at a time, nothing after a failure, and no frame forgotten before it is durable that somebody may have
/// seen.
///
/// At most `most_kept` bytes of frames are kept while all is well: beyond it, the log is synced. Calls may come from any thread.
class SharedLog {
public:
    static constexpr std::size_t most_kept = std::size_t{64} << 20U;

    SharedLog(LogWriter writer, Allocator& allocator, LogObserver& observer)
        : writer_{std::move(writer)}, observer_{&observer}, kept_{allocator}, durable_{writer_.durable_position()} {
        note_progress();
    }

    [[nodiscard]] std::uint64_t written_version() const noexcept { return written_version_.load(std::memory_order_seq_cst); }
    [[nodiscard]] std::uint64_t durable_version() const noexcept { return durable_version_.load(std::memory_order_seq_cst); }
    /// Bytes of frames written since it was opened.
    [[nodiscard]] std::uint64_t written_bytes() const noexcept { return written_bytes_.load(std::memory_order_relaxed); }
    /// Each figure by itself is exact at some moment. Never waits.
    [[nodiscard]] LogTotals totals() const noexcept {
        return {written_bytes(), writes_.get(), syncs_.get(), segments_.get(), failures_.get(), resumed_.get()};
    }
    /// Whether nothing is accepted before `resume`. Acquire pairs with the release of whoever failed or resumed.
    [[nodiscard]] bool failed() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::Failed; }
    /// Whether frames are accepted: it has neither failed nor been closed.
    [[nodiscard]] bool accepts() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::Open; }

    /// Writes whole frames (see `LogWriter::append`), and syncs them where asked. Refused with `refusal()` after an earlier failure; if it
    /// fails itself, with `OutcomeUnknown`, and of pending frames nothing is remembered.
    Result<void> write(std::span<std::byte> frames, Visibility visibility, bool sync) noexcept {
        ECSDB_TRACE_SCOPE("ecsdb log write");
        const Turn turn{*this};
        Result<void> written = append(frames);
        bool kept = false;
        if (written && !sync) {
            kept = kept_.bytes() + frames.size() <= most_kept && kept_.append(frames);
        }
        if (written && !kept) {
            written = sync_now();
        }
        if (!written && !kept && visibility == Visibility::Visible && !kept_.append(frames)) {
            complete_ = false;
        }
        note_progress();
        return written;
    }

    /// Makes everything written durable.
    Result<void> sync() noexcept {
        const Turn turn{*this};
        const Result<void> synced = sync_now();
        note_progress();
        return synced ? Result<void>{} : Result<void>{refusal()};
    }

    /// Begins a new segment; everything written is durable then. Where there is no room for one, the log goes on in the old one; every
    /// other error is a failure of the log.
    [[nodiscard]] Result<SegmentStart> rotate() noexcept {
        const Turn turn{*this};
        return rotate_now();
    }
    /// The same, if the segment is older at `time`, in microseconds, than is wanted.
    void rotate_if_over_age(std::uint64_t time) noexcept {
        const Turn turn{*this};
        if (accepts() && writer_.is_over_age(time)) {
            static_cast<void>(rotate_now()); // what can go wrong is in the state
        }
    }
    /// Whether the thread that has time should call `SpareSegments::prepare`.
    [[nodiscard]] bool wants_spare() const noexcept { return wants_spare_.load(std::memory_order_relaxed); }
    /// It has, or could not: not to be asked again for this segment.
    void spare_prepared() noexcept { wants_spare_.store(false, std::memory_order_relaxed); }

    /// Writes what was kept into a new segment behind the last durable position, syncs it, and accepts frames again: everything written
    /// and everything visible is durable then, and what was refused or discarded is not in the log. Whoever calls sees to it that no frame
    /// comes between. On failure everything is as it was, but for the reason, and it may be called again. Nothing to do without a failure.
    Result<void> resume() noexcept {
        const Turn turn{*this};
        if (!failed()) {
            return {};
        }
        if (!complete_) {
            return Error{ErrorCode::OutOfMemory,
                         "what is visible but not on disk could not be kept for lack of memory: reopen the database, "
                         "which goes back to what the log holds"};
        }
        Result<void> resumed = writer_.resume(kept_.pieces());
        forget_durable();
        if (resumed) {
            segments_.add(1);
            resumed = observer_->segment_begun(writer_);
        }
        if (resumed) {
            resumed_.add(1);
            phase_.store(Phase::Open, std::memory_order_seq_cst);
        } else {
            const std::lock_guard failure_lock{failure_mutex_};
            failure_.emplace(resumed.error().clone());
        }
        note_progress();
        state_changed_ = resumed.has_value();
        return resumed;
    }

    /// Ends the log in good order: everything written is durable then, and nothing more is accepted.
    Result<void> close(std::uint64_t time) noexcept {
        const Turn turn{*this};
        if (!accepts()) {
            return refusal();
        }
        Result<void> closed = writer_.close(time);
        forget_durable();
        note_progress();
        if (!closed) {
            static_cast<void>(fail(closed.error()));
            return closed;
        }
        phase_.store(Phase::Closed, std::memory_order_seq_cst);
        return {};
    }

    /// Why nothing is accepted, as whoever asked for it is told.
    [[nodiscard]] Error refusal() noexcept {
        if (phase_.load(std::memory_order_acquire) == Phase::Closed) {
            return Error{ErrorCode::Closed, "the log was closed"};
        }
        const std::lock_guard lock{failure_mutex_};
        return Error{ErrorCode::ReadOnly, "the log could not be written (" + (failure_ ? failure_->message() : std::string{}) +
                                              "): the database accepts no writes until `resume`; what is visible stays readable"};
    }

    [[nodiscard]] LogState state() noexcept {
        LogState state;
        state.kept_bytes = kept_bytes_.load(std::memory_order_relaxed);
        state.written_version = written_version();
        state.durable_version = durable_version();
        if (const std::lock_guard lock{failure_mutex_}; failed() && failure_) {
            state.writes = failure_->clone();
        } else if (!accepts()) {
            state.writes = Error{ErrorCode::Closed, "the database was closed"};
        }
        return state;
    }

    /// Runs `use(const LogWriter&)` while nothing is being written.
    template <typename Use>
    auto with_writer(Use&& use) {
        const Turn turn{*this};
        return use(std::as_const(writer_));
    }

private:
    enum class Phase : std::uint8_t { Open, Failed, Closed };

    /// One thread's turn at the writer. What has to be told is told after it.
    class Turn {
    public:
        explicit Turn(SharedLog& log) noexcept : log_{&log}, lock_{log.mutex_} {}
        ~Turn() {
            const bool tell = std::exchange(log_->state_changed_, false);
            lock_.unlock();
            if (tell) {
                log_->observer_->state_changed();
            }
        }

    private:
        SharedLog* log_;
        std::unique_lock<std::mutex> lock_;
    };

    [[nodiscard]] Result<SegmentStart> rotate_now() noexcept {
        if (!accepts()) {
            return refusal();
        }
        Result<void> rotated = writer_.rotate();
        forget_durable();
        const bool begun = rotated.has_value();
        if (begun) {
            segments_.add(1);
            rotated = observer_->segment_begun(writer_);
        }
        if (!rotated && (begun || writer_.failed())) {
            static_cast<void>(fail(rotated.error()));
        }
        note_progress();
        return rotated ? Result<SegmentStart>{{writer_.segment_number(), writer_.written_lsn()}}
                       : Result<SegmentStart>{std::move(rotated).error()};
    }

    [[nodiscard]] Result<void> append(std::span<std::byte> frames) noexcept {
        if (!accepts()) {
            return refusal();
        }
        const auto appended = writer_.append(frames);
        forget_durable();
        if (!appended) {
            return fail(appended.error());
        }
        written_bytes_.store(written_bytes() + frames.size(), std::memory_order_relaxed);
        writes_.add(1);
        if (appended->new_segment) {
            segments_.add(1);
            if (const auto told = observer_->segment_begun(writer_); !told) {
                return fail(told.error());
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> sync_now() noexcept {
        if (!accepts()) {
            return refusal();
        }
        ECSDB_TRACE_SCOPE("ecsdb log sync");
        const Result<void> synced = writer_.sync();
        forget_durable();
        syncs_.add(synced ? 1 : 0);
        return synced ? Result<void>{} : Result<void>{fail(synced.error())};
    }

    /// A sync, also one on the way to a new segment, covers everything appended before it, and so everything kept.
    void forget_durable() noexcept {
        if (const LogPosition durable = writer_.durable_position(); durable != durable_) {
            durable_ = durable;
            kept_.clear();
        }
    }

    void note_progress() noexcept {
        // After a failure, what was written last may have been discarded.
        written_version_.store(failed() ? std::max(written_version(), writer_.durable_lsn()) : writer_.written_lsn(),
                               std::memory_order_seq_cst);
        durable_version_.store(writer_.durable_lsn(), std::memory_order_seq_cst);
        kept_bytes_.store(kept_.allocated_bytes(), std::memory_order_relaxed);
        if (segment_ != writer_.segment_number() && writer_.wants_spare()) {
            segment_ = writer_.segment_number();
            wants_spare_.store(true, std::memory_order_relaxed);
        }
    }

    [[nodiscard]] Error fail(const Error& cause) noexcept {
        {
            const std::lock_guard lock{failure_mutex_};
            failure_.emplace(cause.clone());
        }
        failures_.add(1);
        phase_.store(Phase::Failed, std::memory_order_seq_cst);
        state_changed_ = true;
        return Error{ErrorCode::OutcomeUnknown, "not visible, and whether it is on disk is not known: " + cause.message()};
    }

    std::mutex mutex_; // what writes, or a flush or snapshot beside it
    LogWriter writer_;
    LogObserver* observer_;
    KeptFrames kept_;
    LogPosition durable_; // kept frames come after it
    bool complete_ = true;
    bool state_changed_ = false;
    std::uint64_t segment_ = 0; // the last one for which a spare was wanted

    alignas(64) std::atomic<Phase> phase_{Phase::Open}; // every transaction looks at it, the rest is written with every buffer
    alignas(64) std::atomic<std::uint64_t> written_version_{0};
    std::atomic<std::uint64_t> durable_version_{0};
    std::atomic<std::uint64_t> written_bytes_{0};
    std::atomic<std::size_t> kept_bytes_{0};
    Counter writes_; // these are counted under the lock
    Counter syncs_;
    Counter segments_;
    Counter failures_;
    Counter resumed_;
    std::atomic<bool> wants_spare_{false};
    std::mutex failure_mutex_; // so that a refused transaction need not wait for the disk
    std::optional<Error> failure_;
};

} // namespace ecsdb::wal
