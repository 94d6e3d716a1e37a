#include "ecsdb/transaction/transaction.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::transaction_test {
namespace {

/// Entity with a position and an account, in a database that is stepped by hand.
struct Bank {
    World8 db = open_db(stepped());
    Entity alice;
    Entity bob;

    Bank() {
        auto tx = db.begin();
        alice = tx.create(Account{100}, Position{1, 2, 3});
        bob = tx.create(Account{50});
        REQUIRE(tx.commit());
    }
};

std::span<const std::byte> bytes_of_text(const std::string& text) {
    return std::as_bytes(std::span{text});
}

} // namespace

TEST_CASE("each operation that cannot be done fails its transaction with a reason that names it", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    const Entity dead = [&] {
        auto tx = db.begin();
        const Entity entity = tx.create();
        REQUIRE(tx.commit());
        REQUIRE(db.destroy(entity).wait());
        return entity;
    }();
    const Entity foreign{bank.alice.index(), bank.alice.generation(), 9};
    const Entity reborn{bank.alice.index(), bank.alice.generation() + 1, 0};
    const std::uint64_t before = db.read().hash();
    const std::uint64_t version = db.version();
    const auto fails = [&](ErrorCode code, const char* word, auto&& operation) {
        auto tx = db.begin();
        tx.update(bank.alice, Account{0}); // takes its own change along
        operation(tx);
        tx.update(bank.bob, Account{0});
        const Result<void> result = tx.commit();
        REQUIRE_FALSE(result);
        CAPTURE(result.error().to_string());
        CHECK(result.error().code() == code);
        CHECK(result.error().message().find(word) != std::string::npos);
        CHECK(db.read().hash() == before);
        CHECK(db.version() == version);
    };
    fails(ErrorCode::AlreadyExists, "insert `Account`", [&](auto& tx) { tx.insert(bank.alice, Account{1}); });
    fails(ErrorCode::AlreadyExists, "insert `Target`", [&](auto& tx) { tx.insert(bank.alice, Target{1}).insert(bank.alice, Target{1}); });
    fails(ErrorCode::NotFound, "update `Position`", [&](auto& tx) { tx.update(bank.bob, Position{}); });
    fails(ErrorCode::NotFound, "update `Target`", [&](auto& tx) { tx.update(bank.bob, Target{}); });
    fails(ErrorCode::NotFound, "update a field of `Position`", [&](auto& tx) { tx.update(bank.bob, &Position::y, 1.0F); });
    fails(ErrorCode::NotFound, "insert `Position`", [&](auto& tx) { tx.insert(dead, Position{}); });
    fails(ErrorCode::NotFound, "update `Account`", [&](auto& tx) { tx.update(dead, Account{}); });
    fails(ErrorCode::NotFound, "set `Account`", [&](auto& tx) { tx.set(reborn, Account{}); });
    fails(ErrorCode::NotFound, "set `Account`", [&](auto& tx) { tx.set(Entity{}, Account{}); });
    fails(ErrorCode::NotFound, "set `Burning`", [&](auto& tx) { tx.destroy(bank.bob).set(bank.bob, Burning{}); });
    fails(ErrorCode::WrongShard, "shard 9", [&](auto& tx) { tx.insert(foreign, Position{}); });
    fails(ErrorCode::WrongShard, "shard 9", [&](auto& tx) { tx.update(foreign, Position{}); });
    fails(ErrorCode::WrongShard, "shard 9", [&](auto& tx) { tx.set(foreign, Position{}); });
    fails(ErrorCode::WrongShard, "shard 9", [&](auto& tx) { tx.template remove<Position>(foreign); });
    fails(ErrorCode::WrongShard, "shard 9", [&](auto& tx) { tx.destroy(foreign); });
    fails(ErrorCode::WrongShard, "shard 9", [&](auto& tx) { tx.update(foreign, &Position::y, 1.0F); });
    CHECK(db.statistics().failed == 16);
}

TEST_CASE("removing and destroying what is not there changes nothing and is no failure", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    const std::uint64_t before = db.read().hash();
    auto tx = db.begin();
    const Entity nobody{4000000, 1, 0};
    tx.remove<Velocity>(bank.alice)
        .remove<Target>(bank.alice)
        .remove<Burning>(bank.bob)
        .remove<Position>(nobody)
        .destroy(nobody)
        .destroy({});
    REQUIRE(tx.commit());
    CHECK(db.read().hash() == before);
    CHECK(db.read().entity_version(bank.alice) == 1U);
    CHECK(db.version() == 2);
}

