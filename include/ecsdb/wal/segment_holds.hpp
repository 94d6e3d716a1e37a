/// @file
/// Who still needs which segments of the log: what keeps an archive or a copy from being overtaken by its reuse.
#pragma once

#include "ecsdb/core/clock.hpp"
#include "ecsdb/core/list.hpp"

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

namespace ecsdb::wal {

/// The named holders of segments (design D20). What any of them holds is neither removed nor used again, however many snapshots are taken:
/// a holder that never goes on makes the log grow without bound, and `list` tells which one it is.
///
/// Any thread. Must outlive its holds.
class SegmentHolds {
    struct Holder {
        const void* hold;
        std::string name;
        std::uint64_t first_needed;
        std::uint64_t since_ns;
    };

public:
    /// `clock` says since when somebody holds something; it must outlive this.
    explicit SegmentHolds(Clock& clock) noexcept : clock_{&clock} {}
    SegmentHolds(const SegmentHolds&) = delete;
    SegmentHolds& operator=(const SegmentHolds&) = delete;

    /// Holds segments until destroyed. The snapshots of a database have one, from what is needed to recover from the last but one; so has
    /// an archive, which goes on as segments have been copied; a backup and a delta being saved have one for as long as they take. For one
    /// thread at a time.
    class Hold {
    public:
        /// Holds segment `first_needed` and all after it.
        Hold(SegmentHolds& holds, std::string name, std::uint64_t first_needed) : holds_{&holds} {
            const std::lock_guard lock{holds.mutex_};
            holds.holders_.push_back({this, std::move(name), first_needed, holds.clock_->wall_ns()});
        }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold() {
            const std::lock_guard lock{holds_->mutex_};
            erase_if(holds_->holders_, [this](const Holder& holder) { return holder.hold == this; });
        }

        /// Lets go of segments below `first_needed`, which may not go back.
        void advance(std::uint64_t first_needed) noexcept {
            const std::lock_guard lock{holds_->mutex_};
            for (Holder& holder : holds_->holders_) {
                if (holder.hold == this && holder.first_needed < first_needed) {
                    holder.first_needed = first_needed;
                    holder.since_ns = holds_->clock_->wall_ns();
                }
            }
        }

    private:
        SegmentHolds* holds_;
    };

    /// Who holds what, for a person to read.
    struct Listed {
        std::string name;
        std::uint64_t first_needed = 0;
        /// Since when it has needed that one, by the wall clock: long ago, for an archive that does not get on.
        std::uint64_t since_ns = 0;
    };
    [[nodiscard]] List<Listed> list() const {
        const std::lock_guard lock{mutex_};
        List<Listed> listed;
        for (const Holder& holder : holders_) {
            listed.push_back({holder.name, holder.first_needed, holder.since_ns});
        }
        return listed;
    }

    /// The first segment anybody holds, or `otherwise`, whichever is lower. What is below it stays free: nobody may come to need it later.
    [[nodiscard]] std::uint64_t lowest(std::uint64_t otherwise) const noexcept {
        const std::lock_guard lock{mutex_};
        for (const Holder& holder : holders_) {
            otherwise = std::min(otherwise, holder.first_needed);
        }
        return otherwise;
    }

private:
    Clock* clock_;
    mutable std::mutex mutex_; // held for a few instructions
    List<Holder> holders_;
};

} // namespace ecsdb::wal
