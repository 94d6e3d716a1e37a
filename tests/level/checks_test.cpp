#include "level/checks.hpp"

#include "ecsdb/schema/toml_reader.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/storage_fixture.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace checks_test {

namespace {

using ecsdb::Entity;
using ecsdb::TableId;

/// A level written past all constraints, so that broken ones can be looked at.
class RawLevel {
public:
    RawLevel() : world_{allocator_, schema()} { REQUIRE(world_.is_open()); }

    template <typename T>
    void put(Entity entity, const T& row) {
        world_.commit([&](ecsdb::storage::WriteBuffer& buffer) {
            if (buffer.root().find_living(entity) == nullptr) {
                REQUIRE(buffer.create(entity) == ecsdb::storage::Outcome::Done);
            }
            REQUIRE(buffer.set(entity, table_of<T>(), reinterpret_cast<const std::byte*>(&row)) == ecsdb::storage::Outcome::Done);
        });
    }
    [[nodiscard]] level::World::View view() {
        return level::World::View{{table_of<level::Map>(), table_of<level::Sector>(), table_of<level::Vertex>(), table_of<level::Sidedef>(),
                                   table_of<level::Linedef>(), table_of<level::Thing>(), table_of<level::Position>(),
                                   table_of<level::Velocity>(), table_of<level::Health>(), table_of<level::Progress>()},
                                  world_.store()};
    }

private:
    static std::shared_ptr<const ecsdb::Schema> schema() {
        auto schema = ecsdb::load_schema_file(ecsdb::test::source_file("schemas/level.toml"));
        if (!schema) {
            FAIL(schema.error().to_string());
        }
        return std::make_shared<const ecsdb::Schema>(std::move(*schema));
    }
    template <typename T>
    [[nodiscard]] TableId table_of() {
        return world_.store().schema().find_table(ecsdb::ComponentTraits<T>::name)->id;
    }

    ecsdb::SystemAllocator allocator_;
    ecsdb::test::World world_;
};

constexpr Entity map_entity{0, 1, 0};
constexpr Entity vertex_entity{1, 1, 0};
constexpr Entity line_entity{2, 1, 0};
constexpr Entity nobody{7, 1, 0};

std::string message_of(const ecsdb::Result<std::uint64_t>& result) {
    return result ? "holds" : result.error().message();
}

} // namespace

TEST_CASE("a reference to nobody, to the wrong kind or to nothing is found and named", "[level][checks]") {
    RawLevel level;
    level.put(map_entity, level::Map{"MAP01", "test"});
    level.put(vertex_entity, level::Vertex{map_entity, 1, 2});
    level.put(line_entity, level::Linedef{vertex_entity, vertex_entity, {}, {}, 0, 0, 0});
    CHECK(level::check_foreign_keys(level.view()).value_or(0) == 5);

    level.put(line_entity, level::Linedef{vertex_entity, nobody, {}, {}, 0, 0, 0});
    CHECK(message_of(level::check_foreign_keys(level.view())) == "version 4: linedef.end of entity 2 names entity 7, which is no vertex");
    level.put(line_entity, level::Linedef{map_entity, vertex_entity, {}, {}, 0, 0, 0});
    CHECK(message_of(level::check_foreign_keys(level.view())) == "version 5: linedef.start of entity 2 names entity 0, which is no vertex");
    level.put(line_entity, level::Linedef{{}, vertex_entity, {}, {}, 0, 0, 0});
    CHECK(message_of(level::check_foreign_keys(level.view())) == "version 6: linedef.start of entity 2 names entity 0, which is no vertex");
    level.put(line_entity, level::Linedef{vertex_entity, vertex_entity, vertex_entity, {}, 0, 0, 0});
    CHECK(message_of(level::check_foreign_keys(level.view())) ==
          "version 7: linedef.front of entity 2 names entity 1, which is no sidedef");
}

TEST_CASE("things at different steps are found, and health is summed", "[level][checks]") {
    RawLevel level;
    level.put(map_entity, level::Map{"MAP01", "test"});
    for (std::uint32_t index = 1; index <= 3; ++index) {
        const Entity thing{index, 1, 0};
        level.put(thing, level::Thing{map_entity, 0, 0, 0, 0, 0, index});
        level.put(thing, level::Position{0, 0, 0, 9});
        level.put(thing, level::Velocity{});
        level.put(thing, level::Health{10 * index, 10 * index});
    }
    const auto totals = level::total_things(level.view());
    REQUIRE(totals);
    CHECK(totals->things == 3);
    CHECK(totals->health == 60);
    CHECK(totals->step == 9);
    level.put(Entity{2, 1, 0}, level::Position{0, 0, 0, 8});
    const auto mixed = level::total_things(level.view());
    REQUIRE_FALSE(mixed);
    CHECK(mixed.error().message() == "version 14: shows step 9 and step 8");
}

} // namespace checks_test
