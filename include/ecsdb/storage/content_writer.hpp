/// @file
/// Brings contents into the version under construction: staged by a transaction, taken by the rows it writes, let go of with them.
#pragma once

#include "ecsdb/core/grow_array.hpp"
#include "ecsdb/storage/contents.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <variant>

namespace ecsdb::storage {

/// How the handles of a row fared.
enum class ContentOutcome : std::uint8_t {
    Done,
    Foreign,     ///< A handle is neither of this transaction, nor the one the row has. Nothing has changed.
    OutOfMemory, ///< The transaction must be undone.
};

/// Keeps every row's handles and the content columns in step. An entity's field has a content node exactly when the handle in its row is
/// not empty, and that node's number. Writer only.
class ContentWriter {
public:
    ContentWriter(Allocator& allocator, Workspace& workspace) noexcept : workspace_{&workspace}, staged_{allocator}, runs_{allocator} {
        // Another database's numbers are other ones: its handles mean nothing here.
        next_number_ = (mix64(reinterpret_cast<std::uintptr_t>(this)) >> 2U) + ContentHandle::first_stored;
    }

    /// Copies `bytes` for rows written later in this transaction, as number `ordinal` of `token`. False when memory is refused.
    [[nodiscard]] bool stage(std::uint64_t token, std::uint32_t ordinal, std::span<const std::byte> bytes) noexcept {
        const bool follows = !runs_.empty() && runs_.back().token == token && runs_.back().first + runs_.back().count == ordinal;
        if (!staged_.reserve_more(1) || (!follows && !runs_.push({token, ordinal, 0, staged_.size()}))) {
            return false;
        }
        Content* const content = make(bytes);
        if (content == nullptr) {
            return false;
        }
        ++runs_.back().count;
        return staged_.push({content, false});
    }

    /// The transaction is over, either way: what no row has taken goes.
    void end_transaction() noexcept {
        if (runs_.empty()) [[likely]] {
            return;
        }
        for (const Staged& staged : staged_) {
            if (!staged.taken) {
                workspace_->pool().give(staged.content);
            }
        }
        staged_.clear();
        runs_.clear();
    }

    /// What a handle given out in this transaction names; empty for any other.
    [[nodiscard]] std::span<const std::byte> staged_bytes(const ContentHandle& handle) const noexcept {
        const std::size_t found = find(handle);
        return found == none ? std::span<const std::byte>{} : staged_[found].content->bytes();
    }

    /// Gives the fields of a row about to be written the contents their handles name, and writes the handles they have from then on into
    /// `row` (in memory layout). `before` is the row being replaced, or null.
    [[nodiscard]] ContentOutcome settle(ContentTree& tree, const Table& table, std::uint32_t index, std::byte* row,
                                        const std::byte* before) noexcept {
        for (const FieldId id : table.contents) {
            const Field& field = table.fields[id];
            if (field.has_presence_byte() && row[field.presence_offset] == std::byte{0}) {
                put_handle(row, field, {}); // absent is empty
            }
            const ContentHandle handle = handle_in(row, field);
            const bool known = handle.number <= ContentHandle::of_default || find(handle) != none ||
                               (before != nullptr && handle == handle_in(before, field));
            if (!known) {
                refused_table_ = table.id;
                refused_ = id;
                return ContentOutcome::Foreign;
            }
        }
        for (const FieldId id : table.contents) {
            const Field& field = table.fields[id];
            const ContentHandle handle = handle_in(row, field);
            if (handle.number == 0 || handle.number == ContentHandle::of_default) {
                const auto* const text = handle.number == 0 ? nullptr : std::get_if<std::string>(&field.default_value);
                const std::span<const std::byte> bytes =
                    text == nullptr ? std::span<const std::byte>{} : std::as_bytes(std::span{text->data(), text->size()});
                if (!put(tree, table, field, index, bytes, none, row)) {
                    return ContentOutcome::OutOfMemory;
                }
            } else if ((handle.number & ContentHandle::staged) != 0) {
                const std::size_t found = find(handle);
                if (!put(tree, table, field, index, staged_[found].content->bytes(), found, row)) {
                    return ContentOutcome::OutOfMemory;
                }
            }
        }
        return ContentOutcome::Done;
    }
    /// The field whose handle `settle` refused last.
    [[nodiscard]] FieldId refused() const noexcept { return refused_; }
    [[nodiscard]] TableId refused_table() const noexcept { return refused_table_; }

