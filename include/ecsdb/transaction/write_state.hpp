/// @file
/// What a function transaction works with: the state under construction, to be read and written.
#pragma once

#include "ecsdb/storage/bulk_create.hpp"
#include "ecsdb/storage/reads.hpp"
#include "ecsdb/transaction/by_query.hpp"
#include "ecsdb/transaction/operations.hpp"
#include "ecsdb/transaction/pipeline.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ecsdb {

/// The state inside a function transaction (design D13.3): reads see what the function has written so far. Only within the function.
///
/// What it can read is in `Reads`, what it can do in `RowOperations`; `TypedWriteState` speaks components. An operation that fails changes
/// nothing, except that one on many entities has done those before: return its error, and nothing happens at all.
class WriteState : public Reads<WriteState>, public RowOperations<WriteState> {
    friend class Reads<WriteState>;
    friend class RowOperations<WriteState>;

public:
    WriteState(transaction::Pipeline& pipeline, storage::WriteBuffer& state, std::uint64_t deadline_ns = 0) noexcept
        : pipeline_{&pipeline}, state_{&state}, deadline_{&pipeline.clock(), deadline_ns} {}

    /// Whether the deadline has passed: whatever the function does now will be rolled back, and it may as well return. Cost: reading the
    /// clock.
    [[nodiscard]] bool expired() const noexcept { return deadline_.has_passed(); }

    /// A new entity, alive at once in here.
    [[nodiscard]] Result<Entity> create() noexcept {
        if (walks_ != 0) [[unlikely]] {
            return walking();
        }
        transaction::ProducerState* const producer = pipeline_->this_thread_producer();
        if (producer == nullptr) {
            return no_ids();
        }
        Result<Entity> entity = pipeline_->reserve(*producer);
        if (entity) {
            if (const auto outcome = state_->create(*entity); transaction::failed(outcome)) {
                return describe(transaction::OperationKind::Create, *entity, 0, outcome);
            }
        }
        return entity;
    }
    /// `count` new entities with the rows in `columns`, which each hold `count` rows of a table of its own: copied page by page, those of
    /// sparse tables row by row. The entities' indices are consecutive: entity i is
    /// `Entity{first.index() + i, first.generation(), first.shard()}`.
    [[nodiscard]] Result<Entity> create_many(std::uint32_t count, std::span<const Rows> columns) noexcept {
        if (walks_ != 0) [[unlikely]] {
            return walking();
        }
        std::array<Rows, storage::max_query_tables> sorted; // NOLINT: filled below
        if (columns.size() > sorted.size()) {
            return Error{ErrorCode::InvalidArgument, "entities are created with the rows of at most 32 tables at once"};
        }
        Rows* const end = std::copy(columns.begin(), columns.end(), sorted.begin());
        for (const Rows& rows : columns) {
            if (!schema().has_table(rows.table) || rows.bytes.size() != std::size_t{count} * schema().table(rows.table).size) {
                return detail::no_such_row(rows.table, rows.bytes.size());
            }
        }
        const auto is_sparse = [&](const Rows& rows) { return schema().table(rows.table).storage == Storage::Sparse; };
        std::sort(sorted.begin(), end,
                  [&](const Rows& a, const Rows& b) { return is_sparse(a) == is_sparse(b) ? a.table < b.table : is_sparse(b); });
        if (std::adjacent_find(sorted.begin(), end, [](const Rows& a, const Rows& b) { return a.table == b.table; }) != end) {
            return Error{ErrorCode::AlreadyExists, "entities are created with two rows each of one table"};
        }
        transaction::ProducerState* const producer = pipeline_->this_thread_producer();
        if (producer == nullptr) {
            return no_ids();
        }
        Result<Entity> first = pipeline_->reserve_consecutive(*producer, count);
        if (!first) {
            return first;
        }
        std::array<TableId, storage::max_query_tables> tables;        // NOLINT: filled below
        std::array<const std::byte*, storage::max_query_tables> rows; // NOLINT: filled below
        std::size_t dense = 0;
        for (; sorted.data() + dense != end && !is_sparse(sorted[dense]); ++dense) {
            tables[dense] = sorted[dense].table;
            rows[dense] = sorted[dense].bytes.data();
        }
        auto outcome = storage::create_many(*state_, *first, count, {tables.data(), dense}, {rows.data(), dense});
        for (const Rows* sparse = sorted.data() + dense; sparse != end; ++sparse) {
            const std::size_t bytes = schema().table(sparse->table).size;
            for (std::uint32_t row = 0; row < count && !transaction::failed(outcome); ++row) {
                outcome = state_->insert(Entity{first->index() + row, first->generation(), first->shard()}, sparse->table,
                                         sparse->bytes.data() + row * bytes);
            }
        }
        if (transaction::failed(outcome)) {
            state_->mark_broken();
            return describe(transaction::OperationKind::Create, *first, state_->contents().refused_table(), outcome);
        }
        return first;
    }

