/// @file
/// Gives back the nodes of a version that will never be published.
#pragma once

#include "ecsdb/storage/root.hpp"

#include <cstddef>

namespace ecsdb::storage {

/// Gives every node of `root` that was born with its batch back to the pool, the root included; it must not have been published. What hangs
/// off a node of the batch may be older, but nothing of the batch hangs off an older node. Writer only. Cost: O(nodes of the batch).
inline void discard_nodes(Workspace& workspace, Root& root) noexcept {
    if (!workspace.owns(&root)) {
        return;
    }
    const auto nothing = [](Node&) {};
    root.entities.pages().discard(workspace, nothing);
    root.archetypes.discard(workspace, [&](Node& node) {
        auto& archetype = static_cast<Archetype&>(node);
        archetype.indices.discard(workspace, nothing);
        for (std::uint16_t i = 0; i < archetype.shape->columns().size(); ++i) {
            archetype.column(i).discard(workspace, nothing);
        }
    });
    root.sparse_tables.discard(workspace, [&](Node& node) { static_cast<SparseTable&>(node).blocks.discard(workspace, nothing); });
    root.contents.tables.discard(workspace, [&](Node& node) {
        static_cast<ContentTable&>(node).columns.discard(
            workspace, [&](Node& column) { static_cast<ContentColumn&>(column).contents.discard(workspace, nothing); });
    });
    workspace.release(&root);
}

} // namespace ecsdb::storage
