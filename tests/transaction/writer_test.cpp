#include "ecsdb/transaction/writer.hpp"

#include "transaction/random_program.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::writer_test {

TEST_CASE("after thousands of transactions, a third of them failing, the state is the plain model's", "[transaction][writer]") {
    // Mixed batches; the state is compared after each, with a view of an older version held in between.
    constexpr int transactions = 20'000;
    Options options = stepped();
    options.first_block_bytes = 4096;
    World8 db = open_db(options);
    RandomProgram program{db, 42, 40};
    World8::View held;
    std::uint64_t held_hash = 0;
    for (int done = 0; done < transactions;) {
        for (std::uint64_t left = 1 + program.below(20); left != 0; --left, ++done) {
            program.submit(1 + program.below(8));
        }
        if (program.below(10) == 0) {
            program.function(10);
        }
        if (program.below(25) == 0) {
            program.column_update();
        }
        CAPTURE(done);
        const std::string wrong = program.run();
        REQUIRE(wrong.empty());
        if (held) {
            REQUIRE(held.hash() == held_hash);
        }
        if (program.below(50) == 0) {
            held = db.read();
            held_hash = held.hash();
        }
    }
    CHECK(program.failures() > transactions / 5);
    CHECK(db.statistics().failed == program.failures());
}

TEST_CASE("a batch takes at most 32 commands, and its version is its last transaction's", "[transaction][writer]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(Account{0});
    REQUIRE(tx.commit());
    for (int i = 1; i <= 70; ++i) {
        static_cast<void>(db.update(entity, Account{i}));
    }
    const std::uint64_t expected[] = {33, 65, 71};
    for (const std::uint64_t version : expected) {
        REQUIRE(db.step());
        CHECK(db.version() == version);
        CHECK(db.get<Account>(entity)->balance == std::int64_t(version - 1));
    }
    CHECK_FALSE(db.step());
    CHECK(db.statistics().committed == 71);
}

TEST_CASE("a batch ends with as many transactions as were asked for", "[transaction][writer]") {
    const std::size_t most = GENERATE(std::size_t{1}, std::size_t{5}, std::size_t{33}, std::size_t{100}, std::size_t{8192});
    Options options = stepped();
    options.batch_transactions = most;
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    for (int i = 1; i <= 230; ++i) {
        static_cast<void>(db.update(*entity, Account{i}));
    }
    for (std::uint64_t done = 0; done < 230;) {
        REQUIRE(db.step());
        done = std::min<std::uint64_t>(230, done + most);
        CHECK(db.version() == 1 + done);
    }
    CHECK_FALSE(db.step());
    CHECK(db.statistics().batches == 1 + (230 + most - 1) / most);
}

TEST_CASE("a batch is held open for more to come until its time is up, or it is full", "[transaction][writer]") {
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    options.batch_ns = 1000;
    options.batch_transactions = 40;
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); }); // who waits does not wait for more
    REQUIRE(entity);
    REQUIRE(db.version() == 1);

    Ticket first = db.update(*entity, Account{1});
    CHECK(db.step());
    CHECK_FALSE(db.step());
    CHECK_FALSE(first.is_done());
    clock.advance(999);
    Ticket second = db.update(*entity, Account{2});
    CHECK(db.step());
    CHECK_FALSE(db.step());
    CHECK(db.version() == 1);
    CHECK(db.get<Account>(*entity)->balance == 0);
    clock.advance(1); // since the first, not since the last
    CHECK(db.step());
    CHECK(db.version() == 3);
    CHECK(first.is_done());
    CHECK(second.is_done());
    CHECK(db.get<Account>(*entity)->balance == 2);
    CHECK(db.statistics().batches == 2);

    for (int i = 0; i < 41; ++i) {
        static_cast<void>(db.update(*entity, Account{i}));
    }
    CHECK(db.step());
    CHECK(db.version() == 43);
    CHECK(db.step()); // the last one is held
    CHECK(db.version() == 43);

    SECTION("the end of the database ends it") {
        CHECK(db.close());
        CHECK(db.version() == 44);
        CHECK(db.get<Account>(*entity)->balance == 40);
    }
    SECTION("so does a caller who waits for it") {
        CHECK(db.wait_for_version(44, 0));
        CHECK(db.version() == 44);
    }
    SECTION("so does one who waits for room") {
        auto tx = db.begin();
        tx.update(*entity, Account{7});
        CHECK(tx.commit());
        CHECK(db.version() == 45);
    }
    SECTION("a failure in it does not end it, and one alone is told at once") {
        Ticket failing = db.insert(*entity, Account{1});
        CHECK(db.step());
        CHECK_FALSE(failing.is_done());
        clock.advance(1000);
        CHECK(db.step());
        CHECK(code_of(failing.wait()) == ErrorCode::AlreadyExists);
        Ticket alone = db.insert(*entity, Account{1});
        CHECK(db.step());
        CHECK(alone.is_done());
        CHECK(code_of(alone.wait()) == ErrorCode::AlreadyExists);
    }
    SECTION("views come and go meanwhile, and are given what they need") {
        auto held = db.read();
        const std::uint64_t hash = held.hash();
        for (int i = 0; i < 10; ++i) {
            static_cast<void>(db.update(*entity, Account{100 + i}));
            static_cast<void>(db.step());
            static_cast<void>(db.step()); // rests
            CHECK(db.read().hash() == hash);
        }
        held = {};
        static_cast<void>(db.step());
        CHECK(db.read().hash() == hash);
        clock.advance(1000);
        CHECK(db.step());
        CHECK(db.get<Account>(*entity)->balance == 109);
    }
}

