#include "ecsdb/core/allocator.hpp"

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace allocator_test {

using ecsdb::SystemAllocator;

TEST_CASE("memory that cannot be had is null, not an exception", "[core][allocator]") {
    SystemAllocator allocator;
    // Volatile, because a compiler that knows the size refuses the call itself.
    const volatile std::size_t everything = std::numeric_limits<std::size_t>::max();
    CHECK(allocator.allocate(everything / 2, 4096) == nullptr);
    CHECK(allocator.allocate(everything, 4096) == nullptr);
}

TEST_CASE("memory is aligned as asked and writable to its last byte", "[core][allocator]") {
    SystemAllocator allocator;
    const auto alignment = GENERATE(std::size_t{1}, std::size_t{8}, std::size_t{64}, std::size_t{4096}, std::size_t{2} << 20U);
    const auto bytes = GENERATE(std::size_t{1}, std::size_t{100}, std::size_t{4097});
    CAPTURE(alignment, bytes);
    void* const memory = allocator.allocate(bytes, alignment);
    REQUIRE(memory != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % alignment == 0);
    std::memset(memory, 0xAB, bytes);
    allocator.deallocate(memory, bytes, alignment);
}

} // namespace allocator_test
