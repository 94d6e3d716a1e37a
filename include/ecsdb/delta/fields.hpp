/// @file
/// Which fields of a row a delta carries: sets of fields, comparing rows field by field, and moving fields between rows and packed values.
#pragma once

#include "ecsdb/delta/format.hpp"
#include "ecsdb/schema/schema.hpp"

#include <algorithm>
#include <array>

namespace ecsdb::delta {

/// The fields a run's values are for, as a view of the mask's bytes in the delta; or all fields of the table.
class FieldMask {
public:
    /// No field.
    constexpr FieldMask() noexcept = default;
    /// Names fields as in docs/format/delta.md: seven per byte. The bytes must outlive the mask.
    explicit constexpr FieldMask(std::span<const std::byte> bytes) noexcept : bytes_{bytes} {}
    [[nodiscard]] static constexpr FieldMask all() noexcept {
        FieldMask mask;
        mask.all_ = true;
        return mask;
    }

    [[nodiscard]] constexpr bool test(FieldId field) const noexcept {
        const std::size_t byte = field / 7U;
        return all_ || (byte < bytes_.size() && (std::to_integer<unsigned>(bytes_[byte]) >> (field % 7U) & 1U) != 0);
    }
    [[nodiscard]] constexpr bool is_all() const noexcept { return all_; }
    /// As written; empty for `all()`.
    [[nodiscard]] constexpr std::span<const std::byte> bytes() const noexcept { return bytes_; }
    /// One more than the highest field named; 0 for none and for `all()`.
    [[nodiscard]] constexpr std::size_t limit() const noexcept {
        if (bytes_.empty()) {
            return 0;
        }
        return (bytes_.size() - 1) * 7 + static_cast<std::size_t>(std::bit_width(std::to_integer<unsigned>(bytes_.back()) & 0x7FU));
    }

private:
    std::span<const std::byte> bytes_;
    bool all_ = false;
};

namespace detail {

/// A set of fields as bits, while it is being found out.
struct FieldBits {
    const std::uint64_t* words = nullptr;

    [[nodiscard]] bool test(FieldId field) const noexcept { return (words[field / 64U] >> (field % 64U) & 1U) != 0; }
};

/// Words that hold a bit for each field of the table; 1 for a tag.
[[nodiscard]] inline std::size_t mask_words(const Table& table) noexcept {
    return table.fields.size() / 64 + 1;
}

/// Copies without a call for the sizes that fields usually have.
ECSDB_ALWAYS_INLINE void copy_field(std::byte* to, const std::byte* from, std::size_t size) noexcept {
    switch (size) {
    case 4:
        std::memcpy(to, from, 4);
        break;
    case 8:
        std::memcpy(to, from, 8);
        break;
    case 12:
        std::memcpy(to, from, 12);
        break;
    case 16:
        std::memcpy(to, from, 16);
        break;
    default:
        std::memcpy(to, from, size);
    }
}

ECSDB_ALWAYS_INLINE bool bytes_differ(const std::byte* a, const std::byte* b, std::size_t size) noexcept {
    const auto differs = [a, b]<typename Word>(Word x) {
        Word y;
        std::memcpy(&x, a, sizeof x);
        std::memcpy(&y, b, sizeof y);
        return x != y;
    };
    switch (size) {
    case 1:
        return *a != *b;
    case 4:
        return differs(std::uint32_t{});
    case 8:
        return differs(std::uint64_t{});
    default:
        return std::memcmp(a, b, size) != 0;
    }
}

/// The value lies together in memory, with no padding between its parts.
[[nodiscard]] inline bool is_contiguous(const Field& field) noexcept {
    return field.packed_size == field.size + (field.has_presence_byte() ? 1U : 0U);
}

/// Calls `visit(offset in memory, size)` for the pieces of one field, in packed order. `run` is where in `table.runs` to look first
/// and is moved on: 0 for the first field, then left alone while fields ascend.
template <typename Visit>
void for_each_piece(const Table& table, const Field& field, std::size_t& run, Visit&& visit) noexcept {
    std::uint32_t at = field.packed_offset;
    const std::uint32_t end = at + field.packed_size;
    while (at < end) {
        while (table.runs[run].packed_offset + table.runs[run].size <= at) {
            ++run;
        }
        const PackRun& source = table.runs[run];
        const std::uint32_t inside = at - source.packed_offset;
        const std::uint32_t size = std::min(end - at, source.size - inside);
        visit(source.offset + inside, size);
        at += size;
    }
}

/// Like `for_each_piece` for all fields in `mask`; pieces that meet in memory come as one.
template <typename Mask, typename Visit>
void for_each_masked_piece(const Table& table, const Mask& mask, Visit&& visit) noexcept {
    std::uint32_t pending_offset = 0;
    std::uint32_t pending_size = 0;
    std::size_t run = 0;
    for (const Field& field : table.fields) {
        if (!mask.test(field.id)) {
            continue;
        }
        for_each_piece(table, field, run, [&](std::uint32_t offset, std::uint32_t size) {
            if (pending_size != 0 && offset == pending_offset + pending_size) {
                pending_size += size;
                return;
            }
            if (pending_size != 0) {
                visit(pending_offset, pending_size);
            }
            pending_offset = offset;
            pending_size = size;
        });
    }
    if (pending_size != 0) {
        visit(pending_offset, pending_size);
    }
}

/// Whether the field's value differs between two rows; padding does not count.
[[nodiscard]] inline bool field_differs(const Table& table, const Field& field, const std::byte* before, const std::byte* after) noexcept {
    if (is_contiguous(field)) {
        return bytes_differ(before + field.offset, after + field.offset, field.size) ||
               (field.has_presence_byte() && before[field.presence_offset] != after[field.presence_offset]);
    }
    bool differs = false;
    std::size_t run = 0;
    for_each_piece(table, field, run, [&](std::uint32_t offset, std::uint32_t size) {
        differs = differs || bytes_differ(before + offset, after + offset, size);
    });
    return differs;
}

/// Finds out which fields differ, for many rows of one table. The table must outlive it.
class RowComparison {
public:
    explicit RowComparison(const Table& table) noexcept : table_{&table} {
        std::size_t run = 0;
        for (const Field& field : table.fields) {
            for_each_piece(table, field, run, [&](std::uint32_t offset, std::uint32_t size) {
                if (count_ < pieces_.size()) {
                    pieces_[count_] = {offset, size, field.id};
                }
                ++count_;
                words_of_four_ = words_of_four_ && size == 4;
            });
        }
        fits_one_word_ = count_ <= pieces_.size() && mask_words(table) == 1;
    }

