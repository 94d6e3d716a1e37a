/// @file
/// The floor's side: plain arrays in memory taken and advised exactly as the database's own.
#pragma once

#include "ecsdb/core/allocator.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

namespace bench {

/// A fixed array, touched once, from the allocator ecsdb uses: both sides have huge pages, or neither has.
template <typename T>
class PlainArray {
public:
    explicit PlainArray(std::size_t size, const T& value = {}) : size_{size} {
        data_ = static_cast<T*>(allocator_.allocate(size * sizeof(T), 64));
        if (data_ == nullptr) {
            std::abort();
        }
        std::uninitialized_fill_n(data_, size, value);
    }
    explicit PlainArray(const std::vector<T>& values) : PlainArray{values.size()} { std::copy(values.begin(), values.end(), data_); }
    PlainArray(const PlainArray&) = delete;
    PlainArray& operator=(const PlainArray&) = delete;
    ~PlainArray() { allocator_.deallocate(data_, size_ * sizeof(T), 64); }

    [[nodiscard]] T* data() { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T& operator[](std::size_t i) { return data_[i]; }

private:
    ecsdb::SystemAllocator allocator_;
    std::size_t size_;
    T* data_;
};

/// What any store with stable ids keeps per entity: where its row is, and which generation lives there. As large as ecsdb's.
struct PlainRecord {
    std::uint32_t row;
    std::uint32_t archetype;
    std::uint32_t generation;
};

} // namespace bench
