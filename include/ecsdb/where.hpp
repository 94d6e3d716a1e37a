/// @file
/// Every entity that a query matches, to be written to in one transaction.
#pragma once

#include "ecsdb/schema/bound.hpp"
#include "ecsdb/transaction/by_query.hpp"
#include "ecsdb/transaction/operations.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// Wants every entity.
struct AcceptAll {
    bool operator()(Entity, const std::byte* const*) const noexcept { return true; }
};

/// Every entity with a row in each of some tables, by table id and bytes; `Where` speaks components.
///
/// Nothing is looked up before an operation is called. That runs on the writer as a function transaction: it sees all that was committed
/// before it, finds the entities, then changes all of them or, on an error, none, and returns how many it changed once that is visible. So
/// what is matched holds until the end, and what is changed is logged and told to participants as if written one by one. Errors are those
/// of the operation (`AlreadyExists`, `NotFound`, `ConstraintViolation`, …), `InvalidArgument` for tables or rows that do not fit the
/// schema, those of `Writes::execute`, and `Aborted` where a function of yours throws. Your functions run on the writer: they must not
/// wait.
///
/// Any thread; an object belongs to one at a time, and must not outlive the database. Cost: a walk over the rows of the tables, and what
/// the operations cost; the list of matches takes 8 bytes each.
template <typename Sequence, typename Accepts = AcceptAll>
class WhereRows {
public:
    WhereRows(const Sequence& to, const transaction::EntityQuery& query, Accepts accepts = {}) noexcept
        : to_{to}, query_{query}, accepts_{std::move(accepts)} {}

    /// Only those with no row in any of `tables`.
    [[nodiscard]] WhereRows without_rows(std::span<const TableId> tables) const {
        WhereRows narrower = *this;
        narrower.query_.add_without(tables);
        return narrower;
    }
    /// Only those for which `fn(Entity, const std::byte* const* rows)` says yes; `rows[i]` is the row in the query's table i.
    template <typename Fn>
    [[nodiscard]] auto matching_rows(Fn fn) const {
        auto both = [first = accepts_, second = std::move(fn)](Entity entity, const std::byte* const* rows) mutable {
            return first(entity, rows) && second(entity, rows);
        };
        return WhereRows<Sequence, decltype(both)>{to_, query_, std::move(both)};
    }

    /// Ends them and all they have.
    Result<std::uint64_t> destroy() noexcept { return apply(transaction::OperationKind::Destroy, 0, {}); }
    /// Takes their rows of `table` away, where they have one.
    Result<std::uint64_t> remove_row(TableId table) noexcept { return apply(transaction::OperationKind::Remove, table, {}); }
    /// Gives each a copy of `row`, which none may have.
    Result<std::uint64_t> insert_row(TableId table, std::span<const std::byte> row) noexcept {
        return apply(transaction::OperationKind::Insert, table, row);
    }
    /// Replaces the row of each, which all must have, by a copy of `row`.
    Result<std::uint64_t> update_row(TableId table, std::span<const std::byte> row) noexcept {
        return apply(transaction::OperationKind::Update, table, row);
    }
    /// Inserts or replaces.
    Result<std::uint64_t> set_row(TableId table, std::span<const std::byte> row) noexcept {
        return apply(transaction::OperationKind::Set, table, row);
    }
    /// Gives each that has a row of `table` what `fn(std::byte* row)` makes of it.
    template <typename Fn>
    Result<std::uint64_t> update_rows(TableId table, Fn&& fn) noexcept {
        return run(table, false, [&](storage::WriteBuffer& state, std::span<const Entity> entities) {
            return transaction::update_all(state, entities, table, fn);
        });
    }

protected:
    [[nodiscard]] const Sequence& sequence() const noexcept { return to_; }
    [[nodiscard]] const transaction::EntityQuery& query() const noexcept { return query_; }
    [[nodiscard]] const Accepts& accepts() const noexcept { return accepts_; }

private:
    Result<std::uint64_t> apply(transaction::OperationKind kind, TableId table, std::span<const std::byte> row) noexcept {
        using transaction::OperationKind;
        const bool removes = kind == OperationKind::Destroy || kind == OperationKind::Remove;
        const std::vector<Table>& tables = to_.engine->store().schema().tables();
        if (!removes && table < tables.size() && row.size() != tables[table].size) {
            return detail::no_such_row(table, row.size());
        }
        return run(table, removes, [&](storage::WriteBuffer& state, std::span<const Entity> entities) {
            return transaction::apply_to_all(state, kind, entities, table, row.data());
        });
    }
    template <typename Work>
    Result<std::uint64_t> run(TableId table, bool only_removes, Work&& work) noexcept {
        const Schema& schema = to_.engine->store().schema();
        if (table >= schema.tables().size() && !(only_removes && table == 0)) {
            return detail::no_such_row(table, 0);
        }
        if (Result<void> checked = query_.check(schema); !checked) {
            return std::move(checked).error();
        }
        auto on_writer = [&](storage::WriteBuffer& state) -> Result<std::uint64_t> {
            GrowArray<Entity> found{state.store().allocator()};
            if (Result<void> collected = transaction::collect(state.root(), query_, accepts_, found); !collected) {
                return std::move(collected).error();
            }
            return work(state, std::as_const(found).view());
        };
        return to_.run_function(on_writer, only_removes);
    }

