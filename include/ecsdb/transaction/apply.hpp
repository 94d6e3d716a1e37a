/// @file
/// Runs the operations of a command transaction against the version under construction, and says in words why one failed.
#pragma once

#include "ecsdb/core/error.hpp"
#include "ecsdb/core/slice.hpp"
#include "ecsdb/storage/write_buffer.hpp"
#include "ecsdb/transaction/command.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ecsdb::transaction {

/// The first operation of a transaction that failed, if any.
struct OperationFailure {
    storage::Outcome outcome = storage::Outcome::Done;
    const Operation* operation = nullptr;
};

using storage::failed;

/// Says in words what could not be done; `field` is the one whose handle was refused, if that is why.
[[nodiscard]] inline Error describe_failure(const Schema& schema, OperationKind kind, Entity entity, TableId table,
                                            storage::Outcome outcome, FieldId field = 0) {
    using storage::Outcome;
    if (kind == OperationKind::Content) {
        return Error{ErrorCode::OutOfMemory, "no memory for a text or blob"};
    }
    constexpr std::string_view verbs[] = {"create", "destroy",           "insert", "update",   "set",
                                          "remove", "update a field of", "expect", "expect no"};
    const bool whole_entity = kind == OperationKind::Create || kind == OperationKind::Destroy;
    std::string what{verbs[static_cast<std::size_t>(kind)]};
    if (!whole_entity) {
        what += " `" + schema.table(table).name + "` of";
    }
    what += " entity " + std::to_string(entity.index()) + " (generation " + std::to_string(entity.generation()) + ")";
    switch (outcome) {
    case Outcome::NotFound:
        return Error{ErrorCode::NotFound, what + ": the entity is not alive, or has no such row"};
    case Outcome::AlreadyExists:
        return Error{ErrorCode::AlreadyExists, what + (whole_entity ? ": the id is or was in use" : ": the row is already there")};
    case Outcome::WrongShard:
        return Error{ErrorCode::WrongShard, what + ": the id was made by the database of shard " + std::to_string(entity.shard())};
    case Outcome::Changed:
        return Error{ErrorCode::Conflict, what + ": it has been changed since it was read"};
    case Outcome::OutOfMemory:
        return Error{ErrorCode::OutOfMemory, what + ": no memory for the pages it touches"};
    case Outcome::ForeignContent:
        return Error{ErrorCode::InvalidArgument, what + ": field `" + schema.table(table).fields[field].name +
                                                     "` brings a handle that is neither of this transaction " +
                                                     "(what its `text` or `blob` returned) nor the one the row has"};
    case Outcome::Done:
    case Outcome::Absent:
        break;
    }
    return Error{ErrorCode::InvalidArgument, what};
}

namespace detail {

/// Creates an entity together with the table components inserted right after it, so that it is born in its final archetype. Leaves
/// `operations` at the last operation it has done.
inline storage::Outcome create_with_components(storage::WriteBuffer& state, OperationRange& operations) noexcept {
    const Operation& create = operations.current();
    const Schema& schema = state.store().schema();
    storage::ArchetypeShape* shape = &state.empty_shape();
    OperationRange last = operations;
    OperationRange ahead = operations;
    for (ahead.advance(); !ahead.done(); ahead.advance()) {
        const Operation& next = ahead.current();
        const bool adds = next.entity == create.entity && (next.kind == OperationKind::Insert || next.kind == OperationKind::Set) &&
                          schema.table(next.table).storage == Storage::Table && !shape->has(next.table);
        if (!adds) {
            break;
        }
        shape = state.shape_with(*shape, next.table);
        if (shape == nullptr) {
            return storage::Outcome::OutOfMemory;
        }
        last = ahead;
    }
    const storage::Outcome outcome = state.create(create.entity, *shape);
    if (outcome != storage::Outcome::Done) {
        return outcome;
    }
    storage::Archetype& home = *state.own_archetype(shape->id());
    const std::uint32_t row = home.rows - 1;
    while (&operations.current() != &last.current()) {
        operations.advance();
        const Operation& insert = operations.current();
        if (insert.bytes != 0) {
            std::byte* const place = state.fresh_row(home, shape->column_of(insert.table), row);
            std::memcpy(place, insert.payload(), insert.bytes);
            if (const Table& table = schema.table(insert.table); table.has_contents()) [[unlikely]] {
                const storage::Outcome settled = state.settle_fresh(create.entity.index(), table, place);
                if (settled != storage::Outcome::Done) {
                    return settled;
                }
            }
        }
        if (!state.changes().added(create.entity.index(), insert.table)) {
            return storage::Outcome::OutOfMemory;
        }
    }
    return outcome;
}

/// Whether the entity's row is, or is not, what an optimistic transaction has read (R25).
inline storage::Outcome check_expected(const storage::WriteBuffer& state, const Operation& operation) noexcept {
    if (operation.entity.shard() != state.root().shard) {
        return storage::Outcome::WrongShard;
    }
    if (state.root().find_living(operation.entity) == nullptr) {
        return storage::Outcome::Changed;
    }
    const std::byte* const row = state.find_row(operation.entity, operation.table);
    const bool as_expected = operation.kind == OperationKind::ExpectNoRow
                                 ? row == nullptr
                                 : row != nullptr && std::memcmp(row, operation.payload(), operation.bytes) == 0;
    return as_expected ? storage::Outcome::Done : storage::Outcome::Changed;
}

} // namespace detail

