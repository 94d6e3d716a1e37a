/// @file
/// Lets a component bring its own pair of functions that turn its rows into bytes and back, in whatever format they are saved.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/component.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb::formats {

/// How the rows of one table are saved, instead of field by field. Rows are bytes in memory layout, `Table::size` of them.
struct Codec {
    /// Appends what stands for `row`.
    std::function<void(const std::byte* row, ByteBuffer& out)> serialise;
    /// Makes a row of what `serialise` wrote when the table had version `version`: `row` holds zeros. Whatever the bytes are: they come
    /// from outside. Must say no (`Corrupt`, `Unsupported`, …) to those it does not know.
    std::function<Result<void>(std::span<const std::byte> bytes, std::uint32_t version, std::byte* row)> deserialise;
};

/// Specialise it for a component that brings its own pair, in the global namespace or in `ecsdb::formats`:
///
///     template <>
///     struct ecsdb::formats::ComponentCodec<Inventory> {
///         static void serialise(const Inventory& inventory, ByteBuffer& out);
///         static Result<Inventory> deserialise(std::span<const std::byte> bytes, std::uint32_t version);
///     };
///
/// and hand it to a save or load with `Codecs::add<Inventory>()`.
template <typename T>
struct ComponentCodec;

/// The codecs a save or load is to use, by table. One thread at a time while it is filled; any thread may use it afterwards.
///
/// The same pairs must be given to load as to save: a file does not say that one was used. A table with `text` or `blob` fields can have
/// none: what lies beside the rows is beyond it.
class Codecs {
public:
    /// The codec of the table of that name; replaces the one before.
    void add(std::string_view table, Codec codec) { codecs_.insert_or_assign(std::string{table}, std::move(codec)); }

    /// The codec of a component from two functions: `serialise(const T&, ByteBuffer&)` and
    /// `Result<T> deserialise(std::span<const std::byte>, std::uint32_t version)`.
    template <Component T, typename Serialise, typename Deserialise>
    void add(Serialise serialise, Deserialise deserialise) {
        add(ComponentTraits<T>::name, Codec{[serialise = std::move(serialise)](const std::byte* row, ByteBuffer& out) {
                                                T component;
                                                std::memcpy(&component, row, sizeof(component));
                                                serialise(static_cast<const T&>(component), out);
                                            },
                                            [deserialise = std::move(deserialise)](std::span<const std::byte> bytes, std::uint32_t version,
                                                                                   std::byte* row) -> Result<void> {
                                                Result<T> component = deserialise(bytes, version);
                                                if (!component) {
                                                    return std::move(component).error();
                                                }
                                                std::memcpy(row, &*component, sizeof(T));
                                                return {};
                                            }});
    }
    /// That of `ComponentCodec<T>`.
    template <Component T>
    void add() {
        add<T>([](const T& component, ByteBuffer& out) { ComponentCodec<T>::serialise(component, out); },
               [](std::span<const std::byte> bytes, std::uint32_t version) { return ComponentCodec<T>::deserialise(bytes, version); });
    }

    /// Null where the table has none. Cost: O(log codecs).
    [[nodiscard]] const Codec* find(std::string_view table) const noexcept {
        const auto found = codecs_.find(table);
        return found == codecs_.end() ? nullptr : &found->second;
    }

private:
    std::map<std::string, Codec, std::less<>> codecs_;
};

} // namespace ecsdb::formats
