/// @file
/// Imposes a delta on the version under construction: recovery, replicas and rewinds write this way.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/delta/validate.hpp"
#include "ecsdb/delta/view.hpp"
#include "ecsdb/storage/prefetch.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
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
    /// `index_limit`: entities with this index or a higher one are refused. An index costs memory even alone (4 bytes for each one below
    /// it), and a range of entities takes no bytes per entity: bound it where deltas come from somebody not trusted.
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
        if (header.from != version) {
            return Error{ErrorCode::Gap, "delta from version " + std::to_string(header.from) + " to " + std::to_string(header.to) +
                                             " meets a state at version " + std::to_string(version)};
        }
        if (header.to > last_version) {
            return Error{ErrorCode::Corrupt, "delta to version " + std::to_string(header.to) + ": no history is that long"};
        }
        if (auto valid = delta::validate(view, checks_); !valid) {
            return std::move(valid).error();
        }
        state_->begin_transaction();
        state_->counts().set_counting(header.counted);
        problem_ = nullptr;
        view.for_each_section([&](const delta::Section& section) {
            if (problem_ == nullptr) {
                apply_section(section);
            }
        });
        if (problem_ != nullptr) {
            state_->undo_transaction();
            return Error{problem_ == no_memory ? ErrorCode::OutOfMemory : ErrorCode::Corrupt,
                         "delta to version " + std::to_string(header.to) + ": " + place() + problem_};
        }
        state_->keep_transaction(header.time != 0 ? header.time : time_ns);
        state_->writable_root().version = header.to;
        return true;
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
            const std::optional<delta::Run> run = view.first_run();
            if (run && run->count == 1 && run->kind != delta::RowChangeKind::Added) {
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
    void prefetch_row(const storage::Prefetcher& prefetcher, std::uint32_t index, TableId table) const noexcept {
        const storage::EntityRecord* const record = state_->root().entities.find(index);
        if (record != nullptr && record->archetype != storage::no_archetype) {
            prefetcher.row(Entity{index, record->generation, state_->root().shard}, table);
        }
    }

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
                for (std::uint32_t i = 0; problem_ == nullptr && i < range.count; ++i) {
                    index_ = range.first + i;
                    const Entity entity{range.first + i, range.generation, state_->root().shard};
                    if (range.created) {
                        check(state_->create(entity), "is to be created, and its generation has lived already");
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
                if (static_cast<void>(living(index)); problem_ == nullptr && !state_->counts().add(index, increment)) {
                    problem_ = no_memory;
                }
            });
        }
    }

    void apply_run(const delta::Run& run) {
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
            if (run.count > 1) {
                const storage::Prefetcher prefetcher = state_->prefetcher();
                run.for_each_index([&](std::uint32_t index) { prefetcher.record(Entity{index, 1, 0}); });
                run.for_each_index([&](std::uint32_t index) { prefetch_row(prefetcher, index, run.table); });
            }
            run.for_each_row([&](std::uint32_t index, const std::byte* values) {
                if (static_cast<void>(living(index)); problem_ != nullptr) {
                    return;
                }
                bool refused = false;
                std::byte* const row = state_->edit_row(index, run.table, refused);
                if (row == nullptr) {
                    problem_ = refused ? no_memory : "has no row to be changed";
                    return;
                }
                copy.unpack(values, row);
            });
            return;
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
    const char* problem_ = nullptr;
    TableId table_ = no_table;       ///< The section being applied is for this table, if for any,
    std::uint64_t index_ = no_index; ///< and has come to this entity.
};

} // namespace ecsdb::transaction
