/// @file
/// Compresses blocks, on a thread of its own where there may be one: the next block is made meanwhile, and the one before written.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/compression.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/core/thread.hpp"
#include "ecsdb/snapshot/format.hpp"
#include "ecsdb/snapshot/shuffle.hpp"

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

namespace ecsdb::snapshot {

/// The level at which packing costs a snapshot less than a tenth of its time, whatever the values. The order of the bytes does most of the
/// work: floats with no fraction shrink to 56 % here, and to 48 % at level -3, which takes half as long again as not packing.
inline constexpr int fast_compression = -20;

/// Packs one block after the other. Holds two blocks' worth of memory.
class BlockPacker {
public:
    /// `level` as in `compress`; 0 packs nothing.
    BlockPacker(Allocator& allocator, int level) noexcept : level_{level}, shuffled_{allocator}, packed_{allocator} {}

    /// What of `content` is to be stored, and how, which `header` says then: the content itself where packing saves nothing. Valid
    /// until the next call. `OutOfMemory`.
    [[nodiscard]] Result<std::span<const std::byte>> pack(BlockHeader& header, std::span<const std::byte> content) {
        header.codec = Codec::Raw;
        header.raw_size = static_cast<std::uint32_t>(content.size());
        if (level_ == 0 || content.size() < worth_packing) {
            return content;
        }
        packed_.clear();
        const bool shuffles = header.kind == BlockKind::Rows && header.rows > 1 && content.size() % header.rows == 0;
        if (auto packed = shuffles ? pack_rows(content, header.rows) : compressor_.compress(content, packed_, level_); !packed) {
            return std::move(packed).error();
        }
        if (packed_.size() >= content.size()) {
            return content;
        }
        header.codec = shuffles ? Codec::ShuffledZstd : Codec::Zstd;
        return std::span<const std::byte>{packed_.view()};
    }

private:
    static constexpr std::size_t worth_packing = 128;

    /// Packs the first bytes of all rows, then the second ones, and so on.
    Result<void> pack_rows(std::span<const std::byte> content, std::size_t rows) {
        shuffled_.clear();
        std::byte* const room = shuffled_.extend(content.size());
        if (room == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to pack a block"};
        }
        shuffle_rows(content.data(), room, rows, content.size() / rows);
        return compressor_.compress(shuffled_.view(), packed_, level_);
    }

    int level_;
    ByteBuffer shuffled_;
    ByteBuffer packed_;
    Compressor compressor_;
};

/// Takes blocks from whoever makes them to a thread that packs them and passes them on, in order. Two places: one is filled while the other
/// is packed. Where the other is not done yet, whoever makes the blocks packs the next one itself.
///
/// `Take` is called on the other thread, as `take(BlockHeader, Result<std::span<const std::byte>> stored)`. All calls from one thread.
template <typename Take>
class PackingThread {
public:
    /// `level` as in `BlockPacker`.
    PackingThread(Allocator& allocator, int level, Take take)
        : take_{std::move(take)}, places_{Place{allocator, level}, Place{allocator, level}} {}
    PackingThread(const PackingThread&) = delete;
    PackingThread& operator=(const PackingThread&) = delete;
    ~PackingThread() { stop(); }

    /// An empty buffer for the content of the next block. Until the next `hand_over`.
    [[nodiscard]] ByteBuffer& buffer() noexcept { return places_[filling_].content; }

    /// Gives the block in `buffer` away; waits until the one before has been taken.
    void hand_over(const BlockHeader& header) {
        Place& place = places_[filling_];
        place.header = header;
        place.stored.reset();
        std::unique_lock lock{mutex_};
        if (thread_ == nullptr) {
            thread_.reset(new Thread{[this](const Thread::Stop&) { take_all(); }});
        }
        if (waiting_ != nullptr) {
            lock.unlock();
            place.pack();
            lock.lock();
        }
        changed_.wait(lock, [&] { return waiting_ == nullptr; });
        waiting_ = &place;
        changed_.notify_all();
        lock.unlock();
        filling_ = 1 - filling_;
        buffer().clear();
    }

    /// Waits until everything has been taken, and ends the thread.
    void stop() noexcept {
        if (thread_ == nullptr) {
            return;
        }
        {
            const std::lock_guard lock{mutex_};
            stopping_ = true;
            changed_.notify_all();
        }
        thread_.reset();
    }

private:
    struct Place {
        Place(Allocator& allocator, int level) noexcept : content{allocator}, packer{allocator, level} {}
        void pack() { stored.emplace(packer.pack(header, content.view())); }

        BlockHeader header;
        ByteBuffer content;
        BlockPacker packer;
        std::optional<Result<std::span<const std::byte>>> stored; ///< Once it is packed.
    };

    void take_all() {
        std::unique_lock lock{mutex_};
        for (;;) {
            changed_.wait(lock, [&] { return waiting_ != nullptr || stopping_; });
            if (waiting_ == nullptr) {
                return;
            }
            Place& place = *waiting_;
            lock.unlock();
            if (!place.stored) {
                place.pack();
            }
            take_(place.header, *std::move(place.stored));
            lock.lock();
            waiting_ = nullptr;
            changed_.notify_all();
        }
    }

    Take take_;
    std::array<Place, 2> places_;
    std::size_t filling_ = 0;

    std::mutex mutex_; // guards what follows
    std::condition_variable changed_;
    Place* waiting_ = nullptr; ///< To be taken, or being taken.
    bool stopping_ = false;
    Owner<Thread> thread_;
};

} // namespace ecsdb::snapshot
