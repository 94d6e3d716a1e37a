#include "ecsdb/ecsdb.hpp"
#include "support/contents_fixture.hpp"
#include "support/files.hpp"

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ecsdb::test::writes_contents_test {
namespace {

constexpr const char* notes = R"(
[database]
name = "notes"
[tables.Note]
[[tables.Note.fields]]
name = "title"
type = "text"
default = "untitled"
[[tables.Note.fields]]
name = "stars"
type = "u32"
[[tables.Note.fields]]
name = "body"
type = "text"
nullable = true
[[tables.Note.fields]]
name = "picture"
type = "blob"
max_length = 100
)";

Note note_with(const Text& body) {
    Note note;
    note.body = body;
    return note;
}

void check_refused(const Result<void>& committed) {
    REQUIRE_FALSE(committed);
    CHECK(committed.error().code() == ErrorCode::InvalidArgument);
    CHECK(committed.error().message().find("`Note` of entity") != std::string::npos);
    CHECK(committed.error().message().find("field `body` brings a handle") != std::string::npos);
}

} // namespace

TEST_CASE("a text is written by a transaction and read in place, as long as the view", "[writes][contents]") {
    Notes db = open_db<Notes>(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(note_with(tx.text("hello")));
    REQUIRE(tx.commit());
    const Notes::View old = db.read();
    const std::string_view words = old.text(old.get<Note>(entity)->body);
    CHECK(words == "hello");
    const char* const place = words.data();

    auto change = db.begin();
    change.update(entity, &Note::body, change.text("bye")).insert(entity, Place{1, 2});
    REQUIRE(change.commit());
    REQUIRE(db.destroy(entity).wait());
    for (int i = 0; i < 100; ++i) { // what the old view needs is not reused
        auto more = db.begin();
        static_cast<void>(more.create(note_with(more.text("other"))));
        REQUIRE(more.commit());
    }
    CHECK(old.text(old.get<Note>(entity)->body) == "hello");
    CHECK(old.text(old.get<Note>(entity)->body).data() == place);
    CHECK(words == "hello");
}

TEST_CASE("a handle of another transaction, row or database is refused, by table and field", "[writes][contents]") {
    Notes db = open_db<Notes>(stepped());
    Notes other = open_db<Notes>(stepped());
    auto first = db.begin();
    const Text mine = first.text("mine");
    const Entity entity = first.create(note_with(mine));
    const Entity second = first.create(note_with(first.text("second")));
    REQUIRE(first.commit());
    auto there = other.begin();
    const Entity stranger = there.create(note_with(there.text("theirs")));
    REQUIRE(there.commit());
    const std::uint64_t hash = db.read().hash();

    const auto refuse = [&](const Text& handle) {
        auto tx = db.begin();
        static_cast<void>(tx.text("not this one"));
        tx.update(entity, note_with(handle));
        check_refused(tx.commit());
        auto create = db.begin();
        static_cast<void>(create.create(note_with(handle)));
        const Result<void> created = create.commit();
        CHECK(code_of(created) == ErrorCode::InvalidArgument);
        auto part = db.begin();
        part.update(entity, &Note::body, handle);
        check_refused(part.commit());
        const Result<void> function = db.execute([&](auto& state) { return state.update(entity, note_with(handle)); });
        check_refused(function);
        const Result<Entity> many = db.execute([&](auto& state) -> Result<Entity> {
            const Note rows[] = {note_with(handle)};
            return state.create_many(1, std::span<const Note>{rows});
        });
        CHECK(code_of(many) == ErrorCode::InvalidArgument);
        CHECK(db.read().hash() == hash);
    };
    refuse(mine);
    const Notes::View view = db.read();
    refuse(view.get<Note>(second)->body);
    const Notes::View others_view = other.read();
    refuse(others_view.get<Note>(stranger)->body);
    Text forged;
    forged.number = 12345;
    forged.index = 0xFFFFFFFFU;
    refuse(forged);
    std::memset(static_cast<void*>(&forged), 0xFF, sizeof(forged));
    refuse(forged);

    // Looked up, they name nothing.
    CHECK(view.text(forged).empty());
    CHECK(view.text(mine).empty());
    CHECK(view.text(others_view.get<Note>(stranger)->body).empty());
}

TEST_CASE("a row read, changed and written back keeps its texts", "[writes][contents]") {
    Notes db = open_db<Notes>(stepped());
    auto tx = db.begin();
    const Entity entity = tx.create(note_with(tx.text("kept")));
    REQUIRE(tx.commit());
    Note note = *db.get<Note>(entity);
    note.stars = 5;
    REQUIRE(db.update(entity, note).wait());
    CHECK(db.get<Note>(entity)->stars == 5);
    auto change = db.begin();
    change.update(entity, note_with(change.text("newer")));
    REQUIRE(change.commit());
    check_refused(db.update(entity, note).wait()); // its text is no longer the row's
    const auto view = db.read();
    CHECK(view.text(view.get<Note>(entity)->body) == "newer");
}

TEST_CASE("one handle serves many rows of its transaction", "[writes][contents]") {
    Notes db = open_db<Notes>(stepped());
    auto tx = db.begin();
    const Text same = tx.text("same");
    const std::vector<Entity> created = tx.create_many(50, note_with(same), Label{same});
    REQUIRE(tx.commit());
    const Result<Entity> first = db.execute([](auto& state) -> Result<Entity> {
        const std::vector<Note> rows(300, note_with(*state.text("many")));
        return state.create_many(300, std::span<const Note>{rows});
    });
    REQUIRE(first);
    REQUIRE(db.destroy(created[0]).wait());
    const auto view = db.read();
    CHECK(view.text(view.get<Note>(created[49])->body) == "same");
    CHECK(view.text(view.get<Label>(created[1])->words) == "same");
    CHECK(view.text(view.get<Note>(Entity{first->index() + 299, 1, 0})->body) == "many");
    const std::uint64_t others = view.count<Note>();
    CHECK(others == 349);
}

TEST_CASE("a function reads what it writes", "[writes][contents]") {
    Notes db = open_db<Notes>(stepped());
    const Result<Entity> entity = db.execute([](auto& state) -> Result<Entity> {
        const Text staged = *state.text("staged");
        CHECK(state.text(staged) == "staged");
        Result<Entity> created = state.create(note_with(staged));
        REQUIRE(created);
        CHECK(state.text(state.template get<Note>(*created)->body) == "staged");
        const std::string bytes(3, '\0');
        Note note = *state.template get<Note>(*created);
        note.data = *state.blob(as_span(bytes));
        REQUIRE(state.update(*created, note));
        CHECK(state.blob(state.template get<Note>(*created)->data).size() == 3);
        CHECK(state.text(Text{}).empty());
        return created;
    });
    REQUIRE(entity);
    const auto view = db.read();
    CHECK(view.text(view.get<Note>(*entity)->body) == "staged");
    CHECK(view.blob(view.get<Note>(*entity)->data).size() == 3);
    // A function that goes on after a refusal keeps what was right.
    const Result<void> done = db.execute([&](auto& state) -> Result<void> {
        Text forged;
        forged.number = 77;
        CHECK_FALSE(state.update(*entity, note_with(forged)));
        return state.update(*entity, note_with(*state.text("right")));
    });
    REQUIRE(done);
    const auto later = db.read();
    CHECK(later.text(later.get<Note>(*entity)->body) == "right");
}

TEST_CASE("changes gathered apart bring their texts with every application", "[writes][contents]") {
    Notes db = open_db<Notes>(stepped());
    auto changes = db.changes();
    const Text words = changes.text("gathered");
    static_cast<void>(changes.create(note_with(words)));
    const auto once = db.apply(changes);
    const auto twice = db.apply(changes);
    REQUIRE(once);
    REQUIRE(twice);
    auto tx = db.begin(); // beside the transaction's own, and twice in one
    const Entity own = tx.create(note_with(tx.text("own")));
    const std::vector<Entity> more = tx.add(changes);
    const Entity late = tx.create(note_with(tx.text("late")));
    const std::vector<Entity> again = tx.add(changes);
    REQUIRE(tx.commit());
    const auto view = db.read();
    for (const Entity entity : {once->at(0), twice->at(0), more.at(0), again.at(0)}) {
        CHECK(view.text(view.get<Note>(entity)->body) == "gathered");
    }
    CHECK(view.text(view.get<Note>(own)->body) == "own");
    CHECK(view.text(view.get<Note>(late)->body) == "late");
    changes.clear();
    static_cast<void>(changes.text("something else"));
    static_cast<void>(changes.create(note_with(words)));
    CHECK(code_of(db.apply(changes)) == ErrorCode::InvalidArgument);
}

TEST_CASE("texts by name: defaults, nulls and handles of fields", "[writes][contents]") {
    Result<Schema> schema = parse_schema(notes, "notes.toml");
    REQUIRE(schema);
    Result<Database<>> opened = Database<>::open(stepped(), *std::move(schema));
    REQUIRE(opened);
    Database<>& db = *opened;
    const auto title = find_field<Text>(db.schema(), "Note", "title");
    const auto body = find_field<Text>(db.schema(), "Note", "body");
    const auto picture = find_field<Blob>(db.schema(), "Note", "picture");
    REQUIRE(title);
    REQUIRE(body);
    REQUIRE(picture);
    CHECK(code_of(find_field<Blob>(db.schema(), "Note", "title")) == ErrorCode::WrongType);
    CHECK(code_of(find_field<std::uint32_t>(db.schema(), "Note", "title")) == ErrorCode::WrongType);

    auto tx = db.begin();
    const Entity entity = tx.create();
    Row row = *Row::of(db.schema(), "Note");
    REQUIRE(row.set("body", tx.text("by name")));
    tx.insert(entity, row);
    const Entity other = tx.create();
    tx.insert(other, *Row::of(db.schema(), "Note"));
    REQUIRE(tx.commit());
    {
        const View view = db.read();
        CHECK(view.text(*view.get(entity, *title)) == "untitled");
        CHECK(view.text(*view.get(entity, *body)) == "by name");
        CHECK(view.text(*view.get(other, *body)).empty());
        CHECK(view.blob(*view.get(other, *picture)).empty());
    }
    auto change = db.begin();
    change.update(entity, *title, change.text("titled"));
    change.update_to_null(entity, *body);
    change.update(other, *body, change.text("late"));
    const std::string bytes(100, '\xFE');
    change.update(other, *picture, change.blob(as_span(bytes)));
    REQUIRE(change.commit());
    const View view = db.read();
    CHECK(view.text(*view.get(entity, *title)) == "titled");
    CHECK(view.text(*view.get(entity, *body)).empty());
    CHECK(view.text(*view.get(other, *body)) == "late");
    CHECK(view.text(*view.get(other, *title)) == "untitled");
    CHECK(as_string(view.blob(*view.get(other, *picture))) == bytes);
    const Table& table = db.schema().table(0);
    CHECK(view.find_row(entity, 0)[table.fields[2].presence_offset] == std::byte{0});
    CHECK(view.find_row(other, 0)[table.fields[2].presence_offset] == std::byte{1});
}

TEST_CASE("texts go with rows that follow others", "[writes][contents]") {
    Result<Schema> schema = parse_schema(R"(
[database]
name = "follow"
[tables.Book]
[[tables.Book.fields]]
name = "pages"
type = "u32"
[tables.Cover]
parent_table = "Book"
storage = "sparse"
[[tables.Cover.fields]]
name = "words"
type = "text"
[tables.Review]
[[tables.Review.fields]]
name = "book"
type = "u64"
foreign_key = "Book.entity_id"
on_delete = "cascade"
[[tables.Review.fields]]
name = "words"
type = "text"
)",
                                         "follow.toml");
    REQUIRE(schema);
    Recorder recorder;
    Result<Database<>> opened = Database<>::open(stepped(), *schema);
    REQUIRE(opened);
    Database<>& db = *opened;
    db.engine().pipeline().writer().join(recorder);
    auto tx = db.begin();
    const Entity book = tx.create();
    const Entity review = tx.create();
    tx.insert(book, *Row::of(db.schema(), "Book"));
    Row cover = *Row::of(db.schema(), "Cover");
    REQUIRE(cover.set("words", tx.text("a cover")));
    tx.insert(book, cover);
    Row words = *Row::of(db.schema(), "Review");
    REQUIRE(words.set("book", book));
    REQUIRE(words.set("words", tx.text("a review")));
    tx.insert(review, words);
    REQUIRE(tx.commit());
    CHECK(db.read().root().contents.column(1, 0)->count == 1);
    CHECK(db.read().root().contents.column(2, 1)->count == 1);
    auto gone = db.begin();
    gone.remove_row(book, 0);
    REQUIRE(gone.commit());
    CHECK(db.read().count_rows(1) + db.read().count_rows(2) == 0);
    CHECK(db.read().root().contents.column(1, 0) == nullptr);
    CHECK(db.read().root().contents.column(2, 1) == nullptr);
    ContentReplica replica{*schema};
    for (const Recorder::Step& step : recorder.steps) {
        REQUIRE(replica.apply(step.delta));
        CHECK(replica.hash() == step.hash);
    }
}

