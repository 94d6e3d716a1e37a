/// @file
/// What a database holds, as data: tables, their fields, enums and structs, with the layout of every row in memory and packed.
#pragma once

#include "ecsdb/schema/types.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ecsdb {

/// A table's permanent number: its position in `Schema::tables()`. A dropped table leaves a gap, never a reuse.
using TableId = std::uint16_t;
/// A field's permanent number within its table: its position in `Table::fields`.
using FieldId = std::uint16_t;

inline constexpr TableId no_table = 0xFFFF;

/// A constant in a schema: a default, a bound. Integers are kept as the widest type of their sign.
using SchemaValue = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string>;

/// Where a table keeps its rows.
enum class Storage : std::uint8_t {
    Table = 0,  ///< In the pages of the entity's archetype: fastest to walk; adding one moves the entity.
    Sparse = 1, ///< In a tree keyed by entity index: fastest to add and remove; moves nothing else.
};

/// How a table's rows outlive the process.
enum class Persist : std::uint8_t {
    Wal = 0,       ///< Every commit is logged.
    Snapshot = 1,  ///< Saved with snapshots only: comes back with its last saved value where the same entity still lives.
    Transient = 2, ///< Never written: gone when the database is opened again.
};

/// What happens to a row when the row its foreign key names goes away.
enum class OnDelete : std::uint8_t {
    Restrict = 0, ///< The removal fails.
    Cascade = 1,  ///< The row goes too.
    SetNull = 2,  ///< The key becomes null.
};

/// The target of a foreign key.
struct ForeignKey {
    std::string table;           ///< The word before the dot.
    std::string field;           ///< The word after it.
    TableId table_id = no_table; ///< `no_table` means the registry of entities itself.
    bool to_key = true;          ///< The target is the table's own entity (its primary key), not a unique field.
    FieldId field_id = 0;        ///< Meaningful when `to_key` is false.
    OnDelete on_delete = OnDelete::Restrict;
};

/// One field of a table or of a struct.
struct Field {
    std::string name;
    FieldId id = 0;
    FieldType type = FieldType::U8;
    std::vector<std::uint32_t> extents; ///< Array extents, outermost first; empty for a single value.
    std::uint32_t capacity = 0;         ///< `String`, `Text`, `Blob`: the most bytes it holds; of the last two, 0 is no limit of its own.
    std::uint16_t type_index = 0;       ///< `Enum`, `Struct`: position in `Schema::enums()` or `Schema::structs()`.
    bool nullable = false;
    bool not_null = false;
    bool unique = false;
    bool indexed = false;
    bool deprecated = false;
    SchemaValue default_value;
    SchemaValue min;
    SchemaValue max;
    std::optional<ForeignKey> foreign_key;

    // The layout, filled in by `finish()`; offsets count from the start of the row (or of the struct).
    std::uint32_t offset = 0; ///< In memory, as a C++ struct of the same fields lays it out.
    std::uint32_t size = 0;   ///< In memory, all elements, without the presence byte.
    std::uint32_t alignment = 1;
    std::uint32_t packed_offset = 0;   ///< On disk and wire.
    std::uint32_t packed_size = 0;     ///< With the presence byte of a nullable field (after its value).
    std::uint32_t presence_offset = 0; ///< Where a nullable field's presence byte lies in memory; 0 when it has none.

    /// Elements in all, 1 for a single value.
    [[nodiscard]] std::uint32_t element_count() const noexcept {
        std::uint32_t count = 1;
        for (const std::uint32_t extent : extents) {
            count *= extent;
        }
        return count;
    }
    /// Has a presence byte: nullable, and not an entity reference, whose null is the null `Entity`.
    [[nodiscard]] bool has_presence_byte() const noexcept { return nullable && type != FieldType::Entity; }
};

/// A run of bytes that lies together both in memory and packed. A row is packed by copying its runs.
struct PackRun {
    std::uint32_t offset = 0;
    std::uint32_t packed_offset = 0;
    std::uint32_t size = 0;
};

struct EnumValue {
    std::string name;
    std::int64_t value = 0;
};

struct EnumType {
    std::string name;
    FieldType underlying = FieldType::U8;
    std::vector<EnumValue> values;
};

struct StructType {
    std::string name;
    std::vector<Field> fields;
    std::uint32_t size = 0; ///< With tail padding.
    std::uint32_t alignment = 1;
    std::uint32_t packed_size = 0;
    std::vector<PackRun> runs;
};

/// One component: the type of its rows and how they are kept.
struct Table {
    std::string name;
    TableId id = 0;
    std::uint32_t version = 1;
    std::vector<Field> fields;
    Storage storage = Storage::Table;
    Persist persist = Persist::Wal;
    std::uint64_t capacity = 0; ///< Rows expected: room for them is taken when a database opens.
    bool deprecated = false;
    bool dropped = false;      ///< The id is spent; the table is gone.
    TableId parent = no_table; ///< The component an entity must have before this one, and which takes this one with it.
    std::string parent_name;   ///< As written; "entities" or empty means every entity may have it.
    std::string key_name;      ///< How the schema calls the row's own entity (`entity_id`); it costs no column.

