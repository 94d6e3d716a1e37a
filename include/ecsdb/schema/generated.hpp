/// @file
/// What a header generated from a schema includes: the binding of its structs, and the reader of its stored form.
#pragma once

#include "ecsdb/schema/component.hpp"
#include "ecsdb/schema/encode.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ecsdb::detail {

/// An array (of arrays) whose every element is `value`.
template <typename Array, typename T>
[[nodiscard]] constexpr Array filled(const T& value) noexcept {
    if constexpr (ArrayElement<Array>::extent == 0) {
        return Array{value};
    } else {
        Array array{};
        for (auto& element : array) {
            element = filled<std::remove_reference_t<decltype(element)>>(value);
        }
        return array;
    }
}

template <std::size_t Count>
[[nodiscard]] constexpr std::array<std::byte, Count> as_byte_array(const std::uint8_t (&numbers)[Count]) noexcept {
    std::array<std::byte, Count> bytes{};
    for (std::size_t i = 0; i < Count; ++i) {
        bytes[i] = std::byte{numbers[i]};
    }
    return bytes;
}

} // namespace ecsdb::detail
