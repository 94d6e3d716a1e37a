/// @file
/// Every operation, by name and by component: the same in a list of edits, inside a function, and as a transaction of its own.
#pragma once

#include "ecsdb/schema/bound.hpp"
#include "ecsdb/schema/row.hpp"
#include "ecsdb/transaction/command.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// The rows of many entities in one table, one after the other.
struct Rows {
    TableId table = no_table;
    std::span<const std::byte> bytes;
};

namespace detail {

/// What is to lie at `offset` of a row; zeros where `bytes` is null.
struct RowPart {
    std::uint32_t offset;
    const std::byte* bytes;
    std::size_t size;
};

/// Why `bytes` bytes cannot be rows of `table`.
[[nodiscard]] inline Error no_such_row(TableId table, std::size_t bytes) {
    return Error{ErrorCode::InvalidArgument, "row of " + std::to_string(bytes) + " bytes for table " + std::to_string(table) +
                                                 ", which is not in the schema or has rows of another size"};
}

} // namespace detail

/// A component, or a `Row` built by name.
template <typename T, typename... Ts>
concept RowOrOneOf = OneOf<T, Ts...> || std::same_as<T, Row>;

/// Operations by table id, field handle and bytes in memory layout, mixed into `Edits`, `WriteState` and `Writes`.
///
/// What each returns is the form's: a list returns itself, and tells of what makes no sense when it is submitted; a function gets a
/// `Result<void>`; single operations are transactions of their own, whose `Ticket` tells. `InvalidArgument`: a table that is not in the
/// schema, rows of another size, a field handle of another schema. `AlreadyExists`: a row inserted where there is one. `NotFound`: one
/// updated where there is none, and anything on an entity that is not alive. Removing and destroying what is not there does nothing, and is
/// counted (`Statistics`).
///
/// `Form` does them, and has `schema()`: `do_one(kind, entity, table, row)`, `do_many(kind, entities, table, rows)`,
/// `do_parts(entity, table, parts)`, all of which take what is right, and `refuse(error)`.
template <typename Form>
class RowOperations {
public:
    /// Ends an entity and all it has.
    decltype(auto) destroy(Entity entity) noexcept { return form().do_one(Kind::Destroy, entity, 0, std::span<const std::byte>{}); }

    /// Adds a row. `row` has the table's `size` bytes.
    decltype(auto) insert_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return one(Kind::Insert, entity, table, row);
    }
    /// Replaces a row.
    decltype(auto) update_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return one(Kind::Update, entity, table, row);
    }
    /// Inserts or replaces.
    decltype(auto) set_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        return one(Kind::Set, entity, table, row);
    }
    /// Takes a row away.
    decltype(auto) remove_row(Entity entity, TableId table) noexcept { return one(Kind::Remove, entity, table, {}); }
    /// Overwrites part of a row, from `offset` on.
    decltype(auto) update_part(Entity entity, TableId table, std::uint32_t offset, std::span<const std::byte> bytes) noexcept {
        return overwrite(entity, table, {offset, bytes.data(), bytes.size()});
    }

    // The same by name: rows built with `Row`, fields found with `find_field`.
    decltype(auto) insert(Entity entity, const Row& row) noexcept { return insert_row(entity, row.table(), row.bytes()); }
    decltype(auto) update(Entity entity, const Row& row) noexcept { return update_row(entity, row.table(), row.bytes()); }
    decltype(auto) set(Entity entity, const Row& row) noexcept { return set_row(entity, row.table(), row.bytes()); }
    /// Gives one field its value; a nullable one is present from then on.
    template <typename T>
    decltype(auto) update(Entity entity, FieldHandle<T> field, const std::type_identity_t<T>& value) noexcept {
        if (!field.fits(form().schema())) {
            return form().refuse(no_such_field(field.table, field.field));
        }
        const Field& description = form().schema().table(field.table).fields[field.field];
        const auto write = [&](std::span<const detail::RowPart> parts) -> decltype(auto) {
            return form().do_parts(entity, field.table, parts);
        };
        std::byte both[sizeof(T) + 1]; // NOLINT: filled below
        std::memcpy(both, &value, sizeof(T));
        both[sizeof(T)] = std::byte{1};
        if (!description.has_presence_byte() || field.offset + sizeof(T) == description.presence_offset) {
            return write(std::array{detail::RowPart{field.offset, both, sizeof(T) + (description.has_presence_byte() ? 1U : 0U)}});
        }
        // The first element of an array: its presence byte is further on.
        return write(
            std::array{detail::RowPart{field.offset, both, sizeof(T)}, detail::RowPart{description.presence_offset, both + sizeof(T), 1}});
    }
    /// Makes a nullable field absent, or a reference null. `InvalidArgument` for a field that always has a value.
    template <typename T>
    decltype(auto) update_to_null(Entity entity, FieldHandle<T> field) noexcept {
        if (!field.fits(form().schema())) {
            return form().refuse(no_such_field(field.table, field.field));
        }
        const Table& table = form().schema().table(field.table);
        const Field& description = table.fields[field.field];
        if (!description.has_presence_byte() && description.type != FieldType::Entity) {
            return form().refuse(Error{ErrorCode::InvalidArgument,
                                       "field `" + table.name + "." + description.name + "` is not nullable: it cannot be made null"});
        }
        return overwrite(entity, field.table,
                         {description.offset, nullptr, description.size + (description.has_presence_byte() ? 1U : 0U)});
    }

    // Many entities, one table: `rows` holds the rows one after the other, as many as there are entities.
    decltype(auto) insert_rows(std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        return many(Kind::Insert, entities, table, rows);
    }
    decltype(auto) update_rows(std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        return many(Kind::Update, entities, table, rows);
    }
    decltype(auto) set_rows(std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        return many(Kind::Set, entities, table, rows);
    }
    decltype(auto) remove_rows(std::span<const Entity> entities, TableId table) noexcept { return many(Kind::Remove, entities, table, {}); }
    decltype(auto) destroy_many(std::span<const Entity> entities) noexcept {
        return form().do_many(Kind::Destroy, entities, 0, std::span<const std::byte>{});
    }

