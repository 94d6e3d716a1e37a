#include "ecsdb/constraint/imported_ids.hpp"

#include "ecsdb/database.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace ecsdb::test::imported_ids_test {
namespace {

using World = Database<ImportedId>;

constexpr StableId foreign{0xF0F0, 7};

struct Fixture {
    World db = opened();

    static World opened() {
        Options options;
        options.own_thread = false;
        auto world = World::open(options);
        REQUIRE(world);
        return std::move(*world);
    }
    template <typename... Ids>
    Entity make(const Ids&... ids) {
        auto tx = db.begin();
        const Entity entity = tx.create(ImportedId{ids}...);
        REQUIRE(tx.commit());
        return entity;
    }
    [[nodiscard]] StableId id_of(Entity entity) const { return db.read().stable_id(entity); }
    [[nodiscard]] std::uint64_t identity() const { return db.read().stable_ids().identity(); }
    /// The message of a violation that must change nothing.
    std::string refusal(Ticket ticket) {
        const std::uint64_t hash = db.read().hash();
        const auto outcome = ticket.wait();
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().code() == ErrorCode::ConstraintViolation);
        CHECK(db.read().hash() == hash);
        return outcome.error().message();
    }
};

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("two entities cannot be imported under one id", "[constraint][stable_id]") {
    Fixture f;
    f.make(foreign);
    const Entity other = f.make();
    CHECK(contains(f.refusal(f.db.insert(other, ImportedId{foreign})), "table `ImportedId`, field `id`"));
    auto tx = f.db.begin();
    tx.create(ImportedId{StableId{1, 1}});
    tx.create(ImportedId{StableId{1, 1}});
    f.refusal(tx.submit());
}

TEST_CASE("the null id is no id", "[constraint][stable_id]") {
    Fixture f;
    CHECK(contains(f.refusal(f.db.insert(f.make(), ImportedId{})), "names nothing"));
}

TEST_CASE("an entity cannot take the derived id of another that lives", "[constraint][stable_id]") {
    Fixture f;
    const Entity one = f.make();
    const Entity two = f.make();
    const StableId id = f.id_of(one);
    const std::string refused = f.refusal(f.db.insert(two, ImportedId{id}));
    CHECK(contains(refused, "entity 1 (generation 1): the stable id " + id.to_string() + " is already that of entity 0"));
    // Its own it may have, which changes nothing.
    CHECK(f.db.insert(one, ImportedId{id}).wait());
    CHECK(f.id_of(one) == id);
    CHECK(f.db.read().find(id) == one);
}

TEST_CASE("an id of this database that nobody has had yet cannot be imported", "[constraint][stable_id]") {
    Fixture f;
    const Entity entity = f.make();
    for (const Entity future : {Entity{77, 1, 0}, Entity{entity.index(), 2, 0}, Entity{4'000'000'000U, 1, 0}, Entity{0, 1, 5}}) {
        CHECK(contains(f.refusal(f.db.insert(entity, ImportedId{StableId::derive(f.identity(), future)})), "has not been yet"));
    }
}

TEST_CASE("the id of a dead entity may come back, and the next entity at its place has another", "[constraint][stable_id]") {
    Fixture f;
    const Entity dead = f.make();
    const StableId id = f.id_of(dead);
    REQUIRE(f.db.destroy(dead).wait());
    const Entity heir = f.make(id);
    CHECK(f.id_of(heir) == id);
    CHECK(f.db.read().find(id) == heir);
    for (int i = 0; i < 200; ++i) {
        const Entity entity = f.make(); // takes the dead one's place at some time
        CHECK(f.id_of(entity) != id);
    }
    CHECK(f.db.read().find(id) == heir);
}

TEST_CASE("the derived id of an entity that has another may be given away, but then it cannot go back to it", "[constraint][stable_id]") {
    Fixture f;
    const Entity one = f.make();
    const StableId derived = f.id_of(one);
    REQUIRE(f.db.insert(one, ImportedId{foreign}).wait());
    const Entity two = f.make(derived);
    CHECK(f.db.read().find(derived) == two);
    CHECK(contains(f.refusal(f.db.remove<ImportedId>(one)), "which has lost its own"));
    // Both at once may change, and either may go.
    auto tx = f.db.begin();
    tx.remove<ImportedId>(one).remove<ImportedId>(two);
    CHECK(tx.commit());
    CHECK(f.db.read().find(derived) == one);

    REQUIRE(f.db.insert(one, ImportedId{foreign}).wait());
    REQUIRE(f.db.insert(two, ImportedId{derived}).wait());
    CHECK(f.db.destroy(one).wait());
    CHECK(f.db.read().find(derived) == two);
}

TEST_CASE("ids change places within one transaction", "[constraint][stable_id]") {
    Fixture f;
    const Entity one = f.make(StableId{1, 1});
    const Entity two = f.make(StableId{1, 2});
    auto tx = f.db.begin();
    tx.update(one, ImportedId{StableId{1, 2}}).update(two, ImportedId{StableId{1, 1}});
    CHECK(tx.commit());
    CHECK(f.db.read().find(StableId{1, 2}) == one);
    // What is taken back before the end was never there.
    auto there_and_back = f.db.begin();
    there_and_back.update(one, ImportedId{f.id_of(two)}).update(one, ImportedId{StableId{1, 2}});
    CHECK(there_and_back.commit());
}

TEST_CASE("a database whose schema cannot keep stable ids is not opened", "[constraint][stable_id]") {
    auto schema = parse_schema("[tables.ImportedId]\n[[tables.ImportedId.fields]]\nname = \"id\"\ntype = \"u64[2]\"\n", "ids.toml");
    REQUIRE(schema);
    const auto opened = Database<>::open({}, std::move(*schema));
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == ErrorCode::SchemaMismatch);
    CHECK(contains(opened.error().message(), "must be unique"));
}

} // namespace ecsdb::test::imported_ids_test
