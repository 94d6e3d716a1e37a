/// @file
/// Copies entities of one database into another: new ids there, the same stable ids, and references that lead to the copies.
#pragma once

#include "ecsdb/constraint/rules.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/query/view.hpp"
#include "ecsdb/schema/imported_id.hpp"
#include "ecsdb/schema/references.hpp"
#include "ecsdb/schema/same_rows.hpp"
#include "ecsdb/storage/bulk_create.hpp"
#include "ecsdb/storage/contents.hpp"
#include "ecsdb/writes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb {

/// What an import does with a reference to an entity that is not among those imported.
enum class OutsideReference : std::uint8_t {
    Refuse, ///< Nothing is imported: `InvalidArgument`, naming the reference.
    Null,   ///< The copy's reference is null.
};

struct ImportOptions {
    OutsideReference outside = OutsideReference::Refuse;
    /// The copies have the stable ids of the originals, and so can be imported only once. Otherwise they are new entities: a prefab.
    bool keep_stable_ids = true;
};

/// Which entity became which. A plain value; any thread may read it.
class EntityMapping {
public:
    struct Pair {
        Entity from;
        Entity to;
        friend constexpr auto operator<=>(const Pair&, const Pair&) noexcept = default;
    };

    EntityMapping() = default;
    /// `pairs` in any order, no two `from` alike. Cost: O(n log n).
    explicit EntityMapping(std::vector<Pair> pairs) : pairs_{std::move(pairs)} { std::sort(pairs_.begin(), pairs_.end()); }

    /// The copy of `from`; null when it was not imported. Cost: O(log n).
    [[nodiscard]] Entity find(Entity from) const noexcept {
        const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), Pair{from, {}});
        return at == pairs_.end() || at->from != from ? Entity{} : at->to;
    }
    /// All of them, sorted by `from`.
    [[nodiscard]] std::span<const Pair> pairs() const noexcept { return pairs_; }
    [[nodiscard]] std::size_t size() const noexcept { return pairs_.size(); }

private:
    std::vector<Pair> pairs_;
};

} // namespace ecsdb

namespace ecsdb::detail {

/// One import: everything is looked up, copied and checked on the caller's thread; the writer looks for duplicates and fills pages.
class EntityImport {
public:
    EntityImport(const WriteSequence& to, const View& from, const ImportOptions& options)
        : to_{to}, from_{from}, options_{options}, schema_{to.engine->store().schema()}, targets_(from.schema().tables().size()) {}

    [[nodiscard]] Result<EntityMapping> run_all() {
        originals_.reserve(from_.entity_count());
        from_.root().for_each_archetype([&](const storage::Archetype& archetype) {
            for (std::uint32_t row = 0; row < archetype.rows; ++row) {
                originals_.push_back({archetype.shape->id(), row, from_.root().entity_at(archetype.index_at(row))});
            }
        });
        return run();
    }

    [[nodiscard]] Result<EntityMapping> run(std::span<const Entity> entities) {
        originals_.reserve(entities.size());
        for (const Entity entity : entities) {
            const storage::EntityRecord* const record = from_.root().find_living(entity);
            if (record == nullptr) {
                return Error{ErrorCode::NotFound, constraint::describe(entity) + " is not alive in the view to import from"};
            }
            originals_.push_back({record->archetype, record->row, entity});
        }
        std::sort(originals_.begin(), originals_.end());
        const auto twice = std::adjacent_find(originals_.begin(), originals_.end());
        if (twice != originals_.end()) {
            return Error{ErrorCode::InvalidArgument, constraint::describe(twice->entity) + " is to be imported twice"};
        }
        return run();
    }

private:
    /// An entity to copy, and where it is: sorted, those of one archetype lie together.
    struct Original {
        storage::ArchetypeId archetype;
        std::uint32_t row;
        Entity entity;
        friend constexpr auto operator<=>(const Original&, const Original&) noexcept = default;
    };
    /// Where the rows of one table of the source go.
    struct Target {
        const Table* table = nullptr; ///< Null: not looked up yet.
        bool has_references = false;
    };
    /// Entities of one archetype: created together, whole columns at once.
    struct Group {
        std::size_t first = 0; ///< In `originals_`.
        std::uint32_t count = 0;
        std::vector<TableId> tables;      ///< Sorted …
        std::vector<std::size_t> rows_at; ///< … and where the rows of each begin in `bytes_`.
    };
    /// A row that is inserted by itself: it, or its table, is kept apart from the others of its entity.
    struct LooseRow {
        Entity entity;
        TableId table;
        std::size_t at; ///< In `bytes_`.
    };
    /// A text or blob of a copied row: the row gets its handle on the writer.
    struct CopiedContent {
        std::size_t row_at;               ///< In `bytes_`.
        const Field* field;               ///< Of the target.
        std::span<const std::byte> bytes; ///< Of the view.
    };

