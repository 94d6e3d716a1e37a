/// @file
/// All options by name, with what each may be: what opening, configuration files and the environment check them against.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/error.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/options.hpp"
#include "ecsdb/transaction/writer.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace ecsdb {

/// What the value of an option counts, and so how it may be written.
enum class OptionKind : std::uint8_t { Count, Bytes, Nanoseconds, Seconds, Flag, Word, Text };

/// One option. Everything but text is handled as a number: a flag is 0 or 1, a word its position in `words`.
struct OptionEntry {
    std::string_view name; ///< Of the member of `Options`.
    OptionKind kind = OptionKind::Count;
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    const char* most_in_words = nullptr; ///< Where the number alone says little.
    std::uint64_t (*get)(const Options&) noexcept = nullptr;
    void (*set)(Options&, std::uint64_t) noexcept = nullptr;
    std::string Options::*text = nullptr; ///< `Text` only, which has no number.
    std::span<const std::string_view> words = {};
    bool no_end = false; ///< The highest number means that there is no limit, or no end.
};

namespace detail {

inline constexpr std::array<std::string_view, 3> durability_words{"memory", "logged", "synced"}; // In the order of `Durability`.
inline constexpr std::array<std::string_view, 2> mode_words{"read_write", "read_only"};          // In the order of `OpenMode`.
inline constexpr std::uint64_t unbounded = std::numeric_limits<std::uint64_t>::max();

template <auto Member>
[[nodiscard]] constexpr OptionEntry option(std::string_view name, OptionKind kind, std::uint64_t least = 0,
                                           std::uint64_t most = unbounded) noexcept {
    using Value = std::remove_cvref_t<decltype(std::declval<Options&>().*Member)>;
    OptionEntry entry;
    entry.name = name;
    entry.kind = kind;
    entry.least = least;
    entry.most = most;
    if constexpr (std::is_unsigned_v<Value> && !std::is_same_v<Value, bool>) {
        entry.most = most < std::numeric_limits<Value>::max() ? most : std::numeric_limits<Value>::max();
    }
    entry.get = [](const Options& options) noexcept { return static_cast<std::uint64_t>(options.*Member); };
    entry.set = [](Options& options, std::uint64_t value) noexcept { options.*Member = static_cast<Value>(value); };
    return entry;
}
template <auto Member>
[[nodiscard]] constexpr OptionEntry word_option(std::string_view name, std::span<const std::string_view> words) noexcept {
    OptionEntry entry = option<Member>(name, OptionKind::Word, 0, words.size() - 1);
    entry.words = words;
    return entry;
}
[[nodiscard]] constexpr OptionEntry text_option(std::string_view name, std::string Options::*text) noexcept {
    OptionEntry entry;
    entry.name = name;
    entry.kind = OptionKind::Text;
    entry.text = text;
    return entry;
}
[[nodiscard]] constexpr OptionEntry without_end(OptionEntry entry) noexcept {
    entry.no_end = true;
    return entry;
}
[[nodiscard]] constexpr OptionEntry at_most(OptionEntry entry, const char* most_in_words) noexcept {
    entry.most_in_words = most_in_words;
    return entry;
}

} // namespace detail

