#include "schema/sample.hpp"
#include "support/catch.hpp"

#include "ecsdb/schema/encode.hpp"

#include <cstring>
#include <vector>

namespace encode_test {

using ecsdb::FieldType;
using namespace sample;

namespace {

std::vector<std::byte> encoded(const ecsdb::Schema& schema) {
    ecsdb::SystemAllocator memory;
    ecsdb::ByteBuffer out{memory};
    ecsdb::encode_schema(schema, out);
    REQUIRE_FALSE(out.failed());
    return {out.view().begin(), out.view().end()};
}

ecsdb::Schema rich_schema() {
    ecsdb::Field code = field("code", FieldType::String);
    code.capacity = 9;
    code.unique = true;
    code.default_value = std::string{"none"};
    ecsdb::Field level = field("level", FieldType::I32);
    level.min = std::int64_t{-5};
    level.max = std::int64_t{5};
    level.nullable = true;
    level.deprecated = true;
    ecsdb::Field real = field("real", FieldType::F64);
    real.default_value = 0.25;
    ecsdb::Field flag = field("flag", FieldType::Bool);
    flag.default_value = true;
    flag.indexed = true;
    flag.not_null = true;
    ecsdb::Table other = table("other", {code, level, real, flag});
    other.persist = ecsdb::Persist::Wal;
    other.storage = ecsdb::Storage::Sparse;
    other.capacity = 77;
    other.version = 4;
    ecsdb::Table child = table("child", {key_to("owner", "other", "entity_id", ecsdb::OnDelete::Cascade)});
    child.parent_name = "other";
    child.persist = ecsdb::Persist::Transient;
    child.deprecated = true;
    ecsdb::Table gone = table("gone");
    gone.dropped = true;

    auto made = ecsdb::schema_of<Everything>("rich");
    REQUIRE(made);
    auto tables = made->tables();
    tables.insert(tables.end(), {other, child, gone});
    auto schema = ecsdb::finish_schema(ecsdb::Schema{"rich", "2.1", tables, made->enums(), made->structs(), {"uid", "rev"}});
    INFO(complaint(schema));
    REQUIRE(schema);
    return *std::move(schema);
}

} // namespace

TEST_CASE("a stored schema cut short anywhere is refused", "[schema][encode]") {
    const auto bytes = encoded(rich_schema());
    for (std::size_t kept = 0; kept < bytes.size(); ++kept) {
        CAPTURE(kept);
        const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept));
        const auto schema = ecsdb::decode_schema(cut);
        REQUIRE_FALSE(schema);
        CHECK(schema.error().code() == ecsdb::ErrorCode::Corrupt);
    }
}

TEST_CASE("a stored schema with any byte changed in any way never crashes, and its meaning is never another", "[schema][encode]") {
    const auto schema = rich_schema();
    const auto bytes = encoded(schema);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (const unsigned flip : {0x01U, 0x02U, 0x40U, 0x80U, 0xFFU, 0x7FU}) {
            auto damaged = bytes;
            damaged[at] ^= static_cast<std::byte>(flip);
            const auto read = ecsdb::decode_schema(damaged);
            // What the hash leaves out (names, hints) may differ unnoticed: the file around a stored schema has its own checksum.
            CHECK((!read || read->hash() == schema.hash()));
        }
    }
}

TEST_CASE("a length that lies takes no memory", "[schema][encode]") {
    ecsdb::SystemAllocator memory;
    for (const std::uint64_t claim : {std::uint64_t{1} << 20U, std::uint64_t{1} << 40U, ~std::uint64_t{0}}) {
        ecsdb::ByteBuffer out{memory};
        out.append_le<std::uint32_t>(ecsdb::schema_magic);
        out.append_le<std::uint32_t>(ecsdb::schema_format);
        out.append_le<std::uint64_t>(0);
        out.append_varint(claim);
        CHECK_FALSE(ecsdb::decode_schema(out.view()));
    }
    ecsdb::ByteBuffer out{memory};
    out.append_le<std::uint32_t>(ecsdb::schema_magic);
    out.append_le<std::uint32_t>(ecsdb::schema_format);
    out.append_le<std::uint64_t>(0);
    for (int text = 0; text < 4; ++text) {
        out.append_varint(0);
    }
    out.append_varint(ecsdb::max_members + 1);
    const auto schema = ecsdb::decode_schema(out.view());
    REQUIRE_FALSE(schema);
    CHECK_THAT(schema.error().message(), Catch::Matchers::Contains("claims more parts"));
}

