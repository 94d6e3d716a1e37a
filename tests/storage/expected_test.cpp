#include "ecsdb/storage/expected.hpp"

#include "ecsdb/schema/layout.hpp"
#include "support/catch.hpp"

namespace ecsdb::test::expected_test {
namespace {

constexpr std::size_t no_limit = ~std::size_t{0};

Table table_of(const char* name, std::uint64_t capacity, std::size_t fields) {
    Table table;
    table.name = name;
    table.capacity = capacity;
    for (std::size_t i = 0; i < fields; ++i) {
        Field field;
        field.name = "f" + std::to_string(i);
        field.type = FieldType::U64;
        table.fields.push_back(field);
    }
    return table;
}

Schema schema_of_tables(std::vector<Table> tables) {
    auto schema = finish_schema(Schema{"expected", "1", std::move(tables), {}, {}});
    REQUIRE(schema);
    return std::move(*schema);
}

} // namespace

TEST_CASE("without a capacity nothing is expected", "[storage]") {
    CHECK(storage::expected_bytes(schema_of_tables({table_of("a", 0, 2), table_of("tag", 0, 0)}), no_limit) == 0);
    Table gone = table_of("gone", 1'000'000, 2);
    gone.dropped = true;
    CHECK(storage::expected_bytes(schema_of_tables({table_of("a", 0, 2), gone}), no_limit) == 0);
}

TEST_CASE("what is expected is a little more than the rows themselves", "[storage]") {
    const std::size_t both = storage::expected_bytes(schema_of_tables({table_of("a", 10'000, 2), table_of("b", 20'000, 1)}), no_limit);
    const std::size_t rows = 10'000 * 16 + 20'000 * 8;
    CHECK(both > rows + 20'000 * 20);
    CHECK(both < (rows + 20'000 * 24) * 11 / 10);
    CHECK(storage::expected_bytes(schema_of_tables({table_of("tag", 20'000, 0)}), no_limit) == 20'000 * 24);
}

TEST_CASE("a hint is not believed beyond reason, nor beyond half of what there may be", "[storage]") {
    const std::uint64_t absurd = ~std::uint64_t{0} >> 1U;
    std::vector<Table> tables;
    for (int i = 0; i < 40; ++i) {
        tables.push_back(table_of(("t" + std::to_string(i)).c_str(), absurd, 100));
    }
    const Schema schema = schema_of_tables(std::move(tables));
    CHECK(storage::expected_bytes(schema, no_limit) == storage::most_expected_bytes);
    CHECK(storage::expected_bytes(schema, 1000) == 500);
    CHECK(storage::expected_bytes(schema, 0) == 0);
}

} // namespace ecsdb::test::expected_test
