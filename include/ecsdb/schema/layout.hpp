/// @file
/// Finishes a schema: checks it, numbers its parts, and lays out every row in memory (as a C++ struct) and packed (on disk and wire).
#pragma once

#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/canonical.hpp"
#include "ecsdb/schema/draft.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/validate.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::detail {

/// The layout of one element of a field: a scalar, a string, an enum or a struct.
struct ElementLayout {
    std::uint64_t size = 0;
    std::uint32_t alignment = 1;
    std::uint64_t packed_size = 0;
    const std::vector<PackRun>* runs = nullptr; ///< Null when the element is one run.
};

[[nodiscard]] inline ElementLayout element_layout(const SchemaDraft& draft, const Field& field) {
    switch (field.type) {
    case FieldType::String: {
        const std::uint64_t bytes = sizeof(std::uint16_t) + std::uint64_t{field.capacity};
        return {bytes + bytes % alignof(std::uint16_t), alignof(std::uint16_t), bytes, nullptr};
    }
    case FieldType::Enum: {
        const std::uint32_t size = scalar_size(draft.enums[field.type_index].underlying);
        return {size, size, size, nullptr};
    }
    case FieldType::Struct: {
        const StructType& type = draft.structs[field.type_index];
        return {type.size, type.alignment, type.packed_size, &type.runs};
    }
    case FieldType::Text:
    case FieldType::Blob:
        return {sizeof(ContentHandle), alignof(ContentHandle), 0, nullptr};
    default: {
        const std::uint32_t size = scalar_size(field.type);
        return {size, size, size, nullptr};
    }
    }
}

/// Lays fields out one after the other: in memory by the rules of a standard-layout C++ struct, packed without gaps.
class RowLayout {
public:
    /// Gives `field` its place; what is wrong with it otherwise. Its type must have a layout.
    [[nodiscard]] Result<void> add(const SchemaDraft& draft, Field& field) {
        const ElementLayout element = element_layout(draft, field);
        std::uint64_t count = 1;
        for (const std::uint32_t extent : field.extents) {
            count *= extent;
            if (count > max_row_size) {
                break;
            }
        }
        const std::uint64_t presence = field.has_presence_byte() ? 1 : 0;
        const std::uint64_t offset = round_up(size_, element.alignment);
        const std::uint64_t end = offset + round_up(element.size * count + presence, element.alignment);
        if (end > max_row_size) {
            return Error{ErrorCode::InvalidSchema, "reaches past the " + std::to_string(max_row_size) + " bytes a row can have"};
        }
        field.offset = static_cast<std::uint32_t>(offset);
        field.size = static_cast<std::uint32_t>(element.size * count);
        field.alignment = element.alignment;
        field.packed_offset = static_cast<std::uint32_t>(packed_size_);
        field.packed_size = static_cast<std::uint32_t>(element.packed_size * count + presence);
        field.presence_offset = presence == 0 ? 0 : field.offset + field.size;
        size_ = end;
        alignment_ = alignment_ < element.alignment ? element.alignment : alignment_;

        if (element.size == element.packed_size && (element.runs == nullptr || element.runs->size() == 1)) {
            append({field.offset, field.packed_offset, field.size});
        } else if (element.packed_size != 0) {
            const std::size_t runs_each = element.runs == nullptr ? 1 : element.runs->size();
            if (runs_.size() + runs_each * count > max_pack_runs) {
                return Error{ErrorCode::InvalidSchema, "falls into more than " + std::to_string(max_pack_runs) +
                                                           " pieces when packed: reorder its struct to leave no gaps"};
            }
            append_elements(element, field, static_cast<std::uint32_t>(count));
        }
        if (presence != 0) {
            append({field.presence_offset, field.packed_offset + field.packed_size - 1, 1});
        }
        packed_size_ += field.packed_size;
        return {};
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(round_up(size_, alignment_)); }
    [[nodiscard]] std::uint32_t alignment() const noexcept { return alignment_; }
    [[nodiscard]] std::uint32_t packed_size() const noexcept { return static_cast<std::uint32_t>(packed_size_); }
    [[nodiscard]] std::vector<PackRun> take_runs() noexcept { return std::move(runs_); }

private:
    static std::uint64_t round_up(std::uint64_t bytes, std::uint32_t alignment) noexcept {
        return (bytes + alignment - 1) / alignment * alignment;
    }

    void append(const PackRun& run) {
        if (!runs_.empty()) {
            PackRun& last = runs_.back();
            if (last.offset + last.size == run.offset && last.packed_offset + last.size == run.packed_offset) {
                last.size += run.size;
                return;
            }
        }
        runs_.push_back(run);
    }

    void append_elements(const ElementLayout& element, const Field& field, std::uint32_t count) {
        const auto size = static_cast<std::uint32_t>(element.size);
        const auto packed_size = static_cast<std::uint32_t>(element.packed_size);
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint32_t offset = field.offset + i * size;
            const std::uint32_t packed_offset = field.packed_offset + i * packed_size;
            if (element.runs == nullptr) {
                append({offset, packed_offset, packed_size});
                continue;
            }
            for (const PackRun& run : *element.runs) {
                append({offset + run.offset, packed_offset + run.packed_offset, run.size});
            }
        }
    }

    std::uint64_t size_ = 0;
    std::uint32_t alignment_ = 1;
    std::uint64_t packed_size_ = 0;
    std::vector<PackRun> runs_;
};