    [[nodiscard]] Result<EntityMapping> run() {
        if (to_.producer == nullptr) {
            return to_.pipeline().no_producer();
        }
        if (to_.pipeline().writer().is_this_thread()) {
            return Error{ErrorCode::WouldDeadlock, "an import was started from inside a function transaction"};
        }
        if (originals_.empty()) {
            return EntityMapping{};
        }
        if (Result<void> named = note_stable_ids(); !named) {
            return std::move(named).error();
        }
        if (Result<void> copied = copy_rows(); !copied) {
            return std::move(copied).error();
        }
        auto on_writer = [this](storage::WriteBuffer& state) { return apply(state); };
        if (Result<void> applied = to_.run_function(on_writer); !applied) {
            return std::move(applied).error();
        }
        return std::move(mapping_);
    }

    [[nodiscard]] Result<void> note_stable_ids() {
        if (!options_.keep_stable_ids) {
            return {};
        }
        if (to_.engine->store().stable_ids().imported_table() == no_table) {
            return Error{ErrorCode::SchemaMismatch, "schema `" + schema_.name() + "` has no table `" +
                                                        std::string{ComponentTraits<ImportedId>::name} + "` to keep stable ids in"};
        }
        ids_.reserve(originals_.size());
        for (const Original& original : originals_) {
            ids_.push_back(from_.stable_id(original.entity));
        }
        return {};
    }

    [[nodiscard]] Result<void> copy_rows() {
        if (originals_.size() > std::numeric_limits<std::uint32_t>::max()) {
            return Error{ErrorCode::OutOfMemory, "all 2^32 entity indices are in use"};
        }
        Result<Entity> first = to_.pipeline().reserve_consecutive(*to_.producer, static_cast<std::uint32_t>(originals_.size()));
        if (!first) {
            return std::move(first).error();
        }
        first_ = *first;
        std::vector<EntityMapping::Pair> pairs;
        pairs.reserve(originals_.size());
        for (std::size_t i = 0; i < originals_.size(); ++i) {
            pairs.push_back({originals_[i].entity, copy_of(i)});
        }
        mapping_ = EntityMapping{std::move(pairs)};
        for (std::size_t begin = 0; begin < originals_.size();) {
            std::size_t end = begin + 1;
            while (end < originals_.size() && originals_[end].archetype == originals_[begin].archetype) {
                ++end;
            }
            if (Result<void> copied = copy_group(begin, end); !copied) {
                return copied;
            }
            begin = end;
        }
        return {};
    }

