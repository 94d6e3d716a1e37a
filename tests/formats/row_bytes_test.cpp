#include "ecsdb/formats/row_bytes.hpp"

#include "formats/formats_fixture.hpp"

namespace ecsdb::test::row_bytes_test {

TEST_CASE("a row with texts stands for itself, and nothing shorter or longer does", "[formats]") {
    Whole db = open_db<Whole>(stepped());
    const std::vector<Entity> made = fill(db);
    const auto view = db.read();
    const Table& table = *view.schema().find_table("Note");
    const Entity entity = made[5];
    const std::byte* const row = view.find_row(entity, table.id);
    REQUIRE(row != nullptr);
    SystemAllocator memory;
    ByteBuffer out{memory};
    formats::append_row(view.root(), table, entity.index(), row, out);
    const std::span<const std::byte> bytes = out.view();
    CHECK(load_le<std::uint32_t>(bytes.data()) == 3); // stars
    CHECK(load_le<std::uint32_t>(bytes.data() + 4) ==
          view.get<Note>(entity)->body.is_empty() + view.text(view.get<Note>(entity)->body).size());

    std::vector<std::byte> back(table.size);
    std::map<FieldId, std::string> contents;
    const auto take = [&](FieldId field, std::span<const std::byte> content) { contents[field] = as_string(content); };
    REQUIRE(formats::read_row(table, bytes, back.data(), take));
    CHECK(contents[1] == view.text(view.get<Note>(entity)->body));
    CHECK(contents[2] == "remark");
    CHECK(contents[3] == std::string("\0\xFF\x80", 3));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(formats::read_row(table, bytes.first(size), back.data(), take));
        CHECK_FALSE(formats::read_row(table, bytes.first(size), nullptr, take));
    }
    out.append_le<std::uint8_t>(0);
    CHECK_FALSE(formats::read_row(table, out.view(), back.data(), take));
}

} // namespace ecsdb::test::row_bytes_test
