#include "ecsdb/formats/pecs.hpp"

#include "formats/formats_fixture.hpp"

namespace ecsdb::test::pecs_test {

TEST_CASE("PECS carries every byte of every component, there and back", "[formats][pecs]") {
    const formats::PecsFormat format;
    CHECK(format.format_name() == "pecs");
    CHECK(format.format_version() == 1);
    check_round_trips(format);
}

TEST_CASE("an empty database is saved and loaded", "[formats][pecs]") {
    Whole db = open_db<Whole>(stepped());
    const auto bytes = saved(db.read(), formats::PecsFormat{});
    CHECK(value_of(formats::load(db, formats::PecsFormat{}, bytes)).created == 0);
    CHECK(db.version() == 0);
}

TEST_CASE("a database that only knows its schema saves and loads too", "[formats][pecs]") {
    Whole from = open_db<Whole>(stepped());
    fill(from);
    Result<Database<>> into = Database<>::open(
        stepped(),
        value_of(schema_of<sample::Everything, Place, Visible, Burning, Note, Label, Leader, Friends, Scratch, ImportedId>("whole")));
    REQUIRE(into);
    value_of(formats::load(*into, formats::PecsFormat{}, saved(from.read(), formats::PecsFormat{})));
    CHECK(content_of(into->read()) == content_of(from.read()));
    CHECK(saved(into->read(), formats::PecsFormat{}).size() == saved(from.read(), formats::PecsFormat{}).size());
}

} // namespace ecsdb::test::pecs_test
