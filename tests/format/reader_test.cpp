// Another program, written from docs/format alone, must read what the library writes, and find the same values.
#include "constraint/constraint_fixture.hpp"
#include "ecsdb/formats/native.hpp"
#include "ecsdb/formats/pecs.hpp"
#include "ecsdb/formats/row_bytes.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/recovery/archive.hpp"
#include "ecsdb/recovery/restore.hpp"
#include "ecsdb/saves.hpp"
#include "support/contents_fixture.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#if __has_include(<nlohmann/json.hpp>)
#include "ecsdb/formats/json.hpp"
#endif

namespace ecsdb::test::reader_format_test {

namespace {

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) {
        constexpr const char* digits = "0123456789abcdef";
        text += digits[static_cast<unsigned>(byte) >> 4U];
        text += digits[static_cast<unsigned>(byte) & 15U];
    }
    return text;
}

/// What `reader.py` should print.
std::string dump(const storage::Root& root) {
    std::string freed;
    std::string living;
    root.entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
        if (record.archetype == storage::no_archetype) {
            freed += record.generation == 0 ? "" : "freed " + std::to_string(index) + ' ' + std::to_string(record.generation) + '\n';
            return;
        }
        living += "entity " + std::to_string(index) + ' ' + std::to_string(record.generation) + '\n';
        for (const Table& table : root.schema->tables()) {
            const std::byte* const row = root.find_row(record, index, table.id);
            if (row == nullptr) {
                continue;
            }
            std::vector<std::byte> packed(table.packed_size);
            pack_row(table.runs, row, packed.data());
            living += "row " + table.name + ' ' + hex(packed) + '\n';
            for (const FieldId field : table.contents) {
                if (const storage::Content* const content = root.contents.find(table.id, field, index); content != nullptr) {
                    living += "content " + std::to_string(field) + ' ' + hex(content->bytes()) + '\n';
                }
            }
        }
    });
    return "version " + std::to_string(root.version) + '\n' + freed + living;
}

bool has_python() {
    return std::system("python3 -c 'import ctypes' > /dev/null 2>&1") == 0; // NOLINT: no thread runs another
}

/// What `reader.py` should print of the same entities saved in a format.
std::string dump_by_stable_id(const View& view) {
    std::map<std::string, std::string> entities;
    view.root().entities.for_each([&](std::uint32_t index, const storage::EntityRecord& record) {
        if (record.archetype == storage::no_archetype) {
            return;
        }
        std::string id = view.stable_id(view.root().entity_at(index)).to_string();
        std::erase(id, '-');
        std::string& text = entities[id];
        text = "entity " + id + '\n';
        for (const Table& table : view.schema().tables()) {
            if (const std::byte* const row = view.root().find_row(record, index, table.id); row != nullptr) {
                SystemAllocator memory;
                ByteBuffer bytes{memory};
                formats::append_row(view.root(), table, index, row, bytes);
                text += "row " + table.name + ' ' + hex(bytes.view()) + '\n';
            }
        }
    });
    std::string all;
    for (const auto& [id, text] : entities) {
        all += text;
    }
    return all;
}

/// What the reader prints, its error output included. `words` are ready for the shell, and so is a directory without spaces.
std::string read_by_other(const std::string& words) {
    const std::string command = "python3 '" + source_file("tests/format/reader.py") + "' " + words + " 2>&1";
    std::string text;
    FILE* const pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    char buffer[4096];
    for (std::size_t read = 0; (read = std::fread(buffer, 1, sizeof(buffer), pipe)) != 0;) {
        text.append(buffer, read);
    }
    ::pclose(pipe);
    return text;
}

template <typename Db>
void check_agrees(Db& db, const std::string& directory) {
    REQUIRE(db.flush(Durability::Synced));
    const std::string expected = dump(db.read().root());
    const std::string found = read_by_other(directory);
    if (found != expected) {
        FAIL("the reader found\n" << found.substr(0, 2000) << "\ninstead of\n" << expected.substr(0, 2000));
    }
}

Options in(const std::string& directory) {
    Options options;
    options.directory = directory;
    options.durability = Durability::Logged;
    options.own_thread = false;
    options.segment_bytes = 4096 + 6000;
    return options;
}

