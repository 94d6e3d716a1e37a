/// @file
/// The child process: imports the levels, then simulates, with threads that write, read, check and save, until it is killed.
#pragma once

#include "08_demo/herd.hpp"
#include "08_demo/report.hpp"
#include "08_demo/settings.hpp"
#include "level/checks.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <csignal>
#include <sys/prctl.h>
#include <unistd.h>

namespace demo {

/// Says what went wrong and ends the process: the parent notices that it was not the one who ended it.
[[noreturn]] inline void give_up(const ecsdb::Error& error) noexcept {
    std::fprintf(stderr, "simulation: %s\n", error.to_string().c_str());
    ::_exit(1);
}
inline void expect(const ecsdb::Result<void>& result) noexcept {
    if (!result) {
        give_up(result.error());
    }
}
template <typename T>
[[nodiscard]] T expect(ecsdb::Result<T> result) noexcept {
    if (!result) {
        give_up(result.error());
    }
    return std::move(*result);
}

class Simulation {
public:
    Simulation(const Settings& settings, level::World& db, const Reporter& reporter)
        : settings_{&settings}, db_{&db}, reporter_{&reporter} {}

    /// Fills the empty database: one transaction for each map, one for the writers' progress.
    void import() {
        std::uint32_t first_thing = 0;
        std::uint64_t maps = 0;
        for (const level::LevelSource& source : expect(sources_of(*settings_))) {
            const level::Game game = expect(level::read_game(source));
            for (const level::MapData& map : game.maps) {
                expect(level::import_map(*db_, map, game.name, first_thing));
                first_thing += static_cast<std::uint32_t>(map.things.size());
                reporter_->tell(News::MapImported, db_->version(), ++maps);
            }
        }
        level::World::Transaction transaction = db_->begin();
        for (std::uint32_t writer = 0; writer < writers; ++writer) {
            progress_[writer] = transaction.create(level::Progress{writer, 0});
        }
        expect(transaction.commit());
        const auto view = db_->read();
        std::uint64_t rows = 0;
        for (const ecsdb::Table& table : view.schema().tables()) {
            rows += view.count_rows(table.id);
        }
        members_.resize(first_thing);
        view.each<level::Thing, level::Health>([&](ecsdb::Entity entity, const level::Thing& thing, const level::Health& health) {
            members_[thing.number] = {thing.number, thing.number, health, entity};
        });
        health_ = expect(level::total_things(view)).health;
        reporter_->tell(News::ImportDone, view.version(), view.entity_count(), rows);
    }

