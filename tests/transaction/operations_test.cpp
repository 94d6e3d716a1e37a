#include "ecsdb/transaction/operations.hpp"

#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ecsdb::test::operations_test {
namespace {

/// What a form returned for one operation, as a result: a list tells at its end.
ErrorCode outcome(const Edits&) {
    return success;
}
ErrorCode outcome(const Result<void>& result) {
    return code_of(result);
}
ErrorCode outcome(Ticket&& ticket) {
    return code_of(ticket.wait());
}

template <typename T>
std::span<const std::byte> bytes(const std::vector<T>& rows) {
    return std::as_bytes(std::span{rows});
}

/// Every operation on entities that are there, by component.
struct Typed {
    template <typename Form>
    void operator()(Form& form, const World8&, std::span<const Entity> e) const {
        const std::vector<Account> accounts{{10}, {11}, {12}};
        const std::vector<Account> others{{20}, {21}, {22}};
        const std::vector<Burning> burning(3);
        const auto three = e.subspan(4, 3);
        CHECK(outcome(form.insert(e[0], Position{1, 2, 3})) == success);
        CHECK(outcome(form.update(e[0], Position{4, 5, 6})) == success);
        CHECK(outcome(form.update(e[0], &Position::y, 7.0F)) == success);
        CHECK(outcome(form.set(e[0], Target{9})) == success);
        CHECK(outcome(form.set(e[1], Velocity{1, 1, 1})) == success);
        CHECK(outcome(form.template remove<Velocity>(e[1])) == success);
        CHECK(outcome(form.template remove<Velocity>(e[1])) == success);
        CHECK(outcome(form.destroy(e[2])) == success);
        CHECK(outcome(form.template insert_many<Account>(three, accounts)) == success);
        CHECK(outcome(form.template update_many<Account>(three.first(2), std::span{others}.first(2))) == success);
        CHECK(outcome(form.template set_many<Burning>(three, burning)) == success);
        CHECK(outcome(form.template remove_many<Burning>(three.first(1))) == success);
        CHECK(outcome(form.destroy_many(e.subspan(7, 2))) == success);
    }
};

/// The same by name.
struct ByName {
    template <typename Form>
    void operator()(Form& form, const World8& db, std::span<const Entity> e) const {
        const auto id = [&](const char* name) { return *find_table(db.schema(), name); };
        const std::vector<Account> accounts{{10}, {11}, {12}};
        const std::vector<Account> others{{20}, {21}, {22}};
        const auto three = e.subspan(4, 3);
        Row position = *Row::of(db.schema(), "Position");
        REQUIRE(position.set("x", 1.0F));
        CHECK(outcome(form.insert(e[0], position)) == success);
        const std::vector<Position> moved{{4, 5, 6}};
        CHECK(outcome(form.update_row(e[0], id("Position"), bytes(moved))) == success);
        CHECK(outcome(form.update(e[0], *find_field<float>(db.schema(), "Position", "y"), 7.0F)) == success);
        Row target = *Row::of(db.schema(), "Target");
        REQUIRE(target.set("entity", std::uint64_t{9}));
        CHECK(outcome(form.set(e[0], target)) == success);
        CHECK(outcome(form.set_row(e[1], id("Velocity"), bytes(moved))) == success);
        CHECK(outcome(form.remove_row(e[1], id("Velocity"))) == success);
        CHECK(outcome(form.remove_row(e[1], id("Velocity"))) == success);
        CHECK(outcome(form.destroy(e[2])) == success);
        CHECK(outcome(form.insert_rows(three, id("Account"), bytes(accounts))) == success);
        CHECK(outcome(form.update_rows(three.first(2), id("Account"), bytes(others).first(2 * sizeof(Account)))) == success);
        CHECK(outcome(form.set_rows(three, id("Burning"), {})) == success);
        CHECK(outcome(form.remove_rows(three.first(1), id("Burning"))) == success);
        CHECK(outcome(form.destroy_many(e.subspan(7, 2))) == success);
    }
};

struct World {
    World8 db = open_db(stepped());
    std::vector<Entity> entities;

