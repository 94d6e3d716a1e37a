#include "ecsdb/transaction/writer.hpp"

#include "transaction/random_program.hpp"

#include <string>
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

} // namespace ecsdb::test::writer_test