TEST_CASE("what makes no sense in itself is refused when the transaction is submitted, and nothing of it is queued", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    const auto refused = [&](auto&& operation) {
        auto tx = db.begin();
        tx.update(bank.alice, Account{0});
        operation(static_cast<Transaction&>(tx));
        tx.update(bank.alice, Account{1});
        Ticket ticket = tx.submit();
        CHECK_FALSE(ticket.is_submitted());
        CHECK(ticket.is_done());
        CHECK(code_of(ticket.wait()) == ErrorCode::InvalidArgument);
        CHECK(code_of(ticket.wait()) == ErrorCode::InvalidArgument); // it was never queued: the ticket itself knows
    };
    const std::string bytes(12, 'x');
    refused([&](Transaction& tx) { tx.insert_row(bank.bob, 99, bytes_of_text(bytes)); });
    refused([&](Transaction& tx) { tx.insert_row(bank.bob, 0, bytes_of_text(bytes).first(11)); });
    refused([&](Transaction& tx) { tx.update_row(bank.alice, 2, bytes_of_text(bytes)); });
    refused([&](Transaction& tx) { tx.set_row(bank.alice, 4, bytes_of_text(bytes)); }); // a tag has no bytes
    refused([&](Transaction& tx) { tx.remove_row(bank.alice, 8); });
    refused([&](Transaction& tx) { tx.update_part(bank.alice, 0, 9, bytes_of_text(bytes).first(4)); });
    refused([&](Transaction& tx) { tx.update_part(bank.alice, 0, 0xFFFFFFFF, bytes_of_text(bytes).first(1)); });
    refused([&](Transaction& tx) { tx.update_part(bank.alice, 70, 0, {}); });
    CHECK_FALSE(db.step());
    CHECK(db.get<Account>(bank.alice)->balance == 100);
}

TEST_CASE("a transaction that fails leaves its neighbours of the same batch alone", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    std::vector<Ticket> tickets;
    for (int i = 0; i < 30; ++i) {
        auto tx = db.begin();
        const Account account = *db.get<Account>(bank.alice);
        static_cast<void>(account);
        tx.update(bank.alice, Account{i}).set(bank.alice, Target{static_cast<std::uint64_t>(i)});
        tx.create(Position{float(i), 0, 0});
        if (i % 3 == 1) {
            tx.update(bank.bob, Account{-i}).insert(bank.alice, Position{});
        }
        tickets.push_back(tx.submit());
    }
    CHECK(db.version() == 1);
    CHECK(db.step());
    CHECK_FALSE(db.step());
    CHECK(db.statistics().batches == 2);
    for (int i = 0; i < 30; ++i) {
        CAPTURE(i);
        CHECK(tickets[static_cast<std::size_t>(i)].is_done());
        CHECK(code_of(tickets[static_cast<std::size_t>(i)].wait()) == (i % 3 == 1 ? ErrorCode::AlreadyExists : success));
    }
    const auto view = db.read();
    CHECK(view.version() == 21);
    CHECK(view.get<Account>(bank.alice)->balance == 29);
    CHECK(view.get<Target>(bank.alice)->entity == 29);
    CHECK(view.get<Account>(bank.bob)->balance == 50);
    CHECK(view.count<Position>() == 21);
    CHECK(view.entity_version(bank.alice) == 21U);
    CHECK(view.entity_version(bank.bob) == 1U);
}

TEST_CASE("a batch in which every transaction fails publishes nothing", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    const auto view = db.read();
    const std::uint64_t before = view.hash();
    std::vector<Ticket> tickets;
    for (int i = 0; i < 5; ++i) {
        auto tx = db.begin();
        tx.create(Position{}, Wide{}, Burning{});
        tx.insert(bank.alice, Account{});
        tickets.push_back(tx.submit());
    }
    CHECK(db.step());
    CHECK(db.version() == 1);
    for (Ticket& ticket : tickets) {
        CHECK(code_of(ticket.wait()) == ErrorCode::AlreadyExists);
    }
    REQUIRE(db.update(bank.alice, Account{7}).wait());
    CHECK(db.version() == 2);
    CHECK(view.hash() == before);
    REQUIRE(db.update(bank.alice, Account{100}).wait());
    CHECK(db.read().hash() == before);
}

TEST_CASE("nothing happens before a transaction is submitted, nor if it is dropped", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    const std::uint64_t before = db.read().hash();
    Entity burnt;
    {
        auto tx = db.begin();
        burnt = tx.create(Position{});
        tx.destroy(bank.alice);
        auto moved = std::move(tx);
        moved.destroy(bank.bob);
    }
    CHECK_FALSE(db.step());
    CHECK(db.read().hash() == before);
    CHECK_FALSE(db.read().is_alive(burnt));
    // The dropped transaction's buffer serves the next one, empty.
    auto tx = db.begin();
    tx.update(bank.bob, Account{51});
    REQUIRE(tx.commit());
    CHECK(db.read().is_alive(bank.alice));
    CHECK(db.get<Account>(bank.bob)->balance == 51);
}

