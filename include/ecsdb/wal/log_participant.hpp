/// @file
/// Puts the log into the commit path: collects deltas into frames, and has them written and synced as the database's level asks.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/wake_up.hpp"
#include "ecsdb/transaction/participant.hpp"
#include "ecsdb/wal/log_writer.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace ecsdb::wal {

/// Told by the log when the manifest should be stored anew. Called on the thread that writes the log.
class LogObserver {
public:
    /// A new segment was begun. An error counts as a failure of the log.
    virtual Result<void> segment_begun(const LogWriter& log) = 0;

protected:
    ~LogObserver() = default;
};

/// How the log takes part in commits (design D17, D18).
///
/// Synced: the writer itself writes and syncs each batch before it is published, so no reader acts on what a power cut could take back;
/// batches grow while a sync runs. Logged: batches are handed to the log's own thread in buffers; it writes them at once, and syncs
/// when a second or 64 MiB have gathered, or somebody asks. The writer never waits for the disk unless the thread is several buffers
/// behind.
///
/// After a failed write or sync nothing more is accepted: every later transaction fails with `ReadOnly`.
class LogParticipant final : public transaction::Participant {
public:
    LogParticipant(LogWriter writer, Clock& clock, Allocator& allocator, bool synced, bool own_thread, LogObserver& observer)
        : writer_{std::move(writer)}, clock_{&clock}, observer_{&observer}, synced_{synced}, own_thread_{own_thread && !synced} {
        for (std::unique_ptr<Buffer>& buffer : buffers_) {
            buffer = std::make_unique<Buffer>(allocator);
        }
        filling_ = buffers_[0].get();
        free_ = buffers_.size() - 1;
        written_version_.store(writer_.written_lsn(), std::memory_order_relaxed);
        durable_version_.store(writer_.durable_lsn(), std::memory_order_relaxed);
    }
    ~LogParticipant() override { stop(); }

    /// Starts the log's thread, if this level has one.
    void start() {
        if (own_thread_) {
            thread_ = std::make_unique<std::jthread>([this](const std::stop_token& stop) { drive(stop); });
        }
    }
    /// Writes everything handed over and ends the thread. The writer must have stopped.
    void stop() {
        if (thread_ != nullptr) {
            hand_over();
            thread_->request_stop();
            work_.notify_now();
            thread_.reset();
        } else if (!failed()) {
            static_cast<void>(write_now(*filling_, false));
        }
    }
    /// Leaves the thread to the parent process it belongs to.
    void abandon() noexcept { static_cast<void>(thread_.release()); } // NOLINT: in a forked child

    // The writer's side
    // ---------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] bool wants_changes() const noexcept override { return true; }
    [[nodiscard]] bool prefers_large_batches() const noexcept override { return synced_; }

    [[nodiscard]] Result<void> prepare(storage::WriteBuffer&) noexcept override {
        if (failed()) [[unlikely]] {
            return failure();
        }
        return {};
    }

    void accepted(const transaction::Accepted& transaction) noexcept override {
        ByteBuffer& bytes = filling_->bytes;
        const std::uint64_t time = transaction.time_ns / 1000;
        if (transaction.delta.size() > max_record_size) [[unlikely]] {
            end_group();
            append_parts(bytes, transaction.delta, transaction.version, time);
            return;
        }
        if (group_open_ && bytes.size() - group_ > group_bytes) {
            end_group();
        }
        if (!group_open_) {
            group_ = begin_frame(bytes);
            group_open_ = true;
            group_lsn_ = transaction.version;
            group_time_ = time;
        }
        append_record(bytes, transaction.delta);
    }

    [[nodiscard]] Result<void> seal(const storage::Root&, storage::Root&) noexcept override {
        end_group();
        if (filling_->bytes.failed()) [[unlikely]] {
            return fail(Error{ErrorCode::OutOfMemory, "no memory for the log's buffer"});
        }
        sealed_bytes_ = filling_->bytes.size();
        if (!own_thread_) {
            return write_now(*filling_, synced_);
        }
        if (hungry_.load(std::memory_order_relaxed) != 0 || filling_->bytes.size() >= buffer_bytes) {
            hand_over();
        }
        return {};
    }

    void discarded() noexcept override {
        filling_->bytes.resize_down(sealed_bytes_);
        group_open_ = false;
    }

