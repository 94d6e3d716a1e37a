/// @file
/// Checks a delta against the schema it is to be applied under.
#pragma once

#include "ecsdb/delta/view.hpp"

namespace ecsdb::delta {

namespace detail {

/// Null, or how the run contradicts the table.
[[nodiscard]] inline const char* check_run(const Run& run, const Table& table) noexcept {
    if (run.mask.limit() > table.fields.size()) {
        return "names a field that is not there";
    }
    std::size_t size = 0;
    if (run.mask.is_all()) {
        size = table.packed_size;
    } else {
        for (std::size_t field = 0; field < run.mask.limit(); ++field) {
            size += run.mask.test(static_cast<FieldId>(field)) ? table.fields[field].packed_size : 0;
        }
    }
    return size == run.stride ? nullptr : "has values of another size than its fields";
}

} // namespace detail

/// Whether every table and field of the delta exists in `schema`, and every value has its field's size; `Corrupt` otherwise. After that,
/// the rows can be applied without further checks of the bytes. Values are not looked at.
///
/// Cost: linear in the bytes.
[[nodiscard]] inline Result<void> validate(const DeltaView& delta, const Schema& schema) {
    const char* problem = nullptr;
    std::uint64_t table_id = 0;
    delta.for_each_section([&](const Section& section) {
        if (!section.has_rows() || problem != nullptr) {
            return;
        }
        table_id = section.id;
        if (section.id >= schema.tables().size() || schema.table(static_cast<TableId>(section.id)).dropped) {
            problem = "is not there";
            return;
        }
        const Table& table = schema.table(static_cast<TableId>(section.id));
        DeltaView::for_each_run(section, [&](const Run& run) {
            if (problem == nullptr) {
                problem = detail::check_run(run, table);
            }
        });
    });
    if (problem != nullptr) {
        const bool known = table_id < schema.tables().size();
        return Error{ErrorCode::Corrupt, "delta: table " + std::to_string(table_id) +
                                             (known ? " (`" + schema.table(static_cast<TableId>(table_id)).name + "`) " : " ") + problem};
    }
    return {};
}

} // namespace ecsdb::delta
