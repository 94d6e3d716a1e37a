#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/component.hpp"

using ecsdb::FieldType;
using namespace sample;

namespace elsewhere {
struct Named {
    int value;
};
} // namespace elsewhere
ECSDB_COMPONENT(elsewhere::Named, value);

namespace options {

struct Health {
    std::uint32_t hp;
    float regeneration[2];
    ecsdb::Entity guild;
    Team team;
    ecsdb::FixedString<8> title;
    bool alive;
};
ECSDB_COMPONENT(Health, hp, regeneration, guild, team, title, alive);

struct Misspelt {
    int value;
};
ECSDB_COMPONENT(Misspelt, value);

struct Other {
    std::int32_t value;
};
ECSDB_COMPONENT_NAMED(Other, "Named", value);

namespace twin {
enum class Team : std::uint16_t { green };
ECSDB_ENUM(Team, green);
struct Flag {
    Team team;
};
ECSDB_COMPONENT(Flag, team);
} // namespace twin

struct Many {
    std::uint8_t f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25,
        f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51,
        f52, f53, f54, f55, f56, f57, f58, f59, f60, f61, f62, f63;
};
ECSDB_COMPONENT(Many, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24,
                f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49,
                f50, f51, f52, f53, f54, f55, f56, f57, f58, f59, f60, f61, f62, f63);

} // namespace options

template <>
struct ecsdb::ComponentOptions<options::Health> {
    static constexpr Storage storage = Storage::Sparse;
    static constexpr Persist persist = Persist::Snapshot;
    static constexpr std::uint64_t capacity = 1000;
    static constexpr std::uint32_t version = 3;
    static constexpr bool deprecated = true;
    static constexpr std::string_view parent = "Position";
    static constexpr std::string_view key = "owner_id";
    static void constrain(TableEditor& table) {
        table.field("hp").min(1).max(100U).default_value(50).indexed();
        table.field("regeneration").min(0.5F);
        table.field("guild").references("Position", "entity_id", OnDelete::SetNull).nullable();
        table.field("team").default_value(Team::blue).deprecated();
        table.field("title").unique().not_null();
        table.field("alive").default_value(true);
    }
};

template <>
struct ecsdb::ComponentOptions<options::Misspelt> {
    static void constrain(TableEditor& table) { table.field("vaule").min(0); }
};

static_assert(ecsdb::Component<Position> && ecsdb::Component<Tag> && ecsdb::Component<elsewhere::Named>);
static_assert(!ecsdb::Component<Vec> && !ecsdb::Component<Team> && !ecsdb::Component<int> && !ecsdb::Component<std::string>);
static_assert(ecsdb::ComponentTraits<Tag>::is_tag && !ecsdb::ComponentTraits<Position>::is_tag);
static_assert(ecsdb::ComponentTraits<Everything>::name == "everything" && ecsdb::ComponentTraits<elsewhere::Named>::name == "Named");

TEST_CASE("options that name a field the struct does not have are an error", "[schema][component]") {
    CHECK(complaint(ecsdb::schema_of<options::Misspelt>("s")) ==
          "table `Misspelt`: its options constrain a field `vaule`, which it does not have");
}

TEST_CASE("two components of one name are an error", "[schema][component]") {
    CHECK(complaint(ecsdb::schema_of<elsewhere::Named, options::Other>("s")) == "table `Named`: a table of this name is already there");
}

TEST_CASE("two different enums of one name are an error", "[schema][component]") {
    CHECK(complaint(ecsdb::schema_of<Everything, options::twin::Flag>("s")) == "two different types are both called `Team`");
}

TEST_CASE("components become tables in the order given", "[schema][component]") {
    const auto schema = ecsdb::schema_of<Position, Tag, options::Many>("game");
    REQUIRE(schema);
    CHECK(schema->name() == "game");
    REQUIRE(schema->tables().size() == 3);
    CHECK(schema->table(0).name == "Position");
    CHECK(schema->table(1).is_tag());
    CHECK(schema->table(2).fields.size() == 64);
    CHECK(schema->table(2).fields[63].name == "f63");
    CHECK(ecsdb::bind_component<Position>(*schema).value_or(9) == 0);
    CHECK(ecsdb::bind_component<Tag>(*schema).value_or(9) == 1);
    CHECK(ecsdb::bind_component<options::Many>(*schema).value_or(9) == 2);
}

TEST_CASE("every option of a component lands in its table", "[schema][component]") {
    const auto schema = ecsdb::schema_of<Position, options::Health>("game");
    INFO(complaint(schema));
    REQUIRE(schema);
    const ecsdb::Table& table = schema->table(1);
    CHECK(table.storage == ecsdb::Storage::Sparse);
    CHECK(table.persist == ecsdb::Persist::Snapshot);
    CHECK(table.capacity == 1000);
    CHECK(table.version == 3);
    CHECK(table.deprecated);
    CHECK(table.parent == 0);
    CHECK(table.key_name == "owner_id");
    CHECK(table.fields[0].min == ecsdb::SchemaValue{std::uint64_t{1}});
    CHECK(table.fields[0].max == ecsdb::SchemaValue{std::uint64_t{100}});
    CHECK(table.fields[0].default_value == ecsdb::SchemaValue{std::uint64_t{50}});
    CHECK(table.fields[0].indexed);
    CHECK(table.fields[1].min == ecsdb::SchemaValue{0.5});
    REQUIRE(table.fields[2].foreign_key);
    CHECK(table.fields[2].foreign_key->table_id == 0);
    CHECK(table.fields[2].foreign_key->on_delete == ecsdb::OnDelete::SetNull);
    CHECK(table.fields[2].nullable);
    CHECK(table.fields[3].default_value == ecsdb::SchemaValue{std::string{"blue"}});
    CHECK(table.fields[3].deprecated);
    CHECK(table.fields[4].unique);
    CHECK(table.fields[4].not_null);
    CHECK(table.fields[5].default_value == ecsdb::SchemaValue{true});
}