    [[nodiscard]] Result<void> copy_group(std::size_t begin, std::size_t end) {
        Group group{begin, static_cast<std::uint32_t>(end - begin), {}, {}};
        List<std::pair<TableId, std::size_t>> columns;
        for (const Table& table : from_.schema().tables()) {
            if (table.id == from_.stable_ids().imported_table()) {
                continue; // `stable_id` has told
            }
            const bool in_archetype = from_.root().archetype(originals_[begin].archetype).shape->has(table.id);
            if (table.dropped || (table.storage == Storage::Table && !in_archetype)) {
                continue;
            }
            std::size_t rows_at = bytes_.size();
            for (std::size_t i = begin; i < end; ++i) {
                const std::byte* const row = from_.find_row(originals_[i].entity, table.id);
                if (row == nullptr) {
                    continue;
                }
                const Result<Target> target = target_of(table);
                if (!target) {
                    return target.error().clone();
                }
                if (!in_archetype || target->table->storage == Storage::Sparse) {
                    loose_rows_.push_back({copy_of(i), target->table->id, bytes_.size()});
                } else if (i == begin) {
                    columns.emplace_back(target->table->id, rows_at);
                }
                if (Result<void> copied = copy_row(table, *target, originals_[i].entity, row); !copied) {
                    return copied;
                }
            }
        }
        std::sort(columns.begin(), columns.end());
        for (const auto& [table, rows_at] : columns) {
            group.tables.push_back(table);
            group.rows_at.push_back(rows_at);
        }
        groups_.push_back(std::move(group));
        return {};
    }

    /// Appends a row to `bytes_`, its references leading to the copies, its texts and blobs still to come.
    [[nodiscard]] Result<void> copy_row(const Table& table, const Target& target, Entity entity, const std::byte* row) {
        const std::size_t at = bytes_.size();
        bytes_.insert(bytes_.end(), row, row + table.size);
        for (const FieldId id : table.contents) {
            const Field& field = target.table->fields[id];
            const storage::Content* const content = from_.root().contents.find(table.id, id, entity.index());
            if (content == nullptr) {
                storage::put_handle(bytes_.data() + at, field, {});
            } else {
                contents_.push_back({at, &field, content->bytes()});
            }
        }
        if (!target.has_references) {
            return {};
        }
        Entity outside;
        const Field* const field = change_references(from_.schema(), table.fields, bytes_.data() + at, [&](Entity& reference) {
            const Entity copy = mapping_.find(reference);
            outside = copy ? Entity{} : reference;
            reference = copy;
            return copy || options_.outside == OutsideReference::Null;
        });
        if (field != nullptr) {
            return Error{ErrorCode::InvalidArgument, "table `" + table.name + "`, field `" + field->name + "`, " +
                                                         constraint::describe(entity) + ": names " + constraint::describe(outside) +
                                                         ", which is not among the entities to import"};
        }
        return {};
    }

    /// The table of the same name, once it is known that rows mean the same there.
    [[nodiscard]] Result<Target> target_of(const Table& table) {
        Target& target = targets_[table.id];
        if (target.table == nullptr) {
            const Table* const found = schema_.find_table(table.name);
            if (found == nullptr) {
                return Error{ErrorCode::SchemaMismatch, "table `" + table.name + "`: is not in schema `" + schema_.name() + "`"};
            }
            if (Result<void> matched = match_rows(from_.schema(), table, schema_, *found); !matched) {
                return std::move(matched).error();
            }
            target = {found, has_references(from_.schema(), table.fields)};
        }
        return target;
    }

    // On the writer -------------------------------------------------------------------------------------------------------------------