TEST_CASE("the id of an entity being created can be referred to at once", "[transaction]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const Entity child = tx.create();
    const Entity parent = tx.create(Target{child.to_bits()});
    tx.insert(child, Target{parent.to_bits()}).insert(child, Position{4, 5, 6}).update(child, &Position::y, 50.0F);
    REQUIRE(tx.commit());
    const auto view = db.read();
    CHECK(view.get<Target>(child)->entity == parent.to_bits());
    CHECK(view.get<Target>(parent)->entity == child.to_bits());
    CHECK(*view.get<Position>(child) == Position{4, 50, 6});
    CHECK(view.entity_version(child) == 1U);
}

TEST_CASE("the reserved id of a transaction that never commits names nothing, ever", "[transaction]") {
    World8 db = open_db(stepped());
    std::set<Entity> given;
    std::set<Entity> committed;
    for (int round = 0; round < 300; ++round) {
        auto tx = db.begin();
        const Entity a = tx.create(Position{});
        const Entity b = tx.create();
        REQUIRE(given.insert(a).second);
        REQUIRE(given.insert(b).second);
        const bool fails = round % 3 == 0;
        if (fails) {
            tx.insert(a, Position{});
        }
        CHECK(code_of(tx.commit()) == (fails ? ErrorCode::AlreadyExists : success));
        if (!fails) {
            committed.insert({a, b});
        }
        if (round % 5 == 0 && !committed.empty()) {
            const Entity victim = *committed.begin();
            committed.erase(committed.begin());
            REQUIRE(db.destroy(victim).wait());
        }
    }
    const auto view = db.read();
    for (const Entity entity : given) {
        CHECK(view.is_alive(entity) == (committed.count(entity) != 0));
    }
}

TEST_CASE("the index of a destroyed entity comes back with the next generation, first freed first", "[transaction]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    std::vector<Entity> first;
    for (std::uint32_t i = 0; i < transaction::EntityIds::block_size; ++i) {
        first.push_back(tx.create()); // uses up the block that was reserved
    }
    REQUIRE(tx.commit());
    const std::array order{first[9], first[3], first[40]};
    for (const Entity entity : order) {
        REQUIRE(db.destroy(entity).wait());
    }
    auto again = db.begin();
    for (const Entity old : order) {
        CHECK(again.create() == Entity{old.index(), old.generation() + 1, 0});
    }
    REQUIRE(again.commit());
    const auto view = db.read();
    for (const Entity old : order) {
        CHECK_FALSE(view.is_alive(old));
        CHECK(view.entity_version(Entity{old.index(), 2, 0}) == 1U);
    }
}

TEST_CASE("an entity created and destroyed by one transaction spends its generation", "[transaction]") {
    World8 db = open_db(stepped());
    std::set<Entity> given;
    for (int round = 0; round < 200; ++round) {
        auto tx = db.begin();
        const Entity entity = tx.create(Position{}, Burning{});
        REQUIRE(given.insert(entity).second);
        tx.destroy(entity);
        REQUIRE(tx.commit());
        CHECK_FALSE(db.read().is_alive(entity));
    }
    CHECK(db.read().entity_count() == 0);
    CHECK(db.read().count<Burning>() == 0);
}

TEST_CASE("one member is overwritten, and the others are not", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    auto tx = db.begin();
    tx.update(bank.alice, &Position::z, 30.0F);
    REQUIRE(tx.commit());
    CHECK(*db.get<Position>(bank.alice) == Position{1, 2, 30});
}

TEST_CASE("operations of one transaction build on each other", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    auto tx = db.begin();
    tx.remove<Account>(bank.alice)
        .insert(bank.alice, Account{1})
        .set(bank.alice, Burning{})
        .remove<Burning>(bank.alice)
        .insert(bank.alice, Burning{})
        .set(bank.alice, Visible{})
        .update(bank.alice, Visible{})
        .update(bank.alice, Account{2})
        .destroy(bank.bob)
        .destroy(bank.bob);
    REQUIRE(tx.commit());
    const auto view = db.read();
    CHECK(view.get<Account>(bank.alice)->balance == 2);
    CHECK(view.has<Burning>(bank.alice));
    CHECK(view.has<Visible>(bank.alice));
    CHECK_FALSE(view.is_alive(bank.bob));
}

