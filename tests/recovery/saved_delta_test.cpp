#include "ecsdb/recovery/saved_delta.hpp"

#include "ecsdb/recovery/archive.hpp"
#include "ecsdb/recovery/backup.hpp"
#include "ecsdb/recovery/restore.hpp"
#include "ecsdb/saves.hpp"
#include "recovery/files_fixture.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

#include <cstdint>
#include <set>
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
    CHECK(copy.close());
    auto reading = options;
    reading.mode = ecsdb::OpenMode::ReadOnly;
    World reader = open_or_fail(reading);
    auto had = reader.apply_delta(delta.view()); // nothing has to be written for that
    REQUIRE(had);
    CHECK_FALSE(*had);
    auto of_another = twin.apply_delta(delta.view()); // what was restored there is the twin's own first version
    REQUIRE_FALSE(of_another);
    CHECK(of_another.error().code() == ErrorCode::InvalidArgument);
}

TEST_CASE("a version that a delta led past can be neither restored nor followed", "[recovery][delta]") {
    ecsdb::SimulatedFileSystem disk;
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    World world = open_or_fail(on(disk));
    Workload load;
    REQUIRE(load.round(world, 0));
    require(ecsdb::backup(world, "copy") ? ecsdb::Result<void>{} : ecsdb::Error{ErrorCode::Io, "no backup"});
    const auto base = world.read();
    for (std::uint32_t round = 1; round < 4; ++round) {
        REQUIRE(load.round(world, round));
    }
    value_of(world.save_delta(base, delta));

    auto options = on(disk);
    options.directory = "copy";
    options.archive_directory = "archive";
    World copy = open_or_fail(options);
    REQUIRE(copy.apply_delta(delta.view()));
    REQUIRE(copy.version() > base.version() + 2);
    auto tx = copy.begin();
    tx.create(Purse{1});
    require(tx.commit());
    ByteBuffer later{memory};
    const auto followed = copy.save_delta(base.version() + 1, later);
    REQUIRE_FALSE(followed);
    CHECK(followed.error().code() == ErrorCode::NotFound);
    CHECK(followed.error().message().find("led past it") != std::string::npos);
    CHECK(copy.save_delta(world.version(), later));

    require(ecsdb::archive_now(copy.engine()));
    ecsdb::ToolOptions tool;
    tool.file_system = &disk;
    const auto between = ecsdb::restore("archive", "between", ecsdb::RestoreTarget::at_version(base.version() + 1), tool);
    REQUIRE_FALSE(between);
    CHECK(between.error().code() == ErrorCode::InvalidArgument);
    CHECK(between.error().message().find("led past it") != std::string::npos);
    REQUIRE(ecsdb::restore("archive", "restored", ecsdb::RestoreTarget::at_version(world.version()), tool));
    options.directory = "restored";
    options.archive_directory.clear();
    CHECK(open_or_fail(options).read().hash() == world.read().hash());
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

namespace {

/// Counts what is allocated, the largest piece of it by itself.
class Counting final : public ecsdb::Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        taken += bytes;
        return system_.allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        system_.deallocate(memory, bytes, alignment);
    }
    std::size_t taken = 0;

private:
    ecsdb::SystemAllocator system_;
};

ErrorCode refused_by(const ecsdb::Result<bool>& applied) {
    REQUIRE_FALSE(applied);
    return applied.error().code();
}
ErrorCode refused_by(const ecsdb::Result<void>& restored) {
    REQUIRE_FALSE(restored);
    return restored.error().code();
}

/// A small delta of a world in memory, and the state it leads on from.
struct Saved {
    explicit Saved(World& world) : base{memory}, delta{memory} {
        auto tx = world.begin();
        const ecsdb::Entity first = tx.create(Spot{1, 2}, Purse{3});
        require(tx.commit());
        REQUIRE(world.snapshot(base));
        const auto then = world.read();
        auto more = world.begin();
        more.set(first, Purse{4});
        more.create(Purse{5});
        require(more.commit());
        REQUIRE(world.save_delta(then, delta));
    }
    ecsdb::SystemAllocator memory;
    ByteBuffer base;
    ByteBuffer delta;
};

} // namespace

