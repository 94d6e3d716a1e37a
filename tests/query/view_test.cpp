#include "ecsdb/query/view.hpp"

#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb::test::view_test {
namespace {

using TestView = World8::View;

// What a view gives points into it, so a view that is about to go gives nothing.
template <typename V>
concept CanGet = requires(V&& view) {
    std::forward<V>(view).template get<Position>(Entity{});
};
template <typename V>
concept CanGetTwo = requires(V&& view) {
    std::forward<V>(view).template get<Position, Target>(Entity{});
};
template <typename V>
concept CanFindRow = requires(V&& view) {
    std::forward<V>(view).find_row(Entity{}, TableId{0});
};
template <typename V, typename T>
concept CanHas = requires(V&& view) {
    view.template has<T>(Entity{});
};
struct Stranger {};

static_assert(CanGet<const TestView&> && CanGet<TestView&>);
static_assert(!CanGet<TestView> && !CanGet<const TestView>);
static_assert(CanGetTwo<const TestView&> && !CanGetTwo<TestView>);
static_assert(CanFindRow<const TestView&> && !CanFindRow<TestView>);
static_assert(CanHas<TestView&, Burning> && !CanHas<TestView&, Stranger>);
static_assert(!std::is_copy_constructible_v<TestView>);
static_assert(std::is_nothrow_move_constructible_v<TestView> && std::is_nothrow_move_assignable_v<TestView>);

/// What every entity should have, by plain means.
struct Expected {
    std::optional<float> position;
    std::optional<std::int64_t> account;
    std::optional<std::uint64_t> target;
    bool visible = false;
    bool burning = false;
};

struct Zoo {
    World8 db = open_db(stepped());
    std::map<Entity, Expected> all;

    explicit Zoo(int count, unsigned seed = 1) {
        std::mt19937 random{seed};
        auto tx = db.begin();
        for (int i = 0; i < count; ++i) {
            const Entity entity = tx.create();
            Expected& expected = all[entity];
            if (random() % 3 != 0) {
                expected.position = float(i);
                tx.insert(entity, Position{float(i), 0, 0});
            }
            if (random() % 2 != 0) {
                expected.account = i;
                tx.insert(entity, Account{i});
            }
            if (random() % 4 == 0) {
                expected.target = static_cast<std::uint64_t>(i);
                tx.insert(entity, Target{static_cast<std::uint64_t>(i)});
            }
            if (random() % 5 == 0) {
                expected.visible = true;
                tx.insert(entity, Visible{});
            }
            if (random() % 7 == 0) {
                expected.burning = true;
                tx.insert(entity, Burning{});
            }
        }
        REQUIRE(tx.commit());
    }
    template <typename Test>
    std::vector<Entity> where(Test&& test) const {
        std::vector<Entity> found;
        for (const auto& [entity, expected] : all) {
            if (test(expected)) {
                found.push_back(entity);
            }
        }
        return found;
    }
};

std::vector<Entity> sorted(std::vector<Entity> entities) {
    std::sort(entities.begin(), entities.end());
    return entities;
}

} // namespace

TEST_CASE("an empty view is false, and so is one moved from", "[query]") {
    TestView none;
    CHECK_FALSE(none);
    World8 db = open_db();
    TestView view = db.read();
    CHECK(view);
    const TestView other = std::move(view);
    CHECK_FALSE(view); // NOLINT: that is the question
    CHECK(other);
    CHECK(other.version() == 0);
    CHECK(other.entity_count() == 0);
}

