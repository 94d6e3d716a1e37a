/// @file
/// Gathers entities that a format has read and brings them into a database as one transaction: ids, rows, contents, references.
#pragma once

#include "ecsdb/formats/format.hpp"
#include "ecsdb/schema/imported_id.hpp"
#include "ecsdb/schema/references.hpp"
#include "ecsdb/storage/bulk_create.hpp"
#include "ecsdb/transaction/apply.hpp"
#include "ecsdb/transaction/write_state.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ecsdb::formats {

/// One load: entities are gathered (`begin`, then their rows) on the calling thread; `run` does the rest. One thread; for one load.
///
/// A reference in a row is, until `run`, any number the format likes, which `name` gives a meaning. Cost: a copy of the rows.
class EntityLoader {
public:
    EntityLoader(const LoadTarget& into, const LoadOptions& options)
        : into_{into}, options_{options}, schema_{into.schema()}, with_references_(schema_.tables().size()) {
        for (const Table& table : schema_.tables()) {
            with_references_[table.id] = has_references(schema_, table.fields);
        }
    }

    /// The tables whose rows a replaced entity loses where the file gives it none.
    void set_saved_tables(std::vector<TableId> tables) { saved_tables_ = std::move(tables); }
    /// How many entities will come, if that is known: room is made for them.
    void expect(std::size_t entities) {
        entities_.reserve(entities);
        slots_.assign(std::bit_ceil(entities * 2 + 16), 0);
    }

    /// The next entity, which has a row in each of `tables`. `Corrupt` for an id that names nothing, one that came before, or a table named
    /// twice; the message begins with what is wrong.
    [[nodiscard]] Result<void> begin(const StableId& id, std::span<const TableId> tables) {
        if (id.is_null()) {
            return Error{ErrorCode::Corrupt, "its stable id names nothing"};
        }
        if (group_ == no_group || !std::equal(tables.begin(), tables.end(), groups_[group_].tables.begin(), groups_[group_].tables.end())) {
            if (Result<void> opened = open_group(tables); !opened) {
                return opened;
            }
        }
        Group& group = groups_[group_];
        if (!note_id(id)) {
            return Error{ErrorCode::Corrupt, "its stable id " + id.to_string() + " came before"};
        }
        if (entities_.size() == std::numeric_limits<std::uint32_t>::max()) {
            return Error{ErrorCode::OutOfMemory, "a load brings at most 2^32 - 1 entities"};
        }
        entities_.push_back({id, group_, group.count++});
        if (group.count > group.room) [[unlikely]] {
            make_room(group);
        }
        return {};
    }
    /// The row in the `position`-th of the tables `begin` was told, zeros so far. Valid until the next `begin`.
    [[nodiscard]] std::byte* row(std::size_t position) noexcept {
        Group& group = groups_[group_];
        Column& column = group.columns[position];
        return column.rows.data() + std::size_t{group.count - 1} * column.stride;
    }
    /// Gives a `text` or `blob` field of that row its content. The bytes must outlive the load.
    void set_content(std::size_t position, FieldId field, std::span<const std::byte> bytes) {
        if (!bytes.empty()) {
            contents_.push_back({group_, static_cast<std::uint32_t>(position), groups_[group_].count - 1, field, bytes});
        }
    }
    /// The number `reference` in a row of the file means the entity `id`. False where it means another already.
    [[nodiscard]] bool name(std::uint64_t reference, const StableId& id) { return names_.emplace(reference, id).first->second == id; }
    [[nodiscard]] std::size_t entity_count() const noexcept { return entities_.size(); }

