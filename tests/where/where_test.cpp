#include "ecsdb/where.hpp"

#include "support/contents_fixture.hpp"

#include <array>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace ecsdb::test::where_test {
namespace {

/// 1,000 entities with an account; every second has a level, every third a target (sparse), every fifth is visible (a tag).
std::vector<Entity> populate(World8& db) {
    std::vector<Entity> entities;
    auto tx = db.begin();
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const Entity entity = tx.create(Account{i});
        if (i % 2 == 0) {
            tx.insert(entity, Level{static_cast<std::uint8_t>(i % 100)});
        }
        if (i % 3 == 0) {
            tx.insert(entity, Target{i});
        }
        if (i % 5 == 0) {
            tx.insert(entity, Visible{});
        }
        entities.push_back(entity);
    }
    REQUIRE(tx.commit());
    return entities;
}

std::uint64_t sum_of(const Result<std::uint64_t>& result) {
    INFO((result ? std::string{} : result.error().to_string()));
    REQUIRE(result);
    return *result;
}

} // namespace

TEST_CASE("what cannot be done to all is done to none, and says to whom it could not", "[where]") {
    World8 db = open_db(stepped());
    const std::vector<Entity> entities = populate(db);
    const std::uint64_t hash = db.read().hash();
    const std::uint64_t version = db.version();
    const Result<std::uint64_t> inserted = db.where<Account>().insert(Level{7});
    REQUIRE(code_of(inserted) == ErrorCode::AlreadyExists);
    CHECK(inserted.error().message().find("Level") != std::string::npos);
    CHECK(code_of(db.where<Account>().update(Level{7})) == ErrorCode::NotFound);
    const TableId account = db.read().table_of<Account>();
    const std::array<TableId, 1> with{account};
    const std::array<TableId, 1> unknown{99};
    CHECK(code_of(db.where_rows(with).remove_row(99)) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.where_rows(with).insert_row(account, {})) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.where_rows(unknown).destroy()) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.where_rows(with).without_rows(unknown).destroy()) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.where_rows(std::vector<TableId>(40, account)).destroy()) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.execute([&](auto&) { return db.where<Account>().destroy(); })) == ErrorCode::WouldDeadlock);
#if ECSDB_EXCEPTIONS
    CHECK(code_of(db.where<Account>().update<Account>([](Account& row) {
              row.balance = 0;
              throw 5;
          })) == ErrorCode::Aborted);
#endif
    CHECK(db.read().hash() == hash);
    CHECK(db.version() == version);
    REQUIRE(db.close());
    CHECK(code_of(db.where<Account>().destroy()) == ErrorCode::Closed);
}

TEST_CASE("every entity a query matches is changed, in one transaction", "[where]") {
    World8 db = open_db(stepped());
    const std::vector<Entity> entities = populate(db);
    std::uint64_t version = db.version();
    const auto is_next = [&] { return db.version() == ++version; };

    CHECK(sum_of(db.where<Account, Level>().without<Target>().insert(Burning{})) == 333);
    CHECK(is_next());
    CHECK(db.read().count<Burning>() == 333);
    CHECK(sum_of(db.where<Burning>().remove<Burning>()) == 333);
    CHECK(is_next());
    CHECK(sum_of(db.where<Account>().remove<Visible>()) == 200); // those that have it
    CHECK(is_next());
    CHECK(db.read().count<Visible>() == 0);
    CHECK(sum_of(db.where<Level>().without<Visible, Target>().insert(Position{1, 2, 3})) == 333);
    CHECK(is_next());
    CHECK(sum_of(db.where<Account>().matching([](const Account& account) { return account.balance < 10; }).set(Level{250})) == 10);
    CHECK(is_next());
    CHECK(db.get<Level>(entities[9])->number == 250);
    CHECK(sum_of(db.where<Target>().update<Account>([](Account& account) { account.balance = -account.balance; })) == 334);
    CHECK(is_next());
    CHECK(db.get<Account>(entities[9]) == Account{-9});
    CHECK(sum_of(db.where<Account>().matching([&](Entity entity, const Account&) { return entity == entities[4]; }).update(Account{77})) ==
          1);
    CHECK(is_next());
    CHECK(db.get<Account>(entities[4]) == Account{77});
    CHECK(sum_of(db.where<Account, Target>()
                     .matching([](const Account& account, const Target&) { return account.balance < -500; })
                     .matching([](const Account&, const Target& target) { return target.entity % 2 == 0; })
                     .destroy()) == 83);
    CHECK(is_next());
    CHECK_FALSE(db.read().is_alive(entities[504]));
    CHECK(db.read().entity_count() == 917);
    CHECK(sum_of(db.where<Burning>().destroy()) == 0);
    CHECK(sum_of(db.where().without<Target>().destroy()) == 666);
    CHECK(sum_of(db.where().destroy()) == 251);
    CHECK(db.read().entity_count() == 0);
}

TEST_CASE("the same by table id and bytes, from a producer", "[where]") {
    World8 db = open_db(stepped());
    const std::vector<Entity> entities = populate(db);
    World8::Producer producer = db.producer();
    const TableId account = db.read().table_of<Account>();
    const TableId target = db.read().table_of<Target>();
    const std::array<TableId, 1> accounts{account};
    const std::array<TableId, 2> both{target, account};
    const Account row{5};
    const std::span<const std::byte> bytes = std::as_bytes(std::span{&row, 1});
    CHECK(sum_of(producer.where_rows(both).update_row(account, bytes)) == 334);
    CHECK(db.get<Account>(entities[3]) == Account{5});
    CHECK(sum_of(producer.where_rows(accounts).without_rows(std::array{target}).set_row(target, bytes)) == 666);
    CHECK(sum_of(producer.where_rows(accounts)
                     .matching_rows([](Entity, const std::byte* const* rows) {
                         Account seen;
                         std::memcpy(&seen, rows[0], sizeof(seen));
                         return seen.balance == 5;
                     })
                     .remove_row(target)) == 335); // one had a balance of 5 all along
    CHECK(sum_of(producer.where_rows(accounts).update_rows(account, [](std::byte* place) { std::memset(place, 0, sizeof(Account)); })) ==
          1000);
    CHECK(sum_of(producer.where_rows({}).destroy()) == 1000);
}

TEST_CASE("what a query did is an ordinary delta: applied elsewhere, it leaves the same state", "[where]") {
    Recorder recorder;
    World8 db = open_db(stepped());
    db.engine().pipeline().writer().join(recorder);
    const std::vector<Entity> entities = populate(db);
    static_cast<void>(sum_of(db.where<Account, Level>().insert(Burning{})));
    static_cast<void>(sum_of(db.where<Burning>().without<Visible>().update<Level>([](Level& level) { ++level.number; })));
    static_cast<void>(sum_of(db.where<Target>().remove<Account>()));
    static_cast<void>(sum_of(db.where<Visible>().destroy()));
    const std::uint64_t hash = db.read().hash();
    REQUIRE(recorder.steps.size() == 5);
    ContentReplica replica{db.schema()};
    for (const Recorder::Step& step : recorder.steps) {
        REQUIRE(replica.apply(step.delta));
    }
    CHECK(replica.hash() == hash);
}

} // namespace ecsdb::test::where_test