/// Counts the pieces of one more row: a small schema of padded structs must not describe gigabytes of them.
[[nodiscard]] inline Result<void> spend_runs(SchemaDraft& draft, const SchemaPlace& place, std::size_t runs) {
    draft.pack_runs += runs;
    if (draft.pack_runs > max_total_pack_runs) {
        return draft.error(place,
                           "the rows of the schema fall into more than " + std::to_string(max_total_pack_runs) + " pieces when packed");
    }
    return {};
}

/// Lays structs out, inner ones first, and refuses those that contain themselves.
class StructLayouts {
public:
    explicit StructLayouts(SchemaDraft& draft) : draft_{draft}, depths_(draft.structs.size(), untouched) {}

    [[nodiscard]] Result<void> run() {
        for (std::size_t i = 0; i < draft_.structs.size(); ++i) {
            if (auto done = lay_out(i, 0); !done) {
                return done;
            }
        }
        return {};
    }

private:
    static constexpr unsigned untouched = 0;
    static constexpr unsigned open = ~0U;

    /// `above` structs are being laid out around this one.
    Result<void> lay_out(std::size_t index, unsigned above) {
        if (depths_[index] != untouched) {
            return {};
        }
        depths_[index] = open;
        unsigned depth = 1;
        StructType& type = draft_.structs[index];
        RowLayout layout;
        for (std::size_t i = 0; i < type.fields.size(); ++i) {
            Field& field = type.fields[i];
            const SchemaPlace place = in_struct(index, i, "type");
            if (field.type == FieldType::Struct) {
                if (depths_[field.type_index] == open) {
                    return draft_.error(place, "struct `" + type.name + "` would contain itself through `" +
                                                   draft_.structs[field.type_index].name + "`");
                }
                // Both ways in: a chain met from its outer end would recurse too deep, one met from its inner end is done already.
                if (above + 2 <= max_struct_depth) {
                    if (auto inner = lay_out(field.type_index, above + 1); !inner) {
                        return inner;
                    }
                    depth = std::max(depth, depths_[field.type_index] + 1);
                }
                if (above + 2 > max_struct_depth || depth > max_struct_depth) {
                    return draft_.error(place, "structs are nested more than " + std::to_string(max_struct_depth) + " deep");
                }
            }
            if (auto added = layout.add(draft_, field); !added) {
                return draft_.error(place, added.error().message());
            }
        }
        type.size = layout.size();
        type.alignment = layout.alignment();
        type.packed_size = layout.packed_size();
        type.runs = layout.take_runs();
        depths_[index] = depth;
        return spend_runs(draft_, in_struct(index), type.runs.size());
    }

    SchemaDraft& draft_;
    std::vector<unsigned> depths_; // structs on the longest way down, this one included
};

[[nodiscard]] inline Result<void> lay_out_table(SchemaDraft& draft, std::size_t index) {
    Table& table = draft.tables[index];
    RowLayout layout;
    table.contents.clear();
    for (std::size_t i = 0; i < table.fields.size(); ++i) {
        if (auto added = layout.add(draft, table.fields[i]); !added) {
            return draft.error(in_table(index, i, "type"), added.error().message());
        }
        if (is_content(table.fields[i].type)) {
            table.contents.push_back(static_cast<FieldId>(i));
        }
    }
    table.size = layout.size();
    table.alignment = layout.alignment();
    table.packed_size = layout.packed_size();
    table.runs = layout.take_runs();
    return spend_runs(draft, in_table(index), table.runs.size());
}

} // namespace ecsdb::detail

namespace ecsdb {

/// Turns a schema that is only data into one a database can use.
class SchemaFinisher {
public:
    /// See `finish_schema`.
    [[nodiscard]] static Result<Schema> finish(Schema schema, const SchemaSource* source) {
        detail::SchemaDraft draft{schema.tables_,           schema.enums_, schema.structs_, schema.entity_names_, schema.name_,
                                  schema.database_version_, source};
        if (auto checked = detail::check_parts(draft); !checked) {
            return std::move(checked).error();
        }
        if (auto laid_out = detail::StructLayouts{draft}.run(); !laid_out) {
            return std::move(laid_out).error();
        }
        for (std::size_t i = 0; i < draft.tables.size(); ++i) {
            if (auto laid_out = detail::lay_out_table(draft, i); !laid_out) {
                return std::move(laid_out).error();
            }
        }
        schema.hash_ = detail::schema_hash(schema);
        if (schema.hash_ == 0) {
            return Error{ErrorCode::OutOfMemory, "no memory to hash the schema"};
        }
        return schema;
    }
};

/// Checks `draft` as a whole, numbers tables and fields by position, resolves parents and foreign keys, fits defaults and bounds to
/// their fields, computes every layout and the hash. A `u64` with a foreign key to an entity becomes an entity reference.
///
/// `ErrorCode::InvalidSchema` names the first thing wrong, in the order of the schema; with a `source` also where it was written.
/// Finishing a finished schema changes nothing. Cost: one pass, a few allocations per table.
[[nodiscard]] inline Result<Schema> finish_schema(Schema draft, const SchemaSource* source = nullptr) {
    return SchemaFinisher::finish(std::move(draft), source);
}

} // namespace ecsdb
