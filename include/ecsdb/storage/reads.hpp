/// @file
/// What can be read of one state of the database, by name and by component: the same in a view and inside a function transaction.
#pragma once

#include "ecsdb/core/hints.hpp"
#include "ecsdb/schema/bound.hpp"
#include "ecsdb/schema/field_handle.hpp"
#include "ecsdb/storage/figures.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/storage/stable_ids.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// Reads by table id, field handle and bytes, mixed into `View` and `WriteState`, which say what state it is.
///
/// Pointers and spans go into that state: valid as long as a view, and until the next write in a function transaction. While a walk
/// (`each`, `for_each_…`) is under way there, writes are refused: list what is to be changed, then change it. A table that is not in the
/// schema has no rows.
template <typename Self>
class Reads {
public:
    [[nodiscard]] const Schema& schema() const noexcept { return *root().schema; }

    // Entities ----------------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] bool is_alive(Entity entity) const noexcept { return root().find_living(entity) != nullptr; }
    /// Living entities. Cost: O(1).
    [[nodiscard]] std::uint64_t entity_count() const noexcept { return root().entity_count; }
    /// Calls `visit(Entity)` for every living entity. Cost: O(entities).
    template <typename Visit>
    void for_each_entity(Visit&& visit) const {
        [[maybe_unused]] const auto walk = self().begin_walk();
        root().for_each_archetype([&](const storage::Archetype& archetype) {
            for (std::uint32_t row = 0; row < archetype.rows; ++row) {
                visit(root().entity_at(archetype.index_at(row)));
            }
        });
    }
    /// Every living entity, in no particular order. Cost: O(entities), 8 bytes each.
    [[nodiscard]] std::vector<Entity> all_entities() const {
        std::vector<Entity> entities;
        entities.reserve(entity_count());
        for_each_entity([&](Entity entity) { entities.push_back(entity); });
        return entities;
    }
    /// The entity's name beyond this database (docs/guide/stable_ids.md): the id it was imported with, else the derived one; null for an
    /// entity that is not alive. Cost: O(1).
    [[nodiscard]] StableId stable_id(Entity entity) const noexcept { return self().stable_ids().of(root(), entity); }
    /// The entity that has this stable id; null when there is none. Cost: O(1) for a derived id; for an imported one O(imported entities)
    /// in a view, and O(what the transaction has changed so far) in a function.
    [[nodiscard]] Entity find(const StableId& id) const {
        const Entity derived = self().stable_ids().find_derived(root(), id);
        return derived ? derived : self().find_imported(id);
    }
    /// The tables an entity has a row in, ascending; empty for an entity that is not alive.
    [[nodiscard]] std::vector<TableId> components_of(Entity entity) const {
        std::vector<TableId> tables;
        if (const storage::EntityRecord* const record = root().find_living(entity); record != nullptr) {
            for (const Table& table : schema().tables()) {
                if (root().find_row(*record, entity.index(), table.id) != nullptr) {
                    tables.push_back(table.id);
                }
            }
        }
        return tables;
    }
    /// Names the set of table components an entity has: equal for entities with equal sets, for the life of the database. 0 when unknown.
    [[nodiscard]] std::uint32_t archetype_of(Entity entity) const noexcept {
        const storage::EntityRecord* const record = root().find_living(entity);
        return record == nullptr ? 0 : record->archetype;
    }

    // Rows, by table id -------------------------------------------------------------------------------------------------------------------

    /// The row's bytes in memory layout (`Table::size`), or null; for a tag, non-null means present. Cost: O(1).
    [[nodiscard]] const std::byte* find_row(Entity entity, TableId table) const& noexcept {
        const storage::EntityRecord* const record = root().find_living(entity);
        return record == nullptr || !schema().has_table(table) ? nullptr : root().find_row(*record, entity.index(), table);
    }
    const std::byte* find_row(Entity, TableId) const&& = delete;
    [[nodiscard]] bool has_row(Entity entity, TableId table) const noexcept { return find_row(entity, table) != nullptr; }
    /// The rows of many entities in one table: `rows[i]` belongs to `entities[i]`. Both spans must be of one size. Cache misses overlap.
    void find_rows(std::span<const Entity> entities, TableId table, std::span<const std::byte*> rows) const& noexcept {
        find_many(entities, rows, [&](Entity entity) { return find_row(entity, table); });
    }
    void find_rows(std::span<const Entity>, TableId, std::span<const std::byte*>) const&& = delete;

    /// One field of an entity's row, in place, or null; also null where the handle is of another schema, and lies beyond the row. Find the
    /// handle once with `find_field`.
    template <typename T>
    [[nodiscard]] const T* get(Entity entity, FieldHandle<T> field) const& noexcept {
        const std::byte* const row = find_row(entity, field.table);
        return row == nullptr || !field.fits(schema()) ? nullptr : &field.in(row);
    }
    template <typename T>
    const T* get(Entity, FieldHandle<T>) const&& = delete;

