#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/layout.hpp"

#include <cstddef>
#include <cstring>
#include <numeric>

namespace layout_test {

using ecsdb::Field;
using ecsdb::FieldType;
using namespace sample;

namespace {

Field array_of(FieldType type, std::vector<std::uint32_t> extents) {
    Field made = field("cells", type);
    made.extents = std::move(extents);
    return made;
}

} // namespace

TEST_CASE("a row that would overflow is refused before anything is computed from it", "[schema][layout]") {
    const auto refused = Catch::Matchers::Contains("bytes a row can have");
    CHECK_THAT(complaint(finish({table("t", {array_of(FieldType::U8, {(1U << 20U) + 1})})})), refused);
    CHECK_THAT(complaint(finish({table("t", {array_of(FieldType::U64, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF})})})), refused);
    CHECK_THAT(complaint(finish({table("t", {array_of(FieldType::U8, {0x10000, 0x10000})})})), refused);
    CHECK(finish({table("t", {array_of(FieldType::U8, {1U << 20U})})}));
}

TEST_CASE("structs that contain themselves are refused, by whatever way", "[schema][layout]") {
    const auto struct_of = [](std::string name, std::uint16_t inner) {
        ecsdb::StructType type;
        type.name = std::move(name);
        Field made = field("inner", FieldType::Struct);
        made.type_index = inner;
        type.fields.push_back(made);
        return type;
    };
    CHECK(complaint(finish({}, {}, {struct_of("A", 0)})) == "struct `A`, field `inner`: struct `A` would contain itself through `A`");
    CHECK_THAT(complaint(finish({}, {}, {struct_of("A", 1), struct_of("B", 2), struct_of("C", 0)})),
               Catch::Matchers::Contains("would contain itself"));
}

TEST_CASE("structs nested too deep are refused, in whatever order they are declared", "[schema][layout]") {
    const auto chain = [](std::size_t length, bool outer_first) {
        std::vector<ecsdb::StructType> structs(length);
        for (std::size_t i = 0; i < length; ++i) {
            structs[i].name = "S" + std::to_string(i);
            const bool innermost = outer_first ? i + 1 == length : i == 0;
            Field made = field("inner", innermost ? FieldType::U8 : FieldType::Struct);
            made.type_index = static_cast<std::uint16_t>(innermost ? 0 : outer_first ? i + 1 : i - 1);
            structs[i].fields.push_back(made);
        }
        return complaint(finish({}, {}, std::move(structs)));
    };
    for (const bool outer_first : {false, true}) {
        CAPTURE(outer_first);
        CHECK(chain(ecsdb::max_struct_depth, outer_first).empty());
        CHECK_THAT(chain(ecsdb::max_struct_depth + 1, outer_first), Catch::Matchers::Contains("deep"));
        CHECK_THAT(chain(4000, outer_first), Catch::Matchers::Contains("deep"));
    }
}

TEST_CASE("a small schema cannot describe a row of endless pieces", "[schema][layout]") {
    ecsdb::StructType gappy;
    gappy.name = "Gappy";
    gappy.fields = {field("a", FieldType::U8), field("b", FieldType::U16)};
    Field many = array_of(FieldType::Struct, {60000});
    CHECK_THAT(complaint(finish({table("t", {many})}, {}, {gappy})), Catch::Matchers::Contains("pieces"));

    many.extents = {8000};
    std::vector<ecsdb::Table> tables;
    for (int i = 0; i < 200; ++i) {
        tables.push_back(table("t" + std::to_string(i), {many}));
    }
    CHECK_THAT(complaint(finish(std::move(tables), {}, {gappy})), Catch::Matchers::Contains("pieces"));
}

