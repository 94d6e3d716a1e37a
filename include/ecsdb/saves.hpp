/// @file
/// Saving a database to bytes and back, whole or what changed: defines what `AnyDatabase` declares of it.
#pragma once

#include "ecsdb/database.hpp"
#include "ecsdb/recovery/saved_delta.hpp"
#include "ecsdb/recovery/saved_state.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace ecsdb {

inline Result<std::uint64_t> AnyDatabase::snapshot(ByteBuffer& out) {
    return recovery::save_state(*engine_, out);
}

inline Result<void> AnyDatabase::restore(std::span<const std::byte> bytes, std::span<const std::span<const std::byte>> deltas) {
    return recovery::restore_state(*engine_, bytes, deltas);
}

inline Result<SavedDelta> AnyDatabase::save_delta(std::uint64_t since, ByteBuffer& out) {
    return recovery::save_delta(*engine_, since, out);
}

inline Result<SavedDelta> AnyDatabase::save_delta_since_time(std::uint64_t time, ByteBuffer& out) {
    return recovery::save_delta_since_time(*engine_, time, out);
}

inline Result<SavedDelta> AnyDatabase::save_delta(const ecsdb::View& since, ByteBuffer& out) {
    return since ? recovery::save_delta(*engine_, since.root(), out)
                 : Result<SavedDelta>{Error{ErrorCode::InvalidArgument, "save delta: the view is empty"}};
}

inline Result<bool> AnyDatabase::apply_delta(std::span<const std::byte> delta) {
    return recovery::apply_delta(*engine_, delta);
}

} // namespace ecsdb
