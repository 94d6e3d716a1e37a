// Optimistic checks (R25): a transaction built on what a view showed commits only if that is still so.

#include "support/contents_fixture.hpp"
#include "transaction/transaction_fixture.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace ecsdb::test::optimistic_test {
namespace {

using State = World8::WriteState;

Entity make(World8& db) {
    return *db.execute([](State& state) { return state.create(Account{100}, Position{1, 2, 3}); });
}

} // namespace

TEST_CASE("a transaction commits when the rows it was built on are unchanged", "[transaction][optimistic]") {
    World8 db = open_db(stepped());
    const Entity entity = make(db);
    const auto view = db.read();
    auto tx = db.begin();
    tx.expect_unchanged<Account, Position, Velocity>(view, entity).update(entity, Account{view.get<Account>(entity)->balance - 1});
    CHECK(tx.commit());
    CHECK(db.get<Account>(entity)->balance == 99);
}

TEST_CASE("a row changed since it was read is a conflict, and nothing is applied", "[transaction][optimistic]") {
    World8 db = open_db(stepped());
    const Entity entity = make(db);
    const auto view = db.read();
    const auto conflict = [&](auto&& change, auto&& expect) {
        change();
        const std::uint64_t before = db.read().hash();
        auto tx = db.begin();
        expect(tx);
        tx.update(entity, Account{-1});
        const Result<void> outcome = tx.commit();
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().code() == ErrorCode::Conflict);
        CHECK(outcome.error().message().find("entity " + std::to_string(entity.index())) != std::string::npos);
        CHECK(db.read().hash() == before);
    };
    SECTION("by an update") {
        conflict([&] { CHECK(db.update(entity, Account{5}).wait()); },
                 [&](auto& tx) { tx.template expect_unchanged<Account>(view, entity); });
    }
    SECTION("by a column update") {
        conflict([&] { CHECK(db.update<Position>([](Position& position) { position.x += 1; })); },
                 [&](auto& tx) { tx.template expect_unchanged<Position>(view, entity); });
    }
    SECTION("by a function transaction") {
        conflict([&] { CHECK(db.execute([&](State& state) { return state.update(entity, Account{5}); })); },
                 [&](auto& tx) { tx.expect(entity, *view.get<Account>(entity)); });
    }
    SECTION("by a removal") {
        conflict([&] { CHECK(db.remove<Position>(entity).wait()); },
                 [&](auto& tx) { tx.template expect_unchanged<Position>(view, entity); });
    }
    SECTION("by an insertion where there was nothing") {
        conflict([&] { CHECK(db.insert(entity, Velocity{}).wait()); },
                 [&](auto& tx) { tx.template expect_unchanged<Velocity>(view, entity); });
        conflict([&] { CHECK(db.insert(entity, Burning{}).wait()); }, [&](auto& tx) { tx.expect_unchanged(view, entity); });
    }
}

TEST_CASE("a row that lies elsewhere by now, and one rewritten as it was, are unchanged", "[transaction][optimistic]") {
    World8 db = open_db(stepped());
    std::vector<Entity> others;
    const Entity entity = make(db);
    for (int i = 0; i < 1000; ++i) {
        others.push_back(make(db));
    }
    const auto view = db.read();
    REQUIRE(db.insert(entity, Velocity{}).wait());                            // moves to another archetype
    REQUIRE(db.update<Account>([](Account& account) { ++account.balance; })); // every row, there …
    REQUIRE(db.update<Account>([](Account& account) { --account.balance; })); // … and back
    for (const Entity other : others) {
        REQUIRE(db.destroy(other).wait()); // neighbours move
    }
    auto tx = db.begin();
    tx.expect_unchanged<Account, Position>(view, entity).update(entity, Account{1});
    CHECK(tx.commit());
}

