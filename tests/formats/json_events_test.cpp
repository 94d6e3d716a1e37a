#include "ecsdb/formats/json_events.hpp"

#include "support/catch.hpp"

#include <optional>
#include <string>
#include <vector>

namespace ecsdb::test::json_events_test {

using formats::json::Events;
using formats::json::Kind;
using formats::json::Part;
using formats::json::Value;

namespace {

/// Writes down what it is handed.
struct Notes {
    std::string heard;
    bool refuses = false;

    Result<bool> wants(Part part) { return part != Part::Other; }
    Result<bool> wants_component(std::string_view name) {
        heard += "component " + std::string{name} + ";";
        return name != "No";
    }
    Result<void> take(Part part, const Value& value) {
        heard += std::string(1, "vcte"[static_cast<std::size_t>(part)]) + std::to_string(value.size()) + ";";
        return refuses ? Result<void>{Error{ErrorCode::Corrupt, "is not to my taste"}} : Result<void>{};
    }
    [[nodiscard]] std::size_t most_values() const { return 10; }
    [[nodiscard]] std::optional<std::size_t> fault_offset() const { return std::nullopt; }
};

std::string told(const std::string& document) {
    Notes notes;
    const Result<void> read = Events<Notes>{notes}.run(document);
    return read ? notes.heard : read.error().message();
}
[[nodiscard]] bool starts_with(const std::string& text, const std::string& part) {
    return text.rfind(part, 0) == 0;
}

} // namespace

TEST_CASE("a document is handed over value by value, without what nobody wants", "[formats][json]") {
    CHECK(told(R"({})").empty());
    CHECK(told(R"({"version":1,"x":{"version":2},"entity_count":3,"y":[[],{"a":[1]}],"types":[{"a":1}]})") == "v0;c0;t1;");
    CHECK(told(R"({"entities":[{"id":"a","no":[1,[2]],"components":{"Yes":{"a":1},"No":{"Yes":[1,2]},"Too":{}}},{"id":1}]})") ==
          "component Yes;component No;component Too;e2;e1;");
    CHECK(told(R"({"types":[1,[2,3],"x"],"version":{"a":1}})") == "t0;t2;t0;v1;");
    CHECK(told("[1,2,{\"version\":1}]").empty()); // has no members
}

TEST_CASE("what is wrong with a document is told with line and byte", "[formats][json]") {
    CHECK(starts_with(told("{\n\"version\":1,\n?"), "line 3, byte 15: is no JSON: syntax error"));
    CHECK(starts_with(told(""), "line 1, byte 0: is no JSON: "));
    CHECK(starts_with(told("{} {}"), "line 1, byte 3: is no JSON: "));
    CHECK(starts_with(told("{\"version\":1e999}"), "line 1, byte "));
    CHECK(starts_with(told("{\"x\":\"\xFF\"}"), "line 1, byte 6: is no JSON: "));
    CHECK(starts_with(told("1"), "line 1, byte 0: `version`"));
    CHECK(starts_with(told("{\"types\":1}"), "line 1, byte 10: `version`"));
    CHECK(starts_with(told("{\"types\":{}}"), "line 1, byte 9: `version`"));
    CHECK(starts_with(told("{\"entities\":[{\"id\":[1,2,3,4,5,6,7,8,9]}]}"), "line 1, byte 37: has more values than the schema"));
    CHECK(starts_with(told("{\"x\":" + std::string(255, '[') + std::string(255, ']') + "}"), ""));
    CHECK(starts_with(told("{\"x\":" + std::string(256, '[')), "line 1, byte 260: nested more than 256 deep"));
    Notes notes;
    notes.refuses = true;
    const Result<void> read = Events<Notes>{notes}.run("{\n\"types\":[{},{}]}");
    REQUIRE_FALSE(read);
    CHECK(read.error().message() == "line 2, byte 12: is not to my taste");
    CHECK(notes.heard == "t0;");
}

} // namespace ecsdb::test::json_events_test
