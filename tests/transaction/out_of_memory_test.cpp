// Memory refused at every single point of a commit, in each of its forms, and at the limit.
#include "support/storage_fixture.hpp"
#include "transaction/transaction_fixture.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ecsdb::test::out_of_memory_test {
namespace {

using Producer = World8::Producer;
constexpr std::size_t population = 600;

/// What the commit of each form does; everything it uses of the database is asked for within.
struct Form {
    std::string_view name;
    Result<void> (*commit)(World8& db, const std::vector<Entity>& entities);
};

/// Enough of everything for pages, tree nodes and lists of every kind to be needed.
template <typename Edits>
void edit(Edits& edits, const std::vector<Entity>& entities) {
    for (std::size_t i = 0; i < 150; ++i) {
        const Entity created = edits.create(Position{1, 2, 3}, Visible{});
        edits.set(created, Target{i});
        edits.update(entities[i * 3], Account{5}).set(entities[i * 3 + 1], Velocity{}).set(entities[i * 3 + 1], Burning{});
        edits.template remove<Level>(entities[i * 3 + 2]);
    }
    for (std::size_t i = 500; i < 540; ++i) {
        edits.destroy(entities[i]);
    }
    edits.create(Wide{}, Account{7});
}

constexpr Form forms[] = {
    {"one operation",
     [](World8& db, const std::vector<Entity>& entities) {
         Producer producer = db.producer();
         return producer.update(entities[3], Account{77}).wait();
     }},
    {"one operation on a row too large for the ring",
     [](World8& db, const std::vector<Entity>& entities) {
         Producer producer = db.producer();
         return producer.set(entities[3], Wide{}).wait();
     }},
    {"a command transaction",
     [](World8& db, const std::vector<Entity>& entities) {
         Producer producer = db.producer();
         auto tx = producer.begin();
         edit(tx, entities);
         return tx.commit();
     }},
    {"a function transaction",
     [](World8& db, const std::vector<Entity>& entities) {
         Producer producer = db.producer();
         return producer.execute([&](World8::WriteState& state) -> Result<void> {
             const std::vector<Account> accounts(300, Account{3});
             for (std::size_t i = 0; i < 50; ++i) {
                 Result<Entity> created = state.create(Position{}, Visible{}, Target{i});
                 Result<void> done = created ? state.update(entities[i * 7], Account{1}) : Result<void>{std::move(created).error()};
                 done = done ? state.set(entities[i * 7], Burning{}) : std::move(done);
                 done = done ? state.destroy(entities[400 + i]) : std::move(done);
                 if (!done) {
                     return done;
                 }
             }
             Result<Entity> many = state.create_many(300, std::span<const Account>{accounts});
             return many ? Result<void>{} : Result<void>{std::move(many).error()};
         });
     }},
    {"a column update",
     [](World8& db, const std::vector<Entity>& entities) {
         Producer producer = db.producer();
         // Queued before it, so that a part is computed anew on the writer.
         static_cast<void>(producer.update(entities[1], Account{1}).is_submitted());
         return producer.update<Account, Level>([](Account& account, Level& level) {
             account.balance += level.number;
             level.number = static_cast<std::uint8_t>(level.number + 1);
         });
     }},
    {"changes",
     [](World8& db, const std::vector<Entity>& entities) {
         Producer producer = db.producer();
         auto changes = producer.changes();
         edit(changes, entities);
         const Result<std::vector<Entity>> created = producer.apply(changes);
         return created ? Result<void>{} : Result<void>{created.error().clone()};
     }},
};

/// What a database of these forms looks like, whatever the ids.
struct Look {
    std::uint64_t entities;
    std::uint64_t positions;
    std::uint64_t targets;
    std::uint64_t levels;
    std::uint64_t wides;
    std::int64_t sum;
    friend bool operator==(const Look&, const Look&) = default;
};
Look look_at(World8& db) {
    const auto view = db.read();
    Look look{view.entity_count(), view.count<Position>(), view.count<Target>(), view.count<Level>(), view.count<Wide>(), 0};
    view.each<const Account>([&](const Account& account) { look.sum += account.balance; });
    return look;
}

class Scene {
public:
    Scene(Allocator& allocator, bool records) {
        Options options = stepped();
        options.allocator = &allocator;
        options.first_block_bytes = 4096;
        options.max_block_bytes = 16384;
        db = std::make_unique<World8>(open_db(options));
        if (records) {
            db->engine().pipeline().writer().join(recorder_);
        }
        auto tx = db->begin();
        for (std::size_t i = 0; i < population; ++i) {
            entities.push_back(tx.create(Account{static_cast<std::int64_t>(i)}, Level{1}));
        }
        REQUIRE(tx.commit());
        recorder_.steps.clear();
    }

private:
    Recorder recorder_; // outlives the database

public:
    std::unique_ptr<World8> db;
    std::vector<Entity> entities;
};

std::uint64_t counts_of(World8& db) {
    return hash_of_counts(db.read().root(), db.engine().store().entity_versions());
}

} // namespace