    Sequence to_;
    transaction::EntityQuery query_;
    Accepts accepts_;
};

namespace detail {

/// Which table each component type of a database is bound to.
template <Component... Ts>
struct BoundTables {
    std::array<TableId, sizeof...(Ts)> ids;

    template <typename T>
    static constexpr bool has = OneOf<T, Ts...>;
    template <typename T>
    [[nodiscard]] TableId of() const noexcept {
        return ids[position_of<std::remove_const_t<T>, Ts...>()];
    }
};

} // namespace detail

/// Every entity that has all components `As`; `Database::where` makes one. All that is said of `WhereRows` holds.
///
/// ```cpp
/// db.where<Health, Burning>().matching([](const Health& h, const Burning&) { return h.hp == 0; }).destroy();
/// db.where<Burning>().without<Wet>().update<Health>([](Health& h) { --h.hp; });
/// ```
template <typename Sequence, typename Tables, typename Accepts, typename... As>
class Where : public WhereRows<Sequence, Accepts> {
    using Base = WhereRows<Sequence, Accepts>;

public:
    Where(const Sequence& to, const transaction::EntityQuery& query, const Tables& tables, Accepts accepts = {}) noexcept
        : Base{to, query, std::move(accepts)}, tables_{tables} {}

    /// Only those that have none of `Bs`.
    template <typename... Bs>
    requires(Tables::template has<Bs>&&...) [[nodiscard]] Where without() const {
        transaction::EntityQuery query = this->query();
        query.add_without(std::array<TableId, sizeof...(Bs)>{tables_.template of<Bs>()...});
        return Where{this->sequence(), query, tables_, this->accepts()};
    }
    /// Only those for which `fn(const As&...)`, or `fn(Entity, const As&...)`, says yes.
    template <typename Fn>
    [[nodiscard]] auto matching(Fn fn) const {
        auto both = [first = this->accepts(), second = std::move(fn)](Entity entity, const std::byte* const* rows) mutable {
            return first(entity, rows) && call(second, entity, rows, std::index_sequence_for<As...>{});
        };
        return Where<Sequence, Tables, decltype(both), As...>{this->sequence(), this->query(), tables_, std::move(both)};
    }

    /// Takes `T` away, where they have it.
    template <typename T>
    requires(Tables::template has<T>) Result<std::uint64_t> remove()
    noexcept { return this->remove_row(tables_.template of<T>()); }
    /// Gives each a copy of `component`, which none may have.
    template <typename T>
    requires(Tables::template has<T>) Result<std::uint64_t> insert(const T& component)
    noexcept { return this->insert_row(tables_.template of<T>(), detail::row_bytes(component)); }
    /// Inserts or replaces.
    template <typename T>
    requires(Tables::template has<T>) Result<std::uint64_t> set(const T& component)
    noexcept { return this->set_row(tables_.template of<T>(), detail::row_bytes(component)); }
    /// Gives each that has a `T` what `fn(T&)` makes of it.
    template <typename T, typename Fn>
    requires(Tables::template has<T>&& std::is_invocable_v<Fn&, T&>) Result<std::uint64_t> update(Fn&& fn)
    noexcept {
        return this->update_rows(tables_.template of<T>(), [&](std::byte* row) {
            T value;
            std::memcpy(&value, row, sizeof(T));
            fn(value);
            std::memcpy(row, &value, sizeof(T));
        });
    }
    /// Replaces the `T` of each, which all must have.
    template <typename T>
    requires(Tables::template has<T>) Result<std::uint64_t> update(const T& component)
    noexcept { return this->update_row(tables_.template of<T>(), detail::row_bytes(component)); }

private:
    template <typename Fn, std::size_t... I>
    static bool call(Fn& fn, [[maybe_unused]] Entity entity, [[maybe_unused]] const std::byte* const* rows, std::index_sequence<I...>) {
        if constexpr (std::is_invocable_v<Fn&, Entity, const As&...>) {
            return fn(entity, *reinterpret_cast<const As*>(rows[I])...);
        } else {
            return fn(*reinterpret_cast<const As*>(rows[I])...);
        }
    }

    Tables tables_;
};

} // namespace ecsdb
