/// @file
/// Tells damaged bytes from whole ones, and spreads keys over tables: CRC32C, CRC-64, FNV-1a and a fast 64-bit hash.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/core/bytes.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#if defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace ecsdb {

namespace detail {

__extension__ typedef unsigned __int128 Uint128;

inline constexpr std::uint32_t crc32c_polynomial = 0x82F63B78U;          // Castagnoli, lowest bit first
inline constexpr std::uint64_t crc64_polynomial = 0xC96C5795D7870F42ULL; // ECMA-182, lowest bit first

/// One table for each of `Positions` bytes of a word. Plain arrays: compilers spend far longer on the same sums over std::array.
template <typename Word, std::size_t Positions>
struct CrcTables {
    Word of[Positions][256];
};

/// For each of eight byte positions, what that byte does to the checksum of the bytes up to the eighth.
template <typename Word, Word Polynomial>
consteval CrcTables<Word, 8> make_crc_tables() noexcept {
    CrcTables<Word, 8> tables{};
    Word crc = 1;
    for (unsigned byte = 128; byte != 0; byte >>= 1U) {
        crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? Polynomial : Word{0});
        for (unsigned above = 0; above < 256; above += 2 * byte) { // what several bits do is the sum of what each does
            tables.of[0][above + byte] = tables.of[0][above] ^ crc;
        }
    }
    for (unsigned position = 1; position < 8; ++position) {
        for (unsigned byte = 0; byte < 256; ++byte) {
            const Word nearer = tables.of[position - 1][byte];
            tables.of[position][byte] = (nearer >> 8U) ^ tables.of[0][nearer & 0xFFU];
        }
    }
    return tables;
}

inline constexpr auto crc32c_tables = make_crc_tables<std::uint32_t, crc32c_polynomial>();
inline constexpr auto crc64_tables = make_crc_tables<std::uint64_t, crc64_polynomial>();

/// Eight bytes a step through the tables, for either width. Takes and gives the inverted register.
template <typename Word>
[[nodiscard]] inline Word crc_by_tables(const CrcTables<Word, 8>& tables, Word crc, const std::byte* bytes, std::size_t size) noexcept {
    for (; size >= 8; bytes += 8, size -= 8) {
        const std::uint64_t word = load_le<std::uint64_t>(bytes) ^ crc;
        crc = 0;
        for (unsigned position = 0; position < 8; ++position) {
            crc ^= tables.of[7 - position][(word >> (8 * position)) & 0xFFU];
        }
    }
    for (; size > 0; ++bytes, --size) {
        crc = (crc >> 8U) ^ tables.of[0][(crc ^ static_cast<Word>(*bytes)) & 0xFFU];
    }
    return crc;
}

#if defined(__x86_64__) || (defined(__aarch64__) && defined(__ARM_FEATURE_CRC32))

/// What `zeros` further zero bytes do to a CRC32C register, as four tables, one for each of its bytes.
consteval CrcTables<std::uint32_t, 4> make_crc32c_shift(std::size_t zeros) noexcept {
    const auto multiply = [](std::uint32_t a, std::uint32_t b) { // polynomials modulo Castagnoli's, the highest bit being x^0
        std::uint32_t product = 0;
        for (std::uint32_t bit = 1U << 31U; bit != 0; bit >>= 1U) {
            product ^= (a & bit) != 0 ? b : 0U;
            b = (b >> 1U) ^ ((b & 1U) != 0 ? crc32c_polynomial : 0U);
        }
        return product;
    };
    std::uint32_t factor = 1U << 31U;
    std::uint32_t power = 1U << 23U; // x^8: one byte
    for (; zeros != 0; zeros >>= 1U) {
        factor = (zeros & 1U) != 0 ? multiply(factor, power) : factor;
        power = multiply(power, power);
    }
    CrcTables<std::uint32_t, 4> tables{};
    for (unsigned position = 0; position < 4; ++position) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            tables.of[position][1U << bit] = multiply(factor, 1U << (8 * position + bit));
        }
        for (unsigned byte = 1; byte < 256; ++byte) {
            tables.of[position][byte] = tables.of[position][byte & (byte - 1)] ^ tables.of[position][byte & (~byte + 1)];
        }
    }
    return tables;
}

