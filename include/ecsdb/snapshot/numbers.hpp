/// @file
/// Lists of 32-bit numbers (entity indices, generations, counts) in whichever of four forms is the shortest.
#pragma once

#include "ecsdb/core/bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

namespace ecsdb::snapshot {

/// How a list of numbers is written. The length of the list is known from elsewhere.
enum class NumbersForm : std::uint8_t {
    Plain = 0,   ///< A u32 each.
    Steps = 1,   ///< Runs in which each number is its predecessor plus 1: zigzag distance from the end of the last run, varint length - 1.
    Repeats = 2, ///< Runs of one number: the number as a varint, varint length - 1.
    Bytes = 3,   ///< A u8 each.
};

/// Numbers in one list, at most.
inline constexpr std::size_t max_numbers = std::size_t{1} << 20U;

namespace detail {

/// Calls `visit(first, last, length)` for every run in which `belongs(previous, next)` holds from number to number.
template <typename Belongs, typename Visit>
void for_each_run(std::span<const std::uint32_t> numbers, Belongs belongs, Visit visit) {
    constexpr std::size_t together = 16;
    for (std::size_t begin = 0; begin < numbers.size();) {
        std::size_t end = begin + 1;
        // Most runs are long: that many at once, without a branch for each.
        for (bool whole = true; whole && numbers.size() - end >= together; end += whole ? together : 0) {
            for (std::size_t i = end; i < end + together; ++i) {
                whole &= belongs(numbers[i - 1], numbers[i]);
            }
        }
        while (end < numbers.size() && belongs(numbers[end - 1], numbers[end])) {
            ++end;
        }
        visit(numbers[begin], numbers[end - 1], end - begin);
        begin = end;
    }
}

} // namespace detail

/// Appends `numbers`, of which there may be `max_numbers`. Takes at most 1 byte and 4 for each.
inline void append_numbers(ByteBuffer& out, std::span<const std::uint32_t> numbers) noexcept {
    ECSDB_ASSERT(numbers.size() <= max_numbers, "a list of numbers is too long");
    constexpr std::size_t most_per_run = 8; // 5 bytes for a number or a distance, 3 for a length
    // Numbers never wrap round to 0 within a run.
    const auto is_step = [](std::uint32_t previous, std::uint32_t next) { return next == previous + 1U && next != 0; };
    const auto is_repeat = [](std::uint32_t previous, std::uint32_t next) { return next == previous; };
    std::size_t steps = 1;
    std::size_t repeats = 1;
    std::uint32_t bits = numbers.empty() ? 0 : numbers[0];
    for (std::size_t i = 1; i < numbers.size(); ++i) {
        steps += is_step(numbers[i - 1], numbers[i]) ? 0U : 1U;
        repeats += is_repeat(numbers[i - 1], numbers[i]) ? 0U : 1U;
        bits |= numbers[i];
    }
    const std::size_t each = bits < 256 ? numbers.size() : numbers.size() * 4;
    if (std::min(steps, repeats) * most_per_run > each) {
        out.append_le<NumbersForm>(bits < 256 ? NumbersForm::Bytes : NumbersForm::Plain);
        std::byte* const room = out.extend(each);
        if (room != nullptr && bits < 256) {
            std::transform(numbers.begin(), numbers.end(), room, [](std::uint32_t number) { return static_cast<std::byte>(number); });
        } else if (room != nullptr && each != 0) {
            std::memcpy(room, numbers.data(), each);
        }
        return;
    }
    if (repeats <= steps) {
        out.append_le<NumbersForm>(NumbersForm::Repeats);
        detail::for_each_run(numbers, is_repeat, [&](std::uint32_t first, std::uint32_t, std::size_t length) {
            out.append_varint(first);
            out.append_varint(length - 1);
        });
        return;
    }
    out.append_le<NumbersForm>(NumbersForm::Steps);
    std::int64_t end = 0;
    detail::for_each_run(numbers, is_step, [&](std::uint32_t first, std::uint32_t last, std::size_t length) {
        out.append_zigzag(static_cast<std::int64_t>(first) - end);
        out.append_varint(length - 1);
        end = static_cast<std::int64_t>(last) + 1;
    });
}

/// Fills `numbers` from `in`. False where the bytes are no such list of that length; `numbers` then holds anything.
[[nodiscard]] inline bool read_numbers(ByteReader& in, std::span<std::uint32_t> numbers) noexcept {
    constexpr std::int64_t largest = std::numeric_limits<std::uint32_t>::max();
    const auto form = in.read_le<NumbersForm>();
    if (form == NumbersForm::Plain || form == NumbersForm::Bytes) {
        const auto bytes = in.read_bytes(numbers.size() * (form == NumbersForm::Plain ? 4 : 1));
        if (in.failed()) {
            return false;
        }
        if (form == NumbersForm::Bytes) {
            std::transform(bytes.begin(), bytes.end(), numbers.begin(), [](std::byte byte) { return static_cast<std::uint32_t>(byte); });
        } else if (!bytes.empty()) {
            std::memcpy(numbers.data(), bytes.data(), bytes.size());
        }
        return true;
    }
    if (form != NumbersForm::Steps && form != NumbersForm::Repeats) {
        return false;
    }
    const std::uint32_t step = form == NumbersForm::Steps ? 1 : 0;
    std::int64_t end = 0;
    for (std::size_t filled = 0; filled < numbers.size();) {
        const std::uint64_t number = in.read_varint();
        const std::uint64_t further = in.read_varint();
        // Distances beyond 2^33 lead nowhere; refused before they are added, so that nothing overflows.
        if (in.failed() || further >= numbers.size() - filled || number > std::uint64_t{1} << 34U) {
            return false;
        }
        const std::int64_t first = step == 0 ? static_cast<std::int64_t>(number) : end + zigzag_decode(number);
        const std::int64_t last = first + static_cast<std::int64_t>(step * further);
        if (first < 0 || last > largest) {
            return false;
        }
        auto value = static_cast<std::uint32_t>(first);
        for (std::uint64_t left = further + 1; left != 0; --left) {
            numbers[filled++] = value;
            value += step;
        }
        end = last + 1;
    }
    return true;
}

} // namespace ecsdb::snapshot
