#include "ecsdb/wal/log_participant.hpp"

#include "ecsdb/wal/log_reader.hpp"
#include "recovery/world.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace log_participant_test {

using namespace recovery_test;
using ecsdb::Durability;
using ecsdb::ErrorCode;
using ecsdb::SimulatedFileSystem;

TEST_CASE("a failed write in the background refuses every later transaction", "[wal][fault]") {
    SimulatedFileSystem files;
    ecsdb::FaultFileSystem faulty{files};
    auto options = on(faulty, Durability::Logged);
    options.own_thread = true;
    World world = open_or_fail(options);
    auto first = world.begin();
    const ecsdb::Entity entity = first.create(Purse{0});
    require(first.commit());
    require(world.flush(Durability::Logged));
    faulty.inject({.operation = ecsdb::FileOperation::Write, .sticky = true});
    require(world.update(entity, Purse{1}).wait()); // logged commits are visible before they are written …
    auto flushed = world.flush(Durability::Logged);
    REQUIRE_FALSE(flushed); // … and whoever asks for more is told
    CHECK(flushed.error().code() == ErrorCode::ReadOnly);
    auto refused = world.update(entity, Purse{2}).wait();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::ReadOnly);
    CHECK(world.get<Purse>(entity)->gold == 1);
}

TEST_CASE("a logged commit takes no memory, though it is kept until it is synced", "[wal][allocation]") {
    class CallCounter final : public ecsdb::Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
            calls.fetch_add(1);
            return system_.allocate(bytes, alignment);
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
            system_.deallocate(memory, bytes, alignment);
        }
        std::atomic<std::uint64_t> calls{0};

    private:
        ecsdb::SystemAllocator system_;
    };
    SimulatedFileSystem files;
    CallCounter allocator;
    auto options = on(files, Durability::Logged);
    options.segment_bytes = std::size_t{8} << 20U;
    options.allocator = &allocator;
    World world = open_or_fail(options);
    auto first = world.begin();
    const ecsdb::Entity entity = first.create(Purse{0});
    require(first.commit());
    const auto round = [&] {
        for (std::uint64_t i = 0; i < 10'000; ++i) {
            require(world.update(entity, Purse{i}).wait());
        }
    };
    for (int i = 0; i < 3; ++i) {
        round();
        require(world.flush(Durability::Synced));
    }
    const std::uint64_t before = allocator.calls.load();
    round();
    require(world.flush(Durability::Synced));
    round();
    CHECK(allocator.calls.load() == before);
    CHECK(world.log_state().kept_bytes > 0);
}

TEST_CASE("memory refused to the log costs a batch, not the database", "[wal][fault]") {
    class Meagre final : public ecsdb::Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
            return bytes > most.load() ? nullptr : system_.allocate(bytes, alignment);
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
            system_.deallocate(memory, bytes, alignment);
        }
        std::atomic<std::size_t> most{~std::size_t{0}};

    private:
        ecsdb::SystemAllocator system_;
    };
    for (const Durability durability : {Durability::Logged, Durability::Synced}) {
        for (const bool own_thread : {false, true}) {
            SimulatedFileSystem files;
            Meagre allocator;
            auto options = on(files, durability);
            options.own_thread = own_thread;
            options.allocator = &allocator;
            options.initial_bytes = std::size_t{16} << 20U;
            std::uint64_t hash = 0;
            std::uint64_t refused = 0;
            {
                World world = open_or_fail(options);
                auto first = world.begin();
                const ecsdb::Entity entity = first.create(Purse{0});
                require(first.commit());
                for (std::uint64_t i = 0; i < 20; ++i) {
                    allocator.most.store(i % 2 == 0 ? 100'000 : ~std::size_t{0});
                    const std::vector<Purse> purses(2000 * (i + 1), Purse{i});
                    const auto created = world.execute([&](auto& state) {
                        return state.create_many(static_cast<std::uint32_t>(purses.size()), std::span<const Purse>{purses});
                    });
                    refused += created ? 0 : 1;
                    allocator.most.store(~std::size_t{0});
                    CHECK(world.log_state().writes);
                    require(world.update(entity, Purse{i}).wait());
                }
                hash = world.read().hash();
            }
            CHECK(refused > 0);
            const World world = open_or_fail(options);
            CHECK(world.read().hash() == hash);
        }
    }
}

