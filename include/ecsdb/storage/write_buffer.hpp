/// @file
/// The version under construction: every operation on entities and rows, in place or copy-on-first-touch, with a way back.
#pragma once

#include "ecsdb/core/slice.hpp"
#include "ecsdb/storage/change_counts.hpp"
#include "ecsdb/storage/changes.hpp"
#include "ecsdb/storage/content_writer.hpp"
#include "ecsdb/storage/discard.hpp"
#include "ecsdb/storage/outcome.hpp"
#include "ecsdb/storage/prefetch.hpp"
#include "ecsdb/storage/row_mover.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace ecsdb::storage {

/// The write buffer (design D1): a root that shares every node with the published one, except those this batch has touched.
///
/// One transaction at a time: `keep_transaction` makes its changes stand, `undo_transaction` makes them never have been; at the end of the
/// batch `finish_batch` hands the root over to be published. Writer only.
class WriteBuffer : public RowMover {
public:
    explicit WriteBuffer(Store& store) noexcept
        : RowMover{store}, counts_{store.allocator(), store.entity_versions()},
          destroyed_{store.allocator()}, changes_{store.allocator()}, contents_{store.allocator(), workspace_}, row_{store.allocator()} {}

    /// Creates the empty first version, or says that memory is refused.
    [[nodiscard]] bool create_first_root(std::uint32_t shard) noexcept {
        workspace_.set_stamp(0);
        auto* const root = static_cast<Root*>(workspace_.allocate_root());
        if (root == nullptr) {
            return false;
        }
        root_ = root;
        root_->schema = &store_->schema();
        root_->shard = shard;
        root_->archetype_end = 1;
        empty_ = store_->catalog().find_or_add(store_->schema(), {});
        return empty_ != nullptr && archetype(empty_->id(), *empty_) != nullptr;
    }

    /// What the running transaction has changed so far; empty unless recording is on.
    [[nodiscard]] Changes& changes() noexcept { return changes_; }
    [[nodiscard]] const Changes& changes() const noexcept { return changes_; }

    // Batches ---------------------------------------------------------------------------------------------------------------------------

    /// Opens a batch on top of the last one: its root is this batch's own copy. False when memory is refused.
    [[nodiscard]] bool begin_batch() noexcept {
        // Stamps run ahead of versions where the nodes of a version were moved. A root that was not published goes on.
        const Stamp next = root_->born + (root_ == store_->published() ? 1U : 0U);
        workspace_.set_stamp(std::max(next, root_->version + 1));
        counts_.begin_batch();
        return workspace_.own_root(root_) != nullptr;
    }

    /// Closes the batch: pages the transactions emptied go, and the root is ready to be published. That of a batch that kept no transaction
    /// goes on into the next one instead, unless it was to move nodes (`Compactor`): then it is published as the version it is.
    const Root* finish_batch() noexcept {
        trim_emptied();
        return root_;
    }

    /// Gives back the pages that transactions of this batch have emptied, or had appended before they were undone. Also where the batch
    /// has kept none: what a failed transaction took must not be missing to the next one.
    void trim_emptied() noexcept {
        while (shrunk_ != nullptr) {
            ArchetypeShape* const shape = shrunk_;
            shrunk_ = shape->next_shrunk_;
            shape->shrunk_ = false;
            trim(*shape);
        }
        contents_.trim(root_->contents);
    }

    /// Goes back to `published`, as if the batch had never begun.
    void discard_batch(const Root* published) noexcept {
        ECSDB_ASSERT(counts_.discardable(), "a batch can only be discarded if that was asked for before it began");
        store_->reclaimer().unretire_since(workspace_.stamp());
        counts_.discard_batch();
        destroyed_.clear();
        no_ops_ = 0;
        discard_nodes(workspace_, *root_);
        root_ = const_cast<Root*>(published);
    }

    /// The entities this batch's transactions have destroyed. Until `forget_destroyed`.
    [[nodiscard]] std::span<const Entity> destroyed() const noexcept { return destroyed_.view(); }
    void forget_destroyed() noexcept { destroyed_.clear(); }
    /// The one destroyed last has a successor already: its index is not free.
    void forget_last_destroyed() noexcept { destroyed_.shrink_to(destroyed_.size() - 1); }

    /// Gives back what working memory large transactions have left behind. Between batches, none of which may be discarded any more.
    void trim_working_memory() noexcept {
        constexpr std::size_t most_bytes = std::size_t{1} << 20U;
        workspace_.undo().clear_and_trim(most_bytes);
        counts_.trim(most_bytes);
        destroyed_.clear_and_trim(most_bytes);
        changes_.clear_and_trim(most_bytes);
    }

