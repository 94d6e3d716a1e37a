// Every key of a schema file, from its text to what the database does: each test fails if its key is ignored.
#include "constraint/constraint_fixture.hpp"

#include <cstring>
#include <string>
#include <string_view>

namespace ecsdb::test::schema_keys_test {
namespace {

Options on_disk(SimulatedFileSystem& files) {
    Options options;
    options.directory = "/db";
    options.durability = Durability::Logged;
    options.file_system = &files;
    return options;
}

/// One table `t` with one field `x`.
std::string field_x(const std::string& keys, const std::string& more = {}) {
    return "[tables.t]\nfields = [ { name = \"x\", " + keys + " } ]\n" + more;
}

/// Whether a row with this value may be inserted. Says no if and only if a constraint does.
template <typename T>
bool takes(Scene& scene, const T& value) {
    const Result<void> done = scene.commit([&](auto& tx) { tx.insert(tx.create(), scene.row("t", "x", value)); });
    REQUIRE((done.has_value() || done.error().code() == ErrorCode::ConstraintViolation));
    return done.has_value();
}
template <typename T>
bool takes(const std::string& toml, const T& value) {
    Scene scene{toml};
    return takes(scene, value);
}

/// Whether a database made with one schema opens with another.
ErrorCode reopened(std::string_view with, std::string_view again) {
    SimulatedFileSystem files;
    {
        Scene scene{with, on_disk(files)};
        REQUIRE(scene.db().close());
    }
    Options options = on_disk(files);
    options.own_thread = false;
    const auto db = Database<>::open(options, schema_from(again));
    return db ? ErrorCode{} : db.error().code();
}

} // namespace

TEST_CASE("the game schema binds: components need a living entity, and cost no key", "[constraint][schema_keys]") {
    Scene scene{R"(
[database]
name = "game_db"
version = "1.0.0"

[tables.entities]
primary_key = "id"
[[tables.entities.fields]]
name = "id"
type = "u64"
constraint = "unique"

[[tables.entities.fields]]
name = "version"
type = "u32"
auto_increment = true

[tables.transform]
parent_table = "entities"
[[tables.transform.fields]]
name = "entity_id"
type = "u64"
foreign_key = "entities.id"

[[tables.transform.fields]]
name = "position_x"
type = "f32"

[tables.health]
parent_table = "entities"
[[tables.health.fields]]
name = "entity_id"
type = "u64"
foreign_key = "entities.id"

[[tables.health.fields]]
name = "hp"
type = "u32"
)"};
    CHECK(scene.schema().find_table("health")->size == sizeof(std::uint32_t));
    const Entity entity = scene.add(scene.row("health", "hp", 7U), scene.row("transform", "position_x", 1.0F));
    CHECK(scene.get<std::uint32_t>(entity, "health", "hp") == 7);
    const Result<void> dead = scene.commit([&](auto& tx) { tx.insert(Entity{77, 1, 0}, scene.row("health")); });
    REQUIRE_FALSE(dead);
    CHECK(dead.error().code() == ErrorCode::NotFound);
    scene.accept([&](auto& tx) { tx.destroy(entity); });
    CHECK_FALSE(scene.has(entity, "health"));
    CHECK(scene.db().engine().constraints() == nullptr);
}

TEST_CASE("[database] name and version are stored with the database", "[constraint][schema_keys]") {
    SimulatedFileSystem files;
    {
        Scene scene{"[database]\nname = \"farm\"\nversion = \"4.2\"\n[tables.tag]\n", on_disk(files)};
        REQUIRE(scene.db().close());
    }
    Options options = on_disk(files);
    options.own_thread = false;
    const auto db = Database<>::open(options);
    REQUIRE(db);
    CHECK(db->schema().name() == "farm");
    CHECK(db->schema().database_version() == "4.2");
}

TEST_CASE("primary_key of entities is what foreign keys to any entity name", "[constraint][schema_keys]") {
    Scene scene{"[tables.entities]\nprimary_key = \"uid\"\nfields = [ { name = \"uid\", type = \"u64\" } ]\n" +
                field_x(R"(type = "u64", foreign_key = "entities.uid")")};
    CHECK_FALSE(takes(scene, Entity{5, 1, 0}));
    CHECK(takes(scene, scene.add()));
}

TEST_CASE("primary_key of a table is what foreign keys to its rows name", "[constraint][schema_keys]") {
    Scene scene{field_x(
        R"(type = "entity", foreign_key = "door.self")",
        "[tables.door]\nprimary_key = \"self\"\nfields = [ { name = \"self\", type = \"u64\", foreign_key = \"entities.id\" } ]\n")};
    CHECK_FALSE(takes(scene, scene.add()));
    CHECK(takes(scene, scene.add(scene.row("door"))));
}

TEST_CASE("auto_increment names the count of an entity's changes, which counts by itself", "[constraint][schema_keys]") {
    Scene scene{"[tables.entities]\nfields = [ { name = \"rev\", type = \"u32\", auto_increment = true } ]\n" +
                field_x(R"(type = "u8", max = 100)")};
    CHECK(scene.schema().entity_names().version == "rev");
    const Entity entity = scene.add(scene.row("t"));
    const std::uint32_t before = scene.db().read().entity_version(entity).value();
    scene.accept([&](auto& tx) { tx.set(entity, scene.row("t", "x", std::uint8_t{9})); });
    CHECK(scene.db().read().entity_version(entity) == before + 1);
}

TEST_CASE("name and type decide how a row is reached and laid out", "[constraint][schema_keys]") {
    Scene scene{R"(
[enums.Team]
type = "u16"
values = { red = 1, blue = 5 }
[structs.Vec]
fields = [ { name = "x", type = "f32" }, { name = "alive", type = "bool" } ]
[tables.t]
fields = [ { name = "grid", type = "i16[2][3]" }, { name = "word", type = "string[6]" }, { name = "team", type = "Team" },
           { name = "at", type = "Vec" } ]
)"};
    const Table& table = *scene.schema().find_table("t");
    CHECK(table.find_field("grid")->size == 12);
    CHECK(find_field<float>(scene.schema(), "t", "word").error().code() == ErrorCode::WrongType);
    // [enums.NAME]: only its values; [structs.NAME]: its fields are looked into.
    Row row = scene.row("t", "word", "abc");
    scene.refuse({"`team`", "enum `Team`"}, [&](auto& tx) { tx.insert(tx.create(), row); });
    Scene::put(row, "team", std::uint16_t{5});
    const Entity entity = scene.add(row);
    const Field& at = *table.find_field("at");
    scene.refuse({"`at`", "`alive`", "neither false"}, [&](auto& tx) {
        const std::uint8_t two = 2;
        tx.update_part(entity, table.id, at.offset + 4, std::as_bytes(std::span{&two, 1}));
    });
}

TEST_CASE("constraint unique", "[constraint][schema_keys]") {
    for (const bool unique : {true, false}) {
        Scene scene{field_x(unique ? R"(type = "u32", constraint = "unique")" : R"(type = "u32")")};
        CHECK(takes(scene, 1U));
        CHECK(takes(scene, 2U));
        CHECK(takes(scene, 1U) == !unique);
    }
}

TEST_CASE("constraint not_null", "[constraint][schema_keys]") {
    CHECK_FALSE(takes(field_x(R"(type = "entity", constraint = "not_null")"), Entity{}));
    CHECK(takes(field_x(R"(type = "entity", constraint = "not_null")"), Entity{1, 1, 0}));
    CHECK(takes(field_x(R"(type = "entity")"), Entity{}));
    Scene both{field_x(R"(type = "entity", constraint = ["unique", "not_null"])")};
    CHECK_FALSE(takes(both, Entity{}));
    CHECK(takes(both, Entity{1, 1, 0}));
    CHECK_FALSE(takes(both, Entity{1, 1, 0}));
}

TEST_CASE("min and max", "[constraint][schema_keys]") {
    Scene scene{field_x(R"(type = "i32", min = -2, max = 3)")};
    CHECK_FALSE(takes(scene, std::int32_t{-3}));
    CHECK(takes(scene, std::int32_t{-2}));
    CHECK(takes(scene, std::int32_t{3}));
    CHECK_FALSE(takes(scene, std::int32_t{4}));
    CHECK(takes(field_x(R"(type = "i32", min = -2)"), std::int32_t{4}));
    CHECK(takes(field_x(R"(type = "i32", max = 3)"), std::int32_t{-3}));
}

TEST_CASE("default is what a row built by name starts with", "[constraint][schema_keys]") {
    const auto stored = [](const std::string& keys) {
        Scene scene{"[enums.Team]\nvalues = [\"red\", \"blue\"]\n" + field_x(keys)};
        const Entity entity = scene.add(scene.row("t"));
        std::uint8_t first = 0;
        std::memcpy(&first, scene.db().read().root().find_row(scene.db().read().root().entities.at(entity.index()), entity.index(), 0), 1);
        return first;
    };
    CHECK(stored(R"(type = "u8", default = 42)") == 42);
    CHECK(stored(R"(type = "u8")") == 0);
    CHECK(stored(R"(type = "Team", default = "blue")") == 1);
}

TEST_CASE("nullable makes a value that may be absent", "[constraint][schema_keys]") {
    Scene scene{field_x(R"(type = "u32", nullable = true, min = 5)")};
    CHECK_FALSE(scene.is_present(scene.add(scene.row("t")), "t", "x")); // absent: below no bound
    CHECK(scene.is_present(scene.add(scene.row("t", "x", 5U)), "t", "x"));
    Scene plain{field_x(R"(type = "u32", min = 5)")};
    plain.refuse({"below min"}, [&](auto& tx) { tx.insert(tx.create(), plain.row("t")); });
    const Field& x = scene.schema().table(0).fields[0];
    scene.refuse({"presence byte"}, [&](auto& tx) {
        const std::uint8_t two = 2;
        tx.update_part(Entity{0, 1, 0}, 0, x.presence_offset, std::as_bytes(std::span{&two, 1}));
    });
}

TEST_CASE("foreign_key and on_delete", "[constraint][schema_keys]") {
    const auto outcome = [](const std::string& on_delete) {
        Scene scene{field_x(R"(type = "entity", foreign_key = "entities.id")" + on_delete)};
        const Entity target = scene.add();
        const Entity who = scene.add(scene.row("t", "x", target));
        const bool destroyed = scene.commit([&](auto& tx) { tx.destroy(target); }).has_value();
        return !destroyed                                   ? std::string_view{"refused"}
               : !scene.has(who, "t")                       ? std::string_view{"removed"}
               : scene.get<Entity>(who, "t", "x").is_null() ? std::string_view{"cleared"}
                                                            : std::string_view{"dangling"};
    };
    CHECK(outcome("") == "refused");
    CHECK(outcome(R"(, on_delete = "restrict")") == "refused");
    CHECK(outcome(R"(, on_delete = "cascade")") == "removed");
    CHECK(outcome(R"(, on_delete = "set_null")") == "cleared");
    CHECK_FALSE(takes(field_x(R"(type = "entity", foreign_key = "entities.id")"), Entity{9, 1, 0}));
    CHECK(takes(field_x(R"(type = "entity")"), Entity{9, 1, 0}));
    Scene by_value{field_x(R"(type = "u32", foreign_key = "item.code")",
                           "[tables.item]\nfields = [ { name = \"code\", type = \"u32\", constraint = \"unique\" } ]\n")};
    CHECK_FALSE(takes(by_value, 3U));
    by_value.add(by_value.row("item", "code", 3U));
    CHECK(takes(by_value, 3U));
}

TEST_CASE("parent_table", "[constraint][schema_keys]") {
    for (const std::string_view parent : {"parent_table = \"base\"\n", "parent_table = \"entities\"\n", ""}) {
        CAPTURE(parent);
        const bool bound = parent.find("base") != std::string_view::npos;
        Scene scene{"[tables.base]\n[tables.t]\n" + std::string{parent}};
        CHECK(scene.commit([&](auto& tx) { tx.insert(tx.create(), scene.row("t")); }).has_value() == !bound);
        const Entity entity = scene.add(scene.row("base"), scene.row("t"));
        scene.accept([&](auto& tx) { tx.remove_row(entity, scene.table("base")); });
        CHECK(scene.has(entity, "t") == !bound);
    }
}

TEST_CASE("storage decides where rows are kept", "[constraint][schema_keys]") {
    for (const bool sparse : {true, false}) {
        Scene scene{std::string{"[tables.t]\nstorage = \""} + (sparse ? "sparse" : "table") +
                    "\"\nfields = [ { name = \"x\", type = \"u8\" } ]\n"};
        const Entity bare = scene.add();
        const Entity entity = scene.add(scene.row("t"));
        const auto view = scene.db().read();
        CHECK((view.root().sparse(0) != nullptr) == sparse);
        CHECK((view.archetype_of(bare) == view.archetype_of(entity)) == sparse);
    }
}

TEST_CASE("persist decides what a snapshot brings back", "[constraint][schema_keys]") {
    SimulatedFileSystem files;
    constexpr std::string_view toml = "[tables.kept]\npersist = \"wal\"\n[tables.saved]\npersist = \"snapshot\"\n"
                                      "[tables.passing]\npersist = \"transient\"\n";
    Entity entity;
    {
        Scene scene{toml, on_disk(files)};
        entity = scene.add(scene.row("kept"), scene.row("saved"), scene.row("passing"));
        REQUIRE(scene.db().snapshot());
        REQUIRE(scene.db().close());
    }
    Scene scene{toml, on_disk(files)};
    CHECK(scene.has(entity, "kept"));
    CHECK(scene.has(entity, "saved"));
    CHECK_FALSE(scene.has(entity, "passing"));
}

TEST_CASE("indexed, capacity, version and deprecated are kept with the database and make schemas differ", "[constraint][schema_keys]") {
    const std::string plain = "[tables.t]\nfields = [ { name = \"x\", type = \"u32\" } ]\n";
    CHECK(reopened(plain, plain) == ErrorCode{});
    const Schema told = schema_from("[tables.t]\ncapacity = 1000\nversion = 3\ndeprecated = true\n"
                                    "fields = [ { name = \"x\", type = \"u32\", indexed = true, deprecated = true } ]\n");
    const Table& table = told.table(0);
    CHECK(table.capacity == 1000);
    CHECK(table.version == 3);
    CHECK(table.deprecated);
    CHECK(table.fields[0].indexed);
    CHECK(table.fields[0].deprecated);
    CHECK(reopened(plain, "[tables.t]\nversion = 3\nfields = [ { name = \"x\", type = \"u32\" } ]\n") == ErrorCode::SchemaMismatch);
    // A hint is no promise: more rows than expected are welcome.
    Scene scene{"[tables.t]\ncapacity = 1\nfields = [ { name = \"x\", type = \"u32\", max = 9 } ]\n"};
    CHECK(takes(scene, 1U));
    CHECK(takes(scene, 2U));
}

namespace {

struct Fuel {
    float litres;
};
ECSDB_COMPONENT(Fuel, litres);
struct Gauge {
    float litres;
};
ECSDB_COMPONENT(Gauge, litres);

} // namespace

TEST_CASE("a column update refuses to write what it cannot check, and says what", "[constraint][schema_keys]") {
    Options options;
    options.own_thread = false;
    const std::string_view toml = "[tables.Fuel]\nfields = [ { name = \"litres\", type = \"f32\", min = 0.0 } ]\n"
                                  "[tables.Gauge]\nfields = [ { name = \"litres\", type = \"f32\" } ]\n";
    auto opened = Database<Fuel, Gauge>::open(options, schema_from(toml));
    REQUIRE(opened);
    auto& db = *opened;
    auto tx = db.begin();
    const Entity entity = tx.create(Fuel{3}, Gauge{0});
    REQUIRE(tx.commit());
    const Result<void> refused = db.update<Fuel>([](Fuel& fuel) { fuel.litres -= 5; });
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    CHECK(refused.error().message().find("`Fuel`") != std::string::npos);
    CHECK(refused.error().message().find("`litres`") != std::string::npos);
    CHECK(db.update<const Fuel, Gauge>([](const Fuel& fuel, Gauge& gauge) { gauge.litres = fuel.litres; }));
    CHECK(db.get<Gauge>(entity)->litres == 3);
    CHECK(db.update(entity, Fuel{-1}).wait().error().code() == ErrorCode::ConstraintViolation);
    CHECK(db.get<Fuel>(entity)->litres == 3);
}

} // namespace ecsdb::test::schema_keys_test
