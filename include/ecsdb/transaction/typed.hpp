/// @file
/// The typed face of transactions: components instead of table ids and bytes.
#pragma once

#include "ecsdb/schema/bound.hpp"
#include "ecsdb/storage/bulk_create.hpp"
#include "ecsdb/transaction/transaction.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// `Edits` that know the component types. Operations chain: `tx.insert(e, Position{}).insert(e, Velocity{})`.
template <typename Untyped, Component... Ts>
class TypedEdits : public Untyped {
public:
    using TableIds = std::array<TableId, sizeof...(Ts)>;

    template <typename... Args>
    explicit TypedEdits(const TableIds& tables, Args&&... args) noexcept : Untyped{std::forward<Args>(args)...}, tables_{tables} {}

    using Untyped::expect_unchanged;
    using Untyped::insert;
    using Untyped::set;
    using Untyped::update;

    /// A new entity with the given components.
    template <OneOf<Ts...>... As>
    Entity create(const As&... components) noexcept {
        const Entity entity = Untyped::create();
        (insert(entity, components), ...);
        return entity;
    }
    template <OneOf<Ts...> T>
    TypedEdits& insert(Entity entity, const T& component) noexcept {
        this->insert_row(entity, table_of<T>(), detail::row_bytes(component));
        return *this;
    }
    template <OneOf<Ts...> T>
    TypedEdits& update(Entity entity, const T& component) noexcept {
        this->update_row(entity, table_of<T>(), detail::row_bytes(component));
        return *this;
    }
    /// Overwrites one member: `tx.update(e, &Health::hp, 3U)`.
    template <OneOf<Ts...> T, typename M>
    TypedEdits& update(Entity entity, M T::*member, const std::type_identity_t<M>& value) noexcept {
        const T probe{};
        const auto offset = reinterpret_cast<const std::byte*>(&(probe.*member)) - reinterpret_cast<const std::byte*>(&probe);
        this->update_part(entity, table_of<T>(), static_cast<std::uint32_t>(offset),
                          {reinterpret_cast<const std::byte*>(&value), sizeof(M)});
        return *this;
    }
    template <OneOf<Ts...> T>
    TypedEdits& set(Entity entity, const T& component) noexcept {
        this->set_row(entity, table_of<T>(), detail::row_bytes(component));
        return *this;
    }
    template <OneOf<Ts...> T>
    TypedEdits& remove(Entity entity) noexcept {
        this->remove_row(entity, table_of<T>());
        return *this;
    }
    TypedEdits& destroy(Entity entity) noexcept {
        Untyped::destroy(entity);
        return *this;
    }

    /// The entity's component still is `seen`: see `Edits::expect_row`.
    template <OneOf<Ts...> T>
    TypedEdits& expect(Entity entity, const T& seen) noexcept {
        this->expect_row(entity, table_of<T>(), detail::row_bytes(seen));
        return *this;
    }
    /// The named components of the entity are, or are absent, as `view` sees them: `tx.expect_unchanged<Gold, Bag>(view, player)`. Without
    /// names: everything it has.
    template <OneOf<Ts...> T, OneOf<Ts...>... More, typename AnyView>
    TypedEdits& expect_unchanged(const AnyView& view, Entity entity) noexcept {
        Untyped::expect_unchanged(view, entity, table_of<T>());
        (Untyped::expect_unchanged(view, entity, table_of<More>()), ...);
        return *this;
    }

    // Many at once. `components[i]` belongs to `entities[i]`; spans of different sizes spoil the list (`InvalidArgument`).

    /// As many new entities as `created` has room for, each with a copy of the given components.
    template <OneOf<Ts...>... As>
    TypedEdits& create_many(std::span<Entity> created, const As&... components) noexcept {
        for (Entity& entity : created) {
            entity = create(components...);
        }
        return *this;
    }
    /// `count` new entities, each with a copy of the given components.
    template <OneOf<Ts...>... As>
    [[nodiscard]] std::vector<Entity> create_many(std::size_t count, const As&... components) {
        std::vector<Entity> created(count);
        create_many(std::span{created}, components...);
        return created;
    }
    template <OneOf<Ts...> T>
    TypedEdits& insert_many(std::span<const Entity> entities, std::span<const T> components) noexcept {
        this->insert_rows(entities, table_of<T>(), rows_of(entities, components));
        return *this;
    }
    template <OneOf<Ts...> T>
    TypedEdits& update_many(std::span<const Entity> entities, std::span<const T> components) noexcept {
        this->update_rows(entities, table_of<T>(), rows_of(entities, components));
        return *this;
    }
    template <OneOf<Ts...> T>
    TypedEdits& set_many(std::span<const Entity> entities, std::span<const T> components) noexcept {
        this->set_rows(entities, table_of<T>(), rows_of(entities, components));
        return *this;
    }
    template <OneOf<Ts...> T>
    TypedEdits& remove_many(std::span<const Entity> entities) noexcept {
        this->remove_rows(entities, table_of<T>());
        return *this;
    }
    TypedEdits& destroy_many(std::span<const Entity> entities) noexcept {
        Untyped::destroy_many(entities);
        return *this;
    }

private:
    template <typename T>
    [[nodiscard]] TableId table_of() const noexcept {
        return tables_[detail::position_of<std::remove_const_t<T>, Ts...>()];
    }
    template <typename T>
    [[nodiscard]] std::span<const std::byte> rows_of(std::span<const Entity> entities, std::span<const T> components) noexcept {
        if (components.size() != entities.size()) {
            this->fail(Error{ErrorCode::InvalidArgument,
                             std::to_string(components.size()) + " components for " + std::to_string(entities.size()) + " entities"});
            return {};
        }
        return std::as_bytes(components).first(std::is_empty_v<T> ? 0 : components.size_bytes());
    }