    // Transactions ----------------------------------------------------------------------------------------------------------------------

    void begin_transaction() noexcept {
        ++transaction_;
        own_ = {};
        counted_ = nullptr;
        entity_count_before_ = root_->entity_count;
        destroyed_before_ = destroyed_.size();
        no_ops_before_ = no_ops_;
        counts_.begin_transaction();
        broken_ = false;
    }
    /// An operation of this transaction was left half-done: whoever goes on regardless must not keep it.
    void mark_broken() noexcept { broken_ = true; }
    [[nodiscard]] bool is_broken() const noexcept { return broken_; }
    /// The transaction stands and is the next version.
    void keep_transaction(std::uint64_t time_ns) noexcept {
        workspace_.keep();
        contents_.end_transaction();
        counts_.keep();
        changes_.clear();
        ++root_->version;
        root_->time_ns = time_ns;
    }
    /// The transaction never was.
    void undo_transaction() noexcept {
        workspace_.undo_all();
        contents_.end_transaction();
        // What the transaction had appended is beyond the end again.
        for (ArchetypeShape* shape = counted_; shape != nullptr; shape = shape->next_counted_) {
            trim_later(*shape);
        }
        counts_.undo();
        changes_.clear();
        no_ops_ = no_ops_before_;
        root_->entity_count = entity_count_before_;
        destroyed_.shrink_to(destroyed_before_);
    }

    /// How often this batch's transactions were to remove or destroy what was not there; from then on those to come.
    [[nodiscard]] std::uint64_t take_no_ops() noexcept { return std::exchange(no_ops_, 0); }

    // Reading what the transaction sees ---------------------------------------------------------------------------------------------------

    [[nodiscard]] const std::byte* find_row(Entity entity, TableId table) const noexcept {
        const EntityRecord* const record = root_->find_living(entity);
        return record == nullptr ? nullptr : root_->find_row(*record, entity.index(), table);
    }

    // Entities ----------------------------------------------------------------------------------------------------------------------------

    /// Brings `entity` to life with the (zeroed) components of `shape`. Its rows are then to be filled through `fresh_row`.
    [[nodiscard]] Outcome create(Entity entity, ArchetypeShape& shape) noexcept {
        if (entity.shard() != root_->shard) {
            return Outcome::WrongShard;
        }
        const std::uint32_t index = entity.index();
        EntityRecord* const record = root_->entities.writable(workspace_, index);
        if (record == nullptr) {
            return Outcome::OutOfMemory;
        }
        if (record->archetype != no_archetype || record->generation >= entity.generation()) {
            return Outcome::AlreadyExists;
        }
        Archetype* const home = archetype(shape.id(), shape);
        if (home == nullptr || !counts_.start(index) || !workspace_.undo().note(record, sizeof(EntityRecord)) ||
            !append_row(*home, index)) {
            return Outcome::OutOfMemory;
        }
        *record = {home->rows - 1, shape.id(), entity.generation()};
        ++root_->entity_count;
        return counts_.touch(index) && changes_.created(entity) ? Outcome::Done : Outcome::OutOfMemory;
    }
    [[nodiscard]] Outcome create(Entity entity) noexcept { return create(entity, *empty_); }

    /// Ends an entity and everything it had.
    [[nodiscard]] Outcome destroy(Entity entity) noexcept {
        if (entity.shard() != root_->shard) {
            return Outcome::WrongShard;
        }
        const std::uint32_t index = entity.index();
        if (root_->find_living(entity) == nullptr) {
            ++no_ops_;
            return Outcome::Absent;
        }
        EntityRecord* const record = root_->entities.writable(workspace_, index);
        if (record == nullptr) {
            return Outcome::OutOfMemory;
        }
        Archetype* const home = archetype(record->archetype, *root_->archetype(record->archetype).shape);
        if (home == nullptr || !counts_.touch(index) || !changes_.destroyed(entity) || !destroyed_.push(entity) ||
            !remove_row(*home, record->row)) {
            return Outcome::OutOfMemory;
        }
        bool removed = true;
        root_->sparse_tables.for_each([&](std::uint32_t table, const Node& node) {
            if (static_cast<const SparseTable&>(node).find(index) != nullptr) {
                removed = removed && erase_sparse(static_cast<TableId>(table), index);
            }
        });
        removed = removed && contents_.drop_all(root_->contents, store_->schema(), index);
        if (!removed || !workspace_.undo().note(record, sizeof(EntityRecord))) {
            return Outcome::OutOfMemory;
        }
        record->archetype = no_archetype;
        record->row = 0;
        --root_->entity_count;
        return Outcome::Done;
    }

