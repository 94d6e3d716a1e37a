#include "ecsdb/table.hpp"

#include "transaction/transaction_fixture.hpp"

#include <vector>

namespace ecsdb::test::table_test {

TEST_CASE("a table refuses what the database refuses, and is empty once that is closed", "[table]") {
    World8 db = open_db(stepped());
    auto accounts = db.table<Account>();
    CHECK(code_of(accounts.insert(Entity{5, 1, 0}, {1}).wait()) == ErrorCode::NotFound);
    CHECK(code_of(accounts.update(Entity{5, 1, 0}, {1}).wait()) == ErrorCode::NotFound);
    CHECK_FALSE(accounts.get(Entity{5, 1, 0}));
    CHECK_FALSE(accounts.has({}));
    CHECK(accounts.count() == 0);
    CHECK(code_of(db.table<Target>().update_all([](Target&) {})) == ErrorCode::InvalidArgument); // sparse
    REQUIRE(db.close());
    CHECK(code_of(accounts.set(Entity{5, 1, 0}, {1}).wait()) == ErrorCode::Closed);
}

TEST_CASE("a table is inserted into, updated, deleted from and walked", "[table]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const std::vector<Entity> entities = tx.create_many(3, Position{});
    REQUIRE(tx.commit());
    auto accounts = db.table<Account>();
    for (const Entity entity : entities) {
        CHECK(accounts.insert(entity, {10}).wait());
    }
    CHECK(accounts.update(entities[0], {20}).wait());
    CHECK(accounts.set(entities[1], {30}).wait());
    CHECK(accounts.remove(entities[2]).wait());
    CHECK(accounts.count() == 2);
    CHECK(accounts.get(entities[0])->balance == 20);
    CHECK(accounts.has(entities[1]));
    CHECK_FALSE(accounts.has(entities[2]));
    CHECK(accounts.update_all([](Account& account) { account.balance += 1; }));
    std::int64_t sum = 0;
    accounts.each([&](const Account& account) { sum += account.balance; });
    CHECK(sum == 52);
    std::vector<Entity> walked;
    accounts.each([&](Entity entity, const Account&) { walked.push_back(entity); });
    CHECK(walked.size() == 2);
    auto burning = db.table<Burning>();
    CHECK(burning.insert(entities[0], {}).wait());
    CHECK(burning.count() == 1);
    burning.each([&](Entity entity, const Burning&) { CHECK(entity == entities[0]); });
}

} // namespace ecsdb::test::table_test
