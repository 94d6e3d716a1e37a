/// @file
/// The state of an open database as bytes in memory, and back: as one transaction, all of it or nothing.
#pragma once

#include "ecsdb/core/bytes.hpp"
#include "ecsdb/core/owner.hpp"
#include "ecsdb/delta/envelope.hpp"
#include "ecsdb/recovery/engine.hpp"
#include "ecsdb/recovery/on_writer.hpp"
#include "ecsdb/recovery/rebuilt_state.hpp"
#include "ecsdb/snapshot/memory.hpp"
#include "ecsdb/transaction/impose.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace ecsdb::recovery {

namespace detail {

/// Whether a call that waits for the writer may.
[[nodiscard]] inline Result<void> may_wait_for_writer(Engine& engine) {
    if (engine.pipeline().fork_guard().in_child()) {
        return transaction::Pipeline::forked();
    }
    return engine.pipeline().writer().is_this_thread()
               ? Result<void>{Error{ErrorCode::WouldDeadlock, "it waits for the writer and so cannot be called on its thread"}}
               : Result<void>{};
}

/// Takes a saved delta out of its envelope: whole, and of the schema and shard of `engine`. Allocates nothing.
[[nodiscard]] inline Result<delta::OpenedEnvelope> open_delta(Engine& engine, std::span<const std::byte> bytes) {
    auto opened = delta::open_envelope(bytes);
    if (!opened) {
        return opened;
    }
    if (opened->envelope.schema_hash != engine.store().schema().hash()) {
        return Error{ErrorCode::SchemaMismatch,
                     "the delta is of another schema than `" + engine.store().schema().name() + "`, the database's"};
    }
    if (opened->envelope.shard != engine.pipeline().ids().shard()) {
        return Error{ErrorCode::WrongShard, "the delta is of shard " + std::to_string(opened->envelope.shard) + ", the database of shard " +
                                                std::to_string(engine.pipeline().ids().shard())};
    }
    return opened;
}

static_assert(transaction::ImposingTask::most_versions_logged <= wal::max_versions, "what is applied in one can be logged in one");

/// Applies a delta of the history this database stands in; where it is at the delta's end or beyond, `had()` and nothing happens.
class FollowDelta final : public transaction::ApplyDelta {
public:
    FollowDelta(Engine& engine, const delta::OpenedEnvelope& opened, std::uint64_t to)
        : ApplyDelta{engine.pipeline(), opened.delta}, engine_{&engine}, database_{opened.envelope.database}, to_{to} {}

    [[nodiscard]] Result<void> run(storage::WriteBuffer& state) noexcept override {
        const std::uint64_t version = state.root().version;
        // What begins empty and in memory has no history that could be another: it takes up whatever it is given first.
        const auto answer = engine_->lineage().admit(database_, version == 0 && engine_->durable() == nullptr);
        if (answer == Lineage::Answer::Refused) {
            return Error{ErrorCode::InvalidArgument, "the delta is of another database: its versions are not this one's"};
        }
        followed_ = answer == Lineage::Answer::Followed;
        had_ = version >= to_;
        return had_ ? Result<void>{Error{ErrorCode::Gap, "the state has it already"}} : ApplyDelta::run(state);
    }
    /// Nothing came of it.
    void give_up() noexcept {
        if (followed_) {
            engine_->lineage().give_up(database_);
        }
    }
    [[nodiscard]] bool had() const noexcept { return had_; }

private:
    Engine* engine_;
    wal::DatabaseId database_;
    std::uint64_t to_;
    bool followed_ = false;
    bool had_ = false;
};

/// The state in `bytes`, with `deltas` applied to it in order. Nothing of the database is touched.
[[nodiscard]] inline Result<Owner<RebuiltState>> rebuild(Engine& engine, std::span<const std::byte> bytes,
                                                         std::span<const std::span<const std::byte>> deltas) {
    Allocator& allocator = engine.store().allocator();
    // Every checksum first: only then anything is built on what the bytes say.
    auto reader = snapshot::BlockReader::open(bytes, allocator);
    if (!reader) {
        return std::move(reader).error();
    }
    if (reader->header().schema_hash != engine.store().schema().hash()) {
        return Error{ErrorCode::SchemaMismatch,
                     reader->path() + ": is of another schema than `" + engine.store().schema().name() + "`, the database's"};
    }
    if (const std::uint32_t shard = reader->header().identity.shard; shard != engine.pipeline().ids().shard()) {
        return Error{ErrorCode::WrongShard, reader->path() + ": is of shard " + std::to_string(shard) + ", the database of shard " +
                                                std::to_string(engine.pipeline().ids().shard())};
    }
    if (auto checked = snapshot::check_snapshot(bytes, allocator); !checked) {
        return std::move(checked).error();
    }
    for (const std::span<const std::byte> delta : deltas) {
        const auto envelope = open_delta(engine, delta);
        if (!envelope) {
            return envelope.error().clone();
        }
        if (envelope->envelope.database != reader->header().identity.database) {
            return Error{ErrorCode::InvalidArgument, "the delta is of another database than " + reader->path()};
        }
    }
    OneFileInMemory file{reader->path(), bytes};
    auto opened = snapshot::open_snapshot(file, reader->path(), allocator);
    if (!opened) {
        return std::move(opened).error();
    }
    auto state = RebuiltState::create(std::make_shared<const Schema>(opened->schema()), opened->identity().shard, allocator);
    if (!state) {
        return std::move(state).error();
    }
    if (auto loaded = (*state)->load(*opened); !loaded) {
        return std::move(loaded).error();
    }
    for (const std::span<const std::byte> delta : deltas) {
        const std::span<const std::byte> inner = delta.subspan(delta::envelope_size);
        const auto view = delta::DeltaView::parse(inner);
        if (!view) {
            return view.error().clone();
        }
        if (auto applied = (*state)->transaction(view->header().to, view->header().time / 1000, inner); !applied) {
            return std::move(applied).error();
        }
    }
    if (auto finished = (*state)->finish(); !finished) {
        return std::move(finished).error();
    }
    return state;
}

} // namespace detail

