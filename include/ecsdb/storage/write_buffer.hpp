/// @file
/// The version under construction: every operation on entities and rows, in place or copy-on-first-touch, with a way back.
#pragma once

#include "ecsdb/storage/changes.hpp"
#include "ecsdb/storage/content_writer.hpp"
#include "ecsdb/storage/prefetch.hpp"
#include "ecsdb/storage/row_writer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::storage {

/// How an operation ended. Anything but `Done` and `Absent` fails the transaction.
enum class Outcome : std::uint8_t {
    Done,
    Absent,        ///< Nothing to remove or destroy: a counted no-op.
    NotFound,      ///< The entity is dead, or the row to update absent.
    AlreadyExists, ///< The row to insert is there, or the id to create is (or was) alive.
    WrongShard,    ///< The id was made by another database.
    Changed,       ///< The row is not what the transaction was built on.
    OutOfMemory,
    ForeignContent, ///< A row brings a handle of a text or blob that is not of this transaction; see `WriteBuffer::refused_field`.
};

/// The write buffer (design D1): a root that shares every node with the published one, except those this batch has touched.
///
/// One transaction at a time: `keep_transaction` makes its changes stand, `undo_transaction` makes them never have been; at the end of the
/// batch `finish_batch` hands the root over to be published. Writer only.
class WriteBuffer : public RowWriter {
public:
    explicit WriteBuffer(Store& store) noexcept
        : RowWriter{store}, touched_{store.allocator()}, batch_touched_{store.allocator()},
          destroyed_{store.allocator()}, changes_{store.allocator()}, contents_{store.allocator(), workspace_}, row_{store.allocator()} {}

    /// Creates the empty first version, or says that memory is refused.
    [[nodiscard]] bool create_first_root(std::uint32_t shard) noexcept {
        workspace_.set_stamp(0);
        auto* const root = static_cast<Root*>(workspace_.allocate_zeroed(sizeof(Root)));
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
        ECSDB_ASSERT(root_ != store_->published() || root_->born <= root_->version, "a batch without a transaction was published");
        workspace_.set_stamp(root_->version + 1);
        batch_touched_.clear();
        return workspace_.own(root_) != nullptr;
    }

    /// Closes the batch: pages the transactions emptied go, and the root is ready to be published, if it holds a transaction. A batch
    /// that kept none must not be published: its root goes on into the next one.
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

    /// Whether `discard_batch` may be needed: then every batch remembers which entities it counted. Outside batches only.
    void set_discardable(bool on) noexcept { discardable_ = on; }

    /// Goes back to `published`, as if the batch had never begun. Its nodes stay out of use until the store goes.
    void discard_batch(const Root* published) noexcept {
        ECSDB_ASSERT(discardable_, "a batch can only be discarded if that was asked for before it began");
        store_->reclaimer().unretire_since(workspace_.stamp());
        take_back(batch_touched_);
        destroyed_.clear();
        root_ = const_cast<Root*>(published);
    }

    /// The entities this batch's transactions have destroyed. Until `forget_destroyed`.
    [[nodiscard]] std::span<const Entity> destroyed() const noexcept { return destroyed_.view(); }
    void forget_destroyed() noexcept { destroyed_.clear(); }

    /// Gives back what working memory large transactions have left behind. Between batches, none of which may be discarded any more.
    void trim_working_memory() noexcept {
        constexpr std::size_t most_bytes = std::size_t{1} << 20U;
        workspace_.undo().clear_and_trim(most_bytes);
        touched_.clear_and_trim(most_bytes);
        batch_touched_.clear_and_trim(most_bytes);
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
        counting_ = true;
        broken_ = false;
    }
    /// An operation of this transaction was left half-done: whoever goes on regardless must not keep it.
    void mark_broken() noexcept { broken_ = true; }
    [[nodiscard]] bool is_broken() const noexcept { return broken_; }
    /// Whether changed entities are counted: not by applied deltas that bring no counts. Until the transaction ends.
    void set_counting(bool on) noexcept { counting_ = on; }

