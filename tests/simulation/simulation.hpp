/// @file
/// A whole database in one thread, on a simulated disk and clock, under every fault there is: what a seed does it does again.
#pragma once

#include "ecsdb/core/checksum.hpp"
#include "ecsdb/io/fault_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/recovery/restore.hpp"
#include "ecsdb/saves.hpp"
#include "simulation/oracle.hpp"
#include "simulation/program.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::simulation {

/// How often what happened. A simulation that never meets something proves nothing about it.
enum class Event : std::uint8_t {
    Lives,
    Transactions,
    Violations,
    ColumnUpdates,
    Snapshots,
    IncrementalSnapshots,
    CompressedSnapshots,
    AutomaticSnapshots,
    FailedSnapshots,
    Compactions,
    Restores,
    ReplicaLives,
    AppliedDeltas,
    ArchivesProven,
    ArchiveGaps,
    RestoredFromArchive,
    InDoubt,
    Refused,
    Resumed,
    FailedResumes,
    FailedOpens,
    PowerCuts,
    Kills,
    CleanCloses,
    CrashedOpenings,
    AdoptedDoubts,
    LostUnsynced,
    TornTails,
    FullDisks,
    DroppedPages,
    Lies,
    LiesRefused,
    Misdirected,
    Stalls,
    ClockJumps,
    Damaged,
    DamageRefused,
    DamageSurvived,
};
inline constexpr std::array<const char*, 38> event_names{
    "lives",
    "transactions",
    "violations",
    "column updates",
    "snapshots",
    "incremental ones",
    "compressed ones",
    "automatic ones",
    "failed snapshots",
    "compactions",
    "restores",
    "replica lives",
    "applied deltas",
    "archives proven",
    "archives with gaps",
    "versions restored from them",
    "in doubt",
    "refused",
    "resumed",
    "failed resumes",
    "failed opens",
    "power cuts",
    "kills",
    "clean closes",
    "crashed openings",
    "adopted doubts",
    "lost unsynced",
    "torn tails",
    "full disks",
    "dropped pages",
    "lies",
    "lies refused",
    "misdirected",
    "stalls",
    "clock jumps",
    "damaged",
    "damage refused",
    "damage survived",
};

class Met {
public:
    void count(Event event) noexcept { ++counts_[static_cast<std::size_t>(event)]; }
    [[nodiscard]] std::uint64_t operator[](Event event) const noexcept { return counts_[static_cast<std::size_t>(event)]; }
    Met& operator+=(const Met& other) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            counts_[i] += other.counts_[i];
        }
        return *this;
    }
    /// The events that were never met.
    [[nodiscard]] std::string missed() const {
        std::string names;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            names += counts_[i] == 0 ? std::string{names.empty() ? "" : ", "} + event_names[i] : "";
        }
        return names;
    }
    [[nodiscard]] std::string to_string() const {
        std::string text;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            text += (i == 0 ? "" : ", ") + std::to_string(counts_[i]) + " " + event_names[i];
        }
        return text;
    }

private:
    std::array<std::uint64_t, event_names.size()> counts_{};
};

/// Lives of one database, one after the other: each opens what the crash of the last one left, writes, suffers, and ends in a crash after
/// any of its changes to the disk, or in good order.
class Simulation {
public:
    explicit Simulation(std::uint64_t seed)
        : program_{seed}, archives_{program_.one_in(2)}, disk_{std::make_unique<SimulatedFileSystem>()}, oracle_{0, State{}} {
        saved_[0] = std::make_shared<const State>();
    }

    /// One life. Empty, or what is wrong.
    [[nodiscard]] std::string live() {
        met_.count(Event::Lives);
        disk_->record_history();
        {
            FaultFileSystem files{*disk_};
            files_ = &files;
            files.set_hook(&Simulation::stall, this);
            Options options = choose_options();
            auto world = open(options);
            if (!world) {
                return wrong_;
            }
            if (one_in(5)) {
                met_.count(Event::CrashedOpenings); // its end is drawn from the changes of opening
            } else if (one_in(8)) {
                follow(*world);
            } else {
                for (std::uint64_t left = below(50); left != 0 && wrong_.empty() && !dies_in_doubt_; --left) {
                    step(*world);
                    after_step(*world);
                }
                if (wrong_.empty() && !dies_in_doubt_ && one_in(4)) {
                    close(*world);
                }
            }
            last_change_ = disk_->changes();
        }
        files_ = nullptr;
        if (wrong_.empty()) {
            crash();
        }
        return wrong_;
    }

    /// How thoroughly `crash_everywhere` looks, and how much it saw.
    struct Images {
        std::size_t each = 1;   ///< Crashes per change to the disk; 0: one after every other.
        std::size_t steps = 20; ///< Of the life.
        std::size_t changes = 0, opened = 0, opened_again = 0, repeated = 0;
    };

