/// @file
/// A history in which every version is known beforehand: what transaction v does follows from a seed and v alone.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/database.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test {

/// Which slot of the model an entity stands for, and a value that single-row transactions write.
struct Cell {
    std::uint32_t slot = 0;
    std::uint32_t value = 0;
};
/// What column updates move, all of them at once.
struct Walker {
    std::int32_t at = 0;
    std::int32_t step = 0;
    std::uint32_t tick = 0;
};
/// Comes and goes, and takes the entity to another archetype.
struct Mark {
    std::uint32_t since = 0;
};
/// Comes and goes, kept apart.
struct Burning {
    std::uint32_t heat = 0;
};

ECSDB_COMPONENT(Cell, slot, value);
ECSDB_COMPONENT(Walker, at, step, tick);
ECSDB_COMPONENT(Mark, since);
ECSDB_COMPONENT(Burning, heat);

} // namespace ecsdb::test

template <>
struct ecsdb::ComponentOptions<ecsdb::test::Burning> {
    static constexpr Storage storage = Storage::Sparse;
};

namespace ecsdb::test {

using StepDatabase = Database<Cell, Walker, Mark, Burning>;

/// The state at one version, in plain memory, and the transaction that leads to the next.
class NumberedSteps {
public:
    static constexpr std::uint32_t slots = 1500;
    static constexpr std::uint64_t steps_per_column_update = 48;

    explicit NumberedSteps(std::uint64_t seed) : seed_{seed} {}

    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

    /// Goes on to `version` without a database; entities stay unknown.
    void advance_to(std::uint64_t version) {
        while (version_ < version) {
            take_step();
        }
    }

    /// What differs between the model and what a view shows; empty when nothing does. Learns the entities.
    [[nodiscard]] std::string compare_with(const StepDatabase::View& view) {
        if (view.version() != version_) {
            return "the view is at version " + std::to_string(view.version()) + ", the model at " + std::to_string(version_);
        }
        std::string problem;
        std::uint32_t seen = 0;
        view.each<Cell, Walker>([&](Entity entity, const Cell& cell, const Walker& walker) {
            if (cell.slot >= rows_.size() || (seen_.at(cell.slot) && problem.empty())) {
                problem = "slot " + std::to_string(cell.slot) + " is there twice, or never was";
                return;
            }
            ++seen;
            seen_[cell.slot] = true;
            Row& row = rows_[cell.slot];
            row.entity = entity;
            const Mark* const mark = view.get<Mark>(entity);
            const Burning* const burning = view.get<Burning>(entity);
            const bool same = cell.value == row.value && walker.at == row.at && walker.step == row.step && walker.tick == tick_ &&
                              (mark == nullptr ? 0 : mark->since) == row.mark && (burning == nullptr ? 0 : burning->heat) == row.heat;
            if (!same && problem.empty()) {
                problem = "slot " + std::to_string(cell.slot) + ": value " + std::to_string(cell.value) + " for " +
                          std::to_string(row.value) + ", tick " + std::to_string(walker.tick) + " for " + std::to_string(tick_) + ", at " +
                          std::to_string(walker.at) + " for " + std::to_string(row.at);
            }
        });
        seen_.assign(rows_.size(), false);
        const std::uint64_t expected = rows_.size();
        if (problem.empty() && (seen != expected || view.entity_count() != expected)) {
            problem =
                std::to_string(seen) + " slots and " + std::to_string(view.entity_count()) + " entities for " + std::to_string(expected);
        }
        return problem;
    }

    /// Submits the next transaction; its ticket, if it is not over already, goes to `pending`. Entities must be known: from
    /// `compare_with`, or from having submitted everything.
    Result<void> submit_next(StepDatabase& db, std::vector<Ticket>& pending) {
        const Step step = take_step();
        const Row& row = rows_[step.slot];
        StepDatabase::Transaction transaction = db.begin();
        switch (step.kind) {
        case Kind::MoveAll:
            return db.update<Walker>([](Walker& walker) { move(walker); });
        case Kind::Populate:
            for (std::uint32_t slot = 0; slot < slots; ++slot) {
                create(transaction, slot);
            }
            pending.push_back(transaction.submit());
            return {};
        case Kind::Replace:
            transaction.destroy(row.entity);
            create(transaction, step.slot);
            pending.push_back(transaction.submit());
            return {};
        case Kind::Mark:
            pending.push_back(row.mark == 0 ? db.remove<Mark>(row.entity) : db.insert(row.entity, Mark{row.mark}));
            return {};
        case Kind::Burn:
            pending.push_back(row.heat == 0 ? db.remove<Burning>(row.entity) : db.insert(row.entity, Burning{row.heat}));
            return {};
        case Kind::Write:
            pending.push_back(db.update(row.entity, Cell{step.slot, row.value}));
            return {};
        }
        return {};
    }

