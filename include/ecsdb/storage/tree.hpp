/// @file
/// A persistent array of nodes: pages under leaves of 64 pointers under one variable top, copied along the touched path only.
#pragma once

#include "ecsdb/core/hints.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/storage/workspace.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ecsdb::storage {

/// Maps a position to a node. Lives inside a node of its owner, so that whoever may change the owner may change the tree.
///
/// Two levels read faster than three, and copying the top stays cheap to ten million rows (design D3). Positions without a node are null.
class NodeTree {
    static constexpr std::uint32_t leaf_shift = 6;
    static constexpr std::uint32_t leaf_size = 1U << leaf_shift;

    struct Leaf : Node {
        std::array<Node*, leaf_size> nodes;
    };
    struct Top : Node {
        std::uint64_t capacity; ///< Positions the leaves have room for; kept, because every look-up compares with it.

        [[nodiscard]] Leaf** leaves() noexcept { return reinterpret_cast<Leaf**>(this + 1); }
        [[nodiscard]] Leaf* const* leaves() const noexcept { return reinterpret_cast<Leaf* const*>(this + 1); }
        [[nodiscard]] std::uint32_t leaf_count() const noexcept {
            return (bytes - std::uint32_t{sizeof(Top)}) / std::uint32_t{sizeof(Leaf*)};
        }
    };

public:
    /// The node at `position`, which must lie below `capacity()` in a leaf that exists: any position that was once made writable. Any
    /// thread.
    [[nodiscard]] Node* at(std::uint32_t position) const noexcept {
        return top_->leaves()[position >> leaf_shift]->nodes[position & (leaf_size - 1U)];
    }

    /// The node at any `position`, null where there is none. Any thread.
    [[nodiscard]] Node* find(std::uint32_t position) const noexcept {
        if (position >= capacity()) {
            return nullptr;
        }
        const Leaf* const leaf = top_->leaves()[position >> leaf_shift];
        return leaf == nullptr ? nullptr : leaf->nodes[position & (leaf_size - 1U)];
    }

    /// Positions beyond this have no node. At most 2^32.
    [[nodiscard]] std::uint64_t capacity() const noexcept { return top_ == nullptr ? 0 : top_->capacity; }

    /// The place of `position`'s node, in a leaf of this batch; grows the tree where needed. Null when memory is refused.
    [[nodiscard]] Node** writable_place(Workspace& workspace, std::uint32_t position) noexcept {
        const std::uint32_t leaf_index = position >> leaf_shift;
        if (position >= capacity()) [[unlikely]] {
            if (!grow(workspace, leaf_index + 1)) {
                return nullptr;
            }
        } else if (workspace.own(top_) == nullptr) {
            return nullptr;
        }
        Leaf*& leaf = top_->leaves()[leaf_index];
        if (leaf == nullptr) [[unlikely]] {
            leaf = static_cast<Leaf*>(workspace.allocate_zeroed(sizeof(Leaf)));
        } else if (workspace.own(leaf) == nullptr) {
            return nullptr;
        }
        return leaf == nullptr ? nullptr : &leaf->nodes[position & (leaf_size - 1U)];
    }

    /// The places from `position` on that lie together, at most `most`; as `writable_place`. Empty when memory is refused.
    [[nodiscard]] Slice<Node*> writable_places(Workspace& workspace, std::uint32_t position, std::uint32_t most) noexcept {
        Node** const first = writable_place(workspace, position);
        return {first, first == nullptr ? 0 : std::min(most, leaf_size - (position & (leaf_size - 1U)))};
    }

    /// The existing node at `position`, made one of this batch. Null when memory is refused.
    [[nodiscard]] Node* writable(Workspace& workspace, std::uint32_t position) noexcept {
        Node** const place = writable_place(workspace, position);
        return place == nullptr ? nullptr : workspace.own(*place);
    }

    /// Lets go of every node and of the tree itself. Outside transactions only. Takes no memory.
    void clear(Workspace& workspace) noexcept {
        for_each([&](std::uint32_t, Node& node) { workspace.release(&node); });
        for (std::uint32_t leaf = 0; leaf < capacity() >> leaf_shift; ++leaf) {
            if (top_->leaves()[leaf] != nullptr) {
                workspace.release(top_->leaves()[leaf]);
            }
        }
        if (top_ != nullptr) {
            workspace.release(top_);
            top_ = nullptr;
        }
    }