    /// The transaction stands and is the next version.
    void keep_transaction(std::uint64_t time_ns) noexcept {
        workspace_.keep();
        contents_.end_transaction();
        for (const Count& count : touched_) {
            if (count.indices == 1) {
                store_->entity_versions().settle(count.index);
            } else {
                store_->entity_versions().set_range(count.index, count.indices, 1, false);
            }
        }
        if (discardable_) {
            remember_touched();
        }
        touched_.clear();
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
        take_back(touched_);
        changes_.clear();
        root_->entity_count = entity_count_before_;
        destroyed_.shrink_to(destroyed_before_);
    }

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
        if (home == nullptr || !start_count(index) || !workspace_.undo().note(record, sizeof(EntityRecord)) || !append_row(*home, index)) {
            return Outcome::OutOfMemory;
        }
        *record = {home->rows - 1, shape.id(), entity.generation()};
        ++root_->entity_count;
        return touch(index) && changes_.created(entity) ? Outcome::Done : Outcome::OutOfMemory;
    }
    [[nodiscard]] Outcome create(Entity entity) noexcept { return create(entity, *empty_); }

    /// Ends an entity and everything it had.
    [[nodiscard]] Outcome destroy(Entity entity) noexcept {
        if (entity.shard() != root_->shard) {
            return Outcome::WrongShard;
        }
        const std::uint32_t index = entity.index();
        if (root_->find_living(entity) == nullptr) {
            return Outcome::Absent;
        }
        EntityRecord* const record = root_->entities.writable(workspace_, index);
        if (record == nullptr) {
            return Outcome::OutOfMemory;
        }
        Archetype* const home = archetype(record->archetype, *root_->archetype(record->archetype).shape);
        if (home == nullptr || !touch(index) || !changes_.destroyed(entity) || !destroyed_.push(entity) ||
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
            destroyed_.shrink_to(destroyed_.size() - 1);
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
        refused = !touch(index) || !changes_.changed(index, table, place, row_bytes) ||
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
            return Outcome::Absent;
        }
        if (!touch(index) ||
            (changes_.recording() && !changes_.removed(index, table, root_->find_row(*record, index, table), description.size))) {
            return Outcome::OutOfMemory;
        }
        if (description.has_contents() && !contents_.drop(root_->contents, description, index)) {
            return Outcome::OutOfMemory;
        }
        const bool done = description.storage == Storage::Sparse ? erase_sparse(table, index) : move_entity(index, table, nullptr);
        return done ? Outcome::Done : Outcome::OutOfMemory;
    }

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

    /// Starts the counts of `count` new entities with consecutive indices and counts them as changed. False when memory is refused.
    [[nodiscard]] bool count_new(std::uint32_t first, std::uint32_t count) noexcept {
        bool all_zero = false;
        if (count == 0 || !store_->entity_versions().cover_range(first, count, all_zero)) {
            return count == 0;
        }
        if (count == 1 || !all_zero || !counting_) {
            for (std::uint32_t i = 0; i < count; ++i) {
                if (!start_count(first + i) || !touch(first + i)) {
                    return false;
                }
            }
            return true;
        }
        if (!touched_.push({first, counted_once, count}) || (discardable_ && !batch_touched_.reserve_more(touched_.size()))) {
            return false;
        }
        store_->entity_versions().set_range(first, count, 1, true);
        return true;
    }

    /// Counts `index` as changed by the running transaction. False when memory is refused.
    [[nodiscard]] bool touch(std::uint32_t index) noexcept {
        if (!counting_) {
            return true;
        }
        if (!touched_.reserve_more(1) || (discardable_ && !batch_touched_.reserve_more(touched_.size() + 1))) {
            return false;
        }
        if (store_->entity_versions().touch(index)) {
            static_cast<void>(touched_.push({index, counted_once, 1}));
        }
        return true;
    }

    /// A new entity's count starts at 0, whoever had the index before. False when memory is refused.
    [[nodiscard]] bool start_count(std::uint32_t index) noexcept {
        EntityVersions& versions = store_->entity_versions();
        if (!versions.cover(index)) {
            return false;
        }
        if (const std::uint32_t before = versions.count(index); before != 0) {
            if (!touched_.push({index, before, 1}) || (discardable_ && !batch_touched_.reserve_more(touched_.size()))) {
                return false;
            }
            versions.set(index, 0);
        }
        return true;
    }

    /// Lets the count of a living entity grow by `increment`: for changes that `touch` does not count. False when memory is refused.
    [[nodiscard]] bool add_to_count(std::uint32_t index, std::uint32_t increment) noexcept {
        EntityVersions& versions = store_->entity_versions();
        const std::uint32_t before = versions.count(index);
        if (!touched_.push({index, before, 1}) || (discardable_ && !batch_touched_.reserve_more(touched_.size()))) {
            return false;
        }
        versions.set(index, before + increment);
        return true;
    }

    /// Hints at what coming operations will need.
    [[nodiscard]] Prefetcher prefetcher() const noexcept { return {*root_, workspace_, store_->entity_versions()}; }

