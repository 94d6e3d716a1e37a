#include "ecsdb/transaction/column_update.hpp"

#include "transaction/random_program.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace ecsdb::test::column_update_test {
namespace {

/// A stepped database with deltas and a replica that must follow, and accounts with levels: pages of 256 rows, the account's own as well.
struct Scene {
    Recorder recorder;
    World8 db;
    Replica replica;
    std::vector<Entity> entities;

    explicit Scene(std::uint32_t rows, const Options& options = stepped()) : db{open_db(options)}, replica{db.schema()} {
        db.engine().pipeline().writer().join(recorder);
        auto tx = db.begin();
        for (std::uint32_t i = 0; i < rows; ++i) {
            entities.push_back(tx.create(Account{i}, Level{static_cast<std::uint8_t>(i)}));
        }
        REQUIRE(tx.commit());
    }

    /// The update under test; what is queued runs between its computation and its commit.
    void update() {
        REQUIRE(db.update<Account, const Level>(
            [](Account& account, const Level& level) { account.balance = account.balance * 2 + level.number; }));
    }
    void check_replica() {
        for (const Recorder::Step& step : recorder.steps) {
            CAPTURE(step.version);
            const Result<bool> applied = replica.apply(step.delta);
            if (!applied) {
                FAIL(applied.error().to_string());
            }
            if (*applied) {
                REQUIRE(replica.hash() == step.hash);
                REQUIRE(replica.counts() == step.counts);
            }
        }
    }
    std::int64_t balance(Entity entity) { return db.get<Account>(entity)->balance; }
};

} // namespace

TEST_CASE("a column update changes each row once, and only where all components are", "[transaction][column_update]") {
    Scene scene{1000};
    auto tx = scene.db.begin();
    const Entity poor = tx.create(Level{9});
    const Entity plain = tx.create(Account{9});
    const Entity tagged = tx.create(Account{1}, Level{2}, Visible{}, Position{});
    REQUIRE(tx.commit());
    const auto before = scene.db.read();
    scene.update();
    for (std::uint32_t i = 0; i < 1000; ++i) {
        REQUIRE(scene.balance(scene.entities[i]) == i * 2 + static_cast<std::uint8_t>(i));
        REQUIRE(before.get<Account>(scene.entities[i])->balance == i); // the older view stands
    }
    CHECK(scene.balance(plain) == 9);
    CHECK(scene.balance(tagged) == 4);
    CHECK_FALSE(scene.db.get<Account>(poor));
    CHECK(scene.db.version() == 3);
    CHECK(scene.db.read().entity_version(tagged) == 1U); // not counted
    scene.check_replica();
}

TEST_CASE("a column update of nothing is a version without a change", "[transaction][column_update]") {
    World8 db = open_db(stepped());
    const std::uint64_t before = db.read().hash();
    REQUIRE(db.update<Position, const Velocity>([](Position&, const Velocity&) { FAIL("there is no row"); }));
    CHECK(db.version() == 1);
    CHECK(db.read().hash() == before);
}

TEST_CASE("a sparse component has no column to update", "[transaction][column_update]") {
    World8 db = open_db(stepped());
    CHECK(code_of(db.update<Account, const Target>([](Account&, const Target&) {})) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.update<Target>([](Target&) {})) == ErrorCode::InvalidArgument);
    CHECK(code_of(db.update<Account, const Burning>([](Account&, const Burning&) {})) == ErrorCode::InvalidArgument);
}

TEST_CASE("rows that change between computation and commit are computed again", "[transaction][column_update]") {
    Scene scene{1000};
    auto& db = scene.db;
    std::vector<Ticket> tickets;
    tickets.push_back(db.update(scene.entities[300], Account{5000}));
    tickets.push_back(db.update(scene.entities[999], Level{100}));
    scene.update();
    CHECK(scene.balance(scene.entities[300]) == 10000 + 44);
    CHECK(scene.balance(scene.entities[999]) == 1998 + 100);
    CHECK(scene.balance(scene.entities[301]) == 602 + 45);
    CHECK(scene.balance(scene.entities[0]) == 0);
    scene.check_replica();
}

