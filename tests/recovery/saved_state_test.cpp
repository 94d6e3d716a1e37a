#include "ecsdb/recovery/saved_state.hpp"

#include "ecsdb/delta/encoder.hpp"
#include "ecsdb/saves.hpp"
#include "formats/formats_fixture.hpp"
#include "recovery/world.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace recovery_test::saved_state_test {
namespace {

using ecsdb::ByteBuffer;
using ecsdb::Entity;
using ecsdb::ErrorCode;
using Bytes = std::vector<std::byte>;

ecsdb::Options in_memory() {
    ecsdb::Options options;
    options.own_thread = false;
    return options;
}

Bytes saved(World& world) {
    ecsdb::SystemAllocator memory;
    ByteBuffer out{memory};
    auto version = world.snapshot(out);
    if (!version) {
        FAIL(version.error().to_string());
    }
    CHECK(*version <= world.version());
    return {out.view().begin(), out.view().end()};
}

/// Random operations on a few entities, so that indices are used again and again.
class Churn {
public:
    Churn(World& world, std::uint64_t seed) : world_{&world}, random_{seed} { find_living(); }

    void find_living() {
        living_.clear();
        const auto view = world_->read();
        view.root().entities.for_each([&](std::uint32_t index, const ecsdb::storage::EntityRecord& record) {
            if (record.archetype != ecsdb::storage::no_archetype) {
                living_.push_back(view.root().entity_at(index));
            }
        });
    }
    void run(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            const auto number = static_cast<std::uint32_t>(random_() % 1000);
            switch (living_.empty() ? 0 : random_() % 5) {
            case 0: {
                auto tx = world_->begin();
                living_.push_back(tx.create(Spot{float(number), 1}));
                if (number % 2 == 0) {
                    living_.push_back(tx.create(Purse{number}, Spot{2, float(number)}));
                }
                require(tx.commit());
                break;
            }
            case 1:
            case 2: {
                const std::size_t victim = random_() % living_.size();
                require(world_->destroy(living_[victim]).wait());
                living_.erase(living_.begin() + static_cast<std::ptrdiff_t>(victim));
                break;
            }
            case 3:
                require(world_->set(living_[random_() % living_.size()], Purse{number}).wait());
                break;
            default:
                require(world_->remove<Purse>(living_[random_() % living_.size()]).wait());
                break;
            }
        }
    }

private:
    World* world_;
    std::mt19937_64 random_;
    std::vector<Entity> living_;
};

/// Remembers how much was out at most.
class PeakAllocator final : public ecsdb::Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        live += bytes;
        peak = std::max(peak, live);
        return below_.allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        live -= bytes;
        below_.deallocate(memory, bytes, alignment);
    }
    std::size_t live = 0;
    std::size_t peak = 0;

private:
    ecsdb::SystemAllocator below_;
};

Entity create(World& world, Purse purse) {
    auto tx = world.begin();
    const Entity entity = tx.create(purse);
    require(tx.commit());
    return entity;
}

} // namespace

