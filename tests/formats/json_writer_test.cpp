#include "ecsdb/formats/json_writer.hpp"

#include "ecsdb/formats/json.hpp"
#include "formats/formats_fixture.hpp"

#include <bit>
#include <cmath>

namespace ecsdb::test::json_writer_test {

TEST_CASE("a JSON file looks as its format says", "[formats][json][golden]") {
    using Small = Database<Place, Visible, Leader, ImportedId>;
    Small db = open_db<Small>(stepped());
    auto tx = db.begin();
    const Entity first = tx.create(ImportedId{StableId{1, 2}}, Place{0.5F, -0.0F}, Visible{});
    static_cast<void>(tx.create(ImportedId{StableId{3, 4}}, Leader{first}));
    require(tx.commit());
    const std::string text = as_string(saved(db.read(), formats::JsonFormat{}));
    const std::size_t types = text.find("\"entity_count\"");
    CHECK(text.substr(0, 26) == "{\"version\":1,\"timestamp\":" + std::to_string(db.read().time_ns()).substr(0, 1));
    const auto id = [](std::string_view name) { return StableId{fnv1a_128(name).hi, fnv1a_128(name).lo}.to_string(); };
    CHECK(text.substr(types) ==
          "\"entity_count\":2,\"types\":[\n{\"id\":\"" + id("Place") + "\",\"name\":\"Place\",\"version\":1},\n{\"id\":\"" + id("Visible") +
              "\",\"name\":\"Visible\",\"version\":1},\n{\"id\":\"" + id("Leader") +
              "\",\"name\":\"Leader\",\"version\":1}],\"entities\":[\n"
              "{\"id\":\"00000000-0000-0001-0000-000000000002\",\"components\":{\"Place\":{\"x\":0.5,\"y\":-0.0},\"Visible\":{}}},\n"
              "{\"id\":\"00000000-0000-0003-0000-000000000004\",\"components\":{\"Leader\":{\"entity\":"
              "\"00000000-0000-0001-0000-000000000002\"}}}]}\n");
}

TEST_CASE("every bit of a number survives as text", "[formats][json]") {
    Whole from = open_db<Whole>(stepped());
    Whole into = open_db<Whole>(stepped());
    auto tx = from.begin();
    std::uint32_t bits = 1;
    for (int i = 0; i < 300; ++i) {
        bits = bits * 1664525U + 1013904223U; // all kinds, subnormal and NaN ones too
        static_cast<void>(tx.create(Place{std::bit_cast<float>(bits), std::bit_cast<float>(bits >> 9U | 0x7F800000U)}));
    }
    static_cast<void>(tx.create(Place{-0.0F, -INFINITY}));
    require(tx.commit());
    value_of(formats::load(into, formats::JsonFormat{}, saved(from.read(), formats::JsonFormat{})));
    CHECK(content_of(into.read()) == content_of(from.read()));
}

} // namespace ecsdb::test::json_writer_test
