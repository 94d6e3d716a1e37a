/// @file
/// A list of component types and the tables they are bound to in one database.
#pragma once

#include "ecsdb/schema/component.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

namespace ecsdb {

namespace detail {

/// The position of T in Ts.
template <typename T, typename... Ts>
[[nodiscard]] consteval std::size_t position_of() {
    std::size_t position = 0;
    static_cast<void>(((std::is_same_v<T, Ts> || (++position, false)) || ...));
    return position;
}

template <typename T>
[[nodiscard]] std::span<const std::byte> row_bytes(const T& row) noexcept {
    // An empty C++ struct has size 1, its table (a tag) has none.
    return {reinterpret_cast<const std::byte*>(&row), std::is_empty_v<T> ? 0 : sizeof(T)};
}

} // namespace detail

/// A type that is one of `Ts`, const or not.
template <typename T, typename... Ts>
concept OneOf = (std::is_same_v<std::remove_const_t<T>, Ts> || ...);

/// An `Untyped` that knows which table each of `Ts` is bound to.
template <typename Untyped, typename... Ts>
class BoundTo : public Untyped {
public:
    using TableIds = std::array<TableId, sizeof...(Ts)>;

    BoundTo() noexcept = default;
    template <typename... Args>
    explicit BoundTo(const TableIds& tables, Args&&... args) noexcept : Untyped{std::forward<Args>(args)...}, tables_{tables} {}

    /// The table a component type is bound to.
    template <typename T>
    [[nodiscard]] TableId table_of() const noexcept {
        return tables_[detail::position_of<std::remove_const_t<T>, Ts...>()];
    }

protected:
    TableIds tables_{};
};

} // namespace ecsdb