TEST_CASE("what was saved in memory comes back with ids, generations, free indices and counts", "[recovery][snapshot]") {
    const std::uint64_t seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U);
    CAPTURE(seed);
    World world = open_or_fail(in_memory());
    Churn churn{world, seed};
    churn.run(40);
    std::vector<Bytes> kept;
    std::vector<std::uint64_t> hashes;
    std::vector<std::vector<std::uint32_t>> counts;
    for (int stage = 0; stage < 4; ++stage) {
        kept.push_back(saved(world));
        hashes.push_back(world.read().hash());
        std::vector<std::uint32_t> now(300);
        world.engine().store().entity_versions().copy_to(0, now);
        const auto view = world.read();
        for (std::uint32_t i = 0; i < now.size(); ++i) {
            const auto* const record = view.root().entities.find(i);
            now[i] = record != nullptr && record->archetype != ecsdb::storage::no_archetype ? now[i] : 0;
        }
        counts.push_back(now);
        churn.run(30);
    }
    for (const std::size_t stage : {2U, 0U, 3U, 1U, 1U, 0U}) {
        CAPTURE(stage);
        const auto before = world.read();
        const std::uint64_t before_hash = before.hash();
        require(world.restore(kept[stage]));
        CHECK(world.version() == before.version() + 1);
        const auto after = world.read();
        CHECK(after.hash() == hashes[stage]);
        CHECK(before.hash() == before_hash);
        for (std::uint32_t i = 0; i < counts[stage].size(); ++i) {
            const auto* const record = after.root().entities.find(i);
            if (record != nullptr && record->archetype != ecsdb::storage::no_archetype) {
                CHECK(world.engine().store().entity_versions().count(i) == counts[stage][i]);
            }
        }
        churn.find_living();
        churn.run(25); // ids that are handed out now are nobody's
    }
    // Another database of the same schema takes it too.
    World other = open_or_fail(in_memory());
    require(other.restore(kept[3]));
    CHECK(other.read().hash() == hashes[3]);
    Churn{other, seed}.run(100);
}

TEST_CASE("an id that a restore has given up never names anybody again", "[recovery][snapshot]") {
    World world = open_or_fail(in_memory());
    const Entity first = create(world, Purse{1});
    const Bytes kept = saved(world);
    std::vector<Entity> given_up;
    for (int i = 0; i < 50; ++i) {
        require(world.destroy(given_up.empty() ? first : given_up.back()).wait());
        given_up.push_back(create(world, Purse{2}));
    }
    require(world.restore(kept));
    CHECK(world.get<Purse>(first)->gold == 1);
    require(world.destroy(first).wait());
    for (int i = 0; i < 300; ++i) {
        const Entity now = create(world, Purse{3});
        CHECK(std::find(given_up.begin(), given_up.end(), now) == given_up.end());
        CHECK(now != first);
        if (i % 2 == 0) {
            require(world.destroy(now).wait());
        }
    }
}

TEST_CASE("nor does one that lived before the database was opened", "[recovery][snapshot]") {
    ecsdb::SimulatedFileSystem disk;
    std::vector<Entity> given_up;
    Entity first;
    Bytes kept;
    {
        World world = open_or_fail(on(disk));
        first = create(world, Purse{1});
        kept = saved(world);
        Entity last = first;
        for (int i = 0; i < 200; ++i) {
            require(world.destroy(last).wait());
            last = create(world, Purse{2});
            given_up.push_back(last);
        }
    }
    World world = open_or_fail(on(disk));
    CHECK(world.read().is_alive(given_up.back()));
    require(world.restore(kept));
    require(world.destroy(first).wait());
    for (int i = 0; i < 500; ++i) {
        const Entity now = create(world, Purse{3});
        CHECK(std::find(given_up.begin(), given_up.end(), now) == given_up.end());
        require(world.destroy(now).wait());
    }
}

TEST_CASE("texts, references and promises come back with a state", "[recovery][snapshot]") {
    using namespace ecsdb::test;
    Whole world = open_db<Whole>(stepped());
    ecsdb::SystemAllocator memory;
    ByteBuffer bytes{memory};
    const std::vector<Entity> made = fill(world);
    auto without_scratch = world.begin();
    without_scratch.remove<Scratch>(made[4]);
    REQUIRE(without_scratch.commit());
    REQUIRE(world.snapshot(bytes));
    const std::uint64_t hash = world.read().hash();
    const Content content = content_of(world.read());

    // Circles are taken apart, texts change, what was there goes, and others come in its place.
    auto tx = world.begin();
    tx.destroy(made[3]).destroy(made[6]).destroy(made[0]);
    Note other;
    other.body = tx.text("quite another text");
    tx.set(made[5], other);
    REQUIRE(tx.commit());
    for (int i = 0; i < 5; ++i) {
        auto more = world.begin();
        more.create(Place{9, float(i)}, Label{more.text("label " + std::to_string(i))});
        REQUIRE(more.commit());
    }
    auto transient = world.begin();
    transient.insert(made[4], Scratch{6});
    REQUIRE(transient.commit());
    const auto pinned = world.read();
    const std::uint64_t pinned_hash = pinned.hash();

    require(world.restore(bytes.view()));
    CHECK(world.read().hash() == hash);
    CHECK(content_of(world.read()) == content);
    CHECK_FALSE(world.get<Scratch>(made[4]));
    CHECK(pinned.hash() == pinned_hash);

    // The promises hold as before: a leader's end takes along who follows.
    REQUIRE(world.destroy(made[3]).wait());
    CHECK_FALSE(world.get<Leader>(made[4]));
}

