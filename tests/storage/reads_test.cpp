#include "ecsdb/storage/reads.hpp"

#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <span>
#include <vector>

namespace ecsdb::test::reads_test {
namespace {

/// Everything that can be read, gathered in every way there is.
struct Seen {
    std::vector<Entity> entities, listed, with_account, burning;
    std::map<Entity, std::vector<TableId>> components;
    std::map<Entity, std::uint32_t> archetypes;
    std::map<Entity, StableId> stable;
    std::vector<std::uint64_t> counts;
    std::int64_t each = 0, spans = 0, rows = 0, runs = 0, many = 0, many_rows = 0, fields = 0;

    friend bool operator==(const Seen&, const Seen&) = default;
};

template <typename State>
Seen see(const State& state, const std::vector<Entity>& ever) {
    Seen seen;
    const TableId account = state.template table_of<Account>();
    state.for_each_entity([&](Entity entity) { seen.entities.push_back(entity); });
    seen.listed = state.all_entities();
    CHECK(seen.listed == seen.entities);
    CHECK(seen.entities.size() == state.entity_count());
    std::sort(seen.entities.begin(), seen.entities.end());
    std::sort(seen.listed.begin(), seen.listed.end());
    for (const Entity entity : ever) {
        CHECK(state.is_alive(entity) == std::binary_search(seen.entities.begin(), seen.entities.end(), entity));
        seen.components[entity] = state.components_of(entity);
        seen.archetypes[entity] = state.archetype_of(entity);
        seen.stable[entity] = state.stable_id(entity);
        CHECK((state.is_alive(entity) ? state.find(state.stable_id(entity)) == entity : state.stable_id(entity).is_null()));
        const auto& has = seen.components[entity];
        CHECK(state.template has<Account>(entity) == (std::count(has.begin(), has.end(), account) == 1));
        CHECK(state.has_row(entity, account) == state.template has<Account>(entity));
        CHECK((state.template get<Account>(entity) != nullptr) == state.template has<Account>(entity));
        const auto [position, burning] = state.template get<Position, Burning>(entity);
        CHECK((position != nullptr) == state.template has<Position>(entity));
        CHECK((burning != nullptr) == state.template has<Burning>(entity));
        if (const std::int64_t* const balance = state.get(entity, FieldHandle<std::int64_t>{account, 0, 0}); balance != nullptr) {
            seen.fields += *balance;
        }
    }
    for (const Table& table : state.schema().tables()) {
        seen.counts.push_back(state.count_rows(table.id));
        CHECK(state.table_figures(table.id).rows == seen.counts.back());
    }
    CHECK(state.template count<Account>() == state.template figures<Account>().rows);
    state.template each<const Account>([&](Entity entity, const Account& a) {
        seen.with_account.push_back(entity);
        seen.each += a.balance;
    });
    std::sort(seen.with_account.begin(), seen.with_account.end());
    state.template each<Account, Burning>([&](Entity entity, const Account&, const Burning&) { seen.burning.push_back(entity); });
    std::sort(seen.burning.begin(), seen.burning.end());
    state.template each_span<Account>([&](std::span<const Account> accounts) {
        for (const Account& a : accounts) {
            seen.spans += a.balance;
        }
    });
    const std::array tables{account};
    state.for_each_row(tables,
                       [&](Entity, const std::byte* const* rows) { seen.rows += reinterpret_cast<const Account*>(rows[0])->balance; });
    state.for_each_run(tables, [&](std::uint32_t count, const std::byte* const* rows) {
        for (std::uint32_t i = 0; i < count; ++i) {
            seen.runs += reinterpret_cast<const Account*>(rows[0])[i].balance;
        }
    });
    std::vector<const Account*> typed(ever.size());
    std::vector<const std::byte*> untyped(ever.size());
    state.template get_many<Account>(ever, typed);
    state.find_rows(ever, account, untyped);
    for (std::size_t i = 0; i < ever.size(); ++i) {
        CHECK(reinterpret_cast<const std::byte*>(typed[i]) == untyped[i]);
        CHECK(untyped[i] == state.find_row(ever[i], account));
        seen.many += typed[i] == nullptr ? 0 : typed[i]->balance;
        seen.many_rows += untyped[i] == nullptr ? 0 : reinterpret_cast<const Account*>(untyped[i])->balance;
    }
    for (const std::int64_t sum : {seen.spans, seen.rows, seen.runs, seen.many, seen.many_rows, seen.fields}) {
        CHECK(sum == seen.each);
    }
    return seen;
}

} // namespace

TEST_CASE("a function reads what it has written, in every way in which a view reads it afterwards", "[storage][reads]") {
    World8 db = open_db(stepped());
    std::mt19937 random{GENERATE(1U, 2U, 3U)};
    std::vector<Entity> ever;
    for (int round = 0; round < 20; ++round) {
        const Result<Seen> inside = db.execute([&](auto& state) {
            for (int i = 0; i < 60; ++i) {
                const Entity entity = ever.empty() ? Entity{} : ever[random() % ever.size()];
                switch (random() % 8) {
                case 0:
                case 1:
                case 2:
                    ever.push_back(*state.create(Account{static_cast<std::int64_t>(random() % 1000)}));
                    break;
                case 3:
                    ever.push_back(*state.create(Position{1, 2, 3}, Burning{}));
                    break;
                case 4:
                    CHECK(state.destroy(entity));
                    break;
                case 5:
                    static_cast<void>(state.set(entity, Account{static_cast<std::int64_t>(random() % 1000)}));
                    break;
                case 6:
                    static_cast<void>(state.set(entity, Burning{}));
                    break;
                default:
                    CHECK(state.template remove<Account>(entity));
                }
            }
            return see(state, ever);
        });
        REQUIRE(inside);
        CHECK(*inside == see(db.read(), ever));
    }
}

TEST_CASE("what cannot be walked is not", "[storage][reads]") {
    World8 db = open_db(stepped());
    REQUIRE(db.create(Account{1}, Burning{}).wait());
    const auto view = db.read();
    const TableId account = view.table_of<Account>();
    std::size_t visits = 0;
    const auto visit = [&](std::uint32_t, const std::byte* const*) { ++visits; };
    view.for_each_run(std::array{account, TableId{99}}, visit);
    view.for_each_run({}, visit);
    view.for_each_run(std::vector<TableId>(33, account), visit);
    view.for_each_run(std::array{account, view.table_of<Burning>()}, visit); // sparse: its rows do not lie together
    CHECK(visits == 0);
    view.for_each_run(std::array{account}, visit);
    CHECK(visits == 1);
    const std::vector<Entity> all = view.all_entities();
    std::vector<const std::byte*> rows(1);
    view.find_rows(all, 99, rows);
    CHECK(rows[0] == nullptr);
    CHECK_FALSE(view.has_row(all[0], 99));
}

} // namespace ecsdb::test::reads_test
