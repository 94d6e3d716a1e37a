/// @file
/// What opening a database found in its files and did about it.
#pragma once

#include <cstdint>
#include <string>

namespace ecsdb {

/// The story of one opening. All versions are LSNs.
struct RecoveryReport {
    bool created = false;      ///< There was no database before.
    bool clean = false;        ///< It had been closed in good order.
    std::uint64_t version = 0; ///< The version the database opened at.

    // What was read.
    std::uint64_t snapshot_version = 0; ///< Of the snapshot that was loaded; 0 when there was none.
    std::uint64_t snapshot_bytes = 0;   ///< Size of its file.
    std::uint64_t first_segment = 0;    ///< The log's segments, by number; both 0 when there is no log.
    std::uint64_t last_segment = 0;
    std::uint64_t segments = 0;  ///< How many were read.
    std::uint64_t log_bytes = 0; ///< Of their files, with the space ahead in the last one.
    std::uint64_t replayed = 0;  ///< Transactions taken from the log.

    // Where the log was cut, and why.
    std::uint64_t end_segment = 0;        ///< Where the last transaction or note that counts ends: the segment
    std::uint64_t end_offset = 0;         ///< and the offset in it.
    std::uint64_t torn_tail_bytes = 0;    ///< Bytes of unfinished writes a crash left behind the log's end.
    std::uint64_t unsynced_lost_from = 0; ///< Transactions that had been written but never synced, and did not survive a power cut whole:
    std::uint64_t unsynced_lost_to = 0;   ///< both 0 when there are none.
    std::string cut;                      ///< The same in words, naming the file; empty where nothing was cut.

    std::uint32_t epoch = 0; ///< How often the database has been opened for writing.
    std::uint64_t duration_ns = 0;
    std::string remarks; ///< What else an operator should know: a manifest or snapshot that had to be passed over, and why.
};

} // namespace ecsdb
