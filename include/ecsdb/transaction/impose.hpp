/// @file
/// Imposes a state as one transaction: what a delta says, or whatever leads to a state that was built elsewhere.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/delta/view.hpp"
#include "ecsdb/transaction/apply_delta.hpp"
#include "ecsdb/transaction/difference.hpp"
#include "ecsdb/transaction/pipeline.hpp"
#include "ecsdb/transaction/task.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::transaction {

/// Runs deltas that were not made by this writer: keeps the ids it hands out apart from those they bring. The base of two kinds of tasks.
class ImposingTask : public Task {
public:
    /// Versions one delta may be in one where there is a log (docs/format/log.md).
    static constexpr std::uint64_t most_versions_logged = std::uint64_t{1} << 20U;

    /// How many indices that nobody has had may lie below those a delta brings, besides as many as it brings: ids that were taken and never
    /// used leave such gaps, and no greater ones.
    static constexpr std::uint64_t most_indices_skipped = std::uint64_t{1} << 24U;

    explicit ImposingTask(Pipeline& pipeline) : pipeline_{&pipeline}, applier_{pipeline.writer().state()} {}

    [[nodiscard]] bool notes_changes() const noexcept override { return false; }
    [[nodiscard]] bool encode(const storage::WriteBuffer&, delta::Encoder& encoder) noexcept override {
        encoder.sections(sections_);
        return true;
    }
    [[nodiscard]] bool counts_entities() const noexcept override { return counted_; }
    [[nodiscard]] bool is_absolute() const noexcept override { return absolute_; }
    [[nodiscard]] std::uint64_t versions() const noexcept override { return versions_; }

    void finished() noexcept override {
        if (!brings_ids_) {
            return;
        }
        // Whatever became of the transaction: what is published tells which ids are free.
        EntityIds& ids = pipeline_->ids();
        const storage::Root& root = *pipeline_->store().published();
        ids.keep_free(
            [&](std::uint32_t index) {
                const storage::EntityRecord* const record = root.entities.find(index);
                return record == nullptr ? 0 : record->archetype == storage::no_archetype ? record->generation : EntityIds::living;
            },
            [&](std::uint64_t index) { return root.entities.next_used(index); });
        if (fresh_before_ < fresh_end_) {
            root.entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
                const bool ours = index >= fresh_before_ && index < fresh_end_ && record.archetype == storage::no_archetype;
                if (ours && record.generation < Entity::max_generation) {
                    ids.make_free(index, record.generation + 1);
                }
            });
        }
    }

protected:
    /// Does what the delta says; it must stay as it is until `finished`.
    [[nodiscard]] Result<void> impose(std::span<const std::byte> bytes, storage::WriteBuffer& state) noexcept {
        const Result<delta::DeltaView> view = delta::DeltaView::parse(bytes);
        if (!view) {
            return view.error().clone();
        }
        if (auto fits = applier_.check(*view, state.root().version); !fits) {
            return fits;
        }
        versions_ = view->header().to - view->header().from;
        if (pipeline_->writer().records() && versions_ > most_versions_logged) {
            return Error{ErrorCode::Unsupported, "delta of " + std::to_string(versions_) + " versions: a database that keeps a log takes " +
                                                     std::to_string(most_versions_logged) + " at most at once"};
        }
        counted_ = view->header().counted;
        absolute_ = view->header().absolute;
        sections_ = view->section_bytes();
        HighestIds highest = highest_of(*view);
        if (const std::uint64_t known = pipeline_->ids().next_fresh(); highest.end > known + highest.count + most_indices_skipped) {
            return Error{ErrorCode::Corrupt, "delta: brings entity index " + std::to_string(highest.end - 1) + ", and no index beyond " +
                                                 std::to_string(known) + " has been used so far"};
        }
        if (absolute_ && highest.end != 0) { // generations may go back: who lives now counts too
            state.root().entities.for_each([&](std::uint32_t, const storage::EntityRecord& record) {
                highest.generation = std::max(highest.generation, record.generation);
            });
        }
        // The ids come last: they are not handed back where the delta turns out to be unsound.
        auto imposed = applier_.impose(*view);
        return imposed && highest.end != 0 ? take_ids(highest) : std::move(imposed);
    }

private:
    struct HighestIds {
        std::uint64_t end = 0;
        std::uint64_t count = 0;
        std::uint32_t generation = 0;
    };
    [[nodiscard]] static HighestIds highest_of(const delta::DeltaView& view) {
        HighestIds highest;
        view.for_each_section([&](const delta::Section& section) {
            if (section.is(delta::SectionKind::Entities)) {
                delta::DeltaView::for_each_entity_range(section, [&](const delta::EntityRange& range) {
                    highest.count += range.count;
                    highest.end = std::max(highest.end, std::uint64_t{range.first} + range.count);
                    highest.generation = std::max(highest.generation, range.generation);
                });
            }
        });
        return highest;
    }

    /// What comes to life here must not be handed out meanwhile.
    [[nodiscard]] Result<void> take_ids(const HighestIds& highest) {
        EntityIds& ids = pipeline_->ids();
        if (ids.mark() < highest.end) {
            if (auto raised = pipeline_->writer().raise_index_mark(highest.end); !raised) {
                return raised;
            }
        }
        brings_ids_ = true;
        fresh_end_ = highest.end;
        fresh_before_ = ids.advance_fresh(highest.end);
        if (absolute_) {
            ids.raise_generations(highest.generation);
        }
        return {};
    }

    Pipeline* pipeline_;
    DeltaApplier applier_;
    std::span<const std::byte> sections_;
    std::uint64_t versions_ = 1;
    bool counted_ = false;
    bool absolute_ = false;
    bool brings_ids_ = false;
    std::uint64_t fresh_before_ = 0;
    std::uint64_t fresh_end_ = 0;
};

/// Applies a delta to the state it begins at. Does nothing where the state has it already: then it takes no version (see `needed`).
class ApplyDelta : public ImposingTask {
public:
    ApplyDelta(Pipeline& pipeline, std::span<const std::byte> bytes) : ImposingTask{pipeline}, bytes_{bytes} {}

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override { return impose(bytes_, state); }

private:
    std::span<const std::byte> bytes_;
};

/// Makes the state what another one is, of the same schema and shard: one transaction, the next version.
class BecomeState final : public ImposingTask {
public:
    /// State and counts must stay as they are until the task is done.
    BecomeState(Pipeline& pipeline, const storage::Root& wanted, const storage::EntityVersions& counts)
        : ImposingTask{pipeline}, wanted_{&wanted}, counts_{&counts}, bytes_{pipeline.store().allocator()} {}

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        const storage::Root& now = state.root();
        Difference difference{now, &state.store().entity_versions(), *wanted_, *counts_, state.store().allocator()};
        if (auto written = difference.write(now.version, now.version + 1, 0, TransientRows::Go, bytes_); !written) {
            return written;
        }
        return impose(bytes_.view(), state);
    }

private:
    const storage::Root* wanted_;
    const storage::EntityVersions* counts_;
    ByteBuffer bytes_;
};

} // namespace ecsdb::transaction