constexpr std::string_view kinds = R"(
[enums.mood]
type = "u16"
values = { calm = 1, cross = 700 }
[tables.plain]
fields = [ { name = "a", type = "u8" }, { name = "b", type = "i64" }, { name = "c", type = "f64", nullable = true }, { name = "d", type = "bool" },
           { name = "e", type = "mood", default = "calm" } ]
[tables.shapes]
fields = [ { name = "grid", type = "f32[2][3]" }, { name = "name", type = "string[11]" }, { name = "who", type = "entity" } ]
[tables.marks]
storage = "sparse"
fields = [ { name = "n", type = "u32" } ]
[tables.tag]
fields = []
[tables.rare_tag]
storage = "sparse"
fields = []
)";

} // namespace

namespace {

/// How many incremental snapshots may follow a full one.
Options with_incremental(Options options, std::uint32_t most) {
    options.incremental_snapshots = most;
    options.incremental_percent = 1000;
    return options;
}

void check_every_kind(std::uint32_t incremental) {
    ScratchDirectory scratch;
    const std::string directory = scratch.file("world");
    auto opened = Database<>::open(with_incremental(in(directory), incremental), schema_from(kinds));
    if (!opened) {
        FAIL(opened.error().to_string());
    }
    Database<>& db = *opened;
    std::mt19937_64 random{4};
    std::vector<Entity> living;
    const auto table = [&](const char* name) { return db.schema().find_table(name)->id; };
    const auto some_row = [&](const char* name) {
        Row row{db.schema(), table(name)};
        const std::string_view of = name;
        if (of == "plain") {
            Scene::put(row, "a", static_cast<std::uint8_t>(random()));
            Scene::put(row, "b", static_cast<std::int64_t>(random()));
            if (random() % 2 == 0) {
                Scene::put(row, "c", static_cast<double>(random() % 1000));
            }
            Scene::put(row, "d", random() % 2 == 0);
        } else if (of == "shapes") {
            Scene::put(row, "name", std::string(random() % 12, 'x'));
            Scene::put(row, "who", living.empty() ? Entity{} : living[random() % living.size()]);
        } else if (of == "marks") {
            Scene::put(row, "n", static_cast<std::uint32_t>(random()));
        }
        return row;
    };
    constexpr const char* names[] = {"plain", "shapes", "marks", "tag", "rare_tag"};
    for (int round = 0; round < 120; ++round) {
        auto tx = db.begin();
        for (std::uint64_t i = random() % 5; i > 0; --i) {
            const Entity entity = tx.create();
            living.push_back(entity);
            for (const char* const name : names) {
                if (random() % 2 == 0) {
                    tx.insert(entity, some_row(name));
                }
            }
        }
        for (std::uint64_t i = random() % 4; i > 0 && !living.empty(); --i) {
            const Entity entity = living[random() % living.size()];
            const char* const name = names[random() % 5];
            if (random() % 4 == 0) {
                tx.remove_row(entity, table(name));
            } else {
                tx.set(entity, some_row(name));
            }
        }
        if (random() % 3 == 0 && !living.empty()) {
            const std::size_t gone = random() % living.size();
            tx.destroy(living[gone]);
            living.erase(living.begin() + static_cast<std::ptrdiff_t>(gone));
        }
        if (auto done = tx.commit(); !done) {
            FAIL(done.error().to_string());
        }
        if (round == 50 || round == 90 || (incremental != 0 && round % 9 == 8)) {
            REQUIRE(db.snapshot());
        }
        if (round == 20 || round == 60 || round == 107 || round == 119) {
            check_agrees(db, directory);
        }
    }
    REQUIRE(db.snapshot());
    check_agrees(db, directory);
    const std::string expected = dump(db.read().root());
    REQUIRE(db.close());
    CHECK(read_by_other(directory) == expected);
}

void check_contents(std::uint32_t incremental) {
    ScratchDirectory scratch;
    const std::string directory = scratch.file("world");
    auto opened = Notes::open(with_incremental(in(directory), incremental));
    REQUIRE(opened);
    Notes& db = *opened;
    const std::string large(300'000, 'z');
    std::vector<Entity> notes;
    for (std::uint32_t i = 0; i < 12; ++i) {
        auto tx = db.begin();
        const std::string body = "note " + std::to_string(i);
        notes.push_back(tx.create(Note{i, tx.text(body), {}, i == 5 ? tx.blob(as_span(large)) : Blob{}}, Place{float(i), 1}));
        tx.insert(notes.back(), Label{tx.text("label")});
        if (i > 3) {
            tx.set(notes[i - 3], Label{tx.text(i % 2 == 0 ? "" : "other")});
            tx.set(notes[i - 2], Note{i, tx.text("again"), Nullable<Text>{tx.text("remark")}, Blob{}});
        }
        if (auto done = tx.commit(); !done) {
            FAIL(done.error().to_string());
        }
        if (i == 7) {
            check_agrees(db, directory);
            REQUIRE(db.snapshot());
        }
        if (incremental != 0 && i > 7) {
            REQUIRE(db.destroy(notes[i - 7]).wait());
            REQUIRE(db.snapshot());
        }
    }
    REQUIRE(db.update<Place>([](Place& place) { place.x += 2; }));
    check_agrees(db, directory);
    REQUIRE(db.snapshot());
    check_agrees(db, directory);
    CHECK(db.snapshot_state().builds_on == incremental);
}

bool can_run() {
    if (!has_python()) {
        WARN("python3 is not there: the reader that was written from the documentation is not run");
        return false;
    }
    return true;
}

} // namespace

TEST_CASE("another reader agrees on every kind of table, value and change", "[format]") {
    if (can_run()) {
        check_every_kind(0);
    }
}

TEST_CASE("another reader agrees on texts and blobs, and on transactions in parts", "[format]") {
    if (can_run()) {
        check_contents(0);
    }
}

TEST_CASE("another reader agrees on incremental snapshots", "[format]") {
    if (can_run()) {
        check_every_kind(5);
        check_contents(5);
    }
}

TEST_CASE("another reader agrees on compressed snapshots and on states that came back", "[format]") {
    if (!has_python()) {
        WARN("python3 is not there: the reader that was written from the documentation is not run");
        return;
    }
    ScratchDirectory scratch;
    const std::string directory = scratch.file("world");
    Options options = in(directory);
    options.compress_snapshots = true;
    auto opened = Notes::open(options);
    REQUIRE(opened);
    Notes& db = *opened;
    SystemAllocator memory;
    ByteBuffer saved{memory};
    std::vector<Entity> places;
    for (std::uint32_t i = 0; i < 300; ++i) {
        auto tx = db.begin();
        places.push_back(tx.create(Place{float(i), 0.1F * float(i)}));
        REQUIRE(tx.commit());
        if (i == 100) {
            REQUIRE(db.snapshot(saved));
        }
        if (i % 7 == 3) {
            REQUIRE(db.destroy(places[i / 2]).wait());
        }
    }
    REQUIRE(db.snapshot());
    check_agrees(db, directory);
    REQUIRE(db.restore(saved.view())); // goes back in generations, and beyond what had been there
    check_agrees(db, directory);
    auto tx = db.begin();
    tx.create(Place{1, 2});
    REQUIRE(tx.commit());
    check_agrees(db, directory);
    REQUIRE(db.snapshot());
    check_agrees(db, directory);
}

TEST_CASE("another reader agrees on archives, on states and deltas as bytes, and on PECS, native and JSON", "[format]") {
    if (!can_run()) {
        return;
    }
    ScratchDirectory scratch;
    const std::string directory = scratch.file("world");
    Options options = in(directory);
    options.archive_directory = scratch.file("archive");
    auto opened = Notes::open(options);
    REQUIRE(opened);
    Notes& db = *opened;
    PosixFileSystem files;
    const auto put = [&](const char* name, const ByteBuffer& bytes) {
        REQUIRE(write_atomically(files, scratch.file(name), bytes.view()));
        return scratch.file(name);
    };
    SystemAllocator memory;
    ByteBuffer bytes{memory};
    std::vector<Entity> notes;
    std::string state;
    std::uint64_t then = 0;
    for (std::uint32_t i = 0; i < 150; ++i) {
        auto tx = db.begin();
        const std::string body = "note " + std::to_string(i);
        notes.push_back(tx.create(Note{i, tx.text(body), {}, Blob{}}, Place{float(i), 1}));
        if (i % 3 == 0) {
            tx.insert(notes.back(), Label{tx.text(i % 2 == 0 ? "" : "label")});
        }
        REQUIRE(tx.commit());
        if (i % 7 == 3) {
            REQUIRE(db.destroy(notes[i / 2]).wait());
        }
        if (i == 90) {
            REQUIRE(db.snapshot());
        } else if (i == 100) {
            REQUIRE(db.snapshot(bytes));
            state = put("state", bytes);
            then = db.version();
        }
    }
    REQUIRE(archive_now(db.engine()));
    const std::string expected = dump(db.read().root());
    CHECK(read_by_other("--archive " + options.archive_directory) == expected);
    bytes.clear();
    REQUIRE(db.save_delta(then, bytes));
    const std::string delta = put("delta", bytes);
    CHECK(read_by_other("--state " + state + ' ' + delta) == expected);

    // A delta of several versions is one step in the log of whoever applies it.
    const std::string copied = scratch.file("copy");
    {
        auto restored = restore(options.archive_directory, copied, RestoreTarget::at_version(then));
        REQUIRE(restored);
        auto copy = Notes::open(in(copied));
        REQUIRE(copy);
        REQUIRE(copy->apply_delta(bytes.view()));
        check_agrees(*copy, copied);
        CHECK(dump(copy->read().root()) == expected);
    }

    const std::string entities = dump_by_stable_id(db.read());
    const auto save = [&](const formats::Format& format, const char* name) {
        bytes.clear();
        REQUIRE(formats::save(db.read(), format, bytes));
        return put(name, bytes);
    };
    const std::string pecs = save(formats::PecsFormat{}, "pecs");
    CHECK(read_by_other("--pecs " + pecs) == entities);
    CHECK(read_by_other("--native " + save(formats::NativeFormat{}, "native")) == entities);
#if __has_include(<nlohmann/json.hpp>)
    const std::string json = read_by_other("--json " + save(formats::JsonFormat{}, "json"));
    CHECK(json.starts_with("version 1\ntypes "));
    CHECK(static_cast<std::uint64_t>(std::count(json.begin(), json.end(), '\n')) == 2 + db.read().entity_count());
#endif
    for (const std::string& path : {pecs, delta, state}) {
        auto damaged = read_all(files, path, 1U << 24U);
        REQUIRE(damaged);
        (*damaged)[damaged->size() / 2] ^= std::byte{4};
        REQUIRE(write_atomically(files, path, *damaged));
    }
    CHECK(read_by_other("--pecs " + pecs).find("entity ") == std::string::npos);
    CHECK(read_by_other("--state " + state).find("version ") == std::string::npos);
}

TEST_CASE("another reader, too, refuses what is damaged", "[format][fault]") {
    if (!has_python()) {
        WARN("python3 is not there: the reader that was written from the documentation is not run");
        return;
    }
    ScratchDirectory scratch;
    const std::string directory = scratch.file("world");
    {
        auto db = Notes::open(in(directory));
        REQUIRE(db);
        auto tx = db->begin();
        tx.create(Place{1, 2});
        REQUIRE(tx.commit());
        REQUIRE(db->snapshot());
    }
    for (const auto& [name, offset] :
         std::vector<std::pair<std::string, long>>{{"MANIFEST", 90}, {"snapshot-1.ecsdb", 200}, {"log/0000000002.seg", 60}}) {
        CAPTURE(name);
        const std::string path = directory + '/' + name;
        FILE* const file = std::fopen(path.c_str(), "r+b");
        REQUIRE(file != nullptr);
        std::fseek(file, offset, SEEK_SET);
        const int byte = std::fgetc(file);
        std::fseek(file, offset, SEEK_SET);
        std::fputc(byte ^ 8, file);
        std::fclose(file);
        const std::string told = read_by_other(directory);
        CHECK(told.find("version ") == std::string::npos);
        CHECK(told.find(directory) != std::string::npos);
        FILE* const again = std::fopen(path.c_str(), "r+b");
        std::fseek(again, offset, SEEK_SET);
        std::fputc(byte, again);
        std::fclose(again);
    }
    CHECK(read_by_other(directory).find("version 1\n") == 0);
}

} // namespace ecsdb::test::reader_format_test