/// Every option that is a value, in the order of `Options`. A new one needs a line here, and nothing else.
inline constexpr std::array option_table{
    detail::text_option("directory", &Options::directory),
    detail::word_option<&Options::durability>("durability", detail::durability_words),
    detail::option<&Options::publish_before_sync>("publish_before_sync", OptionKind::Flag, 0, 1),
    detail::word_option<&Options::mode>("mode", detail::mode_words),
    detail::option<&Options::shard>("shard", OptionKind::Count, 0, Entity::max_shard),
    detail::option<&Options::initial_bytes>("initial_bytes", OptionKind::Bytes),
    detail::option<&Options::first_block_bytes>("first_block_bytes", OptionKind::Bytes, 1),
    detail::option<&Options::max_block_bytes>("max_block_bytes", OptionKind::Bytes, 1),
    detail::option<&Options::block_growth_percent>("block_growth_percent", OptionKind::Count, 100, 1000),
    detail::without_end(detail::option<&Options::memory_limit>("memory_limit", OptionKind::Bytes)),
    detail::without_end(detail::option<&Options::trim_after_ns>("trim_after_ns", OptionKind::Nanoseconds)),
    detail::option<&Options::compact_percent>("compact_percent", OptionKind::Count, 0, 100),
    detail::option<&Options::queue_transactions>("queue_transactions", OptionKind::Count, 1),
    detail::option<&Options::queue_bytes>("queue_bytes", OptionKind::Bytes),
    detail::without_end(detail::option<&Options::submit_timeout_ns>("submit_timeout_ns", OptionKind::Nanoseconds)),
    detail::option<&Options::batch_transactions>("batch_transactions", OptionKind::Count, 1, transaction::WriterOptions::most_in_batch),
    detail::at_most(detail::option<&Options::batch_ns>("batch_ns", OptionKind::Nanoseconds, 0, 1'000'000'000), "a second"),
    detail::option<&Options::own_thread>("own_thread", OptionKind::Flag, 0, 1),
    detail::option<&Options::segment_bytes>("segment_bytes", OptionKind::Bytes, 4608),
    detail::option<&Options::segment_seconds>("segment_seconds", OptionKind::Seconds),
    detail::option<&Options::spare_segments>("spare_segments", OptionKind::Count),
    detail::without_end(detail::option<&Options::held_log_limit>("held_log_limit", OptionKind::Bytes)),
    detail::option<&Options::snapshot_transactions>("snapshot_transactions", OptionKind::Count),
    detail::option<&Options::snapshot_seconds>("snapshot_seconds", OptionKind::Seconds),
    detail::option<&Options::snapshot_log_bytes>("snapshot_log_bytes", OptionKind::Bytes),
    detail::option<&Options::snapshot_replay_ns>("snapshot_replay_ns", OptionKind::Nanoseconds),
    detail::option<&Options::incremental_snapshots>("incremental_snapshots", OptionKind::Count, 0, 1000),
    detail::option<&Options::incremental_percent>("incremental_percent", OptionKind::Count, 1, 1000),
    detail::option<&Options::compress_snapshots>("compress_snapshots", OptionKind::Flag, 0, 1),
    detail::text_option("archive_directory", &Options::archive_directory),
    detail::option<&Options::archive_keep_bytes>("archive_keep_bytes", OptionKind::Bytes),
    detail::option<&Options::archive_keep_seconds>("archive_keep_seconds", OptionKind::Seconds),
};

/// What a number must be for this option: "1 to 8192".
[[nodiscard]] inline std::string describe_bounds(const OptionEntry& entry) {
    if (entry.most == detail::unbounded) {
        return "at least " + std::to_string(entry.least);
    }
    const std::string most = std::to_string(entry.most) + (entry.most_in_words == nullptr ? "" : ", " + std::string{entry.most_in_words});
    return entry.least == 0 ? "at most " + most : std::to_string(entry.least) + " to " + most;
}

/// Refuses what could not work, by the options' names: `InvalidArgument`. Whether there is a database where they say is not looked at.
[[nodiscard]] inline Result<void> check_options(const Options& options) {
    for (const OptionEntry& entry : option_table) {
        if (entry.kind == OptionKind::Text) {
            continue;
        }
        if (const std::uint64_t value = entry.get(options); value < entry.least || value > entry.most) {
            return Error{ErrorCode::InvalidArgument,
                         "Options::" + std::string{entry.name} + " is " + std::to_string(value) + ", must be " + describe_bounds(entry)};
        }
    }
    const auto more_than = [](const char* one, std::uint64_t value, const char* other, std::uint64_t limit) {
        return Error{ErrorCode::InvalidArgument, std::string{"Options::"} + one + " is " + std::to_string(value) +
                                                     ", more than Options::" + other + ", which is " + std::to_string(limit)};
    };
    if (options.initial_bytes > options.memory_limit) {
        return more_than("initial_bytes", options.initial_bytes, "memory_limit", options.memory_limit);
    }
    if (options.first_block_bytes > options.max_block_bytes) {
        return more_than("first_block_bytes", options.first_block_bytes, "max_block_bytes", options.max_block_bytes);
    }
    const bool writes = options.mode == OpenMode::ReadWrite;
    if (options.directory.empty() && (!writes || options.durability != Durability::Memory)) {
        return Error{ErrorCode::InvalidArgument, std::string{"Options::directory is empty, and Options::"} +
                                                     (writes ? "durability is not Memory" : "mode is ReadOnly") +
                                                     ": a database in memory only can be neither durable nor read-only"};
    }
    if (options.publish_before_sync && writes && options.durability != Durability::Synced) {
        return Error{ErrorCode::InvalidArgument, "Options::publish_before_sync is set, and Options::durability is not Synced: there is no "
                                                 "sync to publish before"};
    }
    if (!options.directory.empty() && writes && options.durability == Durability::Memory) {
        return Error{ErrorCode::InvalidArgument,
                     "Options::directory is given, and Options::durability is Memory: to be written, it must be Logged or Synced"};
    }
    return {};
}

} // namespace ecsdb
