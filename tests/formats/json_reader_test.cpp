#include "ecsdb/formats/json_reader.hpp"

#include "ecsdb/formats/json.hpp"
#include "formats/formats_fixture.hpp"

namespace ecsdb::test::json_reader_test {

namespace {

using Two = Database<Place, Note, Visible, ImportedId>;
const formats::JsonFormat format;

std::string small_file() {
    Two db = open_db<Two>(stepped());
    auto tx = db.begin();
    Note note;
    note.body = tx.text("text");
    static_cast<void>(tx.create(Place{1, 2}, note));
    require(tx.commit());
    return as_string(saved(db.read(), format));
}
std::string with(std::string file, const std::string& what, const std::string& instead) {
    const std::size_t at = file.find(what);
    REQUIRE(at != std::string::npos);
    return file.replace(at, what.size(), instead);
}

} // namespace

TEST_CASE("JSON cut short at any byte is refused", "[formats][json][hostile]") {
    Two into = open_db<Two>(stepped());
    const std::string file = small_file();
    for (std::size_t size = 0; size + 1 < file.size(); ++size) { // the last one ends a line
        CAPTURE(size);
        refused(into, format, as_span(file).first(size), ErrorCode::Corrupt);
    }
}

TEST_CASE("JSON that says something else is refused with the place", "[formats][json][hostile]") {
    Two into = open_db<Two>(stepped());
    const std::string file = small_file();
    const auto says = [&](const std::string& bytes, const std::string& what, ErrorCode code = ErrorCode::Corrupt) {
        const std::string message = refused(into, format, as_span(bytes), code);
        CAPTURE(message);
        CHECK(contains(message, what));
    };
    says(std::string(100'000, '['), "byte 256: nested more than 256 deep");
    says("[]", "is missing, or not of its kind");
    says(with(file, "\"version\":1", "\"version\":2"), "version 2", ErrorCode::Unsupported);
    says(with(file, "\"entity_count\":1", "\"entity_count\":18446744073709551615"), "`entity_count` is 18446744073709551615");
    says(with(file, "\"name\":\"Place\"", "\"name\":\"Plaze\""), "its id is not that of its name");
    says(with(file, "\"components\":{\"Place\"", "\"components\":{\"Other\""), "entity 1 of 1: component `Other` is not among the types");
    says(with(file, "\"x\":1", "\"x\":\"1\""), "entity 1 of 1: component `Place`: field `x`: is no f32 that fits");
    says(with(file, "\"x\":1", "\"x\":1e300"), "is no f32 that fits");
    says(with(file, "\"x\":1", "\"z\":1"), "field `x` is missing");
    says(with(file, "\"x\":1", "\"x\":1,\"z\":1"), "is not an object of 2 fields");
    says(with(file, "\"stars\":0", "\"stars\":-1"), "field `stars`: is no u32 that fits");
    says(with(file, "\"stars\":0", "\"stars\":4294967296"), "field `stars`: is no u32 that fits");
    says(with(file, "{\"bytes\":\"\"}", "{\"bytes\":\"0g\"}"), "field `data`: is no blob that fits");
    says(with(file, "{\"id\":\"", "{\"id\":\"x"), "its id is not that of its name");
}

} // namespace ecsdb::test::json_reader_test
