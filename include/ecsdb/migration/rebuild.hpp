/// @file
/// Builds the state of a new schema from that of an old one: every entity, with its rows as they are to be.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/migration/row.hpp"
#include "ecsdb/migration/steps.hpp"
#include "ecsdb/schema/default_row.hpp"
#include "ecsdb/schema/evolution.hpp"
#include "ecsdb/schema/widening.hpp"
#include "ecsdb/storage/bulk_load.hpp"
#include "ecsdb/storage/rows.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::detail {

/// Turns rows of one stored table into rows of what it becomes.
class RowRebuilder {
public:
    /// All must outlive this. `evolution` is null for a table that stays as it is.
    RowRebuilder(const storage::Root& before, const Table& from, const Schema& schema, const Table& to, const TableEvolution* evolution,
                 const Migrations& migrations)
        : before_{&before}, from_{&from}, schema_{&schema}, to_{&to}, migrations_{&migrations} {
        if (evolution != nullptr) {
            steps_ = evolution->steps;
        }
        same_ = steps_.empty() && are_same_rows(*before.schema, from, schema, to);
        defaults_ = default_row(schema, to);
        for (const Field& field : to.fields) {
            sources_.push_back(from.find_field(field.name));
        }
    }

    /// The row of `entity`, into `fitted`. Errors are those of the steps, and name table, entity and field.
    [[nodiscard]] Result<void> rebuild(Entity entity, const std::byte* row, FittedRow& fitted) const {
        if (steps_.empty()) {
            widen_row(entity, row, fitted);
            return {};
        }
        MigratingRow migrating{entity};
        migrating.assign(*before_->schema, *from_, row, [&](const Field& field) { return content(entity, field); });
        for (const std::size_t step : steps_) {
            const Migrations::RowFunction& function = migrations_->function(step);
            if (!function) {
                continue;
            }
            if (auto done = function(migrating); !done) {
                const TableStep& of = migrations_->steps()[step];
                return std::move(done).error().in("step from version " + std::to_string(of.from) + " to " + std::to_string(of.to));
            }
        }
        return migrating.fit(*schema_, *to_, fitted);
    }

private:
    void widen_row(Entity entity, const std::byte* row, FittedRow& fitted) const {
        fitted.contents.clear();
        if (same_) {
            fitted.row.assign(row, row + to_->size);
        } else {
            fitted.row = defaults_;
        }
        for (std::size_t i = 0; i < sources_.size(); ++i) {
            const Field& field = to_->fields[i];
            if (sources_[i] == nullptr) {
                if (const auto* const standing_in = is_content(field.type) ? std::get_if<std::string>(&field.default_value) : nullptr) {
                    fitted.contents.push_back({field.id, *standing_in});
                }
                continue;
            }
            if (!same_) {
                widen(*before_->schema, *sources_[i], row, *schema_, field, fitted.row.data());
            }
            if (std::string bytes = is_content(field.type) ? content(entity, *sources_[i]) : std::string{}; !bytes.empty()) {
                fitted.contents.push_back({field.id, std::move(bytes)});
            }
        }
    }

    [[nodiscard]] std::string content(Entity entity, const Field& field) const {
        const storage::Content* const found = before_->contents.find(from_->id, field.id, entity.index());
        return found == nullptr ? std::string{} : std::string{reinterpret_cast<const char*>(found->bytes().data()), found->bytes().size()};
    }

    const storage::Root* before_;
    const Table* from_;
    const Schema* schema_;
    const Table* to_;
    const Migrations* migrations_;
    std::vector<std::size_t> steps_;
    bool same_ = false; ///< Rows are copied as they are.
    std::vector<std::byte> defaults_;
    std::vector<const Field*> sources_; ///< Of each new field; null for one that is added.
};

