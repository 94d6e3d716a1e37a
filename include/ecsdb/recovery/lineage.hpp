/// @file
/// Whose versions a database's own are: what tells a delta that leads on from one that only has the same numbers.
#pragma once

#include "ecsdb/wal/format.hpp"

#include <cstdint>
#include <mutex>

namespace ecsdb::recovery {

/// The database whose history an open one stands in: its own, or, where it began empty and in memory, the one whose deltas it was given.
/// Copies made by `backup` or `restore` have the id of their original. Any thread.
class Lineage {
public:
    Lineage() = default;
    explicit Lineage(const wal::DatabaseId& own) noexcept : own_{own}, followed_{own} {}
    Lineage(const Lineage&) = delete;
    Lineage& operator=(const Lineage&) = delete;
    ~Lineage() = default;

    /// Settled while opening.
    void begin(const wal::DatabaseId& own) noexcept { own_ = followed_ = own; }

    [[nodiscard]] wal::DatabaseId current() const noexcept {
        const std::lock_guard lock{mutex_};
        return followed_;
    }

    enum class Answer : std::uint8_t {
        Refused,  ///< It is of another database.
        Belongs,  ///< It is of this history.
        Followed, ///< From now on this is the history: `give_up` where nothing comes of it.
    };
    /// Whether a delta of `database` may be applied; `may_follow`: there is no history yet, and nothing that says whose it would be.
    [[nodiscard]] Answer admit(const wal::DatabaseId& database, bool may_follow) noexcept {
        const std::lock_guard lock{mutex_};
        if (database == followed_) {
            return Answer::Belongs;
        }
        if (!may_follow) {
            return Answer::Refused;
        }
        followed_ = database;
        return Answer::Followed;
    }
    /// The history is its own again, unless it is no longer that of `database`.
    void give_up(const wal::DatabaseId& database) noexcept {
        const std::lock_guard lock{mutex_};
        followed_ = followed_ == database ? own_ : followed_;
    }

private:
    mutable std::mutex mutex_; // never held for long, and by nobody who reads or commits
    wal::DatabaseId own_{};
    wal::DatabaseId followed_{};
};

} // namespace ecsdb::recovery
