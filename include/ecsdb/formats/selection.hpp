/// @file
/// Works out what of a view is to be saved, and walks through it: entity by entity, with the rows that were asked for.
#pragma once

#include "ecsdb/formats/format.hpp"
#include "ecsdb/schema/references.hpp"
#include "ecsdb/schema/spelling.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::formats {

/// One table of those that are saved.
struct SelectedTable {
    const Table* table;
    const Codec* codec; ///< Null: field by field.
    bool has_references;
};

/// A row to save: which of the selected tables, and where it lies.
struct SelectedRow {
    std::uint32_t place;
    const std::byte* row;
};

/// An entity to save. `rows` ascends by place and is good for this visit only.
struct SelectedEntity {
    Entity entity;
    StableId id;
    std::span<const SelectedRow> rows;
};

/// What of `view` a save writes. The view and the options must outlive it. One thread at a time.
class Selection {
public:
    /// Errors: see `SaveOptions`.
    [[nodiscard]] static Result<Selection> of(const View& view, const SaveOptions& options) {
        Selection selection{view, options};
        Result<void> chosen = selection.choose();
        return chosen ? Result<Selection>{std::move(selection)} : Result<Selection>{std::move(chosen).error()};
    }

    static Result<Selection> of(const View& view, const SaveOptions&& options) = delete;
    static Result<Selection> of(const View&& view, const SaveOptions& options) = delete;
    static Result<Selection> of(const View&& view, const SaveOptions&& options) = delete;

    [[nodiscard]] const View& view() const noexcept { return *view_; }
    /// In the order of the schema, `ImportedId` never among them: `SelectedEntity::id` says it.
    [[nodiscard]] std::span<const SelectedTable> tables() const noexcept { return tables_; }

    /// Calls `visit(const SelectedEntity&)` for every entity to save, until that returns an error, and returns it. Cost: O(entities).
    template <typename Visit>
    [[nodiscard]] Result<void> for_each(Visit&& visit) {
        if (!chosen_.empty()) {
            for (const Entity entity : chosen_) {
                const storage::EntityRecord& record = *view_->root().find_living(entity);
                const storage::Archetype& home = view_->root().archetype(record.archetype);
                if (Result<void> visited = walk(home, record.row, record.row + 1, visit); !visited) {
                    return visited;
                }
            }
            return {};
        }
        Result<void> result;
        view_->root().for_each_archetype([&](const storage::Archetype& home) {
            if (result) {
                result = walk(home, 0, home.rows, visit);
            }
        });
        return result;
    }

private:
    Selection(const View& view, const SaveOptions& options) noexcept : view_{&view}, options_{&options} {}