    TableIds tables_;
};

/// A `Transaction` that knows the component types.
template <Component... Ts>
using TypedTransaction = TypedEdits<Transaction, Ts...>;
/// `Changes` that know the component types.
template <Component... Ts>
using TypedChanges = TypedEdits<Changes, Ts...>;

/// A `WriteState` that knows the component types.
template <Component... Ts>
class TypedWriteState : public WriteState {
public:
    using TableIds = std::array<TableId, sizeof...(Ts)>;

    TypedWriteState(transaction::Pipeline& pipeline, storage::WriteBuffer& state, const TableIds& tables,
                    std::uint64_t deadline_ns = 0) noexcept
        : WriteState{pipeline, state, deadline_ns}, tables_{tables} {}

    /// A new entity with the given components.
    template <OneOf<Ts...>... As>
    [[nodiscard]] Result<Entity> create(const As&... components) noexcept {
        Result<Entity> entity = WriteState::create();
        Result<void> inserted;
        if (entity) {
            static_cast<void>(((inserted = insert(*entity, components), inserted.has_value()) && ...));
        }
        if (!inserted) {
            return std::move(inserted).error();
        }
        return entity;
    }
    /// `count` new entities; the spans (each of `count` components, else `InvalidArgument`) are copied page by page, those of sparse
    /// components row by row. The entities' indices are consecutive: entity i is
    /// `Entity{first.index() + i, first.generation(), first.shard()}`.
    template <OneOf<Ts...>... As>
    [[nodiscard]] Result<Entity> create_many(std::uint32_t count, std::span<const As>... components) noexcept {
        if (((components.size() != count) || ...)) {
            return Error{ErrorCode::InvalidArgument, "create " + std::to_string(count) + " entities: not as many components of each kind"};
        }
        transaction::ProducerState* const producer = pipeline().this_thread_producer();
        if (producer == nullptr) {
            return Error{ErrorCode::OutOfMemory, "no memory to reserve entity ids"};
        }
        Result<Entity> first = pipeline().reserve_consecutive(*producer, count);
        if (!first) {
            return first;
        }
        const Schema& schema = buffer().store().schema();
        struct Column {
            const Table* table;
            const std::byte* rows;
        };
        std::array<Column, sizeof...(As)> sorted{
            Column{&schema.table(table_of<As>()), reinterpret_cast<const std::byte*>(components.data())}...};
        std::sort(sorted.begin(), sorted.end(), [](const Column& a, const Column& b) {
            return a.table->storage == b.table->storage ? a.table->id < b.table->id : a.table->storage == Storage::Table;
        });
        std::array<TableId, sizeof...(As)> tables;
        std::array<const std::byte*, sizeof...(As)> columns;
        std::size_t dense = 0;
        for (; dense < sorted.size() && sorted[dense].table->storage == Storage::Table; ++dense) {
            tables[dense] = sorted[dense].table->id;
            columns[dense] = sorted[dense].rows;
        }
        auto outcome = storage::create_many(buffer(), *first, count, {tables.data(), dense}, {columns.data(), dense});
        for (std::size_t i = dense; i < sorted.size(); ++i) {
            for (std::uint32_t row = 0; row < count && !transaction::failed(outcome); ++row) {
                outcome = buffer().insert(Entity{first->index() + row, first->generation(), first->shard()}, sorted[i].table->id,
                                          sorted[i].rows + std::size_t{row} * sorted[i].table->size);
            }
        }
        if (transaction::failed(outcome)) {
            buffer().mark_broken();
            return transaction::describe_failure(schema, transaction::OperationKind::Create, *first, buffer().contents().refused_table(),
                                                 outcome, buffer().refused_field());
        }
        return first;
    }
    template <OneOf<Ts...> T>
    Result<void> insert(Entity entity, const T& component) noexcept {
        return put(transaction::OperationKind::Insert, entity, table_of<T>(), detail::row_bytes(component).data());
    }
    template <OneOf<Ts...> T>
    Result<void> update(Entity entity, const T& component) noexcept {
        return put(transaction::OperationKind::Update, entity, table_of<T>(), detail::row_bytes(component).data());
    }
    template <OneOf<Ts...> T>
    Result<void> set(Entity entity, const T& component) noexcept {
        return put(transaction::OperationKind::Set, entity, table_of<T>(), detail::row_bytes(component).data());
    }
    template <OneOf<Ts...> T>
    Result<void> remove(Entity entity) noexcept {
        return put(transaction::OperationKind::Remove, entity, table_of<T>(), nullptr);
    }
    /// Null where absent; valid until the next write.
    template <OneOf<Ts...> T>
    [[nodiscard]] const T* get(Entity entity) const noexcept {
        return reinterpret_cast<const T*>(find_row(entity, table_of<T>()));
    }

private:
    template <typename T>
    [[nodiscard]] TableId table_of() const noexcept {
        return tables_[detail::position_of<std::remove_const_t<T>, Ts...>()];
    }

    TableIds tables_;
};

} // namespace ecsdb
