#include "ecsdb/formats/selection.hpp"

#include "formats/formats_fixture.hpp"

#include <set>

namespace ecsdb::test::selection_test {

namespace {

struct Seen {
    std::set<Entity> entities;
    std::set<std::string> tables;
};
Seen seen(const Whole& db, const formats::SaveOptions& options) {
    const auto view = db.read();
    formats::Selection selection = value_of(formats::Selection::of(view, options));
    Seen result;
    require(selection.for_each([&](const formats::SelectedEntity& selected) -> Result<void> {
        CHECK(result.entities.insert(selected.entity).second);
        CHECK(selected.id == view.stable_id(selected.entity));
        std::uint32_t before = 0;
        for (const formats::SelectedRow& row : selected.rows) {
            CHECK(row.place + 1 > before);
            before = row.place + 1;
            const Table& table = *selection.tables()[row.place].table;
            CHECK(row.row == view.find_row(selected.entity, table.id));
            result.tables.insert(table.name);
        }
        return {};
    }));
    return result;
}
Error refusal(const Whole& db, const formats::SaveOptions& options) {
    const auto view = db.read();
    auto selection = formats::Selection::of(view, options);
    REQUIRE_FALSE(selection);
    return std::move(selection).error();
}

} // namespace

TEST_CASE("everything is selected but transient tables, unless they are asked for", "[formats][selection]") {
    Whole db = open_db<Whole>(stepped());
    const auto made = fill(db);
    const Seen all = seen(db, {});
    CHECK(all.entities == std::set<Entity>(made.begin(), made.end()));
    CHECK(all.tables == std::set<std::string>{"everything", "Place", "Visible", "Burning", "Note", "Label", "Leader", "Friends"});
    CHECK(seen(db, {.transient = true}).tables.count("Scratch") == 1);
    CHECK(seen(db, {.tables = {"Scratch"}}).entities == std::set<Entity>{made[4]});
}

TEST_CASE("tables, tags, entities and a predicate narrow what is saved", "[formats][selection]") {
    Whole db = open_db<Whole>(stepped());
    const auto made = fill(db);
    const Seen some = seen(db, {.tables = {"Place", "Label"}});
    CHECK(some.entities == std::set<Entity>{made[0], made[3], made[5], made[6], made[7]});
    CHECK(some.tables == std::set<std::string>{"Place", "Label"});
    CHECK(seen(db, {.without_tables = {"Place"}}).tables.count("Place") == 0);
    CHECK(seen(db, {.without_tables = {"Place"}}).entities.size() == made.size());
    CHECK(seen(db, {.having = {"Visible"}}).entities == std::set<Entity>{made[2]});
    CHECK(seen(db, {.having = {"Burning", "Visible"}}).entities == std::set<Entity>{made[2]});
    CHECK(seen(db, {.having = {"Place"}, .not_having = {"Note", "Friends"}}).entities == std::set<Entity>{made[0], made[7]});
    CHECK(seen(db, {.entities = {made[7], made[1]}}).entities == std::set<Entity>{made[1], made[7]});
    const auto right = [](const View& view, Entity entity) { return view.is_alive(entity) && entity.index() % 2 == 0; };
    CHECK(seen(db, {.tables = {"Place"}, .where = right}).entities == std::set<Entity>{made[0]});
}

TEST_CASE("what cannot be selected is refused by name", "[formats][selection]") {
    Whole db = open_db<Whole>(stepped());
    const auto made = fill(db);
    CHECK(refusal(db, {.tables = {"Plaec"}}).message() == "table `Plaec` is not in the schema (did you mean `Place`?)");
    CHECK(refusal(db, {.having = {"X"}}).code() == ErrorCode::InvalidArgument);
    CHECK(refusal(db, {.entities = {made[0], made[0]}}).code() == ErrorCode::InvalidArgument);
    CHECK(refusal(db, {.entities = {Entity{500, 1, 0}}}).code() == ErrorCode::NotFound);
}

TEST_CASE("many rows over many pages come in order, each once", "[formats][selection]") {
    using Pages = Database<Place, Visible, Friends, Wide>;
    Pages db = open_db<Pages>(stepped());
    auto tx = db.begin();
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const Entity entity = tx.create(Place{float(i), 0});
        if (i % 3 == 0) {
            tx.insert(entity, Friends{});
        }
        if (i % 100 == 0) {
            tx.insert(entity, Wide{{i}});
        }
    }
    require(tx.commit());
    const auto view = db.read();
    const formats::SaveOptions everything;
    formats::Selection selection = value_of(formats::Selection::of(view, everything));
    std::set<Entity> entities;
    std::size_t rows = 0;
    require(selection.for_each([&](const formats::SelectedEntity& selected) -> Result<void> {
        entities.insert(selected.entity);
        for (const formats::SelectedRow& row : selected.rows) {
            rows += row.row == view.find_row(selected.entity, selection.tables()[row.place].table->id) ? 1 : 0;
        }
        return {};
    }));
    CHECK(entities.size() == 1000);
    CHECK(rows == 1000 + 334 + 10);
}

} // namespace ecsdb::test::selection_test
