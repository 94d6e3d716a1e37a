/// @file
/// Imposes a delta on the version under construction: recovery, replicas and rewinds write this way.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/delta/validate.hpp"
#include "ecsdb/delta/view.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ecsdb::transaction {

/// The fourth form of a transaction (design D13.4): effects are imposed, constraints are not checked, all or nothing.
///
/// A delta is a step from one version to a later one: it is applied only at its `from`, ignored where the state is already there, and
/// otherwise a `Gap`. Writer only; keeps its scratch memory from delta to delta.
class DeltaApplier {
public:
    explicit DeltaApplier(storage::WriteBuffer& state) noexcept : state_{&state}, row_{state.store().allocator()} {}

    /// Applies one delta as one transaction of the open batch; false when the state already had it. On an error nothing has changed.
    /// `time_ns` is when the transaction was committed, where the delta itself does not say.
    [[nodiscard]] Result<bool> apply(std::span<const std::byte> bytes, std::uint64_t time_ns) {
        const Result<delta::DeltaView> view = delta::DeltaView::parse(bytes);
        if (!view) {
            return view.error().clone();
        }
        const delta::Header& header = view->header();
        const std::uint64_t version = state_->root().version;
        if (header.to <= version) {
            return false;
        }
        if (header.from != version) {
            return Error{ErrorCode::Gap, "delta from version " + std::to_string(header.from) + " to " + std::to_string(header.to) +
                                             " meets a state at version " + std::to_string(version)};
        }
        if (auto valid = delta::validate(*view, state_->store().schema()); !valid) {
            return std::move(valid).error();
        }
        state_->begin_transaction();
        state_->set_counting(header.counted);
        problem_ = nullptr;
        view->for_each_section([&](const delta::Section& section) {
            if (problem_ == nullptr) {
                apply_section(section);
            }
        });
        if (problem_ != nullptr) {
            state_->undo_transaction();
            return Error{problem_ == no_memory ? ErrorCode::OutOfMemory : ErrorCode::Corrupt,
                         "delta to version " + std::to_string(header.to) + ": " + problem_};
        }
        state_->keep_transaction(header.time != 0 ? header.time : time_ns);
        state_->writable_root().version = header.to;
        return true;
    }

private:
    static constexpr const char* no_memory = "no memory to apply it";

    void apply_section(const delta::Section& section) {
        if (section.is(delta::SectionKind::Entities)) {
            if (section.id != state_->root().shard) {
                problem_ = "it names entities of another shard";
                return;
            }
            delta::DeltaView::for_each_entity_range(section, [&](const delta::EntityRange& range) {
                for (std::uint32_t i = 0; problem_ == nullptr && i < range.count; ++i) {
                    const Entity entity{range.first + i, range.generation, state_->root().shard};
                    check(range.created ? state_->create(entity) : state_->spend(entity), storage::Outcome::Done);
                }
            });
        } else if (section.has_rows()) {
            delta::DeltaView::for_each_run(section, [&](const delta::Run& run) {
                if (problem_ == nullptr) {
                    apply_run(run);
                }
            });
        } else if (section.is(delta::SectionKind::Versions)) {
            delta::DeltaView::for_each_version(section, [&](std::uint32_t index, std::uint32_t increment) {
                if (static_cast<void>(living(index)); problem_ == nullptr && !state_->add_to_count(index, increment)) {
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
                    check(state_->remove(entity, run.table), storage::Outcome::Done);
                }
            });
            return;
        case delta::RowChangeKind::Added:
            if (!row_.resize_for_overwrite(table.size)) {
                problem_ = no_memory;
                return;
            }
            std::fill_n(row_.view().data(), table.size, std::byte{0}); // a tag has no bytes, and perhaps no memory
            run.for_each_row([&](std::uint32_t index, const std::byte* values) {
                if (const Entity entity = living(index); problem_ == nullptr) {
                    copy.unpack(values, row_.view().data());
                    check(state_->insert(entity, run.table, row_.view().data()), storage::Outcome::Done);
                }
            });
            return;
        case delta::RowChangeKind::Changed:
            run.for_each_row([&](std::uint32_t index, const std::byte* values) {
                if (static_cast<void>(living(index)); problem_ != nullptr) {
                    return;
                }
                bool refused = false;
                std::byte* const row = state_->edit_row(index, run.table, refused);
                if (row == nullptr) {
                    problem_ = refused ? no_memory : "it changes a row that is not there";
                    return;
                }
                copy.unpack(values, row);
            });
            return;
        }
    }

    /// The living entity of an index; a problem when there is none.
    Entity living(std::uint32_t index) {
        const storage::EntityRecord* const record = problem_ == nullptr ? state_->root().entities.find(index) : nullptr;
        if (record == nullptr || record->archetype == storage::no_archetype) {
            problem_ = problem_ == nullptr ? "it names an entity that is not alive" : problem_;
            return {};
        }
        return Entity{index, record->generation, state_->root().shard};
    }

    void check(storage::Outcome outcome, storage::Outcome wanted) noexcept {
        if (problem_ == nullptr && outcome != wanted) {
            problem_ = outcome == storage::Outcome::OutOfMemory ? no_memory : "it does not fit the state it is applied to";
        }
    }

    storage::WriteBuffer* state_;
    GrowArray<std::byte> row_;
    const char* problem_ = nullptr;
};

} // namespace ecsdb::transaction
