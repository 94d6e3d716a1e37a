#include "ecsdb/transaction/await.hpp"

#include "transaction/transaction_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::await_test {
namespace {

/// The least a coroutine can return: it runs at once and frees itself at its end.
struct Detached {
    struct promise_type {
        Detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::abort(); }
    };
};

struct Told {
    std::vector<ErrorCode> codes;
    std::vector<std::thread::id> threads;
    std::atomic<std::size_t> count{0};

    void add(const Result<void>& outcome) {
        codes.push_back(code_of(outcome));
        threads.push_back(std::this_thread::get_id());
        ++count;
        count.notify_all();
    }
    void wait_for(std::size_t wanted) {
        for (std::size_t seen = count; seen < wanted; seen = count) {
            count.wait(seen);
        }
    }
};

Detached await_one(Ticket ticket, Told& told) {
    told.add(co_await std::move(ticket));
}

Detached transfer(World8& db, Entity from, Entity to, Told& told) {
    told.add(co_await db.update(from, Account{1}));
    told.add(co_await db.insert(to, Account{1})); // is there already
    auto tx = db.begin();
    tx.update(to, Account{2}).update(from, Account{0});
    told.add(co_await tx.submit());
}

template <typename Executor>
Detached await_on(Executor& executor, Ticket ticket, Told& told) {
    told.add(co_await resume_on(executor, std::move(ticket)));
}

} // namespace

TEST_CASE("a coroutine that waits when the database closes goes on with the outcome or Closed", "[transaction][await]") {
    World8 db = open_db(stepped());
    Told told;
    await_one(db.destroy({}), told);
    CHECK(told.codes.empty());
    CHECK(db.close());
    await_one(db.destroy({}), told);
    CHECK(told.codes == std::vector{success, ErrorCode::Closed});
}

TEST_CASE("a refused ticket, and one that is done, are awaited without a pause", "[transaction][await]") {
    World8 db = open_db(stepped());
    Told told;
    auto tx = db.begin();
    tx.insert_row({}, 99, {});
    await_one(tx.submit(), told);
    Ticket done = db.set(Entity{5, 1, 0}, Account{});
    step_all(db);
    await_one(std::move(done), told);
    CHECK(told.codes == std::vector{ErrorCode::InvalidArgument, ErrorCode::NotFound});
}

TEST_CASE("a coroutine that asks for a level nobody can give goes on with that", "[transaction][await]") {
    Told told;
    World8 db = open_db();
    const Entity entity = *db.execute([](auto& state) { return state.create(Account{1}); });
    await_one(db.update(entity, Account{2}).through(Durability::Synced), told);
    told.wait_for(1);
    CHECK(told.codes.at(0) == ErrorCode::InvalidArgument); // no log
    CHECK(db.get<Account>(entity)->balance == 2);
}

TEST_CASE("a coroutine goes from transaction to transaction, off the writer", "[transaction][await][threads]") {
    World8 db = open_db();
    auto tx = db.begin();
    const Entity from = tx.create(Account{3});
    const Entity to = tx.create(Account{0});
    REQUIRE(tx.commit());
    Told told;
    {
        const Gate gate{db}; // nothing is done yet: the first await has to pause
        transfer(db, from, to, told);
        CHECK(told.count == 0);
    }
    told.wait_for(3);
    CHECK(told.codes == std::vector{success, ErrorCode::AlreadyExists, success});
    CHECK(told.threads[0] != std::this_thread::get_id());
    CHECK(db.get<Account>(to)->balance == 2);
}

TEST_CASE("a coroutine goes on where its executor says, also when there was nothing to wait for", "[transaction][await][threads]") {
    World8 db = open_db();
    std::mutex mutex;
    std::vector<std::function<void()>> tasks;
    std::atomic<int> queued{0};
    const auto executor = [&](std::function<void()> task) {
        const std::lock_guard lock{mutex};
        tasks.push_back(std::move(task));
        ++queued;
        queued.notify_all();
    };
    Told told;
    Ticket done = db.destroy({});
    REQUIRE(done.wait());
    await_on(executor, std::move(done), told);
    await_on(executor, db.set(Entity{5, 1, 0}, Account{}), told);
    for (int seen = queued; seen < 2; seen = queued) {
        queued.wait(seen);
    }
    const std::lock_guard lock{mutex};
    CHECK(told.codes.empty());
    for (const auto& task : tasks) {
        task();
    }
    CHECK(told.threads == std::vector{std::this_thread::get_id(), std::this_thread::get_id()});
    CHECK((told.codes[0] == success) != (told.codes[1] == success));
}

TEST_CASE("a thousand coroutines wait at once", "[transaction][await][threads]") {
    World8 db = open_db();
    Told told;
    {
        const Gate gate{db};
        for (int i = 0; i < 1000; ++i) {
            await_one(db.destroy({}), told);
        }
        CHECK(told.count == 0);
    }
    told.wait_for(1000);
    CHECK(std::count(told.codes.begin(), told.codes.end(), success) == 1000);
}

} // namespace ecsdb::test::await_test