    /// Gives one field of an existing row the content `bytes`; its handle goes into `row`. False when memory is refused.
    [[nodiscard]] bool put(ContentTree& tree, const Table& table, const Field& field, std::uint32_t index, std::span<const std::byte> bytes,
                           std::byte* row) noexcept {
        return put(tree, table, field, index, bytes, none, row);
    }

    /// The row goes, and its contents with it. False when memory is refused.
    [[nodiscard]] bool drop(ContentTree& tree, const Table& table, std::uint32_t index) noexcept {
        for (const FieldId field : table.contents) {
            if (tree.find(table.id, field, index) != nullptr && !replace(tree, table.id, field, index, nullptr)) {
                return false;
            }
        }
        return true;
    }
    /// The entity goes, and with it everything its rows had.
    [[nodiscard]] bool drop_all(ContentTree& tree, const Schema& schema, std::uint32_t index) noexcept {
        bool dropped = true;
        tree.tables.for_each(
            [&](std::uint32_t table, const Node&) { dropped = dropped && drop(tree, schema.table(static_cast<TableId>(table)), index); });
        return dropped;
    }

    /// Fills an empty place outside any transaction: for loading. Null when memory is refused, or the place is taken.
    [[nodiscard]] const Content* load(ContentTree& tree, TableId table, FieldId field, std::uint32_t index,
                                      std::span<const std::byte> bytes) noexcept {
        ContentColumn* const column = writable_column(tree, table, field);
        Node** const place = column == nullptr ? nullptr : column->contents.writable_place(*workspace_, index);
        Content* const content = place == nullptr || *place != nullptr ? nullptr : make(bytes);
        if (content != nullptr) {
            content->number = next_number_++;
            *place = content;
            ++column->count;
        }
        return content;
    }

    /// Lets go of columns that have no content any more. Between transactions.
    void trim(ContentTree& tree) noexcept {
        if (!emptied_) [[likely]] {
            return;
        }
        emptied_ = false;
        for (std::uint32_t id = 0; id < tree.tables.capacity(); ++id) {
            const auto* table = static_cast<const ContentTable*>(tree.tables.find(id));
            for (std::uint32_t field = 0; table != nullptr && field < table->columns.capacity(); ++field) {
                const auto* const column = static_cast<const ContentColumn*>(table->columns.find(field));
                if (column == nullptr || column->count != 0) {
                    continue;
                }
                Node** const place = column_place(tree, static_cast<TableId>(id), static_cast<FieldId>(field));
                auto* const own = place == nullptr ? nullptr : static_cast<ContentColumn*>(workspace_->own(*place));
                if (own == nullptr) {
                    emptied_ = true; // a later batch tries again
                    return;
                }
                own->contents.clear(*workspace_);
                workspace_->release(std::exchange(*place, nullptr));
                table = static_cast<const ContentTable*>(tree.tables.find(id));
            }
        }
    }

private:
    static constexpr std::size_t none = ~std::size_t{0};

    struct Staged {
        Content* content;
        bool taken; ///< A row has had it: it belongs to the version.
    };
    /// Consecutive ordinals of one token. Few per transaction: one, and one more for each time changes gathered apart were added.
    struct Run {
        std::uint64_t token;
        std::uint32_t first;
        std::uint32_t count;
        std::size_t place; ///< In `staged_`.
    };

    [[nodiscard]] std::size_t find(const ContentHandle& handle) const noexcept {
        if ((handle.number & ContentHandle::staged) == 0) {
            return none;
        }
        for (std::size_t i = runs_.size(); i-- > 0;) {
            const Run& run = runs_[i];
            if ((run.token | ContentHandle::staged) == handle.number && handle.index - run.first < run.count) {
                return run.place + (handle.index - run.first);
            }
        }
        return none;
    }