TEST_CASE("a struct binds to the schema made from it", "[schema][component]") {
    const auto schema = ecsdb::schema_of<Position, options::Health, Everything>("game");
    REQUIRE(schema);
    CHECK(ecsdb::bind_component<options::Health>(*schema).value_or(9) == 1);
    const auto bound = ecsdb::bind_component<Everything>(*schema);
    INFO((bound ? "" : bound.error().message()));
    CHECK(bound);
}

namespace {

/// What binding says when the schema differs from the struct by what `change` did to it.
template <typename T, typename Change>
std::string mismatch(Change change) {
    const auto original = ecsdb::schema_of<T>("s");
    auto tables = original->tables();
    auto enums = original->enums();
    auto structs = original->structs();
    change(tables[0], enums, structs);
    const auto changed = finish(std::move(tables), std::move(enums), std::move(structs));
    if (!changed) {
        return "cannot finish: " + changed.error().message();
    }
    const auto bound = ecsdb::bind_component<T>(*changed);
    if (bound) {
        return {};
    }
    CHECK(bound.error().code() == ecsdb::ErrorCode::SchemaMismatch);
    return bound.error().message();
}

using Enums = std::vector<ecsdb::EnumType>;
using Structs = std::vector<ecsdb::StructType>;

} // namespace

TEST_CASE("a mismatch names the table, the field, and what both sides have", "[schema][component]") {
    CHECK(mismatch<Position>([](ecsdb::Table& table, Enums&, Structs&) { table.name = "Positon"; }) ==
          "table `Position`: is not in the schema (did you mean `Positon`?), and the struct `Position` is a component of the program");
    CHECK(mismatch<Position>([](ecsdb::Table& table, Enums&, Structs&) { table.fields[1].type = FieldType::U32; }) ==
          "table `Position`, field `y`: type is u32 in the schema, and the struct `Position` has f32");
    CHECK(mismatch<Position>([](ecsdb::Table& table, Enums&, Structs&) { table.fields[1].extents = {2}; }) ==
          "table `Position`, field `y`: type is f32[2] in the schema, and the struct `Position` has f32");
    CHECK(mismatch<Position>([](ecsdb::Table& table, Enums&, Structs&) { table.fields[2].nullable = true; }) ==
          "table `Position`, field `z`: type is nullable f32 in the schema, and the struct `Position` has f32");
    CHECK(mismatch<Position>([](ecsdb::Table& table, Enums&, Structs&) { table.fields[0].name = "w"; }) ==
          "table `Position`, field `x`: is missing in the schema, and the struct `Position` has it");
    CHECK(mismatch<Position>([](ecsdb::Table& table, Enums&, Structs&) { table.fields.push_back(field("w", FieldType::F32)); }) ==
          "table `Position`, field `w`: is in the schema, and the struct `Position` does not have it");
    CHECK(mismatch<Position>([](ecsdb::Table& table, Enums&, Structs&) { std::swap(table.fields[0], table.fields[1]); }) ==
          "table `Position`, field `y`: offset is 0 in the schema, and the struct `Position` has 4");
    CHECK(mismatch<Tag>([](ecsdb::Table& table, Enums&, Structs&) { table.fields.push_back(field("w", FieldType::F32)); }) ==
          "table `Tag`, field `w`: is in the schema, and the struct `Tag` does not have it");
}

TEST_CASE("a mismatch inside an enum or a struct is found", "[schema][component]") {
    CHECK(mismatch<Everything>([](ecsdb::Table&, Enums& enums, Structs&) { enums[0].values[1].value = 8; }) ==
          "table `everything`, field `team`: enum `Team` has `blue` = 8 in the schema, and the struct `everything` has `blue` = 7");
    CHECK(mismatch<Everything>([](ecsdb::Table&, Enums& enums, Structs&) {
              enums[0].values.push_back({"green", 9});
          }) ==
          "table `everything`, field `team`: enum `Team` has `green` = 9 in the schema, and the struct `everything` has no such value");
    CHECK(mismatch<Everything>([](ecsdb::Table&, Enums& enums, Structs&) { enums[0].underlying = FieldType::I16; }) ==
          "table `everything`, field `team`: enum `Team` is i16 in the schema, and the struct `everything` has u16");
    CHECK(mismatch<Everything>([](ecsdb::Table&, Enums&, Structs& structs) { structs[0].fields[1].type = FieldType::U64; }) ==
          "table `everything`, field `segments` of struct `Segment`, field `ends` of struct `Vec`, field `y`: type is u64 in the schema, "
          "and the struct `everything` has f64");
}

TEST_CASE("a u64 binds where the schema makes it a reference", "[schema][component]") {
    // A struct may spell a foreign key as the number it is.
    const auto schema = finish({table("Named", {key_to("value", "entities", "id")})});
    REQUIRE(schema);
    ecsdb::MemberDescription member = ecsdb::detail::describe_member<std::uint64_t>("value", 0);
    const ecsdb::StructDescription row{"Named", {&member, 1}, 8, 8};
    CHECK(ecsdb::detail::bind_struct(*schema, row));
    member.type = FieldType::I64;
    CHECK_FALSE(ecsdb::detail::bind_struct(*schema, row));
}
