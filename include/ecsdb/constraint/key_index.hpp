/// @file
/// Who holds which key: from a key to the rows that have it, and from an entity to the keys its rows have.
#pragma once

#include "ecsdb/core/grow_array.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace ecsdb::constraint {

/// A multimap both ways. What a key is, and which field a slot stands for, is the caller's business.
///
/// Keys must be well mixed: their low bits choose the place. Writer only. Cost: adding and finding O(1), removing O(keys of the entity),
/// however many share a key. About 60 bytes per entry.
class KeyIndex {
public:
    using Id = std::uint32_t;
    static constexpr Id none = 0xFFFFFFFFU;

    /// One field of one row. `marks` is for the caller.
    struct Entry {
        std::uint64_t key;
        std::uint32_t source; ///< The entity's index.
        std::uint32_t slot;
        std::uint32_t marks;
        Id next; ///< Of the same key …
        Id previous;
        Id next_of_source; ///< … and of the same entity.
    };

    explicit KeyIndex(Allocator& allocator) noexcept
        : allocator_{&allocator}, entries_{allocator}, groups_{allocator}, sources_{allocator} {}

    [[nodiscard]] Entry& operator[](Id id) noexcept { return entries_[id]; }
    [[nodiscard]] const Entry& operator[](Id id) const noexcept { return entries_[id]; }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size() - free_count_; }

    /// The first entry of a key; go on with `Entry::next` until `none`. Valid until the index changes.
    [[nodiscard]] Id first_of_key(std::uint64_t key) const noexcept { return groups_.empty() ? none : groups_[place_of(key)].head; }
    /// Whether no other entry has its key.
    [[nodiscard]] bool is_alone(Id id) const noexcept { return entries_[id].next == none && entries_[id].previous == none; }
    /// The first entry of an entity; go on with `Entry::next_of_source`.
    [[nodiscard]] Id first_of_source(std::uint32_t source) const noexcept { return source < sources_.size() ? sources_[source] : none; }

    // Hints that a key, or an entity's keys, will be looked for: first where the entity's keys begin, then those, then the keys they have,
    // each once what was hinted at before is there.
    void prefetch_keys_of(std::uint32_t source) const noexcept {
        if (const Id id = first_of_source(source); id != none) {
            __builtin_prefetch(&entries_[id]);
        }
    }
    void prefetch_groups_of(std::uint32_t source) const noexcept {
        if (const Id id = first_of_source(source); id != none) {
            prefetch_key(entries_[id].key);
        }
    }
    void prefetch_key(std::uint64_t key) const noexcept {
        if (!groups_.empty()) {
            __builtin_prefetch(&groups_[key & (groups_.size() - 1)]);
        }
    }
    void prefetch_source(std::uint32_t source) const noexcept {
        if (source < sources_.size()) {
            __builtin_prefetch(&sources_[source]);
        }
    }

    /// `none` when memory is refused; nothing has changed then.
    [[nodiscard]] Id add(std::uint64_t key, std::uint32_t source, std::uint32_t slot, std::uint32_t marks) noexcept {
        if (!make_room(source)) {
            return none;
        }
        Id id = free_;
        if (id != none) {
            free_ = entries_[id].next;
            --free_count_;
        } else {
            id = static_cast<Id>(entries_.size());
            static_cast<void>(entries_.push({})); // there is room
        }
        Group& group = groups_[place_of(key)];
        group_count_ += group.head == none ? 1U : 0U;
        entries_[id] = {key, source, slot, marks, group.head, none, sources_[source]};
        if (group.head != none) {
            entries_[group.head].previous = id;
        }
        group = {key, id};
        sources_[source] = id;
        return id;
    }

    void remove(Id id) noexcept {
        const Entry& entry = entries_[id];
        Id* link = &sources_[entry.source];
        while (*link != id) {
            link = &entries_[*link].next_of_source;
        }
        *link = entry.next_of_source;
        if (entry.next != none) {
            entries_[entry.next].previous = entry.previous;
        }
        if (entry.previous != none) {
            entries_[entry.previous].next = entry.next;
        } else if (const std::size_t place = place_of(entry.key); entry.next != none) {
            groups_[place].head = entry.next;
        } else {
            close_gap(place);
            --group_count_;
        }
        entries_[id].next = free_;
        free_ = id;
        ++free_count_;
    }

    void clear() noexcept {
        entries_.clear();
        sources_.clear();
        for (Group& group : groups_) {
            group.head = none;
        }
        group_count_ = 0;
        free_ = none;
        free_count_ = 0;
    }

private:
    /// The entries of one key.
    struct Group {
        std::uint64_t key;
        Id head; ///< `none`: the place is free.
    };

    /// Where `key` is, or where it would go.
    [[nodiscard]] std::size_t place_of(std::uint64_t key) const noexcept {
        const std::size_t mask = groups_.size() - 1;
        std::size_t place = key & mask;
        while (groups_[place].head != none && groups_[place].key != key) {
            place = (place + 1) & mask;
        }
        return place;
    }

    /// Frees a place and moves up what had to go past it, so that no search ends early.
    void close_gap(std::size_t gap) noexcept {
        const std::size_t mask = groups_.size() - 1;
        for (std::size_t place = (gap + 1) & mask; groups_[place].head != none; place = (place + 1) & mask) {
            const std::size_t wanted = groups_[place].key & mask;
            if (((place - wanted) & mask) >= ((place - gap) & mask)) {
                groups_[gap] = groups_[place];
                gap = place;
            }
        }
        groups_[gap].head = none;
    }

    bool make_room(std::uint32_t source) noexcept {
        if (free_ == none && (entries_.size() == none || !entries_.reserve_more(1))) {
            return false;
        }
        if (source >= sources_.size()) {
            const std::size_t before = sources_.size();
            if (!sources_.resize_for_overwrite(std::size_t{source} + 1)) {
                return false;
            }
            for (std::size_t i = before; i < sources_.size(); ++i) {
                sources_[i] = none;
            }
        }
        return (group_count_ + 1) * 4 <= groups_.size() * 3 || grow_groups();
    }

    ECSDB_NOINLINE bool grow_groups() noexcept {
        GrowArray<Group> larger{*allocator_};
        if (!larger.resize_for_overwrite(groups_.empty() ? 64 : groups_.size() * 2)) {
            return false;
        }
        for (Group& group : larger) {
            group = {0, none};
        }
        std::swap(groups_, larger);
        for (const Group& group : larger) {
            if (group.head != none) {
                groups_[place_of(group.key)] = group;
            }
        }
        return true;
    }

    Allocator* allocator_;
    GrowArray<Entry> entries_;
    GrowArray<Group> groups_; ///< Open addressing; a power of two, at most three quarters full.
    GrowArray<Id> sources_;   ///< By entity index.
    std::size_t group_count_ = 0;
    Id free_ = none; ///< Entries to be used again, linked by `next`.
    std::size_t free_count_ = 0;
};

} // namespace ecsdb::constraint
