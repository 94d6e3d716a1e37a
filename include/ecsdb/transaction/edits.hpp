/// @file
/// A list of edits under construction: what one transaction is to do, by table id, field handle and bytes.
#pragma once

#include "ecsdb/storage/contents.hpp"
#include "ecsdb/transaction/operations.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ecsdb {

template <typename Self>
class SingleOperations;

/// The edits that `Transaction` and `Changes` are made of; they take effect in the order given, all or nothing. What they can be is in
/// `RowOperations`.
///
/// An edit that makes no sense in itself (a table that is not in the schema, a row of another size) spoils the list: whoever submits it is
/// told. What the database's state does not allow shows when the transaction runs. One thread at a time. `TypedEdits` speaks components.
class Edits : public RowOperations<Edits> {
    friend class RowOperations<Edits>;
    template <typename Self>
    friend class SingleOperations;

public:
    Edits(Edits&& other) noexcept
        : RowOperations{other}, schema_{other.schema_}, buffer_{std::exchange(other.buffer_, nullptr)}, error_{std::move(other.error_)},
          tokens_{other.tokens_}, token_{other.token_}, contents_{other.contents_} {}
    Edits& operator=(Edits&&) = delete;

    // Optimistic checks: the transaction commits only if rows are still what it was built on, else it fails with `Conflict` and changes
    // nothing. Rows are compared by their bytes, wherever they lie by then and whoever wrote them, column updates included: a row that
    // was changed and changed back is unchanged. Checked in the order of the edits: expect first, then change. Cost: that of reading the
    // row.

    /// The entity lives, and its row still is `row`.
    void expect_row(Entity entity, TableId table, std::span<const std::byte> row) noexcept { one(Kind::Expect, entity, table, row); }
    /// The entity lives, and still has no such row.
    void expect_no_row(Entity entity, TableId table) noexcept { one(Kind::ExpectNoRow, entity, table, {}); }
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

    // What `RowOperations` asks for.
    Edits& do_one(Kind kind, Entity entity, TableId table, std::span<const std::byte> row) noexcept {
        append(kind, entity, table, row.data(), static_cast<std::uint32_t>(row.size()));
        return *this;
    }
    Edits& do_many(Kind kind, std::span<const Entity> entities, TableId table, std::span<const std::byte> rows) noexcept {
        const std::size_t bytes = rows.empty() ? 0 : rows.size() / entities.size();
        if (entities.size() > 1 && !error_ && !buffer_->reserve(entities.size(), static_cast<std::uint32_t>(bytes))) {
            fail_for_memory();
        }
        for (std::size_t i = 0; i < entities.size(); ++i) {
            append(kind, entities[i], table, rows.data() + i * bytes, static_cast<std::uint32_t>(bytes));
        }
        return *this;
    }
    Edits& do_parts(Entity entity, TableId table, std::span<const detail::RowPart> parts) noexcept {
        ECSDB_ASSERT(error_ || buffer_ != nullptr, "an edit was added to a transaction that had been submitted");
        for (const detail::RowPart& part : parts) {
            if (!error_ && !buffer_->append_part(entity, table, part.offset, part.bytes, static_cast<std::uint32_t>(part.size))) {
                fail_for_memory();
            }
        }
        return *this;
    }
    Edits& refuse(Error error) noexcept {
        fail(std::move(error));
        return *this;
    }

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
    storage::ContentTokens* tokens_;
    std::uint64_t token_ = 0;    ///< Drawn with the first content.
    std::uint32_t contents_ = 0; ///< Brought under it.
};

} // namespace ecsdb
