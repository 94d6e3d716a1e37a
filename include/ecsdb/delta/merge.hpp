/// @file
/// Joins consecutive deltas into one with the same effect.
#pragma once

#include "ecsdb/delta/encoder.hpp"
#include "ecsdb/delta/validate.hpp"

#include <optional>
#include <vector>

namespace ecsdb::delta {

/// How many entities and rows a merge will hold beyond one for each byte it was given, on the word of ranges that take no bytes per entity.
inline constexpr std::uint64_t merge_expansion_limit = 1U << 24U;

/// Collects what deltas did, entity by entity and row by row, and writes the sum. Made for one merge; see `merge`.
class DeltaMerger {
public:
    explicit DeltaMerger(const Schema& schema)
        : schema_{&schema}, checks_{schema}, rows_(schema.tables().size()), contents_(schema.tables().size()) {}

    /// Adds the next delta, whose bytes must outlive the merger.
    [[nodiscard]] Result<void> add(std::span<const std::byte> bytes) {
        Result<DeltaView> parsed = DeltaView::parse(bytes);
        if (!parsed) {
            return std::move(parsed).error();
        }
        const Header& header = parsed->header();
        if (header.absolute) {
            return Error{ErrorCode::Unsupported, "delta to version " + std::to_string(header.to) +
                                                     ": an absolute one (of a restored state) cannot be merged with others"};
        }
        if (deltas_ != 0 && header.from != header_.to) {
            return Error{ErrorCode::Gap,
                         "begins at version " + std::to_string(header.from) + ", but the one before ends at " + std::to_string(header_.to)};
        }
        if (Result<void> valid = validate(*parsed, checks_); !valid) {
            return valid;
        }
        if (!is_of_one_shard(*parsed)) {
            return Error{ErrorCode::WrongShard, "names entities of shard " + std::to_string(newest_shard_) +
                                                    ", and one before it those of " + std::to_string(*shard_)};
        }
        room_ += bytes.size();
        if (!within_limit(*parsed)) {
            return Error{ErrorCode::InvalidArgument, "names more entities than a merge may hold"};
        }
        collect(*parsed);
        const std::uint64_t from = deltas_ == 0 ? header.from : header_.from;
        const Origin origin = deltas_ == 0 || header.origin == header_.origin ? header.origin : Origin{};
        header_ = header;
        header_.from = from;
        header_.origin = origin;
        ++deltas_;
        return {};
    }

    /// Appends the sum to `out`. Call it once.
    [[nodiscard]] Result<void> write(ByteBuffer& out, Allocator& allocator) {
        if (deltas_ == 0) {
            return Error{ErrorCode::InvalidArgument, "there is no delta to merge"};
        }
        if (!fold_entities()) {
            return Error{ErrorCode::Corrupt, "an entity is created twice or destroyed twice"};
        }
        std::vector<TableSum> sums;
        for (std::size_t id = 0; id < rows_.size(); ++id) {
            if (!rows_[id].empty()) {
                sums.push_back(TableSum{schema_->table(static_cast<TableId>(id)), {}, {}, {}, {}});
                if (!fold_rows(rows_[id], sums.back())) {
                    return Error{ErrorCode::Corrupt, "a row of table `" + sums.back().table.name + "` contradicts the ones before it"};
                }
                fold_contents(contents_[id], sums.back());
            }
        }
        fold_versions();
        header_.merged = true;
        header_.counted = counts_by_itself(sums);
        Encoder encoder{allocator};
        encoder.begin(out, header_);
        encoder.entities(created_, destroyed_);
        for (const TableSum& sum : sums) {
            if (!sum.rows.empty()) {
                encoder.rows(sum.table, sum);
            }
        }
        if (!header_.counted) {
            encoder.versions({versions_.data(), versions_.size()});
        }
        for (const TableSum& sum : sums) {
            encoder.contents(sum.table, {sum.contents.data(), sum.contents.size()});
        }
        encoder.end();
        if (out.failed()) {
            return Error{ErrorCode::OutOfMemory, "no memory for the merged delta"};
        }
        return {};
    }

private:
    struct LifeEvent {
        Entity entity;
        std::uint32_t delta = 0;
        bool created = false;
    };
    struct RowEvent {
        std::uint32_t index = 0;
        std::uint32_t delta = 0;
        std::size_t run = 0; // which of runs_
        const std::byte* values = nullptr;
    };
    struct ContentEvent {
        ContentEntry entry;
        std::uint32_t delta = 0;
    };
    struct VersionEvent {
        std::uint32_t index = 0;
        std::uint32_t delta = 0;
        std::uint32_t increment = 0;
    };
    /// What became of the entities of one index.
    struct Life {
        std::uint32_t index = 0;
        std::uint32_t since = 0; // what deltas before this one did was to an entity that is gone
        bool alive = false;
        bool is_new = false; // the one alive was created by these deltas
    };
    enum class RowState : std::uint8_t { Unknown, Absent, Removed, Added, Changed };

