/// @file
/// One entity as a key and a value: saved to bytes, loaded back, deleted, by its stable id.
#pragma once

#include "ecsdb/formats/format.hpp"
#include "ecsdb/transaction/write_state.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::formats {

/// Saves one entity in `format`, into `out`, which is emptied first. `options.entities` is ignored. `NotFound` where the entity is not
/// alive; nothing is in `out` but a frame where the other options leave it out. Cost: O(tables), besides its rows.
[[nodiscard]] inline Result<void> save_entity(const View& view, Entity entity, const Format& format, ByteBuffer& out,
                                              SaveOptions options = {}) {
    options.entities = {entity};
    return save(view, format, out, options);
}

/// Brings one saved entity (or several) back: where its stable id is in the database, it stays, and has the saved rows again; otherwise it
/// is created under that id. Its references lead to who has the saved stable ids now. The entity. See `Format::load`.
template <typename Db>
[[nodiscard]] Result<Entity> load_entity(Db& into, const Format& format, std::span<const std::byte> bytes, LoadOptions options = {}) {
    options.existing = ExistingEntity::Replace;
    Result<LoadReport> loaded = load(into, format, bytes, options);
    if (!loaded) {
        return std::move(loaded).error();
    }
    if (loaded->entities.empty()) {
        return Error{ErrorCode::NotFound, "loading " + std::string{format.format_name()} + ": there is no entity in it"};
    }
    return loaded->entities.front();
}

/// Destroys the entity that has this stable id, with all it has, as one transaction; returns when that is visible. False where there is
/// none.
template <typename Db>
[[nodiscard]] Result<bool> delete_entity(Db& from, const StableId& id) {
    const LoadTarget target{from};
    auto on_writer = [&](storage::WriteBuffer& state) -> Result<bool> {
        WriteState write{target.pipeline(), state};
        const Entity entity = write.find(id);
        if (!entity) {
            return false;
        }
        Result<void> destroyed = write.destroy(entity);
        return destroyed ? Result<bool>{true} : Result<bool>{std::move(destroyed).error()};
    };
    return target.run(on_writer);
}

} // namespace ecsdb::formats
