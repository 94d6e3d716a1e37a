#include "ecsdb/schema/references.hpp"

#include "ecsdb/schema/component.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace ecsdb::test::references_test {
namespace {

struct Bond {
    std::uint32_t strength;
    Entity to;
};
ECSDB_STRUCT(Bond, strength, to);

struct Rope {
    Bond ends[2];
    Entity knots[3];
};
ECSDB_STRUCT(Rope, ends, knots);

struct Numbers {
    std::uint64_t a[4];
};
ECSDB_STRUCT(Numbers, a);

struct Knotted {
    Entity first;
    std::uint64_t count;
    std::array<Entity, 2> pair;
    Nullable<Rope> rope;
    std::array<std::array<Entity, 2>, 2> grid;
    Numbers numbers;
};
ECSDB_COMPONENT(Knotted, first, count, pair, rope, grid, numbers);

struct Unbound {
    std::uint64_t entity; // only a number
    Nullable<Numbers> numbers;
};
ECSDB_COMPONENT(Unbound, entity, numbers);

Entity at(std::uint32_t index) {
    return {index, 1, 0};
}

/// Every reference set, to 1, 2, 3 … in the order of the fields.
Knotted full() {
    Knotted row{};
    row.first = at(1);
    row.pair = {at(2), at(3)};
    row.rope.present = true;
    row.rope.value.ends[0] = {9, at(4)};
    row.rope.value.ends[1] = {9, at(5)};
    row.rope.value.knots[0] = at(6);
    row.rope.value.knots[1] = at(7);
    row.rope.value.knots[2] = at(8);
    row.grid = {{{at(9), at(10)}, {at(11), at(12)}}};
    row.count = at(99).to_bits();
    row.numbers.a[0] = at(98).to_bits();
    return row;
}

const Schema& schema() {
    static const Schema made = *schema_of<Knotted, Unbound>("knots");
    return made;
}
template <typename Change>
const Field* change_in(Knotted& row, Change&& change) {
    return change_references(schema(), schema().table(0).fields, reinterpret_cast<std::byte*>(&row), change);
}

} // namespace

TEST_CASE("only rows that can hold a reference have references", "[schema][references]") {
    CHECK(has_references(schema(), schema().table(0).fields));
    CHECK_FALSE(has_references(schema(), schema().table(1).fields));
}

TEST_CASE("every reference is found and changed, in arrays and in structs in structs", "[schema][references]") {
    Knotted row = full();
    std::vector<std::uint32_t> seen;
    CHECK(change_in(row, [&](Entity& entity) {
              seen.push_back(entity.index());
              entity = at(entity.index() + 100);
              return true;
          }) == nullptr);
    CHECK(seen == std::vector<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    CHECK(row.first == at(101));
    CHECK(row.rope.value.ends[1].to == at(105));
    CHECK(row.rope.value.ends[1].strength == 9);
    CHECK(row.grid[1][1] == at(112));
    CHECK(row.count == at(99).to_bits());
    CHECK(row.numbers.a[0] == at(98).to_bits());
}

TEST_CASE("null references, and what an absent value holds, are passed by", "[schema][references]") {
    Knotted row = full();
    row.rope.present = false;
    row.pair[0] = Entity{};
    std::vector<std::uint32_t> seen;
    CHECK(change_in(row, [&](Entity& entity) {
              seen.push_back(entity.index());
              return true;
          }) == nullptr);
    CHECK(seen == std::vector<std::uint32_t>{1, 3, 9, 10, 11, 12});
}

TEST_CASE("a walk that is stopped says in which field of the row", "[schema][references]") {
    const std::array<const char*, 12> fields{"first", "pair", "pair", "rope", "rope", "rope",
                                             "rope",  "rope", "grid", "grid", "grid", "grid"};
    for (std::uint32_t stop = 1; stop <= fields.size(); ++stop) {
        CAPTURE(stop);
        Knotted row = full();
        const Field* const field = change_in(row, [&](Entity& entity) { return entity != at(stop); });
        REQUIRE(field != nullptr);
        CHECK(field->name == fields[stop - 1]);
    }
}

} // namespace ecsdb::test::references_test
