#include "support/catch.hpp"

#include "ecsdb/schema/generated.hpp"
#include "ecsdb/schema/toml_reader.hpp"

#include "rich_components.hpp" // made from rich.toml beside this file

// `zebra` is deprecated; deprecated_uses.cpp finds out whether one is told.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace generated_test {

namespace rich = generated::rich;

namespace {

template <typename... Components>
struct Each {
    static ecsdb::Result<ecsdb::Schema> schema() { return ecsdb::schema_of<Components...>("structs"); }

    static void check_bound(const ecsdb::Schema& schema) {
        const auto check = [](const ecsdb::Result<ecsdb::TableId>& bound) {
            INFO((bound ? "" : bound.error().message()));
            CHECK(bound);
        };
        (check(ecsdb::bind_component<Components>(schema)), ...);
    }
};

} // namespace

TEST_CASE("a generated header carries its schema as text and as bytes, and its structs say the same", "[schema][generated]") {
    const auto from_text = ecsdb::parse_schema(rich::schema_toml, "rich.toml");
    const auto from_bytes = rich::load_schema();
    const auto from_structs = rich::components<Each>::schema();
    REQUIRE(from_text);
    REQUIRE(from_bytes);
    INFO((from_structs ? "" : from_structs.error().message()));
    REQUIRE(from_structs);
    CHECK(from_bytes->name() == from_text->name());
    CHECK(from_bytes->hash() == from_text->hash());
    CHECK(from_structs->hash() == from_text->hash());
    rich::components<Each>::check_bound(*from_text);
}

TEST_CASE("defaults of the schema are the initial values of generated structs", "[schema][generated]") {
    const rich::zebra zebra;
    CHECK(zebra.team[1][2] == rich::Team::blue);
    CHECK((zebra.Kind && *zebra.Kind == rich::Kind::low));
    CHECK(zebra.big == ~std::uint64_t{0});
    CHECK(zebra.small == 0);
    CHECK(zebra.f[3] == 0.1F);
    CHECK((zebra.opt && (*zebra.opt)[3] == 2.5F));
    CHECK((*zebra.title).view() == "hi");
    CHECK(zebra.line.name.view() == "é?\x01");
    CHECK(zebra.line.from.x == 0.1);
    CHECK_FALSE(zebra.line.to[1].flag);
    CHECK(rich::apple{}.owner.is_null());
    CHECK(rich::letter{}.address == ecsdb::Text::by_default());
    CHECK((rich::letter{}.body && *rich::letter{}.body == ecsdb::Text::by_default()));
    CHECK(rich::letter{}.seal.is_empty());
}

TEST_CASE("a nested array is filled down to its last element", "[schema][generated]") {
    constexpr auto cells = ecsdb::detail::filled<std::array<std::array<float, 3>, 4>>(0.5F);
    for (const auto& row : cells) {
        for (const float cell : row) {
            CHECK(cell == 0.5F);
        }
    }
    CHECK(ecsdb::detail::filled<ecsdb::FixedString<4>>("ab").view() == "ab");
}

TEST_CASE("numbers become bytes", "[schema][generated]") {
    constexpr auto bytes = ecsdb::detail::as_byte_array({0x00, 0x7F, 0xFF});
    CHECK(bytes.size() == 3);
    CHECK(bytes[2] == std::byte{0xFF});
    CHECK_FALSE(ecsdb::decode_schema(bytes));
}

} // namespace generated_test

#pragma GCC diagnostic pop