TEST_CASE("transactions larger than the ring are applied whole", "[transaction]") {
    const auto operations =
        GENERATE(std::size_t{100}, std::size_t{255}, std::size_t{256}, std::size_t{257}, std::size_t{26'000}, std::size_t{100'000});
    const bool fails = GENERATE(false, true);
    CAPTURE(operations, fails);
    Bank bank;
    World8& db = bank.db;
    const std::uint64_t before = db.read().hash();
    auto tx = db.begin();
    std::vector<Entity> created;
    for (std::size_t i = 0; i < operations; ++i) {
        if (i % 10 == 0) {
            created.push_back(tx.create(Position{float(i), 0, 0}));
        } else {
            tx.update(created.back(), Position{float(i), 0, 0});
        }
    }
    if (fails) {
        tx.update(created.front(), Velocity{});
    }
    CHECK(code_of(tx.commit()) == (fails ? ErrorCode::NotFound : success));
    const auto view = db.read();
    if (fails) {
        CHECK(view.hash() == before);
        return;
    }
    CHECK(view.entity_count() == 2 + created.size());
    for (std::size_t i = 0; i < created.size(); ++i) {
        const std::size_t last = std::min(i * 10 + 9, operations - 1);
        REQUIRE(view.get<Position>(created[i])->x == float(last));
    }
    CHECK(view.entity_version(created.front()) == 1U);
}

TEST_CASE("a single row larger than the ring's commands is applied", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    auto wide = std::make_unique<Wide>();
    for (std::uint32_t i = 0; i < 1200; ++i) {
        wide->words[i] = i * i;
    }
    REQUIRE(db.insert(bank.alice, *wide).wait());
    wide->words[1199] = 7;
    REQUIRE(db.set(bank.alice, *wide).wait());
    const auto view = db.read();
    CHECK(std::memcmp(view.get<Wide>(bank.alice), wide.get(), sizeof(Wide)) == 0);
    CHECK(code_of(db.update(bank.bob, *wide).wait()) == ErrorCode::NotFound);
}

TEST_CASE("a posted transaction is applied, and its failure only counted", "[transaction]") {
    Bank bank;
    World8& db = bank.db;
    auto good = db.begin();
    good.update(bank.alice, Account{1});
    CHECK(good.post());
    auto bad = db.begin();
    bad.insert(bank.alice, Account{1});
    CHECK(bad.post());
    auto refused = db.begin();
    refused.set_row(bank.alice, 99, {});
    CHECK(code_of(refused.post()) == ErrorCode::InvalidArgument);
    step_all(db);
    CHECK(db.get<Account>(bank.alice)->balance == 1);
    CHECK(db.statistics().failed == 1);
}

TEST_CASE("a transaction not begun by its deadline is never applied", "[transaction]") {
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    World8 db = open_db(options);
    auto tx = db.begin();
    const Entity entity = tx.create(Account{1});
    REQUIRE(tx.commit());
    const bool large = GENERATE(false, true);
    const auto with_deadline = [&](std::uint64_t deadline) {
        auto late = db.begin();
        late.set_deadline(deadline);
        for (int i = 0; i < (large ? 1000 : 1); ++i) {
            late.update(entity, Account{2});
        }
        return late.submit();
    };
    Ticket in_time = with_deadline(clock.monotonic_ns() + 100);
    step_all(db);
    CHECK(code_of(in_time.wait()) == success);
    CHECK(db.get<Account>(entity)->balance == 2);
    REQUIRE(db.update(entity, Account{1}).wait());

    Ticket ticket = with_deadline(clock.monotonic_ns() + 100);
    Ticket neighbour = db.set(entity, Target{5});
    clock.advance(101);
    step_all(db);
    CHECK(code_of(ticket.wait()) == ErrorCode::Timeout);
    CHECK(code_of(neighbour.wait()) == success);
    CHECK(db.get<Account>(entity)->balance == 1);
}

TEST_CASE("the last generation of an index is never followed by another", "[transaction]") {
    World8 db = open_db(stepped());
    // No program destroys an entity four million times here, so the state is told.
    const Entity last{1000, Entity::max_generation, 0};
    REQUIRE(db.execute([&](auto& state) {
        static_cast<void>(state.buffer().create(last));
        return Result<void>{};
    }));
    CHECK(db.read().is_alive(last));
    REQUIRE(db.destroy(last).wait());
    CHECK_FALSE(db.read().is_alive(last));
    for (int i = 0; i < 200; ++i) {
        auto tx = db.begin();
        CHECK(tx.create().index() != 1000);
        REQUIRE(tx.commit());
    }
}

} // namespace ecsdb::test::transaction_test