    [[nodiscard]] Result<void> apply(storage::WriteBuffer& state) noexcept {
        WriteState write{to_.pipeline(), state};
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            if (const Entity holder = write.find(ids_[i])) {
                return Error{ErrorCode::AlreadyExists, constraint::describe(originals_[i].entity) + ": its stable id " +
                                                           ids_[i].to_string() + " is already that of " + constraint::describe(holder) +
                                                           " here"};
            }
        }
        for (const CopiedContent& content : contents_) {
            const Result<Blob> handle = write.blob(content.bytes);
            if (!handle) {
                return handle.error().clone();
            }
            storage::put_handle(bytes_.data() + content.row_at, *content.field, *handle);
        }
        for (const Group& group : groups_) {
            if (Result<void> created = create(state, group); !created) {
                return created;
            }
        }
        for (const LooseRow& row : loose_rows_) {
            if (Result<void> inserted =
                    write.insert_row(row.entity, row.table, {bytes_.data() + row.at, write.schema().table(row.table).size});
                !inserted) {
                return inserted;
            }
        }
        const TableId imported = state.store().stable_ids().imported_table();
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            const ImportedId row{ids_[i]};
            if (Result<void> inserted = write.insert_row(copy_of(i), imported, detail::row_bytes(row)); !inserted) {
                return inserted;
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> create(storage::WriteBuffer& state, const Group& group) const noexcept {
        GrowArray<const std::byte*> columns{state.store().allocator()};
        bool complete = columns.reserve_more(group.rows_at.size());
        for (const std::size_t rows_at : group.rows_at) {
            complete = complete && columns.push(bytes_.data() + rows_at);
        }
        const storage::Outcome outcome = complete
                                             ? storage::create_many(state, copy_of(group.first), group.count, group.tables, columns.view())
                                             : storage::Outcome::OutOfMemory;
        if (transaction::failed(outcome)) {
            state.mark_broken();
            return transaction::describe_failure(schema_, transaction::OperationKind::Create, copy_of(group.first), 0, outcome);
        }
        return {};
    }

    [[nodiscard]] Entity copy_of(std::size_t original) const noexcept {
        return {first_.index() + static_cast<std::uint32_t>(original), first_.generation(), first_.shard()};
    }

    WriteSequence to_;
    const View& from_;
    ImportOptions options_;
    const Schema& schema_; ///< Of the target.
    List<Target> targets_;
    List<Original> originals_;
    List<StableId> ids_; ///< Of the originals, if they are kept.
    Entity first_;       ///< The copies have consecutive ids.
    EntityMapping mapping_;
    List<Group> groups_;
    List<LooseRow> loose_rows_;
    List<CopiedContent> contents_;
    std::vector<std::byte> bytes_; ///< All rows, with the references of the copies.
};

} // namespace ecsdb::detail

namespace ecsdb {

/// Copies the entities of `from`, a view of another database (or of this one), into `into`, a `Database` or `Producer`, as one transaction;
/// returns when it is visible. All of it happens, or nothing.
///
/// Tables match by name and must have the same rows (`match_rows`); the rest of the schemas may differ. Each copy has a new `Entity`, the
/// stable id of its original (`ImportedId`), and all its rows with their texts and blobs. Every reference between the entities leads to the
/// copies, whatever circles they make; `ImportOptions::outside` says what becomes of others. Counts of changes (`View::entity_version`)
/// begin anew.
///
/// Errors: `AlreadyExists` for a stable id that some entity of `into` has; `SchemaMismatch` for a table that is missing or has other rows,
/// `ImportedId` included, unless ids are not kept; `InvalidArgument` for a reference that is refused; `ConstraintViolation`, and whatever
/// else a function transaction can end with. Cost: a copy of the rows, made on the calling thread; the writer is busy for about as long as
/// by creating them (`create_many`) and inserting the sparse ones.
template <typename Target>
[[nodiscard]] Result<EntityMapping> import_entities(Target& into, const View& from, const ImportOptions& options = {}) {
    if (!from) {
        return Error{ErrorCode::InvalidArgument, "an empty view has nothing to import"};
    }
    return detail::EntityImport{into.sequence(), from, options}.run_all();
}

/// The same for some of the entities. `NotFound` for one that is not alive in `from`, `InvalidArgument` for one named twice.
template <typename Target>
[[nodiscard]] Result<EntityMapping> import_entities(Target& into, const View& from, std::span<const Entity> entities,
                                                    const ImportOptions& options = {}) {
    if (!from) {
        return Error{ErrorCode::InvalidArgument, "an empty view has nothing to import"};
    }
    return detail::EntityImport{into.sequence(), from, options}.run(entities);
}

} // namespace ecsdb
