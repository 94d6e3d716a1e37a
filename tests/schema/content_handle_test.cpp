#include "ecsdb/schema/content_handle.hpp"

#include "ecsdb/schema/component.hpp"
#include "ecsdb/schema/encode.hpp"
#include "ecsdb/schema/row.hpp"
#include "ecsdb/schema/toml_reader.hpp"
#include "ecsdb/schema/toml_writer.hpp"
#include "support/catch.hpp"

#include <cstring>
#include <string>
#include <type_traits>

namespace ecsdb::test::content_handle_test {
namespace {

struct Letter {
    std::uint32_t pages = 0;
    Text body;
    Nullable<Text> note;
    Blob seal;
};
ECSDB_COMPONENT(Letter, pages, body, note, seal);

constexpr const char* letters = R"(
[database]
name = "post"
[tables.Letter]
[[tables.Letter.fields]]
name = "pages"
type = "u32"
[[tables.Letter.fields]]
name = "body"
type = "text"
constraint = "not_null"
default = "Dear Sir or Madam"
max_length = 1000
[[tables.Letter.fields]]
name = "note"
type = "text"
nullable = true
[[tables.Letter.fields]]
name = "seal"
type = "blob"
)";

} // namespace

TEST_CASE("a handle is a plain value, and zero is the empty content", "[schema][contents]") {
    CHECK(std::is_trivially_copyable_v<Text>);
    CHECK(std::is_standard_layout_v<Letter>);
    CHECK(Component<Letter>);
    CHECK(sizeof(Text) == 16);
    CHECK(Text{}.is_empty());
    CHECK_FALSE(Text::by_default().is_empty());
    CHECK_FALSE(Text{} == Text::by_default());
    const Text empty;
    const char zeros[sizeof(Text)] = {};
    CHECK(std::memcmp(&empty, zeros, sizeof(empty)) == 0);
}

TEST_CASE("texts and blobs take 16 bytes of a row, and none of a packed one", "[schema][contents]") {
    const auto schema = parse_schema(letters, "post.toml");
    REQUIRE(schema);
    const Table& table = schema->table(0);
    CHECK(table.size == sizeof(Letter));
    CHECK(table.contents == std::vector<FieldId>{1, 2, 3});
    CHECK(table.packed_size == 4 + 1); // a number, and whether there is a note
    CHECK(table.fields[1].capacity == 1000);
    CHECK(table.fields[1].not_null);
    CHECK(table.fields[1].packed_size == 0);
    const auto bound = bind_component<Letter>(*schema);
    CHECK(bound);
}

TEST_CASE("schemas with texts and blobs survive TOML and bytes", "[schema][contents]") {
    const auto schema = parse_schema(letters, "post.toml");
    REQUIRE(schema);
    const auto again = parse_schema(to_toml(*schema), "again.toml");
    REQUIRE(again);
    CHECK(again->hash() == schema->hash());
    SystemAllocator memory;
    ByteBuffer bytes{memory};
    encode_schema(*schema, bytes);
    const auto decoded = decode_schema(bytes.view());
    REQUIRE(decoded);
    CHECK(decoded->hash() == schema->hash());
    CHECK(decoded->table(0).fields[1].capacity == 1000);
    CHECK(load_le<std::uint32_t>(bytes.data() + 4) == schema_format_with_contents);

    // Under the old format's number, which programs that do not know such fields read, there are none.
    store_le<std::uint32_t>(bytes.data() + 4, schema_format);
    const auto refused = decode_schema(bytes.view());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::Corrupt);
}

TEST_CASE("schemas without texts and blobs are stored as they were", "[schema][contents]") {
    const auto schema =
        parse_schema("[database]\nname = \"a\"\n[tables.a]\n[[tables.a.fields]]\nname = \"x\"\ntype = \"string[8]\"", "a.toml");
    REQUIRE(schema);
    SystemAllocator memory;
    ByteBuffer bytes{memory};
    encode_schema(*schema, bytes);
    CHECK(load_le<std::uint32_t>(bytes.data() + 4) == schema_format);
}

TEST_CASE("a row by name starts with the default's handle, and takes others", "[schema][contents]") {
    const auto schema = parse_schema(letters, "post.toml");
    REQUIRE(schema);
    Row row{*schema, 0};
    Letter letter;
    std::memcpy(&letter, row.bytes().data(), sizeof(letter));
    CHECK(letter.body == Text::by_default());
    CHECK(letter.seal.is_empty());
    Text handle;
    handle.number = 77;
    REQUIRE(row.set("body", handle));
    REQUIRE(row.set("note", handle));
    std::memcpy(&letter, row.bytes().data(), sizeof(letter));
    CHECK(letter.body == handle);
    CHECK(letter.note.present);
    CHECK_FALSE(row.set("seal", handle)); // a blob
    const auto refused = row.set_text("body", "words");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ErrorCode::WrongType);
    CHECK(refused.error().message().find("transaction's `text`") != std::string::npos);
}

} // namespace ecsdb::test::content_handle_test
