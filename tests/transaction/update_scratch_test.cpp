#include "ecsdb/transaction/update_scratch.hpp"

#include "support/catch.hpp"

#include <thread>
#include <vector>

namespace ecsdb::test::update_scratch_test {

using transaction::ScratchPool;
using transaction::UpdateScratch;

TEST_CASE("what an update has worked with is there for the next one", "[transaction]") {
    SystemAllocator allocator;
    ScratchPool pool{allocator};
    UpdateScratch* const first = pool.take();
    UpdateScratch* const second = pool.take();
    REQUIRE(first != nullptr);
    REQUIRE(second != nullptr);
    CHECK(first != second);
    pool.give(first);
    pool.give(second);
    UpdateScratch* const again = pool.take();
    CHECK((again == first || again == second));
    UpdateScratch* const other = pool.take();
    CHECK((other == first || other == second));
    CHECK(other != again);
    pool.give(again);
    pool.give(other);
}

TEST_CASE("memory refused to an update is told", "[transaction]") {
    class Refusing final : public Allocator {
    public:
        [[nodiscard]] void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
        void deallocate(void*, std::size_t, std::size_t) noexcept override {}
    };
    Refusing allocator;
    ScratchPool pool{allocator};
    CHECK(pool.take() == nullptr);
}

TEST_CASE("no two threads get the same working memory", "[transaction][threads]") {
    SystemAllocator allocator;
    ScratchPool pool{allocator};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                UpdateScratch* const scratch = pool.take();
                scratch->encoder_tables[0] = nullptr; // a race where it is shared
                pool.give(scratch);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

} // namespace ecsdb::test::update_scratch_test
