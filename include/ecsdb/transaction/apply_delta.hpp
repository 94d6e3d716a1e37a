/// @file
/// Imposes a delta on the version under construction: recovery, replicas and rewinds write this way.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/delta/validate.hpp"
#include "ecsdb/delta/view.hpp"
#include "ecsdb/storage/bulk_create.hpp"
#include "ecsdb/storage/imposed.hpp"
#include "ecsdb/storage/prefetch.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ecsdb::transaction {

/// The fourth form of a transaction (design D13.4): effects are imposed, constraints are not checked, all or nothing.
///
/// A delta is a step from one version to a later one: it is applied only at its `from`, ignored where the state is already there, and
/// otherwise a `Gap`. The bytes may come from anywhere: structure, values and what they would be applied to are checked. Writer only; keeps
/// its scratch memory from delta to delta.
class DeltaApplier {
public:
    /// `index_limit`: entities with this index or a higher one are refused. An index costs memory even alone (a byte for each 512 below it,
    /// and one for each 8 where it has a text or blob), and a range of entities takes no bytes per entity: bound it, or the store's memory,
    /// where deltas come from somebody not trusted.
    explicit DeltaApplier(storage::WriteBuffer& state, std::uint64_t index_limit = std::uint64_t{1} << Entity::index_bits) noexcept
        : state_{&state}, checks_{state.store().schema()}, index_limit_{index_limit}, row_{state.store().allocator()} {}

    /// Applies one delta as one transaction of the open batch; false when the state already had it. On an error nothing has changed.
    /// `time_ns` is when the transaction was committed, where the delta itself does not say.
    ///
    /// Errors: `Corrupt` (naming table, entity and field, as far as there are such), `Unsupported`, `Gap`, `OutOfMemory`.
    [[nodiscard]] Result<bool> apply(std::span<const std::byte> bytes, std::uint64_t time_ns) {
        const Result<delta::DeltaView> view = delta::DeltaView::parse(bytes);
        if (!view) {
            return view.error().clone();
        }
        return apply(*view, time_ns);
    }
    /// The same for one that has been parsed.
    [[nodiscard]] Result<bool> apply(const delta::DeltaView& view, std::uint64_t time_ns) {
        const delta::Header& header = view.header();
        const std::uint64_t version = state_->root().version;
        if (header.to <= version) {
            return false;
        }
        if (auto fits = check(view, version); !fits) {
            return std::move(fits).error();
        }
        state_->begin_transaction();
        if (auto imposed = impose(view); !imposed) {
            state_->undo_transaction();
            return std::move(imposed).error();
        }
        state_->keep_transaction(header.time != 0 ? header.time : time_ns);
        state_->writable_root().version = header.to;
        return true;
    }

    /// Whether a delta is sound and leads on from `version`. See `apply`.
    [[nodiscard]] Result<void> check(const delta::DeltaView& view, std::uint64_t version) const {
        const delta::Header& header = view.header();
        if (header.from != version) {
            return Error{ErrorCode::Gap, "delta from version " + std::to_string(header.from) + " to " + std::to_string(header.to) +
                                             " meets a state at version " + std::to_string(version)};
        }
        if (header.to > last_version) {
            return Error{ErrorCode::Corrupt, "delta to version " + std::to_string(header.to) + ": no history is that long"};
        }
        return delta::validate(view, checks_);
    }

    /// Does what a sound delta says, inside the running transaction; after an error that must be undone. `Corrupt`, `OutOfMemory`: a few
    /// bytes may name billions of entities; where there cannot be memory for so many below the limit, none is taken.
    [[nodiscard]] Result<void> impose(const delta::DeltaView& view) {
        const delta::Header& header = view.header();
        if (auto fits = check_room(view); !fits) {
            return fits;
        }
        state_->counts().set_counting(header.counted);
        absolute_ = header.absolute;
        problem_ = nullptr;
        find_inborn(view);
        view.for_each_section([&](const delta::Section& section) {
            if (problem_ == nullptr) {
                apply_section(section);
            }
        });
        if (problem_ != nullptr) {
            return Error{problem_ == no_memory ? ErrorCode::OutOfMemory : ErrorCode::Corrupt,
                         "delta to version " + std::to_string(header.to) + ": " + place() + problem_};
        }
        return {};
    }

