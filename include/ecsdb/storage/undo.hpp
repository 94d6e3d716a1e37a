/// @file
/// What one transaction overwrote, so that it can be put back without a trace.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/storage/page.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace ecsdb::storage {

/// The old bytes behind every change of the running transaction, newest last (design D14).
///
/// Changes happen in place, in nodes no reader can see yet, so undoing is copying the old bytes back in reverse order. Nodes whose place in
/// a tree was taken by another during the transaction stay untouched until it ends: the bytes noted here may lie in them. Writer only.
class UndoLog {
public:
    explicit UndoLog(Allocator& allocator) noexcept : allocator_{&allocator} {}
    UndoLog(const UndoLog&) = delete;
    UndoLog& operator=(const UndoLog&) = delete;
    ~UndoLog() {
        if (data_ != nullptr) {
            allocator_->deallocate(data_, capacity_, alignof(std::max_align_t));
        }
    }

    /// Notes the `bytes` at `place` before they are overwritten. False when memory is refused: then nothing may be overwritten.
    [[nodiscard]] ECSDB_ALWAYS_INLINE bool note(void* place, std::size_t bytes) noexcept {
        const std::size_t padded = (bytes + 7U) & ~std::size_t{7};
        const std::size_t needed = padded + sizeof(Entry);
        if (capacity_ - size_ < needed && !grow(needed)) [[unlikely]] {
            return false;
        }
        copy_row(data_ + size_, place, bytes);
        const Entry entry{static_cast<std::byte*>(place), bytes};
        std::memcpy(data_ + size_ + padded, &entry, sizeof(Entry));
        size_ += needed;
        return true;
    }

    /// The same for bytes that are all zero: however many they are, the note is short.
    [[nodiscard]] bool note_zeros(void* place, std::size_t bytes) noexcept {
        if (capacity_ - size_ < sizeof(Entry) && !grow(sizeof(Entry))) [[unlikely]] {
            return false;
        }
        const Entry entry{static_cast<std::byte*>(place), bytes | zeros};
        std::memcpy(data_ + size_, &entry, sizeof(Entry));
        size_ += sizeof(Entry);
        return true;
    }

    /// Where the log stands now.
    [[nodiscard]] std::size_t mark() const noexcept { return size_; }

    /// Puts everything noted since `mark` back, newest first. Cost: O(bytes noted since).
    void roll_back_to(std::size_t mark) noexcept {
        while (size_ > mark) {
            Entry entry;
            std::memcpy(&entry, data_ + size_ - sizeof(Entry), sizeof(Entry));
            size_ -= sizeof(Entry);
            if ((entry.bytes & zeros) != 0) {
                std::memset(entry.place, 0, entry.bytes & ~zeros);
                continue;
            }
            size_ -= (entry.bytes + 7U) & ~std::size_t{7};
            std::memcpy(entry.place, data_ + size_, entry.bytes);
        }
    }

    /// Forgets everything: the changes stand.
    void clear() noexcept { size_ = 0; }
    /// The same, and gives the log's memory back if it is more than `most_bytes`.
    void clear_and_trim(std::size_t most_bytes) noexcept {
        size_ = 0;
        if (capacity_ > most_bytes) {
            allocator_->deallocate(std::exchange(data_, nullptr), std::exchange(capacity_, 0), alignof(std::max_align_t));
        }
    }

private:
    struct Entry {
        std::byte* place;
        std::size_t bytes; ///< With `zeros` set: no bytes lie before the entry.
    };
    static constexpr std::size_t zeros = ~(~std::size_t{0} >> 1U); ///< The highest bit: nothing is that long.

    ECSDB_NOINLINE bool grow(std::size_t needed) noexcept {
        const std::size_t larger = std::max<std::size_t>({capacity_ * 2, size_ + needed, std::size_t{64} << 10U});
        auto* const memory = static_cast<std::byte*>(allocator_->allocate(larger, alignof(std::max_align_t)));
        if (memory == nullptr) {
            return false;
        }
        if (data_ != nullptr) {
            std::memcpy(memory, data_, size_);
            allocator_->deallocate(data_, capacity_, alignof(std::max_align_t));
        }
        data_ = memory;
        capacity_ = larger;
        return true;
    }

    Allocator* allocator_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace ecsdb::storage