    /// Gives back what was born with this batch, after `visit(Node&)` for each node that goes: for a version that will never be.
    template <typename Visit>
    void discard(Workspace& workspace, Visit&& visit) noexcept {
        if (top_ == nullptr || !workspace.owns(top_)) {
            return;
        }
        for (std::uint32_t i = 0; i < capacity() >> leaf_shift; ++i) {
            Leaf* const leaf = top_->leaves()[i];
            if (leaf == nullptr || !workspace.owns(leaf)) {
                continue;
            }
            for (Node* const node : leaf->nodes) {
                if (node != nullptr && workspace.owns(node)) {
                    visit(*node);
                    workspace.release(node);
                }
            }
            workspace.release(leaf);
        }
        workspace.release(top_);
    }

    /// Lets go of the nodes from `first` on, in ascending order. Outside transactions only. False when memory for the changed path is
    /// refused: nodes before that path are gone by then, those after it are still there, and to truncate again goes on with them.
    bool truncate(Workspace& workspace, std::uint32_t first) noexcept {
        for (std::uint64_t next = first; next < capacity();) {
            const auto position = static_cast<std::uint32_t>(next);
            Leaf* const leaf = top_->leaves()[position >> leaf_shift];
            if (leaf == nullptr) {
                next = leaf_end(position);
                continue;
            }
            if (leaf->nodes[position & (leaf_size - 1U)] != nullptr) {
                Node** const place = writable_place(workspace, position);
                if (place == nullptr) {
                    return false;
                }
                workspace.release(std::exchange(*place, nullptr));
            }
            if (++next == leaf_end(position) && next - leaf_size >= first) {
                if (workspace.own(top_) == nullptr) {
                    return false;
                }
                workspace.release(std::exchange(top_->leaves()[position >> leaf_shift], nullptr));
            }
        }
        return true;
    }

