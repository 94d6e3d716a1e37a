/// @file
/// Checks a delta against the schema it is to be applied under.
#pragma once

#include "ecsdb/delta/values.hpp"
#include "ecsdb/schema/utf8.hpp"

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

/// Null, or how the entry contradicts the table.
[[nodiscard]] inline const char* check_content(const ContentEntry& entry, const Table& table) noexcept {
    if (entry.field >= table.fields.size() || !is_content(table.fields[entry.field].type)) {
        return " holds no text or blob";
    }
    const bool text = table.fields[entry.field].type == FieldType::Text;
    return !text || is_utf8({reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size()}) ? nullptr : " is not UTF-8";
}

/// The entity index of a run's row.
[[nodiscard]] inline std::uint32_t index_at(const Run& run, std::uint32_t place) noexcept {
    std::uint32_t found = 0;
    std::uint32_t at = 0;
    run.for_each_index([&](std::uint32_t index) { found = at++ == place ? index : found; });
    return found;
}

} // namespace detail

/// Whether every table and field of the delta exists in the schema of `checks`, and every value has its field's size and is a value of its
/// field's type (see `ValueCheck`); `Corrupt` otherwise, naming table, field and entity. After that, the rows can be applied without
/// further checks of the bytes.
///
/// Cost: O(bytes of heads and ids), and of values where not any bytes are one.
[[nodiscard]] inline Result<void> validate(const DeltaView& delta, const ValueChecks& checks) {
    const Schema& schema = checks.schema();
    std::uint64_t table_id = 0;
    std::string problem;
    delta.for_each_section([&](const Section& section) {
        if (!section.is_of_table() || !problem.empty()) {
            return;
        }
        table_id = section.id;
        if (section.id >= schema.tables().size() || schema.table(static_cast<TableId>(section.id)).dropped) {
            problem = " is not there";
            return;
        }
        const Table& table = schema.table(static_cast<TableId>(section.id));
        if (section.is(SectionKind::Contents)) {
            for_each_content(section.body, [&](const ContentEntry& entry) {
                if (const char* const what = problem.empty() ? detail::check_content(entry, table) : nullptr) {
                    problem = ", entity " + std::to_string(entry.index) + ", field " + std::to_string(entry.field) + what;
                }
            });
            return;
        }
        const ValueCheck& values = checks.of(table.id);
        DeltaView::for_each_run(section, [&](const Run& run) {
            if (!problem.empty()) {
                return;
            }
            if (const char* const what = detail::check_run(run, table)) {
                problem = std::string{" "} + what;
            } else if (!values.empty()) {
                std::uint32_t place = 0;
                if (const ValueFault fault = values.run(run, place)) {
                    problem = ", entity " + std::to_string(detail::index_at(run, place)) + ", " + fault.describe();
                }
            }
        });
    });
    if (!problem.empty()) {
        const bool known = table_id < schema.tables().size();
        return Error{ErrorCode::Corrupt, "delta: table " + std::to_string(table_id) +
                                             (known ? " (`" + schema.table(static_cast<TableId>(table_id)).name + "`)" : "") + problem};
    }
    return {};
}
/// The same for a single delta. Cost: O(fields of the schema) besides.
[[nodiscard]] inline Result<void> validate(const DeltaView& delta, const Schema& schema) {
    return validate(delta, ValueChecks{schema});
}

} // namespace ecsdb::delta
