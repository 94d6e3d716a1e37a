/// @file
/// Writes a view in the native format: entities with rows in the same tables together, and each table's rows side by side.
#pragma once

#include "ecsdb/core/allocator.hpp"
#include "ecsdb/core/checksum.hpp"
#include "ecsdb/formats/native_format.hpp"
#include "ecsdb/formats/row_bytes.hpp"
#include "ecsdb/formats/selection.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::formats::native {

/// One save. `out` is empty at first. Holds everything that is saved a second time while it lasts.
class Writer {
public:
    Writer(Selection& selection, ByteBuffer& out) : selection_{&selection}, out_{&out} {}

    [[nodiscard]] Result<void> run() {
        Result<void> gathered = selection_->for_each([this](const SelectedEntity& entity) { return gather(entity); });
        if (!gathered) {
            return gathered;
        }
        write_header();
        for (const Group& group : groups_) {
            write(group);
        }
        write_references();
        out_->append_le<std::uint64_t>(crc64_xz(out_->view()));
        return out_->failed() ? Result<void>{no_memory()} : Result<void>{};
    }

private:
    /// The rows of one table in one group.
    struct Column {
        explicit Column(SystemAllocator& memory) noexcept : rows{memory}, lengths{memory} {}
        ByteBuffer rows;
        ByteBuffer lengths; ///< Of varying rows: u32 each.
    };
    /// Entities with rows in the same tables.
    struct Group {
        Group(std::vector<std::uint32_t> of, SystemAllocator& memory) : places{std::move(of)}, ids{memory} {
            columns.reserve(places.size());
            for (std::size_t i = 0; i < places.size(); ++i) {
                columns.emplace_back(memory);
            }
        }
        std::vector<std::uint32_t> places; ///< In the selection; ascending.
        ByteBuffer ids;
        std::vector<Column> columns;
        std::uint32_t count = 0;
    };

    [[nodiscard]] static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory for what is saved"}; }
    [[nodiscard]] static bool is_varying(const SelectedTable& table) noexcept {
        return table.codec != nullptr || table.table->has_contents();
    }

    [[nodiscard]] Group& group_of(std::span<const SelectedRow> rows) {
        const auto is_of = [&](const Group& group) {
            return std::equal(rows.begin(), rows.end(), group.places.begin(), group.places.end(),
                              [](const SelectedRow& row, std::uint32_t place) { return row.place == place; });
        };
        if (group_ >= groups_.size() || !is_of(groups_[group_])) {
            std::vector<std::uint32_t> key;
            for (const SelectedRow& row : rows) {
                key.push_back(row.place);
            }
            const auto [known, is_new] = group_by_key_.emplace(key, groups_.size());
            group_ = known->second;
            if (is_new) {
                groups_.emplace_back(std::move(key), memory_);
            }
        }
        return groups_[group_];
    }

    [[nodiscard]] Result<void> gather(const SelectedEntity& entity) {
        Group& group = group_of(entity.rows);
        std::byte* const id = group.ids.extend(id_size);
        if (id == nullptr || group.count == std::numeric_limits<std::uint32_t>::max()) {
            return no_memory();
        }
        store_id(id, entity.id);
        ++group.count;
        ++entities_;
        for (std::size_t i = 0; i < entity.rows.size(); ++i) {
            const SelectedTable& selected = selection_->tables()[entity.rows[i].place];
            const std::byte* const row = entity.rows[i].row;
            Column& column = group.columns[i];
            if (selected.has_references) {
                note_references(*selected.table, row);
            }
            if (is_varying(selected)) {
                if (Result<void> done = append_varying(selected, entity, row, column); !done) {
                    return done;
                }
                continue;
            }
            std::byte* const place = column.rows.extend(selected.table->packed_size);
            if (place == nullptr) [[unlikely]] {
                return no_memory();
            }
            if (selected.table->packed_size != 0) {
                pack_row(selected.table->runs, row, place);
            }
        }
        return {};
    }

    ECSDB_NOINLINE Result<void> append_varying(const SelectedTable& selected, const SelectedEntity& entity, const std::byte* row,
                                               Column& column) {
        const std::size_t begin = column.rows.size();
        if (selected.codec != nullptr) {
            selected.codec->serialise(row, column.rows);
        } else {
            append_row(selection_->view().root(), *selected.table, entity.entity.index(), row, column.rows);
        }
        const std::size_t size = column.rows.size() - begin;
        if (size > std::numeric_limits<std::uint32_t>::max()) {
            return Error{ErrorCode::Unsupported,
                         "table `" + selected.table->name + "`, entity " + entity.id.to_string() + ": more than 4 GiB in one row"};
        }
        column.lengths.append_le<std::uint32_t>(static_cast<std::uint32_t>(size));
        return column.rows.failed() || column.lengths.failed() ? Result<void>{no_memory()} : Result<void>{};
    }

    ECSDB_NOINLINE void note_references(const Table& table, const std::byte* row) {
        scratch_.assign(row, row + table.size);
        change_references(selection_->view().schema(), table.fields, scratch_.data(), [&](Entity& reference) {
            if (named_.empty() || named_.back() != reference) {
                named_.push_back(reference);
            }
            return true;
        });
    }

    void write_header() {
        std::sort(named_.begin(), named_.end());
        named_.erase(std::unique(named_.begin(), named_.end()), named_.end());
        // What is gone has no name any more; a load is told so by finding none.
        std::erase_if(named_, [&](Entity reference) { return !selection_->view().is_alive(reference); });
        out_->append(magic.data(), magic.size());
        out_->append_le<std::uint32_t>(version);
        out_->append_le<std::uint32_t>(flags);
        out_->append_le<std::uint64_t>(entities_);
        out_->append_le<std::uint64_t>(named_.size());
        out_->append_le<std::uint32_t>(static_cast<std::uint32_t>(selection_->tables().size()));
        out_->append_le<std::uint32_t>(static_cast<std::uint32_t>(groups_.size()));
        for (const SelectedTable& selected : selection_->tables()) {
            const Table& table = *selected.table;
            out_->append_le<std::uint32_t>(static_cast<std::uint32_t>(table.name.size()));
            out_->append(table.name.data(), table.name.size());
            out_->append_le<std::uint32_t>(table.version);
            out_->append_le<std::uint32_t>(is_varying(selected) ? varying : table.packed_size);
        }
    }

    void write(const Group& group) {
        out_->append_le<std::uint32_t>(group.count);
        out_->append_le<std::uint32_t>(static_cast<std::uint32_t>(group.places.size()));
        for (const std::uint32_t place : group.places) {
            out_->append_le<std::uint32_t>(place);
        }
        out_->append(group.ids.view());
        for (const Column& column : group.columns) {
            out_->append(column.lengths.view());
            out_->append(column.rows.view());
        }
    }

    void write_references() {
        for (const Entity reference : named_) {
            if (std::byte* const place = out_->extend(reference_size); place != nullptr) {
                store_le<std::uint64_t>(place, reference.to_bits());
                store_id(place + sizeof(std::uint64_t), selection_->view().stable_id(reference));
            }
        }
    }

    SystemAllocator memory_;
    Selection* selection_;
    ByteBuffer* out_;
    std::vector<Group> groups_; ///< In the order of their first entities.
    std::map<std::vector<std::uint32_t>, std::size_t> group_by_key_;
    std::size_t group_ = 0; ///< Of the entity before.
    std::vector<Entity> named_;
    std::vector<std::byte> scratch_;
    std::uint64_t entities_ = 0;
};

} // namespace ecsdb::formats::native
