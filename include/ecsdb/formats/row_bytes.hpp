/// @file
/// A row as one run of bytes that stands for itself: its fields packed in the schema's order, with what lies beside it in its place.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/storage/root.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace ecsdb::formats {

/// Appends the packed fields of a row of entity `index`, in memory layout. A `text` or `blob` field is its length (u32) and its bytes.
inline void append_row(const storage::Root& root, const Table& table, std::uint32_t index, const std::byte* row, ByteBuffer& out) {
    if (!table.has_contents()) {
        if (std::byte* const place = out.extend(table.packed_size); place != nullptr && table.packed_size != 0) {
            pack_row(table.runs, row, place);
        }
        return;
    }
    std::vector<std::byte> packed(table.packed_size);
    pack_row(table.runs, row, packed.data());
    std::size_t done = 0;
    for (const FieldId field : table.contents) {
        const std::uint32_t at = table.fields[field].packed_offset;
        out.append(packed.data() + done, at - done);
        done = at;
        const storage::Content* const content = root.contents.find(table.id, field, index);
        const std::span<const std::byte> bytes = content == nullptr ? std::span<const std::byte>{} : content->bytes();
        out.append_le<std::uint32_t>(static_cast<std::uint32_t>(bytes.size()));
        out.append(bytes);
    }
    out.append(packed.data() + done, packed.size() - done);
}

/// Undoes `append_row`: `row` holds zeros, and `content(FieldId, bytes)` is told of each content, which lies in `bytes`. False where these
/// are not a row of `table`; then `row` holds anything. With `row` null it is only checked.
template <typename TakeContent>
[[nodiscard]] bool read_row(const Table& table, std::span<const std::byte> bytes, std::byte* row, TakeContent&& content) {
    if (!table.has_contents()) {
        if (bytes.size() == table.packed_size && row != nullptr) {
            unpack_row(table.runs, bytes.data(), row);
        }
        return bytes.size() == table.packed_size;
    }
    std::vector<std::byte> packed(row == nullptr ? 0 : table.packed_size);
    ByteReader reader{bytes};
    std::size_t done = 0;
    const auto take_packed = [&](std::size_t end) {
        const std::span<const std::byte> piece = reader.read_bytes(end - done);
        if (row != nullptr && !piece.empty()) {
            std::memcpy(packed.data() + done, piece.data(), piece.size());
        }
        done = end;
    };
    for (const FieldId field : table.contents) {
        take_packed(table.fields[field].packed_offset);
        const std::span<const std::byte> held = reader.read_bytes(reader.read_le<std::uint32_t>());
        if (held.size() > max_content_size) {
            return false;
        }
        if (row != nullptr && !reader.failed()) {
            content(field, held);
        }
    }
    take_packed(table.packed_size);
    if (reader.failed() || reader.remaining() != 0) {
        return false;
    }
    if (row != nullptr) {
        unpack_row(table.runs, packed.data(), row);
    }
    return true;
}

} // namespace ecsdb::formats
