#include "ecsdb/transaction/write_state.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace ecsdb::test::write_state_test {

TEST_CASE("a function does not write what it is walking over", "[transaction][function]") {
    World8 db = open_db(stepped());
    REQUIRE(db.create_many(200, Account{1}, Target{2}).wait());
    const Result<void> outcome = db.execute([&](auto& state) -> Result<void> {
        std::vector<Entity> poor;
        std::size_t refused = 0;
        const auto write = [&](Entity entity) {
            CHECK(code_of(state.update(entity, Account{2})) == ErrorCode::InvalidArgument);
            CHECK(code_of(state.destroy(entity)) == ErrorCode::InvalidArgument);
            CHECK(code_of(state.update(entity, &Account::balance, 3)) == ErrorCode::InvalidArgument);
            CHECK(code_of(state.create()) == ErrorCode::InvalidArgument);
            CHECK(code_of(state.create_many(1, std::span<const Rows>{})) == ErrorCode::InvalidArgument);
            CHECK(code_of(state.destroy_many({&entity, 1})) == ErrorCode::InvalidArgument);
            ++refused;
        };
        state.template each<Account>([&](Entity entity, const Account&) {
            write(entity);
            poor.push_back(entity);
            // Walks may lie in walks, and reads are no writes.
            state.template each<Account>([&](const Account& a) { CHECK(a.balance == 1); });
            CHECK(state.template get<Account>(entity)->balance == 1);
        });
        state.for_each_entity(write);
        state.template each<Target>([&](Entity entity, const Target&) { write(entity); });
        state.template each_span<Account>([&](std::span<const Account>) { write(poor[0]); });
        CHECK(refused > 600);
        const std::vector<Account> rich(poor.size(), Account{5});
        return state.template update_many<Account>(poor, rich);
    });
    CHECK(outcome);
    std::int64_t sum = 0;
    db.read().each<Account>([&](const Account& a) { sum += a.balance; });
    CHECK(sum == 1000);
}

TEST_CASE("of many, those before the one that fails are done, and all is undone with the error", "[transaction][function]") {
    World8 db = open_db(stepped());
    const auto created = db.create_many(100, Account{1}).wait();
    REQUIRE(created);
    REQUIRE(db.insert((*created)[70], Level{1}).wait());
    const std::uint64_t before = db.read().hash();
    const std::vector<Level> levels(100, Level{2});
    const Result<void> failed = db.execute([&](auto& state) {
        Result<void> inserted = state.template insert_many<Level>(*created, levels);
        CHECK(code_of(inserted) == ErrorCode::AlreadyExists);
        CHECK(inserted.error().message().find("entity " + std::to_string((*created)[70].index())) != std::string::npos);
        CHECK(state.template get<Level>((*created)[69])->number == 2);
        CHECK_FALSE(state.template has<Level>((*created)[71]));
        return inserted;
    });
    CHECK(code_of(failed) == ErrorCode::AlreadyExists);
    CHECK(db.read().hash() == before);
}

TEST_CASE("a function makes a nullable field absent and present again", "[transaction][function]") {
    Table guest;
    guest.name = "guest";
    Field coins;
    coins.name = "coins";
    coins.type = FieldType::U32;
    coins.nullable = true;
    Field marks;
    marks.name = "marks";
    marks.type = FieldType::U8;
    marks.nullable = true;
    marks.extents = {200}; // longer than the zeros at hand
    guest.fields = {coins, marks};
    auto schema = finish_schema(Schema{"tavern", "1", {guest}, {}, {}});
    REQUIRE(schema);
    auto opened = Database<>::open(stepped(), std::move(*schema));
    REQUIRE(opened);
    Database<>& db = *opened;
    const auto purse = *find_field<std::uint32_t>(db.schema(), "guest", "coins");
    const auto first_mark = *find_field<std::uint8_t>(db.schema(), "guest", "marks");
    Row row = *Row::of(db.schema(), "guest");
    row.set(purse, 7U);
    const Entity entity = *db.create(row).wait();
    CHECK(db.get(entity, purse) == 7U);
    REQUIRE(db.execute([&](auto& state) { return state.update(entity, first_mark, 9); }));
    CHECK(db.get(entity, first_mark) == 9);
    CHECK(db.get(entity, purse) == 7U);
    REQUIRE(db.execute([&](auto& state) -> Result<void> {
        CHECK(state.update_to_null(entity, first_mark));
        return state.update_to_null(entity, purse);
    }));
    CHECK_FALSE(db.get(entity, purse));
    CHECK_FALSE(db.get(entity, first_mark));
    const Result<Row> empty = Row::of(db.schema(), "guest");
    const auto bytes = db.get_row(entity, 0);
    CHECK(std::equal(bytes->begin(), bytes->end(), empty->bytes().begin()));
    REQUIRE(db.execute([&](auto& state) { return state.update(entity, purse, 8U); }));
    CHECK(db.get(entity, purse) == 8U);
}

} // namespace ecsdb::test::write_state_test
