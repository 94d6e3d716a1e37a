/// @file
/// One component's table of a database as a thing of its own: to insert into, update, delete from and walk.
#pragma once

#include "ecsdb/transaction/ticket.hpp"

#include <cstdint>
#include <optional>
#include <utility>

namespace ecsdb {

/// The table of `T` in a database: a pointer to it, with shorter names. Copy it freely; must not outlive, nor see moved, its database.
///
/// ```cpp
/// auto positions = db.table<Position>();
/// positions.insert(dragon, {1, 2, 3}).wait();
/// positions.each([](ecsdb::Entity e, const Position& p) { … });
/// ```
template <typename T, typename Db>
class TableOf {
public:
    explicit TableOf(Db& db) noexcept : db_{&db} {}

    // Transactions of their own: see `Database`.
    Ticket insert(Entity entity, const T& component) noexcept { return db_->insert(entity, component); }
    Ticket update(Entity entity, const T& component) noexcept { return db_->update(entity, component); }
    Ticket set(Entity entity, const T& component) noexcept { return db_->set(entity, component); }
    Ticket remove(Entity entity) noexcept { return db_->template remove<T>(entity); }
    /// Computes the whole column anew: `fn(T&)` for every row. See `Database::update`.
    template <typename Fn>
    Result<void> update_all(Fn&& fn) noexcept {
        return db_->template update<T>(std::forward<Fn>(fn));
    }

    /// A copy of the entity's row, from the newest version; nothing where absent.
    [[nodiscard]] std::optional<T> get(Entity entity) const noexcept { return db_->template get<T>(entity); }
    [[nodiscard]] bool has(Entity entity) const noexcept { return get(entity).has_value(); }
    /// Rows in the newest version. Cost: O(archetypes).
    [[nodiscard]] std::uint64_t count() const noexcept {
        const auto view = db_->read();
        return view ? view.template count<T>() : 0;
    }
    /// Calls `fn(const T&)` or `fn(Entity, const T&)` for every row of the newest version, which stays as it is meanwhile.
    template <typename Fn>
    void each(Fn&& fn) const {
        if (const auto view = db_->read()) {
            view.template each<T>(std::forward<Fn>(fn));
        }
    }

private:
    Db* db_;
};

} // namespace ecsdb
