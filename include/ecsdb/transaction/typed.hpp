/// @file
/// The typed face of transactions: components instead of table ids and bytes.
#pragma once

#include "ecsdb/schema/bound.hpp"
#include "ecsdb/transaction/operations.hpp"
#include "ecsdb/transaction/transaction.hpp"
#include "ecsdb/transaction/write_state.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// An entity just created, and the list that creates it, to go on with: `tx.create(Position{1, 2, 3}).set(Health{20})`. Used as an
/// `Entity`, it is one; the list must be there while more is said about it.
template <typename List>
class Created : public Entity {
public:
    Created(Entity entity, List& list) noexcept : Entity{entity}, list_{&list} {}

    /// Adds a component, or a `Row`, to it.
    template <typename T>
    Created& insert(const T& component) noexcept {
        list_->insert(*this, component);
        return *this;
    }
    /// Inserts or replaces.
    template <typename T>
    Created& set(const T& component) noexcept {
        list_->set(*this, component);
        return *this;
    }

private:
    List* list_;
};

/// `Edits` that know the component types. Operations chain: `tx.insert(e, Position{}).insert(e, Velocity{})`.
template <typename Untyped, Component... Ts>
class TypedEdits : public TypedOperations<TypedEdits<Untyped, Ts...>, BoundTo<Untyped, Ts...>, Ts...> {
    using Base = TypedOperations<TypedEdits, BoundTo<Untyped, Ts...>, Ts...>;

public:
    using Base::Base;
    using Untyped::expect_unchanged;

    /// A new entity with the given components, or rows by name. What it returns is its id, with which one can go on.
    template <RowOrOneOf<Ts...>... As>
    Created<TypedEdits> create(const As&... components) noexcept {
        const Entity entity = Untyped::create();
        (this->insert(entity, components), ...);
        return {entity, *this};
    }
    /// As many new entities as `created` has room for, each with a copy of the given components or rows.
    template <RowOrOneOf<Ts...>... As>
    TypedEdits& create_many(std::span<Entity> created, const As&... components) noexcept {
        for (Entity& entity : created) {
            entity = create(components...);
        }
        return *this;
    }
    /// `count` new entities, each with a copy of the given components or rows.
    template <RowOrOneOf<Ts...>... As>
    [[nodiscard]] std::vector<Entity> create_many(std::size_t count, const As&... components) {
        std::vector<Entity> created(count);
        create_many(std::span{created}, components...);
        return created;
    }
    /// `count` new entities with the rows in `columns`, which each hold `count` rows of a table.
    [[nodiscard]] std::vector<Entity> create_many(std::size_t count, std::span<const Rows> columns) {
        std::vector<Entity> created = create_many(count);
        for (const Rows& rows : columns) {
            this->insert_rows(created, rows.table, rows.bytes);
        }
        return created;
    }

    /// The entity's component still is `seen`: see `Edits::expect_row`.
    template <OneOf<Ts...> T>
    TypedEdits& expect(Entity entity, const T& seen) noexcept {
        this->expect_row(entity, this->template id_of<T>(), detail::row_bytes(seen));
        return *this;
    }
    /// The named components of the entity are, or are absent, as `view` sees them: `tx.expect_unchanged<Gold, Bag>(view, player)`. Without
    /// names: everything it has.
    template <OneOf<Ts...> T, OneOf<Ts...>... More, typename AnyView>
    TypedEdits& expect_unchanged(const AnyView& view, Entity entity) noexcept {
        Untyped::expect_unchanged(view, entity, this->template id_of<T>());
        (Untyped::expect_unchanged(view, entity, this->template id_of<More>()), ...);
        return *this;
    }
};

/// A `Transaction` that knows the component types.
template <Component... Ts>
using TypedTransaction = TypedEdits<Transaction, Ts...>;
/// `Changes` that know the component types.
template <Component... Ts>
using TypedChanges = TypedEdits<Changes, Ts...>;

/// A `WriteState` that knows the component types: reads as `TypedReads`, writes as `TypedOperations`.
template <Component... Ts>
class TypedWriteState : public TypedOperations<TypedWriteState<Ts...>, TypedReads<BoundTo<WriteState, Ts...>, Ts...>, Ts...> {
    using Base = TypedOperations<TypedWriteState, TypedReads<BoundTo<WriteState, Ts...>, Ts...>, Ts...>;

public:
    using Base::Base;
    using Base::create_many;

    /// A new entity with the given components, or rows by name.
    template <RowOrOneOf<Ts...>... As>
    [[nodiscard]] Result<Entity> create(const As&... components) noexcept {
        Result<Entity> entity = WriteState::create();
        Result<void> inserted;
        if (entity) {
            static_cast<void>(((inserted = this->insert(*entity, components), inserted.has_value()) && ...));
        }
        if (!inserted) {
            return std::move(inserted).error();
        }
        return entity;
    }
    /// `count` new entities with the components in the spans, each of `count` components, else `InvalidArgument`: see
    /// `WriteState::create_many`.
    template <OneOf<Ts...>... As>
    [[nodiscard]] Result<Entity> create_many(std::uint32_t count, std::span<const As>... components) noexcept {
        if (((components.size() != count) || ...)) {
            return Error{ErrorCode::InvalidArgument, "create " + std::to_string(count) + " entities: not as many components of each kind"};
        }
        const std::array<Rows, sizeof...(As)> columns{
            Rows{this->template id_of<As>(), std::as_bytes(components).first(std::is_empty_v<As> ? 0 : components.size_bytes())}...};
        return WriteState::create_many(count, columns);
    }
    /// `count` new entities, each with a copy of the given components.
    template <OneOf<Ts...>... As>
    requires(sizeof...(As) > 0) [[nodiscard]] Result<Entity> create_many(std::uint32_t count, const As&... components) noexcept {
        return create_many(count, std::span<const As>{std::vector<As>(count, components)}...);
    }
};

} // namespace ecsdb
