/// @file
/// What can take part in a commit: constraints, indices, the log, feeds, replication. The commit path knows only these interfaces.
#pragma once

#include "ecsdb/core/durability.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/core/wake_up.hpp"
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
    std::uint64_t versions = 1;       ///< That it takes at once, all or none; `version` is the last of them.
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
    /// Whether it left something undone then that it could do now.
    [[nodiscard]] virtual bool wants_idle() const noexcept { return false; }

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

/// Whoever makes versions durable: the log. Any thread may call.
class VersionKeeper {
public:
    /// Whether `wait_for_level` would return at once: versions up to `version` have gone through `level`, or the log has failed, or nobody
    /// but the caller would see to it.
    [[nodiscard]] virtual bool is_settled(std::uint64_t version, Durability level) const noexcept = 0;

    /// Waits until versions up to `version`, which are visible, have gone through `level`; what would be done later is asked for now.
    /// Errors: `OutcomeUnknown` where the log failed first, `Timeout`.
    [[nodiscard]] virtual Result<void> wait_for_level(std::uint64_t version, Durability level, std::uint64_t timeout_ns) noexcept = 0;

    /// Has what `wait_for_level` would wait for, and be done later, done now. Does not wait: the bell of `ring_when_settled` tells.
    virtual void ask_for_level(std::uint64_t version, Durability level) noexcept = 0;

    /// Has `bell` rung from now on whenever more may be settled that was asked for. Once, before the first commit.
    virtual void ring_when_settled(Doorbell& bell) noexcept = 0;
    /// Has `bell` rung from now on when `Participant::wants_idle` comes to hold. As above.
    virtual void ring_when_idle_is_wanted(Doorbell& bell) noexcept = 0;

protected:
    ~VersionKeeper() = default;
};

/// What is said where there is none and more than being visible is waited for.
[[nodiscard]] inline Error no_log_to_wait_for() {
    return Error{ErrorCode::InvalidArgument, "nothing but visibility can be waited for: this database keeps no log"};
}

} // namespace ecsdb::transaction