    [[nodiscard]] Result<void> choose() {
        const Schema& schema = view_->schema();
        std::vector<TableId> only;
        std::vector<TableId> without;
        const std::pair<const std::vector<std::string>*, std::vector<TableId>*> lists[] = {{&options_->tables, &only},
                                                                                           {&options_->without_tables, &without},
                                                                                           {&options_->having, &having_},
                                                                                           {&options_->not_having, &not_having_}};
        for (const auto& [names, ids] : lists) {
            for (const std::string& name : *names) {
                const Table* const table = schema.find_table(name);
                if (table == nullptr) {
                    return unknown(name);
                }
                ids->push_back(table->id);
            }
        }
        const auto is_in = [](const std::vector<TableId>& ids, TableId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
        for (const Table& table : schema.tables()) {
            const bool wanted = only.empty() ? options_->transient || table.persist != Persist::Transient : is_in(only, table.id);
            if (!wanted || table.dropped || is_in(without, table.id) || table.id == view_->stable_ids().imported_table()) {
                continue;
            }
            const Codec* const codec = options_->codecs == nullptr ? nullptr : options_->codecs->find(table.name);
            if (codec != nullptr && table.has_contents()) {
                return Error{ErrorCode::Unsupported, "table `" + table.name + "` has text or blob fields, and so can have no codec"};
            }
            tables_.push_back({&table, codec, has_references(schema, table.fields)});
        }
        some_tables_ = !only.empty();
        return choose_entities();
    }

    [[nodiscard]] Result<void> choose_entities() {
        chosen_ = options_->entities;
        std::sort(chosen_.begin(), chosen_.end());
        for (std::size_t i = 0; i < chosen_.size(); ++i) {
            const std::string name =
                "entity " + std::to_string(chosen_[i].index()) + " (generation " + std::to_string(chosen_[i].generation()) + ")";
            if (!view_->is_alive(chosen_[i])) {
                return Error{ErrorCode::NotFound, name + " is not alive in the view to save"};
            }
            if (i != 0 && chosen_[i] == chosen_[i - 1]) {
                return Error{ErrorCode::InvalidArgument, name + " is to be saved twice"};
            }
        }
        const TableId imported = view_->stable_ids().imported_table();
        any_imported_ = imported != no_table && view_->count_rows(imported) != 0;
        return {};
    }

    [[nodiscard]] Error unknown(const std::string& name) const {
        std::vector<std::string_view> names;
        for (const Table& table : view_->schema().tables()) {
            names.emplace_back(table.name);
        }
        return Error{ErrorCode::InvalidArgument, "table `" + name + "` is not in the schema" + did_you_mean(name, names)};
    }

    /// Whether `home` is out of the question, and which rows of it have to be asked for one by one.
    [[nodiscard]] bool open(const storage::Archetype& home) {
        columns_.clear();
        sparse_.clear();
        asked_.clear();
        for (const bool wanted : {true, false}) {
            for (const TableId table : wanted ? having_ : not_having_) {
                if (view_->schema().table(table).storage == Storage::Sparse) {
                    asked_.push_back({table, wanted});
                } else if (home.shape->has(table) != wanted) {
                    return false;
                }
            }
        }
        shift_ = storage::Archetype::index_geometry.shift;
        for (std::uint32_t place = 0; place < tables_.size(); ++place) {
            const TableId table = tables_[place].table->id;
            const std::uint16_t column = home.shape->column_of(table);
            if (column != storage::ArchetypeShape::no_column) {
                const storage::PageGeometry& geometry = home.shape->columns()[column].geometry;
                shift_ = geometry.stride == 0 ? shift_ : std::min<std::uint32_t>(shift_, geometry.shift);
                columns_.push_back({place, column, geometry.stride, nullptr});
            } else if (const storage::SparseTable* const rows = view_->root().sparse(table); rows != nullptr && rows->rows != 0) {
                sparse_.push_back({place, rows});
            }
        }
        return true;
    }

    template <typename Visit>
    [[nodiscard]] Result<void> walk(const storage::Archetype& home, std::uint32_t first, std::uint32_t end, Visit& visit) {
        if (!open(home)) {
            return {};
        }
        for (std::uint32_t row = first; row < end;) {
            // As far as every column's page goes.
            const std::uint32_t stop = std::min(end, ((row >> shift_) + 1) << shift_);
            for (Column& column : columns_) {
                // A tag has no bytes; anything that is not null will do.
                column.rows = column.stride == 0 ? reinterpret_cast<const std::byte*>(&home) : home.row(column.column, row);
            }
            for (; row < stop; ++row) {
                if (Result<void> visited = show(home.index_at(row), visit); !visited) [[unlikely]] {
                    return visited;
                }
                for (Column& column : columns_) {
                    column.rows += column.stride;
                }
            }
        }
        return {};
    }

    template <typename Visit>
    [[nodiscard]] ECSDB_ALWAYS_INLINE Result<void> show(std::uint32_t index, Visit& visit) {
        const storage::Root& root = view_->root();
        SelectedEntity selected;
        selected.entity = root.entity_at(index);
        for (const Asked& asked : asked_) {
            if ((root.find_sparse_row(index, asked.table) != nullptr) != asked.wanted) {
                return {};
            }
        }
        rows_.resize(columns_.size());
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            rows_[i] = {columns_[i].place, columns_[i].rows};
        }
        for (const Sparse& sparse : sparse_) {
            if (const std::byte* const row = sparse.table->find(index); row != nullptr) {
                const auto at =
                    std::find_if(rows_.begin(), rows_.end(), [&](const SelectedRow& other) { return other.place > sparse.place; });
                rows_.insert(at, {sparse.place, row});
            }
        }
        if ((some_tables_ && rows_.empty()) || (options_->where && !options_->where(*view_, selected.entity))) {
            return {};
        }
        selected.id = any_imported_ ? view_->stable_id(selected.entity) : StableId::derive(view_->stable_ids().identity(), selected.entity);
        selected.rows = rows_;
        return visit(static_cast<const SelectedEntity&>(selected));
    }

    struct Column {
        std::uint32_t place;
        std::uint16_t column;
        std::uint32_t stride;
        const std::byte* rows; ///< The next one.
    };
    struct Sparse {
        std::uint32_t place;
        const storage::SparseTable* table;
    };
    struct Asked {
        TableId table;
        bool wanted;
    };

    const View* view_;
    const SaveOptions* options_;
    std::vector<SelectedTable> tables_;
    std::vector<TableId> having_;
    std::vector<TableId> not_having_;
    std::vector<Entity> chosen_;
    bool some_tables_ = false;
    bool any_imported_ = false;
    // Of the archetype that is walked through, and the entity that is shown.
    std::vector<Column> columns_;
    std::vector<Sparse> sparse_;
    std::vector<Asked> asked_;
    std::uint32_t shift_ = 0;
    std::vector<SelectedRow> rows_;
};

} // namespace ecsdb::formats