    [[nodiscard]] Result<void> raise_index_mark(std::uint64_t mark) noexcept override {
        if (failed()) {
            return failure();
        }
        end_group();
        append_note(filling_->bytes, FrameType::Reserve, clock_->wall_ns() / 1000, mark);
        reserve_mark_.store(mark, std::memory_order_relaxed);
        // Ids below the mark may be shown to the world as soon as we return, so the log must know it before a crash could forget it.
        if (!own_thread_) {
            return write_now(*filling_, synced_);
        }
        hand_over();
        done_.wait(*clock_, no_timeout,
                   [&] { return failed() || taken_.load(std::memory_order_seq_cst) == handed_.load(std::memory_order_relaxed); });
        return failed() ? Result<void>{failure()} : Result<void>{};
    }

    /// The writer has nothing to do: what has gathered goes to the log's thread.
    void idle() noexcept override {
        if (own_thread_ && !filling_->bytes.empty()) {
            hand_over();
        }
    }

    // Any thread
    // ------------------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] std::uint64_t written_version() const noexcept { return written_version_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t durable_version() const noexcept { return durable_version_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t reserve_mark() const noexcept { return reserve_mark_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }

    /// Waits until versions up to `version` are written, or synced. What the log's own thread would do later is asked for now.
    [[nodiscard]] Result<void> wait_for(std::uint64_t version, bool sync) noexcept {
        std::atomic<std::uint64_t>& reached = sync ? durable_version_ : written_version_;
        if (reached.load(std::memory_order_acquire) >= version) {
            return {};
        }
        if (!own_thread_) {
            // Everything published is written already; only a sync can be missing.
            const std::lock_guard lock{writer_mutex_};
            if (auto synced = writer_.sync(); !synced) {
                return fail(std::move(synced).error());
            }
            durable_version_.store(writer_.durable_lsn(), std::memory_order_release);
            return {};
        }
        if (sync) {
            sync_wanted_.fetch_add(1, std::memory_order_seq_cst);
        }
        work_.notify_now();
        done_.wait(*clock_, no_timeout, [&] { return failed() || reached.load(std::memory_order_seq_cst) >= version; });
        if (sync) {
            sync_wanted_.fetch_sub(1, std::memory_order_relaxed);
        }
        return reached.load(std::memory_order_acquire) >= version ? Result<void>{} : failure();
    }

    /// Runs `use(LogWriter&)` while nothing is being written.
    template <typename Use>
    auto with_writer(Use&& use) {
        const std::lock_guard lock{writer_mutex_};
        return use(writer_);
    }

private:
    /// A run of whole frames on their way to the log's thread.
    struct Buffer {
        explicit Buffer(Allocator& allocator) noexcept : bytes{allocator} {}
        ByteBuffer bytes;
    };

    static constexpr std::size_t group_bytes = std::size_t{1} << 20U;
    static constexpr std::size_t buffer_bytes = std::size_t{64} << 10U;
    static constexpr std::uint64_t sync_interval_ns = 1'000'000'000;
    static constexpr std::uint64_t sync_bytes = std::uint64_t{64} << 20U;

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

