/// @file
/// How a reader keeps a version alive: one slot per view, holding the root it reads. Neither side ever waits for the other.
#pragma once

#include "ecsdb/core/allocator.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace ecsdb::storage {

/// The slots in which views announce the root they read (design D4).
///
/// Reader: store the root loaded from `published` into a slot, then load `published` again. If it is still the same root, the slot was
/// announced before the writer could have looked past it. Writer: publish, then read the slots. All four accesses are seq_cst, so they
/// have one total order: if the writer's scan misses a slot's store, the scan precedes the store, hence the publication precedes the
/// reader's second load, which then sees the new root and tries again. An equal pointer *is* the current root, so a recycled address does
/// no harm. After two failures (a writer at full speed) the reader announces `everything`, which stops all freeing until it has stored
/// the root it loaded after that: the pin is wait-free.
///
/// A pin is never copied into another slot: the writer may have passed that one before the copy and reach the original after it was given
/// back. (Into a slot that every scan reads later it would be safe.)
///
/// `Atomic` is a parameter so that a test can put every access under a schedule explorer.
template <typename Root, template <typename> class Atomic = std::atomic>
class PinTable {
public:
    /// A cache line each: neighbours belong to different threads.
    struct alignas(64) Slot {
        Atomic<const Root*> root{nullptr};
        std::atomic<const char*> name{nullptr}; ///< Of whoever holds the pin; most have none.
    };
    struct Pin {
        Slot* slot = nullptr; ///< Null when memory for more slots was refused.
        const Root* root = nullptr;
    };

    explicit PinTable(Allocator& allocator) noexcept : allocator_{&allocator} {}
    PinTable(const PinTable&) = delete;
    PinTable& operator=(const PinTable&) = delete;
    ~PinTable() {
        Chunk* chunk = first_.next.load(std::memory_order_acquire);
        while (chunk != nullptr) {
            Chunk* const next = chunk->next.load(std::memory_order_acquire);
            chunk->~Chunk();
            allocator_->deallocate(chunk, sizeof(Chunk), alignof(Chunk));
            chunk = next;
        }
    }

    /// Pins the published root. Any thread. `hint` spreads threads over the slots. Cost: one atomic exchange and O(1) loads, plus a walk
    /// over slots in use when the hinted one is taken.
    [[nodiscard]] Pin pin(const Atomic<const Root*>& published, std::uint32_t hint) noexcept {
        const Root* root = published.load(std::memory_order_acquire);
        Slot* const slot = claim(root, hint);
        if (slot == nullptr) {
            return {};
        }
        for (int attempt = 0; attempt < 2; ++attempt) {
            const Root* const now = published.load(std::memory_order_seq_cst);
            if (now == root) {
                return {slot, root};
            }
            root = now;
            slot->root.store(root, std::memory_order_seq_cst);
        }
        if (published.load(std::memory_order_seq_cst) == root) {
            return {slot, root};
        }
        slot->root.store(everything(), std::memory_order_seq_cst);
        root = published.load(std::memory_order_seq_cst);
        // Release is enough: a scan that still sees `everything` frees nothing, and one that sees the root sees a live one.
        slot->root.store(root, std::memory_order_release);
        return {slot, root};
    }

    /// Gives a pin back; from any thread. True if it had been marked by `mark_all`: the holder has to be counted off. Release: what the
    /// reader read happens before the writer's reuse of it (pairs with `scan`). Acquire: pairs with the release in `mark_all`.
    static bool unpin(Slot& slot) noexcept {
        if (slot.name.load(std::memory_order_relaxed) != nullptr) [[unlikely]] {
            slot.name.store(nullptr, std::memory_order_relaxed);
        }
        return is_marked(slot.root.exchange(nullptr, std::memory_order_acq_rel));
    }

    /// Marks every pin, once nobody can pin any more and the writer has ended: whoever gives one back learns of it. `count()` is called
    /// before each pin is marked, `uncount()` if it was given back unmarked after all. So pinning costs no count while there is a writer.
    template <typename Count, typename Uncount>
    void mark_all(Count&& count, Uncount&& uncount) noexcept {
        for (Chunk* chunk = &first_; chunk != nullptr; chunk = chunk->next.load(std::memory_order_acquire)) {
            for (Slot& slot : chunk->slots) {
                const Root* root = slot.root.load(std::memory_order_acquire);
                if (root == nullptr) {
                    continue;
                }
                count();
                // Only its holder changes it now, and only to null. Acquire: whoever gave it back unmarked is done with the slots
                // before they go (pairs with the release in `unpin`).
                if (!slot.root.compare_exchange_strong(root, marked(root), std::memory_order_acq_rel, std::memory_order_acquire)) {
                    uncount();
                }
            }
        }
    }

