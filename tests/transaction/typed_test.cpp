#include "ecsdb/transaction/typed.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <span>
#include <type_traits>
#include <vector>

namespace ecsdb::test::typed_test {
namespace {

struct Stranger {
    int x;
};

template <typename Tx, typename T>
concept CanInsert = requires(Tx& tx, T component) {
    tx.insert(Entity{}, component);
};
template <typename Tx, typename T>
concept CanRemove = requires(Tx& tx) {
    tx.template remove<T>(Entity{});
};

static_assert(CanInsert<World8::Transaction, Position>);
static_assert(CanInsert<World8::WriteState, Burning>);
static_assert(!CanInsert<World8::Transaction, Stranger>);
static_assert(!CanInsert<World8::WriteState, int>);
static_assert(!CanRemove<World8::Transaction, Stranger>);
static_assert(CanRemove<World8::Transaction, Position>);

static_assert(!std::is_copy_constructible_v<World8::Transaction>);
static_assert(std::is_nothrow_move_constructible_v<World8::Transaction>);
static_assert(!std::is_copy_constructible_v<Ticket>);

} // namespace

TEST_CASE("components given twice fail like any second insert", "[transaction][typed]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(Account{1}, Account{2});
    CHECK_FALSE(entity.is_null());
    CHECK(code_of(tx.commit()) == ErrorCode::AlreadyExists);
    const Result<Entity> in_function = db.execute([](auto& state) { return state.create(Account{1}, Account{2}); });
    CHECK(code_of(in_function) == ErrorCode::AlreadyExists);
    CHECK(db.read().entity_count() == 0);
}

TEST_CASE("many are created with components of every storage, each where it belongs", "[transaction][typed]") {
    World8 db = open_db(stepped());
    std::vector<Account> accounts(300);
    std::vector<Target> targets(300);
    const std::vector<Burning> burning(300);
    for (std::size_t i = 0; i < accounts.size(); ++i) {
        accounts[i].balance = static_cast<std::int64_t>(i);
        targets[i].entity = 1000 + i;
    }
    const Result<Entity> first = db.execute([&](auto& state) {
        return state.create_many(300, std::span<const Target>{targets}, std::span<const Account>{accounts},
                                 std::span<const Burning>{burning});
    });
    REQUIRE(first);
    {
        const auto view = db.read();
        CHECK(view.count<Target>() == 300);
        CHECK(view.count<Burning>() == 300);
        bool right = true;
        for (std::uint32_t i = 0; i < 300; ++i) {
            const Entity entity{first->index() + i, first->generation(), first->shard()};
            right = right && view.get<Account>(entity)->balance == accounts[i].balance && *view.get<Target>(entity) == targets[i] &&
                    view.has<Burning>(entity);
        }
        CHECK(right);
    }
    REQUIRE(db.remove<Target>(*first).wait()); // it is a sparse row like any other
    REQUIRE(db.insert(*first, Target{7}).wait());
    CHECK(db.read().count<Target>() == 300);
    const std::uint64_t before = db.read().hash();
    CHECK(code_of(db.execute([&](auto& state) { return state.create_many(301, std::span<const Account>{accounts}); })) ==
          ErrorCode::InvalidArgument);
    CHECK(db.read().hash() == before);
}

TEST_CASE("operations chain, in any order of components and storages", "[transaction][typed]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(Burning{}, Velocity{1, 2, 3}, Visible{}, Account{4});
    tx.insert(entity, Position{})
        .update(entity, Position{5, 6, 7})
        .set(entity, Target{8})
        .update(entity, &Velocity::y, 20.0F)
        .remove<Account>(entity)
        .remove<Burning>(entity);
    REQUIRE(tx.commit());
    const auto view = db.read();
    const auto [position, velocity, account, target] = view.get<Position, Velocity, Account, Target>(entity);
    CHECK(*position == Position{5, 6, 7});
    CHECK(velocity->y == 20);
    CHECK(velocity->z == 3);
    CHECK(account == nullptr);
    CHECK(target->entity == 8);
    CHECK(view.has<Visible>(entity));
    CHECK_FALSE(view.has<Burning>(entity));
}

TEST_CASE("one element of an array member can be overwritten as the whole array", "[transaction][typed]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(Wide{}, Level{3});
    std::uint32_t words[1200] = {};
    words[1199] = 5;
    tx.update(entity, &Wide::words, words).update(entity, &Level::number, 9);
    REQUIRE(tx.commit());
    CHECK(db.get<Wide>(entity)->words[1199] == 5);
    CHECK(db.get<Level>(entity)->number == 9);
}

TEST_CASE("many entities take their columns in whatever order they are named", "[transaction][typed]") {
    World8 db = open_db(stepped());
    const std::array<Account, 3> accounts{{{1}, {2}, {3}}};
    const std::array<Position, 3> positions{{{1, 0, 0}, {2, 0, 0}, {3, 0, 0}}};
    const std::array<Visible, 3> visible{};
    const Result<Entity> first = db.execute([&](auto& state) {
        return state.create_many(3, std::span<const Visible>{visible}, std::span<const Account>{accounts},
                                 std::span<const Position>{positions});
    });
    REQUIRE(first);
    const auto view = db.read();
    for (std::uint32_t i = 0; i < 3; ++i) {
        const Entity entity{first->index() + i, first->generation(), 0};
        CHECK(view.get<Account>(entity)->balance == i + 1);
        CHECK(view.get<Position>(entity)->x == float(i + 1));
        CHECK(view.has<Visible>(entity));
    }
}

TEST_CASE("spans of different sizes spoil the whole list", "[transaction][typed]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const std::vector<Entity> entities = tx.create_many(3, Account{1});
    const std::vector<Position> two(2);
    tx.insert_many<Position>(entities, two);
    CHECK(code_of(tx.commit()) == ErrorCode::InvalidArgument);
    CHECK(db.read().entity_count() == 0);
}

TEST_CASE("many entities are created alike, then written, removed and destroyed with spans", "[transaction][typed]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    std::vector<Entity> entities = tx.create_many(1000, Position{1, 2, 3}, Visible{}, Target{7});
    std::vector<Account> accounts;
    std::vector<Position> positions;
    for (std::size_t i = 0; i < entities.size(); ++i) {
        accounts.push_back({static_cast<std::int64_t>(i)});
        positions.push_back({static_cast<float>(i), 0, 0});
    }
    const std::vector<Burning> burning(10);
    tx.insert_many<Account>(entities, accounts)
        .update_many(std::span<const Entity>{entities}.first(500), std::span<const Position>{positions}.first(500))
        .set_many<Burning>(std::span{entities}.first(10), burning)
        .remove_many<Visible>(std::span{entities}.first(1))
        .destroy_many(std::span{entities}.last(200));
    REQUIRE(tx.commit());
    CHECK(db.version() == 1);
    const auto view = db.read();
    CHECK(view.entity_count() == 800);
    CHECK(view.count<Visible>() == 799);
    CHECK(view.count<Target>() == 800);
    CHECK(view.count<Burning>() == 10);
    for (std::size_t i = 0; i < 800; ++i) {
        REQUIRE(view.get<Account>(entities[i])->balance == static_cast<std::int64_t>(i));
        REQUIRE(*view.get<Position>(entities[i]) == (i < 500 ? positions[i] : Position{1, 2, 3}));
    }
    std::array<Entity, 3> few{};
    auto more = db.begin();
    more.create_many(few, Level{3});
    REQUIRE(more.commit());
    CHECK(db.get<Level>(few[2])->number == 3);
    CHECK(db.read().entity_count() == 803);
}

} // namespace ecsdb::test::typed_test