    /// A row's changes summed up; the row is in `values`, in memory layout.
    struct SumRow {
        std::uint32_t index = 0;
        RowState state = RowState::Unknown;
        std::uint32_t since = 0; // what deltas before this one said of its contents went with a row removed
        bool replaced = false;   // removed and added again: contents nobody names are empty
    };
    /// All of a table: what `RunWriter` takes.
    struct TableSum {
        const Table& table;
        std::vector<SumRow> rows;
        std::vector<std::byte> values;
        std::vector<std::uint64_t> masks;
        std::vector<ContentEntry> contents;

        [[nodiscard]] std::size_t size() const noexcept { return rows.size(); }
        [[nodiscard]] std::uint32_t index(std::uint32_t i) const noexcept { return rows[i].index; }
        [[nodiscard]] RowChangeKind kind(std::uint32_t i) const noexcept {
            return rows[i].state == RowState::Removed ? RowChangeKind::Removed
                   : rows[i].state == RowState::Added ? RowChangeKind::Added
                                                      : RowChangeKind::Changed;
        }
        [[nodiscard]] const std::byte* after(std::uint32_t i) const noexcept { return values.data() + std::size_t{i} * table.size; }
        void mask(std::uint32_t i, std::uint64_t* words) const noexcept {
            const std::size_t count = detail::mask_words(table);
            std::copy_n(masks.data() + i * count, count, words);
        }
    };

    [[nodiscard]] bool is_of_one_shard(const DeltaView& delta) noexcept {
        delta.for_each_section([this](const Section& section) {
            if (section.is(SectionKind::Entities)) {
                newest_shard_ = section.id;
                shard_ = shard_.value_or(section.id);
            }
        });
        return !shard_ || newest_shard_ == *shard_;
    }

    [[nodiscard]] bool within_limit(const DeltaView& delta) noexcept {
        delta.for_each_section([this](const Section& section) {
            if (section.is(SectionKind::Entities)) {
                DeltaView::for_each_entity_range(section, [this](const EntityRange& range) { held_ += range.count; });
            } else if (section.has_rows()) {
                DeltaView::for_each_run(section, [this](const Run& run) { held_ += run.count; });
            } else if (section.is(SectionKind::Versions)) {
                detail::VersionReader groups{section.body};
                for (detail::VersionGroup group; !groups.at_end() && groups.next(group) == nullptr;) {
                    held_ += group.count;
                }
            } else if (section.is(SectionKind::Contents)) {
                for_each_content(section.body, [this](const ContentEntry&) { ++held_; });
            }
        });
        return held_ <= room_ + merge_expansion_limit;
    }

    struct Collector {
        DeltaMerger& merger;
        std::uint32_t delta;
        bool counted;

        void destroyed(Entity entity) const { merger.lives_.push_back({entity, delta, false}); }
        void created(Entity entity) const {
            merger.lives_.push_back({entity, delta, true});
            touch(entity.index());
        }
        void run(const Run& run) const {
            std::vector<RowEvent>& rows = merger.rows_[run.table];
            run.for_each_row([&](std::uint32_t index, const std::byte* values) {
                rows.push_back({index, delta, merger.runs_.size(), values});
                touch(index);
            });
            merger.runs_.push_back(run);
        }
        void version(std::uint32_t index, std::uint32_t increment) const { merger.increments_.push_back({index, delta, increment}); }
        void content(TableId table, const ContentEntry& entry) const { merger.contents_[table].push_back({entry, delta}); }
        void touch(std::uint32_t index) const {
            if (counted) {
                merger.increments_.push_back({index, delta, 1});
            }
        }
    };

    void collect(const DeltaView& delta) { delta.visit(Collector{*this, deltas_, delta.header().counted}); }