    /// One life without any fault, then a crash after each of its changes to the disk, with different parts of what was not synced. Of what
    /// a crash left: it is as it must be, the same when opened again and when a second crash ends the opening, and goes on from there. The
    /// last call for this object.
    [[nodiscard]] std::string crash_everywhere(Images& images) {
        disk_->record_history();
        {
            FaultFileSystem files{*disk_};
            files_ = &files;
            suffers_ = false;
            auto world = World::open(choose_options());
            if (!world || !check_recovered(*world, false)) {
                return world ? wrong_ : world.error().to_string();
            }
            for (std::size_t left = images.steps; left != 0 && wrong_.empty(); --left) {
                step(*world);
                after_step(*world);
            }
            close(*world);
        }
        images.changes += disk_->changes();
        for (std::size_t change = 0; change <= disk_->changes() && wrong_.empty(); ++change) {
            for (std::size_t i = images.each == 0 ? change % 2 : 0; i < std::max<std::size_t>(images.each, 1) && wrong_.empty(); ++i) {
                CrashPlan plan = random_plan();
                if (i < 3 && images.each > 3) {
                    plan.keep = i == 0 ? KeepPending::None : i == 1 ? KeepPending::All : KeepPending::Cached;
                }
                check_image(*disk_->after_crash_at(change, plan), change, plan, images);
            }
        }
        return wrong_;
    }

    [[nodiscard]] const Met& met() const noexcept { return met_; }
    /// Follows from everything that happened: the same seed, the same number.
    [[nodiscard]] std::uint64_t trace() const noexcept { return trace_; }

private:
    struct Submitted {
        Ticket ticket;
        State after;
        std::uint64_t version;
        std::uint64_t attempt; ///< The oracle's name for it; 0 where it must fail.
        bool stands;           ///< Whether the model expects it to.
    };

    std::uint64_t below(std::uint64_t end) { return program_.below(end); }
    bool one_in(std::uint64_t n) { return program_.one_in(n); }
    void note(std::uint64_t what) noexcept { trace_ = mix64(trace_ ^ what) + 1; }
    void fail(std::string what) {
        if (wrong_.empty()) {
            wrong_ = std::move(what);
        }
    }
    void expect(bool holds, const char* what) {
        if (!holds) {
            fail(what);
        }
    }

    // Opening ---------------------------------------------------------------------------------------------------------------------------

    Options choose_options() {
        Options options;
        options.directory = "world";
        options.durability = one_in(2) ? Durability::Synced : Durability::Logged;
        options.file_system = files_;
        options.clock = &clock_;
        options.own_thread = false;
        options.segment_bytes = (std::size_t{8} + below(24)) << 10U;
        options.batch_transactions = 1 + below(8);
        options.first_block_bytes = 64 << 10;
        options.incremental_snapshots = static_cast<std::uint32_t>(below(4));
        options.incremental_percent = 1000; // a small world changes as a whole
        options.compress_snapshots = one_in(2);
        options.snapshot_transactions = one_in(2) ? 0 : 3 + below(30);
        if (archives_) {
            options.archive_directory = archive_directory();
        }
        compresses_ = options.compress_snapshots;
        synced_ = options.durability == Durability::Synced;
        return options;
    }

    /// Opens what is there, at the second try if the first one met a fault.
    std::optional<World> open(const Options& options) {
        if (one_in(4)) {
            inject_fault();
        }
        auto opened = World::open(options);
        if (!opened && files_->failures() != 0) {
            met_.count(Event::FailedOpens);
            note(static_cast<std::uint64_t>(opened.error().code()));
            files_->clear_faults();
            opened = World::open(options);
        }
        files_->clear_faults();
        if (!opened) {
            if (tainted_ && opened.error().code() == ErrorCode::Corrupt) {
                // The disk had lied, and that was found out. Only another database can go on from here.
                met_.count(Event::LiesRefused);
                note(17);
                start_anew();
                Options anew = options;
                anew.archive_directory = archives_ ? archive_directory() : "";
                return open_new(anew);
            }
            fail("opening failed: " + opened.error().to_string());
            return std::nullopt;
        }
        if (!check_recovered(*opened, tainted_)) {
            return std::nullopt;
        }
        // What a lying disk has not written lies in the page cache until that is lost.
        honest_ = !tainted_ || !cache_kept_;
        tainted_ = false;
        return std::move(*opened);
    }
    std::optional<World> open_new(const Options& options) {
        auto opened = World::open(options);
        if (!opened) {
            fail("creating failed: " + opened.error().to_string());
            return std::nullopt;
        }
        return check_recovered(*opened, false) ? std::optional<World>{std::move(*opened)} : std::nullopt;
    }
    /// Empties the disk.
    void start_anew() {
        for (const std::string directory : {"world/log", "world", "."}) {
            if (const auto names = disk_->list(directory)) {
                for (const std::string& name : *names) {
                    static_cast<void>(disk_->remove(directory + "/" + name));
                }
                static_cast<void>(disk_->sync_directory(directory));
            }
        }
        disk_->record_history();
        tainted_ = false;
        ++archive_;
        archive_is_late_ = false;
        oracle_.restart(0, State{});
        history_.clear();
        saved_.clear();
        saved_[0] = std::make_shared<const State>();
    }

