/// @file
/// What can be chosen about the writer.
#pragma once

#include "ecsdb/core/messages.hpp"

#include <cstddef>
#include <cstdint>

namespace ecsdb::transaction {

/// How the writer cuts batches, and when it tidies up.
struct WriterOptions {
    /// A batch may have at most this many transactions: beyond it, those of a synced database would wait too long for their sync.
    static constexpr std::size_t most_in_batch = 8192;

    std::size_t batch_transactions = 32;         ///< A batch ends with so many, if not before.
    std::uint64_t batch_ns = 0;                  ///< A batch may be held open so long for more to come.
    std::uint64_t trim_after_ns = 1'000'000'000; ///< Free memory goes back once nothing has been written for so long.
    /// The state is compacted then, too, where so many percent of the memory held are free and cannot go back as it is; 0: never.
    std::uint32_t compact_percent = 0;
    Messages messages{}; ///< Told when memory is refused.
};

} // namespace ecsdb::transaction