/// See `AnyDatabase::snapshot`.
[[nodiscard]] inline Result<std::uint64_t> save_state(Engine& engine, ByteBuffer& out) {
    if (auto may = detail::may_wait_for_writer(engine); !may) {
        return std::move(may).error().in("snapshot");
    }
    transaction::Pipeline& pipeline = engine.pipeline();
    storage::PinnedRoot pinned{engine.store()};
    if (pinned.get() == nullptr) {
        return Error{ErrorCode::OutOfMemory, "snapshot: no memory to pin the version"};
    }
    pinned.set_name("snapshot");
    const storage::Root& root = *pinned.get();
    const std::uint64_t mark = std::max(pipeline.ids().next_fresh(), root.entities.index_end());
    const snapshot::SnapshotIdentity identity{.database = engine.lineage().current(),
                                              .epoch = engine.durable() == nullptr ? 0 : engine.durable()->manifest().epoch,
                                              .shard = root.shard,
                                              .next_fresh = std::min(mark, std::uint64_t{1} << Entity::index_bits)};
    ecsdb::detail::CountsFromWriter counts{pipeline};
    snapshot::SnapshotOptions options{.allocator = engine.store().allocator()};
    options.counts = pipeline.options().read_only ? nullptr : &counts; // nobody counts there
    auto written = snapshot::write_snapshot(out, root, engine.store().entity_versions(), identity, options);
    return written ? Result<std::uint64_t>{written->lsn} : Result<std::uint64_t>{std::move(written).error()};
}

/// See `AnyDatabase::restore`.
[[nodiscard]] inline Result<void> restore_state(Engine& engine, std::span<const std::byte> bytes,
                                                std::span<const std::span<const std::byte>> deltas) {
    if (auto may = detail::may_wait_for_writer(engine); !may) {
        return std::move(may).error().in("restore");
    }
    auto state = detail::rebuild(engine, bytes, deltas);
    if (!state) {
        return std::move(state).error().in("restore");
    }
    transaction::BecomeState task{engine.pipeline(), (*state)->root(), (*state)->store().entity_versions()};
    auto done = ecsdb::detail::run_on_writer(engine.pipeline(), task);
    return done ? Result<void>{} : Result<void>{std::move(done).error().in("restore")};
}

/// See `AnyDatabase::apply_delta`.
[[nodiscard]] inline Result<bool> apply_delta(Engine& engine, std::span<const std::byte> bytes) {
    if (auto may = detail::may_wait_for_writer(engine); !may) {
        return std::move(may).error().in("apply delta");
    }
    const auto opened = detail::open_delta(engine, bytes);
    if (!opened) {
        return opened.error().clone().in("apply delta");
    }
    const auto view = delta::DeltaView::parse(opened->delta);
    if (!view) {
        return view.error().clone().in("apply delta");
    }
    if (engine.lineage().current() == opened->envelope.database && engine.store().published_version() >= view->header().to) {
        return false; // also where nothing can be written
    }
    detail::FollowDelta task{engine, *opened, view->header().to};
    auto done = ecsdb::detail::run_on_writer(engine.pipeline(), task);
    if (done || task.had()) {
        return done.has_value();
    }
    task.give_up();
    return std::move(done).error().in("apply delta");
}

} // namespace ecsdb::recovery