TEST_CASE("rows and archetypes that appear between computation and commit are computed too", "[transaction][column_update]") {
    Scene scene{300};
    auto& db = scene.db;
    auto tx = db.begin();
    std::vector<Entity> late;
    for (int i = 0; i < 700; ++i) {
        late.push_back(tx.create(Account{7}, Level{1}));
    }
    const Entity stranger = tx.create(Account{7}, Level{1}, Position{}, Visible{});
    tx.insert(scene.entities[5], Velocity{});
    tx.remove<Level>(scene.entities[6]);
    Ticket ticket = tx.submit();
    scene.update();
    CHECK(ticket.wait());
    for (const Entity entity : late) {
        REQUIRE(scene.balance(entity) == 15);
    }
    CHECK(scene.balance(stranger) == 15);
    CHECK(scene.balance(scene.entities[5]) == 15);
    CHECK(scene.balance(scene.entities[6]) == 6);
    CHECK(scene.balance(scene.entities[299]) == 598 + 43);
    scene.check_replica();
}

TEST_CASE("entities that die between computation and commit are neither computed nor told", "[transaction][column_update]") {
    const auto survivors = GENERATE(0U, 1U, 255U, 256U, 512U, 700U, 4096U);
    const bool from_the_end = GENERATE(true, false);
    CAPTURE(survivors, from_the_end);
    Scene scene{5000};
    auto& db = scene.db;
    auto tx = db.begin();
    // From the end, no other row moves: all pages that are left are those that were computed.
    for (std::size_t i = 0; i < 5000 - survivors; ++i) {
        tx.destroy(from_the_end ? scene.entities[4999 - i] : scene.entities[i]);
    }
    Ticket ticket = tx.submit();
    scene.update();
    CHECK(ticket.wait());
    const auto view = db.read();
    CHECK(view.entity_count() == survivors);
    for (std::size_t i = 0; i < survivors; ++i) {
        const std::size_t k = from_the_end ? i : 4999 - i;
        REQUIRE(view.get<Account>(scene.entities[k])->balance == std::int64_t(k * 2 + static_cast<std::uint8_t>(k)));
    }
    scene.check_replica();
}

TEST_CASE("an update replaces pages that were already replaced in the same batch", "[transaction][column_update]") {
    Scene scene{600};
    auto& db = scene.db;
    std::vector<Ticket> tickets;
    for (std::uint32_t i = 0; i < 600; i += 37) {
        tickets.push_back(db.update(scene.entities[i], Account{1}));
    }
    scene.update();
    scene.update();
    for (std::uint32_t i = 0; i < 600; ++i) {
        const std::int64_t level = static_cast<std::uint8_t>(i);
        const std::int64_t start = i % 37 == 0 ? 1 : i;
        REQUIRE(scene.balance(scene.entities[i]) == start * 4 + level * 3);
    }
    scene.check_replica();
}

TEST_CASE("written and read columns may be named in any order, with pages of any size", "[transaction][column_update]") {
    Recorder recorder;
    World8 db = open_db(stepped());
    db.engine().pipeline().writer().join(recorder);
    auto tx = db.begin();
    std::vector<Entity> entities;
    Wide wide{};
    for (std::uint32_t i = 0; i < 700; ++i) {
        wide.words[1199] = i;
        entities.push_back(i % 2 == 0 ? tx.create(wide, Level{3}, Account{i}, Position{float(i), 0, 0})
                                      : tx.create(Visible{}, Position{float(i), 0, 0}, Account{i}, Level{4}, wide));
    }
    REQUIRE(tx.commit());
    const bool disturbed = GENERATE(false, true);
    Ticket ticket;
    if (disturbed) {
        ticket = db.update(entities[400], Account{-1});
    }
    REQUIRE(db.update<Level, Wide, const Position, Account>([](Level& l, Wide& w, const Position& p, Account& a) {
        w.words[0] += static_cast<std::uint32_t>(p.x) + l.number;
        a.balance -= w.words[1199];
        l.number = static_cast<std::uint8_t>(l.number + 1);
    }));
    const auto view = db.read();
    std::uint64_t rows = 0;
    for (std::uint32_t i = 0; i < 700; ++i) {
        const auto [w, l, a] = view.get<Wide, Level, Account>(entities[i]);
        const std::uint32_t level = i % 2 == 0 ? 3 : 4;
        REQUIRE(w->words[0] == i + level);
        REQUIRE(w->words[1199] == i);
        REQUIRE(l->number == level + 1);
        REQUIRE(a->balance == (disturbed && i == 400 ? -1 - 400 : 0));
        ++rows;
    }
    CHECK(rows == 700);
    Replica replica{db.schema()};
    for (const Recorder::Step& step : recorder.steps) {
        REQUIRE(replica.apply(step.delta).value_or(false));
        REQUIRE(replica.hash() == step.hash);
    }
}

