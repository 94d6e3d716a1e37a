/// @file
/// Checks what the text and blob fields of a row hold: that text is UTF-8, and that nothing is longer than the schema allows.
#pragma once

#include "ecsdb/constraint/row_check.hpp"
#include "ecsdb/core/list.hpp"
#include "ecsdb/storage/contents.hpp"

#include <cstddef>
#include <string>

namespace ecsdb::constraint {

/// Which fields of a table hold contents that can be wrong. Fixed once made; any thread may check.
class ContentCheck {
public:
    ContentCheck() = default;
    /// `table` must outlive the check.
    explicit ContentCheck(const Table& table) {
        for (const FieldId id : table.contents) {
            const Field& field = table.fields[id];
            if (field.type == FieldType::Text || field.capacity != 0) {
                fields_.push_back(&field);
            }
        }
    }

    [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }

    /// The first fault of what `row` holds, if any. What it held already before (the row `before`, or null) is not looked at again. Cost:
    /// O(bytes of text that are new).
    [[nodiscard]] Fault operator()(const storage::ContentTree& tree, const std::byte* row, const std::byte* before) const {
        for (const Field* const field : fields_) {
            const ContentHandle handle = storage::handle_in(row, *field);
            if (handle.is_empty() || (before != nullptr && storage::handle_in(before, *field) == handle)) {
                continue;
            }
            const std::span<const std::byte> bytes = tree.bytes_of(handle);
            if (field->capacity != 0 && bytes.size() > field->capacity) {
                return {field, "has " + std::to_string(bytes.size()) + " bytes, and the field holds " + std::to_string(field->capacity)};
            }
            if (field->type == FieldType::Text && !is_utf8({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
                return {field, "is not UTF-8"};
            }
        }
        return {};
    }

private:
    List<const Field*> fields_;
};

} // namespace ecsdb::constraint
