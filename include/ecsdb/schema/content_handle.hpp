/// @file
/// What stands in a row for text or bytes of any length: a handle of fixed size, while the content itself lies beside the rows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ecsdb {

/// 1 GiB: the most bytes one `text` or `blob` field can hold.
inline constexpr std::uint32_t max_content_size = 1U << 30U;

/// Names the content of a `text` or `blob` field. A plain value: zero is the empty content.
///
/// A handle is made by a transaction (`text`, `blob`) for rows written in that transaction, or read from a row to be looked up in the view
/// the row came from. It means nothing anywhere else: writing a foreign one is refused, reading one finds nothing.
struct ContentHandle {
    static constexpr std::uint64_t of_default = 1;                   ///< The number of "what the schema gives as the field's default".
    static constexpr std::uint64_t first_stored = 2;                 ///< Contents are numbered from here on, and no number comes twice.
    static constexpr std::uint64_t staged = std::uint64_t{1} << 63U; ///< Set in the numbers that transactions give out.

    std::uint64_t number = 0; ///< 0: empty.
    std::uint32_t index = 0;  ///< Of the entity; staged: which content of its transaction.
    std::uint16_t table = 0;
    std::uint16_t field = 0;

    [[nodiscard]] constexpr bool is_empty() const noexcept { return number == 0; }
    friend constexpr bool operator==(const ContentHandle&, const ContentHandle&) noexcept = default;
};
static_assert(sizeof(ContentHandle) == 16);

/// UTF-8 of any length: what a `text` field is in C++.
struct Text : ContentHandle {
    /// The text the schema gives as the field's default.
    [[nodiscard]] static constexpr Text by_default() noexcept {
        Text text;
        text.number = of_default;
        return text;
    }
};

/// Bytes of any length: what a `blob` field is in C++.
struct Blob : ContentHandle {};

} // namespace ecsdb