TEST_CASE("a writer with a thread of its own ends a batch it holds when its time is up", "[transaction][writer][threads]") {
    Options options;
    options.batch_ns = GENERATE(std::uint64_t{20'000}, std::uint64_t{2'000'000});
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}, Target{0}); });
    REQUIRE(entity);
    for (int round = 0; round < 20; ++round) {
        Ticket last = db.update(*entity, Account{round});
        for (int i = 0; i < 50; ++i) {
            last = db.update(*entity, Target{static_cast<std::uint64_t>(i)});
        }
        CHECK(last.wait());
    }
    CHECK(db.get<Account>(*entity)->balance == 19);
    CHECK(db.version() == 1 + 20 * 51);
    static_cast<void>(db.update(*entity, Account{50}));
    CHECK(db.close());
    CHECK(db.get<Account>(*entity)->balance == 50);
}

TEST_CASE("the time of a commit is the clock's in whole microseconds, and never goes back", "[transaction][writer]") {
    SimulatedClock clock{5'000'000'999};
    Options options = stepped();
    options.clock = &clock;
    World8 db = open_db(options);
    const auto commit = [&] {
        REQUIRE(db.execute([](auto& state) { return state.create(); }));
        return db.read().time_ns();
    };
    CHECK(commit() == 5'000'000'000);
    clock.set_wall(4'000'000'000);
    CHECK(commit() == 5'000'000'000);
    clock.set_wall(6'000'000'000);
    CHECK(commit() == 6'000'000'000);
}

TEST_CASE("without memory a transaction fails and the database goes on", "[transaction][writer]") {
    CountingAllocator allocator;
    {
        Options options = stepped();
        options.allocator = &allocator;
        options.first_block_bytes = 4096;
        options.max_block_bytes = 8192;
        Recorder recorder;
        World8 db = open_db(options);
        db.engine().pipeline().writer().join(recorder);
        auto first = db.begin();
        const Entity entity = first.create(Account{1});
        REQUIRE(first.commit());
        std::uint64_t refusals = 0;
        for (std::uint64_t allowed = 0; allowed < 300; ++allowed) {
            CAPTURE(allowed);
            const std::uint64_t before = db.read().hash();
            auto tx = db.begin();
            for (int i = 0; i < 20; ++i) {
                tx.create(Position{}, Visible{}, Wide{}, Target{});
            }
            tx.update(entity, Account{2});
            Ticket ticket = tx.submit();
            REQUIRE(ticket.is_submitted());
            allocator.refuse_from = allocator.calls + allowed;
            step_all(db);
            allocator.refuse_from = CountingAllocator::never;
            const Result<void> result = ticket.wait();
            if (result) {
                break;
            }
            ++refusals;
            CHECK(result.error().code() == ErrorCode::OutOfMemory);
            REQUIRE(db.read().hash() == before);
            REQUIRE(db.read().entity_version(entity) == 1U);
        }
        CHECK(refusals > 0);
        CHECK(db.get<Account>(entity)->balance == 2);
        CHECK(recorder.steps.size() == db.version());
    }
    CHECK(allocator.mismatches == 0);
}

TEST_CASE("at the memory limit writes are refused and reads go on; once a view lets go, there is room again", "[transaction][writer]") {
    Options options = stepped();
    options.first_block_bytes = 16384;
    options.max_block_bytes = 65536;
    options.memory_limit = std::size_t{900} << 10U;
    World8 db = open_db(options);
    std::vector<Entity> entities;
    for (int i = 0; i < 100; ++i) {
        const Result<Entity> entity = db.execute([](auto& state) { return state.create(Wide{}); });
        REQUIRE(entity);
        entities.push_back(*entity);
    }
    auto held = db.read();
    const std::uint64_t before = held.hash();
    // Every page that changes is kept for the view as well.
    Wide changed{};
    changed.words[3] = 7;
    std::size_t updated = 0;
    Result<void> result;
    while (updated < entities.size() && (result = db.update(entities[updated], changed).wait())) {
        ++updated;
    }
    REQUIRE(updated < entities.size());
    CHECK(result.error().code() == ErrorCode::OutOfMemory);
    CHECK(code_of(db.update(entities[updated], changed).wait()) == ErrorCode::OutOfMemory);
    CHECK(held.hash() == before);
    CHECK(db.get<Wide>(entities[0])->words[3] == 7);
    held = {};
    static_cast<void>(db.update(entities[updated], changed).wait()); // this one may still find what has not been looked at
    for (; updated < entities.size(); ++updated) {
        REQUIRE(db.update(entities[updated], changed).wait());
    }
}

TEST_CASE("a failed transaction gives back the memory it took, though nothing is published", "[transaction][writer]") {
    World8 db = open_db(stepped());
    std::vector<Entity> entities;
    auto tx = db.begin();
    for (int i = 0; i < 200; ++i) {
        entities.push_back(tx.create());
    }
    REQUIRE(tx.commit());
    const std::size_t before = db.statistics().used_bytes;
    const Result<void> failed = db.execute([&](auto& state) -> Result<void> {
        for (const Entity entity : entities) {
            REQUIRE(state.insert(entity, Wide{}));
        }
        CHECK(db.statistics().used_bytes > before + entities.size() * sizeof(Wide));
        return Error{ErrorCode::Aborted, "never mind"};
    });
    REQUIRE(code_of(failed) == ErrorCode::Aborted);
    CHECK(db.statistics().used_bytes < before + 20 * sizeof(Wide));
}

TEST_CASE("after a peak an idle writer gives memory back, and a later peak finds some", "[transaction][writer]") {
    CountingAllocator allocator;
    SimulatedClock clock;
    {
        Options options = stepped();
        options.allocator = &allocator;
        options.clock = &clock;
        options.trim_after_ns = 1'000'000;
        World8 db = open_db(options);
        const Result<Entity> survivor = db.execute([](auto& state) { return state.create(Account{5}, Position{1, 2, 3}); });
        REQUIRE(survivor);
        for (int peak = 0; peak < 3; ++peak) {
            CAPTURE(peak);
            constexpr std::uint32_t count = 4000;
            const Entity first = create_zeroed<Wide, Position, Account>(db, count);
            auto held = db.read();
            const std::size_t before = db.statistics().allocated_bytes;
            CHECK(before > count * sizeof(Wide));
            destroy_many(db, first, count);
            // Everything is still there for the view.
            step_all(db);
            clock.advance(2'000'000);
            step_all(db);
            CHECK(db.statistics().allocated_bytes >= before);
            CHECK(held.count<Wide>() == count);
            held = {};
            step_all(db);
            clock.advance(2'000'000);
            step_all(db);
            const Statistics statistics = db.statistics();
            CHECK(statistics.allocated_bytes < before / 4);
            CHECK(allocator.live_bytes < before / 2);
            CHECK(statistics.returned_bytes > std::size_t(peak + 1) * (before / 2));
            CHECK(db.get<Account>(*survivor)->balance == 5);
            CHECK(db.read().hash() == db.read().hash());
        }
    }
    CHECK(allocator.mismatches == 0);
}

TEST_CASE("memory is not given back before the writer has rested long enough", "[transaction][writer]") {
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    options.trim_after_ns = GENERATE(std::uint64_t{1'000'000}, no_timeout);
    World8 db = open_db(options);
    const Entity first = create_zeroed<Wide>(db, 4000);
    destroy_many(db, first, 4000);
    step_all(db);
    for (int i = 0; i < 10; ++i) {
        clock.advance(999'999);
        static_cast<void>(db.destroy({}).wait()); // writing puts it off
        step_all(db);
        CHECK(db.statistics().returned_bytes == 0);
    }
    clock.advance(1'000'000);
    step_all(db);
    CHECK((db.statistics().returned_bytes != 0) == (options.trim_after_ns != no_timeout));
}

TEST_CASE("an idle writer with a thread of its own trims while others read and write", "[transaction][writer][threads]") {
    Options options;
    options.trim_after_ns = 0;
    World8 db = open_db(options);
    static_cast<void>(create_zeroed<Account>(db, 1000));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    {
        std::jthread reader{[&] {
            while (!stop) {
                const auto view = db.read();
                std::int64_t sum = 0;
                view.each<Account>([&](const Account& account) { sum += account.balance; });
                wrong += sum % 1000 != 0;
            }
        }};
        std::jthread updater{[&] {
            while (!stop) {
                wrong += !db.update<Account>([](Account& account) { ++account.balance; });
            }
        }};
        for (int round = 0; round < 10; ++round) {
            const Entity first = create_zeroed<Wide>(db, 1500);
            destroy_many(db, first, 1500);
        }
        stop = true;
    }
    CHECK(wrong == 0);
    // A compaction that came amid all this puts the next one off for some rests; after each of these writes there is one.
    SystemClock clock;
    for (const std::uint64_t begun = clock.monotonic_ns();
         db.statistics().allocated_bytes > (std::size_t{6} << 20U) && clock.monotonic_ns() - begun < 60'000'000'000;) {
        static_cast<void>(db.destroy({}).wait());
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    CHECK(db.statistics().allocated_bytes <= (std::size_t{6} << 20U));
    CHECK(db.statistics().returned_bytes > 0);
    static_cast<void>(create_zeroed<Wide>(db, 1500));
}

} // namespace ecsdb::test::writer_test
