/// @file
/// Who holds which key: from a key to the rows that have it, and from an entity's field to the key it has.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/hints.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace ecsdb::constraint {

/// A multimap both ways: from a key to the entities whose slots hold it, and from an entity's slot to the keys it holds. What a key is, and
/// which field a slot stands for, is the caller's business.
///
/// Keys must be well mixed: their low bits choose the place. Writer only. Cost: adding and finding O(1), removing O(keys of the entity's
/// slot), however many share a key. About 60 bytes per entry.
class KeyIndex {
public:
    using Id = std::uint32_t;
    static constexpr Id none = 0xFFFFFFFFU;

    /// One key of one entity's slot. `marks` is for the caller.
    struct Entry {
        std::uint64_t key;
        std::uint32_t source; ///< The entity's index.
        std::uint32_t slot;
        std::uint32_t marks;
        Id next; ///< Of the same key …
        Id previous;
        Id next_of_source; ///< … and of the same entity's slot.
    };

    /// Slots are numbered below `slot_count`.
    KeyIndex(std::size_t slot_count, Allocator& allocator) noexcept
        : allocator_{&allocator}, slot_count_{slot_count}, entries_{allocator}, free_{allocator}, groups_{allocator}, sources_{allocator} {}
    KeyIndex(const KeyIndex&) = delete;
    KeyIndex& operator=(const KeyIndex&) = delete;
    ~KeyIndex() { drop_sources(); }

    [[nodiscard]] Entry& operator[](Id id) noexcept { return entries_[id]; }
    [[nodiscard]] const Entry& operator[](Id id) const noexcept { return entries_[id]; }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size() - free_.size(); }

    /// The first entry of a key; go on with `Entry::next` until `none`. Valid until the index changes.
    [[nodiscard]] Id first_of_key(std::uint64_t key) const noexcept { return groups_.empty() ? none : groups_[place_of(key)].head; }
    /// The first entry of an entity's slot; go on with `Entry::next_of_source`.
    [[nodiscard]] Id first_of_source(std::uint32_t source, std::uint32_t slot) const noexcept {
        const Id* const first = find_first(source, slot);
        return first == nullptr ? none : *first;
    }
    /// Whether an entry shares its key with no other.
    [[nodiscard]] bool is_alone(Id id) const noexcept { return entries_[id].next == none && entries_[id].previous == none; }

    // Hints that an entity's slot will be looked up, and another key be given to it: first where its entries begin, then those and the
    // room for a new one, then the place of the key it has, each once what was hinted at before is there.
    void prefetch_source(std::uint32_t source, std::uint32_t slot) const noexcept { prefetch_for_read(find_first(source, slot)); }
    void prefetch_entry(std::uint32_t source, std::uint32_t slot) const noexcept {
        if (const Id id = first_of_source(source, slot); id != none) {
            prefetch_for_read(&entries_[id]);
        }
    }
    void prefetch_group(std::uint32_t source, std::uint32_t slot) const noexcept {
        if (const Id id = first_of_source(source, slot); id != none) {
            prefetch_key(entries_[id].key);
        }
    }
    void prefetch_key(std::uint64_t key) const noexcept {
        if (!groups_.empty()) {
            prefetch_for_read(&groups_[tag_of(key) & (groups_.size() - 1)]);
        }
    }
    /// The room the entry after `ahead` others will take.
    void prefetch_room(std::size_t ahead) const noexcept {
        if (ahead < free_.size()) {
            prefetch_for_write(&entries_[free_[free_.size() - 1 - ahead]]);
        }
    }

    /// `none` when memory is refused; nothing has changed then.
    [[nodiscard]] Id add(std::uint64_t key, std::uint32_t source, std::uint32_t slot, std::uint32_t marks) noexcept {
        Id* const first = make_room(source, slot);
        if (first == nullptr) {
            return none;
        }
        Id id = static_cast<Id>(entries_.size());
        if (!free_.empty()) {
            id = free_.back();
            free_.shrink_to(free_.size() - 1);
        } else {
            static_cast<void>(entries_.push({})); // there is room
        }
        Group& group = groups_[place_of(key)];
        group_count_ += group.head == none ? 1U : 0U;
        entries_[id] = {key, source, slot, marks, group.head, none, *first};
        if (group.head != none) {
            entries_[group.head].previous = id;
        }
        group = {tag_of(key), id};
        *first = id;
        return id;
    }

    void remove(Id id) noexcept {
        const Entry& entry = entries_[id];
        Id* link = find_first(entry.source, entry.slot);
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
        static_cast<void>(free_.push(id)); // `make_room` has kept room for every entry
    }

    void clear() noexcept {
        entries_.clear();
        free_.clear();
        drop_sources();
        for (Group& group : groups_) {
            group.head = none;
        }
        group_count_ = 0;
    }

