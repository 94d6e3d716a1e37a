#include "ecsdb/transaction/function.hpp"

#include "transaction/random_program.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::function_test {

using State = World8::WriteState;

TEST_CASE("an error from a function rolls everything back, to the byte", "[transaction][function]") {
    const bool own_thread = GENERATE(false, true);
    Options options;
    options.own_thread = own_thread;
    World8 db = open_db(options);
    auto tx = db.begin();
    const Entity alice = tx.create(Account{100}, Position{});
    const Entity bob = tx.create(Account{50}, Burning{});
    REQUIRE(tx.commit());
    const std::uint64_t before = db.read().hash();
    Entity ghost;
    const Result<int> result = db.execute([&](State& state) -> Result<int> {
        ghost = *state.create(Position{}, Target{7});
        CHECK(state.update(alice, Account{0}));
        CHECK(state.remove<Position>(alice));
        CHECK(state.destroy(bob));
        CHECK_FALSE(state.is_alive(bob));
        CHECK(state.get<Account>(alice)->balance == 0);
        CHECK(state.get<Target>(ghost)->entity == 7);
        return Error{ErrorCode::Conflict, "not today"};
    });
    REQUIRE_FALSE(result);
    CHECK(result.error().to_string() == "Conflict: not today");
    CHECK(db.read().hash() == before);
    CHECK(db.version() == 1);
    CHECK(db.read().entity_version(alice) == 1U);
    CHECK(db.read().entity_version(bob) == 1U);
    CHECK_FALSE(db.read().is_alive(ghost));
}

#if ECSDB_EXCEPTIONS
TEST_CASE("an exception rolls back and becomes an error", "[transaction][function]") {
    World8 db = open_db();
    auto tx = db.begin();
    const Entity alice = tx.create(Account{100});
    REQUIRE(tx.commit());
    const std::uint64_t before = db.read().hash();
    const Result<void> known = db.execute([&](State& state) {
        CHECK(state.update(alice, Account{1}));
        throw std::runtime_error{"no more dragons"};
    });
    REQUIRE_FALSE(known);
    CHECK(known.error().code() == ErrorCode::Aborted);
    CHECK(known.error().message().find("no more dragons") != std::string::npos);
    const Result<int> unknown = db.execute([&](State& state) -> int {
        CHECK(state.destroy(alice));
        throw 5;
    });
    CHECK(code_of(unknown) == ErrorCode::Aborted);
    CHECK(db.read().hash() == before);
    CHECK(db.read().entity_version(alice) == 1U);
}
#endif

TEST_CASE("a function reads what it writes, and what ran before it", "[transaction][function]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const Entity alice = tx.create(Account{1});
    Ticket first = tx.submit();
    Ticket second = db.update(alice, Account{2});
    const Result<std::int64_t> seen = db.execute([&](State& state) -> Result<std::int64_t> {
        const std::int64_t before = state.get<Account>(alice)->balance;
        CHECK(state.update(alice, Account{before * 10}));
        CHECK(state.set(alice, Position{1, 2, 3}));
        CHECK(*state.get<Position>(alice) == Position{1, 2, 3});
        CHECK(state.remove<Position>(alice));
        CHECK(state.get<Position>(alice) == nullptr);
        CHECK(code_of(state.insert(alice, Account{})) == ErrorCode::AlreadyExists);
        CHECK(code_of(state.update(alice, Velocity{})) == ErrorCode::NotFound);
        CHECK(code_of(state.update(Entity{9, 1, 4}, Account{})) == ErrorCode::WrongShard);
        return before;
    });
    REQUIRE(seen);
    CHECK(*seen == 2);
    CHECK(first.wait());
    CHECK(second.wait());
    CHECK(db.get<Account>(alice)->balance == 20);
    CHECK(db.version() == 3);
}

TEST_CASE("what a function returns comes back, also what can only be moved", "[transaction][function]") {
    World8 db = open_db();
    Result<std::unique_ptr<int>> moved = db.execute([](State&) { return std::make_unique<int>(7); });
    REQUIRE(moved);
    CHECK(**moved == 7);
    CHECK(db.execute([](State&) {}));
    CHECK(db.execute([](State&) { return Result<void>{}; }));
    Result<std::string> text = db.execute([](State&) { return std::string(1000, 'x'); });
    REQUIRE(text);
    CHECK(text->size() == 1000);
}

