#include "ecsdb/transaction/edits.hpp"

#include "ecsdb/schema/layout.hpp"
#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ecsdb::test::edits_test {
namespace {

/// Fields that can be absent: a number, an array, a reference; and one that cannot.
Schema tavern() {
    Table guest;
    guest.name = "guest";
    Field coins;
    coins.name = "coins";
    coins.type = FieldType::U32;
    Field debt = coins;
    debt.name = "debt";
    debt.nullable = true;
    Field rolls = debt;
    rolls.name = "rolls";
    rolls.extents = {3};
    Field host;
    host.name = "host";
    host.type = FieldType::Entity;
    guest.fields = {coins, debt, rolls, host};
    auto schema = finish_schema(Schema{"tavern", "1", {guest}, {}, {}});
    REQUIRE(schema);
    return std::move(*schema);
}

struct Tavern {
    Database<> db;
    FieldHandle<std::uint32_t> coins, debt, rolls;
    FieldHandle<Entity> host;
    Entity guest;

    Tavern() : db{open()} {
        coins = field<std::uint32_t>("coins");
        debt = field<std::uint32_t>("debt");
        rolls = field<std::uint32_t>("rolls");
        host = field<Entity>("host");
        auto tx = db.begin();
        guest = tx.create();
        tx.insert(guest, *Row::of(db.schema(), "guest"));
        REQUIRE(tx.commit());
    }
    static Database<> open() {
        auto opened = Database<>::open(stepped(), tavern());
        REQUIRE(opened);
        return std::move(*opened);
    }
    template <typename T>
    FieldHandle<T> field(const char* name) {
        auto found = find_field<T>(db.schema(), "guest", name);
        REQUIRE(found);
        return *found;
    }
    std::byte presence(const Field& of) { return (*db.get_row(guest, 0))[of.presence_offset]; }
    const Field& description(FieldId id) { return db.schema().table(0).fields[id]; }
};

} // namespace

TEST_CASE("a field handle of another schema, and null for what always has a value, are refused", "[transaction][edits]") {
    Tavern tavern;
    const auto refused = [&](auto&& edit) {
        auto tx = tavern.db.begin();
        edit(tx);
        REQUIRE(tx.error() != nullptr);
        CHECK(tx.error()->code() == ErrorCode::InvalidArgument);
        CHECK(code_of(tx.commit()) == ErrorCode::InvalidArgument);
        return tx.error()->message();
    };
    CHECK(refused([&](Transaction& tx) {
              tx.update(tavern.guest, FieldHandle<std::uint32_t>{7, 0, 0}, 1U);
          }).find("table 7") != std::string::npos);
    CHECK(refused([&](Transaction& tx) {
              tx.update(tavern.guest, FieldHandle<std::uint32_t>{0, 9, 0}, 1U);
          }).find("field 9") != std::string::npos);
    CHECK(refused([&](Transaction& tx) {
              tx.update_to_null(tavern.guest, FieldHandle<std::uint32_t>{0, 9, 0});
          }).find("field 9") != std::string::npos);
    CHECK(refused([&](Transaction& tx) { tx.update_to_null(tavern.guest, tavern.coins); }).find("`guest.coins` is not nullable") !=
          std::string::npos);
}

TEST_CASE("a nullable field is present once it has a value, and absent again at will", "[transaction][edits]") {
    Tavern tavern;
    Database<>& db = tavern.db;
    const Entity guest = tavern.guest;
    CHECK_FALSE(db.get(guest, tavern.debt));
    CHECK(db.get(guest, tavern.coins) == 0U);
    REQUIRE(db.update(guest, tavern.debt, 0U).wait()); // zero is a value, too
    CHECK(db.get(guest, tavern.debt) == 0U);
    REQUIRE(db.update(guest, tavern.debt, 12U).wait());
    CHECK(db.get(guest, tavern.debt) == 12U);
    CHECK(tavern.presence(tavern.description(1)) == std::byte{1});
    const std::vector<std::byte> before = *db.get_row(guest, 0);
    auto tx = db.begin();
    tx.update(guest, tavern.coins, 3U);
    tx.update_to_null(guest, tavern.debt);
    REQUIRE(tx.commit());
    CHECK_FALSE(db.get(guest, tavern.debt));
    CHECK(db.get(guest, tavern.coins) == 3U);
    REQUIRE(db.update(guest, tavern.coins, 0U).wait());
    const Row fresh = *Row::of(db.schema(), "guest");
    const auto row = *db.get_row(guest, 0);
    CHECK(std::equal(row.begin(), row.end(), fresh.bytes().begin(), fresh.bytes().end())); // nothing of the value is left
    CHECK(row != before);
}

