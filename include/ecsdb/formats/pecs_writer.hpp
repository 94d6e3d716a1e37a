/// @file
/// Writes a view as a PECS file.
#pragma once

#include "ecsdb/formats/pecs_format.hpp"
#include "ecsdb/formats/row_bytes.hpp"
#include "ecsdb/formats/selection.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb::formats::pecs {

/// One save. `out` is empty at first.
class Writer {
public:
    Writer(Selection& selection, ByteBuffer& out) : selection_{&selection}, out_{&out} {}

    [[nodiscard]] Result<void> run() {
        write_header();
        Result<void> written = selection_->for_each([this](const SelectedEntity& entity) { return write(entity); });
        if (!written) {
            return written;
        }
        out_->patch_le<std::uint64_t>(entity_count_offset, entities_);
        out_->append_le<std::uint64_t>(crc64_xz(out_->view()));
        return out_->failed() ? Result<void>{no_memory()} : Result<void>{};
    }

private:
    /// What stands before every component of a table: its type and, where that is always the same, its length.
    using Prefix = std::array<std::byte, component_header_size>;
    struct Type {
        Prefix prefix;
        const Table* table;
        const PackRun* single_run; ///< Null where rows take more than copying one run.
        bool is_plain;             ///< Every component has the same length, and is packed as it lies.
        bool has_references;
        const Codec* codec;
    };

    [[nodiscard]] static Error no_memory() { return Error{ErrorCode::OutOfMemory, "no memory for what is saved"}; }

    static Prefix prefix_of(std::string_view name, std::uint32_t size) noexcept {
        Prefix prefix;
        const Hash128 type = fnv1a_128(name);
        store_id(prefix.data(), type.hi, type.lo);
        store_le<std::uint32_t>(prefix.data() + id_size, size);
        return prefix;
    }

    void write_header() {
        std::size_t entity_size = entity_header_size;
        for (const SelectedTable& selected : selection_->tables()) {
            const Table& table = *selected.table;
            types_.push_back({prefix_of(table.name, table.packed_size), &table, table.runs.size() == 1 ? table.runs.data() : nullptr,
                              selected.codec == nullptr && !table.has_contents(), selected.has_references, selected.codec});
            any_references_ = any_references_ || selected.has_references;
            entity_size += component_header_size + table.packed_size;
        }
        // A guess: most entities have most tables. Small worlds need no second try, and large ones few.
        out_->reserve(header_size + footer_size + std::min<std::uint64_t>(selection_->view().entity_count(), 1024) * entity_size);
        out_->append(magic.data(), magic.size());
        out_->append_le<std::uint32_t>(version);
        out_->append_le<std::uint32_t>(flags);
        out_->append_le<std::uint64_t>(0);
        out_->append_le<std::uint32_t>(static_cast<std::uint32_t>(types_.size() + (any_references_ ? 1 : 0)));
        for (const Type& type : types_) {
            write_type(type.prefix, type.table->name, type.table->version);
        }
        if (any_references_) {
            write_type(references_prefix_, references_name, references_version);
        }
    }
    void write_type(const Prefix& prefix, std::string_view name, std::uint32_t type_version) {
        out_->append(prefix.data(), id_size);
        out_->append_le<std::uint32_t>(static_cast<std::uint32_t>(name.size()));
        out_->append(name.data(), name.size());
        out_->append_le<std::uint32_t>(type_version);
    }

    [[nodiscard]] Result<void> write(const SelectedEntity& entity) {
        ++entities_;
        const std::size_t head = out_->size();
        std::byte* const header = out_->extend(entity_header_size);
        if (header == nullptr) [[unlikely]] {
            return no_memory();
        }
        store_id(header, entity.id.high, entity.id.low);
        store_le<std::uint32_t>(header + id_size, static_cast<std::uint32_t>(entity.rows.size()));
        bool refers = false;
        for (const SelectedRow& selected : entity.rows) {
            const Type& type = types_[selected.place];
            refers = refers || type.has_references;
            const std::size_t size = type.table->packed_size;
            if (!type.is_plain) [[unlikely]] {
                if (Result<void> written = write_special(type, entity, selected.row); !written) {
                    return written;
                }
                continue;
            }
            std::byte* const place = out_->extend(component_header_size + size);
            if (place == nullptr) [[unlikely]] {
                return no_memory();
            }
            std::memcpy(place, type.prefix.data(), component_header_size);
            if (type.single_run != nullptr) [[likely]] {
                std::memcpy(place + component_header_size, selected.row + type.single_run->offset, size);
            } else if (size != 0) {
                pack_row(type.table->runs, selected.row, place + component_header_size);
            }
        }
        if (refers && write_references(entity)) {
            out_->patch_le<std::uint32_t>(head + id_size, static_cast<std::uint32_t>(entity.rows.size() + 1));
        }
        return {};
    }

    /// A component whose length shows when it is written.
    ECSDB_NOINLINE Result<void> write_special(const Type& type, const SelectedEntity& entity, const std::byte* row) {
        out_->append(type.prefix.data(), component_header_size);
        const std::size_t begin = out_->size();
        if (type.codec != nullptr) {
            type.codec->serialise(row, *out_);
        } else {
            append_row(selection_->view().root(), *type.table, entity.entity.index(), row, *out_);
        }
        if (out_->size() - begin > std::numeric_limits<std::uint32_t>::max()) {
            return Error{ErrorCode::Unsupported,
                         "table `" + type.table->name + "`, entity " + entity.id.to_string() + ": more than 4 GiB in one row"};
        }
        out_->patch_le<std::uint32_t>(begin - sizeof(std::uint32_t), static_cast<std::uint32_t>(out_->size() - begin));
        return out_->failed() ? Result<void>{no_memory()} : Result<void>{};
    }

    /// Says whom the entity's references mean; false where there is nothing to say.
    ECSDB_NOINLINE bool write_references(const SelectedEntity& entity) {
        std::vector<Entity> named;
        const Schema& schema = selection_->view().schema();
        for (const SelectedRow& selected : entity.rows) {
            const Table& table = *types_[selected.place].table;
            if (types_[selected.place].has_references) {
                scratch_.assign(selected.row, selected.row + table.size);
                change_references(schema, table.fields, scratch_.data(), [&](Entity& reference) {
                    named.push_back(reference);
                    return true;
                });
            }
        }
        std::sort(named.begin(), named.end());
        named.erase(std::unique(named.begin(), named.end()), named.end());
        // What is gone has no name any more; a load is told so by finding none.
        std::erase_if(named, [&](Entity reference) { return !selection_->view().is_alive(reference); });
        if (named.empty()) {
            return false;
        }
        out_->append(references_prefix_.data(), id_size);
        out_->append_le<std::uint32_t>(static_cast<std::uint32_t>(named.size() * reference_size));
        for (const Entity reference : named) {
            if (std::byte* const place = out_->extend(reference_size); place != nullptr) {
                const StableId id = selection_->view().stable_id(reference);
                store_le<std::uint64_t>(place, reference.to_bits());
                store_id(place + sizeof(std::uint64_t), id.high, id.low);
            }
        }
        return true;
    }

    Selection* selection_;
    ByteBuffer* out_;
    std::vector<Type> types_; ///< By place in the selection.
    Prefix references_prefix_ = prefix_of(references_name, 0);
    bool any_references_ = false;
    std::uint64_t entities_ = 0;
    std::vector<std::byte> scratch_;
};

} // namespace ecsdb::formats::pecs
