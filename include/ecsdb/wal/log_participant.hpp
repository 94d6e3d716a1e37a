/// @file
/// Puts the log into the commit path: collects deltas into frames, and has them written and synced as the database's level asks.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/core/wake_up.hpp"
#include "ecsdb/transaction/participant.hpp"
#include "ecsdb/wal/log_writer.hpp"
#include "ecsdb/wal/persisted.hpp"
#include "ecsdb/wal/shared_log.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::wal {

/// When what is committed is synced.
enum class Syncing : std::uint8_t {
    BeforePublishing, ///< Before anybody sees it: the writer waits.
    AtOnce,           ///< Right behind.
    InTime,           ///< Within a second.
};

/// How the log takes part in commits (design D17, D18).
///
/// `BeforePublishing`: the writer itself writes and syncs each batch before it is published, so no reader acts on what a power cut could
/// take back; batches grow while a sync runs. Otherwise batches are handed to the log's own thread in buffers, which it writes at once; it
/// syncs whenever it has written what there is (`AtOnce`), or when a second or 64 MiB have gathered, or somebody asks (`InTime`). The
/// writer never waits for the disk unless the thread is several buffers behind. Without a thread of its own, the writer writes each batch;
/// whoever waits for a sync makes one, and one is made when 64 MiB have gathered.
///
/// Where there may be threads, the log's also makes a file ready for the next segment and sees to it that a segment ends in time though
/// nothing is written.
///
/// After a failed write or sync nothing more is accepted: every later transaction fails with `ReadOnly` until `resume`.
class LogParticipant final : public transaction::Participant, public transaction::VersionKeeper {
public:
    /// `spares`: where the log gets its files, to be filled by the log's thread; may be null. Must outlive this, as all that is given.
    LogParticipant(LogWriter writer, const Schema& schema, Clock& clock, Allocator& allocator, Syncing syncing, bool own_thread,
                   LogObserver& observer, SpareSegments* spares = nullptr)
        : observer_{&observer}, log_{std::move(writer), allocator, observer}, persisted_{schema, allocator}, note_{allocator},
          clock_{&clock}, spares_{spares}, syncing_{syncing}, own_thread_{own_thread && syncing != Syncing::BeforePublishing},
          has_thread_{own_thread}, segments_end_in_time_{
                                       log_.with_writer([](const LogWriter& log) { return log.ends_segments_in_time(); })} {
        for (Owner<Buffer>& buffer : buffers_) {
            buffer.reset(new Buffer{allocator});
        }
        filling_ = buffers_[0].get();
        free_ = buffers_.size() - 1;
    }
    ~LogParticipant() override { stop(); }

    /// Starts the log's thread, if there may be one.
    void start() {
        if (has_thread_) {
            thread_.reset(new Thread{[this](const Thread::Stop& stop) { drive(stop); }});
        }
    }
    /// Writes everything handed over and ends the thread. The writer must have stopped.
    void stop() {
        if (thread_) {
            hand_over();
            thread_->request_stop();
            work_.notify_now();
            thread_.reset();
        }
    }
    /// Leaves the thread to the parent process it belongs to.
    void abandon() noexcept { static_cast<void>(thread_.release()); } // NOLINT: in a forked child

    // The writer's side
    // ---------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    [[nodiscard]] bool prefers_large_batches() const noexcept override { return syncing_ == Syncing::BeforePublishing; }

    [[nodiscard]] Result<void> prepare(storage::WriteBuffer&) noexcept override {
        if (!log_.accepts()) [[unlikely]] {
            return log_.refusal();
        }
        return {};
    }

    void accepted(const transaction::Accepted& transaction) noexcept override {
        ByteBuffer& bytes = filling_->bytes;
        const std::uint64_t time = transaction.time_ns / 1000;
        const std::span<const std::byte> delta = persisted_.of(transaction.delta);
        if (delta.empty()) [[unlikely]] {
            bytes.fail(); // no memory for a copy: `seal` refuses the batch
            return;
        }
        if (delta.size() > max_record_size || transaction.versions != 1) [[unlikely]] {
            end_group();
            append_parts(bytes, delta, transaction.version - transaction.versions + 1, time, transaction.versions);
            return;
        }
        if (group_open_ && bytes.size() - group_ > group_bytes) {
            end_group();
        }
        if (!group_open_) {
            filling_since_ = bytes.empty() ? time : filling_since_;
            group_ = begin_frame(bytes);
            group_open_ = true;
            group_lsn_ = transaction.version;
            group_time_ = time;
        }
        append_record(bytes, delta);
    }

