/// @file
/// Takes a database's memory from a std::pmr resource. On its own, because the standard's header is costly to include.
#pragma once

#include "ecsdb/core/allocator.hpp"

#include <cstddef>
#include <memory_resource>

#if ECSDB_EXCEPTIONS
namespace ecsdb {

/// Takes memory from a `std::pmr::memory_resource`, which must be safe to call from several threads.
class PmrAllocator final : public Allocator {
public:
    explicit PmrAllocator(std::pmr::memory_resource& resource) noexcept : resource_{&resource} {}

    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        try {
            return resource_->allocate(bytes, alignment);
        } catch (...) {
            return nullptr;
        }
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        resource_->deallocate(memory, bytes, alignment);
    }

private:
    std::pmr::memory_resource* resource_;
};

} // namespace ecsdb
#endif