    /// Sets bit f of `words` (`mask_words`) where field f differs, and clears the others.
    void operator()(const std::byte* before, const std::byte* after, std::uint64_t* words) const noexcept {
        if (fits_one_word_) {
            // Most tables: no memory is touched but the rows.
            std::uint64_t mask = 0;
            if (words_of_four_) {
                for (std::size_t i = 0; i < count_; ++i) {
                    const std::uint32_t offset = pieces_[i].offset;
                    mask |= std::uint64_t{bytes_differ(before + offset, after + offset, 4)} << pieces_[i].field;
                }
            } else {
                for (std::size_t i = 0; i < count_; ++i) {
                    const Piece& piece = pieces_[i];
                    mask |= std::uint64_t{bytes_differ(before + piece.offset, after + piece.offset, piece.size)} << piece.field;
                }
            }
            *words = mask;
            return;
        }
        std::fill_n(words, mask_words(*table_), 0);
        for (const Field& field : table_->fields) {
            words[field.id / 64U] |= std::uint64_t{field_differs(*table_, field, before, after)} << (field.id % 64U);
        }
    }

private:
    struct Piece {
        std::uint32_t offset = 0;
        std::uint32_t size = 0;
        FieldId field = 0;
    };
    const Table* table_;
    std::array<Piece, 24> pieces_;
    std::size_t count_ = 0;
    bool words_of_four_ = true;
    bool fits_one_word_ = false;
};

/// Whether two masks of `words` words are equal.
[[nodiscard]] ECSDB_ALWAYS_INLINE bool same_mask(const std::uint64_t* a, const std::uint64_t* b, std::size_t words) noexcept {
    return *a == *b && (words == 1 || std::equal(a + 1, a + words, b + 1));
}

} // namespace detail

/// Moves the fields of a mask between rows in memory and packed values, for many rows of one table. `Mask` is a view of a set of fields
/// with `test(FieldId)`; its bytes and the table must outlive it. Lives on the stack; allocates nothing.
template <typename Mask>
class FieldCopy {
public:
    FieldCopy(const Table& table, const Mask& mask) noexcept : table_{&table}, mask_{mask} {
        detail::for_each_masked_piece(table, mask, [&](std::uint32_t offset, std::uint32_t size) {
            if (count_ < pieces_.size()) {
                pieces_[count_] = {offset, size};
            }
            ++count_;
            packed_size_ += size;
        });
    }

    /// Bytes of one row's values.
    [[nodiscard]] std::uint32_t packed_size() const noexcept { return packed_size_; }

    /// Writes `packed_size()` bytes of values; returns their end.
    std::byte* pack(const std::byte* row, std::byte* values) const noexcept {
        each([&](std::uint32_t offset, std::uint32_t size) {
            detail::copy_field(values, row + offset, size);
            values += size;
        });
        return values;
    }

    /// Writes the values into a row; other fields and padding stay as they are.
    void unpack(const std::byte* values, std::byte* row) const noexcept {
        each([&](std::uint32_t offset, std::uint32_t size) {
            detail::copy_field(row + offset, values, size);
            values += size;
        });
    }

private:
    template <typename Visit>
    ECSDB_ALWAYS_INLINE void each(Visit&& visit) const noexcept {
        if (count_ <= pieces_.size()) {
            for (std::size_t i = 0; i < count_; ++i) {
                visit(pieces_[i].offset, pieces_[i].size);
            }
        } else {
            detail::for_each_masked_piece(*table_, mask_, visit);
        }
    }

    struct Piece {
        std::uint32_t offset = 0;
        std::uint32_t size = 0;
    };
    const Table* table_;
    Mask mask_;
    std::array<Piece, 24> pieces_;
    std::size_t count_ = 0;
    std::uint32_t packed_size_ = 0;
};

/// Writes the values of one changed or added row into a row in memory; other fields and padding stay as they are. For many rows with
/// one mask, a `FieldCopy` is faster.
inline void apply_fields(const Table& table, const FieldMask& mask, const std::byte* values, std::byte* row) noexcept {
    detail::for_each_masked_piece(table, mask, [&](std::uint32_t offset, std::uint32_t size) {
        detail::copy_field(row + offset, values, size);
        values += size;
    });
}

} // namespace ecsdb::delta