TEST_CASE("what is handed to the log's thread after a failure is kept, and written on resuming", "[wal][fault]") {
    SimulatedFileSystem files;
    ecsdb::FaultFileSystem faulty{files};
    auto options = on(faulty, Durability::Logged);
    options.own_thread = true;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(options);
        auto first = world.begin();
        const ecsdb::Entity entity = first.create(Purse{0});
        require(first.commit());
        faulty.inject({.operation = ecsdb::FileOperation::Write, .sticky = true});
        std::uint64_t visible = 0;
        while (world.update(entity, Purse{visible + 1}).wait()) {
            ++visible;
        }
        CHECK(world.get<Purse>(entity)->gold == visible);
        CHECK(world.log_state().durable_version < world.version());
        CHECK(world.log_state().kept_bytes > 0);
        CHECK_FALSE(world.resume());
        CHECK_FALSE(world.flush(Durability::Logged));
        faulty.clear_faults();
        require(world.resume());
        CHECK(world.log_state().durable_version == world.version());
        CHECK(world.get<Purse>(entity)->gold == visible);
        hash = world.read().hash();
        files.crash({});
    }
    const World world = open_or_fail(on(files));
    CHECK(world.read().hash() == hash);
}

TEST_CASE("a transaction larger than a frame is split and found again whole", "[wal]") {
    SimulatedFileSystem files;
    const std::vector<Purse> purses(3'000'000, Purse{0x0123456789ABCDEF});
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(on(files));
        auto created = world.execute(
            [&](auto& state) { return state.create_many(static_cast<std::uint32_t>(purses.size()), std::span<const Purse>{purses}); });
        REQUIRE(created);
        hash = world.read().hash();
    }
    const World world = open_or_fail(on(files));
    CHECK(world.version() == 1);
    CHECK(world.read().entity_count() == purses.size());
    CHECK(world.read().hash() == hash);
}

TEST_CASE("commits of several threads reach the log in the order of their versions", "[wal][threads]") {
    SimulatedFileSystem files;
    for (const Durability durability : {Durability::Logged, Durability::Synced}) {
        auto options = on(files, durability);
        options.own_thread = true;
        options.directory = durability == Durability::Logged ? "logged" : "synced";
        std::uint64_t version = 0;
        std::uint64_t hash = 0;
        {
            World world = open_or_fail(options);
            std::vector<std::jthread> threads;
            for (std::uint64_t thread = 0; thread < 3; ++thread) {
                threads.emplace_back([&world, thread] {
                    for (std::uint64_t i = 0; i < 300; ++i) {
                        auto tx = world.begin();
                        const ecsdb::Entity entity = tx.create(Purse{thread * 1000 + i});
                        static_cast<void>(tx.post());
                        static_cast<void>(world.update(entity, Purse{i}));
                    }
                });
            }
            threads.clear();
            require(world.wait_for_version(3 * 300 * 2));
            require(world.flush(durability));
            version = world.version();
            hash = world.read().hash();
        }
        const World world = open_or_fail(options);
        CHECK(world.version() == version);
        CHECK(world.read().hash() == hash);
    }
}