    World() {
        auto created = db.create_many(10).wait();
        REQUIRE(created);
        entities = *created;
    }
};

/// What makes no sense, or is not possible, is refused alike: by a list when it is submitted.
template <typename Do>
void refused_everywhere(ErrorCode expected, Do&& refused) {
    World world;
    const std::uint64_t before = world.db.read().hash();
    auto tx = world.db.begin();
    refused(tx, world);
    CHECK(code_of(tx.commit()) == expected);
    auto changes = world.db.changes();
    refused(changes, world);
    CHECK(code_of(world.db.apply(changes)) == expected);
    CHECK(outcome(refused(world.db, world)) == expected);
    auto producer = world.db.producer();
    CHECK(outcome(refused(producer, world)) == expected);
    CHECK(code_of(world.db.execute([&](auto& state) { return refused(state, world); })) == expected);
    CHECK(world.db.read().hash() == before);
}

} // namespace

TEMPLATE_TEST_CASE("every operation can be done in every form, and does the same", "[transaction][operations]", Typed, ByName) {
    const TestType work;
    std::vector<std::uint64_t> hashes;
    std::vector<std::uint64_t> versions;
    const auto in_form = [&](auto&& run) {
        World world;
        run(world);
        const auto view = world.db.read();
        hashes.push_back(view.hash());
        versions.push_back(view.version());
        CHECK(view.entity_count() == 7);
        CHECK(*view.template get<Position>(world.entities[0]) == Position{4, 7, 6});
        CHECK(view.template get<Account>(world.entities[5])->balance == 21);
        CHECK(view.template get<Account>(world.entities[6])->balance == 12);
        CHECK(view.template count<Burning>() == 2);
    };
    in_form([&](World& world) {
        auto tx = world.db.begin();
        work(tx, world.db, world.entities);
        REQUIRE(tx.commit());
    });
    in_form([&](World& world) {
        auto changes = world.db.changes();
        work(changes, world.db, world.entities);
        REQUIRE(world.db.apply(changes));
    });
    in_form([&](World& world) { REQUIRE(world.db.execute([&](auto& state) { work(state, world.db, world.entities); })); });
    in_form([&](World& world) { work(world.db, world.db, world.entities); });
    in_form([&](World& world) {
        auto producer = world.db.producer();
        work(producer, world.db, world.entities);
    });
    CHECK(std::count(hashes.begin(), hashes.end(), hashes[0]) == 5);
    CHECK(versions == std::vector<std::uint64_t>{2, 2, 2, 14, 14}); // single operations are transactions of their own
}

TEST_CASE("what makes no sense, or is not possible, is refused in every form", "[transaction][operations]") {
    const Position here{1, 2, 3};
    const auto row = std::as_bytes(std::span{&here, 1});
    const FieldHandle<float> foreign{0, 0, 1000};
    const std::vector<Account> two(2);
    using enum ErrorCode;
    refused_everywhere(InvalidArgument, [&](auto& form, World& w) -> decltype(auto) { return form.insert_row(w.entities[0], 99, row); });
    refused_everywhere(InvalidArgument,
                       [&](auto& form, World& w) -> decltype(auto) { return form.set_row(w.entities[0], 0, row.first(8)); });
    refused_everywhere(InvalidArgument, [&](auto& form, World& w) -> decltype(auto) { return form.remove_row(w.entities[0], 99); });
    refused_everywhere(InvalidArgument, [&](auto& form, World& w) -> decltype(auto) { return form.remove_rows(w.entities, 99); });
    refused_everywhere(InvalidArgument, [&](auto& form, World& w) -> decltype(auto) { return form.insert_rows(w.entities, 0, row); });
    refused_everywhere(InvalidArgument,
                       [&](auto& form, World& w) -> decltype(auto) { return form.update_part(w.entities[0], 0, 9, row.first(4)); });
    refused_everywhere(InvalidArgument, [&](auto& form, World& w) -> decltype(auto) { return form.update(w.entities[0], foreign, 1.0F); });
    refused_everywhere(InvalidArgument,
                       [&](auto& form, World& w) -> decltype(auto) { return form.update_to_null(w.entities[0], foreign); });
    refused_everywhere(InvalidArgument, [&](auto& form, World& w) -> decltype(auto) {
        return form.update_to_null(w.entities[0], FieldHandle<float>{0, 0, 0}); // not nullable
    });
    refused_everywhere(InvalidArgument,
                       [&](auto& form, World& w) -> decltype(auto) { return form.template insert_many<Account>(w.entities, two); });
    refused_everywhere(NotFound, [&](auto& form, World& w) -> decltype(auto) { return form.update(w.entities[0], Position{}); });
    refused_everywhere(NotFound, [&](auto& form, World& w) -> decltype(auto) { return form.update(w.entities[0], &Position::x, 1.0F); });
    refused_everywhere(NotFound, [&](auto& form, World&) -> decltype(auto) { return form.insert(Entity{500, 1, 0}, Position{}); });
    refused_everywhere(NotFound, [&](auto& form, World& w) -> decltype(auto) {
        return form.template update_many<Account>(std::span{w.entities}.first(2), two);
    });
}

