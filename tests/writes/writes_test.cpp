#include "ecsdb/writes.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::writes_test {
namespace {

/// A program that knows its tables by name only.
struct Untyped {
    Database<> db;
    TableId position, velocity, account, visible, target;

    Untyped() : db{open()} {
        position = id("Position");
        velocity = id("Velocity");
        account = id("Account");
        visible = id("Visible");
        target = id("Target");
    }
    static Database<> open() {
        Result<Schema> schema = schema_of<Position, Velocity, Account, Visible, Target>("untyped");
        REQUIRE(schema);
        Result<Database<>> opened = Database<>::open(stepped(), std::move(*schema));
        REQUIRE(opened);
        return std::move(*opened);
    }
    TableId id(const char* name) { return db.schema().find_table(name)->id; }
    Entity create() {
        auto tx = db.begin();
        const Entity entity = tx.create();
        REQUIRE(tx.commit());
        return entity;
    }
    template <typename T>
    T row(Entity entity, TableId table) {
        const auto bytes = db.get_row(entity, table);
        REQUIRE(bytes);
        REQUIRE(bytes->size() == sizeof(T));
        T value;
        std::memcpy(&value, bytes->data(), sizeof(T));
        return value;
    }
};

template <typename T>
std::span<const std::byte> bytes(const T& value) {
    return std::as_bytes(std::span{&value, 1});
}

} // namespace

TEST_CASE("single operations by table id refuse what is no row of it, and queue nothing", "[writes]") {
    Untyped world;
    Database<>& db = world.db;
    const Entity entity = world.create();
    const Position here{1, 2, 3};
    const auto refused = [](Ticket ticket) { return !ticket.is_submitted() && code_of(ticket.wait()) == ErrorCode::InvalidArgument; };
    CHECK(refused(db.insert_row(entity, 99, bytes(here))));
    CHECK(refused(db.update_row(entity, world.account, bytes(here))));
    CHECK(refused(db.set_row(entity, world.position, bytes(here).first(11))));
    CHECK(refused(db.insert_row(entity, world.visible, bytes(here))));
    CHECK(refused(db.remove_row(entity, 99)));
    CHECK(refused(db.update(entity, FieldHandle<float>{99, 0, 0}, 1.0F)));
    CHECK(db.version() == 1);
    CHECK_FALSE(db.get_row(entity, world.position));
    CHECK_FALSE(db.get_row(entity, 99));
    CHECK_FALSE(db.get(entity, FieldHandle<float>{world.position, 0, 0}));
}

