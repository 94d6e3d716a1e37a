#include "ecsdb/ecsdb.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/migration.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

// What is in tests/compatibility/format_1, and how it was written. The schema, the values and the files belong together: none of them
// changes any more.
namespace format_1_test {

using ecsdb::Entity;
using Db = ecsdb::Database<>;

namespace {

const char* const first_schema = R"(
[database]
name = "kept"
version = "1"
[tables.unit]
fields = [ { name = "hp", type = "u8" }, { name = "name", type = "string[4]" } ]
[tables.gone]
fields = [ { name = "x", type = "u8" } ]
)";
const char* const second_schema = R"(
[database]
name = "kept"
version = "2"
[enums.Team]
type = "i16"
values = { red = -1, blue = 300 }
[structs.Place]
fields = [ { name = "x", type = "u8" }, { name = "y", type = "f64" } ]
[tables.unit]
version = 2
fields = [
    { name = "hp", type = "u32", max = 4000000000 },
    { name = "name", type = "string[12]" },
    { name = "team", type = "Team", default = "blue" },
    { name = "places", type = "Place[2]" },
    { name = "maybe", type = "i64", nullable = true },
    { name = "on", type = "bool" },
    { name = "speed", type = "f32" },
    { name = "code", type = "u16", constraint = "unique", nullable = true },
]
[tables.gone]
dropped = true
fields = [ { name = "x", type = "u8" } ]
[tables.story]
storage = "sparse"
fields = [ { name = "words", type = "text" }, { name = "bytes", type = "blob" } ]
[tables.link]
fields = [ { name = "to", type = "entity", foreign_key = "unit.entity_id", on_delete = "cascade" } ]
[tables.saved]
persist = "snapshot"
fields = [ { name = "x", type = "i8" } ]
[tables.passing]
persist = "transient"
fields = [ { name = "x", type = "i8" } ]
[tables.tag]
)";

constexpr std::uint32_t units = 40;
/// Units of which no trace but their ids is left.
constexpr bool is_destroyed(std::uint32_t unit) {
    return unit % 10 == 3;
}

ecsdb::Schema schema(const char* toml) {
    auto parsed = ecsdb::parse_schema(toml, "format_1.toml");
    REQUIRE(parsed);
    return std::move(*parsed);
}
template <typename T>
T required(ecsdb::Result<T> result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
    return std::move(*result);
}
void require(const ecsdb::Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}
ecsdb::Options at(const std::string& directory, ecsdb::FileSystem& files) {
    ecsdb::Options options;
    options.directory = directory;
    options.durability = ecsdb::Durability::Synced;
    options.file_system = &files;
    options.own_thread = false;
    options.segment_bytes = 16 << 10;
    return options;
}

std::string words_of(std::uint32_t unit) {
    return unit == 8 ? std::string(3000, 'w') : "the story of unit " + std::to_string(unit);
}

