/// @file
/// Telling the processor which memory will be needed soon.
#pragma once

namespace ecsdb {

// GCC takes a function that only prefetches for one without effect, and drops calls to it that it has not inlined before it finds that
// out. An empty statement it must keep, though it costs nothing, says otherwise.

/// Hints that `address` will be read soon; any address will do, null too. Cost: one instruction.
inline void prefetch_for_read(const void* address) noexcept {
    __builtin_prefetch(address);
    __asm__ __volatile__("");
}
/// Hints that `address` will be written soon.
inline void prefetch_for_write(const void* address) noexcept {
    __builtin_prefetch(address, 1);
    __asm__ __volatile__("");
}

} // namespace ecsdb