    /// Touches what deltas of one row, about to be applied, will need, so that their cache misses overlap. For at most 16 of them at a
    /// time, inside a batch.
    void prefetch(Slice<const delta::DeltaView> deltas) const noexcept {
        struct FirstRow {
            std::uint32_t index;
            TableId table;
        };
        std::array<FirstRow, 16> rows;
        std::size_t count = 0;
        for (const delta::DeltaView& view : deltas.first(std::min(deltas.size(), rows.size()))) {
            const delta::Run* const run = view.first_run();
            if (run != nullptr && run->count == 1 && run->kind != delta::RowChangeKind::Added) {
                run->for_each_index([&](std::uint32_t index) { rows[count++] = {index, run->table}; });
            }
        }
        const storage::Prefetcher prefetcher = state_->prefetcher();
        const std::span<const FirstRow> first_rows = std::span{rows}.first(count);
        for (const FirstRow& row : first_rows) {
            prefetcher.path(Entity{row.index, 1, 0});
        }
        for (const FirstRow& row : first_rows) {
            prefetcher.record(Entity{row.index, 1, 0});
        }
        for (const FirstRow& row : first_rows) {
            prefetch_row(prefetcher, row.index, row.table);
        }
    }

private:
    /// Whether the memory limit leaves room for the entities a delta names where nobody has lived: counts the least they can take.
    [[nodiscard]] Result<void> check_room(const delta::DeltaView& view) const {
        constexpr std::uint64_t row_bytes = sizeof(std::uint32_t);     // its index in its archetype
        constexpr std::uint64_t counter_bytes = sizeof(std::uint32_t); // of how often it was changed
        const std::uint64_t known = state_->root().entities.index_end();
        std::uint64_t of_destroyed = 0; // the same indices may come to life
        std::uint64_t of_created = 0;
        std::uint64_t named = 0;
        std::uint32_t first = 0;
        std::uint32_t most = 0;
        view.for_each_section([&](const delta::Section& section) {
            if (!section.is(delta::SectionKind::Entities)) {
                return;
            }
            delta::DeltaView::for_each_entity_range(section, [&](const delta::EntityRange& range) {
                const std::uint64_t end = std::uint64_t{range.first} + range.count;
                const std::uint64_t fresh = end - std::clamp<std::uint64_t>(known, range.first, end);
                named += range.count;
                if (range.count > most) {
                    most = range.count;
                    first = range.first;
                }
                if (range.created) {
                    of_created += fresh * (sizeof(storage::EntityRecord) + counter_bytes) + range.count * row_bytes;
                } else {
                    of_destroyed += fresh * sizeof(storage::EntityRecord);
                }
            });
        });
        const std::uint64_t needed = std::max(of_created, of_destroyed);
        const std::uint64_t room = state_->store().pool().most_room();
        if (needed <= room) {
            return {};
        }
        return Error{ErrorCode::OutOfMemory, "delta to version " + std::to_string(view.header().to) + ": names " + std::to_string(named) +
                                                 " entities, " + std::to_string(most) + " of them from index " + std::to_string(first) +
                                                 " on, which take " + std::to_string(needed) + " bytes at least; the memory limit leaves " +
                                                 std::to_string(room)};
    }

    void prefetch_row(const storage::Prefetcher& prefetcher, std::uint32_t index, TableId table) const noexcept {
        const storage::EntityRecord* const record = state_->root().entities.find(index);
        if (record != nullptr && record->archetype != storage::no_archetype) {
            prefetcher.row(Entity{index, record->generation, state_->root().shard}, table);
        }
    }

    /// Rows whose memory is fetched ahead together.
    static constexpr std::size_t most_at_once = 32;
    /// Tables that entities are born with; what goes beyond is added afterwards.
    static constexpr std::size_t most_inborn = 16;
    static constexpr const char* lived_already = "is to be created, and its generation has lived already";
    static constexpr const char* no_memory = "no memory to apply it";
    static constexpr std::uint64_t no_index = ~std::uint64_t{0};
    /// Numbers after it stay free to count on; a billion versions a second take 146 years to get there.
    static constexpr std::uint64_t last_version = std::uint64_t{1} << 62U;

    /// Where the delta stopped, as in "table `hp`, entity 7 ".
    [[nodiscard]] std::string place() const {
        return (table_ == no_table ? std::string{} : "table `" + state_->store().schema().table(table_).name + "`, ") +
               (index_ == no_index ? std::string{} : "entity " + std::to_string(index_) + ' ');
    }

