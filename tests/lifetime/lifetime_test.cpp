#include "transaction/transaction_fixture.hpp"

#include <atomic>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::lifetime_test {
namespace {

std::optional<World8> open_world(const Options& options = {}) {
    return open_db(options);
}

} // namespace

TEST_CASE("views held at the memory limit keep their rows while writes are refused and the database goes", "[lifetime][memory]") {
    Options options = stepped();
    options.first_block_bytes = 16384;
    options.max_block_bytes = 16384;
    options.memory_limit = std::size_t{1} << 20U;
    std::optional<World8> db = open_world(options);
    std::vector<Entity> entities;
    auto tx = db->begin();
    for (std::int64_t i = 0; i < 2000; ++i) {
        entities.push_back(tx.create(Account{i}));
    }
    REQUIRE(tx.commit());
    using View = decltype(db->read());
    std::vector<View> views;
    Result<void> updated;
    while (updated) {
        views.push_back(db->read());
        updated = db->update<Account>([](Account& account) { account.balance += 1; });
    }
    CHECK(code_of(updated) == ErrorCode::OutOfMemory);
    REQUIRE(views.size() > 5);
    const auto intact = [&] {
        for (std::size_t version = 0; version < views.size(); ++version) {
            for (std::size_t i = 0; i < entities.size(); i += 97) {
                if (views[version].get<Account>(entities[i])->balance != static_cast<std::int64_t>(i + version)) {
                    return false;
                }
            }
        }
        return true;
    };
    CHECK(intact());
    SECTION("and goes on once a view is let go of") {
        views.erase(views.begin(), views.begin() + 3);
        // As often as one likes: what an update has replaced is there for the next.
        for (int i = 0; i < 20; ++i) {
            CHECK(db->update<Account>([](Account& account) { account.balance += 1; }));
        }
        CHECK(db->get<Account>(entities[7])->balance == static_cast<std::int64_t>(7 + 3 + views.size() - 1 + 20));
    }
    SECTION("and is destroyed") {
        db.reset();
        CHECK(intact());
    }
    SECTION("and is destroyed, and the views are let go of elsewhere, in any order") {
        db.reset();
        std::jthread{[half =
                          std::vector<View>(std::make_move_iterator(views.begin() + 2), std::make_move_iterator(views.end()))]() mutable {
            half.erase(half.begin());
            half.clear();
        }}.join();
        views.resize(2);
        CHECK(intact());
    }
}

TEST_CASE("views move between threads while the writer writes, and the last one ends after the database", "[lifetime][threads]") {
    std::optional<World8> db = open_world();
    const Result<Entity> entity = db->execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    using View = decltype(db->read());
    std::vector<View> kept;
    std::atomic<int> wrong{0};
    for (int round = 0; round < 50; ++round) {
        View view = db->read();
        const std::int64_t seen = view.get<Account>(*entity)->balance;
        std::jthread other{[&, moved = std::move(view)]() mutable {
            wrong += moved.get<Account>(*entity)->balance != seen;
            View again = std::move(moved);
            wrong += again.get<Account>(*entity)->balance != seen;
            if (round % 10 == 0) {
                kept.push_back(std::move(again));
            }
        }};
        wrong += !db->update(*entity, Account{seen + 1}).wait();
    }
    db.reset();
    CHECK(wrong == 0);
    REQUIRE(kept.size() == 5);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        CHECK(kept[i].get<Account>(*entity)->balance == static_cast<std::int64_t>(i * 10));
    }
}

TEST_CASE("tickets dropped while pending change nothing about their transactions", "[lifetime][ticket]") {
    std::optional<World8> db = open_world(stepped());
    const Result<Entity> entity = db->execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    for (std::int64_t i = 1; i <= 100; ++i) {
        static_cast<void>(db->update(*entity, Account{i}));
        static_cast<void>(db->insert(*entity, Account{i})); // fails, and nobody hears of it
    }
    {
        const Ticket pending = db->update(*entity, Account{101});
        CHECK_FALSE(pending.is_done());
    }
    auto view = db->read();
    SECTION("closed in order") {
        REQUIRE(db->close());
        CHECK(db->get<Account>(*entity)->balance == 101);
    }
    SECTION("destroyed") {
        db.reset();
    }
    CHECK(view.get<Account>(*entity)->balance == 0);
}

TEST_CASE("whoever waits while the database is closed is told the outcome", "[lifetime][threads]") {
    for (int round = 0; round < 50; ++round) {
        std::optional<World8> db = open_world();
        const Result<Entity> entity = db->execute([](auto& state) { return state.create(Account{0}); });
        REQUIRE(entity);
        int applied = 0;
        int refused = 0;
        std::jthread waiting{[&] {
            for (int i = 0; i < 200 && refused == 0; ++i) {
                const Result<void> outcome = db->update(*entity, Account{i + 1}).wait();
                applied += outcome ? 1 : 0;
                refused += code_of(outcome) == ErrorCode::Closed ? 1 : 0;
            }
        }};
        REQUIRE(db->close());
        waiting.join(); // before the database is destroyed: a wait is a use of it
        CHECK(db->get<Account>(*entity)->balance == applied);
        CHECK((refused == 1 || applied == 200));
    }
}

} // namespace ecsdb::test::lifetime_test