    [[nodiscard]] Result<void> seal(const storage::Root&, storage::Root&) noexcept override {
        end_group();
        if (!log_.accepts()) [[unlikely]] {
            return log_.refusal(); // nothing of this batch has been written yet
        }
        if (looks_for_room_.load(std::memory_order_relaxed)) [[unlikely]] {
            if (Result<void> may_grow = observer_->may_grow(); !may_grow) {
                return may_grow;
            }
            looks_for_room_.store(false, std::memory_order_relaxed);
        }
        ByteBuffer& bytes = filling_->bytes;
        if (bytes.failed()) [[unlikely]] {
            return Error{ErrorCode::OutOfMemory, "no memory for the log's buffer; nothing was applied"};
        }
        if (!own_thread_) {
            Result<void> written = log_.write({bytes.data(), bytes.size()}, Visibility::Pending, syncing_ == Syncing::BeforePublishing);
            if (written) {
                bytes.clear();
            }
            done_.notify();
            return written;
        }
        sealed_bytes_ = bytes.size();
        const bool due = bytes.size() >= few_bytes || group_time_ >= filling_since_ + most_delay_us ||
                         is_wanted(false, std::memory_order_relaxed) || is_wanted(true, std::memory_order_relaxed);
        if (bytes.size() >= buffer_bytes || (due && hungry_.load(std::memory_order_relaxed) != 0)) {
            hand_over();
        }
        return {};
    }

    void discarded() noexcept override {
        ByteBuffer& bytes = filling_->bytes;
        bytes.resize_down(sealed_bytes_);
        group_open_ = false;
        if (bytes.failed()) { // only an empty buffer starts anew
            bytes.empty() ? bytes.clear() : hand_over();
        }
    }

    [[nodiscard]] Result<void> raise_index_mark(std::uint64_t mark) noexcept override {
        reserve_mark_.store(mark, std::memory_order_relaxed);
        note_.clear();
        append_note(note_, FrameType::Reserve, clock_->wall_ns() / 1000, mark);
        if (note_.failed()) {
            return Error{ErrorCode::OutOfMemory, "no memory to note in the log which ids may be handed out"};
        }
        // Ids below the mark may be shown to the world as soon as we return, so the log must know it before a crash could forget it. Not
        // behind what this batch has accepted: that may still be discarded.
        const bool written = log_.write({note_.data(), note_.size()}, Visibility::Pending, syncing_ != Syncing::InTime).has_value();
        tell();
        return written ? Result<void>{} : Result<void>{log_.refusal()};
    }

    /// The writer has nothing to do: what has gathered goes to the log's thread.
    void idle() noexcept override {
        if (!own_thread_ || filling_->bytes.empty()) {
            return;
        }
        if (has_room()) {
            hand_over();
        } else {
            wants_room_.store(1, std::memory_order_seq_cst); // rather than wait: there is more to come into this buffer
        }
    }
    [[nodiscard]] bool wants_idle() const noexcept override { return wants_room_.load(std::memory_order_relaxed) != 0 && has_room(); }

    // Any thread
    // ------------------------------------------------------------------------------------------------------------------------------