protected:
    using Kind = transaction::OperationKind;

    ~RowOperations() = default;
    RowOperations() noexcept = default;
    RowOperations(const RowOperations&) noexcept = default;
    RowOperations& operator=(const RowOperations&) noexcept = default;

    [[nodiscard]] Form& form() noexcept { return static_cast<Form&>(*this); }

    decltype(auto) one(Kind kind, Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        const bool fits = has_no_row(kind) ? form().schema().has_table(table) : form().schema().has_row_of(table, row.size());
        if (!fits) [[unlikely]] {
            return form().refuse(detail::no_such_row(table, row.size()));
        }
        return form().do_one(kind, entity, table, row);
    }
    decltype(auto) many(Kind kind, std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        const Schema& schema = form().schema();
        if (!schema.has_table(table) || (!has_no_row(kind) && rows.size() != entities.size() * schema.table(table).size)) [[unlikely]] {
            return form().refuse(detail::no_such_row(table, rows.size()));
        }
        return form().do_many(kind, entities, table, rows);
    }
    decltype(auto) overwrite(Entity entity, TableId table, const detail::RowPart& part) noexcept {
        const Schema& schema = form().schema();
        if (!schema.has_table(table) || part.offset + part.size > schema.table(table).size) [[unlikely]] {
            return form().refuse(Error{ErrorCode::InvalidArgument, "update of part of a row: table " + std::to_string(table) +
                                                                       " has no bytes " + std::to_string(part.offset) + " to " +
                                                                       std::to_string(part.offset + part.size)});
        }
        return form().do_parts(entity, table, std::span{&part, 1});
    }

private:
    [[nodiscard]] static bool has_no_row(Kind kind) noexcept { return kind == Kind::Remove || kind == Kind::ExpectNoRow; }
    [[nodiscard]] static Error no_such_field(TableId table, FieldId field) {
        return Error{ErrorCode::InvalidArgument, "there is no field " + std::to_string(field) + " of table " + std::to_string(table) +
                                                     ": the handle is of another schema"};
    }
};

/// The same for the component types `Ts`. `Untyped` has `RowOperations` and knows the tables (`BoundTo`); lists chain, as a `Final`:
/// `tx.insert(e, Position{}).insert(e, Velocity{})`.
template <typename Final, typename Untyped, Component... Ts>
class TypedOperations : public Untyped {
    using Kind = transaction::OperationKind;

public:
    using Untyped::insert;
    using Untyped::set;
    using Untyped::Untyped;
    using Untyped::update;

