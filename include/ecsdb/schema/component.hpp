/// @file
/// Binds C++ structs to tables: `ECSDB_COMPONENT`, schemas made from structs, and the check of a struct against a stored schema.
#pragma once

#include "ecsdb/core/list.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/describe.hpp"
#include "ecsdb/schema/layout.hpp"
#include "ecsdb/schema/schema.hpp"
#include "ecsdb/schema/spelling.hpp"
#include "ecsdb/schema/table_editor.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ecsdb {

/// What the library knows about a component type: made by `ECSDB_COMPONENT`, not written by hand.
template <typename T>
struct ComponentTraits;

template <typename T>
requires Described<T> && std::is_class_v<T> &&(detail::description_of<T>.as == detail::DescribedAs::Component) struct ComponentTraits<T> {
    /// The table's name.
    static constexpr std::string_view name = detail::description_of<T>.name;
    static constexpr std::span<const MemberDescription> fields{detail::description_of<T>.members};
    static constexpr bool is_tag = fields.empty();
};

/// A component that lives in pages: readers cast its bytes, so copying bytes must copy the value.
template <typename T>
concept Component = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> && requires {
    ComponentTraits<T>::name;
};

/// How a component is kept, where its struct does not say. Specialise it, in the global namespace or in `ecsdb`, with any of:
///
///     template <>
///     struct ecsdb::ComponentOptions<Burning> {
///         static constexpr Storage storage = Storage::Sparse;
///         static constexpr Persist persist = Persist::Snapshot;
///         static constexpr std::uint64_t capacity = 1000;          // rows expected
///         static constexpr std::uint32_t version = 2;
///         static constexpr bool deprecated = false;
///         static constexpr std::string_view parent = "Health";     // needed first, and takes this one with it
///         static constexpr std::string_view key = "entity_id";     // how foreign keys name the row's own entity
///         static void constrain(TableEditor& table) { table.field("heat").min(0).max(100); }
///     };
template <typename T>
struct ComponentOptions {};

} // namespace ecsdb

namespace ecsdb::detail {

/// `ComponentOptions<T>` as a value.
struct TableOptions {
    Storage storage = Storage::Table;
    Persist persist = Persist::Wal;
    std::uint64_t capacity = 0;
    std::uint32_t version = 1;
    bool deprecated = false;
    std::string_view parent = {};
    std::string_view key = {};
    void (*constrain)(TableEditor&) = nullptr;
};

template <typename T>
[[nodiscard]] constexpr TableOptions table_options() noexcept {
    using Given = ComponentOptions<T>;
    TableOptions options;
    if constexpr (requires { Given::storage; }) {
        options.storage = Given::storage;
    }
    if constexpr (requires { Given::persist; }) {
        options.persist = Given::persist;
    }
    if constexpr (requires { Given::capacity; }) {
        options.capacity = Given::capacity;
    }
    if constexpr (requires { Given::version; }) {
        options.version = Given::version;
    }
    if constexpr (requires { Given::deprecated; }) {
        options.deprecated = Given::deprecated;
    }
    if constexpr (requires { Given::parent; }) {
        options.parent = Given::parent;
    }
    if constexpr (requires { Given::key; }) {
        options.key = Given::key;
    }
    if constexpr (requires(TableEditor & table) { Given::constrain(table); }) {
        options.constrain = [](TableEditor& table) { Given::constrain(table); };
    }
    return options;
}

/// Gathers structs and what they are made of into the draft of a schema.
class SchemaCollector {
public:
    void add(const StructDescription& type, const TableOptions& options) {
        Table table;
        table.name = type.name;
        table.version = options.version;
        table.storage = options.storage;
        table.persist = options.persist;
        table.capacity = options.capacity;
        table.deprecated = options.deprecated;
        table.parent_name = options.parent;
        table.key_name = options.key;
        table.fields = fields_of(type);
        constrain("table", table, options.constrain);
        tables_.push_back(std::move(table));
    }

    [[nodiscard]] Result<Schema> finish(std::string_view name) && {
        if (!failure_.empty()) {
            return Error{ErrorCode::InvalidSchema, std::move(failure_)};
        }
        return finish_schema(Schema{std::string{name}, {}, std::move(tables_), std::move(enums_), std::move(structs_)});
    }

private:
    void constrain(const char* what, Table& table, void (*edit)(TableEditor&)) {
        if (edit == nullptr) {
            return;
        }
        TableEditor editor{table};
        edit(editor);
        if (!editor.unknown_field().empty()) {
            fail(std::string{what} + " `" + table.name + "`: its options constrain a field `" + editor.unknown_field() +
                 "`, which it does not have");
        }
    }