TEST_CASE("a state that was damaged anywhere is refused, and nothing changes", "[recovery][snapshot][hostile]") {
    World world = open_or_fail(in_memory());
    Churn{world, 5}.run(15);
    const Bytes kept = saved(world);
    require(world.restore(kept));
    const std::uint64_t version = world.version();
    const std::uint64_t hash = world.read().hash();
    Bytes damaged = kept;
    for (std::size_t at = 0; at < kept.size(); ++at) {
        for (const int bit : {0, 3, 7}) {
            damaged[at] = kept[at] ^ static_cast<std::byte>(1 << bit);
            const auto restored = world.restore(damaged);
            CAPTURE(at, bit);
            REQUIRE_FALSE(restored);
            const ErrorCode code = restored.error().code();
            CHECK((code == ErrorCode::Corrupt || code == ErrorCode::Unsupported));
        }
        damaged[at] = kept[at];
        REQUIRE_FALSE(world.restore(std::span{kept}.first(at)));
    }
    CHECK(world.version() == version);
    CHECK(world.read().hash() == hash);
}

TEST_CASE("a state of another schema or shard is refused, and where it cannot be waited for", "[recovery][snapshot]") {
    using Other = ecsdb::Database<Purse, Spot>;
    World world = open_or_fail(in_memory());
    const Bytes kept = saved(world);
    auto other = Other::open(in_memory());
    REQUIRE(other);
    auto refused = other->restore(kept);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::SchemaMismatch);
    auto elsewhere = in_memory();
    elsewhere.shard = 3;
    World shard = open_or_fail(elsewhere);
    refused = shard.restore(kept);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::WrongShard);

    ErrorCode inside{};
    ErrorCode saving{};
    const auto done = world.execute([&](World::WriteState&) {
        inside = world.restore(kept).error().code();
        ecsdb::SystemAllocator memory;
        ByteBuffer out{memory};
        saving = world.snapshot(out).error().code();
    });
    REQUIRE(done);
    CHECK(inside == ErrorCode::WouldDeadlock);
    CHECK(saving == ErrorCode::WouldDeadlock);
}

TEST_CASE("bytes that only claim to be large take no memory", "[recovery][snapshot][hostile]") {
    PeakAllocator allocator;
    {
        auto options = in_memory();
        options.allocator = &allocator;
        World world = open_or_fail(options);
        Churn{world, 7}.run(20);
        Bytes kept = saved(world);
        kept.resize(kept.size() + (4U << 20U)); // large, and not what it was
        const std::size_t before = allocator.live;
        allocator.peak = before;
        for (const std::size_t at : {16U, 72U, 130U, 200U}) {
            Bytes damaged = kept;
            damaged[at] ^= std::byte{0xFF};
            CHECK_FALSE(world.restore(damaged));
        }
        CHECK(allocator.live == before);
        CHECK(allocator.peak - before < 1U << 20U);
    }
}

