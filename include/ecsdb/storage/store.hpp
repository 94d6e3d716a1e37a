/// @file
/// What a database and its views share: the pool, the pins, the published root. Outlives the database while a view is open.
#pragma once

#include "ecsdb/storage/entity_versions.hpp"
#include "ecsdb/storage/pins.hpp"
#include "ecsdb/storage/pool.hpp"
#include "ecsdb/storage/reclaim.hpp"
#include "ecsdb/storage/root.hpp"
#include "ecsdb/storage/stable_ids.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace ecsdb::storage {

// The writer looks at the heads of roots that may have been freed.
static_assert(sizeof(Root) <= PagePool::stable_bytes);

/// What of a memory limit is for transactions that only remove: a 16th, at most 64 MiB; but at least 256 KiB, as far as that is not more
/// than a quarter. None where there is no limit.
[[nodiscard]] constexpr std::size_t removal_reserve(std::size_t memory_limit) noexcept {
    if (memory_limit == ~std::size_t{0}) {
        return 0;
    }
    const std::size_t wanted = std::clamp(memory_limit / 16, std::size_t{256} << 10U, std::size_t{64} << 20U);
    return std::min(wanted, memory_limit / 4);
}

/// The shared part of a database, owned by it, and by the views that outlive it.
class Store {
public:
    using Pins = PinTable<Root>;

    /// Null when memory is refused. The allocator must outlive the last owner.
    [[nodiscard]] static Store* create(Allocator& allocator, const PoolOptions& options, std::shared_ptr<const Schema> schema) noexcept {
        void* const memory = allocator.allocate(sizeof(Store), alignof(Store));
        return memory == nullptr ? nullptr : ::new (memory) Store{allocator, options, std::move(schema)};
    }
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    /// The database lets go: from now on the views that are still open are the owners, and the last one destroys the store. Once, when the
    /// writer has ended and nobody can open a view any more.
    void drop_owner() noexcept {
        pins_.mark_all([&] { owners_.fetch_add(1, std::memory_order_relaxed); }, [&] { owners_.fetch_sub(1, std::memory_order_relaxed); });
        drop_one();
    }

    /// Gives a pin back. After the last one, when the database has let go before, the store is no more.
    void unpin(Pins::Slot& slot) noexcept {
        if (Pins::unpin(slot)) [[unlikely]] {
            drop_one();
        }
    }

    [[nodiscard]] Allocator& allocator() noexcept { return *allocator_; }
    [[nodiscard]] const Schema& schema() const noexcept { return *schema_; }
    [[nodiscard]] PagePool& pool() noexcept { return pool_; }
    [[nodiscard]] const PagePool& pool() const noexcept { return pool_; }
    [[nodiscard]] Pins& pins() noexcept { return pins_; }
    [[nodiscard]] const Pins& pins() const noexcept { return pins_; }
    [[nodiscard]] Reclaimer& reclaimer() noexcept { return reclaimer_; }
    [[nodiscard]] const Reclaimer& reclaimer() const noexcept { return reclaimer_; }
    [[nodiscard]] ArchetypeCatalog& catalog() noexcept { return catalog_; }
    [[nodiscard]] ContentTokens& content_tokens() noexcept { return content_tokens_; }
    [[nodiscard]] EntityVersions& entity_versions() noexcept { return entity_versions_; }
    [[nodiscard]] const EntityVersions& entity_versions() const noexcept { return entity_versions_; }
    [[nodiscard]] const StableIds& stable_ids() const noexcept { return stable_ids_; }
    /// Before the first view only.
    void set_stable_ids(const StableIds& ids) noexcept { stable_ids_ = ids; }

    /// Pins the published version. Any thread; wait-free.
    [[nodiscard]] Pins::Pin pin() noexcept { return pins_.pin(published_, thread_hint()); }
    /// The root last published: for the writer, or for a glance at its version number while pinned.
    [[nodiscard]] const Root* published() const noexcept { return published_.load(std::memory_order_acquire); }
    /// The last published version number, without pinning. Any thread.
    [[nodiscard]] std::uint64_t published_version() const noexcept { return published_version_.load(std::memory_order_acquire); }

    /// Makes `root` what readers pin from now on. Writer only. Seq_cst: see `PinTable`.
    void publish(const Root* root) noexcept {
        published_.store(root, std::memory_order_seq_cst);
        published_version_.store(root->version, std::memory_order_release);
    }

private:
    Store(Allocator& allocator, const PoolOptions& options, std::shared_ptr<const Schema> schema) noexcept
        : allocator_{&allocator}, schema_{std::move(schema)}, pool_{allocator, options}, pins_{allocator},
          reclaimer_{allocator, pool_}, catalog_{allocator}, entity_versions_{pool_} {}
    ~Store() = default;

    /// Acquire-release: every owner's last use happens before the destruction.
    void drop_one() noexcept {
        if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            Allocator& allocator = *allocator_;
            this->~Store();
            allocator.deallocate(this, sizeof(Store), alignof(Store));
        }
    }

    /// Spreads threads over the slots by the address of something each thread has its own of.
    static std::uint32_t thread_hint() noexcept {
        static thread_local char own = 0;
        return static_cast<std::uint32_t>((reinterpret_cast<std::uintptr_t>(&own) * 0x9E3779B97F4A7C15ULL) >> 40U);
    }

    Allocator* allocator_;
    std::shared_ptr<const Schema> schema_;
    PagePool pool_;
    Pins pins_;
    Reclaimer reclaimer_;
    ArchetypeCatalog catalog_;
    EntityVersions entity_versions_;
    StableIds stable_ids_;
    ContentTokens content_tokens_;
    alignas(64) std::atomic<const Root*> published_{nullptr};
    std::atomic<std::uint64_t> published_version_{0};
    alignas(64) std::atomic<std::uint32_t> owners_{1};
};

/// Keeps one version alive, and the store with it. Move-only; any thread may release it.
class PinnedRoot {
public:
    PinnedRoot() noexcept = default;
    /// Pins what is published now; empty when memory for another slot is refused.
    explicit PinnedRoot(Store& store) noexcept : store_{&store} {
        const Store::Pins::Pin pin = store.pin();
        slot_ = pin.slot;
        root_ = pin.root;
    }
    PinnedRoot(PinnedRoot&& other) noexcept
        : store_{other.store_}, slot_{std::exchange(other.slot_, nullptr)}, root_{std::exchange(other.root_, nullptr)} {}
    PinnedRoot& operator=(PinnedRoot&& other) noexcept {
        std::swap(store_, other.store_);
        std::swap(slot_, other.slot_);
        std::swap(root_, other.root_);
        return *this;
    }
    ~PinnedRoot() {
        if (slot_ != nullptr) {
            store_->unpin(*slot_);
        }
    }

    /// Says who holds this pin: `name` must live as long as the store does, like a string literal. Null takes the name away.
    void set_name(const char* name) noexcept {
        if (slot_ != nullptr) {
            slot_->name.store(name, std::memory_order_release);
        }
    }

    [[nodiscard]] const Root* get() const noexcept { return root_; }
    [[nodiscard]] Store& store() const noexcept { return *store_; }

private:
    Store* store_ = nullptr;
    Store::Pins::Slot* slot_ = nullptr;
    const Root* root_ = nullptr;
};

} // namespace ecsdb::storage
