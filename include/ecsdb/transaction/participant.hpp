/// @file
/// What can take part in a commit: constraints, indices, the log, feeds, replication. The commit path knows only this interface.
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/storage/root.hpp"
#include "ecsdb/storage/write_buffer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ecsdb::transaction {

/// One transaction that has been accepted.
struct Accepted {
    std::uint64_t version = 0;
    std::uint64_t time_ns = 0;
    std::span<const std::byte> delta; ///< Canonical encoding (docs/format/delta.md), empty where nobody wants it; valid during the call.
};

/// Takes part in every commit. All calls come from the writer, in this order: per transaction `prepare`, then `accepted` or nothing; per
/// batch `seal`, then `published` or `discarded`.
class Participant {
public:
    virtual ~Participant() = default;

    /// Whether this participant looks at what a transaction changed (`WriteBuffer::changes`). Asked once, when it joins.
    [[nodiscard]] virtual bool wants_changes() const noexcept = 0;
    /// Whether it consumes the encoded delta too (`Accepted::delta`), which is empty when nobody does. Asked once, when it joins.
    [[nodiscard]] virtual bool wants_delta() const noexcept { return wants_changes(); }

    /// The transaction's operations are done; may look at its state and its changes, change more (cascades), or veto. An error rolls the
    /// transaction back.
    [[nodiscard]] virtual Result<void> prepare(storage::WriteBuffer& state) noexcept {
        static_cast<void>(state);
        return {};
    }

    /// The transaction stands and has a version.
    virtual void accepted(const Accepted& transaction) noexcept { static_cast<void>(transaction); }

    /// The batch is complete; `next` is about to be published. An error discards every transaction in it.
    [[nodiscard]] virtual Result<void> seal(const storage::Root& previous, storage::Root& next) noexcept {
        static_cast<void>(previous);
        static_cast<void>(next);
        return {};
    }

    /// Readers can see `root`.
    virtual void published(const storage::Root& root) noexcept { static_cast<void>(root); }

    /// The batch since the last publication never was.
    virtual void discarded() noexcept {}

    /// The writer has nothing to do.
    virtual void idle() noexcept {}

    /// The entity whose row of `table` has the value that lies in `row`, a row of that table, in unique field `field`; null when there is
    /// none. As things stand in the running transaction. Nothing: this participant does not know such values.
    [[nodiscard]] virtual std::optional<Entity> find_unique(storage::WriteBuffer& state, TableId table, FieldId field,
                                                            const std::byte* row) noexcept {
        static_cast<void>(state);
        static_cast<void>(table);
        static_cast<void>(field);
        static_cast<void>(row);
        return std::nullopt;
    }

    /// Whether batches may end later than usual so that `seal` is paid for by more transactions (a log that syncs).
    [[nodiscard]] virtual bool prefers_large_batches() const noexcept { return false; }

    /// Indices below `mark` may be handed out from now on; called before they are. An error refuses them.
    [[nodiscard]] virtual Result<void> raise_index_mark(std::uint64_t mark) noexcept {
        static_cast<void>(mark);
        return {};
    }
};

} // namespace ecsdb::transaction