    /// Brings everything into the database; once.
    [[nodiscard]] Result<LoadReport> run() {
        LoadReport report;
        if (entities_.empty()) {
            return report;
        }
        const bool in_bulk = options_.existing == ExistingEntity::Refuse || !options_.keep_stable_ids;
        if (in_bulk) {
            std::uint32_t next = 0;
            for (Group& group : groups_) {
                group.first = next;
                next += group.count;
            }
            Result<Entity> first = into_.reserve(next);
            if (!first) {
                return std::move(first).error();
            }
            first_ = *first;
        }
        report.entities.resize(entities_.size());
        entity_of_ = report.entities.data();
        auto on_writer = [&](storage::WriteBuffer& state) {
            WriteState write{into_.pipeline(), state};
            return in_bulk ? create_all(write, report) : put_all(write, report);
        };
        if (Result<void> applied = into_.run(on_writer); !applied) {
            return std::move(applied).error();
        }
        return report;
    }

private:
    /// Rows of one table, side by side in memory layout.
    struct Column {
        TableId table;
        std::uint32_t stride;
        std::vector<std::byte> rows;
    };
    /// Entities with rows in the same tables.
    struct Group {
        std::vector<TableId> tables; ///< In the file's order, as are the columns …
        std::vector<Column> columns;
        std::vector<std::uint32_t> dense;  ///< … of which these, by table, are kept in archetypes …
        std::vector<std::uint32_t> sparse; ///< … and these by entity.
        std::uint32_t count = 0;
        std::uint32_t first = 0; ///< Where its entities begin among all.
        std::size_t room = 0;    ///< For so many entities; the rows of those to come are zeros.
    };
    struct Gathered {
        StableId id;
        std::uint32_t group;
        std::uint32_t row;
    };
    struct GatheredContent {
        std::uint32_t group;
        std::uint32_t position;
        std::uint32_t row;
        FieldId field;
        std::span<const std::byte> bytes;
    };
    static constexpr std::uint32_t no_group = 0xFFFF'FFFF;