    std::vector<Field> fields_of(const StructDescription& type) {
        std::vector<Field> fields;
        fields.reserve(type.members.size());
        for (const MemberDescription& member : type.members) {
            Field field;
            field.name = member.name;
            field.type = member.type;
            field.extents.assign(member.extents.begin(), member.extents.begin() + member.dimensions);
            field.capacity = member.capacity;
            field.nullable = member.nullable;
            if (member.enum_type != nullptr) {
                field.type_index = index_of(member.enum_type());
            } else if (member.struct_type != nullptr) {
                field.type_index = index_of(member.struct_type());
            }
            fields.push_back(std::move(field));
        }
        return fields;
    }

    std::uint16_t index_of(const EnumDescription& type) {
        for (std::size_t i = 0; i < enums_.size(); ++i) {
            if (enums_[i].name == type.name) {
                check_same(enum_origins_[i], type.values.data(), type.name);
                return static_cast<std::uint16_t>(i);
            }
        }
        EnumType added{std::string{type.name}, type.underlying, {}};
        for (const EnumeratorDescription& value : type.values) {
            added.values.push_back({std::string{value.name}, value.value});
        }
        enums_.push_back(std::move(added));
        enum_origins_.push_back(type.values.data());
        return static_cast<std::uint16_t>(enums_.size() - 1);
    }

    std::uint16_t index_of(const StructDescription& type) {
        for (std::size_t i = 0; i < structs_.size(); ++i) {
            if (structs_[i].name == type.name) {
                check_same(struct_origins_[i], type.members.data(), type.name);
                return static_cast<std::uint16_t>(i);
            }
        }
        Table edited; // Options edit tables, and a struct is fields all the same.
        edited.name = type.name;
        edited.fields = fields_of(type); // Adds inner structs first, so this one's index is known only afterwards.
        constrain("struct", edited, type.constrain);
        StructType added;
        added.name = type.name;
        added.fields = std::move(edited.fields);
        structs_.push_back(std::move(added));
        struct_origins_.push_back(type.members.data());
        return static_cast<std::uint16_t>(structs_.size() - 1);
    }

    void check_same(const void* one, const void* other, std::string_view name) {
        if (one != other) {
            fail("two different types are both called `" + std::string{name} + "`");
        }
    }
    void fail(std::string message) {
        if (failure_.empty()) {
            failure_ = std::move(message);
        }
    }

    std::vector<Table> tables_;
    std::vector<EnumType> enums_;
    std::vector<StructType> structs_;
    List<const void*> enum_origins_;
    List<const void*> struct_origins_;
    std::string failure_;
};

/// Compares a C++ struct with a table of a schema, part by part.
class StructMatcher {
public:
    StructMatcher(const Schema& schema, std::string_view struct_name) : schema_{schema}, struct_name_{struct_name} {}

    [[nodiscard]] Result<void> match(const std::string& where, const std::vector<Field>& fields, const StructDescription& type) const {
        for (const MemberDescription& member : type.members) {
            if (find(fields, member.name) == nullptr) {
                return mismatch(where + ", field `" + std::string{member.name} + "`", "is missing in the schema", "has it");
            }
        }
        for (const Field& field : fields) {
            const std::string at = where + ", field `" + field.name + "`";
            const MemberDescription* const member = find(type.members, field.name);
            if (member == nullptr) {
                return mismatch(at, "is in the schema", "does not have it");
            }
            if (auto matched = match_field(at, field, *member); !matched) {
                return matched;
            }
        }
        return {};
    }

    [[nodiscard]] Result<void> match_number(const std::string& at, const char* what, std::uint32_t stored, std::uint32_t compiled) const {
        if (stored == compiled) {
            return {};
        }
        return mismatch(at, std::string{what} + " is " + std::to_string(stored) + " in the schema", "has " + std::to_string(compiled));
    }

private:
    template <typename Parts>
    static auto find(const Parts& parts, std::string_view name) noexcept -> decltype(&*parts.begin()) {
        for (const auto& part : parts) {
            if (part.name == name) {
                return &part;
            }
        }
        return nullptr;
    }

    [[nodiscard]] Error mismatch(const std::string& at, const std::string& stored, const std::string& compiled) const {
        return Error{ErrorCode::SchemaMismatch, at + ": " + stored + ", and the struct `" + std::string{struct_name_} + "` " + compiled};
    }

