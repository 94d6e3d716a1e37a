/// @file
/// Remembers the frames a power cut could still take back, so that they can be written again somewhere else.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/list.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <utility>

namespace ecsdb::wal {

/// Copies of frames, in order, until they are durable.
///
/// They lie in blocks that are used over and over: once as much as usual has been kept, `append` and `clear` take no memory. A copy and
/// not the buffers the frames were built in: those stay few, and in the cache of the thread that fills them. For one thread at a time;
/// the allocator must outlive it.
class KeptFrames {
public:
    static constexpr std::size_t block_bytes = std::size_t{512} << 10U;

    explicit KeptFrames(Allocator& allocator) noexcept : allocator_{&allocator} {}
    KeptFrames(const KeptFrames&) = delete;
    KeptFrames& operator=(const KeptFrames&) = delete;
    ~KeptFrames() {
        clear();
        while (free_ != nullptr) {
            release(std::exchange(free_, free_->next));
        }
    }

    /// Keeps a run of whole frames. False, and nothing has changed, when memory is refused.
    [[nodiscard]] bool append(std::span<const std::byte> frames) noexcept {
        if (frames.empty()) {
            return true;
        }
        if (last_ == nullptr || last_->capacity - last_->size < frames.size()) [[unlikely]] {
            Block* const block = take(frames.size());
            if (block == nullptr) {
                return false;
            }
            (last_ == nullptr ? first_ : last_->next) = block;
            last_ = block;
            ++blocks_;
        }
        std::memcpy(last_->bytes() + last_->size, frames.data(), frames.size());
        last_->size += frames.size();
        bytes_ += frames.size();
        return true;
    }

    /// Forgets everything. Blocks are set aside for the next time, all but a few that have not been needed lately.
    void clear() noexcept {
        while (first_ != nullptr) {
            Block* const block = std::exchange(first_, first_->next);
            block->next = std::exchange(free_, block);
            ++free_blocks_;
        }
        // A burst's memory goes back little by little, so that ordinary ups and downs cost nothing.
        if (free_blocks_ > 2 * blocks_ + 1) {
            release(std::exchange(free_, free_->next));
            --free_blocks_;
        }
        last_ = nullptr;
        blocks_ = 0;
        bytes_ = 0;
    }

    /// What is kept, in order, each piece a run of whole frames. Valid until the next `append` or `clear`; the bytes may be written to.
    [[nodiscard]] List<std::span<std::byte>> pieces() {
        List<std::span<std::byte>> pieces;
        pieces.reserve(blocks_);
        for (Block* block = first_; block != nullptr; block = block->next) {
            pieces.emplace_back(block->bytes(), block->size);
        }
        return pieces;
    }

    /// Bytes of frames kept.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// Bytes taken from the allocator, those set aside included.
    [[nodiscard]] std::size_t allocated_bytes() const noexcept { return allocated_; }

private:
    struct alignas(64) Block {
        Block* next = nullptr;
        std::size_t size = 0;
        std::size_t capacity = 0;
        [[nodiscard]] std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
    };

    [[nodiscard]] Block* take(std::size_t bytes) noexcept {
        for (Block** link = &free_; *link != nullptr; link = &(*link)->next) {
            if (Block* const block = *link; block->capacity >= bytes) {
                *link = std::exchange(block->next, nullptr);
                --free_blocks_;
                block->size = 0;
                return block;
            }
        }
        if (free_ != nullptr) { // too small, all of them: larger ones are wanted by now
            release(std::exchange(free_, free_->next));
            --free_blocks_;
        }
        const std::size_t capacity = std::max(bytes, block_bytes);
        if (capacity > static_cast<std::size_t>(-1) / 2) {
            return nullptr;
        }
        void* const memory = allocator_->allocate(sizeof(Block) + capacity, alignof(Block));
        if (memory == nullptr) {
            return nullptr;
        }
        allocated_ += sizeof(Block) + capacity;
        auto* const block = ::new (memory) Block;
        block->capacity = capacity;
        return block;
    }
    void release(Block* block) noexcept {
        const std::size_t bytes = sizeof(Block) + block->capacity;
        allocated_ -= bytes;
        allocator_->deallocate(block, bytes, alignof(Block));
    }

    Allocator* allocator_;
    Block* first_ = nullptr;
    Block* last_ = nullptr;
    Block* free_ = nullptr;
    std::size_t blocks_ = 0;
    std::size_t free_blocks_ = 0;
    std::size_t bytes_ = 0;
    std::size_t allocated_ = 0;
};

} // namespace ecsdb::wal
