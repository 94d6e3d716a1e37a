#include "ecsdb/import.hpp"

#include "ecsdb/database.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test::import_test {

struct Spot {
    float x, y;
    friend bool operator==(const Spot&, const Spot&) = default;
};
ECSDB_COMPONENT(Spot, x, y);

/// A key that cannot be null: circles of these need both ends at once.
struct Next {
    Entity entity;
};
ECSDB_COMPONENT(Next, entity);

/// References that are no keys, in an array.
struct Friends {
    std::array<Entity, 3> who;
};
ECSDB_COMPONENT(Friends, who);

struct Name {
    FixedString<14> text;
};
ECSDB_COMPONENT(Name, text);

struct Hidden {};
ECSDB_COMPONENT(Hidden);

} // namespace ecsdb::test::import_test

template <>
struct ecsdb::ComponentOptions<ecsdb::test::import_test::Next> {
    static void constrain(TableEditor& table) { table.field("entity").references("Spot", "entity_id", OnDelete::Cascade).not_null(); }
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::import_test::Friends> {
    static constexpr Storage storage = Storage::Sparse;
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::import_test::Name> {
    static void constrain(TableEditor& table) { table.field("text").unique(); }
};

namespace ecsdb::test::import_test {
namespace {

using World = Database<Spot, Next, Friends, Name, Hidden, ImportedId>;

Database<> open_text(const std::string& toml) {
    auto schema = parse_schema(toml, "import.toml");
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    auto opened = Database<>::open(stepped(), std::move(*schema));
    if (!opened) {
        FAIL(opened.error().to_string());
    }
    return std::move(*opened);
}
template <typename T>
T value(Result<T> result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
    return std::move(*result);
}
void require(const Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}
template <typename... Cs>
Entity make(World& db, const Cs&... components) {
    auto tx = db.begin();
    const Entity entity = tx.create(components...);
    require(tx.commit());
    return entity;
}
/// The message of a refusal that must leave the target as it was.
template <typename Db, typename... Args>
std::string refusal(Db& into, ErrorCode code, Args&&... args) {
    const std::uint64_t version = into.version();
    const std::uint64_t hash = into.read().hash();
    const auto imported = import_entities(into, std::forward<Args>(args)...);
    REQUIRE_FALSE(imported);
    CHECK(name_of(imported.error().code()) == name_of(code));
    CHECK(into.version() == version);
    CHECK(into.read().hash() == hash);
    return imported.error().message();
}
bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// A ring of entities, each of which names the next.
std::vector<Entity> make_ring(World& db, std::uint32_t length) {
    auto tx = db.begin();
    std::vector<Entity> ring = tx.create_many(length);
    for (std::uint32_t i = 0; i < length; ++i) {
        tx.insert(ring[i], Spot{float(i), 0}).insert(ring[i], Next{ring[(i + 1) % length]});
    }
    require(tx.commit());
    return ring;
}

} // namespace

TEST_CASE("what cannot be imported is refused, and leaves nothing behind", "[import]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    make(into, Spot{1, 1});
    const Entity spot = make(from, Spot{2, 2});
    const Entity dead = make(from, Spot{3, 3});
    require(from.destroy(dead).wait());
    const auto view = from.read();

    CHECK(contains(refusal(into, ErrorCode::InvalidArgument, View{}), "empty view"));
    CHECK(contains(refusal(into, ErrorCode::InvalidArgument, View{}, std::array{spot}), "empty view"));
    CHECK(contains(refusal(into, ErrorCode::NotFound, view, std::array{spot, dead}), "entity 1 (generation 1) is not alive"));
    CHECK(contains(refusal(into, ErrorCode::NotFound, view, std::array{Entity{}}), "is not alive"));
    CHECK(contains(refusal(into, ErrorCode::InvalidArgument, view, std::array{spot, spot}), "is to be imported twice"));
    const auto nested = into.execute([&](auto&) { return import_entities(into, view); });
    REQUIRE_FALSE(nested);
    CHECK(nested.error().code() == ErrorCode::WouldDeadlock);
}

TEST_CASE("a view without entities, or an empty list of them, imports nothing", "[import]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    CHECK(value(import_entities(into, from.read())).size() == 0);
    make(from, Spot{1, 1});
    CHECK(value(import_entities(into, from.read(), std::span<const Entity>{})).size() == 0);
    CHECK(into.version() == 0);
}

TEST_CASE("a stable id is imported once, and a second time named and refused", "[import][stable_id]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    const Entity one = make(from, Spot{1, 1});
    const Entity two = make(from, Spot{2, 2});
    const Entity copy = value(import_entities(into, from.read(), std::array{two})).find(two);
    CHECK(into.read().stable_id(copy) == from.read().stable_id(two));

    const std::string id = from.read().stable_id(two).to_string();
    const std::string twice = refusal(into, ErrorCode::AlreadyExists, from.read());
    CHECK(contains(twice, "entity 1 (generation 1): its stable id " + id + " is already that of entity " + std::to_string(copy.index())));
    require(into.destroy(copy).wait());
    CHECK(value(import_entities(into, from.read(), std::array{one, two})).size() == 2);
}

TEST_CASE("an entity does not come home while the original lives there", "[import][stable_id]") {
    World home = open_db<World>(stepped());
    World away = open_db<World>(stepped());
    const Entity original = make(home, Spot{1, 1});
    const StableId id = home.read().stable_id(original);
    const Entity copy = value(import_entities(away, home.read())).find(original);
    CHECK(contains(refusal(home, ErrorCode::AlreadyExists, away.read()), id.to_string()));

    require(home.destroy(original).wait());
    const Entity returned = value(import_entities(home, away.read())).find(copy);
    CHECK(returned != original);
    CHECK(home.read().stable_id(returned) == id);
    CHECK(home.read().find(id) == returned);
}

TEST_CASE("stable ids survive a chain of imports", "[import][stable_id]") {
    World a = open_db<World>(stepped());
    World b = open_db<World>(stepped());
    World c = open_db<World>(stepped());
    const Entity in_a = make(a, Spot{1, 1});
    make(b, Spot{0, 0});
    const StableId id = a.read().stable_id(in_a);
    const Entity in_b = value(import_entities(b, a.read())).find(in_a);
    const EntityMapping mapping = value(import_entities(c, b.read()));
    CHECK(mapping.size() == 2);
    CHECK(c.read().find(id) == mapping.find(in_b));
    CHECK(c.read().stable_id(mapping.find(in_b)) == id);
}

TEST_CASE("an import needs a table for the ids, unless they are not kept", "[import]") {
    World from = open_db<World>(stepped());
    make(from, Spot{1, 2});
    auto into = open_db<Database<Spot>>(stepped());
    CHECK(contains(refusal(into, ErrorCode::SchemaMismatch, from.read()), "has no table `ImportedId`"));
    const EntityMapping mapping = value(import_entities(into, from.read(), {.keep_stable_ids = false}));
    CHECK(*into.get<Spot>(mapping.pairs()[0].to) == Spot{1, 2});
}

TEST_CASE("a prefab is imported as often as one likes", "[import]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    make_ring(from, 3);
    for (std::uint64_t times = 1; times <= 3; ++times) {
        value(import_entities(into, from.read(), {.keep_stable_ids = false}));
        CHECK(into.read().count<Next>() == 3 * times);
    }
    // … and of its own database, too.
    value(import_entities(from, from.read(), {.keep_stable_ids = false}));
    CHECK(from.read().count<Next>() == 6);
    CHECK(from.read().count<ImportedId>() == 0);
}

TEST_CASE("circles of keys lead to the copies", "[import]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    for (int i = 0; i < 100; ++i) {
        make(into, Spot{-1, -1}); // so that ids differ
    }
    const auto length = GENERATE(std::uint32_t{1}, std::uint32_t{2}, std::uint32_t{700});
    const std::vector<Entity> ring = make_ring(from, length);
    const EntityMapping mapping = value(import_entities(into, from.read()));
    const auto view = into.read();
    for (std::uint32_t i = 0; i < length; ++i) {
        const Entity copy = mapping.find(ring[i]);
        REQUIRE(view.is_alive(copy));
        CHECK(copy != ring[i]);
        REQUIRE(view.get<Next>(copy) != nullptr);
        CHECK(view.get<Next>(copy)->entity == mapping.find(ring[(i + 1) % length]));
        CHECK(view.get<Spot>(copy)->x == float(i));
    }
    // They are keys like any other: the circle goes row by row once it is cut.
    require(into.remove<Spot>(mapping.find(ring[0])).wait());
    CHECK(into.read().count<Next>() + 1 == std::max<std::uint32_t>(length, 1));
}

TEST_CASE("a reference to an entity outside is refused by name, or made null", "[import]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    const Entity other = make(from, Spot{1, 1});
    const Entity gone = make(from);
    const Entity one = make(from, Friends{{Entity{}, other, gone}});
    require(from.destroy(gone).wait());
    const auto view = from.read();
    const std::string refused = refusal(into, ErrorCode::InvalidArgument, view, std::array{one});
    CHECK(contains(refused, "table `Friends`, field `who`, entity 2 (generation 1): names entity 0 (generation 1)"));
    // The whole view does not have the dead one either.
    CHECK(contains(refusal(into, ErrorCode::InvalidArgument, view), "names entity 1 (generation 1)"));

    const EntityMapping both = value(import_entities(into, view, std::array{one, other}, {.outside = OutsideReference::Null}));
    CHECK(into.get<Friends>(both.find(one))->who == std::array{Entity{}, both.find(other), Entity{}});
    CHECK(both.find(gone).is_null());
}

TEST_CASE("a key that must not be null cannot be cut off", "[import]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    const std::vector<Entity> ring = make_ring(from, 3);
    const std::array part{ring[0], ring[1]};
    CHECK(contains(refusal(into, ErrorCode::InvalidArgument, from.read(), part), "table `Next`, field `entity`"));
    CHECK(contains(refusal(into, ErrorCode::ConstraintViolation, from.read(), part, ImportOptions{.outside = OutsideReference::Null}),
                   "table `Next`, field `entity`"));
}

TEST_CASE("the target's constraints hold for what is imported", "[import]") {
    World from = open_db<World>(stepped());
    World into = open_db<World>(stepped());
    make(from, Spot{1, 1});
    make(from, Name{"Ada"});
    make(into, Name{"Ada"});
    CHECK(contains(refusal(into, ErrorCode::ConstraintViolation, from.read()), "table `Name`, field `text`"));
}

TEST_CASE("an import that runs out of memory half-way leaves nothing behind", "[import]") {
    World from = open_db<World>(stepped());
    auto tx = from.begin();
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        const Entity entity = tx.create(Spot{float(i), 0}, Friends{});
        tx.update(entity, Friends{{entity, entity, Entity{}}});
    }
    require(tx.commit());
    const auto view = from.read();
    const auto limit = GENERATE(std::size_t{300'000}, std::size_t{800'000}, std::size_t{1'300'000});
    Options options = stepped();
    options.first_block_bytes = std::size_t{16} << 10U;
    options.max_block_bytes = std::size_t{64} << 10U;
    options.memory_limit = limit;
    World into = open_db<World>(options);
    make(into, Spot{1, 1});
    refusal(into, ErrorCode::OutOfMemory, view);
    CHECK(into.read().entity_count() == 1);
}

TEST_CASE("a database that accepts no writes imports nothing", "[import]") {
    World from = open_db<World>(stepped());
    make(from, Spot{1, 1});
    SimulatedFileSystem files;
    Options options = stepped();
    options.directory = "world";
    options.durability = Durability::Synced;
    options.file_system = &files;
    require(open_db<World>(options).close());
    options.mode = OpenMode::ReadOnly;
    World into = open_db<World>(options);
    CHECK(contains(refusal(into, ErrorCode::ReadOnly, from.read()), "read-only"));
}

TEST_CASE("every row of every kind is copied, and nothing else changes", "[import]") {
    Options options; // with a thread of its own
    World from = open_db<World>(options);
    World into = open_db<World>(options);
    std::mt19937 random{7};
    std::vector<Entity> all;
    auto tx = from.begin();
    for (std::uint32_t i = 0; i < 3000; ++i) {
        const Entity entity = tx.create();
        all.push_back(entity);
        if (random() % 3 != 0) {
            tx.insert(entity, Spot{float(i), float(i) / 2});
        }
        if (random() % 2 != 0) {
            tx.insert(entity, Hidden{});
        }
        if (random() % 4 == 0) {
            tx.insert(entity, Friends{{all[random() % all.size()], entity, Entity{}}});
        }
        if (random() % 5 == 0) {
            tx.insert(entity, Name{std::string_view{std::to_string(i)}});
        }
    }
    require(tx.commit());
    const auto before = from.read();
    auto producer = into.producer();
    const bool whole = GENERATE(true, false);
    std::vector<Entity> wanted = all;
    std::shuffle(wanted.begin(), wanted.end(), random);
    const EntityMapping mapping = value(whole ? import_entities(producer, before) : import_entities(producer, before, wanted));
    REQUIRE(mapping.size() == all.size());
    CHECK(std::is_sorted(mapping.pairs().begin(), mapping.pairs().end()));
    const auto after = into.read();
    CHECK(after.entity_count() == all.size());
    CHECK(after.version() == 1);
    for (const auto& [original, copy] : mapping.pairs()) {
        const auto* const spot = before.get<Spot>(original);
        const auto* const copied_spot = after.get<Spot>(copy);
        REQUIRE((spot == nullptr) == (copied_spot == nullptr));
        CHECK((spot == nullptr || *spot == *copied_spot));
        CHECK(before.has<Hidden>(original) == after.has<Hidden>(copy));
        const auto* const name = before.get<Name>(original);
        const auto* const copied_name = after.get<Name>(copy);
        REQUIRE((name == nullptr) == (copied_name == nullptr));
        CHECK((name == nullptr || name->text == copied_name->text));
        const auto* const friends = before.get<Friends>(original);
        const auto* const copied_friends = after.get<Friends>(copy);
        REQUIRE((friends == nullptr) == (copied_friends == nullptr));
        for (std::size_t i = 0; friends != nullptr && i < friends->who.size(); ++i) {
            CHECK(copied_friends->who[i] == mapping.find(friends->who[i]));
        }
        CHECK(after.stable_id(copy) == before.stable_id(original));
        CHECK(after.entity_version(copy) == 1);
    }
    CHECK(from.read().hash() == before.hash());
}

TEST_CASE("tables match by name and rows, whatever their numbers and storage", "[import]") {
    const std::string ids =
        "[tables.ImportedId]\n[[tables.ImportedId.fields]]\nname = \"id\"\ntype = \"u64[2]\"\nconstraint = \"unique\"\n";
    const std::string spot = "[tables.Spot]\nSTORAGE\n[[tables.Spot.fields]]\nname = \"x\"\ntype = \"f32\"\n"
                             "[[tables.Spot.fields]]\nname = \"y\"\ntype = \"f32\"\n";
    const std::string friends = "[tables.Friends]\n[[tables.Friends.fields]]\nname = \"who\"\ntype = \"entity[3]\"\n";
    const auto with = [&](const std::string& storage) {
        std::string text = spot;
        return text.replace(text.find("STORAGE"), 7, storage);
    };
    World from = open_db<World>(stepped());
    const Entity one = make(from, Spot{1, 2});
    const Entity two = make(from, Spot{3, 4}, Friends{{one, Entity{}, one}});

    // Here every table is kept the other way, the ids in a table as well.
    Database<> into = open_text("[tables.more]\n" + friends + with("storage = \"sparse\"") + ids);
    const EntityMapping mapping = value(import_entities(into, from.read()));
    const auto view = into.read();
    const auto y = value(find_field<float>(into.schema(), "Spot", "y"));
    const auto who = value(find_field<Entity>(into.schema(), "Friends", "who"));
    REQUIRE(view.get(mapping.find(two), y) != nullptr);
    CHECK(*view.get(mapping.find(two), y) == 4);
    CHECK(*view.get(mapping.find(two), who) == mapping.find(one));
    CHECK(view.stable_id(mapping.find(two)) == from.read().stable_id(two));
    CHECK(contains(refusal(into, ErrorCode::AlreadyExists, from.read()), "is already that of"));

    Database<> without = open_text(ids + with(""));
    CHECK(contains(refusal(without, ErrorCode::SchemaMismatch, from.read()), "table `Friends`: is not in schema"));
    CHECK(value(import_entities(without, from.read(), std::array{one})).size() == 1); // it has no such row
    Database<> otherwise = open_text(ids + friends + "[tables.Spot]\n[[tables.Spot.fields]]\nname = \"x\"\ntype = \"f32\"\n");
    CHECK(contains(refusal(otherwise, ErrorCode::SchemaMismatch, from.read()), "table `Spot`: field `y`"));
}

TEST_CASE("texts and blobs come along with their rows, in tables and in sparse ones", "[import][contents]") {
    const auto story = [](const std::string& storage) {
        return "[tables.Story]\nstorage = \"" + storage +
               "\"\n[[tables.Story.fields]]\nname = \"page\"\ntype = \"u32\"\n"
               "[[tables.Story.fields]]\nname = \"words\"\ntype = \"text\"\n[[tables.Story.fields]]\nname = \"picture\"\ntype = \"blob\"\n";
    };
    const bool sparse_there = GENERATE(false, true);
    const bool sparse_here = GENERATE(false, true);
    Database<> from = open_text(story(sparse_there ? "sparse" : "table"));
    Database<> into = open_text("[tables.first]\n" + story(sparse_here ? "sparse" : "table"));
    const auto words = [](std::uint32_t i) { return i % 3 == 0 ? std::string{} : std::string(i * 37 % 900, char('a' + i % 26)); };
    const auto picture = [](std::uint32_t i) { return std::vector<std::byte>(i % 2 * i * 5, std::byte(i)); };

    // Nobody knows the struct: a row by name.
    const auto page_of = value(find_field<std::uint32_t>(from.schema(), "Story", "page"));
    const auto words_of = value(find_field<Text>(from.schema(), "Story", "words"));
    const auto picture_of = value(find_field<Blob>(from.schema(), "Story", "picture"));
    auto tx = from.begin();
    std::vector<Entity> told;
    for (std::uint32_t i = 0; i < 300; ++i) {
        const Entity entity = tx.create();
        std::vector<std::byte> row(from.schema().table(page_of.table).size);
        const Text text = tx.text(words(i));
        const Blob blob = tx.blob(picture(i));
        std::memcpy(row.data() + page_of.offset, &i, sizeof i);
        std::memcpy(row.data() + words_of.offset, &text, sizeof text);
        std::memcpy(row.data() + picture_of.offset, &blob, sizeof blob);
        tx.insert_row(entity, page_of.table, row);
        told.push_back(entity);
    }
    require(tx.commit());

    ImportOptions options;
    options.keep_stable_ids = false;
    const EntityMapping mapping = value(import_entities(into, from.read(), options));
    const View view = into.read();
    const auto copied_page = value(find_field<std::uint32_t>(into.schema(), "Story", "page"));
    const auto copied_words = value(find_field<Text>(into.schema(), "Story", "words"));
    const auto copied_picture = value(find_field<Blob>(into.schema(), "Story", "picture"));
    REQUIRE(mapping.size() == told.size());
    for (std::uint32_t i = 0; i < told.size(); ++i) {
        const Entity copy = mapping.find(told[i]);
        REQUIRE(view.get(copy, copied_page) != nullptr);
        CHECK(*view.get(copy, copied_page) == i);
        CHECK(view.text(*view.get(copy, copied_words)) == words(i));
        const auto bytes = view.blob(*view.get(copy, copied_picture));
        const auto expected = picture(i);
        CHECK(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end()));
    }
}