/// Runs one operation; a `Create` takes the inserts that follow it along. Leaves `operations` at the last operation done.
[[nodiscard]] inline storage::Outcome apply_operation(storage::WriteBuffer& state, OperationRange& operations) noexcept {
    const Operation& operation = operations.current();
    switch (operation.kind) {
    case OperationKind::Create:
        return detail::create_with_components(state, operations);
    case OperationKind::Destroy:
        return state.destroy(operation.entity);
    case OperationKind::Insert:
        return state.insert(operation.entity, operation.table, operation.payload());
    case OperationKind::Update:
        return state.update(operation.entity, operation.table, operation.payload());
    case OperationKind::Set:
        return state.set(operation.entity, operation.table, operation.payload());
    case OperationKind::Remove:
        return state.remove(operation.entity, operation.table);
    case OperationKind::UpdatePart: {
        std::uint32_t offset = 0;
        std::memcpy(&offset, operation.payload(), sizeof(offset));
        return state.update_part(operation.entity, operation.table, offset, operation.bytes - static_cast<std::uint32_t>(sizeof(offset)),
                                 operation.payload() + sizeof(offset));
    }
    case OperationKind::Expect:
    case OperationKind::ExpectNoRow:
        return detail::check_expected(state, operation);
    case OperationKind::Content: {
        std::uint64_t ordinal = 0;
        std::memcpy(&ordinal, operation.payload(), sizeof(ordinal));
        const bool staged = state.contents().stage(operation.entity.to_bits(), static_cast<std::uint32_t>(ordinal),
                                                   {operation.payload() + sizeof(ordinal), operation.bytes - sizeof(ordinal)});
        return staged ? storage::Outcome::Done : storage::Outcome::OutOfMemory;
    }
    }
    return storage::Outcome::NotFound;
}

namespace detail {

/// The next few operations, found once: to walk them takes as long as to run some.
class Lookahead {
public:
    static constexpr std::uint32_t most = storage::WriteBuffer::most_at_once;

    explicit Lookahead(const OperationRange& operations) noexcept : end_{operations} {}

    /// Whether `operations` has come to what has not been looked at.
    [[nodiscard]] bool is_behind(const OperationRange& operations) const noexcept { return operations.has_reached(end_); }

    /// Looks on from `operations`, and touches what those found will need in three passes, so that their cache misses overlap.
    void move_to(storage::WriteBuffer& state, const OperationRange& operations) noexcept {
        std::array<const Operation*, most> scattered; // NOLINT: filled below
        std::uint32_t count = 0;
        Entity created;
        std::uint32_t expected = 0;
        end_ = operations;
        at_ = 0;
        for (count_ = 0; count_ < most && !end_.done(); end_.advance()) {
            const Operation& operation = end_.current();
            prefetch_for_read(reinterpret_cast<const std::byte*>(&operation) + ahead_bytes); // another core has written it
            operations_[count_++] = &operation;
            if (operation.kind == OperationKind::Create) {
                created = operation.entity;
            } else if (operation.entity != created && operation.entity.index() != expected && operation.kind != OperationKind::Content) {
                scattered[count++] = &operation; // what is new lies where the last new one did, and neighbours beside each other
            }
            expected = operation.entity.index() + 1;
        }
        prefetch(state, {scattered.data(), count});
    }

