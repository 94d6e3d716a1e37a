/// @file
/// Small facts about an entity by key, for what no component is worth: where it came from, who edits it, what a tool wants to remember.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/schema/component.hpp"
#include "ecsdb/transaction/write_state.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// The component an entity's metadata lies in: name it among a database's types, or as a table of this name with one field, `entries`, that
/// is a blob, in a schema file. A component like any other, so it is versioned, logged, saved and replicated; who does not name it pays
/// nothing. What is in the blob is for `MetadataEntries` to read: a varint with the length of the key, the key, a varint with the length of
/// the value, the value, and so on, keys ascending.
struct Metadata {
    Blob entries;
};
ECSDB_COMPONENT(Metadata, entries);

template <>
struct ComponentOptions<Metadata> {
    static constexpr Storage storage = Storage::Sparse;
};

/// The metadata of one entity, read in place: valid as long as the view, or until the next write of a function transaction. What follows
/// after bytes that are none is not there. A small value to copy.
class MetadataEntries {
public:
    MetadataEntries() noexcept = default;
    explicit MetadataEntries(std::span<const std::byte> bytes) noexcept : bytes_{bytes} {}

    /// Cost: O(bytes).
    [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const {
        std::optional<std::string_view> found;
        for_each([&](std::string_view at, std::string_view value) { found = at == key ? std::optional{value} : found; });
        return found;
    }
    /// Calls `visit(std::string_view key, std::string_view value)` for each, keys ascending.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (ByteReader reader{bytes_}; reader.remaining() != 0;) {
            const std::string_view key = read(reader);
            const std::string_view value = read(reader);
            if (reader.failed()) {
                return;
            }
            visit(key, value);
        }
    }
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }

private:
    static std::string_view read(ByteReader& reader) noexcept {
        const std::span<const std::byte> bytes = reader.read_bytes(static_cast<std::size_t>(reader.read_varint()));
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }

    std::span<const std::byte> bytes_;
};

namespace detail {

[[nodiscard]] inline Result<TableId> find_metadata_table(const Schema& schema) {
    const Table* const table = schema.find_table(ComponentTraits<Metadata>::name);
    if (table == nullptr) {
        return Error{ErrorCode::InvalidArgument, "the schema has no table `Metadata` to keep metadata in"};
    }
    return bind_component<Metadata>(schema);
}
/// `source` is a view or a `WriteState`.
template <typename Source>
[[nodiscard]] MetadataEntries metadata_in(const Source& source, const Schema& schema, Entity entity) {
    const Result<TableId> table = find_metadata_table(schema);
    const std::byte* const row = table ? source.find_row(entity, *table) : nullptr;
    return row == nullptr ? MetadataEntries{} : MetadataEntries{source.blob(reinterpret_cast<const Metadata*>(row)->entries)};
}
[[nodiscard]] inline Result<void> change_metadata(WriteState& state, Entity entity, std::string_view key,
                                                  std::optional<std::string_view> changed) {
    const Result<TableId> table = find_metadata_table(state.buffer().store().schema());
    if (!table) {
        return table.error().clone();
    }
    std::vector<std::byte> bytes;
    const auto append = [&](std::string_view text) {
        std::byte length[max_varint_size]; // NOLINT: filled as far as it is used
        bytes.insert(bytes.end(), length, store_varint(length, text.size()));
        const auto* const first = reinterpret_cast<const std::byte*>(text.data());
        bytes.insert(bytes.end(), first, first + text.size());
    };
    const auto append_changed = [&] {
        if (changed) {
            append(key);
            append(*changed);
        }
    };
    bool placed = false;
    metadata_in(state, state.buffer().store().schema(), entity).for_each([&](std::string_view at, std::string_view value) {
        if (!placed && at >= key) {
            placed = true;
            append_changed();
        }
        if (at != key) {
            append(at);
            append(value);
        }
    });
    if (!placed) {
        append_changed();
    }
    if (bytes.empty()) {
        return state.remove_row(entity, *table);
    }
    Result<Blob> blob = state.blob(bytes);
    if (!blob) {
        return std::move(blob).error();
    }
    const Metadata row{*blob};
    return state.set_row(entity, *table, row_bytes(row));
}

} // namespace detail

/// What is known about `entity` in `view`; empty where nothing is, or the schema keeps no metadata. Valid as long as the view.
template <typename AnyView>
[[nodiscard]] MetadataEntries metadata_of(const AnyView& view, Entity entity) {
    return detail::metadata_in(view, view.schema(), entity);
}
template <typename AnyView>
requires(!std::is_lvalue_reference_v<AnyView>) MetadataEntries metadata_of(AnyView&& view, Entity entity)
= delete;

/// Sets one key of an entity's metadata, inside a function transaction. `NotFound` where the entity does not live, `InvalidArgument` where
/// the schema keeps no metadata. Cost: O(bytes of the entity's metadata).
[[nodiscard]] inline Result<void> set_metadata(WriteState& state, Entity entity, std::string_view key, std::string_view value) {
    return detail::change_metadata(state, entity, key, value);
}
/// Takes one key away; nothing happens where it is not there.
[[nodiscard]] inline Result<void> erase_metadata(WriteState& state, Entity entity, std::string_view key) {
    return detail::change_metadata(state, entity, key, std::nullopt);
}

/// The same as a transaction of its own, waited for. `db` is a database or a producer.
template <typename Db>
requires(!std::is_base_of_v<WriteState, Db>) Result<void> set_metadata(Db& db, Entity entity, std::string_view key,
                                                                       std::string_view value) {
    return db.execute([&](auto& state) { return set_metadata(static_cast<WriteState&>(state), entity, key, value); });
}
template <typename Db>
requires(!std::is_base_of_v<WriteState, Db>) Result<void> erase_metadata(Db& db, Entity entity, std::string_view key) {
    return db.execute([&](auto& state) { return erase_metadata(static_cast<WriteState&>(state), entity, key); });
}

} // namespace ecsdb
