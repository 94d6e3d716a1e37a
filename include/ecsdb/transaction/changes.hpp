/// @file
/// Edits gathered apart from any transaction: built anywhere, applied in one call, as often as one likes.
#pragma once

#include "ecsdb/core/owner.hpp"
#include "ecsdb/storage/store.hpp"
#include "ecsdb/transaction/edits.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace ecsdb {

/// Updates, inserts, removals, destructions and new entities for `Database::apply`, which does all of them or nothing and returns the ids
/// of the new entities.
///
/// Unlike a `Transaction` it belongs to no thread and holds nothing of the database but its schema: gather it over a frame, pass it on,
/// apply it when the time has come. Must not outlive its database.
///
/// ```cpp
/// auto changes = db.changes();
/// changes.update(dragon, Health{20}).remove<Asleep>(dragon).destroy(sheep);
/// const ecsdb::Entity egg = changes.create(Position{1, 2, 3}); // a placeholder …
/// changes.insert(egg, Health{1});
/// const auto ids = db.apply(changes);                          // … for ids->at(0)
/// ```
class Changes : public Edits {
public:
    explicit Changes(storage::Store& store) : Changes{store, Owner{new transaction::CommandBuffer{store.allocator()}}} {}

    /// A new entity with every application. What this returns stands for it within these changes only: edit it, but store it in no row.
    Entity create() noexcept {
        const Entity placeholder{++created_, 0, 0};
        append(transaction::OperationKind::Create, placeholder, 0, nullptr, 0);
        return placeholder;
    }

    /// Entities that every application creates.
    [[nodiscard]] std::size_t created() const noexcept { return created_; }
    [[nodiscard]] bool empty() const noexcept { return buffer_->operation_count() == 0; }
    /// Back to nothing, keeping the memory.
    void clear() noexcept {
        buffer_->clear();
        created_ = 0;
        error_.reset();
        forget_contents();
    }

    /// No living entity has generation 0.
    [[nodiscard]] static constexpr bool is_placeholder(Entity entity) noexcept { return entity.generation() == 0 && !entity.is_null(); }
    /// The edits as a transaction's operations.
    [[nodiscard]] std::span<const std::byte> operations() const noexcept { return buffer_->bytes(); }

private:
    Changes(storage::Store& store, Owner<transaction::CommandBuffer> buffer) noexcept
        : Edits{store.schema(), buffer.get(), store.content_tokens()}, memory_{std::move(buffer)} {}

    Owner<transaction::CommandBuffer> memory_;
    std::uint32_t created_ = 0;
};

} // namespace ecsdb