TEST_CASE("entities are created with components, rows and columns in every form", "[transaction][operations]") {
    World8 db = open_db(stepped());
    Row account = *Row::of(db.schema(), "Account");
    REQUIRE(account.set("balance", std::int64_t{5}));
    const std::vector<Position> positions{{1, 0, 0}, {2, 0, 0}, {3, 0, 0}};
    const std::vector<Target> targets{{4}, {5}, {6}};
    const std::array columns{Rows{*find_table(db.schema(), "Target"), bytes(targets)}, Rows{*find_table(db.schema(), "Visible"), {}},
                             Rows{*find_table(db.schema(), "Position"), bytes(positions)}};
    const auto right = [&](std::span<const Entity> created) {
        const auto view = db.read();
        bool all = created.size() == 3;
        for (std::size_t i = 0; all && i < 3; ++i) {
            all = *view.get<Position>(created[i]) == positions[i] && *view.get<Target>(created[i]) == targets[i] &&
                  view.has<Visible>(created[i]);
        }
        return all;
    };
    const auto one = [&](Entity entity) {
        const auto view = db.read();
        return view.get<Account>(entity)->balance == 5 && *view.get<Position>(entity) == positions[0];
    };

    auto tx = db.begin();
    const Entity by_list = tx.create(account, positions[0]);
    const std::vector<Entity> many_by_list = tx.create_many(3, columns);
    const std::vector<Entity> copies = tx.create_many(2, account, positions[0]);
    REQUIRE(tx.commit());
    CHECK((one(by_list) && one(copies[0]) && one(copies[1])));
    CHECK(right(many_by_list));

    auto changes = db.changes();
    changes.create(account, positions[0]);
    static_cast<void>(changes.create_many(3, columns));
    const auto applied = db.apply(changes);
    REQUIRE(applied);
    CHECK(one(applied->front()));
    CHECK(right(std::span{*applied}.subspan(1)));

    const Result<Entity> alone = db.create(account, positions[0]).wait();
    REQUIRE(alone);
    CHECK(one(*alone));
    const auto many_alone = db.create_many(3, columns).wait();
    REQUIRE(many_alone);
    CHECK(right(*many_alone));
    const auto copies_alone = db.create_many(4, account, positions[0]).wait();
    REQUIRE(copies_alone);
    CHECK((copies_alone->size() == 4 && one(copies_alone->back())));
    CHECK(code_of(db.create(Account{1}, account).wait()) == ErrorCode::AlreadyExists);
    CHECK(code_of(db.create_many(4, columns).wait()) == ErrorCode::InvalidArgument);

    std::vector<Entity> in_function;
    const Result<Entity> last = db.execute([&](auto& state) -> Result<Entity> {
        const Result<Entity> first = state.create_many(3, columns);
        REQUIRE(first);
        for (std::uint32_t i = 0; i < 3; ++i) {
            in_function.push_back(Entity{first->index() + i, first->generation(), first->shard()});
        }
        CHECK(code_of(state.create_many(2, columns)) == ErrorCode::InvalidArgument);
        CHECK(code_of(state.create_many(3, std::array{columns[0], columns[0]})) == ErrorCode::AlreadyExists);
        CHECK(code_of(state.create_many(0, std::array{Rows{99, {}}})) == ErrorCode::InvalidArgument);
        REQUIRE(state.create_many(2, Level{3}, Burning{}));
        return state.create(account, positions[0]);
    });
    REQUIRE(last);
    CHECK(one(*last));
    CHECK(right(in_function));
    CHECK(db.read().count<Level>() == 2);
    CHECK(db.read().count<Burning>() == 2);
}

