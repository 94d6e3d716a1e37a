/// @file
/// Where memory comes from: a small interface that never throws, and the system's memory behind it.
#pragma once

#include "ecsdb/config.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ecsdb {

/// Gives a database its memory. It is asked for large blocks and rarely: after warm-up a commit asks for none.
///
/// Both calls may come from any thread at any time. The allocator must outlive the database and every view of it.
class Allocator {
public:
    /// `bytes` of storage aligned to `alignment` (a power of two), or null when there is none: the operation that asked then
    /// fails with `ErrorCode::OutOfMemory` and changes nothing.
    [[nodiscard]] virtual void* allocate(std::size_t bytes, std::size_t alignment) noexcept = 0;

    /// Takes back what `allocate` gave for the same size and alignment.
    virtual void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept = 0;

protected:
    ~Allocator() = default;
};

/// The C library's memory. Stateless: any instance frees what another gave.
class SystemAllocator final : public Allocator {
public:
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        const std::size_t stricter = std::max(alignment, bytes >= huge_page_bytes ? huge_page_bytes : alignof(std::max_align_t));
        const std::size_t rounded = (bytes + stricter - 1) / stricter * stricter;
        if (rounded < bytes) {
            return nullptr;
        }
        void* const memory = std::aligned_alloc(stricter, rounded);
#if defined(__linux__)
        // One page-table entry per 2 MiB instead of 512: random reads over a large world miss the TLB far less. Only advice: failing is
        // fine.
        if (memory != nullptr && rounded >= huge_page_bytes) {
            static_cast<void>(::madvise(memory, rounded, MADV_HUGEPAGE));
        }
#endif
        return memory;
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t) noexcept override {
#if defined(__linux__)
        // The C library may keep it for later: what is as large as this goes back to the system, so that a peak does not stay.
        if (memory != nullptr && bytes >= huge_page_bytes) {
            static_cast<void>(::madvise(memory, bytes, MADV_DONTNEED));
        }
#else
        static_cast<void>(bytes);
#endif
        std::free(memory);
    }

private:
    static constexpr std::size_t huge_page_bytes = std::size_t{2} << 20U;
};

} // namespace ecsdb