    std::uint32_t size = 0; ///< Bytes of a row in memory, with tail padding (a C++ struct's sizeof); 0 for a tag.
    std::uint32_t alignment = 1;
    std::uint32_t packed_size = 0;
    std::vector<PackRun> runs;     ///< The whole row, in packed order.
    std::vector<FieldId> contents; ///< The `Text` and `Blob` fields, ascending.

    [[nodiscard]] bool has_contents() const noexcept { return !contents.empty(); }
    [[nodiscard]] bool is_tag() const noexcept { return size == 0; }
    /// Null when there is none. Cost: O(fields).
    [[nodiscard]] const Field* find_field(std::string_view field_name) const noexcept {
        for (const Field& field : fields) {
            if (field.name == field_name) {
                return &field;
            }
        }
        return nullptr;
    }
};

/// Copies a row from memory to its packed form, in which `text` and `blob` fields have no bytes (`Table::packed_size` bytes at `packed`).
/// Cost: O(packed bytes).
inline void pack_row(const std::vector<PackRun>& runs, const std::byte* row, std::byte* packed) noexcept {
    for (const PackRun& run : runs) {
        std::memcpy(packed + run.packed_offset, row + run.offset, run.size);
    }
}

/// Copies a packed row into memory (`Table::size` bytes at `row`); padding is left as it was.
inline void unpack_row(const std::vector<PackRun>& runs, const std::byte* packed, std::byte* row) noexcept {
    for (const PackRun& run : runs) {
        std::memcpy(row + run.offset, packed + run.packed_offset, run.size);
    }
}

/// How a schema calls the columns of the registry of entities; the engine keeps them itself.
struct EntityNames {
    std::string key = "id";          ///< The entity's own id, what a foreign key to any living entity names: `entities.id`.
    std::string version = "version"; ///< The entity's count of changes.
};

/// Something a stored database went through: what a migration did to one table, or to the database as a whole.
struct SchemaChange {
    std::uint64_t version = 0; ///< Of the database: the first with the change.
    std::uint64_t time_ns = 0; ///< Since 1970 UTC.
    std::string table;         ///< Empty: the database as a whole.
    std::string from;          ///< The table's or the database's version before; empty for a new table.
    std::string to;            ///< … and afterwards.
    std::string what;          ///< In words.

    friend bool operator==(const SchemaChange&, const SchemaChange&) = default;
};

/// The description of a whole database. Immutable once finished: share it freely between threads.
class Schema {
public:
    Schema() = default;
    /// Takes the parts as a reader or a program listed them. Until `finish_schema` (schema/layout.hpp) has checked and laid them out, the
    /// schema is only data.
    Schema(std::string name, std::string database_version, std::vector<Table> tables, std::vector<EnumType> enums,
           std::vector<StructType> structs, EntityNames entity_names = {})
        : name_{std::move(name)}, database_version_{std::move(database_version)}, tables_{std::move(tables)}, enums_{std::move(enums)},
          structs_{std::move(structs)}, entity_names_{std::move(entity_names)} {}

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& database_version() const noexcept { return database_version_; }
    [[nodiscard]] const EntityNames& entity_names() const noexcept { return entity_names_; }
    [[nodiscard]] const std::vector<Table>& tables() const noexcept { return tables_; }
    [[nodiscard]] const std::vector<EnumType>& enums() const noexcept { return enums_; }
    [[nodiscard]] const std::vector<StructType>& structs() const noexcept { return structs_; }
    /// Only where `has_table(id)`.
    [[nodiscard]] const Table& table(TableId id) const noexcept { return tables_[id]; }
    [[nodiscard]] bool has_table(TableId id) const noexcept { return id < tables_.size(); }
    /// Whether `bytes` bytes can be a row of table `id`.
    [[nodiscard]] bool has_row_of(TableId id, std::size_t bytes) const noexcept { return has_table(id) && tables_[id].size == bytes; }
    /// Null when there is none. Cost: O(tables).
    [[nodiscard]] const Table* find_table(std::string_view table_name) const noexcept {
        for (const Table& table : tables_) {
            if (table.name == table_name && !table.dropped) {
                return &table;
            }
        }
        return nullptr;
    }
    /// A hash over everything that decides the meaning of stored bytes; equal schemas have equal hashes on every machine.
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

    /// What migrations have done to the database, the oldest first. Kept wherever the schema is; means nothing to its hash.
    [[nodiscard]] const std::vector<SchemaChange>& history() const noexcept { return history_; }
    void set_history(std::vector<SchemaChange> history) noexcept { history_ = std::move(history); }

private:
    friend class SchemaFinisher;
    std::string name_;
    std::string database_version_;
    std::vector<Table> tables_;
    std::vector<EnumType> enums_;
    std::vector<StructType> structs_;
    EntityNames entity_names_;
    std::uint64_t hash_ = 0;
    std::vector<SchemaChange> history_;
};

} // namespace ecsdb
