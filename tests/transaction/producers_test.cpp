#include "ecsdb/transaction/producers.hpp"

#include "support/storage_fixture.hpp"

#include <thread>

namespace ecsdb::test::producers_test {
namespace {

using namespace transaction;

struct Scene {
    explicit Scene(storage::Store& store) : notifier{store, false}, producers{allocator, queue, ids, notifier, fork_guard, 1000} {}

    SystemAllocator allocator;
    CommandQueue queue;
    EntityIds ids{0};
    ForkGuard fork_guard;
    Notifier notifier;
    Producers producers;
};

} // namespace

TEST_CASE("a thread has one producer in each database, whatever others it writes to", "[transaction]") {
    SystemAllocator allocator;
    World world{allocator, schema_of({})};
    Scene one{world.store()};
    Scene other{world.store()};
    ProducerState* const mine = one.producers.of_this_thread();
    REQUIRE(mine != nullptr);
    CHECK(other.producers.of_this_thread() != mine);
    CHECK(one.producers.of_this_thread() == mine);
    ProducerState* another = nullptr;
    std::thread{[&] { another = one.producers.of_this_thread(); }}.join();
    CHECK(another != nullptr);
    CHECK(another != mine);
    int count = 0;
    one.producers.for_each([&](ProducerState&) { ++count; });
    CHECK(count == 2);
}

TEST_CASE("a producer that is given back is given out again", "[transaction]") {
    SystemAllocator allocator;
    World world{allocator, schema_of({})};
    Scene scene{world.store()};
    ProducerState* const first = scene.producers.take();
    ProducerState* const second = scene.producers.take();
    CHECK(first != second);
    scene.producers.give_back(first);
    CHECK(scene.producers.take() == first);
}

} // namespace ecsdb::test::producers_test