void write(const std::string& directory, ecsdb::FileSystem& files) {
    const auto options = at(directory, files);
    std::vector<Entity> entities;
    {
        Db db = required(Db::open(options, schema(first_schema)));
        for (std::uint32_t unit = 0; unit < units / 2; ++unit) {
            auto tx = db.begin();
            entities.push_back(tx.create());
            ecsdb::Row row = required(ecsdb::Row::of(db.schema(), "unit"));
            require(row.set("hp", static_cast<std::uint8_t>(unit)));
            require(row.set_text("name", "u" + std::to_string(unit)));
            tx.insert_row(entities.back(), row.table(), row.bytes());
            require(tx.commit());
        }
    }
    Db db = required(ecsdb::open_migrating(options, schema(second_schema)));
    const auto insert = [&](auto& tx, Entity entity, const char* table, auto fill) {
        ecsdb::Row row = required(ecsdb::Row::of(db.schema(), table));
        fill(row);
        tx.insert_row(entity, row.table(), row.bytes());
    };
    for (std::uint32_t unit = units / 2; unit < units; ++unit) {
        auto tx = db.begin();
        entities.push_back(tx.create());
        insert(tx, entities.back(), "unit", [&](ecsdb::Row& row) {
            require(row.set("hp", unit * 100'000'000U));
            require(row.set_text("name", "unit " + std::to_string(unit)));
            require(row.set("team", std::int16_t{-1}));
            require(row.set("maybe", -std::int64_t{unit}));
            require(row.set("on", true));
            require(row.set("speed", static_cast<float>(unit) / 8));
            require(row.set("code", static_cast<std::uint16_t>(unit)));
        });
        require(tx.commit());
        if (unit == 30) {
            require(db.snapshot());
        }
    }
    for (std::uint32_t unit = 0; unit < units; unit += 2) {
        auto tx = db.begin();
        insert(tx, entities[unit], "story", [&](ecsdb::Row& row) {
            require(row.set("words", tx.text(words_of(unit))));
            const std::array bytes{std::byte{0}, static_cast<std::byte>(unit)};
            require(row.set("bytes", tx.blob(bytes)));
        });
        insert(tx, entities[unit], "link", [&](ecsdb::Row& row) { require(row.set("to", entities[units - 1 - unit])); });
        insert(tx, entities[unit], "saved", [&](ecsdb::Row& row) { require(row.set("x", std::int8_t{-1})); });
        insert(tx, entities[unit], "passing", [&](ecsdb::Row&) {});
        insert(tx, entities[unit], "tag", [&](ecsdb::Row&) {});
        require(tx.commit());
        if (unit == units / 2) {
            require(db.snapshot());
        }
    }
    for (std::uint32_t unit = 0; unit < units; ++unit) {
        if (is_destroyed(unit)) {
            require(db.destroy(entities[unit]).wait());
        }
    }
    require(db.close());
}

/// Every value that `write` has left.
void check(Db& db) {
    const ecsdb::View view = db.read();
    const ecsdb::Schema& now = db.schema();
    CHECK(now.name() == "kept");
    CHECK(now.database_version() == "2");
    CHECK(now.find_table("unit")->id == 0);
    CHECK(now.find_table("story")->id == 2);
    REQUIRE(now.history().size() == 8);
    CHECK(now.history().front().table == "unit");
    CHECK(now.history().front().version == units / 2 + 1);
    CHECK(view.entity_count() == units - 4);
    const auto hp = required(ecsdb::find_field<std::uint32_t>(now, "unit", "hp"));
    const auto team = required(ecsdb::find_field<std::int16_t>(now, "unit", "team"));
    const auto maybe = required(ecsdb::find_field<std::int64_t>(now, "unit", "maybe"));
    const auto on = required(ecsdb::find_field<bool>(now, "unit", "on"));
    const auto speed = required(ecsdb::find_field<float>(now, "unit", "speed"));
    const auto code = required(ecsdb::find_field<std::uint16_t>(now, "unit", "code"));
    const auto words = required(ecsdb::find_field<ecsdb::Text>(now, "story", "words"));
    const auto bytes = required(ecsdb::find_field<ecsdb::Blob>(now, "story", "bytes"));
    const auto to = required(ecsdb::find_field<Entity>(now, "link", "to"));
    const auto saved = required(ecsdb::find_field<std::int8_t>(now, "saved", "x"));
    const auto has = [&](Entity entity, const char* table) { return view.find_row(entity, now.find_table(table)->id) != nullptr; };
    for (std::uint32_t unit = 0; unit < units; ++unit) {
        CAPTURE(unit);
        // Ids were handed out in order: by the first program from 0 on, by the second from the first index nobody had been given.
        const Entity entity = [&] {
            Entity found;
            view.for_each_row(std::array{hp.table}, [&](Entity candidate, const std::byte* const* rows) {
                const std::uint32_t value = hp.in(rows[0]);
                found = value == (unit < units / 2 ? unit : unit * 100'000'000U) ? candidate : found;
            });
            return found;
        }();
        if (is_destroyed(unit)) {
            CHECK_FALSE(entity);
            continue;
        }
        REQUIRE(entity);
        const bool old = unit < units / 2;
        const ecsdb::Field& name = *now.table(0).find_field("name");
        const std::string called = old ? "u" + std::to_string(unit) : "unit " + std::to_string(unit);
        ecsdb::FixedString<12> stored;
        std::memcpy(static_cast<void*>(&stored), view.find_row(entity, 0) + name.offset, sizeof(stored));
        CHECK(stored.view() == called);
        CHECK(*view.get(entity, team) == (old ? 300 : -1));
        CHECK(db.get(entity, maybe) == (old ? std::optional<std::int64_t>{} : std::optional{-std::int64_t{unit}}));
        CHECK(*view.get(entity, on) == !old);
        CHECK(*view.get(entity, speed) == (old ? 0 : static_cast<float>(unit) / 8));
        CHECK(db.get(entity, code) == (old ? std::optional<std::uint16_t>{} : std::optional{static_cast<std::uint16_t>(unit)}));
        CHECK(has(entity, "story") == (unit % 2 == 0));
        CHECK(has(entity, "tag") == (unit % 2 == 0));
        CHECK_FALSE(has(entity, "passing"));
        // A link goes with what it names, and what was saved only with snapshots ends with the last of them.
        const bool linked = unit % 2 == 0 && !is_destroyed(units - 1 - unit);
        CHECK(has(entity, "link") == linked);
        CHECK(has(entity, "saved") == (unit % 2 == 0 && unit <= units / 2));
        if (linked) {
            CHECK(view.is_alive(*view.get(entity, to)));
        }
        if (has(entity, "saved")) {
            CHECK(*view.get(entity, saved) == -1);
        }
        if (unit % 2 == 0) {
            CHECK(view.text(*view.get(entity, words)) == words_of(unit));
            const auto held = view.blob(*view.get(entity, bytes));
            REQUIRE(held.size() == 2);
            CHECK(held[1] == static_cast<std::byte>(unit));
        }
    }
}

