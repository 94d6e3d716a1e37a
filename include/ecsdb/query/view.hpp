/// @file
/// A pinned version: reads that see one state of the whole database, for as long as they like, without copying a row.
#pragma once

#include "ecsdb/storage/reads.hpp"
#include "ecsdb/storage/store.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ecsdb {

/// One version of the database, kept alive by being looked at.
///
/// What it offers is in `Reads`, and `TypedReads` for components. Everything a view returns points into immutable pages and stays valid
/// until the view is destroyed or assigned to, even beyond the database's own end. Readers never wait for the writer, nor it for them. A
/// view may be moved to and released on another thread; one view may be read by several threads at once. Cost of opening and closing one:
/// about 15 ns.
class View : public Reads<View> {
public:
    /// An empty view: false, and not to be read.
    View() noexcept = default;
    explicit View(storage::Store& store) noexcept : pinned_{store} {}

    /// False when no version could be pinned: the database was closed or made by the parent process, or memory for the pin was refused.
    [[nodiscard]] explicit operator bool() const noexcept { return pinned_.get() != nullptr; }

    /// The number of the last transaction this view sees; 0 for an empty database.
    [[nodiscard]] std::uint64_t version() const noexcept { return root().version; }
    /// When that was committed: nanoseconds since 1970, never going back from version to version.
    [[nodiscard]] std::uint64_t time_ns() const noexcept { return root().time_ns; }
    /// Says who holds this version, for `holders` and for errors about memory: `name` must live as long as the database, like a string
    /// literal. Null takes the name away. Cost: one store.
    void set_name(const char* name) noexcept { pinned_.set_name(name); }

    /// How often the entity has been changed by now, not as of this view (see R3); nothing for an entity this view does not know. After
    /// opening, changes of rows that are not logged (`Persist`) are counted only as far as a snapshot has them.
    [[nodiscard]] std::optional<std::uint32_t> entity_version(Entity entity) const noexcept {
        return is_alive(entity) ? std::optional{pinned_.store().entity_versions().count(entity.index())} : std::nullopt;
    }

    /// A hash over every entity, row (packed) and freed id, the same whatever order and pages they are kept in: equal states, equal hashes.
    /// Cost: O(everything).
    [[nodiscard]] std::uint64_t hash() const { return storage::hash_of(root()); }

    /// How this database names its entities, for the engine's own rooms.
    [[nodiscard]] const storage::StableIds& stable_ids() const noexcept { return pinned_.store().stable_ids(); }
    /// The version's tree, for the engine's own rooms.
    [[nodiscard]] const storage::Root& root() const noexcept {
        ECSDB_ASSERT(pinned_.get() != nullptr, "an empty view was read");
        return *pinned_.get();
    }

private:
    friend class Reads<View>;
    /// What it sees stays as it is: nothing has to be kept from changing.
    struct Walk {};
    [[nodiscard]] Walk begin_walk() const noexcept { return {}; }
    [[nodiscard]] Entity find_imported(const StableId& id) const { return stable_ids().find_imported(root(), id); }
    [[nodiscard]] std::span<const std::byte> content_of(const ContentHandle& handle) const noexcept {
        return root().contents.bytes_of(handle);
    }

    storage::PinnedRoot pinned_;
};

/// A view that knows the database's component types: `Database<Ts...>::read` returns it.
template <Component... Ts>
using TypedView = TypedReads<BoundTo<View, Ts...>, Ts...>;

} // namespace ecsdb