    /// The newest version whose frames are written, and on the disk.
    [[nodiscard]] std::uint64_t written_version() const noexcept { return log_.written_version(); }
    [[nodiscard]] std::uint64_t durable_version() const noexcept { return log_.durable_version(); }
    /// Has the observer asked before the next batch whether the log may grow, and again before each until it may: what it refuses fails.
    void look_for_room() noexcept { looks_for_room_.store(true, std::memory_order_relaxed); }
    /// Bytes written since opening.
    [[nodiscard]] std::uint64_t written_bytes() const noexcept { return log_.written_bytes(); }
    [[nodiscard]] LogTotals totals() const noexcept { return log_.totals(); }
    [[nodiscard]] std::uint64_t reserve_mark() const noexcept { return reserve_mark_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool failed() const noexcept { return log_.failed(); }
    [[nodiscard]] LogState state() noexcept { return log_.state(); }

    /// Waits until versions up to `version` are written, or synced. What the log's own thread would do later is asked for now.
    [[nodiscard]] Result<void> wait_for(std::uint64_t version, bool sync) noexcept {
        static_cast<void>(reach(version, sync, no_timeout));
        return has(version, sync) ? Result<void>{} : Result<void>{log_.refusal()};
    }
    [[nodiscard]] Result<void> wait_for_level(std::uint64_t version, Durability level, std::uint64_t timeout_ns) noexcept override {
        const bool sync = level == Durability::Synced;
        if (level == Durability::Memory || has(version, sync)) {
            return {};
        }
        const bool in_time = reach(version, sync, timeout_ns);
        if (has(version, sync)) {
            return {};
        }
        const std::string what = sync ? "on disk" : "written";
        return in_time ? Error{ErrorCode::OutcomeUnknown, "visible, but not known to be " + what + ": " + log_.refusal().message()}
                       : Error{ErrorCode::Timeout, "visible, but not " + what + " within the time given to wait; it will be"};
    }
    [[nodiscard]] bool is_settled(std::uint64_t version, Durability level) const noexcept override {
        return level == Durability::Memory || has(version, level == Durability::Synced) || !own_thread_ || !log_.accepts();
    }
    void ask_for_level(std::uint64_t version, Durability level) noexcept override {
        if (is_settled(version, level)) {
            return;
        }
        // Sequentially consistent, as are the reads of the log's thread after it has written or synced: either it sees what is asked for,
        // or whoever asks sees what has been reached.
        std::atomic<std::uint64_t>& asked = level == Durability::Synced ? sync_asked_ : written_asked_;
        std::uint64_t before = asked.load(std::memory_order_relaxed);
        while (before < version && !asked.compare_exchange_weak(before, version, std::memory_order_seq_cst)) {
        }
        work_.notify_now();
    }
    void ring_when_settled(Doorbell& bell) noexcept override { settled_bell_ = &bell; }
    void ring_when_idle_is_wanted(Doorbell& bell) noexcept override { room_bell_ = &bell; }

    /// Goes on in a new segment; see `SharedLog::rotate`.
    [[nodiscard]] Result<SegmentStart> rotate() noexcept {
        auto begun = log_.rotate();
        tell();
        return begun;
    }

    /// Waits until version `version`, which is written, is published too. False where it never will be, because the log has failed.
    [[nodiscard]] bool wait_until_published(const storage::Store& store, std::uint64_t version) noexcept {
        const auto published = [&] { return store.published_version() >= version; };
        WakeUp poll; // it takes the writer a moment
        poll.wait(*clock_, no_timeout, [&] { return published() || !log_.accepts(); });
        return published();
    }

    /// Accepts writes again after a failure; see `SharedLog::resume`. On the database's writer only, which may be in the middle of a batch:
    /// what that has accepted so far is published and written as usual.
    [[nodiscard]] Result<void> resume() noexcept {
        if (own_thread_) {
            if (filling_->bytes.size() == sealed_bytes_) {
                hand_over();
            }
            // What comes to the thread is kept as it comes: after this nothing does until we return.
            done_.wait(*clock_, no_timeout,
                       [&] { return taken_.load(std::memory_order_seq_cst) == handed_.load(std::memory_order_relaxed); });
        }
        Result<void> resumed = log_.resume();
        tell();
        return resumed;
    }

    /// Ends the log in good order, after `stop`.
    [[nodiscard]] Result<void> close() noexcept {
        Result<void> closed = log_.close(clock_->wall_ns() / 1000);
        tell();
        return closed;
    }

    /// Runs `use(const LogWriter&)` while nothing is being written.
    template <typename Use>
    auto with_writer(Use&& use) {
        return log_.with_writer(std::forward<Use>(use));
    }

private:
    /// A run of whole frames on their way to the log's thread.
    struct Buffer {
        explicit Buffer(Allocator& allocator) noexcept : bytes{allocator} {}
        ByteBuffer bytes;
    };

    static constexpr std::size_t group_bytes = std::size_t{1} << 20U;
    static constexpr std::size_t buffer_bytes = std::size_t{64} << 10U;
    /// While the writer has more to do and nobody waits, a few large writes take less from it than many small ones: the log's thread needs
    /// a core too.
    static constexpr std::size_t few_bytes = std::size_t{16} << 10U;
    static constexpr std::uint64_t most_delay_us = 1'000;
    static constexpr std::uint64_t sync_interval_ns = 1'000'000'000;

    [[nodiscard]] bool has(std::uint64_t version, bool sync) const noexcept {
        return (sync ? durable_version() : written_version()) >= version;
    }
    /// Waits until versions up to `version` are written, or synced, or never will be; false after `timeout_ns`.
    bool reach(std::uint64_t version, bool sync, std::uint64_t timeout_ns) noexcept {
        if (has(version, sync)) {
            return true;
        }
        if (!own_thread_) {
            static_cast<void>(log_.sync()); // everything published is written already; only a sync can be missing
            return true;
        }
        std::atomic<std::uint32_t>& wanted = sync ? sync_wanted_ : written_wanted_;
        wanted.fetch_add(1, std::memory_order_seq_cst);
        work_.notify_now();
        const bool in_time = done_.wait(*clock_, timeout_ns, [&] { return !log_.accepts() || has(version, sync); });
        wanted.fetch_sub(1, std::memory_order_relaxed);
        return in_time;
    }
    /// Whether somebody waits for more to be written, or synced, or has asked for it.
    [[nodiscard]] bool is_wanted(bool sync, std::memory_order order) const noexcept {
        return (sync ? sync_wanted_ : written_wanted_).load(order) != 0 || !has((sync ? sync_asked_ : written_asked_).load(order), sync);
    }
    /// Something may have been reached, or never will be.
    void tell() noexcept {
        done_.notify();
        if (settled_bell_ != nullptr) {
            settled_bell_->ring();
        }
    }

    void end_group() noexcept {
        if (group_open_) {
            FrameHeader header;
            header.type = FrameType::Group;
            header.lsn = group_lsn_;
            header.time = group_time_;
            finish_frame(filling_->bytes, group_, header);
            group_open_ = false;
        }
    }

    /// Whether a buffer can be handed over without waiting.
    [[nodiscard]] bool has_room() const noexcept {
        return handed_.load(std::memory_order_relaxed) + 1 - taken_.load(std::memory_order_seq_cst) < free_;
    }
    /// Gives the filled buffer to the log's thread and takes an empty one, waiting while all are on their way (back-pressure).
    void hand_over() noexcept {
        if (filling_->bytes.empty()) {
            return;
        }
        wants_room_.store(0, std::memory_order_relaxed);
        const std::size_t next = (filling_index_ + 1) % buffers_.size();
        handed_.store(handed_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
        work_.notify();
        if (handed_.load(std::memory_order_relaxed) - taken_.load(std::memory_order_acquire) >= free_) {
            done_.wait(*clock_, no_timeout,
                       [&] { return handed_.load(std::memory_order_relaxed) - taken_.load(std::memory_order_seq_cst) < free_; });
        }
        filling_index_ = next;
        filling_ = buffers_[next].get();
        filling_->bytes.clear();
        sealed_bytes_ = 0;
    }

    void drive(const Thread::Stop& stop) noexcept {
        std::uint64_t unsynced_since = 0;
        std::size_t unsynced_buffers = 0;
        for (;;) {
            const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
            if (handed_.load(std::memory_order_seq_cst) != taken) {
                hungry_.store(0, std::memory_order_relaxed);
                ByteBuffer& bytes = buffers_[taken % buffers_.size()]->bytes;
                static_cast<void>(log_.write({bytes.data(), bytes.size()}, Visibility::Visible, false));
                taken_.store(taken + 1, std::memory_order_seq_cst);
                written_asked_.load(std::memory_order_seq_cst) == 0 ? done_.notify() : tell();
                if (room_bell_ != nullptr && wants_room_.load(std::memory_order_seq_cst) != 0) {
                    room_bell_->ring();
                }
                ++unsynced_buffers;
                unsynced_since = unsynced_since == 0 ? clock_->monotonic_ns() : unsynced_since;
            } else if (stop.requested()) {
                return;
            } else if (log_.wants_spare()) {
                prepare_spare(stop);
            } else {
                // From now on a batch need not fill a buffer to be handed over.
                hungry_.store(1, std::memory_order_relaxed);
                work_.wait(*clock_, wait_ns(unsynced_since), [&] {
                    return handed_.load(std::memory_order_seq_cst) != taken || stop.requested() || log_.wants_spare() ||
                           (unsynced_since != 0 && is_wanted(true, std::memory_order_seq_cst));
                });
            }
            // Those that came while the last sync ran share the next one.
            const bool all_written = handed_.load(std::memory_order_seq_cst) == taken_.load(std::memory_order_relaxed);
            const bool wanted = syncing_ == Syncing::AtOnce || is_wanted(true, std::memory_order_seq_cst);
            const bool due = unsynced_since != 0 && (!log_.accepts() || (wanted && (all_written || unsynced_buffers >= buffers_.size())) ||
                                                     clock_->monotonic_ns() - unsynced_since >= sync_interval_ns);
            if (due) {
                static_cast<void>(log_.sync()); // refused after a failure: `resume` leaves nothing to sync
                tell();
                unsynced_since = 0;
                unsynced_buffers = 0;
            }
            if (segments_end_in_time_) {
                log_.rotate_if_over_age(clock_->wall_ns() / 1000);
            }
        }
    }

    /// Gives up where there is something more important to do: then the next segment gets a new file.
    void prepare_spare(const Thread::Stop& stop) noexcept {
        const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
        // Where it fails, the next segment will tell: nothing depends on a spare.
        static_cast<void>(
            spares_->prepare([&] { return handed_.load(std::memory_order_relaxed) == taken && !stop.requested() && log_.accepts(); }));
        log_.spare_prepared();
    }

    [[nodiscard]] std::uint64_t wait_ns(std::uint64_t unsynced_since) const noexcept {
        if (unsynced_since == 0) {
            return segments_end_in_time_ ? sync_interval_ns : no_timeout;
        }
        const std::uint64_t waited = clock_->monotonic_ns() - unsynced_since;
        return waited >= sync_interval_ns ? 0 : sync_interval_ns - waited;
    }

    LogObserver* observer_;
    SharedLog log_;
    PersistedPart persisted_; // the database's writer's
    ByteBuffer note_;         // likewise
    Clock* clock_;
    SpareSegments* spares_;
    Doorbell* settled_bell_ = nullptr; ///< Of those who go on once something is durable.
    Doorbell* room_bell_ = nullptr;    ///< The idle writer's.
    Syncing syncing_;
    bool own_thread_; ///< The log's thread writes.
    bool has_thread_; ///< There is one.
    bool segments_end_in_time_;

    // The writer's.
    std::array<Owner<Buffer>, 8> buffers_;
    Buffer* filling_ = nullptr;
    std::size_t filling_index_ = 0;
    std::uint64_t free_ = 0;
    std::size_t sealed_bytes_ = 0; ///< Of the buffer being filled: what belongs to batches that stand.
    std::size_t group_ = 0;
    std::uint64_t group_lsn_ = 0;
    std::uint64_t group_time_ = 0;
    std::uint64_t filling_since_ = 0; ///< When the buffer got its first group.
    bool group_open_ = false;

    alignas(64) std::atomic<std::uint64_t> handed_{0};
    alignas(64) std::atomic<std::uint64_t> taken_{0};
    std::atomic<bool> looks_for_room_{false};
    std::atomic<std::uint32_t> wants_room_{0}; // the writer's
    std::atomic<std::uint32_t> hungry_{1};
    std::atomic<std::uint32_t> written_wanted_{0};
    std::atomic<std::uint32_t> sync_wanted_{0};
    std::atomic<std::uint64_t> written_asked_{0}; ///< The highest version that somebody wants to be told of.
    std::atomic<std::uint64_t> sync_asked_{0};
    std::atomic<std::uint64_t> reserve_mark_{0};
    WakeUp work_;
    WakeUp done_;
    Owner<Thread> thread_;
};

} // namespace ecsdb::wal