TEST_CASE("by name, what is in no schema is refused or not there, in every form and view", "[writes]") {
    Untyped world;
    Database<>& db = world.db;
    const Entity entity = world.create();
    const Position here{1, 2, 3};
    const auto wrong = GENERATE(TableId{5}, TableId{999}, no_table);
    CAPTURE(wrong);
    const auto refused = [](const auto& result) { return code_of(result) == ErrorCode::InvalidArgument; };

    const Result<void> in_function = db.execute([&](auto& state) -> Result<void> {
        CHECK(refused(state.insert_row(entity, wrong, bytes(here))));
        CHECK(refused(state.update_row(entity, wrong, bytes(here))));
        CHECK(refused(state.set_row(entity, wrong, bytes(here))));
        CHECK(refused(state.set_row(entity, wrong, {})));
        CHECK(refused(state.remove_row(entity, wrong)));
        CHECK(state.find_row(entity, wrong) == nullptr);
        CHECK(refused(state.insert_row(entity, world.position, bytes(here).first(11))));
        CHECK(refused(state.set_row(entity, world.position, {})));
        CHECK(refused(state.set_row(entity, world.visible, bytes(here))));
        CHECK(refused(state.update_row(entity, world.account, bytes(here))));
        return state.insert_row(entity, world.position, bytes(here)); // nothing of this spoils what is right
    });
    CHECK(in_function);

    const auto view = db.read();
    CHECK(view.find_row(entity, wrong) == nullptr);
    CHECK(view.count_rows(wrong) == 0);
    CHECK(view.table_figures(wrong).rows == 0);
    const auto walked = [&](std::span<const TableId> tables) {
        std::size_t rows = 0;
        view.for_each_row(tables, [&](Entity, const std::byte* const*) { ++rows; });
        return rows;
    };
    CHECK(walked(std::array{world.position}) == 1);
    CHECK(walked(std::array{wrong}) == 0);
    CHECK(walked(std::array{world.position, wrong}) == 0);
    CHECK(walked({}) == 0);
    CHECK(walked(std::vector<TableId>(33, world.position)) == 0);
    CHECK(view.get(entity, FieldHandle<float>{wrong, 0, 0}) == nullptr);
    CHECK(view.get(entity, FieldHandle<float>{}) == nullptr);
    CHECK(view.get(entity, FieldHandle<float>{world.position, 0, 9}) == nullptr); // of a schema with longer rows
    CHECK(view.get(entity, FieldHandle<float>{world.position, 3, 0}) == nullptr);
    CHECK_FALSE(db.get(entity, FieldHandle<float>{world.position, 3, 0}));
    CHECK(*view.get(entity, FieldHandle<float>{world.position, 2, 8}) == 3);

    auto some = db.where_rows(std::array{world.position});
    CHECK(refused(some.insert_row(wrong, bytes(here))));
    CHECK(refused(some.update_row(wrong, bytes(here))));
    CHECK(refused(some.set_row(wrong, {})));
    CHECK(refused(some.remove_row(wrong)));
    CHECK(refused(some.update_rows(wrong, [](std::byte*) {})));
    CHECK(refused(some.set_row(world.position, bytes(here).first(8))));
    CHECK(refused(some.without_rows(std::array{wrong}).destroy()));
    CHECK(refused(db.where_rows(std::array{wrong}).destroy()));
    CHECK(refused(db.update_columns(std::array{wrong}, {}, [](std::byte* const*, const std::byte* const*) {})));
    CHECK(refused(db.update_columns(std::array{world.position}, std::array{wrong}, [](std::byte* const*, const std::byte* const*) {})));
    CHECK(db.version() == 2);
}

TEST_CASE("a program without C++ types can do everything", "[writes]") {
    Untyped world;
    Database<>& db = world.db;
    const Entity entity = world.create();
    const Position here{1, 2, 3};
    CHECK(db.insert_row(entity, world.position, bytes(here)).wait());
    CHECK(code_of(db.insert_row(entity, world.position, bytes(here)).wait()) == ErrorCode::AlreadyExists);
    CHECK(code_of(db.update_row(entity, world.velocity, bytes(here)).wait()) == ErrorCode::NotFound);
    CHECK(db.set_row(entity, world.velocity, bytes(here)).wait());
    CHECK(db.insert_row(entity, world.visible, {}).wait());
    CHECK(db.update_row(entity, world.position, bytes(Position{4, 5, 6})).wait());
    CHECK(world.row<Position>(entity, world.position) == Position{4, 5, 6});
    CHECK(db.get_row(entity, world.visible)->empty());
    CHECK(db.remove_row(entity, world.visible).wait());
    CHECK_FALSE(db.get_row(entity, world.visible));

    auto y = find_field<float>(db.schema(), "Position", "y");
    REQUIRE(y);
    CHECK(db.update(entity, *y, 50.0F).wait());
    CHECK(db.get(entity, *y) == 50.0F);
    Row account = *Row::of(db.schema(), "Account");
    REQUIRE(account.set("balance", std::int64_t{7}));
    CHECK(db.insert(entity, account).wait());
    REQUIRE(account.set("balance", std::int64_t{8}));
    CHECK(db.update(entity, account).wait());
    CHECK(db.set(entity, account).wait());
    CHECK(world.row<Account>(entity, world.account).balance == 8);

    auto changes = db.changes();
    const Entity egg = changes.create();
    changes.insert(egg, account);
    changes.update(entity, *y, 60.0F);
    changes.remove_row(entity, world.velocity);
    const auto created = db.apply(changes);
    REQUIRE(created);
    CHECK(world.row<Account>(created->at(0), world.account).balance == 8);
    CHECK(db.get(entity, *y) == 60.0F);
    CHECK(db.destroy(entity).wait());
    CHECK_FALSE(db.get_row(entity, world.position));
}