TEST_CASE("every flipped bit of a saved delta is refused, and every other length, before anything is touched", "[recovery][delta][fault]") {
    World world = open_or_fail(in_memory());
    const Saved saved{world};
    std::vector<std::byte> bytes{saved.delta.view().begin(), saved.delta.view().end()};
    Counting memory;
    ecsdb::Options options = in_memory();
    options.allocator = &memory;
    World twin = open_or_fail(options);
    require(twin.restore(saved.base.view()));
    const std::uint64_t version = twin.version();
    const std::uint64_t hash = twin.read().hash();
    const auto check = [&](std::span<const std::byte> damaged) {
        CHECK(refused_by(twin.apply_delta(damaged)) == ErrorCode::Corrupt);
        const std::size_t before = memory.taken;
        const std::span<const std::byte> deltas[] = {damaged};
        CHECK(refused_by(twin.restore(saved.base.view(), deltas)) == ErrorCode::Corrupt);
        CHECK(memory.taken - before <= 1U << 20U);
    };
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        CAPTURE(bit);
        const std::byte flip{static_cast<unsigned char>(1U << (bit % 8))};
        bytes[bit / 8] ^= flip;
        check(bytes);
        bytes[bit / 8] ^= flip;
    }
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CAPTURE(size);
        check(std::span{bytes}.first(size));
    }
    CHECK(twin.version() == version);
    CHECK(twin.read().hash() == hash);
    const std::span<const std::byte> deltas[] = {bytes};
    require(twin.restore(saved.base.view(), deltas)); // as it was
    CHECK(twin.read().hash() == world.read().hash());
}

TEST_CASE("a delta of another schema, shard or database is refused as such", "[recovery][delta]") {
    World world = open_or_fail(in_memory());
    const Saved saved{world};
    const std::span<const std::byte> deltas[] = {saved.delta.view()};
    SECTION("schema: the same widths in other fields") {
        using Other = ecsdb::Database<Purse, Breath>;
        auto other = Other::open(in_memory());
        REQUIRE(other);
        CHECK(refused_by(other->apply_delta(saved.delta.view())) == ErrorCode::SchemaMismatch);
        ByteBuffer base{const_cast<ecsdb::SystemAllocator&>(saved.memory)};
        REQUIRE(other->snapshot(base));
        CHECK(refused_by(other->restore(base.view(), deltas)) == ErrorCode::SchemaMismatch);
    }
    SECTION("shard") {
        auto options = in_memory();
        options.shard = 3;
        World other = open_or_fail(options);
        CHECK(refused_by(other.apply_delta(saved.delta.view())) == ErrorCode::WrongShard);
    }
    SECTION("database, where the versions are the very same") {
        World other = open_or_fail(in_memory());
        const Saved others{other};
        const std::uint64_t hash = other.read().hash();
        CHECK(refused_by(other.restore(others.base.view(), deltas)) == ErrorCode::InvalidArgument);
        CHECK(refused_by(other.apply_delta(saved.delta.view())) == ErrorCode::InvalidArgument); // though it is at its end
        World third = open_or_fail(in_memory());
        auto tx = third.begin();
        tx.create(Spot{1, 2}, Purse{3});
        require(tx.commit());
        CHECK(refused_by(third.apply_delta(saved.delta.view())) == ErrorCode::InvalidArgument); // though it is at its beginning
        CHECK(other.read().hash() == hash);
        CHECK(third.version() == 1);
    }
}

TEST_CASE("what begins empty in memory follows the first database it is given, and no other", "[recovery][delta]") {
    World world = open_or_fail(in_memory());
    World other = open_or_fail(in_memory());
    World twin = open_or_fail(in_memory());
    ecsdb::SystemAllocator memory;
    ByteBuffer first{memory};
    ByteBuffer second{memory};
    ByteBuffer others{memory};
    const auto step = [](World& of, ByteBuffer& out) {
        const auto then = of.read();
        auto tx = of.begin();
        tx.create(Purse{7});
        require(tx.commit());
        REQUIRE(of.save_delta(then, out));
    };
    step(world, first);
    step(world, second);
    CHECK(refused_by(twin.apply_delta(second.view())) == ErrorCode::Gap); // and nothing has come of it
    step(other, others);
    REQUIRE(twin.apply_delta(first.view()));
    step(other, others);
    CHECK(refused_by(twin.apply_delta(others.view())) == ErrorCode::InvalidArgument);
    REQUIRE(twin.apply_delta(second.view()));
    CHECK_FALSE(*twin.apply_delta(first.view()));
    CHECK(twin.read().hash() == world.read().hash());
    // What it saves itself is of the history it follows, so the next in line can take it.
    ByteBuffer whole{memory};
    REQUIRE(twin.snapshot(whole));
    step(world, first);
    const std::span<const std::byte> deltas[] = {first.view()};
    require(open_or_fail(in_memory()).restore(whole.view(), deltas));
}