TEST_CASE("an entity destroyed since is a conflict; one dead in the view is told at once", "[transaction][optimistic]") {
    World8 db = open_db(stepped());
    const Entity entity = make(db);
    const auto view = db.read();
    REQUIRE(db.destroy(entity).wait());
    auto tx = db.begin();
    tx.expect_unchanged<Velocity>(view, entity);
    CHECK(code_of(tx.commit()) == ErrorCode::Conflict);
    const auto later = db.read();
    auto late = db.begin();
    late.expect_unchanged<Account>(later, entity);
    REQUIRE(late.error() != nullptr);
    CHECK(late.error()->code() == ErrorCode::NotFound);
    CHECK(code_of(late.commit()) == ErrorCode::NotFound);
    auto elsewhere = db.begin();
    elsewhere.expect_no_row(Entity{1, 1, 7}, 0);
    CHECK(code_of(elsewhere.commit()) == ErrorCode::WrongShard);
    auto wrong = db.begin();
    wrong.expect_row(entity, 0, {});
    CHECK(code_of(wrong.commit()) == ErrorCode::InvalidArgument);
    auto none = db.begin();
    none.expect_no_row(entity, 99);
    CHECK(code_of(none.commit()) == ErrorCode::InvalidArgument);
}

TEST_CASE("changes may expect too", "[transaction][optimistic]") {
    World8 db = open_db(stepped());
    const Entity entity = make(db);
    auto changes = db.changes();
    changes.expect(entity, Account{100}).update(entity, Account{99});
    CHECK(db.apply(changes));
    CHECK(code_of(db.apply(changes)) == ErrorCode::Conflict);
    CHECK(db.get<Account>(entity)->balance == 99);
}

TEST_CASE("a text is part of what a row was: rewritten as it was is no conflict, changed is", "[transaction][optimistic][contents]") {
    Options options;
    options.own_thread = false;
    auto opened = Notes::open(options);
    REQUIRE(opened);
    Notes& db = *opened;
    const auto write = [&](Entity entity, std::string_view words, bool expects, const auto& view) {
        auto tx = db.begin();
        if (expects) {
            tx.expect_unchanged<Label>(view, entity);
        }
        tx.set(entity, Label{tx.text(words)});
        return tx.commit();
    };
    auto first = db.begin();
    const Entity entity = first.create(Label{first.text("north")});
    REQUIRE(first.commit());
    const auto view = db.read();
    CHECK(write(entity, "north", false, view));
    CHECK(write(entity, "south", true, view));
    CHECK(code_of(write(entity, "west", true, view)) == ErrorCode::Conflict);
    const auto now = db.read();
    CHECK(now.text(now.get<Label>(entity)->words) == "south");
    CHECK(view.text(view.get<Label>(entity)->words) == "north");
    // The handle of an old row says nothing about the row there is now.
    auto stale = db.begin();
    stale.expect(entity, *view.get<Label>(entity));
    CHECK(code_of(stale.commit()) == ErrorCode::Conflict);
}

TEST_CASE("threads that retry after conflicts lose no update, column updates between them", "[transaction][optimistic]") {
    World8 db = open_db();
    std::vector<Entity> entities;
    for (int i = 0; i < 4; ++i) {
        entities.push_back(make(db));
    }
    std::atomic<std::uint64_t> conflicts{0};
    constexpr int rounds = 500;
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < rounds; ++i) {
                const Entity from = entities[(i + t) % 4];
                const Entity to = entities[(i * 3 + t + 1) % 4];
                if (from == to) {
                    continue;
                }
                for (;;) {
                    const auto view = db.read();
                    auto tx = db.begin();
                    tx.expect_unchanged<Account>(view, from).expect_unchanged<Account>(view, to);
                    tx.update(from, Account{view.get<Account>(from)->balance - 1}).update(to, Account{view.get<Account>(to)->balance + 1});
                    if (const Result<void> outcome = tx.commit(); outcome) {
                        break;
                    }
                    ++conflicts;
                }
            }
        });
    }
    for (int i = 0; i < 100; ++i) {
        static_cast<void>(db.update<Account>([](Account& account) { account.balance += 1; }));
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    std::int64_t sum = 0;
    for (const Entity entity : entities) {
        sum += db.get<Account>(entity)->balance;
    }
    CHECK(sum == 4 * (100 + 100));
    INFO(conflicts.load() << " conflicts");
}

} // namespace ecsdb::test::optimistic_test
