/// @file
/// The memory that column updates work with, and where it waits for the next one.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/delta/column_encoder.hpp"
#include "ecsdb/storage/archetype.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace ecsdb::transaction {

/// The most tables one update can write, and read or write in all.
inline constexpr std::size_t max_written_tables = 8;

/// Memory an update works with, kept for the next one.
struct UpdateScratch {
    explicit UpdateScratch(Allocator& memory) noexcept : fresh{memory}, parts{memory}, swaps{memory}, allocator{&memory} {}

    /// One archetype of the pinned version: where its fresh pages start in `fresh`, and its pieces among all pieces.
    struct Part {
        const storage::Archetype* archetype;
        std::size_t first;
        std::uint32_t first_piece;
    };
    /// One of the two threads that may compute: the caller, and the helper.
    struct Worker {
        std::array<Owner<delta::ColumnEncoder>, max_written_tables> encoders;
    };
    /// A page the writer swapped in, with what a delta needs to know of it.
    struct Swap {
        const storage::Node* before;
        const storage::Node* after;
        const std::uint32_t* indices;
        std::uint32_t rows;
        std::uint32_t written;
    };

    GrowArray<storage::Node*> fresh;
    GrowArray<Part> parts;
    GrowArray<Swap> swaps;
    std::array<Worker, 2> workers;
    std::array<const Table*, max_written_tables> encoder_tables{};
    Allocator* allocator;
    UpdateScratch* next = nullptr;
};

/// Keeps what updates have worked with. Any thread.
class ScratchPool {
public:
    explicit ScratchPool(Allocator& allocator) noexcept : allocator_{&allocator} {}
    ScratchPool(const ScratchPool&) = delete;
    ScratchPool& operator=(const ScratchPool&) = delete;
    ~ScratchPool() {
        for (UpdateScratch* scratch = kept_.load(std::memory_order_acquire); scratch != nullptr;) {
            UpdateScratch* const next = scratch->next;
            scratch->~UpdateScratch();
            allocator_->deallocate(scratch, sizeof(UpdateScratch), alignof(UpdateScratch));
            scratch = next;
        }
    }

    /// Null when memory is refused. To be given back.
    [[nodiscard]] UpdateScratch* take() noexcept {
        // The whole stack is taken and the rest put back, so that there is no ABA.
        UpdateScratch* const scratch = kept_.exchange(nullptr, std::memory_order_acquire);
        if (scratch == nullptr) {
            void* const memory = allocator_->allocate(sizeof(UpdateScratch), alignof(UpdateScratch));
            return memory == nullptr ? nullptr : ::new (memory) UpdateScratch{*allocator_};
        }
        if (UpdateScratch* const rest = std::exchange(scratch->next, nullptr); rest != nullptr) {
            give(rest);
        }
        return scratch;
    }
    /// Gives back one, or a chain of them.
    void give(UpdateScratch* chain) noexcept {
        UpdateScratch* last = chain;
        while (last->next != nullptr) {
            last = last->next;
        }
        UpdateScratch* expected = kept_.load(std::memory_order_relaxed);
        do {
            last->next = expected;
        } while (!kept_.compare_exchange_weak(expected, chain, std::memory_order_release, std::memory_order_relaxed));
    }

private:
    Allocator* allocator_;
    std::atomic<UpdateScratch*> kept_{nullptr};
};

} // namespace ecsdb::transaction
