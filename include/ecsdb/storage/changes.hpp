/// @file
/// What the running transaction has done to which entity and row, noted once and only if somebody will consume it.
#pragma once

#include "ecsdb/core/entity.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/schema/schema.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ecsdb::storage {

enum class ChangeKind : std::uint8_t { Created, Destroyed, Added, Removed, Changed };

/// One operation's effect. Several may concern the same row; their order is the order of operations.
struct Change {
    std::uint32_t index;
    TableId table; ///< Meaningless for `Created` and `Destroyed`.
    ChangeKind kind;
    std::uint8_t reserved;
    std::size_t before; ///< `Removed`, `Changed`: where the row's earlier bytes are, see `Changes::before`; otherwise the generation.
};

/// The running transaction's changes, with the bytes rows had before. Writer only. Every note returns false when memory is refused.
class Changes {
public:
    explicit Changes(Allocator& allocator) noexcept : list_{allocator}, before_{allocator} {}

    /// Whether anything is noted from now on. Outside transactions only.
    void set_recording(bool on) noexcept { recording_ = on; }
    [[nodiscard]] bool recording() const noexcept { return recording_; }

    [[nodiscard]] bool created(Entity entity) noexcept { return !recording_ || note(entity, ChangeKind::Created); }
    [[nodiscard]] bool destroyed(Entity entity) noexcept { return !recording_ || note(entity, ChangeKind::Destroyed); }
    [[nodiscard]] bool added(std::uint32_t index, TableId table) noexcept {
        return !recording_ || list_.push({index, table, ChangeKind::Added, 0, 0});
    }
    [[nodiscard]] bool removed(std::uint32_t index, TableId table, const std::byte* row, std::uint32_t row_bytes) noexcept {
        return !recording_ || note(index, table, ChangeKind::Removed, row, row_bytes);
    }
    [[nodiscard]] bool changed(std::uint32_t index, TableId table, const std::byte* row, std::uint32_t row_bytes) noexcept {
        return !recording_ || note(index, table, ChangeKind::Changed, row, row_bytes);
    }

    [[nodiscard]] Slice<const Change> list() const noexcept { return list_.slice(); }
    [[nodiscard]] const std::byte* before(const Change& change) const noexcept { return before_.data() + change.before; }
    /// Forgets everything, and gives what memory it keeps beyond about `most_bytes` back.
    void clear_and_trim(std::size_t most_bytes) noexcept {
        clear();
        list_.clear_and_trim(most_bytes);
        before_.clear_and_trim(most_bytes);
    }
    void clear() noexcept {
        list_.clear();
        before_.clear();
    }

private:
    bool note(Entity entity, ChangeKind kind) noexcept { return list_.push({entity.index(), 0, kind, 0, entity.generation()}); }
    bool note(std::uint32_t index, TableId table, ChangeKind kind, const std::byte* row, std::uint32_t row_bytes) noexcept {
        const std::size_t place = before_.size();
        if (!before_.resize_for_overwrite(place + row_bytes)) {
            return false;
        }
        if (row_bytes != 0) {
            std::memcpy(before_.data() + place, row, row_bytes);
        }
        return list_.push({index, table, kind, 0, place});
    }

    GrowArray<Change> list_;
    GrowArray<std::byte> before_;
    bool recording_ = false;
};

} // namespace ecsdb::storage