    [[nodiscard]] Content* make(std::span<const std::byte> bytes) noexcept {
        auto* const content = static_cast<Content*>(workspace_->allocate(static_cast<std::uint32_t>(sizeof(Content) + bytes.size())));
        if (content != nullptr) {
            content->number = 0;
            content->length = static_cast<std::uint32_t>(bytes.size());
            content->reserved = 0;
            if (!bytes.empty()) {
                std::memcpy(static_cast<void*>(content + 1), bytes.data(), bytes.size());
            }
        }
        return content;
    }

    /// `staged`: the staged content the bytes are those of, or `none`.
    bool put(ContentTree& tree, const Table& table, const Field& field, std::uint32_t index, std::span<const std::byte> bytes,
             std::size_t staged, std::byte* row) noexcept {
        const Content* const current = tree.find(table.id, field.id, index);
        if (bytes.empty()) {
            put_handle(row, field, {});
            return current == nullptr || replace(tree, table.id, field.id, index, nullptr);
        }
        if (current != nullptr && current->length == bytes.size() &&
            std::memcmp(current->bytes().data(), bytes.data(), bytes.size()) == 0) {
            put_handle(row, field, {current->number, index, table.id, field.id}); // the same content stays the same node
            return true;
        }
        const bool take = staged != none && !staged_[staged].taken;
        Content* const content = take ? staged_[staged].content : make(bytes);
        if (content == nullptr) {
            return false;
        }
        if (take) {
            staged_[staged].taken = true;
        }
        content->number = next_number_++;
        put_handle(row, field, {content->number, index, table.id, field.id});
        return replace(tree, table.id, field.id, index, content);
    }

    /// Puts `fresh` in place, or gives it back when memory is refused.
    bool replace(ContentTree& tree, TableId table, FieldId field, std::uint32_t index, Content* fresh) noexcept {
        ContentColumn* const column = writable_column(tree, table, field);
        Node** const place = column == nullptr ? nullptr : column->contents.writable_place(*workspace_, index);
        if (place == nullptr || !workspace_->undo().note(&column->count, sizeof(column->count))) {
            if (fresh != nullptr) {
                workspace_->pool().give(fresh);
            }
            return false;
        }
        column->count += (fresh != nullptr ? 1U : 0U);
        column->count -= (*place != nullptr ? 1U : 0U);
        emptied_ = emptied_ || column->count == 0;
        return workspace_->replace(*place, fresh);
    }

    Node** column_place(ContentTree& tree, TableId table, FieldId field) noexcept {
        Node** const place = own_or_make(tree.tables.writable_place(*workspace_, table), sizeof(ContentTable));
        return place == nullptr ? nullptr : static_cast<ContentTable*>(*place)->columns.writable_place(*workspace_, field);
    }
    ContentColumn* writable_column(ContentTree& tree, TableId table, FieldId field) noexcept {
        Node** const place = own_or_make(column_place(tree, table, field), sizeof(ContentColumn));
        return place == nullptr ? nullptr : static_cast<ContentColumn*>(*place);
    }
    /// The place of a node of this batch. Null when memory is refused.
    Node** own_or_make(Node** place, std::uint32_t bytes) noexcept {
        if (place != nullptr && *place == nullptr) {
            *place = workspace_->allocate_zeroed(bytes);
        } else if (place != nullptr && workspace_->own(*place) == nullptr) {
            return nullptr;
        }
        return place == nullptr || *place == nullptr ? nullptr : place;
    }

    Workspace* workspace_;
    GrowArray<Staged> staged_;
    GrowArray<Run> runs_;
    std::uint64_t next_number_; ///< Never goes back, not even for a transaction undone.
    TableId refused_table_ = 0;
    FieldId refused_ = 0;
    bool emptied_ = false;
};

} // namespace ecsdb::storage
