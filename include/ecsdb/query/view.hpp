/// @file
/// A pinned version: reads that see one state of the whole database, for as long as they like, without copying a row.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/core/hints.hpp"
#include "ecsdb/schema/bound.hpp"
#include "ecsdb/schema/field_handle.hpp"
#include "ecsdb/storage/figures.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/storage/store.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// One version of the database, kept alive by being looked at.
///
/// Everything a view returns points into immutable pages and stays valid until the view is destroyed or assigned to, even beyond the
/// database's own end. Readers never wait for the writer, nor it for them. A view may be moved to and released on another thread; one view
/// may be read by several threads at once. Cost of opening and closing one: about 15 ns.
class View {
public:
    /// An empty view: false, and not to be read.
    View() noexcept = default;
    explicit View(storage::Store& store) noexcept : pinned_{store} {}

    /// False when no version could be pinned: the database was closed or made by the parent process, or memory for the pin was refused.
    [[nodiscard]] explicit operator bool() const noexcept { return pinned_.get() != nullptr; }

    /// The number of the last transaction this view sees; 0 for an empty database.
    [[nodiscard]] std::uint64_t version() const noexcept { return root().version; }
    /// When that was committed: nanoseconds since 1970, never going back from version to version.
    [[nodiscard]] std::uint64_t time_ns() const noexcept { return root().time_ns; }
    [[nodiscard]] const Schema& schema() const noexcept { return *root().schema; }
    /// Says who holds this version, for `holders` and for errors about memory: `name` must live as long as the database, like a string
    /// literal. Null takes the name away. Cost: one store.
    void set_name(const char* name) noexcept { pinned_.set_name(name); }

    // Entities ----------------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] bool is_alive(Entity entity) const noexcept { return root().find_living(entity) != nullptr; }
    /// Living entities. Cost: O(1).
    [[nodiscard]] std::uint64_t entity_count() const noexcept { return root().entity_count; }
    /// How often the entity has been changed by now, not as of this view (see R3); nothing for an entity this view does not know. After
    /// opening, changes of rows that are not logged (`Persist`) are counted only as far as a snapshot has them.
    [[nodiscard]] std::optional<std::uint32_t> entity_version(Entity entity) const noexcept {
        return is_alive(entity) ? std::optional{pinned_.store().entity_versions().count(entity.index())} : std::nullopt;
    }
    /// Calls `visit(Entity)` for every living entity. Cost: O(entities).
    template <typename Visit>
    void for_each_entity(Visit&& visit) const {
        root().for_each_archetype([&](const storage::Archetype& archetype) {
            for (std::uint32_t row = 0; row < archetype.rows; ++row) {
                visit(root().entity_at(archetype.index_at(row)));
            }
        });
    }
    /// The entity's name beyond this database (docs/guide/stable_ids.md): the id it was imported with, else the derived one; null for an
    /// entity this view does not know. Cost: O(1).
    [[nodiscard]] StableId stable_id(Entity entity) const noexcept { return stable_ids().of(root(), entity); }
    /// The entity that has this stable id; null when there is none. Cost: O(1) for a derived id, O(imported entities) for an imported one:
    /// in a function transaction, `WriteState::find` is O(1) for both.
    [[nodiscard]] Entity find(const StableId& id) const {
        const Entity derived = stable_ids().find_derived(root(), id);
        return derived ? derived : stable_ids().find_imported(root(), id);
    }
    /// The tables an entity has a row in, ascending; empty for an entity this view does not know.
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

    // Rows, by table id
    // ---------------------------------------------------------------------------------------------------------------------

    /// The row's bytes in memory layout (`Table::size`), or null; for a tag, non-null means present. Cost: O(1).
    [[nodiscard]] const std::byte* find_row(Entity entity, TableId table) const& noexcept {
        const storage::EntityRecord* const record = root().find_living(entity);
        return record == nullptr || table >= schema().tables().size() ? nullptr : root().find_row(*record, entity.index(), table);
    }
    const std::byte* find_row(Entity, TableId) const&& = delete;