/// The lengths of a third of a block. The instruction answers after three cycles but starts every cycle, so three streams keep it busy.
inline constexpr std::size_t crc32c_long_stream = 2048;
inline constexpr std::size_t crc32c_short_stream = 256;
inline constexpr auto crc32c_long_shift = make_crc32c_shift(crc32c_long_stream);
inline constexpr auto crc32c_short_shift = make_crc32c_shift(crc32c_short_stream);

[[nodiscard]] inline std::uint64_t shift_crc32c(const CrcTables<std::uint32_t, 4>& shift, std::uint64_t crc) noexcept {
    return shift.of[0][crc & 0xFFU] ^ shift.of[1][(crc >> 8U) & 0xFFU] ^ shift.of[2][(crc >> 16U) & 0xFFU] ^
           shift.of[3][(crc >> 24U) & 0xFFU];
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]]
#endif
[[nodiscard]] inline std::uint64_t
crc32c_step(std::uint64_t crc, std::uint64_t word) noexcept {
#if defined(__x86_64__)
    return __builtin_ia32_crc32di(crc, word);
#else
    return __crc32cd(static_cast<std::uint32_t>(crc), word);
#endif
}

/// The processor's CRC32C instruction; takes and gives the inverted register.
#if defined(__x86_64__)
[[gnu::target("sse4.2")]]
#endif
[[nodiscard]] inline std::uint32_t
crc32c_by_instruction(std::uint32_t seed, const std::byte* bytes, std::size_t size) noexcept {
    std::uint64_t crc = seed;
    for (const std::size_t stream : {crc32c_long_stream, crc32c_short_stream}) {
        const auto& shift = stream == crc32c_long_stream ? crc32c_long_shift : crc32c_short_shift;
        for (; size >= 3 * stream; bytes += 3 * stream, size -= 3 * stream) {
            std::uint64_t second = 0;
            std::uint64_t third = 0;
            for (const std::byte* at = bytes; at != bytes + stream; at += 8) {
                crc = crc32c_step(crc, load_le<std::uint64_t>(at));
                second = crc32c_step(second, load_le<std::uint64_t>(at + stream));
                third = crc32c_step(third, load_le<std::uint64_t>(at + 2 * stream));
            }
            crc = shift_crc32c(shift, shift_crc32c(shift, crc) ^ second) ^ third;
        }
    }
    for (; size >= 8; bytes += 8, size -= 8) {
        crc = crc32c_step(crc, load_le<std::uint64_t>(bytes));
    }
    auto narrow = static_cast<std::uint32_t>(crc);
    for (; size > 0; ++bytes, --size) {
        narrow = (narrow >> 8U) ^ crc32c_tables.of[0][(narrow ^ static_cast<std::uint32_t>(*bytes)) & 0xFFU];
    }
    return narrow;
}

#endif

#if defined(__x86_64__)

/// x^power modulo CRC-64's polynomial, the highest bit being x^0.
consteval std::uint64_t crc64_power(unsigned power) noexcept {
    std::uint64_t value = std::uint64_t{1} << 63U;
    for (; power != 0; --power) {
        value = (value >> 1U) ^ ((value & 1U) != 0 ? crc64_polynomial : 0U);
    }
    return value;
}

using Crc64Words = long long __attribute__((vector_size(16)));

/// What moves 16 bytes on by that many bits: for their first and their second half. A product of two such words comes out one bit too high.
inline constexpr Crc64Words crc64_move_512{static_cast<long long>(crc64_power(512 + 63)), static_cast<long long>(crc64_power(512 - 1))};
inline constexpr Crc64Words crc64_move_128{static_cast<long long>(crc64_power(128 + 63)), static_cast<long long>(crc64_power(128 - 1))};