    /// Ends an entity of which this state may never have heard (an applied delta): its generation is spent either way, and whoever had
    /// the index before it is gone too. `NotFound` where a later one had it.
    [[nodiscard]] Outcome spend(Entity entity) noexcept {
        if (entity.shard() != root_->shard || root_->find_living(entity) != nullptr) {
            return destroy(entity);
        }
        EntityRecord* const record = root_->entities.writable(workspace_, entity.index());
        if (record == nullptr) {
            return Outcome::OutOfMemory;
        }
        if (record->generation >= entity.generation()) {
            return Outcome::NotFound;
        }
        if (record->archetype != no_archetype) {
            const Outcome ended = destroy(Entity{entity.index(), record->generation, root_->shard});
            if (ended != Outcome::Done) {
                return ended;
            }
            forget_last_destroyed();
        }
        if (!changes_.destroyed(entity) || !destroyed_.push(entity) || !workspace_.undo().note(record, sizeof(EntityRecord))) {
            return Outcome::OutOfMemory;
        }
        record->generation = entity.generation();
        return Outcome::Done;
    }

    // Rows --------------------------------------------------------------------------------------------------------------------------------

    /// Adds a row of `table`. `row` holds `Table::size` bytes as in memory.
    [[nodiscard]] Outcome insert(Entity entity, TableId table, const std::byte* row) noexcept {
        return put<false, true>(entity, table, row);
    }
    /// Replaces a row that is there.
    [[nodiscard]] Outcome update(Entity entity, TableId table, const std::byte* row) noexcept {
        return put<true, false>(entity, table, row);
    }
    /// Inserts or replaces.
    [[nodiscard]] Outcome set(Entity entity, TableId table, const std::byte* row) noexcept { return put<true, true>(entity, table, row); }

    /// Overwrites `bytes` bytes at `offset` of a row that is there.
    [[nodiscard]] Outcome update_part(Entity entity, TableId table, std::uint32_t offset, std::uint32_t bytes,
                                      const std::byte* value) noexcept {
        if (entity.shard() != root_->shard) {
            return Outcome::WrongShard;
        }
        const EntityRecord* const record = root_->find_living(entity);
        if (record == nullptr) {
            return Outcome::NotFound;
        }
        if (store_->schema().table(table).has_contents()) [[unlikely]] {
            return put_with_contents<true, false>(*record, entity.index(), store_->schema().table(table), offset, bytes, value);
        }
        bool refused = false;
        std::byte* const place = writable_row(*record, entity.index(), table, refused);
        if (place == nullptr) {
            return refused ? Outcome::OutOfMemory : Outcome::NotFound;
        }
        return overwrite(entity.index(), table, place, store_->schema().table(table).size, offset, bytes, value);
    }

    /// The row of a living entity's `table`, to be changed in place by the caller at once; null when there is none, or (`refused`) no
    /// memory.
    [[nodiscard]] std::byte* edit_row(std::uint32_t index, TableId table, bool& refused) noexcept {
        const std::uint32_t row_bytes = store_->schema().table(table).size;
        std::byte* const place = writable_row(root_->entities.at(index), index, table, refused);
        if (place == nullptr) {
            return nullptr;
        }
        refused = !counts_.touch(index) || !changes_.changed(index, table, place, row_bytes) ||
                  (row_bytes != 0 && !workspace_.undo().note(place, row_bytes));
        return refused ? nullptr : place;
    }

    /// Takes a row away.
    [[nodiscard]] Outcome remove(Entity entity, TableId table) noexcept {
        if (entity.shard() != root_->shard) {
            return Outcome::WrongShard;
        }
        const std::uint32_t index = entity.index();
        const EntityRecord* const record = root_->find_living(entity);
        const Table& description = store_->schema().table(table);
        if (record == nullptr || !has_row(*record, index, description)) {
            ++no_ops_;
            return Outcome::Absent;
        }
        if (!counts_.touch(index) ||
            (changes_.recording() && !changes_.removed(index, table, root_->find_row(*record, index, table), description.size))) {
            return Outcome::OutOfMemory;
        }
        if (description.has_contents() && !contents_.drop(root_->contents, description, index)) {
            return Outcome::OutOfMemory;
        }
        const bool done = description.storage == Storage::Sparse ? erase_sparse(table, index) : move_entity(index, table, nullptr);
        return done ? Outcome::Done : Outcome::OutOfMemory;
    }

