#include "ecsdb/transaction/changes.hpp"

#include "transaction/transaction_fixture.hpp"

#include <array>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::changes_test {

TEST_CASE("changes that cannot all be done leave nothing behind, and create nobody", "[transaction][changes]") {
    World8 db = open_db(stepped());
    const Result<Entity> alive = db.execute([](auto& state) { return state.create(Account{1}); });
    REQUIRE(alive);
    const std::uint64_t before = db.read().hash();
    auto changes = db.changes();
    changes.create(Position{1, 2, 3});
    changes.update(*alive, Account{5}).insert(*alive, Account{6});
    CHECK(code_of(db.apply(changes)) == ErrorCode::AlreadyExists);
    CHECK(db.read().hash() == before);
    CHECK(db.version() == 1);
    changes.clear();
    CHECK(changes.empty());
    CHECK(changes.created() == 0);
    changes.update(Entity{}, Account{5}); // the null entity is not alive
    CHECK(code_of(db.apply(changes)) == ErrorCode::NotFound);
}

TEST_CASE("changes that make no sense in themselves are refused before anything is queued", "[transaction][changes]") {
    World8 db = open_db(stepped());
    auto changes = db.changes();
    changes.create(Account{1});
    changes.insert_row(Entity{}, 99, {});
    CHECK(code_of(db.apply(changes)) == ErrorCode::InvalidArgument);
    changes.clear();
    CHECK(changes.error() == nullptr);
    // A placeholder of other changes, and one that comes before its creation.
    changes.insert(Entity{2, 0, 0}, Account{1});
    changes.create();
    changes.create();
    CHECK(code_of(db.apply(changes)) == ErrorCode::InvalidArgument);
    step_all(db);
    CHECK(db.version() == 0);
}

TEST_CASE("all kinds of change happen at once, and the ids of the new entities come back in order", "[transaction][changes]") {
    World8 db = open_db(stepped());
    auto tx = db.begin();
    const std::vector<Entity> old = tx.create_many(4, Account{10}, Position{}, Burning{});
    REQUIRE(tx.commit());
    auto changes = db.changes();
    const Entity first = changes.create(Account{1}, Visible{});
    const std::array<Position, 2> positions{Position{1, 0, 0}, Position{2, 0, 0}};
    changes.update(old[0], Account{11})
        .update(old[0], &Position::y, 5.0F)
        .insert(old[0], Velocity{})
        .remove<Burning>(old[1])
        .destroy(old[2])
        .update_many<Position>(std::span{old}.last(1), std::span{positions}.first(1));
    const Entity second = changes.create();
    changes.insert(second, Target{old[0].to_bits()}).set(first, Account{2}).remove<Visible>(first);
    const std::vector<Entity> many = changes.create_many(3, Level{9});
    changes.insert_many<Position>(std::span{many}.first(2), positions);
    CHECK(changes.created() == 5);
    CHECK(db.version() == 1);

    const Result<std::vector<Entity>> created = db.apply(changes);
    REQUIRE(created);
    CHECK(db.version() == 2);
    REQUIRE(created->size() == 5);
    const auto view = db.read();
    CHECK(view.entity_count() == 8);
    CHECK(view.get<Account>(old[0])->balance == 11);
    CHECK(view.get<Position>(old[0])->y == 5.0F);
    CHECK(view.has<Velocity>(old[0]));
    CHECK_FALSE(view.has<Burning>(old[1]));
    CHECK_FALSE(view.is_alive(old[2]));
    CHECK(view.get<Position>(old[3])->x == 1.0F);
    CHECK(view.get<Account>((*created)[0])->balance == 2);
    CHECK_FALSE(view.has<Visible>((*created)[0]));
    CHECK(view.get<Target>((*created)[1])->entity == old[0].to_bits());
    CHECK(view.get<Position>((*created)[3])->x == 2.0F);
    CHECK_FALSE(view.has<Position>((*created)[4]));
    CHECK(view.get<Level>((*created)[4])->number == 9);
}

TEST_CASE("changes may be applied again, from another thread, and within a transaction", "[transaction][changes][threads]") {
    World8 db = open_db();
    auto changes = db.changes();
    const Entity counter = changes.create(Account{1});
    changes.insert(counter, Level{1});
    std::vector<Entity> all;
    std::jthread{[&] {
        for (int i = 0; i < 10; ++i) {
            auto created = db.apply(changes);
            all.insert(all.end(), created->begin(), created->end());
        }
    }}.join();
    auto tx = db.begin();
    const Entity own = tx.create(Account{100});
    const std::vector<Entity> added = tx.add(changes);
    REQUIRE(added.size() == 1);
    tx.update(added[0], Account{own.index()});
    REQUIRE(tx.commit());
    CHECK(all.size() == 10);
    CHECK(db.read().entity_count() == 12);
    CHECK(db.get<Account>(added[0])->balance == own.index());
    const auto moved = std::move(changes);
    CHECK(moved.created() == 1);
    CHECK(db.apply(moved));
    CHECK(db.apply(db.changes())); // nothing at all is a transaction, too
}

TEST_CASE("changes without memory say so and change nothing", "[transaction][changes]") {
    class Refusing final : public Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
            return refuses ? nullptr : system_.allocate(bytes, alignment);
        }
        void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
            system_.deallocate(memory, bytes, alignment);
        }
        bool refuses = false;

    private:
        SystemAllocator system_;
    } allocator;
    Options options = stepped();
    options.allocator = &allocator;
    World8 db = open_db(options);
    auto changes = db.changes();
    allocator.refuses = true;
    changes.create(Account{1});
    allocator.refuses = false;
    CHECK(code_of(db.apply(changes)) == ErrorCode::OutOfMemory);
    CHECK(db.read().entity_count() == 0);
}

} // namespace ecsdb::test::changes_test
