#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/canonical.hpp"

#include <functional>
#include <set>

namespace canonical_test {

using ecsdb::FieldType;
using namespace sample;

namespace {

/// The parts of a schema, to be changed one at a time.
struct Parts {
    std::string name = "x";
    std::vector<ecsdb::Table> tables{
        table("a", {field("n", FieldType::I32), key_to("owner", "b", "entity_id"), field("e", FieldType::Enum)}), table("b")};
    std::vector<ecsdb::EnumType> enums{{"E", FieldType::U8, {{"red", 0}, {"blue", 1}}}};

    [[nodiscard]] std::uint64_t hash() const {
        const auto schema = ecsdb::finish_schema(ecsdb::Schema{name, "", tables, enums, {}});
        INFO(complaint(schema));
        REQUIRE(schema);
        return schema->hash();
    }
};

std::uint64_t hash_after(const std::function<void(Parts&)>& change) {
    Parts parts;
    change(parts);
    return parts.hash();
}

} // namespace

TEST_CASE("whatever changes the meaning of stored bytes changes the hash, each change in its own way", "[schema][canonical]") {
    std::set<std::uint64_t> hashes{Parts{}.hash()};
    const std::vector<std::function<void(Parts&)>> changes{
        [](Parts& p) { p.tables[0].name = "z"; },
        [](Parts& p) { p.tables[0].version = 2; },
        [](Parts& p) { p.tables[0].storage = ecsdb::Storage::Sparse; },
        [](Parts& p) { p.tables[0].persist = ecsdb::Persist::Snapshot; },
        [](Parts& p) { p.tables[0].deprecated = true; },
        [](Parts& p) { p.tables[0].dropped = true; },
        [](Parts& p) { p.tables[0].parent_name = "b"; },
        [](Parts& p) { std::swap(p.tables[0], p.tables[1]); },
        [](Parts& p) { p.tables[0].fields[0].name = "m"; },
        [](Parts& p) { p.tables[0].fields[0].type = FieldType::U32; },
        [](Parts& p) { p.tables[0].fields[0].extents = {1}; },
        [](Parts& p) { p.tables[0].fields[0].nullable = true; },
        [](Parts& p) { p.tables[0].fields[0].not_null = true; },
        [](Parts& p) { p.tables[0].fields[0].unique = true; },
        [](Parts& p) { p.tables[0].fields[0].indexed = true; },
        [](Parts& p) { p.tables[0].fields[0].deprecated = true; },
        [](Parts& p) { p.tables[0].fields[0].default_value = std::int64_t{0}; },
        [](Parts& p) { p.tables[0].fields[0].min = std::int64_t{0}; },
        [](Parts& p) { p.tables[0].fields[0].max = std::int64_t{0}; },
        [](Parts& p) { p.tables[0].fields[1].foreign_key.reset(); },
        [](Parts& p) { p.tables[0].fields[1].foreign_key->table = "a"; },
        [](Parts& p) { p.tables[0].fields[1].foreign_key->on_delete = ecsdb::OnDelete::Cascade; },
        [](Parts& p) { p.enums[0].name = "F"; },
        [](Parts& p) { p.enums[0].underlying = FieldType::U16; },
        [](Parts& p) { p.enums[0].values[1].value = 2; },
        [](Parts& p) { p.enums[0].values[1].name = "green"; },
        [](Parts& p) { p.enums[0].values.pop_back(); },
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        CAPTURE(i);
        CHECK(hashes.insert(hash_after(changes[i])).second);
    }
}

TEST_CASE("names of databases, hints, unused types and the order of declaration mean nothing", "[schema][canonical]") {
    const std::uint64_t hash = Parts{}.hash();
    CHECK(hash_after([](Parts& p) { p.name = "y"; }) == hash);
    CHECK(hash_after([](Parts& p) { p.tables[0].capacity = 5; }) == hash);
    CHECK(hash_after([](Parts& p) { p.tables[0].key_name = "me"; }) == hash);
    CHECK(hash_after([](Parts& p) { p.enums.push_back({"Unused", FieldType::U8, {{"a", 0}}}); }) == hash);
    CHECK(hash_after([](Parts& p) {
              p.enums.insert(p.enums.begin(), {"Unused", FieldType::U8, {{"a", 0}}});
              p.tables[0].fields[2].type_index = 1;
          }) == hash);
}

TEST_CASE("no schema hashes to zero, and an empty one to the same for ever", "[schema][canonical]") {
    const auto schema = ecsdb::finish_schema({});
    REQUIRE(schema);
    CHECK(schema->hash() != 0);
    CHECK(ecsdb::Schema{}.hash() == 0);
}

} // namespace canonical_test
