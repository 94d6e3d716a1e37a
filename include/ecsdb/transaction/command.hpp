/// @file
/// How a transaction looks in the queue: a header and its operations, one after the other, in memory the producer lends to the writer.
#pragma once

#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/schema/schema.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::transaction {

class ProducerState;

/// What a queue item asks the writer to do.
enum class Form : std::uint8_t {
    Operations, ///< The operations follow the header.
    Buffer,     ///< A pointer to a `CommandBuffer` with the operations follows: too many for the ring.
    Task,       ///< A pointer to a `Task` follows: a function, a column update, an applied delta, or a chore of the engine.
};

/// One item of the queue points at one of these. 8-byte aligned.
struct CommandHeader {
    static constexpr std::uint8_t wants_error = 1;  ///< Somebody holds a ticket: keep the reason of a failure.
    static constexpr std::uint8_t has_deadline = 2; ///< The first 8 bytes after the header: monotonic ns by which it must have begun.

    ProducerState* producer;
    std::uint32_t ring_end; ///< The producer's ring position after this command, modulo 2^32.
    std::uint16_t bytes;    ///< Of what follows the header.
    Form form;
    std::uint8_t flags;
};
static_assert(sizeof(CommandHeader) == 16);

enum class OperationKind : std::uint8_t {
    Create,
    Destroy,
    Insert,
    Update,
    Set,
    Remove,
    UpdatePart,  ///< Payload: offset (u32), then the bytes.
    Expect,      ///< Changes nothing: the row must still be the payload.
    ExpectNoRow, ///< Changes nothing: the entity must live, and have no such row.
    Content, ///< Brings the content of a text or blob. `entity`: the token of who brings it. Payload: which of its contents (u64), bytes.
};

/// Precedes each operation's payload; payloads are padded to 8 bytes.
struct Operation {
    Entity entity;
    std::uint32_t bytes; ///< Of the payload, without padding.
    TableId table;
    OperationKind kind;
    std::uint8_t reserved;

    [[nodiscard]] const std::byte* payload() const noexcept { return reinterpret_cast<const std::byte*>(this + 1); }
    [[nodiscard]] static constexpr std::size_t padded(std::size_t payload_bytes) noexcept { return (payload_bytes + 7U) & ~std::size_t{7}; }
    [[nodiscard]] std::size_t whole_bytes() const noexcept { return sizeof(Operation) + padded(bytes); }
};
static_assert(sizeof(Operation) == 16);

/// Walks encoded operations. The bytes were written by `CommandBuffer` in this process: they are trusted.
class OperationRange {
public:
    explicit OperationRange(std::span<const std::byte> bytes) noexcept : next_{bytes.data()}, end_{bytes.data() + bytes.size()} {}
    [[nodiscard]] bool done() const noexcept { return next_ == end_; }
    [[nodiscard]] const Operation& current() const noexcept { return *reinterpret_cast<const Operation*>(next_); }
    void advance() noexcept { next_ += current().whole_bytes(); }
    /// Goes to `operation`, which is one of those this walks.
    void go_to(const Operation& operation) noexcept { next_ = reinterpret_cast<const std::byte*>(&operation); }
    /// Whether this stands where `other` does, or beyond. Both walk the same operations.
    [[nodiscard]] bool has_reached(const OperationRange& other) const noexcept { return next_ >= other.next_; }

private:
    const std::byte* next_;
    const std::byte* end_;
};

/// Writes one operation at `place`, which has room for it.
inline void write_operation(std::byte* place, OperationKind kind, Entity entity, TableId table, const std::byte* payload,
                            std::uint32_t bytes) noexcept {
    const Operation operation{entity, bytes, table, kind, 0};
    std::memcpy(place, &operation, sizeof(operation));
    if (bytes != 0) {
        std::memcpy(place + sizeof(operation), payload, bytes);
    }
}

