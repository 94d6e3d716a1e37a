// After warm-up a commit takes no memory: not from the database's allocator, not from `new`, and not from malloc.

#include "simulation/program.hpp"
#include "transaction/transaction_fixture.hpp"

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ECSDB_TEST_OWN_NEW 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ECSDB_TEST_OWN_NEW 0
#endif
#endif
#if !defined(ECSDB_TEST_OWN_NEW)
#define ECSDB_TEST_OWN_NEW 1
#endif

namespace {
std::atomic<std::uint64_t> news{0};
}

#if ECSDB_TEST_OWN_NEW
void* operator new(std::size_t bytes) {
    news.fetch_add(1, std::memory_order_relaxed);
    void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
    if (memory == nullptr) {
        std::abort();
    }
    return memory;
}
void* operator new[](std::size_t bytes) {
    return operator new(bytes);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
#endif

namespace ecsdb::test::allocation_test {
namespace {

class CallCounter final : public Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        calls.fetch_add(1, std::memory_order_relaxed);
        return system_.allocate(bytes, alignment);
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        system_.deallocate(memory, bytes, alignment);
    }
    std::atomic<std::uint64_t> calls{0};

private:
    SystemAllocator system_;
};

struct Usage {
    std::uint64_t calls;
    std::uint64_t news;
    std::size_t heap;
};

/// `work(i)` for 3000 i without a single allocation, after as many with.
template <typename Work>
void check_that_takes_nothing(const CallCounter& allocator, Work&& work) {
    const auto usage = [&] { return Usage{allocator.calls.load(), news.load(), ECSDB_TEST_OWN_NEW != 0 ? ::mallinfo2().uordblks : 0}; };
    for (std::size_t i = 0; i < 3000; ++i) {
        work(i);
    }
    const Usage before = usage();
    for (std::size_t i = 0; i < 3000; ++i) {
        work(i);
    }
    const Usage after = usage();
    CHECK(after.calls == before.calls);
    CHECK(after.news == before.news);
    CHECK(after.heap == before.heap);
}

/// A database that is warmed up, and what a kind of work takes afterwards.
class Scene {
public:
    class Quiet final : public transaction::Participant {
    public:
        [[nodiscard]] bool wants_changes() const noexcept override { return true; }
        void accepted(const transaction::Accepted& transaction) noexcept override { bytes += transaction.delta.size(); }
        std::size_t bytes = 0;
    };

    explicit Scene(bool records, bool own_thread) {
        Options options;
        options.allocator = &allocator_;
        options.own_thread = own_thread;
        if (records) {
            REQUIRE_FALSE(own_thread); // joining is for before the first step
        }
        db = std::make_unique<World8>(open_db(options));
        if (records) {
            db->engine().pipeline().writer().join(quiet_);
        }
        auto tx = db->begin();
        for (int i = 0; i < 5000; ++i) {
            entities.push_back(tx.create(Account{i}, Level{1}, Position{}));
        }
        REQUIRE(tx.commit());
    }

    template <typename Work>
    void check(Work&& work) {
        check_that_takes_nothing(allocator_, work);
    }

private:
    // Both outlive the database.
    CallCounter allocator_;
    Quiet quiet_;

public:
    std::unique_ptr<World8> db;
    std::vector<Entity> entities;
};

} // namespace