/// `words` with that many zero bits behind them, added to `next`.
[[gnu::target("pclmul,sse2")]] [[nodiscard]] inline Crc64Words crc64_fold(Crc64Words words, Crc64Words move, Crc64Words next) noexcept {
    return __builtin_ia32_pclmulqdq128(words, move, 0x00) ^ __builtin_ia32_pclmulqdq128(words, move, 0x11) ^ next;
}
[[nodiscard]] inline Crc64Words crc64_words(const std::byte* bytes) noexcept {
    Crc64Words words;
    std::memcpy(&words, bytes, sizeof(words));
    return words;
}

/// By the processor's carry-less multiplication, 64 bytes a step; takes and gives the inverted register. At least 64 bytes.
[[gnu::target("pclmul,sse2")]] [[nodiscard]] inline std::uint64_t crc64_by_multiplication(std::uint64_t crc, const std::byte* bytes,
                                                                                          std::size_t size) noexcept {
    Crc64Words lanes[] = {crc64_words(bytes), crc64_words(bytes + 16), crc64_words(bytes + 32), crc64_words(bytes + 48)};
    lanes[0] ^= Crc64Words{static_cast<long long>(crc), 0};
    for (bytes += 64, size -= 64; size >= 64; bytes += 64, size -= 64) {
        for (std::size_t lane = 0; lane < 4; ++lane) {
            lanes[lane] = crc64_fold(lanes[lane], crc64_move_512, crc64_words(bytes + 16 * lane));
        }
    }
    for (std::size_t lane = 1; lane < 4; ++lane) {
        lanes[lane] = crc64_fold(lanes[lane - 1], crc64_move_128, lanes[lane]);
    }
    // What is left is the checksum, from nothing, of these 16 bytes and the rest.
    std::byte folded[sizeof(Crc64Words)];
    std::memcpy(folded, &lanes[3], sizeof(folded));
    return crc_by_tables(crc64_tables, crc_by_tables(crc64_tables, std::uint64_t{0}, folded, sizeof(folded)), bytes, size);
}

#endif

} // namespace detail

/// CRC32C (Castagnoli) of `bytes`, continuing from `seed`: the checksum of what came before, or any salt.
/// `crc32c(b, crc32c(a))` is that of `a` followed by `b`.
[[nodiscard]] inline std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0) noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) [[likely]] {
        return ~detail::crc32c_by_instruction(~seed, bytes.data(), bytes.size());
    }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    return ~detail::crc32c_by_instruction(~seed, bytes.data(), bytes.size());
#endif
    return ~detail::crc_by_tables(detail::crc32c_tables, ~seed, bytes.data(), bytes.size());
}

/// The form in which a CRC32C is stored. Bytes that hold their own checksum would otherwise defeat a checksum around them, and log
/// frames lie within archives that have one.
[[nodiscard]] constexpr std::uint32_t mask_crc(std::uint32_t crc) noexcept {
    return std::rotr(crc, 15) + 0xA282EAD8U;
}

/// Undoes `mask_crc`.
[[nodiscard]] constexpr std::uint32_t unmask_crc(std::uint32_t masked) noexcept {
    return std::rotl(masked - 0xA282EAD8U, 15);
}

/// CRC-64/XZ of `bytes`, for whole files; continues from `seed` as `crc32c` does.
[[nodiscard]] inline std::uint64_t crc64_xz(std::span<const std::byte> bytes, std::uint64_t seed = 0) noexcept {
#if defined(__x86_64__)
    if (bytes.size() >= 64 && __builtin_cpu_supports("pclmul")) [[likely]] {
        return ~detail::crc64_by_multiplication(~seed, bytes.data(), bytes.size());
    }
#endif
    return ~detail::crc_by_tables(detail::crc64_tables, ~seed, bytes.data(), bytes.size());
}

