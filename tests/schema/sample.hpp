/// @file
/// Builders of schemas and components for the tests of this folder.
#pragma once

#include "ecsdb/schema/component.hpp"
#include "ecsdb/schema/layout.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sample {

enum class Team : std::uint16_t { red, blue = 7 };
ECSDB_ENUM(Team, red, blue);

struct Vec {
    float x;
    double y;
};
ECSDB_STRUCT(Vec, x, y);

struct Segment {
    std::uint8_t kind;
    Vec ends[2];
};
ECSDB_STRUCT(Segment, kind, ends);

struct Tag {};
ECSDB_COMPONENT(Tag);

struct Position {
    float x, y, z;
};
ECSDB_COMPONENT(Position, x, y, z);

/// One field of every kind, with every kind of padding.
struct Everything {
    std::uint8_t a;
    std::uint64_t b;
    std::int8_t c;
    std::int16_t d;
    std::int32_t e;
    std::int64_t f;
    std::uint16_t g;
    std::uint32_t h;
    float i;
    double j;
    bool k;
    ecsdb::Entity owner;
    ecsdb::FixedString<5> name;
    std::array<ecsdb::FixedString<3>, 2> names;
    Team team;
    Segment segments[2][3];
    std::array<std::array<std::int16_t, 3>, 2> grid;
    ecsdb::Nullable<std::uint32_t> maybe;
    ecsdb::Nullable<std::array<std::uint8_t, 3>> maybe_bytes;
    ecsdb::Nullable<Vec> maybe_vec;
    bool last;
};
ECSDB_COMPONENT_NAMED(Everything, "everything", a, b, c, d, e, f, g, h, i, j, k, owner, name, names, team, segments, grid, maybe,
                      maybe_bytes, maybe_vec, last);

inline ecsdb::Field field(std::string name, ecsdb::FieldType type) {
    ecsdb::Field made;
    made.name = std::move(name);
    made.type = type;
    return made;
}

inline ecsdb::Field key_to(std::string name, std::string table, std::string target, ecsdb::OnDelete on_delete = ecsdb::OnDelete::Restrict) {
    ecsdb::Field made = field(std::move(name), ecsdb::FieldType::Entity);
    made.foreign_key = ecsdb::ForeignKey{};
    made.foreign_key->table = std::move(table);
    made.foreign_key->field = std::move(target);
    made.foreign_key->on_delete = on_delete;
    return made;
}

inline ecsdb::Table table(std::string name, std::vector<ecsdb::Field> fields = {}) {
    ecsdb::Table made;
    made.name = std::move(name);
    made.fields = std::move(fields);
    return made;
}

inline ecsdb::Result<ecsdb::Schema> finish(std::vector<ecsdb::Table> tables, std::vector<ecsdb::EnumType> enums = {},
                                           std::vector<ecsdb::StructType> structs = {}) {
    return ecsdb::finish_schema(ecsdb::Schema{"sample", "1", std::move(tables), std::move(enums), std::move(structs)});
}

/// What is wrong with a schema, or nothing.
inline std::string complaint(const ecsdb::Result<ecsdb::Schema>& schema) {
    return schema ? std::string{} : schema.error().message();
}

} // namespace sample