    /// What a text field of a row of this state holds, in place; empty for a handle this state does not know. In a function transaction
    /// also what it has brought itself. Cost: O(1).
    [[nodiscard]] std::string_view text(const Text& handle) const& noexcept {
        const std::span<const std::byte> bytes = self().content_of(handle);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    std::string_view text(const Text&) const&& = delete;
    /// The same for a blob field. The bytes are aligned to 16.
    [[nodiscard]] std::span<const std::byte> blob(const Blob& handle) const& noexcept { return self().content_of(handle); }
    std::span<const std::byte> blob(const Blob&) const&& = delete;

    /// Rows of a table. Cost: O(archetypes).
    [[nodiscard]] std::uint64_t count_rows(TableId table) const noexcept {
        std::uint64_t rows = 0;
        if (!schema().has_table(table)) {
            return rows;
        }
        root().for_each_archetype([&](const storage::Archetype& archetype) { rows += archetype.shape->has(table) ? archetype.rows : 0; });
        const storage::SparseTable* const sparse = root().sparse(table);
        return rows + (sparse == nullptr ? 0 : sparse->rows);
    }

    /// What a table takes in this state: rows, bytes, pages, texts and blobs; all 0 where there is no such table. Cost: O(archetypes +
    /// pages and contents of the table).
    [[nodiscard]] TableFigures table_figures(TableId table) const noexcept {
        return schema().has_table(table) ? storage::table_figures(root(), table) : TableFigures{};
    }
    /// What the entities take besides their rows. Cost: O(archetypes + entities / 64).
    [[nodiscard]] TableFigures entity_figures() const noexcept { return storage::entity_figures(root()); }

    /// Calls `visit(Entity, const std::byte* const* rows)` for every entity with a row in each of `tables`; `rows[i]` is its row in
    /// `tables[i]`. For none where one of them is not in the schema, or they are not 1 to 32.
    template <typename Visit>
    void for_each_row(std::span<const TableId> tables, Visit&& visit) const {
        if (!storage::can_walk(schema(), tables)) {
            return;
        }
        [[maybe_unused]] const auto walk = self().begin_walk();
        storage::for_each_row(root(), tables,
                              [&](std::uint32_t index, const std::byte* const* rows) { visit(root().entity_at(index), rows); });
    }
    /// Calls `visit(std::uint32_t count, const std::byte* const* rows)` for runs of rows that lie together: `rows[i]` is the first of
    /// `count` rows of `tables[i]`, one after the other. Entities are not told. For none where `for_each_row` would visit none, or a table
    /// is sparse: such rows do not lie together.
    template <typename Visit>
    void for_each_run(std::span<const TableId> tables, Visit&& visit) const {
        if (!storage::can_walk(schema(), tables) || storage::any_sparse(schema(), tables)) {
            return;
        }
        for_each_chunk(tables,
                       [&](const storage::Chunk& chunk) { visit(chunk.count, static_cast<const std::byte* const*>(chunk.rows.data())); });
    }

protected:
    ~Reads() = default;
    Reads() noexcept = default;
    Reads(const Reads&) noexcept = default;
    Reads& operator=(const Reads&) noexcept = default;

    template <typename Visit>
    void for_each_chunk(std::span<const TableId> tables, Visit&& visit) const {
        [[maybe_unused]] const auto walk = self().begin_walk();
        storage::for_each_chunk(root(), tables, visit);
    }
    template <typename Row, typename Find>
    void find_many(std::span<const Entity> entities, std::span<const Row*> rows, Find&& find_one) const noexcept {
        ECSDB_ASSERT(entities.size() == rows.size(), "as many results as entities are needed");
        constexpr std::size_t ahead = 16;
        for (std::size_t i = 0; i < entities.size(); ++i) {
            if (i + ahead < entities.size()) {
                root().entities.prefetch_record(entities[i + ahead].index());
            }
            rows[i] = find_one(entities[i]);
            prefetch_for_read(rows[i]);
        }
    }

private:
    [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }
    [[nodiscard]] const storage::Root& root() const noexcept { return self().root(); }
};

/// The same for the component types `Ts`. `Untyped` is a `View` or a `WriteState` that knows their tables (`BoundTo`).
template <typename Untyped, Component... Ts>
class TypedReads : public Untyped {
public:
    using Untyped::get;
    using Untyped::root;
    using Untyped::Untyped;

    /// The entity's `T`, in place, or null. Cost: O(1); about that of a generation check and an array access.
    template <OneOf<Ts...> T>
    [[nodiscard]] const T* get(Entity entity) const& noexcept {
        const storage::EntityRecord* const record = root().find_living(entity);
        return record == nullptr
                   ? nullptr
                   : root().template find_row_as<std::remove_const_t<T>>(*record, entity.index(), this->template table_of<T>());
    }
    template <OneOf<Ts...> T>
    const T* get(Entity) const&& = delete;

