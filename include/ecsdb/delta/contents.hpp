/// @file
/// The Contents section of a delta: what text and blob fields hold from now on, by value, in full.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/delta/ids.hpp"
#include "ecsdb/schema/schema.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::delta {

/// One field of one row and what it holds, as a view of bytes kept elsewhere.
struct ContentEntry {
    std::uint32_t index = 0; ///< Of the entity.
    FieldId field = 0;
    std::span<const std::byte> bytes; ///< May be empty: the field is empty from now on.
};

namespace detail {

/// Steps through the entries of a Contents section, checking each.
class ContentReader {
public:
    explicit ContentReader(std::span<const std::byte> body) noexcept : reader_{body} {}

    [[nodiscard]] bool at_end() const noexcept { return reader_.remaining() == 0; }
    [[nodiscard]] std::size_t offset() const noexcept { return reader_.offset(); }

    /// Null, or what is wrong with the entry. A length is believed only as far as bytes follow.
    [[nodiscard]] const char* next(ContentEntry& entry) noexcept {
        bool shortest = true;
        const std::uint64_t step = read_shortest(reader_, shortest);
        const std::uint64_t field = read_shortest(reader_, shortest);
        const std::uint64_t length = read_shortest(reader_, shortest);
        const std::uint64_t before = started_ ? entry.index : 0;
        if (reader_.failed() || length > reader_.remaining()) {
            return "a content ends too early";
        }
        if (step > 0xFFFFFFFFU - before || field > 0xFFFFU || length > max_content_size) {
            return "a content's entity, field or length is out of range";
        }
        if (started_ && step == 0 && field <= entry.field) {
            return "contents are not in order";
        }
        entry = {static_cast<std::uint32_t>(before + step), static_cast<FieldId>(field),
                 reader_.read_bytes(static_cast<std::size_t>(length))};
        started_ = true;
        return shortest ? nullptr : "a number is not in its shortest form";
    }

private:
    ByteReader reader_;
    bool started_ = false;
};

/// Bytes of a section's body with these entries, which are sorted by index, then by field.
[[nodiscard]] inline std::size_t contents_size(Slice<const ContentEntry> entries) noexcept {
    std::size_t size = 0;
    std::uint32_t previous = 0;
    for (const ContentEntry& entry : entries) {
        size += varint_size(entry.index - previous) + varint_size(entry.field) + varint_size(entry.bytes.size()) + entry.bytes.size();
        previous = entry.index;
    }
    return size;
}

/// Writes that body; returns its end.
inline std::byte* store_contents(std::byte* out, Slice<const ContentEntry> entries) noexcept {
    std::uint32_t previous = 0;
    for (const ContentEntry& entry : entries) {
        out = store_varint(store_varint(store_varint(out, entry.index - previous), entry.field), entry.bytes.size());
        if (!entry.bytes.empty()) {
            std::memcpy(out, entry.bytes.data(), entry.bytes.size());
            out += entry.bytes.size();
        }
        previous = entry.index;
    }
    return out;
}

} // namespace detail

/// Calls `visit(const ContentEntry&)` for each entry of a Contents section's body, which must come from a checked delta.
template <typename Visit>
void for_each_content(std::span<const std::byte> body, Visit&& visit) {
    detail::ContentReader entries{body};
    for (ContentEntry entry; !entries.at_end() && entries.next(entry) == nullptr;) {
        visit(static_cast<const ContentEntry&>(entry));
    }
}

} // namespace ecsdb::delta