TEST_CASE("an array's first element makes the whole array present, and null clears all of it", "[transaction][edits]") {
    Tavern tavern;
    const Field& rolls = tavern.description(2);
    REQUIRE(tavern.db.update(tavern.guest, tavern.rolls, 6U).wait());
    CHECK(tavern.db.get(tavern.guest, tavern.rolls) == 6U);
    CHECK(tavern.presence(rolls) == std::byte{1});
    auto tx = tavern.db.begin();
    const std::uint32_t last = 5;
    tx.update_part(tavern.guest, 0, rolls.offset + 8, FieldHandle<std::uint32_t>::bytes_of(last));
    tx.update_to_null(tavern.guest, tavern.rolls);
    REQUIRE(tx.commit());
    CHECK_FALSE(tavern.db.get(tavern.guest, tavern.rolls));
    const auto row = *tavern.db.get_row(tavern.guest, 0);
    CHECK(std::all_of(row.begin(), row.end(), [](std::byte byte) { return byte == std::byte{}; }));
}

TEST_CASE("a reference is made null", "[transaction][edits]") {
    Tavern tavern;
    REQUIRE(tavern.db.update(tavern.guest, tavern.host, tavern.guest).wait());
    CHECK(tavern.db.get(tavern.guest, tavern.host) == tavern.guest);
    REQUIRE(tavern.db.update_to_null(tavern.guest, tavern.host).wait());
    CHECK(tavern.db.get(tavern.guest, tavern.host) == Entity{});
}

TEST_CASE("rows of many entities must be as many, and of the table's size", "[transaction][edits]") {
    Tavern tavern;
    const std::array<Entity, 2> two{tavern.guest, tavern.guest};
    const std::vector<std::byte> rows(2 * tavern.db.schema().table(0).size);
    const auto refused = [&](auto&& edit) {
        auto tx = tavern.db.begin();
        edit(tx);
        return code_of(tx.commit()) == ErrorCode::InvalidArgument;
    };
    CHECK(refused([&](Transaction& tx) { tx.update_rows(two, 0, std::span{rows}.first(rows.size() - 1)); }));
    CHECK(refused([&](Transaction& tx) { tx.insert_rows(std::span{two}.first(1), 0, rows); }));
    CHECK(refused([&](Transaction& tx) { tx.set_rows(two, 1, rows); }));
    CHECK(refused([&](Transaction& tx) { tx.remove_rows(two, 1); }));
    CHECK_FALSE(refused([&](Transaction& tx) { tx.update_rows(two, 0, rows); }));
    CHECK_FALSE(refused([&](Transaction& tx) { tx.update_rows({}, 0, {}); }));
}

TEST_CASE("rows of many entities are written, removed and destroyed in one transaction", "[transaction][edits]") {
    World8 db = open_db(stepped());
    const TableId account = db.schema().find_table("Account")->id;
    std::vector<Entity> entities(300); // more than fit into the ring at once
    std::vector<Account> accounts;
    auto tx = db.begin();
    tx.create_many(std::span{entities});
    for (std::size_t i = 0; i < entities.size(); ++i) {
        accounts.push_back({static_cast<std::int64_t>(i)});
    }
    tx.insert_rows(entities, account, std::as_bytes(std::span{accounts}));
    REQUIRE(tx.commit());
    CHECK(db.version() == 1);
    const auto sum = [&] {
        std::int64_t all = 0;
        db.read().each<Account>([&](const Account& row) { all += row.balance; });
        return all;
    };
    CHECK(sum() == 300 * 299 / 2);
    auto next = db.begin();
    next.remove_rows(std::span{entities}.first(100), account);
    next.destroy_many(std::span{entities}.last(100));
    next.set_rows(std::span{entities}.first(2), account, std::as_bytes(std::span{accounts}.last(2)));
    REQUIRE(next.commit());
    CHECK(db.version() == 2);
    CHECK(db.read().entity_count() == 200);
    CHECK(db.read().count<Account>() == 102);
    // One that cannot be done undoes all.
    auto wrong = db.begin();
    wrong.destroy_many(std::span{entities}.first(50));
    wrong.update_rows(std::span{entities}.last(1), account, std::as_bytes(std::span{accounts}.first(1)));
    CHECK(code_of(wrong.commit()) == ErrorCode::NotFound);
    CHECK(db.read().entity_count() == 200);
}

} // namespace ecsdb::test::edits_test
