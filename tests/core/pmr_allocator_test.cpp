#include "ecsdb/core/pmr_allocator.hpp"

#include "support/catch.hpp"

#include <cstddef>
#include <memory_resource>
#include <new>

namespace pmr_allocator_test {

#if ECSDB_EXCEPTIONS
namespace {

/// Gives what the system gives, up to a limit, and remembers what it was asked for.
class LimitedResource final : public std::pmr::memory_resource {
public:
    explicit LimitedResource(std::size_t limit) : limit_{limit} {}
    [[nodiscard]] std::size_t used() const { return used_; }

private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        if (bytes > limit_ - used_) {
            throw std::bad_alloc{};
        }
        used_ += bytes;
        return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
        used_ -= bytes;
        std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

    std::size_t limit_;
    std::size_t used_ = 0;
};

} // namespace

TEST_CASE("a memory resource that throws gives null", "[core][allocator]") {
    LimitedResource resource{1000};
    ecsdb::PmrAllocator allocator{resource};
    CHECK(allocator.allocate(1001, 8) == nullptr);
    CHECK(resource.used() == 0);
}

TEST_CASE("a memory resource gets back what it gave", "[core][allocator]") {
    LimitedResource resource{1000};
    ecsdb::PmrAllocator allocator{resource};
    void* const memory = allocator.allocate(600, 64);
    REQUIRE(memory != nullptr);
    CHECK(resource.used() == 600);
    allocator.deallocate(memory, 600, 64);
    CHECK(resource.used() == 0);
}
#endif

} // namespace pmr_allocator_test
