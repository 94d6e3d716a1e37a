/// @file
/// Gives retired nodes back to the pool once no pinned version needs them.
#pragma once

#include "ecsdb/core/counters.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/hints.hpp"
#include "ecsdb/storage/page.hpp"
#include "ecsdb/storage/pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ecsdb::storage {

/// The writer's list of nodes that newer versions no longer contain (design D5).
///
/// A node born in b and retired in r is needed by a pin p exactly when b <= p < r. The pins are read once per many retired nodes; a node a
/// pin still needs is filed under the newest such pin and looked at again only when that pin has gone: what is retained is never rescanned.
/// Writer only.
class Reclaimer {
public:
    Reclaimer(Allocator& allocator, PagePool& pool) noexcept : allocator_{&allocator}, pool_{&pool}, limbo_order_{allocator} {}
    Reclaimer(const Reclaimer&) = delete;
    Reclaimer& operator=(const Reclaimer&) = delete;
    ~Reclaimer() {
        if (pins_ != nullptr) {
            allocator_->deallocate(pins_, pin_capacity_ * sizeof(Stamp), alignof(Stamp));
        }
    }

    /// Notes that versions from `stamp` on do without `node`. Stamps never decrease from call to call.
    void retire(Node* node, Stamp stamp) noexcept {
        node->retired = stamp;
        limbo_.append(node);
        if (limbo_order_.size() < most_hints) {
            static_cast<void>(limbo_order_.push(node));
        }
        retired_bytes_.add(node->bytes);
        ++limbo_count_;
    }

    /// The same for every node of a magazine, which goes with them.
    void retire_all(Magazine& magazine, Stamp stamp) noexcept {
        magazine.retired = stamp;
        magazine.next = nullptr;
        (limbo_magazines_ == nullptr ? limbo_magazines_ : last_magazine_->next) = &magazine;
        last_magazine_ = &magazine;
        retired_bytes_.add(bytes_of(magazine));
        limbo_count_ += magazine.count;
    }

    /// True when enough has been retired since the last look to be worth reading the pins.
    [[nodiscard]] bool due(std::size_t slot_count) const noexcept { return limbo_count_ >= std::max<std::size_t>(16, 2 * slot_count); }
    /// True when a look could free something at all.
    [[nodiscard]] bool holds_anything() const noexcept {
        return limbo_.first != nullptr || limbo_magazines_ != nullptr || unfiled_.first != nullptr || buckets_ != nullptr;
    }
    /// Bytes in nodes that only older versions contain. Any thread.
    [[nodiscard]] std::size_t retired_bytes() const noexcept { return retired_bytes_.get(); }
    /// Of those, bytes that the last look found some pinned version to need. Any thread.
    [[nodiscard]] std::size_t retained_bytes() const noexcept { return retained_bytes_.get(); }
    /// Of those, bytes whose newest reader is pinned with stamp `pin`: what goes when it goes, as far as no older one needs it too. Cost:
    /// O(pinned versions).
    [[nodiscard]] std::size_t retained_bytes(Stamp pin) const noexcept {
        const Bucket* bucket = buckets_;
        while (bucket != nullptr && bucket->pin != pin) {
            bucket = bucket->next_bucket;
        }
        return bucket == nullptr ? 0 : bucket->bytes_filed;
    }

    /// Reads the pins and frees what none of them needs. `published` is the stamp of the version a reader can pin now. `pins` is the pin
    /// table; a root's pin stamp is its `born`. Cost: O(slots + nodes retired since the last look + nodes filed under pins that went).
    template <typename Pins>
    void collect(const Pins& pins, Stamp published) noexcept {
        if (!read_pins(pins)) {
            return;
        }
        // Buckets first: what they release may have to be filed again under an older pin.
        Bucket** link = &buckets_;
        List loose = std::exchange(unfiled_, {});
        while (*link != nullptr) {
            Bucket* const bucket = *link;
            if (std::binary_search(pins_, pins_ + pin_count_, bucket->pin)) {
                link = &bucket->next_bucket;
                continue;
            }
            *link = bucket->next_bucket;
            loose.splice(bucket->nodes);
            retained_bytes_.set(retained_bytes_.get() - bucket->bytes_filed);
            pool_->give(bucket);
        }
        while (Node* const node = loose.pop()) {
            free_or_file(node);
        }
        // Limbo is in order of retirement; what was retired by a version not yet published stays.
        std::size_t ahead = 16; // nodes between a hint and its use
        while (limbo_.first != nullptr && limbo_.first->retired <= published) {
            if (++ahead < limbo_order_.size()) {
                prefetch_for_write(limbo_order_[ahead]);
            }
            Node* const node = limbo_.pop();
            --limbo_count_;
            free_or_file(node);
        }
        limbo_order_.clear();
        // The depot gives the last first: what was retired first is given last, so that pages are reused in the order of their rows.
        Magazine* newest_first = nullptr;
        while (limbo_magazines_ != nullptr && limbo_magazines_->retired <= published) {
            Magazine* const magazine = std::exchange(limbo_magazines_, limbo_magazines_->next);
            limbo_count_ -= magazine->count;
            magazine->next = std::exchange(newest_first, magazine);
        }
        while (newest_first != nullptr) {
            Magazine* const magazine = std::exchange(newest_first, newest_first->next);
            free_or_file(*magazine);
        }
    }

