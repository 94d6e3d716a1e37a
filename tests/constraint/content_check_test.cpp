#include "ecsdb/constraint/content_check.hpp"

#include "support/contents_fixture.hpp"

#include <string>

namespace ecsdb::test::content_check_test {
namespace {

/// What committing a note with this body says.
std::string refusal(Notes& db, std::string_view body) {
    auto tx = db.begin();
    Note note;
    note.body = tx.text(body);
    static_cast<void>(tx.create(note));
    const Result<void> committed = tx.commit();
    return committed ? "" : committed.error().message();
}

} // namespace

TEST_CASE("text that is not UTF-8 is a violation that names table, field and entity", "[constraint][contents]") {
    Notes db = open_db<Notes>(stepped());
    CHECK(refusal(db, "gr\xC3\xBC\xC3\x9F") == "");
    const std::uint64_t hash = db.read().hash();
    const std::string message = refusal(db, "\xC3");
    CHECK(message.find("table `Note`, field `body`, entity 1 (generation 1): is not UTF-8") != std::string::npos);
    CHECK(db.read().hash() == hash);

    auto tx = db.begin();
    const Entity entity = tx.create(Note{});
    Note note;
    note.remark = Nullable<Text>{tx.text("\xFF")};
    tx.update(entity, note);
    const Result<void> committed = tx.commit();
    CHECK(code_of(committed) == ErrorCode::ConstraintViolation);
    CHECK(committed.error().message().find("field `remark`") != std::string::npos);
}

TEST_CASE("a blob may hold any bytes", "[constraint][contents]") {
    Notes db = open_db<Notes>(stepped());
    const std::string bytes{"\xFF\x00\xC3", 3};
    auto tx = db.begin();
    Note note;
    note.data = tx.blob(as_span(bytes));
    const Entity entity = tx.create(note);
    REQUIRE(tx.commit());
    const auto view = db.read();
    CHECK(as_string(view.blob(view.get<Note>(entity)->data)) == bytes);
}

TEST_CASE("content longer than max_length is a violation", "[constraint][contents]") {
    Notes db = open_db<Notes>(stepped());
    const auto committed = [&](std::size_t length) {
        auto tx = db.begin();
        static_cast<void>(tx.create(Title{tx.text(std::string(length, 'x'))}));
        return tx.commit();
    };
    CHECK(committed(16));
    const Result<void> refused = committed(17);
    CHECK(code_of(refused) == ErrorCode::ConstraintViolation);
    CHECK(refused.error().message().find("table `Title`, field `words`, entity 1 (generation 1): has 17 bytes, and the field holds 16") !=
          std::string::npos);
}

TEST_CASE("a table of blobs without limits has nothing to check", "[constraint][contents]") {
    Table table;
    table.fields.resize(2);
    table.fields[0].type = FieldType::Blob;
    table.fields[1].type = FieldType::Blob;
    table.fields[1].id = 1;
    table.contents = {0, 1};
    CHECK(constraint::ContentCheck{table}.empty());
    table.fields[1].capacity = 3;
    CHECK_FALSE(constraint::ContentCheck{table}.empty());
}

} // namespace ecsdb::test::content_check_test
