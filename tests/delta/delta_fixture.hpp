/// @file
/// What the tests of the delta room share: a schema with every awkward kind of row, and ways to make rows and look into deltas.
#pragma once

#include "ecsdb/delta/column_encoder.hpp"
#include "ecsdb/delta/encoder.hpp"
#include "ecsdb/delta/validate.hpp"
#include "ecsdb/delta/view.hpp"
#include "ecsdb/schema/layout.hpp"
#include "support/catch.hpp"

#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace delta_test {

using namespace ecsdb;
using namespace ecsdb::delta;
using Bytes = std::vector<std::byte>;

inline Field field(std::string name, FieldType type) {
    Field made;
    made.name = std::move(name);
    made.type = type;
    return made;
}

inline Table table(std::string name, std::vector<Field> fields) {
    Table made;
    made.name = std::move(name);
    made.fields = std::move(fields);
    return made;
}

// Tables of `test_schema`.
inline constexpr TableId position = 0; // three f32
inline constexpr TableId health = 1;   // padding, and a presence byte
inline constexpr TableId alive = 2;    // a tag
inline constexpr TableId kit = 3;      // fields with padding inside
inline constexpr TableId wide = 4;     // more fields than a word has bits
inline constexpr TableId velocity = 5; // two f32

inline const Schema& test_schema() {
    static const Schema schema = [] {
        Field shield = field("shield", FieldType::U32);
        shield.nullable = true;
        Field label = field("label", FieldType::String);
        label.capacity = 3;
        Field items = field("items", FieldType::Struct);
        items.extents = {2};
        std::vector<Field> many;
        for (int i = 0; i < 70; ++i) {
            many.push_back(field("f" + std::to_string(i), i % 3 == 0 ? FieldType::U16 : FieldType::U8));
        }
        StructType item;
        item.name = "item";
        item.fields = {field("kind", FieldType::U8), field("amount", FieldType::U32)};
        std::vector<Table> tables{
            table("position", {field("x", FieldType::F32), field("y", FieldType::F32), field("z", FieldType::F32)}),
            table("health", {field("hp", FieldType::U16), shield, field("mood", FieldType::U8), field("owner", FieldType::Entity)}),
            table("alive", {}),
            table("kit", {label, items, field("serial", FieldType::U64)}),
            table("wide", many),
            table("velocity", {field("x", FieldType::F32), field("y", FieldType::F32)}),
        };
        Result<Schema> finished = finish_schema(Schema{"test", "1.0", std::move(tables), {}, {item}});
        if (!finished) {
            FAIL(finished.error().message());
        }
        return *std::move(finished);
    }();
    return schema;
}

inline Bytes bytes_of(std::initializer_list<unsigned> values) {
    Bytes bytes;
    for (const unsigned value : values) {
        bytes.push_back(static_cast<std::byte>(value));
    }
    return bytes;
}

inline Bytes copy_of(const ByteBuffer& buffer) {
    return {buffer.view().begin(), buffer.view().end()};
}

template <typename... Values>
Bytes row_of(const Values&... values) {
    Bytes row;
    (
        [&row](const auto& value) {
            const auto* const bytes = reinterpret_cast<const std::byte*>(&value);
            row.insert(row.end(), bytes, bytes + sizeof value);
        }(values),
        ...);
    return row;
}

/// A row whose padding is zero and whose values are small random numbers, so that some are equal by chance.
inline Bytes random_row(const Table& table, std::mt19937& random) {
    Bytes row(table.size);
    for (const PackRun& run : table.runs) {
        for (std::uint32_t i = 0; i < run.size; ++i) {
            row[run.offset + i] = static_cast<std::byte>(random() % 2);
        }
    }
    for (const Field& field : table.fields) {
        if (field.type == FieldType::String) {
            // A text's bytes depend on each other: none, or one, of its length.
            std::fill_n(row.begin() + field.offset, field.size, std::byte{0});
            row[field.offset] = row[field.offset + 2] = static_cast<std::byte>(random() % 2);
        }
    }
    return row;
}

/// Fills what is not part of any value.
inline void scribble_padding(const Table& table, Bytes& row, std::byte with) {
    std::vector<bool> used(row.size());
    for (const PackRun& run : table.runs) {
        std::fill_n(used.begin() + run.offset, run.size, true);
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
        row[i] = used[i] ? row[i] : with;
    }
}

/// Refuses after a number of allocations.
class ScarceAllocator final : public Allocator {
public:
    explicit ScarceAllocator(int left) : left_{left} {}
    void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
        return left_-- > 0 ? system_.allocate(bytes, alignment) : nullptr;
    }
    void deallocate(void* memory, std::size_t bytes, std::size_t alignment) noexcept override {
        system_.deallocate(memory, bytes, alignment);
    }

private:
    SystemAllocator system_;
    int left_;
};

inline SystemAllocator& memory() {
    static SystemAllocator system;
    return system;
}

/// A checked delta, or a failed test.
inline DeltaView parsed(std::span<const std::byte> bytes) {
    Result<DeltaView> view = DeltaView::parse(bytes);
    if (!view) {
        FAIL(view.error().message());
    }
    if (Result<void> valid = validate(*view, test_schema()); !valid) {
        FAIL(valid.error().message());
    }
    return *view;
}

/// The delta of one call per table.
inline Bytes delta_of(const Header& header, TableId table_id, std::span<const RowChange> changes) {
    ByteBuffer out{memory()};
    Encoder encoder{memory()};
    encoder.begin(out, header);
    encoder.table(test_schema().table(table_id), changes);
    encoder.end();
    return copy_of(out);
}

/// One row as a reader sees it.
struct SeenRow {
    TableId table = no_table;
    RowChangeKind kind = RowChangeKind::Removed;
    std::uint32_t index = 0;
    std::vector<FieldId> fields;
    Bytes values;

    friend bool operator==(const SeenRow&, const SeenRow&) = default;
};

/// Everything in a delta, in order.
struct Seen {
    std::vector<Entity> destroyed_entities;
    std::vector<Entity> created_entities;
    std::vector<SeenRow> rows;
    std::vector<VersionIncrement> versions;

    void destroyed(Entity entity) { destroyed_entities.push_back(entity); }
    void created(Entity entity) { created_entities.push_back(entity); }
    void run(const Run& run) {
        run.for_each_row([&](std::uint32_t index, const std::byte* values) {
            SeenRow row{run.table, run.kind, index, {}, Bytes(values, values + run.stride)};
            for (std::size_t i = 0; run.kind == RowChangeKind::Changed && i < run.mask.limit(); ++i) {
                if (run.mask.test(static_cast<FieldId>(i))) {
                    row.fields.push_back(static_cast<FieldId>(i));
                }
            }
            rows.push_back(row);
        });
    }
    void version(std::uint32_t index, std::uint32_t increment) { versions.push_back({index, increment}); }
};

inline Seen seen(std::span<const std::byte> bytes) {
    Seen result;
    parsed(bytes).visit(result);
    return result;
}

} // namespace delta_test
