#include "ecsdb/storage/imposed.hpp"

#include "ecsdb/storage/rows.hpp"
#include "support/random_writer.hpp"

namespace ecsdb::test::imposed_test {

using storage::Outcome;

TEST_CASE("generations go back where a state is imposed, and forward again where it is undone", "[storage]") {
    SystemAllocator memory;
    World world{memory, schema_of_all_kinds()};
    storage::WriteBuffer& buffer = world.buffer();
    world.commit([&](storage::WriteBuffer& state) {
        REQUIRE(state.create(Entity{3, 5, 0}) == Outcome::Done);
        REQUIRE(state.create(Entity{4, 2, 0}) == Outcome::Done);
    });
    const std::uint64_t before = storage::hash_of(world.published());
    REQUIRE(buffer.begin_batch());
    buffer.begin_transaction();
    REQUIRE(storage::impose_life(buffer, Entity{3, 1, 0}) == Outcome::Done);
    REQUIRE(storage::impose_end(buffer, 4, 1) == Outcome::Done);
    REQUIRE(storage::impose_end(buffer, 70, 9) == Outcome::Done);
    REQUIRE(storage::impose_life(buffer, Entity{71, 9, 0}) == Outcome::Done);
    CHECK(storage::impose_life(buffer, Entity{72, 1, 1}) == Outcome::WrongShard);
    CHECK(buffer.root().find_living(Entity{3, 1, 0}) != nullptr);
    CHECK(buffer.root().find_living(Entity{3, 5, 0}) == nullptr);
    CHECK(buffer.root().find_living(Entity{71, 9, 0}) != nullptr);
    CHECK(buffer.root().entities.at(4).generation == 1);
    CHECK(buffer.root().entities.at(70).generation == 9);
    CHECK(buffer.root().entity_count == 2);
    // Only index 4 is free: somebody else lives at 3.
    REQUIRE(buffer.destroyed().size() == 1);
    CHECK(buffer.destroyed()[0] == Entity{4, 2, 0});
    buffer.undo_transaction();
    CHECK(storage::hash_of(buffer.root()) == before);
    CHECK(buffer.destroyed().empty());
    world.publish();
}

} // namespace ecsdb::test::imposed_test