TEST_CASE("what is dead, foreign or was never there has nothing", "[query]") {
    World8 db = open_db();
    auto tx = db.begin();
    const Entity alive = tx.create(Position{1, 2, 3}, Target{4});
    const Entity dead = tx.create(Position{});
    REQUIRE(tx.commit());
    REQUIRE(db.destroy(dead).wait());
    const auto view = db.read();
    const Entity nobody[] = {dead,
                             Entity{},
                             Entity{alive.index(), alive.generation() + 1, 0},
                             Entity{alive.index(), alive.generation(), 5},
                             Entity{4'000'000'000U, 1, 0},
                             Entity{alive.index() + 1'000'000, 1, 0}};
    for (const Entity entity : nobody) {
        CAPTURE(entity.to_bits());
        CHECK_FALSE(view.is_alive(entity));
        CHECK(view.get<Position>(entity) == nullptr);
        CHECK(view.get<Target>(entity) == nullptr);
        const auto [position, target] = view.get<Position, Target>(entity);
        CHECK((position == nullptr && target == nullptr));
        CHECK_FALSE(view.has<Burning>(entity));
        CHECK_FALSE(view.entity_version(entity));
        CHECK(view.components_of(entity).empty());
        CHECK(view.archetype_of(entity) == 0);
        CHECK(view.find_row(entity, 0) == nullptr);
        CHECK_FALSE(db.get<Position>(entity));
    }
    CHECK(view.find_row(alive, 1) == nullptr);
    CHECK(view.components_of(alive) == std::vector<TableId>{0, 6});
}

TEST_CASE("get, has, count and each say what was written, over every kind of storage", "[query]") {
    const auto count = GENERATE(0, 1, 7, 8, 9, 500, 3000);
    CAPTURE(count);
    const Zoo zoo{count};
    const auto view = zoo.db.read();
    std::vector<Entity> entities;
    for (const auto& [entity, expected] : zoo.all) {
        entities.push_back(entity);
        const auto [position, account, target, visible, burning] = view.get<Position, Account, Target, Visible, Burning>(entity);
        REQUIRE((position != nullptr) == expected.position.has_value());
        REQUIRE((account != nullptr) == expected.account.has_value());
        REQUIRE((target != nullptr) == expected.target.has_value());
        REQUIRE((visible != nullptr) == expected.visible);
        REQUIRE((burning != nullptr) == expected.burning);
        REQUIRE((position == nullptr || position->x == *expected.position));
        REQUIRE((account == nullptr || account->balance == *expected.account));
        REQUIRE((target == nullptr || target->entity == *expected.target));
        REQUIRE(position == view.get<Position>(entity));
        REQUIRE(view.has<Visible>(entity) == expected.visible);
        REQUIRE(view.has<Burning>(entity) == expected.burning);
    }
    const auto positions = zoo.where([](const Expected& e) { return e.position.has_value(); });
    const auto targets = zoo.where([](const Expected& e) { return e.target.has_value(); });
    CHECK(view.count<Position>() == positions.size());
    CHECK(view.count<Target>() == targets.size());
    CHECK(view.count<Visible>() == zoo.where([](const Expected& e) { return e.visible; }).size());
    CHECK(view.count<Burning>() == zoo.where([](const Expected& e) { return e.burning; }).size());
    CHECK(view.count<Velocity>() == 0);
    CHECK(view.entity_count() == zoo.all.size());

    std::vector<const Position*> rows(entities.size());
    view.get_many<Position>(entities, rows);
    for (std::size_t i = 0; i < entities.size(); ++i) {
        REQUIRE(rows[i] == view.get<Position>(entities[i]));
    }

    std::vector<Entity> seen;
    view.for_each_entity([&](Entity entity) { seen.push_back(entity); });
    CHECK(sorted(seen) == entities);

    const auto each = [&seen, &view](auto&& run) {
        seen.clear();
        run(view);
        return sorted(seen);
    };
    CHECK(each([&](const TestView& v) { v.each<Position>([&](Entity entity, const Position&) { seen.push_back(entity); }); }) == positions);
    CHECK(each([&](const TestView& v) { v.each<const Target>([&](Entity entity, const Target&) { seen.push_back(entity); }); }) == targets);
    CHECK(each([&](const TestView& v) {
              v.each<Position, const Visible>([&](Entity entity, const Position&, const Visible&) { seen.push_back(entity); });
          }) == zoo.where([](const Expected& e) { return e.position && e.visible; }));
    CHECK(each([&](const TestView& v) {
              v.each<Account, Target, Burning, Position>(
                  [&](Entity entity, const Account& a, const Target& t, const Burning&, const Position& p) {
                      CHECK(a.balance == std::int64_t(t.entity));
                      CHECK(p.x == float(a.balance));
                      seen.push_back(entity);
                  });
          }) == zoo.where([](const Expected& e) { return e.position && e.account && e.target && e.burning; }));
    CHECK(each([&](const TestView& v) { v.each<Burning>([&](Entity entity, const Burning&) { seen.push_back(entity); }); }) ==
          zoo.where([](const Expected& e) { return e.burning; }));
    view.each<Velocity>([](const Velocity&) { FAIL("there is none"); });
    view.each<Velocity, Target>([](const Velocity&, const Target&) { FAIL("there is none"); });

    // Without entities, and as spans, the same rows.
    double sum = 0;
    double span_sum = 0;
    std::size_t span_rows = 0;
    view.each<Position, Account>([&](const Position& p, const Account& a) { sum += double(p.x) + double(a.balance); });
    view.each_span<Position, const Account>([&](std::span<const Position> ps, std::span<const Account> as) {
        REQUIRE(ps.size() == as.size());
        REQUIRE_FALSE(ps.empty());
        span_rows += ps.size();
        for (std::size_t i = 0; i < ps.size(); ++i) {
            span_sum += double(ps[i].x) + double(as[i].balance);
        }
    });
    CHECK(sum == span_sum);
    CHECK(span_rows == zoo.where([](const Expected& e) { return e.position && e.account; }).size());
}

TEST_CASE("spans end where the smallest page among the columns does", "[query]") {
    World8 db = open_db();
    constexpr std::uint32_t rows = 1000;
    auto tx = db.begin();
    for (std::uint32_t i = 0; i < rows; ++i) {
        tx.create(Account{i}, Level{static_cast<std::uint8_t>(i)}, Position{float(i), 0, 0});
    }
    REQUIRE(tx.commit());
    const auto view = db.read();
    std::uint32_t next = 0;
    view.each_span<Level, Position, Account>(
        [&](std::span<const Level> levels, std::span<const Position> positions, std::span<const Account> accounts) {
            CHECK(levels.size() == std::min<std::size_t>(128, rows - next)); // 12 bytes: 128 rows to a page
            for (std::size_t i = 0; i < levels.size(); ++i, ++next) {
                REQUIRE(accounts[i].balance == next);
                REQUIRE(levels[i].number == static_cast<std::uint8_t>(next));
                REQUIRE(positions[i].x == float(next));
            }
            CHECK(reinterpret_cast<std::uintptr_t>(positions.data()) % 64 == 0);
        });
    CHECK(next == rows);
}

TEST_CASE("a pinned view stays as it was, whatever is written", "[query]") {
    Zoo zoo{800};
    World8& db = zoo.db;
    struct Held {
        TestView view;
        std::uint64_t hash;
        std::uint64_t entities;
    };
    std::vector<Held> held;
    std::mt19937 random{3};
    for (int round = 0; round < 60; ++round) {
        held.push_back({db.read(), 0, 0});
        held.back().hash = held.back().view.hash();
        held.back().entities = held.back().view.entity_count();
        for (int i = 0; i < 30; ++i) {
            auto chosen = zoo.all.begin();
            std::advance(chosen, static_cast<std::ptrdiff_t>(random() % zoo.all.size()));
            auto tx = db.begin();
            switch (random() % 5) {
            case 0:
                tx.destroy(chosen->first);
                break;
            case 1:
                tx.create(Position{}, Wide{}, Burning{});
                break;
            case 2:
                tx.remove<Position>(chosen->first);
                break;
            default:
                tx.set(chosen->first, Account{round}).set(chosen->first, Target{1});
            }
            static_cast<void>(tx.post());
        }
        if (round % 4 == 0) {
            REQUIRE(db.update<Account>([](Account& account) { ++account.balance; }));
        }
        step_all(db);
        if (held.size() > 8) {
            std::swap(held[random() % held.size()], held.back());
            held.pop_back(); // in any order
        }
        for (const Held& one : held) {
            REQUIRE(one.view.hash() == one.hash);
            REQUIRE(one.view.entity_count() == one.entities);
        }
    }
}

TEST_CASE("a view outlives its database, and may be let go of on another thread", "[query]") {
    std::optional<World8> db = open_db();
    auto tx = db->begin();
    const Entity entity = tx.create(Position{1, 2, 3}, Target{4}, Burning{});
    REQUIRE(tx.commit());
    TestView view = db->read();
    TestView other = db->read();
    const Position* const row = view.get<Position>(entity);
    db.reset();
    CHECK(*row == Position{1, 2, 3});
    CHECK(view.get<Target>(entity)->entity == 4);
    CHECK(view.schema().tables().size() == 8);
    bool right = false;
    std::thread{[moved = std::move(other), entity, &right] { right = moved.has<Burning>(entity) && moved.version() == 1; }}.join();
    CHECK(right);
    view = {};
    CHECK_FALSE(view);
}

TEST_CASE("a view of a database that was closed still reads, and so does the database", "[query]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{7}); });
    REQUIRE(entity);
    REQUIRE(db.close());
    CHECK(db.get<Account>(*entity)->balance == 7);
    CHECK(db.read().version() == 1);
}

TEST_CASE("equal states have equal hashes, whatever way led to them; different ones do not", "[query]") {
    // One builds directly, the other on a detour.
    World8 one = open_db(stepped());
    World8 two = open_db(stepped());
    std::vector<Entity> first;
    std::vector<Entity> second;
    auto direct = one.begin();
    for (int i = 0; i < 100; ++i) {
        first.push_back(direct.create(Position{float(i), 0, 0}, Target{static_cast<std::uint64_t>(i)}));
    }
    REQUIRE(direct.commit());
    for (int i = 0; i < 100; ++i) {
        auto tx = two.begin();
        second.push_back(tx.create(Burning{}));
        REQUIRE(tx.commit());
    }
    CHECK(first == second);
    for (int i = 99; i >= 0; --i) {
        const Entity entity = second[static_cast<std::size_t>(i)];
        auto tx = two.begin();
        tx.insert(entity, Target{static_cast<std::uint64_t>(i)}).insert(entity, Account{}).insert(entity, Position{});
        tx.remove<Burning>(entity).remove<Account>(entity).update(entity, Position{float(i), 0, 0});
        REQUIRE(tx.commit());
    }
    CHECK(one.read().hash() == two.read().hash());
    const std::uint64_t equal = one.read().hash();
    REQUIRE(one.update(first[3], Position{3, 0, 1}).wait());
    CHECK(one.read().hash() != equal);
    REQUIRE(one.update(first[3], Position{3, 0, 0}).wait());
    CHECK(one.read().hash() == equal);
    REQUIRE(one.set(first[3], Burning{}).wait());
    CHECK(one.read().hash() != equal);
    REQUIRE(one.remove<Burning>(first[3]).wait());
    REQUIRE(one.destroy(first[9]).wait());
    CHECK(one.read().hash() != equal);
}

TEST_CASE("one view may be read by several threads while others are opened and the writer writes", "[query][threads]") {
    World8 db = open_db();
    std::vector<Entity> entities;
    {
        auto tx = db.begin();
        for (int i = 0; i < 500; ++i) {
            entities.push_back(tx.create(Account{0}, Target{0}));
        }
        REQUIRE(tx.commit());
    }
    const auto shared = db.read();
    std::atomic<int> failed{0};
    std::atomic<bool> done{false};
    {
        std::vector<std::jthread> readers;
        for (int t = 0; t < 3; ++t) {
            readers.emplace_back([&] {
                while (!done) {
                    shared.each<Account>([&](const Account& account) { failed += account.balance != 0; });
                    const auto own = db.read();
                    // Both components change together.
                    own.each<Target, Account>(
                        [&](const Target& target, const Account& account) { failed += std::int64_t(target.entity) != account.balance; });
                }
            });
        }
        for (int i = 1; i < 1500; ++i) {
            auto tx = db.begin();
            const Entity entity = entities[static_cast<std::size_t>(i * 31) % entities.size()];
            tx.update(entity, Account{i}).update(entity, Target{static_cast<std::uint64_t>(i)});
            failed += !tx.submit().is_submitted();
        }
        failed += !db.destroy({}).wait();
        done = true;
    }
    CHECK(failed == 0);
}

} // namespace ecsdb::test::view_test