/// Fills an empty store from a version of another schema.
class StateRebuild {
public:
    /// `fresh` must be at its first, empty root, in a store of `plan.schema`; `before` stays pinned meanwhile.
    StateRebuild(const storage::Root& before, const storage::EntityVersions& counts, storage::WriteBuffer& fresh, const Evolution& plan,
                 const Migrations& migrations)
        : before_{before}, counts_{counts}, schema_{fresh.store().schema()}, loader_{fresh} {
        for (const Table& table : before.schema->tables()) {
            const Table& to = schema_.table(table.id);
            const auto evolution =
                std::find_if(plan.tables.begin(), plan.tables.end(), [&](const TableEvolution& e) { return e.table == table.id; });
            rows_.emplace_back(before, table, schema_, to, evolution == plan.tables.end() ? nullptr : &*evolution, migrations);
            if (!table.dropped && !to.dropped && table.storage == Storage::Sparse && to.storage == Storage::Table) {
                moved_in_.push_back(table.id);
            }
        }
    }

    /// Builds what is to be version `version`. Errors: those of steps; `OutOfMemory`. After one the store is to be discarded.
    [[nodiscard]] Result<void> run(std::uint64_t version, std::uint64_t time_ns) {
        if (!loader_.begin(version)) {
            return no_memory();
        }
        Result<void> built;
        before_.for_each_archetype([&](const storage::Archetype& archetype) {
            if (built) {
                built = rebuild_archetype(archetype);
            }
        });
        for (const Table& table : before_.schema->tables()) {
            if (built && !table.dropped && !schema_.table(table.id).dropped && schema_.table(table.id).storage == Storage::Sparse) {
                built = rebuild_sparse(table.id);
            }
        }
        if (!built) {
            return built;
        }
        if (!note_freed() || !copy_counts()) {
            return no_memory();
        }
        loader_.finish(time_ns);
        return {};
    }

    /// Rows rebuilt, of all tables.
    [[nodiscard]] std::uint64_t rows() const noexcept { return count_; }

private:
    /// So many rows are held, packed, before they go into pages.
    static constexpr std::uint32_t batch = 1024;

    static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory for the state in its new schema"}; }

    /// Entities of one archetype may come into several: where a table that was sparse is kept in archetypes from now on.
    Result<void> rebuild_archetype(const storage::Archetype& archetype) {
        std::vector<TableId> tables;
        for (const storage::ColumnShape& column : archetype.shape->columns()) {
            const Table& to = schema_.table(column.table);
            if (!to.dropped && to.storage == Storage::Table) {
                tables.push_back(column.table);
            }
        }
        std::map<std::vector<TableId>, std::vector<std::uint32_t>> groups;
        for (std::uint32_t row = 0; row < archetype.rows; ++row) {
            if (moved_in_.empty()) {
                groups[tables].resize(archetype.rows);
                std::copy_n(indices_of(archetype).begin(), archetype.rows, groups[tables].begin());
                break;
            }
            std::vector<TableId> with_moved = tables;
            const std::uint32_t index = archetype.index_at(row);
            for (const TableId table : moved_in_) {
                if (before_.find_row(before_.entities.at(index), index, table) != nullptr) {
                    with_moved.push_back(table);
                }
            }
            std::sort(with_moved.begin(), with_moved.end());
            groups[with_moved].push_back(index);
        }
        for (const auto& [of_group, indices] : groups) {
            if (auto rebuilt = rebuild_group(of_group, indices); !rebuilt) {
                return rebuilt;
            }
        }
        return {};
    }

    [[nodiscard]] static std::vector<std::uint32_t> indices_of(const storage::Archetype& archetype) {
        std::vector<std::uint32_t> indices(archetype.rows);
        for (std::uint32_t row = 0; row < archetype.rows; ++row) {
            indices[row] = archetype.index_at(row);
        }
        return indices;
    }

