#include "ecsdb/producer.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::producer_test {

TEST_CASE("a producer without memory is false, and what it submits says why", "[producer]") {
    class Refusing final : public Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
            return refuses ? nullptr : system_.allocate(bytes, alignment);
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
            system_.deallocate(memory, bytes, alignment);
        }
        bool refuses = false;

    private:
        SystemAllocator system_;
    } allocator;
    Options options = stepped();
    options.allocator = &allocator;
    World8 db = open_db(options);
    allocator.refuses = true;
    World8::Producer producer = db.producer();
    allocator.refuses = false;
    CHECK_FALSE(producer);
    CHECK(code_of(producer.destroy({}).wait()) == ErrorCode::OutOfMemory);
    CHECK(code_of(producer.execute([](auto&) {})) == ErrorCode::OutOfMemory);
    CHECK(code_of(producer.update<Account>([](Account&) {})) == ErrorCode::OutOfMemory);
    auto tx = producer.begin();
    tx.create(Account{});
    CHECK(code_of(tx.commit()) == ErrorCode::OutOfMemory);
    CHECK(code_of(producer.apply(producer.changes())) == ErrorCode::OutOfMemory);
    CHECK(db.version() == 0);
}

TEST_CASE("a producer's transactions are refused once the database is closed", "[producer]") {
    World8 db = open_db();
    World8::Producer producer = db.producer();
    REQUIRE(db.close());
    CHECK(code_of(producer.destroy({}).wait()) == ErrorCode::Closed);
}

TEST_CASE("a producer writes in every form", "[producer]") {
    World8 db = open_db(stepped());
    World8::Producer producer = db.producer();
    REQUIRE(producer);
    auto tx = producer.begin();
    const Entity entity = tx.create(Account{1});
    Ticket created = tx.submit();
    Ticket updated = producer.update(entity, Account{2}); // after it, by the producer's order
    CHECK(updated.wait());
    CHECK(created.wait());
    CHECK(producer.insert(entity, Position{}).wait());
    CHECK(producer.set(entity, Level{1}).wait());
    CHECK(producer.remove<Level>(entity).wait());
    CHECK(producer.update<Account, const Position>([](Account& account, const Position&) { ++account.balance; }));
    const Result<std::int64_t> balance = producer.execute([&](auto& state) { return state.template get<Account>(entity)->balance; });
    REQUIRE(balance);
    CHECK(*balance == 3);
    auto changes = producer.changes();
    changes.create(Account{9});
    CHECK(producer.apply(changes)->size() == 1);
    CHECK(producer.update_row(entity, db.schema().find_table("Account")->id, std::as_bytes(std::span{&*balance, 1})).wait());
    World8::Producer moved = std::move(producer);
    CHECK_FALSE(producer); // NOLINT: looked at on purpose
    CHECK(moved.destroy(entity).wait());
    CHECK(db.read().entity_count() == 1);
}

TEST_CASE("a job's transactions keep their order from thread to thread", "[producer][threads]") {
    World8 db = open_db();
    const Result<Entity> made = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(made);
    const Entity entity = *made;
    std::optional<World8::Producer> producer{db.producer()};
    std::atomic<int> wrong{0};
    for (int round = 0; round < 200; ++round) {
        // Nobody waits: only the order of the producer makes each see what the one before it wrote.
        std::jthread{[&, mine = std::move(*producer)]() mutable {
            for (int i = 0; i < 10; ++i) {
                const std::int64_t expected = round * 10 + i;
                auto tx = mine.begin();
                tx.update(entity, Account{expected + 1});
                wrong += !tx.post();
            }
            producer.emplace(std::move(mine));
        }}.join();
    }
    Ticket last = producer->destroy({});
    producer.reset(); // tickets outlive it
    CHECK(last.wait());
    CHECK(wrong == 0);
    CHECK(db.get<Account>(entity)->balance == 2000);
}

TEST_CASE("producers come and go on many threads, and share their memory", "[producer][threads]") {
    World8 db = open_db();
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 100; ++i) {
                    World8::Producer producer = db.producer();
                    auto tx = producer.begin();
                    tx.create(Account{i});
                    producer.destroy({}).then([&](Result<void> outcome) { failed += !outcome; });
                    failed += !tx.commit();
                }
            });
        }
    }
    CHECK(db.read().entity_count() == 300);
    CHECK(db.close());
    CHECK(failed == 0);
}

} // namespace ecsdb::test::producer_test
