/// @file
/// Lists of entity indices as a delta writes them: measuring which form is shortest, writing it, checking and reading it.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/delta/format.hpp"

namespace ecsdb::delta::detail {

struct IdPlan {
    IdForm form = IdForm::Range;
    std::size_t bytes = 0;
};

/// Finds the form for ascending indices, told one by one.
class IdMeter {
public:
    /// `index` must be above the one before.
    void add(std::uint32_t index) noexcept {
        if (count_++ == 0) {
            start_ = index;
            gap_bytes_ = range_bytes_ = first_bytes_ = varint_size(index);
        } else if (const std::uint32_t skipped = index - previous_ - 1; skipped == 0) {
            ++gap_bytes_;
        } else {
            gap_bytes_ += varint_size(skipped);
            range_bytes_ += varint_size(previous_ - start_) + varint_size(skipped - 1);
            start_ = index;
            broken_ = true;
        }
        previous_ = index;
    }

    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

    /// For one index or more.
    [[nodiscard]] IdPlan plan() const noexcept {
        if (!broken_) {
            return {IdForm::Range, first_bytes_};
        }
        const std::size_t ranges = range_bytes_ + varint_size(previous_ - start_);
        return ranges < gap_bytes_ ? IdPlan{IdForm::Ranges, ranges} : IdPlan{IdForm::Gaps, gap_bytes_};
    }

private:
    std::uint32_t count_ = 0;
    std::uint32_t previous_ = 0;
    std::uint32_t start_ = 0; // of the range that is growing
    bool broken_ = false;
    std::size_t first_bytes_ = 0;
    std::size_t gap_bytes_ = 0;
    std::size_t range_bytes_ = 0; // without the length of the range that is growing
};

/// Writes the indices `index_of(0)` to `index_of(count - 1)`, at least one, in a form that fits them. Returns the end.
template <typename IndexOf>
std::byte* store_ids(std::byte* out, IdForm form, std::uint32_t count, IndexOf&& index_of) noexcept {
    std::uint32_t previous = index_of(0U);
    out = store_varint(out, previous);
    switch (form) {
    case IdForm::Range:
        break;
    case IdForm::Gaps:
        for (std::uint32_t i = 1; i < count; ++i) {
            const std::uint32_t index = index_of(i);
            out = store_varint(out, index - previous - 1);
            previous = index;
        }
        break;
    case IdForm::Ranges: {
        std::uint32_t start = previous;
        for (std::uint32_t i = 1; i < count; ++i) {
            const std::uint32_t index = index_of(i);
            if (index != previous + 1) {
                out = store_varint(out, previous - start);
                out = store_varint(out, index - previous - 2);
                start = index;
            }
            previous = index;
        }
        out = store_varint(out, previous - start);
        break;
    }
    case IdForm::PageOrder:
        for (std::uint32_t i = 1; i < count; ++i) {
            const std::uint32_t index = index_of(i);
            out = store_varint(out, zigzag_encode(std::int64_t{index} - std::int64_t{previous}));
            previous = index;
        }
        break;
    }
    return out;
}

/// A varint in its shortest form; the reader fails, or 'shortest' becomes false, otherwise.
[[nodiscard]] ECSDB_ALWAYS_INLINE std::uint64_t read_shortest(ByteReader& reader, bool& shortest) noexcept {
    const std::size_t before = reader.offset();
    const std::uint64_t value = reader.read_varint();
    const std::size_t size = reader.offset() - before;
    // The last of several bytes must say something.
    shortest = shortest && (size <= 1 || value >> (7 * (size - 1)) != 0);
    return value;
}

/// Steps over a list of indices nobody vouches for. Null, or what is wrong with it.
[[nodiscard]] inline const char* check_ids(ByteReader& reader, IdForm form, std::uint32_t count) noexcept {
    constexpr std::uint64_t last_index = 0xFFFFFFFFU;
    bool shortest = true;
    std::uint64_t index = read_shortest(reader, shortest);
    bool within = index <= last_index;
    switch (form) {
    case IdForm::Range:
        within = within && count - 1U <= last_index - index;
        break;
    case IdForm::Gaps:
        for (std::uint32_t i = 1; i < count && within && !reader.failed(); ++i) {
            const std::uint64_t skipped = read_shortest(reader, shortest);
            within = skipped < last_index - index;
            index += skipped + 1;
        }
        break;
    case IdForm::Ranges:
        for (std::uint64_t left = count; within && !reader.failed();) {
            const std::uint64_t more = read_shortest(reader, shortest);
            within = more < left && more <= last_index - index;
            if (!within || more + 1 == left) {
                break;
            }
            left -= more + 1;
            index += more;
            const std::uint64_t skipped = read_shortest(reader, shortest);
            within = skipped < last_index && skipped + 2 <= last_index - index;
            index += skipped + 2;
        }
        break;
    case IdForm::PageOrder:
        for (std::uint32_t i = 1; i < count && within && !reader.failed(); ++i) {
            const std::int64_t step = zigzag_decode(read_shortest(reader, shortest));
            constexpr auto most = static_cast<std::int64_t>(last_index);
            within = step != 0 && step >= -most && step <= most;
            const std::int64_t next = static_cast<std::int64_t>(index) + (within ? step : 0);
            within = within && next >= 0 && next <= most;
            index = static_cast<std::uint64_t>(next);
        }
        break;
    }
    if (reader.failed()) {
        return "the entity indices end too early";
    }
    if (!within) {
        return "an entity index is out of range";
    }
    return shortest ? nullptr : "a number is not in its shortest form";
}

/// A varint that was checked before.
[[nodiscard]] ECSDB_ALWAYS_INLINE std::uint64_t load_varint(const std::byte*& bytes) noexcept {
    std::uint64_t value = std::to_integer<std::uint64_t>(*bytes++);
    if (value >= 0x80U) [[unlikely]] {
        value &= 0x7FU;
        for (unsigned shift = 7;; shift += 7) {
            const auto bits = std::to_integer<std::uint64_t>(*bytes++);
            value |= (bits & 0x7FU) << shift;
            if (bits < 0x80U) {
                break;
            }
        }
    }
    return value;
}

/// Calls `visit(index)` for each of a list that was checked before.
template <typename Visit>
void for_each_id(IdForm form, std::uint32_t count, const std::byte* ids, Visit&& visit) noexcept {
    auto index = static_cast<std::uint32_t>(load_varint(ids));
    switch (form) {
    case IdForm::Range:
        for (std::uint32_t i = 0; i < count; ++i) {
            visit(index + i);
        }
        break;
    case IdForm::Gaps:
        visit(index);
        for (std::uint32_t i = 1; i < count; ++i) {
            index += static_cast<std::uint32_t>(load_varint(ids)) + 1;
            visit(index);
        }
        break;
    case IdForm::Ranges:
        for (std::uint32_t left = count;;) {
            const auto more = static_cast<std::uint32_t>(load_varint(ids));
            for (std::uint32_t i = 0; i <= more; ++i) {
                visit(index + i);
            }
            left -= more + 1;
            if (left == 0) {
                break;
            }
            index += more + static_cast<std::uint32_t>(load_varint(ids)) + 2;
        }
        break;
    case IdForm::PageOrder:
        visit(index);
        for (std::uint32_t i = 1; i < count; ++i) {
            index += static_cast<std::uint32_t>(zigzag_decode(load_varint(ids)));
            visit(index);
        }
        break;
    }
}

} // namespace ecsdb::delta::detail
