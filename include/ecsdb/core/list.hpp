/// @file
/// A growing array for ecsdb's own rooms: what they use of std::vector, at a tenth of what each type costs whoever includes it.
#pragma once

#include "ecsdb/config.hpp"

#include <cstddef>
#include <new>
#include <utility>

namespace ecsdb {

/// Values side by side, in memory that moves when it grows. Behaves as std::vector does, which the interface keeps to; moving a `T` must
/// not throw. Not thread-safe.
template <typename T>
class List {
public:
    using value_type = T;

    List() noexcept = default;
    // Both begin as an empty list, which is destroyed with what it has got where making a value throws.
    /// `count` values, each as `T{}`.
    explicit List(std::size_t count) : List() { resize(count); }
    List(const List& other) : List() {
        reserve(other.size_);
        for (const T& value : other) {
            push_back(value);
        }
    }
    List(List&& other) noexcept { swap(other); }
    List& operator=(List other) noexcept {
        swap(other);
        return *this;
    }
    ~List() {
        clear();
        ::operator delete (static_cast<void*>(data_), std::align_val_t{alignof(T)});
    }
    void swap(List& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] T* data() noexcept { return data_; }
    [[nodiscard]] const T* data() const noexcept { return data_; }
    [[nodiscard]] T* begin() noexcept { return data_; }
    [[nodiscard]] T* end() noexcept { return data_ + size_; }
    [[nodiscard]] const T* begin() const noexcept { return data_; }
    [[nodiscard]] const T* end() const noexcept { return data_ + size_; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept {
        ECSDB_ASSERT(i < size_, "no such element");
        return data_[i];
    }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept {
        ECSDB_ASSERT(i < size_, "no such element");
        return data_[i];
    }
    [[nodiscard]] T& front() noexcept { return (*this)[0]; }
    [[nodiscard]] const T& front() const noexcept { return (*this)[0]; }
    [[nodiscard]] T& back() noexcept { return (*this)[size_ - 1]; }
    [[nodiscard]] const T& back() const noexcept { return (*this)[size_ - 1]; }

    /// Room for `count` values in all.
    void reserve(std::size_t count) {
        if (count > capacity_) {
            List larger;
            larger.allocate(count);
            larger.take(*this);
        }
    }
    /// The same, but where memory is refused nothing changes: false.
    [[nodiscard]] bool try_push_back(T value) noexcept {
        if (size_ == capacity_) {
            List larger;
            const std::size_t count = capacity_ == 0 ? 4 : 2 * capacity_;
            larger.data_ = static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{alignof(T)}, std::nothrow));
            if (larger.data_ == nullptr) {
                return false;
            }
            larger.capacity_ = count;
            larger.take(*this);
        }
        ::new (static_cast<void*>(data_ + size_)) T(std::move(value));
        ++size_;
        return true;
    }
    void push_back(const T& value) { emplace_back(value); }
    void push_back(T&& value) { emplace_back(std::move(value)); }
    /// Cost: O(1), amortised. An argument may lie in the list itself.
    template <typename... Args>
    T& emplace_back(Args&&... args) {
        if (size_ == capacity_) [[unlikely]] {
            List larger;
            larger.allocate(capacity_ == 0 ? 4 : 2 * capacity_);
            ::new (static_cast<void*>(larger.data_ + size_)) T(std::forward<Args>(args)...); // while the old values are where they were
            larger.take(*this);
        } else {
            ::new (static_cast<void*>(data_ + size_)) T(std::forward<Args>(args)...);
        }
        return data_[size_++];
    }
    /// Before `at`, which is of this list. Cost: O(size).
    T* insert(const T* at, T value) {
        const auto index = static_cast<std::size_t>(at - data_);
        push_back(std::move(value));
        for (std::size_t i = size_ - 1; i > index; --i) {
            std::swap(data_[i], data_[i - 1]);
        }
        return data_ + index;
    }
    void pop_back() noexcept {
        ECSDB_ASSERT(size_ != 0, "nothing to remove");
        data_[--size_].~T();
    }
    /// Cost: O(size).
    T* erase(const T* at) noexcept { return erase(at, at + 1); }
    T* erase(const T* first, const T* last) noexcept {
        T* const gap = data_ + (first - data_);
        if (first != last) {
            T* to = gap;
            for (T* from = data_ + (last - data_); from != end(); ++from, ++to) {
                *to = std::move(*from);
            }
            shrink_to(static_cast<std::size_t>(to - data_));
        }
        return gap;
    }
    /// New values are as `T{}`.
    void resize(std::size_t count) {
        shrink_to(count);
        reserve(count);
        while (size_ < count) {
            ::new (static_cast<void*>(data_ + size_)) T{};
            ++size_;
        }
    }
    void clear() noexcept { shrink_to(0); }

    /// Removes the values for which `unwanted(value)` holds; says how many those were.
    template <typename Predicate>
    friend std::size_t erase_if(List& list, Predicate&& unwanted) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < list.size_; ++i) {
            if (!unwanted(std::as_const(list.data_[i]))) {
                if (kept != i) {
                    list.data_[kept] = std::move(list.data_[i]);
                }
                ++kept;
            }
        }
        const std::size_t erased = list.size_ - kept;
        list.shrink_to(kept);
        return erased;
    }

private:
    void allocate(std::size_t count) {
        data_ = static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{alignof(T)}));
        capacity_ = count;
    }
    /// Moves the values of `other` to its own front, and then is `other`.
    void take(List& other) noexcept {
        for (; size_ < other.size_; ++size_) {
            ::new (static_cast<void*>(data_ + size_)) T(std::move(other.data_[size_]));
        }
        swap(other);
    }
    void shrink_to(std::size_t count) noexcept {
        while (size_ > count) {
            data_[--size_].~T();
        }
    }

    T* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace ecsdb
