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
    const std::string first = "{\"id\":\"" + file.substr(file.find("\"entities\":[\n{\"id\":\"") + 20, 36) + "\",\"components\"";
    says(with(file, first, "{\"components\""), "entity 1 of 1: `id` or `components` is missing");
    says(with(file, "\"components\":{", "\"components\":{},\"components\":{"), "comes twice");
    says(with(file, "\"components\":{\"Place\":", "\"components\":{\"Place\":{\"x\":1,\"y\":2},\"Place\":"), "two rows in table `Place`");
    says(with(file, "\"version\":1", "\"version\":1,\"version\":1"), "comes twice");
    says(with(file, "\"version\":1", "\"version\":{}"), "not of its kind");
    says(with(file, "\"types\":[", "\"types\":{},\"others\":["), "not of its kind");
}

TEST_CASE("a number in the place of an enum's name is taken whole or not at all", "[formats][json][hostile]") {
    Whole from = open_db<Whole>(stepped());
    fill(from);
    const std::string file = as_string(saved(from.read(), format));
    const std::string named = "\"team\":\"blue\"";
    // 7 is `blue`, and so are the lowest 16 bits of the others.
    for (const char* const number : {"65543", "-65529", "4294967303", "18446744073709486087"}) {
        CAPTURE(number);
        Whole into = open_db<Whole>(stepped());
        const std::string message =
            refused(into, format, as_span(with(file, named, std::string("\"team\":") + number)), ErrorCode::Corrupt);
        CAPTURE(message);
        CHECK(contains(message, "component `everything`: field `team`: is no enum that fits"));
    }
    for (const char* const wrong : {"7.0", "true", "\"Blue\"", "null"}) {
        Whole into = open_db<Whole>(stepped());
        refused(into, format, as_span(with(file, named, std::string("\"team\":") + wrong)), ErrorCode::Corrupt);
    }
    Whole into = open_db<Whole>(stepped());
    value_of(formats::load(into, format, as_span(with(file, named, "\"team\":7"))));
    CHECK(content_of(into.read()) == content_of(from.read()));
}

TEST_CASE("JSON that is refused says on which line, and at which byte", "[formats][json][hostile]") {
    Two into = open_db<Two>(stepped());
    const std::string file = small_file();
    // The first line ends before the types, of which there are three.
    const std::string wrong = with(file, "\"x\":1", "\"x\":\"1\"");
    const std::size_t at = wrong.find("\"x\":\"1\"") + std::string("\"x\":\"1").size();
    CHECK(contains(refused(into, format, as_span(wrong), ErrorCode::Corrupt), "line 5, byte " + std::to_string(at) + ": entity 1 of 1: "));
    const std::string cut = file.substr(0, file.find("\"x\":1") + 3);
    CHECK(contains(refused(into, format, as_span(cut), ErrorCode::Corrupt),
                   "line 5, byte " + std::to_string(cut.size() - 1) + ": is no JSON: syntax error"));
}

TEST_CASE("JSON may have its members in any order, and more of them", "[formats][json]") {
    const std::string file = small_file();
    // As a program would write it that sorts them: what is needed first comes last.
    const std::size_t types = file.find("\"types\":[");
    const std::size_t entities = file.find("\"entities\":[");
    const std::string head = file.substr(1, types - 1); // version, timestamp, count, each with a comma
    const std::string listed = file.substr(types, entities - types);
    const std::string rest = file.substr(entities, file.rfind('}') - entities);
    const std::string sorted = "{" + rest + ",\"more\":[{\"version\":[2]}]," + listed + head.substr(0, head.size() - 1) + "}";
    Two straight = open_db<Two>(stepped());
    Two into = open_db<Two>(stepped());
    value_of(formats::load(straight, format, as_span(file)));
    CHECK(value_of(formats::load(into, format, as_span(sorted))).created == 1);
    CHECK(content_of(into.read()) == content_of(straight.read()));
    // Whatever is wrong in it is found all the same.
    Two fresh = open_db<Two>(stepped());
    CHECK(
        contains(refused(fresh, format, as_span(with(sorted, "\"x\":1", "\"x\":\"1\"")), ErrorCode::Corrupt), "entity 1 of 1: component"));
    refused(fresh, format, as_span(with(sorted, "\"version\":1,", "\"version\":2,")), ErrorCode::Unsupported);

    const std::string more = with(with(file, "\"components\":{", "\"note\":{\"id\":[1,{\"components\":2}]},\"components\":{"),
                                  "\"id\":", "\"note\":null,\"id\":");
    CHECK(value_of(formats::load(fresh, format, as_span(more))).created == 1);
    CHECK(content_of(fresh.read()) == content_of(straight.read()));
}

TEST_CASE("a JSON table the database does not have is left out with all that is in it", "[formats][json]") {
    using Fewer = Database<Place, ImportedId>;
    Fewer into = open_db<Fewer>(stepped());
    const std::string file = small_file();
    CHECK(contains(refused(into, format, as_span(file), ErrorCode::SchemaMismatch), "table `Note` is not in schema"));
    const std::string deep = with(file, "\"stars\":0", "\"stars\":" + std::string(100, '[') + std::string(100, ']'));
    CHECK(value_of(formats::load(into, format, as_span(deep), {.unknown_tables = formats::UnknownTable::Skip})).created == 1);
    CHECK(into.read().count<Place>() == 1);
}

} // namespace ecsdb::test::json_reader_test
