#include "ecsdb/transaction/apply.hpp"

#include "transaction/random_program.hpp"

#include <string>

namespace ecsdb::test::apply_test {
namespace {

using storage::Outcome;
using transaction::apply_operations;
using transaction::CommandBuffer;
using transaction::OperationKind;

/// Operations for a store that is written directly.
struct Scene {
    SystemAllocator allocator;
    World world{allocator, schema_of({{"Small", 4}, {"Tag", 0}, {"Sparse", 8, Storage::Sparse}, {"Big", 24}})};
    CommandBuffer commands{allocator};
    Entity entity{3, 1, 0};

    void add(OperationKind kind, TableId table = 0, char fill = 'x', Entity to = {}) {
        const std::uint32_t bytes =
            kind >= OperationKind::Insert && kind <= OperationKind::Set ? world.store().schema().table(table).size : 0;
        const std::string row(bytes, fill);
        REQUIRE(commands.append(kind, to.is_null() ? entity : to, table, reinterpret_cast<const std::byte*>(row.data()), bytes));
    }
    transaction::OperationFailure apply() {
        REQUIRE(world.buffer().begin_batch());
        world.buffer().begin_transaction();
        const transaction::OperationFailure failure = apply_operations(world.buffer(), commands.bytes());
        if (failure.operation != nullptr) {
            world.buffer().undo_transaction();
        } else {
            world.buffer().keep_transaction(1);
        }
        world.publish();
        return failure;
    }
    std::string row(TableId table) {
        const storage::EntityRecord* const record = world.published().find_living(entity);
        const std::byte* const bytes = record == nullptr ? nullptr : world.published().find_row(*record, entity.index(), table);
        return bytes == nullptr ? "none" : std::string(reinterpret_cast<const char*>(bytes), world.store().schema().table(table).size);
    }
    std::uint32_t archetypes_used() {
        std::uint32_t count = 0;
        world.published().for_each_archetype([&](const storage::Archetype&) { ++count; });
        return count;
    }
};

} // namespace

TEST_CASE("the first operation that fails is named, and none after it is done", "[transaction]") {
    Scene scene;
    scene.add(OperationKind::Create);
    scene.add(OperationKind::Insert, 0);
    scene.add(OperationKind::Insert, 3, 'y');
    scene.add(OperationKind::Insert, 0); // again
    scene.add(OperationKind::Update, 2);
    const transaction::OperationFailure failure = scene.apply();
    REQUIRE(failure.operation != nullptr);
    CHECK(failure.outcome == Outcome::AlreadyExists);
    CHECK(failure.operation->table == 0);
    CHECK(failure.operation->kind == OperationKind::Insert);
    CHECK(scene.world.published().entity_count == 0);
    CHECK(scene.world.published().version == 0);
}

TEST_CASE("an entity is born with the components inserted right behind its creation", "[transaction]") {
    Scene scene;
    scene.add(OperationKind::Create);
    scene.add(OperationKind::Insert, 3, 'a');
    scene.add(OperationKind::Set, 0, 'b');
    scene.add(OperationKind::Insert, 1);
    scene.add(OperationKind::Set, 0, 'c');    // a second time: an overwrite
    scene.add(OperationKind::Insert, 2, 'd'); // sparse
    REQUIRE(scene.apply().operation == nullptr);
    CHECK(scene.row(3) == std::string(24, 'a'));
    CHECK(scene.row(0) == "cccc");
    CHECK(scene.row(1).empty());
    CHECK(scene.row(2) == "dddddddd");
    CHECK(scene.archetypes_used() == 1);
}

TEST_CASE("a component that follows late joins late", "[transaction]") {
    Scene scene;
    scene.add(OperationKind::Create);
    scene.add(OperationKind::Insert, 2, 's');
    scene.add(OperationKind::Insert, 0, 'a');
    scene.add(OperationKind::Create, 0, 'x', Entity{4, 1, 0});
    scene.add(OperationKind::Insert, 3, 'b');
    scene.add(OperationKind::Remove, 0);
    REQUIRE(scene.apply().operation == nullptr);
    CHECK(scene.row(0) == "none");
    CHECK(scene.row(3) == std::string(24, 'b'));
    CHECK(scene.row(2) == "ssssssss");
    CHECK(scene.world.published().entity_count == 2);
}

TEST_CASE("an id that is or was in use cannot be created", "[transaction]") {
    Scene scene;
    scene.add(OperationKind::Create);
    scene.add(OperationKind::Destroy);
    REQUIRE(scene.apply().operation == nullptr);
    CHECK(scene.apply().outcome == Outcome::AlreadyExists);
    scene.commands.clear();
    scene.add(OperationKind::Create, 0, 'x', Entity{5, 1, 6});
    CHECK(scene.apply().outcome == Outcome::WrongShard);
}

TEST_CASE("each failure is described by verb, table and entity", "[transaction]") {
    Scene scene;
    const Schema& schema = scene.world.store().schema();
    const auto said = [&](OperationKind kind, Outcome outcome) {
        return transaction::describe_failure(schema, kind, Entity{3, 7, 2}, 2, outcome).to_string();
    };
    CHECK(said(OperationKind::Update, Outcome::NotFound) ==
          "NotFound: update `Sparse` of entity 3 (generation 7): the entity is not alive, or has no such row");
    CHECK(said(OperationKind::Insert, Outcome::AlreadyExists) ==
          "AlreadyExists: insert `Sparse` of entity 3 (generation 7): the row is already there");
    CHECK(said(OperationKind::Create, Outcome::AlreadyExists) == "AlreadyExists: create entity 3 (generation 7): the id is or was in use");
    CHECK(said(OperationKind::Destroy, Outcome::WrongShard) ==
          "WrongShard: destroy entity 3 (generation 7): the id was made by the database of shard 2");
    CHECK(said(OperationKind::UpdatePart, Outcome::OutOfMemory) ==
          "OutOfMemory: update a field of `Sparse` of entity 3 (generation 7): no memory for the pages it touches");
}

} // namespace ecsdb::test::apply_test