TEST_CASE("several columns are written right where their pages differ in size and the last is not full", "[transaction][column_update]") {
    // Positions come 128 to a page, accounts 256: the second half of an account page starts in the middle of it.
    const std::uint32_t rows = GENERATE(1U, 127U, 128U, 129U, 200U, 255U, 256U, 257U, 390U, 511U);
    CAPTURE(rows);
    Scene scene{rows};
    auto tx = scene.db.begin();
    for (const Entity entity : scene.entities) {
        tx.insert(entity, Position{1, 2, 3});
    }
    REQUIRE(tx.commit());
    REQUIRE(scene.db.update<Position, Account, Level>([](Position& position, Account& account, Level& level) {
        position.x = static_cast<float>(account.balance);
        account.balance += level.number;
        level.number = 1;
    }));
    const auto view = scene.db.read();
    std::uint32_t wrong = 0;
    for (std::uint32_t i = 0; i < rows; ++i) {
        const Entity entity = scene.entities[i];
        wrong += *view.get<Position>(entity) != Position{static_cast<float>(i), 2, 3};
        wrong += view.get<Account>(entity)->balance != i + i % 256;
        wrong += view.get<Level>(entity)->number != 1;
    }
    CHECK(wrong == 0);
    scene.check_replica();
}

TEST_CASE("a tag narrows an update down and is never written", "[transaction][column_update]") {
    Recorder recorder;
    World8 db = open_db(stepped());
    db.engine().pipeline().writer().join(recorder);
    auto tx = db.begin();
    std::vector<Entity> entities;
    for (std::uint32_t i = 0; i < 600; ++i) {
        entities.push_back(i % 3 == 0 ? tx.create(Account{0}, Visible{}) : tx.create(Account{0}));
    }
    REQUIRE(tx.commit());
    REQUIRE(db.update<Account, const Visible>([](Account& account, const Visible&) { ++account.balance; }));
    REQUIRE(db.update<Visible, Account>([](Visible&, Account& account) { ++account.balance; }));
    for (std::uint32_t i = 0; i < 600; ++i) {
        REQUIRE(db.get<Account>(entities[i])->balance == (i % 3 == 0 ? 2 : 0));
    }
    Replica replica{db.schema()};
    for (const Recorder::Step& step : recorder.steps) {
        REQUIRE(replica.apply(step.delta).value_or(false));
        REQUIRE(replica.hash() == step.hash);
    }
}

