#include "support/allocations.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if !defined(__GLIBC__)
#error "The allocation counter stands in front of glibc's malloc; this C library needs one of its own."
#endif

namespace {

std::atomic<std::uint64_t> count{0};

void note() noexcept {
    count.fetch_add(1, std::memory_order_relaxed);
}

} // namespace

std::uint64_t bench::allocations() noexcept {
    return count.load(std::memory_order_relaxed);
}

extern "C" {

void* __libc_malloc(std::size_t bytes);                          // NOLINT
void* __libc_calloc(std::size_t number, std::size_t bytes);      // NOLINT
void* __libc_realloc(void* memory, std::size_t bytes);           // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t bytes); // NOLINT

void* malloc(std::size_t bytes) noexcept {
    note();
    return __libc_malloc(bytes);
}
void* calloc(std::size_t number, std::size_t bytes) noexcept {
    note();
    return __libc_calloc(number, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
    note();
    return __libc_realloc(memory, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    note();
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
    note();
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
    note();
    *memory = __libc_memalign(alignment, bytes);
    return *memory == nullptr ? ENOMEM : 0;
}

} // extern "C"