    /// Takes back the retirement of everything retired with `stamp` or later, because the versions that did so are discarded.
    void unretire_since(Stamp stamp) noexcept {
        List kept;
        std::size_t count = 0;
        while (Node* const node = limbo_.pop()) {
            if (node->retired < stamp) {
                kept.append(node);
                ++count;
            } else {
                retired_bytes_.set(retired_bytes_.get() - node->bytes);
            }
        }
        limbo_ = kept;
        limbo_count_ = count;
        Magazine* magazine = std::exchange(limbo_magazines_, nullptr);
        while (magazine != nullptr) {
            Magazine* const next = magazine->next;
            retired_bytes_.set(retired_bytes_.get() - bytes_of(*magazine));
            if (magazine->retired < stamp) {
                retire_all(*magazine, magazine->retired);
            } else {
                pool_->put_away(*magazine);
            }
            magazine = next;
        }
    }

private:
    static constexpr std::size_t most_hints = std::size_t{1} << 16U;

    struct List {
        Node* first = nullptr;
        Node* last = nullptr;

        void append(Node* node) noexcept {
            node->next = nullptr;
            (first == nullptr ? first : last->next) = node;
            last = node;
        }
        Node* pop() noexcept {
            Node* const node = first;
            if (node != nullptr) {
                first = node->next;
            }
            return node;
        }
        void splice(const List& other) noexcept {
            if (other.first != nullptr) {
                (first == nullptr ? first : last->next) = other.first;
                last = other.last;
            }
        }
    };
    /// The nodes whose newest reader is `pin`. Kept in a node of the pool, so filing allocates nothing from outside.
    struct Bucket : Node {
        Stamp pin;
        List nodes;
        std::size_t bytes_filed;
        Bucket* next_bucket;
    };

    template <typename Pins>
    bool read_pins(const Pins& pins) noexcept {
        const std::size_t slots = pins.slot_count();
        if (slots > pin_capacity_) {
            auto* const larger = static_cast<Stamp*>(allocator_->allocate(slots * sizeof(Stamp), alignof(Stamp)));
            if (larger == nullptr) {
                return false;
            }
            if (pins_ != nullptr) {
                allocator_->deallocate(pins_, pin_capacity_ * sizeof(Stamp), alignof(Stamp));
            }
            pins_ = larger;
            pin_capacity_ = slots;
        }
        pin_count_ = 0;
        bool fits = true;
        const bool complete = pins.scan([&](const Node& root) {
            if (pin_count_ == pin_capacity_) {
                fits = false; // slots were added meanwhile; the next look has room for them
            } else {
                pins_[pin_count_++] = root.born;
            }
        });
        std::sort(pins_, pins_ + pin_count_);
        return complete && fits;
    }

    [[nodiscard]] static std::size_t bytes_of(const Magazine& magazine) noexcept {
        return std::size_t{magazine.count} * magazine.node_bytes;
    }

    void free_or_file(Magazine& magazine) noexcept {
        const Stamp* const above = std::lower_bound(pins_, pins_ + pin_count_, magazine.retired);
        if (above == pins_ || *(above - 1) < magazine.oldest_born) {
            retired_bytes_.set(retired_bytes_.get() - bytes_of(magazine));
            pool_->give_all(magazine);
            return;
        }
        // Some pin needs some of them: they part ways.
        for (std::uint32_t i = 0; i < magazine.count; ++i) {
            magazine.nodes[i]->retired = magazine.retired;
            free_or_file(magazine.nodes[i]);
        }
        pool_->put_away(magazine);
    }

    void free_or_file(Node* node) noexcept {
        const Stamp* const above = std::lower_bound(pins_, pins_ + pin_count_, node->retired);
        if (above != pins_ && *(above - 1) >= node->born) {
            Bucket* const bucket = bucket_of(*(above - 1));
            if (bucket == nullptr) {
                unfiled_.append(node); // no memory for a bucket: looked at again next time
                return;
            }
            bucket->nodes.append(node);
            bucket->bytes_filed += node->bytes;
            retained_bytes_.add(node->bytes);
            return;
        }
        retired_bytes_.set(retired_bytes_.get() - node->bytes);
        pool_->give(node);
    }

    Bucket* bucket_of(Stamp pin) noexcept {
        for (Bucket* bucket = buckets_; bucket != nullptr; bucket = bucket->next_bucket) {
            if (bucket->pin == pin) {
                return bucket;
            }
        }
        Node* const node = pool_->take(sizeof(Bucket));
        if (node == nullptr) {
            return nullptr;
        }
        auto* const bucket = static_cast<Bucket*>(node);
        bucket->pin = pin;
        bucket->nodes = {};
        bucket->bytes_filed = 0;
        bucket->next_bucket = buckets_;
        buckets_ = bucket;
        return bucket;
    }

    Allocator* allocator_;
    PagePool* pool_;
    List limbo_;
    GrowArray<const Node*> limbo_order_; ///< What has come into limbo since the last look, as far as memory was given: to prefetch by.
    List unfiled_;
    Magazine* limbo_magazines_ = nullptr; ///< In order of retirement too.
    Magazine* last_magazine_ = nullptr;
    std::size_t limbo_count_ = 0;
    Counter retired_bytes_;
    Counter retained_bytes_;
    Bucket* buckets_ = nullptr;
    Stamp* pins_ = nullptr;
    std::size_t pin_capacity_ = 0;
    std::size_t pin_count_ = 0;
};

} // namespace ecsdb::storage