private:
    /// The entries of one key.
    struct Group {
        std::uint32_t tag;
        Id head; ///< `none`: the place is free.
    };

    static constexpr std::uint32_t page_shift = 9;
    static constexpr std::size_t page_bytes = sizeof(Id) << page_shift;

    /// What of a key chooses its place, and tells most keys apart without reading their entries.
    [[nodiscard]] static std::uint32_t tag_of(std::uint64_t key) noexcept { return static_cast<std::uint32_t>(key); }

    /// Where `key` is, or where it would go.
    [[nodiscard]] std::size_t place_of(std::uint64_t key) const noexcept {
        const std::size_t mask = groups_.size() - 1;
        std::size_t place = tag_of(key) & mask;
        while (groups_[place].head != none && (groups_[place].tag != tag_of(key) || entries_[groups_[place].head].key != key)) {
            place = (place + 1) & mask;
        }
        return place;
    }

    /// Frees a place and moves up what had to go past it, so that no search ends early.
    void close_gap(std::size_t gap) noexcept {
        const std::size_t mask = groups_.size() - 1;
        for (std::size_t place = (gap + 1) & mask; groups_[place].head != none; place = (place + 1) & mask) {
            const std::size_t wanted = groups_[place].tag & mask;
            if (((place - wanted) & mask) >= ((place - gap) & mask)) {
                groups_[gap] = groups_[place];
                gap = place;
            }
        }
        groups_[gap].head = none;
    }

    /// Where the first entry of an entity's slot is written, or null where no entity near it has that slot.
    [[nodiscard]] Id* find_first(std::uint32_t source, std::uint32_t slot) const noexcept {
        const std::size_t page = std::size_t{source >> page_shift} * slot_count_ + slot;
        return page >= sources_.size() || sources_[page] == nullptr ? nullptr : sources_[page] + (source & ((1U << page_shift) - 1U));
    }

    /// `find_first`, with the page made where it is not there and room for one more entry. Null when memory is refused.
    [[nodiscard]] Id* make_room(std::uint32_t source, std::uint32_t slot) noexcept {
        if (free_.empty() && (entries_.size() == none || !entries_.reserve_more(1) || !free_.reserve_more(entries_.size() + 1))) {
            return nullptr;
        }
        if ((group_count_ + 1) * 4 > groups_.size() * 3 && !grow_groups()) {
            return nullptr;
        }
        Id* const first = find_first(source, slot);
        return first == nullptr ? add_page(source, slot) : first;
    }

    ECSDB_NOINLINE Id* add_page(std::uint32_t source, std::uint32_t slot) noexcept {
        const std::size_t before = sources_.size();
        if (const std::size_t needed = (std::size_t{source >> page_shift} + 1) * slot_count_; needed > before) {
            if (!sources_.resize_for_overwrite(needed)) {
                return nullptr;
            }
            std::fill(sources_.begin() + before, sources_.end(), nullptr);
        }
        auto* const page = static_cast<Id*>(allocator_->allocate(page_bytes, alignof(Id)));
        if (page == nullptr) {
            return nullptr;
        }
        std::fill_n(page, std::size_t{1} << page_shift, none);
        sources_[std::size_t{source >> page_shift} * slot_count_ + slot] = page;
        return find_first(source, slot);
    }
    void drop_sources() noexcept {
        for (Id* const page : sources_) {
            if (page != nullptr) {
                allocator_->deallocate(page, page_bytes, alignof(Id));
            }
        }
        sources_.clear();
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
        const std::size_t mask = groups_.size() - 1;
        for (const Group& group : larger) {
            if (group.head != none) {
                std::size_t place = group.tag & mask;
                while (groups_[place].head != none) {
                    place = (place + 1) & mask;
                }
                groups_[place] = group;
            }
        }
        return true;
    }

    Allocator* allocator_;
    std::size_t slot_count_;
    GrowArray<Entry> entries_;
    GrowArray<Id> free_;      ///< Entries to be used again.
    GrowArray<Group> groups_; ///< Open addressing; a power of two, at most three quarters full.
    GrowArray<Id*> sources_;  ///< By entity index in pages, one per slot: a page lies at its number × slots + slot, null where not needed.
    std::size_t group_count_ = 0;
};

} // namespace ecsdb::constraint