    [[nodiscard]] bool fold_entities() {
        std::stable_sort(lives_.begin(), lives_.end(),
                         [](const LifeEvent& a, const LifeEvent& b) { return a.entity.index() < b.entity.index(); });
        for (std::size_t i = 0; i < lives_.size();) {
            const LifeEvent& first = lives_[i];
            Life life{first.entity.index(), 0, !first.created, false};
            Entity current = first.entity;
            Entity destroyed;
            for (; i < lives_.size() && lives_[i].entity.index() == life.index; ++i) {
                const LifeEvent& event = lives_[i];
                // Generations grow. One may be destroyed that was never seen created: it lived within one delta.
                const bool newer = event.entity.generation() > current.generation();
                const bool fits =
                    event.created ? !life.alive && (newer || &event == &first) : newer || (life.alive && event.entity == current);
                if (!fits) {
                    return false;
                }
                life.alive = event.created;
                life.is_new = event.created;
                life.since = event.delta;
                current = event.entity;
                destroyed = event.created ? destroyed : event.entity;
            }
            if (!destroyed.is_null()) {
                destroyed_.push_back(destroyed);
            }
            if (life.alive) {
                created_.push_back(current);
            }
            ends_.push_back(life);
        }
        return true;
    }

    /// The life that events of `index` belong to; a default one, alive all along, where these deltas neither created nor destroyed it.
    /// `at` walks along with ascending indices.
    [[nodiscard]] Life life_of(std::uint32_t index, std::size_t& at) const noexcept {
        while (at < ends_.size() && ends_[at].index < index) {
            ++at;
        }
        return at < ends_.size() && ends_[at].index == index ? ends_[at] : Life{index, 0, true, false};
    }

    [[nodiscard]] bool fold_rows(std::vector<RowEvent>& events, TableSum& sum) const {
        std::stable_sort(events.begin(), events.end(), [](const RowEvent& a, const RowEvent& b) { return a.index < b.index; });
        const std::size_t words = detail::mask_words(sum.table);
        std::size_t at = 0;
        for (std::size_t i = 0; i < events.size();) {
            const Life life = life_of(events[i].index, at);
            const std::size_t row = sum.rows.size();
            sum.rows.push_back({events[i].index, life.is_new ? RowState::Absent : RowState::Unknown, life.since, false});
            sum.values.resize((row + 1) * sum.table.size);
            sum.masks.resize((row + 1) * words);
            bool any = false;
            for (; i < events.size() && events[i].index == life.index; ++i) {
                if (events[i].delta < life.since) {
                    continue;
                }
                if (!life.alive || !apply(sum, row, events[i])) {
                    return false;
                }
                any = true;
            }
            if (!any || sum.rows[row].state == RowState::Absent) {
                sum.rows.pop_back();
                sum.values.resize(row * sum.table.size);
                sum.masks.resize(row * words);
            }
        }
        return true;
    }

    [[nodiscard]] bool apply(TableSum& sum, std::size_t row, const RowEvent& event) const {
        const Run& run = runs_[event.run];
        RowState& state = sum.rows[row].state;
        const bool present = state == RowState::Added || state == RowState::Changed;
        if (state != RowState::Unknown && present == (run.kind == RowChangeKind::Added)) {
            return false;
        }
        if (run.kind == RowChangeKind::Removed) {
            state = state == RowState::Added ? RowState::Absent : RowState::Removed;
            sum.rows[row].since = event.delta + 1;
            return true;
        }
        apply_fields(sum.table, run.mask, event.values, sum.values.data() + row * sum.table.size);
        std::uint64_t* const mask = sum.masks.data() + row * detail::mask_words(sum.table);
        for (const Field& field : sum.table.fields) {
            // What has no packed bytes is no value that a mask could name.
            mask[field.id / 64U] |= std::uint64_t{run.mask.test(field.id) && field.packed_size != 0} << (field.id % 64U);
        }
        if (run.kind == RowChangeKind::Added) {
            // Removed before: to whoever had the row, it was replaced.
            sum.rows[row].replaced = state == RowState::Removed;
            state = state == RowState::Removed ? RowState::Changed : RowState::Added;
        } else if (state == RowState::Unknown) {
            state = RowState::Changed;
        }
        return true;
    }

