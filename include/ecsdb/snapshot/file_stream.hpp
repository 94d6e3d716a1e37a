/// @file
/// Writes a file from front to back, on a thread of its own: what comes next is made while the disk works.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/io/file_system.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

namespace ecsdb::snapshot {

/// A few buffers that are filled by one thread and written by another. Pieces begin and end on multiples of 4 KiB, in memory and in the
/// file, so that those of a large file can go past the page cache (`File::pwrite_uncached`); only the last may end anywhere.
///
/// The first failure is kept, and nothing is written after it. All calls from one thread. Allocator and file must outlive it.
class FileStream {
public:
    /// Pieces of about this size are written.
    static constexpr std::size_t piece_bytes = std::size_t{512} << 10U;
    /// So much of a file goes by way of the page cache, which gives the disk many writes at once; beyond that it would make its writers
    /// wait.
    static constexpr std::uint64_t cached_bytes = std::uint64_t{256} << 20U;
    /// The disk is told to begin each time so much has gathered there.
    static constexpr std::uint64_t write_back_bytes = std::uint64_t{8} << 20U;

    /// At most `most_appended` bytes come between two calls of `pass_on`. Without a thread of its own it writes in `pass_on`.
    FileStream(File& file, Allocator& allocator, std::size_t most_appended, bool own_thread)
        : file_{&file}, allocator_{allocator}, room_{piece_bytes + alignment + most_appended}, own_thread_{own_thread} {}
    FileStream(const FileStream&) = delete;
    FileStream& operator=(const FileStream&) = delete;
    ~FileStream() { stop(); }

    /// Takes the first buffer's memory; false when that is refused. Once, at the beginning.
    [[nodiscard]] bool begin() noexcept { return buffer().reserve(room_); }

    /// Where the next bytes are to be appended. Until the next `pass_on`. Nothing but the bytes since then may be taken away again.
    [[nodiscard]] ByteBuffer& buffer() noexcept { return buffers_[filling_]; }

    /// Bytes of the file so far, those in the buffer included.
    [[nodiscard]] std::uint64_t offset() const noexcept { return passed_on_ + buffers_[filling_].size(); }

    /// Sends a piece on its way, if one has gathered; waits while all buffers are. The error of an earlier write, `OutOfMemory`.
    Result<void> pass_on() { return buffer().size() < piece_bytes && !buffer().failed() ? Result<void>{} : hand_over(false); }

    /// Writes what is left, and waits for it. Once, at the end.
    Result<void> finish() {
        Result<void> written = hand_over(true);
        stop();
        return written ? std::move(status_) : std::move(written);
    }

private:
    static constexpr std::size_t alignment = 4096;

    /// Memory that the disk can be given directly.
    class Aligned final : public Allocator {
    public:
        explicit Aligned(Allocator& below) noexcept : below_{&below} {}
        [[nodiscard]] void* allocate(std::size_t bytes, std::size_t wanted) noexcept override {
            return below_->allocate(bytes, std::max(wanted, alignment));
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t wanted) noexcept override {
            below_->deallocate(memory, bytes, std::max(wanted, alignment));
        }

    private:
        Allocator* below_;
    };

    Result<void> hand_over(bool everything) {
        ByteBuffer& full = buffer();
        if (full.failed()) {
            return Error{ErrorCode::OutOfMemory, "no memory for a snapshot's buffers"};
        }
        const std::size_t bytes = everything ? full.size() : full.size() / alignment * alignment;
        if (!own_thread_) {
            if (status_) {
                status_ = write(full.view().first(bytes), passed_on_);
            }
            return go_on(full, bytes);
        }
        std::unique_lock lock{mutex_};
        if (!thread_) {
            thread_.reset(new Thread{[this](const Thread::Stop&) { write_all(); }});
        }
        changed_.wait(lock, [&] { return waiting_ == 0; });
        if (bytes != 0) {
            written_ = filling_;
            waiting_ = bytes;
            changed_.notify_all();
        }
        lock.unlock();
        return go_on(full, bytes);
    }

    /// What `full` holds beyond `bytes` begins the next buffer.
    Result<void> go_on(ByteBuffer& full, std::size_t bytes) {
        const std::span<const std::byte> rest = full.view().subspan(bytes);
        ByteBuffer* next = &full;
        if (own_thread_) {
            filling_ = (filling_ + 1) % buffers_.size();
            next = &buffers_[filling_];
            next->clear();
            if (next->reserve(room_)) {
                next->append(rest);
            }
        } else {
            // Overlapping is no matter: less than a page of the rest goes to the front of a buffer that held more than a piece.
            std::array<std::byte, alignment> aside; // NOLINT: filled as far as it is read
            std::copy(rest.begin(), rest.end(), aside.begin());
            const std::size_t size = rest.size();
            full.clear();
            full.append(std::span<const std::byte>{aside}.first(size));
        }
        passed_on_ += bytes;
        const std::lock_guard lock{mutex_};
        return status_ ? Result<void>{} : Result<void>{status_.error().clone()};
    }

    Result<void> write(std::span<const std::byte> bytes, std::uint64_t offset) {
        const std::uint64_t end = offset + bytes.size();
        if (end > cached_bytes) {
            return file_->pwrite_uncached(bytes, offset);
        }
        Result<void> written = file_->pwrite(bytes, offset);
        if (written && offset / write_back_bytes != end / write_back_bytes) {
            const std::uint64_t begin = offset / write_back_bytes * write_back_bytes;
            file_->begin_write_back(begin, end - begin);
        }
        return written;
    }

    void write_all() {
        std::unique_lock lock{mutex_};
        std::uint64_t offset = 0;
        for (;;) {
            changed_.wait(lock, [&] { return waiting_ != 0 || stopping_; });
            if (waiting_ == 0) {
                return;
            }
            const std::span<const std::byte> bytes = buffers_[written_].view().first(waiting_);
            if (status_) {
                lock.unlock();
                Result<void> written = write(bytes, offset);
                lock.lock();
                status_ = std::move(written);
            }
            offset += bytes.size();
            waiting_ = 0;
            changed_.notify_all();
        }
    }

    void stop() noexcept {
        if (thread_) {
            {
                const std::lock_guard lock{mutex_};
                stopping_ = true;
                changed_.notify_all();
            }
            thread_.reset();
        }
    }

    File* file_;
    Aligned allocator_;
    std::size_t room_;
    bool own_thread_;
    /// One is filled, one is written: handing over waits until the one before is.
    std::array<ByteBuffer, 2> buffers_{ByteBuffer{allocator_}, ByteBuffer{allocator_}};
    std::size_t filling_ = 0;
    std::uint64_t passed_on_ = 0;

    std::mutex mutex_; // guards what follows
    std::condition_variable changed_;
    std::size_t written_ = 0; ///< The buffer to be written …
    std::size_t waiting_ = 0; ///< … and how many of its bytes; 0 when it has been.
    bool stopping_ = false;
    Result<void> status_;
    Owner<Thread> thread_;
};

} // namespace ecsdb::snapshot
