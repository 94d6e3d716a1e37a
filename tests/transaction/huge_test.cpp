// Transactions far larger than any batch, buffer or frame is made for. At full size (support/environment.hpp) ten million operations and a
// cascade of a million rows: 1.5 GiB, and at -O2 half a minute.
#include "constraint/constraint_fixture.hpp"
#include "io/temporary_directory.hpp"
#include "support/environment.hpp"
#include "support/storage_fixture.hpp"
#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

namespace ecsdb::test::huge_test {
namespace {

/// Says how long what it stands beside took, where sizes are worth it.
class Stopwatch {
public:
    void say(const char* what, AnyDatabase& db) {
        const std::uint64_t now = clock_.monotonic_ns();
        if (test_full()) {
            std::printf("huge: %s: %.2f s, %zu MiB from the allocator\n", what, static_cast<double>(now - since_) / 1e9,
                        db.statistics().allocated_bytes >> 20U);
        }
        since_ = clock_.monotonic_ns();
    }

private:
    SystemClock clock_;
    std::uint64_t since_ = clock_.monotonic_ns();
};

/// `count` operations: of every ten, two create an entity each, six give them their rows, and two change one of them.
std::vector<Entity> fill(World8::Transaction& tx, std::size_t count) {
    std::vector<Entity> created;
    for (std::size_t left = count / 10; left != 0; --left) {
        const auto number = static_cast<std::int64_t>(left);
        for (std::uint64_t i = 0; i < 2; ++i) {
            created.push_back(tx.create(Account{number}, Position{}, Target{i}));
        }
        tx.update(created.back(), Account{-number}).update(created.back(), &Position::x, 1.0F);
    }
    return created;
}

constexpr std::string_view family = R"(
[tables.parent]
fields = [ { name = "name", type = "u32", constraint = "unique" } ]
[tables.child]
fields = [ { name = "of", type = "entity", foreign_key = "parent.entity_id", on_delete = "cascade" } ]
[tables.link]
storage = "sparse"
fields = [ { name = "to", type = "entity", foreign_key = "link.entity_id", on_delete = "cascade" } ]
[tables.witness]
fields = [ { name = "of", type = "entity", foreign_key = "link.entity_id" } ]
)";

} // namespace

TEST_CASE("a transaction of very many operations is applied whole, or taken back whole, and is there after opening again",
          "[transaction][huge]") {
    const std::size_t operations = test_full() ? 10'000'000 : 100'000;
    const TemporaryDirectory directory;
    Options options;
    options.directory = directory.path();
    options.durability = Durability::Logged;
    std::uint64_t hash = 0;
    {
        World8 db = open_db(options);
        Stopwatch stopwatch;
        const std::uint64_t empty = db.read().hash();
        {
            auto tx = db.begin();
            const std::vector<Entity> created = fill(tx, operations);
            tx.insert(created.front(), Account{1}); // has one: the very last operation fails
            CHECK(code_of(tx.commit()) == ErrorCode::AlreadyExists);
            stopwatch.say("built and taken back", db);
            CHECK(db.read().hash() == empty);
            CHECK(db.version() == 0);
            CHECK_FALSE(db.read().is_alive(created.front()));
        }
        auto tx = db.begin();
        const std::vector<Entity> created = fill(tx, operations);
        stopwatch.say("built", db);
        REQUIRE(tx.commit());
        stopwatch.say("applied", db);
        CHECK(db.version() == 1);
        const auto view = db.read();
        CHECK(view.entity_count() == operations / 5);
        CHECK(view.count<Target>() == operations / 5);
        std::int64_t sum = 0;
        view.each<const Account>([&](const Account& account) { sum += account.balance; });
        CHECK(sum == 0);
        CHECK(view.get<Position>(created.back())->x == 1.0F);
        CHECK(view.entity_version(created.back()) == 1);
        hash = view.hash();
        stopwatch.say("looked at", db);
        REQUIRE(db.close());
    }
    World8 db = open_db(options);
    CHECK(db.read().hash() == hash);
    Stopwatch stopwatch;
    auto tx = db.begin();
    std::vector<Entity> all;
    db.read().each<const Account>([&](Entity entity, const Account&) { all.push_back(entity); });
    tx.destroy_many(all);
    REQUIRE(tx.commit());
    stopwatch.say("destroyed by one transaction", db);
    CHECK(db.read().entity_count() == 0);
}

