/// @file
/// A list of edits under construction: what one transaction is to do, by table id, field handle and bytes.
#pragma once

#include "ecsdb/schema/row.hpp"
#include "ecsdb/storage/contents.hpp"
#include "ecsdb/transaction/command.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ecsdb {

/// The edits that `Transaction` and `Changes` are made of; they take effect in the order given, all or nothing.
///
/// An edit that makes no sense in itself (a table that is not in the schema, a row of another size) spoils the list: whoever submits it is
/// told. What the database's state does not allow shows when the transaction runs: `AlreadyExists` for a row inserted where there is one;
/// `NotFound` for one updated where there is none, and for anything on an entity that is not alive. Removing and destroying what is not
/// there does nothing. One thread at a time. Rows are bytes in memory layout; `TypedEdits` speaks components.
class Edits {
public:
    Edits(Edits&& other) noexcept
        : schema_{other.schema_}, buffer_{std::exchange(other.buffer_, nullptr)}, error_{std::move(other.error_)}, tokens_{other.tokens_},
          token_{other.token_}, contents_{other.contents_} {}
    Edits& operator=(Edits&&) = delete;

    /// Ends an entity and all it has.
    void destroy(Entity entity) noexcept { append(transaction::OperationKind::Destroy, entity, 0, nullptr, 0); }

