/// @file
/// How much of a commit a crash can take back.
#pragma once

#include <cstdint>

namespace ecsdb {

/// What a commit has gone through (design D17): when a database of this level lets it be seen, or when a `Ticket` is to return.
enum class Durability : std::uint8_t {
    Memory, ///< It is visible; nothing is written: a database of this level ends with the process.
    Logged, ///< Written to the operating system: survives a crash of the process. A database of this level shows a commit at once, a thread
            ///< of its own writes it, and syncs within a second.
    Synced, ///< On disk: survives a power cut. A database of this level shows nothing before (`Options::publish_before_sync` excepted).
            ///< Commits share syncs.
};

} // namespace ecsdb