TEST_CASE("readers on other threads see each text with its own row", "[writes][contents]") {
    Notes db = open_db<Notes>();
    const auto words_for = [](std::uint32_t stars) { return std::string(1 + stars % 700, static_cast<char>('a' + stars % 26)); };
    std::vector<Entity> entities;
    auto tx = db.begin();
    for (std::uint32_t i = 0; i < 20; ++i) {
        Note note = note_with(tx.text(words_for(i)));
        note.stars = i;
        entities.push_back(tx.create(note));
    }
    REQUIRE(tx.commit());
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> looks{0};
    const auto look = [&] {
        while (!stop.load()) {
            const Notes::View view = db.read();
            view.each<const Note>([&](const Note& note) { wrong += view.text(note.body) == words_for(note.stars) ? 0U : 1U; });
            ++looks;
        }
    };
    {
        std::jthread one{look};
        std::jthread two{look};
        for (std::uint32_t i = 0; i < 3000 || looks.load() < 10; ++i) {
            auto change = db.begin();
            Note note = note_with(change.text(words_for(i)));
            note.stars = i;
            change.update(entities[i % entities.size()], note);
            REQUIRE(change.commit());
        }
        stop.store(true);
    }
    CHECK(wrong.load() == 0);
}

TEST_CASE("a column update may read a table with texts, and not write it", "[writes][contents]") {
    Notes db = open_db<Notes>(stepped());
    auto tx = db.begin();
    Note note = note_with(tx.text("words"));
    note.stars = 4;
    const Entity entity = tx.create(note, Place{1, 1});
    REQUIRE(tx.commit());
    const std::uint64_t hash = db.read().hash();
    const Result<void> refused = db.update<Note>([](Note& row) { row.body = {}; });
    CHECK(code_of(refused) == ErrorCode::InvalidArgument);
    CHECK(refused.error().message().find("table `Note`, field `body` is a text or blob") != std::string::npos);
    CHECK(db.read().hash() == hash);
    REQUIRE(db.update<Place, const Note>([](Place& place, const Note& row) { place.x = static_cast<float>(row.stars); }));
    CHECK(db.get<Place>(entity)->x == 4.0F);
}