    void apply_section(const delta::Section& section) {
        table_ = section.is_of_table() ? static_cast<TableId>(section.id) : no_table;
        index_ = no_index;
        if (section.is(delta::SectionKind::Entities)) {
            if (section.id != state_->root().shard) {
                problem_ = "it names entities of another shard";
                return;
            }
            delta::DeltaView::for_each_entity_range(section, [&](const delta::EntityRange& range) {
                if (problem_ == nullptr && std::uint64_t{range.first} + range.count > index_limit_) {
                    index_ = range.first;
                    problem_ = "begins a range that goes beyond the limit set for deltas";
                }
                if (range.created && inborn_count_ != 0 && problem_ == nullptr) {
                    create_with_rows(range);
                    return;
                }
                for (std::uint32_t i = 0; problem_ == nullptr && i < range.count; ++i) {
                    index_ = range.first + i;
                    const Entity entity{range.first + i, range.generation, state_->root().shard};
                    if (absolute_) {
                        check(range.created ? storage::impose_life(*state_, entity)
                                            : storage::impose_end(*state_, entity.index(), range.generation),
                              "cannot be");
                    } else if (range.created) {
                        check(state_->create(entity), lived_already);
                    } else {
                        check(state_->spend(entity), "is to be destroyed, and a later one has had its index");
                    }
                }
            });
        } else if (section.has_rows()) {
            delta::DeltaView::for_each_run(section, [&](const delta::Run& run) {
                if (problem_ == nullptr) {
                    apply_run(run);
                }
            });
        } else if (section.is(delta::SectionKind::Contents)) {
            delta::for_each_content(section.body, [&](const delta::ContentEntry& entry) {
                if (static_cast<void>(living(entry.index)); problem_ == nullptr) {
                    check(state_->set_content(entry.index, state_->store().schema().table(table_), entry.field, entry.bytes),
                          "has no row whose text or blob could be set");
                }
            });
        } else if (section.is(delta::SectionKind::Versions)) {
            delta::DeltaView::for_each_version(section, [&](std::uint32_t index, std::uint32_t increment) {
                if (static_cast<void>(living(index)); problem_ != nullptr) {
                    return;
                }
                storage::ChangeCounts& counts = state_->counts();
                if (!(absolute_ ? counts.impose(index, increment) : counts.add(index, increment))) {
                    problem_ = no_memory;
                }
            });
        }
    }

    /// Finds the tables of which every entity that the delta creates gets a row: entities are born with those, and need not move from one
    /// archetype to the next. Only where all their indices follow each other.
    void find_inborn(const delta::DeltaView& view) {
        inborn_count_ = 0;
        if (absolute_) {
            return;
        }
        delta::EntityRange created;
        view.for_each_section([&](const delta::Section& section) {
            if (section.is(delta::SectionKind::Entities)) {
                std::uint32_t ranges = 0;
                delta::DeltaView::for_each_entity_range(section, [&](const delta::EntityRange& range) {
                    if (range.created) {
                        ++ranges;
                        created = range;
                    }
                });
                created.count = ranges == 1 ? created.count : 0;
            } else if (section.is(delta::SectionKind::Rows) && created.count != 0 && inborn_count_ < inborn_.size()) {
                const Table& table = state_->store().schema().table(static_cast<TableId>(section.id));
                if (table.storage != Storage::Table || table.has_contents()) {
                    return;
                }
                delta::DeltaView::for_each_run(section, [&](const delta::Run& run) {
                    if (run.kind == delta::RowChangeKind::Added && run.form == delta::IdForm::Range && run.count == created.count &&
                        run.first_index() == created.first && inborn_count_ < inborn_.size() &&
                        (inborn_count_ == 0 || inborn_[inborn_count_ - 1].table != run.table)) {
                        inborn_[inborn_count_++] = run;
                    }
                });
            }
        });
    }
    [[nodiscard]] bool is_inborn(const delta::Run& run) const noexcept {
        return std::any_of(inborn_.begin(), inborn_.begin() + inborn_count_,
                           [&run](const delta::Run& inborn) { return inborn.ids == run.ids; });
    }

    /// Creates the entities of the only range there is, with their inborn rows.
    void create_with_rows(const delta::EntityRange& range) {
        const Schema& schema = state_->store().schema();
        std::array<TableId, most_inborn> tables;           // NOLINT: filled below
        std::array<const std::byte*, most_inborn> columns; // NOLINT: filled below
        std::size_t row_bytes = 0;
        for (std::size_t i = 0; i < inborn_count_; ++i) {
            tables[i] = inborn_[i].table;
            row_bytes += schema.table(tables[i]).size;
        }
        constexpr std::size_t most_bytes = std::size_t{32} << 10U;
        const auto step =
            static_cast<std::uint32_t>(std::clamp<std::size_t>(most_bytes / std::max<std::size_t>(row_bytes, 1), 1, range.count));
        const std::size_t bytes = row_bytes * step;
        if (!row_.resize_for_overwrite(bytes)) {
            problem_ = no_memory;
            return;
        }
        std::fill_n(row_.view().data(), bytes, std::byte{0});
        for (std::uint32_t done = 0; problem_ == nullptr && done < range.count; done += step) {
            const std::uint32_t count = std::min(step, range.count - done);
            std::byte* rows = row_.view().data();
            for (std::size_t i = 0; i < inborn_count_; ++i) {
                const delta::Run& run = inborn_[i];
                const Table& table = schema.table(run.table);
                const delta::FieldCopy<delta::FieldMask> copy{table, run.mask};
                columns[i] = rows;
                const std::byte* values = run.values.data() + std::size_t{done} * run.stride;
                for (std::uint32_t row = 0; row < count; ++row, values += run.stride, rows += table.size) {
                    copy.unpack(values, rows);
                }
            }
            for (std::uint32_t i = 0; i < count; ++i) {
                index_ = range.first + done + i;
                const storage::EntityRecord* const record = state_->root().entities.find(range.first + done + i);
                if (record != nullptr && (record->archetype != storage::no_archetype || record->generation >= range.generation)) {
                    problem_ = lived_already;
                    return;
                }
            }
            check(storage::create_many(*state_, Entity{range.first + done, range.generation, state_->root().shard}, count,
                                       {tables.data(), inborn_count_}, {columns.data(), inborn_count_}),
                  lived_already);
        }
    }