TEST_CASE("a text too long for the target's field is refused by name", "[import][contents]") {
    const std::string story = "[tables.Story]\n[[tables.Story.fields]]\nname = \"words\"\ntype = \"text\"\n";
    Database<> from = open_text(story);
    auto tx = from.begin();
    const Text text = tx.text("far too long");
    tx.insert_row(tx.create(), from.schema().find_table("Story")->id, std::as_bytes(std::span{&text, 1}));
    require(tx.commit());
    Database<> into = open_text(story + "max_length = 5\n");
    ImportOptions options;
    options.keep_stable_ids = false;
    CHECK(contains(refusal(into, ErrorCode::ConstraintViolation, from.read(), options), "`words`"));
}

TEST_CASE("what was imported is there after reopening, from the log and from a snapshot", "[import][recovery]") {
    World from = open_db<World>(stepped());
    const std::vector<Entity> ring = make_ring(from, 20);
    const auto original = from.read();
    SimulatedFileSystem files;
    Options options = stepped();
    options.directory = "world";
    options.durability = Durability::Synced;
    options.file_system = &files;
    const bool saved = GENERATE(false, true);
    EntityMapping mapping;
    std::uint64_t hash = 0;
    {
        World into = open_db<World>(options);
        mapping = value(import_entities(into, original));
        if (saved) {
            require(into.snapshot());
        }
        hash = into.read().hash();
    }
    World into = open_db<World>(options);
    CHECK(into.recovery_report().snapshot_version == (saved ? 1U : 0U));
    const auto view = into.read();
    CHECK(view.hash() == hash);
    for (const Entity entity : ring) {
        CHECK(view.stable_id(mapping.find(entity)) == original.stable_id(entity));
        CHECK(view.find(original.stable_id(entity)) == mapping.find(entity));
    }
    CHECK(contains(refusal(into, ErrorCode::AlreadyExists, original), "is already that of"));
}

} // namespace ecsdb::test::import_test
