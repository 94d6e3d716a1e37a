#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/schema.hpp"

#include <array>

namespace schema_test {

using ecsdb::FieldType;
using namespace sample;

TEST_CASE("what is not there is not found", "[schema]") {
    auto gone = table("gone");
    gone.dropped = true;
    const auto schema = finish({table("here", {field("x", FieldType::U8)}), gone});
    REQUIRE(schema);
    CHECK(schema->find_table("nowhere") == nullptr);
    CHECK(schema->find_table("gone") == nullptr);
    CHECK(schema->table(0).find_field("y") == nullptr);
    CHECK(schema->find_table("here")->find_field("x")->id == 0);
}

TEST_CASE("the elements of an array are counted over all its extents", "[schema]") {
    ecsdb::Field cells = field("cells", FieldType::F32);
    CHECK(cells.element_count() == 1);
    cells.extents = {4, 3, 2};
    CHECK(cells.element_count() == 24);
}

TEST_CASE("only values that have no null of their own need a presence byte", "[schema]") {
    ecsdb::Field one = field("one", FieldType::U8);
    CHECK_FALSE(one.has_presence_byte());
    one.nullable = true;
    CHECK(one.has_presence_byte());
    one.type = FieldType::Entity;
    CHECK_FALSE(one.has_presence_byte());
}

TEST_CASE("packing copies runs and leaves padding alone", "[schema]") {
    const std::vector<ecsdb::PackRun> runs{{0, 0, 1}, {4, 1, 2}};
    const std::array<std::byte, 8> row{std::byte{1}, {}, {}, {}, std::byte{2}, std::byte{3}, {}, {}};
    std::array<std::byte, 3> packed{};
    ecsdb::pack_row(runs, row.data(), packed.data());
    CHECK(packed == std::array<std::byte, 3>{std::byte{1}, std::byte{2}, std::byte{3}});
    std::array<std::byte, 8> back{};
    back.fill(std::byte{0xAA});
    ecsdb::unpack_row(runs, packed.data(), back.data());
    CHECK(back[0] == std::byte{1});
    CHECK(back[1] == std::byte{0xAA});
    CHECK(back[5] == std::byte{3});
}

} // namespace schema_test
