/// @file
/// How whoever waits for a long piece of work is told how far it has come.
#pragma once

#include <cstdint>

namespace ecsdb {

/// A function and what it is to be called with; by default nobody is told.
///
/// Called on the thread that does the work, often (about once per 256 KiB): it should only note the numbers. `done` never goes back, and
/// ends at `total`, which may turn out to have been an estimate: it is then adjusted.
struct Progress {
    void (*tell)(void* context, std::uint64_t done, std::uint64_t total) = nullptr;
    void* context = nullptr;

    [[nodiscard]] explicit operator bool() const noexcept { return tell != nullptr; }
    void operator()(std::uint64_t done, std::uint64_t total) const {
        if (tell != nullptr) {
            tell(context, done, total);
        }
    }
};

} // namespace ecsdb