    // Rows of many entities ---------------------------------------------------------------------------------------------------------------

    /// One of many rows of a table: the entity's, and its bytes where it is to be inserted.
    struct RowOf {
        Entity entity;
        const std::byte* row;
    };
    /// How many of the first rows were done; `refused`: no memory, the transaction must be undone.
    struct ManyOutcome {
        std::uint32_t done = 0;
        bool refused = false;
    };

    /// `insert` for the first of `rows` (at most `most_at_once`), as far as nothing sets them apart: entities that live, in one archetype,
    /// without such a row, in a table without contents. Goes by column and page instead of by entity. What comes first among the rest is
    /// to be inserted by itself, and told why not.
    [[nodiscard]] ManyOutcome insert_many(TableId table, Slice<const RowOf> rows) noexcept { return change_many<true>(table, rows); }
    /// `remove`, in the same way.
    [[nodiscard]] ManyOutcome remove_many(TableId table, Slice<const RowOf> rows) noexcept { return change_many<false>(table, rows); }

    // Contents of text and blob fields ---------------------------------------------------------------------------------------------------

    [[nodiscard]] ContentWriter& contents() noexcept { return contents_; }
    /// The field of the row that was refused last (`ForeignContent`).
    [[nodiscard]] FieldId refused_field() const noexcept { return contents_.refused(); }

    /// Settles the handles of a row already in its place (`fresh_row`), in a table that has contents.
    [[nodiscard]] Outcome settle_fresh(std::uint32_t index, const Table& table, std::byte* row) noexcept {
        return outcome_of(contents_.settle(root_->contents, table, index, row, nullptr));
    }
    /// Gives one field of a living entity's row the content `bytes` (an applied delta). `NotFound` where there is no such row.
    [[nodiscard]] Outcome set_content(std::uint32_t index, const Table& table, FieldId field, std::span<const std::byte> bytes) noexcept {
        bool refused = false;
        std::byte* const row = edit_row(index, table.id, refused);
        if (row == nullptr) {
            return refused ? Outcome::OutOfMemory : Outcome::NotFound;
        }
        return contents_.put(root_->contents, table, table.fields[field], index, bytes, row) ? Outcome::Done : Outcome::OutOfMemory;
    }

    // Bulk and recovery -------------------------------------------------------------------------------------------------------------------

    /// The archetype for a sorted set of table components, made if needed. Null when memory is refused.
    [[nodiscard]] Archetype* archetype_for(std::span<const TableId> tables) noexcept {
        ArchetypeShape* const shape = store_->catalog().find_or_add(store_->schema(), tables);
        return shape == nullptr ? nullptr : archetype(shape->id(), *shape);
    }
    [[nodiscard]] ArchetypeShape& empty_shape() noexcept { return *empty_; }
    [[nodiscard]] ArchetypeShape* shape_with(ArchetypeShape& shape, TableId table) noexcept {
        return store_->catalog().neighbour(store_->schema(), shape, table);
    }

    /// The page `page_number` of a column, made this batch's own. Null when memory is refused.
    [[nodiscard]] Node* writable_page(Archetype& home, std::uint16_t column, std::uint32_t page_number) noexcept {
        return home.column(column).writable(workspace_, page_number);
    }
    /// The archetype in this batch's own copy.
    [[nodiscard]] Archetype* own_archetype(ArchetypeId id) noexcept { return archetype(id, *root_->archetype(id).shape); }

    /// Which entities count as changed.
    [[nodiscard]] ChangeCounts& counts() noexcept { return counts_; }

