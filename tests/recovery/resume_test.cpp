// A database whose log has failed goes on by `resume`: nothing visible is lost, nothing discarded comes back, wherever a crash hits.

#include "recovery/world.hpp"
#include "support/environment.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

namespace resume_test {

using namespace recovery_test;
using ecsdb::CrashPlan;
using ecsdb::Durability;
using ecsdb::ErrorCode;
using ecsdb::FaultFileSystem;
using ecsdb::FileOperation;
using ecsdb::KeepPending;
using ecsdb::SimulatedFileSystem;

namespace {

struct Mode {
    Durability durability;
    bool own_thread;
};
constexpr Mode modes[] = {{Durability::Synced, false}, {Durability::Synced, true}, {Durability::Logged, false}, {Durability::Logged, true}};

ecsdb::Options options_for(ecsdb::FileSystem& files, const Mode& mode) {
    ecsdb::Options options = on(files, mode.durability);
    options.own_thread = mode.own_thread;
    options.segment_bytes = 8192;
    // The log's thread would make spares when it finds the time, and meet the faults meant for others.
    options.spare_segments = mode.own_thread ? 0 : 4;
    return options;
}

std::vector<std::uint64_t> numbers_in(const World& world) {
    std::vector<std::uint64_t> numbers;
    const auto view = world.read();
    view.each<Purse>([&](const Purse& purse) { numbers.push_back(purse.gold); });
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

/// Commits numbered purses, and knows which of them must, may and must not be found after a crash.
class Ledger {
public:
    explicit Ledger(const SimulatedFileSystem& disk) noexcept : disk_{&disk} {}

    /// One more commit; whether it became visible. Otherwise the world is as before.
    bool commit(World& world) {
        const std::uint64_t number = ++last_;
        auto tx = world.begin();
        tx.create(Purse{number});
        const auto committed = tx.commit();
        if (committed) {
            visible_.push_back(number);
            return true;
        }
        if (committed.error().code() == ErrorCode::OutcomeUnknown) {
            unknown_.push_back({number, visible_.size(), never});
        } else {
            INFO(committed.error().to_string());
            CHECK(committed.error().code() == ErrorCode::ReadOnly);
        }
        check_visible(world);
        return false;
    }
    /// What is visible now is on the disk.
    void note_durable() { durable_at_.emplace_back(disk_->changes(), visible_.size()); }
    /// And what was discarded is out for ever.
    void note_resumed() {
        note_durable();
        for (Unknown& unknown : unknown_) {
            unknown.gone_at = std::min(unknown.gone_at, disk_->changes());
        }
    }
    void check_visible(const World& world) const {
        CHECK(numbers_in(world) == visible_);
        CHECK(world.version() == visible_.size());
    }

    /// Opens what a crash after `change` changes left.
    void check_survives(SimulatedFileSystem& files, std::size_t change) const {
        std::size_t durable = 0;
        for (const auto& [at, count] : durable_at_) {
            durable = at <= change ? count : durable;
        }
        World world = open_or_fail(on(files));
        std::vector<std::uint64_t> found = numbers_in(world);
        CHECK(world.version() == found.size());
        for (const Unknown& unknown : unknown_) {
            const auto place = std::find(found.begin(), found.end(), unknown.number);
            if (place != found.end()) {
                CHECK(change < unknown.gone_at);
                found.erase(place);
                CHECK(found.size() == unknown.behind);
            }
        }
        CHECK(found.size() >= durable);
        REQUIRE(found.size() <= visible_.size());
        CHECK(std::equal(found.begin(), found.end(), visible_.begin()));
        auto tx = world.begin();
        tx.create(Purse{0});
        require(tx.commit());
    }
    /// With one of what a crash may leave of what was not synced for each change; `thorough` and at a scale above 1 with each of it.
    void check_crashes(const SimulatedFileSystem& files, std::size_t from, bool thorough) const {
        constexpr std::array kept{KeepPending::None, KeepPending::All, KeepPending::Subset};
        for (std::size_t change = from; change <= files.changes(); ++change) {
            for (std::size_t i = 0; i < (thorough && ecsdb::test::test_scale() > 1 ? kept.size() : 1); ++i) {
                const KeepPending keep = kept[(change + i) % kept.size()];
                CAPTURE(change, files.changes(), int(keep));
                CrashPlan plan;
                plan.keep = keep;
                plan.seed = change;
                plan.tear = change % 2 == 0 ? 1 : 512;
                const auto image = files.after_crash_at(change, plan);
                check_survives(*image, change);
            }
        }
    }

private:
    static constexpr std::size_t never = ~std::size_t{0};
    struct Unknown {
        std::uint64_t number;
        std::size_t behind; ///< How many were visible before it was tried.
        std::size_t gone_at;
    };

    const SimulatedFileSystem* disk_;
    std::uint64_t last_ = 0;
    std::vector<std::uint64_t> visible_;
    std::vector<Unknown> unknown_;
    std::vector<std::pair<std::size_t, std::size_t>> durable_at_; // from this change on, so many
};

bool accepts_writes(const World& world) {
    return world.log_state().writes.has_value();
}

/// Commits until the log fails; false when it did not.
bool commit_until_failure(World& world, Ledger& ledger, int most) {
    for (int i = 0; i < most && accepts_writes(world); ++i) {
        if (ledger.commit(world) && world.flush(Durability::Synced)) {
            ledger.note_durable();
        }
    }
    return !accepts_writes(world);
}

void check_refuses(World& world, Ledger& ledger) {
    const auto state = world.log_state();
    REQUIRE_FALSE(state.writes);
    CHECK_FALSE(state.writes.error().message().empty());
    CHECK(state.durable_version <= world.version());
    CHECK_FALSE(ledger.commit(world));
    ledger.check_visible(world);
    const auto saved = world.snapshot();
    REQUIRE_FALSE(saved);
    CHECK(saved.error().code() == ErrorCode::ReadOnly);
}

void check_goes_on(World& world, Ledger& ledger) {
    ledger.note_resumed();
    ledger.check_visible(world);
    const auto state = world.log_state();
    CHECK(state.writes);
    CHECK(state.durable_version == world.version());
    for (int i = 0; i < 4; ++i) {
        REQUIRE(ledger.commit(world));
        if (i % 2 == 0) {
            require(world.flush(Durability::Synced));
            ledger.note_durable();
        }
    }
    ledger.check_visible(world);
}

} // namespace

TEST_CASE("resuming asks for a log, and does nothing where none has failed", "[recovery][resume]") {
    World memory = open_or_fail({});
    const auto refused = memory.resume();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    CHECK(memory.log_state().writes);

    SimulatedFileSystem files;
    World world = open_or_fail(on(files));
    Ledger ledger{files};
    REQUIRE(ledger.commit(world));
    const std::size_t changes = files.changes();
    require(world.resume());
    CHECK(files.changes() == changes);
    const auto inside = world.execute([&](auto&) { return world.resume(); });
    REQUIRE_FALSE(inside);
    CHECK(inside.error().code() == ErrorCode::WouldDeadlock);

    auto options = on(files);
    options.mode = ecsdb::OpenMode::ReadOnly;
    World reading = open_or_fail(options);
    CHECK_FALSE(reading.resume());
    CHECK(reading.log_state().writes.error().code() == ErrorCode::ReadOnly);

    require(world.close());
    CHECK(world.log_state().writes.error().code() == ErrorCode::Closed);
    CHECK(world.log_state().durable_version == world.version());
    require(world.flush(Durability::Synced));
}

TEST_CASE("after any kind of failure a database resumes, and a crash at any change finds every acknowledged commit once",
          "[recovery][resume][fault][crash]") {
    const Mode mode = GENERATE(from_range(std::begin(modes), std::end(modes)));
    const FileOperation operation = GENERATE(FileOperation::Write, FileOperation::Sync, FileOperation::Preallocate, FileOperation::Rename,
                                             FileOperation::SyncDirectory, FileOperation::Open);
    const bool takes_effect = GENERATE(false, true);
    CAPTURE(int(mode.durability), mode.own_thread, ecsdb::name_of(operation), takes_effect);
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    Ledger ledger{disk};
    disk.record_history();
    std::size_t failed_at = 0;
    {
        World world = open_or_fail(options_for(files, mode));
        REQUIRE(ledger.commit(world));
        REQUIRE(ledger.commit(world));
        require(world.flush(Durability::Synced));
        ledger.note_durable();
        REQUIRE(ledger.commit(world));
        failed_at = disk.changes();
        // A new segment looks for a spare file first; that there is none is no failure.
        const std::uint64_t call = operation == FileOperation::Open ? 2 : 1;
        files.inject({.operation = operation, .call = call, .bytes_before = 60, .takes_effect = takes_effect, .path_part = "world/log"});
        REQUIRE(commit_until_failure(world, ledger, 200));
        check_refuses(world, ledger);
        require(world.resume());
        check_goes_on(world, ledger);
    }
    ledger.check_crashes(disk, failed_at, true);
}

TEST_CASE("a resumption that fails leaves the database read-only and can be repeated", "[recovery][resume][fault][crash]") {
    const Mode mode = GENERATE(from_range(std::begin(modes), std::end(modes)));
    CAPTURE(int(mode.durability), mode.own_thread);
    bool reached = true;
    for (std::uint64_t call = 1; reached; ++call) {
        CAPTURE(call);
        SimulatedFileSystem disk;
        FaultFileSystem files{disk};
        Ledger ledger{disk};
        disk.record_history();
        std::size_t failed_at = 0;
        {
            World world = open_or_fail(options_for(files, mode));
            REQUIRE(ledger.commit(world));
            require(world.flush(Durability::Synced));
            ledger.note_durable();
            disk.fail_sync_once_dropping_pages();
            failed_at = disk.changes();
            REQUIRE(commit_until_failure(world, ledger, 3));
            files.inject({.call = call, .code = call % 2 == 0 ? ErrorCode::NoSpace : ErrorCode::Io, .takes_effect = call % 3 == 0});
            const std::uint64_t before = files.failures();
            const auto resumed = world.resume();
            reached = files.failures() != before;
            files.clear_faults();
            if (!resumed) {
                CHECK(resumed.error().code() == (call % 2 == 0 ? ErrorCode::NoSpace : ErrorCode::Io));
                CHECK(world.log_state().writes.error().code() == resumed.error().code());
                check_refuses(world, ledger);
                require(world.resume());
            }
            check_goes_on(world, ledger);
        }
        ledger.check_crashes(disk, failed_at, false);
    }
}

TEST_CASE("a full disk is resumed from once there is room", "[recovery][resume][fault]") {
    const Mode mode = GENERATE(from_range(std::begin(modes), std::end(modes)));
    CAPTURE(int(mode.durability), mode.own_thread);
    SimulatedFileSystem disk;
    Ledger ledger{disk};
    {
        World world = open_or_fail(options_for(disk, mode));
        REQUIRE(ledger.commit(world));
        for (int i = 0; i < 3; ++i) {
            disk.set_quota(disk.bytes_in_use() + 100);
            REQUIRE(commit_until_failure(world, ledger, 500));
            CHECK(world.log_state().writes.error().code() == ErrorCode::NoSpace);
            check_refuses(world, ledger);
            const auto refused = world.resume();
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code() == ErrorCode::NoSpace);
            check_refuses(world, ledger);
            disk.set_quota(std::uint64_t{1} << 30U);
            require(world.resume());
            check_goes_on(world, ledger);
        }
        require(world.close());
    }
    ledger.check_survives(disk, disk.changes());
}

TEST_CASE("a snapshot that finds no room for a new segment does not stop writing", "[recovery][resume][fault]") {
    SimulatedFileSystem disk;
    Ledger ledger{disk};
    World world = open_or_fail(on(disk));
    REQUIRE(ledger.commit(world));
    disk.set_quota(disk.bytes_in_use());
    const auto saved = world.snapshot();
    REQUIRE_FALSE(saved);
    CHECK(saved.error().code() == ErrorCode::NoSpace);
    CHECK(accepts_writes(world));
    REQUIRE(ledger.commit(world));
    disk.set_quota(std::uint64_t{1} << 30U);
    require(world.snapshot());
    REQUIRE(ledger.commit(world));
    ledger.note_durable();
    const auto image = disk.after_crash({});
    ledger.check_survives(*image, disk.changes());
}

TEST_CASE("a batch that is discarded is discarded whole, in every part of the database", "[recovery][resume][fault]") {
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    Workload workload;
    std::uint64_t version = 0;
    std::uint64_t hash = 0;
    ecsdb::Entity entity;
    ecsdb::Entity victim;
    {
        World world = open_or_fail(on(files));
        auto tx = world.begin();
        entity = tx.create(Purse{1});
        victim = tx.create(Purse{2}, Spot{1, 1});
        require(tx.commit());
        for (std::uint32_t round = 0; round < 9; ++round) {
            hash = world.read().hash();
            version = world.version();
            files.inject({.operation = round % 2 == 0 ? FileOperation::Sync : FileOperation::Write, .path_part = "log"});
            auto updated = world.update(entity, Purse{100 + round});
            auto destroyed = world.destroy(victim);
            auto removed = world.remove<Purse>(entity);
            for (ecsdb::Ticket* const ticket : {&updated, &destroyed, &removed}) {
                const auto outcome = ticket->wait();
                REQUIRE_FALSE(outcome);
                CHECK(outcome.error().code() == ErrorCode::OutcomeUnknown);
            }
            CHECK(world.read().hash() == hash);
            CHECK(world.version() == version);
            CHECK(world.read().entity_version(entity) == 1 + round);
            require(world.resume());
            REQUIRE(workload.round(world, round));
            require(world.update(entity, Purse{round}).wait());
            if (round % 4 == 3) {
                require(world.snapshot());
            }
        }
        hash = world.read().hash();
        version = world.version();
    }
    files.clear_faults();
    disk.crash({});
    const World world = open_or_fail(on(disk));
    CHECK(world.version() == version);
    CHECK(world.read().hash() == hash);
    CHECK(world.read().is_alive(victim));
    CHECK(world.read().entity_version(entity) == 10);
    CHECK(world.get<Purse>(entity)->gold == 8);
}

TEST_CASE("an id may be handed out again only as the log knows, also across a resumption", "[recovery][resume][fault]") {
    const Mode mode = GENERATE(from_range(std::begin(modes), std::end(modes)));
    CAPTURE(int(mode.durability), mode.own_thread);
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    Ledger ledger{disk};
    ecsdb::Entity shown;
    {
        World world = open_or_fail(options_for(files, mode));
        files.inject({.operation = FileOperation::Write, .path_part = "log"});
        CHECK_FALSE(ledger.commit(world)); // its id could not be reserved
        require(world.resume());
        ledger.note_resumed();
        auto dropped = world.begin();
        shown = dropped.create(Purse{1}); // never committed, but somebody may remember it
        REQUIRE(ledger.commit(world));
        files.inject({.operation = FileOperation::Sync, .path_part = "log"});
        REQUIRE(commit_until_failure(world, ledger, 3));
        require(world.resume());
        check_goes_on(world, ledger);
        disk.crash({});
    }
    World world = open_or_fail(on(disk));
    for (int i = 0; i < 50; ++i) {
        auto tx = world.begin();
        CHECK(tx.create(Purse{1}) != shown);
    }
}

TEST_CASE("what is kept to be written again is bounded, counted, and let go of by a sync", "[recovery][resume]") {
    SimulatedFileSystem disk;
    for (const bool own_thread : {false, true}) {
        auto options = on(disk, Durability::Logged);
        options.own_thread = own_thread;
        options.segment_bytes = std::size_t{256} << 20U; // no switch of segments syncs on the way
        options.directory = own_thread ? "threaded" : "stepped";
        World world = open_or_fail(options);
        CHECK(world.log_state().kept_bytes == 0);
        const std::vector<Purse> purses(100'000, Purse{0x0123456789ABCDEF});
        std::size_t most = 0;
        for (int i = 0; i < 90; ++i) {
            REQUIRE(world.execute(
                [&](auto& state) { return state.create_many(static_cast<std::uint32_t>(purses.size()), std::span<const Purse>{purses}); }));
            most = std::max(most, world.log_state().kept_bytes);
        }
        CHECK(most > 1'000'000);
        CHECK(most <= (std::size_t{64} << 20U) * 2);
        CHECK(world.log_state().durable_version > 0);
        require(world.flush(Durability::Synced));
        CHECK(world.log_state().durable_version == world.version());
    }
}

TEST_CASE("threads go on writing and reading while the log fails and is resumed", "[recovery][resume][threads]") {
    const Durability durability = GENERATE(Durability::Synced, Durability::Logged);
    CAPTURE(int(durability));
    SimulatedFileSystem disk;
    FaultFileSystem files{disk};
    std::vector<std::uint64_t> visible[2];
    {
        auto options = on(files, durability);
        options.own_thread = true;
        World world = open_or_fail(options);
        std::atomic<bool> done{false};
        std::atomic<int> resumed{0};
        std::vector<std::jthread> writers;
        for (std::uint64_t writer = 0; writer < 2; ++writer) {
            writers.emplace_back([&, writer] {
                for (std::uint64_t i = 0; i < 400; ++i) {
                    const std::uint64_t number = writer * 1'000'000 + i;
                    auto tx = world.begin();
                    tx.create(Purse{number});
                    if (tx.commit()) {
                        visible[writer].push_back(number);
                    } else {
                        resumed.fetch_add(world.resume() ? 1 : 0);
                    }
                }
            });
        }
        int vanished = 0;
        std::jthread reader{[&] {
            std::uint64_t seen = 0;
            while (!done.load()) {
                const auto view = world.read();
                const std::uint64_t count = view.entity_count();
                vanished += count < seen;
                seen = count;
                static_cast<void>(world.log_state());
            }
        }};
        for (std::uint64_t i = 0; i < 12; ++i) {
            files.inject({.operation = i % 2 == 0 ? FileOperation::Sync : FileOperation::Write, .call = 1 + i % 3, .path_part = "log"});
            static_cast<void>(world.flush(Durability::Synced));
            static_cast<void>(world.snapshot());
            static_cast<void>(world.resume());
        }
        writers.clear();
        files.clear_faults();
        done.store(true);
        reader.join();
        CHECK(vanished == 0); // no commit became invisible
        require(world.resume());
        require(world.flush(Durability::Synced));
    }
    disk.crash({});
    const World world = open_or_fail(on(disk));
    std::vector<std::uint64_t> expected = visible[0];
    expected.insert(expected.end(), visible[1].begin(), visible[1].end());
    CHECK(numbers_in(world) == expected);
}

} // namespace resume_test