    /// Adds a row. `row` has the table's `size` bytes.
    void insert_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        put(transaction::OperationKind::Insert, {&entity, 1}, table, row);
    }
    /// Replaces a row.
    void update_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        put(transaction::OperationKind::Update, {&entity, 1}, table, row);
    }
    /// Inserts or replaces.
    void set_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        put(transaction::OperationKind::Set, {&entity, 1}, table, row);
    }
    /// Takes a row away.
    void remove_row(Entity entity, TableId table) noexcept { remove_rows({&entity, 1}, table); }
    /// Overwrites part of a row, from `offset` on.
    void update_part(Entity entity, TableId table, std::uint32_t offset, std::span<const std::byte> bytes) noexcept {
        overwrite(entity, table, offset, bytes.data(), bytes.size());
    }

    // Optimistic checks: the transaction commits only if rows are still what it was built on, else it fails with `Conflict` and changes
    // nothing. Rows are compared by their bytes, wherever they lie by then and whoever wrote them, column updates included: a row that
    // was changed and changed back is unchanged. Checked in the order of the edits: expect first, then change. Cost: that of reading the
    // row.

    /// The entity lives, and its row still is `row`.
    void expect_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        put(transaction::OperationKind::Expect, {&entity, 1}, table, row);
    }
    /// The entity lives, and still has no such row.
    void expect_no_row(Entity entity, TableId table) noexcept { put(transaction::OperationKind::ExpectNoRow, {&entity, 1}, table, {}); }
    /// The row is, or is absent, as `view` sees it. `NotFound` where the entity does not live there.
    template <typename AnyView>
    void expect_unchanged(const AnyView& view, Entity entity, TableId table) noexcept {
        if (!view.is_alive(entity)) {
            fail(Error{ErrorCode::NotFound, "entity " + std::to_string(entity.index()) + " (generation " +
                                                std::to_string(entity.generation()) + ") is not alive in the view it was read from"});
        } else if (const std::byte* const row = view.find_row(entity, table); row == nullptr) {
            expect_no_row(entity, table);
        } else {
            expect_row(entity, table, {row, table < schema_->tables().size() ? schema_->table(table).size : 0});
        }
    }
    /// All the entity's rows are as `view` sees them, those absent included. Cost: O(tables).
    template <typename AnyView>
    void expect_unchanged(const AnyView& view, Entity entity) noexcept {
        for (TableId table = 0; table < schema_->tables().size(); ++table) {
            expect_unchanged(view, entity, table);
        }
    }

    // The same by name: rows built with `Row`, fields found with `find_field`.
    void insert(Entity entity, const Row& row) noexcept { insert_row(entity, row.table(), row.bytes()); }
    void set(Entity entity, const Row& row) noexcept { set_row(entity, row.table(), row.bytes()); }
    void update(Entity entity, const Row& row) noexcept { update_row(entity, row.table(), row.bytes()); }
    /// Gives one field its value; a nullable one is present from then on.
    template <typename T>
    void update(Entity entity, FieldHandle<T> field, const std::type_identity_t<T>& value) noexcept {
        const Field* const description = find(field);
        if (description == nullptr) {
            return;
        }
        const bool present = description->has_presence_byte();
        if (present && field.offset + sizeof(T) == description->presence_offset) {
            std::byte both[sizeof(T) + 1]; // NOLINT: filled below
            std::memcpy(both, &value, sizeof(T));
            both[sizeof(T)] = std::byte{1};
            update_part(entity, field.table, field.offset, both);
            return;
        }
        update_part(entity, field.table, field.offset, FieldHandle<T>::bytes_of(value));
        if (present) { // the first element of an array: its presence byte is further on
            const std::byte yes{1};
            update_part(entity, field.table, description->presence_offset, {&yes, 1});
        }
    }
    /// Makes a nullable field absent, or a reference null. `InvalidArgument` for a field that always has a value.
    template <typename T>
    void update_to_null(Entity entity, FieldHandle<T> field) noexcept {
        const Field* const description = find(field);
        if (description == nullptr) {
            return;
        }
        if (!description->has_presence_byte() && description->type != FieldType::Entity) {
            fail(Error{ErrorCode::InvalidArgument, "field `" + schema_->table(field.table).name + "." + description->name +
                                                       "` is not nullable: it cannot be made null"});
            return;
        }
        overwrite(entity, field.table, description->offset, nullptr, description->size + (description->has_presence_byte() ? 1U : 0U));
    }

    // Many entities, one table: `rows` holds the rows one after the other, as many as there are entities.
    void insert_rows(std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        put(transaction::OperationKind::Insert, entities, table, rows);
    }
    void update_rows(std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        put(transaction::OperationKind::Update, entities, table, rows);
    }
    void set_rows(std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        put(transaction::OperationKind::Set, entities, table, rows);
    }
    void remove_rows(std::span<const Entity> entities, TableId table) noexcept {
        if (table >= schema_->tables().size()) {
            fail(no_such_row(table, 0));
            return;
        }
        append_all(transaction::OperationKind::Remove, entities, table, nullptr, 0);
    }
    void destroy_many(std::span<const Entity> entities) noexcept {
        append_all(transaction::OperationKind::Destroy, entities, 0, nullptr, 0);
    }

    /// A handle of `content`, copied into this list, to be put into `text` (or `blob`) fields of rows written by it: into as many as you
    /// like. Nowhere else: written by another transaction it is refused. That it is UTF-8, and not too long, is checked at commit.
    Text text(std::string_view content) noexcept {
        Text handle;
        static_cast<ContentHandle&>(handle) = bring(std::as_bytes(std::span{content.data(), content.size()}));
        return handle;
    }
    Blob blob(std::span<const std::byte> content) noexcept {
        Blob handle;
        static_cast<ContentHandle&>(handle) = bring(content);
        return handle;
    }

    /// What is wrong with this list, or null: submitting it reports the same.
    [[nodiscard]] const Error* error() const noexcept { return error_ ? &*error_ : nullptr; }
    [[nodiscard]] const Schema& schema() const noexcept { return *schema_; }

    /// Why `rows` cannot be rows of `table`.
    [[nodiscard]] static Error no_such_row(TableId table, std::size_t bytes) {
        return Error{ErrorCode::InvalidArgument, "row of " + std::to_string(bytes) + " bytes for table " + std::to_string(table) +
                                                     ", which is not in the schema or has rows of another size"};
    }

