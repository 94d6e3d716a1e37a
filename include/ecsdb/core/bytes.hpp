/// @file
/// Turns values into bytes and back: fixed-width little-endian, varint, a growing buffer and a reader that cannot run off the end.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/core/allocator.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// A value with one fixed-width form on disk and wire. Not `bool`: a stored byte may hold more than 0 and 1, so it is read as a number.
template <typename T>
concept FixedWidth = (std::is_arithmetic_v<T> || std::is_enum_v<T>)&&!std::is_same_v<T, bool> && sizeof(T) <= 8;

/// The value whose little-endian form starts at `bytes`, at any alignment. `sizeof(T)` bytes must be readable.
template <FixedWidth T>
[[nodiscard]] inline T load_le(const std::byte* bytes) noexcept {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

/// The same, where the compiler can check the length: `load_le<std::uint32_t>(header.subspan<8, 4>())`.
template <FixedWidth T>
[[nodiscard]] inline T load_le(std::span<const std::byte, sizeof(T)> bytes) noexcept {
    return load_le<T>(bytes.data());
}

/// Writes `value` little-endian at any alignment. `sizeof(T)` bytes must be writable.
template <FixedWidth T>
inline void store_le(std::byte* bytes, std::type_identity_t<T> value) noexcept {
    std::memcpy(bytes, &value, sizeof value);
}

/// The most bytes a varint takes.
inline constexpr std::size_t max_varint_size = 10;

/// How many bytes `value` takes as a varint.
[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) noexcept {
    return (static_cast<std::size_t>(std::bit_width(value | 1U)) + 6U) / 7U;
}

/// Writes `value` in LEB128, seven bits a byte, low bits first, and returns the end. `max_varint_size` bytes must be writable.
inline std::byte* store_varint(std::byte* bytes, std::uint64_t value) noexcept {
    for (; value >= 0x80U; value >>= 7U) {
        *bytes++ = static_cast<std::byte>(value | 0x80U);
    }
    *bytes++ = static_cast<std::byte>(value);
    return bytes;
}

/// Folds the sign into the lowest bit, so that small numbers of either sign make short varints.
[[nodiscard]] constexpr std::uint64_t zigzag_encode(std::int64_t value) noexcept {
    return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}

/// Undoes `zigzag_encode`.
[[nodiscard]] constexpr std::int64_t zigzag_decode(std::uint64_t value) noexcept {
    return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1U));
}

/// Bytes that grow at the end, in memory of an `Allocator`.
///
/// When the allocator refuses, the buffer becomes `failed()`: it keeps what it holds, ignores every further append, and says so until
/// `clear()`. So a long encoding checks once, at its end. Cost of an append: one comparison and a copy; growing doubles.
///
/// For one thread at a time. The allocator must outlive it. Pointers and spans into it live until the next append, `reserve` or `clear`.
class ByteBuffer {
public:
    /// What the memory is aligned to.
    static constexpr std::size_t alignment = 64;