TEST_CASE("waiting from inside a function is refused, not waited for", "[transaction][function]") {
    Options options;
    options.own_thread = GENERATE(false, true);
    World8 db = open_db(options);
    auto tx = db.begin();
    const Entity alice = tx.create(Account{1});
    REQUIRE(tx.commit());
    Ticket queued;
    const Result<void> outer = db.execute([&](State& state) -> Result<void> {
        CHECK(state.update(alice, Account{2}));
        CHECK(code_of(db.execute([](State&) {})) == ErrorCode::WouldDeadlock);
        CHECK(code_of(db.update<Account>([](Account&) {})) == ErrorCode::WouldDeadlock);
        queued = db.update(alice, Account{3});
        CHECK(queued.is_submitted());
        CHECK(code_of(queued.wait()) == ErrorCode::WouldDeadlock);
        CHECK(code_of(queued.wait_for(0)) == ErrorCode::WouldDeadlock);
        CHECK_FALSE(db.step());
        CHECK(code_of(db.wait_for_version(100)) == ErrorCode::WouldDeadlock);
        auto inner = db.begin();
        inner.create();
        CHECK(code_of(inner.commit()) == ErrorCode::WouldDeadlock); // queued all the same
        return {};
    });
    CHECK(outer);
    CHECK(queued.wait());
    CHECK(db.get<Account>(alice)->balance == 3);
}

TEST_CASE("a function that ends after its deadline is rolled back", "[transaction][function]") {
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    World8 db = open_db(options);
    const std::uint64_t deadline = clock.monotonic_ns() + 1000;
    const Result<Entity> in_time = db.with_deadline(deadline).execute([&](State& state) { return state.create(Account{1}); });
    REQUIRE(in_time);
    const Result<void> late = db.with_deadline(deadline).execute([&](State& state) {
        clock.advance(1001);
        return state.update(*in_time, Account{2});
    });
    CHECK(code_of(late) == ErrorCode::Timeout);
    CHECK(db.get<Account>(*in_time)->balance == 1);
}

TEST_CASE("many entities at once are consecutive and hold their rows", "[transaction][function]") {
    World8 db = open_db();
    const auto count = GENERATE(0U, 1U, 63U, 64U, 65U, 300U, 20'000U);
    CAPTURE(count);
    std::vector<Account> accounts(count);
    std::vector<Position> positions(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        accounts[i].balance = i;
        positions[i] = {float(i), 0, 0};
    }
    for (int round = 0; round < 2; ++round) {
        const Result<Entity> first = db.execute([&](State& state) {
            return state.create_many(count, std::span<const Position>{positions}, std::span<const Account>{accounts});
        });
        REQUIRE(first);
        const auto view = db.read();
        for (std::uint32_t i = 0; i < count; ++i) {
            const Entity entity{first->index() + i, first->generation(), first->shard()};
            REQUIRE(view.get<Account>(entity)->balance == i);
            REQUIRE(view.get<Position>(entity)->x == float(i));
            REQUIRE(view.entity_version(entity) == 1U);
        }
        CHECK(view.entity_count() == std::uint64_t{count} * static_cast<unsigned>(round + 1));
    }
    const Result<void> undone = db.execute([&](State& state) -> Result<void> {
        CHECK(state.create_many(count, std::span<const Position>{positions}));
        return Error{ErrorCode::Aborted, "no"};
    });
    CHECK_FALSE(undone);
    CHECK(db.read().entity_count() == std::uint64_t{count} * 2);
}

TEST_CASE("a function that goes on after an operation ran out of memory is rolled back", "[transaction][function]") {
    CountingAllocator allocator;
    {
        Options options = stepped();
        options.allocator = &allocator;
        options.first_block_bytes = 4096;
        options.max_block_bytes = 8192;
        World8 db = open_db(options);
        std::uint64_t refusals = 0;
        for (std::uint64_t allowed = 0; allowed < 60; ++allowed) {
            CAPTURE(allowed);
            const std::uint64_t before = db.read().hash();
            const std::uint64_t version = db.version();
            bool refused = false;
            const Result<void> result = db.execute([&](State& state) {
                allocator.refuse_from = allocator.calls + allowed;
                for (int i = 0; i < 40; ++i) {
                    const Result<Entity> entity = state.create(Position{}, Visible{}, Target{1});
                    const Result<Entity> many = state.template create_many<>(100);
                    refused = refused || !entity || !many;
                }
                allocator.refuse_from = CountingAllocator::never;
            });
            if (!refused) {
                CHECK(result);
                break;
            }
            ++refusals;
            CHECK(code_of(result) == ErrorCode::OutOfMemory);
            CHECK(db.read().hash() == before);
            CHECK(db.version() == version);
        }
        CHECK(refusals > 0);
        CHECK(db.execute([](State& state) { return state.create(Position{}); }));
    }
    CHECK(allocator.mismatches == 0);
}

TEST_CASE("functions of many threads run one after the other", "[transaction][function][threads]") {
    World8 db = open_db();
    const Result<Entity> counter = db.execute([](State& state) { return state.create(Account{0}); });
    REQUIRE(counter);
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 200; ++i) {
                    failed += !db.execute(
                        [&](State& state) { return state.update(*counter, Account{state.get<Account>(*counter)->balance + 1}); });
                }
            });
        }
    }
    CHECK(failed == 0);
    CHECK(db.get<Account>(*counter)->balance == 800);
}

} // namespace ecsdb::test::function_test