    Result<void> match_field(const std::string& at, const Field& field, const MemberDescription& member) const {
        // A nullable reference has no presence byte, so in C++ it is a plain Entity.
        const std::string stored = (field.has_presence_byte() ? "nullable " : "") + spell_type(schema_, field);
        std::string compiled = (member.nullable ? "nullable " : "") + spell(member);
        // A u64 that is a foreign key to an entity is a reference in the schema; both are the same 64 bits.
        const bool reference =
            field.type == FieldType::Entity && field.foreign_key && member.type == FieldType::U64 && member.dimensions == 0;
        if (stored != compiled && !(reference && !member.nullable)) {
            return mismatch(at, "type is " + stored + " in the schema", "has " + compiled);
        }
        if (field.type == FieldType::Enum) {
            if (auto matched = match_enum(at, schema_.enums()[field.type_index], member.enum_type()); !matched) {
                return matched;
            }
        } else if (field.type == FieldType::Struct) {
            const StructType& type = schema_.structs()[field.type_index];
            if (auto matched = match(at + " of struct `" + type.name + "`", type.fields, member.struct_type()); !matched) {
                return matched;
            }
        }
        const std::pair<const char*, std::pair<std::uint32_t, std::uint32_t>> numbers[] = {
            {"offset", {field.offset, member.offset}},
            {"size", {field.size, member.size}},
            {"alignment", {field.alignment, member.alignment}},
        };
        for (const auto& [what, sides] : numbers) {
            if (auto matched = match_number(at, what, sides.first, sides.second); !matched) {
                return matched;
            }
        }
        return {};
    }

    Result<void> match_enum(const std::string& at, const EnumType& stored, const EnumDescription& compiled) const {
        if (stored.underlying != compiled.underlying) {
            return mismatch(at, "enum `" + stored.name + "` is " + std::string{name_of(stored.underlying)} + " in the schema",
                            "has " + std::string{name_of(compiled.underlying)});
        }
        for (const EnumeratorDescription& value : compiled.values) {
            const EnumValue* const known = find(stored.values, value.name);
            if (known == nullptr || known->value != value.value) {
                return mismatch(at,
                                "enum `" + stored.name + "` has " +
                                    (known == nullptr ? "no `" + std::string{value.name} + "`" : spell(known->name, known->value)) +
                                    " in the schema",
                                "has " + spell(value.name, value.value));
            }
        }
        for (const EnumValue& value : stored.values) {
            if (find(compiled.values, value.name) == nullptr) {
                return mismatch(at, "enum `" + stored.name + "` has " + spell(value.name, value.value) + " in the schema",
                                "has no such value");
            }
        }
        return {};
    }

    static std::string spell(std::string_view name, std::int64_t value) { return "`" + std::string{name} + "` = " + std::to_string(value); }

    static std::string spell(const MemberDescription& member) {
        std::string text{member.enum_type != nullptr     ? member.enum_type().name
                         : member.struct_type != nullptr ? member.struct_type().name
                                                         : name_of(member.type)};
        if (member.type == FieldType::String) {
            text += '[' + std::to_string(member.capacity) + ']';
        }
        for (std::size_t i = 0; i < member.dimensions; ++i) {
            text += '[' + std::to_string(member.extents[i]) + ']';
        }
        return text;
    }

    const Schema& schema_;
    std::string_view struct_name_;
};

[[nodiscard]] inline Result<TableId> bind_struct(const Schema& schema, const StructDescription& type) {
    const std::string where = "table `" + std::string{type.name} + "`";
    const Table* const table = schema.find_table(type.name);
    if (table == nullptr) {
        std::vector<std::string_view> names;
        for (const Table& candidate : schema.tables()) {
            names.emplace_back(candidate.name);
        }
        return Error{ErrorCode::SchemaMismatch, where + ": is not in the schema" + did_you_mean(type.name, names) + ", and the struct `" +
                                                    std::string{type.name} + "` is a component of the program"};
    }
    const StructMatcher matcher{schema, type.name};
    if (auto matched = matcher.match(where, table->fields, type); !matched) {
        return std::move(matched).error();
    }
    // C++ gives an object without members a byte; a tag has no rows to put it in.
    const bool tag = type.members.empty();
    if (auto matched = matcher.match_number(where, "size of a row", table->size, tag ? 0 : type.size); !matched) {
        return std::move(matched).error();
    }
    if (auto matched = matcher.match_number(where, "alignment", table->alignment, type.alignment); !matched) {
        return std::move(matched).error();
    }
    return table->id;
}

} // namespace ecsdb::detail

namespace ecsdb {

/// A finished schema with one table per component, numbered in the order given.
///
/// `ErrorCode::InvalidSchema` if the components and their options contradict each other, as `finish_schema` does; two components of
/// one name, for instance. Cost: a few allocations per component.
template <Component... Ts>
[[nodiscard]] Result<Schema> schema_of(std::string_view name) {
    detail::SchemaCollector collector;
    (collector.add(detail::describe_struct<Ts>(), detail::table_options<Ts>()), ...);
    return std::move(collector).finish(name);
}

/// The number of the table that holds `T`, after checking that its rows are `T`s: every field's name, type, offset, size and
/// alignment, and the size of the whole.
///
/// `ErrorCode::SchemaMismatch` names the table, the field, and what both sides have. Constraints are the schema's business: they are
/// not compared.
template <Component T>
[[nodiscard]] Result<TableId> bind_component(const Schema& schema) {
    return detail::bind_struct(schema, detail::describe_struct<T>());
}

} // namespace ecsdb