TEST_CASE("a crash at any point of a restore leaves the state before it or the one it brings", "[recovery][snapshot][crash]") {
    ecsdb::SimulatedFileSystem disk;
    const auto options = on(disk);
    World world = open_or_fail(options);
    Churn churn{world, 11};
    churn.run(25);
    const Bytes kept = saved(world);
    const std::uint64_t then = world.read().hash();
    churn.run(25);
    const std::uint64_t now = world.read().hash();
    disk.record_history();
    require(world.restore(kept));
    const std::uint64_t restored = world.version();
    const std::size_t acknowledged = disk.changes();
    std::size_t back = 0;
    for (std::size_t change = 0; change <= acknowledged; ++change) {
        for (const auto keep : {ecsdb::KeepPending::None, ecsdb::KeepPending::Subset, ecsdb::KeepPending::All}) {
            auto image = disk.after_crash_at(change, {.seed = change, .keep = keep, .tear = 512});
            World recovered = open_or_fail(on(*image));
            CAPTURE(change);
            const bool is_back = recovered.version() == restored;
            CHECK(recovered.read().hash() == (is_back ? then : now));
            CHECK((is_back || recovered.version() == restored - 1));
            CHECK((is_back || change != acknowledged));
            back += is_back ? 1U : 0U;
            Churn{recovered, change}.run(3);
        }
    }
    CHECK(back > 0);
    // With snapshots and more changes behind it, the history goes on.
    require(world.snapshot());
    churn.find_living();
    churn.run(10);
    const std::uint64_t last = world.read().hash();
    { const World closed = std::move(world); }
    World again = open_or_fail(options);
    CHECK(again.read().hash() == last);
}

TEST_CASE("incremental and compressed snapshots hold what a restore has brought back", "[recovery][snapshot]") {
    ecsdb::SimulatedFileSystem disk;
    auto options = on(disk);
    options.incremental_snapshots = 5;
    options.incremental_percent = 1000;
    options.compress_snapshots = true;
    std::uint64_t hash = 0;
    {
        World world = open_or_fail(options);
        Churn churn{world, 21};
        churn.run(40);
        const Bytes early = saved(world);
        require(world.snapshot());
        churn.run(40);
        const Bytes late = saved(world);
        require(world.snapshot());
        for (const Bytes* const bytes : {&early, &late, &early}) {
            require(world.restore(*bytes));
            require(world.snapshot());
            churn.find_living();
            churn.run(10);
            require(world.snapshot());
        }
        hash = world.read().hash();
    }
    World again = open_or_fail(options);
    CHECK(again.read().hash() == hash);
    CHECK(again.recovery_report().replayed == 0);
}

TEST_CASE("views and writers on other threads go on while states are saved and brought back", "[recovery][snapshot][threads]") {
    ecsdb::Options options;
    World world = open_or_fail(options);
    std::vector<Entity> some;
    for (std::uint32_t i = 0; i < 50; ++i) {
        some.push_back(create(world, Purse{i}));
    }
    const Bytes kept = saved(world);
    const std::uint64_t hash = world.read().hash();
    std::atomic<bool> stop{false};
    std::thread writer{[&] {
        for (std::uint64_t i = 0; !stop.load(); ++i) {
            static_cast<void>(world.update(some[i % some.size()], Purse{i}).wait());
            auto tx = world.begin();
            const Entity entity = tx.create(Purse{i});
            if (tx.commit()) { // ids reserved just before a restore may be taken
                static_cast<void>(world.destroy(entity).wait());
            }
        }
    }};
    int changed = 0;
    std::thread reader{[&] {
        while (!stop.load()) {
            const auto view = world.read();
            const std::uint64_t first = view.hash();
            changed += view.hash() != first;
        }
    }};
    for (int i = 0; i < 20; ++i) {
        require(world.restore(kept));
        static_cast<void>(saved(world));
    }
    stop.store(true);
    writer.join();
    reader.join();
    CHECK(changed == 0);
    require(world.restore(kept));
    CHECK(world.read().hash() == hash);
}

