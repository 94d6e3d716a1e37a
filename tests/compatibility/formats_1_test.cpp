#include "ecsdb/ecsdb.hpp"
#include "ecsdb/formats/native.hpp"
#include "ecsdb/formats/pecs.hpp"
#include "ecsdb/io/posix_file_system.hpp"
#include "ecsdb/io/simulated_file_system.hpp"
#include "ecsdb/recovery/archive.hpp"
#include "ecsdb/recovery/restore.hpp"
#include "support/catch.hpp"

#if __has_include(<nlohmann/json.hpp>)
#define ECSDB_TEST_KEEPS_JSON 1
#include "ecsdb/formats/json.hpp"
#else
#define ECSDB_TEST_KEEPS_JSON 0
#endif

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

// What is in tests/compatibility/formats_1, and how it was written: a database that compresses its snapshots, takes incremental ones and
// has an archive; its entities in every format; its state and a delta as bytes. Components, values and files belong together: none of them
// changes any more.
namespace formats_1_test {

struct Body {
    float x;
    double mass;
    std::int16_t layers[3];
};
ECSDB_COMPONENT(Body, x, mass, layers);
struct Tale {
    ecsdb::Text words;
    ecsdb::Blob bytes;
};
ECSDB_COMPONENT(Tale, words, bytes);
struct Follows {
    ecsdb::Entity whom;
};
ECSDB_COMPONENT(Follows, whom);
struct Marked {};
ECSDB_COMPONENT(Marked);

} // namespace formats_1_test

template <>
struct ecsdb::ComponentOptions<formats_1_test::Tale> {
    static constexpr Storage storage = Storage::Sparse;
};