/// 128 bits, the upper half first.
struct Hash128 {
    std::uint64_t hi = 0;
    std::uint64_t lo = 0;

    friend constexpr auto operator<=>(const Hash128&, const Hash128&) noexcept = default;
};

/// FNV-1a with 128 bits: names a short text, such as a schema's canonical form, the same way for ever. Not fast, and no defence
/// against somebody who wants two texts to collide.
[[nodiscard]] constexpr Hash128 fnv1a_128(std::string_view text) noexcept {
    constexpr detail::Uint128 prime = (detail::Uint128{1} << 88U) + 0x13BU;
    detail::Uint128 hash = (detail::Uint128{0x6C62272E07BB0142ULL} << 64U) | 0x62B821756295C58DULL;
    for (const char character : text) {
        hash = (hash ^ static_cast<unsigned char>(character)) * prime;
    }
    return {static_cast<std::uint64_t>(hash >> 64U), static_cast<std::uint64_t>(hash)};
}

/// Spreads a number over 64 bits, one to one: every bit of it changes about half of the result. (The finaliser of SplitMix64.)
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    value = (value ^ (value >> 27U)) * 0x94D049BB133111EBULL;
    return value ^ (value >> 31U);
}

namespace detail {

/// Both halves of a 128-bit product, folded together.
[[nodiscard]] constexpr std::uint64_t multiply_fold(std::uint64_t a, std::uint64_t b) noexcept {
    const Uint128 product = Uint128{a} * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

} // namespace detail

/// A fast, well-mixed hash for tables and comparisons between equal states; stable across machines and releases. No defence against
/// chosen keys. The construction is Wang Yi's wyhash, final version 4.2 (public domain), whose published values it gives.
[[nodiscard]] inline std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0) noexcept {
    constexpr std::uint64_t secret[] = {0x2D358DCCAA6C78A5ULL, 0x8BB84B93962EACC9ULL, 0x4B33A62ED433D4A3ULL, 0x4D5A2DA51DE1AA47ULL};
    const auto word = [](const std::byte* at) { return load_le<std::uint64_t>(at); };
    const auto half = [](const std::byte* at) -> std::uint64_t { return load_le<std::uint32_t>(at); };
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    seed ^= detail::multiply_fold(seed ^ secret[0], secret[1]);
    if (left > 16) {
        if (left >= 48) {
            std::uint64_t second = seed;
            std::uint64_t third = seed;
            for (; left >= 48; at += 48, left -= 48) {
                seed = detail::multiply_fold(word(at) ^ secret[1], word(at + 8) ^ seed);
                second = detail::multiply_fold(word(at + 16) ^ secret[2], word(at + 24) ^ second);
                third = detail::multiply_fold(word(at + 32) ^ secret[3], word(at + 40) ^ third);
            }
            seed ^= second ^ third;
        }
        for (; left > 16; at += 16, left -= 16) {
            seed = detail::multiply_fold(word(at) ^ secret[1], word(at + 8) ^ seed);
        }
        // The last sixteen bytes, overlapping what was read where fewer are left: there were more than sixteen.
        a = word(at + left - 16);
        b = word(at + left - 8);
    } else if (left >= 4) {
        const std::size_t step = left / 8 * 4;
        a = half(at) << 32U | half(at + step);
        b = half(at + left - 4) << 32U | half(at + left - 4 - step);
    } else if (left > 0) {
        const auto byte = [at](std::size_t index) { return static_cast<std::uint64_t>(at[index]); };
        a = byte(0) << 16U | byte(left / 2) << 8U | byte(left - 1);
    }
    const detail::Uint128 product = detail::Uint128{a ^ secret[1]} * (b ^ seed);
    return detail::multiply_fold(static_cast<std::uint64_t>(product) ^ secret[0] ^ bytes.size(),
                                 static_cast<std::uint64_t>(product >> 64U) ^ secret[1]);
}

} // namespace ecsdb
