/// @file
/// Tells whether bytes are UTF-8: what every string of a schema and of a row must be.
#pragma once

#include <cstddef>
#include <string_view>

namespace ecsdb {

/// Whether `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. Cost: O(bytes).
[[nodiscard]] constexpr bool is_utf8(std::string_view text) noexcept {
    const auto byte_at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char lead = byte_at(i);
        if (lead < 0x80) {
            ++i;
            continue;
        }
        const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (lead < 0xC2 || lead > 0xF4 || length > text.size() - i) {
            return false;
        }
        for (std::size_t k = 1; k < length; ++k) {
            if ((byte_at(i + k) & 0xC0U) != 0x80U) {
                return false;
            }
        }
        // The second byte alone decides about overlong forms, surrogates, and the end of Unicode.
        const unsigned char second = byte_at(i + 1);
        if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
            (lead == 0xF4 && second > 0x8F)) {
            return false;
        }
        i += length;
    }
    return true;
}

} // namespace ecsdb