TEST_CASE("after a restore every new id comes to life, whichever thread had freed it", "[recovery]") {
    ecsdb::SimulatedFileSystem files;
    ecsdb::Options options = on(files, ecsdb::Durability::Logged);
    options.own_thread = true; // what opening has freed and what the writer frees lie apart
    constexpr std::uint32_t count = 8'000;
    constexpr std::uint32_t kept = 1'000;
    std::vector<Entity> entities;
    Bytes bytes;
    {
        World world = open_or_fail(options);
        const auto destroy = [&](std::uint32_t first, std::uint32_t end) {
            auto tx = world.begin();
            for (std::uint32_t i = first; i < end; ++i) {
                tx.destroy(entities[i]);
            }
            require(tx.commit());
        };
        auto tx = world.begin();
        for (std::uint32_t i = 0; i < count; ++i) {
            entities.push_back(tx.create(Purse{1}));
        }
        require(tx.commit());
        destroy(0, count - kept);
        bytes = saved(world);
        destroy(count - kept, count);
        require(world.close());
    }
    World world = open_or_fail(options);
    require(world.restore(bytes));
    std::uint32_t failed = 0;
    for (std::uint32_t i = 0; i < count + 2'000; ++i) {
        auto tx = world.begin();
        tx.create(Purse{2});
        failed += tx.commit() ? 0U : 1U;
    }
    CHECK(failed == 0);
    CHECK(world.read().entity_count() == kept + count + 2'000);
}

TEST_CASE("a delta that is refused has taken no ids", "[recovery]") {
    World world = open_or_fail(in_memory());
    {
        auto tx = world.begin();
        tx.create();
        require(tx.commit());
    }
    ecsdb::SystemAllocator memory;
    ByteBuffer delta{memory};
    const std::size_t envelope = ecsdb::delta::begin_envelope(delta);
    ecsdb::delta::Encoder encoder{memory};
    encoder.begin(delta, ecsdb::delta::Header{.from = 1, .to = 2, .origin = {}, .clock = {}});
    const Entity far{100'000U, 1, 0};
    encoder.entities({&far, 1}, {});
    ecsdb::delta::RowChange row; // of an entity that has none
    row.index = 0;
    row.kind = ecsdb::delta::RowChangeKind::Removed;
    encoder.table(world.schema().table(0), {&row, 1});
    encoder.end();
    ecsdb::recovery::seal_delta(world.engine(), delta, envelope);
    const std::uint64_t next = world.engine().pipeline().ids().next_fresh();
    const auto applied = world.apply_delta(delta.view());
    REQUIRE_FALSE(applied);
    CHECK(applied.error().code() == ErrorCode::Corrupt);
    CHECK(world.engine().pipeline().ids().next_fresh() == next);
    auto tx = world.begin();
    CHECK(tx.create(Purse{3}).index() < 1000);
    require(tx.commit());
}

TEST_CASE("a delta cannot use up all indices by naming a high one", "[recovery]") {
    World world = open_or_fail(in_memory());
    ecsdb::SystemAllocator memory;
    const auto bringing = [&](std::uint32_t index) {
        ByteBuffer delta{memory};
        const std::size_t envelope = ecsdb::delta::begin_envelope(delta);
        ecsdb::delta::Encoder encoder{memory};
        encoder.begin(delta,
                      ecsdb::delta::Header{.from = world.version(), .to = world.version() + 1, .origin = {}, .clock = {}, .counted = true});
        const Entity entity{index, 1, 0};
        encoder.entities({&entity, 1}, {});
        encoder.end();
        ecsdb::recovery::seal_delta(world.engine(), delta, envelope);
        return Bytes{delta.view().begin(), delta.view().end()};
    };
    for (const std::uint32_t index : {20'000'000U, 0xFFFFFFFFU}) {
        const auto applied = world.apply_delta(bringing(index));
        REQUIRE_FALSE(applied);
        CHECK(applied.error().code() == ErrorCode::Corrupt);
        CHECK(applied.error().message().find(std::to_string(index)) != std::string::npos);
    }
    CHECK(world.version() == 0);
    CHECK(world.apply_delta(bringing(1'000'000)));
    auto tx = world.begin();
    const Entity next = tx.create(Purse{3});
    require(tx.commit());
    CHECK(next.index() < 2'000'000);
}

} // namespace recovery_test::saved_state_test
