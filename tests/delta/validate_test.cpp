#include "delta/delta_fixture.hpp"
#include "ecsdb/delta/validate.hpp"

namespace validate_test {

using namespace delta_test;

namespace {

Result<void> validated(const Bytes& bytes) {
    const Result<DeltaView> view = DeltaView::parse(bytes);
    if (!view) {
        FAIL(view.error().message());
    }
    return validate(*view, test_schema());
}

} // namespace

TEST_CASE("a table the schema lacks is refused", "[delta]") {
    const Result<void> result = validated(bytes_of({1, 0, 0, 1, 2, 99, 2, 0, 5}));
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == ErrorCode::Corrupt);
    CHECK(result.error().message() == "delta: table 99 is not there");
}

TEST_CASE("a dropped table is refused", "[delta]") {
    std::vector<Table> tables = test_schema().tables();
    tables[position].dropped = true;
    const Bytes bytes = bytes_of({1, 0, 0, 1, 2, 0, 2, 0, 5});
    const Schema schema{"test", "1.0", std::move(tables), test_schema().enums(), test_schema().structs()};
    CHECK_FALSE(validate(*DeltaView::parse(bytes), schema));
}

TEST_CASE("a field the table lacks is refused", "[delta]") {
    const Result<void> result = validated(bytes_of({1, 0, 0, 1, 2, 0, 7, 0x12, 8, 5, 1, 2, 3, 4}));
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == ErrorCode::Corrupt);
    CHECK(result.error().message() == "delta: table 0 (`position`) names a field that is not there");
}

TEST_CASE("values of a wrong size are refused", "[delta]") {
    CHECK(validated(bytes_of({1, 0, 0, 1, 2, 0, 7, 0x12, 4, 5, 1, 2, 3, 4})));
    CHECK_FALSE(validated(bytes_of({1, 0, 0, 1, 2, 0, 6, 0x12, 4, 5, 1, 2, 3})));
    CHECK_FALSE(validated(bytes_of({1, 0, 0, 1, 2, 0, 7, 0x12, 6, 5, 1, 2, 3, 4})));
    CHECK_FALSE(validated(bytes_of({1, 0, 0, 1, 2, 0, 6, 0x11, 5, 1, 2, 3, 4})));
}

TEST_CASE("a tag is added, removed and touched without values", "[delta]") {
    CHECK(validated(bytes_of({1, 0, 0, 1, 2, alive, 2, 0x00, 5})));
    CHECK(validated(bytes_of({1, 0, 0, 1, 2, alive, 2, 0x11, 5})));
    CHECK(validated(bytes_of({1, 0, 0, 1, 2, alive, 3, 0x12, 0, 5})));
    CHECK_FALSE(validated(bytes_of({1, 0, 0, 1, 2, alive, 3, 0x11, 5, 1})));
}

} // namespace validate_test