    /// Holds a world that has just been opened against what it may be, and takes it for what it is.
    bool check_recovered(World& world, bool tainted) {
        const RecoveryReport& report = world.recovery_report();
        const std::uint64_t version = world.version();
        note(version);
        if (report.unsynced_lost_to != 0) {
            met_.count(Event::LostUnsynced);
        }
        if (report.torn_tail_bytes != 0) {
            met_.count(Event::TornTails);
        }
        if (version > visible_before_ && !tainted) {
            met_.count(Event::AdoptedDoubts);
        }
        if (std::string wrong = tainted ? std::string{} : oracle_.judge(Crash::Power, 0, version); !wrong.empty()) {
            fail(std::move(wrong));
            return false;
        }
        const auto attempts = oracle_.ever_at(0, version);
        if (attempts.empty()) {
            fail("version " + std::to_string(version) + " was found, which nobody had attempted");
            return false;
        }
        const State found = state_of(world.read());
        State state = expected(*attempts.front(), report.snapshot_version, found);
        if (std::string differs = difference(found, state); !differs.empty()) {
            const auto other = std::find_if(attempts.begin(), attempts.end(), [&](const auto& attempt) {
                return difference(found, expected(*attempt, report.snapshot_version, found)).empty();
            });
            if (other == attempts.end()) {
                fail("after recovery to version " + std::to_string(version) + ": " + differs);
                return false;
            }
            state = expected(**other, report.snapshot_version, found);
        }
        expect(report.version == version, "the report names another version");
        note(world.read().hash());
        for (auto& [known, attempt] : oracle_.left_below(version)) {
            history_[known] = attempt;
        }
        history_.erase(history_.upper_bound(version), history_.end());
        reach(version, state);
        opened_at_ = disk_->changes();
        oracle_.accept(opened_at_, version, std::move(state));
        return wrong_.empty();
    }
    State expected(const State& state, std::uint64_t snapshot, const State& found) {
        const auto saved = saved_.find(snapshot);
        expect(saved != saved_.end(), "a snapshot was loaded that nobody took");
        return recovered(state, snapshot, saved == saved_.end() ? State{} : *saved->second, found);
    }

    // Living ----------------------------------------------------------------------------------------------------------------------------

    /// `version` is visible, with that state.
    void reach(std::uint64_t version, State state) {
        version_ = version;
        state_ = std::move(state);
        history_[version_] = std::make_shared<const State>(state_);
    }

