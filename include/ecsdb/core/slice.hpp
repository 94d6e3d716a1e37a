/// @file
/// Values that lie side by side: what ecsdb's own rooms use of std::span, at a tenth of what each type costs whoever includes it.
#pragma once

#include "ecsdb/config.hpp"

#include <concepts>
#include <cstddef>

namespace ecsdb {

/// Names `size` values; valid as long as they stay where they are. Copy it.
template <typename T>
class Slice {
public:
    constexpr Slice() noexcept = default;
    constexpr Slice(T* data, std::size_t size) noexcept : data_{data}, size_{size} {}
    /// All of a container that has its values side by side: another slice, a std::span, a std::vector.
    template <typename Values>
    requires requires(Values& values) {
        { values.data() } -> std::convertible_to<T*>;
        { values.size() } -> std::convertible_to<std::size_t>;
    }
    constexpr Slice(Values&& values) noexcept : Slice{values.data(), values.size()} {}

    [[nodiscard]] constexpr T* data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr T* begin() const noexcept { return data_; }
    [[nodiscard]] constexpr T* end() const noexcept { return data_ + size_; }
    [[nodiscard]] constexpr T& operator[](std::size_t i) const noexcept {
        ECSDB_ASSERT(i < size_, "no such element");
        return data_[i];
    }
    [[nodiscard]] constexpr T& front() const noexcept { return (*this)[0]; }
    [[nodiscard]] constexpr T& back() const noexcept { return (*this)[size_ - 1]; }
    /// The first `count` of them.
    [[nodiscard]] constexpr Slice first(std::size_t count) const noexcept { return subspan(0, count); }
    /// `count` of them from `offset` on.
    [[nodiscard]] constexpr Slice subspan(std::size_t offset, std::size_t count) const noexcept {
        ECSDB_ASSERT(offset <= size_ && count <= size_ - offset, "more than there is");
        return {data_ + offset, count};
    }
    /// All of them from `offset` on.
    [[nodiscard]] constexpr Slice subspan(std::size_t offset) const noexcept { return subspan(offset, size_ - offset); }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace ecsdb
