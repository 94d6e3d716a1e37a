#include "ecsdb/formats/single_entity.hpp"

#include "ecsdb/formats/pecs.hpp"
#include "formats/formats_fixture.hpp"

namespace ecsdb::test::single_entity_test {

TEST_CASE("one entity is saved, changed, restored, deleted, and restored again", "[formats]") {
    Whole db = open_db<Whole>(stepped());
    const auto made = fill(db);
    const Content before = content_of(db.read());
    const StableId id = db.read().stable_id(made[3]); // in a circle with made[4]
    SystemAllocator memory;
    ByteBuffer out{memory};
    require(formats::save_entity(db.read(), made[3], formats::PecsFormat{}, out));

    require(db.update(made[3], Place{0, 0}).wait());
    require(db.insert(made[3], Visible{}).wait());
    CHECK(value_of(formats::load_entity(db, formats::PecsFormat{}, out.view())) == made[3]);
    CHECK(content_of(db.read()) == before);

    // What names it goes with it (`cascade`), and so does what that names.
    require(db.update(made[4], Leader{made[0]}).wait());
    CHECK(value_of(formats::delete_entity(db, id)));
    CHECK_FALSE(db.read().find(id));
    CHECK_FALSE(value_of(formats::delete_entity(db, id)));
    const Entity again = value_of(formats::load_entity(db, formats::PecsFormat{}, out.view()));
    CHECK(again != made[3]);
    CHECK(db.read().find(id) == again);
    CHECK(db.get<Leader>(again)->entity == made[4]);
    CHECK(content_of(db.read())[id] == before.at(id));
}

TEST_CASE("an entity that is not there is not saved, and nothing is not one", "[formats]") {
    Whole db = open_db<Whole>(stepped());
    SystemAllocator memory;
    ByteBuffer out{memory};
    CHECK(code_of(formats::save_entity(db.read(), Entity{1, 1, 0}, formats::PecsFormat{}, out)) == ErrorCode::NotFound);
    require(formats::save(db.read(), formats::PecsFormat{}, out));
    CHECK(code_of(formats::load_entity(db, formats::PecsFormat{}, out.view())) == ErrorCode::NotFound);
}

} // namespace ecsdb::test::single_entity_test
