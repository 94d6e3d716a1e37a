/// @file
/// A value, or the error that came instead of it. Nothing in ecsdb reports a failure any other way.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/core/error.hpp"

#include <new>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// Either a `T` or an `Error`.
///
/// Test it, then dereference it: `if (!result) return std::move(result).error().in("…");`. Dereferencing a failure is a
/// broken precondition, caught in debug builds.
template <typename T>
class [[nodiscard]] Result {
public:
    using value_type = T;

    Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : has_value_{true} {
        ::new (static_cast<void*>(&value_)) T(std::move(value));
    }
    Result(Error error) noexcept : error_{std::move(error)} {
        ECSDB_ASSERT(error_.details_.get() != nullptr, "a Result was made from a moved-from Error");
    }
    Result(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        : error_{std::move(other.error_)}, has_value_{other.has_value_} {
        if (has_value()) {
            ::new (static_cast<void*>(&value_)) T(std::move(other.value_));
        }
    }
    Result& operator=(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if (this != &other) {
            this->~Result();
            ::new (static_cast<void*>(this)) Result(std::move(other));
        }
        return *this;
    }
    ~Result() {
        if (has_value()) {
            value_.~T();
        }
    }

    [[nodiscard]] bool has_value() const noexcept { return has_value_; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] T& operator*() & noexcept { return checked(); }
    [[nodiscard]] const T& operator*() const& noexcept { return const_cast<Result*>(this)->checked(); }
    [[nodiscard]] T&& operator*() && noexcept { return std::move(checked()); }
    [[nodiscard]] T* operator->() noexcept { return &checked(); }
    [[nodiscard]] const T* operator->() const noexcept { return &const_cast<Result*>(this)->checked(); }

    /// The failure. The result must hold one.
    [[nodiscard]] const Error& error() const& noexcept { return failure(); }
    [[nodiscard]] Error error() && noexcept { return std::move(failure()); }

    /// The value, or `otherwise` after a failure.
    [[nodiscard]] T value_or(T otherwise) && { return has_value() ? std::move(value_) : std::move(otherwise); }

private:
    T& checked() noexcept {
        ECSDB_ASSERT(has_value(), "the value of a failed Result was read");
        return value_;
    }
    Error& failure() noexcept {
        ECSDB_ASSERT(!has_value(), "the error of a successful Result was read");
        return error_;
    }
    const Error& failure() const noexcept { return const_cast<Result*>(this)->failure(); }

    Error error_;
    union {
        T value_;
    };
    // Not "no error": one that was moved out has left no value behind.
    bool has_value_ = false;
};

/// Success, or an error.
template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;

    Result() noexcept = default;
    Result(Error error) noexcept : error_{std::move(error)} {
        ECSDB_ASSERT(error_.details_.get() != nullptr, "a Result was made from a moved-from Error");
    }

    [[nodiscard]] bool has_value() const noexcept { return !error_.details_; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] const Error& error() const& noexcept {
        ECSDB_ASSERT(!has_value(), "the error of a successful Result was read");
        return error_;
    }
    [[nodiscard]] Error error() && noexcept {
        ECSDB_ASSERT(!has_value(), "the error of a successful Result was read");
        return std::move(error_);
    }

private:
    Error error_;
};

} // namespace ecsdb
