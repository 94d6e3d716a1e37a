/// @file
/// Imposes what lives at an index, whatever has lived there: for a state that was saved and comes back.
#pragma once

#include "ecsdb/storage/write_buffer.hpp"

#include <cstdint>

namespace ecsdb::storage {

namespace detail {

/// Ends whoever lives at `index`; then `generation` was the last that did.
[[nodiscard]] inline Outcome impose_generation(WriteBuffer& state, std::uint32_t index, std::uint32_t generation, bool frees) noexcept {
    EntityRecord* const record = state.writable_root().entities.writable(state.workspace(), index);
    if (record == nullptr) {
        return Outcome::OutOfMemory;
    }
    if (record->archetype != no_archetype) {
        if (const Outcome ended = state.destroy(Entity{index, record->generation, state.root().shard}); ended != Outcome::Done) {
            return ended;
        }
        if (!frees) {
            state.forget_last_destroyed();
        }
    }
    if (!state.workspace().undo().note(record, sizeof(EntityRecord))) {
        return Outcome::OutOfMemory;
    }
    record->generation = generation;
    return Outcome::Done;
}

} // namespace detail

/// Nobody lives at `index` any more, and `generation` was the last that did; 0: nobody ever. Writer only, inside a transaction.
[[nodiscard]] inline Outcome impose_end(WriteBuffer& state, std::uint32_t index, std::uint32_t generation) noexcept {
    return detail::impose_generation(state, index, generation, true);
}

/// `entity` lives, with nothing yet, and whoever had its index is gone. `WrongShard`, `OutOfMemory`. Writer only, inside a transaction.
[[nodiscard]] inline Outcome impose_life(WriteBuffer& state, Entity entity) noexcept {
    if (entity.shard() != state.root().shard) {
        return Outcome::WrongShard;
    }
    const Outcome ended = detail::impose_generation(state, entity.index(), entity.generation() - 1, false);
    return ended == Outcome::Done ? state.create(entity) : ended;
}

} // namespace ecsdb::storage
