/// @file
/// What of a change the log keeps: everything but the rows of tables that do not persist by it.
#pragma once

#include "ecsdb/delta/view.hpp"
#include "ecsdb/schema/schema.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace ecsdb::wal {

/// Leaves the rows of tables with `persist = "snapshot"` or `"transient"` out of deltas (design D17).
///
/// Entities are always kept, and so is every transaction, if only by its header: versions have no gaps. A change that was left out is not
/// counted when the log is replayed either: see `View::entity_version`. For one thread.
class PersistedPart {
public:
    PersistedPart(const Schema& schema, Allocator& allocator)
        : schema_{&schema}, kept_{allocator}, drops_{std::any_of(schema.tables().begin(), schema.tables().end(),
                                                                 [](const Table& table) { return table.persist != Persist::Wal; })} {}

    /// What the log keeps of a transaction's delta: the delta itself, or a copy that is valid until the next call. Empty when memory is
    /// refused. Cost: nothing where every table is logged, else one pass over the delta.
    [[nodiscard]] std::span<const std::byte> of(std::span<const std::byte> delta) {
        if (!drops_) [[likely]] {
            return delta;
        }
        const Result<delta::DeltaView> view = delta::DeltaView::parse(delta);
        ECSDB_ASSERT(view, "the writer's own deltas are well formed");
        if (!view) {
            return {};
        }
        kept_.clear();
        kept_.append(view->header_bytes());
        view->for_each_section([&](const delta::Section& section) {
            if (!section.is_of_table() || schema_->table(static_cast<TableId>(section.id)).persist == Persist::Wal) {
                kept_.append(section.whole);
            }
        });
        if (kept_.failed()) {
            return {};
        }
        return kept_.size() == delta.size() ? delta : kept_.view();
    }

private:
    const Schema* schema_;
    ByteBuffer kept_;
    bool drops_;
};

} // namespace ecsdb::wal