    /// Those of the operations from `operation` on that do the same to the same table, as rows to be written at once.
    [[nodiscard]] Slice<const storage::WriteBuffer::RowOf> alike(const Operation& operation) noexcept {
        while (operations_[at_] != &operation) {
            ++at_;
        }
        std::uint32_t alike = 0;
        for (; at_ + alike < count_; ++alike) {
            const Operation& other = *operations_[at_ + alike];
            if (other.kind != operation.kind || other.table != operation.table) {
                break;
            }
            rows_[alike] = {other.entity, other.payload()};
        }
        return {rows_.data(), alike};
    }

    /// Takes `operations`, at the first of `alike`, `count` of them further.
    void skip(OperationRange& operations, std::uint32_t count) const noexcept {
        if (at_ + count < count_) {
            operations.go_to(*operations_[at_ + count]);
        } else {
            operations = end_;
        }
    }

private:
    static void prefetch(storage::WriteBuffer& state, Slice<const Operation* const> operations) noexcept {
        const storage::Prefetcher prefetcher = state.prefetcher();
        for (const Operation* const operation : operations) {
            prefetcher.path(operation->entity);
        }
        for (const Operation* const operation : operations) {
            prefetcher.record(operation->entity);
        }
        const std::vector<Table>& tables = state.store().schema().tables();
        std::uint32_t ahead = 0;
        for (const Operation* const operation : operations) {
            const OperationKind kind = operation->kind;
            const bool moves = kind == OperationKind::Destroy || ((kind == OperationKind::Insert || kind == OperationKind::Remove) &&
                                                                  tables[operation->table].storage == Storage::Table);
            moves ? prefetcher.filler(operation->entity, ahead) : prefetcher.row(operation->entity, operation->table);
            ++ahead;
        }
    }

    static constexpr std::size_t ahead_bytes = 2048;

    std::array<const Operation*, most> operations_;      // NOLINT: filled up to `count_`
    std::array<storage::WriteBuffer::RowOf, most> rows_; // NOLINT: filled by `alike`
    std::uint32_t count_ = 0;
    std::uint32_t at_ = 0;
    OperationRange end_;
};

} // namespace detail

/// Whether the operations do nothing but remove and destroy.
[[nodiscard]] inline bool only_removes(std::span<const std::byte> bytes) noexcept {
    for (OperationRange operations{bytes}; !operations.done(); operations.advance()) {
        const OperationKind kind = operations.current().kind;
        if (kind != OperationKind::Remove && kind != OperationKind::Destroy) {
            return false;
        }
    }
    return true;
}

/// Runs all operations up to the first that fails.
[[nodiscard]] inline OperationFailure apply_operations(storage::WriteBuffer& state, std::span<const std::byte> bytes) noexcept {
    constexpr std::size_t few = 256; // the first operation has been prefetched by the batch
    const bool many = bytes.size() > few;
    OperationRange operations{bytes};
    OperationRange one_by_one = operations; // up to here
    detail::Lookahead ahead{operations};
    while (!operations.done()) {
        if (many && ahead.is_behind(operations)) {
            ahead.move_to(state, operations);
        }
        const Operation& operation = operations.current();
        const bool adds = operation.kind == OperationKind::Insert;
        if (many && (adds || operation.kind == OperationKind::Remove) && operations.has_reached(one_by_one)) {
            const Slice<const storage::WriteBuffer::RowOf> rows = ahead.alike(operation);
            const auto [done, refused] = adds ? state.insert_many(operation.table, rows) : state.remove_many(operation.table, rows);
            if (refused) [[unlikely]] {
                return {storage::Outcome::OutOfMemory, &operation};
            }
            if (done != rows.size()) {
                ahead.skip(one_by_one = operations, static_cast<std::uint32_t>(rows.size()));
            }
            if (done != 0) {
                ahead.skip(operations, done);
                continue;
            }
        }
        if (const storage::Outcome outcome = apply_operation(state, operations); failed(outcome)) [[unlikely]] {
            return {outcome, &operation};
        }
        operations.advance();
    }
    return {};
}

} // namespace ecsdb::transaction