    /// Hints at what coming operations will need.
    [[nodiscard]] Prefetcher prefetcher() const noexcept { return {*root_, store_->entity_versions()}; }

private:
    template <bool MayReplace, bool MayInsert>
    Outcome put(Entity entity, TableId table, const std::byte* row) noexcept {
        if (entity.shard() != root_->shard) {
            return Outcome::WrongShard;
        }
        const std::uint32_t index = entity.index();
        const EntityRecord* const record = root_->find_living(entity);
        if (record == nullptr) {
            return Outcome::NotFound;
        }
        const Table& description = store_->schema().table(table);
        if (description.has_contents()) [[unlikely]] {
            return put_with_contents<MayReplace, MayInsert>(*record, index, description, 0, description.size, row);
        }
        if constexpr (MayReplace) {
            bool refused = false;
            std::byte* const place = writable_row(*record, index, table, refused);
            if (place != nullptr) [[likely]] {
                return overwrite(index, table, place, description.size, 0, description.size, row);
            }
            if (refused) {
                return Outcome::OutOfMemory;
            }
            if constexpr (!MayInsert) {
                return Outcome::NotFound;
            }
        } else if (has_row(*record, index, description)) {
            return Outcome::AlreadyExists;
        }
        return add(index, description, row);
    }
    Outcome add(std::uint32_t index, const Table& table, const std::byte* row) noexcept {
        if (!counts_.touch(index) || !changes_.added(index, table.id)) {
            return Outcome::OutOfMemory;
        }
        const bool done = table.storage == Storage::Sparse ? add_sparse(table.id, index, row) : move_entity(index, table.id, row);
        return done ? Outcome::Done : Outcome::OutOfMemory;
    }

    template <bool Adds>
    ManyOutcome change_many(TableId table, Slice<const RowOf> rows) noexcept {
        const Table& description = store_->schema().table(table);
        if (description.has_contents()) {
            return {};
        }
        return description.storage == Storage::Sparse ? change_many_sparse<Adds>(description, rows) : move_many<Adds>(description, rows);
    }

    template <bool Adds>
    ManyOutcome move_many(const Table& table, Slice<const RowOf> rows) noexcept {
        constexpr ManyOutcome refused{0, true};
        const EntityRecord* const first = root_->find_living(rows[0].entity);
        if (first == nullptr || root_->archetype(first->archetype).shape->has(table.id) == Adds) {
            return {};
        }
        ArchetypeShape& from_shape = *root_->archetype(first->archetype).shape;
        ArchetypeShape* const to_shape = store_->catalog().neighbour(store_->schema(), from_shape, table.id);
        Archetype* const to = to_shape == nullptr ? nullptr : archetype(to_shape->id(), *to_shape);
        Archetype* const from = archetype(from_shape.id(), from_shape);
        if (to == nullptr || from == nullptr) {
            return refused;
        }
        Group group; // NOLINT: filled below
        for (const RowOf& row : rows) {
            const EntityRecord* const found = root_->find_living(row.entity);
            if (found == nullptr || found->archetype != from_shape.id()) {
                break; // dead, elsewhere, or already moved
            }
            EntityRecord* const record = root_->entities.writable(workspace_, row.entity.index());
            if (record == nullptr || !workspace_.undo().note(record, sizeof(EntityRecord))) {
                return refused;
            }
            group.indices[group.count] = row.entity.index();
            group.rows[group.count] = record->row;
            group.payload[group.count] = row.row;
            record->archetype = to_shape->id();
            record->row = to->rows + group.count++;
        }
        if (group.count == 0) {
            return {};
        }
        prefetch_group(*from, group);
        if (!counts_.touch_all({group.indices.data(), group.count})) {
            return refused;
        }
        for (std::uint32_t i = 0; changes_.recording() && i < group.count; ++i) {
            const bool has_bytes = !Adds && table.size != 0; // a tag has none
            const std::byte* const before = has_bytes ? from->row(from_shape.column_of(table.id), group.rows[i]) : nullptr;
            if (!note_change<Adds>(table, group.indices[i], before)) {
                return refused;
            }
        }
        return append_group(*to, *from, group) && remove_group(*from, group) ? ManyOutcome{group.count, false} : refused;
    }

    template <bool Adds>
    ManyOutcome change_many_sparse(const Table& table, Slice<const RowOf> rows) noexcept {
        constexpr ManyOutcome refused{0, true};
        std::array<std::uint32_t, most_at_once> indices; // NOLINT: filled below
        std::uint32_t done = 0;
        for (const RowOf& row : rows) {
            const std::uint32_t index = row.entity.index();
            if (root_->find_living(row.entity) == nullptr || has_sparse_row(table.id, index) == Adds) {
                break;
            }
            const std::byte* const before = Adds || !changes_.recording() ? nullptr : root_->sparse(table.id)->find(index);
            if (!note_change<Adds>(table, index, before) ||
                !(Adds ? add_sparse(table.id, index, row.row) : erase_sparse(table.id, index))) {
                return refused;
            }
            indices[done++] = index;
        }
        return counts_.touch_all({indices.data(), done}) ? ManyOutcome{done, false} : refused;
    }

    template <bool Adds>
    bool note_change(const Table& table, std::uint32_t index, const std::byte* before) noexcept {
        return Adds ? changes_.added(index, table.id) : changes_.removed(index, table.id, before, table.size);
    }