    /// One field of an entity's row, in place, or null. Find the handle once with `find_field`.
    template <typename T>
    [[nodiscard]] const T* get(Entity entity, FieldHandle<T> field) const& noexcept {
        const std::byte* const row = find_row(entity, field.table);
        return row == nullptr ? nullptr : &field.in(row);
    }
    template <typename T>
    const T* get(Entity, FieldHandle<T>) const&& = delete;

    /// What a text field of a row of this view holds, in place; empty for a handle this view does not know. Valid as long as this view.
    /// Cost: O(1).
    [[nodiscard]] std::string_view text(const Text& handle) const& noexcept {
        const std::span<const std::byte> bytes = root().contents.bytes_of(handle);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    std::string_view text(const Text&) const&& = delete;
    /// The same for a blob field. The bytes are aligned to 16.
    [[nodiscard]] std::span<const std::byte> blob(const Blob& handle) const& noexcept { return root().contents.bytes_of(handle); }
    std::span<const std::byte> blob(const Blob&) const&& = delete;

    /// Rows of a table. Cost: O(archetypes).
    [[nodiscard]] std::uint64_t count_rows(TableId table) const noexcept {
        std::uint64_t rows = 0;
        root().for_each_archetype([&](const storage::Archetype& archetype) { rows += archetype.shape->has(table) ? archetype.rows : 0; });
        const storage::SparseTable* const sparse = root().sparse(table);
        return rows + (sparse == nullptr ? 0 : sparse->rows);
    }

    /// What a table takes in this version: rows, bytes, pages, texts and blobs; all 0 where there is no such table. Cost: O(archetypes +
    /// pages and contents of the table).
    [[nodiscard]] TableFigures table_figures(TableId table) const noexcept {
        return table < schema().tables().size() ? storage::table_figures(root(), table) : TableFigures{};
    }
    /// What the entities take besides their rows. Cost: O(archetypes + entities / 64).
    [[nodiscard]] TableFigures entity_figures() const noexcept { return storage::entity_figures(root()); }

    /// Calls `visit(Entity, const std::byte* const* rows)` for every entity with a row in each of `tables`; `rows[i]` is its row in
    /// `tables[i]`.
    template <typename Visit>
    void for_each_row(std::span<const TableId> tables, Visit&& visit) const {
        storage::for_each_row(root(), tables,
                              [&](std::uint32_t index, const std::byte* const* rows) { visit(root().entity_at(index), rows); });
    }

    /// A hash over every entity, row (packed) and freed id, the same whatever order and pages they are kept in: equal states, equal hashes.
    /// Cost: O(everything).
    [[nodiscard]] std::uint64_t hash() const { return storage::hash_of(root()); }

    /// How this database names its entities, for the engine's own rooms.
    [[nodiscard]] const storage::StableIds& stable_ids() const noexcept { return pinned_.store().stable_ids(); }
    /// The version's tree, for the engine's own rooms.
    [[nodiscard]] const storage::Root& root() const noexcept {
        ECSDB_ASSERT(pinned_.get() != nullptr, "an empty view was read");
        return *pinned_.get();
    }

private:
    storage::PinnedRoot pinned_;
};

/// A view that knows the database's component types: `Database<Ts...>::read` returns it.
template <Component... Ts>
class TypedView : public View {
public:
    using TableIds = std::array<TableId, sizeof...(Ts)>;

    TypedView() noexcept = default;
    TypedView(storage::Store& store, const TableIds& tables) noexcept : View{store}, tables_{tables} {}

    using View::get;

    /// The entity's `T`, in place, or null. Valid as long as this view. Cost: O(1); about that of a generation check and an array access.
    template <OneOf<Ts...> T>
    [[nodiscard]] const T* get(Entity entity) const& noexcept {
        const storage::EntityRecord* const record = root().find_living(entity);
        return record == nullptr ? nullptr : root().template find_row_as<std::remove_const_t<T>>(*record, entity.index(), table_of<T>());
    }
    template <OneOf<Ts...> T>
    const T* get(Entity) const&& = delete;

