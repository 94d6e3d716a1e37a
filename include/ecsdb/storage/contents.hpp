/// @file
/// Where the contents of `text` and `blob` fields lie: immutable nodes in columns keyed by entity index, hanging off the root.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/storage/tree.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::storage {

/// The content of one field of one row. Never changed once a row has it: another content is another node.
struct Content : Node {
    std::uint64_t number; ///< That of the handle in the row.
    std::uint32_t length;
    std::uint32_t reserved;

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {reinterpret_cast<const std::byte*>(this + 1), length}; }
};
static_assert(sizeof(Content) == 48);

/// All contents of one field. Keyed by entity, not by row: what moves a row leaves them where they are.
struct ContentColumn : Node {
    NodeTree contents; ///< Entity index → Content; no node where the content is empty.
    std::uint64_t count;
};

/// The columns of one table.
struct ContentTable : Node {
    NodeTree columns; ///< FieldId → ContentColumn.
};

/// All contents of one version; part of its root.
struct ContentTree {
    NodeTree tables; ///< TableId → ContentTable.

    /// Null where the table and field have no content at all. Any thread.
    [[nodiscard]] const ContentColumn* column(TableId table, FieldId field) const noexcept {
        const auto* const found = static_cast<const ContentTable*>(tables.find(table));
        return found == nullptr ? nullptr : static_cast<const ContentColumn*>(found->columns.find(field));
    }
    /// The content of an entity's field; null where it is empty or absent. Any thread. Cost: O(1).
    [[nodiscard]] const Content* find(TableId table, FieldId field, std::uint32_t index) const noexcept {
        const ContentColumn* const found = column(table, field);
        return found == nullptr ? nullptr : static_cast<const Content*>(found->contents.find(index));
    }
    /// What a handle names in this version: nothing, where the handle is not one of a row of this version. Any thread. Cost: O(1).
    [[nodiscard]] std::span<const std::byte> bytes_of(const ContentHandle& handle) const noexcept {
        const Content* const content = handle.is_empty() ? nullptr : find(handle.table, handle.field, handle.index);
        return content == nullptr || content->number != handle.number ? std::span<const std::byte>{} : content->bytes();
    }
};

/// The handle a row in memory has in one of its fields.
[[nodiscard]] inline ContentHandle handle_in(const std::byte* row, const Field& field) noexcept {
    ContentHandle handle;
    std::memcpy(&handle, row + field.offset, sizeof(handle));
    return handle;
}
inline void put_handle(std::byte* row, const Field& field, const ContentHandle& handle) noexcept {
    std::memcpy(row + field.offset, &handle, sizeof(handle));
}

/// Gives every transaction that brings contents a name no other has, so that a handle is good in its own transaction only. Any thread.
class ContentTokens {
public:
    /// Never 0; without the bit `ContentHandle::staged`.
    [[nodiscard]] std::uint64_t next() noexcept {
        const std::uint64_t salt = reinterpret_cast<std::uintptr_t>(this); // another database's are other ones
        const std::uint64_t token = mix64(salt + next_.fetch_add(1, std::memory_order_relaxed) * 0x9E3779B97F4A7C15ULL);
        return (token & ~ContentHandle::staged) | 1U;
    }

private:
    std::atomic<std::uint64_t> next_{1};
};

} // namespace ecsdb::storage