TEST_CASE("a thousand small archetypes are updated, and their rows stay writable", "[transaction][column_update]") {
    // Ten tags give 1,024 sets of components.
    std::vector<Table> tables;
    Table value;
    value.name = "Value";
    Field field;
    field.name = "number";
    field.type = FieldType::U64;
    value.fields.push_back(field);
    tables.push_back(value);
    for (int i = 0; i < 10; ++i) {
        Table tag;
        tag.name = "Tag" + std::to_string(i);
        tables.push_back(tag);
    }
    Result<Schema> schema = finish_schema(Schema{"many", "1", std::move(tables), {}, {}});
    REQUIRE(schema);
    Result<Database<>> opened = Database<>::open(stepped(), std::move(*schema));
    REQUIRE(opened);
    Database<>& db = *opened;
    auto tx = db.begin();
    std::vector<Entity> entities;
    for (std::uint64_t set = 0; set < 1024; ++set) {
        for (int i = 0; i < 3; ++i) {
            const Entity entity = tx.create();
            entities.push_back(entity);
            tx.insert_row(entity, 0, std::as_bytes(std::span{&set, 1}));
            for (TableId tag = 0; tag < 10; ++tag) {
                if ((set >> tag & 1U) != 0) {
                    tx.insert_row(entity, static_cast<TableId>(tag + 1), {});
                }
            }
        }
    }
    REQUIRE(tx.commit());
    CHECK(db.statistics().archetypes >= 1024);
    // Untyped, so through the pieces themselves.
    transaction::Pipeline& pipeline = db.engine().pipeline();
    transaction::UpdateTables which;
    which.ids[0] = 0;
    which.written = which.count = 1;
    transaction::UpdateScratch* const scratch = pipeline.take_scratch();
    REQUIRE(scratch != nullptr);
    {
        transaction::ColumnUpdate update{storage::PinnedRoot{pipeline.store()}, which,
                                         [](void*, const std::byte* const* in, std::byte* const* out, std::uint32_t rows) {
                                             for (std::uint32_t i = 0; i < rows; ++i) {
                                                 store_le<std::uint64_t>(out[0] + i * 8, load_le<std::uint64_t>(in[0] + i * 8) + 1);
                                             }
                                         },
                                         nullptr, *scratch};
        REQUIRE(update.compute(false, pipeline.help_desk()));
        auto sequence = pipeline.submit_task(*pipeline.this_thread_producer(), update, transaction::CommandHeader::wants_error);
        REQUIRE(sequence);
        REQUIRE(pipeline.wait(*pipeline.this_thread_producer(), *sequence, no_timeout));
    }
    pipeline.give_scratch(scratch);
    const auto view = db.read();
    for (std::size_t i = 0; i < entities.size(); ++i) {
        REQUIRE(load_le<std::uint64_t>(view.find_row(entities[i], 0)) == i / 3 + 1);
    }
    auto more = db.begin();
    for (const Entity entity : entities) {
        more.destroy(entity);
    }
    REQUIRE(more.commit());
    CHECK(db.read().entity_count() == 0);
}

TEST_CASE("an update that fails gives its pages back and leaves no trace", "[transaction][column_update]") {
    CountingAllocator allocator;
    {
        Options options = stepped();
        options.allocator = &allocator;
        options.first_block_bytes = 4096;
        options.max_block_bytes = 16384;
        Scene scene{2000, options};
        const std::uint64_t before = scene.db.read().hash();
        std::uint64_t refusals = 0;
        for (std::uint64_t allowed = 0; allowed < 400; ++allowed) {
            Ticket ticket = scene.db.set(scene.entities[allowed], Account{std::int64_t(allowed)}); // as before: forces a recomputation
            allocator.refuse_from = allocator.calls + allowed;
            const Result<void> updated = scene.db.update<Account, Level>([](Account& account, Level& level) {
                account.balance += 1;
                level.number = static_cast<std::uint8_t>(level.number + 1);
            });
            allocator.refuse_from = CountingAllocator::never;
            if (updated) {
                break;
            }
            ++refusals;
            REQUIRE(updated.error().code() == ErrorCode::OutOfMemory);
            REQUIRE(scene.db.read().hash() == before);
        }
        CHECK(refusals > 0);
        CHECK(scene.balance(scene.entities[1999]) == 2000);
        scene.check_replica();
    }
    CHECK(allocator.mismatches == 0);
}

TEST_CASE("random changes beside column updates give the same as one after the other", "[transaction][column_update]") {
    const auto seed = GENERATE(range(1, 5));
    CAPTURE(seed);
    Scene scene{2000};
    auto& db = scene.db;
    std::mt19937_64 random{static_cast<std::uint64_t>(seed)};
    std::map<Entity, std::pair<std::int64_t, int>> model; // balance and level, -1 for none
    for (std::uint32_t i = 0; i < 2000; ++i) {
        model[scene.entities[i]] = {i, static_cast<std::uint8_t>(i)};
    }
    for (int round = 0; round < 40; ++round) {
        for (std::uint64_t left = random() % 12; left != 0; --left) {
            auto chosen = model.begin();
            std::advance(chosen, static_cast<std::ptrdiff_t>(random() % model.size()));
            auto tx = db.begin();
            switch (random() % 5) {
            case 0:
                tx.set(chosen->first, Account{round});
                chosen->second.first = round;
                break;
            case 1:
                tx.remove<Level>(chosen->first);
                chosen->second.second = -1;
                break;
            case 2:
                tx.set(chosen->first, Level{static_cast<std::uint8_t>(round)});
                chosen->second.second = round;
                break;
            case 3:
                tx.destroy(chosen->first);
                model.erase(chosen);
                break;
            default:
                for (int i = 0; i < 30; ++i) {
                    model[tx.create(Level{2}, Account{i})] = {i, 2};
                }
            }
            REQUIRE(tx.post());
        }
        scene.update();
        for (auto& [entity, values] : model) {
            values.first =
                values.second < 0
                    ? values.first
                    : static_cast<std::int64_t>(static_cast<std::uint64_t>(values.first) * 2 + static_cast<std::uint64_t>(values.second));
        }
        const auto view = db.read();
        REQUIRE(view.entity_count() == model.size());
        for (const auto& [entity, values] : model) {
            REQUIRE(view.get<Account>(entity)->balance == values.first);
        }
    }
    scene.check_replica();
}

