/// @file
/// Turns what a caller's function throws into an error; nothing where the build has no exceptions.
#pragma once

#include "ecsdb/config.hpp"
#include "ecsdb/core/error.hpp"

#include <optional>
#include <string>

#if ECSDB_EXCEPTIONS
#include <exception>
#endif

namespace ecsdb::transaction {

/// Calls `call()`. `Aborted`, naming `what` and what was thrown, where it threw. Costs nothing otherwise.
template <typename Call>
[[nodiscard]] ECSDB_ALWAYS_INLINE std::optional<Error> thrown_by([[maybe_unused]] const char* what, Call&& call) noexcept {
#if ECSDB_EXCEPTIONS
    try {
        call();
    } catch (const std::exception& exception) {
        return Error{ErrorCode::Aborted, std::string{what} + " threw: " + exception.what()};
    } catch (...) {
        return Error{ErrorCode::Aborted, std::string{what} + " threw something that is not a std::exception"};
    }
#else
    call();
#endif
    return std::nullopt;
}

} // namespace ecsdb::transaction