/// The operations of one transaction while it is built; reused by its producer afterwards.
class CommandBuffer {
public:
    explicit CommandBuffer(Allocator& allocator) noexcept : bytes_{allocator} {}

    /// Appends an operation; false when memory is refused.
    [[nodiscard]] bool append(OperationKind kind, Entity entity, TableId table, const std::byte* payload, std::uint32_t bytes) noexcept {
        std::byte* const place = extend(sizeof(Operation) + Operation::padded(bytes));
        if (place == nullptr) {
            return false;
        }
        write_operation(place, kind, entity, table, payload, bytes);
        ++count_;
        return true;
    }
    /// Overwrites `bytes` of a row from `offset` on; null stands for zeros.
    [[nodiscard]] bool append_part(Entity entity, TableId table, std::uint32_t offset, const std::byte* value,
                                   std::uint32_t bytes) noexcept {
        const std::uint32_t payload = static_cast<std::uint32_t>(sizeof(offset)) + bytes;
        std::byte* const place = extend(sizeof(Operation) + Operation::padded(payload));
        if (place == nullptr) {
            return false;
        }
        const Operation operation{entity, payload, table, OperationKind::UpdatePart, 0};
        std::memcpy(place, &operation, sizeof(operation));
        std::memcpy(place + sizeof(operation), &offset, sizeof(offset));
        if (value == nullptr) {
            std::memset(place + sizeof(operation) + sizeof(offset), 0, bytes);
        } else if (bytes != 0) {
            std::memcpy(place + sizeof(operation) + sizeof(offset), value, bytes);
        }
        ++count_;
        return true;
    }
    /// Brings a content, number `ordinal` of `token`.
    [[nodiscard]] bool append_content(std::uint64_t token, std::uint64_t ordinal, std::span<const std::byte> content) noexcept {
        const auto payload = static_cast<std::uint32_t>(sizeof(ordinal) + content.size());
        std::byte* const place = extend(sizeof(Operation) + Operation::padded(payload));
        if (place == nullptr) {
            return false;
        }
        write_operation(place, OperationKind::Content, Entity::from_bits(token), 0, reinterpret_cast<const std::byte*>(&ordinal),
                        sizeof(ordinal));
        std::memcpy(place + offsetof(Operation, bytes), &payload, sizeof(payload));
        if (!content.empty()) {
            std::memcpy(place + sizeof(Operation) + sizeof(ordinal), content.data(), content.size());
        }
        ++count_;
        return true;
    }
    /// Appends an operation of another buffer, on another entity.
    [[nodiscard]] bool append_copy(const Operation& original, Entity entity) noexcept {
        std::byte* const place = extend(original.whole_bytes());
        if (place == nullptr) {
            return false;
        }
        std::memcpy(place, &original, original.whole_bytes());
        std::memcpy(place, &entity, sizeof(entity));
        static_assert(offsetof(Operation, entity) == 0);
        ++count_;
        return true;
    }
    /// Room for `count` more operations with `bytes` of payload each.
    [[nodiscard]] bool reserve(std::size_t count, std::uint32_t bytes) noexcept {
        return bytes_.reserve_more(count * (sizeof(Operation) + Operation::padded(bytes)));
    }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_.view(); }
    [[nodiscard]] std::size_t operation_count() const noexcept { return count_; }
    void clear() noexcept {
        bytes_.clear();
        count_ = 0;
    }

    CommandBuffer* next = nullptr; ///< The producer's list of buffers that are free, or on their way back.

private:
    std::byte* extend(std::size_t bytes) noexcept {
        const std::size_t before = bytes_.size();
        if (!bytes_.reserve_more(bytes)) {
            return nullptr;
        }
        static_cast<void>(bytes_.resize_for_overwrite(before + bytes));
        return bytes_.view().data() + before;
    }

    GrowArray<std::byte> bytes_;
    std::size_t count_ = 0;
};

} // namespace ecsdb::transaction