    /// What the rows' contents are in the end, for those rows that are there in the end.
    static void fold_contents(std::vector<ContentEvent>& events, TableSum& sum) {
        std::stable_sort(events.begin(), events.end(), [](const ContentEvent& a, const ContentEvent& b) {
            return a.entry.index != b.entry.index ? a.entry.index < b.entry.index : a.entry.field < b.entry.field;
        });
        std::size_t i = 0;
        for (const SumRow& row : sum.rows) {
            for (; i < events.size() && events[i].entry.index < row.index; ++i) {
            }
            for (const FieldId field : sum.table.contents) {
                const ContentEntry* last = nullptr;
                for (; i < events.size() && events[i].entry.index == row.index && events[i].entry.field == field; ++i) {
                    last = events[i].delta >= row.since ? &events[i].entry : last;
                }
                const bool empty = last == nullptr || last->bytes.empty();
                if (row.state == RowState::Added ? !empty : row.state == RowState::Changed && (last != nullptr || row.replaced)) {
                    sum.contents.push_back({row.index, field, empty ? std::span<const std::byte>{} : last->bytes});
                }
            }
        }
    }

    void fold_versions() {
        const auto order = [](const VersionEvent& a, const VersionEvent& b) {
            return a.index != b.index ? a.index < b.index : a.delta < b.delta;
        };
        std::sort(increments_.begin(), increments_.end(), order);
        std::size_t at = 0;
        for (std::size_t i = 0; i < increments_.size();) {
            const Life life = life_of(increments_[i].index, at);
            std::uint32_t sum = 0;
            for (std::size_t previous = increments_.size(); i < increments_.size() && increments_[i].index == life.index; previous = i++) {
                // In one delta an entity may be touched in several tables, and still counts once.
                const bool again = previous != increments_.size() && increments_[previous].delta == increments_[i].delta;
                sum += life.alive && increments_[i].delta >= life.since && !again ? increments_[i].increment : 0;
            }
            if (sum != 0) {
                versions_.push_back({life.index, sum});
            }
        }
    }

    /// Whether the flag `counted` says what the version increments say.
    [[nodiscard]] bool counts_by_itself(const std::vector<TableSum>& sums) const {
        std::vector<std::uint32_t> touched;
        for (const Entity entity : created_) {
            touched.push_back(entity.index());
        }
        for (const TableSum& sum : sums) {
            for (const SumRow& row : sum.rows) {
                touched.push_back(row.index);
            }
        }
        std::sort(touched.begin(), touched.end());
        touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
        return !touched.empty() && std::equal(touched.begin(), touched.end(), versions_.begin(), versions_.end(),
                                              [](std::uint32_t index, const VersionIncrement& version) {
                                                  return version == VersionIncrement{index, 1};
                                              });
    }

    const Schema* schema_;
    ValueChecks checks_;
    Header header_;
    std::uint32_t deltas_ = 0;
    std::optional<std::uint64_t> shard_; // of the entities named so far
    std::uint64_t newest_shard_ = 0;     // of those named last
    std::uint64_t room_ = 0;
    std::uint64_t held_ = 0;
    std::vector<LifeEvent> lives_;
    std::vector<std::vector<RowEvent>> rows_;         // by table
    std::vector<std::vector<ContentEvent>> contents_; // by table
    std::vector<Run> runs_;
    std::vector<VersionEvent> increments_;
    std::vector<Life> ends_; // by ascending index
    std::vector<Entity> created_;
    std::vector<Entity> destroyed_;
    std::vector<VersionIncrement> versions_;
};

/// Appends to `out` one delta that does what `deltas` do one after the other; each must begin where the one before ends.
///
/// An entity created and destroyed leaves only that its generation is spent; a row removed and added again was replaced, that is, changed
/// in all fields; versions are summed. The result is canonical, whatever the deltas were cut into, and keeps the last time, tick and clock,
/// and the origin if all share it. Fails with `Gap`, `Corrupt` (also where deltas contradict each other), `WrongShard` (they name entities
/// of several), `Unsupported`, `OutOfMemory`, or `InvalidArgument` for no delta or too many entities (`merge_expansion_limit`); `out` then
/// holds nothing of use.
///
/// Sections this version does not know are left out. Cost: n log n in the rows; memory for all of them.
[[nodiscard]] inline Result<void> merge(const Schema& schema, std::span<const std::span<const std::byte>> deltas, ByteBuffer& out,
                                        Allocator& allocator) {
    DeltaMerger merger{schema};
    for (std::size_t i = 0; i < deltas.size(); ++i) {
        if (Result<void> added = merger.add(deltas[i]); !added) {
            return std::move(added).error().in("merge: delta " + std::to_string(i));
        }
    }
    if (Result<void> written = merger.write(out, allocator); !written) {
        return std::move(written).error().in("merge");
    }
    return {};
}

} // namespace ecsdb::delta
