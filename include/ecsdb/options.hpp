/// @file
/// How a database is opened: where it lives, how much is durable when, and what it may use.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/durability.hpp"
#include "ecsdb/core/messages.hpp"
#include "ecsdb/core/progress.hpp"
#include "ecsdb/io/file_system.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace ecsdb {

enum class OpenMode : std::uint8_t {
    ReadWrite, ///< Creates the database if there is none; one process at a time.
    ReadOnly,  ///< Takes no lock and writes nothing; sees what was committed when it opened.
};

/// Everything that can be chosen when opening a database. The defaults make a database in memory.
struct Options {
    std::string directory; ///< Where the files live; empty for a database in memory only.
    Durability durability = Durability::Memory;
    /// `Synced` only: readers see a commit as soon as it is applied, and the sync comes behind. What a ticket promises stays: `wait`
    /// returns once the commit is on disk. A power cut may take back what was seen, never what was acknowledged (docs/guide/durability.md).
    bool publish_before_sync = false;
    OpenMode mode = OpenMode::ReadWrite;
    std::uint32_t shard = 0; ///< Stamped into every id; kept with the database: opening it with another is an error.

    std::size_t initial_bytes = 0;                           ///< Memory to take (and touch) right away and to keep: growing is cheap then.
    std::size_t first_block_bytes = std::size_t{256} << 10U; ///< The first block taken from the allocator; blocks grow …
    std::size_t max_block_bytes = std::size_t{2} << 20U;     ///< … until they are this large.
    /// How much larger than the one before each block is, in percent of it: 100 (all are alike) to 1000. Less wastes less memory, more asks
    /// the allocator less often.
    std::uint32_t block_growth_percent = 200;
    /// Beyond it, writes fail with `OutOfMemory`; the database stays usable. A 16th of it (256 KiB to 64 MiB) is for transactions that only
    /// remove and destroy.
    std::size_t memory_limit = ~std::size_t{0};
    /// How long nothing must have been written before memory that is free goes back to the allocator; `no_timeout`: never. Where memory
    /// is refused, it goes at once, to come back as whatever is wanted.
    std::uint64_t trim_after_ns = 1'000'000'000;
    /// A database that idles so long is compacted, too (`compact`), where this many percent of the memory it holds are free and cannot go
    /// back as they lie; 0: never by itself.
    std::uint32_t compact_percent = 50;

    std::uint64_t queue_transactions = 65536; ///< Per producer; beyond it, submitting waits, or fails with `QueueFull`.
    /// Bytes in transactions of more than 4 KiB that wait, per producer, as above. Per producer because then nobody waits for another's
    /// flood, and counting costs nothing. One alone is let through whatever its size.
    std::size_t queue_bytes = std::size_t{256} << 20U;
    std::uint64_t submit_timeout_ns = 10'000'000'000ULL; ///< How long submitting waits for room.

    /// Transactions published together, at most; 1 to 8192. Few at a time keep freed pages in the cache. Where commits share syncs
    /// (`Synced`), a batch goes on while transactions keep coming.
    std::size_t batch_transactions = 32;
    /// How long a batch that is not full is held open for more to come, from its first transaction; at most a second. 0: it is published as
    /// soon as nothing waits. Longer means fewer versions, each later.
    std::uint64_t batch_ns = 0;
    bool own_thread = true; ///< False: no thread is started; whoever waits runs the writer's work (tests, tools).

    std::size_t segment_bytes = std::size_t{64} << 20U; ///< The log goes on in a new file beyond this.
    /// … or beyond so many seconds from the first transaction in a file, so that an archive gets it in time; 0: size alone decides. Without
    /// a thread of its own, the database notices with the next transaction.
    std::uint32_t segment_seconds = 0;
    /// So many of the log's files are kept to be used again once no snapshot needs them: overwriting one is cheaper than growing another.
    std::size_t spare_segments = 4;

    /// So much of the log may be kept for others than the snapshots (an archive that does not get on, a backup or a delta that is being
    /// made); beyond it writes fail with `NoSpace`, naming the holder, until it lets go. Looked at whenever a segment is begun.
    std::uint64_t held_log_limit = ~std::uint64_t{0};

    /// Snapshots the database takes by itself, in the background, when this many transactions, seconds or bytes of log have come since the
    /// newest one, or replaying the log is estimated to take so long; 0: not for that reason. Whichever comes first. Without a thread of
    /// its own, `snapshot_if_due` takes them.
    std::uint64_t snapshot_transactions = 0;
    std::uint32_t snapshot_seconds = 0;
    std::uint64_t snapshot_log_bytes = 0;
    std::uint64_t snapshot_replay_ns = 0;
    /// So many snapshots after a full one may hold only what has changed since the one before; 0: every snapshot is a full one. The log
    /// since the full snapshot before them is kept, so that no single file is indispensable. Costs 4 bytes of memory per entity.
    std::uint32_t incremental_snapshots = 0;
    /// … but together not more than this much of the full one's size: then a full one is cheaper to have.
    std::uint32_t incremental_percent = 50;
    /// Whether snapshots are compressed, on a thread of their own: by how much depends on the values (docs/guide/durability.md). Either
    /// kind is read whatever this says.
    bool compress_snapshots = false;

    /// Where closed log segments and snapshots are copied to, so that any version since can be restored (docs/guide/durability.md); empty:
    /// nowhere. Needs a directory of its own for each database.
    std::string archive_directory;
    std::uint64_t archive_keep_bytes = 0;   ///< What is older goes from the archive when it has more bytes; 0: nothing does.
    std::uint64_t archive_keep_seconds = 0; ///< Versions older than this need not be restorable; 0: all are kept.

    Progress progress{}; ///< Told, while opening, how many of the bytes to read have been read.

    /// Told what goes on: opening and what recovery found, snapshots, segments, failures of the log, refused memory, closing. What
    /// `context` points to must outlive the database.
    Messages messages{};

    // The outside world; null means the system's own. What is given must outlive the database and every view of it.
    Allocator* allocator = nullptr;
    Clock* clock = nullptr;
    FileSystem* file_system = nullptr;
};

} // namespace ecsdb