    void step(World& world) {
        clock_.advance(below(1'000'000));
        const std::uint64_t choice = below(100);
        note(choice);
        if (choice < 42) {
            commands(world);
        } else if (choice < 44) {
            const auto compacted = world.compact();
            expect(compacted || excused(world), "compacting failed without a reason");
            met_.count(Event::Compactions);
        } else if (choice < 47) {
            restore(world);
        } else if (choice < 50) {
            if (archives_) {
                const Result<void> archived = archive_now(world.engine());
                // A lying disk may have lost what only an archive begun after it would still need.
                const bool lost = archive_is_late_ && !archived && archived.error().code() == ErrorCode::Corrupt;
                if (!archived && !excused(world) && honest_ && !lost) {
                    fail("archiving failed: " + archived.error().to_string());
                }
            }
        } else if (choice < 60) {
            function(world);
        } else if (choice < 67) {
            column_update(world);
        } else if (choice < 74) {
            const Result<void> flushed = world.flush(Durability::Synced);
            expect(flushed || excused(world), "a flush failed without a reason");
        } else if (choice < 81) {
            snapshot(world);
        } else if (choice < 92) {
            if (suffers_ && !one_in(3)) {
                suffer();
            }
        } else if (choice < 94) {
            clock_.set_wall(clock_.wall_ns() + 1'000'000'000 - below(2'000'000'000));
            met_.count(Event::ClockJumps);
        } else {
            recover_from_failure(world);
        }
        snapshot_if_due(world);
        if (!world.log_state().writes && one_in(3)) {
            recover_from_failure(world);
        }
    }

    /// What must hold after anything.
    void after_step(World& world) {
        expect(world.version() == version_, "another version is visible than the last that was committed");
        const LogState log = world.log_state();
        if (honest_) {
            oracle_.confirm(Crash::Power, disk_->changes(), log.durable_version);
            oracle_.confirm(Crash::Process, disk_->changes(), version_);
            expect(log.durable_version <= version_ || !log.writes, "more is durable than is visible");
            expect(!synced_ || log.durable_version >= version_, "something is visible that is not durable");
        }
        if (one_in(6)) {
            if (const std::string differs = difference(state_of(world.read()), state_); !differs.empty()) {
                fail("while running: " + differs);
            }
        }
        note(log.durable_version);
        note(disk_->changes());
    }

    /// Whether a failure may have been the disk's.
    bool excused(World& world) { return !world.log_state().writes || files_->failures() != failures_seen_ || failing_; }

    void commands(World& world) {
        std::vector<Submitted> submitted;
        State state = state_;
        std::uint64_t version = version_;
        for (std::uint64_t left = 1 + below(one_in(3) ? 6 : 1); left != 0; --left) {
            State after = state;
            auto tx = world.begin();
            const bool stands = program_.fill(tx, after, 6);
            std::uint64_t attempt = 0;
            if (stands) {
                attempt = oracle_.attempt(disk_->changes(), ++version, after);
                state = after;
            }
            submitted.push_back({tx.submit(), std::move(after), version, attempt, stands});
        }
        while (world.step() && one_in(2)) {
        }
        bool failed = false;
        for (Submitted& each : submitted) {
            met_.count(Event::Transactions);
            settle(world, each.ticket.wait(), each, failed);
        }
    }
    /// A transaction's outcome, in the order of their submission. Once one has failed for the disk, all do.
    void settle(World& world, const Result<void>& outcome, Submitted& submitted, bool& failed) {
        note(outcome ? 0 : static_cast<std::uint64_t>(outcome.error().code()));
        if (outcome) {
            expect(submitted.stands, "a transaction was committed although it violates a constraint");
            expect(!failed, "a transaction was committed behind one that the disk had failed");
            reach(submitted.version, std::move(submitted.after));
            return;
        }
        const ErrorCode code = outcome.error().code();
        if (!submitted.stands && code == ErrorCode::ConstraintViolation) {
            met_.count(Event::Violations);
            return;
        }
        // What was built on one that failed may make no sense without it.
        if ((code == ErrorCode::ConstraintViolation && !failed) || !excused(world)) {
            fail("a transaction failed: " + outcome.error().to_string());
        }
        failed = true;
        if (code == ErrorCode::OutcomeUnknown) {
            met_.count(Event::InDoubt);
            dies_in_doubt_ = dies_in_doubt_ || one_in(4); // or else `resume` would decide it
        } else {
            met_.count(Event::Refused);
            oracle_.refuse(submitted.attempt);
        }
    }

    void function(World& world) {
        State after = state_;
        bool stands = true;
        std::uint64_t attempt = 0;
        const std::size_t moment = disk_->changes();
        const bool gives_up = one_in(6);
        // It is known what it does only when it has run: until then nothing of it is on its way to the disk.
        const auto outcome = world.execute([&](World::WriteState& state) -> Result<void> {
            InFunction tx{state};
            stands = program_.fill(tx, after, 6);
            if (Result<void> done = tx.done(); !done) {
                return done;
            }
            if (gives_up) {
                return Error{ErrorCode::Aborted, "changed its mind"};
            }
            if (stands) {
                attempt = oracle_.attempt(moment, version_ + 1, after);
            }
            return {};
        });
        met_.count(Event::Transactions);
        if (gives_up) {
            expect(!outcome, "a function that gave up was committed");
            return;
        }
        Submitted submitted{{}, std::move(after), version_ + 1, attempt, stands};
        bool failed = false;
        settle(world, outcome, submitted, failed);
    }

    void column_update(World& world) {
        State after = state_;
        const bool any = Program::turn(after);
        const std::uint64_t attempt = oracle_.attempt(disk_->changes(), version_ + 1, after);
        const auto outcome = world.update<Spot>([](Spot& spot) { Program::turn(spot); });
        met_.count(Event::ColumnUpdates);
        if (outcome && !any && world.version() == version_) {
            oracle_.refuse(attempt);
            return;
        }
        Submitted submitted{{}, std::move(after), version_ + 1, attempt, true};
        bool failed = false;
        settle(world, outcome, submitted, failed);
    }

    /// Saves the state, or goes back to what was saved.
    void restore(World& world) {
        if (!kept_ || one_in(2)) {
            kept_.emplace(state_);
            const auto saved = world.snapshot(kept_->bytes);
            expect(saved && *saved == version_, "saving to bytes failed, or is of another version");
            return;
        }
        State after = kept_->state;
        for (auto& [bits, thing] : after) {
            const auto now = state_.find(bits);
            thing.unlogged = std::max(thing.unlogged, now == state_.end() ? 0 : now->second.unlogged);
            thing.whole_at = version_ + 1;
        }
        const std::uint64_t attempt = oracle_.attempt(disk_->changes(), version_ + 1, after);
        Submitted submitted{{}, std::move(after), version_ + 1, attempt, true};
        bool failed = false;
        settle(world, world.restore(kept_->bytes.view()), submitted, failed);
        met_.count(Event::Restores);
    }

    /// A life as the replica of another database, which goes on from a copy of this one's files. All that happens there comes as deltas, of
    /// several versions each. They come from a log, too: so nothing changes there that a log says nothing of.
    void follow(World& world) {
        met_.count(Event::ReplicaLives);
        const auto elsewhere = disk_->after_crash({.keep = KeepPending::Cached});
        Options options;
        options.directory = "world";
        options.durability = Durability::Logged;
        options.file_system = elsewhere.get();
        options.clock = &clock_;
        options.own_thread = false;
        auto leader = World::open(options);
        if (!leader || leader->version() != version_) {
            return fail("a copy opens otherwise: " + (leader ? std::to_string(leader->version()) : leader.error().to_string()));
        }
        State theirs = state_of(leader->read());
        if (const std::string differs = difference(theirs, state_); !differs.empty()) {
            return fail("a copy opens otherwise: " + differs);
        }
        theirs = state_;
        program_.set_poses(false);
        World::View both = leader->read();
        for (std::uint64_t left = below(12); left != 0 && wrong_.empty() && !dies_in_doubt_; --left) {
            clock_.advance(below(1'000'000));
            lead(*leader, theirs);
            apply_delta(world, *leader, both, theirs);
            if (version_ == leader->version()) {
                both = leader->read();
            }
            snapshot_if_due(world);
            if (suffers_ && one_in(3)) {
                suffer();
            }
            if (!world.log_state().writes && one_in(2)) {
                recover_from_failure(world);
            }
            after_step(world);
        }
        program_.set_poses(true);
    }
    /// Some transactions of the leader.
    void lead(World& leader, State& theirs) {
        for (std::uint64_t left = 1 + below(4); left != 0; --left) {
            State after = theirs;
            auto tx = leader.begin();
            const bool stands = program_.fill(tx, after, 6);
            const Result<void> committed = tx.commit();
            expect(committed.has_value() == stands, "a leader's transaction ended otherwise than it had to");
            if (committed) {
                theirs = std::move(after);
            }
        }
    }
    /// Brings the replica from `both`, the version it is at, to the leader's newest.
    void apply_delta(World& world, World& leader, const World::View& both, const State& theirs) {
        SystemAllocator memory;
        ByteBuffer delta{memory};
        const auto saved = one_in(2) ? leader.save_delta(version_, delta) : leader.save_delta(both, delta);
        if (!saved || saved->from != version_ || saved->to != leader.version()) {
            return fail("a delta could not be saved: " + (saved ? "it is another step" : saved.error().to_string()));
        }
        if (saved->from == saved->to) {
            return;
        }
        State after = theirs;
        for (auto& [bits, thing] : after) {
            thing.whole_at = saved->to;
            // A difference does not tell of a change that left everything as it was; and what the log here had not told of before, it
            // does not tell now.
            if (const auto now = state_.find(bits); now != state_.end()) {
                thing.unlogged = thing.count - std::min(thing.count, now->second.count - std::min(now->second.count, now->second.unlogged));
            }
        }
        const std::uint64_t attempt = oracle_.attempt(disk_->changes(), saved->to, after);
        const Result<bool> applied = world.apply_delta(delta.view());
        expect(!applied || *applied, "a delta was taken for one that had been applied");
        if (applied) {
            const State found = state_of(world.read());
            after = recovered(std::move(after), version_, state_, found); // counts as far as the log there had told
        }
        Submitted submitted{{}, std::move(after), saved->to, attempt, true};
        bool failed = false;
        settle(world, applied ? Result<void>{} : Result<void>{applied.error().clone()}, submitted, failed);
        met_.count(Event::AppliedDeltas);
    }

    void snapshot_if_due(World& world) {
        const auto before = saved_[version_];
        saved_[version_] = std::make_shared<const State>(state_);
        const Result<bool> taken = world.snapshot_if_due();
        note(taken ? *taken : static_cast<std::uint64_t>(taken.error().code()));
        if (taken && !*taken) {
            saved_[version_] = before;
            if (before == nullptr) {
                saved_.erase(version_);
            }
            return;
        }
        count_snapshot(world, taken.has_value());
        met_.count(Event::AutomaticSnapshots);
        if (!taken && !excused(world)) {
            fail("an automatic snapshot failed: " + taken.error().to_string());
        }
    }
    void count_snapshot(const World& world, bool saved) {
        met_.count(saved ? Event::Snapshots : Event::FailedSnapshots);
        if (saved && world.snapshot_state().builds_on != 0) {
            met_.count(Event::IncrementalSnapshots);
        }
        if (saved && compresses_) {
            met_.count(Event::CompressedSnapshots);
        }
    }

    void snapshot(World& world) {
        saved_[version_] = std::make_shared<const State>(state_);
        const Result<void> saved = world.snapshot();
        note(saved ? 0 : static_cast<std::uint64_t>(saved.error().code()));
        count_snapshot(world, saved.has_value());
        if (!saved && !excused(world)) {
            fail("a snapshot failed: " + saved.error().to_string());
        }
    }

    void close(World& world) {
        const bool accepts = world.log_state().writes.has_value();
        const Result<void> closed = world.close();
        expect(closed ? accepts : excused(world), "closing ended otherwise than the log's state");
        if (closed) {
            met_.count(Event::CleanCloses);
        }
        if (closed && honest_) {
            oracle_.confirm(Crash::Power, disk_->changes(), version_);
        }
    }

    void recover_from_failure(World& world) {
        failures_seen_ = files_->failures();
        const bool failed = !world.log_state().writes;
        const bool cured = one_in(2);
        if (cured) {
            cure();
        }
        const Result<void> resumed = world.resume();
        note(resumed ? 0 : static_cast<std::uint64_t>(resumed.error().code()));
        if (!failed) {
            return;
        }
        met_.count(resumed ? Event::Resumed : Event::FailedResumes);
        if (resumed) {
            oracle_.withdraw(disk_->changes(), version_);
        } else if (cured) {
            fail("resuming failed: " + resumed.error().to_string());
        }
    }

    // Suffering -------------------------------------------------------------------------------------------------------------------------

    void suffer() {
        switch (below(8)) {
        case 0:
            disk_->set_quota(disk_->bytes_in_use() + below(40'000));
            failing_ = true;
            met_.count(Event::FullDisks);
            break;
        case 1:
            disk_->fail_sync_once_dropping_pages();
            failing_ = true;
            met_.count(Event::DroppedPages);
            break;
        case 2:
            if (one_in(4)) {
                disk_->ignore_sync(true);
                honest_ = false;
                met_.count(Event::Lies);
            }
            break;
        case 3:
            if (one_in(4)) {
                disk_->misdirect_next_write(512 * (1 + below(16)));
                honest_ = false;
                met_.count(Event::Misdirected);
            }
            break;
        case 4:
            stall_ns_ = below(5'000'000'000);
            met_.count(Event::Stalls);
            break;
        default:
            inject_fault();
            break;
        }
    }
    void inject_fault() {
        constexpr std::array operations{FileOperation::Write,         FileOperation::Write,          FileOperation::Sync,
                                        FileOperation::Sync,          FileOperation::Rename,         FileOperation::Preallocate,
                                        FileOperation::SyncDirectory, FileOperation::Open,           FileOperation::Remove,
                                        FileOperation::List,          FileOperation::Read,           FileOperation::Size,
                                        FileOperation::Exists,        FileOperation::CreateDirectory};
        Fault fault;
        fault.operation = operations[below(operations.size())];
        fault.call = 1 + below(6);
        fault.code = one_in(4) ? ErrorCode::NoSpace : ErrorCode::Io;
        fault.sticky = one_in(5);
        fault.bytes_before = below(200);
        fault.takes_effect = one_in(4);
        files_->inject(fault);
    }
    /// The disk is in order again.
    void cure() {
        files_->clear_faults();
        disk_->set_quota(std::uint64_t{1} << 32U);
        disk_->fail_sync_once_dropping_pages(false);
        failing_ = false;
    }
    /// Time passes during some call: a disk that is slow, or stands still for seconds.
    static void stall(void* context, const FileCall&) {
        auto& self = *static_cast<Simulation*>(context);
        self.clock_.advance(1000 + std::exchange(self.stall_ns_, 0));
    }

    // Dying -----------------------------------------------------------------------------------------------------------------------------

    static Crash kind_of(const CrashPlan& plan) noexcept { return plan.keep == KeepPending::Cached ? Crash::Process : Crash::Power; }
    CrashPlan random_plan() {
        constexpr std::array kept{KeepPending::None, KeepPending::All, KeepPending::Subset, KeepPending::Subset, KeepPending::Cached};
        constexpr std::array tears{std::size_t{0}, std::size_t{1}, std::size_t{512}, std::size_t{4096}};
        CrashPlan plan;
        plan.seed = below(1U << 30U);
        plan.keep = kept[below(kept.size())];
        plan.tear = tears[below(tears.size())];
        plan.garbage = one_in(2);
        return plan;
    }

    void crash() {
        const bool at_the_end = std::exchange(dies_in_doubt_, false) || one_in(3);
        const std::size_t moment = at_the_end ? last_change_ : below(last_change_ + 1);
        const CrashPlan plan = random_plan();
        const Crash crash = kind_of(plan);
        met_.count(crash == Crash::Power ? Event::PowerCuts : Event::Kills);
        note(moment);
        disk_ = disk_->after_crash_at(moment, plan);
        tainted_ = tainted_ || !honest_;
        if (tainted_) {
            ++archive_; // what is in the other may be what this disk has lost
            archive_is_late_ = true;
            history_.clear();
        }
        cache_kept_ = crash == Crash::Process;
        honest_ = true;
        failing_ = false;
        failures_seen_ = 0;
        visible_before_ = version_;
        // While opening, nothing bears witness yet to what the crash before had left without a sync.
        if (!tainted_ && moment >= opened_at_ && one_in(3)) {
            check_damaged(moment, crash);
        }
        if (!tainted_ && archives_ && one_in(2)) {
            check_archive();
        }
        // A power cut while the next life begins can still take what only the process's death had left.
        const std::uint64_t least = oracle_.kept_by(Crash::Power, moment);
        const std::uint64_t most = oracle_.kept_by(crash, moment);
        tainted_ ? oracle_.crashed_lying(moment) : oracle_.crashed(moment, least);
        if (!tainted_ && crash == Crash::Process) {
            check_opens_at(most);
        }
    }
    /// What the archive holds makes a whole, and any version it says can be restored is restored as it was.
    void check_archive() {
        const auto copy = disk_->after_crash({.keep = KeepPending::Cached});
        const ToolOptions tools{.file_system = copy.get()};
        const auto report = verify_archive(archive_directory(), tools);
        if (!report) {
            return expect(report.error().code() == ErrorCode::NotFound, "an archive could not be read");
        }
        if (archive_is_late_ && report->versions.empty()) {
            return; // it has a part of the log, and waits for a full snapshot to put it onto
        }
        // A lying disk may have damaged or lost what only an archive begun after it would still need; nothing else leaves a gap.
        bool gap = false;
        for (const std::string& fault : report->faults) {
            const bool damaged = fault.find(": was damaged in the log: ") != std::string::npos;
            const bool lost = fault.find(": the log does not lead on from it") != std::string::npos;
            gap = gap || (archive_is_late_ && (damaged || lost));
            if (!gap) {
                return fail("archive: " + fault);
            }
        }
        if (gap) {
            met_.count(Event::ArchiveGaps);
        }
        met_.count(Event::ArchivesProven);
        if (report->versions.empty()) {
            return;
        }
        const RestorableVersions range = report->versions[below(report->versions.size())];
        const auto known = history_.lower_bound(range.from + below(range.to - range.from + 1));
        if (known == history_.end() || known->first > range.to) {
            return;
        }
        const std::string where = "restored from the archive at " + std::to_string(known->first) + ": ";
        const auto done = ecsdb::restore(archive_directory(), "restored", RestoreTarget::at_version(known->first), tools);
        if (!done) {
            return fail(where + done.error().to_string());
        }
        Options options = reading(*copy);
        options.directory = "restored";
        const auto restored = World::open(options);
        if (!restored || restored->version() != known->first) {
            return fail(where + "it does not open as that");
        }
        // Poses are those of some snapshot there.
        const State found = state_of(restored->read());
        State wanted = *known->second;
        for (auto& [bits, thing] : wanted) {
            thing.whole_at = known->first + 1;
        }
        if (const std::string differs = difference(found, recovered(std::move(wanted), known->first, found, found)); !differs.empty()) {
            return fail(where + differs);
        }
        met_.count(Event::RestoredFromArchive);
    }
    [[nodiscard]] std::string archive_directory() const { return "archive" + std::to_string(archive_); }

    /// A copy of the disk opens at `version` or later.
    void check_opens_at(std::uint64_t version) {
        const auto copy = disk_->after_crash({.keep = KeepPending::Cached});
        auto opened = World::open(reading(*copy));
        if (!opened && opened.error().code() == ErrorCode::NotFound && version == 0) {
            return;
        }
        if (!opened) {
            fail("after a kill: " + opened.error().to_string());
        } else if (opened->version() < version) {
            fail("version " + std::to_string(version) + " had been written, but a kill left " + std::to_string(opened->version()));
        }
    }
    Options reading(FileSystem& files) {
        Options options;
        options.directory = "world";
        options.mode = OpenMode::ReadOnly;
        options.file_system = &files;
        options.clock = &clock_;
        return options;
    }

    /// Opens what a crash left, several times over.
    void check_image(SimulatedFileSystem& image, std::size_t moment, const CrashPlan& plan, Images& images) {
        const std::string where = "crash after change " + std::to_string(moment) + ", seed " + std::to_string(plan.seed) + ", kept " +
                                  std::to_string(static_cast<int>(plan.keep)) + ": ";
        Options options = choose_options();
        options.file_system = &image;
        image.record_history();
        std::optional<Result<World>> first_opened{World::open(options)};
        Result<World>& first = *first_opened;
        ++images.opened;
        if (!first) {
            return fail(where + first.error().to_string());
        }
        const std::uint64_t version = first->version();
        if (const std::string wrong = oracle_.judge(kind_of(plan), moment, version); !wrong.empty()) {
            return fail(where + wrong);
        }
        const State state = state_of(first->read());
        const State* const attempted = oracle_.state_at(moment, version);
        if (const std::string differs = difference(state, expected(*attempted, first->recovery_report().snapshot_version, state));
            !differs.empty()) {
            return fail(where + differs);
        }
        if (one_in(4)) {
            // The opening itself is ended by a crash. What had been on the disk by then stays; what only the cache had may go.
            const std::size_t opened_at = image.changes();
            const CrashPlan second = random_plan();
            const auto again = image.after_crash_at(below(opened_at + 1), second);
            options.file_system = again.get();
            const auto reopened = World::open(options);
            ++images.opened_again;
            if (!reopened) {
                return fail(where + "opened again: " + reopened.error().to_string());
            }
            const bool cache_lost = kind_of(plan) == Crash::Process && kind_of(second) == Crash::Power;
            if (cache_lost ? reopened->version() < oracle_.kept_by(Crash::Power, moment) : reopened->version() != version) {
                return fail(where + "a crash while opening left version " + std::to_string(reopened->version()) + " of " +
                            std::to_string(version));
            }
            options.file_system = &image;
        }
        first_opened.reset();
        auto second = World::open(options);
        ++images.repeated;
        if (!second || second->version() != version || state_of(second->read()) != state) {
            return fail(where + "opened twice, it is not the same");
        }
        auto tx = second->begin();
        tx.create(Spot{1, 2});
        if (!tx.commit() || second->version() != version + 1) {
            fail(where + "it does not go on");
        }
    }

    /// Damages one file of a copy: it is refused, or what is found is a state there was; at most the last sync is missing from it.
    void check_damaged(std::size_t moment, Crash crash) {
        const auto copy = disk_->after_crash({.keep = KeepPending::Cached});
        std::vector<std::string> paths;
        for (const std::string directory : {"world", "world/log"}) {
            if (const auto names = copy->list(directory)) {
                for (const std::string& name : *names) {
                    const std::string path = directory + "/" + name;
                    if (name != "LOCK" && copy->file_size(path).value_or(0) != 0 && path != "world/log") {
                        paths.push_back(path);
                    }
                }
            }
        }
        if (paths.empty()) {
            return;
        }
        const std::string& path = paths[below(paths.size())];
        const std::uint64_t size = *copy->file_size(path);
        const std::uint64_t offset = below(std::min<std::uint64_t>(size, one_in(2) ? 4096 + 2000 : size));
        const bool flip = !one_in(3);
        if (flip) {
            const std::array mask{static_cast<std::byte>(1U << below(8))};
            copy->damage(path, offset, mask);
        } else if (const auto file = copy->open(path, FileMode::Read)) {
            std::vector<std::byte> sector(4096);
            static_cast<void>((*file)->pread(sector, offset / 4096 * 4096));
            copy->damage(path, offset / 4096 * 4096, sector); // against itself: zeros
        }
        met_.count(Event::Damaged);
        auto opened = World::open(reading(*copy));
        note(opened ? opened->version() : static_cast<std::uint64_t>(opened.error().code()));
        if (!opened) {
            met_.count(Event::DamageRefused);
            const ErrorCode code = opened.error().code();
            if (code != ErrorCode::Corrupt && code != ErrorCode::NotFound) {
                fail("damage to " + path + " was met with " + opened.error().to_string());
            }
            return;
        }
        met_.count(Event::DamageSurvived);
        const std::uint64_t version = opened->version();
        const std::string where = "damage to " + path + " at " + std::to_string(offset) + ": ";
        if (flip && version < std::min(oracle_.kept_by(crash, moment, 1), oracle_.kept_by(Crash::Power, moment, 1))) {
            fail(where + "version " + std::to_string(version) + " was found and nothing said");
            return;
        }
        const State* const attempted = oracle_.state_at(moment, version);
        if (attempted == nullptr) {
            fail(where + "version " + std::to_string(version) + " was found, which nobody had attempted");
            return;
        }
        const State found = state_of(opened->read());
        if (const std::string differs = difference(found, expected(*attempted, opened->recovery_report().snapshot_version, found));
            !differs.empty()) {
            fail(where + differs);
        }
    }

    /// A state saved to bytes, to go back to.
    struct Kept {
        explicit Kept(const State& now) : state{now}, bytes{memory} {}
        State state;
        SystemAllocator memory;
        ByteBuffer bytes;
    };

    Program program_;
    bool archives_;                ///< Whether all of it is archived,
    std::uint64_t archive_ = 0;    ///< in the how manieth archive,
    bool archive_is_late_ = false; ///< and whether that was begun when the database was no longer new.
    SimulatedClock clock_;
    std::unique_ptr<SimulatedFileSystem> disk_;
    FaultFileSystem* files_ = nullptr;
    Oracle<State> oracle_;
    std::map<std::uint64_t, std::shared_ptr<const State>> saved_;   ///< What a snapshot of a version holds, if there is one.
    std::map<std::uint64_t, std::shared_ptr<const State>> history_; ///< What every version was, as far back as the archive may go.
    std::optional<Kept> kept_;
    State state_;               ///< What is visible,
    std::uint64_t version_ = 0; ///< as this version.
    std::uint64_t visible_before_ = 0;
    std::size_t opened_at_ = 0;
    std::size_t last_change_ = 0;
    std::uint64_t stall_ns_ = 0;
    std::uint64_t failures_seen_ = 0;
    bool suffers_ = true;        ///< Whether there are faults at all.
    bool dies_in_doubt_ = false; ///< The life ends with a transaction of which nobody knows whether it is on the disk.
    bool synced_ = true;
    bool compresses_ = false;
    bool failing_ = false;    ///< Whether the disk itself may refuse.
    bool honest_ = true;      ///< Whether what the disk called done was done, in this life,
    bool tainted_ = false;    ///< and in the one before.
    bool cache_kept_ = false; ///< Whether that ended with the process alone.
    Met met_;
    std::uint64_t trace_ = 0;
    std::string wrong_;
};

} // namespace ecsdb::test::simulation
