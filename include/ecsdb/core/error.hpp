/// @file
/// Says why an operation failed: a code a caller can react to, and a sentence naming what and where.
#pragma once

#include "ecsdb/core/owner.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb {

/// The reasons an operation can fail.
///
/// A code exists only where a caller could react to it; anything finer belongs in the message. The
/// numbers travel in logs and over the wire: never changed, never reused.
enum class ErrorCode : std::uint16_t {
    Io = 1,                   ///< The operating system refused a file operation.
    Corrupt = 2,              ///< Stored bytes are not what was written.
    SchemaMismatch = 3,       ///< The program's types and the stored schema differ.
    Conflict = 4,             ///< A row named in an optimistic check has changed.
    NotFound = 5,             ///< The entity is dead, or the row absent.
    AlreadyExists = 6,        ///< An insert met a row that is there.
    InvalidArgument = 7,      ///< The call itself makes no sense.
    InvalidSchema = 8,        ///< A schema that contradicts itself or cannot be read.
    OutOfMemory = 9,          ///< The allocator or the memory limit refused.
    WouldDeadlock = 10,       ///< Waiting here would wait for oneself.
    Timeout = 11,             ///< The deadline passed; nothing was applied.
    QueueFull = 12,           ///< The bounded queue has no room; nothing was queued.
    ReadOnly = 13,            ///< The database accepts no writes: opened so, or after a failure that the message names.
    Locked = 14,              ///< Another process has the database open for writing.
    Forked = 15,              ///< The handle was made by the parent process.
    WrongShard = 16,          ///< The id was made by the database of another shard.
    ConstraintViolation = 17, ///< A constraint of the schema would not hold.
    NoSpace = 18,             ///< The disk is full.
    OutcomeUnknown = 19,      ///< The transaction is not visible, and whether it is on disk is not known.
    Unsupported = 20,         ///< A newer format, or something this build leaves out.
    Closed = 21,              ///< The database was closed first.
    WrongType = 22,           ///< A table or field was reached as something it is not.
    Gap = 23,                 ///< A delta does not start where the state ends.
    Aborted = 24,             ///< The transaction's own code asked for a rollback.
};

/// The code's name, as in `NotFound`.
[[nodiscard]] constexpr std::string_view name_of(ErrorCode code) noexcept {
    switch (code) {
    case ErrorCode::Io:
        return "Io";
    case ErrorCode::Corrupt:
        return "Corrupt";
    case ErrorCode::SchemaMismatch:
        return "SchemaMismatch";
    case ErrorCode::Conflict:
        return "Conflict";
    case ErrorCode::NotFound:
        return "NotFound";
    case ErrorCode::AlreadyExists:
        return "AlreadyExists";
    case ErrorCode::InvalidArgument:
        return "InvalidArgument";
    case ErrorCode::InvalidSchema:
        return "InvalidSchema";
    case ErrorCode::OutOfMemory:
        return "OutOfMemory";
    case ErrorCode::WouldDeadlock:
        return "WouldDeadlock";
    case ErrorCode::Timeout:
        return "Timeout";
    case ErrorCode::QueueFull:
        return "QueueFull";
    case ErrorCode::ReadOnly:
        return "ReadOnly";
    case ErrorCode::Locked:
        return "Locked";
    case ErrorCode::Forked:
        return "Forked";
    case ErrorCode::WrongShard:
        return "WrongShard";
    case ErrorCode::ConstraintViolation:
        return "ConstraintViolation";
    case ErrorCode::NoSpace:
        return "NoSpace";
    case ErrorCode::OutcomeUnknown:
        return "OutcomeUnknown";
    case ErrorCode::Unsupported:
        return "Unsupported";
    case ErrorCode::Closed:
        return "Closed";
    case ErrorCode::WrongType:
        return "WrongType";
    case ErrorCode::Gap:
        return "Gap";
    case ErrorCode::Aborted:
        return "Aborted";
    }
    return "unknown";
}

/// Why an operation failed. Small to move: one pointer.
///
/// Each layer on the way up adds what it was doing with `in()`, so a message reads from the outside in:
/// `world.wal: frame 12: checksum differs`.
class [[nodiscard]] Error {
public:
    /// Cost: one allocation.
    Error(ErrorCode code, std::string message) : details_{new Details{code, std::move(message)}} {}

    [[nodiscard]] ErrorCode code() const noexcept { return details_->code; }
    [[nodiscard]] const std::string& message() const noexcept { return details_->message; }
    /// The code's name and the message, for a log or a terminal.
    [[nodiscard]] std::string to_string() const { return std::string{name_of(code())} + ": " + message(); }

    /// The same error, told from one layer further out.
    [[nodiscard]] Error in(std::string_view context) && {
        details_->message.insert(0, std::string{context} + ": ");
        return std::move(*this);
    }

    /// A second error with the same words; errors are otherwise moved.
    [[nodiscard]] Error clone() const { return Error{code(), message()}; }

private:
    template <typename T>
    friend class Result;
    struct Details {
        ErrorCode code;
        std::string message;
    };
    Error() noexcept = default;
    Owner<Details> details_;
};

} // namespace ecsdb
