/// @file
/// A schema while it is being finished: its parts, the limits they must keep, and how a complaint about one of them is worded and placed.
#pragma once

#include "ecsdb/core/error.hpp"
#include "ecsdb/core/result.hpp"
#include "ecsdb/schema/schema.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecsdb {

/// Tables of one schema; the number above names none of them.
inline constexpr std::size_t max_tables = 0xFFFE;
/// Fields of one table or struct, and values of one enum.
inline constexpr std::size_t max_members = 4096;
/// 1 MiB: bytes of one row or struct.
inline constexpr std::uint64_t max_row_size = 1U << 20U;
/// Dimensions of an array.
inline constexpr std::size_t max_dimensions = 8;
/// Structs inside structs.
inline constexpr unsigned max_struct_depth = 16;
/// The length stored before a string has 16 bits, and the whole must be shorter than 64 KiB.
inline constexpr std::uint32_t max_string_capacity = 0xFFFD;
/// Pieces a row falls into when it is packed; it takes an array of padded structs to reach this.
inline constexpr std::size_t max_pack_runs = 1U << 14U;
/// The same, of all rows and structs of a schema together.
inline constexpr std::size_t max_total_pack_runs = 1U << 20U;

/// One part of a schema: a table, an enum or a struct by its position in the schema, and possibly a field or value of it and a key of that.
struct SchemaPlace {
    enum class Kind : std::uint8_t { Database, Table, Enum, Struct };
    static constexpr std::size_t whole = static_cast<std::size_t>(-1);

    Kind kind = Kind::Database;
    std::size_t index = 0;      ///< Position in `Schema::tables()`, `enums()` or `structs()`.
    std::size_t member = whole; ///< Position of the field, or of the enum's value.
    std::string_view key = {};  ///< The schema file's key at fault, as in `default`.
};

/// Knows where the parts of a schema were written. Implemented by what read the schema; used only while an error is made.
class SchemaSource {
public:
    /// Where `place` was written, as in `game.toml:12:5`.
    [[nodiscard]] virtual std::string position_of(const SchemaPlace& place) const = 0;

protected:
    ~SchemaSource() = default;
};

} // namespace ecsdb

namespace ecsdb::detail {

/// The parts of a schema under construction. Refers to parts owned elsewhere.
struct SchemaDraft {
    std::vector<Table>& tables;
    std::vector<EnumType>& enums;
    std::vector<StructType>& structs;
    const EntityNames& entity_names;
    const std::string& name;
    const std::string& database_version;
    const SchemaSource* source = nullptr;
    std::size_t pack_runs = 0; ///< Of all layouts made so far.

    /// "table `health`, field `hp`", as every message begins.
    [[nodiscard]] std::string describe(const SchemaPlace& place) const {
        const auto quoted = [](const char* what, const std::string& called) { return std::string{what} + " `" + called + "`"; };
        const auto member = [&](const auto& members, const char* what) {
            return place.member == SchemaPlace::whole ? std::string{} : ", " + quoted(what, members[place.member].name);
        };
        switch (place.kind) {
        case SchemaPlace::Kind::Table:
            return quoted("table", tables[place.index].name) + member(tables[place.index].fields, "field");
        case SchemaPlace::Kind::Enum:
            return quoted("enum", enums[place.index].name) + member(enums[place.index].values, "value");
        case SchemaPlace::Kind::Struct:
            return quoted("struct", structs[place.index].name) + member(structs[place.index].fields, "field");
        case SchemaPlace::Kind::Database:
            break;
        }
        return "schema";
    }

    [[nodiscard]] Error error(const SchemaPlace& place, const std::string& complaint) const {
        Error error{ErrorCode::InvalidSchema, describe(place) + ": " + complaint};
        return source == nullptr ? std::move(error) : std::move(error).in(source->position_of(place));
    }
};

/// The place of the table at `index`, or of one of its fields.
[[nodiscard]] inline SchemaPlace in_table(std::size_t index, std::size_t member = SchemaPlace::whole, std::string_view key = {}) noexcept {
    return {SchemaPlace::Kind::Table, index, member, key};
}
[[nodiscard]] inline SchemaPlace in_struct(std::size_t index, std::size_t member = SchemaPlace::whole, std::string_view key = {}) noexcept {
    return {SchemaPlace::Kind::Struct, index, member, key};
}
[[nodiscard]] inline SchemaPlace in_enum(std::size_t index, std::size_t member = SchemaPlace::whole, std::string_view key = {}) noexcept {
    return {SchemaPlace::Kind::Enum, index, member, key};
}

} // namespace ecsdb::detail