TEST_CASE("memory refused at any point of a commit fails it without a trace, and the next one works", "[transaction][memory]") {
    const bool for_good = GENERATE(false, true); // every request from that one on, or that one alone
    const bool records = GENERATE(false, true);
    CAPTURE(for_good, records);
    for (const Form& form : forms) {
        CAPTURE(std::string{form.name});
        CountingAllocator allocator;
        Look after{};
        {
            Scene scene{allocator, records};
            REQUIRE(form.commit(*scene.db, scene.entities));
            after = look_at(*scene.db);
        }
        std::uint64_t failures = 0;
        for (std::uint64_t allowed = 0;; ++allowed) {
            CAPTURE(allowed);
            Scene scene{allocator, records};
            World8& db = *scene.db;
            std::uint64_t hash = db.read().hash();
            const std::uint64_t counts = counts_of(db);
            const std::uint64_t version = db.version();
            const std::uint64_t refused = allocator.refused;
            (for_good ? allocator.refuse_from : allocator.refuse_call) = allocator.calls + allowed;
            const Result<void> result = form.commit(db, scene.entities);
            allocator.refuse_from = allocator.refuse_call = CountingAllocator::never;
            const bool none_refused = allocator.refused == refused;
            if (result) {
                REQUIRE(look_at(db) == after); // what was refused was not needed, or had by other means
                if (none_refused) {
                    break;
                }
                continue;
            }
            ++failures;
            INFO(result.error().to_string());
            REQUIRE(result.error().code() == ErrorCode::OutOfMemory);
            if (db.version() != version) { // the operation queued before a column update
                REQUIRE(db.version() == version + 1);
                REQUIRE(db.get<Account>(scene.entities[1]) == Account{1});
                REQUIRE(db.update(scene.entities[1], Account{1}).wait());
                hash = db.read().hash();
            } else {
                REQUIRE(db.read().hash() == hash);
                REQUIRE(counts_of(db) == counts);
            }
            REQUIRE(db.set(scene.entities[550], Visible{}).wait());
            REQUIRE(db.read().hash() != hash);
            REQUIRE(form.commit(db, scene.entities));
            REQUIRE(look_at(db) == after);
        }
        CHECK(failures > 0);
        CHECK(allocator.mismatches == 0);
    }
}

TEST_CASE("transactions that fail one after the other keep no memory", "[transaction][memory]") {
    Options options = stepped();
    options.first_block_bytes = options.max_block_bytes = 65536;
    World8 db = open_db(options);
    const Entity entity = [&] {
        auto tx = db.begin();
        const Entity created = tx.create(Account{1});
        REQUIRE(tx.commit());
        return created;
    }();
    const storage::PagePool& pool = db.engine().store().pool();
    const std::size_t used = pool.used_bytes();
    for (int i = 0; i < 10; ++i) {
        auto tx = db.begin();
        for (int k = 0; k < 10'000; ++k) {
            tx.create(Account{k}, Position{}, Target{1});
        }
        tx.insert(entity, Account{2});
        REQUIRE(code_of(tx.commit()) == ErrorCode::AlreadyExists);
        // But for the upper levels of trees, which the next one needs too.
        CHECK(pool.used_bytes() < used + (std::size_t{64} << 10U));
    }
    CHECK(db.update(entity, Account{2}).wait());
}