    /// Calls `visit(position, Node&)` for every node, in order. Any thread.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (std::uint32_t leaf_index = 0; leaf_index < capacity() >> leaf_shift; ++leaf_index) {
            const Leaf* const leaf = top_->leaves()[leaf_index];
            for (std::uint32_t i = 0; leaf != nullptr && i < leaf_size; ++i) {
                if (leaf->nodes[i] != nullptr) {
                    visit((leaf_index << leaf_shift) + i, *leaf->nodes[i]);
                }
            }
        }
    }

    /// What may differ from the tree as it was when `stamp` was the newest one, in order: calls `changed(position, const Node&)` for every
    /// node born later, and `gone(first, count)` for positions without a node where there may have been one. Cost: O(capacity / 64 + what
    /// was touched). Any thread.
    template <typename Changed, typename Gone>
    void for_each_since(Stamp stamp, Changed&& changed, Gone&& gone) const {
        constexpr std::uint64_t end = std::uint64_t{1} << 32U;
        if (top_ == nullptr) {
            gone(std::uint64_t{0}, end);
            return;
        }
        if (top_->born <= stamp) {
            return;
        }
        for (std::uint32_t leaf_index = 0; leaf_index < capacity() >> leaf_shift; ++leaf_index) {
            const Leaf* const leaf = top_->leaves()[leaf_index];
            const std::uint64_t first = std::uint64_t{leaf_index} << leaf_shift;
            if (leaf == nullptr) {
                gone(first, std::uint64_t{leaf_size});
                continue;
            }
            for (std::uint32_t i = 0; leaf->born > stamp && i < leaf_size; ++i) {
                if (leaf->nodes[i] == nullptr) {
                    gone(first + i, std::uint64_t{1});
                } else if (leaf->nodes[i]->born > stamp) {
                    changed(static_cast<std::uint32_t>(first + i), *leaf->nodes[i]);
                }
            }
        }
        gone(capacity(), end - capacity());
    }

    /// Whether the leaf of `position`, which lies below `capacity()`, is there and leads nowhere.
    [[nodiscard]] bool has_empty_leaf(std::uint32_t position) const noexcept {
        const Leaf* const leaf = top_->leaves()[position >> leaf_shift];
        return leaf != nullptr && std::all_of(leaf->nodes.begin(), leaf->nodes.end(), [](const Node* node) { return node == nullptr; });
    }
    /// Lets go of that leaf. Outside transactions only. False when memory is refused.
    [[nodiscard]] bool drop_leaf(Workspace& workspace, std::uint32_t position) noexcept {
        if (workspace.own(top_) == nullptr) {
            return false;
        }
        workspace.release(std::exchange(top_->leaves()[position >> leaf_shift], nullptr));
        return true;
    }
    /// One past the last position of the leaf of `position`.
    [[nodiscard]] static constexpr std::uint64_t leaf_end(std::uint64_t position) noexcept { return (position | (leaf_size - 1U)) + 1U; }

    /// Whether `is_unwanted(const Node&)` holds for the top, the leaf of `position` (below `capacity()`), or a node from there to its end.
    template <typename Unwanted>
    [[nodiscard]] bool has_unwanted(std::uint32_t position, Unwanted&& is_unwanted) const noexcept {
        const Leaf* const leaf = top_->leaves()[position >> leaf_shift];
        return is_unwanted(static_cast<const Node&>(*top_)) ||
               (leaf != nullptr && (is_unwanted(static_cast<const Node&>(*leaf)) ||
                                    std::any_of(leaf->nodes.begin() + (position & (leaf_size - 1U)), leaf->nodes.end(),
                                                [&](const Node* node) { return node != nullptr && is_unwanted(*node); })));
    }
    /// Puts copies of this batch in the places of those from `next` on, until `moved`, the bytes of all nodes moved so far, is `enough`.
    /// `next` goes on to where it got, at most the end of the leaf. False when memory is refused.
    template <typename Unwanted>
    [[nodiscard]] bool move_unwanted(Workspace& workspace, std::uint64_t& next, std::size_t& moved, std::size_t enough,
                                     Unwanted&& is_unwanted) noexcept {
        const auto position = static_cast<std::uint32_t>(next);
        if (is_unwanted(static_cast<const Node&>(*top_)) && workspace.own(top_) == nullptr) {
            return false;
        }
        const Leaf* const leaf = top_->leaves()[position >> leaf_shift];
        if (leaf != nullptr && is_unwanted(static_cast<const Node&>(*leaf)) && writable_place(workspace, position) == nullptr) {
            return false;
        }
        for (const std::uint64_t end = leaf_end(next); next < end && moved < enough; ++next) {
            const auto at = static_cast<std::uint32_t>(next);
            if (const Node* const node = find(at); node != nullptr && is_unwanted(*node)) {
                if (writable(workspace, at) == nullptr) {
                    return false;
                }
                moved += node->bytes;
            }
        }
        return true;
    }

    /// Bytes the tree itself takes, without the nodes it leads to. Cost: O(capacity / 64). Any thread.
    [[nodiscard]] std::size_t own_bytes() const noexcept {
        std::size_t bytes = top_ == nullptr ? 0 : top_->bytes;
        for (std::uint32_t leaf = 0; leaf < capacity() >> leaf_shift; ++leaf) {
            bytes += top_->leaves()[leaf] == nullptr ? 0 : top_->leaves()[leaf]->bytes;
        }
        return bytes;
    }

    /// Hints that `position` will be read soon.
    void prefetch(std::uint32_t position) const noexcept {
        if (position < capacity()) {
            const Leaf* const leaf = top_->leaves()[position >> leaf_shift];
            if (leaf != nullptr) {
                prefetch_for_read(&leaf->nodes[position & (leaf_size - 1U)]);
            }
        }
    }

    [[nodiscard]] const void* identity() const noexcept { return top_; }

private:
    ECSDB_NOINLINE bool grow(Workspace& workspace, std::uint32_t leaf_count) noexcept {
        // The first top holds a few leaves, then it doubles while small; large ones grow by a quarter, up to all there can be.
        constexpr std::uint32_t most = 1U << (32U - leaf_shift);
        const std::uint32_t old_count = top_ == nullptr ? 0 : top_->leaf_count();
        const std::uint32_t count =
            std::min(most, std::max({leaf_count, std::uint32_t{4}, old_count < 64 ? old_count * 2 : old_count + old_count / 4}));
        auto* const larger = static_cast<Top*>(workspace.allocate_zeroed(static_cast<std::uint32_t>(sizeof(Top) + count * sizeof(Leaf*))));
        if (larger == nullptr) {
            return false;
        }
        if (top_ != nullptr) {
            std::copy_n(top_->leaves(), old_count, larger->leaves());
            workspace.release(top_);
        }
        larger->capacity = std::uint64_t{std::min(larger->leaf_count(), most)} << leaf_shift; // the pool may have given more
        top_ = larger;
        return true;
    }

    Top* top_ = nullptr;
};

} // namespace ecsdb::storage