TEST_CASE("while the disk stalls, readers go on, and what waits to be written is bounded", "[wal][fault][threads]") {
    struct Stall {
        std::atomic<bool> on{false};
        std::atomic<int> stalled{0};
        static void wait(void* self, const ecsdb::FileCall& call) {
            auto& stall = *static_cast<Stall*>(self);
            if (call.operation == ecsdb::FileOperation::Sync || call.operation == ecsdb::FileOperation::Write) {
                stall.stalled.fetch_add(1);
                stall.on.wait(true);
                stall.stalled.fetch_sub(1);
            }
        }
    };
    for (const Durability durability : {Durability::Synced, Durability::Logged}) {
        CAPTURE(int(durability));
        SimulatedFileSystem disk;
        ecsdb::FaultFileSystem files{disk};
        Stall stall;
        auto options = on(files, durability);
        options.own_thread = true;
        options.queue_transactions = 64;
        options.submit_timeout_ns = 1'000'000;
        options.segment_bytes = std::size_t{4} << 20U;
        World world = open_or_fail(options);
        const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
        require(world.flush(Durability::Synced));
        // What the slowest of a hundred reads takes. The best of many rounds: what else the machine does is not the disk's doing.
        const auto slow_read_ns = [&] {
            ecsdb::SystemClock clock;
            std::uint64_t best = ~std::uint64_t{0};
            for (int round = 0; round < 20; ++round) {
                std::vector<std::uint64_t> took(1000);
                for (std::uint64_t& each : took) {
                    const std::uint64_t begun = clock.monotonic_ns();
                    const auto view = world.read();
                    const bool there = view.get<Purse>(entity) != nullptr;
                    each = clock.monotonic_ns() - begun;
                    REQUIRE(there);
                }
                std::nth_element(took.begin(), took.begin() + 990, took.end());
                best = std::min(best, took[990]);
            }
            return best;
        };
        const std::uint64_t usual_ns = slow_read_ns();
        files.set_hook(&Stall::wait, &stall);
        stall.on = true;
        std::uint64_t accepted = 0;
        bool refused = false;
        // A logged database has eight buffers of 64 KiB before it waits for the disk.
        for (std::uint64_t gold = 1; gold < 200'000 && !refused; ++gold) {
            const auto ticket = world.update(entity, Purse{gold});
            refused = !ticket.is_submitted() && stall.stalled > 0;
            accepted = gold;
        }
        CHECK(refused);
        CHECK(accepted < 200'000);
        CHECK(stall.stalled > 0);
        const std::uint64_t version = world.version();
        const std::uint64_t stalled_ns = slow_read_ns();
        CHECK(stalled_ns <= 2 * usual_ns);
        CHECK(world.log_state().writes);
        CHECK(stall.stalled > 0);
        stall.on = false;
        stall.on.notify_all();
        ecsdb::Ticket last;
        do { // the queue empties in its own time
            last = world.update(entity, Purse{7});
        } while (!last.is_submitted());
        require(last.wait());
        require(world.flush(Durability::Synced));
        CHECK(world.version() > version);
        CHECK(world.log_state().durable_version == world.version());
        files.set_hook(nullptr, nullptr);
    }
}

/// Holds up every sync of a log file while it is on.
struct SyncStall {
    std::atomic<bool> on{false};
    std::atomic<int> stalled{0};
    static void wait(void* self, const ecsdb::FileCall& call) {
        auto& stall = *static_cast<SyncStall*>(self);
        if (call.operation == ecsdb::FileOperation::Sync && stall.on) {
            stall.stalled.fetch_add(1);
            stall.on.wait(true);
            stall.stalled.fetch_sub(1);
        }
    }
    void release() {
        on = false;
        on.notify_all();
    }
};

ecsdb::ErrorCode code(const ecsdb::Result<void>& result) {
    return result ? ErrorCode{} : result.error().code();
}

/// A logged database with one entity, all of it on the disk, whose syncs can be held up.
struct StalledLog {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    SyncStall stall;
    World world = open_or_fail(options(files));
    ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });

    StalledLog() {
        require(world.flush(Durability::Synced));
        files.set_hook(&SyncStall::wait, &stall);
    }
    static ecsdb::Options options(ecsdb::FileSystem& files) {
        auto options = on(files, Durability::Logged);
        options.own_thread = true;
        return options;
    }
};