/// A copy of the files in memory.
std::unique_ptr<ecsdb::SimulatedFileSystem> copy_of(const std::string& directory) {
    auto copy = std::make_unique<ecsdb::SimulatedFileSystem>();
    ecsdb::PosixFileSystem files;
    require(copy->create_directory("kept"));
    require(copy->create_directory("kept/log"));
    for (const std::string inner : {"", "/log"}) {
        for (const std::string& name : required(files.list(directory + inner))) {
            if (name != "log" && name != "LOCK") {
                const auto bytes = required(ecsdb::read_all(files, directory + inner + '/' + name, 1U << 20U));
                require(ecsdb::write_atomically(*copy, "kept" + inner + '/' + name, bytes));
            }
        }
    }
    return copy;
}

} // namespace

TEST_CASE("what is kept is what the same program would write today", "[compatibility]") {
    // Where asked for, onto the disk: how the files were made.
    const char* const directory = std::getenv("ECSDB_COMPATIBILITY_WRITE");
    ecsdb::PosixFileSystem disk;
    ecsdb::SimulatedFileSystem memory;
    ecsdb::FileSystem& files = directory == nullptr ? static_cast<ecsdb::FileSystem&>(memory) : disk;
    const std::string path = directory == nullptr ? "kept" : directory;
    write(path, files);
    Db db = required(Db::open(at(path, files)));
    check(db);
}

TEST_CASE("a database of format 1 is read, to its last value", "[compatibility]") {
    const auto files = copy_of(std::string{ECSDB_COMPATIBILITY_FILES} + "/format_1");
    auto options = at("kept", *files);
    SECTION("without writing") {
        const std::size_t changes = files->changes();
        options.mode = ecsdb::OpenMode::ReadOnly;
        Db db = required(Db::open(options));
        check(db);
        CHECK(db.recovery_report().clean);
        CHECK(files->changes() == changes);
    }
    SECTION("and written to, and opened again") {
        std::uint64_t version = 0;
        for (int opening = 0; opening < 3; ++opening) {
            Db db = required(Db::open(options, schema(second_schema)));
            check(db);
            CHECK((opening == 0 || db.version() == version));
            auto tx = db.begin();
            const Entity extra = tx.create();
            require(tx.commit());
            require(db.destroy(extra).wait());
            require(db.snapshot());
            version = db.version();
        }
    }
}

} // namespace format_1_test
