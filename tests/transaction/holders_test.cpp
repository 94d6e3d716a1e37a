#include "ecsdb/transaction/holders.hpp"

#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::holders_test {

TEST_CASE("a database tells who holds which version, since when, and at what price", "[transaction][holders]") {
    SimulatedClock clock;
    Options options;
    options.clock = &clock;
    options.own_thread = GENERATE(false, true);
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Wide{}); });
    REQUIRE(entity);
    auto held = db.read();
    held.set_name("replay");
    clock.advance(2'000'000'000);
    REQUIRE(db.update(*entity, Wide{}).wait());
    const auto newest = db.read();
    Result<std::vector<Holder>> holders = db.holders();
    REQUIRE(holders);
    REQUIRE(holders->size() == 2);
    CHECK((*holders)[0].version == 1);
    CHECK((*holders)[0].age_ns == 2'000'000'000);
    CHECK((*holders)[0].name == "replay");
    CHECK((*holders)[1].version == 2);
    CHECK((*holders)[1].name.empty());
    CHECK((*holders)[1].retained_bytes == 0);
    // Enough that the writer has looked who needs what has been retired.
    for (int i = 0; i < 40; ++i) {
        REQUIRE(db.update(*entity, Wide{}).wait());
    }
    holders = db.holders();
    REQUIRE(holders);
    CHECK((*holders)[0].retained_bytes >= sizeof(Wide));
    CHECK(db.statistics().retained_bytes >= (*holders)[0].retained_bytes);
    held = {};
    holders = db.holders();
    REQUIRE(holders);
    REQUIRE(holders->size() == 1);
    CHECK((*holders)[0].version == 2);
}

TEST_CASE("holders are told inside a function transaction, and after the end", "[transaction][holders]") {
    Options options;
    options.own_thread = GENERATE(false, true);
    World8 db = open_db(options);
    const auto held = db.read();
    const Result<std::size_t> inside = db.execute([&](auto&) -> Result<std::size_t> {
        Result<std::vector<Holder>> holders = db.holders();
        return holders ? Result<std::size_t>{holders->size()} : std::move(holders).error();
    });
    REQUIRE(inside);
    CHECK(*inside == 1);
    REQUIRE(db.close());
    const Result<std::vector<Holder>> afterwards = db.holders();
    REQUIRE(afterwards);
    CHECK(afterwards->size() == 1);
}

TEST_CASE("a column update holds a version under its own name while it computes", "[transaction][holders]") {
    World8 db = open_db();
    REQUIRE(db.execute([](auto& state) { return state.create(Account{1}); }));
    bool asked = false;
    std::string name;
    REQUIRE(db.update<Account>([&](Account&) {
        if (!std::exchange(asked, true)) {
            const Result<std::vector<Holder>> holders = db.holders();
            name = holders && holders->size() == 1 ? holders->front().name : "nobody";
        }
    }));
    CHECK(name == "column update");
}

TEST_CASE("an error about memory names the oldest holder, and what it keeps", "[transaction][holders]") {
    SimulatedClock clock;
    Options options;
    options.own_thread = false;
    options.clock = &clock;
    options.first_block_bytes = 16384;
    options.max_block_bytes = 65536;
    options.memory_limit = std::size_t{900} << 10U;
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Wide{}); });
    REQUIRE(entity);
    auto held = db.read();
    held.set_name("backup");
    clock.advance(5'000'000);
    std::vector<decltype(db.read())> newer;
    Result<void> result;
    while ((result = db.update(*entity, Wide{}).wait())) {
        newer.push_back(db.read());
        REQUIRE(newer.size() < 1000);
    }
    REQUIRE(result.error().code() == ErrorCode::OutOfMemory);
    const std::string message = result.error().message();
    CAPTURE(message);
    CHECK(message.find("`backup`, is of version 1, 5 ms old, and keeps ") != std::string::npos);
    const Result<std::vector<Holder>> holders = db.holders();
    REQUIRE(holders);
    REQUIRE(holders->size() == newer.size() + 1);
    CHECK(holders->front().retained_bytes >= sizeof(Wide));
    CHECK(message.find("keeps " + std::to_string(holders->front().retained_bytes) + " bytes") != std::string::npos);
    newer.clear();
    held = {};
    static_cast<void>(db.step());
    CHECK(db.update(*entity, Wide{}).wait());
    CHECK(db.statistics().retained_bytes == 0);
}

TEST_CASE("without a holder an error about memory blames nobody", "[transaction][holders]") {
    Options options = stepped();
    options.first_block_bytes = 16384;
    options.max_block_bytes = 65536;
    options.memory_limit = std::size_t{200} << 10U;
    World8 db = open_db(options);
    Result<Entity> entity = Entity{};
    while ((entity = db.execute([](auto& state) { return state.create(Wide{}); }))) {
    }
    REQUIRE(entity.error().code() == ErrorCode::OutOfMemory);
    CHECK(entity.error().message().find("oldest") == std::string::npos);
}

TEST_CASE("holders are told while threads read, write and name their views", "[transaction][holders][threads]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 2; ++t) {
            threads.emplace_back([&, t] {
                while (!stop) {
                    auto view = db.read();
                    if (t == 0) {
                        view.set_name("reader");
                    }
                    wrong += view.template get<Account>(*entity) == nullptr;
                }
            });
        }
        threads.emplace_back([&] {
            while (!stop) {
                wrong += !db.update(*entity, Account{1}).wait();
            }
        });
        for (int i = 0; i < 500; ++i) {
            const Result<std::vector<Holder>> holders = db.holders();
            wrong += !holders || holders->size() > 2;
            for (std::size_t k = 0; holders && k < holders->size(); ++k) {
                const Holder& holder = (*holders)[k];
                wrong += holder.version == 0 || holder.version > db.version() || !(holder.name.empty() || holder.name == "reader");
            }
        }
        stop = true;
    }
    CHECK(wrong == 0);
}

} // namespace ecsdb::test::holders_test