    ECSDB_NOINLINE Result<void> open_group(std::span<const TableId> tables) {
        std::vector<TableId> key{tables.begin(), tables.end()};
        if (const auto known = group_of_.find(key); known != group_of_.end()) {
            group_ = known->second;
            return {};
        }
        Group group;
        group.tables = key;
        for (std::uint32_t i = 0; i < tables.size(); ++i) {
            const Table& table = schema_.table(tables[i]);
            group.columns.push_back({table.id, table.size, {}});
            any_references_ = any_references_ || with_references_[table.id];
            (table.storage == Storage::Table ? group.dense : group.sparse).push_back(i);
        }
        std::sort(group.dense.begin(), group.dense.end(), [&](std::uint32_t a, std::uint32_t b) { return tables[a] < tables[b]; });
        std::vector<TableId> sorted = key;
        std::sort(sorted.begin(), sorted.end());
        if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end()) {
            return Error{ErrorCode::Corrupt, "it has two rows in table `" + schema_.table(*twice).name + "`"};
        }
        group_ = static_cast<std::uint32_t>(groups_.size());
        groups_.push_back(std::move(group));
        group_of_.emplace(std::move(key), group_);
        return {};
    }

    ECSDB_NOINLINE static void make_room(Group& group) {
        group.room = std::max<std::size_t>(group.room * 4, 16);
        for (Column& column : group.columns) {
            column.rows.resize(group.room * column.stride);
        }
    }

    // Which entity has which stable id: positions + 1 in `entities_`, by hash; 0 is free. At least half are.
    [[nodiscard]] std::size_t slot_of(const StableId& id) const noexcept {
        std::size_t slot = std::hash<StableId>{}(id);
        for (;; ++slot) {
            slot &= slots_.size() - 1;
            if (slots_[slot] == 0 || entities_[slots_[slot] - 1].id == id) {
                return slot;
            }
        }
    }
    [[nodiscard]] bool note_id(const StableId& id) {
        if ((entities_.size() + 1) * 2 > slots_.size()) {
            slots_.assign(std::max<std::size_t>(slots_.size() * 2, 64), 0);
            for (std::uint32_t i = 0; i < entities_.size(); ++i) {
                slots_[slot_of(entities_[i].id)] = i + 1;
            }
        }
        std::uint32_t& slot = slots_[slot_of(id)];
        if (slot != 0) {
            return false;
        }
        slot = static_cast<std::uint32_t>(entities_.size()) + 1;
        return true;
    }

    // On the writer -------------------------------------------------------------------------------------------------------------------

    /// Nobody has the ids: whole columns at once.
    [[nodiscard]] Result<void> create_all(WriteState& write, LoadReport& report) {
        for (std::size_t i = 0; i < entities_.size(); ++i) {
            const Gathered& gathered = entities_[i];
            if (const Entity holder = options_.keep_stable_ids ? write.find(gathered.id) : Entity{}; holder) {
                return Error{ErrorCode::AlreadyExists,
                             "stable id " + gathered.id.to_string() + " is that of entity " + std::to_string(holder.index()) + " already"};
            }
            entity_of_[i] = member(groups_[gathered.group], gathered.row);
        }
        if (Result<void> completed = complete_rows(write); !completed) {
            return completed;
        }
        for (const Group& group : groups_) {
            if (Result<void> created = create_group(write, group); !created) {
                return created;
            }
        }
        report.created = entities_.size();
        return options_.keep_stable_ids ? give_ids(write) : Result<void>{};
    }

    /// Gives every entity, all of which have been created, the stable id it came with.
    [[nodiscard]] Result<void> give_ids(WriteState& write) {
        const TableId table = write.buffer().store().stable_ids().imported_table();
        if (table == no_table) {
            return no_table_for_ids();
        }
        constexpr std::size_t most = storage::WriteBuffer::most_at_once;
        std::array<ImportedId, most> ids;
        std::array<storage::WriteBuffer::RowOf, most> rows;
        for (std::size_t done = 0; done < entities_.size();) {
            const std::size_t count = std::min(most, entities_.size() - done);
            for (std::size_t i = 0; i < count; ++i) {
                ids[i] = ImportedId{entities_[done + i].id};
                rows[i] = {entity_of_[done + i], reinterpret_cast<const std::byte*>(&ids[i])};
            }
            const auto [inserted, refused] = write.buffer().insert_many(table, {rows.data(), count});
            if (refused) {
                write.buffer().mark_broken();
                return Error{ErrorCode::OutOfMemory, "no memory for the stable ids of the entities"};
            }
            if (Result<void> named = inserted == 0 ? give_id(write, done) : Result<void>{}; !named) {
                return named; // with what is the matter
            }
            done += std::max<std::size_t>(inserted, 1);
        }
        return {};
    }

    [[nodiscard]] Result<void> create_group(WriteState& write, const Group& group) {
        if (group.count == 0) {
            return {}; // its only entity was refused
        }
        std::vector<TableId> tables;
        std::vector<const std::byte*> columns;
        for (const std::uint32_t position : group.dense) {
            tables.push_back(group.tables[position]);
            columns.push_back(group.columns[position].rows.data());
        }
        const storage::Outcome outcome = storage::create_many(write.buffer(), member(group, 0), group.count, tables, columns);
        if (transaction::failed(outcome)) {
            write.buffer().mark_broken();
            return transaction::describe_failure(schema_, transaction::OperationKind::Create, member(group, 0), 0, outcome,
                                                 write.buffer().refused_field());
        }
        for (const std::uint32_t position : group.sparse) {
            const Column& column = group.columns[position];
            for (std::uint32_t row = 0; row < group.count; ++row) {
                const std::byte* const bytes = column.rows.data() + std::size_t{row} * column.stride;
                if (Result<void> inserted = write.insert_row(member(group, row), column.table, {bytes, column.stride}); !inserted) {
                    return inserted;
                }
            }
        }
        return {};
    }

    /// Some may be there already: entity by entity.
    [[nodiscard]] Result<void> put_all(WriteState& write, LoadReport& report) {
        std::vector<bool> is_new(entities_.size());
        for (std::size_t i = 0; i < entities_.size(); ++i) {
            entity_of_[i] = write.find(entities_[i].id);
            is_new[i] = entity_of_[i].is_null();
            if (is_new[i]) {
                Result<Entity> created = write.create();
                if (!created) {
                    return std::move(created).error();
                }
                entity_of_[i] = *created;
                if (Result<void> named = give_id(write, i); !named) {
                    return named;
                }
            }
            ++(is_new[i] ? report.created : report.replaced);
        }
        if (Result<void> completed = complete_rows(write); !completed) {
            return completed;
        }
        for (std::size_t i = 0; i < entities_.size(); ++i) {
            const Group& group = groups_[entities_[i].group];
            for (const Column& column : group.columns) {
                const std::byte* const bytes = column.rows.data() + std::size_t{entities_[i].row} * column.stride;
                if (Result<void> set = write.set_row(entity_of_[i], column.table, {bytes, column.stride}); !set) {
                    return set;
                }
            }
            for (const TableId table : is_new[i] ? std::vector<TableId>{} : saved_tables_) {
                if (std::find(group.tables.begin(), group.tables.end(), table) == group.tables.end()) {
                    if (Result<void> removed = write.remove_row(entity_of_[i], table); !removed) {
                        return removed;
                    }
                }
            }
        }
        return {};
    }

    /// Gives an entity that has been created the stable id it came with, unless it happens to be its own.
    [[nodiscard]] Result<void> give_id(WriteState& write, std::size_t i) const {
        const TableId table = write.buffer().store().stable_ids().imported_table();
        if (table == no_table) {
            return no_table_for_ids();
        }
        const ImportedId row{entities_[i].id};
        return write.insert_row(entity_of_[i], table, detail::row_bytes(row));
    }

    [[nodiscard]] Error no_table_for_ids() const {
        return Error{ErrorCode::SchemaMismatch, "schema `" + schema_.name() + "` has no table `" +
                                                    std::string{ComponentTraits<ImportedId>::name} + "` to keep stable ids in"};
    }

    /// Puts into the rows what only the writer knows: handles of contents, and whom references mean.
    [[nodiscard]] Result<void> complete_rows(WriteState& write) {
        for (const GatheredContent& content : contents_) {
            Column& column = groups_[content.group].columns[content.position];
            Result<Blob> handle = write.blob(content.bytes);
            if (!handle) {
                return std::move(handle).error();
            }
            storage::put_handle(column.rows.data() + std::size_t{content.row} * column.stride,
                                schema_.table(column.table).fields[content.field], *handle);
        }
        for (const Gathered& gathered : any_references_ ? std::span<const Gathered>{entities_} : std::span<const Gathered>{}) {
            for (Column& column : groups_[gathered.group].columns) {
                if (!with_references_[column.table]) {
                    continue;
                }
                std::byte* const row = column.rows.data() + std::size_t{gathered.row} * column.stride;
                if (Result<void> resolved = resolve(write, gathered, schema_.table(column.table), row); !resolved) {
                    return resolved;
                }
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> resolve(WriteState& write, const Gathered& holder, const Table& table, std::byte* row) {
        StableId missing;
        const Field* const field = change_references(schema_, table.fields, row, [&](Entity& reference) {
            const auto named = names_.find(reference.to_bits());
            missing = named == names_.end() ? StableId{} : named->second;
            reference = missing ? find(write, missing) : Entity{};
            return reference || options_.missing_reference == MissingReference::Null;
        });
        if (field == nullptr) {
            return {};
        }
        return Error{ErrorCode::InvalidArgument, "table `" + table.name + "`, field `" + field->name + "`, entity " +
                                                     holder.id.to_string() + ": names " +
                                                     (missing ? missing.to_string() + ", which is neither loaded nor in the database"
                                                              : "an entity that was gone when it was saved")};
    }
    [[nodiscard]] Entity find(WriteState& write, const StableId& id) const {
        const std::uint32_t position = slots_[slot_of(id)];
        return position != 0 ? entity_of_[position - 1] : write.find(id);
    }
    [[nodiscard]] Entity member(const Group& group, std::uint32_t row) const noexcept {
        return {first_.index() + group.first + row, first_.generation(), first_.shard()};
    }

    LoadTarget into_;
    const LoadOptions& options_;
    const Schema& schema_;
    std::vector<bool> with_references_; ///< By table.
    bool any_references_ = false;       ///< In a table that rows have been gathered of.
    std::vector<TableId> saved_tables_;
    std::vector<Group> groups_;
    std::map<std::vector<TableId>, std::uint32_t> group_of_;
    std::uint32_t group_ = no_group; ///< Of the entity that was begun last.
    std::vector<Gathered> entities_;
    std::vector<std::uint32_t> slots_;
    std::vector<GatheredContent> contents_;
    std::unordered_map<std::uint64_t, StableId> names_;
    Entity first_;                ///< Created in bulk, they have consecutive ids.
    Entity* entity_of_ = nullptr; ///< By position in the file; once `run` knows.
};

/// Loads a file whose `Reader` checks all of it before it gathers anything.
template <typename Reader>
[[nodiscard]] Result<LoadReport> load_checked(std::span<const std::byte> bytes, const LoadTarget& into, const LoadOptions& options) {
    Reader reader{bytes, into.schema(), into.pipeline().store().stable_ids().imported_table(), options};
    if (Result<void> checked = reader.check(); !checked) {
        return std::move(checked).error();
    }
    EntityLoader loader{into, options};
    if (Result<void> gathered = reader.gather(loader); !gathered) {
        return std::move(gathered).error();
    }
    return loader.run();
}

} // namespace ecsdb::formats