    using Reads::blob;
    using Reads::schema;
    using Reads::text;

    /// A handle of `content`, to be put into rows this function writes. `OutOfMemory`, or `InvalidArgument` for more than
    /// `max_content_size` bytes. That text is UTF-8, and not too long for its field, is checked at the end.
    [[nodiscard]] Result<Text> text(std::string_view content) noexcept {
        return as<Text>(bring(std::as_bytes(std::span{content.data(), content.size()})));
    }
    [[nodiscard]] Result<Blob> blob(std::span<const std::byte> content) noexcept { return as<Blob>(bring(content)); }
    [[nodiscard]] storage::WriteBuffer& buffer() noexcept { return *state_; }
    [[nodiscard]] transaction::Pipeline& pipeline() noexcept { return *pipeline_; }

    /// The state's tree, for the engine's own rooms.
    [[nodiscard]] const storage::Root& root() const noexcept { return state_->root(); }
    /// How this database names its entities, for the engine's own rooms.
    [[nodiscard]] const storage::StableIds& stable_ids() const noexcept { return state_->store().stable_ids(); }

protected:
    // What `RowOperations` asks for.
    Result<void> do_one(transaction::OperationKind kind, Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        using transaction::OperationKind;
        if (walks_ != 0) [[unlikely]] {
            return walking();
        }
        const storage::Outcome outcome = kind == OperationKind::Insert    ? state_->insert(entity, table, row.data())
                                         : kind == OperationKind::Update  ? state_->update(entity, table, row.data())
                                         : kind == OperationKind::Set     ? state_->set(entity, table, row.data())
                                         : kind == OperationKind::Destroy ? state_->destroy(entity)
                                                                          : state_->remove(entity, table);
        return told(kind, entity, table, outcome);
    }
    Result<void> do_many(transaction::OperationKind kind, std::span<const Entity> entities, TableId table,
                         std::span<const std::byte> rows) noexcept {
        if (walks_ != 0) [[unlikely]] {
            return walking();
        }
        Result<std::uint64_t> done =
            transaction::apply_to_all(*state_, kind, entities, table, rows.data(), rows.empty() ? 0 : rows.size() / entities.size());
        if (done) {
            return {};
        }
        if (done.error().code() == ErrorCode::OutOfMemory) {
            state_->mark_broken();
        }
        return std::move(done).error();
    }
    Result<void> do_parts(Entity entity, TableId table, std::span<const detail::RowPart> parts) noexcept {
        if (walks_ != 0) [[unlikely]] {
            return walking();
        }
        for (const detail::RowPart& part : parts) {
            if (Result<void> done = do_part(entity, table, part); !done) {
                return done;
            }
        }
        return {};
    }
    [[nodiscard]] static Result<void> refuse(Error error) noexcept { return error; }