TEST_CASE("a view held through very many updates costs a second copy of what it sees, and snapshots go on", "[transaction][huge][memory]") {
    const std::size_t updates = test_size(200'000, 10'000'000);
    constexpr std::size_t rows = 10'000;
    const TemporaryDirectory directory;
    Options options;
    options.directory = directory.path();
    options.durability = Durability::Logged;
    World8 db = open_db(options);
    auto tx = db.begin();
    std::vector<Entity> entities;
    for (std::size_t i = 0; i < rows; ++i) {
        entities.push_back(tx.create(Account{1}, Position{}));
    }
    REQUIRE(tx.commit());
    REQUIRE(db.snapshot());
    const std::size_t used = db.statistics().used_bytes;
    const auto held = db.read();
    const std::uint64_t hash = held.hash();
    std::size_t most = 0;
    std::uint64_t snapshots = 0;
    for (std::size_t done = 0; done < updates; done += 1000) {
        auto change = db.begin();
        for (std::size_t i = 0; i < 1000; ++i) {
            change.update(entities[(done * 7 + i * 3) % rows], Account{static_cast<std::int64_t>(done + i)});
        }
        REQUIRE(change.commit());
        most = std::max(most, db.statistics().used_bytes);
        if (done % (updates / 20) == 0) {
            REQUIRE(db.snapshot());
            CHECK(db.snapshot_state().version == db.version());
            ++snapshots;
        }
    }
    std::printf("huge: %zu updates beside a view: %zu KiB in use at most, %zu before\n", updates, most >> 10U, used >> 10U);
    CHECK(most <= 2 * used);
    CHECK(snapshots >= 20);
    CHECK(held.hash() == hash);
    CHECK(held.version() == 1);
    const auto holders = db.holders();
    REQUIRE(holders);
    REQUIRE_FALSE(holders->empty());
    CHECK(holders->front().version == 1);
}

TEST_CASE("a transaction too large for the memory there may be is refused, and the database is intact", "[transaction][huge][memory]") {
    const std::size_t operations = test_full() ? 10'000'000 : 100'000;
    Options options;
    options.memory_limit = operations * 6; // a fraction of what the rows need
    options.max_block_bytes = std::size_t{256} << 10U;
    World8 db = open_db(options);
    const Entity entity = [&] {
        auto tx = db.begin();
        const Entity created = tx.create(Account{1});
        REQUIRE(tx.commit());
        return created;
    }();
    const std::uint64_t hash = db.read().hash();
    for (int i = 0; i < 2; ++i) {
        auto tx = db.begin();
        static_cast<void>(fill(tx, operations));
        CHECK(code_of(tx.commit()) == ErrorCode::OutOfMemory);
        CHECK(db.read().hash() == hash);
        CHECK(db.version() == 1);
    }
    // What it had taken is there again.
    for (std::int64_t i = 0; i < 100; ++i) {
        CHECK(db.update(entity, Account{i}).wait());
    }
    CHECK(db.get<Account>(entity) == Account{99});
}

TEST_CASE("a cascade over very many rows takes them all, or none", "[transaction][huge][constraint]") {
    const std::size_t rows = test_full() ? 1'000'000 : 10'000;
    Scene scene{family};
    Database<>& db = scene.db();
    Stopwatch stopwatch;
    const Entity parent = scene.add(scene.row("parent", "name", std::uint32_t{1}));
    std::vector<Entity> children;
    std::vector<Entity> chain;
    {
        auto tx = db.begin();
        const Row child = scene.row("child", "of", parent);
        for (std::size_t i = 0; i < rows; ++i) {
            const Entity entity = tx.create();
            tx.insert(entity, child);
            children.push_back(entity);
        }
        REQUIRE(tx.commit());
        stopwatch.say("children created", db);
    }
    {
        auto tx = db.begin();
        for (std::size_t i = 0; i < rows; ++i) {
            const Entity entity = tx.create();
            tx.insert(entity, scene.row("link", "to", chain.empty() ? Entity{} : chain.back()));
            chain.push_back(entity);
        }
        REQUIRE(tx.commit());
        stopwatch.say("chain created", db);
    }
    // At its far end somebody insists.
    const Entity witness = scene.add(scene.row("witness", "of", chain.back()));
    stopwatch.say("witness added", db);
    const std::uint64_t hash = db.read().hash();
    const std::uint64_t version = db.version();
    CHECK(code_of(db.destroy(chain.front()).wait()) == ErrorCode::ConstraintViolation);
    stopwatch.say("chain kept by its last", db);
    CHECK(db.read().hash() == hash);
    CHECK(db.version() == version);
    CHECK(scene.key_count() == scene.keys_there());

    REQUIRE(db.destroy(parent).wait());
    stopwatch.say("children taken along", db);
    CHECK_FALSE(scene.has(children.front(), "child"));
    CHECK_FALSE(scene.has(children.back(), "child"));
    CHECK(scene.is_alive(children.back()));
    REQUIRE(db.destroy(witness).wait());
    REQUIRE(db.destroy(chain.front()).wait());
    stopwatch.say("chain taken along", db);
    CHECK_FALSE(scene.has(chain.back(), "link"));
    CHECK(scene.key_count() == 0);
    CHECK(scene.keys_there() == 0);
    CHECK(db.version() == version + 3);
}

} // namespace ecsdb::test::huge_test