    /// Submits `count` steps one behind the other and waits until all are visible.
    Result<void> run(StepDatabase& db, std::uint64_t count) {
        std::vector<Ticket> pending;
        for (std::uint64_t i = 0; i < count; ++i) {
            if (auto submitted = submit_next(db, pending); !submitted) {
                return std::move(submitted).error().in("step " + std::to_string(version_));
            }
        }
        for (Ticket& ticket : pending) {
            if (auto done = ticket.wait(); !done) {
                return std::move(done).error().in("a step up to " + std::to_string(version_));
            }
        }
        if (db.version() != version_) {
            return Error{ErrorCode::Conflict,
                         "the database is at version " + std::to_string(db.version()) + " after step " + std::to_string(version_)};
        }
        return {};
    }

private:
    enum class Kind : std::uint8_t { Populate, MoveAll, Write, Mark, Burn, Replace };

    struct Step {
        Kind kind;
        std::uint32_t slot;
    };
    struct Row {
        Entity entity;
        std::uint32_t value = 0;
        std::int32_t at = 0;
        std::int32_t step = 0;
        std::uint32_t mark = 0; ///< 0: none.
        std::uint32_t heat = 0; ///< 0: none.
    };

    static void move(Walker& walker) noexcept {
        walker.at += walker.step;
        ++walker.tick;
    }

    [[nodiscard]] std::uint32_t dice(std::uint64_t salt, std::uint32_t below) const noexcept {
        return static_cast<std::uint32_t>(mix64(seed_ ^ mix64(version_ * 8 + salt)) % below);
    }

    void create(StepDatabase::Transaction& transaction, std::uint32_t slot) {
        Row& row = rows_[slot];
        row.entity = transaction.create(Cell{slot, row.value}, Walker{row.at, row.step, tick_});
    }

    Step take_step() {
        ++version_;
        const auto number = static_cast<std::uint32_t>(version_);
        if (version_ == 1) {
            rows_.resize(slots);
            seen_.assign(slots, false);
            for (std::uint32_t slot = 0; slot < slots; ++slot) {
                rows_[slot].step = static_cast<std::int32_t>(mix64(seed_ + slot) % 100);
            }
            return {Kind::Populate, 0};
        }
        if (version_ % steps_per_column_update == 0) {
            ++tick_;
            for (Row& row : rows_) {
                row.at += row.step;
            }
            return {Kind::MoveAll, 0};
        }
        const std::uint32_t slot = dice(0, slots);
        Row& row = rows_[slot];
        switch (dice(1, 8)) {
        case 0:
            row.mark = row.mark == 0 ? number : 0;
            return {Kind::Mark, slot};
        case 1:
            row.heat = row.heat == 0 ? number : 0;
            return {Kind::Burn, slot};
        case 2:
            row.value = number;
            row.mark = 0;
            row.heat = 0;
            return {Kind::Replace, slot};
        default:
            row.value = number;
            return {Kind::Write, slot};
        }
    }

    std::uint64_t seed_;
    std::uint64_t version_ = 0;
    std::uint32_t tick_ = 0;
    std::vector<Row> rows_;
    std::vector<bool> seen_;
};

/// How both sides open the database: a log of many small segments.
[[nodiscard]] inline Options step_options(std::string directory, bool synced) {
    Options options;
    options.directory = std::move(directory);
    options.durability = synced ? Durability::Synced : Durability::Logged;
    options.segment_bytes = std::size_t{24} << 10U;
    return options;
}

} // namespace ecsdb::test