    /// Several components of one entity at the price of one look-up of the entity; each null where absent.
    template <OneOf<Ts...> A, OneOf<Ts...> B, OneOf<Ts...>... More>
    [[nodiscard]] std::tuple<const A*, const B*, const More*...> get(Entity entity) const& noexcept {
        const storage::EntityRecord* const record = root().find_living(entity);
        const auto row = [&]<typename T>(std::type_identity<T>) {
            return record == nullptr
                       ? nullptr
                       : root().template find_row_as<std::remove_const_t<T>>(*record, entity.index(), this->template table_of<T>());
        };
        return {row(std::type_identity<A>{}), row(std::type_identity<B>{}), row(std::type_identity<More>{})...};
    }
    template <OneOf<Ts...> A, OneOf<Ts...> B, OneOf<Ts...>... More>
    std::tuple<const A*, const B*, const More*...> get(Entity) const&& = delete;

    /// One component of many entities: `rows[i]` belongs to `entities[i]`. Both spans must be of one size. Cache misses overlap.
    template <OneOf<Ts...> T>
    void get_many(std::span<const Entity> entities, std::span<const T*> rows) const& noexcept {
        this->find_many(entities, rows, [&](Entity entity) { return get<T>(entity); });
    }

    template <OneOf<Ts...> T>
    [[nodiscard]] bool has(Entity entity) const noexcept {
        return this->has_row(entity, this->template table_of<T>());
    }
    template <OneOf<Ts...> T>
    [[nodiscard]] std::uint64_t count() const noexcept {
        return this->count_rows(this->template table_of<T>());
    }

    /// What `T`'s table takes in this state. Cost: O(archetypes + pages of the table).
    template <OneOf<Ts...> T>
    [[nodiscard]] TableFigures figures() const noexcept {
        return this->table_figures(this->template table_of<T>());
    }

    /// Calls `fn(const A&, const More&...)`, or `fn(Entity, const A&, const More&...)`, for every entity that has all of them. Write the
    /// types with or without `const`. Cost: one pass over the columns named.
    template <OneOf<Ts...> A, OneOf<Ts...>... More, typename Fn>
    void each(Fn&& fn) const {
        const std::array<TableId, 1 + sizeof...(More)> tables{this->template table_of<A>(), this->template table_of<More>()...};
        if (storage::any_sparse(this->schema(), tables)) {
            this->for_each_row(tables, [&](Entity entity, const std::byte* const* rows) {
                call(fn, entity, rows, std::make_index_sequence<1 + sizeof...(More)>{}, std::type_identity<std::tuple<A, More...>>{});
            });
            return;
        }
        this->for_each_chunk(tables, [&](const storage::Chunk& chunk) {
            each_in(chunk, fn, std::index_sequence_for<A, More...>{}, std::type_identity<std::tuple<A, More...>>{});
        });
    }

    /// Calls `fn(std::span<const A>, std::span<const More>...)` for runs of rows that lie together: for SIMD. All named components must be
    /// kept in tables (`Storage::Table`); entities are not told.
    template <OneOf<Ts...> A, OneOf<Ts...>... More, typename Fn>
    void each_span(Fn&& fn) const {
        const std::array<TableId, 1 + sizeof...(More)> tables{this->template table_of<A>(), this->template table_of<More>()...};
        ECSDB_ASSERT(!storage::any_sparse(this->schema(), tables), "each_span: a sparse component has no spans");
        this->for_each_chunk(tables, [&](const storage::Chunk& chunk) {
            spans_of(chunk, fn, std::index_sequence_for<A, More...>{}, std::type_identity<std::tuple<A, More...>>{});
        });
    }

private:
    template <typename T>
    static const T* rows_of(const std::byte* rows) noexcept {
        return reinterpret_cast<const T*>(rows);
    }

    template <typename Fn, std::size_t... I, typename... As>
    static void call(Fn& fn, Entity entity, const std::byte* const* rows, std::index_sequence<I...>,
                     std::type_identity<std::tuple<As...>>) {
        if constexpr (std::is_invocable_v<Fn&, Entity, const As&...>) {
            fn(entity, *rows_of<As>(rows[I])...);
        } else {
            fn(*rows_of<As>(rows[I])...);
        }
    }

    template <typename Fn, std::size_t... I, typename... As>
    void each_in(const storage::Chunk& chunk, Fn& fn, std::index_sequence<I...>, std::type_identity<std::tuple<As...>>) const {
        const std::tuple<const As*...> columns{rows_of<As>(chunk.rows[I])...};
        for (std::uint32_t i = 0; i < chunk.count; ++i) {
            if constexpr (std::is_invocable_v<Fn&, Entity, const As&...>) {
                fn(root().entity_at(chunk.indices[i]), std::get<I>(columns)[i]...);
            } else {
                fn(std::get<I>(columns)[i]...);
            }
        }
    }

    template <typename Fn, std::size_t... I, typename... As>
    static void spans_of(const storage::Chunk& chunk, Fn& fn, std::index_sequence<I...>, std::type_identity<std::tuple<As...>>) {
        fn(std::span<const std::remove_const_t<As>>{rows_of<As>(chunk.rows[I]), chunk.count}...);
    }
};

} // namespace ecsdb
