#include "ecsdb/transaction/compact.hpp"

#include "support/contents_fixture.hpp"
#include "support/files.hpp"
#include "transaction/transaction_fixture.hpp"

#include <array>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::compact_test {
namespace {

/// Destroys all of `count` entities from `first` on but one in `kept`, in an order that leaves what stays scattered.
void scatter(World8& db, Entity first, std::uint32_t count, std::uint32_t kept) {
    for (std::uint32_t begin = 0; begin < count; begin += 500) {
        REQUIRE(db.execute([&](auto& state) -> Result<void> {
            Result<void> destroyed;
            for (std::uint32_t i = begin; destroyed && i < std::min(begin + 500, count); ++i) {
                if (i % kept != 0) {
                    destroyed = state.destroy(Entity{first.index() + i, first.generation(), first.shard()});
                }
            }
            return destroyed;
        }));
    }
}

} // namespace

TEST_CASE("a compaction shrinks what a peak has left, whoever drives the writer, and changes nothing", "[transaction][compaction]") {
    Options options;
    options.own_thread = GENERATE(false, true);
    options.compact_percent = 0;
    options.max_block_bytes = options.first_block_bytes = std::size_t{64} << 10U;
    World8 db = open_db(options);
    const Entity first = create_zeroed<Position, Account, Velocity>(db, 20'000);
    for (std::uint32_t i = 0; i < 20'000; i += 50) {
        REQUIRE(db.set(Entity{first.index() + i, 1, 0}, Account{std::int64_t{i}}).wait());
    }
    scatter(db, first, 20'000, 50);
    auto before = db.read();
    const std::uint64_t hash = before.hash();
    const std::size_t entity_bytes = before.entity_figures().allocated_bytes;
    const Statistics loose = db.statistics();
    Result<Compaction> done = db.compact();
    REQUIRE(done);
    const Statistics close = db.statistics();
    CHECK(done->steps > 3);
    CHECK(done->allocated_before == loose.allocated_bytes);
    CHECK(done->allocated_after == close.allocated_bytes);
    CHECK(close.version == loose.version);
    CHECK(close.committed == loose.committed);
    CHECK(db.read().hash() == hash);
    CHECK(before.hash() == hash);
    CHECK(db.read().entity_figures().allocated_bytes < entity_bytes);
    before = {};
    done = db.compact();
    REQUIRE(done);
    CHECK(done->allocated_after < loose.allocated_bytes / 2);
    CHECK(db.statistics().fragmentation() < 0.5);
    CHECK(db.statistics().returned_bytes > 0);
    CHECK(db.get<Account>(Entity{first.index() + 100, 1, 0}) == Account{100});
    CHECK(db.read().entity_version(Entity{first.index() + 100, 1, 0}) == 2U);
    CHECK_FALSE(db.read().is_alive(Entity{first.index() + 101, 1, 0}));
    // Versions go on as if nothing had been.
    REQUIRE(db.set(Entity{first.index() + 100, 1, 0}, Account{7}).wait());
    CHECK(db.version() == close.version + 1);
    CHECK(db.compact());
}

TEST_CASE("texts and blobs are moved with the rest", "[transaction][compaction]") {
    Options options;
    options.max_block_bytes = options.first_block_bytes = std::size_t{64} << 10U;
    Notes db = open_db<Notes>(options);
    std::vector<Entity> entities;
    for (int i = 0; i < 3000; ++i) {
        auto tx = db.begin();
        const std::string words = std::string(static_cast<std::size_t>(i % 400), 'a') + std::to_string(i);
        entities.push_back(tx.create(Note{static_cast<std::uint32_t>(i), tx.text(words), {}, {}}, Label{tx.text(words)}));
        REQUIRE(tx.post());
    }
    for (std::size_t i = 0; i < entities.size(); ++i) {
        if (i % 16 != 5) {
            REQUIRE(db.destroy(entities[i]).wait());
        }
    }
    auto held = db.read();
    const std::uint64_t hash = held.hash();
    REQUIRE(db.compact());
    CHECK(held.hash() == hash);
    held = {};
    const Result<Compaction> done = db.compact();
    REQUIRE(done);
    const auto view = db.read();
    CHECK(view.hash() == hash);
    CHECK(db.engine().pipeline().writer().compactor().moved_bytes() > 0);
    CHECK(done->allocated_after < done->allocated_before / 2);
    for (std::size_t i = 5; i < entities.size(); i += 16) {
        const std::string words = std::string(i % 400, 'a') + std::to_string(i);
        REQUIRE(view.text(view.get<Note>(entities[i])->body) == words);
        REQUIRE(view.text(view.get<Label>(entities[i])->words) == words);
    }
}

TEST_CASE("nothing of a compaction is logged, and what is logged after it replays", "[transaction][compaction]") {
    const ScratchDirectory directory;
    Options options;
    options.directory = directory.path();
    options.durability = GENERATE(Durability::Logged, Durability::Synced);
    std::uint64_t hash = 0;
    std::uint64_t version = 0;
    Entity survivor;
    {
        World8 db = open_db(options);
        const Entity first = create_zeroed<Position, Account>(db, 5'000);
        survivor = first;
        scatter(db, first, 5'000, 20);
        version = db.version();
        REQUIRE(db.compact());
        CHECK(db.version() == version);
        REQUIRE(db.snapshot());
        REQUIRE(db.compact());
        REQUIRE(db.set(first, Account{9}).wait());
        hash = db.read().hash();
        REQUIRE(db.close());
    }
    World8 db = open_db(options);
    CHECK(db.version() == version + 1);
    CHECK(db.read().hash() == hash);
    CHECK(db.get<Account>(survivor) == Account{9});
    CHECK(db.read().entity_version(survivor) == 2U);
}

TEST_CASE("readers, writers and column updates go on while the database is compacted", "[transaction][compaction][threads]") {
    Options options;
    options.max_block_bytes = options.first_block_bytes = std::size_t{64} << 10U;
    World8 db = open_db(options);
    constexpr std::uint32_t count = 8'000;
    static_cast<void>(create_zeroed<Account, Level>(db, 2'000));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::atomic<int> compactions{0};
    std::uint64_t moved = 0;
    {
        std::jthread reader{[&] {
            while (!stop) {
                const auto view = db.read();
                std::int64_t sum = 0;
                std::uint64_t counts = 0;
                view.each<Account>([&](Entity entity, const Account& account) {
                    sum += account.balance;
                    counts += view.entity_version(entity).value_or(0);
                });
                wrong += sum % 2'000 != 0 || counts < 2'000;
            }
        }};
        std::jthread updater{[&] {
            while (!stop) {
                wrong += !db.update<Account>([](Account& account) { ++account.balance; });
            }
        }};
        std::jthread churner{[&] {
            for (int round = 0; round < 4; ++round) {
                const Entity first = create_zeroed<Position, Target>(db, count);
                scatter(db, first, count, 64);
                // The one under way may have begun before the rows were scattered; the next one has them before it.
                for (const int seen = compactions; compactions < seen + 2;) {
                    std::this_thread::yield();
                }
            }
            stop = true;
        }};
        while (!stop) {
            const Result<Compaction> done = db.compact();
            wrong += !done;
            moved += done ? done->moved_bytes : 0;
            ++compactions;
        }
    }
    CHECK(wrong == 0);
    CHECK(moved > 0);
    CHECK(db.compact());
    CHECK(db.read().entity_count() == 2'000 + 4 * count / 64);
}

TEST_CASE("an idle database compacts itself once more than its share is free", "[transaction][compaction]") {
    SimulatedClock clock;
    Options options = stepped();
    options.clock = &clock;
    options.compact_percent = GENERATE(0U, 50U);
    options.max_block_bytes = options.first_block_bytes = std::size_t{64} << 10U;
    World8 db = open_db(options);
    const Entity first = create_zeroed<Position, Account>(db, 30'000);
    // One in 40 is changed by itself, so that its pages lie among others that go.
    scatter(db, first, 30'000, 40);
    step_all(db);
    const std::size_t before = db.statistics().allocated_bytes;
    const std::uint64_t hash = db.read().hash();
    clock.advance(2'000'000'000);
    step_all(db);
    const Statistics after = db.statistics();
    CHECK(db.read().hash() == hash);
    CHECK(after.allocated_bytes <= before);
    const bool compacted = db.engine().pipeline().writer().compactor().moved_bytes() != 0;
    CHECK(compacted == (options.compact_percent != 0));
    if (compacted) {
        CHECK(after.fragmentation() < 0.5);
    }
    // Once is enough until something is written.
    const std::uint64_t moved = db.engine().pipeline().writer().compactor().moved_bytes();
    clock.advance(2'000'000'000);
    step_all(db);
    CHECK(db.engine().pipeline().writer().compactor().moved_bytes() == moved);
}

TEST_CASE("a compaction that cannot be says why", "[transaction][compaction]") {
    World8 db = open_db();
    const Result<Compaction> inside = db.execute([&](auto&) { return db.compact(); });
    CHECK(code_of(inside) == ErrorCode::WouldDeadlock);
    CHECK(db.compact());
    REQUIRE(db.close());
    CHECK(code_of(db.compact()) == ErrorCode::Closed);
}

TEST_CASE("snapshots taken between compactions, each of what was born since the one before, add up to the state",
          "[transaction][compaction]") {
    const ScratchDirectory directory;
    Options options;
    options.directory = directory.path();
    options.durability = Durability::Logged;
    std::uint64_t hash = 0;
    {
        World8 db = open_db(options);
        for (std::uint32_t round = 0; round < 4; ++round) {
            const Entity first = create_zeroed<Position, Account, Level>(db, 4'000);
            REQUIRE(db.snapshot());
            scatter(db, first, 4'000, 30 + round);
            REQUIRE(db.compact());
            REQUIRE(db.set(first, Account{round}).wait());
            REQUIRE(db.where<Level>().matching([](Entity entity, const Level&) { return entity.index() % 7 == 0; }).destroy());
            REQUIRE(db.snapshot());
            REQUIRE(db.compact());
            REQUIRE(db.snapshot());
        }
        hash = db.read().hash();
        REQUIRE(db.close());
    }
    World8 db = open_db(options);
    CHECK(db.recovery_report().replayed == 0);
    CHECK(db.read().hash() == hash);
}

} // namespace ecsdb::test::compact_test