TEST_CASE("columns by table id are refused where they make no sense", "[writes]") {
    Untyped world;
    const auto code = [&](std::vector<TableId> written, std::vector<TableId> read) {
        return code_of(world.db.update_columns(written, read, [](std::byte* const*, const std::byte* const*) {}));
    };
    CHECK(code({}, {world.position}) == ErrorCode::InvalidArgument);
    CHECK(code({99}, {}) == ErrorCode::InvalidArgument);
    CHECK(code({world.position}, {99}) == ErrorCode::InvalidArgument);
    CHECK(code({world.position, world.position}, {}) == ErrorCode::InvalidArgument);
    CHECK(code({world.position}, {world.velocity, world.position}) == ErrorCode::InvalidArgument);
    CHECK(code({world.visible}, {}) == ErrorCode::InvalidArgument);
    CHECK(code({world.target}, {}) == ErrorCode::InvalidArgument); // sparse
    CHECK(code({world.position}, {world.target}) == ErrorCode::InvalidArgument);
    CHECK(code(std::vector<TableId>(9, world.position), {}) == ErrorCode::InvalidArgument);
    CHECK(code({world.position}, std::vector<TableId>(40, world.velocity)) == ErrorCode::InvalidArgument);
    CHECK(world.db.version() == 0);
}

TEST_CASE("columns by table id are computed row by row", "[writes]") {
    Untyped world;
    Database<>& db = world.db;
    std::vector<Entity> entities(500);
    auto tx = db.begin();
    for (std::size_t i = 0; i < entities.size(); ++i) {
        entities[i] = tx.create();
        tx.insert_row(entities[i], world.position, bytes(Position{static_cast<float>(i), 0, 0}));
        tx.insert_row(entities[i], world.velocity, bytes(Velocity{1, 2, 3}));
        if (i % 2 == 0) {
            tx.insert_row(entities[i], world.visible, {});
            tx.insert_row(entities[i], world.account, bytes(Account{5}));
        }
    }
    REQUIRE(tx.commit());
    const std::array written{world.position, world.account};
    const std::array read{world.visible, world.velocity};
    const auto move = [](std::byte* const* rows, const std::byte* const* others) {
        Position position;
        Velocity velocity;
        std::memcpy(&position, rows[0], sizeof(position));
        std::memcpy(&velocity, others[1], sizeof(velocity));
        position.y += velocity.y;
        std::memcpy(rows[0], &position, sizeof(position));
        rows[1][0] = std::byte{9};
    };
    REQUIRE(db.update_columns(written, read, move));
    CHECK(db.version() == 2);
    for (std::size_t i = 0; i < entities.size(); ++i) {
        REQUIRE(world.row<Position>(entities[i], world.position) == Position{static_cast<float>(i), i % 2 == 0 ? 2.0F : 0.0F, 0});
        REQUIRE((i % 2 != 0 || world.row<Account>(entities[i], world.account).balance == 9));
    }
}

