/// @file
/// The tools a batch builds its version with: fresh nodes, copy-on-first-touch, and a way back for the running transaction.
#pragma once

#include "ecsdb/core/hints.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/storage/pool.hpp"
#include "ecsdb/storage/reclaim.hpp"
#include "ecsdb/storage/undo.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace ecsdb::storage {

/// Everything that creates, copies and replaces nodes goes through here, so that the rules of versions live in one place:
/// a node born with the batch's own stamp is changed in place, any other is copied first and retired, unless it is shared. Writer only.
class Workspace {
public:
    Workspace(Allocator& allocator, PagePool& pool, Reclaimer& reclaimer) noexcept
        : pool_{&pool}, reclaimer_{&reclaimer}, undo_{allocator} {}

    [[nodiscard]] Stamp stamp() const noexcept { return stamp_; }
    void set_stamp(Stamp stamp) noexcept { stamp_ = stamp; }
    [[nodiscard]] UndoLog& undo() noexcept { return undo_; }
    [[nodiscard]] PagePool& pool() noexcept { return *pool_; }

    [[nodiscard]] bool owns(const Node* node) const noexcept { return node->born == stamp_; }

    /// A node of this batch with stale contents. Null when memory is refused.
    [[nodiscard]] Node* allocate(std::uint32_t bytes) noexcept {
        Node* const node = pool_->take(bytes);
        if (node != nullptr) [[likely]] {
            node->born = stamp_;
            node->timeline = 0;
        }
        return node;
    }

    /// Makes the root one of this batch, as `own` does with other nodes; null when memory is refused.
    template <typename T>
    [[nodiscard]] T* own_root(T*& place) noexcept {
        if (!owns(place)) {
            Node* const copy = pool_->take_stable();
            if (copy == nullptr) {
                return nullptr;
            }
            copy_over(*copy, *place);
            reclaimer_->retire(place, stamp_);
            place = static_cast<T*>(copy);
        }
        return place;
    }
    /// A root of this batch, zero past its header. Null when memory is refused.
    [[nodiscard]] Node* allocate_root() noexcept {
        Node* const node = pool_->take_stable();
        if (node != nullptr) {
            node->born = stamp_;
            node->timeline = 0;
            std::memset(reinterpret_cast<std::byte*>(node) + sizeof(Node), 0, node->bytes - sizeof(Node));
        }
        return node;
    }

    /// A node of this batch, zero past its header.
    [[nodiscard]] Node* allocate_zeroed(std::uint32_t bytes) noexcept {
        Node* const node = allocate(bytes);
        if (node != nullptr) {
            std::memset(reinterpret_cast<std::byte*>(node) + sizeof(Node), 0, node->bytes - sizeof(Node));
        }
        return node;
    }

    /// Makes the node at `place` one of this batch: itself, or a copy that takes its place while the original retires. Copies share their
    /// contents with the original, so a rolled-back transaction may leave them behind. Null when memory is refused; nothing changed then.
    template <typename T>
    [[nodiscard]] ECSDB_ALWAYS_INLINE T* own(T*& place) noexcept {
        if (!owns(place)) [[unlikely]] {
            Node* const copy = copy_of(place);
            if (copy == nullptr) {
                return nullptr;
            }
            place = static_cast<T*>(copy);
        }
        return place;
    }

    /// Lets go of a node whose place was taken outside any transaction's way back (tree nodes that grew).
    void release(Node* node) noexcept {
        if (owns(node)) {
            pool_->give(node);
        } else if (!node->is_shared()) [[likely]] {
            reclaimer_->retire(node, stamp_);
        }
    }

    /// Puts `fresh` (or null) in the place of the node (or null) at `place`, and back again if the transaction fails. The node that goes is
    /// let go of when the transaction stands; until then it stays as it is.
    [[nodiscard]] bool replace(Node*& place, Node* fresh) noexcept {
        if (!undo_.note(&place, sizeof(Node*))) {
            if (fresh != nullptr) {
                pool_->give(fresh);
            }
            return false;
        }
        if (place != nullptr) {
            place->retired = link_of(replaced_);
            replaced_ = place;
        }
        if (fresh != nullptr) {
            fresh->next = created_;
            created_ = fresh;
        }
        place = fresh;
        return true;
    }

