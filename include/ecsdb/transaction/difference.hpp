/// @file
/// Writes the delta that leads from one version to another, whatever lies between them: by comparing the two.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/delta/encoder.hpp"
#include "ecsdb/storage/entity_versions.hpp"
#include "ecsdb/storage/root.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ecsdb::transaction {

/// What a difference says of rows in transient tables.
enum class TransientRows : std::uint8_t {
    Go,         ///< All of them are removed: nobody has saved them.
    AreLeftOut, ///< Nothing: whoever applies it may have some of their own, or none.
};

/// Compares two versions of one schema and shard, which need not be of one database. For one comparison, and one thread.
///
/// The delta is absolute: it says which ids live from then on and which were last, and how often the entities it names were changed, and
/// may lead back as well as on.
class Difference {
public:
    /// Both versions and both counts must stay as they are meanwhile; `counts_before` is null where nobody knows them any more: then the
    /// counts of all entities that differ are written.
    Difference(const storage::Root& before, const storage::EntityVersions* counts_before, const storage::Root& after,
               const storage::EntityVersions& counts_after, Allocator& allocator) noexcept
        : before_{&before}, counts_before_{counts_before}, after_{&after}, counts_after_{&counts_after}, encoder_{allocator},
          living_{allocator}, created_{allocator}, ended_{allocator}, rows_{allocator}, packed_{allocator}, contents_{allocator},
          content_tables_{allocator}, versions_{allocator} {}

    /// Appends the delta from version `from` to version `to`, committed at `time_ns` (0: not said). `OutOfMemory`. Cost: O(rows of both).
    [[nodiscard]] Result<void> write(std::uint64_t from, std::uint64_t to, std::uint64_t time_ns, TransientRows transient,
                                     ByteBuffer& out) noexcept {
        ECSDB_ASSERT(before_->shard == after_->shard && before_->schema->hash() == after_->schema->hash(), "versions of other worlds");
        encoder_.begin(out, delta::Header{.from = from, .to = to, .time = time_ns, .origin = {}, .clock = {}, .absolute = true});
        if (!compare_entities()) {
            return no_memory();
        }
        encoder_.entities(created_.view(), ended_.view());
        for (const Table& table : after_->schema->tables()) {
            const bool left_out = table.persist == Persist::Transient && transient == TransientRows::AreLeftOut;
            if (!table.dropped && !left_out && !compare_rows(table)) {
                return no_memory();
            }
        }
        if (!compare_counts()) {
            return no_memory();
        }
        encoder_.versions(versions_.slice());
        for (std::size_t i = 0; i < content_tables_.size(); ++i) {
            const std::size_t end = i + 1 == content_tables_.size() ? contents_.size() : content_tables_[i + 1].first;
            encoder_.contents(after_->schema->table(content_tables_[i].table),
                              contents_.slice().subspan(content_tables_[i].first, end - content_tables_[i].first));
        }
        encoder_.end();
        return out.failed() ? Result<void>{no_memory()} : Result<void>{};
    }

private:
    /// Who lives in the end.
    struct Living {
        std::uint32_t index;
        bool kept;  ///< Lived before already, as the same.
        bool named; ///< A row of it differs.
    };
    struct TableContents {
        TableId table;
        std::size_t first;
    };

    static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory to compare two versions"}; }

    [[nodiscard]] bool compare_entities() noexcept {
        bool done = true;
        const auto ended = [&](std::uint32_t index, std::uint32_t generation) {
            done = done && ended_.push(Entity{index, generation, after_->shard});
        };
        after_->entities.for_each([&](std::uint32_t index, const storage::EntityRecord& now) {
            const storage::EntityRecord* const found = before_->entities.find(index);
            const storage::EntityRecord then = found == nullptr ? storage::EntityRecord{0, storage::no_archetype, 0} : *found;
            const bool lives = now.archetype != storage::no_archetype;
            const bool lived = then.archetype != storage::no_archetype;
            const bool same = lives == lived && now.generation == then.generation;
            if (lives) {
                done = done && living_.push({index, same, false}) && (same || created_.push(after_->entity_at(index)));
            } else if (!same) {
                ended(index, now.generation);
            }
        });
        const std::size_t sorted = ended_.size();
        before_->entities.for_each([&](std::uint32_t index, const storage::EntityRecord& then) {
            if (then.generation != 0 && after_->entities.find(index) == nullptr) {
                ended(index, 0);
            }
        });
        if (done && sorted != ended_.size()) {
            std::sort(ended_.begin(), ended_.end(), [](Entity a, Entity b) { return a.index() < b.index(); });
        }
        return done;
    }

