/// @file
/// The files behind a database: its log, its snapshots, its manifest, and the participant that feeds them.
#pragma once

#include "ecsdb/options.hpp"
#include "ecsdb/transaction/pipeline.hpp"

namespace ecsdb {
struct RecoveryReport {
    std::uint64_t version = 0;
};
class Durable {
public:
    Result<void> flush(std::uint64_t, Durability) noexcept { return {}; }
    Result<void> snapshot(transaction::Pipeline&) noexcept { return {}; }
    Result<void> close(std::uint64_t) noexcept { return {}; }
};
} // namespace ecsdb