TEST_CASE("a ticket of a logged database waits for visible, logged or synced", "[wal][ticket][levels]") {
    for (const bool own_thread : {false, true}) {
        CAPTURE(own_thread);
        SimulatedFileSystem disk;
        auto options = on(disk, Durability::Logged);
        options.own_thread = own_thread;
        World world = open_or_fail(options);
        const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
        for (std::uint64_t round = 1; round < 50; ++round) {
            ecsdb::Ticket ticket = world.update(entity, Purse{round});
            require(ticket.wait(Durability::Memory));
            CHECK(world.get<Purse>(entity)->gold == round);
            const std::uint64_t version = world.version();
            require(ticket.wait(Durability::Logged));
            CHECK(world.log_state().written_version >= version);
            CHECK(ticket.is_done(Durability::Logged));
            require(ticket.wait_for(Durability::Synced, 60'000'000'000));
            CHECK(world.log_state().durable_version >= version);
            CHECK(ticket.is_done(Durability::Synced));
        }
        // What fails says why at every level, once.
        ecsdb::Ticket failing = world.insert(entity, Purse{1});
        CHECK(code(failing.wait(Durability::Synced)) == ErrorCode::AlreadyExists);
        // The value of a function comes with the level.
        auto doubled = world.submit([entity](auto& state) { return state.template get<Purse>(entity)->gold * 2; });
        CHECK(*doubled.wait(Durability::Synced) == 98);
    }
}

TEST_CASE("a callback comes once its transaction has gone through the level asked for", "[wal][ticket][levels]") {
    for (const bool own_thread : {false, true}) {
        for (const Durability level : {Durability::Logged, Durability::Synced}) {
            CAPTURE(own_thread, static_cast<int>(level));
            SimulatedFileSystem disk;
            auto options = on(disk, Durability::Logged);
            options.own_thread = own_thread;
            World world = open_or_fail(options);
            const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
            std::atomic<std::uint64_t> told{0};
            std::atomic<std::uint64_t> early{0};
            for (std::uint64_t round = 1; round < 50; ++round) {
                world.update(entity, Purse{round}).through(level).then([&, round](const ecsdb::Result<void>& outcome) {
                    const auto state = world.log_state();
                    const std::uint64_t reached = level == Durability::Logged ? state.written_version : state.durable_version;
                    early += !outcome || reached < round + 1; // the first version created the entity
                    ++told;
                });
                const std::uint64_t expected = round % 2 == 0 ? round : 0; // alone, or with another before it
                while (told.load() < expected) {
                    world.step();
                }
            }
            while (told.load() < 49) {
                world.step();
            }
            CHECK(early.load() == 0);
            // The value of a function comes with the level, too.
            std::atomic<std::uint64_t> value{0};
            world.submit([entity](auto& state) { return state.template get<Purse>(entity)->gold * 2; })
                .through(level)
                .then([&](const ecsdb::Result<std::uint64_t>& doubled) { value = *doubled; });
            while (value.load() == 0) {
                world.step();
            }
            CHECK(value.load() == 98);
        }
    }
}

TEST_CASE("callbacks at a level keep their order, wait for the disk, and hear of its failure", "[wal][ticket][levels][fault]") {
    StalledLog log;
    auto& [disk, files, stall, world, entity] = log;
    stall.on = true;
    std::atomic<int> told{0};
    std::atomic<bool> in_order{true};
    const auto tells = [&](int place, ecsdb::ErrorCode expected) {
        return [&, place, expected](const ecsdb::Result<void>& outcome) {
            in_order = in_order && told.load() == place && code(outcome) == expected;
            ++told;
        };
    };
    world.update(entity, Purse{1}).through(Durability::Synced).then(tells(0, ErrorCode{}));
    ecsdb::Ticket second = world.update(entity, Purse{2});
    require(second.wait());
    std::move(second).then(tells(1, ErrorCode{})); // visible, but behind one that is not on the disk
    while (stall.stalled.load() == 0) {            // the sync has been asked for at once
        std::this_thread::yield();
    }
    CHECK(told.load() == 0);
    stall.release();
    while (told.load() < 2) {
        std::this_thread::yield();
    }
    files.inject({.operation = ecsdb::FileOperation::Sync, .sticky = true});
    world.update(entity, Purse{3}).through(Durability::Synced).then(tells(2, ErrorCode::OutcomeUnknown));
    while (told.load() < 3) {
        std::this_thread::yield();
    }
    CHECK(in_order.load());
    files.clear_faults();
    files.set_hook(nullptr, nullptr);
}

TEST_CASE("closing tells callbacks at a level how it ended, also those that ask afterwards", "[wal][ticket][levels][fault]") {
    const bool own_thread = GENERATE(false, true);
    const bool fails = GENERATE(false, true);
    CAPTURE(own_thread, fails);
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    auto options = on(files, Durability::Logged);
    options.own_thread = own_thread;
    World world = open_or_fail(options);
    const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
    require(world.flush(Durability::Synced));
    if (fails) {
        files.inject({.operation = ecsdb::FileOperation::Sync, .sticky = true});
    }
    std::vector<ecsdb::ErrorCode> told; // closing ends the notifier's thread before it returns
    ecsdb::Ticket kept = world.update(entity, Purse{1});
    world.update(entity, Purse{2}).through(Durability::Synced).then([&](const ecsdb::Result<void>& outcome) {
        told.push_back(code(outcome));
    });
    CHECK(world.close().has_value() == !fails);
    std::move(kept).through(Durability::Synced).then([&](const ecsdb::Result<void>& outcome) { told.push_back(code(outcome)); });
    const ecsdb::ErrorCode expected = fails ? ErrorCode::OutcomeUnknown : ErrorCode{};
    CHECK(told == std::vector{expected, expected});
}

TEST_CASE("waiting for a level ends with the time given, with the log's failure, and after `resume`", "[wal][ticket][levels][fault]") {
    StalledLog log;
    auto& [disk, files, stall, world, entity] = log;
    files.inject({.operation = ecsdb::FileOperation::Sync, .sticky = true});
    stall.on = true;
    ecsdb::Ticket ticket = world.update(entity, Purse{1});
    require(ticket.wait());
    CHECK(code(ticket.wait_for(Durability::Synced, 1'000'000)) == ErrorCode::Timeout);
    CHECK_FALSE(ticket.is_done(Durability::Synced));
    stall.release();
    const auto unknown = ticket.wait(Durability::Synced);
    CHECK(code(unknown) == ErrorCode::OutcomeUnknown);
    CHECK(unknown.error().message().find("visible, but not known to be on disk") == 0);
    CHECK(ticket.is_done(Durability::Synced)); // it would say the same again
    CHECK(world.get<Purse>(entity)->gold == 1);
    files.clear_faults();
    require(world.resume());
    require(ticket.wait(Durability::Synced));
    files.set_hook(nullptr, nullptr);
}

TEST_CASE("on the writer's own thread nobody waits for the log", "[wal][ticket][levels]") {
    SimulatedFileSystem disk;
    auto options = on(disk, Durability::Logged);
    options.own_thread = true;
    World world = open_or_fail(options);
    auto first = world.begin();
    const ecsdb::Entity entity = first.create(Purse{0});
    require(first.commit());
    ecsdb::Ticket earlier = world.update(entity, Purse{1});
    require(earlier.wait());
    require(world.execute([&](auto& state) {
        CHECK(code(world.flush(Durability::Synced)) == ErrorCode::WouldDeadlock);
        const auto waited = earlier.wait(Durability::Synced); // it may have been synced meanwhile
        CHECK((waited || waited.error().code() == ErrorCode::WouldDeadlock));
        static_cast<void>(state);
    }));
}

TEST_CASE("published before the sync, a commit is seen at once and acknowledged on disk", "[wal][ticket][levels][threads]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    SyncStall stall;
    auto options = on(files, Durability::Synced);
    options.own_thread = true;
    options.publish_before_sync = true;
    std::uint64_t acknowledged = 0;
    {
        World world = open_or_fail(options);
        auto first = world.begin();
        const ecsdb::Entity entity = first.create(Purse{0});
        require(first.commit());
        CHECK(world.log_state().durable_version == world.version()); // `commit` has waited for the disk
        files.set_hook(&SyncStall::wait, &stall);
        stall.on = true;
        std::atomic<int> called{0};
        ecsdb::Ticket ticket = world.update(entity, Purse{1});
        world.update(entity, Purse{2}).then([&](ecsdb::Result<void> outcome) { called += outcome ? 1 : 100; });
        require(world.wait_for_version(3)); // … readers go on meanwhile
        CHECK(world.get<Purse>(entity)->gold == 2);
        require(ticket.wait(Durability::Memory));
        CHECK_FALSE(ticket.is_done());
        CHECK(code(ticket.wait_for(2'000'000)) == ErrorCode::Timeout);
        CHECK(called == 0);
        // So does the writer, for as long as the log's buffers last.
        for (std::uint64_t gold = 3; gold < 100; ++gold) {
            require(world.update(entity, Purse{gold}).wait(Durability::Memory));
        }
        CHECK(world.log_state().durable_version == 1);
        // Power is cut: what was acknowledged is there, what was only seen need not be.
        {
            const auto after = disk.after_crash({});
            auto crashed = on(*after, Durability::Synced);
            const World recovered = open_or_fail(crashed);
            CHECK(recovered.version() == 1);
        }
        stall.release();
        require(ticket.wait());
        require(world.update(entity, Purse{100}).wait());
        acknowledged = world.version();
        CHECK(world.log_state().durable_version == acknowledged);
        files.set_hook(nullptr, nullptr);
        while (called == 0) {
            std::this_thread::yield();
        }
        CHECK(called == 1);
        const auto after = disk.after_crash({});
        auto crashed = on(*after, Durability::Synced);
        const World recovered = open_or_fail(crashed);
        CHECK(recovered.version() == acknowledged);
        CHECK(recovered.get<Purse>(entity)->gold == 100);
    }
    CHECK(open_or_fail(options).version() == acknowledged);
}

TEST_CASE("published before the sync, a failed sync leaves the outcome of what was seen open until `resume`", "[wal][levels][fault]") {
    for (const bool own_thread : {true, false}) {
        CAPTURE(own_thread);
        SimulatedFileSystem disk;
        ecsdb::FaultFileSystem files{disk};
        auto options = on(files, Durability::Synced);
        options.own_thread = own_thread;
        options.publish_before_sync = true;
        World world = open_or_fail(options);
        const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
        CHECK(world.log_state().durable_version == 1);
        files.inject({.operation = ecsdb::FileOperation::Sync, .sticky = true});
        std::atomic<int> told{0};
        CHECK(code(world.update(entity, Purse{1}).wait()) == ErrorCode::OutcomeUnknown);
        CHECK(world.get<Purse>(entity)->gold == 1);
        world.update(entity, Purse{2}).then([&](ecsdb::Result<void> outcome) { told = int(code(outcome)); });
        while (told == 0) {
            world.step();
            std::this_thread::yield();
        }
        CHECK(told == int(ErrorCode::ReadOnly)); // refused: the log had failed before
        CHECK(code(world.update(entity, Purse{3}).wait()) == ErrorCode::ReadOnly);
        files.clear_faults();
        require(world.resume());
        CHECK(world.log_state().durable_version == 2);
        CHECK(world.get<Purse>(entity)->gold == 1);
        require(world.update(entity, Purse{4}).wait());
        CHECK(world.log_state().durable_version == 3);
    }
}

TEST_CASE("published before the sync, commits that came during one share the next", "[wal][levels][threads]") {
    SimulatedFileSystem disk;
    ecsdb::FaultFileSystem files{disk};
    SyncStall stall;
    auto options = on(files, Durability::Synced);
    options.own_thread = true;
    options.publish_before_sync = true;
    options.segment_bytes = std::size_t{4} << 20U;
    World world = open_or_fail(options);
    const ecsdb::Entity entity = *world.execute([](auto& state) { return state.create(Purse{0}); });
    files.set_hook(&SyncStall::wait, &stall);
    stall.on = true;
    std::vector<ecsdb::Ticket> tickets;
    for (std::uint64_t gold = 1; gold <= 6; ++gold) {
        tickets.push_back(world.update(entity, Purse{gold}));
        require(tickets.back().wait(Durability::Memory));
    }
    while (stall.stalled == 0) {
        std::this_thread::yield();
    }
    const std::uint64_t before = files.calls(ecsdb::FileOperation::Sync);
    stall.release();
    for (ecsdb::Ticket& ticket : tickets) {
        require(ticket.wait());
    }
    CHECK(files.calls(ecsdb::FileOperation::Sync) - before <= 2);
    files.set_hook(nullptr, nullptr);
}

TEST_CASE("published before the sync, closing tells everybody who waits", "[wal][levels][threads]") {
    for (const bool own_thread : {true, false}) {
        SimulatedFileSystem disk;
        auto options = on(disk, Durability::Synced);
        options.own_thread = own_thread;
        options.publish_before_sync = true;
        std::atomic<int> good{0};
        {
            World world = open_or_fail(options);
            for (std::uint64_t i = 0; i < 100; ++i) {
                auto tx = world.begin();
                static_cast<void>(tx.create(Purse{i}));
                tx.submit().then([&](ecsdb::Result<void> outcome) { good += outcome ? 1 : 0; });
            }
            require(world.close());
        }
        CHECK(good == 100);
        CHECK(open_or_fail(options).version() == 100);
    }
}

} // namespace log_participant_test