TEST_CASE("what is created can be gone on with in one breath", "[transaction][operations]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(Position{1, 2, 3}).set(Account{4}).insert(Visible{}).set(Account{5});
    tx.create().set(Level{1});
    tx.insert(entity, Velocity{}).update(entity, &Velocity::x, 2.0F).destroy(tx.create(Level{2}));
    REQUIRE(tx.commit());
    const auto view = db.read();
    CHECK(view.get<Account>(entity)->balance == 5);
    CHECK(view.has<Visible>(entity));
    CHECK(view.get<Velocity>(entity)->x == 2.0F);
    CHECK(view.count<Level>() == 1);

    auto changes = db.changes();
    changes.create(Account{1}).set(Level{9});
    const auto ids = db.apply(changes);
    REQUIRE(ids);
    CHECK(db.get<Level>(ids->front())->number == 9);
}

TEST_CASE("what removes nothing is counted, where it is committed", "[transaction][operations]") {
    World world;
    World8& db = world.db;
    const Entity dead = world.entities[9];
    REQUIRE(db.destroy(dead).wait());
    std::uint64_t expected = 0;
    const auto counted = [&](std::uint64_t more) {
        expected += more;
        return db.statistics().no_ops == expected;
    };
    CHECK(counted(0));
    REQUIRE(db.destroy(dead).wait());
    CHECK(counted(1));
    REQUIRE(db.remove<Account>(world.entities[0]).wait()); // in a table
    REQUIRE(db.remove<Burning>(world.entities[0]).wait()); // and sparse
    REQUIRE(db.remove<Account>(dead).wait());
    CHECK(counted(3));
    auto tx = db.begin();
    tx.remove_many<Account>(world.entities).destroy(dead);
    REQUIRE(tx.commit());
    CHECK(counted(11));
    REQUIRE(db.execute([&](auto& state) { return state.destroy_many(world.entities); }));
    CHECK(counted(1)); // of ten, one was dead
    REQUIRE(db.create(Account{1}).wait());
    CHECK(db.where<>().remove<Account>());
    CHECK(db.where<>().remove<Account>());
    CHECK(counted(1));
    auto failing = db.begin();
    failing.destroy(dead).update(dead, Account{1});
    CHECK_FALSE(failing.commit());
    CHECK_FALSE(db.execute([&](auto& state) -> Result<void> {
        CHECK(state.destroy(dead));
        return Error{ErrorCode::Aborted, "a change of mind"};
    }));
    CHECK(counted(0)); // never happened
}

TEST_CASE("lists gathered apart are applied as one, and all ids come back", "[transaction][operations]") {
    World world;
    World8& db = world.db;
    const auto& e = world.entities;
    auto updates = db.changes();
    auto inserts = db.changes();
    auto removes = db.changes();
    auto destroys = db.changes();
    auto spawns = db.changes();
    auto more_spawns = db.changes();
    REQUIRE(db.insert(e[0], Account{1}).wait());
    REQUIRE(db.insert(e[1], Account{1}).wait());
    updates.update(e[0], Account{2});
    inserts.insert(e[2], Account{3});
    removes.remove<Account>(e[1]);
    destroys.destroy(e[3]);
    const Entity first = spawns.create(Level{1});
    spawns.set(first, Account{10});
    const Entity second = more_spawns.create(Level{2}); // the same placeholder, in another list
    more_spawns.set(second, Account{20});
    const std::uint64_t version = db.version();
    const auto created = db.apply(updates, inserts, removes, destroys, spawns, more_spawns);
    REQUIRE(created);
    CHECK(db.version() == version + 1);
    REQUIRE(created->size() == 2);
    CHECK(db.get<Account>(e[0])->balance == 2);
    CHECK(db.get<Account>(e[2])->balance == 3);
    CHECK_FALSE(db.get<Account>(e[1]));
    CHECK_FALSE(db.read().is_alive(e[3]));
    CHECK(db.get<Account>((*created)[0])->balance == 10);
    CHECK(db.get<Account>((*created)[1])->balance == 20);
    CHECK(db.get<Level>((*created)[1])->number == 2);
    const std::uint64_t before = db.read().hash();
    CHECK(code_of(db.apply(spawns, inserts)) == ErrorCode::AlreadyExists); // all or nothing
    CHECK(db.read().hash() == before);
}

} // namespace ecsdb::test::operations_test