TEST_CASE("a hash is of contents, not of handles", "[writes][contents]") {
    const auto hash_of = [](const std::vector<std::string>& bodies) {
        Notes db = open_db<Notes>(stepped());
        auto tx = db.begin();
        const Entity entity = tx.create(note_with(tx.text(bodies[0])));
        REQUIRE(tx.commit());
        for (std::size_t i = 1; i < bodies.size(); ++i) {
            auto change = db.begin();
            change.update(entity, &Note::body, change.text(bodies[i]));
            REQUIRE(change.commit());
        }
        return db.read().hash();
    };
    CHECK(hash_of({"a", "b"}) == hash_of({"c", "d", "b"}));
    CHECK(hash_of({"a"}) != hash_of({"b"}));
    CHECK(hash_of({"a"}) != hash_of({""}));
}

TEST_CASE("contents of megabytes go through log, snapshot and recovery", "[writes][contents]") {
    const ScratchDirectory directory;
    Options options = stepped();
    options.directory = directory.file("db");
    options.durability = Durability::Logged;
    std::string large(20U << 20U, '\0'); // larger than a frame of the log, and in many parts of a snapshot
    for (std::size_t i = 0; i < large.size(); ++i) {
        large[i] = static_cast<char>(i * 2654435761U >> 13U);
    }
    const std::string medium(300U << 10U, 'm');
    std::vector<Entity> entities;
    std::uint64_t hash = 0;
    {
        Notes db = open_db<Notes>(options);
        auto tx = db.begin();
        for (const std::string& bytes : {large, medium, std::string{"small"}, std::string(256U << 10U, 'e')}) {
            Note note;
            note.data = tx.blob(as_span(bytes));
            entities.push_back(tx.create(note));
        }
        REQUIRE(tx.commit());
        hash = db.read().hash();
        REQUIRE(db.close());
    }
    for (int again = 0; again < 2; ++again) { // from the log, then from a snapshot
        Notes db = open_db<Notes>(options);
        const auto view = db.read();
        CHECK(view.hash() == hash);
        CHECK((as_string(view.blob(view.get<Note>(entities[0])->data)) == large));
        CHECK((as_string(view.blob(view.get<Note>(entities[1])->data)) == medium));
        REQUIRE(db.snapshot());
        REQUIRE(db.close());
    }
}

TEST_CASE("tables that are not logged bring no contents to the log", "[writes][contents]") {
    const ScratchDirectory directory;
    Options options = stepped();
    options.directory = directory.file("db");
    options.durability = Durability::Logged;
    const auto schema = [] {
        std::string text = notes;
        text.replace(text.find("[tables.Note]\n"), 14, "[tables.Note]\npersist = \"transient\"\n");
        Result<Schema> parsed = parse_schema(text, "notes.toml");
        REQUIRE(parsed);
        return *std::move(parsed);
    };
    {
        Result<Database<>> db = Database<>::open(options, schema());
        REQUIRE(db);
        auto tx = db->begin();
        const Entity entity = tx.create();
        Row row = *Row::of(db->schema(), "Note");
        REQUIRE(row.set("body", tx.text("soon forgotten")));
        tx.insert(entity, row);
        REQUIRE(tx.commit());
        REQUIRE(db->close());
    }
    Result<Database<>> db = Database<>::open(options, schema());
    REQUIRE(db);
    CHECK(db->read().entity_count() == 1);
    CHECK(db->read().count_rows(0) == 0);
}

} // namespace ecsdb::test::writes_contents_test