    /// Empty; takes no memory yet.
    explicit ByteBuffer(Allocator& allocator) noexcept : allocator_{&allocator} {}
    ByteBuffer(ByteBuffer&& other) noexcept
        : allocator_{other.allocator_}, data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)},
          limit_{std::exchange(other.limit_, 0)}, capacity_{std::exchange(other.capacity_, 0)}, failed_{
                                                                                                    std::exchange(other.failed_, false)} {}
    ByteBuffer& operator=(ByteBuffer&& other) noexcept {
        if (this != &other) {
            release();
            allocator_ = other.allocator_;
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
            limit_ = std::exchange(other.limit_, 0);
            capacity_ = std::exchange(other.capacity_, 0);
            failed_ = std::exchange(other.failed_, false);
        }
        return *this;
    }
    ~ByteBuffer() { release(); }

    /// Room for `bytes` more at the end, counted as held and left for the caller to fill; null after a failure.
    [[nodiscard]] std::byte* extend(std::size_t bytes) noexcept {
        // Not `>`: a failed buffer and one without memory have no room at all, and even zero bytes must find that out.
        if (bytes >= limit_ - size_ && !make_room(bytes)) [[unlikely]] {
            return nullptr;
        }
        std::byte* const room = data_ + size_;
        size_ += bytes;
        return room;
    }

    /// Copies `count` bytes, which must not lie in this buffer, to the end.
    void append(const void* bytes, std::size_t count) noexcept {
        if (count != 0) {
            if (std::byte* const room = extend(count)) [[likely]] {
                std::memcpy(room, bytes, count);
            }
        }
    }
    void append(std::span<const std::byte> bytes) noexcept { append(bytes.data(), bytes.size()); }

    template <FixedWidth T>
    void append_le(std::type_identity_t<T> value) noexcept {
        if (std::byte* const room = extend(sizeof(T))) [[likely]] {
            store_le<T>(room, value);
        }
    }
    void append_varint(std::uint64_t value) noexcept {
        if (limit_ - size_ >= max_varint_size || make_room(max_varint_size)) [[likely]] {
            size_ = static_cast<std::size_t>(store_varint(data_ + size_, value) - data_);
        }
    }
    void append_zigzag(std::int64_t value) noexcept { append_varint(zigzag_encode(value)); }

    /// Overwrites a value appended earlier. `offset + sizeof(T)` must not exceed `size()`, unless the buffer has failed: then nothing
    /// happens where the place is not there.
    template <FixedWidth T>
    void patch_le(std::size_t offset, std::type_identity_t<T> value) noexcept {
        const bool held = offset <= size_ && sizeof(T) <= size_ - offset;
        ECSDB_ASSERT(held || failed_, "a patch must lie within the buffer");
        if (held) {
            store_le<T>(data_ + offset, value);
        }
    }

    /// Sees to it that `bytes` fit in total without growing again. False, and failed, when there is no memory.
    bool reserve(std::size_t bytes) noexcept { return bytes <= limit_ || make_room(bytes - size_); }

    /// Forgets everything past the first `size` bytes. Does not undo a failure.
    void resize_down(std::size_t size) noexcept {
        ECSDB_ASSERT(size <= size_ || failed_, "resize_down cannot grow a buffer");
        size_ = size < size_ ? size : size_;
        limit_ = failed_ ? size_ : limit_;
    }

    /// Empty again and no longer failed; keeps its memory.
    void clear() noexcept {
        size_ = 0;
        limit_ = capacity_;
        failed_ = false;
    }

    /// From now on behaves as if an append had been lost. False, for whoever returns with it.
    bool fail() noexcept {
        failed_ = true;
        limit_ = size_;
        return false;
    }
    /// Whether an append was lost since the last `clear()`.
    [[nodiscard]] bool failed() const noexcept { return failed_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::byte* data() noexcept { return data_; }
    [[nodiscard]] const std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::span<const std::byte> view() const noexcept { return {data_, size_}; }
    [[nodiscard]] Allocator& allocator() const noexcept { return *allocator_; }

private:
    static constexpr std::size_t first_capacity = 256;

    ECSDB_NOINLINE bool make_room(std::size_t bytes) noexcept {
        if (failed_) {
            return false;
        }
        if (data_ != nullptr && bytes <= capacity_ - size_) {
            return true;
        }
        const std::size_t largest = static_cast<std::size_t>(PTRDIFF_MAX) / 2;
        if (bytes > largest || size_ > largest - bytes) {
            return fail();
        }
        std::size_t capacity = capacity_ == 0 ? first_capacity : capacity_ * 2;
        if (capacity < size_ + bytes) {
            capacity = (size_ + bytes + alignment - 1) / alignment * alignment;
        }
        auto* const grown = static_cast<std::byte*>(allocator_->allocate(capacity, alignment));
        if (grown == nullptr) {
            return fail();
        }
        if (size_ != 0) {
            std::memcpy(grown, data_, size_);
        }
        release();
        data_ = grown;
        capacity_ = limit_ = capacity;
        return true;
    }
    void release() noexcept {
        if (data_ != nullptr) {
            allocator_->deallocate(data_, capacity_, alignment);
        }
    }

    Allocator* allocator_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t limit_ = 0; // capacity_, or size_ after a failure: one comparison then covers both
    std::size_t capacity_ = 0;
    bool failed_ = false;
};

/// Reads values from bytes nobody vouches for.
///
/// A read past the end, or a varint that does not fit 64 bits, yields zero or an empty span and makes the reader `failed()`; every
/// later read then yields the same. So a decoder may read a group of fields and check once, before it uses a length.
///
/// A small value to copy; the bytes must outlive it and the spans it gives.
class ByteReader {
public:
    explicit ByteReader(std::span<const std::byte> bytes) noexcept
        : begin_{bytes.data()}, next_{bytes.data()}, end_{bytes.data() + bytes.size()} {}

    template <FixedWidth T>
    [[nodiscard]] T read_le() noexcept {
        if (remaining() < sizeof(T)) [[unlikely]] {
            fail();
            return T{};
        }
        const T value = load_le<T>(next_);
        next_ += sizeof(T);
        return value;
    }

    [[nodiscard]] std::uint64_t read_varint() noexcept {
        if (next_ != end_ && *next_ < std::byte{0x80}) [[likely]] {
            return static_cast<std::uint64_t>(*next_++);
        }
        return read_long_varint();
    }
    [[nodiscard]] std::int64_t read_zigzag() noexcept { return zigzag_decode(read_varint()); }

    /// The next `count` bytes where they lie. A count that was read from the bytes is safe to pass.
    [[nodiscard]] std::span<const std::byte> read_bytes(std::size_t count) noexcept {
        if (remaining() < count) [[unlikely]] {
            fail();
            return {};
        }
        const std::span<const std::byte> bytes{next_, count};
        next_ += count;
        return bytes;
    }

    [[nodiscard]] bool failed() const noexcept { return failed_; }
    /// How many bytes are left; none after a failure.
    [[nodiscard]] std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - next_); }
    /// How many bytes were read; after a failure, where the read that failed began.
    [[nodiscard]] std::size_t offset() const noexcept { return static_cast<std::size_t>(next_ - begin_); }

private:
    ECSDB_NOINLINE std::uint64_t read_long_varint() noexcept {
        std::uint64_t value = 0;
        const std::byte* next = next_;
        for (unsigned shift = 0; shift < 64 && next != end_; shift += 7) {
            const auto bits = static_cast<std::uint64_t>(*next++);
            if (shift == 63 && bits > 1) {
                break;
            }
            value |= (bits & 0x7FU) << shift;
            if (bits < 0x80U) {
                next_ = next;
                return value;
            }
        }
        fail();
        return 0;
    }
    void fail() noexcept {
        failed_ = true;
        end_ = next_;
    }

    const std::byte* begin_;
    const std::byte* next_;
    const std::byte* end_;
    bool failed_ = false;
};

} // namespace ecsdb