    [[nodiscard]] bool compare_rows(const Table& table) noexcept {
        rows_.clear();
        const std::size_t first_content = contents_.size();
        const bool comes_back = table.persist != Persist::Transient;
        for (Living& living : living_) {
            const std::uint32_t index = living.index;
            const std::byte* const now = comes_back ? after_->find_row(after_->entities.at(index), index, table.id) : nullptr;
            const std::byte* const then = living.kept ? before_->find_row(before_->entities.at(index), index, table.id) : nullptr;
            if (now == nullptr && then == nullptr) {
                continue;
            }
            const std::size_t contents = contents_.size();
            if (now != nullptr && !compare_contents(table, index, then != nullptr)) {
                return false;
            }
            if (now != nullptr && then != nullptr && contents == contents_.size() && is_same(table, then, now)) {
                continue;
            }
            delta::RowChange row;
            row.index = index;
            row.kind = now == nullptr    ? delta::RowChangeKind::Removed
                       : then == nullptr ? delta::RowChangeKind::Added
                                         : delta::RowChangeKind::Changed;
            row.before = then;
            row.after = now;
            living.named = true;
            if (!rows_.push(row)) {
                return false;
            }
        }
        encoder_.table(table, rows_.slice());
        return contents_.size() == first_content || content_tables_.push({table.id, first_content});
    }

    [[nodiscard]] static std::span<const std::byte> content_of(const storage::Root& root, const Table& table, FieldId field,
                                                               std::uint32_t index) noexcept {
        const storage::Content* const content = root.contents.find(table.id, field, index);
        return content == nullptr ? std::span<const std::byte>{} : content->bytes();
    }
    /// Notes what fields hold that held something else before, or nothing.
    [[nodiscard]] bool compare_contents(const Table& table, std::uint32_t index, bool was_there) noexcept {
        for (const FieldId field : table.contents) {
            const std::span<const std::byte> now = content_of(*after_, table, field, index);
            const std::span<const std::byte> then = was_there ? content_of(*before_, table, field, index) : std::span<const std::byte>{};
            if (!std::equal(now.begin(), now.end(), then.begin(), then.end()) && !contents_.push({index, field, now})) {
                return false;
            }
        }
        return true;
    }
    [[nodiscard]] bool is_same(const Table& table, const std::byte* then, const std::byte* now) noexcept {
        if (!table.has_contents()) {
            return table.size == 0 || std::memcmp(then, now, table.size) == 0;
        }
        // What is beside the rows goes by numbers there, which say nothing.
        const std::size_t size = table.packed_size;
        if (!packed_.resize_for_overwrite(2 * size)) {
            return false; // written once too often
        }
        std::byte* const bytes = packed_.view().data();
        if (size != 0) {
            pack_row(table.runs, then, bytes);
            pack_row(table.runs, now, bytes + size);
        }
        return size == 0 || std::memcmp(bytes, bytes + size, size) == 0;
    }

    [[nodiscard]] bool compare_counts() noexcept {
        for (const Living& living : living_) {
            const std::uint32_t now = counts_after_->count(living.index);
            const bool known = counts_before_ != nullptr;
            const std::uint32_t then = living.kept && known ? counts_before_->count(living.index) : 0;
            const bool differs = known || !living.kept ? now != then : living.named;
            if (now != 0 && differs && !versions_.push({living.index, now})) {
                return false;
            }
        }
        return true;
    }

    const storage::Root* before_;
    const storage::EntityVersions* counts_before_;
    const storage::Root* after_;
    const storage::EntityVersions* counts_after_;
    delta::Encoder encoder_;
    GrowArray<Living> living_; ///< Ascending, as all lists.
    GrowArray<Entity> created_;
    GrowArray<Entity> ended_;
    GrowArray<delta::RowChange> rows_; ///< Of one table.
    GrowArray<std::byte> packed_;
    GrowArray<delta::ContentEntry> contents_; ///< Of all tables, one after the other …
    GrowArray<TableContents> content_tables_; ///< … and where those of each begin.
    GrowArray<delta::VersionIncrement> versions_;
};

} // namespace ecsdb::transaction