    /// Never returns.
    [[noreturn]] void run() {
        std::vector<std::jthread> threads;
        reporter_->tell(News::Started, db_->version());
        const std::uint64_t committed_before = db_->statistics().committed;
        const auto started = std::chrono::steady_clock::now();
        threads.emplace_back([this] { move_things(); });
        threads.emplace_back([this] { save(); });
        threads.emplace_back([this] { acknowledge(); });
        for (std::uint32_t writer = 0; writer < writers; ++writer) {
            threads.emplace_back([this, writer] { do_deeds(Herd{writer, writers, members_}); });
        }
        for (std::uint32_t reader = 0; reader < readers; ++reader) {
            threads.emplace_back([this, reader] { read_and_check(reader); });
        }
        for (;;) {
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
            const auto passed = std::chrono::steady_clock::now() - started;
            reporter_->tell(News::Counted, static_cast<std::uint64_t>(std::chrono::nanoseconds{passed}.count()),
                            db_->statistics().committed - committed_before, rows_read_.load(std::memory_order_relaxed));
        }
    }

private:
    /// Has what is visible made to survive, and lets the parent count on it.
    [[noreturn]] void acknowledge() {
        for (;;) {
            const std::uint64_t version = db_->version();
            expect(db_->flush(ecsdb::Durability::Logged));
            reporter_->tell(News::Acknowledged, version);
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
    }

    /// A hundred steps a second: all things move, in one transaction.
    [[noreturn]] void move_things() {
        auto next = std::chrono::steady_clock::now();
        for (;;) {
            expect(db_->update<level::Position, level::Velocity>(move_thing));
            next += std::chrono::milliseconds{10};
            std::this_thread::sleep_until(next);
        }
    }

    /// One writer's deeds, as fast as they go: while one lot is on its way, the next is handed in.
    [[noreturn]] void do_deeds(Herd herd) {
        constexpr std::size_t lot = 1024;
        std::vector<ecsdb::Ticket> before;
        std::vector<ecsdb::Ticket> tickets;
        for (;;) {
            while (tickets.size() < lot) {
                const Deed deed = herd.next();
                const level::Progress progress{herd.writer(), herd.deeds()};
                if (deed.kind == Deed::Kind::Birth) {
                    herd.born(bear(deed, progress));
                } else {
                    tickets.push_back(submit(deed, progress));
                }
            }
            for (ecsdb::Ticket& ticket : before) {
                expect(ticket.wait());
            }
            before = std::exchange(tickets, {});
        }
    }

    ecsdb::Ticket submit(const Deed& deed, const level::Progress& progress) {
        level::World::Transaction transaction = db_->begin();
        if (deed.kind == Deed::Kind::Death) {
            transaction.destroy(deed.giver.entity);
        } else {
            transaction.update(deed.giver.entity, deed.giver.health);
        }
        transaction.update(deed.taker.entity, deed.taker.health);
        transaction.update(progress_[progress.writer], progress);
        return transaction.submit();
    }

    /// The new thing starts where its parent is at that very moment: only a function on the writer can know.
    ecsdb::Entity bear(const Deed& deed, const level::Progress& progress) {
        return expect(db_->execute([&](level::World::WriteState& state) -> ecsdb::Result<ecsdb::Entity> {
            const ecsdb::Entity parent = deed.giver.entity;
            level::Thing thing = *state.get<level::Thing>(parent);
            thing.number = deed.taker.number;
            const level::Position position = *state.get<level::Position>(parent);
            const level::Velocity velocity = *state.get<level::Velocity>(parent);
            auto young = state.create(thing, position, velocity, deed.taker.health);
            if (!young) {
                return young;
            }
            if (auto updated = state.update(parent, deed.giver.health); !updated) {
                return std::move(updated).error();
            }
            if (auto updated = state.update(progress_[progress.writer], progress); !updated) {
                return std::move(updated).error();
            }
            return young;
        }));
    }

    /// Hashes a version, then saves the newest, over and over.
    [[noreturn]] void save() {
        for (;;) {
            {
                const auto view = db_->read();
                const std::uint64_t hash = view.hash();
                expect(db_->flush(ecsdb::Durability::Logged));
                reporter_->tell(News::Hashed, view.version(), hash);
            }
            reporter_->tell(News::SnapshotBegun, db_->version());
            expect(db_->snapshot());
            reporter_->tell(News::SnapshotDone, db_->version());
            std::this_thread::sleep_for(std::chrono::milliseconds{settings_->quick ? 50 : 500});
        }
    }

    /// Rows here and there; every now and then everything.
    [[noreturn]] void read_and_check(std::uint32_t reader) {
        constexpr std::uint64_t rows_per_view = 1000;
        std::uint64_t last_version = 0;
        std::size_t next = reader * 7919U;
        for (std::uint64_t round = 1;; ++round) {
            const auto view = db_->read();
            if (view.version() < last_version) {
                contradiction(view, "an older version than the one before");
            }
            last_version = view.version();
            std::uint32_t step = 0;
            for (std::uint64_t i = 0; i < rows_per_view; ++i) {
                next = (next + 7919U) % members_.size();
                check_thing(view, members_[next].entity, step);
            }
            std::uint64_t rows = rows_per_view * 3;
            if (round % 64 == 0) {
                const level::ThingTotals totals = expect(level::total_things(view));
                if (totals.health != health_) {
                    contradiction(view, "the sum of all health has changed");
                }
                rows += totals.things * 4;
            }
            if (round % 512 == reader * 128U) {
                rows += expect(level::check_foreign_keys(view));
            }
            rows_read_.fetch_add(rows, std::memory_order_relaxed);
            std::this_thread::yield(); // there are more threads than processors: let each have its turn
        }
    }

    /// `step` is that of the things of this view seen before, 0 when there were none.
    static void check_thing(const level::World::View& view, ecsdb::Entity entity, std::uint32_t& step) {
        const auto [thing, position, health] = view.get<level::Thing, level::Position, level::Health>(entity);
        if (thing == nullptr && position == nullptr && health == nullptr) {
            return; // died
        }
        if (thing == nullptr || position == nullptr || health == nullptr || health->hp > health->max_hp) {
            contradiction(view, "half a thing");
        }
        if (!view.has<level::Map>(thing->map)) {
            contradiction(view, "a thing on a map that is none");
        }
        if (step != 0 && position->step != step) {
            contradiction(view, "things at different steps");
        }
        step = position->step;
    }

    [[noreturn]] static void contradiction(const level::World::View& view, const char* what) {
        give_up({ecsdb::ErrorCode::ConstraintViolation, "version " + std::to_string(view.version()) + " shows " + what});
    }

    const Settings* settings_;
    level::World* db_;
    const Reporter* reporter_;
    std::array<ecsdb::Entity, writers> progress_;
    std::vector<Member> members_; ///< As imported.
    std::uint64_t health_ = 0;
    std::atomic<std::uint64_t> rows_read_{0};
};

/// The child process from beginning to its violent end.
[[noreturn]] inline void run_simulation(const Settings& settings, int pipe) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Reporter reporter{pipe};
    level::World db = expect(open_world(settings, ecsdb::OpenMode::ReadWrite));
    Simulation simulation{settings, db, reporter};
    simulation.import();
    simulation.run();
}

} // namespace demo
