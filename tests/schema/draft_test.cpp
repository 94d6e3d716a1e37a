#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/draft.hpp"

namespace draft_test {

using namespace sample;

namespace {

/// Tells every place apart without any file.
class Signpost final : public ecsdb::SchemaSource {
public:
    [[nodiscard]] std::string position_of(const ecsdb::SchemaPlace& place) const override {
        return "kind " + std::to_string(static_cast<int>(place.kind)) + " part " + std::to_string(place.index) + " key " +
               std::string{place.key};
    }
};

} // namespace

TEST_CASE("a complaint names the part, and where it was written if that is known", "[schema][draft]") {
    const ecsdb::Schema draft{"x", "", {table("a"), table("b", {field("f", ecsdb::FieldType::String)})}, {}, {}};
    const auto unplaced = ecsdb::finish_schema(draft);
    REQUIRE_FALSE(unplaced);
    CHECK(unplaced.error().message() == "table `b`, field `f`: a string holds 1 to 65533 bytes, not 0");
    const Signpost signpost;
    const auto placed = ecsdb::finish_schema(draft, &signpost);
    REQUIRE_FALSE(placed);
    CHECK(placed.error().message() == "kind 1 part 1 key type: table `b`, field `f`: a string holds 1 to 65533 bytes, not 0");
}

TEST_CASE("parts of every kind are described", "[schema][draft]") {
    std::vector<ecsdb::Table> tables{table("t", {field("f", ecsdb::FieldType::U8)})};
    std::vector<ecsdb::EnumType> enums{{"E", ecsdb::FieldType::U8, {{"a", 0}}}};
    std::vector<ecsdb::StructType> structs(1);
    structs[0].name = "S";
    structs[0].fields = {field("g", ecsdb::FieldType::U8)};
    const ecsdb::EntityNames names;
    const std::string text;
    const ecsdb::detail::SchemaDraft draft{tables, enums, structs, names, text, text};
    CHECK(draft.describe({}) == "schema");
    CHECK(draft.describe(ecsdb::detail::in_table(0)) == "table `t`");
    CHECK(draft.describe(ecsdb::detail::in_table(0, 0)) == "table `t`, field `f`");
    CHECK(draft.describe(ecsdb::detail::in_enum(0, 0)) == "enum `E`, value `a`");
    CHECK(draft.describe(ecsdb::detail::in_struct(0, 0)) == "struct `S`, field `g`");
}

} // namespace draft_test