TEST_CASE("at the memory limit every form is refused without a trace, until a view lets go", "[transaction][memory]") {
    for (const Form& form : forms) {
        CAPTURE(std::string{form.name});
        Options options = stepped();
        options.first_block_bytes = 16384;
        options.max_block_bytes = 65536;
        options.memory_limit = std::size_t{3} << 20U;
        World8 db = open_db(options);
        std::vector<Entity> entities;
        auto tx = db.begin();
        for (std::size_t i = 0; i < population; ++i) {
            entities.push_back(tx.create(Account{1}, Level{1}));
        }
        REQUIRE(tx.commit());
        // Whatever is written is kept by a view besides, until there is no more.
        std::vector<decltype(db.read())> views;
        for (Result<void> written; written;) {
            views.push_back(db.read());
            written = form.commit(db, entities);
        }
        CHECK(views.size() > 2);
        for (int refused = 0; refused < 3;) {
            views.push_back(db.read());
            const std::uint64_t hash = db.read().hash();
            const std::uint64_t counts = counts_of(db);
            const std::uint64_t version = db.version();
            if (const Result<void> result = form.commit(db, entities); !result) {
                REQUIRE(result.error().code() == ErrorCode::OutOfMemory);
                ++refused;
                if (db.version() == version) { // the operation queued before a column update may have had enough
                    REQUIRE(db.read().hash() == hash);
                    REQUIRE(counts_of(db) == counts);
                }
            }
        }
        views.clear();
        const std::uint64_t version = db.version();
        for (std::size_t i = 0; i < 100; ++i) {
            // The first one may still find what has not been looked at.
            REQUIRE((db.update(entities[i], Account{4}).wait() || db.update(entities[i], Account{4}).wait()));
        }
        CHECK(db.version() == version + 100);
        CHECK(db.get<Account>(entities[99]) == Account{4});
    }
}

TEST_CASE("at the memory limit what only removes still works, while everything else is refused", "[transaction][memory]") {
    Options options;
    options.own_thread = GENERATE(false, true);
    options.first_block_bytes = 16384;
    options.max_block_bytes = 65536;
    options.memory_limit = std::size_t{4} << 20U;
    World8 db = open_db(options);
    std::vector<Entity> entities;
    auto fill = db.begin();
    for (std::size_t i = 0; i < population; ++i) {
        entities.push_back(fill.create(Account{1}, Level{1}, Target{i}));
    }
    REQUIRE(fill.commit());
    // Every page is kept by a view, and the copies of it by the next.
    std::vector<decltype(db.read())> views;
    for (std::size_t refused = 0; refused < 20;) {
        views.push_back(db.read());
        const auto outcome = db.update<Account, Level>([](Account& account, Level&) { ++account.balance; });
        const auto created = db.execute([](auto& state) { return state.create(Wide{}); });
        refused += !outcome && !created;
    }
    REQUIRE(code_of(db.execute([](auto& state) { return state.create(Wide{}); })) == ErrorCode::OutOfMemory);
    const std::uint64_t first_hash = views[0].hash();
    for (std::size_t i = 0; i < 40; ++i) {
        CAPTURE(i);
        REQUIRE(db.destroy(entities[i]).wait());
        REQUIRE(db.remove<Target>(entities[100 + i]).wait());
        REQUIRE(db.remove<Level>(entities[200 + i]).wait());
        auto tx = db.begin();
        tx.destroy(entities[300 + i]).remove<Account>(entities[400 + i]);
        REQUIRE(tx.commit());
    }
    REQUIRE(db.where<Account, Target>()
                .matching([](Entity entity, const Account&, const Target&) { return entity.index() % 64 == 1; })
                .destroy());
    CHECK_FALSE(db.read().is_alive(entities[0]));
    CHECK(views[0].hash() == first_hash);
    CHECK(db.statistics().allocated_bytes <= options.memory_limit);
    views.clear();
    CHECK((db.execute([](auto& state) { return state.create(Wide{}); }) || db.execute([](auto& state) { return state.create(Wide{}); })));
}

TEST_CASE("with nobody looking, destroying at the limit makes room again", "[transaction][memory]") {
    Options options = stepped();
    options.first_block_bytes = 16384;
    options.max_block_bytes = 65536;
    options.memory_limit = std::size_t{2} << 20U;
    World8 db = open_db(options);
    std::vector<Entity> entities;
    for (Result<Entity> created = db.execute([](auto& state) { return state.create(Wide{}); }); created;
         created = db.execute([](auto& state) { return state.create(Wide{}); })) {
        entities.push_back(*created);
    }
    CHECK(entities.size() > 200);
    for (const Entity entity : entities) {
        REQUIRE(db.destroy(entity).wait());
    }
    CHECK(db.read().entity_count() == 0);
    std::size_t again = 0;
    while (again < entities.size() && db.execute([](auto& state) { return state.create(Wide{}); })) {
        ++again;
    }
    CHECK(again + 8 > entities.size());
}

} // namespace ecsdb::test::out_of_memory_test