    Result<void> rebuild_group(const std::vector<TableId>& tables, const std::vector<std::uint32_t>& indices) {
        std::vector<std::uint32_t> generations;
        generations.reserve(indices.size());
        for (const std::uint32_t index : indices) {
            generations.push_back(before_.entities.at(index).generation);
        }
        if (loader_.begin_archetype(tables, static_cast<std::uint32_t>(indices.size())) != storage::Outcome::Done ||
            loader_.append_entities(indices, generations) != storage::Outcome::Done) {
            return no_memory();
        }
        for (const TableId table : tables) {
            for (std::size_t first = 0; first < indices.size() && !schema_.table(table).is_tag(); first += batch) {
                const std::span part = std::span{indices}.subspan(first, std::min<std::size_t>(batch, indices.size() - first));
                if (auto packed = pack(table, part); !packed) {
                    return packed;
                }
                if (!loader_.fill_rows(table, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(part.size()), packed_) ||
                    !set_contents(table)) {
                    return no_memory();
                }
            }
        }
        return {};
    }

    Result<void> rebuild_sparse(TableId table) {
        std::vector<std::uint32_t> indices;
        storage::for_each_row(before_, std::array{table}, [&](std::uint32_t index, const std::byte* const*) { indices.push_back(index); });
        for (std::size_t first = 0; first < indices.size(); first += batch) {
            const std::span part = std::span{indices}.subspan(first, std::min<std::size_t>(batch, indices.size() - first));
            if (auto packed = pack(table, part); !packed) {
                return packed;
            }
            if (loader_.append_sparse(table, part, packed_) != storage::Outcome::Done || !set_contents(table)) {
                return no_memory();
            }
        }
        return {};
    }

    /// The rows of `indices`, packed, into `packed_`; what their fields hold into `contents_`.
    Result<void> pack(TableId id, std::span<const std::uint32_t> indices) {
        const Table& table = schema_.table(id);
        packed_.resize(indices.size() * table.packed_size);
        contents_.clear();
        std::byte* place = packed_.data();
        for (const std::uint32_t index : indices) {
            const Entity entity = before_.entity_at(index);
            const std::byte* const row = before_.find_row(before_.entities.at(index), index, id);
            if (auto rebuilt = rows_[id].rebuild(entity, row, fitted_); !rebuilt) {
                return std::move(rebuilt).error().in("table `" + table.name + "`, entity " + std::to_string(entity.index()) +
                                                     " (generation " + std::to_string(entity.generation()) + ")");
            }
            pack_row(table.runs, fitted_.row.data(), place);
            place += table.packed_size;
            for (FittedRow::Content& content : fitted_.contents) {
                contents_.emplace_back(index, std::move(content));
            }
        }
        count_ += indices.size();
        return {};
    }

    [[nodiscard]] bool set_contents(TableId table) {
        return std::all_of(contents_.begin(), contents_.end(), [&](const auto& content) {
            const auto& [index, of_field] = content;
            const std::span bytes{of_field.bytes.data(), of_field.bytes.size()};
            return of_field.bytes.empty() ||
                   loader_.set_content(table, of_field.field, index, std::as_bytes(bytes)) == storage::Outcome::Done;
        });
    }

    [[nodiscard]] bool note_freed() {
        bool noted = true;
        before_.entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
            if (record.archetype == storage::no_archetype && record.generation != 0) {
                noted = noted && loader_.append_freed({&index, 1}, {&record.generation, 1}) == storage::Outcome::Done;
            }
        });
        return noted;
    }

    /// A migration is not a change of any entity: counts go on where they were.
    [[nodiscard]] bool copy_counts() {
        bool copied = true;
        before_.entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
            if (record.generation != 0) {
                const std::uint32_t count = counts_.count(index);
                copied = copied && loader_.set_counts(index, {&count, 1});
            }
        });
        return copied;
    }

    const storage::Root& before_;
    const storage::EntityVersions& counts_;
    const Schema& schema_;
    storage::BulkLoader loader_;
    std::vector<RowRebuilder> rows_; ///< By the table's number.
    std::vector<TableId> moved_in_;  ///< Sparse before, kept in archetypes from now on.
    FittedRow fitted_;
    std::vector<std::byte> packed_;
    std::vector<std::pair<std::uint32_t, FittedRow::Content>> contents_;
    std::uint64_t count_ = 0;
};

} // namespace ecsdb::detail
