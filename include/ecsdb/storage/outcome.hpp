/// @file
/// How an operation on the version under construction ended.
#pragma once

#include <cstdint>

namespace ecsdb::storage {

/// How an operation ended. Anything but `Done` and `Absent` fails the transaction.
enum class Outcome : std::uint8_t {
    Done,
    Absent,        ///< Nothing to remove or destroy: a counted no-op.
    NotFound,      ///< The entity is dead, or the row to update absent.
    AlreadyExists, ///< The row to insert is there, or the id to create is (or was) alive.
    WrongShard,    ///< The id was made by another database.
    Changed,       ///< The row is not what the transaction was built on.
    OutOfMemory,
    ForeignContent, ///< A row brings a handle of a text or blob that is not of this transaction; see `WriteBuffer::refused_field`.
};

/// Whether an operation that ended so fails its transaction.
[[nodiscard]] constexpr bool failed(Outcome outcome) noexcept {
    return outcome != Outcome::Done && outcome != Outcome::Absent;
}

} // namespace ecsdb::storage
