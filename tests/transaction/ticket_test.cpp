#include "ecsdb/transaction/ticket.hpp"

#include "transaction/transaction_fixture.hpp"

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test {
namespace {

/// Holds the writer inside a function until released.
class Gate {
public:
    explicit Gate(World8& db)
        : thread_{[this, &db] {
              const Result<void> held = db.execute([this](auto&) {
                  entered_.test_and_set();
                  entered_.notify_all();
                  open_.wait(false);
              });
              failed_ = !held;
          }} {
        entered_.wait(false);
    }
    ~Gate() { open(); }
    void open() {
        open_.test_and_set();
        open_.notify_all();
        if (thread_.joinable()) {
            thread_.join();
            CHECK_FALSE(failed_);
        }
    }

private:
    std::atomic_flag entered_;
    std::atomic_flag open_;
    bool failed_ = false;
    std::jthread thread_;
};

} // namespace

TEST_CASE("a wait that times out leaves the outcome open", "[transaction][ticket]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{1}); });
    REQUIRE(entity);
    Gate gate{db};
    Ticket good = db.update(*entity, Account{2});
    Ticket bad = db.insert(*entity, Account{2});
    CHECK(good.is_submitted());
    CHECK_FALSE(good.is_done());
    CHECK(code_of(good.wait_for(0)) == ErrorCode::Timeout);
    CHECK(code_of(good.wait_for(200'000)) == ErrorCode::Timeout);
    CHECK(code_of(bad.wait_for(200'000)) == ErrorCode::Timeout);
    gate.open();
    CHECK(good.wait());
    CHECK(code_of(bad.wait()) == ErrorCode::AlreadyExists);
    CHECK(good.is_done());
    CHECK(db.get<Account>(*entity)->balance == 2);
}

TEST_CASE("a failure is told once; success as often as one likes", "[transaction][ticket]") {
    World8 db = open_db(stepped());
    Ticket good = db.destroy(Entity{5, 1, 0});
    Ticket bad = db.set(Entity{5, 1, 0}, Account{});
    CHECK(code_of(bad.wait()) == ErrorCode::NotFound);
    CHECK(code_of(bad.wait()) == success);
    CHECK(good.wait());
    CHECK(good.wait());
}

TEST_CASE("a full queue refuses at once where that is asked for, and names its limits", "[transaction][ticket]") {
    Options options = stepped();
    options.queue_transactions = 3;
    World8 db = open_db(options);
    auto first = db.begin();
    const Entity entity = first.create(Account{0});
    REQUIRE(first.commit());
    std::vector<Ticket> tickets;
    for (int i = 1; i <= 3; ++i) {
        auto tx = db.begin();
        tx.update(entity, Account{i});
        tickets.push_back(tx.try_submit());
        CHECK(tickets.back().is_submitted());
    }
    auto tx = db.begin();
    tx.update(entity, Account{99});
    Ticket refused = tx.try_submit();
    CHECK_FALSE(refused.is_submitted());
    CHECK(refused.is_done());
    const Result<void> reason = refused.wait();
    REQUIRE_FALSE(reason);
    CHECK(reason.error().code() == ErrorCode::QueueFull);
    CHECK(reason.error().message().find("3 transactions") != std::string::npos);
    CHECK(db.version() == 1);
    step_all(db);
    for (Ticket& ticket : tickets) {
        CHECK(ticket.wait());
    }
    CHECK(db.get<Account>(entity)->balance == 3);
    // There is room again.
    auto again = db.begin();
    again.update(entity, Account{100});
    CHECK(again.try_submit().wait());
}

TEST_CASE("bytes bound the queue as well", "[transaction][ticket]") {
    World8 db = open_db(stepped());
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    int queued = 0;
    for (;; ++queued) {
        auto tx = db.begin();
        for (int i = 0; i < 100; ++i) {
            tx.update(*entity, Account{i});
        }
        Ticket ticket = tx.try_submit();
        if (!ticket.is_submitted()) {
            CHECK(code_of(ticket.wait()) == ErrorCode::QueueFull);
            break;
        }
        REQUIRE(queued < 1000);
    }
    CHECK(queued > 50);
    step_all(db);
    CHECK(db.version() == std::uint64_t(queued) + 1);
}

TEST_CASE("submitting waits for room, and no longer than it was told to", "[transaction][ticket]") {
    Options options;
    options.queue_transactions = 2;
    options.submit_timeout_ns = 500'000'000; // generous: the machine may be busy
    World8 db = open_db(options);
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    {
        Gate gate{db};
        Ticket one = db.update(*entity, Account{1});
        Ticket two = db.update(*entity, Account{2});
        Ticket three = db.update(*entity, Account{3});
        CHECK(two.is_submitted());
        CHECK_FALSE(three.is_submitted());
        CHECK(code_of(three.wait()) == ErrorCode::QueueFull);
        auto tx = db.begin();
        tx.update(*entity, Account{4});
        CHECK(code_of(tx.post()) == ErrorCode::QueueFull);
    }
    // With nobody in the way ten thousand fit through a queue of two.
    for (int i = 0; i < 10'000; ++i) {
        REQUIRE(db.update(*entity, Account{i}).is_submitted());
    }
    CHECK(db.set(*entity, Account{-1}).wait());
    CHECK(db.get<Account>(*entity)->balance == -1);
}

TEST_CASE("what the oldest of very many failures was is forgotten, never made up", "[transaction][ticket]") {
    World8 db = open_db(stepped());
    Ticket first = db.set(Entity{5, 1, 0}, Account{});
    Ticket second = db.set(Entity{5, 1, 0}, Account{});
    std::vector<Ticket> last;
    for (int i = 0; i < 65536; ++i) {
        Ticket ticket = db.set(Entity{5, 1, 0}, Account{});
        if (i >= 65530) {
            last.push_back(std::move(ticket));
        }
        if (i % 1000 == 0) {
            step_all(db);
        }
    }
    step_all(db);
    CHECK(code_of(first.wait()) == ErrorCode::OutcomeUnknown);
    CHECK(code_of(second.wait()) == ErrorCode::OutcomeUnknown);
    for (Ticket& ticket : last) {
        CHECK(code_of(ticket.wait()) == ErrorCode::NotFound);
    }
    CHECK(db.destroy(Entity{5, 1, 0}).wait());
}

TEST_CASE("any thread may wait for a ticket", "[transaction][ticket][threads]") {
    World8 db = open_db();
    const Result<Entity> entity = db.execute([](auto& state) { return state.create(Account{0}); });
    REQUIRE(entity);
    std::atomic<int> failed{0};
    for (int i = 0; i < 200; ++i) {
        Ticket good = db.update(*entity, Account{i});
        Ticket bad = db.insert(*entity, Account{i});
        std::jthread waiter{[&, ticket = std::move(good)]() mutable { failed += !ticket.wait() || db.get<Account>(*entity)->balance < i; }};
        failed += code_of(bad.wait()) != ErrorCode::AlreadyExists;
    }
    CHECK(failed == 0);
}

} // namespace ecsdb::test
