/// @file
/// What tests of formats build with: components of every kind, a world of them, and what two worlds are compared by.
#pragma once

#include "ecsdb/database.hpp"
#include "ecsdb/formats/format.hpp"
#include "ecsdb/formats/row_bytes.hpp"
#include "ecsdb/schema/references.hpp"
#include "schema/sample.hpp"
#include "support/catch.hpp"
#include "support/contents_fixture.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ecsdb::test {

/// A key that may be in a circle.
struct Leader {
    Entity entity;
};
ECSDB_COMPONENT(Leader, entity);

/// References that are no keys, and kept apart.
struct Friends {
    std::array<Entity, 3> who;
};
ECSDB_COMPONENT(Friends, who);

struct Scratch {
    std::uint32_t value;
};
ECSDB_COMPONENT(Scratch, value);

} // namespace ecsdb::test

template <>
struct ecsdb::ComponentOptions<ecsdb::test::Leader> {
    static void constrain(TableEditor& table) { table.field("entity").references("entities", "id", OnDelete::Cascade); }
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::Friends> {
    static constexpr Storage storage = Storage::Sparse;
};
template <>
struct ecsdb::ComponentOptions<ecsdb::test::Scratch> {
    static constexpr Persist persist = Persist::Transient;
};

namespace ecsdb::test {

using Whole = Database<sample::Everything, Place, Visible, Burning, Note, Label, Leader, Friends, Scratch, ImportedId>;

template <typename T>
T value_of(Result<T> result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
    return std::move(*result);
}
inline void require(const Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}
[[nodiscard]] inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// One entity after the other: everything at its limits, bare, a circle, texts, sparse, transient.
inline std::vector<Entity> fill(Whole& db) {
    auto tx = db.begin();
    std::vector<Entity> made;
    sample::Everything all{};
    all.a = 255;
    all.b = ~std::uint64_t{0};
    all.c = -128;
    all.d = -1;
    all.e = -2'000'000'000;
    all.f = INT64_MIN;
    all.g = 65535;
    all.h = 1U << 31U;
    all.i = -0.1F;
    all.j = 1e-310;
    all.k = true;
    all.name = "h\xC3\xA9y";
    all.names[1] = "\"\\\n";
    all.team = sample::Team::blue;
    all.segments[1][2].ends[1].y = 1.0 / 3;
    all.grid[1][2] = -7;
    all.maybe = std::uint32_t{7};
    all.maybe_vec.value.x = 9; // absent, and yet not zero
    all.last = true;
    made.push_back(tx.create(all, Place{1, 2}));
    made.push_back(tx.create());
    made.push_back(tx.create(Visible{}, Burning{}));
    const Entity a = tx.create(Place{3, 4});
    const Entity b = tx.create(Leader{a}, Scratch{5});
    tx.insert(a, Leader{b}).insert(a, Friends{{made[0], Entity{}, b}});
    all.owner = b;
    tx.insert(b, all);
    Note note;
    note.stars = 3;
    note.body = tx.text("a \xE2\x82\xAC and a longer text, which does not fit anywhere");
    note.remark = Nullable<Text>{tx.text("remark")};
    note.data = tx.blob(as_span(std::string("\0\xFF\x80", 3)));
    const Entity c = tx.create(note, Place{5, 6});
    const Entity d = tx.create(Note{}, Label{tx.text("label")});
    const Entity e = tx.create(ImportedId{StableId{0x0123456789ABCDEF, 77}}, Place{7, 8});
    tx.insert(d, Friends{{e, e, e}});
    made.insert(made.end(), {a, b, c, d, e});
    require(tx.commit());
    return made;
}

/// All that a format must carry, by stable id and table; references by the stable ids of what they name.
using Content = std::map<StableId, std::map<std::string, std::string>>;
[[nodiscard]] inline Content content_of(const View& view, bool transient = false) {
    Content content;
    SystemAllocator memory;
    view.for_each_entity([&](Entity entity) {
        auto& tables = content[view.stable_id(entity)];
        for (const TableId id : view.components_of(entity)) {
            const Table& table = view.schema().table(id);
            if (table.name == "ImportedId" || (table.persist == Persist::Transient && !transient)) {
                continue;
            }
            const std::byte* const found = view.find_row(entity, id);
            std::vector<std::byte> row(found, found + table.size);
            change_references(view.schema(), table.fields, row.data(), [&](Entity& reference) {
                reference = Entity::from_bits(std::hash<StableId>{}(view.stable_id(reference)));
                return true;
            });
            ByteBuffer bytes{memory};
            formats::append_row(view.root(), table, entity.index(), row.data(), bytes);
            tables[table.name] = as_string(bytes.view());
        }
    });
    return content;
}

/// Saved bytes of their own.
[[nodiscard]] inline std::vector<std::byte> saved(const View& view, const formats::Format& format,
                                                  const formats::SaveOptions& options = {}) {
    SystemAllocator memory;
    ByteBuffer out{memory};
    require(formats::save(view, format, out, options));
    return {out.view().begin(), out.view().end()};
}

/// Loads what must be refused, and must change nothing. The message.
template <typename Db>
std::string refused(Db& into, const formats::Format& format, std::span<const std::byte> bytes, ErrorCode code,
                    const formats::LoadOptions& options = {}) {
    const std::uint64_t version = into.version();
    const auto loaded = formats::load(into, format, bytes, options);
    REQUIRE_FALSE(loaded);
    CAPTURE(loaded.error().message());
    CHECK(name_of(loaded.error().code()) == name_of(code));
    CHECK(into.version() == version);
    return loaded.error().message();
}

/// A format carries everything there is, into a database that has nothing, and back over itself.
inline void check_round_trips(const formats::Format& format) {
    Whole from = open_db<Whole>(stepped());
    Whole into = open_db<Whole>(stepped());
    const std::vector<Entity> made = fill(from);
    const std::vector<std::byte> bytes = saved(from.read(), format);
    CHECK(bytes == saved(from.read(), format));

    formats::LoadReport report = value_of(formats::load(into, format, bytes));
    CHECK(report.created == made.size());
    CHECK(report.entities.size() == made.size());
    CHECK(content_of(into.read()) == content_of(from.read()));

    // Again: refused, or replaced after changes.
    CHECK(contains(refused(into, format, bytes, ErrorCode::AlreadyExists), "is that of entity"));
    auto change = into.begin();
    change.destroy(into.read().find(from.read().stable_id(made[1])));
    const Entity copy = into.read().find(from.read().stable_id(made[0]));
    change.update(copy, Place{0, 0}).insert(copy, Visible{}).insert(copy, Scratch{9});
    require(change.commit());
    report = value_of(formats::load(into, format, bytes, {.existing = formats::ExistingEntity::Replace}));
    CHECK(report.created == 1);
    CHECK(report.replaced == made.size() - 1);
    CHECK(content_of(into.read()) == content_of(from.read()));
    CHECK(into.get<Scratch>(copy)->value == 9); // was not saved, and so is not taken away

    // As new entities, beside the others.
    report = value_of(formats::load(into, format, bytes, {.keep_stable_ids = false}));
    CHECK(report.created == made.size());
    CHECK(into.read().entity_count() == 2 * made.size());
}

} // namespace ecsdb::test