TEST_CASE("whatever the form, what is not begun by its deadline is never applied", "[writes]") {
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    World8 db = open_db(options);
    const auto created = db.create_many(3, Account{1}).wait();
    REQUIRE(created);
    const Entity entity = created->front();
    auto changes = db.changes();
    changes.set(entity, Level{1});
    auto producer = db.producer();
    const FieldHandle<std::int64_t> balance{db.table_of<Account>(), 0, 0};
    std::uint64_t deadline = 0;
    bool late = false;

    // Each writes to an account, and stands in the queue behind something during which the time passes.
    using Write = std::function<Result<void>()>;
    const auto told = [](auto&& result) { return result ? Result<void>{} : Result<void>{std::move(result).error()}; };
    const std::vector<std::pair<const char*, Write>> writes{
        {"insert", [&] { return db.with_deadline(deadline).insert(entity, Velocity{}).wait(); }},
        {"set", [&] { return db.with_deadline(deadline).set(entity, Account{2}).wait(); }},
        {"update", [&] { return db.with_deadline(deadline).update(entity, Account{2}).wait(); }},
        {"update a member", [&] { return db.with_deadline(deadline).update(entity, &Account::balance, 2).wait(); }},
        {"update a field", [&] { return db.with_deadline(deadline).update(entity, balance, 2).wait(); }},
        {"set a large row", [&] { return db.with_deadline(deadline).set(entity, Wide{}).wait(); }},
        {"remove", [&] { return db.with_deadline(deadline).remove<Account>(entity).wait(); }},
        {"destroy", [&] { return db.with_deadline(deadline).destroy(entity).wait(); }},
        {"destroy many", [&] { return db.with_deadline(deadline).destroy_many(*created).wait(); }},
        {"create", [&] { return told(db.with_deadline(deadline).create(Account{2}).wait()); }},
        {"begin",
         [&] {
             auto tx = db.with_deadline(deadline).begin();
             tx.update(entity, Account{2});
             return tx.commit();
         }},
        {"apply", [&] { return told(db.with_deadline(deadline).apply(changes)); }},
        {"where", [&] { return told(db.with_deadline(deadline).where<Account>().update(Account{2})); }},
        {"where_rows", [&] { return told(db.with_deadline(deadline).where_rows({}).destroy()); }},
        {"a column update", [&] { return db.with_deadline(deadline).update<Account>([](Account& a) { a.balance = 2; }); }},
        {"a column update by id",
         [&] {
             return db.with_deadline(deadline).update_columns(
                 std::array{db.table_of<Account>()}, {}, [](std::byte* const* rows, const std::byte* const*) { *rows[0] = std::byte{2}; });
         }},
        {"execute", [&] { return db.with_deadline(deadline).execute([&](auto& state) { return state.update(entity, Account{2}); }); }},
        {"submit", [&] { return db.with_deadline(deadline).submit([&](auto& state) { return state.update(entity, Account{2}); }).wait(); }},
        {"through a producer", [&] { return producer.with_deadline(deadline).set(entity, Account{2}).wait(); }},
    };
    for (const auto& [name, write] : writes) {
        CAPTURE(name);
        const std::uint64_t before = db.read().hash();
        deadline = clock.monotonic_ns() + 100;
        late = true;
        REQUIRE(db.post([&](auto&) { clock.advance(std::exchange(late, false) ? 101 : 0); }));
        if (std::string{name} == "through a producer") {
            step_all(db); // another sequence, which need not come second
        }
        const Result<void> outcome = write();
        CHECK(code_of(outcome) == ErrorCode::Timeout);
        CHECK(outcome.error().message().find("before it was begun") != std::string::npos);
        CHECK(db.read().hash() == before);
    }
    for (const auto& [name, write] : writes) {
        CAPTURE(name);
        World8::View before = db.read();
        deadline = clock.monotonic_ns() + 100;
        if (std::string{name}.find("destroy") == std::string::npos && std::string{name} != "where_rows" && std::string{name} != "remove") {
            CHECK(code_of(write()) == success);
            CHECK(db.version() == before.version() + 1);
        }
    }
    CHECK(db.get<Account>(entity)->balance == 2);
    deadline = clock.monotonic_ns() + 100;
    CHECK(db.with_deadline(deadline).post([&](auto& state) { CHECK(state.destroy(entity)); }));
    clock.advance(101);
    step_all(db);
    CHECK(db.read().is_alive(entity));
    CHECK(db.with_deadline(deadline).with_deadline(0).destroy(entity).wait()); // the time is taken away again
}

} // namespace ecsdb::test::writes_test
