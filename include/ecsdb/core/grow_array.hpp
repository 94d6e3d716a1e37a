/// @file
/// A growing array of plain values that reports refused memory instead of throwing, and keeps its room for the next use.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/slice.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// What the writer collects values in while it works: after warm-up it allocates nothing. Not thread-safe.
template <typename T>
requires std::is_trivially_copyable_v<T>
class GrowArray {
public:
    explicit GrowArray(Allocator& allocator) noexcept : allocator_{&allocator} {}
    GrowArray(GrowArray&& other) noexcept
        : allocator_{other.allocator_}, data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)},
          capacity_{std::exchange(other.capacity_, 0)} {}
    GrowArray& operator=(GrowArray&& other) noexcept {
        std::swap(allocator_, other.allocator_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        return *this;
    }
    ~GrowArray() {
        if (data_ != nullptr) {
            allocator_->deallocate(data_, capacity_ * sizeof(T), alignment);
        }
    }

    /// False when memory is refused; the array is as it was then. Cost: O(1), amortised.
    [[nodiscard]] bool push(const T& value) noexcept {
        if (size_ == capacity_) [[unlikely]] {
            const T copy = value; // it may lie in the memory that growing gives back
            if (!reserve(size_ + 1)) {
                return false;
            }
            data_[size_++] = copy;
            return true;
        }
        data_[size_++] = value;
        return true;
    }
    /// Room for `count` values in all.
    [[nodiscard]] bool reserve(std::size_t count) noexcept { return count <= capacity_ || grow(count); }
    /// Room for `count` more, growing by doubling.
    [[nodiscard]] bool reserve_more(std::size_t count) noexcept { return reserve(size_ + count); }
    /// Makes the size `count`: what is there is kept, what is new is the caller's to write.
    [[nodiscard]] bool resize_for_overwrite(std::size_t count) noexcept {
        if (!reserve(count)) {
            return false;
        }
        size_ = count;
        return true;
    }
    void clear() noexcept { size_ = 0; }
    /// Forgets all values, and gives the room for them back if it is more than `most_bytes`.
    void clear_and_trim(std::size_t most_bytes) noexcept {
        size_ = 0;
        if (capacity_ > most_bytes / sizeof(T)) {
            allocator_->deallocate(std::exchange(data_, nullptr), std::exchange(capacity_, 0) * sizeof(T), alignment);
        }
    }
    void shrink_to(std::size_t count) noexcept { size_ = std::min(size_, count); }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data_[i]; }
    [[nodiscard]] T& back() noexcept { return data_[size_ - 1]; }
    [[nodiscard]] T* data() noexcept { return data_; }
    [[nodiscard]] const T* data() const noexcept { return data_; }
    [[nodiscard]] T* begin() noexcept { return data_; }
    [[nodiscard]] T* end() noexcept { return data_ + size_; }
    [[nodiscard]] const T* begin() const noexcept { return data_; }
    [[nodiscard]] const T* end() const noexcept { return data_ + size_; }
    [[nodiscard]] std::span<T> view() noexcept { return {data_, size_}; }
    [[nodiscard]] std::span<const T> view() const noexcept { return {data_, size_}; }
    /// The same for types of which no interface names a span.
    [[nodiscard]] Slice<T> slice() noexcept { return {data_, size_}; }
    [[nodiscard]] Slice<const T> slice() const noexcept { return {data_, size_}; }

private:
    static constexpr std::size_t alignment = std::max(alignof(T), alignof(std::max_align_t));

    ECSDB_NOINLINE bool grow(std::size_t count) noexcept {
        const std::size_t larger = std::max<std::size_t>({count, capacity_ * 2, 4096 / sizeof(T)});
        auto* const memory = static_cast<T*>(allocator_->allocate(larger * sizeof(T), alignment));
        if (memory == nullptr) {
            return false;
        }
        if (data_ != nullptr) {
            std::memcpy(static_cast<void*>(memory), data_, size_ * sizeof(T));
            allocator_->deallocate(data_, capacity_ * sizeof(T), alignment);
        }
        data_ = memory;
        capacity_ = larger;
        return true;
    }

    Allocator* allocator_;
    T* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace ecsdb