private:
    /// A change to an entity's count that may have to be taken back.
    struct Count {
        std::uint32_t index;
        std::uint32_t before;      ///< `counted_once`, or the count of the entity that had the index before a new one started at 0.
        std::uint32_t indices = 1; ///< More: so many new entities from `index` on, counted once each, on indices that had no count.
    };
    static constexpr std::uint32_t counted_once = 0xFFFFFFFFU;

    void take_back(GrowArray<Count>& counts) noexcept {
        EntityVersions& versions = store_->entity_versions();
        for (std::size_t i = counts.size(); i-- > 0;) {
            if (counts[i].indices != 1) {
                versions.set_range(counts[i].index, counts[i].indices, 0, false);
            } else if (counts[i].before == counted_once) {
                versions.uncount(counts[i].index);
            } else {
                versions.set(counts[i].index, counts[i].before);
            }
        }
        counts.clear();
    }

    void remember_touched() noexcept {
        const std::size_t before = batch_touched_.size();
        if (batch_touched_.resize_for_overwrite(before + touched_.size())) { // `touch` has reserved it
            std::copy(touched_.begin(), touched_.end(), batch_touched_.begin() + before);
        }
    }

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
        if (!touch(index) || !changes_.added(index, table.id)) {
            return Outcome::OutOfMemory;
        }
        const bool done = table.storage == Storage::Sparse ? add_sparse(table.id, index, row) : move_entity(index, table.id, row);
        return done ? Outcome::Done : Outcome::OutOfMemory;
    }

    [[nodiscard]] bool has_row(const EntityRecord& record, std::uint32_t index, const Table& table) const noexcept {
        if (table.storage == Storage::Table) {
            return root_->archetype(record.archetype).shape->has(table.id);
        }
        const SparseTable* const rows = root_->sparse(table.id);
        return rows != nullptr && rows->find(index) != nullptr;
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
        std::byte* const row = row_.view().data();
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
        if (!touch(index) || !changes_.changed(index, table, place, row_bytes)) {
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

    GrowArray<Count> touched_;
    GrowArray<Count> batch_touched_;
    GrowArray<Entity> destroyed_;
    std::size_t destroyed_before_ = 0;
    bool discardable_ = false;
    bool counting_ = true;
    bool broken_ = false;
    Changes changes_;
    ContentWriter contents_;
    GrowArray<std::byte> row_; ///< The row being settled.
    ArchetypeShape* empty_ = nullptr;
    std::uint64_t entity_count_before_ = 0;
};

} // namespace ecsdb::storage
