/// @file
/// Owns one object on the heap: a std::unique_ptr that costs whoever includes it a tenth.
#pragma once

#include <cstddef>

namespace ecsdb {

/// Deletes what it points to. Moves; null where it owns nothing. `T` must be complete where one is destroyed.
template <typename T>
class Owner {
public:
    Owner() noexcept = default;
    explicit Owner(T* object) noexcept : object_{object} {}
    Owner(Owner&& other) noexcept : object_{other.release()} {}
    Owner& operator=(Owner&& other) noexcept {
        reset(other.release());
        return *this;
    }
    ~Owner() { delete object_; }

    [[nodiscard]] T* get() const noexcept { return object_; }
    [[nodiscard]] T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_; }
    [[nodiscard]] bool operator==(std::nullptr_t) const noexcept { return object_ == nullptr; }
    [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }

    /// Deletes what it owned, after it has taken `object`.
    void reset(T* object = nullptr) noexcept {
        T* const before = object_;
        object_ = object;
        delete before;
    }
    /// Gives up what it owned without deleting it.
    [[nodiscard]] T* release() noexcept {
        T* const released = object_;
        object_ = nullptr;
        return released;
    }

private:
    T* object_ = nullptr;
};

} // namespace ecsdb