    Result<void> told(transaction::OperationKind kind, Entity entity, TableId table, storage::Outcome outcome) noexcept {
        if (transaction::failed(outcome)) [[unlikely]] {
            return describe(kind, entity, table, outcome);
        }
        return {};
    }

private:
    /// While one is alive, a walk over rows is under way, which a write could pull from under its feet.
    class Walk {
    public:
        explicit Walk(std::uint32_t& walks) noexcept : walks_{&walks} { ++walks; }
        Walk(const Walk&) = delete;
        Walk& operator=(const Walk&) = delete;
        ~Walk() { --*walks_; }

    private:
        std::uint32_t* walks_;
    };
    [[nodiscard]] Walk begin_walk() const noexcept { return Walk{walks_}; }
    [[nodiscard]] static Error walking() {
        return Error{ErrorCode::InvalidArgument,
                     "something was written while rows were being walked over; list what is to be changed first, then change it"};
    }
    [[nodiscard]] static Error no_ids() { return Error{ErrorCode::OutOfMemory, "no memory to reserve entity ids"}; }

    [[nodiscard]] Entity find_imported(const StableId& id) const {
        if (!stable_ids().may_be_imported(root())) {
            return {};
        }
        const ImportedId row{id};
        const std::optional<Entity> known =
            pipeline_->writer().find_unique(stable_ids().imported_table(), 0, reinterpret_cast<const std::byte*>(&row));
        return known ? *known : stable_ids().find_imported(root(), id);
    }
    [[nodiscard]] std::span<const std::byte> content_of(const ContentHandle& handle) const noexcept {
        return (handle.number & ContentHandle::staged) != 0 ? state_->contents().staged_bytes(handle) : root().contents.bytes_of(handle);
    }
    Result<void> do_part(Entity entity, TableId table, const detail::RowPart& part) noexcept {
        constexpr std::array<std::byte, 64> zeros{};
        storage::Outcome outcome = storage::Outcome::Done;
        for (std::size_t done = 0; outcome == storage::Outcome::Done && done < part.size;) {
            const std::size_t bytes = part.bytes == nullptr ? std::min(zeros.size(), part.size - done) : part.size;
            outcome = state_->update_part(entity, table, static_cast<std::uint32_t>(part.offset + done), static_cast<std::uint32_t>(bytes),
                                          part.bytes == nullptr ? zeros.data() : part.bytes);
            done += bytes;
        }
        return told(transaction::OperationKind::UpdatePart, entity, table, outcome);
    }
    template <typename Handle>
    [[nodiscard]] static Result<Handle> as(Result<ContentHandle> content) noexcept {
        if (!content) {
            return std::move(content).error();
        }
        Handle handle;
        static_cast<ContentHandle&>(handle) = *content;
        return handle;
    }
    [[nodiscard]] Error describe(transaction::OperationKind kind, Entity entity, TableId table, storage::Outcome outcome) const {
        if (outcome == storage::Outcome::OutOfMemory) {
            state_->mark_broken();
        }
        return transaction::describe_failure(state_->store().schema(), kind, entity, table, outcome, state_->refused_field());
    }
    [[nodiscard]] Result<ContentHandle> bring(std::span<const std::byte> content) noexcept {
        if (content.size() > max_content_size) {
            return Error{ErrorCode::InvalidArgument,
                         "a text or blob of " + std::to_string(content.size()) + " bytes; the most is " + std::to_string(max_content_size)};
        }
        if (content.empty()) {
            return ContentHandle{};
        }
        token_ = token_ == 0 ? state_->store().content_tokens().next() : token_;
        if (!state_->contents().stage(token_, contents_, content)) {
            state_->mark_broken();
            return Error{ErrorCode::OutOfMemory, "no memory for a text or blob"};
        }
        return ContentHandle{token_ | ContentHandle::staged, contents_++, 0, 0};
    }

    transaction::Pipeline* pipeline_;
    storage::WriteBuffer* state_;
    Deadline deadline_;
    std::uint64_t token_ = 0;    ///< Drawn with the first content.
    std::uint32_t contents_ = 0; ///< Brought under it.
    mutable std::uint32_t walks_ = 0;
};

} // namespace ecsdb