TEST_CASE("updates of several threads and single writers lose nothing", "[transaction][column_update][threads]") {
    World8 db = open_db();
    constexpr int rows = 3000;
    constexpr int rounds = 15;
    std::vector<Entity> entities;
    {
        auto tx = db.begin();
        for (int i = 0; i < rows; ++i) {
            entities.push_back(tx.create(Account{0}, Level{1}, Position{}));
        }
        REQUIRE(tx.commit());
    }
    std::atomic<int> failed{0};
    const auto updater = [&] {
        for (int i = 0; i < rounds; ++i) {
            failed += !db.update<Account, const Level>([](Account& account, const Level& level) { account.balance += level.number; });
        }
    };
    const auto single = [&] {
        for (int i = 0; i < 3000; ++i) {
            // Moves rows about, changes what nobody counts, and makes both sides meet on the same pages.
            const Entity entity = entities[static_cast<std::size_t>(i * 7 % rows)];
            failed += !(i % 2 == 0 ? db.set(entity, Visible{}) : db.remove<Visible>(entities[static_cast<std::size_t>((i - 1) * 7 % rows)]))
                           .wait();
            failed += !db.update(entity, Position{1, 2, 3}).wait();
        }
    };
    {
        std::jthread a{updater};
        std::jthread b{updater};
        std::jthread c{single};
        // Readers see every update whole: all balances are equal in every version.
        int seen = 0;
        while (seen < 2 * rounds) {
            const auto view = db.read();
            std::int64_t least = 1000;
            std::int64_t most = -1;
            view.each<Account>([&](const Account& account) {
                least = std::min(least, account.balance);
                most = std::max(most, account.balance);
            });
            failed += least != most;
            seen = int(least);
        }
    }
    CHECK(failed == 0);
    const auto view = db.read();
    for (const Entity entity : entities) {
        REQUIRE(view.get<Account>(entity)->balance == 2 * rounds);
    }
}

TEST_CASE("transfers and updates together conserve the sum", "[transaction][column_update][threads]") {
    World8 db = open_db();
    constexpr int rows = 512;
    std::vector<Entity> entities;
    {
        auto tx = db.begin();
        for (int i = 0; i < rows; ++i) {
            entities.push_back(tx.create(Account{1000}));
        }
        REQUIRE(tx.commit());
    }
    std::atomic<int> failed{0};
    std::atomic<bool> done{false};
    const auto transfer = [&](std::uint64_t seed) {
        std::mt19937_64 random{seed};
        for (int i = 0; i < 400; ++i) {
            const Entity from = entities[random() % rows];
            const Entity to = entities[random() % rows];
            const Result<void> moved = db.execute([&](World8::WriteState& state) -> Result<void> {
                const Account one = *state.get<Account>(from);
                if (auto taken = state.update(from, Account{one.balance - 10}); !taken) {
                    return taken;
                }
                return state.update(to, Account{state.get<Account>(to)->balance + 10});
            });
            failed += !moved;
        }
    };
    std::jthread reader{[&] {
        while (!done.load()) {
            std::int64_t sum = 0;
            const auto view = db.read();
            view.each<Account>([&](const Account& account) { sum += account.balance; });
            // Every update turns all signs: a version with some of them turned would have another sum.
            failed += sum != 1000 * rows && sum != -1000 * rows;
        }
    }};
    {
        std::jthread a{transfer, 1};
        std::jthread b{transfer, 2};
        for (int i = 0; i < 20; ++i) {
            failed += !db.update<Account>([](Account& account) { account.balance = -account.balance; });
            failed += !db.update<Account>([](Account& account) { account.balance = -account.balance; });
        }
    }
    done = true;
    reader.join();
    CHECK(failed == 0);
    std::int64_t sum = 0;
    db.read().each<Account>([&](const Account& account) { sum += account.balance; });
    CHECK(sum == 1000 * rows);
}

