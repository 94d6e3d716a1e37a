#include "ecsdb/recovery/saved_delta.hpp"

#include "ecsdb/recovery/backup.hpp"
#include "ecsdb/saves.hpp"
#include "recovery/world.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace recovery_test::saved_delta_test {

struct Breath {
    std::uint32_t depth;
};
ECSDB_COMPONENT(Breath, depth);

} // namespace recovery_test::saved_delta_test

template <>
struct ecsdb::ComponentOptions<recovery_test::saved_delta_test::Breath> {
    static constexpr Persist persist = Persist::Transient;
};

namespace recovery_test::saved_delta_test {
namespace {

using ecsdb::ByteBuffer;
using ecsdb::ErrorCode;
using ecsdb::SavedDelta;

ecsdb::Options in_memory() {
    ecsdb::Options options;
    options.own_thread = false;
    return options;
}

SavedDelta value_of(ecsdb::Result<SavedDelta> saved) {
    if (!saved) {
        FAIL(saved.error().to_string());
    }
    return *saved;
}

/// A database at some version, and its state then in memory.
struct Base {
    explicit Base(World& world) : bytes{memory}, version{world.version()}, hash{world.read().hash()} { REQUIRE(world.snapshot(bytes)); }
    ecsdb::SystemAllocator memory;
    ByteBuffer bytes;
    std::uint64_t version;
    std::uint64_t hash;
};

} // namespace

TEST_CASE("a delta since a view says nothing of transient rows, which whoever it is for may not have", "[recovery][delta]") {
    using Living = ecsdb::Database<Purse, Breath>;
    auto world = Living::open(in_memory());
    REQUIRE(world);
    auto tx = world->begin();
    const ecsdb::Entity entity = tx.create(Purse{1}, Breath{1});
    require(tx.commit());
    ecsdb::SystemAllocator memory;
    ByteBuffer bytes{memory};
    ByteBuffer delta{memory};
    REQUIRE(world->snapshot(bytes));
    const auto view = world->read();
    require(world->set(entity, Purse{2}).wait());
    require(world->remove<Breath>(entity).wait());
    require(world->insert(entity, Breath{3}).wait());
    REQUIRE(world->save_delta(view, delta));

    auto twin = Living::open(in_memory());
    REQUIRE(twin);
    const std::span<const std::byte> deltas[] = {delta.view()};
    require(twin->restore(bytes.view(), deltas));
    CHECK(twin->get<Purse>(entity)->gold == 2);
    CHECK_FALSE(twin->get<Breath>(entity).has_value());

    require(world->restore(bytes.view())); // which has not saved them either
    CHECK(world->get<Purse>(entity)->gold == 1);
    CHECK_FALSE(world->get<Breath>(entity).has_value());
}

TEST_CASE("a delta since a version brings a copy at that version to the newest", "[recovery][delta]") {
    ecsdb::SimulatedFileSystem disk;
    World world = open_or_fail(on(disk));
    ecsdb::SystemAllocator memory;
    Workload load;
    for (std::uint32_t round = 0; round < 10; ++round) {
        REQUIRE(load.round(world, round));
    }
    const Base base{world};
    require(ecsdb::backup(world, "copy") ? ecsdb::Result<void>{} : ecsdb::Error{ErrorCode::Io, "no backup"});
    const auto then = world.read();
    for (std::uint32_t round = 10; round < 60; ++round) {
        REQUIRE(load.round(world, round));
    }
    ByteBuffer delta{memory};
    SECTION("from the log") {
        const SavedDelta saved = value_of(world.save_delta(base.version, delta));
        CHECK(saved.from == base.version);
        CHECK(saved.to == world.version());
    }
    SECTION("against a view") {
        const SavedDelta saved = value_of(world.save_delta(then, delta));
        CHECK(saved.from == base.version);
        CHECK(saved.to == world.version());
    }
    // On top of the state in memory, in one transaction.
    World twin = open_or_fail(in_memory());
    const std::span<const std::byte> deltas[] = {delta.view()};
    require(twin.restore(base.bytes.view(), deltas));
    CHECK(twin.read().hash() == world.read().hash());
    // On a database that stands where the delta begins; its log has no gap.
    auto options = on(disk);
    options.directory = "copy";
    {
        World copy = open_or_fail(options);
        REQUIRE(copy.version() == base.version);
        auto applied = copy.apply_delta(delta.view());
        if (!applied) {
            FAIL(applied.error().to_string());
        }
        CHECK(*applied);
        CHECK(copy.version() == world.version());
        CHECK(copy.read().hash() == world.read().hash());
        CHECK_FALSE(*copy.apply_delta(delta.view())); // it is there
        auto tx = copy.begin();
        tx.create(Purse{1});
        require(tx.commit());
    }
    World copy = open_or_fail(options);
    CHECK(copy.version() == world.version() + 1);
    CHECK(copy.read().entity_count() == world.read().entity_count() + 1);
    auto elsewhere = copy.apply_delta(delta.view());
    REQUIRE(elsewhere);
    CHECK_FALSE(*elsewhere);
    auto gap = twin.apply_delta(delta.view());
    REQUIRE_FALSE(gap);
    CHECK(gap.error().code() == ErrorCode::Gap);
}

TEST_CASE("a delta since a time begins at the last version committed by then", "[recovery][delta]") {
    ecsdb::SimulatedFileSystem disk;
    ecsdb::SimulatedClock clock;
    auto options = on(disk);
    options.clock = &clock;
    World world = open_or_fail(options);
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    std::vector<std::uint64_t> versions;
    const std::uint64_t begun = clock.wall_ns() / 1000;
    for (std::uint64_t second = 1; second <= 5; ++second) {
        clock.advance(1'000'000'000);
        auto tx = world.begin();
        tx.create(Purse{second});
        require(tx.commit());
        versions.push_back(world.version());
    }
    CHECK(value_of(world.save_delta_since_time(begun + 3'000'000, delta)).from == versions[2]);
    CHECK(value_of(world.save_delta_since_time(begun + 3'999'999, delta)).from == versions[2]);
    CHECK(value_of(world.save_delta_since_time(begun + 500'000, delta)).from == 0);
    const SavedDelta none = value_of(world.save_delta_since_time(begun + 9'000'000, delta));
    CHECK(none.from == none.to);
    CHECK(delta.empty());
}

TEST_CASE("a version the log does not reach back to is refused by name", "[recovery][delta]") {
    ecsdb::SimulatedFileSystem disk;
    auto options = on(disk);
    options.spare_segments = 0;
    World world = open_or_fail(options);
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    Workload load;
    std::uint64_t middle = 0;
    for (std::uint32_t round = 0; round < 60; ++round) {
        REQUIRE(load.round(world, round));
        if (round % 20 == 19) {
            middle = world.version();
            require(world.snapshot());
        }
    }
    auto gone = world.save_delta(3, delta);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code() == ErrorCode::NotFound);
    CHECK(gone.error().message().find("version 3") != std::string::npos);
    CHECK(value_of(world.save_delta(middle, delta)).to == world.version());
    auto future = world.save_delta(world.version() + 1, delta);
    REQUIRE_FALSE(future);
    CHECK(future.error().code() == ErrorCode::NotFound);
    auto long_ago = world.save_delta_since_time(1, delta);
    REQUIRE_FALSE(long_ago);
    CHECK(long_ago.error().code() == ErrorCode::NotFound);
}

TEST_CASE("without a log a delta is to be had against a view only", "[recovery][delta]") {
    World world = open_or_fail(in_memory());
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    auto refused = world.save_delta(0, delta);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::InvalidArgument);
    const auto empty = world.read();
    CHECK(value_of(world.save_delta(empty, delta)).to == 0);
    CHECK(delta.empty());
    Workload load;
    for (std::uint32_t round = 0; round < 20; ++round) {
        REQUIRE(load.round(world, round));
    }
    CHECK(value_of(world.save_delta(empty, delta)).to == world.version());
    World twin = open_or_fail(in_memory());
    REQUIRE(twin.apply_delta(delta.view()));
    CHECK(twin.version() == world.version());
    CHECK(twin.read().hash() == world.read().hash());
    REQUIRE(load.round(world, 20)); // and back again, over what has come since
    auto other = twin.save_delta(world.read(), delta);
    REQUIRE_FALSE(other);
    CHECK(other.error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("a restore in the log ends what can be merged, and a view still tells", "[recovery][delta]") {
    ecsdb::SimulatedFileSystem disk;
    World world = open_or_fail(on(disk));
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    Workload load;
    for (std::uint32_t round = 0; round < 10; ++round) {
        REQUIRE(load.round(world, round));
    }
    const Base base{world};
    const auto then = world.read();
    REQUIRE(load.round(world, 10));
    require(world.restore(base.bytes.view()));
    auto refused = world.save_delta(base.version, delta);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::Unsupported);
    value_of(world.save_delta(then, delta));
    World twin = open_or_fail(in_memory());
    const std::span<const std::byte> deltas[] = {delta.view()};
    require(twin.restore(base.bytes.view(), deltas));
    CHECK(twin.read().hash() == base.hash);
}

} // namespace recovery_test::saved_delta_test