protected:
    Edits(const Schema& schema, transaction::CommandBuffer* buffer, storage::ContentTokens& tokens) noexcept
        : schema_{&schema}, buffer_{buffer}, tokens_{&tokens} {}
    ~Edits() = default;

    void append(transaction::OperationKind kind, Entity entity, TableId table, const std::byte* payload, std::uint32_t bytes) noexcept {
        ECSDB_ASSERT(error_ || buffer_ != nullptr, "an edit was added to a transaction that had been submitted");
        if (!error_ && !buffer_->append(kind, entity, table, payload, bytes)) {
            fail_for_memory();
        }
    }
    void fail(Error error) noexcept {
        if (!error_) {
            error_.emplace(std::move(error));
        }
    }
    void fail_for_memory() noexcept { fail(Error{ErrorCode::OutOfMemory, "no memory to build a transaction"}); }

    const Schema* schema_;
    transaction::CommandBuffer* buffer_;
    std::optional<Error> error_;
    /// Handles given out so far are good no longer.
    void forget_contents() noexcept { token_ = 0; }

private:
    [[nodiscard]] ContentHandle bring(std::span<const std::byte> content) noexcept {
        ECSDB_ASSERT(error_ || buffer_ != nullptr, "a text or blob was added to a transaction that had been submitted");
        if (content.size() > max_content_size) {
            fail(Error{ErrorCode::InvalidArgument,
                       "a text or blob of " + std::to_string(content.size()) + " bytes; the most is " + std::to_string(max_content_size)});
        }
        if (error_ || content.empty()) {
            return {};
        }
        if (token_ == 0) {
            token_ = tokens_->next();
            contents_ = 0;
        }
        if (!buffer_->append_content(token_, contents_, content)) {
            fail_for_memory();
            return {};
        }
        return {token_ | ContentHandle::staged, contents_++, 0, 0};
    }
    void put(transaction::OperationKind kind, std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        const bool without_row = kind == transaction::OperationKind::ExpectNoRow;
        if (table >= schema_->tables().size() || (!without_row && rows.size() != entities.size() * schema_->table(table).size)) {
            fail(no_such_row(table, rows.size()));
            return;
        }
        append_all(kind, entities, table, rows.data(), without_row ? 0 : schema_->table(table).size);
    }
    void append_all(transaction::OperationKind kind, std::span<const Entity> entities, TableId table, const std::byte* rows,
                    std::uint32_t bytes) noexcept {
        if (entities.size() > 1 && !error_ && !buffer_->reserve(entities.size(), bytes)) {
            fail_for_memory();
        }
        for (std::size_t i = 0; i < entities.size(); ++i) {
            append(kind, entities[i], table, rows == nullptr ? nullptr : rows + i * bytes, bytes);
        }
    }
    void overwrite(Entity entity, TableId table, std::uint32_t offset, const std::byte* bytes, std::size_t count) noexcept {
        if (table >= schema_->tables().size() || offset + count > schema_->table(table).size) {
            fail(Error{ErrorCode::InvalidArgument, "update of part of a row: table " + std::to_string(table) + " has no bytes " +
                                                       std::to_string(offset) + " to " + std::to_string(offset + count)});
            return;
        }
        ECSDB_ASSERT(error_ || buffer_ != nullptr, "an edit was added to a transaction that had been submitted");
        if (!error_ && !buffer_->append_part(entity, table, offset, bytes, static_cast<std::uint32_t>(count))) {
            fail_for_memory();
        }
    }
    template <typename T>
    [[nodiscard]] const Field* find(FieldHandle<T> field) noexcept {
        if (!field.fits(*schema_)) {
            fail(Error{ErrorCode::InvalidArgument, "there is no field " + std::to_string(field.field) + " of table " +
                                                       std::to_string(field.table) + ": the handle is of another schema"});
            return nullptr;
        }
        return &schema_->table(field.table).fields[field.field];
    }

    storage::ContentTokens* tokens_;
    std::uint64_t token_ = 0;    ///< Drawn with the first content.
    std::uint32_t contents_ = 0; ///< Brought under it.
};

} // namespace ecsdb