TEST_CASE("an idle writer computes a part of a large update, and every row is changed once", "[transaction][column_update]") {
    constexpr std::uint32_t rows = 150'000;
    World8 db = open_db({});
    REQUIRE(db.execute([&](auto& state) {
        std::vector<Account> accounts(rows);
        std::vector<Level> levels(rows);
        for (std::uint32_t i = 0; i < rows; ++i) {
            accounts[i].balance = i;
            levels[i].number = static_cast<std::uint8_t>(i);
        }
        return state.create_many(rows, std::span<const Account>{accounts}, std::span<const Level>{levels});
    }));
    // Another writer changes single rows meanwhile: what it touches is computed again, nothing is lost.
    std::atomic<bool> stop{false};
    std::vector<Entity> entities;
    db.read().each<const Account>([&](Entity entity, const Account&) { entities.push_back(entity); });
    const Entity counted = entities[77'777];
    std::thread other{[&] {
        while (!stop) {
            static_cast<void>(db.execute([&](auto& state) {
                Account account = *state.template get<Account>(counted);
                account.balance += 1'000'000'000;
                return state.update(counted, account);
            }));
        }
    }};
    constexpr std::int64_t updates = 60;
    for (std::int64_t i = 0; i < updates; ++i) {
        REQUIRE(db.update<Account, const Level>([](Account& account, const Level& level) { account.balance += level.number + 1; }));
    }
    stop = true;
    other.join();
    std::uint64_t wrong = 0;
    const auto view = db.read();
    for (std::uint32_t i = 0; i < rows; ++i) {
        const std::int64_t balance = view.get<Account>(entities[i])->balance;
        const std::int64_t expected = static_cast<std::int64_t>(i) + updates * (static_cast<std::uint8_t>(i) + 1);
        wrong += (entities[i] == counted ? balance % 1'000'000'000 : balance) != expected;
    }
    CHECK(wrong == 0);
    CHECK(view.get<Account>(counted)->balance >= 1'000'000'000);
    CHECK(db.statistics().allocated_bytes < 64U << 20U); // a helper does not make the pool grow
}

#if ECSDB_EXCEPTIONS
TEST_CASE("an update whose function throws changes nothing and gives its pages back", "[transaction][column_update]") {
    Scene scene{3000};
    const std::uint64_t before = scene.db.read().hash();
    std::size_t held = 0;
    for (int round = 0; round < 50; ++round) {
        int rows = 0;
        const Result<void> updated = scene.db.update<Account, Level>([&](Account& account, Level&) {
            account.balance = -1;
            if (++rows > 40 * round) {
                throw std::runtime_error{"no more gold"};
            }
        });
        REQUIRE(code_of(updated) == ErrorCode::Aborted);
        CHECK(updated.error().message() == "the column update threw: no more gold");
        CHECK(scene.db.read().hash() == before);
        held = round == 0 ? scene.db.statistics().allocated_bytes : held;
    }
    CHECK(scene.db.statistics().allocated_bytes == held);
    CHECK(code_of(scene.db.update<Account>([](Account&) { throw 5; })) == ErrorCode::Aborted);
    CHECK(scene.db.version() == 1);
    scene.update();
    CHECK(scene.balance(scene.entities[2999]) == 2999 * 2 + static_cast<std::uint8_t>(2999));
    scene.check_replica();
}

TEST_CASE("an update whose function throws on the writer leaves what came before it, and no more", "[transaction][column_update]") {
    Scene scene{3000};
    // Seen only by the recomputation: the caller's view is older.
    Ticket ticket = scene.db.update(scene.entities[2900], Account{5'000'000});
    const Result<void> updated = scene.db.update<Account, const Level>([](Account& account, const Level&) {
        if (account.balance == 5'000'000) {
            throw std::runtime_error{"too rich"};
        }
        account.balance = -1;
    });
    CHECK(code_of(updated) == ErrorCode::Aborted);
    CHECK(updated.error().message().find("the column update threw: too rich") != std::string::npos);
    CHECK(ticket.wait());
    CHECK(scene.db.version() == 2);
    for (std::uint32_t i = 0; i < 3000; ++i) {
        REQUIRE(scene.balance(scene.entities[i]) == (i == 2900 ? 5'000'000 : i));
    }
    scene.update();
    CHECK(scene.balance(scene.entities[2900]) == 10'000'000 + static_cast<std::uint8_t>(2900));
    scene.check_replica();
}

TEST_CASE("an update whose function throws at the helper fails like any other", "[transaction][column_update][threads]") {
    Scene scene{70'000}; // enough pieces to share
    const std::size_t held = scene.db.statistics().used_bytes;
    transaction::Pipeline& pipeline = scene.db.engine().pipeline();
    transaction::UpdateTables which;
    which.ids[0] = 2;
    which.written = which.count = 1;
    struct Shared {
        std::thread::id owner = std::this_thread::get_id();
        std::atomic<bool> thrown{false};
    } shared;
    transaction::HelpDesk desk;
    transaction::UpdateScratch* const scratch = pipeline.take_scratch();
    REQUIRE(scratch != nullptr);
    {
        transaction::ColumnUpdate update{storage::PinnedRoot{pipeline.store()}, which,
                                         [](void* context, const std::byte* const*, std::byte* const*, std::uint32_t) {
                                             auto& both = *static_cast<Shared*>(context);
                                             if (std::this_thread::get_id() != both.owner) {
                                                 both.thrown = true;
                                                 both.thrown.notify_all();
                                                 throw std::runtime_error{"not here"};
                                             }
                                             both.thrown.wait(false);
                                         },
                                         &shared, *scratch};
        const transaction::SharedWork::IsNeeded never{[](const void*) { return false; }, nullptr};
        std::jthread helper{[&] {
            while (!desk.help(never)) {
                std::this_thread::yield();
            }
        }};
        const Result<void> computed = update.compute(true, desk);
        CHECK(code_of(computed) == ErrorCode::Aborted);
        CHECK(computed.error().message() == "the column update threw: not here");
    }
    pipeline.give_scratch(scratch);
    CHECK(scene.db.statistics().used_bytes == held);
    scene.update(); // the scratch is fit for the next one
    scene.check_replica();
}

#endif

/// A bool among fields of any bytes.
struct Lamp {
    std::uint32_t brightness;
    bool lit;
};
ECSDB_COMPONENT(Lamp, brightness, lit);

TEST_CASE("an update by bytes may not leave a bool that is none", "[transaction][column_update]") {
    auto db = open_db<Database<Lamp>>(stepped());
    Entity last;
    for (std::uint32_t i = 0; i < 600; ++i) {
        auto tx = db.begin();
        last = tx.create(Lamp{i, false});
        REQUIRE(tx.commit());
    }
    const std::array<TableId, 1> written{0};
    const auto update = [&](int byte, std::uint32_t at) {
        return db.update_columns(written, {}, [=](std::byte* const* rows, const std::byte* const*) {
            auto& lamp = *reinterpret_cast<Lamp*>(rows[0]);
            if (lamp.brightness == at) {
                rows[0][offsetof(Lamp, lit)] = static_cast<std::byte>(byte);
            }
        });
    };
    const std::uint64_t before = db.read().hash();
    for (const std::uint32_t at : {0U, 300U, 599U}) {
        const Result<void> updated = update(2, at);
        CHECK(code_of(updated) == ErrorCode::Aborted);
        CHECK(updated.error().message() == "column update: table `Lamp`, field `lit` is neither false (0) nor true (1)");
        CHECK(db.read().hash() == before);
    }
    CHECK(update(1, 599));
    CHECK(db.get<Lamp>(last)->lit);
}

} // namespace ecsdb::test::column_update_test
