/// @file
/// Tells a process from its forked children: a handle made by the parent is dead in the child.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ecsdb {

/// Knows whether the calling process is the one that made it. Any thread; a test costs one load.
///
/// The mark lies in a page that the kernel hands to a forked child filled with zeros (MADV_WIPEONFORK).
class ForkGuard {
public:
    ForkGuard() noexcept {
#if defined(__linux__)
        void* const page = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page != MAP_FAILED) {
            if (::madvise(page, page_bytes, MADV_WIPEONFORK) == 0) {
                mark_ = static_cast<std::uint32_t*>(page);
                *mark_ = alive;
            } else {
                static_cast<void>(::munmap(page, page_bytes));
            }
        }
#endif
    }
    ForkGuard(const ForkGuard&) = delete;
    ForkGuard& operator=(const ForkGuard&) = delete;
    ~ForkGuard() {
#if defined(__linux__)
        if (mark_ != nullptr) {
            static_cast<void>(::munmap(mark_, page_bytes));
        }
#endif
    }

    /// True in a forked child of the process that made the guard. Where the system offers no such mark, always false.
    [[nodiscard]] bool in_child() const noexcept {
        return mark_ != nullptr && *static_cast<const volatile std::uint32_t*>(mark_) != alive;
    }

private:
    static constexpr std::size_t page_bytes = 4096;
    static constexpr std::uint32_t alive = 0x1;
    std::uint32_t* mark_ = nullptr;
};

} // namespace ecsdb
