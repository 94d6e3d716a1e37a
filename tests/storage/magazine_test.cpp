#include "ecsdb/storage/magazine.hpp"

#include "support/storage_fixture.hpp"

#include <array>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace ecsdb::test::magazine_test {

using storage::Magazine;
using storage::Magazines;
using storage::MagazineStack;

TEST_CASE("a magazine that memory is refused for is not made, and the next one is", "[storage][memory]") {
    CountingAllocator allocator;
    Magazines all{allocator};
    allocator.refuse_from = 0;
    CHECK(all.make() == nullptr);
    allocator.refuse_from = CountingAllocator::never;
    Magazine* const made = all.make();
    REQUIRE(made != nullptr);
    CHECK(&all.at(made->number) == made);
}

TEST_CASE("magazines are found by their numbers, however many there are", "[storage]") {
    CountingAllocator allocator;
    Magazines all{allocator};
    std::set<Magazine*> seen;
    std::vector<std::uint32_t> numbers;
    for (int i = 0; i < 1000; ++i) {
        Magazine* const made = all.make();
        REQUIRE(made != nullptr);
        REQUIRE(seen.insert(made).second);
        REQUIRE(made->number != 0);
        REQUIRE(&all.at(made->number) == made);
        numbers.push_back(made->number);
    }
    for (const std::uint32_t number : numbers) {
        REQUIRE(all.at(number).number == number);
    }
    CHECK(allocator.calls < 8); // taken by the chunk
}

TEST_CASE("a stack gives the last magazine first and is empty after the first", "[storage]") {
    CountingAllocator allocator;
    Magazines all{allocator};
    MagazineStack stack;
    CHECK(stack.pop(all) == nullptr);
    std::array<Magazine*, 3> made{all.make(), all.make(), all.make()};
    for (Magazine* const magazine : made) {
        stack.push(*magazine);
    }
    CHECK(stack.pop(all) == made[2]);
    stack.push(*made[2]);
    CHECK(stack.pop(all) == made[2]);
    CHECK(stack.pop(all) == made[1]);
    CHECK(stack.pop(all) == made[0]);
    CHECK(stack.pop(all) == nullptr);
}

TEST_CASE("a magazine is in one thread's hands at a time, and what was put in it comes with it", "[storage]") {
    SystemAllocator allocator;
    Magazines all{allocator};
    MagazineStack stack;
    constexpr int threads = 3;
    constexpr int rounds = 20000;
    std::array<std::atomic<int>, 64> held{};
    for (int i = 0; i < 8; ++i) {
        Magazine* const magazine = all.make();
        REQUIRE(magazine->number < held.size());
        stack.push(*magazine);
    }
    std::atomic<int> shared{0};
    std::atomic<std::uint64_t> taken{0};
    std::array<std::thread, threads> workers;
    for (std::thread& worker : workers) {
        worker = std::thread{[&] {
            for (int round = 0; round < rounds; ++round) {
                Magazine* const magazine = stack.pop(all);
                if (magazine == nullptr) {
                    continue;
                }
                shared += held[magazine->number].fetch_add(1) == 0 ? 0 : 1;
                ++magazine->count; // plain: a race if two held it
                held[magazine->number].fetch_sub(1);
                ++taken;
                stack.push(*magazine);
            }
        }};
    }
    for (std::thread& worker : workers) {
        worker.join();
    }
    CHECK(shared == 0);
    std::uint64_t counted = 0;
    int left = 0;
    while (Magazine* const magazine = stack.pop(all)) {
        counted += magazine->count;
        ++left;
    }
    CHECK(left == 8);
    CHECK(counted == taken);
}

} // namespace ecsdb::test::magazine_test