    [[nodiscard]] bool has_row(const EntityRecord& record, std::uint32_t index, const Table& table) const noexcept {
        if (table.storage == Storage::Table) {
            return root_->archetype(record.archetype).shape->has(table.id);
        }
        return has_sparse_row(table.id, index);
    }

    /// The same for `bytes` at `offset` of a row whose handles are to be settled first. What is not done changes nothing.
    template <bool MayReplace, bool MayInsert>
    ECSDB_NOINLINE Outcome put_with_contents(const EntityRecord& record, std::uint32_t index, const Table& table, std::uint32_t offset,
                                             std::uint32_t bytes, const std::byte* value) noexcept {
        const std::byte* const before = root_->find_row(record, index, table.id);
        if (before == nullptr ? !MayInsert : !MayReplace) {
            return before == nullptr ? Outcome::NotFound : Outcome::AlreadyExists;
        }
        if (!row_.resize_for_overwrite(table.size)) {
            return Outcome::OutOfMemory;
        }
        std::byte* const row = row_.data();
        if (before != nullptr) {
            std::memcpy(row, before, table.size);
        }
        if (bytes != 0) {
            std::memcpy(row + offset, value, bytes);
        }
        if (const Outcome settled = outcome_of(contents_.settle(root_->contents, table, index, row, before)); settled != Outcome::Done) {
            return settled;
        }
        if (before == nullptr) {
            return add(index, table, row);
        }
        bool refused = false;
        std::byte* const place = writable_row(record, index, table.id, refused);
        return place == nullptr ? Outcome::OutOfMemory : overwrite(index, table.id, place, table.size, 0, table.size, row);
    }
    static Outcome outcome_of(ContentOutcome outcome) noexcept {
        return outcome == ContentOutcome::Done      ? Outcome::Done
               : outcome == ContentOutcome::Foreign ? Outcome::ForeignContent
                                                    : Outcome::OutOfMemory;
    }

    /// The existing row, in a page of this batch. Null when there is none, or when memory is refused.
    std::byte* writable_row(const EntityRecord& record, std::uint32_t index, TableId table, bool& refused) noexcept {
        const Archetype& current = root_->archetype(record.archetype);
        const std::uint16_t column = current.shape->column_of(table);
        if (column != ArchetypeShape::no_column) [[likely]] {
            Archetype* const home = archetype(record.archetype, *current.shape);
            if (home == nullptr) {
                refused = true;
                return nullptr;
            }
            const PageGeometry& geometry = home->shape->columns()[column].geometry;
            if (geometry.stride == 0) {
                return reinterpret_cast<std::byte*>(home);
            }
            Node* const page = home->column(column).writable(workspace_, geometry.page_of(record.row));
            refused = page == nullptr;
            return refused ? nullptr : page_rows(page) + static_cast<std::size_t>(geometry.row_in_page(record.row)) * geometry.stride;
        }
        const SparseTable* const found = root_->sparse(table);
        if (found == nullptr || found->find(index) == nullptr) {
            return nullptr;
        }
        SparseTable* const rows = sparse(table);
        auto* const block =
            rows == nullptr ? nullptr : static_cast<SparseBlock*>(rows->blocks.writable(workspace_, index >> SparseBlock::shift));
        refused = block == nullptr;
        return refused ? nullptr : block->row(index, rows->stride);
    }

    Outcome overwrite(std::uint32_t index, TableId table, std::byte* place, std::uint32_t row_bytes, std::uint32_t offset,
                      std::uint32_t bytes, const std::byte* value) noexcept {
        if (!counts_.touch(index) || !changes_.changed(index, table, place, row_bytes)) {
            return Outcome::OutOfMemory;
        }
        if (bytes == 0) {
            return Outcome::Done; // a tag: `value` may be null
        }
        if (!workspace_.undo().note(place + offset, bytes)) {
            return Outcome::OutOfMemory;
        }
        std::memcpy(place + offset, value, bytes);
        return Outcome::Done;
    }

    ChangeCounts counts_;
    GrowArray<Entity> destroyed_;
    std::size_t destroyed_before_ = 0;
    bool broken_ = false;
    std::uint64_t no_ops_ = 0;
    std::uint64_t no_ops_before_ = 0;
    Changes changes_;
    ContentWriter contents_;
    GrowArray<std::byte> row_; ///< The row being settled.
    ArchetypeShape* empty_ = nullptr;
    std::uint64_t entity_count_before_ = 0;
};

} // namespace ecsdb::storage