    template <OneOf<Ts...> T>
    decltype(auto) insert(Entity entity, const T& component) noexcept {
        return put(Kind::Insert, entity, component);
    }
    template <OneOf<Ts...> T>
    decltype(auto) update(Entity entity, const T& component) noexcept {
        return put(Kind::Update, entity, component);
    }
    /// Overwrites one member: `tx.update(e, &Health::hp, 3U)`.
    template <OneOf<Ts...> T, typename M>
    decltype(auto) update(Entity entity, M T::*member, const std::type_identity_t<M>& value) noexcept {
        const T probe{};
        const auto offset = reinterpret_cast<const std::byte*>(&(probe.*member)) - reinterpret_cast<const std::byte*>(&probe);
        const detail::RowPart part{static_cast<std::uint32_t>(offset), reinterpret_cast<const std::byte*>(&value), sizeof(M)};
        return reply([&]() -> decltype(auto) { return this->do_parts(entity, id_of<T>(), std::span{&part, 1}); });
    }
    template <OneOf<Ts...> T>
    decltype(auto) set(Entity entity, const T& component) noexcept {
        return put(Kind::Set, entity, component);
    }
    template <OneOf<Ts...> T>
    decltype(auto) remove(Entity entity) noexcept {
        return reply([&]() -> decltype(auto) { return this->do_one(Kind::Remove, entity, id_of<T>(), std::span<const std::byte>{}); });
    }
    decltype(auto) destroy(Entity entity) noexcept {
        return reply([&]() -> decltype(auto) { return Untyped::destroy(entity); });
    }

    // Many at once. `components[i]` belongs to `entities[i]`; spans of different sizes are refused (`InvalidArgument`).

    template <OneOf<Ts...> T>
    decltype(auto) insert_many(std::span<const Entity> entities, std::span<const T> components) noexcept {
        return put_many(Kind::Insert, entities, components);
    }
    template <OneOf<Ts...> T>
    decltype(auto) update_many(std::span<const Entity> entities, std::span<const T> components) noexcept {
        return put_many(Kind::Update, entities, components);
    }
    template <OneOf<Ts...> T>
    decltype(auto) set_many(std::span<const Entity> entities, std::span<const T> components) noexcept {
        return put_many(Kind::Set, entities, components);
    }
    template <OneOf<Ts...> T>
    decltype(auto) remove_many(std::span<const Entity> entities) noexcept {
        return reply([&]() -> decltype(auto) { return Untyped::remove_rows(entities, id_of<T>()); });
    }
    decltype(auto) destroy_many(std::span<const Entity> entities) noexcept {
        return reply([&]() -> decltype(auto) { return Untyped::destroy_many(entities); });
    }

protected:
    template <typename T>
    [[nodiscard]] TableId id_of() const noexcept {
        return this->template table_of<T>();
    }
    /// What the form returned for `operation()`; a list for itself, as what it really is.
    template <typename Operation>
    decltype(auto) reply(Operation&& operation) noexcept {
        if constexpr (std::is_reference_v<decltype(operation())>) {
            operation();
            return (static_cast<Final&>(*this));
        } else {
            return operation();
        }
    }

private:
    template <typename T>
    decltype(auto) put(Kind kind, Entity entity, const T& component) noexcept {
        return reply([&]() -> decltype(auto) { return this->do_one(kind, entity, id_of<T>(), detail::row_bytes(component)); });
    }
    template <typename T>
    decltype(auto) put_many(Kind kind, std::span<const Entity> entities, std::span<const T> components) noexcept {
        return reply([&]() -> decltype(auto) {
            if (components.size() != entities.size()) {
                return this->refuse(Error{ErrorCode::InvalidArgument, std::to_string(components.size()) + " components for " +
                                                                          std::to_string(entities.size()) + " entities"});
            }
            return this->do_many(kind, entities, id_of<T>(),
                                 std::as_bytes(components).first(std::is_empty_v<T> ? 0 : components.size_bytes()));
        });
    }
};

} // namespace ecsdb
