#include "ecsdb/wal/persisted.hpp"

#include "ecsdb/schema/toml_reader.hpp"
#include "recovery/world.hpp"

#include <array>
#include <string_view>

namespace persisted_test {

namespace {

using namespace recovery_test;

constexpr std::string_view three_ways = R"(
[tables.kept]
fields = [ { name = "value", type = "u64" } ]
[tables.saved]
persist = "snapshot"
fields = [ { name = "value", type = "u64" } ]
[tables.lost]
persist = "transient"
fields = [ { name = "value", type = "u64" } ]
)";

ecsdb::Database<> open_three_ways(ecsdb::FileSystem& files, ecsdb::Durability durability) {
    auto schema = ecsdb::parse_schema(three_ways, "three_ways.toml");
    REQUIRE(schema);
    auto opened = ecsdb::Database<>::open(on(files, durability), std::move(*schema));
    if (!opened) {
        FAIL(opened.error().to_string());
    }
    return std::move(*opened);
}

/// The row's value, or -1 where there is none.
std::int64_t value_of(const ecsdb::Database<>& db, ecsdb::Entity entity, std::string_view table) {
    const auto view = db.read();
    const std::byte* const row = view.find_row(entity, view.schema().find_table(table)->id);
    return row == nullptr ? -1 : static_cast<std::int64_t>(ecsdb::load_le<std::uint64_t>(row));
}

void set_all(ecsdb::Database<>& db, ecsdb::Entity entity, std::uint64_t value) {
    std::array<std::byte, 8> row;
    ecsdb::store_le<std::uint64_t>(row.data(), value);
    auto tx = db.begin();
    for (const std::string_view table : {"kept", "saved", "lost"}) {
        tx.set_row(entity, db.schema().find_table(table)->id, row);
    }
    require(tx.commit());
}

} // namespace

TEST_CASE("only logged rows come back from the log, saved ones as they were saved, and entities always", "[wal]") {
    for (const ecsdb::Durability durability : {ecsdb::Durability::Logged, ecsdb::Durability::Synced}) {
        CAPTURE(static_cast<int>(durability));
        ecsdb::SimulatedFileSystem files;
        ecsdb::Entity first;
        ecsdb::Entity second;
        ecsdb::Entity bare;
        {
            ecsdb::Database<> db = open_three_ways(files, durability);
            auto tx = db.begin();
            first = tx.create();
            second = tx.create();
            require(tx.commit());
            set_all(db, first, 1);
            set_all(db, second, 1);
        }
        {
            ecsdb::Database<> db = open_three_ways(files, durability);
            CHECK(db.version() == 3);
            for (const ecsdb::Entity entity : {first, second}) {
                CHECK(value_of(db, entity, "kept") == 1);
                CHECK(value_of(db, entity, "saved") == -1); // there was no snapshot
                CHECK(value_of(db, entity, "lost") == -1);
            }
            set_all(db, first, 2);
            set_all(db, second, 2);
            require(db.snapshot());
            set_all(db, first, 3);
            require(db.destroy(second).wait());
            std::array<std::byte, 8> row{};
            auto tx = db.begin();
            bare = tx.create();
            tx.insert_row(bare, db.schema().find_table("lost")->id, row);
            require(tx.commit());
        }
        ecsdb::Database<> db = open_three_ways(files, durability);
        CHECK(db.version() == 8); // what left nothing behind has its version all the same
        CHECK(value_of(db, first, "kept") == 3);
        CHECK(value_of(db, first, "saved") == 2);
        CHECK(value_of(db, first, "lost") == -1);
        CHECK_FALSE(db.read().is_alive(second));
        CHECK(db.read().is_alive(bare));
        CHECK(value_of(db, bare, "lost") == -1);
        set_all(db, first, 4);
        CHECK(value_of(db, first, "lost") == 4);
    }
}

TEST_CASE("rows that are not logged are in no file of the log", "[wal]") {
    constexpr std::uint64_t mark = 0x0123456789ABCDEF;
    for (const std::string_view table : {"kept", "saved", "lost"}) {
        ecsdb::SimulatedFileSystem files;
        ecsdb::Database<> db = open_three_ways(files, ecsdb::Durability::Synced);
        std::array<std::byte, 8> row;
        ecsdb::store_le<std::uint64_t>(row.data(), mark);
        auto tx = db.begin();
        tx.insert_row(tx.create(), db.schema().find_table(table)->id, row);
        require(tx.commit());
        std::string log;
        const auto names = files.list("world/log");
        REQUIRE(names);
        for (const std::string& name : *names) {
            auto file = files.open("world/log/" + name, ecsdb::FileMode::Read);
            REQUIRE(file);
            std::string bytes(*(*file)->size(), '\0');
            REQUIRE((*file)->pread(std::as_writable_bytes(std::span{bytes}), 0));
            log += bytes;
        }
        CHECK((log.find(std::string{reinterpret_cast<const char*>(row.data()), row.size()}) != std::string::npos) == (table == "kept"));
    }
}

TEST_CASE("where every table is logged, deltas pass as they are; a refused copy is empty", "[wal][memory]") {
    struct Refusing final : ecsdb::Allocator {
        void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
        void deallocate(void*, std::size_t, std::size_t) noexcept override {}
    } refusing;
    auto mixed = ecsdb::parse_schema(three_ways, "three_ways.toml");
    auto plain = ecsdb::parse_schema("[tables.kept]\nfields = [ { name = \"value\", type = \"u64\" } ]\n", "plain.toml");
    REQUIRE(mixed);
    REQUIRE(plain);
    ecsdb::SystemAllocator memory;
    ecsdb::delta::Encoder encoder{memory};
    ecsdb::ByteBuffer out{memory};
    encoder.begin(out, {});
    encoder.end();
    const std::span<const std::byte> delta = out.view();
    REQUIRE_FALSE(delta.empty());
    ecsdb::wal::PersistedPart all{*plain, refusing};
    CHECK(all.of(delta).data() == delta.data());
    ecsdb::wal::PersistedPart some{*mixed, refusing};
    CHECK(some.of(delta).empty());
    ecsdb::wal::PersistedPart same{*mixed, memory};
    CHECK(same.of(delta).data() == delta.data()); // nothing had to be left out
}

} // namespace persisted_test
