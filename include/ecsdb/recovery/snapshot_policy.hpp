/// @file
/// When a snapshot is due, and whether the next one may be incremental: decided from numbers alone.
#pragma once

#include "ecsdb/options.hpp"
#include "ecsdb/recovery/manifest.hpp"

#include <algorithm>
#include <cstdint>

namespace ecsdb::recovery {

/// What has happened since the newest snapshot.
struct SinceSnapshot {
    std::uint64_t transactions = 0;
    std::uint64_t log_bytes = 0;
    std::uint64_t ns = 0; ///< Since it was taken, or since the database was opened.
};

/// How long opening would replay the log for. Rows of a game's size replay at about 8 million a second, transactions of one row at 2.5
/// million (docs/benchmarks.md, `replay`).
[[nodiscard]] inline std::uint64_t estimated_replay_ns(const SinceSnapshot& since) noexcept {
    return since.transactions * 300 + since.log_bytes * 4;
}

/// The rules of one database, as its options have them.
class SnapshotPolicy {
public:
    explicit SnapshotPolicy(const Options& options) noexcept
        : transactions_{options.snapshot_transactions}, seconds_{options.snapshot_seconds}, log_bytes_{options.snapshot_log_bytes},
          replay_ns_{options.snapshot_replay_ns}, incremental_{options.incremental_snapshots}, percent_{options.incremental_percent} {}

    /// Whether the database takes snapshots by itself at all.
    [[nodiscard]] bool is_automatic() const noexcept { return transactions_ != 0 || seconds_ != 0 || log_bytes_ != 0 || replay_ns_ != 0; }
    /// Whether there are ever incremental ones.
    [[nodiscard]] bool has_incremental() const noexcept { return incremental_ != 0; }

    /// Whether there is something to save, and it is time.
    [[nodiscard]] bool is_due(const SinceSnapshot& since) const noexcept {
        const auto reached = [](std::uint64_t limit, std::uint64_t value) { return limit != 0 && value >= limit; };
        return since.transactions != 0 &&
               (reached(transactions_, since.transactions) || reached(log_bytes_, since.log_bytes) ||
                reached(std::uint64_t{seconds_} * 1'000'000'000, since.ns) || reached(replay_ns_, estimated_replay_ns(since)));
    }

    /// Whether another incremental snapshot may follow `chain`: not where it is long already, or its incremental ones are large beside its
    /// full one.
    [[nodiscard]] bool may_follow(const SnapshotChain& chain) const noexcept {
        if (chain.empty() || chain.size() > incremental_) {
            return false;
        }
        std::uint64_t changes = 0;
        for (std::size_t i = 1; i < chain.size(); ++i) {
            changes += chain[i].size;
        }
        return changes < chain.front().size / 100 * percent_ + chain.front().size % 100 * percent_ / 100;
    }

private:
    std::uint64_t transactions_;
    std::uint32_t seconds_;
    std::uint64_t log_bytes_;
    std::uint64_t replay_ns_;
    std::uint32_t incremental_;
    std::uint32_t percent_;
};

/// How long to wait after a failure before trying again: a second, and twice as long after each further one, up to five minutes.
class BackOff {
public:
    void failed(std::uint64_t now_ns) noexcept {
        pause_ns_ = std::min(pause_ns_ == 0 ? first_ns : pause_ns_ * 2, most_ns);
        next_ns_ = now_ns + pause_ns_;
    }
    void succeeded() noexcept { pause_ns_ = next_ns_ = 0; }
    [[nodiscard]] bool may_try(std::uint64_t now_ns) const noexcept { return now_ns >= next_ns_; }

private:
    static constexpr std::uint64_t first_ns = 1'000'000'000;
    static constexpr std::uint64_t most_ns = 300 * first_ns;

    std::uint64_t pause_ns_ = 0;
    std::uint64_t next_ns_ = 0;
};

} // namespace ecsdb::recovery
