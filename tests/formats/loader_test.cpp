#include "ecsdb/formats/loader.hpp"

#include "ecsdb/formats/pecs.hpp"
#include "formats/formats_fixture.hpp"

namespace ecsdb::test::loader_test {

namespace {

const formats::PecsFormat format;

} // namespace

TEST_CASE("an entity comes once, has each table once, and an id", "[formats][loader]") {
    Whole db = open_db<Whole>(stepped());
    const formats::LoadOptions options;
    formats::EntityLoader loader{formats::LoadTarget{db}, options};
    CHECK(code_of(loader.begin(StableId{}, {})) == ErrorCode::Corrupt);
    const std::array<TableId, 2> twice{1, 1};
    CHECK(code_of(loader.begin(StableId{1, 1}, twice)) == ErrorCode::Corrupt);
    for (std::uint64_t i = 1; i < 200; ++i) {
        REQUIRE(loader.begin(StableId{1, i}, {}));
    }
    CHECK(code_of(loader.begin(StableId{1, 150}, {})) == ErrorCode::Corrupt);
    CHECK(value_of(loader.run()).created == 199);
    CHECK(db.read().entity_count() == 199);
}

TEST_CASE("references to what is not loaded lead to who has that id here, or are refused, or null", "[formats][loader]") {
    Whole from = open_db<Whole>(stepped());
    const auto made = fill(from);
    const auto ring = saved(from.read(), format, {.entities = {made[3]}}); // names made[4], made[0]
    Whole into = open_db<Whole>(stepped());
    CHECK(contains(refused(into, format, ring, ErrorCode::InvalidArgument), "which is neither loaded nor in the database"));
    value_of(formats::load(into, format, ring, {.missing_reference = formats::MissingReference::Null}));
    const Entity lonely = into.read().find(from.read().stable_id(made[3]));
    CHECK(into.get<Leader>(lonely)->entity.is_null());

    // Once they are there, the same file leads to them.
    value_of(formats::load(into, format, saved(from.read(), format, {.entities = {made[0], made[4]}}),
                           {.missing_reference = formats::MissingReference::Null}));
    value_of(formats::load(into, format, ring, {.existing = formats::ExistingEntity::Replace}));
    CHECK(into.get<Leader>(lonely)->entity == into.read().find(from.read().stable_id(made[4])));
    CHECK(into.get<Friends>(lonely)->who[0] == into.read().find(from.read().stable_id(made[0])));
}

TEST_CASE("a reference to what was gone when it was saved names nothing", "[formats][loader]") {
    Whole from = open_db<Whole>(stepped());
    auto tx = from.begin();
    const Entity gone = tx.create();
    const Entity left = tx.create(Friends{{gone, Entity{}, Entity{}}});
    require(tx.commit());
    require(from.destroy(gone).wait());
    const auto bytes = saved(from.read(), format);
    Whole into = open_db<Whole>(stepped());
    CHECK(contains(refused(into, format, bytes, ErrorCode::InvalidArgument), "an entity that was gone when it was saved"));
    const auto report = value_of(formats::load(into, format, bytes, {.missing_reference = formats::MissingReference::Null}));
    CHECK(into.get<Friends>(report.entities[0])->who[0].is_null());
    static_cast<void>(left);
}

TEST_CASE("stable ids need a table to be kept in, unless they are there already", "[formats][loader]") {
    using Plain = Database<Place>;
    Plain db = open_db<Plain>(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(Place{1, 2});
    require(tx.commit());
    const auto bytes = saved(db.read(), format);
    require(db.update(entity, Place{9, 9}).wait());
    CHECK(value_of(formats::load(db, format, bytes, {.existing = formats::ExistingEntity::Replace})).replaced == 1);
    CHECK(db.get<Place>(entity)->x == 1);
    Plain other = open_db<Plain>(stepped());
    CHECK(contains(refused(other, format, bytes, ErrorCode::SchemaMismatch), "`ImportedId`"));
    CHECK(value_of(formats::load(other, format, bytes, {.keep_stable_ids = false})).created == 1);
}

TEST_CASE("a destroyed entity comes back under its stable id, in the database it was saved from", "[formats][loader]") {
    Whole db = open_db<Whole>(stepped());
    const auto made = fill(db);
    const Content before = content_of(db.read());
    const auto bytes = saved(db.read(), format);
    auto tx = db.begin();
    for (const Entity entity : made) {
        tx.destroy(entity);
    }
    require(tx.commit());
    value_of(formats::load(db, format, bytes));
    CHECK(content_of(db.read()) == before);
}

} // namespace ecsdb::test::loader_test