    /// Several components of one entity at the price of one look-up of the entity; each null where absent.
    template <OneOf<Ts...> A, OneOf<Ts...> B, OneOf<Ts...>... More>
    [[nodiscard]] std::tuple<const A*, const B*, const More*...> get(Entity entity) const& noexcept {
        const storage::EntityRecord* const record = root().find_living(entity);
        const auto row = [&]<typename T>(std::type_identity<T>) {
            return record == nullptr ? nullptr
                                     : root().template find_row_as<std::remove_const_t<T>>(*record, entity.index(), table_of<T>());
        };
        return {row(std::type_identity<A>{}), row(std::type_identity<B>{}), row(std::type_identity<More>{})...};
    }
    template <OneOf<Ts...> A, OneOf<Ts...> B, OneOf<Ts...>... More>
    std::tuple<const A*, const B*, const More*...> get(Entity) const&& = delete;

    /// One component of many entities: `rows[i]` belongs to `entities[i]`. Both spans must be of one size. Cache misses overlap.
    template <OneOf<Ts...> T>
    void get_many(std::span<const Entity> entities, std::span<const T*> rows) const& noexcept {
        ECSDB_ASSERT(entities.size() == rows.size(), "get_many needs as many results as entities");
        constexpr std::size_t ahead = 16;
        for (std::size_t i = 0; i < entities.size(); ++i) {
            if (i + ahead < entities.size()) {
                root().entities.prefetch_record(entities[i + ahead].index());
            }
            rows[i] = get<T>(entities[i]);
            prefetch_for_read(rows[i]);
        }
    }

    template <OneOf<Ts...> T>
    [[nodiscard]] bool has(Entity entity) const noexcept {
        return find_row(entity, table_of<T>()) != nullptr;
    }
    template <OneOf<Ts...> T>
    [[nodiscard]] std::uint64_t count() const noexcept {
        return count_rows(table_of<T>());
    }

    /// What `T`'s table takes in this version. Cost: O(archetypes + pages and contents of the table).
    template <OneOf<Ts...> T>
    [[nodiscard]] TableFigures figures() const noexcept {
        return table_figures(table_of<T>());
    }

    /// Calls `fn(const A&, const More&...)`, or `fn(Entity, const A&, const More&...)`, for every entity that has all of them. Write the
    /// types with or without `const`. Cost: one pass over the columns named.
    template <OneOf<Ts...> A, OneOf<Ts...>... More, typename Fn>
    void each(Fn&& fn) const {
        const std::array<TableId, 1 + sizeof...(More)> tables{table_of<A>(), table_of<More>()...};
        if (storage::any_sparse(schema(), tables)) {
            for_each_row(tables, [&](Entity entity, const std::byte* const* rows) {
                call(fn, entity, rows, std::make_index_sequence<1 + sizeof...(More)>{}, std::type_identity<std::tuple<A, More...>>{});
            });
            return;
        }
        storage::for_each_chunk(root(), std::span<const TableId>{tables}, [&](const storage::Chunk& chunk) {
            each_in(chunk, fn, std::index_sequence_for<A, More...>{}, std::type_identity<std::tuple<A, More...>>{});
        });
    }

    /// Calls `fn(std::span<const A>, std::span<const More>...)` for runs of rows that lie together: for SIMD. All named components must be
    /// kept in tables (`Storage::Table`); entities are not told.
    template <OneOf<Ts...> A, OneOf<Ts...>... More, typename Fn>
    void each_span(Fn&& fn) const {
        const std::array<TableId, 1 + sizeof...(More)> tables{table_of<A>(), table_of<More>()...};
        ECSDB_ASSERT(!storage::any_sparse(schema(), tables), "each_span: a sparse component has no spans");
        storage::for_each_chunk(root(), std::span<const TableId>{tables}, [&](const storage::Chunk& chunk) {
            spans_of(chunk, fn, std::index_sequence_for<A, More...>{}, std::type_identity<std::tuple<A, More...>>{});
        });
    }

    /// The table a component type is bound to.
    template <typename T>
    [[nodiscard]] TableId table_of() const noexcept {
        return tables_[detail::position_of<std::remove_const_t<T>, Ts...>()];
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

    TableIds tables_{};
};

} // namespace ecsdb
