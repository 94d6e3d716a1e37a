/// @file
/// Lists of 32-bit numbers (entity indices, generations, counts) in whichever of four forms is the shortest.
#pragma once

#include "ecsdb/core/bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::snapshot {

/// How a list of numbers is written. The length of the list is known from elsewhere.
enum class NumbersForm : std::uint8_t {
    Plain = 0,   ///< A u32 each.
    Steps = 1,   ///< Runs in which each number is its predecessor plus 1: zigzag distance from the end of the last run, varint length - 1.
    Repeats = 2, ///< Runs of one number: the number as a varint, varint length - 1.
    Bytes = 3,   ///< A u8 each.
};

/// Appends `numbers`, of which there must be at most 2^20. Takes at most 1 + 4 bytes each.
inline void append_numbers(ByteBuffer& out, std::span<const std::uint32_t> numbers) noexcept {
    constexpr std::size_t most_per_run = 8; // a number takes at most 5 bytes, a length at most 3
    std::size_t steps = 1;
    std::size_t repeats = 1;
    std::uint32_t all = numbers.empty() ? 0 : numbers[0];
    for (std::size_t i = 1; i < numbers.size(); ++i) {
        steps += numbers[i] != numbers[i - 1] + 1U ? 1U : 0U;
        repeats += numbers[i] != numbers[i - 1] ? 1U : 0U;
        all |= numbers[i];
    }
    const std::size_t shortest = std::min({steps * most_per_run, repeats * most_per_run, numbers.size() * (all < 256 ? 1U : 4U)});
    const auto for_each_run = [&](std::uint32_t difference, auto append) {
        for (std::size_t begin = 0; begin < numbers.size();) {
            std::size_t end = begin + 1;
            while (end < numbers.size() && numbers[end] == numbers[end - 1] + difference) {
                ++end;
            }
            append(numbers[begin]);
            out.append_varint(end - begin - 1);
            begin = end;
            // A run of steps that reaches the last number has no successor.
        }
    };
    if (repeats * most_per_run == shortest) {
        out.append_le<NumbersForm>(NumbersForm::Repeats);
        for_each_run(0, [&](std::uint32_t number) { out.append_varint(number); });
    } else if (steps * most_per_run == shortest) {
        out.append_le<NumbersForm>(NumbersForm::Steps);
        std::int64_t expected = 0;
        for (std::size_t begin = 0; begin < numbers.size();) {
            std::size_t end = begin + 1;
            while (end < numbers.size() && numbers[end] != 0 && numbers[end] == numbers[end - 1] + 1U) {
                ++end;
            }
            out.append_zigzag(static_cast<std::int64_t>(numbers[begin]) - expected);
            out.append_varint(end - begin - 1);
            expected = static_cast<std::int64_t>(numbers[end - 1]) + 1;
            begin = end;
        }
    } else if (all < 256) {
        out.append_le<NumbersForm>(NumbersForm::Bytes);
        if (std::byte* room = out.extend(numbers.size())) {
            for (const std::uint32_t number : numbers) {
                *room++ = static_cast<std::byte>(number);
            }
        }
    } else {
        out.append_le<NumbersForm>(NumbersForm::Plain);
        out.append(std::as_bytes(numbers));
    }
}

} // namespace ecsdb::snapshot