namespace formats_1_test {

using ecsdb::ByteBuffer;
using ecsdb::Entity;
using Db = ecsdb::Database<Body, Tale, Follows, Marked, ecsdb::ImportedId>;

namespace {

constexpr std::uint32_t bodies = 300;
/// After which body the delta begins.
constexpr std::uint32_t later = 250;

void require(const ecsdb::Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}
template <typename T>
T required(ecsdb::Result<T> result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
    return std::move(*result);
}
ecsdb::Options at(const std::string& directory, ecsdb::FileSystem& files) {
    ecsdb::Options options;
    options.directory = directory + "/world";
    options.archive_directory = directory + "/archive";
    options.durability = ecsdb::Durability::Synced;
    options.file_system = &files;
    options.own_thread = false;
    options.segment_bytes = 8 << 10;
    options.compress_snapshots = true;
    options.incremental_snapshots = 4;
    options.incremental_percent = 100;
    return options;
}
ecsdb::Options in_memory() {
    ecsdb::Options options;
    options.own_thread = false;
    return options;
}

/// Body `i` is the i-th that was made; those in a format are found by their mass.
void make(Db& db, std::uint32_t from, std::uint32_t to, std::vector<Entity>& made) {
    for (std::uint32_t i = from; i < to; ++i) {
        auto tx = db.begin();
        const auto layer = static_cast<std::int16_t>(i * 100);
        made.push_back(tx.create(Body{static_cast<float>(i) / 4, i * 1.5, {layer, -1, 7}}));
        if (i % 3 == 0) {
            const std::vector<std::byte> bytes(i % 50, static_cast<std::byte>(i));
            tx.insert(made.back(), Tale{tx.text("the tale of " + std::to_string(i)), tx.blob(bytes)});
        }
        if (i % 5 == 1) {
            tx.insert(made.back(), Follows{made[i / 2]});
        }
        if (i % 7 == 0) {
            tx.insert(made.back(), Marked{});
        }
        require(tx.commit());
    }
}

/// Every value of the first `count` bodies.
void check(const ecsdb::View& view, std::uint32_t count) {
    CHECK(view.entity_count() == count);
    std::vector<Entity> of(count);
    view.for_each_row(std::array{view.schema().find_table("Body")->id}, [&](Entity entity, const std::byte* const* rows) {
        Body body;
        std::memcpy(static_cast<void*>(&body), rows[0], sizeof body);
        const auto i = static_cast<std::uint32_t>(body.mass / 1.5);
        REQUIRE(i < count);
        of[i] = entity;
        CHECK(body.x == static_cast<float>(i) / 4);
        CHECK(body.layers[0] == static_cast<std::int16_t>(i * 100));
        CHECK(body.layers[1] == -1);
        CHECK(body.layers[2] == 7);
    });
    const auto words = required(ecsdb::find_field<ecsdb::Text>(view.schema(), "Tale", "words"));
    const auto bytes = required(ecsdb::find_field<ecsdb::Blob>(view.schema(), "Tale", "bytes"));
    const auto whom = required(ecsdb::find_field<Entity>(view.schema(), "Follows", "whom"));
    for (std::uint32_t i = 0; i < count; ++i) {
        CAPTURE(i);
        REQUIRE(of[i]);
        const auto* const tale = view.get(of[i], words);
        REQUIRE((tale != nullptr) == (i % 3 == 0));
        if (tale != nullptr) {
            CHECK(view.text(*tale) == "the tale of " + std::to_string(i));
            const auto held = view.blob(*view.get(of[i], bytes));
            CHECK(held.size() == i % 50);
            CHECK((held.empty() || held[0] == static_cast<std::byte>(i)));
        }
        const Entity* const followed = view.get(of[i], whom);
        REQUIRE((followed != nullptr) == (i % 5 == 1));
        CHECK((followed == nullptr || *followed == of[i / 2]));
        CHECK((view.find_row(of[i], view.schema().find_table("Marked")->id) != nullptr) == (i % 7 == 0));
    }
}

void put(ecsdb::FileSystem& files, const std::string& path, const ByteBuffer& bytes) {
    require(ecsdb::write_atomically(files, path, bytes.view()));
}
std::vector<std::byte> read(ecsdb::FileSystem& files, const std::string& path) {
    return required(ecsdb::read_all(files, path, 1U << 20U));
}

void write(const std::string& directory, ecsdb::FileSystem& files) {
    require(files.create_directory(directory));
    ecsdb::SystemAllocator memory;
    ByteBuffer bytes{memory};
    Db db = required(Db::open(at(directory, files)));
    std::vector<Entity> made;
    make(db, 0, 200, made);
    require(db.snapshot());
    make(db, 200, later, made);
    static_cast<void>(required(db.snapshot(bytes)));
    put(files, directory + "/state.bytes", bytes);
    const std::uint64_t then = db.version();
    make(db, later, bodies, made);
    bytes.clear();
    static_cast<void>(required(db.save_delta(then, bytes)));
    put(files, directory + "/since.delta", bytes);
    const auto save = [&](const ecsdb::formats::Format& format, const std::string& name) {
        bytes.clear();
        require(ecsdb::formats::save(db.read(), format, bytes));
        put(files, directory + '/' + name, bytes);
    };
    save(ecsdb::formats::PecsFormat{}, "world.pecs");
    save(ecsdb::formats::NativeFormat{}, "world.native");
#if ECSDB_TEST_KEEPS_JSON
    save(ecsdb::formats::JsonFormat{}, "world.json");
#endif
    require(db.snapshot());
    require(ecsdb::archive_now(db.engine()));
    require(db.close());
}

void check_files(const std::string& directory, ecsdb::FileSystem& files) {
    {
        INFO("archive");
        ecsdb::ToolOptions tool;
        tool.file_system = &files;
        const auto whole = required(ecsdb::verify_archive(directory + "/archive", tool));
        CHECK(whole.faults.empty());
        static_cast<void>(
            required(ecsdb::restore(directory + "/archive", directory + "/restored", ecsdb::RestoreTarget::at_version(later), tool)));
        auto options = at(directory, files);
        options.directory = directory + "/restored";
        options.archive_directory.clear();
        const Db restored = required(Db::open(options));
        check(restored.read(), later);
    }
    {
        INFO("compressed and incremental snapshots");
        const Db db = required(Db::open(at(directory, files)));
        CHECK(db.recovery_report().snapshot_version == bodies);
        CHECK(db.snapshot_state().builds_on == 1);
        check(db.read(), bodies);
    }
    {
        INFO("state and delta");
        Db db = required(Db::open(in_memory()));
        const auto state = read(files, directory + "/state.bytes");
        require(db.restore(state));
        check(db.read(), later);
        const auto delta = read(files, directory + "/since.delta");
        const std::span<const std::byte> deltas[] = {delta};
        require(db.restore(state, deltas));
        check(db.read(), bodies);
    }
    const auto load = [&](const ecsdb::formats::Format& format, const std::string& name) {
        CAPTURE(name);
        Db db = required(Db::open(in_memory()));
        const auto bytes = read(files, directory + '/' + name);
        const auto report = required(ecsdb::formats::load(db, format, bytes));
        CHECK(report.created == bodies);
        check(db.read(), bodies);
    };
    load(ecsdb::formats::PecsFormat{}, "world.pecs");
    load(ecsdb::formats::NativeFormat{}, "world.native");
#if ECSDB_TEST_KEEPS_JSON
    load(ecsdb::formats::JsonFormat{}, "world.json");
#endif
}

} // namespace

TEST_CASE("what is kept in every format is what the same program would write today", "[compatibility]") {
    const char* const directory = std::getenv("ECSDB_COMPATIBILITY_WRITE_FORMATS");
    ecsdb::PosixFileSystem disk;
    ecsdb::SimulatedFileSystem memory;
    ecsdb::FileSystem& files = directory == nullptr ? static_cast<ecsdb::FileSystem&>(memory) : disk;
    write(directory == nullptr ? "kept" : directory, files);
    if (directory == nullptr) {
        check_files("kept", files);
    }
}

TEST_CASE("archives, snapshots of every kind, deltas, PECS, native and JSON of their first formats are read, to the last value",
          "[compatibility]") {
    ecsdb::PosixFileSystem disk;
    ecsdb::SimulatedFileSystem copy;
    const std::string kept = std::string{ECSDB_COMPATIBILITY_FILES} + "/formats_1";
    require(copy.create_directory("kept"));
    for (const std::string folder : {"", "/world", "/world/log", "/archive"}) {
        if (!folder.empty()) {
            require(copy.create_directory("kept" + folder));
        }
        for (const std::string& name : required(disk.list(kept + folder))) {
            const std::string path = folder + '/' + name;
            if (path != "/world" && path != "/archive" && path != "/world/log" && name != "LOCK") {
                require(ecsdb::write_atomically(copy, "kept" + path, read(disk, kept + path)));
            }
        }
    }
    check_files("kept", copy);
}

} // namespace formats_1_test
