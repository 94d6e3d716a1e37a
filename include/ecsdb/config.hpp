/// @file
/// What the build decides: assertions, exceptions, branch hints. The only header (with the component binding) that defines macros.
#pragma once

#include <bit>
#include <cstdio>
#include <cstdlib>

/// 1 where the build has exceptions. Never changes the layout of a class.
#if !defined(ECSDB_EXCEPTIONS)
#if defined(__cpp_exceptions)
#define ECSDB_EXCEPTIONS 1
#else
#define ECSDB_EXCEPTIONS 0
#endif
#endif

/// States a precondition. Define it before including ecsdb to route it into your own assert; otherwise it aborts in debug builds
/// and vanishes under NDEBUG.
#if !defined(ECSDB_ASSERT)
#if defined(NDEBUG)
#define ECSDB_ASSERT(condition, message) static_cast<void>(0)
#else
#define ECSDB_ASSERT(condition, message)                                                                                                   \
    ((condition) ? static_cast<void>(0) : ::ecsdb::detail::assertion_failed(#condition, message, __FILE__, __LINE__))
#endif
#endif

/// A place where crash tests may kill the process: they define it before including ecsdb; otherwise it is nothing.
#if !defined(ECSDB_KILL_POINT)
#define ECSDB_KILL_POINT(name) static_cast<void>(0)
#endif

/// The rest of a block as a span of time in a profiler (a batch being published, a log sync, a snapshot). Define it before including ecsdb,
/// in the same way everywhere, to have it make one of yours: `#define ECSDB_TRACE_SCOPE(name) ZoneScopedN(name)`. `name` is a literal. By
/// default it is nothing.
#if !defined(ECSDB_TRACE_SCOPE)
#define ECSDB_TRACE_SCOPE(name) static_cast<void>(0)
#endif

/// Keeps rare paths out of the way of common ones.
#define ECSDB_NOINLINE __attribute__((noinline))
/// For the few functions on the per-row path that must vanish into their caller.
#define ECSDB_ALWAYS_INLINE inline __attribute__((always_inline))

namespace ecsdb::detail {

static_assert(std::endian::native == std::endian::little,
              "ecsdb runs on little-endian hosts only: pages are written to disk as they lie in memory");
static_assert(sizeof(void*) == 8, "ecsdb needs a 64-bit host");

[[noreturn]] inline void assertion_failed(const char* condition, const char* message, const char* file, int line) noexcept {
    std::fprintf(stderr, "%s:%d: ecsdb: %s (%s)\n", file, line, message, condition);
    std::abort();
}

} // namespace ecsdb::detail