TEST_CASE("fields lie where C++ puts them", "[schema][layout]") {
    const auto schema = ecsdb::schema_of<Everything>("layout");
    REQUIRE(schema);
    const ecsdb::Table& table = schema->tables()[0];
    CHECK(table.size == sizeof(Everything));
    CHECK(table.alignment == alignof(Everything));
#define CHECK_MEMBER(member)                                                                                                               \
    CHECK(table.find_field(#member)->offset == offsetof(Everything, member));                                                              \
    CHECK(table.find_field(#member)->alignment == alignof(decltype(Everything::member)))
    CHECK_MEMBER(a);
    CHECK_MEMBER(b);
    CHECK_MEMBER(c);
    CHECK_MEMBER(d);
    CHECK_MEMBER(e);
    CHECK_MEMBER(f);
    CHECK_MEMBER(g);
    CHECK_MEMBER(h);
    CHECK_MEMBER(i);
    CHECK_MEMBER(j);
    CHECK_MEMBER(k);
    CHECK_MEMBER(owner);
    CHECK_MEMBER(name);
    CHECK_MEMBER(names);
    CHECK_MEMBER(team);
    CHECK_MEMBER(segments);
    CHECK_MEMBER(grid);
    CHECK_MEMBER(maybe);
    CHECK_MEMBER(maybe_bytes);
    CHECK_MEMBER(maybe_vec);
    CHECK_MEMBER(last);
#undef CHECK_MEMBER
    CHECK(table.find_field("maybe")->presence_offset == offsetof(Everything, maybe) + offsetof(ecsdb::Nullable<std::uint32_t>, present));
    CHECK(table.find_field("maybe_vec")->presence_offset == offsetof(Everything, maybe_vec) + offsetof(ecsdb::Nullable<Vec>, present));
    CHECK(schema->structs()[0].size == sizeof(Vec));
    CHECK(schema->structs()[1].size == sizeof(Segment));
}

TEST_CASE("packed rows have no gaps: every byte comes from exactly one place", "[schema][layout]") {
    const auto schema = ecsdb::schema_of<Everything, Position, Tag>("packed");
    REQUIRE(schema);
    for (const ecsdb::Table& table : schema->tables()) {
        CAPTURE(table.name);
        std::uint32_t end = 0;
        for (const ecsdb::PackRun& run : table.runs) {
            CHECK(run.packed_offset == end);
            CHECK(run.offset + run.size <= table.size);
            end += run.size;
        }
        CHECK(end == table.packed_size);
        std::uint32_t field_end = 0;
        for (const Field& field : table.fields) {
            CHECK(field.packed_offset == field_end);
            field_end += field.packed_size;
        }
        CHECK(field_end == table.packed_size);
    }
    CHECK(schema->tables()[1].runs.size() == 1);
    CHECK(schema->tables()[2].is_tag());
    const ecsdb::Table& everything = schema->tables()[0];
    CHECK(everything.find_field("name")->packed_size == 7);
    CHECK(everything.find_field("names")->packed_size == 10);
    CHECK(everything.find_field("segments")->packed_size == 6 * (1 + 2 * 12));
    CHECK(everything.find_field("maybe")->packed_size == 5);
    CHECK(everything.find_field("maybe_vec")->packed_size == 13);
}

TEST_CASE("a row survives packing and unpacking", "[schema][layout]") {
    const auto schema = ecsdb::schema_of<Everything>("round trip");
    REQUIRE(schema);
    const ecsdb::Table& table = schema->tables()[0];
    Everything row{};
    row.a = 1;
    row.b = 2;
    row.j = 0.5;
    row.owner = ecsdb::Entity{3, 4, 5};
    row.name = "hello";
    row.names[1] = "abc";
    row.team = Team::blue;
    row.segments[1][2].ends[1].y = 7.5;
    row.grid[1][2] = -9;
    row.maybe = 10U;
    row.maybe_vec = Vec{1, 2};
    row.last = true;
    std::vector<std::byte> packed(table.packed_size);
    ecsdb::pack_row(table.runs, reinterpret_cast<const std::byte*>(&row), packed.data());
    CHECK(packed[0] == std::byte{1});
    CHECK(packed[1] == std::byte{2});
    CHECK(packed.back() == std::byte{1});

    Everything back{};
    ecsdb::unpack_row(table.runs, packed.data(), reinterpret_cast<std::byte*>(&back));
    CHECK(back.owner == row.owner);
    CHECK(back.name == row.name);
    CHECK(back.names[1] == row.names[1]);
    CHECK(back.team == Team::blue);
    CHECK(back.segments[1][2].ends[1].y == 7.5);
    CHECK(back.grid[1][2] == -9);
    CHECK((back.maybe && *back.maybe == 10U));
    CHECK((back.maybe_vec && (*back.maybe_vec).y == 2));
    CHECK_FALSE(back.maybe_bytes);
    CHECK(back.last);
}

TEST_CASE("a nullable reference has no presence byte", "[schema][layout]") {
    Field owner = field("owner", FieldType::Entity);
    owner.nullable = true;
    const auto schema = finish({table("t", {owner})});
    REQUIRE(schema);
    CHECK(schema->tables()[0].size == 8);
    CHECK(schema->tables()[0].packed_size == 8);
}

TEST_CASE("finishing a finished schema changes nothing", "[schema][layout]") {
    const auto once = ecsdb::schema_of<Everything, Position>("twice");
    REQUIRE(once);
    const auto twice = ecsdb::finish_schema(*once);
    REQUIRE(twice);
    CHECK(twice->hash() == once->hash());
    CHECK(twice->tables()[0].runs.size() == once->tables()[0].runs.size());
}

} // namespace layout_test
