/// @file
/// Does the same to every entity that a query matches: what runs on the writer, inside one transaction.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/storage/rows.hpp"
#include "ecsdb/transaction/apply.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace ecsdb::transaction {

/// Which entities: those with a row in each of some tables, and in none of others.
class EntityQuery {
public:
    EntityQuery() noexcept = default;
    explicit EntityQuery(std::span<const TableId> with) noexcept { add(with_, with_count_, with); }

    void add_without(std::span<const TableId> tables) noexcept { add(without_, without_count_, tables); }

    [[nodiscard]] std::span<const TableId> with() const noexcept { return {with_.data(), with_count_}; }
    [[nodiscard]] std::span<const TableId> without() const noexcept { return {without_.data(), without_count_}; }

    /// `InvalidArgument` where a table is not in the schema, or there are more than 32 of a kind.
    [[nodiscard]] Result<void> check(const Schema& schema) const {
        const auto unknown = [&](TableId table) { return table >= schema.tables().size(); };
        if (too_many_) {
            return Error{ErrorCode::InvalidArgument, "a query names at most " + std::to_string(storage::max_query_tables) + " tables"};
        }
        for (const std::span<const TableId> tables : {with(), without()}) {
            if (const auto found = std::find_if(tables.begin(), tables.end(), unknown); found != tables.end()) {
                return Error{ErrorCode::InvalidArgument, "a query names table " + std::to_string(*found) + ", which is not in the schema"};
            }
        }
        return {};
    }

private:
    using Tables = std::array<TableId, storage::max_query_tables>;

    void add(Tables& tables, std::size_t& count, std::span<const TableId> added) noexcept {
        too_many_ = too_many_ || added.size() > tables.size() - count;
        const std::size_t fit = std::min(added.size(), tables.size() - count);
        std::copy_n(added.begin(), fit, tables.begin() + static_cast<std::ptrdiff_t>(count));
        count += fit;
    }

    Tables with_{};
    Tables without_{};
    std::size_t with_count_ = 0;
    std::size_t without_count_ = 0;
    bool too_many_ = false;
};

/// The entities of `root` that `query` matches and `accepts(Entity, const std::byte* const* rows)` wants; `rows[i]` is the row in the
/// query's table i. `OutOfMemory` for the list. Cost: that of walking the query's tables.
template <typename Accepts>
[[nodiscard]] Result<void> collect(const storage::Root& root, const EntityQuery& query, Accepts& accepts, GrowArray<Entity>& found) {
    bool fits = true;
    const auto visit = [&](std::uint32_t index, const std::byte* const* rows) {
        const Entity entity = root.entity_at(index);
        const storage::EntityRecord& record = root.entities.at(index);
        const std::span<const TableId> without = query.without();
        if (fits &&
            std::none_of(without.begin(), without.end(), [&](TableId table) { return root.find_row(record, index, table) != nullptr; }) &&
            accepts(entity, rows)) {
            fits = found.push(entity);
        }
    };
    if (!query.with().empty()) {
        storage::for_each_row(root, query.with(), visit);
    } else {
        root.for_each_archetype([&](const storage::Archetype& archetype) {
            for (std::uint32_t row = 0; row < archetype.rows; ++row) {
                visit(archetype.index_at(row), nullptr);
            }
        });
    }
    return fits ? Result<void>{} : Result<void>{Error{ErrorCode::OutOfMemory, "no memory to list the entities that a query matches"}};
}

namespace detail {

/// One operation on one entity; says whether it did something.
[[nodiscard]] inline Result<bool> apply_one(storage::WriteBuffer& state, OperationKind kind, Entity entity, TableId table,
                                            const std::byte* row) {
    const storage::Outcome outcome = kind == OperationKind::Destroy  ? state.destroy(entity)
                                     : kind == OperationKind::Remove ? state.remove(entity, table)
                                     : kind == OperationKind::Insert ? state.insert(entity, table, row)
                                     : kind == OperationKind::Update ? state.update(entity, table, row)
                                                                     : state.set(entity, table, row);
    if (failed(outcome)) {
        return describe_failure(state.store().schema(), kind, entity, table, outcome, state.refused_field());
    }
    return outcome == storage::Outcome::Done;
}

} // namespace detail

/// Destroys `entities`, or does to their rows of `table` what `kind` says (`Remove`, `Insert`, `Update`, `Set`); the row of entity
/// i begins at `rows_of_all + i * stride`, so a stride of 0 gives all the same. Returns how many that changed. An error leaves what was
/// done until then: the transaction must be undone.
[[nodiscard]] inline Result<std::uint64_t> apply_to_all(storage::WriteBuffer& state, OperationKind kind, std::span<const Entity> entities,
                                                        TableId table, const std::byte* rows_of_all, std::size_t stride = 0) {
    const auto row_of = [&](std::size_t i) { return stride == 0 ? rows_of_all : rows_of_all + i * stride; };
    constexpr std::size_t group = storage::WriteBuffer::most_at_once;
    const bool moves = kind == OperationKind::Insert || kind == OperationKind::Remove;
    std::array<storage::WriteBuffer::RowOf, group> rows{};
    std::uint64_t changed = 0;
    for (std::size_t next = 0; next < entities.size();) {
        if (moves) {
            const std::size_t count = std::min(group, entities.size() - next);
            for (std::size_t i = 0; i < count; ++i) {
                rows[i] = {entities[next + i], row_of(next + i)};
            }
            const std::span<const storage::WriteBuffer::RowOf> some{rows.data(), count};
            const auto [done, refused] = kind == OperationKind::Insert ? state.insert_many(table, some) : state.remove_many(table, some);
            if (refused) {
                return describe_failure(state.store().schema(), kind, entities[next], table, storage::Outcome::OutOfMemory);
            }
            next += done;
            changed += done;
            if (done != 0) {
                continue;
            }
        }
        const Result<bool> applied = detail::apply_one(state, kind, entities[next], table, row_of(next));
        ++next;
        if (!applied) {
            return applied.error().clone();
        }
        changed += *applied ? 1U : 0U;
    }
    return changed;
}

/// Gives each of `entities` that has a row of `table` the row that `fn(std::byte* row)` makes of it. Returns how many those are. An error
/// as above.
template <typename Fn>
[[nodiscard]] Result<std::uint64_t> update_all(storage::WriteBuffer& state, std::span<const Entity> entities, TableId table, Fn& fn) {
    GrowArray<std::byte> copy{state.store().allocator()};
    const std::uint32_t bytes = state.store().schema().table(table).size;
    if (!copy.resize_for_overwrite(std::max(bytes, 1U))) {
        return Error{ErrorCode::OutOfMemory, "no memory for a row"};
    }
    std::uint64_t changed = 0;
    for (const Entity entity : entities) {
        const std::byte* const row = state.find_row(entity, table);
        if (row == nullptr) {
            continue;
        }
        std::memcpy(copy.begin(), row, bytes);
        fn(copy.begin());
        if (const Result<bool> updated = detail::apply_one(state, OperationKind::Update, entity, table, copy.begin()); !updated) {
            return updated.error().clone();
        }
        ++changed;
    }
    return changed;
}

} // namespace ecsdb::transaction
