/// @file
/// Says who keeps old versions, and what that costs.
#pragma once

#include "ecsdb/storage/store.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ecsdb {

/// What a `Holder` keeps from being used again.
enum class HeldThing : std::uint8_t {
    Pages, ///< Of a version, in memory.
    Log,   ///< Segments of the log, on disk.
};

/// Who keeps something old (design D20): a reader pages of its version, or somebody segments of the log from a version on.
struct Holder {
    std::uint64_t version = 0; ///< The version it reads; of the log, the last one before what is held.
    /// Since that version was committed, by the wall clock, 0 for the empty version 0; of the log, since the holder has been there.
    std::uint64_t age_ns = 0;
    /// Retired pages whose newest reader this is; several views of one version hold them together. Of the log, what lies in the segments
    /// that are held, however many hold them.
    std::size_t retained_bytes = 0;
    std::string
        name; ///< As it called itself (`View::set_name`); mostly empty. Of the log: `snapshots`, `archive`, `backup`, `saving a delta`.
    HeldThing held = HeldThing::Pages;
    /// Where all who hold such things bring writes to an end: `Options::memory_limit`, `Options::held_log_limit`. ~0: nowhere.
    std::uint64_t limit_bytes = ~std::uint64_t{0};
};

namespace storage {

namespace detail {

/// Calls `visit(const Root&, const char* name)` for every pin. Writer only. A pin that is just being tried can have announced memory that
/// is no root any more: it is left out.
template <typename Visit>
void for_each_holder(const Store& store, Visit&& visit) {
    store.pins().for_each_pin([&](const Root& root, const char* name) {
        if (root.schema == &store.schema() && root.version <= store.published_version()) {
            visit(root, name == nullptr ? "" : name);
        }
    });
}

[[nodiscard]] inline Holder describe(const Store& store, const Root& root, const char* name, std::uint64_t wall_ns) {
    const std::uint64_t age = root.version == 0 ? 0 : wall_ns - std::min(wall_ns, root.time_ns);
    const std::size_t limit = store.pool().memory_limit();
    return {root.version, age, store.reclaimer().retained_bytes(root.born), name, HeldThing::Pages, limit};
}

} // namespace detail

/// Every reader there is, the one of the oldest version first. Writer only. Cost: O(pins).
[[nodiscard]] inline std::vector<Holder> list_holders(const Store& store, std::uint64_t wall_ns) {
    std::vector<Holder> holders;
    detail::for_each_holder(store,
                            [&](const Root& root, const char* name) { holders.push_back(detail::describe(store, root, name, wall_ns)); });
    std::stable_sort(holders.begin(), holders.end(), [](const Holder& a, const Holder& b) { return a.version < b.version; });
    return holders;
}

/// The holder of the oldest version that keeps pages the newest one does without, if there is any. Writer only. Cost: O(pins).
[[nodiscard]] inline std::optional<Holder> oldest_holder(const Store& store, std::uint64_t wall_ns) {
    std::optional<Holder> oldest;
    detail::for_each_holder(store, [&](const Root& root, const char* name) {
        if (root.version < store.published_version() && (!oldest || root.version < oldest->version)) {
            oldest = detail::describe(store, root, name, wall_ns);
        }
    });
    return oldest;
}

/// For an error that says memory was refused: who could give some back. Empty when no old version is held. Writer only.
[[nodiscard]] inline std::string blame_oldest_holder(const Store& store, std::uint64_t wall_ns) {
    const std::optional<Holder> oldest = oldest_holder(store, wall_ns);
    if (!oldest) {
        return {};
    }
    return "; the oldest view held" + (oldest->name.empty() ? std::string{} : ", `" + oldest->name + "`,") + " is of version " +
           std::to_string(oldest->version) + ", " + std::to_string(oldest->age_ns / 1'000'000) + " ms old, and keeps " +
           std::to_string(oldest->retained_bytes) + " bytes; " + std::to_string(store.reclaimer().retained_bytes()) +
           " are kept for old versions in all";
}

} // namespace storage
} // namespace ecsdb