    /// Gives the filled buffer to the log's thread and takes an empty one, waiting while all are on their way (back-pressure).
    void hand_over() noexcept {
        if (filling_->bytes.empty()) {
            return;
        }
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

    Result<void> write_now(Buffer& buffer, bool sync) noexcept {
        const std::lock_guard lock{writer_mutex_};
        if (!buffer.bytes.empty()) {
            auto appended = writer_.append({buffer.bytes.data(), buffer.bytes.size()});
            if (!appended) {
                return fail(std::move(appended).error());
            }
            if (appended->new_segment) {
                if (auto told = observer_->segment_begun(writer_); !told) {
                    return fail(std::move(told).error());
                }
            }
            unsynced_bytes_ += buffer.bytes.size();
            if (!own_thread_ && &buffer == filling_) { // `filling_` is the writer's: not to be looked at from the log's own thread
                buffer.bytes.clear();
                sealed_bytes_ = 0;
            }
        }
        if (sync) {
            if (auto synced = writer_.sync(); !synced) {
                return fail(std::move(synced).error());
            }
            unsynced_bytes_ = 0;
        }
        written_version_.store(writer_.written_lsn(), std::memory_order_seq_cst);
        durable_version_.store(writer_.durable_lsn(), std::memory_order_seq_cst);
        done_.notify();
        return {};
    }

    Error fail(Error error) noexcept {
        {
            const std::lock_guard lock{failure_mutex_};
            if (!failure_) {
                failure_.emplace(error.code(), "the log could not be written (" + error.message() +
                                                   "): the database accepts no more writes; what was visible stays readable");
            }
        }
        failed_.store(true, std::memory_order_seq_cst);
        done_.notify();
        return Error{ErrorCode::OutcomeUnknown, "not visible, and whether it is on disk is not known: " + error.message()};
    }
    [[nodiscard]] Error failure() noexcept {
        const std::lock_guard lock{failure_mutex_};
        return failure_ ? Error{ErrorCode::ReadOnly, failure_->message()} : Error{ErrorCode::Closed, "the log is closed"};
    }

    void drive(const std::stop_token& stop) noexcept {
        std::uint64_t unsynced_since = 0;
        for (;;) {
            const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
            if (handed_.load(std::memory_order_seq_cst) != taken) {
                hungry_.store(0, std::memory_order_relaxed);
                Buffer& buffer = *buffers_[taken % buffers_.size()];
                if (!failed()) {
                    static_cast<void>(write_now(buffer, false));
                }
                taken_.store(taken + 1, std::memory_order_seq_cst);
                done_.notify();
                unsynced_since = unsynced_since == 0 ? clock_->monotonic_ns() : unsynced_since;
            } else if (stop.stop_requested()) {
                return;
            } else {
                // From now on a batch need not fill a buffer to be handed over.
                hungry_.store(1, std::memory_order_relaxed);
                work_.wait(*clock_, wait_ns(unsynced_since), [&] {
                    return handed_.load(std::memory_order_seq_cst) != taken || stop.stop_requested() ||
                           (sync_wanted_.load(std::memory_order_seq_cst) != 0 && unsynced_since != 0);
                });
            }
            const bool due = unsynced_since != 0 && (sync_wanted_.load(std::memory_order_seq_cst) != 0 || unsynced_bytes_ >= sync_bytes ||
                                                     clock_->monotonic_ns() - unsynced_since >= sync_interval_ns);
            if (due && !failed()) {
                sync_now();
                unsynced_since = 0;
            }
        }
    }
    [[nodiscard]] std::uint64_t wait_ns(std::uint64_t unsynced_since) const noexcept {
        if (unsynced_since == 0) {
            return no_timeout;
        }
        const std::uint64_t waited = clock_->monotonic_ns() - unsynced_since;
        return waited >= sync_interval_ns ? 0 : sync_interval_ns - waited;
    }
    void sync_now() noexcept {
        const std::lock_guard lock{writer_mutex_};
        if (auto synced = writer_.sync(); !synced) {
            static_cast<void>(fail(std::move(synced).error()));
            return;
        }
        unsynced_bytes_ = 0;
        durable_version_.store(writer_.durable_lsn(), std::memory_order_seq_cst);
        done_.notify();
    }

    std::mutex writer_mutex_; // the log's thread, or a flush or snapshot beside it; never the writer in logged mode
    LogWriter writer_;
    Clock* clock_;
    LogObserver* observer_;
    bool synced_;
    bool own_thread_;
    std::uint64_t unsynced_bytes_ = 0;

    // The writer's.
    std::array<std::unique_ptr<Buffer>, 8> buffers_;
    Buffer* filling_ = nullptr;
    std::size_t filling_index_ = 0;
    std::uint64_t free_ = 0;
    std::size_t sealed_bytes_ = 0; ///< Of the buffer being filled: what belongs to batches that stand.
    std::size_t group_ = 0;
    std::uint64_t group_lsn_ = 0;
    std::uint64_t group_time_ = 0;
    bool group_open_ = false;

    alignas(64) std::atomic<std::uint64_t> handed_{0};
    alignas(64) std::atomic<std::uint64_t> taken_{0};
    std::atomic<std::uint32_t> hungry_{1};
    std::atomic<std::uint32_t> sync_wanted_{0};
    std::atomic<std::uint64_t> written_version_{0};
    std::atomic<std::uint64_t> durable_version_{0};
    std::atomic<std::uint64_t> reserve_mark_{0};
    std::atomic<bool> failed_{false};
    WakeUp work_;
    WakeUp done_;
    std::mutex failure_mutex_;
    std::optional<Error> failure_;
    std::unique_ptr<std::jthread> thread_;
};

} // namespace ecsdb::wal
