/// @file
/// Names one entity beyond its database: in files, on the wire, in other databases.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/result.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ecsdb {

/// 128 bits that name an entity wherever it goes, as no `Entity` does: that is only a place in one database.
///
/// Every entity has one, derived from its database and its `Entity`, so that it costs no memory; one that came from elsewhere keeps the one
/// it came with (`ImportedId`). A plain value; as one number, `high` is the upper half. Safe to use from any thread.
struct StableId {
    std::uint64_t high = 0; ///< Derived: the database.
    std::uint64_t low = 0;  ///< Derived: the entity.

    /// The id of `entity` in the database whose `identity` (not 0) that is. One to one, so it can be read back (`derived_from`); and for
    /// ever: it is in other people's files (docs/adr/0008-derived-stable-ids.md).
    [[nodiscard]] static constexpr StableId derive(std::uint64_t identity, Entity entity) noexcept { return {identity, entity.to_bits()}; }
    /// The entity this was derived from, if the database is that of `identity`; null otherwise.
    [[nodiscard]] constexpr Entity derived_from(std::uint64_t identity) const noexcept {
        return high == identity ? Entity::from_bits(low) : Entity{};
    }

    /// Names nothing.
    [[nodiscard]] constexpr bool is_null() const noexcept { return high == 0 && low == 0; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return !is_null(); }

    friend constexpr auto operator<=>(const StableId&, const StableId&) noexcept = default;

    /// As in `0123abcd-0123-4567-89ab-0123456789ab`: 8-4-4-4-12 hexadecimal digits, `high` first.
    [[nodiscard]] std::string to_string() const {
        constexpr std::string_view digits = "0123456789abcdef";
        std::string text(text_length, '-');
        unsigned shift = 128;
        for (std::size_t i = 0; i < text_length; ++i) {
            if (!is_dash(i)) {
                shift -= 4;
                text[i] = digits[(shift < 64 ? low >> shift : high >> (shift - 64)) & 0xFU];
            }
        }
        return text;
    }
    /// Reads what `to_string` writes, in letters of either case. Errors: `InvalidArgument`.
    [[nodiscard]] static Result<StableId> parse(std::string_view text) {
        StableId id;
        bool good = text.size() == text_length;
        for (std::size_t i = 0; good && i < text_length; ++i) {
            const int digit = digit_of(text[i]);
            good = is_dash(i) ? text[i] == '-' : digit >= 0;
            if (good && !is_dash(i)) {
                id.high = id.high << 4U | id.low >> 60U;
                id.low = id.low << 4U | static_cast<std::uint64_t>(digit);
            }
        }
        if (!good) {
            return Error{ErrorCode::InvalidArgument,
                         "`" + std::string{text.substr(0, 2 * text_length)} + "` is no stable id: one is 8-4-4-4-12 hexadecimal digits"};
        }
        return id;
    }

private:
    static constexpr std::size_t text_length = 36;

    [[nodiscard]] static constexpr bool is_dash(std::size_t position) noexcept {
        return position == 8 || position == 13 || position == 18 || position == 23;
    }
    [[nodiscard]] static constexpr int digit_of(char letter) noexcept {
        return letter >= '0' && letter <= '9'   ? letter - '0'
               : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
               : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
                                                : -1;
    }
};

} // namespace ecsdb

template <>
struct std::hash<ecsdb::StableId> {
    [[nodiscard]] std::size_t operator()(const ecsdb::StableId& id) const noexcept {
        return static_cast<std::size_t>(ecsdb::mix64(id.high ^ ecsdb::mix64(id.low)));
    }
};