    /// The same for whole runs of pages of one size that another thread took from the pool: `fresh[i]` goes where `places[i]` is, which
    /// holds a page. One note for all of them, and what goes is let go of together. On false nothing has changed, and the pages are the
    /// caller's.
    [[nodiscard]] bool replace_pages(Slice<Node*> places, Slice<Node* const> fresh) noexcept {
        if (!undo_.note(places.data(), places.size() * sizeof(Node*))) {
            return false;
        }
        pool_->adopt(fresh.size() * fresh[0]->bytes);
        for (std::size_t i = 0; i < places.size(); ++i) {
            if (i + prefetched < places.size()) {
                prefetch_for_write(fresh[i + prefetched]);
                prefetch_for_read(places[i + prefetched]);
            }
            Node* const old = std::exchange(places[i], fresh[i]);
            fresh[i]->born = stamp_;
            fresh[i]->timeline = 0;
            fresh[i]->next = created_;
            created_ = fresh[i];
            if (owns(old) || !put_in_magazine(old)) {
                old->retired = link_of(replaced_);
                replaced_ = old;
            }
        }
        return true;
    }

    /// The running transaction's changes stand.
    void keep() noexcept {
        undo_.clear();
        while (replaced_ != nullptr) {
            Node* const node = replaced_;
            replaced_ = node_of(node->retired);
            release(node);
        }
        while (Magazine* const magazine = pop_magazine()) {
            reclaimer_->retire_all(*magazine, stamp_);
        }
        created_ = nullptr;
    }

    /// The running transaction's changes never were.
    void undo_all() noexcept {
        undo_.roll_back_to(0);
        while (created_ != nullptr) {
            Node* const node = created_;
            created_ = node->next;
            pool_->give(node);
        }
        replaced_ = nullptr;
        while (Magazine* const magazine = pop_magazine()) {
            pool_->put_away(*magazine);
        }
    }

private:
    static constexpr std::size_t prefetched = 12;

    /// A copy of `node`, which retires. Null when memory is refused.
    ECSDB_NOINLINE Node* copy_of(Node* node) noexcept {
        Node* const copy = allocate(node->bytes);
        if (copy != nullptr) [[likely]] {
            copy_over(*copy, *node);
            if (!node->is_shared()) [[likely]] {
                reclaimer_->retire(node, stamp_);
            }
        }
        return copy;
    }
    void copy_over(Node& copy, const Node& node) noexcept {
        copy.born = stamp_;
        copy.timeline = 0;
        std::memcpy(reinterpret_cast<std::byte*>(&copy) + sizeof(Node), reinterpret_cast<const std::byte*>(&node) + sizeof(Node),
                    node.bytes - sizeof(Node));
    }

    bool put_in_magazine(Node* node) noexcept {
        Magazine* last = last_magazine_;
        if (last == nullptr || last->is_full() || last->node_bytes != node->bytes) [[unlikely]] {
            Magazine* const added = pool_->take_magazine();
            if (added == nullptr) {
                return false;
            }
            added->node_bytes = node->bytes;
            added->oldest_born = node->born;
            (last == nullptr ? magazines_ : last->next) = added;
            last = last_magazine_ = added;
        }
        last->oldest_born = std::min(last->oldest_born, node->born);
        last->put(node);
        return true;
    }
    /// In the order they were filled.
    Magazine* pop_magazine() noexcept {
        Magazine* const magazine = magazines_;
        if (magazine != nullptr) {
            magazines_ = magazine == last_magazine_ ? nullptr : magazine->next;
            last_magazine_ = magazines_ == nullptr ? nullptr : last_magazine_;
        }
        return magazine;
    }
    // A node can be both created and replaced by the same transaction, so the two chains use different fields, idle until a node is
    // retired.
    static Stamp link_of(Node* node) noexcept { return static_cast<Stamp>(reinterpret_cast<std::uintptr_t>(node)); }
    static Node* node_of(Stamp link) noexcept { return reinterpret_cast<Node*>(static_cast<std::uintptr_t>(link)); }

    PagePool* pool_;
    Reclaimer* reclaimer_;
    UndoLog undo_;
    Stamp stamp_ = 1;
    Node* created_ = nullptr;
    Node* replaced_ = nullptr;
    Magazine* magazines_ = nullptr; ///< What `replace_pages` replaced.
    Magazine* last_magazine_ = nullptr;
};

} // namespace ecsdb::storage
