#include "ecsdb/recovery/table_figures.hpp"

#include "ecsdb/database.hpp"
#include "support/catch.hpp"

#include <string>
#include <vector>

namespace table_figures_test {

struct Note {
    ecsdb::Text text;
};
struct Place {
    std::uint64_t x, y;
};

} // namespace table_figures_test

ECSDB_COMPONENT(table_figures_test::Note, text);
ECSDB_COMPONENT(table_figures_test::Place, x, y);

namespace table_figures_test {

using World = ecsdb::Database<Note, Place>;
using ecsdb::Entity;
using ecsdb::ErrorCode;
using ecsdb::TableFigures;

constexpr std::size_t megabyte = std::size_t{1} << 20U;

TEST_CASE("texts are part of what their table takes", "[recovery][figures]") {
    auto opened = World::open({});
    REQUIRE(opened);
    World& world = *opened;
    const std::string text(megabyte, 'x');
    for (int i = 0; i < 20; ++i) {
        auto tx = world.begin();
        static_cast<void>(tx.create(Note{tx.text(text)}));
        REQUIRE(tx.commit());
    }
    const TableFigures figures = world.read().figures<Note>();
    CHECK(figures.rows == 20);
    CHECK(figures.contents == 20);
    CHECK(figures.content_bytes == 20 * megabyte);
    CHECK(figures.used_bytes >= 20 * megabyte);
    CHECK(figures.allocated_bytes >= figures.used_bytes);
    CHECK(figures.allocated_bytes <= world.statistics().used_bytes);
    CHECK(figures.fragmentation() < 0.5);
    CHECK(world.read().figures<Place>().contents == 0);
}

TEST_CASE("a table's retired bytes are those that views of older versions keep, each once", "[recovery][figures]") {
    ecsdb::Options options;
    options.own_thread = GENERATE(false, true);
    auto opened = World::open(options);
    REQUIRE(opened);
    World& world = *opened;
    std::vector<Entity> living;
    for (int i = 0; i < 1000; ++i) {
        auto tx = world.begin();
        living.push_back(tx.create(Place{0, 0}));
        REQUIRE(tx.commit());
    }
    const auto table = world.read().table_of<Place>();
    const auto retired = [&] {
        const auto figures = world.table_figures(table);
        REQUIRE(figures);
        CHECK(figures->rows == 1000);
        return figures->retired_bytes;
    };
    CHECK(retired() == 0);
    auto first = world.read();
    REQUIRE(world.update(living[0], Place{1, 1}).wait());
    const std::size_t one_page = retired();
    CHECK(one_page >= 128 * sizeof(Place));
    CHECK(one_page < 4096);
    {
        // The page changed before is the same in both: it counts once. The other one counts for the second view.
        const auto second = world.read();
        REQUIRE(world.update(living[999], Place{2, 2}).wait());
        CHECK(retired() > one_page);
        CHECK(retired() <= 2 * one_page);
    }
    REQUIRE(world.update<Place>([](Place& place) { ++place.x; }));
    const std::size_t all = retired();
    CHECK(all >= 1000 * sizeof(Place)); // the whole table of the first version
    CHECK(all <= world.statistics().retired_bytes);
    CHECK(world.table_figures(world.read().table_of<Note>())->retired_bytes == 0);
    first = {};
    CHECK(retired() == 0);
}

TEST_CASE("retired texts count for their table", "[recovery][figures]") {
    auto opened = World::open({});
    REQUIRE(opened);
    World& world = *opened;
    auto tx = world.begin();
    const Entity entity = tx.create(Note{tx.text(std::string(megabyte, 'a'))});
    REQUIRE(tx.commit());
    const auto held = world.read();
    auto next = world.begin();
    next.update(entity, Note{next.text("short")});
    REQUIRE(next.commit());
    const auto figures = world.table_figures(held.table_of<Note>());
    REQUIRE(figures);
    CHECK(figures->content_bytes == 5);
    CHECK(figures->retired_bytes >= megabyte);
}

TEST_CASE("what cannot be counted is said", "[recovery][figures]") {
    auto opened = World::open({});
    REQUIRE(opened);
    World& world = *opened;
    CHECK(world.table_figures(99).error().code() == ErrorCode::NotFound);
    REQUIRE(world.execute([&](auto&) { CHECK(world.table_figures(0).error().code() == ErrorCode::WouldDeadlock); }));
    REQUIRE(world.close());
    CHECK(world.table_figures(0).error().code() == ErrorCode::Closed);
}

} // namespace table_figures_test
