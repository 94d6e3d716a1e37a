/// @file
/// The log as several threads share it: until its first failure, and again once what was visible by then has been written elsewhere.
#pragma once

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

/// Whether a database accepts writes, and how far its files are behind what is visible.
struct LogState {
    /// Success while writes are accepted. Otherwise why not: `NoSpace`, `Io` or `OutOfMemory` after a failure of the log, which `resume`
    /// ends once its cause is gone; `ReadOnly` where the database was opened so; `Closed`.
    Result<void> writes;
    std::uint64_t written_version = 0; ///< Given to the operating system: outlives the process,
    std::uint64_t durable_version = 0; ///< and on the disk: outlives a power cut. Both 0 where there is no log.
    std::size_t kept_bytes = 0;        ///< Memory taken for what is not durable yet, which `resume` would write.
};

} // namespace ecsdb

namespace ecsdb::wal {

/// Told by the log when the manifest should be stored anew. Called on the thread that writes the log.
class LogObserver {
public:
    /// A new segment was begun. An error counts as a failure of the log.
    virtual Result<void> segment_begun(const LogWriter& log) = 0;

protected:
    ~LogObserver() = default;
};

/// Whether readers know of what is to be written.
enum class Visibility : std::uint8_t {
    Pending, ///< Not before it is written: if that fails, it never was.
    Visible, ///< They do: it is kept for `resume`, whatever happens.
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
    /// Whether nothing is accepted before `resume`. Acquire pairs with the release of whoever failed or resumed.
    [[nodiscard]] bool failed() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::Failed; }
    /// Whether frames are accepted: it has neither failed nor been closed.
    [[nodiscard]] bool accepts() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::Open; }

    /// Writes whole frames (see `LogWriter::append`), and syncs them where asked. Refused with `refusal()` after an earlier failure; if it
    /// fails itself, with `OutcomeUnknown`, and of pending frames nothing is remembered.
    Result<void> write(std::span<std::byte> frames, Visibility visibility, bool sync) noexcept {
        const std::lock_guard lock{mutex_};
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
        const std::lock_guard lock{mutex_};
        const Result<void> synced = sync_now();
        note_progress();
        return synced ? Result<void>{} : Result<void>{refusal()};
    }

    /// Begins a new segment; everything written is durable then. The number of the segment. Where there is no room for one, the log goes
    /// on in the old one; every other error is a failure of the log.
    [[nodiscard]] Result<std::uint64_t> rotate() noexcept {
        const std::lock_guard lock{mutex_};
        if (!accepts()) {
            return refusal();
        }
        Result<void> rotated = writer_.rotate();
        forget_durable();
        const bool begun = rotated.has_value();
        if (begun) {
            rotated = observer_->segment_begun(writer_);
        }
        if (!rotated && (begun || writer_.failed())) {
            static_cast<void>(fail(rotated.error()));
        }
        note_progress();
        return rotated ? Result<std::uint64_t>{writer_.segment_number()} : Result<std::uint64_t>{std::move(rotated).error()};
    }

    /// Writes what was kept into a new segment behind the last durable position, syncs it, and accepts frames again: everything written
    /// and everything visible is durable then, and what was refused or discarded is not in the log. Whoever calls sees to it that no frame
    /// comes between. On failure everything is as it was, but for the reason, and it may be called again. Nothing to do without a failure.
    Result<void> resume() noexcept {
        const std::lock_guard lock{mutex_};
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
            resumed = observer_->segment_begun(writer_);
        }
        if (resumed) {
            phase_.store(Phase::Open, std::memory_order_seq_cst);
        } else {
            const std::lock_guard failure_lock{failure_mutex_};
            failure_.emplace(resumed.error().clone());
        }
        note_progress();
        return resumed;
    }

    /// Ends the log in good order: everything written is durable then, and nothing more is accepted.
    Result<void> close(std::uint64_t time) noexcept {
        const std::lock_guard lock{mutex_};
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
        const std::lock_guard lock{mutex_};
        return use(std::as_const(writer_));
    }

private:
    enum class Phase : std::uint8_t { Open, Failed, Closed };

    [[nodiscard]] Result<void> append(std::span<std::byte> frames) noexcept {
        if (!accepts()) {
            return refusal();
        }
        const auto appended = writer_.append(frames);
        forget_durable();
        if (!appended) {
            return fail(appended.error());
        }
        if (appended->new_segment) {
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
        const Result<void> synced = writer_.sync();
        forget_durable();
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
    }

    [[nodiscard]] Error fail(const Error& cause) noexcept {
        const std::lock_guard lock{failure_mutex_};
        failure_.emplace(cause.clone());
        phase_.store(Phase::Failed, std::memory_order_seq_cst);
        return Error{ErrorCode::OutcomeUnknown, "not visible, and whether it is on disk is not known: " + cause.message()};
    }

    std::mutex mutex_; // what writes, or a flush or snapshot beside it
    LogWriter writer_;
    LogObserver* observer_;
    KeptFrames kept_;
    LogPosition durable_; // kept frames come after it
    bool complete_ = true;

    alignas(64) std::atomic<Phase> phase_{Phase::Open}; // every transaction looks at it, the rest is written with every buffer
    alignas(64) std::atomic<std::uint64_t> written_version_{0};
    std::atomic<std::uint64_t> durable_version_{0};
    std::atomic<std::size_t> kept_bytes_{0};
    std::mutex failure_mutex_; // so that a refused transaction need not wait for the disk
    std::optional<Error> failure_;
};

} // namespace ecsdb::wal