    void apply_run(const delta::Run& run) {
        if (is_inborn(run)) {
            return;
        }
        const Table& table = state_->store().schema().table(run.table);
        const delta::FieldCopy<delta::FieldMask> copy{table, run.mask};
        switch (run.kind) {
        case delta::RowChangeKind::Removed:
            run.for_each_index([&](std::uint32_t index) {
                if (const Entity entity = living(index); problem_ == nullptr) {
                    check(state_->remove(entity, run.table), "has no row to be removed");
                }
            });
            return;
        case delta::RowChangeKind::Added:
            if (!row_.resize_for_overwrite(table.size)) {
                problem_ = no_memory;
                return;
            }
            std::fill_n(row_.data(), table.size, std::byte{0}); // a tag has no bytes, and perhaps no memory
            run.for_each_row([&](std::uint32_t index, const std::byte* values) {
                if (const Entity entity = living(index); problem_ == nullptr) {
                    copy.unpack(values, row_.data());
                    check(state_->insert(entity, run.table, row_.data()), "has the row that is to be added");
                }
            });
            return;
        case delta::RowChangeKind::Changed:
            change_rows(run, copy);
            return;
        }
    }

    void change_rows(const delta::Run& run, const delta::FieldCopy<delta::FieldMask>& copy) {
        std::array<std::uint32_t, most_at_once> indices; // NOLINT: filled up to `count`
        std::uint32_t count = 0;
        const std::byte* values = run.values.data();
        const auto change = [&] {
            prefetch_rows({indices.data(), count}, run.table);
            for (std::uint32_t i = 0; problem_ == nullptr && i < count; ++i, values += run.stride) {
                if (static_cast<void>(living(indices[i])); problem_ != nullptr) {
                    return;
                }
                bool refused = false;
                std::byte* const row = state_->edit_row(indices[i], run.table, refused);
                if (row == nullptr) {
                    problem_ = refused ? no_memory : "has no row to be changed";
                    return;
                }
                copy.unpack(values, row);
            }
            count = 0;
        };
        run.for_each_index([&](std::uint32_t index) {
            if (count == indices.size()) {
                change();
            }
            if (problem_ == nullptr) {
                indices[count++] = index;
            }
        });
        change();
    }
    void prefetch_rows(std::span<const std::uint32_t> indices, TableId table) const noexcept {
        if (indices.size() < 2) {
            return;
        }
        const storage::Prefetcher prefetcher = state_->prefetcher();
        for (const std::uint32_t index : indices) {
            prefetcher.path(Entity{index, 1, 0});
        }
        for (const std::uint32_t index : indices) {
            prefetcher.record(Entity{index, 1, 0});
        }
        for (const std::uint32_t index : indices) {
            prefetch_row(prefetcher, index, table);
        }
    }

    /// The living entity of an index; a problem when there is none.
    Entity living(std::uint32_t index) {
        index_ = problem_ == nullptr ? index : index_;
        const storage::EntityRecord* const record = problem_ == nullptr ? state_->root().entities.find(index) : nullptr;
        if (record == nullptr || record->archetype == storage::no_archetype) {
            problem_ = problem_ == nullptr ? "is not alive" : problem_;
            return {};
        }
        return Entity{index, record->generation, state_->root().shard};
    }

    void check(storage::Outcome outcome, const char* otherwise) noexcept {
        if (problem_ == nullptr && outcome != storage::Outcome::Done) {
            problem_ = outcome == storage::Outcome::OutOfMemory ? no_memory : otherwise;
        }
    }

    storage::WriteBuffer* state_;
    delta::ValueChecks checks_;
    std::uint64_t index_limit_;
    GrowArray<std::byte> row_;
    bool absolute_ = false;                      ///< The delta being applied is.
    std::array<delta::Run, most_inborn> inborn_; ///< Of the delta being applied: what its only range of created entities is born with.
    std::size_t inborn_count_ = 0;
    const char* problem_ = nullptr;
    TableId table_ = no_table;       ///< The section being applied is for this table, if for any,
    std::uint64_t index_ = no_index; ///< and has come to this entity.
};

} // namespace ecsdb::transaction