TEST_CASE("an empty database with a directory follows nobody: the next opening would not know whom", "[recovery][delta]") {
    World world = open_or_fail(in_memory());
    const auto empty = world.read();
    auto tx = world.begin();
    tx.create(Purse{7});
    require(tx.commit());
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    REQUIRE(world.save_delta(empty, delta));
    ecsdb::SimulatedFileSystem disk;
    World stored = open_or_fail(on(disk));
    CHECK(refused_by(stored.apply_delta(delta.view())) == ErrorCode::InvalidArgument);
}

TEST_CASE("a crash while a delta of several versions is applied leaves all of it or none", "[recovery][delta][crash]") {
    const auto durability = GENERATE(ecsdb::Durability::Logged, ecsdb::Durability::Synced);
    const std::uint32_t count = GENERATE(30U, 80'000U); // a few bytes, and more than 1 MiB
    CAPTURE(int(durability), count);
    ecsdb::SimulatedFileSystem disk;
    World source = open_or_fail(on(disk));
    const auto grow = [](World& world, std::uint32_t entities) {
        std::vector<ecsdb::Entity> made;
        auto tx = world.begin();
        for (std::uint32_t i = 0; i < entities; ++i) {
            made.push_back(tx.create(Spot{float(i), 1}, Purse{(i + 1) * 0x9E3779B97F4A7C15ULL}));
        }
        require(tx.commit());
        return made;
    };
    grow(source, 3);
    REQUIRE(ecsdb::backup(source, "copy"));
    const auto then = source.read();
    const auto entities = grow(source, count);
    require(source.update(entities[1], Purse{5}).wait());
    require(source.destroy(entities[2]).wait());
    grow(source, 4);
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    const SavedDelta saved = value_of(source.save_delta(then, delta));
    REQUIRE(saved.to == saved.from + 4);
    REQUIRE((count < 80'000 || delta.size() > std::size_t{1} << 20U));

    auto options = on(disk, durability);
    options.directory = "copy";
    const std::uint64_t hash_before = then.hash();
    const std::uint64_t hash_after = source.read().hash();
    {
        World world = open_or_fail(options);
        require(world.flush(ecsdb::Durability::Synced));
        disk.record_history();
        auto applied = world.apply_delta(delta.view());
        REQUIRE((applied && *applied));
        REQUIRE(world.version() == saved.to);
        REQUIRE(world.read().hash() == hash_after);
        require(world.flush(ecsdb::Durability::Synced));
    }
    const std::size_t changes = disk.changes();
    std::size_t before = 0;
    std::size_t after = 0;
    std::set<std::uint64_t> seen; // many crashes leave the same
    const auto check = [&](std::size_t change, const ecsdb::CrashPlan& plan) {
        CAPTURE(change, plan.seed, int(plan.keep), plan.tear, plan.torn_bytes);
        const auto image = disk.after_crash_at(change, plan);
        std::uint64_t digest = 0;
        for (const std::string& file : files_below(*image, "copy")) {
            const auto bytes = contents_of(*image, file);
            digest = ecsdb::hash64(bytes, digest + file.size());
        }
        if (!seen.insert(digest).second) {
            return;
        }
        auto on_image = options;
        on_image.file_system = image.get();
        for (int opening = 0; opening < 2; ++opening) {
            World again = open_or_fail(on_image);
            const bool is_after = again.version() == saved.to;
            REQUIRE((is_after || again.version() == saved.from));
            REQUIRE(again.read().hash() == (is_after ? hash_after : hash_before));
            ++(is_after ? after : before);
            if (opening == 1) { // and it goes on
                REQUIRE(again.apply_delta(delta.view()));
                REQUIRE(again.read().hash() == hash_after);
                grow(again, 1);
            }
        }
        REQUIRE(open_or_fail(on_image).version() == saved.to + 1);
    };
    for (std::size_t change = 0; change <= changes; ++change) {
        check(change, {.keep = ecsdb::KeepPending::None});
        check(change, {.keep = ecsdb::KeepPending::All});
        for (std::uint64_t seed = 0; seed < ecsdb::test::test_size(1, 4); ++seed) {
            check(change, {.seed = seed, .keep = ecsdb::KeepPending::Subset, .tear = seed % 2 == 0 ? 1U : 4096U});
        }
        // The writes that are under way, cut short: also between a frame and the next.
        const bool few = count < 80'000;
        for (std::size_t torn = few ? 0 : delta.size() - 40; torn < delta.size() + 300; torn += few ? 24 : 90) {
            check(change, {.keep = ecsdb::KeepPending::Prefix, .torn_bytes = torn});
        }
    }
    CHECK(before != 0);
    CHECK(after != 0);
}

} // namespace recovery_test::saved_delta_test
