#include "ecsdb/formats/json_values.hpp"

#include "support/catch.hpp"

#include <string>

namespace ecsdb::test::json_values_test {

using formats::json::Kind;
using formats::json::Value;
using formats::json::Values;

namespace {

/// {"a": [1, {"b": "text"}], "c": null}
void fill(Values& values) {
    values.open(Kind::Object, 1);
    values.key("a");
    values.open(Kind::List, 2);
    values.add(Kind::Unsigned, 1, 3);
    values.open(Kind::Object, 4);
    values.key("b");
    values.add_text("text", 5);
    values.close();
    values.close();
    values.key("c");
    values.add(Kind::Null, 0, 6);
    values.close();
}

} // namespace

TEST_CASE("a value is complete once all that was opened is closed", "[formats][json]") {
    Values values;
    CHECK_FALSE(values.is_complete());
    values.open(Kind::List, 0);
    CHECK_FALSE(values.is_complete());
    values.add(Kind::Bool, 1, 1);
    CHECK_FALSE(values.is_complete());
    values.close();
    CHECK(values.is_complete());
    CHECK(values.count() == 2);
    values.clear();
    CHECK(values.count() == 0);
    values.add(Kind::Real, 0, 0);
    CHECK(values.is_complete());
}

TEST_CASE("a value is found by its name, and by its place in a list", "[formats][json]") {
    Values values;
    for (int round = 0; round < 2; ++round) {
        values.clear();
        fill(values);
        const Value root = values.root();
        REQUIRE(root.is(Kind::Object));
        CHECK(root.size() == 2);
        CHECK(root.member("c").is(Kind::Null));
        CHECK(root.member("c").offset() == 6);
        CHECK_FALSE(root.member("b"));
        const Value list = root.member("a");
        REQUIRE(list.is(Kind::List));
        CHECK(list.size() == 2);
        CHECK_FALSE(list.member("b")); // has no names
        CHECK((*list.begin()).bits() == 1);
        std::string kinds;
        for (const Value& value : list) {
            kinds += value.is(Kind::Unsigned) ? 'u' : value.is(Kind::Object) ? 'o' : '?';
            CHECK(value.key().empty());
            CHECK_FALSE(value.is(Kind::List));
        }
        CHECK(kinds == "uo");
        std::string names;
        for (const Value& value : root) {
            names += value.key();
        }
        CHECK(names == "ac");
    }
}

TEST_CASE("nothing is no value of any kind", "[formats][json]") {
    const Value nothing;
    CHECK_FALSE(nothing);
    CHECK_FALSE(nothing.is(Kind::Null));
    CHECK_FALSE(nothing.member("a"));
}

} // namespace ecsdb::test::json_values_test
