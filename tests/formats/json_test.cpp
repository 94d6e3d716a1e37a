#include "ecsdb/formats/json.hpp"

#include "formats/formats_fixture.hpp"

namespace ecsdb::test::json_test {

TEST_CASE("JSON carries every byte of every component, there and back", "[formats][json]") {
    const formats::JsonFormat format;
    CHECK(format.format_name() == "json");
    CHECK(format.format_version() == 1);
    check_round_trips(format);
}

} // namespace ecsdb::test::json_test