TEST_CASE("a commit of any form takes no memory after warm-up", "[transaction][allocation]") {
    const bool records = GENERATE(false, true);
    CAPTURE(records);
    Scene scene{records, false};
    World8& db = *scene.db;
    const auto entity = [&](std::size_t i) { return scene.entities[i * 7919 % scene.entities.size()]; };
    std::uint64_t failed = 0;
    SECTION("single operations") {
        scene.check([&](std::size_t i) { failed += !db.update(entity(i), Account{std::int64_t(i)}).wait(); });
    }
    SECTION("command transactions") {
        scene.check([&](std::size_t i) {
            auto tx = db.begin();
            tx.update(entity(i), Account{std::int64_t(i)})
                .update(entity(i + 1), &Position::y, 1.0F)
                .set(entity(i), Visible{})
                .remove<Visible>(entity(i));
            failed += !tx.commit();
        });
    }
    SECTION("commands too large for the ring") {
        scene.check([&](std::size_t i) {
            auto tx = db.begin();
            for (std::size_t k = 0; k < 200; ++k) {
                tx.update(entity(i + k), Account{std::int64_t(i)});
            }
            failed += !tx.commit();
        });
    }
    SECTION("functions") {
        scene.check(
            [&](std::size_t i) { failed += !db.execute([&](auto& state) { return state.update(entity(i), Account{std::int64_t(i)}); }); });
    }
    SECTION("column updates") {
        scene.check([&](std::size_t i) {
            if (i % 30 == 0) {
                failed += !db.update<Account, const Level>([](Account& account, const Level& level) { account.balance += level.number; });
            }
        });
    }
    SECTION("entities that come and go, with and without sparse components") {
        scene.check([&](std::size_t i) {
            auto tx = db.begin();
            const Entity created = i % 2 == 0 ? tx.create(Account{1}, Target{2}) : tx.create(Position{});
            failed += !tx.commit();
            failed += !db.destroy(created).wait();
        });
    }
    CHECK(failed == 0);
}

TEST_CASE("a writer of its own takes no memory either", "[transaction][allocation][threads]") {
    Scene scene{false, true};
    World8& db = *scene.db;
    std::uint64_t failed = 0;
    scene.check([&](std::size_t i) {
        auto tx = db.begin();
        tx.update(scene.entities[i], Account{std::int64_t(i)}).update(scene.entities[i + 1], Position{});
        Ticket ticket = tx.submit();
        failed += i % 16 == 0 ? !ticket.wait() : !ticket.is_submitted();
    });
    CHECK(failed == 0);
}

TEST_CASE("a commit that constraints check takes no memory after warm-up", "[transaction][allocation][constraint]") {
    namespace sim = simulation;
    CallCounter allocator;
    Options options;
    options.allocator = &allocator;
    options.own_thread = false;
    auto opened = sim::World::open(options);
    REQUIRE(opened);
    sim::World& db = *opened;
    constexpr std::size_t owners = 2000;
    std::vector<Entity> entities;
    auto tx = db.begin();
    for (std::uint64_t i = 0; i < owners; ++i) {
        entities.push_back(tx.create(sim::Purse{i, 1}));
        tx.set(entities.back(), sim::Carries{entities[i / 2]});
    }
    REQUIRE(tx.commit());
    std::uint64_t number = owners;
    std::uint64_t failed = 0;
    SECTION("unique values and references that change") {
        check_that_takes_nothing(allocator, [&](std::size_t i) {
            auto change = db.begin();
            change.update(entities[i % owners], sim::Purse{number++, 2})
                .update(entities[i * 7 % owners], sim::Carries{entities[i * 13 % owners]});
            failed += !change.commit();
        });
    }
    SECTION("a cascade") {
        check_that_takes_nothing(allocator, [&](std::size_t) {
            auto make = db.begin();
            const Entity purse = make.create(sim::Purse{number++, 3});
            const Entity bearer = make.create(sim::Carries{purse});
            failed += !make.commit();
            failed += !db.destroy(purse).wait();
            failed += db.read().has<sim::Carries>(bearer);
            failed += !db.destroy(bearer).wait();
        });
    }
    CHECK(failed == 0);
}

TEST_CASE("reading takes no memory", "[transaction][allocation]") {
    Scene scene{false, false};
    World8& db = *scene.db;
    REQUIRE(db.set(scene.entities[5], Target{5}).wait());
    std::uint64_t seen = 0;
    std::vector<const Account*> rows(scene.entities.size());
    scene.check([&](std::size_t i) {
        const auto view = db.read();
        seen += view.get<Account>(scene.entities[i])->balance >= 0;
        seen += view.has<Target>(scene.entities[i]) + view.count<Position>() + view.is_alive(scene.entities[i]);
        if (i % 100 == 0) {
            view.each<Account, const Level>([&](const Account&, const Level&) { ++seen; });
            view.each<Target, Account>([&](Entity, const Target&, const Account&) { ++seen; });
            view.each_span<Position>([&](std::span<const Position> span) { seen += span.size(); });
            view.get_many<Account>(scene.entities, rows);
        }
    });
    CHECK(seen > 0);
}

} // namespace ecsdb::test::allocation_test