    /// Calls `visit(const Root&)` for every pinned root; writer only, after publishing. False when a reader is in the middle of pinning
    /// with `everything` announced: then nothing may be freed. A visited root may be one whose pin is just being given up or tried:
    /// treating it as pinned is always safe, and roots are type-stable, so looking at it is too.
    template <typename Visit>
    [[nodiscard]] bool scan(Visit&& visit) const noexcept {
        for (const Chunk* chunk = &first_; chunk != nullptr; chunk = chunk->next.load(std::memory_order_seq_cst)) {
            for (const Slot& slot : chunk->slots) {
                const Root* const root = slot.root.load(std::memory_order_seq_cst);
                if (root == everything()) {
                    return false;
                }
                if (root != nullptr) {
                    visit(*root);
                }
            }
        }
        return true;
    }

    /// Calls `visit(const Root&, const char* name)` for every pinned root; `name` may be null. Writer only, and as with `scan` a root may
    /// be one that is just being given up or tried: then its memory may even hold something else by now.
    template <typename Visit>
    void for_each_pin(Visit&& visit) const noexcept {
        for (const Chunk* chunk = &first_; chunk != nullptr; chunk = chunk->next.load(std::memory_order_acquire)) {
            for (const Slot& slot : chunk->slots) {
                const Root* const root = slot.root.load(std::memory_order_acquire);
                if (root != nullptr && root != everything()) {
                    visit(*root, slot.name.load(std::memory_order_acquire));
                }
            }
        }
    }

    /// Slots that exist, in use or not. Any thread.
    [[nodiscard]] std::size_t slot_count() const noexcept { return chunk_count_.load(std::memory_order_relaxed) * slots_per_chunk; }

    /// True when at least one view is open. Any thread; may be stale by the time it is read.
    [[nodiscard]] bool any() const noexcept {
        bool found = false;
        return !scan([&](const Root&) { found = true; }) || found;
    }

private:
    static constexpr std::size_t slots_per_chunk = 16;

    struct Chunk {
        std::array<Slot, slots_per_chunk> slots{};
        Atomic<Chunk*> next{nullptr};
    };

    /// Stands for every version there is. Never dereferenced.
    static const Root* everything() noexcept { return reinterpret_cast<const Root*>(std::uintptr_t{1}); }

    // Roots are aligned: the second bit of their address is free to say that the database has gone.
    static constexpr std::uintptr_t mark = 2;
    static const Root* marked(const Root* root) noexcept {
        return reinterpret_cast<const Root*>(reinterpret_cast<std::uintptr_t>(root) | mark);
    }
    static bool is_marked(const Root* root) noexcept { return (reinterpret_cast<std::uintptr_t>(root) & mark) != 0; }

    /// Claiming is announcing: the exchange that takes the slot already stores the root.
    Slot* claim(const Root* root, std::uint32_t hint) noexcept {
        Chunk* chunk = &first_;
        for (;;) {
            for (std::size_t i = 0; i < slots_per_chunk; ++i) {
                Slot& slot = chunk->slots[(hint + i) % slots_per_chunk];
                const Root* expected = nullptr;
                if (slot.root.load(std::memory_order_relaxed) == nullptr &&
                    slot.root.compare_exchange_strong(expected, root, std::memory_order_seq_cst, std::memory_order_relaxed)) {
                    return &slot;
                }
            }
            Chunk* next = chunk->next.load(std::memory_order_acquire);
            if (next == nullptr) {
                next = append_after(*chunk);
                if (next == nullptr) {
                    return nullptr;
                }
            }
            chunk = next;
        }
    }

    ECSDB_NOINLINE Chunk* append_after(Chunk& last) noexcept {
        void* const memory = allocator_->allocate(sizeof(Chunk), alignof(Chunk));
        if (memory == nullptr) {
            return nullptr;
        }
        Chunk* const added = ::new (memory) Chunk;
        Chunk* expected = nullptr;
        // seq_cst: a scan ordered after a pin in the new chunk must also find the chunk.
        if (last.next.compare_exchange_strong(expected, added, std::memory_order_seq_cst, std::memory_order_acquire)) {
            chunk_count_.fetch_add(1, std::memory_order_relaxed);
            return added;
        }
        added->~Chunk();
        allocator_->deallocate(added, sizeof(Chunk), alignof(Chunk));
        return expected;
    }

    Allocator* allocator_;
    Chunk first_;
    std::atomic<std::size_t> chunk_count_{1};
};

} // namespace ecsdb::storage
