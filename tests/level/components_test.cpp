#include "level/components.hpp"

#include "support/catch.hpp"

#include <string_view>

namespace components_test {

namespace {

template <typename T>
void check_bound(const ecsdb::Schema& schema, std::string_view table) {
    const auto bound = ecsdb::bind_component<T>(schema);
    if (!bound) {
        FAIL(bound.error().to_string());
    }
    CHECK(schema.table(*bound).name == table);
    CHECK(schema.table(*bound).size == sizeof(T));
}

} // namespace

TEST_CASE("every component of the level is a table under its own name", "[level][components]") {
    using namespace level;
    const auto schema = ecsdb::schema_of<Map, Sector, Vertex, Sidedef, Linedef, Thing, Position, Velocity, Health, Progress>("level");
    if (!schema) {
        FAIL(schema.error().to_string());
    }
    CHECK(schema->tables().size() == 10);
    check_bound<Map>(*schema, "map");
    check_bound<Sector>(*schema, "sector");
    check_bound<Vertex>(*schema, "vertex");
    check_bound<Sidedef>(*schema, "sidedef");
    check_bound<Linedef>(*schema, "linedef");
    check_bound<Thing>(*schema, "thing");
    check_bound<Position>(*schema, "position");
    check_bound<Velocity>(*schema, "velocity");
    check_bound<Health>(*schema, "health");
    check_bound<Progress>(*schema, "progress");
}

} // namespace components_test
