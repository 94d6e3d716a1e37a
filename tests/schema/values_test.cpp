#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/values.hpp"

#include <limits>

namespace values_test {

using ecsdb::FieldType;
using ecsdb::SchemaValue;
using ecsdb::detail::fit_number;
using namespace sample;

TEST_CASE("numbers just outside a type do not fit, and those at its ends do", "[schema][values]") {
    for (const FieldType type : {FieldType::U8, FieldType::U16, FieldType::U32, FieldType::I8, FieldType::I16, FieldType::I32}) {
        CAPTURE(ecsdb::name_of(type));
        const ecsdb::IntegerRange range = ecsdb::range_of(type);
        const auto max = static_cast<std::int64_t>(range.max);
        CHECK(fit_number(type, range.min));
        CHECK(fit_number(type, max));
        CHECK_FALSE(fit_number(type, range.min - 1));
        CHECK_FALSE(fit_number(type, max + 1));
        CHECK_FALSE(fit_number(type, ~std::uint64_t{0}));
    }
    CHECK(ecsdb::range_of(FieldType::I64).min == std::numeric_limits<std::int64_t>::min());
    CHECK(fit_number(FieldType::U64, ~std::uint64_t{0}));
    CHECK_FALSE(fit_number(FieldType::I64, ~std::uint64_t{0}));
    CHECK_FALSE(fit_number(FieldType::U64, std::int64_t{-1}));
}

TEST_CASE("what is no number fits no number", "[schema][values]") {
    CHECK_FALSE(fit_number(FieldType::U8, SchemaValue{true}));
    CHECK_FALSE(fit_number(FieldType::F32, SchemaValue{true}));
    CHECK_FALSE(fit_number(FieldType::U8, SchemaValue{std::string{"1"}}));
    CHECK_FALSE(fit_number(FieldType::U8, SchemaValue{1.0}));
    CHECK_FALSE(fit_number(FieldType::F64, SchemaValue{std::numeric_limits<double>::quiet_NaN()}));
    CHECK_FALSE(fit_number(FieldType::F64, SchemaValue{std::numeric_limits<double>::infinity()}));
    CHECK_FALSE(fit_number(FieldType::F32, SchemaValue{1e39}));
}

TEST_CASE("numbers take the form of their field", "[schema][values]") {
    CHECK(*fit_number(FieldType::U8, std::int64_t{5}) == SchemaValue{std::uint64_t{5}});
    CHECK(*fit_number(FieldType::I8, std::uint64_t{5}) == SchemaValue{std::int64_t{5}});
    CHECK(*fit_number(FieldType::F32, std::int64_t{-5}) == SchemaValue{-5.0});
    CHECK(*fit_number(FieldType::F64, std::uint64_t{5}) == SchemaValue{5.0});
}

TEST_CASE("a default in code is held to the same rules as one in a file", "[schema][values]") {
    ecsdb::Field text = field("text", FieldType::String);
    text.capacity = 4;
    text.default_value = std::string{"\xFF"};
    CHECK(complaint(finish({table("t", {text})})) == "table `t`, field `text`: default is not UTF-8");
    ecsdb::Field team = field("team", FieldType::Enum);
    team.default_value = std::int64_t{3};
    const std::vector<ecsdb::EnumType> enums{{"Team", FieldType::U8, {{"red", 0}}}};
    CHECK(complaint(finish({table("t", {team})}, enums)) == "table `t`, field `team`: default 3 is no value of enum `Team`");
    team.default_value = std::int64_t{0};
    const auto schema = finish({table("t", {team})}, enums);
    REQUIRE(schema);
    CHECK(schema->table(0).fields[0].default_value == SchemaValue{std::string{"red"}});
}

} // namespace values_test
