#include "ecsdb/saves.hpp"

#include "support/catch.hpp"

#include <cstdint>

namespace saves_test {

struct Position {
    float x;
    float y;
};

namespace {

using ecsdb::ByteBuffer;
using World = ecsdb::Database<Position>;

World open_world() {
    ecsdb::Options options;
    options.own_thread = false;
    auto world = World::open(options);
    if (!world) {
        FAIL(world.error().to_string());
    }
    return *std::move(world);
}

} // namespace

} // namespace saves_test

ECSDB_COMPONENT(saves_test::Position, x, y)

namespace saves_test {

TEST_CASE("a state saved to bytes comes back by restore, on top of it what had changed since", "[saves]") {
    World world = open_world();
    REQUIRE(world.create(Position{1, 2}).wait());
    ecsdb::SystemAllocator memory;
    ByteBuffer whole{memory};
    const auto saved = world.snapshot(whole);
    REQUIRE(saved);
    CHECK(*saved == world.version());
    const auto before = world.read();
    const std::uint64_t first_hash = before.hash();

    REQUIRE(world.create(Position{3, 4}).wait());
    ByteBuffer changed{memory};
    const auto step = world.save_delta(before, changed);
    REQUIRE(step);
    CHECK(step->from == *saved);
    CHECK(step->to == world.version());
    const std::uint64_t second_hash = world.read().hash();
    REQUIRE(second_hash != first_hash);

    REQUIRE(world.restore(whole.view()));
    CHECK(world.read().hash() == first_hash);
    const std::span<const std::byte> deltas[] = {changed.view()}; // NOLINT: as a caller writes it
    REQUIRE(world.restore(whole.view(), deltas));
    CHECK(world.read().hash() == second_hash);
}

TEST_CASE("saving what changed says why it cannot, and applying bytes that are no delta changes nothing", "[saves]") {
    World world = open_world();
    ecsdb::SystemAllocator memory;
    ByteBuffer out{memory};
    CHECK(world.save_delta(0, out).error().code() == ecsdb::ErrorCode::InvalidArgument); // no log
    CHECK(world.save_delta_since_time(0, out).error().code() == ecsdb::ErrorCode::InvalidArgument);
    CHECK(world.save_delta(World::View{}, out).error().code() == ecsdb::ErrorCode::InvalidArgument);
    const std::byte garbage[] = {std::byte{1}, std::byte{2}, std::byte{3}}; // NOLINT: as a caller writes it
    CHECK(world.apply_delta(garbage).error().code() == ecsdb::ErrorCode::Corrupt);
    CHECK(world.restore(garbage).error().code() == ecsdb::ErrorCode::Corrupt);
    CHECK(world.version() == 0);
}

} // namespace saves_test