TEST_CASE("another format, foreign bytes, and bytes after the end are told apart", "[schema][encode]") {
    auto bytes = encoded(rich_schema());
    auto newer = bytes;
    newer[4] = std::byte{4};
    REQUIRE_FALSE(ecsdb::decode_schema(newer));
    CHECK(ecsdb::decode_schema(newer).error().code() == ecsdb::ErrorCode::Unsupported);
    CHECK(ecsdb::decode_schema(std::as_bytes(std::span{"not a schema at all"})).error().message() ==
          "stored schema: the bytes do not begin as one");
    bytes.push_back(std::byte{0});
    CHECK_THAT(ecsdb::decode_schema(bytes).error().message(), Catch::Matchers::Contains("bytes after its end"));
}

TEST_CASE("a stored schema comes back whole", "[schema][encode]") {
    const auto schema = rich_schema();
    const auto bytes = encoded(schema);
    const auto back = ecsdb::decode_schema(bytes);
    INFO(complaint(back));
    REQUIRE(back);
    CHECK(encoded(*back) == bytes);
    CHECK(back->hash() == schema.hash());
    CHECK(back->name() == "rich");
    CHECK(back->database_version() == "2.1");
    CHECK(back->entity_names().key == "uid");
    const ecsdb::Table& other = *back->find_table("other");
    CHECK(other.capacity == 77);
    CHECK(other.version == 4);
    CHECK(other.storage == ecsdb::Storage::Sparse);
    CHECK(other.fields[0].default_value == ecsdb::SchemaValue{std::string{"none"}});
    CHECK(other.fields[1].presence_offset != 0);
    CHECK(back->find_table("child")->parent == other.id);
    CHECK(back->find_table("child")->fields[0].foreign_key->on_delete == ecsdb::OnDelete::Cascade);
    CHECK(back->find_table("gone") == nullptr);
    CHECK(back->table(3).dropped);
    CHECK(back->table(0).size == sizeof(Everything));
}

TEST_CASE("the stored form does not change from release to release", "[schema][encode]") {
    const auto schema = ecsdb::schema_of<Position>("p");
    REQUIRE(schema);
    const auto bytes = encoded(*schema);
    const std::vector<unsigned> expected_head{'E', 'C', 'S', 'S', 1, 0, 0, 0};
    for (std::size_t i = 0; i < expected_head.size(); ++i) {
        CHECK(static_cast<unsigned>(bytes[i]) == expected_head[i]);
    }
    const std::vector<unsigned> expected_body{1,   'p', 0,   2,   'i', 'd', 7,   'v', 'e', 'r', 's', 'i', 'o', 'n', 0, 0,   1,
                                              8,   'P', 'o', 's', 'i', 't', 'i', 'o', 'n', 1,   0,   0,   0,   0,   9, 'e', 'n',
                                              't', 'i', 't', 'y', '_', 'i', 'd', 0,   3,   1,   'x', 9,   0,   0,   0, 0,   0,
                                              1,   'y', 9,   0,   0,   0,   0,   0,   1,   'z', 9,   0,   0,   0,   0, 0};
    REQUIRE(bytes.size() == 16 + expected_body.size());
    for (std::size_t i = 0; i < expected_body.size(); ++i) {
        CAPTURE(i);
        CHECK(static_cast<unsigned>(bytes[16 + i]) == expected_body[i]);
    }
}

TEST_CASE("what migrations have done is stored with the schema, and means nothing to its hash", "[schema][migration]") {
    ecsdb::Schema schema = rich_schema();
    const auto before = encoded(schema);
    schema.set_history(
        {{7, 1'700'000'000'000'000'000, "other", "3", "4", "field `mana` added"}, {9, 0, "", "2.0", "2.1", "version raised"}});
    const auto bytes = encoded(schema);
    const auto decoded = ecsdb::decode_schema(bytes);
    INFO(complaint(decoded));
    REQUIRE(decoded);
    CHECK(decoded->history() == schema.history());
    CHECK(decoded->hash() == ecsdb::decode_schema(before)->hash());
    CHECK(ecsdb::load_le<std::uint32_t>(bytes.data() + 4) == 3);
    CHECK(encoded(*decoded) == bytes);
    for (std::size_t kept = before.size(); kept < bytes.size(); ++kept) {
        CAPTURE(kept);
        const auto cut = ecsdb::decode_schema(std::span{bytes}.first(kept));
        REQUIRE_FALSE(cut);
        CHECK(cut.error().code() == ecsdb::ErrorCode::Corrupt);
    }
}

} // namespace encode_test
