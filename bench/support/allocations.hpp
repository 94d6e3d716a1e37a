/// @file
/// Counts every allocation of the process, whoever makes it and by whatever function.
#pragma once

#include <cstdint>

namespace bench {

/// Allocations since the start: `malloc` and its relatives, hence `operator new` and ecsdb's own allocator too.
[[nodiscard]] std::uint64_t allocations() noexcept;

} // namespace bench
